//! The backend in Rust alone: the RustCrypto crates.

use aes::Aes256;
use aes::cipher::{Block, BlockCipherEncrypt};
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit, Tag};
use aes_gcm_siv::Aes256GcmSiv;
use chacha20poly1305::ChaCha20Poly1305;
use ed25519_dalek::SigningKey;
use hmac::Hmac;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize;

use super::backend::{AeadKey, Backend, BlockKey, Failure, Forged};

/// RustCrypto.
pub(crate) struct Portable;

impl Backend for Portable {
    type GcmSiv = Aes256GcmSiv;
    type Gcm = Aes256Gcm;
    type ChaCha = ChaCha20Poly1305;
    type Block = Aes256;
    type Mac = Hmac<Sha256>;
    type Mac512 = Hmac<Sha512>;
    type Signer = SigningKey;

    fn sha256(parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    }
}

impl<A: AeadInOut + KeyInit + Send + Sync> AeadKey for A {
    fn new(key: &[u8; 32]) -> Self {
        Self::new_from_slice(key).expect("every key here has 32 bytes")
    }

    #[inline]
    fn seal_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
        let nonce = nonce.try_into().map_err(|_| Failure)?;
        let tag = self.encrypt_inout_detached(nonce, aad, data.into()).map_err(|_| Failure)?;
        tag.as_slice().try_into().map_err(|_| Failure)
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
        let nonce = nonce.try_into().map_err(|_| Failure)?;
        let data = InOutBuf::new(plaintext, out).map_err(|_| Failure)?;
        let sealed = self.encrypt_inout_detached(nonce, aad, data).map_err(|_| Failure)?;
        *tag = sealed.as_slice().try_into().map_err(|_| Failure)?;
        Ok(())
    }

    #[inline]
    fn open_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
        open(self, nonce, aad, data.into(), tag).ok_or_else(|| {
            data.zeroize();
            Forged
        })
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
        let data = InOutBuf::new(ciphertext, out).ok();
        data.and_then(|data| open(self, nonce, aad, data, tag)).ok_or_else(|| {
            out.zeroize();
            Forged
        })
    }
}

#[inline]
fn open<A: AeadInOut>(
    key: &A,
    nonce: &[u8],
    aad: &[u8],
    data: InOutBuf<'_, '_, u8>,
    tag: &[u8],
) -> Option<()> {
    let nonce = nonce.try_into().ok()?;
    let tag: &Tag<A> = tag.try_into().ok()?;
    key.decrypt_inout_detached(nonce, aad, data, tag).ok()
}

impl BlockKey for Aes256 {
    fn new(key: &[u8; 32]) -> Self {
        KeyInit::new(key.into())
    }

    #[inline]
    fn encrypt(&self, block: &mut [u8; 16]) -> Result<(), Failure> {
        let block: &mut Block<Self> = block.into();
        self.encrypt_block(block);
        Ok(())
    }
}
