//! Nonces drawn in blocks.

use crate::error::Result;
use crate::primitives::draw_nonce;
use crate::sys::fork;

/// 64 nonces of 12 bytes.
const BLOCK: usize = 768;

/// Nonces for a known number of messages; none is given twice, nor to both sides of a fork.
pub(super) struct Nonces {
    block: [u8; BLOCK],
    used: usize,
    drawn: usize,
    epoch: u64,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Self { block: [0; BLOCK], used: 0, drawn: 0, epoch: 0 }
    }

    /// The next nonce; `expected` are still to come, this one included.
    #[inline]
    pub(super) fn next(&mut self, length: usize, expected: usize) -> Result<&[u8]> {
        if length == 0 {
            return Ok(&[]);
        }
        if self.drawn - self.used < length || self.epoch != fork::epoch() {
            self.draw(length, expected)?;
        }
        let start = self.used;
        self.used += length;
        Ok(&self.block[start..self.used])
    }

    #[cold]
    fn draw(&mut self, length: usize, expected: usize) -> Result<()> {
        let wanted = length * expected.clamp(1, BLOCK / length);
        self.epoch = fork::epoch();
        (self.used, self.drawn) = (0, 0);
        draw_nonce(&mut self.block[..wanted])?;
        self.drawn = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_is_given_twice() {
        for length in [12, 24] {
            let mut nonces = Nonces::new();
            let mut seen = HashSet::new();
            for expected in (0..1_000).rev() {
                let nonce = nonces.next(length, expected).unwrap();
                assert_eq!(nonce.len(), length);
                assert!(seen.insert(nonce.to_vec()));
            }
        }
    }

    #[test]
    fn no_more_are_drawn_than_are_expected() {
        let mut nonces = Nonces::new();
        nonces.next(12, 3).unwrap();
        assert_eq!((nonces.used, nonces.drawn), (12, 36));
        nonces.next(12, 1_000).unwrap();
        nonces.next(12, 1_000).unwrap();
        nonces.next(12, 1_000).unwrap();
        assert_eq!((nonces.used, nonces.drawn), (12, BLOCK));
    }

    #[test]
    fn algorithms_without_nonces_draw_none() {
        let mut nonces = Nonces::new();
        assert!(nonces.next(0, 10).unwrap().is_empty());
        assert_eq!(nonces.drawn, 0);
    }

    /// What was drawn before a fork stays the parent's.
    #[test]
    fn a_child_draws_its_own() {
        let mut nonces = Nonces::new();
        nonces.next(12, 10).unwrap();
        let of_child =
            crate::sys::fork::tests::in_child(|| <[u8; 12]>::try_from(nonces.next(12, 9).unwrap()).unwrap());
        assert_ne!(nonces.next(12, 9).unwrap(), of_child);
    }
}
