//! Google Tink as oracle for streams: it reads what our keys seal, and our keys read what it seals.
//!
//! Runs where `KEYFOLD_ORACLE_PYTHON` names a Python with the `tink` package, as `make test` arranges.

use serde_json::{Value, json};

use super::tink_oracle::{Tink, decoded, keyset, only_in_a_child, pair};
use crate::{CreateKey, Key, KeyKind, MasterKey, OpenOptions, Store};

/// What the first segment and a later one hold.
const FIRST: usize = (1 << 20) - 40 - 16;
const LATER: usize = (1 << 20) - 16;

const LENGTHS: [usize; 13] = [
    0,
    1,
    4096,
    FIRST - 1,
    FIRST,
    FIRST + 1,
    1 << 20,
    FIRST + LATER - 1,
    FIRST + LATER,
    FIRST + LATER + 1,
    FIRST + 2 * LATER,
    5 << 20,
    (7 << 20) + 12_345,
];

#[test]
fn tink_reads_our_streams_and_we_read_tinks() {
    let test = "store::tink_stream_oracle::tink_reads_our_streams_and_we_read_tinks";
    let Some(python) = only_in_a_child(test) else { return };
    let mut tink = Tink::new(python, "tink_streaming.py");
    let folder = tempfile::tempdir().unwrap();
    let master_key = MasterKey::parse(&crate::generate_master_key().unwrap()).unwrap();
    let store =
        Store::open_with(folder.path().join("s"), &master_key, &OpenOptions::new().create(true)).unwrap();
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream).exportable(true)).unwrap();
    let key = store.key("files").unwrap();
    for length in LENGTHS {
        let plaintext: Vec<u8> = (0..length).map(|at| (at * 31 + at / 251) as u8).collect();
        let mut ours = Vec::new();
        key.encrypt_stream(&plaintext[..], &mut ours, b"aad").unwrap();
        // Tink must open an older version's streams too, and it refuses a forged and a cut one.
        let mut forged = ours.clone();
        *forged.last_mut().unwrap() ^= 1;
        store.rotate_key("files").unwrap();
        let request = json!({
            "keyset": keyset(&store, "files"),
            "open": [pair(&ours), pair(&pushed(&key, &plaintext)), pair(&forged), pair(&ours[..ours.len() - 1])],
            "seal": [pair(&plaintext)],
        });
        let answer = tink.ask(&request);
        let opened = answer["opened"].as_array().unwrap();
        assert!(decoded(&opened[0]) == plaintext && decoded(&opened[1]) == plaintext, "{length} bytes");
        assert_eq!(opened[2..], [Value::Null, Value::Null], "{length} bytes");
        let theirs = decoded(&answer["sealed"][0]);
        assert_eq!(theirs.len(), ours.len(), "{length} bytes");
        let mut back = Vec::new();
        key.decrypt_stream(&theirs[..], &mut back, b"aad").unwrap();
        assert!(back == plaintext, "{length} bytes");
        let mut decryptor = key.stream_decryptor(b"aad").unwrap();
        back.clear();
        theirs.chunks(100_000).for_each(|part| decryptor.update(part, &mut back).unwrap());
        decryptor.finish(&mut back).unwrap();
        assert!(back == plaintext, "{length} bytes in parts");
    }
    tink.end();
}

fn pushed(key: &Key, plaintext: &[u8]) -> Vec<u8> {
    let mut encryptor = key.stream_encryptor(b"aad").unwrap();
    let mut out = Vec::new();
    plaintext.chunks(70_001).for_each(|part| encryptor.update(part, &mut out).unwrap());
    encryptor.finish(&mut out).unwrap();
    out
}
