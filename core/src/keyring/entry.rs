//! The place of one key in the keyring: its latest snapshot, and which generation it was verified against.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};

use crate::keyring::Snapshot;

/// A snapshot in use; while it is held, closing waits.
pub(crate) type Loaded = Guard<Option<Arc<Snapshot>>>;

/// One key that was asked for.
pub(crate) struct Entry {
    key_id: String,
    snapshot: ArcSwapOption<Snapshot>,
    verified: AtomicU64,
}

impl Entry {
    pub(crate) fn new(key_id: &str, snapshot: Arc<Snapshot>, generation: u64) -> Self {
        Self {
            key_id: key_id.to_owned(),
            snapshot: ArcSwapOption::new(Some(snapshot)),
            verified: AtomicU64::new(generation),
        }
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The snapshot; `None` inside once the store is closed.
    #[inline]
    pub(crate) fn load(&self) -> Loaded {
        self.snapshot.load()
    }

    pub(crate) fn load_full(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// The generation against which the snapshot was verified.
    #[inline]
    pub(crate) fn verified(&self) -> u64 {
        self.verified.load(Ordering::Acquire)
    }

    /// Puts a snapshot in place, then says how new it is.
    pub(crate) fn replace(&self, snapshot: Arc<Snapshot>, generation: u64) {
        self.snapshot.store(Some(snapshot));
        self.verified.store(generation, Ordering::Release);
    }

    /// Takes the keys away and waits for calls in flight, until `patience` ends.
    pub(crate) fn close(&self, patience: Instant) {
        let Some(last) = self.snapshot.swap(None) else { return };
        while Arc::strong_count(&last) > 1 && Instant::now() < patience {
            std::thread::yield_now();
        }
    }
}
