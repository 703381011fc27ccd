//! The bare AEADs: what a careful caller would write by hand. The key is expanded once, nonces come from a generator in
//! user space, and each message gets a new buffer: nonce, ciphertext, tag.

use aes_gcm::Aes256Gcm;
use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

pub const NONCE: usize = 12;
pub const TAG: usize = 16;

/// An AEAD of some library, with its key.
pub trait Bare {
    fn seal(&self, nonce: [u8; NONCE], data: &mut [u8]) -> [u8; TAG];
    /// Opens ciphertext and tag in place; the plaintext comes first.
    fn open(&self, nonce: [u8; NONCE], data: &mut [u8]);
}

/// aws-lc-rs, of either algorithm.
pub struct AwsLc(LessSafeKey);

impl AwsLc {
    pub fn gcm() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes")))
    }

    pub fn gcm_siv() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).expect("32 bytes")))
    }
}

impl Bare for AwsLc {
    #[inline]
    fn seal(&self, nonce: [u8; NONCE], data: &mut [u8]) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::empty(), data).expect("a tag");
        tag.as_ref().try_into().expect("16 bytes")
    }

    #[inline]
    fn open(&self, nonce: [u8; NONCE], data: &mut [u8]) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::empty(), data).expect("a plaintext");
    }
}

/// The RustCrypto crates, built as cargo builds them: they find out at run time what the processor has.
pub struct RustCrypto<A>(A);

impl RustCrypto<Aes256Gcm> {
    pub fn gcm() -> Self {
        Self(Aes256Gcm::new_from_slice(&[7; 32]).expect("32 bytes"))
    }
}

impl RustCrypto<Aes256GcmSiv> {
    pub fn gcm_siv() -> Self {
        Self(Aes256GcmSiv::new_from_slice(&[7; 32]).expect("32 bytes"))
    }
}

impl<A: AeadInOut> Bare for RustCrypto<A> {
    #[inline]
    fn seal(&self, nonce: [u8; NONCE], data: &mut [u8]) -> [u8; TAG] {
        let nonce = nonce.as_slice().try_into().expect("12 bytes");
        let tag = self.0.encrypt_inout_detached(nonce, &[], data.into()).expect("a tag");
        tag.as_slice().try_into().expect("16 bytes")
    }

    #[inline]
    fn open(&self, nonce: [u8; NONCE], data: &mut [u8]) {
        let nonce = nonce.as_slice().try_into().expect("12 bytes");
        let (data, tag) = data.split_at_mut(data.len() - TAG);
        let tag = (&*tag).try_into().expect("16 bytes");
        self.0.decrypt_inout_detached(nonce, &[], data.into(), tag).expect("a plaintext");
    }
}

/// A generator of nonces in user space, as fast as one can be had.
pub fn generator() -> StdRng {
    StdRng::from_os_rng()
}

#[inline]
pub fn seal(bare: &impl Bare, generator: &mut StdRng, plaintext: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    generator.fill_bytes(&mut nonce);
    let mut out = Vec::with_capacity(NONCE + plaintext.len() + TAG);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let tag = bare.seal(nonce, &mut out[NONCE..]);
    out.extend_from_slice(&tag);
    out
}

#[inline]
pub fn open(bare: &impl Bare, sealed: &[u8]) -> Vec<u8> {
    let (nonce, rest) = sealed.split_at(NONCE);
    let mut out = rest.to_vec();
    bare.open(nonce.try_into().expect("12 bytes"), &mut out);
    out.truncate(out.len() - TAG);
    out
}
