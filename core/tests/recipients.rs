//! Several ways to open one store: passphrases, paper keys, shares; added, tried, drilled, removed.

mod common;

use std::time::Instant;

use common::{Home, beside, hostile, kind};
use keyfold::{
    AddRecipient, CreateKey, ErrorKind, MasterKey, OpenOptions, Passphrase, RecoveryKey, Shares, Store,
    generate_master_key,
};

fn fresh() -> MasterKey {
    MasterKey::parse(&generate_master_key().unwrap()).unwrap()
}

/// The cheapest that is allowed.
fn passphrase(text: &str) -> MasterKey {
    MasterKey::passphrase(Passphrase::new(text).unwrap().with_argon2id(19 << 10, 1, 1).unwrap())
}

fn open(home: &Home, master_key: &MasterKey) -> keyfold::Result<Store> {
    Store::open_with(home.path(), master_key, &OpenOptions::new())
}

fn opens(home: &Home, master_key: &MasterKey, sealed: &[u8]) {
    let store = open(home, master_key).unwrap();
    assert_eq!(store.decrypt("pii", sealed, b"").unwrap(), b"ada"[..]);
    assert!(store.check().unwrap().ok);
}

#[test]
fn every_kind_opens_the_same_store() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let recovery = RecoveryKey::generate().unwrap();
    let shares = Shares::split(2, 3).unwrap();
    let pbkdf2 =
        Passphrase::new("for those who must").unwrap().with_pbkdf2(Passphrase::PBKDF2_ROUNDS).unwrap();
    let added = [
        store
            .add_recipient(
                &passphrase("correct horse"),
                &AddRecipient::new().id("boss").description("in her head"),
            )
            .unwrap(),
        store.add_recipient(&recovery.master_key(), &AddRecipient::new()).unwrap(),
        store.add_recipient(&shares.master_key(), &AddRecipient::new()).unwrap(),
        store.add_recipient(&MasterKey::passphrase(pbkdf2.clone()), &AddRecipient::new()).unwrap(),
    ];
    let ids: Vec<_> = added.iter().map(|info| (info.recipient_id.as_str(), info.kind.as_str())).collect();
    let expected = [
        ("boss", "passphrase"),
        ("recovery-key-1", "recovery_key"),
        ("shares-1", "shares"),
        ("passphrase-1", "passphrase"),
    ];
    assert_eq!(ids, expected);
    let typed = recovery.reveal().to_lowercase().replace('-', " ").replacen(' ', "-", 1);
    let texts = shares.reveal();
    opens(&home, &passphrase("correct horse"), &sealed);
    opens(&home, &MasterKey::recovery_key(&typed).unwrap(), &sealed);
    opens(&home, &MasterKey::shares(&[&*texts[2], &*texts[0]]).unwrap(), &sealed);
    // Tried with the cost that the recipient was made with, whatever is asked for now.
    opens(&home, &MasterKey::passphrase(Passphrase::new("for those who must").unwrap()), &sealed);
    opens(&home, &home.master_key(), &sealed);

    let listed = store.recipients().unwrap();
    let ids: Vec<_> = listed.iter().map(|info| (info.recipient_id.as_str(), info.is_mine)).collect();
    assert_eq!(
        ids,
        [
            ("boss", false),
            ("master-key-1", true),
            ("passphrase-1", false),
            ("recovery-key-1", false),
            ("shares-1", false)
        ]
    );
    assert_eq!(listed[0].description.as_deref(), Some("in her head"));
    assert_eq!(listed[0].parameters["kdf"], "argon2id");
    assert_eq!(listed[0].parameters["memory_kib"], "19456");
    assert_eq!(listed[2].parameters["rounds"], "600000");
    assert!(listed[1].parameters.is_empty());
    assert!(store.check().unwrap().ok);
    // Listed by another, that one is his.
    let boss = open(&home, &passphrase("correct horse")).unwrap();
    assert!(boss.recipients().unwrap().iter().all(|info| info.is_mine == (info.recipient_id == "boss")));
    // What she makes, all others open.
    boss.create_key("late", &CreateKey::new()).unwrap();
    let sealed = boss.encrypt("late", b"x", b"").unwrap();
    assert_eq!(store.decrypt("late", sealed, b"").unwrap(), b"x"[..]);
}

