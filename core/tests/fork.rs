//! fork(): both sides work on, whoever ends first; no nonce twice, no acknowledged act lost, no lock broken.

#![cfg(unix)]

mod common;

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Home, alone, beside, hear, milliseconds, orders, tell};
use keyfold::{
    Aad, Algorithm, CreateKey, IndexOptions, IndexScope, Key, KeyKind, OpenOptions, Store, limits,
};

/// A fork copies whatever another test's threads are doing, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// How long a child may take on a loaded machine before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A forked child.
struct Forked {
    process: libc::pid_t,
    answer: File,
    lets_go: Option<File>,
}

/// Runs `work` in a forked child, which then ends without running anything else. What `work` writes is the
/// child's answer; it may wait for the parent by reading.
fn fork(work: impl FnOnce(&mut File, &mut File)) -> Forked {
    let (mut from_child, mut to_parent) = pipe();
    let (mut from_parent, to_child) = pipe();
    // SAFETY: what the child runs is under test for just that; it ends by _exit, with no destructor of ours.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "fork failed");
    if process == 0 {
        drop((std::mem::replace(&mut from_child, null()), to_child));
        // A child that hangs is ended by the kernel, and seen as failed.
        // SAFETY: takes a number; the default action of SIGALRM ends the process.
        unsafe { libc::alarm(WATCHDOG.as_secs() as u32) };
        let worked = catch_unwind(AssertUnwindSafe(|| work(&mut to_parent, &mut from_parent))).is_ok();
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(i32::from(!worked)) }
    }
    drop((std::mem::replace(&mut to_parent, null()), from_parent));
    Forked { process, answer: from_child, lets_go: Some(to_child) }
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

/// The ends to read and to write.
fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, each then owned by one File.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

impl Forked {
    /// Waits until the child wrote this byte.
    fn expect(&mut self, byte: u8) {
        let mut read = [0];
        self.answer.read_exact(&mut read).expect("the child failed before it answered");
        assert_eq!(read[0], byte);
    }

    fn let_go(&mut self) {
        self.lets_go.take().unwrap().write_all(b"!").unwrap();
    }

    /// The rest of the child's answer, once it has ended well.
    fn end(mut self) -> Vec<u8> {
        let mut answer = Vec::new();
        self.answer.read_to_end(&mut answer).unwrap();
        let mut status = 0;
        // SAFETY: waits for our own child; `status` is a live integer.
        assert_eq!(unsafe { libc::waitpid(self.process, &mut status, 0) }, self.process);
        assert_eq!(status, 0, "the child failed or hung (signal {})", libc::WTERMSIG(status));
        answer
    }
}

fn wait_for(parent: &mut File) {
    parent.read_exact(&mut [0]).unwrap();
}

fn versions(store: &Store, key_id: &str) -> usize {
    store.list_key_versions(key_id).unwrap().len()
}

#[test]
fn no_nonce_twice_among_64_children() {
    let _alone = alone(&ALONE);
    const CHILDREN: usize = 64;
    const MESSAGES: usize = 50;
    let home = Home::new();
    let store = home.open();
    let keys: Vec<Key> = Algorithm::AEAD
        .iter()
        .map(|algorithm| {
            store.create_key(algorithm.name(), &CreateKey::new().algorithm(*algorithm)).unwrap();
            let key = store.key(algorithm.name()).unwrap();
            key.encrypt(b"to warm it", Aad::NONE).unwrap();
            key
        })
        .collect();
    let length = |algorithm: Algorithm| 5 + algorithm.nonce_length() + 5 + 16;
    let seal_all = |out: &mut Vec<u8>| {
        for _ in 0..MESSAGES {
            keys.iter().for_each(|key| out.extend(key.encrypt(b"12345", Aad::NONE).unwrap()));
        }
    };
    let children: Vec<_> = (0..CHILDREN)
        .map(|_| {
            fork(|out, _| {
                let mut sealed = Vec::new();
                seal_all(&mut sealed);
                out.write_all(&sealed).unwrap();
            })
        })
        .collect();
    let mut sealed = Vec::new();
    seal_all(&mut sealed);
    children.into_iter().for_each(|child| sealed.extend(child.end()));

    let mut seen = HashSet::new();
    let mut rest = &sealed[..];
    for (key, algorithm) in keys.iter().zip(Algorithm::AEAD).cycle() {
        let Some((ciphertext, left)) = rest.split_at_checked(length(algorithm)) else { break };
        rest = left;
        assert_eq!(key.decrypt(ciphertext, Aad::NONE).unwrap(), b"12345"[..]);
        let nonce = &ciphertext[5..5 + algorithm.nonce_length()];
        // Also the halves: XAES splits its nonce, and equal halves would tell of a generator that was copied.
        assert!(seen.insert(nonce[..12].to_vec()), "a nonce of {algorithm} comes twice");
    }
    assert_eq!(seen.len(), (CHILDREN + 1) * MESSAGES * 4);
}

