//! Every entity of a store with its MAC, ticked off one after the other while each is taken over.

use crate::error::Result;
use crate::records::children::Mac;
use crate::records::rows::EntityRow;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind};

const BUCKETS: usize = 1 << 16;

/// In order of bucket, kind and id, as entities are stored: each is found by its bucket, whose hash is needed anyway, and
/// nothing is to be sorted in the end.
pub(super) struct Census {
    entries: Vec<Entry>,
    /// Where each bucket begins, and the last one ends.
    starts: Vec<usize>,
    added: Vec<Entry>,
}

struct Entry {
    bucket: u16,
    row: EntityRow,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To come; its MAC is the one that it had.
    Left,
    /// Taken over; its MAC is the new one.
    Done,
    /// To be no more.
    Gone,
}

/// Where an entity stands.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

impl Census {
    /// Of a tree, every leaf and node verified, and that there are no other entities.
    pub(super) fn take(tree: &Tree<'_>) -> Result<Self> {
        let mut census = Self::new();
        tree.each_verified(&mut |bucket, row| {
            census.push(bucket, row);
            Ok(())
        })?;
        census.end();
        Ok(census)
    }

    fn new() -> Self {
        Self { entries: Vec::new(), starts: Vec::with_capacity(BUCKETS + 1), added: Vec::new() }
    }

    /// The next one in order.
    fn push(&mut self, bucket: u16, row: EntityRow) {
        self.starts.resize(usize::from(bucket) + 1, self.entries.len());
        self.entries.push(Entry { bucket, row, state: State::Left });
    }

    fn end(&mut self) {
        self.starts.resize(BUCKETS + 1, self.entries.len());
    }

    /// Where the entity stands, if it is still to come.
    pub(super) fn left(&self, entity: EntityId<'_>) -> Option<Place> {
        let bucket = usize::from(entity.bucket());
        let (start, end) = (self.starts[bucket], self.starts[bucket + 1]);
        let is_it = |entry: &Entry| (entry.row.kind, entry.row.id.as_str()) == (entity.kind, entity.id);
        let place = self.entries[start..end].iter().position(is_it)? + start;
        (self.entries[place].state == State::Left).then_some(Place(place))
    }

