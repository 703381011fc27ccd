//! What is planted in the schema or in the file's header: refused before anything uses it, or without effect.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::rich::{Rich, put};
use common::{hostile, kind, proof};
use keyfold::{ErrorKind, OpenOptions, Store};

/// Refused at opening, and the file left as it was.
fn assert_refused(rich: &Rich, path: &Path, what: &str, expected: &[ErrorKind]) {
    let before = std::fs::read(path).unwrap();
    for options in [OpenOptions::new(), OpenOptions::new().immutable(true)] {
        let refused = match Store::open_with(path, &rich.home.master_key(), &options) {
            Ok(_) => panic!("it was opened after: {what}"),
            Err(error) => error.kind(),
        };
        assert!(expected.contains(&refused), "{refused} after: {what}");
    }
    assert!(std::fs::read(path).unwrap() == before, "opening changed the file after: {what}");
}

/// Everything in it is as it was.
fn assert_true(rich: &Rich, path: &Path, what: &str) {
    let verdict = rich.judge(path, true);
    assert!(verdict.at_open.is_none() && !verdict.at_use && !verdict.at_check, "{what}: {verdict:?}");
    assert!(verdict.faults.is_empty(), "{what}: {verdict:?}");
}

fn edit(path: &Path, sql: &str) {
    let connection = hostile(path);
    connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error} at {sql}"));
    connection.close().unwrap();
}

