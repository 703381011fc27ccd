//! The library itself.

use std::ffi::{c_char, c_void};

use keyfold::limits;
use zeroize::Zeroize;

use crate::call::answer;

/// The version of the binary interface that this header describes; also the number in libkeyfold.so.0. It grows
/// with every change after which a program must be compiled again.
pub const KEYFOLD_ABI_VERSION: u32 = 0;
/// Longest key id, in bytes.
pub const KEYFOLD_KEY_ID_MAX: usize = 255;
/// Longest message: 64 MiB.
pub const KEYFOLD_MESSAGE_MAX: usize = 67108864;
/// Longest associated data, raw or made from a context: 1 MiB.
pub const KEYFOLD_AAD_MAX: usize = 1048576;
/// Most values of one batch.
pub const KEYFOLD_BATCH_MAX: usize = 100000;
/// Most fields of a context.
pub const KEYFOLD_CONTEXT_FIELDS_MAX: usize = 64;
/// No ciphertext in bytes is longer than its plaintext by more than this: 33 where the nonce has 12 bytes, 45
/// where it has 24.
#[allow(dead_code)] // Said in the header only; the C tests measure it.
pub const KEYFOLD_OVERHEAD_MAX: usize = 45;

const _: () = assert!(
    KEYFOLD_KEY_ID_MAX == limits::KEY_ID_BYTES
        && KEYFOLD_MESSAGE_MAX == limits::MESSAGE_BYTES
        && KEYFOLD_AAD_MAX == limits::AAD_BYTES
        && KEYFOLD_BATCH_MAX == limits::BATCH
        && KEYFOLD_BATCH_MAX == limits::INDEX_BATCH
        && KEYFOLD_CONTEXT_FIELDS_MAX == limits::CONTEXT_FIELDS
);

/// The library's version, such as "0.1.0". Never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The KEYFOLD_ABI_VERSION of the library that runs: for programs that load it themselves.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_abi_version() -> u32 {
    KEYFOLD_ABI_VERSION
}

/// Overwrites secrets in your own memory with zeros; no compiler takes that out. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_wipe(data: *mut c_void, data_len: usize) {
    answer((), || {
        // SAFETY: the caller's memory, valid for writing so many bytes by his word; it is his alone meanwhile.
        if let Ok(bytes) = unsafe { crate::ffi::room(data, data_len, data_len, &[]) } {
            bytes.zeroize();
        }
    });
}
