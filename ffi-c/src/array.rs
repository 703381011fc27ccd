//! Several values in one call: arrays from C, and arrays that C lends for results.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::slice;

use keyfold::{Aad, Aads, Error, ErrorKind, Result};

use crate::context::{KeyfoldContext, required_context};
use crate::ffi::{bytes, check_length, invalid, null, text};

/// One of several values. It is lent for the call, as everything is. Where an array may hold nulls, `data` NULL with
/// `len` 0 is one: no value at all, as in a column of a table. An empty value is then `len` 0 with any other pointer,
/// such as "".
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeyfoldData {
    /// The bytes.
    pub data: *const c_void,
    /// How many there are.
    pub len: usize,
}

impl KeyfoldData {
    /// # Safety
    /// As for [`bytes`].
    unsafe fn value<'a>(self, name: &str, index: usize) -> Result<Option<&'a [u8]>> {
        if self.data.is_null() {
            return match self.len {
                0 => Ok(None),
                length => Err(invalid(format!("{name}[{index}].data is NULL, but its len is {length}"))
                    .with_index(index)),
            };
        }
        // SAFETY: the same demand.
        unsafe { bytes(self.data, self.len, name) }.map(Some).map_err(|error| error.with_index(index))
    }
}

/// A lent array. NULL is an array without items, and nothing else.
///
/// # Safety
/// `items` is NULL or valid for reading `count` items, for as long as the result is used.
pub(crate) unsafe fn array<'a, T>(items: *const T, count: usize, most: usize, name: &str) -> Result<&'a [T]> {
    check_length(count, name)?;
    if count > most {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("{name} has {count} items; it may have {most}"),
        ));
    }
    match (items.is_null(), count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(invalid(format!("{name} is NULL, but {count} items are said to be there"))),
        // SAFETY: not NULL, of a count that is small, and valid by the caller's word.
        (false, _) => Ok(unsafe { slice::from_raw_parts(items, count) }),
    }
}

/// A lent array of values, some of which may be null.
///
/// # Safety
/// As for [`array`], and each of the values as for [`bytes`].
pub(crate) unsafe fn values<'a>(
    values: *const KeyfoldData,
    count: usize,
    most: usize,
    name: &str,
) -> Result<Vec<Option<&'a [u8]>>> {
    // SAFETY: the same demand.
    let values = unsafe { array(values, count, most, name) }?;
    // SAFETY: the same demand.
    values.iter().enumerate().map(|(index, value)| unsafe { value.value(name, index) }).collect()
}

/// As [`values`], where none is null.
///
/// # Safety
/// As for [`values`].
pub(crate) unsafe fn present<'a>(
    values: *const KeyfoldData,
    count: usize,
    most: usize,
    name: &str,
) -> Result<Vec<&'a [u8]>> {
    // SAFETY: the same demand.
    let values = unsafe { self::values(values, count, most, name) }?;
    let found = values.into_iter().enumerate();
    found
        .map(|(index, value)| value.ok_or_else(|| null(&format!("{name}[{index}].data")).with_index(index)))
        .collect()
}

/// Values that are texts.
pub(crate) fn utf8<'a>(values: &[Option<&'a [u8]>], name: &str) -> Result<Vec<Option<&'a str>>> {
    let text = |(index, value): (usize, &Option<&'a [u8]>)| {
        value
            .map(str::from_utf8)
            .transpose()
            .map_err(|_| invalid(format!("{name}[{index}] is not UTF-8")).with_index(index))
    };
    values.iter().enumerate().map(text).collect()
}

/// A lent array of texts that end with a zero byte.
///
/// # Safety
/// As for [`array`], and each of the texts as for [`text`].
pub(crate) unsafe fn texts<'a>(
    texts: *const *const c_char,
    count: usize,
    most: usize,
    name: &str,
) -> Result<Vec<&'a str>> {
    // SAFETY: the same demand.
    let texts = unsafe { array(texts, count, most, name) }?;
    let read = |(index, pointer): (usize, &*const c_char)| {
        // SAFETY: the same demand.
        unsafe { text(*pointer, &format!("{name}[{index}]")) }.map_err(|error| error.with_index(index))
    };
    texts.iter().enumerate().map(read).collect()
}

/// What the values of a batch are bound to: nothing, all to one, or each to its own.
pub(crate) struct Bound<'a>(Vec<Aad<'a>>);

impl<'a> Bound<'a> {
    /// # Safety
    /// As for [`values`].
    pub(crate) unsafe fn raw(aads: *const KeyfoldData, count: usize, most: usize) -> Result<Self> {
        // SAFETY: the same demand.
        let aads = unsafe { values(aads, count, most, "aads") }?;
        Ok(Self(aads.into_iter().map(|aad| Aad::Raw(aad.unwrap_or_default())).collect()))
    }

    /// # Safety
    /// As for [`array`], and each of the contexts is NULL or one of ours.
    pub(crate) unsafe fn contexts(
        contexts: *const *const KeyfoldContext,
        count: usize,
        most: usize,
    ) -> Result<Self> {
        // SAFETY: the same demand.
        let contexts = unsafe { array(contexts, count, most, "contexts") }?;
        if contexts.is_empty() {
            return Err(invalid("contexts_count is 0; give one context for all values, or one for each"));
        }
        let read = |(index, context): (usize, &*const KeyfoldContext)| {
            // SAFETY: the same demand.
            let context = required_context(unsafe { context.as_ref() });
            context.map(Aad::Context).map_err(|error| error.with_index(index))
        };
        contexts.iter().enumerate().map(read).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn aads(&self) -> Aads<'_> {
        match self.0.as_slice() {
            [] => Aads::One(Aad::NONE),
            [one] => Aads::One(*one),
            each => Aads::Each(each),
        }
    }
}

/// An array that the caller lends for results.
///
/// # Safety
/// `out` is NULL or valid for writing `count` items, for as long as the result is used.
pub(crate) unsafe fn places<'a, T>(
    out: *mut T,
    count: usize,
    name: &str,
) -> Result<&'a mut [MaybeUninit<T>]> {
    check_length(count, name)?;
    match (out.is_null(), count) {
        (true, _) => Err(null(name)),
        (false, 0) => Ok(&mut []),
        // SAFETY: not NULL, and valid by the caller's word. Nothing there is read.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(out.cast(), count) }),
    }
}
