//! Many values in one call.

use std::mem::MaybeUninit;

use keyfold::{Key, OnError, PlaintextBatch, Result, limits};

use crate::array::{Bound, KeyfoldData, places, utf8, values};
use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::context::KeyfoldContext;
use crate::error::KeyfoldError;
use crate::ffi::required;
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;

/// Encrypts many values under the current version. A null stays null. `out` becomes all ciphertexts, one after the
/// other and with nothing between them; `offsets` is an array of yours with room for `count` + 1 numbers: value i lies
/// at out.data + offsets[i] and has offsets[i + 1] - offsets[i] bytes, of which a null has none and a ciphertext
/// always some.
///
/// `aads_count` is 0 (no aad), 1 (one aad for all) or `count` (one for each, in order).
///
/// All or nothing: where one value is refused nothing is written, and keyfold_error_index says which it was.
/// KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_BATCH_MAX values or 256 MiB of ciphertexts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_many(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    aads: *const KeyfoldData,
    aads_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::raw(aads, aads_count, limits::BATCH)?;
            encrypt(Form::Bytes, key, (values, count), &bound, out, offsets)
        }
    })
}

/// As keyfold_key_encrypt_many, bound to contexts: `contexts_count` is 1 (one context for all) or `count` (one for
/// each, in order). None may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_many_with_contexts(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    contexts: *const *const KeyfoldContext,
    contexts_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::contexts(contexts, contexts_count, limits::BATCH)?;
            encrypt(Form::Bytes, key, (values, count), &bound, out, offsets)
        }
    })
}

/// As keyfold_key_encrypt_many, of texts, which must be UTF-8, to their text forms. No zero bytes stand between these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_many_text(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    aads: *const KeyfoldData,
    aads_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::raw(aads, aads_count, limits::BATCH)?;
            encrypt(Form::Text, key, (values, count), &bound, out, offsets)
        }
    })
}

/// As keyfold_key_encrypt_many_text, bound to contexts as keyfold_key_encrypt_many_with_contexts has them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_many_text_with_contexts(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    contexts: *const *const KeyfoldContext,
    contexts_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::contexts(contexts, contexts_count, limits::BATCH)?;
            encrypt(Form::Text, key, (values, count), &bound, out, offsets)
        }
    })
}

/// Decrypts many ciphertexts, each in bytes or as text. `values`, `aads`, `out` and `offsets` are as those of
/// keyfold_key_encrypt_many. A null stays null and has no bytes in `out`; so has an empty plaintext, which only `values`
/// tells apart.
///
/// `statuses` NULL: where a value does not decrypt the call fails with its error, keyfold_error_index says which it
/// was, and nothing is written. Else it is an array of yours with room for `count` statuses: the call succeeds, and
/// value i has statuses[i], KEYFOLD_OK or why it did not decrypt; it has no bytes in `out` then. Look at each before you
/// use what was decrypted. Failures of the store fail the call in both ways.
///
/// KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_BATCH_MAX values or 256 MiB of ciphertexts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_many(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    aads: *const KeyfoldData,
    aads_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    statuses: *mut KeyfoldStatus,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::raw(aads, aads_count, limits::BATCH)?;
            decrypt(Form::Bytes, key, (values, count), &bound, out, (offsets, statuses))
        }
    })
}

/// As keyfold_key_decrypt_many, with the contexts that the values were encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_many_with_contexts(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    contexts: *const *const KeyfoldContext,
    contexts_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    statuses: *mut KeyfoldStatus,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::contexts(contexts, contexts_count, limits::BATCH)?;
            decrypt(Form::Bytes, key, (values, count), &bound, out, (offsets, statuses))
        }
    })
}

/// As keyfold_key_decrypt_many, of text forms to texts: KEYFOLD_DECRYPTION_FAILED as well where a value is no text form,
/// or holds no UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_many_text(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    aads: *const KeyfoldData,
    aads_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    statuses: *mut KeyfoldStatus,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::raw(aads, aads_count, limits::BATCH)?;
            decrypt(Form::Text, key, (values, count), &bound, out, (offsets, statuses))
        }
    })
}

