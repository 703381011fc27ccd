//! fork(): connections are closed before, and reopened by whoever needs one after.
//!
//! A child that went on with its parent's SQLite connection would share its locks by mistake and lose commits.
//! So before a fork the forking thread takes every lock under which SQLite runs, closes the connections, and
//! lets go of the locks on both sides afterwards. Unwrapped keys stay usable in both.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::error::Result;
use crate::records::sqlite::Database;
use crate::store::denials::Denials;
use crate::store::shared::{Reader, Shared, lock};
use crate::sys::fork::{self, HeldLock};
use crate::sys::pages;

/// Held while a connection is used that no open store owns: opening and creating.
static OPENING: Mutex<()> = Mutex::new(());
static STORES: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

/// What of a store a fork must take hold of.
struct Registered {
    writer: Weak<Mutex<Database>>,
    reader: Weak<Mutex<Reader>>,
    denials: Weak<Mutex<Denials>>,
}

/// Everything that is held across a fork, let go in this order.
struct Held {
    arena: MutexGuard<'static, pages::Arena>,
    _denials: Vec<HeldLock<Denials>>,
    _readers: Vec<HeldLock<Reader>>,
    _writers: Vec<HeldLock<Database>>,
    _stores: MutexGuard<'static, Vec<Registered>>,
    _opening: MutexGuard<'static, ()>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// Keeps a fork away while a store is opened or made; the handlers are in place from the first time on.
pub(super) fn opening() -> Result<MutexGuard<'static, ()>> {
    fork::install(prepare, parent, child)?;
    Ok(lock(&OPENING))
}

/// Has forks take hold of this store.
pub(super) fn register(shared: &Shared) {
    let mut stores = lock(&STORES);
    stores.retain(|store| store.reader.strong_count() > 0);
    stores.push(Registered {
        writer: Arc::downgrade(&shared.writer),
        reader: Arc::downgrade(&shared.reader),
        denials: Arc::downgrade(&shared.denials),
    });
}

fn prepare() {
    let opening = lock(&OPENING);
    let stores = lock(&STORES);
    // Writers first, as everywhere.
    let mut writers: Vec<_> =
        stores.iter().filter_map(|store| store.writer.upgrade()).map(HeldLock::take).collect();
    let mut readers: Vec<_> =
        stores.iter().filter_map(|store| store.reader.upgrade()).map(HeldLock::take).collect();
    let denials = stores.iter().filter_map(|store| store.denials.upgrade()).map(HeldLock::take).collect();
    writers.iter_mut().for_each(|database| database.disconnect());
    readers.iter_mut().for_each(|reader| reader.database.disconnect());
    let held = Held {
        _denials: denials,
        _readers: readers,
        _writers: writers,
        _stores: stores,
        _opening: opening,
        arena: pages::hold_for_fork(),
    };
    // Where the thread is already ending, the locks go now: nothing else of the thread will run.
    let _ = HELD.try_with(|slot| *slot.borrow_mut() = Some(held));
}

fn parent() {
    let _ = HELD.try_with(|slot| drop(slot.borrow_mut().take()));
}

fn child() {
    let _ = HELD.try_with(|slot| {
        let mut slot = slot.borrow_mut();
        if let Some(held) = slot.as_mut() {
            // Locked pages are not inherited.
            pages::relock_after_fork(&mut held.arena);
        }
        drop(slot.take());
    });
}
