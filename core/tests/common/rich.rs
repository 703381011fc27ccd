//! A store that has a bit of everything, older copies of it, and a judge of what a spoilt copy says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keyfold::{
    AddRecipient, Algorithm, Context, CreateKey, ErrorKind, IndexOptions, IndexScope, KeyFilter, KeyKind,
    MasterKey, OpenOptions, Passphrase, PurposeOptions, RotateKey, Store, VersionState,
};

use super::{Home, beside, hostile};

/// Of every kind and with every state; and a key and a purpose that were set aside.
const KEYS: [&str; 10] =
    ["alpha", "bad", "beta", "derived", "life", "macs", "old", "streams", "sums", "taken"];
const ENCRYPTING: [&str; 6] = ["alpha", "beta", "life", "old", "sums", "taken"];
/// What the acts that a judge tries make and change; left out of comparisons.
const SPINS: &str = "zz-";

/// A closed store, what was on disk at earlier times, and everything that it truly says.
pub struct Rich {
    pub home: Home,
    pub bytes: Vec<u8>,
    /// Of the same KEK.
    pub older: Vec<u8>,
    /// Of an earlier KEK.
    pub oldest: Vec<u8>,
    /// Another store with the same master key and the same names.
    pub other: Vec<u8>,
    /// What stands in the log beside `bytes`; empty but of [`Rich::with_log`].
    pub log: Vec<u8>,
    /// Where the store stands, the log included.
    pub anchor: String,
    sealed: Sealed,
    truth: Answers,
}

/// What the keys made: the name, and the bytes.
#[derive(Clone, Default)]
struct Sealed {
    messages: Vec<(&'static str, Vec<u8>)>,
    mac: Vec<u8>,
}

/// What was asked, and what was answered.
type Answers = Vec<(String, Result<String, ErrorKind>)>;

/// How a spoilt copy was met.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How opening refused it.
    pub at_open: Option<ErrorKind>,
    /// Something was refused for what was asked.
    pub at_use: bool,
    /// `check` found something.
    pub at_check: bool,
    /// What was told although it is false, or failed in another way than it may.
    pub faults: Vec<String>,
}

impl Rich {
    pub fn new() -> Self {
        let home = Home::new();
        let (sealed, [oldest, older]) = furnish(&home);
        let bytes = std::fs::read(home.path()).unwrap();
        let twin = Home { folder: Home::new().folder, secret: home.secret.clone() };
        furnish(&twin);
        let other = std::fs::read(twin.path()).unwrap();
        let store = home.open();
        let truth = answers(&store, &sealed);
        let anchor = store.anchor().unwrap().to_string();
        store.close();
        let rich = Self { home, bytes, older, oldest, other, log: Vec::new(), anchor, sealed, truth };
        // What it truly says is not errors.
        let errors = rich.truth.iter().filter(|(_, answer)| answer.is_err()).count();
        assert!(rich.truth.len() > 80 && errors < 15, "{errors} of {} answers are errors", rich.truth.len());
        rich
    }

    /// Where the last acts are in the log alone.
    pub fn with_log() -> Self {
        let mut rich = Self::new();
        put(&rich.home.path(), &rich.bytes);
        let store = rich.home.open();
        store.rotate_key("alpha").unwrap();
        store.set_version_state("life", 5, VersionState::Revoked, Some("lost too")).unwrap();
        seal(&store, &mut rich.sealed, &["alpha", "life"]);
        rich.anchor = store.anchor().unwrap().to_string();
        rich.bytes = std::fs::read(rich.home.path()).unwrap();
        rich.log = std::fs::read(beside(&rich.home.path(), "-wal")).unwrap();
        let copy = rich.copy("copy");
        std::fs::write(beside(&copy, "-wal"), &rich.log).unwrap();
        store.close();
        let store = rich.open(&copy).unwrap();
        rich.truth = answers(&store, &rich.sealed);
        store.close();
        rich
    }

    /// For another process, which has the key.
    pub fn to_json(&self) -> String {
        let hex = |bytes: &Vec<u8>| super::hex(bytes);
        let messages: Vec<_> =
            self.sealed.messages.iter().map(|(key_id, bytes)| (key_id, hex(bytes))).collect();
        let truth: Vec<_> = self
            .truth
            .iter()
            .map(|(asked, answer)| {
                (asked, answer.as_ref().ok(), answer.as_ref().err().map(|kind| format!("{kind:?}")))
            })
            .collect();
        serde_json::json!({
            "anchor": self.anchor, "messages": messages, "mac": hex(&self.sealed.mac), "truth": truth
        })
        .to_string()
    }

