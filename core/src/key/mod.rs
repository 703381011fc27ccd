//! [`Key`]: what a user calls to encrypt. Takes no lock, makes no system call and one allocation a call.

mod index;
mod plaintext;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    Aad, Envelope, PREFIX_LENGTH, TEXT_PREFIX, decode_ciphertext, from_text, prefix, to_text_into,
};
use crate::keyring::{Entry, Loaded, Material, Snapshot, Version};
use crate::limits;
use crate::primitives::{Algorithm, Cipher, KeyKind, TAG_LENGTH, draw_nonce};
use crate::store::{KeyInfo, Shared};

#[cfg(test)]
pub(crate) use index::index_under;
pub(crate) use plaintext::wipe;
pub use plaintext::{Plaintext, PlaintextText};

/// A handle to one key of an open store. Clones are cheap; it may be used from all threads at once.
///
/// What another process rotates is used here within `refresh_interval`; what a newer version sealed opens at once.
#[derive(Clone)]
pub struct Key {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
}

impl Key {
    pub(crate) fn new(shared: Arc<Shared>, entry: Arc<Entry>) -> Self {
        Self { shared, entry }
    }

    /// The key's name in its store.
    pub fn id(&self) -> &str {
        self.entry.key_id()
    }

    /// The key's metadata, as this process uses it now.
    pub fn info(&self) -> Result<KeyInfo> {
        self.with_snapshot(|snapshot| {
            KeyInfo::from_row(&snapshot.key, snapshot.current().map(|version| &version.row))
        })
    }

