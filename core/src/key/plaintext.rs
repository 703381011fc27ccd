//! Plaintexts that are wiped when dropped.

use std::fmt;
use std::ops::Deref;

use zeroize::{Zeroize, Zeroizing};

/// Decrypted bytes, wiped when dropped. Reads as a byte slice.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Of its final size at once: growing would leave copies behind.
    pub(crate) fn with_capacity(length: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(length)))
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The bytes as a vector that the caller wipes.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Plaintext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Plaintext {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<[u8]> for Plaintext {
    fn eq(&self, other: &[u8]) -> bool {
        crate::primitives::equal(&self.0, other)
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Plaintext({} bytes)", self.0.len())
    }
}

/// Decrypted text, wiped when dropped. Reads as a string slice.
pub struct PlaintextText(Zeroizing<String>);

impl PlaintextText {
    /// `None` where the bytes are not UTF-8; they are wiped.
    pub(crate) fn new(plaintext: Plaintext) -> Option<Self> {
        match String::from_utf8(plaintext.into_vec()) {
            Ok(text) => Some(Self(Zeroizing::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }
}

impl Deref for PlaintextText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlaintextText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PlaintextText({} bytes)", self.0.len())
    }
}
