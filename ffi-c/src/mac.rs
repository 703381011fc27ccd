//! Codes that show whether data is unchanged, under keys of kind `mac`.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use crate::buffer::KeyfoldBuf;
use crate::call::call;
use crate::error::KeyfoldError;
use crate::ffi::{bytes, required};
use crate::key::KeyfoldKey;
use crate::status::KeyfoldStatus;

/// The code of the data under the current version of a key of kind "mac": 01, the version's tag (4 bytes, big endian),
/// and the HMAC (HMAC_SHA256: 32 bytes), in Google Tink's format. KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_MESSAGE_MAX.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_mac(
    key: Option<&KeyfoldKey>,
    data: *const c_void,
    data_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let data = unsafe { bytes(data, data_len, "data") }?;
        out.write(KeyfoldBuf::copied(&key.mac(data)?)?);
        Ok(())
    })
}

/// The HMAC alone, for formats that have no room for a prefix, such as JWTs. It does not say which version made it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_mac_raw(
    key: Option<&KeyfoldKey>,
    data: *const c_void,
    data_len: usize,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let data = unsafe { bytes(data, data_len, "data") }?;
        out.write(KeyfoldBuf::copied(&key.mac_raw(data)?)?);
        Ok(())
    })
}

/// KEYFOLD_OK where keyfold_key_mac of any version of this key gave this code, in bytes or as text, for this data.
/// KEYFOLD_VERIFICATION_FAILED where anything is wrong with code, key or data; KEYFOLD_KEY_UNAVAILABLE where the
/// version's state forbids it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_verify_mac(
    key: Option<&KeyfoldKey>,
    data: *const c_void,
    data_len: usize,
    mac: *const c_void,
    mac_len: usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let (data, mac) = unsafe { (bytes(data, data_len, "data")?, bytes(mac, mac_len, "mac")?) };
        key.verify_mac(data, mac)
    })
}

/// As keyfold_key_verify_mac, of what keyfold_key_mac_raw gave: all versions that may verify are tried.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_key_verify_mac_raw(
    key: Option<&KeyfoldKey>,
    data: *const c_void,
    data_len: usize,
    mac: *const c_void,
    mac_len: usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let key = required(key, "key")?.inner();
        // SAFETY: the caller's bytes.
        let (data, mac) = unsafe { (bytes(data, data_len, "data")?, bytes(mac, mac_len, "mac")?) };
        key.verify_mac_raw(data, mac)
    })
}
