//! Reading and rewriting many rows at once, for when every key is wrapped anew.

use rusqlite::{Connection, Params, Row, params};

use super::errors::storage_error;
use super::select::{index_root_row, key_row, select_index_roots, select_keys, select_versions, version_row};
use crate::error::Result;
use crate::records::{IndexRootRow, KeyRow, VersionRow};

/// The keys whose ids come after this one, in byte order, so many at most.
pub(super) fn keys_after(connection: &Connection, after: &str, limit: u32) -> Result<Vec<KeyRow>> {
    let sql = select_keys!("WHERE key_id > ?1 ORDER BY key_id LIMIT ?2");
    read(connection, sql, params![after, limit], key_row)
}

/// The versions of all keys between these two, in order of key and version.
pub(super) fn versions_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<VersionRow>> {
    let sql = select_versions!("WHERE key_id BETWEEN ?1 AND ?2 ORDER BY key_id, version");
    read(connection, sql, [first, last], version_row)
}

/// The index roots of all scopes between these two, in order of scope and version.
pub(super) fn index_roots_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<IndexRootRow>> {
    let sql = select_index_roots!("WHERE scope BETWEEN ?1 AND ?2 ORDER BY scope, version");
    read(connection, sql, [first, last], index_root_row)
}

fn read<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    make: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    statement.query_map(values, make).and_then(Iterator::collect).map_err(storage_error)
}

/// Replaces the wrap of a version, and nothing else.
pub(super) fn rewrap_version(connection: &Connection, row: &VersionRow) -> Result<()> {
    let sql = "UPDATE key_version SET kek_version = ?3, wrapped = ?4 WHERE key_id = ?1 AND version = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let values = params![row.key_id, row.version, row.kek_version, row.wrapped];
    statement.execute(values).map(drop).map_err(storage_error)
}
