//! A stream being encrypted, segment by segment.

use crate::error::{Error, Result};
use crate::format::Aad;
use crate::key::{Key, snapshot, wrong_kind};
use crate::keyring::{Loaded, Material};
use crate::primitives::{HEADER_LENGTH, Header, KeyKind, SEGMENT_LENGTH, Segments, TAG_LENGTH};
use crate::sys::fork;
use crate::sys::pages::SecretBytes;

/// The stream's key, derived from the version that was current when it began.
pub(super) struct Sealing {
    key: Key,
    segments: Segments,
    /// Until it is written.
    header: Option<Header>,
    /// In a forked child it is another one.
    epoch: u64,
}

impl Sealing {
    pub(super) fn begin(key: &Key, aad: Aad<'_>) -> Result<Self> {
        let aad = aad.to_bytes()?;
        let mut loaded = key.shared.current(&key.entry)?;
        key.shared.refuse_expired(snapshot(&loaded)?)?;
        // Keys of other kinds are refused before anything is counted.
        main_key(key, &loaded)?;
        if let Some(newer) = key.charge(&loaded, 1)? {
            loaded = newer;
        }
        let epoch = fork::epoch();
        let header = Header::make()?;
        let segments = Segments::derive(main_key(key, &loaded)?.expose(), &header, aad.as_ref())?;
        Ok(Self { key: key.clone(), segments, header: Some(header), epoch })
    }

    /// Bytes of plaintext that the next segment holds when it is full.
    pub(super) fn room(&self) -> usize {
        SEGMENT_LENGTH - TAG_LENGTH - self.header_length()
    }

    /// Bytes in front of the next segment: those of the header, or none.
    pub(super) fn header_length(&self) -> usize {
        if self.header.is_some() { HEADER_LENGTH } else { 0 }
    }

    /// The header, to be written in front of the first segment.
    pub(super) fn take_header(&mut self) -> Option<Header> {
        self.header.take()
    }

    /// Encrypts the next segment where it is.
    pub(super) fn seal(&mut self, data: &mut [u8], last: bool) -> Result<[u8; TAG_LENGTH]> {
        self.key.shared.unlocked()?;
        if fork::epoch() != self.epoch {
            // Parent and child would seal different segments under one nonce.
            return Err(Error::invalid(
                "the stream was begun before a fork and can go on in the parent only; begin a new one",
            )
            .with_key(self.key.id()));
        }
        if !self.segments.may_go_on() {
            return Err(Error::limit("a stream has at most 2^32 segments of 1 MiB").with_key(self.key.id()));
        }
        Ok(self.segments.seal(data, last)?)
    }
}

/// The bytes of the version that encrypts.
fn main_key<'a>(key: &Key, loaded: &'a Loaded) -> Result<&'a SecretBytes> {
    match snapshot(loaded)?.encrypting()? {
        (_, Material::Stream(main_key)) => Ok(main_key),
        (version, _) => {
            let kind = version.algorithm.kind();
            Err(wrong_kind(key.id(), kind, "encrypt streams", &[KeyKind::Stream]))
        }
    }
}