    /// What [`Rich::to_json`] gave: enough for judging.
    pub fn from_json(json: &str, secret: String) -> Self {
        type Line = (String, Option<String>, Option<String>);
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let messages: Vec<(String, String)> = serde_json::from_value(value["messages"].clone()).unwrap();
        let lines: Vec<Line> = serde_json::from_value(value["truth"].clone()).unwrap();
        let known = |name: &str| *ENCRYPTING.iter().find(|known| **known == name).unwrap();
        let kind = |name: &str| match name {
            "KeyUnavailable" => ErrorKind::KeyUnavailable,
            other => panic!("{other} is no answer of a whole store"),
        };
        Self {
            home: Home { folder: Home::new().folder, secret },
            bytes: Vec::new(),
            older: Vec::new(),
            oldest: Vec::new(),
            other: Vec::new(),
            log: Vec::new(),
            anchor: value["anchor"].as_str().unwrap().to_owned(),
            sealed: Sealed {
                messages: messages.iter().map(|(key_id, hex)| (known(key_id), super::unhex(hex))).collect(),
                mac: super::unhex(value["mac"].as_str().unwrap()),
            },
            truth: lines
                .into_iter()
                .map(|(asked, said, error)| (asked, said.ok_or_else(|| kind(&error.unwrap()))))
                .collect(),
        }
    }

    pub fn copy(&self, name: &str) -> PathBuf {
        let path = self.home.folder.path().join(name);
        put(&path, &self.bytes);
        path
    }

    pub fn open(&self, path: &Path) -> keyfold::Result<Store> {
        Store::open_with(path, &self.home.master_key(), &OpenOptions::new())
    }

    /// Opens the file and asks for everything; where it is to act, acts, opens it again and asks once more.
    pub fn judge(&self, path: &Path, acting: bool) -> Verdict {
        self.judge_with(path, &OpenOptions::new(), acting)
    }

    /// As [`Rich::judge`], opened with these options.
    pub fn judge_with(&self, path: &Path, options: &OpenOptions, acting: bool) -> Verdict {
        let mut verdict = Verdict::default();
        let store = match Store::open_with(path, &self.home.master_key(), options) {
            Ok(store) => store,
            Err(error) => {
                verdict.at_open = Some(error.kind());
                return verdict;
            }
        };
        self.compare(&store, &mut verdict, "");
        verdict.at_check = check(&store, &mut verdict.faults);
        if acting {
            act(&store, &mut verdict);
        }
        store.close();
        drop(store);
        if !acting {
            return verdict;
        }
        // What was damaged must not have become true by what was done since.
        match self.open(path) {
            Ok(store) => {
                let mut after = Verdict::default();
                self.compare(&store, &mut after, " after the acts");
                let found = check(&store, &mut after.faults);
                if after.at_use && !found {
                    after.faults.push("check finds nothing any more".to_owned());
                }
                // Where it is neither found nor refused any more, it says the truth: it was healed.
                verdict.faults.append(&mut after.faults);
                store.close();
            }
            Err(error) if is_refusal(error.kind()) => {}
            Err(error) => verdict.faults.push(format!("opening after the acts failed: {error:?}")),
        }
        verdict
    }

    fn compare(&self, store: &Store, verdict: &mut Verdict, when: &str) {
        let answers = answers(store, &self.sealed);
        for ((asked, truth), (_, answer)) in self.truth.iter().zip(&answers) {
            match answer {
                answer if answer == truth => {}
                // Sealing goes on counting.
                Ok(_) if !when.is_empty() && asked.starts_with("key_usage") => {}
                Err(ErrorKind::IntegrityError) => verdict.at_use = true,
                answer => verdict.faults.push(format!("{asked} gave {answer:?}{when}, not {truth:?}")),
            }
        }
    }
}

/// Overwrites the file, and takes away what SQLite keeps beside it.
pub fn put(path: &Path, bytes: &[u8]) {
    for suffix in ["-wal", "-shm", "-journal"] {
        let _ = std::fs::remove_file(beside(path, suffix));
    }
    std::fs::write(path, bytes).unwrap();
}

pub fn is_refusal(kind: ErrorKind) -> bool {
    [ErrorKind::IntegrityError, ErrorKind::WrongMasterKey].contains(&kind)
}

fn check(store: &Store, faults: &mut Vec<String>) -> bool {
    match store.check() {
        Ok(report) => !report.ok,
        Err(error) if error.kind() == ErrorKind::IntegrityError => true,
        Err(error) => {
            faults.push(format!("check failed: {error:?}"));
            false
        }
    }
}

