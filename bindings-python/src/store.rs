//! The native half of `keyfold.Store`.

use keyfold::{
    AddRecipient, CreateKey, KeyFilter, OpenOptions, PurposeOptions, RotateKey, VersionState, limits,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::arguments::{
    self, Argument, Binding, Given, boolean, count, duration, items, optional_duration, optional_text,
    optional_version, path, refused, text, version,
};
use crate::calls::LongCalls;
use crate::errors::{Result, invalid};
use crate::index::scope;
use crate::infos;
use crate::key::{Key, open_bytes, seal};
use crate::made::new_bytes;
use crate::master_key::read_master_key;
use crate::transfer::{self, Pages, Protection};

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
    mode: &Bound<'_, PyAny>,
    immutable: &Bound<'_, PyAny>,
    production: &Bound<'_, PyAny>,
    insecure_dev: &Bound<'_, PyAny>,
    require_mlock: &Bound<'_, PyAny>,
    clock: Option<&Bound<'_, PyAny>>,
) -> Result<Store> {
    let path = self::path(path, "path")?;
    let mut options = OpenOptions::new()
        .create(boolean(create, "create")?)
        .refresh_interval(duration(refresh_interval, "refresh_interval")?)
        .max_stale(duration(max_stale, "max_stale")?)
        .busy_timeout(duration(busy_timeout, "busy_timeout")?)
        .allow_network_fs(boolean(allow_network_fs, "allow_network_fs")?)
        .immutable(boolean(immutable, "immutable")?)
        .production(boolean(production, "production")?)
        .insecure_dev(boolean(insecure_dev, "insecure_dev")?)
        .require_mlock(boolean(require_mlock, "require_mlock")?);
    options.mode = Some(text(mode, "mode")?.to_owned());
    options.clock = crate::clock::read(clock)?;
    options.anchor = optional_text(anchor, "anchor")?;
    options.fingerprint = optional_text(fingerprint, "fingerprint")?;
    options.actor = optional_text(actor, "actor")?;
    let master_key = master_key.map(read_master_key).transpose()?.unwrap_or_default();
    let calls = LongCalls::default();
    let core = calls.long(py, || keyfold::Store::open_with(path, &master_key, &options))?;
    Ok(Store { core, calls })
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

    /// The options are those of `keyfold.Store.create_key`, by name.
    fn create_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let options = key_options(options.as_any())?;
        let info = self.calls.long(py, || self.core.create_key(key_id, &options))?;
        Ok(infos::key_info(py, &info)?)
    }

    fn create_keys<'py>(&self, py: Python<'py>, keys: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, PyAny>>> {
        let wanted = "a list of key ids, or of pairs (key_id, options)";
        let keys = items(keys, "keys", wanted, limits::CREATE_KEYS)?;
        let mut read = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            read.push(key_and_options(key).map_err(|failure| failure.at(place))?);
        }
        let keys: Vec<(&str, CreateKey)> =
            read.iter().map(|(key_id, options)| (key_id.as_str(), options.clone())).collect();
        let made = self.calls.long(py, || self.core.create_keys(&keys))?;
        Ok(made.iter().map(|info| infos::key_info(py, info)).collect::<PyResult<_>>()?)
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
        state: Option<&Bound<'py, PyAny>>,
        algorithm: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        search: Option<&Bound<'py, PyAny>>,
        after: Option<&Bound<'py, PyAny>>,
        limit: Option<&Bound<'py, PyAny>>,
    ) -> Result<Vec<Bound<'py, PyAny>>> {
        let mut filter = KeyFilter::new();
        filter.kind = optional_text(kind, "kind")?;
        filter.purpose = optional_text(purpose, "purpose")?;
        filter.state = optional_text(state, "state")?;
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

    fn key_usage<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, PyAny>>> {
        let key_id = text(key_id, "key_id")?;
        let found = self.calls.long(py, || self.core.key_usage(key_id))?;
        Ok(found.iter().map(|usage| infos::version_usage(py, usage)).collect::<PyResult<_>>()?)
    }

    fn rotate_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        stage: &Bound<'py, PyAny>,
        algorithm: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let mut options = RotateKey::new().stage(boolean(stage, "stage")?);
        options.algorithm = optional_text(algorithm, "algorithm")?;
        let info = self.calls.long(py, || self.core.rotate_key_with(key_id, &options))?;
        Ok(infos::version_info(py, &info)?)
    }

    fn promote_version<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, version) = (text(key_id, "key_id")?, self::version(version)?);
        let info = self.calls.long(py, || self.core.promote_version(key_id, version))?;
        Ok(infos::version_info(py, &info)?)
    }

    fn set_version_state<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
        state: &Bound<'py, PyAny>,
        reason: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, version) = (text(key_id, "key_id")?, self::version(version)?);
        let state: VersionState = text(state, "state")?.parse()?;
        let reason = optional_text(reason, "reason")?;
        let info =
            self.calls.long(py, || self.core.set_version_state(key_id, version, state, reason.as_deref()))?;
        Ok(infos::version_info(py, &info)?)
    }

    fn archive_key<'py>(&self, py: Python<'py>, key_id: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let key_id = text(key_id, "key_id")?;
        let info = self.calls.long(py, || self.core.archive_key(key_id))?;
        Ok(infos::key_info(py, &info)?)
    }

    fn schedule_destruction<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
        delay: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, version) = (text(key_id, "key_id")?, self::version(version)?);
        let delay = duration(delay, "delay")?;
        let info = self.calls.long(py, || self.core.schedule_destruction(key_id, version, Some(delay)))?;
        Ok(infos::version_info(py, &info)?)
    }

    fn cancel_destruction<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        version: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, version) = (text(key_id, "key_id")?, self::version(version)?);
        let info = self.calls.long(py, || self.core.cancel_destruction(key_id, version))?;
        Ok(infos::version_info(py, &info)?)
    }

    fn run_due<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let report = self.calls.long(py, || self.core.run_due())?;
        Ok(infos::run_due_report(py, &report)?)
    }

    fn purge(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.calls.long(py, || self.core.purge())?)
    }

    fn purge_pending(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.calls.long(py, || self.core.purge_pending())?)
    }

    fn register_purpose<'py>(
        &self,
        py: Python<'py>,
        purpose: &Bound<'py, PyAny>,
        description: Option<&Bound<'py, PyAny>>,
        rotation_period: Option<&Bound<'py, PyAny>>,
        update: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let purpose = text(purpose, "purpose")?;
        let mut options = PurposeOptions::new().update(boolean(update, "update")?);
        options.description = optional_text(description, "description")?;
        options.rotation_period = optional_duration(rotation_period, "rotation_period")?;
        let info = self.calls.long(py, || self.core.register_purpose(purpose, &options))?;
        Ok(infos::purpose_info(py, &info)?)
    }

    fn purposes<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let found = self.calls.long(py, || self.core.purposes())?;
        Ok(found.iter().map(|info| infos::purpose_info(py, info)).collect::<PyResult<_>>()?)
    }

    /// `owner` as for `key`.
    fn key_for(&self, py: Python<'_>, purpose: &Bound<'_, PyAny>, owner: Py<PyAny>) -> Result<Key> {
        let purpose = text(purpose, "purpose")?;
        let key = self.calls.long(py, || self.core.key_for(purpose))?;
        Ok(Key::new(key, self.calls.clone(), owner))
    }

    fn index_salts<'py>(
        &self,
        py: Python<'py>,
        purpose: Option<&Bound<'py, PyAny>>,
        key_id: Option<&Bound<'py, PyAny>>,
    ) -> Result<Vec<Bound<'py, PyAny>>> {
        let scope = self::scope(purpose, key_id)?;
        let found = self.calls.long(py, || self.core.index_salts(scope))?;
        Ok(found.iter().map(|info| infos::index_salt_info(py, info)).collect::<PyResult<_>>()?)
    }

    fn rotate_index_salt<'py>(
        &self,
        py: Python<'py>,
        purpose: Option<&Bound<'py, PyAny>>,
        key_id: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let scope = self::scope(purpose, key_id)?;
        let info = self.calls.long(py, || self.core.rotate_index_salt(scope))?;
        Ok(infos::index_salt_info(py, &info)?)
    }

    fn retire_index_salt(
        &self,
        py: Python<'_>,
        purpose: Option<&Bound<'_, PyAny>>,
        key_id: Option<&Bound<'_, PyAny>>,
        version: &Bound<'_, PyAny>,
    ) -> Result<()> {
        let (scope, version) = (self::scope(purpose, key_id)?, self::version(version)?);
        Ok(self.calls.long(py, || self.core.retire_index_salt(scope, version))?)
    }

    fn get_index_salt<'py>(
        &self,
        py: Python<'py>,
        purpose: Option<&Bound<'py, PyAny>>,
        key_id: Option<&Bound<'py, PyAny>>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (scope, version) = (self::scope(purpose, key_id)?, optional_version(version)?);
        let salt = self.calls.long(py, || self.core.get_index_salt(scope, version))?;
        Ok(new_bytes(py, &salt)?)
    }

    fn derive_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        purpose: &Bound<'py, PyAny>,
        length: &Bound<'py, PyAny>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (key_id, purpose) = (text(key_id, "key_id")?, text(purpose, "purpose")?);
        let length = count(length, "length", "an integer, 1 to 8160")?;
        let version = optional_version(version)?;
        let derived = self.calls.long(py, || self.core.derive_key(key_id, purpose, length, version))?;
        Ok(new_bytes(py, &derived)?)
    }

    fn recipients<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let found = self.calls.long(py, || self.core.recipients())?;
        Ok(found.iter().map(|info| infos::recipient_info(py, info)).collect::<PyResult<_>>()?)
    }

    fn add_recipient<'py>(
        &self,
        py: Python<'py>,
        master_key: &Bound<'py, PyAny>,
        recipient_id: Option<&Bound<'py, PyAny>>,
        description: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let master_key = read_master_key(master_key)?;
        let mut options = AddRecipient::new();
        options.id = optional_text(recipient_id, "recipient_id")?;
        options.description = optional_text(description, "description")?;
        let info = self.calls.long(py, || self.core.add_recipient(&master_key, &options))?;
        Ok(infos::recipient_info(py, &info)?)
    }

    fn remove_recipient<'py>(
        &self,
        py: Python<'py>,
        recipient_id: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let recipient_id = text(recipient_id, "recipient_id")?;
        let done = self.calls.long(py, || self.core.remove_recipient(recipient_id))?;
        Ok(infos::master_key_rotation(py, &done)?)
    }

    fn test_recipient<'py>(
        &self,
        py: Python<'py>,
        master_key: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let master_key = read_master_key(master_key)?;
        let info = self.calls.long(py, || self.core.test_recipient(&master_key))?;
        Ok(infos::recipient_info(py, &info)?)
    }

    fn recipient_public_key(
        &self,
        py: Python<'_>,
        recipient_id: Option<&Bound<'_, PyAny>>,
    ) -> Result<String> {
        let recipient_id = recipient_id.map(|id| text(id, "recipient_id")).transpose()?;
        Ok(self.calls.long(py, || self.core.recipient_public_key(recipient_id))?)
    }

    fn drill<'py>(&self, py: Python<'py>, master_key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let master_key = read_master_key(master_key)?;
        let report = self.calls.long(py, || self.core.drill(&master_key))?;
        Ok(infos::drill_report(py, &report)?)
    }

    fn rotate_master_key<'py>(
        &self,
        py: Python<'py>,
        new_master_key: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let new = new_master_key.map(read_master_key).transpose()?;
        let done = self.calls.long(py, || self.core.rotate_master_key(new.as_ref()))?;
        Ok(infos::master_key_rotation(py, &done)?)
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

    #[allow(clippy::too_many_arguments)]
    fn import_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        material: &Bound<'py, PyAny>,
        encoding: &Bound<'py, PyAny>,
        as_version: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, encoding) = (text(key_id, "key_id")?, transfer::encoding(encoding)?);
        let material = transfer::secret(material, "material")?;
        let options =
            transfer::import_key(key_options(options.as_any())?, boolean(as_version, "as_version")?);
        let material = material.as_slice();
        let info = self.calls.long(py, || self.core.import_key(key_id, material, encoding, &options))?;
        Ok(infos::key_info(py, &info)?)
    }

    fn get_data_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (key_id, version) = (text(key_id, "key_id")?, optional_version(version)?);
        Ok(new_bytes(py, &self.calls.long(py, || self.core.get_data_key(key_id, version))?)?)
    }

    fn get_encryption_key<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        key_bytes: &Bound<'py, PyAny>,
        encoding: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, encoding) = (text(key_id, "key_id")?, transfer::encoding(encoding)?);
        let key_bytes = count(key_bytes, "key_bytes", "16, 24, 32 or 64")?;
        let key = self.calls.long(py, || self.core.get_encryption_key(key_id, key_bytes, encoding))?;
        transfer::exported(py, &key)
    }

    #[allow(clippy::too_many_arguments)]
    fn export_keyset<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        format: &Bound<'py, PyAny>,
        passphrase: Option<&Bound<'py, PyAny>>,
        under_key: Option<&Bound<'py, PyAny>>,
        insecure_cleartext: &Bound<'py, PyAny>,
        recipient: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, format) = (text(key_id, "key_id")?, transfer::format(format)?);
        let protection = Protection::new(passphrase, under_key, insecure_cleartext)?.to(recipient)?;
        let keyset = self.calls.long(py, || self.core.export_keyset(key_id, format, protection.get()))?;
        Ok(infos::keyset(py, &keyset)?)
    }

    #[allow(clippy::too_many_arguments)]
    fn import_keyset<'py>(
        &self,
        py: Python<'py>,
        key_id: &Bound<'py, PyAny>,
        keyset: &Bound<'py, PyAny>,
        passphrase: Option<&Bound<'py, PyAny>>,
        under_key: Option<&Bound<'py, PyAny>>,
        insecure_cleartext: &Bound<'py, PyAny>,
        own_recipient: &Bound<'py, PyAny>,
        rotate: &Bound<'py, PyAny>,
        options: &Bound<'py, PyDict>,
    ) -> Result<Bound<'py, PyAny>> {
        let (key_id, keyset) = (text(key_id, "key_id")?, transfer::secret(keyset, "keyset")?);
        let protection =
            Protection::new(passphrase, under_key, insecure_cleartext)?.sealed_to_us(own_recipient)?;
        let options = transfer::import_keyset(key_options(options.as_any())?, boolean(rotate, "rotate")?);
        let keyset = keyset.as_slice();
        let import = || self.core.import_keyset(key_id, keyset, protection.get(), &options);
        Ok(infos::key_info(py, &self.calls.long(py, import)?)?)
    }

    fn quarantine(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        id: &Bound<'_, PyAny>,
        reason: &Bound<'_, PyAny>,
    ) -> Result<()> {
        let (kind, id, reason) = (text(kind, "kind")?, text(id, "id")?, text(reason, "reason")?);
        Ok(self.calls.long(py, || self.core.quarantine(kind, id, reason))?)
    }

    fn quarantined<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let found = self.calls.long(py, || self.core.quarantined())?;
        Ok(found.iter().map(|one| infos::quarantined(py, one)).collect::<PyResult<_>>()?)
    }

    fn backup<'py>(
        &self,
        py: Python<'py>,
        path: &Bound<'py, PyAny>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let path = self::path(path, "path")?;
        let info = match Pages::new(progress)? {
            None => self.calls.long(py, || self.core.backup(path))?,
            Some(mut pages) => {
                let info = self.calls.long(py, || self.core.backup_with(path, &mut |now| pages.tell(now)))?;
                pages.raised()?;
                info
            }
        };
        Ok(infos::backup_info(py, &info)?)
    }

    fn check<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let report = self.calls.long(py, || self.core.check())?;
        Ok(infos::check_report(py, &report)?)
    }

    fn anchor(&self, py: Python<'_>) -> Result<String> {
        Ok(self.calls.long(py, || self.core.anchor())?.to_string())
    }

    fn is_verified(&self) -> bool {
        self.core.is_verified()
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

/// One of `create_keys`.
fn key_and_options(key: &Bound<'_, PyAny>) -> Result<(String, CreateKey)> {
    if key.is_instance_of::<PyString>() {
        return Ok((text(key, "a key id")?.to_owned(), CreateKey::new()));
    }
    match key.cast::<PyTuple>() {
        Ok(pair) if pair.len() == 2 => {
            let (key_id, options) = (pair.get_item(0)?, pair.get_item(1)?);
            Ok((text(&key_id, "a key id")?.to_owned(), key_options(&options)?))
        }
        _ => Err(refused(key, "an item of keys", "a key id, or a pair (key_id, options)")),
    }
}

/// The options of a new key, by name. What is None is left out.
fn key_options(given: &Bound<'_, PyAny>) -> Result<CreateKey> {
    let mut options = CreateKey::new();
    arguments::each_item(given, "options", &mut |name, value| {
        let name = text(name, "the name of an option")?;
        match name {
            "exportable" => options.exportable = boolean(value, name)?,
            "exist_ok" => options.exist_ok = boolean(value, name)?,
            "kind" | "algorithm" | "purpose" | "description" | "labels" | "expires_in" if value.is_none() => {
            }
            "kind" => options.kind = optional_text(Some(value), name)?,
            "algorithm" => options.algorithm = optional_text(Some(value), name)?,
            "purpose" => options.purpose = optional_text(Some(value), name)?,
            "description" => options.description = optional_text(Some(value), name)?,
            "labels" => options.labels = arguments::labels(Some(value))?,
            "expires_in" => options.expires_in = optional_duration(Some(value), name)?,
            "on_limit" => options.on_limit = Some(text(value, name)?.to_owned()),
            _ => return Err(invalid(format!("a key has no option {name:?}"))),
        }
        Ok(())
    })?;
    Ok(options)
}
