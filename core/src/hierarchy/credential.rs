//! What a caller brings to open a store: a secret, and for which kind of recipient.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits;
use crate::primitives::{Argon2Cost, argon2id, equal, pbkdf2_sha256};
use crate::sys::pages::SecretBytes;

/// How a recipient's secret comes about. A secret is only tried where its own kind is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecipientKind {
    /// 32 bytes in the caller's hands.
    MasterKey,
    /// 32 bytes on paper.
    RecoveryKey,
    /// 32 bytes in the hands of several.
    Shares,
    /// A text that was made expensive to guess.
    Passphrase,
}

impl RecipientKind {
    const ALL: [Self; 4] = [Self::MasterKey, Self::RecoveryKey, Self::Shares, Self::Passphrase];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MasterKey => "master_key",
            Self::RecoveryKey => "recovery_key",
            Self::Shares => "shares",
            Self::Passphrase => "passphrase",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A secret, ready to be tried.
pub(crate) struct Credential {
    kind: RecipientKind,
    secret: SecretBytes,
    /// Of a passphrase: what guessing it shall cost where a recipient is made.
    cost: Option<PasswordCost>,
}

impl Credential {
    pub(crate) fn master_key(secret: SecretBytes) -> Self {
        Self::of_kind(RecipientKind::MasterKey, secret)
    }

    /// 32 bytes, of any kind but a passphrase.
    pub(crate) fn of_kind(kind: RecipientKind, secret: SecretBytes) -> Self {
        Self { kind, secret, cost: None }
    }

    pub(crate) fn passphrase(text: SecretBytes, cost: PasswordCost) -> Self {
        Self { kind: RecipientKind::Passphrase, secret: text, cost: Some(cost) }
    }

    pub(crate) fn kind(&self) -> RecipientKind {
        self.kind
    }

    pub(crate) fn cost(&self) -> Option<PasswordCost> {
        self.cost
    }

    pub(crate) fn has_secret(&self, other: &[u8]) -> bool {
        equal(self.secret.expose(), other)
    }

    pub(crate) fn into_secret(self) -> SecretBytes {
        self.secret
    }

    /// The 32 bytes behind a recipient's seal: of a passphrase by this cost and salt, else the secret itself.
    pub(super) fn derive(&self, cost: Option<PasswordCost>, salt: &[u8]) -> Result<SecretBytes> {
        match (self.kind, cost) {
            (RecipientKind::Passphrase, Some(cost)) => cost.derive(&self.secret, salt),
            (RecipientKind::Passphrase, None) => Err(Error::internal("a passphrase without a cost")),
            _ => Ok(SecretBytes::copied(self.secret.expose())),
        }
    }
}

/// What one guess of a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PasswordCost {
    Argon2id(Argon2Cost),
    Pbkdf2 { rounds: u32 },
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self::Argon2id(Argon2Cost::default())
    }
}

impl PasswordCost {
    /// Whether it lies within the limits; one from a file is asked before it is paid.
    pub(crate) fn is_allowed(&self) -> bool {
        match self {
            Self::Argon2id(cost) => cost.is_allowed(),
            Self::Pbkdf2 { rounds } => (limits::PBKDF2_ROUNDS.0..=limits::PBKDF2_ROUNDS.1).contains(rounds),
        }
    }

    fn derive(self, text: &SecretBytes, salt: &[u8]) -> Result<SecretBytes> {
        let mut out = SecretBytes::zeroed(32);
        match self {
            Self::Argon2id(cost) => argon2id(text.expose(), salt, cost, out.expose_mut())?,
            Self::Pbkdf2 { rounds } => pbkdf2_sha256(text.expose(), salt, rounds, out.expose_mut())?,
        }
        Ok(out)
    }
}

/// A recipient's parameters as its row has them: a JSON object, names in order, absent ones left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) description: Option<String>,
    pub(crate) cost: Option<PasswordCost>,
}

/// The fields stand in the order of their names: that makes the JSON canonical.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lanes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_kib: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<u32>,
}

const ARGON2ID: &str = "argon2id";
const PBKDF2: &str = "pbkdf2_sha256";

