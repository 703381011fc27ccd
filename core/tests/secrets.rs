//! What must not be found: key bytes and plaintext in files, in errors, in anything printed.

mod common;

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Home, hex, hostile};
use keyfold::{Aad, Context, CreateKey, IndexOptions, KeyFilter, MasterKey, OpenOptions, Store};

const PLAINTEXT: &str = "canary-plaintext-ada@example.org";
const INDEXED: &str = "canary-indexed-value";

/// The forms in which a secret might lie somewhere: raw, hex, base64 in each of its three alignments.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec(), hex(secret).into_bytes(), hex(secret).to_uppercase().into_bytes()];
    for alignment in 0..3 {
        let padded = [&vec![0; alignment][..], secret].concat();
        for text in [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            // What the neighbours do not touch.
            let inner = &text.as_bytes()[4..text.len() - 4];
            forms.push(inner.to_vec());
        }
    }
    forms.push(format!("{secret:?}").into_bytes());
    forms
}

fn contains(place: &[u8], secret: &[u8]) -> bool {
    // Also a part of it: half a key is enough to search for.
    let half = &secret[..secret.len() / 2];
    forms(secret)
        .iter()
        .chain(&forms(half))
        .any(|form| place.windows(form.len()).any(|window| window == form))
}

fn canaries(home: &Home) -> Vec<Vec<u8>> {
    vec![STANDARD.decode(&home.secret).unwrap(), PLAINTEXT.as_bytes().to_vec(), INDEXED.as_bytes().to_vec()]
}

#[test]
fn the_search_finds_what_is_there() {
    let secret: Vec<u8> = (100..132).collect();
    for form in forms(&secret) {
        assert!(contains(&[b"before", &form[..], b"after"].concat(), &secret));
    }
    assert!(contains(STANDARD.encode([b"x", &secret[..], b"yz"].concat()).as_bytes(), &secret));
    assert!(contains(format!("{:?}", &secret[..]).as_bytes(), &secret));
    assert!(!contains(&[7; 1000], &secret));
}

#[test]
fn no_file_holds_a_secret() {
    let home = Home::new();
    let store = home.open();
    let place = Context::new().with("table", "users");
    store.create_key("pii", &CreateKey::new().purpose("pii").description("canary-description")).unwrap();
    for _ in 0..3 {
        store.encrypt("pii", PLAINTEXT.as_bytes(), &place).unwrap();
        store
            .key("pii")
            .unwrap()
            .blind_index(INDEXED.as_bytes(), "users.email", &IndexOptions::new())
            .unwrap();
        store.rotate_key("pii").unwrap();
    }
    // In a copy made by another process: reading the file here would drop SQLite's locks on it.
    let copy = home.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    let files: Vec<_> = common::names(home.folder.path()).into_iter().filter(|name| name != "copy").collect();
    assert!(files.iter().any(|name| name.ends_with("-wal")), "{files:?}");
    for name in &files {
        let status = std::process::Command::new("cp").arg(home.folder.path().join(name)).arg(&copy).status();
        assert!(status.unwrap().success());
    }
    let mut whole = Vec::new();
    files.iter().for_each(|name| whole.extend(std::fs::read(copy.join(name)).unwrap()));
    // The search does find what is stored in the clear.
    assert!(contains(&whole, b"canary-description"));
    for canary in canaries(&home) {
        assert!(!contains(&whole, &canary));
    }
    // Every wrapped secret is a nonce, 32 bytes and a tag, and no two are alike.
    store.close();
    let connection = hostile(&home.path());
    let wrapped = "SELECT wrapped FROM key_version UNION ALL SELECT wrapped FROM system_key \
                   UNION ALL SELECT wrapped FROM index_root";
    let mut statement = connection.prepare(wrapped).unwrap();
    let wraps: Vec<Vec<u8>> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(wraps.len(), 4 + 2 + 1);
    let distinct: std::collections::HashSet<_> =
        wraps.iter().flat_map(|wrap| [&wrap[..12], &wrap[12..44]]).collect();
    assert_eq!(distinct.len(), 2 * wraps.len());
    assert!(wraps.iter().all(|wrap| wrap.len() == 12 + 32 + 16));
}

#[test]
fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let store = home.open_with_key("pii");
    let names = common::names(home.folder.path());
    assert_eq!(names, ["app.keyfold", "app.keyfold-shm", "app.keyfold-wal"]);
    for name in names {
        let mode = home.folder.path().join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(store);
}

