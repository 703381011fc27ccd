//! Ciphertexts as bytes and as text.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, counted_text, required};
use crate::status::KeyfoldStatus;

/// The text form of a ciphertext: "kf1." and base64url without padding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_to_text(
    value: *const c_void,
    value_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's bytes.
        let value = unsafe { bytes(value, value_len, "value") }?;
        out.write(KeyfoldBuf::copied(keyfold::to_text(value).as_bytes())?);
        Ok(())
    })
}

/// The bytes of a text form. KEYFOLD_INVALID_ARGUMENT where it is none: padding, other alphabets and white space are
/// refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_from_text(
    text: *const c_char,
    text_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's text.
        let text = unsafe { counted_text(text, text_len, "text") }?;
        out.write(KeyfoldBuf::copied(&keyfold::from_text(text)?)?);
        Ok(())
    })
}

/// Whether a value has the shape of a ciphertext, in bytes or as text. A hint and no proof; false for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_is_ciphertext(value: *const c_void, value_len: usize) -> bool {
    answer(false, || {
        // SAFETY: the caller's bytes.
        unsafe { bytes(value, value_len, "value") }.is_ok_and(keyfold::is_ciphertext)
    })
}
