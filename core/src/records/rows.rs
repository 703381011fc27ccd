//! The rows of every table, and the operations on them inside one transaction.

use std::collections::HashSet;

use crate::error::Result;
use crate::records::EntityKind;
use crate::records::images::Changes;

/// The one row that describes the store.
#[derive(Clone, Debug)]
pub(crate) struct StoreRow {
    /// Of the file: what its rows are and what their MACs cover. Not in the row, but under the root's MAC.
    pub(crate) format: u32,
    pub(crate) store_id: [u8; 16],
    pub(crate) created_at: i64,
    /// Counts administrative acts.
    pub(crate) generation: u64,
    pub(crate) kek_version: u32,
    /// The store identity's signature over all wraps of the KEK.
    pub(crate) wraps_signature: [u8; 64],
    /// Made with a development key; refused where production is asked for.
    pub(crate) development: bool,
    /// This file is a backup that was not yet opened for writing.
    pub(crate) copied: bool,
    /// Destroyed keys may still be in the write-ahead log.
    pub(crate) purge_pending: bool,
    pub(crate) audit_sequence: u64,
    pub(crate) audit_hash: [u8; 32],
    /// For each occupied node of the MAC tree its number and MAC, in order.
    pub(crate) nodes: Vec<u8>,
    pub(crate) root: [u8; 32],
}

/// A way to the KEK.
#[derive(Clone, Debug)]
pub(crate) struct RecipientRow {
    pub(crate) recipient_id: String,
    pub(crate) kind: String,
    pub(crate) created_at: i64,
    /// How the secret is reached: a JSON object, names in order; `{}` for nothing.
    pub(crate) parameters: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    pub(crate) commitment: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
}

/// The KEK for one recipient.
#[derive(Clone, Debug)]
pub(crate) struct KekWrapRow {
    pub(crate) recipient_id: String,
    pub(crate) kek_version: u32,
    pub(crate) encapsulated: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

/// A key of the store's own: its identity, the audit chain's.
#[derive(Clone, Debug)]
pub(crate) struct SystemKeyRow {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) created_at: i64,
    pub(crate) kek_version: u32,
    pub(crate) wrapped: Vec<u8>,
}

/// What a key may be for.
#[derive(Clone, Debug)]
pub(crate) struct PurposeRow {
    pub(crate) purpose: String,
    pub(crate) created_at: i64,
    pub(crate) description: Option<String>,
    /// How long a key of this purpose should stay current, in milliseconds.
    pub(crate) rotation_period: Option<i64>,
}

/// A root of blind indexes; `scope` is `key/<key id>` or `purpose/<purpose>`.
#[derive(Clone, Debug)]
pub(crate) struct IndexRootRow {
    pub(crate) scope: String,
    pub(crate) version: u32,
    pub(crate) is_current: bool,
    pub(crate) created_at: i64,
    pub(crate) kek_version: u32,
    pub(crate) wrapped: Vec<u8>,
}

/// A named line of versions.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) key_id: String,
    pub(crate) kind: String,
    pub(crate) algorithm: String,
    pub(crate) purpose: Option<String>,
    pub(crate) description: Option<String>,
    /// A JSON object of texts, names in order.
    pub(crate) labels: String,
    pub(crate) exportable: bool,
    pub(crate) archived: bool,
    /// What happens when a version nears its safe number of messages: `rotate` or `refuse`.
    pub(crate) on_limit: String,
    /// How long each version encrypts, in milliseconds.
    pub(crate) expires_in: Option<i64>,
    pub(crate) created_at: i64,
}

/// One wrapped data-encryption key.
#[derive(Clone, Debug)]
pub(crate) struct VersionRow {
    pub(crate) key_id: String,
    pub(crate) version: u32,
    pub(crate) tag: u32,
    /// What stands in front of its ciphertexts: `tink`, the tag, or `raw`, nothing.
    pub(crate) prefix: String,
    pub(crate) is_current: bool,
    pub(crate) state: String,
    pub(crate) state_reason: Option<String>,
    /// What the state was before its destruction was scheduled, while that is.
    pub(crate) state_before: Option<String>,
    pub(crate) algorithm: String,
    pub(crate) created_at: i64,
    pub(crate) expires_at: Option<i64>,
    pub(crate) destroy_at: Option<i64>,
    pub(crate) kek_version: u32,
    /// Empty once the version was destroyed.
    pub(crate) wrapped: Vec<u8>,
}

/// How many messages a version has sealed or leased. One counts again for each MiB begun after the first.
#[derive(Clone, Debug)]
pub(crate) struct UsageRow {
    pub(crate) key_id: String,
    pub(crate) version: u32,
    pub(crate) messages: u64,
}

/// An entity that does not verify and was set aside.
#[derive(Clone, Debug)]
pub(crate) struct QuarantineRow {
    pub(crate) kind: EntityKind,
    pub(crate) id: String,
    pub(crate) reason: String,
    pub(crate) created_at: i64,
}

/// The stored MAC of one entity.
#[derive(Clone, Debug)]
pub(crate) struct EntityRow {
    pub(crate) kind: EntityKind,
    pub(crate) id: String,
    pub(crate) mac: [u8; 32],
}

/// One record of the audit chain.
#[derive(Clone, Debug)]
pub(crate) struct AuditRow {
    pub(crate) sequence: u64,
    /// Canonical JSON: names in order, no white space.
    pub(crate) record: String,
    pub(crate) hash: [u8; 32],
}

