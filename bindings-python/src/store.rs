//! The native half of `keyfold.Store`.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use keyfold::{CallbackError, CreateKey, KeyFilter, MasterKey, OpenOptions};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::arguments::{
    self, Argument, Binding, Given, boolean, bytes, count, duration, optional_text, refused, shown_type, text,
};
use crate::calls::LongCalls;
use crate::errors::{NotBytes, Result, invalid};
use crate::infos;
use crate::key::{Key, open_bytes, seal};

/// What `keyfold.Store` holds.
#[pyclass(module = "keyfold._native", frozen)]
pub struct Store {
    core: keyfold::Store,
    calls: LongCalls,
}

/// Opens a store; `keyfold.open` says how.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn open(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    master_key: Option<&Bound<'_, PyAny>>,
    create: &Bound<'_, PyAny>,
    refresh_interval: &Bound<'_, PyAny>,
    max_stale: &Bound<'_, PyAny>,
    busy_timeout: &Bound<'_, PyAny>,
    anchor: Option<&Bound<'_, PyAny>>,
    fingerprint: Option<&Bound<'_, PyAny>>,
    actor: Option<&Bound<'_, PyAny>>,
    allow_network_fs: &Bound<'_, PyAny>,
) -> Result<Store> {
    let path: PathBuf =
        path.extract().map_err(|_| refused(path, "path", "text (str) or a path (os.PathLike)"))?;
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid("path has a zero byte, which no file name may have"));
    }
    let mut options = OpenOptions::new()
        .create(boolean(create, "create")?)
        .refresh_interval(duration(refresh_interval, "refresh_interval")?)
        .max_stale(duration(max_stale, "max_stale")?)
        .busy_timeout(duration(busy_timeout, "busy_timeout")?)
        .allow_network_fs(boolean(allow_network_fs, "allow_network_fs")?);
    options.anchor = optional_text(anchor, "anchor")?;
    options.fingerprint = optional_text(fingerprint, "fingerprint")?;
    options.actor = optional_text(actor, "actor")?;
    let master_key = master_key.map(read_master_key).transpose()?.unwrap_or_default();
    let calls = LongCalls::default();
    let core = calls.long(py, || keyfold::Store::open_with(path, &master_key, &options))?;
    Ok(Store { core, calls })
}

fn read_master_key(value: &Bound<'_, PyAny>) -> Result<MasterKey> {
    if let Ok(named) = value.cast::<PyString>() {
        return Ok(MasterKey::parse(text(named, "master_key")?)?);
    }
    if !value.is_callable() {
        let Ok(secret) = bytes(value, "master_key") else {
            return Err(refused(
                value,
                "master_key",
                "32 bytes, text (base64, env:NAME, file:PATH or fd:N), or a callable that gives 32 bytes",
            ));
        };
        return Ok(MasterKey::bytes(secret.as_slice())?);
    }
    let function = value.clone().unbind();
    Ok(MasterKey::callback(move || Python::attach(|py| ask(function.bind(py)))))
}

/// Asks a callable for the master key.
fn ask(function: &Bound<'_, PyAny>) -> std::result::Result<Vec<u8>, CallbackError> {
    let answer = function.call0()?;
    let Ok(secret) = bytes(&answer, "") else {
        return Err(NotBytes(shown_type(&answer)).into());
    };
    Ok(secret.as_slice().to_vec())
}

#[pymethods]
impl Store {
    fn warnings(&self) -> Vec<String> {
        self.core.warnings().to_vec()
    }

    /// `owner` is kept as long as the key: a store that nobody names any more stays open for its keys.
    fn key(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>, owner: Py<PyAny>) -> Result<Key> {
        let key = self.find(py, key_id)?;
        Ok(Key::new(key, self.calls.clone(), owner))
    }

