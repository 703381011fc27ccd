//! What is put beside a store, in its place, or back from an earlier time: what is refused, what only an anchor tells,
//! and that a refused opening spoils nothing.

mod common;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use common::rich::{Rich, put};
use common::{Home, beside, hostile, kind};
use keyfold::{
    Aad, AddRecipient, CreateKey, ErrorKind, KeyFilter, MasterKey, Mode, OpenOptions, RestoreOptions, Store,
    restore,
};

type Result<T> = keyfold::Result<T>;

/// The write-ahead log that stands beside a store while one act was not yet written back.
fn log_of(home: &Home) -> Vec<u8> {
    let store = home.open();
    store.create_key("in-the-log", &CreateKey::new()).unwrap();
    let log = std::fs::read(beside(&home.path(), "-wal")).unwrap();
    assert!(!log.is_empty());
    store.close();
    log
}

fn is_refused(kind: ErrorKind) -> bool {
    [ErrorKind::IntegrityError, ErrorKind::WrongMasterKey].contains(&kind)
}

/// A log that is another store's, or of another time, is not written into the file before anything was verified.
#[test]
fn a_log_from_elsewhere_spoils_nothing() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        home.open_with_key("first").close();
    }
    let good = std::fs::read(home.path()).unwrap();
    for (whose, log) in [("another store's", log_of(&other)), ("noise", vec![7; 40_000])] {
        put(&home.path(), &good);
        std::fs::write(beside(&home.path(), "-wal"), &log).unwrap();
        for mode in [Mode::Admin, Mode::Use] {
            let outcome = home.open_with(&OpenOptions::new().mode(mode));
            if whose == "noise" {
                outcome.unwrap().close();
            } else {
                let refused = kind(outcome);
                assert!(is_refused(refused), "{whose}: {refused}");
            }
            assert!(std::fs::read(home.path()).unwrap() == good, "{whose}: opening changed the file");
        }
        // Mode metadata verifies nothing, and shows what it finds.
        if let Ok(store) = home.open_with(&OpenOptions::new().mode(Mode::Metadata)) {
            let _ = store.list_keys(&KeyFilter::new());
            store.close();
        }
        assert!(std::fs::read(home.path()).unwrap() == good, "{whose}: looking at it changed the file");
        let restored = restore(
            home.path(),
            home.folder.path().join("restored"),
            &home.master_key(),
            &RestoreOptions::new(),
        );
        if whose != "noise" {
            assert!(is_refused(kind(restored)));
        }
        assert!(std::fs::read(home.path()).unwrap() == good, "{whose}: restoring from it changed the file");
        let _ = std::fs::remove_file(beside(&home.path(), "-wal"));
        let store = home.open_with(&OpenOptions::new()).unwrap();
        assert!(store.check().unwrap().ok, "{whose}: without the log it is as it was");
        store.close();
    }
}

/// The log of an earlier time, beside the file as it is now: its pages hide newer ones.
#[test]
fn a_log_of_another_time_spoils_nothing() {
    let home = Home::new();
    home.open_with_key("first").close();
    let log = log_of(&home);
    let store = home.open();
    for number in 0..20 {
        store.create_key(&format!("later-{number}"), &CreateKey::new().description("x".repeat(400))).unwrap();
    }
    let anchor = store.anchor().unwrap().to_string();
    store.close();
    let good = std::fs::read(home.path()).unwrap();
    std::fs::write(beside(&home.path(), "-wal"), &log).unwrap();
    let pinned = OpenOptions::new().anchor(&anchor);
    assert!(is_refused(kind(home.open_with(&pinned))));
    if let Ok(store) = home.open_with(&OpenOptions::new()) {
        assert!(!store.check().unwrap().ok);
        store.close();
    }
    assert!(std::fs::read(home.path()).unwrap() == good, "the newer file was overwritten");
    std::fs::remove_file(beside(&home.path(), "-wal")).unwrap();
    let store = home.open_with(&pinned).unwrap();
    assert!(store.check().unwrap().ok);
}

/// A rollback journal is SQLite's to take back: what it makes of the file is verified like any file.
#[test]
fn a_journal_from_elsewhere_tells_nothing_false() {
    let rich = Rich::new();
    let path = rich.copy("copy");
    let connection = hostile(&path);
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; UPDATE audit SET record = record || 'x'; UPDATE entity SET mac = zeroblob(32)").unwrap();
    let journal = std::fs::read(beside(&path, "-journal")).unwrap();
    drop(connection);
    for bytes in [journal, vec![7; 40_000], b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7".repeat(2_000)] {
        put(&path, &rich.bytes);
        std::fs::write(beside(&path, "-journal"), &bytes).unwrap();
        let verdict = rich.judge(&path, true);
        assert!(verdict.faults.is_empty() && verdict.at_open.is_none_or(is_refused), "{verdict:?}");
    }
}

