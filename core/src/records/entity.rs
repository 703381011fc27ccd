//! Entities: rows that only make sense together and share one MAC.

use crate::error::{Denial, Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::primitives::sha256;
use crate::records::images::{Covered, Images};
use crate::records::{
    IndexRootRow, KekWrapRow, KeyRow, PurposeRow, QuarantineRow, RecipientRow, Rows, SystemKeyRow, UsageRow,
    VersionRow,
};

/// What an entity is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EntityKind {
    /// A key, its versions and its own index roots.
    Key,
    /// A purpose and its index roots.
    Purpose,
    /// A recipient and its wraps of the KEK.
    Recipient,
    /// A system key and its versions.
    SystemKey,
    /// How often the versions of a key were used.
    Usage,
    /// An entity that was set aside.
    Quarantine,
}

impl EntityKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Key, Self::Purpose, Self::Recipient, Self::SystemKey, Self::Usage, Self::Quarantine];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Purpose => "purpose",
            Self::Recipient => "recipient",
            Self::SystemKey => "system_key",
            Self::Usage => "usage",
            Self::Quarantine => "quarantine",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Names one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityId<'a> {
    pub(crate) kind: EntityKind,
    pub(crate) id: &'a str,
}

impl<'a> EntityId<'a> {
    pub(crate) fn key(id: &'a str) -> Self {
        Self { kind: EntityKind::Key, id }
    }

    pub(crate) fn purpose(id: &'a str) -> Self {
        Self { kind: EntityKind::Purpose, id }
    }

    pub(crate) fn recipient(id: &'a str) -> Self {
        Self { kind: EntityKind::Recipient, id }
    }

    pub(crate) fn system_key(id: &'a str) -> Self {
        Self { kind: EntityKind::SystemKey, id }
    }

    pub(crate) fn usage(key_id: &'a str) -> Self {
        Self { kind: EntityKind::Usage, id: key_id }
    }

    /// `id` is `kind/id` of the entity that was set aside.
    pub(crate) fn quarantine(id: &'a str) -> Self {
        Self { kind: EntityKind::Quarantine, id }
    }

    /// The leaf that the entity belongs to: the first 16 bits of a hash of its name.
    pub(crate) fn bucket(self) -> u16 {
        let name = Encoding::new("keyfold/v1/bucket").text(self.kind.name()).text(self.id);
        let [high, low, ..] = sha256(&[name.as_bytes()]);
        u16::from_be_bytes([high, low])
    }

    /// The error for an entity that does not verify.
    pub(crate) fn damaged(self) -> Error {
        let error = Error::integrity(format!(
            "{} {:?} was changed by someone without the master key, or is damaged; restore it from a backup, \
             and run `keyfold check` for the whole store",
            self.kind.name().replace('_', " "),
            self.id
        ));
        match self.kind {
            EntityKind::Key => error.with_key(self.id),
            _ => error,
        }
    }

    /// The error for an entity that was set aside.
    pub(crate) fn quarantined(self) -> Error {
        let error = Error::new(
            ErrorKind::KeyUnavailable,
            format!(
                "{} {:?} did not verify and was set aside (quarantined); restore a backup to have it again",
                self.kind.name().replace('_', " "),
                self.id
            ),
        )
        .denied(Denial::Quarantined);
        match self.kind {
            EntityKind::Key => error.with_key(self.id),
            _ => error,
        }
    }

    /// Everything that the entity's MAC covers, read from its tables; `None` where no row is left.
    pub(crate) fn read(self, rows: &dyn Rows) -> Result<Option<EntityRows>> {
        match self.kind {
            EntityKind::Key => Ok(KeyRows::read(rows, self.id)?.map(EntityRows::Key)),
            EntityKind::Purpose => self.read_purpose(rows),
            EntityKind::Recipient => self.read_recipient(rows),
            EntityKind::SystemKey => {
                let versions = rows.system_keys(self.id)?;
                Ok((!versions.is_empty()).then_some(EntityRows::SystemKey(versions)))
            }
            EntityKind::Usage => {
                let usage = rows.usage(self.id)?;
                Ok((!usage.is_empty()).then_some(EntityRows::Usage(usage)))
            }
            EntityKind::Quarantine => {
                let mut rows = rows.quarantined()?.into_iter();
                let found = rows.find(|row| format!("{}/{}", row.kind.name(), row.id) == self.id);
                Ok(found.map(EntityRows::Quarantine))
            }
        }
    }

    fn read_purpose(self, rows: &dyn Rows) -> Result<Option<EntityRows>> {
        let roots = rows.index_roots(&purpose_scope(self.id))?;
        match rows.purpose(self.id)? {
            Some(purpose) => Ok(Some(EntityRows::Purpose(purpose, roots))),
            None => self.absent(roots.is_empty()),
        }
    }

    fn read_recipient(self, rows: &dyn Rows) -> Result<Option<EntityRows>> {
        let mut wraps = rows.kek_wraps()?;
        wraps.retain(|wrap| wrap.recipient_id == self.id);
        let mut found = rows.recipients()?.into_iter().filter(|row| row.recipient_id == self.id);
        let Some(row) = found.next() else { return self.absent(wraps.is_empty()) };
        // Whoever writes the file's bytes can have two rows of one key in a table.
        match found.next() {
            Some(_) => Err(self.damaged()),
            None => Ok(Some(EntityRows::Recipient(row, wraps))),
        }
    }

