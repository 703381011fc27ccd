//! Hands every target its corpus, and changes of it that follow from the seed. On any toolchain.
//!
//!     replay CORPUS [--seed N] [--changes N] [--seconds N] [TARGET …]
//!     replay CORPUS --write-seeds
//!
//! `--seconds` is for each target, and ends the changes early. What fails is kept under `artifacts/TARGET/`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use keyfold_fuzz::changes::{Random, changed};
use keyfold_fuzz::{TARGETS, Target, seeds};

struct Orders {
    corpus: PathBuf,
    seed: u64,
    changes: usize,
    time: Duration,
    targets: Vec<String>,
    write_seeds: bool,
}

fn main() -> ExitCode {
    let Some(orders) = orders() else {
        eprintln!("usage: replay CORPUS [--seed N] [--changes N] [--seconds N] [--write-seeds] [TARGET …]");
        return ExitCode::from(2);
    };
    let chosen =
        |(name, _): &&Target| orders.targets.is_empty() || orders.targets.iter().any(|given| given == name);
    let (mut passed, mut failed) = (0, 0);
    for target in TARGETS.iter().filter(chosen) {
        let folder = orders.corpus.join(target.0);
        if orders.write_seeds {
            write(&folder, &seeds::of(target.0));
            continue;
        }
        let faults = replay(target, &read(&folder), &orders);
        if faults == 0 { passed += 1 } else { failed += 1 }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn orders() -> Option<Orders> {
    let mut arguments = std::env::args().skip(1);
    let mut orders = Orders {
        corpus: arguments.next()?.into(),
        seed: 1,
        changes: 200,
        time: Duration::from_secs(3600),
        targets: Vec::new(),
        write_seeds: false,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => orders.seed = arguments.next()?.parse().ok()?,
            "--changes" => orders.changes = arguments.next()?.parse().ok()?,
            "--seconds" => orders.time = Duration::from_secs_f64(arguments.next()?.parse().ok()?),
            "--write-seeds" => orders.write_seeds = true,
            name if TARGETS.iter().any(|(target, _)| *target == name) => orders.targets.push(name.to_owned()),
            _ => return None,
        }
    }
    Some(orders)
}

/// How many inputs failed.
fn replay((name, target): &Target, inputs: &[Vec<u8>], orders: &Orders) -> usize {
    // A target without a corpus tests nothing.
    if inputs.is_empty() {
        println!("{name}: no corpus");
        return 1;
    }
    let mut faults = 0;
    let mut run = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            faults += 1;
            println!("{name}: failed, kept as {}", keep(name, input).display());
        }
    };
    inputs.iter().for_each(|input| run(input));
    let started = Instant::now();
    let mut random = Random(orders.seed);
    let mut changes = 0;
    while changes < orders.changes && started.elapsed() < orders.time {
        run(&changed(inputs, &mut random));
        changes += 1;
    }
    println!(
        "proof: {name}: {} inputs of the corpus and {changes} changes of them, {faults} faults",
        inputs.len()
    );
    faults
}

fn read(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.iter().map(|path| std::fs::read(path).expect("an input")).collect()
}

fn write(folder: &Path, inputs: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (number, input) in inputs.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:03}")), input).expect("room for a seed");
    }
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(name);
    let sum = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let path = folder.join(format!("replay-{sum:016x}"));
    let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    path
}
