//! Keys in and out: raw bytes, Tink keysets, and from one store to another.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Home, hex, kind};
use keyfold::{
    Aad, Algorithm, CreateKey, ErrorKind, ExportedKey, ImportKey, ImportKeyset, KeyEncoding, KeyKind,
    KeysetFormat, KeysetProtection, Mode, OpenOptions, Store, VersionState, limits,
};
use serde_json::{Value, json};

const CLEAR: KeysetProtection<'static> = KeysetProtection::InsecureCleartext;
const KEY: [u8; 32] = *b"an AES key of exactly 32 bytes..";

fn import(store: &Store, id: &str, material: &[u8], encoding: KeyEncoding) -> keyfold::Result<()> {
    store.import_key(id, material, encoding, &ImportKey::new().exportable(true)).map(|_| ())
}

#[test]
fn raw_keys_come_in_and_go_out_in_every_encoding() {
    let home = Home::new();
    let store = home.open();
    let written: [(KeyEncoding, Vec<u8>); 3] = [
        (KeyEncoding::Raw, KEY.to_vec()),
        (KeyEncoding::Hex, hex(&KEY).into_bytes()),
        (KeyEncoding::Base64, STANDARD.encode(KEY).into_bytes()),
    ];
    for (encoding, material) in &written {
        let id = encoding.name();
        import(&store, id, material, *encoding).unwrap();
        assert_eq!(store.get_data_key(id, None).unwrap(), KEY[..]);
        assert_eq!(store.get_data_key(id, Some(1)).unwrap(), KEY[..]);
        for (encoding, expected) in &written {
            let exported = store.get_encryption_key(id, 32, *encoding).unwrap();
            match exported {
                ExportedKey::Bytes(bytes) => assert_eq!(bytes, expected[..]),
                ExportedKey::Text(text) => assert_eq!(text.as_bytes(), expected),
                _ => panic!("{exported:?}"),
            }
        }
        assert_eq!(KeyEncoding::parse(id).unwrap(), *encoding);
    }
    assert_eq!(kind(KeyEncoding::parse("hexadecimal")), ErrorKind::InvalidArgument);
    // One key under two names opens what either sealed, but for the tag in front.
    let mut sealed = store.encrypt("raw", b"ada", b"").unwrap();
    let tag = store.list_key_versions("hex").unwrap()[0].tag;
    sealed[1..5].copy_from_slice(&tag.to_be_bytes());
    assert_eq!(store.decrypt("hex", &sealed, b"").unwrap(), b"ada"[..]);
    // What was written down says nothing of the key.
    let said = format!("{:?}", store.get_encryption_key("raw", 32, KeyEncoding::Hex).unwrap());
    assert!(!said.contains(&hex(&KEY)), "{said}");
}

#[test]
fn nothing_is_guessed_or_made_to_fit() {
    let home = Home::new();
    let store = home.open();
    let refused = [
        (KeyEncoding::Base64, b"deadbeef".to_vec()),
        (KeyEncoding::Hex, b"deadbeef".to_vec()),
        (KeyEncoding::Base64, hex(&KEY).into_bytes()),
        (KeyEncoding::Hex, hex(&KEY).as_bytes()[1..].to_vec()),
        (KeyEncoding::Hex, format!("{} ", &hex(&KEY)[1..]).into_bytes()),
        (KeyEncoding::Hex, format!("0x{}", &hex(&KEY)[2..]).into_bytes()),
        (KeyEncoding::Base64, STANDARD.encode(KEY).trim_end_matches('=').into()),
        (KeyEncoding::Base64, format!("{}\n", STANDARD.encode(KEY)).into_bytes()),
        (KeyEncoding::Raw, vec![]),
        (KeyEncoding::Hex, vec![]),
        (KeyEncoding::Base64, vec![]),
        (KeyEncoding::Raw, KEY[..31].to_vec()),
        (KeyEncoding::Raw, [&KEY[..], b"."].concat()),
        (KeyEncoding::Raw, hex(&KEY).into_bytes()),
        (KeyEncoding::Raw, vec![0; 32]),
        (KeyEncoding::Raw, vec![0x5a; 32]),
        (KeyEncoding::Hex, b"ff".repeat(32)),
        (KeyEncoding::Raw, b"-----BEGIN PRIVATE KEY-----\nMC4C".to_vec()),
        (KeyEncoding::Base64, b"\n-----BEGIN AES KEY-----".to_vec()),
    ];
    for (encoding, material) in refused {
        let error = import(&store, "k", &material, encoding).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{encoding:?} {material:?}");
        assert_eq!(
            error.message().contains("PEM"),
            material.windows(5).any(|part| part == b"BEGIN"),
            "{error}"
        );
    }
    let long = vec![b'a'; limits::KEY_MATERIAL_BYTES + 1];
    assert_eq!(kind(import(&store, "k", &long, KeyEncoding::Hex)), ErrorKind::LimitExceeded);
    assert_eq!(kind(store.key("k")), ErrorKind::NotFound);
}

