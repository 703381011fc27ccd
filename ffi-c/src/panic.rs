//! Where panics stop.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs and returns; `None` where it panicked. What a panic leaves half done is not looked at again: the core
/// changes what it shares in whole steps.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // Dropping it could panic again.
            forget(payload);
            None
        }
    }
}
