//! [`StreamEncryptor`]: encrypting a stream that the caller hands over in parts.

use crate::error::Result;
use crate::format::Aad;
use crate::key::plaintext::{Plaintext, wipe};
use crate::key::{Key, stream};
use crate::primitives::{SEGMENT_LENGTH, TAG_LENGTH};

use super::sealing::Sealing;

/// Encrypts a stream part by part, in parts of any size, under the version that was current when it began.
///
/// It keeps at most one segment of 1 MiB. Where a call fails, nothing was appended and the stream is over; what
/// was written before is no whole stream, and does not decrypt. It refuses to go on in a forked child, and once
/// the store is closed.
///
/// ```
/// # fn main() -> keyfold::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let master_key = keyfold::MasterKey::parse(&keyfold::generate_master_key()?)?;
/// # let options = keyfold::OpenOptions::new().create(true);
/// # let store = keyfold::Store::open_with(folder.path().join("s"), &master_key, &options)?;
/// use keyfold::{CreateKey, KeyKind};
///
/// store.create_key("files", &CreateKey::new().kind(KeyKind::Stream))?;
/// let files = store.key("files")?;
/// let mut sealed = Vec::new();
/// let mut encryptor = files.stream_encryptor(b"report.pdf")?;
/// for part in [&b"one part, "[..], b"and another"] {
///     encryptor.update(part, &mut sealed)?;
/// }
/// encryptor.finish(&mut sealed)?;
///
/// let mut opened = Vec::new();
/// let mut decryptor = files.stream_decryptor(b"report.pdf")?;
/// decryptor.update(&sealed, &mut opened)?;
/// decryptor.finish(&mut opened)?;
/// assert_eq!(opened, b"one part, and another");
/// # Ok(())
/// # }
/// ```
pub struct StreamEncryptor {
    key: Key,
    /// `None` once it has ended or failed.
    sealing: Option<Sealing>,
    /// The beginning of the next segment.
    pending: Plaintext,
}

impl Key {
    /// Begins to encrypt a stream in parts. For keys of kind `stream`.
    ///
    /// `aad` is authenticated and not stored: decrypting must be given the same.
    pub fn stream_encryptor<'a>(&self, aad: impl Into<Aad<'a>>) -> Result<StreamEncryptor> {
        let sealing = Sealing::begin(self, aad.into())?;
        // Of its final size at once: growing would leave copies behind.
        let pending = Plaintext::with_capacity(SEGMENT_LENGTH);
        Ok(StreamEncryptor { key: self.clone(), sealing: Some(sealing), pending })
    }
}

impl StreamEncryptor {
    /// Takes the next part, and appends the segments that it completes to `out`.
    pub fn update(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let outcome = self.take(part, out);
        self.settle(outcome, start, out)
    }

    /// Appends the last segment. The stream is over then.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let outcome = self.emit(&[], true, out);
        let outcome = self.settle(outcome, start, out);
        self.end();
        outcome
    }

    fn take(&mut self, mut part: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let sealing = self.sealing.as_ref().ok_or_else(|| stream::over(&self.key))?;
        let segments = (self.pending.len() + part.len()) / sealing.room();
        if segments > 0 {
            out.reserve(sealing.header_length() + self.pending.len() + part.len() + segments * TAG_LENGTH);
        }
        // A full segment waits for the next byte, which says that it is not the last.
        while let Some(sealing) = &self.sealing
            && let space = sealing.room() - self.pending.len()
            && part.len() > space
        {
            let (now, later) = part.split_at(space);
            self.emit(now, false, out)?;
            part = later;
        }
        self.pending.buffer().extend_from_slice(part);
        Ok(())
    }

    /// Appends a segment of what is pending and `part`, sealed in the caller's buffer.
    fn emit(&mut self, part: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let sealing = self.sealing.as_mut().ok_or_else(|| stream::over(&self.key))?;
        if let Some(header) = sealing.take_header() {
            out.extend_from_slice(header.as_bytes());
        }
        let body = out.len();
        out.reserve(self.pending.len() + part.len() + TAG_LENGTH);
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(part);
        wipe(self.pending.buffer());
        self.pending.buffer().clear();
        let tag = sealing.seal(&mut out[body..], last)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// After a failure nothing of it stays in the caller's buffer, least of all plaintext.
    fn settle(&mut self, outcome: Result<()>, start: usize, out: &mut Vec<u8>) -> Result<()> {
        if outcome.is_err() {
            wipe(&mut out[start..]);
            out.truncate(start);
            self.end();
        }
        outcome
    }

    fn end(&mut self) {
        self.sealing = None;
        self.pending = Plaintext::with_capacity(0);
    }
}

impl std::fmt::Debug for StreamEncryptor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "StreamEncryptor({})", self.key.id())
    }
}
