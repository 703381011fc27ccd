//! The core's descriptions as the classes of `keyfold/_infos.py`.

use std::time::SystemTime;

use keyfold::{
    BackupInfo, CheckReport, CiphertextInfo, DestroyedVersion, DrillReport, Finding, IndexReport,
    IndexSaltInfo, KeyInfo, Keyset, MasterKeyRotation, PurposeInfo, Quarantined, RecipientInfo, RestoreInfo,
    RunDueFailure, RunDueReport, Timestamp, VersionInfo, VersionUsage,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::made::new_bytes;

macro_rules! info {
    ($py:ident, $class:literal { $($field:ident: $value:expr),* $(,)? }) => {{
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let fields = PyDict::new($py);
        $(fields.set_item(pyo3::intern!($py, stringify!($field)), $value)?;)*
        CLASS.import($py, "keyfold._infos", $class)?.call((), Some(&fields))
    }};
}

fn time(time: Timestamp) -> SystemTime {
    time.into()
}

pub fn key_info<'py>(py: Python<'py>, info: &KeyInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "KeyInfo" {
        key_id: &info.key_id,
        kind: info.kind.name(),
        algorithm: info.algorithm.name(),
        purpose: &info.purpose,
        description: &info.description,
        current_version: info.current_version,
        exportable: info.exportable,
        archived: info.archived,
        created_at: time(info.created_at),
        expires_at: info.expires_at.map(time),
        rotation_due_at: info.rotation_due_at.map(time),
        expires_in: info.expires_in,
        on_limit: &info.on_limit,
        labels: &info.labels,
        verified: info.verified,
    })
}

pub fn version_info<'py>(py: Python<'py>, info: &VersionInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "VersionInfo" {
        key_id: &info.key_id,
        version: info.version,
        tag: info.tag,
        is_current: info.is_current,
        state: info.state.name(),
        algorithm: info.algorithm.name(),
        created_at: time(info.created_at),
        expires_at: info.expires_at.map(time),
        destroy_at: info.destroy_at.map(time),
        state_reason: &info.state_reason,
        verified: info.verified,
    })
}

pub fn ciphertext_info<'py>(py: Python<'py>, info: &CiphertextInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "CiphertextInfo" {
        key_id: &info.key_id,
        version: info.version,
        tag: info.tag,
        algorithm: info.algorithm.name(),
        is_current: info.is_current,
        state: info.state.name(),
        created_at: time(info.created_at),
        expires_at: info.expires_at.map(time),
        expired: info.expired,
        verified: info.verified,
    })
}

pub fn check_report<'py>(py: Python<'py>, report: &CheckReport) -> PyResult<Bound<'py, PyAny>> {
    let each = |found: &[Finding]| {
        let found = found.iter().map(|found| finding(py, found)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, found)
    };
    info!(py, "CheckReport" {
        ok: report.ok,
        findings: each(&report.findings)?,
        warnings: each(&report.warnings)?,
        keys: report.keys,
        versions: report.versions,
        recipients: report.recipients,
        quarantined: report.quarantined,
        audit_records: report.audit_records,
        generation: report.generation,
        purge_pending: report.purge_pending,
        locked_bytes: report.locked_bytes,
        unlocked_bytes: report.unlocked_bytes,
    })
}

fn finding<'py>(py: Python<'py>, found: &Finding) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "Finding" { subject: &found.subject, problem: &found.problem, advice: &found.advice })
}

pub fn version_usage<'py>(py: Python<'py>, usage: &VersionUsage) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "VersionUsage" {
        version: usage.version,
        messages: usage.messages,
        limit: usage.limit,
        verified: usage.verified,
    })
}

pub fn purpose_info<'py>(py: Python<'py>, info: &PurposeInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "PurposeInfo" {
        purpose: &info.purpose,
        description: &info.description,
        rotation_period: info.rotation_period,
        built_in: info.built_in,
        created_at: info.created_at.map(time),
        verified: info.verified,
    })
}

