//! The life of a key: states, rotation in stages, expiry, destruction, purposes, lists.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use common::{Home, beside, hear, hostile, kind, orders, tell};
use keyfold::{
    Aad, Algorithm, CreateKey, DESTRUCTION_DELAY, Error, ErrorKind, IndexOptions, KeyFilter, KeyKind,
    KeysetFormat, KeysetProtection, Mode, OpenOptions, Operation, PURPOSES, PurposeOptions, RotateKey, Store,
    Timestamp, VersionInfo, VersionState, limits,
};

const DAY: Duration = Duration::from_secs(86_400);
const START: i64 = 1_700_000_000_000;

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    fn options(&self) -> OpenOptions {
        let time = Arc::clone(&self.0);
        let now = move || Timestamp::from_milliseconds(time.load(Ordering::Relaxed));
        OpenOptions::new().create(true).clock(now)
    }

    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as i64, Ordering::Relaxed);
    }

    fn back(&self, time: Duration) {
        self.0.fetch_sub(time.as_millis() as i64, Ordering::Relaxed);
    }
}

fn open(home: &Home, hands: &Hands) -> Store {
    home.open_with(&hands.options()).unwrap()
}

fn version(store: &Store, key_id: &str, number: u32) -> VersionInfo {
    store.list_key_versions(key_id).unwrap().into_iter().find(|info| info.version == number).unwrap()
}

fn actions(path: &Path) -> Vec<String> {
    let connection = hostile(path);
    let mut statement = connection.prepare("SELECT record FROM audit ORDER BY sequence").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|record| {
        let record = record.unwrap();
        let field = |name: &str| {
            let at = record.find(&format!("\"{name}\":"))? + name.len() + 3;
            let rest = record[at..].trim_start_matches('"');
            Some(rest.split(['"', ',', '}']).next().unwrap().to_owned())
        };
        [field("action"), field("key"), field("version"), field("detail")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}

/// A key with a version in `state`, which is current or not, the key archived or not; with a ciphertext of it.
/// `None` where no calls lead there.
fn lead_to(state: VersionState, is_current: bool, archived: bool) -> Option<(Home, Store, u32, Vec<u8>)> {
    let encrypts = |store: &Store| store.encrypt("k", b"ada", Aad::NONE).unwrap();
    lead_with(&CreateKey::new(), &encrypts, (state, is_current, archived))
}

/// As [`lead_to`], with a key of any kind, and what the version `makes` while it is current.
fn lead_with(
    options: &CreateKey,
    encrypts: &dyn Fn(&Store) -> Vec<u8>,
    (state, is_current, archived): (VersionState, bool, bool),
) -> Option<(Home, Store, u32, Vec<u8>)> {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    store.create_key("k", options).unwrap();
    let (number, sealed) = if state == VersionState::Staged {
        if is_current {
            return None;
        }
        // Another process promoted it already: it sealed something, and then went back.
        let staged = store.rotate_key_with("k", &RotateKey::new().stage(true)).unwrap();
        assert_eq!(staged.state, VersionState::Staged);
        let copy = home.folder.path().join("other.keyfold");
        store.close();
        std::fs::copy(home.path(), &copy).unwrap();
        let other = Store::open_with(&copy, &home.master_key(), &OpenOptions::new()).unwrap();
        other.promote_version("k", 2).unwrap();
        (2, encrypts(&other))
    } else {
        let sealed = encrypts(&store);
        if !is_current {
            store.rotate_key("k").unwrap();
        }
        (1, sealed)
    };
    let store = open(&home, &Hands::new());
    if archived {
        store.archive_key("k").unwrap();
    }
    match state {
        VersionState::Staged | VersionState::Enabled => {}
        _ if is_current && !archived => return None,
        VersionState::PendingDestruction | VersionState::Destroyed => {
            store.schedule_destruction("k", number, Some(Duration::ZERO)).unwrap();
            if state == VersionState::Destroyed {
                assert_eq!(store.run_due().unwrap().destroyed.len(), 1);
            }
        }
        _ => drop(store.set_version_state("k", number, state, None).unwrap()),
    }
    let info = version(&store, "k", number);
    assert_eq!((info.state, info.is_current), (state, is_current));
    Some((home, store, number, sealed))
}

fn standings() -> impl Iterator<Item = (VersionState, bool, bool)> {
    VersionState::ALL.into_iter().flat_map(|state| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(is_current, archived)| (state, is_current, archived))
    })
}

#[test]
fn every_operation_in_every_state() {
    let mut reached = 0;
    for (state, is_current, archived) in standings() {
        let Some((_home, store, number, sealed)) = lead_to(state, is_current, archived) else { continue };
        let name = format!("{state}, current {is_current}, archived {archived}");
        reached += 1;
        let allowed = |operation| state.allows(operation, is_current, archived);
        let check = |operation: Operation, outcome: keyfold::Result<()>| match outcome {
            Ok(()) => assert!(allowed(operation), "{name} could {operation}"),
            Err(error) => {
                assert!(!allowed(operation), "{name} could not {operation}: {error}");
                assert_eq!(error.kind(), ErrorKind::KeyUnavailable, "{name} {operation}: {error}");
                assert_eq!(error.key_id(), Some("k"));
            }
        };
        let key = store.key("k").unwrap();
        check(
            Operation::Decrypt,
            key.decrypt(&sealed, Aad::NONE).map(|opened| assert_eq!(opened, b"ada"[..])),
        );
        check(Operation::Decrypt, key.decryption(&sealed).map(drop));
        // Whoever encrypts does so by the current version.
        let encrypted =
            key.encrypt(b"ada", Aad::NONE).map(|sealed| store.inspect(sealed).unwrap()[0].version);
        match &encrypted {
            Ok(by) if *by == number => check(Operation::Encrypt, Ok(())),
            Ok(_) => assert!(!is_current && !archived, "{name}"),
            Err(error) => {
                assert!(is_current || archived, "{name}: {error}");
                check(Operation::Encrypt, Err(Error::new(error.kind(), error.message()).with_key("k")));
            }
        }
        assert_eq!(key.encryption().and_then(|encryption| encryption.length(3)).is_ok(), encrypted.is_ok());
        // Moving on is decrypting and encrypting; where it is not to be moved, it is decrypted all the same.
        let moved = key.reencrypt(&sealed, Aad::NONE);
        let may_move = allowed(Operation::Decrypt) && (is_current || encrypted.is_ok());
        assert_eq!(moved.is_ok(), may_move, "{name}");
        assert_eq!(key.needs_reencrypt(&sealed).unwrap(), !is_current, "{name}");
        let seen = store.inspect(&sealed).unwrap();
        assert!(allowed(Operation::Inspect));
        assert_eq!((seen[0].version, seen[0].state, seen[0].is_current), (number, state, is_current));
        assert!(store.check().unwrap().ok, "{name}");
    }
    // Staged is never current; the current version of a key in use is enabled.
    assert_eq!(reached, 4 * 7 - 2 - 5);
}

/// What a version of this kind makes while it is current.
fn made(store: &Store, of: KeyKind) -> Vec<u8> {
    let key = store.key("k").unwrap();
    match of {
        KeyKind::Mac => key.mac(b"ada").unwrap(),
        KeyKind::Derive => store.derive_key("k", "p", 32, None).unwrap().to_vec(),
        KeyKind::Stream => {
            let mut sealed = Vec::new();
            key.encrypt_stream(&b"ada"[..], &mut sealed, Aad::NONE).unwrap();
            sealed
        }
        _ => key.encrypt(b"ada", Aad::NONE).unwrap(),
    }
}

/// The operations that open or verify what the version made, with the error where its state forbids them.
fn openings(
    store: &Store,
    of: KeyKind,
    number: u32,
    sealed: &[u8],
) -> Vec<(Operation, ErrorKind, keyfold::Result<()>)> {
    use ErrorKind::{DecryptionFailed, KeyUnavailable, VerificationFailed};
    let key = store.key("k").unwrap();
    let is_ada =
        |opened: keyfold::Result<keyfold::Plaintext>| opened.map(|opened| assert_eq!(opened, b"ada"[..]));
    match of {
        KeyKind::Mac => vec![
            (Operation::VerifyMac, KeyUnavailable, key.verify_mac(b"ada", sealed)),
            // Without a prefix nothing tells whose it is.
            (Operation::VerifyMac, VerificationFailed, key.verify_mac_raw(b"ada", &sealed[5..])),
        ],
        KeyKind::Derive => {
            let derived = store.derive_key("k", "p", 32, Some(number));
            vec![(Operation::Derive, KeyUnavailable, derived.map(|derived| assert_eq!(derived, *sealed)))]
        }
        KeyKind::Stream => {
            let mut opened = Vec::new();
            let outcome = key.decrypt_stream(sealed, &mut opened, Aad::NONE);
            assert_eq!(outcome.is_ok(), opened == b"ada");
            vec![(Operation::Decrypt, DecryptionFailed, outcome.map(drop))]
        }
        _ => {
            let many = key.decrypt_many(&[Some(sealed)], Aad::NONE, keyfold::OnError::Raise);
            vec![
                (Operation::Decrypt, KeyUnavailable, is_ada(key.decrypt(sealed, Aad::NONE))),
                (
                    Operation::Decrypt,
                    KeyUnavailable,
                    many.map(|many| assert_eq!(many.get(0).unwrap(), Some(&b"ada"[..]))),
                ),
            ]
        }
    }
}

