//! What an entity's rows are to be after an act: as they were verified before it, with what it wrote and nothing else.
//!
//! In a page whose rows are out of order, what is found changes with each row that is written. Whoever can write the
//! file could so have one row verified and another one authenticated.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use crate::format::Encoding;
use crate::records::{
    EntityId, EntityKind, IndexRootRow, KekWrapRow, KeyRow, PurposeRow, QuarantineRow, RecipientRow,
    SystemKeyRow, UsageRow, VersionRow,
};

/// A row that an entity's MAC covers.
pub(crate) trait Covered {
    /// The entity that it belongs to.
    fn entity(&self) -> (EntityKind, String);
    /// Where in the entity: which of its tables, and the version there.
    fn place(&self) -> Place;
    /// Appends all of its columns.
    fn encode(&self, encoding: Encoding) -> Encoding;
}

/// Of a row in its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Own,
    Version(u32),
    IndexRoot(u32),
    KekWrap(u32),
}

/// An entity's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Images(BTreeMap<Place, Vec<u8>>);

impl Images {
    /// False where there was a row in its place already.
    pub(crate) fn add(&mut self, row: &dyn Covered) -> bool {
        self.0.insert(row.place(), encoded(row)).is_none()
    }

    /// As they are once these were written.
    pub(crate) fn changed(mut self, changes: Vec<Change>) -> Self {
        for Change { place, image } in changes {
            match image {
                Some(image) => self.0.insert(place, image),
                None => self.0.remove(&place),
            };
        }
        self
    }
}

/// A row that was written, or with nothing deleted.
#[derive(Debug)]
pub(crate) struct Change {
    place: Place,
    image: Option<Vec<u8>>,
}

/// What was written in a transaction, by entity, until it is authenticated.
#[derive(Debug, Default)]
pub(crate) struct Changes(RefCell<HashMap<(EntityKind, String), Vec<Change>>>);

impl Changes {
    pub(crate) fn put(&self, row: &dyn Covered) {
        self.note(row.entity(), Change { place: row.place(), image: Some(encoded(row)) });
    }

    pub(crate) fn delete(&self, entity: (EntityKind, String), place: Place) {
        self.note(entity, Change { place, image: None });
    }

    /// What was written of this entity since this was asked last.
    pub(crate) fn take(&self, entity: EntityId<'_>) -> Vec<Change> {
        self.0.borrow_mut().remove(&(entity.kind, entity.id.to_owned())).unwrap_or_default()
    }

    fn note(&self, entity: (EntityKind, String), change: Change) {
        self.0.borrow_mut().entry(entity).or_default().push(change);
    }
}

fn encoded(row: &dyn Covered) -> Vec<u8> {
    row.encode(Encoding::new("row")).as_bytes().to_vec()
}

/// The entity of a scope of index roots.
pub(crate) fn entity_of_scope(scope: &str) -> (EntityKind, String) {
    match scope.split_once('/') {
        Some(("purpose", purpose)) => (EntityKind::Purpose, purpose.to_owned()),
        Some((_, key_id)) => (EntityKind::Key, key_id.to_owned()),
        None => (EntityKind::Key, scope.to_owned()),
    }
}

impl Covered for KeyRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Key, self.key_id.clone())
    }

    fn place(&self) -> Place {
        Place::Own
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.key_id)
            .text(&self.kind)
            .text(&self.algorithm)
            .optional_text(self.purpose.as_deref())
            .optional_text(self.description.as_deref())
            .text(&self.labels)
            .integer(self.exportable.into())
            .integer(self.archived.into())
            .text(&self.on_limit)
            .optional_integer(self.expires_in)
            .integer(self.created_at)
    }
}

impl Covered for VersionRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Key, self.key_id.clone())
    }

    fn place(&self) -> Place {
        Place::Version(self.version)
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.key_id)
            .integer(self.version.into())
            .integer(self.tag.into())
            .text(&self.prefix)
            .integer(self.is_current.into())
            .text(&self.state)
            .optional_text(self.state_reason.as_deref())
            .optional_text(self.state_before.as_deref())
            .text(&self.algorithm)
            .integer(self.created_at)
            .optional_integer(self.expires_at)
            .optional_integer(self.destroy_at)
            .integer(self.kek_version.into())
            .bytes(&self.wrapped)
    }
}

impl Covered for IndexRootRow {
    fn entity(&self) -> (EntityKind, String) {
        entity_of_scope(&self.scope)
    }

    fn place(&self) -> Place {
        Place::IndexRoot(self.version)
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.scope)
            .integer(self.version.into())
            .integer(self.is_current.into())
            .integer(self.created_at)
            .integer(self.kek_version.into())
            .bytes(&self.wrapped)
    }
}

impl Covered for PurposeRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Purpose, self.purpose.clone())
    }

    fn place(&self) -> Place {
        Place::Own
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.purpose)
            .integer(self.created_at)
            .optional_text(self.description.as_deref())
            .optional_integer(self.rotation_period)
    }
}

