//! Acts that were proven each by itself, one upon the other.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Home, hostile, kind, milliseconds};
use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, ImportKeyset, KeysetProtection, MasterKey, OpenOptions,
    RestoreOptions, Store, VersionState, limits, restore,
};

fn quick(home: &Home) -> Store {
    home.open_with(&OpenOptions::new().create(true).refresh_interval(milliseconds(10))).unwrap()
}

fn fresh() -> MasterKey {
    MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap()
}

fn later() {
    std::thread::sleep(milliseconds(30));
}

/// A backup's KEK may be older than the one that open stores know: they follow all the same.
#[test]
fn open_stores_follow_a_restore_from_before_a_rotation() {
    let home = Home::new();
    let (store, other) = (quick(&home), quick(&home));
    store.create_key("pii", &CreateKey::new()).unwrap();
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    assert_eq!(other.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    let backup = home.folder.path().join("backup");
    store.backup(&backup).unwrap();
    store.rotate_master_key(None).unwrap();
    later();
    assert_eq!(other.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);

    let info = restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new()).unwrap();
    later();
    for store in [&store, &other] {
        assert_eq!(store.anchor().unwrap(), info.anchor);
        assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
        assert!(store.check().unwrap().ok);
    }
    other.rotate_master_key(None).unwrap();
    later();
    assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    store.rotate_key("pii").unwrap();
}

/// A key that was set aside, or rows that belong to no key, keep nothing else from being destroyed.
#[test]
fn what_was_set_aside_holds_no_destruction_up() {
    let home = Home::new();
    let store = home.open();
    for id in ["aside", "due"] {
        store.create_key(id, &CreateKey::new()).unwrap();
        store.rotate_key(id).unwrap();
        store.schedule_destruction(id, 1, Some(Duration::ZERO)).unwrap();
    }
    let file = hostile(&home.path());
    file.execute("UPDATE key SET exportable = 1 WHERE key_id = 'aside'", []).unwrap();
    store.quarantine("key", "aside", "damaged").unwrap();
    let report = store.run_due().unwrap();
    assert_eq!(report.destroyed.len(), 1);
    assert_eq!(report.destroyed[0].key_id, "due");
    assert_eq!(report.failures.len(), 1);
    assert!(!report.purge_pending);
}

