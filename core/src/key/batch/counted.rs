//! Messages counted in blocks.

use crate::sys::fork;

/// How many are counted at a time.
const BLOCK: usize = 64;

/// Messages that were counted and are not sealed yet. A child of a fork has none of its parent's.
#[derive(Default)]
pub(super) struct Counted {
    left: u64,
    epoch: u64,
}

impl Counted {
    /// As many as are to be counted for a value of so many messages, where `expected` values are still to come.
    pub(super) fn block(messages: u64, expected: usize) -> Self {
        Self { left: messages.max(expected.min(BLOCK) as u64), epoch: fork::epoch() }
    }

    /// Takes so many, if they are there.
    #[inline]
    pub(super) fn take(&mut self, messages: u64) -> bool {
        match self.left.checked_sub(messages) {
            Some(left) if self.epoch == fork::epoch() => {
                self.left = left;
                true
            }
            _ => false,
        }
    }

    /// How many nobody took.
    pub(super) fn left(&self) -> u64 {
        if self.epoch == fork::epoch() { self.left } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_no_larger_than_what_is_expected() {
        assert_eq!(Counted::block(1, 3).left(), 3);
        assert_eq!(Counted::block(1, 1_000).left(), BLOCK as u64);
        assert_eq!(Counted::block(64, 1).left(), 64);
    }

    #[test]
    fn nothing_is_taken_that_is_not_there() {
        assert!(!Counted::default().take(1));
        let mut counted = Counted::block(1, 3);
        assert!(counted.take(2));
        assert!(!counted.take(2));
        assert!(counted.take(1));
        assert_eq!(counted.left(), 0);
    }

    /// What was counted before a fork stays the parent's.
    #[test]
    fn a_child_counts_its_own() {
        let mut counted = Counted::block(1, 10);
        let of_child =
            crate::sys::fork::tests::in_child(|| [u8::from(counted.take(1)), counted.left() as u8]);
        assert_eq!(of_child, [0, 0]);
        assert!(counted.take(1));
    }
}
