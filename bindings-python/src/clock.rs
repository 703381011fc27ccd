//! A clock of the caller's, for tests.

use std::time::{Duration, SystemTime};

use keyfold::{CallbackError, Clock, Timestamp};
use pyo3::prelude::*;

use crate::arguments::{callable, shown_type};
use crate::errors::{Failure, Result, WrongAnswer};

/// A callable that gives the time, or the system's clock. It is asked once here, so that a wrong one is refused.
pub fn read(value: Option<&Bound<'_, PyAny>>) -> Result<Clock> {
    let Some(value) = value else { return Ok(Clock::system()) };
    let py = value.py();
    let Some(function) = callable(Some(value), "clock")? else { return Ok(Clock::system()) };
    ask(function.bind(py)).map_err(|error| match error.downcast::<PyErr>() {
        Ok(raised) => Failure::Python(*raised),
        Err(wrong) => crate::errors::invalid(wrong.to_string()),
    })?;
    Ok(Clock::function(move || {
        Python::attach(|py| {
            ask(function.bind(py)).unwrap_or_else(|error| {
                // The core's clock cannot fail: what goes wrong is shown, and the system's time used.
                match error.downcast::<PyErr>() {
                    Ok(raised) => raised.write_unraisable(py, Some(function.bind(py))),
                    Err(wrong) => pyo3::exceptions::PyTypeError::new_err(wrong.to_string())
                        .write_unraisable(py, Some(function.bind(py))),
                }
                Timestamp::now()
            })
        })
    }))
}

fn ask(function: &Bound<'_, PyAny>) -> std::result::Result<Timestamp, CallbackError> {
    let answer = function.call0()?;
    // Without a time zone it says no moment.
    let time: SystemTime = answer.extract().map_err(|_| {
        WrongAnswer(format!(
            "the clock gave {}; it must give a datetime with a time zone, since 1970",
            shown_type(&answer)
        ))
    })?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Ok(Timestamp::from_milliseconds(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
