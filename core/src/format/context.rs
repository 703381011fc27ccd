//! A context of named fields, turned into associated data so that no two contexts give the same bytes.
//!
//! The ASCII bytes `kf-context-v1`, then for each field in byte order of its name:
//! u32 big endian length, name, u32 big endian length, value.

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::limits;

const LABEL: &[u8] = b"kf-context-v1";

/// Associated data as handed to the cipher; contexts of usual size stay on the stack.
#[expect(
    clippy::large_enum_variant,
    reason = "on the stack is the point: a box would be an allocation a call"
)]
pub(crate) enum AadBytes<'a> {
    Borrowed(&'a [u8]),
    Encoded(SmallVec<[u8; 256]>),
}

impl AsRef<[u8]> for AadBytes<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            AadBytes::Borrowed(bytes) => bytes,
            AadBytes::Encoded(bytes) => bytes,
        }
    }
}

/// Where a value belongs: named fields such as table, column and row.
///
/// What was sealed under one context opens under no other. Names are unique; an empty context is refused.
///
/// ```
/// use keyfold::Context;
/// let place = Context::new().with("table", "users").with("column", "email").with("id", 42);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// In byte order of the names.
    fields: Vec<(String, ContextValue)>,
    duplicate: Option<String>,
}

/// The value of one field: text, bytes or an integer (as decimal text, so that 42 and "42" are the same).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextValue(Vec<u8>);

impl Context {
    /// An empty context, to be filled with [`Context::with`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A name given twice is an error when the context is used.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<ContextValue>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds a field in place; otherwise as [`Context::with`].
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<ContextValue>) {
        let name = name.into();
        match self.fields.binary_search_by(|(other, _)| other.as_bytes().cmp(name.as_bytes())) {
            Ok(_) => self.duplicate = Some(name),
            Err(place) => self.fields.insert(place, (name, value.into())),
        }
    }

    /// The associated data that this context stands for.
    ///
    /// InvalidArgument for an empty context or a name given twice; LimitExceeded past 64 fields or 1 MiB.
    pub fn to_aad(&self) -> Result<Vec<u8>> {
        Ok(self.encode()?.into_vec())
    }

    /// How many bytes of associated data it stands for.
    pub fn encoded_length(&self) -> usize {
        LABEL.len() + self.fields.iter().map(|(name, value)| 8 + name.len() + value.0.len()).sum::<usize>()
    }

    fn encode(&self) -> Result<SmallVec<[u8; 256]>> {
        if let Some(name) = &self.duplicate {
            return Err(Error::invalid(format!("the context names the field {name:?} twice")));
        }
        if self.fields.is_empty() {
            return Err(Error::invalid("the context is empty; name at least one field, or leave it out"));
        }
        if self.fields.len() > limits::CONTEXT_FIELDS {
            return Err(Error::limit(format!("a context has at most {} fields", limits::CONTEXT_FIELDS)));
        }
        let length = self.encoded_length();
        if length > limits::AAD_BYTES {
            return Err(Error::limit(format!("a context is at most {} bytes", limits::AAD_BYTES)));
        }
        let mut out = SmallVec::with_capacity(length);
        out.extend_from_slice(LABEL);
        for (name, ContextValue(value)) in &self.fields {
            for part in [name.as_bytes(), value] {
                out.extend_from_slice(&(part.len() as u32).to_be_bytes());
                out.extend_from_slice(part);
            }
        }
        Ok(out)
    }
}

impl From<&str> for ContextValue {
    fn from(value: &str) -> Self {
        Self(value.as_bytes().to_vec())
    }
}

impl From<String> for ContextValue {
    fn from(value: String) -> Self {
        Self(value.into_bytes())
    }
}

impl From<&String> for ContextValue {
    fn from(value: &String) -> Self {
        Self(value.as_bytes().to_vec())
    }
}

impl From<&[u8]> for ContextValue {
    fn from(value: &[u8]) -> Self {
        Self(value.to_vec())
    }
}

impl From<Vec<u8>> for ContextValue {
    fn from(value: Vec<u8>) -> Self {
        Self(value)
    }
}

