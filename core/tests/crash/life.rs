//! One worker's part of a store: what it was told, what it acknowledged, and what must be there when it was killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use keyfold::{
    CreateKey, ErrorKind, IndexScope, KeysetFormat, KeysetProtection, OpenOptions, Store, VersionState,
};

use crate::common::{Home, Process, Random, hex, kind, names, unhex};
use crate::files::{Wraps, assert_gone, damage, is_aside, kek_version, wraps, wraps_as_left};
use crate::model::{Backup, GCM, Model};
use crate::plan::Planner;
use crate::sight::sight;
use crate::tally::{End, Tally};
use crate::worker::master_key;

/// What a worker sealed, and under which version.
struct Sealed {
    key_id: String,
    birth: u64,
    ciphertext: Vec<u8>,
}

pub struct Life<'a> {
    home: &'a Home,
    space: &'static str,
    tally: &'a Tally,
    planner: Planner,
    /// Others work on the same file.
    shared: bool,
    /// Somebody said that the store is there.
    exists: bool,
    model: Model,
    births: u64,
    sealed: Vec<Sealed>,
    /// Messages of AES256_GCM, by the version's birth.
    made: BTreeMap<u64, u64>,
    backups: Vec<Backup>,
    /// Every wrap that was seen in the rows before an act that takes some away.
    seen: Wraps,
    /// New KEKs that were acknowledged, and those that may have been made.
    pub rekeys: (u32, u32),
}

/// What a worker said until it was killed.
struct Said {
    acknowledged: Option<String>,
    made: u64,
}

impl<'a> Life<'a> {
    pub fn new(home: &'a Home, space: &'static str, random: Random, tally: &'a Tally) -> Self {
        let folder = home.folder.path().to_owned();
        let planner =
            Planner { space: space.to_owned(), random, folder, keyset: keyset(), names: 0, shared: false };
        Self {
            home,
            space,
            tally,
            planner,
            shared: false,
            exists: false,
            model: Model::new(&format!("key:{}", home.secret)),
            births: 0,
            sealed: Vec::new(),
            made: BTreeMap::new(),
            backups: Vec::new(),
            seen: Wraps::new(),
            rekeys: (0, 0),
        }
    }

    pub fn share(&mut self) {
        self.shared = true;
        self.planner.shared = true;
    }

    /// Has a worker come to an act of this kind, and kills it there.
    pub fn kill(&mut self, target: &'static str) {
        let mut child = self.home.child("worker", &self.model.main.1);
        assert_eq!(child.hears(), "try open");
        if target == "open" {
            return self.kill_inside(child, target, "open");
        }
        self.opened(&mut child);
        loop {
            let (act, is_target) = self.planner.next(target, &self.model, &self.backups);
            self.before(&act);
            child.say(&act);
            assert_eq!(child.hears(), format!("try {act}"));
            if is_target {
                return self.kill_inside(child, target, &act);
            }
            self.done(&mut child, &act);
            if self.planner.random.below(3) == 0 {
                self.seal(&mut child);
            }
        }
    }

    fn opened(&mut self, child: &mut Process) {
        let answer = child.hears();
        let micros = answer.split(' ').nth(1).unwrap().parse().unwrap();
        self.tally.lasted("open", micros);
        self.exists = true;
    }

    /// One message under the current version of some key.
    fn seal(&mut self, child: &mut Process) {
        if let Some(key_id) = self.planner.active(&self.model, |_| true) {
            let act = format!("seal {key_id} 1");
            child.say(&act);
            assert_eq!(child.hears(), format!("try {act}"));
            self.done(child, &act);
        }
    }

    /// What is done beside an act, before it.
    fn before(&mut self, act: &str) {
        let words: Vec<&str> = act.split(' ').collect();
        match words[..] {
            ["quarantine", key_id] => damage(&self.home.path(), key_id),
            ["run_due" | "rekey" | "rekey-new" | "recipient-remove" | "restore", ..] => {
                self.seen.append(&mut wraps(&self.home.path()));
            }
            _ => {}
        }
    }

