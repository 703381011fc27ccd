//! The columns of rows that are read in more than one way, and how a row is made of them.

use rusqlite::types::Value;
use rusqlite::{Result, Row};

use crate::records::{IndexRootRow, KeyRow, VersionRow};

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT key_id, kind, algorithm, purpose, description, labels, exportable, archived, on_limit, expires_in, ",
            "created_at FROM key ",
            $rest
        )
    };
}

macro_rules! select_versions {
    ($rest:literal) => {
        concat!(
            "SELECT key_id, version, tag, prefix, is_current, state, state_reason, state_before, algorithm, ",
            "created_at, expires_at, destroy_at, kek_version, wrapped FROM key_version ",
            $rest
        )
    };
}

macro_rules! select_index_roots {
    ($rest:literal) => {
        concat!("SELECT scope, version, is_current, created_at, kek_version, wrapped FROM index_root ", $rest)
    };
}

pub(super) use {select_index_roots, select_keys, select_versions};

pub(super) const NODE_LEAVES: &str = "SELECT leaves FROM tree_node WHERE node = ?1";
pub(super) const BUCKET: &str = "SELECT kind, id, mac FROM entity WHERE bucket = ?1 ORDER BY kind, id";
pub(super) const KEY: &str = select_keys!("WHERE key_id = ?1");
pub(super) const VERSIONS: &str = select_versions!("WHERE key_id = ?1 ORDER BY version");
pub(super) const INDEX_ROOTS: &str = select_index_roots!("WHERE scope = ?1 ORDER BY version");

/// What is asked when a key is used for the first time, each by one value; by this one nothing is found.
pub(super) const USED_FIRST: [(&str, Value); 5] = [
    (NODE_LEAVES, Value::Integer(-1)),
    (BUCKET, Value::Integer(-1)),
    (KEY, Value::Text(String::new())),
    (VERSIONS, Value::Text(String::new())),
    (INDEX_ROOTS, Value::Text(String::new())),
];

pub(super) fn key_row(row: &Row<'_>) -> Result<KeyRow> {
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
}

pub(super) fn version_row(row: &Row<'_>) -> Result<VersionRow> {
    Ok(VersionRow {
        key_id: row.get(0)?,
        version: row.get(1)?,
        tag: row.get(2)?,
        prefix: row.get(3)?,
        is_current: row.get(4)?,
        state: row.get(5)?,
        state_reason: row.get(6)?,
        state_before: row.get(7)?,
        algorithm: row.get(8)?,
        created_at: row.get(9)?,
        expires_at: row.get(10)?,
        destroy_at: row.get(11)?,
        kek_version: row.get(12)?,
        wrapped: row.get(13)?,
    })
}

pub(super) fn index_root_row(row: &Row<'_>) -> Result<IndexRootRow> {
    Ok(IndexRootRow {
        scope: row.get(0)?,
        version: row.get(1)?,
        is_current: row.get(2)?,
        created_at: row.get(3)?,
        kek_version: row.get(4)?,
        wrapped: row.get(5)?,
    })
}
