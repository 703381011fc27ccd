//! Every cell of every table changed, every row dropped, doubled, exchanged and put back from elsewhere: how each is
//! met stands in docs/tampering.md, and nothing false is ever served.
//!
//! The long form changes every cell in four ways, those of the first rows and of what was set aside in every way, and does everything to every
//! row; the short form tries something of every line of the page. The page must name whatever is seen; KEYFOLD_BLESS=1
//! adds it. How a cell is met depends on its row, and on where the store's random ids fall in the MAC tree.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::rich::{Rich, Verdict, is_refusal, put};
use common::{Random, hostile, proof};
use keyfold::ErrorKind;
use rusqlite::Connection;
use rusqlite::ffi::ErrorCode;
use rusqlite::types::Value;

/// Of each line of the page, how many attacks the short form tries.
const EACH: usize = 1;
/// In how many ways a cell is changed, but for those of a table's first rows.
const WAYS: usize = 4;
const FIRST_ROWS: usize = 2;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tampering.md");
/// The rows of a key and a purpose that were set aside.
const ASIDE: &str = " (set aside)";
/// As what was set aside may be met: nothing uses it.
const NOBODY: &str = "not noticed";
const BEGIN: &str = "<!-- met: written by core/tests/tampering_cells.rs -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn every_cell_and_every_row() {
    let mut random = Random(proof::seed());
    let rich = Rich::new();
    let all = attacks(&rich);
    let attacks = if proof::long() { all } else { some_of_each(all, &mut random) };
    let (seen, done) = try_all(&rich, &attacks);
    println!("proof: {done} of {} changes to cells and rows were let through and judged", attacks.len());
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (table, foot) = rest.split_once(END).unwrap();
    let known = parse(table);
    if std::env::var_os("KEYFOLD_BLESS").is_some() {
        let written = format!("{head}{BEGIN}{}{END}{foot}", render(&union(known, &seen)));
        std::fs::write(PAGE, written).unwrap();
        return;
    }
    // Two copies may agree in a row by chance, and there is then nothing to put back.
    let untried: Vec<_> =
        known.keys().filter(|line| line.1.starts_with("column") && !seen.contains_key(line)).collect();
    assert!(untried.is_empty(), "docs/tampering.md names what was not tried: {untried:?}");
    for (line, met) in &seen {
        let said = known.get(line).unwrap_or_else(|| panic!("docs/tampering.md has no line for {line:?}"));
        let missing: Vec<_> = met.difference(said).collect();
        assert!(missing.is_empty(), "docs/tampering.md does not say of {line:?}: {missing:?}");
    }
}

/// The judge itself: another store's answers are lies, and what nobody changed is found to be true.
#[test]
fn the_judge_knows_truth_and_lies() {
    let rich = Rich::new();
    let path = rich.copy("copy");
    let verdict = rich.judge(&path, true);
    assert!(verdict.at_open.is_none() && !verdict.at_use && !verdict.at_check, "{verdict:?}");
    assert!(verdict.faults.is_empty(), "{verdict:?}");
    put(&path, &rich.older);
    let verdict = rich.judge(&path, false);
    for asked in ["list_keys", "list_key_versions life", "purposes", "key_usage beta", "decrypt"] {
        assert!(verdict.faults.iter().any(|fault| fault.starts_with(asked)), "{asked}: {verdict:?}");
    }
    // The tables are loosened and fastened again without a trace.
    let path = rich.copy("copy");
    let before = Table::all(&path);
    for table in &before {
        for shape in [Shape::Untyped, Shape::Doubling, Shape::IndexesLeft] {
            assert!(loosened(&hostile(&path), table, shape, |_| Ok(())).is_ok());
        }
    }
    let verdict = rich.judge(&path, false);
    assert!(verdict.at_open.is_none() && !verdict.at_use && !verdict.at_check, "{verdict:?}");
}

/// What is done to the file.
type Change<'a> = Box<dyn Fn(&Connection) -> rusqlite::Result<()> + Send + Sync + 'a>;

/// One way to spoil a file.
struct Attack<'a> {
    /// Its line of the page: table, and column or what is done to the row.
    line: (String, String),
    what: String,
    run: Change<'a>,
}

/// How attacks of a line were met.
type Seen = BTreeMap<(String, String), BTreeSet<String>>;

