//! Contexts: named fields that a ciphertext is bound to.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use keyfold::{Context, Result};

use crate::buffer::KeyfoldBuf;
use crate::call::{answer, call};
use crate::error::KeyfoldError;
use crate::ffi::{bytes, required, text};
use crate::status::KeyfoldStatus;

/// Where a value belongs: named fields such as table, column and row. What was encrypted under one context opens
/// under no other. Yours; free it with keyfold_context_free. While nobody adds to it, all threads may use it.
#[derive(Default)]
pub struct KeyfoldContext(Context);

impl KeyfoldContext {
    pub(crate) fn inner(&self) -> &Context {
        &self.0
    }
}

/// A context without fields: add at least one before you use it. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_context_new() -> *mut KeyfoldContext {
    answer(ptr::null_mut(), || Box::into_raw(Box::default()))
}

/// Adds a text. Its bytes count, so the order of calls does not matter, and "42" is the same as the integer 42. A
/// name given twice is refused when the context is used, and so is a 65th field.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_context_add_text(
    context: Option<&mut KeyfoldContext>,
    name: *const c_char,
    value: *const c_char,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let context = required(context, "context")?;
        // SAFETY: the caller's texts.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        context.0.insert(name, value);
        Ok(())
    })
}

/// Adds bytes, or a text that holds zero bytes. Otherwise as keyfold_context_add_text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_context_add_bytes(
    context: Option<&mut KeyfoldContext>,
    name: *const c_char,
    value: *const c_void,
    value_len: usize,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let context = required(context, "context")?;
        // SAFETY: the caller's text and bytes.
        let (name, value) = unsafe { (text(name, "name")?, bytes(value, value_len, "value")?) };
        context.0.insert(name, value);
        Ok(())
    })
}

/// Adds an integer; one that does not fit is added as its decimal text, which is the same. Otherwise as
/// keyfold_context_add_text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfold_context_add_integer(
    context: Option<&mut KeyfoldContext>,
    name: *const c_char,
    value: i64,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let context = required(context, "context")?;
        // SAFETY: the caller's text.
        let name = unsafe { text(name, "name") }?;
        context.0.insert(name, value);
        Ok(())
    })
}

/// The associated data that the context stands for, in `out`: give it as `aad` where a function takes no context,
/// or where you use the same context often. KEYFOLD_INVALID_ARGUMENT for no field or a name given twice;
/// KEYFOLD_LIMIT_EXCEEDED past 64 fields or 1 MiB.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_context_to_aad(
    context: Option<&KeyfoldContext>,
    out: Option<&mut MaybeUninit<KeyfoldBuf>>,
    error: Option<&mut MaybeUninit<Option<Box<KeyfoldError>>>>,
) -> KeyfoldStatus {
    call(error, || {
        let out = required(out, "out")?;
        let aad = required(context, "context")?.0.to_aad()?;
        out.write(KeyfoldBuf::copied(&aad)?);
        Ok(())
    })
}

/// Frees a context. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn keyfold_context_free(context: Option<Box<KeyfoldContext>>) {
    answer((), || drop(context));
}

/// A context that must be there: silently going without one would bind the ciphertext to nothing.
pub(crate) fn required_context(context: Option<&KeyfoldContext>) -> Result<&Context> {
    required(context, "context").map(KeyfoldContext::inner)
}