/// Runs where a pipe would have it wait for ever.
fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waiting) = channel();
    std::thread::spawn(move || done.send(run()));
    waiting.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{what}: it waits for ever"))
}

fn pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

type Planting = (&'static str, fn(&Path, &Path));

/// What may stand where a file should; the second path is a file of somebody else's.
const PLANTED: [Planting; 6] = [
    ("a pipe", |place, _| pipe(place)),
    ("a folder", |place, _| std::fs::create_dir(place).unwrap()),
    ("a link to a file", |place, victim| symlink(victim, place).unwrap()),
    ("a link to nothing", |place, _| symlink("/nowhere/at/all", place).unwrap()),
    ("a link to a device", |place, _| symlink("/dev/zero", place).unwrap()),
    ("a second name of a file", |place, victim| std::fs::hard_link(victim, place).unwrap()),
];

#[test]
fn what_stands_beside_the_file_is_a_file_of_one_name() {
    for suffix in ["-wal", "-shm", "-journal"] {
        for (what, plant) in PLANTED {
            let home = Home::new();
            home.open_with_key("first").close();
            let good = std::fs::read(home.path()).unwrap();
            let (place, victim) = (beside(&home.path(), suffix), home.folder.path().join("victim"));
            std::fs::write(&victim, b"somebody else's").unwrap();
            plant(&place, &victim);
            for mode in [Mode::Admin, Mode::Use, Mode::Metadata] {
                let (path, key) = (home.path(), home.master_key());
                let name = format!("{what} as {suffix}");
                let outcome = in_time(&name, move || {
                    Store::open_with(path, &key, &OpenOptions::new().mode(mode)).map(|store| store.close())
                });
                assert_eq!(kind(outcome), ErrorKind::IntegrityError, "{name}");
            }
            assert_eq!(std::fs::read(&victim).unwrap(), b"somebody else's", "{what} as {suffix}");
            assert!(std::fs::read(home.path()).unwrap() == good, "{what} as {suffix}");
        }
    }
}

#[test]
fn what_stands_in_the_place_of_the_file() {
    let rich = Rich::new();
    let store = rich.copy("store");
    let open = |path: &Path, create: bool| {
        let (path, key) = (path.to_owned(), rich.home.master_key());
        in_time("opening", move || {
            Store::open_with(path, &key, &OpenOptions::new().create(create)).map(|store| store.close())
        })
    };
    let place = |name: &str| -> PathBuf { rich.home.folder.path().join(name) };
    pipe(&place("pipe"));
    std::fs::create_dir(place("folder")).unwrap();
    symlink(&store, place("link")).unwrap();
    symlink("/nowhere/at/all", place("astray")).unwrap();
    symlink("/dev/zero", place("device")).unwrap();
    std::fs::write(place("empty"), b"").unwrap();
    std::fs::write(place("noise"), [7; 9_000]).unwrap();
    for create in [false, true] {
        assert_eq!(kind(open(&place("pipe"), create)), ErrorKind::InvalidArgument);
        assert_eq!(kind(open(&place("folder"), create)), ErrorKind::InvalidArgument);
        assert_eq!(kind(open(&place("device"), create)), ErrorKind::InvalidArgument);
        assert_eq!(kind(open(&place("astray"), create)), ErrorKind::NotFound);
        assert_eq!(kind(open(&place("noise"), create)), ErrorKind::Unsupported);
        assert_eq!(kind(open(&place("empty"), create)), ErrorKind::Unsupported);
        assert!(open(&place("link"), create).is_ok(), "a link to a store is the store");
    }
    std::fs::hard_link(&store, place("twin")).unwrap();
    assert_eq!(kind(open(&store, false)), ErrorKind::Unsupported);
    assert_eq!(std::fs::read(place("empty")).unwrap(), b"");
}

/// A recipient that was removed is put back, with its wrap, from a copy of when it was there.
#[test]
fn a_removed_recipient_put_back_opens_nothing() {
    let home = Home::new();
    let store = home.open_with_key("first");
    let removed = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    store.add_recipient(&removed, &AddRecipient::new().id("gone")).unwrap();
    store.close();
    let older = home.folder.path().join("older");
    std::fs::copy(home.path(), &older).unwrap();
    let store = home.open();
    store.remove_recipient("gone").unwrap();
    store.close();
    let now = std::fs::read(home.path()).unwrap();
    let row = "INSERT INTO recipient SELECT * FROM other.recipient WHERE recipient_id = 'gone';";
    let wrap = "INSERT INTO kek_wrap SELECT * FROM other.kek_wrap WHERE recipient_id = 'gone';";
    let wrap_as_new = "INSERT INTO kek_wrap SELECT recipient_id, (SELECT kek_version FROM store), encapsulated, \
                       ciphertext FROM other.kek_wrap WHERE recipient_id = 'gone';";
    let mac = "INSERT INTO entity SELECT * FROM other.entity WHERE id = 'gone';";
    let all = [row, wrap].concat();
    let with_mac = [row, wrap_as_new, mac].concat();
    // Its old signature and KEK too: then nothing else verifies.
    let with_kek = [
        &all,
        "DELETE FROM kek_wrap; INSERT INTO kek_wrap SELECT * FROM other.kek_wrap; UPDATE store SET kek_version = \
         (SELECT kek_version FROM other.store), wraps_signature = (SELECT wraps_signature FROM other.store);",
    ]
    .concat();
    for planted in [row, &all, &[row, wrap_as_new].concat(), &with_mac, &with_kek] {
        put(&home.path(), &now);
        let file = hostile(&home.path());
        let attach = format!("ATTACH '{}' AS other; BEGIN; {planted} COMMIT; DETACH other", older.display());
        file.execute_batch(&attach).unwrap();
        file.close().unwrap();
        let refused = kind(Store::open_with(home.path(), &removed, &OpenOptions::new()));
        assert!(is_refused(refused), "{refused} after {planted}");
        // Who is still a recipient is told, and gives nobody a KEK who was planted.
        match home.open_with(&OpenOptions::new()) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::IntegrityError, "{planted}"),
            Ok(store) => {
                assert!(!store.check().unwrap().ok, "{planted}");
                assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError, "{planted}");
                store.close();
                assert!(is_refused(kind(Store::open_with(home.path(), &removed, &OpenOptions::new()))));
            }
        }
    }
}

