//! What all handles to one open store share: two connections, the keyring, and the KEK.
//!
//! The reader's lock covers looking for changes and loading keys; the writer's covers administrative acts,
//! which may wait for other processes. Neither is held across a callback, and encrypting takes neither.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use arc_swap::ArcSwapOption;

use crate::error::{Denial, Error, ErrorKind, Result};
use crate::hierarchy::{AUDIT_KEY, Kek, OpenedRecipient, SystemKeyPlace, Wrappable};
use crate::keyring::{Entry, Freshness, Loaded, Need, Snapshot};
use crate::limits;
use crate::primitives::HmacKey;
use crate::records::sqlite::{Database, Moment};
use crate::records::tree::{Root, Tree};
use crate::records::{EntityId, Rows, StoreRow};
use crate::store::act::Event;
use crate::store::denials::Denials;
use crate::store::development::Scratch;
use crate::store::key_index::KeyIndex;
use crate::store::open::{refuse_warnings, require_locked_memory};
use crate::store::options::Mode;
use crate::sys::clock::coarse_milliseconds;
use crate::sys::pages::SecretBytes;
use crate::time::Clock;

/// The actions that are denied where a key was set aside, and nobody asked for an act.
const USE_KEY: &str = "use_key";
const READ: &str = "read";

/// One open store.
pub(crate) struct Shared {
    pub(super) path: PathBuf,
    pub(super) store_id: [u8; 16],
    pub(super) fingerprint: String,
    pub(super) actor: String,
    pub(super) warnings: Vec<String>,
    pub(super) mode: Mode,
    pub(super) production: bool,
    pub(super) immutable: bool,
    pub(super) require_mlock: bool,
    pub(super) clock: Clock,
    pub(super) freshness: Freshness,
    /// `None` once it is closed, and in mode metadata.
    pub(super) unlocked: ArcSwapOption<Unlocked>,
    pub(super) closed: AtomicBool,
    pub(super) reader: Arc<Mutex<Reader>>,
    pub(super) writer: Arc<Mutex<Database>>,
    /// Counts looks for changes as they begin, by whomever.
    pub(super) looks_started: AtomicU64,
    /// What was refused and is not on disk yet. The innermost lock: whoever holds it takes no other.
    pub(super) denials: Arc<Mutex<Denials>>,
    /// The folder of a store that goes when it is closed.
    pub(super) scratch: Mutex<Option<Scratch>>,
}

/// What the recipient's secret opened.
pub(crate) struct Unlocked {
    pub(crate) kek: Arc<Kek>,
    pub(crate) audit: HmacKey,
    /// Kept to open the next KEK with.
    pub(crate) recipient: Arc<OpenedRecipient>,
}

/// The connection for reading, and the keys that were asked for.
pub(crate) struct Reader {
    pub(super) database: Database,
    /// The root that was verified last, and when. Until somebody commits it is not read again.
    root: Option<(Moment, Root)>,
    pub(super) entries: HashMap<String, Arc<Entry>>,
    /// Which keys there are, as of the root that was last asked about.
    pub(super) index: Option<KeyIndex>,
    pub(super) last_look: Option<Instant>,
    /// The number of the newest look that succeeded.
    pub(super) looked: u64,
}

impl Reader {
    pub(super) fn new(database: Database, root: Option<(Moment, Root)>) -> Self {
        Self { database, root, entries: HashMap::new(), index: None, last_look: None, looked: 0 }
    }
}

