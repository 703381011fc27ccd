//! What a version's secret bytes become, ready for use in locked memory.

use crate::primitives::{Algorithm, Authenticator, Cipher, Siv};
use crate::sys::pages::SecretBytes;

/// The unwrapped key of one version, as its kind uses it.
pub(crate) enum Material {
    /// Encrypts messages.
    Aead(Cipher),
    /// Encrypts messages deterministically.
    Deterministic(Siv),
    /// Encrypts streams.
    Stream(SecretBytes),
    /// Authenticates messages.
    Mac(Authenticator),
    /// Derives other keys.
    Derive(SecretBytes),
}

impl Material {
    /// Expands the secret. `None` where its length is not one of the algorithm's.
    pub(crate) fn expand(algorithm: Algorithm, secret: SecretBytes) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Aes256GcmSiv
            | Algorithm::Aes256Gcm
            | Algorithm::Xaes256Gcm
            | Algorithm::XChaCha20Poly1305 => Self::Aead(Cipher::new(algorithm, secret.try_expose_32()?)),
            Algorithm::Aes256Siv => Self::Deterministic(Siv::new(secret)?),
            Algorithm::Aes256GcmHkdf1Mb => {
                Self::Stream((secret.len() == algorithm.key_length()).then_some(secret)?)
            }
            Algorithm::HmacSha256 => Self::Mac(Authenticator::sha256(&secret)?),
            Algorithm::HmacSha512 => Self::Mac(Authenticator::sha512(&secret)?),
            Algorithm::HkdfSha256 => Self::Derive(secret),
        })
    }
}
