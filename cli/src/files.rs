//! Reading with a limit; writing files whole, private, and over nothing that was there; never the store's own.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use keyfold::{Error, ErrorKind, Result};
use rustix::fs::{CWD, OFlags, RenameFlags};
use zeroize::Zeroizing;

const PRIVATE: u32 = 0o600;
/// What is read at once where a length is not known beforehand.
const CHUNK: usize = 64 << 10;

/// The store that the command is about, whose files are neither read nor written here.
static STORE: OnceLock<PathBuf> = OnceLock::new();

/// Has the store's own files refused from now on, as inputs and as outputs. Closing a file that SQLite has open
/// would drop its locks, and writing to one would ruin it.
pub fn protect(store: PathBuf) {
    let _ = STORE.set(store);
}

/// Whether the path stands for standard input or output.
pub fn is_standard(path: Option<&Path>) -> bool {
    path.is_none_or(|path| path.as_os_str() == "-")
}

/// What is to be read: a file, or standard input.
pub struct Input {
    file: File,
    what: String,
}

impl Input {
    /// Opens a file, or takes standard input where it is absent or `-`.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        match path {
            Some(path) if !is_standard(Some(path)) => Self::open_file(path),
            _ => {
                let what = "cannot read standard input".to_owned();
                refuse_store_itself(io::stdin(), "standard input")?;
                let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
                file.map(|file| Self { file, what: what.clone() }).map_err(|error| failure(&what, error))
            }
        }
    }

    fn open_file(path: &Path) -> Result<Self> {
        let what = format!("cannot read {}", path.display());
        refuse_store_file(path)?;
        let file = File::open(path).map_err(|error| failure(&what, error))?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(failure(&what, rustix::io::Errno::ISDIR.into()));
        }
        Ok(Self { file, what })
    }

    /// How long it is, where it is a regular file.
    pub fn length(&self) -> Option<u64> {
        self.file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Reads all of it, or the first `limit + 1` bytes, by which the caller knows.
    pub fn read_all(&self, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
        let expected = usize::try_from(self.length().unwrap_or(0)).unwrap_or(usize::MAX);
        read_all(&self.file, expected, limit).map_err(|error| failure(&self.what, error))
    }

    /// Whether others than its owner may read the file.
    pub fn is_shared(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0)
    }
}

impl Read for &Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(into)
    }
}

/// Reads a file, or standard input where it is absent or `-`: all of it, or the first `limit + 1` bytes, by
/// which the caller knows.
pub fn read_input(path: Option<&Path>, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    Input::open(path)?.read_all(limit)
}

/// Reads a file; as [`read_input`].
pub fn read_file(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    Input::open_file(path)?.read_all(limit)
}

