//! Blind indexes, and the roots they hang on.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::{Home, hear, hex, hostile, kind, milliseconds, orders, tell};
use keyfold::{
    CreateKey, ErrorKind, IndexOptions, IndexScope, Key, Mode, OpenOptions, Store, index_report, limits,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const PII: IndexScope<'_> = IndexScope::Purpose("pii");
const FIELD: &str = "users.name";

fn exact() -> IndexOptions {
    IndexOptions::new()
}

fn prefix(length: u32) -> IndexOptions {
    IndexOptions::new().kind("prefix").length(length)
}

fn suffix(length: u32) -> IndexOptions {
    IndexOptions::new().kind("suffix").length(length)
}

fn soundex() -> IndexOptions {
    IndexOptions::new().kind("soundex")
}

fn index(key: &Key, value: &str, options: &IndexOptions) -> Vec<u8> {
    key.blind_index(value.as_bytes(), FIELD, options).unwrap()
}

/// A store with a key of purpose pii, and that key.
fn home_with_pii() -> (Home, Store, Key) {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new().purpose("pii")).unwrap();
    let key = store.key("pii").unwrap();
    (home, store, key)
}

fn versions(store: &Store, scope: IndexScope<'_>) -> Vec<u32> {
    let salts = store.index_salts(scope).unwrap();
    assert!(salts.iter().enumerate().all(|(place, salt)| salt.is_current == (place == 0)), "{salts:?}");
    salts.into_iter().map(|salt| salt.version).collect()
}

#[test]
fn an_index_stays_while_data_keys_rotate() {
    let (home, store, key) = home_with_pii();
    let before = index(&key, "ada", &exact());
    for _ in 0..3 {
        store.rotate_key("pii").unwrap();
        assert_eq!(index(&key, "ada", &exact()), before);
    }
    assert_eq!(versions(&store, PII), [1]);
    store.close();
    assert_eq!(index(&home.open().key("pii").unwrap(), "ada", &exact()), before);
}

#[test]
fn everything_that_should_tell_apart_does() {
    let (_home, store, pii) = home_with_pii();
    let other_store = home_with_pii();
    for (id, purpose) in [("same", Some("pii")), ("cards", Some("financial")), ("own", None), ("other", None)]
    {
        let options = purpose.map_or_else(CreateKey::new, |purpose| CreateKey::new().purpose(purpose));
        store.create_key(id, &options).unwrap();
    }
    let [same, cards, own, other] = ["same", "cards", "own", "other"].map(|id| store.key(id).unwrap());
    assert_eq!(index(&pii, "abc", &exact()), index(&same, "abc", &exact()), "one purpose, one index");

    let field = |field: &str, value: &str| pii.blind_index(value.as_bytes(), field, &exact()).unwrap();
    let compound = |values: &[(&str, &[u8])]| pii.blind_index_compound(values, &exact()).unwrap();
    let mut seen: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    let mut note = |index: Vec<u8>, what: &str| {
        if let Some(other) = seen.insert(index, what.to_owned()) {
            panic!("{what} has the index of {other}");
        }
    };
    for (key, what) in [
        (&pii, "pii"),
        (&cards, "financial"),
        (&own, "own root"),
        (&other, "other root"),
        (&other_store.2, "store"),
    ] {
        note(index(key, "abc", &exact()), what);
    }
    note(field("users.nam", "eabc"), "a shifted field");
    note(field("users", "abc"), "another field");
    note(index(&pii, "abcd", &exact()), "another value");
    note(index(&pii, "", &exact()), "nothing");
    note(index(&pii, "A120", &exact()), "a code as a value");
    note(index(&pii, "abc", &soundex()), "soundex");
    for length in [1, 2, 3, 4, 12, 21, 255] {
        note(index(&pii, "abc", &prefix(length)), &format!("prefix {length}"));
        note(index(&pii, "abc", &suffix(length)), &format!("suffix {length}"));
    }
    note(compound(&[(FIELD, b"abc")]), "compound of one");
    note(compound(&[("a", b"bc"), ("d", b"e")]), "compound");
    note(compound(&[("a", b"b"), ("d", b"ce")]), "compound, shifted value");
    note(compound(&[("ab", b"c"), ("d", b"e")]), "compound, shifted field");
    note(compound(&[("a", b"bc"), ("d", b"")]), "compound with nothing");
    note(compound(&[("a", b"bc")]), "compound without the second");
    note(compound(&[("a", b"bcd"), ("e", b"")]), "compound, shifted over");
    note(pii.blind_index_compound(&[("a", b"bc"), ("d", b"e")], &prefix(9)).unwrap(), "compound of prefixes");
    let hashes = [&b"abc"[..], b"users.nameabc", b"users.name:abc", b"piiabc"];
    for hashed in hashes {
        note(Sha256::digest(hashed)[..16].to_vec(), "a plain hash");
        note(hmac(b"pii", hashed)[..16].to_vec(), "a hash under the purpose");
    }
}

