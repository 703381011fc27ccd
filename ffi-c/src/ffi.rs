//! The only place where pointers from C become slices and texts.
//!
//! What all of it rests on, and what the header demands: a pointer that is not NULL is valid for its length, or
//! up to its zero byte, and nobody writes there while the call runs.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::slice;

use keyfold::{Error, ErrorKind, Result};

/// What must not be NULL.
pub(crate) fn required<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| null(name))
}

/// Lent bytes. NULL stands for no bytes, and for nothing else.
///
/// # Safety
/// `data` is NULL or valid for reading `length` bytes, for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(data: *const c_void, length: usize, name: &str) -> Result<&'a [u8]> {
    check_length(length, name)?;
    match (data.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(invalid(format!("{name} is NULL, but {name}_len is {length}"))),
        // SAFETY: not NULL, of a length that a slice may have, and valid by the caller's word.
        (false, _) => Ok(unsafe { slice::from_raw_parts(data.cast(), length) }),
    }
}

/// The first `length` bytes of a place that the caller lends for writing, which has `capacity` bytes and shares
/// none of those with what the call reads.
///
/// # Safety
/// `data` is NULL or valid for writing `capacity` bytes, for as long as the result is used.
pub(crate) unsafe fn room<'a>(
    data: *mut c_void,
    capacity: usize,
    length: usize,
    read: &[&[u8]],
) -> Result<&'a mut [u8]> {
    check_length(capacity, "out")?;
    if capacity < length {
        return Err(invalid(format!("the result is {length} bytes, but out_capacity is {capacity}")));
    }
    if length == 0 {
        return Ok(&mut []);
    }
    if data.is_null() {
        return Err(null("out"));
    }
    let start = data.addr();
    let overlaps = |other: &&[u8]| {
        let begin = other.as_ptr().addr();
        !other.is_empty() && begin < start.saturating_add(length) && start < begin + other.len()
    };
    if read.iter().any(overlaps) {
        return Err(invalid("out overlaps the input; give it memory of its own"));
    }
    // SAFETY: not NULL, valid by the caller's word, and apart from every slice that is read. C memory that was
    // never written holds arbitrary bytes; they are overwritten before anything reads them.
    Ok(unsafe { slice::from_raw_parts_mut(data.cast(), length) })
}

/// A lent text that ends with a zero byte.
///
/// # Safety
/// `text` is NULL or points to bytes up to a zero byte, for as long as the result is used.
pub(crate) unsafe fn text<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: the same demand.
    let text = unsafe { terminated(text, name) }?;
    text.to_str().map_err(|_| invalid(format!("{name} is not UTF-8")))
}

/// As [`text`]; NULL is `None`.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(pointer: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the same demand.
    unsafe { text(pointer, name) }.map(Some)
}

/// A lent text of a stated length.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn counted_text<'a>(data: *const c_char, length: usize, name: &str) -> Result<&'a str> {
    // SAFETY: the same demand.
    let bytes = unsafe { bytes(data.cast(), length, name) }?;
    str::from_utf8(bytes).map_err(|_| invalid(format!("{name} is not UTF-8")))
}

/// A lent path: any bytes up to a zero byte, as the system has it.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn path<'a>(path: *const c_char, name: &str) -> Result<&'a Path> {
    // SAFETY: the same demand.
    let path = unsafe { terminated(path, name) }?;
    Ok(Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// A text that C may read; zero bytes within it, which C would take for its end, are replaced.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// # Safety
/// As for [`text`].
unsafe fn terminated<'a>(text: *const c_char, name: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and ended by a zero byte by the caller's word.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// No object is longer; a negative number turned into `size_t` is.
pub(crate) fn check_length(length: usize, name: &str) -> Result<()> {
    if length > isize::MAX as usize {
        return Err(invalid(format!("the length of {name} is {length}: a negative number?")));
    }
    Ok(())
}

pub(crate) fn null(name: &str) -> Error {
    invalid(format!("{name} is NULL"))
}
