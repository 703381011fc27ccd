//! No secret of a store is left in this process's memory once it is closed; while it is open its keys lie in locked
//! pages outside core dumps, but for what the backend keeps on the heap, which is counted.
//!
//! What to search for is computed by a child process from the file, by the formats that docs/storage.md describes and
//! with crates rather than with keyfold, and comes back masked: so every secret of the hierarchy is known, and no copy
//! of it here is the test's own.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad as GcmAad, LessSafeKey, Nonce, UnboundKey};
use base64ct::{Base64, Encoding as _};
use common::search::{Found, MASK, Wanted, wipe};
use common::{Home, Random, alone, hex, hostile, orders, proof, tell, unhex};
use hmac::{Hmac, KeyInit, Mac};
use hpke::{Deserializable, Kem, OpModeR};
use keyfold::{
    Aad, AddRecipient, Algorithm, CreateKey, ImportKey, ImportKeyset, KeyEncoding, KeyKind, KeysetFormat,
    KeysetProtection, MasterKey, OnError, OpenOptions, Passphrase, RecoveryKey, Shares, Store,
};
use sha2::Sha256;

/// Each searches all memory, that of the other tests too.
static ALONE: Mutex<()> = Mutex::new(());

fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let mac = |key: &[u8], parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    };
    let pseudorandom = mac(salt, &[ikm]);
    let (mut out, mut block) = (Vec::new(), Vec::new());
    for counter in 1..=length.div_ceil(32) as u8 {
        block = mac(&pseudorandom, &[&block, info, &[counter]]);
        out.extend_from_slice(&block);
    }
    out.truncate(length);
    out
}

/// The encoding behind every use of a key: type byte, length, bytes; see docs/storage.md.
#[derive(Clone)]
struct Encoding(Vec<u8>);

impl Encoding {
    fn new(label: &str) -> Self {
        Self(Vec::new()).text(label)
    }

    fn field(mut self, kind: u8, bytes: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn integer(self, value: i64) -> Self {
        self.field(1, &value.to_be_bytes())
    }

    fn text(self, value: &str) -> Self {
        self.field(2, value.as_bytes())
    }

    fn optional(self, value: Option<String>) -> Self {
        value.map_or_else(|| self.clone().field(0, &[]), |value| self.clone().text(&value))
    }

    fn bytes(self, value: &[u8]) -> Self {
        self.field(3, value)
    }
}

/// Opens `nonce ‖ ciphertext ‖ tag`.
fn open(key: &[u8], aad: &Encoding, wrapped: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&wrapped[..12]).unwrap();
    let mut content = wrapped[12..].to_vec();
    key.open_in_place(nonce, GcmAad::from(&aad.0), &mut content).unwrap().to_vec()
}

