//! The promise itself: after any sequence of acts, every ciphertext that should open does, and no other.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::{Home, Random};
use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, ImportKey, ImportKeyset, KeyEncoding, KeysetFormat,
    KeysetProtection, MasterKey, OpenOptions, RestoreOptions, RotateKey, Store, Timestamp, VersionState,
    restore,
};

const SEQUENCES: usize = 6;
const STEPS: usize = 30;
const CLEAR: KeysetProtection<'static> = KeysetProtection::InsecureCleartext;

/// A ciphertext, by which version of which key it was made.
#[derive(Clone)]
struct Sealed {
    key_id: String,
    version: u32,
    message: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// What a store should have: each key's current version, and the versions that open.
type Model = BTreeMap<String, (u32, Vec<u32>)>;

struct World {
    home: Home,
    store: Store,
    model: Model,
    sealed: Vec<Sealed>,
    /// What a backup holds.
    backup: Option<(std::path::PathBuf, Model)>,
    random: Random,
    backups: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let home = Home::new();
        let store = home.open();
        let (model, sealed, random) = (Model::new(), Vec::new(), Random(seed));
        Self { home, store, model, sealed, backup: None, random, backups: 0 }
    }

    fn any_key(&mut self) -> Option<String> {
        let ids: Vec<&String> = self.model.keys().collect();
        (!ids.is_empty()).then(|| ids[self.random.below(ids.len())].clone())
    }

    fn new_id(&mut self) -> Option<String> {
        let id = format!("k{}", self.random.below(8));
        (!self.model.contains_key(&id)).then_some(id)
    }

    fn algorithm(&mut self) -> Algorithm {
        Algorithm::AEAD[self.random.below(Algorithm::AEAD.len())]
    }

    /// One act.
    fn step(&mut self) -> Option<()> {
        match self.random.below(9) {
            0 => self.create(),
            1 | 2 => self.rotate(),
            3 => self.import_key(),
            4 => self.import_version(),
            5 => self.import_keyset(),
            6 => self.back_up(),
            7 => self.restore(),
            _ => self.reopen(),
        }
    }

    fn create(&mut self) -> Option<()> {
        let id = self.new_id()?;
        let options = CreateKey::new().algorithm(self.algorithm()).exportable(true);
        self.store.create_key(&id, &options).unwrap();
        self.model.insert(id, (1, vec![1]));
        Some(())
    }

    fn rotate(&mut self) -> Option<()> {
        let id = self.any_key()?;
        let version = self.store.rotate_key(&id).unwrap().version;
        self.made(&id, version);
        Some(())
    }

    fn made(&mut self, id: &str, version: u32) {
        let known = self.model.get_mut(id).unwrap();
        known.0 = version;
        known.1.push(version);
    }

    fn import_key(&mut self) -> Option<()> {
        let id = self.new_id()?;
        let options = ImportKey::new().algorithm(self.algorithm()).exportable(true);
        self.store.import_key(&id, &self.random.bytes(32), KeyEncoding::Raw, &options).unwrap();
        self.model.insert(id, (1, vec![1]));
        Some(())
    }

    fn import_version(&mut self) -> Option<()> {
        let id = self.any_key()?;
        let options = ImportKey::new().as_version(true).algorithm(self.algorithm());
        let info = self.store.import_key(&id, &self.random.bytes(32), KeyEncoding::Raw, &options).unwrap();
        self.made(&id, info.current_version.unwrap());
        Some(())
    }

    /// A key goes out and comes back under another name: what was sealed under the one opens under the other.
    fn import_keyset(&mut self) -> Option<()> {
        let (from, to) = (self.any_key()?, self.new_id()?);
        let format = KeysetFormat::ALL[self.random.below(2)];
        let keyset = self.store.export_keyset(&from, format, CLEAR).unwrap();
        self.store.import_keyset(&to, &keyset.bytes, CLEAR, &ImportKeyset::new().exportable(true)).unwrap();
        self.model.insert(to.clone(), self.model[&from].clone());
        let twins: Vec<_> = self.sealed.iter().filter(|sealed| sealed.key_id == from).cloned().collect();
        self.sealed.extend(twins.into_iter().map(|sealed| Sealed { key_id: to.clone(), ..sealed }));
        Some(())
    }

