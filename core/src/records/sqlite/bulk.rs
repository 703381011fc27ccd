//! Reading and rewriting many rows at once, for when every key is wrapped anew.

use std::collections::HashSet;

use rusqlite::{Connection, Params, Row, Statement, params};

use super::errors::storage_error;
use super::select::{index_root_row, key_row, select_index_roots, select_keys, select_versions, version_row};
use crate::error::Result;
use crate::records::rows::EntityRow;
use crate::records::{IndexRootRow, KeyRow, VersionRow};

/// The keys whose ids come after this one, in byte order, so many at most.
pub(super) fn keys_after(
    connection: &Connection,
    after: &str,
    limit: u32,
    skip: &HashSet<String>,
) -> Result<Vec<KeyRow>> {
    let sql = select_keys!("WHERE key_id > ?1 ORDER BY key_id");
    read(connection, sql, [after], skip, limit as usize, key_row)
}

/// The versions of all keys between these two, in order of key and version.
pub(super) fn versions_between(
    connection: &Connection,
    (first, last): (&str, &str),
    skip: &HashSet<String>,
) -> Result<Vec<VersionRow>> {
    let sql = select_versions!("WHERE key_id BETWEEN ?1 AND ?2 ORDER BY key_id, version");
    read(connection, sql, [first, last], skip, usize::MAX, version_row)
}

/// The index roots of all scopes between these two, in order of scope and version.
pub(super) fn index_roots_between(
    connection: &Connection,
    (first, last): (&str, &str),
    skip: &HashSet<String>,
) -> Result<Vec<IndexRootRow>> {
    let sql = select_index_roots!("WHERE scope BETWEEN ?1 AND ?2 ORDER BY scope, version");
    read(connection, sql, [first, last], skip, usize::MAX, index_root_row)
}

/// So many rows at most, but for those whose first column is to be skipped: nothing more of them is read, as it may be
/// damaged.
fn read<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    skip: &HashSet<String>,
    limit: usize,
    make: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let mut rows = statement.query(values).map_err(storage_error)?;
    let mut made = Vec::new();
    while made.len() < limit
        && let Some(row) = rows.next().map_err(storage_error)?
    {
        let skipped = !skip.is_empty() && row.get::<_, String>(0).is_ok_and(|name| skip.contains(&name));
        if !skipped {
            made.push(make(row).map_err(storage_error)?);
        }
    }
    Ok(made)
}

/// Replaces the wraps of versions, and nothing else. Gives the first that there is no row for: where a file's pages are
/// out of order, a row may be read in passing that is not found by its key.
pub(super) fn rewrap_versions<'r>(
    connection: &Connection,
    rows: &'r [VersionRow],
) -> Result<Option<&'r VersionRow>> {
    // Looks for a row once, where an upsert does so twice.
    let sql = "UPDATE key_version SET kek_version = ?3, wrapped = ?4 WHERE key_id = ?1 AND version = ?2";
    first_unchanged(connection, sql, rows, |update, row| {
        update.execute(params![row.key_id, row.version, row.kek_version, row.wrapped])
    })
}

/// The same for index roots.
pub(super) fn rewrap_index_roots<'r>(
    connection: &Connection,
    rows: &'r [IndexRootRow],
) -> Result<Option<&'r IndexRootRow>> {
    let sql = "UPDATE index_root SET kek_version = ?3, wrapped = ?4 WHERE scope = ?1 AND version = ?2";
    first_unchanged(connection, sql, rows, |update, row| {
        update.execute(params![row.scope, row.version, row.kek_version, row.wrapped])
    })
}

fn first_unchanged<'r, T>(
    connection: &Connection,
    sql: &str,
    rows: &'r [T],
    execute: impl Fn(&mut Statement<'_>, &T) -> rusqlite::Result<usize>,
) -> Result<Option<&'r T>> {
    let mut update = connection.prepare_cached(sql).map_err(storage_error)?;
    for row in rows {
        if execute(&mut update, row).map_err(storage_error)? != 1 {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Puts these entities in the place of all. Behind each other into an empty table, which takes half as long as changing
/// each where it is.
pub(super) fn replace_entities(connection: &Connection, rows: &[(u16, EntityRow)]) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM entity")
        .and_then(|mut delete| delete.execute([]))
        .map_err(storage_error)?;
    let sql = "INSERT INTO entity (bucket, kind, id, mac) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql).map_err(storage_error)?;
    for (bucket, row) in rows {
        insert.execute(params![bucket, row.kind.name(), row.id, row.mac]).map_err(storage_error)?;
    }
    Ok(())
}
