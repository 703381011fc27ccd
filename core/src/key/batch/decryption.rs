//! Decrypting many values.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Envelope, Scratch, TEXT_PREFIX, decode_ciphertext_into};
use crate::key::plaintext::wipe;
use crate::key::{Key, Sealed, open_raw, open_under, snapshot, split};
use crate::keyring::{Loaded, Snapshot, Version};
use crate::limits;

use super::{Aads, PlaintextBatch, Prepared, Room, too_long};

/// What a batch does when one of its values does not decrypt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The call fails with that value's error, which names its place. The default.
    #[default]
    Raise,
    /// The error stands at that value's place, and the others decrypt.
    Return,
}

/// The decryption of a batch, value by value, into buffers of the caller's. While it is kept, it keeps its keys.
///
/// All values are decrypted as of one moment; only the first tag that is unknown makes it look once for newer
/// versions.
pub struct BatchDecryption<'a> {
    key: &'a Key,
    loaded: Loaded,
    looked: bool,
    aads: Prepared<'a>,
    room: Room,
    /// A text form's bytes.
    scratch: Scratch,
}

/// One value of a batch, its version found.
pub struct BatchItem<'a> {
    key: &'a Key,
    index: usize,
    version: &'a Version,
    /// Where an imported version without a prefix may have sealed it: all of them are tried.
    raw: Option<&'a Snapshot>,
    aad: &'a [u8],
    sealed: Sealed<'a>,
}

