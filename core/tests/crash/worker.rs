//! The process that is killed: it does what it is told, and says when it begins and when it has done it.

use std::path::Path;
use std::time::{Duration, Instant};

use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, ImportKey, ImportKeyset, IndexScope, KeyEncoding,
    KeysetProtection, MasterKey, OpenOptions, Passphrase, PurposeOptions, RestoreOptions, RotateKey, Store,
    VersionState, restore,
};

use crate::common::{Orders, hear, hex, milliseconds, tell, unhex};
use crate::sight::sight;

/// What opens a store: `key:BASE64`, `recovery:TEXT`, `shares:TEXT+TEXT` or `passphrase:TEXT`.
pub fn master_key(secret: &str) -> MasterKey {
    match secret.split_once(':').unwrap() {
        ("key", text) => MasterKey::parse(text).unwrap(),
        ("recovery", text) => MasterKey::recovery_key(text).unwrap(),
        ("shares", texts) => MasterKey::shares(&texts.split('+').collect::<Vec<_>>()).unwrap(),
        ("passphrase", text) => {
            // The cheapest that is allowed: it is killed often.
            MasterKey::passphrase(Passphrase::new(text).unwrap().with_argon2id(19 << 10, 1, 1).unwrap())
        }
        _ => panic!("{secret}"),
    }
}

struct Worker {
    store: Store,
    path: std::path::PathBuf,
    secret: String,
}

fn open(path: &Path, secret: &str) -> Store {
    // Others may hold the file for long on a busy machine; Busy is for those who want it.
    let options = OpenOptions::new()
        .create(true)
        .refresh_interval(milliseconds(10))
        .busy_timeout(Duration::from_secs(60));
    Store::open_with(path, &master_key(secret), &options).unwrap()
}

pub fn work(orders: &Orders) {
    let secret = orders.task.clone();
    tell("try open");
    let begun = Instant::now();
    let store = open(&orders.path, &secret);
    tell(format!("done {} -", begun.elapsed().as_micros()));
    let mut worker = Worker { store, path: orders.path.clone(), secret };
    while let Some(line) = hear() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["look", space] = words[..] {
            sight(&worker.store, space).iter().for_each(|line| tell(format!("sees {line}")));
            tell("seen");
            continue;
        }
        tell(format!("try {line}"));
        let begun = Instant::now();
        let said = worker.act(&words);
        tell(format!("done {} {said}", begun.elapsed().as_micros()));
        tell(format!("anchor {}", worker.store.anchor().unwrap()));
    }
}