fn try_all(rich: &Rich, attacks: &[Attack<'_>]) -> (Seen, usize) {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let faults = Mutex::new(Vec::new());
    let seen = Mutex::new(Seen::new());
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            let (next, done, faults, seen) = (&next, &done, &faults, &seen);
            scope.spawn(move || {
                let name = format!("copy-{worker}");
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let path = rich.copy(&name);
                    let connection = hostile(&path);
                    let outcome = (attack.run)(&connection);
                    connection.close().unwrap();
                    if let Err(error) = outcome {
                        // Rows that are the same in all columns have no place in an index, or in a tree by number.
                        let is_corrupt = error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt);
                        if is_corrupt && attack.line.1 != "a row doubled" {
                            let fault = format!("{:?}: {}: was not tried: {error}", attack.line, attack.what);
                            faults.lock().unwrap().push(fault);
                        }
                        // Whatever of it is there is not what was to be tried.
                        seen.lock().unwrap().entry(attack.line.clone()).or_default();
                        continue;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    let judged = catch_unwind(AssertUnwindSafe(|| rich.judge(&path, true)));
                    let verdict = judged.unwrap_or_else(|_| Verdict {
                        faults: vec!["it panicked".to_owned()],
                        ..Verdict::default()
                    });
                    let (met, mut found) = met(&verdict);
                    if met == NOBODY && !attack.line.0.ends_with(ASIDE) {
                        found.push(format!("it is met so: {met}"));
                    }
                    seen.lock().unwrap().entry(attack.line.clone()).or_default().insert(met.to_owned());
                    let mut faults = faults.lock().unwrap();
                    faults.extend(found.into_iter().map(|fault| {
                        format!("{}.{}: {}: {fault}", attack.line.0, attack.line.1, attack.what)
                    }));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    (seen.into_inner().unwrap(), done.into_inner())
}

fn met(verdict: &Verdict) -> (&'static str, Vec<String>) {
    let mut faults = verdict.faults.clone();
    let met = match verdict.at_open {
        Some(ErrorKind::IntegrityError) => "IntegrityError at opening",
        Some(ErrorKind::WrongMasterKey) => "WrongMasterKey at opening",
        Some(kind) => {
            faults.push(format!("opening failed with {kind}"));
            "another error at opening"
        }
        None if verdict.at_use && verdict.at_check => "IntegrityError at use",
        None if verdict.at_use => {
            faults.push("an act refuses what the check finds in order".to_owned());
            "IntegrityError at use"
        }
        None if verdict.at_check => "found by check",
        None => NOBODY,
    };
    debug_assert!(verdict.at_open.is_none_or(is_refusal) || !faults.is_empty());
    (met, faults)
}

fn some_of_each<'a>(attacks: Vec<Attack<'a>>, random: &mut Random) -> Vec<Attack<'a>> {
    let mut by_line: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for attack in attacks {
        by_line.entry(attack.line.clone()).or_default().push(attack);
    }
    let mut chosen = Vec::new();
    for mut of_line in by_line.into_values() {
        for _ in 0..EACH.min(of_line.len()) {
            chosen.push(of_line.swap_remove(random.below(of_line.len())));
        }
    }
    chosen
}

const LETS_NONE: &str = "SQLite lets none in";

fn render(seen: &Seen) -> String {
    let mut page = "| table | what is changed | how it is met |\n|---|---|---|\n".to_owned();
    for ((table, what), met) in seen {
        let met: Vec<_> = met.iter().map(String::as_str).collect();
        let met = if met.is_empty() { LETS_NONE.to_owned() } else { met.join("; ") };
        page += &format!("| {table} | {what} | {met} |\n");
    }
    page
}

fn parse(table: &str) -> Seen {
    let mut seen = Seen::new();
    for line in table.lines().skip(2) {
        let [table, what, met] = line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("not a line of docs/tampering.md: {line}");
        };
        let met = met.split("; ").filter(|met| *met != LETS_NONE).map(str::to_owned).collect();
        seen.insert((table.to_owned(), what.to_owned()), met);
    }
    seen
}

fn union(mut known: Seen, seen: &Seen) -> Seen {
    for (line, met) in seen {
        known.entry(line.clone()).or_default().extend(met.iter().cloned());
    }
    known
}

