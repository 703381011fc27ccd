//! Opening and making a store.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Anchor, Encoding};
use crate::hierarchy::{
    AUDIT_KEY, IDENTITY, Kek, SystemKeyPlace, Wrappable, make_recipient, open_recipient, sign_wraps, wrap_kek,
};
use crate::keyring::Freshness;
use crate::limits;
use crate::master_key::{MasterKey, ResolvedMasterKey};
use crate::primitives::{HmacKey, Identity, equal, random_bytes, sha256};
use crate::records::audit::verify_chain;
use crate::records::sqlite::{self, Database, FileOptions};
use crate::records::tree::Tree;
use crate::records::{EntityId, Rows, StoreRow, SystemKeyRow};
use crate::store::act::{Act, Event};
use crate::store::forking;
use crate::store::options::OpenOptions;
use crate::store::shared::{Reader, Shared, Unlocked};
use crate::sys::pages::{self, SecretBytes};

/// The recipient that a new store begins with.
const FIRST_RECIPIENT: &str = "master-key-1";

impl Shared {
    pub(crate) fn open(path: &Path, master_key: &MasterKey, options: &OpenOptions) -> Result<Arc<Self>> {
        options.check()?;
        if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
            return Err(Error::invalid("a store lives in a file: name its path"));
        }
        let anchor = options.anchor.as_deref().map(str::parse::<Anchor>).transpose()?;
        let file_options =
            FileOptions { busy_timeout: options.busy_timeout, allow_network_fs: options.allow_network_fs };
        // A callback runs before any lock is taken. A missing file is the plainer error, so it comes first.
        if !options.create {
            Database::new(path, file_options.clone())?;
        }
        let master_key = master_key.resolve()?;
        let now = options.clock.now().milliseconds();
        let actor = options.actor.clone().unwrap_or_else(default_actor);
        let _opening = forking::opening()?;
        if options.create && path.symlink_metadata().is_err() {
            match create(path, &file_options, &master_key.secret, &actor, now) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && path.symlink_metadata().is_ok() => {
                }
                outcome => outcome?,
            }
        }
        let mut reader = Database::new(path, file_options)?;
        let opened = reader.read(|rows| unlock(rows, &master_key.secret, anchor.as_ref()))?;
        if let Some(expected) = &options.fingerprint
            && !equal(expected.as_bytes(), opened.fingerprint.as_bytes())
        {
            return Err(Error::integrity(format!(
                "this is another store than the one expected: its fingerprint is {}",
                opened.fingerprint
            )));
        }
        let writer = reader.sibling();
        Self::assemble(opened, reader, writer, actor, master_key, options)
    }

    fn assemble(
        opened: Opened,
        reader: Database,
        writer: Database,
        actor: String,
        master_key: ResolvedMasterKey,
        options: &OpenOptions,
    ) -> Result<Arc<Self>> {
        let mut warnings = master_key.warnings;
        let memory = pages::status();
        if memory.unlocked_bytes > 0 {
            warnings.push(format!(
                "{} bytes of key memory could not be locked and may reach swap; raise RLIMIT_MEMLOCK (ulimit -l)",
                memory.unlocked_bytes
            ));
        }
        let freshness = Freshness::new(options.refresh_interval, options.max_stale);
        freshness.advance(opened.generation);
        let shared = Self {
            path: reader.path().to_owned(),
            store_id: opened.store_id,
            fingerprint: opened.fingerprint,
            actor,
            warnings,
            mode: options.wanted_mode()?,
            clock: options.clock.clone(),
            freshness,
            unlocked: ArcSwapOption::new(Some(Arc::new(opened.unlocked))),
            reader: Arc::new(Mutex::new(Reader {
                database: reader,
                entries: Default::default(),
                last_look: None,
                looked: 0,
            })),
            writer: Arc::new(Mutex::new(writer)),
            looks_started: AtomicU64::new(0),
        };
        forking::register(&shared.writer, &shared.reader);
        Ok(Arc::new(shared))
    }
}

