//! What an index of a column would tell, before anybody makes it.

use std::collections::HashMap;

use serde::Serialize;

use super::recipe::Recipe;
use crate::error::{Error, Result};
use crate::keyring::IndexRoot;
use crate::limits;
use crate::primitives::HmacKey;
use crate::store::IndexOptions;

/// What an index tells whoever reads its column, worked out over the values themselves.
///
/// The reader is taken to know how often each value occurs, as he may from a census or an older leak, and which
/// index goes with which value; so these are upper bounds on what the index alone gives away.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IndexReport {
    /// How many values there are, without nulls.
    pub rows: u64,
    /// How many nulls there are; that they are null shows.
    pub nulls: u64,
    /// How many different values there are, before they are normalised.
    pub distinct_values: u64,
    /// The share of the most common value: the chance of guessing a row's value without its index.
    pub most_common_share: f64,
    /// Shannon entropy of the values, in bits a row.
    pub value_entropy: f64,
    /// Min-entropy of the values, in bits a row.
    pub value_min_entropy: f64,
    /// The width of the index.
    pub bits: u32,
    /// How many different indexes there are.
    pub distinct_indexes: u64,
    /// What a row's index tells of its value, on average: their mutual information, in bits a row. As the value
    /// determines the index, this is the entropy of the indexes.
    pub leaked_bits: f64,
    /// How much of the values' entropy remains to who sees the index, in bits a row.
    pub remaining_bits: f64,
    /// The chance of guessing a row's value right in one guess, with its index.
    pub guess_chance: f64,
    /// How many times more often the best guess is right with the index than without it, as bits: the min-entropy
    /// that leaks.
    pub min_entropy_leaked: f64,
    /// How many rows a search finds, on average over searches for the values of random rows.
    pub found: f64,
    /// How many of them hold another value than the one searched for.
    pub false_positives: f64,
    /// The most bits that surely leave a bit to find out: an index of so many cannot tell more, and what it is made
    /// of has a bit of entropy beyond. `None` where it has less than two: index it with other fields, or not at all.
    pub recommended_bits: Option<u32>,
    /// The fewest bits at which a search finds fewer than √rows others, if all values are different.
    pub narrowest_bits: u32,
}

/// Works out what an index with these options tells of these values. Opens no store and keeps nothing.
///
/// The indexes are made under a root that everyone knows, so that the same values give the same report; under
/// another root other values share an index, and as many. LimitExceeded past 1,000,000 values.
pub fn index_report(values: &[Option<&[u8]>], options: &IndexOptions) -> Result<IndexReport> {
    if values.len() > limits::INDEX_REPORT_VALUES {
        return Err(Error::limit(format!("a report is of at most {} values", limits::INDEX_REPORT_VALUES)));
    }
    let recipe = Recipe::of(options)?;
    let mut counts: HashMap<&[u8], (u64, usize)> = HashMap::new();
    for (place, value) in values.iter().enumerate() {
        if let Some(value) = value {
            counts.entry(value).or_insert((0, place)).0 += 1;
        }
    }
    let indexes = Indexes::new(&recipe, &counts)?;
    let mut each_value: Vec<u64> = counts.values().map(|(count, _)| *count).collect();
    // Sums of fractions depend on their order.
    each_value.sort_unstable();
    Ok(indexes.report(
        &each_value,
        (values.len() - each_value.iter().sum::<u64>() as usize) as u64,
        options.bits,
    ))
}

/// The values by their index.
struct Indexes {
    /// Of each index: its rows, and those of its most common value; fewest first.
    each: Vec<(u64, u64)>,
    /// The entropy that the indexes had at full width.
    full_entropy: f64,
}

