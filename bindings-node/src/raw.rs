//! The only unsafe code of this crate: calls into Node-API, and views of JavaScript memory.
//!
//! A [`Value`] and a [`Bytes`] live as long as the call that they came with. No JavaScript runs while a native
//! function does, so memory that a typed array shows stays where it is until the function returns.

#![allow(unsafe_code)]

mod quick;

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{null_mut, slice_from_raw_parts, slice_from_raw_parts_mut};

use keyfold::{Error, ErrorKind, Result};
use napi::bindgen_prelude::{ToNapiValue, TypeName, ValueType};
use napi::sys;

use crate::failure;
use crate::wiped::{WipedBytes, WipedText, WipedUnits, wipe};

pub use quick::{Given, Quick};

/// Most arguments of a native function; those not given are undefined.
const ARGUMENTS: usize = 8;
/// Texts up to here are read in one go.
const SHORT_TEXT: usize = 512;
/// Most values that are handed to a function in one call: they lie on the stack.
const HANDED_OVER: usize = 512;
/// Longer ones are not even read: they are no message and no text form of one.
const LONGEST_TEXT: usize = 2 * keyfold::limits::MESSAGE_BYTES;
/// The same of all texts of a batch.
const LONGEST_BATCH: usize = keyfold::limits::BATCH_BYTES;

/// What a native function is.
pub type Native = for<'a> fn(Js<'a>, &[Value<'a>]) -> Result<Value<'a>>;

/// A native function and its name in JavaScript.
pub struct Export {
    name: &'static str,
    /// What Node calls.
    entry: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    /// What [`enter`] runs; none for [`Quick`] functions.
    native: Option<Native>,
}

impl Export {
    pub const fn new(name: &'static str, native: Native) -> Self {
        Self { name, entry: enter, native: Some(native) }
    }

    /// One that has its entry to itself.
    pub const fn quick<Q: Quick>(name: &'static str) -> Self {
        Self { name, entry: quick::enter::<Q>, native: None }
    }
}

/// The JavaScript environment of one call.
#[derive(Clone, Copy)]
pub struct Js<'a> {
    env: sys::napi_env,
    call: PhantomData<&'a ()>,
}

/// A JavaScript value, good for one call.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Value<'a> {
    raw: sys::napi_value,
    call: PhantomData<&'a ()>,
}

/// Puts the functions into the module's exports.
pub fn register(
    env: sys::napi_env,
    exports: sys::napi_value,
    functions: &'static [Export],
) -> napi::Result<()> {
    for export in functions {
        let mut function = null_mut();
        let data = std::ptr::from_ref(export).cast_mut().cast::<c_void>();
        let name = export.name;
        // SAFETY: `env` and `exports` come from Node's call of the module; the name is given with its length, and
        // `data` points to a static that is only read.
        let status = unsafe {
            sys::napi_create_function(
                env,
                name.as_ptr().cast(),
                name.len() as isize,
                Some(export.entry),
                data,
                &mut function,
            )
        };
        napi::check_status!(status)?;
        let key = format!("{name}\0");
        // SAFETY: all three handles belong to this call; the name ends in NUL.
        napi::check_status!(unsafe {
            sys::napi_set_named_property(env, exports, key.as_ptr().cast(), function)
        })?;
    }
    Ok(())
}

/// Has the function run when the environment ends, on its thread.
pub fn at_exit(env: sys::napi_env, run: fn()) -> napi::Result<()> {
    // Each registration needs an argument of its own: the module may be loaded into one environment twice.
    let data = Box::into_raw(Box::new(run));
    // SAFETY: `env` is valid; `leave` takes the box back, once.
    napi::check_status!(unsafe { sys::napi_add_env_cleanup_hook(env, Some(leave), data.cast()) })
}

unsafe extern "C" fn leave(data: *mut c_void) {
    // SAFETY: this is the box of `at_exit`, and Node runs a hook once.
    let run = unsafe { Box::from_raw(data.cast::<fn()>()) };
    let _ = failure::guard(|| {
        run();
        Ok(())
    });
}

