//! The protobuf messages of Google Tink's `tink.proto`, and keysets in binary.

use prost::Message;
use prost::bytes::Bytes;

use super::key_type::{self, MATERIAL_TYPE_SYMMETRIC};
use super::{OutputPrefix, Status, TinkKey, TinkKeyset, malformed};
use crate::error::{Error, ErrorKind, Result};
use crate::primitives::equal;
use crate::sys::pages::SecretBytes;

/// `google.crypto.tink.Keyset`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Keyset {
    #[prost(uint32, tag = 1)]
    pub(super) primary_key_id: u32,
    #[prost(message, repeated, tag = 2)]
    pub(super) key: Vec<Key>,
}

/// `google.crypto.tink.Keyset.Key`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Key {
    #[prost(message, optional, tag = 1)]
    pub(super) key_data: Option<KeyData>,
    #[prost(int32, tag = 2)]
    pub(super) status: i32,
    #[prost(uint32, tag = 3)]
    pub(super) key_id: u32,
    #[prost(int32, tag = 4)]
    pub(super) output_prefix_type: i32,
}

/// `google.crypto.tink.KeyData`. Its value holds the key's bytes.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyData {
    #[prost(string, tag = 1)]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = 2)]
    pub(super) value: Vec<u8>,
    #[prost(int32, tag = 3)]
    pub(super) key_material_type: i32,
}

impl Drop for KeyData {
    fn drop(&mut self) {
        crate::key::wipe(&mut self.value);
    }
}

/// `google.crypto.tink.EncryptedKeyset`, without the optional info: it would be unauthenticated.
#[derive(Clone, PartialEq, Message)]
struct EncryptedKeyset {
    #[prost(bytes = "vec", tag = 2)]
    encrypted_keyset: Vec<u8>,
    #[prost(message, optional, tag = 3)]
    keyset_info: Option<KeysetInfo>,
}

/// `google.crypto.tink.KeysetInfo`: read past, since nothing authenticates it.
#[derive(Clone, PartialEq, Message)]
struct KeysetInfo {}

pub(super) fn encode(keyset: &TinkKeyset) -> Result<SecretBytes> {
    write(&to_message(keyset)?)
}

/// Into memory of the final size: growing would leave copies behind.
fn write(message: &impl Message) -> Result<SecretBytes> {
    let mut bytes = SecretBytes::zeroed(message.encoded_len());
    message
        .encode(&mut bytes.expose_mut())
        .map_err(|_| Error::internal("a message longer than its length"))?;
    Ok(bytes)
}

pub(super) fn decode(bytes: &[u8]) -> Result<TinkKeyset> {
    from_message(&parse::<Keyset>(bytes)?)
}

/// Tink's form of a keyset that an AEAD encrypted.
pub(crate) fn encode_encrypted(ciphertext: &[u8]) -> Vec<u8> {
    EncryptedKeyset { encrypted_keyset: ciphertext.to_vec(), keyset_info: None }.encode_to_vec()
}

/// The ciphertext in an encrypted keyset.
pub(crate) fn decode_encrypted(bytes: &[u8]) -> Result<Vec<u8>> {
    let message = EncryptedKeyset::decode(bytes).map_err(|_| malformed("is no encrypted keyset"))?;
    if message.encrypted_keyset.is_empty() {
        return Err(malformed("is not encrypted"));
    }
    Ok(message.encrypted_keyset)
}

/// Parses a message and refuses what does not encode to the same bytes again: unknown, doubled or left over fields,
/// and numbers too large for theirs.
pub(super) fn parse<M: Message + Default>(bytes: &[u8]) -> Result<M> {
    // From a slice prost would copy each field of bytes once more, and not wipe it.
    let shared = Bytes::from_owner(Owner(SecretBytes::copied(bytes)));
    let message = M::decode(shared).map_err(|_| malformed("is malformed"))?;
    if !equal(write(&message)?.expose(), bytes) {
        return Err(malformed("has fields that keyfold does not know, or some twice"));
    }
    Ok(message)
}

/// What a message is read from: wiped once nothing refers to it.
struct Owner(SecretBytes);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

pub(super) fn to_message(keyset: &TinkKeyset) -> Result<Keyset> {
    let key = keyset.keys.iter().map(key_to_message).collect::<Result<_>>()?;
    Ok(Keyset { primary_key_id: keyset.primary, key })
}

fn key_to_message(key: &TinkKey) -> Result<Key> {
    let algorithm = key.algorithm.ok_or_else(|| Error::internal("an exported key without an algorithm"))?;
    let value = key.secret.as_ref().map(|secret| key_type::encode(algorithm, secret)).unwrap_or_default();
    Ok(Key {
        key_data: Some(KeyData {
            type_url: key_type::type_url(algorithm),
            value,
            key_material_type: MATERIAL_TYPE_SYMMETRIC,
        }),
        status: match key.status {
            Status::Enabled => 1,
            Status::Disabled => 2,
            Status::Destroyed => 3,
        },
        key_id: key.id,
        output_prefix_type: match key.prefix {
            OutputPrefix::Tink => 1,
            OutputPrefix::Raw => 3,
        },
    })
}

pub(super) fn from_message(message: &Keyset) -> Result<TinkKeyset> {
    let keys = message.key.iter().map(key_from_message).collect::<Result<_>>()?;
    Ok(TinkKeyset { primary: message.primary_key_id, keys })
}

fn key_from_message(key: &Key) -> Result<TinkKey> {
    let id = key.key_id;
    let status = match key.status {
        1 => Status::Enabled,
        2 => Status::Disabled,
        3 => Status::Destroyed,
        other => return Err(malformed(&format!("has key {id} of the unknown status {other}"))),
    };
    let prefix = match key.output_prefix_type {
        1 => OutputPrefix::Tink,
        2 => return Err(unsupported_prefix(id, "LEGACY")),
        3 => OutputPrefix::Raw,
        4 => return Err(unsupported_prefix(id, "CRUNCHY")),
        other => return Err(unsupported_prefix(id, &format!("number {other}"))),
    };
    let data = key.key_data.as_ref().filter(|data| !data.value.is_empty());
    let Some(data) = data else {
        if status != Status::Destroyed {
            return Err(malformed(&format!("has key {id} without its bytes")));
        }
        let named = key.key_data.as_ref().map(|data| key_type::named(&data.type_url));
        return Ok(TinkKey { id, status, prefix, algorithm: named.flatten(), secret: None });
    };
    if data.key_material_type != MATERIAL_TYPE_SYMMETRIC {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("key {id} of the keyset is not symmetric; keyfold keeps symmetric keys"),
        ));
    }
    let (algorithm, secret) = key_type::decode(id, &data.type_url, &data.value)?;
    // The bytes of a destroyed key were to be gone: they are not taken in.
    let secret = (status != Status::Destroyed).then_some(secret);
    Ok(TinkKey { id, status, prefix, algorithm: Some(algorithm), secret })
}

fn unsupported_prefix(id: u32, name: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("key {id} of the keyset has the output prefix type {name}; keyfold reads TINK and RAW"),
    )
}
