//! Restoring a backup: into a new file, or over a store that others have open.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::format::Anchor;
use crate::hierarchy::Credential;
use crate::limits;
use crate::master_key::MasterKey;
use crate::primitives::equal;
use crate::records::sqlite::{Copy, Database, FileOptions};
use crate::records::tree::Tree;
use crate::records::{Rows, StoreRow};
use crate::store::act::{Act, Event};
use crate::store::check::check_database;
use crate::store::open::{Opened, default_actor, unlock_by};
use crate::store::options::from_json;
use crate::store::rekey::NextKek;
use crate::store::shared::Unlocked;
use crate::store::upgrade::upgrade;
use crate::store::usage::settle_copy;
use crate::store::{OpenOptions, anchor_of, forking};
use crate::time::{Clock, Timestamp, deserialize_duration};

/// How a backup is restored.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Write over a store that is another than the backup's. Default: false.
    pub replace_other_store: bool,
    /// Write over a store that does not verify, or that the master key does not open. Default: false.
    pub force: bool,
    /// Refuse a backup that is older than this anchor or forked before it.
    pub anchor: Option<String>,
    /// Refuse a backup of another store than this, as [`crate::Store::fingerprint`] gives it.
    pub fingerprint: Option<String>,
    /// Who acts, for the audit log. Default: the user's number, as in `uid:1000`.
    pub actor: Option<String>,
    /// How long to wait for another process before Busy. Default: 5 s; at most 1 h.
    #[serde(deserialize_with = "deserialize_duration")]
    pub busy_timeout: Duration,
    /// Use files on a network file system although their locks are not dependable. Default: false.
    pub allow_network_fs: bool,
    /// Where times come from; for tests. Not part of the JSON form.
    #[serde(skip)]
    pub clock: Clock,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            replace_other_store: false,
            force: false,
            anchor: None,
            fingerprint: None,
            actor: None,
            busy_timeout: Duration::from_secs(5),
            allow_network_fs: false,
            clock: Clock::system(),
        }
    }
}

impl RestoreOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Write over another store.
    pub fn replace_other_store(mut self, replace: bool) -> Self {
        self.replace_other_store = replace;
        self
    }

    /// Write over a store that does not verify.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Refuse an older or forked backup.
    pub fn anchor(mut self, anchor: impl Into<String>) -> Self {
        self.anchor = Some(anchor.into());
        self
    }

    /// Refuse a backup of another store.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Who acts.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// How long to wait for another process.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Use files on a network file system.
    pub fn allow_network_fs(mut self, allow: bool) -> Self {
        self.allow_network_fs = allow;
        self
    }

    /// Where times come from; for tests.
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::function(now);
        self
    }

    fn check(&self) -> Result<()> {
        let same = OpenOptions::new().busy_timeout(self.busy_timeout);
        match &self.actor {
            Some(actor) => same.actor(actor).check(),
            None => same.check(),
        }
    }
}

/// A backup that was restored.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RestoreInfo {
    /// Where the restored store stands. Anchors of what was written over open it no more, nor those taken after the
    /// backup.
    pub anchor: Anchor,
    /// The restored store's identity.
    pub fingerprint: String,
    /// Whether a store was at the path, and was written over.
    pub replaced: bool,
    /// The keys that got a new version: what AES256_GCM has sealed since the backup is not known.
    pub rotated: Vec<String>,
}

