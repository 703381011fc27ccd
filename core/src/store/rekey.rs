//! A new KEK for every recipient, and everything wrapped and authenticated under it, in one transaction.

use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{
    DekPlace, IDENTITY, IndexRootPlace, Kek, SystemKeyPlace, Wrappable, sign_wraps, wrap_kek,
};
use crate::limits;
use crate::master_key::MasterKey;
use crate::primitives::{HmacKey, Identity};
use crate::records::rekey::{Rewrap, rekey};
use crate::records::tree::Tree;
use crate::records::{IndexRootRow, KekWrapRow, KeyRow, RecipientRow, Rows, SystemKeyRow, VersionRow};
use crate::store::act::{Act, Event};
use crate::store::recipients::{
    AddRecipient, RecipientDraft, no_such_recipient, others_were_faster, verified_recipients,
};
use crate::store::shared::{Shared, Unlocked, lock, system_key};
use crate::store::{Mode, Store};
use crate::sys::pages::SecretBytes;

/// How often a rotation is tried again when others change the recipients meanwhile.
const TRIES: usize = 3;

/// What a new KEK took.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MasterKeyRotation {
    /// The version of the KEK that now is.
    pub kek_version: u32,
    /// The recipients that it was made for, in order of id.
    pub recipients: Vec<String>,
    /// How many secrets were wrapped anew: key versions, index roots, and the store's own.
    pub rewrapped: usize,
    /// Whether a reader still holds the write-ahead log with superseded wraps in it. It goes at the next chance.
    pub purge_pending: bool,
}

impl Store {
    /// Makes a new KEK for every recipient, without needing their secrets, and wraps all keys under it. Ciphertexts
    /// stay as they are, and open stores follow without a restart.
    ///
    /// With `new`, adds it as a recipient and removes the one that this store was opened by: others that use that
    /// one are refused as WrongMasterKey at their next refresh. See `docs/rotation.md` for what this cures and what not.
    ///
    /// IntegrityError where anything in the store does not verify; nothing is changed then.
    pub fn rotate_master_key(&self, new: Option<&MasterKey>) -> Result<MasterKeyRotation> {
        self.shared.require(Mode::Admin, Event::new("rotate_master_key"))?;
        let Some(master_key) = new else { return self.shared.rekey(Change::Keep) };
        let credential = self.shared.read_credential(master_key)?;
        for _ in 0..TRIES {
            let draft = self.shared.draft_recipient(&credential, &AddRecipient::new())?;
            match self.shared.rekey(Change::ReplaceMine(Box::new(draft))) {
                Err(error)
                    if error.kind() == ErrorKind::Busy && std::error::Error::source(&error).is_none() => {}
                outcome => return outcome,
            }
        }
        Err(others_were_faster())
    }

    /// Whether superseded wraps or destroyed keys may still be in the write-ahead log, because a reader held it.
    pub fn purge_pending(&self) -> Result<bool> {
        self.shared.read_verified(|tree, _| Ok(tree.store().purge_pending))
    }

    /// Tries again to write the log back and cut it, where that is pending. Whether it still is.
    pub fn purge(&self) -> Result<bool> {
        self.shared.require(Mode::Admin, Event::new("purge"))?;
        Ok(!self.shared.purge()?)
    }
}

/// What happens to the recipients.
pub(super) enum Change {
    Keep,
    Remove(String),
    ReplaceMine(Box<RecipientDraft>),
}

impl Change {
    pub(super) fn remove(recipient_id: &str) -> Self {
        Self::Remove(recipient_id.to_owned())
    }
}

