//! AES-SIV (RFC 5297) with keys of 64 bytes and one element of associated data, empty or not, as in Google Tink.
//!
//! Only RustCrypto has it, so both builds use that. Its cipher wants `&mut self` and cannot be cloned, so that each
//! message expands the key anew: 60 ns, which is less than a lock and its trouble at forks would cost.

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use zeroize::Zeroize;

use super::backend::{Failure, Forged};
use crate::sys::pages::SecretBytes;
use crate::sys::wiped::Wiped;

/// A key in locked memory.
pub(crate) struct Siv(SecretBytes);

impl Siv {
    /// `None` where the key has not 64 bytes.
    pub(crate) fn new(key: SecretBytes) -> Option<Self> {
        (key.len() == KEY_LENGTH).then_some(Self(key))
    }

    /// Encrypts `data` where it is, and returns the synthetic IV that authenticates it.
    pub(crate) fn seal_in_place(&self, aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
        self.seal(&[aad], data)
    }

    /// Decrypts `data` where it is. What does not verify is wiped, and an IV of the wrong length does not verify.
    pub(crate) fn open_in_place(&self, aad: &[u8], data: &mut [u8], iv: &[u8]) -> Result<(), Forged> {
        self.open(&[aad], data, iv)
    }

    pub(super) fn seal(&self, elements: &[&[u8]], data: &mut [u8]) -> Result<[u8; 16], Failure> {
        let mut cipher = self.expanded().ok_or(Failure)?;
        let iv = cipher.encrypt_inout_detached(elements, data.into()).map_err(|_| Failure)?;
        Ok(iv.into())
    }

    pub(super) fn open(&self, elements: &[&[u8]], data: &mut [u8], iv: &[u8]) -> Result<(), Forged> {
        let opened = iv.try_into().ok().zip(self.expanded()).and_then(|(iv, mut cipher)| {
            cipher.decrypt_inout_detached(elements, (&mut *data).into(), iv).ok()
        });
        opened.ok_or_else(|| {
            data.zeroize();
            Forged
        })
    }

    #[inline]
    fn expanded(&self) -> Option<Wiped<Aes256Siv>> {
        let key: &[u8; KEY_LENGTH] = self.0.expose().try_into().ok()?;
        Some(Wiped::new(Aes256Siv::new(key.into())))
    }
}

/// Half of it for the IV, half for the cipher.
const KEY_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn siv(key: &[u8]) -> Siv {
        Siv::new(SecretBytes::copied(key)).unwrap()
    }

    /// Of OpenSSL, by way of Python's `cryptography`: one element of associated data.
    #[test]
    fn openssl_with_one_element() {
        let key: [u8; 64] = std::array::from_fn(|place| place as u8);
        let sealed = |aad: &[u8], message: &[u8]| {
            let mut data = message.to_vec();
            let iv = siv(&key).seal_in_place(aad, &mut data).unwrap();
            [&iv[..], &data].concat().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(sealed(b"", b""), "6ff5b8ef53fc365606cd3ea047374885");
        assert_eq!(sealed(b"", b"x"), "88c07f717ba671023974b23b3bd47a3b33");
        assert_eq!(sealed(AAD, MESSAGE), SEALED);
    }

    const AAD: &[u8] = b"users.email";
    const MESSAGE: &[u8] = b"somebody.with.a.long.name@example.org";
    const SEALED: &str = "40a3dd4c131268e6f5d82f38733552476ac8654956b6560141399e22df2de8a7762411331fdbd29db485a685449bc2ed274b61f0fe";

    #[test]
    fn every_bit_counts() {
        let key = siv(&[7; 64]);
        for length in [0, 1, 15, 16, 17, 40] {
            let mut data = vec![5; length];
            let iv = key.seal_in_place(b"aad", &mut data).unwrap();
            let opens = |key: &Siv, aad: &[u8], data: &[u8], iv: &[u8]| {
                let mut data = data.to_vec();
                let opened = key.open_in_place(aad, &mut data, iv).is_ok();
                assert!(data.iter().all(|byte| *byte == if opened { 5 } else { 0 }));
                opened
            };
            assert!(opens(&key, b"aad", &data, &iv));
            assert!(!opens(&key, b"aae", &data, &iv) && !opens(&key, b"", &data, &iv));
            assert!(
                !opens(&key, b"aad", &data, &iv[..15])
                    && !opens(&key, b"aad", &data, &[&iv[..], &[0]].concat())
            );
            for bit in 0..8 * iv.len() {
                let mut changed = iv;
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!opens(&key, b"aad", &data, &changed));
            }
            for bit in 0..8 * data.len() {
                let mut changed = data.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!opens(&key, b"aad", &changed, &iv));
            }
            for byte in 0..64 {
                let mut other = [7; 64];
                other[byte] ^= 1;
                assert!(length == 0 && byte >= 32 || !opens(&siv(&other), b"aad", &data, &iv));
            }
        }
    }

    #[test]
    fn only_keys_of_64_bytes_are_taken() {
        for length in [0, 32, 48, 63, 65] {
            assert!(Siv::new(SecretBytes::zeroed(length)).is_none());
        }
    }
}
