//! The key-encryption key: wrapped to every recipient, and what is derived from it.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::hierarchy::OpenedRecipient;
use crate::primitives::{self, Algorithm, Cipher, HmacKey, Identity, hkdf_sha256, verify_signature};
use crate::records::{KekWrapRow, RecipientRow, Rows, StoreRow};
use crate::sys::pages::SecretBytes;

/// One version of the KEK, expanded for use. The 32 bytes themselves are not kept: a new KEK is drawn afresh.
pub(crate) struct Kek {
    pub(crate) version: u32,
    pub(crate) wrap: Cipher,
    pub(crate) records: HmacKey,
}

impl Kek {
    /// Expands 32 fresh or unwrapped bytes.
    pub(crate) fn expand(version: u32, bytes: &SecretBytes) -> Result<Self> {
        let mut derived = SecretBytes::zeroed(32);
        hkdf_sha256(bytes.expose(), &[], b"keyfold/v1/wrap", derived.expose_mut())?;
        let wrap = Cipher::new(Algorithm::Aes256GcmSiv, derived.expose_32());
        hkdf_sha256(bytes.expose(), &[], b"keyfold/v1/records", derived.expose_mut())?;
        let records = HmacKey::new(derived.expose());
        Ok(Self { version, wrap, records })
    }

    /// Unwraps and expands the store's KEK with a recipient's private key.
    pub(crate) fn unwrap(rows: &dyn Rows, store: &StoreRow, recipient: &OpenedRecipient) -> Result<Self> {
        Self::expand(store.kek_version, &unwrap_kek(rows, store, recipient)?)
    }
}

/// The store's KEK itself, by a recipient's private key. The signature of the store's identity over all wraps is
/// verified first: nobody but a holder of the KEK can plant a KEK of his own, or leave this recipient out.
pub(crate) fn unwrap_kek(
    rows: &dyn Rows,
    store: &StoreRow,
    recipient: &OpenedRecipient,
) -> Result<SecretBytes> {
    let wraps = rows.kek_wraps()?;
    let recipients = rows.recipients()?;
    let message = signed_wraps(store, &recipients, &wraps);
    verify_signature(&recipient.identity, message.as_bytes(), &store.wraps_signature)
        .map_err(|_| damaged_wraps())?;
    if !recipients.iter().any(|row| recipient.is(row)) {
        return Err(removed(recipient));
    }
    let wrap = wraps
        .iter()
        .find(|wrap| wrap.recipient_id == recipient.recipient_id && wrap.kek_version == store.kek_version)
        .ok_or_else(damaged_wraps)?;
    let info = wrap_info(&store.store_id, &recipient.recipient_id, store.kek_version);
    let bytes = primitives::hpke_open(
        recipient.private_key.expose_32(),
        &wrap.encapsulated,
        info.as_bytes(),
        &[],
        &wrap.ciphertext,
    )
    .map_err(|_| damaged_wraps())?;
    if bytes.len() == 32 { Ok(bytes) } else { Err(damaged_wraps()) }
}

/// The recipient that a store was opened with is gone, and verifiably so: whoever removed it held the KEK.
fn removed(recipient: &OpenedRecipient) -> Error {
    Error::new(
        ErrorKind::WrongMasterKey,
        format!(
            "recipient {:?}, by which this store was opened, was removed or replaced; open it with the new one",
            recipient.recipient_id
        ),
    )
}

/// The KEK for one recipient.
pub(crate) fn wrap_kek(
    store_id: &[u8; 16],
    recipient: &RecipientRow,
    version: u32,
    kek: &SecretBytes,
) -> Result<KekWrapRow> {
    let info = wrap_info(store_id, &recipient.recipient_id, version);
    let (encapsulated, ciphertext) =
        primitives::hpke_seal(&recipient.public_key, info.as_bytes(), &[], kek.expose())?;
    Ok(KekWrapRow {
        recipient_id: recipient.recipient_id.clone(),
        kek_version: version,
        encapsulated,
        ciphertext,
    })
}

/// What the store's identity signs: every wrap of the KEK, with the recipient's public key, in order of id.
fn signed_wraps(store: &StoreRow, recipients: &[RecipientRow], wraps: &[KekWrapRow]) -> Encoding {
    let mut message = Encoding::new("keyfold/v1/kek-wraps")
        .bytes(&store.store_id)
        .integer(store.kek_version.into())
        .integer(wraps.len() as i64);
    for wrap in wraps {
        let public_key = recipients
            .iter()
            .find(|recipient| recipient.recipient_id == wrap.recipient_id)
            .map(|recipient| recipient.public_key.as_slice());
        message = message
            .text(&wrap.recipient_id)
            .integer(wrap.kek_version.into())
            .bytes(public_key.unwrap_or_default())
            .bytes(&wrap.encapsulated)
            .bytes(&wrap.ciphertext);
    }
    message
}

