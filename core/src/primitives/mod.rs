//! The only callers of crypto crates: encryption, hashing, signatures, HPKE and randomness.
//!
//! Two backends bring the same primitives: aws-lc-rs (feature `aws-lc`, the default) and the RustCrypto crates
//! (feature `portable`). Where both are built aws-lc serves, and the tests hold one against the other.

#[cfg(not(any(feature = "aws-lc", feature = "portable")))]
compile_error!(
    "keyfold needs a cryptography backend: enable the feature `aws-lc` (the default) or `portable`"
);

mod aead;
#[cfg(all(test, feature = "aws-lc", feature = "portable"))]
mod agreement;
mod algorithm;
#[cfg(feature = "aws-lc")]
mod aws_lc;
mod backend;
mod hash;
mod hpke;
mod identity;
mod mac;
mod password;
#[cfg(all(feature = "portable", any(test, not(feature = "aws-lc"))))]
mod portable;
mod random;
mod shamir;
mod siv;
mod stream;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wycheproof;
mod xaes;
mod xchacha;

pub(crate) use aead::{Cipher, TAG_LENGTH};
pub use algorithm::{Algorithm, KeyKind};
pub(crate) use backend::Failure;
pub(crate) use hash::{equal, hkdf_sha256, sha256};
pub(crate) use hpke::{
    HPKE_ENCAPSULATED_LENGTH, HPKE_PUBLIC_LENGTH, hpke_is_public_key, hpke_open, hpke_public_key, hpke_seal,
};
pub(crate) use identity::{Identity, verify_signature};
pub(crate) use mac::{Authenticator, HmacKey};
pub(crate) use password::{Argon2Cost, DEFAULT_PBKDF2_ROUNDS, argon2id, pbkdf2_sha256};
pub(crate) use random::{draw_nonce, draw_nonce_at, random_bytes};
pub(crate) use shamir::{SecretShare, combine_shares, split_secret};
pub(crate) use siv::Siv;
pub(crate) use stream::{HEADER_LENGTH, Header, SEGMENT_LENGTH, Segments};

/// The backend that serves.
#[cfg(feature = "aws-lc")]
type Served = aws_lc::AwsLc;
#[cfg(all(feature = "portable", not(feature = "aws-lc")))]
type Served = portable::Portable;
