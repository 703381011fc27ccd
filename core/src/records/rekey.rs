//! Everything under a new KEK and a new records key, verified on the way.
//!
//! Rows are read in pages rather than key by key, and each leaf and node of the tree is written once.

use std::collections::HashSet;

use crate::error::Result;
use crate::primitives::{HmacKey, equal};
use crate::records::census::Census;
use crate::records::entity::{EntityRows, key_content, key_scope};
use crate::records::tree::Tree;
use crate::records::{
    EntityId, EntityKind, IndexRootRow, KekWrapRow, KeyRow, RecipientRow, Rows, SystemKeyRow, VersionRow,
};

/// Keys read at a time.
const PAGE: u32 = 512;

/// Wraps the secret of a row anew.
pub(crate) trait Rewrap {
    fn version(&mut self, key: &KeyRow, row: &mut VersionRow) -> Result<()>;
    fn index_root(&mut self, row: &mut IndexRootRow) -> Result<()>;
    fn system_key(&mut self, row: &mut SystemKeyRow) -> Result<()>;
    /// Once every recipient was verified: makes the recipients' rows and wraps what they shall be, and gives them.
    fn recipients(&mut self, rows: &dyn Rows) -> Result<Vec<(RecipientRow, KekWrapRow)>>;
}

/// Verifies every entity, has its secrets wrapped anew, and grows the tree again under another records key.
///
/// IntegrityError names the first entity that does not verify. What is quarantined is left out, as are rows that
/// nothing covers. The file's structure is checked first: everything is written anew, and what is not found again, or
/// lies in the place of something else, would be lost.
pub(crate) fn rekey<'b>(
    tree: &Tree<'b>,
    records_key: &'b HmacKey,
    hand: &mut dyn Rewrap,
) -> Result<Tree<'b>> {
    tree.rows().require_sound()?;
    let mut work = Work { tree, records_key, census: Census::take(tree)?, aside: Aside::default() };
    work.leave_out_quarantined()?;
    work.keys(hand)?;
    work.others(hand)?;
    tree.regrown(records_key, &work.census.into_entities())
}

struct Work<'a, 'b> {
    tree: &'a Tree<'b>,
    records_key: &'a HmacKey,
    census: Census,
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
            if self.census.left(EntityId::quarantine(&name)).is_none() {
                continue;
            }
            self.verify(EntityId::quarantine(&name))?;
            if let Some(place) = self.census.left(EntityId { kind: row.kind, id: &row.id }) {
                self.census.remove(place);
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
            let mut done = Rewrapped::default();
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
                self.key(key, own, own_roots, hand, &mut done)?;
            }
            done.write(rows)?;
        }
    }

    fn key(
        &mut self,
        key: &KeyRow,
        mut versions: Vec<VersionRow>,
        mut roots: Vec<IndexRootRow>,
        hand: &mut dyn Rewrap,
        done: &mut Rewrapped,
    ) -> Result<()> {
        let entity = EntityId::key(&key.key_id);
        let Some(place) = self.census.left(entity) else { return Ok(()) };
        if !equal(self.census.mac(place), &self.tree.mac(&key_content(key, &versions, &roots))) {
            return Err(entity.damaged());
        }
        for row in &mut versions {
            hand.version(key, row)?;
        }
        for row in &mut roots {
            hand.index_root(row)?;
        }
        let content = key_content(key, &versions, &roots);
        self.census.done(place, self.records_key.mac(&[content.as_bytes()]));
        done.versions.append(&mut versions);
        done.roots.append(&mut roots);
        Ok(())
    }

    fn others(&mut self, hand: &mut dyn Rewrap) -> Result<()> {
        let rows = self.tree.rows();
        let mut verified = Vec::new();
        for (kind, id) in self.census.all_left() {
            let of_entity = self.verify(EntityId { kind, id: &id })?;
            verified.push((id, of_entity));
        }
        let known = |id: &str| {
            verified.iter().any(|(known, rows)| matches!(rows, EntityRows::Recipient(..)) && known == id)
        };
        if let Some(planted) = rows.recipients()?.into_iter().find(|row| !known(&row.recipient_id)) {
            // It must get no KEK.
            return Err(EntityId::recipient(&planted.recipient_id).damaged());
        }
        let recipients = hand.recipients(rows)?;
        for (id, mut of_entity) in verified {
            match &mut of_entity {
                // Its own row is gone: verifying it has failed.
                EntityRows::Key(_) => return Err(EntityId::key(&id).damaged()),
                // Those that stay are taken over below.
                EntityRows::Recipient(..) => continue,
                EntityRows::Purpose(_, roots) => {
                    roots.iter_mut().try_for_each(|row| hand.index_root(row))?;
                    if rows.rewrap_index_roots(roots)?.is_some() {
                        return Err(EntityId::purpose(&id).damaged());
                    }
                }
                EntityRows::SystemKey(versions) => {
                    for row in versions {
                        hand.system_key(row)?;
                        rows.put_system_key(row)?;
                    }
                }
                EntityRows::Usage(_) | EntityRows::Quarantine(_) => {}
            }
            self.finish(&id, &of_entity);
        }
        for (row, wrap) in recipients {
            let id = row.recipient_id.clone();
            self.finish(&id, &EntityRows::Recipient(row, vec![wrap]));
        }
        Ok(())
    }

    fn verify(&self, entity: EntityId<'_>) -> Result<EntityRows> {
        let place = self.census.left(entity).ok_or_else(|| entity.damaged())?;
        let rows = entity.read(self.tree.rows())?.ok_or_else(|| entity.damaged())?;
        match equal(self.census.mac(place), &self.tree.mac(&rows.content(entity))) {
            true => Ok(rows),
            false => Err(entity.damaged()),
        }
    }

    /// Takes over what was verified, as it was changed since: nothing is read again.
    fn finish(&mut self, id: &str, rows: &EntityRows) {
        let entity = EntityId { kind: rows.kind(), id };
        let mac = self.records_key.mac(&[rows.content(entity).as_bytes()]);
        match self.census.left(entity) {
            Some(place) => self.census.done(place, mac),
            None => self.census.add(entity, mac),
        }
    }
}

/// The rows of many keys, to be written one after the other.
#[derive(Default)]
struct Rewrapped {
    versions: Vec<VersionRow>,
    roots: Vec<IndexRootRow>,
}

impl Rewrapped {
    /// A row that was read and is not found again is not where it belongs: its wrap would stay under a KEK that is gone.
    fn write(&self, rows: &dyn Rows) -> Result<()> {
        if let Some(missing) = rows.rewrap_versions(&self.versions)? {
            return Err(EntityId::key(&missing.key_id).damaged());
        }
        match rows.rewrap_index_roots(&self.roots)? {
            Some(missing) => {
                let scope = &missing.scope;
                Err(EntityId::key(scope.strip_prefix(&key_scope("")).unwrap_or(scope)).damaged())
            }
            None => Ok(()),
        }
    }
}
