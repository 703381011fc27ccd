//! How many messages a version may still seal: an allotment that its process holds, spent without a lock.
//!
//! The allotment lies in a pool, from which each of a few shards takes a handful at a time; a thread spends from
//! the shard of its number, so that threads do not fight over one cache line. What fills the pool is
//! `store/usage.rs`: a lease that is on disk already, or, where a crash may lose a few, a count that is written
//! down later. An allotment is one process's: a child of a fork begins with none.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::limits;
use crate::primitives::Algorithm;
use crate::sys::clock::coarse_milliseconds;
use crate::sys::fork;

/// How many threads spend without meeting each other.
const SHARDS: usize = 8;
/// A shard takes this part of an allotment at a time: all shards together hold at most half of it.
const SHARE: u64 = 16;
/// How long after a failed renewal the next one is tried, while there is something left.
const RETRY_MILLISECONDS: u64 = 100;

/// The allotment of one version of a key in this process.
pub(crate) struct Meter {
    version: u32,
    limit: u64,
    leases: bool,
    shards: [Shard; SHARDS],
    /// Allotted, and in no shard yet.
    pool: AtomicU64,
    /// The process that the allotment is for; no fork epoch is zero.
    epoch: AtomicU64,
    /// Nothing more will be allotted: the version is at its limit.
    exhausted: AtomicBool,
    retry_at: AtomicU64,
    // What follows is changed under the lock of whoever fills the pool, and atomic only to be shared.
    /// The size of the newest allotment.
    size: AtomicU64,
    /// All that was ever allotted.
    allotted: AtomicU64,
    /// How much of what was spent is written down.
    written: AtomicU64,
    /// The count on disk when it was last seen, and the generation it was seen in.
    stored: AtomicU64,
    stored_in: AtomicU64,
}

/// A share of the allotment, alone on its cache lines: processors fetch them in pairs.
#[repr(align(128))]
struct Shard(AtomicU64);

/// What came of asking for more than the shard has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Enough.
    Enough,
    /// Enough, and it is time to have the allotment renewed.
    RenewSoon,
    /// Too little is left.
    Nothing,
}

impl Meter {
    pub(crate) fn new(version: u32, algorithm: Algorithm) -> Self {
        Self {
            version,
            limit: limits::messages(algorithm),
            leases: algorithm == Algorithm::Aes256Gcm,
            shards: [const { Shard(AtomicU64::new(0)) }; SHARDS],
            pool: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            exhausted: AtomicBool::new(false),
            retry_at: AtomicU64::new(0),
            size: AtomicU64::new(0),
            allotted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            stored_in: AtomicU64::new(0),
        }
    }

    /// The number of the version that it is for.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether messages are written down before they are sealed, rather than after.
    pub(crate) fn leases(&self) -> bool {
        self.leases
    }

    /// Spends from this thread's shard. False where it has too little: then [`Meter::take_more`].
    #[inline]
    pub(crate) fn take(&self, messages: u64) -> bool {
        // A child takes nothing of its parent's, and whoever forks in between finds out.
        self.is_ours() && self.shards[shard_of_thread()].take(messages) && self.is_ours()
    }

    /// Gives back what this process took and did not spend.
    pub(crate) fn give_back(&self, messages: u64) {
        self.shards[shard_of_thread()].0.fetch_add(messages, Ordering::AcqRel);
    }

    /// Spends from the pool, or from the shards of others, and fills this thread's shard.
    pub(crate) fn take_more(&self, messages: u64) -> Taken {
        if !self.is_ours() {
            return Taken::Nothing;
        }
        if !self.draw(messages) {
            for shard in &self.shards {
                self.pool.fetch_add(shard.0.swap(0, Ordering::AcqRel), Ordering::AcqRel);
            }
            if !self.draw(messages) {
                return Taken::Nothing;
            }
        }
        if !self.is_ours() {
            return Taken::Nothing;
        }
        let due = self.pool.load(Ordering::Acquire) < self.size.load(Ordering::Acquire) / 2
            && !self.is_exhausted()
            && coarse_milliseconds() >= self.retry_at.load(Ordering::Acquire);
        if due { Taken::RenewSoon } else { Taken::Enough }
    }

