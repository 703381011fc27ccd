//! An administrative act: verify, change, record, seal, all in one transaction.

use crate::error::{Error, Result};
use crate::hierarchy::{DekPlace, IndexRootPlace, Kek, make_wrapped};
use crate::primitives::{HmacKey, random_bytes};
use crate::records::audit::AuditRecord;
use crate::records::tree::Tree;
use crate::records::{EntityId, IndexRootRow, KeyRow, Rows, VersionRow};
use crate::store::shared::{Shared, lock};
use crate::time::Timestamp;

/// One act in progress.
pub(super) struct Act<'a> {
    pub(super) tree: Tree<'a>,
    pub(super) now: i64,
    kek: &'a Kek,
    audit: &'a HmacKey,
    actor: &'a str,
    recorded: bool,
}

impl Shared {
    /// Runs an act in one transaction; an error undoes all of it. What it returns is on disk.
    pub(super) fn act<T>(&self, run: impl FnOnce(&mut Act<'_>) -> Result<T>) -> Result<T> {
        let mut writer = lock(&self.writer);
        let unlocked = self.unlocked()?;
        let known = self.freshness.generation();
        let (value, generation) = writer.write(|rows| {
            let tree = self.verified(rows, &unlocked, known)?;
            let mut act = Act::new(tree, &unlocked.kek, &unlocked.audit, &self.actor);
            let value = run(&mut act)?;
            Ok((value, act.finish()?))
        })?;
        self.freshness.advance(generation);
        Ok(value)
    }
}

impl<'a> Act<'a> {
    pub(super) fn new(tree: Tree<'a>, kek: &'a Kek, audit: &'a HmacKey, actor: &'a str) -> Self {
        Self { tree, now: Timestamp::now().milliseconds(), kek, audit, actor, recorded: false }
    }

    pub(super) fn rows(&self) -> &'a dyn Rows {
        self.tree.rows()
    }

    /// Appends a record to the audit chain. The first one of an act starts a new generation.
    pub(super) fn record(&mut self, action: &str, key: Option<&str>, version: Option<u32>) -> Result<()> {
        let store = self.tree.store_mut();
        if !self.recorded {
            store.generation += 1;
            self.recorded = true;
        }
        store.audit_sequence += 1;
        let record = AuditRecord {
            action,
            actor: self.actor,
            at: Timestamp::from_milliseconds(self.now),
            generation: store.generation,
            key,
            outcome: "ok",
            sequence: store.audit_sequence,
            version,
        };
        let row = record.chain(self.audit, &store.audit_hash)?;
        store.audit_hash = row.hash;
        self.tree.rows().insert_audit(&row)
    }

    /// Draws a DEK for a new version and writes its row, not yet authenticated.
    pub(super) fn insert_version(&mut self, key: &KeyRow, version: u32, taken: &[u32]) -> Result<VersionRow> {
        let tag = draw_tag(taken)?;
        let store_id = self.tree.store().store_id;
        let place = DekPlace {
            store_id: &store_id,
            key_id: &key.key_id,
            kind: &key.kind,
            purpose: key.purpose.as_deref(),
            algorithm: &key.algorithm,
            version,
            tag,
        };
        let (_, wrapped) = make_wrapped(&place, self.kek)?;
        let row = VersionRow {
            key_id: key.key_id.clone(),
            version,
            tag,
            is_current: true,
            state: "enabled".to_owned(),
            state_reason: None,
            algorithm: key.algorithm.clone(),
            created_at: self.now,
            expires_at: None,
            destroy_at: None,
            kek_version: self.kek.version,
            wrapped,
        };
        self.rows().insert_version(&row)?;
        Ok(row)
    }

    /// Draws the first root of blind indexes for this scope and writes its row, not yet authenticated.
    pub(super) fn insert_index_root(&mut self, scope: &str) -> Result<()> {
        let store_id = self.tree.store().store_id;
        let place = IndexRootPlace { store_id: &store_id, scope, version: 1 };
        let (_, wrapped) = make_wrapped(&place, self.kek)?;
        self.rows().insert_index_root(&IndexRootRow {
            scope: scope.to_owned(),
            version: 1,
            is_current: true,
            created_at: self.now,
            kek_version: self.kek.version,
            wrapped,
        })
    }

    /// Verifies an entity before it is changed; an error where it is damaged, false where it does not exist.
    pub(super) fn verify(&self, entity: EntityId<'_>) -> Result<bool> {
        Ok(self.tree.verify_entity(entity)?.is_some())
    }

    /// Seals what was recorded; the generation that the store now has.
    pub(super) fn finish(mut self) -> Result<u64> {
        if self.recorded {
            self.tree.seal()?;
        }
        Ok(self.tree.store().generation)
    }
}

/// A random tag, not zero and not taken by another version of the key.
fn draw_tag(taken: &[u32]) -> Result<u32> {
    // With 10,000 versions one draw in 400,000 collides: running out of tries means a broken generator.
    for _ in 0..16 {
        let mut bytes = [0u8; 4];
        random_bytes(&mut bytes)?;
        let tag = u32::from_be_bytes(bytes);
        if tag != 0 && !taken.contains(&tag) {
            return Ok(tag);
        }
    }
    Err(Error::internal("no free tag in 16 draws"))
}