/// Each may be done, or be refused for the damage.
fn act(store: &Store, verdict: &mut Verdict) {
    let outcomes = [
        ("rotate_key", store.rotate_key("zz-spin").map(drop)),
        ("register_purpose", store.register_purpose("zz-more", &PurposeOptions::new()).map(drop)),
        ("create_key", store.create_key("zz-new", &CreateKey::new().purpose("zz-why")).map(drop)),
        ("run_due", store.run_due().map(drop)),
        ("rotate_master_key", store.rotate_master_key(None).map(drop)),
    ];
    for (act, outcome) in outcomes {
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::IntegrityError => verdict.at_use = true,
            Err(error) => verdict.faults.push(format!("{act} failed: {error:?}")),
        }
    }
}

fn place() -> Context {
    Context::new().with("table", "users")
}

fn say<T: std::fmt::Debug>(result: keyfold::Result<T>) -> Result<String, ErrorKind> {
    result.map(|value| format!("{value:?}")).map_err(|error| error.kind())
}

/// Everything that a store says of what it keeps.
fn answers(store: &Store, sealed: &Sealed) -> Answers {
    let mut answers = Answers::new();
    let mut note = |asked: String, answer| answers.push((asked, answer));
    note("fingerprint".to_owned(), Ok(store.fingerprint().to_owned()));
    // A new KEK changes what a recipient is known by in nothing.
    note("recipients".to_owned(), say(store.recipients()));
    let listed = store.list_keys(&KeyFilter::new());
    let listed =
        listed.map(|keys| keys.into_iter().filter(|key| !key.key_id.starts_with(SPINS)).collect::<Vec<_>>());
    note("list_keys".to_owned(), say(listed));
    let purposes = store.purposes();
    let purposes = purposes
        .map(|found| found.into_iter().filter(|info| !info.purpose.starts_with(SPINS)).collect::<Vec<_>>());
    note("purposes".to_owned(), say(purposes));
    note("quarantined".to_owned(), say(store.quarantined()));
    note("key_for pii".to_owned(), say(store.key_for("pii").map(|key| key.id().to_owned())));
    for scope in [IndexScope::Purpose("pii"), IndexScope::Purpose("orders"), IndexScope::Key("beta")] {
        note(format!("index_salts {scope}"), say(store.index_salts(scope)));
    }
    for key_id in KEYS {
        note(format!("key_info {key_id}"), say(store.key_info(key_id)));
        note(format!("list_key_versions {key_id}"), say(store.list_key_versions(key_id)));
        let usage = store.key_usage(key_id).map(|found| {
            let rows = found.iter().filter(|usage| usage.version == 1);
            rows.map(|usage| (usage.version, usage.messages, usage.limit)).collect::<Vec<_>>()
        });
        note(format!("key_usage {key_id}"), say(usage));
        let key = store.key(key_id);
        let index = |key: &keyfold::Key| key.blind_indexes(b"ada", "users.email", &IndexOptions::new());
        note(format!("blind_indexes {key_id}"), say(key.as_ref().map_err(copied).and_then(index)));
    }
    for key_id in ENCRYPTING {
        let there_and_back = store.encrypt(key_id, b"new", &place()).and_then(|sealed| {
            let opened = store.decrypt(key_id, &sealed, &place())?;
            Ok((opened == b"new"[..], store.inspect(&sealed)?.first().map(|info| info.version)))
        });
        note(format!("encrypt {key_id}"), say(there_and_back));
    }
    for (number, (key_id, ciphertext)) in sealed.messages.iter().enumerate() {
        let opened = store.decrypt(key_id, ciphertext, &place());
        note(format!("decrypt {key_id} {number}"), say(opened.map(|opened| opened.to_vec())));
        note(format!("inspect {key_id} {number}"), say(store.inspect(ciphertext)));
    }
    let macs = store.key("macs");
    note("mac".to_owned(), say(macs.as_ref().map_err(copied).and_then(|key| key.mac(b"m"))));
    let verified = macs.as_ref().map_err(copied).and_then(|key| key.verify_mac(b"m", &sealed.mac));
    note("verify_mac".to_owned(), say(verified));
    let derived = store.derive_key("derived", "p", 32, None);
    note("derive_key".to_owned(), say(derived.map(|bytes| bytes.to_vec())));
    answers
}

fn copied(error: &keyfold::Error) -> keyfold::Error {
    keyfold::Error::new(error.kind(), error.message())
}