/// Tells all secrets of a store that a master key of 32 bytes opens, masked.
#[test]
#[ignore = "a child of the tests below"]
fn revealer() {
    let Some(orders) = orders() else { return };
    let file = hostile(&orders.path);
    let secret = Base64::decode_vec(&std::env::var("KEYFOLD_TEST_SECRET").unwrap()).unwrap();
    let say = |name: &str, bytes: &[u8]| {
        tell(format!("{name}\t{}", hex(&bytes.iter().map(|byte| byte ^ MASK).collect::<Vec<u8>>())));
    };
    say("master key", &secret);
    let (store_id, kek_version): (Vec<u8>, i64) = file
        .query_row("SELECT store_id, kek_version FROM store", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    type Recipient = (String, String, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);
    let mut statement = file
        .prepare("SELECT recipient_id, parameters, public_key, salt, commitment, sealed FROM recipient WHERE kind = 'master_key'")
        .unwrap();
    let recipients: Vec<Recipient> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (id, parameters, public, salt, commitment, sealed) in recipients {
        let place = |label: &str| {
            Encoding::new(label).bytes(&store_id).text(&id).text("master_key").text(&parameters)
        };
        let derived = hkdf(&secret, &salt, &place("keyfold/v1/recipient-key").0, 64);
        if derived[32..] != commitment {
            continue;
        }
        say("recipient's seal", &derived[..32]);
        let content = open(&derived[..32], &place("keyfold/v1/recipient-seal").bytes(&public), &sealed);
        say("recipient's private key", &content[..32]);
        let (encapsulated, ciphertext): (Vec<u8>, Vec<u8>) = file
            .query_row(
                "SELECT encapsulated, ciphertext FROM kek_wrap WHERE recipient_id = ?1",
                [&id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let info = Encoding::new("keyfold/v1/kek").bytes(&store_id).text(&id).integer(kek_version);
        type Suite = hpke::kem::XWing;
        let kek = hpke::single_shot_open::<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, Suite>(
            &OpModeR::Base,
            &<Suite as Kem>::PrivateKey::from_bytes(&content[..32]).unwrap(),
            &<Suite as Kem>::EncappedKey::from_bytes(&encapsulated).unwrap(),
            &info.0,
            &ciphertext,
            &[],
        )
        .unwrap();
        say("KEK", &kek);
        let wrap = hkdf(&kek, &[], b"keyfold/v1/wrap", 32);
        say("key that wraps", &wrap);
        say("key of the records", &hkdf(&kek, &[], b"keyfold/v1/records", 32));
        let mut statement =
            file.prepare("SELECT name, version, kek_version, wrapped FROM system_key").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let name: String = row.get(0).unwrap();
            let place = Encoding::new("keyfold/v1/system-key").bytes(&store_id).text(&name);
            let place = place.integer(row.get(1).unwrap()).integer(row.get(2).unwrap());
            say(&format!("system key {name}"), &open(&wrap, &place, &row.get::<_, Vec<u8>>(3).unwrap()));
        }
        let mut statement =
            file.prepare("SELECT scope, version, kek_version, wrapped FROM index_root").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let place = Encoding::new("keyfold/v1/index-root").bytes(&store_id);
            let place = place.text(&row.get::<_, String>(0).unwrap());
            let place = place.integer(row.get(1).unwrap()).integer(row.get(2).unwrap());
            say("index root", &open(&wrap, &place, &row.get::<_, Vec<u8>>(3).unwrap()));
        }
        let mut statement = file
            .prepare(
                "SELECT key.key_id, key.kind, key.purpose, key_version.algorithm, version, tag, prefix, kek_version, wrapped \
                 FROM key JOIN key_version ON key.key_id = key_version.key_id WHERE length(wrapped) > 0",
            )
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let text = |column: usize| row.get::<_, String>(column).unwrap();
            let place = Encoding::new("keyfold/v1/dek").bytes(&store_id).text(&text(0)).text(&text(1));
            let place = place.optional(row.get(2).unwrap()).text(&text(3)).integer(row.get(4).unwrap());
            let place = place.integer(row.get(5).unwrap()).text(&text(6)).integer(row.get(7).unwrap());
            let name = format!("DEK {} {}", text(3), text(0));
            say(&name, &open(&wrap, &place, &row.get::<_, Vec<u8>>(8).unwrap()));
        }
    }
}

/// Adds what the store holds, by a child that reads its file.
fn reveal(home: &Home, wanted: &mut Wanted) -> usize {
    let before = wanted.len();
    for line in home.child("revealer", "").finish() {
        let (name, masked) = line.split_once('\t').unwrap();
        wanted.add_masked(name, &unhex(masked));
    }
    wanted.len() - before
}

const KINDS: [(Algorithm, usize); 9] = [
    (Algorithm::Aes256GcmSiv, 32),
    (Algorithm::Aes256Gcm, 32),
    (Algorithm::Xaes256Gcm, 32),
    (Algorithm::XChaCha20Poly1305, 32),
    (Algorithm::Aes256Siv, 64),
    (Algorithm::Aes256GcmHkdf1Mb, 32),
    (Algorithm::HmacSha256, 32),
    (Algorithm::HmacSha512, 64),
    (Algorithm::HkdfSha256, 32),
];