/// Also what is not a nonce: tags and keys of versions that siblings make.
#[test]
fn children_make_different_keys() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    let children: Vec<_> = (0..8)
        .map(|_| fork(|out, _| out.write_all(&store.rotate_key("pii").unwrap().tag.to_be_bytes()).unwrap()))
        .collect();
    let mut tags: HashSet<_> = children.into_iter().map(Forked::end).collect();
    tags.extend(
        store.list_key_versions("pii").unwrap().iter().map(|version| version.tag.to_be_bytes().to_vec()),
    );
    assert_eq!((tags.len(), versions(&store, "pii")), (9, 9));
    assert!(store.check().unwrap().ok);
}

#[test]
fn child_and_parent_rotate_while_both_are_open() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    let before = store.encrypt("pii", b"before", Aad::NONE).unwrap();
    let mut child = fork(|out, parent| {
        assert_eq!(store.rotate_key("pii").unwrap().version, 2);
        out.write_all(b"2").unwrap();
        wait_for(parent);
        assert_eq!(store.decrypt("pii", &before, Aad::NONE).unwrap(), b"before"[..]);
        assert_eq!(versions(&store, "pii"), 3);
        assert_eq!(store.rotate_key("pii").unwrap().version, 4);
        out.write_all(b"4").unwrap();
        out.write_all(&store.encrypt("pii", b"child", Aad::NONE).unwrap()).unwrap();
    });
    child.expect(b'2');
    assert_eq!(store.rotate_key("pii").unwrap().version, 3);
    child.let_go();
    child.expect(b'4');
    let sealed = child.end();
    assert_eq!(store.decrypt("pii", sealed, Aad::NONE).unwrap(), b"child"[..]);
    assert_eq!(store.rotate_key("pii").unwrap().version, 5);
    store.close();
    assert_eq!(versions(&home.open(), "pii"), 5);
}

#[test]
fn whoever_closes_first_the_other_loses_nothing() {
    let _alone = alone(&ALONE);
    for parent_first in [true, false] {
        let home = Home::new();
        let store = home.open_with_key("pii");
        let mut child = fork(|out, parent| {
            store.rotate_key("pii").unwrap();
            if parent_first {
                out.write_all(b"r").unwrap();
                wait_for(parent);
                store.rotate_key("pii").unwrap();
                store.rotate_key("pii").unwrap();
            } else {
                store.close();
                out.write_all(b"r").unwrap();
                wait_for(parent);
            }
        });
        child.expect(b'r');
        let expected = match parent_first {
            true => {
                store.rotate_key("pii").unwrap();
                store.close();
                child.let_go();
                child.end();
                5
            }
            false => {
                store.rotate_key("pii").unwrap();
                child.let_go();
                child.end();
                store.rotate_key("pii").unwrap();
                store.close();
                4
            }
        };
        let again = home.open();
        assert_eq!(versions(&again, "pii"), expected, "parent first: {parent_first}");
        assert!(again.check().unwrap().ok);
    }
}

/// A process of its own that forks and ends, while its child goes on.
#[test]
#[ignore = "a child of the test below"]
fn parent_that_exits() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    store.rotate_key("pii").unwrap();
    let mut child = fork(|out, parent| {
        store.rotate_key("pii").unwrap();
        out.write_all(b"r").unwrap();
        // Ends when the parent is gone.
        assert_eq!(parent.read(&mut [0]).unwrap(), 0);
        store.rotate_key("pii").unwrap();
        let sealed = store.encrypt("pii", b"orphan", Aad::NONE).unwrap();
        tell(common::hex(&sealed));
    });
    child.expect(b'r');
    store.rotate_key("pii").unwrap();
    // SAFETY: ends the process at once, its store open.
    unsafe { libc::_exit(0) }
}

