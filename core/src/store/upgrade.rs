//! Bringing a store that an earlier keyfold made to this one's format.
//!
//! It happens when the store is opened for writing, in one transaction: killed at any moment, the file is of the earlier
//! format or of this one, whole. There is no way back: an earlier keyfold refuses the file from then on.

use std::sync::Arc;

use crate::error::Result;
use crate::records::sqlite::Database;
use crate::records::tree::Tree;
use crate::records::{Rows, StoreRow};
use crate::store::act::{Act, Event};
use crate::store::shared::Unlocked;

/// Upgrades the file where it is of an earlier format. `unlock` opens and verifies it as what it was.
pub(super) fn upgrade(
    database: &mut Database,
    actor: &str,
    now: i64,
    unlock: impl FnOnce(&dyn Rows, StoreRow) -> Result<Arc<Unlocked>>,
) -> Result<()> {
    database.upgrade(|rows, from| {
        let to = rows.format()?;
        // The root is still the one that the earlier format prescribes.
        let store = StoreRow { format: from, ..rows.store()? };
        let unlocked = unlock(rows, store.clone())?;
        let tree = Tree::verify_store(rows, &unlocked.kek.records, store)?;
        let mut act = Act::new(tree, &unlocked.kek, &unlocked.audit, actor, now);
        for step in steps_after(from) {
            step(&mut act)?;
        }
        act.tree.store_mut().format = to;
        act.record(Event::new("upgrade_format").detail(&format!("{from} to {to}")))?;
        act.finish().map(drop)
    })
}

