//! Changing what a version may do, as the table of `keyring::transition` allows it.

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Change, Prefix, Standing, Verdict, VersionState};
use crate::limits;
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::store::act::{Act, Event};
use crate::store::lifecycle::{clear_current, insert_next};
use crate::store::listing::verified_info;
use crate::store::options::RotateKey;
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{KeyInfo, Store, VersionInfo};
use crate::time::Timestamp;

impl Store {
    /// Has this version encrypt from now on: a staged one, or an earlier one that a rotation left enabled, to go
    /// back to it. The version that was current stays enabled.
    ///
    /// KeyUnavailable where the version is in another state, has expired or has no prefix, or its key is archived.
    pub fn promote_version(&self, key_id: &str, version: u32) -> Result<VersionInfo> {
        self.change_version(key_id, version, Change::Promote, None)
    }

    /// Sets a version's state: `enabled`, `decrypt_only`, `disabled` or `revoked`. The reason is kept with it and
    /// in the audit log. Setting the state that it has already changes nothing.
    ///
    /// Revoking is final; where it is the current version, the next one is made in the same transaction and
    /// encrypts. InUse where the current version of a key in use would stop; KeyUnavailable where its state is
    /// final or its destruction is scheduled.
    pub fn set_version_state(
        &self,
        key_id: &str,
        version: u32,
        state: VersionState,
        reason: Option<&str>,
    ) -> Result<VersionInfo> {
        let change = Change::setting(state)
            .map_err(|advice| Error::invalid(format!("state {state} is not set so: {advice}")))?;
        check_reason(reason)?;
        self.change_version(key_id, version, change, reason)
    }

    /// Ends a key's use for good: it encrypts and rotates no more, what it sealed still opens, and its versions can
    /// be disabled and destroyed, the current one too. Archiving it again changes nothing.
    pub fn archive_key(&self, key_id: &str) -> Result<KeyInfo> {
        check_key_id(key_id)?;
        self.shared.act(Event::new("archive_key").key(key_id), |act| {
            let (mut key, _) = verified_key(act, key_id)?;
            if !key.archived {
                key.archived = true;
                act.rows().put_key(&key)?;
                act.tree.authenticate(EntityId::key(key_id))?;
                act.record(Event::new("archive_key").key(key_id))?;
            }
            verified_info(&act.tree, key_id)
        })
    }

    fn change_version(
        &self,
        key_id: &str,
        version: u32,
        change: Change,
        reason: Option<&str>,
    ) -> Result<VersionInfo> {
        check_key_id(key_id)?;
        self.shared.act(asked(change).key(key_id).version(version), |act| {
            let (key, mut versions) = verified_key(act, key_id)?;
            let mut row = version_row(&versions, key_id, version)?.clone();
            let (state, with_successor) = match verdict(&key, &row, change)? {
                Verdict::Becomes(state) => (state, false),
                Verdict::BecomesWithSuccessor(state) => (state, true),
                // Only cancelling returns, and that is not done here.
                Verdict::Unchanged | Verdict::Returns => return VersionInfo::from_row(&row, true),
                Verdict::Refused(kind, advice) => return Err(refused(&row, kind, change, advice)),
            };
            if change == Change::Promote {
                refuse_raw(&row)?;
                begin_use(act, &key, &mut row)?;
                clear_current(act, &versions)?;
            }
            row.is_current = (row.is_current || change == Change::Promote) && !with_successor;
            row.state = state.name().to_owned();
            row.state_reason = reason.map(str::to_owned);
            act.rows().put_version(&row)?;
            versions
                .iter_mut()
                .filter(|other| other.version == version)
                .for_each(|other| *other = row.clone());
            let successor = match with_successor {
                true => Some(insert_next(act, &key, &versions, &RotateKey::default())?.version),
                false => None,
            };
            act.tree.authenticate(EntityId::key(key_id))?;
            record(act, &row, change, reason)?;
            if let Some(version) = successor {
                act.record(
                    Event::new("rotate_key").key(key_id).version(version).detail("after a revocation"),
                )?;
            }
            VersionInfo::from_row(&row, true)
        })
    }
}