/// A table as anyone can read it.
struct Table {
    name: String,
    columns: Vec<String>,
    /// The first so many columns are its primary key.
    keys: usize,
    /// That is SQLite's own number of the row: nothing but an integer can stand in it.
    by_number: bool,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn all(path: &Path) -> Vec<Self> {
        let connection = hostile(path);
        let names = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let table = |name: String| {
            let columns = names(&format!("SELECT name FROM pragma_table_info('{name}') ORDER BY cid"));
            let keys =
                names(&format!("SELECT name FROM pragma_table_info('{name}') WHERE pk > 0 ORDER BY pk"));
            assert_eq!(columns[..keys.len()], keys, "a primary key is not the first columns of {name}");
            let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
            let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
            let rows: Vec<_> = statement.query_map([], row).unwrap().map(Result::unwrap).collect();
            let sql = names(&format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'")).concat();
            let by_number = !sql.ends_with("WITHOUT ROWID");
            Self { name, rows, keys: keys.len(), by_number, columns: columns.clone() }
        };
        names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .into_iter()
            .map(table)
            .collect()
    }

    /// The table's name on the page, where this row is concerned.
    fn title(&self, row: &[Value]) -> String {
        let is = |place: usize, text: &str| row[place] == Value::Text(text.to_owned());
        let aside = match self.name.as_str() {
            "key" | "key_version" => is(0, "bad"),
            "purpose" => is(0, "medical"),
            "index_root" => is(0, "key/bad") || is(0, "purpose/medical"),
            _ => false,
        };
        format!("`{}`{}", self.name, if aside { ASIDE } else { "" })
    }

    /// The row with the same primary key.
    fn same(&self, row: &[Value]) -> Option<&Vec<Value>> {
        self.rows.iter().find(|other| other[..self.keys] == row[..self.keys])
    }

    fn delete(&self, connection: &Connection, row: &[Value]) -> rusqlite::Result<()> {
        let place: Vec<_> = self.columns[..self.keys].iter().map(|name| format!("{name} IS ?")).collect();
        let sql = format!("DELETE FROM {} WHERE {}", self.name, place.join(" AND "));
        let gone = connection.execute(&sql, rusqlite::params_from_iter(row[..self.keys].iter().cloned()))?;
        assert_eq!(gone, 1, "{} has no such row", self.name);
        Ok(())
    }

    fn insert(&self, connection: &Connection, row: &[Value]) -> rusqlite::Result<()> {
        let marks = vec!["?"; row.len()].join(", ");
        let sql = format!("INSERT INTO {} VALUES ({marks})", self.name);
        connection.execute(&sql, rusqlite::params_from_iter(row.iter().cloned())).map(drop)
    }

    fn has(&self, connection: &Connection, row: &[Value]) -> rusqlite::Result<bool> {
        let place: Vec<_> = self.columns.iter().map(|name| format!("{name} IS ?")).collect();
        let sql = format!("SELECT count(*) FROM {} WHERE {}", self.name, place.join(" AND "));
        connection.query_row(&sql, rusqlite::params_from_iter(row.iter().cloned()), |row| row.get(0))
    }

    /// Puts rows in the place of others, whatever the schema says.
    fn replace(
        &self,
        connection: &Connection,
        shape: Shape,
        old: &[&[Value]],
        new: &[&[Value]],
    ) -> rusqlite::Result<()> {
        loosened(connection, self, shape, |connection| {
            old.iter().try_for_each(|row| self.delete(connection, row))?;
            new.iter().try_for_each(|row| self.insert(connection, row))?;
            // NULL becomes the next number, and a text that is one becomes it.
            match (old, new) {
                ([old], [_]) if self.by_number && self.has(connection, old)? => {
                    Err(rusqlite::Error::StatementChangedRows(0))
                }
                _ => Ok(()),
            }
        })
    }
}

/// What a table is taken for while it is changed: its tree stays as it is.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Anything may stand in its columns, and its indexes are not unique.
    Untyped,
    /// As well, it has one more column, so that two rows can be the same in all others.
    Doubling,
    /// As untyped, and its indexes stay behind.
    IndexesLeft,
}

