//! Everything that a store does, step by step, and what must be found of it later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, FileOptions, ImportKey, ImportKeyset, IndexScope,
    KeyEncoding, KeyFilter, KeyKind, KeysetFormat, KeysetProtection, MasterKey, OpenOptions, PurposeOptions,
    RestoreOptions, Result, RotateKey, Store, VersionState, generate_master_key,
};

use super::recording::{Disk, read};

pub const STORE: &str = "app.keyfold";
/// What the secret of this number is called as a recipient.
const SECOND: &str = "second";
const IMPORTED: &[u8; 32] = b"an AES key of exactly 32 bytes..";
const AAD: &[u8] = b"disk";

/// A store in use, in a folder.
pub struct Place {
    pub folder: PathBuf,
    pub store: Option<Store>,
    pub model: Model,
    secrets: Vec<String>,
}

/// What must be there.
#[derive(Clone, Default)]
pub struct Model {
    /// What the store shows of itself; `None` where there is none yet.
    pub content: Option<Content>,
    pub anchor: String,
    /// How often the store was to be replaced by its backup.
    restores: usize,
    /// Ciphertexts with the key and the version that made them.
    sealed: Vec<(String, u32, Vec<u8>)>,
    /// Messages sealed under AES256_GCM, by version.
    counted: BTreeMap<u32, u64>,
    files: BTreeMap<String, Output>,
    at_backup: Option<Box<Model>>,
}

/// Keys, versions, recipients and the like, one text each: nothing that differs between two runs.
pub type Content = BTreeMap<String, String>;

/// A file that was made beside the store.
#[derive(Clone, PartialEq, Eq)]
enum Output {
    Backup { anchor: String },
    Sealed(Vec<u8>),
    Plain(Vec<u8>),
}

