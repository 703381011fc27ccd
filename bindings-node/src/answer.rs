//! What the store answers, as plain objects.

use std::time::Duration;

use keyfold::{
    BackupInfo, CheckReport, CiphertextInfo, DestroyedVersion, DrillReport, Error, ErrorKind, ExportedKey,
    Finding, IndexReport, IndexSaltInfo, Key, KeyInfo, Keyset, MasterKeyRotation, Plaintext, PurposeInfo,
    Quarantined, RecipientInfo, RestoreInfo, Result, RunDueFailure, RunDueReport, Store, Timestamp,
    VersionInfo, VersionUsage,
};

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
    Flag(bool),
    Count(u64),
    Secret(Plaintext),
    Usage(Vec<VersionUsage>),
    Purpose(PurposeInfo),
    Purposes(Vec<PurposeInfo>),
    IndexSalt(IndexSaltInfo),
    IndexSalts(Vec<IndexSaltInfo>),
    Recipient(RecipientInfo),
    Recipients(Vec<RecipientInfo>),
    Rotation(MasterKeyRotation),
    Drill(DrillReport),
    RunDue(RunDueReport),
    IndexReport(IndexReport),
    ExportedKey(ExportedKey),
    /// And whether it is text.
    Keyset(Keyset, bool),
    Backup(BackupInfo),
    Restore(RestoreInfo),
    Quarantined(Vec<Quarantined>),
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
            Self::Flag(flag) => js.boolean(flag),
            Self::Count(count) => js.number(count as f64),
            Self::Secret(bytes) => js.buffer(&bytes),
            Self::Usage(usage) => list(js, &usage, version_usage),
            Self::Purpose(info) => purpose_info(js, &info),
            Self::Purposes(infos) => list(js, &infos, purpose_info),
            Self::IndexSalt(info) => index_salt_info(js, &info),
            Self::IndexSalts(infos) => list(js, &infos, index_salt_info),
            Self::Recipient(info) => recipient_info(js, &info),
            Self::Recipients(infos) => list(js, &infos, recipient_info),
            Self::Rotation(rotation) => master_key_rotation(js, &rotation),
            Self::Drill(report) => drill_report(js, &report),
            Self::RunDue(report) => run_due_report(js, &report),
            Self::IndexReport(report) => index_report(js, &report),
            Self::ExportedKey(ExportedKey::Bytes(bytes)) => js.buffer(&bytes),
            Self::ExportedKey(ExportedKey::Text(text)) => js.string(&text),
            Self::ExportedKey(_) => Err(Error::new(ErrorKind::Internal, "a key in an unknown form")),
            Self::Keyset(keyset, as_text) => exported_keyset(js, &keyset, as_text),
            Self::Backup(info) => backup_info(js, &info),
            Self::Restore(info) => restore_info(js, &info),
            Self::Quarantined(all) => list(js, &all, quarantined),
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
        ("expiresIn", duration(js, info.expires_in)?),
        ("onLimit", js.string(&info.on_limit)?),
        ("rotationDueAt", time(js, info.rotation_due_at)?),
        ("labels", js.object(&labels)?),
        ("verified", js.boolean(info.verified)?),
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
        ("verified", js.boolean(info.verified)?),
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
        ("expiresAt", time(js, info.expires_at)?),
        ("expired", js.boolean(info.expired)?),
        ("verified", js.boolean(info.verified)?),
    ])
}

fn version_usage<'a>(js: Js<'a>, usage: &VersionUsage) -> Result<Value<'a>> {
    js.object(&[
        ("version", number(js, Some(usage.version))?),
        ("messages", js.number(usage.messages as f64)?),
        ("limit", js.number(usage.limit as f64)?),
        ("verified", js.boolean(usage.verified)?),
    ])
}

fn purpose_info<'a>(js: Js<'a>, info: &PurposeInfo) -> Result<Value<'a>> {
    js.object(&[
        ("purpose", js.string(&info.purpose)?),
        ("description", text(js, info.description.as_deref())?),
        ("rotationPeriod", duration(js, info.rotation_period)?),
        ("builtIn", js.boolean(info.built_in)?),
        ("createdAt", time(js, info.created_at)?),
        ("verified", js.boolean(info.verified)?),
    ])
}

fn index_salt_info<'a>(js: Js<'a>, info: &IndexSaltInfo) -> Result<Value<'a>> {
    js.object(&[
        ("version", number(js, Some(info.version))?),
        ("isCurrent", js.boolean(info.is_current)?),
        ("createdAt", time(js, Some(info.created_at))?),
        ("verified", js.boolean(info.verified)?),
    ])
}

fn recipient_info<'a>(js: Js<'a>, info: &RecipientInfo) -> Result<Value<'a>> {
    let mut parameters = Vec::with_capacity(info.parameters.len());
    for (name, value) in &info.parameters {
        parameters.push((name.as_str(), js.string(value)?));
    }
    js.object(&[
        ("recipientId", js.string(&info.recipient_id)?),
        ("kind", js.string(&info.kind)?),
        ("createdAt", time(js, Some(info.created_at))?),
        ("description", text(js, info.description.as_deref())?),
        ("parameters", js.object(&parameters)?),
        ("isMine", js.boolean(info.is_mine)?),
        ("verified", js.boolean(info.verified)?),
    ])
}

