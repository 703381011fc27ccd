//! A store with something of everything, and all that it truly says: the measure for damaged copies.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyfold::{
    Algorithm, CheckReport, CreateKey, ErrorKind, IndexOptions, KeyFilter, KeyInfo, KeyKind, MasterKey,
    OpenOptions, Store, VersionInfo,
};

use crate::home::{create, folder, master_key};

const KEYS: [(&str, Algorithm); 3] =
    [("alpha", Algorithm::Aes256GcmSiv), ("beta", Algorithm::Aes256Gcm), ("gamma", Algorithm::Aes256Siv)];
const AAD: &[u8] = b"users";

pub(crate) struct Sample {
    /// The file, closed.
    pub(crate) bytes: Vec<u8>,
    /// The same, one act earlier.
    pub(crate) older: Vec<u8>,
    keys: Vec<KeyInfo>,
    versions: Vec<Vec<VersionInfo>>,
    indexes: Vec<Vec<u8>>,
    mac: Vec<u8>,
    derived: Vec<u8>,
    recipients: String,
    /// Key, ciphertext; the key's name was sealed.
    sealed: Vec<(&'static str, Vec<u8>)>,
    report: String,
}

/// How a copy was met.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) at_open: Option<ErrorKind>,
    pub(crate) errors: Vec<(&'static str, ErrorKind)>,
    pub(crate) lies: Vec<&'static str>,
    /// What checking all of it said.
    pub(crate) clean: bool,
}

impl Verdict {
    /// Whether anything was noticed at all.
    pub(crate) fn noticed(&self) -> bool {
        self.at_open.is_some() || !self.errors.is_empty() || !self.clean
    }

    fn note<T>(&mut self, what: &'static str, result: keyfold::Result<T>, is_true: impl FnOnce(&T) -> bool) {
        match result {
            Ok(value) if is_true(&value) => {}
            Ok(_) => self.lies.push(what),
            Err(error) => self.errors.push((what, error.kind())),
        }
    }
}

impl Sample {
    /// Made once in a process.
    pub(crate) fn get() -> &'static Self {
        static SAMPLE: OnceLock<Sample> = OnceLock::new();
        SAMPLE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let path = folder().join("sample");
        let store = create("sample");
        let recovery = keyfold::RecoveryKey::generate().expect("random bytes");
        store.add_recipient(&recovery.master_key(), &keyfold::AddRecipient::new()).expect("a recipient");
        let mut sealed = Vec::new();
        for (key_id, algorithm) in KEYS {
            let create = CreateKey::new().algorithm(algorithm).purpose("pii").label("team", "web");
            store.create_key(key_id, &create).expect("a key");
            sealed.push((key_id, store.encrypt(key_id, key_id.as_bytes(), AAD).expect("a version")));
            store.rotate_key(key_id).expect("another version");
            sealed.push((key_id, store.encrypt(key_id, key_id.as_bytes(), AAD).expect("a version")));
        }
        store.create_key("mac", &CreateKey::new().kind(KeyKind::Mac)).expect("a key");
        store.create_key("derive", &CreateKey::new().kind(KeyKind::Derive)).expect("a key");
        store.rotate_master_key(None).expect("another KEK");
        store.close();
        let older = std::fs::read(&path).expect("the file");
        let store = Self::open(&path).expect("the store");
        store.set_version_state("alpha", 1, keyfold::VersionState::DecryptOnly, None).expect("a state");
        store.close();
        let store = Self::open(&path).expect("the store");
        let keys = store.list_keys(&KeyFilter::new()).expect("keys");
        let versions =
            keys.iter().map(|key| store.list_key_versions(&key.key_id).expect("versions")).collect();
        let indexes = KEYS.iter().map(|(key_id, _)| index(&store, key_id).expect("an index")).collect();
        let mac = store.key("mac").and_then(|key| key.mac(b"data")).expect("a mac");
        let derived = store.derive_key("derive", "purpose", 32, None).expect("bytes").to_vec();
        let recipients = format!("{:?}", store.recipients().expect("recipients"));
        let report = said(&store.check().expect("a report"));
        store.close();
        let bytes = std::fs::read(&path).expect("the file");
        let sample = Self { bytes, older, keys, versions, indexes, mac, derived, recipients, sealed, report };
        let verdict = sample.judge(&sample.put("same"));
        assert!(!verdict.noticed() && verdict.lies.is_empty(), "the sample itself: {verdict:?}");
        sample
    }

    fn open(path: &Path) -> keyfold::Result<Store> {
        Self::open_by(path, &master_key())
    }

    fn open_by(path: &Path, master_key: &MasterKey) -> keyfold::Result<Store> {
        Store::open_with(path, master_key, &OpenOptions::new())
    }

    /// A copy to be spoilt.
    pub(crate) fn put(&self, name: &str) -> PathBuf {
        put(name, &self.bytes)
    }

    /// Opens a file and compares all that it says with the truth.
    pub(crate) fn judge(&self, path: &Path) -> Verdict {
        let mut verdict = Verdict::default();
        let store = match Self::open(path) {
            Ok(store) => store,
            Err(error) => {
                verdict.at_open = Some(error.kind());
                return verdict;
            }
        };
        verdict.note("list_keys", store.list_keys(&KeyFilter::new()), |keys| *keys == self.keys);
        for (key, versions) in self.keys.iter().zip(&self.versions) {
            verdict
                .note("list_key_versions", store.list_key_versions(&key.key_id), |found| found == versions);
        }
        for ((key_id, _), expected) in KEYS.iter().zip(&self.indexes) {
            verdict.note("blind_index", index(&store, key_id), |found| found == expected);
        }
        verdict.note("mac", store.key("mac").and_then(|key| key.mac(b"data")), |mac| *mac == self.mac);
        let derived = store.derive_key("derive", "purpose", 32, None);
        verdict.note("derive_key", derived, |bytes| *bytes == self.derived[..]);
        verdict.note("recipients", store.recipients(), |found| format!("{found:?}") == self.recipients);
        for (key_id, ciphertext) in &self.sealed {
            let opened = store.decrypt(key_id, ciphertext, AAD);
            verdict.note("decrypt", opened, |opened| *opened == key_id.as_bytes()[..]);
        }
        match store.check() {
            Ok(report) => {
                verdict.clean = report.ok;
                if report.ok && said(&report) != self.report {
                    verdict.lies.push("check");
                }
            }
            Err(error) => verdict.errors.push(("check", error.kind())),
        }
        let fresh =
            store.encrypt("alpha", b"new", AAD).and_then(|sealed| store.decrypt("alpha", sealed, AAD));
        verdict.note("encrypt", fresh, |opened| *opened == b"new"[..]);
        verdict.note("rotate_key", store.rotate_key("alpha"), |info| info.version == 3);
        store.close();
        verdict
    }
}

/// A file of these bytes, without anything beside it.
pub(crate) fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(format!("{name}-{:?}", std::thread::current().id()));
    for suffix in ["-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(beside(&path, suffix));
    }
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).expect("room for a copy");
    path
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn index(store: &Store, key_id: &str) -> keyfold::Result<Vec<u8>> {
    store.key(key_id)?.blind_index(b"ada", "users.email", &IndexOptions::new())
}

/// A report, but for how much memory is locked.
fn said(report: &CheckReport) -> String {
    let CheckReport { ok, keys, versions, recipients, audit_records, generation, .. } = report;
    format!("{ok} {keys} {versions} {recipients} {audit_records} {generation}")
}
