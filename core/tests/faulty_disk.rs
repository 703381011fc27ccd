//! A disk that fails at any call of any act: the error is told, nothing is half done, and everything works again once
//! the disk does.
//!
//! Each step of the script runs again and again on a copy of the store, and each time another one of its system calls
//! fails. The store that was open while it failed is used on afterwards, and so is a new one.

#![cfg(target_os = "linux")]

mod common;
mod disk;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use common::Random;
use common::proof::{long, seed};
use disk::recording::{Disk, write};
use disk::script::{Content, Place, STEPS, Step, is_draft};
use disk::syscalls::{Answer, Call, Effect, watched};
use keyfold::{ErrorKind, OpenOptions};

/// How the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// One call that changes something, or a sync, fails.
    Failed,
    /// One call that reads fails.
    Unreadable,
    /// From here on there is no room.
    Full,
    /// A write takes half of what it was given, and from then on there is no room.
    ShortThenFull,
    /// A write takes half of what it was given, as it may: nothing is wrong with that.
    Short,
    /// From here on the file system is read-only.
    ReadOnly,
}

const FAULTS: [Fault; 6] =
    [Fault::Failed, Fault::Unreadable, Fault::Full, Fault::ShortThenFull, Fault::Short, Fault::ReadOnly];

impl Fault {
    fn concerns(self, effect: &Effect) -> bool {
        let makes = |path: &Path, flags: &i32| flags & libc::O_CREAT != 0 && !path.exists();
        let writes = |flags: &i32| flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_CREAT != 0;
        match (self, effect) {
            (_, Effect::Unknown { .. }) => panic!("a call that is not understood: {effect:?}"),
            (Self::Unreadable, Effect::Read { .. }) => true,
            (Self::Unreadable, _) | (_, Effect::Read { .. }) => false,
            (Self::Failed | Self::ReadOnly, Effect::Open { flags, .. }) => writes(flags),
            (Self::Full, Effect::Open { path, flags }) => makes(path, flags),
            (_, Effect::Open { .. }) => false,
            (Self::Failed, Effect::AskWritable { .. }) => false,
            (Self::Failed, _) => true,
            (Self::Full, Effect::Write { .. } | Effect::Rename { .. } | Effect::Link { .. }) => true,
            (Self::ShortThenFull | Self::Short, Effect::Write { length, .. }) => *length > 1,
            (Self::Full | Self::ShortThenFull | Self::Short, _) => false,
            (Self::ReadOnly, Effect::Sync { .. }) => false,
            (Self::ReadOnly, _) => true,
        }
    }

    fn error(self) -> i32 {
        match self {
            Self::Failed | Self::Unreadable => libc::EIO,
            Self::Full | Self::ShortThenFull | Self::Short => libc::ENOSPC,
            Self::ReadOnly => libc::EROFS,
        }
    }

    fn may_be_told_as(self, kind: ErrorKind, hit: &Effect) -> bool {
        // Of growing the log's index SQLite only says that it failed.
        if kind == ErrorKind::StorageFull && hit.path().to_string_lossy().ends_with("-shm") {
            return true;
        }
        match self {
            Self::Failed | Self::Unreadable => kind == ErrorKind::Storage,
            Self::Full | Self::ShortThenFull => [ErrorKind::StorageFull, ErrorKind::Storage].contains(&kind),
            Self::Short => false,
            Self::ReadOnly => [ErrorKind::PermissionDenied, ErrorKind::Storage].contains(&kind),
        }
    }

    fn lasts(self) -> bool {
        matches!(self, Self::Full | Self::ShortThenFull | Self::ReadOnly)
    }
}

/// A disk that fails at the call of this number.
struct FaultyDisk {
    folder: PathBuf,
    fault: Fault,
    at: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_armed: bool,
    seen: usize,
    hit: Option<Effect>,
}

impl FaultyDisk {
    fn new(folder: &Path, fault: Fault, at: usize) -> Self {
        Self { folder: folder.to_owned(), fault, at, state: Mutex::default() }
    }

    fn arm(&self, is_armed: bool) {
        self.state.lock().unwrap().is_armed = is_armed;
    }

