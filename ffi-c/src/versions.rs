//! The life of key versions: staged, promoted, withdrawn, destroyed.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use keyfold::{RotateKey, VersionState, parse_duration};

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{optional_text, required, text};
use crate::json;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// As keyfold_store_rotate_key. `options` is a JSON object, NULL for the defaults:
///
///   {"stage": false,       make the version "staged": every process learns to decrypt by it, and
///                          keyfold_store_promote_version has it encrypt
///    "algorithm": null}    another algorithm of the key's kind, for this version and those after it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_rotate_key_with(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, options) = unsafe { (text(key_id, "key_id")?, optional_text(options, "options")?) };
        let options = options.map(RotateKey::from_json).transpose()?.unwrap_or_default();
        json::optional(info, &store.rotate_key_with(key_id, &options)?)
    })
}

/// Has this version encrypt from now on: a staged one, or an earlier one that a rotation left enabled, to go back to
/// it. The version that was current stays enabled. `info` (here and below) is as that of keyfold_store_rotate_key.
/// KEYFOLD_KEY_UNAVAILABLE where the version is in another state or has expired, or its key is archived.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_promote_version(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    version: u32,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        json::optional(info, &store.promote_version(key_id, version)?)
    })
}

/// Sets a version's state: "enabled", "decrypt_only", "disabled" or "revoked". `reason` (may be NULL; up to 1024 bytes)
/// is kept with it and in the audit log. Revoking is final; where it is the current version, the next one is made and
/// encrypts. KEYFOLD_IN_USE where the current version of a key in use would stop; KEYFOLD_KEY_UNAVAILABLE where its
/// state is final or its destruction is scheduled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_set_version_state(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    version: u32,
    state: *const c_char,
    reason: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, state, reason) =
            unsafe { (text(key_id, "key_id")?, text(state, "state")?, optional_text(reason, "reason")?) };
        let state: VersionState = state.parse()?;
        json::optional(info, &store.set_version_state(key_id, version, state, reason)?)
    })
}

/// Ends a key's use for good: it encrypts and rotates no more, what it encrypted still opens, and its versions can be
/// disabled and destroyed, the current one too. `info` (may be NULL) is as keyfold_store_key_info gives it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_archive_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        json::optional(info, &store.archive_key(key_id)?)
    })
}

/// Has a version destroyed by the first keyfold_store_run_due after `delay`, a text such as "7d"; NULL is "30d". Until
/// then it opens nothing, and keyfold_store_cancel_destruction brings back the state that it had. KEYFOLD_IN_USE where
/// it is the current version of a key that is not archived; KEYFOLD_KEY_UNAVAILABLE where it is scheduled or destroyed
/// already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_schedule_destruction(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    version: u32,
    delay: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, delay) = unsafe { (text(key_id, "key_id")?, optional_text(delay, "delay")?) };
        let delay = delay.map(parse_duration).transpose()?;
        json::optional(info, &store.schedule_destruction(key_id, version, delay)?)
    })
}

/// Takes back keyfold_store_schedule_destruction. KEYFOLD_INVALID_ARGUMENT where nothing is scheduled;
/// KEYFOLD_KEY_UNAVAILABLE where it is too late.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_cancel_destruction(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    version: u32,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        json::optional(info, &store.cancel_destruction(key_id, version)?)
    })
}

/// Does what is due by the clock: destroys the versions whose time has come, for good. Call it now and then, in as many
/// processes as you like. `report` (may be NULL) is a JSON object:
///
///   {"at_ms": 1700000000123,
///    "destroyed": [{"key_id": "pii", "version": 1}],
///    "failures": [{"key_id": "pii", "problem": "why it was left alone"}],
///    "purge_pending": false}       destroyed keys may still be in the file's log: see keyfold_store_purge
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_run_due(
    store: Option<&KeyfoldStore>,
    report: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || json::optional(report, &required(store, "store")?.inner().run_due()?))
}

/// Whether destroyed keys or superseded wraps may still be in the file's write-ahead log, because somebody read the
/// file.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_purge_pending(
    store: Option<&KeyfoldStore>,
    pending: Option<&mut MaybeUninit<bool>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let pending = required(pending, "pending")?;
        pending.write(required(store, "store")?.inner().purge_pending()?);
        Ok(())
    })
}

/// Tries again to empty the log, where that is pending. `pending` (may be NULL) tells whether it still is.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_purge(
    store: Option<&KeyfoldStore>,
    pending: Option<&mut MaybeUninit<bool>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let still = required(store, "store")?.inner().purge()?;
        if let Some(pending) = pending {
            pending.write(still);
        }
        Ok(())
    })
}

/// How much each version of a key has encrypted of what is safe, newest first, as a JSON array:
///
///   [{"version": 1, "messages": 1000, "limit": 35184372088832, "verified": true}]
///
/// A message counts once for each MiB begun. Processes count ahead for AES256_GCM, and some 2^20 messages behind for
/// others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_key_usage(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        out.write(json::array(&store.key_usage(key_id)?)?);
        Ok(())
    })
}
