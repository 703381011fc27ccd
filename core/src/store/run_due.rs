//! Doing what is due: destroying versions whose time has come, and emptying the log of what was destroyed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Change, Verdict};
use crate::records::{EntityId, VersionRow};
use crate::store::act::{Act, Event};
use crate::store::shared::{Shared, lock};
use crate::store::states::{refused, verdict, verified_key};
use crate::store::{Mode, Store};
use crate::time::Timestamp;

/// What [`Store::run_due`] did.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunDueReport {
    /// The time by which things were due.
    pub at: Timestamp,
    /// The versions that were destroyed.
    pub destroyed: Vec<DestroyedVersion>,
    /// Keys that do not verify or were set aside, and so were left alone.
    pub failures: Vec<RunDueFailure>,
    /// Whether destroyed keys may still be in the write-ahead log because somebody reads the file: run again.
    pub purge_pending: bool,
}

/// A version whose key is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DestroyedVersion {
    /// Its key.
    pub key_id: String,
    /// Its number.
    pub version: u32,
}

/// A key that was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunDueFailure {
    /// The key.
    pub key_id: String,
    /// Why, and what to do.
    pub problem: String,
}

impl Store {
    /// Does what is due by the store's clock. Call it now and then, in as many processes as you like.
    ///
    /// Destroying is crypto-shredding: the wrapped key is overwritten, a record of the version stays, and the log is
    /// emptied. Each key is one transaction, and a key that does not verify, or was set aside, stops none of the
    /// others. IntegrityError, after all that, where what is due may have been hidden by damage to no key's own rows.
    /// There is no way back, so see that the clock is right: one that is ahead destroys early.
    pub fn run_due(&self) -> Result<RunDueReport> {
        self.shared.require(Mode::Admin, Event::new("run_due"))?;
        let now = self.shared.now();
        // What is due is looked up and not yet verified; each key is, before it is touched.
        let mut due: BTreeSet<String> =
            self.shared.read_verified(|tree, _| tree.rows().keys_due(now))?.into_iter().collect();
        let mut damaged = BTreeMap::new();
        let hidden = self.find_hidden(now, &mut damaged);
        due.extend(hidden.iter().flatten().cloned());
        let mut report = RunDueReport {
            at: Timestamp::from_milliseconds(now),
            destroyed: Vec::new(),
            failures: Vec::new(),
            purge_pending: false,
        };
        for key_id in due {
            match self.shared.destroy_due(&key_id) {
                Ok(destroyed) => report.destroyed.extend(destroyed),
                // Where the root itself does not verify, the purge says so. What was set aside stays as it is.
                Err(error)
                    if [ErrorKind::IntegrityError, ErrorKind::KeyUnavailable].contains(&error.kind()) =>
                {
                    report.failures.push(RunDueFailure { key_id, problem: error.message().to_owned() })
                }
                Err(error) => return Err(error),
            }
        }
        report.purge_pending = !self.shared.purge()?;
        hidden?;
        for (key_id, error) in damaged {
            if report.failures.iter().all(|failure| failure.key_id != key_id) {
                report.failures.push(RunDueFailure { key_id, problem: error.message().to_owned() });
            }
        }
        Ok(report)
    }

    /// A version may have been made to look as if its time had not come. So those are found that were due when their key
    /// was verified, and every key that does not verify.
    fn find_hidden(&self, now: i64, damaged: &mut BTreeMap<String, Error>) -> Result<Vec<String>> {
        loop {
            let found = self.shared.read_indexed(|tree, index| {
                let more = index.learn_but(tree, damaged)?;
                let due = index.facts().filter(|(_, facts)| facts.destroy_at.is_some_and(|at| at <= now));
                Ok((!more).then(|| due.map(|(key_id, _)| key_id.to_owned()).collect()))
            })?;
            match found {
                Some(due) => return Ok(due),
                None => std::thread::yield_now(),
            }
        }
    }
}

impl Shared {
    /// Destroys the key's versions that are due; none where another process was quicker.
    fn destroy_due(&self, key_id: &str) -> Result<Vec<DestroyedVersion>> {
        // What was set aside is reported, and no denial.
        let destroyed = self.write_verified(self.now(), |act| {
            let (key, mut versions) = verified_key(act, key_id)?;
            let mut destroyed = Vec::new();
            for row in versions.iter_mut().filter(|row| row.destroy_at.is_some_and(|at| at <= act.now)) {
                match verdict(&key, row, Change::Destroy)? {
                    Verdict::Becomes(state) => shred(act, row, state.name())?,
                    // Destroyed before.
                    Verdict::Refused(ErrorKind::KeyUnavailable, _) => continue,
                    Verdict::Refused(kind, advice) => {
                        return Err(refused(row, kind, Change::Destroy, advice));
                    }
                    _ => continue,
                }
                destroyed.push(DestroyedVersion { key_id: key_id.to_owned(), version: row.version });
            }
            if destroyed.is_empty() {
                return Ok(destroyed);
            }
            act.tree.authenticate(EntityId::key(key_id))?;
            act.tree.store_mut().purge_pending = true;
            for version in &destroyed {
                act.record(Event::new("destroy_version").key(key_id).version(version.version))?;
            }
            Ok(destroyed)
        })?;
        self.forget(key_id, &destroyed);
        Ok(destroyed)
    }

    /// Has this process let go of what it unwrapped.
    fn forget(&self, key_id: &str, destroyed: &[DestroyedVersion]) {
        if destroyed.is_empty() {
            return;
        }
        let entry = lock(&self.reader).entries.get(key_id).cloned();
        if let Some(entry) = entry {
            // Best effort: where it fails now, the next use of the key does it or fails.
            let _ = self.current(&entry);
        }
    }
}

/// Leaves of a version what tells that it was there.
fn shred(act: &Act<'_>, row: &mut VersionRow, state: &str) -> Result<()> {
    row.state = state.to_owned();
    row.state_before = None;
    row.destroy_at = Some(act.now);
    row.wrapped = Vec::new();
    act.rows().put_version(row)
}