/// Every call from JavaScript comes through here, but for those of [`Quick`].
unsafe extern "C" fn enter(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let js = Js { env, call: PhantomData };
    let mut arguments = [Value { raw: null_mut(), call: PhantomData }; ARGUMENTS];
    let mut data = null_mut();
    if read_arguments(js, info, &mut arguments, &mut data).is_none() || data.is_null() {
        return null_mut();
    }
    // SAFETY: `register` gave a pointer to a static.
    let export: &'static Export = unsafe { &*data.cast::<Export>() };
    let Some(native) = export.native else { return null_mut() };
    let outcome = failure::guard(|| native(js, &arguments));
    outcome.map_or_else(|error| js.failed(&error), |value| value.raw)
}

/// Fills the arguments, and what `register` gave with the function where that is asked for. Gives how many were passed.
#[inline(always)]
fn read_arguments<'a>(
    js: Js<'a>,
    info: sys::napi_callback_info,
    arguments: &mut [Value<'a>],
    data: *mut *mut c_void,
) -> Option<usize> {
    let mut count = arguments.len();
    // SAFETY: `env` and `info` are those of this call; a `Value` is a handle and nothing else, and there is room for
    // `count`; `data` is null or a place for a pointer.
    let status = unsafe {
        let start = arguments.as_mut_ptr().cast::<sys::napi_value>();
        sys::napi_get_cb_info(js.env, info, &mut count, start, null_mut(), data)
    };
    (status == sys::Status::napi_ok).then_some(count)
}

fn checked(status: sys::napi_status) -> Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, format!("Node refused a call, status {status}"))),
    }
}

/// Bytes that must be UTF-8; they are wiped where they are not.
pub fn utf8(bytes: Vec<u8>) -> Result<WipedText> {
    String::from_utf8(bytes).map(WipedText::from).map_err(|error| {
        wipe(&mut error.into_bytes());
        not_utf8()
    })
}

fn is_well_formed(units: &[u16]) -> bool {
    char::decode_utf16(units.iter().copied()).all(|unit| unit.is_ok())
}

fn not_utf8() -> Error {
    Error::new(ErrorKind::Internal, "Node gave a text that is not UTF-8")
}

fn wrong_type(what: &str, expected: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{what} must be {expected}"))
}

/// What the error messages of JavaScript call it, too.
const BYTES: &str = "a Buffer or Uint8Array";
const CIPHERTEXT: &str = "the ciphertext";
const TARGET: &str = "the target";

// Making values.
impl<'a> Js<'a> {
    pub fn of(env: &'a napi::Env) -> Self {
        Self { env: env.raw(), call: PhantomData }
    }

