//! The MACs of a node's leaves or of the root's nodes, packed as they are stored.

/// Of an entity, a leaf, a node or the root.
pub(super) type Mac = [u8; MAC_LENGTH];

const MAC_LENGTH: usize = 32;
/// One child: its number and its MAC.
const SLOT_LENGTH: usize = 1 + MAC_LENGTH;

/// Up to 256 MACs by number, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Children(Vec<u8>);

impl Children {
    /// `None` where the list is not the one form that such a list has: in order, no number twice.
    pub(super) fn unpack(packed: Vec<u8>) -> Option<Self> {
        let (slots, rest) = packed.as_chunks::<SLOT_LENGTH>();
        let in_order = slots.windows(2).all(|pair| pair[0][0] < pair[1][0]);
        (rest.is_empty() && in_order).then_some(Self(packed))
    }

    pub(super) fn packed(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }

    pub(super) fn get(&self, number: u8) -> Option<&Mac> {
        let place = self.place(number).ok()?;
        self.slots()[place].last_chunk()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u8> {
        self.slots().iter().map(|slot| slot[0])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, &Mac)> {
        self.slots().iter().filter_map(|slot| Some((slot[0], slot.last_chunk()?)))
    }

    pub(super) fn insert(&mut self, number: u8, mac: Mac) {
        let mut slot = [number; SLOT_LENGTH];
        slot[1..].copy_from_slice(&mac);
        let (place, replaced) = match self.place(number) {
            Ok(place) => (place, SLOT_LENGTH),
            Err(place) => (place, 0),
        };
        let start = place * SLOT_LENGTH;
        self.0.splice(start..start + replaced, slot);
    }

    pub(super) fn remove(&mut self, number: u8) {
        if let Ok(place) = self.place(number) {
            self.0.drain(place * SLOT_LENGTH..(place + 1) * SLOT_LENGTH);
        }
    }

    fn slots(&self) -> &[[u8; SLOT_LENGTH]] {
        self.0.as_chunks().0
    }

    fn place(&self, number: u8) -> Result<usize, usize> {
        self.slots().binary_search_by_key(&number, |slot| slot[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_lists_have_one_form() {
        let mut children = Children::default();
        children.insert(9, [2; 32]);
        children.insert(3, [1; 32]);
        let packed = children.packed().to_vec();
        assert_eq!(Children::unpack(packed.clone()), Some(children));
        let (one, two) = packed.split_at(SLOT_LENGTH);
        for bad in [&[two, one].concat()[..], &[one, one].concat(), &packed[..packed.len() - 1]] {
            assert_eq!(Children::unpack(bad.to_vec()), None);
        }
        assert_eq!(Children::unpack(Vec::new()), Some(Children::default()));
    }

    #[test]
    fn children_are_found_replaced_and_removed_by_number() {
        let mut children = Children::default();
        for number in [200, 0, 255, 7, 8] {
            children.insert(number, [number; 32]);
        }
        children.insert(7, [1; 32]);
        children.remove(8);
        children.remove(9);
        assert_eq!(children.numbers().collect::<Vec<_>>(), [0, 7, 200, 255]);
        assert_eq!(children.len(), 4);
        assert_eq!(children.get(7), Some(&[1; 32]));
        assert_eq!(children.get(255), Some(&[255; 32]));
        assert_eq!(children.get(8), None);
    }
}
