//! kill -9 at any moment: what was acknowledged is there, and the store is whole.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Home, Random, hex, names, orders, tell, unhex};
use keyfold::{CreateKey, ErrorKind, OpenOptions, Store};

const KILLS: usize = 100;
/// Every so many kills begin with a new store.
const STORE_LIFE: usize = 5;

/// Makes the store and changes it until it is killed. Each line acknowledges what a call returned.
#[test]
#[ignore = "a child of the test below"]
fn worker() {
    let Some(orders) = orders() else { return };
    tell("begin");
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new().create(true)).unwrap();
    tell("open");
    let acknowledge = |key_id: &str, version: u32| {
        tell(format!("version {key_id} {version}"));
        let sealed = store.encrypt(key_id, key_id.as_bytes(), b"crash").unwrap();
        tell(format!("sealed {key_id} {}", hex(&sealed)));
    };
    for round in 0.. {
        let key_id = format!("k{}", round % 4);
        let made = store.create_key(&key_id, &CreateKey::new().purpose("pii").exist_ok(true)).unwrap();
        acknowledge(&key_id, made.current_version.unwrap());
        acknowledge(&key_id, store.rotate_key(&key_id).unwrap().version);
    }
}

/// What the killed processes acknowledged of one store.
#[derive(Default)]
struct Promises {
    exists: bool,
    newest: BTreeMap<String, u32>,
    sealed: Vec<(String, Vec<u8>)>,
}

impl Promises {
    fn take(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["begin"] => {}
            ["open"] => self.exists = true,
            ["version", key_id, version] => {
                let version: u32 = version.parse().unwrap();
                let newest = self.newest.entry(key_id.to_owned()).or_default();
                assert!(version >= *newest, "{key_id} went back from {newest} to {version}");
                *newest = version;
            }
            ["sealed", key_id, sealed] => self.sealed.push((key_id.to_owned(), unhex(sealed))),
            _ => panic!("{line}"),
        }
    }

    fn check(&self, home: &Home) {
        let store = match home.open_with(&OpenOptions::new()) {
            Err(error) if error.kind() == ErrorKind::NotFound && !self.exists => return,
            opened => opened.unwrap(),
        };
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        for (key_id, newest) in &self.newest {
            let versions = store.list_key_versions(key_id).unwrap();
            let numbers: Vec<u32> = versions.iter().rev().map(|version| version.version).collect();
            assert!(
                numbers.len() as u32 >= *newest,
                "{key_id}: {newest} acknowledged, {} left",
                numbers.len()
            );
            assert!(numbers.iter().copied().eq(1..=numbers.len() as u32), "{key_id}: {numbers:?}");
            let current: Vec<_> = versions.iter().filter(|version| version.is_current).collect();
            assert!(current.len() == 1 && current[0].version as usize == numbers.len(), "{current:?}");
        }
        for (key_id, sealed) in &self.sealed {
            assert_eq!(store.decrypt(key_id, sealed, b"crash").unwrap(), *key_id.as_bytes());
        }
    }
}

#[test]
fn killed_a_hundred_times() {
    let mut random = Random::new("crash");
    let (mut without_store, mut acknowledged, mut drafts) = (0, 0, 0);
    let mut home = Home::new();
    let mut promises = Promises::default();
    for kill in 0..KILLS {
        if kill % STORE_LIFE == 0 {
            acknowledged += promises.sealed.len();
            drafts += leftovers(&home);
            (home, promises) = (Home::new(), Promises::default());
        }
        let mut child = home.child("worker", "");
        assert_eq!(child.hears(), "begin");
        // While the store is made or opened, or some time after; not all pauses are as long as they are asked to be.
        let early = kill % STORE_LIFE == 0 || random.below(4) == 0;
        match early {
            true => {
                std::thread::sleep(Duration::from_micros((random.below(60_000) >> random.below(6)) as u64))
            }
            false => {
                let lines = random.below(60);
                (0..lines).for_each(|_| promises.take(&child.hears()));
                std::thread::sleep(Duration::from_micros(random.below(5_000) as u64));
            }
        }
        child.child.kill().unwrap();
        while let Some(line) = child.listen() {
            promises.take(&line);
        }
        child.child.wait().unwrap();
        without_store += usize::from(!home.path().exists());
        // Where it is not checked, the next child recovers it.
        if random.below(2) == 0 || kill % STORE_LIFE == STORE_LIFE - 1 {
            promises.check(&home);
        }
    }
    acknowledged += promises.sealed.len();
    drafts += leftovers(&home);
    println!(
        "{KILLS} kills: {acknowledged} acknowledged, {without_store} before there was a store, {drafts} drafts left"
    );
    assert!(
        acknowledged > 3 * KILLS,
        "the kills came too early to show anything: {acknowledged} acknowledged"
    );
}

/// What a killed creation leaves is named after the store, and nothing else is left. How many such files.
fn leftovers(home: &Home) -> usize {
    let mut drafts = 0;
    for name in names(home.folder.path()) {
        let rest = name.strip_prefix("app.keyfold").unwrap_or_else(|| panic!("a stray file {name}"));
        match rest {
            "" | "-wal" | "-shm" => {}
            _ => {
                let (draft, suffix) =
                    rest.split_once(".new").unwrap_or_else(|| panic!("a stray file {name}"));
                let number = draft.strip_prefix('.').is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok());
                assert!(number && ["", "-wal", "-shm", "-journal"].contains(&suffix), "a stray file {name}");
                drafts += 1;
            }
        }
    }
    drafts
}

/// The proof can fail: without the write-ahead log that the kill left, acknowledged versions are missing.
#[test]
fn a_lost_log_would_be_noticed() {
    let home = Home::new();
    let mut child = home.child("worker", "");
    let mut promises = Promises::default();
    (0..30).for_each(|_| promises.take(&child.hears()));
    child.child.kill().unwrap();
    child.child.wait().unwrap();
    std::fs::remove_file(common::beside(&home.path(), "-wal")).unwrap();
    assert!(std::panic::catch_unwind(|| promises.check(&home)).is_err());
}

/// The other process, killed in the middle of its acts, leaves nothing that stops this one.
#[test]
fn the_survivor_goes_on() {
    let home = Home::new();
    let store = home.open_with_key("mine");
    for _ in 0..5 {
        let mut child = home.child("worker", "");
        (0..10).for_each(|_| drop(child.hears()));
        child.child.kill().unwrap();
        child.child.wait().unwrap();
        let version = store.rotate_key("mine").unwrap().version;
        assert_eq!(store.list_key_versions("mine").unwrap()[0].version, version);
        let sealed = store.encrypt("mine", b"ada", b"").unwrap();
        assert_eq!(store.inspect(&sealed).unwrap()[0].key_id, "mine");
    }
    assert!(store.check().unwrap().ok);
}
