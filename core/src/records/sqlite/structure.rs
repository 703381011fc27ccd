//! SQLite's own check of the file: its pages, the order of rows in them, and what each row must be.

use rusqlite::Connection;

use super::errors::storage_error;
use crate::error::{Error, Result};

/// What begins a finding that is about one row or an index: by their primary keys, rows are found all the same. Rows of
/// what was set aside may be anything.
const OF_ROWS: [&str; 9] = [
    "CHECK constraint failed in ",
    "NULL value in ",
    "NUMERIC value in ",
    "TEXT value in ",
    "non-",
    "row ",
    "rowid not at end-of-record for row ",
    "wrong # of entries in index ",
    "ok",
];
/// What begins as one of these, and is about the order of rows.
const OF_ORDER: &str = "row not in PRIMARY KEY order";

/// Everything that is found, one text each.
pub(super) fn findings(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)").map_err(storage_error)?;
    let found = statement.query_map([], |row| row.get::<_, String>(0)).map_err(storage_error)?;
    let mut findings = found.collect::<rusqlite::Result<Vec<_>>>().map_err(storage_error)?;
    let mut statement = connection.prepare("PRAGMA foreign_key_check").map_err(storage_error)?;
    let orphans = statement.query_map([], |row| row.get::<_, String>(0)).map_err(storage_error)?;
    for table in orphans {
        findings.push(format!("a row of table {} refers to nothing", table.map_err(storage_error)?));
    }
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// IntegrityError where a row might not be found in its place, or be written into the place of another.
pub(super) fn require_sound(connection: &Connection) -> Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(2147483647)").map_err(storage_error)?;
    let mut found = statement.query([]).map_err(storage_error)?;
    while let Some(row) = found.next().map_err(storage_error)? {
        let finding: String = row.get(0).map_err(storage_error)?;
        let is_of_a_row = OF_ROWS.iter().any(|begin| finding.starts_with(begin));
        if !is_of_a_row || finding.starts_with(OF_ORDER) {
            let first = finding.lines().find(|line| !line.starts_with("***")).unwrap_or_default();
            return Err(Error::integrity(format!(
                "the file's structure is damaged, and nothing was changed; run `keyfold check`, and restore a backup \
                 ({first})"
            )));
        }
    }
    Ok(())
}
