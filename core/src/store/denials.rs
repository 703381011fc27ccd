//! Denials leave records: what the mode forbids, a key that was not made exportable, one that was set aside.
//!
//! The first denial is written down at once, in a transaction of its own. Those that follow are counted in memory and
//! written together, with pauses that double from [`limits::DENIAL_PAUSE`]'s first to its second, so that a loop of
//! denials neither fills the disk nor keeps others from writing. What is still in memory goes out with the next denial,
//! the next look for changes, or when the store is closed. Where it cannot be written, the caller hears of the denial
//! all the same, and of nothing else.
//!
//! Without the KEK, in mode `metadata`, no record can be authenticated, and an immutable store is not written: there
//! denials are errors and nothing more.

use std::sync::TryLockError;
use std::time::{Duration, Instant};

use crate::error::{Denial, Error, Result};
use crate::limits;
use crate::records::sqlite::Database;
use crate::store::Mode;
use crate::store::act::Event;
use crate::store::shared::{Shared, lock};
use crate::sys::fork;

/// The action of what was denied beyond [`limits::DENIAL_KINDS`].
const OTHERS: &str = "others";

/// Denials that are not on disk yet.
#[derive(Default)]
pub(super) struct Denials {
    /// The process that counted them, as [`fork::epoch`] tells: a child leaves its parent's to its parent.
    epoch: u64,
    counts: Vec<Denied>,
    /// When the newest of them was, in milliseconds by the store's clock: closing asks no clock of the caller's.
    at: i64,
    written: Option<Instant>,
    last: Option<Instant>,
    pause: Duration,
}

/// Denials of one kind.
pub(super) struct Denied {
    pub(super) action: String,
    pub(super) key: Option<String>,
    pub(super) denial: Option<Denial>,
    pub(super) count: u64,
    /// When the first of them was, in milliseconds.
    pub(super) since: i64,
}

impl Denials {
    fn count(&mut self, denied: Denied) {
        self.leave_to_parent();
        let now = Instant::now();
        if self.last.is_none_or(|last| now.duration_since(last) >= limits::DENIAL_PAUSE.1) {
            self.pause = limits::DENIAL_PAUSE.0;
        }
        self.last = Some(now);
        self.at = denied.since;
        self.add(denied);
    }

    fn add(&mut self, denied: Denied) {
        let same = |known: &&mut Denied| {
            (&known.action, &known.key, known.denial) == (&denied.action, &denied.key, denied.denial)
        };
        if let Some(known) = self.counts.iter_mut().find(same) {
            known.count = known.count.saturating_add(denied.count);
            known.since = known.since.min(denied.since);
        } else if self.counts.len() < limits::DENIAL_KINDS || denied.action == OTHERS {
            self.counts.push(denied);
        } else {
            self.add(Denied { action: OTHERS.to_owned(), key: None, denial: None, ..denied });
        }
    }

    fn is_due(&mut self) -> bool {
        self.leave_to_parent();
        !self.counts.is_empty() && self.written.is_none_or(|written| written.elapsed() >= self.pause)
    }

    /// Hands them out to be written down. The next pause begins here, whatever becomes of them.
    fn take(&mut self) -> (Vec<Denied>, i64) {
        self.written = Some(Instant::now());
        self.pause = (self.pause * 2).min(limits::DENIAL_PAUSE.1);
        (std::mem::take(&mut self.counts), self.at)
    }

    fn leave_to_parent(&mut self) {
        let epoch = fork::epoch();
        if self.epoch != epoch {
            *self = Self { epoch, pause: limits::DENIAL_PAUSE.0, ..Self::default() };
        }
    }
}

impl Shared {
    /// Refuses what the mode that the store was opened in does not allow, and notes that it was asked for.
    pub(crate) fn require(&self, mode: Mode, asked: Event<'_>) -> Result<()> {
        self.noting(asked, self.allows(mode))
    }

    /// Passes an outcome on; where it is a denial, it is noted. Called without any lock.
    #[inline]
    pub(crate) fn noting<T>(&self, asked: Event<'_>, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome {
            self.note(asked, error);
        }
        outcome
    }

    #[cold]
    fn note(&self, asked: Event<'_>, error: &Error) {
        let Some(denial) = error.denial() else { return };
        if self.mode() == Mode::Metadata || self.immutable || self.unlocked().is_err() {
            return;
        }
        let now = self.now();
        lock(&self.denials).count(Denied {
            action: asked.action.to_owned(),
            key: asked.key.or(error.key_id()).map(str::to_owned),
            denial: Some(denial),
            count: 1,
            since: now,
        });
        self.write_due_denials();
    }

    /// Writes down what was counted, where the pause is over. Whoever writes meanwhile is not waited for: the next
    /// denial tries again.
    #[cold]
    pub(super) fn write_due_denials(&self) {
        if !lock(&self.denials).is_due() {
            return;
        }
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if lock(&self.denials).is_due() {
            self.write_denials(&mut writer);
        }
    }

    /// The last chance, when the store is closed.
    pub(super) fn write_last_denials(&self) {
        let pending = {
            let mut denials = lock(&self.denials);
            denials.leave_to_parent();
            !denials.counts.is_empty()
        };
        if pending && self.unlocked().is_ok() {
            self.write_denials(&mut lock(&self.writer));
        }
    }

    fn write_denials(&self, writer: &mut Database) {
        let (denied, at) = lock(&self.denials).take();
        let written = self.write_within(writer, limits::DENIAL_WAIT, at, |act| {
            denied.iter().try_for_each(|denied| act.record_denied(denied, self.mode().name()))
        });
        if written.is_err() {
            let mut denials = lock(&self.denials);
            denied.into_iter().for_each(|denied| denials.add(denied));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(action: &str, since: i64) -> Denied {
        Denied { action: action.to_owned(), key: None, denial: Some(Denial::Mode), count: 1, since }
    }

    #[test]
    fn kinds_are_few_and_all_are_counted() {
        let mut denials = Denials::default();
        let kinds = limits::DENIAL_KINDS as i64 + 10;
        for round in 0..3 {
            for kind in 0..kinds {
                denials.count(denied(&format!("act-{kind}"), round * 100 + kind));
            }
        }
        assert_eq!(denials.counts.len(), limits::DENIAL_KINDS + 1);
        assert_eq!(denials.counts.iter().map(|denied| denied.count).sum::<u64>(), 3 * kinds as u64);
        let others = denials.counts.last().unwrap();
        assert_eq!((others.action.as_str(), others.count), (OTHERS, 30));
        assert_eq!(others.since, limits::DENIAL_KINDS as i64);
        assert_eq!(denials.counts[1].since, 1);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut denials = Denials::default();
        denials.count(denied("act", 0));
        assert!(denials.is_due(), "the first one is written at once");
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(denials.take().0.len(), 1);
            pauses.push(denials.pause.as_secs());
            denials.count(denied("act", 0));
            assert!(!denials.is_due());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        // Quiet for as long as the longest pause: as at first.
        denials.last = Instant::now().checked_sub(limits::DENIAL_PAUSE.1);
        denials.count(denied("act", 0));
        assert_eq!(denials.pause, limits::DENIAL_PAUSE.0);
    }

    #[test]
    fn a_child_leaves_its_parents_denials_to_its_parent() {
        let mut denials = Denials::default();
        denials.count(denied("act", 0));
        denials.epoch = u64::MAX;
        assert!(!denials.is_due());
        assert!(denials.counts.is_empty());
    }
}
