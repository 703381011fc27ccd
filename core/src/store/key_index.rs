//! Which keys and purposes there verifiably are, kept from call to call while the store stays as it is.
//!
//! Absence shows only to whoever reads the whole MAC tree. That is done once for each root, not for each page of a
//! listing; and what is known of a key stays known while its MAC stays the same.

use std::collections::{BTreeMap, HashSet};

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Prefix, VersionState};
use crate::limits;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind};

/// The keys and purposes under one root, in byte order.
pub(crate) struct KeyIndex {
    root: [u8; 32],
    pub(super) keys: Vec<IndexedKey>,
    pub(super) purposes: Vec<(String, [u8; 32])>,
}

/// One key and its MAC.
pub(super) struct IndexedKey {
    pub(super) key_id: String,
    pub(super) mac: [u8; 32],
    facts: Option<KeyFacts>,
}

/// What chooses among keys.
pub(super) struct KeyFacts {
    pub(super) kind: String,
    pub(super) purpose: Option<String>,
    pub(super) archived: bool,
    pub(super) created_at: i64,
    /// When the first of its versions is to be destroyed.
    pub(super) destroy_at: Option<i64>,
    /// Of the versions that write theirs in front of ciphertexts.
    tags: Vec<u32>,
}

impl IndexedKey {
    fn learn(&mut self, tree: &Tree<'_>) -> Result<()> {
        let entity = EntityId::key(&self.key_id);
        tree.verify_against(entity, &self.mac)?;
        let row = tree.rows().key(&self.key_id)?.ok_or_else(|| entity.damaged())?;
        let versions = tree.rows().versions(&self.key_id)?;
        let tags = versions.iter().filter(|row| row.prefix == Prefix::Tink.name()).map(|row| row.tag);
        let scheduled = versions.iter().filter(|row| row.state != VersionState::Destroyed.name());
        self.facts = Some(KeyFacts {
            kind: row.kind,
            purpose: row.purpose,
            archived: row.archived,
            created_at: row.created_at,
            destroy_at: scheduled.filter_map(|row| row.destroy_at).min(),
            tags: tags.collect(),
        });
        Ok(())
    }
}

impl KeyIndex {
    /// The index under this tree's root: `known` where that is it, else read anew.
    pub(super) fn at<'a>(known: &'a mut Option<Self>, tree: &Tree<'_>) -> Result<&'a mut Self> {
        let root = tree.store().root;
        let fresh = match known.take() {
            Some(index) if index.root == root => index,
            previous => Self::read(tree, root, previous)?,
        };
        Ok(known.insert(fresh))
    }

    fn read(tree: &Tree<'_>, root: [u8; 32], previous: Option<Self>) -> Result<Self> {
        let mut index = Self { root, keys: Vec::new(), purposes: Vec::new() };
        let mut aside = HashSet::new();
        tree.each_verified(&mut |_, row| {
            match row.kind {
                EntityKind::Key => {
                    index.keys.push(IndexedKey { key_id: row.id, mac: row.mac, facts: None });
                }
                EntityKind::Purpose => index.purposes.push((row.id, row.mac)),
                EntityKind::Quarantine => {
                    aside.insert(row.id);
                }
                _ => {}
            }
            Ok(())
        })?;
        index.keys.sort_unstable_by(|a, b| a.key_id.cmp(&b.key_id));
        index.purposes.sort_unstable();
        let mut stored = tree.rows().key_ids()?;
        // The bytes of what was set aside were kept.
        if !aside.is_empty() {
            let set_aside = |kind: EntityKind, id: &str| aside.contains(&format!("{}/{id}", kind.name()));
            stored.retain(|key_id| !set_aside(EntityKind::Key, key_id));
            // A tree that was verified has them no more; what is only shown, as it is stored, does.
            index.keys.retain(|key| !set_aside(EntityKind::Key, &key.key_id));
            index.purposes.retain(|(purpose, _)| !set_aside(EntityKind::Purpose, purpose));
        }
        if !stored.iter().eq(index.keys.iter().map(|key| &key.key_id)) {
            return Err(Error::integrity(
                "keys were added or removed by someone without the master key; run `keyfold check`",
            ));
        }
        if let Some(previous) = previous {
            index.take_over(previous);
        }
        Ok(index)
    }

    /// Keeps what is known of keys that are as they were.
    fn take_over(&mut self, previous: Self) {
        let mut known = previous.keys.into_iter().peekable();
        for key in &mut self.keys {
            while known.next_if(|other| other.key_id < key.key_id).is_some() {}
            if let Some(other) = known.next_if(|other| other.key_id == key.key_id)
                && other.mac == key.mac
            {
                key.facts = other.facts;
            }
        }
    }

    /// Verifies as many keys that nothing is known of as the reader's lock may be held for. False where none is left.
    pub(super) fn learn(&mut self, tree: &Tree<'_>) -> Result<bool> {
        let mut damaged = BTreeMap::new();
        let more = self.learn_but(tree, &mut damaged)?;
        damaged.into_values().next().map_or(Ok(more), Err)
    }

    /// As [`KeyIndex::learn`], with the errors of keys that do not verify; those that are there already are passed over.
    pub(super) fn learn_but(
        &mut self,
        tree: &Tree<'_>,
        damaged: &mut BTreeMap<String, Error>,
    ) -> Result<bool> {
        let mut left = limits::PAGE_KEYS;
        for key in self.keys.iter_mut().filter(|key| key.facts.is_none()) {
            if damaged.contains_key(&key.key_id) {
                continue;
            }
            if left == 0 {
                return Ok(true);
            }
            left -= 1;
            match key.learn(tree) {
                Err(error) if error.kind() == ErrorKind::IntegrityError => {
                    damaged.insert(key.key_id.clone(), error);
                }
                outcome => outcome?,
            }
        }
        Ok(false)
    }

    /// The keys that have a version of this tag.
    pub(super) fn with_tag(&self, tag: u32) -> Vec<String> {
        let tagged = self.facts().filter(|(_, facts)| facts.tags.contains(&tag));
        tagged.map(|(key_id, _)| key_id.to_owned()).collect()
    }

    /// Every key that something is known of.
    pub(super) fn facts(&self) -> impl Iterator<Item = (&str, &KeyFacts)> {
        self.keys.iter().filter_map(|key| Some((key.key_id.as_str(), key.facts.as_ref()?)))
    }
}
