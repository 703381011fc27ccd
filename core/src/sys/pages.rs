//! Memory for secrets: mapped apart from the heap, locked where the system allows it, left out of core dumps,
//! wiped when freed.
//!
//! Small secrets share regions of 64 KiB, cut into chunks of 4 KiB, each of which holds slots of one size;
//! regions are kept for the life of the process. A larger secret has a mapping of its own.
#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

use crate::primitives::{Failure, random_bytes};

/// A secret of fixed length in locked memory, wiped when dropped. It cannot be cloned or printed.
pub(crate) struct SecretBytes {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: it owns its bytes alone, and hands them out under the usual rules of & and &mut.
unsafe impl Send for SecretBytes {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for SecretBytes {}

impl SecretBytes {
    /// `length` zeros. Ends the process, as any Rust allocation does, where the system has no memory left.
    pub(crate) fn zeroed(length: usize) -> Self {
        Self { start: lock_arena().take(length), length }
    }

    /// `length` random bytes from the kernel.
    pub(crate) fn random(length: usize) -> Result<Self, Failure> {
        let mut secret = Self::zeroed(length);
        random_bytes(secret.expose_mut())?;
        Ok(secret)
    }

    /// A copy of `source`, which its owner still has to wipe.
    pub(crate) fn copied(source: &[u8]) -> Self {
        Self::fill_with(source.len(), |bytes| bytes.copy_from_slice(source))
    }

    /// What `fill` writes into `length` zeros.
    pub(crate) fn fill_with(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = Self::zeroed(length);
        fill(secret.expose_mut());
        secret
    }

    /// The bytes.
    #[inline]
    pub(crate) fn expose(&self) -> &[u8] {
        // SAFETY: `start` points to at least `length` initialised bytes that we own until we are dropped.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes, to be changed.
    #[inline]
    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `expose`, and `&mut self` excludes every other reference.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// The bytes of a secret made with a length of 32. Panics for any other length: where the length comes
    /// from outside, use [`SecretBytes::try_expose_32`].
    #[inline]
    pub(crate) fn expose_32(&self) -> &[u8; 32] {
        self.try_expose_32().expect("a secret of 32 bytes")
    }

    /// The bytes, if there are exactly 32.
    #[inline]
    pub(crate) fn try_expose_32(&self) -> Option<&[u8; 32]> {
        self.expose().try_into().ok()
    }

    /// How many bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.expose_mut().zeroize();
        lock_arena().give_back(self.start, self.length);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretBytes(..)")
    }
}

/// How much of the memory for secrets the system agreed to keep out of swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryStatus {
    /// Bytes that cannot be swapped out.
    pub(crate) locked_bytes: usize,
    /// Bytes that could not be locked, mostly for want of RLIMIT_MEMLOCK.
    pub(crate) unlocked_bytes: usize,
}

/// The state of the memory for secrets.
pub(crate) fn status() -> MemoryStatus {
    lock_arena().status()
}

/// The allocator's lock, to be held across fork so that the child finds it consistent and free.
pub(crate) fn hold_for_fork() -> MutexGuard<'static, Arena> {
    lock_arena()
}

/// Locks all regions again in the child, which inherits the memory but not its locks. Makes only system calls.
pub(crate) fn relock_after_fork(arena: &mut Arena) {
    arena.mappings.iter_mut().for_each(Mapping::lock);
}

fn lock_arena() -> MutexGuard<'static, Arena> {
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

static ARENA: Mutex<Arena> = Mutex::new(Arena::new());

const REGION: usize = 64 * 1024;
const CHUNK: usize = 4 * 1024;
const SMALLEST_SLOT: usize = 32;
/// 32, 64, 128, 256, 512, 1,024, 2,048 and 4,096 bytes.
const CLASSES: usize = (CHUNK / SMALLEST_SLOT).ilog2() as usize + 1;

/// The allocator behind [`SecretBytes`]: mappings, and what is free in them.
pub(crate) struct Arena {
    mappings: Vec<Mapping>,
    free: [Vec<NonNull<u8>>; CLASSES],
    unused: *mut u8,
    unused_length: usize,
}

// SAFETY: its pointers are to mappings that belong to the process, not to a thread.
unsafe impl Send for Arena {}

impl Arena {
    const fn new() -> Self {
        Self {
            mappings: Vec::new(),
            free: [const { Vec::new() }; CLASSES],
            unused: ptr::null_mut(),
            unused_length: 0,
        }
    }

    /// At least `length` zeroed bytes, aligned to the slot's size or to a page.
    fn take(&mut self, length: usize) -> NonNull<u8> {
        let Some(class) = class_of(length) else { return self.map(length) };
        if self.free[class].is_empty() {
            self.cut_chunk(class);
        }
        self.free[class].pop().expect("a chunk was just cut into slots")
    }

    /// Takes back what `take(length)` gave, already wiped.
    fn give_back(&mut self, start: NonNull<u8>, length: usize) {
        match class_of(length) {
            Some(class) => self.free[class].push(start),
            None => self.unmap(start),
        }
    }

