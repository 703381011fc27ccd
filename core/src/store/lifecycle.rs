//! Making and rotating keys.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::entity::{key_scope, purpose_scope};
use crate::records::{EntityId, KeyRow, PurposeRow, VersionRow};
use crate::store::act::{Act, Event, NewVersion};
use crate::store::listing::verified_info;
use crate::store::options::CreateKey;
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{KeyInfo, Store, VersionInfo};

/// What a key may be for. Keys of one purpose share the root of their blind indexes.
pub const PURPOSES: [&str; 6] = ["pii", "financial", "medical", "credentials", "api", "backup"];

/// `on_limit`: the next version is made by itself.
pub(super) const ROTATE: &str = "rotate";
/// `on_limit`: the key encrypts no more until it is rotated.
pub(super) const REFUSE: &str = "refuse";

impl Store {
    /// Makes a key with its first version, which is current.
    ///
    /// AlreadyExists where there is one of this id, unless `exist_ok` asks for it and its kind, algorithm and
    /// purpose are the same.
    pub fn create_key(&self, key_id: &str, options: &CreateKey) -> Result<KeyInfo> {
        let draft = Draft::new(key_id, options)?;
        self.shared.act(|act| {
            if act.verify(EntityId::key(key_id))? {
                draft.accept_existing(act, options.exist_ok)?;
            } else {
                let row = draft.put_key(act)?;
                act.insert_version(&row, NewVersion::current(1, draft.algorithm), &[])?;
                act.tree.authenticate(EntityId::key(key_id))?;
                act.record(Event::new("create_key").key(key_id).version(1))?;
            }
            verified_info(&act.tree, key_id)
        })
    }

    /// Makes the next version and has it encrypt from now on; older ciphertexts open as before.
    pub fn rotate_key(&self, key_id: &str) -> Result<VersionInfo> {
        check_key_id(key_id)?;
        self.shared.act(|act| {
            let entity = EntityId::key(key_id);
            if !act.verify(entity)? {
                return Err(no_such_key(key_id));
            }
            VersionInfo::from_row(&rotate(act, entity)?)
        })
    }
}

/// The next version and the current one; the key was verified in this transaction.
pub(super) fn rotate(act: &mut Act<'_>, entity: EntityId<'_>) -> Result<VersionRow> {
    let key = act.rows().key(entity.id)?.ok_or_else(|| entity.damaged())?;
    let (newest, tags) = room_for_version(act, &key)?;
    act.rows().clear_current(entity.id)?;
    let algorithm = Algorithm::from_name(&key.algorithm).ok_or_else(|| entity.damaged())?;
    let row = act.insert_version(&key, NewVersion::current(newest + 1, algorithm), &tags)?;
    act.tree.authenticate(entity)?;
    act.record(Event::new("rotate_key").key(entity.id).version(row.version))?;
    Ok(row)
}

/// The newest version's number and all tags of a key that may have one version more.
pub(super) fn room_for_version(act: &Act<'_>, key: &KeyRow) -> Result<(u32, Vec<u32>)> {
    let entity = EntityId::key(&key.key_id);
    if key.archived {
        return Err(Error::new(ErrorKind::KeyUnavailable, format!("key {:?} is archived", entity.id))
            .with_key(entity.id));
    }
    let versions = act.rows().versions(entity.id)?;
    let newest = versions.last().map_or(0, |row| row.version);
    if versions.len() >= limits::VERSIONS as usize || newest >= limits::VERSIONS {
        return Err(Error::limit(format!(
            "key {:?} has {} versions, which is the most",
            entity.id,
            limits::VERSIONS
        ))
        .with_key(entity.id));
    }
    Ok((newest, versions.iter().map(|row| row.tag).collect()))
}

