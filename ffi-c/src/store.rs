//! Stores.

use std::ffi::{CString, c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use keyfold::{Aad, CreateKey, KeyFilter, MasterKey, OpenOptions, Result, Store, limits};

use crate::array::{array, texts};
use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::context::{KeyfoldContext, required_context};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, c_text, optional_text, path, required, text};
use crate::json;
use crate::key::{KeyfoldKey, open_sealed, seal};
use crate::master_key::KeyfoldMasterKey;
use crate::status::KeyfoldStatus;

/// An open store. Yours; free it with keyfold_store_free. All threads may use it at once.
pub struct KeyfoldStore {
    store: Store,
    fingerprint: CString,
    warnings: Vec<CString>,
}

impl KeyfoldStore {
    fn new(store: Store) -> Self {
        Self {
            fingerprint: c_text(store.fingerprint()),
            warnings: store.warnings().iter().map(|warning| c_text(warning)).collect(),
            store,
        }
    }

    pub(crate) fn inner(&self) -> &Store {
        &self.store
    }
}

/// Opens the store at `path`, which is bytes as the system takes them. `master_key` NULL is the environment variable
/// KEYFOLD_MASTER_KEY. `options` is a JSON object, NULL for the defaults; unknown names, names given twice and
/// lengths of time without a unit are refused:
///
///   {"create": false,            make the store if there is none; whoever comes second opens it
///    "refresh_interval": "1s",   how soon a change by another process is used here, "10ms" to "1h"
///    "max_stale": "60s",         how long keys serve when the file cannot be read; then calls fail
///    "busy_timeout": "5s",       how long to wait for another process before KEYFOLD_BUSY
///    "anchor": null,             refuse a copy older than this anchor or forked before it
///    "fingerprint": null,        refuse a store with another identity
///    "actor": null,              who acts, for the audit log; by default the user's number
///    "allow_network_fs": false,  open on a network file system although its locks are not dependable
///    "mode": "admin",            "use": encrypts, decrypts and looks up, and administers nothing; "metadata": shows
///                                metadata, unverified, and needs no master key
///    "immutable": false,         never write, take no locks: for read-only file systems; nobody may write meanwhile
///    "production": false,        refuse what is for development, and master key files that others may read
///    "insecure_dev": false,      make and open a store with a random key in a file beside it, and no master key
///    "require_mlock": false}     fail where key memory cannot be kept out of swap, rather than warn
///
/// Leave a member out rather than writing its default. KEYFOLD_NOT_FOUND where there is no store,
/// KEYFOLD_WRONG_MASTER_KEY where the key is another's, KEYFOLD_INTEGRITY_ERROR where the file was changed by someone
/// without it, KEYFOLD_UNSUPPORTED where it is no store or one of a newer version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_open(
    path: *const c_char,
    master_key: Option<&KeyfoldMasterKey>,
    options: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldStore>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        // SAFETY: the caller's texts.
        let (path, options) = unsafe { (self::path(path, "path")?, optional_text(options, "options")?) };
        let options = options.map(OpenOptions::from_json).transpose()?.unwrap_or_default();
        let store = match master_key {
            Some(master_key) => Store::open_with(path, master_key.inner(), &options),
            None => Store::open_with(path, &MasterKey::default(), &options),
        }?;
        out.write(Some(Box::new(KeyfoldStore::new(store))));
        Ok(())
    })
}

/// A handle to a key, for encrypting with it. Yours; free it with keyfold_key_free, before or after the store.
/// KEYFOLD_NOT_FOUND where there is no such key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        out.write(Some(Box::new(KeyfoldKey::new(store.store.key(key_id)?))));
        Ok(())
    })
}

