//! Recipients: each secret that opens the store seals an X-Wing private key of its own.
//!
//! The seal commits to its secret: HKDF gives a key and a 32-byte commitment, and the commitment is compared
//! before anything is decrypted, so that one seal cannot be made to open under two secrets.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::hierarchy::{Credential, Parameters, RecipientKind};
use crate::primitives::{self, Algorithm, Cipher, TAG_LENGTH, equal, hkdf_sha256};
use crate::records::RecipientRow;
use crate::sys::pages::SecretBytes;

/// The X-Wing private key and the store's public identity.
const SEALED_LENGTH: usize = 32 + 32;
const NONCE_LENGTH: usize = 12;
const SALT_LENGTH: usize = 32;

/// What a recipient's secret opens. An open store keeps it, to follow when the KEK changes.
pub(crate) struct OpenedRecipient {
    pub(crate) recipient_id: String,
    pub(crate) private_key: SecretBytes,
    pub(crate) public_key: Vec<u8>,
    /// The store's public identity, from a place that only the secret's holder could write.
    pub(crate) identity: [u8; 32],
}

impl OpenedRecipient {
    /// Whether it was opened from this row, and not from an earlier one of the same id.
    pub(crate) fn is(&self, row: &RecipientRow) -> bool {
        row.recipient_id == self.recipient_id && row.public_key == self.public_key
    }
}

/// A recipient that is to be made.
pub(crate) struct NewRecipient<'a> {
    pub(crate) recipient_id: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) created_at: i64,
}

/// A recipient for this secret, with a fresh key pair.
pub(crate) fn make_recipient(
    store_id: &[u8; 16],
    new: &NewRecipient<'_>,
    credential: &Credential,
    identity: &[u8; 32],
) -> Result<(RecipientRow, OpenedRecipient)> {
    let private_key = SecretBytes::random(32)?;
    let parameters = Parameters { description: new.description.map(str::to_owned), cost: credential.cost() };
    let mut salt = [0u8; SALT_LENGTH];
    primitives::random_bytes(&mut salt)?;
    let public_key = primitives::hpke_public_key(private_key.expose_32())?;
    let mut row = RecipientRow {
        recipient_id: new.recipient_id.to_owned(),
        kind: credential.kind().name().to_owned(),
        created_at: new.created_at,
        parameters: parameters.to_json()?,
        public_key: public_key.clone(),
        salt: salt.to_vec(),
        commitment: Vec::new(),
        sealed: Vec::new(),
    };
    let seal = Seal::derive(&credential.derive(parameters.cost, &salt)?, store_id, &row)?;
    let mut content = SecretBytes::zeroed(SEALED_LENGTH);
    content.expose_mut()[..32].copy_from_slice(private_key.expose());
    content.expose_mut()[32..].copy_from_slice(identity);
    row.commitment = seal.commitment.to_vec();
    row.sealed = seal.seal(content)?;
    let opened = OpenedRecipient {
        recipient_id: row.recipient_id.clone(),
        private_key,
        public_key,
        identity: *identity,
    };
    Ok((row, opened))
}

/// The recipient that this secret opens, of those of its kind. WrongMasterKey where it opens none.
///
/// Costs one derivation for each recipient made for a passphrase, where it is one: what the rows say is not verified
/// yet, but bounded.
pub(crate) fn open_recipient(
    store_id: &[u8; 16],
    recipients: &[RecipientRow],
    credential: &Credential,
) -> Result<OpenedRecipient> {
    if recipients.is_empty() {
        return Err(Error::integrity("the store has no recipients: it was damaged; restore a backup"));
    }
    let mut damage = None;
    for row in recipients.iter().filter(|row| row.kind == credential.kind().name()) {
        let Some(parameters) = Parameters::from_json(&row.parameters, credential.kind()) else {
            damage = Some(damaged(row));
            continue;
        };
        let seal = Seal::derive(&credential.derive(parameters.cost, &row.salt)?, store_id, row)?;
        if equal(&seal.commitment, &row.commitment) {
            return seal.open(row);
        }
    }
    Err(damage.unwrap_or_else(|| wrong_master_key(credential.kind())))
}

fn wrong_master_key(kind: RecipientKind) -> Error {
    let what = match kind {
        RecipientKind::MasterKey => "this master key opens",
        RecipientKind::RecoveryKey => "this recovery key opens",
        RecipientKind::Shares => "these shares open",
        RecipientKind::Passphrase => "this passphrase opens",
    };
    Error::new(
        ErrorKind::WrongMasterKey,
        format!(
            "{what} no recipient of the store: it belongs to another store, or was replaced; nothing was changed"
        ),
    )
}

fn damaged(row: &RecipientRow) -> Error {
    Error::integrity(format!(
        "recipient {:?} was changed by someone without the master key, or is damaged",
        row.recipient_id
    ))
}

/// A key and its commitment, for one recipient's seal.
struct Seal {
    cipher: Cipher,
    commitment: [u8; 32],
    place: Encoding,
}

impl Seal {
    /// The row's parameters are committed to as well: nobody can have a cheaper derivation accepted.
    fn derive(secret: &SecretBytes, store_id: &[u8; 16], row: &RecipientRow) -> Result<Self> {
        let place = |label| {
            let encoding = Encoding::new(label).bytes(store_id).text(&row.recipient_id);
            encoding.text(&row.kind).text(&row.parameters)
        };
        let info = place("keyfold/v1/recipient-key");
        let mut derived = SecretBytes::zeroed(64);
        hkdf_sha256(secret.expose(), &row.salt, info.as_bytes(), derived.expose_mut())?;
        let (key, commitment) = derived.expose().split_at(32);
        let internal = || Error::internal("a derived key of the wrong length");
        Ok(Self {
            cipher: Cipher::new(Algorithm::Aes256GcmSiv, key.try_into().map_err(|_| internal())?),
            commitment: commitment.try_into().map_err(|_| internal())?,
            place: place("keyfold/v1/recipient-seal").bytes(&row.public_key),
        })
    }

