//! Opening and making a store.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwapOption;

use crate::error::{Denial, Error, ErrorKind, Result};
use crate::format::{Anchor, Encoding};
use crate::hierarchy::{
    AUDIT_KEY, Credential, IDENTITY, Kek, NewRecipient, OpenedRecipient, RecipientKind, SystemKeyPlace,
    Wrappable, make_recipient, open_recipient, sign_wraps, wrap_kek,
};
use crate::keyring::Freshness;
use crate::limits;
use crate::master_key::{MasterKey, ResolvedMasterKey, none_served};
use crate::primitives::{HmacKey, Identity, equal, random_bytes, sha256};
use crate::records::audit::verify_chain;
use crate::records::sqlite::{self, Database, FileOptions};
use crate::records::tree::{Root, Tree};
use crate::records::{EntityId, RecipientRow, Rows, StoreRow, SystemKeyRow};
use crate::store::act::{Act, Event};
use crate::store::development::{self, MEMORY, Scratch};
use crate::store::forking;
use crate::store::options::{Mode, OpenOptions};
use crate::store::shared::{Reader, Shared, Unlocked, unlock_with};
use crate::store::upgrade::upgrade;
use crate::sys::pages::{self, SecretBytes};

/// A new store's first recipient is called by its kind and this.
const FIRST: &str = "-1";

impl Shared {
    pub(crate) fn open(path: &Path, master_key: &MasterKey, options: &OpenOptions) -> Result<Arc<Self>> {
        options.check()?;
        if path.as_os_str().is_empty() {
            return Err(Error::invalid("a store lives in a file: name its path"));
        }
        if options.wanted_mode()? == Mode::Metadata {
            return Self::open_metadata(path, options);
        }
        if options.require_mlock {
            require_locked_memory()?;
        }
        let opening = Opening::new(path, options)?;
        // A missing file is the plainer error, so it comes first.
        if !opening.create {
            Database::new(&opening.path, opening.file_options())?;
        }
        let development;
        let master_key = match options.insecure_dev {
            true => {
                development = opening.development_key(master_key)?;
                &development
            }
            false => master_key,
        };
        let mut failures = Vec::new();
        for candidate in master_key.alternatives() {
            // A callback runs before any lock is taken.
            let opened = candidate.resolve().map_err(|error| (true, error)).and_then(|resolved| {
                let opened = opening.open_with(resolved);
                opened.map_err(|error| (error.kind() == ErrorKind::WrongMasterKey, error))
            });
            match opened {
                // The guard is held until forks know of the connection.
                Ok((opened, reader, mut warnings, _held)) => {
                    warnings.extend(failures.iter().map(|(failed, error): &(&MasterKey, Error)| {
                        format!("{failed:?} did not serve, another master key did: {}", error.message())
                    }));
                    let (copied, now) = (opened.copied && !options.immutable, opening.now);
                    let shared = Self::assemble(opened, reader, warnings, opening)?;
                    if copied {
                        shared.settle_copy(now)?;
                    }
                    return Ok(shared);
                }
                Err((true, error)) => failures.push((candidate, error)),
                Err((false, error)) => return Err(error),
            }
        }
        Err(none_served(failures))
    }

    /// Opens a store to look at it, without a master key: nothing that it shows is verified.
    fn open_metadata(path: &Path, options: &OpenOptions) -> Result<Arc<Self>> {
        if options.create || options.insecure_dev || options.anchor.is_some() || options.fingerprint.is_some()
        {
            return Err(Error::invalid(
                "mode metadata verifies and makes nothing: it goes without create, anchor, fingerprint and \
                 insecure_dev",
            ));
        }
        let opening = Opening::new(path, options)?;
        let _held = forking::opening()?;
        let mut reader = Database::new(path, opening.file_options())?;
        let store = reader.read(|rows| rows.store())?;
        refuse_development(store.development, options)?;
        let opened = Opened {
            store_id: store.store_id,
            generation: store.generation,
            development: store.development,
            copied: false,
            fingerprint: String::new(),
            unlocked: None,
        };
        Self::assemble(opened, Reader::new(reader, None), Vec::new(), opening)
    }

