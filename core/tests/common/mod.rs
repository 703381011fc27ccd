//! What the proof tests share: a store in memory-backed files, child processes, hostile connections.
#![allow(dead_code)]

pub mod proof;
pub mod rich;
#[cfg(target_os = "linux")]
pub mod search;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyfold::{CreateKey, ErrorKind, MasterKey, OpenOptions, Store};

/// A folder for one store, and the store's master key.
pub struct Home {
    pub folder: tempfile::TempDir,
    pub secret: String,
}

impl Home {
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.unwrap(), secret: keyfold::generate_master_key().unwrap().to_string() }
    }

    /// As [`Home::new`], where writing waits for a disk.
    pub fn on_disk() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ..Self::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("app.keyfold")
    }

    pub fn master_key(&self) -> MasterKey {
        MasterKey::parse(&self.secret).unwrap()
    }

    /// Opens the store, made if there is none.
    pub fn open(&self) -> Store {
        self.open_with(&OpenOptions::new().create(true)).unwrap()
    }

    pub fn open_with(&self, options: &OpenOptions) -> keyfold::Result<Store> {
        Store::open_with(self.path(), &self.master_key(), options)
    }

    /// Opens a new store with one key.
    pub fn open_with_key(&self, key_id: &str) -> Store {
        let store = self.open();
        store.create_key(key_id, &CreateKey::new()).unwrap();
        store
    }

    /// Runs `entry`, an ignored test of this very program, in a process of its own.
    pub fn child(&self, entry: &str, task: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([entry, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("KEYFOLD_TEST_STORE", self.path())
            .env("KEYFOLD_TEST_SECRET", &self.secret)
            .env("KEYFOLD_TEST_TASK", task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Process { child, input, output }
    }
}

/// What a child was told: where the store is, how it opens, and what to do. `None` where nobody told it
/// anything, as when all ignored tests are run.
pub struct Orders {
    pub path: PathBuf,
    pub master_key: MasterKey,
    pub task: String,
}

pub fn orders() -> Option<Orders> {
    Some(Orders {
        path: std::env::var_os("KEYFOLD_TEST_STORE")?.into(),
        master_key: MasterKey::parse(&std::env::var("KEYFOLD_TEST_SECRET").ok()?).unwrap(),
        task: std::env::var("KEYFOLD_TEST_TASK").ok()?,
    })
}

/// Tells the parent. The harness prints lines of its own, so ours are marked.
pub fn tell(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@ {text}").unwrap();
    out.flush().unwrap();
}

/// The parent's next line; `None` once it has gone or hung up.
pub fn hear() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}

/// A child process.
pub struct Process {
    pub child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub fn say(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{text}").unwrap();
        input.flush().unwrap();
    }

    /// Ends the child's input: it hears nothing more.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// The next line that the child told; `None` once it has ended.
    pub fn listen(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.output.read_until(b'\n', &mut line).unwrap() == 0 {
                return None;
            }
            // A line without its end was cut by a kill: what it says was not said.
            let whole = line.strip_suffix(b"\n").map(String::from_utf8_lossy);
            if let Some(told) = whole.as_deref().and_then(|line| line.strip_prefix("@ ")) {
                return Some(told.to_owned());
            }
        }
    }

    /// The next line, which must come.
    pub fn hears(&mut self) -> String {
        self.listen().expect("the child ended before it answered")
    }

    /// Everything that the child tells until it ends well.
    pub fn finish(mut self) -> Vec<String> {
        self.hang_up();
        let lines = std::iter::from_fn(|| self.listen()).collect();
        assert!(self.child.wait().unwrap().success(), "the child failed: {lines:?}");
        lines
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kind<T>(result: keyfold::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.kind(),
    }
}

/// Without the checks that stand in the way of someone who edits the file.
pub fn hostile(path: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;").unwrap();
    connection
}

/// Numbers that follow from the seed alone (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// From KEYFOLD_TEST_SEED, else from the clock; said on standard error, which a failing test shows.
    pub fn new(name: &str) -> Self {
        let given = std::env::var("KEYFOLD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(clock);
        eprintln!("{name}: KEYFOLD_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.number() as u8).collect()
    }
}

/// One test at a time, whatever the harness thinks; a failed one does not stop the next.
pub fn alone(lock: &'static Mutex<()>) -> MutexGuard<'static, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// The names in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The file beside the store that SQLite keeps under this suffix.
pub fn beside(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