/// A store with a key of every algorithm, each in use.
fn in_use(home: &Home) -> Store {
    let store = home.open();
    for (algorithm, _) in KINDS {
        let options = CreateKey::new().kind(algorithm.kind()).algorithm(algorithm).exportable(true);
        store.create_key(algorithm.name(), &options.purpose("pii")).unwrap();
        exercise(&store, algorithm.name(), algorithm);
    }
    store
}

fn exercise(store: &Store, id: &str, algorithm: Algorithm) {
    let key = store.key(id).unwrap();
    match algorithm.kind() {
        KeyKind::Mac => key.verify_mac(b"data", key.mac(b"data").unwrap()).unwrap(),
        KeyKind::Derive => drop(store.derive_key(id, "purpose", 64, None).unwrap()),
        KeyKind::Stream => {
            let mut sealed = Vec::new();
            key.encrypt_stream(&b"data"[..], &mut sealed, b"aad").unwrap();
            key.decrypt_stream(&sealed[..], std::io::sink(), b"aad").unwrap();
            // Begun, and left.
            key.stream_encryptor(b"aad").unwrap().update(b"data", &mut Vec::new()).unwrap();
            let mut begun = key.stream_decryptor(b"aad").unwrap();
            begun.update(&sealed[..sealed.len() - 1], &mut Vec::new()).unwrap();
            begun.finish(&mut Vec::new()).unwrap_err();
        }
        _ => {
            let sealed = key.encrypt(b"data", b"aad").unwrap();
            key.decrypt(&sealed, b"aad").unwrap();
            key.decrypt(&sealed, b"aae").unwrap_err();
            let many = key.encrypt_many(&[Some(b"data"), None], Aad::NONE).unwrap();
            key.decrypt_many(&many.iter().collect::<Vec<_>>(), Aad::NONE, OnError::Raise).unwrap();
        }
    }
    let options = keyfold::IndexOptions::new();
    key.blind_index(b"data", "field", &options).unwrap();
}

fn passphrase(text: &str) -> MasterKey {
    MasterKey::passphrase(Passphrase::new(text).unwrap().with_argon2id(19 << 10, 1, 1).unwrap())
}

/// A passphrase that is searched for too.
fn drawn_passphrase(random: &mut Random, wanted: &mut Wanted) -> MasterKey {
    let mut text = String::with_capacity(40);
    (0..40).for_each(|_| text.push(char::from(b'a' + random.below(26) as u8)));
    wanted.add("passphrase", text.as_bytes());
    let master_key = passphrase(&text);
    wipe(&mut text.into_bytes());
    master_key
}

/// Everything that an administrator does.
fn administer(home: &mut Home, store: &Store, random: &mut Random, wanted: &mut Wanted) {
    let ways = [
        drawn_passphrase(random, wanted),
        RecoveryKey::generate().unwrap().master_key(),
        Shares::split(2, 3).unwrap().master_key(),
    ];
    for way in &ways {
        let added = store.add_recipient(way, &AddRecipient::new()).unwrap();
        store.test_recipient(way).unwrap();
        store.drill(way).unwrap();
        Store::open_with(home.path(), way, &OpenOptions::new()).unwrap().close();
        reveal(home, wanted);
        store.remove_recipient(&added.recipient_id).unwrap();
        reveal(home, wanted);
    }
    for (algorithm, length) in KINDS {
        let mut material = random.bytes(length);
        wanted.add(&format!("imported {algorithm}"), &material);
        let options = ImportKey::new().algorithm(algorithm).kind(algorithm.kind()).exportable(true);
        let id = format!("imported-{algorithm}");
        store.import_key(&id, &material, KeyEncoding::Raw, &options).unwrap();
        wipe(&mut material);
        exercise(store, &id, algorithm);
        for encoding in KeyEncoding::ALL {
            drop(store.get_encryption_key(&id, length, encoding).unwrap());
        }
        store.rotate_key(&id).unwrap();
        exercise(store, &id, algorithm);
        for format in KeysetFormat::ALL {
            for (name, way) in [
                ("clear", KeysetProtection::InsecureCleartext),
                ("key", KeysetProtection::Key(Algorithm::Aes256GcmSiv.name())),
            ] {
                let keyset = store.export_keyset(&id, format, way).unwrap();
                let other = format!("{id}-{}-{name}", format.name());
                store.import_keyset(&other, &keyset.bytes, way, &ImportKeyset::new()).unwrap();
                exercise(store, &other, algorithm);
            }
        }
    }
    reveal(home, wanted);
    store.rotate_master_key(None).unwrap();
    reveal(home, wanted);
    let next = keyfold::generate_master_key().unwrap().to_string();
    store.rotate_master_key(Some(&MasterKey::parse(&next).unwrap())).unwrap();
    let mut former = std::mem::replace(&mut home.secret, next).into_bytes();
    wipe(&mut former);
    reveal(home, wanted);
    let backup = home.folder.path().join("backup");
    store.backup(&backup).unwrap();
    store.rotate_key(Algorithm::Aes256GcmSiv.name()).unwrap();
    store.close();
    let restored =
        keyfold::restore(&backup, home.path(), &home.master_key(), &keyfold::RestoreOptions::new());
    restored.unwrap();
    std::fs::remove_file(backup).unwrap();
    let again = home.open();
    for (algorithm, _) in KINDS {
        exercise(&again, algorithm.name(), algorithm);
    }
    assert!(again.check().unwrap().ok);
    again.close();
    reveal(home, wanted);
}