/// Restores a backup at `path`: makes the file where there is none, else writes over the store that is there, while
/// others have it open.
///
/// Before anything is touched the master key must open the backup (WrongMasterKey) and everything in it must verify
/// (IntegrityError). What is written is there whole or not at all. Open stores go on, with the keys that the backup
/// has; its generation ends above both files'.
pub fn restore(
    source: impl AsRef<Path>,
    path: impl AsRef<Path>,
    master_key: &MasterKey,
    options: &RestoreOptions,
) -> Result<RestoreInfo> {
    options.check()?;
    let (source, path) = (source.as_ref(), path.as_ref());
    let anchor = options.anchor.as_deref().map(str::parse::<Anchor>).transpose()?;
    let file_options = FileOptions {
        busy_timeout: options.busy_timeout,
        allow_network_fs: options.allow_network_fs,
        immutable: false,
    };
    let backup = Database::of_any_format(source, file_options.clone())?;
    refuse_itself(source, path)?;
    refuse_cut(source)?;
    // Callbacks run before any lock is taken.
    let credentials = credentials(master_key)?;
    let now = options.clock.now().milliseconds();
    let actor = options.actor.clone().unwrap_or_else(default_actor);
    let _opening = forking::opening()?;
    let mut existing = existing(path, &file_options)?;
    let target = existing.as_ref().map_or(path, Database::path).to_owned();
    let (copy, opened) =
        verified_copy(backup, &target, &file_options, &credentials, anchor.as_ref(), (&actor, now))?;
    if let Some(expected) = &options.fingerprint
        && !equal(expected.as_bytes(), opened.fingerprint.as_bytes())
    {
        return Err(Error::integrity(format!(
            "the backup is of another store than the one expected: its fingerprint is {}",
            opened.fingerprint
        )));
    }
    let restoring = Restoring {
        opened: &opened,
        unlocked: opened
            .unlocked
            .as_deref()
            .ok_or_else(|| Error::internal("a backup that was not unlocked"))?,
        credentials: &credentials,
        options,
        now,
        actor: &actor,
    };
    let (anchor, rotated) = match &mut existing {
        None => {
            let mut database = copy.database()?;
            let done = restoring.record(&mut database, None)?;
            copy.publish(database)?;
            done
        }
        Some(existing) => {
            restoring.replaced(existing)?;
            let done = copy.write_over(existing, |existing| {
                let replaced = restoring.replaced(existing)?;
                restoring.record(&mut copy.database()?, Some(replaced))
            })?;
            existing.read(|rows| unlock_any(rows, &credentials, Some(&done.0)))?;
            done
        }
    };
    Ok(RestoreInfo { anchor, fingerprint: opened.fingerprint, replaced: existing.is_some(), rotated })
}

/// What a restore knows while it runs.
struct Restoring<'a> {
    opened: &'a Opened,
    unlocked: &'a Unlocked,
    credentials: &'a [Credential],
    options: &'a RestoreOptions,
    now: i64,
    actor: &'a str,
}

/// How far the store had come that is written over.
#[derive(Clone, Copy, Default)]
struct Replaced {
    generation: u64,
    kek_version: u32,
}

impl Replaced {
    /// Anybody may have written it; past this no store has come by its own acts.
    fn believed(self) -> Self {
        Self {
            generation: if self.generation <= limits::UNVERIFIED_GENERATION { self.generation } else { 0 },
            kek_version: if self.kek_version <= limits::UNVERIFIED_KEK_VERSION {
                self.kek_version
            } else {
                0
            },
        }
    }
}

impl Restoring<'_> {
    /// What is to be written over; an error where that was not asked for.
    fn replaced(&self, existing: &mut Database) -> Result<Replaced> {
        let mut row = None;
        let outcome = existing.read(|rows| {
            row = rows.store().ok().map(|store| {
                let StoreRow { store_id, generation, kek_version, .. } = store;
                (store_id, Replaced { generation, kek_version })
            });
            unlock_any(rows, self.credentials, None).map(|_| ())
        });
        let (store_id, replaced) = match outcome {
            Ok(()) => row.ok_or_else(|| Error::internal("a store without its row"))?,
            Err(error) => match error.kind() {
                ErrorKind::IntegrityError | ErrorKind::WrongMasterKey if self.options.force => {
                    let Some((store_id, replaced)) = row else { return Ok(Replaced::default()) };
                    (store_id, replaced.believed())
                }
                ErrorKind::IntegrityError | ErrorKind::WrongMasterKey => {
                    return Err(Error::new(
                        error.kind(),
                        "the store at the path does not verify under this master key; keep a copy of its files for \
                         inquiry, then restore with force, or move them away and restore to the empty place",
                    )
                    .with_cause(error));
                }
                ErrorKind::Unsupported => {
                    return Err(Error::new(
                        error.kind(),
                        "the file at the path is no store that this keyfold knows; move it away, with what stands \
                         beside it, and restore to the empty place",
                    )
                    .with_cause(error));
                }
                _ => return Err(error),
            },
        };
        if store_id != self.opened.store_id && !self.options.replace_other_store {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                "at the path is another store than the backup's; to lose its keys for good, restore with \
                 replace_other_store",
            ));
        }
        Ok(replaced)
    }

    /// Brings the copy above both generations, under a KEK that is newer than both, and records what was done.
    ///
    /// Open stores take a KEK older than theirs for an attack, as well they may. So where there may be open stores
    /// the restored one gets another, which those of recipients that the backup has can open.
    fn record(&self, copy: &mut Database, replaced: Option<Replaced>) -> Result<(Anchor, Vec<String>)> {
        let unlocked = self.unlocked;
        let next = replaced
            .map(|replaced| NextKek::after(unlocked.kek.version.max(replaced.kek_version)))
            .transpose()?;
        let kek = next.as_ref().map_or(&*unlocked.kek, |next| &next.kek);
        let replaced = replaced.unwrap_or_default().generation;
        let rotated = copy.write(|rows| {
            let mut tree = Tree::verify(rows, &unlocked.kek.records)?;
            if let Some(next) = &next {
                tree = next.take_over_for_all(&tree, &unlocked.kek)?;
            }
            let store = tree.store_mut();
            let detail = format!("a backup of generation {}, over generation {replaced}", store.generation);
            store.generation = store.generation.max(replaced);
            let mut act = Act::new(tree, kek, &unlocked.audit, self.actor, self.now);
            act.record(Event::new("restore_store").detail(&detail))?;
            // AES-256-GCM counts its messages, and those since the backup are in nobody's count.
            act.tree.store_mut().copied = true;
            let rotated = settle_copy(&mut act)?;
            act.finish()?;
            Ok(rotated)
        })?;
        let anchor = copy.read(|rows| Ok(anchor_of(Tree::verify(rows, &kek.records)?.store())))?;
        Ok((anchor, rotated))
    }
}

