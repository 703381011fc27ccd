//! Bytes objects that the core writes into: a copy of each result is saved.

// The one place where the package reaches behind PyO3, which lends a new object's bytes only while the interpreter is
// held.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::Result;

/// New bytes objects that nobody else has seen yet, with `None` between them.
pub struct Outputs<'py> {
    objects: Vec<Option<Bound<'py, PyBytes>>>,
    /// Where the bytes of each are.
    rooms: Vec<Option<NonNull<[u8]>>>,
}

impl<'py> Outputs<'py> {
    /// Of these lengths; an error among them is the error.
    pub fn new(
        py: Python<'py>,
        lengths: impl ExactSizeIterator<Item = keyfold::Result<Option<usize>>>,
    ) -> Result<Self> {
        let (mut objects, mut rooms) = (Vec::with_capacity(lengths.len()), Vec::with_capacity(lengths.len()));
        for length in lengths {
            let mut room = None;
            let new = |length| {
                PyBytes::new_with(py, length, |bytes| {
                    room = Some(NonNull::from(bytes));
                    Ok(())
                })
            };
            objects.push(length?.map(new).transpose()?);
            rooms.push(room);
        }
        Ok(Self { objects, rooms })
    }

    /// Where the bytes go. It may be written while other Python threads run: they cannot reach these objects.
    pub fn rooms(&mut self) -> Vec<Option<&mut [u8]>> {
        // SAFETY: each object was made here with these bytes, initialised, is referred to from here only, and stays
        // where it is as long as the borrow. None are empty, so no two are one.
        self.rooms.iter().map(|room| room.map(|mut room| unsafe { room.as_mut() })).collect()
    }

    /// The objects, for the caller.
    pub fn into_objects(self) -> Vec<Option<Bound<'py, PyBytes>>> {
        self.objects
    }
}
