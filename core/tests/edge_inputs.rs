//! Every case of `tests/edge_inputs.json` that Rust can express, through the public interface.

mod common;

use std::path::{Path, PathBuf};

use common::{Home, beside, hostile, unhex};
use keyfold::{Aad, Context, CreateKey, IndexOptions, MasterKey, OpenOptions, Result, Store};
use serde_json::Value;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/edge_inputs.json");

#[test]
fn every_case() {
    let table: Value = serde_json::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap();
    let cases = table["cases"].as_array().unwrap();
    let ours: Vec<_> = cases.iter().filter(|case| is_ours(case)).collect();
    let mut names: Vec<_> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is given twice");
    let folder = Home::new();
    let secret = table["master_key"].as_str().unwrap();
    // Made once; each case works on a copy.
    let sample = folder.folder.path().join("sample");
    let store = Store::open_with(&sample, &parse(secret), &OpenOptions::new().create(true)).unwrap();
    for key_id in ["pii", "other"] {
        store.create_key(key_id, &CreateKey::new()).unwrap();
    }
    store.close();
    let mut failed = Vec::new();
    for case in &ours {
        let place = Place { home: Home::new(), secret, sample: &sample };
        let outcome = match place.run(case) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.kind().code().trim_start_matches("KEYFOLD_").to_owned(),
        };
        let expected: Vec<&str> = match &case["expect"] {
            Value::Array(any) => any.iter().map(|one| one.as_str().unwrap()).collect(),
            one => vec![one.as_str().unwrap()],
        };
        if !expected.contains(&outcome.as_str()) {
            failed.push(format!("{}: {outcome}, expected {}", case["name"], expected.join(" or ")));
        }
    }
    println!("{} of {} cases", ours.len(), cases.len());
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), ours.len(), failed.join("\n"));
    assert!(ours.len() >= 85, "only {} cases", ours.len());
}

fn is_ours(case: &Value) -> bool {
    case["doors"].as_array().is_none_or(|doors| doors.iter().any(|door| door == "rust"))
}

fn parse(text: &str) -> MasterKey {
    MasterKey::parse(text).unwrap()
}

/// Where one case happens.
struct Place<'a> {
    home: Home,
    secret: &'a str,
    sample: &'a Path,
}

