//! Making and rotating keys.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::entity::key_scope;
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::store::act::{Act, Event, NewVersion};
use crate::store::listing::verified_info;
use crate::store::options::{CreateKey, RotateKey};
use crate::store::purposes::ensure_purpose;
use crate::store::shared::check_key_id;
use crate::store::states::verified_key;
use crate::store::{KeyInfo, Store, VersionInfo};

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
        self.shared.act(Event::new("create_key").key(key_id), |act| draft.make(act))
    }

    /// Makes many keys in one transaction, each as [`Store::create_key`] does: all of them, or none where one is
    /// refused; the error says which by [`Error::index`]. InvalidArgument where an id comes twice.
    pub fn create_keys(&self, keys: &[(&str, CreateKey)]) -> Result<Vec<KeyInfo>> {
        if keys.len() > limits::CREATE_KEYS {
            return Err(Error::limit(format!("one call makes at most {} keys", limits::CREATE_KEYS)));
        }
        let mut seen = BTreeSet::new();
        let mut drafts = Vec::with_capacity(keys.len());
        for (place, (key_id, options)) in keys.iter().enumerate() {
            drafts.push(Draft::new(key_id, options).map_err(|error| error.with_index(place))?);
            if !seen.insert(key_id) {
                let error = Error::invalid(format!("key {key_id:?} is asked for twice in this call"));
                return Err(error.with_key(key_id).with_index(place));
            }
        }
        self.shared.act(Event::new("create_keys"), |act| {
            let make = |(place, draft): (usize, &Draft<'_>)| {
                draft.make(act).map_err(|error| error.with_index(place))
            };
            drafts.iter().enumerate().map(make).collect()
        })
    }

    /// Makes the next version and has it encrypt from now on; older ciphertexts open as before. The version that was
    /// current stays enabled: [`Store::promote_version`] goes back to it.
    pub fn rotate_key(&self, key_id: &str) -> Result<VersionInfo> {
        self.rotate_key_with(key_id, &RotateKey::default())
    }

    /// As [`Store::rotate_key`]; the version may wait as `staged`, and have another algorithm.
    pub fn rotate_key_with(&self, key_id: &str, options: &RotateKey) -> Result<VersionInfo> {
        check_key_id(key_id)?;
        let asked = Event::new("rotate_key").key(key_id);
        self.shared.act(asked, |act| VersionInfo::from_row(&rotate(act, key_id, options, None)?, true))
    }
}

/// Makes the next version of a key, verified before and authenticated after; `why` it was not asked for goes into the
/// record.
pub(super) fn rotate(
    act: &mut Act<'_>,
    key_id: &str,
    options: &RotateKey,
    why: Option<&str>,
) -> Result<VersionRow> {
    let (key, versions) = verified_key(act, key_id)?;
    let row = insert_next(act, &key, &versions, options)?;
    act.tree.authenticate(EntityId::key(key_id))?;
    let event = Event::new("rotate_key").key(key_id).version(row.version);
    act.record(match why.or(options.stage.then_some("staged")) {
        Some(detail) => event.detail(detail),
        None => event,
    })?;
    Ok(row)
}

/// Writes the rows of the version after the newest one of these, not yet authenticated.
pub(super) fn insert_next(
    act: &mut Act<'_>,
    key: &KeyRow,
    versions: &[VersionRow],
    options: &RotateKey,
) -> Result<VersionRow> {
    let entity = EntityId::key(&key.key_id);
    let (newest, tags) = room_for_version(key, versions)?;
    let known = Algorithm::from_name(&key.algorithm).ok_or_else(|| entity.damaged())?;
    let algorithm = match options.algorithm.as_deref() {
        None => known,
        name => algorithm(known.kind(), name).map_err(|error| error.with_key(entity.id))?,
    };
    let mut key = key.clone();
    if algorithm != known {
        key.algorithm = algorithm.name().to_owned();
        act.rows().put_key(&key)?;
    }
    if options.stage {
        return act.insert_version(&key, NewVersion::staged(newest + 1, algorithm), &tags);
    }
    clear_current(act, versions)?;
    act.insert_version(&key, NewVersion::current(newest + 1, algorithm), &tags)
}

