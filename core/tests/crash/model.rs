//! What a store must hold, worked out from the acts alone: nothing here asks a store.

use std::collections::{BTreeMap, BTreeSet};

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Tells it from another version of this number, as a restored store makes.
    pub birth: u64,
    pub state: &'static str,
    pub current: bool,
    pub algorithm: String,
    /// Its state before its destruction was scheduled.
    pub before: Option<&'static str>,
    /// The next `run_due` destroys it.
    pub due: bool,
    pub expires: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub algorithm: String,
    pub purpose: Option<String>,
    pub archived: bool,
    pub expires: bool,
    pub exportable: bool,
    pub versions: Vec<Version>,
    /// The live versions of its own index root, the last one current; none where it has a purpose.
    pub salts: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    pub description: String,
    pub salts: Vec<u32>,
}

/// What one worker's part of a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub keys: BTreeMap<String, Key>,
    pub purposes: BTreeMap<String, Purpose>,
    /// Those that were added, with their secrets.
    pub recipients: BTreeMap<String, String>,
    /// The recipient that workers open with.
    pub main: (String, String),
    pub kek: u32,
    pub aside: BTreeSet<String>,
    /// What an opening must at least find. None where a restore may have gone behind it.
    pub anchor: Option<String>,
}

/// A backup that is whole, and what it must hold.
#[derive(Clone)]
pub struct Backup {
    pub path: String,
    pub model: Model,
}

pub const GCM: &str = "AES256_GCM";

impl Key {
    pub fn current(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.current)
    }

    fn push(&mut self, births: &mut u64, state: &'static str, current: bool) {
        if current {
            self.versions.iter_mut().for_each(|version| version.current = false);
        }
        let algorithm = self.algorithm.clone();
        let expires = self.expires && state != "staged";
        let birth = next(births);
        let before = None;
        self.versions.push(Version { birth, state, current, algorithm, before, due: false, expires });
    }

    fn new(births: &mut u64, algorithm: &str, purpose: &str, expires: bool) -> Self {
        let purpose = Some(purpose.to_owned()).filter(|purpose| purpose != "-");
        let mut key = Self {
            algorithm: algorithm.to_owned(),
            salts: if purpose.is_none() { vec![1] } else { Vec::new() },
            purpose,
            archived: false,
            expires,
            exportable: false,
            versions: Vec::new(),
        };
        key.push(births, "enabled", true);
        key
    }
}

fn next(births: &mut u64) -> u64 {
    *births += 1;
    *births
}

/// The state of this name, as long as the program lives.
fn state(name: &str) -> &'static str {
    ["enabled", "decrypt_only", "disabled", "revoked"].into_iter().find(|state| *state == name).unwrap()
}

impl Model {
    pub fn new(secret: &str) -> Self {
        Self {
            keys: BTreeMap::new(),
            purposes: BTreeMap::new(),
            recipients: BTreeMap::new(),
            main: ("master-key-1".to_owned(), secret.to_owned()),
            kek: 1,
            aside: BTreeSet::new(),
            anchor: None,
        }
    }

