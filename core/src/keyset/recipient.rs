//! A keyset sealed to a recipient of another store, which shows its public key as a text:
//!
//! ```text
//! "kfpk1." ‖ base64url of  store id (16) ‖ length of the recipient's id (1) ‖ its id ‖ X-Wing public key (1216) ‖ checksum (8)
//! "kfkr1." ‖ base64url of  store id (16) ‖ length of the recipient's id (1) ‖ its id ‖ encapsulated key (1120) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! The seal is HPKE in base mode, as that of the KEK, with an info of its own over store, recipient and public key: what
//! is sealed for one purpose opens for no other. The plaintext is Tink's binary keyset. The checksum (the first bytes of
//! SHA-256) finds slips, and no forger: whoever seals to a public key must have it from the store that it names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::limits;
use crate::primitives::{
    HPKE_ENCAPSULATED_LENGTH, HPKE_PUBLIC_LENGTH, hpke_is_public_key, hpke_open, hpke_seal, sha256,
};
use crate::sys::pages::SecretBytes;

/// How the text of a public key begins.
const KEY_START: &str = "kfpk1.";
/// How a sealed keyset begins.
const SEALED_START: &str = "kfkr1.";
const STORE_LENGTH: usize = 16;
const CHECKSUM_LENGTH: usize = 8;

/// Whom a keyset is sealed to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecipientKey {
    pub(crate) store_id: [u8; STORE_LENGTH],
    pub(crate) recipient_id: String,
    pub(crate) public_key: Vec<u8>,
}

/// Whether these bytes are a keyset sealed to a recipient.
pub(crate) fn is_sealed_to_recipient(bytes: &[u8]) -> bool {
    bytes.starts_with(SEALED_START.as_bytes())
}

impl RecipientKey {
    /// The text to hand to whoever is to seal something.
    pub(crate) fn to_text(&self) -> String {
        let mut content = self.place();
        content.extend_from_slice(&self.public_key);
        content.extend_from_slice(&checksum(&content));
        format!("{KEY_START}{}", URL_SAFE_NO_PAD.encode(content))
    }

    /// InvalidArgument for what is no such text, mistyped, cut, or holds no X-Wing key.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let no_key = |problem: &str| {
            Error::invalid(format!(
                "this is no recipient's public key: {problem}; copy the text that recipient_public_key of the \
                 receiving store gives, \"{KEY_START}…\""
            ))
        };
        let text = text.trim_ascii();
        if text.len() > limits::RECIPIENT_KEY_BYTES {
            return Err(no_key("it is too long"));
        }
        let encoded = text.strip_prefix(KEY_START).ok_or_else(|| no_key("it begins otherwise"))?;
        let content = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| no_key("it is cut or mistyped"))?;
        let (content, sum) =
            content.split_last_chunk::<CHECKSUM_LENGTH>().ok_or_else(|| no_key("it is cut"))?;
        if checksum(content) != *sum {
            return Err(no_key("its checksum does not fit"));
        }
        let (store_id, recipient_id, public_key) =
            split_place(content).ok_or_else(|| no_key("it names no recipient"))?;
        if public_key.len() != HPKE_PUBLIC_LENGTH || !hpke_is_public_key(public_key) {
            return Err(no_key("there is no X-Wing key in it"));
        }
        Ok(Self { store_id, recipient_id, public_key: public_key.to_vec() })
    }

    /// Seals a keyset's bytes to it.
    pub(crate) fn seal(&self, keyset: &SecretBytes) -> Result<String> {
        let (encapsulated, ciphertext) =
            hpke_seal(&self.public_key, self.info().as_bytes(), &[], keyset.expose())?;
        let envelope = [self.place(), encapsulated, ciphertext].concat();
        Ok(format!("{SEALED_START}{}", URL_SAFE_NO_PAD.encode(envelope)))
    }

    /// Opens what [`RecipientKey::seal`] gave, with the private key of this one. DecryptionFailed for what was sealed
    /// to another, and for a changed text.
    pub(crate) fn open(&self, text: &[u8], private_key: &SecretBytes) -> Result<SecretBytes> {
        let encoded = text.trim_ascii_end().strip_prefix(SEALED_START.as_bytes());
        let encoded = encoded.ok_or_else(|| malformed("is not sealed to a recipient"))?;
        let cut = || malformed("sealed to a recipient is cut or damaged");
        let envelope = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| cut())?;
        let (store_id, recipient_id, sealed) = split_place(&envelope).ok_or_else(cut)?;
        let (encapsulated, ciphertext) = sealed.split_at_checked(HPKE_ENCAPSULATED_LENGTH).ok_or_else(cut)?;
        // For whom it is stands in the clear: saying it gives nothing away.
        let refused = |problem: String| Err(Error::new(ErrorKind::DecryptionFailed, problem));
        if store_id != self.store_id {
            return refused(format!("the keyset was sealed to recipient {recipient_id:?} of another store"));
        }
        if recipient_id != self.recipient_id {
            return refused(format!(
                "the keyset was sealed to recipient {recipient_id:?}, and the store is open by {:?}: open it by that one",
                self.recipient_id
            ));
        }
        hpke_open(private_key.expose_32(), encapsulated, self.info().as_bytes(), &[], ciphertext).or_else(|_| {
            refused(format!(
                "the keyset was changed, or sealed to an earlier recipient {recipient_id:?}: have it sealed anew"
            ))
        })
    }

    fn info(&self) -> Encoding {
        Encoding::new("keyfold/v1/keyset-recipient")
            .bytes(&self.store_id)
            .text(&self.recipient_id)
            .bytes(&self.public_key)
    }

    fn place(&self) -> Vec<u8> {
        // Ids are at most limits::RECIPIENT_ID_BYTES long.
        let length = self.recipient_id.len().min(usize::from(u8::MAX)) as u8;
        [&self.store_id[..], &[length], self.recipient_id.as_bytes()].concat()
    }
}

