//! A power cut at any moment: what was acknowledged is on disk, and the store is whole.
//!
//! A script of everything that a store does runs once and every write, change of size, name and sync of it is recorded.
//! From the record follow the disks that a cut could leave: what was not synced is there or not, in any order, torn at
//! 512 bytes, and where a file grew it may hold garbage. Each is opened and held against what was acknowledged.

#![cfg(target_os = "linux")]

mod common;
mod disk;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use common::Random;
use common::proof::{long, seed};
use disk::recording::{Disk, Recording, Without, write};
use disk::script::{Model, Place, STEPS, Step};
use disk::syscalls::Effect;
use keyfold::{ErrorKind, OpenOptions, VersionState};

/// A script that was run once and recorded, with what must be there after each of its steps.
struct Life {
    recording: Recording,
    place: Place,
    names: Vec<&'static str>,
    models: Vec<Model>,
    _folder: tempfile::TempDir,
}

/// The disks of one proof, and what was wrong with them.
#[derive(Default)]
struct Tally {
    states: usize,
    before: usize,
    after: usize,
    problems: Vec<String>,
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl Life {
    /// Runs the steps; each call is made unless `fails` says otherwise. A step that failed is tried again.
    fn of(steps: &[Step], mut fails: impl FnMut(&Effect) -> Option<i64> + Send) -> Self {
        let folder = folder();
        let recording = Recording::of(folder.path());
        let mut place = Place::new(folder.path());
        let mut models = vec![place.model.clone()];
        recording.record(&mut fails, || {
            for (name, step) in steps {
                attempt(&mut place, name, *step);
                place.seal();
                place.acknowledge();
                recording.mark();
                models.push(place.model.clone());
            }
        });
        place.store = None;
        let names = steps.iter().map(|(name, _)| *name).collect();
        Self { recording, place, names, models, _folder: folder }
    }

    /// A moment: any, or one just after something was acknowledged.
    fn cut(&self, random: &mut Random) -> usize {
        let marks = self.recording.marks();
        match random.below(2) {
            0 => random.below(self.recording.length() + 1),
            _ => (marks[random.below(marks.len())] + random.below(3)).min(self.recording.length()),
        }
    }

    /// Opens a disk of this moment, and what is wrong with it.
    fn check(&self, cut: usize, disk: &Disk, random: &mut Random, tally: &mut Tally) {
        let home = folder();
        write(disk, home.path());
        // SQLite's shared memory may have come to disk too, and is worth nothing.
        if random.below(4) == 0 {
            std::fs::write(home.path().join("app.keyfold-shm"), random.bytes(32768)).unwrap();
        }
        let (done, before, after) = self.around(cut);
        tally.states += 1;
        let verified = catch_unwind(AssertUnwindSafe(|| self.place.moved(home.path()).verify(before, after)));
        match verified {
            Ok(Ok(false)) => tally.before += 1,
            Ok(Ok(true)) => tally.after += 1,
            problem => tally.problems.push(format!(
                "cut before event {cut}, in step {:?}: {problem:?}",
                self.names.get(done).unwrap_or(&"none")
            )),
        }
    }

    /// How many steps were acknowledged by then; what must be there, or the next that may.
    fn around(&self, cut: usize) -> (usize, &Model, &Model) {
        let done = self.recording.marks().iter().filter(|mark| **mark <= cut).count();
        (done, &self.models[done], &self.models[(done + 1).min(self.models.len() - 1)])
    }

    fn survives(&self, states: usize, without: Without, random: &mut Random) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..states {
            let cut = self.cut(random);
            let disk = self.recording.disk(cut, without, random);
            self.check(cut, &disk, random, &mut tally);
        }
        tally
    }
}

/// What fails here is told, and can be done again.
fn attempt(place: &mut Place, name: &str, step: fn(&mut Place) -> keyfold::Result<()>) {
    for _ in 0..1000 {
        match step(place) {
            Ok(()) => return,
            Err(error) => {
                assert!(
                    [ErrorKind::Storage, ErrorKind::StorageFull].contains(&error.kind()),
                    "{name}: {error:?}"
                );
            }
        }
    }
    panic!("{name} never comes to its end");
}

