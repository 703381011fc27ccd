//! Ed25519 signatures (RFC 8032), verified strictly.
//!
//! `ed25519-dalek` serves them in both builds, since aws-lc would bring all its public-key code
//! (`docs/decisions/0013-ed25519.md`); the tests hold aws-lc-rs against it.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::zeroize_stack;

use super::backend::{Forged, SignatureKey};
use crate::sys::wiped::Locked;

/// More than signing takes.
const STACK: usize = 32 * 1024;

/// A store's private key, in locked memory.
pub(crate) struct Identity(Locked<SigningKey>);

impl Identity {
    /// Derives the key from its seed, which its owner still has to wipe.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Locked::new(|| SignatureKey::new(seed)))
    }

    /// The public key.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.public()
    }

    /// Signs the message. The same message always has the same signature.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.sign_leaving_traces(message);
        zeroize_stack::<STACK>();
        signature
    }

    /// With a signature's nonce, which dalek leaves on the stack, and the signature one has the private key.
    #[inline(never)]
    fn sign_leaving_traces(&self, message: &[u8]) -> [u8; 64] {
        SignatureKey::sign(&*self.0, message)
    }
}

/// Checks a signature of 64 bytes. Beyond RFC 8032, public keys and R that are not canonical or of small order
/// are refused: with such keys one signature may fit several messages.
pub(crate) fn verify_signature(public: &[u8; 32], message: &[u8], signature: &[u8]) -> Result<(), Forged> {
    verify::<SigningKey>(public, message, signature)
}

pub(super) fn verify<K: SignatureKey>(
    public: &[u8; 32],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Forged> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| Forged)?;
    let (r, _) = signature.split_first_chunk().ok_or(Forged)?;
    if !is_sound_point(public) || !is_sound_point(r) {
        return Err(Forged);
    }
    K::verify(public, message, signature)
}

impl SignatureKey for SigningKey {
    fn new(seed: &[u8; 32]) -> Self {
        Self::from_bytes(seed)
    }

    fn public(&self) -> [u8; 32] {
        self.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        Signer::sign(self, message).to_bytes()
    }

    fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), Forged> {
        let public = VerifyingKey::from_bytes(public).map_err(|_| Forged)?;
        public.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| Forged)
    }
}

/// Whether an encoded point is canonical and not of small order. Public data: no need for constant time.
fn is_sound_point(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    is_below_modulus(&y) && !SMALL_ORDER.contains(&y)
}

/// Whether a little-endian number of 255 bits is below 2^255 - 19.
fn is_below_modulus(y: &[u8; 32]) -> bool {
    y[0] < 0xed || y[31] < 0x7f || y[1..31].iter().any(|byte| *byte != 0xff)
}

