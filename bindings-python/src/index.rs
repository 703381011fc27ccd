//! Blind indexes: their options and values.

use keyfold::{IndexOptions, IndexReport, limits};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping, PyString, PyTuple};

use crate::arguments::{Argument, Given, bytes, count, each_item, items, refused, text};
use crate::batch::{read, slices};
use crate::calls::{LongCalls, sized};
use crate::errors::{Result, invalid};
use crate::infos;
use crate::made::new_bytes;

/// What many of them are given as.
const VALUES: &str = "a list of text, bytes and None";

/// A value for a blind index.
pub fn indexed<'a>(value: &'a Bound<'_, PyAny>) -> Result<Argument<'a>> {
    match value.cast::<PyString>() {
        Ok(value) => text(value, "value").map(|text| Argument::Borrowed(text.as_bytes())),
        Err(_) => bytes(value, "value"),
    }
}

/// How an index is made.
pub fn options(
    kind: &Given<'_>,
    length: Option<&Bound<'_, PyAny>>,
    bits: &Given<'_>,
    normalize: &Given<'_>,
) -> Result<IndexOptions> {
    let mut options = IndexOptions::new();
    if let Some(kind) = kind.value() {
        options.kind = text(kind, "kind")?.to_owned();
    }
    if let Some(length) = length {
        options.length = Some(count(length, "length", "an integer, 1 to 255")?);
    }
    if let Some(bits) = bits.value() {
        options.bits = count(bits, "bits", "an integer, 1 to 256")?;
    }
    if let Some(names) = normalize.value() {
        for name in items(names, "normalize", "a sequence of names", limits::INDEX_NORMALIZERS)? {
            options.normalize.push(text(&name, "a name in normalize")?.to_owned());
        }
    }
    Ok(options)
}

/// The index of each value.
pub fn many<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    values: &Bound<'py, PyAny>,
    field: &str,
    options: &IndexOptions,
) -> Result<Bound<'py, PyList>> {
    let values = items(values, "values", VALUES, limits::INDEX_BATCH)?;
    let values = read(&values, indexed)?;
    let values = slices(&values);
    let packed = calls.long(py, || key.blind_index_many(&values, field, options))?;
    let index = |index: Option<&[u8]>| index.map(|index| new_bytes(py, index)).transpose();
    Ok(PyList::new(py, packed.iter().map(index).collect::<PyResult<Vec<_>>>()?)?)
}

/// Fields with their values; `None` where one of the values is.
pub struct Fields<'py>(Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>);

impl<'py> Fields<'py> {
    /// A mapping of fields to values, or a sequence of such pairs.
    pub fn new(values: &Bound<'py, PyAny>) -> Result<Self> {
        let wanted = "a dict of fields to values, or a list of pairs (field, value)";
        let mut fields = Vec::new();
        if values.cast::<PyMapping>().is_ok() {
            each_item(values, "values", &mut |name, value| {
                fields.push((name.clone().unbind(), value.clone().unbind()));
                Ok(())
            })?;
            let py = values.py();
            let fields = fields.into_iter().map(|(name, value)| (name.into_bound(py), value.into_bound(py)));
            return Ok(Self(fields.collect()));
        }
        let mut fields = Vec::new();
        for pair in items(values, "values", wanted, limits::INDEX_FIELDS)? {
            match pair.cast::<PyTuple>() {
                Ok(pair) if pair.len() == 2 => fields.push((pair.get_item(0)?, pair.get_item(1)?)),
                _ => return Err(refused(&pair, "an item of values", "a pair (field, value)")),
            }
        }
        Ok(Self(fields))
    }

    /// Runs a call with them. `None` where a value is missing.
    pub fn with<T>(&self, run: impl FnOnce(&[(&str, &[u8])], usize) -> Result<T>) -> Result<Option<T>> {
        let mut read = Vec::with_capacity(self.0.len());
        let mut missing = false;
        for (field, value) in &self.0 {
            let field = text(field, "a field")?;
            missing |= value.is_none();
            if !value.is_none() {
                read.push((field, indexed(value)?));
            }
        }
        if missing {
            return Ok(None);
        }
        let values: Vec<(&str, &[u8])> =
            read.iter().map(|(field, value)| (*field, value.as_slice())).collect();
        let size = values.iter().map(|(_, value)| value.len()).sum();
        run(&values, size).map(Some)
    }
}

/// What an index of these values would tell.
pub fn report<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    options: &IndexOptions,
) -> Result<Bound<'py, PyAny>> {
    let values = items(values, "values", VALUES, limits::INDEX_REPORT_VALUES)?;
    let values = read(&values, indexed)?;
    let values = slices(&values);
    let report: IndexReport = sized(py, usize::MAX, || keyfold::index_report(&values, options))?;
    Ok(infos::index_report(py, &report)?)
}

/// `purpose` or `key_id`, one of them.
pub fn scope<'a>(
    purpose: Option<&'a Bound<'_, PyAny>>,
    key_id: Option<&'a Bound<'_, PyAny>>,
) -> Result<keyfold::IndexScope<'a>> {
    match (purpose, key_id) {
        (Some(purpose), None) => Ok(keyfold::IndexScope::Purpose(text(purpose, "purpose")?)),
        (None, Some(key_id)) => Ok(keyfold::IndexScope::Key(text(key_id, "key_id")?)),
        _ => Err(invalid("give purpose or key_id, one of them")),
    }
}
