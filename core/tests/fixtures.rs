//! Stores of every released format, made once by `tests/fixtures/make.py`: each later build opens them, and all that they
//! made. The test of each other language reads the same files.

mod common;

use std::path::{Path, PathBuf};

use common::{hex, hostile, kind, unhex};
use keyfold::{
    Context, CreateKey, ErrorKind, ImportKeyset, IndexOptions, KeysetFormat, KeysetProtection, MasterKey,
    OpenOptions, Passphrase, RestoreOptions, Store, restore,
};
use serde_json::Value;

/// How many formats were released.
const FORMATS: usize = 1;

/// One fixture, and a copy of its store that may be changed.
struct Fixture {
    folder: tempfile::TempDir,
    source: PathBuf,
    made: Value,
}

impl Fixture {
    fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir() && path.join("made.json").exists())
            .collect();
        folders.sort();
        assert_eq!(folders.len(), FORMATS, "a fixture of each format: {folders:?}");
        folders.into_iter().map(Self::copied).collect()
    }

    fn copied(source: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["store.keyfold", "backup.keyfold"] {
            std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
        }
        let made = serde_json::from_str(&std::fs::read_to_string(source.join("made.json")).unwrap()).unwrap();
        Self { folder, source, made }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.keyfold")
    }

    fn master_key(&self) -> MasterKey {
        MasterKey::parse(text(&self.made["master_key"])).unwrap()
    }

    fn open(&self, options: &OpenOptions) -> Store {
        Store::open_with(self.path(), &self.master_key(), options).unwrap()
    }

    fn list(&self, name: &str) -> &Vec<Value> {
        let list = self.made[name].as_array().unwrap_or_else(|| panic!("no {name}"));
        assert!(!list.is_empty(), "no {name}");
        list
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(text(value))
}

/// The associated data of a ciphertext.
fn aad(one: &Value) -> Vec<u8> {
    let Some(fields) = one["context"].as_array() else { return bytes(&one["aad"]) };
    let mut context = Context::new();
    for field in fields {
        let name = text(&field["name"]);
        context = match (&field["text"], &field["integer"]) {
            (Value::String(value), _) => context.with(name, value.as_str()),
            (_, Value::Number(value)) => context.with(name, value.as_i64().unwrap()),
            _ => context.with(name, bytes(&field["bytes"])),
        };
    }
    context.to_aad().unwrap()
}

/// Opens everything that the fixture's store made, and makes again what has one form. How many things.
fn open_all(fixture: &Fixture, store: &Store) -> usize {
    for one in fixture.list("ciphertexts") {
        let (key, sealed, aad) = (store.key(text(&one["key"])).unwrap(), bytes(&one["ciphertext"]), aad(one));
        let opened = key.decrypt(&sealed, &aad).unwrap_or_else(|error| panic!("{one}: {error}"));
        assert_eq!(opened, bytes(&one["plaintext"])[..]);
        assert_eq!(key.decrypt(keyfold::to_text(&sealed), &aad).unwrap(), bytes(&one["plaintext"])[..]);
        assert_eq!(kind(key.decrypt(&sealed, b"other")), ErrorKind::DecryptionFailed);
    }
    for one in fixture.list("refused") {
        let error = store.decrypt(text(&one["key"]), bytes(&one["ciphertext"]), b"").unwrap_err();
        assert_eq!(error.kind().name(), text(&one["error"]));
    }
    for one in fixture.list("streams") {
        let key = store.key(text(&one["key"])).unwrap();
        let mut out = Vec::new();
        key.decrypt_stream(&bytes(&one["stream"])[..], &mut out, &bytes(&one["aad"])).unwrap();
        assert_eq!(out, bytes(&one["plaintext"]));
    }
    for one in fixture.list("codes") {
        let key = store.key(text(&one["key"])).unwrap();
        key.verify_mac(&bytes(&one["data"]), bytes(&one["code"])).unwrap();
        key.verify_mac_raw(&bytes(&one["data"]), &bytes(&one["raw"])).unwrap();
    }
    for one in fixture.list("derived") {
        let version = u32::try_from(one["version"].as_u64().unwrap()).unwrap();
        let length = one["length"].as_u64().unwrap() as usize;
        let derived =
            store.derive_key(text(&one["key"]), text(&one["purpose"]), length, Some(version)).unwrap();
        assert_eq!(derived, bytes(&one["bytes"])[..]);
    }
    for one in fixture.list("indexes") {
        let options = IndexOptions::from_json(&one["options"].to_string()).unwrap();
        let key = store.key(text(&one["key"])).unwrap();
        let indexes =
            key.blind_indexes(text(&one["value"]).as_bytes(), text(&one["field"]), &options).unwrap();
        assert_eq!(Value::from(indexes.iter().map(|index| hex(index)).collect::<Vec<_>>()), one["indexes"]);
    }
    for one in fixture.list("keys") {
        let info = store.key_info(text(&one["key"])).unwrap();
        assert_eq!([info.kind.name(), info.algorithm.name()], [text(&one["kind"]), text(&one["algorithm"])]);
        assert_eq!(
            (info.purpose.as_deref(), info.archived),
            (one["purpose"].as_str(), one["archived"] == true)
        );
        let mut versions = store.list_key_versions(&info.key_id).unwrap();
        versions.reverse();
        let states: Vec<&str> = versions.iter().map(|version| version.state.name()).collect();
        assert_eq!(
            (Value::from(states), Value::from(info.current_version)),
            (one["states"].clone(), one["current"].clone())
        );
    }
    let quarantined: Vec<String> =
        store.quarantined().unwrap().iter().map(|one| format!("{}/{}", one.kind, one.id)).collect();
    assert_eq!(Value::from(quarantined), fixture.made["quarantined"]);
    ["ciphertexts", "refused", "streams", "codes", "derived", "indexes", "keys"]
        .map(|name| fixture.list(name).len())
        .iter()
        .sum()
}