impl Shared {
    /// Makes a new KEK for all recipients but those that the change takes away, and purges the file of the old wraps.
    pub(super) fn rekey(&self, change: Change) -> Result<MasterKeyRotation> {
        let _held = Held::most(self);
        let now = self.now();
        let mut writer = lock(&self.writer);
        self.unlocked()?;
        let known = self.freshness.generation();
        let (mut outcome, next, generation) = writer.write(|rows| {
            let unlocked = self.follow(rows)?;
            let tree = self.verified(rows, &unlocked, known)?;
            let plan = Plan::new(verified_recipients(&tree)?, &unlocked, change)?;
            let audit = system_key(&tree, &unlocked.kek, crate::hierarchy::AUDIT_KEY)?;
            let audit = HmacKey::new(audit.expose());
            let next = NextKek::after(unlocked.kek.version)?;
            let (tree, rewrapped) = next.take_over(&tree, &unlocked.kek, &plan)?;
            let mut act = Act::new(tree, &next.kek, &audit, &self.actor, now);
            plan.record(&mut act)?;
            let generation = act.finish()?;
            let kek = next.kek;
            let outcome = MasterKeyRotation {
                kek_version: kek.version,
                recipients: plan.recipients.iter().map(|row| row.recipient_id.clone()).collect(),
                rewrapped,
                purge_pending: true,
            };
            let recipient = plan.opened.map_or_else(|| Arc::clone(&unlocked.recipient), Arc::new);
            Ok((outcome, Unlocked { kek: Arc::new(kek), audit, recipient }, generation))
        })?;
        self.replace_unlocked(&Arc::new(next))?;
        self.freshness.advance(generation);
        drop(writer);
        // The rotation is done, whatever becomes of the log.
        outcome.purge_pending = !self.purge().unwrap_or(false);
        Ok(outcome)
    }
}

/// Most of the file is held in memory until this is dropped.
struct Held<'a>(&'a Shared);

impl<'a> Held<'a> {
    fn most(shared: &'a Shared) -> Self {
        lock(&shared.writer).hold_most(true);
        Self(shared)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(&self.0.writer).hold_most(false);
    }
}

/// A KEK that is to take another's place.
pub(super) struct NextKek {
    pub(super) kek: Kek,
    bytes: SecretBytes,
}

impl NextKek {
    /// Draws the KEK that comes after this version.
    pub(super) fn after(version: u32) -> Result<Self> {
        let version = version.checked_add(1);
        let version = version.ok_or_else(|| Error::limit("the KEK has as many versions as can be"))?;
        let bytes = SecretBytes::random(32)?;
        Ok(Self { kek: Kek::expand(version, &bytes)?, bytes })
    }

    /// As [`NextKek::take_over`], for the recipients that there are.
    pub(super) fn take_over_for_all<'b>(&'b self, tree: &Tree<'b>, old: &Kek) -> Result<Tree<'b>> {
        let recipients = verified_recipients(tree)?;
        let plan = Plan { recipients, removed: None, added: None, opened: None };
        self.take_over(tree, old, &plan).map(|(tree, _)| tree)
    }

    /// Wraps everything under this KEK, for the recipients of the plan. The new tree, still to be sealed, and how many
    /// secrets were wrapped.
    fn take_over<'b>(&'b self, tree: &Tree<'b>, old: &Kek, plan: &Plan) -> Result<(Tree<'b>, usize)> {
        let identity = Identity::from_seed(system_key(tree, old, IDENTITY)?.expose_32());
        let store_id = tree.store().store_id;
        let mut hand =
            Hand { store_id: &store_id, old, new: &self.kek, kek_bytes: &self.bytes, plan, rewrapped: 0 };
        let mut tree = rekey(tree, &self.kek.records, &mut hand)?;
        let rewrapped = hand.rewrapped;
        let wraps = tree.rows().kek_wraps()?;
        let store = tree.store_mut();
        store.kek_version = self.kek.version;
        store.purge_pending = true;
        sign_wraps(store, &plan.recipients, &wraps, &identity);
        Ok((tree, rewrapped))
    }
}

/// Who gets the new KEK.
struct Plan {
    /// In order of id.
    recipients: Vec<RecipientRow>,
    removed: Option<String>,
    added: Option<RecipientRow>,
    opened: Option<crate::hierarchy::OpenedRecipient>,
}