    /// Makes the slots of one more chunk available.
    fn cut_chunk(&mut self, class: usize) {
        if self.unused_length == 0 {
            self.unused = self.map(REGION).as_ptr();
            self.unused_length = REGION;
        }
        let size = SMALLEST_SLOT << class;
        let slots = CHUNK / size;
        self.free[class].reserve(slots);
        for slot in (0..slots).rev() {
            // SAFETY: the chunk is the first 4 KiB of what is unused of a region, and not null.
            self.free[class].push(unsafe { NonNull::new_unchecked(self.unused.add(slot * size)) });
        }
        self.unused_length -= CHUNK;
        // SAFETY: stays within the region, or one past its end once nothing is left.
        self.unused = unsafe { self.unused.add(CHUNK) };
    }

    /// Maps at least `length` zeroed bytes, and locks them if the system lets us.
    fn map(&mut self, length: usize) -> NonNull<u8> {
        let mapping = Mapping::new(length).unwrap_or_else(|| out_of_memory(length));
        self.mappings.push(mapping);
        mapping.start
    }

    fn unmap(&mut self, start: NonNull<u8>) {
        let found = self.mappings.iter().position(|mapping| mapping.start == start);
        let mapping = self.mappings.swap_remove(found.expect("a large secret has its own mapping"));
        mapping.release();
    }

    fn status(&self) -> MemoryStatus {
        let sum =
            |locked| self.mappings.iter().filter(|each| each.locked == locked).map(|each| each.length).sum();
        MemoryStatus { locked_bytes: sum(true), unlocked_bytes: sum(false) }
    }
}

/// The class whose slots hold `length` bytes; none for what needs a mapping of its own.
fn class_of(length: usize) -> Option<usize> {
    let size = length.max(SMALLEST_SLOT).checked_next_power_of_two()?;
    (size <= CHUNK).then(|| (size / SMALLEST_SLOT).ilog2() as usize)
}

fn out_of_memory(length: usize) -> ! {
    handle_alloc_error(Layout::from_size_align(length, CHUNK).unwrap_or(Layout::new::<u8>()))
}

/// One anonymous mapping.
#[derive(Clone, Copy)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
    locked: bool,
}

