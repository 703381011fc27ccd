//! Keys: what encrypts.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use keyfold::{Aad, Key, Result};

use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::context::{KeyfoldContext, required_context};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, c_text, counted_text, required, room};
use crate::json;
use crate::status::KeyfoldStatus;

/// A handle to one key of a store. Yours; free it with keyfold_key_free. All threads may use it at once. What another
/// process rotates is used within refresh_interval; what a newer version encrypted opens at once.
pub struct KeyfoldKey {
    key: Key,
    id: CString,
}

impl KeyfoldKey {
    pub(crate) fn new(key: Key) -> Self {
        Self { id: c_text(key.id()), key }
    }

    pub(crate) fn inner(&self) -> &Key {
        &self.key
    }
}

/// The key's id. The key's, valid until it is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_key_id(key: Option<&KeyfoldKey>) -> *const c_char {
    key.map_or(ptr::null(), |key| key.id.as_ptr())
}

/// The key's metadata as this process uses it now; as keyfold_store_key_info.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_key_info(
    key: Option<&KeyfoldKey>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(json::object(&required(key, "key")?.key.info()?)?);
        Ok(())
    })
}

/// Encrypts under the current version. The ciphertext is in Google Tink's format and at most KEYFOLD_OVERHEAD_MAX bytes
/// longer. `aad` is authenticated and not stored: decrypting takes the same. KEYFOLD_LIMIT_EXCEEDED past
/// KEYFOLD_MESSAGE_MAX or KEYFOLD_AAD_MAX.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_void,
    plaintext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let (plaintext, aad) =
            unsafe { (bytes(plaintext, plaintext_len, "plaintext")?, bytes(aad, aad_len, "aad")?) };
        out.write(seal(key, plaintext, Aad::Raw(aad))?);
        Ok(())
    })
}

/// As keyfold_key_encrypt, bound to a context, which must not be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_with_context(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_void,
    plaintext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's bytes.
        let plaintext = unsafe { bytes(plaintext, plaintext_len, "plaintext") }?;
        out.write(seal(key, plaintext, Aad::Context(context))?);
        Ok(())
    })
}

/// Decrypts what any version of this key encrypted, given in bytes or as text. KEYFOLD_DECRYPTION_FAILED where anything
/// is wrong with it, with the key or with aad; KEYFOLD_KEY_UNAVAILABLE where the version's state forbids it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let (ciphertext, aad) =
            unsafe { (bytes(ciphertext, ciphertext_len, "ciphertext")?, bytes(aad, aad_len, "aad")?) };
        out.write(open_sealed(key, ciphertext, Aad::Raw(aad))?);
        Ok(())
    })
}

/// As keyfold_key_decrypt, with the context that it was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_with_context(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's bytes.
        let ciphertext = unsafe { bytes(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(open_sealed(key, ciphertext, Aad::Context(context))?);
        Ok(())
    })
}

/// Encrypts a text, which must be UTF-8, for a text column: the result is a text too, "kf1." and base64url.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_text(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_char,
    plaintext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's text and bytes.
        let (plaintext, aad) =
            unsafe { (counted_text(plaintext, plaintext_len, "plaintext")?, bytes(aad, aad_len, "aad")?) };
        out.write(KeyfoldBuf::copied(key.encrypt_text(plaintext, Aad::Raw(aad))?.as_bytes())?);
        Ok(())
    })
}

/// As keyfold_key_encrypt_text, bound to a context, which must not be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_text_with_context(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_char,
    plaintext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's text and bytes.
        let plaintext = unsafe { counted_text(plaintext, plaintext_len, "plaintext") }?;
        out.write(KeyfoldBuf::copied(key.encrypt_text(plaintext, Aad::Context(context))?.as_bytes())?);
        Ok(())
    })
}

/// Decrypts a text form to a text. KEYFOLD_DECRYPTION_FAILED as well where it is no text form, or holds no UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_text(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_char,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's text and bytes.
        let (ciphertext, aad) =
            unsafe { (counted_text(ciphertext, ciphertext_len, "ciphertext")?, bytes(aad, aad_len, "aad")?) };
        out.write(KeyfoldBuf::copied(key.decrypt_text(ciphertext, Aad::Raw(aad))?.as_bytes())?);
        Ok(())
    })
}

/// As keyfold_key_decrypt_text, with the context that it was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_text_with_context(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_char,
    ciphertext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's text and bytes.
        let ciphertext = unsafe { counted_text(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(KeyfoldBuf::copied(key.decrypt_text(ciphertext, Aad::Context(context))?.as_bytes())?);
        Ok(())
    })
}

/// How long the ciphertext of so long a plaintext will be, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_key_ciphertext_length(
    key: Option<&KeyfoldKey>,
    plaintext_len: usize,
    out_len: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out_len = required(out_len, "out_len")?;
        out_len.write(required(key, "key")?.key.encryption()?.length(plaintext_len)?);
        Ok(())
    })
}

