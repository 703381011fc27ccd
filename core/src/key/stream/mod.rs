//! Streams and files of any length, in constant memory, under keys of kind `stream`.
//!
//! [`StreamEncryptor`] and [`StreamDecryptor`] are for callers who own the loop; [`Key::encrypt_stream`] and
//! [`Key::encrypt_file`] own it themselves. None holds a lock, a connection or a version's own key while the
//! caller's reader, writer or callback runs.

mod decryptor;
mod encryptor;
mod file;
mod opening;
mod output;
mod sealing;
mod transfer;

pub use decryptor::StreamDecryptor;
pub use encryptor::StreamEncryptor;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::master_key::CallbackError;
use crate::primitives::KeyKind;

/// Told how many bytes of the input are done after each segment; an error stops the stream, and is its cause.
pub type Progress<'a> = dyn FnMut(u64) -> std::result::Result<(), CallbackError> + 'a;

impl Key {
    /// Refuses keys of other kinds.
    fn require_stream_kind(&self, operation: &str) -> Result<()> {
        self.with_snapshot(|snapshot| match KeyKind::from_name(&snapshot.key.kind) {
            Some(KeyKind::Stream) => Ok(()),
            Some(kind) => Err(super::wrong_kind(self.id(), kind, operation, &[KeyKind::Stream])),
            None => Err(Error::integrity("the key's kind is unknown").with_key(self.id())),
        })
    }
}

/// The error for messages under a key for streams.
#[cold]
pub(super) fn no_messages(key_id: &str) -> Error {
    Error::invalid(format!(
        "key {key_id:?} is of kind stream and decrypts no message: that wants a key of kind aead or deterministic; a \
         stream is decrypted as a stream or file, and names no version until its first segment is open"
    ))
    .with_key(key_id)
}

/// A stream that has ended or failed was given more.
#[cold]
fn over(key: &Key) -> Error {
    match key.shared.unlocked() {
        Err(closed) => closed,
        Ok(_) => Error::invalid("the stream has ended or failed; begin a new one").with_key(key.id()),
    }
}