#[test]
fn the_parent_exits_first() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    for round in 1..=5 {
        let mut parent = home.child("parent_that_exits", "");
        let sealed = common::unhex(&parent.hears());
        assert!(parent.child.wait().unwrap().success());
        assert_eq!(store.decrypt("pii", &sealed, Aad::NONE).unwrap(), b"orphan"[..]);
        assert_eq!(versions(&store, "pii"), 1 + 4 * round);
    }
    assert!(store.check().unwrap().ok);
}

/// Opens and closes the store when told, as a process that knows nothing of the others.
#[test]
#[ignore = "a child of the test below"]
fn stranger() {
    let Some(orders) = orders() else { return };
    while hear().is_some() {
        let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
        store.rotate_key("pii").unwrap();
        store.close();
        tell("done");
    }
}

/// A stranger that closes last deletes the write-ahead log: were our locks gone, it would delete it under us.
#[test]
fn locks_hold_after_a_child_has_gone() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    let mut stranger = home.child("stranger", "");
    let mut expected = 1;
    for round in 0..6 {
        store.rotate_key("pii").unwrap();
        let child = fork(|_, _| {
            store.rotate_key("pii").unwrap();
            match round % 3 {
                0 => store.close(),
                1 => drop(home.open()),
                _ => {}
            }
        });
        // The parent is connected again before the child ends, or only afterwards.
        if round % 2 == 0 {
            store.rotate_key("pii").unwrap();
            child.end();
        } else {
            child.end();
            store.rotate_key("pii").unwrap();
        }
        expected += 3;
        assert!(holds_locks(&home), "round {round}: this process holds no lock on the store");
        stranger.say("go");
        assert_eq!(stranger.hears(), "done");
        expected += 1;
        assert!(
            beside(&home.path(), "-wal").exists(),
            "round {round}: the log was deleted under an open store"
        );
        assert_eq!(versions(&store, "pii"), expected, "round {round}");
    }
    stranger.finish();
    store.close();
    assert!(!holds_locks(&home) || !std::path::Path::new("/proc/locks").exists());
    assert_eq!(versions(&home.open(), "pii"), expected);
}

/// Whether /proc/locks shows a lock of this process on the store or its shared memory; true where there is none.
fn holds_locks(home: &Home) -> bool {
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else { return true };
    let inodes: Vec<String> = [home.path(), beside(&home.path(), "-shm")]
        .iter()
        .filter_map(|path| Some(format!(":{}", path.metadata().ok()?.ino())))
        .collect();
    let ours = std::process::id().to_string();
    locks.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields.contains(&ours.as_str())
            && fields.iter().any(|field| inodes.iter().any(|inode| field.ends_with(inode)))
    })
}

