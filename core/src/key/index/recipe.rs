//! How a value becomes an index: its options, checked, and the bytes under the MAC.

use std::borrow::Cow;
use std::io::Write;

use smallvec::SmallVec;

use super::normalize::{Normalizer, Text};
use super::soundex::soundex;
use crate::error::{Error, Result};
use crate::keyring::IndexRoot;
use crate::limits;
use crate::store::IndexOptions;

const LABEL: &[u8] = b"keyfold/v1/blind-index";
const COMPOUND: &[u8] = b"compound";
/// Room for the name of a kind with the longest length.
const NAME_LENGTH: usize = 16;
const KINDS: &str = "exact, prefix, suffix, soundex";

/// Options that hold.
pub(super) struct Recipe {
    kind: Kind,
    bits: u32,
    normalizers: SmallVec<[Normalizer; 8]>,
}

/// Which part of a value is indexed.
#[derive(Clone, Copy)]
enum Kind {
    Exact,
    /// The first so many characters.
    Prefix(u32),
    /// The last so many characters.
    Suffix(u32),
    Soundex,
}

/// What of a value goes under the MAC. Wiped where it is a copy.
enum Input<'a> {
    Bytes(&'a [u8]),
    Text(Text<'a>, std::ops::Range<usize>),
    Code([u8; 4]),
}

impl Recipe {
    pub(super) fn new(field: &str, options: &IndexOptions) -> Result<Self> {
        check_field(field)?;
        Self::of(options)
    }

    /// For several fields at once.
    pub(super) fn compound(values: &[(&str, &[u8])], options: &IndexOptions) -> Result<Self> {
        if values.is_empty() || values.len() > limits::INDEX_FIELDS {
            return Err(Error::invalid(format!(
                "a compound index is of 1 to {} fields, not {}",
                limits::INDEX_FIELDS,
                values.len()
            )));
        }
        for (place, (field, _)) in values.iter().enumerate() {
            check_field(field)?;
            if values[..place].iter().any(|(other, _)| other == field) {
                return Err(Error::invalid(format!("a compound index has the field {field:?} twice")));
            }
        }
        Self::of(options)
    }

    pub(super) fn of(options: &IndexOptions) -> Result<Self> {
        if options.bits == 0 || options.bits > limits::INDEX_BITS {
            return Err(Error::invalid(format!(
                "bits is {}; it may be 1 to {}",
                options.bits,
                limits::INDEX_BITS
            )));
        }
        if options.normalize.len() > limits::INDEX_NORMALIZERS {
            return Err(Error::invalid(format!(
                "normalize has {} steps; at most {} are taken",
                options.normalize.len(),
                limits::INDEX_NORMALIZERS
            )));
        }
        let normalizers =
            options.normalize.iter().map(|name| Normalizer::from_name(name)).collect::<Result<_>>()?;
        Ok(Self { kind: Kind::new(&options.kind, options.length)?, bits: options.bits, normalizers })
    }

    /// The bytes of an index.
    pub(super) fn width(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    #[inline]
    pub(super) fn index(&self, root: &IndexRoot, field: &str, value: &[u8]) -> Result<Vec<u8>> {
        Ok(self.mac(root, field, value)?[..self.width()].to_vec())
    }

    /// The index under each of the roots.
    pub(super) fn indexes(&self, roots: &[IndexRoot], field: &str, value: &[u8]) -> Result<Vec<Vec<u8>>> {
        let input = self.input(value)?;
        let index = |root| {
            let mac = self.mac_of(root, field, input.as_bytes())?;
            Ok(self.truncated(mac)[..self.width()].to_vec())
        };
        roots.iter().map(index).collect()
    }

    /// The index, and zeros up to the full width.
    #[inline]
    pub(super) fn mac(&self, root: &IndexRoot, field: &str, value: &[u8]) -> Result<[u8; 32]> {
        Ok(self.truncated(self.full_mac(root, field, value)?))
    }

    /// What the index is the beginning of.
    #[inline]
    pub(super) fn full_mac(&self, root: &IndexRoot, field: &str, value: &[u8]) -> Result<[u8; 32]> {
        self.mac_of(root, field, self.input(value)?.as_bytes())
    }

    #[inline]
    fn mac_of(&self, root: &IndexRoot, field: &str, part: &[u8]) -> Result<[u8; 32]> {
        let mut name = [0; NAME_LENGTH];
        let (name, field) = (self.kind.write_name(&mut name)?, field.as_bytes());
        Ok(root.mac.mac(&[LABEL, &length(name), name, &length(field), field, &length(part), part]))
    }

    /// The index of all the fields under each of the roots.
    pub(super) fn compound_indexes(
        &self,
        roots: &[IndexRoot],
        values: &[(&str, &[u8])],
    ) -> Result<Vec<Vec<u8>>> {
        let mut name = [0; NAME_LENGTH];
        let name = self.kind.write_name(&mut name)?;
        let mut fields = Vec::with_capacity(values.len());
        for (place, (field, value)) in values.iter().enumerate() {
            fields.push((field.as_bytes(), self.input(value).map_err(|error| error.with_index(place))?));
        }
        fields.sort_by_key(|(field, _)| *field);
        let lengths: Vec<_> =
            fields.iter().map(|(field, input)| (length(field), length(input.as_bytes()))).collect();
        let (kind_length, compound_length) = (length(name), length(COMPOUND));
        let mut parts: Vec<&[u8]> = vec![LABEL, &compound_length, COMPOUND];
        for ((field, input), (field_length, input_length)) in fields.iter().zip(&lengths) {
            parts.extend([&kind_length[..], name, field_length, field, input_length, input.as_bytes()]);
        }
        let index = |root: &IndexRoot| self.truncated(root.mac.mac(&parts))[..self.width()].to_vec();
        Ok(roots.iter().map(index).collect())
    }

    /// Clears all bits past the wanted ones.
    pub(super) fn truncated(&self, mut mac: [u8; 32]) -> [u8; 32] {
        let width = self.width();
        mac[width..].fill(0);
        let spare = (8 - self.bits % 8) % 8;
        mac[width - 1] &= 0xff << spare;
        mac
    }

    /// The part of the value that is indexed.
    #[inline]
    fn input<'a>(&self, value: &'a [u8]) -> Result<Input<'a>> {
        if value.len() > limits::INDEX_VALUE_BYTES {
            return Err(Error::limit(format!(
                "an indexed value is at most {} bytes",
                limits::INDEX_VALUE_BYTES
            )));
        }
        if matches!(self.kind, Kind::Exact) && self.normalizers.is_empty() {
            return Ok(Input::Bytes(value));
        }
        self.text_input(value)
    }

    fn text_input<'a>(&self, value: &'a [u8]) -> Result<Input<'a>> {
        if value.len() > limits::INDEX_TEXT_BYTES {
            return Err(Error::limit(format!(
                "a value that is indexed as text is at most {} bytes",
                limits::INDEX_TEXT_BYTES
            )));
        }
        let text = std::str::from_utf8(value).map_err(|_| {
            Error::invalid(
                "the value is not UTF-8: prefix, suffix, soundex and normalisers are for text; index bytes with \
                 kind exact and no normaliser",
            )
        })?;
        let mut text = Text::Given(text);
        for normalizer in &self.normalizers {
            text = normalizer.apply(text);
        }
        let whole = text.len();
        let kept = match self.kind {
            Kind::Exact => 0..whole,
            Kind::Prefix(count) => 0..text.char_indices().nth(count as usize).map_or(whole, |(end, _)| end),
            Kind::Suffix(count) => {
                text.char_indices().rev().nth(count as usize - 1).map_or(0, |(start, _)| start)..whole
            }
            Kind::Soundex => match soundex(&text) {
                Some(code) => return Ok(Input::Code(code)),
                None => 0..whole,
            },
        };
        Ok(Input::Text(text, kept))
    }
}