/// How often parts of each secret are found, by their names without what tells keys apart.
fn counts<'a>(found: impl Iterator<Item = &'a Found>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for found in found {
        let (name, _) = found.name.split_once(", part").unwrap();
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// Whatever is done, and in whatever order the heap is used.
#[test]
fn nothing_of_the_hierarchy_stays_behind() {
    let _alone = alone(&ALONE);
    let mut random = Random::new("nothing_of_the_hierarchy_stays_behind");
    let mut wanted = Wanted::default();
    let rounds = if proof::long() { 12 } else { 1 };
    for _ in 0..rounds {
        let mut home = Home::new();
        let store = in_use(&home);
        assert!(reveal(&home, &mut wanted) >= 40);
        administer(&mut home, &store, &mut random, &mut wanted);
        drop(store);
        let mut secret = std::mem::take(&mut home.secret).into_bytes();
        wipe(&mut secret);
    }
    let found = wanted.found();
    assert!(found.is_empty(), "{found:#?}");
    println!("proof: {} parts of secrets in {rounds} stores: none left in memory", wanted.len());
}

/// What the secrets of an open store lie in.
#[test]
fn keys_in_use_lie_in_locked_pages_outside_dumps() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = in_use(&home);
    let mut wanted = Wanted::default();
    reveal(&home, &mut wanted);
    let found = wanted.found();
    let kept = counts(found.iter().filter(|found| found.undumped));
    // Locks are the system's to give; `check` says what it did not.
    let report = store.check().unwrap();
    if report.unlocked_bytes == 0 {
        let unlocked = counts(found.iter().filter(|found| found.undumped && !found.locked));
        assert!(unlocked.is_empty(), "{unlocked:?}");
    }
    for name in ["recipient's private key", "DEK AES256_SIV", "DEK HKDF_SHA256", "DEK AES256_GCM_HKDF_1MB"] {
        assert!(kept.keys().any(|kept| kept.starts_with(name)), "{name} is not found: {kept:#?}");
    }
    let elsewhere = counts(found.iter().filter(|found| !found.undumped));
    println!("proof: in pages for secrets: {kept:?}");
    println!("proof: on the heap of the backend: {elsewhere:?}");
    // aws-lc allocates what it expands these into, and has no say about where: docs/memory.md.
    let expected: BTreeMap<String, usize> = match cfg!(feature = "aws-lc") {
        false => BTreeMap::new(),
        true => ["key that wraps", "DEK AES256_GCM AES256_GCM", "DEK AES256_GCM_SIV AES256_GCM_SIV"]
            .map(|name| (name.to_owned(), 2))
            .into(),
    };
    assert_eq!(elsewhere, expected, "halves of keys on the heap of the backend");
    store.close();
    let left = wanted.found();
    assert!(left.is_empty(), "{left:#?}");
    let mut secret = home.secret.clone().into_bytes();
    wipe(&mut secret);
}