/// Everything that a hostile or mistaken caller is told.
#[test]
fn no_error_tells_a_secret() {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let key = store.key("pii").unwrap();
    let mut told: Vec<String> = Vec::new();
    let canary = PLAINTEXT.as_bytes();
    let sealed = key.encrypt(canary, b"aad").unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        note(&mut told, key.decrypt(&changed, b"aad"));
        note(&mut told, key.reencrypt(&changed, b"aad"));
    }
    note(&mut told, key.decrypt(&sealed, Aad::NONE));
    note(&mut told, key.decrypt_text(PLAINTEXT, Aad::NONE));
    note(&mut told, store.inspect(PLAINTEXT));
    note(&mut told, keyfold::from_text(PLAINTEXT));
    note(&mut told, key.blind_index(INDEXED.as_bytes(), "", &IndexOptions::new()));
    note(&mut told, key.encrypt(canary, &Context::new()));
    note(&mut told, key.encrypt(canary, &Context::new().with("f", PLAINTEXT).with("f", INDEXED)));
    note(&mut told, key.encryption().unwrap().write(canary, b"", &mut [0; 3]));

    // The master key in every wrong form.
    let secret = &home.secret;
    let raw = STANDARD.decode(secret).unwrap();
    let padded =
        [format!(" {secret}"), format!("{secret}\n\n"), format!("{secret}="), secret[..43].to_owned()];
    let disguised =
        [hex(&raw), URL_SAFE_NO_PAD.encode(&raw), format!("fd:{secret}"), format!("{secret}{secret}")];
    let file = home.folder.path().join("key");
    for text in padded.iter().chain(&disguised) {
        note(&mut told, MasterKey::parse(text));
        std::fs::write(&file, text.repeat(2)).unwrap();
        note(&mut told, home_open(&home, &MasterKey::file(&file)));
        let text = text.clone();
        let callback = MasterKey::callback(move || Ok(text.clone().into_bytes()));
        note(&mut told, home_open(&home, &callback));
    }
    note(&mut told, MasterKey::bytes(&raw[1..]));
    for options in [&format!("{{\"anchor\": \"{secret}\"}}"), &format!("{{\"{secret}\": 1}}")] {
        // The caller's own JSON may be quoted back; it is not where secrets are given.
        let _ = OpenOptions::from_json(options).map(|options| home.open_with(&options).map(drop));
    }
    let other = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    note(&mut told, home_open(&home, &other));

    // What is printed of everything that knows a secret.
    told.push(format!("{:?} {:?} {store:?} {key:?}", home.master_key(), MasterKey::default()));
    told.push(format!("{:?}", key.decrypt(&sealed, b"aad").unwrap()));
    told.push(format!("{:?}", key.decrypt_text(&key.encrypt_text(PLAINTEXT, b"").unwrap(), b"").unwrap()));
    told.push(format!("{:?} {:?}", store.check().unwrap(), store.list_keys(&KeyFilter::new()).unwrap()));
    told.push(format!("{:?} {}", store.anchor().unwrap(), store.fingerprint()));

    // What a damaged file makes it say.
    store.close();
    for column in ["wrapped = zeroblob(60)", "labels = 'x'", "algorithm = 'x'"] {
        let copy = home.folder.path().join("copy");
        std::fs::copy(home.path(), &copy).unwrap();
        let table = if column.starts_with("labels") { "key" } else { "key_version" };
        hostile(&copy).execute_batch(&format!("UPDATE {table} SET {column}")).unwrap();
        let store = Store::open_with(&copy, &home.master_key(), &OpenOptions::new()).unwrap();
        note(&mut told, store.encrypt("pii", canary, Aad::NONE));
        told.push(format!("{:?}", store.check().unwrap()));
    }
    let told = told.join("\n");
    assert!(told.len() > 10_000, "{}", told.len());
    for canary in canaries(&home) {
        assert!(!contains(told.as_bytes(), &canary), "a secret was told");
    }
    for text in padded.iter().chain(&disguised) {
        assert!(!told.contains(text.trim()), "a malformed master key was echoed");
    }
}

fn home_open(home: &Home, master_key: &MasterKey) -> keyfold::Result<Store> {
    Store::open_with(home.path(), master_key, &OpenOptions::new())
}

/// The error in every form, with its causes.
fn note<T: Debug>(told: &mut Vec<String>, result: keyfold::Result<T>) {
    let error = result.expect_err("an error");
    told.push(format!("{error} {error:?} {}", error.message()));
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        told.push(format!("{inner} {inner:?}"));
        cause = inner.source();
    }
}