/// The operations that make something new.
fn makings(store: &Store, of: KeyKind) -> Vec<keyfold::Result<()>> {
    let key = store.key("k").unwrap();
    match of {
        KeyKind::Mac => vec![key.mac(b"ada").map(drop), key.mac_raw(b"ada").map(drop)],
        KeyKind::Derive => vec![store.derive_key("k", "p", 32, None).map(drop)],
        KeyKind::Stream => vec![key.encrypt_stream(&b"ada"[..], std::io::sink(), Aad::NONE).map(drop)],
        _ => vec![
            key.encrypt(b"ada", Aad::NONE).map(drop),
            key.encrypt_many(&[Some(&b"ada"[..]), None], Aad::NONE).map(drop),
            key.encrypt_text("ada", Aad::NONE).map(drop),
        ],
    }
}

#[test]
fn every_operation_of_every_kind_in_every_state() {
    let mut reached = 0;
    let standings: Vec<_> = standings().collect();
    for (of, standing) in KeyKind::ALL.into_iter().flat_map(|of| standings.iter().map(move |at| (of, *at))) {
        let index = std::cell::RefCell::new(Vec::new());
        let makes = |store: &Store| {
            let key = store.key("k").unwrap();
            *index.borrow_mut() = key.blind_index(b"ada", "name", &IndexOptions::new()).unwrap();
            made(store, of)
        };
        let options = CreateKey::new().kind(of).exportable(true);
        let Some((_home, store, number, sealed)) = lead_with(&options, &makes, standing) else { continue };
        let (state, is_current, archived) = standing;
        let name = format!("{of}: {state}, current {is_current}, archived {archived}");
        reached += 1;
        let allowed = |operation| state.allows(operation, is_current, archived);
        for (operation, refused, outcome) in openings(&store, of, number, &sealed) {
            match outcome {
                Ok(()) => assert!(allowed(operation), "{name} could {operation}"),
                Err(error) => {
                    assert!(!allowed(operation), "{name} could not {operation}: {error}");
                    assert_eq!((error.kind(), error.key_id()), (refused, Some("k")), "{name}: {error}");
                }
            }
        }
        // Whatever is made new is made by the current version, and by none where the key is archived.
        for outcome in makings(&store, of) {
            assert_eq!(outcome.is_ok(), !archived, "{name}: {outcome:?}");
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::KeyUnavailable, "{name}: {error}");
            }
        }
        if of == KeyKind::Deterministic {
            let searched = store.key("k").unwrap().search_ciphertexts(b"ada", Aad::NONE).unwrap();
            assert_eq!(searched.contains(&sealed), allowed(Operation::Decrypt), "{name}");
        }
        match store.get_data_key("k", Some(number)) {
            Ok(_) => assert!(allowed(Operation::Export), "{name} could be exported"),
            Err(error) => {
                assert!(!allowed(Operation::Export), "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
            }
        }
        // A keyset has all versions, and needs one that encrypts.
        let stopped = matches!(
            state,
            VersionState::Disabled
                | VersionState::Revoked
                | VersionState::PendingDestruction
                | VersionState::Destroyed
        );
        match store.export_keyset("k", KeysetFormat::Json, KeysetProtection::InsecureCleartext) {
            Ok(keyset) => {
                assert!(!(is_current && stopped), "{name}");
                let keyset: serde_json::Value = serde_json::from_slice(&keyset.bytes).unwrap();
                let exported = &keyset["key"][number as usize - 1];
                let has_key = exported["keyData"]["value"] != "";
                assert_eq!(has_key, allowed(Operation::ExportKeyset), "{name}");
                assert_eq!(exported["status"] == "ENABLED", !stopped, "{name}");
            }
            Err(error) => {
                assert!(is_current && stopped, "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            }
        }
        // Blind indexes have roots of their own, and stay what they were.
        let again = store.key("k").unwrap().blind_index(b"ada", "name", &IndexOptions::new()).unwrap();
        assert_eq!(again, *index.borrow(), "{name}");
        assert!(store.check().unwrap().ok, "{name}");
    }
    assert_eq!(reached, KeyKind::ALL.len() * (4 * 7 - 2 - 5));
}

/// What the calls do to a version in this standing: the state after it, or the error; and whether that is current.
fn expected(
    state: VersionState,
    is_current: bool,
    archived: bool,
    call: &str,
) -> Result<VersionState, ErrorKind> {
    use ErrorKind::{InUse, InvalidArgument, KeyUnavailable};
    use VersionState::*;
    let in_use = is_current && !archived;
    match (call, state) {
        ("staged" | "pending_destruction" | "destroyed", _) => Err(InvalidArgument),
        (_, Destroyed) => Err(KeyUnavailable),
        ("cancel", PendingDestruction) => Ok(Enabled),
        (_, PendingDestruction) => Err(KeyUnavailable),
        ("cancel", _) => Err(InvalidArgument),
        ("promote", Staged | Enabled) if !archived => Ok(Enabled),
        ("promote", _) => Err(KeyUnavailable),
        ("schedule", _) if in_use => Err(InUse),
        ("schedule", _) => Ok(PendingDestruction),
        ("revoked", _) => Ok(Revoked),
        (_, Revoked) => Err(KeyUnavailable),
        ("enabled", Staged) => Err(InvalidArgument),
        ("enabled", _) => Ok(Enabled),
        (_, Enabled) if in_use => Err(InUse),
        ("disabled", _) => Ok(Disabled),
        ("decrypt_only", _) => Ok(DecryptOnly),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_change_in_every_state() {
    let calls = [
        "staged",
        "enabled",
        "decrypt_only",
        "disabled",
        "revoked",
        "pending_destruction",
        "destroyed",
        "promote",
        "schedule",
        "cancel",
    ];
    for (state, is_current, archived) in standings() {
        for call in calls {
            let Some((home, store, number, _)) = lead_to(state, is_current, archived) else { continue };
            let name = format!("{call}: {state}, current {is_current}, archived {archived}");
            let before = (store.list_key_versions("k").unwrap(), store.anchor().unwrap().to_string());
            let changed = match call {
                "promote" => store.promote_version("k", number),
                "schedule" => store.schedule_destruction("k", number, None),
                "cancel" => store.cancel_destruction("k", number),
                state => store.set_version_state("k", number, state.parse().unwrap(), Some("because")),
            };
            let after = store.list_key_versions("k").unwrap();
            match expected(state, is_current, archived, call) {
                Ok(expected) => {
                    let changed = changed.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(changed.state, expected, "{name}");
                    assert_eq!(changed, version(&store, "k", number), "{name}");
                    let stays = expected == state && (is_current || call != "promote");
                    assert_eq!(after == before.0, stays, "{name}");
                    assert_eq!(store.anchor().unwrap().to_string() == before.1, stays, "{name}");
                }
                Err(kind) => {
                    let error = changed.unwrap_err();
                    assert_eq!(error.kind(), kind, "{name}: {error}");
                    assert_eq!((after, store.anchor().unwrap().to_string()), before, "{name}");
                }
            }
            // Of a key in use one version is current, and it encrypts.
            let current: Vec<_> =
                store.list_key_versions("k").unwrap().into_iter().filter(|info| info.is_current).collect();
            assert_eq!(current.len(), 1, "{name}");
            assert!(archived || current[0].state == VersionState::Enabled, "{name}");
            assert_eq!(store.encrypt("k", b"ada", Aad::NONE).is_ok(), !archived, "{name}");
            assert!(store.check().unwrap().ok, "{name}");
            drop((store, home));
        }
    }
}

#[test]
fn cancelling_brings_back_what_was_before_and_never_more() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    store.create_key("k", &CreateKey::new()).unwrap();
    let old = store.encrypt("k", b"ada", Aad::NONE).unwrap();
    store.rotate_key("k").unwrap();
    for state in
        [VersionState::Enabled, VersionState::DecryptOnly, VersionState::Disabled, VersionState::Revoked]
    {
        store.set_version_state("k", 1, state, Some("why it is so")).unwrap();
        let before = version(&store, "k", 1);
        for _ in 0..2 {
            let pending = store.schedule_destruction("k", 1, None).unwrap();
            let at = Timestamp::from_milliseconds(START + DESTRUCTION_DELAY.as_millis() as i64);
            assert_eq!((pending.state, pending.destroy_at), (VersionState::PendingDestruction, Some(at)));
            assert_eq!(
                pending.state_reason.as_deref(),
                (state != VersionState::Enabled).then_some("why it is so")
            );
            assert_eq!(kind(store.decrypt("k", &old, Aad::NONE)), ErrorKind::KeyUnavailable);
            let error = store.schedule_destruction("k", 1, Some(DAY)).unwrap_err();
            assert!(
                error.message().contains("cancel_destruction") && error.message().contains(&at.to_string())
            );
            assert_eq!(store.cancel_destruction("k", 1).unwrap(), before);
        }
        assert_eq!(store.decrypt("k", &old, Aad::NONE).is_ok(), state.may_decrypt());
    }
    let staged = store.rotate_key_with("k", &RotateKey::new().stage(true)).unwrap();
    store.schedule_destruction("k", staged.version, None).unwrap();
    assert_eq!(store.cancel_destruction("k", staged.version).unwrap(), staged);
}

#[test]
fn staging_promoting_and_going_back() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let other = home
        .open_with(&OpenOptions::new().refresh_interval(Duration::from_secs(3600)).max_stale(DAY))
        .unwrap();
    let theirs = other.key("k").unwrap();
    let by = |sealed: &[u8]| store.inspect(sealed).unwrap()[0].version;
    let encrypt = || store.encrypt("k", b"ada", Aad::NONE).unwrap();
    let staged = store.rotate_key_with("k", &RotateKey::new().stage(true)).unwrap();
    assert_eq!((staged.version, staged.state, staged.is_current), (2, VersionState::Staged, false));
    assert_eq!(by(&encrypt()), 1);
    assert!(theirs.decrypt(encrypt(), Aad::NONE).is_ok());
    let promoted = store.promote_version("k", 2).unwrap();
    assert_eq!((promoted.state, promoted.is_current), (VersionState::Enabled, true));
    let sealed = encrypt();
    assert_eq!(by(&sealed), 2);
    assert_eq!(theirs.decrypt(&sealed, Aad::NONE).unwrap(), b"ada"[..]);
    // Back, and forth again.
    assert_eq!(version(&store, "k", 1).state, VersionState::Enabled);
    store.promote_version("k", 1).unwrap();
    assert_eq!(by(&encrypt()), 1);
    assert_eq!(store.decrypt("k", &sealed, Aad::NONE).unwrap(), b"ada"[..]);
    store.promote_version("k", 2).unwrap();
    store.set_version_state("k", 1, VersionState::DecryptOnly, None).unwrap();
    let error = store.promote_version("k", 1).unwrap_err();
    assert_eq!((error.kind(), error.version()), (ErrorKind::KeyUnavailable, Some(1)));
    assert!(error.message().contains("enabled first"), "{error}");
    // A rotation beside a staged version comes after it.
    store.rotate_key_with("k", &RotateKey::new().stage(true)).unwrap();
    assert_eq!(store.rotate_key("k").unwrap().version, 4);
    assert_eq!(version(&store, "k", 3).state, VersionState::Staged);
    for missing in [0, 5, u32::MAX] {
        assert_eq!(kind(store.promote_version("k", missing)), ErrorKind::NotFound);
        assert_eq!(kind(store.schedule_destruction("k", missing, None)), ErrorKind::NotFound);
        assert_eq!(kind(store.cancel_destruction("k", missing)), ErrorKind::NotFound);
    }
    for refused in ["", "no such key"] {
        assert_eq!(kind(store.promote_version(refused, 1)), ErrorKind::InvalidArgument);
    }
    assert_eq!(kind(store.promote_version("nope", 1)), ErrorKind::NotFound);
    assert_eq!(kind(store.archive_key("nope")), ErrorKind::NotFound);
    assert_eq!(kind(store.set_version_state("nope", 1, VersionState::Revoked, None)), ErrorKind::NotFound);
}

#[test]
fn a_rotation_may_change_the_algorithm() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let mut sealed = vec![store.encrypt("k", b"ada", Aad::NONE).unwrap()];
    for algorithm in Algorithm::AEAD {
        let made = store.rotate_key_with("k", &RotateKey::new().algorithm(algorithm)).unwrap();
        assert_eq!((made.algorithm, store.key_info("k").unwrap().algorithm), (algorithm, algorithm));
        sealed.push(store.encrypt("k", b"ada", Aad::NONE).unwrap());
        // It is the key's from then on.
        assert_eq!(store.rotate_key("k").unwrap().algorithm, algorithm);
    }
    for ciphertext in &sealed {
        assert_eq!(store.decrypt("k", ciphertext, Aad::NONE).unwrap(), b"ada"[..]);
    }
    for bad in [r#"{"algorithm": "AES256_SIV"}"#, r#"{"algorithm": "ROT13"}"#, r#"{"algorithm": ""}"#] {
        let options = RotateKey::from_json(bad).unwrap();
        assert_eq!(kind(store.rotate_key_with("k", &options)), ErrorKind::InvalidArgument, "{bad}");
    }
    assert_eq!(kind(RotateKey::from_json(r#"{"staged": true}"#)), ErrorKind::InvalidArgument);
    assert!(store.check().unwrap().ok);
}

#[test]
fn revoking_the_current_version_makes_its_successor() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let old = store.encrypt("k", b"ada", Aad::NONE).unwrap();
    let generation = store.check().unwrap().generation;
    let revoked = store.set_version_state("k", 1, VersionState::Revoked, Some("leaked")).unwrap();
    assert_eq!((revoked.state, revoked.is_current), (VersionState::Revoked, false));
    assert_eq!(revoked.state_reason.as_deref(), Some("leaked"));
    assert_eq!(store.check().unwrap().generation, generation + 1, "one transaction");
    let current = version(&store, "k", 2);
    assert_eq!((current.state, current.is_current), (VersionState::Enabled, true));
    let error = store.decrypt("k", &old, Aad::NONE).unwrap_err();
    assert_eq!((error.kind(), error.version()), (ErrorKind::KeyUnavailable, Some(1)));
    assert!(store.encrypt("k", b"ada", Aad::NONE).is_ok());
    // A second reason changes nothing, and neither does archiving.
    assert_eq!(store.set_version_state("k", 1, VersionState::Revoked, Some("again")).unwrap(), revoked);
    store.archive_key("k").unwrap();
    let last = store.set_version_state("k", 2, VersionState::Revoked, None).unwrap();
    assert!(last.is_current, "an archived key gets no successor");
    assert_eq!(store.list_key_versions("k").unwrap().len(), 2);
    assert_eq!(
        actions(&home.path())[1..],
        [
            "create_key k 1",
            "set_version_state k 1 revoked: leaked",
            "rotate_key k 2 after a revocation",
            "archive_key k",
            "set_version_state k 2 revoked",
        ]
    );
    assert!(store.check().unwrap().ok);
}

#[test]
fn reasons_are_bounded() {
    let home = Home::new();
    let store = home.open_with_key("k");
    store.rotate_key("k").unwrap();
    let disable = |reason: &str| store.set_version_state("k", 1, VersionState::Disabled, Some(reason));
    let longest = "x".repeat(limits::REASON_BYTES);
    assert_eq!(disable(&longest).unwrap().state_reason, Some(longest.clone()));
    assert_eq!(kind(disable(&(longest + "x"))), ErrorKind::LimitExceeded);
    for bad in ["", "two\nlines", "\u{0}"] {
        assert_eq!(kind(disable(bad)), ErrorKind::InvalidArgument);
    }
    store.set_version_state("k", 1, VersionState::Enabled, Some("\"quoted\", 'so' \u{1F511}")).unwrap();
    assert!(store.check().unwrap().ok);
}

#[test]
fn archived_keys_are_at_rest() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let sealed = store.encrypt("k", b"ada", Aad::NONE).unwrap();
    let archived = store.archive_key("k").unwrap();
    assert!(archived.archived);
    let generation = store.check().unwrap().generation;
    assert_eq!(store.archive_key("k").unwrap(), archived);
    assert_eq!(store.check().unwrap().generation, generation);
    assert_eq!(kind(store.encrypt("k", b"ada", Aad::NONE)), ErrorKind::KeyUnavailable);
    assert_eq!(kind(store.rotate_key("k")), ErrorKind::KeyUnavailable);
    assert_eq!(kind(store.rotate_key_with("k", &RotateKey::new().stage(true))), ErrorKind::KeyUnavailable);
    assert_eq!(store.decrypt("k", &sealed, Aad::NONE).unwrap(), b"ada"[..]);
    assert_eq!(kind(store.create_key("k", &CreateKey::new())), ErrorKind::AlreadyExists);
}

#[test]
fn an_expired_version_decrypts_and_does_not_encrypt() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    let created = store.create_key("k", &CreateKey::new().expires_in(30 * DAY)).unwrap();
    let until = Timestamp::from_milliseconds(START + (30 * DAY).as_millis() as i64);
    assert_eq!(created.expires_at, Some(until));
    let key = store.key("k").unwrap();
    let sealed = key.encrypt(b"ada", Aad::NONE).unwrap();
    assert!(!store.inspect(&sealed).unwrap()[0].expired);
    hands.pass(30 * DAY - Duration::from_millis(1));
    assert!(key.encrypt(b"ada", Aad::NONE).is_ok());
    hands.pass(Duration::from_millis(1));
    let error = key.encrypt(b"ada", Aad::NONE).unwrap_err();
    assert_eq!(
        (error.kind(), error.key_id(), error.version()),
        (ErrorKind::KeyUnavailable, Some("k"), Some(1))
    );
    assert!(error.message().contains(&until.to_string()) && error.message().contains("rotate"), "{error}");
    assert_eq!(kind(key.encryption().map(drop)), ErrorKind::KeyUnavailable);
    assert_eq!(kind(store.encrypt("k", b"ada", Aad::NONE)), ErrorKind::KeyUnavailable);
    assert_eq!(key.decrypt(&sealed, Aad::NONE).unwrap(), b"ada"[..]);
    let seen = &store.inspect(&sealed).unwrap()[0];
    assert_eq!((seen.expired, seen.expires_at, seen.is_current), (true, Some(until), true));
    // Set back, the clock lets it encrypt again.
    hands.back(Duration::from_millis(1));
    assert!(key.encrypt(b"ada", Aad::NONE).is_ok());
    hands.pass(DAY);
    // A staged version's time begins when it is promoted; an earlier one's does not begin again.
    let staged = store.rotate_key_with("k", &RotateKey::new().stage(true)).unwrap();
    assert_eq!(staged.expires_at, None);
    hands.pass(5 * DAY);
    let promoted = store.promote_version("k", 2).unwrap();
    assert_eq!(
        promoted.expires_at.unwrap().milliseconds(),
        hands.0.load(Ordering::Relaxed) + (30 * DAY).as_millis() as i64
    );
    assert!(key.encrypt(b"ada", Aad::NONE).is_ok());
    let error = store.promote_version("k", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
    assert!(error.message().contains("expired"), "{error}");
    assert_eq!(version(&store, "k", 2), promoted);
    store.rotate_key("k").unwrap();
    hands.pass(DAY);
    assert_eq!(store.promote_version("k", 2).unwrap().expires_at, promoted.expires_at);
    // Archived is said first: there is nothing to rotate.
    hands.pass(365 * DAY);
    store.archive_key("k").unwrap();
    assert!(key.encrypt(b"ada", Aad::NONE).unwrap_err().message().contains("archived"));
}

/// Without a clock of the caller's it is the system's.
#[test]
fn the_system_clock_ends_a_version() {
    let home = Home::new();
    let store = home.open();
    store.create_key("k", &CreateKey::new().expires_in(Duration::from_millis(300))).unwrap();
    let key = store.key("k").unwrap();
    let sealed = key.encrypt(b"ada", Aad::NONE).unwrap();
    std::thread::sleep(Duration::from_millis(350));
    assert_eq!(kind(key.encrypt(b"ada", Aad::NONE)), ErrorKind::KeyUnavailable);
    assert!(store.inspect(&sealed).unwrap()[0].expired);
    assert!(key.decrypt(&sealed, Aad::NONE).is_ok());
    store.rotate_key("k").unwrap();
    assert!(key.encrypt(b"ada", Aad::NONE).is_ok());
}

/// The files of the store, read by another process: opening one here would let go of SQLite's locks on it.
fn files(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = beside(path, suffix);
        if file.exists() {
            bytes.extend(Command::new("cat").arg(file).output().unwrap().stdout);
        }
    }
    assert!(!bytes.is_empty());
    bytes
}

