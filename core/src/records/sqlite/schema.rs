//! The tables, and the check that a file has these and nothing else.

use rusqlite::Connection;

use super::errors::storage_error;
use super::steps;
use crate::error::{Error, ErrorKind, Result};

/// "kfld" in ASCII: marks the file as a keyfold store.
pub(super) const APPLICATION_ID: i32 = 0x6b66_6c64;

/// An object of the schema: its type, name and exact text.
pub(super) type Object = (&'static str, &'static str, &'static str);

/// Every object of format 1. There is no other: no trigger, no view, and no automatic index either (each table's
/// primary key is its tree). Those with a number for a key are tables by rowid: without one, looking for a row reads
/// whole rows on the way, and a node is 8 KiB.
pub(super) const OBJECTS: [Object; 15] = [
    (
        "table",
        "store",
        "CREATE TABLE store (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id BLOB NOT NULL CHECK (length(store_id) = 16),
    created_at INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation >= 1),
    kek_version INTEGER NOT NULL CHECK (kek_version >= 1),
    wraps_signature BLOB NOT NULL CHECK (length(wraps_signature) = 64),
    development INTEGER NOT NULL CHECK (development IN (0, 1)),
    copied INTEGER NOT NULL CHECK (copied IN (0, 1)),
    purge_pending INTEGER NOT NULL CHECK (purge_pending IN (0, 1)),
    audit_sequence INTEGER NOT NULL CHECK (audit_sequence >= 0),
    audit_hash BLOB NOT NULL CHECK (length(audit_hash) = 32),
    nodes BLOB NOT NULL,
    root BLOB NOT NULL CHECK (length(root) = 32)
) STRICT",
    ),
    (
        "table",
        "tree_node",
        "CREATE TABLE tree_node (
    node INTEGER NOT NULL PRIMARY KEY CHECK (node BETWEEN 0 AND 255),
    leaves BLOB NOT NULL
) STRICT",
    ),
    (
        "table",
        "entity",
        "CREATE TABLE entity (
    bucket INTEGER NOT NULL CHECK (bucket BETWEEN 0 AND 65535),
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    PRIMARY KEY (bucket, kind, id)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "recipient",
        "CREATE TABLE recipient (
    recipient_id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    public_key BLOB NOT NULL,
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "kek_wrap",
        "CREATE TABLE kek_wrap (
    recipient_id TEXT NOT NULL REFERENCES recipient (recipient_id),
    kek_version INTEGER NOT NULL CHECK (kek_version >= 1),
    encapsulated BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (recipient_id, kek_version)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "system_key",
        "CREATE TABLE system_key (
    name TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    kek_version INTEGER NOT NULL CHECK (kek_version >= 1),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "purpose",
        "CREATE TABLE purpose (
    purpose TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    description TEXT,
    rotation_period INTEGER CHECK (rotation_period >= 1)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "index_root",
        "CREATE TABLE index_root (
    scope TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    created_at INTEGER NOT NULL,
    kek_version INTEGER NOT NULL CHECK (kek_version >= 1),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (scope, version)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "key",
        "CREATE TABLE key (
    key_id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    purpose TEXT REFERENCES purpose (purpose),
    description TEXT,
    labels TEXT NOT NULL,
    exportable INTEGER NOT NULL CHECK (exportable IN (0, 1)),
    archived INTEGER NOT NULL CHECK (archived IN (0, 1)),
    on_limit TEXT NOT NULL,
    expires_in INTEGER CHECK (expires_in >= 1),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "key_version",
        "CREATE TABLE key_version (
    key_id TEXT NOT NULL REFERENCES key (key_id),
    version INTEGER NOT NULL CHECK (version >= 1),
    tag INTEGER NOT NULL CHECK (tag BETWEEN 1 AND 4294967295),
    prefix TEXT NOT NULL CHECK (prefix IN ('tink', 'raw')),
    is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    state TEXT NOT NULL,
    state_reason TEXT,
    state_before TEXT,
    algorithm TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    destroy_at INTEGER,
    kek_version INTEGER NOT NULL CHECK (kek_version >= 1),
    wrapped BLOB NOT NULL,
    PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "key_usage",
        "CREATE TABLE key_usage (
    key_id TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    messages INTEGER NOT NULL CHECK (messages >= 0),
    PRIMARY KEY (key_id, version)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "quarantine",
        "CREATE TABLE quarantine (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "audit",
        "CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY CHECK (sequence >= 1),
    record TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT",
    ),
    (
        "index",
        "key_version_current",
        "CREATE UNIQUE INDEX key_version_current ON key_version (key_id) WHERE is_current = 1",
    ),
    ("index", "key_version_tag", "CREATE UNIQUE INDEX key_version_tag ON key_version (tag, key_id)"),
];

