//! Encrypting a short message: one allocation, and no system call.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use common::{Home, orders};
use keyfold::{Aad, Algorithm, Context, CreateKey, IndexOptions, OnError, OpenOptions, Store};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(start, layout, size) }
    }
}

fn count() {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations a call of `work` makes, once warm. The fewest of many: a look for changes may fall in between.
fn allocations<T>(mut work: impl FnMut() -> T) -> usize {
    (0..50)
        .map(|_| {
            let before = COUNT.get();
            let kept = work();
            let made = COUNT.get() - before;
            drop(kept);
            made
        })
        .min()
        .unwrap()
}

#[test]
fn one_allocation_a_call() {
    assert_eq!(allocations(|| ()), 0);
    assert_eq!(allocations(|| (Box::new(1), vec![2; 100])), 2);
    let home = Home::new();
    let store = home.open();
    let place = Context::new().with("table", "users").with("column", "email").with("id", 42);
    for algorithm in Algorithm::AEAD {
        // An expiry has the clock read, and nothing more.
        let options = CreateKey::new().algorithm(algorithm).expires_in(Duration::from_secs(3600));
        store.create_key(algorithm.name(), &options).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        for length in [0, 32, 4096] {
            let plaintext = vec![7; length];
            assert_eq!(allocations(|| key.encrypt(&plaintext, b"aad").unwrap()), 1, "{algorithm} {length}");
            assert_eq!(
                allocations(|| key.encrypt(&plaintext, &place).unwrap()),
                1,
                "{algorithm} {length} context"
            );
            let sealed = key.encrypt(&plaintext, b"aad").unwrap();
            // Of an empty plaintext there is nothing to allocate.
            let expected = usize::from(length > 0);
            assert_eq!(
                allocations(|| key.decrypt(&sealed, b"aad").unwrap()),
                expected,
                "{algorithm} {length} decrypt"
            );
            let mut out = vec![0; sealed.len()];
            let write = |out: &mut [u8]| key.encryption().unwrap().write(&plaintext, b"aad", out).unwrap();
            assert_eq!(allocations(|| write(&mut out)), 0, "{algorithm} {length} into a buffer");
        }
        // The text alone; the plaintext alone. A long one has its ciphertext on the heap too.
        let long = "a".repeat(4096);
        for (plaintext, expected) in [("ada", 1), (long.as_str(), 2)] {
            assert_eq!(allocations(|| key.encrypt_text(plaintext, Aad::NONE).unwrap()), expected);
            let text = key.encrypt_text(plaintext, Aad::NONE).unwrap();
            assert_eq!(allocations(|| key.decrypt_text(&text, Aad::NONE).unwrap()), expected);
        }
    }
    let key = store.key(Algorithm::AEAD[0].name()).unwrap();
    for options in [IndexOptions::new(), IndexOptions::new().kind("suffix").length(4)] {
        assert_eq!(allocations(|| key.blind_index(&[b'7'; 32], "users.email", &options).unwrap()), 1);
    }
}

#[test]
fn none_for_each_value_of_a_batch() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let values = vec![Some(&b"a plaintext"[..]); 1_000];
    let texts = vec![Some("a plaintext"); 1_000];
    // The values and their places.
    assert_eq!(allocations(|| key.encrypt_many(&values, Aad::NONE).unwrap()), 2);
    assert_eq!(allocations(|| key.encrypt_many_text(&texts, Aad::NONE).unwrap()), 2);
    let sealed = key.encrypt_many(&values, Aad::NONE).unwrap();
    let sealed: Vec<Option<&[u8]>> = sealed.iter().collect();
    assert_eq!(allocations(|| key.decrypt_many(&sealed, Aad::NONE, OnError::Raise).unwrap()), 2);
    let mut out = [0; 44];
    let write = |out: &mut [u8]| {
        let mut batch = key.batch_encryption(Aad::NONE, 1_000).unwrap();
        (0..1_000).for_each(|index| batch.write(index, b"a plaintext", out).unwrap());
    };
    assert_eq!(allocations(|| write(&mut out)), 0);
}

const CALLS: usize = 20_000;
/// Numbers that no other call uses, given to getpriority() to mark a place in the trace.
const MARKS: [u32; 2] = [771_001, 771_002];

#[test]
#[ignore = "a child of the test below"]
fn traced() {
    let Some(orders) = orders() else { return };
    let hour = Duration::from_secs(3600);
    let options = OpenOptions::new().create(true).refresh_interval(hour).max_stale(hour);
    let store = Store::open_with(&orders.path, &orders.master_key, &options).unwrap();
    store.create_key("pii", &CreateKey::new().expires_in(hour)).unwrap();
    store.create_key("leased", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    let keys = ["pii", "leased"].map(|key_id| store.key(key_id).unwrap());
    let work = |calls: usize| {
        for _ in 0..calls / 2 {
            for key in &keys {
                let sealed = key.encrypt(&[7; 32], b"aad").unwrap();
                assert_eq!(key.decrypt(&sealed, b"aad").unwrap(), [7; 32][..]);
            }
        }
    };
    work(1_000);
    // Leases grow: after so many, the one that is held lasts for all calls below.
    for _ in 0..210_000 {
        keys[1].encrypt(&[7; 32], b"aad").unwrap();
    }
    mark(MARKS[0]);
    work(CALLS);
    mark(MARKS[1]);
}

#[cfg(target_os = "linux")]
fn mark(number: u32) {
    // SAFETY: asks for the priority of a process that does not exist.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, number) };
}

#[cfg(not(target_os = "linux"))]
fn mark(_: u32) {}

#[test]
fn no_system_call() {
    let home = Home::new();
    let trace = home.folder.path().join("trace");
    let ran = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["traced", "--exact", "--ignored", "--test-threads=1"])
        .env("KEYFOLD_TEST_STORE", home.path())
        .env("KEYFOLD_TEST_SECRET", &home.secret)
        .env("KEYFOLD_TEST_TASK", "")
        .output();
    let usable = ran.as_ref().is_ok_and(|ran| ran.status.success());
    let traces =
        Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|ended| ended.success());
    assert!(usable || !traces, "the traced child failed: {ran:?}");
    if !usable {
        assert!(std::env::var_os("CI").is_none(), "strace cannot be used here, and CI skips nothing");
        // Not installed, or not allowed to trace: what the child asserts itself was not asked either.
        println!("SKIPPED no_system_call: strace cannot be used here ({ran:?})");
        return;
    }
    let trace = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    let [start, end] = MARKS.map(|mark| {
        let marked = |line: &&str| line.contains("getpriority") && line.contains(&mark.to_string());
        lines.iter().position(marked).expect("the mark in the trace")
    });
    let (process, _) = lines[start].split_once(' ').unwrap();
    let between: Vec<&str> =
        lines[start + 1..end].iter().copied().filter(|line| line.starts_with(process)).collect();
    // The nonce generator reseeds once a second, and this may take a few on a loaded machine.
    let (reseeds, others): (Vec<&str>, Vec<&str>) =
        between.into_iter().partition(|line| line.contains("getrandom("));
    assert!(
        others.is_empty(),
        "{} system calls in {CALLS} calls: {:?}",
        others.len(),
        &others[..others.len().min(10)]
    );
    assert!(reseeds.len() < CALLS / 100, "{} reseeds in {CALLS} calls", reseeds.len());
    // What strace would have shown.
    assert!(
        lines.iter().any(|line| line.contains("getrandom("))
            && lines.iter().any(|line| line.contains("fdatasync(") || line.contains("fsync("))
    );
    println!("{CALLS} encryptions and decryptions: {} system calls, all of them reseeds", reseeds.len());
}
