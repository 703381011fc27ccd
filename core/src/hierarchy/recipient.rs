//! Recipients: each secret that opens the store seals an X-Wing private key of its own.
//!
//! The seal commits to its secret: HKDF gives a key and a 32-byte commitment, and the commitment is compared
//! before anything is decrypted, so that one seal cannot be made to open under two secrets.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::primitives::{self, Algorithm, Cipher, TAG_LENGTH, equal, hkdf_sha256};
use crate::records::RecipientRow;
use crate::sys::pages::SecretBytes;

/// The kind of a recipient whose secret is 32 bytes in the caller's hands.
const MASTER_KEY: &str = "master_key";

/// The X-Wing private key and the store's public identity.
const SEALED_LENGTH: usize = 32 + 32;
const NONCE_LENGTH: usize = 12;
const SALT_LENGTH: usize = 32;

/// What a recipient's secret opens.
pub(crate) struct OpenedRecipient {
    pub(crate) recipient_id: String,
    pub(crate) private_key: SecretBytes,
    /// The store's public identity, from a place that only the secret's holder could write.
    pub(crate) identity: [u8; 32],
}

/// A recipient for this secret, with a fresh key pair.
pub(crate) fn make_recipient(
    store_id: &[u8; 16],
    recipient_id: &str,
    created_at: i64,
    secret: &SecretBytes,
    identity: &[u8; 32],
) -> Result<(RecipientRow, OpenedRecipient)> {
    let private_key = SecretBytes::random(32)?;
    let mut salt = [0u8; SALT_LENGTH];
    primitives::random_bytes(&mut salt)?;
    let seal = Seal::derive(secret, &salt, store_id, recipient_id, MASTER_KEY)?;
    let mut content = SecretBytes::zeroed(SEALED_LENGTH);
    content.expose_mut()[..32].copy_from_slice(private_key.expose());
    content.expose_mut()[32..].copy_from_slice(identity);
    let row = RecipientRow {
        recipient_id: recipient_id.to_owned(),
        kind: MASTER_KEY.to_owned(),
        created_at,
        parameters: "{}".to_owned(),
        public_key: primitives::hpke_public_key(private_key.expose_32())?,
        salt: salt.to_vec(),
        commitment: seal.commitment.to_vec(),
        sealed: seal.seal(content)?,
    };
    let opened = OpenedRecipient { recipient_id: recipient_id.to_owned(), private_key, identity: *identity };
    Ok((row, opened))
}

/// The recipient that this secret opens. WrongMasterKey where it opens none.
pub(crate) fn open_recipient(
    store_id: &[u8; 16],
    recipients: &[RecipientRow],
    secret: &SecretBytes,
) -> Result<OpenedRecipient> {
    for row in recipients.iter().filter(|row| row.kind == MASTER_KEY) {
        let seal = Seal::derive(secret, &row.salt, store_id, &row.recipient_id, &row.kind)?;
        if equal(&seal.commitment, &row.commitment) {
            return seal.open(row);
        }
    }
    Err(Error::new(
        ErrorKind::WrongMasterKey,
        "this master key opens no recipient of the store: it belongs to another store, or was replaced; \
         nothing was changed",
    ))
}

/// A key and its commitment, for one recipient's seal.
struct Seal {
    cipher: Cipher,
    commitment: [u8; 32],
    place: Encoding,
}

impl Seal {
    fn derive(secret: &SecretBytes, salt: &[u8], store_id: &[u8; 16], id: &str, kind: &str) -> Result<Self> {
        let info = Encoding::new("keyfold/v1/recipient-key").bytes(store_id).text(id).text(kind);
        let mut derived = SecretBytes::zeroed(64);
        hkdf_sha256(secret.expose(), salt, info.as_bytes(), derived.expose_mut())?;
        let (key, commitment) = derived.expose().split_at(32);
        let internal = || Error::internal("a derived key of the wrong length");
        Ok(Self {
            cipher: Cipher::new(Algorithm::Aes256GcmSiv, key.try_into().map_err(|_| internal())?),
            commitment: commitment.try_into().map_err(|_| internal())?,
            place: Encoding::new("keyfold/v1/recipient-seal").bytes(store_id).text(id).text(kind),
        })
    }

    fn seal(&self, mut content: SecretBytes) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_LENGTH];
        primitives::random_bytes(&mut nonce)?;
        let tag = self.cipher.seal_in_place(&nonce, self.place.as_bytes(), content.expose_mut())?;
        Ok([&nonce[..], content.expose(), &tag].concat())
    }

    fn open(&self, row: &RecipientRow) -> Result<OpenedRecipient> {
        let damaged = || {
            Error::integrity(format!(
                "recipient {:?} was changed by someone without the master key, or is damaged",
                row.recipient_id
            ))
        };
        if row.sealed.len() != NONCE_LENGTH + SEALED_LENGTH + TAG_LENGTH {
            return Err(damaged());
        }
        let (nonce, rest) = row.sealed.split_at(NONCE_LENGTH);
        let (ciphertext, tag) = rest.split_at(SEALED_LENGTH);
        let mut content = SecretBytes::copied(ciphertext);
        self.cipher
            .open_in_place(nonce, self.place.as_bytes(), content.expose_mut(), tag)
            .map_err(|_| damaged())?;
        let (private_key, identity) = content.expose().split_at(32);
        Ok(OpenedRecipient {
            recipient_id: row.recipient_id.clone(),
            private_key: SecretBytes::copied(private_key),
            identity: identity.try_into().map_err(|_| damaged())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (RecipientRow, SecretBytes) {
        let secret = SecretBytes::copied(&[7; 32]);
        (make_recipient(&[1; 16], "r", 0, &secret, &[9; 32]).unwrap().0, secret)
    }

    #[test]
    fn its_secret_opens_it_and_no_other() {
        let (row, secret) = made();
        let opened = open_recipient(&[1; 16], std::slice::from_ref(&row), &secret).unwrap();
        assert_eq!(opened.identity, [9; 32]);
        assert_eq!(primitives::hpke_public_key(opened.private_key.expose_32()).unwrap(), row.public_key);
        let kind = |rows: &[RecipientRow], store: &[u8; 16], secret: &[u8]| {
            open_recipient(store, rows, &SecretBytes::copied(secret)).map(|_| ()).unwrap_err().kind()
        };
        assert_eq!(kind(std::slice::from_ref(&row), &[1; 16], &[8; 32]), ErrorKind::WrongMasterKey);
        assert_eq!(kind(std::slice::from_ref(&row), &[2; 16], &[7; 32]), ErrorKind::WrongMasterKey);
        assert_eq!(kind(&[], &[1; 16], &[7; 32]), ErrorKind::WrongMasterKey);
    }

    #[test]
    fn a_changed_seal_is_noticed() {
        let (row, secret) = made();
        for place in 0..row.sealed.len() {
            let mut changed = row.clone();
            changed.sealed[place] ^= 1;
            assert_eq!(
                open_recipient(&[1; 16], &[changed], &secret).map(|_| ()).unwrap_err().kind(),
                ErrorKind::IntegrityError
            );
        }
        let mut short = row.clone();
        short.sealed.pop();
        assert!(open_recipient(&[1; 16], &[short], &secret).is_err());
    }
}