/// A key that is to be made, its options checked.
pub(super) struct Draft<'a> {
    key_id: &'a str,
    pub(super) algorithm: Algorithm,
    purpose: Option<&'a str>,
    description: Option<&'a str>,
    labels: String,
    exportable: bool,
    on_limit: &'a str,
    expires_in: Option<i64>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(key_id: &'a str, options: &'a CreateKey) -> Result<Self> {
        check_key_id(key_id)?;
        let kind = kind(options.kind.as_deref(), options.algorithm.as_deref())?;
        let description = options.description.as_deref();
        if description.is_some_and(|text| text.len() > limits::DESCRIPTION_BYTES) {
            return Err(Error::limit(format!(
                "a description is at most {} bytes",
                limits::DESCRIPTION_BYTES
            )));
        }
        Ok(Self {
            key_id,
            algorithm: algorithm(kind, options.algorithm.as_deref())?,
            purpose: purpose(options.purpose.as_deref())?,
            description,
            labels: labels(&options.labels)?,
            exportable: options.exportable,
            on_limit: on_limit(options.on_limit.as_deref())?,
            expires_in: options.expires_in.map(|period| milliseconds("expires_in", period)).transpose()?,
        })
    }

    pub(super) fn accept_existing(&self, act: &Act<'_>, exist_ok: bool) -> Result<()> {
        let exists = |what: &str| {
            Err(Error::new(ErrorKind::AlreadyExists, format!("key {:?} exists already{what}", self.key_id))
                .with_key(self.key_id))
        };
        if !exist_ok {
            return exists("");
        }
        let row = act.rows().key(self.key_id)?.ok_or_else(|| EntityId::key(self.key_id).damaged())?;
        if row.kind != self.algorithm.kind().name()
            || row.algorithm != self.algorithm.name()
            || row.purpose.as_deref() != self.purpose
        {
            return exists(", with another kind, algorithm or purpose");
        }
        Ok(())
    }

    /// Writes the key's row, without versions yet, and what of its purpose and index roots is missing.
    pub(super) fn put_key(&self, act: &mut Act<'_>) -> Result<KeyRow> {
        if let Some(purpose) = self.purpose {
            ensure_purpose(act, purpose)?;
        }
        let row = KeyRow {
            key_id: self.key_id.to_owned(),
            kind: self.algorithm.kind().name().to_owned(),
            algorithm: self.algorithm.name().to_owned(),
            purpose: self.purpose.map(str::to_owned),
            description: self.description.map(str::to_owned),
            labels: self.labels.clone(),
            exportable: self.exportable,
            archived: false,
            on_limit: self.on_limit.to_owned(),
            expires_in: self.expires_in,
            created_at: act.now,
        };
        act.rows().put_key(&row)?;
        if self.purpose.is_none() {
            act.insert_index_root(&key_scope(self.key_id))?;
        }
        Ok(row)
    }
}

/// The purpose's row and the root of its blind indexes, made with its first key.
fn ensure_purpose(act: &mut Act<'_>, purpose: &str) -> Result<()> {
    let entity = EntityId::purpose(purpose);
    if act.verify(entity)? {
        return Ok(());
    }
    act.rows().put_purpose(&PurposeRow {
        purpose: purpose.to_owned(),
        created_at: act.now,
        description: None,
        rotation_period: None,
    })?;
    act.insert_index_root(&purpose_scope(purpose))?;
    act.tree.authenticate(entity)
}

/// The kind that is asked for: by its name, else by that of its algorithm.
fn kind(name: Option<&str>, algorithm: Option<&str>) -> Result<KeyKind> {
    match name {
        Some(name) => KeyKind::from_name(name).ok_or_else(|| {
            Error::invalid(format!(
                "kind {name:?} is none of: {}",
                KeyKind::ALL.map(KeyKind::name).join(", ")
            ))
        }),
        None => Ok(algorithm.and_then(Algorithm::from_name).map_or_else(KeyKind::default, Algorithm::kind)),
    }
}

fn algorithm(kind: KeyKind, name: Option<&str>) -> Result<Algorithm> {
    let Some(name) = name else { return Ok(kind.default_algorithm()) };
    Algorithm::from_name(name).filter(|algorithm| algorithm.kind() == kind).ok_or_else(|| {
        let of_kind = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.kind() == kind);
        let names: Vec<&str> = of_kind.map(Algorithm::name).collect();
        Error::invalid(format!("algorithm {name:?} is none of those of kind {kind}: {}", names.join(", ")))
    })
}

fn on_limit(word: Option<&str>) -> Result<&str> {
    match word {
        None => Ok(ROTATE),
        Some(word) if [ROTATE, REFUSE].contains(&word) => Ok(word),
        Some(word) => Err(Error::invalid(format!("on_limit {word:?} is none of: {ROTATE}, {REFUSE}"))),
    }
}

/// A length of time as it is stored: at least a millisecond, at most a thousand years.
fn milliseconds(name: &str, period: Duration) -> Result<i64> {
    i64::try_from(period.as_millis())
        .ok()
        .filter(|milliseconds| (1..=limits::PERIOD.as_millis() as i64).contains(milliseconds))
        .ok_or_else(|| {
            Error::invalid(format!("{name} is {period:?}; it may be 1 ms to {:?}", limits::PERIOD))
        })
}

fn purpose(name: Option<&str>) -> Result<Option<&str>> {
    match name {
        Some(name) if !PURPOSES.contains(&name) => {
            Err(Error::invalid(format!("purpose {name:?} is none of: {}", PURPOSES.join(", "))))
        }
        known => Ok(known),
    }
}

fn labels(labels: &BTreeMap<String, String>) -> Result<String> {
    if labels.len() > limits::LABELS {
        return Err(Error::limit(format!("a key has at most {} labels", limits::LABELS)));
    }
    if labels.iter().any(|(name, value)| name.is_empty() || name.len().max(value.len()) > limits::LABEL_BYTES)
    {
        return Err(Error::limit(format!(
            "a label's name is 1 to {0} bytes, its value at most {0}",
            limits::LABEL_BYTES
        )));
    }
    serde_json::to_string(labels).map_err(|_| Error::internal("labels that are no JSON"))
}
