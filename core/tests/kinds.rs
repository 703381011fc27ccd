//! Every kind of key: what it does, and that it does nothing else.

mod common;

use common::{Home, kind};
use keyfold::{
    Aad, Algorithm, Context, CreateKey, ErrorKind, IndexOptions, Key, KeyKind, Mode, OpenOptions, Store,
    from_text, is_ciphertext, limits,
};

type Operation = (&'static str, &'static [KeyKind], fn(&Store, &Key) -> keyfold::Result<()>);

const ENCRYPTING: &[KeyKind] = &[KeyKind::Aead, KeyKind::Deterministic];
const MAC: &[KeyKind] = &[KeyKind::Mac];

/// Each operation, the kinds that it is for, and a call that works for these.
const OPERATIONS: [Operation; 17] = [
    ("encrypt", ENCRYPTING, |_, key| key.encrypt(b"m", b"a").map(drop)),
    ("encrypt_text", ENCRYPTING, |_, key| key.encrypt_text("m", b"a").map(drop)),
    ("encryption", ENCRYPTING, |_, key| {
        let encryption = key.encryption()?;
        let mut out = vec![0; encryption.length(1)?];
        encryption.write(b"m", b"a", &mut out)
    }),
    ("decrypt", ENCRYPTING, |_, key| key.decrypt(made(key), b"a").map(drop)),
    ("decrypt of noise", ENCRYPTING, |_, key| {
        unless(ErrorKind::DecryptionFailed, key.decrypt(b"noise", b"a"))
    }),
    ("decrypt of another's", ENCRYPTING, |_, key| {
        unless(ErrorKind::DecryptionFailed, key.decrypt([&[1, 0, 0, 0, 1][..], &[7; 64]].concat(), b"a"))
    }),
    ("decrypt_text", ENCRYPTING, |_, key| key.decrypt_text(&keyfold::to_text(&made(key)), b"a").map(drop)),
    ("decrypt_text of noise", ENCRYPTING, |_, key| {
        unless(ErrorKind::DecryptionFailed, key.decrypt_text("noise", b"a"))
    }),
    ("needs_reencrypt", ENCRYPTING, |_, key| key.needs_reencrypt(made(key)).map(drop)),
    ("reencrypt", ENCRYPTING, |_, key| key.reencrypt(&made(key), b"a").map(drop)),
    ("reencrypt_text", ENCRYPTING, |_, key| {
        key.reencrypt_text(&keyfold::to_text(&made(key)), b"a").map(drop)
    }),
    ("search_ciphertexts", &[KeyKind::Deterministic], |_, key| key.search_ciphertexts(b"m", b"a").map(drop)),
    ("mac", MAC, |_, key| key.mac(b"m").map(drop)),
    ("mac_raw", MAC, |_, key| key.mac_raw(b"m").map(drop)),
    ("verify_mac", MAC, |_, key| key.verify_mac(b"m", made(key))),
    ("verify_mac of noise", MAC, |_, key| {
        unless(ErrorKind::VerificationFailed, key.verify_mac(b"m", b"noise"))?;
        unless(ErrorKind::VerificationFailed, key.verify_mac_raw(b"m", b"noise"))
    }),
    ("derive_key", &[KeyKind::Derive], |store, key| store.derive_key(key.id(), "p", 32, None).map(drop)),
];

/// Something that this key made; of keys that make nothing with a prefix, what looks as if it were theirs.
fn made(key: &Key) -> Vec<u8> {
    key.encrypt(b"m", b"a").or_else(|_| key.mac(b"m")).unwrap_or_else(|_| {
        let home_tag = key.info().unwrap().current_version.unwrap();
        assert_eq!(home_tag, 1);
        [&[1][..], &[0x55; 80]].concat()
    })
}

/// The error of this kind is what should happen.
fn unless<T>(expected: ErrorKind, result: keyfold::Result<T>) -> keyfold::Result<()> {
    match result {
        Ok(_) => panic!("expected {expected}"),
        Err(error) if error.kind() == expected => Ok(()),
        Err(error) => Err(error),
    }
}

#[test]
fn every_kind_does_what_it_is_for_and_nothing_else() {
    let home = Home::new();
    let store = home.open();
    for algorithm in Algorithm::ALL {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        for (name, kinds, run) in OPERATIONS {
            let result = run(&store, &key);
            if kinds.contains(&algorithm.kind()) {
                result.unwrap_or_else(|error| panic!("{algorithm} should {name}: {error}"));
                continue;
            }
            let error = result.expect_err(&format!("{algorithm} should not {name}"));
            let message = error.to_string();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{algorithm} {name}: {message}");
            assert_eq!(error.key_id(), Some(algorithm.name()));
            assert!(message.contains(&format!("of kind {} ", algorithm.kind())), "{message}");
            assert!(kinds.iter().all(|kind| message.contains(kind.name())), "{message}");
        }
        // The index root is the purpose's or the key's, and no version's: every kind has one.
        assert_eq!(key.blind_index(b"v", "f", &IndexOptions::new()).unwrap().len(), 16);
    }
}