    fn assemble(
        opened: Opened,
        reader: Reader,
        mut warnings: Vec<String>,
        opening: Opening<'_>,
    ) -> Result<Arc<Self>> {
        let options = opening.options;
        if options.require_mlock {
            require_locked_memory()?;
        }
        let memory = pages::status();
        if memory.unlocked_bytes > 0 {
            warnings.push(format!(
                "{} bytes of key memory could not be locked and may reach swap; raise RLIMIT_MEMLOCK (ulimit -l)",
                memory.unlocked_bytes
            ));
        }
        if opened.development {
            warnings.push("this is a development store: its key lies beside it or in memory".to_owned());
        }
        let freshness = Freshness::new(options.refresh_interval, options.max_stale);
        freshness.advance(opened.generation);
        let writer = reader.database.sibling();
        let shared = Self {
            path: reader.database.path().to_owned(),
            store_id: opened.store_id,
            fingerprint: opened.fingerprint,
            actor: opening.actor,
            warnings,
            mode: options.wanted_mode()?,
            production: options.production,
            immutable: options.immutable,
            require_mlock: options.require_mlock,
            clock: options.clock.clone(),
            freshness,
            unlocked: ArcSwapOption::new(opened.unlocked),
            closed: AtomicBool::new(false),
            reader: Arc::new(Mutex::new(reader)),
            writer: Arc::new(Mutex::new(writer)),
            looks_started: AtomicU64::new(0),
            denials: Default::default(),
            scratch: Mutex::new(opening.scratch),
        };
        forking::register(&shared);
        Ok(Arc::new(shared))
    }
}

/// What one call to open a store has found out so far.
struct Opening<'a> {
    options: &'a OpenOptions,
    path: PathBuf,
    /// The folder of a store that only lives as long as it is open.
    scratch: Option<Scratch>,
    create: bool,
    anchor: Option<Anchor>,
    actor: String,
    now: i64,
}

impl<'a> Opening<'a> {
    fn new(path: &Path, options: &'a OpenOptions) -> Result<Self> {
        let scratch = match path.as_os_str() == MEMORY {
            true if options.insecure_dev => Some(Scratch::new()?),
            true => {
                return Err(Error::invalid(
                    "\":memory:\" is for tests, with insecure_dev; a store lives in a file: name its path",
                ));
            }
            false => None,
        };
        Ok(Self {
            options,
            path: scratch.as_ref().map_or_else(|| path.to_owned(), Scratch::store),
            create: options.create || scratch.is_some(),
            scratch,
            anchor: options.anchor.as_deref().map(str::parse).transpose()?,
            actor: options.actor.clone().unwrap_or_else(default_actor),
            now: options.clock.now().milliseconds(),
        })
    }

    fn file_options(&self) -> FileOptions {
        FileOptions {
            busy_timeout: self.options.busy_timeout,
            allow_network_fs: self.options.allow_network_fs,
            immutable: self.options.immutable,
        }
    }

    fn development_key(&self, given: &MasterKey) -> Result<MasterKey> {
        if !given.is_default() {
            return Err(Error::invalid(
                "insecure_dev brings a key of its own: leave the master key out, or insecure_dev",
            ));
        }
        development::master_key(&self.path, self.create)
    }

    /// Opens the store with one master key, made first where it is asked for and missing.
    fn open_with(&self, master_key: ResolvedMasterKey) -> Result<NewlyOpened> {
        let ResolvedMasterKey { credential, warnings } = master_key;
        refuse_warnings(self.options.production, &warnings)?;
        if self.create && self.path.symlink_metadata().is_err() {
            self.make(&credential)?;
        }
        let mut held = forking::opening()?;
        let mut reader = Database::of_any_format(&self.path, self.file_options())?;
        let (store_id, recipients) = reader.read(|rows| Ok((rows.store()?.store_id, rows.recipients()?)))?;
        check_recipients(&recipients)?;
        let recipient = match credential.kind() {
            RecipientKind::Passphrase => {
                // It takes its time: neither the file nor forks wait for it.
                reader.disconnect();
                drop(held);
                let recipient = open_recipient(&store_id, &recipients, &credential)?;
                held = forking::opening()?;
                recipient
            }
            _ => open_recipient(&store_id, &recipients, &credential)?,
        };
        let recipient = Arc::new(recipient);
        let open = |rows: &dyn Rows, store| -> Result<(Opened, Root)> {
            let (opened, root) = unlock(rows, store, Arc::clone(&recipient), self.anchor.as_ref())?;
            self.check(&opened)?;
            Ok((opened, root))
        };
        upgrade(&mut reader, &self.actor, self.now, |rows, store| {
            open(rows, store)?.0.unlocked.ok_or_else(|| Error::internal("a store that was not unlocked"))
        })?;
        let (opened, root) = reader.read_at(|rows, moment| {
            let (opened, root) = open(rows, rows.store()?)?;
            Ok((opened, (moment, root)))
        })?;
        if self.create && opened.generation == NEW && !self.options.immutable {
            // Whoever made it may have been told that this failed.
            sqlite::sync_names_anew(reader.path())?;
        }
        Ok((opened, Reader::new(reader, Some(root)), warnings, held))
    }

