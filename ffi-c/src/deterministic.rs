//! Keys of kind `deterministic`: equal values have equal ciphertexts.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use keyfold::Aad;

use crate::call::call;
use crate::context::{KeyfoldContext, required_context};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, required};
use crate::key::KeyfoldKey;
use crate::list::KeyfoldList;
use crate::status::KeyfoldStatus;

/// The ciphertexts that this plaintext may have in rows, under a key of kind "deterministic": one under every version
/// that may decrypt, newest first. Search for any of them, and rows that were not yet re-encrypted are found as well.
/// What another process rotated within refresh_interval may be missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_search_ciphertexts(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_void,
    plaintext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldList>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let (plaintext, aad) =
            unsafe { (bytes(plaintext, plaintext_len, "plaintext")?, bytes(aad, aad_len, "aad")?) };
        KeyfoldList::hand_over(key.search_ciphertexts(plaintext, Aad::Raw(aad))?, out)
    })
}

/// As keyfold_key_search_ciphertexts, with the context that the rows were encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_search_ciphertexts_with_context(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_void,
    plaintext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldList>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        let context = required_context(context)?;
        // SAFETY: the caller's bytes.
        let plaintext = unsafe { bytes(plaintext, plaintext_len, "plaintext") }?;
        KeyfoldList::hand_over(key.search_ciphertexts(plaintext, Aad::Context(context))?, out)
    })
}
