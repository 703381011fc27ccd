//! Streams beside the bare AEAD, in memory on one core, and the bare AEAD as a program for files.
//!
//! The bare AEAD is aws-lc-rs AES-256-GCM and does what nobody gets round: copies each mebibyte into one buffer that is
//! used again, and seals or opens it there.

use std::hint::black_box;
use std::io::{self, Read, Write};

use keyfold::{Aad, CreateKey, Key, KeyKind, Store};

use crate::bare::{AwsLc, Bare, NONCE, TAG};
use crate::measure::{Report, Series};

const MEBIBYTES: usize = 64;
const SEGMENT: usize = (1 << 20) - TAG;

pub fn measure(report: &mut Report, store: &Store) {
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream)).expect("a new key");
    let key = store.key("files").expect("the key");
    let plaintext = vec![0x61u8; MEBIBYTES << 20];
    let mut sealed = Vec::with_capacity(plaintext.len() + (1 << 20));
    key.encrypt_stream(&plaintext[..], &mut sealed, Aad::NONE).expect("a stream");
    let bare = AwsLc::gcm();
    let bare_sealed = seal_all(&bare, &plaintext);
    report.compare(
        "encrypt_stream",
        "a MiB of a 64 MiB stream, encrypt",
        vec![
            Series::of_many("keyfold encrypt_stream", MEBIBYTES, || {
                key.encrypt_stream(&plaintext[..], io::sink(), Aad::NONE).expect("a stream")
            }),
            Series::of_many("keyfold StreamEncryptor, parts of 64 KiB", MEBIBYTES, || {
                encrypt_parts(&key, &plaintext)
            }),
            Series::of_many("aws-lc-rs and a copy", MEBIBYTES, || copy_and_seal(&bare, &plaintext)),
        ],
    );
    report.compare(
        "decrypt_stream",
        "a MiB of a 64 MiB stream, decrypt",
        vec![
            Series::of_many("keyfold decrypt_stream", MEBIBYTES, || {
                key.decrypt_stream(&sealed[..], io::sink(), Aad::NONE).expect("a plaintext")
            }),
            Series::of_many("keyfold StreamDecryptor, parts of 64 KiB", MEBIBYTES, || {
                decrypt_parts(&key, &sealed)
            }),
            Series::of_many("aws-lc-rs and a copy", MEBIBYTES, || copy_and_open(&bare, &bare_sealed)),
        ],
    );
}

fn encrypt_parts(key: &Key, plaintext: &[u8]) {
    let mut out = Vec::with_capacity(3 << 20);
    let mut encryptor = key.stream_encryptor(Aad::NONE).expect("a stream");
    for part in plaintext.chunks(64 << 10) {
        out.clear();
        encryptor.update(part, &mut out).expect("segments");
    }
    encryptor.finish(&mut out).expect("the last segment");
}

fn decrypt_parts(key: &Key, sealed: &[u8]) {
    let mut out = Vec::with_capacity(3 << 20);
    let mut decryptor = key.stream_decryptor(Aad::NONE).expect("a stream");
    for part in sealed.chunks(64 << 10) {
        out.clear();
        decryptor.update(part, &mut out).expect("segments");
    }
    decryptor.finish(&mut out).expect("the last segment");
}

fn copy_and_seal(bare: &AwsLc, plaintext: &[u8]) {
    let mut buffer = vec![0; SEGMENT];
    for (number, segment) in plaintext.chunks(SEGMENT).enumerate() {
        let buffer = &mut buffer[..segment.len()];
        buffer.copy_from_slice(segment);
        black_box(bare.seal(nonce(number), buffer));
    }
}

fn copy_and_open(bare: &AwsLc, sealed: &[u8]) {
    let mut buffer = vec![0; SEGMENT + TAG];
    for (number, segment) in sealed.chunks(SEGMENT + TAG).enumerate() {
        let buffer = &mut buffer[..segment.len()];
        buffer.copy_from_slice(segment);
        bare.open(nonce(number), buffer);
        black_box(buffer);
    }
}

fn seal_all(bare: &AwsLc, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plaintext.len() + (1 << 20));
    for (number, segment) in plaintext.chunks(SEGMENT).enumerate() {
        let start = out.len();
        out.extend_from_slice(segment);
        let tag = bare.seal(nonce(number), &mut out[start..]);
        out.extend_from_slice(&tag);
    }
    out
}

fn nonce(number: usize) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..8].copy_from_slice(&(number as u64).to_be_bytes());
    nonce
}

/// What the bare AEAD takes for a file: the program that the time of streams of a gibibyte is compared with.
pub fn bare_file(how: &str, from: &str, to: &str) -> io::Result<()> {
    let mut input = std::fs::File::open(from)?;
    let mut output = std::fs::File::create(to)?;
    let bare = AwsLc::gcm();
    let take = if how == "decrypt" { SEGMENT + TAG } else { SEGMENT };
    let mut buffer = vec![0; SEGMENT + TAG];
    for number in 0.. {
        let mut length = 0;
        while length < take {
            match input.read(&mut buffer[length..take])? {
                0 => break,
                read => length += read,
            }
        }
        if length == 0 {
            break;
        }
        match how {
            "encrypt" => {
                let tag = bare.seal(nonce(number), &mut buffer[..length]);
                buffer[length..length + TAG].copy_from_slice(&tag);
                output.write_all(&buffer[..length + TAG])?;
            }
            "decrypt" => {
                bare.open(nonce(number), &mut buffer[..length]);
                output.write_all(&buffer[..length - TAG])?;
            }
            _ => output.write_all(&buffer[..length])?,
        }
    }
    Ok(())
}