#[test]
fn keys_without_a_purpose_keep_to_themselves() {
    let home = Home::new();
    let store = home.open_with_key("a");
    store.create_key("b", &CreateKey::new()).unwrap();
    let [a, b] = ["a", "b"].map(|id| store.key(id).unwrap());
    let before = (index(&a, "x", &exact()), index(&b, "x", &exact()));
    store.rotate_index_salt(IndexScope::Key("a")).unwrap();
    assert_ne!(index(&a, "x", &exact()), before.0);
    assert_eq!(index(&b, "x", &exact()), before.1);
    assert_eq!(
        (versions(&store, IndexScope::Key("a")), versions(&store, IndexScope::Key("b"))),
        (vec![2, 1], vec![1])
    );
}

#[test]
fn a_root_rotates_with_dual_read_and_retires() {
    let (home, store, key) = home_with_pii();
    // What an application's table would hold.
    let names = ["ada", "bob", "eve", "ada"];
    let mut column: Vec<Vec<u8>> = names.iter().map(|name| index(&key, name, &exact())).collect();
    let found = |key: &Key, column: &[Vec<u8>], name: &str| {
        let asked = key.blind_indexes(name.as_bytes(), FIELD, &exact()).unwrap();
        column
            .iter()
            .enumerate()
            .filter(|(_, index)| asked.contains(index))
            .map(|(row, _)| row)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&key, &column, "ada"), [0, 3]);

    let made = store.rotate_index_salt(PII).unwrap();
    assert_eq!((made.version, made.is_current), (2, true));
    assert_eq!(versions(&store, PII), [2, 1]);
    for (row, name) in names.iter().enumerate() {
        assert_eq!(found(&key, &column, "ada"), [0, 3], "before row {row}");
        let both = key.blind_indexes(name.as_bytes(), FIELD, &exact()).unwrap();
        assert_eq!(both, [index(&key, name, &exact()), column[row].clone()], "newest first");
        column[row] = index(&key, name, &exact());
    }
    let packed = key.blind_index_many(&[Some(b"ada")], FIELD, &exact()).unwrap();
    assert_eq!(packed.bytes(), column[0]);
    let compounds = key.blind_indexes_compound(&[("a", b"b")], &exact()).unwrap();
    assert_eq!(compounds.len(), 2);
    assert_eq!(compounds[0], key.blind_index_compound(&[("a", b"b")], &exact()).unwrap());

    assert_eq!(kind(store.retire_index_salt(PII, 2)), ErrorKind::InUse);
    assert_eq!(kind(store.retire_index_salt(PII, 3)), ErrorKind::NotFound);
    store.retire_index_salt(PII, 1).unwrap();
    assert_eq!(kind(store.retire_index_salt(PII, 1)), ErrorKind::NotFound);
    assert_eq!(kind(store.get_index_salt(PII, Some(1))), ErrorKind::NotFound);
    assert_eq!(versions(&store, PII), [2]);
    assert_eq!(found(&key, &column, "ada"), [0, 3]);
    assert_eq!(key.blind_indexes(b"ada", FIELD, &exact()).unwrap(), [column[0].clone()]);

    // A number is never given twice.
    assert_eq!(store.rotate_index_salt(PII).unwrap().version, 3);
    store.retire_index_salt(PII, 2).unwrap();
    assert_eq!(store.rotate_index_salt(PII).unwrap().version, 4);
    assert!(store.check().unwrap().ok);
    store.close();
    let store = home.open();
    assert_eq!(versions(&store, PII), [4, 3]);
    assert!(store.check().unwrap().ok);
}

#[test]
fn a_retired_root_leaves_the_files() {
    let (home, store, _) = home_with_pii();
    store.rotate_index_salt(PII).unwrap();
    let wrapped: Vec<u8> = hostile(&home.path())
        .query_row("SELECT wrapped FROM index_root WHERE scope = 'purpose/pii' AND version = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    let files_with = || {
        let files = common::names(home.folder.path());
        let holds = |name: &String| {
            let content = std::fs::read(home.folder.path().join(name)).unwrap();
            content.windows(wrapped.len()).any(|window| window == wrapped)
        };
        files.into_iter().filter(holds).collect::<Vec<_>>()
    };
    assert!(!files_with().is_empty());
    store.retire_index_salt(PII, 1).unwrap();
    let connection = hostile(&home.path());
    let pending: bool =
        connection.query_row("SELECT purge_pending FROM store", [], |row| row.get(0)).unwrap();
    assert!(pending);
    let (busy, left): (i64, i64) = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((busy, left), (0, 0));
    assert_eq!(files_with(), Vec::<String>::new());
    assert!(store.check().unwrap().ok);
}

