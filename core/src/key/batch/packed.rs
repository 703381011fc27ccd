//! The results of a batch, in one buffer.

use std::fmt;
use std::ops::Range;

use crate::error::Error;
use crate::key::plaintext::Plaintext;

/// Where a value lies; empty lengths are values too, so `None` has a mark of its own.
#[derive(Clone, Copy)]
struct Place {
    /// A batch is shorter than 4 GiB: see limits::BATCH_BYTES.
    start: u32,
    length: u32,
}

impl Place {
    const NONE: Self = Self { start: 0, length: u32::MAX };

    fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, length: (range.end - range.start) as u32 }
    }

    #[inline]
    fn range(self) -> Option<Range<usize>> {
        let start = self.start as usize;
        (self.length != u32::MAX).then(|| start..start + self.length as usize)
    }
}

/// Ciphertexts of a batch, one after the other.
#[derive(Clone)]
pub struct Packed {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

impl Packed {
    pub(super) fn new(bytes: Vec<u8>, count: usize) -> Self {
        Self { bytes, places: Vec::with_capacity(count) }
    }

    pub(super) fn push(&mut self, range: Option<Range<usize>>) -> Option<&mut [u8]> {
        self.places.push(range.clone().map_or(Place::NONE, Place::new));
        range.map(|range| &mut self.bytes[range])
    }

    /// How many values, those that are `None` included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The value at this place; `None` where there was none, or past the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.range(index).map(|range| &self.bytes[range])
    }

    /// Where in [`Packed::bytes`] the value lies.
    #[inline]
    pub fn range(&self, index: usize) -> Option<Range<usize>> {
        self.places.get(index)?.range()
    }

    /// All values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.places.iter().map(|place| place.range().map(|range| &self.bytes[range]))
    }

    /// All values, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The buffer, taken out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Packed({} values, {} bytes)", self.len(), self.bytes.len())
    }
}

/// Text forms of a batch, one after the other.
#[derive(Clone)]
pub struct PackedText {
    text: String,
    places: Vec<Place>,
}

impl PackedText {
    pub(super) fn new(text: String, count: usize) -> Self {
        Self { text, places: Vec::with_capacity(count) }
    }

    pub(super) fn text_mut(&mut self) -> &mut String {
        &mut self.text
    }

    pub(super) fn push(&mut self, range: Option<Range<usize>>) {
        self.places.push(range.map_or(Place::NONE, Place::new));
    }

    /// How many values, those that are `None` included.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The text at this place; `None` where there was none, or past the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&str> {
        self.places.get(index)?.range().map(|range| &self.text[range])
    }

    /// All texts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.places.iter().map(|place| place.range().map(|range| &self.text[range]))
    }

    /// All texts, one after the other; ASCII.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PackedText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PackedText({} values, {} bytes)", self.len(), self.text.len())
    }
}

/// Plaintexts of a batch, one after the other; wiped when dropped.
pub struct PlaintextBatch {
    bytes: Plaintext,
    items: Vec<Result<Place, Error>>,
}

impl PlaintextBatch {
    /// With room for so many bytes at once: growing would leave copies behind.
    pub(super) fn with_capacity(bytes: usize, count: usize) -> Self {
        Self { bytes: Plaintext::with_capacity(bytes), items: Vec::with_capacity(count) }
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.buffer()
    }

    pub(super) fn push(&mut self, item: Result<Option<Range<usize>>, Error>) {
        self.items.push(item.map(|range| range.map_or(Place::NONE, Place::new)));
    }

    /// How many values, those that are `None` or failed included.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The plaintext at this place, `None` where there was none or past the end, or why it did not decrypt.
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<&[u8]>, &Error> {
        Ok(self.range(index)?.map(|range| &self.bytes[range]))
    }

    /// As [`PlaintextBatch::get`], as text; `None` too where it is not UTF-8, which after
    /// [`crate::Key::decrypt_many_text`] it always is.
    #[inline]
    pub fn text(&self, index: usize) -> Result<Option<&str>, &Error> {
        Ok(self.get(index)?.and_then(|bytes| std::str::from_utf8(bytes).ok()))
    }

    /// Where in [`PlaintextBatch::bytes`] the plaintext lies.
    #[inline]
    pub fn range(&self, index: usize) -> Result<Option<Range<usize>>, &Error> {
        match self.items.get(index) {
            None => Ok(None),
            Some(Ok(place)) => Ok(place.range()),
            Some(Err(error)) => Err(error),
        }
    }

    /// All plaintexts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<Option<&[u8]>, &Error>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All plaintexts, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The places that did not decrypt, with why.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.items.iter().filter_map(|item| item.as_ref().err())
    }
}

impl fmt::Debug for PlaintextBatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PlaintextBatch({} values, {} bytes)", self.len(), self.bytes.len())
    }
}