/// As keyfold_key_encrypt, into your own memory and without allocating. `out` has `out_capacity` bytes and overlaps
/// neither the plaintext nor aad; plaintext_len + KEYFOLD_OVERHEAD_MAX bytes are always enough. `out_len` becomes how
/// many were written. KEYFOLD_INVALID_ARGUMENT where they are too few; nothing is written then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_into(
    key: Option<&KeyfoldKey>,
    plaintext: *const c_void,
    plaintext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: *mut c_void,
    out_capacity: usize,
    out_len: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out_len = required(out_len, "out_len")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let (plaintext, aad) =
            unsafe { (bytes(plaintext, plaintext_len, "plaintext")?, bytes(aad, aad_len, "aad")?) };
        let encryption = key.encryption()?;
        let length = encryption.length(plaintext.len())?;
        // SAFETY: the caller's memory, which has so many bytes.
        let out = unsafe { room(out, out_capacity, length, &[plaintext, aad]) }?;
        encryption.write(plaintext, Aad::Raw(aad), out)?;
        out_len.write(length);
        Ok(())
    })
}

/// How long the plaintext of a ciphertext in bytes will be. Never longer than the ciphertext. Nothing of it is verified.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_plaintext_length(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    out_len: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out_len = required(out_len, "out_len")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let ciphertext = unsafe { bytes(ciphertext, ciphertext_len, "ciphertext") }?;
        out_len.write(key.decryption(ciphertext)?.length());
        Ok(())
    })
}

/// As keyfold_key_decrypt, into your own memory and without allocating. The ciphertext is in bytes, not text. `out` has
/// `out_capacity` bytes and overlaps neither the ciphertext nor aad; `out_len` becomes how many were written. Where
/// decryption fails they are zeros. Wipe the plaintext yourself, with keyfold_wipe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_into(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: *mut c_void,
    out_capacity: usize,
    out_len: Option<&mut MaybeUninit<usize>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out_len = required(out_len, "out_len")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let (ciphertext, aad) =
            unsafe { (bytes(ciphertext, ciphertext_len, "ciphertext")?, bytes(aad, aad_len, "aad")?) };
        let decryption = key.decryption(ciphertext)?;
        let length = decryption.length();
        // SAFETY: the caller's memory, which has so many bytes.
        let out = unsafe { room(out, out_capacity, length, &[ciphertext, aad]) }?;
        decryption.write(Aad::Raw(aad), out)?;
        out_len.write(length);
        Ok(())
    })
}

/// Whether a ciphertext, in bytes or as text, was made by another version than the current one. Nothing of it is
/// verified. KEYFOLD_DECRYPTION_FAILED where it is no ciphertext of this key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_needs_reencrypt(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    out: Option<&mut MaybeUninit<bool>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let ciphertext = unsafe { bytes(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(key.needs_reencrypt(ciphertext)?);
        Ok(())
    })
}

/// Moves a ciphertext, in bytes or as text, to the current version; the result is in bytes. One that is there already is
/// verified and returned as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_reencrypt(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's bytes.
        let (ciphertext, aad) =
            unsafe { (bytes(ciphertext, ciphertext_len, "ciphertext")?, bytes(aad, aad_len, "aad")?) };
        out.write(KeyfoldBuf::copied(&key.reencrypt(ciphertext, Aad::Raw(aad))?)?);
        Ok(())
    })
}

/// As keyfold_key_reencrypt, with the context that it was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_reencrypt_with_context(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's bytes.
        let ciphertext = unsafe { bytes(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(KeyfoldBuf::copied(&key.reencrypt(ciphertext, Aad::Context(context))?)?);
        Ok(())
    })
}

/// As keyfold_key_reencrypt, from text form to text form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_reencrypt_text(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_char,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        // SAFETY: the caller's text and bytes.
        let (ciphertext, aad) =
            unsafe { (counted_text(ciphertext, ciphertext_len, "ciphertext")?, bytes(aad, aad_len, "aad")?) };
        out.write(KeyfoldBuf::copied(key.reencrypt_text(ciphertext, Aad::Raw(aad))?.as_bytes())?);
        Ok(())
    })
}

/// As keyfold_key_reencrypt_text, with the context that it was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_reencrypt_text_with_context(
    key: Option<&KeyfoldKey>,
    ciphertext: *const c_char,
    ciphertext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = &required(key, "key")?.key;
        let context = required_context(context)?;
        // SAFETY: the caller's text and bytes.
        let ciphertext = unsafe { counted_text(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(KeyfoldBuf::copied(key.reencrypt_text(ciphertext, Aad::Context(context))?.as_bytes())?);
        Ok(())
    })
}

/// Frees a key's handle; the key itself stays in the store. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_key_free(key: Option<Box<KeyfoldKey>>) {
    answer((), || drop(key));
}

/// Encrypts into a buffer for the caller.
pub(crate) fn seal(key: &Key, plaintext: &[u8], aad: Aad<'_>) -> Result<KeyfoldBuf> {
    let encryption = key.encryption()?;
    let length = encryption.length(plaintext.len())?;
    KeyfoldBuf::filled(length, |out| encryption.write(plaintext, aad, out))
}

/// Decrypts into a buffer for the caller.
pub(crate) fn open_sealed(key: &Key, ciphertext: &[u8], aad: Aad<'_>) -> Result<KeyfoldBuf> {
    // Only bytes begin with 0x01. Everything else is a text form, has no prefix, or is nothing: the core's to judge.
    if ciphertext.first() != Some(&1) {
        return KeyfoldBuf::copied(&key.decrypt(ciphertext, aad)?);
    }
    let decryption = key.decryption(ciphertext)?;
    KeyfoldBuf::filled(decryption.length(), |out| decryption.write(aad, out))
}
