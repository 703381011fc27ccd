//! Every way to encrypt and to decrypt, held against the others: they agree, and they refuse alike.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::{Home, Random};
use keyfold::{
    Aad, Aads, Algorithm, Context, CreateKey, Error, ErrorKind, FileOptions, Key, KeyKind, OnError,
    OpenOptions, Result, Timestamp, limits,
};

/// A way to make something under the current version.
type Make = (&'static str, fn(&Key) -> Result<()>);

const MESSAGES: [Make; 7] = [
    ("encrypt", |key| key.encrypt(b"m", Aad::NONE).map(drop)),
    ("encrypt_text", |key| key.encrypt_text("m", Aad::NONE).map(drop)),
    ("encryption", |key| key.encryption().map(drop)),
    ("encrypt_many", |key| key.encrypt_many(&[Some(b"m")], Aad::NONE).map(drop)),
    ("encrypt_many_text", |key| key.encrypt_many_text(&[Some("m")], Aad::NONE).map(drop)),
    ("batch_encryption", |key| key.batch_encryption(Aad::NONE, 1).map(drop)),
    ("encrypt_many of each", |key| key.encrypt_many(&[Some(b"m")], &[Aad::NONE][..]).map(drop)),
];
const STREAMS: [Make; 3] = [
    ("encrypt_stream", |key| key.encrypt_stream(&b"m"[..], std::io::sink(), Aad::NONE).map(drop)),
    ("stream_encryptor", |key| key.stream_encryptor(Aad::NONE).map(drop)),
    ("encrypt_file", |key| {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        std::fs::write(&from, "m").unwrap();
        let outcome = key.encrypt_file(&from, &to, Aad::NONE, &FileOptions::new()).map(drop);
        assert_eq!(outcome.is_ok(), to.exists());
        outcome
    }),
];
const CODES: [Make; 2] =
    [("mac", |key| key.mac(b"m").map(drop)), ("mac_raw", |key| key.mac_raw(b"m").map(drop))];

fn makes(algorithm: Algorithm) -> &'static [Make] {
    match algorithm.kind() {
        KeyKind::Aead | KeyKind::Deterministic => &MESSAGES,
        KeyKind::Stream => &STREAMS,
        KeyKind::Mac => &CODES,
        _ => &[],
    }
}

/// `docs/key-life.md`: whatever makes something does so only until the version expires.
#[test]
fn an_expired_version_makes_nothing_in_any_way() {
    let home = Home::new();
    let time = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = Arc::clone(&time);
    let now = move || Timestamp::from_milliseconds(clock.load(Ordering::Relaxed));
    let store = home.open_with(&OpenOptions::new().create(true).clock(now)).unwrap();
    let mut made = 0;
    for algorithm in Algorithm::ALL {
        let options = CreateKey::new().algorithm(algorithm).expires_in(Duration::from_secs(1));
        store.create_key(algorithm.name(), &options).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        for (name, make) in makes(algorithm) {
            make(&key).unwrap_or_else(|error| panic!("{algorithm} {name}: {error}"));
        }
    }
    time.fetch_add(1000, Ordering::Relaxed);
    for algorithm in Algorithm::ALL {
        let key = store.key(algorithm.name()).unwrap();
        for (name, make) in makes(algorithm) {
            match make(&key) {
                Err(error) if error.kind() == ErrorKind::KeyUnavailable => made += 1,
                other => panic!("{algorithm} {name}: {other:?}"),
            }
        }
    }
    assert_eq!(made, 5 * MESSAGES.len() + STREAMS.len() + 2 * CODES.len());
}

/// `docs/message-limits.md`: whatever is encrypted counts, a stream once.
#[test]
fn whatever_is_encrypted_counts() {
    let home = Home::new();
    let mut store = home.open();
    for algorithm in Algorithm::ALL {
        let kind = algorithm.kind();
        if kind == KeyKind::Mac || kind == KeyKind::Derive {
            continue;
        }
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let mut sealed = 0;
        for (name, make) in makes(algorithm) {
            make(&key).unwrap();
            sealed += u64::from(!["encryption", "batch_encryption"].contains(name));
        }
        // Closing writes down what is counted afterwards.
        store.close();
        store = home.open();
        let counted = store.key_usage(algorithm.name()).unwrap()[0].messages;
        match algorithm {
            Algorithm::Aes256Gcm => assert_eq!(counted, limits::FIRST_LEASE),
            _ => assert_eq!(counted, sealed, "{algorithm}"),
        }
    }
}

