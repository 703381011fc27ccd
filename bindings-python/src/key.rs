//! `keyfold.Key`: the calls that are made often.

use std::sync::atomic::{AtomicU32, Ordering};

use keyfold::IndexOptions;
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::{PyBytes, PyList, PyString};

use crate::arguments::{Argument, Binding, Given, bytes, count, plaintext, sealed_text, text};
use crate::calls::{LONG_BYTES, LongCalls, caught};
use crate::errors::Result;
use crate::infos;

/// One key of an open store, for encrypting with it. Comes from `Store.key`.
///
/// It may be used from all threads at once, and keeps its store open. What another process rotates is used
/// here within `refresh_interval`; what a newer version sealed opens at once. Its calls raise Closed once the
/// store is closed.
#[pyclass(module = "keyfold", frozen)]
pub struct Key {
    core: keyfold::Key,
    calls: LongCalls,
    known: KnownTags,
    owner: Py<PyAny>,
}

impl Key {
    pub fn new(core: keyfold::Key, calls: LongCalls, owner: Py<PyAny>) -> Self {
        Self { core, calls, known: KnownTags::default(), owner }
    }

    /// Runs a call that decrypts: briefly where the version is known here, else it may look for it in the file.
    fn decrypting<T: Send>(
        &self,
        py: Python<'_>,
        ciphertext: &[u8],
        binding: &Binding<'_>,
        call: impl FnOnce() -> keyfold::Result<T> + Send,
    ) -> Result<T> {
        let tag = tag_of(ciphertext);
        if ciphertext.len() + binding.size() <= LONG_BYTES && self.known.has(tag) {
            return Ok(self.calls.short(py, call)?);
        }
        let done = py.detach(|| caught(call))?;
        self.known.add(tag);
        Ok(done)
    }
}

