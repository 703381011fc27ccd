//! Rust beside the bare AEADs and SQLite itself. `benches/run.py` calls it; the `asherah` crate has a program of its own,
//! in `benches/peers`.
//!
//! `speed RESULTS.json FOLDER [--quick] [PART…]` measures everything or some parts (messages, streams, threads, stores,
//! rotation), with its stores in the folder. `speed bare-file encrypt|decrypt|copy FROM TO` is the bare AEAD for files.

mod bare;
#[allow(dead_code, reason = "the program in benches/peers measures otherwise")]
mod measure;
mod messages;
mod rotation;
mod stores;
mod streams;
mod threads;

use std::path::Path;

use keyfold::{MasterKey, OpenOptions, Store};
use serde_json::json;

use measure::Report;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["bare-file", how, from, to] => streams::bare_file(how, from, to).expect("a file"),
        [results, folder, ref options @ ..] => measure_some(Path::new(results), Path::new(folder), options),
        _ => eprintln!("`make bench` runs this"),
    }
}

fn measure_some(results: &Path, folder: &Path, options: &[&str]) {
    let folder = tempfile::tempdir_in(folder).expect("a temporary folder");
    let folder = folder.path();
    let master_key =
        MasterKey::parse(&keyfold::generate_master_key().expect("randomness")).expect("a master key");
    let opening = OpenOptions::new().create(true);
    let store = Store::open_with(folder.join("bench.keyfold"), &master_key, &opening).expect("a new store");
    let mut report = Report::new(if options.contains(&"--quick") { 5 } else { 31 });
    let named = options.iter().any(|option| !option.starts_with('-'));
    let wanted = |part| !named || options.contains(&part);
    if wanted("messages") {
        messages::measure(&mut report, &store);
    }
    if wanted("streams") {
        streams::measure(&mut report, &store);
    }
    if wanted("threads") {
        threads::measure(&mut report, &store);
    }
    if wanted("stores") {
        stores::measure(&mut report, folder, &master_key);
    }
    if wanted("rotation") {
        rotation::measure(&mut report, folder, &master_key);
    }
    report.write(results, "rust", json!({"keyfold": env!("CARGO_PKG_VERSION")}));
}
