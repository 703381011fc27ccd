//! What concerns the file as a whole: holding most of it in memory, checking its structure, writing it anew, copying it
//! and being written over.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::limits::Limit;

use super::super::errors::storage_error;
use super::super::files::beside;
use super::super::opening::{open, require_wal};
use super::super::rows::SqliteRows;
use super::super::transaction::Transaction;
use super::super::{anew, create, structure, waiting};
use super::{Database, data_version};
use crate::error::{Error, ErrorKind, Result};
use crate::records::Rows;
use crate::sys::fork;

/// How much of the file SQLite holds in memory, in KiB, as it does by itself.
const PAGES: i64 = 2_000;
/// The same where most of the file changes: some 100,000 keys.
const MOST_PAGES: i64 = 64 << 10;

impl Database {
    /// Has SQLite hold most of the file in memory, for whoever is to change most of it, or let go of it again. Otherwise
    /// it writes pages out in the midst of a transaction, and reads them again. Only speed depends on it.
    pub(crate) fn hold_most(&mut self, most: bool) {
        self.most = most;
        let Some(connected) = self.connection.as_ref().filter(|connected| connected.epoch == fork::epoch())
        else {
            return;
        };
        let connection = &connected.connection;
        hold(connection, if most { MOST_PAGES } else { PAGES });
        if !most {
            let _ = connection.release_memory();
        }
    }

    /// SQLite's own check of the file's structure; what it finds, one text each.
    pub(crate) fn structure_findings(&mut self) -> Result<Vec<String>> {
        let outcome = self.connected().and_then(|connected| structure::findings(&connected.connection));
        self.judge(outcome)
    }

    /// Writes every page of the file anew, then empties the log, so that nothing that was deleted is left in either.
    /// False where somebody still reads or writes after `patience`.
    ///
    /// `secure_delete` alone is not enough: where rows moved to another page, it leaves copies in the space between.
    pub(crate) fn rewrite(&mut self, patience: Duration) -> Result<bool> {
        self.refuse_replaced()?;
        let patience = patience.min(self.options.busy_timeout);
        self.ensure_durable(patience)?;
        let connection = &self.connected()?.connection;
        // Whoever empties the log keeps writers waiting, so this one does not wait as long as they may.
        waiting::begin(patience);
        // VACUUM attaches the copy that it makes, in memory.
        let attached = connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1).map_err(storage_error)?;
        let rewritten = vacuum(connection);
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, attached).map_err(storage_error)?;
        // As after any write.
        self.refuse_replaced()?;
        match rewritten {
            Err(error) if error.kind() == ErrorKind::Busy => Ok(false),
            outcome => self.judge(outcome),
        }
    }

    /// Copies the file as of one moment into an empty one, through SQLite. `progress` hears of pages: done, and in all.
    pub(in crate::records::sqlite) fn copy_into(
        &mut self,
        target: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<()> {
        self.refuse_replaced()?;
        let outcome = self.copy_pages(target, progress);
        self.judge(outcome)
    }

    fn copy_pages(&mut self, target: &Path, progress: &dyn Fn(u64, u64)) -> Result<()> {
        let busy_timeout = self.options.busy_timeout;
        let connection = &mut self.connected()?.connection;
        let transaction = Transaction::read(connection).map_err(storage_error)?;
        // The first look fixes the moment: nobody's commits make the copy begin anew.
        data_version(&transaction)?;
        SqliteRows::new(&transaction).store()?;
        let mut copy = open(target, busy_timeout)?;
        let backup = Backup::new(&transaction, &mut copy).map_err(storage_error)?;
        loop {
            let done = step(&backup, PAGES_PER_STEP)?;
            let state = backup.progress();
            let (all, left) = (state.pagecount.max(0), state.remaining.max(0));
            progress((all - left).max(0) as u64, all as u64);
            if done {
                break;
            }
        }
        drop(backup);
        copy.close().map_err(|(_, error)| storage_error(error))
    }

    /// Writes the other file's content over this one's, in one transaction under this file's locks; other connections
    /// to it go on. `prepare` runs once nobody else can write here any more, and may still change the other file.
    pub(in crate::records::sqlite) fn overwrite<T>(
        &mut self,
        source: &Path,
        prepare: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.refuse_replaced()?;
        self.overwrite_pages(source, prepare).map_err(|error| self.told_read_only(error))
    }

    fn overwrite_pages<T>(
        &mut self,
        source: &Path,
        prepare: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let source = open(source, self.options.busy_timeout)?;
        let mut target = open(&self.path, self.options.busy_timeout)?;
        require_wal(&target)?;
        anew::settle(&mut target, &self.path, &beside(&self.path, "-wal"))?;
        let backup = Backup::new(&source, &mut target).map_err(storage_error)?;
        step(&backup, 0)?;
        let value = prepare(self)?;
        while !step(&backup, -1)? {}
        drop(backup);
        // What the file was before is still in its pages. Where a reader holds them, a later checkpoint does it.
        let _ = create::fold_wal(&target);
        self.refuse_replaced()?;
        Ok(value)
    }
}

/// For a connection that is opened while most of the file is to be held.
pub(super) fn hold_most_of(connection: &Connection) {
    hold(connection, MOST_PAGES);
}

/// Has SQLite hold so many KiB of the file. Only speed depends on it, so that a failure is none.
fn hold(connection: &Connection, kibibytes: i64) {
    let _ = connection.pragma_update(None, "cache_size", -kibibytes);
}

fn vacuum(connection: &Connection) -> Result<bool> {
    connection.execute_batch("VACUUM").map_err(storage_error)?;
    let busy = |row: &rusqlite::Row<'_>| row.get::<_, bool>(0);
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], busy).map_err(storage_error)?;
    Ok(!busy)
}

/// How many pages are copied before others hear of it: 1 MiB.
const PAGES_PER_STEP: i32 = 256;

/// Copies so many pages, all for -1. Whether that was the last.
fn step(backup: &Backup<'_, '_>, pages: i32) -> Result<bool> {
    match backup.step(pages).map_err(storage_error)? {
        StepResult::Done => Ok(true),
        StepResult::More => Ok(false),
        _ => Err(Error::new(
            ErrorKind::Busy,
            "another process held the store for longer than busy_timeout; try again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::FileOptions;
    use super::*;

    fn held(database: &mut Database) -> i64 {
        let connection = &database.connected().unwrap().connection;
        connection.pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap()
    }

    #[test]
    fn most_is_held_as_long_as_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let options = FileOptions { busy_timeout: Duration::ZERO, allow_network_fs: false, immutable: false };
        create::create(&path, &options, |_| Ok(())).unwrap();
        let mut database = Database::new(&path, options).unwrap();
        assert_eq!(held(&mut database), -PAGES, "SQLite's own");
        database.hold_most(true);
        assert_eq!(held(&mut database), -MOST_PAGES);
        // Another connection too, if one must be opened meanwhile.
        database.disconnect();
        assert_eq!(held(&mut database), -MOST_PAGES);
        database.hold_most(false);
        assert_eq!(held(&mut database), -PAGES);
        database.disconnect();
        assert_eq!(held(&mut database), -PAGES);
        // With nothing open it is for the next.
        database.disconnect();
        database.hold_most(true);
        assert_eq!(held(&mut database), -MOST_PAGES);
    }
}