impl Tally {
    fn passes(&self, what: &str) {
        println!(
            "proof: {} {what}: {} as before the act that was cut, {} as after it, {} wrong",
            self.states,
            self.before,
            self.after,
            self.problems.len()
        );
        assert!(self.problems.is_empty(), "{:#?}", self.problems);
        assert!(self.before > 0, "the cuts show nothing");
    }
}

/// So many acts that the log is written back into the file while the store is in use.
fn busy(acts: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = STEPS[..2].to_vec();
    steps.push(("rotate_key", |place| place.store().rotate_key("pii").map(drop)));
    for _ in 0..acts {
        steps.push(("set_version_state, disabled", |place| {
            place.store().set_version_state("pii", 1, VersionState::Disabled, None).map(drop)
        }));
        steps.push(("set_version_state, enabled", |place| {
            place.store().set_version_state("pii", 1, VersionState::Enabled, None).map(drop)
        }));
    }
    steps
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut random = Random(seed());
    let started = Instant::now();
    let life = Life::of(STEPS, |_| None);
    println!("proof: {} steps, {} calls recorded", STEPS.len(), life.recording.length());
    let states = if long() { 1400 } else { 150 };
    life.survives(states, Without::Nothing, &mut random).passes("disks of a power cut in any step");

    let life = Life::of(&busy(80), |_| None);
    let states = if long() { 400 } else { 40 };
    life.survives(states, Without::Nothing, &mut random)
        .passes("disks of a power cut while the log is written back");
    println!("proof: in {:?}", started.elapsed());
}

/// The power fails again while the store recovers from the first time.
#[test]
fn a_second_cut_during_recovery() {
    let mut random = Random(seed());
    let life = Life::of(STEPS, |_| None);
    let mut tally = Tally::default();
    for _ in 0..if long() { 100 } else { 8 } {
        let cut = life.cut(&mut random);
        let first = life.recording.disk(cut, Without::Nothing, &mut random);
        let home = folder();
        write(&first, home.path());
        let recovery = Recording::of(home.path());
        let place = life.place.moved(home.path());
        recovery.record(
            |_| None,
            || {
                if let Ok(store) = place.open(&OpenOptions::new()) {
                    assert!(store.check().unwrap().ok);
                }
            },
        );
        for _ in 0..3 {
            let again = random.below(recovery.length() + 1);
            let second = recovery.disk(again, Without::Nothing, &mut random);
            life.check(cut, &second, &mut random, &mut tally);
        }
    }
    tally.passes("disks of a second power cut, while the store recovered");
}

/// Syncs fail now and then, and what they were to write is lost though the system takes it for written. What is
/// acknowledged in spite of it is on disk.
#[test]
fn failed_syncs_and_then_a_cut() {
    let mut random = Random(seed());
    for _ in 0..if long() { 5 } else { 1 } {
        let mut failing = Random(random.number());
        let mut failed = 0;
        let life = Life::of(STEPS, |effect| {
            let fails = matches!(effect, Effect::Sync { .. }) && failing.below(6) == 0;
            failed += usize::from(fails);
            fails.then_some(-i64::from(libc::EIO))
        });
        println!("proof: {failed} failed syncs");
        assert!(failed > 10);
        let states = if long() { 100 } else { 40 };
        life.survives(states, Without::Nothing, &mut random)
            .passes("disks of a power cut after failed syncs");
    }
}

/// The proof can fail: it sees what is lost where syncs are left out, each kind of them.
#[test]
fn left_out_syncs_are_noticed() {
    let mut random = Random(seed());
    let life = Life::of(STEPS, |_| None);
    let states = if long() { 100 } else { 25 };
    let mut seen = BTreeMap::new();
    for without in [Without::AnySync, Without::LogSyncs, Without::FileSyncs, Without::FolderSyncs] {
        let mut tally = Tally::default();
        // At marks alone: there it is acknowledged.
        let marks = life.recording.marks();
        for _ in 0..states {
            let cut = marks[random.below(marks.len())];
            let disk = life.recording.disk(cut, without, &mut random);
            life.check(cut, &disk, &mut random, &mut tally);
        }
        println!(
            "proof: without {without:?}: {} of {states} disks have lost something",
            tally.problems.len()
        );
        seen.insert(format!("{without:?}"), tally.problems.len());
    }
    assert!(seen.values().all(|problems| *problems > 0), "{seen:?}");
}
