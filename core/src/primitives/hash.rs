//! Hashing and key derivation, of SHA-256.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::Served;
use super::backend::{Backend, Failure, MacKey};
use crate::sys::wiped::Wiped;

/// SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Served::sha256(parts)
}

/// HMAC-SHA256 of the parts, one after the other.
#[cfg(test)]
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    mac::<Served>(key, parts)
}

/// HKDF-SHA256 (RFC 5869) into all of `out`, which may have at most 255 × 32 bytes.
pub(crate) fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Failure> {
    hkdf::<Served>(ikm, salt, info, out)
}

/// Whether two byte strings are the same, in a time that depends on their lengths alone.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

pub(super) fn mac<B: Backend>(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    Wiped::new(B::Mac::new(key)).mac(parts)
}

pub(super) fn hkdf<B: Backend>(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Failure> {
    if out.len() > 255 * 32 {
        return Err(Failure);
    }
    let mut pseudorandom = mac::<B>(salt, &[ikm]);
    let key = Wiped::new(B::Mac::new(&pseudorandom));
    pseudorandom.zeroize();
    let mut block = [0; 32];
    for (counter, chunk) in (1..=255_u8).zip(out.chunks_mut(32)) {
        let previous: &[u8] = if counter == 1 { &[] } else { &block };
        block = key.mac(&[previous, info, &[counter]]);
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    block.zeroize();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_fills_at_most_255_blocks() {
        let mut most = vec![0; 255 * 32];
        assert_eq!(hkdf_sha256(b"ikm", b"salt", b"info", &mut most), Ok(()));
        let mut short = [0; 33];
        hkdf_sha256(b"ikm", b"salt", b"info", &mut short).unwrap();
        assert_eq!(short, most[..33]);
        assert_eq!(hkdf_sha256(b"ikm", b"salt", b"info", &mut vec![0; 255 * 32 + 1]), Err(Failure));
    }

    #[test]
    fn equal_compares_all_bytes_and_lengths() {
        assert!(equal(b"", b""));
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"sama"));
        assert!(!equal(b"same", b"tame"));
        assert!(!equal(b"same", b"same!"));
    }
}
