//! Secrets as people write them down and type them in: groups of six characters, each with a check of its own.
//!
//! `kfr1-7K3QX9-…`: Crockford's base 32, five characters of content and one of check in each group. The check is
//! a weighted sum in GF(32) plus the group's number, so that one wrong character, two characters exchanged within
//! a group, and two groups exchanged are always found, and the message says in which group. The rest of the last
//! group's bits are of a hash over everything, which finds whatever is left.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::format::Encoding;
use crate::primitives::{equal, sha256};
use crate::sys::pages::SecretBytes;

/// Crockford's letters: no I, L, O or U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 6;
/// Bits of content in a group.
const GROUP_BITS: usize = 25;
/// Bits of hash that there must be at least.
const HASH_BITS: usize = 16;

/// A kind of printed secret.
pub(super) struct Form {
    /// What it begins with, its number the version of the form.
    pub(super) prefix: &'static str,
    /// What errors call it.
    pub(super) name: &'static str,
    /// How many bytes it holds.
    pub(super) length: usize,
}

impl Form {
    const fn groups(&self) -> usize {
        (8 * self.length + HASH_BITS).div_ceil(GROUP_BITS)
    }

    /// Whether a text claims to be one.
    pub(super) fn begins(&self, text: &str) -> bool {
        text.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(self.prefix))
    }

    /// The text to be written down.
    pub(super) fn print(&self, content: &SecretBytes) -> Zeroizing<String> {
        let bits = self.bits(content.expose());
        let mut text = Zeroizing::new(String::with_capacity(self.prefix.len() + (1 + GROUP) * self.groups()));
        text.push_str(self.prefix);
        for number in 0..self.groups() {
            let mut check = Check::default();
            text.push_str(if number == 0 { "" } else { "-" });
            for place in 0..GROUP - 1 {
                let value = five_bits(&bits, (GROUP - 1) * number + place);
                check.add(value);
                text.push(letter(value).into());
            }
            text.push(letter(check.finish(number)).into());
        }
        text
    }

    /// What a text holds. White space and dashes do not count, nor does case; O is read as 0, I and L as 1.
    pub(super) fn parse(&self, text: &str) -> Result<SecretBytes> {
        let name = self.name;
        let body = text.get(self.prefix.len()..).filter(|_| self.begins(text));
        let body = body.ok_or_else(|| {
            Error::invalid(format!("{name} begins with {}; this text does not", self.prefix))
        })?;
        let mut values = SecretBytes::zeroed(GROUP * self.groups());
        let mut count = 0;
        for byte in body.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
            let value = value(byte).ok_or_else(|| {
                Error::invalid(format!(
                    "group {} of {name} has a character that none has: they are digits and letters but U",
                    count / GROUP + 1
                ))
            })?;
            if let Some(slot) = values.expose_mut().get_mut(count) {
                *slot = value;
            }
            count += 1;
        }
        if count != values.len() {
            return Err(Error::invalid(format!(
                "{name} has {} groups of {GROUP} characters after {}; this one has {count} characters in all",
                self.groups(),
                self.prefix
            )));
        }
        self.decode(&values)
    }

    fn decode(&self, values: &SecretBytes) -> Result<SecretBytes> {
        let mut bits = SecretBytes::zeroed(self.bits_length());
        for (number, group) in values.expose().chunks(GROUP).enumerate() {
            let mut check = Check::default();
            for (place, value) in group[..GROUP - 1].iter().enumerate() {
                check.add(*value);
                put_five_bits(bits.expose_mut(), (GROUP - 1) * number + place, *value);
            }
            if !equal(&[check.finish(number)], &group[GROUP - 1..]) {
                return Err(Error::invalid(format!(
                    "group {} of {} is mistyped or in the wrong place",
                    number + 1,
                    self.name
                )));
            }
        }
        let content = SecretBytes::copied(&bits.expose()[..self.length]);
        if !equal(bits.expose(), self.bits(content.expose()).expose()) {
            return Err(Error::invalid(format!(
                "{} is mistyped: its groups do not belong together",
                self.name
            )));
        }
        Ok(content)
    }

    const fn bits_length(&self) -> usize {
        (GROUP_BITS * self.groups()).div_ceil(8)
    }

    /// The content, and as much of its hash as fills the groups; the bits after them are zero.
    fn bits(&self, content: &[u8]) -> SecretBytes {
        let place = Encoding::new("keyfold/v1/printed").text(self.prefix);
        let hash = Zeroizing::new(sha256(&[place.as_bytes(), content]));
        let mut bits = SecretBytes::zeroed(self.bits_length());
        let (start, rest) = bits.expose_mut().split_at_mut(content.len());
        start.copy_from_slice(content);
        rest.copy_from_slice(&hash[..rest.len()]);
        if let Some(last) = rest.last_mut() {
            *last &= 0xff << (8 * self.bits_length() - GROUP_BITS * self.groups());
        }
        bits
    }
}

/// The check of one group.
#[derive(Default)]
struct Check(u8);

impl Check {
    /// Horner's rule with the generator of GF(32) under x^5 + x^2 + 1: each place has a weight of its own.
    fn add(&mut self, value: u8) {
        let sum = self.0 ^ value;
        self.0 = ((sum << 1) ^ (0b10_0101 & 0u8.wrapping_sub(sum >> 4))) & 31;
    }

    fn finish(self, number: usize) -> u8 {
        // No form has 31 groups.
        self.0 ^ (number + 1) as u8
    }
}