impl Key {
    /// Decrypts many ciphertexts, given in bytes or as text. What is `None` stays `None`.
    ///
    /// LimitExceeded past 100,000 values or 256 MiB of ciphertexts. `on_error` says what becomes of a value that
    /// does not decrypt; the store's own failures always fail the call.
    pub fn decrypt_many<'a>(
        &self,
        values: &[Option<&[u8]>],
        aads: impl Into<Aads<'a>>,
        on_error: OnError,
    ) -> Result<PlaintextBatch> {
        self.decrypt_all(values, aads.into(), on_error, false)
    }

    /// Decrypts many text forms to text; otherwise as [`Key::decrypt_many`]. DecryptionFailed as well where a value
    /// is no text form, or its plaintext not UTF-8.
    pub fn decrypt_many_text<'a>(
        &self,
        values: &[Option<&str>],
        aads: impl Into<Aads<'a>>,
        on_error: OnError,
    ) -> Result<PlaintextBatch> {
        self.decrypt_all(values, aads.into(), on_error, true)
    }

    /// The decryption of `count` values, for callers with buffers of their own.
    pub fn batch_decryption<'a>(
        &'a self,
        aads: impl Into<Aads<'a>>,
        count: usize,
    ) -> Result<BatchDecryption<'a>> {
        Ok(BatchDecryption {
            key: self,
            aads: Prepared::new(aads.into(), count)?,
            loaded: self.shared.current(&self.entry)?,
            looked: false,
            room: Room::new(count),
            scratch: Scratch::new(),
        })
    }

    fn decrypt_all<T: AsRef<[u8]>>(
        &self,
        values: &[Option<T>],
        aads: Aads<'_>,
        on_error: OnError,
        text: bool,
    ) -> Result<PlaintextBatch> {
        let mut batch = self.batch_decryption(aads, values.len())?;
        let bytes = |value: &Option<T>| value.as_ref().map_or(0, |value| value.as_ref().len());
        let total = values.iter().map(bytes).sum::<usize>();
        if total > limits::BATCH_BYTES {
            return Err(too_long());
        }
        let mut out = PlaintextBatch::with_capacity(total, values.len());
        for (index, value) in values.iter().enumerate() {
            let Some(value) = value else {
                out.push(Ok(None));
                continue;
            };
            let start = out.buffer().len();
            match batch.append(index, value.as_ref(), text, out.buffer()) {
                Ok(()) => {
                    let end = out.buffer().len();
                    out.push(Ok(Some(start..end)));
                }
                Err(error) if on_error == OnError::Return && is_of_value(&error) => out.push(Err(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }
}

impl BatchDecryption<'_> {
    /// Takes the ciphertext at this place apart, given in bytes or as text, and finds its version.
    pub fn item<'s>(&'s mut self, index: usize, ciphertext: &'s [u8]) -> Result<BatchItem<'s>> {
        self.find(index, ciphertext).map_err(|error| error.with_index(index))
    }

    #[inline]
    fn find<'s>(&'s mut self, index: usize, ciphertext: &'s [u8]) -> Result<BatchItem<'s>> {
        let key = self.key;
        self.room.take(ciphertext.len())?;
        let bytes = decode_ciphertext_into(ciphertext, &mut self.scratch);
        let bytes = bytes.ok_or_else(|| key.decryption_failed())?;
        let envelope = Envelope::parse(bytes);
        let tag = envelope.as_ref().map(|envelope| envelope.tag);
        let place_of = |snapshot: &Snapshot| tag.and_then(|tag| snapshot.place_of(tag));
        let mut place = place_of(snapshot(&self.loaded)?);
        if place.is_none() && tag.is_some() && !self.looked {
            self.looked = true;
            key.shared.look_for_newer()?;
            self.loaded = key.shared.current(&key.entry)?;
            place = place_of(snapshot(&self.loaded)?);
        }
        let snapshot = snapshot(&self.loaded)?;
        let (place, sealed, raw) = match (place, envelope) {
            (Some(place), Some(envelope)) => {
                snapshot.prepare(place)?;
                (place, envelope.body, None)
            }
            _ => (key.prepare_raw(snapshot)?, bytes, Some(snapshot)),
        };
        let version = &snapshot.versions[place];
        let parts = split(sealed, version.algorithm);
        let sealed = parts.ok_or_else(|| key.decryption_failed())?;
        Ok(BatchItem { key, index, version, raw, aad: self.aads.of(index)?, sealed })
    }

    /// Appends a plaintext to a buffer with room for it; on failure the buffer is as it was.
    #[inline]
    fn append(&mut self, index: usize, ciphertext: &[u8], text: bool, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        if text && !ciphertext.starts_with(TEXT_PREFIX.as_bytes()) {
            return Err(self.key.decryption_failed().with_index(index));
        }
        let item = self.item(index, ciphertext)?;
        out.resize(start + item.length(), 0);
        let opened = &mut out[start..];
        let outcome = item.open(opened);
        if outcome.is_ok() && !(text && std::str::from_utf8(opened).is_err()) {
            return Ok(());
        }
        wipe(opened);
        out.truncate(start);
        outcome.and_then(|()| Err(self.key.decryption_failed().with_index(index)))
    }
}

impl BatchItem<'_> {
    /// The length of the plaintext.
    #[inline]
    pub fn length(&self) -> usize {
        self.sealed.body.len()
    }

    /// Decrypts into `out`, which has [`BatchItem::length`] bytes; where it does not decrypt, `out` is wiped.
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> Result<()> {
        if out.len() != self.sealed.body.len() {
            return Err(Error::invalid(format!(
                "the plaintext is {} bytes, the buffer {}",
                self.sealed.body.len(),
                out.len()
            ))
            .with_index(self.index));
        }
        self.open(out)
    }

    #[inline]
    fn open(&self, out: &mut [u8]) -> Result<()> {
        let opened = match self.raw {
            None => open_under(self.key, self.version, self.aad, &self.sealed, out),
            Some(snapshot) => open_raw(self.key, snapshot, self.aad, &self.sealed, out),
        };
        opened.map_err(|error| error.with_index(self.index))
    }
}

/// Whether the error is about one value, rather than about the store.
fn is_of_value(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DecryptionFailed
            | ErrorKind::KeyUnavailable
            | ErrorKind::InvalidArgument
            | ErrorKind::LimitExceeded
    )
}
