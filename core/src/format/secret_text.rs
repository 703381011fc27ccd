//! Secrets as text, hexadecimal and base64: read and written in a time that depends on their lengths alone.

use base64ct::{Base64, Encoding as _};

use crate::error::{Error, Result};
use crate::sys::pages::SecretBytes;

/// Of digits of either case. `None` for an odd number of them, and for anything else.
pub(crate) fn decode_hex(text: &[u8]) -> Option<SecretBytes> {
    let (pairs, odd) = text.as_chunks::<2>();
    let mut secret = SecretBytes::zeroed(pairs.len());
    let mut wrong = i16::from(!odd.is_empty());
    for (byte, [high, low]) in secret.expose_mut().iter_mut().zip(pairs) {
        let value = digit(*high) << 4 | digit(*low);
        wrong |= value >> 8;
        *byte = value as u8;
    }
    (wrong == 0).then_some(secret)
}

/// In lower case.
pub(crate) fn encode_hex(bytes: &[u8]) -> SecretBytes {
    SecretBytes::fill_with(2 * bytes.len(), |out| {
        for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[letter(byte >> 4), letter(byte & 15)]);
        }
    })
}

/// Whether there is nothing but hexadecimal digits.
pub(crate) fn is_hex(text: &[u8]) -> bool {
    text.iter().fold(0, |wrong, character| wrong | digit(*character)) >= 0
}

/// Of the standard alphabet with padding, without white space.
pub(crate) fn decode_base64(text: &[u8]) -> Option<SecretBytes> {
    let mut room = SecretBytes::zeroed(text.len());
    let length = Base64::decode(text, room.expose_mut()).ok()?.len();
    room.expose().get(..length).map(SecretBytes::copied)
}

/// In the standard alphabet with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> Result<SecretBytes> {
    let mut out = SecretBytes::zeroed(Base64::encoded_len(bytes));
    let written = Base64::encode(bytes, out.expose_mut()).map(str::len);
    if written == Ok(out.len()) { Ok(out) } else { Err(Error::internal("a base64 text of the wrong length")) }
}

/// The value of a hexadecimal digit, or -1: without a branch or a table, which would tell it by the time they take.
fn digit(character: u8) -> i16 {
    let character = i16::from(character);
    let within = |before: i16, after: i16| ((before - character) & (character - after)) >> 8;
    let decimal = within(0x2f, 0x3a) & (character - 0x2f);
    let upper = within(0x40, 0x47) & (character - 0x36);
    let lower = within(0x60, 0x67) & (character - 0x56);
    decimal + upper + lower - 1
}

/// The digit of a value below 16.
fn letter(value: u8) -> u8 {
    let beyond_nine = (9 - i16::from(value)) >> 8;
    value + b'0' + (beyond_nine as u8 & (b'a' - b'9' - 1))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_character_is_the_digit_that_it_is() {
        for character in 0..=u8::MAX {
            let expected = char::from(character).to_digit(16).map_or(-1, |digit| digit as i16);
            assert_eq!(digit(character), expected, "{character}");
            assert_eq!(is_hex(&[b'a', character, b'0']), expected >= 0);
            assert_eq!(is_hex(&[character, character]), expected >= 0);
            assert_eq!(decode_hex(&[b'0', character]).is_some(), expected >= 0);
            assert_eq!(decode_hex(&[character, b'F']).is_some(), expected >= 0);
            assert_eq!(decode_hex(&[character, character]).is_some(), expected >= 0);
        }
        assert!(decode_hex(b"abc").is_none());
    }

    #[test]
    fn there_and_back() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for length in 0..=bytes.len() {
            let bytes = &bytes[bytes.len() - length..];
            let hex = encode_hex(bytes);
            assert_eq!(
                hex.expose(),
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().as_bytes()
            );
            assert_eq!(decode_hex(hex.expose()).unwrap().expose(), bytes);
            assert_eq!(decode_hex(&hex.expose().to_ascii_uppercase()).unwrap().expose(), bytes);
            let base64 = encode_base64(bytes).unwrap();
            assert_eq!(base64.expose(), STANDARD.encode(bytes).as_bytes());
            assert_eq!(decode_base64(base64.expose()).unwrap().expose(), bytes);
        }
    }

    /// Held against the decoder that serves where there is no secret.
    #[test]
    fn one_base64_for_one_value() {
        let good = STANDARD.encode([251, 239, 190, 1, 2, 3, 4]);
        for place in 0..good.len() {
            for character in 0..=u8::MAX {
                let mut text = good.clone().into_bytes();
                text[place] = character;
                let ours = decode_base64(&text).map(|secret| secret.expose().to_vec());
                assert_eq!(ours, STANDARD.decode(&text).ok(), "{text:?}");
            }
        }
        for bad in ["A", "AQ", "AQ=", "AQ==\n", " AQ==", "AQ==AQ==", "A===", "====", "-_-_"] {
            assert!(decode_base64(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert_eq!(decode_base64(b"").unwrap().len(), 0);
    }
}
