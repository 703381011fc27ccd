//! A keyset under a passphrase: `kfks1.` and base64url of
//!
//! ```text
//! memory KiB (u32be) ‖ passes (u32be) ‖ lanes (u32be) ‖ salt (32) ‖ commitment (32) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! Argon2id of the passphrase gives 32 bytes; HKDF of these, over the costs and the salt, gives a key of AES-256-GCM-SIV
//! and the commitment, which is compared first: no seal opens under two passphrases. The plaintext is Tink's binary
//! keyset; the associated data is everything before the nonce.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::primitives::{
    Algorithm, Argon2Cost, Cipher, TAG_LENGTH, argon2id, equal, hkdf_sha256, random_bytes,
};
use crate::sys::pages::SecretBytes;

/// How the text begins.
const START: &str = "kfks1.";
const COST_LENGTH: usize = 12;
const SALT_LENGTH: usize = 32;
const COMMITMENT_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
/// Everything before the nonce.
const HEAD_LENGTH: usize = COST_LENGTH + SALT_LENGTH + COMMITMENT_LENGTH;

/// Whether these bytes are a keyset under a passphrase.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(START.as_bytes())
}

/// Seals a keyset's bytes.
pub(crate) fn seal_with_passphrase(keyset: &SecretBytes, passphrase: &[u8]) -> Result<String> {
    let cost = Argon2Cost::default();
    let mut salt = [0u8; SALT_LENGTH];
    random_bytes(&mut salt)?;
    let (cipher, commitment) = derive(passphrase, &salt, cost)?;
    let mut envelope = Vec::with_capacity(HEAD_LENGTH + NONCE_LENGTH + keyset.len() + TAG_LENGTH);
    for part in [cost.memory_kib, cost.passes, cost.lanes] {
        envelope.extend_from_slice(&part.to_be_bytes());
    }
    envelope.extend_from_slice(&salt);
    envelope.extend_from_slice(&commitment);
    let mut nonce = [0u8; NONCE_LENGTH];
    random_bytes(&mut nonce)?;
    let mut content = SecretBytes::copied(keyset.expose());
    let tag = cipher.seal_in_place(&nonce, &envelope, content.expose_mut())?;
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(content.expose());
    envelope.extend_from_slice(&tag);
    Ok(format!("{START}{}", URL_SAFE_NO_PAD.encode(envelope)))
}

/// Opens what [`seal_with_passphrase`] gave. DecryptionFailed for another passphrase, and for a changed text.
pub(crate) fn open_with_passphrase(text: &[u8], passphrase: &[u8]) -> Result<SecretBytes> {
    let text = text.trim_ascii_end().strip_prefix(START.as_bytes());
    let text = text.ok_or_else(|| malformed("is not under a passphrase"))?;
    let envelope =
        URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed("under its passphrase is cut or damaged"))?;
    let cut = || malformed("under its passphrase is cut");
    let (head, rest) = envelope.split_at_checked(HEAD_LENGTH).ok_or_else(cut)?;
    let (nonce, rest) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(cut)?;
    let length = rest.len().checked_sub(TAG_LENGTH).ok_or_else(cut)?;
    let (ciphertext, tag) = rest.split_at(length);
    let (cost, salt_and_commitment) = head.split_at(COST_LENGTH);
    let (salt, commitment) = salt_and_commitment.split_at(SALT_LENGTH);
    let (cipher, expected) = derive(passphrase, salt, read_cost(cost)?)?;
    if !equal(&expected, commitment) {
        return Err(wrong());
    }
    let mut content = SecretBytes::copied(ciphertext);
    cipher.open_in_place(nonce, head, content.expose_mut(), tag).map_err(|_| wrong())?;
    Ok(content)
}

/// The costs in front of the salt. They are bounded before any memory is taken.
fn read_cost(bytes: &[u8]) -> Result<Argon2Cost> {
    let (parts, _) = bytes.as_chunks::<4>();
    let [memory_kib, passes, lanes] = parts else { return Err(malformed("under its passphrase is cut")) };
    let cost = Argon2Cost {
        memory_kib: u32::from_be_bytes(*memory_kib),
        passes: u32::from_be_bytes(*passes),
        lanes: u32::from_be_bytes(*lanes),
    };
    if !cost.is_allowed() {
        return Err(Error::limit(
            "the keyset asks for Argon2id costs outside of keyfold's limits; it was changed",
        ));
    }
    Ok(cost)
}

