//! `keyfold.Key`: the calls that are made often.

use std::sync::atomic::{AtomicU32, Ordering};

use keyfold::{Aad, FileOptions};
use pyo3::prelude::*;
use pyo3::pyclass::{PyTraverseError, PyVisit};
use pyo3::types::{PyBytes, PyList, PyString};

use crate::arguments::{Argument, Binding, Given, boolean, bytes, path, plaintext, sealed_text, text};
use crate::batch::{self, Places};
use crate::calls::{LONG_BYTES, LongCalls, caught};
use crate::errors::Result;
use crate::index::{self, Fields, indexed};
use crate::infos;
use crate::made::{new_bytes, new_text};
use crate::stream::{Reader, StreamDecryptor, StreamEncryptor, Teller, Writer};

/// What a ciphertext in bytes begins with.
const BYTES: u8 = 1;

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
        self.looking_up(py, ciphertext, ciphertext.len() + binding.size(), call)
    }

    /// Runs a call that looks for the version of a tag, and takes as long as it has bytes to work on.
    fn looking_up<T: Send>(
        &self,
        py: Python<'_>,
        ciphertext: &[u8],
        size: usize,
        call: impl FnOnce() -> keyfold::Result<T> + Send,
    ) -> Result<T> {
        let tag = tag_of(ciphertext);
        if size <= LONG_BYTES && self.known.has(tag) {
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
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        new_text(py, self.core.id())
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
        if let (Ok(plaintext), Some(aad)) = (plaintext.cast_exact::<PyBytes>(), aad.alone(context)) {
            let plaintext = plaintext.as_bytes();
            if self.calls.would_be_short(plaintext.len() + aad.len()) {
                return seal_short(py, &self.core, plaintext, aad);
            }
        }
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
        if let (Ok(ciphertext), Some(aad)) = (ciphertext.cast_exact::<PyBytes>(), aad.alone(context)) {
            let ciphertext = ciphertext.as_bytes();
            let known = ciphertext.first() == Some(&BYTES) && self.known.has(tag_of(ciphertext));
            if known && self.calls.would_be_short(ciphertext.len() + aad.len()) {
                return open_short(py, &self.core, ciphertext, aad);
            }
        }
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
        Ok(new_text(py, &sealed)?)
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
        Ok(new_text(py, &plaintext)?)
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
            return Ok(new_text(py, &moved)?.into_any());
        }
        let sealed = Argument::ciphertext(ciphertext, "ciphertext")?;
        let sealed = sealed.as_slice();
        let moved = self.decrypting(py, sealed, &binding, || self.core.reencrypt(sealed, binding.aad()))?;
        Ok(new_bytes(py, &moved)?.into_any())
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

    /// Encrypts many values in one call, all under one version. What is None stays None.
    ///
    /// They are bound to one `aad` or `context`, or each to its own of `aads` or `contexts`, which are as long as the
    /// values. Gives a list as long.
    ///
    /// Raises as `encrypt` does, with the place as `index`; LimitExceeded past 100,000 values or 256 MiB.
    #[pyo3(
        signature = (values, aad = Given::NOT, *, context = None, aads = None, contexts = None),
        text_signature = "($self, values, aad=b'', *, context=None, aads=None, contexts=None)"
    )]
    fn encrypt_many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        aads: Option<&Bound<'py, PyAny>>,
        contexts: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyList>> {
        let places = Places { aad: &aad, context, aads, contexts };
        batch::seal_many(py, &self.core, &self.calls, values, &places)
    }

    /// Encrypts many texts to their text forms in one call; otherwise as `encrypt_many`.
    #[pyo3(
        signature = (values, aad = Given::NOT, *, context = None, aads = None, contexts = None),
        text_signature = "($self, values, aad=b'', *, context=None, aads=None, contexts=None)"
    )]
    fn encrypt_many_text<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        aads: Option<&Bound<'py, PyAny>>,
        contexts: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyList>> {
        let places = Places { aad: &aad, context, aads, contexts };
        batch::seal_many_text(py, &self.core, &self.calls, values, &places)
    }

    /// Decrypts many ciphertexts in one call, given in bytes or as text. What is None stays None.
    ///
    /// `on_error` says what becomes of a value that does not decrypt: with "raise" the call raises its error, whose
    /// `index` is its place; with "return" the exception stands in the list at that place.
    ///
    /// Raises as `decrypt` and `encrypt_many` do; the store's own failures are always raised.
    #[pyo3(
        signature = (values, aad = Given::NOT, *, context = None, aads = None, contexts = None, on_error = Given::NOT),
        text_signature = "($self, values, aad=b'', *, context=None, aads=None, contexts=None, on_error='raise')"
    )]
    #[allow(clippy::too_many_arguments)]
    fn decrypt_many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        aads: Option<&Bound<'py, PyAny>>,
        contexts: Option<&Bound<'py, PyAny>>,
        on_error: Given<'py>,
    ) -> Result<Bound<'py, PyList>> {
        let places = Places { aad: &aad, context, aads, contexts };
        batch::open_many(py, &self.core, &self.calls, values, &places, batch::on_error(&on_error)?)
    }

    /// Decrypts many text forms to text in one call; otherwise as `decrypt_many`.
    #[pyo3(
        signature = (values, aad = Given::NOT, *, context = None, aads = None, contexts = None, on_error = Given::NOT),
        text_signature = "($self, values, aad=b'', *, context=None, aads=None, contexts=None, on_error='raise')"
    )]
    #[allow(clippy::too_many_arguments)]
    fn decrypt_many_text<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        aads: Option<&Bound<'py, PyAny>>,
        contexts: Option<&Bound<'py, PyAny>>,
        on_error: Given<'py>,
    ) -> Result<Bound<'py, PyList>> {
        let places = Places { aad: &aad, context, aads, contexts };
        batch::open_many_text(py, &self.core, &self.calls, values, &places, batch::on_error(&on_error)?)
    }

    /// The ciphertexts that this plaintext may have in rows, newest version first: search for any of them.
    ///
    /// For keys of kind "deterministic". Raises InvalidArgument for keys of other kinds, and as `encrypt` does.
    #[pyo3(
        signature = (plaintext, aad = Given::NOT, *, context = None),
        text_signature = "($self, plaintext, aad=b'', *, context=None)"
    )]
    fn search_ciphertexts<'py>(
        &self,
        py: Python<'py>,
        plaintext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyList>> {
        let plaintext = bytes(plaintext, "plaintext")?;
        let binding = Binding::new(&aad, context)?;
        let plaintext = plaintext.as_slice();
        let found = self.calls.long(py, || self.core.search_ciphertexts(plaintext, binding.aad()))?;
        list(py, &found)
    }

    /// The message authentication code of the data (HMAC) under the current version.
    ///
    /// For keys of kind "mac". With `raw` the HMAC alone, without the prefix that says which version made it.
    ///
    /// Raises InvalidArgument for keys of other kinds and for text; LimitExceeded past 64 MiB; KeyUnavailable.
    #[pyo3(signature = (data, *, raw = Given::NOT), text_signature = "($self, data, *, raw=False)")]
    fn mac<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        raw: Given<'py>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (data, raw) = (bytes(data, "data")?, is_raw(&raw)?);
        let data = data.as_slice();
        let make = || if raw { self.core.mac_raw(data) } else { self.core.mac(data) };
        Ok(new_bytes(py, &self.calls.sized(py, data.len(), make)?)?)
    }

    /// Returns where `mac` of any version of this key gave this code for this data, and raises where not.
    ///
    /// The code is given in bytes, or as "kf1." text unless `raw`. With `raw` every version is tried.
    ///
    /// Raises VerificationFailed, always with the same message, where anything is wrong with code, key or data;
    /// KeyUnavailable where the version's state forbids it; InvalidArgument for keys of other kinds.
    #[pyo3(signature = (data, mac, *, raw = Given::NOT), text_signature = "($self, data, mac, *, raw=False)")]
    fn verify_mac(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        mac: &Bound<'_, PyAny>,
        raw: Given<'_>,
    ) -> Result<()> {
        let (data, raw) = (bytes(data, "data")?, is_raw(&raw)?);
        let data = data.as_slice();
        if raw {
            let mac = bytes(mac, "mac")?;
            return Ok(self.calls.long(py, || self.core.verify_mac_raw(data, mac.as_slice()))?);
        }
        let mac = Argument::ciphertext(mac, "mac")?;
        let mac = mac.as_slice();
        self.looking_up(py, mac, data.len(), || self.core.verify_mac(data, mac))
    }

    /// Encrypts everything that a binary file object gives into another one, in constant memory.
    ///
    /// For keys of kind "stream". Gives the number of bytes read. `progress` is called with the number of bytes done,
    /// after each MiB. What was written before a failure is no whole stream, and does not decrypt.
    ///
    /// Raises Storage where the reader, the writer or `progress` raises, whose exception is the `__cause__`;
    /// InvalidArgument where they give something else than bytes and counts, and for keys of other kinds.
    #[pyo3(
        signature = (reader, writer, aad = Given::NOT, *, context = None, progress = None),
        text_signature = "($self, reader, writer, aad=b'', *, context=None, progress=None)"
    )]
    fn encrypt_stream<'py>(
        &self,
        py: Python<'py>,
        reader: &Bound<'py, PyAny>,
        writer: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<u64> {
        let (reader, writer, mut teller) =
            (Reader::new(reader)?, Writer::new(writer)?, Teller::new(progress)?);
        let binding = Binding::new(&aad, context)?;
        Ok(self.calls.long(py, move || {
            self.core.encrypt_stream_with(reader, writer, binding.aad(), &mut |done| teller.tell(done))
        })?)
    }

    /// Decrypts a stream from a binary file object into another one, in constant memory. Gives the bytes written.
    ///
    /// Only verified parts are written, but they are provisional until this returns: that a stream was cut is noticed
    /// at its end. Where that matters use `decrypt_file`, or throw away what was written on failure.
    ///
    /// Raises DecryptionFailed where anything is wrong with the stream, the key or the aad; else as `encrypt_stream`.
    #[pyo3(
        signature = (reader, writer, aad = Given::NOT, *, context = None, progress = None),
        text_signature = "($self, reader, writer, aad=b'', *, context=None, progress=None)"
    )]
    fn decrypt_stream<'py>(
        &self,
        py: Python<'py>,
        reader: &Bound<'py, PyAny>,
        writer: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<u64> {
        let (reader, writer, mut teller) =
            (Reader::new(reader)?, Writer::new(writer)?, Teller::new(progress)?);
        let binding = Binding::new(&aad, context)?;
        Ok(self.calls.long(py, move || {
            self.core.decrypt_stream_with(reader, writer, binding.aad(), &mut |done| teller.tell(done))
        })?)
    }

    /// Encrypts a file into another one; gives the number of bytes read. For keys of kind "stream".
    ///
    /// The target appears under its name, with mode 0600, once it is whole and on disk; on failure nothing of it is
    /// left. `force` replaces a file that is there. `progress` is called with the number of bytes done.
    ///
    /// Raises NotFound without a source; AlreadyExists where the target is there; InvalidArgument where both are one
    /// file, or one is the store's own; Storage, StorageFull, PermissionDenied.
    #[pyo3(
        signature = (source, target, aad = Given::NOT, *, context = None, force = Given::NOT, progress = None),
        text_signature = "($self, source, target, aad=b'', *, context=None, force=False, progress=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn encrypt_file<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyAny>,
        target: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        force: Given<'py>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<u64> {
        let (from, to) = (path(source, "source")?, path(target, "target")?);
        let (options, mut teller) = (file_options(&force)?, Teller::new(progress)?);
        let binding = Binding::new(&aad, context)?;
        Ok(self.calls.long(py, move || {
            self.core.encrypt_file_with(from, to, binding.aad(), &options, &mut |done| teller.tell(done))
        })?)
    }

    /// Decrypts a file into another one; gives the number of bytes written. Otherwise as `encrypt_file`.
    ///
    /// Nothing appears under the target's name before the whole stream was verified. Raises DecryptionFailed where
    /// anything is wrong with the stream, the key or the aad.
    #[pyo3(
        signature = (source, target, aad = Given::NOT, *, context = None, force = Given::NOT, progress = None),
        text_signature = "($self, source, target, aad=b'', *, context=None, force=False, progress=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn decrypt_file<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyAny>,
        target: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
        force: Given<'py>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<u64> {
        let (from, to) = (path(source, "source")?, path(target, "target")?);
        let (options, mut teller) = (file_options(&force)?, Teller::new(progress)?);
        let binding = Binding::new(&aad, context)?;
        Ok(self.calls.long(py, move || {
            self.core.decrypt_file_with(from, to, binding.aad(), &options, &mut |done| teller.tell(done))
        })?)
    }

    /// Begins to encrypt a stream whose parts are pushed: `update` and `finish` give ciphertext.
    ///
    /// For keys of kind "stream". Raises InvalidArgument for keys of other kinds; KeyUnavailable.
    #[pyo3(
        signature = (aad = Given::NOT, *, context = None),
        text_signature = "($self, aad=b'', *, context=None)"
    )]
    fn stream_encryptor<'py>(
        &self,
        py: Python<'py>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<StreamEncryptor> {
        let binding = Binding::new(&aad, context)?;
        let core = self.calls.long(py, || self.core.stream_encryptor(binding.aad()))?;
        Ok(StreamEncryptor::new(core, self.calls.clone(), self.owner.clone_ref(py)))
    }

    /// Begins to decrypt a stream whose parts are pushed: `update` and `finish` give plaintext.
    ///
    /// For keys of kind "stream". Raises InvalidArgument for keys of other kinds.
    #[pyo3(
        signature = (aad = Given::NOT, *, context = None),
        text_signature = "($self, aad=b'', *, context=None)"
    )]
    fn stream_decryptor<'py>(
        &self,
        py: Python<'py>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<StreamDecryptor> {
        let binding = Binding::new(&aad, context)?;
        let core = self.calls.long(py, || self.core.stream_decryptor(binding.aad()))?;
        Ok(StreamDecryptor::new(core, self.calls.clone(), self.owner.clone_ref(py)))
    }

    /// The index to store beside the value and to search for: a keyed hash, stable while data keys rotate.
    ///
    /// `value` is text or bytes; None gives None, so that a NULL stays one. `field` names what is indexed, as
    /// in "users.email". Keys of one purpose give the same index for a value and field; a key without a purpose
    /// has an index root of its own. Equal values are seen to be equal, and how often; fewer `bits` (1 to 256)
    /// blur that. `kind` is "exact"; "prefix" or "suffix", of `length` characters; or "soundex". `normalize` names
    /// what is done to the value first, in order: "casefold", "nfkc", "digits", "trim", "collapse_spaces". An empty
    /// value has an index like any other.
    ///
    /// Raises InvalidArgument for an empty field, an unknown kind or normaliser, bits or length out of range, and
    /// bytes that are no text where the options read text.
    #[pyo3(
        signature = (value, field, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "($self, value, field, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    #[allow(clippy::too_many_arguments)]
    fn blind_index<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Option<Bound<'py, PyBytes>>> {
        let field = text(field, "field")?;
        let options = index::options(&kind, length, &bits, &normalize)?;
        if value.is_none() {
            return Ok(None);
        }
        let value = indexed(value)?;
        let value = value.as_slice();
        let index = self.calls.sized(py, value.len(), || self.core.blind_index(value, field, &options))?;
        Ok(Some(new_bytes(py, &index)?))
    }

    /// The indexes under all live versions of the index root, newest first: search for any of them.
    ///
    /// None gives None. Otherwise as `blind_index`.
    #[pyo3(
        signature = (value, field, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "($self, value, field, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    #[allow(clippy::too_many_arguments)]
    fn blind_indexes<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Option<Bound<'py, PyList>>> {
        let field = text(field, "field")?;
        let options = index::options(&kind, length, &bits, &normalize)?;
        if value.is_none() {
            return Ok(None);
        }
        let value = indexed(value)?;
        let value = value.as_slice();
        let found = self.calls.sized(py, value.len(), || self.core.blind_indexes(value, field, &options))?;
        Ok(Some(list(py, &found)?))
    }

    /// `blind_index` of many values in one call. What is None stays None.
    ///
    /// Raises as `blind_index` does, with the place as `index`; LimitExceeded past 100,000 values.
    #[pyo3(
        signature = (values, field, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "($self, values, field, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    #[allow(clippy::too_many_arguments)]
    fn blind_index_many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        field: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Bound<'py, PyList>> {
        let options = index::options(&kind, length, &bits, &normalize)?;
        index::many(py, &self.core, &self.calls, values, text(field, "field")?, &options)
    }

    /// One index of several fields with their values, found only by who knows all of them.
    ///
    /// `values` is a dict of fields to values, or a list of pairs; their order does not matter. The options hold for
    /// every value. Where a value is None there is no index, but None. Otherwise as `blind_index`.
    #[pyo3(
        signature = (values, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "($self, values, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    #[allow(clippy::too_many_arguments)]
    fn blind_index_compound<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Option<Bound<'py, PyBytes>>> {
        let options = index::options(&kind, length, &bits, &normalize)?;
        Fields::new(values)?.with(|values, size| {
            let index = self.calls.sized(py, size, || self.core.blind_index_compound(values, &options))?;
            Ok(new_bytes(py, &index)?)
        })
    }

    /// The compound indexes under all live versions of the index root, newest first: search for any of them.
    ///
    /// Otherwise as `blind_index_compound`.
    #[pyo3(
        signature = (values, *, kind = Given::NOT, length = None, bits = Given::NOT, normalize = Given::NOT),
        text_signature = "($self, values, *, kind='exact', length=None, bits=128, normalize=())"
    )]
    #[allow(clippy::too_many_arguments)]
    fn blind_indexes_compound<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyAny>,
        kind: Given<'py>,
        length: Option<&Bound<'py, PyAny>>,
        bits: Given<'py>,
        normalize: Given<'py>,
    ) -> Result<Option<Bound<'py, PyList>>> {
        let options = index::options(&kind, length, &bits, &normalize)?;
        Fields::new(values)?.with(|values, size| {
            let found = self.calls.sized(py, size, || self.core.blind_indexes_compound(values, &options))?;
            list(py, &found)
        })
    }

    fn __repr__(&self) -> String {
        format!("<keyfold.Key '{}'>", self.core.id())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}

