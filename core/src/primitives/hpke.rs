//! HPKE (RFC 9180) in base mode: X-Wing (ML-KEM-768 with X25519), HKDF-SHA256, AES-256-GCM.

use std::convert::Infallible;

use hpke::aead::{Aead, AeadTag, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{CryptoRng, TryCryptoRng, TryRng};
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable, single_shot_open_inout_detached,
    single_shot_seal_with_rng,
};
use zeroize::zeroize_stack;

use super::aead::TAG_LENGTH;
use super::backend::{Failure, Forged};
use super::random::random_bytes;
use crate::sys::pages::SecretBytes;

/// An X-Wing public key, and the encapsulated key in front of what was sealed to one.
pub(crate) const HPKE_PUBLIC_LENGTH: usize = 1_216;
pub(crate) const HPKE_ENCAPSULATED_LENGTH: usize = 1_120;

/// Whether something can be sealed to these bytes.
pub(crate) fn hpke_is_public_key(bytes: &[u8]) -> bool {
    // The crate checks ML-KEM's modulus as it encapsulates.
    hpke_seal(bytes, b"", b"", b"").is_ok()
}

/// The public key of a private one, which is X-Wing's seed.
pub(crate) fn hpke_public_key(private: &[u8; 32]) -> Result<Vec<u8>, Failure> {
    let public = public_key(private);
    zeroize_stack::<STACK>();
    public
}

/// Encrypts to a public key. Returns the encapsulated key and the ciphertext.
pub(crate) fn hpke_seal(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let mut randomness = KernelRandomness::default();
    let sealed = seal::<AesGcm256, XWing>(public, info, aad, plaintext, &mut randomness);
    zeroize_stack::<STACK>();
    sealed.ok().filter(|_| !randomness.failed).ok_or(Failure)
}

/// Decrypts what [`hpke_seal`] made.
pub(crate) fn hpke_open(
    private: &[u8; 32],
    encapsulated: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<SecretBytes, Forged> {
    let opened = open::<AesGcm256, XWing>(private, encapsulated, info, aad, ciphertext);
    zeroize_stack::<STACK>();
    opened.map_err(|_| Forged)
}

/// What the crates may use of the stack, on which they leave shared secrets and the last blocks of plaintexts: ML-KEM
/// alone takes tens of KiB.
const STACK: usize = 128 * 1024;

// Each out of line, so that its frame lies where its caller wipes.

#[inline(never)]
fn public_key(private: &[u8; 32]) -> Result<Vec<u8>, Failure> {
    let private = <XWing as Kem>::PrivateKey::from_bytes(private).map_err(|_| Failure)?;
    Ok(XWing::sk_to_pk(&private).to_bytes().to_vec())
}

/// With another AEAD or KEM than ours too, since the published vectors have those.
#[inline(never)]
pub(super) fn seal<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    randomness: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), HpkeError> {
    let public = K::PublicKey::from_bytes(public)?;
    let (encapsulated, ciphertext) = single_shot_seal_with_rng::<A, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        info,
        plaintext,
        aad,
        randomness,
    )?;
    Ok((encapsulated.to_bytes().to_vec(), ciphertext))
}

/// Opens what [`seal`] made.
#[inline(never)]
pub(super) fn open<A: Aead, K: Kem>(
    private: &[u8; 32],
    encapsulated: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<SecretBytes, HpkeError> {
    let private = K::PrivateKey::from_bytes(private)?;
    let encapsulated = K::EncappedKey::from_bytes(encapsulated)?;
    let (body, tag) = ciphertext.split_last_chunk::<TAG_LENGTH>().ok_or(HpkeError::OpenError)?;
    let tag = AeadTag::<A>::from_bytes(tag)?;
    let mut plaintext = SecretBytes::copied(body);
    single_shot_open_inout_detached::<A, HkdfSha256, K>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        info,
        plaintext.expose_mut().into(),
        aad,
        &tag,
    )?;
    Ok(plaintext)
}

/// The kernel's randomness in the shape that the crate asks for, which cannot report that there was none.
#[derive(Default)]
pub(super) struct KernelRandomness {
    pub(super) failed: bool,
}

impl TryRng for KernelRandomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= random_bytes(out).is_err();
        Ok(())
    }
}

impl TryCryptoRng for KernelRandomness {}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: [u8; 32] = [7; 32];

    #[test]
    fn what_is_sealed_opens() {
        let public = hpke_public_key(&PRIVATE).unwrap();
        for length in [0, 1, 32, 5_000] {
            let plaintext = vec![0x5a; length];
            let (encapsulated, ciphertext) = hpke_seal(&public, b"info", b"aad", &plaintext).unwrap();
            assert_eq!(encapsulated.len(), HPKE_ENCAPSULATED_LENGTH);
            assert_eq!(ciphertext.len(), length + TAG_LENGTH);
            let opened = hpke_open(&PRIVATE, &encapsulated, b"info", b"aad", &ciphertext).unwrap();
            assert_eq!(opened.expose(), plaintext);
        }
    }

    #[test]
    fn anything_else_does_not_open() {
        let public = hpke_public_key(&PRIVATE).unwrap();
        let (encapsulated, ciphertext) = hpke_seal(&public, b"info", b"aad", b"secret").unwrap();
        let opens = |private: &[u8; 32], encapsulated: &[u8], info: &[u8], aad: &[u8], ciphertext: &[u8]| {
            hpke_open(private, encapsulated, info, aad, ciphertext).is_ok()
        };
        assert!(opens(&PRIVATE, &encapsulated, b"info", b"aad", &ciphertext));
        assert!(!opens(&[8; 32], &encapsulated, b"info", b"aad", &ciphertext));
        assert!(!opens(&PRIVATE, &encapsulated, b"infp", b"aad", &ciphertext));
        assert!(!opens(&PRIVATE, &encapsulated, b"info", b"aae", &ciphertext));
        assert!(!opens(&PRIVATE, &encapsulated[1..], b"info", b"aad", &ciphertext));
        assert!(!opens(&PRIVATE, &encapsulated, b"info", b"aad", &ciphertext[1..]));
        assert!(!opens(&PRIVATE, &encapsulated, b"info", b"aad", b"short"));
        for position in [0, 500, 1_087, 1_088, 1_119] {
            assert!(!opens(&PRIVATE, &changed(&encapsulated, position), b"info", b"aad", &ciphertext));
        }
        for position in 0..ciphertext.len() {
            assert!(!opens(&PRIVATE, &encapsulated, b"info", b"aad", &changed(&ciphertext, position)));
        }
    }

    #[test]
    fn every_seal_is_a_new_one() {
        let public = hpke_public_key(&PRIVATE).unwrap();
        let first = hpke_seal(&public, b"", b"", b"secret").unwrap();
        let second = hpke_seal(&public, b"", b"", b"secret").unwrap();
        assert_ne!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let public = hpke_public_key(&PRIVATE).unwrap();
        assert_eq!(public.len(), HPKE_PUBLIC_LENGTH);
        assert!(hpke_is_public_key(&public));
        assert!(!hpke_is_public_key(&public[1..]) && !hpke_is_public_key(&[0xff; HPKE_PUBLIC_LENGTH]));
        assert!(hpke_seal(&public[1..], b"", b"", b"secret").is_err());
        assert!(hpke_seal(&[], b"", b"", b"secret").is_err());
        // Coefficients of ML-KEM's key are below 3329.
        assert!(hpke_seal(&[0xff; 1_216], b"", b"", b"secret").is_err());
    }

    fn changed(bytes: &[u8], position: usize) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        changed[position] ^= 1;
        changed
    }
}
