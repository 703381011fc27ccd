//! What keys are for.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use keyfold::PurposeOptions;

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{optional_text, required, text};
use crate::json;
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// Makes a purpose of your own, for keys that are created from now on; its name is 1 to 64 bytes of A-Z a-z 0-9 . _ : -.
/// `options` is a JSON object, NULL for the defaults:
///
///   {"description": null,        a note for people
///    "rotation_period": null,    how long a version of its keys should stay current, such as "90d": advice, shown as
///                                rotation_due_at_ms of a key
///    "update": false}            give a purpose that exists, also a built-in one, this description and period
///
/// `info` (may be NULL) is one element of what keyfold_store_purposes gives. KEYFOLD_ALREADY_EXISTS without "update".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_register_purpose(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (purpose, options) = unsafe { (text(purpose, "purpose")?, optional_text(options, "options")?) };
        let options = options.map(PurposeOptions::from_json).transpose()?.unwrap_or_default();
        json::optional(info, &store.register_purpose(purpose, &options)?)
    })
}

/// The built-in purposes, then yours, by name, as a JSON array:
///
///   [{"purpose": "pii", "description": null, "rotation_period": "90days", "built_in": true,
///     "created_at_ms": null, "verified": true}]
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_store_purposes(
    store: Option<&KeyfoldStore>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        out.write(json::array(&required(store, "store")?.inner().purposes()?)?);
        Ok(())
    })
}

/// The key that encrypts for this purpose: of its keys of kind "aead" that are not archived, the one made last. The
/// handle stays with that key when a newer one is made. Yours, as that of keyfold_store_key. KEYFOLD_INVALID_ARGUMENT
/// where there is no such purpose; KEYFOLD_NOT_FOUND where it has no such key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_key_for(
    store: Option<&KeyfoldStore>,
    purpose: *const c_char,
    out: Option<&mut MaybeUninit<Option<Box<KeyfoldKey>>>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let purpose = unsafe { text(purpose, "purpose") }?;
        out.write(Some(Box::new(KeyfoldKey::new(store.key_for(purpose)?))));
        Ok(())
    })
}
