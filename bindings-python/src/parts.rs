//! Batches in parts that stay in the processor's cache from when they are read until they are written.

use keyfold::BatchEncryption;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::arguments::{Argument, copied_plaintext};
use crate::calls::LongCalls;
use crate::errors::Result;
use crate::made::new_bytes;

/// How many values are read, sealed and built at a time.
const VALUES: usize = 256;
/// How many bytes of plaintext; a value with more is sealed by itself.
const BYTES: usize = 1 << 15;

/// Encrypts the values, which are read while the interpreter is held, sealed while others run, then built.
pub fn seal<'py>(
    py: Python<'py>,
    calls: &LongCalls,
    batch: BatchEncryption<'_>,
    given: &Bound<'py, PyTuple>,
    each: usize,
) -> Result<Bound<'py, PyList>> {
    let mut sealing = Sealing {
        py,
        calls,
        batch,
        each,
        scratch: Vec::new(),
        sealed: Vec::with_capacity(given.len()),
        total_checked: false,
    };
    let mut part = Part { values: Vec::with_capacity(given.len().min(VALUES)), others: Vec::new(), bytes: 0 };
    for (place, value) in given.iter_borrowed().enumerate() {
        match <&[u8]>::extract(value) {
            Ok(bytes) if part.takes(bytes) => part.push(bytes),
            _ if value.is_none() => part.push_other(None),
            bytes => {
                let value = match bytes {
                    Ok(bytes) => Argument::Borrowed(bytes),
                    Err(_) => copied_plaintext(&value).map_err(|failure| failure.at(place))?,
                };
                if !part.takes(value.as_slice()) {
                    sealing.part(&mut part)?;
                }
                if part.takes(value.as_slice()) {
                    part.push_other(Some(value));
                } else {
                    sealing.check_total(given)?;
                    sealing.alone(value.as_slice())?;
                }
            }
        }
    }
    sealing.part(&mut part)?;
    Ok(PyList::new(py, sealing.sealed)?)
}

/// Values that were read and not sealed yet.
struct Part<'a> {
    /// Pointer and length, which are put where they stay at once: moving anything larger takes as long as reading it.
    values: Vec<&'a [u8]>,
    /// What stands instead of some of them, by place: `None`, and what had to be copied.
    others: Vec<(usize, Option<Argument<'a>>)>,
    /// All of them together.
    bytes: usize,
}

impl<'a> Part<'a> {
    #[inline]
    fn takes(&self, value: &[u8]) -> bool {
        self.values.len() < VALUES && value.len() <= BYTES - self.bytes
    }

    #[inline]
    fn push(&mut self, value: &'a [u8]) {
        self.bytes += value.len();
        self.values.push(value);
    }

    #[cold]
    fn push_other(&mut self, value: Option<Argument<'a>>) {
        self.bytes += value.as_ref().map_or(0, |value| value.as_slice().len());
        self.others.push((self.values.len(), value));
        self.values.push(&[]);
    }

    fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut others = self.others.iter().peekable();
        self.values.iter().enumerate().map(move |(place, value)| {
            match others.next_if(|(other, _)| *other == place) {
                Some((_, other)) => other.as_ref().map(Argument::as_slice),
                None => Some(*value),
            }
        })
    }

    fn clear(&mut self) {
        self.values.clear();
        self.others.clear();
        self.bytes = 0;
    }
}

struct Sealing<'a, 'py> {
    py: Python<'py>,
    calls: &'a LongCalls,
    batch: BatchEncryption<'a>,
    /// As how many bytes a value counts besides its own.
    each: usize,
    /// Ciphertexts on their way, and nothing else.
    scratch: Vec<u8>,
    sealed: Vec<Option<Bound<'py, PyBytes>>>,
    total_checked: bool,
}

impl Sealing<'_, '_> {
    /// Seals all of a part, which is empty afterwards.
    fn part(&mut self, part: &mut Part<'_>) -> Result<()> {
        let Self { py, calls, batch, each, scratch, sealed, .. } = self;
        let (first, count) = (sealed.len(), part.values.len());
        let overhead = batch.length(0)?;
        let all = part.bytes + overhead * count;
        if scratch.len() < all {
            scratch.resize(all, 0);
        }
        calls.sized(*py, part.bytes + *each * count, || {
            let mut rest = &mut scratch[..];
            for (place, value) in (first..).zip(part.iter()) {
                if let Some(value) = value {
                    let (out, others) = rest.split_at_mut(overhead + value.len());
                    batch.write(place, value, out)?;
                    rest = others;
                }
            }
            Ok(())
        })?;
        let mut rest = &scratch[..];
        for value in part.iter() {
            let mut made = None;
            if let Some(value) = value {
                let (bytes, others) = rest.split_at(overhead + value.len());
                rest = others;
                made = Some(new_bytes(*py, bytes)?);
            }
            sealed.push(made);
        }
        part.clear();
        Ok(())
    }

    /// Once there are long values: whether all are too long for one batch, before any more are sealed.
    fn check_total(&mut self, given: &Bound<'_, PyTuple>) -> Result<()> {
        if !std::mem::replace(&mut self.total_checked, true) {
            let known: Vec<_> = given.iter_borrowed().map(|value| <&[u8]>::extract(value).ok()).collect();
            self.batch.total(&known)?;
        }
        Ok(())
    }

    /// Seals one long value, into the bytes object that the caller gets.
    fn alone(&mut self, value: &[u8]) -> Result<()> {
        let Self { py, calls, batch, each, sealed, .. } = self;
        let place = sealed.len();
        let length = batch.length(value.len()).map_err(|error| error.with_index(place))?;
        let mut written = Ok(());
        let bytes = PyBytes::new_with(*py, length, |out| {
            written = calls.sized(*py, length + *each, || batch.write(place, value, out));
            Ok(())
        })?;
        written?;
        sealed.push(Some(bytes));
        Ok(())
    }
}
