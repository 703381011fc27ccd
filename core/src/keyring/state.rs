//! The states of a key version.

use std::fmt;

/// What a key version may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VersionState {
    /// Made and spread, not yet used to encrypt.
    Staged,
    /// In use.
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

    /// Whether ciphertexts of a version in this state open.
    pub fn may_decrypt(self) -> bool {
        matches!(self, Self::Staged | Self::Enabled | Self::DecryptOnly)
    }

    /// Whether a current version in this state encrypts.
    pub fn may_encrypt(self) -> bool {
        matches!(self, Self::Enabled)
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_each_state_allows() {
        for state in VersionState::ALL {
            assert_eq!(VersionState::from_name(state.name()), Some(state));
        }
        let encrypts: Vec<_> = VersionState::ALL.into_iter().filter(|state| state.may_encrypt()).collect();
        let decrypts: Vec<_> = VersionState::ALL.into_iter().filter(|state| state.may_decrypt()).collect();
        assert_eq!(encrypts, [VersionState::Enabled]);
        assert_eq!(decrypts, [VersionState::Staged, VersionState::Enabled, VersionState::DecryptOnly]);
        assert_eq!(VersionState::from_name("Enabled"), None);
    }
}
