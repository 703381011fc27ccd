//! Writing anew what may be lost although the system takes it for written: a sync that fails leaves the system with
//! what it was to write, as if it were on disk, and tells every later sync that it succeeded.
//!
//! It may have failed for another connection or another process, so each connection does this before its first write.

use std::fs;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rusqlite::Connection;

use super::create::{sync_names_anew, unwritable};
use super::errors::storage_error;
use super::transaction::Transaction;
use crate::error::Result;

/// How much is read and written at once.
const PIECE: usize = 64 * 1024;

/// Brings the log, with what commits that failed have left in it, and the names to disk. `log` is the path of the log.
pub(super) fn settle(connection: &mut Connection, path: &Path, log: &Path) -> Result<()> {
    // SQLite makes the log with the first transaction.
    settle_log(connection, log)?;
    sync_names_anew(path)
}

/// Writes the log over itself. Where SQLite reads a log anew, it takes for committed what a commit that failed has
/// written: what is committed behind that would be lost with it, and a file that it is written back into be damaged.
pub(super) fn settle_log(connection: &mut Connection, log: &Path) -> Result<()> {
    // Nobody else writes the log meanwhile.
    let transaction = Transaction::write(connection).map_err(storage_error)?;
    write_anew(log).map_err(|error| unwritable(log, error))?;
    transaction.rollback().map_err(storage_error)
}

fn write_anew(path: &Path) -> std::io::Result<()> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        let length = match file.read_at(&mut piece, at) {
            Ok(0) => break,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        file.write_all_at(&piece[..length], at)?;
        at += length as u64;
    }
    if at == 0 { Ok(()) } else { file.sync_all() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for length in [0, 1, PIECE, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            write_anew(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
