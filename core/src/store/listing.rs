//! What keys there are, verified.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::Snapshot;
use crate::records::{EntityId, EntityKind};
use crate::store::options::KeyFilter;
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{KeyInfo, Store, VersionInfo};

impl Store {
    /// One key's metadata. NotFound where there is none.
    pub fn key_info(&self, key_id: &str) -> Result<KeyInfo> {
        self.snapshot(key_id).map(|snapshot| KeyInfo::new(&snapshot))
    }

    /// The keys that match, in byte order of their ids. IntegrityError where one was changed, added or removed
    /// by someone without the master key.
    pub fn list_keys(&self, filter: &KeyFilter) -> Result<Vec<KeyInfo>> {
        let mut infos = self.shared.read_verified(|tree, kek| {
            let mut key_ids = Vec::new();
            let mut damage = None;
            tree.each_entity(
                &mut |entity| {
                    if entity.kind == EntityKind::Key {
                        key_ids.push(entity.id.to_owned());
                    }
                    Ok(())
                },
                &mut |error| damage = Some(error),
            )?;
            if let Some(error) = damage {
                return Err(error);
            }
            key_ids.sort_unstable();
            if key_ids != tree.rows().key_ids()? {
                return Err(Error::integrity(
                    "keys were added or removed by someone without the master key; run `keyfold check`",
                ));
            }
            let mut infos = Vec::new();
            for key_id in key_ids.iter().filter(|key_id| filter.covers_id(key_id)) {
                let snapshot = Snapshot::load(tree, kek, key_id, None)?
                    .ok_or_else(|| EntityId::key(key_id).damaged())?;
                infos.push(KeyInfo::new(&snapshot));
            }
            Ok(infos)
        })?;
        infos.retain(|info| filter.covers(info));
        infos.truncate(filter.limit.unwrap_or(usize::MAX));
        Ok(infos)
    }

    /// All versions of a key, newest first. NotFound where there is no such key.
    pub fn list_key_versions(&self, key_id: &str) -> Result<Vec<VersionInfo>> {
        Ok(self.snapshot(key_id)?.versions.iter().rev().map(VersionInfo::new).collect())
    }

    /// One version of a key.
    pub(super) fn version_info(&self, key_id: &str, version: u32) -> Result<VersionInfo> {
        let snapshot = self.snapshot(key_id)?;
        let found = snapshot.versions.iter().find(|other| other.row.version == version);
        found.map(VersionInfo::new).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("key {key_id:?} has no version {version}"))
                .with_key(key_id)
                .with_version(version)
        })
    }

    /// The key as the file has it now.
    fn snapshot(&self, key_id: &str) -> Result<Arc<Snapshot>> {
        check_key_id(key_id)?;
        let snapshot = self.shared.read_verified(|tree, kek| Snapshot::load(tree, kek, key_id, None))?;
        snapshot.ok_or_else(|| no_such_key(key_id))
    }
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
        same(&self.kind, Some(&info.kind))
            && same(&self.purpose, info.purpose.as_deref())
            && same(&self.algorithm, Some(info.algorithm.name()))
            && self.labels.iter().all(|(name, value)| info.labels.get(name) == Some(value))
            && self.search.as_deref().is_none_or(found)
    }
}