    fn answer(&self, call: &Call) -> Answer {
        let mut state = self.state.lock().unwrap();
        if !state.is_armed {
            return Answer::Pass;
        }
        let Some(effect) = call.effect().filter(|effect| is_in(&self.folder, effect.path())) else {
            return Answer::Pass;
        };
        let fails = -i64::from(self.fault.error());
        // Once it is full it is full for all, and read-only for all.
        if state.hit.is_some() {
            let concerned = match self.fault {
                Fault::ShortThenFull => Fault::Full.concerns(&effect),
                fault => fault.lasts() && fault.concerns(&effect),
            };
            return if concerned { Answer::Return(fails) } else { Answer::Pass };
        }
        if !self.fault.concerns(&effect) {
            return Answer::Pass;
        }
        state.seen += 1;
        if state.seen <= self.at {
            return Answer::Pass;
        }
        let answer = match (self.fault, &effect) {
            (Fault::ShortThenFull | Fault::Short, Effect::Write { length, .. }) => {
                Answer::Return(call.make_short(length / 2))
            }
            _ => Answer::Return(fails),
        };
        state.hit = Some(effect);
        answer
    }

    fn hit(&self) -> Option<Effect> {
        self.state.lock().unwrap().hit.clone()
    }
}

/// A step, on the store as it is before it.
struct Case {
    step: Step,
    disk: Disk,
    place: Place,
    content: Option<Content>,
}

/// What came of the runs.
#[derive(Default)]
struct Tally {
    runs: usize,
    /// Another run makes a few calls more or less: random bytes take more or fewer pages.
    missed: usize,
    untouched: usize,
    done_but_failed: usize,
    succeeded: usize,
    kinds: BTreeMap<(Fault, String), usize>,
    problems: Vec<String>,
}

