//! What the number of keys and versions costs: opening, the first use of a key, encrypting.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyfold::{Aad, CreateKey, MasterKey, OpenOptions, Store};
use rusqlite::Connection;

use crate::measure::{Report, Series};

const MANY: usize = 100_000;
const VERSIONS: usize = 1_000;

/// A store with so many keys: of one purpose, or each with an index root of its own.
pub fn make(
    folder: &Path,
    name: &str,
    master_key: &MasterKey,
    keys: usize,
    purpose: Option<&str>,
) -> PathBuf {
    let path = folder.join(name);
    let store = Store::open_with(&path, master_key, &OpenOptions::new().create(true)).expect("a new store");
    let ids: Vec<String> = (0..keys).map(|number| format!("key-{number}")).collect();
    for some in ids.chunks(keyfold::limits::CREATE_KEYS) {
        let options = || purpose.map_or_else(CreateKey::new, |purpose| CreateKey::new().purpose(purpose));
        let some: Vec<_> = some.iter().map(|id| (id.as_str(), options())).collect();
        store.create_keys(&some).expect("new keys");
    }
    store.close();
    path
}

pub fn measure(report: &mut Report, folder: &Path, master_key: &MasterKey) {
    eprintln!("  (making {MANY} keys)");
    let few = make(folder, "10.keyfold", master_key, 10, None);
    let many = make(folder, "100000.keyfold", master_key, MANY, None);
    for (path, keys) in [(&few, "10"), (&many, "100,000")] {
        report.compare(
            &format!("open/{}", keys.replace(',', "")),
            &format!("open a store of {keys} keys"),
            vec![
                Series::timed("keyfold", || open(path, master_key).0),
                Series::timed("SQLite, open and read", || read(path)),
            ],
        );
    }
    first_use(report, &many, master_key);
    growth(report, folder, &many, master_key);
}

fn open(path: &Path, master_key: &MasterKey) -> (Duration, Store) {
    let begun = Instant::now();
    let store = Store::open_with(path, master_key, &OpenOptions::new()).expect("the store");
    (begun.elapsed(), store)
}

/// SQLite opens the same file with the same settings and reads the store's row and those of ten keys.
fn read(path: &Path) -> Duration {
    let begun = Instant::now();
    let connection = Connection::open(path).expect("the file");
    let settings = "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
        PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;";
    connection.execute_batch(settings).expect("settings");
    for query in ["SELECT * FROM store", "SELECT * FROM key LIMIT 10"] {
        let mut statement = connection.prepare(query).expect("a query");
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            black_box(row.get_ref(0).expect("a value"));
        }
    }
    let took = begun.elapsed();
    drop(connection);
    took
}

/// A key's first use in this process: read, verified, unwrapped, and a message encrypted.
fn first_use(report: &mut Report, path: &Path, master_key: &MasterKey) {
    let store = open(path, master_key).1;
    let mut next = 0;
    let further = || {
        next += 1;
        use_once(&store, &format!("key-{}", next * 7919 % MANY))
    };
    let first = || use_once(&open(path, master_key).1, "key-7");
    report.compare_rounds(
        "first_use",
        "first use of a key, of 100,000",
        31,
        vec![Series::timed("keyfold", further), Series::timed("keyfold, just after opening", first)],
    );
}

fn use_once(store: &Store, key_id: &str) -> Duration {
    let begun = Instant::now();
    let key = store.key(key_id).expect("the key");
    black_box(key.encrypt(&[7; 32], Aad::NONE).expect("a ciphertext"));
    begun.elapsed()
}

fn growth(report: &mut Report, folder: &Path, many: &Path, master_key: &MasterKey) {
    let one = open(&make(folder, "1.keyfold", master_key, 1, None), master_key).1;
    let many = open(many, master_key).1;
    // In use, not only in the file.
    for number in (0..MANY).step_by(10) {
        use_once(&many, &format!("key-{number}"));
    }
    let [few_key, many_key] = [&one, &many].map(|store| store.key("key-0").expect("the key"));
    let message = [7; 32];
    report.compare(
        "growth/keys",
        "encrypt 32 B, by number of keys",
        vec![
            Series::new("keyfold, 100,000 keys", || many_key.encrypt(black_box(&message), Aad::NONE)),
            Series::new("keyfold, 1 key", || few_key.encrypt(black_box(&message), Aad::NONE)),
        ],
    );
    report.compare(
        "growth/names",
        "encrypt 32 B by the key's name, by number of keys",
        vec![
            Series::new("keyfold, 100,000 keys", || many.encrypt("key-0", black_box(&message), Aad::NONE)),
            Series::new("keyfold, 1 key", || one.encrypt("key-0", black_box(&message), Aad::NONE)),
        ],
    );
    one.create_key("rotated", &CreateKey::new()).expect("a new key");
    let rotated = one.key("rotated").expect("the key");
    let oldest = rotated.encrypt(&message, Aad::NONE).expect("a ciphertext");
    (1..VERSIONS).for_each(|_| drop(one.rotate_key("rotated").expect("a new version")));
    let newest = few_key.encrypt(&message, Aad::NONE).expect("a ciphertext");
    report.compare(
        "growth/versions",
        "encrypt 32 B, by number of versions",
        vec![
            Series::new("keyfold, 1,000 versions", || rotated.encrypt(black_box(&message), Aad::NONE)),
            Series::new("keyfold, 1 version", || few_key.encrypt(black_box(&message), Aad::NONE)),
        ],
    );
    report.compare(
        "growth/oldest",
        "decrypt 32 B, by number of versions",
        vec![
            Series::new("keyfold, the oldest of 1,000 versions", || {
                rotated.decrypt(black_box(&oldest), Aad::NONE)
            }),
            Series::new("keyfold, 1 version", || few_key.decrypt(black_box(&newest), Aad::NONE)),
        ],
    );
}
