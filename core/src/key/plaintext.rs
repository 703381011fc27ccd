//! Plaintexts that are wiped when dropped.

use std::fmt;
use std::hint::black_box;
use std::ops::Deref;

/// Decrypted bytes, wiped when dropped. Reads as a byte slice.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Zeros, to be written over.
    pub(crate) fn zeroed(length: usize) -> Self {
        Self(vec![0; length])
    }

    /// Of its final size at once: growing would leave copies behind.
    pub(crate) fn with_capacity(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The bytes as a vector that the caller wipes.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        wipe(&mut self.0);
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
pub struct PlaintextText(String);

impl PlaintextText {
    /// `None` where the bytes are not UTF-8; they are wiped.
    pub(crate) fn new(plaintext: Plaintext) -> Option<Self> {
        match String::from_utf8(plaintext.into_vec()) {
            Ok(text) => Some(Self(text)),
            Err(error) => {
                wipe(&mut error.into_bytes());
                None
            }
        }
    }
}

impl Drop for PlaintextText {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
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

/// Overwrites with zeros, many bytes at a time: byte by byte, as volatile writes go, takes longer than decrypting
/// does. The compiler must take `black_box` to read the bytes, so it cannot leave the zeros out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    // Filling nothing is not free: masked stores to an empty vector's dangling address are slow.
    if bytes.is_empty() {
        return;
    }
    bytes.fill(0);
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_printed_and_only_text_is_text() {
        let plaintext = |bytes: &[u8]| {
            let mut plaintext = Plaintext::with_capacity(bytes.len());
            plaintext.buffer().extend_from_slice(bytes);
            plaintext
        };
        assert_eq!(format!("{:?}", plaintext(b"secret")), "Plaintext(6 bytes)");
        let text = PlaintextText::new(plaintext("naïve".as_bytes())).unwrap();
        assert_eq!((&*text, format!("{text:?}").as_str()), ("naïve", "PlaintextText(6 bytes)"));
        assert!(PlaintextText::new(plaintext(b"\xff")).is_none());
        assert_eq!(plaintext(b"a").into_vec(), b"a");
    }

    #[test]
    fn wiping_leaves_zeros() {
        let mut bytes = [7u8; 100];
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 100]);
    }
}
