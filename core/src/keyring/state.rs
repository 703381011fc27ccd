//! The states of a key version, and what each operation may do in each: the one table of that.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// What a key version may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VersionState {
    /// Made and spread, not yet used to encrypt.
    Staged,
    /// In use, or was and may be promoted again.
    Enabled,
    /// Opens old ciphertexts only.
    DecryptOnly,
    /// Switched off; can be switched on again.
    Disabled,
    /// Withdrawn for a reason; for good.
    Revoked,
    /// Waits for its destruction.
    PendingDestruction,
    /// Its key is gone.
    Destroyed,
}

/// What may be asked of a key version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Encrypting messages, streams and files.
    Encrypt,
    /// Decrypting them.
    Decrypt,
    /// Computing a message authentication code.
    ComputeMac,
    /// Verifying one.
    VerifyMac,
    /// Deriving a key: the same one as before, so this opens what was sealed under it.
    Derive,
    /// Handing out the raw key, where it was made exportable.
    Export,
    /// Exporting it in a keyset, which carries its state along.
    ExportKeyset,
    /// Telling from a ciphertext which version made it.
    Inspect,
}

impl VersionState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Staged,
        Self::Enabled,
        Self::DecryptOnly,
        Self::Disabled,
        Self::Revoked,
        Self::PendingDestruction,
        Self::Destroyed,
    ];

    /// Its name: `decrypt_only`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Enabled => "enabled",
            Self::DecryptOnly => "decrypt_only",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::PendingDestruction => "pending_destruction",
            Self::Destroyed => "destroyed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The table: whether a version in this state may be used for the operation. `is_current` is the version's,
    /// `archived` its key's. What makes something new wants the current version of a key that is in use; what
    /// opens something old does not ask for either.
    pub fn allows(self, operation: Operation, is_current: bool, archived: bool) -> bool {
        use Operation::{ComputeMac, Encrypt, ExportKeyset, Inspect};
        match self {
            Self::Enabled => !operation.makes_new() || (is_current && !archived),
            Self::Staged | Self::DecryptOnly => !matches!(operation, Encrypt | ComputeMac),
            Self::Disabled | Self::Revoked | Self::PendingDestruction => {
                matches!(operation, ExportKeyset | Inspect)
            }
            Self::Destroyed => operation == Inspect,
        }
    }

    /// Whether ciphertexts of a version in this state open.
    pub fn may_decrypt(self) -> bool {
        self.allows(Operation::Decrypt, false, false)
    }

    /// Whether a current version in this state encrypts.
    pub fn may_encrypt(self) -> bool {
        self.allows(Operation::Encrypt, true, false)
    }
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 8] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::ComputeMac,
        Self::VerifyMac,
        Self::Derive,
        Self::Export,
        Self::ExportKeyset,
        Self::Inspect,
    ];

    /// Its name, as in "may not *compute a MAC*".
    pub fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::ComputeMac => "compute a MAC",
            Self::VerifyMac => "verify a MAC",
            Self::Derive => "derive a key",
            Self::Export => "be exported raw",
            Self::ExportKeyset => "be exported in a keyset",
            Self::Inspect => "be inspected",
        }
    }

    /// Whether it makes something that must be opened later. Only that wants a current version, and one that has
    /// not expired.
    pub fn makes_new(self) -> bool {
        matches!(self, Self::Encrypt | Self::ComputeMac)
    }
}

impl FromStr for VersionState {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::from_name(name).ok_or_else(|| {
            Error::invalid(format!("state {name:?} is none of: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::documented::table;

    #[test]
    fn names_are_read_back() {
        for state in VersionState::ALL {
            assert_eq!(state.name().parse::<VersionState>().unwrap(), state);
            assert_eq!(state.to_string(), state.name());
        }
        for bad in ["", "Enabled", "enabled ", "pending"] {
            assert!(bad.parse::<VersionState>().unwrap_err().message().contains("decrypt_only"), "{bad}");
        }
    }

    #[test]
    fn what_opens_and_what_encrypts() {
        use VersionState::*;
        let holds = |asks: fn(VersionState) -> bool| -> Vec<VersionState> {
            VersionState::ALL.into_iter().filter(|state| asks(*state)).collect()
        };
        assert_eq!(holds(VersionState::may_decrypt), [Staged, Enabled, DecryptOnly]);
        assert_eq!(holds(VersionState::may_encrypt), [Enabled]);
        assert_eq!(Operation::ComputeMac.to_string(), "compute a MAC");
    }

    /// A state that allows nothing of an operation to a current version allows it to no other.
    #[test]
    fn being_current_and_in_use_never_takes_away() {
        for state in VersionState::ALL {
            for operation in Operation::ALL {
                for (is_current, archived) in [(false, false), (false, true), (true, true)] {
                    assert!(
                        state.allows(operation, true, false)
                            || !state.allows(operation, is_current, archived)
                    );
                }
            }
        }
    }

    #[test]
    fn the_documented_table_is_this_one() {
        let cell = |state: VersionState, operation: Operation| {
            let [current, other, archived] =
                [(true, false), (false, false), (true, true)].map(|(is_current, archived)| {
                    assert_eq!(
                        state.allows(operation, false, false),
                        state.allows(operation, false, true),
                        "{state} {operation}"
                    );
                    state.allows(operation, is_current, archived)
                });
            match (current, other, archived) {
                (true, true, true) => "yes",
                (true, false, false) => "current",
                (false, false, false) => "no",
                other => panic!("{state} {operation}: {other:?} has no word"),
            }
        };
        let rows = Operation::ALL.map(|operation| {
            let cells = VersionState::ALL.map(|state| cell(state, operation));
            (operation.name(), cells.to_vec())
        });
        let expected = table("operation", &VersionState::ALL.map(VersionState::name), &rows);
        crate::keyring::documented::assert_holds(&expected);
    }
}
