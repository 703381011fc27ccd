//! A file while it is made, and what killed processes left of theirs.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::create::unwritable;
use crate::error::{Error, ErrorKind, Result};
use crate::primitives::random_bytes;

/// A draft is named after its file, with a random number and this.
const DRAFT: &str = ".new";
/// Beside each draft: a file that its maker has locked for as long as it lives.
const LOCK: &str = "-lock";
/// What SQLite may have put beside a draft, and the draft.
const PARTS: [&str; 4] = ["-wal", "-shm", "-journal", ""];
/// How often a name is drawn anew because a sweep took the lock before its maker had it.
const TRIES: usize = 16;

/// The file while it is built; what is left of it goes when this is dropped.
pub(super) struct Draft {
    path: PathBuf,
    _lock: fs::File,
}

impl Draft {
    pub(super) fn new(target: &Path) -> Result<Self> {
        sweep(target.parent().unwrap_or(Path::new(".")));
        let draft = Self::claim(target)?;
        let file = made_new(&draft.path)?;
        // Whatever the umask took away.
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(|error| unwritable(&draft.path, error))?;
        Ok(draft)
    }

    /// Takes a name that nobody sweeps from now on.
    fn claim(target: &Path) -> Result<Self> {
        for _ in 0..TRIES {
            let mut random = [0u8; 8];
            random_bytes(&mut random)?;
            let mut name = target.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{:016x}{DRAFT}", u64::from_be_bytes(random)));
            let path = target.with_file_name(name);
            let lock = made_new(&beside(&path, LOCK))?;
            // Where the file system has no such locks, nothing is swept either. Who has it already is a sweep, and
            // about to remove it.
            let taken = flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            if !taken && lock.metadata().is_ok_and(|metadata| metadata.nlink() > 0) {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            "others sweep the folder as fast as drafts are made there; try again",
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes the drafts in a folder whose makers were killed: copies of a store, with keys that it may have destroyed
/// since. As well as can be; what cannot go is only a draft.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let lock = entry.path();
        let Some(path) = draft_of(&lock) else { continue };
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK);
        let Ok(file) = options.open(&lock) else { continue };
        if file.metadata().is_ok_and(|metadata| metadata.is_file())
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(&path);
        }
    }
}

/// The draft that this file is the lock of, by its name.
fn draft_of(lock: &Path) -> Option<PathBuf> {
    let name = lock.file_name()?.to_str()?;
    let draft = name.strip_suffix(LOCK)?;
    let (_, number) = draft.strip_suffix(DRAFT)?.rsplit_once('.')?;
    let is_number = number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| lock.with_file_name(draft))
}

/// The lock goes last, so that whoever is killed here leaves the rest to the next.
fn remove(draft: &Path) {
    for suffix in PARTS.into_iter().chain([LOCK]) {
        // What does not exist need not go; what cannot go is only a draft.
        let _ = fs::remove_file(beside(draft, suffix));
    }
}

fn made_new(path: &Path) -> Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .map_err(|error| unwritable(path, error))
}

fn beside(draft: &Path, suffix: &str) -> PathBuf {
    let mut path = draft.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// As a killed process leaves it: its locks are gone, its files are not.
    fn abandon(draft: Draft) {
        let path = draft.path.clone();
        let files: Vec<_> = ["", LOCK].map(|suffix| beside(&path, suffix)).into();
        drop(draft);
        files.iter().chain([&beside(&path, "-wal")]).for_each(|file| fs::write(file, b"left").unwrap());
    }

    #[test]
    fn what_was_abandoned_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("app");
        let mine = Draft::new(&target).unwrap();
        for name in
            ["app", "app.new-lock", "app.0123456789abcdeX.new-lock", "app.new", "0123456789abcdef.new-lock"]
        {
            fs::write(folder.path().join(name), b"somebody's").unwrap();
        }
        fs::create_dir(folder.path().join("app.0123456789abcdef.new-lock")).unwrap();
        let before = names(folder.path());
        abandon(Draft::new(&folder.path().join("other")).unwrap());
        assert_eq!(names(folder.path()).len(), before.len() + 3);
        sweep(folder.path());
        assert_eq!(names(folder.path()), before);
        drop(mine);
        assert_eq!(names(folder.path()).len(), before.len() - 2);
    }

    #[test]
    fn making_a_draft_sweeps() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("app");
        abandon(Draft::new(&target).unwrap());
        drop(Draft::new(&target).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    /// Makers and sweepers at once: no maker loses its draft.
    #[test]
    fn a_draft_that_is_being_made_is_never_swept() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let draft = Draft::new(&folder.path().join("app")).unwrap();
                        sweep(folder.path());
                        assert!(draft.path().exists());
                    }
                });
            }
        });
        assert!(names(folder.path()).is_empty());
    }
}
