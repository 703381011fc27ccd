//! The messages of a version, counted on disk against its limit.
//!
//! AES256_GCM breaks where a nonce repeats, so nothing of it is sealed that was not counted: a process leases
//! messages, in a transaction that is on disk, before it seals them, and what it leaves unused is never used.
//! For the others a count that a crash loses does no harm: it is written down after every 2^20 messages and when
//! the store is closed. Neither is an administrative act: no new generation, no record.

use std::sync::TryLockError;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::keyring::{Meter, Taken};
use crate::limits;
use crate::primitives::Algorithm;
use crate::records::sqlite::Database;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind, KeyRow, UsageRow, VersionRow};
use crate::store::act::{Act, Event};
use crate::store::lifecycle::{ROTATE, rotate};
use crate::store::listing::verified_versions;
use crate::store::shared::{Shared, check_key_id, is_passing, lock, no_such_key};
use crate::store::{RotateKey, Store};

/// How much of what it may seal a version has sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionUsage {
    /// The version.
    pub version: u32,
    /// The messages on its count; a message counts once for each MiB begun. Of AES256_GCM at most so many were
    /// sealed: processes count before they seal. Of other algorithms at least so many: some 2^20 messages a process
    /// may be not written down yet, or were not when it was killed.
    pub messages: u64,
    /// How many it may seal.
    pub limit: u64,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

impl Store {
    /// The counts of all versions of a key, newest first. NotFound where there is no such key.
    pub fn key_usage(&self, key_id: &str) -> Result<Vec<VersionUsage>> {
        check_key_id(key_id)?;
        self.shared.read_listing(|tree| {
            let versions = verified_versions(tree, key_id)?;
            tree.verify_entity(EntityId::usage(key_id))?;
            let counts = tree.rows().usage(key_id)?;
            let mut usages = Vec::with_capacity(versions.len());
            for row in versions.iter().rev() {
                let algorithm =
                    Algorithm::from_name(&row.algorithm).ok_or_else(|| EntityId::key(key_id).damaged())?;
                let messages = counts.iter().find(|count| count.version == row.version);
                usages.push(VersionUsage {
                    version: row.version,
                    messages: messages.map_or(0, |count| count.messages),
                    limit: limits::messages(algorithm),
                    verified: tree.is_verified(),
                });
            }
            Ok(usages)
        })
    }
}

/// What came of counting messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    /// They may be sealed.
    Counted,
    /// The version is at its limit, and the key has another current one.
    Replaced,
}

/// What a transaction did.
struct Renewal {
    /// So much may be spent, on top of what was left.
    allotment: u64,
    /// The version is at its limit, and the key has another current one.
    replaced: bool,
    /// The count that is on disk now, and its generation.
    stored: u64,
    generation: u64,
}

impl Shared {
    /// Counts messages that this thread's share of the allotment does not cover.
    ///
    /// LimitExceeded where the version is at its limit and the key's `on_limit` refuses to rotate; Busy, StorageFull
    /// and the like where a lease cannot be written.
    #[cold]
    pub(crate) fn charge(&self, key: &KeyRow, meter: &Meter, messages: u64) -> Result<Charge> {
        let key_id = &key.key_id;
        if messages > meter.limit() {
            return Err(Error::limit("more messages at once than a version may ever seal").with_key(key_id));
        }
        let now = self.now();
        if !meter.leases() && !meter.is_ours() {
            self.begin_count(key_id, meter)?;
        }
        match meter.take_more(messages) {
            Taken::Enough => {}
            Taken::RenewSoon => self.renew_if_free(now, key_id, meter),
            // Counts do not go back: no need to ask the file each time.
            Taken::Nothing if meter.is_exhausted() && key.on_limit != ROTATE => {
                return Err(at_limit(key_id, meter));
            }
            Taken::Nothing => return self.renew_and_take(now, key_id, meter, messages),
        }
        Ok(Charge::Counted)
    }

    /// Learns how far the count on disk is, and allots the first messages.
    fn begin_count(&self, key_id: &str, meter: &Meter) -> Result<()> {
        let mut reader = lock(&self.reader);
        if meter.is_ours() {
            return Ok(());
        }
        self.read(&mut reader, |tree, _| see(tree, key_id, meter))?;
        meter.begin(limits::LARGEST_LEASE.min(meter.free()));
        Ok(())
    }