/// Encrypts into new bytes of the final size.
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
    let write = |out: &mut [u8]| caught(|| encryption.write(plaintext, binding.aad(), out));
    filled_bytes(py, length, |out| if long { py.detach(|| write(out)) } else { write(out) })
}

/// As [`seal`], for what is short, bound to bytes, and waits for nothing.
#[inline]
fn seal_short<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    plaintext: &[u8],
    aad: &[u8],
) -> Result<Bound<'py, PyBytes>> {
    caught(|| {
        let encryption = key.encryption()?;
        let length = encryption.length(plaintext.len())?;
        Ok(filled_bytes(py, length, |out| encryption.write(plaintext, Aad::Raw(aad), out)))
    })?
}

/// Decrypts into new bytes of the final size.
pub fn open_bytes<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    known: Option<&KnownTags>,
    ciphertext: &[u8],
    binding: &Binding<'_>,
) -> Result<Bound<'py, PyBytes>> {
    if ciphertext.first() != Some(&BYTES) {
        let plaintext = py.detach(|| caught(|| key.decrypt(ciphertext, binding.aad())))?;
        return Ok(new_bytes(py, &plaintext)?);
    }
    let tag = tag_of(ciphertext);
    let decryption = if known.is_some_and(|known| known.has(tag)) {
        calls.short(py, || key.decryption(ciphertext))?
    } else {
        let decryption = py.detach(|| caught(|| key.decryption(ciphertext)))?;
        // One without a prefix has no tag: these bytes are of its nonce.
        known.filter(|_| !decryption.is_raw()).inspect(|known| known.add(tag));
        decryption
    };
    let long = ciphertext.len() + binding.size() > LONG_BYTES;
    let write = |out: &mut [u8]| caught(|| decryption.write(binding.aad(), out));
    filled_bytes(py, decryption.length(), |out| if long { py.detach(|| write(out)) } else { write(out) })
}