#[test]
fn planted_in_the_schema() {
    let rich = Rich::new();
    let writable = "PRAGMA writable_schema = ON; ";
    let rewrite = |name: &str, from: &str, to: &str| {
        format!(
            "{writable} UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{name}'"
        )
    };
    // As a program plants it whose SQLite has the module; this one does not.
    let virtual_table = |name: &str, using: &str| {
        let sql = format!("CREATE VIRTUAL TABLE {name} USING {using}");
        format!("{writable} INSERT INTO sqlite_schema VALUES ('table', '{name}', '{name}', 0, '{sql}')")
    };
    let view =
        |table: &str| format!("ALTER TABLE {table} RENAME TO was; CREATE VIEW {table} AS SELECT * FROM was");
    let sqls = [
        "CREATE TRIGGER t BEFORE INSERT ON key_version BEGIN SELECT RAISE(IGNORE); END".to_owned(),
        "CREATE TRIGGER t AFTER UPDATE OF state ON key_version BEGIN UPDATE key_version SET state = 'enabled'; END"
            .to_owned(),
        "CREATE TRIGGER t AFTER DELETE ON recipient BEGIN INSERT INTO recipient SELECT * FROM recipient; END".to_owned(),
        view("key"),
        view("store"),
        view("entity"),
        "DROP TABLE quarantine; CREATE VIEW quarantine AS SELECT 'x' AS kind, 'x' AS id, 'x' AS reason, 0 AS created_at"
            .to_owned(),
        format!("DROP TABLE audit; {}", virtual_table("audit", "fts5(sequence, record, hash)")),
        virtual_table("more", "fts5(x)"),
        "ALTER TABLE key ADD COLUMN more TEXT AS (labels || key_id)".to_owned(),
        "ALTER TABLE audit ADD COLUMN more ANY DEFAULT 7".to_owned(),
        "CREATE INDEX i ON key (length(labels))".to_owned(),
        "CREATE INDEX i ON key_version (unicode(state))".to_owned(),
        "CREATE TABLE counted (x INTEGER PRIMARY KEY AUTOINCREMENT)".to_owned(),
        "ANALYZE".to_owned(),
        "CREATE TABLE Key2 (x)".to_owned(),
        "DROP INDEX key_version_current".to_owned(),
        "DROP INDEX key_version_current; CREATE INDEX key_version_current ON key_version (key_id) WHERE is_current = 1"
            .to_owned(),
        "DROP INDEX key_version_current; CREATE UNIQUE INDEX key_version_current ON key_version (key_id) WHERE is_current = 2"
            .to_owned(),
        rewrite("key_version_current", "UNIQUE ", ""),
        rewrite("key_version_current", "is_current = 1", "is_current = 3"),
        rewrite("store", "CHECK (id = 1)", "CHECK (1)"),
        rewrite("key", "exportable IN (0, 1)", "exportable IN (1)"),
        rewrite("key_version", "state TEXT NOT NULL", "state TEXT NOT NULL DEFAULT ''enabled''"),
        rewrite("key", "kind TEXT NOT NULL", "kind TEXT NOT NULL COLLATE NOCASE"),
        rewrite("key", "kind TEXT", "kind ANY"),
        rewrite("key", "REFERENCES purpose (purpose)", "REFERENCES purpose (purpose) ON DELETE CASCADE"),
        rewrite("audit", ") STRICT", ")"),
        rewrite("audit", ") STRICT", ") /* */ STRICT"),
        rewrite("purpose", "CREATE TABLE purpose", "CREATE TABLE \"purpose\""),
        format!("{writable} INSERT INTO sqlite_schema VALUES ('table', 'sqlite_sequence', 'sqlite_sequence', 0, 'CREATE TABLE sqlite_sequence(name,seq)')"),
        format!("{writable} INSERT INTO sqlite_schema VALUES ('table', 'sqlite_stat1', 'sqlite_stat1', 0, 'CREATE TABLE sqlite_stat1(tbl,idx,stat)')"),
        format!("{writable} INSERT INTO sqlite_schema VALUES ('table', 'm', 'm', 0, 'CREATE VIRTUAL TABLE m USING nothing_known')"),
        format!("{writable} INSERT INTO sqlite_schema VALUES ('nonsense', NULL, NULL, NULL, NULL)"),
        format!("{writable} INSERT INTO sqlite_schema VALUES (x'00', x'00', x'00', x'00', x'00')"),
        format!("{writable} UPDATE sqlite_schema SET sql = CAST(sql AS BLOB) WHERE name = 'key'"),
        format!("{writable} UPDATE sqlite_schema SET rootpage = -1 WHERE name = 'key'"),
        format!("{writable} UPDATE sqlite_schema SET rootpage = 'x' WHERE name = 'key'"),
        format!("{writable} UPDATE sqlite_schema SET rootpage = 9223372036854775807 WHERE name = 'key'"),
        // More than SQLite may read, and more objects than anybody needs.
        format!("{writable} UPDATE sqlite_schema SET sql = sql || ' --' || hex(zeroblob(4000000)) WHERE name = 'key'"),
        format!("{writable} UPDATE sqlite_schema SET sql = sql || ' --' || hex(zeroblob(50000)) WHERE name = 'key'"),
        format!(
            "{writable} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO \
             sqlite_schema SELECT 'table', 't' || i, 't' || i, 0, 'CREATE VIRTUAL TABLE t' || i || ' USING x' FROM n"
        ),
        format!(
            "{writable} UPDATE sqlite_schema SET sql = 'CREATE TABLE key (a CHECK (' || replace(hex(zeroblob(3000)), \
             '00', '(') || '1))' WHERE name = 'key'"
        ),
        "PRAGMA user_version = 0".to_owned(),
        "PRAGMA user_version = -2147483648".to_owned(),
    ];
    let mut faults = Vec::new();
    for sql in &sqls {
        let path = rich.copy("copy");
        let shown = &sql[..sql.len().min(200)];
        // A schema that SQLite cannot read at all it calls damaged.
        let refuse = || {
            edit(&path, sql);
            assert_refused(&rich, &path, shown, &[ErrorKind::IntegrityError]);
        };
        if catch_unwind(AssertUnwindSafe(refuse)).is_err() {
            faults.push(shown);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for sql in ["PRAGMA application_id = 0", "PRAGMA application_id = 1", "PRAGMA user_version = 2"] {
        let path = rich.copy("copy");
        edit(&path, sql);
        assert_refused(&rich, &path, sql, &[ErrorKind::Unsupported]);
    }
    println!("proof: {} changes planted in the schema, each refused at opening", sqls.len() + 3);
}

/// How the file is laid out says nothing.
#[test]
fn another_layout_is_the_same_store() {
    let rich = Rich::new();
    for layout in [
        "PRAGMA journal_mode = DELETE",
        "PRAGMA journal_mode = PERSIST",
        "PRAGMA journal_mode = TRUNCATE",
        "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM",
        "PRAGMA journal_mode = DELETE; PRAGMA page_size = 65536; VACUUM",
        "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = FULL; VACUUM",
        "PRAGMA auto_vacuum = INCREMENTAL; VACUUM",
        "PRAGMA default_cache_size = 1",
        "PRAGMA schema_version = 77",
        "REINDEX",
    ] {
        let path = rich.copy("copy");
        edit(&path, layout);
        assert_true(&rich, &path, layout);
    }
}

/// Texts in another encoding would be compared and sorted otherwise.
#[test]
fn another_encoding_is_refused() {
    let rich = Rich::new();
    let source = rich.copy("source");
    for encoding in ["UTF-16le", "UTF-16be"] {
        let path = rich.home.folder.path().join("copy");
        put(&path, b"");
        let connection = hostile(&path);
        connection
            .execute_batch(&format!(
                "PRAGMA encoding = '{encoding}'; PRAGMA application_id = 0x6b666c64; PRAGMA user_version = 1"
            ))
            .unwrap();
        let from = hostile(&source);
        let objects: Vec<(String, String, String)> = from
            .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY rowid")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (_, _, sql) in &objects {
            connection.execute_batch(sql).unwrap();
        }
        for (_, table, _) in objects.iter().filter(|(kind, _, _)| kind == "table") {
            let mut rows = from.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = rows.column_count();
            let marks = vec!["?"; columns].join(", ");
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap());
                connection
                    .execute(
                        &format!("INSERT INTO {table} VALUES ({marks})"),
                        rusqlite::params_from_iter(values),
                    )
                    .unwrap();
            }
        }
        connection.close().unwrap();
        assert_refused(&rich, &path, encoding, &[ErrorKind::IntegrityError]);
    }
}