impl Indexes {
    fn new(recipe: &Recipe, counts: &HashMap<&[u8], (u64, usize)>) -> Result<Self> {
        let root = IndexRoot { mac: HmacKey::new(&[0; 32]) };
        let mut rows = Vec::with_capacity(counts.len());
        for (value, (count, place)) in counts {
            let full = recipe.full_mac(&root, "report", value).map_err(|error| error.with_index(*place))?;
            rows.push((full, *count));
        }
        // In order, what begins with the same bits stands together.
        rows.sort_unstable();
        let total = |group: &[([u8; 32], u64)]| group.iter().map(|(_, count)| count).sum::<u64>();
        let mut full: Vec<u64> = rows.chunk_by(|a, b| a.0 == b.0).map(total).collect();
        full.sort_unstable();
        let same_index =
            |a: &([u8; 32], u64), b: &([u8; 32], u64)| recipe.truncated(a.0) == recipe.truncated(b.0);
        let most = |group: &[([u8; 32], u64)]| group.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let mut each: Vec<_> = rows.chunk_by(same_index).map(|group| (total(group), most(group))).collect();
        each.sort_unstable();
        Ok(Self { each, full_entropy: entropy(&full, full.iter().sum()) })
    }

    fn report(&self, each_value: &[u64], nulls: u64, bits: u32) -> IndexReport {
        let rows: u64 = each_value.iter().sum();
        let share = |count: u64| if rows == 0 { 0.0 } else { count as f64 / rows as f64 };
        let indexed: Vec<u64> = self.each.iter().map(|(count, _)| *count).collect();
        let most_common_share = share(each_value.last().copied().unwrap_or(0));
        let guess_chance = share(self.each.iter().map(|(_, most)| *most).sum());
        let found = share(squares(&indexed));
        let value_entropy = entropy(each_value, rows);
        let leaked_bits = entropy(&indexed, rows);
        IndexReport {
            rows,
            nulls,
            distinct_values: each_value.len() as u64,
            most_common_share,
            value_entropy,
            value_min_entropy: ratio_bits(1.0, most_common_share),
            bits,
            distinct_indexes: self.each.len() as u64,
            leaked_bits,
            remaining_bits: (value_entropy - leaked_bits).max(0.0),
            guess_chance,
            min_entropy_leaked: ratio_bits(guess_chance, most_common_share),
            found,
            false_positives: (found - share(squares(each_value))).max(0.0),
            recommended_bits: recommended(self.full_entropy),
            narrowest_bits: narrowest(rows),
        }
    }
}

/// Shannon entropy in bits of something that falls out so often.
fn entropy(counts: &[u64], total: u64) -> f64 {
    let bits = |count: &u64| {
        let share = *count as f64 / total as f64;
        -share * share.log2()
    };
    // A sum of nothing is -0.0, which JSON would show.
    counts.iter().map(bits).sum::<f64>() + 0.0
}

/// At most 10^12, as there are at most 10^6 rows.
fn squares(counts: &[u64]) -> u64 {
    counts.iter().map(|count| count * count).sum()
}

fn ratio_bits(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 } else { (numerator / denominator).log2().max(0.0) }
}

/// The most bits that are at least one less than the entropy; what is lost in summing it counts for nothing.
fn recommended(entropy: f64) -> Option<u32> {
    (1..=limits::INDEX_BITS).take_while(|bits| f64::from(*bits) <= entropy - 1.0 + 1e-9).last()
}