/// Makes a key with its first version. `options` is a JSON object, NULL for the defaults:
///
///   {"kind": "aead",                 or "deterministic", "stream", "mac", "derive"
///    "algorithm": null,              of the kind; of aead "AES256_GCM_SIV" (the default), "AES256_GCM",
///                                    "XAES256_GCM", "XCHACHA20_POLY1305"
///    "purpose": null,                "pii", "financial", "medical", "credentials", "api", "backup", or one that you
///                                    registered: keys of one purpose give the same blind indexes
///    "description": null,            a note for people, up to 4096 bytes
///    "labels": {},                   up to 64 names and values of your choice, each up to 255 bytes
///    "exportable": false,            whether its raw bytes may ever leave the store; cannot be changed later
///    "expires_in": null,             how long each version encrypts, such as "365d"; decrypting goes on
///    "on_limit": "rotate",           at the algorithm's safe number of messages; or "refuse" to encrypt more
///    "exist_ok": false}              accept one that exists with the same kind, algorithm and purpose
///
/// `info` (may be NULL) is as keyfold_store_key_info gives it. KEYFOLD_ALREADY_EXISTS where there is such a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_create_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?;
        // SAFETY: the caller's texts.
        let (key_id, options) = unsafe { (text(key_id, "key_id")?, optional_text(options, "options")?) };
        let options = options.map(CreateKey::from_json).transpose()?.unwrap_or_default();
        let made = store.store.create_key(key_id, &options)?;
        json::optional(info, &made)
    })
}

/// Makes many keys in one transaction: all of them, or none where one is refused, and keyfold_error_index says which it
/// was. `key_ids` has `count` names, up to 10000. `options` is NULL, or has as many texts, each NULL or as that of
/// keyfold_store_create_key. `infos` (may be NULL) is a JSON array of what keyfold_store_key_info gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_create_keys(
    store: Option<&KeyfoldStore>,
    key_ids: *const *const c_char,
    options: *const *const c_char,
    count: usize,
    infos: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?;
        // SAFETY: the caller's arrays of texts.
        let keys = unsafe { drafts(key_ids, options, count) }?;
        let made = store.store.create_keys(&keys)?;
        if let Some(infos) = infos {
            infos.write(json::array(&made)?);
        }
        Ok(())
    })
}

/// Makes the next version of a key and has it encrypt from now on; older ciphertexts open as before. `info` (may be
/// NULL) is one element of what keyfold_store_list_key_versions gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_rotate_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?;
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        let made = store.store.rotate_key(key_id)?;
        json::optional(info, &made)
    })
}

/// One key's metadata, as a JSON object:
///
///   {"key_id": "pii", "kind": "aead", "algorithm": "AES256_GCM_SIV", "purpose": null, "description": null,
///    "current_version": 1, "exportable": false, "archived": false, "created_at_ms": 1700000000123,
///    "expires_at_ms": null,             when the current version stops encrypting
///    "rotation_due_at_ms": null,        when it should be rotated, as its purpose advises
///    "expires_in": null,                how long each version encrypts, such as "365days"
///    "on_limit": "rotate", "labels": {"team": "billing"},
///    "verified": true}               false in mode "metadata", which shows what the file says
///
/// Here and everywhere, names that end in _ms are milliseconds since 1970 in UTC, members stand in any order, and
/// later versions may add members.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_key_info(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        out.write(json::object(&store.store.key_info(key_id)?)?);
        Ok(())
    })
}

/// The keys that match, in byte order of their ids: a JSON array of objects as keyfold_store_key_info gives. `filter` is
/// a JSON object, NULL for all keys; a member left out matches everything:
///
///   {"kind": "aead", "purpose": "pii", "algorithm": "AES256_GCM_SIV",
///    "state": "enabled",             of the current version; or "archived", which "enabled" leaves out
///    "labels": {"team": "billing"},  keys with all of these
///    "search": "text",               in the id or the description, taken literally
///    "after": "id", "limit": 100}    for reading a long list in parts: the last id that you have, until nothing comes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_list_keys(
    store: Option<&KeyfoldStore>,
    filter: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text.
        let filter = unsafe { optional_text(filter, "filter") }?;
        let filter = filter.map(KeyFilter::from_json).transpose()?.unwrap_or_default();
        out.write(json::array(&store.store.list_keys(&filter)?)?);
        Ok(())
    })
}

