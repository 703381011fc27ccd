//! What guessing a passphrase shall cost, as JSON says it.

use keyfold::{Error, ErrorKind, Passphrase, Result, limits};
use serde::Deserialize;

use crate::ffi::invalid;

/// The names are those of a recipient's `parameters`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PassphraseOptions {
    kdf: Option<String>,
    memory_kib: Option<u32>,
    passes: Option<u32>,
    lanes: Option<u32>,
    rounds: Option<u32>,
}

impl PassphraseOptions {
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        if json.len() > limits::OPTIONS_BYTES {
            let most = limits::OPTIONS_BYTES;
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("options are at most {most} bytes of JSON"),
            ));
        }
        // serde would take an array as well.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(invalid("options: expected a JSON object"));
        }
        serde_json::from_str(json).map_err(|error| {
            let text = error.to_string();
            invalid(format!("options: {}", text.split(" at line ").next().unwrap_or_default()))
        })
    }

    pub(crate) fn apply(&self, passphrase: Passphrase) -> Result<Passphrase> {
        let argon2id = self.memory_kib.or(self.passes).or(self.lanes).is_some();
        match self.kdf.as_deref() {
            None | Some("argon2id") if self.rounds.is_some() => {
                Err(invalid("options: rounds belongs to kdf \"pbkdf2_sha256\""))
            }
            None if !argon2id => Ok(passphrase),
            None | Some("argon2id") => passphrase.with_argon2id(
                self.memory_kib.unwrap_or(64 << 10),
                self.passes.unwrap_or(3),
                self.lanes.unwrap_or(1),
            ),
            Some("pbkdf2_sha256") if argon2id => {
                Err(invalid("options: memory_kib, passes and lanes belong to kdf \"argon2id\""))
            }
            Some("pbkdf2_sha256") => passphrase.with_pbkdf2(self.rounds.unwrap_or(Passphrase::PBKDF2_ROUNDS)),
            Some(other) => {
                Err(invalid(format!("options: kdf {other:?} is none of: argon2id, pbkdf2_sha256")))
            }
        }
    }
}
