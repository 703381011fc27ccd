//! A stream being decrypted, once its version is found.

use crate::error::{Error, Result};
use crate::key::{Key, snapshot};
use crate::keyring::{Material, Snapshot, Version};
use crate::primitives::{HEADER_LENGTH, Header, Segments};

/// The stream's key, and which version it came from.
pub(super) struct Opening {
    key: Key,
    segments: Segments,
    version: u32,
    is_current: bool,
}

impl Opening {
    /// Finds the version whose key opens the first segment, which begins with the header, and decrypts it where it
    /// is. Gives the length of the plaintext behind the header.
    ///
    /// The current version is tried first, then the others from the newest on; where none fits, those that another
    /// process made in the meantime.
    pub(super) fn find(key: &Key, aad: &[u8], segment: &mut [u8], last: bool) -> Result<(Self, usize)> {
        let header = Header::parse(segment).ok_or_else(|| Error::decryption_failed(key.id()))?;
        let mut search = Search { key, aad, header, sealed: None, tried: Vec::new() };
        if let Some(found) = search.run(segment, last)? {
            return Ok(found);
        }
        key.shared.look_for_newer()?;
        search.run(segment, last)?.ok_or_else(|| Error::decryption_failed(key.id()))
    }

    /// Decrypts the next segment where it is, and returns the plaintext's length.
    pub(super) fn open(&mut self, segment: &mut [u8], last: bool) -> Result<usize> {
        self.key.shared.unlocked()?;
        self.segments.open(segment, last).map_err(|_| Error::decryption_failed(self.key.id()))
    }

    /// The number of the version that sealed the stream.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Whether it was the current one when the stream's beginning was opened.
    pub(super) fn is_current(&self) -> bool {
        self.is_current
    }
}

/// A search for the version that sealed a stream.
struct Search<'a> {
    key: &'a Key,
    aad: &'a [u8],
    header: Header,
    /// The segment as it was: a failed attempt wipes it.
    sealed: Option<Vec<u8>>,
    /// Tags of the versions that it was not.
    tried: Vec<u32>,
}

impl Search<'_> {
    fn run(&mut self, segment: &mut [u8], last: bool) -> Result<Option<(Opening, usize)>> {
        let loaded = self.key.shared.current(&self.key.entry)?;
        let snapshot = snapshot(&loaded)?;
        for version in candidates(snapshot) {
            if self.tried.contains(&version.row.tag) {
                continue;
            }
            if let Some(found) = self.attempt(snapshot, version, segment, last)? {
                return Ok(Some(found));
            }
            self.tried.push(version.row.tag);
        }
        Ok(None)
    }

    fn attempt(
        &mut self,
        snapshot: &Snapshot,
        version: &Version,
        segment: &mut [u8],
        last: bool,
    ) -> Result<Option<(Opening, usize)>> {
        let material = snapshot.material(version)?;
        let Material::Stream(main_key) = &*material else { return Ok(None) };
        let mut segments = Segments::derive(main_key.expose(), &self.header, self.aad)?;
        match &self.sealed {
            Some(sealed) => segment.copy_from_slice(sealed),
            None => self.sealed = Some(segment.to_vec()),
        }
        let Ok(length) = segments.open(&mut segment[HEADER_LENGTH..], last) else { return Ok(None) };
        let (version, is_current) = (version.row.version, version.row.is_current);
        Ok(Some((Opening { key: self.key.clone(), segments, version, is_current }, length)))
    }
}

/// Those that may decrypt: the current version, then from the newest to the oldest.
fn candidates(snapshot: &Snapshot) -> impl Iterator<Item = &Version> {
    let others = snapshot.versions.iter().rev().filter(|version| !version.row.is_current);
    snapshot.current().into_iter().chain(others).filter(|version| version.state.may_decrypt())
}
