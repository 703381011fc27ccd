//! Pages whose rows are out of order: some are read in passing and not found by their keys.

mod common;

use common::{Home, hostile, kind};
use keyfold::{Aad, CreateKey, ErrorKind};

/// Where the page of this table begins in the file, and the places of its cells' pointers there.
fn pointers(home: &Home, table: &str) -> (Vec<u8>, usize, usize) {
    let connection = hostile(&home.path());
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    let root = number(&format!("SELECT rootpage FROM sqlite_master WHERE name = '{table}'"));
    let start = (root - 1) * number("PRAGMA page_size");
    drop(connection);
    let file = std::fs::read(home.path()).unwrap();
    assert_eq!(file[start], 0x0a, "a leaf of a table without rowids");
    let cells = usize::from(u16::from_be_bytes([file[start + 3], file[start + 4]]));
    (file, start + 8, cells)
}

/// A row of a key that is none, between two of a key's own: what looks for the first in order goes past it.
#[test]
fn a_version_that_is_not_found_by_its_key_is_not_left_behind_under_an_old_kek() {
    let home = Home::new();
    let store = home.open_with_key("A");
    store.create_key("a", &CreateKey::new()).unwrap();
    for _ in 0..2 {
        store.rotate_key("a").unwrap();
    }
    let sealed = store.key("a").unwrap().encrypt(b"hello", Aad::NONE).unwrap();
    store.close();
    let good = std::fs::read(home.path()).unwrap();
    let connection = hostile(&home.path());
    let names: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('key_version') WHERE name NOT IN ('key_id', 'tag', 'is_current')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let others = names.join(", ");
    connection
        .execute_batch(&format!(
            "PRAGMA foreign_keys = OFF; INSERT INTO key_version (key_id, tag, is_current, {others}) \
             SELECT 'B', 12345, 0, {others} FROM key_version WHERE key_id = 'a' AND version = 1; \
             PRAGMA wal_checkpoint(TRUNCATE)"
        ))
        .unwrap();
    drop(connection);
    // A1, B1, a1, a2, a3 become A1, a1, B1, a2, a3.
    let (mut file, first, cells) = pointers(&home, "key_version");
    assert_eq!(cells, 5);
    let (second, third) = (first + 2, first + 4);
    let kept = [file[second], file[second + 1]];
    file.copy_within(third..third + 2, second);
    file[third..third + 2].copy_from_slice(&kept);
    std::fs::write(home.path(), &file).unwrap();
    let store = home.open();
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
    store.close();
    // Nothing was changed: the file in order is as it was.
    let store = home.open();
    assert_eq!(
        kind(store.key("a").and_then(|key| key.decrypt(&sealed, Aad::NONE))),
        ErrorKind::IntegrityError
    );
    store.close();
    std::fs::write(home.path(), good).unwrap();
    let store = home.open();
    store.rotate_master_key(None).unwrap();
    assert_eq!(&*store.key("a").unwrap().decrypt(&sealed, Aad::NONE).unwrap(), b"hello");
    store.close();
}
