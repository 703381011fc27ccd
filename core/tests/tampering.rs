//! Someone without the master key edits the file: it is noticed, and nothing false is ever served.
//!
//! Where the row that the master key opens is changed (its id, kind, salt or commitment, or the store's id, which
//! goes into all of them) opening says WrongMasterKey: to such a file the key does not belong. Everything else
//! is IntegrityError, at opening where the root, the wraps or the store's own keys are concerned, and at use and
//! in `check()` for all the rest.

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Home, hostile, kind, names};
use keyfold::{
    Aad, AddRecipient, Algorithm, Context, CreateKey, ErrorKind, IndexOptions, KeyFilter, KeyInfo, MasterKey,
    OpenOptions, Passphrase, RecipientInfo, Store, VersionInfo, VersionUsage,
};
use rusqlite::Connection;
use rusqlite::types::Value;

/// A closed store, and everything that it truly says.
struct Sample {
    home: Home,
    bytes: Vec<u8>,
    truth: Truth,
}

struct Truth {
    keys: Vec<KeyInfo>,
    versions: BTreeMap<String, Vec<VersionInfo>>,
    usages: BTreeMap<String, Vec<VersionUsage>>,
    indexes: BTreeMap<String, Vec<u8>>,
    recipients: Vec<RecipientInfo>,
    /// Key, plaintext, ciphertext.
    sealed: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl Sample {
    fn new() -> Self {
        let home = Home::new();
        let store = home.open();
        let phrase = Passphrase::new("correct horse").unwrap().with_argon2id(19 << 10, 1, 1).unwrap();
        let second = AddRecipient::new().description("in a head");
        store.add_recipient(&MasterKey::passphrase(phrase), &second).unwrap();
        store
            .create_key("alpha", &CreateKey::new().purpose("pii").description("e-mail").label("team", "web"))
            .unwrap();
        store.create_key("beta", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
        let mut sealed = Vec::new();
        for round in 0..2 {
            for key_id in ["alpha", "beta"] {
                let plaintext = format!("{key_id} {round}").into_bytes();
                let ciphertext = store.encrypt(key_id, &plaintext, &place()).unwrap();
                sealed.push((key_id.to_owned(), plaintext, ciphertext));
            }
            if round == 0 {
                store.rotate_key("alpha").unwrap();
                store.rotate_key("beta").unwrap();
            }
        }
        store.rotate_master_key(None).unwrap();
        // Closing writes the last counts of messages down.
        store.close();
        let store = home.open();
        let truth = Truth::of(&store, sealed);
        store.close();
        drop(store);
        let bytes = std::fs::read(home.path()).unwrap();
        Self { home, bytes, truth }
    }

    /// A copy to be spoilt.
    fn copy(&self, name: &str) -> PathBuf {
        let path = self.home.folder.path().join(name);
        common::rich::put(&path, &self.bytes);
        path
    }

    fn open(&self, path: &Path) -> keyfold::Result<Store> {
        Store::open_with(path, &self.home.master_key(), &OpenOptions::new())
    }

    fn assert_true(&self, path: &Path) {
        let verdict = self.judge(path);
        assert!(verdict.checked_clean && verdict.errors.is_empty() && verdict.lies.is_empty(), "{verdict:?}");
    }

    /// Opens a file and compares all that it says with the truth.
    fn judge(&self, path: &Path) -> Verdict {
        let mut verdict = Verdict::default();
        let store = match self.open(path) {
            Ok(store) => store,
            Err(error) => {
                verdict.at_open = Some(error.kind());
                return verdict;
            }
        };
        self.truth.compare(&store, &mut verdict);
        match store.check() {
            Ok(report) => verdict.checked_clean = report.ok,
            Err(error) => verdict.errors.push(("check", error.kind())),
        }
        store.close();
        verdict
    }
}

impl Truth {
    fn of(store: &Store, sealed: Vec<(String, Vec<u8>, Vec<u8>)>) -> Self {
        let keys = store.list_keys(&KeyFilter::new()).unwrap();
        let ids = || keys.iter().map(|key| key.key_id.clone());
        let versions = ids().map(|id| (id.clone(), store.list_key_versions(&id).unwrap())).collect();
        let usages = ids().map(|id| (id.clone(), store.key_usage(&id).unwrap())).collect();
        let indexes = ids().map(|id| (id.clone(), index(store, &id).unwrap())).collect();
        let recipients = store.recipients().unwrap();
        Self { keys, versions, usages, indexes, recipients, sealed }
    }

    fn compare(&self, store: &Store, verdict: &mut Verdict) {
        verdict.note("recipients", store.recipients(), |found| *found == self.recipients);
        verdict.note("list_keys", store.list_keys(&KeyFilter::new()), |keys| *keys == self.keys);
        for (key_id, versions) in &self.versions {
            verdict.note("list_key_versions", store.list_key_versions(key_id), |found| found == versions);
            verdict.note("key_usage", store.key_usage(key_id), |found| *found == self.usages[key_id]);
            verdict.note("blind_index", index(store, key_id), |found| *found == self.indexes[key_id]);
            let there_and_back = store
                .encrypt(key_id, b"new", &place())
                .and_then(|sealed| store.decrypt(key_id, sealed, &place()));
            verdict.note("encrypt", there_and_back, |opened| *opened == b"new"[..]);
        }
        for (key_id, plaintext, ciphertext) in &self.sealed {
            verdict.note("decrypt", store.decrypt(key_id, ciphertext, &place()), |opened| {
                *opened == plaintext[..]
            });
            // What an index misses is not a lie; what it says must be true.
            verdict.note("inspect", store.inspect(ciphertext), |found| {
                found.iter().all(|info| self.versions[key_id].iter().any(|version| version.tag == info.tag))
            });
        }
    }
}

fn place() -> Context {
    Context::new().with("table", "users")
}

fn index(store: &Store, key_id: &str) -> keyfold::Result<Vec<u8>> {
    store.key(key_id)?.blind_index(b"ada", "users.email", &IndexOptions::new())
}

#[derive(Default, Debug)]
struct Verdict {
    at_open: Option<ErrorKind>,
    errors: Vec<(&'static str, ErrorKind)>,
    /// What was served although it is false.
    lies: Vec<&'static str>,
    checked_clean: bool,
}

impl Verdict {
    fn note<T>(&mut self, what: &'static str, result: keyfold::Result<T>, is_true: impl FnOnce(&T) -> bool) {
        match result {
            Ok(value) if is_true(&value) => {}
            Ok(_) => self.lies.push(what),
            Err(error) => self.errors.push((what, error.kind())),
        }
    }

    /// What is wrong with how the change was met.
    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> =
            self.lies.iter().map(|what| format!("{what} told something false")).collect();
        if let Some(kind) = self.at_open {
            if kind != ErrorKind::IntegrityError {
                faults.push(format!("opening failed with {kind}"));
            }
            return faults;
        }
        for (what, kind) in &self.errors {
            if *kind != ErrorKind::IntegrityError {
                faults.push(format!("{what} failed with {kind}"));
            }
        }
        if self.checked_clean {
            faults.push("neither opening nor check noticed".to_owned());
        }
        faults
    }
}

/// Changes the file; false where SQLite does not let it through.
type Change = dyn Fn(&Connection) -> rusqlite::Result<bool> + Send + Sync;

/// One way to spoil a file. It answers whether SQLite let it.
struct Attack {
    name: String,
    run: Box<Change>,
}

impl Attack {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Connection) -> rusqlite::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }

    fn sql(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.clone(), move |connection| connection.execute_batch(&text).map(|()| true))
    }
}

/// Tries every attack on a copy of its own, and fails with all that were not met as they should be. How many
/// SQLite let through.
fn try_all(sample: &Sample, attacks: &[Attack]) -> usize {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            let (next, done, faults) = (&next, &done, &faults);
            scope.spawn(move || {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let path =
                        sample.copy(&format!("{}-{worker}", std::thread::current().name().unwrap_or("copy")));
                    let found = match spoil(&path, attack) {
                        false => continue,
                        true => catch_unwind(AssertUnwindSafe(|| sample.judge(&path).faults()))
                            .unwrap_or_else(|_| vec!["it panicked".to_owned()]),
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                    if !found.is_empty() {
                        faults.lock().unwrap().push(format!("{}: {}", attack.name, found.join(", ")));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {} attacks:\n{}", faults.len(), attacks.len(), faults.join("\n"));
    done.into_inner()
}

fn spoil(path: &Path, attack: &Attack) -> bool {
    let connection = hostile(path);
    let let_through = (attack.run)(&connection).unwrap_or(false);
    connection.close().unwrap();
    let_through
}

/// A table as anyone can read it.
struct Table {
    name: String,
    rows: Vec<Vec<Value>>,
}

fn tables(path: &Path) -> Vec<Table> {
    let connection = hostile(path);
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let table = |name: String| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
        Table { name, rows }
    };
    names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .into_iter()
        .map(table)
        .collect()
}

#[test]
fn a_copy_that_nobody_changed_says_the_truth() {
    let sample = Sample::new();
    let same = Attack::sql("UPDATE key SET archived = archived; UPDATE store SET root = root");
    for attack in [None, Some(&same)] {
        let path = sample.copy("copy");
        assert!(attack.is_none_or(|attack| spoil(&path, attack)));
        sample.assert_true(&path);
    }
}

/// What an administrator may do to any SQLite file without changing what it says.
#[test]
fn a_vacuumed_copy_says_the_truth() {
    let sample = Sample::new();
    for change in ["REINDEX", "VACUUM"] {
        let path = sample.copy(change);
        assert!(spoil(&path, &Attack::sql(change)));
        sample.assert_true(&path);
    }
}

/// The judge itself: what is not the truth is called a lie.
#[test]
fn the_judge_knows_a_lie() {
    let (sample, other) = (Sample::new(), Sample::new());
    let store = other.open(&other.home.path()).unwrap();
    let mut verdict = Verdict::default();
    Truth { sealed: Vec::new(), ..sample.truth }.compare(&store, &mut verdict);
    assert!(
        verdict.lies.contains(&"list_keys") && verdict.lies.contains(&"list_key_versions"),
        "{verdict:?}"
    );
    assert!(verdict.lies.contains(&"blind_index") && !verdict.lies.contains(&"encrypt"), "{verdict:?}");
}

#[test]
fn planted_rows() {
    let sample = Sample::new();
    let version = |key_id: &str, version: u32, tag: u32, current: u8| {
        format!(
            "INSERT INTO key_version SELECT '{key_id}', {version}, {tag}, prefix, {current}, state, state_reason, state_before, \
             algorithm, created_at, expires_at, destroy_at, kek_version, wrapped FROM key_version WHERE key_id = 'alpha' LIMIT 1"
        )
    };
    let key = "INSERT INTO key SELECT 'evil', kind, algorithm, NULL, description, labels, exportable, archived, \
               on_limit, expires_in, created_at FROM key WHERE key_id = 'alpha'";
    let root = |scope: &str| {
        format!(
            "INSERT INTO index_root SELECT '{scope}', 7, 0, created_at, kek_version, wrapped FROM index_root LIMIT 1"
        )
    };
    let entity = |bucket: &str, id: &str| {
        format!("INSERT INTO entity SELECT {bucket}, 'key', '{id}', mac FROM entity LIMIT 1")
    };
    let audit = |sequence: &str| {
        format!(
            "INSERT INTO audit SELECT {sequence}, record, hash FROM audit WHERE sequence = \
             (SELECT max(sequence) FROM audit)"
        )
    };
    let attacks = [
        key.to_owned(),
        format!("{key}; {}; {}", version("evil", 1, 77, 1), root("key/evil")),
        format!("{key}; {}; {}", version("evil", 1, 77, 1), entity("0", "evil")),
        version("alpha", 3, 77, 0),
        version("alpha", 9_999, 77, 0),
        version("nobody", 1, 77, 1),
        format!("UPDATE key_version SET is_current = 0 WHERE key_id = 'alpha'; {}", version("alpha", 3, 77, 1)),
        "UPDATE key_version SET is_current = 0".to_owned(),
        "UPDATE key_version SET prefix = 'raw' WHERE key_id = 'alpha'".to_owned(),
        "INSERT INTO quarantine VALUES ('key', 'alpha', 'x', 0)".to_owned(),
        "INSERT INTO quarantine VALUES ('key', 'nobody', 'x', 0)".to_owned(),
        format!("{key}; INSERT INTO quarantine VALUES ('key', 'evil', 'x', 0)"),
        "INSERT INTO purpose VALUES ('medical', 0, NULL, NULL)".to_owned(),
        "INSERT INTO purpose VALUES ('fun', 0, NULL, NULL)".to_owned(),
        root("key/alpha"),
        root("key/beta"),
        root("purpose/pii"),
        root("purpose/nothing"),
        root("recipient/master-key-1"),
        root("system_key/audit"),
        root("nonsense"),
        root("/"),
        audit("sequence + 1"),
        audit("sequence + 1000"),
        audit("0"),
        audit("-1"),
        entity("0", "evil"),
        entity("bucket", "evil"),
        entity("(bucket + 1) % 65536", "alpha"),
        "INSERT INTO entity SELECT bucket, 'demon', id, mac FROM entity LIMIT 1".to_owned(),
        "INSERT INTO tree_node SELECT 255 - node, leaves FROM tree_node WHERE 255 - node NOT IN (SELECT node FROM \
         tree_node) LIMIT 1"
            .to_owned(),
        "INSERT INTO tree_node VALUES (300, x'00')".to_owned(),
        "INSERT INTO tree_node SELECT 255 - node, x'' FROM tree_node WHERE 255 - node NOT IN (SELECT node FROM \
         tree_node) LIMIT 1"
            .to_owned(),
        "INSERT INTO system_key SELECT name, 2, created_at, kek_version, wrapped FROM system_key".to_owned(),
        "INSERT INTO system_key SELECT 'tokens', version, created_at, kek_version, wrapped FROM system_key LIMIT 1"
            .to_owned(),
        "INSERT INTO kek_wrap SELECT recipient_id, 1, encapsulated, ciphertext FROM kek_wrap".to_owned(),
        "INSERT INTO kek_wrap SELECT 'nobody', 2, encapsulated, ciphertext FROM kek_wrap LIMIT 1".to_owned(),
        "INSERT INTO store SELECT 2, store_id, created_at, generation, kek_version, wraps_signature, development, copied, \
         purge_pending, audit_sequence, audit_hash, nodes, root FROM store"
            .to_owned(),
        "INSERT INTO store SELECT 0, store_id, created_at, generation, kek_version, wraps_signature, development, copied, \
         purge_pending, audit_sequence, audit_hash, nodes, root FROM store"
            .to_owned(),
    ]
    .map(Attack::sql);
    assert_eq!(try_all(&sample, &attacks), attacks.len());
}

/// What lies ready for a key that does not exist yet must not become part of it.
#[test]
fn rows_planted_for_a_key_to_come() {
    let sample = Sample::new();
    let planted = [
        "INSERT INTO key_version SELECT 'new', 2, 78, prefix, 0, state, state_reason, state_before, algorithm, created_at, expires_at, \
         destroy_at, kek_version, wrapped FROM key_version LIMIT 1",
        "INSERT INTO key_version SELECT 'new', 5, 78, prefix, 0, 'destroyed', state_reason, state_before, algorithm, created_at, \
         expires_at, destroy_at, kek_version, wrapped FROM key_version LIMIT 1",
        "INSERT INTO index_root SELECT 'key/new', 2, 1, created_at, kek_version, wrapped FROM index_root LIMIT 1",
        "INSERT INTO index_root SELECT 'purpose/medical', 2, 1, created_at, kek_version, wrapped FROM index_root \
         LIMIT 1",
    ];
    let mut faults = Vec::new();
    for sql in planted {
        let path = sample.copy("copy");
        assert!(spoil(&path, &Attack::sql(sql)));
        let store = sample.open(&path).unwrap();
        let options =
            if sql.contains("medical") { CreateKey::new().purpose("medical") } else { CreateKey::new() };
        match store.create_key("new", &options) {
            Err(error) if error.kind() == ErrorKind::IntegrityError => {}
            other => faults
                .push(format!("create_key gave {:?} after {sql}", other.map(|info| info.current_version))),
        }
        // Nor may the attempt have taken it in.
        store.close();
        let connection = hostile(&path);
        let made: u32 = connection
            .query_row("SELECT count(*) FROM key WHERE key_id = 'new'", [], |row| row.get(0))
            .unwrap();
        if made > 0 {
            faults.push(format!("the key was made, with what was planted, after {sql}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A key taken out altogether, and its place in the tree given to something that nobody asks for.
#[test]
fn a_key_that_gave_its_place_away() {
    let sample = Sample::new();
    let out = "DELETE FROM key WHERE key_id = 'beta'; DELETE FROM key_version WHERE key_id = 'beta';
               DELETE FROM index_root WHERE scope = 'key/beta';";
    let give =
        |to: &str| Attack::sql(format!("{out} UPDATE entity SET {to} WHERE kind = 'key' AND id = 'beta'"));
    let attacks = [
        give("kind = 'usage', id = 'gone'"),
        give("bucket = bucket + 1, kind = 'usage', id = 'gone'"),
        give("bucket = bucket - 1"),
    ];
    assert_eq!(try_all(&sample, &attacks), attacks.len());
}

/// Where the tree has nothing, nothing is believed: not that a key was set aside, nor that there is none.
#[test]
fn rows_planted_where_the_tree_has_nothing() {
    let sample = Sample::new();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 65535)";
    for planted in [
        "INSERT INTO entity SELECT i, 'quarantine', 'key/new', randomblob(32) FROM n \
         WHERE i NOT IN (SELECT bucket FROM entity)",
        "INSERT INTO tree_node SELECT i, randomblob(33) FROM n WHERE i < 256 AND i NOT IN (SELECT node FROM tree_node)",
    ] {
        let path = sample.copy("copy");
        assert!(spoil(&path, &Attack::sql(format!("{numbers} {planted}"))));
        let store = sample.open(&path).unwrap();
        assert_eq!(kind(store.key_info("new")), ErrorKind::IntegrityError, "{planted}");
        assert_eq!(kind(store.create_key("new", &CreateKey::new())), ErrorKind::IntegrityError, "{planted}");
    }
}

/// A recipient of the attacker's own, whole and consistent in itself, opens nothing, and is found.
#[test]
fn a_planted_recipient_opens_nothing() {
    let (sample, attacker) = (Sample::new(), Sample::new());
    let planted = tables(&attacker.home.path());
    let mut attacks = Vec::new();
    for with_wrap in [false, true] {
        let rows: Vec<(&str, Vec<Value>)> = planted
            .iter()
            .filter(|table| table.name == "recipient" || with_wrap && table.name == "kek_wrap")
            .map(|table| {
                let mut row = table.rows[0].clone();
                row[0] = Value::Text("master-key-0".to_owned());
                (if table.name == "recipient" { "recipient" } else { "kek_wrap" }, row)
            })
            .collect();
        attacks.push(Attack::new(
            format!("recipient of another store, with wrap: {with_wrap}"),
            move |connection| {
                for (table, row) in &rows {
                    let marks = vec!["?"; row.len()].join(", ");
                    let values = rusqlite::params_from_iter(row.iter().cloned());
                    connection.execute(&format!("INSERT INTO {table} VALUES ({marks})"), values)?;
                }
                Ok(true)
            },
        ));
    }
    assert_eq!(try_all(&sample, &attacks), 2);
    for attack in &attacks {
        let path = sample.copy("copy");
        assert!(spoil(&path, attack));
        let opened = Store::open_with(&path, &attacker.home.master_key(), &OpenOptions::new());
        let refused = kind(opened);
        assert!([ErrorKind::WrongMasterKey, ErrorKind::IntegrityError].contains(&refused), "{refused}");
    }
    // A crowd of them is not tried one by one.
    let path = sample.copy("copy");
    let crowd = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO recipient \
                 SELECT 'r' || i, kind, created_at, parameters, public_key, salt, commitment, sealed FROM n, recipient WHERE \
                 recipient_id = 'master-key-1'";
    assert!(spoil(&path, &Attack::sql(crowd)));
    assert_eq!(kind(sample.open(&path)), ErrorKind::IntegrityError);
}

#[test]
fn rows_of_an_older_copy() {
    let older = Sample::new();
    let store = older.home.open();
    let early = store.anchor().unwrap().to_string();
    store.rotate_key("alpha").unwrap();
    store.rotate_key("beta").unwrap();
    store.create_key("gamma", &CreateKey::new().purpose("medical")).unwrap();
    let late = store.anchor().unwrap().to_string();
    let truth = Truth::of(&store, older.truth.sealed.clone());
    store.close();
    let home = Home { folder: tempfile::tempdir().unwrap(), secret: older.home.secret.clone() };
    let newer = Sample { bytes: std::fs::read(older.home.path()).unwrap(), truth, home };
    let (old_path, new_path) = (older.copy("older"), newer.copy("newer"));

    // Recipients and system keys are the same in both.
    let changed = ["audit", "entity", "index_root", "key", "key_version", "purpose", "store", "tree_node"];
    let put = |tables: &[&str], from: &Path| {
        let steps: Vec<_> = tables
            .iter()
            .map(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM other.{table};"))
            .collect();
        let attach = format!("ATTACH '{}' AS other", from.display());
        Attack::sql(format!("{attach}; BEGIN; {} COMMIT; DETACH other", steps.concat()))
    };
    let but_store: Vec<_> = changed.into_iter().filter(|table| *table != "store").collect();
    for (sample, other) in [(&newer, &old_path), (&older, &new_path)] {
        let mut attacks: Vec<_> = changed.iter().map(|table| put(&[table], other)).collect();
        attacks.push(put(&but_store, other));
        assert_eq!(try_all(sample, &attacks), attacks.len());
    }

    // All of it is the older copy itself: without an anchor that is a store like any other, as the docs say.
    let path = newer.copy("copy");
    assert!(spoil(&path, &put(&changed, &old_path)));
    for path in [&path, &old_path] {
        older.assert_true(path);
        let open = |options: OpenOptions| Store::open_with(path, &newer.home.master_key(), &options);
        assert!(open(OpenOptions::new().anchor(&early)).is_ok());
        assert_eq!(kind(open(OpenOptions::new().anchor(&late))), ErrorKind::IntegrityError);
    }
}

#[test]
fn a_planted_schema_is_refused() {
    let sample = Sample::new();
    let refused = [
        "CREATE TRIGGER t AFTER UPDATE ON store BEGIN DELETE FROM key; END",
        "CREATE TRIGGER t AFTER INSERT ON audit BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT * FROM key",
        "CREATE TABLE more (x)",
        "CREATE TABLE more (x INTEGER PRIMARY KEY AUTOINCREMENT)",
        // As a program does it whose SQLite has these modules; this one does not.
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'more', 'more', 0, \
         'CREATE VIRTUAL TABLE more USING fts5(x)')",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'more', 'more', 0, \
         'CREATE VIRTUAL TABLE more USING rtree(a, b, c)')",
        "CREATE INDEX i ON key (kind)",
        "CREATE UNIQUE INDEX i ON key (purpose)",
        "ANALYZE",
        "DROP INDEX key_version_current",
        "DROP INDEX key_version_tag",
        "DROP TABLE audit",
        "DROP INDEX key_version_tag; CREATE UNIQUE INDEX key_version_tag ON key_version (tag, key_id, version)",
        "ALTER TABLE key ADD COLUMN more TEXT",
        "ALTER TABLE key ADD COLUMN more TEXT GENERATED ALWAYS AS (key_id) VIRTUAL",
        "ALTER TABLE key RENAME COLUMN labels TO marks",
        "ALTER TABLE purpose RENAME TO purposes",
        "ALTER TABLE key DROP COLUMN description",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -1",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ' CHECK (is_current IN (0, 1))', '') \
         WHERE name = 'key_version'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'STRICT, WITHOUT', 'WITHOUT') \
         WHERE name = 'key'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'CREATE TABLE', 'CREATE  TABLE')",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'keys' WHERE name = 'key'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = NULL WHERE name = 'key_version_tag'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET tbl_name = 'key' WHERE name = 'key_version_tag'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 0 WHERE name = 'key_version_tag'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'key'",
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'key_version_current'",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('trigger', 't', 'key', 0, \
         'CREATE TRIGGER t AFTER UPDATE ON key BEGIN SELECT 1; END')",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'm', 'm', 0, \
         'CREATE VIRTUAL TABLE m USING sqlite_dbpage')",
        // The roots of two trees, the one put in the other's place.
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema \
         WHERE name = 'key_version_tag') WHERE name = 'key_version_current'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema \
         WHERE name = 'index_root') WHERE name = 'system_key'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema \
         WHERE name = 'audit') WHERE name = 'store'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema \
         WHERE name = 'key') WHERE name = 'key_version'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'audit'",
    ]
    .map(Attack::sql);
    let mut skipped: Vec<_> = Vec::new();
    for attack in &refused {
        if !spoil(&sample.copy("copy"), attack) {
            skipped.push(attack.name.as_str());
        }
    }
    // Modules that this SQLite was built without.
    assert!(skipped.iter().all(|name| name.contains("VIRTUAL")), "{skipped:?}");
    assert_eq!(try_all(&sample, &refused), refused.len() - skipped.len());

    let open = |sql: &str| {
        let path = sample.copy("copy");
        assert!(spoil(&path, &Attack::sql(sql)));
        kind(sample.open(&path))
    };
    assert_eq!(open("PRAGMA application_id = 1"), ErrorKind::Unsupported);
    assert_eq!(open("PRAGMA application_id = 0"), ErrorKind::Unsupported);
    assert_eq!(open("PRAGMA user_version = 2"), ErrorKind::Unsupported);
    assert_eq!(open("PRAGMA user_version = 2147483647"), ErrorKind::Unsupported);
}

/// Another file in the place of one that is open.
struct Swapped {
    sample: Sample,
    store: Store,
    generation: u64,
}

impl Swapped {
    /// The open store has gone on by one act since the sample's bytes were taken.
    fn new() -> Self {
        let sample = Sample::new();
        let options =
            OpenOptions::new().refresh_interval(common::milliseconds(10)).max_stale(common::milliseconds(20));
        let store = sample.home.open_with(&options).unwrap();
        store.rotate_key("alpha").unwrap();
        store.rotate_key("beta").unwrap();
        store.encrypt("alpha", b"", Aad::NONE).unwrap();
        let generation = store.anchor().unwrap().generation();
        Self { sample, store, generation }
    }

    /// No act that the file at the path does not have may be said to have been done, and nothing older or
    /// another's may be shown.
    fn check(&self, what: &str) {
        std::thread::sleep(common::milliseconds(60));
        let path = self.sample.home.path();
        for round in 0..3 {
            match self.store.rotate_key("alpha") {
                Err(error) => assert!(refused(error.kind()), "{what}: rotate_key gave {error:?}"),
                Ok(info) => {
                    // It must be in what a fresh opener finds. Whoever overwrites the bytes of a file in use may
                    // destroy it; then opening must say so.
                    let fresh = match self.sample.open(&path) {
                        Ok(fresh) => fresh,
                        Err(error) if what.ends_with("written into place") => {
                            assert!(
                                refused(error.kind()) || error.kind() == ErrorKind::WrongMasterKey,
                                "{error:?}"
                            );
                            continue;
                        }
                        Err(error) => panic!(
                            "{what}: round {round}: version {} was acknowledged, and the file does not open: {error:?}",
                            info.version
                        ),
                    };
                    let versions = fresh.list_key_versions("alpha").unwrap();
                    assert!(
                        versions.contains(&info),
                        "{what}: round {round}: version {} was acknowledged and is lost",
                        info.version
                    );
                }
            }
            match self.store.anchor() {
                Ok(anchor) => assert!(anchor.generation() >= self.generation, "{what}: it went back"),
                Err(error) => assert!(refused(error.kind()), "{what}: anchor gave {error:?}"),
            }
            match self.store.list_key_versions("alpha") {
                Ok(versions) => assert!(versions.len() >= 3, "{what}: it lists {} versions", versions.len()),
                Err(error) => assert!(refused(error.kind()), "{what}: list_key_versions gave {error:?}"),
            }
            match self.store.encrypt("alpha", b"ada", Aad::NONE) {
                Ok(sealed) => {
                    let version = self.store.inspect(&sealed).map(|found| found[0].version);
                    assert!(
                        version.is_err() || version.is_ok_and(|version| version >= 3),
                        "{what}: encrypts as before"
                    );
                }
                Err(error) => assert!(refused(error.kind()), "{what}: encrypt gave {error:?}"),
            }
            std::thread::sleep(common::milliseconds(15));
        }
    }
}

fn refused(kind: ErrorKind) -> bool {
    [ErrorKind::IntegrityError, ErrorKind::NotFound, ErrorKind::Busy, ErrorKind::Storage].contains(&kind)
}

#[test]
fn an_older_copy_renamed_over_an_open_store() {
    let swapped = Swapped::new();
    let copy = swapped.sample.copy("copy");
    std::fs::rename(copy, swapped.sample.home.path()).unwrap();
    assert_eq!(kind(swapped.store.rotate_key("alpha")), ErrorKind::IntegrityError);
    swapped.check("renamed older copy");
}

#[test]
fn another_store_renamed_over_an_open_store() {
    let (swapped, other) = (Swapped::new(), Sample::new());
    let copy = swapped.sample.home.folder.path().join("other");
    std::fs::write(&copy, &other.bytes).unwrap();
    std::fs::rename(copy, swapped.sample.home.path()).unwrap();
    assert_eq!(kind(swapped.store.rotate_key("alpha")), ErrorKind::IntegrityError);
    assert_eq!(kind(swapped.store.list_keys(&KeyFilter::new())), ErrorKind::IntegrityError);
    swapped.check("renamed other store");
}

#[test]
fn the_file_removed_from_under_an_open_store() {
    let swapped = Swapped::new();
    std::fs::remove_file(swapped.sample.home.path()).unwrap();
    assert_eq!(kind(swapped.store.rotate_key("alpha")), ErrorKind::NotFound);
    // Sealing goes on until max_stale, then ends.
    std::thread::sleep(common::milliseconds(100));
    assert_eq!(kind(swapped.store.encrypt("alpha", b"ada", Aad::NONE)), ErrorKind::NotFound);
}

/// What was committed last stands in the log alone: without it the store is an older one.
#[test]
fn the_log_removed_from_under_an_open_store() {
    for replaced in [false, true] {
        let swapped = Swapped::new();
        swapped.store.rotate_key("alpha").unwrap();
        let mut log = swapped.sample.home.path().into_os_string();
        log.push("-wal");
        std::fs::remove_file(&log).unwrap();
        if replaced {
            std::fs::write(&log, b"").unwrap();
        }
        // Whoever looks first says so, and nothing is acknowledged from then on.
        assert_eq!(kind(swapped.store.rotate_key("alpha")), ErrorKind::IntegrityError);
        assert!(refused(kind(swapped.store.rotate_key("alpha"))));
        assert!(refused(kind(swapped.store.list_keys(&KeyFilter::new()))));
        swapped.check("log removed");
    }
}

/// Written into the same file by a program that knows nothing of locks, as `cp` does it.
#[test]
fn an_older_copy_written_into_an_open_store() {
    let swapped = Swapped::new();
    copy_into_place(&swapped.sample.bytes, &swapped.sample.home.path());
    swapped.check("older copy written into place");
}

#[test]
fn another_store_written_into_an_open_store() {
    let (swapped, other) = (Swapped::new(), Sample::new());
    copy_into_place(&other.bytes, &swapped.sample.home.path());
    swapped.check("other store written into place");
}

/// In a process of its own: closing the file here would drop SQLite's locks on it.
fn copy_into_place(bytes: &[u8], path: &Path) {
    let source = path.with_file_name("source");
    std::fs::write(&source, bytes).unwrap();
    assert!(std::process::Command::new("cp").arg(&source).arg(path).status().unwrap().success());
}

/// Nothing that a refused opening did stays behind.
#[test]
fn refused_openings_leave_the_file_as_it_was() {
    let sample = Sample::new();
    let path = sample.copy("copy");
    let other = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    for create in [false, true] {
        let opened = Store::open_with(&path, &other, &OpenOptions::new().create(create));
        assert_eq!(kind(opened), ErrorKind::WrongMasterKey);
        assert!(std::fs::read(&path).unwrap() == sample.bytes);
    }
    assert_eq!(names(sample.home.folder.path()), ["app.keyfold", "copy"]);
}
