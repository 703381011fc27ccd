//! Denials leave records, few of them, and are what the caller sees whatever becomes of the record.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Home, hostile, kind, milliseconds};
use keyfold::{
    AddRecipient, CreateKey, ErrorKind, IndexScope, KeyFilter, KeysetFormat, KeysetProtection, MasterKey,
    Mode, OpenOptions, Store, VersionState, limits,
};
use serde_json::Value;

/// What is denied: as the record names it, of which key, and the call.
type Denied<'a> = (&'a str, Option<&'a str>, Box<dyn Fn(&Store) -> keyfold::Result<()> + 'a>);

fn using() -> OpenOptions {
    OpenOptions::new().mode(Mode::Use).actor("cashier").refresh_interval(milliseconds(10))
}

/// The records of denials, oldest first.
fn denied(home: &Home) -> Vec<Value> {
    let connection = hostile(&home.path());
    let mut statement = connection.prepare("SELECT record FROM audit ORDER BY sequence").unwrap();
    let records = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let records = records.map(|record| serde_json::from_str(&record.unwrap()).unwrap());
    records.filter(|record: &Value| record["outcome"] == "denied").collect()
}

fn counted(home: &Home) -> u64 {
    denied(home).iter().map(|record| record["count"].as_u64().unwrap()).sum()
}

