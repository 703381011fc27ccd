//! Texts and bytes that may be secret, wiped when dropped.

use std::hint::black_box;
use std::ops::{Deref, DerefMut};

/// Bytes, wiped when dropped.
pub struct WipedBytes(Vec<u8>);

/// Text, wiped when dropped.
pub struct WipedText(String);

impl WipedBytes {
    /// For filling a vector that has room for it: growing would leave copies behind.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// As text, where the bytes are UTF-8.
    pub fn into_text(mut self) -> keyfold::Result<WipedText> {
        crate::raw::utf8(std::mem::take(&mut self.0))
    }
}

/// UTF-16 units, wiped when dropped.
pub struct WipedUnits(Vec<u16>);

impl WipedUnits {
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Appends units where there is room for them: growing would leave copies behind.
    pub fn append(&mut self, units: &[u16]) -> keyfold::Result<()> {
        if self.0.capacity() - self.0.len() < units.len() {
            return Err(crate::batch::mismatched());
        }
        self.0.extend_from_slice(units);
        Ok(())
    }
}

impl From<Vec<u16>> for WipedUnits {
    fn from(units: Vec<u16>) -> Self {
        Self(units)
    }
}

impl Deref for WipedUnits {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        &self.0
    }
}

impl DerefMut for WipedUnits {
    fn deref_mut(&mut self) -> &mut [u16] {
        &mut self.0
    }
}

impl Drop for WipedUnits {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            self.0.fill(0);
            black_box(&mut self.0[..]);
        }
    }
}

impl From<Vec<u8>> for WipedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for WipedText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for WipedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for WipedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl Drop for WipedText {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

/// Overwrites with zeros, many bytes at a time; `black_box` may read them, so they cannot be left out. No bytes are
/// left alone: where an empty vector points, some processors take 100 ns to write nothing.
pub fn wipe(bytes: &mut [u8]) {
    if !bytes.is_empty() {
        bytes.fill(0);
        black_box(bytes);
    }
}