/// As the matrix, with a tag that is the key's own, so that the version is found first.
#[test]
fn a_known_tag_does_not_help_a_key_of_another_kind() {
    let home = Home::new();
    let store = home.open();
    for algorithm in [Algorithm::Aes256GcmHkdf1Mb, Algorithm::HmacSha256, Algorithm::HkdfSha256] {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let tag = store.list_key_versions(algorithm.name()).unwrap()[0].tag;
        for length in [0, 15, 16, 28, 32, 64] {
            let bytes = [&[1][..], &tag.to_be_bytes(), &vec![7; length]].concat();
            assert_eq!(kind(key.decrypt(&bytes, b"")), ErrorKind::InvalidArgument);
            assert_eq!(kind(key.needs_reencrypt(&bytes)), ErrorKind::InvalidArgument);
            assert_eq!(kind(key.reencrypt(&bytes, b"")), ErrorKind::InvalidArgument);
            if let Ok(decryption) = key.decryption(&bytes) {
                let mut out = vec![9; decryption.length()];
                assert_eq!(kind(decryption.write(b"", &mut out)), ErrorKind::InvalidArgument);
            }
            let expected = match algorithm.kind() {
                KeyKind::Mac => ErrorKind::VerificationFailed,
                _ => ErrorKind::InvalidArgument,
            };
            assert_eq!(kind(key.verify_mac(b"", &bytes)), expected);
        }
    }
}

fn key_of(store: &Store, algorithm: Algorithm) -> Key {
    store.create_key("key", &CreateKey::new().algorithm(algorithm)).unwrap();
    store.key("key").unwrap()
}

#[test]
fn deterministic_ciphertexts_are_equal_where_everything_is() {
    let home = Home::new();
    let store = home.open();
    let key = key_of(&store, Algorithm::Aes256Siv);
    for message in [&b""[..], b"a", &[7; 15], &[7; 16], &[7; 17], &[7; 4096]] {
        let sealed = key.encrypt(message, b"aad").unwrap();
        assert_eq!(sealed.len(), message.len() + 21);
        assert!(is_ciphertext(&sealed) && is_ciphertext(keyfold::to_text(&sealed)));
        assert_eq!(key.encrypt(message, b"aad").unwrap(), sealed);
        assert_ne!(key.encrypt(message, b"aae").unwrap(), sealed);
        assert_ne!(key.encrypt(message, Aad::NONE).unwrap(), sealed);
        let encryption = key.encryption().unwrap();
        let mut written = vec![0xee; encryption.length(message.len()).unwrap()];
        encryption.write(message, b"aad", &mut written).unwrap();
        assert_eq!(written, sealed);
        assert_eq!(key.decrypt(&sealed, b"aad").unwrap(), *message);
        assert_eq!(kind(key.decrypt(&sealed, b"aae")), ErrorKind::DecryptionFailed);
        let decryption = key.decryption(&sealed).unwrap();
        let mut opened = vec![0xee; decryption.length()];
        decryption.write(b"aad", &mut opened).unwrap();
        assert_eq!(opened, message);
        for length in 0..sealed.len().min(60) {
            assert_eq!(kind(key.decrypt(&sealed[..length], b"aad")), ErrorKind::DecryptionFailed);
        }
        for bit in 0..8 * sealed.len().min(60) {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kind(key.decrypt(&changed, b"aad")), ErrorKind::DecryptionFailed, "bit {bit}");
        }
    }
    let place = Context::new().with("column", "country");
    let text = key.encrypt_text("DE", &place).unwrap();
    assert_eq!(key.encrypt_text("DE", &place).unwrap(), text);
    assert_eq!(&*key.decrypt_text(&text, &place).unwrap(), "DE");
    assert_eq!(from_text(&text).unwrap().len(), 23);
}

#[test]
fn a_failed_decryption_leaves_nothing_in_the_buffer() {
    let home = Home::new();
    let store = home.open();
    let key = key_of(&store, Algorithm::Aes256Siv);
    let sealed = key.encrypt(b"a plaintext of some length", b"aad").unwrap();
    let decryption = key.decryption(&sealed).unwrap();
    let mut out = vec![0xee; decryption.length()];
    assert_eq!(kind(decryption.write(b"other", &mut out)), ErrorKind::DecryptionFailed);
    assert!(out.iter().all(|byte| *byte == 0));
}

