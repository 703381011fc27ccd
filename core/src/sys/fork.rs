//! Noticing a fork, and keeping locks whole across one.
#![allow(unsafe_code)]

use std::mem::{ManuallyDrop, transmute};
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::primitives::Failure;

/// A number that is another one in a child than in its parent, after any kind of fork, even a bare `clone`
/// system call. One load and one comparison; never zero.
#[inline]
pub(crate) fn epoch() -> u64 {
    let cell = CELL.load(Ordering::Acquire);
    if !cell.is_null() {
        // SAFETY: CELL only ever holds null or a pointer that stays valid for the life of the process.
        let epoch = unsafe { &*cell }.load(Ordering::Acquire);
        if epoch != 0 {
            return epoch;
        }
    }
    renew_epoch()
}

/// Where the epoch is kept: a page that the kernel wipes in a child, or [`PLAIN`].
static CELL: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// Keeps the epoch where the kernel wipes no pages; a fork handler zeroes it.
static PLAIN: AtomicU64 = AtomicU64::new(0);

/// The last epoch given out. A child inherits it, so its next one is none that this memory has seen.
static LAST: AtomicU64 = AtomicU64::new(0);

/// On first use, and first in a child.
#[cold]
fn renew_epoch() -> u64 {
    let cell = epoch_cell();
    let fresh = LAST.fetch_add(1, Ordering::AcqRel) + 1;
    match cell.compare_exchange(0, fresh, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => fresh,
        Err(of_another_thread) => of_another_thread,
    }
}

/// Takes no lock: a fork in the middle leaves nothing that a child would wait for.
fn epoch_cell() -> &'static AtomicU64 {
    let known = CELL.load(Ordering::Acquire);
    let cell = if known.is_null() { publish_cell() } else { known };
    // SAFETY: never null here, and valid for the life of the process.
    unsafe { &*cell }
}

fn publish_cell() -> *mut AtomicU64 {
    let ours = wiped_page::map().unwrap_or_else(plain_cell);
    match CELL.compare_exchange(ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => ours,
        // Another thread was first. Our page is left mapped: it is one page, once.
        Err(of_another_thread) => of_another_thread,
    }
}

fn plain_cell() -> *mut AtomicU64 {
    extern "C" fn zero_in_child() {
        PLAIN.store(0, Ordering::Release);
    }
    // SAFETY: the handler makes one atomic store, which is safe at any moment. Should registering fail there
    // is no memory for a list entry, and the process has little life left.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(zero_in_child)) };
    (&raw const PLAIN).cast_mut()
}

/// A page that reads as zeros in a child.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod wiped_page {
    use std::ptr;
    use std::sync::atomic::AtomicU64;

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    const LENGTH: usize = 4 * 1024;

    /// None where the kernel is older than 4.14 or forbids it.
    pub(super) fn map() -> Option<*mut AtomicU64> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so that nothing existing is replaced.
        let page = unsafe { mmap_anonymous(ptr::null_mut(), LENGTH, protection, MapFlags::PRIVATE) }.ok()?;
        // SAFETY: the page is ours, and empty.
        if unsafe { madvise(page, LENGTH, Advice::LinuxWipeOnFork) }.is_err() {
            // SAFETY: nobody else knows of the page.
            let _ = unsafe { munmap(page, LENGTH) };
            return None;
        }
        Some(page.cast())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod wiped_page {
    /// Such pages are Linux's own.
    pub(super) fn map() -> Option<*mut std::sync::atomic::AtomicU64> {
        None
    }
}

/// Has `prepare` run before every fork, then `parent` and `child` after it, each in its process. Registered
/// once per process: later calls do nothing. Call it before other threads may fork. A handler that panics
/// ends the process.
pub(crate) fn install(prepare: fn(), parent: fn(), child: fn()) -> Result<(), Failure> {
    let handlers = HANDLERS.get_or_init(|| Handlers { prepare, parent, child });
    let registered = *REGISTERED.get_or_init(|| register(handlers));
    if registered { Ok(()) } else { Err(Failure) }
}

struct Handlers {
    prepare: fn(),
    parent: fn(),
    child: fn(),
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();
static REGISTERED: OnceLock<bool> = OnceLock::new();

fn register(_installed: &Handlers) -> bool {
    // SAFETY: the three functions are valid for the life of the process.
    unsafe { libc::pthread_atfork(Some(run_prepare), Some(run_parent), Some(run_child)) == 0 }
}

extern "C" fn run_prepare() {
    if let Some(handlers) = HANDLERS.get() {
        (handlers.prepare)();
    }
}

extern "C" fn run_parent() {
    if let Some(handlers) = HANDLERS.get() {
        (handlers.parent)();
    }
}

extern "C" fn run_child() {
    if let Some(handlers) = HANDLERS.get() {
        (handlers.child)();
    }
}

/// A lock that is held, together with the mutex it belongs to, so that it can be kept from the handler before
/// a fork to the one after it. Drop it on the thread that took it.
pub(crate) struct HeldLock<T: 'static> {
    guard: ManuallyDrop<MutexGuard<'static, T>>,
    mutex: ManuallyDrop<Arc<Mutex<T>>>,
}

