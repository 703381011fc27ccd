//! The main job through the public interface: open, create, encrypt, rotate, decrypt, find.

use std::time::Duration;

use keyfold::{
    Aad, Algorithm, Context, CreateKey, ErrorKind, IndexOptions, KeyFilter, MasterKey, OpenOptions, Store,
};

struct Fixture {
    folder: tempfile::TempDir,
    master_key: MasterKey,
}

impl Fixture {
    fn new() -> Self {
        let master_key = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), master_key }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("app.keyfold")
    }

    fn open(&self) -> Store {
        let options = OpenOptions::new().create(true).refresh_interval(Duration::from_millis(50));
        Store::open_with(self.path(), &self.master_key, &options).unwrap()
    }
}

fn kind<T>(result: keyfold::Result<T>) -> ErrorKind {
    result.map(|_| ()).unwrap_err().kind()
}

#[test]
fn every_algorithm_seals_and_opens_over_rotations() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let place = Context::new().with("table", "users").with("id", 42);
    for algorithm in Algorithm::AEAD {
        let id = algorithm.name();
        let info = store.create_key(id, &CreateKey::new().algorithm(algorithm)).unwrap();
        assert_eq!((info.algorithm, info.current_version), (algorithm, Some(1)));
        let key = store.key(id).unwrap();
        let mut sealed = Vec::new();
        for round in 1..=4u32 {
            for length in [0usize, 1, 15, 16, 17, 32, 10_240] {
                let plaintext = vec![round as u8; length];
                sealed.push((key.encrypt(&plaintext, &place).unwrap(), plaintext));
            }
            assert_eq!(store.rotate_key(id).unwrap().version, round + 1);
        }
        for (ciphertext, plaintext) in &sealed {
            assert_eq!(ciphertext.len(), plaintext.len() + 5 + algorithm.nonce_length() + 16);
            assert_eq!(key.decrypt(ciphertext, &place).unwrap(), plaintext[..]);
            assert!(key.needs_reencrypt(ciphertext).unwrap());
            let moved = key.reencrypt(ciphertext, &place).unwrap();
            assert!(!key.needs_reencrypt(&moved).unwrap());
            assert_eq!(key.reencrypt(&moved, &place).unwrap(), moved);
            assert_eq!(key.decrypt(&moved, &place).unwrap(), plaintext[..]);
            assert_eq!(kind(key.decrypt(ciphertext, Aad::NONE)), ErrorKind::DecryptionFailed);
        }
    }
    assert!(store.check().unwrap().ok);
}

#[test]
fn wrong_master_keys_missing_files_and_second_creations() {
    let fixture = Fixture::new();
    let options = OpenOptions::new();
    assert_eq!(kind(Store::open_with(fixture.path(), &fixture.master_key, &options)), ErrorKind::NotFound);
    let store = fixture.open();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let other = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    assert_eq!(kind(Store::open_with(fixture.path(), &other, &options)), ErrorKind::WrongMasterKey);
    assert_eq!(
        kind(Store::open_with(fixture.path(), &other, &options.clone().create(true))),
        ErrorKind::WrongMasterKey
    );
    assert_eq!(kind(store.create_key("pii", &CreateKey::new())), ErrorKind::AlreadyExists);
    assert_eq!(store.create_key("pii", &CreateKey::new().exist_ok(true)).unwrap().current_version, Some(1));
    assert_eq!(
        kind(store.create_key("pii", &CreateKey::new().exist_ok(true).algorithm(Algorithm::Aes256Gcm))),
        ErrorKind::AlreadyExists
    );
    assert_eq!(kind(store.key("nope")), ErrorKind::NotFound);
    assert_eq!(kind(store.rotate_key("nope")), ErrorKind::NotFound);
    assert_eq!(kind(store.list_key_versions("nope")), ErrorKind::NotFound);
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 1);
}

#[test]
fn another_handle_sees_a_rotation_and_opens_newer_ciphertexts_at_once() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.open(), fixture.open());
    one.create_key("pii", &CreateKey::new()).unwrap();
    let (mine, theirs) = (one.key("pii").unwrap(), two.key("pii").unwrap());
    one.rotate_key("pii").unwrap();
    let newer = mine.encrypt(b"ada", Aad::NONE).unwrap();
    assert_eq!(theirs.decrypt(&newer, Aad::NONE).unwrap(), b"ada"[..]);
    one.rotate_key("pii").unwrap();
    std::thread::sleep(Duration::from_millis(60));
    let sealed = theirs.encrypt(b"ada", Aad::NONE).unwrap();
    assert_eq!(one.inspect(&sealed).unwrap()[0].version, 3);
    assert_eq!(
        one.list_key_versions("pii").unwrap().iter().map(|v| v.version).collect::<Vec<_>>(),
        [3, 2, 1]
    );
}

