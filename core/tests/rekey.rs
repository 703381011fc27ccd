//! A new KEK: ciphertexts stay, processes follow, whoever was removed is out, and a kill leaves the old or the new.

#![cfg(unix)]

mod common;

use std::time::{Duration, Instant};

use common::{Home, Random, alone, beside, hostile, kind, milliseconds, orders, tell};
use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, IndexOptions, KeyFilter, MasterKey, OpenOptions,
    Passphrase, RecoveryKey, Store, generate_master_key,
};

/// Forks copy what other tests' threads do, so that test runs alone, and all others beside none.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn fresh() -> MasterKey {
    MasterKey::parse(&generate_master_key().unwrap()).unwrap()
}

fn quick() -> OpenOptions {
    OpenOptions::new().refresh_interval(milliseconds(20)).max_stale(milliseconds(40))
}

fn open(home: &Home, master_key: &MasterKey) -> keyfold::Result<Store> {
    Store::open_with(home.path(), master_key, &quick())
}

/// Keys, and what they have encrypted: their own ids.
type Sealed = Vec<(String, Vec<u8>)>;

/// A store with keys of several shapes, and what they have made.
fn filled(home: &Home) -> (Store, Sealed, Vec<u8>) {
    let store = home.open();
    store
        .create_key("pii", &CreateKey::new().purpose("pii").description("e-mail").label("team", "web"))
        .unwrap();
    store.create_key("own", &CreateKey::new().algorithm(Algorithm::Xaes256Gcm)).unwrap();
    for number in 0..20 {
        store.create_key(&format!("key-{number}"), &CreateKey::new()).unwrap();
    }
    let mut sealed = Vec::new();
    for _ in 0..3 {
        for key_id in ["pii", "own", "key-7"] {
            sealed.push((key_id.to_owned(), store.encrypt(key_id, key_id.as_bytes(), b"").unwrap()));
            store.rotate_key(key_id).unwrap();
        }
    }
    let index = index(&store);
    (store, sealed, index)
}

fn index(store: &Store) -> Vec<u8> {
    let pii = store.key("pii").unwrap();
    pii.blind_index(b"ada", "name", &IndexOptions::new()).unwrap()
}

fn all_open(store: &Store, sealed: &[(String, Vec<u8>)]) {
    for (key_id, ciphertext) in sealed {
        assert_eq!(store.decrypt(key_id, ciphertext, b"").unwrap(), *key_id.as_bytes());
    }
}

/// Every wrap in the file, of every table.
fn wraps(home: &Home) -> Vec<Vec<u8>> {
    let connection = hostile(&home.path());
    let mut statement = connection
        .prepare(
            "SELECT wrapped FROM key_version UNION ALL SELECT wrapped FROM system_key \
             UNION ALL SELECT wrapped FROM index_root UNION ALL SELECT ciphertext FROM kek_wrap",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn everything_is_wrapped_anew_and_stays_what_it_was() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let (store, sealed, index_before) = filled(&home);
    let recovery = RecoveryKey::generate().unwrap();
    store.add_recipient(&recovery.master_key(), &AddRecipient::new()).unwrap();
    let (fingerprint, anchor) = (store.fingerprint().to_owned(), store.anchor().unwrap());
    let keys = store.list_keys(&KeyFilter::new()).unwrap();
    store.close();
    let before = wraps(&home);
    let store = open(&home, &home.master_key()).unwrap();
    let rotated = store.rotate_master_key(None).unwrap();
    assert_eq!(rotated.kek_version, 2);
    assert_eq!(rotated.recipients, ["master-key-1", "recovery-key-1"]);
    assert!(!rotated.purge_pending && !store.purge_pending().unwrap());
    // 22 keys, 9 more versions, 21 roots of keys and one of a purpose, identity and audit key.
    assert_eq!(rotated.rewrapped, 22 + 9 + 21 + 1 + 2);
    assert_eq!(before.len(), rotated.rewrapped + 2);
    // In no file is any of the superseded wraps.
    for path in [home.path(), beside(&home.path(), "-wal")] {
        let bytes = std::fs::read(path).unwrap();
        for wrap in &before {
            assert!(
                !bytes.windows(wrap.len()).any(|window| window == wrap),
                "a superseded wrap is still there"
            );
        }
    }
    all_open(&store, &sealed);
    assert_eq!(index(&store), index_before);
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap(), keys);
    assert!(store.check().unwrap().ok);
    // The pins hold, for whoever opens it now, by whatever way.
    let pinned = quick().fingerprint(fingerprint).anchor(anchor.to_string());
    for master_key in [home.master_key(), recovery.master_key()] {
        let other = Store::open_with(home.path(), &master_key, &pinned).unwrap();
        all_open(&other, &sealed);
        assert!(other.check().unwrap().ok);
        other.close();
    }
    assert_eq!(store.rotate_master_key(None).unwrap().kek_version, 3);
    store.rotate_key("pii").unwrap();
    assert!(store.check().unwrap().ok);
}