/// Every way to open gives the same.
fn opened(key: &Key, sealed: &[u8], aad: Aad<'_>) -> std::result::Result<Vec<u8>, Vec<Error>> {
    let mut results: Vec<Result<Vec<u8>>> = Vec::new();
    let text = keyfold::to_text(sealed);
    results.push(key.decrypt(sealed, aad).map(|plaintext| plaintext.to_vec()));
    results.push(key.decrypt(&text, aad).map(|plaintext| plaintext.to_vec()));
    results.push(key.decryption(sealed).and_then(|decryption| {
        let mut out = vec![7; decryption.length()];
        let outcome = decryption.write(aad, &mut out);
        assert!(outcome.is_ok() || out.iter().all(|byte| *byte == 0), "wiped");
        outcome.map(|()| out)
    }));
    for aads in [Aads::One(aad), Aads::Each(&[aad, aad, aad])] {
        let values = [None, Some(sealed), Some(text.as_bytes())];
        let mut parts = [Ok(Vec::new()), Ok(Vec::new())];
        match key.decrypt_many(&values, aads, OnError::Return) {
            Err(error) => {
                parts = [Err(error), Err(key.decrypt_many(&values, aads, OnError::Raise).unwrap_err())]
            }
            Ok(batch) => {
                for (place, part) in parts.iter_mut().enumerate() {
                    *part = match batch.get(place + 1) {
                        Ok(plaintext) => Ok(plaintext.unwrap().to_vec()),
                        Err(error) => {
                            assert_eq!(error.index(), Some(place + 1));
                            Err(key.decrypt_many(&values[place + 1..], aad, OnError::Raise).unwrap_err())
                        }
                    };
                }
            }
        }
        results.extend(parts);
    }
    let good: Vec<&Vec<u8>> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    if good.len() == results.len() {
        assert!(good.iter().all(|plaintext| *plaintext == good[0]));
        return Ok(good[0].clone());
    }
    assert!(good.is_empty(), "some ways open it: {results:?}");
    Err(results.into_iter().map(Result::unwrap_err).collect())
}

fn sealed(key: &Key, message: &[u8], aad: Aad<'_>) -> Vec<Vec<u8>> {
    let mut all = vec![key.encrypt(message, aad).unwrap()];
    let encryption = key.encryption().unwrap();
    let mut out = vec![7; encryption.length(message.len()).unwrap()];
    encryption.write(message, aad, &mut out).unwrap();
    all.push(out);
    for aads in [Aads::One(aad), Aads::Each(&[aad, aad])] {
        let batch = key.encrypt_many(&[None, Some(message)], aads).unwrap();
        assert_eq!(batch.get(0), None);
        all.push(batch.get(1).unwrap().to_vec());
        if let Ok(text) = std::str::from_utf8(message) {
            let batch = key.encrypt_many_text(&[Some(text), None], aads).unwrap();
            all.push(keyfold::from_text(batch.get(0).unwrap()).unwrap());
        }
    }
    if let Ok(text) = std::str::from_utf8(message) {
        all.push(keyfold::from_text(&key.encrypt_text(text, aad).unwrap()).unwrap());
    }
    all
}

const ENCRYPTING: [Algorithm; 5] = [
    Algorithm::Aes256GcmSiv,
    Algorithm::Aes256Gcm,
    Algorithm::Xaes256Gcm,
    Algorithm::XChaCha20Poly1305,
    Algorithm::Aes256Siv,
];

