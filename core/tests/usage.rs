//! Counts of messages: never below what was sealed, whoever crashes, forks or is refused.

#![cfg(unix)]

mod common;

use std::sync::Mutex;

use common::{Home, alone, hostile, kind, milliseconds, orders, tell};
use keyfold::{Aad, Algorithm, CreateKey, ErrorKind, Key, OpenOptions, Store, limits};

/// A fork copies whatever another test's threads are doing, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn open_with(home: &Home, algorithm: Algorithm) -> Store {
    let store = home.open_with(&OpenOptions::new().create(true).busy_timeout(milliseconds(5))).unwrap();
    store.create_key("k", &CreateKey::new().algorithm(algorithm)).unwrap();
    store
}

fn count(store: &Store) -> u64 {
    store.key_usage("k").unwrap()[0].messages
}

fn seal(key: &Key, messages: u64) {
    for _ in 0..messages {
        key.encrypt(b"ada", Aad::NONE).unwrap();
    }
}

#[test]
fn a_lease_is_on_disk_before_it_is_used_and_doubles() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256Gcm);
    let key = store.key("k").unwrap();
    assert_eq!(count(&store), 0);
    let anchor = store.anchor().unwrap();
    seal(&key, 1);
    assert_eq!(count(&store), limits::FIRST_LEASE);
    let mut sealed = 1;
    let mut steps = vec![count(&store)];
    for _ in 0..2_000 {
        seal(&key, 1);
        sealed += 1;
        let now = count(&store);
        assert!(now >= sealed, "{now} counted, {sealed} sealed");
        if steps.last() != Some(&now) {
            steps.push(now);
        }
    }
    assert_eq!(steps, [256, 768, 1_792, 3_840]);
    // A lease is no act: other processes keep their snapshots.
    assert_eq!(store.anchor().unwrap().to_string(), anchor.to_string());
    // Of a message each mebibyte begun counts.
    let big = vec![0; 2 << 20];
    for _ in 0..600 {
        key.encrypt(&big, Aad::NONE).unwrap();
        sealed += 2;
    }
    assert!(count(&store) >= sealed);
    store.close();
    let store = home.open();
    assert!(count(&store) >= sealed && store.check().unwrap().ok);
}

#[test]
fn others_are_counted_when_the_store_closes() {
    let _alone = alone(&ALONE);
    for algorithm in [Algorithm::Aes256GcmSiv, Algorithm::Xaes256Gcm, Algorithm::XChaCha20Poly1305] {
        let home = Home::new();
        let store = open_with(&home, algorithm);
        let key = store.key("k").unwrap();
        seal(&key, 990);
        let sealed = key.encrypt_text("ada", Aad::NONE).unwrap();
        key.encrypt(&vec![0; (4 << 20) + 1], Aad::NONE).unwrap();
        store.encrypt("k", b"", Aad::NONE).unwrap();
        store.rotate_key("k").unwrap();
        key.reencrypt_text(&sealed, Aad::NONE).unwrap();
        // Refused calls count for nothing.
        assert_eq!(
            kind(key.encrypt(&vec![0; limits::MESSAGE_BYTES + 1], Aad::NONE)),
            ErrorKind::LimitExceeded
        );
        assert!(store.key_usage("k").unwrap().iter().all(|usage| usage.messages == 0));
        store.close();
        store.close();
        let counted: Vec<_> =
            home.open().key_usage("k").unwrap().iter().map(|usage| usage.messages).collect();
        assert_eq!(counted, [1, 990 + 1 + 5 + 1], "{algorithm}");
    }
}

#[test]
fn threads_share_a_lease() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open();
    store.create_key("k", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    let key = store.key("k").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| seal(&key, 5_000));
        }
    });
    let counted = count(&store);
    assert!((60_000..=4 * 60_000).contains(&counted), "{counted}");
}

/// The store cannot be written: a lease is used up to the last message, and then nothing more is sealed.
#[test]
fn nothing_is_sealed_uncounted() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256Gcm);
    let key = store.key("k").unwrap();
    seal(&key, 1);
    let other = hostile(&home.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    seal(&key, limits::FIRST_LEASE - 1);
    for _ in 0..3 {
        assert_eq!(kind(key.encrypt(b"ada", Aad::NONE)), ErrorKind::Busy);
    }
    // Decrypting needs no count.
    other.execute_batch("ROLLBACK").unwrap();
    seal(&key, 1);
    assert_eq!(count(&store), 3 * limits::FIRST_LEASE);
}