    /// The act is done and acknowledged.
    fn done(&mut self, child: &mut Process, act: &str) {
        let mut made = 0;
        let answer = loop {
            match child.hears() {
                line if line == "made" => made += 1,
                line => break line,
            }
        };
        let ["done", micros, said] = answer.split(' ').collect::<Vec<_>>()[..] else { panic!("{answer}") };
        self.tally.lasted(act.split(' ').next().unwrap(), micros.parse().unwrap());
        self.count(act, made);
        self.acknowledged(act, said);
        let anchor = child.hears();
        self.model.anchor = Some(anchor.strip_prefix("anchor ").unwrap().to_owned());
    }

    fn count(&mut self, act: &str, made: u64) {
        let key_id = act.split(' ').nth(1).unwrap_or_default();
        let current = self.model.keys.get(key_id).and_then(|key| key.current());
        if let Some(version) = current.filter(|version| version.algorithm == GCM) {
            *self.made.entry(version.birth).or_default() += made;
        }
    }

    fn acknowledged(&mut self, act: &str, said: &str) {
        let words: Vec<&str> = act.split(' ').collect();
        match words[..] {
            ["seal", key_id, _] => {
                let birth = self.model.keys[key_id].current().unwrap().birth;
                self.sealed.push(Sealed { key_id: key_id.to_owned(), birth, ciphertext: unhex(said) });
            }
            ["rekey" | "recipient-remove", ..] => self.rekeys.0 += 1,
            // One from before the new secret opens by the old one alone.
            ["rekey-new", _] => self.backups.clear(),
            _ => {}
        }
        let anchor = self.model.anchor.take();
        self.model = self.model.after(act, &mut self.births, &self.backups).pop().unwrap();
        if words[0] != "restore" {
            self.model.anchor = anchor;
        }
        self.made_file(&words, true);
    }

    /// Kills at a moment of the time that such an act usually takes, or just after.
    fn kill_inside(&mut self, mut child: Process, target: &'static str, act: &str) {
        let usual = self.tally.usual(target, act);
        let share = self.planner.random.below(1_100) as f64 / 1_000.0;
        let begun = Instant::now();
        let moment = begun + usual.mul_f64(share);
        if let Some(wait) = moment.checked_duration_since(Instant::now() + Duration::from_micros(200)) {
            std::thread::sleep(wait);
        }
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        child.child.kill().unwrap();
        let ran = begun.elapsed().as_secs_f64() / usual.as_secs_f64();
        let said = self.listen_out(&mut child, target);
        assert!(!child.child.wait().unwrap().success(), "it ended before it was killed");
        self.count(act, said.made);
        let before = self.model.clone();
        let end = match &said.acknowledged {
            Some(answer) => {
                if act == "open" {
                    self.exists = true;
                } else {
                    self.acknowledged(act, answer);
                }
                // Where others are at work they may be copying what is gone, and reading their file here would let go of
                // the locks of this process.
                if answer == "pending=false" && !self.shared {
                    self.search(&wraps_as_left(&self.home.path()));
                }
                let model = self.model.clone();
                self.settle(vec![model]);
                End::Acknowledged
            }
            None => {
                let mut possible = vec![before.clone()];
                let mut after = before.after(act, &mut self.births, &self.backups);
                if !act.starts_with("restore ") {
                    after.iter_mut().for_each(|model| model.anchor = before.anchor.clone());
                }
                let whole = after.last().unwrap().clone();
                possible.extend(after);
                let words: Vec<&str> = act.split(' ').collect();
                if ["rekey", "recipient-remove"].contains(&words[0]) {
                    self.rekeys.1 += 1;
                }
                // As long as it is not set aside nothing can be listed.
                if words[0] == "quarantine" && !is_aside(&self.home.path(), words[1]) {
                    damage(&self.home.path(), words[1]);
                }
                self.settle(possible.clone());
                if self.shared {
                    self.settle_among_others(&possible);
                }
                let is_file = self.made_file(&words, false);
                match is_file {
                    Some(true) => End::Done,
                    Some(false) => End::Undone,
                    None if act == "open" => {
                        if self.exists {
                            End::Done
                        } else {
                            End::Undone
                        }
                    }
                    None if whole.lines() == before.lines() && whole.kek == before.kek => End::Unseen,
                    None if self.model == whole => End::Done,
                    None => End::Undone,
                }
            }
        };
        self.tally.killed(target, end, ran);
        if self.exists && !self.shared {
            self.shred(act);
        }
    }