#[test]
fn every_way_agrees_with_every_other() {
    let mut random = Random::new("every_way_agrees_with_every_other");
    let home = Home::new();
    let store = home.open();
    for algorithm in ENCRYPTING {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for round in 0..40 {
            if round % 10 == 9 {
                store.rotate_key(algorithm.name()).unwrap();
            }
            let (length, more) = ([0, 1, 15, 16, 17, 31, 255, 256, 767, 5000][round % 10], random.below(40));
            let bytes = random.bytes(length + more * (round / 10));
            let message = if round % 2 == 0 { common::hex(&bytes).into_bytes() } else { bytes };
            let place = Context::new().with("row", round as u64).with("é", &random.bytes(round)[..]);
            let raw = random.bytes([0, 1, 13, 300, 70_000][round % 5]);
            for aad in [Aad::Raw(&raw), Aad::Context(&place), Aad::NONE] {
                for sealed in sealed(&key, &message, aad) {
                    assert_eq!(opened(&key, &sealed, aad).unwrap(), message, "{algorithm}");
                    if algorithm != Algorithm::Aes256Siv {
                        assert!(seen.insert(sealed[5..5 + 12].to_vec()), "a nonce twice");
                    }
                }
                // A context is its documented bytes, in every way.
                let sealed = key.encrypt(&message, &place).unwrap();
                assert_eq!(opened(&key, &sealed, Aad::Raw(&place.to_aad().unwrap())).unwrap(), message);
            }
        }
    }
}

/// What is told of a failure, but for the place in a batch.
fn told(error: &Error) -> String {
    assert!(std::error::Error::source(error).is_none());
    format!("{:?} {:?} {:?} {:?}", error.kind(), error.message(), error.key_id(), error.version())
}

#[test]
fn whatever_is_wrong_every_way_says_the_same() {
    let mut random = Random::new("whatever_is_wrong_every_way_says_the_same");
    let home = Home::new();
    let store = home.open();
    for algorithm in ENCRYPTING {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        store.rotate_key(algorithm.name()).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let good = key.encrypt(b"a message", b"aad").unwrap();
        let other = store.list_key_versions(algorithm.name()).unwrap()[1].tag;
        let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        bad.push([&good[..], b"."].concat());
        bad.push([&good[..1], &other.to_be_bytes(), &good[5..]].concat());
        bad.push([&good[..1], &[0; 4], &good[5..]].concat());
        bad.push([b"\0", &good[1..]].concat());
        bad.push(good[5..].to_vec());
        for _ in 0..20 {
            let mut changed = good.clone();
            let place = random.below(good.len());
            changed[place] ^= 1 << random.below(8);
            bad.push(changed);
            let length = random.below(100);
            bad.push(random.bytes(length));
        }
        let mut said = std::collections::BTreeSet::new();
        for bad in &bad {
            said.extend(opened(&key, bad, Aad::Raw(b"aad")).unwrap_err().iter().map(told));
        }
        for aad in [&b""[..], b"aae", b"aad ", &vec![0; limits::AAD_BYTES]] {
            said.extend(opened(&key, &good, Aad::Raw(aad)).unwrap_err().iter().map(told));
        }
        for text in ["kf1.", "kf1.!", "kf1.AQ=", "kf1.AR", "kf1.AQ\n", "kf1.kf1.AQ", "", "kf2.AQAAAAE", "é"]
        {
            said.insert(told(&key.decrypt(text, b"aad").unwrap_err()));
            said.insert(told(&key.decrypt_text(text, b"aad").unwrap_err()));
            for error in [OnError::Raise, OnError::Return] {
                let told_of = |values: Result<keyfold::PlaintextBatch>| match values {
                    Ok(batch) => told(batch.get(0).unwrap_err()),
                    Err(error) => told(&error),
                };
                said.insert(told_of(key.decrypt_many(&[Some(text.as_bytes())], Aad::Raw(b"aad"), error)));
                said.insert(told_of(key.decrypt_many_text(&[Some(text)], Aad::Raw(b"aad"), error)));
            }
            said.insert(told(&key.needs_reencrypt(text).unwrap_err()));
            said.insert(told(&key.reencrypt(text.as_bytes(), b"aad").unwrap_err()));
            said.insert(told(&key.reencrypt_text(text, b"aad").unwrap_err()));
        }
        // Not UTF-8.
        let binary = keyfold::to_text(&key.encrypt(b"\xff", b"aad").unwrap());
        said.insert(told(&key.decrypt_text(&binary, b"aad").unwrap_err()));
        said.insert(told(
            &key.decrypt_many_text(&[Some(&binary[..])], Aad::Raw(b"aad"), OnError::Raise).unwrap_err(),
        ));
        assert_eq!(said.len(), 1, "{algorithm}: {said:#?}");
    }
}
