//! Calls into the core: what may take long runs with other Python threads running, and panics become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyfold::ErrorKind;
use pyo3::prelude::*;

/// From so many bytes on, other Python threads run while the core encrypts or decrypts.
pub const LONG_BYTES: usize = 4096;

/// How many long calls run on a store. While one does, a short call may have to wait for it, and must not
/// keep other Python threads waiting as well.
#[derive(Clone, Default)]
pub struct LongCalls(Arc<AtomicUsize>);

impl LongCalls {
    /// Runs what may wait for the disk, for other processes or for other calls.
    pub fn long<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce() -> keyfold::Result<T> + Send,
    ) -> keyfold::Result<T> {
        struct Running<'a>(&'a AtomicUsize);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        let _running = Running(&self.0);
        py.detach(|| caught(call))
    }

    /// Whether a call on so many bytes would be over before another thread could make use of the time: then it need
    /// not be run by this.
    #[inline]
    pub fn would_be_short(&self, bytes: usize) -> bool {
        bytes <= LONG_BYTES && self.0.load(Ordering::Relaxed) == 0
    }

    /// Runs what is over before another thread could make use of the time, as a rule.
    #[inline]
    pub fn short<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce() -> keyfold::Result<T> + Send,
    ) -> keyfold::Result<T> {
        self.sized(py, 0, call)
    }

    /// Runs what takes as long as its input has bytes.
    #[inline]
    pub fn sized<T: Send>(
        &self,
        py: Python<'_>,
        bytes: usize,
        call: impl FnOnce() -> keyfold::Result<T> + Send,
    ) -> keyfold::Result<T> {
        if self.would_be_short(bytes) { caught(call) } else { py.detach(|| caught(call)) }
    }
}

/// Runs what takes as long as its input has bytes, and uses no store.
#[inline]
pub fn sized<T: Send>(
    py: Python<'_>,
    bytes: usize,
    call: impl FnOnce() -> keyfold::Result<T> + Send,
) -> keyfold::Result<T> {
    if bytes <= LONG_BYTES { caught(call) } else { py.detach(|| caught(call)) }
}

/// A panic is a bug, and an error like others to the caller.
#[inline]
pub fn caught<T>(call: impl FnOnce() -> keyfold::Result<T>) -> keyfold::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(keyfold::Error::new(ErrorKind::Internal, "a bug in keyfold: it panicked; please report it"))
    })
}