#[test]
fn forks_from_a_busy_process_do_not_hang() {
    let _alone = alone(&ALONE);
    const FORKS: usize = 30;
    let (home, other) = (Home::new(), Home::new());
    let options = OpenOptions::new().create(true).refresh_interval(milliseconds(10));
    let store = home.open_with(&options).unwrap();
    store.create_key("pii", &CreateKey::new().purpose("pii")).unwrap();
    drop(other.open_with_key("pii"));
    let first = store.encrypt("pii", b"first", Aad::NONE).unwrap();
    let stop = AtomicBool::new(false);
    let (worked, rotated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let until_stopped = |work: &dyn Fn()| {
        while !stop.load(Ordering::Relaxed) {
            work();
            worked.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let stop_all = StopWhenDropped(&stop);
        scope.spawn(|| until_stopped(&|| drop(store.encrypt("pii", b"ada", b"x").unwrap())));
        scope.spawn(|| {
            until_stopped(&|| assert_eq!(store.decrypt("pii", &first, Aad::NONE).unwrap(), b"first"[..]))
        });
        scope.spawn(|| {
            until_stopped(&|| {
                store.rotate_key("pii").unwrap();
                rotated.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(milliseconds(2));
            })
        });
        scope.spawn(|| until_stopped(&|| drop(home.open_with(&options).unwrap().key_info("pii").unwrap())));
        scope.spawn(|| until_stopped(&|| drop(store.inspect(&first).unwrap())));
        let mut longest = Duration::ZERO;
        for _ in 0..FORKS {
            let started = Instant::now();
            let child = fork(|out, _| {
                let sealed = store.encrypt("pii", b"child", Aad::NONE).unwrap();
                assert_eq!(store.decrypt("pii", &first, Aad::NONE).unwrap(), b"first"[..]);
                let version = store.rotate_key("pii").unwrap().version;
                assert!(versions(&store, "pii") >= version as usize);
                let another = other.open_with(&options).unwrap();
                another.encrypt("pii", b"ada", Aad::NONE).unwrap();
                another.close();
                out.write_all(&sealed).unwrap();
            });
            let sealed = child.end();
            assert_eq!(store.decrypt("pii", &sealed, Aad::NONE).unwrap(), b"child"[..]);
            longest = longest.max(started.elapsed());
        }
        drop(stop_all);
        println!("{FORKS} forks, the longest with its child took {longest:?}");
    });
    assert!(worked.into_inner() > FORKS, "the threads hardly worked");
    assert_eq!(versions(&store, "pii"), 1 + FORKS + rotated.into_inner());
    assert!(store.check().unwrap().ok);
}

/// Also where a panic ends the scope, so that its threads end.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Children of children, each with an open store.
#[test]
fn a_grandchild_works_too() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    let child = fork(|out, _| {
        store.rotate_key("pii").unwrap();
        let grandchild = fork(|out, _| {
            store.rotate_key("pii").unwrap();
            out.write_all(&store.encrypt("pii", b"grandchild", Aad::NONE).unwrap()).unwrap();
        });
        out.write_all(&grandchild.end()).unwrap();
        assert_eq!(store.rotate_key("pii").unwrap().version, 4);
    });
    let sealed = child.end();
    assert_eq!(store.decrypt("pii", sealed, Aad::NONE).unwrap(), b"grandchild"[..]);
    assert_eq!(versions(&store, "pii"), 4);
}

/// Everything that draws randomness or a lease, at once after the fork.
#[test]
fn nothing_is_drawn_twice_by_64_children_of_any_kind() {
    let _alone = alone(&ALONE);
    const CHILDREN: usize = 64;
    // Few enough that a child could live on what its parent had leased, and would not renew it.
    const ROUNDS: usize = 4;
    let home = Home::new();
    let store = home.open();
    let create = |id: &str, options: &CreateKey| {
        store.create_key(id, options).unwrap();
        store.key(id).unwrap()
    };
    let kind = |kind| CreateKey::new().kind(kind);
    let counted = create("counted", &CreateKey::new().algorithm(Algorithm::Aes256Gcm));
    let files = create("files", &kind(KeyKind::Stream));
    let codes = create("codes", &kind(KeyKind::Mac));
    let equal = create("equal", &kind(KeyKind::Deterministic));
    create("derived", &kind(KeyKind::Derive));
    let index = IndexOptions::new();
    let stable = || {
        [
            codes.mac(b"ada").unwrap(),
            equal.encrypt(b"ada", Aad::NONE).unwrap(),
            store.derive_key("derived", "purpose", 32, None).unwrap().to_vec(),
            counted.blind_index(b"ada", "field", &index).unwrap(),
        ]
        .concat()
    };
    let expected = stable();
    equal.blind_index(b"ada", "field", &index).unwrap();
    // Warm, with most of a lease left and a generator that has bytes left.
    (0..20).for_each(|_| drop(counted.encrypt(b"12345", Aad::NONE).unwrap()));
    let drawn = || {
        let mut drawn = Vec::new();
        for _ in 0..ROUNDS {
            drawn.push(counted.encrypt(b"12345", Aad::NONE).unwrap()[5..17].to_vec());
            let many = counted.encrypt_many(&[Some(&b"12345"[..]); 5], Aad::NONE).unwrap();
            drawn.extend(many.iter().flatten().map(|sealed| sealed[5..17].to_vec()));
            let mut sealed = Vec::new();
            files.encrypt_stream(&b"12345"[..], &mut sealed, b"").unwrap();
            // The first bytes of the salt; and the prefix of the nonces, with as much of the salt.
            drawn.extend([sealed[1..13].to_vec(), sealed[28..40].to_vec()]);
        }
        assert_eq!(stable(), expected, "what is derived is the same in every process");
        drawn.concat()
    };
    let children: Vec<_> = (0..CHILDREN)
        .map(|number| {
            fork(|out, _| {
                out.write_all(&drawn()).unwrap();
                // Keys, too: their tags are drawn as they are.
                if number % 8 == 0 {
                    let made = store.create_key(&format!("k{number}"), &CreateKey::new()).unwrap();
                    let salt = store.rotate_index_salt(IndexScope::Key("equal")).unwrap();
                    assert!(made.current_version == Some(1) && salt.version > 1);
                }
            })
        })
        .collect();
    let mut all = drawn();
    children.into_iter().for_each(|child| all.extend(child.end()));
    let distinct: HashSet<_> = all.chunks_exact(12).collect();
    assert_eq!(distinct.len(), (CHILDREN + 1) * ROUNDS * 8);
    // A message is counted before it is made: 20, and six in each round of each process.
    let messages = (20 + (CHILDREN + 1) * ROUNDS * 6) as u64;
    let usage = store.key_usage("counted").unwrap()[0].messages;
    assert!(usage >= messages, "{usage} counted, {messages} made");
    // And each process leased for itself: nobody spent the parent's lease a second time.
    assert!(
        usage >= (CHILDREN as u64 + 1) * limits::FIRST_LEASE,
        "{usage} leased by {} processes",
        CHILDREN + 1
    );
    assert!(store.check().unwrap().ok);
    println!("proof: {} draws of {} processes, no two alike", distinct.len(), CHILDREN + 1);
}

