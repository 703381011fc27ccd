//! Google Tink as oracle: it reads what our keys seal, and our keys read what it seals.
//!
//! Runs where `KEYFOLD_ORACLE_PYTHON` names a Python with the `tink` package, as `make test` arranges.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::hierarchy::{DekPlace, Wrappable};
use crate::{Algorithm, CreateKey, MasterKey, OpenOptions, Store};

const MESSAGES: [&[u8]; 5] = [b"", b"a", b"ada@example.org", &[0; 31], &[7; 4096]];

/// Says to the test that it is the process that does the work.
const CHILD: &str = "KEYFOLD_TEST_TINK_CHILD";

#[test]
fn tink_reads_ours_and_we_read_tinks() {
    let Some(python) = std::env::var_os("KEYFOLD_ORACLE_PYTHON") else {
        eprintln!("skipped: set KEYFOLD_ORACLE_PYTHON to a Python with the tink package, or run `make test`");
        return;
    };
    // In a process of its own: opening a store puts fork handlers in place, and other tests of this program fork
    // while they hold what those handlers take.
    if std::env::var_os(CHILD).is_none() {
        let test = "store::tink_oracle::tink_reads_ours_and_we_read_tinks";
        let program = std::env::current_exe().unwrap();
        let ended =
            Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracles/tink_aead.py");
    let mut tink = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle's Python");
    let mut answers = BufReader::new(tink.stdout.take().unwrap()).lines();
    let folder = tempfile::tempdir().unwrap();
    let master_key = MasterKey::parse(&crate::generate_master_key().unwrap()).unwrap();
    let store =
        Store::open_with(folder.path().join("s"), &master_key, &OpenOptions::new().create(true)).unwrap();
    for algorithm in Algorithm::AEAD {
        let id = algorithm.name();
        store.create_key(id, &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(id).unwrap();
        let mut sealed = Vec::new();
        for _ in 0..3 {
            sealed.extend(MESSAGES.map(|message| (key.encrypt(message, b"aad").unwrap(), message)));
            store.rotate_key(id).unwrap();
        }
        let mut forged = sealed[2].0.clone();
        *forged.last_mut().unwrap() ^= 1;
        let mut open: Vec<Value> = sealed.iter().map(|(ciphertext, _)| pair(ciphertext)).collect();
        open.push(pair(&forged));
        let seal: Vec<Value> = MESSAGES.iter().map(|message| pair(message)).collect();
        let request = json!({"keyset": keyset(&store, id), "open": open, "seal": seal});
        writeln!(tink.stdin.as_mut().unwrap(), "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().expect("an answer").unwrap()).unwrap();
        let opened = answer["opened"].as_array().unwrap();
        for ((_, message), opened) in sealed.iter().zip(opened) {
            assert_eq!(STANDARD.decode(opened.as_str().expect("Tink opens ours")).unwrap(), *message);
        }
        assert_eq!((opened.len(), &opened[sealed.len()]), (sealed.len() + 1, &Value::Null));
        let theirs = answer["sealed"].as_array().unwrap();
        assert_eq!(theirs.len(), MESSAGES.len());
        for (ciphertext, message) in theirs.iter().zip(MESSAGES) {
            let ciphertext = STANDARD.decode(ciphertext.as_str().unwrap()).unwrap();
            assert_eq!(key.decrypt(&ciphertext, b"aad").unwrap(), *message);
        }
    }
    drop(tink.stdin.take());
    assert!(tink.wait().unwrap().success());
}

fn pair(bytes: &[u8]) -> Value {
    json!([STANDARD.encode(bytes), STANDARD.encode(b"aad")])
}

/// Tink's JSON keyset of a key: its tags as key ids, its current version as primary.
fn keyset(store: &Store, key_id: &str) -> Value {
    store
        .shared
        .read_verified(|tree, kek| {
            let key = tree.rows().key(key_id)?.expect("the key");
            let mut keys = Vec::new();
            let mut primary = 0;
            for row in tree.rows().versions(key_id)? {
                let place = DekPlace {
                    store_id: &tree.store().store_id,
                    key_id,
                    kind: &key.kind,
                    purpose: None,
                    algorithm: &row.algorithm,
                    version: row.version,
                    tag: row.tag,
                    prefix: &row.prefix,
                };
                let dek = place.unwrap(kek, row.kek_version, &row.wrapped)?;
                if row.is_current {
                    primary = row.tag;
                }
                let (name, parameters) = proto(&row.algorithm);
                let value = [parameters, &[0x1a, 32], dek.expose()].concat();
                keys.push(json!({
                    "keyData": {
                        "typeUrl": format!("type.googleapis.com/google.crypto.tink.{name}"),
                        "value": STANDARD.encode(value),
                        "keyMaterialType": "SYMMETRIC",
                    },
                    "status": "ENABLED",
                    "keyId": row.tag,
                    "outputPrefixType": "TINK",
                }));
            }
            Ok(json!({"primaryKeyId": primary, "key": keys}))
        })
        .unwrap()
}

/// The name of Tink's key message, and the bytes of its parameters before field 3, the key.
fn proto(algorithm: &str) -> (&'static str, &'static [u8]) {
    match algorithm {
        "AES256_GCM_SIV" => ("AesGcmSivKey", &[]),
        "AES256_GCM" => ("AesGcmKey", &[]),
        // Field 2, parameters: field 1, a salt of 12 bytes.
        "XAES256_GCM" => ("XAesGcmKey", &[0x12, 2, 0x08, 12]),
        _ => ("XChaCha20Poly1305Key", &[]),
    }
}