/// Dies with a core, its store open.
#[test]
#[ignore = "a child of the test below"]
fn dumped() {
    let Some(orders) = orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    drop(orders);
    for (algorithm, _) in KINDS {
        exercise(&store, algorithm.name(), algorithm);
    }
    tell("open");
    std::env::set_current_dir(std::env::var_os("KEYFOLD_TEST_TASK").unwrap()).unwrap();
    // SAFETY: system calls on numbers and a live structure; abort ends the process.
    unsafe {
        let all = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        libc::setrlimit(libc::RLIMIT_CORE, &all);
        libc::abort();
    }
}

/// Only what the backend has on the heap is in a core file.
#[test]
fn a_core_dump_holds_what_the_heap_holds() {
    let _alone = alone(&ALONE);
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.contains('|') || pattern.contains('/') {
        println!("proof: no core dump: /proc/sys/kernel/core_pattern is {}", pattern.trim());
        return;
    }
    let home = Home::new();
    in_use(&home).close();
    let mut wanted = Wanted::default();
    reveal(&home, &mut wanted);
    let folder = tempfile::tempdir().unwrap();
    let mut child = home.child("dumped", folder.path().to_str().unwrap());
    assert_eq!(child.hears(), "open");
    assert!(!child.child.wait().unwrap().success());
    let Some(core) = std::fs::read_dir(folder.path()).unwrap().next() else {
        println!("proof: no core dump: the system wrote none");
        return;
    };
    let core = std::fs::read(core.unwrap().path()).unwrap();
    let mut dumped = BTreeMap::<String, usize>::new();
    for name in wanted.found_in(&core) {
        *dumped.entry(name.split_once(", part").unwrap().0.to_owned()).or_default() += 1;
    }
    println!("proof: in a core file of {} MiB: {dumped:?}", core.len() >> 20);
    let expected: &[&str] = match cfg!(feature = "aws-lc") {
        false => &[],
        true => &["DEK AES256_GCM AES256_GCM", "DEK AES256_GCM_SIV AES256_GCM_SIV", "key that wraps"],
    };
    assert_eq!(dumped.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(dumped.values().all(|count| *count == 2), "{dumped:?}");
}

/// Loads more keys than fit into what may be locked.
#[test]
#[ignore = "a child of the test below"]
fn little_may_be_locked() {
    let Some(path) = std::env::var_os("KEYFOLD_TEST_STORE").map(std::path::PathBuf::from) else { return };
    for (place, mode) in [(path.as_path(), 0o666), (path.parent().unwrap(), 0o777)] {
        std::fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    // Before there is any secret. Room for the keys of the store itself.
    // SAFETY: system calls on numbers and a live structure. Root is not bound by the limit, so it stops being root.
    unsafe {
        let little = libc::rlimit { rlim_cur: 128 << 10, rlim_max: 128 << 10 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &little), 0);
        if libc::geteuid() == 0 {
            assert_eq!(libc::setuid(65534), 0);
        }
    }
    let orders = orders().unwrap();
    let options = OpenOptions::new().require_mlock(orders.task == "insists");
    let store = Store::open_with(&orders.path, &orders.master_key, &options).unwrap();
    assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    let report = store.check().unwrap();
    assert!(report.ok && report.unlocked_bytes == 0, "{report:?}");
    let mut keys = Vec::new();
    for number in 0..KEYS {
        let loaded = store.key(&format!("k{number}"));
        match loaded.and_then(|key| key.encrypt(b"ada", b"").map(|_| key)) {
            Ok(key) => keys.push(key),
            Err(error) => {
                tell(format!("{:?} {}", error.kind(), error.message().contains("RLIMIT_MEMLOCK")));
                // Nor may it make new ones; what it has serves.
                let refused = store.create_key("another", &CreateKey::new()).unwrap_err();
                tell(format!("{:?}", refused.kind()));
                keys[0].encrypt(b"ada", b"").unwrap();
                break;
            }
        }
    }
    let report = store.check().unwrap();
    let warned = report.warnings.iter().any(|finding| finding.subject == "memory");
    tell(format!("{} {} {}", report.unlocked_bytes > 0, warned, keys.len() == KEYS));
}

const KEYS: usize = 400;

#[test]
fn where_little_may_be_locked_it_says_so_or_insists() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let store = home.open();
    for number in 0..KEYS {
        store.create_key(&format!("k{number}"), &CreateKey::new().algorithm(Algorithm::Xaes256Gcm)).unwrap();
    }
    store.close();
    assert_eq!(home.child("little_may_be_locked", "").finish(), ["true true true"]);
    let told = home.child("little_may_be_locked", "insists").finish();
    assert_eq!(told, ["PermissionDenied true", "PermissionDenied", "true true false"]);
}