    /// Encrypts under the current version.
    ///
    /// The result is in Google Tink's format: `01 ‖ tag (4) ‖ nonce ‖ ciphertext ‖ 16`, 33 bytes longer than
    /// the plaintext with a 12-byte nonce. `aad` is authenticated and not stored: `decrypt` must be given the
    /// same. LimitExceeded past 64 MiB of plaintext or 1 MiB of aad.
    pub fn encrypt<'a>(&self, plaintext: &[u8], aad: impl Into<Aad<'a>>) -> Result<Vec<u8>> {
        let encryption = self.encryption()?;
        let length = encryption.length(plaintext.len())?;
        let mut out = Vec::with_capacity(length);
        encryption.append(plaintext, aad.into(), &mut out)?;
        Ok(out)
    }

    /// Decrypts what any version of this key encrypted, given in bytes or as text.
    ///
    /// DecryptionFailed, always with the same message, where anything is wrong with ciphertext, key or aad;
    /// KeyUnavailable where the version's state forbids it.
    pub fn decrypt<'a>(&self, ciphertext: impl AsRef<[u8]>, aad: impl Into<Aad<'a>>) -> Result<Plaintext> {
        let bytes = decode_ciphertext(ciphertext.as_ref()).ok_or_else(|| self.decryption_failed())?;
        let aad = aad.into();
        let decryption = self.decryption(&bytes)?;
        match decryption.plaintext(aad) {
            // What has no prefix may begin as one by chance.
            Err(error) if error.kind() == ErrorKind::DecryptionFailed && !decryption.raw => {
                self.raw_decryption(&bytes)?.plaintext(aad)
            }
            outcome => outcome,
        }
    }

    /// Encrypts a text for a text column: `kf1.` and base64url.
    pub fn encrypt_text<'a>(&self, plaintext: &str, aad: impl Into<Aad<'a>>) -> Result<String> {
        let sealed = self.encrypt(plaintext.as_bytes(), aad)?;
        let mut text = String::new();
        to_text_into(&sealed, &mut text);
        Ok(text)
    }

    /// Decrypts a text form to text. DecryptionFailed as well where the plaintext is not UTF-8.
    pub fn decrypt_text<'a>(&self, ciphertext: &str, aad: impl Into<Aad<'a>>) -> Result<PlaintextText> {
        if !ciphertext.starts_with(TEXT_PREFIX) {
            return Err(self.decryption_failed());
        }
        PlaintextText::new(self.decrypt(ciphertext, aad)?).ok_or_else(|| self.decryption_failed())
    }

    /// Whether the ciphertext was made by another version than the current one. Nothing of it is verified.
    ///
    /// DecryptionFailed where it is no ciphertext of this key.
    pub fn needs_reencrypt(&self, ciphertext: impl AsRef<[u8]>) -> Result<bool> {
        let bytes = decode_ciphertext(ciphertext.as_ref()).ok_or_else(|| self.decryption_failed())?;
        if let Some(envelope) = Envelope::parse(&bytes) {
            match self.loaded_with(envelope.tag) {
                Err(error) if error.kind() == ErrorKind::DecryptionFailed => {}
                found => {
                    let (loaded, place) = found?;
                    return Ok(!snapshot(&loaded)?.versions[place].row.is_current);
                }
            }
        }
        // A version without a prefix is never the one that encrypts.
        self.raw_decryption(&bytes).map(|_| true)
    }

    /// Moves a ciphertext to the current version; one that is there already is verified and returned as it is.
    pub fn reencrypt<'a>(&self, ciphertext: &[u8], aad: impl Into<Aad<'a>>) -> Result<Vec<u8>> {
        let aad = aad.into();
        let bytes = decode_ciphertext(ciphertext).ok_or_else(|| self.decryption_failed())?;
        let plaintext = self.decrypt(&bytes, aad)?;
        if self.needs_reencrypt(&bytes)? { self.encrypt(&plaintext, aad) } else { Ok(bytes.into_owned()) }
    }

    /// As [`Key::reencrypt`], from text form to text form.
    pub fn reencrypt_text<'a>(&self, ciphertext: &str, aad: impl Into<Aad<'a>>) -> Result<String> {
        let bytes = from_text(ciphertext).map_err(|_| self.decryption_failed())?;
        Ok(crate::format::to_text(&self.reencrypt(&bytes, aad)?))
    }

    /// The current version, ready to encrypt into the caller's buffers.
    #[inline]
    pub fn encryption(&self) -> Result<Encryption<'_>> {
        Ok(Encryption { key: self, loaded: self.shared.current(&self.entry)? })
    }

    /// A ciphertext in bytes, taken apart and ready to be decrypted into the caller's buffer.
    #[inline]
    pub fn decryption<'a>(&'a self, ciphertext: &'a [u8]) -> Result<Decryption<'a>> {
        let Some(envelope) = Envelope::parse(ciphertext) else { return self.raw_decryption(ciphertext) };
        let (loaded, place) = match self.loaded_with(envelope.tag) {
            Err(error) if error.kind() == ErrorKind::DecryptionFailed => {
                return self.raw_decryption(ciphertext);
            }
            found => found?,
        };
        let found = snapshot(&loaded)?;
        found.prepare(place)?;
        let parts = split(envelope.body, found.versions[place].algorithm);
        let (nonce, body, tag) = parts.ok_or_else(|| self.decryption_failed())?;
        Ok(Decryption { key: self, loaded, place, raw: false, nonce, body, tag })
    }

    /// As [`Key::decryption`], for what an imported version without a prefix may have sealed.
    #[cold]
    fn raw_decryption<'a>(&'a self, ciphertext: &'a [u8]) -> Result<Decryption<'a>> {
        let loaded = self.shared.current(&self.entry)?;
        let found = snapshot(&loaded)?;
        let place = found.raw_places().next().ok_or_else(|| self.decryption_failed())?;
        for place in found.raw_places() {
            found.prepare(place)?;
        }
        // They are all of one algorithm: the import sees to it.
        let parts = split(ciphertext, found.versions[place].algorithm);
        let (nonce, body, tag) = parts.ok_or_else(|| self.decryption_failed())?;
        Ok(Decryption { key: self, loaded, place, raw: true, nonce, body, tag })
    }

    /// The snapshot and the place of the tag's version in it.
    #[inline]
    fn loaded_with(&self, tag: u32) -> Result<(Loaded, usize)> {
        let loaded = self.shared.current(&self.entry)?;
        match snapshot(&loaded)?.place_of(tag) {
            Some(place) => Ok((loaded, place)),
            None => self.looked_up(tag),
        }
    }

    /// One look whether another process made the version with this tag; DecryptionFailed where nobody did.
    #[cold]
    fn looked_up(&self, tag: u32) -> Result<(Loaded, usize)> {
        self.shared.look_for_newer()?;
        let loaded = self.shared.current(&self.entry)?;
        let place = snapshot(&loaded)?.place_of(tag).ok_or_else(|| self.decryption_failed())?;
        Ok((loaded, place))
    }

    fn with_snapshot<T>(&self, run: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        let loaded = self.shared.current(&self.entry)?;
        run(snapshot(&loaded)?)
    }

    #[cold]
    fn decryption_failed(&self) -> Error {
        Error::decryption_failed(self.id())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Key({})", self.id())
    }
}

