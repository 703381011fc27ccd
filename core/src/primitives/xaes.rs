//! XAES-256-GCM, of c2sp.org/XAES-256-GCM: each message is under AES-256-GCM with a key of its own, derived
//! from the first half of a nonce of 24 bytes.

use zeroize::{Zeroize, Zeroizing};

use super::backend::{AeadKey, Backend, BlockKey, Failure, Forged};
use crate::sys::wiped::Wiped;

/// An expanded key: the block cipher, and the CMAC subkey K1.
pub(crate) struct Xaes<B: Backend> {
    block: B::Block,
    subkey: [u8; 16],
}

impl<B: Backend> AeadKey for Xaes<B> {
    fn new(key: &[u8; 32]) -> Self {
        let block = B::Block::new(key);
        let mut subkey = [0; 16];
        block.encrypt(&mut subkey).expect("a whole block is always encrypted");
        double(&mut subkey);
        Self { block, subkey }
    }

    #[inline]
    fn seal_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
        let (key, nonce) = self.split(nonce)?;
        key.seal_in_place(nonce, aad, data)
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
        let (key, nonce) = self.split(nonce)?;
        key.seal(nonce, aad, plaintext, out, tag)
    }

    #[inline]
    fn open_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
        let Ok((key, nonce)) = self.split(nonce) else {
            data.zeroize();
            return Err(Forged);
        };
        key.open_in_place(nonce, aad, data, tag)
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
        let Ok((key, nonce)) = self.split(nonce) else {
            out.zeroize();
            return Err(Forged);
        };
        key.open(nonce, aad, ciphertext, tag, out)
    }
}

/// Bytes of the nonce that choose the message's key.
const SALT_LENGTH: usize = 12;

impl<B: Backend> Xaes<B> {
    /// The message's key, and the nonce to use it with.
    #[inline]
    fn split<'a>(&self, nonce: &'a [u8]) -> Result<(Wiped<B::Gcm>, &'a [u8]), Failure> {
        let (salt, nonce) = nonce.split_first_chunk().ok_or(Failure)?;
        Ok((self.message_key(salt)?, nonce))
    }

    /// The key for messages with this salt: two blocks of NIST SP 800-108r1 in counter mode with CMAC.
    #[inline]
    fn message_key(&self, salt: &[u8; SALT_LENGTH]) -> Result<Wiped<B::Gcm>, Failure> {
        let mut key = Zeroizing::new([0; 32]);
        for (counter, half) in (1..).zip(key.as_chunks_mut().0) {
            *half = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            half[4..].copy_from_slice(salt);
            self.cmac(half)?;
        }
        Ok(Wiped::new(B::Gcm::new(&key)))
    }

    /// Puts the CMAC (NIST SP 800-38B) of one whole block in its place.
    #[inline]
    pub(super) fn cmac(&self, block: &mut [u8; 16]) -> Result<(), Failure> {
        block.iter_mut().zip(self.subkey).for_each(|(byte, mask)| *byte ^= mask);
        self.block.encrypt(block)
    }
}

impl<B: Backend> Drop for Xaes<B> {
    fn drop(&mut self) {
        self.subkey.zeroize();
    }
}

/// Doubles in GF(2^128), big endian, in constant time.
fn double(block: &mut [u8; 16]) {
    let value = u128::from_be_bytes(*block);
    *block = ((value << 1) ^ ((value >> 127) * 0x87)).to_be_bytes();
}