/// As [`open_bytes`], for what is short, bound to bytes, and waits for nothing: bytes, of a version known here.
#[inline]
fn open_short<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    ciphertext: &[u8],
    aad: &[u8],
) -> Result<Bound<'py, PyBytes>> {
    let mut opened = None;
    caught(|| {
        // Used where it is: to move it takes a tenth of the call.
        let decryption = key.decryption(ciphertext);
        if let Ok(decryption) = &decryption {
            opened = Some(filled_bytes(py, decryption.length(), |out| decryption.write(Aad::Raw(aad), out)));
        }
        decryption.map(drop)
    })?;
    opened.expect("bytes, or an error")
}

/// New bytes of this length, unless what fills them fails.
#[inline]
fn filled_bytes<'py>(
    py: Python<'py>,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> keyfold::Result<()>,
) -> Result<Bound<'py, PyBytes>> {
    let mut filled = Ok(());
    let bytes = PyBytes::new_with(py, length, |out| {
        filled = fill(out);
        Ok(())
    })?;
    filled?;
    Ok(bytes)
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

fn list<'py>(py: Python<'py>, found: &[Vec<u8>]) -> Result<Bound<'py, PyList>> {
    let made = found.iter().map(|one| new_bytes(py, one)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, made)?)
}

fn is_raw(raw: &Given<'_>) -> Result<bool> {
    raw.value().map_or(Ok(false), |raw| boolean(raw, "raw"))
}

fn file_options(force: &Given<'_>) -> Result<FileOptions> {
    Ok(FileOptions::new().force(force.value().map_or(Ok(false), |force| boolean(force, "force"))?))
}