/// What a database offers inside one transaction. Nothing here is verified: that is the tree's work.
pub(crate) trait Rows {
    /// The format of the file.
    fn format(&self) -> Result<u32>;
    /// What was written of entities in this transaction; `None` where it only reads.
    fn changes(&self) -> Option<&Changes>;
    /// IntegrityError where pages, or the order of rows in them, are not as they must be for a row to be found. It reads
    /// the whole file.
    fn require_sound(&self) -> Result<()>;

    fn store(&self) -> Result<StoreRow>;
    fn put_store(&self, row: &StoreRow) -> Result<()>;

    /// For each occupied leaf of the node its number and MAC, in order; empty where there is none.
    fn node_leaves(&self, node: u8) -> Result<Vec<u8>>;
    fn put_node_leaves(&self, node: u8, leaves: &[u8]) -> Result<()>;
    fn stored_nodes(&self) -> Result<Vec<u8>>;
    /// In order of kind and id.
    fn bucket(&self, bucket: u16) -> Result<Vec<EntityRow>>;
    fn put_entity(&self, bucket: u16, row: &EntityRow) -> Result<()>;
    /// Puts these in the place of all, with their buckets and in order of bucket, kind and id.
    fn replace_entities(&self, rows: &[(u16, EntityRow)]) -> Result<()>;
    fn delete_entity(&self, bucket: u16, kind: EntityKind, id: &str) -> Result<()>;
    fn delete_node(&self, node: u8) -> Result<()>;
    /// Every entity with its bucket, in order of bucket, kind and id.
    fn each_entity(&self, visit: &mut dyn FnMut(u16, EntityRow) -> Result<()>) -> Result<()>;
    /// Every bucket that has entities.
    fn stored_buckets(&self) -> Result<Vec<u16>>;

    fn recipients(&self) -> Result<Vec<RecipientRow>>;
    fn put_recipient(&self, row: &RecipientRow) -> Result<()>;
    /// With its wraps.
    fn delete_recipient(&self, recipient_id: &str) -> Result<()>;
    /// In order of recipient and KEK version.
    fn kek_wraps(&self) -> Result<Vec<KekWrapRow>>;
    fn insert_kek_wrap(&self, row: &KekWrapRow) -> Result<()>;
    fn delete_kek_wraps(&self) -> Result<()>;

    /// Oldest version first.
    fn system_keys(&self, name: &str) -> Result<Vec<SystemKeyRow>>;
    fn put_system_key(&self, row: &SystemKeyRow) -> Result<()>;

    fn purpose(&self, purpose: &str) -> Result<Option<PurposeRow>>;
    /// In byte order.
    fn purposes(&self) -> Result<Vec<String>>;
    fn put_purpose(&self, row: &PurposeRow) -> Result<()>;

    /// Oldest version first.
    fn index_roots(&self, scope: &str) -> Result<Vec<IndexRootRow>>;
    fn put_index_root(&self, row: &IndexRootRow) -> Result<()>;
    fn delete_index_root(&self, scope: &str, version: u32) -> Result<()>;

    fn key(&self, key_id: &str) -> Result<Option<KeyRow>>;
    fn put_key(&self, row: &KeyRow) -> Result<()>;
    /// In byte order.
    fn key_ids(&self) -> Result<Vec<String>>;
    /// Oldest version first.
    fn versions(&self, key_id: &str) -> Result<Vec<VersionRow>>;
    fn put_version(&self, row: &VersionRow) -> Result<()>;
    /// The keys with a version whose destruction is due at this time, in byte order.
    fn keys_due(&self, now: i64) -> Result<Vec<String>>;
    /// The version is not the current one any more.
    fn clear_current(&self, row: &VersionRow) -> Result<()>;
    /// The keys with a version of this tag, in byte order.
    fn keys_with_tag(&self, tag: u32) -> Result<Vec<String>>;

    /// The keys whose ids come after this one, in byte order, so many at most. Nothing is read of those to skip, here
    /// and in the next two.
    fn keys_after(&self, after: &str, limit: u32, skip: &HashSet<String>) -> Result<Vec<KeyRow>>;
    /// The versions of all keys between these two, in order of key and version.
    fn versions_between(&self, ends: (&str, &str), skip: &HashSet<String>) -> Result<Vec<VersionRow>>;
    /// The index roots of all scopes between these two, in order of scope and version.
    fn index_roots_between(&self, ends: (&str, &str), skip: &HashSet<String>) -> Result<Vec<IndexRootRow>>;
    /// Replaces the wraps of versions and the versions of their KEK, and nothing else. Gives the first that there is no row
    /// for.
    fn rewrap_versions<'r>(&self, rows: &'r [VersionRow]) -> Result<Option<&'r VersionRow>>;
    /// The same for index roots.
    fn rewrap_index_roots<'r>(&self, rows: &'r [IndexRootRow]) -> Result<Option<&'r IndexRootRow>>;

    /// Oldest version first.
    fn usage(&self, key_id: &str) -> Result<Vec<UsageRow>>;
    fn put_usage(&self, row: &UsageRow) -> Result<()>;

    /// In order of kind and id.
    fn quarantined(&self) -> Result<Vec<QuarantineRow>>;
    fn put_quarantined(&self, row: &QuarantineRow) -> Result<()>;

    fn insert_audit(&self, row: &AuditRow) -> Result<()>;
    /// Calls for each record from this sequence number on, in order.
    fn each_audit(&self, from: u64, visit: &mut dyn FnMut(AuditRow) -> Result<()>) -> Result<()>;

    /// Every (kind, id) that some table has a row for; for finding rows that no entity covers.
    fn stored_entities(&self) -> Result<Vec<(EntityKind, String)>>;
}