pub type Step = (&'static str, fn(&mut Place) -> Result<()>);

/// In this order: a later step builds on the earlier ones.
pub const STEPS: &[Step] = &[
    ("open a new store", open),
    ("create_key", |place| {
        place.store().create_key("pii", &CreateKey::new().purpose("pii").exportable(true)).map(drop)
    }),
    ("create_key for AES256_GCM", |place| {
        place.store().create_key("gcm", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).map(drop)
    }),
    ("create_key for streams", |place| {
        place.store().create_key("files", &CreateKey::new().kind(KeyKind::Stream)).map(drop)
    }),
    ("create_keys", |place| {
        let key = CreateKey::new;
        place.store().create_keys(&[("a", key()), ("b", key()), ("c", key())]).map(drop)
    }),
    ("rotate_key", |place| place.store().rotate_key("pii").map(drop)),
    ("rotate_key, staged", |place| {
        place.store().rotate_key_with("pii", &RotateKey::new().stage(true)).map(drop)
    }),
    ("promote_version", |place| place.store().promote_version("pii", 3).map(drop)),
    ("set_version_state, disabled", |place| {
        place.store().set_version_state("pii", 1, VersionState::Disabled, Some("an exercise")).map(drop)
    }),
    ("set_version_state, enabled", |place| {
        place.store().set_version_state("pii", 1, VersionState::Enabled, None).map(drop)
    }),
    ("set_version_state, revoked and followed", |place| {
        place.store().set_version_state("a", 1, VersionState::Revoked, Some("an exercise")).map(drop)
    }),
    ("import_key", |place| {
        let options = ImportKey::new();
        place.store().import_key("imported", IMPORTED, KeyEncoding::Raw, &options).map(drop)
    }),
    ("import_keyset", import_keyset),
    ("register_purpose", |place| {
        place.store().register_purpose("invoices", &PurposeOptions::new().description("of 2026")).map(drop)
    }),
    ("rotate_index_salt", |place| place.store().rotate_index_salt(IndexScope::Purpose("pii")).map(drop)),
    ("retire_index_salt", |place| place.store().retire_index_salt(IndexScope::Purpose("pii"), 1)),
    ("lease messages", lease),
    ("encrypt_file", |place| place.encrypt_file("out.kf", 3000, false)),
    ("encrypt_file over another", |place| place.encrypt_file("out.kf", 1_200_000, true)),
    ("decrypt_file", decrypt_file),
    ("backup", backup),
    ("add_recipient", add_second),
    ("rotate_master_key", |place| place.store().rotate_master_key(None).map(drop)),
    ("close and open", |place| {
        place.store = None;
        open(place)
    }),
    ("schedule_destruction", |place| {
        place.store().schedule_destruction("pii", 1, Some(Duration::from_secs(86_400 * 30))).map(drop)
    }),
    ("cancel_destruction", |place| place.store().cancel_destruction("pii", 1).map(drop)),
    ("schedule_destruction at once", |place| {
        place.store().schedule_destruction("pii", 1, Some(Duration::ZERO)).map(drop)
    }),
    ("run_due", run_due),
    ("archive_key", |place| place.store().archive_key("c").map(drop)),
    ("restore over the store", restore),
    ("restore to an empty place", restore_anew),
    ("add_recipient again", add_second),
    ("remove_recipient", |place| place.store().remove_recipient(SECOND).map(drop)),
    ("rotate_master_key to another", |place| {
        let third = MasterKey::parse(&place.secrets[2])?;
        place.store().rotate_master_key(Some(&third)).map(drop)
    }),
    ("lease messages again", lease),
    ("close", |place| {
        place.store = None;
        open(place)
    }),
];

fn open(place: &mut Place) -> Result<()> {
    place.store = Some(place.open(&OpenOptions::new().create(true))?);
    Ok(())
}

fn import_keyset(place: &mut Place) -> Result<()> {
    let clear = KeysetProtection::InsecureCleartext;
    let keyset = place.store().export_keyset("pii", KeysetFormat::Json, clear)?;
    place.store().import_keyset("tink", keyset.bytes.as_ref(), clear, &ImportKeyset::new()).map(drop)
}

/// More messages than what the first lease gives.
fn lease(place: &mut Place) -> Result<()> {
    let key = place.store().key("gcm")?;
    let version = place.store().key_info("gcm")?.current_version.unwrap();
    for _ in 0..600 {
        key.encrypt(b"counted", AAD)?;
        *place.model.counted.entry(version).or_default() += 1;
    }
    Ok(())
}

fn decrypt_file(place: &mut Place) -> Result<()> {
    let Some(Output::Sealed(plain)) = place.model.files.get("out.kf").cloned() else {
        panic!("no file to decrypt")
    };
    let (from, to) = (place.folder.join("out.kf"), place.folder.join("out.txt"));
    place.store().key("files")?.decrypt_file(from, to, AAD, &FileOptions::new())?;
    place.model.files.insert("out.txt".to_owned(), Output::Plain(plain));
    Ok(())
}

fn backup(place: &mut Place) -> Result<()> {
    let info = place.store().backup(place.folder.join("backup.keyfold"))?;
    assert!(info.check.ok, "{:?}", info.check.findings);
    place.model.files.insert("backup.keyfold".to_owned(), Output::Backup { anchor: info.anchor.to_string() });
    place.model.at_backup = Some(Box::new(place.model.clone()));
    Ok(())
}

fn add_second(place: &mut Place) -> Result<()> {
    let second = MasterKey::parse(&place.secrets[1])?;
    place.store().add_recipient(&second, &AddRecipient::new().id(SECOND)).map(drop)
}

fn run_due(place: &mut Place) -> Result<()> {
    let report = place.store().run_due()?;
    assert!(report.failures.is_empty(), "{report:?}");
    Ok(())
}

fn restore(place: &mut Place) -> Result<()> {
    place.model.restores += 1;
    let source = place.folder.join("backup.keyfold");
    keyfold::restore(source, place.folder.join(STORE), &place.master_key(), &RestoreOptions::new())?;
    let before = place.model.at_backup.clone().unwrap();
    let Model { sealed, counted, .. } = *before;
    (place.model.sealed, place.model.counted) = (sealed, counted);
    Ok(())
}

fn restore_anew(place: &mut Place) -> Result<()> {
    let source = place.folder.join("backup.keyfold");
    let target = place.folder.join("restored.keyfold");
    let info = keyfold::restore(source, target, &place.master_key(), &RestoreOptions::new())?;
    let output = Output::Backup { anchor: info.anchor.to_string() };
    place.model.files.insert("restored.keyfold".to_owned(), output);
    Ok(())
}

impl Place {
    pub fn new(folder: &Path) -> Self {
        let secrets = (0..3).map(|_| generate_master_key().unwrap().to_string()).collect();
        Self { folder: folder.to_owned(), store: None, model: Model::default(), secrets }
    }

    /// The same store, elsewhere and not open.
    pub fn moved(&self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            store: None,
            model: self.model.clone(),
            secrets: self.secrets.clone(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().expect("a store that is open")
    }

    /// Whichever opens it.
    pub fn master_key(&self) -> MasterKey {
        MasterKey::any_of(self.secrets.iter().map(|secret| MasterKey::parse(secret).unwrap())).unwrap()
    }

    pub fn open(&self, options: &OpenOptions) -> Result<Store> {
        // What was done to the file is seen at once.
        let options = options.clone().refresh_interval(Duration::from_millis(10));
        Store::open_with(self.path(), &self.master_key(), &options)
    }

    /// A copy of the files, once the store is closed.
    pub fn snapshot(&mut self) -> Disk {
        self.store = None;
        read(&self.folder)
    }

    /// What a step did is what must be there from now on.
    pub fn acknowledge(&mut self) {
        let store = self.store().clone();
        self.model.content = Some(content(&store).unwrap());
        self.model.anchor = store.anchor().unwrap().to_string();
    }

    /// Seals with every key that seals.
    pub fn seal(&mut self) {
        let store = self.store().clone();
        for info in store.list_keys(&KeyFilter::new()).unwrap() {
            if info.kind != KeyKind::Aead || info.archived {
                continue;
            }
            let Some(version) = info.current_version else { continue };
            // A lease may fail, as anything that is written.
            let sealed = std::iter::repeat_with(|| store.encrypt(&info.key_id, info.key_id.as_bytes(), AAD))
                .find(|outcome| {
                    outcome.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::Storage)
                });
            match sealed.expect("an endless iterator") {
                Ok(sealed) => {
                    if info.algorithm == Algorithm::Aes256Gcm {
                        *self.model.counted.entry(version).or_default() += 1;
                    }
                    self.model.sealed.push((info.key_id, version, sealed));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::KeyUnavailable, "{error}"),
            }
        }
    }

    /// Opens the store if there is one, and loads a key.
    pub fn prepare(&mut self) {
        if self.model.content.is_some() {
            self.store = Some(self.open(&OpenOptions::new()).unwrap());
            self.use_keys().unwrap();
        }
    }

    /// Encrypts and decrypts with keys that take nothing from the disk.
    pub fn use_keys(&self) -> Result<()> {
        for (key_id, _, sealed) in self.model.sealed.iter().filter(|(key_id, ..)| key_id == "b") {
            let key = self.store().key(key_id)?;
            assert_eq!(key.decrypt(sealed, AAD)?, *key_id.as_bytes());
            key.encrypt(b"more", AAD)?;
        }
        Ok(())
    }

    fn encrypt_file(&mut self, name: &str, length: usize, force: bool) -> Result<()> {
        let plain: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
        let input = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(input.path(), &plain).unwrap();
        let options = FileOptions::new().force(force);
        self.store().key("files")?.encrypt_file(input.path(), self.folder.join(name), AAD, &options)?;
        self.model.files.insert(name.to_owned(), Output::Sealed(plain));
        Ok(())
    }

    /// Opens what is there and holds it against what must be: as before a step, or as after it. Whether the step had
    /// been done; the first thing that is wrong.
    pub fn verify(&self, before: &Model, after: &Model) -> std::result::Result<bool, String> {
        let anchored = |model: &Model, create| match model.content {
            Some(_) => self.open(&OpenOptions::new().anchor(&model.anchor)),
            None => self.open(&OpenOptions::new().create(create)),
        };
        let store = match anchored(before, false) {
            Err(error) if before.content.is_none() && error.kind() == ErrorKind::NotFound => {
                self.verify_files(None, before, after)?;
                let store = anchored(before, true).map_err(|error| format!("cannot be made: {error:?}"))?;
                return match store.check() {
                    Ok(report) if report.ok => Ok(false),
                    report => Err(format!("{report:?}")),
                };
            }
            // A restored store is another line than the one it replaced.
            Err(error) if error.kind() == ErrorKind::IntegrityError && after.content.is_some() => {
                match anchored(after, false) {
                    // Of a restoration that failed nothing is promised: it may be what is there, until the next one is
                    // acknowledged. Each writes a line of its own.
                    Err(error)
                        if error.kind() == ErrorKind::IntegrityError
                            && after.restores > before.restores + 1 =>
                    {
                        self.open(&OpenOptions::new())
                    }
                    outcome => outcome,
                }
            }
            outcome => outcome,
        }
        .map_err(|error| format!("does not open: {error:?}"))?;
        let is_after = self.verify_store(&store, before, after)?;
        self.verify_files(Some(&store), before, after)?;
        let goes_on = || -> Result<()> {
            store.create_key("afterwards", &CreateKey::new())?;
            let anchor = store.anchor()?.to_string();
            store.close();
            let store = self.open(&OpenOptions::new().anchor(anchor))?;
            store.encrypt("afterwards", b"ada", AAD).map(drop)
        };
        goes_on().map_err(|error| format!("cannot be used: {error:?}"))?;
        Ok(is_after)
    }

    /// The part of [`Place::verify`] that a store which is open shows.
    pub fn verify_store(
        &self,
        store: &Store,
        before: &Model,
        after: &Model,
    ) -> std::result::Result<bool, String> {
        let wrong = |error: keyfold::Error| format!("{error:?}");
        std::thread::sleep(Duration::from_millis(12));
        let report = store.check().map_err(wrong)?;
        if !report.ok {
            return Err(format!("check: {:?}", report.findings));
        }
        let found = content(store).map_err(wrong)?;
        let is_after = before.content.as_ref() != Some(&found);
        let model = if is_after { after } else { before };
        if model.content.as_ref() != Some(&found) {
            return Err(format!(
                "neither as before nor as after: {}",
                difference(&found, before.content.as_ref(), after.content.as_ref())
            ));
        }
        // What was sealed after the step is promised once the step was acknowledged.
        for made @ (key_id, version, sealed) in &model.sealed {
            if !before.sealed.contains(made) {
                continue;
            }
            if found.contains_key(&format!("set aside {key_id}")) {
                continue;
            }
            let versions = store.list_key_versions(key_id).map_err(wrong)?;
            let state = versions.iter().find(|info| info.version == *version).map(|info| info.state);
            let opens = match state {
                None => return Err(format!("version {version} of {key_id} is not there")),
                Some(VersionState::Enabled | VersionState::DecryptOnly | VersionState::Staged) => true,
                Some(_) => false,
            };
            match store.decrypt(key_id, sealed, AAD) {
                Ok(plain) if opens && plain == *key_id.as_bytes() => {}
                Err(error) if !opens && error.kind() == ErrorKind::KeyUnavailable => {}
                outcome => return Err(format!("{key_id} version {version}: {outcome:?}")),
            }
        }
        for (version, sealed) in &before.counted {
            let usage = store.key_usage("gcm").map_err(wrong)?;
            let counted = usage.iter().find(|usage| usage.version == *version).map(|usage| usage.messages);
            if counted.is_none_or(|counted| counted < *sealed) {
                return Err(format!("{sealed} messages were sealed and {counted:?} counted"));
            }
        }
        Ok(is_after)
    }

    /// The files beside the store: whole or not at all, and no others.
    pub fn verify_files(
        &self,
        store: Option<&Store>,
        before: &Model,
        after: &Model,
    ) -> std::result::Result<(), String> {
        for name in before.files.keys().chain(after.files.keys()) {
            let (old, new) = (before.files.get(name), after.files.get(name));
            let path = self.folder.join(name);
            if !path.exists() {
                match old {
                    None => continue,
                    Some(_) => return Err(format!("{name} is gone")),
                }
            }
            let outcomes: Vec<_> = [old, new]
                .into_iter()
                .flatten()
                .map(|output| self.verify_output(store, &path, output))
                .collect();
            if !outcomes.iter().any(|outcome| outcome.is_ok()) {
                return Err(format!("{name} is not whole: {outcomes:?}"));
            }
        }
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = ["-wal", "-shm", "-journal", "-lock"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(&name);
            let is_known = stem == STORE || before.files.contains_key(stem) || after.files.contains_key(stem);
            if !is_known && !is_draft(stem) {
                return Err(format!("a stray file {name}"));
            }
        }
        Ok(())
    }

    fn verify_output(
        &self,
        store: Option<&Store>,
        path: &Path,
        output: &Output,
    ) -> std::result::Result<(), String> {
        let wrong = |error: keyfold::Error| format!("{error:?}");
        match output {
            Output::Plain(plain) if std::fs::read(path).unwrap() == *plain => Ok(()),
            Output::Plain(_) => Err("other bytes".to_owned()),
            Output::Sealed(plain) => {
                let store = store.ok_or("no store")?;
                let mut out = Vec::new();
                let sealed = std::fs::read(path).unwrap();
                store
                    .key("files")
                    .map_err(wrong)?
                    .decrypt_stream(&sealed[..], &mut out, AAD)
                    .map_err(wrong)?;
                if out == *plain { Ok(()) } else { Err("other bytes".to_owned()) }
            }
            Output::Backup { anchor } => {
                let options = OpenOptions::new().anchor(anchor);
                let copy = Store::open_with(path, &self.master_key(), &options).map_err(wrong)?;
                let report = copy.check().map_err(wrong)?;
                if report.ok { Ok(()) } else { Err(format!("{:?}", report.findings)) }
            }
        }
    }
}

/// What an operation that was cut leaves: named after its output, and nobody takes it for anything.
pub fn is_draft(name: &str) -> bool {
    let Some(rest) = name.strip_suffix(".new") else { return false };
    let number = rest.rsplit(['.', '-']).next().unwrap_or("");
    number.len() == 16 && u64::from_str_radix(number, 16).is_ok()
}

fn content(store: &Store) -> Result<Content> {
    let mut content = Content::new();
    for info in store.list_keys(&KeyFilter::new())? {
        let mut text = format!(
            "{} {} {:?} {:?} archived {} current {:?}",
            info.kind, info.algorithm, info.purpose, info.description, info.archived, info.current_version
        );
        for version in store.list_key_versions(&info.key_id)? {
            let current = if version.is_current { " current" } else { "" };
            text += &format!("; {} {}{current} {}", version.version, version.state, version.algorithm);
            let is_current = info.current_version == Some(version.version);
            assert_eq!(version.is_current, is_current, "{} has another current version", info.key_id);
        }
        let currents = text.matches(" current ").count();
        assert!(currents <= 2, "{text}");
        content.insert(format!("key {}", info.key_id), text);
    }
    for info in store.recipients()? {
        content.insert(format!("recipient {}", info.recipient_id), info.kind);
    }
    for info in store.purposes()? {
        let salts = store.index_salts(IndexScope::Purpose(&info.purpose));
        let salts = salts.map_or_else(
            |error| error.kind().to_string(),
            |salts| format!("{:?}", salts.iter().map(|salt| salt.version).collect::<Vec<_>>()),
        );
        content.insert(format!("purpose {}", info.purpose), format!("{:?} {salts}", info.description));
    }
    for entity in store.quarantined()? {
        content.insert(format!("set aside {}", entity.id), entity.kind);
    }
    Ok(content)
}

fn difference(found: &Content, before: Option<&Content>, after: Option<&Content>) -> String {
    let empty = Content::new();
    let lines = |model: &Content| -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = found.keys().chain(model.keys()).collect();
        let differs = keys.into_iter().filter(|key| found.get(*key) != model.get(*key));
        differs.map(|key| format!("{key}: {:?}, not {:?}", found.get(key), model.get(key))).collect()
    };
    format!("{:?} / {:?}", lines(before.unwrap_or(&empty)), lines(after.unwrap_or(&empty)))
}
