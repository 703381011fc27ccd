//! Changes to a store's file: rows by SQL, pages and bytes by hand.

use std::path::Path;
use std::sync::OnceLock;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::home::folder;
use crate::input::Input;
use crate::sample::Sample;

/// A table as anyone can read it.
#[derive(Clone, PartialEq)]
pub(crate) struct Table {
    name: String,
    columns: Vec<String>,
    keys: Vec<usize>,
    rows: Vec<Vec<Value>>,
}

/// Without the checks that stand in the way of someone who edits the file.
pub(crate) fn hostile(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF",
    )?;
    Ok(connection)
}

/// All that is in a file.
pub(crate) fn tables(connection: &Connection) -> rusqlite::Result<Vec<Table>> {
    let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let table = |name: String| {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{name}') ORDER BY cid"))?;
        let key = names(&format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0"))?;
        let keys = (0..columns.len()).filter(|&at| key.contains(&columns[at])).collect();
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}"))?;
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
        let rows = statement.query_map([], row)?.collect::<rusqlite::Result<_>>()?;
        Ok(Table { name, rows, keys, columns: columns.clone() })
    };
    names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?
        .into_iter()
        .map(table)
        .collect()
}

/// What the sample holds, and what it held one act earlier.
pub(crate) fn contents() -> &'static [Vec<Table>; 2] {
    static CONTENTS: OnceLock<[Vec<Table>; 2]> = OnceLock::new();
    CONTENTS.get_or_init(|| {
        let sample = Sample::get();
        [&sample.bytes, &sample.older].map(|bytes| {
            let path = folder().join("contents");
            std::fs::write(&path, bytes).expect("room for a copy");
            let found = hostile(&path).and_then(|connection| tables(&connection)).expect("a whole file");
            std::fs::remove_file(&path).expect("it was there");
            found
        })
    })
}

/// Up to eight changes of rows, as the input describes them; those that SQLite refuses are left out.
pub(crate) fn change_rows(connection: &Connection, input: &mut Input) -> rusqlite::Result<()> {
    for _ in 0..1 + input.below(8) {
        let [now, older] = contents();
        let table = &now[input.below(now.len())];
        let how = input.byte();
        let Some(row) = pick(&table.rows, input) else {
            let row: Vec<Value> = table.columns.iter().map(|_| value(&Value::Null, input)).collect();
            let _ = table.insert(connection, &row);
            continue;
        };
        let _ = match how % 6 {
            0 => table.delete(connection, row),
            1 => {
                // A row as it was, alone or with others.
                let old =
                    older.iter().find(|old| old.name == table.name).and_then(|old| pick(&old.rows, input));
                table
                    .delete(connection, row)
                    .and_then(|_| old.map_or(Ok(0), |old| table.insert(connection, old)))
            }
            2 => {
                let mut copy = row.to_vec();
                let column = input.below(copy.len());
                copy[column] = value(&row[column], input);
                table.insert(connection, &copy)
            }
            3 => {
                // A value that is good elsewhere.
                let column = input.below(row.len());
                let other = pick(&table.rows, input).unwrap_or(row);
                table.update(connection, row, column, &other[column])
            }
            _ => {
                let column = input.below(row.len());
                table.update(connection, row, column, &value(&row[column], input))
            }
        };
        if input.is_empty() {
            break;
        }
    }
    Ok(())
}

fn pick<'a>(rows: &'a [Vec<Value>], input: &mut Input) -> Option<&'a [Value]> {
    (!rows.is_empty()).then(|| rows[input.below(rows.len())].as_slice())
}

/// Another value than this one, of its type or of any.
fn value(old: &Value, input: &mut Input) -> Value {
    match (input.byte() % 8, old) {
        (0, _) => Value::Null,
        (1, _) => Value::Integer(i64::from(input.byte()) - 2),
        (2, _) => Value::Integer(i64::from_be_bytes(std::array::from_fn(|_| input.byte()))),
        (3, _) => Value::Text(input.text()),
        (4, _) => Value::Blob(input.bytes().to_vec()),
        (_, Value::Integer(number)) => Value::Integer(number.wrapping_add(i64::from(input.byte() as i8))),
        (_, Value::Text(text)) => {
            let bytes = crate::edits::edited(text.as_bytes(), input);
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        (_, Value::Blob(bytes)) => Value::Blob(crate::edits::edited(bytes, input)),
        (_, Value::Null | Value::Real(_)) => Value::Real(f64::from(input.byte())),
    }
}

impl Table {
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    fn place(&self, row: &[Value]) -> (String, Vec<Value>) {
        let place: Vec<_> = self.keys.iter().map(|&at| format!("{} IS ?", self.columns[at])).collect();
        (place.join(" AND "), self.keys.iter().map(|&at| row[at].clone()).collect())
    }

    fn delete(&self, connection: &Connection, row: &[Value]) -> rusqlite::Result<usize> {
        let (place, values) = self.place(row);
        connection.execute(&format!("DELETE FROM {} WHERE {place}", self.name), params_from_iter(values))
    }

    fn insert(&self, connection: &Connection, row: &[Value]) -> rusqlite::Result<usize> {
        let marks = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO {} VALUES ({marks})", self.name);
        connection.execute(&sql, params_from_iter(row.iter().cloned()))
    }

    fn update(
        &self,
        connection: &Connection,
        row: &[Value],
        column: usize,
        value: &Value,
    ) -> rusqlite::Result<usize> {
        let (place, values) = self.place(row);
        let sql = format!("UPDATE {} SET {} = ? WHERE {place}", self.name, self.columns[column]);
        connection.execute(&sql, params_from_iter(std::iter::once(value.clone()).chain(values)))
    }
}

/// Bytes and pages changed, as a failing disk or a hand that means harm would.
pub(crate) fn change_bytes(bytes: &mut Vec<u8>, input: &mut Input) {
    const PAGE: usize = 4096;
    for _ in 0..1 + input.below(8) {
        if bytes.is_empty() || input.is_empty() {
            return;
        }
        let pages = bytes.len().div_ceil(PAGE);
        match input.byte() % 6 {
            0 => bytes.truncate(input.below(bytes.len())),
            1 => {
                let (page, other) = (PAGE * input.below(pages), PAGE * input.below(pages));
                if bytes.len() >= page.max(other) + PAGE {
                    bytes.copy_within(other..other + PAGE, page);
                }
            }
            2 => {
                let start = input.below(bytes.len());
                let end = bytes.len().min(start + input.below(256));
                bytes[start..end].fill(input.byte());
            }
            3 => {
                // Near the beginning of a page stands what SQLite steers by.
                let start = PAGE * input.below(pages) + input.below(128);
                overwrite(bytes, start, input.bytes());
            }
            4 => {
                let start = input.below(bytes.len());
                overwrite(bytes, start, input.bytes());
            }
            _ => {
                let start = input.below(bytes.len());
                bytes[start] ^= 1 << (input.byte() % 8);
            }
        }
    }
}

fn overwrite(bytes: &mut [u8], start: usize, new: &[u8]) {
    let end = bytes.len().min(start + new.len());
    if let Some(place) = bytes.get_mut(start..end) {
        place.copy_from_slice(&new[..place.len()]);
    }
}