/// One encryption under the version that was current when it began. For callers with buffers of their own.
pub struct Encryption<'a> {
    key: &'a Key,
    loaded: Loaded,
}

impl Encryption<'_> {
    /// The length of the ciphertext of so long a plaintext. LimitExceeded past 64 MiB.
    #[inline]
    pub fn length(&self, plaintext: usize) -> Result<usize> {
        let (version, _) = self.version()?;
        if plaintext > limits::MESSAGE_BYTES {
            return Err(Error::limit(format!(
                "a message is at most {} bytes (64 MiB); larger ones are for streams",
                limits::MESSAGE_BYTES
            ))
            .with_key(self.key.id()));
        }
        Ok(overhead(version.algorithm) + plaintext)
    }

    /// Encrypts into `out`, which has [`Encryption::length`] bytes.
    #[inline]
    pub fn write<'b>(&self, plaintext: &[u8], aad: impl Into<Aad<'b>>, out: &mut [u8]) -> Result<()> {
        let length = self.length(plaintext.len())?;
        if out.len() != length {
            return Err(Error::invalid(format!(
                "the ciphertext is {length} bytes, the buffer {}",
                out.len()
            )));
        }
        let aad = aad.into().to_bytes()?;
        let (version, cipher) = self.version()?;
        let (head, rest) = out.split_at_mut(PREFIX_LENGTH);
        let (nonce, rest) = rest.split_at_mut(version.algorithm.nonce_length());
        let (body, tag) = rest.split_at_mut(plaintext.len());
        head.copy_from_slice(&prefix(version.row.tag));
        draw_nonce(nonce)?;
        body.copy_from_slice(plaintext);
        match cipher.seal_in_place(nonce, aad.as_ref(), body) {
            Ok(sealed) => tag.copy_from_slice(&sealed),
            Err(failure) => {
                // Nothing readable may stay behind in the caller's buffer.
                plaintext::wipe(body);
                return Err(failure.into());
            }
        }
        Ok(())
    }

    /// Appends the ciphertext to an empty buffer with room for it, without filling that with zeros first.
    #[inline]
    fn append(&self, plaintext: &[u8], aad: Aad<'_>, out: &mut Vec<u8>) -> Result<()> {
        let aad = aad.to_bytes()?;
        let (version, cipher) = self.version()?;
        let mut nonce = [0u8; MAX_NONCE_LENGTH];
        let nonce = &mut nonce[..version.algorithm.nonce_length()];
        draw_nonce(nonce)?;
        out.extend_from_slice(&prefix(version.row.tag));
        out.extend_from_slice(nonce);
        out.extend_from_slice(plaintext);
        let body = PREFIX_LENGTH + nonce.len();
        match cipher.seal_in_place(nonce, aad.as_ref(), &mut out[body..]) {
            Ok(tag) => out.extend_from_slice(&tag),
            Err(failure) => {
                plaintext::wipe(out);
                out.clear();
                return Err(failure.into());
            }
        }
        Ok(())
    }

    #[inline]
    fn version(&self) -> Result<(&Version, &Cipher)> {
        let (version, material) = snapshot(&self.loaded)?.encrypting()?;
        match material {
            Material::Aead(cipher) => Ok((version, cipher)),
            _ => Err(wrong_kind(self.key.id(), version.algorithm.kind(), "encrypt", &[KeyKind::Aead])),
        }
    }
}

