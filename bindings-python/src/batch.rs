//! Many values in one call: read while the interpreter is held, sealed or opened while others run, then built.

use keyfold::{Aad, Aads, Error, OnError, limits};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::arguments::{Argument, Binding, Given, all_items, bytes, items, sealed_text, text};
use crate::calls::LongCalls;
use crate::errors::{Result, exception, invalid};
use crate::made::{new_bytes, new_text};
use crate::parts;

/// What the values are bound to, as it was given: one for all or one for each.
pub struct Places<'a, 'py> {
    pub aad: &'a Given<'py>,
    pub context: Option<&'a Bound<'py, PyAny>>,
    pub aads: Option<&'a Bound<'py, PyAny>>,
    pub contexts: Option<&'a Bound<'py, PyAny>>,
}

/// One for each, as objects.
enum Each<'py> {
    None,
    Aads(Vec<Bound<'py, PyAny>>),
    Contexts(Vec<Bound<'py, PyAny>>),
}

enum Bindings<'a> {
    One(Binding<'a>),
    Each(Vec<Binding<'a>>),
}

impl<'a, 'py> Places<'a, 'py> {
    fn each(&self) -> Result<Each<'py>> {
        let given = [self.context.is_some(), self.aads.is_some(), self.contexts.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(invalid("context, aads and contexts exclude each other; give one of them"));
        }
        match (self.aads, self.contexts) {
            (Some(aads), _) => items(aads, "aads", "a list of bytes", limits::BATCH).map(Each::Aads),
            (_, Some(contexts)) => {
                items(contexts, "contexts", "a list of dicts", limits::BATCH).map(Each::Contexts)
            }
            _ => Ok(Each::None),
        }
    }

    fn read<'b>(&'b self, each: &'b Each<'py>) -> Result<Bindings<'b>> {
        let one = Binding::new(self.aad, self.context)?;
        if !matches!(each, Each::None) && one.size() > 0 {
            return Err(invalid("aad is for all values and excludes aads and contexts, one for each"));
        }
        let all: Result<Vec<Binding<'b>>> = match each {
            Each::None => return Ok(Bindings::One(one)),
            Each::Aads(aads) => {
                let read = |(place, aad): (usize, &'b Bound<'py, PyAny>)| {
                    bytes(aad, "an item of aads").map(Binding::Raw).map_err(|failure| failure.at(place))
                };
                aads.iter().enumerate().map(read).collect()
            }
            Each::Contexts(contexts) => {
                let read = |(place, context)| {
                    Binding::new(&Given::NOT, Some(context)).map_err(|failure| failure.at(place))
                };
                contexts.iter().enumerate().map(read).collect()
            }
        };
        all.map(Bindings::Each)
    }
}

impl Bindings<'_> {
    /// As how many bytes a value counts besides its own, where a call's length is reckoned.
    fn each(&self) -> usize {
        EACH + match self {
            Bindings::One(binding) => binding.size(),
            Bindings::Each(bindings) => bindings.iter().map(Binding::size).max().unwrap_or(0),
        }
    }

    /// Runs a call with them as the core takes them.
    fn with<T>(&self, run: impl FnOnce(Aads<'_>) -> T) -> T {
        match self {
            Bindings::One(binding) => run(Aads::One(binding.aad())),
            Bindings::Each(bindings) => {
                let aads: Vec<Aad<'_>> = bindings.iter().map(Binding::aad).collect();
                run(Aads::Each(&aads))
            }
        }
    }
}

/// What becomes of a value that does not decrypt.
pub fn on_error(word: &Given<'_>) -> Result<OnError> {
    match word.value().map(|word| text(word, "on_error")).transpose()? {
        None | Some("raise") => Ok(OnError::Raise),
        Some("return") => Ok(OnError::Return),
        Some(_) => Err(invalid("on_error must be \"raise\" or \"return\"")),
    }
}

/// The values as objects.
fn values<'py>(values: &Bound<'py, PyAny>, wanted: &str) -> Result<Vec<Bound<'py, PyAny>>> {
    items(values, "values", wanted, limits::BATCH)
}