impl Covered for RecipientRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Recipient, self.recipient_id.clone())
    }

    fn place(&self) -> Place {
        Place::Own
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.recipient_id)
            .text(&self.kind)
            .integer(self.created_at)
            .text(&self.parameters)
            .bytes(&self.public_key)
            .bytes(&self.salt)
            .bytes(&self.commitment)
            .bytes(&self.sealed)
    }
}

impl Covered for KekWrapRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Recipient, self.recipient_id.clone())
    }

    fn place(&self) -> Place {
        Place::KekWrap(self.kek_version)
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        // The recipient is that of its row, in front of it.
        encoding.integer(self.kek_version.into()).bytes(&self.encapsulated).bytes(&self.ciphertext)
    }
}

impl Covered for SystemKeyRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::SystemKey, self.name.clone())
    }

    fn place(&self) -> Place {
        Place::Version(self.version)
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding
            .text(&self.name)
            .integer(self.version.into())
            .integer(self.created_at)
            .integer(self.kek_version.into())
            .bytes(&self.wrapped)
    }
}

impl Covered for UsageRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Usage, self.key_id.clone())
    }

    fn place(&self) -> Place {
        Place::Version(self.version)
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        // No count comes near i64::MAX: see limits::MESSAGES.
        encoding.text(&self.key_id).integer(self.version.into()).integer(self.messages as i64)
    }
}

impl Covered for QuarantineRow {
    fn entity(&self) -> (EntityKind, String) {
        (EntityKind::Quarantine, format!("{}/{}", self.kind.name(), self.id))
    }

    fn place(&self) -> Place {
        Place::Own
    }

    fn encode(&self, encoding: Encoding) -> Encoding {
        encoding.text(self.kind.name()).text(&self.id).text(&self.reason).integer(self.created_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> VersionRow {
        VersionRow {
            key_id: "k".to_owned(),
            version: number,
            tag: 1,
            prefix: "tink".to_owned(),
            is_current: true,
            state: "enabled".to_owned(),
            state_reason: None,
            state_before: None,
            algorithm: "AES256_GCM".to_owned(),
            created_at: 2,
            expires_at: None,
            destroy_at: None,
            kek_version: 3,
            wrapped: vec![4],
        }
    }

    fn images(rows: &[&dyn Covered]) -> Images {
        let mut images = Images::default();
        assert!(rows.iter().all(|row| images.add(*row)));
        images
    }

    /// Every column counts: a row that differs in one is another.
    #[test]
    fn rows_differ_by_each_column() {
        let same = images(&[&version(1)]);
        assert_eq!(same, images(&[&version(1)]));
        let changes: [fn(&mut VersionRow); 11] = [
            |row| row.key_id.push('l'),
            |row| row.tag = 2,
            |row| row.is_current = false,
            |row| row.state = "disabled".to_owned(),
            |row| row.state_reason = Some(String::new()),
            |row| row.state_before = Some(String::new()),
            |row| row.algorithm.push('X'),
            |row| row.expires_at = Some(1),
            |row| row.destroy_at = Some(1),
            |row| row.kek_version = 4,
            |row| row.wrapped.clear(),
        ];
        for change in changes {
            let mut other = version(1);
            change(&mut other);
            assert_ne!(same, images(&[&other]));
        }
        let count = |messages| UsageRow { key_id: "k".to_owned(), version: 1, messages };
        assert_ne!(images(&[&count(1)]), images(&[&count(2)]));
    }

    #[test]
    fn a_second_row_in_its_place_is_told() {
        let mut one = images(&[&version(1)]);
        assert!(!one.add(&version(1)));
        assert!(one.add(&version(2)));
    }

    #[test]
    fn rows_are_as_they_were_with_what_was_written() {
        let changes = Changes::default();
        let disabled = VersionRow { is_current: false, ..version(1) };
        changes.put(&disabled);
        changes.put(&version(2));
        let root = |version| IndexRootRow {
            scope: "key/k".to_owned(),
            version,
            is_current: true,
            created_at: 1,
            kek_version: 1,
            wrapped: vec![1],
        };
        changes.delete(entity_of_scope("key/k"), Place::IndexRoot(1));
        // Another entity's.
        changes.put(&UsageRow { key_id: "k".to_owned(), version: 1, messages: 1 });
        let before = images(&[&version(1), &root(1), &root(2)]);
        let after = before.changed(changes.take(EntityId::key("k")));
        assert_eq!(after, images(&[&disabled, &version(2), &root(2)]));
        // Taken once.
        assert!(changes.take(EntityId::key("k")).is_empty());
        assert_eq!(changes.take(EntityId::usage("k")).len(), 1);
    }

    #[test]
    fn scopes_name_their_entity() {
        assert_eq!(entity_of_scope("key/a/b"), (EntityKind::Key, "a/b".to_owned()));
        assert_eq!(entity_of_scope("purpose/a"), (EntityKind::Purpose, "a".to_owned()));
    }
}