#[test]
fn a_service_with_the_salt_computes_the_same() {
    let (_home, store, key) = home_with_pii();
    let salt = store.get_index_salt(PII, None).unwrap();
    assert_eq!(salt.len(), 32);
    let message = |field: &str, value: &[u8]| {
        let mut message = b"keyfold/v1/blind-index".to_vec();
        for part in [b"exact", field.as_bytes(), value] {
            message.extend((part.len() as u32).to_be_bytes());
            message.extend(part);
        }
        message
    };
    assert_eq!(hmac(&salt, &message(FIELD, b"ada"))[..16], index(&key, "ada", &exact()));
    store.rotate_key("pii").unwrap();
    assert_eq!(store.get_index_salt(PII, None).unwrap(), salt[..], "stable");

    store.rotate_index_salt(PII).unwrap();
    let newer = store.get_index_salt(PII, None).unwrap();
    assert_ne!(newer[..], salt[..]);
    assert_eq!(store.get_index_salt(PII, Some(1)).unwrap(), salt[..]);
    assert_eq!(store.get_index_salt(PII, Some(2)).unwrap(), newer[..]);
    assert_eq!(hmac(&newer, &message(FIELD, b"ada"))[..16], index(&key, "ada", &exact()));

    // A purpose that no key uses yet: the first key then has that root.
    let medical = IndexScope::Purpose("medical");
    assert_eq!(kind(store.index_salts(medical)), ErrorKind::NotFound);
    assert_eq!(kind(store.rotate_index_salt(medical)), ErrorKind::NotFound);
    let salt = store.get_index_salt(medical, None).unwrap();
    store.create_key("m", &CreateKey::new().purpose("medical")).unwrap();
    let m = store.key("m").unwrap();
    assert_eq!(hmac(&salt, &message(FIELD, b"ada"))[..16], index(&m, "ada", &exact()));
    assert!(store.check().unwrap().ok);
}

#[test]
fn scopes_that_are_not() {
    let (_home, store, _) = home_with_pii();
    store.create_key("own", &CreateKey::new()).unwrap();
    let before = store.anchor().unwrap();
    for (scope, expected) in [
        (IndexScope::Key("pii"), ErrorKind::InvalidArgument),
        (IndexScope::Key("none"), ErrorKind::NotFound),
        (IndexScope::Key(""), ErrorKind::InvalidArgument),
        (IndexScope::Key("a b"), ErrorKind::InvalidArgument),
        (IndexScope::Purpose("own"), ErrorKind::NotFound),
        (IndexScope::Purpose("pii/../x"), ErrorKind::NotFound),
        (IndexScope::Purpose("nobody's"), ErrorKind::NotFound),
        (IndexScope::Purpose(""), ErrorKind::InvalidArgument),
    ] {
        assert_eq!(kind(store.index_salts(scope)), expected, "{scope:?}");
        assert_eq!(kind(store.rotate_index_salt(scope)), expected, "{scope:?}");
        assert_eq!(kind(store.retire_index_salt(scope, 1)), expected, "{scope:?}");
        assert_eq!(kind(store.get_index_salt(scope, None)), expected, "{scope:?}");
    }
    let long = "p".repeat(300);
    assert_eq!(kind(store.rotate_index_salt(IndexScope::Purpose(&long))), ErrorKind::InvalidArgument);
    let error = store.rotate_index_salt(IndexScope::Key("pii")).unwrap_err();
    assert!(error.message().contains("purpose \"pii\""), "{error}");
    assert_eq!(kind(store.retire_index_salt(PII, 0)), ErrorKind::NotFound);
    assert_eq!(kind(store.retire_index_salt(PII, u32::MAX)), ErrorKind::NotFound);
    assert_eq!(store.anchor().unwrap().to_string(), before.to_string(), "nothing was written");
    store.close();
    assert_eq!(kind(store.index_salts(PII)), ErrorKind::Closed);
    assert_eq!(kind(store.rotate_index_salt(PII)), ErrorKind::Closed);
    assert_eq!(kind(store.get_index_salt(PII, None)), ErrorKind::Closed);
}

#[test]
fn only_an_administrator_turns_or_takes_roots() {
    let (home, admin, _) = home_with_pii();
    admin.rotate_index_salt(PII).unwrap();
    let store = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    for outcome in [
        store.rotate_index_salt(PII).map(|_| ()),
        store.retire_index_salt(PII, 1),
        store.get_index_salt(PII, None).map(|_| ()),
    ] {
        assert_eq!(kind(outcome), ErrorKind::PermissionDenied);
    }
    assert_eq!(versions(&store, PII), [2, 1]);
    assert_eq!(store.key("pii").unwrap().blind_indexes(b"ada", FIELD, &exact()).unwrap().len(), 2);
}

