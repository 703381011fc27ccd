//! [`Key`]: what a user calls to encrypt. Takes no lock, makes no system call and one allocation a call.

mod batch;
mod deterministic;
mod index;
mod mac;
mod plaintext;
mod stream;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    Aad, Envelope, PREFIX_LENGTH, Scratch, TEXT_PREFIX, decode_ciphertext, decode_ciphertext_into, from_text,
    prefix, room, to_text_into,
};
use crate::keyring::{Entry, Loaded, Material, Meter, Snapshot, Version};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind, TAG_LENGTH, draw_nonce_at};
use crate::store::{Charge, KeyInfo, Shared};
use crate::sys::clock::coarse_milliseconds;

pub use batch::{
    Aads, BatchDecryption, BatchEncryption, BatchItem, OnError, Packed, PackedText, PlaintextBatch,
};
pub use index::{IndexReport, PackedIndexes, index_report};
#[cfg(test)]
pub(crate) use index::{compound_under, index_under};
pub(crate) use plaintext::wipe;
pub use plaintext::{Plaintext, PlaintextText};
pub use stream::{Progress, StreamDecryptor, StreamEncryptor};

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
            let current = snapshot.current().map(|version| &version.row);
            KeyInfo::from_row(&snapshot.key, current, snapshot.rotation_period, true)
        })
    }

    /// Encrypts under the current version.
    ///
    /// The result is in Google Tink's format: `01 ‖ tag (4) ‖ nonce ‖ ciphertext ‖ 16`, 33 bytes longer than
    /// the plaintext with a 12-byte nonce. `aad` is authenticated and not stored: `decrypt` must be given the
    /// same. LimitExceeded past 64 MiB of plaintext or 1 MiB of aad.
    pub fn encrypt<'a>(&self, plaintext: &[u8], aad: impl Into<Aad<'a>>) -> Result<Vec<u8>> {
        let mut encryption = self.encryption()?;
        encryption.charge(plaintext.len())?;
        let length = encryption.length(plaintext.len())?;
        // Asking the allocator for zeros takes longer, for what is short.
        #[allow(clippy::slow_vector_initialization)]
        let mut out = Vec::with_capacity(length);
        out.resize(length, 0);
        encryption.fill(plaintext, aad.into(), &mut out)?;
        Ok(out)
    }

    /// Decrypts what any version of this key encrypted, given in bytes or as text.
    ///
    /// DecryptionFailed, always with the same message, where anything is wrong with ciphertext, key or aad;
    /// KeyUnavailable where the version's state forbids it.
    pub fn decrypt<'a>(&self, ciphertext: impl AsRef<[u8]>, aad: impl Into<Aad<'a>>) -> Result<Plaintext> {
        let mut scratch = Scratch::new();
        let bytes = decode_ciphertext_into(ciphertext.as_ref(), &mut scratch);
        let bytes = bytes.ok_or_else(|| self.decryption_failed())?;
        let aad = aad.into();
        let decryption = self.decryption(bytes)?;
        match decryption.plaintext(aad) {
            // What has no prefix may begin as one by chance.
            Err(error) if error.kind() == ErrorKind::DecryptionFailed && !decryption.raw => {
                self.raw_decryption(bytes)?.plaintext(aad)
            }
            outcome => outcome,
        }
    }

    /// Encrypts a text for a text column: `kf1.` and base64url.
    pub fn encrypt_text<'a>(&self, plaintext: &str, aad: impl Into<Aad<'a>>) -> Result<String> {
        let mut encryption = self.encryption()?;
        encryption.charge(plaintext.len())?;
        let mut scratch = Scratch::new();
        let sealed = room(&mut scratch, encryption.length(plaintext.len())?);
        encryption.fill(plaintext.as_bytes(), aad.into(), sealed)?;
        let mut text = String::new();
        to_text_into(sealed, &mut text);
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
            match self.loaded_with(envelope.tag, Self::decryption_failed) {
                Err(error) if error.kind() == ErrorKind::DecryptionFailed => {}
                found => {
                    let (loaded, place) = found?;
                    let version = &snapshot(&loaded)?.versions[place];
                    self.check_kind(version.algorithm.kind(), "re-encrypt", &ENCRYPTING)?;
                    return Ok(!version.row.is_current);
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
        let now = coarse_milliseconds();
        let loaded = self.shared.current_at(now, &self.entry)?;
        self.shared.refuse_expired(snapshot(&loaded)?)?;
        self.shared.refuse_uncounted(snapshot(&loaded)?)?;
        Ok(Encryption { key: self, loaded, now })
    }

    /// A ciphertext in bytes, taken apart and ready to be decrypted into the caller's buffer.
    #[inline(always)]
    pub fn decryption<'a>(&'a self, ciphertext: &'a [u8]) -> Result<Decryption<'a>> {
        let Some(envelope) = Envelope::parse(ciphertext) else {
            return Ok(*self.raw_decryption(ciphertext)?);
        };
        let loaded = self.shared.current(&self.entry)?;
        let Some(place) = snapshot(&loaded)?.place_of(envelope.tag) else {
            return Ok(*self.unknown_decryption(envelope.tag, ciphertext)?);
        };
        Decryption::new(self, loaded, place, envelope.body)
    }

    /// As [`Key::decryption`], where the version with this tag is not known here. On the heap: so the usual case stays in
    /// registers.
    #[cold]
    fn unknown_decryption<'a>(&'a self, tag: u32, ciphertext: &'a [u8]) -> Result<Box<Decryption<'a>>> {
        let (loaded, place) = match self.looked_up(tag, Self::decryption_failed) {
            Err(error) if error.kind() == ErrorKind::DecryptionFailed => {
                return self.raw_decryption(ciphertext);
            }
            found => found?,
        };
        Decryption::new(self, loaded, place, &ciphertext[PREFIX_LENGTH..]).map(Box::new)
    }

    /// As [`Key::decryption`], for what an imported version without a prefix may have sealed.
    #[cold]
    fn raw_decryption<'a>(&'a self, ciphertext: &'a [u8]) -> Result<Box<Decryption<'a>>> {
        let loaded = self.shared.current(&self.entry)?;
        let found = snapshot(&loaded)?;
        let place = self.prepare_raw(found)?;
        let parts = split(ciphertext, found.versions[place].algorithm);
        let sealed = parts.ok_or_else(|| self.decryption_failed())?;
        Ok(Box::new(Decryption { key: self, loaded, place, raw: true, sealed }))
    }

    /// Has the versions without a prefix ready. The place of one, whose algorithm is that of all: the import sees to it.
    #[cold]
    fn prepare_raw(&self, snapshot: &Snapshot) -> Result<usize> {
        let place = snapshot.raw_places().next().ok_or_else(|| self.decryption_failed())?;
        for place in snapshot.raw_places() {
            snapshot.prepare(place)?;
        }
        Ok(place)
    }

    /// The snapshot and the place of the tag's version in it; the error `unknown` where no version has the tag.
    #[inline]
    fn loaded_with(&self, tag: u32, unknown: fn(&Self) -> Error) -> Result<(Loaded, usize)> {
        let loaded = self.shared.current(&self.entry)?;
        match snapshot(&loaded)?.place_of(tag) {
            Some(place) => Ok((loaded, place)),
            None => self.looked_up(tag, unknown),
        }
    }

    /// One look whether another process made the version with this tag.
    #[cold]
    fn looked_up(&self, tag: u32, unknown: fn(&Self) -> Error) -> Result<(Loaded, usize)> {
        self.shared.look_for_newer()?;
        let loaded = self.shared.current(&self.entry)?;
        let place = snapshot(&loaded)?.place_of(tag).ok_or_else(|| unknown(self))?;
        Ok((loaded, place))
    }

    /// Counts messages before they are sealed under the snapshot's current version. Where that is at its limit, there
    /// is a newer snapshot to seal under. Takes no lock while this thread's share of the allotment lasts.
    #[inline]
    pub(crate) fn charge(&self, loaded: &Loaded, messages: u64) -> Result<Option<Loaded>> {
        if snapshot(loaded)?.encrypting_meter()?.take(messages) {
            return Ok(None);
        }
        self.charge_more(loaded, messages)
    }

    #[cold]
    fn charge_more(&self, loaded: &Loaded, messages: u64) -> Result<Option<Loaded>> {
        let mut newer = None;
        // Each round but the last means that a version came to its limit meanwhile.
        for _ in 0..4 {
            let snapshot = snapshot(newer.as_ref().unwrap_or(loaded))?;
            match self.shared.charge(&snapshot.key, snapshot.encrypting_meter()?, messages)? {
                Charge::Counted => return Ok(newer),
                Charge::Replaced => newer = Some(self.shared.current(&self.entry)?),
            }
        }
        Err(Error::limit("the key's versions reach their limits faster than they are made; try again")
            .with_key(self.id()))
    }

    fn with_snapshot<T>(&self, run: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        let loaded = self.shared.current(&self.entry)?;
        run(snapshot(&loaded)?)
    }

    /// One error for whatever is wrong with a ciphertext; another where keys of this kind decrypt no message at all.
    #[cold]
    fn decryption_failed(&self) -> Error {
        let loaded = self.entry.load();
        match loaded.as_deref().and_then(|snapshot| KeyKind::from_name(&snapshot.key.kind)) {
            Some(KeyKind::Stream) => stream::no_messages(self.id()),
            Some(kind) if !ENCRYPTING.contains(&kind) => wrong_kind(self.id(), kind, "decrypt", &ENCRYPTING),
            _ => Error::decryption_failed(self.id()),
        }
    }

    fn kind(&self) -> Result<KeyKind> {
        self.with_snapshot(|snapshot| {
            KeyKind::from_name(&snapshot.key.kind).ok_or_else(|| Error::integrity("a key of an unknown kind"))
        })
    }

    fn check_kind(&self, kind: KeyKind, operation: &str, wanted: &[KeyKind]) -> Result<()> {
        if wanted.contains(&kind) { Ok(()) } else { Err(wrong_kind(self.id(), kind, operation, wanted)) }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Key({})", self.id())
    }
}

/// One encryption under the version that was current when it began. For callers with buffers of their own, and for one
/// message or a few at once: kept for long it knows no newer version, and its nonces' generator no later time.
pub struct Encryption<'a> {
    key: &'a Key,
    loaded: Loaded,
    /// What the coarse clock said when it began.
    now: u64,
}

