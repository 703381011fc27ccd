//! Everything under a new KEK and a new records key, verified on the way.
//!
//! Rows are read in pages rather than key by key, and each leaf and node of the tree is written once.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::primitives::{HmacKey, equal};
use crate::records::entity::{key_content, key_scope, purpose_scope};
use crate::records::rows::EntityRow;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind, IndexRootRow, KeyRow, Rows, SystemKeyRow, VersionRow};

/// Keys read at a time.
const PAGE: u32 = 512;

type Macs = HashMap<(EntityKind, String), [u8; 32]>;

/// Wraps the secret of a row anew.
pub(crate) trait Rewrap {
    fn version(&mut self, key: &KeyRow, row: &mut VersionRow) -> Result<()>;
    fn index_root(&mut self, row: &mut IndexRootRow) -> Result<()>;
    fn system_key(&mut self, row: &mut SystemKeyRow) -> Result<()>;
    /// Once every recipient was verified: makes the recipients' rows and wraps what they shall be.
    fn recipients(&mut self, rows: &dyn Rows) -> Result<()>;
}

/// Verifies every entity, has its secrets wrapped anew, and grows the tree again under another records key.
///
/// IntegrityError names the first entity that does not verify. What is quarantined is left out, as are rows that
/// nothing covers.
pub(crate) fn rekey<'b>(
    tree: &Tree<'b>,
    records_key: &'b HmacKey,
    hand: &mut dyn Rewrap,
) -> Result<Tree<'b>> {
    let left = tree.entity_macs()?;
    let mut work = Work { tree, records_key, left, done: Vec::new(), aside: Aside::default() };
    work.done.reserve(work.left.len());
    work.leave_out_quarantined()?;
    work.keys(hand)?;
    work.others(hand)?;
    tree.regrown(records_key, work.done)
}

struct Work<'a, 'b> {
    tree: &'a Tree<'b>,
    records_key: &'a HmacKey,
    /// Entities to come, and the MACs that they have.
    left: Macs,
    /// Entities with their new MACs.
    done: Vec<EntityRow>,
    aside: Aside,
}

/// The keys that were set aside, whose rows may be anything.
#[derive(Default)]
struct Aside {
    keys: HashSet<String>,
    scopes: HashSet<String>,
}

impl Work<'_, '_> {
    fn leave_out_quarantined(&mut self) -> Result<()> {
        for row in self.tree.rows().quarantined()? {
            let name = format!("{}/{}", row.kind.name(), row.id);
            // One that nobody verifiably set aside does not count.
            if !self.left.contains_key(&(EntityKind::Quarantine, name.clone())) {
                continue;
            }
            self.verify(EntityId::quarantine(&name))?;
            if self.left.remove(&(row.kind, row.id.clone())).is_some() {
                self.delete(EntityId { kind: row.kind, id: &row.id })?;
            }
            if row.kind == EntityKind::Key {
                self.aside.scopes.insert(key_scope(&row.id));
                self.aside.keys.insert(row.id);
            }
        }
        Ok(())
    }

    fn keys(&mut self, hand: &mut dyn Rewrap) -> Result<()> {
        let rows = self.tree.rows();
        let mut after = String::new();
        loop {
            let keys = rows.keys_after(&after, PAGE, &self.aside.keys)?;
            let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
            let ends = (first.key_id.as_str(), last.key_id.as_str());
            let mut versions = rows.versions_between(ends, &self.aside.keys)?.into_iter().peekable();
            let (from, to) = (key_scope(&first.key_id), key_scope(&last.key_id));
            let mut roots =
                rows.index_roots_between((&from, &to), &self.aside.scopes)?.into_iter().peekable();
            after = last.key_id.clone();
            for key in &keys {
                let scope = key_scope(&key.key_id);
                // Both come in order of their keys; what belongs to no key is passed over.
                let mut own = Vec::new();
                while let Some(row) = versions.next_if(|row| row.key_id <= key.key_id) {
                    own.extend((row.key_id == key.key_id).then_some(row));
                }
                let mut own_roots = Vec::new();
                while let Some(row) = roots.next_if(|row| row.scope <= scope) {
                    own_roots.extend((row.scope == scope).then_some(row));
                }
                self.key(key, own, own_roots, hand)?;
            }
        }
    }

