//! `keyfold doctor`: what deserves attention although the store works.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use keyfold::{KeyFilter, KeyInfo, Result, Store, Timestamp};
use serde_json::json;

use crate::CHECK_FAILED;
use crate::args::Global;
use crate::opening;
use crate::output::{Console, table};

/// A log larger than this is one that a reader kept from being emptied.
const LOG_BYTES: u64 = 64 << 20;
/// A version that has sealed nine tenths of what it may deserves a successor.
const NEAR: u64 = 10;

/// Subject, problem, advice.
type Finding = [String; 3];

/// Looks at files, memory, log, keys and recipients. Findings are the result; there are none where all is well.
pub fn doctor(console: &Console, global: &Global) -> Result<u8> {
    let path = opening::path(global)?;
    let store = opening::open(console, global)?;
    let check = store.check()?;
    let mut findings: Vec<Finding> = Vec::new();
    let mut add = |subject: &str, problem: String, advice: &str| {
        findings.push([subject.to_owned(), problem, advice.to_owned()]);
    };
    // Of key memory, opening has said the same.
    let advice = check.warnings.iter().filter(|warning| warning.subject != "memory");
    for finding in check.findings.iter().chain(advice) {
        add(&finding.subject, finding.problem.clone(), &finding.advice);
    }
    for warning in store.warnings() {
        add("opening", warning.clone(), "do as it says");
    }
    look_at_files(&path, &mut add);
    look_at_keys(&store, &mut add)?;
    if check.recipients == 1 {
        add(
            "recipients",
            "there is one way to open the store; if it is lost, everything is".to_owned(),
            "add a recovery key or shares: keyfold recipient add",
        );
    }
    console.result(
        || {
            let shown: Vec<_> = findings
                .iter()
                .map(|[subject, problem, advice]| json!({ "subject": subject, "problem": problem, "advice": advice }))
                .collect();
            json!({ "ok": shown.is_empty(), "findings": shown, "check": check })
        },
        || table(["SUBJECT", "PROBLEM", "ADVICE"], &findings),
    )?;
    if findings.is_empty() {
        console.remark("nothing deserves attention");
        return Ok(0);
    }
    Ok(CHECK_FAILED)
}

fn look_at_files(store: &Path, add: &mut dyn FnMut(&str, String, &str)) {
    let beside = |suffix: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for path in [store.to_owned(), beside("-wal"), beside("-shm")] {
        let Ok(found) = path.metadata() else { continue };
        let shown = path.display();
        if found.mode() & 0o077 != 0 {
            let problem = format!("others may read or write {shown}");
            add("file", problem, &format!("chmod 600 {shown}"));
        }
    }
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where the sticky bit is set, others cannot take the file's name away.
    let is_open = |found: &Metadata| found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
    if folder.metadata().as_ref().is_ok_and(is_open) {
        let shown = folder.display();
        let problem =
            format!("others may write to the folder {shown}, and put another file in the store's place");
        add("folder", problem, &format!("chmod go-w {shown}"));
    }
    if let Ok(log) = beside("-wal").metadata()
        && log.len() > LOG_BYTES
    {
        let problem = format!("it has {} MiB", log.len() >> 20);
        add("log", problem, "see whether a process keeps a reader open for ever");
    }
}

fn look_at_keys(store: &Store, add: &mut dyn FnMut(&str, String, &str)) -> Result<()> {
    let now = Timestamp::now();
    let is_past = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    for key in store.iter_keys(&KeyFilter::new())? {
        // What does not verify, the check has said already.
        let Ok(key) = key else { break };
        if key.archived {
            continue;
        }
        let subject = format!("key {}", key.key_id);
        let rotate = format!("keyfold key rotate {}", key.key_id);
        // That it has expired, the check has said.
        if is_past(key.rotation_due_at) && !is_past(key.expires_at) {
            add(&subject, "its purpose's rotation period is over".to_owned(), &rotate);
        }
        if is_near_limit(store, &key)? {
            add(&subject, "its current version nears its safe number of messages".to_owned(), &rotate);
        }
    }
    Ok(())
}

fn is_near_limit(store: &Store, key: &KeyInfo) -> Result<bool> {
    let usage = store.key_usage(&key.key_id)?;
    let current = usage.iter().find(|usage| Some(usage.version) == key.current_version);
    Ok(current.is_some_and(|usage| usage.messages > usage.limit - usage.limit / NEAR))
}