pub fn run_due_report<'py>(py: Python<'py>, report: &RunDueReport) -> PyResult<Bound<'py, PyAny>> {
    let destroyed =
        report.destroyed.iter().map(|one| destroyed_version(py, one)).collect::<PyResult<Vec<_>>>()?;
    let failures =
        report.failures.iter().map(|one| run_due_failure(py, one)).collect::<PyResult<Vec<_>>>()?;
    info!(py, "RunDueReport" {
        at: time(report.at),
        destroyed: PyTuple::new(py, destroyed)?,
        failures: PyTuple::new(py, failures)?,
        purge_pending: report.purge_pending,
    })
}

fn destroyed_version<'py>(py: Python<'py>, one: &DestroyedVersion) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "DestroyedVersion" { key_id: &one.key_id, version: one.version })
}

fn run_due_failure<'py>(py: Python<'py>, one: &RunDueFailure) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "RunDueFailure" { key_id: &one.key_id, problem: &one.problem })
}

pub fn recipient_info<'py>(py: Python<'py>, info: &RecipientInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "RecipientInfo" {
        recipient_id: &info.recipient_id,
        kind: &info.kind,
        created_at: time(info.created_at),
        description: &info.description,
        parameters: &info.parameters,
        is_mine: info.is_mine,
        verified: info.verified,
    })
}

pub fn drill_report<'py>(py: Python<'py>, report: &DrillReport) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "DrillReport" {
        recipient: recipient_info(py, &report.recipient)?,
        check: check_report(py, &report.check)?,
    })
}

pub fn master_key_rotation<'py>(py: Python<'py>, done: &MasterKeyRotation) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "MasterKeyRotation" {
        kek_version: done.kek_version,
        recipients: PyTuple::new(py, &done.recipients)?,
        rewrapped: done.rewrapped,
        purge_pending: done.purge_pending,
    })
}

pub fn index_salt_info<'py>(py: Python<'py>, info: &IndexSaltInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "IndexSaltInfo" {
        version: info.version,
        is_current: info.is_current,
        created_at: time(info.created_at),
        verified: info.verified,
    })
}

pub fn index_report<'py>(py: Python<'py>, report: &IndexReport) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "IndexReport" {
        rows: report.rows,
        nulls: report.nulls,
        distinct_values: report.distinct_values,
        most_common_share: report.most_common_share,
        value_entropy: report.value_entropy,
        value_min_entropy: report.value_min_entropy,
        bits: report.bits,
        distinct_indexes: report.distinct_indexes,
        leaked_bits: report.leaked_bits,
        remaining_bits: report.remaining_bits,
        guess_chance: report.guess_chance,
        min_entropy_leaked: report.min_entropy_leaked,
        found: report.found,
        false_positives: report.false_positives,
        recommended_bits: report.recommended_bits,
        narrowest_bits: report.narrowest_bits,
    })
}

pub fn quarantined<'py>(py: Python<'py>, one: &Quarantined) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "Quarantined" { kind: &one.kind, id: &one.id, reason: &one.reason, created_at: time(one.created_at) })
}

pub fn keyset<'py>(py: Python<'py>, keyset: &Keyset) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "Keyset" { data: new_bytes(py, &keyset.bytes)?, losses: PyTuple::new(py, &keyset.losses)? })
}

pub fn backup_info<'py>(py: Python<'py>, info: &BackupInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "BackupInfo" { anchor: info.anchor.to_string(), check: check_report(py, &info.check)? })
}

pub fn restore_info<'py>(py: Python<'py>, info: &RestoreInfo) -> PyResult<Bound<'py, PyAny>> {
    info!(py, "RestoreInfo" {
        anchor: info.anchor.to_string(),
        fingerprint: &info.fingerprint,
        replaced: info.replaced,
        rotated: PyTuple::new(py, &info.rotated)?,
    })
}
