//! Backups, and what to do about damage.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use keyfold::{MasterKey, RestoreOptions};

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{optional_text, path, required, text};
use crate::json;
use crate::master_key::KeyfoldMasterKey;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// Is told now and then how many pages of a backup are copied, of how many. It runs in the calling thread, without any
/// lock held, and may call keyfold. It must not throw or longjmp.
pub type KeyfoldBackupCallback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, pages_done: u64, pages: u64)>;

/// Copies the store as it is at one moment into a new file, while it is in use, and checks the copy, which opens with
/// the same master keys. It appears under its name whole or not at all, with mode 0600. `progress` may be NULL. `info`
/// (may be NULL) is a JSON object:
///
///   {"anchor": "kfa1.…",     keep it apart from the backup, and restore with it: no older copy passes
///    "check": {…}}           as the report of keyfold_store_check, of the copy: look at "ok"
///
/// KEYFOLD_ALREADY_EXISTS where there is a file at `path`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_backup(
    store: Option<&KeyfoldStore>,
    path: *const c_char,
    progress: KeyfoldBackupCallback,
    user_data: *mut c_void,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let path = unsafe { self::path(path, "path") }?;
        let made = match progress {
            None => store.backup(path),
            Some(progress) => store.backup_with(path, &mut |at| {
                // SAFETY: the caller's function with his own pointer.
                unsafe { progress(user_data, at.pages_done, at.pages) };
            }),
        }?;
        json::optional(info, &made)
    })
}

/// Restores the backup `source` at `path`: makes the file where there is none, else writes over the store that is there,
/// while others have it open. Before anything is touched the master key (NULL: that of KEYFOLD_MASTER_KEY) must open
/// the backup, and everything in it must verify; what is written is there whole or not at all. `options` is a JSON
/// object, NULL for the defaults:
///
///   {"replace_other_store": false,     write over a store that is another than the backup's
///    "force": false,                   write over a store that does not verify, or that the master key does not open
///    "anchor": null, "fingerprint": null, "actor": null, "busy_timeout": "5s", "allow_network_fs": false}
///
/// The others are as in keyfold_store_open, of the backup. `info` (may be NULL) is a JSON object:
///
///   {"anchor": "kfa1.…",           that of the restored store: earlier ones open it no more
///    "fingerprint": "kff1.…",
///    "replaced": true,             a store was at the path
///    "rotated": ["card"]}          keys of AES256_GCM, which got a new version: their messages are not known
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_restore(
    source: *const c_char,
    path: *const c_char,
    master_key: Option<&KeyfoldMasterKey>,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        // SAFETY: the caller's texts.
        let (source, path, options) = unsafe {
            (self::path(source, "source")?, self::path(path, "path")?, optional_text(options, "options")?)
        };
        let options = options.map(RestoreOptions::from_json).transpose()?.unwrap_or_default();
        let restored = match master_key {
            Some(master_key) => keyfold::restore(source, path, master_key.inner(), &options),
            None => keyfold::restore(source, path, &MasterKey::default(), &options),
        }?;
        json::optional(info, &restored)
    })
}

/// Sets a key or purpose aside that does not verify: `kind` is "key" or "purpose", `id` its name, `reason` up to 1024
/// bytes. Its rows stay as they are, for inquiry; every use of it is KEYFOLD_KEY_UNAVAILABLE, and only restoring a
/// backup brings it back. KEYFOLD_INVALID_ARGUMENT where it verifies; KEYFOLD_INTEGRITY_ERROR where more than it is
/// damaged: then only a backup helps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_quarantine(
    store: Option<&KeyfoldStore>,
    kind: *const c_char,
    id: *const c_char,
    reason: *const c_char,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (kind, id, reason) = unsafe { (text(kind, "kind")?, text(id, "id")?, text(reason, "reason")?) };
        store.quarantine(kind, id, reason)
    })
}

/// What was set aside, in order of kind and id, as a JSON array:
///
///   [{"kind": "key", "id": "pii", "reason": "edited by hand", "created_at_ms": 1700000000123}]
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_quarantined(
    store: Option<&KeyfoldStore>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(json::array(&required(store, "store")?.inner().quarantined()?)?);
        Ok(())
    })
}