/// What opening a store's file gives.
pub(super) struct Opened {
    pub(super) store_id: [u8; 16],
    pub(super) generation: u64,
    pub(super) fingerprint: String,
    pub(super) unlocked: Unlocked,
}

/// From the master key to a verified root.
pub(super) fn unlock(rows: &dyn Rows, secret: &SecretBytes, anchor: Option<&Anchor>) -> Result<Opened> {
    let store = rows.store()?;
    let recipients = rows.recipients()?;
    if recipients.len() > limits::RECIPIENTS {
        return Err(Error::integrity(format!("the store has more than {} recipients", limits::RECIPIENTS)));
    }
    let recipient = open_recipient(&store.store_id, &recipients, secret)?;
    let kek = Kek::unwrap(rows, &recipient)?;
    let tree = Tree::verify(rows, &kek.records)?;
    let entity = EntityId::recipient(&recipient.recipient_id);
    tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    let audit = HmacKey::new(system_key(&tree, &kek, AUDIT_KEY)?.expose());
    if let Some(anchor) = anchor {
        check_anchor(&tree, &audit, anchor)?;
    }
    let store = tree.store();
    Ok(Opened {
        store_id: store.store_id,
        generation: store.generation,
        fingerprint: fingerprint(&store.store_id, &recipient.identity),
        unlocked: Unlocked { kek: Arc::new(kek), audit },
    })
}

/// The current version of a key of the store's own, verified.
fn system_key(tree: &Tree<'_>, kek: &Kek, name: &str) -> Result<SecretBytes> {
    let entity = EntityId::system_key(name);
    tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    let row = tree.rows().system_keys(name)?.pop().ok_or_else(|| entity.damaged())?;
    let place = SystemKeyPlace { store_id: &tree.store().store_id, name, version: row.version };
    place.unwrap(kek, row.kek_version, &row.wrapped)
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

/// Makes the file: identity, KEK, first recipient, audit chain, first record.
fn create(path: &Path, options: &FileOptions, secret: &SecretBytes, actor: &str, now: i64) -> Result<()> {
    sqlite::create(path, options, |rows| {
        let mut store_id = [0u8; 16];
        random_bytes(&mut store_id)?;
        let identity_seed = SecretBytes::random(32)?;
        let identity = Identity::from_seed(identity_seed.expose_32());
        let kek_bytes = SecretBytes::random(32)?;
        let kek = Kek::expand(1, &kek_bytes)?;

        let (recipient, _) = make_recipient(&store_id, FIRST_RECIPIENT, now, secret, &identity.public())?;
        let wrap = wrap_kek(&store_id, &recipient, kek.version, &kek_bytes)?;
        rows.put_recipient(&recipient)?;
        rows.insert_kek_wrap(&wrap)?;
        let audit_secret = SecretBytes::random(32)?;
        insert_system_key(rows, &kek, &store_id, IDENTITY, now, &identity_seed)?;
        insert_system_key(rows, &kek, &store_id, AUDIT_KEY, now, &audit_secret)?;

        let mut store = StoreRow {
            store_id,
            created_at: now,
            generation: 0,
            kek_version: kek.version,
            wraps_signature: [0; 64],
            development: false,
            copied: false,
            purge_pending: false,
            audit_sequence: 0,
            audit_hash: [0; 32],
            nodes: Vec::new(),
            root: [0; 32],
        };
        sign_wraps(&mut store, std::slice::from_ref(&recipient), std::slice::from_ref(&wrap), &identity);
        let mut tree = Tree::empty(rows, &kek.records, store);
        tree.authenticate(EntityId::recipient(FIRST_RECIPIENT))?;
        tree.authenticate(EntityId::system_key(IDENTITY))?;
        tree.authenticate(EntityId::system_key(AUDIT_KEY))?;
        let audit = HmacKey::new(audit_secret.expose());
        let mut act = Act::new(tree, &kek, &audit, actor, now);
        act.record(Event::new("create_store"))?;
        act.finish().map(|_| ())
    })
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
