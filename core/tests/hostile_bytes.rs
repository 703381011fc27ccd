//! A closed store with bytes changed or cut at random: never a panic, never a false answer.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Home, Random};
use keyfold::{Aad, CreateKey, ErrorKind, KeyFilter, KeyInfo, OpenOptions, Store};

/// Opening takes most of the time, and longer without optimisation.
const FILES: usize = if cfg!(debug_assertions) { 5_000 } else { 20_000 };

struct Sample {
    home: Home,
    bytes: Vec<u8>,
    /// The bytes that are not zero: a change elsewhere seldom means anything.
    used: Vec<usize>,
    keys: Vec<KeyInfo>,
    sealed: Vec<Vec<u8>>,
}

impl Sample {
    fn new() -> Self {
        let home = Home::new();
        let store = home.open();
        store.create_key("pii", &CreateKey::new().purpose("pii").label("team", "web")).unwrap();
        let mut sealed = Vec::new();
        for _ in 0..3 {
            sealed.push(store.encrypt("pii", b"ada", Aad::NONE).unwrap());
            store.rotate_key("pii").unwrap();
        }
        let keys = store.list_keys(&KeyFilter::new()).unwrap();
        store.close();
        drop(store);
        let bytes = std::fs::read(home.path()).unwrap();
        let used = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        Self { home, bytes, used, keys, sealed }
    }

    fn spoilt(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        match random.below(10) {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                // Whole pages, as a disk that fails or a copy that was torn would leave them.
                let page = 4096 * random.below(bytes.len() / 4096);
                let other = 4096 * random.below(bytes.len() / 4096);
                bytes.copy_within(other..other + 4096, page);
            }
            2 => {
                let start = random.below(bytes.len());
                let end = bytes.len().min(start + 1 + random.below(64));
                bytes[start..end].fill(random.number() as u8);
            }
            _ => {
                for _ in 0..1 + random.below(4) {
                    let place = self.used[random.below(self.used.len())];
                    bytes[place] ^= 1 << random.below(8);
                }
            }
        }
        bytes
    }

    /// What was answered falsely; and whether anything was noticed at all.
    fn judge(&self, path: &Path) -> Result<bool, String> {
        let store = match Store::open_with(path, &self.home.master_key(), &OpenOptions::new()) {
            Ok(store) => store,
            Err(error) => return refused(&error),
        };
        let mut noticed = false;
        match store.list_keys(&KeyFilter::new()) {
            Ok(keys) if keys == self.keys => {}
            Ok(keys) => return Err(format!("list_keys gave {keys:?}")),
            Err(error) => noticed |= refused(&error)?,
        }
        for sealed in &self.sealed {
            match store.decrypt("pii", sealed, Aad::NONE) {
                Ok(opened) if opened == b"ada"[..] => {}
                Ok(_) => return Err("a wrong plaintext".to_owned()),
                Err(error) => noticed |= refused(&error)?,
            }
        }
        match store.check() {
            Ok(report) => noticed |= !report.ok,
            Err(error) => noticed |= refused(&error)?,
        }
        match store.rotate_key("pii") {
            Ok(info) if info.version == 5 => {}
            Ok(info) => return Err(format!("rotate_key made {info:?}")),
            Err(error) => noticed |= refused(&error)?,
        }
        store.close();
        Ok(noticed)
    }
}

/// Whether this is how a damaged file may be refused.
fn refused(error: &keyfold::Error) -> Result<bool, String> {
    use ErrorKind::{IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey};
    match error.kind() {
        IntegrityError | WrongMasterKey | Unsupported => Ok(true),
        // SQLite refuses headers that ask for a later format to be written, and files that end too early.
        PermissionDenied | Storage => Ok(true),
        other => Err(format!("refused as {other}: {error:?}")),
    }
}

#[test]
fn spoilt_files() {
    let sample = Sample::new();
    assert_eq!(sample.judge(&sample.home.path()), Ok(false), "the whole file is not refused");
    std::fs::write(sample.home.path(), &sample.bytes).unwrap();
    let random = Mutex::new(Random::new("hostile_bytes"));
    let (next, noticed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            let (sample, random, next, noticed, faults) = (&sample, &random, &next, &noticed, &faults);
            scope.spawn(move || {
                let path = sample.home.folder.path().join(format!("copy-{worker}"));
                while next.fetch_add(1, Ordering::Relaxed) < FILES {
                    let seed = random.lock().unwrap().number();
                    for suffix in ["-wal", "-shm"] {
                        let _ = std::fs::remove_file(common::beside(&path, suffix));
                    }
                    std::fs::write(&path, sample.spoilt(&mut Random(seed))).unwrap();
                    match catch_unwind(AssertUnwindSafe(|| sample.judge(&path))) {
                        Ok(Ok(true)) => _ = noticed.fetch_add(1, Ordering::Relaxed),
                        Ok(Ok(false)) => {}
                        Ok(Err(fault)) => faults.lock().unwrap().push(format!("file {seed:#x}: {fault}")),
                        Err(_) => faults.lock().unwrap().push(format!("file {seed:#x}: it panicked")),
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    println!("{FILES} files, {} noticed", noticed.load(Ordering::Relaxed));
    assert!(faults.is_empty(), "{} of {FILES}:\n{}", faults.len(), faults.join("\n"));
    assert!(noticed.into_inner() > FILES / 2, "most of the changes must matter");
}
