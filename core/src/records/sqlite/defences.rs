//! What SQLite offers against a hostile file, turned on before anything is read.

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use super::waiting;
use crate::limits;

/// What is switched, and how.
const SWITCHES: [(DbConfig, bool); 13] = [
    // No SQL, not even ours, writes the schema, shadow tables or pages.
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false),
    // What the schema calls may have no side effects.
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    // A misspelt or renamed column is an error, not a text.
    (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    // Plans that depend on bound values are made anew for each value, which took a third of a key's first use.
    (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
];

/// No more than our own statements and a check of the whole file need.
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LENGTH, limits::ROW_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 64 << 10),
    (Limit::SQLITE_LIMIT_COLUMN, 32),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 20),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 12),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 32),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

pub(super) fn defend(connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    waiting::begin(busy_timeout);
    waiting::install(connection)?;
    for (switch, on) in SWITCHES {
        connection.set_db_config(switch, on)?;
    }
    for (limit, most) in LIMITS {
        connection.set_limit(limit, most)?;
    }
    connection.execute_batch(
        "PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA synchronous = FULL;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that someone prepared, with the defences on.
    fn defended(prepared: &str) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        Connection::open(&path).unwrap().execute_batch(prepared).unwrap();
        let mut connection = Connection::open(&path).unwrap();
        defend(&mut connection, Duration::ZERO).unwrap();
        (folder, connection)
    }

    #[test]
    fn everything_is_on() {
        let (_folder, connection) = defended("");
        for (switch, on) in SWITCHES {
            assert_eq!(connection.db_config(switch).unwrap(), on, "{switch:?}");
        }
        for (limit, most) in LIMITS {
            assert_eq!(connection.limit(limit).unwrap(), most, "{limit:?}");
        }
        for (name, value) in [
            ("cell_size_check", 1),
            ("mmap_size", 0),
            ("temp_store", 2),
            ("foreign_keys", 1),
            ("secure_delete", 1),
            ("synchronous", 2),
            ("trusted_schema", 0),
        ] {
            let found = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            // Of mmap_size nothing is told where there is none at all.
            assert_eq!(found.unwrap_or(0), value, "{name}");
        }
    }

    #[test]
    fn what_a_hostile_schema_may_not_do() {
        let (_folder, connection) = defended(
            "CREATE TABLE t (a, b AS (a + 1)); CREATE TABLE heard (a);
             CREATE TRIGGER loud AFTER INSERT ON t BEGIN INSERT INTO heard VALUES (new.a); END;
             CREATE VIEW seen AS SELECT a FROM t;
             CREATE TABLE evil (a DEFAULT (load_extension('x')));",
        );
        connection.execute("INSERT INTO t (a) VALUES (1)", []).unwrap();
        let heard: i64 = connection.query_row("SELECT count(*) FROM heard", [], |row| row.get(0)).unwrap();
        assert_eq!(heard, 0, "a trigger ran");
        for refused in [
            "SELECT * FROM seen",
            "INSERT INTO evil DEFAULT VALUES",
            "SELECT load_extension('x')",
            "SELECT \"not a column\" FROM t",
            "ATTACH ':memory:' AS other",
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'x'",
            "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'x')",
            "DELETE FROM sqlite_dbpage",
        ] {
            assert!(connection.execute_batch(refused).is_err(), "{refused}");
        }
        let long = format!("SELECT {}", "1 + ".repeat(20_000) + "1");
        assert!(connection.prepare(&long).is_err());
    }
}