#[test]
fn what_was_done_is_recorded() {
    let (home, store, _) = home_with_pii();
    store.create_key("own", &CreateKey::new()).unwrap();
    store.rotate_index_salt(PII).unwrap();
    store.rotate_index_salt(IndexScope::Key("own")).unwrap();
    let salt = store.get_index_salt(PII, Some(1)).unwrap();
    store.retire_index_salt(PII, 1).unwrap();
    let connection = hostile(&home.path());
    let mut statement = connection.prepare("SELECT record FROM audit ORDER BY sequence").unwrap();
    let records: Vec<serde_json::Value> = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .map(|record| serde_json::from_str(&record.unwrap()).unwrap())
        .collect();
    let shown: Vec<_> = records
        .iter()
        .rev()
        .take(4)
        .rev()
        .map(|record| {
            format!("{} {} {} {}", record["action"], record["key"], record["detail"], record["version"])
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#""rotate_index_salt" null "purpose/pii" 2"#,
            r#""rotate_index_salt" "own" null 2"#,
            r#""get_index_salt" null "purpose/pii" 1"#,
            r#""retire_index_salt" null "purpose/pii" 1"#,
        ]
    );
    assert!(records.iter().all(|record| !record.to_string().contains(&hex(&salt))));
}

#[test]
fn at_most_64_versions() {
    let (_home, store, key) = home_with_pii();
    for version in 2..=limits::INDEX_SALTS as u32 {
        assert_eq!(store.rotate_index_salt(PII).unwrap().version, version);
    }
    assert_eq!(kind(store.rotate_index_salt(PII)), ErrorKind::LimitExceeded);
    let all = key.blind_indexes(b"ada", FIELD, &exact()).unwrap();
    assert_eq!(all.len(), limits::INDEX_SALTS);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    store.retire_index_salt(PII, 7).unwrap();
    assert_eq!(store.rotate_index_salt(PII).unwrap().version, 65);
    let after = key.blind_indexes(b"ada", FIELD, &exact()).unwrap();
    assert_eq!((&after[1..58], &after[58..]), (&all[..57], &all[58..]));
}

/// Does what it is told, line by line.
#[test]
#[ignore = "a child of the tests below"]
fn worker() {
    let Some(orders) = orders() else { return };
    let options =
        OpenOptions::new().refresh_interval(milliseconds(100)).busy_timeout(Duration::from_secs(60));
    let store = Store::open_with(&orders.path, &orders.master_key, &options).unwrap();
    tell("ready");
    while let Some(line) = hear() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["rotate", times] => {
                for _ in 0..times.parse().unwrap() {
                    tell(store.rotate_index_salt(PII).unwrap().version);
                }
            }
            ["salt"] => {
                tell(hex(&store.get_index_salt(IndexScope::Purpose("medical"), None).unwrap()));
                store.create_key("m", &CreateKey::new().purpose("medical").exist_ok(true)).unwrap();
            }
            ["turn", times] => {
                for _ in 0..times.parse().unwrap() {
                    let version = store.rotate_index_salt(PII).unwrap().version;
                    store.retire_index_salt(PII, version - 1).unwrap();
                    tell(version);
                }
            }
            ["retire", version] => {
                tell(
                    store
                        .retire_index_salt(PII, version.parse().unwrap())
                        .map_or_else(|error| error.kind().to_string(), |()| "done".to_owned()),
                );
            }
            _ => panic!("{line}"),
        }
    }
}

fn worker_of(home: &Home) -> common::Process {
    let mut child = home.child("worker", "");
    assert_eq!(child.hears(), "ready");
    child
}

#[test]
fn eight_processes_rotate_at_once_and_none_twice() {
    let (home, store, key) = home_with_pii();
    let mut children: Vec<_> = (0..8).map(|_| worker_of(&home)).collect();
    for child in &mut children {
        child.say("rotate 7");
    }
    let made: Vec<u32> = children
        .into_iter()
        .flat_map(|child| child.finish())
        .map(|version| version.parse().unwrap())
        .collect();
    assert_eq!(made.len(), 56);
    assert!(made.into_iter().collect::<BTreeSet<_>>().into_iter().eq(2..=57), "each version was made once");
    assert!(versions(&store, PII).into_iter().eq((1..=57).rev()));

    // And one of eight retires a version.
    let mut children: Vec<_> = (0..8).map(|_| worker_of(&home)).collect();
    for child in &mut children {
        child.say("retire 5");
    }
    let told: Vec<String> = children.into_iter().flat_map(|child| child.finish()).collect();
    assert_eq!(told.iter().filter(|told| *told == "done").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|told| *told == "NotFound").count(), 7, "{told:?}");
    assert!(store.check().unwrap().ok);
    let until = Instant::now() + Duration::from_secs(20);
    while key.blind_indexes(b"ada", FIELD, &exact()).unwrap().len() != 56 {
        assert!(Instant::now() < until, "the others' work was not seen");
        std::thread::sleep(milliseconds(20));
    }
}