    fn back_up(&mut self) -> Option<()> {
        self.backups += 1;
        let path = self.home.folder.path().join(format!("backup-{}", self.backups));
        assert!(self.store.backup(&path).unwrap().check.ok);
        self.backup = Some((path, self.model.clone()));
        Some(())
    }

    fn restore(&mut self) -> Option<()> {
        let (path, model) = self.backup.clone()?;
        let info = restore(path, self.home.path(), &self.home.master_key(), &RestoreOptions::new()).unwrap();
        self.model = model;
        for id in info.rotated {
            let version = self.store.list_key_versions(&id).unwrap()[0].version;
            self.made(&id, version);
        }
        self.reopen()
    }

    fn reopen(&mut self) -> Option<()> {
        self.store.close();
        self.store = self.home.open_with(&OpenOptions::new()).unwrap();
        Some(())
    }

    fn seal(&mut self) {
        for (id, (version, _)) in &self.model {
            let message = self.random.bytes(9);
            let ciphertext = self.store.encrypt(id, &message, b"aad").unwrap();
            self.sealed.push(Sealed { key_id: id.clone(), version: *version, message, ciphertext });
        }
    }

    fn check(&self) {
        let ids: Vec<String> =
            self.store.list_keys(&Default::default()).unwrap().into_iter().map(|info| info.key_id).collect();
        assert!(ids.iter().eq(self.model.keys()), "{ids:?}");
        for (id, (current, versions)) in &self.model {
            assert_eq!(self.store.key_info(id).unwrap().current_version, Some(*current));
            assert_eq!(self.store.list_key_versions(id).unwrap().len(), versions.len());
        }
        for sealed in &self.sealed {
            self.check_one(sealed);
        }
    }

    /// It opens where the very version that made it is still there: after a restore, numbers may have been given anew.
    fn check_one(&self, sealed: &Sealed) {
        let tag = u32::from_be_bytes(sealed.ciphertext[1..5].try_into().unwrap());
        for id in self.model.keys() {
            let versions = self.store.list_key_versions(id).unwrap();
            let should = versions.iter().any(|row| row.tag == tag);
            let opened = self.store.decrypt(id, &sealed.ciphertext, b"aad");
            assert_eq!(opened.is_ok(), should, "{} of {}", sealed.version, sealed.key_id);
            if let Ok(plaintext) = opened {
                assert_eq!(plaintext, sealed.message[..]);
                assert!(self.store.decrypt(id, &sealed.ciphertext, b"other").is_err());
            } else if *id == sealed.key_id {
                // Only what a restore took back may be lost.
                assert!(self.backup.is_some());
            }
        }
    }
}

#[test]
fn what_should_open_does_and_nothing_else() {
    let mut random = Random::new("what_should_open_does_and_nothing_else");
    for _ in 0..SEQUENCES {
        let mut world = World::new(random.number());
        for _ in 0..STEPS {
            world.step();
            world.seal();
            // Only some are kept: each is tried under every key.
            while world.sealed.len() > 24 {
                let place = world.random.below(world.sealed.len());
                world.sealed.swap_remove(place);
            }
        }
        world.check();
        world.reopen();
        world.check();
        assert!(world.store.check().unwrap().ok);
    }
}

/// What was sealed before a backup, or since under versions that it has, opens after a restore: without exception.
#[test]
fn nothing_that_a_backup_has_is_lost() {
    let mut random = Random::new("nothing_that_a_backup_has_is_lost");
    for _ in 0..SEQUENCES / 2 {
        let mut world = World::new(random.number());
        for _ in 0..STEPS / 2 {
            world.step();
            world.seal();
        }
        world.back_up();
        let kept = world.sealed.clone();
        let opened = |world: &World| -> Vec<bool> {
            kept.iter()
                .map(|sealed| world.store.decrypt(&sealed.key_id, &sealed.ciphertext, b"aad").is_ok())
                .collect()
        };
        let before = opened(&world);
        for _ in 0..5 {
            world.rotate();
            world.create();
        }
        world.restore();
        assert_eq!(opened(&world), before);
    }
}

// The whole promise: every act that changes what opens, in any order, through two stores that are open at once.

const PERIOD: Duration = Duration::from_secs(3600);
const REFRESH: Duration = Duration::from_millis(10);

