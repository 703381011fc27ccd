//! What keys are for: the built-in purposes and those that were registered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::key::Key;
use crate::limits;
use crate::primitives::KeyKind;
use crate::records::entity::purpose_scope;
use crate::records::tree::Tree;
use crate::records::{EntityId, PurposeRow};
use crate::store::Store;
use crate::store::act::{Act, Event};
use crate::store::info::serialize_period;
use crate::store::key_index::KeyFacts;
use crate::store::lifecycle::{check_description, stored_period};
use crate::store::options::from_json;
use crate::time::{Timestamp, deserialize_optional_duration};

/// The purposes that every store has. Keys of one purpose share the root of their blind indexes.
pub const PURPOSES: [&str; 6] = ["pii", "financial", "medical", "credentials", "api", "backup"];

/// For each of [`PURPOSES`] what it is, and after how many days its keys should rotate: 90 where a key is at work
/// all day and stands between an attacker and money, health or access, a year where it guards data at rest.
const BUILT_IN: [(&str, i64); 6] = [
    ("Personal data: names, addresses, identity numbers", 365),
    ("Accounts, cards and payments", 90),
    ("Health records", 365),
    ("Passwords and secrets of other systems", 90),
    ("What is exchanged with other services", 90),
    ("Backups and archives", 365),
];

const DAY: i64 = 86_400_000;

/// What a purpose is registered as.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PurposeOptions {
    /// A note for people.
    pub description: Option<String>,
    /// How long a version of its keys should stay current. Default: no advice.
    #[serde(deserialize_with = "deserialize_optional_duration")]
    pub rotation_period: Option<Duration>,
    /// Give a purpose that exists, also a built-in one, this description and period. Default: false.
    pub update: bool,
}

/// A purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PurposeInfo {
    /// Its name.
    pub purpose: String,
    /// A note for people.
    pub description: Option<String>,
    /// How long a version of its keys should stay current.
    #[serde(serialize_with = "serialize_period")]
    pub rotation_period: Option<Duration>,
    /// Whether every store has it.
    pub built_in: bool,
    /// When it was registered, or first used; `None` for a built-in one that no key has.
    pub created_at: Option<Timestamp>,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

impl PurposeOptions {
    /// The defaults: no description, no period.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// A note for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// How long a version of its keys should stay current.
    pub fn rotation_period(mut self, period: Duration) -> Self {
        self.rotation_period = Some(period);
        self
    }

    /// Change the purpose where it exists.
    pub fn update(mut self, update: bool) -> Self {
        self.update = update;
        self
    }
}

impl PurposeInfo {
    fn built_in(place: usize, verified: bool) -> Self {
        let (description, days) = BUILT_IN[place];
        Self {
            purpose: PURPOSES[place].to_owned(),
            description: Some(description.to_owned()),
            rotation_period: Some(Duration::from_millis((days * DAY).unsigned_abs())),
            built_in: true,
            created_at: None,
            verified,
        }
    }

    fn from_row(row: PurposeRow, verified: bool) -> Self {
        Self {
            built_in: PURPOSES.contains(&row.purpose.as_str()),
            purpose: row.purpose,
            description: row.description,
            rotation_period: row.rotation_period.map(|period| Duration::from_millis(period.unsigned_abs())),
            created_at: Some(Timestamp::from_milliseconds(row.created_at)),
            verified,
        }
    }
}