impl<T: 'static> HeldLock<T> {
    /// Waits for the lock. A panic of an earlier holder is ignored.
    pub(crate) fn take(mutex: Arc<Mutex<T>>) -> Self {
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the guard borrows the mutex inside the Arc's allocation, which does not move and lives as
        // long as `self.mutex`; `drop` lets go of the guard first, and no method gives it away.
        let guard = unsafe { transmute::<MutexGuard<'_, T>, MutexGuard<'static, T>>(guard) };
        Self { guard: ManuallyDrop::new(guard), mutex: ManuallyDrop::new(mutex) }
    }
}

impl<T> Deref for HeldLock<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for HeldLock<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for HeldLock<T> {
    fn drop(&mut self) {
        // SAFETY: each is dropped once, here, and the guard before the mutex that it borrows.
        unsafe {
            ManuallyDrop::drop(&mut self.guard);
            ManuallyDrop::drop(&mut self.mutex);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::primitives::draw_nonce;

    #[test]
    fn the_epoch_stays_the_same_without_a_fork() {
        let first = epoch();
        assert_ne!(first, 0);
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(epoch)).collect();
        assert!(others.into_iter().all(|thread| thread.join().unwrap() == first));
        assert_eq!(epoch(), first);
    }

    #[test]
    fn the_epoch_is_another_in_a_child() {
        let ours = epoch();
        let childs = u64::from_ne_bytes(in_child(|| epoch().to_ne_bytes()));
        assert_ne!(childs, 0);
        assert_ne!(childs, ours);
        assert_eq!(epoch(), ours);
    }

    #[test]
    fn the_epoch_is_another_in_a_grandchild() {
        let ours = epoch();
        let [childs, grandchilds] = unpack(in_child(|| {
            let childs = epoch();
            let grandchilds = in_child(|| epoch().to_ne_bytes());
            pack([childs, u64::from_ne_bytes(grandchilds)])
        }));
        assert!(childs != ours && grandchilds != ours && grandchilds != childs);
    }

    /// Runs no fork handlers, so that only the wiped page can tell.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_epoch_is_another_after_a_bare_clone() {
        let ours = epoch();
        let childs = u64::from_ne_bytes(in_cloned_child(|| epoch().to_ne_bytes()));
        assert!(childs != 0 && childs != ours);
    }

    /// What serves where the kernel wipes no pages.
    #[test]
    fn the_plain_cell_is_zeroed_in_a_child() {
        // SAFETY: PLAIN is a static.
        let cell = unsafe { &*plain_cell() };
        cell.store(5, Ordering::Release);
        let childs = u64::from_ne_bytes(in_child(|| cell.load(Ordering::Acquire).to_ne_bytes()));
        assert_eq!(childs, 0);
        assert_eq!(cell.load(Ordering::Acquire), 5);
    }

