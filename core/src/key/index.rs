//! Blind indexes: keyed hashes of values, for finding encrypted rows by equality.
//!
//! HMAC-SHA256 under the index root, over: the label `keyfold/v1/blind-index`, the kind, the field and the
//! value, each with its length; truncated to the wanted bits. Never a plain hash.

use crate::error::{Error, Result};
use crate::key::Key;
use crate::keyring::IndexRoot;
use crate::limits;
use crate::store::IndexOptions;

const LABEL: &[u8] = b"keyfold/v1/blind-index";

impl Key {
    /// The index to store beside the value and to search for: stable while data keys rotate.
    ///
    /// Keys of one purpose give the same index for a value and field; a key without a purpose has a root of its
    /// own. Equal values are seen to be equal, and how often; fewer bits blur that. An empty value has an index
    /// like any other.
    pub fn blind_index(&self, value: &[u8], field: &str, options: &IndexOptions) -> Result<Vec<u8>> {
        let question = Question::new(value, field, options)?;
        self.with_snapshot(|snapshot| {
            let root = snapshot.index_roots.first();
            root.map(|root| question.answer(root))
                .ok_or_else(|| Error::integrity("the key has no index root"))
        })
    }

    /// The indexes under all live versions of the root, newest first: search for any of them.
    pub fn blind_indexes(&self, value: &[u8], field: &str, options: &IndexOptions) -> Result<Vec<Vec<u8>>> {
        let question = Question::new(value, field, options)?;
        self.with_snapshot(|snapshot| {
            Ok(snapshot.index_roots.iter().map(|root| question.answer(root)).collect())
        })
    }
}

/// A value and field, checked.
struct Question<'a> {
    value: &'a [u8],
    field: &'a str,
    bits: u32,
}

impl<'a> Question<'a> {
    fn new(value: &'a [u8], field: &'a str, options: &IndexOptions) -> Result<Self> {
        if field.is_empty() || field.len() > limits::INDEX_FIELD_BYTES {
            return Err(Error::invalid(format!(
                "field names what is indexed, as in \"users.email\": 1 to {} bytes",
                limits::INDEX_FIELD_BYTES
            )));
        }
        if options.bits == 0 || options.bits > limits::INDEX_BITS {
            return Err(Error::invalid(format!(
                "bits is {}; it may be 1 to {}",
                options.bits,
                limits::INDEX_BITS
            )));
        }
        if options.kind != "exact" {
            return Err(Error::invalid(format!("index kind {:?} is none of: exact", options.kind)));
        }
        if value.len() > limits::MESSAGE_BYTES {
            return Err(Error::limit(format!("an indexed value is at most {} bytes", limits::MESSAGE_BYTES)));
        }
        Ok(Self { value, field, bits: options.bits })
    }

    fn answer(&self, root: &IndexRoot) -> Vec<u8> {
        let kind = b"exact";
        let length = |part: &[u8]| (part.len() as u32).to_be_bytes();
        let field = self.field.as_bytes();
        let mac = root.mac.mac(&[
            LABEL,
            &length(kind),
            kind,
            &length(field),
            field,
            &length(self.value),
            self.value,
        ]);
        let mut index = mac[..self.bits.div_ceil(8) as usize].to_vec();
        let spare = (8 - self.bits % 8) % 8;
        if let Some(last) = index.last_mut() {
            *last &= 0xff << spare;
        }
        index
    }
}

/// An index under a given root, for the worked example.
#[cfg(test)]
pub(crate) fn index_under(root: &IndexRoot, value: &[u8], field: &str, bits: u32) -> Result<Vec<u8>> {
    Ok(Question::new(value, field, &IndexOptions::new().bits(bits))?.answer(root))
}
