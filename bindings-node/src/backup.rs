//! Backups, restoring them, and what was set aside.

use keyfold::{BackupProgress, RestoreOptions, Result, restore as restore_store};

use crate::answer::Answer;
use crate::handles;
use crate::master_key;
use crate::progress::{self, Listener};
use crate::raw::{Js, Value};
use crate::work;

/// backup(store, path, told, later) → BackupInfo; told of pages, done and in all
pub fn backup<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, path, told, later, ..] = arguments else { return js.undefined() };
    let later = js.flag(*later)?;
    let store = handles::store(js.handle(*store))?;
    let path = js.text(*path, "path")?.to_string();
    match Listener::read(js, *told, later)? {
        Listener::Nobody => work::run(js, later, move || store.backup(&path).map(Answer::Backup)),
        Listener::Function(function) => {
            // It cannot stop a backup, and what it threw `lib/progress.js` knows.
            let mut tell = |progress: BackupProgress| {
                let _ = progress::call(js, function, &[progress.pages_done as f64, progress.pages as f64]);
            };
            Answer::Backup(store.backup_with(&path, &mut tell)?).into_js(js)
        }
        Listener::Shared(shared) => work::run(js, later, move || {
            let mut tell = |progress: BackupProgress| {
                let _ = shared.tell(progress.pages_done, progress.pages);
            };
            store.backup_with(&path, &mut tell).map(Answer::Backup)
        }),
    }
}

/// restore(source, path, masterKey, optionsJson, later) → RestoreInfo
pub fn restore<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [source, path, secret, options, later, ..] = arguments else { return js.undefined() };
    let source = js.text(*source, "source")?.to_string();
    let path = js.text(*path, "path")?.to_string();
    let master_key = master_key::read(js, *secret)?;
    let options = RestoreOptions::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || {
        restore_store(&source, &path, &master_key, &options).map(Answer::Restore)
    })
}

/// quarantine(store, kind, id, reason, later)
pub fn quarantine<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, kind, id, reason, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let kind = js.text(*kind, "kind")?;
    let id = js.text(*id, "id")?;
    let reason = js.text(*reason, "reason")?;
    work::run(js, js.flag(*later)?, move || store.quarantine(&kind, &id, &reason).map(|()| Answer::Nothing))
}

/// quarantined(store, later) → [Quarantined]
pub fn quarantined<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || store.quarantined().map(Answer::Quarantined))
}
