//! Work whose instructions tests/proof/timing.py counts under callgrind: in each group all variants must take the same
//! number of them, since they differ in bytes that an attacker would like to learn of.
//!
//! Each line that it prints names one call of [`keyfold_measured`], in order; `!` marks calls to warm up.

use std::hint::black_box;
use std::io::sink;
use std::path::PathBuf;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use keyfold::{
    Aad, Algorithm, ImportKey, ImportKeyset, IndexOptions, Key, KeyEncoding, KeyKind, KeysetFormat,
    KeysetProtection, MasterKey, OpenOptions, RecoveryKey, Shares, Store,
};

/// What callgrind counts, and nothing else.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn keyfold_measured(work: &dyn Fn(&Input), input: &Input) {
    work(input);
}

/// What the variants of a group differ in. All of them are copied to one place before they are used: where bytes lie,
/// copying them takes a few instructions more or less.
#[derive(Clone, Default)]
pub struct Input {
    first: Vec<u8>,
    second: Vec<u8>,
    /// Which key, where the variants have keys of their own.
    which: usize,
}

/// How often each variant is counted. The allocator's state adds a few instructions to some calls, whatever they are
/// of: the least of each variant's counts is what it takes.
const ROUNDS: usize = 6;

/// Rounds before that: the allocator and the linker settle.
const WARMING: usize = 3;

/// Runs the variants in turns, beginning with another one in each round.
fn group(name: &str, variants: &[(&str, Input)], work: &dyn Fn(&Input)) {
    let mut here = Input { first: Vec::with_capacity(8192), second: Vec::with_capacity(8192), which: 0 };
    for round in 0..WARMING + ROUNDS {
        for place in 0..variants.len() {
            let (variant, input) = &variants[(place + round) % variants.len()];
            here.first.clear();
            here.first.extend_from_slice(&input.first);
            here.second.clear();
            here.second.extend_from_slice(&input.second);
            here.which = input.which;
            let mark = if round < WARMING { "!" } else { "" };
            println!("{mark}{name}\t{variant}");
            keyfold_measured(work, &here);
        }
    }
}

fn input(first: &[u8], second: &[u8]) -> Input {
    Input { first: first.to_vec(), second: second.to_vec(), which: 0 }
}

/// A copy with one bit changed.
fn changed(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    bytes
}

/// The same length of other bytes, which follow from the number alone.
fn bytes(length: usize, number: u64) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn imported(store: &Store, id: &str, algorithm: Algorithm, number: u64) -> Key {
    let length = match algorithm {
        Algorithm::Aes256Siv | Algorithm::HmacSha512 => 64,
        _ => 32,
    };
    let options = ImportKey::new().kind(algorithm.kind()).algorithm(algorithm);
    store.import_key(id, &bytes(length, number), KeyEncoding::Raw, &options).unwrap();
    store.key(id).unwrap()
}

/// A ciphertext, and each way in which it, or its associated data, may be wrong. `head` bytes in front stay.
fn wrong(sealed: &[u8], head: usize, nonce: usize, tag_in_front: bool) -> Vec<(&'static str, Input)> {
    let end = sealed.len();
    let (tag, body) = match tag_in_front {
        true => (head..head + 16, head + 16..end),
        false => (end - 16..end, head + nonce..end - 16),
    };
    let mut places = vec![
        ("tag, first byte", tag.start),
        ("tag, in the middle", tag.start + 7),
        ("tag, last byte", tag.end - 1),
        ("body, first byte", body.start),
        ("body, last byte", body.end - 1),
    ];
    if nonce > 0 {
        places.extend([("nonce, first byte", head), ("nonce, last byte", head + nonce - 1)]);
    }
    let mut variants: Vec<_> =
        places.into_iter().map(|(what, place)| (what, input(&changed(sealed, place), AAD))).collect();
    let mut whole = sealed.to_vec();
    whole[tag].iter_mut().for_each(|byte| *byte = !*byte);
    variants.push(("tag, every bit", input(&whole, AAD)));
    variants.push(("aad, first byte", input(sealed, &changed(AAD, 0))));
    variants.push(("aad, last byte", input(sealed, &changed(AAD, AAD.len() - 1))));
    variants
}

const AAD: &[u8] = b"users.email, row 4711";

fn aeads(store: &Store) {
    for algorithm in [Algorithm::AEAD.as_slice(), &[Algorithm::Aes256Siv]].concat() {
        let key = imported(store, algorithm.name(), algorithm, 1);
        let siv = algorithm == Algorithm::Aes256Siv;
        let nonce = if siv { 0 } else { algorithm.nonce_length() };
        for length in [1, 32, 1000] {
            let sealed = key.encrypt(&bytes(length, 2), AAD).unwrap();
            let variants = wrong(&sealed, 5, nonce, siv);
            group(&format!("decrypt, refused: {algorithm}, {length} bytes"), &variants, &|input| {
                assert!(black_box(key.decrypt(&input.first, &input.second[..])).is_err());
            });
            let mut texts = variants;
            texts.iter_mut().for_each(|(_, input)| input.first = keyfold::to_text(&input.first).into_bytes());
            group(&format!("decrypt_text, refused: {algorithm}, {length} bytes"), &texts, &|input| {
                let text = std::str::from_utf8(&input.first).unwrap();
                assert!(black_box(key.decrypt_text(text, &input.second[..])).is_err());
            });
        }
        opened(store, algorithm);
    }
}