/// Keeps writers waiting for a moment when told, as a process that knows nothing of the others.
#[test]
#[ignore = "a child of the test below"]
fn holds_the_file() {
    let Some(orders) = orders() else { return };
    let file = common::hostile(&orders.path);
    while hear().is_some() {
        file.execute_batch("BEGIN IMMEDIATE").unwrap();
        tell("held");
        std::thread::sleep(milliseconds(250));
        file.execute_batch("ROLLBACK").unwrap();
    }
}

/// The fork waits for an act that another thread is in the middle of, and both sides go on after it.
#[test]
fn a_fork_waits_for_the_writer() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with(&OpenOptions::new().create(true).busy_timeout(milliseconds(10_000))).unwrap();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let mut holder = home.child("holds_the_file", "");
    for round in 1..=4 {
        holder.say("go");
        assert_eq!(holder.hears(), "held");
        std::thread::scope(|scope| {
            let acting = scope.spawn(|| store.rotate_key("pii").unwrap());
            std::thread::sleep(milliseconds(50));
            let done = acting.is_finished();
            let child = fork(|out, _| {
                store.rotate_key("pii").unwrap();
                out.write_all(&store.encrypt("pii", b"child", Aad::NONE).unwrap()).unwrap();
            });
            assert!(!done, "nothing kept the writer waiting");
            acting.join().unwrap();
            assert_eq!(store.decrypt("pii", child.end(), Aad::NONE).unwrap(), b"child"[..]);
        });
        assert_eq!(versions(&store, "pii"), 1 + 2 * round);
    }
    holder.finish();
    assert!(store.check().unwrap().ok);
}

/// A program started by posix_spawn shares nothing, and costs the parent no lock and no connection.
#[test]
fn started_programs_change_nothing() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open_with_key("pii");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop_all = StopWhenDropped(&stop);
        let rotating = scope.spawn(|| {
            let mut rotated = 0;
            while !stop.load(Ordering::Relaxed) {
                store.rotate_key("pii").unwrap();
                rotated += 1;
            }
            rotated
        });
        for _ in 0..50 {
            assert!(std::process::Command::new("true").status().unwrap().success());
            assert!(holds_locks(&home));
        }
        drop(stop_all);
        let rotated: usize = rotating.join().unwrap();
        assert_eq!(versions(&store, "pii"), 1 + rotated);
    });
    assert!(store.check().unwrap().ok);
}