impl Encryption<'_> {
    /// The length of the ciphertext of so long a plaintext. LimitExceeded past 64 MiB.
    #[inline]
    pub fn length(&self, plaintext: usize) -> Result<usize> {
        let (version, _) = self.version()?;
        if plaintext > limits::MESSAGE_BYTES {
            return Err(too_long(self.key.id()));
        }
        Ok(overhead(version.algorithm) + plaintext)
    }

    /// Encrypts into `out`, which has [`Encryption::length`] bytes.
    ///
    /// Where the version has sealed as many messages as are safe, the key rotates and this uses the next one, or
    /// LimitExceeded, as the key's `on_limit` says.
    #[inline]
    pub fn write<'b>(&self, plaintext: &[u8], aad: impl Into<Aad<'b>>, out: &mut [u8]) -> Result<()> {
        if plaintext.len() > limits::MESSAGE_BYTES {
            return Err(too_long(self.key.id()));
        }
        match self.key.charge(&self.loaded, limits::counted_messages(plaintext.len()))? {
            None => self.fill(plaintext, aad.into(), out),
            Some(loaded) => Encryption { loaded, ..*self }.fill(plaintext, aad.into(), out),
        }
    }

    /// Counts one message of so many bytes, and goes on to the next version where this one is at its limit: then it says
    /// so.
    #[inline]
    pub(crate) fn charge(&mut self, plaintext: usize) -> Result<bool> {
        if plaintext > limits::MESSAGE_BYTES {
            return Err(too_long(self.key.id()));
        }
        let newer = self.key.charge(&self.loaded, limits::counted_messages(plaintext))?;
        let goes_on = newer.is_some();
        if let Some(newer) = newer {
            self.loaded = newer;
        }
        Ok(goes_on)
    }

    /// Seals one message that was counted.
    #[inline]
    fn fill(&self, plaintext: &[u8], aad: Aad<'_>, out: &mut [u8]) -> Result<()> {
        let aad = aad.to_bytes()?;
        let mut nonce = [0u8; MAX_NONCE_LENGTH];
        let nonce = &mut nonce[..self.nonce_length()?];
        draw_nonce_at(self.now, nonce)?;
        self.seal(nonce, plaintext, aad.as_ref(), out)
    }

    /// What counts the messages of the version that encrypts.
    #[inline]
    fn meter(&self) -> Result<&Meter> {
        snapshot(&self.loaded)?.encrypting_meter()
    }

    /// The length of a nonce.
    #[inline]
    fn nonce_length(&self) -> Result<usize> {
        Ok(self.version()?.0.algorithm.nonce_length())
    }

    /// Seals one message that was counted, under a fresh nonce, into `out`, which has [`Encryption::length`] bytes.
    #[inline]
    fn seal(&self, nonce: &[u8], plaintext: &[u8], aad: &[u8], out: &mut [u8]) -> Result<()> {
        let (version, material) = self.version()?;
        let length = overhead(version.algorithm) + plaintext.len();
        if plaintext.len() > limits::MESSAGE_BYTES || out.len() != length {
            return Err(self.does_not_fit(plaintext.len(), out.len()));
        }
        let Material::Aead(cipher) = material else {
            return self.write_deterministic(plaintext, aad, out);
        };
        let (head, rest) = out.split_at_mut(PREFIX_LENGTH);
        let (place, rest) = rest.split_at_mut(nonce.len());
        let Some((body, tag)) = rest.split_last_chunk_mut() else {
            return Err(self.does_not_fit(plaintext.len(), length));
        };
        head.copy_from_slice(&prefix(version.row.tag));
        place.copy_from_slice(nonce);
        Ok(cipher.seal(nonce, aad, plaintext, body, tag)?)
    }

    #[cold]
    fn does_not_fit(&self, plaintext: usize, out: usize) -> Error {
        match self.length(plaintext) {
            Ok(length) => Error::invalid(format!("the ciphertext is {length} bytes, the buffer {out}")),
            Err(error) => error,
        }
    }

    /// The version that encrypts, and its material: one of the two kinds that encrypt.
    #[inline]
    fn version(&self) -> Result<(&Version, &Material)> {
        let (version, material) = snapshot(&self.loaded)?.encrypting()?;
        match material {
            Material::Aead(_) | Material::Deterministic(_) => Ok((version, material)),
            _ => Err(wrong_kind(self.key.id(), version.algorithm.kind(), "encrypt", &ENCRYPTING)),
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
    sealed: Sealed<'a>,
}

impl<'a> Decryption<'a> {
    /// By the version at this place, of what follows the prefix.
    #[inline(always)]
    fn new(key: &'a Key, loaded: Loaded, place: usize, sealed: &'a [u8]) -> Result<Self> {
        let found = snapshot(&loaded)?;
        found.prepare(place)?;
        let parts = split(sealed, found.versions[place].algorithm);
        let sealed = parts.ok_or_else(|| key.decryption_failed())?;
        Ok(Self { key, loaded, place, raw: false, sealed })
    }

    /// The length of the plaintext.
    #[inline]
    pub fn length(&self) -> usize {
        self.sealed.body.len()
    }

    /// Whether no version was found by a prefix, so that every imported version without one is tried.
    #[inline]
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// Decrypts into `out`, which has [`Decryption::length`] bytes; where it does not decrypt, `out` is wiped.
    #[inline]
    pub fn write<'b>(&self, aad: impl Into<Aad<'b>>, out: &mut [u8]) -> Result<()> {
        if out.len() != self.sealed.body.len() {
            return Err(Error::invalid(format!(
                "the plaintext is {} bytes, the buffer {}",
                self.sealed.body.len(),
                out.len()
            )));
        }
        self.open(aad.into().to_bytes()?.as_ref(), out)
    }

    #[inline]
    fn plaintext(&self, aad: Aad<'_>) -> Result<Plaintext> {
        let mut out = Plaintext::zeroed(self.length());
        self.open(aad.to_bytes()?.as_ref(), out.buffer())?;
        Ok(out)
    }

    #[inline]
    fn open(&self, aad: &[u8], out: &mut [u8]) -> Result<()> {
        let found = snapshot(&self.loaded)?;
        if self.raw {
            return open_raw(self.key, found, aad, &self.sealed, out);
        }
        open_under(self.key, &found.versions[self.place], aad, &self.sealed, out)
    }
}

