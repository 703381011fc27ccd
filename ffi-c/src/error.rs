//! Errors as C sees them.

use std::error::Error as _;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

use keyfold::Error;

use crate::call::answer;
use crate::ffi::c_text;
use crate::status::KeyfoldStatus;

/// Why a call failed. Yours; free it with keyfold_error_free. Never holds key bytes, plaintext, ciphertext or
/// credentials. All that is read from it is valid until it is freed.
pub struct KeyfoldError {
    status: KeyfoldStatus,
    message: CString,
    cause: Option<CString>,
    key_id: Option<CString>,
    version: u32,
    index: usize,
    retryable: bool,
    retry_after_ms: u64,
}

impl KeyfoldError {
    pub(crate) fn new(error: &Error) -> Self {
        Self {
            status: KeyfoldStatus::of(error.kind()),
            message: c_text(error.message()),
            cause: error.source().map(|cause| c_text(&cause.to_string())),
            key_id: error.key_id().map(c_text),
            version: error.version().unwrap_or(0),
            index: error.index().unwrap_or(usize::MAX),
            retryable: error.is_retryable(),
            retry_after_ms: error.retry_after().map_or(0, |wait| {
                // Never zero, which stands for unknown.
                u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
            }),
        }
    }
}

/// The status that the failed call returned. KEYFOLD_OK for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_code(error: Option<&KeyfoldError>) -> KeyfoldStatus {
    error.map_or(KeyfoldStatus::KEYFOLD_OK, |error| error.status)
}

/// The name of the status, such as "KEYFOLD_NOT_FOUND". "KEYFOLD_OK" for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_name(error: Option<&KeyfoldError>) -> *const c_char {
    keyfold_error_code(error).name().as_ptr()
}

/// What happened and what to do, for people, in UTF-8. Never NULL; empty for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_message(error: Option<&KeyfoldError>) -> *const c_char {
    error.map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// What the system or your callback said, in UTF-8; NULL where there is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_cause(error: Option<&KeyfoldError>) -> *const c_char {
    pointer(error.and_then(|error| error.cause.as_deref()))
}

/// Whether the same call may succeed later.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_retryable(error: Option<&KeyfoldError>) -> bool {
    error.is_some_and(|error| error.retryable)
}

/// How many milliseconds to wait before trying again; 0 where that is not known.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_retry_after_ms(error: Option<&KeyfoldError>) -> u64 {
    error.map_or(0, |error| error.retry_after_ms)
}

/// The id of the key concerned; NULL where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_key_id(error: Option<&KeyfoldError>) -> *const c_char {
    pointer(error.and_then(|error| error.key_id.as_deref()))
}

/// The number of the key version concerned; 0 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_version(error: Option<&KeyfoldError>) -> u32 {
    error.map_or(0, |error| error.version)
}

/// The place in a batch, counted from 0; SIZE_MAX where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_index(error: Option<&KeyfoldError>) -> usize {
    error.map_or(usize::MAX, |error| error.index)
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_error_free(error: Option<Box<KeyfoldError>>) {
    answer((), || drop(error));
}

fn pointer(text: Option<&CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}
