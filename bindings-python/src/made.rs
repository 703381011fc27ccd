//! New bytes and texts: a MemoryError where there is no memory, for which pyo3's own constructors panic.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A copy of these bytes.
#[inline]
pub fn new_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
}

/// A copy of this text.
#[inline]
pub fn new_text<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    PyString::from_bytes(py, text.as_bytes())
}
