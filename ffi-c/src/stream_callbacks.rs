//! Streams from callback to callback, and files.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;

use keyfold::{Aad, CallbackError, FileOptions, Result};

use crate::call::call;
use crate::context::{KeyfoldContext, required_context};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, optional_text, path, required};
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;

/// Writes the next bytes of the input to `buffer`, up to `capacity` and as few as you like, says in `*length` how many,
/// which is 0 at the end only, and returns 0; or returns another number, and the call fails with KEYFOLD_STORAGE, that
/// number in keyfold_error_cause. It runs in the calling thread, without any lock held, and may call keyfold. It must
/// not throw or longjmp.
pub type KeyfoldReadCallback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        buffer: *mut u8,
        capacity: usize,
        length: *mut usize,
    ) -> c_int,
>;

/// Takes all of the next `length` bytes of the output, which are never none, and returns 0; or returns another number.
/// Otherwise as keyfold_read_callback.
pub type KeyfoldWriteCallback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, data: *const u8, length: usize) -> c_int>;

/// Is told after each segment how many bytes of the input are done, and returns 0; or returns another number, and the
/// call ends as when reading fails. Otherwise as keyfold_read_callback.
pub type KeyfoldProgressCallback = Option<unsafe extern "C" fn(user_data: *mut c_void, done: u64) -> c_int>;

/// Encrypts all that `read` gives to `write`, in constant memory, under a key of kind "stream"; as
/// keyfold_stream_encryptor_new. `progress` may be NULL; `user_data` is handed to all three. `read_bytes` (may be NULL)
/// becomes how long the input was. What was written before a failure is no whole stream, and does not decrypt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_stream(
    key: Option<&KeyfoldKey>,
    aad: *const c_void,
    aad_len: usize,
    read: KeyfoldReadCallback,
    write: KeyfoldWriteCallback,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    read_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let ends = Ends { read, write, progress, user_data };
        // SAFETY: the caller's bytes.
        let aad = unsafe { bytes(aad, aad_len, "aad") }?;
        ends.encrypt(key, Aad::Raw(aad), read_bytes)
    })
}

/// As keyfold_key_encrypt_stream, bound to a context, which must not be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_stream_with_context(
    key: Option<&KeyfoldKey>,
    context: Option<&KeyfoldContext>,
    read: KeyfoldReadCallback,
    write: KeyfoldWriteCallback,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    read_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let ends = Ends { read, write, progress, user_data };
        ends.encrypt(key, Aad::Context(required_context(context)?), read_bytes)
    })
}

/// Decrypts all that `read` gives to `write`, in constant memory. What is written is PROVISIONAL until this succeeds: a
/// stream that was cut is noticed at its end. Where that matters use keyfold_key_decrypt_file. `written_bytes` (may be
/// NULL) becomes how long the plaintext is. Otherwise as keyfold_key_encrypt_stream. KEYFOLD_DECRYPTION_FAILED for
/// everything that is wrong with the stream, the key or aad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_stream(
    key: Option<&KeyfoldKey>,
    aad: *const c_void,
    aad_len: usize,
    read: KeyfoldReadCallback,
    write: KeyfoldWriteCallback,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    written_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let ends = Ends { read, write, progress, user_data };
        // SAFETY: the caller's bytes.
        let aad = unsafe { bytes(aad, aad_len, "aad") }?;
        ends.decrypt(key, Aad::Raw(aad), written_bytes)
    })
}

/// As keyfold_key_decrypt_stream, with the context that the stream was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_stream_with_context(
    key: Option<&KeyfoldKey>,
    context: Option<&KeyfoldContext>,
    read: KeyfoldReadCallback,
    write: KeyfoldWriteCallback,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    written_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let ends = Ends { read, write, progress, user_data };
        ends.decrypt(key, Aad::Context(required_context(context)?), written_bytes)
    })
}

/// Encrypts the file `from` into the file `to`, under a key of kind "stream". `to` appears under its name, with mode
/// 0600, once it is complete and on disk; on failure nothing of it is left. `from` may be a pipe. `progress` may be
/// NULL. `read_bytes` (may be NULL) becomes how long the input was. `options` is a JSON object, NULL for the default:
///
///   {"force": false}     replace a file that stands under the output's name
///
/// KEYFOLD_ALREADY_EXISTS where there is such a file; KEYFOLD_INVALID_ARGUMENT where it is the input, or the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_file(
    key: Option<&KeyfoldKey>,
    from: *const c_char,
    to: *const c_char,
    aad: *const c_void,
    aad_len: usize,
    options: *const c_char,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    read_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's texts and bytes.
        unsafe {
            let aad = Aad::Raw(bytes(aad, aad_len, "aad")?);
            file(Way::Encrypt, key, (from, to), aad, options, (progress, user_data), read_bytes)
        }
    })
}

/// As keyfold_key_encrypt_file, bound to a context, which must not be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_encrypt_file_with_context(
    key: Option<&KeyfoldKey>,
    from: *const c_char,
    to: *const c_char,
    context: Option<&KeyfoldContext>,
    options: *const c_char,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    read_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let aad = Aad::Context(required_context(context)?);
        // SAFETY: the caller's texts.
        unsafe { file(Way::Encrypt, key, (from, to), aad, options, (progress, user_data), read_bytes) }
    })
}

