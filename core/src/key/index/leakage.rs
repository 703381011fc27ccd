//! Recomputes the table of `docs/search.md`: what each index tells, over a made-up town of 10,000 people.

use super::{IndexReport, index_report};
use crate::store::IndexOptions;

const PAGE: &str = include_str!("../../../../docs/search.md");
const PEOPLE: usize = 10_000;

/// Common surnames of the United States, most common first.
const SURNAMES: &str = "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez \
    Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark \
    Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker \
    Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker Cruz Edwards Collins Reyes \
    Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos \
    Kim Cox Ward Richardson Watson Brooks Chavez Wood James Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo \
    Sanders Patel Myers Long Ross Foster Jimenez";

/// One column for each way to index.
struct Town {
    surnames: Vec<String>,
    emails: Vec<String>,
    cards: Vec<String>,
    sexes: Vec<String>,
    /// Surname and postal code, as a compound index joins them.
    joined: Vec<String>,
}

impl Town {
    /// The n-th surname is as common as 1 ÷ (n + 10); one in four people has a rare one, of two parts.
    fn new() -> Self {
        let names: Vec<&str> = SURNAMES.split_whitespace().collect();
        let weights: Vec<f64> = (0..names.len()).map(|place| 1.0 / (place as f64 + 10.0)).collect();
        let mut random = Random(1);
        let mut town = Self {
            surnames: Vec::new(),
            emails: Vec::new(),
            cards: Vec::new(),
            sexes: Vec::new(),
            joined: Vec::new(),
        };
        for person in 0..PEOPLE {
            let surname = if random.below(4) == 0 {
                let (first, second) = (names[random.below(names.len())], names[random.below(names.len())]);
                format!("{}{}", &first[..3], second[1..].to_lowercase())
            } else {
                names[random.weighted(&weights)].to_owned()
            };
            let postal_code = format!("{:05}", 10_000 + random.below(40));
            town.joined.push(format!("{surname}\n{postal_code}"));
            town.emails.push(format!("{}{person}@example.org", surname.to_lowercase()));
            town.cards.push(format!("4{:015}", random.number() % 1_000_000_000_000_000));
            town.sexes.push(["f", "m"][random.below(2)].to_owned());
            town.surnames.push(surname);
        }
        town
    }
}

/// splitmix64, the same everywhere.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = (self.number() >> 11) as f64 / (1_u64 << 53) as f64 * weights.iter().sum::<f64>();
        weights
            .iter()
            .position(|weight| {
                left -= weight;
                left < 0.0
            })
            .unwrap_or(0)
    }
}

fn line(what: &str, column: &[String], options: &IndexOptions) -> String {
    let values: Vec<_> = column.iter().map(|value| Some(value.as_bytes())).collect();
    let IndexReport {
        distinct_values,
        distinct_indexes,
        value_entropy,
        leaked_bits,
        most_common_share,
        guess_chance,
        found,
        false_positives,
        recommended_bits,
        ..
    } = index_report(&values, options).unwrap();
    let recommended = recommended_bits.map_or_else(|| "none".to_owned(), |bits| bits.to_string());
    format!(
        "| {what} | {distinct_values} | {distinct_indexes} | {leaked_bits:.1} of {value_entropy:.1} | {:.2} % → {:.1} % | \
         {found:.1} | {false_positives:.1} | {recommended} |",
        100.0 * most_common_share,
        100.0 * guess_chance,
    )
}

#[test]
fn every_line_of_the_table_is_true() {
    let town = Town::new();
    let exact = IndexOptions::new();
    let kind = |name: &str| IndexOptions::new().kind(name);
    let lines = [
        line("email, exact, 128 bits", &town.emails, &exact),
        line("email, exact, 12 bits", &town.emails, &exact.clone().bits(12)),
        line("surname, exact, 128 bits", &town.surnames, &exact),
        line("surname, exact, 8 bits", &town.surnames, &exact.clone().bits(8)),
        line("surname, exact, 4 bits", &town.surnames, &exact.clone().bits(4)),
        line("surname, prefix of 3", &town.surnames, &kind("prefix").length(3)),
        line("surname, prefix of 1", &town.surnames, &kind("prefix").length(1)),
        line("surname, soundex", &town.surnames, &kind("soundex")),
        line("card number, suffix of 4", &town.cards, &kind("suffix").length(4)),
        line("sex, exact, 128 bits", &town.sexes, &exact),
        line("surname and postal code, compound, 128 bits", &town.joined, &exact),
        line("surname and postal code, compound, 10 bits", &town.joined, &exact.clone().bits(10)),
    ];
    let missing: Vec<_> = lines.iter().filter(|line| !PAGE.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "docs/search.md does not have:\n{missing:#?}");
}
