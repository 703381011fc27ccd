//! Master keys.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

use keyfold::{CallbackError, MasterKey, Result};
use zeroize::Zeroizing;

use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, required, text};
use crate::status::KeyfoldStatus;

/// Where a master key comes from. It is read when a store is opened, and not kept by the store. Yours; free it
/// with keyfold_master_key_free, as soon as the stores are open if you like. May be used from all threads.
pub struct KeyfoldMasterKey(MasterKey);

impl KeyfoldMasterKey {
    pub(crate) fn inner(&self) -> &MasterKey {
        &self.0
    }
}

/// Writes the 32 bytes of the master key to `key` and returns 0; or returns another number, and the call that
/// needed the key fails with KEYFOLD_PROVIDER_UNAVAILABLE, that number in keyfold_error_cause. It runs in the
/// thread that opens a store, without any lock held, and may call keyfold. It must not throw or longjmp.
pub type KeyfoldMasterKeyCallback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, key: *mut u8) -> c_int>;

/// Frees the user data of a callback.
pub type KeyfoldFreeCallback = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Makes a new master key: 32 bytes from the kernel, as base64 text in `out`. Keep it well and keep it apart from
/// the store: without it nothing that the store's keys encrypted can be read again.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_generate_master_key(
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(KeyfoldBuf::copied(keyfold::generate_master_key()?.as_bytes())?);
        Ok(())
    })
}

/// A master key from a text: "env:NAME", "file:PATH", "fd:N", or the base64 of its 32 bytes. What an environment
/// variable, file or descriptor holds is read when a store is opened; the text itself you may wipe at once.
/// KEYFOLD_INVALID_ARGUMENT where it is none of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_text(
    source: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's text.
        let source = unsafe { text(source, "source") }?;
        hand_over(MasterKey::parse(source)?, out)
    })
}

/// A master key of exactly 32 bytes, which are copied: wipe yours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_bytes(
    key: *const c_void,
    key_len: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's bytes.
        let key = unsafe { bytes(key, key_len, "key") }?;
        hand_over(MasterKey::bytes(key)?, out)
    })
}

/// A master key that `callback` gives whenever a store is opened with it, each time in the opening thread: several
/// at once if you open from several. `free_user_data` (NULL: nobody) is called once with `user_data`, when
/// the master key is freed; not where this call fails.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_master_key_new_callback(
    callback: KeyfoldMasterKeyCallback,
    user_data: *mut c_void,
    free_user_data: KeyfoldFreeCallback,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let callback = required(callback, "callback")?;
        let user_data = UserData { pointer: user_data, free: free_user_data };
        hand_over(MasterKey::callback(move || user_data.ask(callback)), out)
    })
}

/// Frees a master key; its bytes are wiped. Stores that it opened stay open. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_master_key_free(master_key: Option<Box<KeyfoldMasterKey>>) {
    answer((), || drop(master_key));
}

fn hand_over(master_key: MasterKey, out: &mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>) -> Result<()> {
    out.write(Some(Box::new(KeyfoldMasterKey(master_key))));
    Ok(())
}

/// What the caller wants his callback to be given.
struct UserData {
    pointer: *mut c_void,
    free: KeyfoldFreeCallback,
}

// SAFETY: the pointer is only handed back to the caller's functions, which the header says run in any thread.
unsafe impl Send for UserData {}
// SAFETY: as above, and at once in several.
unsafe impl Sync for UserData {}

impl UserData {
    fn ask(
        &self,
        callback: unsafe extern "C" fn(*mut c_void, *mut u8) -> c_int,
    ) -> std::result::Result<Vec<u8>, CallbackError> {
        let mut key = Zeroizing::new(vec![0u8; 32]);
        // SAFETY: the caller's function with his own pointer, and 32 bytes to write to, as the header promises.
        match unsafe { callback(self.pointer, key.as_mut_ptr()) } {
            0 => Ok(std::mem::take(&mut *key)),
            failure => Err(format!("the callback returned {failure}").into()),
        }
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the caller's function with his own pointer, once.
            unsafe { free(self.pointer) };
        }
    }
}
