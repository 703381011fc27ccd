//! The numbers that calls return.

use std::ffi::{CStr, c_char};

use keyfold::ErrorKind;

/// What a call returns: KEYFOLD_OK, or why it failed. Act on this number; messages may change, it does not.
/// A later version may know more of them.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum KeyfoldStatus {
    /// Done.
    KEYFOLD_OK = 0,
    /// You can fix the call; the message says how.
    KEYFOLD_INVALID_ARGUMENT = 1,
    /// The named thing is not there.
    KEYFOLD_NOT_FOUND = 2,
    /// The named thing is there already.
    KEYFOLD_ALREADY_EXISTS = 3,
    /// Something still refers to it.
    KEYFOLD_IN_USE = 4,
    /// The state of the key version forbids this operation.
    KEYFOLD_KEY_UNAVAILABLE = 5,
    /// The ciphertext does not open: wrong key, wrong aad or context, or damage. Which of them is not told.
    KEYFOLD_DECRYPTION_FAILED = 6,
    /// A MAC or signature does not verify.
    KEYFOLD_VERIFICATION_FAILED = 7,
    /// The master key is not this store's.
    KEYFOLD_WRONG_MASTER_KEY = 8,
    /// The store was damaged, or changed by someone without the master key.
    KEYFOLD_INTEGRITY_ERROR = 9,
    /// The mode, a policy or the system does not allow it.
    KEYFOLD_PERMISSION_DENIED = 10,
    /// Too many calls: wait for keyfold_error_retry_after_ms and try again.
    KEYFOLD_RATE_LIMITED = 11,
    /// A documented limit would be passed.
    KEYFOLD_LIMIT_EXCEEDED = 12,
    /// Not something that this build, version or file can do.
    KEYFOLD_UNSUPPORTED = 13,
    /// The provider of the master key did not answer; or your callback failed.
    KEYFOLD_PROVIDER_UNAVAILABLE = 14,
    /// The provider of the master key refused.
    KEYFOLD_PROVIDER_DENIED = 15,
    /// Another process held the store for longer than busy_timeout.
    KEYFOLD_BUSY = 16,
    /// The disk is full; nothing was half written.
    KEYFOLD_STORAGE_FULL = 17,
    /// Reading or writing the file failed.
    KEYFOLD_STORAGE = 18,
    /// The store was closed.
    KEYFOLD_CLOSED = 19,
    /// A bug in keyfold.
    KEYFOLD_INTERNAL = 20,
}

use KeyfoldStatus::*;

/// In the order of their numbers.
const ALL: [(KeyfoldStatus, &CStr); 21] = [
    (KEYFOLD_OK, c"KEYFOLD_OK"),
    (KEYFOLD_INVALID_ARGUMENT, c"KEYFOLD_INVALID_ARGUMENT"),
    (KEYFOLD_NOT_FOUND, c"KEYFOLD_NOT_FOUND"),
    (KEYFOLD_ALREADY_EXISTS, c"KEYFOLD_ALREADY_EXISTS"),
    (KEYFOLD_IN_USE, c"KEYFOLD_IN_USE"),
    (KEYFOLD_KEY_UNAVAILABLE, c"KEYFOLD_KEY_UNAVAILABLE"),
    (KEYFOLD_DECRYPTION_FAILED, c"KEYFOLD_DECRYPTION_FAILED"),
    (KEYFOLD_VERIFICATION_FAILED, c"KEYFOLD_VERIFICATION_FAILED"),
    (KEYFOLD_WRONG_MASTER_KEY, c"KEYFOLD_WRONG_MASTER_KEY"),
    (KEYFOLD_INTEGRITY_ERROR, c"KEYFOLD_INTEGRITY_ERROR"),
    (KEYFOLD_PERMISSION_DENIED, c"KEYFOLD_PERMISSION_DENIED"),
    (KEYFOLD_RATE_LIMITED, c"KEYFOLD_RATE_LIMITED"),
    (KEYFOLD_LIMIT_EXCEEDED, c"KEYFOLD_LIMIT_EXCEEDED"),
    (KEYFOLD_UNSUPPORTED, c"KEYFOLD_UNSUPPORTED"),
    (KEYFOLD_PROVIDER_UNAVAILABLE, c"KEYFOLD_PROVIDER_UNAVAILABLE"),
    (KEYFOLD_PROVIDER_DENIED, c"KEYFOLD_PROVIDER_DENIED"),
    (KEYFOLD_BUSY, c"KEYFOLD_BUSY"),
    (KEYFOLD_STORAGE_FULL, c"KEYFOLD_STORAGE_FULL"),
    (KEYFOLD_STORAGE, c"KEYFOLD_STORAGE"),
    (KEYFOLD_CLOSED, c"KEYFOLD_CLOSED"),
    (KEYFOLD_INTERNAL, c"KEYFOLD_INTERNAL"),
];

// The core knows exactly these kinds, by these numbers.
const _: () = {
    assert!(ErrorKind::ALL.len() + 1 == ALL.len());
    let mut number = 1;
    while number < ALL.len() {
        assert!(ErrorKind::ALL[number - 1] as usize == number && ALL[number].0 as usize == number);
        number += 1;
    }
};

impl KeyfoldStatus {
    pub(crate) fn of(kind: ErrorKind) -> Self {
        ALL.get(kind as usize).map_or(KEYFOLD_INTERNAL, |known| known.0)
    }

    pub(crate) fn name(self) -> &'static CStr {
        ALL[self as usize].1
    }
}

/// The name of a status, such as "KEYFOLD_NOT_FOUND"; NULL for a number that is none. Never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_status_name(status: i32) -> *const c_char {
    let known = usize::try_from(status).ok().and_then(|number| ALL.get(number));
    known.map_or(std::ptr::null(), |known| known.1.as_ptr())
}
