//! What a ciphertext is bound to, as `lib/bound.js` hands it over: undefined, bytes, or a packed context.

use keyfold::{Aad, Context, ContextValue, Error, ErrorKind, Result, limits};

use crate::batch::AadList;
use crate::raw::{Bytes, Js, Value};
use crate::wiped::WipedBytes;

/// Nothing and raw bytes are alike: no bytes are nothing.
pub enum Bound<'a> {
    Raw(Bytes<'a>),
    Context(Context),
}

impl<'a> Bound<'a> {
    pub fn read(js: Js<'a>, value: Value<'a>) -> Result<Self> {
        if js.is_nothing(value)? {
            return Ok(Self::Raw(Bytes::None));
        }
        if js.is_string(value)? {
            return js.with_units(value, unpack)?.map(Self::Context);
        }
        js.bytes(value, "aad").map(Self::Raw)
    }

    pub fn aad(&self) -> Aad<'_> {
        match self {
            Self::Raw(bytes) => Aad::Raw(bytes.as_slice()),
            Self::Context(context) => Aad::Context(context),
        }
    }

    pub fn kept(self) -> Kept {
        match self {
            Self::Raw(bytes) => Kept::Raw(bytes.copied()),
            Self::Context(context) => Kept::Context(context),
        }
    }

    /// The raw bytes, for having them leave memory that is to be written.
    pub fn raw(&mut self) -> Option<&mut Bytes<'a>> {
        match self {
            Self::Raw(bytes) => Some(bytes),
            Self::Context(_) => None,
        }
    }
}

/// What a ciphertext is bound to, kept beyond the call that brought it.
pub enum Kept {
    Raw(WipedBytes),
    Context(Context),
}

impl Kept {
    pub fn aad(&self) -> Aad<'_> {
        match self {
            Self::Raw(bytes) => Aad::Raw(bytes),
            Self::Context(context) => Aad::Context(context),
        }
    }
}

/// What the values of a batch are bound to: as for one, or an array of byte arrays, or of undefined; or packed contexts
/// in one string that begins with `*`, each after its length and `:`.
pub enum Bounds<'a> {
    One(Bound<'a>),
    Each(Vec<Bound<'a>>),
}

/// What a string of many contexts begins with, and no single one does.
const MANY: u16 = b'*' as u16;

impl<'a> Bounds<'a> {
    pub fn read(js: Js<'a>, value: Value<'a>) -> Result<Self> {
        if js.is_string(value)? {
            return js.with_units(value, |units| match units.split_first() {
                Some((&MANY, rest)) => unpack_many(rest).map(Self::Each),
                _ => unpack(units).map(|context| Self::One(Bound::Context(context))),
            })?;
        }
        if !js.is_array(value)? {
            return Bound::read(js, value).map(Self::One);
        }
        let items = js.items(value, "aads", limits::BATCH)?;
        items.into_iter().map(|item| Bound::read(js, item)).collect::<Result<_>>().map(Self::Each)
    }

    pub fn aads(&self) -> AadList<'_> {
        match self {
            Self::One(bound) => AadList::One(bound.aad()),
            Self::Each(bounds) => AadList::Each(bounds.iter().map(Bound::aad).collect()),
        }
    }
}

fn unpack_many<'a>(mut rest: &[u16]) -> Result<Vec<Bound<'a>>> {
    let mut bounds = Vec::new();
    while !rest.is_empty() {
        let length = number(&mut rest)?;
        take(&mut rest, 1)?;
        bounds.push(Bound::Context(unpack(take(&mut rest, length)?)?));
    }
    Ok(bounds)
}

/// A packed context is, for each field: the length of the name in UTF-16 units, `t` for text or `b` for bytes, the
/// length of the value, `:`, the name, the value (bytes as one unit each).
fn unpack(mut rest: &[u16]) -> Result<Context> {
    let mut context = Context::new();
    while !rest.is_empty() {
        let name_length = number(&mut rest)?;
        let is_text = match take(&mut rest, 1)? {
            [kind] if *kind == u16::from(b't') => true,
            [kind] if *kind == u16::from(b'b') => false,
            _ => return Err(malformed()),
        };
        let value_length = number(&mut rest)?;
        take(&mut rest, 1)?;
        let name = text(take(&mut rest, name_length)?)?;
        let value = take(&mut rest, value_length)?;
        let value = match is_text {
            true => text(value)?.into_bytes(),
            false => value.iter().map(|unit| *unit as u8).collect(),
        };
        context.insert(name, ContextValue::from(value));
    }
    Ok(context)
}

fn number(rest: &mut &[u16]) -> Result<usize> {
    let mut number = 0usize;
    while let Some(digit) = rest.first().and_then(|unit| char::from_u32(u32::from(*unit))?.to_digit(10)) {
        number = number.checked_mul(10).ok_or_else(malformed)? + digit as usize;
        *rest = &rest[1..];
    }
    Ok(number)
}

fn take<'a>(rest: &mut &'a [u16], length: usize) -> Result<&'a [u16]> {
    let (taken, left) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = left;
    Ok(taken)
}

fn text(units: &[u16]) -> Result<String> {
    let broken = "the context must be well-formed text: it holds half a surrogate pair";
    let broken = || Error::new(ErrorKind::InvalidArgument, broken);
    if units.iter().all(|unit| *unit < 0x80) {
        // What nearly all are, several times faster.
        let ascii = units.iter().map(|unit| *unit as u8).collect();
        return String::from_utf8(ascii).map_err(|_| broken());
    }
    String::from_utf16(units).map_err(|_| broken())
}

fn malformed() -> Error {
    Error::new(ErrorKind::Internal, "a context was packed wrongly")
}
