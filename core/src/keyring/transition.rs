//! How a version comes from one state into another: the one table of that.

use crate::error::ErrorKind;
use crate::keyring::VersionState;

/// What is to become of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Enable,
    DecryptOnly,
    Disable,
    Revoke,
    /// Make it the version that encrypts.
    Promote,
    ScheduleDestruction,
    CancelDestruction,
    /// Once its time has come.
    Destroy,
}

/// What the table says of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The version takes this state.
    Becomes(VersionState),
    /// The version takes this state, and the next one is made and encrypts from now on.
    BecomesWithSuccessor(VersionState),
    /// The version takes the state that it had before its destruction was scheduled.
    Returns,
    /// It is so already.
    Unchanged,
    /// It may not be; with what to do.
    Refused(ErrorKind, &'static str),
}

/// Where a version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) state: VersionState,
    pub(crate) is_current: bool,
    /// Its key is.
    pub(crate) archived: bool,
}

const FINAL: &str = "that is final; make another version with rotate_key";
const CANCEL_FIRST: &str = "cancel_destruction first";
const IN_USE: &str =
    "it is the current version; rotate the key, promote another version or archive the key first";
const NOT_SCHEDULED: &str = "its destruction is not scheduled";

impl Change {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Enable,
        Self::DecryptOnly,
        Self::Disable,
        Self::Revoke,
        Self::Promote,
        Self::ScheduleDestruction,
        Self::CancelDestruction,
        Self::Destroy,
    ];

    /// The change that sets this state; an error text for the states that other calls lead to.
    pub(crate) fn setting(state: VersionState) -> Result<Self, &'static str> {
        match state {
            VersionState::Enabled => Ok(Self::Enable),
            VersionState::DecryptOnly => Ok(Self::DecryptOnly),
            VersionState::Disabled => Ok(Self::Disable),
            VersionState::Revoked => Ok(Self::Revoke),
            VersionState::Staged => Err("a version is staged by rotate_key with `stage` alone"),
            VersionState::PendingDestruction => Err("schedule_destruction sets a version's destruction"),
            VersionState::Destroyed => {
                Err("a version is destroyed by schedule_destruction, and run_due once its time has come")
            }
        }
    }
}

