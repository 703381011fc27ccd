//! Every case of `tests/edge_inputs.json` that Rust can express, through the public interface.

mod common;
#[path = "edge_inputs/operations.rs"]
mod operations;
#[path = "edge_inputs/values.rs"]
mod values;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use common::Home;
use keyfold::{CreateKey, MasterKey, OpenOptions, Result, Store};
use serde_json::{Map, Value};
use values::{Got, Values};

const TABLE: &str = include_str!("../../tests/edge_inputs.json");

struct Table {
    secret: String,
    values: Map<String, Value>,
    cases: Vec<Value>,
}

impl Table {
    fn read() -> Self {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        Self {
            secret: table["master_key"].as_str().unwrap().to_owned(),
            values: table["values"].as_object().unwrap().clone(),
            cases: table["cases"].as_array().unwrap().clone(),
        }
    }
}

#[test]
fn every_case() {
    let table = Table::read();
    let folder = Home::new();
    // Made once; each case works on a copy.
    let sample = folder.folder.path().join("sample");
    let master_key = MasterKey::parse(&table.secret).unwrap();
    let store = Store::open_with(&sample, &master_key, &OpenOptions::new().create(true)).unwrap();
    for key_id in ["pii", "other"] {
        store.create_key(key_id, &CreateKey::new()).unwrap();
    }
    store.close();
    let (mut ran, mut excused, mut failed) = (0, 0, Vec::new());
    for case in &table.cases {
        if case["not_in"].get("rust").is_some() {
            excused += 1;
            continue;
        }
        // A panic is a failure of its case, not the end.
        let outcome = std::panic::catch_unwind(|| Place::new(&table, &sample).run(case));
        ran += 1;
        match outcome {
            Ok(None) => {}
            Ok(Some(problem)) => failed.push(format!("{}: {problem}", case["name"])),
            Err(_) => failed.push(format!("{}: a panic", case["name"])),
        }
    }
    println!("{ran} cases, {excused} that Rust cannot express");
    assert!(failed.is_empty(), "{} of {ran} cases:\n{}", failed.len(), failed.join("\n"));
    assert_eq!(ran + excused, table.cases.len());
    assert!(ran >= 400, "only {ran} cases");
}

/// Where one case happens.
struct Place<'t> {
    home: Home,
    secret: &'t str,
    values: Values,
    store: Option<Store>,
    lock: Option<rusqlite::Connection>,
}

impl<'t> Place<'t> {
    fn new(table: &'t Table, sample: &Path) -> Self {
        let home = Home::new();
        std::fs::copy(sample, home.folder.path().join("S")).unwrap();
        Self { home, secret: &table.secret, values: Values::new(&table.values), store: None, lock: None }
    }

    /// What is wrong with what came out.
    fn run(mut self, case: &Value) -> Option<String> {
        let steps = case["first"].as_array().map_or(&[][..], Vec::as_slice);
        steps.iter().chain([case]).find_map(|step| {
            let outcome = self.act(step);
            let problem = self.judge(step, &outcome)?;
            Some(format!("{}: {problem}", step["op"]))
        })
    }

    fn judge(&mut self, step: &Value, outcome: &Result<Got>) -> Option<String> {
        let expected = step["expect"].as_str().unwrap_or("ok");
        match outcome {
            Ok(got) => {
                self.values.keep(step, got);
                if expected != "ok" {
                    return Some(format!("it succeeded, expected {expected}"));
                }
                let gives = step.get("gives").filter(|gives| !self.values.matches(got, gives))?;
                Some(format!("gave {got:?}, expected {gives}"))
            }
            Err(error) => {
                assert!(!error.message().is_empty());
                if error.kind().code().strip_prefix("KEYFOLD_") != Some(expected) {
                    return Some(format!(
                        "{} ({}), expected {expected}",
                        error.kind().code(),
                        error.message()
                    ));
                }
                let index = step.get("index")?.as_u64().map(|index| index as usize);
                (index != error.index()).then(|| format!("at {:?}, expected {index:?}", error.index()))
            }
        }
    }

    fn path(&self, name: &Value) -> PathBuf {
        self.home.folder.path().join(name.as_str().unwrap_or("S"))
    }

    /// The store of this case: S, unless a step opened another or closed it for good.
    fn store(&mut self) -> Result<Store> {
        if self.store.is_none() {
            self.store = Some(Store::open_with(
                self.path(&Value::Null),
                &MasterKey::parse(self.secret)?,
                &OpenOptions::new(),
            )?);
        }
        Ok(self.store.clone().unwrap())
    }

    /// Lets go of the store, so that its file can be changed.
    fn let_go(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
    }
}

/// The table keeps to its own vocabulary, so that no driver skips what another one runs.
#[test]
fn the_table_is_sound() {
    let table = Table::read();
    let mut names = HashSet::new();
    let known: Vec<_> =
        keyfold::ErrorKind::ALL.iter().map(|kind| kind.code().trim_start_matches("KEYFOLD_")).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for case in &table.cases {
        let name = case["name"].as_str().unwrap();
        assert!(names.insert(name), "{name:?} is there twice");
        let expected = case["expect"].as_str().unwrap();
        assert!(expected == "ok" || known.contains(&expected), "{name}: {expected}");
        assert!(expected == "ok" || case.get("gives").is_none(), "{name}: an error gives nothing");
        let excused = case.get("not_in").and_then(Value::as_object);
        for (door, reason) in excused.into_iter().flatten() {
            assert!(["rust", "c", "python", "node", "cli"].contains(&door.as_str()), "{name}: {door}");
            assert!(reason.as_str().is_some_and(|reason| reason.len() > 10), "{name}: say why not in {door}");
        }
        for door in ["rust", "c", "python", "node", "cli"] {
            *counts.entry(door).or_default() +=
                usize::from(excused.is_none_or(|excused| !excused.contains_key(door)));
        }
        assert!(excused.is_none_or(|excused| excused.len() < 5), "{name}: it runs nowhere");
    }
    assert!(counts.values().all(|count| *count >= 300), "{counts:?}");
}
