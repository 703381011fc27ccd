//! Streams and batches beside the bare AEAD, in one run, round by round, on one core.
//!
//! For streams the bare AEAD is aws-lc-rs AES-256-GCM with its key expanded once, and does what nobody gets round:
//! copies each mebibyte into one buffer that is used again, and seals or opens it there. Medians over rounds.

use std::hint::black_box;
use std::io;

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad as BareAad, LessSafeKey, Nonce, UnboundKey};
use keyfold::{Aad, CreateKey, Key, KeyKind, MasterKey, OnError, OpenOptions, Store};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 15;
const LENGTH: usize = 64 << 20;
const SEGMENT: usize = (1 << 20) - 16;
const BATCH: usize = 10_000;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let master_key =
        MasterKey::parse(&keyfold::generate_master_key().expect("randomness")).expect("a master key");
    let path = folder.path().join("bench.keyfold");
    let store = Store::open_with(&path, &master_key, &OpenOptions::new().create(true)).expect("a new store");
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream)).expect("a new key");
    store.create_key("pii", &CreateKey::new()).expect("a new key");
    streams(&store.key("files").expect("the key"));
    batches(&store.key("pii").expect("the key"));
}

fn streams(key: &Key) {
    let plaintext = vec![0x61u8; LENGTH];
    let mut sealed = Vec::with_capacity(LENGTH + (LENGTH >> 10));
    key.encrypt_stream(&plaintext[..], &mut sealed, Aad::NONE).expect("a stream");
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key of 32 bytes"));
    let bare_sealed = seal_segments(&bare, &plaintext);
    println!("{:<34}{:>14}{:>14}  ratio", "64 MiB", "keyfold MB/s", "bare MB/s");
    let encrypt = || key.encrypt_stream(&plaintext[..], io::sink(), Aad::NONE).expect("a stream");
    report("encrypt_stream", encrypt, || copy_and_seal(&bare, &plaintext));
    let decrypt = || key.decrypt_stream(&sealed[..], io::sink(), Aad::NONE).expect("a plaintext");
    report("decrypt_stream", decrypt, || copy_and_open(&bare, &bare_sealed));
    for part in [64 << 10, 1 << 20] {
        let mut out = Vec::with_capacity(3 << 20);
        let encrypt = || {
            let mut encryptor = key.stream_encryptor(Aad::NONE).expect("a stream");
            for part in plaintext.chunks(part) {
                out.clear();
                encryptor.update(part, &mut out).expect("segments");
            }
            encryptor.finish(&mut out).expect("the last segment");
        };
        report(&format!("StreamEncryptor, parts of {} KiB", part >> 10), encrypt, || {
            copy_and_seal(&bare, &plaintext)
        });
        let mut out = Vec::with_capacity(3 << 20);
        let decrypt = || {
            let mut decryptor = key.stream_decryptor(Aad::NONE).expect("a stream");
            for part in sealed.chunks(part) {
                out.clear();
                decryptor.update(part, &mut out).expect("segments");
            }
            decryptor.finish(&mut out).expect("the last segment");
        };
        report(&format!("StreamDecryptor, parts of {} KiB", part >> 10), decrypt, || {
            copy_and_open(&bare, &bare_sealed)
        });
    }
}

fn copy_and_seal(key: &LessSafeKey, plaintext: &[u8]) {
    let mut buffer = vec![0; SEGMENT];
    for (number, segment) in plaintext.chunks(SEGMENT).enumerate() {
        let buffer = &mut buffer[..segment.len()];
        buffer.copy_from_slice(segment);
        let tag = key.seal_in_place_separate_tag(nonce(number), BareAad::empty(), buffer).expect("a tag");
        let _ = black_box((tag, &buffer));
    }
}

fn seal_segments(key: &LessSafeKey, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plaintext.len() + (plaintext.len() >> 10));
    for (number, segment) in plaintext.chunks(SEGMENT).enumerate() {
        let start = out.len();
        out.extend_from_slice(segment);
        let tag = key.seal_in_place_separate_tag(nonce(number), BareAad::empty(), &mut out[start..]);
        out.extend_from_slice(tag.expect("a tag").as_ref());
    }
    out
}

fn copy_and_open(key: &LessSafeKey, sealed: &[u8]) {
    let mut buffer = vec![0; SEGMENT + 16];
    for (number, segment) in sealed.chunks(SEGMENT + 16).enumerate() {
        let buffer = &mut buffer[..segment.len()];
        buffer.copy_from_slice(segment);
        black_box(key.open_in_place(nonce(number), BareAad::empty(), buffer).expect("a plaintext"));
    }
}

