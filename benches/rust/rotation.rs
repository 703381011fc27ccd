//! Rotating a key, and the master key, beside SQLite's own commits on the same disk.

use std::path::Path;
use std::time::Instant;

use keyfold::{CreateKey, MasterKey, OpenOptions, Store};
use rusqlite::Connection;

use crate::measure::{Report, Series};
use crate::stores;

/// As many keys are rotated in turns, so that none gets a great many versions.
const TURNS: usize = 50;

pub fn measure(report: &mut Report, folder: &Path, master_key: &MasterKey) {
    rotate_key(report, folder, master_key);
    for (keys, rounds) in [(10_000, 9), (100_000, 5)] {
        eprintln!("  (making {keys} keys twice)");
        let [purpose, roots] = [("purpose", Some("pii")), ("roots", None)].map(|(name, purpose)| {
            let path = stores::make(folder, &format!("{name}-{keys}"), master_key, keys, purpose);
            Store::open_with(path, master_key, &OpenOptions::new()).expect("the store")
        });
        let peer = table(&folder.join(format!("rows-{keys}")), keys);
        let rotate = |store: &Store| {
            let begun = Instant::now();
            let rotated = store.rotate_master_key(None).expect("a rotation");
            let took = begun.elapsed();
            assert!(rotated.rewrapped >= keys, "every key is wrapped anew");
            took
        };
        let shown = if keys == 10_000 { "10,000" } else { "100,000" };
        report.compare_rounds(
            &format!("rotate_master_key/{keys}"),
            &format!("rotate_master_key, {shown} keys"),
            rounds,
            vec![
                Series::timed("keyfold, keys of one purpose", || rotate(&purpose)),
                Series::timed("keyfold, each key with an index root", || rotate(&roots)),
                Series::timed("SQLite, as many rows changed in one commit", || {
                    let begun = Instant::now();
                    peer.execute("UPDATE row SET value = randomblob(60)", []).expect("rows");
                    begun.elapsed()
                }),
            ],
        );
    }
}

fn rotate_key(report: &mut Report, folder: &Path, master_key: &MasterKey) {
    let options = OpenOptions::new().create(true);
    let store = Store::open_with(folder.join("rotate.keyfold"), master_key, &options).expect("a new store");
    let ids: Vec<String> = (0..TURNS).map(|number| format!("key-{number}")).collect();
    ids.iter().for_each(|id| drop(store.create_key(id, &CreateKey::new()).expect("a new key")));
    let peer = table(&folder.join("commit"), 1);
    let mut turn = 0;
    report.compare_rounds(
        "rotate_key",
        "rotate_key",
        31,
        vec![
            Series::new("keyfold", || {
                turn += 1;
                store.rotate_key(&ids[turn % TURNS]).expect("a new version")
            }),
            Series::new("SQLite, one row in a durable commit", || {
                let mut statement =
                    peer.prepare_cached("UPDATE row SET value = randomblob(60)").expect("SQL");
                statement.execute([]).expect("a row")
            }),
        ],
    );
}

/// A table of rows as large as a wrapped key, in a file kept as durably as ours.
fn table(path: &Path, rows: usize) -> Connection {
    let connection = Connection::open(path).expect("a new file");
    connection.pragma_update(None, "journal_mode", "WAL").expect("a log");
    connection.pragma_update(None, "synchronous", "FULL").expect("durable");
    connection
        .execute_batch("CREATE TABLE row (id INTEGER PRIMARY KEY, value BLOB NOT NULL)")
        .expect("a table");
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
        INSERT INTO row SELECT n, randomblob(60) FROM n";
    connection.execute(fill, [rows]).expect("rows");
    connection
}
