//! The text form for text columns: `kf1.` and base64url without padding (RFC 4648 section 5).

use std::borrow::Cow;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use smallvec::SmallVec;

use super::envelope::Envelope;
use crate::error::{Error, Result};

/// What every text form begins with.
pub(crate) const TEXT_PREFIX: &str = "kf1.";

/// The text form of these bytes.
pub fn to_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    to_text_into(bytes, &mut text);
    text
}

/// Appends the text form of these bytes in one allocation.
pub(crate) fn to_text_into(bytes: &[u8], text: &mut String) {
    text.reserve_exact(text_length(bytes.len()));
    text.push_str(TEXT_PREFIX);
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

/// The length of the text form of so many bytes.
pub(crate) fn text_length(bytes: usize) -> usize {
    TEXT_PREFIX.len() + (bytes * 4).div_ceil(3)
}

/// The bytes of a text form. Padding, other alphabets, white space and stray bits are refused.
pub fn from_text(text: &str) -> Result<Vec<u8>> {
    text.strip_prefix(TEXT_PREFIX)
        .and_then(|rest| URL_SAFE_NO_PAD.decode_to_vec(rest).ok())
        .ok_or_else(|| Error::invalid("not a keyfold text form: expected \"kf1.\" and unpadded base64url"))
}

/// Whether the value has the shape of a ciphertext, as bytes or as text. A hint, not a proof.
pub fn is_ciphertext(value: impl AsRef<[u8]>) -> bool {
    // The shortest is a deterministic one of an empty message: prefix, 16-byte IV.
    const SHORTEST: usize = 16;
    decode_ciphertext(value.as_ref())
        .is_some_and(|bytes| Envelope::parse(&bytes).is_some_and(|envelope| envelope.body.len() >= SHORTEST))
}

/// The bytes of a ciphertext given as bytes or as text; `None` where the text is malformed.
///
/// A ciphertext in bytes begins with 0x01, so the two cannot be mistaken for each other.
pub(crate) fn decode_ciphertext(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    match value.strip_prefix(TEXT_PREFIX.as_bytes()) {
        Some(rest) => URL_SAFE_NO_PAD.decode_to_vec(rest).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

/// A ciphertext on its way to or from text; one of usual size stays on the stack.
pub(crate) type Scratch = SmallVec<[u8; 512]>;

/// The first bytes of `scratch`, whatever they are. Growing it byte by byte would take longer than encrypting.
#[inline]
pub(crate) fn room(scratch: &mut Scratch, length: usize) -> &mut [u8] {
    const ZEROS: [u8; 512] = [0; 512];
    if scratch.len() < length {
        match ZEROS.get(scratch.len()..length) {
            Some(zeros) => scratch.extend_from_slice(zeros),
            None => *scratch = Scratch::from_vec(vec![0; length]),
        }
    }
    &mut scratch[..length]
}

/// As [`decode_ciphertext`], with the bytes of a text form in `scratch`.
#[inline]
pub(crate) fn decode_ciphertext_into<'a>(value: &'a [u8], scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    let Some(rest) = value.strip_prefix(TEXT_PREFIX.as_bytes()) else { return Some(value) };
    let bytes = room(scratch, URL_SAFE_NO_PAD.decoded_length(rest).ok()?);
    URL_SAFE_NO_PAD.decode(rest, bytes.as_out()).ok().map(|bytes| &*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for length in 0..70 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = to_text(&bytes);
            assert!(text.starts_with("kf1.") && !text.contains('='));
            assert_eq!(from_text(&text).unwrap(), bytes);
            assert_eq!(text.len(), text_length(bytes.len()));
            assert_eq!(text.capacity(), text.len(), "one allocation");
            for used in [0, 9, 1000] {
                let mut scratch = Scratch::from_elem(7, used);
                assert_eq!(decode_ciphertext_into(text.as_bytes(), &mut scratch).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn one_text_for_one_value() {
        // Padding, the standard alphabet, white space, stray low bits, no prefix, another prefix.
        for bad in
            ["kf1.AQ==", "kf1.+/+/", "kf1.AQ\n", "kf1. AQ", "kf1.AR", "AQ", "KF1.AQ", "kf2.AQ", "kf1.A", ""]
        {
            assert!(from_text(bad).is_err(), "{bad:?}");
            if bad.starts_with("kf1.") {
                assert!(decode_ciphertext_into(bad.as_bytes(), &mut Scratch::new()).is_none(), "{bad:?}");
            }
        }
        assert_eq!(from_text("kf1.").unwrap(), b"");
    }

    /// Every byte in every place of texts of many lengths, beside another implementation.
    #[test]
    fn strict_as_another_implementation_is() {
        use base64::Engine;
        let other = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        for length in (0..80).chain([127, 128, 1000]) {
            let bytes: Vec<u8> = (0..length).map(|place: u32| (place * 167 + length) as u8).collect();
            let mut text = other.encode(&bytes).into_bytes();
            assert_eq!(to_text(&bytes).as_bytes()[TEXT_PREFIX.len()..], text);
            for place in 0..text.len() {
                let right = text[place];
                for byte in 0..=u8::MAX {
                    text[place] = byte;
                    let whole = [TEXT_PREFIX.as_bytes(), &text].concat();
                    let mut scratch = Scratch::new();
                    let found = decode_ciphertext_into(&whole, &mut scratch);
                    assert_eq!(found, other.decode(&text).ok().as_deref(), "{length} {place} {byte}");
                }
                text[place] = right;
            }
        }
    }

    #[test]
    fn shape_of_a_ciphertext() {
        let mut bytes = vec![1, 0, 0, 0, 9];
        bytes.extend([0; 16]);
        assert!(is_ciphertext(&bytes) && is_ciphertext(to_text(&bytes)));
        bytes.pop();
        assert!(!is_ciphertext(&bytes) && !is_ciphertext(to_text(&bytes)));
        assert!(!is_ciphertext("ada@example.org") && !is_ciphertext("kf1.!!!") && !is_ciphertext(""));
    }
}
