//! Streams of any length, under keys of kind `stream`.

use std::fs::File;
use std::path::Path;

use keyfold::{Aad, Key, KeyKind, Result};
use serde_json::json;

use crate::files::{self, Input, Target};
use crate::message::{announce_terminal, report};
use crate::output::Console;
use crate::progress::{Progress, share};

/// Whether messages under this key are streams.
pub fn is_for(key: &Key) -> Result<bool> {
    Ok(key.info()?.kind == KeyKind::Stream)
}

/// Encrypts all of the input, in constant memory.
pub fn encrypt(
    console: &Console,
    key: &Key,
    file: Option<&Path>,
    aad: Aad<'_>,
    target: &Target<'_>,
) -> Result<()> {
    run(console, key, file, target, |input, output, progress| {
        key.encrypt_stream_with(input, output, aad, progress)
    })
}

/// Decrypts all of the input, in constant memory. What goes to standard output is provisional until the end.
pub fn decrypt(
    console: &Console,
    key: &Key,
    file: Option<&Path>,
    aad: Aad<'_>,
    target: &Target<'_>,
) -> Result<()> {
    run(console, key, file, target, |input, output, progress| {
        key.decrypt_stream_with(input, output, aad, progress)
    })
}

fn run(
    console: &Console,
    key: &Key,
    file: Option<&Path>,
    target: &Target<'_>,
    work: impl FnOnce(&Input, &mut File, &mut keyfold::Progress<'_>) -> Result<u64>,
) -> Result<()> {
    if target.is_terminal() || console.json && target.path().is_none() {
        return Err(files::invalid(
            "a stream goes to a file or a pipe: name a file with --out FILE, or leave --json out",
        ));
    }
    announce_terminal(console, file);
    let input = Input::open(file)?;
    let total = input.length();
    let mut progress = Progress::new(console);
    let done = target.fill(|output| {
        work(&input, output, &mut |done| {
            progress.show(&share(done, total));
            Ok(())
        })
    });
    progress.clear();
    let done = done?;
    target.path().map_or(Ok(()), |path| {
        let bytes = path.metadata().map_or(done, |metadata| metadata.len());
        report(console, path, bytes, json!({ "key_id": key.id() }))
    })
}