#[test]
fn every_act_that_mode_use_denies_is_recorded() {
    let home = Home::new();
    let admin = home.open_with_key("pii");
    let anchor = admin.anchor().unwrap().to_string();
    let key = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    let acts: Vec<Denied> = vec![
        ("create_key", Some("new"), Box::new(|s| s.create_key("new", &CreateKey::new()).map(drop))),
        ("create_keys", None, Box::new(|s| s.create_keys(&[("new", CreateKey::new())]).map(drop))),
        ("rotate_key", Some("pii"), Box::new(|s| s.rotate_key("pii").map(drop))),
        ("promote_version", Some("pii"), Box::new(|s| s.promote_version("pii", 1).map(drop))),
        (
            "set_version_state",
            Some("pii"),
            Box::new(|s| s.set_version_state("pii", 1, VersionState::Disabled, None).map(drop)),
        ),
        ("archive_key", Some("pii"), Box::new(|s| s.archive_key("pii").map(drop))),
        ("schedule_destruction", Some("pii"), Box::new(|s| s.schedule_destruction("pii", 1, None).map(drop))),
        ("cancel_destruction", Some("pii"), Box::new(|s| s.cancel_destruction("pii", 1).map(drop))),
        ("run_due", None, Box::new(|s| s.run_due().map(drop))),
        ("purge", None, Box::new(|s| s.purge().map(drop))),
        ("register_purpose", None, Box::new(|s| s.register_purpose("x", &Default::default()).map(drop))),
        ("export_key", Some("pii"), Box::new(|s| s.get_data_key("pii", None).map(drop))),
        (
            "export_keyset",
            Some("pii"),
            Box::new(|s| {
                let clear = KeysetProtection::InsecureCleartext;
                s.export_keyset("pii", KeysetFormat::Json, clear).map(drop)
            }),
        ),
        (
            "import_keyset",
            Some("new"),
            Box::new(|s| {
                let clear = KeysetProtection::InsecureCleartext;
                s.import_keyset("new", b"{}", clear, &Default::default()).map(drop)
            }),
        ),
        (
            "import_key",
            Some("new"),
            Box::new(|s| {
                s.import_key("new", &[1; 32], keyfold::KeyEncoding::Raw, &Default::default()).map(drop)
            }),
        ),
    ];
    let more: Vec<Denied> = vec![
        ("derive_key", Some("pii"), Box::new(|s| s.derive_key("pii", "x", 32, None).map(drop))),
        (
            "rotate_index_salt",
            Some("pii"),
            Box::new(|s| s.rotate_index_salt(IndexScope::Key("pii")).map(drop)),
        ),
        (
            "retire_index_salt",
            Some("pii"),
            Box::new(|s| s.retire_index_salt(IndexScope::Key("pii"), 1).map(drop)),
        ),
        (
            "get_index_salt",
            Some("pii"),
            Box::new(|s| s.get_index_salt(IndexScope::Key("pii"), None).map(drop)),
        ),
        ("quarantine", None, Box::new(|s| s.quarantine("key", "pii", "x"))),
        ("add_recipient", None, Box::new(|s| s.add_recipient(&key, &AddRecipient::new()).map(drop))),
        ("remove_recipient", None, Box::new(|s| s.remove_recipient("master-key-1").map(drop))),
        ("drill_recipient", None, Box::new(|s| s.drill(&key).map(drop))),
        ("rotate_master_key", None, Box::new(|s| s.rotate_master_key(None).map(drop))),
    ];
    for (round, (action, key_id, act)) in acts.iter().chain(&more).enumerate() {
        // Each in a store of its own: it is the first, and so written at once.
        let store = home.open_with(&using()).unwrap();
        let error = act(&store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{action}");
        let records = denied(&home);
        assert_eq!(records.len(), round + 1, "{action}");
        let record = &records[round];
        assert_eq!(record["action"], *action);
        assert_eq!(record["key"].as_str(), *key_id, "{action}");
        assert_eq!(
            (&record["mode"], &record["actor"], &record["count"], &record["detail"]),
            (&"use".into(), &"cashier".into(), &1.into(), &"mode".into())
        );
        assert!(record["at"] == record["since"] && record["at"].is_string());
    }
    // They are part of the chain.
    let store = home.open_with(&using().anchor(anchor)).unwrap();
    assert!(store.check().unwrap().ok);
    hostile(&home.path())
        .execute("UPDATE audit SET record = replace(record, 'cashier', 'manager')", [])
        .unwrap();
    assert!(!store.check().unwrap().ok);
}

#[test]
fn a_loop_of_denials_is_counted_and_rarely_written() {
    const TIMES: u64 = 20_000;
    let home = Home::new();
    home.open_with_key("pii");
    let store = home.open_with(&using()).unwrap();
    let writes = |home: &Home| {
        hostile(&home.path())
            .query_row("SELECT generation FROM store", [], |row| row.get::<_, u64>(0))
            .unwrap()
    };
    let before = writes(&home);
    let started = Instant::now();
    for number in 0..TIMES {
        // Ever other keys: kinds are not without number either.
        assert_eq!(kind(store.rotate_key(&format!("key-{number}"))), ErrorKind::PermissionDenied);
    }
    let seconds = started.elapsed().as_secs();
    let written = writes(&home) - before;
    assert!(written <= 1 + seconds, "{written} transactions in {seconds} s");
    store.close();
    assert_eq!(counted(&home), TIMES);
    let records = denied(&home);
    assert!(records.len() as u64 <= (2 + seconds) * (limits::DENIAL_KINDS as u64 + 1), "{}", records.len());
    assert_eq!(records.last().unwrap()["action"], "others");
    assert!(home.open().check().unwrap().ok);
}

#[test]
fn what_was_counted_goes_out_with_the_next_look() {
    let home = Home::new();
    home.open_with_key("pii");
    let store = home.open_with(&using()).unwrap();
    for _ in 0..3 {
        let _ = store.rotate_key("pii").unwrap_err();
    }
    assert_eq!(counted(&home), 1);
    let pii = store.key("pii").unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while counted(&home) < 3 && Instant::now() < deadline {
        pii.encrypt(b"ada", b"").unwrap();
        thread::sleep(milliseconds(50));
    }
    let counts: Vec<_> = denied(&home).iter().map(|record| record["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 2]);
}

#[test]
fn refusals_of_raw_keys_and_of_what_was_set_aside_are_recorded() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    assert_eq!(kind(store.get_data_key("pii", None)), ErrorKind::PermissionDenied);
    store.create_key("bad", &CreateKey::new()).unwrap();
    hostile(&home.path()).execute("UPDATE key SET exportable = 1 WHERE key_id = 'bad'", []).unwrap();
    store.quarantine("key", "bad", "damaged").unwrap();
    assert_eq!(kind(home.open().encrypt("bad", b"x", b"")), ErrorKind::KeyUnavailable);
    assert_eq!(kind(home.open().rotate_key("bad")), ErrorKind::KeyUnavailable);
    assert_eq!(kind(home.open().key_info("bad")), ErrorKind::KeyUnavailable);
    let told: Vec<_> = denied(&home)
        .iter()
        .map(|record| {
            ["action", "key", "detail", "mode"].map(|name| record[name].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        told,
        [
            ["export_key", "pii", "not exportable", "admin"],
            ["use_key", "bad", "quarantined", "admin"],
            ["rotate_key", "bad", "quarantined", "admin"],
            ["read", "bad", "quarantined", "admin"],
        ]
    );
    // What merely does not work, or is worked around, is no denial.
    let store = home.open();
    assert_eq!(kind(store.key("none")), ErrorKind::NotFound);
    assert_eq!(kind(store.decrypt("pii", b"x", b"")), ErrorKind::DecryptionFailed);
    store.list_keys(&KeyFilter::new()).unwrap();
    store.run_due().unwrap();
    store.close();
    assert_eq!(denied(&home).len(), 4);
}

#[test]
fn a_denial_is_a_denial_whatever_becomes_of_its_record() {
    let home = Home::new();
    home.open_with_key("pii");
    let store = home.open_with(&using()).unwrap();
    let busy = hostile(&home.path());
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
    }
    // The busy timeout is 5 s.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    busy.execute_batch("ROLLBACK").unwrap();
    store.close();
    assert_eq!(counted(&home), 100);
    // No file at all.
    let store = home.open_with(&using()).unwrap();
    std::fs::rename(home.path(), home.folder.path().join("elsewhere")).unwrap();
    assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
    store.close();
    assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
}

#[test]
fn threads_count_every_denial() {
    let home = Home::new();
    home.open_with_key("pii");
    let store = home.open_with(&using()).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
                }
            });
        }
        scope.spawn(|| home.open().rotate_master_key(None).unwrap());
    });
    store.close();
    assert_eq!(counted(&home), 4_000);
    assert!(home.open().check().unwrap().ok);
}

#[test]
fn without_a_key_or_a_writable_file_nothing_is_recorded() {
    let home = Home::new();
    home.open_with_key("pii").close();
    for options in [OpenOptions::new().mode(Mode::Metadata), using().immutable(true)] {
        let before = std::fs::read(home.path()).unwrap();
        let store = home.open_with(&options).unwrap();
        assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
        store.close();
        assert!(std::fs::read(home.path()).unwrap() == before);
    }
}