/// A version as it should be. `line` tells the secrets apart, whatever key and number they have.
#[derive(Clone, Debug)]
struct Version {
    number: u32,
    line: u64,
    algorithm: Algorithm,
    state: VersionState,
    before: Option<VersionState>,
    due: i64,
    expires: Option<i64>,
    /// It may seal no more: it is of AES256_GCM and came with a backup.
    full: bool,
}

/// A key as it should be.
#[derive(Clone, Debug)]
struct Line {
    versions: Vec<Version>,
    current: u32,
    algorithm: Algorithm,
    archived: bool,
    expires_in: Option<i64>,
}

impl Line {
    fn at(&mut self, number: u32) -> &mut Version {
        &mut self.versions[number as usize - 1]
    }

    fn in_use(&self, number: u32) -> bool {
        self.current == number && !self.archived
    }

    fn encrypts(&self, now: i64) -> bool {
        let current = &self.versions[self.current as usize - 1];
        !self.archived
            && current.state == VersionState::Enabled
            && current.expires.is_none_or(|expires| now < expires)
    }
}

/// What a file should hold.
#[derive(Clone, Default)]
struct File {
    keys: BTreeMap<String, Line>,
    /// Master keys that open it, by recipient.
    recipients: BTreeMap<String, String>,
}

struct Stores {
    home: Home,
    clock: Arc<AtomicI64>,
    /// Two that are open, each with the recipient that it was opened by and its master key.
    open: [(Store, String, String); 2],
    file: File,
    backup: Option<(PathBuf, File)>,
    sealed: Vec<Sealing>,
    /// Master keys that no longer open anything but backups.
    removed: Vec<String>,
    random: Random,
    lines: u64,
    files: usize,
}

struct Sealing {
    line: u64,
    message: Vec<u8>,
    ciphertext: Vec<u8>,
}

fn may_decrypt(state: VersionState) -> bool {
    use VersionState::{DecryptOnly, Enabled, Staged};
    [Staged, Enabled, DecryptOnly].contains(&state)
}

/// What came of an act, held against what should have.
fn as_expected<T: std::fmt::Debug>(outcome: keyfold::Result<T>, allowed: bool) -> bool {
    assert_eq!(outcome.is_ok(), allowed, "{outcome:?}");
    allowed
}