    fn check(&self, opened: &Opened) -> Result<()> {
        if let Some(expected) = &self.options.fingerprint
            && !equal(expected.as_bytes(), opened.fingerprint.as_bytes())
        {
            return Err(Error::integrity(format!(
                "this is another store than the one expected: its fingerprint is {}",
                opened.fingerprint
            )));
        }
        if self.options.insecure_dev && !opened.development {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "this is no development store; open it without insecure_dev",
            ));
        }
        refuse_development(opened.development, self.options)
    }

    /// Makes the store, unless somebody else is faster.
    fn make(&self, credential: &Credential) -> Result<()> {
        let draft = Draft::new(credential, self.now, self.options.insecure_dev)?;
        let _held = forking::opening()?;
        match draft.write(&self.path, &self.file_options(), &self.actor) {
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && self.path.symlink_metadata().is_ok() =>
            {
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// What was opened, its connection, what is to be said of the master key, and what keeps forks away.
type NewlyOpened = (Opened, Reader, Vec<String>, MutexGuard<'static, ()>);

/// Production mode takes what is else a warning for an error.
pub(super) fn refuse_warnings(production: bool, warnings: &[String]) -> Result<()> {
    match warnings.first() {
        Some(warning) if production => {
            let message = format!("refused in production mode: {warning}");
            Err(Error::new(ErrorKind::PermissionDenied, message).denied(Denial::Production))
        }
        _ => Ok(()),
    }
}

/// The generation of a store in which nothing was done yet.
const NEW: u64 = 1;

fn refuse_development(development: bool, options: &OpenOptions) -> Result<()> {
    if development && options.production {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            "this is a development store, made with insecure_dev: it is refused in production mode; make a new one",
        ));
    }
    Ok(())
}

/// Fails where key memory may reach swap.
pub(super) fn require_locked_memory() -> Result<()> {
    // Some memory, so that there is a status.
    drop(SecretBytes::zeroed(32));
    let memory = pages::status();
    if memory.unlocked_bytes == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "require_mlock: {} bytes of key memory could not be locked; raise RLIMIT_MEMLOCK (ulimit -l, \
             LimitMEMLOCK= of a service, --ulimit memlock of a container), or grant CAP_IPC_LOCK",
            memory.unlocked_bytes
        ),
    ))
}

/// What opening a store's file gives.
pub(super) struct Opened {
    pub(super) store_id: [u8; 16],
    pub(super) generation: u64,
    development: bool,
    /// The file is a backup that was not yet opened for writing.
    copied: bool,
    pub(super) fingerprint: String,
    /// `None` in mode metadata.
    pub(super) unlocked: Option<Arc<Unlocked>>,
}

/// From a master key to a verified root.
pub(super) fn unlock_by(
    rows: &dyn Rows,
    store: &StoreRow,
    credential: &Credential,
    anchor: Option<&Anchor>,
) -> Result<Opened> {
    let recipients = rows.recipients()?;
    check_recipients(&recipients)?;
    let recipient = open_recipient(&store.store_id, &recipients, credential)?;
    Ok(unlock(rows, store.clone(), Arc::new(recipient), anchor)?.0)
}

fn check_recipients(recipients: &[RecipientRow]) -> Result<()> {
    if recipients.len() > limits::RECIPIENTS {
        return Err(Error::integrity(format!("the store has more than {} recipients", limits::RECIPIENTS)));
    }
    Ok(())
}

/// From a recipient's private key to a verified root.
fn unlock(
    rows: &dyn Rows,
    store: StoreRow,
    recipient: Arc<OpenedRecipient>,
    anchor: Option<&Anchor>,
) -> Result<(Opened, Root)> {
    let identity = recipient.identity;
    let (root, unlocked) = unlock_with(rows, store, recipient)?;
    if let Some(anchor) = anchor {
        let tree = Tree::under(rows, &unlocked.kek.records, root.clone());
        check_anchor(&tree, &unlocked.audit, anchor)?;
    }
    let store = root.store();
    let opened = Opened {
        store_id: store.store_id,
        generation: store.generation,
        development: store.development,
        fingerprint: fingerprint(&store.store_id, &identity),
        unlocked: Some(Arc::new(unlocked)),
        copied: store.copied,
    };
    Ok((opened, root))
}