/// What is counted afterwards goes on although the store cannot be written, and is counted in the end.
#[test]
fn others_go_on_uncounted_for_a_while() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256GcmSiv);
    let key = store.key("k").unwrap();
    let other = hostile(&home.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    seal(&key, limits::LARGEST_LEASE + 1_000);
    assert_eq!(count(&store), 0);
    other.execute_batch("ROLLBACK").unwrap();
    store.close();
    assert_eq!(count(&home.open()), limits::LARGEST_LEASE + 1_000);
}

/// Runs `work` in a forked child; false where it failed.
fn in_child(work: impl FnOnce()) -> bool {
    // SAFETY: the child does its work and ends by _exit, running no destructor of ours.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork failed");
    if process == 0 {
        // SAFETY: the default action of SIGALRM ends a child that hangs.
        unsafe { libc::alarm(20) };
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!worked)) }
    }
    let mut status = 0;
    // SAFETY: waits for our own child, into our own number.
    unsafe { libc::waitpid(process, &mut status, 0) };
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[test]
fn a_child_leases_anew() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256Gcm);
    let key = store.key("k").unwrap();
    seal(&key, 1);
    assert_eq!(count(&store), 256);
    for children in 1..=5 {
        assert!(in_child(|| {
            seal(&key, 1);
            assert_eq!(count(&store), 256 + 256 * children);
            // And a child of the child.
            seal(&key, 50);
        }));
        assert_eq!(count(&store), 256 + 256 * children);
    }
    // The parent's own lease is as it was.
    seal(&key, 100);
    assert_eq!(count(&store), 256 * 6);
    assert!(in_child(|| {
        seal(&key, 1);
        assert!(in_child(|| {
            seal(&key, 1);
            assert_eq!(count(&store), 256 * 8);
        }));
    }));
    assert_eq!(count(&store), 256 * 8);
}

/// A child that closes what it inherited does not count its parent's messages again.
#[test]
fn each_side_of_a_fork_counts_its_own() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256GcmSiv);
    let key = store.key("k").unwrap();
    seal(&key, 100);
    assert!(in_child(|| store.close()));
    assert_eq!(count(&store), 0);
    assert!(in_child(|| {
        seal(&key, 10);
        store.close();
    }));
    assert_eq!(count(&store), 10);
    store.close();
    assert_eq!(count(&home.open()), 110);
}

/// Seals until it is killed or has sealed as many as it was told; says so every time, after the call.
#[test]
#[ignore = "a child of the tests below"]
fn sealer() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("k").unwrap();
    let messages = orders.task.parse().unwrap_or(u64::MAX);
    for sealed in 1..=messages {
        seal(&key, 1);
        if orders.task.is_empty() || sealed % 100 == 0 {
            tell(sealed);
        }
    }
}

#[test]
fn eight_processes_count_all_that_they_seal() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256Gcm);
    let mut children: Vec<_> = (0..8).map(|_| home.child("sealer", "3000")).collect();
    let mut sealed = [0; 8];
    loop {
        let mut heard = false;
        for (child, sealed) in children.iter_mut().zip(&mut sealed) {
            if let Some(line) = child.listen() {
                (*sealed, heard) = (line.parse::<u64>().unwrap(), true);
            }
        }
        assert!(count(&store) >= sealed.iter().sum(), "{} counted, {sealed:?} sealed", count(&store));
        if !heard {
            break;
        }
    }
    assert_eq!(sealed, [3_000; 8]);
    children.into_iter().for_each(|child| drop(child.finish()));
    assert_eq!(store.list_key_versions("k").unwrap().len(), 1);
    assert!(store.check().unwrap().ok);
}

#[test]
fn a_kill_loses_no_count() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open_with(&home, Algorithm::Aes256Gcm);
    let mut total = 0;
    for kill in 0..12_u64 {
        let mut child = home.child("sealer", "");
        let mut sealed = 0;
        while sealed < 1 + kill * 60 {
            sealed = child.hears().parse().unwrap();
        }
        child.child.kill().unwrap();
        while let Some(line) = child.listen() {
            sealed = line.parse().unwrap();
        }
        total += sealed;
        let counted = count(&store);
        assert!(counted >= total, "kill {kill}: {counted} counted, {total} sealed");
    }
    assert!(store.check().unwrap().ok);
}