/// Tells the coefficients of the polynomials that gave these shares, masked: as many as there are shares, so that each
/// list begins with the highest and ends with the secret's byte.
#[test]
#[ignore = "a child of the test below"]
fn interpolates() {
    let Some(orders) = orders() else { return };
    fn times(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            product ^= if b & 1 == 1 { a } else { 0 };
            a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1d };
            b >>= 1;
        }
        product
    }
    let inverse = |a: u8| (1..=255).find(|b| times(a, *b) == 1).unwrap();
    let shares: Vec<Vec<u8>> = orders.task.split_whitespace().map(unhex).collect();
    for byte in 1..shares[0].len() {
        // Lowest first: the sum of each share's value times the polynomial that is 1 there and 0 at the others.
        let mut sum = vec![0; shares.len()];
        for share in &shares {
            let (mut basis, mut scale) = (vec![1], share[byte]);
            for other in shares.iter().filter(|other| other[0] != share[0]) {
                let mut next = vec![0; basis.len() + 1];
                for (degree, coefficient) in basis.iter().enumerate() {
                    next[degree] ^= times(*coefficient, other[0]);
                    next[degree + 1] ^= coefficient;
                }
                basis = next;
                scale = times(scale, inverse(share[0] ^ other[0]));
            }
            sum.iter_mut().zip(&basis).for_each(|(sum, term)| *sum ^= times(*term, scale));
        }
        tell(hex(&sum.iter().rev().map(|coefficient| coefficient ^ MASK).collect::<Vec<u8>>()));
    }
}

/// What a printed share holds: set (4), threshold, place, value.
fn share(text: &str) -> Vec<u8> {
    let letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let values = text[5..].split('-').flat_map(|group| group[..5].bytes());
    let mut bits = Vec::new();
    for letter in values {
        let value = letters.bytes().position(|known| known == letter).unwrap();
        bits.extend((0..5).rev().map(|bit| (value >> bit & 1) as u8));
    }
    bits.chunks(8).skip(5).take(33).map(|bits| bits.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

/// Who finds the coefficients needs no threshold of shares.
#[test]
fn splitting_leaves_no_polynomial() {
    let _alone = alone(&ALONE);
    let home = Home::new();
    let mut wanted = Wanted::default();
    for _ in 0..if proof::long() { 20 } else { 3 } {
        let shares = Shares::split(16, 16).unwrap();
        let texts = shares.reveal();
        let task: String = texts.iter().map(|text| hex(&share(text)) + " ").collect();
        let told = home.child("interpolates", &task).finish();
        assert_eq!(told.len(), 32);
        told.iter().for_each(|masked| wanted.add_masked("polynomial", &unhex(masked)));
        // The secret itself is what the polynomials end with; here it opens, and so the child was right.
        let secret: Vec<u8> = told.iter().map(|masked| unhex(masked)[15]).collect();
        wanted.add_masked("secret of the shares", &secret);
        let found = wanted.found();
        assert!(found.iter().any(|found| found.name.starts_with("secret of the shares")), "{found:#?}");
        assert!(found.iter().all(|found| found.undumped), "{found:#?}");
        drop((shares, MasterKey::shares(&texts).unwrap()));
        wipe(&mut task.into_bytes());
    }
    let found = wanted.found();
    assert!(found.is_empty(), "{found:#?}");
}
