//! What is shown of keys, versions and ciphertexts. Never key bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::keyring::VersionState;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::time::Timestamp;

/// A key, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its name in this store.
    pub key_id: String,
    /// What its bytes are used for.
    pub kind: KeyKind,
    /// The algorithm of new versions.
    pub algorithm: Algorithm,
    /// What it is for.
    pub purpose: Option<String>,
    /// A note for people.
    pub description: Option<String>,
    /// The number of the version that encrypts.
    pub current_version: Option<u32>,
    /// Whether raw bytes may leave the store.
    pub exportable: bool,
    /// Whether it encrypts no more.
    pub archived: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its current version stops encrypting.
    pub expires_at: Option<Timestamp>,
    /// When its purpose's rotation period ends for the current version; `None` where that has none, or the key is
    /// archived.
    pub rotation_due_at: Option<Timestamp>,
    /// How long each of its versions encrypts.
    #[serde(serialize_with = "serialize_period")]
    pub expires_in: Option<Duration>,
    /// What happens when a version nears its safe number of messages: `rotate` or `refuse`.
    pub on_limit: String,
    /// Names and values of the caller's choice.
    pub labels: BTreeMap<String, String>,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

/// A version of a key, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionInfo {
    /// Its key.
    pub key_id: String,
    /// 1, 2, 3…
    pub version: u32,
    /// The number in front of its ciphertexts.
    pub tag: u32,
    /// Whether this is the version that encrypts.
    pub is_current: bool,
    /// What it may do.
    pub state: VersionState,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops encrypting.
    pub expires_at: Option<Timestamp>,
    /// When its key will be destroyed, or was.
    pub destroy_at: Option<Timestamp>,
    /// Why it is in its state.
    pub state_reason: Option<String>,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

/// Which version made a ciphertext, as its public tag says; nothing of the ciphertext is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CiphertextInfo {
    /// The key.
    pub key_id: String,
    /// The version.
    pub version: u32,
    /// The tag in front of the ciphertext.
    pub tag: u32,
    /// The version's algorithm.
    pub algorithm: Algorithm,
    /// Whether that version still encrypts: if not, the ciphertext is stale.
    pub is_current: bool,
    /// What the version may do.
    pub state: VersionState,
    /// When the version was made: the ciphertext is no older.
    pub created_at: Timestamp,
    /// When the version stops encrypting.
    pub expires_at: Option<Timestamp>,
    /// Whether that time is past. The ciphertext still opens.
    pub expired: bool,
    /// Whether what it says of the version was verified: everywhere but in mode `metadata`.
    pub verified: bool,
}

impl KeyInfo {
    /// From rows that were `verified` or not: the key's, its current version's, and the rotation period of its purpose's.
    pub(crate) fn from_row(
        key: &KeyRow,
        current: Option<&VersionRow>,
        rotation_period: Option<i64>,
        verified: bool,
    ) -> Result<Self> {
        let damaged = || EntityId::key(&key.key_id).damaged();
        let due = |row: &VersionRow| Some(row.created_at.saturating_add(rotation_period?));
        let rotation_due_at = current.filter(|_| !key.archived).and_then(due);
        Ok(Self {
            key_id: key.key_id.clone(),
            kind: KeyKind::from_name(&key.kind).ok_or_else(damaged)?,
            algorithm: Algorithm::from_name(&key.algorithm).ok_or_else(damaged)?,
            purpose: key.purpose.clone(),
            description: key.description.clone(),
            current_version: current.map(|row| row.version),
            exportable: key.exportable,
            archived: key.archived,
            created_at: Timestamp::from_milliseconds(key.created_at),
            expires_at: current.and_then(|row| row.expires_at).map(Timestamp::from_milliseconds),
            rotation_due_at: rotation_due_at.map(Timestamp::from_milliseconds),
            expires_in: key.expires_in.map(|period| Duration::from_millis(period.unsigned_abs())),
            on_limit: key.on_limit.clone(),
            labels: serde_json::from_str(&key.labels).map_err(|_| damaged())?,
            verified,
        })
    }
}

impl VersionInfo {
    /// From a row that was `verified` or not.
    pub(crate) fn from_row(row: &VersionRow, verified: bool) -> Result<Self> {
        let damaged = || EntityId::key(&row.key_id).damaged();
        Ok(Self {
            key_id: row.key_id.clone(),
            version: row.version,
            tag: row.tag,
            is_current: row.is_current,
            state: VersionState::from_name(&row.state).ok_or_else(damaged)?,
            algorithm: Algorithm::from_name(&row.algorithm).ok_or_else(damaged)?,
            created_at: Timestamp::from_milliseconds(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_milliseconds),
            destroy_at: row.destroy_at.map(Timestamp::from_milliseconds),
            state_reason: row.state_reason.clone(),
            verified,
        })
    }
}

impl CiphertextInfo {
    /// As of `now`, in milliseconds.
    pub(crate) fn new(version: VersionInfo, now: i64) -> Self {
        Self {
            key_id: version.key_id,
            version: version.version,
            tag: version.tag,
            algorithm: version.algorithm,
            is_current: version.is_current,
            state: version.state,
            created_at: version.created_at,
            expires_at: version.expires_at,
            verified: version.verified,
            expired: version.expires_at.is_some_and(|at| at.milliseconds() <= now),
        }
    }
}

impl Serialize for Algorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for KeyKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A length of time as options take it: `30days`.
pub(super) fn serialize_period<S: serde::Serializer>(
    period: &Option<Duration>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match period {
        Some(period) => serializer.collect_str(&humantime::format_duration(*period)),
        None => serializer.serialize_none(),
    }
}

impl Serialize for VersionState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
