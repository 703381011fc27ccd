//! HMAC (RFC 2104) with its key in locked memory.
//!
//! The RustCrypto crates serve it in both builds, since they are the faster (`docs/decisions/0005-hmac.md`); the
//! tests hold aws-lc-rs against them.

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

use super::backend::MacKey;
use super::hash::equal;
use crate::sys::pages::SecretBytes;
use crate::sys::wiped::Locked;

/// A key of HMAC-SHA256, ready for any number of messages.
pub(crate) struct HmacKey(Locked<Hmac<Sha256>>);

impl HmacKey {
    /// Takes a key of any length, which its owner still has to wipe.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Locked::new(|| MacKey::new(key)))
    }

    /// The code of the parts, one after the other.
    #[inline]
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.0.mac(parts)
    }
}

/// A key that authenticates messages, by the hash that its algorithm names.
pub(crate) enum Authenticator {
    /// HMAC-SHA256.
    Sha256(HmacKey),
    /// HMAC-SHA512.
    Sha512(Locked<Hmac<Sha512>>),
}

impl Authenticator {
    /// With HMAC-SHA256. `None` where the key is too short to be one.
    pub(crate) fn sha256(key: &SecretBytes) -> Option<Self> {
        (key.len() >= LEAST_KEY_LENGTH).then(|| Self::Sha256(HmacKey::new(key.expose())))
    }

    /// With HMAC-SHA512. `None` where the key is too short to be one.
    pub(crate) fn sha512(key: &SecretBytes) -> Option<Self> {
        (key.len() >= LEAST_KEY_LENGTH)
            .then(|| Self::Sha512(Locked::new(|| <Hmac<Sha512> as MacKey<64>>::new(key.expose()))))
    }

    /// Bytes of a code.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Sha256(_) => 32,
            Self::Sha512(_) => 64,
        }
    }

    /// Appends the code of the data.
    #[inline]
    pub(crate) fn append(&self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Sha256(key) => out.extend_from_slice(&key.mac(&[data])),
            Self::Sha512(key) => out.extend_from_slice(&key.mac(&[data])),
        }
    }

    /// Whether this is the whole code of the data, in a time that does not depend on where it differs.
    #[inline]
    pub(crate) fn verifies(&self, data: &[u8], code: &[u8]) -> bool {
        match self {
            Self::Sha256(key) => equal(&key.mac(&[data]), code),
            Self::Sha512(key) => equal(&key.mac(&[data]), code),
        }
    }
}

/// What Google Tink asks of a key that it is to import; those made here are longer.
const LEAST_KEY_LENGTH: usize = 16;

impl<H: EagerHash, const LENGTH: usize> MacKey<LENGTH> for Hmac<H>
where
    Self: Mac + KeyInit + Clone + Send + Sync,
    hmac::digest::Output<Self>: Into<[u8; LENGTH]>,
{
    fn new(key: &[u8]) -> Self {
        KeyInit::new_from_slice(key).expect("HMAC takes keys of any length")
    }

    #[inline]
    fn mac(&self, parts: &[&[u8]]) -> [u8; LENGTH] {
        let mut code = self.clone();
        parts.iter().for_each(|part| code.update(part));
        code.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::hmac_sha256;
    use super::*;

    #[test]
    fn a_reused_key_gives_the_same_codes() {
        let key = HmacKey::new(b"a key");
        for message in [&b""[..], b"a", b"a longer message"] {
            assert_eq!(key.mac(&[message]), hmac_sha256(b"a key", &[message]));
        }
        assert_ne!(key.mac(&[b"a"]), hmac_sha256(b"b key", &[b"a"]));
    }

    #[test]
    fn only_the_whole_code_verifies() {
        let key = SecretBytes::copied(&[7; 64]);
        for key in [Authenticator::sha256(&key).unwrap(), Authenticator::sha512(&key).unwrap()] {
            let mut code = Vec::new();
            key.append(b"data", &mut code);
            assert_eq!(code.len(), key.length());
            assert!(key.verifies(b"data", &code) && !key.verifies(b"date", &code));
            assert!((0..code.len()).all(|length| !key.verifies(b"data", &code[..length])));
            assert!(!key.verifies(b"data", &[&code[..], &[0]].concat()));
            for bit in 0..8 * code.len() {
                let mut changed = code.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!key.verifies(b"data", &changed));
            }
        }
    }

    #[test]
    fn short_keys_are_not_taken() {
        for (length, taken) in [(0, false), (15, false), (16, true), (32, true), (64, true), (200, true)] {
            let key = SecretBytes::zeroed(length);
            assert_eq!(Authenticator::sha256(&key).is_some(), taken);
            assert_eq!(Authenticator::sha512(&key).is_some(), taken);
        }
    }
}