fn check_anchor(tree: &Tree<'_>, audit: &HmacKey, anchor: &Anchor) -> Result<()> {
    let store = tree.store();
    if store.store_id != anchor.store_id {
        return Err(Error::integrity("the anchor belongs to another store than this one"));
    }
    if store.generation < anchor.generation || store.audit_sequence < anchor.sequence {
        return Err(Error::integrity(format!(
            "the store is older than the anchor: generation {} of at least {}; an old copy was put in its place",
            store.generation, anchor.generation
        )));
    }
    let head = (store.audit_sequence, store.audit_hash);
    verify_chain(tree.rows(), audit, (anchor.sequence, anchor.hash), head).map_err(|error| {
        match error.kind() {
            ErrorKind::IntegrityError => Error::integrity(
                "the store did not grow from the anchor: it is a forked copy, or its audit chain was changed",
            )
            .with_cause(error),
            _ => error,
        }
    })
}

fn fingerprint(store_id: &[u8; 16], identity: &[u8; 32]) -> String {
    use base64::Engine;
    let named = Encoding::new("keyfold/v1/fingerprint").bytes(store_id).bytes(identity);
    format!("kff1.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha256(&[named.as_bytes()])))
}

/// A new store before it is written. A passphrase takes its time, which no lock is held for.
struct Draft {
    store_id: [u8; 16],
    identity_seed: SecretBytes,
    recipient: RecipientRow,
    development: bool,
    now: i64,
}

impl Draft {
    fn new(credential: &Credential, now: i64, development: bool) -> Result<Self> {
        let mut store_id = [0u8; 16];
        random_bytes(&mut store_id)?;
        let identity_seed = SecretBytes::random(32)?;
        let identity = Identity::from_seed(identity_seed.expose_32());
        let recipient_id = credential.kind().name().replace('_', "-") + FIRST;
        let new = NewRecipient { recipient_id: &recipient_id, description: None, created_at: now };
        let (recipient, _) = make_recipient(&store_id, &new, credential, &identity.public())?;
        Ok(Self { store_id, identity_seed, recipient, development, now })
    }

    /// Makes the file: identity, KEK, first recipient, audit chain, first record.
    fn write(&self, path: &Path, options: &FileOptions, actor: &str) -> Result<()> {
        let Self { store_id, identity_seed, recipient, development, now } = self;
        sqlite::create(path, options, |rows| {
            let kek_bytes = SecretBytes::random(32)?;
            let kek = Kek::expand(1, &kek_bytes)?;
            let wrap = wrap_kek(store_id, recipient, kek.version, &kek_bytes)?;
            rows.put_recipient(recipient)?;
            rows.insert_kek_wrap(&wrap)?;
            let audit_secret = SecretBytes::random(32)?;
            insert_system_key(rows, &kek, store_id, IDENTITY, *now, identity_seed)?;
            insert_system_key(rows, &kek, store_id, AUDIT_KEY, *now, &audit_secret)?;

            let mut store = StoreRow {
                format: rows.format()?,
                store_id: *store_id,
                created_at: *now,
                generation: 0,
                kek_version: kek.version,
                wraps_signature: [0; 64],
                development: *development,
                copied: false,
                purge_pending: false,
                audit_sequence: 0,
                audit_hash: [0; 32],
                nodes: Vec::new(),
                root: [0; 32],
            };
            let identity = Identity::from_seed(identity_seed.expose_32());
            sign_wraps(&mut store, std::slice::from_ref(recipient), std::slice::from_ref(&wrap), &identity);
            let mut tree = Tree::empty(rows, &kek.records, store);
            tree.authenticate(EntityId::recipient(&recipient.recipient_id))?;
            tree.authenticate(EntityId::system_key(IDENTITY))?;
            tree.authenticate(EntityId::system_key(AUDIT_KEY))?;
            let audit = HmacKey::new(audit_secret.expose());
            let mut act = Act::new(tree, &kek, &audit, actor, *now);
            act.record(Event::new("create_store"))?;
            act.finish().map(|_| ())
        })
    }
}

fn insert_system_key(
    rows: &dyn Rows,
    kek: &Kek,
    store_id: &[u8; 16],
    name: &str,
    created_at: i64,
    secret: &SecretBytes,
) -> Result<()> {
    let place = SystemKeyPlace { store_id, name, version: 1 };
    rows.put_system_key(&SystemKeyRow {
        name: name.to_owned(),
        version: 1,
        created_at,
        kek_version: kek.version,
        wrapped: place.wrap(kek, secret)?,
    })
}

pub(super) fn default_actor() -> String {
    format!("uid:{}", rustix::process::getuid().as_raw())
}