/// What a step changes in rows. It verifies what it is about to authenticate again, as every act does.
type Step = fn(&mut Act<'_>) -> Result<()>;

/// The first leads from format 1 to 2; `records::sqlite::steps` has what changes the schema.
const STEPS: [Step; 0] = [];

#[cfg(not(test))]
fn steps_after(format: u32) -> impl Iterator<Item = Step> {
    STEPS.into_iter().skip(format as usize - 1)
}

#[cfg(test)]
fn steps_after(format: u32) -> impl Iterator<Item = Step> {
    STEPS.into_iter().chain([tests::step as Step]).skip(format as usize - 1)
}

/// Of one format more, which the processes have that are told so. Stores are opened in processes of their own alone,
/// since tests beside these fork.
#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::{BufRead, BufReader, Lines, Write};
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::records::EntityId;
    use crate::records::sqlite::NEXT_FORMAT;
    use crate::{CreateKey, Error, ErrorKind, MasterKey, OpenOptions, RestoreOptions, Store, restore};

    const KEYS: usize = 120;
    const UPGRADED: &str = "upgraded";

    /// Changes every key, and says how far it came.
    pub(super) fn step(act: &mut Act<'_>) -> Result<()> {
        for (number, mut key) in act.rows().keys_after("", 10_000, &HashSet::new())?.into_iter().enumerate() {
            let key_id = key.key_id.clone();
            act.verify(EntityId::key(&key_id))?;
            key.description = Some(UPGRADED.to_owned());
            act.rows().put_key(&key)?;
            act.tree.authenticate(EntityId::key(&key_id))?;
            tell(&format!("key {number}"));
        }
        Ok(())
    }

    fn tell(text: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n@ {text}").unwrap();
        out.flush().unwrap();
    }

    #[test]
    #[ignore = "a child of the tests below"]
    fn worker() {
        let (Ok(task), Ok(path)) = (std::env::var(TASK), std::env::var(PATH)) else { return };
        let path = Path::new(&path);
        match task.as_str() {
            "make" => make(path),
            "look" => tell(&seen(path)),
            "restore" | "restore over" => {
                let over = task == "restore over";
                let backup = path.with_extension("backup");
                let to = if over { path.to_owned() } else { path.with_extension("restored") };
                match restore(&backup, &to, &master_key(), &RestoreOptions::new()) {
                    Ok(_) => tell(&seen(&to)),
                    Err(error) => tell(error.kind().name()),
                }
            }
            "hold" => {
                let options = OpenOptions::new()
                    .refresh_interval(Duration::from_millis(10))
                    .max_stale(Duration::from_millis(20));
                let store = Store::open_with(path, &master_key(), &options).unwrap();
                let key = store.key("k0").unwrap();
                tell("open");
                std::io::stdin().read_line(&mut String::new()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
                let refused = [
                    key.encrypt(b"m", b"").map(drop),
                    store.rotate_key("k1").map(drop),
                    store.key_info("k2").map(drop),
                ];
                tell(&refused.map(|outcome| name(&outcome.unwrap_err())).join(" "));
            }
            other => {
                let statements = other.strip_prefix("sql ").unwrap();
                rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
                tell("done");
            }
        }
    }

    fn make(path: &Path) {
        let store = Store::open_with(path, &master_key(), &OpenOptions::new().create(true)).unwrap();
        let names: Vec<String> = (0..KEYS).map(|number| format!("k{number}")).collect();
        let keys: Vec<(&str, CreateKey)> =
            names.iter().map(|name| (name.as_str(), CreateKey::new())).collect();
        store.create_keys(&keys).unwrap();
        let sealed = store.encrypt("k7", b"from before", b"").unwrap();
        std::fs::write(path.with_extension("sealed"), sealed).unwrap();
        store.backup(path.with_extension("backup")).unwrap();
        tell("made");
    }

    /// What there is to see of the store once it is open.
    fn seen(path: &Path) -> String {
        let store = match Store::open_with(path, &master_key(), &OpenOptions::new()) {
            Ok(store) => store,
            Err(error) => return name(&error),
        };
        let report = store.check().unwrap();
        assert!(report.ok, "{:?}", report.findings);
        let sealed =
            std::fs::read(Path::new(&std::env::var(PATH).unwrap()).with_extension("sealed")).unwrap();
        assert_eq!(store.decrypt("k7", &sealed, b"").unwrap(), b"from before"[..]);
        let upgraded = (0..KEYS)
            .filter(|number| {
                let info = store.key_info(&format!("k{number}")).unwrap();
                info.description.as_deref() == Some(UPGRADED)
            })
            .count();
        store.rotate_key("k7").unwrap();
        format!("{upgraded} upgraded")
    }

    fn name(error: &Error) -> String {
        error.kind().name().to_owned()
    }

    fn master_key() -> MasterKey {
        MasterKey::parse(&std::env::var(SECRET).unwrap()).unwrap()
    }

    const TASK: &str = "KEYFOLD_TEST_UPGRADE_TASK";
    const PATH: &str = "KEYFOLD_TEST_UPGRADE_STORE";
    const SECRET: &str = "KEYFOLD_TEST_UPGRADE_SECRET";

    /// A store of format 1, a backup and a ciphertext of it, and its master key.
    struct Home {
        folder: tempfile::TempDir,
        secret: String,
    }

    struct Process {
        child: Child,
        input: ChildStdin,
        lines: Lines<BufReader<ChildStdout>>,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = Self { folder, secret: crate::generate_master_key().unwrap().to_string() };
            assert_eq!(home.ask("make", false), "made");
            home
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("s.keyfold")
        }

        /// A keyfold of format 1, or of the next one.
        fn start(&self, task: &str, next: bool) -> Process {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["store::upgrade::tests::worker", "--exact", "--ignored", "--nocapture"]);
            command.env(TASK, task).env(PATH, self.path()).env(SECRET, &self.secret);
            if next {
                command.env(NEXT_FORMAT, "1");
            }
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            Process { child, input, lines }
        }

        /// The last thing that it says.
        fn ask(&self, task: &str, next: bool) -> String {
            let mut process = self.start(task, next);
            let mut last = String::new();
            while let Some(line) = process.next() {
                last = line;
            }
            assert!(process.child.wait().unwrap().success(), "{task}: {last}");
            last
        }

        /// What somebody does to the file who has not the master key.
        fn sql(&self, statements: &str) {
            assert_eq!(self.ask(&format!("sql {statements}"), false), "done");
        }

        fn bytes(&self) -> Vec<u8> {
            std::fs::read(self.path()).unwrap()
        }
    }

    impl Process {
        fn next(&mut self) -> Option<String> {
            self.lines
                .by_ref()
                .map_while(std::result::Result::ok)
                .find_map(|line| line.strip_prefix("@ ").map(str::to_owned))
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    const OLD: &str = "0 upgraded";

    fn whole() -> String {
        format!("{KEYS} upgraded")
    }

    #[test]
    fn opening_upgrades_and_there_is_no_way_back() {
        let home = Home::new();
        assert_eq!(home.ask("look", false), OLD);
        let mut holder = home.start("hold", false);
        assert_eq!(holder.next().unwrap(), "open");
        assert_eq!(home.ask("look", true), whole());
        let unsupported = ErrorKind::Unsupported.name();
        // An earlier keyfold that has it open notices at its next look, and writes nothing.
        writeln!(holder.input).unwrap();
        assert_eq!(holder.next().unwrap(), [unsupported; 3].join(" "));
        drop(holder);
        assert_eq!(home.ask("look", false), unsupported);
        assert_eq!(home.ask("look", true), whole());
        // The backup is of the earlier format: a restore upgrades what it restores.
        assert_eq!(home.ask("restore", true), whole());
        // What a later keyfold backed up, an earlier one does not restore.
        std::fs::copy(home.path(), home.path().with_extension("backup")).unwrap();
        std::fs::remove_file(home.path().with_extension("restored")).unwrap();
        assert_eq!(home.ask("restore", false), unsupported);
    }

    /// A backup is restored over a store of an earlier format, as over any other. Who has that open is told.
    #[test]
    fn a_store_of_an_earlier_format_is_written_over() {
        let home = Home::new();
        let mut holder = home.start("hold", false);
        assert_eq!(holder.next().unwrap(), "open");
        assert_eq!(home.ask("restore over", true), whole());
        writeln!(holder.input).unwrap();
        let unsupported = ErrorKind::Unsupported.name();
        assert_eq!(holder.next().unwrap(), [unsupported; 3].join(" "));
        assert_eq!(home.ask("look", true), whole());
        assert_eq!(home.ask("look", false), unsupported);
        // One that does not verify is left as it is.
        let home = Home::new();
        home.sql("UPDATE store SET generation = generation + 1");
        let before = home.bytes();
        assert_eq!(home.ask("restore over", true), ErrorKind::IntegrityError.name());
        assert!(home.bytes() == before, "the file was changed");
    }

    /// Whoever can write the file cannot have it taken for one of another format.
    #[test]
    fn the_format_is_authenticated() {
        let damaged = ErrorKind::IntegrityError.name();
        let raise = "PRAGMA user_version = 2";
        let table = "CREATE TABLE later (\n    id INTEGER NOT NULL PRIMARY KEY\n) STRICT, WITHOUT ROWID";
        let home = Home::new();
        home.sql(raise);
        assert_eq!(home.ask("look", false), ErrorKind::Unsupported.name());
        assert_eq!(home.ask("look", true), damaged, "of another schema than its format's");
        home.sql(table);
        assert_eq!(home.ask("look", true), damaged, "its root is of format 1");
        home.sql("DROP TABLE later; PRAGMA user_version = 1");
        assert_eq!(home.ask("look", true), whole());
        home.sql("PRAGMA user_version = 1");
        assert_eq!([home.ask("look", false), home.ask("look", true)], [damaged; 2], "of the later schema");
        home.sql("DROP TABLE later");
        let before = home.bytes();
        assert_eq!(
            [home.ask("look", false), home.ask("look", true)],
            [damaged; 2],
            "its root is of format 2"
        );
        assert!(home.bytes() == before, "the file was changed");
        home.sql(&format!("{table}; {raise}"));
        assert_eq!(home.ask("look", true), whole());
    }

    /// What does not verify is not upgraded, and left as it is.
    #[test]
    fn a_damaged_file_is_not_upgraded() {
        let home = Home::new();
        home.sql("UPDATE key SET exportable = 1 WHERE key_id = 'k9'");
        let before = home.bytes();
        assert_eq!(home.ask("look", true), ErrorKind::IntegrityError.name());
        assert!(home.bytes() == before, "the file was changed");
    }

    #[test]
    fn of_many_at_once_one_upgrades() {
        let home = Home::new();
        let mut all: Vec<Process> = (0..4).map(|_| home.start("look", true)).collect();
        let steps: Vec<usize> = all
            .iter_mut()
            .map(|process| {
                let lines: Vec<String> = std::iter::from_fn(|| process.next()).collect();
                assert_eq!(lines.last(), Some(&whole()));
                lines.len() - 1
            })
            .collect();
        assert_eq!(steps.iter().sum::<usize>(), KEYS, "{steps:?}");
    }

    /// Killed at a moment of the upgrade, some of them half way through, the file is of one format or the other, whole.
    #[test]
    fn an_upgrade_that_is_killed_is_done_whole_or_not_at_all() {
        let kills = if std::env::var("KEYFOLD_PROOF").is_ok_and(|form| form == "long") { 300 } else { 12 };
        let home = Home::new();
        let original = home.bytes();
        let mut process = home.start("look", true);
        let started = Instant::now();
        while process.next().is_some_and(|line| line.starts_with("key")) {}
        let took = started.elapsed();
        drop(process);
        let (mut old, mut new, mut half_way) = (0, 0, 0);
        for kill in 0..kills {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(home.folder.path().join(format!("s.keyfold{suffix}")));
            }
            std::fs::write(home.path(), &original).unwrap();
            let mut process = home.start("look", true);
            if kill % 2 == 0 {
                let stop = format!("key {}", kill * KEYS / kills);
                while process.next().unwrap() != stop {}
                half_way += 1;
            } else {
                // Around its end too, where it commits.
                std::thread::sleep(took * 5 / 4 * kill as u32 / kills as u32);
            }
            process.child.kill().unwrap();
            process.child.wait().unwrap();
            // What an earlier keyfold sees, which rotates a key, or refuses.
            match home.ask("look", false) {
                seen if seen == OLD => old += 1,
                seen => {
                    assert_eq!(seen, ErrorKind::Unsupported.name());
                    new += 1;
                }
            }
            assert_eq!(home.ask("look", true), whole());
        }
        println!(
            "proof: {kills} upgrades killed, {half_way} of them half way: {old} files as before, {new} upgraded"
        );
        assert!(old >= half_way && old + new == kills);
    }
}