const NUMBERS: [&str; 4] = ["secrets 0", "secrets 1", "secrets 2", "secrets 3"];

/// Bytes that differ in everything but their length.
fn data(number: usize) -> Vec<u8> {
    match number {
        0 => vec![0; 100],
        1 => vec![0xff; 100],
        _ => bytes(100, 5 + number as u64),
    }
}

fn keys(store: &Store, name: &str, algorithm: Algorithm) -> Vec<Key> {
    let id = |number| format!("{name}-{algorithm}-{number}");
    (0..NUMBERS.len()).map(|number| imported(store, &id(number), algorithm, 100 + number as u64)).collect()
}

/// What opens, of other plaintexts of the same length.
fn opened(store: &Store, algorithm: Algorithm) {
    let key = imported(store, &format!("opened-{algorithm}"), algorithm, 100);
    let sealed = |number: usize| key.encrypt(&data(number), AAD).unwrap();
    let variants: Vec<_> =
        (0..NUMBERS.len()).map(|number| (NUMBERS[number], input(&sealed(number), AAD))).collect();
    group(&format!("decrypt, opened: {algorithm}, 100 bytes"), &variants, &|input| {
        assert!(black_box(key.decrypt(&input.first, &input.second[..])).is_ok());
    });
}

fn streams(store: &Store) {
    let key = imported(store, "files", Algorithm::Aes256GcmHkdf1Mb, 2);
    let mut sealed = Vec::new();
    key.encrypt_stream(&bytes(1000, 3)[..], &mut sealed, AAD).unwrap();
    // In front: its own length, a salt of 32 bytes, and a nonce's prefix of 7.
    let mut variants = wrong(&sealed, 40, 0, false);
    variants.push(("salt, first byte", input(&changed(&sealed, 1), AAD)));
    variants.push(("salt, last byte", input(&changed(&sealed, 32), AAD)));
    group("decrypt_stream, refused: AES256_GCM_HKDF_1MB, 1000 bytes", &variants, &|input| {
        assert!(key.decrypt_stream(&input.first[..], sink(), &input.second[..]).is_err());
    });
}

fn macs(store: &Store) {
    for algorithm in [Algorithm::HmacSha256, Algorithm::HmacSha512] {
        let key = imported(store, algorithm.name(), algorithm, 4);
        let data = bytes(100, 7);
        let mac = key.mac(&data).unwrap();
        let last = mac.len() - 1;
        let variants = [
            ("code, first byte", input(&data, &changed(&mac, 5))),
            ("code, in the middle", input(&data, &changed(&mac, last / 2))),
            ("code, last byte", input(&data, &changed(&mac, last))),
            ("data, first byte", input(&changed(&data, 0), &mac)),
            ("data, last byte", input(&changed(&data, 99), &mac)),
        ];
        group(&format!("verify_mac, refused: {algorithm}, 100 bytes"), &variants, &|input| {
            assert!(key.verify_mac(&input.first, &input.second).is_err());
        });
        group(&format!("verify_mac_raw, refused: {algorithm}, 100 bytes"), &variants, &|input| {
            assert!(key.verify_mac_raw(&input.first, &input.second[5..]).is_err());
        });
    }
}

/// What is made of secret bytes of one length.
fn made(store: &Store) {
    let variants: Vec<_> = (0..NUMBERS.len())
        .map(|number| (NUMBERS[number], Input { which: number, ..input(&data(number), AAD) }))
        .collect();
    for algorithm in [Algorithm::HmacSha256, Algorithm::HmacSha512] {
        let keys = keys(store, "mac", algorithm);
        group(&format!("mac: {algorithm}, 100 bytes"), &variants, &|input| {
            black_box(keys[input.which].mac(&input.first)).unwrap();
        });
    }
    let siv = keys(store, "siv", Algorithm::Aes256Siv);
    group("encrypt: AES256_SIV, 100 bytes", &variants, &|input| {
        black_box(siv[input.which].encrypt(&input.first, &input.second[..])).unwrap();
    });
    let indexed = keys(store, "indexed", Algorithm::Aes256GcmSiv);
    let options = IndexOptions::new();
    group("blind_index, 100 bytes", &variants, &|input| {
        black_box(indexed[input.which].blind_index(&input.first, "users.email", &options)).unwrap();
    });
}

