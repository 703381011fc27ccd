//! Versions near their limit, which only this crate can bring there: nobody outside may set a count.
//!
//! Each test runs in a process of its own, as the oracle of Tink does.

use std::process::Command;
use std::time::Duration;

use super::usage::put;
use super::{CreateKey, OpenOptions, Store};
use crate::error::ErrorKind;
use crate::format::Aad;
use crate::primitives::Algorithm;
use crate::{MasterKey, limits};

const CHILD: &str = "KEYFOLD_TEST_USAGE_CHILD";

fn in_a_process(test: &str, work: impl FnOnce(&Home)) {
    alone("usage_limit", test, work);
}

/// Runs `work` in a process that runs this test alone: a store that opens installs what the tests of forks must not meet.
pub(super) fn alone(module: &str, test: &str, work: impl FnOnce(&Home)) {
    if std::env::var_os(CHILD).is_some() {
        return work(&Home::new());
    }
    let program = std::env::current_exe().unwrap();
    let test = format!("store::{module}::{test}");
    let ended =
        Command::new(program).args([&test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let failed = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}{failed}");
}

pub(super) struct Home {
    folder: tempfile::TempDir,
    master_key: MasterKey,
}

impl Home {
    pub(super) fn new() -> Self {
        let master_key = MasterKey::parse(&crate::generate_master_key().unwrap()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), master_key }
    }

    pub(super) fn open(&self) -> Store {
        let options = OpenOptions::new().create(true).refresh_interval(Duration::from_millis(10));
        Store::open_with(self.folder.path().join("s"), &self.master_key, &options).unwrap()
    }

    /// A store with one key, whose first version may seal so many messages more.
    fn open_near_limit(&self, algorithm: Algorithm, on_limit: &str, left: u64) -> Store {
        let store = self.open();
        store.create_key("k", &CreateKey::new().algorithm(algorithm).on_limit(on_limit)).unwrap();
        set_count(&store, 1, limits::messages(algorithm) - left);
        store
    }
}

fn set_count(store: &Store, version: u32, messages: u64) {
    let set = store.shared.write_verified(0, |act| {
        put(act, "k", version, messages)?;
        act.tree.seal()
    });
    set.unwrap();
}

fn mark_copied(store: &Store) {
    let marked = store.shared.write_verified(0, |act| {
        act.tree.store_mut().copied = true;
        act.tree.seal()
    });
    marked.unwrap();
}

fn sealed_by(store: &Store, count: u64) -> Vec<u32> {
    let key = store.key("k").unwrap();
    (0..count).map(|_| store.inspect(key.encrypt(b"ada", Aad::NONE).unwrap()).unwrap()[0].version).collect()
}

fn counts(store: &Store) -> Vec<u64> {
    store.key_usage("k").unwrap().iter().rev().map(|usage| usage.messages).collect()
}

fn audit(store: &Store) -> Vec<String> {
    let mut records = Vec::new();
    let read = store.shared.read_verified(|tree, _| {
        tree.rows().each_audit(1, &mut |row| {
            records.push(row.record);
            Ok(())
        })
    });
    read.unwrap();
    records
}

#[test]
fn at_its_limit_a_key_rotates_and_goes_on() {
    in_a_process("at_its_limit_a_key_rotates_and_goes_on", |home| {
        let store = home.open_near_limit(Algorithm::Aes256Gcm, "rotate", 300);
        let versions = sealed_by(&store, 400);
        // Not one message more than the limit, and not one less.
        assert_eq!(versions.iter().filter(|version| **version == 1).count(), 300);
        assert!(versions[..300].iter().all(|version| *version == 1));
        assert!(versions[300..].iter().all(|version| *version == 2));
        assert_eq!(counts(&store)[0], limits::MESSAGES_AES256_GCM);
        let rotations: Vec<_> =
            audit(&store).into_iter().filter(|record| record.contains("rotate_key")).collect();
        assert!(
            rotations.len() == 1 && rotations[0].contains("version 1 reached its limit"),
            "{rotations:?}"
        );
        assert!(store.check().unwrap().ok);
    });
}