impl Stores {
    fn new(seed: u64) -> Self {
        let home = Home::new();
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let first = "master-key-1".to_owned();
        drop(home.open());
        let mut file = File::default();
        file.recipients.insert(first.clone(), home.secret.clone());
        let open = [(); 2]
            .map(|()| (open_by(&home, &clock, &home.secret).unwrap(), first.clone(), home.secret.clone()));
        let (sealed, removed, random) = (Vec::new(), Vec::new(), Random(seed));
        Self { home, clock, open, file, backup: None, sealed, removed, random, lines: 0, files: 0 }
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn store(&self) -> &Store {
        &self.open[0].0
    }

    fn any_key(&mut self) -> Option<String> {
        let ids: Vec<&String> = self.file.keys.keys().collect();
        (!ids.is_empty()).then(|| ids[self.random.below(ids.len())].clone())
    }

    fn new_id(&mut self) -> Option<String> {
        let id = format!("k{}", self.random.below(6));
        (!self.file.keys.contains_key(&id)).then_some(id)
    }

    fn any_version(&mut self) -> Option<(String, u32)> {
        let id = self.any_key()?;
        let number = 1 + self.random.below(self.file.keys[&id].versions.len()) as u32;
        Some((id, number))
    }

    fn algorithm(&mut self) -> Algorithm {
        Algorithm::AEAD[self.random.below(Algorithm::AEAD.len())]
    }

    fn any_recipient(&mut self, file: &File) -> (String, String) {
        let place = self.random.below(file.recipients.len());
        file.recipients.iter().nth(place).map(|(id, secret)| (id.clone(), secret.clone())).unwrap()
    }

    /// A version that should be there from now on; the key's current one unless it is staged.
    fn made(&mut self, id: &str, algorithm: Option<Algorithm>, state: VersionState) {
        let now = self.now();
        self.lines += 1;
        let line = self.lines;
        let key = self.file.keys.get_mut(id).unwrap();
        let number = key.versions.len() as u32 + 1;
        let expires = key.expires_in.filter(|_| state != VersionState::Staged).map(|period| now + period);
        let algorithm = algorithm.unwrap_or(key.algorithm);
        let (before, due, full) = (None, 0, false);
        key.versions.push(Version { number, line, algorithm, state, before, due, expires, full });
        if state != VersionState::Staged {
            key.current = number;
        }
    }

    fn made_key(&mut self, id: &str, algorithm: Algorithm, expires_in: Option<i64>) {
        let key = Line { versions: Vec::new(), current: 1, algorithm, archived: false, expires_in };
        self.file.keys.insert(id.to_owned(), key);
        self.made(id, None, VersionState::Enabled);
    }

    fn step(&mut self) -> Option<()> {
        if self.random.below(2) == 0 {
            self.open.swap(0, 1);
        }
        match self.random.below(24) {
            0 | 1 => self.create(),
            2 | 3 => self.rotate(false),
            4 => self.rotate(true),
            5 | 6 => self.promote(),
            7..=9 => self.set_state(),
            10 | 11 => self.schedule(),
            12 => self.cancel(),
            13 => self.run_due(),
            14 => self.archive(),
            15 => self.reencrypt(),
            16 => self.import_version(),
            17 => self.import_keyset(),
            18 => self.rotate_master_key(),
            19 => self.replace_master_key(),
            20 => self.add_recipient(),
            21 => self.remove_recipient(),
            22 => self.back_up(),
            _ => match self.random.below(2) {
                0 => self.restore(),
                _ => self.reopen(),
            },
        }
    }

    fn create(&mut self) -> Option<()> {
        let (id, algorithm) = (self.new_id()?, self.algorithm());
        let mut options = CreateKey::new().algorithm(algorithm).exportable(true);
        let expires = self.random.below(3) == 0;
        if expires {
            options = options.expires_in(PERIOD);
        }
        self.store().create_key(&id, &options).unwrap();
        self.made_key(&id, algorithm, expires.then_some(PERIOD.as_millis() as i64));
        Some(())
    }

    fn rotate(&mut self, stage: bool) -> Option<()> {
        let id = self.any_key()?;
        let allowed = !self.file.keys[&id].archived;
        let state = if stage { VersionState::Staged } else { VersionState::Enabled };
        if as_expected(self.store().rotate_key_with(&id, &RotateKey::new().stage(stage)), allowed) {
            self.made(&id, None, state);
        }
        Some(())
    }

    fn promote(&mut self) -> Option<()> {
        use VersionState::{Enabled, Staged};
        let (id, number) = self.any_version()?;
        let now = self.now();
        let key = self.file.keys.get_mut(&id)?;
        let (archived, current, period) = (key.archived, key.current, key.expires_in);
        let version = key.at(number);
        let expired = version.state == Enabled && version.expires.is_some_and(|at| at <= now);
        let unchanged = current == number && version.state == Enabled;
        let allowed = !archived && (unchanged || (!expired && [Staged, Enabled].contains(&version.state)));
        if allowed && !unchanged {
            if version.state == Staged {
                version.expires = period.map(|period| now + period);
            }
            version.state = Enabled;
            key.current = number;
        }
        as_expected(self.store().promote_version(&id, number), allowed);
        Some(())
    }

    fn set_state(&mut self) -> Option<()> {
        use VersionState::{DecryptOnly, Destroyed, Disabled, Enabled, PendingDestruction, Revoked, Staged};
        let (id, number) = self.any_version()?;
        let wanted = [Enabled, DecryptOnly, Disabled, Revoked][self.random.below(4)];
        let key = self.file.keys.get_mut(&id)?;
        let (in_use, now) = (key.in_use(number), key.at(number).state);
        let allowed = match (now, wanted) {
            (Destroyed | PendingDestruction, _) => false,
            (_, Revoked) => true,
            (Revoked, _) | (Staged, Enabled) => false,
            (_, Enabled) => true,
            _ => !in_use,
        };
        if as_expected(self.open[0].0.set_version_state(&id, number, wanted, None), allowed) {
            key.at(number).state = wanted;
            if wanted == Revoked && in_use {
                self.made(&id, None, Enabled);
            }
        }
        Some(())
    }

    fn schedule(&mut self) -> Option<()> {
        use VersionState::{Destroyed, PendingDestruction};
        let (id, number) = self.any_version()?;
        let at = self.now() + 10_000;
        let key = self.file.keys.get_mut(&id)?;
        let in_use = key.in_use(number);
        let version = key.at(number);
        let allowed = !in_use && ![Destroyed, PendingDestruction].contains(&version.state);
        let delay = Some(Duration::from_secs(10));
        if as_expected(self.open[0].0.schedule_destruction(&id, number, delay), allowed) {
            version.before = Some(std::mem::replace(&mut version.state, PendingDestruction));
            version.due = at;
        }
        Some(())
    }

    fn cancel(&mut self) -> Option<()> {
        let (id, number) = self.any_version()?;
        let version = self.file.keys.get_mut(&id)?.at(number);
        let allowed = version.state == VersionState::PendingDestruction;
        if as_expected(self.open[0].0.cancel_destruction(&id, number), allowed) {
            version.state = version.before.take()?;
        }
        Some(())
    }

    fn run_due(&mut self) -> Option<()> {
        self.clock.fetch_add(8_000, Ordering::Relaxed);
        let now = self.now();
        let mut expected = Vec::new();
        for (id, key) in &mut self.file.keys {
            let due = |version: &&mut Version| {
                version.state == VersionState::PendingDestruction && version.due <= now
            };
            for version in key.versions.iter_mut().filter(due) {
                version.state = VersionState::Destroyed;
                expected.push((id.clone(), version.number));
            }
        }
        let report = self.store().run_due().unwrap();
        assert!(report.failures.is_empty() && !report.purge_pending, "{report:?}");
        let destroyed: Vec<_> =
            report.destroyed.into_iter().map(|version| (version.key_id, version.version)).collect();
        assert_eq!(destroyed, expected);
        Some(())
    }

    fn archive(&mut self) -> Option<()> {
        if self.random.below(3) > 0 {
            // Time for versions to expire in.
            self.clock.fetch_add(PERIOD.as_millis() as i64 / 2, Ordering::Relaxed);
            return None;
        }
        let id = self.any_key()?;
        self.store().archive_key(&id).unwrap();
        self.file.keys.get_mut(&id)?.archived = true;
        Some(())
    }

    /// Whatever opens can be moved to the version that encrypts.
    fn reencrypt(&mut self) -> Option<()> {
        let id = self.any_key()?;
        let key = &self.file.keys[&id];
        let current = &key.versions[key.current as usize - 1];
        if !key.encrypts(self.now()) || current.full {
            return None;
        }
        let current = current.line;
        let opens = |sealed: &Sealing| {
            key.versions.iter().any(|version| version.line == sealed.line && may_decrypt(version.state))
        };
        let handle = self.open[0].0.key(&id).unwrap();
        for sealed in self.sealed.iter_mut().filter(|sealed| opens(sealed)) {
            let moved = handle.reencrypt(&sealed.ciphertext, b"aad").unwrap();
            assert_eq!(moved == sealed.ciphertext, sealed.line == current);
            sealed.ciphertext = moved;
            sealed.line = current;
        }
        Some(())
    }

    fn import_version(&mut self) -> Option<()> {
        let (id, algorithm) = (self.any_key()?, self.algorithm());
        let options = ImportKey::new().as_version(true).algorithm(algorithm);
        let secret = self.random.bytes(32);
        let allowed = !self.file.keys[&id].archived;
        if as_expected(self.store().import_key(&id, &secret, KeyEncoding::Raw, &options), allowed) {
            self.made(&id, Some(algorithm), VersionState::Enabled);
        }
        Some(())
    }

    fn import_keyset(&mut self) -> Option<()> {
        use VersionState::{DecryptOnly, Destroyed, Disabled, Enabled, Staged};
        let (from, to) = (self.any_key()?, self.new_id()?);
        let mut key = self.file.keys[&from].clone();
        let allowed = may_decrypt(key.versions[key.current as usize - 1].state);
        let format = KeysetFormat::ALL[self.random.below(2)];
        let keyset = self.store().export_keyset(&from, format, CLEAR);
        assert_eq!(keyset.is_ok(), allowed, "{keyset:?}");
        let keyset = keyset.ok()?;
        let options = ImportKeyset::new().exportable(true);
        self.store().import_keyset(&to, &keyset.bytes, CLEAR, &options).unwrap();
        for version in &mut key.versions {
            version.state = match version.state {
                Staged | Enabled | DecryptOnly => Enabled,
                Destroyed => Destroyed,
                _ => Disabled,
            };
            (version.before, version.expires, version.full) = (None, None, false);
        }
        key.algorithm = key.versions[key.current as usize - 1].algorithm;
        (key.archived, key.expires_in) = (false, None);
        self.file.keys.insert(to, key);
        Some(())
    }

    fn rotate_master_key(&mut self) -> Option<()> {
        let rotated = self.store().rotate_master_key(None).unwrap();
        assert!(rotated.recipients.iter().eq(self.file.recipients.keys()));
        Some(())
    }

    fn replace_master_key(&mut self) -> Option<()> {
        let secret = keyfold::generate_master_key().unwrap().to_string();
        let before: BTreeSet<String> = self.file.recipients.keys().cloned().collect();
        let rotated = self.store().rotate_master_key(Some(&MasterKey::parse(&secret).unwrap())).unwrap();
        let added = rotated.recipients.into_iter().find(|id| !before.contains(id))?;
        let mine = std::mem::replace(&mut self.open[0].1, added.clone());
        self.removed.push(self.file.recipients.remove(&mine)?);
        self.open[0].2 = secret.clone();
        self.file.recipients.insert(added, secret);
        Some(())
    }

    fn add_recipient(&mut self) -> Option<()> {
        if self.file.recipients.len() == 4 {
            return None;
        }
        let secret = keyfold::generate_master_key().unwrap().to_string();
        let id = format!("r{}", self.random.number());
        let options = AddRecipient::new().id(&id);
        self.store().add_recipient(&MasterKey::parse(&secret).unwrap(), &options).unwrap();
        self.file.recipients.insert(id, secret);
        Some(())
    }

    fn remove_recipient(&mut self) -> Option<()> {
        let (id, _) = self.any_recipient(&self.file.clone());
        let allowed = id != self.open[0].1;
        if as_expected(self.store().remove_recipient(&id), allowed) {
            self.removed.push(self.file.recipients.remove(&id)?);
        }
        Some(())
    }

    fn back_up(&mut self) -> Option<()> {
        self.files += 1;
        let path = self.home.folder.path().join(format!("backup-{}", self.files));
        assert!(self.store().backup(&path).unwrap().check.ok);
        self.backup = Some((path, self.file.clone()));
        Some(())
    }

    fn restore(&mut self) -> Option<()> {
        let (path, file) = self.backup.clone()?;
        let (_, secret) = self.any_recipient(&file);
        let clock = Arc::clone(&self.clock);
        let options = RestoreOptions::new().clock(move || clock_time(&clock));
        // It must open what is written over as well, or force is asked for.
        let known = self.file.recipients.values().any(|known| *known == secret);
        let master_key = MasterKey::parse(&secret).unwrap();
        if !known {
            let refused = restore(&path, self.home.path(), &master_key, &options);
            assert_eq!(common::kind(refused), ErrorKind::WrongMasterKey);
        }
        let mut info = restore(&path, self.home.path(), &master_key, &options.force(!known)).unwrap();
        let gone: Vec<String> = self.file.recipients.values().cloned().collect();
        self.removed.extend(gone);
        self.file = file;
        self.removed.retain(|secret| !self.file.recipients.values().any(|there| there == secret));
        let mut rotated = Vec::new();
        for (id, key) in &mut self.file.keys {
            let gcm = |version: &&mut Version| version.algorithm == Algorithm::Aes256Gcm;
            key.versions.iter_mut().filter(gcm).for_each(|version| version.full = true);
            if !key.archived && key.versions[key.current as usize - 1].full {
                rotated.push(id.clone());
            }
        }
        for id in &rotated {
            self.made(id, None, VersionState::Enabled);
        }
        info.rotated.sort();
        assert_eq!(info.rotated, rotated);
        Some(())
    }

    fn reopen(&mut self) -> Option<()> {
        self.open[0].0.close();
        let (id, secret) = self.any_recipient(&self.file.clone());
        self.open[0] = (open_by(&self.home, &self.clock, &secret).unwrap(), id, secret);
        Some(())
    }

    /// Stores whose recipient is gone are refused, whatever they ask for; others follow.
    fn follow(&mut self) {
        std::thread::sleep(REFRESH + REFRESH / 2);
        for place in 0..2 {
            let (store, mine, secret) = &self.open[place];
            let listed = store.list_keys(&Default::default());
            // An id that became free may be another's now.
            if self.file.recipients.get(mine) == Some(secret) {
                let ids: Vec<String> = listed.unwrap().into_iter().map(|info| info.key_id).collect();
                assert!(ids.iter().eq(self.file.keys.keys()), "{ids:?}");
                continue;
            }
            assert_eq!(common::kind(listed), ErrorKind::WrongMasterKey);
            assert_eq!(common::kind(store.rotate_master_key(None)), ErrorKind::WrongMasterKey);
            let (id, secret) = self.any_recipient(&self.file.clone());
            self.open[place] = (open_by(&self.home, &self.clock, &secret).unwrap(), id, secret);
        }
        for secret in self.removed.iter().rev().take(2) {
            let refused = open_by(&self.home, &self.clock, secret);
            assert_eq!(common::kind(refused), ErrorKind::WrongMasterKey);
        }
    }

    /// Each key that should encrypt does, under the version that should.
    fn seal(&mut self) {
        let ids: Vec<String> = self.file.keys.keys().cloned().collect();
        for id in ids {
            let message = self.random.bytes(9);
            let encrypts = self.file.keys[&id].encrypts(self.now());
            let outcome = self.store().encrypt(&id, &message, b"aad");
            if !encrypts {
                assert_eq!(common::kind(outcome), ErrorKind::KeyUnavailable);
                continue;
            }
            let current = self.file.keys[&id].current;
            if self.file.keys.get_mut(&id).unwrap().at(current).full {
                self.made(&id, None, VersionState::Enabled);
            }
            let key = &self.file.keys[&id];
            let line = key.versions[key.current as usize - 1].line;
            self.sealed.push(Sealing { line, message, ciphertext: outcome.unwrap() });
        }
        while self.sealed.len() > 24 {
            let place = self.random.below(self.sealed.len());
            self.sealed.swap_remove(place);
        }
        std::thread::sleep(REFRESH + REFRESH / 2);
    }

    /// `thorough`: each ciphertext under each key. Else those that no version made are tried here and there, since each
    /// has the store look for a newer version.
    fn check(&mut self, thorough: bool) {
        for (store, ..) in &self.open {
            for (id, key) in &self.file.keys {
                let listed = store.list_key_versions(id).unwrap();
                let found: Vec<_> =
                    listed.iter().rev().map(|row| (row.version, row.state, row.is_current)).collect();
                let expected: Vec<_> = key
                    .versions
                    .iter()
                    .map(|version| (version.number, version.state, version.number == key.current))
                    .collect();
                assert_eq!(found, expected, "{id}");
                for sealed in &self.sealed {
                    let made_it = key.versions.iter().find(|version| version.line == sealed.line);
                    if made_it.is_none() && !thorough && self.random.below(40) > 0 {
                        continue;
                    }
                    let opened = store.decrypt(id, &sealed.ciphertext, b"aad");
                    match made_it.map(|version| may_decrypt(version.state)) {
                        Some(true) => assert_eq!(opened.unwrap(), sealed.message[..]),
                        Some(false) => assert_eq!(common::kind(opened), ErrorKind::KeyUnavailable),
                        None => assert_eq!(common::kind(opened), ErrorKind::DecryptionFailed),
                    }
                }
            }
        }
    }
}

fn clock_time(clock: &AtomicI64) -> Timestamp {
    Timestamp::from_milliseconds(clock.load(Ordering::Relaxed))
}

fn open_by(home: &Home, clock: &Arc<AtomicI64>, secret: &str) -> keyfold::Result<Store> {
    let clock = Arc::clone(clock);
    let options = OpenOptions::new().refresh_interval(REFRESH).clock(move || clock_time(&clock));
    Store::open_with(home.path(), &MasterKey::parse(secret).unwrap(), &options)
}

#[test]
fn whatever_is_done_what_should_open_does_and_nothing_else() {
    let mut random = Random::new("whatever_is_done_what_should_open_does_and_nothing_else");
    for _ in 0..SEQUENCES {
        let mut stores = Stores::new(random.number());
        for _ in 0..2 * STEPS {
            stores.step();
            stores.follow();
            stores.seal();
            stores.check(false);
        }
        stores.check(true);
        stores.reopen();
        stores.check(true);
        let report = stores.store().check().unwrap();
        assert!(report.ok, "{report:?}");
    }
}
