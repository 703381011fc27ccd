//! Pages whose rows are out of order, so that some are read in passing and not found by their keys, and pages in two
//! places.

mod common;

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use common::{Home, hostile, kind};
use keyfold::{Aad, CreateKey, ErrorKind, VersionState};
use rusqlite::Connection;

/// The one page of a table without rowids, whose keys are a text and, but for the table `key`, a small number.
struct Leaf {
    file: Vec<u8>,
    start: usize,
    path: PathBuf,
}

/// A row of it: where it lies in the page, where in the file its text and the type of its number, and what they say.
#[derive(Clone)]
struct Cell {
    at: u16,
    text: usize,
    number_type: usize,
    name: String,
    number: u8,
}

impl Leaf {
    fn of(home: &Home, table: &str) -> Self {
        let connection = hostile(&home.path());
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let start = (root_page(&connection, table) - 1) * PAGE;
        drop(connection);
        let file = std::fs::read(home.path()).unwrap();
        assert_eq!(file[start], 0x0a, "a leaf of a table without rowids");
        Self { file, start, path: home.path() }
    }

    fn pointer(&self, place: usize) -> usize {
        self.start + 8 + 2 * place
    }

    fn cells(&self) -> Vec<Cell> {
        let count = two_bytes(&self.file, self.start + 3);
        let cell = |place| {
            let at = two_bytes(&self.file, self.pointer(place));
            let mut next = self.start + usize::from(at);
            varint(&self.file, &mut next);
            let header = next;
            let text = header + varint(&self.file, &mut next);
            let length = (varint(&self.file, &mut next) - 13) / 2;
            let number = match self.file[next] {
                1 => self.file[text + length],
                constant => constant.saturating_sub(8),
            };
            let name = String::from_utf8(self.file[text..text + length].to_vec()).unwrap();
            Cell { at, text, number_type: next, name, number }
        };
        (0..usize::from(count)).map(cell).collect()
    }

    /// The row of this name and number.
    fn cell(&self, name: &str, number: u8) -> Cell {
        let mut cells = self.cells().into_iter();
        cells.find(|cell| cell.name == name && cell.number == number).unwrap()
    }

    /// Gives rows another name of the same length, and another order, and writes the file.
    fn write(mut self, named: &[(&Cell, &str)], order: &[&Cell]) {
        for (cell, name) in named {
            self.file[cell.text..cell.text + name.len()].copy_from_slice(name.as_bytes());
        }
        assert_eq!(order.len(), self.cells().len());
        for (place, cell) in order.iter().enumerate() {
            let pointer = self.pointer(place);
            self.file[pointer..pointer + 2].copy_from_slice(&cell.at.to_be_bytes());
        }
        std::fs::write(&self.path, &self.file).unwrap();
    }
}

const PAGE: usize = 4096;

fn root_page(connection: &Connection, table: &str) -> usize {
    let sql = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
    connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).unwrap() as usize
}

fn two_bytes(file: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([file[at], file[at + 1]])
}

fn four_bytes(file: &[u8], at: usize) -> usize {
    u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize
}

/// Of the short ones.
fn varint(file: &[u8], at: &mut usize) -> usize {
    let mut value = 0;
    loop {
        let byte = file[*at];
        *at += 1;
        value = value << 7 | usize::from(byte & 0x7f);
        if byte < 0x80 {
            return value;
        }
    }
}

/// Copies a row, with another key's name and other values of some columns.
fn plant(home: &Home, table: &str, row: &str, name: &str, changed: &[(&str, String)]) {
    let connection = hostile(&home.path());
    let mut statement =
        connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    let columns = statement.query_map([], |row| row.get(0)).unwrap();
    let columns: Vec<String> = columns.collect::<Result<_, _>>().unwrap();
    let value = |column: &String| match changed.iter().find(|(changed, _)| changed == column) {
        Some((_, value)) => value.clone(),
        None if column == "key_id" => format!("'{name}'"),
        None => column.clone(),
    };
    let values: Vec<_> = columns.iter().map(value).collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    connection
        .execute_batch(&format!(
            "PRAGMA foreign_keys = OFF; INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {row}"
        ))
        .unwrap();
}

