//! Streaming encryption, byte for byte Google Tink's AES-GCM-HKDF streaming
//! (<https://developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming>).
//!
//! Each stream has a key of its own, derived from the main key, a random salt and the associated data; each
//! segment's nonce holds its number and whether it is the last, so that none can be moved, left out or added.

use super::aead::{Cipher, TAG_LENGTH};
use super::algorithm::Algorithm;
use super::backend::{Failure, Forged};
use super::hash::hkdf_sha256;
use super::random::random_bytes;
use crate::limits::STREAM_SEGMENTS;
use crate::sys::pages::SecretBytes;

/// Bytes of a segment of ciphertext with its authentication tag; of the first, with the header too.
pub(crate) const SEGMENT_LENGTH: usize = 1 << 20;
/// Bytes in front of the first segment: its own length, salt and nonce prefix.
pub(crate) const HEADER_LENGTH: usize = 1 + SALT_LENGTH + PREFIX_LENGTH;

const SALT_LENGTH: usize = 32;
const PREFIX_LENGTH: usize = 7;
const NONCE_LENGTH: usize = PREFIX_LENGTH + 4 + 1;

/// What a stream begins with.
pub(crate) struct Header([u8; HEADER_LENGTH]);

impl Header {
    /// For a new stream. From the kernel: its salt must never repeat.
    pub(crate) fn make() -> Result<Self, Failure> {
        let mut header = [0; HEADER_LENGTH];
        header[0] = HEADER_LENGTH as u8;
        random_bytes(&mut header[1..])?;
        Ok(Self(header))
    }

    /// Of a stream's first segment. `None` where the bytes do not begin as a stream does.
    pub(crate) fn parse(segment: &[u8]) -> Option<Self> {
        let header = segment.first_chunk::<HEADER_LENGTH>()?;
        let is_whole = segment.len() >= HEADER_LENGTH + TAG_LENGTH;
        (is_whole && usize::from(header[0]) == HEADER_LENGTH).then_some(Self(*header))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; HEADER_LENGTH] {
        &self.0
    }
}

/// One stream's key, and the number of its next segment.
pub(crate) struct Segments {
    cipher: Cipher,
    prefix: [u8; PREFIX_LENGTH],
    next: u64,
}

impl Segments {
    /// At the beginning of the stream with this header.
    pub(crate) fn derive(main_key: &[u8], header: &Header, aad: &[u8]) -> Result<Self, Failure> {
        let (salt, prefix) = header.0[1..].split_at(SALT_LENGTH);
        let mut derived = SecretBytes::zeroed(32);
        hkdf_sha256(main_key, salt, aad, derived.expose_mut())?;
        let cipher = Cipher::new(Algorithm::Aes256Gcm, derived.expose_32());
        Ok(Self { cipher, prefix: prefix.try_into().map_err(|_| Failure)?, next: 0 })
    }

    /// Whether another segment may follow: none does after the last, nor after 2^32.
    pub(crate) fn may_go_on(&self) -> bool {
        self.next < STREAM_SEGMENTS
    }

    /// Encrypts the next segment where it is, and returns its tag.
    #[inline]
    pub(crate) fn seal(&mut self, data: &mut [u8], last: bool) -> Result<[u8; TAG_LENGTH], Failure> {
        let nonce = self.nonce(last).ok_or(Failure)?;
        self.cipher.seal_in_place(&nonce, &[], data)
    }

    /// Decrypts the next segment, its tag at its end, where it is, and returns the plaintext's length. What does
    /// not verify is wiped.
    #[inline]
    pub(crate) fn open(&mut self, segment: &mut [u8], last: bool) -> Result<usize, Forged> {
        let nonce = self.nonce(last).ok_or(Forged)?;
        let length = segment.len().checked_sub(TAG_LENGTH).ok_or(Forged)?;
        let (data, tag) = segment.split_at_mut(length);
        self.cipher.open_in_place(&nonce, &[], data, tag)?;
        Ok(length)
    }

    /// The next segment's nonce; each is given once.
    #[inline]
    fn nonce(&mut self, last: bool) -> Option<[u8; NONCE_LENGTH]> {
        let number = u32::try_from(self.next).ok()?;
        self.next = if last { STREAM_SEGMENTS } else { self.next + 1 };
        let mut nonce = [0; NONCE_LENGTH];
        nonce[..PREFIX_LENGTH].copy_from_slice(&self.prefix);
        nonce[PREFIX_LENGTH..NONCE_LENGTH - 1].copy_from_slice(&number.to_be_bytes());
        nonce[NONCE_LENGTH - 1] = u8::from(last);
        Some(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_segments_ends() {
        let header = Header::make().unwrap();
        let mut segments = Segments::derive(&[1; 32], &header, b"").unwrap();
        segments.next = STREAM_SEGMENTS - 1;
        assert!(segments.may_go_on());
        assert_eq!(segments.nonce(false).unwrap()[PREFIX_LENGTH..], [0xff, 0xff, 0xff, 0xff, 0]);
        assert!(!segments.may_go_on());
        assert_eq!(segments.seal(&mut [], false), Err(Failure));
        assert_eq!(segments.seal(&mut [], true), Err(Failure));
        assert_eq!(segments.open(&mut [0; 16], true), Err(Forged));
    }

    #[test]
    fn nothing_follows_the_last() {
        let mut segments = Segments::derive(&[1; 32], &Header::make().unwrap(), b"").unwrap();
        segments.seal(&mut [1], true).unwrap();
        assert!(!segments.may_go_on());
        assert_eq!(segments.seal(&mut [1], true), Err(Failure));
    }

    #[test]
    fn headers_are_checked_and_differ() {
        let header = Header::make().unwrap();
        assert_ne!(header.0, Header::make().unwrap().0);
        let segment = [&header.0[..], &[0; TAG_LENGTH]].concat();
        assert_eq!(Header::parse(&segment).unwrap().0, header.0);
        for length in 0..segment.len() {
            assert!(Header::parse(&segment[..length]).is_none());
        }
        for first in (0..=255u8).filter(|first| usize::from(*first) != HEADER_LENGTH) {
            let mut other = segment.clone();
            other[0] = first;
            assert!(Header::parse(&other).is_none());
        }
    }

    #[test]
    fn key_salt_prefix_aad_number_and_end_are_bound() {
        let header = Header::make().unwrap();
        let mut sealed = *b"a segment";
        let tag = Segments::derive(&[1; 32], &header, b"aad").unwrap().seal(&mut sealed, false).unwrap();
        let segment = [&sealed[..], &tag].concat();
        let opens = |key: [u8; 32], header: &Header, aad: &[u8], number: u64, last: bool| {
            let mut segments = Segments::derive(&key, header, aad).unwrap();
            segments.next = number;
            let mut data = segment.clone();
            let opened = segments.open(&mut data, last).is_ok();
            assert!(opened || data[..9] == [0; 9], "wiped");
            opened
        };
        let changed = |at: usize| {
            let mut other = *header.as_bytes();
            other[at] ^= 1;
            Header(other)
        };
        assert!(opens([1; 32], &header, b"aad", 0, false));
        assert!(!opens([2; 32], &header, b"aad", 0, false));
        assert!(!opens([1; 32], &changed(1), b"aad", 0, false));
        assert!(!opens([1; 32], &changed(HEADER_LENGTH - 1), b"aad", 0, false));
        assert!(!opens([1; 32], &header, b"aae", 0, false));
        assert!(!opens([1; 32], &header, b"aad", 1, false));
        assert!(!opens([1; 32], &header, b"aad", 0, true));
    }
}