/// Growing a vector would leave copies behind, so it moves to larger ones and each smaller one is wiped.
fn read_all(mut from: impl Read, expected: usize, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = limit + 1;
    let mut bytes = Zeroizing::new(vec![0; expected.saturating_add(1).clamp(CHUNK.min(most), most)]);
    let mut filled = 0;
    loop {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled == most {
            break;
        }
        if filled == bytes.len() {
            let mut larger = Zeroizing::new(vec![0; (filled * 2).min(most)]);
            larger[..filled].copy_from_slice(&bytes);
            bytes = larger;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes to standard output at once, without a buffer that would keep a copy.
pub fn print(bytes: &[u8]) -> Result<()> {
    standard_output()?.write_all(bytes).map_err(|error| failure("cannot write to standard output", error))
}

fn standard_output() -> Result<File> {
    refuse_store_itself(io::stdout(), "standard output")?;
    let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    file.map_err(|error| failure("cannot write to standard output", error))
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Refuses a file that is one of the store's, by whatever name.
pub fn refuse_store_file(path: &Path) -> Result<()> {
    let is_ours = path.metadata().is_ok_and(|found| is_store((found.dev(), found.ino())));
    if is_ours || is_beside_store(path) { Err(refused(&path.display().to_string())) } else { Ok(()) }
}

fn refuse_store_itself(descriptor: impl AsFd, name: &str) -> Result<()> {
    let is_ours = rustix::fs::fstat(descriptor).is_ok_and(|found| is_store((found.st_dev, found.st_ino)));
    if is_ours { Err(refused(name)) } else { Ok(()) }
}

fn refused(name: &str) -> Error {
    invalid(format!("{name} belongs to the store itself; name another file"))
}

/// Whether device and number are those of a file of the store.
fn is_store(found: (u64, u64)) -> bool {
    let same = |path: &Path| path.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == found);
    STORE.get().is_some_and(|store| same(store) || beside(store).iter().any(|path| same(path)))
}

/// Whether the path is that of the store's log, index or journal, which SQLite makes and removes.
fn is_beside_store(path: &Path) -> bool {
    let placed = |path: &Path| Some((folder(path).canonicalize().ok()?, path.file_name()?.to_owned()));
    let Some(store) = STORE.get() else { return false };
    let store = store.canonicalize().unwrap_or_else(|_| store.to_owned());
    placed(path).is_some() && beside(&store).iter().any(|ours| placed(path) == placed(ours))
}

/// The names of the files that SQLite keeps beside the store.
fn beside(store: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Where a result goes.
pub enum Target<'a> {
    Standard,
    File { path: &'a Path, force: bool },
}

impl<'a> Target<'a> {
    /// Checks at once what would only fail when the work is done.
    pub fn new(path: Option<&'a Path>, force: bool) -> Result<Self> {
        let Some(path) = path.filter(|path| !is_standard(Some(path))) else { return Ok(Self::Standard) };
        if is_beside_store(path) {
            return Err(invalid(format!("{} belongs to the store and is not replaced", path.display())));
        }
        let Ok(found) = path.symlink_metadata() else { return Ok(Self::File { path, force }) };
        if !force {
            return Err(exists(path));
        }
        if !found.is_file() {
            return Err(invalid(format!("{} is no regular file and is not replaced", path.display())));
        }
        if is_store((found.dev(), found.ino())) {
            return Err(invalid(format!("{} is the store itself and is not replaced", path.display())));
        }
        Ok(Self::File { path, force })
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Standard) && is_terminal()
    }

    /// The file's path, where it is one.
    pub fn path(&self) -> Option<&'a Path> {
        match self {
            Self::Standard => None,
            Self::File { path, .. } => Some(path),
        }
    }

    /// Writes all of it, or nothing.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Standard => print(bytes),
            Self::File { path, force } => write_whole(path, bytes, *force),
        }
    }

    /// Has a stream written. A file appears under its name only if all went well.
    pub fn fill(&self, run: impl FnOnce(&mut File) -> Result<u64>) -> Result<u64> {
        match self {
            Self::Standard => run(&mut standard_output()?),
            Self::File { path, force } => fill_whole(path, *force, run),
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let failed = |error| failure(&format!("cannot write {}", path.display()), error);
    fill_whole(path, force, |file| file.write_all(bytes).map_err(failed))
}

/// Fills a new file beside the target, brings it to disk, then gives it the target's name.
fn fill_whole<T>(path: &Path, force: bool, fill: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    let failed = |error| failure(&format!("cannot write {}", path.display()), error);
    let folder = folder(path);
    let mut unfinished = Unfinished::create(&folder).map_err(failed)?;
    let filled = fill(&mut unfinished.file)?;
    unfinished.file.sync_all().map_err(failed)?;
    // A long time may have passed.
    refuse_store_file(path)?;
    unfinished.rename(path, force).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => failed(error),
    })?;
    sync_folder(&folder);
    Ok(filled)
}

/// Writes a file that must not be there yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes, false)
}

/// A file without its final name; removed when dropped.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn create(folder: &Path) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = folder.join(format!(".keyfold-{}-{now}.tmp", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)?;
        let unfinished = Self { path, file };
        // Whatever the umask took away.
        unfinished.file.set_permissions(Permissions::from_mode(PRIVATE))?;
        Ok(unfinished)
    }

    fn rename(self, path: &Path, force: bool) -> io::Result<()> {
        if force {
            return fs::rename(&self.path, path);
        }
        match rustix::fs::renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE) {
            // Not every file system can; a link cannot replace anything either.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
                fs::hard_link(&self.path, path)
            }
            outcome => Ok(outcome?),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is gone already where it was renamed.
        let _ = fs::remove_file(&self.path);
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Brings the new name to disk. Not every file system can, and the file itself is whole in any case.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Whether whoever read standard output has gone.
pub fn is_broken_pipe(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} exists already and is not overwritten", path.display()))
}

pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// What the system said, as one of the core's kinds.
pub fn failure(what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            ErrorKind::InvalidArgument
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, what).with_cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, as pipes do.
    struct Trickle(usize);

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = into.len().min(self.0).min(1000);
            into[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }

    #[test]
    fn reading_stops_past_the_limit() {
        for (there, expected, limit, read) in [
            (0, 0, 10, 0),
            (10, 0, 10, 10),
            (11, 11, 10, 11),
            (99, 5, 10, 11),
            (300_000, 0, 1 << 20, 300_000),
        ] {
            let bytes = read_all(Trickle(there), expected, limit).unwrap();
            assert_eq!(bytes.len(), read);
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
    }
}