    #[test]
    fn parent_and_child_draw_different_nonces() {
        check_nonces(in_child(draw));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn parent_and_child_of_a_bare_clone_draw_different_nonces() {
        // The first draw of a thread allocates. No fork handler sees to it that another thread's lock in malloc, held at
        // the moment of a bare clone, is let go of in the child.
        draw();
        check_nonces(in_cloned_child(draw));
    }

    fn check_nonces(of_child: [u8; 24]) {
        let of_parent = draw();
        assert_ne!(of_child, [0; 24]);
        assert_ne!(of_child, of_parent);
    }

    fn draw() -> [u8; 24] {
        let mut nonce = [0; 24];
        draw_nonce(&mut nonce).unwrap();
        nonce
    }

    /// The generator had made its next bytes already when the process forked: without a reseed both sides would
    /// draw the same ones.
    #[test]
    fn bytes_made_before_the_fork_are_not_drawn_after_it() {
        draw();
        let [one, other] = [in_child(draw), in_child(draw)];
        let ours = draw();
        assert!(one != other && one != ours && other != ours);
    }

    #[test]
    fn handlers_run_in_their_processes() {
        static PREPARED: AtomicUsize = AtomicUsize::new(0);
        static PARENT: AtomicUsize = AtomicUsize::new(0);
        static CHILD: AtomicUsize = AtomicUsize::new(0);
        let count = || [&PREPARED, &PARENT, &CHILD].map(|counter| counter.load(Ordering::Relaxed));
        let install_all = || {
            install(
                || _ = PREPARED.fetch_add(1, Ordering::Relaxed),
                || _ = PARENT.fetch_add(1, Ordering::Relaxed),
                || _ = CHILD.fetch_add(1, Ordering::Relaxed),
            )
        };
        // In a child, so that the handlers do not stay for the other tests.
        let ran = in_child(|| {
            assert_eq!(install_all(), Ok(()));
            assert_eq!(install_all(), Ok(()));
            let in_grandchild = in_child(|| count().map(|times| times as u8));
            let [prepared, parent, child] = count().map(|times| times as u8);
            [prepared, parent, child, in_grandchild[0], in_grandchild[1], in_grandchild[2]]
        });
        assert_eq!(ran, [1, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_held_lock_excludes_others_and_lets_go() {
        let mutex = Arc::new(Mutex::new(1));
        let mut held = HeldLock::take(Arc::clone(&mutex));
        *held += 1;
        assert!(mutex.try_lock().is_err());
        drop(held);
        assert_eq!(*mutex.try_lock().unwrap(), 2);
    }

    #[test]
    fn a_held_lock_keeps_its_mutex() {
        let mutex = Arc::new(Mutex::new(vec![1, 2, 3]));
        let weak = Arc::downgrade(&mutex);
        let held = HeldLock::take(mutex);
        assert!(weak.upgrade().is_some());
        assert_eq!(*held, [1, 2, 3]);
        drop(held);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn a_poisoned_lock_is_held_all_the_same() {
        let mutex = Arc::new(Mutex::new(7));
        let theirs = Arc::clone(&mutex);
        let poisoned = std::thread::spawn(move || {
            let _held = theirs.lock().unwrap();
            panic!("to poison the lock");
        });
        assert!(poisoned.join().is_err());
        assert_eq!(*HeldLock::take(mutex), 7);
    }

    /// A fork while other threads take and give back the lock leaves a child that can still take it.
    #[test]
    fn a_lock_held_across_fork_is_free_in_the_child() {
        let mutex = Arc::new(Mutex::new(0_u64));
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (theirs, until) = (Arc::clone(&mutex), Arc::clone(&stop));
        let busy = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                *theirs.lock().unwrap() += 1;
            }
        });
        for _ in 0..50 {
            let mut held = Some(HeldLock::take(Arc::clone(&mutex)));
            let taken = in_child(|| {
                held = None;
                [u8::from(mutex.try_lock().is_ok())]
            });
            assert_eq!(taken, [1]);
        }
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    }

    /// What `work` returns in a forked child. It must not wait for locks that other threads may hold.
    pub(crate) fn in_child<const LENGTH: usize>(work: impl FnOnce() -> [u8; LENGTH]) -> [u8; LENGTH] {
        // SAFETY: the child runs `work` and ends.
        run_in_child(|| unsafe { libc::fork() }, work)
    }

    /// The same, past the C library and its fork handlers.
    #[cfg(target_os = "linux")]
    fn in_cloned_child<const LENGTH: usize>(work: impl FnOnce() -> [u8; LENGTH]) -> [u8; LENGTH] {
        let none = ptr::null_mut::<libc::c_void>();
        // SAFETY: without flags or stack `clone` is a fork; all of its pointers are null, in whatever order.
        run_in_child(
            || unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, none, none, none, none) as i32 },
            work,
        )
    }

    fn run_in_child<const LENGTH: usize>(
        fork: impl FnOnce() -> libc::pid_t,
        work: impl FnOnce() -> [u8; LENGTH],
    ) -> [u8; LENGTH] {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        let child = fork();
        assert!(child >= 0, "fork failed");
        if child == 0 {
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: writes from a live array to our own pipe, and ends the child without running anything else.
            unsafe {
                if let Ok(answer) = answer {
                    libc::write(ends[1], answer.as_ptr().cast(), LENGTH);
                }
                libc::_exit(0);
            }
        }
        let mut answer = [0; LENGTH];
        // SAFETY: reads into a live array; the descriptors are ours and closed once; the child is ours.
        let read = unsafe {
            libc::close(ends[1]);
            let read = libc::read(ends[0], answer.as_mut_ptr().cast(), LENGTH);
            libc::close(ends[0]);
            libc::waitpid(child, ptr::null_mut(), 0);
            read
        };
        assert_eq!(read, LENGTH as isize, "the child gave its answer");
        answer
    }

    fn pack([first, second]: [u64; 2]) -> [u8; 16] {
        std::array::from_fn(|at| if at < 8 { first.to_ne_bytes()[at] } else { second.to_ne_bytes()[at - 8] })
    }

    fn unpack(packed: [u8; 16]) -> [u64; 2] {
        let [first, second] = [&packed[..8], &packed[8..]];
        [first, second].map(|half| u64::from_ne_bytes(half.try_into().unwrap()))
    }
}
