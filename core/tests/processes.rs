//! Many processes on one file at the same time.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Home, hear, hex, kind, milliseconds, orders, tell, unhex};
use keyfold::{Aad, CreateKey, ErrorKind, KeyFilter, OpenOptions, Store};

const PROCESSES: u32 = 8;
const ROTATIONS: u32 = 50;

/// Does what it is told, line by line.
#[test]
#[ignore = "a child of the tests below"]
fn worker() {
    let Some(orders) = orders() else { return };
    let options = match orders.task.as_str() {
        "create" => OpenOptions::new().create(true),
        "slow" => OpenOptions::new()
            .refresh_interval(Duration::from_secs(3600))
            .max_stale(Duration::from_secs(3600)),
        "half a second" => OpenOptions::new().refresh_interval(milliseconds(500)),
        _ => OpenOptions::new(),
    };
    tell("ready");
    assert_eq!(hear().as_deref(), Some("open"));
    let store = Store::open_with(&orders.path, &orders.master_key, &options).unwrap();
    tell(store.fingerprint());
    while let Some(line) = hear() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["rotate", key_id, times] => {
                for _ in 0..times.parse().unwrap() {
                    tell(store.rotate_key(key_id).unwrap().version);
                }
            }
            ["encrypt", key_id] => tell(hex(&store.encrypt(key_id, b"ada", Aad::NONE).unwrap())),
            ["decrypt", key_id, sealed] => tell(match store.decrypt(key_id, unhex(sealed), Aad::NONE) {
                Ok(opened) => hex(&opened),
                Err(error) => error.to_string(),
            }),
            ["exists", key_id] => tell(store.key_info(key_id).is_ok()),
            _ => panic!("{line}"),
        }
    }
}

fn start(home: &Home, task: &str) -> common::Process {
    let mut child = home.child("worker", task);
    assert_eq!(child.hears(), "ready");
    child
}

#[test]
fn eight_processes_rotate_one_key() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let mut children: Vec<_> = (0..PROCESSES).map(|_| start(&home, "")).collect();
    for child in &mut children {
        child.say("open");
        child.say(&format!("rotate pii {ROTATIONS}"));
    }
    let mut made = BTreeSet::new();
    for child in children {
        let told = child.finish();
        let versions: Vec<u32> = told[1..].iter().map(|version| version.parse().unwrap()).collect();
        assert_eq!(versions.len() as u32, ROTATIONS);
        assert!(versions.is_sorted());
        made.extend(versions);
    }
    let last = 1 + PROCESSES * ROTATIONS;
    assert!(made.into_iter().eq(2..=last), "each version was made once");
    let versions = store.list_key_versions("pii").unwrap();
    assert!(versions.iter().map(|version| version.version).eq((1..=last).rev()));
    assert_eq!(versions.iter().filter(|version| version.is_current).count(), 1);
    assert!(versions[0].is_current);
    let tags: BTreeSet<_> = versions.iter().map(|version| version.tag).collect();
    assert_eq!(tags.len(), versions.len());
    assert!(store.check().unwrap().ok);
}

#[test]
fn eight_processes_create_one_store() {
    for _ in 0..5 {
        let home = Home::new();
        let mut children: Vec<_> = (0..PROCESSES).map(|_| start(&home, "create")).collect();
        children.iter_mut().for_each(|child| child.say("open"));
        let fingerprints: BTreeSet<_> = children.iter_mut().map(|child| child.hears()).collect();
        assert_eq!(fingerprints.len(), 1, "{fingerprints:?}");
        children.into_iter().for_each(|child| drop(child.finish()));
        assert_eq!(common::names(home.folder.path()), ["app.keyfold"]);
        let store = home.open_with(&OpenOptions::new()).unwrap();
        assert!(fingerprints.contains(store.fingerprint()));
        let report = store.check().unwrap();
        assert!(report.ok && report.generation == 1, "{report:?}");
    }
}

#[test]
fn a_rotation_is_used_within_the_refresh_interval() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let (mut quick, mut slow) = (start(&home, "half a second"), start(&home, "slow"));
    for child in [&mut quick, &mut slow] {
        child.say("open");
        assert_eq!(child.hears(), store.fingerprint());
    }
    let version_used = |child: &mut common::Process| {
        child.say("encrypt pii");
        let sealed = unhex(&child.hears());
        assert_eq!(store.decrypt("pii", &sealed, Aad::NONE).unwrap(), b"ada"[..]);
        store.inspect(&sealed).unwrap()[0].version
    };
    assert_eq!((version_used(&mut quick), version_used(&mut slow)), (1, 1));
    for version in 2..=3 {
        store.rotate_key("pii").unwrap();
        let rotated = Instant::now();
        while version_used(&mut quick) != version {
            assert!(rotated.elapsed() < Duration::from_secs(5), "version {version} is not used");
            std::thread::sleep(milliseconds(20));
        }
    }
    // Until it must look it goes on with what it has; what it does not know yet it opens at once.
    assert_eq!(version_used(&mut slow), 1);
    for _ in 0..3 {
        store.rotate_key("pii").unwrap();
        let sealed = store.encrypt("pii", b"newer", Aad::NONE).unwrap();
        slow.say(&format!("decrypt pii {}", hex(&sealed)));
        assert_eq!(slow.hears(), hex(b"newer"));
    }
    assert_eq!(version_used(&mut slow), 6);
    // A key that was made meanwhile is found, and what no version made is refused.
    store.create_key("later", &CreateKey::new()).unwrap();
    slow.say("exists later");
    assert_eq!(slow.hears(), "true");
    slow.say(&format!(
        "decrypt pii {}",
        hex(&[
            1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        ])
    ));
    assert!(slow.hears().starts_with("decryption failed"));
}