/// All versions of a key, newest first, as a JSON array:
///
///   [{"key_id": "pii", "version": 2, "tag": 2671520279, "is_current": true, "state": "enabled",
///     "algorithm": "AES256_GCM_SIV", "created_at_ms": 1700000000123, "expires_at_ms": null,
///     "destroy_at_ms": null, "state_reason": null, "verified": true}]
///
/// `state` is "staged", "enabled", "decrypt_only", "disabled", "revoked", "pending_destruction" or "destroyed"; `tag`
/// is the number in front of the version's ciphertexts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_list_key_versions(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        out.write(json::array(&store.store.list_key_versions(key_id)?)?);
        Ok(())
    })
}

/// Encrypts under the current version of a key; as keyfold_key_encrypt, and slower by looking the key up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_encrypt(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    plaintext: *const c_void,
    plaintext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text and bytes.
        let (key_id, plaintext, aad) = unsafe {
            (
                text(key_id, "key_id")?,
                bytes(plaintext, plaintext_len, "plaintext")?,
                bytes(aad, aad_len, "aad")?,
            )
        };
        out.write(seal(&store.store.key(key_id)?, plaintext, Aad::Raw(aad))?);
        Ok(())
    })
}

/// As keyfold_store_encrypt, bound to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_encrypt_with_context(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    plaintext: *const c_void,
    plaintext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        let context = required_context(context)?;
        // SAFETY: the caller's text and bytes.
        let (key_id, plaintext) =
            unsafe { (text(key_id, "key_id")?, bytes(plaintext, plaintext_len, "plaintext")?) };
        out.write(seal(&store.store.key(key_id)?, plaintext, Aad::Context(context))?);
        Ok(())
    })
}

/// Decrypts what any version of a key encrypted; as keyfold_key_decrypt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_decrypt(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    aad: *const c_void,
    aad_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's text and bytes.
        let (key_id, ciphertext, aad) = unsafe {
            (
                text(key_id, "key_id")?,
                bytes(ciphertext, ciphertext_len, "ciphertext")?,
                bytes(aad, aad_len, "aad")?,
            )
        };
        out.write(open_sealed(&store.store.key(key_id)?, ciphertext, Aad::Raw(aad))?);
        Ok(())
    })
}

/// As keyfold_store_decrypt, with the context that it was encrypted with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_decrypt_with_context(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        let context = required_context(context)?;
        // SAFETY: the caller's text and bytes.
        let (key_id, ciphertext) =
            unsafe { (text(key_id, "key_id")?, bytes(ciphertext, ciphertext_len, "ciphertext")?) };
        out.write(open_sealed(&store.store.key(key_id)?, ciphertext, Aad::Context(context))?);
        Ok(())
    })
}

/// Which key and version made a ciphertext, in bytes or as text, without decrypting or verifying it. A JSON array of
/// every match, hardly ever more than one, and empty where none is known:
///
///   [{"key_id": "pii", "version": 1, "tag": 2671520279, "algorithm": "AES256_GCM_SIV", "is_current": false,
///     "state": "enabled", "created_at_ms": 1700000000123, "expires_at_ms": null,
///     "expired": false,        it encrypts no more
///     "verified": true}]       what is said of the version; not in mode "metadata"
///
/// KEYFOLD_INVALID_ARGUMENT where it is no ciphertext at all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_inspect(
    store: Option<&KeyfoldStore>,
    ciphertext: *const c_void,
    ciphertext_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?;
        // SAFETY: the caller's bytes.
        let ciphertext = unsafe { bytes(ciphertext, ciphertext_len, "ciphertext") }?;
        out.write(json::array(&store.store.inspect(ciphertext)?)?);
        Ok(())
    })
}