/// The same master key, the same names, another store: without a pin it is a store like any other.
#[test]
fn another_store_in_its_place() {
    let (home, other) = (Home::new(), Home::new());
    let twin = Home { folder: other.folder, secret: home.secret.clone() };
    let store = home.open_with_key("first");
    let (fingerprint, anchor) = (store.fingerprint().to_owned(), store.anchor().unwrap().to_string());
    let sealed = store.encrypt("first", b"ada", Aad::NONE).unwrap();
    store.close();
    twin.open_with_key("first").close();
    put(&home.path(), &std::fs::read(twin.path()).unwrap());
    // Nothing of the old store opens by it, and its fingerprint is another.
    let store = home.open_with(&OpenOptions::new()).unwrap();
    assert_eq!(kind(store.decrypt("first", &sealed, Aad::NONE)), ErrorKind::DecryptionFailed);
    assert_ne!(store.fingerprint(), fingerprint);
    store.close();
    for pinned in [OpenOptions::new().fingerprint(&fingerprint), OpenOptions::new().anchor(&anchor)] {
        assert_eq!(kind(home.open_with(&pinned)), ErrorKind::IntegrityError);
        assert_eq!(kind(home.open_with(&pinned.create(true))), ErrorKind::IntegrityError);
    }
    let target = home.folder.path().join("restored");
    for pinned in [RestoreOptions::new().fingerprint(&fingerprint), RestoreOptions::new().anchor(&anchor)] {
        let restored = restore(home.path(), &target, &home.master_key(), &pinned);
        assert_eq!(kind(restored.map(drop)), ErrorKind::IntegrityError);
        assert!(!target.exists());
    }
}

/// An older copy and a fork, put back: without an anchor both are stores like any other, with one neither is.
#[test]
fn older_and_forked_copies() {
    let home = Home::new();
    let store = home.open_with_key("first");
    let parting = store.anchor().unwrap().to_string();
    store.close();
    let older = std::fs::read(home.path()).unwrap();
    // Two lines that grow by the same acts, one further than the other.
    let grown = |acts: usize| {
        put(&home.path(), &older);
        let store = home.open();
        for _ in 0..acts {
            store.rotate_key("first").unwrap();
        }
        let anchor = store.anchor().unwrap().to_string();
        store.close();
        (std::fs::read(home.path()).unwrap(), anchor)
    };
    let (mine, anchor) = grown(2);
    let (fork, fork_anchor) = grown(2);
    let (longer_fork, _) = grown(5);
    let open = |bytes: &[u8], options: &OpenOptions| -> Result<()> {
        put(&home.path(), bytes);
        home.open_with(options).map(|store| {
            assert!(store.check().unwrap().ok);
            store.close();
        })
    };
    for bytes in [&older, &mine, &fork, &longer_fork] {
        // What cannot be told: each is whole, and true to itself.
        open(bytes, &OpenOptions::new()).unwrap();
        // All of them grew from here.
        open(bytes, &OpenOptions::new().anchor(&parting)).unwrap();
    }
    open(&mine, &OpenOptions::new().anchor(&anchor)).unwrap();
    open(&fork, &OpenOptions::new().anchor(&fork_anchor)).unwrap();
    for (what, bytes) in [("older", &older), ("forked", &fork), ("forked and longer", &longer_fork)] {
        for mode in [Mode::Admin, Mode::Use] {
            let refused = kind(open(bytes, &OpenOptions::new().mode(mode).anchor(&anchor)));
            assert_eq!(refused, ErrorKind::IntegrityError, "{what}");
        }
        let target = home.folder.path().join("restored");
        let restored =
            restore(home.path(), &target, &home.master_key(), &RestoreOptions::new().anchor(&anchor));
        assert_eq!(kind(restored.map(drop)), ErrorKind::IntegrityError, "{what}");
    }
    assert_eq!(kind(open(&mine, &OpenOptions::new().anchor(&fork_anchor))), ErrorKind::IntegrityError);
}