/// A count that was changed is part of its key's damage.
#[test]
fn a_damaged_count_is_set_aside_with_its_key() {
    let home = Home::new();
    let store = home.open();
    store.create_key("good", &CreateKey::new()).unwrap();
    store.create_key("fast", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    store.encrypt("fast", b"ada", b"").unwrap();
    hostile(&home.path()).execute("UPDATE key_usage SET messages = 1", []).unwrap();
    let report = store.check().unwrap();
    assert!(!report.ok);
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
    store.quarantine("key", "fast", "its count was changed").unwrap();
    let report = store.check().unwrap();
    assert!(report.ok, "{report:?}");
    store.rotate_master_key(None).unwrap();
    let report = store.check().unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(kind(store.encrypt("fast", b"ada", b"")), ErrorKind::KeyUnavailable);
}

/// What came without a prefix opens; made current, it would leave a key that cannot encrypt.
#[test]
fn a_version_without_a_prefix_is_not_promoted() {
    let home = Home::new();
    let store = home.open();
    let keyset = r#"{"primaryKeyId":7,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmSivKey","value":"GiAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw==","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":7,"outputPrefixType":"RAW"}]}"#;
    let options = ImportKeyset::new().rotate(true);
    store.import_keyset("pii", keyset.as_bytes(), KeysetProtection::InsecureCleartext, &options).unwrap();
    let error = store.promote_version("pii", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
    assert!(error.message().contains("prefix"), "{error}");
    store.encrypt("pii", b"ada", b"").unwrap();
}

/// The table of states holds for raw keys too.
#[test]
fn raw_keys_of_disabled_versions_stay() {
    let home = Home::new();
    let store = home.open();
    store.create_key("out", &CreateKey::new().exportable(true)).unwrap();
    store.rotate_key("out").unwrap();
    store.set_version_state("out", 1, VersionState::Disabled, None).unwrap();
    assert_eq!(kind(store.get_data_key("out", Some(1))), ErrorKind::KeyUnavailable);
    store.set_version_state("out", 1, VersionState::DecryptOnly, None).unwrap();
    store.get_data_key("out", Some(1)).unwrap();
}

/// With as many recipients as may be, one's secret can still be replaced.
#[test]
fn a_full_house_may_change_its_secrets() {
    let home = Home::new();
    let store = home.open();
    for _ in 1..limits::RECIPIENTS {
        store.add_recipient(&fresh(), &AddRecipient::new()).unwrap();
    }
    store.create_key("pii", &CreateKey::new()).unwrap();
    let new = fresh();
    store.rotate_master_key(Some(&new)).unwrap();
    assert_eq!(store.recipients().unwrap().len(), limits::RECIPIENTS);
    assert_eq!(
        kind(Store::open_with(home.path(), &home.master_key(), &OpenOptions::new())),
        ErrorKind::WrongMasterKey
    );
    Store::open_with(home.path(), &new, &OpenOptions::new()).unwrap();
}

/// A recipient that a backup brings back, and one that it has not.
#[test]
fn a_restore_and_recipients() {
    let home = Home::new();
    let store = quick(&home);
    store.create_key("pii", &CreateKey::new()).unwrap();
    let (leaving, coming) = (fresh(), fresh());
    let id = store.add_recipient(&leaving, &AddRecipient::new()).unwrap().recipient_id;
    let backup = home.folder.path().join("backup");
    store.backup(&backup).unwrap();
    store.add_recipient(&coming, &AddRecipient::new()).unwrap();
    let by_coming =
        Store::open_with(home.path(), &coming, &OpenOptions::new().refresh_interval(milliseconds(10)))
            .unwrap();
    let sealed = by_coming.encrypt("pii", b"ada", b"").unwrap();
    store.remove_recipient(&id).unwrap();
    restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new()).unwrap();
    later();
    assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    // Its recipient is not in the backup.
    assert_eq!(kind(by_coming.decrypt("pii", &sealed, b"")), ErrorKind::WrongMasterKey);
    assert_eq!(kind(by_coming.rotate_master_key(None)), ErrorKind::WrongMasterKey);
    assert_eq!(kind(Store::open_with(home.path(), &coming, &OpenOptions::new())), ErrorKind::WrongMasterKey);
    store.remove_recipient(&id).unwrap();
    assert!(store.check().unwrap().ok);
}

/// A backup is of one moment, and of the KEK of that moment.
#[test]
fn backups_and_rotations_of_the_master_key_at_once() {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.rotate_master_key(None).unwrap();
            }
        });
        for round in 0..10 {
            let path = home.folder.path().join(format!("backup-{round}"));
            let outcome = store.backup(&path).map(|backup| backup.check);
            let good = outcome.as_ref().is_ok_and(|report| report.ok);
            done.store(round == 9 || !good, Ordering::Relaxed);
            assert!(good, "{outcome:?}");
        }
    });
}

/// Over what does not verify, its versions are believed for as long as a store could have come so far.
#[test]
fn a_planted_kek_version_ends_no_store() {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let backup = home.folder.path().join("backup");
    store.backup(&backup).unwrap();
    store.close();
    for (planted, after) in [(77, 78), (1 << 24, (1 << 24) + 1), (u32::MAX, 2)] {
        let file = hostile(&home.path());
        file.execute("UPDATE store SET kek_version = ?1", [planted]).unwrap();
        drop(file);
        let options = RestoreOptions::new().force(true);
        restore(&backup, home.path(), &home.master_key(), &options).unwrap();
        let file = hostile(&home.path());
        let version = file.query_row("SELECT kek_version FROM store", [], |row| row.get::<_, u32>(0));
        assert_eq!(version.unwrap(), after);
        drop(file);
        let store = home.open();
        store.rotate_master_key(None).unwrap();
        assert!(store.check().unwrap().ok);
    }
}

/// A restored version of AES256_GCM seals no more, with a lease from before neither.
#[test]
fn leases_end_with_a_restore() {
    let home = Home::new();
    let store = quick(&home);
    let options = CreateKey::new().algorithm(Algorithm::Aes256Gcm).on_limit("refuse");
    store.create_key("fast", &options).unwrap();
    store.encrypt("fast", b"ada", b"").unwrap();
    let backup = home.folder.path().join("backup");
    store.backup(&backup).unwrap();
    restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new()).unwrap();
    later();
    store.encrypt("fast", b"ada", b"").unwrap();
    store.promote_version("fast", 1).unwrap();
    assert_eq!(kind(store.encrypt("fast", b"ada", b"")), ErrorKind::LimitExceeded);
}
