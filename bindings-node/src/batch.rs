//! Many values in one call. Bytes come one after the other in one buffer, texts in one string; the lengths come in an
//! Int32Array that `lib/batch.js` shows as bytes, −1 for null, and the results' lengths go back in it.

use keyfold::{Aad, Aads, Error, ErrorKind, OnError, Result, limits};

use crate::bound::Bounds;
use crate::failure;
use crate::handles::with_key;
use crate::raw::{Bytes, Js, Value};
use crate::wiped::{WipedBytes, WipedText, WipedUnits};

/// The length of what was null, and stays so.
const NULL: i32 = -1;
/// The length of what did not decrypt.
const FAILED: i32 = -2;

/// encryptMany(key, bytes, lengths, bounds) → ciphertexts
pub fn encrypt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [key, bytes, lengths, bounds, ..] = arguments else { return js.undefined() };
    let bounds = Bounds::read(js, *bounds)?;
    let aads = bounds.aads();
    let bytes = js.bytes(*bytes, "the plaintexts")?;
    let given = read_lengths(&js.bytes(*lengths, "the lengths")?)?;
    let values = split(bytes.as_slice(), &given, Ok)?;
    let packed = with_key(js.handle(*key), |key| key.encrypt_many(&values, Aads::from(&aads)))?;
    let lengths = packed.iter().map(|value| value.map_or(NULL, |value| value.len() as i32));
    write_lengths(js, arguments[2], lengths)?;
    js.buffer(packed.bytes())
}

/// decryptMany(key, bytes, lengths, bounds, return) → plaintexts, or [plaintexts, failures] where some failed
pub fn decrypt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [key, bytes, lengths, bounds, on_error, ..] = arguments else { return js.undefined() };
    let bounds = Bounds::read(js, *bounds)?;
    let aads = bounds.aads();
    let bytes = js.bytes(*bytes, "the ciphertexts")?;
    let given = read_lengths(&js.bytes(*lengths, "the lengths")?)?;
    let values = split(bytes.as_slice(), &given, Ok)?;
    let on_error = read_on_error(js, *on_error)?;
    let batch = with_key(js.handle(*key), |key| key.decrypt_many(&values, Aads::from(&aads), on_error))?;
    let lengths = batch.iter().map(|value| match value {
        Ok(value) => value.map_or(NULL, |value| value.len() as i32),
        Err(_) => FAILED,
    });
    write_lengths(js, arguments[2], lengths)?;
    let plaintexts = js.buffer(batch.bytes())?;
    let failures: Result<Vec<_>> = batch.errors().map(|error| failure::to_js(js, error)).collect();
    let failures = failures?;
    if failures.is_empty() { Ok(plaintexts) } else { js.array(&[plaintexts, js.array(&failures)?]) }
}

/// encryptManyText(key, [part of the text], lengths, bounds, collect): hands the text forms, null where a value was, to `collect`
pub fn encrypt_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [key, text, lengths, bounds, collect, ..] = arguments else { return js.undefined() };
    let bounds = Bounds::read(js, *bounds)?;
    let aads = bounds.aads();
    let texts = Texts::read(js, *text, *lengths)?;
    let values = texts.values();
    let packed = with_key(js.handle(*key), |key| key.encrypt_many_text(&values, Aads::from(&aads)))?;
    let null = js.null()?;
    js.hand_over(*collect, packed.iter().map(|value| value.map_or(Ok(null), |value| js.ascii(value))))
}