#[test]
fn text_inspection_and_blind_indexes() {
    let fixture = Fixture::new();
    let store = fixture.open();
    store
        .create_key("a", &CreateKey::new().purpose("pii").description("e-mail").label("team", "web"))
        .unwrap();
    store.create_key("b", &CreateKey::new().purpose("pii")).unwrap();
    store.create_key("c", &CreateKey::new()).unwrap();
    let (a, b, c) = (store.key("a").unwrap(), store.key("b").unwrap(), store.key("c").unwrap());
    let sealed = a.encrypt_text("ada ✓", Aad::NONE).unwrap();
    assert!(sealed.starts_with("kf1.") && keyfold::is_ciphertext(&sealed));
    assert_eq!(&*a.decrypt_text(&sealed, Aad::NONE).unwrap(), "ada ✓");
    assert_eq!(a.decrypt(&sealed, Aad::NONE).unwrap(), *"ada ✓".as_bytes());
    assert_eq!(store.inspect(&sealed).unwrap()[0].key_id, "a");
    assert_eq!(kind(b.decrypt(&sealed, Aad::NONE)), ErrorKind::DecryptionFailed);
    assert_eq!(store.inspect([1, 0, 0, 0, 1, 9]).unwrap(), []);
    assert_eq!(kind(store.inspect("hello")), ErrorKind::InvalidArgument);

    let index =
        |key: &keyfold::Key, field: &str| key.blind_index(b"ada", field, &IndexOptions::new()).unwrap();
    let before = index(&a, "users.email");
    store.rotate_key("a").unwrap();
    assert_eq!(index(&a, "users.email"), before);
    assert_eq!(index(&b, "users.email"), before);
    assert_ne!(index(&c, "users.email"), before);
    assert_ne!(index(&a, "users.name"), before);
    let short = a.blind_index(b"ada", "users.email", &IndexOptions::new().bits(12)).unwrap();
    assert_eq!((short.len(), short[1] & 0x0f), (2, 0));
    assert_eq!(short[0], before[0]);
}

#[test]
fn closing_ends_everything() {
    let fixture = Fixture::new();
    let store = fixture.open();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let key = store.key("pii").unwrap();
    let sealed = key.encrypt(b"ada", Aad::NONE).unwrap();
    store.close();
    store.close();
    assert_eq!(kind(key.encrypt(b"ada", Aad::NONE)), ErrorKind::Closed);
    assert_eq!(kind(key.decrypt(&sealed, Aad::NONE)), ErrorKind::Closed);
    assert_eq!(kind(store.key("pii")), ErrorKind::Closed);
    assert_eq!(kind(store.rotate_key("pii")), ErrorKind::Closed);
    assert_eq!(kind(store.check()), ErrorKind::Closed);
    assert!(!fixture.path().with_extension("keyfold-wal").exists());
    assert_eq!(fixture.open().decrypt("pii", &sealed, Aad::NONE).unwrap(), b"ada"[..]);
}

#[test]
fn anchors_and_fingerprints_pin_a_store() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let early = store.anchor().unwrap().to_string();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let old_copy = fixture.folder.path().join("old.keyfold");
    store.close();
    std::fs::copy(fixture.path(), &old_copy).unwrap();
    let store = fixture.open();
    store.rotate_key("pii").unwrap();
    let late = store.anchor().unwrap().to_string();
    let fingerprint = store.fingerprint().to_owned();
    let open =
        |path: &std::path::Path, options: OpenOptions| Store::open_with(path, &fixture.master_key, &options);
    assert!(open(&fixture.path(), OpenOptions::new().anchor(&early).fingerprint(&fingerprint)).is_ok());
    assert!(open(&fixture.path(), OpenOptions::new().anchor(&late)).is_ok());
    assert!(open(&old_copy, OpenOptions::new().anchor(&early)).is_ok());
    assert_eq!(kind(open(&old_copy, OpenOptions::new().anchor(&late))), ErrorKind::IntegrityError);
    let forked = open(&old_copy, OpenOptions::new()).unwrap();
    forked.rotate_key("pii").unwrap();
    forked.rotate_key("pii").unwrap();
    assert_eq!(kind(open(&old_copy, OpenOptions::new().anchor(&late))), ErrorKind::IntegrityError);
    assert_eq!(
        kind(open(&fixture.path(), OpenOptions::new().fingerprint("kff1.other"))),
        ErrorKind::IntegrityError
    );
    let other = Fixture::new();
    let stranger = other.open().anchor().unwrap().to_string();
    assert_eq!(kind(open(&fixture.path(), OpenOptions::new().anchor(stranger))), ErrorKind::IntegrityError);
}

#[test]
fn second_names_and_leftover_logs_are_refused() {
    let fixture = Fixture::new();
    fixture.open().close();
    let second = fixture.folder.path().join("second");
    std::fs::hard_link(fixture.path(), &second).unwrap();
    let open = |path: &std::path::Path, create: bool| {
        Store::open_with(path, &fixture.master_key, &OpenOptions::new().create(create))
    };
    assert_eq!(kind(open(&fixture.path(), false)), ErrorKind::Unsupported);
    assert_eq!(kind(open(&second, true)), ErrorKind::Unsupported);
    std::fs::remove_file(&second).unwrap();
    assert!(open(&fixture.path(), false).is_ok());
    for suffix in ["-wal", "-journal"] {
        let fresh = fixture.folder.path().join(format!("fresh{suffix}"));
        std::fs::write(fixture.folder.path().join(format!("fresh{suffix}{suffix}")), b"old").unwrap();
        assert_eq!(kind(open(&fresh, true)), ErrorKind::AlreadyExists);
        assert!(!fresh.exists());
    }
}