fn five_bits(bits: &SecretBytes, place: usize) -> u8 {
    (0..5).fold(0, |value, bit| {
        let at = 5 * place + bit;
        value << 1 | (bits.expose()[at / 8] >> (7 - at % 8)) & 1
    })
}

fn put_five_bits(bits: &mut [u8], place: usize, value: u8) {
    for bit in 0..5 {
        let at = 5 * place + bit;
        bits[at / 8] |= ((value >> (4 - bit)) & 1) << (7 - at % 8);
    }
}

/// Goes through all letters, so that no memory access depends on the secret.
fn letter(value: u8) -> u8 {
    LETTERS.iter().zip(0u8..).fold(0, |found, (letter, number)| found | letter & mask(number == value))
}

fn value(letter: u8) -> Option<u8> {
    let upper = letter.to_ascii_uppercase();
    let read = upper
        ^ (upper ^ b'0') & mask(upper == b'O')
        ^ (upper ^ b'1') & mask((upper == b'I') | (upper == b'L'));
    let found = LETTERS
        .iter()
        .zip(0u8..)
        .fold(0, |found, (letter, number)| found | (number | 0x80) & mask(*letter == read));
    (found != 0).then_some(found & 31)
}

fn mask(condition: bool) -> u8 {
    0u8.wrapping_sub(condition.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { prefix: "kfx1-", name: "a test", length: 32 };

    fn sample() -> (SecretBytes, Zeroizing<String>) {
        let content = SecretBytes::fill_with(32, |bytes| {
            bytes.iter_mut().zip(0u8..).for_each(|(byte, n)| *byte = n.wrapping_mul(37) ^ 0xa5)
        });
        let text = FORM.print(&content);
        (content, text)
    }

    #[test]
    fn what_is_printed_is_read() {
        for length in [0u8, 1, 7, 255] {
            let content = SecretBytes::copied(&[length; 32]);
            let text = FORM.print(&content);
            assert_eq!(FORM.parse(&text).unwrap().expose(), content.expose());
            assert_eq!(text.len(), 5 + 11 * 7 - 1);
        }
    }

    #[test]
    fn people_may_type_it_their_way() {
        let (content, text) = sample();
        let forms = [
            text.to_lowercase(),
            text.replace('-', " ").replacen(' ', "-", 1),
            text.replacen('-', "=", 1).replace('-', "").replace('=', "-"),
            text.replace('0', "o").replace('1', "l").replacen("kfxl", "kfx1", 1),
            format!("{}\n", text.replace('-', "-\n")),
        ];
        for form in forms {
            assert_eq!(FORM.parse(&form).unwrap().expose(), content.expose(), "{form}");
        }
    }

    #[test]
    fn every_wrong_character_is_found_in_its_group() {
        let (_, text) = sample();
        for at in FORM.prefix.len()..text.len() {
            let group = (at - FORM.prefix.len()) / 7 + 1;
            for wrong in LETTERS.iter().filter(|letter| **letter != text.as_bytes()[at]) {
                if text.as_bytes()[at] == b'-' {
                    continue;
                }
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = *wrong;
                let error = FORM.parse(std::str::from_utf8(&bytes).unwrap()).map(|_| ()).unwrap_err();
                assert!(error.message().starts_with(&format!("group {group} ")), "{error:?}");
            }
        }
    }

    #[test]
    fn exchanged_groups_and_characters_are_found() {
        let (_, text) = sample();
        let groups: Vec<&str> = text[FORM.prefix.len()..].split('-').collect();
        for a in 0..groups.len() {
            for b in 0..a {
                let mut swapped = groups.clone();
                swapped.swap(a, b);
                let error = FORM.parse(&format!("kfx1-{}", swapped.join("-"))).map(|_| ()).unwrap_err();
                assert!(error.message().starts_with(&format!("group {} ", b + 1)), "{error:?}");
            }
            for at in 0..GROUP - 1 {
                let mut bytes = groups[a].as_bytes().to_vec();
                bytes.swap(at, at + 1);
                if bytes == groups[a].as_bytes() {
                    continue;
                }
                let mut wrong = groups.clone();
                let text = String::from_utf8(bytes).unwrap();
                wrong[a] = &text;
                assert!(FORM.parse(&format!("kfx1-{}", wrong.join("-"))).is_err());
            }
        }
    }

    #[test]
    fn what_is_none_is_refused_without_an_echo() {
        let (_, text) = sample();
        let bad = [
            String::new(),
            "kfx1-".to_owned(),
            text[5..].to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{}A", *text),
            text.replacen(&text[5..6], "U", 1),
            text.replacen(&text[5..6], "é", 1),
            "kfx1-".to_owned() + &"0".repeat(100_000),
        ];
        for bad in bad {
            let error = FORM.parse(&bad).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            assert!(!format!("{error:?}").contains(&text[12..18]), "{error:?}");
        }
    }

    /// Groups that are right each for itself, of two secrets.
    #[test]
    fn groups_of_two_secrets_are_found() {
        let (_, one) = sample();
        let other = FORM.print(&SecretBytes::copied(&[9; 32]));
        let mixed = format!("{}{}", &one[..5 + 7], &other[5 + 7..]);
        let error = FORM.parse(&mixed).map(|_| ()).unwrap_err();
        assert!(error.message().contains("do not belong together"), "{error:?}");
    }
}