/// decryptManyText(key, [part of the text forms], lengths, bounds, collect, return, size): as `encryptManyText`, with texts, null
/// and failures. Each part has so many values but the last; they are taken one after the other, so that what is allocated
/// meanwhile is small, and stays with the process: larger blocks go back to the system with each batch.
pub fn decrypt_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [key, parts, lengths, bounds, collect, on_error, size, ..] = arguments else { return js.undefined() };
    let bounds = Bounds::read(js, *bounds)?;
    let aads = bounds.aads();
    let lengths = read_lengths(&js.bytes(*lengths, "the lengths")?)?;
    total(&lengths)?;
    let parts = js.items(*parts, "the texts", limits::BATCH)?;
    let lengths_of_parts = lengths.chunks(js.whole(*size, "the size of a part")?.max(1) as usize);
    if !aads.are_for(lengths.len()) || lengths_of_parts.len() != parts.len() {
        return Err(mismatched());
    }
    let on_error = read_on_error(js, *on_error)?;
    // Closed is closed, though there be no value.
    with_key(js.handle(*key), |key| key.decrypt_many_text(&[], Aad::NONE, on_error))?;
    let null = js.null()?;
    let mut first = 0;
    for (part, lengths) in parts.into_iter().zip(lengths_of_parts) {
        let texts = Texts::of(js, &[part], lengths).map_err(|error| after(first, error))?;
        let values = texts.values();
        let aads = aads.part(first, values.len());
        let batch = with_key(js.handle(*key), |key| key.decrypt_many_text(&values, aads, on_error))
            .map_err(|error| after(first, error))?;
        let made = (0..batch.len()).map(|place| match batch.text(place) {
            Ok(text) => text.map_or(Ok(null), |text| js.string(text)),
            Err(error) => failure::of_part(js, error, first),
        });
        js.hand_over(*collect, made)?;
        first += lengths.len();
    }
    js.undefined()
}

/// The error of a part that begins at this place.
fn after(first: usize, error: Error) -> Error {
    match error.index() {
        Some(index) => error.with_index(first + index),
        None => error,
    }
}

fn read_on_error<'a>(js: Js<'a>, value: Value<'a>) -> Result<OnError> {
    Ok(if js.flag(value)? { OnError::Return } else { OnError::Raise })
}

pub(crate) fn read_lengths(bytes: &Bytes<'_>) -> Result<Vec<i32>> {
    let (lengths, rest) = bytes.as_slice().as_chunks::<4>();
    if lengths.len() > limits::INDEX_REPORT_VALUES || !rest.is_empty() {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("at most {} values", limits::INDEX_REPORT_VALUES),
        ));
    }
    Ok(lengths.iter().map(|length| i32::from_ne_bytes(*length)).collect())
}

fn write_lengths<'a>(js: Js<'a>, value: Value<'a>, lengths: impl Iterator<Item = i32>) -> Result<()> {
    let mut target = js.target(value, 0, [])?;
    let length = target.length();
    for (place, length) in target.first(length).as_chunks_mut::<4>().0.iter_mut().zip(lengths) {
        *place = length.to_ne_bytes();
    }
    Ok(())
}

/// The values of these lengths, one after the other; null where a length is negative.
pub fn split<'v, T, R>(
    mut all: &'v [T],
    lengths: &[i32],
    value: impl Fn(&'v [T]) -> Result<R>,
) -> Result<Vec<Option<R>>> {
    let mut values = Vec::with_capacity(lengths.len());
    for (place, length) in lengths.iter().enumerate() {
        let Ok(length) = usize::try_from(*length) else {
            values.push(None);
            continue;
        };
        let (taken, left) = all.split_at_checked(length).ok_or_else(mismatched)?;
        all = left;
        values.push(Some(value(taken).map_err(|error| error.with_index(place))?));
    }
    if all.is_empty() { Ok(values) } else { Err(mismatched()) }
}

pub(crate) fn mismatched() -> Error {
    Error::new(ErrorKind::InvalidArgument, "the lengths are not those of the values")
}

/// Texts that came as one, in UTF-8 and one after the other.
pub struct Texts {
    all: WipedText,
    /// The length of each in bytes; none for null.
    lengths: Vec<Option<usize>>,
}

