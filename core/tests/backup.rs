//! Backups of stores in use, and restoring them: over open stores, over damage, and with kill -9 in between.

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Home, Random, hostile, kind, milliseconds, names, orders, tell};
use keyfold::{Algorithm, CreateKey, ErrorKind, MasterKey, OpenOptions, RestoreOptions, Store, restore};

fn backup_of(home: &Home, store: &Store, name: &str) -> PathBuf {
    let path = home.folder.path().join(name);
    assert!(store.backup(&path).unwrap().check.ok);
    path
}

fn open(path: &Path, home: &Home) -> Store {
    Store::open_with(path, &home.master_key(), &OpenOptions::new()).unwrap()
}

#[test]
fn a_backup_opens_by_itself_and_has_everything() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    store.create_key("card", &CreateKey::new().purpose("financial")).unwrap();
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let path = home.folder.path().join("backup");
    let mut told = Vec::new();
    let info = store.backup_with(&path, &mut |progress| told.push(progress)).unwrap();
    assert!(info.check.ok && info.check.keys == 2, "{:?}", info.check);
    assert_eq!(info.anchor, store.anchor().unwrap());
    let last = told.last().unwrap();
    assert!(last.pages > 0 && last.pages_done == last.pages, "{told:?}");
    let metadata = path.metadata().unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.nlink()), (0o600, 1));
    // Nothing is left beside it, and the copy knows that it is one.
    let backups: Vec<_> =
        names(home.folder.path()).into_iter().filter(|name| name.contains("backup")).collect();
    assert_eq!(backups, ["backup"]);
    let flag = |path: &Path| -> (bool, String) {
        let file = hostile(path);
        let copied = file.query_row("SELECT copied FROM store", [], |row| row.get(0)).unwrap();
        (copied, file.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap())
    };
    assert_eq!(flag(&path), (true, "wal".to_owned()));
    assert_eq!(flag(&home.path()), (false, "wal".to_owned()));
    let copy = Store::open_with(
        &path,
        &home.master_key(),
        &OpenOptions::new().anchor(info.anchor.to_string()).fingerprint(store.fingerprint()),
    )
    .unwrap();
    assert_eq!(copy.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    assert!(copy.check().unwrap().ok);
    // Opened for writing it is a store of its own.
    assert!(!flag(&path).0);
    assert_eq!(
        kind(Store::open_with(
            &path,
            &MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap(),
            &OpenOptions::new()
        )),
        ErrorKind::WrongMasterKey
    );
}

#[test]
fn a_backup_replaces_nothing() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let path = backup_of(&home, &store, "backup");
    let before = std::fs::read(&path).unwrap();
    assert_eq!(kind(store.backup(&path)), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.backup(home.path())), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.backup("/nonexistent/backup")), ErrorKind::NotFound);
    let link = home.folder.path().join("link");
    std::os::unix::fs::symlink(home.folder.path().join("elsewhere"), &link).unwrap();
    assert_eq!(kind(store.backup(&link)), ErrorKind::AlreadyExists);
    let stale = home.folder.path().join("stale");
    std::fs::write(common::beside(&stale, "-wal"), b"left").unwrap();
    assert_eq!(kind(store.backup(&stale)), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert!(!names(home.folder.path()).iter().any(|name| name.ends_with(".new")));
    store.close();
    assert_eq!(kind(store.backup(home.folder.path().join("closed"))), ErrorKind::Closed);
}

#[test]
fn a_backup_is_of_one_moment_while_others_write() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let writer = home.open();
            while !done.load(Ordering::Relaxed) {
                // Both in one act each; a torn copy would not verify.
                writer.rotate_key("pii").unwrap();
            }
        });
        for round in 0..10 {
            let path = backup_of(&home, &store, &format!("backup-{round}"));
            assert!(open(&path, &home).check().unwrap().ok);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_progress_function_may_use_stores() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let path = home.folder.path().join("backup");
    store
        .backup_with(&path, &mut |_| {
            home.open().rotate_key("pii").unwrap();
            store.encrypt("pii", b"ada", b"").unwrap();
        })
        .unwrap();
    assert!(open(&path, &home).check().unwrap().ok);
}