#[test]
fn a_search_finds_rows_of_every_version() {
    let home = Home::new();
    let store = home.open();
    let key = key_of(&store, Algorithm::Aes256Siv);
    let mut rows = Vec::new();
    for round in 0..4 {
        rows.push(key.encrypt(b"DE", b"country").unwrap());
        rows.push(key.encrypt(b"FR", b"country").unwrap());
        let newest_first: Vec<_> = rows.iter().step_by(2).rev().cloned().collect();
        assert_eq!(key.search_ciphertexts(b"DE", b"country").unwrap(), newest_first, "round {round}");
        store.rotate_key("key").unwrap();
    }
    let found = key.search_ciphertexts(b"FR", b"country").unwrap();
    assert_eq!(found.len(), 5);
    assert!(rows.iter().skip(1).step_by(2).all(|row| found.contains(row)));
    assert!(!rows.contains(&found[0]), "the newest version has sealed nothing yet");
    assert!(key.needs_reencrypt(&rows[0]).unwrap());
    let moved = key.reencrypt(&rows[0], b"country").unwrap();
    assert_eq!(moved, key.search_ciphertexts(b"DE", b"country").unwrap()[0]);
    assert!(!key.needs_reencrypt(&moved).unwrap());
    assert_eq!(key.reencrypt(&moved, b"country").unwrap(), moved);
    let long = vec![0; limits::MESSAGE_BYTES + 1];
    assert_eq!(kind(key.search_ciphertexts(&long, b"")), ErrorKind::LimitExceeded);
    assert_eq!(kind(key.search_ciphertexts(b"", &long[..limits::AAD_BYTES + 1])), ErrorKind::LimitExceeded);
}

#[test]
fn codes_verify_across_rotations() {
    let home = Home::new();
    for (algorithm, length) in [(Algorithm::HmacSha256, 32), (Algorithm::HmacSha512, 64)] {
        let store = home.open();
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let mut codes = Vec::new();
        for _ in 0..3 {
            let (code, raw) = (key.mac(b"data").unwrap(), key.mac_raw(b"data").unwrap());
            assert_eq!((code.len(), &code[5..]), (length + 5, &raw[..]));
            assert_eq!(key.mac(b"data").unwrap(), code);
            codes.push((code, raw));
            store.rotate_key(algorithm.name()).unwrap();
        }
        for (code, raw) in &codes {
            key.verify_mac(b"data", code).unwrap();
            key.verify_mac(b"data", keyfold::to_text(code)).unwrap();
            key.verify_mac_raw(b"data", raw).unwrap();
        }
        let (code, raw) = &codes[0];
        let said = key.verify_mac(b"date", code).unwrap_err();
        let mut swapped = code.clone();
        swapped[..5].copy_from_slice(&codes[1].0[..5]);
        let wrong = [&code[..], &[0]].concat();
        for bad in
            [&b""[..], b"noise", &code[..4], &code[..5], &code[..code.len() - 1], &wrong, &swapped, raw]
        {
            let error = key.verify_mac(b"data", bad).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::VerificationFailed, said.message()));
        }
        assert_eq!(kind(key.verify_mac(b"data", "kf1.!")), ErrorKind::VerificationFailed);
        for bad in [&b""[..], code, &raw[..31], &raw[1..]] {
            let error = key.verify_mac_raw(b"data", bad).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::VerificationFailed, said.message()));
        }
        for bit in 0..8 * code.len() {
            let mut changed = code.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(kind(key.verify_mac(b"data", &changed)), ErrorKind::VerificationFailed);
        }
        key.verify_mac(b"", key.mac(b"").unwrap()).unwrap();
    }
}

#[test]
fn too_much_data_gets_no_code() {
    let home = Home::new();
    let store = home.open();
    let key = key_of(&store, Algorithm::HmacSha256);
    let long = vec![0; limits::MESSAGE_BYTES + 1];
    let code = key.mac(&long[1..]).unwrap();
    key.verify_mac(&long[1..], &code).unwrap();
    assert_eq!(kind(key.mac(&long)), ErrorKind::LimitExceeded);
    assert_eq!(kind(key.mac_raw(&long)), ErrorKind::LimitExceeded);
    assert_eq!(kind(key.verify_mac(&long, &code)), ErrorKind::LimitExceeded);
    assert_eq!(kind(key.verify_mac_raw(&long, &code[5..])), ErrorKind::LimitExceeded);
}

