//! How keys come in from elsewhere: plain options, the same in every language, and the words beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::primitives::{Algorithm, KeyKind};
use crate::store::options::{CreateKey, from_json};
use crate::time::deserialize_optional_duration;

/// How the bytes of a key are written. It is named by the caller and never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyEncoding {
    /// The bytes themselves.
    Raw,
    /// Two hexadecimal digits a byte.
    Hex,
    /// Base64 of the standard alphabet, with padding.
    Base64,
}

impl KeyEncoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Hex, Self::Base64];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }

    /// The encoding of this name. InvalidArgument where there is none.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name).ok_or_else(|| {
            Error::invalid(format!("encoding {name:?} is none of: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

/// What imported key material becomes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ImportKey {
    /// Make the material the next version of a key that exists, and the current one. Then only `algorithm` may be
    /// given beside it. Default: false, a new key.
    pub as_version: bool,
    /// `aead` (the default), `deterministic`, `stream`, `mac` or `derive`.
    pub kind: Option<String>,
    /// Name of the algorithm. Default: that of the kind; of the key, where it exists.
    pub algorithm: Option<String>,
    /// What the key is for.
    pub purpose: Option<String>,
    /// A note for people.
    pub description: Option<String>,
    /// Names and values of the caller's choice.
    pub labels: BTreeMap<String, String>,
    /// Whether its raw bytes may ever leave the store. Default: false.
    pub exportable: bool,
    /// How long each version encrypts.
    #[serde(deserialize_with = "deserialize_optional_duration")]
    pub expires_in: Option<Duration>,
    /// What happens when a version nears its safe number of messages: `rotate` (the default) or `refuse`.
    pub on_limit: Option<String>,
}

impl ImportKey {
    /// A new key of kind `aead`, algorithm AES256_GCM_SIV.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Make the material the next version of a key that exists.
    pub fn as_version(mut self, as_version: bool) -> Self {
        self.as_version = as_version;
        self
    }

    /// Another kind than `aead`.
    pub fn kind(mut self, kind: KeyKind) -> Self {
        self.kind = Some(kind.name().to_owned());
        self
    }

    /// Another algorithm than the default.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm.name().to_owned());
        self
    }

    /// What the key is for.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// A note for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Whether the raw bytes may ever leave the store.
    pub fn exportable(mut self, exportable: bool) -> Self {
        self.exportable = exportable;
        self
    }

    /// How long each version encrypts.
    pub fn expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period);
        self
    }

    /// What happens at the limit of messages: `rotate` or `refuse`.
    pub fn on_limit(mut self, word: impl Into<String>) -> Self {
        self.on_limit = Some(word.into());
        self
    }

    /// The options of the new key.
    pub(super) fn as_create(&self) -> CreateKey {
        CreateKey {
            kind: self.kind.clone(),
            algorithm: self.algorithm.clone(),
            purpose: self.purpose.clone(),
            description: self.description.clone(),
            labels: self.labels.clone(),
            exportable: self.exportable,
            exist_ok: false,
            expires_in: self.expires_in,
            on_limit: self.on_limit.clone(),
        }
    }

    /// Refuses what belongs to a key that exists already.
    pub(super) fn check_as_version(&self) -> Result<()> {
        let given = [
            ("kind", self.kind.is_some()),
            ("purpose", self.purpose.is_some()),
            ("description", self.description.is_some()),
            ("labels", !self.labels.is_empty()),
            ("exportable", self.exportable),
            ("expires_in", self.expires_in.is_some()),
            ("on_limit", self.on_limit.is_some()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(format!(
                "{name} belongs to the key, which exists already: leave it out with as_version"
            ))),
        }
    }
}

/// What an imported keyset becomes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ImportKeyset {
    /// Have a fresh version encrypt from now on, and the imported ones only decrypt. Needed where the keyset's primary
    /// key has no prefix. Default: false.
    pub rotate: bool,
    /// What the key is for.
    pub purpose: Option<String>,
    /// A note for people.
    pub description: Option<String>,
    /// Names and values of the caller's choice.
    pub labels: BTreeMap<String, String>,
    /// Whether its raw bytes may ever leave the store. Default: false.
    pub exportable: bool,
    /// How long each version encrypts.
    #[serde(deserialize_with = "deserialize_optional_duration")]
    pub expires_in: Option<Duration>,
    /// What happens when a version nears its safe number of messages: `rotate` (the default) or `refuse`.
    pub on_limit: Option<String>,
}

impl ImportKeyset {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Have a fresh version encrypt from now on.
    pub fn rotate(mut self, rotate: bool) -> Self {
        self.rotate = rotate;
        self
    }

    /// What the key is for.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// A note for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Whether the raw bytes may ever leave the store.
    pub fn exportable(mut self, exportable: bool) -> Self {
        self.exportable = exportable;
        self
    }

    /// How long each version encrypts.
    pub fn expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period);
        self
    }

    /// What happens at the limit of messages: `rotate` or `refuse`.
    pub fn on_limit(mut self, word: impl Into<String>) -> Self {
        self.on_limit = Some(word.into());
        self
    }

    /// The options of the new key, whose algorithm the keyset names.
    pub(super) fn as_create(&self, algorithm: Algorithm) -> CreateKey {
        CreateKey {
            kind: Some(algorithm.kind().name().to_owned()),
            algorithm: Some(algorithm.name().to_owned()),
            purpose: self.purpose.clone(),
            description: self.description.clone(),
            labels: self.labels.clone(),
            exportable: self.exportable,
            exist_ok: false,
            expires_in: self.expires_in,
            on_limit: self.on_limit.clone(),
        }
    }
}
