//! What a version's secret bytes become, ready for use in locked memory.

use crate::primitives::{Algorithm, Cipher, KeyKind};
use crate::sys::pages::SecretBytes;

/// The unwrapped key of one version, as its kind uses it.
pub(crate) enum Material {
    /// Encrypts messages.
    Aead(Cipher),
    /// Encrypts messages deterministically.
    Deterministic(SecretBytes),
    /// Encrypts streams.
    Stream(SecretBytes),
    /// Authenticates messages.
    Mac(SecretBytes),
    /// Derives other keys.
    Derive(SecretBytes),
}

impl Material {
    /// Expands the secret. `None` where its length is not one of the algorithm's.
    pub(crate) fn expand(algorithm: Algorithm, secret: SecretBytes) -> Option<Self> {
        Some(match algorithm.kind() {
            KeyKind::Aead => Self::Aead(Cipher::new(algorithm, secret.try_expose_32()?)),
            KeyKind::Deterministic => Self::Deterministic(secret),
            KeyKind::Stream => Self::Stream((secret.len() == algorithm.key_length()).then_some(secret)?),
            KeyKind::Mac => Self::Mac(secret),
            KeyKind::Derive => Self::Derive(secret),
        })
    }
}
