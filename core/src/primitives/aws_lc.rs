//! The default backend: aws-lc-rs.

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};
use zeroize::Zeroize;

use super::backend::{AeadKey, Backend, BlockKey, Failure, Forged, MacKey, SignatureKey};

/// aws-lc-rs.
pub(crate) struct AwsLc;

impl Backend for AwsLc {
    type GcmSiv = GcmSiv;
    type Gcm = Gcm;
    type ChaCha = ChaCha;
    type Block = EncryptingKey;
    type Mac = hmac::Key;
    type Mac512 = hmac::Key;
    type Signer = Ed25519KeyPair;

    fn sha256(parts: &[&[u8]]) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        fixed(context.finish().as_ref())
    }
}

/// AES-256-GCM-SIV.
pub(crate) struct GcmSiv(LessSafeKey);
/// AES-256-GCM.
pub(crate) struct Gcm(LessSafeKey);
/// ChaCha20-Poly1305.
pub(crate) struct ChaCha(LessSafeKey);

macro_rules! aead_key {
    ($name:ident, $algorithm:expr) => {
        impl AeadKey for $name {
            fn new(key: &[u8; 32]) -> Self {
                Self(LessSafeKey::new(UnboundKey::new(&$algorithm, key).expect(KEY_FITS)))
            }

            #[inline]
            fn seal_in_place(&self, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
                seal_in_place(&self.0, nonce, aad, data)
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
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Failure)?;
                let sealed =
                    self.0.seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, out, &[], tag);
                sealed.map_err(|_| Failure)
            }

            #[inline]
            fn open_in_place(
                &self,
                nonce: &[u8],
                aad: &[u8],
                data: &mut [u8],
                tag: &[u8],
            ) -> Result<(), Forged> {
                let opened = Nonce::try_assume_unique_for_key(nonce).and_then(|nonce| {
                    self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, data).map(drop)
                });
                wiped_unless(opened, data)
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
                let opened = Nonce::try_assume_unique_for_key(nonce).and_then(|nonce| {
                    self.0.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, out)
                });
                wiped_unless(opened, out)
            }
        }
    };
}

aead_key!(GcmSiv, AES_256_GCM_SIV);
aead_key!(Gcm, AES_256_GCM);
aead_key!(ChaCha, CHACHA20_POLY1305);

/// The length is right by type, so that only a lack of memory remains.
const KEY_FITS: &str = "a key of 32 bytes is accepted";

#[inline]
fn seal_in_place(key: &LessSafeKey, nonce: &[u8], aad: &[u8], data: &mut [u8]) -> Result<[u8; 16], Failure> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Failure)?;
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), data).map_err(|_| Failure)?;
    tag.as_ref().try_into().map_err(|_| Failure)
}

#[inline]
fn wiped_unless(opened: Result<(), Unspecified>, out: &mut [u8]) -> Result<(), Forged> {
    opened.map_err(|_| {
        out.zeroize();
        Forged
    })
}

impl BlockKey for EncryptingKey {
    fn new(key: &[u8; 32]) -> Self {
        UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ecb).expect(KEY_FITS)
    }

    #[inline]
    fn encrypt(&self, block: &mut [u8; 16]) -> Result<(), Failure> {
        EncryptingKey::encrypt(self, block).map(|_| ()).map_err(|_| Failure)
    }
}

macro_rules! mac_key {
    ($length:literal, $algorithm:expr) => {
        impl MacKey<$length> for hmac::Key {
            fn new(key: &[u8]) -> Self {
                hmac::Key::new($algorithm, key)
            }

            #[inline]
            fn mac(&self, parts: &[&[u8]]) -> [u8; $length] {
                let mut context = hmac::Context::with_key(self);
                parts.iter().for_each(|part| context.update(part));
                fixed(context.sign().as_ref())
            }
        }
    };
}

mac_key!(32, hmac::HMAC_SHA256);
mac_key!(64, hmac::HMAC_SHA512);

impl SignatureKey for Ed25519KeyPair {
    fn new(seed: &[u8; 32]) -> Self {
        Self::from_seed_unchecked(seed).expect("any 32 bytes are a seed")
    }

    fn public(&self) -> [u8; 32] {
        fixed(self.public_key().as_ref())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        fixed(Ed25519KeyPair::sign(self, message).as_ref())
    }

    fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Forged> {
        UnparsedPublicKey::new(&ED25519, public).verify(message, signature).map_err(|_| Forged)
    }
}

/// An output whose length its algorithm fixes.
fn fixed<const LENGTH: usize>(output: &[u8]) -> [u8; LENGTH] {
    output.try_into().expect("the algorithm's own output length")
}