#[test]
fn restoring_makes_a_store_where_there_is_none() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let backup = backup_of(&home, &store, "backup");
    let path = home.folder.path().join("restored");
    let info = restore(&backup, &path, &home.master_key(), &RestoreOptions::new()).unwrap();
    assert!(!info.replaced && info.rotated.is_empty());
    assert_eq!(info.fingerprint, store.fingerprint());
    assert_eq!(info.anchor.generation(), store.anchor().unwrap().generation() + 1);
    let restored = open(&path, &home);
    assert_eq!(restored.anchor().unwrap(), info.anchor);
    assert_eq!(restored.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    let report = restored.check().unwrap();
    assert!(report.ok && report.warnings.is_empty(), "{report:?}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn open_stores_go_on_after_a_restore() {
    let home = Home::new();
    let store = home.open_with(&OpenOptions::new().create(true).refresh_interval(milliseconds(10))).unwrap();
    store.create_key("pii", &CreateKey::new()).unwrap();
    store.create_key("fast", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let backup = backup_of(&home, &store, "backup");
    for _ in 0..5 {
        store.rotate_key("pii").unwrap();
    }
    store.create_key("later", &CreateKey::new()).unwrap();
    let lost = store.encrypt("pii", b"later", b"").unwrap();
    let before = store.anchor().unwrap();

    let info = restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new()).unwrap();
    assert!(info.replaced);
    assert_eq!(info.rotated, ["fast"]);
    assert!(info.anchor.generation() > before.generation());
    std::thread::sleep(milliseconds(30));
    assert_eq!(store.anchor().unwrap(), info.anchor);
    assert_eq!(store.list_key_versions("pii").unwrap().len(), 1);
    assert_eq!(store.list_key_versions("fast").unwrap().len(), 2);
    assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    assert_eq!(kind(store.decrypt("pii", &lost, b"")), ErrorKind::DecryptionFailed);
    assert_eq!(kind(store.key("later")), ErrorKind::NotFound);
    store.rotate_key("pii").unwrap();
    assert!(store.check().unwrap().ok);
    // What was taken after the backup pins a history that is gone.
    let options = OpenOptions::new().anchor(before.to_string());
    assert_eq!(kind(home.open_with(&options)), ErrorKind::IntegrityError);
    assert!(home.open_with(&OpenOptions::new().anchor(info.anchor.to_string())).is_ok());
}

#[test]
fn what_does_not_verify_is_not_restored() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let backup = backup_of(&home, &store, "backup");
    let bytes = std::fs::read(&backup).unwrap();
    store.rotate_key("pii").unwrap();
    let anchor = store.anchor().unwrap();
    let damaged = home.folder.path().join("damaged");
    let original = bytes.clone();
    let mut random = Random::new("what_does_not_verify_is_not_restored");
    let refused = |bytes: &[u8], master_key: &MasterKey, options: &RestoreOptions, wanted: &[ErrorKind]| {
        std::fs::write(&damaged, bytes).unwrap();
        for path in [home.path(), home.folder.path().join("new")] {
            let outcome = restore(&damaged, &path, master_key, options);
            assert!(outcome.is_err(), "{} bytes of {}", bytes.len(), original.len());
            let found = kind(outcome);
            assert!(wanted.contains(&found), "{found:?}");
        }
        assert_eq!(store.anchor().unwrap(), anchor);
        assert!(!home.folder.path().join("new").exists());
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(common::beside(&damaged, suffix));
        }
    };
    let plain = RestoreOptions::new();
    let damage = [ErrorKind::IntegrityError, ErrorKind::Unsupported, ErrorKind::WrongMasterKey];
    for length in [0, 99, 4096, 4097, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 1] {
        refused(&bytes[..length], &home.master_key(), &plain, &damage);
        refused(&bytes[..length], &home.master_key(), &plain.clone().force(true), &damage);
    }
    let other = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    refused(&bytes, &other, &plain, &[ErrorKind::WrongMasterKey]);
    refused(
        &bytes,
        &home.master_key(),
        &plain.clone().anchor(anchor.to_string()),
        &[ErrorKind::IntegrityError],
    );
    refused(&bytes, &home.master_key(), &plain.clone().fingerprint("kff1.x"), &[ErrorKind::IntegrityError]);
    // A changed record deep inside, which the root alone does not show.
    std::fs::write(&damaged, &bytes).unwrap();
    hostile(&damaged).execute("UPDATE key SET exportable = 1", []).unwrap();
    let changed = std::fs::read(&damaged).unwrap();
    refused(&changed, &home.master_key(), &plain, &[ErrorKind::IntegrityError]);
    // Bits anywhere: either it is refused, or it was in a place that says nothing.
    let mut noticed = 0;
    for _ in 0..40 {
        let mut flipped = bytes.clone();
        let place = random.below(flipped.len());
        flipped[place] ^= 1 << random.below(8);
        std::fs::write(&damaged, &flipped).unwrap();
        let path = home.folder.path().join("new");
        match restore(&damaged, &path, &home.master_key(), &plain) {
            Err(_) => noticed += 1,
            Ok(_) => assert!(open(&path, &home).check().unwrap().ok),
        }
        for name in names(home.folder.path()) {
            if name.starts_with("new") || name.starts_with("damaged") {
                std::fs::remove_file(home.folder.path().join(name)).unwrap();
            }
        }
    }
    assert!(noticed > 0);
    assert_eq!(
        kind(restore(home.path(), home.path(), &home.master_key(), &plain)),
        ErrorKind::InvalidArgument
    );
    assert_eq!(kind(restore(&damaged, home.path(), &home.master_key(), &plain)), ErrorKind::NotFound);
    assert!(!names(home.folder.path()).iter().any(|name| name.ends_with(".new")));
}

