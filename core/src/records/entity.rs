//! Entities: rows that only make sense together and share one MAC.

use crate::error::{Denial, Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::primitives::sha256;
use crate::records::{IndexRootRow, KeyRow, Rows, VersionRow};

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
    pub(crate) fn content(self, rows: &dyn Rows) -> Result<Option<Encoding>> {
        let encoding = Encoding::new("keyfold/v1/entity").text(self.kind.name()).text(self.id);
        match self.kind {
            EntityKind::Key => Ok(KeyRows::read(rows, self.id)?.map(|rows| rows.content())),
            EntityKind::Purpose => self.purpose_content(rows, encoding),
            EntityKind::Recipient => self.recipient_content(rows, encoding),
            EntityKind::SystemKey => self.system_key_content(rows, encoding),
            EntityKind::Usage => self.usage_content(rows, encoding),
            EntityKind::Quarantine => self.quarantine_content(rows, encoding),
        }
    }

    fn purpose_content(self, rows: &dyn Rows, encoding: Encoding) -> Result<Option<Encoding>> {
        let roots = rows.index_roots(&purpose_scope(self.id))?;
        let Some(purpose) = rows.purpose(self.id)? else { return self.absent(roots.is_empty()) };
        let encoding = encoding
            .text(&purpose.purpose)
            .integer(purpose.created_at)
            .optional_text(purpose.description.as_deref())
            .optional_integer(purpose.rotation_period);
        Ok(Some(encode_index_roots(encoding, &roots)))
    }

    /// An entity without its own row: gone altogether, or damaged where other rows still name it.
    fn absent(self, altogether: bool) -> Result<Option<Encoding>> {
        if altogether { Ok(None) } else { Err(self.damaged()) }
    }

    fn recipient_content(self, rows: &dyn Rows, mut encoding: Encoding) -> Result<Option<Encoding>> {
        let mut wraps = rows.kek_wraps()?;
        wraps.retain(|wrap| wrap.recipient_id == self.id);
        let mut found = rows.recipients()?.into_iter().filter(|row| row.recipient_id == self.id);
        let Some(row) = found.next() else { return self.absent(wraps.is_empty()) };
        // Whoever writes the file's bytes can have two rows of one key in a table.
        if found.next().is_some() {
            return Err(self.damaged());
        }
        encoding = encoding
            .text(&row.recipient_id)
            .text(&row.kind)
            .integer(row.created_at)
            .text(&row.parameters)
            .bytes(&row.public_key)
            .bytes(&row.salt)
            .bytes(&row.commitment)
            .bytes(&row.sealed);
        for wrap in wraps {
            encoding =
                encoding.integer(wrap.kek_version.into()).bytes(&wrap.encapsulated).bytes(&wrap.ciphertext);
        }
        Ok(Some(encoding))
    }

    fn system_key_content(self, rows: &dyn Rows, mut encoding: Encoding) -> Result<Option<Encoding>> {
        let versions = rows.system_keys(self.id)?;
        if versions.is_empty() {
            return Ok(None);
        }
        for row in versions {
            encoding = encoding
                .text(&row.name)
                .integer(row.version.into())
                .integer(row.created_at)
                .integer(row.kek_version.into())
                .bytes(&row.wrapped);
        }
        Ok(Some(encoding))
    }

    fn usage_content(self, rows: &dyn Rows, mut encoding: Encoding) -> Result<Option<Encoding>> {
        let usage = rows.usage(self.id)?;
        for row in &usage {
            // No count comes near i64::MAX: see limits::MESSAGES.
            encoding = encoding.text(&row.key_id).integer(row.version.into()).integer(row.messages as i64);
        }
        Ok((!usage.is_empty()).then_some(encoding))
    }

    fn quarantine_content(self, rows: &dyn Rows, encoding: Encoding) -> Result<Option<Encoding>> {
        let found =
            rows.quarantined()?.into_iter().find(|row| format!("{}/{}", row.kind.name(), row.id) == self.id);
        Ok(found.map(|row| {
            encoding.text(row.kind.name()).text(&row.id).text(&row.reason).integer(row.created_at)
        }))
    }
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
}

/// As [`EntityId::content`], of a key whose rows are at hand.
pub(super) fn key_content(key: &KeyRow, versions: &[VersionRow], index_roots: &[IndexRootRow]) -> Encoding {
    let entity = EntityId::key(&key.key_id);
    let encoding = Encoding::new("keyfold/v1/entity").text(entity.kind.name()).text(entity.id);
    encode_index_roots(encode_key(encoding, key, versions), index_roots)
}

/// The scope of a key's own index roots.
pub(crate) fn key_scope(key_id: &str) -> String {
    format!("key/{key_id}")
}

/// The scope of a purpose's index roots.
pub(crate) fn purpose_scope(purpose: &str) -> String {
    format!("purpose/{purpose}")
}

fn encode_key(mut encoding: Encoding, key: &KeyRow, versions: &[VersionRow]) -> Encoding {
    encoding = encoding
        .text(&key.key_id)
        .text(&key.kind)
        .text(&key.algorithm)
        .optional_text(key.purpose.as_deref())
        .optional_text(key.description.as_deref())
        .text(&key.labels)
        .integer(key.exportable.into())
        .integer(key.archived.into())
        .text(&key.on_limit)
        .optional_integer(key.expires_in)
        .integer(key.created_at)
        .integer(versions.len() as i64);
    for row in versions {
        encoding = encoding
            .text(&row.key_id)
            .integer(row.version.into())
            .integer(row.tag.into())
            .text(&row.prefix)
            .integer(row.is_current.into())
            .text(&row.state)
            .optional_text(row.state_reason.as_deref())
            .optional_text(row.state_before.as_deref())
            .text(&row.algorithm)
            .integer(row.created_at)
            .optional_integer(row.expires_at)
            .optional_integer(row.destroy_at)
            .integer(row.kek_version.into())
            .bytes(&row.wrapped);
    }
    encoding
}

fn encode_index_roots(mut encoding: Encoding, roots: &[IndexRootRow]) -> Encoding {
    encoding = encoding.integer(roots.len() as i64);
    for row in roots {
        encoding = encoding
            .text(&row.scope)
            .integer(row.version.into())
            .integer(row.is_current.into())
            .integer(row.created_at)
            .integer(row.kek_version.into())
            .bytes(&row.wrapped);
    }
    encoding
}