/// The log cut short is an older copy, and is told apart as one: by the anchor alone.
#[test]
fn a_log_cut_short_is_an_older_copy() {
    let home = Home::new();
    let store = home.open_with_key("first");
    for _ in 0..4 {
        store.rotate_key("first").unwrap();
    }
    let anchor = store.anchor().unwrap().to_string();
    let (bytes, log) =
        (std::fs::read(home.path()).unwrap(), std::fs::read(beside(&home.path(), "-wal")).unwrap());
    store.close();
    let mut told = 0;
    for kept in (0..log.len()).step_by(4096) {
        let open = |options: &OpenOptions| {
            put(&home.path(), &bytes);
            std::fs::write(beside(&home.path(), "-wal"), &log[..kept]).unwrap();
            home.open_with(options)
        };
        let store = open(&OpenOptions::new()).unwrap();
        let versions = store.list_key_versions("first").map_or(0, |versions| versions.len());
        assert!(store.check().unwrap().ok);
        store.close();
        match open(&OpenOptions::new().anchor(&anchor)) {
            Ok(_) => assert_eq!(versions, 5),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::IntegrityError);
                told += 1;
            }
        }
    }
    assert!(told > 5, "{told}");
}

/// All rows of a key, a purpose or a recipient put back from an older copy, with their MAC and with the MACs above it.
#[test]
fn whole_entities_put_back() {
    let rich = Rich::new();
    let older = rich.home.folder.path().join("older");
    put(&older, &rich.older);
    let entities = [
        (
            "key",
            "key_id",
            &["key", "key_version", "key_usage"][..],
            &["alpha", "beta", "life", "old", "taken"][..],
        ),
        ("purpose", "purpose", &["purpose"], &["orders", "pii"]),
        ("recipient", "recipient_id", &["kek_wrap", "recipient"], &["spare"]),
    ];
    let mut tried = 0;
    for (kind, column, tables, ids) in entities {
        for id in ids {
            let mut steps: Vec<String> = tables
                .iter()
                .map(|table| {
                    format!(
                        "DELETE FROM {table} WHERE {column} = '{id}'; INSERT INTO {table} SELECT * FROM other.{table} \
                         WHERE {column} = '{id}';"
                    )
                })
                .collect();
            steps.push(format!(
                "DELETE FROM index_root WHERE scope = '{kind}/{id}'; INSERT INTO index_root SELECT * FROM \
                 other.index_root WHERE scope = '{kind}/{id}';"
            ));
            let rows = steps.concat();
            let with_mac = format!(
                "{rows} DELETE FROM entity WHERE id = '{id}'; INSERT INTO entity SELECT * FROM other.entity WHERE id = \
                 '{id}';"
            );
            let with_nodes = format!(
                "{with_mac} DELETE FROM tree_node; INSERT INTO tree_node SELECT * FROM other.tree_node;"
            );
            for sql in [&rows, &with_mac, &with_nodes] {
                let path = rich.copy("copy");
                let file = hostile(&path);
                file.execute_batch(&format!("ATTACH '{}' AS other; BEGIN; {sql} COMMIT;", older.display()))
                    .unwrap();
                file.close().unwrap();
                let verdict = rich.judge(&path, true);
                let noticed = verdict.at_open.is_some_and(is_refused) || verdict.at_use || verdict.at_check;
                assert!(noticed && verdict.faults.is_empty(), "{kind} {id}: {verdict:?}");
                tried += 1;
            }
        }
    }
    println!("proof: {tried} entities put back whole from an older copy, each noticed");
}