/// A reader keeps the log: that is said, and made up for.
#[test]
fn a_purge_that_a_reader_prevents_is_pending() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    home.open_with_key("pii");
    let store = home.open_with(&OpenOptions::new().busy_timeout(milliseconds(50))).unwrap();
    let mut reader = home.child("reading", "");
    assert_eq!(reader.hears(), "reading");
    assert!(store.rotate_master_key(None).unwrap().purge_pending);
    assert!(store.purge_pending().unwrap() && store.purge().unwrap());
    reader.finish();
    assert!(!store.purge().unwrap() && !store.purge_pending().unwrap());
    assert!(store.check().unwrap().ok);
}

/// Holds a read transaction until the parent hangs up.
#[test]
#[ignore = "a child of the test above"]
fn reading() {
    let Some(orders) = orders() else { return };
    let connection = hostile(&orders.path);
    connection.execute_batch("BEGIN; SELECT count(*) FROM key").unwrap();
    tell("reading");
    while common::hear().is_some() {}
}

#[test]
fn open_stores_follow() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let (store, sealed, _) = filled(&home);
    let phrase = MasterKey::passphrase(
        Passphrase::new("correct horse").unwrap().with_argon2id(19 << 10, 1, 1).unwrap(),
    );
    store.add_recipient(&phrase, &AddRecipient::new()).unwrap();
    let others = [open(&home, &home.master_key()).unwrap(), open(&home, &phrase).unwrap()];
    let keys = [others[0].key("pii").unwrap(), others[1].key("pii").unwrap()];
    for round in 0..4 {
        store.rotate_master_key(None).unwrap();
        // A key that is held, one asked for anew, an act, in this order and the other.
        for (other, key) in others.iter().zip(&keys) {
            std::thread::sleep(milliseconds(25));
            if round % 2 == 0 {
                key.encrypt(b"x", b"").unwrap();
                other.rotate_key("key-3").unwrap();
            } else {
                other.rotate_key("key-3").unwrap();
                key.encrypt(b"x", b"").unwrap();
            }
            all_open(other, &sealed);
            other.key(&format!("key-{}", round + 10)).unwrap();
            assert!(other.check().unwrap().ok);
        }
        // The new version's ciphertext opens elsewhere at once.
        let late = others[1].encrypt("key-3", b"late", b"").unwrap();
        assert_eq!(others[0].decrypt("key-3", late, b"").unwrap(), b"late"[..]);
    }
    // They can all do it.
    assert_eq!(others[1].rotate_master_key(None).unwrap().kek_version, 6);
    assert!(store.check().unwrap().ok);
}

#[test]
fn whoever_was_removed_is_out() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let (store, sealed, _) = filled(&home);
    let (old, next) = (home.master_key(), fresh());
    let still = open(&home, &old).unwrap();
    let key = still.key("pii").unwrap();
    let rotated = store.rotate_master_key(Some(&next)).unwrap();
    assert_eq!(rotated.recipients, ["master-key-2"]);
    // The one that did it goes on.
    all_open(&store, &sealed);
    assert!(store.recipients().unwrap()[0].is_mine);
    store.rotate_key("pii").unwrap();
    // The other is refused, whatever it asks, again and again.
    std::thread::sleep(milliseconds(30));
    for _ in 0..3 {
        assert_eq!(kind(key.encrypt(b"x", b"")), ErrorKind::WrongMasterKey);
        assert_eq!(kind(key.decrypt(&sealed[0].1, b"")), ErrorKind::WrongMasterKey);
        assert_eq!(kind(still.key("own")), ErrorKind::WrongMasterKey);
        assert_eq!(kind(still.rotate_key("pii")), ErrorKind::WrongMasterKey);
        assert_eq!(kind(still.list_keys(&KeyFilter::new())), ErrorKind::WrongMasterKey);
        assert_eq!(kind(still.rotate_master_key(None)), ErrorKind::WrongMasterKey);
        std::thread::sleep(milliseconds(50));
    }
    assert_eq!(kind(open(&home, &old)), ErrorKind::WrongMasterKey);
    all_open(&open(&home, &next).unwrap(), &sealed);

    // Also one whose id is taken again by another.
    let (first, second) = (fresh(), fresh());
    store.add_recipient(&first, &AddRecipient::new().id("deputy")).unwrap();
    let deputy = open(&home, &first).unwrap();
    store.remove_recipient("deputy").unwrap();
    store.add_recipient(&second, &AddRecipient::new().id("deputy")).unwrap();
    std::thread::sleep(milliseconds(30));
    assert_eq!(kind(deputy.encrypt("pii", b"x", b"")), ErrorKind::WrongMasterKey);
    assert_eq!(kind(open(&home, &first)), ErrorKind::WrongMasterKey);
    all_open(&open(&home, &second).unwrap(), &sealed);
}