#[test]
fn a_store_may_begin_with_any_kind() {
    for first in [passphrase("opening words"), RecoveryKey::generate().unwrap().master_key()] {
        let home = Home::new();
        let store = Store::open_with(home.path(), &first, &OpenOptions::new().create(true)).unwrap();
        let fingerprint = store.fingerprint().to_owned();
        store.create_key("pii", &CreateKey::new()).unwrap();
        let sealed = store.encrypt("pii", b"ada", b"").unwrap();
        store.close();
        opens(&home, &first, &sealed);
        let pinned = OpenOptions::new().fingerprint(fingerprint);
        assert!(Store::open_with(home.path(), &first, &pinned).unwrap().recipients().unwrap()[0].is_mine);
        assert_eq!(kind(home.open_with(&OpenOptions::new())), ErrorKind::WrongMasterKey);
        assert_eq!(kind(open(&home, &passphrase("opening word"))), ErrorKind::WrongMasterKey);
    }
}

#[test]
fn what_cannot_be_added_is_refused_and_changes_nothing() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let phrase = passphrase("correct horse");
    store.add_recipient(&phrase, &AddRecipient::new().id("a")).unwrap();
    let before = store.anchor().unwrap();
    let add = |key: &MasterKey, options: &AddRecipient| kind(store.add_recipient(key, options));
    assert_eq!(add(&phrase, &AddRecipient::new()), ErrorKind::AlreadyExists);
    assert_eq!(add(&home.master_key(), &AddRecipient::new()), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.rotate_master_key(Some(&phrase))), ErrorKind::AlreadyExists);
    assert_eq!(kind(store.rotate_master_key(Some(&home.master_key()))), ErrorKind::AlreadyExists);
    assert_eq!(add(&fresh(), &AddRecipient::new().id("a")), ErrorKind::AlreadyExists);
    for bad in ["", "a b", "ä", "a\n"] {
        assert_eq!(add(&fresh(), &AddRecipient::new().id(bad)), ErrorKind::InvalidArgument);
    }
    assert_eq!(add(&fresh(), &AddRecipient::new().id("x".repeat(256))), ErrorKind::LimitExceeded);
    assert_eq!(add(&fresh(), &AddRecipient::new().description("x".repeat(4097))), ErrorKind::LimitExceeded);
    assert!(AddRecipient::from_json(r#"{"id": "a", "kind": "b"}"#).is_err());
    assert_eq!(kind(store.remove_recipient("nobody")), ErrorKind::NotFound);
    assert_eq!(kind(store.remove_recipient("a b")), ErrorKind::InvalidArgument);
    // Its own, and the last: whoever removes one has another that works.
    assert_eq!(kind(store.remove_recipient("master-key-1")), ErrorKind::InUse);
    assert_eq!(store.anchor().unwrap(), before);
}

#[test]
fn at_most_sixteen() {
    let home = Home::new();
    let store = home.open();
    for _ in 1..keyfold::limits::RECIPIENTS {
        store.add_recipient(&fresh(), &AddRecipient::new()).unwrap();
    }
    assert_eq!(kind(store.add_recipient(&fresh(), &AddRecipient::new())), ErrorKind::LimitExceeded);
    // One for another is not one more.
    let next = fresh();
    assert_eq!(store.rotate_master_key(Some(&next)).unwrap().recipients.len(), 16);
    assert!(open(&home, &next).unwrap().check().unwrap().ok);
    assert_eq!(kind(open(&home, &home.master_key())), ErrorKind::WrongMasterKey);
    store.remove_recipient("master-key-5").unwrap();
    assert_eq!(store.recipients().unwrap().len(), 15);
    // The free number is taken again, with another key pair behind it.
    store.add_recipient(&fresh(), &AddRecipient::new()).unwrap();
    assert!(store.check().unwrap().ok);
}

#[test]
fn trying_changes_nothing_and_drilling_is_recorded() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let recovery = RecoveryKey::generate().unwrap();
    store.add_recipient(&recovery.master_key(), &AddRecipient::new().description("safe")).unwrap();
    let before = store.anchor().unwrap();
    let tried = store.test_recipient(&recovery.master_key()).unwrap();
    assert_eq!((tried.recipient_id.as_str(), tried.is_mine), ("recovery-key-1", false));
    assert!(store.test_recipient(&home.master_key()).unwrap().is_mine);
    assert_eq!(kind(store.test_recipient(&fresh())), ErrorKind::WrongMasterKey);
    assert_eq!(kind(store.drill(&fresh())), ErrorKind::WrongMasterKey);
    assert_eq!(store.anchor().unwrap(), before);

    let drilled = store.drill(&recovery.master_key()).unwrap();
    assert!(drilled.check.ok && drilled.check.keys == 1 && !drilled.recipient.is_mine);
    assert_eq!(drilled.recipient.recipient_id, "recovery-key-1");
    assert!(store.check().unwrap().ok);
    store.close();
    let last: String = hostile(&home.path())
        .query_row("SELECT record FROM audit ORDER BY sequence DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    for part in ["drill_recipient", "recovery-key-1: 0 findings"] {
        assert!(last.contains(part), "{last}");
    }
}