/// The y coordinates, without the sign of x, of the eight points of small order: 1, -1, 0, and two for the
/// four points of order 8.
pub(super) const SMALL_ORDER: [[u8; 32]; 5] = [
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha512};

    use super::*;

    #[test]
    fn signatures_verify_for_their_key_and_message_alone() {
        let identity = Identity::from_seed(&[1; 32]);
        let signature = identity.sign(b"message");
        assert_eq!(verify_signature(&identity.public(), b"message", &signature), Ok(()));
        assert_eq!(verify_signature(&identity.public(), b"messagf", &signature), Err(Forged));
        let other = Identity::from_seed(&[2; 32]);
        assert_eq!(verify_signature(&other.public(), b"message", &signature), Err(Forged));
        assert_eq!(verify_signature(&identity.public(), b"message", &signature[..63]), Err(Forged));
        let longer = [&signature[..], &[0]].concat();
        assert_eq!(verify_signature(&identity.public(), b"message", &longer), Err(Forged));
    }

    /// With the neutral point as key and as R, and S zero, RFC 8032's equation holds for every message.
    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let signature = [neutral, [0; 32]].concat();
        assert_eq!(verify_signature(&neutral, b"message", &signature), Err(Forged));
        for y in SMALL_ORDER {
            let mut negative = y;
            negative[31] |= 0x80;
            assert!(!is_sound_point(&y) && !is_sound_point(&negative));
        }
    }

    #[cfg(feature = "aws-lc")]
    type OfAwsLc = <super::super::aws_lc::AwsLc as super::super::backend::Backend>::Signer;

    /// A key of small order, for which a signature fits every message. aws-lc takes it; we do not.
    #[test]
    fn a_signature_for_every_message_is_refused() {
        let mut base_point = [0x66; 32];
        base_point[0] = 0x58;
        let mut one = [0; 32];
        one[0] = 1;
        // S is 1 and R the base point: S·B = R + h·A holds for whatever h, as A is the neutral point.
        let signature = [base_point, one].concat();
        for message in [&b"message"[..], b"another"] {
            #[cfg(feature = "aws-lc")]
            assert_eq!(OfAwsLc::verify(&one, message, signature[..].try_into().unwrap()), Ok(()));
            assert_eq!(verify_signature(&one, message, &signature), Err(Forged));
        }
    }

    /// A signature made with the nonce zero, by whoever has the key: S is h·a, and R the neutral point.
    #[test]
    fn an_r_of_small_order_is_refused() {
        const S: [u8; 32] = [
            0x95, 0xc0, 0xfd, 0xcc, 0x54, 0xfc, 0xca, 0xd1, 0xf2, 0xb8, 0xbc, 0x9b, 0x96, 0xaa, 0x68, 0x37,
            0xc8, 0x2f, 0x86, 0x34, 0x9e, 0x65, 0x76, 0xad, 0x29, 0xca, 0x3e, 0xce, 0x7b, 0x7e, 0xa9, 0x05,
        ];
        let public = Identity::from_seed(&[1; 32]).public();
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let signature = [neutral, S].concat();
        #[cfg(feature = "aws-lc")]
        assert_eq!(OfAwsLc::verify(&public, b"message", signature[..].try_into().unwrap()), Ok(()));
        assert_eq!(verify_signature(&public, b"message", &signature), Err(Forged));
    }

    #[test]
    fn encodings_at_or_above_the_modulus_are_refused() {
        let mut encoded = [0xff; 32];
        encoded[31] = 0x7f;
        for low in 0xed..=0xff {
            encoded[0] = low;
            assert!(!is_sound_point(&encoded));
        }
        encoded[0] = 0xeb;
        assert!(is_sound_point(&encoded), "two below the modulus is canonical");
        encoded[0] = 0xed;
        encoded[17] = 0xfe;
        assert!(is_sound_point(&encoded));
    }

    /// The points of small order, by what the group law says: eight times the point is the neutral one.
    #[test]
    fn the_list_of_small_orders_is_right() {
        let weak = |y: &[u8; 32]| VerifyingKey::from_bytes(y).unwrap().is_weak();
        assert!(SMALL_ORDER.iter().all(weak));
        assert!(!weak(&Identity::from_seed(&[1; 32]).public()));
    }

    /// With the nonce of a signature whoever has the signature has the key.
    #[test]
    fn signing_leaves_no_nonce_on_the_stack() {
        let signer = std::thread::Builder::new().stack_size(4 << 20).spawn(|| {
            let identity = Identity::from_seed(&[7; 32]);
            let looks = [true, false].map(|wiped| {
                let signature = match wiped {
                    true => identity.sign(b"message"),
                    false => identity.sign_leaving_traces(b"message"),
                };
                let stack = below().to_vec();
                assert_eq!(verify_signature(&identity.public(), b"message", &signature), Ok(()));
                stack
            });
            looks.map(|stack| stack.windows(32).filter(|bytes| **bytes == nonce_of_7()).count())
        });
        let [wiped, left] = signer.unwrap().join().unwrap();
        assert_eq!(wiped, 0);
        assert!(left > 0, "what is looked for is there to be found");
    }

    /// RFC 8032, 5.1.6: the hash of the seed's second half and the message.
    fn nonce_of_7() -> [u8; 32] {
        let seed = Sha512::digest([7; 32]);
        let hash = Sha512::new().chain_update(&seed[32..]).chain_update(b"message").finalize();
        curve25519_dalek::Scalar::from_bytes_mod_order_wide(hash.as_slice().try_into().unwrap()).to_bytes()
    }

    /// What calls before this one have left on the stack.
    #[allow(unsafe_code)]
    #[inline(never)]
    fn below() -> &'static [u8] {
        const LENGTH: usize = 24 * 1024;
        let here = 0_u8;
        // SAFETY: the thread's stack is larger, and so far below this frame nobody else writes.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(&here).sub(LENGTH + 256), LENGTH) }
    }
}
