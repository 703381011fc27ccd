//! How far long work has come: told by a function during synchronous calls, looked up by others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keyfold::{CallbackError, Error, ErrorKind, Result};

use crate::handles;
use crate::raw::{Js, Value};

/// `Err` stops the work.
pub type Heard = std::result::Result<(), CallbackError>;

/// Shared with work on another thread.
#[derive(Clone, Default)]
pub struct Progress(Arc<State>);

#[derive(Default)]
struct State {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Whether the work goes on.
    pub fn tell(&self, done: u64, total: u64) -> Heard {
        self.0.done.store(done, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
        if self.0.stopped.load(Ordering::Relaxed) { Err(stopped()) } else { Ok(()) }
    }
}

/// The error of work that a function stopped; `lib/progress.js` puts what it threw in the cause's place.
fn stopped() -> CallbackError {
    "the onProgress function threw".into()
}

/// beginProgress() → progress
pub fn begin<'a>(js: Js<'a>, _: &[Value<'a>]) -> Result<Value<'a>> {
    js.number(handles::insert_progress(Progress::default()).into())
}

/// progressOf(progress) → [done, total]
pub fn of<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let progress = handles::progress(js.handle(arguments[0]))?;
    let number = |number: &AtomicU64| js.number(number.load(Ordering::Relaxed) as f64);
    js.array(&[number(&progress.0.done)?, number(&progress.0.total)?])
}

/// stopProgress(progress): the work fails where it stands.
pub fn stop<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::progress(js.handle(arguments[0]))?.0.stopped.store(true, Ordering::Relaxed);
    js.undefined()
}

/// releaseProgress(progress): forgets the handle.
pub fn release<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::release_progress(js.handle(arguments[0]));
    js.undefined()
}

/// Tells a JavaScript function; `Err` where it did not return true.
pub fn call<'a>(js: Js<'a>, function: Value<'a>, numbers: &[f64]) -> Heard {
    match js.call(function, numbers) {
        Ok(true) => Ok(()),
        Ok(false) => Err(stopped()),
        Err(error) => Err(error.into()),
    }
}

/// Whether work is told of by this function or by number; nothing is neither.
pub enum Listener<'a> {
    Nobody,
    Function(Value<'a>),
    Shared(Progress),
}

impl<'a> Listener<'a> {
    pub fn read(js: Js<'a>, value: Value<'a>, later: bool) -> Result<Self> {
        if js.is_nothing(value)? {
            return Ok(Self::Nobody);
        }
        if js.is_number(value)? {
            return handles::progress(js.handle(value)).map(Self::Shared);
        }
        if later {
            return Err(Error::new(ErrorKind::Internal, "a function cannot be called from another thread"));
        }
        Ok(Self::Function(value))
    }
}