/// A drill that finds damage says so, and the damage is in the report.
#[test]
fn a_drill_finds_what_is_wrong() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    store.create_key("other", &CreateKey::new()).unwrap();
    store.add_recipient(&passphrase("drill"), &AddRecipient::new()).unwrap();
    store.close();
    hostile(&home.path()).execute("UPDATE key SET description = 'x' WHERE key_id = 'other'", []).unwrap();
    let store = home.open_with(&OpenOptions::new()).unwrap();
    let drilled = store.drill(&passphrase("drill")).unwrap();
    assert!(!drilled.check.ok && drilled.check.findings.iter().any(|found| found.subject == "key other"));
}

#[test]
fn several_master_keys_are_tried_in_order() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    let unset = MasterKey::environment("KEYFOLD_TEST_SURELY_UNSET");
    let failing = MasterKey::callback(|| Err("the vault is down".into()));
    let all = MasterKey::any_of([unset.clone(), failing.clone(), fresh(), home.master_key()]).unwrap();
    opens(&home, &all, &sealed);
    // What did not serve is not forgotten.
    let warnings = open(&home, &all).unwrap().warnings().join("\n");
    assert!(warnings.contains("KEYFOLD_TEST_SURELY_UNSET") && warnings.contains("callback"), "{warnings}");

    let none = MasterKey::any_of([unset.clone(), failing, fresh(), passphrase("nobody's")]).unwrap();
    let error = open(&home, &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongMasterKey);
    for part in [
        "none of 4",
        "1. MasterKey(env:KEYFOLD_TEST_SURELY_UNSET)",
        "2. MasterKey(callback)",
        "ProviderUnavailable",
        "3. MasterKey(bytes): this master key opens no recipient",
        "4. MasterKey(passphrase): this passphrase opens no recipient",
    ] {
        assert!(error.message().contains(part), "{part} is not in {error:?}");
    }
    // Damage ends it: another key would not mend the file.
    store.close();
    hostile(&home.path()).execute("UPDATE store SET generation = 9", []).unwrap();
    assert_eq!(kind(open(&home, &all)), ErrorKind::IntegrityError);
}

/// A secret is only tried where its kind is: a wrong passphrase costs nothing where no recipient is for passphrases,
/// and 32 bytes cost no derivation.
#[test]
fn passphrases_cost_only_where_they_are() {
    let home = Home::new();
    let store = home.open();
    let dear = Passphrase::new("dear").unwrap().with_argon2id(256 << 10, 4, 1).unwrap();
    let begun = Instant::now();
    assert_eq!(kind(open(&home, &MasterKey::passphrase(dear.clone()))), ErrorKind::WrongMasterKey);
    let unpaid = begun.elapsed();
    store.add_recipient(&MasterKey::passphrase(dear.clone()), &AddRecipient::new()).unwrap();
    let begun = Instant::now();
    open(&home, &MasterKey::passphrase(dear)).unwrap();
    let paid = begun.elapsed();
    let begun = Instant::now();
    open(&home, &home.master_key()).unwrap();
    let beside = begun.elapsed();
    assert!(unpaid * 5 < paid && beside * 5 < paid, "{unpaid:?} {beside:?} {paid:?}");
}