impl<const N: usize> From<&[u8; N]> for ContextValue {
    fn from(value: &[u8; N]) -> Self {
        Self(value.to_vec())
    }
}

macro_rules! integers {
    ($($integer:ty)*) => { $(
        impl From<$integer> for ContextValue {
            fn from(value: $integer) -> Self {
                Self(value.to_string().into_bytes())
            }
        }
    )* };
}
integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

/// What a ciphertext is bound to: nothing, raw bytes, or a context.
#[derive(Clone, Copy, Debug)]
pub enum Aad<'a> {
    /// Handed to the cipher as it is; empty for none.
    Raw(&'a [u8]),
    /// Encoded first, see [`Context`].
    Context(&'a Context),
}

impl<'a> Aad<'a> {
    /// No associated data.
    pub const NONE: Aad<'static> = Aad::Raw(&[]);

    #[inline]
    pub(crate) fn to_bytes(self) -> Result<AadBytes<'a>> {
        match self {
            Aad::Raw(bytes) if bytes.len() > limits::AAD_BYTES => Err(too_long()),
            Aad::Raw(bytes) => Ok(AadBytes::Borrowed(bytes)),
            Aad::Context(context) => Ok(AadBytes::Encoded(context.encode()?)),
        }
    }
}

#[cold]
fn too_long() -> Error {
    Error::limit(format!("aad is at most {} bytes", limits::AAD_BYTES))
}

impl<'a> From<&'a Context> for Aad<'a> {
    fn from(context: &'a Context) -> Self {
        Aad::Context(context)
    }
}

impl<'a> From<&'a [u8]> for Aad<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Aad::Raw(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Aad<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Aad::Raw(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Aad<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Aad::Raw(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn the_bytes_are_as_documented() {
        let context = Context::new().with("id", 42).with("a", "é");
        let aad = context.to_aad().unwrap();
        assert_eq!(aad.len(), context.encoded_length());
        let expected = [
            b"kf-context-v1",
            &[0, 0, 0, 1][..],
            b"a",
            &[0, 0, 0, 2],
            "é".as_bytes(),
            &[0, 0, 0, 2],
            b"id",
            &[0, 0, 0, 2],
            b"42",
        ];
        assert_eq!(aad, expected.concat());
    }

    #[test]
    fn the_cipher_gets_what_is_encoded() {
        let context = Context::new().with("id", 42);
        assert_eq!(Aad::Context(&context).to_bytes().unwrap().as_ref(), context.to_aad().unwrap());
        assert_eq!(Aad::Raw(b"raw").to_bytes().unwrap().as_ref(), b"raw");
    }

    #[test]
    fn order_of_calls_does_not_matter_but_borders_do() {
        let one = Context::new().with("a", "1").with("b", "2").to_aad().unwrap();
        assert_eq!(one, Context::new().with("b", "2").with("a", 1).to_aad().unwrap());
        assert_ne!(one, Context::new().with("a", "1b").with("b", "2").to_aad().unwrap());
        assert_ne!(
            Context::new().with("ab", "c").to_aad().unwrap(),
            Context::new().with("a", "bc").to_aad().unwrap()
        );
    }

    #[test]
    fn limits_hold() {
        let fields = |count: usize| (0..count).fold(Context::new(), |all, n| all.with(format!("f{n}"), n));
        assert!(fields(64).to_aad().is_ok());
        assert_eq!(fields(65).to_aad().unwrap_err().kind(), ErrorKind::LimitExceeded);
        let sized = |bytes: usize| Context::new().with("n", vec![0u8; bytes]);
        let room = limits::AAD_BYTES - LABEL.len() - 9;
        assert_eq!(sized(room).to_aad().unwrap().len(), limits::AAD_BYTES);
        assert_eq!(sized(room + 1).to_aad().unwrap_err().kind(), ErrorKind::LimitExceeded);
        assert!(Aad::Raw(&vec![0; limits::AAD_BYTES]).to_bytes().is_ok());
        assert!(Aad::Raw(&vec![0; limits::AAD_BYTES + 1]).to_bytes().is_err());
        assert_eq!(Context::new().to_aad().unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(
            Context::new().with("a", 1).with("a", 1).to_aad().unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
}
