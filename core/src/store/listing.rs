//! What keys there are, verified.

use crate::error::{Error, Result};
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind, VersionRow};
use crate::store::options::KeyFilter;
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{KeyInfo, Store, VersionInfo};

impl Store {
    /// One key's metadata. NotFound where there is none.
    pub fn key_info(&self, key_id: &str) -> Result<KeyInfo> {
        check_key_id(key_id)?;
        self.shared.read_verified(|tree, _| verified_info(tree, key_id))
    }

    /// The keys that match, in byte order of their ids. IntegrityError where one was changed, added or removed
    /// by someone without the master key.
    pub fn list_keys(&self, filter: &KeyFilter) -> Result<Vec<KeyInfo>> {
        let mut infos = self.shared.read_verified(|tree, _| {
            let mut key_ids = Vec::new();
            let mut damage = None;
            let mut aside = Vec::new();
            tree.each_entity(
                &mut |entity| {
                    match entity.kind {
                        EntityKind::Key => key_ids.push(entity.id.to_owned()),
                        EntityKind::Quarantine => aside.push(entity.id.to_owned()),
                        _ => {}
                    }
                    Ok(())
                },
                &mut |error| damage = Some(error),
            )?;
            if let Some(error) = damage {
                return Err(error);
            }
            key_ids.sort_unstable();
            let mut stored = tree.rows().key_ids()?;
            // The bytes of what was set aside were kept.
            if !aside.is_empty() {
                stored.retain(|key_id| !aside.contains(&format!("{}/{key_id}", EntityKind::Key.name())));
            }
            if key_ids != stored {
                return Err(Error::integrity(
                    "keys were added or removed by someone without the master key; run `keyfold check`",
                ));
            }
            let mut infos = Vec::new();
            for key_id in key_ids.iter().filter(|key_id| filter.covers_id(key_id)) {
                infos.push(verified_info(tree, key_id)?);
                infos.retain(|info| filter.covers(info));
                if filter.limit.is_some_and(|limit| infos.len() >= limit) {
                    break;
                }
            }
            Ok(infos)
        })?;
        infos.truncate(filter.limit.unwrap_or(usize::MAX));
        Ok(infos)
    }

    /// All versions of a key, newest first. NotFound where there is no such key.
    pub fn list_key_versions(&self, key_id: &str) -> Result<Vec<VersionInfo>> {
        check_key_id(key_id)?;
        self.shared.read_verified(|tree, _| {
            let versions = verified_versions(tree, key_id)?;
            versions.iter().rev().map(VersionInfo::from_row).collect()
        })
    }
}

/// A key's metadata, verified in this transaction. NotFound where there is no such key.
pub(super) fn verified_info(tree: &Tree<'_>, key_id: &str) -> Result<KeyInfo> {
    let versions = verified_versions(tree, key_id)?;
    let key = tree.rows().key(key_id)?.ok_or_else(|| EntityId::key(key_id).damaged())?;
    KeyInfo::from_row(&key, versions.iter().find(|row| row.is_current))
}

/// The rows of all versions, oldest first, verified in this transaction. NotFound where there is no such key.
pub(super) fn verified_versions(tree: &Tree<'_>, key_id: &str) -> Result<Vec<VersionRow>> {
    tree.verify_entity(EntityId::key(key_id))?.ok_or_else(|| no_such_key(key_id))?;
    tree.rows().versions(key_id)
}

impl KeyFilter {
    fn covers_id(&self, key_id: &str) -> bool {
        self.after.as_deref().is_none_or(|after| key_id > after)
    }

    fn covers(&self, info: &KeyInfo) -> bool {
        let same =
            |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        let found = |text: &str| {
            info.key_id.contains(text) || info.description.as_deref().is_some_and(|note| note.contains(text))
        };
        same(&self.kind, Some(info.kind.name()))
            && same(&self.purpose, info.purpose.as_deref())
            && same(&self.algorithm, Some(info.algorithm.name()))
            && self.labels.iter().all(|(name, value)| info.labels.get(name) == Some(value))
            && self.search.as_deref().is_none_or(found)
    }
}
