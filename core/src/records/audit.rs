//! The audit chain: one record for each administrative act and for denials, each hash over the one before it.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::primitives::{HmacKey, equal};
use crate::records::{AuditRow, Rows};
use crate::time::Timestamp;

/// What an administrative act was, or what was denied. Fields stand in the order of their names: that makes the JSON canonical.
#[derive(Serialize)]
pub(crate) struct AuditRecord<'a> {
    pub(crate) action: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) at: Timestamp,
    /// How many denials it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'a str>,
    pub(crate) generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'a str>,
    /// The mode that the store was open in, of denials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'a str>,
    pub(crate) outcome: &'a str,
    pub(crate) sequence: u64,
    /// When the first of the denials was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
}

impl<'a> AuditRecord<'a> {
    /// A record without a place in the chain yet.
    pub(crate) fn of(action: &'a str, outcome: &'a str) -> Self {
        Self {
            action,
            actor: "",
            at: Timestamp::from_milliseconds(0),
            count: None,
            detail: None,
            generation: 0,
            key: None,
            mode: None,
            outcome,
            sequence: 0,
            since: None,
            version: None,
        }
    }

    /// The row for this record, its hash taken over the one before it.
    pub(crate) fn chain(&self, audit_key: &HmacKey, previous: &[u8; 32]) -> Result<AuditRow> {
        let record =
            serde_json::to_string(self).map_err(|_| Error::internal("an audit record that is no JSON"))?;
        let hash = link(audit_key, previous, self.sequence, &record);
        Ok(AuditRow { sequence: self.sequence, record, hash })
    }
}

/// Follows the chain from the record after `sequence`, whose hash is known, to the head, which the root covers.
pub(crate) fn verify_chain(
    rows: &dyn Rows,
    audit_key: &HmacKey,
    (mut sequence, mut hash): (u64, [u8; 32]),
    head: (u64, [u8; 32]),
) -> Result<()> {
    rows.each_audit(sequence + 1, &mut |row| {
        sequence += 1;
        let expected = link(audit_key, &hash, sequence, &row.record);
        if row.sequence != sequence || !equal(&expected, &row.hash) {
            return Err(broken(sequence));
        }
        hash = row.hash;
        Ok(())
    })?;
    if sequence == head.0 && equal(&hash, &head.1) { Ok(()) } else { Err(broken(sequence + 1)) }
}

fn link(audit_key: &HmacKey, previous: &[u8; 32], sequence: u64, record: &str) -> [u8; 32] {
    audit_key.mac(&[b"keyfold/v1/audit", previous, &sequence.to_be_bytes(), record.as_bytes()])
}

fn broken(sequence: u64) -> Error {
    Error::integrity(format!(
        "the audit chain breaks at record {sequence}: it was changed, cut, or is damaged"
    ))
}