    fn seal(&self, mut content: SecretBytes) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_LENGTH];
        primitives::random_bytes(&mut nonce)?;
        let tag = self.cipher.seal_in_place(&nonce, self.place.as_bytes(), content.expose_mut())?;
        Ok([&nonce[..], content.expose(), &tag].concat())
    }

    fn open(&self, row: &RecipientRow) -> Result<OpenedRecipient> {
        let damaged = || damaged(row);
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
            public_key: row.public_key.clone(),
            identity: identity.try_into().map_err(|_| damaged())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::PasswordCost;
    use crate::limits;
    use crate::primitives::Argon2Cost;

    const CHEAP: PasswordCost =
        PasswordCost::Argon2id(Argon2Cost { memory_kib: limits::ARGON2_MEMORY_KIB.0, passes: 1, lanes: 1 });

    fn secret(byte: u8) -> Credential {
        Credential::master_key(SecretBytes::copied(&[byte; 32]))
    }

    fn passphrase(text: &str) -> Credential {
        Credential::passphrase(SecretBytes::copied(text.as_bytes()), CHEAP)
    }

    fn made_for(credential: &Credential) -> RecipientRow {
        let new = NewRecipient { recipient_id: "r", description: Some("a safe"), created_at: 0 };
        make_recipient(&[1; 16], &new, credential, &[9; 32]).unwrap().0
    }

    fn open_one(row: &RecipientRow, credential: &Credential) -> Result<OpenedRecipient> {
        open_recipient(&[1; 16], std::slice::from_ref(row), credential)
    }

    fn kind(result: Result<OpenedRecipient>) -> ErrorKind {
        result.map(|_| ()).unwrap_err().kind()
    }

    #[test]
    fn its_secret_opens_it_and_no_other() {
        let row = made_for(&secret(7));
        let opened = open_one(&row, &secret(7)).unwrap();
        assert_eq!(opened.identity, [9; 32]);
        assert_eq!(primitives::hpke_public_key(opened.private_key.expose_32()).unwrap(), row.public_key);
        assert_eq!(kind(open_one(&row, &secret(8))), ErrorKind::WrongMasterKey);
        assert_eq!(
            kind(open_recipient(&[2; 16], std::slice::from_ref(&row), &secret(7))),
            ErrorKind::WrongMasterKey
        );
        assert_eq!(
            kind(open_recipient(&[1; 16], &[], &secret(7))),
            ErrorKind::IntegrityError,
            "every store has one"
        );
    }

    #[test]
    fn it_is_not_a_later_one_of_its_id() {
        let (row, later) = (made_for(&secret(7)), made_for(&secret(7)));
        let opened = open_one(&row, &secret(7)).unwrap();
        assert!(opened.is(&row) && !opened.is(&later));
        let copied = RecipientRow { recipient_id: "s".to_owned(), ..row };
        assert!(!opened.is(&copied));
    }

    #[test]
    fn a_changed_seal_is_noticed() {
        let row = made_for(&secret(7));
        for place in 0..row.sealed.len() {
            let mut changed = row.clone();
            changed.sealed[place] ^= 1;
            assert_eq!(kind(open_one(&changed, &secret(7))), ErrorKind::IntegrityError);
        }
        let mut short = row.clone();
        short.sealed.pop();
        assert!(open_one(&short, &secret(7)).is_err());
        let mut other = row.clone();
        other.public_key[0] ^= 1;
        assert_eq!(kind(open_one(&other, &secret(7))), ErrorKind::IntegrityError);
    }

    #[test]
    fn the_cost_of_a_passphrase_is_committed_to_and_bounded() {
        let row = made_for(&passphrase("correct horse"));
        assert_eq!(open_one(&row, &passphrase("correct horse")).unwrap().identity, [9; 32]);
        assert_eq!(kind(open_one(&row, &passphrase("correct house"))), ErrorKind::WrongMasterKey);
        let mut dearer = row.clone();
        dearer.parameters = row.parameters.replace("\"passes\":1", "\"passes\":2");
        assert_ne!(dearer.parameters, row.parameters);
        assert_eq!(kind(open_one(&dearer, &passphrase("correct horse"))), ErrorKind::WrongMasterKey);
        for (from, to) in [("19456", "8"), ("19456", "4000000000"), ("\"passes\":1", "\"passes\":1000000")] {
            let mut changed = row.clone();
            changed.parameters = row.parameters.replace(from, to);
            assert_eq!(kind(open_one(&changed, &passphrase("correct horse"))), ErrorKind::IntegrityError);
            // It does not stand in the way of another one that opens.
            assert!(open_recipient(&[1; 16], &[changed, row.clone()], &passphrase("correct horse")).is_ok());
        }
    }

    #[test]
    fn a_secret_is_not_tried_where_another_kind_is() {
        let bytes = [7; 32];
        let all = [RecipientKind::MasterKey, RecipientKind::RecoveryKey, RecipientKind::Shares];
        let of = |kind| Credential::of_kind(kind, SecretBytes::copied(&bytes));
        for kind_made in all {
            let row = made_for(&of(kind_made));
            for kind_tried in all {
                assert_eq!(open_one(&row, &of(kind_tried)).is_ok(), kind_made == kind_tried);
            }
            let text = Credential::passphrase(SecretBytes::copied(&bytes), CHEAP);
            assert_eq!(kind(open_one(&row, &text)), ErrorKind::WrongMasterKey);
        }
    }
}