impl Texts {
    pub fn read<'a>(js: Js<'a>, text: Value<'a>, lengths: Value<'a>) -> Result<Self> {
        let lengths = read_lengths(&js.bytes(lengths, "the lengths")?)?;
        let parts = match js.is_array(text)? {
            true => js.items(text, "the texts", limits::BATCH)?,
            false => vec![text],
        };
        Self::of(js, &parts, &lengths)
    }

    fn of<'a>(js: Js<'a>, parts: &[Value<'a>], lengths: &[i32]) -> Result<Self> {
        let total = total(lengths)?;
        let mut all = WipedBytes::from(Vec::with_capacity(total + 1));
        let mut is_ascii = true;
        for part in parts {
            is_ascii = is_ascii && js.append_ascii(*part, "the texts", &mut all)?;
        }
        if is_ascii {
            return Self::ascii(all, lengths);
        }
        drop(all);
        let mut units = WipedUnits::from(Vec::with_capacity(total));
        for part in parts {
            units.append(&js.units(*part, "the texts")?)?;
        }
        let values = split(&units, lengths, Ok)?;
        // Of its final size at once: growing would leave copies behind.
        let mut all = WipedBytes::from(Vec::with_capacity(3 * units.len()));
        let mut ends = Vec::with_capacity(values.len());
        for (place, value) in values.into_iter().enumerate() {
            let start = all.len();
            let Some(units) = value else {
                ends.push(None);
                continue;
            };
            append(units, all.buffer()).map_err(|error| error.with_index(place))?;
            ends.push(Some(all.len() - start));
        }
        Ok(Self { all: all.into_text()?, lengths: ends })
    }

    /// Each unit is a byte.
    fn ascii(all: WipedBytes, lengths: &[i32]) -> Result<Self> {
        let lengths: Vec<_> = lengths.iter().map(|length| usize::try_from(*length).ok()).collect();
        if lengths.iter().flatten().sum::<usize>() != all.len() {
            return Err(mismatched());
        }
        Ok(Self { all: all.into_text()?, lengths })
    }

    pub fn values(&self) -> Vec<Option<&str>> {
        let mut rest: &str = &self.all;
        let mut next = |length: usize| {
            let (value, left) = rest.split_at(length);
            rest = left;
            value
        };
        self.lengths.iter().map(|length| length.map(&mut next)).collect()
    }
}

/// Of all texts together, in UTF-16 units.
fn total(lengths: &[i32]) -> Result<usize> {
    let total = lengths.iter().filter_map(|length| usize::try_from(*length).ok()).sum();
    if total > limits::BATCH_BYTES {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("the texts of a batch are at most {} characters together", limits::BATCH_BYTES),
        ));
    }
    Ok(total)
}

fn is_ascii(units: &[u16]) -> bool {
    units.iter().fold(0, |all, unit| all | unit) < 0x80
}

fn append(units: &[u16], out: &mut Vec<u8>) -> Result<()> {
    if is_ascii(units) {
        out.extend(units.iter().map(|unit| *unit as u8));
        return Ok(());
    }
    let mut utf8 = [0; 4];
    for unit in char::decode_utf16(units.iter().copied()) {
        let character = unit.map_err(|_| {
            Error::new(
                ErrorKind::InvalidArgument,
                "a value must be well-formed text: it holds half a surrogate pair",
            )
        })?;
        out.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
    }
    Ok(())
}

/// What [`Bounds::aads`] gives, for the core.
pub enum AadList<'a> {
    One(Aad<'a>),
    Each(Vec<Aad<'a>>),
}

impl<'a> AadList<'a> {
    /// Whether they are for so many values.
    fn are_for(&self, count: usize) -> bool {
        match self {
            Self::One(_) => true,
            Self::Each(aads) => aads.len() == count,
        }
    }

    /// Those of so many values from the first on. There are as many.
    fn part(&self, first: usize, count: usize) -> Aads<'_> {
        match self {
            Self::One(aad) => Aads::One(*aad),
            Self::Each(aads) => Aads::Each(aads.get(first..first + count).unwrap_or_default()),
        }
    }
}

impl<'a> From<&'a AadList<'a>> for Aads<'a> {
    fn from(list: &'a AadList<'a>) -> Self {
        match list {
            AadList::One(aad) => Aads::One(*aad),
            AadList::Each(aads) => Aads::Each(aads),
        }
    }
}