/// None of these versions is current any more.
pub(super) fn clear_current(act: &Act<'_>, versions: &[VersionRow]) -> Result<()> {
    versions.iter().filter(|row| row.is_current).try_for_each(|row| act.rows().clear_current(row))
}

/// The newest version's number and all tags of a key that may have one version more.
pub(super) fn room_for_version(key: &KeyRow, versions: &[VersionRow]) -> Result<(u32, Vec<u32>)> {
    let entity = EntityId::key(&key.key_id);
    if key.archived {
        let message = format!("key {:?} is archived and gets no more versions", entity.id);
        return Err(Error::new(ErrorKind::KeyUnavailable, message).with_key(entity.id));
    }
    let newest = versions.last().map_or(0, |row| row.version);
    if versions.len() >= limits::VERSIONS as usize || newest >= limits::VERSIONS {
        return Err(Error::limit(format!(
            "key {:?} has {} versions, which is the most; create another key, and archive this one",
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
    exist_ok: bool,
    on_limit: &'a str,
    expires_in: Option<i64>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(key_id: &'a str, options: &'a CreateKey) -> Result<Self> {
        check_key_id(key_id)?;
        let kind = kind(options.kind.as_deref(), options.algorithm.as_deref())?;
        let description = options.description.as_deref();
        check_description(description)?;
        Ok(Self {
            key_id,
            algorithm: algorithm(kind, options.algorithm.as_deref())?,
            purpose: options.purpose.as_deref(),
            description,
            labels: labels(&options.labels)?,
            exportable: options.exportable,
            exist_ok: options.exist_ok,
            on_limit: on_limit(options.on_limit.as_deref())?,
            expires_in: options.expires_in.map(|period| stored_period("expires_in", period)).transpose()?,
        })
    }

    fn make(&self, act: &mut Act<'_>) -> Result<KeyInfo> {
        let entity = EntityId::key(self.key_id);
        if act.verify(entity)? {
            self.accept_existing(act)?;
        } else {
            let row = self.put_key(act)?;
            act.insert_version(&row, NewVersion::current(1, self.algorithm), &[])?;
            act.tree.authenticate(entity)?;
            act.record(Event::new("create_key").key(self.key_id).version(1))?;
        }
        verified_info(&act.tree, self.key_id)
    }

    /// AlreadyExists for a key that is there, unless it may be and is the same.
    pub(super) fn accept_existing(&self, act: &Act<'_>) -> Result<()> {
        let exists = |what: &str| {
            Err(Error::new(ErrorKind::AlreadyExists, format!("key {:?} exists already{what}", self.key_id))
                .with_key(self.key_id))
        };
        if !self.exist_ok {
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
pub(super) fn stored_period(name: &str, period: Duration) -> Result<i64> {
    i64::try_from(period.as_millis())
        .ok()
        .filter(|milliseconds| (1..=limits::PERIOD.as_millis() as i64).contains(milliseconds))
        .ok_or_else(|| {
            Error::invalid(format!("{name} is {period:?}; it may be 1 ms to {:?}", limits::PERIOD))
        })
}

pub(super) fn check_description(description: Option<&str>) -> Result<()> {
    match description {
        Some(text) if text.len() > limits::DESCRIPTION_BYTES => {
            Err(Error::limit(format!("a description is at most {} bytes", limits::DESCRIPTION_BYTES)))
        }
        _ => Ok(()),
    }
}

fn labels(labels: &BTreeMap<String, String>) -> Result<String> {
    if labels.len() > limits::LABELS {
        return Err(Error::limit(format!("a key has at most {} labels", limits::LABELS)));
    }
    if labels.contains_key("") {
        return Err(Error::invalid("a label has a name: it is empty"));
    }
    if labels.iter().any(|(name, value)| name.len().max(value.len()) > limits::LABEL_BYTES) {
        return Err(Error::limit(format!(
            "a label's name is 1 to {0} bytes, its value at most {0}",
            limits::LABEL_BYTES
        )));
    }
    serde_json::to_string(labels).map_err(|_| Error::internal("labels that are no JSON"))
}
