//! Setting aside what does not verify: the rest goes on, and the bytes stay.

mod common;

use common::{Home, hostile, kind, milliseconds};
use keyfold::{
    CreateKey, ErrorKind, ImportKey, KeyEncoding, KeyFilter, MasterKey, Mode, OpenOptions, RestoreOptions,
    Store, limits, restore,
};

const DAMAGE: &str = "UPDATE key SET exportable = 1 WHERE key_id = 'bad'";

fn home() -> Home {
    let home = Home::new();
    let store = home.open_with_key("good");
    store.create_key("bad", &CreateKey::new()).unwrap();
    home
}

#[test]
fn a_damaged_key_is_set_aside_and_the_rest_goes_on() {
    let home = home();
    let store = home.open_with(&OpenOptions::new().refresh_interval(milliseconds(10))).unwrap();
    let bad = store.key("bad").unwrap();
    let sealed = bad.encrypt(b"ada", b"").unwrap();
    hostile(&home.path()).execute(DAMAGE, []).unwrap();
    let report = store.check().unwrap();
    assert!(!report.ok);
    assert_eq!(report.findings[0].subject, "key bad");
    let error = home.open().key("bad").unwrap_err();
    assert_eq!((error.kind(), error.key_id()), (ErrorKind::IntegrityError, Some("bad")));
    let before = rows(&home);
    store.quarantine("key", "bad", "a disk that failed").unwrap();
    assert_eq!(rows(&home), before, "its rows are kept");
    assert_eq!(kind(store.quarantine("key", "bad", "again")), ErrorKind::AlreadyExists);

    let report = store.check().unwrap();
    assert!(report.ok && report.quarantined == 1, "{report:?}");
    assert!(
        report.warnings.iter().any(|warning| {
            warning.subject == "key bad" && warning.problem.contains("a disk that failed")
        })
    );
    let listed = store.list_keys(&KeyFilter::new()).unwrap();
    assert_eq!(listed.iter().map(|info| info.key_id.as_str()).collect::<Vec<_>>(), ["good"]);
    let shown =
        Store::open_with(home.path(), &MasterKey::default(), &OpenOptions::new().mode(Mode::Metadata))
            .unwrap()
            .list_keys(&KeyFilter::new())
            .unwrap();
    assert_eq!(shown.iter().map(|info| info.key_id.as_str()).collect::<Vec<_>>(), ["good"]);
    let aside = store.quarantined().unwrap();
    assert_eq!((aside[0].kind.as_str(), aside[0].id.as_str()), ("key", "bad"));

    std::thread::sleep(milliseconds(30));
    let other = home.open();
    for store in [&store, &other] {
        for outcome in [
            // A handle that was there before is still handed out; it does nothing any more.
            store.key("bad").and_then(|key| key.encrypt(b"ada", b"")).map(|_| ()),
            store.key_info("bad").map(|_| ()),
            store.rotate_key("bad").map(|_| ()),
            store.create_key("bad", &CreateKey::new()).map(|_| ()),
            store.create_key("bad", &CreateKey::new().exist_ok(true)).map(|_| ()),
            store
                .import_key("bad", &[7; 16], KeyEncoding::Raw, &ImportKey::new().as_version(true))
                .map(|_| ()),
            store.decrypt("bad", &sealed, b"").map(|_| ()),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.key_id()), (ErrorKind::KeyUnavailable, Some("bad")));
            assert!(error.message().contains("quarantined"), "{error}");
        }
        store.rotate_key("good").unwrap();
    }
    assert_eq!(kind(bad.decrypt(&sealed, b"")), ErrorKind::KeyUnavailable);
    assert_eq!(kind(bad.encrypt(b"ada", b"")), ErrorKind::KeyUnavailable);
    assert!(other.check().unwrap().ok);
}

#[test]
fn what_was_set_aside_stays_so() {
    let home = home();
    let store = home.open();
    hostile(&home.path()).execute(DAMAGE, []).unwrap();
    store.quarantine("key", "bad", "damaged").unwrap();
    // The old bytes put back do not bring it back, nor does the loss of every row free the name.
    let file = hostile(&home.path());
    file.execute("UPDATE key SET exportable = 0 WHERE key_id = 'bad'", []).unwrap();
    assert_eq!(kind(home.open().key("bad")), ErrorKind::KeyUnavailable);
    file.execute_batch(
        "DELETE FROM key_version WHERE key_id = 'bad'; DELETE FROM index_root WHERE scope = 'key/bad';
         DELETE FROM key WHERE key_id = 'bad'",
    )
    .unwrap();
    let again = home.open();
    assert_eq!(kind(again.create_key("bad", &CreateKey::new())), ErrorKind::KeyUnavailable);
    assert!(again.check().unwrap().ok);
    // Who takes the mark away is found out.
    file.execute("DELETE FROM quarantine", []).unwrap();
    let report = home.open().check().unwrap();
    assert!(!report.ok, "{report:?}");
    assert_eq!(kind(home.open().key("bad")), ErrorKind::KeyUnavailable);
    file.execute("DELETE FROM entity WHERE kind = 'quarantine'", []).unwrap();
    assert_eq!(kind(home.open().create_key("bad", &CreateKey::new())), ErrorKind::IntegrityError);
}

