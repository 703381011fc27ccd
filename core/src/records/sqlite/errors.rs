//! What SQLite says, in keyfold's words.

use rusqlite::ffi::ErrorCode;

use super::schema;
use crate::error::{Error, ErrorKind};

/// Translates an error of SQLite. Its texts name tables and never values, so they may be kept as cause.
pub(super) fn storage_error(error: rusqlite::Error) -> Error {
    let translated = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            Error::new(
                ErrorKind::Busy,
                "another process held the store for longer than busy_timeout; try again",
            )
        }
        Some(ErrorCode::DiskFull) => Error::new(
            ErrorKind::StorageFull,
            "the disk is full; nothing was half written; make room and try again",
        ),
        // Growing the index of the write-ahead log fails for want of room alone.
        Some(ErrorCode::SystemIoFailure) if extended(&error) == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => {
            Error::new(
                ErrorKind::StorageFull,
                "the disk is full; nothing was half written; make room and try again",
            )
        }
        Some(ErrorCode::NotADatabase) => return schema::foreign(),
        Some(ErrorCode::DatabaseCorrupt) => {
            Error::integrity("the database file is damaged; keep it and restore a backup")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Error::new(
            ErrorKind::PermissionDenied,
            "the store's file or folder is not writable for this user",
        ),
        Some(ErrorCode::CannotOpen) => {
            Error::storage("the store cannot be opened; check the permissions of the file and its folder")
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            Error::integrity("the database refuses a row; it was changed or is damaged")
        }
        Some(_) => Error::storage("reading or writing the store failed"),
        // A value of the wrong type or out of range: only a changed file has one.
        None => Error::integrity("a row of the store is malformed; it was changed or is damaged"),
    };
    translated.with_cause(error)
}

/// Where SQLite found damage because the system could not read.
pub(super) fn unreadable() -> Error {
    Error::storage("the disk could not be read; see to it, and try again: the store may be sound")
}

/// SQLite may write no more over this connection, though the file is writable: the system refused it for a moment.
pub(super) fn opened_read_only() -> Error {
    Error::storage("the store could be opened for reading only; see to its disk, and try again")
}

/// Whether SQLite said it, and not keyfold.
pub(super) fn is_of_sqlite(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<rusqlite::Error>())
}

fn extended(error: &rusqlite::Error) -> Option<std::ffi::c_int> {
    error.sqlite_error().map(|error| error.extended_code)
}
