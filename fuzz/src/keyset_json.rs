//! Tink keysets in JSON, in the clear and under a key, of anybody's making.

use std::cell::{Cell, RefCell};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyfold::{CreateKey, ErrorKind, ImportKeyset, KeyKind, KeysetFormat, KeysetProtection, Store};
use serde_json::Value;

use crate::home::{create, expect, folder, refuse, store};
use crate::input::Input;

pub(crate) const UNREADABLE: &[ErrorKind] =
    &[ErrorKind::InvalidArgument, ErrorKind::Unsupported, ErrorKind::LimitExceeded];

/// What a keyset is protected with that only its own key can have written.
const UNOPENED: &[ErrorKind] = &[
    ErrorKind::InvalidArgument,
    ErrorKind::Unsupported,
    ErrorKind::LimitExceeded,
    ErrorKind::DecryptionFailed,
    ErrorKind::KeyUnavailable,
];

/// Byte 0 says how it is protected, the rest is the keyset.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (how, keyset) = (input.byte(), input.rest());
    next_shop();
    match how % 3 {
        // As it is.
        0 => clear(keyset, how & 4 == 0),
        // In an encrypted keyset that is well made: whoever has the key may have sealed nonsense.
        1 => {
            let sealed = shop(|store| store.encrypt("wrap", keyset, b"").expect("a current version"));
            let json = serde_json::json!({ "encryptedKeyset": STANDARD.encode(sealed) }).to_string();
            let through = import(json.as_bytes(), KeysetProtection::Key("wrap"), false).is_some();
            assert_eq!(through, import(keyset, KeysetProtection::InsecureCleartext, false).is_some());
        }
        // As an encrypted keyset of anybody's making.
        _ => {
            let name = next_name();
            let wrapped = KeysetProtection::Key("siv");
            expect(store().import_keyset(&name, keyset, wrapped, &ImportKeyset::new()), UNOPENED);
        }
    }
}

/// What is taken in comes out again: with the same keys, in either form, and works.
pub(crate) fn clear(keyset: &[u8], rotate: bool) {
    let Some(key_id) = import(keyset, KeysetProtection::InsecureCleartext, rotate) else { return };
    shop(|store| {
        let export = |format| store.export_keyset(&key_id, format, KeysetProtection::InsecureCleartext);
        let info = store.key_info(&key_id).expect("it was imported");
        // Tink has no place for PRF keys that are shorter than it wants them.
        let kinds: &[ErrorKind] = if info.kind == KeyKind::Derive { &[ErrorKind::Unsupported] } else { &[] };
        let Some(json) = expect(export(KeysetFormat::Json), kinds) else { return };
        let binary = export(KeysetFormat::Binary).expect("as in JSON");
        same_keys(&binary.bytes, &json.bytes);
        let given: Option<Value> = serde_json::from_slice(keyset).ok();
        if let (Some(given), false) = (given, rotate) {
            let got: Value = serde_json::from_slice(&json.bytes).expect("JSON");
            for name in ["keyId", "status"] {
                let of = |keyset: &Value| {
                    keyset["key"]
                        .as_array()
                        .map(|keys| keys.iter().map(|key| key[name].clone()).collect::<Vec<_>>())
                };
                assert_eq!(of(&given), of(&got), "{name} came out otherwise");
            }
            assert_eq!(given["primaryKeyId"], got["primaryKeyId"]);
        }
        works(store, &key_id, info.kind);
    });
}

/// That both forms of a keyset are of the same keys: imported, each gives the other.
fn same_keys(binary: &[u8], json: &[u8]) {
    let Some(again) = import(binary, KeysetProtection::InsecureCleartext, false) else {
        // A RAW primary key comes out of an import that rotated, and goes in by another alone.
        panic!("an exported keyset was refused")
    };
    shop(|store| {
        let back = store.export_keyset(&again, KeysetFormat::Json, KeysetProtection::InsecureCleartext);
        assert_eq!(back.expect("as before").bytes[..], json[..], "there and back is not the same");
    });
}

fn works(store: &Store, key_id: &str, kind: KeyKind) {
    let key = store.key(key_id).expect("it was imported");
    if matches!(kind, KeyKind::Aead | KeyKind::Deterministic) {
        let sealed = key.encrypt(b"x", b"aad").expect("a primary key");
        assert_eq!(key.decrypt(&sealed, b"aad").expect("its own")[..], b"x"[..]);
        refuse(key.decrypt(&sealed, b"other"), &[ErrorKind::DecryptionFailed]);
    } else if kind == KeyKind::Mac {
        let mac = key.mac(b"x").expect("a primary key");
        key.verify_mac(b"x", &mac).expect("its own");
        refuse(key.verify_mac(b"y", &mac), &[ErrorKind::VerificationFailed]);
    }
}

/// The new key's id; `None` where the keyset was refused, as it may be.
pub(crate) fn import(keyset: &[u8], protection: KeysetProtection<'_>, rotate: bool) -> Option<String> {
    let name = next_name();
    let options = ImportKeyset::new().exportable(true).rotate(rotate);
    shop(|store| expect(store.import_keyset(&name, keyset, protection, &options), UNREADABLE)).map(|_| name)
}

pub(crate) fn next_name() -> String {
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    NEXT.with(|next| format!("key-{}", next.replace(next.get() + 1)))
}

/// A store for keys that come and stay. See [`next_shop`].
pub(crate) fn shop<T>(with: impl FnOnce(&Store) -> T) -> T {
    let store = SHOP.with_borrow_mut(|shop| shop.get_or_insert_with(open_shop).clone());
    with(&store)
}

fn open_shop() -> Store {
    let name = format!("shop-{:?}", std::thread::current().id());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder().join(format!("{name}{suffix}")));
    }
    let store = create(&name);
    store.create_key("wrap", &CreateKey::new()).expect("a key");
    store
}

/// Between two inputs: a new store now and then, since no key is ever deleted and a large store is slow to grow.
pub(crate) fn next_shop() {
    const INPUTS: u64 = 500;
    if COUNT.replace(COUNT.get() + 1) % INPUTS == INPUTS - 1
        && let Some(store) = SHOP.take()
    {
        store.close();
    }
}

thread_local! {
    static SHOP: RefCell<Option<Store>> = const { RefCell::new(None) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}
