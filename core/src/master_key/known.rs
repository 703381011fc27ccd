//! Keys that no store may have: published ones, and those that somebody made up.

use crate::error::{Error, Result};
use crate::primitives::equal;

/// Keys of documentation, of standards' examples, and of the sort that is typed while trying something out.
const PUBLISHED: [&[u8; 32]; 12] = [
    b"abcdefghijklmnopqrstuvwxyz012345",
    b"abcdefghijklmnopqrstuvwxyz123456",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ123456",
    b"12345678901234567890123456789012",
    b"01234567890123456789012345678901",
    b"this_is_a_32_byte_key_for_tests!",
    b"thisisa32byteencryptionkey123456",
    b"an example very very secret key.",
    // FIPS 197 and NIST SP 800-38A: the AES-256 key of their examples.
    b"\x60\x3d\xeb\x10\x15\xca\x71\xbe\x2b\x73\xae\xf0\x85\x7d\x77\x81\
      \x1f\x35\x2c\x07\x3b\x61\x08\xd7\x2d\x98\x10\xa3\x09\x14\xdf\xf4",
    // The key that the documentation of Python's Fernet shows.
    b"\x73\x0f\xf4\xc7\xaf\x3d\x46\x92\x3e\x8e\xd4\x51\xee\x81\x3c\x87\
      \xf7\x90\xb0\xa2\x26\xbc\x96\xa9\x2d\xe4\x9b\x5e\x9c\x05\xe1\xee",
    // RFC 7748, section 6.1: Alice's private key, much copied.
    b"\x77\x07\x6d\x0a\x73\x18\xa5\x7d\x3c\x16\xc1\x72\x51\xb2\x66\x45\
      \xdf\x4c\x2f\x87\xeb\xc0\x99\x2a\xb1\x77\xfb\xa5\x1d\xb9\x2c\x2a",
];

/// The master key of the stores in `tests/fixtures`: SHA-256 of "keyfold: the master key of the fixture stores". They
/// must open, so it is warned of, which production mode takes for an error.
pub(super) const FIXTURES: &[u8; 32] = b"\xa0\xab\x6e\x32\xa1\xa1\x53\x59\x79\xf3\xec\xf9\xb5\x4a\xd7\x7c\
      \x72\xb5\x5b\x9b\xd0\xd1\xf3\xbf\x9f\x6e\x68\xd3\x9f\xe1\x64\x24";

/// Refuses a key that is published, repeats itself, or counts in even steps. A random key does neither, and all of
/// one takes the same time.
pub(super) fn refuse_known(key: &[u8; 32]) -> Result<()> {
    let repeats = (1..=16).fold(false, |found, period| found | equal(&key[period..], &key[..32 - period]));
    let step = |place: usize| key[place + 1].wrapping_sub(key[place]);
    let counts = (1..31).fold(0, |differences, place| differences | (step(place) ^ step(0))) == 0;
    let published = PUBLISHED.iter().fold(false, |found, known| found | equal(*known, key));
    if repeats | counts | published {
        return Err(Error::invalid(
            "this master key is a published or made-up one that anybody could try; use \
             `keyfold master-key generate`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::{Base64, Base64Url, Encoding as _};

    fn refused(text: &str) -> bool {
        let mut key = [0; 32];
        let decoded = Base64::decode(text, &mut key).map(<[u8]>::len);
        let decoded = decoded.or_else(|_| Base64Url::decode(text, &mut key).map(<[u8]>::len));
        assert_eq!(decoded, Ok(32));
        refuse_known(&key).is_err()
    }

    #[test]
    fn keys_that_everybody_knows_are_refused() {
        for text in [
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "//////////////////////////////////////////8=",
            // 0 to 31, 1 to 32, 31 to 0, 0x80 to 0x9f (RFC 8439).
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
            "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=",
            "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=",
            // "0123456789abcdef" twice, and those bytes in hex.
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=",
            "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8=",
            // "password" four times, and the key of Fernet's documentation.
            "cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ=",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        ] {
            assert!(refused(text), "{text}");
        }
        for key in PUBLISHED {
            assert!(refuse_known(key).is_err());
        }
    }

    #[test]
    fn random_keys_are_not() {
        for _ in 0..1000 {
            let mut key = [0; 32];
            crate::primitives::random_bytes(&mut key).unwrap();
            assert!(refuse_known(&key).is_ok());
        }
        // One byte beside a sequence and a repetition.
        let mut key: [u8; 32] = std::array::from_fn(|place| place as u8);
        key[31] = 77;
        assert!(refuse_known(&key).is_ok());
    }
}