fn occurs(place: &[u8], part: &[u8]) -> bool {
    place.windows(part.len()).any(|window| window == part)
}

/// The wrapped bytes of versions, by their number.
fn wrapped(path: &Path, key_id: &str) -> Vec<Vec<u8>> {
    let connection = hostile(path);
    let mut statement =
        connection.prepare("SELECT wrapped FROM key_version WHERE key_id = ?1 ORDER BY version").unwrap();
    statement.query_map([key_id], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn destruction_waits_and_then_shreds() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    store.create_key("k", &CreateKey::new()).unwrap();
    let old = store.encrypt("k", b"ada", Aad::NONE).unwrap();
    store.rotate_key("k").unwrap();
    let bytes = wrapped(&home.path(), "k");
    // Part of it is enough to search for: SQLite may cut a row in two.
    let part = &bytes[0][bytes[0].len() - 24..];
    assert!(occurs(&files(&home.path()), part));
    store.schedule_destruction("k", 1, Some(DAY)).unwrap();
    hands.pass(DAY - Duration::from_millis(1));
    let early = store.run_due().unwrap();
    assert!(early.destroyed.is_empty() && !early.purge_pending && early.failures.is_empty());
    assert!(occurs(&files(&home.path()), part));
    hands.pass(Duration::from_millis(1));
    let report = store.run_due().unwrap();
    assert_eq!(report.at.milliseconds(), START + DAY.as_millis() as i64);
    assert_eq!((report.destroyed[0].key_id.as_str(), report.destroyed[0].version), ("k", 1));
    assert_eq!((report.destroyed.len(), report.purge_pending), (1, false));
    let after = files(&home.path());
    assert!(!occurs(&after, part), "the wrapped key is still in a file");
    assert!(occurs(&after, &bytes[1][24..]), "the search finds what is there");
    let info = version(&store, "k", 1);
    assert_eq!((info.state, info.destroy_at), (VersionState::Destroyed, Some(report.at)));
    assert_eq!(kind(store.decrypt("k", &old, Aad::NONE)), ErrorKind::KeyUnavailable);
    assert_eq!(store.inspect(&old).unwrap()[0].state, VersionState::Destroyed);
    assert_eq!(kind(store.cancel_destruction("k", 1)), ErrorKind::KeyUnavailable);
    assert!(store.encrypt("k", b"ada", Aad::NONE).is_ok());
    assert!(store.run_due().unwrap().destroyed.is_empty());
    let checked = store.check().unwrap();
    assert!(checked.ok && !checked.purge_pending, "{checked:?}");
    assert_eq!(
        actions(&home.path())[1..],
        [
            "create_key k 1",
            "rotate_key k 2",
            "schedule_destruction k 1 2023-11-15T22:13:20.000Z",
            "destroy_version k 1",
            "purge",
        ]
    );
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(
        text,
        "{\"at\":\"2023-11-15T22:13:20.000Z\",\"destroyed\":[{\"key_id\":\"k\",\"version\":1}],\"failures\":[],\
         \"purge_pending\":false}"
    );
    store.close();
    let again = home.open_with(&OpenOptions::new()).unwrap();
    assert!(again.check().unwrap().ok);
    assert_eq!(again.rotate_key("k").unwrap().version, 3);
}

/// How many bytes of a wrapped key are looked for.
const PART: usize = 16;

/// Rows move between pages as a table grows, and leave copies behind in the space that no page uses.
#[test]
fn nothing_is_left_in_the_slack_of_pages() {
    for seed in 0..4 {
        let home = Home::new();
        let store = open(&home, &Hands::new());
        let mut random = common::Random(seed);
        let ids: Vec<String> =
            (0..40).map(|_| format!("key-{:x}", random.number() >> random.below(40))).collect();
        for id in &ids {
            store.create_key(id, &CreateKey::new().exist_ok(true)).unwrap();
        }
        // Long and short reasons in between have rows grow and shrink.
        for _ in 0..400 {
            let id = &ids[random.below(ids.len())];
            let made = store.rotate_key(id).unwrap().version;
            if random.below(4) == 0 {
                let reason = "r".repeat(1 + random.below(900));
                let number = 1 + random.below(made as usize - 1) as u32;
                store.set_version_state(id, number, VersionState::Disabled, Some(&reason)).unwrap();
            }
        }
        let victims: BTreeSet<&String> = ids.iter().take(20).collect();
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for id in ids.iter().collect::<BTreeSet<_>>() {
            let bytes = wrapped(&home.path(), id);
            if victims.contains(id) {
                let (current, earlier) = bytes.split_last().unwrap();
                kept.push(current.clone());
                gone.extend_from_slice(earlier);
                for number in 1..=earlier.len() as u32 {
                    store.schedule_destruction(id, number, Some(Duration::ZERO)).unwrap();
                }
            } else {
                kept.extend(bytes);
            }
        }
        let report = store.run_due().unwrap();
        assert_eq!((report.destroyed.len(), report.purge_pending), (gone.len(), false));
        let files = files(&home.path());
        let windows: std::collections::HashSet<&[u8]> = files.windows(PART).collect();
        // Any part of it.
        let found = |wrapped: &Vec<u8>| wrapped.chunks_exact(PART).any(|part| windows.contains(part));
        let left = gone.iter().filter(|wrapped| found(wrapped)).count();
        assert_eq!(left, 0, "seed {seed}: of {} destroyed versions {left} left bytes behind", gone.len());
        assert!(kept.iter().all(found));
        assert!(store.check().unwrap().ok);
    }
}

#[test]
fn a_reader_holds_the_purge_up() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    store.create_key("k", &CreateKey::new()).unwrap();
    store.rotate_key("k").unwrap();
    let bytes = wrapped(&home.path(), "k");
    let part = &bytes[0][bytes[0].len() - PART..];
    store.schedule_destruction("k", 1, Some(Duration::ZERO)).unwrap();
    let reader = hostile(&home.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM key_version;").unwrap();
    let before = std::time::Instant::now();
    let report = store.run_due().unwrap();
    assert!(before.elapsed() < Duration::from_secs(4), "others would wait as long");
    assert_eq!((report.destroyed.len(), report.purge_pending), (1, true));
    let checked = store.check().unwrap();
    assert!(checked.ok && checked.purge_pending, "{checked:?}");
    assert!(occurs(&files(&home.path()), part), "the reader still needs it");
    // Nothing is due, and the purge still waits; others work on meanwhile.
    assert!(store.run_due().unwrap().purge_pending);
    store.rotate_key("k").unwrap();
    assert!(store.encrypt("k", b"ada", Aad::NONE).is_ok());
    // It is the store that remembers.
    let again = home.open_with(&OpenOptions::new()).unwrap();
    assert!(again.check().unwrap().purge_pending);
    reader.execute_batch("COMMIT").unwrap();
    let report = again.run_due().unwrap();
    assert!(report.destroyed.is_empty() && !report.purge_pending);
    assert!(!occurs(&files(&home.path()), part));
    assert!(!store.check().unwrap().purge_pending);
    let generation = store.check().unwrap().generation;
    assert!(!store.run_due().unwrap().purge_pending);
    assert_eq!(store.check().unwrap().generation, generation, "nothing to do is no act");
}

#[test]
fn delays_have_bounds() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    store.create_key("k", &CreateKey::new()).unwrap();
    store.rotate_key("k").unwrap();
    let longest = limits::PERIOD;
    for bad in [longest + Duration::from_millis(1), Duration::MAX, Duration::from_nanos(1)] {
        assert_eq!(
            kind(store.schedule_destruction("k", 1, Some(bad))),
            ErrorKind::InvalidArgument,
            "{bad:?}"
        );
    }
    let at = store.schedule_destruction("k", 1, Some(longest)).unwrap().destroy_at.unwrap();
    assert_eq!(at.milliseconds(), START + longest.as_millis() as i64);
    store.cancel_destruction("k", 1).unwrap();
    let at = store.schedule_destruction("k", 1, None).unwrap().destroy_at.unwrap();
    assert_eq!(at.milliseconds(), START + DESTRUCTION_DELAY.as_millis() as i64);
    // A time long past is due; a clock that is set back has it wait.
    hands.back(DAY);
    assert!(store.run_due().unwrap().destroyed.is_empty());
    hands.pass(5 * 365 * DAY);
    assert_eq!(store.run_due().unwrap().destroyed.len(), 1);
}