#[test]
fn every_fixture_opens_and_so_does_all_that_it_made() {
    for fixture in Fixture::all() {
        let options = OpenOptions::new()
            .anchor(text(&fixture.made["anchor"]))
            .fingerprint(text(&fixture.made["fingerprint"]));
        let store = fixture.open(&options);
        let opened = open_all(&fixture, &store);
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        println!("proof: fixture of format {}: {opened} things opened or made again", fixture.made["format"]);
        assert!(opened > 120, "{opened}");
    }
}

#[test]
fn every_fixture_goes_on() {
    for fixture in Fixture::all() {
        let store = fixture.open(&OpenOptions::new());
        let mut rotated = 0;
        for one in fixture.list("keys") {
            let (id, archived) = (text(&one["key"]), one["archived"] == true);
            match store.rotate_key(id) {
                Ok(version) => {
                    assert_eq!(version.version as usize, one["states"].as_array().unwrap().len() + 1)
                }
                Err(error) => assert!(archived && error.kind() == ErrorKind::KeyUnavailable, "{id}: {error}"),
            }
            rotated += usize::from(!archived);
        }
        assert!(rotated > 10);
        for one in fixture.list("ciphertexts") {
            let key = store.key(text(&one["key"])).unwrap();
            if key.info().unwrap().archived {
                continue;
            }
            assert!(key.needs_reencrypt(bytes(&one["ciphertext"])).unwrap());
            let anew = key.reencrypt(&bytes(&one["ciphertext"]), &aad(one)).unwrap();
            assert_eq!(key.decrypt(&anew, &aad(one)).unwrap(), bytes(&one["plaintext"])[..]);
        }
        store.create_key("new", &CreateKey::new()).unwrap();
        store.rotate_master_key(None).unwrap();
        store.run_due().unwrap();
        let sealed = store.encrypt("new", b"m", b"").unwrap();
        store.close();
        let store = fixture.open(&OpenOptions::new().anchor(text(&fixture.made["anchor"])));
        assert_eq!(store.decrypt("new", sealed, b"").unwrap(), b"m"[..]);
        for one in fixture.list("ciphertexts") {
            assert!(store.decrypt(text(&one["key"]), bytes(&one["ciphertext"]), &aad(one)).is_ok());
        }
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
    }
}

#[test]
fn every_recipient_of_every_fixture_opens_it() {
    for fixture in Fixture::all() {
        let mut kinds = Vec::new();
        for one in fixture.list("recipients") {
            let secret = text(&one["secret"]);
            let master_key = match text(&one["kind"]) {
                "master_key" => MasterKey::parse(secret).unwrap(),
                "recovery_key" => MasterKey::recovery_key(secret).unwrap(),
                "shares" => MasterKey::shares(&secret.split(' ').collect::<Vec<_>>()).unwrap(),
                _ => MasterKey::passphrase(Passphrase::new(secret).unwrap()),
            };
            let store = Store::open_with(fixture.path(), &master_key, &OpenOptions::new()).unwrap();
            assert_eq!(store.recipients().unwrap().len(), fixture.list("recipients").len());
            kinds.push(text(&one["kind"]));
        }
        assert!(
            ["master_key", "passphrase", "recovery_key", "shares"].iter().all(|kind| kinds.contains(kind))
        );
    }
}

