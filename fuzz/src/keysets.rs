//! Tink keysets of keys that everybody knows, so that what was sealed in one run opens in the next.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyfold::Algorithm;
use serde_json::{Value, json};

/// One key of a keyset.
pub(crate) struct Known {
    pub(crate) id: u32,
    pub(crate) algorithm: Algorithm,
    pub(crate) status: &'static str,
    pub(crate) prefix: &'static str,
}

/// Key material that follows from the id alone.
pub(crate) fn secret(id: u32, length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|place| (id.wrapping_mul(2_654_435_761).wrapping_add(place * 97) >> 7) as u8)
        .collect()
}

/// Tink's name of the type, what precedes the key in its message, and the field that the key is in.
fn message(algorithm: Algorithm) -> (&'static str, &'static [u8], u8, usize) {
    match algorithm {
        Algorithm::Aes256GcmSiv => ("AesGcmSivKey", &[], 3, 32),
        Algorithm::Aes256Gcm => ("AesGcmKey", &[], 3, 32),
        Algorithm::Xaes256Gcm => ("XAesGcmKey", &[0x12, 2, 8, 12], 3, 32),
        Algorithm::XChaCha20Poly1305 => ("XChaCha20Poly1305Key", &[], 3, 32),
        Algorithm::Aes256Siv => ("AesSivKey", &[], 2, 64),
        Algorithm::Aes256GcmHkdf1Mb => {
            ("AesGcmHkdfStreamingKey", &[0x12, 8, 8, 0x80, 0x80, 0x40, 0x10, 32, 0x18, 3], 3, 32)
        }
        Algorithm::HmacSha256 => ("HmacKey", &[0x12, 4, 8, 3, 0x10, 32], 3, 32),
        Algorithm::HmacSha512 => ("HmacKey", &[0x12, 4, 8, 4, 0x10, 64], 3, 64),
        _ => ("HkdfPrfKey", &[0x12, 2, 8, 3], 3, 32),
    }
}

/// The message of such a key.
pub(crate) fn key_message(algorithm: Algorithm, id: u32) -> (String, Vec<u8>) {
    let (name, params, field, length) = message(algorithm);
    let mut bytes = params.to_vec();
    bytes.extend([field << 3 | 2, length as u8]);
    bytes.extend(secret(id, length));
    (format!("type.googleapis.com/google.crypto.tink.{name}"), bytes)
}

/// Tink's JSON; the first key is the primary one.
pub(crate) fn keyset(keys: &[Known]) -> Vec<u8> {
    let key = |key: &Known| -> Value {
        let (type_url, message) = key_message(key.algorithm, key.id);
        json!({
            "keyData": { "typeUrl": type_url, "value": STANDARD.encode(message), "keyMaterialType": "SYMMETRIC" },
            "status": key.status, "keyId": key.id, "outputPrefixType": key.prefix,
        })
    };
    let keys: Vec<Value> = keys.iter().map(key).collect();
    json!({ "primaryKeyId": keys[0]["keyId"], "key": keys }).to_string().into_bytes()
}