/// What a version made, without its prefix.
struct Sealed<'a> {
    nonce: &'a [u8],
    body: &'a [u8],
    tag: &'a [u8],
}

/// Decrypts into `out` by one of the versions without a prefix, which are prepared; on failure `out` is wiped.
#[cold]
fn open_raw(key: &Key, snapshot: &Snapshot, aad: &[u8], sealed: &Sealed<'_>, out: &mut [u8]) -> Result<()> {
    for place in snapshot.raw_places() {
        match open_under(key, &snapshot.versions[place], aad, sealed, out) {
            Err(error) if error.kind() == ErrorKind::DecryptionFailed => {}
            outcome => return outcome,
        }
    }
    plaintext::wipe(out);
    Err(key.decryption_failed())
}

/// Decrypts into `out`, which is as long as the ciphertext, under a version that is prepared; on failure `out` is wiped.
#[inline]
fn open_under(key: &Key, version: &Version, aad: &[u8], sealed: &Sealed<'_>, out: &mut [u8]) -> Result<()> {
    let Sealed { nonce, body, tag } = sealed;
    let opened = match version.unwrapped() {
        Some(Material::Aead(cipher)) => cipher.open(nonce, aad, body, tag, out),
        Some(Material::Deterministic(siv)) => siv.open(aad, body, tag, out),
        _ => {
            plaintext::wipe(out);
            return Err(wrong_kind(key.id(), version.algorithm.kind(), "decrypt", &ENCRYPTING));
        }
    };
    opened.map_err(|_| key.decryption_failed())
}

