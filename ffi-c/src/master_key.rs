//! Master keys.

use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

use keyfold::{CallbackError, MasterKey, Passphrase, Result, limits};
use zeroize::Zeroizing;

use crate::array::{array, texts};
use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, optional_text, required, text};
use crate::passphrase::PassphraseOptions;
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

/// A master key from a text: "env:NAME", "file:PATH", "fd:N"; a passphrase by where it lies, as in
/// "passphrase:file:PATH"; or the secret itself: the base64 of 32 bytes, a recovery key, or shares with white space
/// between them. What an environment variable, file or descriptor holds is read when a store is opened; the text itself
/// you may wipe at once.
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

/// A passphrase, brought to Unicode's normalisation form C; otherwise case and spaces count. It may be wiped at once.
/// One that opens a store is tried against the recipients made for passphrases, each at the cost that it was made with;
/// `options` say what guessing shall cost where it makes a store or is added to one. A JSON object, NULL for the
/// default:
///
///   {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 1}     19456 to 1048576; 1 to 10; 1 to 8
///   {"kdf": "pbkdf2_sha256", "rounds": 600000}                            600000 to 10000000
///
/// What is left out is the default. KEYFOLD_INVALID_ARGUMENT where it is empty or the cost out of bounds;
/// KEYFOLD_LIMIT_EXCEEDED past 4096 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_passphrase(
    passphrase: *const c_char,
    options: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's texts.
        let (passphrase, options) =
            unsafe { (text(passphrase, "passphrase")?, optional_text(options, "options")?) };
        let cost = options.map(PassphraseOptions::from_json).transpose()?.unwrap_or_default();
        hand_over(MasterKey::passphrase(cost.apply(Passphrase::new(passphrase)?)?), out)
    })
}

/// A recovery key as it was printed, "kfr1-…"; case and separators do not matter. It may be wiped at once.
/// KEYFOLD_INVALID_ARGUMENT says which group is mistyped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_recovery_key(
    recovery_key: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's text.
        let recovery_key = unsafe { text(recovery_key, "recovery_key") }?;
        hand_over(MasterKey::recovery_key(recovery_key)?, out)
    })
}

/// Enough shares of one secret, "kfs1-…" each, in any order. KEYFOLD_INVALID_ARGUMENT says which one is damaged, or of
/// another secret, or that they are too few.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_shares(
    shares: *const *const c_char,
    count: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's array of texts.
        let shares = unsafe { texts(shares, count, limits::SHARES.into(), "shares") }?;
        hand_over(MasterKey::shares(&shares)?, out)
    })
}

/// Several master keys, tried in order until one opens the store; the error says what became of each. What is made or
/// added is made with the first that can be read. They are copied: free yours when you like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_master_key_new_any_of(
    master_keys: *const *const KeyfoldMasterKey,
    count: usize,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldMasterKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's array.
        let master_keys = unsafe { array(master_keys, count, limits::RECIPIENTS, "master_keys") }?;
        let copied = |(index, master_key): (usize, &*const KeyfoldMasterKey)| {
            // SAFETY: NULL or one of ours, as the header demands.
            let master_key = required(unsafe { master_key.as_ref() }, &format!("master_keys[{index}]"));
            master_key.map(|master_key| master_key.0.clone()).map_err(|error| error.with_index(index))
        };
        let master_keys = master_keys.iter().enumerate().map(copied).collect::<Result<Vec<_>>>()?;
        hand_over(MasterKey::any_of(master_keys)?, out)
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