/// Whatever the damage: where the check finds the rest in order, a new KEK, a backup and a restore find it too.
#[test]
fn what_was_set_aside_need_not_be_readable() {
    for damage in [
        "UPDATE key SET labels = CAST(x'ff' AS TEXT) WHERE key_id = 'bad'",
        "UPDATE key_version SET algorithm = CAST(x'ff' AS TEXT) WHERE key_id = 'bad'",
        "UPDATE key_version SET kek_version = 1 << 40 WHERE key_id = 'bad'",
        "UPDATE index_root SET kek_version = 1 << 40 WHERE scope = 'key/bad'",
        "UPDATE key SET labels = CAST(x'ff' AS TEXT) WHERE key_id = 'bad';
         UPDATE key_version SET kek_version = 1 << 40 WHERE key_id = 'bad'",
    ] {
        let home = home();
        let store = home.open();
        let sealed = store.encrypt("good", b"ada", b"").unwrap();
        store.encrypt("bad", b"ada", b"").unwrap();
        // Pages of keys begin behind it too.
        store.create_key("aaa", &CreateKey::new()).unwrap();
        hostile(&home.path()).execute_batch(damage).unwrap();
        assert!(!store.check().unwrap().ok, "{damage}");
        store.quarantine("key", "bad", "damaged").unwrap();
        let checked = store.check().unwrap();
        assert!(checked.ok, "{damage}: {:?}", checked.findings);
        let rotated = store.rotate_master_key(None).unwrap_or_else(|error| panic!("{damage}: {error}"));
        assert_eq!(rotated.kek_version, 2);
        store.run_due().unwrap();
        let backup = home.path().with_extension("backup");
        store.backup(&backup).unwrap_or_else(|error| panic!("{damage}: {error}"));
        restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new())
            .unwrap_or_else(|error| panic!("{damage}: {error}"));
        for store in [&store, &home.open()] {
            let checked = store.check().unwrap();
            assert!(checked.ok && checked.quarantined == 1, "{damage}: {:?}", checked.findings);
            assert_eq!(store.decrypt("good", &sealed, b"").unwrap(), b"ada"[..]);
            assert_eq!(kind(store.key_info("bad")), ErrorKind::KeyUnavailable);
        }
    }
}

#[test]
fn only_what_does_not_verify_is_set_aside() {
    let home = home();
    let store = home.open();
    store.create_key("card", &CreateKey::new().purpose("financial")).unwrap();
    assert_eq!(kind(store.quarantine("key", "good", "why not")), ErrorKind::InvalidArgument);
    assert_eq!(kind(store.quarantine("purpose", "financial", "why not")), ErrorKind::InvalidArgument);
    assert_eq!(kind(store.quarantine("key", "none", "why not")), ErrorKind::NotFound);
    for other in ["recipient", "system_key", "usage", "quarantine", "Key", ""] {
        assert_eq!(kind(store.quarantine(other, "master-key-1", "why not")), ErrorKind::InvalidArgument);
    }
    hostile(&home.path()).execute(DAMAGE, []).unwrap();
    for reason in ["", "two\nlines"] {
        assert_eq!(kind(store.quarantine("key", "bad", reason)), ErrorKind::InvalidArgument);
    }
    let long = "x".repeat(limits::QUARANTINE_REASON_BYTES + 1);
    assert_eq!(kind(store.quarantine("key", "bad", &long)), ErrorKind::LimitExceeded);
    let user = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    assert_eq!(kind(user.quarantine("key", "bad", "x")), ErrorKind::PermissionDenied);
    store.quarantine("key", "bad", &long[1..]).unwrap();
}

#[test]
fn a_planted_key_is_set_aside() {
    let home = home();
    hostile(&home.path())
        .execute_batch(
            "INSERT INTO key SELECT 'planted', kind, algorithm, purpose, description, labels, exportable, \
                        archived, on_limit, expires_in, created_at FROM key WHERE key_id = 'good'",
        )
        .unwrap();
    let store = home.open();
    assert_eq!(kind(store.list_keys(&KeyFilter::new())), ErrorKind::IntegrityError);
    store.quarantine("key", "planted", "nobody made it").unwrap();
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 2);
    assert!(store.check().unwrap().ok);
}

#[test]
fn a_damaged_purpose_is_set_aside_with_its_keys() {
    let home = home();
    let store = home.open();
    store.create_key("card", &CreateKey::new().purpose("financial")).unwrap();
    hostile(&home.path()).execute("UPDATE purpose SET description = 'x'", []).unwrap();
    let store = home.open();
    assert_eq!(kind(store.key("card")), ErrorKind::IntegrityError);
    store.quarantine("purpose", "financial", "damaged").unwrap();
    assert_eq!(kind(store.key("card")), ErrorKind::KeyUnavailable);
    assert_eq!(
        kind(store.create_key("next", &CreateKey::new().purpose("financial"))),
        ErrorKind::KeyUnavailable
    );
    store.rotate_key("good").unwrap();
    let listed = store.list_keys(&KeyFilter::new()).unwrap();
    assert_eq!(listed.iter().map(|info| info.key_id.as_str()).collect::<Vec<_>>(), ["bad", "good"]);
    let report = store.check().unwrap();
    assert!(report.ok && report.quarantined == 1, "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.subject == "key card"));
}

#[test]
fn damage_above_a_key_wants_a_backup() {
    let home = home();
    let store = home.open();
    hostile(&home.path()).execute("UPDATE entity SET mac = zeroblob(32) WHERE id = 'bad'", []).unwrap();
    assert_eq!(kind(store.quarantine("key", "bad", "damaged")), ErrorKind::IntegrityError);
}

fn rows(home: &Home) -> Vec<(String, Vec<u8>)> {
    let file = hostile(&home.path());
    let mut statement = file
        .prepare("SELECT state || tag, wrapped FROM key_version WHERE key_id = 'bad' UNION ALL SELECT scope, wrapped FROM index_root WHERE scope = 'key/bad'")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}
