//! [`StreamDecryptor`]: decrypting a stream that the caller hands over in parts.

use crate::error::{Error, Result};
use crate::format::Aad;
use crate::key::plaintext::wipe;
use crate::key::{Key, stream};
use crate::primitives::{HEADER_LENGTH, SEGMENT_LENGTH};

use super::opening::Opening;

/// Decrypts a stream part by part, in parts of any size.
///
/// It keeps at most one segment of 1 MiB and gives out verified segments only. What it gave is **provisional**
/// until [`StreamDecryptor::finish`] returns: only then is it known that nothing is missing at the end. Where a call
/// fails, nothing was appended and the stream is over; throw away what came before.
pub struct StreamDecryptor {
    key: Key,
    state: State,
    /// The version that sealed the stream, and whether it was current: known from the first segment on, also after the
    /// end.
    found: Option<(u32, bool)>,
    /// The beginning of the next segment, as it was sealed.
    pending: Vec<u8>,
}

enum State {
    /// The first segment is not yet whole. Holds the associated data.
    Start(Vec<u8>),
    Open(Opening),
    Failed,
    Ended,
}

impl Key {
    /// Begins to decrypt a stream in parts. For keys of kind `stream`.
    ///
    /// A stream does not say which version sealed it, so that the versions are tried on its first segment.
    pub fn stream_decryptor<'a>(&self, aad: impl Into<Aad<'a>>) -> Result<StreamDecryptor> {
        self.require_stream_kind("decrypt streams")?;
        let aad = aad.into().to_bytes()?.as_ref().to_vec();
        Ok(StreamDecryptor { key: self.clone(), state: State::Start(aad), found: None, pending: Vec::new() })
    }
}

impl StreamDecryptor {
    /// Takes the next part, and appends the plaintext of the segments that it completes to `out`, which the caller
    /// wipes.
    pub fn update(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let outcome = self.take(part, out);
        self.settle(outcome, start, out)
    }

    /// Appends the last segment's plaintext. DecryptionFailed where the stream was cut; only when this returns
    /// well is what came before to be believed whole.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let outcome = self.ready().and_then(|()| self.emit(&[], true, out));
        self.settle(outcome, start, out)?;
        self.state = State::Ended;
        Ok(())
    }

    /// The number of the version that sealed the stream, once its first segment is open.
    pub fn version(&self) -> Option<u32> {
        self.found.map(|(version, _)| version)
    }

    /// Whether the stream was sealed by another version than the current one, once its first segment is open.
    pub fn needs_reencrypt(&self) -> Option<bool> {
        self.found.map(|(_, is_current)| !is_current)
    }

    /// Refuses what comes after a failure or the end.
    fn ready(&self) -> Result<()> {
        match self.state {
            State::Start(_) | State::Open(_) => Ok(()),
            State::Failed => {
                self.key.shared.unlocked()?;
                Err(Error::decryption_failed(self.key.id()))
            }
            State::Ended => Err(stream::over(&self.key)),
        }
    }

    fn take(&mut self, mut part: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.ready()?;
        if self.pending.len() + part.len() > SEGMENT_LENGTH {
            reserve_wiping(out, self.pending.len() + part.len());
        }
        // A full segment waits for the next byte, which says that it is not the last.
        while self.pending.len() + part.len() > SEGMENT_LENGTH {
            let (now, later) = part.split_at(SEGMENT_LENGTH - self.pending.len());
            self.emit(now, false, out)?;
            part = later;
        }
        self.pending.extend_from_slice(part);
        Ok(())
    }

    /// Appends the plaintext of a segment of what is pending and `part`, opened in the caller's buffer.
    fn emit(&mut self, part: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        reserve_wiping(out, self.pending.len() + part.len());
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(part);
        self.pending.clear();
        let segment = &mut out[start..];
        let length = match &mut self.state {
            State::Open(opening) => opening.open(segment, last)?,
            State::Start(aad) => {
                let (opening, length) = Opening::find(&self.key, aad, segment, last)?;
                self.found = Some((opening.version(), opening.is_current()));
                self.state = State::Open(opening);
                // Over the header.
                segment.copy_within(HEADER_LENGTH..HEADER_LENGTH + length, 0);
                wipe(&mut segment[length..]);
                length
            }
            State::Failed | State::Ended => return self.ready(),
        };
        out.truncate(start + length);
        Ok(())
    }

    /// After a failure nothing of it stays in the caller's buffer.
    fn settle(&mut self, outcome: Result<()>, start: usize, out: &mut Vec<u8>) -> Result<()> {
        if outcome.is_err() {
            wipe(&mut out[start..]);
            out.truncate(start);
            self.pending = Vec::new();
            self.found = None;
            if !matches!(self.state, State::Ended) {
                self.state = State::Failed;
            }
        }
        outcome
    }
}

impl std::fmt::Debug for StreamDecryptor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "StreamDecryptor({})", self.key.id())
    }
}

/// Makes room without leaving plaintext behind in the memory that a growing vector gives up.
fn reserve_wiping(out: &mut Vec<u8>, more: usize) {
    if out.capacity() - out.len() >= more {
        return;
    }
    let mut larger = Vec::with_capacity((out.len() + more).max(out.capacity() * 2));
    larger.extend_from_slice(out);
    wipe(out);
    *out = larger;
}
