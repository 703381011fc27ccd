//! What keys there are, verified.

use std::collections::{HashMap, VecDeque};

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::VersionState;
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::entity::KeyRows;
use crate::records::tree::Tree;
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::store::options::KeyFilter;
use crate::store::purposes::verified_purpose;
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{KeyInfo, Store, VersionInfo};

/// `state` of a filter: keys that were archived.
const ARCHIVED: &str = "archived";

impl Store {
    /// One key's metadata. NotFound where there is none.
    pub fn key_info(&self, key_id: &str) -> Result<KeyInfo> {
        check_key_id(key_id)?;
        self.shared.read_listing(|tree| verified_info(tree, key_id))
    }

    /// The keys that match, in byte order of their ids. IntegrityError where one was changed, added or removed
    /// by someone without the master key; InvalidArgument where the filter names a kind, an algorithm or a state
    /// that does not exist.
    ///
    /// A list that passes over more than 1,000 keys is of several moments, so that others are not kept waiting.
    pub fn list_keys(&self, filter: &KeyFilter) -> Result<Vec<KeyInfo>> {
        filter.check()?;
        let limit = filter.limit.unwrap_or(usize::MAX);
        let mut after = filter.after.clone();
        let mut infos = Vec::new();
        while infos.len() < limit && self.list_some(filter, limit, &mut after, &mut infos)? {
            std::thread::yield_now();
        }
        Ok(infos)
    }

    /// Reads on after this id, for as long as the reader's lock may be held. False where nothing is left.
    fn list_some(
        &self,
        filter: &KeyFilter,
        limit: usize,
        after: &mut Option<String>,
        infos: &mut Vec<KeyInfo>,
    ) -> Result<bool> {
        self.shared.read_indexed(|tree, index| {
            let begin = match after.as_deref() {
                Some(after) => index.keys.partition_point(|key| key.key_id.as_str() <= after),
                None => 0,
            };
            let rest = &index.keys[begin..];
            let some = &rest[..rest.len().min(limits::PAGE_KEYS)];
            let mut periods = HashMap::new();
            for key in some {
                if infos.len() >= limit {
                    break;
                }
                let entity = EntityId::key(&key.key_id);
                tree.verify_against(entity, &key.mac)?;
                let row = tree.rows().key(&key.key_id)?.ok_or_else(|| entity.damaged())?;
                let versions = tree.rows().versions(&key.key_id)?;
                let current = versions.iter().find(|row| row.is_current);
                let period = match row.purpose.as_ref().and_then(|purpose| periods.get(purpose)) {
                    Some(period) => *period,
                    None => match rotation_period(tree, &row) {
                        // Its purpose was set aside, and took it with it.
                        Err(error) if error.kind() == ErrorKind::KeyUnavailable => continue,
                        period => period?,
                    },
                };
                let info = KeyInfo::from_row(&row, current, period, tree.is_verified())?;
                if filter.covers(&info, current) {
                    infos.push(info);
                }
                row.purpose.map(|purpose| periods.insert(purpose, period));
            }
            *after = some.last().map(|key| key.key_id.clone());
            Ok(some.len() < rest.len())
        })
    }

    /// As [`Store::list_keys`], a page at a time: for stores with many keys. Each page is of one moment; a key that
    /// is made meanwhile is seen where it comes after what was read.
    pub fn iter_keys(&self, filter: &KeyFilter) -> Result<Keys> {
        filter.check()?;
        Ok(Keys { store: self.clone(), filter: filter.clone(), page: VecDeque::new(), ended: false })
    }

    /// All versions of a key, newest first. NotFound where there is no such key.
    pub fn list_key_versions(&self, key_id: &str) -> Result<Vec<VersionInfo>> {
        check_key_id(key_id)?;
        self.shared.read_listing(|tree| {
            let versions = verified_versions(tree, key_id)?;
            versions.iter().rev().map(|row| VersionInfo::from_row(row, tree.is_verified())).collect()
        })
    }
}

/// The keys that match a filter, read as they are asked for; ends after the first error.
pub struct Keys {
    store: Store,
    filter: KeyFilter,
    page: VecDeque<KeyInfo>,
    ended: bool,
}

