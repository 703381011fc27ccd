//! What Python gives, as the core wants it. Everything comes as any object, so that a wrong type is an
//! InvalidArgument that says what is wanted.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use keyfold::{Aad, Context, ContextValue, ErrorKind, OpenOptions, limits};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDelta, PyDict, PyInt, PyList, PyMapping, PyMemoryView, PyString, PyTuple,
};
use zeroize::Zeroizing;

use crate::errors::{Failure, Result, invalid};

/// The text form of the largest message is shorter. What is longer is not even copied.
const MOST_BYTES: usize = 2 * limits::MESSAGE_BYTES;

/// What a plaintext must be.
const PLAINTEXT: &str = "bytes; for text there is encrypt_text";

/// Bytes that an argument holds: borrowed where nobody can change them, else copied.
pub enum Argument<'a> {
    Borrowed(&'a [u8]),
    Copied(Zeroizing<Vec<u8>>),
}

impl<'a> Argument<'a> {
    /// A ciphertext in bytes or as text.
    #[inline]
    pub fn ciphertext(value: &'a Bound<'_, PyAny>, name: &str) -> Result<Self> {
        match value.cast::<PyString>() {
            Ok(text) => Ok(Self::Borrowed(sealed_str(text).as_bytes())),
            Err(_) => bytes_or(value, name, "bytes or \"kf1.\" text"),
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Argument::Borrowed(bytes) => bytes,
            Argument::Copied(bytes) => bytes,
        }
    }
}

/// Bytes, from any object that has a buffer. Text is refused.
#[inline]
pub fn bytes<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> Result<Argument<'a>> {
    bytes_or(value, name, "bytes")
}

#[inline]
fn bytes_or<'a>(value: &'a Bound<'_, PyAny>, name: &str, wanted: &str) -> Result<Argument<'a>> {
    match value.cast::<PyBytes>() {
        Ok(bytes) => Ok(Argument::Borrowed(bytes.as_bytes())),
        Err(_) => copied(value, name, wanted),
    }
}

/// A plaintext of another type than bytes.
#[cold]
pub fn copied_plaintext(value: &Bound<'_, PyAny>) -> Result<Argument<'static>> {
    copied(value, "plaintext", PLAINTEXT)
}

/// A copy of a buffer that somebody else may change meanwhile.
#[cold]
fn copied(value: &Bound<'_, PyAny>, name: &str, wanted: &str) -> Result<Argument<'static>> {
    let py = value.py();
    if let Ok(buffer) = PyUntypedBuffer::get(value)
        && buffer.len_bytes() > MOST_BYTES
    {
        let message = format!("{name} is {} bytes; that is more than any call takes", buffer.len_bytes());
        return Err(keyfold::Error::new(ErrorKind::LimitExceeded, message).into());
    }
    if let Ok(buffer) = PyBuffer::<u8>::get(value) {
        return Ok(Argument::Copied(Zeroizing::new(buffer.to_vec(py)?)));
    }
    // Buffers of other items than bytes: what lies in memory counts.
    match PyMemoryView::from(value).and_then(|view| view.call_method0("tobytes")) {
        Ok(copy) => Ok(Argument::Copied(Zeroizing::new(copy.extract()?))),
        Err(error) if error.is_instance_of::<PyMemoryError>(py) => Err(error.into()),
        Err(_) => Err(refused(value, name, wanted)),
    }
}

/// What is refused, by its type alone: the value may be secret.
#[cold]
pub fn refused(value: &Bound<'_, PyAny>, name: &str, wanted: &str) -> Failure {
    invalid(format!("{name} is {}; it must be {wanted}", shown_type(value)))
}

/// How messages name an object's type.
pub fn shown_type(value: &Bound<'_, PyAny>) -> String {
    match value.get_type().name() {
        _ if value.is_none() => "None".to_owned(),
        Ok(name) => format!("of type {name}"),
        Err(_) => "of another type".to_owned(),
    }
}

/// The plaintext of `encrypt`.
#[inline]
pub fn plaintext<'a>(value: &'a Bound<'_, PyAny>) -> Result<Argument<'a>> {
    bytes_or(value, "plaintext", PLAINTEXT)
}

/// A text.
#[inline]
pub fn text<'a>(value: &'a Bound<'_, PyAny>, name: &str) -> Result<&'a str> {
    let text = value.cast::<PyString>().map_err(|_| refused(value, name, "text (str)"))?;
    text.to_str().map_err(|_| invalid(format!("{name} has lone surrogates, which are no text")))
}

/// A ciphertext that must be text.
pub fn sealed_text<'a>(value: &'a Bound<'_, PyAny>) -> Result<&'a str> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(sealed_str(text)),
        Err(_) => Err(refused(value, "ciphertext", "text (str)")),
    }
}

