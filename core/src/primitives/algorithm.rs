//! What a key does, and by which algorithm.

use std::fmt;

/// What the bytes of a key are used for. One key, one kind, one use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// Encrypts messages; every ciphertext differs. The default.
    #[default]
    Aead,
    /// Encrypts so that equal messages under equal associated data have equal ciphertexts.
    Deterministic,
    /// Encrypts streams and files of any length.
    Stream,
    /// Authenticates messages: HMAC.
    Mac,
    /// Derives other keys: HKDF.
    Derive,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Aead, Self::Deterministic, Self::Stream, Self::Mac, Self::Derive];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aead => "aead",
            Self::Deterministic => "deterministic",
            Self::Stream => "stream",
            Self::Mac => "mac",
            Self::Derive => "derive",
        }
    }

    /// The kind of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The algorithm of a key that names none.
    pub fn default_algorithm(self) -> Algorithm {
        match self {
            Self::Aead => Algorithm::Aes256GcmSiv,
            Self::Deterministic => Algorithm::Aes256Siv,
            Self::Stream => Algorithm::Aes256GcmHkdf1Mb,
            Self::Mac => Algorithm::HmacSha256,
            Self::Derive => Algorithm::HkdfSha256,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// How a key does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// AES-256-GCM-SIV (RFC 8452): a repeated nonce shows only that a message repeats. The default.
    #[default]
    Aes256GcmSiv,
    /// AES-256-GCM: the fastest, but a repeated nonce breaks it. At most 2^32 messages a key.
    Aes256Gcm,
    /// XAES-256-GCM (c2sp.org/XAES-256-GCM): AES-256-GCM with nonces of 24 bytes, for bulk.
    Xaes256Gcm,
    /// XChaCha20-Poly1305: needs no AES hardware.
    XChaCha20Poly1305,
    /// AES-SIV (RFC 5297) with a key of 64 bytes and one element of associated data.
    Aes256Siv,
    /// Tink's streaming AES-256-GCM with HKDF-SHA256 and segments of 1 MiB.
    Aes256GcmHkdf1Mb,
    /// HMAC-SHA256 (RFC 2104).
    HmacSha256,
    /// HMAC-SHA512 (RFC 2104).
    HmacSha512,
    /// HKDF-SHA256 (RFC 5869).
    HkdfSha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Aes256GcmSiv,
        Self::Aes256Gcm,
        Self::Xaes256Gcm,
        Self::XChaCha20Poly1305,
        Self::Aes256Siv,
        Self::Aes256GcmHkdf1Mb,
        Self::HmacSha256,
        Self::HmacSha512,
        Self::HkdfSha256,
    ];

    /// Those of kind `aead`.
    pub const AEAD: [Self; 4] =
        [Self::Aes256GcmSiv, Self::Aes256Gcm, Self::Xaes256Gcm, Self::XChaCha20Poly1305];

    /// The name that is stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256GcmSiv => "AES256_GCM_SIV",
            Self::Aes256Gcm => "AES256_GCM",
            Self::Xaes256Gcm => "XAES256_GCM",
            Self::XChaCha20Poly1305 => "XCHACHA20_POLY1305",
            Self::Aes256Siv => "AES256_SIV",
            Self::Aes256GcmHkdf1Mb => "AES256_GCM_HKDF_1MB",
            Self::HmacSha256 => "HMAC_SHA256",
            Self::HmacSha512 => "HMAC_SHA512",
            Self::HkdfSha256 => "HKDF_SHA256",
        }
    }

    /// The algorithm of that exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The kind of key that it serves.
    pub fn kind(self) -> KeyKind {
        match self {
            Self::Aes256GcmSiv | Self::Aes256Gcm | Self::Xaes256Gcm | Self::XChaCha20Poly1305 => {
                KeyKind::Aead
            }
            Self::Aes256Siv => KeyKind::Deterministic,
            Self::Aes256GcmHkdf1Mb => KeyKind::Stream,
            Self::HmacSha256 | Self::HmacSha512 => KeyKind::Mac,
            Self::HkdfSha256 => KeyKind::Derive,
        }
    }

    /// Bytes of a key that keyfold makes.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes256Siv | Self::HmacSha512 => 64,
            _ => 32,
        }
    }

    /// Bytes of a nonce; of XAES-256-GCM, salt and IV together. None for what has no nonce of its own.
    pub fn nonce_length(self) -> usize {
        match self {
            Self::Aes256GcmSiv | Self::Aes256Gcm => 12,
            Self::Xaes256Gcm | Self::XChaCha20Poly1305 => 24,
            _ => 0,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_found_again() {
        let names = [
            "AES256_GCM_SIV",
            "AES256_GCM",
            "XAES256_GCM",
            "XCHACHA20_POLY1305",
            "AES256_SIV",
            "AES256_GCM_HKDF_1MB",
            "HMAC_SHA256",
            "HMAC_SHA512",
            "HKDF_SHA256",
        ];
        assert_eq!(Algorithm::ALL.map(Algorithm::name), names);
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            assert_eq!(algorithm.to_string(), algorithm.name());
        }
        assert_eq!(Algorithm::from_name("aes256_gcm"), None);
        assert_eq!(Algorithm::default(), Algorithm::Aes256GcmSiv);
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_name(kind.name()), Some(kind));
            assert_eq!(kind.default_algorithm().kind(), kind);
        }
        assert_eq!(KeyKind::default().default_algorithm(), Algorithm::default());
        assert!(Algorithm::AEAD.iter().all(|algorithm| algorithm.kind() == KeyKind::Aead));
    }
}
