//! The row operations in SQL.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::errors::storage_error;
use super::schema::read_format;
use super::select::{
    BUCKET, INDEX_ROOTS, KEY, NODE_LEAVES, USED_FIRST, VERSIONS, index_root_row, key_row, version_row,
};
use super::{bulk, structure};
use crate::error::{Error, Result};
use crate::records::images::{Changes, Covered, Place, entity_of_scope};
use crate::records::rows::EntityRow;
use crate::records::{
    AuditRow, EntityKind, IndexRootRow, KekWrapRow, KeyRow, PurposeRow, QuarantineRow, RecipientRow, Rows,
    StoreRow, SystemKeyRow, UsageRow, VersionRow,
};

/// Asks what a key's first use asks, in vain, so that it need not wait until statements are compiled and the topmost
/// pages read.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    for (sql, nothing) in USED_FIRST {
        let mut statement = connection.prepare_cached(sql).map_err(storage_error)?;
        // What is damaged is told to whoever needs it.
        let _ = statement.exists([nothing]);
    }
    Ok(())
}

/// The rows inside one transaction.
pub(super) struct SqliteRows<'a>(&'a Connection, Option<Changes>);

impl<'a> SqliteRows<'a> {
    /// Of a file whose format was judged in this transaction, for reading.
    pub(super) fn new(transaction: &'a Connection) -> Self {
        Self(transaction, None)
    }

    /// The same for writing.
    pub(super) fn writing(transaction: &'a Connection) -> Self {
        Self(transaction, Some(Changes::default()))
    }

    fn note(&self) -> Result<&Changes> {
        self.1.as_ref().ok_or_else(|| Error::internal("rows are written in a transaction that reads"))
    }

    /// As [`SqliteRows::execute`], of a statement that writes this row and nothing else.
    fn put(&self, row: &dyn Covered, sql: &str, values: impl Params) -> Result<()> {
        self.note()?.put(row);
        self.execute(sql, values)
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql).map_err(storage_error)?;
        statement.execute(values).map_err(storage_error)?;
        Ok(())
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(storage_error)?;
        statement.query_row(values, read).optional().map_err(storage_error)
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(storage_error)?;
        let rows = statement.query_map(values, read).map_err(storage_error)?;
        rows.collect::<rusqlite::Result<_>>().map_err(storage_error)
    }
}

