//! A flood of ciphertexts that no key made costs a bounded number of looks at the store, and delays nobody.

mod common;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use common::{Home, alone, orders, proof, tell};
use keyfold::{Aad, CreateKey, ErrorKind, Key, KeyKind, OpenOptions, Store, limits};
use rusqlite::ffi;

/// Looks are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// How often SQLite was asked whether somebody else wrote.
static LOOKS: AtomicU64 = AtomicU64::new(0);

/// Has every connection that this process opens from now on tell of its statements.
fn count_looks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        type Entry = unsafe extern "C" fn(
            *mut ffi::sqlite3,
            *mut *mut c_char,
            *const ffi::sqlite3_api_routines,
        ) -> c_int;
        let watch: Entry = watch;
        // SAFETY: the function has the signature that SQLite calls it with, and lives as long as the process.
        let registered = unsafe { ffi::sqlite3_auto_extension(Some(watch)) };
        assert_eq!(registered, ffi::SQLITE_OK);
    });
}

unsafe extern "C" fn watch(
    connection: *mut ffi::sqlite3,
    _message: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: SQLite hands in a live connection; the callback takes what SQLite gives it.
    unsafe {
        ffi::sqlite3_trace_v2(
            connection,
            ffi::SQLITE_TRACE_STMT as c_uint,
            Some(traced),
            std::ptr::null_mut(),
        )
    }
}

unsafe extern "C" fn traced(
    _kind: c_uint,
    _: *mut c_void,
    _statement: *mut c_void,
    text: *mut c_void,
) -> c_int {
    // SAFETY: for this kind of trace the last argument is the statement's text, which ends in a zero.
    let text = unsafe { CStr::from_ptr(text.cast()) }.to_bytes();
    if text.windows(12).any(|part| part.eq_ignore_ascii_case(b"data_version")) {
        LOOKS.fetch_add(1, Ordering::Relaxed);
    }
    0
}

/// Well formed, and of no version's tag.
fn unknown(number: u64) -> Vec<u8> {
    let mut ciphertext = vec![0x5a; 60];
    ciphertext[0] = 1;
    ciphertext[1..5].copy_from_slice(&(number.wrapping_mul(2_654_435_761) as u32 | 1).to_be_bytes());
    ciphertext
}

fn open(home: &Home) -> Store {
    let options = OpenOptions::new().create(true).refresh_interval(Duration::from_secs(3600));
    home.open_with(&options.max_stale(Duration::from_secs(7200))).unwrap()
}

