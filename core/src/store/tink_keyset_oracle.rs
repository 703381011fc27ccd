//! Google Tink as oracle of keysets: what it makes comes in, and what we make it reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::tink_oracle::{Tink, only_in_a_child};
use crate::{CreateKey, ImportKeyset, KeysetFormat, KeysetProtection, MasterKey, OpenOptions, Store};

/// Every key type: what Tink makes comes in, goes out again, and does in Tink what it did.
#[test]
fn keysets_go_to_tink_and_back() {
    let test = "store::tink_keyset_oracle::keysets_go_to_tink_and_back";
    let Some(python) = only_in_a_child(test) else { return };
    let mut tink = Tink::new(python, "tink_keysets.py");
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
        ("deterministic", "AES256_SIV", true),
        ("stream", "AES256_GCM_HKDF_1MB", false),
        ("mac", "HMAC_SHA256_256BITTAG", false),
        ("mac", "HMAC_SHA512_512BITTAG", false),
        ("mac", "HMAC_SHA256_256BITTAG", true),
        ("mac", "HMAC_SHA512_512BITTAG", true),
        ("derive", "HKDF_SHA256", false),
    ];
    for (kind, template, raw) in templates {
        let made = tink.ask(&json!({"make": [kind, template, raw]}));
        let binary = STANDARD.decode(made["binary"].as_str().unwrap()).unwrap();
        let made = made["json"].as_str().unwrap();
        let id = format!("{kind}/{template}/{raw}");
        let options = exportable.clone().rotate(raw);
        for (form, bytes) in [("json", made.as_bytes()), ("binary", &binary)] {
            let id = format!("{id}/{form}");
            let info =
                store.import_keyset(&id, bytes, KeysetProtection::InsecureCleartext, &options).unwrap();
            assert_eq!(info.kind.name(), kind);
            let ours = text(&store, &id, KeysetProtection::InsecureCleartext);
            let same = if raw {
                // The fresh version encrypts now; what Tink sealed opens here, without a prefix.
                agree_raw(&mut tink, &store, kind, &id, made)
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
        let made = tink.ask(&json!({"make": [kind, template, false]}));
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

/// What Tink makes without a prefix opens and verifies here.
fn agree_raw(tink: &mut Tink, store: &Store, kind: &str, id: &str, made: &str) -> bool {
    let sealed = tink.ask(&json!({"seal": [kind, made, STANDARD.encode(b"ada")]}));
    let sealed = STANDARD.decode(sealed["sealed"].as_str().unwrap()).unwrap();
    if kind == "mac" {
        return store.key(id).unwrap().verify_mac(b"ada", &sealed).is_ok();
    }
    sealed.len() < 64 && *store.decrypt(id, &sealed, b"aad").unwrap() == *b"ada"
}

pub(super) fn text(store: &Store, id: &str, protection: KeysetProtection<'_>) -> String {
    let keyset = store.export_keyset(id, KeysetFormat::Json, protection).unwrap();
    String::from_utf8(keyset.bytes.to_vec()).unwrap()
}
