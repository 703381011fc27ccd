//! Google Tink as oracle: it reads what our keys seal, and our keys read what it seals.
//!
//! Runs where `KEYFOLD_ORACLE_PYTHON` names a Python with the `tink` package, as `make test` arranges.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::tink_keyset_oracle::text;
use crate::{Algorithm, CreateKey, Key, KeysetProtection, MasterKey, OpenOptions, Store};

/// Around the borders of blocks, and large.
const MESSAGES: [&[u8]; 10] = [
    b"",
    b"a",
    b"ada@example.org",
    &[1; 16],
    &[2; 17],
    &[0; 31],
    &[3; 32],
    &[7; 4096],
    &[4; 65_537],
    &[5; (1 << 20) + 1],
];

/// Says to the test that it is the process that does the work.
const CHILD: &str = "KEYFOLD_TEST_TINK_CHILD";

#[test]
fn tink_reads_ours_and_we_read_tinks() {
    let test = "store::tink_oracle::tink_reads_ours_and_we_read_tinks";
    let Some(python) = only_in_a_child(test) else { return };
    let mut tink = Tink::new(python, "tink_aead.py");
    let folder = tempfile::tempdir().unwrap();
    let master_key = MasterKey::parse(&crate::generate_master_key().unwrap()).unwrap();
    let store =
        Store::open_with(folder.path().join("s"), &master_key, &OpenOptions::new().create(true)).unwrap();
    for algorithm in Algorithm::AEAD {
        let id = algorithm.name();
        store.create_key(id, &CreateKey::new().algorithm(algorithm).exportable(true)).unwrap();
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
        let answer = tink.ask(&request);
        let opened = answer["opened"].as_array().unwrap();
        for ((_, message), opened) in sealed.iter().zip(opened) {
            assert_eq!(decoded(opened), *message);
        }
        assert_eq!((opened.len(), &opened[sealed.len()]), (sealed.len() + 1, &Value::Null));
        let theirs = answer["sealed"].as_array().unwrap();
        assert_eq!(theirs.len(), MESSAGES.len());
        for (ciphertext, message) in theirs.iter().zip(MESSAGES) {
            assert_eq!(key.decrypt(decoded(ciphertext), b"aad").unwrap(), *message);
        }
    }
    for algorithm in [Algorithm::Aes256Siv, Algorithm::HmacSha256, Algorithm::HmacSha512] {
        let id = algorithm.name();
        store.create_key(id, &CreateKey::new().algorithm(algorithm).exportable(true)).unwrap();
        let key = store.key(id).unwrap();
        let (make, check): (Make, Check) = match algorithm {
            Algorithm::Aes256Siv => (
                |key, message| key.encrypt(message, b"aad").unwrap(),
                |key, message, made| {
                    assert_eq!(key.decrypt(made, b"aad").unwrap(), *message);
                    assert_eq!(key.encrypt(message, b"aad").unwrap(), made, "byte for byte what Tink makes");
                },
            ),
            _ => (
                |key, message| key.mac(message).unwrap(),
                |key, message, made| {
                    key.verify_mac(message, made).unwrap();
                    assert_eq!(key.mac(message).unwrap(), made, "byte for byte what Tink makes");
                },
            ),
        };
        let mut made = Vec::new();
        for _ in 0..3 {
            made.extend(MESSAGES.map(|message| (make(&key, message), message)));
            store.rotate_key(id).unwrap();
        }
        let mut forged = made[2].clone();
        *forged.0.last_mut().unwrap() ^= 1;
        let open: Vec<Value> = made
            .iter()
            .chain([&forged])
            .map(|(made, message)| {
                json!([STANDARD.encode(made), STANDARD.encode(message), STANDARD.encode("aad")])
            })
            .collect();
        let seal: Vec<Value> = MESSAGES.iter().map(|message| pair(message)).collect();
        let primitive = if algorithm == Algorithm::Aes256Siv { "daead" } else { "mac" };
        let request =
            json!({"primitive": primitive, "keyset": keyset(&store, id), "open": open, "seal": seal});
        let answer = tink.ask(&request);
        let opened: Vec<bool> =
            answer["opened"].as_array().unwrap().iter().map(|opened| opened.as_bool().unwrap()).collect();
        assert_eq!(opened, [vec![true; made.len()], vec![false]].concat(), "{algorithm}");
        let theirs = answer["sealed"].as_array().unwrap();
        assert_eq!(theirs.len(), MESSAGES.len());
        for (theirs, message) in theirs.iter().zip(MESSAGES) {
            check(&key, message, &STANDARD.decode(theirs.as_str().unwrap()).unwrap());
        }
    }
    tink.end();
}

type Make = fn(&Key, &[u8]) -> Vec<u8>;
type Check = fn(&Key, &[u8], &[u8]);

/// The oracle's Python, in the process that does the work; elsewhere starts that process and waits for it.
///
/// In a process of its own: opening a store puts fork handlers in place, and other tests of this program fork
/// while they hold what those handlers take.
pub(super) fn only_in_a_child(test: &str) -> Option<OsString> {
    let Some(python) = std::env::var_os("KEYFOLD_ORACLE_PYTHON") else {
        eprintln!("skipped: set KEYFOLD_ORACLE_PYTHON to a Python with the tink package, or run `make test`");
        return None;
    };
    if std::env::var_os(CHILD).is_some() {
        return Some(python);
    }
    let program = std::env::current_exe().unwrap();
    let ended =
        Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    None
}

/// A script of `tests/oracles` that answers lines of JSON.
pub(super) struct Tink {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Tink {
    pub(super) fn new(python: OsString, script: &str) -> Self {
        let script = format!("{}/../tests/oracles/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle's Python");
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, answers }
    }

    pub(super) fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.process.stdin.as_mut().unwrap(), "{request}").unwrap();
        serde_json::from_str(&self.answers.next().expect("an answer").unwrap()).unwrap()
    }

    pub(super) fn end(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

pub(super) fn decoded(answer: &Value) -> Vec<u8> {
    STANDARD.decode(answer.as_str().expect("Tink has an answer")).unwrap()
}

pub(super) fn pair(bytes: &[u8]) -> Value {
    json!([STANDARD.encode(bytes), STANDARD.encode(b"aad")])
}

/// Tink's JSON keyset of a key.
pub(super) fn keyset(store: &Store, key_id: &str) -> Value {
    serde_json::from_str(&text(store, key_id, KeysetProtection::InsecureCleartext)).unwrap()
}
