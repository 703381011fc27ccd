//! Backups of a store that is in use.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::format::Anchor;
use crate::records::sqlite::{Copy, Database, FileOptions};
use crate::store::check::check_database;
use crate::store::shared::lock;
use crate::store::{CheckReport, Mode, Store, anchor_of, forking};

/// A backup that was made.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BackupInfo {
    /// Where the backup stands. Keep it apart from the backup, and restore with it: no older copy passes.
    pub anchor: Anchor,
    /// What checking the finished backup gave. Damage that the store had, its backup has.
    pub check: CheckReport,
}

/// How far a backup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupProgress {
    /// Pages that are copied.
    pub pages_done: u64,
    /// Pages in all.
    pub pages: u64,
}

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl Store {
    /// Copies the store as it is at one moment into a new file, while it is in use, and checks the copy.
    ///
    /// The copy opens with the same master keys. It appears under its name whole or not at all, readable for its owner
    /// alone. AlreadyExists where there is a file at `path`.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<BackupInfo> {
        self.copy_to(path.as_ref(), &|_, _| {})
    }

    /// As [`Store::backup`]; `progress` is called now and then, without any lock.
    pub fn backup_with(
        &self,
        path: impl AsRef<Path>,
        progress: &mut dyn FnMut(BackupProgress),
    ) -> Result<BackupInfo> {
        let path = path.as_ref();
        let state = (AtomicU64::new(0), AtomicU64::new(0));
        // The caller's function may open stores and fork: it runs here, and the copying elsewhere.
        std::thread::scope(|scope| {
            let (done, copied) = channel();
            let state = &state;
            scope.spawn(move || {
                let outcome = self.copy_to(path, &|pages_done, pages| {
                    state.0.store(pages_done, Ordering::Relaxed);
                    state.1.store(pages, Ordering::Relaxed);
                });
                // The receiver is there until it has heard.
                let _ = done.send(outcome);
            });
            loop {
                let outcome = match copied.recv_timeout(PROGRESS_INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Error::internal("the backup ended without a word"));
                    }
                    Ok(outcome) => Some(outcome),
                };
                progress(BackupProgress {
                    pages_done: state.0.load(Ordering::Relaxed),
                    pages: state.1.load(Ordering::Relaxed),
                });
                if let Some(outcome) = outcome {
                    return outcome;
                }
            }
        })
    }

    fn copy_to(&self, path: &Path, progress: &dyn Fn(u64, u64)) -> Result<BackupInfo> {
        self.shared.allows(Mode::Use)?;
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{} exists already; a backup goes to a new file", path.display()),
            ));
        }
        let now = self.shared.now();
        let (mut source, options) = self.source();
        // These connections belong to no open store, so forks must wait for them.
        let _opening = forking::opening()?;
        // Both as of before the copy: others may have a new KEK while it is made.
        let before = self.shared.unlocked()?;
        let known = self.shared.freshness.generation();
        let copy = Copy::of(&mut source, path, &options, progress)?;
        source.close();
        // It may have been closed meanwhile.
        self.shared.unlocked()?;
        let mut database = copy.database()?;
        let unlocked = database.read(|rows| self.shared.follow_from(rows, before))?;
        let anchor = database.write(|rows| {
            let mut tree = self.shared.verified(rows, &unlocked, known)?;
            tree.store_mut().copied = true;
            tree.seal()?;
            Ok(anchor_of(tree.store()))
        })?;
        let check = check_database(&mut database, now, &|rows| {
            self.shared.check_identity(&rows.store()?, &unlocked.kek, known)?;
            Ok(Arc::clone(&unlocked))
        })?;
        copy.publish(database)?;
        Ok(BackupInfo { anchor, check })
    }

    /// A connection of the backup's own, to the very file that is open.
    fn source(&self) -> (Database, FileOptions) {
        let reader = lock(&self.shared.reader);
        // The copy is written, whatever the original may be.
        (reader.database.sibling(), FileOptions { immutable: false, ..reader.database.options().clone() })
    }
}
