//! Passphrases: text that a person remembers, made expensive to guess.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::hierarchy::PasswordCost;
use crate::limits;
use crate::primitives::{Argon2Cost, DEFAULT_PBKDF2_ROUNDS};
use crate::sys::pages::SecretBytes;

/// A passphrase, and what guessing it shall cost where a recipient is made for it.
///
/// The text is brought to Unicode's normalisation form C and encoded in UTF-8: the same letters typed on another
/// system are the same passphrase. Nothing else is changed: case, and spaces at the ends, count. One that opens an
/// existing recipient is tried with the cost that the recipient was made with.
#[derive(Clone)]
pub struct Passphrase {
    text: Arc<SecretBytes>,
    cost: PasswordCost,
}

impl Passphrase {
    /// Rounds of PBKDF2-HMAC-SHA256 where nobody knows better.
    pub const PBKDF2_ROUNDS: u32 = DEFAULT_PBKDF2_ROUNDS;

    /// With the default cost: Argon2id with 64 MiB and 3 passes. InvalidArgument where it is empty, LimitExceeded
    /// past 4,096 bytes.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::invalid("a passphrase must not be empty"));
        }
        let too_long = || Error::limit(format!("a passphrase is at most {} bytes", limits::PASSWORD_BYTES));
        if text.len() > limits::PASSWORD_BYTES {
            return Err(too_long());
        }
        // Form C is at most three times as long in UTF-8. Of that size at once: growing would leave copies behind.
        let mut normal = Zeroizing::new(String::with_capacity(3 * text.len()));
        normal.extend(text.nfc());
        if normal.len() > limits::PASSWORD_BYTES {
            return Err(too_long());
        }
        Ok(Self { text: Arc::new(SecretBytes::copied(normal.as_bytes())), cost: PasswordCost::default() })
    }

    /// With another cost under Argon2id: memory in KiB (19 MiB to 1 GiB), passes (1 to 10), lanes (1 to 8).
    pub fn with_argon2id(mut self, memory_kib: u32, passes: u32, lanes: u32) -> Result<Self> {
        self.cost = PasswordCost::Argon2id(Argon2Cost { memory_kib, passes, lanes });
        self.checked()
    }

    /// Under PBKDF2-HMAC-SHA256, for those who must: 600,000 to 10,000,000 rounds.
    pub fn with_pbkdf2(mut self, rounds: u32) -> Result<Self> {
        self.cost = PasswordCost::Pbkdf2 { rounds };
        self.checked()
    }

    pub(super) fn bytes(&self) -> &SecretBytes {
        &self.text
    }

    pub(super) fn cost(&self) -> PasswordCost {
        self.cost
    }

    fn checked(self) -> Result<Self> {
        if self.cost.is_allowed() {
            return Ok(self);
        }
        let (memory, passes, lanes, rounds) =
            (limits::ARGON2_MEMORY_KIB, limits::ARGON2_PASSES, limits::ARGON2_LANES, limits::PBKDF2_ROUNDS);
        Err(Error::invalid(format!(
            "a passphrase's cost may be, under Argon2id, {} to {} KiB of memory, {} to {} passes and {} to {} \
             lanes; under PBKDF2 {} to {} rounds",
            memory.0, memory.1, passes.0, passes.1, lanes.0, lanes.1, rounds.0, rounds.1
        )))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn bytes(text: &str) -> Vec<u8> {
        Passphrase::new(text).unwrap().bytes().expose().to_vec()
    }

    #[test]
    fn letters_count_and_not_how_they_are_composed() {
        assert_eq!(bytes("Stra\u{df}e \u{e9}"), bytes("Stra\u{df}e e\u{301}"));
        assert_eq!(bytes("e\u{301}"), "\u{e9}".as_bytes());
        assert_eq!(bytes("\u{1100}\u{1161}"), "\u{ac00}".as_bytes());
        // Form C, and not KC: what merely looks alike is another letter.
        assert_ne!(bytes("\u{fb01}"), bytes("fi"));
        assert_ne!(bytes(" a"), bytes("a"));
        assert_ne!(bytes("a\n"), bytes("a"));
        assert_ne!(bytes("A"), bytes("a"));
    }

    #[test]
    fn lengths_and_costs_are_bounded() {
        let kind = |result: Result<Passphrase>| result.map(|_| ()).unwrap_err().kind();
        assert_eq!(kind(Passphrase::new("")), ErrorKind::InvalidArgument);
        assert!(Passphrase::new(&"a".repeat(limits::PASSWORD_BYTES)).is_ok());
        assert_eq!(kind(Passphrase::new(&"a".repeat(limits::PASSWORD_BYTES + 1))), ErrorKind::LimitExceeded);
        // U+0958 is longer in form C than it is typed.
        let growing = "\u{958}".repeat(limits::PASSWORD_BYTES / 3);
        assert_eq!(kind(Passphrase::new(&growing)), ErrorKind::LimitExceeded);
        let made = || Passphrase::new("correct horse").unwrap();
        assert!(made().with_argon2id(19 << 10, 1, 1).is_ok());
        for (memory, passes, lanes) in [
            (19455, 1, 1),
            ((1 << 20) + 1, 1, 1),
            (19456, 0, 1),
            (19456, 11, 1),
            (19456, 1, 0),
            (19456, 1, 9),
        ] {
            assert_eq!(kind(made().with_argon2id(memory, passes, lanes)), ErrorKind::InvalidArgument);
        }
        for rounds in [0, 599_999, 10_000_001] {
            assert_eq!(kind(made().with_pbkdf2(rounds)), ErrorKind::InvalidArgument);
        }
        assert_eq!(format!("{:?}", made()), "Passphrase(..)");
    }
}