/// What has no UTF-8 form is no ciphertext, and fails as the empty one does.
fn sealed_str<'a>(text: &'a Bound<'_, PyString>) -> &'a str {
    text.to_str().unwrap_or_default()
}

/// A path, as text or as an object with `__fspath__`.
pub fn path(value: &Bound<'_, PyAny>, name: &str) -> Result<PathBuf> {
    let path: PathBuf =
        value.extract().map_err(|_| refused(value, name, "text (str) or a path (os.PathLike)"))?;
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(invalid(format!("{name} has a zero byte, which no file name may have")));
    }
    Ok(path)
}

/// A text, or nothing.
pub fn optional_text(value: Option<&Bound<'_, PyAny>>, name: &str) -> Result<Option<String>> {
    value.map(|value| text(value, name).map(str::to_owned)).transpose()
}

/// True or False; other objects are not asked for their truth.
pub fn boolean(value: &Bound<'_, PyAny>, name: &str) -> Result<bool> {
    let value = value.cast::<PyBool>().map_err(|_| refused(value, name, "True or False"))?;
    Ok(value.is_true())
}

/// An integer of at least 0, and no boolean.
pub fn count<T: for<'a, 'py> FromPyObject<'a, 'py>>(
    value: &Bound<'_, PyAny>,
    name: &str,
    wanted: &str,
) -> Result<T> {
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(refused(value, name, wanted));
    }
    value.extract().map_err(|_| invalid(format!("{name} is out of range; it must be {wanted}")))
}

/// A `timedelta`, or text such as "5s".
pub fn duration(value: &Bound<'_, PyAny>, name: &str) -> Result<Duration> {
    if value.is_instance_of::<PyDelta>() {
        return value.extract().map_err(|_| invalid(format!("{name} is negative")));
    }
    let Ok(text) = value.cast::<PyString>() else {
        return Err(refused(value, name, "a timedelta or text like \"5s\", \"500ms\" or \"30d\""));
    };
    // The core reads durations as part of options only.
    let text = serde_json::Value::from(text.to_str().unwrap_or_default());
    let options = OpenOptions::from_json(&format!("{{\"busy_timeout\":{text}}}")).map_err(|error| {
        let message = error.message().trim_start_matches("options: ");
        invalid(format!("{name}: {}", message.split(" at line ").next().unwrap_or_default()))
    })?;
    Ok(options.busy_timeout)
}

/// A length of time, or nothing.
pub fn optional_duration(value: Option<&Bound<'_, PyAny>>, name: &str) -> Result<Option<Duration>> {
    value.map(|value| duration(value, name)).transpose()
}

/// The number of a version.
pub fn version(value: &Bound<'_, PyAny>) -> Result<u32> {
    count(value, "version", "the number of a version, an integer")
}

/// The number of a version, or nothing.
pub fn optional_version(value: Option<&Bound<'_, PyAny>>) -> Result<Option<u32>> {
    value.map(version).transpose()
}

/// A callable, or nothing.
pub fn callable(value: Option<&Bound<'_, PyAny>>, name: &str) -> Result<Option<Py<PyAny>>> {
    match value {
        Some(value) if !value.is_callable() => Err(refused(value, name, "a callable")),
        value => Ok(value.map(|value| value.clone().unbind())),
    }
}

/// The items of any iterable but text and bytes, whose items are surely not meant. `limit` bounds how many are read.
pub fn items<'py>(
    value: &Bound<'py, PyAny>,
    name: &str,
    wanted: &str,
    limit: usize,
) -> Result<Vec<Bound<'py, PyAny>>> {
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return Err(refused(value, name, wanted));
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        return Ok(list.iter().take(limit + 1).collect());
    }
    let iterator = value.try_iter().map_err(|_| refused(value, name, wanted))?;
    let mut items = Vec::with_capacity(value.len().unwrap_or(0).min(limit));
    // The core refuses the first one too many; the others need not be read.
    for item in iterator.take(limit + 1) {
        items.push(item?);
    }
    Ok(items)
}

/// As [`items`], all held at once: for values that are many.
pub fn all_items<'py>(
    value: &Bound<'py, PyAny>,
    name: &str,
    wanted: &str,
    limit: usize,
) -> Result<Bound<'py, PyTuple>> {
    match (value.cast_exact::<PyTuple>(), value.cast_exact::<PyList>()) {
        (Ok(tuple), _) => Ok(tuple.clone()),
        (_, Ok(list)) if list.len() <= limit => Ok(list.to_tuple()),
        _ => Ok(PyTuple::new(value.py(), items(value, name, wanted, limit)?)?),
    }
}

/// A mapping of text to text.
pub fn labels(value: Option<&Bound<'_, PyAny>>) -> Result<BTreeMap<String, String>> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    let mut labels = BTreeMap::new();
    each_item(value, "labels", &mut |name, value| {
        labels.insert(text(name, "a label's name")?.to_owned(), text(value, "a label's value")?.to_owned());
        Ok(())
    })?;
    Ok(labels)
}