/// Changes a table under another schema than its own, in one transaction.
fn loosened(
    connection: &Connection,
    table: &Table,
    shape: Shape,
    change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut objects: Vec<(String, String, String)> = Vec::new();
    {
        let sql = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE tbl_name = ?1";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([&table.name])?;
        while let Some(row) = rows.next()? {
            objects.push((row.get(0)?, row.get(1)?, row.get(2)?));
        }
    }
    let more = if shape == Shape::Doubling { ", more" } else { "" };
    let key = match shape {
        Shape::Doubling => format!("{}{more}", table.columns.join(", ")),
        _ => table.columns[..table.keys].join(", "),
    };
    // Its tree must be what the other schema takes it for.
    let loose = match table.by_number {
        false => format!(
            "CREATE TABLE {} ({}{more}, PRIMARY KEY ({key})) WITHOUT ROWID",
            table.name,
            table.columns.join(", ")
        ),
        true => {
            let (key, others) = table.columns.split_first().unwrap();
            format!("CREATE TABLE {} ({key} INTEGER PRIMARY KEY, {}{more})", table.name, others.join(", "))
        }
    };
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    let set = |name: &str, owner: &str, sql: &str| {
        connection
            .execute("UPDATE sqlite_schema SET tbl_name = ?2, sql = ?3 WHERE name = ?1", [name, owner, sql])
    };
    for (name, owner, sql) in &objects {
        let index = sql.replace("CREATE UNIQUE INDEX", "CREATE INDEX");
        match (name == owner, shape) {
            (true, _) => set(name, owner, &loose)?,
            (false, Shape::IndexesLeft) => {
                set(name, "audit", &format!("CREATE INDEX {name} ON audit (hash)"))?
            }
            (false, _) => set(name, owner, &index)?,
        };
    }
    connection.execute_batch("PRAGMA writable_schema = RESET")?;
    let outcome = change(connection);
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    for (name, owner, sql) in &objects {
        set(name, owner, sql)?;
    }
    connection.execute_batch("PRAGMA writable_schema = RESET")?;
    outcome
}

fn attacks(rich: &Rich) -> Vec<Attack<'_>> {
    let read = |bytes: &[u8]| -> &'static [Table] {
        let path = rich.home.folder.path().join("read");
        put(&path, bytes);
        Table::all(&path).leak()
    };
    let now = read(&rich.bytes);
    let elsewhere: &'static [_] = Box::leak(Box::new([
        ("an older copy", read(&rich.older)),
        ("an older copy under an earlier KEK", read(&rich.oldest)),
        ("another store", read(&rich.other)),
    ]));
    let mut attacks = Vec::new();
    for (at, table) in now.iter().enumerate() {
        assert!(!table.rows.is_empty(), "{} has no rows: nothing would be tried", table.name);
        let others: Vec<_> = elsewhere.iter().map(|(whose, tables)| (*whose, &tables[at])).collect();
        for (number, row) in table.rows.iter().enumerate() {
            cells(table, number, row, &others, &mut attacks);
            rows(table, number, row, &others, &mut attacks);
        }
    }
    for (at, table) in now.iter().enumerate() {
        for (whose, tables) in elsewhere {
            for row in tables[at].rows.iter().filter(|row| table.same(row).is_none()) {
                attacks.push(Attack {
                    line: (table.title(row), format!("a row that it has not, from {whose}")),
                    what: format!("{:?}", row[..table.keys].iter().map(shown).collect::<Vec<_>>()),
                    run: Box::new(move |connection| table.replace(connection, Shape::Untyped, &[], &[row])),
                });
            }
        }
    }
    attacks
}

fn cells(
    table: &'static Table,
    number: usize,
    row: &'static [Value],
    elsewhere: &[(&'static str, &'static Table)],
    attacks: &mut Vec<Attack<'_>>,
) {
    let few = number >= FIRST_ROWS && !table.title(row).ends_with(ASIDE);
    for (column, name) in table.columns.iter().enumerate() {
        let mut values = changes(&row[column]);
        values.push(table.rows[(number + 1) % table.rows.len()][column].clone());
        values.extend(elsewhere.iter().filter_map(|(_, other)| Some(other.same(row)?[column].clone())));
        // Which ways differs from cell to cell.
        let turn = number % values.len();
        values.rotate_left(turn);
        let mut tried: Vec<Value> = vec![row[column].clone()];
        for value in values {
            if tried.contains(&value) || few && tried.len() > WAYS {
                continue;
            }
            tried.push(value.clone());
            let indexed = table.name == "key_version"
                && ["key_id", "version", "tag", "is_current"].contains(&name.as_str());
            for shape in [Shape::Untyped, Shape::IndexesLeft] {
                if shape == Shape::IndexesLeft && !indexed {
                    continue;
                }
                let value = value.clone();
                let left = if shape == Shape::IndexesLeft { ", its indexes left" } else { "" };
                attacks.push(Attack {
                    line: (table.title(row), format!("column `{name}`")),
                    what: format!("row {number} = {}{left}", shown(&value)),
                    run: Box::new(move |connection| {
                        let mut changed = row.to_vec();
                        changed[column] = value.clone();
                        table.replace(connection, shape, &[row], &[&changed])
                    }),
                });
            }
        }
    }
}