/// All rows of before the rotation, committed by somebody who knows SQLite, under an open store.
#[test]
fn an_older_kek_put_back_is_refused() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    filled(&home).0.close();
    let copy = home.folder.path().join("older");
    std::fs::copy(home.path(), &copy).unwrap();
    let watching = open(&home, &home.master_key()).unwrap();
    let key = watching.key("pii").unwrap();
    watching.rotate_master_key(None).unwrap();
    let anchor = watching.anchor().unwrap().to_string();
    let mut child = home.child("putting_back", copy.to_str().unwrap());
    assert_eq!(child.hears(), "put back");
    std::thread::sleep(milliseconds(30));
    for _ in 0..2 {
        assert_eq!(kind(key.encrypt(b"x", b"")), ErrorKind::IntegrityError);
        assert_eq!(kind(watching.rotate_key("pii")), ErrorKind::IntegrityError);
        assert_eq!(kind(watching.rotate_master_key(None)), ErrorKind::IntegrityError);
        std::thread::sleep(milliseconds(50));
    }
    watching.close();
    child.finish();
    // A new opener is judged by its anchor alone.
    let anchored = Store::open_with(home.path(), &home.master_key(), &quick().anchor(anchor));
    assert_eq!(kind(anchored), ErrorKind::IntegrityError);
    assert!(open(&home, &home.master_key()).unwrap().check().unwrap().ok);
}

#[test]
#[ignore = "a child of the test above"]
fn putting_back() {
    let Some(orders) = orders() else { return };
    let connection = hostile(&orders.path);
    connection.execute_batch(&format!("ATTACH '{}' AS old; BEGIN IMMEDIATE", orders.task)).unwrap();
    for table in [
        "store",
        "tree_node",
        "entity",
        "recipient",
        "kek_wrap",
        "system_key",
        "purpose",
        "index_root",
        "key",
        "key_version",
        "audit",
    ] {
        let replace = format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM old.{table}");
        connection.execute_batch(&replace).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    tell("put back");
    while common::hear().is_some() {}
}

/// The older wraps alone, beside the newer rest.
#[test]
fn older_wraps_put_back_are_refused() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    filled(&home).0.close();
    let copy = home.folder.path().join("older");
    std::fs::copy(home.path(), &copy).unwrap();
    let store = open(&home, &home.master_key()).unwrap();
    store.rotate_master_key(None).unwrap();
    store.close();
    drop(store);
    let good = std::fs::read(home.path()).unwrap();
    for change in [
        "DELETE FROM kek_wrap; INSERT INTO kek_wrap SELECT * FROM old.kek_wrap",
        "INSERT INTO kek_wrap SELECT * FROM old.kek_wrap",
        "DELETE FROM kek_wrap; INSERT INTO kek_wrap SELECT * FROM old.kek_wrap; \
         UPDATE store SET kek_version = 1, wraps_signature = (SELECT wraps_signature FROM old.store)",
        "UPDATE store SET kek_version = 1",
        "UPDATE store SET kek_version = 3",
        "DELETE FROM kek_wrap",
        "UPDATE key_version SET kek_version = 1, wrapped = (SELECT wrapped FROM old.key_version o WHERE \
         o.key_id = key_version.key_id AND o.version = key_version.version)",
        "UPDATE system_key SET kek_version = 1, wrapped = (SELECT wrapped FROM old.system_key o WHERE \
         o.name = system_key.name)",
    ] {
        std::fs::write(home.path(), &good).unwrap();
        let connection = hostile(&home.path());
        connection.execute_batch(&format!("ATTACH '{}' AS old; {change}", copy.display())).unwrap();
        drop(connection);
        match open(&home, &home.master_key()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::IntegrityError, "{change}"),
            Ok(store) => {
                assert_eq!(kind(store.key("pii")), ErrorKind::IntegrityError, "{change}");
                assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError, "{change}");
                assert!(!store.check().unwrap().ok);
            }
        }
    }
}

