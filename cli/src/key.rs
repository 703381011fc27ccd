//! `keyfold key`.

use std::collections::BTreeMap;
use std::time::Duration;

use keyfold::{CreateKey, KeyFilter, KeyInfo, Result, RotateKey, VersionInfo, VersionState, VersionUsage};
use serde_json::json;

use crate::args::{
    CreateArgs, DestroyArgs, Global, KeyArgs, ListArgs, RotateArgs, StateArgs, VersionArgs, name_and_value,
};
use crate::files;
use crate::opening;
use crate::output::{Console, duration_shown, noted, optional, pairs, table, yes_or_no};

/// Makes keys: all of them, or none.
pub fn create(console: &Console, global: &Global, args: &CreateArgs) -> Result<()> {
    let json = json!({
        "kind": args.kind.kind,
        "algorithm": args.kind.algorithm,
        "purpose": args.traits.purpose,
        "description": args.traits.description,
        "labels": labels(&args.traits.labels)?,
        "exportable": args.traits.exportable,
        "exist_ok": args.exist_ok,
        "expires_in": args.traits.expires_in,
        "on_limit": args.traits.on_limit,
    });
    let options = CreateKey::from_json(&json.to_string())?;
    let keys: Vec<(&str, CreateKey)> = args.key_ids.iter().map(|id| (id.as_str(), options.clone())).collect();
    let infos = opening::open(console, global)?.create_keys(&keys)?;
    infos.iter().for_each(|info| remark_key(console, info));
    console.result(
        || match infos.as_slice() {
            [only] => json!(only),
            all => json!(all),
        },
        String::new,
    )
}

/// That a key is there now.
pub fn remark_key(console: &Console, info: &KeyInfo) {
    let version = optional(info.current_version);
    console.remark(&format!(
        "key {} is there, with version {version} current ({})",
        info.key_id, info.algorithm
    ));
}

/// Lists keys.
pub fn list(console: &Console, global: &Global, args: &ListArgs) -> Result<()> {
    let mut filter = KeyFilter::new();
    filter.kind = args.kind.clone();
    filter.purpose = args.purpose.clone();
    filter.algorithm = args.algorithm.clone();
    filter.state = args.state.clone();
    filter.labels = labels(&args.labels)?;
    filter.search = args.search.clone();
    filter.after = args.after.clone();
    filter.limit = args.limit;
    let keys = opening::open(console, global)?.list_keys(&filter)?;
    if keys.is_empty() {
        console.remark("no keys");
    }
    console.result(|| json!(keys), || noted(key_table(&keys), keys.iter().all(|key| key.verified)))
}

/// Shows a key and its versions.
pub fn show(console: &Console, global: &Global, args: &KeyArgs) -> Result<()> {
    let store = opening::open(console, global)?;
    let info = store.key_info(&args.key_id)?;
    let versions = store.list_key_versions(&args.key_id)?;
    let usage = store.key_usage(&args.key_id)?;
    console.result(
        || {
            let mut shown = json!(info);
            shown["versions"] = json!(versions);
            shown["usage"] = json!(usage);
            shown
        },
        || noted(format!("{}\n{}", description(&info), version_table(&versions, &usage)), info.verified),
    )
}

/// Shows how many messages each version has sealed.
pub fn usage(console: &Console, global: &Global, args: &KeyArgs) -> Result<()> {
    let usage = opening::open(console, global)?.key_usage(&args.key_id)?;
    console.result(|| json!(usage), || noted(usage_table(&usage), usage.iter().all(|usage| usage.verified)))
}

/// Makes the next version of a key.
pub fn rotate(console: &Console, global: &Global, args: &RotateArgs) -> Result<()> {
    let mut options = RotateKey::new().stage(args.stage);
    options.algorithm = args.algorithm.clone();
    let version = opening::open(console, global)?.rotate_key_with(&args.key.key_id, &options)?;
    report(console, &version)
}

/// Has a version encrypt from now on.
pub fn promote(console: &Console, global: &Global, args: &VersionArgs) -> Result<()> {
    report(console, &opening::open(console, global)?.promote_version(&args.key.key_id, args.version)?)
}

/// Sets what a version may do.
pub fn state(console: &Console, global: &Global, args: &StateArgs) -> Result<()> {
    let states = VersionState::ALL.map(VersionState::name).join(", ");
    let state = VersionState::from_name(&args.state)
        .ok_or_else(|| files::invalid(format!("state {:?} is none of: {states}", args.state)))?;
    let version = &args.version;
    let store = opening::open(console, global)?;
    let before = store.key_info(&version.key.key_id)?.current_version;
    let set = store.set_version_state(&version.key.key_id, version.version, state, args.reason.as_deref())?;
    report(console, &set)?;
    if before == Some(version.version) && state == VersionState::Revoked {
        let current = optional(store.key_info(&set.key_id)?.current_version);
        console.remark(&format!("key {}: version {current} is current in its place", set.key_id));
    }
    Ok(())
}