/// Whatever a clock says, nothing overflows, and nothing is destroyed before its time.
#[test]
fn clocks_at_the_end_of_time() {
    for time in [i64::MIN, -1, 0, i64::MAX] {
        let home = Home::new();
        let hands = Hands::new();
        let store = open(&home, &hands);
        hands.0.store(time, Ordering::Relaxed);
        store.create_key("k", &CreateKey::new().purpose("pii").expires_in(limits::PERIOD)).unwrap();
        let sealed = store.encrypt("k", b"ada", Aad::NONE);
        assert_eq!(sealed.is_ok(), time != i64::MAX);
        store.rotate_key("k").unwrap();
        store.schedule_destruction("k", 1, Some(limits::PERIOD)).unwrap();
        store.run_due().unwrap();
        assert_eq!(version(&store, "k", 1).state == VersionState::Destroyed, time == i64::MAX, "{time}");
        assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 1);
        store.key_for("pii").unwrap();
        assert!(store.check().unwrap().ok);
    }
}

/// One key that does not verify stops none of the others.
#[test]
fn damaged_keys_are_left_alone() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    for id in ["a", "b", "c"] {
        store.create_key(id, &CreateKey::new()).unwrap();
        store.rotate_key(id).unwrap();
        store.schedule_destruction(id, 1, Some(Duration::ZERO)).unwrap();
    }
    // Somebody would have another version destroyed.
    hostile(&home.path())
        .execute_batch(
            "UPDATE key_version SET state = 'pending_destruction', destroy_at = 1 WHERE key_id = 'b' AND version = 2",
        )
        .unwrap();
    let report = store.run_due().unwrap();
    let destroyed: Vec<&str> = report.destroyed.iter().map(|version| version.key_id.as_str()).collect();
    assert_eq!(destroyed, ["a", "c"]);
    assert_eq!(report.failures.len(), 1);
    assert_eq!(report.failures[0].key_id, "b");
    assert!(report.failures[0].problem.contains("without the master key"), "{report:?}");
    assert!(!report.purge_pending);
    assert!(wrapped(&home.path(), "b").iter().all(|wrapped| !wrapped.is_empty()));
}