#[test]
fn the_backup_of_every_fixture_is_restored() {
    for fixture in Fixture::all() {
        let (backup, to) =
            (fixture.folder.path().join("backup.keyfold"), fixture.folder.path().join("restored"));
        let options = RestoreOptions::new()
            .anchor(text(&fixture.made["backup_anchor"]))
            .fingerprint(text(&fixture.made["fingerprint"]));
        restore(&backup, &to, &fixture.master_key(), &options).unwrap();
        let store = Store::open_with(&to, &fixture.master_key(), &OpenOptions::new()).unwrap();
        for one in fixture.list("backed_up") {
            let opened = store.decrypt(text(&one["key"]), bytes(&one["ciphertext"]), &aad(one)).unwrap();
            assert_eq!(opened, bytes(&one["plaintext"])[..]);
        }
    }
}

#[test]
fn the_keysets_of_every_fixture_are_taken_in() {
    for fixture in Fixture::all() {
        let store = fixture.open(&OpenOptions::new());
        for (number, one) in fixture.list("keysets").iter().enumerate() {
            let secret = text(&one["secret"]);
            let protection = match text(&one["protection"]) {
                "passphrase" => KeysetProtection::Passphrase(secret.as_bytes()),
                "under_key" => KeysetProtection::Key(secret),
                _ => KeysetProtection::InsecureCleartext,
            };
            let (id, keyset) = (format!("taken-{number}"), bytes(&one["keyset"]));
            store.import_keyset(&id, &keyset, protection, &ImportKeyset::new().exportable(true)).unwrap();
            let mut opened = 0;
            for sealed in fixture.list("ciphertexts").iter().filter(|sealed| sealed["key"] == one["of"]) {
                let plaintext = store.decrypt(&id, bytes(&sealed["ciphertext"]), &aad(sealed)).unwrap();
                assert_eq!(plaintext, bytes(&sealed["plaintext"])[..]);
                opened += 1;
            }
            assert!(opened > 10);
            store.export_keyset(&id, KeysetFormat::Binary, KeysetProtection::InsecureCleartext).unwrap();
        }
    }
}

/// Its master key is published, so it is none for production.
#[test]
fn a_fixture_is_not_for_production() {
    for fixture in Fixture::all() {
        let refused =
            Store::open_with(fixture.path(), &fixture.master_key(), &OpenOptions::new().production(true));
        assert_eq!(kind(refused), ErrorKind::PermissionDenied);
        let new = fixture.folder.path().join("new");
        let options = OpenOptions::new().production(true).create(true);
        assert_eq!(
            kind(Store::open_with(&new, &fixture.master_key(), &options)),
            ErrorKind::PermissionDenied
        );
    }
}

/// A newer keyfold's file is refused by a word about that, and left as it is. That a file with the next format's own root
/// is refused the same, `store::upgrade` tests.
#[test]
fn a_fixture_of_a_later_format_is_refused() {
    for fixture in Fixture::all() {
        for later in [2, 3, 1_000, i32::MAX] {
            std::fs::copy(fixture.source.join("store.keyfold"), fixture.path()).unwrap();
            hostile(&fixture.path()).execute_batch(&format!("PRAGMA user_version = {later}")).unwrap();
            let before = std::fs::read(fixture.path()).unwrap();
            let error =
                Store::open_with(fixture.path(), &fixture.master_key(), &OpenOptions::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let message = error.to_string();
            assert!(
                message.contains("newer keyfold") && message.contains(&format!("format {later}")),
                "{message}"
            );
            assert!(std::fs::read(fixture.path()).unwrap() == before, "the file was changed");
            assert_eq!(
                kind(restore(
                    fixture.path(),
                    fixture.folder.path().join("to"),
                    &fixture.master_key(),
                    &RestoreOptions::new()
                )),
                ErrorKind::Unsupported
            );
        }
    }
}

/// The file that was committed is never changed: SQLite's header says which format it is of.
#[test]
fn each_fixture_is_of_the_format_that_it_says() {
    for fixture in Fixture::all() {
        let file = std::fs::read(fixture.source.join("store.keyfold")).unwrap();
        let format = u32::from_be_bytes(file[60..64].try_into().unwrap());
        assert_eq!(Value::from(format), fixture.made["format"]);
        let named = format!("format-{format}");
        assert_eq!(fixture.source.file_name().unwrap().to_str(), Some(named.as_str()));
    }
}
