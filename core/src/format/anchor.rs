//! An anchor: a short text that pins how far a store had come.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

const PREFIX: &str = "kfa1.";
const LENGTH: usize = 16 + 8 + 8 + 32;

/// The store, its generation, and the head of its audit chain. Public: it holds no secret.
///
/// Opening with an anchor refuses an older or a forked copy of the file. Keep it where whoever can write the
/// file cannot write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub(crate) store_id: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 32],
}

impl Anchor {
    /// Counts the administrative acts on the store.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of the newest audit record.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&self.store_id);
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.hash);
        write!(out, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl serde::Serialize for Anchor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Anchor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed =
            || Error::invalid("not an anchor: expected \"kfa1.\" and 86 characters, as anchor() gives");
        let bytes = text
            .strip_prefix(PREFIX)
            .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok())
            .ok_or_else(malformed)?;
        let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| malformed())?;
        let (store_id, rest) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let (generation, rest) = rest.split_first_chunk().ok_or_else(malformed)?;
        let (sequence, hash) = rest.split_first_chunk().ok_or_else(malformed)?;
        Ok(Self {
            store_id: *store_id,
            generation: u64::from_be_bytes(*generation),
            sequence: u64::from_be_bytes(*sequence),
            hash: hash.try_into().map_err(|_| malformed())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let anchor = Anchor { store_id: [7; 16], generation: 3, sequence: 5, hash: [9; 32] };
        let text = anchor.to_string();
        assert_eq!(text.len(), PREFIX.len() + 86);
        assert_eq!(text.parse::<Anchor>().unwrap(), anchor);
        assert_eq!((anchor.generation(), anchor.sequence()), (3, 5));
        for bad in ["", "kfa1.", &text[..text.len() - 1], &text[5..], &format!("{text}A")] {
            assert!(bad.parse::<Anchor>().is_err());
        }
    }
}
