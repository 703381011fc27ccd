//! Many values in one call: one snapshot, one buffer for all results, and no allocation for each.
//!
//! [`Key::encrypt_many`] and [`Key::decrypt_many`] give packed results. [`BatchEncryption`] and
//! [`BatchDecryption`] go value by value and write where the caller wants: for those who build objects of their own.

mod counted;
mod decryption;
mod encryption;
mod nonces;
mod packed;

pub use decryption::{BatchDecryption, BatchItem, OnError};
pub use encryption::BatchEncryption;
pub use packed::{Packed, PackedText, PlaintextBatch};

use crate::error::{Error, Result};
use crate::format::{Aad, AadBytes};
use crate::limits;

#[cfg(doc)]
use crate::Key;

/// What the values of a batch are bound to.
#[derive(Clone, Copy, Debug)]
pub enum Aads<'a> {
    /// All to the same.
    One(Aad<'a>),
    /// Each to its own, in order; as many as there are values.
    Each(&'a [Aad<'a>]),
}

impl<'a> From<Aad<'a>> for Aads<'a> {
    fn from(aad: Aad<'a>) -> Self {
        Aads::One(aad)
    }
}

impl<'a> From<&'a [Aad<'a>]> for Aads<'a> {
    fn from(aads: &'a [Aad<'a>]) -> Self {
        Aads::Each(aads)
    }
}

/// Associated data ready for the cipher: one for all is encoded once.
enum Prepared<'a> {
    One(AadBytes<'a>),
    Each { aads: &'a [Aad<'a>], current: AadBytes<'a> },
}

impl<'a> Prepared<'a> {
    fn new(aads: Aads<'a>, count: usize) -> Result<Self> {
        if count > limits::BATCH {
            return Err(Error::limit(format!("a batch is at most {} values", limits::BATCH)));
        }
        match aads {
            Aads::One(aad) => Ok(Self::One(aad.to_bytes()?)),
            Aads::Each(aads) if aads.len() != count => {
                Err(Error::invalid(format!("{count} values have {} aads; give one for each", aads.len())))
            }
            Aads::Each(aads) => Ok(Self::Each { aads, current: AadBytes::Borrowed(&[]) }),
        }
    }

    #[inline]
    fn of(&mut self, index: usize) -> Result<&[u8]> {
        match self {
            Self::One(bytes) => Ok((*bytes).as_ref()),
            Self::Each { aads, current } => {
                let aad = aads.get(index).ok_or_else(|| Error::invalid("the batch has no such place"))?;
                *current = aad.to_bytes()?;
                Ok((*current).as_ref())
            }
        }
    }
}

/// How many values and bytes of output a batch may still have.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    fn new(count: usize) -> Self {
        Self { values: count, bytes: limits::BATCH_BYTES }
    }

    /// Room for one more value. How many there was room for, this one included.
    #[inline]
    fn take(&mut self, bytes: usize) -> Result<usize> {
        let expected = self.values;
        let values = self.values.checked_sub(1);
        self.values = values.ok_or_else(|| Error::invalid("the batch was begun for fewer values"))?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(expected)
    }
}

#[cold]
fn too_long() -> Error {
    Error::limit(format!(
        "a batch is at most {} bytes (256 MiB), all its values together; make it smaller",
        limits::BATCH_BYTES
    ))
}