/// Nobody can tell whether what does not verify is due, so all of it is named, whatever the damage, and the rest done.
#[test]
fn every_key_that_may_hide_is_named() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    let ids: Vec<String> = (0..limits::PAGE_KEYS + 9).map(|number| format!("k{number:04}")).collect();
    let keys: Vec<(&str, CreateKey)> = ids.iter().map(|id| (id.as_str(), CreateKey::new())).collect();
    store.create_keys(&keys).unwrap();
    let (first, last) = (ids.first().unwrap(), ids.last().unwrap());
    for id in [first, last, &ids[3], &ids[4]] {
        store.rotate_key(id).unwrap();
        store.schedule_destruction(id, 1, Some(Duration::ZERO)).unwrap();
    }
    hostile(&home.path())
        .execute_batch(
            "UPDATE key_version SET destroy_at = 9000000000000 WHERE key_id IN ('k0003', 'k0004') AND version = 1;
             UPDATE key_version SET state = CAST(x'ff' AS TEXT) WHERE key_id = 'k0004' AND version = 2;
             UPDATE key SET labels = CAST(x'ff' AS TEXT) WHERE key_id = 'k0007'",
        )
        .unwrap();
    let named = |report: &keyfold::RunDueReport| -> Vec<String> {
        report.failures.iter().map(|failure| failure.key_id.clone()).collect()
    };
    let report = store.run_due().unwrap();
    let destroyed: Vec<&str> = report.destroyed.iter().map(|version| version.key_id.as_str()).collect();
    assert_eq!(destroyed, [first, last]);
    assert_eq!(named(&report), ["k0003", "k0004", "k0007"]);
    // Also what was verified before it was hidden.
    store.archive_key(first).unwrap();
    store.schedule_destruction(first, 2, Some(DAY)).unwrap();
    assert_eq!(named(&store.run_due().unwrap()), ["k0003", "k0004", "k0007"]);
    hands.pass(DAY);
    hostile(&home.path())
        .execute(
            "UPDATE key_version SET destroy_at = 9000000000000 WHERE key_id = 'k0000' AND version = 2",
            [],
        )
        .unwrap();
    assert_eq!(named(&store.run_due().unwrap()), ["k0000", "k0003", "k0004", "k0007"]);
    // More than are looked at in one go.
    hostile(&home.path()).execute("UPDATE key SET archived = 7", []).unwrap();
    assert!(named(&open(&home, &Hands::new()).run_due().unwrap()) == ids);
}

