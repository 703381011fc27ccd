//! What the store answers, as plain objects.

use keyfold::{CheckReport, CiphertextInfo, Finding, Key, KeyInfo, Result, Store, Timestamp, VersionInfo};

use crate::handles;
use crate::raw::{Js, Value};

pub enum Answer {
    Nothing,
    Store(Store),
    Key(Key),
    KeyInfo(KeyInfo),
    Keys(Vec<KeyInfo>),
    Version(VersionInfo),
    Versions(Vec<VersionInfo>),
    Ciphertexts(Vec<CiphertextInfo>),
    Report(CheckReport),
    Text(String),
}

impl Answer {
    pub fn into_js(self, js: Js<'_>) -> Result<Value<'_>> {
        match self {
            Self::Nothing => js.undefined(),
            Self::Store(store) => js.number(handles::insert_store(store).into()),
            Self::Key(key) => js.number(handles::insert_key(key).into()),
            Self::KeyInfo(info) => key_info(js, &info),
            Self::Keys(infos) => list(js, &infos, key_info),
            Self::Version(info) => version_info(js, &info),
            Self::Versions(infos) => list(js, &infos, version_info),
            Self::Ciphertexts(infos) => list(js, &infos, ciphertext_info),
            Self::Report(report) => check_report(js, &report),
            Self::Text(text) => js.string(&text),
        }
    }
}

fn list<'a, T>(js: Js<'a>, items: &[T], each: fn(Js<'a>, &T) -> Result<Value<'a>>) -> Result<Value<'a>> {
    let values: Result<Vec<_>> = items.iter().map(|item| each(js, item)).collect();
    js.array(&values?)
}

fn key_info<'a>(js: Js<'a>, info: &KeyInfo) -> Result<Value<'a>> {
    let mut labels = Vec::with_capacity(info.labels.len());
    for (name, value) in &info.labels {
        labels.push((name.as_str(), js.string(value)?));
    }
    js.object(&[
        ("keyId", js.string(&info.key_id)?),
        ("kind", js.string(info.kind.name())?),
        ("algorithm", js.string(info.algorithm.name())?),
        ("purpose", text(js, info.purpose.as_deref())?),
        ("description", text(js, info.description.as_deref())?),
        ("currentVersion", number(js, info.current_version)?),
        ("exportable", js.boolean(info.exportable)?),
        ("archived", js.boolean(info.archived)?),
        ("createdAt", time(js, Some(info.created_at))?),
        ("expiresAt", time(js, info.expires_at)?),
        ("labels", js.object(&labels)?),
    ])
}

fn version_info<'a>(js: Js<'a>, info: &VersionInfo) -> Result<Value<'a>> {
    js.object(&[
        ("keyId", js.string(&info.key_id)?),
        ("version", number(js, Some(info.version))?),
        ("tag", number(js, Some(info.tag))?),
        ("isCurrent", js.boolean(info.is_current)?),
        ("state", js.string(info.state.name())?),
        ("algorithm", js.string(info.algorithm.name())?),
        ("createdAt", time(js, Some(info.created_at))?),
        ("expiresAt", time(js, info.expires_at)?),
        ("destroyAt", time(js, info.destroy_at)?),
        ("stateReason", text(js, info.state_reason.as_deref())?),
    ])
}

fn ciphertext_info<'a>(js: Js<'a>, info: &CiphertextInfo) -> Result<Value<'a>> {
    js.object(&[
        ("keyId", js.string(&info.key_id)?),
        ("version", number(js, Some(info.version))?),
        ("tag", number(js, Some(info.tag))?),
        ("algorithm", js.string(info.algorithm.name())?),
        ("isCurrent", js.boolean(info.is_current)?),
        ("state", js.string(info.state.name())?),
        ("createdAt", time(js, Some(info.created_at))?),
    ])
}

fn check_report<'a>(js: Js<'a>, report: &CheckReport) -> Result<Value<'a>> {
    js.object(&[
        ("ok", js.boolean(report.ok)?),
        ("findings", list(js, &report.findings, finding)?),
        ("keys", js.number(report.keys as f64)?),
        ("versions", js.number(report.versions as f64)?),
        ("auditRecords", js.number(report.audit_records as f64)?),
        ("generation", js.number(report.generation as f64)?),
        ("lockedBytes", js.number(report.locked_bytes as f64)?),
        ("unlockedBytes", js.number(report.unlocked_bytes as f64)?),
    ])
}

fn finding<'a>(js: Js<'a>, finding: &Finding) -> Result<Value<'a>> {
    js.object(&[
        ("subject", js.string(&finding.subject)?),
        ("problem", js.string(&finding.problem)?),
        ("advice", js.string(&finding.advice)?),
    ])
}

fn text<'a>(js: Js<'a>, value: Option<&str>) -> Result<Value<'a>> {
    value.map_or_else(|| js.null(), |value| js.string(value))
}

fn number(js: Js<'_>, value: Option<u32>) -> Result<Value<'_>> {
    value.map_or_else(|| js.null(), |value| js.number(value.into()))
}

fn time(js: Js<'_>, value: Option<Timestamp>) -> Result<Value<'_>> {
    value.map_or_else(|| js.null(), |value| js.date(value.milliseconds()))
}
