//! The central promise over random lives: whatever was done to a store, every ciphertext opens under its own key
//! and context, and under no other.

mod common;

use common::{Home, Random, kind, milliseconds};
use keyfold::{Algorithm, Context, CreateKey, ErrorKind, OpenOptions, Store};

const LIVES: usize = 12;
const STEPS: usize = 60;

struct Sealed {
    key_id: String,
    context: Context,
    plaintext: Vec<u8>,
    bytes: Vec<u8>,
    version: u32,
}

struct Life {
    home: Home,
    /// Handles to the same file, as of several processes.
    stores: Vec<Store>,
    keys: Vec<(String, u32)>,
    sealed: Vec<Sealed>,
}

impl Life {
    fn new() -> Self {
        let mut life = Self { home: Home::new(), stores: Vec::new(), keys: Vec::new(), sealed: Vec::new() };
        life.open();
        life
    }

    fn open(&mut self) {
        let options = OpenOptions::new().create(true).refresh_interval(milliseconds(10));
        self.stores.push(self.home.open_with(&options).unwrap());
    }

    fn step(&mut self, random: &mut Random) {
        let store = self.stores[random.below(self.stores.len())].clone();
        match random.below(if self.keys.is_empty() { 1 } else { 12 }) {
            0 => {
                let key_id = format!("key-{}", self.keys.len());
                let algorithm = Algorithm::AEAD[random.below(4)];
                let options = CreateKey::new().algorithm(algorithm);
                let options = if random.below(2) == 0 { options.purpose("pii") } else { options };
                assert_eq!(store.create_key(&key_id, &options).unwrap().current_version, Some(1));
                self.keys.push((key_id, 1));
            }
            1 | 2 => {
                let place = random.below(self.keys.len());
                let (key_id, newest) = &mut self.keys[place];
                *newest += 1;
                assert_eq!(store.rotate_key(key_id).unwrap().version, *newest);
            }
            3..=7 => self.seal(&store, random),
            8 | 9 => self.reencrypt(&store, random),
            10 if self.stores.len() < 3 => self.open(),
            _ => {
                let place = random.below(self.stores.len());
                self.stores.swap_remove(place).close();
                if self.stores.is_empty() {
                    self.open();
                }
            }
        }
    }

    fn seal(&mut self, store: &Store, random: &mut Random) {
        let key_id = self.keys[random.below(self.keys.len())].0.clone();
        let context =
            Context::new().with("table", ["users", "orders"][random.below(2)]).with("id", random.below(3));
        let length = [0, 1, 15, 16, 17, 32, 100, 5000][random.below(8)];
        let plaintext = random.bytes(length);
        let bytes = store.encrypt(&key_id, &plaintext, &context).unwrap();
        let version = store.inspect(&bytes).unwrap()[0].version;
        self.sealed.push(Sealed { key_id, context, plaintext, bytes, version });
    }

    fn reencrypt(&mut self, store: &Store, random: &mut Random) {
        if self.sealed.is_empty() {
            return;
        }
        let place = random.below(self.sealed.len());
        let sealed = &mut self.sealed[place];
        let key = store.key(&sealed.key_id).unwrap();
        sealed.bytes = key.reencrypt(&sealed.bytes, &sealed.context).unwrap();
        let moved = store.inspect(&sealed.bytes).unwrap()[0].version;
        let newest = self.keys.iter().find(|(key_id, _)| *key_id == sealed.key_id).unwrap().1;
        assert!((sealed.version..=newest).contains(&moved));
        sealed.version = moved;
        // This handle may learn of another's rotation between the two calls, and only then.
        assert!(!key.needs_reencrypt(&sealed.bytes).unwrap() || moved < newest);
    }

    fn check(&mut self, random: &mut Random) {
        let store = self.stores[0].clone();
        for (key_id, newest) in &self.keys {
            let versions = store.list_key_versions(key_id).unwrap();
            assert!(versions.iter().map(|version| version.version).eq((1..=*newest).rev()));
            assert!(versions.iter().all(|version| version.is_current == (version.version == *newest)));
        }
        for sealed in &self.sealed {
            let open = |key_id: &str, context: &Context, bytes: &[u8]| store.decrypt(key_id, bytes, context);
            assert_eq!(open(&sealed.key_id, &sealed.context, &sealed.bytes).unwrap(), sealed.plaintext[..]);
            let (other_key, _) = &self.keys[random.below(self.keys.len())];
            if *other_key != sealed.key_id {
                assert_eq!(
                    kind(open(other_key, &sealed.context, &sealed.bytes)),
                    ErrorKind::DecryptionFailed
                );
            }
            let other = &self.sealed[random.below(self.sealed.len())];
            if other.context != sealed.context {
                assert_eq!(
                    kind(open(&sealed.key_id, &other.context, &sealed.bytes)),
                    ErrorKind::DecryptionFailed
                );
            }
            let mut changed = sealed.bytes.clone();
            changed[random.below(sealed.bytes.len())] ^= 1 << random.below(8);
            assert_eq!(kind(open(&sealed.key_id, &sealed.context, &changed)), ErrorKind::DecryptionFailed);
        }
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        assert_eq!(
            (report.keys, report.versions),
            (self.keys.len(), self.keys.iter().map(|key| key.1 as usize).sum())
        );
    }
}

#[test]
fn every_ciphertext_opens_under_its_key_and_context_alone() {
    let mut random = Random::new("properties");
    let mut total = 0;
    for _ in 0..LIVES {
        let mut life = Life::new();
        (0..STEPS).for_each(|_| life.step(&mut random));
        life.check(&mut random);
        total += life.sealed.len();
    }
    assert!(total > LIVES * 5, "only {total} ciphertexts");
}
