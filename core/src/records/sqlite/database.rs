//! One connection to the file, with SQLite's defences on, and transactions over it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::anew;
use super::create;
use super::errors::{is_of_sqlite, opened_read_only, storage_error, unreadable};
use super::files::{
    beside, holds_something, identity, log_identity, missing, refuse_network, refuse_planted,
};
use super::opening::{
    admit, earlier_format, explain, judge_format, keep_log, open, open_immutable, read_only, refuse_read_only,
};
use super::rows::SqliteRows;
use super::schema;
use super::steps;
use super::transaction::Transaction;
use super::waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::records::Rows;
use crate::sys::fork;
use crate::sys::unreadable::is_unreadable;

mod whole;

/// How the file is used.
#[derive(Clone, Debug)]
pub(crate) struct FileOptions {
    pub(crate) busy_timeout: Duration,
    pub(crate) allow_network_fs: bool,
    /// Nobody writes the file: no locks, no log.
    pub(crate) immutable: bool,
}

/// The file, and a connection to it while there is one: a fork closes it, the next use opens it again.
pub(crate) struct Database {
    path: PathBuf,
    options: FileOptions,
    /// The file that was opened first, whatever now stands at its path.
    file: Option<(u64, u64)>,
    connection: Option<Connected>,
    /// Files of earlier formats are taken too: they are to be upgraded.
    earlier: bool,
    /// Something in the file did not verify.
    doubted: bool,
    /// SQLite is to hold most of the file in memory.
    most: bool,
}

/// What a read transaction sees. Equal moments: nobody committed between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    connection: u64,
    /// SQLite's count of other connections' commits; the connection that reads makes none of its own.
    commits: i64,
}

/// Counts the connections that were opened.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

struct Connected {
    connection: Connection,
    /// Tells it from every other connection of this process.
    number: u64,
    /// The write-ahead log that it reads and writes, whatever now stands at the log's path.
    log: Option<(u64, u64)>,
    /// Whether what it found in the log, the log's name and the file's are known to be on disk.
    durable: bool,
    /// The process that opened it, as [`fork::epoch`] tells.
    epoch: u64,
    /// SQLite's count of other connections' commits: as last seen, and as last taken in.
    seen: i64,
    settled: Option<i64>,
}

impl Database {
    /// For a file that exists; NotFound where it does not.
    pub(crate) fn new(path: &Path, options: FileOptions) -> Result<Self> {
        let path = path.canonicalize().map_err(|error| missing(path, error))?;
        if !options.allow_network_fs {
            refuse_network(&path)?;
        }
        Ok(Self { path, options, file: None, connection: None, earlier: false, doubted: false, most: false })
    }

    /// As [`Database::new`], for a file that an earlier keyfold may have made. [`Database::upgrade`] ends that.
    pub(crate) fn of_any_format(path: &Path, options: FileOptions) -> Result<Self> {
        let mut database = Self::new(path, options)?;
        database.earlier = true;
        Ok(database)
    }

