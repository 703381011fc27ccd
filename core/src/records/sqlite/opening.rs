//! Opening the file: with SQLite's defences on, and only where it is a store that this build may use.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::defences::defend;
use super::errors::{opened_read_only, storage_error, unreadable};
use super::files::beside;
use super::transaction::Transaction;
use super::{rows, schema, steps};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::unreadable::is_unreadable;

/// Opens a connection and turns SQLite's defences on before anything is read.
pub(super) fn open(path: &Path, busy_timeout: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags).map_err(storage_error)?;
    // SQLite makes do with reading where it may not write: before the first look at the file that is all it can be.
    if connection.is_readonly("main").map_err(storage_error)? {
        return refuse_read_only(path).and(Err(opened_read_only()));
    }
    // Where even that fails, closing must not write a log into the file.
    keep_log(&connection, true)?;
    defend(&mut connection, busy_timeout).map_err(|error| explain(storage_error(error), &connection))?;
    keep_log(&connection, false)?;
    Ok(connection)
}

/// Whether closing leaves the log as it is rather than writing it back.
pub(super) fn keep_log(connection: &Connection, keep: bool) -> Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
        .map_err(storage_error)
}

/// Opens a file that nobody writes. What lies in a log beside it would be missed, so there must be none.
pub(super) fn open_immutable(path: &Path) -> Result<Connection> {
    let log = beside(path, "-wal");
    if log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} holds acts that an immutable store would miss: open and close the store once where it can be \
                 written, then copy it",
                log.display()
            ),
        ));
    }
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte))
            }
            _ => uri += &format!("%{byte:02X}"),
        }
    }
    uri += "?immutable=1";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(uri, flags).map_err(storage_error)?;
    defend(&mut connection, Duration::ZERO).map_err(storage_error)?;
    Ok(connection)
}

/// SQLite would say that it cannot open some file, and not which or why.
pub(super) fn refuse_read_only(path: &Path) -> Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    for place in [Some(path), path.parent()].into_iter().flatten() {
        let refused = accessat(CWD, place, Access::WRITE_OK, AtFlags::EACCESS).err();
        use rustix::io::Errno;
        if refused.is_some_and(|errno| [Errno::ACCESS, Errno::PERM, Errno::ROFS].contains(&errno)) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "{} is not writable here, and a store's file and folder must be, for SQLite's log; where nobody \
                     writes the file, open it with immutable",
                    place.display()
                ),
            ));
        }
    }
    Ok(())
}

/// SQLite reads a file whose header asks for a later format to be written with, and would fail at the first write.
fn refuse_later_format(connection: &Connection, path: &Path) -> Result<()> {
    match connection.is_readonly("main").map_err(storage_error)? {
        // Or the file system turned read-only since it was asked.
        true => refuse_read_only(path).and(Err(Error::integrity(
            "the file's header says that only a later SQLite may write it: it was changed or is damaged; keep it and \
             restore a backup",
        ))),
        false => Ok(()),
    }
}

pub(super) fn read_only() -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        "the store is open as immutable: nothing is written; open it elsewhere without immutable",
    )
}

/// Whether the connection is to a store of this build's format, or an earlier one where that is wanted.
pub(super) fn admit(connection: &mut Connection, path: &Path, earlier: bool, immutable: bool) -> Result<()> {
    // In one transaction, which locks and looks at the file's length once.
    let transaction = Transaction::read(connection).map_err(storage_error)?;
    schema::check(&transaction)?;
    judge_format(&transaction, earlier)?;
    if !immutable {
        refuse_later_format(&transaction, path)?;
    }
    rows::prepare(&transaction)?;
    if immutable || is_wal(&transaction)? {
        return Ok(());
    }
    drop(transaction);
    require_wal(connection)
}

/// The file may have been upgraded by a newer keyfold since the connection was made: each transaction looks again.
pub(super) fn judge_format(connection: &Connection, earlier: bool) -> Result<()> {
    if schema::read_format(connection)? < steps::format() && !earlier {
        return Err(earlier_format());
    }
    Ok(())
}

pub(super) fn earlier_format() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "an earlier keyfold made this store; open it once with its master key, and where it can be written, which \
         upgrades it",
    )
}

/// SQLite takes what the system cannot read for damaged.
pub(super) fn explain(error: Error, connection: &Connection) -> Error {
    match error.kind() {
        ErrorKind::IntegrityError if is_unreadable(connection) => unreadable().with_cause(error),
        _ => error,
    }
}

/// Whoever can write the file can set another journal mode: then readers and writers would wait for each other.
pub(super) fn require_wal(connection: &Connection) -> Result<()> {
    if is_wal(connection)? {
        return Ok(());
    }
    // To its end, where it commits: the row comes before that.
    let mut statement = connection.prepare("PRAGMA journal_mode = WAL").map_err(storage_error)?;
    let set: rusqlite::Result<Vec<_>> = statement.query_map([], journal_mode).and_then(Iterator::collect);
    if set.map_err(storage_error)? == ["wal"] {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "this file system does not support SQLite's WAL mode"))
}

fn is_wal(connection: &Connection) -> Result<bool> {
    let mode = connection.pragma_query_value(None, "journal_mode", journal_mode).map_err(storage_error)?;
    Ok(mode == "wal")
}

fn journal_mode(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}
