//! Authenticated encryption: a cipher for one key.

use std::fmt;

use super::Served;
use super::algorithm::Algorithm;
use super::backend::{AeadKey, Backend, Failure, Forged};
use super::xaes::Xaes;
use super::xchacha::XChaCha;
use crate::sys::wiped::Locked;

/// Bytes of the tag that authenticates a ciphertext, in every algorithm.
pub(crate) const TAG_LENGTH: usize = 16;

/// An expanded key in locked memory, ready to encrypt, by the backend that serves.
pub(crate) type Cipher = CipherOf<Served>;

/// An expanded key in locked memory, by the backend `B`.
pub(crate) struct CipherOf<B: Backend> {
    algorithm: Algorithm,
    expanded: Locked<Expanded<B>>,
}

enum Expanded<B: Backend> {
    GcmSiv(B::GcmSiv),
    Gcm(B::Gcm),
    Xaes(Xaes<B>),
    XChaCha(XChaCha<B>),
}

impl<B: Backend> CipherOf<B> {
    /// Expands `key`, which its owner still has to wipe, for one of [`Algorithm::AEAD`].
    pub(crate) fn new(algorithm: Algorithm, key: &[u8; 32]) -> Self {
        let expanded = Locked::new(|| match algorithm {
            Algorithm::Aes256GcmSiv => Expanded::GcmSiv(B::GcmSiv::new(key)),
            Algorithm::Aes256Gcm => Expanded::Gcm(B::Gcm::new(key)),
            Algorithm::Xaes256Gcm => Expanded::Xaes(Xaes::new(key)),
            Algorithm::XChaCha20Poly1305 => Expanded::XChaCha(XChaCha::new(key)),
            other => unreachable!("{other} is no AEAD: keyring::Material tells them apart"),
        });
        Self { algorithm, expanded }
    }

    /// Encrypts `data` where it is, and returns the tag. `nonce` has the algorithm's length.
    #[inline]
    pub(crate) fn seal_in_place(
        &self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; TAG_LENGTH], Failure> {
        match &*self.expanded {
            Expanded::GcmSiv(key) => key.seal_in_place(nonce, aad, data),
            Expanded::Gcm(key) => key.seal_in_place(nonce, aad, data),
            Expanded::Xaes(key) => key.seal_in_place(nonce, aad, data),
            Expanded::XChaCha(key) => key.seal_in_place(nonce, aad, data),
        }
    }

    /// Encrypts `plaintext` into `out`, which is as long, and puts the tag in its place. `nonce` has the algorithm's
    /// length.
    #[inline]
    pub(crate) fn seal(
        &self,
        nonce: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
        tag: &mut [u8; TAG_LENGTH],
    ) -> Result<(), Failure> {
        match &*self.expanded {
            Expanded::GcmSiv(key) => key.seal(nonce, aad, plaintext, out, tag),
            Expanded::Gcm(key) => key.seal(nonce, aad, plaintext, out, tag),
            Expanded::Xaes(key) => key.seal(nonce, aad, plaintext, out, tag),
            Expanded::XChaCha(key) => key.seal(nonce, aad, plaintext, out, tag),
        }
    }

    /// Decrypts `ciphertext` into `out`, which is as long. Where it does not verify, `out` is wiped.
    #[inline]
    pub(crate) fn open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        match &*self.expanded {
            Expanded::GcmSiv(key) => key.open(nonce, aad, ciphertext, tag, out),
            Expanded::Gcm(key) => key.open(nonce, aad, ciphertext, tag, out),
            Expanded::Xaes(key) => key.open(nonce, aad, ciphertext, tag, out),
            Expanded::XChaCha(key) => key.open(nonce, aad, ciphertext, tag, out),
        }
    }

    /// Decrypts `data` where it is. What does not verify is wiped, and a nonce or tag of the wrong length does
    /// not verify.
    #[inline]
    pub(crate) fn open_in_place(
        &self,
        nonce: &[u8],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Forged> {
        match &*self.expanded {
            Expanded::GcmSiv(key) => key.open_in_place(nonce, aad, data, tag),
            Expanded::Gcm(key) => key.open_in_place(nonce, aad, data, tag),
            Expanded::Xaes(key) => key.open_in_place(nonce, aad, data, tag),
            Expanded::XChaCha(key) => key.open_in_place(nonce, aad, data, tag),
        }
    }
}