    /// All that are still to come, in order of kind and id.
    pub(super) fn all_left(&self) -> Vec<(EntityKind, String)> {
        let left = self.entries.iter().filter(|entry| entry.state == State::Left);
        let mut names: Vec<_> = left.map(|entry| (entry.row.kind, entry.row.id.clone())).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn mac(&self, place: Place) -> &Mac {
        &self.entries[place.0].row.mac
    }

    /// Ticks it off, with its new MAC.
    pub(super) fn done(&mut self, place: Place, mac: Mac) {
        let entry = &mut self.entries[place.0];
        entry.row.mac = mac;
        entry.state = State::Done;
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.entries[place.0].state = State::Gone;
    }

    /// One that was not there before.
    pub(super) fn add(&mut self, entity: EntityId<'_>, mac: Mac) {
        let row = EntityRow { kind: entity.kind, id: entity.id.to_owned(), mac };
        self.added.push(Entry { bucket: entity.bucket(), row, state: State::Done });
    }

    /// Those that were taken over and added, and no others, with their buckets, as they are to be stored.
    pub(super) fn into_entities(self) -> Vec<(u16, EntityRow)> {
        let Self { mut entries, added, .. } = self;
        entries.retain(|entry| entry.state == State::Done);
        if !added.is_empty() {
            entries.extend(added);
            let order = |entry: &Entry| (entry.bucket, entry.row.kind.name());
            entries.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.row.id.cmp(&b.row.id)));
        }
        entries.into_iter().map(|entry| (entry.bucket, entry.row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(a: &(u16, EntityRow), b: &(u16, EntityRow)) -> std::cmp::Ordering {
        (a.0, a.1.kind.name(), &a.1.id).cmp(&(b.0, b.1.kind.name(), &b.1.id))
    }

    /// Of entities with these names, as if each had been verified.
    fn census(names: &[(EntityKind, String)]) -> Census {
        let mut rows: Vec<_> = names
            .iter()
            .map(|(kind, id)| {
                let row = EntityRow { kind: *kind, id: id.clone(), mac: [1; 32] };
                (EntityId { kind: *kind, id }.bucket(), row)
            })
            .collect();
        rows.sort_by(order);
        let mut census = Census::new();
        rows.into_iter().for_each(|(bucket, row)| census.push(bucket, row));
        census.end();
        census
    }

    fn names(count: usize) -> Vec<(EntityKind, String)> {
        let kinds = [EntityKind::Key, EntityKind::Usage, EntityKind::Recipient];
        (0..count).map(|number| (kinds[number % 3], format!("name-{number}"))).collect()
    }

    #[test]
    fn each_is_found_until_it_is_ticked_off() {
        // So many that some share a bucket.
        let names = names(5_000);
        let mut census = census(&names);
        let left = |census: &Census, (kind, id): &(EntityKind, String)| {
            census.left(EntityId { kind: *kind, id }).map(|place| *census.mac(place))
        };
        assert!(left(&census, &(EntityKind::Key, "name-1".to_owned())).is_none(), "of another kind");
        assert!(left(&census, &(EntityKind::Key, "name-x".to_owned())).is_none());
        for (number, name) in names.iter().enumerate() {
            assert_eq!(left(&census, name), Some([1; 32]));
            let place = census.left(EntityId { kind: name.0, id: &name.1 }).unwrap();
            match number % 10 {
                0 => census.remove(place),
                1 => continue,
                _ => census.done(place, [2; 32]),
            }
            assert_eq!(left(&census, name), None);
        }
        let mut expected: Vec<_> = names.iter().skip(1).step_by(10).cloned().collect();
        expected.sort();
        assert_eq!(census.all_left(), expected);
        let stored = census.into_entities();
        assert_eq!(stored.len(), 4_000);
        assert!(stored.is_sorted_by(|a, b| order(a, b).is_lt()));
        assert!(stored.iter().all(|(_, row)| row.mac == [2; 32]));
        assert!(stored.windows(2).any(|pair| pair[0].0 == pair[1].0), "some share a bucket");
    }

    #[test]
    fn what_is_added_comes_where_it_belongs() {
        let names = names(5_000);
        let (first, second) = names.split_at(2_500);
        let mut census = census(first);
        for (kind, id) in first {
            let place = census.left(EntityId { kind: *kind, id }).unwrap();
            census.done(place, [2; 32]);
        }
        for (kind, id) in second {
            census.add(EntityId { kind: *kind, id }, [3; 32]);
        }
        let stored = census.into_entities();
        assert_eq!(stored.len(), 5_000);
        assert!(stored.is_sorted_by(|a, b| order(a, b).is_lt()));
        for (bucket, row) in &stored {
            assert_eq!(EntityId { kind: row.kind, id: &row.id }.bucket(), *bucket);
        }
    }

    #[test]
    fn the_first_and_the_last_bucket() {
        let in_bucket = |bucket: u16| {
            let mut names = (0..).map(|number| (EntityKind::Key, format!("name-{number}")));
            names.find(|(kind, id)| EntityId { kind: *kind, id }.bucket() == bucket).unwrap()
        };
        let ends = [in_bucket(0), in_bucket(u16::MAX)];
        let whole = census(&ends);
        let half = census(&ends[..1]);
        let found = |census: &Census, (kind, id): &(EntityKind, String)| {
            census.left(EntityId { kind: *kind, id }).is_some()
        };
        assert!(ends.iter().all(|name| found(&whole, name)));
        assert!(found(&half, &ends[0]) && !found(&half, &ends[1]));
    }

    #[test]
    fn none_at_all() {
        let census = census(&[]);
        assert!(census.left(EntityId::key("a")).is_none());
        assert_eq!(census.all_left(), []);
        assert!(census.into_entities().is_empty());
    }
}
