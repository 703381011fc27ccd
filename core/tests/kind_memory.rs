//! Secrets of every kind leave nothing in this process's memory once all is dropped, whatever the heap looks like.
#![cfg(target_os = "linux")]

mod common;

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::search::{Wanted, wipe};
use common::{Home, Random};
use hmac::{Hmac, KeyInit, Mac};
use keyfold::{
    Aad, Algorithm, CreateKey, ImportKey, ImportKeyset, IndexOptions, IndexScope, KeyEncoding, KeysetFormat,
    KeysetProtection, MasterKey, OnError, Passphrase, RecoveryKey, Shares, Store,
};
use sha2::Sha256;

/// Each searches all memory, that of the other test too.
static ALONE: Mutex<()> = Mutex::new(());

/// HKDF-SHA256 of 32 bytes, by its definition.
fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let mac = |key: &[u8], parts: &[&[u8]]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    mac(&mac(salt, &[ikm]), &[info, &[1]])
}

/// What HMAC-SHA256 keeps of its key: who has it can make codes.
fn halfway(key: &[u8], pad: u8) -> [u8; 32] {
    let mut state = [
        0x6a09_e667u32,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    sha2::block_api::compress256(&mut state, &[block]);
    wipe(&mut block);
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(4).zip(state).for_each(|(to, word)| to.copy_from_slice(&word.to_ne_bytes()));
    bytes
}

/// What a printed secret holds; `skip` bytes in front are no secret.
fn printed(text: &str, skip: usize) -> Vec<u8> {
    let letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut bits = Vec::new();
    for group in text[5..].split('-') {
        for letter in group[..5].chars() {
            let value = letters.find(letter).unwrap();
            bits.extend((0..5).rev().map(|bit| (value >> bit & 1) as u8));
        }
    }
    let byte = |bits: &[u8]| bits.iter().fold(0, |sum, bit| sum << 1 | bit);
    let bytes = bits.chunks(8).skip(skip).take(32).map(byte).collect();
    wipe(&mut bits);
    bytes
}

/// Leaves the heap in another order each time.
fn stir(random: &mut Random, kept: &mut Vec<Vec<u8>>) {
    for _ in 0..200 {
        kept.push(vec![0xee; 1 + random.below(3000)]);
    }
    for _ in 0..100 {
        let place = random.below(kept.len());
        kept.swap_remove(place);
    }
}

/// Uses a key as its kind does, and notes what comes of it that is secret too.
fn used(store: &Store, id: &str, algorithm: Algorithm, material: &[u8], wanted: &mut Wanted) {
    let key = store.key(id).unwrap();
    match algorithm {
        Algorithm::HmacSha256 | Algorithm::HmacSha512 => {
            let code = key.mac(b"data").unwrap();
            key.verify_mac(b"data", &code).unwrap();
            key.verify_mac_raw(b"data", &code[5..]).unwrap();
            if algorithm == Algorithm::HmacSha256 {
                for (name, pad) in [("inner", 0x36), ("outer", 0x5c)] {
                    let mut state = halfway(material, pad);
                    wanted.add(&format!("{name} state of {algorithm}"), &state);
                    wipe(&mut state);
                    zeroize::zeroize_stack::<{ 32 << 10 }>();
                }
            }
        }
        Algorithm::HkdfSha256 => {
            let derived = store.derive_key(id, "purpose", 64, None).unwrap();
            wanted.add("derived", &derived);
        }
        Algorithm::Aes256GcmHkdf1Mb => {
            let mut sealed = Vec::new();
            key.encrypt_stream(&b"data"[..], &mut sealed, b"aad").unwrap();
            let mut segments = hkdf(material, &sealed[1..33], b"aad");
            wanted.add("segments' key", &segments);
            wipe(&mut segments);
            zeroize::zeroize_stack::<{ 32 << 10 }>();
            key.decrypt_stream(&sealed[..], std::io::sink(), b"aad").unwrap();
            let mut parts = key.stream_decryptor(b"aad").unwrap();
            parts.update(&sealed, &mut Vec::new()).unwrap();
            parts.finish(&mut Vec::new()).unwrap();
        }
        _ => {
            let sealed = key.encrypt(b"data", b"aad").unwrap();
            key.decrypt(&sealed, b"aad").unwrap();
            key.decrypt(&sealed, b"aae").unwrap_err();
            let many = key.encrypt_many(&[Some(b"data"), None], Aad::NONE).unwrap();
            key.decrypt_many(&many.iter().collect::<Vec<_>>(), Aad::NONE, OnError::Raise).unwrap();
            if algorithm == Algorithm::Aes256Siv {
                key.search_ciphertexts(b"data", b"aad").unwrap();
            }
        }
    }
    let options = IndexOptions::new();
    key.blind_index(b"data", "field", &options).unwrap();
    key.blind_indexes_compound(&[("a", b"data"), ("b", b"data")], &options).unwrap();
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

#[test]
fn nothing_of_any_secret_stays_behind() {
    let _alone = common::alone(&ALONE);
    let mut random = Random::new("nothing_of_any_secret_stays_behind");
    let mut kept = Vec::new();
    let mut wanted = Wanted::default();
    for round in 0..4 {
        let home = Home::new();
        let store = home.open();
        let mut order: Vec<_> = (0..KINDS.len()).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, random.below(place + 1));
        }
        for place in order {
            let (algorithm, length) = KINDS[place];
            stir(&mut random, &mut kept);
            let mut material = random.bytes(length);
            wanted.add(&format!("{algorithm} {round}"), &material);
            // As it lies in a keyset in JSON, behind whatever stands before it in its message.
            for before in 0..3 {
                let mut message = [&vec![0; before][..], &material].concat();
                let mut text = STANDARD.encode(&message).into_bytes();
                wanted.add(&format!("{algorithm} {round} in base64"), &text[4..36]);
                wipe(&mut text);
                wipe(&mut message);
            }
            let options = ImportKey::new().algorithm(algorithm).exportable(true).purpose("pii");
            store.import_key(algorithm.name(), &material, KeyEncoding::Raw, &options).unwrap();
            used(&store, algorithm.name(), algorithm, &material, &mut wanted);
            wipe(&mut material);
            stir(&mut random, &mut kept);
            for format in KeysetFormat::ALL {
                let clear = KeysetProtection::InsecureCleartext;
                let keyset = store.export_keyset(algorithm.name(), format, clear).unwrap();
                let id = format!("{algorithm}-{}", format.name());
                store.import_keyset(&id, &keyset.bytes, clear, &ImportKeyset::new()).unwrap();
                if format == KeysetFormat::Json {
                    // As writers do that escape what a page of HTML would not take.
                    let mut text = String::with_capacity(8 * keyset.bytes.len());
                    for letter in std::str::from_utf8(&keyset.bytes).unwrap().chars() {
                        match letter {
                            '/' => text.push_str("\\/"),
                            '=' => text.push_str("\\u003d"),
                            _ => text.push(letter),
                        }
                    }
                    let id = format!("{algorithm}-escaped");
                    store.import_keyset(&id, text.as_bytes(), clear, &ImportKeyset::new()).unwrap();
                    wipe(&mut text.into_bytes());
                }
            }
        }
        let salt = store.get_index_salt(IndexScope::Purpose("pii"), None).unwrap();
        wanted.add("index root", &salt);
        if round == 0 {
            // The search finds what is there.
            let live = wanted.found();
            for name in
                ["AES256_GCM_SIV 0", "AES256_SIV 0", "HKDF", "inner state", "outer state", "index root"]
            {
                assert!(live.iter().any(|found| found.name.starts_with(name)), "{name}: {live:#?}");
            }
        }
        drop(salt);
        stir(&mut random, &mut kept);
        store.close();
        drop(store);
    }
    let found = wanted.found();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_of_what_opens_a_store_stays_behind() {
    let _alone = common::alone(&ALONE);
    let mut random = Random::new("nothing_of_what_opens_a_store_stays_behind");
    let mut kept = Vec::new();
    let mut wanted = Wanted::default();
    for round in 0..3 {
        stir(&mut random, &mut kept);
        let mut phrase = String::with_capacity(40);
        (0..40).for_each(|_| phrase.push(char::from(b'a' + random.below(26) as u8)));
        wanted.add(&format!("passphrase {round}"), phrase.as_bytes());
        let mut ways = vec![(
            "passphrase",
            MasterKey::passphrase(Passphrase::new(&phrase).unwrap().with_argon2id(19 << 10, 1, 1).unwrap()),
        )];
        wipe(&mut phrase.into_bytes());
        let recovery = RecoveryKey::generate().unwrap();
        let text = recovery.reveal();
        let mut bytes = printed(&text, 0);
        wanted.add(&format!("recovery key {round}"), &bytes);
        wanted.add(&format!("recovery key's text {round}"), &text.as_bytes()[5..]);
        wipe(&mut bytes);
        ways.push(("recovery", MasterKey::recovery_key(&text).unwrap()));
        drop((text, recovery));
        stir(&mut random, &mut kept);
        let shares = Shares::split(2, 3).unwrap();
        let texts = shares.reveal();
        for text in &texts {
            let mut bytes = printed(text, 6);
            wanted.add(&format!("share {round}"), &bytes);
            wanted.add(&format!("share's text {round}"), &text.as_bytes()[19..]);
            wipe(&mut bytes);
        }
        let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        ways.push(("shares", MasterKey::shares(&texts[1..]).unwrap()));
        drop((texts, shares));
        for (_, way) in &ways {
            let home = Home::new();
            let options = keyfold::OpenOptions::new().create(true);
            let store = Store::open_with(home.path(), way, &options).unwrap();
            store.create_key("k", &CreateKey::new()).unwrap();
            store.encrypt("k", b"ada", b"").unwrap();
            store.rotate_master_key(None).unwrap();
            stir(&mut random, &mut kept);
            store.close();
            drop(store);
            Store::open_with(home.path(), way, &keyfold::OpenOptions::new()).unwrap();
        }
    }
    let found = wanted.found();
    assert!(found.is_empty(), "{found:#?}");
}