impl Place<'_> {
    fn run(&self, case: &Value) -> Result<()> {
        let path = self.prepare(case["store"].as_str().unwrap_or("valid"));
        let key_id = text(&case["key_id"]).unwrap_or_else(|| "pii".to_owned());
        let op = case["op"].as_str().unwrap();
        let for_opening = op == "open" || case["store"] == "locked";
        let json = case.get("options").map_or("{}".to_owned(), Value::to_string);
        let opening = if for_opening { OpenOptions::from_json(&json)? } else { OpenOptions::new() };
        let json = if for_opening { "{}" } else { &json };
        let master_key = match &case["master_key"] {
            Value::Null => parse(self.secret),
            given if given.get("text").is_some() => MasterKey::parse(given["text"].as_str().unwrap())?,
            given => MasterKey::bytes(&bytes(given))?,
        };
        let lock = (case["store"] == "locked").then(|| {
            let connection = hostile(&path);
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            connection
        });
        let store = Store::open_with(&path, &master_key, &opening)?;
        let context = context(case);
        let raw = if case["aad"].is_null() { Vec::new() } else { bytes(&case["aad"]) };
        let aad = context.as_ref().map_or(Aad::Raw(&raw), Aad::Context);
        let plaintext = || bytes(&case["plaintext"]);
        let ciphertext = || self.ciphertext(&store, &case["ciphertext"]);
        match op {
            "open" => {}
            "create_key" => drop(store.create_key(&key_id, &CreateKey::from_json(json)?)?),
            "key_info" => drop(store.key_info(&key_id)?),
            "rotate_key" => drop(store.rotate_key(&key_id)?),
            "list_key_versions" => drop(store.list_key_versions(&key_id)?),
            "encrypt" => {
                let plaintext = plaintext();
                let sealed = store.encrypt(&key_id, &plaintext, aad)?;
                assert!(store.decrypt(&key_id, sealed, aad)? == plaintext[..]);
            }
            "encrypt_after_close" => {
                let key = store.key(&key_id)?;
                store.close();
                key.encrypt(&plaintext(), aad)?;
            }
            "decrypt" => assert!(store.decrypt(&key_id, ciphertext(), aad)? == b"ada"[..]),
            "decrypt_text" => {
                let ciphertext = String::from_utf8(ciphertext()).unwrap();
                store.key(&key_id)?.decrypt_text(&ciphertext, aad)?;
            }
            "inspect" => drop(store.inspect(ciphertext())?),
            "reencrypt" => {
                let moved = store.key(&key_id)?.reencrypt(&ciphertext(), aad)?;
                assert!(store.decrypt(&key_id, moved, aad)? == b"ada"[..]);
            }
            "needs_reencrypt" => assert!(!store.key(&key_id)?.needs_reencrypt(ciphertext())?),
            "blind_index" => {
                let field = text(&case["field"]).unwrap();
                let options = IndexOptions::from_json(json)?;
                assert_eq!(
                    store.key(&key_id)?.blind_index(&bytes(&case["value"]), &field, &options)?.len(),
                    16
                );
            }
            other => panic!("unknown operation {other}"),
        }
        drop(lock);
        Ok(())
    }

    /// The store that a case opens.
    fn prepare(&self, store: &str) -> PathBuf {
        let path = self.home.path();
        let sample = || std::fs::read(self.sample).unwrap();
        match store {
            "valid" | "locked" => std::fs::write(&path, sample()).unwrap(),
            "missing" => {}
            "missing_folder" => return self.home.folder.path().join("nowhere").join("app.keyfold"),
            "empty_file" => std::fs::write(&path, "").unwrap(),
            "foreign_text" => std::fs::write(&path, "not a database\n".repeat(100)).unwrap(),
            "foreign_sqlite" => hostile(&path).execute_batch("CREATE TABLE t (x)").unwrap(),
            "truncated" => std::fs::write(&path, &sample()[..sample().len() / 2]).unwrap(),
            "directory" => std::fs::create_dir(&path).unwrap(),
            "newer" => {
                std::fs::write(&path, sample()).unwrap();
                hostile(&path).execute_batch("PRAGMA user_version = 1000").unwrap();
            }
            other => panic!("unknown store {other}"),
        }
        assert!(!beside(&path, "-wal").exists());
        path
    }

    fn ciphertext(&self, store: &Store, given: &Value) -> Vec<u8> {
        let Some(sealed) = given.get("sealed") else { return bytes(given) };
        let aad = sealed.get("aad").map_or(Vec::new(), bytes);
        let change = given["change"].as_str().unwrap();
        let key_id = if change == "other_key" { "other" } else { "pii" };
        let mut sealed = store.encrypt(key_id, &bytes(&sealed["plaintext"]), &aad).unwrap();
        let last = sealed.len() - 1;
        match change {
            "none" | "other_key" => {}
            "flip_first" => sealed[0] ^= 1,
            "flip_tag" => sealed[1] ^= 1,
            "flip_nonce" => sealed[5] ^= 1,
            "flip_body" => sealed[17] ^= 1,
            "flip_last" => sealed[last] ^= 1,
            "cut_last" => sealed.truncate(last),
            "cut_to_4" => sealed.truncate(4),
            "empty" => sealed.clear(),
            "extend" => sealed.push(0),
            "as_text" => return keyfold::to_text(&sealed).into_bytes(),
            "text_padded" => return (keyfold::to_text(&sealed) + "=").into_bytes(),
            "text_newline" => return (keyfold::to_text(&sealed) + "\n").into_bytes(),
            other => panic!("unknown change {other}"),
        }
        sealed
    }
}

fn context(case: &Value) -> Option<Context> {
    if let Some(count) = case["context_fields"].as_u64() {
        return Some(
            (0..count).fold(Context::new(), |context, number| context.with(format!("f{number}"), number)),
        );
    }
    let fields = case["context"].as_object()?;
    Some(fields.iter().fold(Context::new(), |context, (name, value)| match &value["number"] {
        Value::Number(number) => context.with(name, number.as_i64().unwrap()),
        _ => context.with(name, bytes(value)),
    }))
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| String::from_utf8(bytes(value)).unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    if let Some(text) = value["text"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(hex) = value["hex"].as_str() {
        return unhex(hex);
    }
    let byte = unhex(value["repeat"][0].as_str().unwrap_or_else(|| panic!("unknown value {value}")))[0];
    vec![byte; value["repeat"][1].as_u64().unwrap() as usize]
}

/// The table's own codes are codes of the library.
#[test]
fn expected_codes_exist() {
    let table: Value = serde_json::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap();
    let known: Vec<_> =
        keyfold::ErrorKind::ALL.iter().map(|kind| kind.code().trim_start_matches("KEYFOLD_")).collect();
    for case in table["cases"].as_array().unwrap() {
        let expected = case["expect"]
            .as_str()
            .into_iter()
            .chain(case["expect"].as_array().into_iter().flatten().filter_map(Value::as_str));
        for code in expected {
            assert!(code == "ok" || known.contains(&code), "{code}");
        }
    }
}
