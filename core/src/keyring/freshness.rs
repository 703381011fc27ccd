//! When to look whether another process changed the store.
//!
//! Three atomics and no lock. From half of `refresh_interval` on one caller looks while others go on; past it
//! callers wait for that look; if it fails, what is held serves until `max_stale`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sys::clock::coarse_milliseconds;

/// How long after a failed look the next one is tried.
const RETRY_MILLISECONDS: u64 = 100;

/// What is known of the store, and since when.
pub(crate) struct Freshness {
    /// The generation of the newest root that was verified.
    generation: AtomicU64,
    checked_at: AtomicU64,
    retry_at: AtomicU64,
    interval: u64,
    max_stale: u64,
}

/// What a caller must do before it uses what is held.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Go on.
    Nothing,
    /// Look if nobody else does.
    LookIfFree,
    /// Look, or wait for whoever does.
    Look,
}

impl Freshness {
    pub(crate) fn new(interval: Duration, max_stale: Duration) -> Self {
        Self {
            generation: AtomicU64::new(0),
            checked_at: AtomicU64::new(coarse_milliseconds()),
            retry_at: AtomicU64::new(0),
            interval: interval.as_millis() as u64,
            max_stale: max_stale.as_millis() as u64,
        }
    }

    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A newer root was verified.
    pub(crate) fn advance(&self, generation: u64) {
        self.generation.fetch_max(generation, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn need(&self) -> Need {
        self.need_at(coarse_milliseconds())
    }

    /// As [`Freshness::need`], for who has just read the coarse clock.
    #[inline]
    pub(crate) fn need_at(&self, now: u64) -> Need {
        let age = self.age(now);
        if age * 2 < self.interval {
            return Need::Nothing;
        }
        if age < self.interval { Need::LookIfFree } else { Need::Look }
    }

    /// A look that began at `started` found nothing newer than what is now known.
    pub(crate) fn looked(&self, started: u64) {
        self.checked_at.fetch_max(started, Ordering::AcqRel);
    }

    /// A look failed: the next is tried a little later.
    pub(crate) fn failed(&self) {
        self.retry_at.store(coarse_milliseconds() + RETRY_MILLISECONDS, Ordering::Release);
    }

    /// Whether a look failed a moment ago.
    pub(crate) fn failed_lately(&self) -> bool {
        coarse_milliseconds() < self.retry_at.load(Ordering::Acquire)
    }

    /// Whether what is held may still serve although a look failed.
    pub(crate) fn may_serve_stale(&self) -> bool {
        self.age(coarse_milliseconds()) < self.max_stale
    }

    fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.checked_at.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_follow_the_age() {
        let freshness = Freshness::new(Duration::from_secs(1), Duration::from_secs(60));
        let aged = |milliseconds: u64| {
            freshness.checked_at.store(coarse_milliseconds().saturating_sub(milliseconds), Ordering::Release);
            freshness.need()
        };
        assert_eq!(aged(0), Need::Nothing);
        assert_eq!(aged(400), Need::Nothing);
        assert_eq!(aged(600), Need::LookIfFree);
        assert_eq!(aged(1100), Need::Look);
        assert!(freshness.may_serve_stale());
        aged(61_000);
        assert!(!freshness.may_serve_stale());
    }

    #[test]
    fn nothing_goes_backwards() {
        let freshness = Freshness::new(Duration::from_secs(1), Duration::from_secs(60));
        freshness.advance(5);
        freshness.advance(3);
        assert_eq!(freshness.generation(), 5);
        assert!(!freshness.failed_lately());
        freshness.failed();
        assert!(freshness.failed_lately());
        std::thread::sleep(Duration::from_millis(RETRY_MILLISECONDS + 50));
        assert!(!freshness.failed_lately());
    }

    #[test]
    fn a_look_counts_from_when_it_began() {
        let freshness = Freshness::new(Duration::from_secs(10), Duration::from_secs(60));
        let ago = |milliseconds| coarse_milliseconds().saturating_sub(milliseconds);
        freshness.checked_at.store(ago(20_000), Ordering::Release);
        assert_eq!(freshness.need(), Need::Look);
        freshness.looked(ago(7_000));
        assert_eq!(freshness.need(), Need::LookIfFree);
        freshness.looked(ago(15_000));
        assert_eq!(freshness.need(), Need::LookIfFree);
        freshness.looked(ago(0));
        assert_eq!(freshness.need(), Need::Nothing);
    }

    /// What has just reached its age is past it.
    #[test]
    fn an_age_is_reached_at_once() {
        let freshness = Freshness::new(Duration::ZERO, Duration::ZERO);
        // Checked a moment from now: of no age, for as long as this test takes.
        freshness.looked(coarse_milliseconds() + 60_000);
        assert_eq!(freshness.need(), Need::Look);
        assert!(!freshness.may_serve_stale());
        let freshness = Freshness::new(Duration::from_millis(1), Duration::ZERO);
        freshness.looked(coarse_milliseconds() + 60_000);
        assert_eq!(freshness.need(), Need::Nothing);
    }
}