/// Decrypts the file `from` into the file `to`: nothing appears under that name before the whole stream was verified.
/// `written_bytes` (may be NULL) becomes how long the plaintext is. Otherwise as keyfold_key_encrypt_file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_file(
    key: Option<&KeyfoldKey>,
    from: *const c_char,
    to: *const c_char,
    aad: *const c_void,
    aad_len: usize,
    options: *const c_char,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    written_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's texts and bytes.
        unsafe {
            let aad = Aad::Raw(bytes(aad, aad_len, "aad")?);
            file(Way::Decrypt, key, (from, to), aad, options, (progress, user_data), written_bytes)
        }
    })
}

/// As keyfold_key_decrypt_file, with the context that the file was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_decrypt_file_with_context(
    key: Option<&KeyfoldKey>,
    from: *const c_char,
    to: *const c_char,
    context: Option<&KeyfoldContext>,
    options: *const c_char,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    written_bytes: Option<&mut MaybeUninit<u64>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let aad = Aad::Context(required_context(context)?);
        // SAFETY: the caller's texts.
        unsafe { file(Way::Decrypt, key, (from, to), aad, options, (progress, user_data), written_bytes) }
    })
}

/// Where a stream comes from and goes to.
struct Ends {
    read: KeyfoldReadCallback,
    write: KeyfoldWriteCallback,
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
}

impl Ends {
    fn encrypt(
        &self,
        key: Option<&KeyfoldKey>,
        aad: Aad<'_>,
        done: Option<&mut MaybeUninit<u64>>,
    ) -> Result<()> {
        let key = required(key, "key")?.inner();
        let (reader, writer) = self.both()?;
        let length = key.encrypt_stream_with(reader, writer, aad, &mut |done| {
            tell(self.progress, self.user_data, done)
        })?;
        write_length(done, length);
        Ok(())
    }

    fn decrypt(
        &self,
        key: Option<&KeyfoldKey>,
        aad: Aad<'_>,
        done: Option<&mut MaybeUninit<u64>>,
    ) -> Result<()> {
        let key = required(key, "key")?.inner();
        let (reader, writer) = self.both()?;
        let length = key.decrypt_stream_with(reader, writer, aad, &mut |done| {
            tell(self.progress, self.user_data, done)
        })?;
        write_length(done, length);
        Ok(())
    }

    fn both(&self) -> Result<(Reader, Writer)> {
        let reader = Reader { read: required(self.read, "read")?, user_data: self.user_data };
        let writer = Writer { write: required(self.write, "write")?, user_data: self.user_data };
        Ok((reader, writer))
    }
}

struct Reader {
    read: unsafe extern "C" fn(*mut c_void, *mut u8, usize, *mut usize) -> c_int,
    user_data: *mut c_void,
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        // SAFETY: the caller's function with his own pointer, and so many bytes to write to, as the header promises.
        match unsafe { (self.read)(self.user_data, buffer.as_mut_ptr(), buffer.len(), &raw mut length) } {
            // More than there is room for is the core's to refuse.
            0 => Ok(length),
            failure => Err(io::Error::other(failed("read", failure))),
        }
    }
}

struct Writer {
    write: unsafe extern "C" fn(*mut c_void, *const u8, usize) -> c_int,
    user_data: *mut c_void,
}

impl io::Write for Writer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        // SAFETY: the caller's function with his own pointer, and bytes to read, as the header promises.
        match unsafe { (self.write)(self.user_data, data.as_ptr(), data.len()) } {
            0 => Ok(data.len()),
            failure => Err(io::Error::other(failed("write", failure))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tell(
    progress: KeyfoldProgressCallback,
    user_data: *mut c_void,
    done: u64,
) -> std::result::Result<(), CallbackError> {
    let Some(progress) = progress else { return Ok(()) };
    // SAFETY: the caller's function with his own pointer.
    match unsafe { progress(user_data, done) } {
        0 => Ok(()),
        failure => Err(failed("progress", failure).into()),
    }
}

fn failed(callback: &str, failure: c_int) -> String {
    format!("the {callback} callback returned {failure}")
}

#[derive(Clone, Copy)]
enum Way {
    Encrypt,
    Decrypt,
}

/// # Safety
/// The texts are as the header demands.
unsafe fn file(
    way: Way,
    key: Option<&KeyfoldKey>,
    (from, to): (*const c_char, *const c_char),
    aad: Aad<'_>,
    options: *const c_char,
    (progress, user_data): (KeyfoldProgressCallback, *mut c_void),
    done: Option<&mut MaybeUninit<u64>>,
) -> Result<()> {
    let key = required(key, "key")?.inner();
    // SAFETY: the same demand.
    let (from, to, options) =
        unsafe { (path(from, "from")?, path(to, "to")?, optional_text(options, "options")?) };
    let options = options.map(FileOptions::from_json).transpose()?.unwrap_or_default();
    let mut tell = |done| tell(progress, user_data, done);
    let length = match way {
        Way::Encrypt => key.encrypt_file_with(from, to, aad, &options, &mut tell),
        Way::Decrypt => key.decrypt_file_with(from, to, aad, &options, &mut tell),
    }?;
    write_length(done, length);
    Ok(())
}

fn write_length(place: Option<&mut MaybeUninit<u64>>, length: u64) {
    if let Some(place) = place {
        place.write(length);
    }
}