/// What does not verify is not authenticated again.
#[test]
fn damage_stops_a_rotation_and_nothing_changes() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    filled(&home).0.close();
    let good = std::fs::read(home.path()).unwrap();
    for change in [
        "UPDATE key SET description = 'x' WHERE key_id = 'key-9'",
        "UPDATE key_version SET state = 'disabled' WHERE key_id = 'key-9'",
        "DELETE FROM key_version WHERE key_id = 'own' AND version = 1",
        "DELETE FROM key WHERE key_id = 'key-9'",
        "DELETE FROM key WHERE key_id = 'key-9'; DELETE FROM key_version WHERE key_id = 'key-9'; \
         DELETE FROM index_root WHERE scope = 'key/key-9'",
        "UPDATE index_root SET wrapped = zeroblob(60) WHERE scope = 'purpose/pii'",
        "DELETE FROM index_root WHERE scope = 'key/key-9'",
        "UPDATE purpose SET description = 'x'",
        "UPDATE entity SET mac = zeroblob(32) WHERE id = 'key-9'",
        "DELETE FROM entity WHERE id = 'key-9'",
        "INSERT INTO entity VALUES (77, 'key', 'planted', zeroblob(32))",
        "UPDATE tree_node SET leaves = CAST(leaves || zeroblob(33) AS BLOB) WHERE node = (SELECT min(node) FROM tree_node)",
        "UPDATE recipient SET created_at = 1",
        "UPDATE system_key SET created_at = 1 WHERE name = 'audit'",
    ] {
        std::fs::write(home.path(), &good).unwrap();
        let connection = hostile(&home.path());
        connection.execute_batch(change).unwrap();
        drop(connection);
        let refused = match open(&home, &home.master_key()) {
            Err(error) => error.kind(),
            Ok(store) => {
                let before = store.anchor().unwrap();
                let refused = kind(store.rotate_master_key(None));
                assert_eq!(store.anchor().unwrap(), before, "{change}");
                refused
            }
        };
        assert_eq!(refused, ErrorKind::IntegrityError, "{change}");
    }
}

/// Rows of no entity stay where they are and are taken for nothing.
#[test]
fn strays_are_not_taken_in() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    filled(&home).0.close();
    let connection = hostile(&home.path());
    connection
        .execute_batch(
            "INSERT INTO key SELECT 'planted', kind, algorithm, NULL, description, labels, exportable, archived, \
             on_limit, expires_in, created_at FROM key WHERE key_id = 'own';
             INSERT INTO key_version SELECT 'planted', version, tag + 1, prefix, is_current, state, state_reason, \
             state_before, algorithm, created_at, expires_at, destroy_at, kek_version, wrapped FROM key_version WHERE key_id = 'own'",
        )
        .unwrap();
    drop(connection);
    let store = open(&home, &home.master_key()).unwrap();
    store.rotate_master_key(None).unwrap();
    assert_eq!(kind(store.key("planted")), ErrorKind::IntegrityError);
    let findings = store.check().unwrap().findings;
    assert!(
        findings.iter().all(|found| found.subject == "key planted") && !findings.is_empty(),
        "{findings:?}"
    );
}

/// Changes the master key from one to the other and back until it is killed, with other acts between.
#[test]
#[ignore = "a child of the test below"]
fn changing() {
    let Some(orders) = orders() else { return };
    let other = MasterKey::parse(&orders.task).unwrap();
    let both = MasterKey::any_of([orders.master_key.clone(), other.clone()]).unwrap();
    let store = Store::open_with(&orders.path, &both, &quick()).unwrap();
    let mut first = store.test_recipient(&other).is_err();
    tell("open");
    loop {
        let next = if first { &other } else { &orders.master_key };
        let rotated = store.rotate_master_key(Some(next)).unwrap();
        first = !first;
        tell(format!("kek {}", rotated.kek_version));
        let sealed = store.encrypt("pii", b"ada", b"").unwrap();
        tell(format!("sealed {}", common::hex(&sealed)));
        store.rotate_key("pii").unwrap();
        store.rotate_master_key(None).unwrap();
    }
}