/// Verifies everything: the file's structure, every row, every key, the whole audit chain. `ok` tells whether all is
/// well; `report` (may be NULL) is a JSON object:
///
///   {"ok": false,
///    "findings": [{"subject": "key pii", "problem": "what is wrong", "advice": "what to do"}],
///    "warnings": [{…}],                              what deserves attention though nothing is wrong
///    "keys": 2, "versions": 5, "recipients": 1, "quarantined": 0, "audit_records": 9, "generation": 9,
///    "purge_pending": false,                         see keyfold_store_purge
///    "locked_bytes": 4096, "unlocked_bytes": 0}      key memory that may not, or may, reach swap
///
/// A store that is damaged is no failure of this call: it returns KEYFOLD_OK with `ok` false.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_check(
    store: Option<&KeyfoldStore>,
    ok: Option<&mut MaybeUninit<bool>>,
    report: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let ok = required(ok, "ok")?;
        let found = required(store, "store")?.store.check()?;
        json::optional(report, &found)?;
        ok.write(found.ok);
        Ok(())
    })
}

/// Where the store stands now, as a short text without secrets. Keep it where whoever can write the file cannot write,
/// and open with the option "anchor": no older or forked copy then passes for this store.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_anchor(
    store: Option<&KeyfoldStore>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let anchor = required(store, "store")?.store.anchor()?;
        out.write(KeyfoldBuf::copied(anchor.to_string().as_bytes())?);
        Ok(())
    })
}

/// The store's identity as a short text: open with the option "fingerprint", and no other store passes for this
/// one. The store's, valid until it is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_fingerprint(store: Option<&KeyfoldStore>) -> *const c_char {
    store.map_or(ptr::null(), |store| store.fingerprint.as_ptr())
}

/// Whether what the store shows was verified: everywhere but in mode "metadata", which has no key to verify with, and
/// for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_is_verified(store: Option<&KeyfoldStore>) -> bool {
    answer(false, || store.is_some_and(|store| store.store.is_verified()))
}

/// How many things deserve attention although the store opened, such as a master key file that others may read.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_warning_count(store: Option<&KeyfoldStore>) -> usize {
    store.map_or(0, |store| store.warnings.len())
}

/// One of them, counted from 0, as a text for people. The store's, valid until it is freed; NULL where there is no
/// such one.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_warning(store: Option<&KeyfoldStore>, index: usize) -> *const c_char {
    store.and_then(|store| store.warnings.get(index)).map_or(ptr::null(), |warning| warning.as_ptr())
}

/// Wipes all keys and closes the file, after the calls that are in flight. Later calls on the store and on its keys
/// fail with KEYFOLD_CLOSED; both are still to be freed. Closing again does nothing; NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_close(store: Option<&KeyfoldStore>) {
    answer((), || {
        if let Some(store) = store {
            store.store.close();
        }
    });
}

/// Closes a store and frees it. Its keys are KEYFOLD_CLOSED from then on, and still to be freed. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_free(store: Option<Box<KeyfoldStore>>) {
    answer((), || {
        if let Some(store) = store {
            store.store.close();
        }
    });
}

/// Keys to be made.
///
/// # Safety
/// The arrays are as the header demands.
unsafe fn drafts<'a>(
    key_ids: *const *const c_char,
    options: *const *const c_char,
    count: usize,
) -> Result<Vec<(&'a str, CreateKey)>> {
    // SAFETY: the same demand.
    let key_ids = unsafe { texts(key_ids, count, limits::CREATE_KEYS, "key_ids") }?;
    if options.is_null() {
        return Ok(key_ids.into_iter().map(|key_id| (key_id, CreateKey::default())).collect());
    }
    // SAFETY: the same demand.
    let options = unsafe { array(options, count, limits::CREATE_KEYS, "options") }?;
    let read = |(index, options): (usize, &*const c_char)| {
        // SAFETY: the same demand.
        let options = unsafe { optional_text(*options, "options") };
        let parsed = options.and_then(|options| options.map(CreateKey::from_json).transpose());
        parsed.map(Option::unwrap_or_default).map_err(|error| error.with_index(index))
    };
    let options = options.iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
    Ok(key_ids.into_iter().zip(options).collect())
}