#[test]
fn lengths_are_the_algorithms() {
    let home = Home::new();
    let store = home.open();
    let material: Vec<u8> = (0..=255).collect();
    for algorithm in Algorithm::ALL {
        let flexible = matches!(algorithm.kind(), KeyKind::Mac | KeyKind::Derive);
        for length in [15, 16, 24, 31, 32, 33, 48, 63, 64, 65, 128] {
            let fits = match flexible {
                true => [16, 24, 32, 64].contains(&length),
                false => length == algorithm.key_length(),
            };
            let id = format!("{algorithm}-{length}");
            let options = ImportKey::new().kind(algorithm.kind()).algorithm(algorithm).exportable(true);
            let made = store.import_key(&id, &material[..length], KeyEncoding::Raw, &options);
            assert_eq!(made.is_ok(), fits, "{id}");
            if fits {
                for asked in [16, 24, 32, 64] {
                    let exported = store.get_encryption_key(&id, asked, KeyEncoding::Raw);
                    assert_eq!(exported.is_ok(), asked == length, "{id}");
                }
            }
        }
    }
    assert_eq!(
        kind(store.get_encryption_key("HMAC_SHA256-16", 20, KeyEncoding::Raw)),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn a_key_comes_in_as_the_next_version() {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new().exportable(true)).unwrap();
    let old = store.encrypt("pii", b"ada", b"").unwrap();
    let as_version = ImportKey::new().as_version(true);
    let import = |id: &str, options: &ImportKey| store.import_key(id, &KEY, KeyEncoding::Raw, options);
    assert_eq!(import("pii", &as_version).unwrap().current_version, Some(2));
    assert_eq!(store.get_data_key("pii", None).unwrap(), KEY[..]);
    assert_eq!(store.decrypt("pii", &old, b"").unwrap(), b"ada"[..]);
    let chosen = as_version.clone().algorithm(Algorithm::XChaCha20Poly1305);
    assert_eq!(import("pii", &chosen).unwrap().current_version, Some(3));
    assert_eq!(store.list_key_versions("pii").unwrap()[0].algorithm, Algorithm::XChaCha20Poly1305);
    assert_eq!(kind(import("none", &as_version)), ErrorKind::NotFound);
    assert_eq!(kind(import("pii", &ImportKey::new())), ErrorKind::AlreadyExists);
    for misplaced in [
        as_version.clone().purpose("pii"),
        as_version.clone().kind(KeyKind::Aead),
        as_version.clone().exportable(true),
        as_version.clone().label("a", "b"),
        as_version.clone().algorithm(Algorithm::HmacSha256),
    ] {
        assert_eq!(kind(import("pii", &misplaced)), ErrorKind::InvalidArgument);
    }
    assert!(store.check().unwrap().ok);
}

#[test]
fn only_exportable_keys_leave_and_only_in_admin_mode() {
    let home = Home::new();
    let store = home.open_with_key("kept");
    store.create_key("lent", &CreateKey::new().exportable(true)).unwrap();
    for outcome in [
        store.get_data_key("kept", None).map(|_| ()),
        store.get_encryption_key("kept", 32, KeyEncoding::Hex).map(|_| ()),
        store.export_keyset("kept", KeysetFormat::Json, CLEAR).map(|_| ()),
        store.export_keyset("kept", KeysetFormat::Json, KeysetProtection::Passphrase(b"x")).map(|_| ()),
    ] {
        assert_eq!(kind(outcome), ErrorKind::PermissionDenied);
    }
    let before = store.anchor().unwrap().sequence();
    store.get_data_key("lent", Some(1)).unwrap();
    assert_eq!(store.anchor().unwrap().sequence(), before + 1, "recorded");
    assert_eq!(kind(store.get_data_key("lent", Some(2))), ErrorKind::NotFound);
    assert_eq!(kind(store.get_data_key("none", None)), ErrorKind::NotFound);
    let user = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    for outcome in [
        user.get_data_key("lent", None).map(|_| ()),
        user.get_encryption_key("lent", 32, KeyEncoding::Hex).map(|_| ()),
        user.export_keyset("lent", KeysetFormat::Json, CLEAR).map(|_| ()),
        user.import_keyset("new", b"{}", CLEAR, &ImportKeyset::new()).map(|_| ()),
        user.import_key("new", &KEY, KeyEncoding::Raw, &ImportKey::new()).map(|_| ()),
    ] {
        assert_eq!(kind(outcome), ErrorKind::PermissionDenied);
    }
}

/// A key with many versions, and what each sealed.
fn line(store: &Store, id: &str) -> Vec<Vec<u8>> {
    store.create_key(id, &CreateKey::new().exportable(true).purpose("pii").label("a", "b")).unwrap();
    (0..4)
        .map(|_| {
            let sealed = store.encrypt(id, b"ada", b"aad").unwrap();
            store.rotate_key(id).unwrap();
            sealed
        })
        .collect()
}

#[test]
fn keys_move_between_stores() {
    let (home, other) = (Home::new(), Home::new());
    let (store, target) = (home.open(), other.open());
    let sealed = line(&store, "pii");
    store.create_key("carrier", &CreateKey::new().exportable(true)).unwrap();
    let carrier =
        store.export_keyset("carrier", KeysetFormat::Binary, KeysetProtection::Passphrase(b"p")).unwrap();
    target
        .import_keyset("carrier", &carrier.bytes, KeysetProtection::Passphrase(b"p"), &ImportKeyset::new())
        .unwrap();
    let ways = [CLEAR, KeysetProtection::Passphrase(b"correct horse"), KeysetProtection::Key("carrier")];
    for (number, (protection, format)) in
        ways.into_iter().flat_map(|way| KeysetFormat::ALL.map(|format| (way, format))).enumerate()
    {
        let keyset = store.export_keyset("pii", format, protection).unwrap();
        assert!(keyset.losses.iter().any(|loss| loss.contains("purpose")), "{:?}", keyset.losses);
        let id = format!("moved-{number}");
        let options = ImportKeyset::new().purpose("pii").exportable(true);
        let info = target.import_keyset(&id, &keyset.bytes, protection, &options).unwrap();
        assert_eq!((info.current_version, info.purpose.as_deref()), (Some(5), Some("pii")));
        let told = |store: &Store, id: &str| -> Vec<_> {
            let versions = store.list_key_versions(id).unwrap();
            versions
                .iter()
                .map(|row| (row.version, row.tag, row.is_current, row.state, row.algorithm))
                .collect()
        };
        assert_eq!(told(&target, &id), told(&store, "pii"));
        for sealed in &sealed {
            assert_eq!(target.decrypt(&id, sealed, b"aad").unwrap(), b"ada"[..]);
        }
        let back = target.encrypt(&id, b"back", b"").unwrap();
        assert_eq!(store.decrypt("pii", &back, b"").unwrap(), b"back"[..]);
        // Another protection does not open it.
        for wrong in ways.into_iter().chain([KeysetProtection::Passphrase(b"wrong")]) {
            if format!("{wrong:?}") != format!("{protection:?}")
                || matches!(wrong, KeysetProtection::Passphrase(b"wrong"))
            {
                assert!(target.import_keyset("no", &keyset.bytes, wrong, &options).is_err(), "{wrong:?}");
            }
        }
        assert_eq!(
            kind(target.import_keyset(&id, &keyset.bytes, protection, &options)),
            ErrorKind::AlreadyExists
        );
    }
    for (id, protection) in
        [("carrier", KeysetProtection::Key("carrier")), ("pii", KeysetProtection::Passphrase(b""))]
    {
        assert_eq!(kind(store.export_keyset(id, KeysetFormat::Json, protection)), ErrorKind::InvalidArgument);
    }
    let none = KeysetProtection::Key("none");
    let before = store.anchor().unwrap();
    assert_eq!(kind(store.export_keyset("pii", KeysetFormat::Json, none)), ErrorKind::NotFound);
    assert_eq!(store.anchor().unwrap(), before, "nothing went out, so nothing is recorded");
    assert_eq!(kind(target.key("no")), ErrorKind::NotFound);
    assert!(target.check().unwrap().ok);
}

#[test]
fn every_algorithm_goes_out_and_comes_back() {
    let home = Home::new();
    let store = home.open();
    for algorithm in Algorithm::ALL {
        let id = algorithm.name();
        store
            .create_key(id, &CreateKey::new().kind(algorithm.kind()).algorithm(algorithm).exportable(true))
            .unwrap();
        for format in KeysetFormat::ALL {
            let keyset = store.export_keyset(id, format, CLEAR).unwrap();
            let again = format!("{id}-{}", format.name());
            let options = ImportKeyset::new().exportable(true);
            let info = store.import_keyset(&again, &keyset.bytes, CLEAR, &options).unwrap();
            assert_eq!((info.algorithm, info.kind), (algorithm, algorithm.kind()));
            assert_eq!(store.get_data_key(&again, None).unwrap(), store.get_data_key(id, None).unwrap()[..]);
            assert_eq!(store.export_keyset(&again, format, CLEAR).unwrap().bytes, keyset.bytes[..]);
        }
    }
}

fn clear_json(store: &Store, id: &str) -> Value {
    serde_json::from_slice(&store.export_keyset(id, KeysetFormat::Json, CLEAR).unwrap().bytes).unwrap()
}

#[test]
fn states_come_in_as_they_stand() {
    let home = Home::new();
    let store = home.open();
    let sealed = line(&store, "pii");
    let mut keyset = clear_json(&store, "pii");
    keyset["key"][0]["status"] = json!("DISABLED");
    keyset["key"][1] =
        json!({"status": "DESTROYED", "keyId": keyset["key"][1]["keyId"], "outputPrefixType": "TINK"});
    keyset["key"][2]["status"] = json!("DESTROYED");
    let options = ImportKeyset::new().exportable(true);
    store.import_keyset("in", keyset.to_string().as_bytes(), CLEAR, &options).unwrap();
    let states: Vec<_> = store.list_key_versions("in").unwrap().iter().rev().map(|row| row.state).collect();
    use VersionState::{Destroyed, Disabled, Enabled};
    assert_eq!(states, [Disabled, Destroyed, Destroyed, Enabled, Enabled]);
    for (sealed, opens) in sealed.iter().zip([false, false, false, true]) {
        match store.decrypt("in", sealed, b"aad") {
            Ok(_) => assert!(opens),
            Err(error) => assert!(!opens && error.kind() == ErrorKind::KeyUnavailable, "{error:?}"),
        }
    }
    assert_eq!(kind(store.get_data_key("in", Some(2))), ErrorKind::KeyUnavailable);
    assert!(store.check().unwrap().ok);
    let again = clear_json(&store, "in");
    let statuses: Vec<_> = again["key"].as_array().unwrap().iter().map(|key| key["status"].clone()).collect();
    assert_eq!(statuses, ["DISABLED", "DESTROYED", "DESTROYED", "ENABLED", "ENABLED"]);
    assert_eq!(again["key"][1]["keyData"]["value"], "");
    assert_eq!(again["key"][2]["keyData"]["value"], "");
}

#[test]
fn what_has_no_prefix_opens_last() {
    let home = Home::new();
    let store = home.open();
    line(&store, "pii");
    let sealed = store.encrypt("pii", b"raw", b"aad").unwrap();
    let mut keyset = clear_json(&store, "pii");
    for place in 0..5 {
        keyset["key"][place]["outputPrefixType"] = json!("RAW");
    }
    let bytes = keyset.to_string().into_bytes();
    assert_eq!(
        kind(store.import_keyset("raw", &bytes, CLEAR, &ImportKeyset::new())),
        ErrorKind::InvalidArgument
    );
    let options = ImportKeyset::new().rotate(true).exportable(true);
    assert_eq!(store.import_keyset("raw", &bytes, CLEAR, &options).unwrap().current_version, Some(6));
    let key = store.key("raw").unwrap();
    let raw = &sealed[5..];
    assert_eq!(key.decrypt(raw, b"aad").unwrap(), b"raw"[..]);
    let opening = key.decryption(raw).unwrap();
    let mut out = vec![0; opening.length()];
    opening.write(b"aad", &mut out).unwrap();
    assert_eq!(out, b"raw");
    assert_eq!(kind(key.decrypt(raw, b"aae")), ErrorKind::DecryptionFailed);
    let many = [Some(raw), None, Some(&sealed[..7])];
    let opened = key.decrypt_many(&many, Aad::Raw(b"aad"), keyfold::OnError::Return).unwrap();
    assert_eq!((opened.get(0).unwrap(), opened.get(1).unwrap()), (Some(&b"raw"[..]), None));
    assert_eq!(opened.get(2).unwrap_err().kind(), ErrorKind::DecryptionFailed);
    assert_eq!(
        kind(key.decrypt(&sealed, b"aad")),
        ErrorKind::DecryptionFailed,
        "its tag is not that of a raw key"
    );
    for length in 0..raw.len() {
        assert_eq!(kind(key.decrypt(&raw[..length], b"aad")), ErrorKind::DecryptionFailed);
    }
    // It moves to a version with a prefix, and the rest of the API knows what it is.
    assert!(key.needs_reencrypt(raw).unwrap());
    let moved = key.reencrypt(raw, b"aad").unwrap();
    assert_eq!(moved[0], 1);
    assert!(!key.needs_reencrypt(&moved).unwrap());
    assert_eq!(key.decrypt(&moved, b"aad").unwrap(), b"raw"[..]);
    assert!(store.inspect(&sealed).unwrap().iter().all(|info| info.key_id == "pii"));
    // And goes out as it came.
    let prefixes: Vec<_> = clear_json(&store, "raw")["key"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["outputPrefixType"].clone())
        .collect();
    assert_eq!(prefixes, ["RAW", "RAW", "RAW", "RAW", "RAW", "TINK"]);
    assert!(store.check().unwrap().ok);
    // A ciphertext without a prefix that by chance begins as one with it.
    let mut versions = 0;
    for first in 0..=255u8 {
        let mut chance = raw.to_vec();
        chance[0] = first;
        assert_eq!(kind(key.decrypt(&chance, b"x")), ErrorKind::DecryptionFailed);
        versions += 1;
    }
    assert_eq!(versions, 256);
    // A key without such versions still refuses at once.
    assert_eq!(kind(store.decrypt("pii", raw, b"aad")), ErrorKind::DecryptionFailed);
}

#[test]
fn raw_keys_are_few_and_of_one_type() {
    let home = Home::new();
    let store = home.open();
    line(&store, "pii");
    let keyset = clear_json(&store, "pii");
    let options = ImportKeyset::new().rotate(true);
    let many: Vec<Value> = (1..=limits::RAW_VERSIONS as u32 + 1)
        .map(|id| {
            let mut key = keyset["key"][0].clone();
            key["keyId"] = json!(id);
            key["outputPrefixType"] = json!("RAW");
            key
        })
        .collect();
    let mut most = json!({"primaryKeyId": 1, "key": many});
    assert_eq!(
        kind(store.import_keyset("raw", most.to_string().as_bytes(), CLEAR, &options)),
        ErrorKind::LimitExceeded
    );
    most["key"].as_array_mut().unwrap().pop();
    let mut mixed = most.clone();
    mixed["key"][3]["keyData"]["typeUrl"] = json!("type.googleapis.com/google.crypto.tink.AesGcmKey");
    assert_eq!(
        kind(store.import_keyset("raw", mixed.to_string().as_bytes(), CLEAR, &options)),
        ErrorKind::Unsupported
    );
    store.import_keyset("raw", most.to_string().as_bytes(), CLEAR, &options).unwrap();
}

/// Imports a key of this kind as one without a prefix, and rotates it.
fn without_prefix(store: &Store, of: KeyKind) -> (String, String) {
    let (own, raw) = (of.name().to_owned(), format!("raw-{of}"));
    store.create_key(&own, &CreateKey::new().kind(of).exportable(true)).unwrap();
    let mut keyset = clear_json(store, &own);
    keyset["key"][0]["outputPrefixType"] = json!("RAW");
    let bytes = keyset.to_string().into_bytes();
    let options = ImportKeyset::new().exportable(true);
    assert_eq!(kind(store.import_keyset(&raw, &bytes, CLEAR, &options)), ErrorKind::InvalidArgument);
    store.import_keyset(&raw, &bytes, CLEAR, &options.rotate(true)).unwrap();
    let shown = clear_json(store, &raw);
    let prefixes = [0, 1].map(|place| shown["key"][place]["outputPrefixType"].clone());
    assert_eq!(prefixes, ["RAW", "TINK"]);
    (own, raw)
}

#[test]
fn deterministic_ciphertexts_without_a_prefix_open_and_are_found() {
    let home = Home::new();
    let store = home.open();
    let (own, raw) = without_prefix(&store, KeyKind::Deterministic);
    let key = store.key(&raw).unwrap();
    for plaintext in [&b""[..], b"ada", &[7; 4096]] {
        let sealed = &store.encrypt(&own, plaintext, b"aad").unwrap()[5..];
        assert_eq!(key.decrypt(sealed, b"aad").unwrap(), *plaintext);
        assert_eq!(kind(key.decrypt(sealed, b"aae")), ErrorKind::DecryptionFailed);
        // Old rows are searched for by what they hold.
        let searched = key.search_ciphertexts(plaintext, b"aad").unwrap();
        assert_eq!(searched.len(), 2);
        assert_eq!(searched[0], key.encrypt(plaintext, b"aad").unwrap());
        assert_eq!(searched[1], sealed);
        assert!(key.needs_reencrypt(sealed).unwrap());
        assert_eq!(key.reencrypt(sealed, b"aad").unwrap(), searched[0]);
        let many = [Some(sealed), None, Some(&searched[0][..])];
        let opened = key.decrypt_many(&many, Aad::Raw(b"aad"), keyfold::OnError::Raise).unwrap();
        assert_eq!(
            [0, 1, 2].map(|place| opened.get(place).unwrap()),
            [Some(plaintext), None, Some(plaintext)]
        );
    }
    assert_eq!(kind(store.promote_version(&raw, 1)), ErrorKind::KeyUnavailable);
    store.set_version_state(&raw, 1, VersionState::Disabled, None).unwrap();
    let sealed = &store.encrypt(&own, b"ada", b"").unwrap()[5..];
    assert_eq!(kind(key.decrypt(sealed, b"")), ErrorKind::DecryptionFailed);
    assert_eq!(key.search_ciphertexts(b"ada", b"").unwrap().len(), 1);
}

#[test]
fn codes_without_a_prefix_verify() {
    let home = Home::new();
    let store = home.open();
    let (own, raw) = without_prefix(&store, KeyKind::Mac);
    let (own, key) = (store.key(&own).unwrap(), store.key(&raw).unwrap());
    let code = own.mac(b"data").unwrap();
    let bare = &code[5..];
    assert_eq!(own.mac_raw(b"data").unwrap(), bare);
    key.verify_mac(b"data", bare).unwrap();
    key.verify_mac(b"data", keyfold::to_text(bare)).unwrap();
    key.verify_mac_raw(b"data", bare).unwrap();
    assert_eq!(kind(key.verify_mac(b"other", bare)), ErrorKind::VerificationFailed);
    assert_eq!(kind(key.verify_mac(b"data", &code)), ErrorKind::VerificationFailed, "not of a raw key");
    // A key that has a prefix takes no code without it.
    assert_eq!(kind(own.verify_mac(b"data", bare)), ErrorKind::VerificationFailed);
    let mut begins_as_one = bare.to_vec();
    begins_as_one[0] = 1;
    assert_eq!(kind(key.verify_mac(b"data", &begins_as_one)), ErrorKind::VerificationFailed);
    for length in 0..bare.len() {
        assert_eq!(kind(key.verify_mac(b"data", &bare[..length])), ErrorKind::VerificationFailed);
    }
    // New ones have a prefix; the old version goes with its state.
    assert_eq!(key.mac(b"data").unwrap()[0], 1);
    key.verify_mac(b"data", key.mac(b"data").unwrap()).unwrap();
    store.set_version_state(&raw, 1, VersionState::Disabled, None).unwrap();
    assert_eq!(kind(key.verify_mac(b"data", bare)), ErrorKind::VerificationFailed);
    assert_eq!(kind(store.key("deterministic")), ErrorKind::NotFound);
}

#[test]
fn streams_and_derived_keys_have_no_prefix_to_miss() {
    let home = Home::new();
    let store = home.open();
    for kind in [KeyKind::Stream, KeyKind::Derive] {
        store.create_key(kind.name(), &CreateKey::new().kind(kind).exportable(true)).unwrap();
        let mut keyset = clear_json(&store, kind.name());
        assert_eq!(keyset["key"][0]["outputPrefixType"], "RAW");
        keyset["key"][0]["outputPrefixType"] = json!("TINK");
        let again = format!("{kind}-2");
        store
            .import_keyset(
                &again,
                keyset.to_string().as_bytes(),
                CLEAR,
                &ImportKeyset::new().exportable(true),
            )
            .unwrap();
        // It is the current version: nothing about it is of another time.
        assert_eq!(store.key_info(&again).unwrap().current_version, Some(1));
    }
    assert_eq!(
        *store.derive_key("derive", "p", 32, None).unwrap(),
        *store.derive_key("derive-2", "p", 32, None).unwrap()
    );
    let mut sealed = Vec::new();
    store.key("stream").unwrap().encrypt_stream(&mut &b"ada"[..], &mut sealed, b"").unwrap();
    let mut opened = Vec::new();
    store.key("stream-2").unwrap().decrypt_stream(&mut &sealed[..], &mut opened, b"").unwrap();
    assert_eq!(opened, b"ada");
}

#[test]
fn hostile_keysets_are_refused_by_name() {
    let home = Home::new();
    let store = home.open();
    line(&store, "pii");
    let good = clear_json(&store, "pii");
    let url = |name: &str| json!(format!("type.googleapis.com/google.crypto.tink.{name}"));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut keyset = good.clone();
        change(&mut keyset);
        keyset.to_string().into_bytes()
    };
    let primary =
        good["key"].as_array().unwrap().iter().position(|key| key["keyId"] == good["primaryKeyId"]).unwrap();
    let value = |bytes: &[u8]| json!(STANDARD.encode(bytes));
    use ErrorKind::{InvalidArgument, LimitExceeded, Unsupported};
    let cases: Vec<(&str, Vec<u8>, ErrorKind, &str)> = vec![
        ("empty", vec![], InvalidArgument, "no keys"),
        ("no object", b"{}".to_vec(), InvalidArgument, "fields"),
        ("no keys", changed(&|k| k["key"] = json!([])), InvalidArgument, "no keys"),
        ("zero id", changed(&|k| k["key"][0]["keyId"] = json!(0)), InvalidArgument, "id 0"),
        ("negative id", changed(&|k| k["key"][0]["keyId"] = json!(-1)), InvalidArgument, "fields"),
        ("large id", changed(&|k| k["key"][0]["keyId"] = json!(1u64 << 32)), InvalidArgument, "fields"),
        ("twice", changed(&|k| k["key"][0] = k["key"][1].clone()), InvalidArgument, "two keys"),
        ("no primary", changed(&|k| k["primaryKeyId"] = json!(1)), InvalidArgument, "no key with the id 1"),
        (
            "disabled primary",
            changed(&|k| k["key"][primary]["status"] = json!("DISABLED")),
            InvalidArgument,
            "not enabled",
        ),
        ("unknown field", changed(&|k| k["extra"] = json!(1)), InvalidArgument, "fields"),
        ("unknown field below", changed(&|k| k["key"][0]["extra"] = json!(1)), InvalidArgument, "fields"),
        ("unknown status", changed(&|k| k["key"][0]["status"] = json!("MAYBE")), InvalidArgument, "MAYBE"),
        (
            "status 0",
            changed(&|k| k["key"][0]["status"] = json!("UNKNOWN_STATUS")),
            InvalidArgument,
            "status 0",
        ),
        ("legacy", changed(&|k| k["key"][0]["outputPrefixType"] = json!("LEGACY")), Unsupported, "LEGACY"),
        ("crunchy", changed(&|k| k["key"][0]["outputPrefixType"] = json!("CRUNCHY")), Unsupported, "CRUNCHY"),
        (
            "no prefix type",
            changed(&|k| k["key"][0]["outputPrefixType"] = json!("UNKNOWN_PREFIX")),
            Unsupported,
            "0",
        ),
        (
            "asymmetric",
            changed(&|k| k["key"][0]["keyData"]["keyMaterialType"] = json!("ASYMMETRIC_PRIVATE")),
            Unsupported,
            "symmetric",
        ),
        (
            "other type",
            changed(&|k| k["key"][0]["keyData"]["typeUrl"] = url("AesEaxKey")),
            Unsupported,
            "AesEaxKey",
        ),
        (
            "foreign type",
            changed(&|k| k["key"][0]["keyData"]["typeUrl"] = json!("x\n\u{202e}y")),
            Unsupported,
            "\"x?y\"",
        ),
        (
            "mixed kinds",
            changed(&|k| {
                k["key"][0]["keyData"] = json!({"typeUrl": url("AesSivKey"), "keyMaterialType": "SYMMETRIC",
                "value": value(&[&[0x12, 64][..], &(0..64).collect::<Vec<u8>>()].concat())});
            }),
            InvalidArgument,
            "mixes kinds",
        ),
        (
            "base64 junk",
            changed(&|k| k["key"][0]["keyData"]["value"] = json!("!!!!")),
            InvalidArgument,
            "base64",
        ),
        (
            "base64 of a page",
            changed(&|k| k["key"][0]["keyData"]["value"] = json!("GiA")),
            InvalidArgument,
            "base64",
        ),
        (
            "no value",
            changed(&|k| k["key"][0]["keyData"]["value"] = json!("")),
            InvalidArgument,
            "without its bytes",
        ),
        ("no data", changed(&|k| k["key"][0]["keyData"] = Value::Null), InvalidArgument, "without its bytes"),
        (
            "short",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[&[0x1a, 17][..], &KEY[..17]].concat())),
            InvalidArgument,
            "32 bytes",
        ),
        (
            "of AES-128",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[&[0x1a, 16][..], &KEY[..16]].concat())),
            Unsupported,
            "AES-256",
        ),
        (
            "weak",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[&[0x1a, 32][..], &[7; 32]].concat())),
            InvalidArgument,
            "one byte",
        ),
        (
            "no key value",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[0x10, 0])),
            InvalidArgument,
            "keyset",
        ),
        (
            "newer version",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[&[8, 1, 0x1a, 32][..], &KEY].concat())),
            Unsupported,
            "version 1",
        ),
        (
            "unknown field in it",
            changed(&|k| {
                k["key"][0]["keyData"]["value"] = value(&[&[0x1a, 32][..], &KEY, &[0x28, 1]].concat())
            }),
            InvalidArgument,
            "fields",
        ),
        (
            "cut",
            changed(&|k| k["key"][0]["keyData"]["value"] = value(&[&[0x1a, 33][..], &KEY].concat())),
            InvalidArgument,
            "malformed",
        ),
        ("trailing", [&changed(&|_| ())[..], b" x"].concat(), InvalidArgument, "JSON"),
        (
            "doubled name",
            String::from_utf8(changed(&|_| ())).unwrap().replacen('{', "{\"primaryKeyId\":1,", 1).into(),
            InvalidArgument,
            "fields",
        ),
        ("nested", "[".repeat(100_000).into_bytes(), InvalidArgument, "keyset"),
        ("nested objects", "{\"key\":".repeat(100_000).into_bytes(), InvalidArgument, "keyset"),
        ("huge", vec![b' '; limits::KEYSET_BYTES + 1], LimitExceeded, "bytes"),
        ("an encrypted one", b"{\"encryptedKeyset\":\"AAAA\"}".to_vec(), InvalidArgument, "fields"),
        ("one under a passphrase", b"kfks1.AAAA".to_vec(), InvalidArgument, "passphrase"),
    ];
    for (name, keyset, expected, word) in cases {
        let error =
            store.import_keyset("no", &keyset, CLEAR, &ImportKeyset::new()).map(|_| ()).expect_err(name);
        assert_eq!(error.kind(), expected, "{name}: {error}");
        assert!(error.message().contains(word), "{name}: {error}");
        assert!(!error.message().contains(&STANDARD.encode(KEY)), "{name}");
    }
    let many: Vec<Value> = (1..=limits::VERSIONS + 1)
        .map(|id| json!({"status": "DESTROYED", "keyId": id, "outputPrefixType": "TINK"}))
        .collect();
    let many = json!({"primaryKeyId": 1, "key": many}).to_string();
    assert_eq!(kind(store.import_keyset("no", many.as_bytes(), CLEAR, &ImportKeyset::new())), LimitExceeded);
    assert_eq!(kind(store.key("no")), ErrorKind::NotFound);
    store.import_keyset("yes", good.to_string().as_bytes(), CLEAR, &ImportKeyset::new()).unwrap();
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_binary_keyset_is_an_error_or_another_keyset() {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new().exportable(true)).unwrap();
    let keyset = store.export_keyset("pii", KeysetFormat::Binary, CLEAR).unwrap().bytes;
    for length in 0..keyset.len() {
        assert!(
            store.import_keyset("no", &keyset[..length], CLEAR, &ImportKeyset::new()).is_err(),
            "{length}"
        );
    }
    for extra in [&[0][..], &[8, 1], &[0x28, 1], &[0x12, 0]] {
        let longer = [&keyset[..], extra].concat();
        assert!(store.import_keyset("no", &longer, CLEAR, &ImportKeyset::new()).is_err(), "{extra:?}");
    }
    let options = ImportKeyset::new().exportable(true);
    for bit in 0..8 * keyset.len() {
        let mut flipped = keyset.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let id = format!("flip-{bit}");
        if store.import_keyset(&id, &flipped, CLEAR, &options).is_ok() {
            let out = store.export_keyset(&id, KeysetFormat::Binary, CLEAR).unwrap().bytes;
            assert_eq!(out, flipped[..], "what came in goes out the same: bit {bit}");
        }
    }
    assert!(store.check().unwrap().ok);
}

#[test]
fn options_come_as_json() {
    let options =
        ImportKey::from_json(r#"{"as_version": false, "kind": "mac", "expires_in": "30d"}"#).unwrap();
    assert_eq!(options.kind.as_deref(), Some("mac"));
    assert!(ImportKeyset::from_json(r#"{"rotate": true, "exportable": true}"#).unwrap().rotate);
    for bad in [r#"{"material": "x"}"#, r#"{"passphrase": "x"}"#, "[]", "{\"exportable\": 1}"] {
        assert_eq!(kind(ImportKey::from_json(bad)), ErrorKind::InvalidArgument);
        assert_eq!(kind(ImportKeyset::from_json(bad)), ErrorKind::InvalidArgument);
        assert_eq!(kind(keyfold::RestoreOptions::from_json(bad)), ErrorKind::InvalidArgument);
    }
}