    /// Runs one Node-API function that gives a value.
    fn made(
        self,
        make: impl FnOnce(sys::napi_env, *mut sys::napi_value) -> sys::napi_status,
    ) -> Result<Value<'a>> {
        let mut raw = null_mut();
        checked(make(self.env, &mut raw))?;
        Ok(Value { raw, call: PhantomData })
    }

    /// What a call that failed answers.
    #[cold]
    fn failed(self, error: &Error) -> sys::napi_value {
        failure::guard(|| failure::to_js(self, error)).map_or(null_mut(), |value| value.raw)
    }

    pub fn undefined(self) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_get_undefined(env, out) })
    }

    pub fn null(self) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_get_null(env, out) })
    }

    pub fn boolean(self, value: bool) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_get_boolean(env, value, out) })
    }

    pub fn number(self, value: f64) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_create_double(env, value, out) })
    }

    #[inline]
    pub fn integer(self, value: i32) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_create_int32(env, value, out) })
    }

    pub fn date(self, milliseconds: i64) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        self.made(|env, out| unsafe { sys::napi_create_date(env, milliseconds as f64, out) })
    }

    pub fn string(self, text: &str) -> Result<Value<'a>> {
        if text.is_ascii() {
            return self.ascii(text);
        }
        let (start, length) = (text.as_ptr().cast(), text.len() as isize);
        // SAFETY: the text is given with its length and is copied.
        self.made(|env, out| unsafe { sys::napi_create_string_utf8(env, start, length, out) })
    }

    /// A string that is known to be ASCII.
    #[inline]
    pub fn ascii(self, text: &str) -> Result<Value<'a>> {
        let (start, length) = (text.as_ptr().cast(), text.len() as isize);
        // SAFETY: the text is given with its length and is copied. Other than ASCII would come out as other characters.
        self.made(|env, out| unsafe { sys::napi_create_string_latin1(env, start, length, out) })
    }

    /// A Buffer with memory of its own.
    pub fn buffer(self, bytes: &[u8]) -> Result<Value<'a>> {
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: the bytes are given with their length and are copied.
        self.made(|env, out| unsafe { sys::napi_create_buffer_copy(env, length, start, null_mut(), out) })
    }

    pub fn array(self, values: &[Value<'a>]) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        let array =
            self.made(|env, out| unsafe { sys::napi_create_array_with_length(env, values.len(), out) })?;
        for (place, value) in values.iter().enumerate() {
            // SAFETY: array and value are of this call.
            checked(unsafe { sys::napi_set_element(self.env, array.raw, place as u32, value.raw) })?;
        }
        Ok(array)
    }

    /// A plain object with these properties of its own, whatever their names.
    pub fn object(self, properties: &[(&str, Value<'a>)]) -> Result<Value<'a>> {
        // SAFETY: `env` is this call's, `out` a place for one value.
        let object = self.made(|env, out| unsafe { sys::napi_create_object(env, out) })?;
        let mut descriptors = Vec::with_capacity(properties.len());
        for (name, value) in properties {
            descriptors.push(sys::napi_property_descriptor {
                utf8name: std::ptr::null(),
                name: self.string(name)?.raw,
                method: None,
                getter: None,
                setter: None,
                value: value.raw,
                attributes: sys::PropertyAttributes::writable
                    | sys::PropertyAttributes::enumerable
                    | sys::PropertyAttributes::configurable,
                data: null_mut(),
            });
        }
        // SAFETY: the descriptors are given with their count and hold values of this call.
        checked(unsafe {
            sys::napi_define_properties(self.env, object.raw, descriptors.len(), descriptors.as_ptr())
        })?;
        Ok(object)
    }

    /// A Promise of what the task gives.
    pub fn promise<T>(self, task: T) -> Result<Value<'a>>
    where
        T: napi::Task<JsValue = Settled> + 'static,
    {
        let refused = |_| Error::new(ErrorKind::Internal, "Node refused to queue the work");
        let promise = napi::Env::from_raw(self.env).spawn(task).map_err(refused)?.promise_object();
        Ok(Value { raw: napi::JsValue::raw(&promise), call: PhantomData })
    }
}

/// What a Promise is resolved with.
pub struct Settled(sys::napi_value);

impl From<Value<'_>> for Settled {
    fn from(value: Value<'_>) -> Self {
        Self(value.raw)
    }
}

impl TypeName for Settled {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ToNapiValue for Settled {
    unsafe fn to_napi_value(_: sys::napi_env, settled: Self) -> napi::Result<sys::napi_value> {
        Ok(settled.0)
    }
}

// Reading values.
impl<'a> Js<'a> {
    fn type_of(self, value: Value<'a>) -> Result<sys::napi_valuetype> {
        let mut found = sys::ValueType::napi_undefined;
        // SAFETY: the value is of this call.
        checked(unsafe { sys::napi_typeof(self.env, value.raw, &mut found) })?;
        Ok(found)
    }

    pub fn is_string(self, value: Value<'a>) -> Result<bool> {
        Ok(self.type_of(value)? == sys::ValueType::napi_string)
    }

    pub fn is_nothing(self, value: Value<'a>) -> Result<bool> {
        Ok(matches!(self.type_of(value)?, sys::ValueType::napi_undefined | sys::ValueType::napi_null))
    }

    /// A boolean; undefined is false.
    pub fn flag(self, value: Value<'a>) -> Result<bool> {
        let mut flag = false;
        // SAFETY: the value is of this call.
        let status = unsafe { sys::napi_get_value_bool(self.env, value.raw, &mut flag) };
        Ok(status == sys::Status::napi_ok && flag)
    }

    pub fn is_number(self, value: Value<'a>) -> Result<bool> {
        Ok(self.type_of(value)? == sys::ValueType::napi_number)
    }

    pub fn is_boolean(self, value: Value<'a>) -> Result<bool> {
        Ok(self.type_of(value)? == sys::ValueType::napi_boolean)
    }

    pub fn is_array(self, value: Value<'a>) -> Result<bool> {
        let mut is_array = false;
        // SAFETY: the value is of this call.
        checked(unsafe { sys::napi_is_array(self.env, value.raw, &mut is_array) })?;
        Ok(is_array)
    }

    /// The items of an array; `what` is said of anything else, and of one with more than `most` items.
    pub fn items(self, value: Value<'a>, what: &str, most: usize) -> Result<Vec<Value<'a>>> {
        if !self.is_array(value)? {
            return Err(wrong_type(what, "an array"));
        }
        let mut count = 0;
        // SAFETY: the value is an array of this call.
        checked(unsafe { sys::napi_get_array_length(self.env, value.raw, &mut count) })?;
        if count as usize > most {
            return Err(Error::new(ErrorKind::LimitExceeded, format!("{what} must be at most {most} items")));
        }
        (0..count)
            // SAFETY: `env` is this call's, `out` a place for one value.
            .map(|place| self.made(|env, out| unsafe { sys::napi_get_element(env, value.raw, place, out) }))
            .collect()
    }

    /// Calls a function with numbers and gives whether it returned true. JavaScript runs meanwhile: the caller holds
    /// nothing of it, and no handle's table.
    pub fn call(self, function: Value<'a>, numbers: &[f64]) -> Result<bool> {
        let arguments: Result<Vec<_>> = numbers.iter().map(|number| self.number(*number)).collect();
        let arguments: Vec<_> = arguments?.iter().map(|value| value.raw).collect();
        let this = self.undefined()?;
        let mut answer = null_mut();
        // SAFETY: all values are of this call; the arguments are given with their count.
        checked(unsafe {
            sys::napi_call_function(
                self.env,
                this.raw,
                function.raw,
                arguments.len(),
                arguments.as_ptr(),
                &mut answer,
            )
        })?;
        self.flag(Value { raw: answer, call: PhantomData })
    }

    /// Calls a function with these values, as many at a time as a call takes well: it puts them into an array, several
    /// times faster than Node-API does. JavaScript runs meanwhile: the caller holds nothing of it.
    pub fn hand_over(
        self,
        function: Value<'a>,
        values: impl Iterator<Item = Result<Value<'a>>>,
    ) -> Result<Value<'a>> {
        let this = self.undefined()?;
        let mut some = Vec::with_capacity(HANDED_OVER);
        let mut values = values.peekable();
        while values.peek().is_some() {
            some.clear();
            for value in values.by_ref().take(HANDED_OVER) {
                some.push(value?.raw);
            }
            // SAFETY: all values are of this call; the arguments are given with their count.
            checked(unsafe {
                sys::napi_call_function(
                    self.env,
                    this.raw,
                    function.raw,
                    some.len(),
                    some.as_ptr(),
                    &mut null_mut(),
                )
            })?;
        }
        Ok(this)
    }

    /// A whole number from 0 to 2^53 − 1.
    pub fn whole(self, value: Value<'a>, what: &str) -> Result<u64> {
        let mut number = 0f64;
        // SAFETY: the value is of this call.
        let status = unsafe { sys::napi_get_value_double(self.env, value.raw, &mut number) };
        let sound = status == sys::Status::napi_ok
            && number.fract() == 0.0
            && (0.0..9_007_199_254_740_992.0).contains(&number);
        if sound { Ok(number as u64) } else { Err(wrong_type(what, "a whole number")) }
    }

    /// A handle: anything else than one that was given out is found to be none later.
    #[inline]
    pub fn handle(self, value: Value<'a>) -> u32 {
        let mut handle = u32::MAX;
        // SAFETY: the value is of this call; where it is no number, the handle stays as it is.
        let _ = unsafe { sys::napi_get_value_uint32(self.env, value.raw, &mut handle) };
        handle
    }

    /// A string as UTF-8, wiped after use. Half a surrogate pair is refused: it has no UTF-8, and what stands in
    /// for it would be another text.
    pub fn text(self, value: Value<'a>, what: &str) -> Result<WipedText> {
        let text = utf8(self.string_bytes(value, what)?)?;
        let replaced = !text.is_ascii() && text.contains(char::REPLACEMENT_CHARACTER);
        if replaced && !self.with_units(value, is_well_formed)? {
            return Err(wrong_type(what, "well-formed text: it holds half a surrogate pair"));
        }
        Ok(text)
    }

    /// A string that is a text form if it is anything; half a surrogate pair becomes U+FFFD, which none has.
    pub fn text_form(self, value: Value<'a>, what: &str) -> Result<String> {
        String::from_utf8(self.string_bytes(value, what)?).map_err(|_| not_utf8())
    }

    /// A string's UTF-8.
    fn string_bytes(self, value: Value<'a>, what: &str) -> Result<Vec<u8>> {
        let mut short = [0u8; SHORT_TEXT];
        let mut length = 0;
        // SAFETY: the value is of this call, the buffer given with its length.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                self.env,
                value.raw,
                short.as_mut_ptr().cast(),
                SHORT_TEXT,
                &mut length,
            )
        };
        if status == sys::Status::napi_string_expected {
            return Err(wrong_type(what, "a string"));
        }
        checked(status)?;
        // The longest character and the final NUL left no room, perhaps.
        let bytes = if length + 4 < SHORT_TEXT { short[..length].to_vec() } else { self.long_string(value)? };
        wipe(&mut short[..length]);
        Ok(bytes)
    }

    fn long_string(self, value: Value<'a>) -> Result<Vec<u8>> {
        let mut length = 0;
        // SAFETY: the value is of this call; without a buffer only the length is given.
        checked(unsafe { sys::napi_get_value_string_utf8(self.env, value.raw, null_mut(), 0, &mut length) })?;
        if length > LONGEST_TEXT {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("a text is at most {LONGEST_TEXT} bytes"),
            ));
        }
        let mut bytes = vec![0u8; length + 1];
        // SAFETY: the value is of this call, the buffer given with its length.
        checked(unsafe {
            let start = bytes.as_mut_ptr().cast();
            sys::napi_get_value_string_utf8(self.env, value.raw, start, length + 1, &mut length)
        })?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Appends a string to bytes that have room for it, if it is ASCII throughout; gives whether it is. Its UTF-16 units
    /// are not copied first.
    pub fn append_ascii(self, value: Value<'a>, what: &str, out: &mut WipedBytes) -> Result<bool> {
        let length = self.unit_count(value, what)?;
        let mut in_utf8 = 0;
        // SAFETY: the value is of this call; without a buffer only the length is given.
        checked(unsafe {
            sys::napi_get_value_string_utf8(self.env, value.raw, null_mut(), 0, &mut in_utf8)
        })?;
        let room = out.buffer().spare_capacity_mut();
        // Whatever is not ASCII takes more bytes than units. Node writes a NUL behind the string.
        if in_utf8 != length || room.len() <= length {
            return Ok(false);
        }
        let mut written = 0;
        // SAFETY: the value is of this call, and there is room for it and the NUL.
        checked(unsafe {
            let start = room.as_mut_ptr().cast();
            sys::napi_get_value_string_latin1(self.env, value.raw, start, length + 1, &mut written)
        })?;
        let before = out.len();
        assert!(written <= length);
        // SAFETY: so many bytes behind those that were there are written now.
        unsafe { out.buffer().set_len(before + written) };
        Ok(true)
    }

    /// How many UTF-16 units a string has; LimitExceeded past those of a batch.
    fn unit_count(self, value: Value<'a>, what: &str) -> Result<usize> {
        let mut length = 0;
        // SAFETY: the value is of this call; without a buffer only the length is given.
        let status =
            unsafe { sys::napi_get_value_string_utf16(self.env, value.raw, null_mut(), 0, &mut length) };
        if status == sys::Status::napi_string_expected {
            return Err(wrong_type(what, "a string"));
        }
        checked(status)?;
        if length > LONGEST_BATCH {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("the texts of a batch are at most {LONGEST_BATCH} characters together"),
            ));
        }
        Ok(length)
    }

    /// A string's UTF-16 units, wiped when dropped.
    pub fn units(self, value: Value<'a>, what: &str) -> Result<WipedUnits> {
        let mut length = self.unit_count(value, what)?;
        let mut units = WipedUnits::from(vec![0u16; length + 1]);
        // SAFETY: the value is of this call, the buffer given with its length.
        checked(unsafe {
            let start = units.as_mut_ptr();
            sys::napi_get_value_string_utf16(self.env, value.raw, start, length + 1, &mut length)
        })?;
        units.truncate(length);
        Ok(units)
    }

    /// Runs with a string's UTF-16 units, which are not wiped.
    pub fn with_units<R>(self, value: Value<'a>, run: impl FnOnce(&[u16]) -> R) -> Result<R> {
        let mut short = [0u16; SHORT_TEXT];
        let mut length = 0;
        // SAFETY: the value is of this call, the buffer given with its length.
        checked(unsafe {
            sys::napi_get_value_string_utf16(self.env, value.raw, short.as_mut_ptr(), SHORT_TEXT, &mut length)
        })?;
        if length + 1 < SHORT_TEXT {
            return Ok(run(&short[..length]));
        }
        // SAFETY: the value is of this call; without a buffer only the length is given.
        checked(unsafe {
            sys::napi_get_value_string_utf16(self.env, value.raw, null_mut(), 0, &mut length)
        })?;
        let mut units = vec![0u16; length + 1];
        // SAFETY: the value is of this call, the buffer given with its length.
        checked(unsafe {
            let start = units.as_mut_ptr();
            sys::napi_get_value_string_utf16(self.env, value.raw, start, length + 1, &mut length)
        })?;
        Ok(run(&units[..length]))
    }

    /// What a Uint8Array or Buffer shows.
    pub fn bytes(self, value: Value<'a>, what: &str) -> Result<Bytes<'a>> {
        self.view(value, what).map(Bytes::Seen)
    }

    /// Bytes, or a string as UTF-8.
    pub fn bytes_or_text(self, value: Value<'a>, what: &str) -> Result<Bytes<'a>> {
        if self.is_string(value)? {
            return Ok(Bytes::Secret(self.text(value, what)?.as_bytes().to_vec().into()));
        }
        self.bytes(value, what)
    }

    /// Bytes, or a string that is a text form if it is anything.
    pub fn ciphertext(self, value: Value<'a>) -> Result<Bytes<'a>> {
        if self.is_string(value)? {
            return self.string_bytes(value, CIPHERTEXT).map(Bytes::Public);
        }
        self.bytes(value, CIPHERTEXT)
    }

    fn view(self, value: Value<'a>, what: &str) -> Result<View<'a>> {
        let mut kind = 0;
        let mut length = 0;
        let mut start = null_mut();
        let mut memory = null_mut();
        let mut offset = 0;
        // SAFETY: the value is of this call; anything but a typed array is refused.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                value.raw,
                &mut kind,
                &mut length,
                &mut start,
                &mut memory,
                &mut offset,
            )
        };
        if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
            return Err(wrong_type(what, BYTES));
        }
        let mut owned = false;
        // SAFETY: `memory` is a value of this call.
        checked(unsafe { sys::napi_is_arraybuffer(self.env, memory, &mut owned) })?;
        if !owned {
            return Err(wrong_type(what, "in memory of its own, not in a SharedArrayBuffer: copy it first"));
        }
        if length == 0 {
            let mut detached = false;
            // SAFETY: `memory` is an ArrayBuffer of this call.
            checked(unsafe { sys::napi_is_detached_arraybuffer(self.env, memory, &mut detached) })?;
            if detached {
                return Err(wrong_type(what, "in memory that was not transferred away"));
            }
        }
        Ok(View { start: start.cast(), length, call: PhantomData })
    }

    /// The bytes of a typed array from `offset` on, to be written. Inputs that lie in the same memory are copied
    /// first.
    pub fn target<const N: usize>(
        self,
        value: Value<'a>,
        offset: usize,
        inputs: [&mut Bytes<'a>; N],
    ) -> Result<Target<'a>> {
        let view = self.view(value, TARGET)?;
        for input in inputs {
            input.leave(view);
        }
        Ok(Target(view.from(offset)))
    }
}

