//! Encrypting and decrypting beside the bare AEAD, in one run, round by round.
//!
//! The bare AEAD is aws-lc-rs with its key expanded once, a nonce from a user-space generator, and a new buffer
//! for every message: what a careful caller would write by hand. Medians over rounds, with the spread between
//! the first and third quartile.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad as BareAad, LessSafeKey, Nonce, UnboundKey};
use keyfold::{Aad, Algorithm, CreateKey, MasterKey, OpenOptions, Store};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(15);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let master_key =
        MasterKey::parse(&keyfold::generate_master_key().expect("randomness")).expect("a master key");
    let path = folder.path().join("bench.keyfold");
    let store = Store::open_with(&path, &master_key, &OpenOptions::new().create(true)).expect("a new store");
    println!(
        "{:<22}{:>9}{:>9}  {:>20}  {:>20}  ratio",
        "algorithm", "bytes", "", "keyfold ns", "bare AEAD ns"
    );
    for (algorithm, bare) in
        [(Algorithm::Aes256GcmSiv, &AES_256_GCM_SIV), (Algorithm::Aes256Gcm, &AES_256_GCM)]
    {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).expect("a new key");
        let key = store.key(algorithm.name()).expect("the key");
        let bare = LessSafeKey::new(UnboundKey::new(bare, &[7; 32]).expect("a key of 32 bytes"));
        let mut generator = StdRng::from_os_rng();
        for length in [32usize, 4096, 1 << 20] {
            let plaintext = vec![0x61u8; length];
            let (ours, theirs) = compare(
                || drop(black_box(key.encrypt(black_box(&plaintext), Aad::NONE).expect("a ciphertext"))),
                || drop(black_box(seal(&bare, &mut generator, black_box(&plaintext)))),
            );
            report(algorithm, length, "encrypt", ours, theirs);
            let sealed = key.encrypt(&plaintext, Aad::NONE).expect("a ciphertext");
            let bare_sealed = seal(&bare, &mut generator, &plaintext);
            let (ours, theirs) = compare(
                || drop(black_box(key.decrypt(black_box(&sealed), Aad::NONE).expect("a plaintext"))),
                || drop(black_box(open(&bare, black_box(&bare_sealed)))),
            );
            report(algorithm, length, "decrypt", ours, theirs);
        }
    }
    openings(&folder, &master_key);
}

/// Opening: the same time however many keys there are.
fn openings(folder: &tempfile::TempDir, master_key: &MasterKey) {
    for keys in [10, 1_000, 100_000] {
        let path = folder.path().join(format!("{keys}.keyfold"));
        let store =
            Store::open_with(&path, master_key, &OpenOptions::new().create(true)).expect("a new store");
        let ids: Vec<String> = (0..keys).map(|number| format!("key-{number}")).collect();
        for some in ids.chunks(keyfold::limits::CREATE_KEYS) {
            let some: Vec<_> = some.iter().map(|id| (id.as_str(), CreateKey::new())).collect();
            store.create_keys(&some).expect("new keys");
        }
        store.close();
        let mut open = Vec::new();
        let mut first = Vec::new();
        let mut second = Vec::new();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let store = Store::open_with(&path, master_key, &OpenOptions::new()).expect("the store");
            open.push(started.elapsed().as_nanos() as f64);
            let started = Instant::now();
            store.key("key-7").expect("the key");
            first.push(started.elapsed().as_nanos() as f64);
            let started = Instant::now();
            store.key("key-8").expect("the key");
            second.push(started.elapsed().as_nanos() as f64);
        }
        println!(
            "open, {keys} keys: {:.0} µs; the first key's first use: {:.0} µs, the next one's: {:.0} µs",
            median(&mut open) / 1e3,
            median(&mut first) / 1e3,
            median(&mut second) / 1e3
        );
    }
}

fn seal(key: &LessSafeKey, generator: &mut StdRng, plaintext: &[u8]) -> Vec<u8> {
    let mut nonce = [0u8; 12];
    generator.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(12 + plaintext.len() + 16);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, BareAad::empty(), &mut out[12..]).expect("a tag");
    out.extend_from_slice(tag.as_ref());
    out
}

fn open(key: &LessSafeKey, sealed: &[u8]) -> Vec<u8> {
    let (nonce, rest) = sealed.split_at(12);
    let mut out = rest.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 bytes");
    let length = key.open_in_place(nonce, BareAad::empty(), &mut out).expect("a plaintext").len();
    out.truncate(length);
    out
}

/// Nanoseconds a call of each, measured in turns.
fn compare(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (Vec<f64>, Vec<f64>) {
    let calls = calibrate(&mut ours);
    let mut results = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        results.0.push(measure(calls, &mut ours));
        results.1.push(measure(calls, &mut theirs));
    }
    results
}

fn calibrate(call: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    while measure(calls, call) * f64::from(calls) < ROUND.as_nanos() as f64 {
        calls *= 2;
    }
    calls
}

fn measure(calls: u32, call: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..calls {
        call();
    }
    started.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn report(algorithm: Algorithm, length: usize, what: &str, mut ours: Vec<f64>, mut theirs: Vec<f64>) {
    let ratio = median(&mut ours) / median(&mut theirs);
    println!(
        "{:<22}{length:>9}{what:>9}  {:>20}  {:>20}  {ratio:.2}",
        algorithm.name(),
        spread(&mut ours),
        spread(&mut theirs)
    );
}

fn spread(values: &mut [f64]) -> String {
    let middle = median(values);
    format!("{middle:.0} ({:.0}–{:.0})", values[values.len() / 4], values[values.len() * 3 / 4])
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