    /// What came through before the kill.
    fn listen_out(&mut self, child: &mut Process, target: &'static str) -> Said {
        let mut said = Said { acknowledged: None, made: 0 };
        while let Some(line) = child.listen() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["made"] => said.made += 1,
                ["done", micros, answer] => {
                    self.tally.lasted(target, micros.parse().unwrap());
                    said.acknowledged = Some(answer.to_owned());
                }
                ["anchor", _] => {}
                _ => panic!("{line}"),
            }
        }
        said
    }

    /// A backup, or a store restored to a new place, is whole or absent. Whether it is there; None where the act makes
    /// no file.
    fn made_file(&mut self, words: &[&str], acknowledged: bool) -> Option<bool> {
        let (path, model, is_backup) = match *words {
            ["backup", path] => (path, Model { anchor: None, ..self.model.clone() }, true),
            ["restore-new", source, target] => {
                let backup = self.backups.iter().find(|backup| backup.path == source).unwrap().clone();
                (target, backup.model.restored(&mut self.births), false)
            }
            _ => return None,
        };
        if !Path::new(path).exists() {
            assert!(!acknowledged, "{path} was acknowledged");
            return Some(false);
        }
        let store = match is_backup {
            // Opened for writing it would no more be the backup that it is.
            true => Store::open_with(path, &master_key(&model.main.1), &OpenOptions::new().immutable(true)),
            false => Store::open_with(path, &master_key(&model.main.1), &OpenOptions::new()),
        };
        let store = store.unwrap();
        assert!(store.check().unwrap().ok, "{:?}", store.check());
        assert_eq!(sight(&store, self.space), model.lines(), "{path}");
        store.close();
        self.tally.backup();
        if is_backup {
            self.backups.push(Backup { path: path.to_owned(), model });
        }
        Some(true)
    }

    /// Finds which of the possible models the store is now, and verifies all that was promised.
    fn settle(&mut self, possible: Vec<Model>) {
        if !self.exists && !self.shared && !self.home.path().exists() {
            return;
        }
        // Where the secret is known, the next worker may be the one that recovers the log.
        let same_secret = possible.iter().all(|model| model.main == possible[0].main);
        if self.exists && same_secret && self.planner.random.below(2) == 0 {
            let mut child = self.home.child("worker", &possible[0].main.1);
            assert_eq!(child.hears(), "try open");
            self.opened(&mut child);
            child.say(&format!("look {}", self.space));
            let mut seen = Vec::new();
            loop {
                match child.hears() {
                    line if line == "seen" => break,
                    line => seen.push(line.strip_prefix("sees ").unwrap().to_owned()),
                }
            }
            self.take(&possible, |_| Some(seen.clone()));
            child.finish();
            self.tally.by_next();
        } else {
            let (home, space) = (self.home, self.space);
            self.take(&possible, |model| {
                let mut options = OpenOptions::new().busy_timeout(Duration::from_secs(60));
                options.anchor = model.anchor.clone();
                match Store::open_with(home.path(), &master_key(&model.main.1), &options) {
                    Ok(store) => Some(sight(&store, space)),
                    // It is another's secret or place; or there is no store that was acknowledged.
                    Err(error) => {
                        let others =
                            [ErrorKind::WrongMasterKey, ErrorKind::IntegrityError, ErrorKind::NotFound];
                        assert!(others.contains(&error.kind()), "{error}");
                        None
                    }
                }
            });
        }
        self.verify();
    }

    /// Where others have the file open, a commit that was cut off before it was announced is in the log and yet not
    /// seen, until the next writer overwrites it or the log is recovered. So it may come into effect later; what was
    /// seen to be in effect must stay.
    fn settle_among_others(&mut self, possible: &[Model]) {
        if !self.exists {
            return;
        }
        let seen = possible.iter().position(|model| *model == self.model).unwrap();
        let store = self.open();
        store.get_index_salt(IndexScope::Purpose("api"), None).unwrap();
        store.close();
        self.settle(possible[seen..].to_vec());
        if self.model != possible[seen] {
            self.tally.came_later();
        }
    }

    fn take(&mut self, possible: &[Model], see: impl Fn(&Model) -> Option<Vec<String>>) {
        let mut refused = Vec::new();
        for model in possible {
            let Some(seen) = see(model) else { continue };
            let kek = kek_version(&self.home.path());
            if seen == model.lines() && (self.shared || kek == model.kek) {
                self.model = model.clone();
                self.exists = true;
                return;
            }
            refused = vec![format!("KEK {kek}, expected {}", model.kek)];
            refused.extend(
                seen.iter().filter(|line| !model.lines().contains(line)).map(|line| format!("+ {line}")),
            );
            let lines = model.lines();
            refused.extend(lines.iter().filter(|line| !seen.contains(line)).map(|line| format!("- {line}")));
        }
        // Another worker may be the one that makes the store.
        if !self.exists && self.shared && !self.home.path().exists() {
            return;
        }
        panic!("the store is none of {} that it may be; from the last of them: {refused:#?}", possible.len());
    }

    fn open(&self) -> Store {
        let mut options = OpenOptions::new().busy_timeout(Duration::from_secs(60));
        options.anchor = self.model.anchor.clone();
        Store::open_with(self.home.path(), &master_key(&self.model.main.1), &options).unwrap()
    }

    /// The store verifies, every ciphertext opens or says why not, counts are not below what was made, and recipients
    /// are who they should be.
    fn verify(&mut self) {
        if !self.exists {
            return;
        }
        let store = self.open();
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        for key in self.model.keys.keys() {
            let versions = store.list_key_versions(key).unwrap();
            assert_eq!(versions.iter().filter(|version| version.is_current).count(), 1, "{versions:?}");
        }
        let mut opened = 0;
        for sealed in &self.sealed {
            opened += usize::from(self.try_open(&store, sealed));
        }
        let mut messages = 0;
        for (birth, made) in &self.made {
            let Some((key_id, number, _)) = self.model.born(*birth) else { continue };
            let usage = store.key_usage(key_id).unwrap();
            let counted = usage.iter().find(|usage| usage.version == number).unwrap().messages;
            assert!(counted >= *made, "{key_id} {number}: {made} made, {counted} counted");
            messages += made;
        }
        let recipients: Vec<_> = self.model.recipients.values().cloned().collect();
        if let Some(secret) = self.planner.pick(&recipients) {
            let other =
                Store::open_with(self.home.path(), &master_key(&secret), &OpenOptions::new()).unwrap();
            assert_eq!(sight(&other, self.space), self.model.lines());
        }
        self.tally.observed(opened, messages);
    }

    fn try_open(&self, store: &Store, sealed: &Sealed) -> bool {
        let Sealed { key_id, birth, ciphertext } = sealed;
        let outcome = store.decrypt(key_id, ciphertext, b"crash");
        let Some((_, number, version)) = self.model.born(*birth) else {
            let lost = [ErrorKind::DecryptionFailed, ErrorKind::NotFound, ErrorKind::KeyUnavailable];
            assert!(lost.contains(&kind(outcome)));
            return false;
        };
        if ["enabled", "staged", "decrypt_only"].contains(&version.state) {
            assert_eq!(outcome.unwrap(), *key_id.as_bytes(), "{key_id} {number}");
            let inspected = store.inspect(ciphertext).unwrap();
            assert!(
                inspected.iter().any(|info| info.key_id == *key_id && info.version == number),
                "{key_id} {number}"
            );
            return true;
        }
        assert_eq!(kind(outcome), ErrorKind::KeyUnavailable, "{key_id} {number} is {}", version.state);
        false
    }

    /// Finishes what was killed, as whoever comes next would; then nothing of what was destroyed is in any file.
    fn shred(&mut self, act: &str) {
        let word = act.split(' ').next().unwrap();
        let takes_away = ["run_due", "rekey", "rekey-new", "recipient-remove", "restore"].contains(&word);
        if !takes_away && self.planner.random.below(4) != 0 {
            return;
        }
        self.seen.append(&mut wraps(&self.home.path()));
        let store = self.open();
        let report = store.run_due().unwrap();
        assert!(report.failures.is_empty() && !report.purge_pending, "{report:?}");
        self.model = self.model.after("run_due", &mut self.births, &self.backups).pop().unwrap();
        self.model.anchor = Some(store.anchor().unwrap().to_string());
        assert_eq!(sight(&store, self.space), self.model.lines());
        store.close();
        self.search(&wraps(&self.home.path()));
    }

    fn search(&self, present: &Wraps) {
        let gone: Wraps = self.seen.difference(present).cloned().collect();
        let kept = |name: &str| name.contains(".bak") || name.contains(".restored");
        assert_gone(self.home.folder.path(), &gone, kept);
        self.tally.scanned(gone.len());
    }

    /// Does so many acts by one worker, which is killed when it has acknowledged them; then nothing is looked at.
    pub fn work(&mut self, acts: usize) {
        let mut child = self.home.child("worker", &self.model.main.1);
        assert_eq!(child.hears(), "try open");
        self.opened(&mut child);
        for act in 0..acts {
            let kind = ["create", "rotate"][act % 2];
            let (act, _) = self.planner.next(kind, &self.model, &self.backups);
            child.say(&act);
            assert_eq!(child.hears(), format!("try {act}"));
            self.done(&mut child, &act);
            self.seal(&mut child);
        }
        child.child.kill().unwrap();
        child.child.wait().unwrap();
    }

    /// Believes an act that nobody did.
    pub fn believe_in_a_rotation(&mut self) {
        let (act, _) = self.planner.next("rotate", &self.model, &self.backups);
        self.acknowledged(&act, "-");
    }

    /// Believes that a message was made under another version than it was.
    pub fn believe_in_a_message(&mut self) {
        let sealed = self.sealed.last_mut().unwrap();
        sealed.key_id = self.model.keys.keys().find(|key_id| **key_id != sealed.key_id).unwrap().clone();
    }

    /// Verifies what is there.
    pub fn look(&mut self) {
        let model = self.model.clone();
        self.settle(vec![model]);
    }

    /// The last look, and that nothing strange lies beside the store.
    pub fn end(mut self) {
        self.look();
        for name in names(self.home.folder.path()) {
            assert!(is_ours(&name), "a stray file {name}");
        }
    }
}

/// A store, a backup or a restored store, and what a killed process leaves of one: a draft named after it.
fn is_ours(name: &str) -> bool {
    let stem = ["-wal", "-shm", "-journal", "-lock"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    let is_hex = |text: &str| text.len() == 16 && u64::from_str_radix(text, 16).is_ok();
    let target = match stem.strip_suffix(".new").and_then(|draft| draft.rsplit_once('.')) {
        Some((target, number)) if is_hex(number) => target,
        Some(_) => return false,
        None => stem,
    };
    target == "app.keyfold" || target.ends_with(".bak") || target.ends_with(".restored")
}

/// A keyset to import: three versions, the second disabled.
fn keyset() -> String {
    static KEYSET: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let made = KEYSET.get_or_init(|| {
        let home = Home::new();
        let store = home.open();
        store.create_key("k", &CreateKey::new().exportable(true)).unwrap();
        store.rotate_key("k").unwrap();
        store.rotate_key("k").unwrap();
        store.set_version_state("k", 2, VersionState::Disabled, None).unwrap();
        let keyset = store.export_keyset("k", KeysetFormat::Binary, KeysetProtection::InsecureCleartext);
        hex(&keyset.unwrap().bytes)
    });
    made.clone()
}
