//! One message a call, one value of a batch, one blind index.

use std::hint::black_box;

use aws_lc_rs::hmac;
use keyfold::{Aad, Algorithm, CreateKey, IndexOptions, Key, OnError, Store};

use crate::bare::{self, AwsLc, Bare, RustCrypto};
use crate::measure::{Report, Series};

const BATCH: usize = 10_000;

pub fn measure(report: &mut Report, store: &Store) {
    let siv = create(store, Algorithm::Aes256GcmSiv);
    let gcm = create(store, Algorithm::Aes256Gcm);
    let xaes = create(store, Algorithm::Xaes256Gcm);
    for length in [32, 4096, 1 << 20] {
        beside(
            report,
            length,
            &[&siv],
            &AwsLc::gcm_siv(),
            &RustCrypto::<aes_gcm_siv::Aes256GcmSiv>::gcm_siv(),
        );
        beside(report, length, &[&gcm, &xaes], &AwsLc::gcm(), &RustCrypto::<aes_gcm::Aes256Gcm>::gcm());
    }
    texts(report, &siv);
    batches(report, &siv);
    indexes(report, &siv);
}

fn create(store: &Store, algorithm: Algorithm) -> Key {
    store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).expect("a new key");
    store.key(algorithm.name()).expect("the key")
}

/// Each of our keys beside the bare AEADs, which have the algorithm of the first.
fn beside(report: &mut Report, length: usize, keys: &[&Key], aws_lc: &impl Bare, rust_crypto: &impl Bare) {
    let plaintext = vec![0x61u8; length];
    let mut generators = [bare::generator(), bare::generator()];
    let [first, second] = &mut generators;
    let (bare_sealed, other_sealed) =
        (bare::seal(aws_lc, first, &plaintext), bare::seal(rust_crypto, second, &plaintext));
    let sealed: Vec<Vec<u8>> =
        keys.iter().map(|key| key.encrypt(&plaintext, Aad::NONE).expect("sealed")).collect();
    let algorithm = keys[0].id();
    let plaintext = plaintext.as_slice();
    let mut encrypt: Vec<Series<'_>> = (keys.iter())
        .map(|key| {
            Series::new(format!("keyfold {}", key.id()), move || key.encrypt(black_box(plaintext), Aad::NONE))
        })
        .collect();
    encrypt.push(Series::new("aws-lc-rs", || bare::seal(aws_lc, first, black_box(plaintext))));
    encrypt.push(Series::new("RustCrypto", || bare::seal(rust_crypto, second, black_box(plaintext))));
    let size = size(length);
    report.compare(
        &format!("encrypt/{algorithm}/{length}"),
        &format!("{algorithm}, encrypt {size}"),
        encrypt,
    );
    let mut decrypt: Vec<Series<'_>> = (keys.iter().zip(&sealed))
        .map(|(key, sealed)| {
            Series::new(format!("keyfold {}", key.id()), move || key.decrypt(black_box(sealed), Aad::NONE))
        })
        .collect();
    decrypt.push(Series::new("aws-lc-rs", || bare::open(aws_lc, black_box(&bare_sealed))));
    decrypt.push(Series::new("RustCrypto", || bare::open(rust_crypto, black_box(&other_sealed))));
    report.compare(
        &format!("decrypt/{algorithm}/{length}"),
        &format!("{algorithm}, decrypt {size}"),
        decrypt,
    );
}

fn size(length: usize) -> &'static str {
    match length {
        32 => "32 B",
        4096 => "4 KiB",
        _ => "1 MiB",
    }
}

fn texts(report: &mut Report, key: &Key) {
    let text = "a".repeat(32);
    let sealed = key.encrypt_text(&text, Aad::NONE).expect("a text");
    let ours = Series::new("keyfold", || key.encrypt_text(black_box(&text), Aad::NONE));
    report.compare("encrypt_text", "text to text, encrypt 32 B", vec![ours]);
    let ours = Series::new("keyfold", || key.decrypt_text(black_box(&sealed), Aad::NONE));
    report.compare("decrypt_text", "text to text, decrypt 32 B", vec![ours]);
}

/// The bare AEAD seals one value after the other into one buffer that is there already.
fn batches(report: &mut Report, key: &Key) {
    let plaintext = [0x61u8; 32];
    let values = vec![Some(&plaintext[..]); BATCH];
    let text = "a".repeat(32);
    let texts = vec![Some(&text[..]); BATCH];
    let sealed = key.encrypt_many(&values, Aad::NONE).expect("ciphertexts");
    let sealed: Vec<Option<&[u8]>> = sealed.iter().collect();
    let sealed_texts = key.encrypt_many_text(&texts, Aad::NONE).expect("texts");
    let sealed_texts: Vec<Option<&str>> = sealed_texts.iter().collect();
    let bare = AwsLc::gcm_siv();
    let mut generator = bare::generator();
    let mut out = vec![0u8; (bare::NONCE + 32 + bare::TAG) * BATCH];
    let mut seal_all = || {
        for place in out.chunks_mut(bare::NONCE + 32 + bare::TAG) {
            let mut nonce = [0; bare::NONCE];
            rand::RngCore::fill_bytes(&mut generator, &mut nonce);
            place[..bare::NONCE].copy_from_slice(&nonce);
            place[bare::NONCE..][..32].copy_from_slice(&plaintext);
            let tag = bare.seal(nonce, &mut place[bare::NONCE..][..32]);
            place[bare::NONCE + 32..].copy_from_slice(&tag);
        }
    };
    let mut place = [0u8; 65];
    report.compare(
        "encrypt_many",
        "a value of 10,000 × 32 B, encrypt",
        vec![
            Series::of_many("keyfold encrypt_many", BATCH, || key.encrypt_many(&values, Aad::NONE)),
            Series::of_many("keyfold encrypt_many_text", BATCH, || key.encrypt_many_text(&texts, Aad::NONE)),
            Series::of_many("keyfold BatchEncryption::write", BATCH, || {
                let mut batch = key.batch_encryption(Aad::NONE, BATCH).expect("a batch");
                for (index, value) in values.iter().enumerate() {
                    batch.write(index, value.expect("a value"), black_box(&mut place)).expect("a ciphertext");
                }
            }),
            Series::of_many("aws-lc-rs, a loop", BATCH, &mut seal_all),
        ],
    );
    report.compare(
        "decrypt_many",
        "a value of 10,000 × 32 B, decrypt",
        vec![
            Series::of_many("keyfold decrypt_many", BATCH, || {
                key.decrypt_many(&sealed, Aad::NONE, OnError::Raise)
            }),
            Series::of_many("keyfold decrypt_many_text", BATCH, || {
                key.decrypt_many_text(&sealed_texts, Aad::NONE, OnError::Raise)
            }),
        ],
    );
}

fn indexes(report: &mut Report, key: &Key) {
    let value = [b'7'; 32];
    let options = IndexOptions::new();
    let aws_lc = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let rust_crypto =
        <::hmac::Hmac<sha2::Sha256> as ::hmac::KeyInit>::new_from_slice(&[7; 32]).expect("a key");
    report.compare(
        "blind_index",
        "blind index of 32 B",
        vec![
            Series::new("keyfold", || key.blind_index(black_box(&value), "users.email", &options)),
            Series::new("aws-lc-rs HMAC-SHA256", || hmac::sign(&aws_lc, black_box(&value)).as_ref().to_vec()),
            Series::new("RustCrypto HMAC-SHA256", || {
                use ::hmac::Mac;
                let mut mac = rust_crypto.clone();
                mac.update(black_box(&value));
                mac.finalize().into_bytes().to_vec()
            }),
        ],
    );
}
