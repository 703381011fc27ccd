//! The calls that are made for every message. Each has its entry from Node to itself, and asks of Node as little as can
//! be.

use std::marker::PhantomData;
use std::ptr::null_mut;

use keyfold::{Key, Result};
use napi::sys;

use super::{Bytes, Js, TARGET, Target, Value, View, read_arguments};
use crate::bound::Bound;
use crate::failure;
use crate::handles::with_key;

/// Most arguments of one: a key's handle, the input, the target, an offset, and what the message is bound to.
const ARGUMENTS: usize = 5;

/// A native function with an entry of its own. It answers with a number, or with undefined.
pub trait Quick {
    fn answer(given: &Given<'_>) -> Result<Option<i32>>;
}

/// What a quick function was called with.
pub struct Given<'a> {
    js: Js<'a>,
    arguments: &'a [Value<'a>; ARGUMENTS],
    count: usize,
}

pub unsafe extern "C" fn enter<Q: Quick>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let js = Js { env, call: PhantomData };
    let mut arguments = [Value { raw: null_mut(), call: PhantomData }; ARGUMENTS];
    let Some(count) = read_arguments(js, info, &mut arguments, null_mut()) else { return null_mut() };
    let given = Given { js, arguments: &arguments, count };
    let outcome = failure::guard(|| match Q::answer(&given)? {
        Some(answer) => js.integer(answer).map(|value| value.raw),
        // Without a value Node takes it for undefined.
        None => Ok(null_mut()),
    });
    outcome.unwrap_or_else(|error| js.failed(&error))
}

impl<'a> Given<'a> {
    /// Runs with the key that is the first argument, which must not call back.
    #[inline(always)]
    pub fn with_key<R>(&self, run: impl FnOnce(&Key) -> Result<R>) -> Result<R> {
        with_key(self.js.handle(self.arguments[0]), run)
    }

    /// The fourth argument, of the functions that have an offset.
    pub fn offset(&self) -> usize {
        self.js.handle(self.arguments[3]) as usize
    }

    /// The second and third argument, in a call that passes so many arguments and binds to nothing: what is read and
    /// what is written, both Uint8Arrays and apart. Any other call is for [`Given::all`].
    #[inline(always)]
    pub fn apart(&self, count: usize) -> Option<(View<'a>, Target<'a>)> {
        if self.count != count {
            return None;
        }
        let input = self.seen(1)?;
        let target = self.seen(2)?;
        (!input.overlaps(target)).then_some((input, Target(target)))
    }

    /// What [`Js::view`] gives for a Uint8Array that is not empty. `lib/` looked at the type: another typed array would be
    /// read too short, never past its end.
    #[inline(always)]
    fn seen(&self, place: usize) -> Option<View<'a>> {
        let (mut length, mut start, mut memory) = (0, null_mut(), null_mut());
        let mut owned = false;
        // SAFETY: the value is of this call; of anything but a typed array nothing is told. `memory` is a value of this
        // call as well.
        let read = unsafe {
            sys::napi_get_typedarray_info(
                self.js.env,
                self.arguments[place].raw,
                null_mut(),
                &mut length,
                &mut start,
                &mut memory,
                null_mut(),
            ) == sys::Status::napi_ok
                && sys::napi_is_arraybuffer(self.js.env, memory, &mut owned) == sys::Status::napi_ok
        };
        (read && owned && length > 0).then_some(View { start: start.cast(), length, call: PhantomData })
    }

    /// What is read, what it is bound to and what is written, whatever they are. `read` reads the second argument; what it
    /// is bound to is the argument after the first `count`.
    #[inline(never)]
    pub fn all(
        &self,
        count: usize,
        read: impl FnOnce(Js<'a>, Value<'a>) -> Result<Bytes<'a>>,
    ) -> Result<(Bytes<'a>, Bound<'a>, Target<'a>)> {
        let mut input = read(self.js, self.arguments[1])?;
        let mut bound = Bound::Raw(Bytes::None);
        if self.count > count {
            bound = Bound::read(self.js, self.arguments[count])?;
        }
        let target = self.js.view(self.arguments[2], TARGET)?;
        input.leave(target);
        if let Some(raw) = bound.raw() {
            raw.leave(target);
        }
        Ok((input, bound, Target(target)))
    }
}