impl Mapping {
    fn new(length: usize) -> Option<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so that nothing existing is replaced.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, protection, MapFlags::PRIVATE) }.ok()?;
        let mut mapping = Self { start: NonNull::new(start.cast())?, length, locked: false };
        mapping.leave_out_of_dumps();
        mapping.lock();
        Some(mapping)
    }

    /// Best effort: whether it worked is kept for [`status`].
    fn lock(&mut self) {
        // SAFETY: the range is ours, and locking changes no contents.
        self.locked = unsafe { mlock(self.start.as_ptr().cast(), self.length) }.is_ok();
    }

    /// Best effort, for systems that know how.
    fn leave_out_of_dumps(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::mm::{Advice, madvise};
            // SAFETY: the range is ours, and the advice changes no contents.
            let _ = unsafe { madvise(self.start.as_ptr().cast(), self.length, Advice::LinuxDontDump) };
        }
    }

    /// Gives the memory back to the system, which unlocks it too.
    fn release(self) {
        // SAFETY: the mapping is ours, whole, and nobody refers to it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SIZES: [usize; 17] =
        [0, 1, 31, 32, 33, 64, 65, 127, 128, 500, 1_024, 2_048, 4_095, 4_096, 4_097, 65_536, 300_000];

    #[test]
    fn classes_hold_what_they_are_chosen_for() {
        for length in 0..=CHUNK {
            let size = SMALLEST_SLOT << class_of(length).unwrap();
            assert!(size >= length && (size == SMALLEST_SLOT || size / 2 < length), "{length} in {size}");
        }
        assert_eq!(class_of(CHUNK), Some(CLASSES - 1));
        assert_eq!(class_of(CHUNK + 1), None);
        assert_eq!(class_of(usize::MAX), None);
    }

    #[test]
    fn secrets_of_all_sizes_are_zeros_at_first_and_keep_what_is_written() {
        for size in SIZES {
            let mut secret = SecretBytes::zeroed(size);
            assert_eq!(secret.len(), size);
            assert!(secret.expose().iter().all(|byte| *byte == 0));
            secret.expose_mut().fill(0x77);
            assert_eq!(secret.expose(), vec![0x77; size]);
        }
    }

    /// An arena of our own, so that no other test takes the slot in between.
    #[test]
    fn a_freed_slot_is_used_again() {
        let mut arena = Arena::new();
        for size in [1, 32, 100, 4_096] {
            let first = arena.take(size);
            arena.give_back(first, size);
            assert_eq!(arena.take(size), first);
        }
        arena.mappings.into_iter().for_each(Mapping::release);
    }

    /// In a child, where no other thread takes the slot before we look.
    #[test]
    fn a_dropped_secret_leaves_zeros() {
        for size in SIZES.into_iter().filter(|size| (1..=CHUNK).contains(size)) {
            let held = hold_for_fork();
            let wiped = crate::sys::fork::tests::in_child(|| {
                drop(held);
                let secret = SecretBytes::copied(&vec![0xee; size]);
                let (start, length) = (secret.start, secret.length);
                drop(secret);
                // SAFETY: slots stay mapped for the life of the process, and no other thread is there to take it.
                let left = unsafe { slice::from_raw_parts(start.as_ptr(), length) };
                [u8::from(left.iter().all(|byte| *byte == 0))]
            });
            assert_eq!(wiped, [1]);
        }
    }

    #[test]
    fn live_secrets_do_not_overlap() {
        let fill = |index: usize| {
            let size = SIZES[index % SIZES.len()].min(5_000);
            SecretBytes::fill_with(size, |bytes| bytes.fill(index as u8))
        };
        let mut secrets: HashMap<usize, SecretBytes> = (0..2_000).map(|index| (index, fill(index))).collect();
        // Free every third, and take as many again, in slots used before.
        for index in (0..2_000).step_by(3) {
            secrets.insert(index, fill(index + 1));
        }
        for (index, secret) in &secrets {
            let expected = if index % 3 == 0 { index + 1 } else { *index };
            assert!(secret.expose().iter().all(|byte| *byte == expected as u8));
        }
        let mut ranges: Vec<_> = secrets.values().map(|secret| secret.expose().as_ptr_range()).collect();
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }

    #[test]
    fn threads_share_the_arena() {
        let work = |seed: usize| {
            for round in 0..2_000 {
                let size = SIZES[(seed + round) % SIZES.len()].min(5_000);
                let secret = SecretBytes::fill_with(size, |bytes| {
                    assert!(bytes.iter().all(|byte| *byte == 0), "a slot taken is wiped");
                    bytes.fill(seed as u8 + 1);
                });
                std::thread::yield_now();
                assert!(secret.expose().iter().all(|byte| *byte == seed as u8 + 1));
            }
        };
        let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || work(seed))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn it_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", SecretBytes::copied(b"secret")), "SecretBytes(..)");
        assert_eq!(format!("{:#?}", SecretBytes::copied(b"secret")), "SecretBytes(..)");
    }

    #[test]
    fn only_32_bytes_are_shown_as_32_bytes() {
        assert_eq!(SecretBytes::copied(&[4; 32]).expose_32(), &[4; 32]);
        assert!(SecretBytes::copied(&[4; 31]).try_expose_32().is_none());
        assert!(SecretBytes::copied(&[4; 33]).try_expose_32().is_none());
    }

    #[test]
    fn random_secrets_differ() {
        assert_ne!(SecretBytes::random(32).unwrap().expose(), SecretBytes::random(32).unwrap().expose());
    }

    #[test]
    fn all_memory_is_accounted_for() {
        let mut arena = Arena::new();
        assert_eq!(arena.status(), MemoryStatus { locked_bytes: 0, unlocked_bytes: 0 });
        arena.take(1);
        let large = arena.take(100_000);
        let total = |status: MemoryStatus| status.locked_bytes + status.unlocked_bytes;
        assert_eq!(total(arena.status()), REGION + 100_000);
        arena.give_back(large, 100_000);
        assert_eq!(total(arena.status()), REGION);
        arena.mappings.into_iter().for_each(Mapping::release);
    }

    /// Whether locking works depends on the system; what the status says must be so.
    #[cfg(target_os = "linux")]
    #[test]
    fn secrets_are_locked_and_left_out_of_dumps() {
        let secret = SecretBytes::copied(&[1; 32]);
        let flags = flags_of_mapping(secret.expose().as_ptr().addr());
        assert!(flags.contains(&"dd".to_owned()), "MADV_DONTDUMP among {flags:?}");
        assert_eq!(flags.contains(&"lo".to_owned()), status().unlocked_bytes == 0, "locked among {flags:?}");
    }

    /// A child inherits secrets but not their locks, until it locks them again.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_locks_secrets_again() {
        let mut arena = Arena::new();
        let address = arena.take(32).as_ptr().addr();
        let is_locked = || flags_of_mapping(address).contains(&"lo".to_owned());
        let ours = is_locked();
        let of_child = crate::sys::fork::tests::in_child(|| {
            let inherited = is_locked();
            relock_after_fork(&mut arena);
            [inherited, is_locked(), arena.status().unlocked_bytes == 0].map(u8::from)
        });
        assert_eq!(of_child, [false, ours, ours].map(u8::from));
        arena.mappings.into_iter().for_each(Mapping::release);
    }

    /// The flags of /proc/self/smaps for the mapping at an address.
    #[cfg(target_os = "linux")]
    fn flags_of_mapping(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((start, end)) = range
                && let (Ok(start), Ok(end)) =
                    (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                inside = (start..end).contains(&address);
            } else if let Some(flags) = line.strip_prefix("VmFlags:")
                && inside
            {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping at {address:x}");
    }
}
