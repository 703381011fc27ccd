//! Values that leave no bytes behind: some ciphers keep their key schedule in plain fields and do not clean
//! them when dropped.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, align_of, size_of};
use std::ops::{Deref, DerefMut};

use super::pages::SecretBytes;

/// A value that lives in locked memory and is wiped when dropped.
pub(crate) struct Locked<T> {
    slot: SecretBytes,
    owns: PhantomData<T>,
}

impl<T> Locked<T> {
    /// Moves what `make` returns into locked memory, and wipes the stack that `make` used.
    pub(crate) fn new(make: impl FnOnce() -> T) -> Self {
        let mut slot = SecretBytes::zeroed(size_of::<T>().max(align_of::<T>()));
        let place = slot.expose_mut().as_mut_ptr().cast::<T>();
        assert!(place.is_aligned(), "a slot is aligned to its size, or to a page");
        build_at(place, make);
        zeroize::zeroize_stack::<STACK_OF_KEY_SETUP>();
        Self { slot, owns: PhantomData }
    }
}

/// What expanding a key may use of the stack: the key schedule, a few copies of it and a backend's frames.
const STACK_OF_KEY_SETUP: usize = 16 * 1024;

/// Kept out of line, so that its frame lies where the caller wipes.
#[inline(never)]
fn build_at<T>(place: *mut T, make: impl FnOnce() -> T) {
    // SAFETY: the only caller passes an aligned pointer to `size_of::<T>()` bytes that it alone owns.
    unsafe { place.write(make()) }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `new` wrote a valid T here; it is dropped only in `drop`, and nobody else has the slot.
        unsafe { &*self.slot.expose().as_ptr().cast::<T>() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: the slot holds a valid T, which is never used again; the slot wipes itself afterwards.
        unsafe { self.slot.expose_mut().as_mut_ptr().cast::<T>().drop_in_place() }
    }
}

/// A value on the stack whose bytes are wiped once it is dropped.
pub(crate) struct Wiped<T>(ManuallyDrop<T>);

impl<T> Wiped<T> {
    /// Takes the value in.
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Wiped<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Wiped<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Wiped<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: dropped here once, and never used again.
        unsafe { ManuallyDrop::drop(&mut self.0) };
        let value = &raw mut self.0;
        // SAFETY: these are the bytes of our own field, whose value is gone.
        unsafe { value.write_bytes(0, 1) };
        // Zeros that the compiler must take to be read, and so cannot leave out: many bytes at a time, where
        // volatile writes go one by one and take longer than the message does.
        black_box(value);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Aligned more strictly than most, and counts its drops.
    #[repr(align(64))]
    struct Counted<'a>([u8; 100], &'a AtomicUsize);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            assert_eq!(self.0, [0xa5; 100]);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_locked_value_is_kept_and_dropped_once() {
        let drops = AtomicUsize::new(0);
        let locked = Locked::new(|| Counted([0xa5; 100], &drops));
        assert_eq!(locked.0, [0xa5; 100]);
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(locked);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    /// In a child, where no other thread takes the slot before we look.
    #[test]
    fn a_locked_value_leaves_zeros() {
        let held = crate::sys::pages::hold_for_fork();
        let wiped = crate::sys::fork::tests::in_child(|| {
            drop(held);
            let locked = Locked::new(|| [0xa5_u8; 1_000]);
            let start = locked.slot.expose().as_ptr();
            drop(locked);
            // SAFETY: slots stay mapped for the life of the process, and no other thread is there to take it.
            let left = unsafe { std::slice::from_raw_parts(start, 1_000) };
            [u8::from(left.iter().all(|byte| *byte == 0))]
        });
        assert_eq!(wiped, [1]);
    }

    #[test]
    fn a_locked_value_larger_than_any_slot_works() {
        let locked = Locked::new(|| [7_u64; 1_000]);
        assert_eq!(locked[999], 7);
    }

    #[test]
    fn a_wiped_value_is_dropped_once_and_leaves_zeros() {
        let drops = AtomicUsize::new(0);
        let mut place = MaybeUninit::new(Wiped::new(Counted([0xa5; 100], &drops)));
        // SAFETY: the value was just written, and is not used after.
        unsafe { place.assume_init_drop() };
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        // SAFETY: the drop wrote every byte of the place.
        let bytes =
            unsafe { std::slice::from_raw_parts(place.as_ptr().cast::<u8>(), size_of::<Counted<'_>>()) };
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}
