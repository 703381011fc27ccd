//! Keys in and out.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use keyfold::{ExportedKey, ImportKey, ImportKeyset, KeyEncoding, KeysetFormat, KeysetProtection, Result};

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{bytes, invalid, optional_text, required, text};
use crate::json;
use crate::salts::named;
use crate::status::KeyfoldStatus;
use crate::store::KeyfoldStore;

/// Takes a key in from elsewhere. `encoding` says how the material is written, "raw", "hex" or "base64", and is never
/// guessed; the material must have exactly the algorithm's length: nothing is hashed, cut or stretched to fit. Wipe
/// yours. `options` is a JSON object, NULL for the defaults:
///
///   {"as_version": false}     make it the next version of a key that exists, and the current one; then only
///                             "algorithm" may be given beside it
///
/// and for a new key "kind", "algorithm", "purpose", "description", "labels", "exportable", "expires_in" and "on_limit"
/// of keyfold_store_create_key. `info` (may be NULL) is as keyfold_store_key_info gives it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_import_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    material: *const c_void,
    material_len: usize,
    encoding: *const c_char,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts and bytes.
        let (key_id, material, encoding, options) = unsafe {
            (
                text(key_id, "key_id")?,
                bytes(material, material_len, "material")?,
                text(encoding, "encoding")?,
                optional_text(options, "options")?,
            )
        };
        let options = options.map(ImportKey::from_json).transpose()?.unwrap_or_default();
        json::optional(info, &store.import_key(key_id, material, KeyEncoding::parse(encoding)?, &options)?)
    })
}

/// The raw bytes of a version, `version` 0 being the current one, of a key that was made "exportable". A SECRET, wiped
/// when freed. It wants mode "admin" and is recorded. KEYFOLD_PERMISSION_DENIED where the key is not exportable;
/// KEYFOLD_KEY_UNAVAILABLE where the version was revoked, destroyed or is about to be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_get_data_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    version: u32,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's text.
        let key_id = unsafe { text(key_id, "key_id") }?;
        out.write(KeyfoldBuf::copied(&store.get_data_key(key_id, named(version))?)?);
        Ok(())
    })
}

/// As keyfold_store_get_data_key of the current version, in the encoding that is named: "raw", "hex" or "base64".
/// `key_bytes` says how many bytes the key has: 16, 24, 32 or 64. KEYFOLD_INVALID_ARGUMENT where it has another length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_get_encryption_key(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    key_bytes: usize,
    encoding: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, encoding) = unsafe { (text(key_id, "key_id")?, text(encoding, "encoding")?) };
        let exported = store.get_encryption_key(key_id, key_bytes, KeyEncoding::parse(encoding)?)?;
        out.write(match &exported {
            ExportedKey::Bytes(key) => KeyfoldBuf::copied(key),
            ExportedKey::Text(key) => KeyfoldBuf::copied(key.as_bytes()),
            _ => Err(invalid("an encoding that this header does not know")),
        }?);
        Ok(())
    })
}

/// A key with all its versions as a Google Tink keyset, of a key that was made "exportable". A SECRET, wiped when freed;
/// recorded. `format` is "json" or "binary". `protection` says what keeps the keys from whoever reads it:
///
///   "passphrase"             `secret` is a passphrase; the keyset is then a text of keyfold's own, "kfks1.…"
///   "key"                    `secret` is the id of a key of kind "aead" of this store: Tink's encrypted keyset
///   "recipient"              `secret` is the public key of a recipient of the store that is to have it, as
///                            keyfold_store_recipient_public_key of that store gives it: see that it comes from there.
///                            Only that recipient's secret opens it. A text of keyfold's own, "kfkr1.…"
///   "insecure_cleartext"     nothing: whoever sees the keyset has the keys; `secret` must be NULL
///
/// `losses` (may be NULL) becomes a JSON array of sentences: what of the key the keyset does not say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_export_keyset(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    format: *const c_char,
    protection: *const c_char,
    secret: *const c_char,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    losses: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts.
        let (key_id, format, protection) = unsafe {
            (text(key_id, "key_id")?, text(format, "format")?, self::protection(protection, secret)?)
        };
        let keyset = store.export_keyset(key_id, KeysetFormat::parse(format)?, protection)?;
        if let Some(losses) = losses {
            losses.write(json::texts(&keyset.losses)?);
        }
        out.write(KeyfoldBuf::copied(&keyset.bytes)?);
        Ok(())
    })
}

/// Makes a key from a Tink keyset in either format, or from keyfold's own: what was encrypted under the keyset opens.
/// `protection` and `secret` are those of keyfold_store_export_keyset, but for what was sealed to a recipient: that is
/// "own_recipient" with NULL, and the recipient that the store was opened by must be the one. `options` is a JSON object, NULL for the
/// defaults:
///
///   {"rotate": false}     have a fresh version encrypt from now on, and the imported ones only decrypt
///
/// and "purpose", "description", "labels", "exportable", "expires_in" and "on_limit" of keyfold_store_create_key. `info`
/// (may be NULL) is as keyfold_store_key_info gives it. KEYFOLD_UNSUPPORTED, by name, for what keyfold has not;
/// KEYFOLD_DECRYPTION_FAILED where the protection does not open it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_store_import_keyset(
    store: Option<&KeyfoldStore>,
    key_id: *const c_char,
    keyset: *const c_void,
    keyset_len: usize,
    protection: *const c_char,
    secret: *const c_char,
    options: *const c_char,
    info: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let store = required(store, "store")?.inner();
        // SAFETY: the caller's texts and bytes.
        let (key_id, keyset, protection, options) = unsafe {
            (
                text(key_id, "key_id")?,
                bytes(keyset, keyset_len, "keyset")?,
                self::protection(protection, secret)?,
                optional_text(options, "options")?,
            )
        };
        let options = options.map(ImportKeyset::from_json).transpose()?.unwrap_or_default();
        json::optional(info, &store.import_keyset(key_id, keyset, protection, &options)?)
    })
}

/// # Safety
/// As for [`optional_text`].
unsafe fn protection<'a>(protection: *const c_char, secret: *const c_char) -> Result<KeysetProtection<'a>> {
    // SAFETY: the same demand.
    let (protection, secret) = unsafe { (text(protection, "protection")?, optional_text(secret, "secret")?) };
    match (protection, secret) {
        ("insecure_cleartext", None) => Ok(KeysetProtection::InsecureCleartext),
        ("own_recipient", None) => Ok(KeysetProtection::OwnRecipient),
        ("insecure_cleartext" | "own_recipient", Some(_)) => {
            Err(invalid(format!("secret must be NULL with {protection:?}: it would protect nothing")))
        }
        ("recipient", Some(recipient)) => Ok(KeysetProtection::Recipient(recipient)),
        ("passphrase", Some(passphrase)) => Ok(KeysetProtection::Passphrase(passphrase.as_bytes())),
        ("key", Some(key_id)) => Ok(KeysetProtection::Key(key_id)),
        ("passphrase" | "key" | "recipient", None) => {
            Err(invalid("secret is NULL, but the protection needs one"))
        }
        _ => Err(invalid(format!(
            "protection {protection:?} is none of: passphrase, key, recipient, own_recipient, insecure_cleartext"
        ))),
    }
}