fn is_in(folder: &Path, path: &Path) -> bool {
    path == folder || path.parent() == Some(folder)
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Every step, and the store that it finds.
fn cases() -> Vec<Case> {
    let folder = folder();
    let mut place = Place::new(folder.path());
    let mut cases = Vec::new();
    for step in STEPS {
        let disk = place.snapshot();
        let before = place.moved(folder.path());
        if place.model.content.is_some() {
            place.store = Some(place.open(&OpenOptions::new()).unwrap());
        }
        (step.1)(&mut place).unwrap_or_else(|error| panic!("{}: {error:?}", step.0));
        place.acknowledge();
        cases.push(Case { step: *step, disk, place: before, content: place.model.content.clone() });
        place.seal();
    }
    cases
}

impl Case {
    /// How many calls of the step each fault concerns.
    fn counts(&self) -> [usize; FAULTS.len()] {
        let concerned = self.seen(|effect| FAULTS.map(|fault| fault.concerns(effect)));
        std::array::from_fn(|fault| concerned.iter().filter(|faults| faults[fault]).count())
    }

    /// What `look` sees in each call of the step, at that moment.
    fn seen<T: Send>(&self, look: impl Fn(&Effect) -> T + Sync) -> Vec<T> {
        let home = folder();
        write(&self.disk, home.path());
        let mut place = self.place.moved(home.path());
        let seen: Mutex<Option<Vec<T>>> = Mutex::new(None);
        watched(
            |call| {
                let mut seen = seen.lock().unwrap();
                if let (Some(seen), Some(effect)) = (seen.as_mut(), call.effect())
                    && is_in(home.path(), effect.path())
                {
                    seen.push(look(&effect));
                }
                Answer::Pass
            },
            || {
                place.prepare();
                *seen.lock().unwrap() = Some(Vec::new());
                (self.step.1)(&mut place).unwrap();
                let seen = seen.lock().unwrap().take();
                place.store = None;
                seen.unwrap()
            },
        )
    }

    /// Runs the step on a disk that fails at this call; nothing comes of it where there is no such call.
    fn run(&self, fault: Fault, at: usize, tally: &mut Tally) {
        let home = folder();
        write(&self.disk, home.path());
        let disk = FaultyDisk::new(home.path(), fault, at);
        let mut place = self.place.moved(home.path());
        let outcome = watched(
            |call| disk.answer(call),
            || {
                place.prepare();
                disk.arm(true);
                let outcome = catch_unwind(AssertUnwindSafe(|| (self.step.1)(&mut place)));
                // Who only uses keys that he has does not care.
                let used = match (&outcome, &place.store) {
                    (Ok(_), Some(_)) if fault.lasts() => place.use_keys(),
                    _ => Ok(()),
                };
                disk.arm(false);
                outcome.map(|outcome| (outcome, used))
            },
        );
        let Some(hit) = disk.hit() else {
            tally.missed += 1;
            return;
        };
        tally.runs += 1;
        let verdict = match outcome {
            Err(_) => Err("it panicked".to_owned()),
            Ok((_, Err(problem))) => Err(format!("keys that are loaded cannot be used: {problem}")),
            Ok((outcome, Ok(()))) => self.judge(&mut place, outcome, &hit, fault, tally),
        };
        if let Err(problem) = verdict {
            tally
                .problems
                .push(format!("{:?} at call {at} ({hit:?}) of {:?}: {problem}", fault, self.step.0));
        }
    }

    fn judge(
        &self,
        place: &mut Place,
        outcome: keyfold::Result<()>,
        hit: &Effect,
        fault: Fault,
        tally: &mut Tally,
    ) -> Result<(), String> {
        match outcome {
            Ok(()) => tally.succeeded += 1,
            Err(error) => {
                *tally.kinds.entry((fault, error.kind().to_string())).or_default() += 1;
                if !fault.may_be_told_as(error.kind(), hit) {
                    return Err(format!("told as {error:?}"));
                }
                let mut after = place.model.clone();
                after.content = self.content.clone();
                let is_after = match &place.store {
                    Some(store) => place.verify_store(store, &place.model, &after)?,
                    None => false,
                };
                if is_after {
                    tally.done_but_failed += 1;
                    place.model = after;
                } else {
                    tally.untouched += 1;
                    (self.step.1)(place).map_err(|error| format!("cannot be done again: {error:?}"))?;
                }
            }
        }
        place.acknowledge();
        if place.model.content != self.content {
            return Err("done, and not as it should be".to_owned());
        }
        let model = place.model.clone();
        place
            .verify_store(place.store(), &model, &model)
            .map_err(|problem| format!("open still: {problem}"))?;
        place.store = None;
        let names = common::names(&place.folder);
        let may_leave = fault == Fault::ReadOnly || matches!(hit, Effect::Unlink { .. });
        if !may_leave && names.iter().any(|name| is_draft(name)) {
            return Err(format!("a draft is left: {names:?}"));
        }
        place.verify(&model, &model).map(drop).map_err(|problem| format!("opened again: {problem}"))
    }
}

/// SQLite opens for reading only a log that it could not open for writing, and says later that it may not write. That
/// is the disk's fault, and nobody's permissions are to be mended.
#[test]
fn a_log_that_could_not_be_opened_is_told_as_storage() {
    let mut tally = Tally::default();
    for case in cases().iter().filter(|case| case.step.0.starts_with("restore")) {
        let of_log = |effect: &Effect| matches!(effect, Effect::Open { path, .. } if path.to_string_lossy().ends_with("-wal"));
        let calls = case.seen(|effect| Fault::Failed.concerns(effect).then(|| of_log(effect)));
        for (at, _) in calls.into_iter().flatten().enumerate().filter(|(_, is_of_log)| *is_of_log) {
            case.run(Fault::Failed, at, &mut tally);
        }
    }
    assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
    assert!(tally.runs > 0);
}

#[test]
fn every_call_of_every_act_fails() {
    let mut random = Random(seed());
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut calls = 0;
    for case in cases() {
        for (fault, count) in FAULTS.into_iter().zip(case.counts()) {
            calls += count;
            let chosen: Vec<usize> = match long() {
                true => (0..count).collect(),
                false => (0..1.min(count)).map(|_| random.below(count)).collect(),
            };
            for at in chosen {
                case.run(fault, at, &mut tally);
            }
        }
    }
    println!(
        "proof: {} faults at {calls} calls of {} steps: {} told and nothing done, {} told and wholly done, \
         {} overcome, {} wrong, in {:?}",
        tally.runs,
        STEPS.len(),
        tally.untouched,
        tally.done_but_failed,
        tally.succeeded,
        tally.problems.len(),
        started.elapsed()
    );
    for ((fault, kind), count) in &tally.kinds {
        println!("proof: {fault:?} was told as {kind}: {count}");
    }
    assert!(tally.problems.is_empty(), "{:#?}", tally.problems);
    assert!(tally.untouched > 0 && tally.succeeded > 0 && tally.missed * 10 < tally.runs, "{}", tally.missed);
}