#[test]
fn eight_processes_make_one_root_for_a_purpose() {
    let (home, store, _) = home_with_pii();
    let mut children: Vec<_> = (0..8).map(|_| worker_of(&home)).collect();
    for child in &mut children {
        child.say("salt");
    }
    let salts: BTreeSet<String> = children.into_iter().flat_map(|child| child.finish()).collect();
    assert_eq!(salts.len(), 1);
    assert_eq!(versions(&store, IndexScope::Purpose("medical")), [1]);
    assert!(store.check().unwrap().ok);
}

#[test]
fn a_killed_process_leaves_whole_roots() {
    let (home, store, key) = home_with_pii();
    let mut random = common::Random::new("a_killed_process_leaves_whole_roots");
    let mut last = 1;
    for round in 0..8 {
        let mut child = worker_of(&home);
        child.say("turn 1000000");
        for _ in 0..1 + random.below(5) {
            last = child.hears().parse().unwrap();
        }
        std::thread::sleep(Duration::from_micros(random.below(2000) as u64));
        child.child.kill().unwrap();
        child.child.wait().unwrap();
        let left = versions(&store, PII);
        // Killed between the two acts there are two, each whole.
        assert!(left.len() <= 2 && left[0] >= last, "round {round}: {left:?}, told {last}");
        assert!(store.check().unwrap().ok, "round {round}");
        let newest = store.get_index_salt(PII, None).unwrap();
        assert_eq!(store.get_index_salt(PII, Some(left[0])).unwrap(), newest[..]);
        for version in &left[1..] {
            store.retire_index_salt(PII, *version).unwrap();
        }
        assert_eq!(key.blind_indexes(b"ada", FIELD, &exact()).unwrap().len(), 1);
    }
}

#[test]
fn another_process_sees_a_rotation_and_a_retirement() {
    let (home, store, key) = home_with_pii();
    store.close();
    drop(key);
    let store = home.open_with(&OpenOptions::new().refresh_interval(milliseconds(100))).unwrap();
    let key = store.key("pii").unwrap();
    let old = index(&key, "ada", &exact());
    let mut child = worker_of(&home);
    let wait_for = |wanted: &dyn Fn() -> bool| {
        let until = Instant::now() + Duration::from_secs(20);
        while !wanted() {
            assert!(Instant::now() < until, "not seen in 20 s");
            std::thread::sleep(milliseconds(10));
        }
    };
    child.say("rotate 1");
    assert_eq!(child.hears(), "2");
    wait_for(&|| index(&key, "ada", &exact()) != old);
    let both = key.blind_indexes(b"ada", FIELD, &exact()).unwrap();
    assert_eq!(both, [index(&key, "ada", &exact()), old.clone()]);
    child.say("retire 1");
    assert_eq!(child.hears(), "done");
    wait_for(&|| key.blind_indexes(b"ada", FIELD, &exact()).unwrap().len() == 1);
    assert_eq!(key.blind_indexes(b"ada", FIELD, &exact()).unwrap(), both[..1]);
}

#[test]
fn threads_index_while_the_root_turns() {
    let (_home, store, key) = home_with_pii();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let key = key.clone();
                scope.spawn(move || {
                    let mut seen = BTreeSet::new();
                    for _ in 0..2000 {
                        let all = key.blind_indexes(b"ada", FIELD, &exact()).unwrap();
                        assert!(!all.is_empty() && all.len() <= 2, "{}", all.len());
                        seen.extend(all);
                    }
                    seen
                })
            })
            .collect();
        for version in 1..20 {
            store.rotate_index_salt(PII).unwrap();
            store.retire_index_salt(PII, version).unwrap();
        }
        for reader in readers {
            assert!(reader.join().unwrap().len() <= 20);
        }
    });
    assert_eq!(versions(&store, PII), [20]);
}