/// Rows that ask for a cost outside the limits are refused before anything is paid.
#[test]
fn planted_costs_are_refused() {
    let home = Home::new();
    let store = home.open();
    store.add_recipient(&passphrase("correct horse"), &AddRecipient::new()).unwrap();
    store.close();
    drop(store);
    let bytes = std::fs::read(home.path()).unwrap();
    for (from, to) in [
        ("19456", "4194304"),
        ("\"passes\":1", "\"passes\":1000"),
        ("\"lanes\":1", "\"lanes\":255"),
        ("argon2id", "argon2d"),
        ("{", "{\"description\":\"x\","),
    ] {
        std::fs::write(home.path(), &bytes).unwrap();
        let changed = hostile(&home.path())
            .execute(
                "UPDATE recipient SET parameters = replace(parameters, ?1, ?2) WHERE kind = 'passphrase'",
                [from, to],
            )
            .unwrap();
        assert_eq!(changed, 1);
        let begun = Instant::now();
        let refused = kind(open(&home, &passphrase("correct horse")));
        assert!(
            [ErrorKind::IntegrityError, ErrorKind::WrongMasterKey].contains(&refused),
            "{from}: {refused}"
        );
        assert!(begun.elapsed().as_secs() < 5);
        // The others still open it; that somebody was here is found.
        let store = home.open_with(&OpenOptions::new()).unwrap();
        assert_eq!(kind(store.recipients()), ErrorKind::IntegrityError);
        assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
        assert!(!store.check().unwrap().ok);
        store.close();
    }
}

/// A recipient that somebody planted gets no KEK, whatever is done.
#[test]
fn a_planted_recipient_gets_nothing() {
    let (home, other) = (Home::new(), Home::new());
    let planted = fresh();
    home.open_with_key("pii").close();
    let theirs = Store::open_with(other.path(), &planted, &OpenOptions::new().create(true)).unwrap();
    theirs.close();
    drop(theirs);
    let connection = hostile(&home.path());
    connection
        .execute_batch(&format!(
            "ATTACH '{}' AS theirs; INSERT INTO recipient SELECT 'planted', kind, created_at, parameters, public_key, \
             salt, commitment, sealed FROM theirs.recipient",
            other.path().display()
        ))
        .unwrap();
    drop(connection);
    let store = home.open_with(&OpenOptions::new()).unwrap();
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
    assert_eq!(kind(store.add_recipient(&fresh(), &AddRecipient::new())), ErrorKind::IntegrityError);
    assert_eq!(kind(store.recipients()), ErrorKind::IntegrityError);
    assert!(!store.check().unwrap().ok);
    store.rotate_key("pii").unwrap();
    store.close();
    let wraps: i64 = hostile(&home.path())
        .query_row("SELECT count(*) FROM kek_wrap WHERE recipient_id = 'planted'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(wraps, 0);
    assert_eq!(kind(open(&home, &planted)), ErrorKind::WrongMasterKey);
}

/// Neither secrets nor passphrases lie in the files.
#[test]
fn the_files_hold_no_secret() {
    let home = Home::new();
    let store = home.open();
    let recovery = RecoveryKey::generate().unwrap();
    let shares = Shares::split(2, 2).unwrap();
    store.add_recipient(&passphrase("canary-passphrase"), &AddRecipient::new()).unwrap();
    store.add_recipient(&recovery.master_key(), &AddRecipient::new()).unwrap();
    store.add_recipient(&shares.master_key(), &AddRecipient::new()).unwrap();
    for path in [home.path(), beside(&home.path(), "-wal")] {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("recovery-key-1") || path == home.path());
        for secret in ["canary-passphrase", &recovery.reveal()[5..11], &shares.reveal()[0][5..11]] {
            assert!(!holds(secret));
        }
    }
}
