//! `keyfold key`.

use std::collections::BTreeMap;

use keyfold::{CreateKey, KeyFilter, KeyInfo, Result, VersionInfo};
use serde_json::json;

use crate::args::{CreateArgs, Global, KeyArgs, ListArgs, name_and_value};
use crate::files;
use crate::opening;
use crate::output::{Console, optional, pairs, table, yes_or_no};

/// Makes a key.
pub fn create(console: &Console, global: &Global, args: &CreateArgs) -> Result<()> {
    let mut options = CreateKey::new().exportable(args.exportable).exist_ok(args.exist_ok);
    options.kind = args.kind.clone();
    options.algorithm = args.algorithm.clone();
    options.purpose = args.purpose.clone();
    options.description = args.description.clone();
    options.labels = labels(&args.labels)?;
    let info = opening::open(console, global, false)?.create_key(&args.key.key_id, &options)?;
    let version = optional(info.current_version);
    console.remark(&format!(
        "key {} is there, with version {version} current ({})",
        info.key_id, info.algorithm
    ));
    console.result(|| json!(info), String::new)
}

/// Lists keys.
pub fn list(console: &Console, global: &Global, args: &ListArgs) -> Result<()> {
    let mut filter = KeyFilter::new();
    filter.kind = args.kind.clone();
    filter.purpose = args.purpose.clone();
    filter.algorithm = args.algorithm.clone();
    filter.labels = labels(&args.labels)?;
    filter.search = args.search.clone();
    filter.after = args.after.clone();
    filter.limit = args.limit;
    let keys = opening::open(console, global, false)?.list_keys(&filter)?;
    if keys.is_empty() {
        console.remark("no keys");
    }
    console.result(|| json!(keys), || key_table(&keys))
}

/// Shows a key and its versions.
pub fn show(console: &Console, global: &Global, args: &KeyArgs) -> Result<()> {
    let store = opening::open(console, global, false)?;
    let info = store.key_info(&args.key_id)?;
    let versions = store.list_key_versions(&args.key_id)?;
    console.result(
        || {
            let mut shown = json!(info);
            shown["versions"] = json!(versions);
            shown
        },
        || format!("{}\n{}", description(&info), version_table(&versions)),
    )
}

/// Makes the next version of a key.
pub fn rotate(console: &Console, global: &Global, args: &KeyArgs) -> Result<()> {
    let version = opening::open(console, global, false)?.rotate_key(&args.key_id)?;
    console.remark(&format!("key {}: version {} is current", version.key_id, version.version));
    console.result(|| json!(version), String::new)
}

fn labels(texts: &[String]) -> Result<BTreeMap<String, String>> {
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
    ])
}

fn version_table(versions: &[VersionInfo]) -> String {
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
            version.created_at.to_string(),
            optional(version.expires_at),
            optional(version.state_reason.as_ref()),
        ]
    };
    table(
        ["VERSION", "TAG", "STATE", "ALGORITHM", "CREATED", "EXPIRES", "REASON"],
        &versions.iter().map(row).collect::<Vec<_>>(),
    )
}

fn labels_shown(key: &KeyInfo) -> String {
    let labels: Vec<String> = key.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if labels.is_empty() { "-".to_owned() } else { labels.join(" ") }
}
