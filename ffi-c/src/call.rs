//! What every fallible function runs in.

use std::mem::MaybeUninit;

use keyfold::{Error, ErrorKind, Result};

use crate::error::KeyfoldError;
use crate::panic::contain;
use crate::status::KeyfoldStatus;

/// Runs; hands a failure to the caller as a number and, where he asked for it, as an object.
pub(crate) fn call(
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
    run: impl FnOnce() -> Result<()>,
) -> KeyfoldStatus {
    let failure = match contain(run) {
        Some(Ok(())) => return KeyfoldStatus::KEYFOLD_OK,
        Some(Err(failure)) => failure,
        None => Error::new(ErrorKind::Internal, "a bug in keyfold: the call panicked; please report it"),
    };
    let status = KeyfoldStatus::of(failure.kind());
    if let Some(place) = error {
        place.write(contain(|| Box::new(KeyfoldError::new(&failure))));
    }
    contain(|| drop(failure));
    status
}

/// For what cannot fail otherwise: `fallback` where it panicked.
pub(crate) fn answer<T>(fallback: T, run: impl FnOnce() -> T) -> T {
    contain(run).unwrap_or(fallback)
}