#[test]
fn what_is_counted_later_stops_as_well() {
    in_a_process("what_is_counted_later_stops_as_well", |home| {
        for (number, algorithm) in
            [Algorithm::Aes256GcmSiv, Algorithm::Xaes256Gcm, Algorithm::XChaCha20Poly1305]
                .into_iter()
                .enumerate()
        {
            let home = if number == 0 { home } else { &Home::new() };
            let store = home.open_near_limit(algorithm, "rotate", 300);
            let versions = sealed_by(&store, 400);
            assert_eq!(versions.iter().filter(|version| **version == 1).count(), 300, "{algorithm}");
            assert_eq!(counts(&store)[0], limits::messages(algorithm));
            store.close();
            assert_eq!(counts(&home.open()), [limits::messages(algorithm), 100], "{algorithm}");
        }
    });
}

#[test]
fn a_key_that_refuses_says_to_rotate() {
    in_a_process("a_key_that_refuses_says_to_rotate", |home| {
        for algorithm in [Algorithm::Aes256Gcm, Algorithm::Aes256GcmSiv] {
            let home = if algorithm == Algorithm::Aes256Gcm { home } else { &Home::new() };
            let store = home.open_near_limit(algorithm, "refuse", 10);
            assert_eq!(sealed_by(&store, 9), [1; 9]);
            let key = store.key("k").unwrap();
            // Three MiB count three times, and there is one left.
            assert_eq!(
                key.encrypt(&vec![0; 3 << 20], Aad::NONE).unwrap_err().kind(),
                ErrorKind::LimitExceeded
            );
            assert_eq!(sealed_by(&store, 1), [1]);
            for _ in 0..3 {
                let refused = key.encrypt(b"ada", Aad::NONE).unwrap_err();
                assert_eq!(
                    (refused.kind(), refused.key_id(), refused.version()),
                    (ErrorKind::LimitExceeded, Some("k"), Some(1))
                );
                assert!(refused.message().contains("rotate"), "{refused}");
                let mut out = vec![0; 36];
                assert!(key.encryption().unwrap().write(b"ada", Aad::NONE, &mut out).is_err());
                assert_eq!(out, [0; 36]);
            }
            assert_eq!(counts(&store), [limits::messages(algorithm)]);
            store.rotate_key("k").unwrap();
            assert_eq!(sealed_by(&store, 3), [2; 3]);
            store.close();
            // A new opening refuses from the start.
            assert_eq!(counts(&home.open())[0], limits::messages(algorithm));
        }
    });
}