#[pymethods]
impl Key {
    /// The key's name in its store.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, self.core.id())
    }

    /// The key's metadata, as this process uses it now.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let info = self.calls.long(py, || self.core.info())?;
        Ok(infos::key_info(py, &info)?)
    }

    /// Encrypts bytes under the current version.
    ///
    /// The ciphertext is 33 bytes longer than the plaintext with the default algorithm. `aad` (bytes) or
    /// `context` (a dict of names to text, bytes or integers) is authenticated and not stored: `decrypt` must
    /// be given the same. Any object with a buffer will do for `plaintext` and `aad`.
    ///
    /// Raises InvalidArgument for text and other wrong types, and where both `aad` and `context` are given;
    /// LimitExceeded past 64 MiB of plaintext or 1 MiB of aad; KeyUnavailable where no version may encrypt.
    #[pyo3(
        signature = (plaintext, aad = Given::NOT, *, context = None),
        text_signature = "($self, plaintext, aad=b'', *, context=None)"
    )]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        plaintext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let plaintext = self::plaintext(plaintext)?;
        let binding = Binding::new(&aad, context)?;
        seal(py, &self.core, &self.calls, plaintext.as_slice(), &binding)
    }

    /// Decrypts what any version of this key encrypted, given in bytes or as "kf1." text.
    ///
    /// Raises DecryptionFailed, always with the same message, where anything is wrong with ciphertext, key,
    /// aad or context; KeyUnavailable where the version's state forbids it; InvalidArgument for wrong types.
    #[pyo3(
        signature = (ciphertext, aad = Given::NOT, *, context = None),
        text_signature = "($self, ciphertext, aad=b'', *, context=None)"
    )]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        ciphertext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let ciphertext = Argument::ciphertext(ciphertext, "ciphertext")?;
        let binding = Binding::new(&aad, context)?;
        open_bytes(py, &self.core, &self.calls, Some(&self.known), ciphertext.as_slice(), &binding)
    }

    /// Encrypts a text to a text, for a text column: "kf1." and base64url.
    ///
    /// Raises as `encrypt` does.
    #[pyo3(
        signature = (plaintext, aad = Given::NOT, *, context = None),
        text_signature = "($self, plaintext, aad=b'', *, context=None)"
    )]
    fn encrypt_text<'py>(
        &self,
        py: Python<'py>,
        plaintext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyString>> {
        let plaintext = text(plaintext, "plaintext")?;
        let binding = Binding::new(&aad, context)?;
        let size = plaintext.len() + binding.size();
        let sealed = self.calls.sized(py, size, || self.core.encrypt_text(plaintext, binding.aad()))?;
        Ok(PyString::new(py, &sealed))
    }

    /// Decrypts a text form to text.
    ///
    /// Raises as `decrypt` does, and DecryptionFailed as well where the plaintext is not UTF-8.
    #[pyo3(
        signature = (ciphertext, aad = Given::NOT, *, context = None),
        text_signature = "($self, ciphertext, aad=b'', *, context=None)"
    )]
    fn decrypt_text<'py>(
        &self,
        py: Python<'py>,
        ciphertext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyString>> {
        let ciphertext = sealed_text(ciphertext)?;
        let binding = Binding::new(&aad, context)?;
        let plaintext = self.decrypting(py, ciphertext.as_bytes(), &binding, || {
            self.core.decrypt_text(ciphertext, binding.aad())
        })?;
        Ok(PyString::new(py, &plaintext))
    }

    /// Moves a ciphertext to the current version: bytes to bytes, text to text.
    ///
    /// One that is there already is verified and returned as it is. Raises as `decrypt` and `encrypt` do.
    #[pyo3(
        signature = (ciphertext, aad = Given::NOT, *, context = None),
        text_signature = "($self, ciphertext, aad=b'', *, context=None)"
    )]
    fn reencrypt<'py>(
        &self,
        py: Python<'py>,
        ciphertext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let binding = Binding::new(&aad, context)?;
        if ciphertext.is_instance_of::<PyString>() {
            let sealed = sealed_text(ciphertext)?;
            let moved = self.decrypting(py, sealed.as_bytes(), &binding, || {
                self.core.reencrypt_text(sealed, binding.aad())
            })?;
            return Ok(PyString::new(py, &moved).into_any());
        }
        let sealed = Argument::ciphertext(ciphertext, "ciphertext")?;
        let sealed = sealed.as_slice();
        let moved = self.decrypting(py, sealed, &binding, || self.core.reencrypt(sealed, binding.aad()))?;
        Ok(PyBytes::new(py, &moved).into_any())
    }

    /// Whether a ciphertext, in bytes or as text, was made by another version than the current one.
    ///
    /// Nothing of it is verified. Raises DecryptionFailed where it is no ciphertext of this key.
    fn needs_reencrypt(&self, py: Python<'_>, ciphertext: &Bound<'_, PyAny>) -> Result<bool> {
        let ciphertext = Argument::ciphertext(ciphertext, "ciphertext")?;
        let ciphertext = ciphertext.as_slice();
        let none = Binding::Raw(Argument::Borrowed(&[]));
        self.decrypting(py, ciphertext, &none, || self.core.needs_reencrypt(ciphertext))
    }

    /// The index to store beside the value and to search for: a keyed hash, stable while data keys rotate.
    ///
    /// `value` is text or bytes; None gives None, so that a NULL stays one. `field` names what is indexed, as
    /// in "users.email". Keys of one purpose give the same index for a value and field; a key without a purpose
    /// has an index root of its own. Equal values are seen to be equal, and how often; fewer `bits` (1 to 256)
    /// blur that. An empty value has an index like any other.
    ///
    /// Raises InvalidArgument for an empty field, an unknown kind or bits out of range.
    #[pyo3(
        signature = (value, field, *, kind = Given::NOT, bits = Given::NOT),
        text_signature = "($self, value, field, *, kind='exact', bits=128)"
    )]
    fn blind_index<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        kind: Given<'py>,
        bits: Given<'py>,
    ) -> Result<Option<Bound<'py, PyBytes>>> {
        let (field, options) = index_options(field, &kind, &bits)?;
        if value.is_none() {
            return Ok(None);
        }
        let value = indexed(value)?;
        let value = value.as_slice();
        let index = self.calls.sized(py, value.len(), || self.core.blind_index(value, field, &options))?;
        Ok(Some(PyBytes::new(py, &index)))
    }

    /// The indexes under all live versions of the index root, newest first: search for any of them.
    ///
    /// None gives None. Otherwise as `blind_index`.
    #[pyo3(
        signature = (value, field, *, kind = Given::NOT, bits = Given::NOT),
        text_signature = "($self, value, field, *, kind='exact', bits=128)"
    )]
    fn blind_indexes<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        kind: Given<'py>,
        bits: Given<'py>,
    ) -> Result<Option<Bound<'py, PyList>>> {
        let (field, options) = index_options(field, &kind, &bits)?;
        if value.is_none() {
            return Ok(None);
        }
        let value = indexed(value)?;
        let value = value.as_slice();
        let found = self.calls.sized(py, value.len(), || self.core.blind_indexes(value, field, &options))?;
        Ok(Some(PyList::new(py, found.iter().map(|index| PyBytes::new(py, index)))?))
    }

    fn __repr__(&self) -> String {
        format!("<keyfold.Key '{}'>", self.core.id())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}

