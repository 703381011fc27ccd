//! Scheduling a version's destruction, and cancelling it. [`Store::run_due`] is what destroys.

use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::keyring::{Change, Verdict, VersionState};
use crate::records::{EntityId, VersionRow};
use crate::store::act::{Act, Event};
use crate::store::lifecycle::stored_period;
use crate::store::shared::check_key_id;
use crate::store::states::{refused, verdict, verified_key, version_row};
use crate::store::{Store, VersionInfo};
use crate::time::Timestamp;

/// How long a version waits for its destruction where the caller names no delay: 30 days.
pub const DESTRUCTION_DELAY: Duration = Duration::from_secs(30 * 86_400);

impl Store {
    /// Has a version destroyed by the first [`Store::run_due`] after `delay`, [`DESTRUCTION_DELAY`] where none is
    /// given. Until then it opens nothing, and [`Store::cancel_destruction`] brings back the state that it had.
    ///
    /// A delay of zero is due at once; one beyond a thousand years is InvalidArgument. InUse where it is the
    /// current version of a key that is not archived; KeyUnavailable where it is scheduled or destroyed already.
    pub fn schedule_destruction(
        &self,
        key_id: &str,
        version: u32,
        delay: Option<Duration>,
    ) -> Result<VersionInfo> {
        let delay = match delay.unwrap_or(DESTRUCTION_DELAY) {
            Duration::ZERO => 0,
            delay => stored_period("delay", delay)?,
        };
        self.reschedule(key_id, version, Change::ScheduleDestruction, |act, row, state| {
            let at = act.now.saturating_add(delay);
            row.state_before = Some(std::mem::replace(&mut row.state, state.name().to_owned()));
            row.destroy_at = Some(at);
            Ok(Some(Timestamp::from_milliseconds(at).to_string()))
        })
    }

    /// Takes back [`Store::schedule_destruction`]: the version has the state that it had before. InvalidArgument
    /// where nothing is scheduled, KeyUnavailable where it is too late.
    pub fn cancel_destruction(&self, key_id: &str, version: u32) -> Result<VersionInfo> {
        self.reschedule(key_id, version, Change::CancelDestruction, |_, row, state| {
            row.state = state.name().to_owned();
            row.state_before = None;
            row.destroy_at = None;
            Ok(None)
        })
    }

    fn reschedule(
        &self,
        key_id: &str,
        version: u32,
        change: Change,
        apply: impl FnOnce(&Act<'_>, &mut VersionRow, VersionState) -> Result<Option<String>>,
    ) -> Result<VersionInfo> {
        check_key_id(key_id)?;
        let action = match change {
            Change::CancelDestruction => "cancel_destruction",
            _ => "schedule_destruction",
        };
        let asked = Event::new(action).key(key_id).version(version);
        self.shared.act(asked, |act| {
            let (key, versions) = verified_key(act, key_id)?;
            let mut row = version_row(&versions, key_id, version)?.clone();
            let damaged = || EntityId::key(key_id).damaged();
            let state = match verdict(&key, &row, change)? {
                Verdict::Becomes(state) => state,
                Verdict::Returns => {
                    let before = row.state_before.as_deref().and_then(VersionState::from_name);
                    before.ok_or_else(damaged)?
                }
                Verdict::Refused(ErrorKind::KeyUnavailable, advice) if row.destroy_at.is_some() => {
                    let at = row.destroy_at.map_or_else(Timestamp::now, Timestamp::from_milliseconds);
                    let advice = format!("{advice} (its time: {at})");
                    return Err(refused(&row, ErrorKind::KeyUnavailable, change, &advice));
                }
                Verdict::Refused(kind, advice) => return Err(refused(&row, kind, change, advice)),
                Verdict::Unchanged | Verdict::BecomesWithSuccessor(_) => {
                    return VersionInfo::from_row(&row, true);
                }
            };
            let detail = apply(act, &mut row, state)?;
            act.rows().put_version(&row)?;
            act.tree.authenticate(EntityId::key(key_id))?;
            act.record(match &detail {
                Some(detail) => asked.detail(detail),
                None => asked,
            })?;
            VersionInfo::from_row(&row, true)
        })
    }
}