/// Every master key that can be read. The first one's error where none can.
fn credentials(master_key: &MasterKey) -> Result<Vec<Credential>> {
    let mut credentials = Vec::new();
    let mut unread = None;
    for candidate in master_key.alternatives() {
        match candidate.resolve() {
            Ok(resolved) => credentials.push(resolved.credential),
            Err(error) => unread = unread.or(Some(error)),
        }
    }
    match unread {
        Some(error) if credentials.is_empty() => Err(error),
        _ => Ok(credentials),
    }
}

/// What the first of these opens that opens anything.
fn unlock_any(rows: &dyn Rows, credentials: &[Credential], anchor: Option<&Anchor>) -> Result<Opened> {
    unlock_any_as(rows, &rows.store()?, credentials, anchor)
}

/// As [`unlock_any`], of a store's row that was just read.
fn unlock_any_as(
    rows: &dyn Rows,
    store: &StoreRow,
    credentials: &[Credential],
    anchor: Option<&Anchor>,
) -> Result<Opened> {
    let mut refused = Error::internal("no master key to try");
    for credential in credentials {
        match unlock_by(rows, store, credential, anchor) {
            Err(error) if error.kind() == ErrorKind::WrongMasterKey => refused = error,
            outcome => return outcome,
        }
    }
    Err(refused)
}

/// Copies the backup beside the target, out of everybody's reach, and verifies all of the copy.
fn verified_copy(
    mut backup: Database,
    target: &Path,
    options: &FileOptions,
    credentials: &[Credential],
    anchor: Option<&Anchor>,
    (actor, now): (&str, i64),
) -> Result<(Copy, Opened)> {
    let copy = Copy::of(&mut backup, target, options, &|_, _| {})?;
    backup.leave();
    let mut database = copy.of_any_format()?;
    upgrade(&mut database, actor, now, |rows, store| {
        let opened = unlock_any_as(rows, &store, credentials, anchor)?;
        opened.unlocked.ok_or_else(|| Error::internal("a backup that was not unlocked"))
    })?;
    let opened = database.read(|rows| unlock_any(rows, credentials, anchor))?;
    let report = check_database(&mut database, now, &|_| {
        opened.unlocked.clone().ok_or_else(|| Error::internal("a backup that was not unlocked"))
    })?;
    match report.findings.first() {
        None => Ok((copy, opened)),
        Some(finding) => Err(Error::integrity(format!(
            "the backup does not verify, so nothing was restored: {}: {}; take another backup",
            finding.subject, finding.problem
        ))),
    }
}

/// The store at the path; `None` where there is no file.
fn existing(path: &Path, options: &FileOptions) -> Result<Option<Database>> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // Written over, it is of this build's format.
        _ => Database::of_any_format(path, options.clone()).map(Some),
    }
}

/// SQLite takes zeros for what a file's last page lacks. Whoever copied less than all may have lost more.
fn refuse_cut(source: &Path) -> Result<()> {
    const LEAST_PAGE: u64 = 512;
    match source.metadata() {
        Ok(metadata) if metadata.len() % LEAST_PAGE != 0 => {
            Err(Error::integrity("the backup was cut: it does not end with a whole page; copy it again"))
        }
        // Where it cannot be seen it cannot be opened either.
        _ => Ok(()),
    }
}

fn refuse_itself(source: &Path, path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    if identity(path).is_some_and(|target| identity(source) == Some(target)) {
        return Err(Error::invalid("the backup and the store are one file"));
    }
    Ok(())
}