/// One decryption, its version found. For callers with buffers of their own.
pub struct Decryption<'a> {
    key: &'a Key,
    loaded: Loaded,
    /// The version's place in the snapshot.
    place: usize,
    /// Whether every version without a prefix is tried instead.
    raw: bool,
    nonce: &'a [u8],
    body: &'a [u8],
    tag: &'a [u8],
}

impl Decryption<'_> {
    /// The length of the plaintext.
    #[inline]
    pub fn length(&self) -> usize {
        self.body.len()
    }

    /// Decrypts into `out`, which has [`Decryption::length`] bytes; on failure `out` is wiped.
    #[inline]
    pub fn write<'b>(&self, aad: impl Into<Aad<'b>>, out: &mut [u8]) -> Result<()> {
        if out.len() != self.body.len() {
            return Err(Error::invalid(format!(
                "the plaintext is {} bytes, the buffer {}",
                self.body.len(),
                out.len()
            )));
        }
        let aad = aad.into().to_bytes()?;
        out.copy_from_slice(self.body);
        self.open(aad.as_ref(), out)
    }

    #[inline]
    fn append(&self, aad: Aad<'_>, out: &mut Vec<u8>) -> Result<()> {
        let aad = aad.to_bytes()?;
        out.extend_from_slice(self.body);
        self.open(aad.as_ref(), out)
    }

    #[inline]
    fn plaintext(&self, aad: Aad<'_>) -> Result<Plaintext> {
        let mut out = Plaintext::with_capacity(self.length());
        self.append(aad, out.buffer())?;
        Ok(out)
    }

    #[inline]
    fn open(&self, aad: &[u8], out: &mut [u8]) -> Result<()> {
        if self.raw {
            return self.open_raw(aad, out);
        }
        self.open_with(self.place, aad, out)
    }

    #[cold]
    fn open_raw(&self, aad: &[u8], out: &mut [u8]) -> Result<()> {
        for place in snapshot(&self.loaded)?.raw_places() {
            // A failed attempt has wiped it.
            out.copy_from_slice(self.body);
            match self.open_with(place, aad, out) {
                Err(error) if error.kind() == ErrorKind::DecryptionFailed => {}
                outcome => return outcome,
            }
        }
        Err(self.key.decryption_failed())
    }

    #[inline]
    fn open_with(&self, place: usize, aad: &[u8], out: &mut [u8]) -> Result<()> {
        let version = &snapshot(&self.loaded)?.versions[place];
        let Some(Material::Aead(cipher)) = version.unwrapped() else {
            return Err(wrong_kind(self.key.id(), version.algorithm.kind(), "decrypt", &[KeyKind::Aead]));
        };
        cipher.open_in_place(self.nonce, aad, out, self.tag).map_err(|_| self.key.decryption_failed())
    }
}

/// That of XChaCha20-Poly1305 and XAES-256-GCM.
const MAX_NONCE_LENGTH: usize = 24;

/// Nonce, ciphertext and authentication tag; `None` where the bytes are too few or too many for a message.
#[inline]
fn split(bytes: &[u8], algorithm: Algorithm) -> Option<(&[u8], &[u8], &[u8])> {
    let (nonce, rest) = bytes.split_at_checked(algorithm.nonce_length())?;
    let (body, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_LENGTH)?)?;
    (body.len() <= limits::MESSAGE_BYTES).then_some((nonce, body, tag))
}

/// The error for an operation that keys of another kind are for.
#[cold]
pub(crate) fn wrong_kind(key_id: &str, kind: KeyKind, operation: &str, wanted: &[KeyKind]) -> Error {
    let wanted: Vec<&str> = wanted.iter().map(|kind| kind.name()).collect();
    Error::invalid(format!(
        "key {key_id:?} is of kind {kind} and cannot {operation}: that wants a key of kind {}",
        wanted.join(" or ")
    ))
    .with_key(key_id)
}

/// How much longer a ciphertext is than its plaintext.
fn overhead(algorithm: Algorithm) -> usize {
    PREFIX_LENGTH + algorithm.nonce_length() + TAG_LENGTH
}

#[inline]
fn snapshot(loaded: &Loaded) -> Result<&Snapshot> {
    loaded.as_deref().ok_or_else(Error::closed)
}