impl Kind {
    fn new(name: &str, length: Option<u32>) -> Result<Self> {
        let kind = match (name, length) {
            ("exact", None) => Self::Exact,
            ("soundex", None) => Self::Soundex,
            ("exact" | "soundex", Some(_)) => {
                return Err(Error::invalid(format!("length is for kinds prefix and suffix, not {name}")));
            }
            ("prefix" | "suffix", None) => {
                return Err(Error::invalid(format!(
                    "kind {name} wants length: how many characters it takes"
                )));
            }
            ("prefix" | "suffix", Some(count)) if count == 0 || count > limits::INDEX_LENGTH => {
                return Err(Error::invalid(format!(
                    "length is {count}; it may be 1 to {}",
                    limits::INDEX_LENGTH
                )));
            }
            ("prefix", Some(count)) => Self::Prefix(count),
            ("suffix", Some(count)) => Self::Suffix(count),
            ("compound", _) => {
                return Err(Error::invalid("kind \"compound\" has a call of its own: blind_index_compound"));
            }
            _ => return Err(Error::invalid(format!("index kind {:?} is none of: {KINDS}", shown(name)))),
        };
        Ok(kind)
    }

    /// The kind's name under the MAC: with its length, so that no two share an index.
    #[inline]
    fn write_name(self, buffer: &mut [u8; NAME_LENGTH]) -> Result<&[u8]> {
        let mut rest = &mut buffer[..];
        match self {
            Self::Exact => return Ok(b"exact"),
            Self::Soundex => return Ok(b"soundex"),
            Self::Prefix(count) => write!(rest, "prefix:{count}"),
            Self::Suffix(count) => write!(rest, "suffix:{count}"),
        }
        .map_err(|_| Error::internal("a kind with a long name"))?;
        let left = rest.len();
        Ok(&buffer[..NAME_LENGTH - left])
    }
}

impl Input<'_> {
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text, kept) => &text.as_bytes()[kept.clone()],
            Self::Code(code) => code,
        }
    }
}

fn check_field(field: &str) -> Result<()> {
    if field.is_empty() || field.len() > limits::INDEX_FIELD_BYTES {
        return Err(Error::invalid(format!(
            "field names what is indexed, as in \"users.email\": 1 to {} bytes",
            limits::INDEX_FIELD_BYTES
        )));
    }
    Ok(())
}

/// An unknown word as an error shows it: not the whole of something that was put there by mistake.
pub(super) fn shown(word: &str) -> Cow<'_, str> {
    match word.char_indices().nth(32) {
        Some((end, _)) => Cow::Owned(format!("{}…", &word[..end])),
        None => Cow::Borrowed(word),
    }
}

/// Values and fields are far below 4 GiB.
#[inline]
fn length(part: &[u8]) -> [u8; 4] {
    (part.len() as u32).to_be_bytes()
}