/// Memory that a typed array shows: not shared with another thread, and in its place for this call.
#[derive(Clone, Copy)]
pub struct View<'a> {
    start: *mut u8,
    length: usize,
    call: PhantomData<&'a ()>,
}

impl View<'_> {
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the view is of this call and not empty, so its start is valid; nobody else writes there, as
        // `Js::target` has inputs leave the memory that is to be written, and `Given::apart` takes none that lies there.
        unsafe { &*slice_from_raw_parts(self.start, self.length) }
    }

    /// What lies from `offset` on.
    fn from(self, offset: usize) -> Self {
        let start = offset.min(self.length);
        Self { start: self.start.wrapping_add(start), length: self.length - start, call: PhantomData }
    }

    fn overlaps(self, other: Self) -> bool {
        (self.start as usize) < other.start as usize + other.length
            && (other.start as usize) < self.start as usize + self.length
    }
}

/// Bytes to read.
pub enum Bytes<'a> {
    None,
    Seen(View<'a>),
    Public(Vec<u8>),
    Secret(WipedBytes),
}

impl<'a> Bytes<'a> {
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Seen(view) => view.as_slice(),
            Self::Public(bytes) => bytes,
            Self::Secret(bytes) => bytes,
        }
    }

    /// A copy, for work that outlives the call or runs JavaScript.
    pub fn copied(&self) -> WipedBytes {
        self.as_slice().to_vec().into()
    }

    /// Copies the bytes if they overlap this memory.
    fn leave(&mut self, other: View<'a>) {
        if let Self::Seen(view) = *self
            && view.overlaps(other)
        {
            *self = Self::Secret(self.as_slice().to_vec().into());
        }
    }
}

/// Bytes to write.
pub struct Target<'a>(View<'a>);

impl Target<'_> {
    /// What lies from `offset` on.
    pub fn from(self, offset: usize) -> Self {
        Self(self.0.from(offset))
    }

    #[inline]
    pub fn length(&self) -> usize {
        self.0.length
    }

    /// What is answered once so many bytes were written: none where that is all.
    #[inline]
    pub fn written(&self, length: usize) -> Option<i32> {
        (length != self.length()).then_some(length as i32)
    }

    /// The first so many bytes; there are no fewer.
    #[inline]
    pub fn first(&mut self, length: usize) -> &mut [u8] {
        assert!(length <= self.0.length);
        if length == 0 {
            return &mut [];
        }
        // SAFETY: the view is of this call, as long at least and not empty; the inputs of this call do not overlap
        // it, and JavaScript does not run meanwhile.
        unsafe { &mut *slice_from_raw_parts_mut(self.0.start, length) }
    }
}