fn derive(passphrase: &[u8], salt: &[u8], cost: Argon2Cost) -> Result<(Cipher, [u8; COMMITMENT_LENGTH])> {
    if passphrase.is_empty() {
        return Err(Error::invalid("the passphrase is empty"));
    }
    let mut stretched = SecretBytes::zeroed(32);
    argon2id(passphrase, salt, cost, stretched.expose_mut()).map_err(|_| {
        Error::invalid(format!(
            "Argon2id did not run: the passphrase may have up to {} bytes, and {} MiB of memory must be free",
            crate::limits::PASSWORD_BYTES,
            cost.memory_kib >> 10
        ))
    })?;
    let info = Encoding::new("keyfold/v1/keyset")
        .integer(cost.memory_kib.into())
        .integer(cost.passes.into())
        .integer(cost.lanes.into());
    let mut derived = SecretBytes::zeroed(32 + COMMITMENT_LENGTH);
    hkdf_sha256(stretched.expose(), salt, info.as_bytes(), derived.expose_mut())?;
    let (key, commitment) = derived.expose().split_at(32);
    let internal = || Error::internal("a derived key of the wrong length");
    let cipher = Cipher::new(Algorithm::Aes256GcmSiv, key.try_into().map_err(|_| internal())?);
    Ok((cipher, commitment.try_into().map_err(|_| internal())?))
}

fn wrong() -> Error {
    Error::new(
        ErrorKind::DecryptionFailed,
        "the passphrase does not open this keyset, or the keyset was changed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_passphrase_opens_it_and_no_change_goes_unnoticed() {
        let keyset = SecretBytes::copied(b"a keyset");
        let sealed = seal_with_passphrase(&keyset, b"correct horse").unwrap();
        let kind = |text: &[u8], passphrase: &[u8]| {
            open_with_passphrase(text, passphrase).map(|_| ()).unwrap_err().kind()
        };
        assert_eq!(open_with_passphrase(sealed.as_bytes(), b"correct horse").unwrap().expose(), b"a keyset");
        assert_eq!(kind(sealed.as_bytes(), b"correct horsf"), ErrorKind::DecryptionFailed);
        assert_eq!(kind(sealed.as_bytes(), b""), ErrorKind::InvalidArgument);
        assert_eq!(kind(b"kfks1.", b"x"), ErrorKind::InvalidArgument);
        assert_eq!(kind(b"kfks1.!", b"x"), ErrorKind::InvalidArgument);
        let envelope = URL_SAFE_NO_PAD.decode(&sealed[START.len()..]).unwrap();
        // One byte of each part: salt, commitment, nonce, ciphertext, tag.
        for place in [COST_LENGTH, 50, HEAD_LENGTH, HEAD_LENGTH + NONCE_LENGTH, envelope.len() - 1] {
            let mut changed = envelope.clone();
            changed[place] ^= 1;
            let text = format!("{START}{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(kind(text.as_bytes(), b"correct horse"), ErrorKind::DecryptionFailed);
        }
        // Costs beyond the limits are refused before any memory is taken.
        for (part, value) in [(0, u32::MAX), (0, 1), (4, 11), (4, 0), (8, 9), (8, 0)] {
            let mut changed = envelope.clone();
            changed[part..part + 4].copy_from_slice(&value.to_be_bytes());
            let text = format!("{START}{}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(kind(text.as_bytes(), b"correct horse"), ErrorKind::LimitExceeded);
        }
        for length in [HEAD_LENGTH + NONCE_LENGTH + TAG_LENGTH - 1, HEAD_LENGTH, 11, 0] {
            let text = format!("{START}{}", URL_SAFE_NO_PAD.encode(&envelope[..length]));
            assert_eq!(kind(text.as_bytes(), b"correct horse"), ErrorKind::InvalidArgument);
        }
    }
}