#[test]
fn another_process_follows_a_destruction() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    store.create_key("k", &CreateKey::new()).unwrap();
    let other = home.open_with(&OpenOptions::new().refresh_interval(Duration::from_millis(20))).unwrap();
    let sealed = store.encrypt("k", b"ada", Aad::NONE).unwrap();
    let theirs = other.key("k").unwrap();
    assert!(theirs.decrypt(&sealed, Aad::NONE).is_ok());
    store.rotate_key("k").unwrap();
    store.schedule_destruction("k", 1, Some(Duration::ZERO)).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert!(theirs.decrypt(&sealed, Aad::NONE).unwrap_err().message().contains("cancel_destruction"));
    store.run_due().unwrap();
    std::thread::sleep(Duration::from_millis(60));
    let error = theirs.decrypt(&sealed, Aad::NONE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
    assert!(error.message().contains("destroyed"), "{error}");
    // A key all of whose versions are gone still says what it was.
    store.archive_key("k").unwrap();
    store.schedule_destruction("k", 2, Some(Duration::ZERO)).unwrap();
    store.run_due().unwrap();
    let info = store.key_info("k").unwrap();
    assert_eq!((info.archived, info.current_version), (true, Some(2)));
    assert!(home.open_with(&OpenOptions::new()).unwrap().key("k").is_ok());
    assert!(store.check().unwrap().ok);
}

#[test]
fn purposes_built_in_and_registered() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    let built_in = store.purposes().unwrap();
    assert!(built_in.iter().map(|info| info.purpose.as_str()).eq(PURPOSES));
    assert!(built_in.iter().all(|info| {
        info.built_in
            && info.created_at.is_none()
            && info.description.is_some()
            && info.rotation_period.is_some_and(|period| period >= 90 * DAY)
    }));
    assert_eq!(kind(store.create_key("x", &CreateKey::new().purpose("games"))), ErrorKind::InvalidArgument);
    assert_eq!(kind(store.key_for("games")), ErrorKind::InvalidArgument);
    assert_eq!(kind(store.key_for("pii")), ErrorKind::NotFound);
    let options = PurposeOptions::new().description("What is played").rotation_period(7 * DAY);
    let games = store.register_purpose("games", &options).unwrap();
    assert_eq!((games.built_in, games.rotation_period), (false, Some(7 * DAY)));
    assert_eq!(kind(store.register_purpose("games", &options)), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.register_purpose("pii", &options)), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.key_for("games")), ErrorKind::NotFound);
    store.register_purpose("arts", &PurposeOptions::new()).unwrap();
    store.create_key("k", &CreateKey::new().purpose("games")).unwrap();
    let due = store.key_info("k").unwrap().rotation_due_at.unwrap();
    assert_eq!(due.milliseconds(), START + (7 * DAY).as_millis() as i64);
    assert_eq!(store.key("k").unwrap().info().unwrap(), store.key_info("k").unwrap());
    // Changed, also a built-in one; the indexes of its keys stay as they are.
    let index = |store: &Store| {
        store.key("k").unwrap().blind_index(b"ada", "f", &keyfold::IndexOptions::new()).unwrap()
    };
    let before = index(&store);
    store.register_purpose("games", &PurposeOptions::new().update(true)).unwrap();
    assert_eq!(store.key_info("k").unwrap().rotation_due_at, None);
    assert_eq!(index(&store), before);
    store.create_key("p", &CreateKey::new().purpose("pii")).unwrap();
    store.register_purpose("pii", &PurposeOptions::new().rotation_period(DAY).update(true)).unwrap();
    store.register_purpose("medical", &PurposeOptions::new().rotation_period(DAY).update(true)).unwrap();
    store.close();
    let again = open(&home, &Hands::new());
    let purposes = again.purposes().unwrap();
    let names: Vec<_> = purposes.iter().map(|info| info.purpose.as_str()).collect();
    assert_eq!(names, [&PURPOSES[..], &["arts", "games"]].concat());
    assert_eq!([&purposes[0], &purposes[2]].map(|info| info.rotation_period), [Some(DAY); 2]);
    assert!(again.check().unwrap().ok);
    let longest = "x".repeat(limits::PURPOSE_BYTES);
    assert!(again.register_purpose(&longest, &PurposeOptions::new()).is_ok());
    assert_eq!(
        kind(again.register_purpose(&(longest + "x"), &PurposeOptions::new())),
        ErrorKind::LimitExceeded
    );
    for bad in ["", "a b", "a/b", "ä", "a\0"] {
        assert_eq!(kind(again.register_purpose(bad, &PurposeOptions::new())), ErrorKind::InvalidArgument);
        assert_eq!(kind(again.key_for(bad)), ErrorKind::InvalidArgument);
    }
    for bad in [Duration::ZERO, limits::PERIOD + DAY] {
        let options = PurposeOptions::new().rotation_period(bad);
        assert_eq!(kind(again.register_purpose("bad", &options)), ErrorKind::InvalidArgument);
    }
    let note = PurposeOptions::new().description("x".repeat(limits::DESCRIPTION_BYTES + 1));
    assert_eq!(kind(again.register_purpose("bad", &note)), ErrorKind::LimitExceeded);
    assert_eq!(kind(PurposeOptions::from_json(r#"{"rotation_period": 7}"#)), ErrorKind::InvalidArgument);
    assert!(PurposeOptions::from_json(r#"{"rotation_period": "7d", "update": true}"#).unwrap().update);
}

#[test]
fn purposes_are_bounded_and_verified() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    for number in 0..limits::PURPOSES {
        store.register_purpose(&format!("p{number}"), &PurposeOptions::new()).unwrap();
    }
    assert_eq!(kind(store.register_purpose("one-more", &PurposeOptions::new())), ErrorKind::LimitExceeded);
    assert!(store.register_purpose("p0", &PurposeOptions::new().update(true)).is_ok());
    assert!(store.create_key("k", &CreateKey::new().purpose("pii")).is_ok(), "built in");
    assert_eq!(store.purposes().unwrap().len(), PURPOSES.len() + limits::PURPOSES);
    for attack in [
        "UPDATE purpose SET rotation_period = 1 WHERE purpose = 'p'",
        "UPDATE purpose SET description = 'x' WHERE purpose = 'p'",
        "DELETE FROM purpose WHERE purpose = 'p'",
        "DELETE FROM index_root WHERE scope = 'purpose/p'",
    ] {
        let home = Home::new();
        let store = open(&home, &Hands::new());
        store.register_purpose("p", &PurposeOptions::new()).unwrap();
        // Listed before, so what is known of it is at hand.
        store.purposes().unwrap();
        hostile(&home.path()).execute_batch(attack).unwrap();
        assert_eq!(kind(store.purposes()), ErrorKind::IntegrityError, "{attack}");
        assert_eq!(kind(store.key_for("p")), ErrorKind::IntegrityError, "{attack}");
        assert_eq!(kind(home.open_with(&OpenOptions::new()).unwrap().purposes()), ErrorKind::IntegrityError);
    }
    // One that was planted is not shown, and no key gets it.
    let planted = "INSERT INTO purpose VALUES ('planted', 0, NULL, NULL)";
    hostile(&home.path()).execute_batch(planted).unwrap();
    assert_eq!(store.purposes().unwrap().len(), PURPOSES.len() + limits::PURPOSES);
    assert_eq!(kind(store.create_key("x", &CreateKey::new().purpose("planted"))), ErrorKind::IntegrityError);
    assert_eq!(kind(store.key_for("planted")), ErrorKind::IntegrityError);
}

#[test]
fn the_key_of_a_purpose() {
    let home = Home::new();
    let hands = Hands::new();
    let store = open(&home, &hands);
    let id = || store.key_for("pii").map(|key| key.id().to_owned());
    let create = |key_id: &str, options: CreateKey| {
        store.create_key(key_id, &options.purpose("pii")).unwrap();
    };
    create("mac", CreateKey::new().kind(KeyKind::Mac));
    store.create_key("other", &CreateKey::new().purpose("api")).unwrap();
    assert_eq!(kind(id()), ErrorKind::NotFound);
    create("z-first", CreateKey::new());
    assert_eq!(id().unwrap(), "z-first");
    hands.pass(DAY);
    create("a-second", CreateKey::new());
    create("b-second", CreateKey::new());
    assert_eq!(id().unwrap(), "b-second");
    hands.pass(DAY);
    create("mac-2", CreateKey::new().kind(KeyKind::Mac));
    store.rotate_key("z-first").unwrap();
    assert_eq!(id().unwrap(), "b-second", "a rotation makes no key");
    store.archive_key("b-second").unwrap();
    assert_eq!(id().unwrap(), "a-second");
    store.archive_key("a-second").unwrap();
    assert_eq!(id().unwrap(), "z-first");
    let key = store.key_for("pii").unwrap();
    assert!(key.decrypt(key.encrypt(b"ada", Aad::NONE).unwrap(), Aad::NONE).is_ok());
    // Another process sees it; one that may only encrypt and decrypt too.
    let user = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    assert_eq!(user.key_for("pii").unwrap().id(), "z-first");
    store.archive_key("z-first").unwrap();
    assert_eq!(kind(user.key_for("pii").map(drop)), ErrorKind::NotFound);
    user.close();
    store.close();
    assert_eq!(kind(store.key_for("pii")), ErrorKind::Closed);
    // Whoever edits the file does not choose.
    for attack in [
        "UPDATE key SET archived = 0 WHERE key_id = 'b-second'",
        "UPDATE key SET purpose = 'pii', archived = 0 WHERE key_id = 'other'",
        "UPDATE key SET created_at = 0 WHERE key_id = 'b-second'",
        "DELETE FROM key_version WHERE key_id = 'b-second'",
        "DELETE FROM key WHERE key_id = 'b-second'",
    ] {
        let copy = home.folder.path().join("copy.keyfold");
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&copy, suffix));
        }
        std::fs::copy(home.path(), &copy).unwrap();
        hostile(&copy).execute_batch(attack).unwrap();
        let attacked = Store::open_with(&copy, &home.master_key(), &OpenOptions::new()).unwrap();
        assert_eq!(kind(attacked.key_for("pii")), ErrorKind::IntegrityError, "{attack}");
    }
}

