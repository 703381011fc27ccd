//! Streams of any length, under keys of kind `stream`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use keyfold::{Aad, Key, KeyKind, Result};
use serde_json::json;

use crate::files::{self, Input, Target};
use crate::message::{announce_terminal, report};
use crate::output::Console;

/// How often progress is shown.
const INTERVAL: Duration = Duration::from_millis(200);

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
        key.encrypt_stream_with(input, output, aad, &mut |done| progress(done))
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
        key.decrypt_stream_with(input, output, aad, &mut |done| progress(done))
    })
}

fn run(
    console: &Console,
    key: &Key,
    file: Option<&Path>,
    target: &Target<'_>,
    work: impl FnOnce(
        &Input,
        &mut std::fs::File,
        &mut dyn FnMut(u64) -> std::result::Result<(), keyfold::CallbackError>,
    ) -> Result<u64>,
) -> Result<()> {
    if target.is_terminal() || console.json && target.path().is_none() {
        return Err(files::invalid(
            "a stream goes to a file or a pipe: name a file with --out FILE, or leave --json out",
        ));
    }
    announce_terminal(console, file);
    let input = Input::open(file)?;
    let mut progress = Progress::new(console, input.length());
    let done = target.fill(|output| work(&input, output, &mut |done| {
        progress.show(done);
        Ok(())
    }));
    progress.clear();
    let done = done?;
    target.path().map_or(Ok(()), |path| {
        let bytes = path.metadata().map_or(done, |metadata| metadata.len());
        report(console, path, bytes, json!({ "key_id": key.id() }))
    })
}

/// A line on a terminal that says how far the work is.
struct Progress {
    total: Option<u64>,
    /// When it was shown last; `None` where nobody is to see it.
    shown: Option<Instant>,
    /// How long the line is.
    width: usize,
}

impl Progress {
    fn new(console: &Console, total: Option<u64>) -> Self {
        let seen = !console.quiet && !console.json && std::io::stderr().is_terminal();
        Self { total, shown: seen.then(Instant::now), width: 0 }
    }

    fn show(&mut self, done: u64) {
        let Some(shown) = self.shown.as_mut().filter(|shown| shown.elapsed() >= INTERVAL) else { return };
        *shown = Instant::now();
        let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
        let line = match self.total {
            Some(total) if total > 0 => {
                let percent = u128::from(done) * 100 / u128::from(total);
                format!("{} of {} ({}%)", mebibytes(done), mebibytes(total), percent.min(100))
            }
            _ => mebibytes(done),
        };
        self.write(&line);
    }

    fn clear(&mut self) {
        if self.width > 0 {
            self.write("");
            let _ = std::io::stderr().write_all(b"\r");
        }
    }

    /// Over what was there.
    fn write(&mut self, line: &str) {
        let width = self.width;
        let _ = std::io::stderr().write_all(format!("\r{line:width$}").as_bytes());
        self.width = line.len();
    }
}