fn rows(
    table: &'static Table,
    number: usize,
    row: &'static [Value],
    elsewhere: &[(&'static str, &'static Table)],
    attacks: &mut Vec<Attack<'_>>,
) {
    let mut add = |what: String, run: Change<'static>| {
        attacks.push(Attack { line: (table.title(row), what), what: format!("row {number}"), run });
    };
    add(
        "a row dropped".to_owned(),
        Box::new(move |connection| table.replace(connection, Shape::Untyped, &[row], &[])),
    );
    if table.name == "key_version" {
        add(
            "a row dropped".to_owned(),
            Box::new(move |connection| table.replace(connection, Shape::IndexesLeft, &[row], &[])),
        );
    }
    add(
        "a row doubled".to_owned(),
        Box::new(move |connection| {
            let with = |more| [row, &[Value::Integer(more)][..]].concat();
            table.replace(connection, Shape::Doubling, &[row], &[&with(0), &with(1)])
        }),
    );
    for key in 0..table.keys {
        let mut other = row.to_vec();
        other[key] = match &row[key] {
            Value::Integer(number) => Value::Integer(number + 100),
            Value::Text(text) => Value::Text(format!("{text}-2")),
            other => panic!("a key of type {other:?}"),
        };
        add(
            format!("a row doubled under another `{}`", table.columns[key]),
            Box::new(move |connection| table.replace(connection, Shape::Untyped, &[], &[&other])),
        );
    }
    let partner: &'static [Value] = &table.rows[(number + 1) % table.rows.len()];
    if partner[table.keys..] != row[table.keys..] {
        let crossed = |key: &[Value], rest: &[Value]| [&key[..table.keys], &rest[table.keys..]].concat();
        let (one, two) = (crossed(row, partner), crossed(partner, row));
        add(
            "two rows exchanged".to_owned(),
            Box::new(move |connection| {
                table.replace(connection, Shape::Untyped, &[row, partner], &[&one, &two])
            }),
        );
    }
    for (whose, other) in elsewhere {
        let Some(replayed) = other.same(row).filter(|replayed| replayed[..] != *row) else { continue };
        add(
            format!("a row put back from {whose}"),
            Box::new(move |connection| table.replace(connection, Shape::Untyped, &[row], &[replayed])),
        );
    }
}

fn shown(value: &Value) -> String {
    let text = format!("{value:?}");
    text.chars().take(60).collect()
}

/// What a cell may be changed to.
fn changes(value: &Value) -> Vec<Value> {
    let flipped = |bytes: &[u8], place: usize, bit: u8| {
        let mut bytes = bytes.to_vec();
        bytes[place] ^= bit;
        bytes
    };
    let mut changes = match value {
        Value::Null => vec![Value::Integer(1), Value::Integer(-1)],
        Value::Integer(number) => vec![
            Value::Integer(number.wrapping_add(1)),
            Value::Integer(0),
            Value::Integer(-1),
            Value::Integer(i64::MAX),
            Value::Integer(i64::MIN),
            Value::Text(number.to_string()),
        ],
        Value::Real(number) => vec![Value::Real(number + 1.0)],
        Value::Text(text) => vec![
            Value::Text(format!("{text}x")),
            Value::Text(text[..text.len() / 2].to_owned()),
            Value::Text(String::new()),
            // Up to its first NUL it is the same text.
            Value::Text(format!("{text}\0")),
            Value::Blob(text.as_bytes().to_vec()),
        ],
        Value::Blob(bytes) if bytes.is_empty() => vec![Value::Blob(vec![0]), Value::Blob(vec![7; 60])],
        Value::Blob(bytes) => vec![
            Value::Blob(flipped(bytes, 0, 1)),
            Value::Blob(flipped(bytes, bytes.len() - 1, 0x80)),
            Value::Blob(bytes[1..].to_vec()),
            Value::Blob([bytes, &[0][..]].concat()),
            Value::Blob(Vec::new()),
            Value::Text("x".repeat(bytes.len())),
        ],
    };
    changes.extend([
        Value::Null,
        Value::Real(0.5),
        Value::Text("x".to_owned()),
        Value::Blob(vec![0; 5_000]),
        Value::Text("y".repeat(100_000)),
    ]);
    changes
}
