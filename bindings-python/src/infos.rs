//! The core's descriptions as the dataclasses of `keyfold/_infos.py`.

use std::time::SystemTime;

use keyfold::{CheckReport, CiphertextInfo, Finding, KeyInfo, Timestamp, VersionInfo};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

macro_rules! dataclass {
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
    dataclass!(py, "KeyInfo" {
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
        labels: &info.labels,
    })
}

pub fn version_info<'py>(py: Python<'py>, info: &VersionInfo) -> PyResult<Bound<'py, PyAny>> {
    dataclass!(py, "VersionInfo" {
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
    })
}

pub fn ciphertext_info<'py>(py: Python<'py>, info: &CiphertextInfo) -> PyResult<Bound<'py, PyAny>> {
    dataclass!(py, "CiphertextInfo" {
        key_id: &info.key_id,
        version: info.version,
        tag: info.tag,
        algorithm: info.algorithm.name(),
        is_current: info.is_current,
        state: info.state.name(),
        created_at: time(info.created_at),
    })
}

pub fn check_report<'py>(py: Python<'py>, report: &CheckReport) -> PyResult<Bound<'py, PyAny>> {
    let findings = report.findings.iter().map(|found| finding(py, found)).collect::<PyResult<Vec<_>>>()?;
    dataclass!(py, "CheckReport" {
        ok: report.ok,
        findings: PyTuple::new(py, findings)?,
        keys: report.keys,
        versions: report.versions,
        audit_records: report.audit_records,
        generation: report.generation,
        locked_bytes: report.locked_bytes,
        unlocked_bytes: report.unlocked_bytes,
    })
}

fn finding<'py>(py: Python<'py>, found: &Finding) -> PyResult<Bound<'py, PyAny>> {
    dataclass!(py, "Finding" { subject: &found.subject, problem: &found.problem, advice: &found.advice })
}