    /// An entity without its own row: gone altogether, or damaged where other rows still name it.
    fn absent(self, altogether: bool) -> Result<Option<EntityRows>> {
        if altogether { Ok(None) } else { Err(self.damaged()) }
    }
}

/// The rows of one entity, versions in order of their numbers.
pub(crate) enum EntityRows {
    Key(KeyRows),
    Purpose(PurposeRow, Vec<IndexRootRow>),
    Recipient(RecipientRow, Vec<KekWrapRow>),
    SystemKey(Vec<SystemKeyRow>),
    Usage(Vec<UsageRow>),
    Quarantine(QuarantineRow),
}

impl EntityRows {
    pub(crate) fn kind(&self) -> EntityKind {
        match self {
            Self::Key(_) => EntityKind::Key,
            Self::Purpose(..) => EntityKind::Purpose,
            Self::Recipient(..) => EntityKind::Recipient,
            Self::SystemKey(_) => EntityKind::SystemKey,
            Self::Usage(_) => EntityKind::Usage,
            Self::Quarantine(_) => EntityKind::Quarantine,
        }
    }

    /// What the entity's MAC is made of.
    pub(crate) fn content(&self, entity: EntityId<'_>) -> Encoding {
        let begun = || Encoding::new("keyfold/v1/entity").text(entity.kind.name()).text(entity.id);
        match self {
            Self::Key(rows) => rows.content(),
            Self::Purpose(purpose, roots) => encode_index_roots(purpose.encode(begun()), roots),
            Self::Recipient(row, wraps) => encode_each(row.encode(begun()), wraps),
            Self::SystemKey(versions) => encode_each(begun(), versions),
            Self::Usage(usage) => encode_each(begun(), usage),
            Self::Quarantine(row) => row.encode(begun()),
        }
    }

    /// Each with its place. `None` where two have the same.
    pub(crate) fn images(&self) -> Option<Images> {
        match self {
            Self::Key(rows) => rows.images(),
            Self::Purpose(purpose, roots) => images(Some(purpose), roots),
            Self::Recipient(row, wraps) => images(Some(row), wraps),
            Self::SystemKey(versions) => images(None, versions),
            Self::Usage(usage) => images(None, usage),
            Self::Quarantine(row) => images::<UsageRow>(Some(row), &[]),
        }
    }
}

fn images<T: Covered>(own: Option<&dyn Covered>, others: &[T]) -> Option<Images> {
    let mut images = Images::default();
    let others = others.iter().map(|row| row as &dyn Covered);
    own.into_iter().chain(others).all(|row| images.add(row)).then_some(images)
}

/// Everything that the MAC of a key covers.
pub(crate) struct KeyRows {
    pub(crate) key: KeyRow,
    /// In order of their numbers.
    pub(crate) versions: Vec<VersionRow>,
    /// The key's own, in order of their versions.
    pub(crate) index_roots: Vec<IndexRootRow>,
}

impl KeyRows {
    /// `None` where no row is left; an error where some name a key that is gone.
    pub(crate) fn read(rows: &dyn Rows, key_id: &str) -> Result<Option<Self>> {
        let versions = rows.versions(key_id)?;
        let index_roots = rows.index_roots(&key_scope(key_id))?;
        match rows.key(key_id)? {
            Some(key) => Ok(Some(Self { key, versions, index_roots })),
            None if versions.is_empty() && index_roots.is_empty() => Ok(None),
            None => Err(EntityId::key(key_id).damaged()),
        }
    }

    pub(crate) fn content(&self) -> Encoding {
        key_content(&self.key, &self.versions, &self.index_roots)
    }

    /// As [`EntityRows::images`].
    pub(crate) fn images(&self) -> Option<Images> {
        let mut all = images(Some(&self.key), &self.versions)?;
        self.index_roots.iter().all(|row| all.add(row)).then_some(all)
    }
}

/// As [`KeyRows::content`], of rows that lie apart.
pub(super) fn key_content(key: &KeyRow, versions: &[VersionRow], index_roots: &[IndexRootRow]) -> Encoding {
    let entity = EntityId::key(&key.key_id);
    let encoding = Encoding::new("keyfold/v1/entity").text(entity.kind.name()).text(entity.id);
    let encoding = key.encode(encoding).integer(versions.len() as i64);
    encode_index_roots(encode_each(encoding, versions), index_roots)
}

/// The scope of a key's own index roots.
pub(crate) fn key_scope(key_id: &str) -> String {
    format!("key/{key_id}")
}

/// The scope of a purpose's index roots.
pub(crate) fn purpose_scope(purpose: &str) -> String {
    format!("purpose/{purpose}")
}

fn encode_index_roots(encoding: Encoding, roots: &[IndexRootRow]) -> Encoding {
    encode_each(encoding.integer(roots.len() as i64), roots)
}

fn encode_each<T: Covered>(encoding: Encoding, rows: &[T]) -> Encoding {
    rows.iter().fold(encoding, |encoding, row| row.encode(encoding))
}
