//! Transactions whose own statements are compiled once a connection: a key's first use is two of them.

use std::ops::Deref;

use rusqlite::{Connection, Result};

/// Undone when dropped, unless it was committed.
pub(super) struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    /// For reading: everything from the first look on is of one moment.
    pub(super) fn read(connection: &'a mut Connection) -> Result<Self> {
        Self::begin(connection, "BEGIN")
    }

    /// For writing: nobody else can from now on.
    pub(super) fn write(connection: &'a mut Connection) -> Result<Self> {
        Self::begin(connection, "BEGIN IMMEDIATE")
    }

    /// The connection is borrowed for changing, so that no transaction begins within another.
    fn begin(connection: &'a mut Connection, how: &str) -> Result<Self> {
        run(connection, how)?;
        Ok(Self(connection))
    }

    pub(super) fn commit(self) -> Result<()> {
        run(self.0, "COMMIT")
    }

    pub(super) fn rollback(self) -> Result<()> {
        run(self.0, "ROLLBACK")
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // It is over already where it was committed, or where an error has undone it.
        if !self.0.is_autocommit() {
            let _ = run(self.0, "ROLLBACK");
        }
    }
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &Connection) -> u32 {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_not_committed_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("file")).unwrap();
        connection.execute_batch("CREATE TABLE t (x UNIQUE)").unwrap();
        for (value, (commit, expected)) in [(false, 0), (true, 1), (false, 1)].into_iter().enumerate() {
            let transaction = Transaction::write(&mut connection).unwrap();
            transaction.execute("INSERT INTO t VALUES (?1)", [value]).unwrap();
            if commit {
                transaction.commit().unwrap()
            } else {
                drop(transaction)
            }
            assert!(connection.is_autocommit());
            assert_eq!(rows(&connection), expected);
        }
    }

    #[test]
    fn one_that_an_error_has_undone_ends_quietly() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("file")).unwrap();
        connection
            .execute_batch("CREATE TABLE t (x UNIQUE ON CONFLICT ROLLBACK); INSERT INTO t VALUES (1)")
            .unwrap();
        let transaction = Transaction::write(&mut connection).unwrap();
        assert!(transaction.execute("INSERT INTO t VALUES (1)", []).is_err());
        assert!(transaction.is_autocommit());
        drop(transaction);
        drop(Transaction::write(&mut connection).unwrap());
        assert_eq!(rows(&connection), 1);
    }

    #[test]
    fn one_writer_at_a_time_and_readers_see_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        let mut other = Connection::open(&path).unwrap();
        other.busy_timeout(std::time::Duration::ZERO).unwrap();

        let writing = Transaction::write(&mut writer).unwrap();
        assert!(Transaction::write(&mut other).is_err());
        let reading = Transaction::read(&mut other).unwrap();
        assert_eq!(rows(&reading), 0);
        writing.execute("INSERT INTO t VALUES (1)", []).unwrap();
        writing.commit().unwrap();
        assert_eq!(rows(&reading), 0);
        drop(reading);
        assert_eq!(rows(&other), 1);
    }
}
