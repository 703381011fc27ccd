//! Ways to open a store.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use keyfold::AddRecipient;

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{optional_text, required, text};
use crate::json;
use crate::master_key::KeyfoldMasterKey;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// Every way to open the store, in order of id, without its secret, as a JSON array:
///
///   [{"recipient_id": "raw-1", "kind": "raw", "created_at_ms": 1700000000123, "description": null,
///     "parameters": {},              what a guess costs, of a passphrase: "kdf" and its numbers, as texts
///     "is_mine": true,               this open store was opened by it
///     "verified": true}]             false in mode "metadata", which shows what the file says
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_recipients(
    store: Option<&KeyfoldStore>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(json::array(&required(store, "store")?.inner().recipients()?)?);
        Ok(())
    })
}

/// Adds a way to open the store; what opens it now goes on opening it. `options` is a JSON object, NULL for the
/// defaults:
///
///   {"id": null,             its name in the store; by default its kind and a number, as in "passphrase-1"
///    "description": null}    a note for people: where the paper lies, who holds the shares
///
/// `info` (may be NULL) is one element of what keyfold_store_recipients gives. KEYFOLD_ALREADY_EXISTS where the id is
/// taken, or the same secret opens the store already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_add_recipient(
    store: Option<&KeyfoldStore>,
    master_key: Option<&KeyfoldMasterKey>,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        let master_key = required(master_key, "master_key")?.inner();
        // SAFETY: the caller's text.
        let options = unsafe { optional_text(options, "options") }?;
        let options = options.map(AddRecipient::from_json).transpose()?.unwrap_or_default();
        json::optional(info, &store.add_recipient(master_key, &options)?)
    })
}

/// Takes a way to open the store away, and makes a new key for the others, which it does not get. Open stores that use
/// it are KEYFOLD_WRONG_MASTER_KEY at their next refresh. `report` (may be NULL) is as that of
/// keyfold_store_rotate_master_key. KEYFOLD_IN_USE for the recipient that this store was opened by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_remove_recipient(
    store: Option<&KeyfoldStore>,
    recipient_id: *const c_char,
    report: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let recipient_id = unsafe { text(recipient_id, "recipient_id") }?;
        json::optional(report, &store.remove_recipient(recipient_id)?)
    })
}

/// Tries whether a master key opens the store, and changes nothing. `info` (may be NULL) is the recipient that it opens,
/// as keyfold_store_recipients gives it. KEYFOLD_WRONG_MASTER_KEY where it opens none.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_test_recipient(
    store: Option<&KeyfoldStore>,
    master_key: Option<&KeyfoldMasterKey>,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        let master_key = required(master_key, "master_key")?.inner();
        json::optional(info, &store.test_recipient(master_key)?)
    })
}

/// A recipient's public key, of the one that this store was opened by where `recipient_id` is NULL: a text, "kfpk1.…". By
/// it another store seals a keyset that only this recipient's secret opens: see keyfold_store_export_keyset. No secret.
/// KEYFOLD_NOT_FOUND where there is no such recipient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_recipient_public_key(
    store: Option<&KeyfoldStore>,
    recipient_id: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let recipient_id = unsafe { optional_text(recipient_id, "recipient_id") }?;
        out.write(KeyfoldBuf::copied(store.recipient_public_key(recipient_id)?.as_bytes())?);
        Ok(())
    })
}

/// A recovery drill: opens the file anew with this master key, as if nothing else were left, and verifies everything in
/// it. The drill is recorded in the audit log. `report` (may be NULL) is a JSON object:
///
///   {"recipient": {…},      the one that opened, as keyfold_store_recipients gives it
///    "check": {…}}          as the report of keyfold_store_check
///
/// `ok` (may be NULL) is that of the check.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_drill(
    store: Option<&KeyfoldStore>,
    master_key: Option<&KeyfoldMasterKey>,
    ok: Option<&mut MaybeUninit<bool>>,
    report: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        let master_key = required(master_key, "master_key")?.inner();
        let found = store.drill(master_key)?;
        json::optional(report, &found)?;
        if let Some(ok) = ok {
            ok.write(found.check.ok);
        }
        Ok(())
    })
}

/// Makes a new key-encryption key for every recipient, without needing their secrets, and wraps all keys under it.
/// Ciphertexts stay as they are, and open stores follow by themselves. With `new_master_key` (NULL: none), adds it as a
/// recipient and removes the one that this store was opened by; others that use that one are KEYFOLD_WRONG_MASTER_KEY at
/// their next refresh. `report` (may be NULL) is a JSON object:
///
///   {"kek_version": 2, "recipients": ["raw-1"], "rewrapped": 12,
///    "purge_pending": false}      superseded wraps may still be in the file's log: see keyfold_store_purge
///
/// KEYFOLD_INTEGRITY_ERROR where anything in the store does not verify; nothing is changed then.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_rotate_master_key(
    store: Option<&KeyfoldStore>,
    new_master_key: Option<&KeyfoldMasterKey>,
    report: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        json::optional(report, &store.rotate_master_key(new_master_key.map(KeyfoldMasterKey::inner))?)
    })
}