/// Ends a key's use.
pub fn archive(console: &Console, global: &Global, args: &KeyArgs) -> Result<()> {
    let info = opening::open(console, global)?.archive_key(&args.key_id)?;
    console.remark(&format!("key {} is archived: it encrypts no more", info.key_id));
    console.result(|| json!(info), String::new)
}

/// Has a version destroyed after a delay.
pub fn destroy(console: &Console, global: &Global, args: &DestroyArgs) -> Result<()> {
    let VersionArgs { key, version } = &args.version;
    let delay = args.delay.as_deref().map(duration).transpose()?;
    report(console, &opening::open(console, global)?.schedule_destruction(&key.key_id, *version, delay)?)
}

/// Takes a destruction back.
pub fn cancel_destruction(console: &Console, global: &Global, args: &VersionArgs) -> Result<()> {
    report(console, &opening::open(console, global)?.cancel_destruction(&args.key.key_id, args.version)?)
}

/// A length of time, as the core reads it.
fn duration(text: &str) -> Result<Duration> {
    let options = CreateKey::from_json(&json!({ "expires_in": text }).to_string())?;
    options.expires_in.ok_or_else(|| files::invalid("no length of time"))
}

/// What became of a version.
fn report(console: &Console, version: &VersionInfo) -> Result<()> {
    let is_at_work = version.is_current && version.state == VersionState::Enabled;
    let state = if is_at_work { "current" } else { version.state.name() };
    let when = version.destroy_at.map(|at| format!(", to be destroyed at {at}")).unwrap_or_default();
    console.remark(&format!("key {}: version {} is {state}{when}", version.key_id, version.version));
    console.result(|| json!(version), String::new)
}

pub fn labels(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for text in texts {
        let (name, value) = name_and_value("--label", text)?;
        if labels.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(files::invalid(format!("the label {name:?} is given twice")));
        }
    }
    Ok(labels)
}

fn key_table(keys: &[KeyInfo]) -> String {
    let row = |key: &KeyInfo| {
        [
            key.key_id.clone(),
            key.algorithm.to_string(),
            optional(key.purpose.as_ref()),
            optional(key.current_version),
            key.created_at.to_string(),
            labels_shown(key),
        ]
    };
    table(
        ["KEY", "ALGORITHM", "PURPOSE", "VERSION", "CREATED", "LABELS"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

fn description(key: &KeyInfo) -> String {
    pairs(&[
        ("key", key.key_id.clone()),
        ("kind", key.kind.to_string()),
        ("algorithm", key.algorithm.to_string()),
        ("purpose", optional(key.purpose.as_ref())),
        ("description", optional(key.description.as_ref())),
        ("labels", labels_shown(key)),
        ("current", optional(key.current_version)),
        ("exportable", yes_or_no(key.exportable)),
        ("archived", yes_or_no(key.archived)),
        ("created", key.created_at.to_string()),
        ("expires", optional(key.expires_at)),
        ("each after", optional(key.expires_in.map(duration_shown))),
        ("rotation due", optional(key.rotation_due_at)),
        ("on limit", key.on_limit.clone()),
    ])
}

fn usage_table(usage: &[VersionUsage]) -> String {
    let row = |usage: &VersionUsage| {
        [usage.version.to_string(), usage.messages.to_string(), usage.limit.to_string()]
    };
    table(["VERSION", "MESSAGES", "LIMIT"], &usage.iter().map(row).collect::<Vec<_>>())
}

fn version_table(versions: &[VersionInfo], usage: &[VersionUsage]) -> String {
    let messages = |number| usage.iter().find(|usage| usage.version == number).map(|usage| usage.messages);
    let row = |version: &VersionInfo| {
        [
            version.version.to_string(),
            format!("{:08x}", version.tag),
            if version.is_current {
                format!("{}, current", version.state)
            } else {
                version.state.to_string()
            },
            version.algorithm.to_string(),
            optional(messages(version.version)),
            version.created_at.to_string(),
            optional(version.expires_at),
            optional(version.destroy_at),
            optional(version.state_reason.as_ref()),
        ]
    };
    table(
        ["VERSION", "TAG", "STATE", "ALGORITHM", "MESSAGES", "CREATED", "EXPIRES", "DESTROYED", "REASON"],
        &versions.iter().map(row).collect::<Vec<_>>(),
    )
}

fn labels_shown(key: &KeyInfo) -> String {
    let labels: Vec<String> = key.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if labels.is_empty() { "-".to_owned() } else { labels.join(" ") }
}
