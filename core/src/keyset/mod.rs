//! Google Tink's keysets: their bytes, their key types, and seals of our own for carrying them under a passphrase or to
//! another store.

mod json;
mod key_type;
mod message;
mod recipient;
mod sealed;

use crate::error::{Error, Result};
use crate::limits;
use crate::primitives::Algorithm;
use crate::sys::pages::SecretBytes;

pub(crate) use json::{decode_encrypted_json, encode_encrypted_json};
pub(crate) use message::{decode_encrypted, encode_encrypted};
pub(crate) use recipient::{RecipientKey, is_sealed_to_recipient};
pub(crate) use sealed::{is_sealed, open_with_passphrase, seal_with_passphrase};

/// A keyset in Google Tink's sense, its keys in order.
pub(crate) struct TinkKeyset {
    /// The id of the key that encrypts.
    pub(crate) primary: u32,
    pub(crate) keys: Vec<TinkKey>,
}

/// One key of a keyset.
pub(crate) struct TinkKey {
    pub(crate) id: u32,
    pub(crate) status: Status,
    pub(crate) prefix: OutputPrefix,
    /// `None` for a destroyed key that does not say.
    pub(crate) algorithm: Option<Algorithm>,
    /// `None` where the key was destroyed.
    pub(crate) secret: Option<SecretBytes>,
}

/// What a key of a keyset may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Enabled,
    Disabled,
    Destroyed,
}

/// What stands in front of a key's outputs, of the types that keyfold reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputPrefix {
    Tink,
    Raw,
}

impl TinkKeyset {
    /// The binary form.
    pub(crate) fn encode(&self) -> Result<SecretBytes> {
        message::encode(self)
    }

    /// The JSON form.
    pub(crate) fn encode_json(&self) -> Result<SecretBytes> {
        json::encode(self)
    }

    /// From either form: JSON begins with `{`, as no binary keyset does. What it says is checked.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        check_length(bytes)?;
        let keyset = if is_json(bytes) { json::decode(bytes)? } else { message::decode(bytes)? };
        keyset.check()?;
        Ok(keyset)
    }

    fn check(&self) -> Result<()> {
        if self.keys.is_empty() {
            return Err(malformed("has no keys"));
        }
        if self.keys.len() > limits::VERSIONS as usize {
            return Err(Error::limit(format!("a keyset has at most {} keys", limits::VERSIONS)));
        }
        let mut ids: Vec<u32> = self.keys.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        if ids.first() == Some(&0) {
            return Err(malformed("has a key with the id 0"));
        }
        if let Some((id, _)) = ids.iter().zip(ids.iter().skip(1)).find(|(a, b)| a == b) {
            return Err(malformed(&format!("has two keys with the id {id}")));
        }
        match self.keys.iter().find(|key| key.id == self.primary) {
            None => Err(malformed(&format!("has no key with the id {} of its primary key", self.primary))),
            Some(primary) if primary.status != Status::Enabled => {
                Err(malformed("has a primary key that is not enabled"))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether a keyset, clear or encrypted, is in its JSON form.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Refuses more than any keyset has.
pub(crate) fn check_length(bytes: &[u8]) -> Result<()> {
    if bytes.len() > limits::KEYSET_BYTES {
        return Err(Error::limit(format!("a keyset is at most {} bytes", limits::KEYSET_BYTES)));
    }
    Ok(())
}

/// What is wrong with a keyset that was handed in.
fn malformed(problem: &str) -> Error {
    Error::invalid(format!("the keyset {problem}"))
}
