//! AES-SIV (RFC 5297) with keys of 64 bytes and one element of associated data, empty or not, as in Google Tink.
//!
//! Only RustCrypto has it, so both builds use that. Its cipher wants `&mut self` and cannot be cloned, so that each
//! message expands the key anew: 60 ns, which is less than a lock and its trouble at forks would cost.

use aes_siv::KeyInit;
use aes_siv::aead::inout::InOutBuf;
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

    /// Encrypts `plaintext` into `out`, which is as long, and returns the synthetic IV that authenticates it.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8], out: &mut [u8]) -> Result<[u8; 16], Failure> {
        self.seal_elements(&[aad], plaintext, out)
    }

    /// Decrypts `ciphertext` into `out`, which is as long. Where it does not verify, `out` is wiped, and an IV of the
    /// wrong length does not verify.
    pub(crate) fn open(
        &self,
        aad: &[u8],
        ciphertext: &[u8],
        iv: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        self.open_elements(&[aad], ciphertext, iv, out)
    }

    /// With any number of elements, as the published vectors have them.
    pub(super) fn seal_elements(
        &self,
        elements: &[&[u8]],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; 16], Failure> {
        let data = InOutBuf::new(plaintext, out).map_err(|_| Failure)?;
        let mut cipher = self.expanded().ok_or(Failure)?;
        let iv = cipher.encrypt_inout_detached(elements, data).map_err(|_| Failure)?;
        Ok(iv.into())
    }

    pub(super) fn open_elements(
        &self,
        elements: &[&[u8]],
        ciphertext: &[u8],
        iv: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        let opened = iv.try_into().ok().zip(self.expanded()).and_then(|(iv, mut cipher)| {
            let data = InOutBuf::new(ciphertext, &mut *out).ok()?;
            cipher.decrypt_inout_detached(elements, data, iv).ok()
        });
        opened.ok_or_else(|| {
            out.zeroize();
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
            let mut out = vec![0; message.len()];
            let iv = siv(&key).seal(aad, message, &mut out).unwrap();
            [&iv[..], &out].concat().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
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
            let mut data = vec![0; length];
            let iv = key.seal(b"aad", &vec![5; length], &mut data).unwrap();
            let opens = |key: &Siv, aad: &[u8], data: &[u8], iv: &[u8]| {
                let mut out = vec![9; data.len()];
                let opened = key.open(aad, data, iv, &mut out).is_ok();
                assert!(out.iter().all(|byte| *byte == if opened { 5 } else { 0 }));
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