#[test]
fn other_stores_and_damage_are_written_over_on_request_alone() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let backup = backup_of(&home, &store, "backup");
    let plain = RestoreOptions::new();
    let restored =
        |path: &Path, options: &RestoreOptions| restore(&backup, path, &home.master_key(), options);

    // Another store under the same master key.
    let other = home.folder.path().join("other");
    let others = Store::open_with(&other, &home.master_key(), &OpenOptions::new().create(true)).unwrap();
    assert_eq!(kind(restored(&other, &plain)), ErrorKind::AlreadyExists);
    assert_eq!(kind(restored(&other, &plain.clone().force(true))), ErrorKind::AlreadyExists);
    assert!(others.check().unwrap().ok);
    restored(&other, &plain.clone().replace_other_store(true)).unwrap();
    assert_eq!(open(&other, &home).decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    // Whoever had the other one open does not go on with keys of this one.
    assert_eq!(kind(others.rotate_key("pii")), ErrorKind::IntegrityError);

    // Another store under another master key.
    let foreign = home.folder.path().join("foreign");
    let their_key = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    drop(Store::open_with(&foreign, &their_key, &OpenOptions::new().create(true)).unwrap());
    assert_eq!(kind(restored(&foreign, &plain)), ErrorKind::WrongMasterKey);
    assert_eq!(kind(restored(&foreign, &plain.clone().force(true))), ErrorKind::AlreadyExists);
    restored(&foreign, &plain.clone().force(true).replace_other_store(true)).unwrap();
    assert!(open(&foreign, &home).check().unwrap().ok);

    // This store, damaged: a row, the root, the generation.
    for damage in [
        "UPDATE store SET root = zeroblob(32)",
        "UPDATE store SET generation = 9223372036854775807",
        "DELETE FROM store",
        "CREATE TABLE planted (x)",
    ] {
        hostile(&home.path()).execute_batch(damage).unwrap();
        assert_eq!(kind(restored(&home.path(), &plain)), ErrorKind::IntegrityError, "{damage}");
        let info = restored(&home.path(), &plain.clone().force(true)).unwrap();
        assert!(info.anchor.generation() < 1000, "{damage}");
        let again = home.open();
        assert_eq!(again.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
        assert!(again.check().unwrap().ok, "{damage}");
    }
    // A file that is no store is never written over.
    let text = home.folder.path().join("text");
    std::fs::write(&text, vec![b'x'; 9000]).unwrap();
    let all = plain.clone().force(true).replace_other_store(true);
    assert_eq!(kind(restored(&text, &all)), ErrorKind::Unsupported);
    assert_eq!(std::fs::read(&text).unwrap(), vec![b'x'; 9000]);
}

/// Restores one of two backups after the other until it is killed.
#[test]
#[ignore = "a child of the test below"]
fn restorer() {
    let Some(orders) = orders() else { return };
    for round in 0.. {
        let backup = orders.path.with_file_name(if round % 2 == 0 { "few" } else { "many" });
        restore(backup, &orders.path, &orders.master_key, &RestoreOptions::new()).unwrap();
        tell(round);
    }
}

#[test]
fn a_killed_restore_leaves_old_or_new() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    backup_of(&home, &store, "few");
    for number in 0..40 {
        store.create_key(&format!("k{number}"), &CreateKey::new()).unwrap();
    }
    backup_of(&home, &store, "many");
    let reader = home.open_with(&OpenOptions::new().refresh_interval(milliseconds(10))).unwrap();
    let mut random = Random::new("a_killed_restore_leaves_old_or_new");
    let begun = Instant::now();
    restore(home.folder.path().join("many"), home.path(), &home.master_key(), &RestoreOptions::new())
        .unwrap();
    let span = begun.elapsed().as_micros() as usize;
    let mut generation = store.anchor().unwrap().generation();
    let mut seen = [false, false];
    for round in 0..60 {
        // How far a restore comes until the kill is a matter of the machine's pace.
        if round >= 12 && seen == [true, true] {
            break;
        }
        let mut child = home.child("restorer", "");
        child.hears();
        std::thread::sleep(Duration::from_micros(random.below(2 * span) as u64));
        drop(child);
        // Those who had it open, and those who come anew, see one of the two, whole, and never an older one.
        for store in [&reader, &home.open()] {
            let report = store.check().unwrap();
            assert!(report.ok && [1, 41].contains(&report.keys), "{report:?}");
            seen[usize::from(report.keys == 41)] = true;
            assert!(report.generation >= generation);
            generation = report.generation;
            assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
        }
    }
    assert_eq!(seen, [true, true]);
}

