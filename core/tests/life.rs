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
    Aad, Algorithm, CreateKey, DESTRUCTION_DELAY, Error, ErrorKind, KeyFilter, KeyKind, Mode, OpenOptions, Operation,
    PURPOSES, PurposeOptions, RotateKey, Store, Timestamp, VersionInfo, VersionState, limits,
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
    let home = Home::new();
    let store = open(&home, &Hands::new());
    store.create_key("k", &CreateKey::new()).unwrap();
    let encrypts = |store: &Store| store.encrypt("k", b"ada", Aad::NONE).unwrap();
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
        check(Operation::Decrypt, key.decrypt(&sealed, Aad::NONE).map(|opened| assert_eq!(opened, b"ada"[..])));
        check(Operation::Decrypt, key.decryption(&sealed).map(drop));
        // Whoever encrypts does so by the current version.
        let encrypted = key.encrypt(b"ada", Aad::NONE).map(|sealed| store.inspect(sealed).unwrap()[0].version);
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

/// What the calls do to a version in this standing: the state after it, or the error; and whether that is current.
fn expected(state: VersionState, is_current: bool, archived: bool, call: &str) -> Result<VersionState, ErrorKind> {
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
        "staged", "enabled", "decrypt_only", "disabled", "revoked", "pending_destruction", "destroyed", "promote",
        "schedule", "cancel",
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
                    let stays = expected == state && !(call == "promote" && !is_current);
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
    for state in [VersionState::Enabled, VersionState::DecryptOnly, VersionState::Disabled, VersionState::Revoked] {
        store.set_version_state("k", 1, state, Some("why it is so")).unwrap();
        let before = version(&store, "k", 1);
        for _ in 0..2 {
            let pending = store.schedule_destruction("k", 1, None).unwrap();
            let at = Timestamp::from_milliseconds(START + DESTRUCTION_DELAY.as_millis() as i64);
            assert_eq!((pending.state, pending.destroy_at), (VersionState::PendingDestruction, Some(at)));
            assert_eq!(pending.state_reason.as_deref(), (state != VersionState::Enabled).then_some("why it is so"));
            assert_eq!(kind(store.decrypt("k", &old, Aad::NONE)), ErrorKind::KeyUnavailable);
            let error = store.schedule_destruction("k", 1, Some(DAY)).unwrap_err();
            assert!(error.message().contains("cancel_destruction") && error.message().contains(&at.to_string()));
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
    let other = home.open_with(&OpenOptions::new().refresh_interval(Duration::from_secs(3600)).max_stale(DAY)).unwrap();
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
        let expected = if refused.is_empty() { ErrorKind::InvalidArgument } else { ErrorKind::InvalidArgument };
        assert_eq!(kind(store.promote_version(refused, 1)), expected);
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
    assert_eq!((error.kind(), error.key_id(), error.version()), (ErrorKind::KeyUnavailable, Some("k"), Some(1)));
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
        let ids: Vec<String> = (0..40).map(|_| format!("key-{:x}", random.number() >> random.below(40))).collect();
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