#[test]
fn truncation_keeps_the_first_bits() {
    let (_home, _store, key) = home_with_pii();
    let whole = index(&key, "ada", &exact().bits(256));
    for bits in 1..=256 {
        let cut = index(&key, "ada", &exact().bits(bits));
        assert_eq!(cut.len(), bits.div_ceil(8) as usize);
        for bit in 0..cut.len() * 8 {
            let at = |bytes: &[u8]| bytes[bit / 8] >> (7 - bit % 8) & 1;
            let expected = if (bit as u32) < bits { at(&whole) } else { 0 };
            assert_eq!(at(&cut), expected, "bit {bit} of {bits}");
        }
        let compound = key.blind_index_compound(&[(FIELD, b"ada")], &prefix(2).bits(bits)).unwrap();
        assert_eq!(compound.len(), cut.len());
    }
}

#[test]
fn kinds_and_characters() {
    let (_home, _store, key) = home_with_pii();
    let same = |a: &str, b: &str, options: &IndexOptions| index(&key, a, options) == index(&key, b, options);
    for (a, b, options, expected) in [
        ("ada", "adam", prefix(3), true),
        ("ada", "adam", prefix(4), false),
        ("ad", "ada", prefix(3), false),
        ("ad", "ad", prefix(255), true),
        ("1234", "4111111111111234", suffix(4), true),
        ("234", "4111111111111234", suffix(4), false),
        ("", "a", prefix(1), false),
        ("", "a", suffix(1), false),
        // Two scalar values each: the crab and its flag, the letter and its mark.
        ("🦀a", "🦀b", prefix(1), true),
        ("🇩🇪", "🇩🇰", prefix(1), true),
        ("e\u{301}a", "e\u{301}b", prefix(2), true),
        ("e\u{301}", "é", prefix(1), false),
        ("e\u{301}x", "éx", prefix(1).normalize(["nfkc"]), true),
        ("Straße", "STRASSE", exact().normalize(["casefold"]), true),
        ("straß", "STRASs", prefix(6).normalize(["casefold"]), true),
        ("İ", "i\u{307}", exact().normalize(["casefold"]), true),
        ("İ", "i", exact().normalize(["casefold"]), false),
        ("ＡＤＡ１", "ada1", exact().normalize(["nfkc", "casefold"]), true),
        ("(617) 555-0123", "６１７５５５０１２３", exact().normalize(["digits"]), true),
        ("call 4321", "٤٣٢١", suffix(4).normalize(["digits"]), true),
        ("a\u{200b}b", "ab", exact().normalize(["nfkc", "casefold", "trim", "collapse_spaces"]), false),
        (" Ada  Lovelace ", "ada lovelace", exact().normalize(["trim", "collapse_spaces", "casefold"]), true),
        ("Ashcraft", "Ashcroft", soundex(), true),
        ("Robert", "Rupert", soundex(), true),
        ("Robert", "Rubin", soundex(), false),
        ("Иванов", "Петров", soundex(), false),
        ("ИВАНОВ", "иванов", soundex(), false),
        ("ИВАНОВ", "иванов", soundex().normalize(["casefold"]), true),
        ("", " ", soundex(), false),
    ] {
        assert_eq!(same(a, b, &options), expected, "{a:?} {b:?} {options:?}");
        assert!(same(a, a, &options));
    }
    // The normalisers run in the order given.
    assert!(same("ﬁ", "FI", &exact().normalize(["nfkc", "casefold"])));
    assert!(!same("a b ", "a b", &exact().normalize(["collapse_spaces"])));
    assert!(same("²", "2", &exact().normalize(["nfkc", "digits"])));
    assert!(!same("²", "2", &exact().normalize(["digits", "nfkc"])));
}

#[test]
fn nothing_has_an_index_of_its_own() {
    let (_home, _store, key) = home_with_pii();
    for options in [exact(), prefix(3), suffix(3), soundex(), exact().normalize(["trim"])] {
        let empty = index(&key, "", &options);
        assert_eq!(empty, index(&key, "", &options));
        for other in ["\0", "0", "x"] {
            assert_ne!(index(&key, other, &options), empty, "{options:?} {other:?}");
        }
    }
    let digits = exact().normalize(["digits"]);
    assert_eq!(index(&key, "unknown", &digits), index(&key, "", &digits));
    assert_eq!(
        index(&key, "unknown", &digits),
        index(&key, "", &exact()),
        "normalisers are not in the index"
    );
    assert_eq!(index(&key, " \t", &exact().normalize(["trim"])), index(&key, "", &exact()));
}

