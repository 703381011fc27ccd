//! Wrapping under the KEK: secret bytes, bound to the place they belong to.
//!
//! `nonce (12) ‖ ciphertext (as long as the secret) ‖ tag (16)` of AES-256-GCM-SIV; the associated data is the injective encoding
//! of the place, so that a wrap copied to another row does not open there.

use crate::error::{Error, Result};
use crate::format::Encoding;
use crate::hierarchy::Kek;
use crate::primitives::{TAG_LENGTH, draw_nonce};
use crate::sys::pages::SecretBytes;

const NONCE_LENGTH: usize = 12;
/// Bytes that a wrap has beyond its secret.
const OVERHEAD: usize = NONCE_LENGTH + TAG_LENGTH;

/// The system key that signs the wraps of the KEK: an Ed25519 seed.
pub(crate) const IDENTITY: &str = "identity";
/// The system key of the audit chain.
pub(crate) const AUDIT_KEY: &str = "audit";

/// A place that holds one wrapped secret.
pub(crate) trait Wrappable {
    /// Binds the wrap to its place.
    fn place(&self, kek_version: u32) -> Encoding;
    /// Names the place in an error.
    fn damaged(&self) -> Error;

    fn wrap(&self, kek: &Kek, secret: &SecretBytes) -> Result<Vec<u8>> {
        let mut wrapped = vec![0u8; OVERHEAD + secret.len()];
        let (nonce, rest) = wrapped.split_at_mut(NONCE_LENGTH);
        let (ciphertext, tag) = rest.split_at_mut(secret.len());
        draw_nonce(nonce)?;
        let mut content = SecretBytes::copied(secret.expose());
        tag.copy_from_slice(&kek.wrap.seal_in_place(
            nonce,
            self.place(kek.version).as_bytes(),
            content.expose_mut(),
        )?);
        ciphertext.copy_from_slice(content.expose());
        Ok(wrapped)
    }

    fn unwrap(&self, kek: &Kek, kek_version: u32, wrapped: &[u8]) -> Result<SecretBytes> {
        let length = wrapped.len().checked_sub(OVERHEAD).ok_or_else(|| self.damaged())?;
        if kek_version != kek.version {
            return Err(self.damaged());
        }
        let (nonce, rest) = wrapped.split_at(NONCE_LENGTH);
        let (ciphertext, tag) = rest.split_at(length);
        let mut secret = SecretBytes::copied(ciphertext);
        kek.wrap
            .open_in_place(nonce, self.place(kek.version).as_bytes(), secret.expose_mut(), tag)
            .map_err(|_| self.damaged())?;
        Ok(secret)
    }
}

/// Draws a secret of this length for the place and wraps it.
pub(crate) fn make_wrapped(
    place: &impl Wrappable,
    kek: &Kek,
    length: usize,
) -> Result<(SecretBytes, Vec<u8>)> {
    let secret = SecretBytes::random(length)?;
    let wrapped = place.wrap(kek, &secret)?;
    Ok((secret, wrapped))
}

/// The place of a key version's DEK.
pub(crate) struct DekPlace<'a> {
    pub(crate) store_id: &'a [u8; 16],
    pub(crate) key_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) purpose: Option<&'a str>,
    pub(crate) algorithm: &'a str,
    pub(crate) version: u32,
    pub(crate) tag: u32,
    pub(crate) prefix: &'a str,
}

impl Wrappable for DekPlace<'_> {
    fn place(&self, kek_version: u32) -> Encoding {
        Encoding::new("keyfold/v1/dek")
            .bytes(self.store_id)
            .text(self.key_id)
            .text(self.kind)
            .optional_text(self.purpose)
            .text(self.algorithm)
            .integer(self.version.into())
            .integer(self.tag.into())
            .text(self.prefix)
            .integer(kek_version.into())
    }

    fn damaged(&self) -> Error {
        Error::integrity(format!(
            "the wrapped key of version {} of key {:?} does not open",
            self.version, self.key_id
        ))
        .with_key(self.key_id)
        .with_version(self.version)
    }
}

/// The place of a key of the store's own.
pub(crate) struct SystemKeyPlace<'a> {
    pub(crate) store_id: &'a [u8; 16],
    pub(crate) name: &'a str,
    pub(crate) version: u32,
}

impl Wrappable for SystemKeyPlace<'_> {
    fn place(&self, kek_version: u32) -> Encoding {
        Encoding::new("keyfold/v1/system-key")
            .bytes(self.store_id)
            .text(self.name)
            .integer(self.version.into())
            .integer(kek_version.into())
    }

    fn damaged(&self) -> Error {
        Error::integrity(format!("the store's own key {:?} does not open", self.name))
    }
}

/// The place of a root of blind indexes.
pub(crate) struct IndexRootPlace<'a> {
    pub(crate) store_id: &'a [u8; 16],
    pub(crate) scope: &'a str,
    pub(crate) version: u32,
}

impl Wrappable for IndexRootPlace<'_> {
    fn place(&self, kek_version: u32) -> Encoding {
        Encoding::new("keyfold/v1/index-root")
            .bytes(self.store_id)
            .text(self.scope)
            .integer(self.version.into())
            .integer(kek_version.into())
    }

    fn damaged(&self) -> Error {
        Error::integrity(format!("version {} of the index root {:?} does not open", self.version, self.scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_opens_at_its_own_place_only() {
        let kek = Kek::expand(1, &SecretBytes::copied(&[5; 32])).unwrap();
        let other_kek = Kek::expand(1, &SecretBytes::copied(&[6; 32])).unwrap();
        let newer_kek = Kek::expand(2, &SecretBytes::copied(&[5; 32])).unwrap();
        let home = DekPlace {
            store_id: &[1; 16],
            key_id: "pii",
            kind: "aead",
            purpose: None,
            algorithm: "AES256_GCM",
            version: 1,
            tag: 9,
            prefix: "tink",
        };
        let (secret, wrapped) = make_wrapped(&home, &kek, 32).unwrap();
        assert_eq!(home.unwrap(&kek, 1, &wrapped).unwrap().expose(), secret.expose());
        let elsewhere = [
            DekPlace { store_id: &[2; 16], ..home },
            DekPlace { key_id: "pij", ..home },
            DekPlace { kind: "stream", ..home },
            DekPlace { purpose: Some("pii"), ..home },
            DekPlace { algorithm: "AES256_GCM_SIV", ..home },
            DekPlace { version: 2, ..home },
            DekPlace { tag: 8, ..home },
            DekPlace { prefix: "raw", ..home },
        ];
        for place in elsewhere {
            assert!(place.unwrap(&kek, 1, &wrapped).is_err());
        }
        assert!(home.unwrap(&other_kek, 1, &wrapped).is_err());
        assert!(home.unwrap(&newer_kek, 2, &wrapped).is_err());
        assert!(home.unwrap(&kek, 2, &wrapped).is_err());
        for length in 0..wrapped.len() {
            assert!(home.unwrap(&kek, 1, &wrapped[..length]).is_err());
        }
        let system = SystemKeyPlace { store_id: &[1; 16], name: "pii", version: 1 };
        assert!(system.unwrap(&kek, 1, &wrapped).is_err());
    }
}