    #[allow(clippy::too_many_arguments)]
    fn create_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        kind: &Bound<'py, PyAny>,
        algorithm: Option<&Bound<'py, PyAny>>,
        purpose: Option<&Bound<'py, PyAny>>,
        exportable: &Bound<'py, PyAny>,
        description: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        exist_ok: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let mut options = CreateKey::new()
            .exportable(boolean(exportable, "exportable")?)
            .exist_ok(boolean(exist_ok, "exist_ok")?);
        options.kind = Some(text(kind, "kind")?.to_owned());
        options.algorithm = optional_text(algorithm, "algorithm")?;
        options.purpose = optional_text(purpose, "purpose")?;
        options.description = optional_text(description, "description")?;
        options.labels = arguments::labels(labels)?;
        let info = self.calls.long(py, || self.core.create_key(key_id, &options))?;
        Ok(infos::key_info(py, &info)?)
    }

    fn key_info<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let info = self.calls.long(py, || self.core.key_info(key_id))?;
        Ok(infos::key_info(py, &info)?)
    }

    #[allow(clippy::too_many_arguments)]
    fn list_keys<'py>(
        &self,
        py: Python<'py>,
        kind: Option<&Bound<'py, PyAny>>,
        purpose: Option<&Bound<'py, PyAny>>,
        algorithm: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        search: Option<&Bound<'py, PyAny>>,
        after: Option<&Bound<'py, PyAny>>,
        limit: Option<&Bound<'py, PyAny>>,
    ) -> Result<Vec<Bound<'py, PyAny>>> {
        let mut filter = KeyFilter::new();
        filter.kind = optional_text(kind, "kind")?;
        filter.purpose = optional_text(purpose, "purpose")?;
        filter.algorithm = optional_text(algorithm, "algorithm")?;
        filter.labels = arguments::labels(labels)?;
        filter.search = optional_text(search, "search")?;
        filter.after = optional_text(after, "after")?;
        filter.limit = limit.map(|limit| count(limit, "limit", "an integer of at least 0")).transpose()?;
        let found = self.calls.long(py, || self.core.list_keys(&filter))?;
        Ok(found.iter().map(|info| infos::key_info(py, info)).collect::<PyResult<_>>()?)
    }

    fn list_key_versions<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
    ) -> Result<Vec<Bound<'py, PyAny>>> {
        let key_id = text(key_id, "key_id")?;
        let found = self.calls.long(py, || self.core.list_key_versions(key_id))?;
        Ok(found.iter().map(|info| infos::version_info(py, info)).collect::<PyResult<_>>()?)
    }

    fn rotate_key<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let info = self.calls.long(py, || self.core.rotate_key(key_id))?;
        Ok(infos::version_info(py, &info)?)
    }

    #[pyo3(signature = (key_id, plaintext, aad, context))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        plaintext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let plaintext = arguments::plaintext(plaintext)?;
        let binding = Binding::new(&aad, context)?;
        seal(py, &self.find(py, key_id)?, &self.calls, plaintext.as_slice(), &binding)
    }

    #[pyo3(signature = (key_id, ciphertext, aad, context))]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        ciphertext: &Bound<'py, PyAny>,
        aad: Given<'py>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let ciphertext = Argument::ciphertext(ciphertext, "ciphertext")?;
        let binding = Binding::new(&aad, context)?;
        open_bytes(py, &self.find(py, key_id)?, &self.calls, None, ciphertext.as_slice(), &binding)
    }

    fn inspect<'py>(
        &self,
        py: Python<'py>,
        ciphertext: &Bound<'py, PyAny>,
    ) -> Result<Vec<Bound<'py, PyAny>>> {
        let ciphertext = Argument::ciphertext(ciphertext, "ciphertext")?;
        let found = self.calls.long(py, || self.core.inspect(ciphertext.as_slice()))?;
        Ok(found.iter().map(|info| infos::ciphertext_info(py, info)).collect::<PyResult<_>>()?)
    }

    fn check<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let report = self.calls.long(py, || self.core.check())?;
        Ok(infos::check_report(py, &report)?)
    }

    fn anchor(&self, py: Python<'_>) -> Result<String> {
        Ok(self.calls.long(py, || self.core.anchor())?.to_string())
    }

    fn fingerprint(&self) -> &str {
        self.core.fingerprint()
    }

    fn close(&self, py: Python<'_>) -> Result<()> {
        Ok(self.calls.long(py, || {
            self.core.close();
            Ok(())
        })?)
    }
}

impl Store {
    /// The key; loaded from the file when it is first asked for.
    fn find(&self, py: Python<'_>, key_id: &Bound<'_, PyAny>) -> Result<keyfold::Key> {
        let key_id = text(key_id, "key_id")?;
        Ok(self.calls.long(py, || self.core.key(key_id))?)
    }
}
