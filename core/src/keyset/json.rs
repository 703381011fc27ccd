//! Keysets in Google Tink's JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::message::{self, from_message, to_message};
use super::{TinkKeyset, malformed};
use crate::error::{Error, Result};
use crate::format::{decode_base64, encode_base64};
use crate::sys::pages::SecretBytes;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keyset {
    primary_key_id: u32,
    key: Vec<Key>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Key {
    key_data: Option<KeyData>,
    status: String,
    key_id: u32,
    output_prefix_type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyData {
    type_url: String,
    #[serde(default)]
    value: SecretText,
    key_material_type: String,
}

/// Base64 of a key's message, wiped when dropped.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl SecretText {
    fn encoded(value: &[u8]) -> Result<Self> {
        let text = encode_base64(value)?.expose().to_vec();
        String::from_utf8(text).map(Self).map_err(|_| Error::internal("base64 that is no text"))
    }

    /// In memory of the final size, for a field that wipes it.
    fn decoded(&self) -> Result<Vec<u8>> {
        let value = decode_base64(self.0.as_bytes()).ok_or_else(bad_base64)?;
        Ok(value.expose().to_vec())
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        crate::key::wipe(&mut std::mem::take(&mut self.0).into_bytes());
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EncryptedKeyset {
    encrypted_keyset: String,
    /// Nothing authenticates it: written by others, and read past.
    #[serde(default, skip_serializing)]
    #[allow(dead_code)]
    keyset_info: serde::de::IgnoredAny,
}

/// The names of `KeyStatusType`, in order of their numbers.
const STATUS: [&str; 4] = ["UNKNOWN_STATUS", "ENABLED", "DISABLED", "DESTROYED"];
/// The names of `OutputPrefixType`, in order of their numbers.
const OUTPUT_PREFIX: [&str; 5] = ["UNKNOWN_PREFIX", "TINK", "LEGACY", "RAW", "CRUNCHY"];
/// The names of `KeyMaterialType`, in order of their numbers.
const MATERIAL: [&str; 5] =
    ["UNKNOWN_KEYMATERIAL", "SYMMETRIC", "ASYMMETRIC_PRIVATE", "ASYMMETRIC_PUBLIC", "REMOTE"];

pub(super) fn encode(keyset: &TinkKeyset) -> Result<SecretBytes> {
    let message = to_message(keyset)?;
    let key = message.key.iter().map(key_to_json).collect::<Result<_>>()?;
    write_secret(&Keyset { primary_key_id: message.primary_key_id, key })
}

pub(super) fn decode(bytes: &[u8]) -> Result<TinkKeyset> {
    let plain = without_escapes(bytes);
    let keyset: Keyset = read(plain.expose())?;
    let key = keyset.key.iter().map(key_from_json).collect::<Result<_>>()?;
    from_message(&message::Keyset { primary_key_id: keyset.primary_key_id, key })
}

/// Tink's JSON of a keyset that an AEAD encrypted.
pub(crate) fn encode_encrypted_json(ciphertext: &[u8]) -> Result<Vec<u8>> {
    let json = serde_json::json!({ "encryptedKeyset": STANDARD.encode(ciphertext) });
    Ok(json.to_string().into_bytes())
}

/// The ciphertext in an encrypted keyset.
pub(crate) fn decode_encrypted_json(bytes: &[u8]) -> Result<Vec<u8>> {
    let keyset: EncryptedKeyset = read(bytes)?;
    STANDARD.decode(&keyset.encrypted_keyset).map_err(|_| bad_base64())
}

fn key_to_json(key: &message::Key) -> Result<Key> {
    let key_data = match &key.key_data {
        None => None,
        Some(data) => Some(KeyData {
            type_url: data.type_url.clone(),
            value: SecretText::encoded(&data.value)?,
            key_material_type: name(&MATERIAL, data.key_material_type),
        }),
    };
    Ok(Key {
        key_data,
        status: name(&STATUS, key.status),
        key_id: key.key_id,
        output_prefix_type: name(&OUTPUT_PREFIX, key.output_prefix_type),
    })
}

fn key_from_json(key: &Key) -> Result<message::Key> {
    let key_data = match &key.key_data {
        None => None,
        Some(data) => Some(message::KeyData {
            type_url: data.type_url.clone(),
            value: data.value.decoded()?,
            key_material_type: number(&MATERIAL, &data.key_material_type, "keyMaterialType")?,
        }),
    };
    Ok(message::Key {
        key_data,
        status: number(&STATUS, &key.status, "status")?,
        key_id: key.key_id,
        output_prefix_type: number(&OUTPUT_PREFIX, &key.output_prefix_type, "outputPrefixType")?,
    })
}

fn name(names: &[&str], number: i32) -> String {
    let found = usize::try_from(number).ok().and_then(|number| names.get(number));
    found.copied().unwrap_or_default().to_owned()
}

fn number(names: &[&str], name: &str, field: &str) -> Result<i32> {
    let found = names.iter().position(|known| *known == name);
    found.and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        malformed(&format!("has the {field} {name:?}, which Tink has not"))
    })
}

/// Into memory of the final size: growing would leave copies behind.
fn write_secret(value: &impl Serialize) -> Result<SecretBytes> {
    let internal = |_| Error::internal("a keyset that is no JSON");
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_err(internal)?;
    let mut bytes = SecretBytes::zeroed(length.0);
    serde_json::to_writer(bytes.expose_mut(), value).map_err(internal)?;
    Ok(bytes)
}

struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The JSON with the letters of base64 unescaped: some writers escape `/` and `=`. serde_json would put a text with
/// an escape together in memory that it does not wipe, so that any other becomes a question mark, which nothing in
/// a keyset has.
fn without_escapes(bytes: &[u8]) -> SecretBytes {
    let mut plain = SecretBytes::zeroed(bytes.len());
    let (mut rest, mut length, mut quoted) = (bytes, 0, false);
    while let Some((first, after)) = rest.split_first() {
        let (letter, after) = match (first, after) {
            (b'\\', [b'u', a, b, c, d, after @ ..]) if quoted => (unescaped([*a, *b, *c, *d]), after),
            (b'\\', [b'/', after @ ..]) if quoted => (b'/', after),
            (b'\\', [_, after @ ..]) if quoted => (b'?', after),
            _ => (*first, after),
        };
        quoted ^= *first == b'"';
        plain.expose_mut()[length] = letter;
        length += 1;
        rest = after;
    }
    // White space at the end is no matter.
    plain.expose_mut()[length..].fill(b' ');
    plain
}

/// The letter of four hexadecimal digits.
fn unescaped(digits: [u8; 4]) -> u8 {
    let number = digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?));
    let letter = number.and_then(|number| u8::try_from(number).ok());
    letter.filter(|letter| letter.is_ascii_alphanumeric() || b"+/=".contains(letter)).unwrap_or(b'?')
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        // serde repeats what it met; only the kind of problem and its place are safe to show.
        let problem = if error.is_data() { "unexpected or missing fields" } else { "malformed JSON" };
        malformed(&format!("has {problem}, at line {} column {}", error.line(), error.column()))
    })
}

fn bad_base64() -> Error {
    malformed("has a value that is not base64 of the standard alphabet with padding")
}
