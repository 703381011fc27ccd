//! Whether the system could not read a file just now. SQLite takes that for a damaged file, and says nothing else.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr;

use rusqlite::{Connection, ffi};

/// Whether the last error that the system gave on the connection's file, or on its log, is one of reading. It stays
/// so until the connection is closed.
pub(crate) fn is_unreadable(connection: &Connection) -> bool {
    // For these SQLite says that the file is damaged.
    const UNREADABLE: [c_int; 3] = [libc::EIO, libc::ENXIO, libc::ERANGE];
    let mut of_file: c_int = 0;
    let mut of_log: c_int = 0;
    let mut log: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is open while the connection is borrowed, and each request writes one value of the type that
    // its pointer has. The log's file is the pager's, which lives as long as the handle; without a log it has no methods.
    unsafe {
        let (handle, main) = (connection.handle(), c"main".as_ptr());
        ffi::sqlite3_file_control(handle, main, ffi::SQLITE_FCNTL_LAST_ERRNO, (&raw mut of_file).cast());
        ffi::sqlite3_file_control(handle, main, ffi::SQLITE_FCNTL_JOURNAL_POINTER, (&raw mut log).cast());
        if let Some(file) = log.as_ref()
            && let Some(methods) = file.pMethods.as_ref()
            && let Some(control) = methods.xFileControl
        {
            control(log, ffi::SQLITE_FCNTL_LAST_ERRNO, (&raw mut of_log).cast());
        }
    }
    UNREADABLE.contains(&of_file) || UNREADABLE.contains(&of_log)
}