impl Parameters {
    pub(crate) fn to_json(&self) -> Result<String> {
        let mut fields = Fields { description: self.description.clone(), ..Fields::default() };
        match self.cost {
            None => {}
            Some(PasswordCost::Argon2id(cost)) => {
                fields.kdf = Some(ARGON2ID.to_owned());
                fields.memory_kib = Some(cost.memory_kib);
                fields.passes = Some(cost.passes);
                fields.lanes = Some(cost.lanes);
            }
            Some(PasswordCost::Pbkdf2 { rounds }) => {
                fields.kdf = Some(PBKDF2.to_owned());
                fields.rounds = Some(rounds);
            }
        }
        serde_json::to_string(&fields).map_err(|_| Error::internal("parameters that are no JSON"))
    }

    /// `None` where the text is not one that [`Parameters::to_json`] gives for this kind, or the cost is outside its
    /// limits.
    pub(crate) fn from_json(text: &str, kind: RecipientKind) -> Option<Self> {
        let fields: Fields = serde_json::from_str(text).ok()?;
        let cost = match fields.kdf.as_deref() {
            None => None,
            Some(ARGON2ID) => Some(PasswordCost::Argon2id(Argon2Cost {
                memory_kib: fields.memory_kib?,
                passes: fields.passes?,
                lanes: fields.lanes?,
            })),
            Some(PBKDF2) => Some(PasswordCost::Pbkdf2 { rounds: fields.rounds? }),
            Some(_) => return None,
        };
        let found = Self { description: fields.description, cost };
        let fits = cost.is_some() == (kind == RecipientKind::Passphrase)
            && cost.is_none_or(|cost| cost.is_allowed())
            && found.to_json().is_ok_and(|canonical| canonical == text);
        fits.then_some(found)
    }

    /// What may be shown of them, the description apart.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        match self.cost {
            None => Vec::new(),
            Some(PasswordCost::Argon2id(cost)) => vec![
                ("kdf", ARGON2ID.to_owned()),
                ("lanes", cost.lanes.to_string()),
                ("memory_kib", cost.memory_kib.to_string()),
                ("passes", cost.passes.to_string()),
            ],
            Some(PasswordCost::Pbkdf2 { rounds }) => {
                vec![("kdf", PBKDF2.to_owned()), ("rounds", rounds.to_string())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_one_form_and_bounded_costs() {
        let argon2 = Argon2Cost { memory_kib: 19456, passes: 2, lanes: 1 };
        let made =
            Parameters { description: Some("safe".into()), cost: Some(PasswordCost::Argon2id(argon2)) };
        let json = made.to_json().unwrap();
        assert_eq!(
            json,
            r#"{"description":"safe","kdf":"argon2id","lanes":1,"memory_kib":19456,"passes":2}"#
        );
        assert_eq!(Parameters::from_json(&json, RecipientKind::Passphrase), Some(made));
        assert_eq!(Parameters::from_json(&json, RecipientKind::MasterKey), None);
        assert_eq!(Parameters::from_json("{}", RecipientKind::Passphrase), None);
        assert!(Parameters::from_json("{}", RecipientKind::Shares).is_some());
        for bad in [
            json.replace("19456", "19455"),
            json.replace("19456", "1048577"),
            json.replace("19456", "4294967296"),
            json.replace("\"passes\":2", "\"passes\":11"),
            json.replace("\"lanes\":1", "\"lanes\":0"),
            json.replace("argon2id", "argon2i"),
            json.replace(",\"passes\":2", ""),
            json.replace("}", ",\"rounds\":600000}"),
            json.replace(":", ": "),
            json.replace("}", ",\"kdf\":\"argon2id\"}"),
            "[]".to_owned(),
            String::new(),
            r#"{"kdf":"pbkdf2_sha256","rounds":599999}"#.to_owned(),
            r#"{"kdf":"pbkdf2_sha256","rounds":10000001}"#.to_owned(),
        ] {
            assert_eq!(Parameters::from_json(&bad, RecipientKind::Passphrase), None, "{bad}");
        }
        let pbkdf2 = r#"{"kdf":"pbkdf2_sha256","rounds":600000}"#;
        assert!(Parameters::from_json(pbkdf2, RecipientKind::Passphrase).is_some());
    }

    /// What is cheap to guess is never a key as it stands.
    #[test]
    fn a_passphrase_without_a_cost_gives_no_key() {
        let text = Credential::of_kind(RecipientKind::Passphrase, SecretBytes::copied(b"correct horse"));
        assert!(text.derive(None, &[1; 32]).is_err());
    }
}