/// Encrypts into new bytes of the final size.
#[inline]
pub fn seal<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    plaintext: &[u8],
    binding: &Binding<'_>,
) -> Result<Bound<'py, PyBytes>> {
    let encryption = calls.short(py, || key.encryption())?;
    let length = encryption.length(plaintext.len())?;
    let long = plaintext.len() + binding.size() > LONG_BYTES;
    let mut outcome = Ok(());
    let sealed = PyBytes::new_with(py, length, |out| {
        let mut write = || caught(|| encryption.write(plaintext, binding.aad(), out));
        outcome = if long { py.detach(write) } else { write() };
        Ok(())
    })?;
    outcome?;
    Ok(sealed)
}

/// Decrypts into new bytes of the final size.
#[inline]
pub fn open_bytes<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    known: Option<&KnownTags>,
    ciphertext: &[u8],
    binding: &Binding<'_>,
) -> Result<Bound<'py, PyBytes>> {
    const BYTES: u8 = 1;
    if ciphertext.first() != Some(&BYTES) {
        let plaintext = py.detach(|| caught(|| key.decrypt(ciphertext, binding.aad())))?;
        return Ok(PyBytes::new(py, &plaintext));
    }
    let tag = tag_of(ciphertext);
    let decryption = if known.is_some_and(|known| known.has(tag)) {
        calls.short(py, || key.decryption(ciphertext))?
    } else {
        let decryption = py.detach(|| caught(|| key.decryption(ciphertext)))?;
        known.inspect(|known| known.add(tag));
        decryption
    };
    let long = ciphertext.len() + binding.size() > LONG_BYTES;
    let mut outcome = Ok(());
    let opened = PyBytes::new_with(py, decryption.length(), |out| {
        let mut write = || caught(|| decryption.write(binding.aad(), out));
        outcome = if long { py.detach(write) } else { write() };
        Ok(())
    })?;
    outcome?;
    Ok(opened)
}

/// Tags of versions that were found lately. Another one may make the core look into the file or wait, and
/// then other Python threads are to run.
pub struct KnownTags([AtomicU32; 64]);

impl Default for KnownTags {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; 64])
    }
}

impl KnownTags {
    #[inline]
    fn has(&self, tag: u32) -> bool {
        tag != 0 && self.place(tag).load(Ordering::Relaxed) == tag
    }

    fn add(&self, tag: u32) {
        self.place(tag).store(tag, Ordering::Relaxed);
    }

    fn place(&self, tag: u32) -> &AtomicU32 {
        &self.0[tag as usize % self.0.len()]
    }
}

/// The tag of a ciphertext in bytes or as text; 0, which no version has, where there is none.
#[inline]
fn tag_of(ciphertext: &[u8]) -> u32 {
    match ciphertext {
        &[1, a, b, c, d, ..] => u32::from_be_bytes([a, b, c, d]),
        [b'k', ..] => tag_of_text(ciphertext).unwrap_or(0),
        _ => 0,
    }
}

fn tag_of_text(ciphertext: &[u8]) -> Option<u32> {
    // Eight characters stand for six bytes, of which the first five are the prefix.
    let head = std::str::from_utf8(ciphertext.get(.."kf1.".len() + 8)?).ok()?;
    match keyfold::from_text(head).ok()?[..] {
        [1, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// A value for a blind index.
fn indexed<'a>(value: &'a Bound<'_, PyAny>) -> Result<Argument<'a>> {
    match value.cast::<PyString>() {
        Ok(value) => text(value, "value").map(|text| Argument::Borrowed(text.as_bytes())),
        Err(_) => bytes(value, "value"),
    }
}

fn index_options<'a>(
    field: &'a Bound<'_, PyAny>,
    kind: &Given<'_>,
    bits: &Given<'_>,
) -> Result<(&'a str, IndexOptions)> {
    let mut options = IndexOptions::new();
    if let Some(kind) = kind.value() {
        options.kind = text(kind, "kind")?.to_owned();
    }
    if let Some(bits) = bits.value() {
        options.bits = count(bits, "bits", "an integer, 1 to 256")?;
    }
    Ok((text(field, "field")?, options))
}