/// Writes the schema into an empty file.
pub(super) fn install(connection: &Connection) -> Result<()> {
    for (_, _, statement) in steps::objects(steps::format()) {
        connection.execute_batch(statement).map_err(storage_error)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(storage_error)?;
    write_format(connection, steps::format())
}

/// Refuses a file that is no store, that a newer keyfold made, or whose schema has anything planted in it.
pub(super) fn check(connection: &Connection) -> Result<()> {
    let id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(storage_error)?;
    if id != APPLICATION_ID {
        return Err(foreign());
    }
    let format = read_format(connection)?;
    if !is_utf8(connection)? || !matches(connection, format)? {
        return Err(changed());
    }
    Ok(())
}

/// The format of the file as of this transaction; an error for one that a newer keyfold made.
pub(super) fn read_format(connection: &Connection) -> Result<u32> {
    let mut statement = connection.prepare_cached("PRAGMA user_version").map_err(storage_error)?;
    let version: i32 = statement.query_row([], |row| row.get(0)).map_err(storage_error)?;
    let known = steps::format();
    match u32::try_from(version) {
        Ok(format) if format > known => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "a newer keyfold made or upgraded this store (format {format}, this build knows {known}); upgrade keyfold"
            ),
        )),
        Ok(format) if format > 0 => Ok(format),
        _ => Err(changed()),
    }
}

fn write_format(connection: &Connection, format: u32) -> Result<()> {
    connection.pragma_update(None, "user_version", format).map_err(storage_error)
}

/// Brings the schema of a file from its format to this build's, in the caller's transaction.
pub(super) fn upgrade(connection: &Connection, from: u32) -> Result<()> {
    for statement in steps::statements_after(from) {
        connection.execute_batch(statement).map_err(storage_error)?;
    }
    write_format(connection, steps::format())?;
    if !matches(connection, steps::format())? {
        return Err(Error::internal("an upgraded file has another schema than a new one"));
    }
    Ok(())
}

fn changed() -> Error {
    Error::integrity(
        "the database schema is not keyfold's: tables, indexes, triggers or views were changed or added; \
         keep the file and restore a backup",
    )
}

/// The error for a file that is something else.
pub(super) fn foreign() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this file is not a keyfold store; `keyfold init` makes one at a new path",
    )
}

/// In another encoding texts would sort otherwise than their bytes do.
fn is_utf8(connection: &Connection) -> Result<bool> {
    let encoding: String =
        connection.pragma_query_value(None, "encoding", |row| row.get(0)).map_err(storage_error)?;
    Ok(encoding == "UTF-8")
}

/// Whether the file has what this format prescribes, and nothing else.
fn matches(connection: &Connection, format: u32) -> Result<bool> {
    let objects = steps::objects(format);
    let mut statement = connection
        .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY rowid")
        .map_err(storage_error)?;
    let mut rows = statement.query([]).map_err(storage_error)?;
    let mut found = 0;
    while let Some(row) = rows.next().map_err(storage_error)? {
        let object: (String, String, Option<String>) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().map_err(storage_error)?;
        let expected = objects.get(found);
        if expected.is_none_or(|(kind, name, text)| {
            (object.0.as_str(), object.1.as_str(), object.2.as_deref()) != (*kind, *name, Some(*text))
        }) {
            return Ok(false);
        }
        found += 1;
    }
    Ok(found == objects.len())
}
