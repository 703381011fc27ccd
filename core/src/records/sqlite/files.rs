//! The store's file and what SQLite keeps beside it, as the file system shows them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Device and inode. The file is never opened for this: closing it would drop SQLite's locks on it.
pub(super) fn identity(path: &Path) -> Result<(u64, u64)> {
    let metadata = path.metadata().map_err(|error| missing(path, error))?;
    if !metadata.is_file() {
        return Err(Error::invalid(format!("{} is not a file", path.display())));
    }
    // SQLite names the WAL after the path: two names of one file would have two WALs, and lose commits.
    if metadata.nlink() > 1 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} has a second name (a hard link), under which commits would be lost; remove one",
                path.display()
            ),
        ));
    }
    Ok((metadata.dev(), metadata.ino()))
}

/// What SQLite keeps beside the file is opened by name: a pipe there would have it wait for ever, and a second name or
/// a device would have it write elsewhere.
pub(super) fn refuse_planted(path: &Path) -> Result<()> {
    for suffix in ["-wal", "-shm", "-journal"] {
        let place = beside(path, suffix);
        let Ok(metadata) = place.symlink_metadata() else { continue };
        if !metadata.is_file() || metadata.nlink() > 1 {
            return Err(Error::integrity(format!(
                "{} is not a plain file of one name: somebody put it there; look into it and take it away",
                place.display()
            )));
        }
    }
    Ok(())
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn holds_something(log: &Path) -> bool {
    log.symlink_metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// Device and inode of the write-ahead log beside the file; `None` where there is none.
pub(super) fn log_identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = beside(path, "-wal").symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

pub(super) fn missing(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    let shown = path.display();
    match error.kind() {
        Io::NotFound | Io::NotADirectory => Error::new(
            ErrorKind::NotFound,
            format!("there is no store at {shown}; make one with `keyfold init` or create=true"),
        ),
        Io::PermissionDenied => {
            Error::new(ErrorKind::PermissionDenied, format!("{shown} may not be opened by this user"))
        }
        _ => Error::storage(format!("{shown} cannot be opened")).with_cause(error),
    }
}

/// SQLite's WAL needs memory shared between all processes on the file, which a network does not give.
pub(super) fn refuse_network(path: &Path) -> Result<()> {
    const NETWORKS: [(u64, &str); 9] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0102_1997, "9P"),
        (0x5346_414f, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
        (0x7375_7245, "Coda"),
    ];
    let Ok(status) = rustix::fs::statfs(path) else { return Ok(()) };
    let kind = status.f_type as u64 & 0xffff_ffff;
    match NETWORKS.iter().find(|(number, _)| *number == kind) {
        None => Ok(()),
        Some((_, name)) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} is on a network file system ({name}), where locks and shared memory are not dependable; \
                 move it to a local disk, or ask for it by name with allow_network_fs",
                path.display()
            ),
        )),
    }
}