impl Plan {
    fn new(mut recipients: Vec<RecipientRow>, unlocked: &Unlocked, change: Change) -> Result<Self> {
        let mine = &unlocked.recipient;
        let mut plan = Self { recipients: Vec::new(), removed: None, added: None, opened: None };
        match change {
            Change::Keep => {}
            Change::Remove(recipient_id) => {
                if !recipients.iter().any(|row| row.recipient_id == recipient_id) {
                    return Err(no_such_recipient(&recipient_id));
                }
                if mine.recipient_id == recipient_id {
                    return Err(Error::new(
                        ErrorKind::InUse,
                        format!(
                            "this store was opened by recipient {recipient_id:?}: open it by another one to remove \
                             it, or use rotate_master_key with a new master key"
                        ),
                    ));
                }
                recipients.retain(|row| row.recipient_id != recipient_id);
                plan.removed = Some(recipient_id);
            }
            Change::ReplaceMine(draft) => {
                if !draft.is_current(&recipients) {
                    return Err(others_were_faster());
                }
                recipients.retain(|row| !mine.is(row));
                recipients.push(draft.row.clone());
                recipients.sort_by(|a, b| a.recipient_id.cmp(&b.recipient_id));
                plan.removed = Some(mine.recipient_id.clone());
                plan.added = Some(draft.row);
                plan.opened = Some(draft.opened);
            }
        }
        if recipients.is_empty() || recipients.len() > limits::RECIPIENTS {
            return Err(Error::internal("a store with no recipient, or too many"));
        }
        plan.recipients = recipients;
        Ok(plan)
    }

    fn record(&self, act: &mut Act<'_>) -> Result<()> {
        if let Some(added) = &self.added {
            act.record(Event::new("add_recipient").detail(&added.recipient_id))?;
        }
        if let Some(removed) = &self.removed {
            act.record(Event::new("remove_recipient").detail(removed))?;
        }
        let version = format!("KEK version {}", act.kek.version);
        act.record(Event::new("rotate_master_key").detail(&version))
    }
}

/// From the old KEK to the new one.
struct Hand<'a> {
    store_id: &'a [u8; 16],
    old: &'a Kek,
    new: &'a Kek,
    kek_bytes: &'a SecretBytes,
    plan: &'a Plan,
    rewrapped: usize,
}

impl Hand<'_> {
    fn rewrap(&mut self, place: &impl Wrappable, kek_version: &mut u32, wrapped: &mut Vec<u8>) -> Result<()> {
        // Of a destroyed version nothing is left to wrap.
        if !wrapped.is_empty() {
            let secret = place.unwrap(self.old, *kek_version, wrapped)?;
            *wrapped = place.wrap(self.new, &secret)?;
            self.rewrapped += 1;
        }
        *kek_version = self.new.version;
        Ok(())
    }

    fn wrap_for(&self, recipient: &RecipientRow) -> Result<KekWrapRow> {
        wrap_kek(self.store_id, recipient, self.new.version, self.kek_bytes)
    }
}

impl Rewrap for Hand<'_> {
    fn version(&mut self, key: &KeyRow, row: &mut VersionRow) -> Result<()> {
        let (algorithm, prefix) = (row.algorithm.clone(), row.prefix.clone());
        let place = DekPlace {
            store_id: self.store_id,
            key_id: &key.key_id,
            kind: &key.kind,
            purpose: key.purpose.as_deref(),
            algorithm: &algorithm,
            version: row.version,
            tag: row.tag,
            prefix: &prefix,
        };
        self.rewrap(&place, &mut row.kek_version, &mut row.wrapped)
    }

    fn index_root(&mut self, row: &mut IndexRootRow) -> Result<()> {
        let place = IndexRootPlace { store_id: self.store_id, scope: &row.scope, version: row.version };
        self.rewrap(&place, &mut row.kek_version, &mut row.wrapped)
    }

    fn system_key(&mut self, row: &mut SystemKeyRow) -> Result<()> {
        let place = SystemKeyPlace { store_id: self.store_id, name: &row.name, version: row.version };
        self.rewrap(&place, &mut row.kek_version, &mut row.wrapped)
    }

    fn recipients(&mut self, rows: &dyn Rows) -> Result<Vec<(RecipientRow, KekWrapRow)>> {
        rows.delete_kek_wraps()?;
        if let Some(removed) = &self.plan.removed {
            rows.delete_recipient(removed)?;
        }
        if let Some(added) = &self.plan.added {
            rows.put_recipient(added)?;
        }
        let wrapped = self.plan.recipients.iter().map(|recipient| {
            let wrap = self.wrap_for(recipient)?;
            rows.insert_kek_wrap(&wrap)?;
            Ok((recipient.clone(), wrap))
        });
        wrapped.collect()
    }
}