#[test]
fn many_keys_in_one_call() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    let generation = store.check().unwrap().generation;
    let keys = [
        ("a", CreateKey::new()),
        ("b", CreateKey::new().purpose("pii").expires_in(DAY)),
        ("c", CreateKey::new().kind(KeyKind::Mac)),
    ];
    let infos = store.create_keys(&keys).unwrap();
    assert!(infos.iter().map(|info| info.key_id.as_str()).eq(["a", "b", "c"]));
    assert_eq!(infos, store.list_keys(&KeyFilter::new()).unwrap());
    assert_eq!(store.check().unwrap().generation, generation + 1);
    assert_eq!(actions(&home.path())[1..], ["create_key a 1", "create_key b 1", "create_key c 1"]);
    assert_eq!(store.create_keys(&[]).unwrap(), []);
    // One that is refused refuses all, and says which.
    let ok = || ("d", CreateKey::new());
    let bad: [(&str, CreateKey, ErrorKind); 6] = [
        ("a", CreateKey::new(), ErrorKind::AlreadyExists),
        ("d", CreateKey::new(), ErrorKind::InvalidArgument),
        ("", CreateKey::new(), ErrorKind::InvalidArgument),
        ("e", CreateKey::new().purpose("games"), ErrorKind::InvalidArgument),
        ("e", CreateKey::from_json(r#"{"algorithm": "ROT13"}"#).unwrap(), ErrorKind::InvalidArgument),
        ("e", CreateKey::new().description("x".repeat(5000)), ErrorKind::LimitExceeded),
    ];
    for (key_id, options, expected) in bad {
        let error = store.create_keys(&[ok(), (key_id, options)]).unwrap_err();
        assert_eq!((error.kind(), error.index()), (expected, Some(1)), "{key_id} {error}");
        assert_eq!(kind(store.key_info("d")), ErrorKind::NotFound);
    }
    assert_eq!(store.check().unwrap().generation, generation + 1);
    let found = store.create_keys(&[("a", CreateKey::new().exist_ok(true)), ok()]).unwrap();
    assert_eq!(found.len(), 2);
    let many: Vec<String> = (0..=limits::CREATE_KEYS).map(|number| format!("n{number}")).collect();
    let many: Vec<_> = many.iter().map(|id| (id.as_str(), CreateKey::new())).collect();
    assert_eq!(kind(store.create_keys(&many)), ErrorKind::LimitExceeded);
    assert_eq!(store.create_keys(&many[..500]).unwrap().len(), 500);
    assert!(store.check().unwrap().ok);
}

#[test]
fn filters() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    let label = |options: CreateKey, team: &str| options.label("team", team).label("tier", "1");
    store.create_keys(&[("100%", CreateKey::new()), ("nothing", CreateKey::new())]).unwrap_err();
    store
        .create_keys(&[
            ("a_b", label(CreateKey::new(), "web").purpose("pii").description("100% of e-mail")),
            ("axb", label(CreateKey::new(), "shop").algorithm(Algorithm::Aes256Gcm)),
            ("mac", CreateKey::new().kind(KeyKind::Mac).description("100 of them")),
            ("old", CreateKey::new().purpose("pii")),
            ("older", CreateKey::new()),
        ])
        .unwrap();
    store.archive_key("old").unwrap();
    store.archive_key("older").unwrap();
    store.set_version_state("older", 1, VersionState::Disabled, None).unwrap();
    let list = |json: &str| -> Vec<String> {
        let filter = KeyFilter::from_json(json).unwrap();
        let listed: Vec<String> =
            store.list_keys(&filter).unwrap().into_iter().map(|info| info.key_id).collect();
        let read: Vec<String> = store.iter_keys(&filter).unwrap().map(|info| info.unwrap().key_id).collect();
        assert_eq!(listed, read, "{json}");
        listed
    };
    assert_eq!(list("{}"), ["a_b", "axb", "mac", "old", "older"]);
    assert_eq!(list(r#"{"kind": "mac"}"#), ["mac"]);
    assert_eq!(list(r#"{"kind": "stream"}"#), [""; 0]);
    assert_eq!(list(r#"{"purpose": "pii"}"#), ["a_b", "old"]);
    assert_eq!(list(r#"{"algorithm": "AES256_GCM"}"#), ["axb"]);
    assert_eq!(list(r#"{"state": "enabled"}"#), ["a_b", "axb", "mac"]);
    assert_eq!(list(r#"{"state": "archived"}"#), ["old", "older"]);
    assert_eq!(list(r#"{"state": "disabled"}"#), ["older"]);
    assert_eq!(list(r#"{"state": "destroyed"}"#), [""; 0]);
    assert_eq!(list(r#"{"labels": {"tier": "1"}}"#), ["a_b", "axb"]);
    assert_eq!(list(r#"{"labels": {"tier": "1", "team": "web"}}"#), ["a_b"]);
    assert_eq!(list(r#"{"labels": {"tier": "2"}}"#), [""; 0]);
    // Taken literally, and the case counts.
    assert_eq!(list(r#"{"search": "_"}"#), ["a_b"]);
    assert_eq!(list(r#"{"search": "100%"}"#), ["a_b"]);
    assert_eq!(list(r#"{"search": "100"}"#), ["a_b", "mac"]);
    assert_eq!(list(r#"{"search": "A_B"}"#), [""; 0]);
    assert_eq!(list(r#"{"search": "ol", "state": "archived", "limit": 1}"#), ["old"]);
    assert_eq!(list(r#"{"after": "axb"}"#), ["mac", "old", "older"]);
    assert_eq!(list(r#"{"after": "b", "limit": 2}"#), ["mac", "old"]);
    assert_eq!(list(r#"{"after": "zzz"}"#), [""; 0]);
    assert_eq!(list(r#"{"limit": 0}"#), [""; 0]);
    for bad in [
        r#"{"kind": "AEAD"}"#,
        r#"{"kind": ""}"#,
        r#"{"algorithm": "aes"}"#,
        r#"{"state": "active"}"#,
        r#"{"state": "Enabled"}"#,
    ] {
        let filter = KeyFilter::from_json(bad).unwrap();
        assert_eq!(kind(store.list_keys(&filter)), ErrorKind::InvalidArgument, "{bad}");
        assert_eq!(kind(store.iter_keys(&filter)), ErrorKind::InvalidArgument, "{bad}");
    }
    for bad in [r#"{"limit": -1}"#, r#"{"stat": "enabled"}"#, r#"{"limit": 1, "limit": 2}"#] {
        assert_eq!(kind(KeyFilter::from_json(bad)), ErrorKind::InvalidArgument, "{bad}");
    }
}

#[test]
fn reading_a_long_list_in_pages() {
    let home = Home::new();
    let store = open(&home, &Hands::new());
    let ids: Vec<String> = (0..2 * limits::PAGE_KEYS + 10).map(|number| format!("k{number:05}")).collect();
    let keys: Vec<_> = ids.iter().map(|id| (id.as_str(), CreateKey::new())).collect();
    store.create_keys(&keys).unwrap();
    let read = |filter: &KeyFilter| -> Vec<String> {
        store.iter_keys(filter).unwrap().map(|info| info.unwrap().key_id).collect()
    };
    assert_eq!(read(&KeyFilter::new()), ids);
    let mut filter = KeyFilter::new();
    for limit in
        [1, limits::PAGE_KEYS, limits::PAGE_KEYS + 1, 2 * limits::PAGE_KEYS, ids.len(), ids.len() + 1]
    {
        filter.limit = Some(limit);
        assert_eq!(read(&filter), ids[..limit.min(ids.len())]);
    }
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), ids.len());
    // Passed over for pages before one is found.
    let mut search = KeyFilter::new();
    search.search = ids.last().cloned();
    assert_eq!(read(&search), ids[ids.len() - 1..]);
    search.limit = Some(2);
    assert_eq!(store.list_keys(&search).unwrap().len(), 1);
    search.after = ids.last().cloned();
    assert_eq!(store.list_keys(&search).unwrap(), []);
    assert_eq!(kind(store.key_for("pii").map(drop)), ErrorKind::NotFound);
    store.create_key("m", &CreateKey::new().purpose("pii")).unwrap();
    assert_eq!(store.key_for("pii").unwrap().id(), "m");
    // What happens to others meanwhile changes nothing; what comes after what was read is seen.
    let mut keys = store.iter_keys(&KeyFilter::new()).unwrap();
    assert_eq!(keys.next().unwrap().unwrap().key_id, ids[0]);
    store.create_keys(&[("a-before", CreateKey::new()), ("z-after", CreateKey::new())]).unwrap();
    let rest: Vec<String> = keys.by_ref().map(|info| info.unwrap().key_id).collect();
    assert_eq!((rest.len(), rest.last().unwrap().as_str()), (ids.len() + 1, "z-after"));
    assert!(keys.next().is_none());
    let mut keys = store.iter_keys(&KeyFilter::new()).unwrap();
    keys.next().unwrap().unwrap();
    store.close();
    let rest: Vec<_> = keys.collect();
    assert_eq!(rest.len(), limits::PAGE_KEYS);
    assert_eq!(kind(rest.into_iter().next_back().unwrap()), ErrorKind::Closed);
}

/// What the first list found is kept, and trusted no further than its MACs go.
#[test]
fn a_list_that_was_read_before_is_verified_again() {
    let attacks = [
        (
            "DELETE FROM key_version WHERE key_id = 'b'; DELETE FROM index_root WHERE scope = 'key/b'; \
          DELETE FROM key WHERE key_id = 'b'; DELETE FROM entity WHERE id = 'b'",
            true,
        ),
        ("UPDATE key SET labels = '{}' WHERE key_id = 'b'", true),
        ("UPDATE key SET description = 'found' WHERE key_id = 'b'", true),
        ("UPDATE key SET archived = 0 WHERE key_id = 'b'", true),
        ("UPDATE key_version SET state = 'enabled' WHERE key_id = 'b'", true),
        ("UPDATE key_version SET state_before = 'enabled' WHERE key_id = 'b'", true),
        // Covered by the root that was read; it shows when that changes.
        (
            "INSERT INTO key SELECT 'bb', kind, algorithm, NULL, description, labels, exportable, archived, on_limit, \
          expires_in, created_at FROM key WHERE key_id = 'b'",
            false,
        ),
        ("INSERT INTO entity VALUES (7, 'key', 'bb', zeroblob(32))", false),
        ("DELETE FROM entity WHERE id = 'b'", false),
    ];
    for (attack, at_once) in attacks {
        let home = Home::new();
        let store = open(&home, &Hands::new());
        for id in ["a", "b", "c"] {
            store.create_key(id, &CreateKey::new().label("team", "web")).unwrap();
        }
        store.archive_key("b").unwrap();
        store.set_version_state("b", 1, VersionState::Disabled, None).unwrap();
        // It is passed over by this filter: absence must show here as well.
        let mut filter = KeyFilter::new();
        filter.search = Some("c".into());
        assert_eq!(store.list_keys(&filter).unwrap().len(), 1);
        hostile(&home.path()).execute_batch(attack).unwrap();
        for filter in [&filter, &KeyFilter::new()] {
            let listed = store.list_keys(filter);
            assert_eq!(listed.is_err(), at_once, "{attack}");
            if let Err(error) = listed {
                assert_eq!(error.kind(), ErrorKind::IntegrityError, "{attack}");
            }
        }
        if !at_once {
            store.rotate_key("a").unwrap();
            assert_eq!(kind(store.list_keys(&filter)), ErrorKind::IntegrityError, "{attack}");
        }
        let fresh = home.open_with(&OpenOptions::new()).unwrap();
        assert_eq!(kind(fresh.list_keys(&KeyFilter::new())), ErrorKind::IntegrityError, "{attack}");
    }
}

#[test]
fn only_administrators_change_keys() {
    let home = Home::new();
    let store = home.open_with_key("k");
    store.rotate_key("k").unwrap();
    let user = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    let denied = [
        user.promote_version("k", 1).map(drop),
        user.set_version_state("k", 1, VersionState::Revoked, None).map(drop),
        user.rotate_key_with("k", &RotateKey::new()).map(drop),
        user.archive_key("k").map(drop),
        user.schedule_destruction("k", 1, None).map(drop),
        user.cancel_destruction("k", 1).map(drop),
        user.run_due().map(drop),
        user.register_purpose("games", &PurposeOptions::new()).map(drop),
        user.create_keys(&[("x", CreateKey::new())]).map(drop),
    ];
    for outcome in denied {
        assert_eq!(kind(outcome), ErrorKind::PermissionDenied);
    }
    assert_eq!(user.list_keys(&KeyFilter::new()).unwrap().len(), 1);
    assert_eq!(user.purposes().unwrap().len(), PURPOSES.len());
    assert!(user.encrypt("k", b"ada", Aad::NONE).is_ok());
}

const PROCESSES: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Rotates, has what it rotated away destroyed at once, and does what is due.
#[test]
#[ignore = "a child of the tests below"]
fn worker() {
    let Some(orders) = orders() else { return };
    let options = OpenOptions::new().busy_timeout(PATIENCE);
    let store = Store::open_with(&orders.path, &orders.master_key, &options).unwrap();
    tell("ready");
    assert_eq!(hear().as_deref(), Some("go"));
    for _ in 0..orders.task.parse().unwrap() {
        let made = store.rotate_key("k").unwrap().version;
        tell(format!("made {made}"));
        // Another process may have made a newer one current meanwhile, or not.
        match store.schedule_destruction("k", made - 1, Some(Duration::ZERO)) {
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
        for version in store.run_due().unwrap().destroyed {
            tell(format!("destroyed {}", version.version));
        }
    }
}

#[test]
fn eight_processes_rotate_and_destroy() {
    const TIMES: u32 = 12;
    let home = Home::new();
    let store = home.open_with_key("k");
    let mut children: Vec<_> = (0..PROCESSES).map(|_| home.child("worker", &TIMES.to_string())).collect();
    for child in &mut children {
        assert_eq!(child.hears(), "ready");
    }
    children.iter_mut().for_each(|child| child.say("go"));
    let told: Vec<String> = children.into_iter().flat_map(common::Process::finish).collect();
    let numbers = |word: &str| -> Vec<u32> {
        let mut numbers: Vec<u32> =
            told.iter().filter_map(|line| line.strip_prefix(word)?.trim().parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    };
    let last = 1 + PROCESSES * TIMES;
    assert!(numbers("made").into_iter().eq(2..=last));
    let mut destroyed = numbers("destroyed");
    let report = store.run_due().unwrap();
    assert!(!report.purge_pending);
    destroyed.extend(report.destroyed.iter().map(|version| version.version));
    destroyed.sort_unstable();
    assert!(destroyed.into_iter().eq(1..last), "each version was destroyed once");
    let kept: Vec<_> = wrapped(&home.path(), "k").into_iter().filter(|wrapped| !wrapped.is_empty()).collect();
    assert_eq!(kept.len(), 1);
    assert!(version(&store, "k", last).is_current);
    let checked = store.check().unwrap();
    assert!(checked.ok && !checked.purge_pending, "{checked:?}");
}

/// Killed wherever it is, a process leaves a store in which what it destroyed is destroyed, and what is left to purge
/// is known.
#[test]
fn a_killed_process_leaves_nothing_behind() {
    let mut random = common::Random::new("a_killed_process_leaves_nothing_behind");
    for _ in 0..12 {
        let home = Home::new();
        let store = home.open_with_key("k");
        let mut child = home.child("worker", "1000");
        assert_eq!(child.hears(), "ready");
        child.say("go");
        let mut told = Vec::new();
        for _ in 0..1 + random.below(6) {
            told.push(child.hears());
        }
        std::thread::sleep(Duration::from_micros(random.below(3_000) as u64));
        child.child.kill().unwrap();
        child.child.wait().unwrap();
        told.extend(std::iter::from_fn(|| child.listen()));
        let versions = store.list_key_versions("k").unwrap();
        for line in &told {
            if let Some(number) = line.strip_prefix("destroyed ") {
                let info = versions.iter().find(|info| info.version.to_string() == number).unwrap();
                assert_eq!(info.state, VersionState::Destroyed);
            }
        }
        assert!(store.check().unwrap().ok);
        let alive: Vec<_> = versions.iter().filter(|info| info.state == VersionState::Enabled).collect();
        assert!(alive.len() <= 2, "{versions:?}");
        store.run_due().unwrap();
        assert!(!store.check().unwrap().purge_pending);
        assert!(store.encrypt("k", b"ada", Aad::NONE).is_ok());
    }
}
