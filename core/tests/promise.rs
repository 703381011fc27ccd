//! The promise itself: after any sequence of acts, every ciphertext that should open does, and no other.

mod common;

use std::collections::BTreeMap;

use common::{Home, Random};
use keyfold::{
    Algorithm, CreateKey, ImportKey, ImportKeyset, KeyEncoding, KeysetFormat, KeysetProtection, OpenOptions,
    RestoreOptions, Store, restore,
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

    /// One act. Acts on versions' states and on the key-encryption key belong here as well: one arm each.
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