#[test]
fn a_batch_gives_what_single_calls_give() {
    let (_home, _store, key) = home_with_pii();
    let values = [Some(&b"ada"[..]), None, Some(b""), Some("Straße".as_bytes()), None];
    for options in [exact(), exact().bits(12), prefix(2).bits(1), soundex().bits(256)] {
        let packed = key.blind_index_many(&values, FIELD, &options).unwrap();
        assert_eq!((packed.len(), packed.is_empty()), (5, false));
        assert_eq!(packed.width(), options.bits.div_ceil(8) as usize);
        assert_eq!(packed.bytes().len(), 5 * packed.width());
        let single: Vec<_> = values
            .iter()
            .map(|value| value.map(|value| key.blind_index(value, FIELD, &options).unwrap()))
            .collect();
        assert!(packed.iter().eq(single.iter().map(Option::as_deref)));
        assert_eq!(packed.get(1), None);
        assert_eq!(packed.get(5), None);
        assert!(packed.bytes()[packed.width()..2 * packed.width()].iter().all(|byte| *byte == 0));
    }
    assert!(key.blind_index_many(&[], FIELD, &exact()).unwrap().is_empty());
    let error = key.blind_index_many(&[None, Some(b"a"), Some(b"\xc3")], FIELD, &prefix(1)).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidArgument, Some(2)));
    let most = vec![None; limits::INDEX_BATCH];
    assert_eq!(key.blind_index_many(&most, FIELD, &exact()).unwrap().len(), limits::INDEX_BATCH);
    let more = vec![None; limits::INDEX_BATCH + 1];
    assert_eq!(kind(key.blind_index_many(&more, FIELD, &exact())), ErrorKind::LimitExceeded);
}

#[test]
fn compound_indexes() {
    let (_home, _store, key) = home_with_pii();
    let compound = |values: &[(&str, &[u8])]| key.blind_index_compound(values, &exact());
    let index = compound(&[("name", b"Ada"), ("zip", b"02139")]).unwrap();
    assert_eq!(compound(&[("zip", b"02139"), ("name", b"Ada")]).unwrap(), index);
    assert_ne!(compound(&[("zip", b"Ada"), ("name", b"02139")]).unwrap(), index);
    let folded = exact().normalize(["casefold"]);
    assert_eq!(
        key.blind_index_compound(&[("name", b"ADA"), ("zip", b"1")], &folded).unwrap(),
        key.blind_index_compound(&[("zip", b"1"), ("name", b"ada")], &folded).unwrap()
    );
    let names: Vec<String> = (0..=limits::INDEX_FIELDS).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(compound(&many[1..]).unwrap().len(), 16);
    for bad in [&[][..], &many, &[("a", b""), ("b", b""), ("a", b"")], &[("", b"")], &[("a", b""), ("", b"")]]
    {
        assert_eq!(kind(compound(bad)), ErrorKind::InvalidArgument, "{bad:?}");
    }
    let error = key.blind_index_compound(&[("b", b"\xff"), ("a", b"x")], &folded).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidArgument, Some(0)));
}