fn nonce(number: usize) -> Nonce {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn report<T>(what: &str, mut ours: impl FnMut() -> T, mut bare: impl FnMut()) {
    let mut rates = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rates.0.push(LENGTH as f64 / 1e6 / seconds(&mut ours));
        rates.1.push(LENGTH as f64 / 1e6 / seconds(&mut bare));
    }
    let (ours, bare) = (median(&mut rates.0), median(&mut rates.1));
    println!("{what:<34}{ours:>14.0}{bare:>14.0}  {:.2}", ours / bare);
}

fn batches(key: &Key) {
    let plaintext = [0x61u8; 32];
    let values = vec![Some(&plaintext[..]); BATCH];
    let text = "a".repeat(32);
    let texts = vec![Some(&text[..]); BATCH];
    let sealed = key.encrypt_many(&values, Aad::NONE).expect("ciphertexts");
    let sealed: Vec<Option<&[u8]>> = sealed.iter().collect();
    let sealed_texts = key.encrypt_many_text(&texts, Aad::NONE).expect("texts");
    let sealed_texts: Vec<Option<&str>> = sealed_texts.iter().collect();
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).expect("a key of 32 bytes"));
    let mut generator = StdRng::from_os_rng();
    println!("\n{:<34}{:>14}{:>14}  ratio", "10,000 values of 32 bytes", "keyfold ns", "bare ns");
    // The bare AEAD seals one value after the other into one buffer.
    let mut out = vec![0u8; 65 * BATCH];
    let mut bare_seal = || {
        for place in out.chunks_mut(65) {
            generator.fill_bytes(&mut place[5..17]);
            place[17..49].copy_from_slice(&plaintext);
            let nonce = Nonce::try_assume_unique_for_key(&place[5..17]).expect("12 bytes");
            let tag = bare.seal_in_place_separate_tag(nonce, BareAad::empty(), &mut place[17..49]);
            place[49..].copy_from_slice(tag.expect("a tag").as_ref());
        }
    };
    let mut each = |what: &str, ours: &mut dyn FnMut()| {
        let mut times = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            times.0.push(seconds(&mut *ours) * 1e9 / BATCH as f64);
            times.1.push(seconds(&mut bare_seal) * 1e9 / BATCH as f64);
        }
        let (ours, bare) = (median(&mut times.0), median(&mut times.1));
        println!("{what:<34}{ours:>14.0}{bare:>14.0}  {:.2}", bare / ours);
    };
    each("encrypt_many", &mut || {
        black_box(key.encrypt_many(&values, Aad::NONE).expect("ciphertexts"));
    });
    let mut place = [0u8; 65];
    each("BatchEncryption::write", &mut || {
        let mut batch = key.batch_encryption(Aad::NONE, BATCH).expect("a batch");
        for (index, value) in values.iter().enumerate() {
            batch.write(index, value.expect("a value"), black_box(&mut place)).expect("a ciphertext");
        }
    });
    each("encrypt_many_text", &mut || {
        black_box(key.encrypt_many_text(&texts, Aad::NONE).expect("texts"));
    });
    each("decrypt_many", &mut || {
        black_box(key.decrypt_many(&sealed, Aad::NONE, OnError::Raise).expect("plaintexts"));
    });
    each("decrypt_many_text", &mut || {
        black_box(key.decrypt_many_text(&sealed_texts, Aad::NONE, OnError::Raise).expect("texts"));
    });
    let sealed_text = sealed_texts[0].expect("a text");
    each("encrypt_text, one by one", &mut || {
        for _ in 0..BATCH {
            black_box(key.encrypt_text(black_box(&text), Aad::NONE).expect("a text"));
        }
    });
    each("decrypt_text, one by one", &mut || {
        for _ in 0..BATCH {
            black_box(key.decrypt_text(black_box(sealed_text), Aad::NONE).expect("a text"));
        }
    });
}

/// Of this thread on a processor: what other processes do meanwhile does not count.
fn seconds<T>(call: &mut (impl FnMut() -> T + ?Sized)) -> f64 {
    let started = clock_gettime(ClockId::ThreadCPUTime);
    black_box(call());
    let ended = clock_gettime(ClockId::ThreadCPUTime);
    (ended.tv_sec - started.tv_sec) as f64 + (ended.tv_nsec - started.tv_nsec) as f64 / 1e9
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