/// The kinds of keys that encrypt messages.
const ENCRYPTING: [KeyKind; 2] = [KeyKind::Aead, KeyKind::Deterministic];

/// That of XChaCha20-Poly1305 and XAES-256-GCM.
const MAX_NONCE_LENGTH: usize = 24;

/// Takes apart what follows a prefix; `None` where the bytes are too few or too many for a message. What is
/// deterministic has its IV for a tag, and that comes first.
#[inline]
fn split(bytes: &[u8], algorithm: Algorithm) -> Option<Sealed<'_>> {
    let (nonce, rest) = bytes.split_at_checked(algorithm.nonce_length())?;
    let (body, tag) = if algorithm == Algorithm::Aes256Siv {
        rest.split_at_checked(TAG_LENGTH).map(|(tag, body)| (body, tag))?
    } else {
        rest.split_at_checked(rest.len().checked_sub(TAG_LENGTH)?)?
    };
    (body.len() <= limits::MESSAGE_BYTES).then_some(Sealed { nonce, body, tag })
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

#[cold]
fn too_long(key_id: &str) -> Error {
    Error::limit(format!(
        "a message is at most {} bytes (64 MiB); larger ones are for streams",
        limits::MESSAGE_BYTES
    ))
    .with_key(key_id)
}

/// How much longer a ciphertext is than its plaintext.
#[inline]
fn overhead(algorithm: Algorithm) -> usize {
    PREFIX_LENGTH + algorithm.nonce_length() + TAG_LENGTH
}

#[inline]
fn snapshot(loaded: &Loaded) -> Result<&Snapshot> {
    loaded.as_deref().ok_or_else(Error::closed)
}
