//! `keyfold backup`, `keyfold restore` and `keyfold quarantine`.

use keyfold::{Quarantined, RestoreOptions, Result};
use serde_json::json;

use crate::CHECK_FAILED;
use crate::args::{AddQuarantineArgs, BackupArgs, Global, RestoreArgs};
use crate::check::finding_table;
use crate::files;
use crate::opening;
use crate::output::{Console, table};
use crate::progress::Progress;

/// Copies the store while it is in use. Exit status 1 where the copy has what the store had: damage.
pub fn backup(console: &Console, global: &Global, args: &BackupArgs) -> Result<u8> {
    files::refuse_store_file(&args.file)?;
    let store = opening::open(console, global)?;
    let mut progress = Progress::new(console);
    let info = store.backup_with(&args.file, &mut |now| {
        progress.show(&format!("{} of {} pages", now.pages_done, now.pages));
    });
    progress.clear();
    let info = info?;
    let shown = args.file.display().to_string();
    console.remark(&format!("wrote the backup {shown}; its anchor, to be kept apart from it, is"));
    console.result(
        || {
            let mut about = json!(info);
            about["out"] = shown.into();
            about
        },
        || format!("{}\n", info.anchor),
    )?;
    if info.check.ok {
        return Ok(0);
    }
    console.warning("the store has damage, and so has the backup");
    console.remark(finding_table(&info.check).trim_end());
    Ok(CHECK_FAILED)
}

/// Restores a backup at the store's path.
pub fn restore(console: &Console, global: &Global, args: &RestoreArgs) -> Result<()> {
    // What the core's restore knows nothing of is refused rather than not heeded.
    if global.insecure_dev
        || global.immutable
        || global.production
        || global.require_mlock
        || global.mode.is_some()
    {
        return Err(files::invalid(
            "restore goes without --mode, --immutable, --production, --require-mlock and --insecure-dev",
        ));
    }
    let mut json = json!({
        "replace_other_store": args.replace_other_store,
        "force": args.force,
        "anchor": global.anchor.as_deref().map(opening::text_or_file).transpose()?,
        "fingerprint": global.fingerprint.as_deref().map(opening::text_or_file).transpose()?,
        "actor": global.actor,
        "allow_network_fs": global.allow_network_fs,
    });
    if let Some(timeout) = &global.busy_timeout {
        json["busy_timeout"] = timeout.as_str().into();
    }
    let options = RestoreOptions::from_json(&json.to_string())?;
    let path = opening::path(global)?;
    let info = keyfold::restore(&args.file, &path, &opening::master_key(console, global, None)?, &options)?;
    let done = if info.replaced { "wrote the backup over" } else { "restored" };
    console
        .remark(&format!("{done} {}; anchors taken before open it no more, this one does", path.display()));
    if !info.rotated.is_empty() {
        console.remark(&format!("these keys got a new version: {}", info.rotated.join(", ")));
    }
    console.result(|| json!(info), || format!("{}\n", info.anchor))
}

/// Sets a key or purpose aside.
pub fn quarantine(console: &Console, global: &Global, args: &AddQuarantineArgs) -> Result<()> {
    let store = opening::open(console, global)?;
    store.quarantine(&args.kind, &args.id, &args.reason)?;
    console.remark(&format!("{} {} is set aside", args.kind, args.id));
    let aside = store.quarantined()?;
    let this = aside.iter().find(|aside| aside.kind == args.kind && aside.id == args.id);
    console.result(|| json!(this), String::new)
}

/// Lists what was set aside.
pub fn quarantined(console: &Console, global: &Global) -> Result<()> {
    let aside = opening::open(console, global)?.quarantined()?;
    let row = |aside: &Quarantined| {
        [aside.kind.clone(), aside.id.clone(), aside.created_at.to_string(), aside.reason.clone()]
    };
    console.result(
        || json!(aside),
        || table(["KIND", "NAME", "SET ASIDE", "REASON"], &aside.iter().map(row).collect::<Vec<_>>()),
    )
}
