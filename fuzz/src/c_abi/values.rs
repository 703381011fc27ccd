//! Arguments from the input: each in memory of exactly its size, so that a step too far is seen.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use super::header::Data;
use crate::input::Input;

/// Bytes to be lent: none, NULL with a length that is refused, or some.
pub(super) struct Lent {
    bytes: Box<[u8]>,
    /// What is said instead of the truth; only what the library must refuse before it reads.
    said: Option<(*const c_void, usize)>,
}

impl Lent {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), said: None }
    }

    pub(super) fn from_input(input: &mut Input) -> Self {
        match input.byte() % 16 {
            0 => Self { bytes: Box::default(), said: Some((ptr::null(), 0)) },
            1 => Self { bytes: Box::default(), said: Some((ptr::null(), usize::from(input.byte()) + 1)) },
            // A negative number turned into size_t.
            2 => {
                let bytes = Box::<[u8]>::from([0]);
                let start = bytes.as_ptr().cast();
                Self { bytes, said: Some((start, 0usize.wrapping_sub(usize::from(input.byte()) + 1))) }
            }
            _ => Self::new(input.bytes()),
        }
    }

    pub(super) fn pointer(&self) -> *const c_void {
        self.said.map_or(self.bytes.as_ptr().cast(), |(pointer, _)| pointer)
    }

    pub(super) fn length(&self) -> usize {
        self.said.map_or(self.bytes.len(), |(_, length)| length)
    }

    /// The bytes, where what was said of them is true.
    pub(super) fn honest(&self) -> Option<&[u8]> {
        match self.said {
            None => Some(&self.bytes),
            Some((_, 0)) => Some(&[]),
            Some(_) => None,
        }
    }

    pub(super) fn data(&self) -> Data {
        Data { data: self.pointer(), len: self.length() }
    }
}

/// A text that ends with a zero byte, or NULL.
pub(super) struct Text(Option<CString>);

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Self(Some(CString::new(text).unwrap_or_default()))
    }

    /// One of the words that mean something there, any bytes, or NULL.
    pub(super) fn from_input(input: &mut Input, words: &[&str]) -> Self {
        match input.byte() {
            0 => Self(None),
            1 => {
                let bytes: Vec<u8> = input.bytes().iter().copied().take_while(|byte| *byte != 0).collect();
                Self(CString::new(bytes).ok())
            }
            word => Self::new(words[usize::from(word) % words.len()]),
        }
    }

    pub(super) fn pointer(&self) -> *const c_char {
        self.0.as_ref().map_or(ptr::null(), |text| text.as_ptr())
    }
}