fn master_key_rotation<'a>(js: Js<'a>, rotation: &MasterKeyRotation) -> Result<Value<'a>> {
    js.object(&[
        ("kekVersion", number(js, Some(rotation.kek_version))?),
        ("recipients", list(js, &rotation.recipients, |js, id| js.string(id))?),
        ("rewrapped", js.number(rotation.rewrapped as f64)?),
        ("purgePending", js.boolean(rotation.purge_pending)?),
    ])
}

fn drill_report<'a>(js: Js<'a>, report: &DrillReport) -> Result<Value<'a>> {
    js.object(&[
        ("recipient", recipient_info(js, &report.recipient)?),
        ("check", check_report(js, &report.check)?),
    ])
}

fn run_due_report<'a>(js: Js<'a>, report: &RunDueReport) -> Result<Value<'a>> {
    js.object(&[
        ("at", time(js, Some(report.at))?),
        ("destroyed", list(js, &report.destroyed, destroyed_version)?),
        ("failures", list(js, &report.failures, run_due_failure)?),
        ("purgePending", js.boolean(report.purge_pending)?),
    ])
}

fn destroyed_version<'a>(js: Js<'a>, destroyed: &DestroyedVersion) -> Result<Value<'a>> {
    js.object(&[("keyId", js.string(&destroyed.key_id)?), ("version", number(js, Some(destroyed.version))?)])
}

fn run_due_failure<'a>(js: Js<'a>, failure: &RunDueFailure) -> Result<Value<'a>> {
    js.object(&[("keyId", js.string(&failure.key_id)?), ("problem", js.string(&failure.problem)?)])
}

fn index_report<'a>(js: Js<'a>, report: &IndexReport) -> Result<Value<'a>> {
    js.object(&[
        ("rows", js.number(report.rows as f64)?),
        ("nulls", js.number(report.nulls as f64)?),
        ("distinctValues", js.number(report.distinct_values as f64)?),
        ("mostCommonShare", js.number(report.most_common_share)?),
        ("valueEntropy", js.number(report.value_entropy)?),
        ("valueMinEntropy", js.number(report.value_min_entropy)?),
        ("bits", number(js, Some(report.bits))?),
        ("distinctIndexes", js.number(report.distinct_indexes as f64)?),
        ("leakedBits", js.number(report.leaked_bits)?),
        ("remainingBits", js.number(report.remaining_bits)?),
        ("guessChance", js.number(report.guess_chance)?),
        ("minEntropyLeaked", js.number(report.min_entropy_leaked)?),
        ("found", js.number(report.found)?),
        ("falsePositives", js.number(report.false_positives)?),
        ("recommendedBits", number(js, report.recommended_bits)?),
        ("narrowestBits", number(js, Some(report.narrowest_bits))?),
    ])
}

fn exported_keyset<'a>(js: Js<'a>, keyset: &Keyset, as_text: bool) -> Result<Value<'a>> {
    let text = if as_text { std::str::from_utf8(&keyset.bytes).ok() } else { None };
    js.object(&[
        ("keyset", text.map_or_else(|| js.buffer(&keyset.bytes), |text| js.string(text))?),
        ("losses", list(js, &keyset.losses, |js, loss| js.string(loss))?),
    ])
}

fn backup_info<'a>(js: Js<'a>, info: &BackupInfo) -> Result<Value<'a>> {
    js.object(&[("anchor", js.string(&info.anchor.to_string())?), ("check", check_report(js, &info.check)?)])
}

fn restore_info<'a>(js: Js<'a>, info: &RestoreInfo) -> Result<Value<'a>> {
    js.object(&[
        ("anchor", js.string(&info.anchor.to_string())?),
        ("fingerprint", js.string(&info.fingerprint)?),
        ("replaced", js.boolean(info.replaced)?),
        ("rotated", list(js, &info.rotated, |js, key_id| js.string(key_id))?),
    ])
}

fn quarantined<'a>(js: Js<'a>, set_aside: &Quarantined) -> Result<Value<'a>> {
    js.object(&[
        ("kind", js.string(&set_aside.kind)?),
        ("id", js.string(&set_aside.id)?),
        ("reason", js.string(&set_aside.reason)?),
        ("createdAt", time(js, Some(set_aside.created_at))?),
    ])
}

fn check_report<'a>(js: Js<'a>, report: &CheckReport) -> Result<Value<'a>> {
    js.object(&[
        ("ok", js.boolean(report.ok)?),
        ("findings", list(js, &report.findings, finding)?),
        ("warnings", list(js, &report.warnings, finding)?),
        ("keys", js.number(report.keys as f64)?),
        ("versions", js.number(report.versions as f64)?),
        ("recipients", js.number(report.recipients as f64)?),
        ("quarantined", js.number(report.quarantined as f64)?),
        ("auditRecords", js.number(report.audit_records as f64)?),
        ("generation", js.number(report.generation as f64)?),
        ("purgePending", js.boolean(report.purge_pending)?),
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

/// As options take it.
fn duration(js: Js<'_>, value: Option<Duration>) -> Result<Value<'_>> {
    value.map_or_else(|| js.null(), |value| js.string(&humantime::format_duration(value).to_string()))
}