/// The rows of a key and of all its versions, oldest first, verified in this act. NotFound where there is none.
pub(super) fn verified_key(act: &Act<'_>, key_id: &str) -> Result<(KeyRow, Vec<VersionRow>)> {
    let (rows, _) = act.tree.verify_key(key_id)?.ok_or_else(|| no_such_key(key_id))?;
    Ok((rows.key, rows.versions))
}

/// NotFound where the key has no version of this number.
pub(super) fn version_row<'a>(
    versions: &'a [VersionRow],
    key_id: &str,
    number: u32,
) -> Result<&'a VersionRow> {
    versions.iter().find(|row| row.version == number).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("key {key_id:?} has no version {number}"))
            .with_key(key_id)
            .with_version(number)
    })
}

/// What the table says of a change to this version.
pub(super) fn verdict(key: &KeyRow, row: &VersionRow, change: Change) -> Result<Verdict> {
    let state = VersionState::from_name(&row.state).ok_or_else(|| EntityId::key(&key.key_id).damaged())?;
    Ok(Standing { state, is_current: row.is_current, archived: key.archived }.verdict(change))
}

/// The error for a change that the table refuses.
pub(super) fn refused(row: &VersionRow, kind: ErrorKind, change: Change, advice: &str) -> Error {
    let change = match change {
        Change::Enable | Change::DecryptOnly | Change::Disable => "be set to another state",
        Change::Revoke => "be revoked",
        Change::Promote => "be promoted",
        Change::ScheduleDestruction => "be scheduled for destruction",
        Change::CancelDestruction => "be kept from destruction",
        Change::Destroy => "be destroyed",
    };
    let message = format!(
        "version {} of key {:?} is {} and cannot {change}: {advice}",
        row.version, row.key_id, row.state
    );
    Error::new(kind, message).with_key(&row.key_id).with_version(row.version)
}

/// A current version without a prefix would leave a key in use that cannot encrypt.
fn refuse_raw(row: &VersionRow) -> Result<()> {
    if row.prefix != Prefix::Raw.name() {
        return Ok(());
    }
    let advice = "it came with an imported keyset and has no prefix, so it only opens; rotate the key";
    Err(refused(row, ErrorKind::KeyUnavailable, Change::Promote, advice))
}

/// The version is about to be the current one. A staged one's time to encrypt begins now; an earlier one's goes on.
fn begin_use(act: &Act<'_>, key: &KeyRow, row: &mut VersionRow) -> Result<()> {
    if row.state == VersionState::Staged.name() {
        row.expires_at = key.expires_in.map(|period| act.now.saturating_add(period));
    }
    if let Some(at) = row.expires_at.filter(|at| *at <= act.now) {
        let advice = format!("it expired at {}; rotate the key", Timestamp::from_milliseconds(at));
        return Err(refused(row, ErrorKind::KeyUnavailable, Change::Promote, &advice));
    }
    Ok(())
}

fn asked(change: Change) -> Event<'static> {
    match change {
        Change::Promote => Event::new("promote_version"),
        _ => Event::new("set_version_state"),
    }
}

fn record(act: &mut Act<'_>, row: &VersionRow, change: Change, reason: Option<&str>) -> Result<()> {
    let detail = match (change, reason) {
        (Change::Promote, _) => None,
        (_, None) => Some(row.state.clone()),
        (_, Some(reason)) => Some(format!("{}: {reason}", row.state)),
    };
    let event = asked(change).key(&row.key_id).version(row.version);
    act.record(match &detail {
        Some(detail) => event.detail(detail),
        None => event,
    })
}

fn check_reason(reason: Option<&str>) -> Result<()> {
    let Some(reason) = reason else { return Ok(()) };
    if reason.len() > limits::REASON_BYTES {
        return Err(Error::limit(format!("a reason is at most {} bytes", limits::REASON_BYTES)));
    }
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err(Error::invalid("a reason is a text without control characters; leave it out for none"));
    }
    Ok(())
}
