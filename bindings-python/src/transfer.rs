//! What goes into a store and comes out of it: the options of imports, exports, backups and restores.

use std::time::Duration;

use keyfold::{
    BackupProgress, CreateKey, ExportedKey, ImportKey, ImportKeyset, KeyEncoding, KeysetFormat,
    KeysetProtection, RestoreOptions,
};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments::{Argument, boolean, bytes, callable, duration, optional_text, path, refused, text};
use crate::calls::sized;
use crate::errors::{Result, invalid};
use crate::infos;
use crate::made::{new_bytes, new_text};
use crate::master_key::read_master_key;

/// The name of an encoding.
pub fn encoding(value: &Bound<'_, PyAny>) -> Result<KeyEncoding> {
    Ok(KeyEncoding::parse(text(value, "encoding")?)?)
}

/// The name of a format.
pub fn format(value: &Bound<'_, PyAny>) -> Result<KeysetFormat> {
    Ok(KeysetFormat::parse(text(value, "format")?)?)
}

/// Secret bytes, or the text that stands for them.
pub fn secret<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> Result<Argument<'a>> {
    match value.cast::<PyString>() {
        Ok(value) => text(value, name).map(|text| Argument::Borrowed(text.as_bytes())),
        Err(_) => bytes(value, name).map_err(|_| refused(value, name, "bytes or text (str)")),
    }
}

/// What keeps a keyset's keys: one of them.
pub struct Protection<'a> {
    passphrase: Option<Argument<'a>>,
    under_key: Option<&'a str>,
    insecure_cleartext: bool,
    recipient: Option<&'a str>,
    own_recipient: bool,
}

impl<'a> Protection<'a> {
    pub fn new(
        passphrase: Option<&'a Bound<'_, PyAny>>,
        under_key: Option<&'a Bound<'_, PyAny>>,
        insecure_cleartext: &Bound<'_, PyAny>,
    ) -> Result<Self> {
        Ok(Self {
            passphrase: passphrase.map(|value| secret(value, "passphrase")).transpose()?,
            under_key: under_key.map(|value| text(value, "under_key")).transpose()?,
            insecure_cleartext: boolean(insecure_cleartext, "insecure_cleartext")?,
            recipient: None,
            own_recipient: false,
        })
    }

    /// To whom it is sealed; on export only.
    pub fn to(mut self, recipient: Option<&'a Bound<'_, PyAny>>) -> Result<Self> {
        self.recipient = recipient.map(|value| text(value, "recipient")).transpose()?;
        self.one("recipient")
    }

    /// Whether it was sealed to this store; on import only.
    pub fn sealed_to_us(mut self, own_recipient: &Bound<'_, PyAny>) -> Result<Self> {
        self.own_recipient = boolean(own_recipient, "own_recipient")?;
        self.one("own_recipient=True")
    }

    fn one(self, other: &str) -> Result<Self> {
        let ways = [
            self.passphrase.is_some(),
            self.under_key.is_some(),
            self.insecure_cleartext,
            self.recipient.is_some(),
            self.own_recipient,
        ];
        match ways.into_iter().filter(|way| *way).count() {
            1 => Ok(self),
            _ => Err(invalid(format!(
                "give passphrase, under_key, {other} or insecure_cleartext=True, one of them"
            ))),
        }
    }

    /// As the core takes it.
    pub fn get(&self) -> KeysetProtection<'_> {
        match (&self.passphrase, self.under_key, self.recipient) {
            (Some(passphrase), ..) => KeysetProtection::Passphrase(passphrase.as_slice()),
            (_, Some(key_id), _) => KeysetProtection::Key(key_id),
            (.., Some(recipient)) => KeysetProtection::Recipient(recipient),
            _ if self.own_recipient => KeysetProtection::OwnRecipient,
            _ => KeysetProtection::InsecureCleartext,
        }
    }
}

/// The options of a key that is imported.
pub fn import_key(key: CreateKey, as_version: bool) -> ImportKey {
    let mut options = ImportKey::new().as_version(as_version);
    options.kind = key.kind;
    options.algorithm = key.algorithm;
    options.purpose = key.purpose;
    options.description = key.description;
    options.labels = key.labels;
    options.exportable = key.exportable;
    options.expires_in = key.expires_in;
    options.on_limit = key.on_limit;
    options
}

/// The options of a keyset that is imported.
pub fn import_keyset(key: CreateKey, rotate: bool) -> ImportKeyset {
    let mut options = ImportKeyset::new().rotate(rotate);
    options.purpose = key.purpose;
    options.description = key.description;
    options.labels = key.labels;
    options.exportable = key.exportable;
    options.expires_in = key.expires_in;
    options.on_limit = key.on_limit;
    options
}

/// A key in the encoding that was asked for.
pub fn exported<'py>(py: Python<'py>, key: &ExportedKey) -> Result<Bound<'py, PyAny>> {
    match key {
        ExportedKey::Bytes(key) => Ok(new_bytes(py, key)?.into_any()),
        ExportedKey::Text(key) => Ok(new_text(py, key)?.into_any()),
        _ => Err(invalid("this build does not know the encoding")),
    }
}

/// Tells a callback how far a backup is. The core cannot be stopped, so what it raises waits for the end.
pub struct Pages {
    callback: Py<PyAny>,
    raised: Option<PyErr>,
}

impl Pages {
    pub fn new(callback: Option<&Bound<'_, PyAny>>) -> Result<Option<Self>> {
        Ok(callable(callback, "progress")?.map(|callback| Self { callback, raised: None }))
    }

    pub fn tell(&mut self, progress: BackupProgress) {
        if self.raised.is_none() {
            let arguments = (progress.pages_done, progress.pages);
            self.raised = Python::attach(|py| self.callback.call1(py, arguments).err());
        }
    }

    pub fn raised(self) -> Result<()> {
        self.raised.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// Restores a backup; `keyfold.restore` says how.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn restore<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
    master_key: Option<&Bound<'py, PyAny>>,
    replace_other_store: &Bound<'py, PyAny>,
    force: &Bound<'py, PyAny>,
    anchor: Option<&Bound<'py, PyAny>>,
    fingerprint: Option<&Bound<'py, PyAny>>,
    actor: Option<&Bound<'py, PyAny>>,
    busy_timeout: &Bound<'py, PyAny>,
    allow_network_fs: &Bound<'py, PyAny>,
    clock: Option<&Bound<'py, PyAny>>,
) -> Result<Bound<'py, PyAny>> {
    let (source, path) = (self::path(source, "source")?, self::path(path, "path")?);
    let busy_timeout: Duration = duration(busy_timeout, "busy_timeout")?;
    let mut options = RestoreOptions::new()
        .replace_other_store(boolean(replace_other_store, "replace_other_store")?)
        .force(boolean(force, "force")?)
        .busy_timeout(busy_timeout)
        .allow_network_fs(boolean(allow_network_fs, "allow_network_fs")?);
    options.anchor = optional_text(anchor, "anchor")?;
    options.fingerprint = optional_text(fingerprint, "fingerprint")?;
    options.actor = optional_text(actor, "actor")?;
    options.clock = crate::clock::read(clock)?;
    let master_key = master_key.map(read_master_key).transpose()?.unwrap_or_default();
    let info = sized(py, usize::MAX, || keyfold::restore(source, path, &master_key, &options))?;
    Ok(infos::restore_info(py, &info)?)
}