    /// What the store may hold if this act is killed: every step after the first, the last one being all of it.
    pub fn after(&self, act: &str, births: &mut u64, backups: &[Backup]) -> Vec<Self> {
        let mut model = self.clone();
        let words: Vec<&str> = act.split(' ').collect();
        match words[..] {
            ["create", key_id, algorithm, purpose, expires] => {
                let key = Key::new(births, algorithm, purpose, expires == "expires");
                model.keys.insert(key_id.to_owned(), Key { exportable: true, ..key });
            }
            ["batch", key_ids] => {
                for key_id in key_ids.split(',') {
                    model.keys.insert(key_id.to_owned(), Key::new(births, "AES256_GCM_SIV", "-", false));
                }
            }
            ["rotate" | "import-version", key_id, ..] => model.key(key_id).push(births, "enabled", true),
            ["stage", key_id] => model.key(key_id).push(births, "staged", false),
            ["promote", key_id, number] => {
                let key = model.key(key_id);
                let expires = key.expires;
                key.versions.iter_mut().for_each(|version| version.current = false);
                let version = &mut key.versions[place(number)];
                (version.state, version.current, version.expires) = ("enabled", true, expires);
            }
            ["state", key_id, number, name] => {
                let key = model.key(key_id);
                let version = &mut key.versions[place(number)];
                version.state = state(name);
                if name == "revoked" && version.current {
                    version.current = false;
                    if key.archived {
                        panic!("no such act is planned");
                    }
                    key.push(births, "enabled", true);
                }
            }
            ["archive", key_id] => model.key(key_id).archived = true,
            ["schedule", key_id, number, delay] => {
                let version = &mut model.key(key_id).versions[place(number)];
                version.before = Some(version.state);
                (version.state, version.due) = ("pending_destruction", delay == "0");
            }
            ["cancel", key_id, number] => {
                let version = &mut model.key(key_id).versions[place(number)];
                (version.state, version.due) = (version.before.take().unwrap(), false);
            }
            // Each key is a transaction of its own, in order of id.
            ["run_due"] => {
                let mut steps = Vec::new();
                for key_id in self.due() {
                    for version in model.key(&key_id).versions.iter_mut().filter(|version| version.due) {
                        (version.state, version.due, version.before) = ("destroyed", false, None);
                    }
                    steps.push(model.clone());
                }
                steps.push(model);
                return steps;
            }
            ["import", key_id, _] => {
                model.keys.insert(key_id.to_owned(), Key::new(births, "AES256_GCM_SIV", "-", false));
            }
            // As the keyset is made: three versions, the second disabled.
            ["keyset", key_id, _] => {
                let mut key = Key::new(births, "AES256_GCM_SIV", "-", false);
                key.push(births, "enabled", true);
                key.push(births, "enabled", true);
                key.versions[1].state = "disabled";
                model.keys.insert(key_id.to_owned(), key);
            }
            ["recipient", id, secret] => {
                model.recipients.insert(id.to_owned(), secret.to_owned());
            }
            ["recipient-remove", id] => {
                model.recipients.remove(id).unwrap();
                model.kek += 1;
            }
            ["rekey"] => model.kek += 1,
            ["rekey-new", secret] => {
                let id = if model.main.0 == "master-key-1" { "master-key-2" } else { "master-key-1" };
                model.main = (id.to_owned(), secret.to_owned());
                model.kek += 1;
            }
            ["purpose", name, description] => {
                let salts = model.purposes.get(name).map_or_else(|| vec![1], |purpose| purpose.salts.clone());
                model
                    .purposes
                    .insert(name.to_owned(), Purpose { description: description.to_owned(), salts });
            }
            ["salt", scope, name] => {
                let salts = model.salts(scope, name);
                salts.push(salts.last().unwrap() + 1);
            }
            ["salt-retire", scope, name, number] => {
                let number: u32 = number.parse().unwrap();
                model.salts(scope, name).retain(|salt| *salt != number);
            }
            ["quarantine", key_id] => {
                model.keys.remove(key_id).unwrap();
                model.aside.insert(key_id.to_owned());
            }
            ["restore", path, ..] => {
                let backup = backups.iter().find(|backup| backup.path == path).unwrap();
                model = backup.model.restored(births);
                model.kek = self.kek.max(backup.model.kek) + 1;
            }
            // These change nothing that is looked at here.
            [
                "open" | "reopen" | "drill" | "export" | "salt-read" | "backup" | "restore-new" | "seal"
                | "purge",
                ..,
            ] => {}
            _ => panic!("{act}"),
        }
        vec![model]
    }

    /// A backup once it is a store of its own: keys of AES256_GCM have a new version.
    pub fn restored(&self, births: &mut u64) -> Self {
        let mut model = Self { anchor: None, ..self.clone() };
        for key in model.keys.values_mut().filter(|key| !key.archived) {
            if key.current().is_some_and(|version| version.algorithm == GCM) {
                key.push(births, "enabled", true);
            }
        }
        model
    }

    fn key(&mut self, key_id: &str) -> &mut Key {
        self.keys.get_mut(key_id).unwrap()
    }

    fn salts(&mut self, scope: &str, name: &str) -> &mut Vec<u32> {
        match scope {
            "key" => &mut self.key(name).salts,
            _ => &mut self.purposes.get_mut(name).unwrap().salts,
        }
    }

    /// The keys with versions that the next `run_due` destroys.
    pub fn due(&self) -> Vec<String> {
        let is_due = |key: &Key| key.versions.iter().any(|version| version.due);
        self.keys.iter().filter(|(_, key)| is_due(key)).map(|(key_id, _)| key_id.clone()).collect()
    }

    /// The key and the state of a version, by its birth.
    pub fn born(&self, birth: u64) -> Option<(&str, u32, &Version)> {
        self.keys.iter().find_map(|(key_id, key)| {
            let place = key.versions.iter().position(|version| version.birth == birth)?;
            Some((key_id.as_str(), place as u32 + 1, &key.versions[place]))
        })
    }

    /// One line for each thing, as the other side writes what it sees.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key_id, key) in &self.keys {
            let purpose = key.purpose.as_deref().unwrap_or("-");
            lines.push(format!("key {key_id} {} {purpose} archived={}", key.algorithm, key.archived));
            for (place, version) in key.versions.iter().enumerate() {
                lines.push(format!(
                    "version {key_id} {} {} {} current={} expires={}",
                    place + 1,
                    version.state,
                    version.algorithm,
                    version.current,
                    version.expires
                ));
            }
            if purpose == "-" {
                lines.push(format!("salts key {key_id} {:?}", key.salts));
            }
        }
        for (name, purpose) in &self.purposes {
            lines.push(format!("purpose {name} {}", purpose.description));
            lines.push(format!("salts purpose {name} {:?}", purpose.salts));
        }
        lines.extend(self.recipients.keys().map(|id| format!("recipient {id}")));
        lines.extend(self.aside.iter().map(|key_id| format!("aside {key_id}")));
        lines.sort();
        lines
    }
}

fn place(number: &str) -> usize {
    number.parse::<usize>().unwrap() - 1
}