/// Runs `work` again and again on so many threads while `beside` runs; how often it ran.
fn flooded<T>(threads: usize, work: impl Fn(u64) + Sync, beside: impl FnOnce() -> T) -> (u64, T) {
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    work(calls.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        // A moment to begin.
        std::thread::sleep(Duration::from_millis(50));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(beside));
        stop.store(true, Ordering::Relaxed);
        result
    });
    (calls.into_inner(), result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// As many as `limits::LOOK_SPACING` allows, whatever the flood.
#[test]
fn a_flood_costs_a_hundred_looks_a_second_at_most() {
    let _alone = alone(&ALONE);
    count_looks();
    let home = Home::new();
    let store = open(&home);
    store.create_key("pii", &CreateKey::new()).unwrap();
    store.create_key("codes", &CreateKey::new().kind(KeyKind::Mac)).unwrap();
    let (pii, codes) = (store.key("pii").unwrap(), store.key("codes").unwrap());
    let length = Duration::from_secs(if proof::long() { 20 } else { 2 });
    let floods: [(&str, &(dyn Fn(u64) + Sync)); 2] = [
        ("decrypt", &|number| {
            let error = pii.decrypt(unknown(number), Aad::NONE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DecryptionFailed);
        }),
        ("verify_mac", &|number| assert!(codes.verify_mac(b"data", unknown(number)).is_err())),
    ];
    for (name, flood) in floods {
        for threads in [1, 8] {
            let started = Instant::now();
            let before = LOOKS.load(Ordering::Relaxed);
            let (calls, ()) = flooded(threads, flood, || std::thread::sleep(length));
            let looks = LOOKS.load(Ordering::Relaxed) - before;
            let most = started.elapsed().as_millis() as u64 / limits::LOOK_SPACING.as_millis() as u64 + 1;
            assert!(looks <= most, "{name}: {looks} looks, of {most} at most");
            assert!(looks > 0, "{name}: the counter sees nothing");
            println!("proof: {name}, {threads} threads: {calls} unknown tags, {looks} looks, at most {most}");
        }
    }
}

/// How long each call took, in order.
fn timed(calls: usize, pause: Duration, mut call: impl FnMut()) -> Vec<Duration> {
    let mut took: Vec<_> = (0..calls)
        .map(|_| {
            std::thread::sleep(pause);
            let started = Instant::now();
            call();
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    took
}

/// The time that 999 of a thousand calls stay below, and the longest.
fn tail(took: &[Duration]) -> (Duration, Duration) {
    (took[(took.len() * 999 / 1000).min(took.len() - 1)], took[took.len() - 1])
}

/// Good ciphertexts of versions that this process knows never look, and wait for nobody.
#[test]
fn a_flood_does_not_delay_what_is_known() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open(&home);
    store.create_key("pii", &CreateKey::new()).unwrap();
    let key = store.key("pii").unwrap();
    let sealed = key.encrypt(b"ada", Aad::NONE).unwrap();
    let good = || assert_eq!(key.decrypt(&sealed, Aad::NONE).unwrap(), b"ada"[..]);
    let calls = if proof::long() { 20_000 } else { 2_000 };
    let pause = Duration::from_micros(200);
    // How long the machine keeps a thread waiting that does the same without a flood.
    let quiet = timed(calls, pause, good);
    let flood = |number| drop(key.decrypt(unknown(number), Aad::NONE).unwrap_err());
    let (bad, took) = flooded(4, flood, || timed(calls, pause, good));
    let ((quiet_tail, quiet_most), (flood_tail, flood_most)) = (tail(&quiet), tail(&took));
    println!(
        "proof: {calls} good ones beside {bad} unknown tags: half within {:?}, 99.9 % within {flood_tail:?}, all \
         within {flood_most:?}; without them {:?}, {quiet_tail:?}, {quiet_most:?}",
        took[calls / 2],
        quiet[calls / 2]
    );
    assert!(bad > 4, "there was no flood");
    // The median is the code's own; a loaded machine has a tail of its own, which the flood may not lengthen by more.
    assert!(took[calls / 2] < Duration::from_millis(1), "half took longer than {:?}", took[calls / 2]);
    let allowed = quiet_most + Duration::from_millis(10);
    assert!(flood_tail < allowed, "99.9 % within {flood_tail:?}; {quiet_most:?} without a flood");
}

/// Rotates when told, in a process of its own, and tells a ciphertext of the new version.
#[test]
#[ignore = "a child of the test below"]
fn rotates() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    while common::hear().is_some() {
        store.rotate_key("pii").unwrap();
        tell(common::hex(&store.encrypt("pii", b"newer", Aad::NONE).unwrap()));
    }
}

/// A good ciphertext of a version that this process does not know yet waits for a look like the bad ones: at most
/// `limits::LOOK_SPACING`, and then the look itself.
#[test]
fn what_is_newer_waits_ten_milliseconds_at_most() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = open(&home);
    store.create_key("pii", &CreateKey::new()).unwrap();
    let key = store.key("pii").unwrap();
    let mut other = home.child("rotates", "");
    let rounds = if proof::long() { 500 } else { 40 };
    let mut newer = |key: &Key| {
        let mut took: Vec<_> = (0..rounds)
            .map(|_| {
                other.say("go");
                let sealed = common::unhex(&other.hears());
                let started = Instant::now();
                assert_eq!(key.decrypt(&sealed, Aad::NONE).unwrap(), b"newer"[..]);
                started.elapsed()
            })
            .collect();
        took.sort_unstable();
        took
    };
    let quiet = newer(&key);
    let flood = |number| drop(key.decrypt(unknown(number), Aad::NONE).unwrap_err());
    let (bad, took) = flooded(4, flood, || newer(&key));
    let (half, most) = (took[rounds / 2], took[rounds - 1]);
    let (quiet_half, quiet_most) = (quiet[rounds / 2], quiet[rounds - 1]);
    println!(
        "proof: {rounds} of newer versions beside {bad} unknown tags: half within {half:?}, all within {most:?}; \
         without them {quiet_half:?}, {quiet_most:?}"
    );
    let spacing = limits::LOOK_SPACING;
    assert!(half < quiet_half + spacing + Duration::from_millis(2), "half took {half:?}");
    other.finish();
}