/// An argument that may be left out, while `None` in so many words is a value like others.
pub struct Given<'py>(Option<Bound<'py, PyAny>>);

impl Given<'_> {
    /// Left out.
    pub const NOT: Self = Given(None);
}

impl<'py> Given<'py> {
    /// What was given.
    pub fn value(&self) -> Option<&Bound<'py, PyAny>> {
        self.0.as_ref()
    }

    /// Associated data in bytes, or left out, where no context is given as well: the common case, and nothing to free.
    #[inline]
    pub fn alone(&self, context: Option<&Bound<'_, PyAny>>) -> Option<&[u8]> {
        match (&self.0, context) {
            (None, None) => Some(&[]),
            (Some(aad), None) => Some(aad.cast_exact::<PyBytes>().ok()?.as_bytes()),
            _ => None,
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for Given<'py> {
    type Error = std::convert::Infallible;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> std::result::Result<Self, Self::Error> {
        Ok(Given(Some(value.to_owned())))
    }
}

/// What a ciphertext is bound to: `aad` or `context`, not both.
pub enum Binding<'a> {
    Raw(Argument<'a>),
    Context(Context),
}

impl<'a> Binding<'a> {
    #[inline]
    pub fn new(aad: &'a Given<'_>, context: Option<&Bound<'_, PyAny>>) -> Result<Self> {
        let aad = match &aad.0 {
            None => Argument::Borrowed(&[]),
            Some(value) => bytes_or(
                value,
                "aad",
                "bytes; for named fields of text, bytes and integers there is context",
            )?,
        };
        match context {
            None => Ok(Binding::Raw(aad)),
            Some(_) if !aad.as_slice().is_empty() => {
                Err(invalid("aad and context exclude each other; give one of them"))
            }
            Some(fields) => read_context(fields).map(Binding::Context),
        }
    }

    /// As the core takes it.
    #[inline]
    pub fn aad(&self) -> Aad<'_> {
        match self {
            Binding::Raw(bytes) => Aad::Raw(bytes.as_slice()),
            Binding::Context(context) => Aad::Context(context),
        }
    }

    /// How many bytes there are to authenticate.
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Binding::Raw(bytes) => bytes.as_slice().len(),
            Binding::Context(context) => context.encoded_length(),
        }
    }
}

fn read_context(fields: &Bound<'_, PyAny>) -> Result<Context> {
    let mut context = Context::new();
    let mut count = 0;
    each_item(fields, "context", &mut |name, value| {
        // The core refuses the first one too many; the others need not be looked at.
        count += 1;
        if count <= limits::CONTEXT_FIELDS + 1 {
            let name = text(name, "a name in context")?;
            context.insert(name, context_value(value, name)?);
        }
        Ok(())
    })?;
    Ok(context)
}

fn context_value(value: &Bound<'_, PyAny>, name: &str) -> Result<ContextValue> {
    if let Ok(value) = value.cast::<PyString>() {
        return text(value, "a text in context").map(ContextValue::from);
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        return integer(value, name);
    }
    let place = || format!("context field {name:?}");
    match value.is_none() || value.is_instance_of::<PyBool>() {
        true => Err(refused(value, &place(), "text, bytes or an integer")),
        false => bytes_or(value, &place(), "text, bytes or an integer").map(|bytes| bytes.as_slice().into()),
    }
}

/// An integer of any size as decimal text, whatever a subclass says of itself.
fn integer(value: &Bound<'_, PyAny>, name: &str) -> Result<ContextValue> {
    if let Ok(value) = value.extract::<i64>() {
        return Ok(value.into());
    }
    let decimal = value.py().get_type::<PyInt>().call_method1("__repr__", (value,));
    // Python refuses to write out integers of more digits than `sys.get_int_max_str_digits()`.
    let decimal = decimal.map_err(|_| {
        invalid(format!("context field {name:?} is an integer with too many digits; give it as text"))
    })?;
    Ok(decimal.extract::<String>()?.into())
}

/// What is done with the name and value of an item.
pub type Visit<'a> = &'a mut dyn FnMut(&Bound<'_, PyAny>, &Bound<'_, PyAny>) -> Result<()>;

/// Walks over a dict or another mapping.
pub fn each_item(value: &Bound<'_, PyAny>, name: &str, visit: Visit<'_>) -> Result<()> {
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        // Of a copy: reading the items may run code that changes the dict.
        return dict.copy()?.iter().try_for_each(|(name, value)| visit(&name, &value));
    }
    let mapping = value.cast::<PyMapping>().map_err(|_| refused(value, name, "a dict"))?;
    for item in mapping.items()?.iter() {
        let item = item.cast_into::<PyTuple>().map_err(PyErr::from)?;
        visit(&item.get_item(0)?, &item.get_item(1)?)?;
    }
    Ok(())
}
