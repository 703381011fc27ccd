//! Blind indexes: keyed hashes of values, for finding encrypted rows.
//!
//! `docs/format.md` has the bytes, `docs/search.md` what each kind tells a reader of the column.

mod casefold;
mod digits;
#[cfg(test)]
mod leakage;
mod normalize;
mod recipe;
mod report;
mod soundex;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::keyring::{IndexRoot, Snapshot};
use crate::limits;
use crate::store::IndexOptions;

use recipe::Recipe;
pub use report::{IndexReport, index_report};

impl Key {
    /// The index to store beside the value and to search for: stable while data keys rotate.
    ///
    /// Keys of one purpose give the same index for a value and field; a key without a purpose has a root of its
    /// own. Equal values are seen to be equal, and how often; fewer bits blur that. An empty value, also one that
    /// the normalisers empty, has an index like any other. InvalidArgument where a value is not UTF-8 and the
    /// options read it as text.
    pub fn blind_index(&self, value: &[u8], field: &str, options: &IndexOptions) -> Result<Vec<u8>> {
        let recipe = Recipe::new(field, options)?;
        self.with_snapshot(|snapshot| recipe.index(newest(snapshot)?, field, value))
    }

    /// The indexes under all live versions of the root, newest first: search for any of them.
    pub fn blind_indexes(&self, value: &[u8], field: &str, options: &IndexOptions) -> Result<Vec<Vec<u8>>> {
        let recipe = Recipe::new(field, options)?;
        self.with_snapshot(|snapshot| recipe.indexes(live(snapshot)?, field, value))
    }

    /// [`Key::blind_index`] of each value, under one root; `None` stays `None`.
    ///
    /// The error of a value carries its place. LimitExceeded past 100,000 values.
    pub fn blind_index_many(
        &self,
        values: &[Option<&[u8]>],
        field: &str,
        options: &IndexOptions,
    ) -> Result<PackedIndexes> {
        if values.len() > limits::INDEX_BATCH {
            return Err(Error::limit(format!("a batch is at most {} values", limits::INDEX_BATCH)));
        }
        let recipe = Recipe::new(field, options)?;
        let width = recipe.width();
        self.with_snapshot(|snapshot| {
            let root = newest(snapshot)?;
            let mut packed = PackedIndexes {
                width,
                present: vec![false; values.len()],
                bytes: vec![0; width * values.len()],
            };
            for (place, value) in values.iter().enumerate() {
                let Some(value) = value else { continue };
                let mac = recipe.mac(root, field, value).map_err(|error| error.with_index(place))?;
                packed.bytes[place * width..][..width].copy_from_slice(&mac[..width]);
                packed.present[place] = true;
            }
            Ok(packed)
        })
    }

    /// One index of several fields and their values: found only by who knows all of them.
    ///
    /// The fields' order does not matter, and none may come twice. The options hold for every value. Where one of
    /// the values is missing there is no index.
    pub fn blind_index_compound(&self, values: &[(&str, &[u8])], options: &IndexOptions) -> Result<Vec<u8>> {
        let recipe = Recipe::compound(values, options)?;
        self.with_snapshot(|snapshot| {
            let mut indexes = recipe.compound_indexes(&live(snapshot)?[..1], values)?;
            indexes.pop().ok_or_else(|| Error::internal("no index under a root"))
        })
    }

    /// The compound indexes under all live versions of the root, newest first: search for any of them.
    pub fn blind_indexes_compound(
        &self,
        values: &[(&str, &[u8])],
        options: &IndexOptions,
    ) -> Result<Vec<Vec<u8>>> {
        let recipe = Recipe::compound(values, options)?;
        self.with_snapshot(|snapshot| recipe.compound_indexes(live(snapshot)?, values))
    }
}

/// The live versions of the key's index root, newest first; never none.
fn live(snapshot: &Snapshot) -> Result<&[IndexRoot]> {
    let roots = snapshot.index_roots.as_slice();
    if roots.is_empty() { Err(Error::integrity("the key has no index root")) } else { Ok(roots) }
}

fn newest(snapshot: &Snapshot) -> Result<&IndexRoot> {
    live(snapshot).map(|roots| &roots[0])
}

/// Indexes of one width, one after the other in one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedIndexes {
    width: usize,
    present: Vec<bool>,
    bytes: Vec<u8>,
}

impl PackedIndexes {
    /// How many values were asked for.
    pub fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether no value was asked for.
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// The bytes of each index.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All indexes in the order of the values, zeros where there was none.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The index of the value at this place; `None` where there was none.
    pub fn get(&self, place: usize) -> Option<&[u8]> {
        let present = *self.present.get(place)?;
        present.then(|| &self.bytes[place * self.width..][..self.width])
    }

    /// Each index in the order of the values; `None` where there was none.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// An index under a given root, for the worked example.
#[cfg(test)]
pub(crate) fn index_under(root: &IndexRoot, value: &[u8], field: &str, options: &IndexOptions) -> Vec<u8> {
    Recipe::new(field, options).unwrap().index(root, field, value).unwrap()
}

/// A compound index under a given root, for the worked example.
#[cfg(test)]
pub(crate) fn compound_under(root: &IndexRoot, values: &[(&str, &[u8])], options: &IndexOptions) -> Vec<u8> {
    let recipe = Recipe::compound(values, options).unwrap();
    recipe.compound_indexes(std::slice::from_ref(root), values).unwrap().remove(0)
}