/// Store id, recipient id and what follows.
fn split_place(content: &[u8]) -> Option<([u8; STORE_LENGTH], String, &[u8])> {
    let (store_id, rest) = content.split_first_chunk::<STORE_LENGTH>()?;
    let (length, rest) = rest.split_first()?;
    let (recipient_id, rest) = rest.split_at_checked(usize::from(*length))?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(byte);
    if recipient_id.is_empty() || !recipient_id.iter().all(allowed) {
        return None;
    }
    Some((*store_id, String::from_utf8(recipient_id.to_vec()).ok()?, rest))
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let hash = sha256(&[b"keyfold/v1/recipient-public-key", content]);
    std::array::from_fn(|place| hash[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::hpke_public_key;

    const PRIVATE: [u8; 32] = [7; 32];

    fn recipient(store: u8, id: &str, private: &[u8; 32]) -> RecipientKey {
        let public_key = hpke_public_key(private).unwrap();
        RecipientKey { store_id: [store; 16], recipient_id: id.to_owned(), public_key }
    }

    fn private(bytes: &[u8; 32]) -> SecretBytes {
        SecretBytes::copied(bytes)
    }

    fn kind<T>(result: Result<T>) -> ErrorKind {
        result.map(|_| ()).unwrap_err().kind()
    }

    #[test]
    fn a_public_key_is_a_text_with_a_checksum() {
        let long = "r".repeat(limits::RECIPIENT_ID_BYTES);
        for id in ["master-key-1", "a", &long] {
            let key = recipient(1, id, &PRIVATE);
            let text = key.to_text();
            assert!(text.starts_with("kfpk1.") && text.len() <= limits::RECIPIENT_KEY_BYTES);
            assert_eq!(RecipientKey::parse(&format!(" {text}\n")).unwrap(), key);
        }
        let text = recipient(1, "master-key-1", &PRIVATE).to_text();
        // Every single slip is found, and every cut.
        for place in 0..text.len() {
            let mut slip = text.clone().into_bytes();
            slip[place] = if slip[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                kind(RecipientKey::parse(std::str::from_utf8(&slip).unwrap())),
                ErrorKind::InvalidArgument
            );
            assert_eq!(kind(RecipientKey::parse(&text[..place])), ErrorKind::InvalidArgument);
        }
        for other in
            ["", "kfpk1.", "kfpk1.AAAA", "kfkr1.AAAA", "é", &"k".repeat(1 << 20), &format!("{text}=")]
        {
            assert_eq!(kind(RecipientKey::parse(other)), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn what_a_right_checksum_covers_is_checked_too() {
        let good = recipient(1, "r", &PRIVATE);
        let short = good.public_key[1..].to_vec();
        let odd = |public_key: Vec<u8>, recipient_id: &str| RecipientKey {
            store_id: [1; 16],
            recipient_id: recipient_id.to_owned(),
            public_key,
        };
        for key in [
            // Coefficients of ML-KEM's key are below 3329.
            odd(vec![0xff; HPKE_PUBLIC_LENGTH], "r"),
            odd(short, "r"),
            odd([&good.public_key[..], &[0]].concat(), "r"),
            odd(Vec::new(), "r"),
            odd(good.public_key.clone(), ""),
            odd(good.public_key.clone(), "a\nb"),
        ] {
            assert_eq!(kind(RecipientKey::parse(&key.to_text())), ErrorKind::InvalidArgument);
        }
    }

    #[test]
    fn its_private_key_opens_it_and_no_change_goes_unnoticed() {
        let key = recipient(1, "r", &PRIVATE);
        let keyset = SecretBytes::copied(b"a keyset");
        let sealed = key.seal(&keyset).unwrap();
        assert!(is_sealed_to_recipient(sealed.as_bytes()));
        assert_eq!(key.open(sealed.as_bytes(), &private(&PRIVATE)).unwrap().expose(), b"a keyset");
        assert_ne!(key.seal(&keyset).unwrap(), sealed);
        // Another private key, store, recipient, or public key.
        let other = [8; 32];
        for (opener, secret) in [
            (recipient(1, "r", &other), other),
            (recipient(1, "r", &PRIVATE), other),
            (recipient(1, "r", &other), PRIVATE),
            (recipient(2, "r", &PRIVATE), PRIVATE),
            (recipient(1, "s", &PRIVATE), PRIVATE),
        ] {
            assert_eq!(kind(opener.open(sealed.as_bytes(), &private(&secret))), ErrorKind::DecryptionFailed);
        }
        let envelope = URL_SAFE_NO_PAD.decode(&sealed[SEALED_START.len()..]).unwrap();
        let text = |bytes: &[u8]| format!("{SEALED_START}{}", URL_SAFE_NO_PAD.encode(bytes));
        for place in (0..envelope.len()).filter(|place| *place < 40 || place % 37 == 0) {
            let mut changed = envelope.clone();
            changed[place] ^= 1;
            let refused = kind(key.open(text(&changed).as_bytes(), &private(&PRIVATE)));
            let expected = if place == 16 { ErrorKind::InvalidArgument } else { ErrorKind::DecryptionFailed };
            assert!(refused == expected || place == 16, "{place}: {refused}");
        }
        for length in [0, 16, 17, 18, 18 + HPKE_ENCAPSULATED_LENGTH - 1] {
            let cut = text(&envelope[..length]);
            assert_eq!(kind(key.open(cut.as_bytes(), &private(&PRIVATE))), ErrorKind::InvalidArgument);
        }
        let cut = text(&envelope[..envelope.len() - 1]);
        assert_eq!(kind(key.open(cut.as_bytes(), &private(&PRIVATE))), ErrorKind::DecryptionFailed);
        assert_eq!(kind(key.open(b"kfks1.AAAA", &private(&PRIVATE))), ErrorKind::InvalidArgument);
    }

    /// A KEK's wrap and a sealed keyset are made to the same public key, and neither passes for the other.
    #[test]
    fn one_purpose_does_not_open_another() {
        let key = recipient(1, "r", &PRIVATE);
        let sealed = key.seal(&SecretBytes::copied(&[9; 32])).unwrap();
        let envelope = URL_SAFE_NO_PAD.decode(&sealed[SEALED_START.len()..]).unwrap();
        let (encapsulated, ciphertext) = envelope[18..].split_at(HPKE_ENCAPSULATED_LENGTH);
        let info = Encoding::new("keyfold/v1/kek").bytes(&[1; 16]).text("r").integer(1);
        assert!(hpke_open(&PRIVATE, encapsulated, info.as_bytes(), &[], ciphertext).is_err());
        assert!(hpke_open(&PRIVATE, encapsulated, key.info().as_bytes(), &[], ciphertext).is_ok());
    }
}