impl<B: Backend> fmt::Debug for CipherOf<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cipher({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_and_tags_of_another_length_are_refused() {
        for algorithm in Algorithm::AEAD {
            let cipher = Cipher::new(algorithm, &[1; 32]);
            for length in (0..40).filter(|length| *length != algorithm.nonce_length()) {
                let mut data = [7; 5];
                assert_eq!(cipher.seal_in_place(&[2; 40][..length], b"", &mut data), Err(Failure));
                assert_eq!(cipher.open_in_place(&[2; 40][..length], b"", &mut data, &[3; 16]), Err(Forged));
                assert_eq!(data, [0; 5], "{algorithm} wipes");
                let nonce = &[2; 40][..length];
                let (mut out, mut tag) = ([7; 5], [0; TAG_LENGTH]);
                assert_eq!(cipher.seal(nonce, b"", b"12345", &mut out, &mut tag), Err(Failure));
                assert_eq!(cipher.open(nonce, b"", b"12345", &[3; 16], &mut out), Err(Forged));
                assert_eq!(out, [0; 5], "{algorithm} wipes");
            }
            let nonce = &[2; 24][..algorithm.nonce_length()];
            let tag = cipher.seal_in_place(nonce, b"", &mut []).unwrap();
            for length in 0..TAG_LENGTH {
                assert_eq!(cipher.open_in_place(nonce, b"", &mut [], &tag[..length]), Err(Forged));
            }
            for length in [4, 6] {
                let (mut out, mut tag) = (vec![7; length], [0; TAG_LENGTH]);
                assert_eq!(cipher.seal(nonce, b"", b"12345", &mut out, &mut tag), Err(Failure));
                assert_eq!(cipher.open(nonce, b"", b"12345", &tag, &mut out), Err(Forged));
                assert_eq!(out, vec![0; length], "{algorithm} wipes");
            }
            let longer = [&tag[..], &[0]].concat();
            assert_eq!(cipher.open_in_place(nonce, b"", &mut [], &longer), Err(Forged));
            assert_eq!(cipher.open_in_place(nonce, b"", &mut [], &tag), Ok(()));
        }
    }

    #[test]
    fn key_nonce_and_aad_are_bound() {
        for algorithm in Algorithm::AEAD {
            let nonce = vec![2; algorithm.nonce_length()];
            let mut sealed = *b"a message";
            let tag = Cipher::new(algorithm, &[1; 32]).seal_in_place(&nonce, b"aad", &mut sealed).unwrap();
            let opens = |key: [u8; 32], nonce: &[u8], aad: &[u8]| {
                Cipher::new(algorithm, &key).open_in_place(nonce, aad, &mut sealed.clone(), &tag).is_ok()
            };
            assert!(opens([1; 32], &nonce, b"aad"));
            assert!(!opens([0; 32], &nonce, b"aad"));
            assert!(!opens([1; 32], &nonce, b"aae"));
            assert!(!opens([1; 32], &nonce, b""));
            for position in 0..nonce.len() {
                let mut other = nonce.clone();
                other[position] ^= 1;
                assert!(!opens([1; 32], &other, b"aad"));
            }
        }
    }

    #[test]
    fn it_prints_no_key() {
        let cipher = Cipher::new(Algorithm::Aes256Gcm, &[0x41; 32]);
        assert_eq!(format!("{cipher:?}"), "Cipher(AES256_GCM)");
    }

    /// The largest message and associated data that the layers above let through.
    #[test]
    fn the_largest_messages_are_sealed() {
        let aad = vec![9; 1024 * 1024];
        for algorithm in Algorithm::AEAD {
            let cipher = Cipher::new(algorithm, &[1; 32]);
            let nonce = vec![2; algorithm.nonce_length()];
            let mut data = vec![3; 64 * 1024 * 1024];
            let tag = cipher.seal_in_place(&nonce, &aad, &mut data).unwrap();
            assert_eq!(cipher.open_in_place(&nonce, &aad, &mut data, &tag), Ok(()));
            assert!(data.iter().all(|byte| *byte == 3));
        }
    }
}