    /// Another connection, to come, to the very file that this one has opened.
    pub(crate) fn sibling(&self) -> Self {
        Self {
            path: self.path.clone(),
            options: self.options.clone(),
            file: self.file,
            connection: None,
            earlier: self.earlier,
            doubted: false,
            most: false,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn options(&self) -> &FileOptions {
        &self.options
    }

    /// Runs in one read transaction: everything read is of one moment.
    pub(crate) fn read<T>(&mut self, run: impl FnOnce(&dyn Rows) -> Result<T>) -> Result<T> {
        self.read_at(|rows, _| run(rows))
    }

    /// As [`Database::read`], with the moment that it is of.
    pub(crate) fn read_at<T>(&mut self, run: impl FnOnce(&dyn Rows, Moment) -> Result<T>) -> Result<T> {
        self.refuse_replaced()?;
        let earlier = self.earlier;
        let outcome = self.connected().and_then(|connected| {
            let number = connected.number;
            let transaction = Transaction::read(&mut connected.connection).map_err(storage_error)?;
            judge_format(&transaction, earlier)?;
            // The first look fixes the moment.
            let moment = Moment { connection: number, commits: data_version(&transaction)? };
            run(&SqliteRows::new(&transaction), moment)
        });
        self.judge(outcome)
    }

    /// Runs in one write transaction, begun IMMEDIATE; an error undoes all of it.
    pub(crate) fn write<T>(&mut self, run: impl FnOnce(&dyn Rows) -> Result<T>) -> Result<T> {
        self.write_within(self.options.busy_timeout, run)
    }

    /// As [`Database::write`], waiting no longer than `patience` where that is less than the busy timeout.
    pub(crate) fn write_within<T>(
        &mut self,
        patience: Duration,
        run: impl FnOnce(&dyn Rows) -> Result<T>,
    ) -> Result<T> {
        if self.options.immutable {
            return Err(read_only());
        }
        self.refuse_replaced()?;
        let patience = patience.min(self.options.busy_timeout);
        self.ensure_durable(patience)?;
        let outcome = self.connected().and_then(|connected| {
            let connection = &mut connected.connection;
            waiting::begin(patience);
            let transaction = Transaction::write(connection).map_err(storage_error)?;
            judge_format(&transaction, false)?;
            let value = run(&SqliteRows::writing(&transaction))?;
            // What could not be read may have been left out as damaged.
            if is_unreadable(&transaction) {
                return Err(unreadable());
            }
            transaction.commit().map_err(storage_error)?;
            Ok(value)
        });
        let value = match outcome {
            Ok(value) => value,
            failed => return self.judge(failed),
        };
        // What was written into a file that nobody finds any more is not acknowledged.
        self.refuse_replaced()?;
        Ok(value)
    }

    /// Brings a file of an earlier format to this build's, in one transaction: its schema, then with `run` its rows,
    /// which hears of the earlier format. Nothing is done where the file, by now, has this build's.
    pub(crate) fn upgrade(&mut self, run: impl FnOnce(&dyn Rows, u32) -> Result<()>) -> Result<()> {
        if self.read(|rows| rows.format())? == steps::format() {
            self.earlier = false;
            return Ok(());
        }
        if self.options.immutable {
            return Err(earlier_format());
        }
        self.ensure_durable(self.options.busy_timeout)?;
        let outcome = self.connected().and_then(|connected| {
            let transaction = Transaction::write(&mut connected.connection).map_err(storage_error)?;
            let from = schema::read_format(&transaction)?;
            if from == steps::format() {
                return Ok(());
            }
            schema::check(&transaction)?;
            schema::upgrade(&transaction, from)?;
            run(&SqliteRows::writing(&transaction), from)?;
            if is_unreadable(&transaction) {
                return Err(unreadable());
            }
            transaction.commit().map_err(storage_error)
        });
        if outcome.is_err() {
            return self.judge(outcome);
        }
        self.refuse_replaced()?;
        self.earlier = false;
        Ok(())
    }

    /// Something in the file did not verify, though no error said so.
    pub(crate) fn distrust(&mut self) {
        self.doubted = true;
    }

    /// Whether something in the file did not verify: then what lies in the log is better left there.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Whether others may have committed since [`Database::settle`]; true as well for a new connection.
    pub(crate) fn changed(&mut self) -> Result<bool> {
        self.refuse_replaced()?;
        let outcome = self.connected().and_then(|connected| {
            connected.seen = data_version(&connected.connection)?;
            Ok(connected.settled != Some(connected.seen))
        });
        self.judge(outcome)
    }

    /// What was last seen to have changed has been taken in.
    pub(crate) fn settle(&mut self) {
        if let Some(connected) = &mut self.connection {
            connected.settled = Some(connected.seen);
        }
    }

    /// Removes what killed processes left of drafts in the file's folder: whole copies of stores.
    pub(crate) fn sweep(&self) {
        super::draft::sweep(self.path.parent().unwrap_or(Path::new(".")));
    }

    /// Moves everything from the write-ahead log into the file.
    pub(super) fn fold(&mut self) -> Result<()> {
        let outcome = self.connected().and_then(|connected| create::fold_wal(&connected.connection));
        self.judge(outcome)
    }

    /// Closes the connection without writing the WAL back; the next use opens another.
    pub(crate) fn disconnect(&mut self) {
        if let Some(Connected { connection, .. }) = self.connection.take() {
            // Best effort: where it fails, closing is slower but as correct.
            let _ = keep_log(&connection, true);
        }
    }

    /// Closes the connection as the last act of a store.
    pub(crate) fn close(&mut self) {
        // The WAL at a path that has another file now is that file's.
        if self.refuse_replaced().is_ok() && self.may_write_back() {
            self.connection = None;
        }
        self.disconnect();
    }

    /// Whether closing may write the log back into the file: only what is on disk in the log.
    fn may_write_back(&mut self) -> bool {
        let log = beside(&self.path, "-wal");
        let Some(connected) = &mut self.connection else { return true };
        if connected.durable || self.options.immutable || !holds_something(&log) {
            return true;
        }
        // Where others write, this is not the last connection, and nothing is written back anyway.
        waiting::begin(Duration::ZERO);
        connected.epoch == fork::epoch() && anew::settle_log(&mut connected.connection, &log).is_ok()
    }

    /// What another open connection of this store has brought to disk need not be again: as long as it is open, nobody
    /// reads the log anew.
    pub(crate) fn rely_on(&mut self, other: &Self) {
        let (Some(own), Some(other)) = (&mut self.connection, &other.connection) else { return };
        own.durable |= other.durable && other.log == own.log;
    }

    /// SQLite does not look whether what it finds in the log, and the log's name, have come to disk: then a commit could be
    /// lost with them.
    fn ensure_durable(&mut self, patience: Duration) -> Result<()> {
        let path = self.path.clone();
        let outcome = self.connected().and_then(|connected| {
            if !connected.durable {
                waiting::begin(patience);
                anew::settle(&mut connected.connection, &path, &beside(&path, "-wal"))?;
                connected.durable = true;
            }
            Ok(())
        });
        self.judge(outcome)
    }

    /// Takes note of what did not verify. After an error of the disk the next use opens another connection: one that was
    /// opened while the file system was read-only stays so, and one that could not read is not believed any more.
    fn judge<T>(&mut self, outcome: Result<T>) -> Result<T> {
        let is_unreadable =
            self.connection.as_ref().is_some_and(|connected| is_unreadable(&connected.connection));
        let error = match outcome {
            Ok(value) if !is_unreadable => return Ok(value),
            Ok(_) => unreadable(),
            Err(error) => error,
        };
        let is_of_sqlite = is_of_sqlite(&error);
        let error = match error.kind() {
            ErrorKind::IntegrityError if is_unreadable => unreadable().with_cause(error),
            _ => self.told_read_only(error),
        };
        if error.kind() == ErrorKind::IntegrityError {
            self.distrust();
        }
        if error.kind() != ErrorKind::Busy && (is_unreadable || is_of_sqlite) {
            self.disconnect();
        }
        Err(error)
    }

    /// Where SQLite says that it may not write a file that can be written, the disk failed as it opened the log.
    fn told_read_only(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::PermissionDenied
                if is_of_sqlite(&error)
                    && !self.options.immutable
                    && refuse_read_only(&self.path).is_ok() =>
            {
                opened_read_only().with_cause(error)
            }
            _ => error,
        }
    }

    /// Closes the connection where perhaps nothing was verified: a log that lies beside the file may be another's, and
    /// is left where it is.
    pub(crate) fn leave(&mut self) {
        // The parent's connection, after a bare clone(): see `connected`.
        if self.connection.as_ref().is_some_and(|connected| connected.epoch != fork::epoch()) {
            std::mem::forget(self.connection.take());
        }
        if holds_something(&beside(&self.path, "-wal")) {
            self.disconnect();
        }
        // An empty log goes with the connection.
        self.connection = None;
    }

    fn connected(&mut self) -> Result<&mut Connected> {
        // A bare clone() runs no fork handlers. The parent's connection is then left as it is: even closing it
        // would let go of the parent's locks.
        if self.connection.as_ref().is_some_and(|connected| connected.epoch != fork::epoch()) {
            std::mem::forget(self.connection.take());
        }
        if self.connection.as_ref().is_some_and(|connected| is_unreadable(&connected.connection)) {
            self.disconnect();
        }
        if self.connection.is_none() {
            self.connect()?;
        }
        waiting::begin(self.options.busy_timeout);
        self.connection.as_mut().ok_or_else(|| Error::internal("no connection"))
    }

    fn connect(&mut self) -> Result<()> {
        let file = identity(&self.path)?;
        refuse_planted(&self.path)?;
        let connection = match self.options.immutable {
            true => open_immutable(&self.path)?,
            false => {
                refuse_read_only(&self.path)?;
                open(&self.path, self.options.busy_timeout)?
            }
        };
        if self.most {
            whole::hold_most_of(&connection);
        }
        self.connection = Some(Connected {
            connection,
            number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            log: None,
            durable: false,
            epoch: fork::epoch(),
            seen: 0,
            settled: None,
        });
        self.admit(file).inspect_err(|_| self.leave())
    }

    /// Whether what was opened is a store, before any row of it is used.
    fn admit(&mut self, file: (u64, u64)) -> Result<()> {
        let connected = self.connection.as_mut().ok_or_else(|| Error::internal("no connection"))?;
        admit(&mut connected.connection, &self.path, self.earlier, self.options.immutable)
            .map_err(|error| explain(error, &connected.connection))?;
        // Whoever swapped the file in between would have us watch the wrong one.
        if identity(&self.path)? != file {
            return Err(Error::new(
                ErrorKind::Busy,
                "the store's file was replaced while it was opened; try again",
            ));
        }
        self.file = Some(file);
        connected.log = log_identity(&self.path);
        Ok(())
    }

    /// A file renamed over ours strands the connection: what it writes nobody else would see, and closing it as
    /// usual would delete a WAL that now is the other file's.
    fn refuse_replaced(&mut self) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        let problem = match identity(&self.path) {
            // While a connection is open nobody may remove the log: SQLite itself does so only with the last one.
            Ok(now) if now == file => match self.connection.as_ref().and_then(|connected| connected.log) {
                Some(log) if log_identity(&self.path) != Some(log) => Error::integrity(
                    "the store's write-ahead log (-wal) was removed or replaced while the store was open, and with it \
                     what was committed last; close the store, keep its files, and restore a backup",
                ),
                _ => return Ok(()),
            },
            Ok(_) => Error::integrity(
                "another file was put in the store's place; close the store and open it again",
            ),
            Err(error) => error,
        };
        self.disconnect();
        Err(problem)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.leave();
    }
}

fn data_version(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version").map_err(storage_error)?;
    statement.query_row([], |row| row.get(0)).map_err(storage_error)
}