impl Standing {
    /// The table.
    pub(crate) fn verdict(self, change: Change) -> Verdict {
        use Change as C;
        use ErrorKind::{InUse, InvalidArgument, KeyUnavailable};
        use Verdict::{Becomes, BecomesWithSuccessor, Refused, Returns, Unchanged};
        use VersionState as S;
        let in_use = self.is_current && !self.archived;
        match (self.state, change) {
            (S::Destroyed, _) => Refused(KeyUnavailable, FINAL),
            (S::PendingDestruction, C::CancelDestruction) => Returns,
            (S::PendingDestruction, C::Destroy) => Becomes(S::Destroyed),
            (S::PendingDestruction, _) => Refused(KeyUnavailable, CANCEL_FIRST),
            (_, C::CancelDestruction | C::Destroy) => Refused(InvalidArgument, NOT_SCHEDULED),

            (_, C::Promote) if self.archived => {
                Refused(KeyUnavailable, "its key is archived, which is final")
            }
            (S::Enabled, C::Promote) if self.is_current => Unchanged,
            (S::Staged | S::Enabled, C::Promote) => Becomes(S::Enabled),
            (S::Revoked, C::Promote) => Refused(KeyUnavailable, FINAL),
            (S::DecryptOnly | S::Disabled, C::Promote) => {
                Refused(KeyUnavailable, "set its state to enabled first")
            }

            (S::Revoked, C::Revoke) => Unchanged,
            (_, C::Revoke) if in_use => BecomesWithSuccessor(S::Revoked),
            (_, C::Revoke) => Becomes(S::Revoked),

            (_, C::ScheduleDestruction) if in_use => Refused(InUse, IN_USE),
            (_, C::ScheduleDestruction) => Becomes(S::PendingDestruction),

            (S::Revoked, _) => Refused(KeyUnavailable, FINAL),
            (S::Staged, C::Enable) => Refused(InvalidArgument, "promote_version is what enables it"),
            (S::Enabled, C::Enable) | (S::DecryptOnly, C::DecryptOnly) | (S::Disabled, C::Disable) => {
                Unchanged
            }
            (_, C::Enable) => Becomes(S::Enabled),
            (_, C::DecryptOnly | C::Disable) if in_use => Refused(InUse, IN_USE),
            (_, C::DecryptOnly) => Becomes(S::DecryptOnly),
            (_, C::Disable) => Becomes(S::Disabled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Operation;
    use crate::keyring::documented::{assert_holds, table};

    const NAMES: [(Change, &str); 8] = [
        (Change::Enable, "set `enabled`"),
        (Change::DecryptOnly, "set `decrypt_only`"),
        (Change::Disable, "set `disabled`"),
        (Change::Revoke, "set `revoked`"),
        (Change::Promote, "promote"),
        (Change::ScheduleDestruction, "schedule"),
        (Change::CancelDestruction, "cancel"),
        (Change::Destroy, "destroy"),
    ];

    fn word(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Becomes(state) => state.name(),
            Verdict::BecomesWithSuccessor(VersionState::Revoked) => "revoked, with a successor",
            Verdict::BecomesWithSuccessor(state) => panic!("{state} has no word"),
            Verdict::Returns => "as before",
            Verdict::Unchanged => "stays",
            Verdict::Refused(kind, _) => kind.name(),
        }
    }

    fn standings() -> impl Iterator<Item = Standing> {
        VersionState::ALL.into_iter().flat_map(|state| {
            [(false, false), (false, true), (true, false), (true, true)]
                .map(|(is_current, archived)| Standing { state, is_current, archived })
        })
    }

    #[test]
    fn the_documented_table_is_this_one() {
        // The current version of a key in use is enabled, always: no change leads elsewhere.
        let standing = |state, is_current| Standing { state, is_current, archived: false };
        let row = |name, standing: Standing| {
            (name, NAMES.map(|(change, _)| word(standing.verdict(change))).to_vec())
        };
        let mut rows = vec![row("enabled, current", standing(VersionState::Enabled, true))];
        rows.extend(VersionState::ALL.map(|state| row(state.name(), standing(state, false))));
        assert_holds(&table("state", &NAMES.map(|(_, name)| name), &rows));
    }

    /// An archived key's versions change as those of any key that are not current, but for promotion.
    #[test]
    fn archiving_frees_the_current_version() {
        for standing in standings().filter(|standing| standing.archived) {
            for change in Change::ALL.into_iter().filter(|change| *change != Change::Promote) {
                let other = Standing { is_current: false, archived: false, ..standing };
                assert_eq!(standing.verdict(change), other.verdict(change), "{standing:?} {change:?}");
            }
            assert!(matches!(
                standing.verdict(Change::Promote),
                Verdict::Refused(ErrorKind::KeyUnavailable, _)
            ));
        }
    }

    /// Whatever is allowed leaves the current version of a key in use enabled.
    #[test]
    fn a_key_in_use_always_encrypts() {
        let current = Standing { state: VersionState::Enabled, is_current: true, archived: false };
        for change in Change::ALL {
            assert!(
                matches!(
                    current.verdict(change),
                    Verdict::Unchanged | Verdict::Refused(..) | Verdict::BecomesWithSuccessor(_)
                ),
                "{change:?}"
            );
        }
        for standing in standings().filter(|standing| !standing.archived && !standing.is_current) {
            if let Verdict::Becomes(state) = standing.verdict(Change::Promote) {
                assert!(state.allows(Operation::Encrypt, true, false));
            }
        }
    }

    /// Nothing leads from revoked to use, by however many steps: scheduling and cancelling leads back to it.
    #[test]
    fn final_states_are_final() {
        for standing in standings() {
            for change in Change::ALL {
                let verdict = standing.verdict(change);
                match standing.state {
                    VersionState::Destroyed => assert!(matches!(verdict, Verdict::Refused(..))),
                    VersionState::Revoked => assert!(matches!(
                        verdict,
                        Verdict::Refused(..)
                            | Verdict::Unchanged
                            | Verdict::Becomes(VersionState::PendingDestruction)
                    )),
                    VersionState::PendingDestruction => assert!(matches!(
                        verdict,
                        Verdict::Refused(..) | Verdict::Returns | Verdict::Becomes(VersionState::Destroyed)
                    )),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn states_that_other_calls_lead_to_are_not_set() {
        let set: Vec<_> =
            VersionState::ALL.into_iter().filter_map(|state| Change::setting(state).ok()).collect();
        assert_eq!(set, [Change::Enable, Change::DecryptOnly, Change::Disable, Change::Revoke]);
    }
}
