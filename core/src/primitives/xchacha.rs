//! XChaCha20-Poly1305, of draft-irtf-cfrg-xchacha-03: HChaCha20 derives a key for the message from the first
//! 16 bytes of the nonce, and the backend's ChaCha20-Poly1305 does the rest.

use chacha20::{R20, hchacha};
use zeroize::Zeroize;

use super::backend::{AeadKey, Backend, Failure, Forged};
use crate::sys::wiped::Wiped;

/// A key; there is nothing to expand before a nonce is known.
pub(crate) struct XChaCha<B: Backend> {
    key: [u8; 32],
    backend: std::marker::PhantomData<fn() -> B>,
}

impl<B: Backend> AeadKey for XChaCha<B> {
    fn new(key: &[u8; 32]) -> Self {
        Self { key: *key, backend: std::marker::PhantomData }
    }

    #[inline]
    fn seal_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
        let (key, nonce) = self.message_key(nonce).ok_or(Failure)?;
        key.seal_in_place(&nonce, aad, data)
    }

    #[inline]
    fn seal(
        &self,
        nonce: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
        tag: &mut [u8; 16],
    ) -> Result<(), Failure> {
        let (key, nonce) = self.message_key(nonce).ok_or(Failure)?;
        key.seal(&nonce, aad, plaintext, out, tag)
    }

    #[inline]
    fn open_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
        let Some((key, nonce)) = self.message_key(nonce) else {
            data.zeroize();
            return Err(Forged);
        };
        key.open_in_place(&nonce, aad, data, tag)
    }

    #[inline]
    fn open(
        &self,
        nonce: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut [u8],
    ) -> Result<(), Forged> {
        let Some((key, nonce)) = self.message_key(nonce) else {
            out.zeroize();
            return Err(Forged);
        };
        key.open(&nonce, aad, ciphertext, tag, out)
    }
}

impl<B: Backend> XChaCha<B> {
    /// The message's key and the nonce to use it with; none for a nonce of another length.
    #[inline]
    fn message_key(&self, nonce: &[u8]) -> Option<(Wiped<B::ChaCha>, [u8; 12])> {
        let (input, rest) = nonce.split_first_chunk::<16>()?;
        let rest: &[u8; 8] = rest.try_into().ok()?;
        let mut key = hchacha::<R20>((&self.key).into(), input.into());
        let cipher = Wiped::new(B::ChaCha::new(key.as_ref()));
        key.0.zeroize();
        let mut inner = [0; 12];
        inner[4..].copy_from_slice(rest);
        Some((cipher, inner))
    }
}

impl<B: Backend> Drop for XChaCha<B> {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}