/// Each value read; `None` stays `None`, and an error names its place.
pub fn read<'a, 'py, T>(
    values: &'a [Bound<'py, PyAny>],
    one: impl Fn(&'a Bound<'py, PyAny>) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    let mut all = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let value =
            if value.is_none() { None } else { Some(one(value).map_err(|failure| failure.at(place))?) };
        all.push(value);
    }
    Ok(all)
}

/// As the core takes them.
pub fn slices<'a>(values: &'a [Option<Argument<'_>>]) -> Vec<Option<&'a [u8]>> {
    values.iter().map(|value| value.as_ref().map(Argument::as_slice)).collect()
}

/// As how many bytes the work on an empty value counts.
const EACH: usize = 64;

/// How long a call takes: as its values have bytes, and something for each, what it is bound to included.
fn size<T: AsRef<[u8]>>(values: &[Option<T>], bindings: &Bindings<'_>) -> usize {
    let each = bindings.each();
    values.iter().map(|value| each + value.as_ref().map_or(0, |value| value.as_ref().len())).sum()
}

/// Encrypts many values.
pub fn seal_many<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    given: &Bound<'py, PyAny>,
    places: &Places<'_, 'py>,
) -> Result<Bound<'py, PyList>> {
    let given = all_items(given, "values", "a list of bytes and None", limits::BATCH)?;
    let each = places.each()?;
    let bindings = places.read(&each)?;
    let each = bindings.each();
    bindings.with(|aads| parts::seal(py, calls, key.batch_encryption(aads, given.len())?, &given, each))
}

/// Encrypts many texts.
pub fn seal_many_text<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    given: &Bound<'py, PyAny>,
    places: &Places<'_, 'py>,
) -> Result<Bound<'py, PyList>> {
    let given = values(given, "a list of text and None")?;
    let each = places.each()?;
    let bindings = places.read(&each)?;
    let values = read(&given, |value| text(value, "plaintext"))?;
    let size = size(&values, &bindings);
    let packed = bindings.with(|aads| calls.sized(py, size, || key.encrypt_many_text(&values, aads)))?;
    let sealed = |sealed: Option<&str>| sealed.map(|sealed| new_text(py, sealed)).transpose();
    Ok(PyList::new(py, packed.iter().map(sealed).collect::<PyResult<Vec<_>>>()?)?)
}

/// Decrypts many ciphertexts. It may look for newer versions, so others run meanwhile.
pub fn open_many<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    given: &Bound<'py, PyAny>,
    places: &Places<'_, 'py>,
    on_error: OnError,
) -> Result<Bound<'py, PyList>> {
    let given = values(given, "a list of ciphertexts, bytes or \"kf1.\" text, and None")?;
    let each = places.each()?;
    let bindings = places.read(&each)?;
    let values = read(&given, |value| Argument::ciphertext(value, "ciphertext"))?;
    let values = slices(&values);
    let opened = bindings.with(|aads| calls.long(py, || key.decrypt_many(&values, aads, on_error)))?;
    list(py, opened.iter(), |bytes| new_bytes(py, bytes))
}

/// Decrypts many text forms.
pub fn open_many_text<'py>(
    py: Python<'py>,
    key: &keyfold::Key,
    calls: &LongCalls,
    given: &Bound<'py, PyAny>,
    places: &Places<'_, 'py>,
    on_error: OnError,
) -> Result<Bound<'py, PyList>> {
    let given = values(given, "a list of text and None")?;
    let each = places.each()?;
    let bindings = places.read(&each)?;
    let values = read(&given, sealed_text)?;
    let opened = bindings.with(|aads| calls.long(py, || key.decrypt_many_text(&values, aads, on_error)))?;
    let texts = (0..opened.len()).map(|place| opened.text(place));
    list(py, texts, |text| new_text(py, text))
}

/// A list of what was opened, with exceptions where something was not.
fn list<'a, 'py, T, U>(
    py: Python<'py>,
    items: impl ExactSizeIterator<Item = std::result::Result<Option<T>, &'a Error>>,
    made: impl Fn(T) -> PyResult<Bound<'py, U>>,
) -> Result<Bound<'py, PyList>> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(match item {
            Ok(opened) => opened.map(&made).transpose()?.map(Bound::into_any),
            Err(error) => Some(exception(py, error)?.into_value(py).into_bound(py).into_any()),
        });
    }
    Ok(PyList::new(py, all)?)
}
