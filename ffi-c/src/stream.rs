//! Streams in parts, under keys of kind `stream`.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use keyfold::{Aad, Result, StreamDecryptor, StreamEncryptor};
use zeroize::Zeroizing;

use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::context::{KeyfoldContext, required_context};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, invalid, required};
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;

/// Encrypts a stream part by part. Yours, and one thread's at a time; free it with keyfold_stream_encryptor_free, ended
/// or not. It keeps its store open.
pub struct KeyfoldStreamEncryptor(StreamEncryptor);

/// Decrypts a stream part by part. Yours, and one thread's at a time; free it with keyfold_stream_decryptor_free, ended
/// or not. It keeps its store open.
pub struct KeyfoldStreamDecryptor(StreamDecryptor);

/// Begins to encrypt a stream of any length, under a key of kind "stream", in Google Tink's streaming format. `aad` is
/// authenticated and not stored: decrypting takes the same. It keeps at most 1 MiB of the stream in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_stream_encryptor_new(
    key: Option<&KeyfoldKey>,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldStreamEncryptor>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let aad = unsafe { bytes(aad, aad_len, "aad") }?;
        out.write(Some(Box::new(KeyfoldStreamEncryptor(key.stream_encryptor(Aad::Raw(aad))?))));
        Ok(())
    })
}

/// As keyfold_stream_encryptor_new, bound to a context, which must not be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_encryptor_new_with_context(
    key: Option<&KeyfoldKey>,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldStreamEncryptor>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        let context = required_context(context)?;
        out.write(Some(Box::new(KeyfoldStreamEncryptor(key.stream_encryptor(Aad::Context(context))?))));
        Ok(())
    })
}

/// Takes the next part, of any size. `out` becomes what is now ready of the ciphertext, which is often nothing: write
/// it out behind what came before, and free it. After a failure the stream is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_stream_encryptor_update(
    encryptor: Option<&mut KeyfoldStreamEncryptor>,
    part: *const c_void,
    part_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let encryptor = &mut required(encryptor, "encryptor")?.0;
        // SAFETY: the caller's bytes.
        let part = unsafe { bytes(part, part_len, "part") }?;
        out.write(ready(|ready| encryptor.update(part, ready))?);
        Ok(())
    })
}

/// Ends the stream; `out` becomes the rest of the ciphertext. Without it the ciphertext does not decrypt. The encryptor
/// takes nothing more, and is still to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_encryptor_finish(
    encryptor: Option<&mut KeyfoldStreamEncryptor>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let encryptor = &mut required(encryptor, "encryptor")?.0;
        out.write(ready(|ready| encryptor.finish(ready))?);
        Ok(())
    })
}

/// Frees an encryptor, and wipes what it holds. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_encryptor_free(encryptor: Option<Box<KeyfoldStreamEncryptor>>) {
    answer((), || drop(encryptor));
}

/// Begins to decrypt a stream. What comes out is PROVISIONAL until keyfold_stream_decryptor_finish succeeds: only then
/// is it known that nothing is missing at the end. Where a call fails throw away what came before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_stream_decryptor_new(
    key: Option<&KeyfoldKey>,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldStreamDecryptor>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let aad = unsafe { bytes(aad, aad_len, "aad") }?;
        out.write(Some(Box::new(KeyfoldStreamDecryptor(key.stream_decryptor(Aad::Raw(aad))?))));
        Ok(())
    })
}

/// As keyfold_stream_decryptor_new, with the context that the stream was encrypted with.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_decryptor_new_with_context(
    key: Option<&KeyfoldKey>,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldStreamDecryptor>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        let context = required_context(context)?;
        out.write(Some(Box::new(KeyfoldStreamDecryptor(key.stream_decryptor(Aad::Context(context))?))));
        Ok(())
    })
}

/// Takes the next part, of any size; `out` becomes what could now be verified, which is often nothing. Wiped when it is
/// freed. KEYFOLD_DECRYPTION_FAILED where anything is wrong; the stream is over then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_stream_decryptor_update(
    decryptor: Option<&mut KeyfoldStreamDecryptor>,
    part: *const c_void,
    part_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let decryptor = &mut required(decryptor, "decryptor")?.0;
        // SAFETY: the caller's bytes.
        let part = unsafe { bytes(part, part_len, "part") }?;
        out.write(ready(|ready| decryptor.update(part, ready))?);
        Ok(())
    })
}

/// Ends the stream; `out` becomes the rest of the plaintext. KEYFOLD_DECRYPTION_FAILED where the stream was cut: then
/// believe nothing of what came before. The decryptor takes nothing more, and is still to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_decryptor_finish(
    decryptor: Option<&mut KeyfoldStreamDecryptor>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let decryptor = &mut required(decryptor, "decryptor")?.0;
        out.write(ready(|ready| decryptor.finish(ready))?);
        Ok(())
    })
}

/// The number of the version that encrypted the stream; 0 while that is not known: before its first MiB, or its end.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_decryptor_version(decryptor: Option<&KeyfoldStreamDecryptor>) -> u32 {
    answer(0, || decryptor.and_then(|decryptor| decryptor.0.version()).unwrap_or(0))
}

/// Whether the stream was encrypted by another version than the current one. KEYFOLD_INVALID_ARGUMENT while that is not
/// known: before its first MiB, or its end.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_decryptor_needs_reencrypt(
    decryptor: Option<&KeyfoldStreamDecryptor>,
    out: Option<&mut MaybeUninit<bool>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let stale = required(decryptor, "decryptor")?.0.needs_reencrypt();
        out.write(stale.ok_or_else(|| invalid("the stream's version is not known yet: give it more first"))?);
        Ok(())
    })
}

/// Frees a decryptor, and wipes what it holds. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_stream_decryptor_free(decryptor: Option<Box<KeyfoldStreamDecryptor>>) {
    answer((), || drop(decryptor));
}

/// What a step of a stream gives, in a buffer for the caller.
fn ready(step: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<KeyfoldBuf> {
    let mut ready = Zeroizing::new(Vec::new());
    step(&mut ready)?;
    KeyfoldBuf::copied(&ready)
}