/// Fills a new store; the file as it was under an earlier KEK, and under the last one.
fn furnish(home: &Home) -> (Sealed, [Vec<u8>; 2]) {
    let mut sealed = Sealed::default();
    let store = home.open();
    let phrase = Passphrase::new("correct horse").unwrap().with_argon2id(19 << 10, 1, 1).unwrap();
    let in_a_head = AddRecipient::new().id("in-a-head").description("in a head");
    store.add_recipient(&MasterKey::passphrase(phrase), &in_a_head).unwrap();
    let described = PurposeOptions::new().description("what was bought").rotation_period(days(90));
    store.register_purpose("orders", &described).unwrap();
    store.register_purpose("zz-why", &PurposeOptions::new()).unwrap();
    let new = CreateKey::new;
    let pii = new().purpose("pii").description("e-mail").label("team", "web").label("tier", "1");
    store.create_key("alpha", &pii).unwrap();
    store.create_key("bad", &new().purpose("medical")).unwrap();
    store.create_key("beta", &new().algorithm(Algorithm::Aes256Gcm).on_limit("refuse")).unwrap();
    store.create_key("derived", &new().kind(KeyKind::Derive)).unwrap();
    store.create_key("life", &new().purpose("orders")).unwrap();
    store.create_key("macs", &new().kind(KeyKind::Mac)).unwrap();
    store.create_key("old", &new()).unwrap();
    store.create_key("streams", &new().kind(KeyKind::Stream)).unwrap();
    store.create_key("sums", &new().kind(KeyKind::Deterministic)).unwrap();
    store.create_key("taken", &new().exportable(true).expires_in(days(900))).unwrap();
    store.create_key("zz-spin", &new()).unwrap();
    seal(&store, &mut sealed, &ENCRYPTING);
    sealed.mac = store.key("macs").unwrap().mac(b"m").unwrap();
    store.rotate_key("alpha").unwrap();
    let (oldest, store) = pause(home, store);

    store.rotate_master_key(None).unwrap();
    for _ in 0..4 {
        store.rotate_key("life").unwrap();
        seal(&store, &mut sealed, &["life"]);
    }
    store.rotate_key_with("life", &RotateKey::new().stage(true)).unwrap();
    store.set_version_state("life", 3, VersionState::Revoked, Some("lost")).unwrap();
    store.set_version_state("life", 4, VersionState::Disabled, None).unwrap();
    store.schedule_destruction("life", 1, Some(Duration::ZERO)).unwrap();
    store.run_due().unwrap();
    seal(&store, &mut sealed, &["alpha", "beta"]);
    let (older, store) = pause(home, store);

    // What a replay would take back.
    store.schedule_destruction("life", 2, None).unwrap();
    store.rotate_key_with("alpha", &RotateKey::new().stage(true)).unwrap();
    store.promote_version("alpha", 3).unwrap();
    store.set_version_state("alpha", 1, VersionState::Disabled, None).unwrap();
    store.rotate_index_salt(IndexScope::Purpose("pii")).unwrap();
    store.rotate_index_salt(IndexScope::Key("beta")).unwrap();
    let changed = PurposeOptions::new().description("what was sold").rotation_period(days(30)).update(true);
    store.register_purpose("orders", &changed).unwrap();
    let spare = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    store.add_recipient(&spare, &AddRecipient::new().id("spare")).unwrap();
    seal(&store, &mut sealed, &["alpha", "beta", "taken"]);
    store.archive_key("old").unwrap();
    store.close();
    drop(store);
    let spoil = "UPDATE key SET exportable = 1 WHERE key_id = 'bad'; \
                 UPDATE purpose SET description = 'x' WHERE purpose = 'medical'";
    hostile(&home.path()).execute_batch(spoil).unwrap();
    let store = home.open();
    store.quarantine("purpose", "medical", "a disk that failed").unwrap();
    store.quarantine("key", "bad", "a disk that failed").unwrap();
    store.close();
    drop(store);
    (sealed, [oldest, older])
}

fn seal(store: &Store, sealed: &mut Sealed, keys: &[&'static str]) {
    for (number, key_id) in keys.iter().enumerate() {
        let plaintext = format!("{key_id} {number}");
        sealed.messages.push((key_id, store.encrypt(key_id, plaintext.as_bytes(), &place()).unwrap()));
    }
}

/// Closes the store, and opens it again; what was on disk meanwhile.
fn pause(home: &Home, store: Store) -> (Vec<u8>, Store) {
    store.close();
    drop(store);
    let bytes = std::fs::read(home.path()).unwrap();
    (bytes, home.open())
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}
