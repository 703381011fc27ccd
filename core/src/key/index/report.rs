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
    /// The most bits at which an index still stands for two values or more on average. `None` where there are too
    /// few values: an index of any width tells them all.
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
    /// How many different indexes there were at full width.
    distinct_inputs: u64,
}

impl Indexes {
    fn new(recipe: &Recipe, counts: &HashMap<&[u8], (u64, usize)>) -> Result<Self> {
        let root = IndexRoot { mac: HmacKey::new(&[0; 32]) };
        let mut inputs: HashMap<[u8; 32], (u64, u64)> = HashMap::new();
        for (value, (count, place)) in counts {
            let full = recipe.full_mac(&root, "report", value).map_err(|error| error.with_index(*place))?;
            let (rows, most) = inputs.entry(full).or_default();
            *rows += count;
            *most = (*most).max(*count);
        }
        let mut indexes: HashMap<[u8; 32], (u64, u64)> = HashMap::new();
        for (full, (count, most_common)) in &inputs {
            let (rows, most) = indexes.entry(recipe.truncated(*full)).or_default();
            *rows += count;
            *most = (*most).max(*most_common);
        }
        let mut each: Vec<_> = indexes.into_values().collect();
        each.sort_unstable();
        Ok(Self { each, distinct_inputs: inputs.len() as u64 })
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
            recommended_bits: self
                .distinct_inputs
                .checked_ilog2()
                .and_then(|bits| bits.checked_sub(1))
                .filter(|bits| *bits > 0),
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
    counts.iter().map(bits).sum::<f64>().max(0.0)
}

/// At most 10^12, as there are at most 10^6 rows.
fn squares(counts: &[u64]) -> u64 {
    counts.iter().map(|count| count * count).sum()
}

fn ratio_bits(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 } else { (numerator / denominator).log2().max(0.0) }
}

/// The fewest bits with rows ÷ 2^bits < √rows.
fn narrowest(rows: u64) -> u32 {
    (1..31).find(|bits| 1_u64 << (2 * bits) > rows).unwrap_or(31)
}