/// The fewest bits with rows ÷ 2^bits < √rows.
fn narrowest(rows: u64) -> u32 {
    (1..31).find(|bits| 1_u64 << (2 * bits) > rows).unwrap_or(31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn report(values: &[&str], options: &IndexOptions) -> IndexReport {
        let values: Vec<_> = values.iter().map(|value| Some(value.as_bytes())).collect();
        index_report(&values, options).unwrap()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }

    #[test]
    fn worked_out_by_hand() {
        // Shares 1/2, 1/4, 1/8, 1/8: 1.75 bits.
        let values = ["a", "a", "a", "a", "b", "b", "c", "d"];
        let exact = report(&values, &IndexOptions::new());
        assert_eq!((exact.rows, exact.nulls, exact.distinct_values, exact.distinct_indexes), (8, 0, 4, 4));
        close(exact.most_common_share, 0.5);
        close(exact.value_entropy, 1.75);
        close(exact.value_min_entropy, 1.0);
        close(exact.leaked_bits, 1.75);
        close(exact.remaining_bits, 0.0);
        close(exact.guess_chance, 1.0);
        close(exact.min_entropy_leaked, 1.0);
        close(exact.found, 22.0 / 8.0);
        close(exact.false_positives, 0.0);
        assert_eq!((exact.recommended_bits, exact.narrowest_bits), (None, 2));
    }

    #[test]
    fn what_shares_an_index_tells_less() {
        // By first letter: a 4, b 4; one index of each has its values half and half.
        let values = ["ab", "ab", "ac", "ac", "bx", "bx", "by", "by"];
        let prefix = report(&values, &IndexOptions::new().kind("prefix").length(1));
        assert_eq!((prefix.distinct_values, prefix.distinct_indexes), (4, 2));
        close(prefix.value_entropy, 2.0);
        close(prefix.leaked_bits, 1.0);
        close(prefix.remaining_bits, 1.0);
        close(prefix.guess_chance, 0.5);
        close(prefix.min_entropy_leaked, 1.0);
        close(prefix.found, 4.0);
        close(prefix.false_positives, 2.0);
        assert_eq!(prefix.recommended_bits, None);
    }

    #[test]
    fn nothing_tells_nothing() {
        for values in [&[][..], &[None, None]] {
            let report = index_report(values, &IndexOptions::new()).unwrap();
            assert_eq!((report.rows, report.nulls), (0, values.len() as u64));
            for number in [
                report.most_common_share,
                report.value_entropy,
                report.value_min_entropy,
                report.leaked_bits,
                report.remaining_bits,
                report.guess_chance,
                report.min_entropy_leaked,
                report.found,
                report.false_positives,
            ] {
                assert_eq!(number.to_bits(), 0);
            }
            assert_eq!(report.recommended_bits, None);
        }
    }

    #[test]
    fn a_recommended_width_leaves_a_bit() {
        assert_eq!(
            [0.0, 1.0, 1.9, 2.0, 2.9, 8.3].map(recommended),
            [None, None, None, Some(1), Some(1), Some(7)]
        );
        let values: Vec<String> = (0..3000_u32).map(|number| number.isqrt().to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let bits = report(&values, &IndexOptions::new()).recommended_bits.unwrap();
        let narrowed = report(&values, &IndexOptions::new().bits(bits));
        assert!(narrowed.remaining_bits >= 1.0 && narrowed.leaked_bits <= f64::from(bits), "{narrowed:?}");
    }

    #[test]
    fn widths_as_the_planner_of_ciphersweet_has_them() {
        // 50,000 rows: at least 8 bits (ciphersweet.paragonie.com/node.js/blind-index-planning).
        assert_eq!(
            [0, 1, 3, 4, 15, 16, 50_000, 65_535, 65_536, 1_000_000].map(narrowest),
            [1, 1, 1, 2, 2, 3, 8, 8, 9, 10]
        );
    }

    #[test]
    fn fewer_bits_share_as_expected() {
        let values: Vec<String> = (0..20_000).map(|number| format!("user{number}@example.org")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let full = report(&values, &IndexOptions::new());
        assert_eq!(
            (full.distinct_indexes, full.recommended_bits, full.narrowest_bits),
            (20_000, Some(13), 8)
        );
        let short = report(&values, &IndexOptions::new().bits(13));
        // 8,192 indexes; a search finds 1 + 20,000 / 8,192 rows on average, a guess is right in 8,192 of 20,000.
        assert!((short.false_positives - 19_999.0 / 8192.0).abs() < 0.1, "{short:?}");
        assert!((short.guess_chance - 8192.0 * 0.913 / 20_000.0).abs() < 0.01, "{short:?}");
        assert!(short.leaked_bits < 13.0 && short.leaked_bits > 12.5, "{short:?}");
        assert_eq!(short, report(&values, &IndexOptions::new().bits(13)));
    }

    #[test]
    fn limits_and_bad_values() {
        let most = vec![Some(&b"a"[..]); limits::INDEX_REPORT_VALUES];
        assert_eq!(index_report(&most, &IndexOptions::new()).unwrap().found, 1e6);
        let more = vec![None; limits::INDEX_REPORT_VALUES + 1];
        assert_eq!(index_report(&more, &IndexOptions::new()).unwrap_err().kind(), ErrorKind::LimitExceeded);
        let error = index_report(&[None, Some(b"a"), Some(b"\xff")], &IndexOptions::new().kind("soundex"));
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidArgument, Some(2)));
    }
}
