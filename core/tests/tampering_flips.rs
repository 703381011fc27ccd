//! Bytes of the file and of its log changed at random: never a panic or a crash, never a wrong plaintext, never a
//! silently different state.
//!
//! The files are judged in processes of their own, so that one which dies is noticed, and with which number.

mod common;

use std::path::Path;

use common::rich::{Rich, put};
use common::{Random, beside, hear, proof, tell};
use keyfold::{ErrorKind, OpenOptions};

/// Files in the short and in the long form.
const FILES: [usize; 2] = [400, 10_000];
const WORKERS: usize = 2;
/// Said where something was refused, where nothing was, and before what is wrong.
const REFUSED: &str = "refused";
const TRUE: &str = "true";
const WRONG: &str = "wrong";

#[test]
fn flipped_bytes() {
    let mut random = Random(proof::seed());
    let files = FILES[usize::from(proof::long())];
    let rich = Rich::with_log();
    // As they are, both are the truth.
    let seeds: Vec<u64> = (0..files).map(|_| random.number()).collect();
    let mut counts = Counts::default();
    let mut faults = Vec::new();
    let homes: Vec<_> =
        (0..WORKERS).map(|_| common::Home { folder: fresh(), secret: rich.home.secret.clone() }).collect();
    std::thread::scope(|scope| {
        let judged: Vec<_> = homes
            .iter()
            .enumerate()
            .map(|(worker, home)| {
                let rich = &rich;
                let mine: Vec<u64> = seeds.iter().copied().skip(worker).step_by(WORKERS).collect();
                scope.spawn(move || supervise(rich, home, &mine))
            })
            .collect();
        for worker in judged {
            let (some, wrong) = worker.join().unwrap();
            counts.add(&some);
            faults.extend(wrong);
        }
    });
    println!(
        "proof: {files} files with bytes changed at random ({} in the log): {} refused or found, {} as true as before",
        counts.in_log, counts.refused, counts.unharmed
    );
    assert!(faults.is_empty(), "{} of {files}:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(counts.refused + counts.unharmed, files);
    assert!(counts.refused > files / 2, "most of the changes must matter");
}

/// The supervisor itself: a child that dies is noticed, with what it was at.
#[test]
fn a_crash_is_noticed() {
    let rich = Rich::with_log();
    let home = common::Home { folder: fresh(), secret: rich.home.secret.clone() };
    let (_, faults) = supervise(&rich, &home, &[ABORT]);
    assert!(faults.len() == 1 && faults[0].contains("died"), "{faults:?}");
}

/// Has the child abort, for the test above.
const ABORT: u64 = u64::MAX;

#[derive(Default)]
struct Counts {
    refused: usize,
    unharmed: usize,
    in_log: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.unharmed += other.unharmed;
        self.in_log += other.in_log;
    }
}

/// Spoils a file for each seed, and has a child judge it. A child that died is replaced.
fn supervise(rich: &Rich, home: &common::Home, seeds: &[u64]) -> (Counts, Vec<String>) {
    let (mut counts, mut faults) = (Counts::default(), Vec::new());
    let truth = home.folder.path().join("truth");
    std::fs::write(&truth, rich.to_json()).unwrap();
    let mut child = home.child("judge", "");
    for &seed in seeds {
        let spoilt = spoil(rich, &home.path(), seed);
        counts.in_log += usize::from(spoilt.in_log);
        child.say(&seed.to_string());
        match child.listen().as_deref() {
            Some(REFUSED) => counts.refused += 1,
            Some(TRUE) => counts.unharmed += 1,
            Some(said) => faults.push(format!("file {seed:#x} ({}): {said}", spoilt.what)),
            None => {
                faults.push(format!("file {seed:#x} ({}): the process died", spoilt.what));
                child = home.child("judge", "");
            }
        }
    }
    (counts, faults)
}

struct Spoilt {
    what: String,
    in_log: bool,
}

/// Writes the file and its log, one of them changed.
fn spoil(rich: &Rich, path: &Path, seed: u64) -> Spoilt {
    let mut random = Random(seed);
    let in_log = random.below(4) == 0;
    let (mut file, mut log) = (rich.bytes.clone(), rich.log.clone());
    let bytes = if in_log { &mut log } else { &mut file };
    let what = match random.below(20) {
        0 => {
            bytes.truncate(random.below(bytes.len()));
            "cut".to_owned()
        }
        1 => {
            // Whole pages, as a disk that fails or a copy that was torn would leave them.
            let pages = bytes.len() / 4096;
            let (page, other) = (4096 * random.below(pages), 4096 * random.below(pages));
            bytes.copy_within(other..other + 4096, page);
            format!("{page} from {other}")
        }
        2 | 3 => {
            let start = random.below(bytes.len());
            let end = bytes.len().min(start + 2 + random.below(64));
            bytes[start..end].fill(random.number() as u8);
            format!("{start}..{end}")
        }
        _ => {
            let count = if random.below(2) == 0 { 1 } else { 2 + random.below(7) };
            let places: Vec<_> = (0..count).map(|_| flip(bytes, &mut random)).collect();
            format!("{places:?}")
        }
    };
    put(path, &file);
    std::fs::write(beside(path, "-wal"), &log).unwrap();
    Spoilt { what: format!("{} {what}", if in_log { "log" } else { "file" }), in_log }
}

/// Changes a byte, mostly one that says something: what is zero is mostly empty.
fn flip(bytes: &mut [u8], random: &mut Random) -> usize {
    let mut place = random.below(bytes.len());
    for _ in 0..50 {
        if bytes[place] != 0 || random.below(20) == 0 {
            break;
        }
        place = random.below(bytes.len());
    }
    bytes[place] ^= 1 + random.below(255) as u8;
    place
}

#[test]
#[ignore = "a child of the tests above"]
fn judge() {
    let Some(orders) = common::orders() else { return };
    let truth = std::fs::read_to_string(orders.path.with_file_name("truth")).unwrap();
    let secret = std::env::var("KEYFOLD_TEST_SECRET").unwrap();
    let rich = Rich::from_json(&truth, secret);
    while let Some(line) = hear() {
        let seed: u64 = line.parse().unwrap();
        if seed == ABORT {
            std::process::abort();
        }
        let judged =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verdict(&rich, &orders.path, seed)));
        match judged {
            Ok(said) => tell(said),
            Err(_) => tell(format!("{WRONG}: it panicked")),
        }
    }
}

fn verdict(rich: &Rich, path: &Path, seed: u64) -> String {
    // What was in the log may be missing altogether, as in an older copy: that only an anchor tells.
    let options = OpenOptions::new().anchor(&rich.anchor);
    let found = rich.judge_with(path, &options, seed.is_multiple_of(8));
    if !found.faults.is_empty() {
        return format!("{WRONG}: {}", found.faults.join("; ").replace('\n', " "));
    }
    match found.at_open {
        Some(kind) if is_refusal(kind) => REFUSED.to_owned(),
        Some(kind) => format!("{WRONG}: opening failed with {kind}"),
        None if found.at_use || found.at_check => REFUSED.to_owned(),
        None => TRUE.to_owned(),
    }
}

/// Whether this is how a damaged file may be refused.
fn is_refusal(kind: ErrorKind) -> bool {
    use ErrorKind::{IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey};
    // SQLite refuses headers that ask for a later format to be written, and files that end too early.
    [IntegrityError, WrongMasterKey, Unsupported, PermissionDenied, Storage].contains(&kind)
}

fn fresh() -> tempfile::TempDir {
    common::Home::new().folder
}
