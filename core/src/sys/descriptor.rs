//! Reading from a file descriptor that somebody else owns.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

/// A descriptor of our own to the same open file: closing it leaves the other open. Opening `/dev/fd/N` instead
/// would check permissions anew, which fails once a process gave up its privileges, and on sockets.
pub(crate) fn duplicate(number: i32) -> io::Result<File> {
    // SAFETY: fcntl takes any number, and gives an error for one that is not open.
    let duplicate = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, open, and nobody else's.
    Ok(unsafe { File::from_raw_fd(duplicate) })
}