/// The fields of the file's header, set to whatever they can hold.
#[test]
fn every_byte_of_the_header() {
    let rich = Rich::new();
    let values: &[u8] = if proof::long() { &[0, 1, 0x7f, 0xff] } else { &[0xff] };
    let (mut refused, mut tried) = (0, 0);
    for place in 0..100 {
        for &value in values {
            let mut bytes = rich.bytes.clone();
            if bytes[place] == value {
                continue;
            }
            bytes[place] = value;
            let path = rich.home.folder.path().join("copy");
            put(&path, &bytes);
            let verdict = rich.judge(&path, proof::long());
            assert!(verdict.faults.is_empty(), "byte {place} = {value}: {verdict:?}");
            use ErrorKind::{IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey};
            let known = [IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey];
            assert!(
                verdict.at_open.is_none_or(|kind| known.contains(&kind)),
                "byte {place} = {value}: {verdict:?}"
            );
            refused += usize::from(verdict.at_open.is_some() || verdict.at_use || verdict.at_check);
            tried += 1;
        }
    }
    println!(
        "proof: {tried} changes to the header's bytes, {refused} refused or found, the others without effect"
    );
    assert!(refused > tried / 3, "{refused} of {tried}");
}

/// Pages that are in use said to be free, chains that end in themselves, and pages that are not there.
#[test]
fn a_hostile_list_of_free_pages() {
    let rich = Rich::new();
    let pages = (rich.bytes.len() / 4096) as u32;
    for (first, count) in
        [(2, 1), (3, 40), (pages, 1), (pages + 1, 1), (u32::MAX, 1), (1, 1), (2, u32::MAX), (0, 9)]
    {
        let mut bytes = rich.bytes.clone();
        bytes[32..36].copy_from_slice(&first.to_be_bytes());
        bytes[36..40].copy_from_slice(&count.to_be_bytes());
        let path = rich.home.folder.path().join("copy");
        put(&path, &bytes);
        let verdict = rich.judge(&path, true);
        assert!(verdict.faults.is_empty(), "free from {first}, {count} pages: {verdict:?}");
        assert!(
            verdict.at_open.is_some() || verdict.at_check,
            "free from {first}, {count} pages: {verdict:?}"
        );
    }
    // The page of a root that leads back to itself.
    for place in (4096..rich.bytes.len()).step_by(4096) {
        let mut bytes = rich.bytes.clone();
        let number = (place / 4096 + 1) as u32;
        bytes[place] = 0x05;
        bytes[place + 8..place + 12].copy_from_slice(&number.to_be_bytes());
        let path = rich.home.folder.path().join("copy");
        put(&path, &bytes);
        let verdict = rich.judge(&path, false);
        assert!(verdict.faults.is_empty(), "page {number}: {verdict:?}");
    }
}

#[test]
fn a_second_current_version_is_refused_by_sql_itself() {
    let rich = Rich::new();
    let connection = hostile(&rich.copy("copy"));
    let current = "UPDATE key_version SET is_current = 1 WHERE key_id = 'alpha'";
    let error = connection.execute(current, []).unwrap_err();
    assert!(error.to_string().contains("UNIQUE constraint failed"), "{error}");
    connection.close().unwrap();
    // Without the index there is no store.
    let path = rich.copy("copy");
    edit(&path, &format!("DROP INDEX key_version_current; {current}"));
    assert_eq!(kind(rich.open(&path)), ErrorKind::IntegrityError);
}
