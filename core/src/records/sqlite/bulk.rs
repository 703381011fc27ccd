//! Reading and rewriting many rows at once, for when every key is wrapped anew.

use rusqlite::{Connection, params};

use super::errors::storage_error;
use crate::error::Result;
use crate::records::{IndexRootRow, KeyRow, VersionRow};

/// The keys whose ids come after this one, in byte order, so many at most.
pub(super) fn keys_after(connection: &Connection, after: &str, limit: u32) -> Result<Vec<KeyRow>> {
    let sql = "SELECT key_id, kind, algorithm, purpose, description, labels, exportable, archived, on_limit, \
               expires_in, created_at FROM key WHERE key_id > ?1 ORDER BY key_id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map(params![after, limit], |row| {
        Ok(KeyRow {
            key_id: row.get(0)?,
            kind: row.get(1)?,
            algorithm: row.get(2)?,
            purpose: row.get(3)?,
            description: row.get(4)?,
            labels: row.get(5)?,
            exportable: row.get(6)?,
            archived: row.get(7)?,
            on_limit: row.get(8)?,
            expires_in: row.get(9)?,
            created_at: row.get(10)?,
        })
    });
    rows.and_then(Iterator::collect).map_err(storage_error)
}

/// The versions of all keys between these two, in order of key and version.
pub(super) fn versions_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<VersionRow>> {
    let sql = "SELECT key_id, version, tag, is_current, state, state_reason, state_before, algorithm, \
               created_at, expires_at, destroy_at, kek_version, wrapped FROM key_version \
               WHERE key_id BETWEEN ?1 AND ?2 ORDER BY key_id, version";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map([first, last], |row| {
        Ok(VersionRow {
            key_id: row.get(0)?,
            version: row.get(1)?,
            tag: row.get(2)?,
            is_current: row.get(3)?,
            state: row.get(4)?,
            state_reason: row.get(5)?,
            state_before: row.get(6)?,
            algorithm: row.get(7)?,
            created_at: row.get(8)?,
            expires_at: row.get(9)?,
            destroy_at: row.get(10)?,
            kek_version: row.get(11)?,
            wrapped: row.get(12)?,
        })
    });
    rows.and_then(Iterator::collect).map_err(storage_error)
}

/// The index roots of all scopes between these two, in order of scope and version.
pub(super) fn index_roots_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<IndexRootRow>> {
    let sql = "SELECT scope, version, is_current, created_at, kek_version, wrapped \
         FROM index_root WHERE scope BETWEEN ?1 AND ?2 ORDER BY scope, version";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map([first, last], |row| {
        Ok(IndexRootRow {
            scope: row.get(0)?,
            version: row.get(1)?,
            is_current: row.get(2)?,
            created_at: row.get(3)?,
            kek_version: row.get(4)?,
            wrapped: row.get(5)?,
        })
    });
    rows.and_then(Iterator::collect).map_err(storage_error)
}

/// Replaces the wrap of a version, and nothing else.
pub(super) fn rewrap_version(connection: &Connection, row: &VersionRow) -> Result<()> {
    let sql = "UPDATE key_version SET kek_version = ?3, wrapped = ?4 WHERE key_id = ?1 AND version = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let values = params![row.key_id, row.version, row.kek_version, row.wrapped];
    statement.execute(values).map(drop).map_err(storage_error)
}
