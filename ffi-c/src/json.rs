//! Metadata as JSON, with times in milliseconds.

use std::mem::MaybeUninit;

use keyfold::{
    BackupInfo, CheckReport, CiphertextInfo, DrillReport, Error, ErrorKind, IndexReport, IndexSaltInfo,
    KeyInfo, MasterKeyRotation, PurposeInfo, Quarantined, RecipientInfo, RestoreInfo, Result, RunDueReport,
    Timestamp, VersionInfo, VersionUsage,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::buffer::KeyfoldBuf;

/// What C is shown as JSON.
pub(crate) trait Shown: Serialize {
    /// Its points in time, by name.
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        Vec::new()
    }

    /// Each time `x` becomes a number `x_ms`, or null.
    fn to_json(&self) -> Result<Value> {
        let mut value = serde_json::to_value(self).map_err(|_| not_json())?;
        let members = value.as_object_mut().ok_or_else(not_json)?;
        for (name, time) in self.times() {
            members.remove(name);
            members.insert(format!("{name}_ms"), time.map(Timestamp::milliseconds).into());
        }
        Ok(value)
    }
}

impl Shown for KeyInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![
            ("created_at", Some(self.created_at)),
            ("expires_at", self.expires_at),
            ("rotation_due_at", self.rotation_due_at),
        ]
    }
}

impl Shown for VersionInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![
            ("created_at", Some(self.created_at)),
            ("expires_at", self.expires_at),
            ("destroy_at", self.destroy_at),
        ]
    }
}

impl Shown for CiphertextInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("created_at", Some(self.created_at)), ("expires_at", self.expires_at)]
    }
}

impl Shown for PurposeInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("created_at", self.created_at)]
    }
}

impl Shown for IndexSaltInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("created_at", Some(self.created_at))]
    }
}

impl Shown for RecipientInfo {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("created_at", Some(self.created_at))]
    }
}

impl Shown for Quarantined {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("created_at", Some(self.created_at))]
    }
}

impl Shown for RunDueReport {
    fn times(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        vec![("at", Some(self.at))]
    }
}

impl Shown for DrillReport {
    /// The recipient has times of its own.
    fn to_json(&self) -> Result<Value> {
        Ok(json!({"recipient": self.recipient.to_json()?, "check": self.check.to_json()?}))
    }
}

impl Shown for BackupInfo {}
impl Shown for CheckReport {}
impl Shown for IndexReport {}
impl Shown for MasterKeyRotation {}
impl Shown for RestoreInfo {}
impl Shown for VersionUsage {}

/// One object.
pub(crate) fn object(shown: &impl Shown) -> Result<KeyfoldBuf> {
    KeyfoldBuf::copied(shown.to_json()?.to_string().as_bytes())
}

/// One object, where the caller wants it.
pub(crate) fn optional(out: Option<&mut MaybeUninit<KeyfoldBuf>>, shown: &impl Shown) -> Result<()> {
    if let Some(out) = out {
        out.write(object(shown)?);
    }
    Ok(())
}

/// An array of objects.
pub(crate) fn array<T: Shown>(shown: &[T]) -> Result<KeyfoldBuf> {
    let values = shown.iter().map(Shown::to_json).collect::<Result<Vec<_>>>()?;
    KeyfoldBuf::copied(Value::Array(values).to_string().as_bytes())
}

/// An array of sentences.
pub(crate) fn texts(texts: &[String]) -> Result<KeyfoldBuf> {
    KeyfoldBuf::copied(json!(texts).to_string().as_bytes())
}

fn not_json() -> Error {
    Error::new(ErrorKind::Internal, "metadata that is no JSON object")
}
