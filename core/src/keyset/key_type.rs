//! Google Tink's key types: which of them are keyfold's algorithms, and how they write a key.

use prost::Message;

use super::malformed;
use super::message::parse;
use crate::error::{Error, ErrorKind, Result};
use crate::primitives::Algorithm;
use crate::sys::pages::SecretBytes;

/// `google.crypto.tink.KeyData.KeyMaterialType`.
pub(super) const MATERIAL_TYPE_SYMMETRIC: i32 = 1;

const PREFIX: &str = "type.googleapis.com/google.crypto.tink.";

/// `google.crypto.tink.HashType`.
const SHA256: u32 = 3;
const SHA512: u32 = 4;

/// What all of these messages have in common: a version, parameters of up to three numbers, the key.
#[derive(Clone, PartialEq, Message)]
struct KeyMessage {
    #[prost(uint32, tag = 1)]
    version: u32,
    #[prost(message, optional, tag = 2)]
    params: Option<Params>,
    #[prost(bytes = "vec", tag = 3)]
    key_value: Vec<u8>,
}

/// `HmacParams` (hash, tag size), `XAesGcmParams` (salt size), `HkdfPrfParams` (hash, no salt) and
/// `AesGcmHkdfStreamingParams` (segment size, derived key size, hash) have nothing but numbers.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Params {
    #[prost(uint32, tag = 1)]
    first: u32,
    #[prost(uint32, tag = 2)]
    second: u32,
    #[prost(uint32, tag = 3)]
    third: u32,
}

/// `google.crypto.tink.AesSivKey`, which has its key elsewhere.
#[derive(Clone, PartialEq, Message)]
struct AesSivMessage {
    #[prost(uint32, tag = 1)]
    version: u32,
    #[prost(bytes = "vec", tag = 2)]
    key_value: Vec<u8>,
}

impl Drop for KeyMessage {
    fn drop(&mut self) {
        crate::key::wipe(&mut self.key_value);
    }
}

impl Drop for AesSivMessage {
    fn drop(&mut self) {
        crate::key::wipe(&mut self.key_value);
    }
}

/// The type URL of an algorithm's keys.
pub(super) fn type_url(algorithm: Algorithm) -> String {
    format!("{PREFIX}{}", message_name(algorithm))
}

/// The algorithm of keys of this type, where there is but one.
pub(super) fn named(type_url: &str) -> Option<Algorithm> {
    let mut found = Algorithm::ALL.into_iter().filter(|algorithm| self::type_url(*algorithm) == type_url);
    found.next().filter(|_| found.next().is_none())
}

/// A key in its message.
pub(super) fn encode(algorithm: Algorithm, secret: &SecretBytes) -> Vec<u8> {
    let key_value = secret.expose().to_vec();
    match algorithm {
        Algorithm::Aes256Siv => AesSivMessage { version: 0, key_value }.encode_to_vec(),
        _ => KeyMessage { version: 0, params: params(algorithm), key_value }.encode_to_vec(),
    }
}

/// The key in a message of this type. Unsupported where keyfold has no such algorithm, by name.
pub(super) fn decode(id: u32, type_url: &str, value: &[u8]) -> Result<(Algorithm, SecretBytes)> {
    let candidates: Vec<Algorithm> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| type_url.strip_prefix(PREFIX) == Some(message_name(*algorithm)))
        .collect();
    if candidates.is_empty() {
        let name = type_url.strip_prefix(PREFIX).unwrap_or(type_url);
        let name: String = name.chars().filter(|character| character.is_ascii_graphic()).take(64).collect();
        return Err(unsupported(format!(
            "key {id} of the keyset is of type {name:?}, which keyfold has not"
        )));
    }
    if candidates == [Algorithm::Aes256Siv] {
        let message: AesSivMessage = parse(value)?;
        check_version(id, message.version)?;
        return Ok((Algorithm::Aes256Siv, SecretBytes::copied(&message.key_value)));
    }
    let message: KeyMessage = parse(value)?;
    check_version(id, message.version)?;
    // Tink may write empty parameters.
    let given = message.params.filter(|params| *params != Params::default());
    let algorithm =
        candidates.into_iter().find(|algorithm| params(*algorithm) == given).ok_or_else(|| {
            unsupported(format!(
                "key {id} of the keyset has other parameters than keyfold's {}",
                type_url.trim_start_matches(PREFIX)
            ))
        })?;
    if message.key_value.is_empty() {
        return Err(malformed(&format!("has key {id} without its bytes")));
    }
    Ok((algorithm, SecretBytes::copied(&message.key_value)))
}

fn message_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Aes256GcmSiv => "AesGcmSivKey",
        Algorithm::Aes256Gcm => "AesGcmKey",
        Algorithm::Xaes256Gcm => "XAesGcmKey",
        Algorithm::XChaCha20Poly1305 => "XChaCha20Poly1305Key",
        Algorithm::Aes256Siv => "AesSivKey",
        Algorithm::Aes256GcmHkdf1Mb => "AesGcmHkdfStreamingKey",
        Algorithm::HmacSha256 | Algorithm::HmacSha512 => "HmacKey",
        Algorithm::HkdfSha256 => "HkdfPrfKey",
    }
}

fn params(algorithm: Algorithm) -> Option<Params> {
    let [first, second, third] = match algorithm {
        Algorithm::Xaes256Gcm => [12, 0, 0],
        Algorithm::Aes256GcmHkdf1Mb => [1 << 20, 32, SHA256],
        Algorithm::HmacSha256 => [SHA256, 32, 0],
        Algorithm::HmacSha512 => [SHA512, 64, 0],
        Algorithm::HkdfSha256 => [SHA256, 0, 0],
        _ => return None,
    };
    Some(Params { first, second, third })
}

fn check_version(id: u32, version: u32) -> Result<()> {
    if version == 0 {
        return Ok(());
    }
    Err(unsupported(format!("key {id} of the keyset is of version {version} of its type; keyfold knows 0")))
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}