/// Writers that take the lock again at once starve nobody: each gets its turn within the default `busy_timeout`.
#[test]
fn writers_in_tight_loops_starve_nobody() {
    const WRITERS: usize = 14;
    let home = Home::on_disk();
    drop(home.open_with_key("pii"));
    let mut children: Vec<_> = (0..WRITERS).map(|_| start(&home, "")).collect();
    for child in &mut children {
        child.say("open");
        child.hears();
    }
    children.iter_mut().for_each(|child| child.say("rotate pii 60"));
    let made: BTreeSet<String> =
        children.iter_mut().flat_map(|child| (0..60).map(|_| child.hears()).collect::<Vec<_>>()).collect();
    assert_eq!(made.len(), WRITERS * 60);
}

/// Whoever rotates, here or elsewhere, nobody who encrypts, decrypts or asks meanwhile meets an error.
#[test]
fn others_rotate_while_threads_work() {
    let home = Home::new();
    let options = OpenOptions::new().create(true).refresh_interval(milliseconds(10));
    let store = home.open_with(&options).unwrap();
    store.create_key("pii", &CreateKey::new().purpose("pii")).unwrap();
    let mut child = start(&home, "");
    child.say("open");
    child.hears();
    let (stop, worked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let until_stopped = |work: &dyn Fn()| {
        while !stop.load(Ordering::Relaxed) {
            work();
            worked.fetch_add(1, Ordering::Relaxed);
        }
    };
    let first = store.encrypt("pii", b"first", b"x").unwrap();
    let seal_and_open = || {
        let sealed = store.encrypt("pii", b"ada", b"x").unwrap();
        assert_eq!(store.decrypt("pii", &sealed, b"x").unwrap(), b"ada"[..]);
        assert_eq!(store.decrypt("pii", &first, b"x").unwrap(), b"first"[..]);
    };
    let ask = || {
        assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 1);
        assert!(store.key_info("pii").unwrap().current_version.is_some());
        store.anchor().unwrap();
    };
    std::thread::scope(|scope| {
        let stop_all = StopWhenDropped(&stop);
        scope.spawn(|| until_stopped(&seal_and_open));
        scope.spawn(|| until_stopped(&seal_and_open));
        scope.spawn(|| until_stopped(&ask));
        scope.spawn(|| until_stopped(&ask));
        child.say("rotate pii 60");
        for _ in 0..60 {
            store.rotate_key("pii").unwrap();
            child.hears();
        }
        drop(stop_all);
    });
    assert!(worked.into_inner() > 100, "the threads hardly worked");
    assert_eq!(store.key_info("pii").unwrap().current_version, Some(121));
    assert!(store.check().unwrap().ok);
}

/// A store that is closed while others use it ends all of them with Closed, and leaves nothing open.
#[test]
fn closing_while_threads_work() {
    for _ in 0..20 {
        let home = Home::new();
        let store = home.open_with_key("pii");
        let acknowledged = AtomicUsize::new(1);
        let until_closed = |work: &dyn Fn() -> keyfold::Result<()>| {
            let error = loop {
                if let Err(error) = work() {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                until_closed(&|| {
                    store
                        .rotate_key("pii")
                        .map(|info| acknowledged.store(info.version as usize, Ordering::Release))
                })
            });
            scope.spawn(|| until_closed(&|| store.encrypt("pii", b"ada", b"x").map(drop)));
            scope.spawn(|| until_closed(&|| store.list_keys(&KeyFilter::new()).map(drop)));
            std::thread::sleep(milliseconds(20));
            store.close();
            let open = open_files(&home);
            assert!(open.is_empty(), "still open after closing: {open:?}");
        });
        assert_eq!(kind(store.rotate_key("pii")), ErrorKind::Closed);
        let again = home.open_with(&OpenOptions::new()).unwrap();
        let versions = again.list_key_versions("pii").unwrap().len();
        assert!(versions >= acknowledged.into_inner());
    }
}

/// What this process has open in the store's folder.
fn open_files(home: &Home) -> Vec<std::path::PathBuf> {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|path| path.starts_with(home.folder.path()))
        .collect()
}

/// Also where a panic ends the scope, so that its threads end.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