/// As keyfold_key_decrypt_many_text, with the contexts that the values were encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_many_text_with_contexts(
    key: Option<&KeyfoldKey>,
    values: *const KeyfoldData,
    count: usize,
    contexts: *const *const KeyfoldContext,
    contexts_count: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
    statuses: *mut KeyfoldStatus,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's arrays.
        unsafe {
            let bound = Bound::contexts(contexts, contexts_count, limits::BATCH)?;
            decrypt(Form::Text, key, (values, count), &bound, out, (offsets, statuses))
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bytes,
    Text,
}

/// # Safety
/// The arrays are as the header demands.
unsafe fn encrypt(
    form: Form,
    key: Option<&KeyfoldKey>,
    (items, count): (*const KeyfoldData, usize),
    bound: &Bound<'_>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    offsets: *mut usize,
) -> Result<()> {
    let out = required(out, "out")?;
    let key = required(key, "key")?.inner();
    // SAFETY: the same demand.
    let values = unsafe { values(items, count, limits::BATCH, "values") }?;
    // SAFETY: the same demand.
    let offsets = unsafe { places(offsets, count + 1, "offsets") }?;
    match form {
        Form::Bytes => {
            let sealed = key.encrypt_many(&values, bound.aads())?;
            out.write(KeyfoldBuf::copied(sealed.bytes())?);
            write_offsets(offsets, sealed.iter().map(|value| value.map_or(0, <[u8]>::len)));
        }
        Form::Text => {
            let sealed = key.encrypt_many_text(&utf8(&values, "values")?, bound.aads())?;
            out.write(KeyfoldBuf::copied(sealed.text().as_bytes())?);
            write_offsets(offsets, sealed.iter().map(|value| value.map_or(0, str::len)));
        }
    }
    Ok(())
}

/// # Safety
/// The arrays are as the header demands.
unsafe fn decrypt(
    form: Form,
    key: Option<&KeyfoldKey>,
    (items, count): (*const KeyfoldData, usize),
    bound: &Bound<'_>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    (offsets, statuses): (*mut usize, *mut KeyfoldStatus),
) -> Result<()> {
    let out = required(out, "out")?;
    let key = required(key, "key")?.inner();
    // SAFETY: the same demand.
    let values = unsafe { values(items, count, limits::BATCH, "values") }?;
    // SAFETY: the same demand.
    let offsets = unsafe { places(offsets, count + 1, "offsets") }?;
    let on_error = if statuses.is_null() { OnError::Raise } else { OnError::Return };
    let opened = open(form, key, &values, bound, on_error)?;
    out.write(packed(&opened)?);
    write_offsets(offsets, lengths(&opened));
    if !statuses.is_null() {
        // SAFETY: the same demand.
        let statuses = unsafe { places(statuses, count, "statuses") }?;
        for (status, value) in statuses.iter_mut().zip(opened.iter()) {
            status
                .write(value.map_or_else(|why| KeyfoldStatus::of(why.kind()), |_| KeyfoldStatus::KEYFOLD_OK));
        }
    }
    Ok(())
}

fn open(
    form: Form,
    key: &Key,
    values: &[Option<&[u8]>],
    bound: &Bound<'_>,
    on_error: OnError,
) -> Result<PlaintextBatch> {
    match form {
        Form::Bytes => key.decrypt_many(values, bound.aads(), on_error),
        Form::Text => key.decrypt_many_text(&utf8(values, "values")?, bound.aads(), on_error),
    }
}

/// The plaintexts without gaps.
fn packed(opened: &PlaintextBatch) -> Result<KeyfoldBuf> {
    KeyfoldBuf::filled(lengths(opened).sum(), |out| {
        let mut start = 0;
        for value in opened.iter().filter_map(|value| value.ok().flatten()) {
            out[start..start + value.len()].copy_from_slice(value);
            start += value.len();
        }
        Ok(())
    })
}

fn lengths(opened: &PlaintextBatch) -> impl Iterator<Item = usize> {
    opened.iter().map(|value| value.ok().flatten().map_or(0, <[u8]>::len))
}

/// Where each value begins, and where the last ends.
fn write_offsets(offsets: &mut [MaybeUninit<usize>], lengths: impl Iterator<Item = usize>) {
    let mut end = 0;
    let (first, rest) = offsets.split_at_mut(1);
    first[0].write(0);
    for (offset, length) in rest.iter_mut().zip(lengths) {
        end += length;
        offset.write(end);
    }
}
