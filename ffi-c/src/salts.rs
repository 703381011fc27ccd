//! What blind indexes and derived keys rest on.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use keyfold::{IndexScope, Result};

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{invalid, optional_text, required, text};
use crate::json;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// The live versions of an index root, newest first: as many as keyfold_key_blind_indexes gives, in the same order. The
/// root is that of all keys of `purpose`, or that of the key `key_id`, which has no purpose: give one of them, and NULL
/// for the other. A JSON array:
///
///   [{"version": 1, "is_current": true, "created_at_ms": 1700000000123, "verified": true}]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_index_salts(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    key_id: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let scope = unsafe { scope(purpose, key_id) }?;
        out.write(json::array(&store.index_salts(scope)?)?);
        Ok(())
    })
}

/// Makes the next version of an index root, for keyfold_key_blind_index from now on. keyfold_key_blind_indexes still
/// gives the indexes under the earlier ones, until these are retired: search for all of them while the rows are indexed
/// anew. `info` (may be NULL) is one element of what keyfold_store_index_salts gives. KEYFOLD_LIMIT_EXCEEDED past 64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_rotate_index_salt(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    key_id: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let scope = unsafe { scope(purpose, key_id) }?;
        json::optional(info, &store.rotate_index_salt(scope)?)
    })
}

/// Deletes a version of an index root that is not the current one. No index under it is ever given again, so every row
/// must be indexed anew before. KEYFOLD_IN_USE for the current version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_retire_index_salt(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    key_id: *const c_char,
    version: u32,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let scope = unsafe { scope(purpose, key_id) }?;
        store.retire_index_salt(scope, version)
    })
}

/// The 32 bytes of an index root, for a service that computes the same indexes by itself; `version` 0 is the current
/// one. A SECRET: whoever has it can test guesses at every indexed value. It wants mode "admin" and is recorded; wiped
/// when freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_get_index_salt(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    key_id: *const c_char,
    version: u32,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let scope = unsafe { scope(purpose, key_id) }?;
        out.write(KeyfoldBuf::copied(&store.get_index_salt(scope, named(version))?)?);
        Ok(())
    })
}

/// `length` bytes (1 to 8160) for `purpose` (1 to 255 bytes, of your choice), from a key of kind "derive": the same in
/// every process and language. A SECRET, wiped when freed. `version` 0 is the current one, so that rotating the key
/// changes what comes out: keep the number of the version beside what the bytes protect. It wants mode "admin".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_derive_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    purpose: *const c_char,
    length: usize,
    version: u32,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, purpose) = unsafe { (text(key_id, "key_id")?, text(purpose, "purpose")?) };
        out.write(KeyfoldBuf::copied(&store.derive_key(key_id, purpose, length, named(version))?)?);
        Ok(())
    })
}

/// The version of this number; 0 names none.
pub(crate) fn named(version: u32) -> Option<u32> {
    (version != 0).then_some(version)
}

/// # Safety
/// As for [`optional_text`].
unsafe fn scope<'a>(purpose: *const c_char, key_id: *const c_char) -> Result<IndexScope<'a>> {
    // SAFETY: the same demand.
    let (purpose, key_id) = unsafe { (optional_text(purpose, "purpose")?, optional_text(key_id, "key_id")?) };
    match (purpose, key_id) {
        (Some(purpose), None) => Ok(IndexScope::Purpose(purpose)),
        (None, Some(key_id)) => Ok(IndexScope::Key(key_id)),
        (None, None) => Err(invalid("purpose is NULL, and key_id is NULL: give one of them")),
        (Some(_), Some(_)) => Err(invalid("purpose and key_id are both given; one of them must be NULL")),
    }
}