    fn draw(&self, messages: u64) -> bool {
        let share = self.size.load(Ordering::Acquire) / SHARE;
        let mut left = self.pool.load(Ordering::Acquire);
        while left >= messages {
            let drawn = left.min(messages.saturating_add(share));
            match self.pool.compare_exchange(left, left - drawn, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.shards[shard_of_thread()].0.fetch_add(drawn - messages, Ordering::AcqRel);
                    return true;
                }
                Err(now) => left = now,
            }
        }
        false
    }

    /// Whether the allotment is this process's.
    #[inline]
    pub(crate) fn is_ours(&self) -> bool {
        self.epoch.load(Ordering::Acquire) == fork::epoch()
    }

    /// Whether the version is known to be at its limit; what is left here may still be spent.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Acquire)
    }

    /// A renewal failed: the next is tried a little later.
    pub(crate) fn renewal_failed(&self) {
        self.retry_at.store(coarse_milliseconds() + RETRY_MILLISECONDS, Ordering::Release);
    }

    /// Makes the meter this process's, with this allotted and nothing of what an earlier process had. Under the
    /// lock of whoever fills it.
    pub(crate) fn begin(&self, messages: u64) {
        self.shards.iter().for_each(|shard| shard.0.store(0, Ordering::Release));
        for number in [&self.pool, &self.size, &self.allotted, &self.written, &self.retry_at] {
            number.store(0, Ordering::Release);
        }
        self.allot(messages);
        // Last: from here on others spend.
        self.epoch.store(fork::epoch(), Ordering::Release);
    }

    /// How much to allot next: twice as much as the last time, at least what is wanted now.
    pub(crate) fn next_allotment(&self, wanted: u64) -> u64 {
        let size = match self.leases {
            true => (2 * self.size.load(Ordering::Acquire)).clamp(limits::FIRST_LEASE, limits::LARGEST_LEASE),
            false => limits::LARGEST_LEASE,
        };
        size.max(wanted)
    }

    /// Fills the pool. What is leased is on disk by now.
    pub(crate) fn allot(&self, messages: u64) {
        if messages == 0 {
            return;
        }
        self.size.store(messages, Ordering::Release);
        self.allotted.fetch_add(messages, Ordering::AcqRel);
        self.pool.fetch_add(messages, Ordering::AcqRel);
    }

    /// What was spent here and is not on disk. Of leases, which are on disk first, nothing.
    pub(crate) fn unwritten(&self) -> u64 {
        if self.leases || !self.is_ours() {
            return 0;
        }
        let spent = self.allotted.load(Ordering::Acquire).saturating_sub(self.left());
        spent.saturating_sub(self.written.load(Ordering::Acquire))
    }

    /// So many of the unwritten are on disk now.
    pub(crate) fn wrote(&self, messages: u64) {
        self.written.fetch_add(messages, Ordering::AcqRel);
    }

    /// What may still be spent here; the pool first, so that what moves meanwhile is seen twice rather than missed.
    pub(crate) fn left(&self) -> u64 {
        let pool = self.pool.load(Ordering::Acquire);
        self.shards.iter().fold(pool, |sum, shard| sum.saturating_add(shard.0.load(Ordering::Acquire)))
    }

    /// What may still be allotted, by what was last seen on disk.
    pub(crate) fn free(&self) -> u64 {
        let counted = self.stored.load(Ordering::Acquire).saturating_add(self.unwritten());
        self.limit.saturating_sub(counted).saturating_sub(if self.leases { 0 } else { self.left() })
    }

    /// The count on disk, as verified in this generation. False where it was higher before, in the same generation.
    #[must_use]
    pub(crate) fn saw(&self, stored: u64, generation: u64) -> bool {
        let before = self.stored.load(Ordering::Acquire);
        if stored < before && self.stored_in.load(Ordering::Acquire) == generation {
            return false;
        }
        self.stored.store(stored, Ordering::Release);
        self.stored_in.store(generation, Ordering::Release);
        self.exhausted.store(stored >= self.limit, Ordering::Release);
        true
    }
}

impl Shard {
    #[inline]
    fn take(&self, messages: u64) -> bool {
        let mut left = self.0.load(Ordering::Relaxed);
        while let Some(rest) = left.checked_sub(messages) {
            match self.0.compare_exchange_weak(left, rest, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => left = now,
            }
        }
        false
    }
}

thread_local! {
    /// The thread's shard; [`SHARDS`] before it has one.
    static SHARD: Cell<usize> = const { Cell::new(SHARDS) };
}

#[inline]
fn shard_of_thread() -> usize {
    let shard = SHARD.get();
    if shard < SHARDS { shard } else { first_shard_of_thread() }
}