/// Eight openings come to the limit together: one rotates.
#[test]
fn many_at_once_rotate_once() {
    in_a_process("many_at_once_rotate_once", |home| {
        let first = home.open_near_limit(Algorithm::Aes256Gcm, "rotate", 5_000);
        let versions: Vec<u32> = std::thread::scope(|scope| {
            let sealing: Vec<_> = (0..8).map(|_| scope.spawn(|| sealed_by(&home.open(), 1_000))).collect();
            sealing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let under_first = versions.iter().filter(|version| **version == 1).count();
        assert!(under_first <= 5_000, "{under_first}");
        assert!(versions.iter().all(|version| *version <= 2));
        assert_eq!(first.list_key_versions("k").unwrap().len(), 2);
        let counts = counts(&first);
        assert!(counts[1] >= (8_000 - under_first) as u64, "{counts:?}");
        assert!(first.check().unwrap().ok);
    });
}

/// A batch counts in blocks, and comes to the limit exactly all the same.
#[test]
fn a_batch_counts_what_it_seals() {
    in_a_process("a_batch_counts_what_it_seals", |home| {
        let store = home.open_near_limit(Algorithm::Aes256GcmSiv, "rotate", 300);
        let key = store.key("k").unwrap();
        let large = vec![0; 3 << 20];
        let mut values = vec![Some(&b"ada"[..]); 500];
        values[100] = Some(&large);
        let sealed = key.encrypt_many(&values, Aad::NONE).unwrap();
        let sealed: Vec<_> = sealed.iter().map(Option::unwrap).collect();
        let version = |sealed: &[u8]| store.inspect(sealed).unwrap()[0].version;
        // The large one counts three times.
        assert_eq!(sealed.iter().position(|sealed| version(sealed) == 2), Some(298));
        assert!(sealed[298..].iter().all(|sealed| version(sealed) == 2));
        // What was counted ahead and not sealed does not count: one value of a hundred that were announced.
        let mut batch = key.batch_encryption(Aad::NONE, 100).unwrap();
        batch.write(0, b"ada", &mut [0; 36]).unwrap();
        assert!(batch.write(1, b"ada", &mut [0; 35]).is_err());
        drop(batch);
        store.close();
        assert_eq!(counts(&home.open()), [limits::messages(Algorithm::Aes256GcmSiv), 202 + 2]);
    });
}

/// One `Encryption` that outlives its version's limit goes on under the next, whole message by whole message.
#[test]
fn an_encryption_that_is_kept_moves_on() {
    in_a_process("an_encryption_that_is_kept_moves_on", |home| {
        let store = home.open_near_limit(Algorithm::Aes256Gcm, "rotate", 2);
        let key = store.key("k").unwrap();
        let encryption = key.encryption().unwrap();
        for version in [1, 1, 2, 2] {
            let mut out = vec![0; encryption.length(3).unwrap()];
            encryption.write(b"ada", Aad::NONE, &mut out).unwrap();
            assert_eq!(store.inspect(&out).unwrap()[0].version, version);
            assert_eq!(*key.decrypt(&out, Aad::NONE).unwrap(), *b"ada");
        }
    });
}

#[test]
fn a_copy_rotates_when_it_is_first_opened() {
    in_a_process("a_copy_rotates_when_it_is_first_opened", |home| {
        let store = home.open();
        for (key_id, algorithm) in
            [("k", Algorithm::Aes256Gcm), ("siv", Algorithm::Aes256GcmSiv), ("also", Algorithm::Aes256Gcm)]
        {
            let on_limit = if key_id == "also" { "refuse" } else { "rotate" };
            store.create_key(key_id, &CreateKey::new().algorithm(algorithm).on_limit(on_limit)).unwrap();
        }
        store.rotate_key("k").unwrap();
        let old = store.encrypt("k", b"ada", Aad::NONE).unwrap();
        mark_copied(&store);
        store.close();

        let store = home.open();
        let current = |key_id: &str| store.key_info(key_id).unwrap().current_version;
        assert_eq!([current("k"), current("also"), current("siv")], [Some(3), Some(2), Some(1)]);
        assert_eq!(counts(&store), [limits::MESSAGES_AES256_GCM, limits::MESSAGES_AES256_GCM, 0]);
        assert_eq!(sealed_by(&store, 1), [3]);
        assert_eq!(*store.decrypt("k", &old, Aad::NONE).unwrap(), *b"ada");
        let records = audit(&store);
        assert_eq!(records.iter().filter(|record| record.contains("settle_copy")).count(), 1);
        assert!(store.check().unwrap().ok);
        store.close();
        // Once.
        let store = home.open();
        assert_eq!(store.key_info("k").unwrap().current_version, Some(3));
        assert_eq!(audit(&store), records);
    });
}

/// What opening could not do, as on a disk that was full just then, the first lease does.
#[test]
fn no_lease_is_taken_from_a_copy() {
    in_a_process("no_lease_is_taken_from_a_copy", |home| {
        let store = home.open();
        store.create_key("k", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
        mark_copied(&store);
        assert_eq!(sealed_by(&store, 3), [2; 3]);
        assert_eq!(counts(&store), [limits::MESSAGES_AES256_GCM, limits::FIRST_LEASE]);
    });
}

/// Someone puts the file back as it was before a lease: the generation does not tell, the count does.
#[test]
fn a_count_that_went_back_is_noticed() {
    in_a_process("a_count_that_went_back_is_noticed", |home| {
        let store = home.open();
        store.create_key("k", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
        sealed_by(&store, 1);
        set_count(&store, 1, 0);
        let key = store.key("k").unwrap();
        let mut sealed = 1;
        let error = loop {
            match key.encrypt(b"ada", Aad::NONE) {
                Ok(_) => sealed += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((sealed, error.kind()), (limits::FIRST_LEASE, ErrorKind::IntegrityError));
    });
}