/// The one comparison of MACs, commitments, hashes and fingerprints, by way of a plaintext's, which is it.
fn comparisons(store: &Store) {
    let key = imported(store, "compared", Algorithm::Aes256GcmSiv, 11);
    for length in [32, 64] {
        let right = bytes(length, 12);
        let plaintext = key.decrypt(key.encrypt(&right, Aad::NONE).unwrap(), Aad::NONE).unwrap();
        let variants = [
            ("first byte", input(&changed(&right, 0), b"")),
            ("in the middle", input(&changed(&right, length / 2), b"")),
            ("last byte", input(&changed(&right, length - 1), b"")),
            ("every byte", input(&vec![0; length], b"")),
        ];
        group(&format!("a comparison, {length} bytes"), &variants, &|input| {
            assert!(black_box(&plaintext) != &input.first[..]);
        });
        group(
            &format!("early: a comparison that stops at a difference, {length} bytes"),
            &variants,
            &|input| {
                let same = |(one, other)| black_box::<&u8>(one) == black_box(other);
                assert!(!right.iter().zip(&input.first).all(same));
            },
        );
    }
}

/// Secrets read from text, and the right ones at that: no letter of them may be seen.
fn texts(store: &Store) {
    let variants = |text: &dyn Fn(usize) -> String| -> Vec<(&'static str, Input)> {
        (0..NUMBERS.len()).map(|number| (NUMBERS[number], input(text(number).as_bytes(), b""))).collect()
    };
    let secret = |number: usize| bytes(32, 300 + number as u64);
    fn text(input: &Input) -> &str {
        std::str::from_utf8(&input.first).unwrap()
    }
    let base64 = variants(&|number| Base64::encode_string(&secret(number)));
    let hex = variants(&|number| match number % 2 {
        0 => secret(number).iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => secret(number).iter().map(|byte| format!("{byte:02X}")).collect(),
    });
    group("MasterKey::parse, base64", &base64, &|input| drop(MasterKey::parse(text(input)).unwrap()));
    // Too short for the algorithm, which is said once the text was read: nothing is written.
    let options = ImportKey::new().kind(KeyKind::Deterministic).algorithm(Algorithm::Aes256Siv);
    for (encoding, variants) in [(KeyEncoding::Base64, &base64), (KeyEncoding::Hex, &hex)] {
        group(&format!("import_key, {}", encoding.name()), variants, &|input| {
            assert!(store.import_key("x", &input.first, encoding, &options).is_err());
        });
    }
    let printed = variants(&|_| RecoveryKey::generate().unwrap().reveal().to_string());
    group("MasterKey::recovery_key", &printed, &|input| drop(MasterKey::recovery_key(text(input)).unwrap()));
    let shares = variants(&|_| {
        let texts = Shares::split(3, 5).unwrap().reveal();
        texts[..3].iter().map(|text| text.as_str()).collect::<Vec<_>>().join(" / ")
    });
    group("MasterKey::shares, 3 of 5", &shares, &|input| {
        let texts: Vec<&str> = text(input).split(" / ").collect();
        drop(MasterKey::shares(&texts).unwrap());
    });
}

/// The commitment of a keyset under a passphrase, behind Argon2id of the cost that keyfold exports with.
fn commitments(store: &Store) {
    let options = ImportKey::new().exportable(true);
    store.import_key("carried", &bytes(32, 13), KeyEncoding::Raw, &options).unwrap();
    let way = KeysetProtection::Passphrase(b"correct horse battery staple");
    let keyset = store.export_keyset("carried", KeysetFormat::Json, way).unwrap();
    let text = std::str::from_utf8(&keyset.bytes).unwrap().trim_end().strip_prefix("kfks1.").unwrap();
    let envelope = Base64UrlUnpadded::decode_vec(text).unwrap();
    // Behind three costs and the salt.
    let with = |place: usize| {
        let text = Base64UrlUnpadded::encode_string(&changed(&envelope, 12 + 32 + place));
        input(format!("kfks1.{text}").as_bytes(), b"")
    };
    let variants = [("first byte", with(0)), ("last byte", with(31))];
    group("import_keyset, refused by the commitment", &variants, &|input| {
        assert!(store.import_keyset("x", &input.first, way, &ImportKeyset::new()).is_err());
    });
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("tests/proof/timing.py runs this; it wants a folder");
        return;
    };
    let options = OpenOptions::new().create(true).refresh_interval(Duration::from_secs(3600));
    let options = options.max_stale(Duration::from_secs(24 * 3600));
    let master_key = MasterKey::bytes(&bytes(32, 500)).unwrap();
    let store = Store::open_with(folder.join("timing.keyfold"), &master_key, &options).unwrap();
    comparisons(&store);
    aeads(&store);
    streams(&store);
    macs(&store);
    made(&store);
    texts(&store);
    if arguments.next().is_some_and(|word| word == "long") {
        commitments(&store);
    }
}
