//! From a failure to what JavaScript throws, and the one place where panics end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keyfold::{Error, ErrorKind, Result};

use crate::raw::{Js, Value};

/// Runs it; a panic is an Internal error.
pub fn guard<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a bug in keyfold: it panicked")))
}

/// The plain object that `lib/errors.js` makes a KeyfoldError of.
pub fn to_js<'a>(js: Js<'a>, error: &Error) -> Result<Value<'a>> {
    of_part(js, error, 0)
}

/// The same for an error within a part of a batch that begins at this place.
pub fn of_part<'a>(js: Js<'a>, error: &Error, first: usize) -> Result<Value<'a>> {
    let null = js.null()?;
    let cause = std::error::Error::source(error).map(|cause| js.string(&cause.to_string()));
    let retry_after = error.retry_after().map(|after| js.number(after.as_millis() as f64));
    js.object(&[
        ("failure", js.boolean(true)?),
        ("code", js.string(error.kind().code())?),
        ("message", js.string(error.message())?),
        ("retryable", js.boolean(error.is_retryable())?),
        ("retryAfter", retry_after.transpose()?.unwrap_or(null)),
        ("keyId", error.key_id().map(|key_id| js.string(key_id)).transpose()?.unwrap_or(null)),
        ("version", error.version().map(|version| js.number(version.into())).transpose()?.unwrap_or(null)),
        ("index", error.index().map(|index| js.number((first + index) as f64)).transpose()?.unwrap_or(null)),
        ("cause", cause.transpose()?.unwrap_or(null)),
    ])
}
