//! keyfold beside the `asherah` crate in one process: `asherah RESULTS.json FOLDER [--quick]`.
//!
//! asherah as its example sets it up, with its session held open: a static KMS, and keys in memory. What it gives is a
//! record, not yet the JSON that its other languages give.

#[path = "../rust/measure.rs"]
#[allow(dead_code, reason = "the other program measures more")]
mod measure;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use asherah::aead::AES256GCM;
use asherah::kms::StaticKMS;
use asherah::metastore::InMemoryMetastore;
use keyfold::{Aad, CreateKey, MasterKey, OpenOptions, Store};
use measure::{Report, Series};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let [results, folder, ..] = &arguments[..] else { anyhow::bail!("`make bench` runs this") };
    let folder = tempfile::tempdir_in(folder)?;

    let master_key = MasterKey::parse(&keyfold::generate_master_key()?)?;
    let options = OpenOptions::new().create(true);
    let store = Store::open_with(folder.path().join("bench.keyfold"), &master_key, &options)?;
    store.create_key("pii", &CreateKey::new())?;
    let key = store.key("pii")?;

    let crypto = Arc::new(AES256GCM::new());
    let kms = Arc::new(StaticKMS::new(crypto.clone(), vec![0x22; 32])?);
    let config = asherah::Config::new("service", "product");
    let metastore = Arc::new(InMemoryMetastore::new());
    let factory = asherah::api::new_session_factory(config, metastore, kms, crypto);
    let session = factory.get_session("partition");

    let message = [0x61; 32];
    let sealed = key.encrypt(&message, Aad::NONE)?;
    let record = session.encrypt(&message)?;
    let mut report = Report::new(if quick { 5 } else { 31 });
    report.compare(
        "encrypt/asherah/32",
        "encrypt 32 B beside asherah",
        vec![
            Series::new("keyfold AES256_GCM_SIV", || key.encrypt(black_box(&message), Aad::NONE)),
            Series::new("asherah", || session.encrypt(black_box(&message))),
        ],
    );
    // Its `decrypt` takes the record for good.
    report.compare(
        "decrypt/asherah/32",
        "decrypt 32 B beside asherah",
        vec![
            Series::new("keyfold AES256_GCM_SIV", || key.decrypt(black_box(&sealed), Aad::NONE)),
            Series::given("asherah", || record.clone(), |record| session.decrypt(record)),
        ],
    );
    report.write(Path::new(results), "rust", json!({"asherah": "1.0.0"}));
    Ok(())
}