/// Threads get the shards in turn.
#[cold]
fn first_shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    SHARD.set(shard);
    shard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(algorithm: Algorithm, allotted: u64) -> Meter {
        let meter = Meter::new(1, algorithm);
        meter.begin(allotted);
        meter
    }

    fn empty_shard(meter: &Meter) {
        assert!((0..=256).any(|_| !meter.take(1)));
    }

    #[test]
    fn nothing_is_spent_before_it_is_allotted() {
        let meter = Meter::new(1, Algorithm::Aes256Gcm);
        assert!(!meter.take(1) && !meter.is_ours());
        assert_eq!(meter.take_more(1), Taken::Nothing);
    }

    /// Eight threads spend exactly what there is, in whatever portions.
    #[test]
    fn an_allotment_is_spent_once() {
        const ALLOTTED: u64 = 100_000;
        let meter = meter(Algorithm::Aes256Gcm, ALLOTTED);
        let spend = |portion: u64| {
            let mut spent = 0;
            while spent <= ALLOTTED && (meter.take(portion) || meter.take_more(portion) != Taken::Nothing) {
                spent += portion;
            }
            spent
        };
        let spent: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|thread| scope.spawn(move || spend([1, 1, 1, 3][thread % 4]))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // Whoever swept the shards last may have left another thread without; one alone gets the rest.
        assert_eq!(spent + spend(1), ALLOTTED);
        assert_eq!((meter.left(), meter.unwritten()), (0, 0));
    }

    #[test]
    fn renewal_is_due_at_half() {
        let meter = meter(Algorithm::Aes256Gcm, 256);
        let mut spent = 1;
        while spent < 256 && (meter.take(1) || meter.take_more(1) != Taken::RenewSoon) {
            spent += 1;
        }
        assert!((112..=144).contains(&spent), "{spent}");
        meter.renewal_failed();
        empty_shard(&meter);
        assert_eq!(meter.take_more(1), Taken::Enough);
        std::thread::sleep(std::time::Duration::from_millis(RETRY_MILLISECONDS + 50));
        empty_shard(&meter);
        assert_eq!(meter.take_more(1), Taken::RenewSoon);
    }

    /// What a thread takes it spends without the pool; of the pool, half is spent before more is asked for.
    #[test]
    fn a_thread_takes_a_share_at_a_time() {
        let meter = meter(Algorithm::Aes256Gcm, 100 * SHARE);
        assert_eq!(meter.take_more(50 * SHARE - 100), Taken::Enough);
        assert!((0..100).all(|_| meter.take(1)) && !meter.take(1));
        assert_eq!(meter.take_more(1), Taken::RenewSoon);
    }

    #[test]
    fn threads_get_all_the_shards() {
        let shard = || std::thread::spawn(|| (shard_of_thread(), shard_of_thread())).join().unwrap();
        let got: Vec<_> = (0..9 * SHARDS).map(|_| shard()).collect();
        assert!(got.iter().all(|(first, again)| first == again && *first < SHARDS));
        assert!((0..SHARDS).all(|shard| got.contains(&(shard, shard))));
    }

    #[test]
    fn leases_double_up_to_the_largest() {
        let meter = meter(Algorithm::Aes256Gcm, 0);
        let mut sizes = Vec::new();
        for _ in 0..15 {
            let next = meter.next_allotment(1);
            sizes.push(next);
            meter.allot(next);
        }
        assert_eq!(sizes[..3], [256, 512, 1024]);
        assert_eq!(sizes[12..], [1 << 20; 3]);
        assert_eq!(meter.next_allotment(1 << 21), 1 << 21);
    }

    #[test]
    fn what_is_counted_later_is_known_until_it_is_written() {
        let meter = meter(Algorithm::Aes256GcmSiv, 1000);
        assert_eq!(meter.unwritten(), 0);
        assert_eq!(meter.take_more(30), Taken::Enough);
        assert!(meter.take(5));
        assert_eq!((meter.unwritten(), meter.left()), (35, 965));
        meter.wrote(35);
        assert_eq!(meter.unwritten(), 0);
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let meter = meter(Algorithm::Aes256GcmSiv, 100);
        assert_eq!(meter.take_more(10), Taken::Enough);
        meter.give_back(10);
        assert_eq!((meter.left(), meter.unwritten()), (100, 0));
    }

    /// AES-256-GCM breaks where its messages were not counted: a lease is on disk before it is spent.
    #[test]
    fn a_meter_is_of_its_version_and_algorithm() {
        let (strict, lax) = (Meter::new(7, Algorithm::Aes256Gcm), Meter::new(8, Algorithm::Aes256GcmSiv));
        assert_eq!((strict.version(), lax.version()), (7, 8));
        assert!(strict.leases() && !lax.leases());
    }

    #[test]
    fn a_count_does_not_go_back_within_a_generation() {
        let meter = meter(Algorithm::Aes256Gcm, 0);
        assert!(meter.saw(500, 3) && meter.saw(500, 3));
        assert!(!meter.saw(499, 3));
        // A restored backup has a generation of its own.
        assert!(meter.saw(400, 4));
        assert_eq!(meter.free(), limits::messages(Algorithm::Aes256Gcm) - 400);
        assert!(!meter.is_exhausted());
        assert!(meter.saw(meter.limit(), 4) && meter.is_exhausted() && meter.free() == 0);
    }
}