impl Shared {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The time now, in milliseconds since 1970, by the store's clock. Called without any lock: the clock may be the
    /// caller's.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().milliseconds()
    }

    /// Refuses what the mode that the store was opened in does not allow; [`Shared::require`] notes it, too.
    pub(super) fn allows(&self, mode: Mode) -> Result<()> {
        if self.mode >= mode {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("the store is open in mode {:?}; this wants mode {:?}", self.mode.name(), mode.name()),
        )
        .denied(Denial::Mode))
    }

    /// Where the caller insists on it, refuses to go on with keys that had to be put into memory that may reach swap.
    pub(super) fn require_locked(&self) -> Result<()> {
        if self.require_mlock { require_locked_memory() } else { Ok(()) }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The recipient that the store was opened by; `None` once it is closed, and in mode metadata.
    pub(super) fn recipient(&self) -> Option<Arc<OpenedRecipient>> {
        self.unlocked.load_full().map(|unlocked| Arc::clone(&unlocked.recipient))
    }

    /// Takes warnings about a master key for errors where the store is open for production.
    pub(super) fn refuse_warnings(&self, warnings: &[String]) -> Result<()> {
        self.noting(Event::new("read_master_key"), refuse_warnings(self.production, warnings))
    }

    /// The keyring's entry of a key, loaded when it is first asked for.
    pub(crate) fn entry(&self, key_id: &str) -> Result<Arc<Entry>> {
        check_key_id(key_id)?;
        self.ensure_fresh(coarse_milliseconds())?;
        self.noting(Event::new(USE_KEY).key(key_id), self.load_entry(key_id))
    }

    fn load_entry(&self, key_id: &str) -> Result<Arc<Entry>> {
        let mut reader = lock(&self.reader);
        if let Some(entry) = reader.entries.get(key_id) {
            return Ok(Arc::clone(entry));
        }
        let (snapshot, generation) = self.read(&mut reader, |tree, kek| {
            Ok((Snapshot::load(tree, kek, key_id, None)?, tree.store().generation))
        })?;
        self.require_locked()?;
        self.freshness.advance(generation);
        let entry = Arc::new(Entry::new(key_id, snapshot.ok_or_else(|| no_such_key(key_id))?, generation));
        reader.entries.insert(key_id.to_owned(), Arc::clone(&entry));
        Ok(entry)
    }

    /// The entry's snapshot, as new as `refresh_interval` promises. The hot path: three atomic loads and a clock.
    #[inline(always)]
    pub(crate) fn current(&self, entry: &Entry) -> Result<Loaded> {
        self.current_at(coarse_milliseconds(), entry)
    }

    /// As [`Shared::current`], for who has just read the coarse clock.
    #[inline(always)]
    pub(crate) fn current_at(&self, now: u64, entry: &Entry) -> Result<Loaded> {
        self.ensure_fresh(now)?;
        if entry.verified() < self.freshness.generation() {
            self.noting(Event::new(USE_KEY).key(entry.key_id()), self.reload(entry))?;
        }
        let loaded = entry.load();
        if loaded.is_none() {
            return Err(Error::closed());
        }
        Ok(loaded)
    }

    /// Refuses to encrypt under AES256_GCM where no count of its messages can be written down.
    #[inline]
    pub(crate) fn refuse_uncounted(&self, snapshot: &Snapshot) -> Result<()> {
        if self.immutable { snapshot.refuse_uncounted() } else { Ok(()) }
    }

    /// Looks for changes by others at once, at most 100 times a second and once for all who ask meanwhile.
    #[cold]
    pub(crate) fn look_for_newer(&self) -> Result<()> {
        let before = self.looks_started.load(Ordering::Acquire);
        loop {
            let mut reader = lock(&self.reader);
            // A look that began after we asked serves us too; one that failed does not.
            if reader.looked > before {
                return Ok(());
            }
            let since = reader.last_look.map_or(limits::LOOK_SPACING, |look| look.elapsed());
            if since >= limits::LOOK_SPACING {
                return self.look(&mut reader);
            }
            drop(reader);
            std::thread::sleep(limits::LOOK_SPACING - since);
        }
    }

    /// Runs on verified records of one moment.
    pub(crate) fn read_verified<T>(&self, run: impl FnOnce(&Tree<'_>, &Arc<Kek>) -> Result<T>) -> Result<T> {
        let outcome = self.read(&mut lock(&self.reader), run);
        self.noting(Event::new(READ), outcome)
    }

    /// As [`Shared::read_listing`], with the index of all keys and purposes.
    pub(crate) fn read_indexed<T>(
        &self,
        run: impl FnOnce(&Tree<'_>, &mut KeyIndex) -> Result<T>,
    ) -> Result<T> {
        let mut reader = lock(&self.reader);
        let mut known = reader.index.take();
        let outcome = self.list(&mut reader, |tree| run(tree, KeyIndex::at(&mut known, tree)?));
        reader.index = known;
        drop(reader);
        self.noting(Event::new(READ), outcome)
    }

    /// Refuses to make something new with a current version that has expired. The clock is read where a version has
    /// an expiry, and there only.
    #[inline]
    pub(crate) fn refuse_expired(&self, snapshot: &Snapshot) -> Result<()> {
        match snapshot.encrypts_until() {
            Some(at) if self.clock.coarse_now().milliseconds() >= at => Err(snapshot.expired(at)),
            _ => Ok(()),
        }
    }

    /// As [`Shared::read_verified`], for what mode metadata shows too: there, and only there, nothing is verified.
    pub(crate) fn read_listing<T>(&self, run: impl FnOnce(&Tree<'_>) -> Result<T>) -> Result<T> {
        let outcome = self.list(&mut lock(&self.reader), run);
        self.noting(Event::new(READ), outcome)
    }

    /// As [`Shared::read_listing`], for who holds the lock.
    fn list<T>(&self, reader: &mut Reader, run: impl FnOnce(&Tree<'_>) -> Result<T>) -> Result<T> {
        if self.mode != Mode::Metadata {
            return self.read(reader, |tree, _| run(tree));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        reader.database.read(|rows| run(&Tree::unverified(rows)?))
    }

    /// As [`Shared::read_verified`], for who holds the lock.
    pub(super) fn read<T>(
        &self,
        reader: &mut Reader,
        run: impl FnOnce(&Tree<'_>, &Arc<Kek>) -> Result<T>,
    ) -> Result<T> {
        self.unlocked()?;
        // Taken before the transaction begins: another thread may commit while it runs.
        let known = self.freshness.generation();
        let Reader { database, root, .. } = reader;
        database.read_at(|rows, moment| {
            let before = self.unlocked()?;
            if let Some((of, known_root)) = root
                && *of == moment
                && known_root.store().kek_version == before.kek.version
                && known_root.store().generation >= known
            {
                return run(&Tree::under(rows, &before.kek.records, known_root.clone()), &before.kek);
            }
            let unlocked = self.follow_from(rows, before)?;
            let tree = self.verified(rows, &unlocked, known)?;
            *root = Some((moment, tree.root().clone()));
            run(&tree, &unlocked.kek)
        })
    }

    /// The KEK and what came with it; Closed after closing.
    pub(crate) fn unlocked(&self) -> Result<Arc<Unlocked>> {
        self.unlocked.load_full().ok_or_else(|| self.locked())
    }

    /// Why there is no key to work with.
    #[cold]
    fn locked(&self) -> Error {
        let denied = if self.closed.load(Ordering::Acquire) { None } else { self.allows(Mode::Use).err() };
        denied.unwrap_or_else(Error::closed)
    }

    /// What the recipient's private key opens in this transaction: where the KEK was changed, by whomever, the new
    /// one takes the old one's place. WrongMasterKey where our recipient was removed.
    pub(super) fn follow(&self, rows: &dyn Rows) -> Result<Arc<Unlocked>> {
        self.follow_from(rows, self.unlocked()?)
    }

    /// As [`Shared::follow`], where the transaction may be older than the KEK that by now is known.
    pub(super) fn follow_from(&self, rows: &dyn Rows, unlocked: Arc<Unlocked>) -> Result<Arc<Unlocked>> {
        let store = rows.store()?;
        if store.store_id != self.store_id || store.kek_version <= unlocked.kek.version {
            return Ok(unlocked);
        }
        let recipient = Arc::clone(&unlocked.recipient);
        let next = Arc::new(unlock_with(rows, store, recipient)?.1);
        self.replace_unlocked(&next)?;
        Ok(next)
    }

    /// Puts a newer KEK in place, unless the store was closed or somebody put one at least as new.
    pub(super) fn replace_unlocked(&self, next: &Arc<Unlocked>) -> Result<()> {
        loop {
            let current = self.unlocked()?;
            if current.kek.version >= next.kek.version {
                return Ok(());
            }
            let seen = self.unlocked.compare_and_swap(&Some(Arc::clone(&current)), Some(Arc::clone(next)));
            if seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &current)) {
                return Ok(());
            }
        }
    }

    /// Verifies the root, and that this is our store and no older than what was known of it.
    pub(super) fn verified<'a>(
        &self,
        rows: &'a dyn Rows,
        unlocked: &'a Unlocked,
        known: u64,
    ) -> Result<Tree<'a>> {
        let store = rows.store()?;
        if store.store_id == self.store_id && store.kek_version < unlocked.kek.version {
            return Err(older_copy());
        }
        let tree = Tree::verify_store(rows, &unlocked.kek.records, store)?;
        self.check_identity(tree.store(), &unlocked.kek, known)?;
        Ok(tree)
    }

    pub(super) fn check_identity(&self, store: &StoreRow, kek: &Kek, known: u64) -> Result<()> {
        if store.store_id != self.store_id || store.kek_version != kek.version {
            return Err(Error::integrity("another store was put in this one's place"));
        }
        if store.generation < known {
            return Err(older_copy());
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.write_counts_down();
        self.write_last_denials();
        self.closed.store(true, Ordering::Release);
        // From here on nobody begins anything; whoever has begun holds one of the locks.
        self.unlocked.store(None);
        let doubted = self.mode == Mode::Metadata
            || lock(&self.writer).is_doubted()
            || lock(&self.reader).database.is_doubted();
        let close = |database: &mut Database| if doubted { database.leave() } else { database.close() };
        let mut writer = lock(&self.writer);
        let mut reader = lock(&self.reader);
        reader.database.rely_on(&writer);
        close(&mut writer);
        drop(writer);
        close(&mut reader.database);
        reader.index = None;
        reader.root = None;
        let entries = std::mem::take(&mut reader.entries);
        drop(reader);
        let patience = Instant::now() + limits::CLOSE_WAIT;
        for entry in entries.values() {
            entry.close(patience);
        }
        lock(&self.scratch).take();
    }

    #[inline(always)]
    fn ensure_fresh(&self, now: u64) -> Result<()> {
        match self.freshness.need_at(now) {
            Need::Nothing => Ok(()),
            need => self.refresh(need),
        }
    }

    #[cold]
    fn refresh(&self, need: Need) -> Result<()> {
        let mut reader = match need {
            Need::Nothing => return Ok(()),
            Need::Look => lock(&self.reader),
            Need::LookIfFree => match self.reader.try_lock() {
                Ok(reader) => reader,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            },
        };
        // Somebody else may have looked while we waited.
        if self.freshness.need() == Need::Nothing {
            return Ok(());
        }
        if self.freshness.failed_lately() && self.freshness.may_serve_stale() {
            return Ok(());
        }
        let looked = self.look(&mut reader);
        drop(reader);
        self.write_due_denials();
        match looked {
            Err(error) if is_passing(&error) && self.freshness.may_serve_stale() => {
                self.freshness.failed();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Asks SQLite whether others committed; if so, verifies the new root.
    fn look(&self, reader: &mut Reader) -> Result<()> {
        self.unlocked()?;
        let started = coarse_milliseconds();
        let number = self.looks_started.fetch_add(1, Ordering::AcqRel) + 1;
        reader.last_look = Some(Instant::now());
        if reader.database.changed()? {
            let generation = self.read(reader, |tree, _| Ok(tree.store().generation))?;
            self.freshness.advance(generation);
            reader.database.settle();
        }
        self.freshness.looked(started);
        reader.looked = number;
        Ok(())
    }

    /// Brings one key up to the newest generation.
    #[cold]
    fn reload(&self, entry: &Entry) -> Result<()> {
        let mut reader = lock(&self.reader);
        let Some(previous) = entry.load_full() else { return Err(Error::closed()) };
        if entry.verified() >= self.freshness.generation() {
            return Ok(());
        }
        let loaded = self.read(&mut reader, |tree, kek| {
            let snapshot = Snapshot::load(tree, kek, entry.key_id(), Some(&previous))?;
            Ok((snapshot.ok_or_else(|| no_such_key(entry.key_id()))?, tree.store().generation))
        });
        match loaded {
            Ok((snapshot, generation)) => {
                self.require_locked()?;
                self.freshness.advance(generation);
                entry.replace(snapshot, generation);
                Ok(())
            }
            Err(error) if is_passing(&error) && self.freshness.may_serve_stale() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// From a recipient's private key to a verified root and what it unlocks.
pub(super) fn unlock_with(
    rows: &dyn Rows,
    store: StoreRow,
    recipient: Arc<OpenedRecipient>,
) -> Result<(Root, Unlocked)> {
    let kek = Kek::unwrap(rows, &store, &recipient)?;
    let tree = Tree::verify_store(rows, &kek.records, store)?;
    let entity = EntityId::recipient(&recipient.recipient_id);
    tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    let audit = HmacKey::new(system_key(&tree, &kek, AUDIT_KEY)?.expose());
    let root = tree.root().clone();
    Ok((root, Unlocked { kek: Arc::new(kek), audit, recipient }))
}

/// The current version of a key of the store's own, verified.
pub(super) fn system_key(tree: &Tree<'_>, kek: &Kek, name: &str) -> Result<SecretBytes> {
    let entity = EntityId::system_key(name);
    tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    let row = tree.rows().system_keys(name)?.pop().ok_or_else(|| entity.damaged())?;
    let place = SystemKeyPlace { store_id: &tree.store().store_id, name, version: row.version };
    place.unwrap(kek, row.kek_version, &row.wrapped)
}

fn older_copy() -> Error {
    Error::integrity("an older copy of the store was put in its place: this process has seen a newer one")
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes a lock whatever became of its last holder: what it guards is changed in whole steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the error says that the file could not be read just now, rather than what it holds.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Busy
            | ErrorKind::Storage
            | ErrorKind::StorageFull
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied
    ) && error.key_id().is_none()
}

/// Refuses what can be no key's id.
pub(crate) fn check_key_id(key_id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    if key_id.is_empty() || !key_id.bytes().all(allowed) {
        return Err(Error::invalid("a key id is letters, digits and . _ : / - and not empty"));
    }
    if key_id.len() > limits::KEY_ID_BYTES {
        return Err(Error::limit(format!("a key id is at most {} bytes", limits::KEY_ID_BYTES)));
    }
    Ok(())
}

pub(crate) fn no_such_key(key_id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no key {key_id:?} in this store; create it first"))
        .with_key(key_id)
}
