//! Google Tink as oracle: it reads what our keys seal, and our keys read what it seals.
//!
//! Runs where `KEYFOLD_ORACLE_PYTHON` names a Python with the `tink` package, as `make test` arranges.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{
    Algorithm, CreateKey, ImportKeyset, KeysetFormat, KeysetProtection, MasterKey, OpenOptions, Store,
};

const MESSAGES: [&[u8]; 5] = [b"", b"a", b"ada@example.org", &[0; 31], &[7; 4096]];

/// Says to the test that it is the process that does the work.
const CHILD: &str = "KEYFOLD_TEST_TINK_CHILD";

#[test]
fn tink_reads_ours_and_we_read_tinks() {
    let test = "store::tink_oracle::tink_reads_ours_and_we_read_tinks";
    let Some(mut tink) = Oracle::start(test, "tink_aead.py") else { return };
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
        let keyset: Value =
            serde_json::from_str(&text(&store, id, KeysetProtection::InsecureCleartext)).unwrap();
        let answer = tink.ask(&json!({"keyset": keyset, "open": open, "seal": seal}));
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
    tink.end();
}

fn pair(bytes: &[u8]) -> Value {
    json!([STANDARD.encode(bytes), STANDARD.encode(b"aad")])
}

/// Every key type: what Tink makes comes in, goes out again, and does in Tink what it did.
#[test]
fn keysets_go_to_tink_and_back() {
    let test = "store::tink_oracle::keysets_go_to_tink_and_back";
    let Some(mut tink) = Oracle::start(test, "tink_keysets.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let master_key = MasterKey::parse(&crate::generate_master_key().unwrap()).unwrap();
    let store =
        Store::open_with(folder.path().join("s"), &master_key, &OpenOptions::new().create(true)).unwrap();
    let exportable = ImportKeyset::new().exportable(true);
    let carrier = CreateKey::new().exportable(true);
    store.create_key("carrier", &carrier).unwrap();
    let under = text(&store, "carrier", KeysetProtection::InsecureCleartext);
    let templates = [
        ("aead", "AES256_GCM_SIV", false),
        ("aead", "AES256_GCM", false),
        ("aead", "XCHACHA20_POLY1305", false),
        ("aead", "XAES_256_GCM_192_BIT_NONCE", false),
        ("aead", "AES256_GCM_SIV_RAW", true),
        ("aead", "AES256_GCM_RAW", true),
        ("aead", "XCHACHA20_POLY1305_RAW", true),
        ("deterministic", "AES256_SIV", false),
        ("stream", "AES256_GCM_HKDF_1MB", false),
        ("mac", "HMAC_SHA256_256BITTAG", false),
        ("mac", "HMAC_SHA512_512BITTAG", false),
        ("derive", "HKDF_SHA256", false),
    ];
    for (kind, template, raw) in templates {
        let made = tink.ask(&json!({"make": [kind, template]}));
        let binary = STANDARD.decode(made["binary"].as_str().unwrap()).unwrap();
        let made = made["json"].as_str().unwrap();
        let id = format!("{kind}/{template}");
        let options = exportable.clone().rotate(raw);
        for (form, bytes) in [("json", made.as_bytes()), ("binary", &binary)] {
            let id = format!("{id}/{form}");
            let info =
                store.import_keyset(&id, bytes, KeysetProtection::InsecureCleartext, &options).unwrap();
            assert_eq!(info.kind.name(), kind);
            let ours = text(&store, &id, KeysetProtection::InsecureCleartext);
            let same = if raw {
                // The fresh version encrypts now; what Tink sealed opens here, without a prefix.
                agree_raw(&mut tink, &store, &id, made)
            } else {
                tink.ask(&json!({"same": [kind, made, ours]}))["same"] == true
            };
            assert!(same, "{id}");
            // With more versions, one of them destroyed, disabled ones too: Tink still reads it.
            store.rotate_key(&id).unwrap();
            let ours = text(&store, &id, KeysetProtection::InsecureCleartext);
            let mut spent: Value = serde_json::from_str(&ours).unwrap();
            spent["key"][0]["status"] = json!("DESTROYED");
            let again = format!("{id}/spent");
            let spent = spent.to_string();
            store
                .import_keyset(&again, spent.as_bytes(), KeysetProtection::InsecureCleartext, &exportable)
                .unwrap();
            let spent = text(&store, &again, KeysetProtection::InsecureCleartext);
            assert_eq!(tink.ask(&json!({"same": [kind, spent, ours]}))["same"], true, "{id}");
            let binary = store
                .export_keyset(&id, KeysetFormat::Binary, KeysetProtection::InsecureCleartext)
                .unwrap()
                .bytes;
            let binary = STANDARD.encode(&binary);
            assert_eq!(tink.ask(&json!({"binary": [kind, binary, binary]}))["same"], true, "{id}");
            // Under a key of the store, in Tink's own encrypted form, both ways.
            let encrypted = text(&store, &id, KeysetProtection::Key("carrier"));
            let answer = tink.ask(&json!({"encrypted": [kind, encrypted, under, ours]}));
            assert_eq!(answer["same"], true, "{id}");
            let theirs = answer["encrypted"].as_str().unwrap();
            let back = format!("{id}/back");
            store
                .import_keyset(&back, theirs.as_bytes(), KeysetProtection::Key("carrier"), &exportable)
                .unwrap();
            assert_eq!(text(&store, &back, KeysetProtection::InsecureCleartext), ours);
        }
    }
    for (kind, template) in [
        ("aead", "AES128_GCM"),
        ("aead", "AES256_EAX"),
        ("aead", "XAES_256_GCM_160_BIT_NONCE_NO_PREFIX"),
        ("stream", "AES256_GCM_HKDF_4KB"),
        ("stream", "AES256_CTR_HMAC_SHA256_1MB"),
        ("mac", "HMAC_SHA256_128BITTAG"),
        ("mac", "AES_CMAC"),
        ("derive", "HMAC_SHA256"),
    ] {
        let made = tink.ask(&json!({"make": [kind, template]}));
        let made = made["json"].as_str().unwrap().as_bytes();
        let error = store
            .import_keyset("no", made, KeysetProtection::InsecureCleartext, &exportable)
            .map(|_| ())
            .unwrap_err();
        assert!(
            [crate::ErrorKind::Unsupported, crate::ErrorKind::InvalidArgument].contains(&error.kind()),
            "{template}: {error}"
        );
    }
    tink.end();
}

/// What Tink seals without a prefix opens here.
fn agree_raw(tink: &mut Oracle, store: &Store, id: &str, made: &str) -> bool {
    let sealed = tink.ask(&json!({"seal": [made, STANDARD.encode(b"ada")]}));
    let sealed = STANDARD.decode(sealed["sealed"].as_str().unwrap()).unwrap();
    sealed.len() < 64 && *store.decrypt(id, &sealed, b"aad").unwrap() == *b"ada"
}

fn text(store: &Store, id: &str, protection: KeysetProtection<'_>) -> String {
    let keyset = store.export_keyset(id, KeysetFormat::Json, protection).unwrap();
    String::from_utf8(keyset.bytes.to_vec()).unwrap()
}

/// A Python with Tink that answers one JSON line with another.
struct Oracle {
    process: Child,
    answers: std::io::Lines<BufReader<ChildStdout>>,
}

impl Oracle {
    /// `None` where there is no such Python, and in the process that only started another for the work.
    fn start(test: &str, script: &str) -> Option<Self> {
        let Some(python) = std::env::var_os("KEYFOLD_ORACLE_PYTHON") else {
            eprintln!(
                "skipped: set KEYFOLD_ORACLE_PYTHON to a Python with the tink package, or run `make test`"
            );
            return None;
        };
        // In a process of its own: opening a store puts fork handlers in place, and other tests of this program fork
        // while they hold what those handlers take.
        if std::env::var_os(CHILD).is_none() {
            let program = std::env::current_exe().unwrap();
            let ended = Command::new(program)
                .args([test, "--exact", "--nocapture"])
                .env(CHILD, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(
                ended.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&ended.stderr)
            );
            return None;
        }
        let script = format!("{}/../tests/oracles/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle's Python");
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self { process, answers })
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.process.stdin.as_mut().unwrap(), "{request}").unwrap();
        serde_json::from_str(&self.answers.next().expect("an answer").unwrap()).unwrap()
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}