    fn key(
        &mut self,
        key: &KeyRow,
        mut versions: Vec<VersionRow>,
        mut roots: Vec<IndexRootRow>,
        hand: &mut dyn Rewrap,
    ) -> Result<()> {
        let Some((name, mac)) = self.left.remove_entry(&(EntityKind::Key, key.key_id.clone())) else {
            return Ok(());
        };
        if !equal(&mac, &self.tree.mac(&key_content(key, &versions, &roots))) {
            return Err(EntityId::key(&key.key_id).damaged());
        }
        for row in &mut versions {
            hand.version(key, row)?;
            found(self.tree.rows().rewrap_version(row)?, EntityId::key(&key.key_id))?;
        }
        for row in &mut roots {
            hand.index_root(row)?;
            found(self.tree.rows().rewrap_index_root(row)?, EntityId::key(&key.key_id))?;
        }
        let content = key_content(key, &versions, &roots);
        let mac = self.records_key.mac(&[content.as_bytes()]);
        self.done.push(EntityRow { kind: EntityKind::Key, id: name.1, mac });
        Ok(())
    }

    fn others(&mut self, hand: &mut dyn Rewrap) -> Result<()> {
        let mut names: Vec<_> = self.left.keys().cloned().collect();
        names.sort_unstable();
        for (kind, id) in &names {
            self.verify(EntityId { kind: *kind, id })?;
        }
        let rows = self.tree.rows();
        if let Some(planted) = rows
            .recipients()?
            .into_iter()
            .find(|row| names.binary_search(&(EntityKind::Recipient, row.recipient_id.clone())).is_err())
        {
            // It must get no KEK.
            return Err(EntityId::recipient(&planted.recipient_id).damaged());
        }
        hand.recipients(rows)?;
        let recipients: HashSet<String> =
            rows.recipients()?.into_iter().map(|row| row.recipient_id).collect();
        for (kind, id) in &names {
            match kind {
                // Its own row is gone: verifying it has failed.
                EntityKind::Key => return Err(EntityId::key(id).damaged()),
                EntityKind::Recipient if !recipients.contains(id) => self.delete(EntityId::recipient(id))?,
                EntityKind::Recipient => {}
                EntityKind::Purpose => {
                    for mut row in rows.index_roots(&purpose_scope(id))? {
                        hand.index_root(&mut row)?;
                        found(rows.rewrap_index_root(&row)?, EntityId::purpose(id))?;
                    }
                    self.finish(EntityId::purpose(id))?;
                }
                EntityKind::SystemKey => {
                    for mut row in rows.system_keys(id)? {
                        hand.system_key(&mut row)?;
                        rows.put_system_key(&row)?;
                    }
                    self.finish(EntityId::system_key(id))?;
                }
                EntityKind::Usage => self.finish(EntityId::usage(id))?,
                EntityKind::Quarantine => self.finish(EntityId::quarantine(id))?,
            }
        }
        for id in &recipients {
            self.finish(EntityId::recipient(id))?;
        }
        Ok(())
    }

    fn verify(&self, entity: EntityId<'_>) -> Result<()> {
        let stored = self.left.get(&(entity.kind, entity.id.to_owned())).ok_or_else(|| entity.damaged())?;
        let content = entity.content(self.tree.rows())?.ok_or_else(|| entity.damaged())?;
        if equal(stored, &self.tree.mac(&content)) { Ok(()) } else { Err(entity.damaged()) }
    }

    fn finish(&mut self, entity: EntityId<'_>) -> Result<()> {
        let content =
            entity.content(self.tree.rows())?.ok_or_else(|| Error::internal("an entity without rows"))?;
        let mac = self.records_key.mac(&[content.as_bytes()]);
        self.done.push(EntityRow { kind: entity.kind, id: entity.id.to_owned(), mac });
        Ok(())
    }

    fn delete(&self, entity: EntityId<'_>) -> Result<()> {
        self.tree.rows().delete_entity(entity.bucket(), entity.kind, entity.id)
    }
}

/// A row that was read and is not found again is not where it belongs: its wrap would stay under a KEK that is gone.
fn found(row: bool, entity: EntityId<'_>) -> Result<()> {
    if row { Ok(()) } else { Err(entity.damaged()) }
}