#[test]
fn a_kill_leaves_the_old_or_the_new() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let (store, mut sealed, _) = filled(&home);
    store.close();
    let other = generate_master_key().unwrap();
    let keys = [home.master_key(), MasterKey::parse(&other).unwrap()];
    let mut random = Random::new("rekey");
    let (mut newest, mut opened) = (1, [0, 0]);
    for _ in 0..60 {
        let mut child = home.child("changing", &other);
        assert_eq!(child.hears(), "open");
        // Some acts, and some part of the next.
        let mut lines: Vec<String> = (0..random.below(6)).map(|_| child.hears()).collect();
        std::thread::sleep(Duration::from_micros(random.below(10_000) as u64));
        child.child.kill().unwrap();
        lines.extend(std::iter::from_fn(|| child.listen()));
        for line in lines {
            match line.split_once(' ') {
                Some(("kek", version)) => newest = version.parse().unwrap(),
                Some(("sealed", text)) => sealed.push(("ada".to_owned(), common::unhex(text))),
                _ => panic!("{line}"),
            }
        }
        child.child.wait().unwrap();
        let both: Vec<_> = keys.iter().map(|key| open(&home, key)).collect();
        let place = both.iter().position(Result::is_ok).expect("neither opens it");
        assert_eq!(both[1 - place].as_ref().unwrap_err().kind(), ErrorKind::WrongMasterKey);
        opened[place] += 1;
        let store = both[place].as_ref().unwrap();
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        for (text, ciphertext) in &sealed {
            let key_id = if text == "ada" { "pii" } else { text };
            assert_eq!(store.decrypt(key_id, ciphertext, b"").unwrap(), *text.as_bytes());
        }
        // What was killed between the rotation and the purge is made up for.
        assert!(!store.purge().unwrap());
    }
    println!("60 kills: up to KEK version {newest}, opened by {opened:?}");
    assert!(newest > 20 && opened[0] > 0 && opened[1] > 0, "the kills came too early: {newest} {opened:?}");
}

/// In a process of its own, where no other test's threads are.
#[test]
fn forked_children_follow() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    filled(&home).0.close();
    assert_eq!(home.child("forking", "").finish(), ["followed", "followed in the child", "well"]);
}

#[test]
#[ignore = "a child of the test above"]
fn forking() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &quick()).unwrap();
    let key = store.key("pii").unwrap();
    let sealed = key.encrypt(b"ada", b"").unwrap();
    // SAFETY: the child runs this test's own code and ends by _exit.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: as in tests/fork.rs: a child that hangs is ended by the kernel.
        unsafe { libc::alarm(20) };
        let followed = (|| {
            let other = Store::open_with(&orders.path, &orders.master_key, &quick())?;
            other.rotate_master_key(None)?;
            std::thread::sleep(milliseconds(30));
            let opened = key.decrypt(&sealed, b"")? == b"ada"[..];
            key.encrypt(b"x", b"")?;
            store.rotate_master_key(None)?;
            Ok::<bool, keyfold::Error>(opened && store.check()?.ok)
        })();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!matches!(followed, Ok(true)))) }
    }
    let mut status = 0;
    // SAFETY: waits for our own child; `status` is a live integer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    let deadline = Instant::now() + Duration::from_secs(10);
    while key.encrypt(b"x", b"").is_err() && Instant::now() < deadline {
        std::thread::sleep(milliseconds(10));
    }
    assert_eq!(key.decrypt(&sealed, b"").unwrap(), b"ada"[..]);
    tell("followed");
    assert_eq!(status, 0);
    tell("followed in the child");
    assert_eq!(store.rotate_master_key(None).unwrap().kek_version, 4);
    assert!(store.check().unwrap().ok);
    tell("well");
}

/// Several processes rotate at once, and threads encrypt meanwhile: nothing fails, nothing is lost.
#[test]
fn rotations_at_once() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let (store, sealed, _) = filled(&home);
    let stores: Vec<Store> = (0..4).map(|_| open(&home, &home.master_key()).unwrap()).collect();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| (0..5).for_each(|_| drop(store.rotate_master_key(None).unwrap())));
            scope.spawn(|| {
                for _ in 0..200 {
                    let made = store.encrypt("pii", b"ada", b"").unwrap();
                    assert_eq!(store.decrypt("pii", made, b"").unwrap(), b"ada"[..]);
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
        }
    });
    let report = store.check().unwrap();
    assert!(report.ok, "{:?}", report.findings);
    all_open(&store, &sealed);
    assert_eq!(store.rotate_master_key(None).unwrap().kek_version, 22);
}