impl Iterator for Keys {
    type Item = Result<KeyInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.ended
            && let Err(error) = self.read_page()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

impl Keys {
    fn read_page(&mut self) -> Result<()> {
        let wanted = self.filter.limit.unwrap_or(usize::MAX);
        let size = wanted.min(limits::PAGE_KEYS);
        let page = self.store.list_keys(&KeyFilter { limit: Some(size), ..self.filter.clone() })?;
        self.filter.limit = self.filter.limit.map(|limit| limit - page.len());
        self.ended = page.len() < size || self.filter.limit == Some(0);
        if let Some(last) = page.last() {
            self.filter.after = Some(last.key_id.clone());
        }
        self.page = page.into();
        Ok(())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Keys of {:?}", self.store)
    }
}

/// A key's metadata, verified in this transaction. NotFound where there is no such key.
pub(super) fn verified_info(tree: &Tree<'_>, key_id: &str) -> Result<KeyInfo> {
    let (KeyRows { key, versions, .. }, _) = tree.verify_key(key_id)?.ok_or_else(|| no_such_key(key_id))?;
    let period = rotation_period(tree, &key)?;
    KeyInfo::from_row(&key, versions.iter().find(|row| row.is_current), period, tree.is_verified())
}

/// The rows of all versions, oldest first, verified in this transaction. NotFound where there is no such key.
pub(super) fn verified_versions(tree: &Tree<'_>, key_id: &str) -> Result<Vec<VersionRow>> {
    tree.verify_key(key_id)?.map(|(rows, _)| rows.versions).ok_or_else(|| no_such_key(key_id))
}

/// How long a version of the key should stay current, by its purpose.
fn rotation_period(tree: &Tree<'_>, key: &KeyRow) -> Result<Option<i64>> {
    let Some(purpose) = &key.purpose else { return Ok(None) };
    let row = verified_purpose(tree, purpose)?.ok_or_else(|| EntityId::purpose(purpose).damaged())?;
    Ok(row.rotation_period)
}

impl KeyFilter {
    /// Refuses words that nothing can match.
    fn check(&self) -> Result<()> {
        let kinds = KeyKind::ALL.map(KeyKind::name);
        let algorithms: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::name).collect();
        let mut states = VersionState::ALL.map(VersionState::name).to_vec();
        states.push(ARCHIVED);
        known("kind", self.kind.as_deref(), &kinds)?;
        known("algorithm", self.algorithm.as_deref(), &algorithms)?;
        known("state", self.state.as_deref(), &states)?;
        fits("after", self.after.as_deref(), limits::KEY_ID_BYTES)?;
        fits("search", self.search.as_deref(), limits::DESCRIPTION_BYTES)
    }

    fn covers(&self, info: &KeyInfo, current: Option<&VersionRow>) -> bool {
        let same =
            |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        let found = |text: &str| {
            info.key_id.contains(text) || info.description.as_deref().is_some_and(|note| note.contains(text))
        };
        let stands = |state: &str| match state {
            ARCHIVED => info.archived,
            state => {
                // What an archived key's enabled version does is no longer what `enabled` is asked for.
                let stopped = info.archived && state == VersionState::Enabled.name();
                !stopped && current.is_some_and(|row| row.state == state)
            }
        };
        same(&self.kind, Some(info.kind.name()))
            && same(&self.purpose, info.purpose.as_deref())
            && same(&self.algorithm, Some(info.algorithm.name()))
            && self.state.as_deref().is_none_or(stands)
            && self.labels.iter().all(|(name, value)| info.labels.get(name) == Some(value))
            && self.search.as_deref().is_none_or(found)
    }
}

/// No key has anything longer.
fn fits(name: &str, value: Option<&str>, most: usize) -> Result<()> {
    if value.is_some_and(|value| value.len() > most) {
        return Err(Error::limit(format!("{name} is at most {most} bytes")));
    }
    Ok(())
}

fn known(name: &str, word: Option<&str>, words: &[&str]) -> Result<()> {
    match word {
        Some(word) if !words.contains(&word) => {
            Err(Error::invalid(format!("{name} {word:?} is none of: {}", words.join(", "))))
        }
        _ => Ok(()),
    }
}