/// Copies the first version of a key as one of another, with a tag that nothing has.
fn plant_version(home: &Home, of: &str, name: &str, number: u8) {
    let tag = 1000 + 10 * u32::from(name.as_bytes()[0]) + u32::from(number);
    let changed = [("version", number.to_string()), ("tag", tag.to_string()), ("is_current", "0".to_owned())];
    plant(home, "key_version", &format!("key_id = '{of}' AND version = 1"), name, &changed);
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
    plant_version(&home, "a", "B", 1);
    let leaf = Leaf::of(&home, "key_version");
    let [a, b] = ["A", "B"].map(|name| leaf.cell(name, 1));
    let [one, two, three] = [1, 2, 3].map(|number| leaf.cell("a", number));
    leaf.write(&[], &[&a, &one, &b, &two, &three]);
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

/// Where the next version is written, what is found of the key afterwards are rows that were planted: the versions as
/// they were before one of them was disabled.
#[test]
fn an_act_takes_no_planted_row_under_its_mac() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let sealed = store.encrypt("k", b"first", b"").unwrap();
    store.rotate_key("k").unwrap();
    store.set_version_state("k", 1, VersionState::Disabled, None).unwrap();
    store.close();
    for (name, number) in [("a", 1), ("a", 2), ("a", 3), ("z", 1), ("z", 2), ("z", 3), ("z", 4)] {
        plant_version(&home, "k", name, number);
    }
    let enabled = [("state", "'enabled'".to_owned())];
    plant(&home, "key_version", "key_id = 'k' AND version = 1", "l", &enabled);
    plant(&home, "key_version", "key_id = 'k' AND version = 2", "l", &[]);
    let leaf = Leaf::of(&home, "key_version");
    let of = |name: &str, numbers: &[u8]| -> Vec<Cell> {
        numbers.iter().map(|number| leaf.cell(name, *number)).collect()
    };
    let (k, l, a, z) = (of("k", &[1, 2]), of("l", &[1, 2]), of("a", &[1, 2, 3]), of("z", &[1, 2, 3, 4]));
    let order = [&k[0], &k[1], &z[0], &z[1], &a[0], &z[2], &a[1], &a[2], &l[0], &l[1], &z[3]];
    leaf.write(&[(&l[0], "k"), (&l[1], "k")], &order);
    let store = home.open();
    assert_eq!(kind(store.decrypt("k", &sealed, b"")), ErrorKind::KeyUnavailable);
    assert_eq!(kind(store.rotate_key("k")), ErrorKind::IntegrityError);
    assert_eq!(kind(store.decrypt("k", &sealed, b"")), ErrorKind::KeyUnavailable);
    assert_eq!(store.list_key_versions("k").unwrap().len(), 2);
    store.close();
}

/// A rotation goes from page to page by the last key that it read.
#[test]
fn keys_out_of_order_do_not_keep_a_rotation_going() {
    let home = Home::new();
    let store = home.open_with_key("a");
    store.create_key("c", &CreateKey::new()).unwrap();
    store.close();
    for name in ["d", "z"] {
        plant(&home, "key", "key_id = 'a'", name, &[]);
    }
    let leaf = Leaf::of(&home, "key");
    let cells = leaf.cells();
    let names: Vec<_> = cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names, ["a", "c", "d", "z"]);
    leaf.write(&[], &[&cells[0], &cells[1], &cells[3], &cells[2]]);
    let store = home.open();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(kind(store.rotate_master_key(None))));
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(ErrorKind::IntegrityError));
}

/// A row of the same key lies where the search for it ends.
#[test]
fn a_twin_does_not_get_the_new_wrap() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let sealed = store.encrypt("k", b"hello", b"").unwrap();
    store.close();
    for (name, number) in [("l", 1), ("m", 1), ("z", 1), ("z", 2), ("z", 3), ("z", 4)] {
        plant_version(&home, "k", name, number);
    }
    let mut leaf = Leaf::of(&home, "key_version");
    let [k, l, m] = ["k", "l", "m"].map(|name| leaf.cell(name, 1));
    let z = [1, 2, 3, 4].map(|number| leaf.cell("z", number));
    // Number 0, as it is stored.
    leaf.file[l.number_type] = 8;
    leaf.write(&[(&l, "k"), (&m, "k")], &[&k, &z[0], &z[1], &l, &m, &z[2], &z[3]]);
    let store = home.open();
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
    assert_eq!(&*store.decrypt("k", &sealed, b"").unwrap(), b"hello");
    store.close();
}

/// What is written into one table would change the other.
#[test]
fn tables_on_one_page_are_not_rotated() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let sealed = store.encrypt("k", b"hello", b"").unwrap();
    store.close();
    hostile(&home.path())
        .execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = \
             (SELECT rootpage FROM sqlite_master WHERE name = 'quarantine') WHERE name = 'key_usage'",
        )
        .unwrap();
    let store = home.open();
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::IntegrityError);
    assert_eq!(&*store.decrypt("k", &sealed, b"").unwrap(), b"hello");
    store.close();
}

/// One wrong number in the list of free pages: whoever needs a page next writes over versions.
#[test]
fn a_page_in_use_that_is_listed_as_free_is_not_written_over() {
    const KEYS: usize = 300;
    for damage in [true, false] {
        let home = Home::new();
        let store = home.open();
        let names: Vec<_> = (0..KEYS).map(|number| format!("key-{number}")).collect();
        for name in &names {
            store.create_key(name, &CreateKey::new()).unwrap();
        }
        store.close();
        let connection = hostile(&home.path());
        connection
            .execute_batch(
                "CREATE TABLE own (blob); INSERT INTO own VALUES (zeroblob(40000)); DROP TABLE own; \
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
        let root = (root_page(&connection, "key_version") - 1) * PAGE;
        drop(connection);
        let mut file = std::fs::read(home.path()).unwrap();
        let list = (four_bytes(&file, 32) - 1) * PAGE;
        assert!(four_bytes(&file, list + 4) > 0, "there are free pages");
        assert_eq!(file[root], 2, "an inner page");
        let first = usize::from(two_bytes(&file, root + 12));
        let child = file[root + first..root + first + 4].to_vec();
        if damage {
            file[list + 8..list + 12].copy_from_slice(&child);
        }
        std::fs::write(home.path(), &file).unwrap();
        let store = home.open();
        let rotated = store.rotate_master_key(None);
        assert_eq!(rotated.err().map(|error| error.kind()), damage.then_some(ErrorKind::IntegrityError));
        for name in &names {
            store.encrypt(name, b"hello", b"").unwrap();
        }
        store.close();
    }
}