impl Worker {
    /// Does it; what is to be told of it.
    fn act(&mut self, words: &[&str]) -> String {
        let store = &self.store;
        match *words {
            ["create", key_id, algorithm, purpose, expires] => {
                let mut create = CreateKey::new().exportable(true).algorithm(named(algorithm));
                if purpose != "-" {
                    create = create.purpose(purpose);
                }
                if expires == "expires" {
                    create = create.expires_in(Duration::from_secs(86_400));
                }
                store.create_key(key_id, &create).unwrap();
            }
            ["batch", key_ids] => {
                let keys: Vec<_> = key_ids.split(',').map(|key_id| (key_id, CreateKey::new())).collect();
                store.create_keys(&keys).unwrap();
            }
            ["rotate", key_id] => drop(store.rotate_key(key_id).unwrap()),
            ["stage", key_id] => drop(store.rotate_key_with(key_id, &RotateKey::new().stage(true)).unwrap()),
            ["promote", key_id, number] => drop(store.promote_version(key_id, parsed(number)).unwrap()),
            ["state", key_id, number, name] => {
                let state = VersionState::from_name(name).unwrap();
                store.set_version_state(key_id, parsed(number), state, Some("crash")).unwrap();
            }
            ["archive", key_id] => drop(store.archive_key(key_id).unwrap()),
            ["schedule", key_id, number, days] => {
                let delay = Duration::from_secs(86_400 * u64::from(parsed(days)));
                store.schedule_destruction(key_id, parsed(number), Some(delay)).unwrap();
            }
            ["cancel", key_id, number] => drop(store.cancel_destruction(key_id, parsed(number)).unwrap()),
            ["run_due"] => {
                let report = store.run_due().unwrap();
                assert!(report.failures.is_empty(), "{report:?}");
                return format!("pending={}", report.purge_pending);
            }
            ["import", key_id, material] => drop(
                store.import_key(key_id, material.as_bytes(), KeyEncoding::Hex, &ImportKey::new()).unwrap(),
            ),
            ["import-version", key_id, material] => {
                let import = ImportKey::new().as_version(true);
                drop(store.import_key(key_id, material.as_bytes(), KeyEncoding::Hex, &import).unwrap())
            }
            ["keyset", key_id, keyset] => {
                let (protection, options) = (KeysetProtection::InsecureCleartext, ImportKeyset::new());
                drop(store.import_keyset(key_id, &unhex(keyset), protection, &options).unwrap())
            }
            ["recipient", id, secret] => {
                let options = AddRecipient::new().id(id);
                // Others may keep changing the recipients, which is Busy.
                while let Err(error) = store.add_recipient(&master_key(secret), &options) {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                }
            }
            ["recipient-remove", id] => {
                return format!("pending={}", store.remove_recipient(id).unwrap().purge_pending);
            }
            ["rekey"] => return format!("pending={}", store.rotate_master_key(None).unwrap().purge_pending),
            ["rekey-new", secret] => {
                let rotated = store.rotate_master_key(Some(&master_key(secret))).unwrap();
                self.secret = secret.to_owned();
                return format!("pending={}", rotated.purge_pending);
            }
            ["purpose", name, description] => {
                let options = PurposeOptions::new().description(description).update(true);
                store.register_purpose(name, &options).unwrap();
            }
            ["salt", scope, name] => drop(store.rotate_index_salt(scoped(scope, name)).unwrap()),
            ["salt-retire", scope, name, number] => {
                store.retire_index_salt(scoped(scope, name), parsed(number)).unwrap()
            }
            ["salt-read", scope, name] => drop(store.get_index_salt(scoped(scope, name), None).unwrap()),
            ["export", key_id] => drop(store.get_data_key(key_id, None).unwrap()),
            ["drill"] => assert!(store.drill(&master_key(&self.secret)).unwrap().check.ok),
            ["quarantine", key_id] => store.quarantine("key", key_id, "crash").unwrap(),
            ["purge"] => return format!("pending={}", store.purge().unwrap()),
            ["backup", path] => assert!(store.backup(path).unwrap().check.ok),
            ["restore", path] => {
                let options = RestoreOptions::new().busy_timeout(Duration::from_secs(60));
                restore(path, &self.path, &master_key(&self.secret), &options).unwrap();
                // What this process knew of versions that are gone is up to refresh_interval old.
                self.store = open(&self.path, &self.secret);
            }
            ["restore-new", path, target] => {
                drop(restore(path, target, &master_key(&self.secret), &RestoreOptions::new()).unwrap())
            }
            ["reopen"] => {
                store.close();
                self.store = open(&self.path, &self.secret);
            }
            ["seal", key_id, messages] => {
                let key = store.key(key_id).unwrap();
                let mut sealed = Vec::new();
                for _ in 0..parsed(messages) {
                    sealed = key.encrypt(key_id.as_bytes(), b"crash").unwrap();
                    tell("made");
                }
                return hex(&sealed);
            }
            _ => panic!("{words:?}"),
        }
        "-".to_owned()
    }
}

fn parsed(number: &str) -> u32 {
    number.parse().unwrap()
}

fn named(name: &str) -> Algorithm {
    use Algorithm::{Aes256Gcm, Aes256GcmSiv, XChaCha20Poly1305, Xaes256Gcm};
    let all = [Aes256Gcm, Aes256GcmSiv, XChaCha20Poly1305, Xaes256Gcm];
    all.into_iter().find(|algorithm| algorithm.name() == name).unwrap()
}

fn scoped<'a>(scope: &str, name: &'a str) -> IndexScope<'a> {
    match scope {
        "key" => IndexScope::Key(name),
        _ => IndexScope::Purpose(name),
    }
}