    /// Half is left: one caller renews, the others go on. Where it fails, the next try is a little later.
    fn renew_if_free(&self, now: i64, key_id: &str, meter: &Meter) {
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if self.renew(&mut writer, now, key_id, meter, 0).is_err() {
            meter.renewal_failed();
        }
    }

    fn renew_and_take(&self, now: i64, key_id: &str, meter: &Meter, messages: u64) -> Result<Charge> {
        let mut writer = lock(&self.writer);
        // Somebody else may have renewed it while we waited. What others take before us is renewed again.
        while meter.take_more(messages) == Taken::Nothing {
            if self.renew(&mut writer, now, key_id, meter, messages)? {
                return Ok(Charge::Replaced);
            }
        }
        Ok(Charge::Counted)
    }

    /// Has more allotted; true where the version was replaced instead. `wanted` are the messages that wait for it:
    /// where there are none, nothing is replaced.
    fn renew(
        &self,
        writer: &mut Database,
        now: i64,
        key_id: &str,
        meter: &Meter,
        wanted: u64,
    ) -> Result<bool> {
        if meter.leases() && !meter.is_ours() {
            meter.begin(0);
        }
        let unwritten = meter.unwritten();
        match self.write_holding(writer, now, |act| renew(act, key_id, meter, unwritten, wanted)) {
            Ok(renewal) => {
                meter.wrote(unwritten);
                // It is on disk: a lower count in this generation would be an older copy from here on.
                let _ = meter.saw(renewal.stored, renewal.generation);
                meter.allot(renewal.allotment);
                Ok(renewal.replaced)
            }
            // What is counted afterwards may be counted later still.
            Err(error) if !meter.leases() && is_passing(&error) => {
                let allotment = meter.next_allotment(wanted).min(meter.free());
                if meter.left().saturating_add(allotment) < wanted {
                    return Err(error);
                }
                meter.allot(allotment);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes down what was counted in memory, as well as can be: a store that is closing waits for nothing more.
    pub(super) fn write_counts_down(&self) {
        let entries: Vec<_> = lock(&self.reader).entries.values().cloned().collect();
        let mut counts = Vec::new();
        for entry in &entries {
            let Some(snapshot) = entry.load_full() else { continue };
            let unwritten = snapshot.meters().filter(|meter| meter.unwritten() > 0);
            counts.extend(unwritten.map(|meter| (entry.key_id(), meter.clone())));
        }
        if counts.is_empty() {
            return;
        }
        let mut writer = lock(&self.writer);
        for (key_id, meter) in counts {
            let unwritten = meter.unwritten();
            // Nothing is recorded, so no clock is asked.
            match self.write_holding(&mut writer, 0, |act| add(act, key_id, &meter, unwritten)) {
                Ok(()) => meter.wrote(unwritten),
                Err(error) if is_passing(&error) => return,
                Err(_) => {}
            }
        }
    }

    /// Makes the keys of a copied file its own. Where it cannot be written now, the first lease does it.
    pub(super) fn settle_copy(&self, now: i64) -> Result<()> {
        match self.write_verified(now, settle_copy) {
            Err(error) if is_passing(&error) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }
}

/// The verified count of the meter's version, which the meter takes note of.
fn see(tree: &Tree<'_>, key_id: &str, meter: &Meter) -> Result<u64> {
    let entity = EntityId::usage(key_id);
    tree.verify_entity(entity)?;
    let rows = tree.rows().usage(key_id)?;
    let stored = rows.iter().find(|row| row.version == meter.version()).map_or(0, |row| row.messages);
    if !meter.saw(stored, tree.store().generation) {
        return Err(Error::integrity(
            "an older copy of the store was put in its place: this process has seen a higher count of messages",
        )
        .with_key(key_id));
    }
    Ok(stored)
}

/// Sets a version's count, which was verified; the root is still to be sealed.
pub(super) fn put(act: &mut Act<'_>, key_id: &str, version: u32, messages: u64) -> Result<()> {
    act.rows().put_usage(&UsageRow { key_id: key_id.to_owned(), version, messages })?;
    act.tree.authenticate(EntityId::usage(key_id))
}

fn add(act: &mut Act<'_>, key_id: &str, meter: &Meter, messages: u64) -> Result<()> {
    let stored = see(&act.tree, key_id, meter)?;
    put(act, key_id, meter.version(), stored.saturating_add(messages).min(limits::MESSAGES))?;
    act.tree.seal()
}

fn renew(act: &mut Act<'_>, key_id: &str, meter: &Meter, unwritten: u64, wanted: u64) -> Result<Renewal> {
    if act.tree.store().copied {
        settle_copy(act)?;
    }
    let before = see(&act.tree, key_id, meter)?;
    let mut stored = before.saturating_add(unwritten).min(limits::MESSAGES);
    let held = if meter.leases() { 0 } else { meter.left() };
    let free = meter.limit().saturating_sub(stored).saturating_sub(held);
    let mut allotment = meter.next_allotment(wanted).min(free);
    let replaced = meter.left().saturating_add(allotment) < wanted;
    if replaced {
        replace(act, key_id, meter)?;
        allotment = 0;
    }
    if meter.leases() {
        stored += allotment;
    }
    if stored > before {
        put(act, key_id, meter.version(), stored)?;
        act.tree.seal()?;
    }
    Ok(Renewal { allotment, replaced, stored, generation: act.tree.store().generation })
}

/// The version can seal no more: makes the next one, where nobody else did and the key allows it.
fn replace(act: &mut Act<'_>, key_id: &str, meter: &Meter) -> Result<()> {
    let entity = EntityId::key(key_id);
    if !act.verify(entity)? {
        return Err(no_such_key(key_id));
    }
    let key = act.rows().key(key_id)?.ok_or_else(|| entity.damaged())?;
    let versions = act.rows().versions(key_id)?;
    if versions.iter().any(|row| row.is_current && row.version != meter.version()) {
        return Ok(());
    }
    if key.on_limit != ROTATE {
        return Err(at_limit(key_id, meter));
    }
    let why = format!("version {} reached its limit of {} messages", meter.version(), meter.limit());
    rotate(act, entity.id, &RotateKey::default(), Some(&why)).map(|_| ())
}

fn at_limit(key_id: &str, meter: &Meter) -> Error {
    Error::limit(format!(
        "version {} of key {key_id:?} has sealed as many messages as are safe ({}); rotate the key",
        meter.version(),
        meter.limit()
    ))
    .with_key(key_id)
    .with_version(meter.version())
}

/// What the original has sealed since it was copied, this file does not know. So no version of AES256_GCM that came
/// with it seals any more: each counts as full, and current ones get a successor. Clears the mark. The keys that have
/// a new version now.
pub(super) fn settle_copy(act: &mut Act<'_>) -> Result<Vec<String>> {
    let mut rotated = Vec::new();
    if !act.tree.store().copied {
        return Ok(rotated);
    }
    for key_id in keys(&act.tree)? {
        match settle_key(act, &key_id) {
            Ok(true) => rotated.push(key_id),
            Ok(false) => {}
            // It seals nothing either way: what does not verify, or was set aside, is not used.
            Err(error) if [ErrorKind::IntegrityError, ErrorKind::KeyUnavailable].contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
    act.tree.store_mut().copied = false;
    act.record(Event::new("settle_copy").detail("AES256_GCM keys were rotated"))?;
    Ok(rotated)
}

/// Whether the key has a new version now.
fn settle_key(act: &mut Act<'_>, key_id: &str) -> Result<bool> {
    let entity = EntityId::key(key_id);
    act.verify(entity)?;
    act.verify(EntityId::usage(key_id))?;
    let is_gcm = |row: &&VersionRow| row.algorithm == Algorithm::Aes256Gcm.name();
    let versions = act.rows().versions(key_id)?;
    for row in versions.iter().filter(is_gcm) {
        put(act, key_id, row.version, limits::messages(Algorithm::Aes256Gcm))?;
    }
    let archived = act.rows().key(key_id)?.is_none_or(|key| key.archived);
    if archived || !versions.iter().filter(is_gcm).any(|row| row.is_current) {
        return Ok(false);
    }
    let why = "the store is a copy: what the original sealed since is not known";
    match rotate(act, key_id, &RotateKey::default(), Some(why)) {
        // It has as many versions as it may, and seals no more.
        Err(error) if error.kind() == ErrorKind::LimitExceeded => Ok(false),
        outcome => outcome.map(|_| true),
    }
}

fn keys(tree: &Tree<'_>) -> Result<Vec<String>> {
    let mut key_ids = Vec::new();
    let visit = &mut |entity: EntityId<'_>| {
        if entity.kind == EntityKind::Key {
            key_ids.push(entity.id.to_owned());
        }
        Ok(())
    };
    tree.each_entity(visit, &mut |_| {})?;
    Ok(key_ids)
}
