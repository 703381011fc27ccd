//! The five bytes in front of every ciphertext: Google Tink's TINK prefix.
//!
//! `01 ‖ tag (u32 big endian) ‖ nonce ‖ ciphertext ‖ authentication tag (16)`,
//! see <https://developers.google.com/tink/wire-format>.

/// The first byte of every prefixed output.
const START_BYTE: u8 = 0x01;
/// The start byte and the tag.
pub(crate) const PREFIX_LENGTH: usize = 5;

/// The prefix of a version's outputs.
pub(crate) fn prefix(tag: u32) -> [u8; PREFIX_LENGTH] {
    let [a, b, c, d] = tag.to_be_bytes();
    [START_BYTE, a, b, c, d]
}

/// A ciphertext taken apart, nothing of it verified.
pub(crate) struct Envelope<'a> {
    /// The public hint which version sealed it.
    pub(crate) tag: u32,
    /// Nonce, ciphertext and authentication tag.
    pub(crate) body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `None` where the bytes do not begin as a ciphertext does.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (prefix, body) = bytes.split_first_chunk::<PREFIX_LENGTH>()?;
        let [start, tag @ ..] = *prefix;
        let tag = u32::from_be_bytes(tag);
        (start == START_BYTE && tag != 0).then_some(Self { tag, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_tinks() {
        assert_eq!(prefix(0x9f3c_2a17), [0x01, 0x9f, 0x3c, 0x2a, 0x17]);
        let envelope = Envelope::parse(&[1, 0x9f, 0x3c, 0x2a, 0x17, 7]).unwrap();
        assert_eq!((envelope.tag, envelope.body), (0x9f3c_2a17, &[7u8][..]));
    }

    #[test]
    fn other_bytes_are_no_envelope() {
        for bad in [&[][..], &[1], &[1, 0, 0, 1], &[0, 0, 0, 0, 1, 9], &[1, 0, 0, 0, 0, 9], b"kf1.AQAA"] {
            assert!(Envelope::parse(bad).is_none(), "{bad:?}");
        }
    }
}