impl Rows for SqliteRows<'_> {
    fn format(&self) -> Result<u32> {
        read_format(self.0)
    }

    fn changes(&self) -> Option<&Changes> {
        self.1.as_ref()
    }

    fn require_sound(&self) -> Result<()> {
        structure::require_sound(self.0)
    }

    fn store(&self) -> Result<StoreRow> {
        let format = self.format()?;
        let row = self.one(
            "SELECT store_id, created_at, generation, kek_version, wraps_signature, development, copied, purge_pending, \
             audit_sequence, audit_hash, nodes, root FROM store WHERE id = 1",
            [],
            |row| {
                Ok(StoreRow {
                    format: 0,
                    store_id: row.get(0)?,
                    created_at: row.get(1)?,
                    generation: row.get(2)?,
                    kek_version: row.get(3)?,
                    wraps_signature: row.get(4)?,
                    development: row.get(5)?,
                    copied: row.get(6)?,
                    purge_pending: row.get(7)?,
                    audit_sequence: row.get(8)?,
                    audit_hash: row.get(9)?,
                    nodes: row.get(10)?,
                    root: row.get(11)?,
                })
            },
        )?;
        row.map(|row| StoreRow { format, ..row }).ok_or_else(|| {
            Error::integrity("the store's own row is missing; keep the file and restore a backup")
        })
    }

    fn put_store(&self, row: &StoreRow) -> Result<()> {
        self.execute(
            "INSERT INTO store (id, store_id, created_at, generation, kek_version, wraps_signature, development, copied, \
             purge_pending, audit_sequence, audit_hash, nodes, root) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (id) DO UPDATE SET generation = ?3, kek_version = ?4, wraps_signature = ?5, development = ?6, \
             copied = ?7, purge_pending = ?8, audit_sequence = ?9, audit_hash = ?10, nodes = ?11, root = ?12",
            params![
                row.store_id,
                row.created_at,
                row.generation,
                row.kek_version,
                row.wraps_signature,
                row.development,
                row.copied,
                row.purge_pending,
                row.audit_sequence,
                row.audit_hash,
                row.nodes,
                row.root
            ],
        )
    }

    fn node_leaves(&self, node: u8) -> Result<Vec<u8>> {
        let leaves = self.one(NODE_LEAVES, [node], |row| row.get(0))?;
        Ok(leaves.unwrap_or_default())
    }

    fn put_node_leaves(&self, node: u8, leaves: &[u8]) -> Result<()> {
        self.execute(
            "INSERT INTO tree_node (node, leaves) VALUES (?1, ?2) ON CONFLICT (node) DO UPDATE SET leaves = ?2",
            params![node, leaves],
        )
    }

    fn stored_nodes(&self) -> Result<Vec<u8>> {
        self.all("SELECT node FROM tree_node ORDER BY node", [], |row| row.get(0))
    }

    fn bucket(&self, bucket: u16) -> Result<Vec<EntityRow>> {
        let rows =
            self.all(BUCKET, [bucket], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?)))?;
        rows.into_iter().map(|(kind, id, mac)| Ok(EntityRow { kind: known_kind(&kind)?, id, mac })).collect()
    }

    fn each_entity(&self, visit: &mut dyn FnMut(u16, EntityRow) -> Result<()>) -> Result<()> {
        let mut statement = self
            .0
            .prepare_cached("SELECT bucket, kind, id, mac FROM entity ORDER BY bucket, kind, id")
            .map_err(storage_error)?;
        let mut rows = statement.query([]).map_err(storage_error)?;
        while let Some(row) = rows.next().map_err(storage_error)? {
            let (bucket, kind, id, mac) =
                (|| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))()
                    .map_err(storage_error)?;
            visit(bucket, EntityRow { kind: known_kind(&kind)?, id, mac })?;
        }
        Ok(())
    }

    fn put_entity(&self, bucket: u16, row: &EntityRow) -> Result<()> {
        self.execute(
            "INSERT INTO entity (bucket, kind, id, mac) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (bucket, kind, id) DO UPDATE SET mac = ?4",
            params![bucket, row.kind.name(), row.id, row.mac],
        )
    }

    fn replace_entities(&self, rows: &[(u16, EntityRow)]) -> Result<()> {
        bulk::replace_entities(self.0, rows)
    }

    fn delete_entity(&self, bucket: u16, kind: EntityKind, id: &str) -> Result<()> {
        self.execute(
            "DELETE FROM entity WHERE bucket = ?1 AND kind = ?2 AND id = ?3",
            params![bucket, kind.name(), id],
        )
    }

    fn delete_node(&self, node: u8) -> Result<()> {
        self.execute("DELETE FROM tree_node WHERE node = ?1", [node])
    }

    fn stored_buckets(&self) -> Result<Vec<u16>> {
        self.all("SELECT DISTINCT bucket FROM entity ORDER BY bucket", [], |row| row.get(0))
    }

    fn recipients(&self) -> Result<Vec<RecipientRow>> {
        self.all(
            "SELECT recipient_id, kind, created_at, parameters, public_key, salt, commitment, sealed FROM recipient \
             ORDER BY recipient_id",
            [],
            |row| {
                Ok(RecipientRow {
                    recipient_id: row.get(0)?,
                    kind: row.get(1)?,
                    created_at: row.get(2)?,
                    parameters: row.get(3)?,
                    public_key: row.get(4)?,
                    salt: row.get(5)?,
                    commitment: row.get(6)?,
                    sealed: row.get(7)?,
                })
            },
        )
    }

    fn put_recipient(&self, row: &RecipientRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO recipient (recipient_id, kind, created_at, parameters, public_key, salt, commitment, sealed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
             ON CONFLICT (recipient_id) DO UPDATE SET kind = ?2, created_at = ?3, parameters = ?4, public_key = ?5, \
             salt = ?6, commitment = ?7, sealed = ?8",
            params![
                row.recipient_id,
                row.kind,
                row.created_at,
                row.parameters,
                row.public_key,
                row.salt,
                row.commitment,
                row.sealed
            ],
        )
    }

    fn delete_recipient(&self, recipient_id: &str) -> Result<()> {
        self.execute("DELETE FROM kek_wrap WHERE recipient_id = ?1", [recipient_id])?;
        self.execute("DELETE FROM recipient WHERE recipient_id = ?1", [recipient_id])
    }

    fn kek_wraps(&self) -> Result<Vec<KekWrapRow>> {
        self.all(
            "SELECT recipient_id, kek_version, encapsulated, ciphertext FROM kek_wrap \
             ORDER BY recipient_id, kek_version",
            [],
            |row| {
                Ok(KekWrapRow {
                    recipient_id: row.get(0)?,
                    kek_version: row.get(1)?,
                    encapsulated: row.get(2)?,
                    ciphertext: row.get(3)?,
                })
            },
        )
    }

    fn insert_kek_wrap(&self, row: &KekWrapRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO kek_wrap (recipient_id, kek_version, encapsulated, ciphertext) VALUES (?1, ?2, ?3, ?4)",
            params![row.recipient_id, row.kek_version, row.encapsulated, row.ciphertext],
        )
    }

    fn delete_kek_wraps(&self) -> Result<()> {
        self.execute("DELETE FROM kek_wrap", [])
    }

    fn system_keys(&self, name: &str) -> Result<Vec<SystemKeyRow>> {
        self.all(
            "SELECT name, version, created_at, kek_version, wrapped FROM system_key WHERE name = ?1 ORDER BY version",
            [name],
            |row| {
                Ok(SystemKeyRow {
                    name: row.get(0)?,
                    version: row.get(1)?,
                    created_at: row.get(2)?,
                    kek_version: row.get(3)?,
                    wrapped: row.get(4)?,
                })
            },
        )
    }

    fn put_system_key(&self, row: &SystemKeyRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO system_key (name, version, created_at, kek_version, wrapped) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (name, version) DO UPDATE SET kek_version = ?4, wrapped = ?5",
            params![row.name, row.version, row.created_at, row.kek_version, row.wrapped],
        )
    }

    fn purpose(&self, purpose: &str) -> Result<Option<PurposeRow>> {
        self.one(
            "SELECT purpose, created_at, description, rotation_period FROM purpose WHERE purpose = ?1",
            [purpose],
            |row| {
                Ok(PurposeRow {
                    purpose: row.get(0)?,
                    created_at: row.get(1)?,
                    description: row.get(2)?,
                    rotation_period: row.get(3)?,
                })
            },
        )
    }

    fn purposes(&self) -> Result<Vec<String>> {
        self.all("SELECT purpose FROM purpose ORDER BY purpose", [], |row| row.get(0))
    }

    fn put_purpose(&self, row: &PurposeRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO purpose (purpose, created_at, description, rotation_period) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (purpose) DO UPDATE SET description = ?3, rotation_period = ?4",
            params![row.purpose, row.created_at, row.description, row.rotation_period],
        )
    }

    fn index_roots(&self, scope: &str) -> Result<Vec<IndexRootRow>> {
        self.all(INDEX_ROOTS, [scope], index_root_row)
    }

    fn put_index_root(&self, row: &IndexRootRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO index_root (scope, version, is_current, created_at, kek_version, wrapped) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (scope, version) DO UPDATE SET is_current = ?3, kek_version = ?5, wrapped = ?6",
            params![row.scope, row.version, row.is_current, row.created_at, row.kek_version, row.wrapped],
        )
    }

    fn delete_index_root(&self, scope: &str, version: u32) -> Result<()> {
        self.note()?.delete(entity_of_scope(scope), Place::IndexRoot(version));
        self.execute("DELETE FROM index_root WHERE scope = ?1 AND version = ?2", params![scope, version])
    }

    fn key(&self, key_id: &str) -> Result<Option<KeyRow>> {
        self.one(KEY, [key_id], key_row)
    }

    fn put_key(&self, row: &KeyRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO key (key_id, kind, algorithm, purpose, description, labels, exportable, archived, on_limit, \
             expires_in, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (key_id) DO UPDATE SET algorithm = ?3, description = ?5, labels = ?6, archived = ?8, \
             on_limit = ?9, expires_in = ?10",
            params![
                row.key_id,
                row.kind,
                row.algorithm,
                row.purpose,
                row.description,
                row.labels,
                row.exportable,
                row.archived,
                row.on_limit,
                row.expires_in,
                row.created_at
            ],
        )
    }

    fn key_ids(&self) -> Result<Vec<String>> {
        self.all("SELECT key_id FROM key ORDER BY key_id", [], |row| row.get(0))
    }

    fn versions(&self, key_id: &str) -> Result<Vec<VersionRow>> {
        self.all(VERSIONS, [key_id], version_row)
    }

    fn put_version(&self, row: &VersionRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO key_version (key_id, version, tag, prefix, is_current, state, state_reason, state_before, \
             algorithm, created_at, expires_at, destroy_at, kek_version, wrapped) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
             ON CONFLICT (key_id, version) DO UPDATE SET is_current = ?5, state = ?6, state_reason = ?7, \
             state_before = ?8, expires_at = ?11, destroy_at = ?12, kek_version = ?13, wrapped = ?14",
            params![
                row.key_id,
                row.version,
                row.tag,
                row.prefix,
                row.is_current,
                row.state,
                row.state_reason,
                row.state_before,
                row.algorithm,
                row.created_at,
                row.expires_at,
                row.destroy_at,
                row.kek_version,
                row.wrapped
            ],
        )
    }

    fn keys_due(&self, now: i64) -> Result<Vec<String>> {
        self.all(
            "SELECT DISTINCT key_id FROM key_version WHERE state = 'pending_destruction' AND destroy_at <= ?1 \
             ORDER BY key_id",
            [now],
            |row| row.get(0),
        )
    }

    fn clear_current(&self, row: &VersionRow) -> Result<()> {
        self.put(
            &VersionRow { is_current: false, ..row.clone() },
            "UPDATE key_version SET is_current = 0 WHERE key_id = ?1 AND version = ?2",
            params![row.key_id, row.version],
        )
    }

    fn keys_with_tag(&self, tag: u32) -> Result<Vec<String>> {
        self.all(
            "SELECT key_id FROM key_version WHERE tag = ?1 AND prefix = 'tink' ORDER BY key_id",
            [tag],
            |row| row.get(0),
        )
    }

    fn keys_after(&self, after: &str, limit: u32, skip: &HashSet<String>) -> Result<Vec<KeyRow>> {
        bulk::keys_after(self.0, after, limit, skip)
    }

    fn versions_between(&self, ends: (&str, &str), skip: &HashSet<String>) -> Result<Vec<VersionRow>> {
        bulk::versions_between(self.0, ends, skip)
    }

    fn index_roots_between(&self, ends: (&str, &str), skip: &HashSet<String>) -> Result<Vec<IndexRootRow>> {
        bulk::index_roots_between(self.0, ends, skip)
    }

    fn rewrap_versions<'r>(&self, rows: &'r [VersionRow]) -> Result<Option<&'r VersionRow>> {
        bulk::rewrap_versions(self.0, rows)
    }

    fn rewrap_index_roots<'r>(&self, rows: &'r [IndexRootRow]) -> Result<Option<&'r IndexRootRow>> {
        bulk::rewrap_index_roots(self.0, rows)
    }

    fn usage(&self, key_id: &str) -> Result<Vec<UsageRow>> {
        self.all(
            "SELECT key_id, version, messages FROM key_usage WHERE key_id = ?1 ORDER BY version",
            [key_id],
            |row| Ok(UsageRow { key_id: row.get(0)?, version: row.get(1)?, messages: row.get(2)? }),
        )
    }

    fn put_usage(&self, row: &UsageRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO key_usage (key_id, version, messages) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key_id, version) DO UPDATE SET messages = ?3",
            params![row.key_id, row.version, row.messages],
        )
    }

    fn quarantined(&self) -> Result<Vec<QuarantineRow>> {
        let rows =
            self.all("SELECT kind, id, reason, created_at FROM quarantine ORDER BY kind, id", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        rows.into_iter()
            .map(|(kind, id, reason, created_at)| {
                Ok(QuarantineRow { kind: known_kind(&kind)?, id, reason, created_at })
            })
            .collect()
    }

    fn put_quarantined(&self, row: &QuarantineRow) -> Result<()> {
        self.put(
            row,
            "INSERT INTO quarantine (kind, id, reason, created_at) VALUES (?1, ?2, ?3, ?4)",
            params![row.kind.name(), row.id, row.reason, row.created_at],
        )
    }

    fn insert_audit(&self, row: &AuditRow) -> Result<()> {
        self.execute(
            "INSERT INTO audit (sequence, record, hash) VALUES (?1, ?2, ?3)",
            params![row.sequence, row.record, row.hash],
        )
    }

    fn each_audit(&self, from: u64, visit: &mut dyn FnMut(AuditRow) -> Result<()>) -> Result<()> {
        let mut statement = self
            .0
            .prepare_cached("SELECT sequence, record, hash FROM audit WHERE sequence >= ?1 ORDER BY sequence")
            .map_err(storage_error)?;
        let mut rows = statement.query([from]).map_err(storage_error)?;
        while let Some(row) = rows.next().map_err(storage_error)? {
            let row = (|| Ok(AuditRow { sequence: row.get(0)?, record: row.get(1)?, hash: row.get(2)? }))()
                .map_err(storage_error)?;
            visit(row)?;
        }
        Ok(())
    }

    fn stored_entities(&self) -> Result<Vec<(EntityKind, String)>> {
        let rows = self.all(
            "SELECT 'key', key_id FROM key UNION SELECT 'key', key_id FROM key_version \
             UNION SELECT CASE WHEN scope GLOB 'key/*' THEN 'key' WHEN scope GLOB 'purpose/*' THEN 'purpose' ELSE scope END, \
             substr(scope, instr(scope, '/') + 1) FROM index_root \
             UNION SELECT 'purpose', purpose FROM purpose \
             UNION SELECT 'recipient', recipient_id FROM recipient \
             UNION SELECT 'recipient', recipient_id FROM kek_wrap \
             UNION SELECT 'system_key', name FROM system_key \
             UNION SELECT 'usage', key_id FROM key_usage \
             UNION SELECT 'quarantine', kind || '/' || id FROM quarantine \
             UNION SELECT kind, id FROM entity",
            [],
            |row| Ok((row.get::<_, String>(0)?, row.get(1)?)),
        )?;
        rows.into_iter().map(|(kind, id)| Ok((known_kind(&kind)?, id))).collect()
    }
}

pub(super) fn known_kind(name: &str) -> Result<EntityKind> {
    EntityKind::from_name(name)
        .ok_or_else(|| Error::integrity("a row belongs to no known entity; it was added or is damaged"))
}