impl Store {
    /// Makes a purpose of the caller's, for keys that are created from now on. It gets a root of blind indexes of
    /// its own. AlreadyExists where there is one of this name, unless `update` asks to change it.
    pub fn register_purpose(&self, purpose: &str, options: &PurposeOptions) -> Result<PurposeInfo> {
        check_purpose_name(purpose)?;
        check_description(options.description.as_deref())?;
        let rotation_period =
            options.rotation_period.map(|period| stored_period("rotation_period", period)).transpose()?;
        self.shared.act(Event::new("register_purpose"), |act| {
            let entity = EntityId::purpose(purpose);
            let known = verified_purpose(&act.tree, purpose)?;
            let exists = known.is_some() || PURPOSES.contains(&purpose);
            if exists && !options.update {
                let message = format!("purpose {purpose:?} exists already; ask for `update` to change it");
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            if !exists && act.rows().purposes()?.len() >= limits::PURPOSES {
                return Err(Error::limit(format!("a store has at most {} purposes", limits::PURPOSES)));
            }
            if known.is_none() {
                act.insert_index_root(&purpose_scope(purpose))?;
            }
            let row = PurposeRow {
                purpose: purpose.to_owned(),
                created_at: known.map_or(act.now, |row| row.created_at),
                description: options.description.clone(),
                rotation_period,
            };
            act.rows().put_purpose(&row)?;
            act.tree.authenticate(entity)?;
            let action = if exists { "update_purpose" } else { "register_purpose" };
            act.record(Event::new(action).detail(purpose))?;
            Ok(PurposeInfo::from_row(row, true))
        })
    }

    /// The built-in purposes, then those that were registered, by name.
    pub fn purposes(&self) -> Result<Vec<PurposeInfo>> {
        self.shared.read_indexed(|tree, index| {
            let verified = tree.is_verified();
            let mut infos: Vec<_> =
                (0..PURPOSES.len()).map(|place| PurposeInfo::built_in(place, verified)).collect();
            for (purpose, mac) in &index.purposes {
                let entity = EntityId::purpose(purpose);
                tree.verify_against(entity, mac)?;
                let row = tree.rows().purpose(purpose)?.ok_or_else(|| entity.damaged())?;
                match PURPOSES.iter().position(|name| name == purpose) {
                    Some(place) => infos[place] = PurposeInfo::from_row(row, verified),
                    None => infos.push(PurposeInfo::from_row(row, verified)),
                }
            }
            Ok(infos)
        })
    }

    /// The key that encrypts for this purpose: of its keys of kind `aead` that are not archived, the one made last
    /// (of several made in the same millisecond, the last in byte order of their ids).
    ///
    /// The handle stays with that key when a newer one is made: ask again for that one. InvalidArgument where there
    /// is no such purpose, NotFound where it has no such key.
    pub fn key_for(&self, purpose: &str) -> Result<Key> {
        loop {
            if let Some(key_id) = self.newest_of(purpose)? {
                return self.key(&key_id);
            }
            std::thread::yield_now();
        }
    }

    /// The id of the purpose's key. `None` where more keys must be read before that is known.
    fn newest_of(&self, purpose: &str) -> Result<Option<String>> {
        self.shared.read_indexed(|tree, index| {
            if !PURPOSES.contains(&purpose) && verified_purpose(tree, purpose)?.is_none() {
                return Err(unknown(purpose));
            }
            if index.learn(tree)? {
                return Ok(None);
            }
            let fits = |facts: &KeyFacts| {
                facts.kind == KeyKind::Aead.name()
                    && facts.purpose.as_deref() == Some(purpose)
                    && !facts.archived
            };
            let newest = index.facts().filter(|(_, facts)| fits(facts));
            let newest = newest.max_by_key(|(key_id, facts)| (facts.created_at, *key_id));
            let (key_id, _) = newest.ok_or_else(|| {
                let message = format!(
                    "no key of kind aead that is not archived has purpose {purpose:?}; create one with it"
                );
                Error::new(ErrorKind::NotFound, message)
            })?;
            Ok(Some(key_id.to_owned()))
        })
    }
}

/// A purpose's row, verified. `None` where no key ever had it and nobody registered it.
pub(super) fn verified_purpose(tree: &Tree<'_>, purpose: &str) -> Result<Option<PurposeRow>> {
    let entity = EntityId::purpose(purpose);
    match tree.verify_entity(entity)? {
        None => Ok(None),
        Some(_) => Ok(Some(tree.rows().purpose(purpose)?.ok_or_else(|| entity.damaged())?)),
    }
}

/// A key is about to have this purpose. A built-in one gets its row, and the root of its blind indexes, with the
/// first.
pub(super) fn ensure_purpose(act: &mut Act<'_>, purpose: &str) -> Result<()> {
    let entity = EntityId::purpose(purpose);
    if act.verify(entity)? {
        return Ok(());
    }
    let place = PURPOSES.iter().position(|name| *name == purpose).ok_or_else(|| unknown(purpose))?;
    let (description, days) = BUILT_IN[place];
    act.rows().put_purpose(&PurposeRow {
        purpose: purpose.to_owned(),
        created_at: act.now,
        description: Some(description.to_owned()),
        rotation_period: Some(days * DAY),
    })?;
    act.insert_index_root(&purpose_scope(purpose))?;
    act.tree.authenticate(entity)
}

fn unknown(purpose: &str) -> Error {
    Error::invalid(format!(
        "purpose {purpose:?} is none of: {}; and none that was registered with register_purpose",
        PURPOSES.join(", ")
    ))
}

/// Refuses what can be no purpose's name.
fn check_purpose_name(purpose: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if purpose.is_empty() || !purpose.bytes().all(allowed) {
        return Err(Error::invalid("a purpose is letters, digits and . _ : - and not empty"));
    }
    if purpose.len() > limits::PURPOSE_BYTES {
        return Err(Error::limit(format!("a purpose is at most {} bytes", limits::PURPOSE_BYTES)));
    }
    Ok(())
}
