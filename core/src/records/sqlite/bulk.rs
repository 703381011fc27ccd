//! Reading and rewriting many rows at once, for when every key is wrapped anew.

use rusqlite::{Connection, params};

use super::errors::storage_error;
use crate::error::Result;
use crate::records::{IndexRootRow, KeyRow, VersionRow};

/// The keys whose ids come after this one, in byte order, so many at most.
pub(super) fn keys_after(connection: &Connection, after: &str, limit: u32) -> Result<Vec<KeyRow>> {
    let sql = "SELECT * FROM key WHERE key_id > ?1 ORDER BY key_id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map(params![after, limit], |row| {
        Ok(KeyRow {
            key_id: row.get("key_id")?,
            kind: row.get("kind")?,
            algorithm: row.get("algorithm")?,
            purpose: row.get("purpose")?,
            description: row.get("description")?,
            labels: row.get("labels")?,
            exportable: row.get("exportable")?,
            archived: row.get("archived")?,
            on_limit: row.get("on_limit")?,
            expires_in: row.get("expires_in")?,
            created_at: row.get("created_at")?,
        })
    });
    rows.and_then(Iterator::collect).map_err(storage_error)
}

/// The versions of all keys between these two, in order of key and version.
pub(super) fn versions_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<VersionRow>> {
    let sql = "SELECT * FROM key_version WHERE key_id BETWEEN ?1 AND ?2 ORDER BY key_id, version";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map([first, last], |row| {
        Ok(VersionRow {
            key_id: row.get("key_id")?,
            version: row.get("version")?,
            tag: row.get("tag")?,
            is_current: row.get("is_current")?,
            state: row.get("state")?,
            state_reason: row.get("state_reason")?,
            state_before: row.get("state_before")?,
            algorithm: row.get("algorithm")?,
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            destroy_at: row.get("destroy_at")?,
            kek_version: row.get("kek_version")?,
            wrapped: row.get("wrapped")?,
        })
    });
    rows.and_then(Iterator::collect).map_err(storage_error)
}

/// The index roots of all scopes between these two, in order of scope and version.
pub(super) fn index_roots_between(
    connection: &Connection,
    (first, last): (&str, &str),
) -> Result<Vec<IndexRootRow>> {
    let sql = "SELECT * FROM index_root WHERE scope BETWEEN ?1 AND ?2 ORDER BY scope, version";
    let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
    let rows = statement.query_map([first, last], |row| {
        Ok(IndexRootRow {
            scope: row.get("scope")?,
            version: row.get("version")?,
            is_current: row.get("is_current")?,
            created_at: row.get("created_at")?,
            kek_version: row.get("kek_version")?,
            wrapped: row.get("wrapped")?,
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