#[test]
fn options_that_are_refused() {
    let (_home, _store, key) = home_with_pii();
    let refused = |value: &[u8], options: &IndexOptions, said: &str| {
        let error = key.blind_index(value, FIELD, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{options:?}");
        assert!(error.message().contains(said), "{error}");
        assert!(key.blind_index_compound(&[(FIELD, value)], options).is_err());
        assert!(key.blind_indexes(value, FIELD, options).is_err());
        assert!(key.blind_index_many(&[Some(value)], FIELD, options).is_err());
        assert!(index_report(&[Some(value)], options).is_err());
    };
    refused(b"a", &exact().kind("fuzzy"), "exact, prefix, suffix, soundex");
    refused(b"a", &exact().kind(""), "exact, prefix");
    refused(b"a", &exact().kind("Exact"), "exact, prefix");
    refused(b"a", &exact().kind("compound"), "blind_index_compound");
    refused(b"a", &exact().normalize(["lower"]), "casefold, nfkc, digits, trim, collapse_spaces");
    refused(b"a", &exact().normalize(["trim", ""]), "casefold");
    refused(b"a", &exact().normalize(["trim"; 9]), "at most 8");
    refused(b"a", &exact().length(3), "prefix and suffix");
    refused(b"a", &soundex().length(3), "prefix and suffix");
    refused(b"a", &exact().kind("prefix"), "wants length");
    refused(b"a", &prefix(0), "1 to 255");
    refused(b"a", &suffix(256), "1 to 255");
    refused(b"a", &suffix(u32::MAX), "1 to 255");
    refused(b"a", &exact().bits(0), "1 to 256");
    refused(b"a", &exact().bits(257), "1 to 256");
    for text in [prefix(1), suffix(1), soundex(), exact().normalize(["trim"])] {
        for bytes in [&b"\xff"[..], b"ok\xc3", b"\xed\xa0\x80", b"\xf0\x9f\xa6"] {
            refused(bytes, &text, "UTF-8");
        }
    }
    assert!(key.blind_index(b"\xff", FIELD, &exact()).is_ok());
    assert!(key.blind_index(b"a", FIELD, &exact().normalize(["trim"; limits::INDEX_NORMALIZERS])).is_ok());
    let long = exact().kind("x".repeat(1 << 20));
    assert!(key.blind_index(b"", FIELD, &long).unwrap_err().message().len() < 200);
    for json in [
        r#"{"kind": "prefix", "length": 3, "bits": 32, "normalize": ["nfkc", "casefold"]}"#,
        r#"{"length": null}"#,
        "{}",
    ] {
        assert!(key.blind_index(b"Ada", FIELD, &IndexOptions::from_json(json).unwrap()).is_ok(), "{json}");
    }
    for json in
        [r#"{"length": -1}"#, r#"{"length": "3"}"#, r#"{"normalize": "nfkc"}"#, r#"{"normalise": []}"#]
    {
        assert_eq!(kind(IndexOptions::from_json(json)), ErrorKind::InvalidArgument, "{json}");
    }
}

#[test]
fn the_longest_values() {
    let (_home, _store, key) = home_with_pii();
    let folded = exact().normalize(["nfkc", "casefold"]);
    for (most, options) in [
        (limits::INDEX_VALUE_BYTES, exact()),
        (limits::INDEX_TEXT_BYTES, folded.clone()),
        (limits::INDEX_TEXT_BYTES, prefix(1)),
        (limits::INDEX_TEXT_BYTES, suffix(1)),
        (limits::INDEX_TEXT_BYTES, soundex()),
    ] {
        let mut value = vec![b'a'; most];
        assert!(key.blind_index(&value, FIELD, &options).is_ok());
        value.push(b'a');
        assert_eq!(kind(key.blind_index(&value, FIELD, &options)), ErrorKind::LimitExceeded, "{options:?}");
    }
    // Form KC makes 18 characters of each of the first; the others are marks that are hard to put in order.
    for text in ["ﷺ", "\u{316}\u{301}\u{334}"] {
        let longest = text.repeat(limits::INDEX_TEXT_BYTES / text.len());
        assert_eq!(index(&key, &longest, &folded), index(&key, &longest, &folded));
        assert_ne!(index(&key, &longest, &soundex()), index(&key, &longest[text.len()..], &soundex()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Two values share a prefix or suffix index where they share that part, and only there.
    #[test]
    fn parts_are_shared_where_indexes_are(
        a in "[ab\u{301}é🦀]{0,6}",
        b in "[ab\u{301}é🦀]{0,6}",
        length in 1_u32..6,
    ) {
        let key = shared_key();
        let first = |text: &str| text.chars().take(length as usize).collect::<String>();
        let last = |text: &str| {
            let count = text.chars().count();
            text.chars().skip(count.saturating_sub(length as usize)).collect::<String>()
        };
        prop_assert_eq!(index(key, &a, &prefix(length)) == index(key, &b, &prefix(length)), first(&a) == first(&b));
        prop_assert_eq!(index(key, &a, &suffix(length)) == index(key, &b, &suffix(length)), last(&a) == last(&b));
        prop_assert_eq!(index(key, &a, &prefix(length)), index(key, &first(&a), &prefix(length)));
    }

    /// No value and no option makes a call panic, and the same question has the same answer.
    #[test]
    fn any_question_has_one_answer(
        value in proptest::collection::vec(any::<u8>(), 0..40),
        text in ".{0,20}",
        kind in prop::sample::select(vec!["exact", "prefix", "suffix", "soundex", "other"]),
        length in prop::option::of(0_u32..5),
        bits in 0_u32..260,
        normalize in prop::collection::vec(
            prop::sample::select(vec!["casefold", "nfkc", "digits", "trim", "collapse_spaces", "x"]), 0..4),
    ) {
        let key = shared_key();
        let mut options = IndexOptions::new().kind(kind).bits(bits).normalize(normalize);
        options.length = length;
        for value in [&value[..], text.as_bytes()] {
            let answer = key.blind_index(value, FIELD, &options);
            let again = key.blind_indexes(value, FIELD, &options);
            match answer {
                Ok(index) => prop_assert_eq!(again.unwrap(), vec![index]),
                Err(error) => prop_assert_eq!(error.kind(), again.unwrap_err().kind()),
            }
        }
    }
}

/// One key for all cases of a property.
fn shared_key() -> &'static Key {
    static KEY: std::sync::OnceLock<(Home, Store, Key)> = std::sync::OnceLock::new();
    &KEY.get_or_init(home_with_pii).2
}

/// RFC 2104, so that nothing of the library's checks itself.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    assert!(key.len() <= 64);
    let pad =
        |byte: u8| -> Vec<u8> { (0..64).map(|place| key.get(place).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::digest([&pad(0x36)[..], message].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).into()
}