/// Backs up under one name after the other until it is killed.
#[test]
#[ignore = "a child of the test below"]
fn backer() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    tell("open");
    for round in 0.. {
        store.backup(orders.path.with_file_name(format!("backup-{}-{round}", orders.task))).unwrap();
    }
}

#[test]
fn a_killed_backup_is_whole_or_not_there() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let begun = Instant::now();
    backup_of(&home, &store, "first");
    let span = begun.elapsed().as_micros() as usize;
    let mut random = Random::new("a_killed_backup_is_whole_or_not_there");
    let mut drafts = 0;
    for round in 0..10 {
        let mut child = home.child("backer", &round.to_string());
        child.hears();
        std::thread::sleep(Duration::from_micros(random.below(3 * span) as u64));
        drop(child);
    }
    for name in names(home.folder.path()) {
        let path = home.folder.path().join(&name);
        if name.contains(".new") {
            drafts += 1;
        } else if name.starts_with("backup-") && !name.ends_with("-wal") && !name.ends_with("-shm") {
            let copy = home.folder.path().join("restored");
            restore(&path, &copy, &home.master_key(), &RestoreOptions::new()).unwrap();
            assert!(open(&copy, &home).check().unwrap().ok);
            std::fs::remove_file(copy).unwrap();
        }
    }
    assert!(drafts > 0, "no kill came in the middle of a backup");
    assert!(store.check().unwrap().ok);
}

#[test]
fn writers_and_restores_take_turns() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let backup = backup_of(&home, &store, "backup");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let writer = home.open();
                while !done.load(Ordering::Relaxed) {
                    match writer.rotate_key("pii") {
                        Ok(_) => {}
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}"),
                    }
                }
            });
        }
        for _ in 0..10 {
            match restore(&backup, home.path(), &home.master_key(), &RestoreOptions::new()) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(home.open().check().unwrap().ok);
}