/// Checks the signature over all wraps, and that each recipient has the one wrap of the current KEK.
pub(crate) fn check_wraps(
    store: &StoreRow,
    recipients: &[RecipientRow],
    wraps: &[KekWrapRow],
    identity: &[u8; 32],
) -> Result<()> {
    let message = signed_wraps(store, recipients, wraps);
    verify_signature(identity, message.as_bytes(), &store.wraps_signature).map_err(|_| damaged_wraps())?;
    let matching = wraps.iter().zip(recipients).all(|(wrap, recipient)| {
        wrap.recipient_id == recipient.recipient_id && wrap.kek_version == store.kek_version
    });
    if wraps.len() == recipients.len() && matching { Ok(()) } else { Err(damaged_wraps()) }
}

/// Signs the wraps into the store's row.
pub(crate) fn sign_wraps(
    store: &mut StoreRow,
    recipients: &[RecipientRow],
    wraps: &[KekWrapRow],
    identity: &Identity,
) {
    store.wraps_signature = identity.sign(signed_wraps(store, recipients, wraps).as_bytes());
}

fn wrap_info(store_id: &[u8; 16], recipient_id: &str, version: u32) -> Encoding {
    Encoding::new("keyfold/v1/kek").bytes(store_id).text(recipient_id).integer(version.into())
}

fn damaged_wraps() -> Error {
    Error::integrity(
        "the wraps of the key-encryption key were changed by someone without the master key, or are damaged; \
         keep the file and restore a backup",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::{Credential, NewRecipient, make_recipient};

    const STORE_ID: [u8; 16] = [1; 16];

    fn recipient(recipient_id: &str, kek: &SecretBytes) -> (RecipientRow, KekWrapRow) {
        let credential = Credential::master_key(SecretBytes::random(32).unwrap());
        let new = NewRecipient { recipient_id, description: None, created_at: 0 };
        let (row, _) = make_recipient(&STORE_ID, &new, &credential, &[9; 32]).unwrap();
        let wrap = wrap_kek(&STORE_ID, &row, 2, kek).unwrap();
        (row, wrap)
    }

    fn signed(recipients: &[RecipientRow], wraps: &[KekWrapRow], identity: &Identity) -> StoreRow {
        let mut store = StoreRow {
            format: 1,
            store_id: STORE_ID,
            created_at: 0,
            generation: 1,
            kek_version: 2,
            wraps_signature: [0; 64],
            development: false,
            copied: false,
            purge_pending: false,
            audit_sequence: 0,
            audit_hash: [0; 32],
            nodes: Vec::new(),
            root: [0; 32],
        };
        sign_wraps(&mut store, recipients, wraps, identity);
        store
    }

    /// Whoever signed: each recipient has one wrap, of the current KEK, and nobody else has any.
    #[test]
    fn every_recipient_has_its_one_wrap() {
        let identity = Identity::from_seed(&[3; 32]);
        let kek = SecretBytes::copied(&[5; 32]);
        let ((a, to_a), (b, to_b)) = (recipient("a", &kek), recipient("b", &kek));
        let recipients = [a, b];
        let check = |wraps: &[KekWrapRow]| {
            let store = signed(&recipients, wraps, &identity);
            check_wraps(&store, &recipients, wraps, &identity.public())
        };
        assert!(check(&[to_a.clone(), to_b.clone()]).is_ok());
        let older = KekWrapRow { kek_version: 1, ..to_b.clone() };
        let nobodys = KekWrapRow { recipient_id: "c".to_owned(), ..to_b.clone() };
        for wraps in [
            vec![],
            vec![to_a.clone()],
            vec![to_a.clone(), to_a.clone()],
            vec![to_a.clone(), older],
            vec![to_a.clone(), nobodys.clone()],
            vec![to_a.clone(), to_b.clone(), nobodys],
        ] {
            assert_eq!(check(&wraps).unwrap_err().kind(), ErrorKind::IntegrityError);
        }
    }

    #[test]
    fn wraps_that_the_identity_did_not_sign_are_damage() {
        let (identity, other) = (Identity::from_seed(&[3; 32]), Identity::from_seed(&[4; 32]));
        let (row, wrap) = recipient("a", &SecretBytes::copied(&[5; 32]));
        let (recipients, wraps) = ([row], [wrap]);
        let store = signed(&recipients, &wraps, &identity);
        assert!(check_wraps(&store, &recipients, &wraps, &other.public()).is_err());
        let (replaced, _) = recipient("a", &SecretBytes::copied(&[5; 32]));
        assert!(check_wraps(&store, &[replaced], &wraps, &identity.public()).is_err());
    }
}