/// What another open store made after our last look verifies and opens here at once.
#[test]
fn news_of_another_process_is_found() {
    let home = Home::new();
    let ours = home.open();
    let patient = OpenOptions::new().refresh_interval(std::time::Duration::from_secs(600));
    key_of(&ours, Algorithm::HmacSha256);
    ours.create_key("siv", &CreateKey::new().algorithm(Algorithm::Aes256Siv)).unwrap();
    let theirs = home.open_with(&patient.max_stale(std::time::Duration::from_secs(600))).unwrap();
    let (key, siv) = (theirs.key("key").unwrap(), theirs.key("siv").unwrap());
    key.verify_mac(b"d", key.mac(b"d").unwrap()).unwrap();
    assert_eq!(siv.search_ciphertexts(b"d", b"").unwrap().len(), 1);
    ours.rotate_key("key").unwrap();
    key.verify_mac(b"d", ours.key("key").unwrap().mac(b"d").unwrap()).unwrap();
    ours.rotate_key("key").unwrap();
    key.verify_mac_raw(b"d", &ours.key("key").unwrap().mac_raw(b"d").unwrap()).unwrap();
    ours.rotate_key("siv").unwrap();
    let sealed = ours.key("siv").unwrap().encrypt(b"d", b"").unwrap();
    assert_eq!(siv.decrypt(&sealed, b"").unwrap(), b"d"[..]);
    assert_eq!(siv.search_ciphertexts(b"d", b"").unwrap()[0], sealed);
}

#[test]
fn derived_keys_follow_purpose_length_and_version() {
    let home = Home::new();
    let store = home.open();
    store.create_key("root", &CreateKey::new().kind(KeyKind::Derive)).unwrap();
    let derive = |purpose: &str, length: usize, version: Option<u32>| {
        store.derive_key("root", purpose, length, version).unwrap().to_vec()
    };
    let first = derive("cookies", 32, None);
    assert_eq!(first.len(), 32);
    assert_eq!(derive("cookies", 32, Some(1)), first);
    assert_ne!(derive("cookie", 32, None), first);
    assert_ne!(derive("cookies", 33, None)[..32], first, "the length belongs to it");
    store.rotate_key("root").unwrap();
    assert_ne!(derive("cookies", 32, None), first, "the current version is another");
    assert_eq!(derive("cookies", 32, Some(1)), first);
    assert_eq!(derive("cookies", 32, Some(2)), derive("cookies", 32, None));
    store.close();
    let again = home.open();
    assert_eq!(again.derive_key("root", "cookies", 32, Some(1)).unwrap(), first[..]);
    assert_eq!(kind(store.derive_key("root", "cookies", 32, None)), ErrorKind::Closed);
}

#[test]
fn what_may_be_derived_is_bounded() {
    let home = Home::new();
    let store = home.open();
    store.create_key("root", &CreateKey::new().kind(KeyKind::Derive)).unwrap();
    let derive = |purpose: &str, length, version| store.derive_key("root", purpose, length, version);
    assert_eq!(kind(derive("", 32, None)), ErrorKind::InvalidArgument);
    assert_eq!(kind(derive("p", 0, None)), ErrorKind::InvalidArgument);
    assert_eq!(derive("p", 1, None).unwrap().len(), 1);
    assert_eq!(derive("p", limits::DERIVED_BYTES, None).unwrap().len(), 8160);
    assert_eq!(kind(derive("p", limits::DERIVED_BYTES + 1, None)), ErrorKind::LimitExceeded);
    assert_eq!(kind(derive("p", usize::MAX, None)), ErrorKind::LimitExceeded);
    let longest = "é".repeat(limits::DERIVE_PURPOSE_BYTES / 2) + "p";
    assert!(derive(&longest, 32, None).is_ok());
    assert_eq!(kind(derive(&(longest + "p"), 32, None)), ErrorKind::LimitExceeded);
    for absent in [0, 2, u32::MAX] {
        let error = derive("p", 32, Some(absent)).unwrap_err();
        assert_eq!((error.kind(), error.version()), (ErrorKind::NotFound, Some(absent)));
    }
    assert_eq!(kind(store.derive_key("absent", "p", 32, None)), ErrorKind::NotFound);
    assert_eq!(kind(store.derive_key("", "p", 32, None)), ErrorKind::InvalidArgument);
    for mode in [Mode::Use, Mode::Metadata] {
        let other = home.open_with(&OpenOptions::new().mode(mode)).unwrap();
        assert_eq!(kind(other.derive_key("root", "p", 32, None)), ErrorKind::PermissionDenied);
    }
}

#[test]
fn kinds_do_not_share_keys() {
    let home = Home::new();
    let store = home.open();
    store.create_key("a", &CreateKey::new().algorithm(Algorithm::HmacSha256)).unwrap();
    store.create_key("b", &CreateKey::new().algorithm(Algorithm::HmacSha256)).unwrap();
    let (a, b) = (store.key("a").unwrap(), store.key("b").unwrap());
    assert_ne!(a.mac_raw(b"d").unwrap(), b.mac_raw(b"d").unwrap());
    assert_eq!(kind(b.verify_mac(b"d", a.mac(b"d").unwrap())), ErrorKind::VerificationFailed);
    assert_eq!(kind(b.verify_mac_raw(b"d", &a.mac_raw(b"d").unwrap())), ErrorKind::VerificationFailed);
}
