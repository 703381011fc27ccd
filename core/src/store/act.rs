//! An administrative act: verify, change, record, seal, all in one transaction.

use std::time::Duration;

use crate::error::{Denial, Error, Result};
use crate::hierarchy::{DekPlace, IndexRootPlace, Kek, Wrappable, make_wrapped};
use crate::keyring::{Prefix, VersionState};
use crate::primitives::{Algorithm, HmacKey, random_bytes};
use crate::records::audit::AuditRecord;
use crate::records::sqlite::Database;
use crate::records::tree::Tree;
use crate::records::{EntityId, IndexRootRow, KeyRow, Rows, VersionRow};
use crate::store::Mode;
use crate::store::denials::Denied;
use crate::store::shared::{Shared, lock};
use crate::sys::pages::SecretBytes;
use crate::time::Timestamp;

/// One act in progress.
pub(super) struct Act<'a> {
    pub(super) tree: Tree<'a>,
    pub(super) now: i64,
    pub(super) kek: &'a Kek,
    audit: &'a HmacKey,
    actor: &'a str,
    recorded: bool,
}

/// What goes into the audit record of an act.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(super) action: &'a str,
    pub(super) key: Option<&'a str>,
    version: Option<u32>,
    detail: Option<&'a str>,
}

/// A version that is to be made.
pub(super) struct NewVersion {
    pub(super) version: u32,
    pub(super) algorithm: Algorithm,
    pub(super) is_current: bool,
    pub(super) state: VersionState,
    /// Drawn where there is none.
    pub(super) tag: Option<u32>,
    /// Drawn where there is none.
    pub(super) secret: Option<SecretBytes>,
}

impl Shared {
    /// Runs an act in one transaction; an error undoes all of it. What it returns is on disk. Where it is denied, what
    /// was asked for is noted.
    pub(super) fn act<T>(&self, asked: Event<'_>, run: impl FnOnce(&mut Act<'_>) -> Result<T>) -> Result<T> {
        self.require(Mode::Admin, asked)?;
        // A clock of the caller's runs before any lock is taken.
        let now = self.now();
        let outcome = self.write_verified(now, run);
        self.noting(asked, outcome)
    }

    /// As [`Shared::act`], in any mode that may write: for what a store does of itself.
    pub(super) fn write_verified<T>(
        &self,
        now: i64,
        run: impl FnOnce(&mut Act<'_>) -> Result<T>,
    ) -> Result<T> {
        self.write_holding(&mut lock(&self.writer), now, run)
    }

    /// As [`Shared::write_verified`], for who holds the lock.
    pub(super) fn write_holding<T>(
        &self,
        writer: &mut Database,
        now: i64,
        run: impl FnOnce(&mut Act<'_>) -> Result<T>,
    ) -> Result<T> {
        self.write_within(writer, Duration::MAX, now, run)
    }

    /// As [`Shared::write_holding`], waiting for other processes no longer than `patience`.
    pub(super) fn write_within<T>(
        &self,
        writer: &mut Database,
        patience: Duration,
        now: i64,
        run: impl FnOnce(&mut Act<'_>) -> Result<T>,
    ) -> Result<T> {
        self.unlocked()?;
        let known = self.freshness.generation();
        let (value, generation) = writer.write_within(patience, |rows| {
            let unlocked = self.follow(rows)?;
            let tree = self.verified(rows, &unlocked, known)?;
            let mut act = Act::new(tree, &unlocked.kek, &unlocked.audit, &self.actor, now);
            let value = run(&mut act)?;
            self.require_locked()?;
            Ok((value, act.finish()?))
        })?;
        self.freshness.advance(generation);
        Ok(value)
    }
}

impl<'a> Act<'a> {
    pub(super) fn new(tree: Tree<'a>, kek: &'a Kek, audit: &'a HmacKey, actor: &'a str, now: i64) -> Self {
        Self { tree, now, kek, audit, actor, recorded: false }
    }

    pub(super) fn rows(&self) -> &'a dyn Rows {
        self.tree.rows()
    }

    /// Appends a record to the audit chain. The first one of an act starts a new generation.
    pub(super) fn record(&mut self, event: Event<'_>) -> Result<()> {
        self.append(AuditRecord {
            detail: event.detail,
            key: event.key,
            version: event.version,
            ..AuditRecord::of(event.action, "ok")
        })
    }

    /// Appends a record of denials of one kind.
    pub(super) fn record_denied(&mut self, denied: &Denied, mode: &'static str) -> Result<()> {
        self.append(AuditRecord {
            count: Some(denied.count),
            detail: denied.denial.map(Denial::name),
            key: denied.key.as_deref(),
            mode: Some(mode),
            since: Some(Timestamp::from_milliseconds(denied.since)),
            ..AuditRecord::of(&denied.action, "denied")
        })
    }

    fn append(&mut self, record: AuditRecord<'_>) -> Result<()> {
        let store = self.tree.store_mut();
        if !self.recorded {
            store.generation += 1;
            self.recorded = true;
        }
        store.audit_sequence += 1;
        let record = AuditRecord {
            actor: self.actor,
            at: Timestamp::from_milliseconds(self.now),
            generation: store.generation,
            sequence: store.audit_sequence,
            ..record
        };
        let row = record.chain(self.audit, &store.audit_hash)?;
        store.audit_hash = row.hash;
        self.tree.rows().insert_audit(&row)
    }

    /// Writes the row of a new version, not yet authenticated. `taken` are the tags of the others.
    pub(super) fn insert_version(
        &mut self,
        key: &KeyRow,
        new: NewVersion,
        taken: &[u32],
    ) -> Result<VersionRow> {
        self.insert_prefixed_version(key, new, taken, Prefix::Tink)
    }

    /// As [`Act::insert_version`], where another library chose what stands in front of its ciphertexts.
    pub(super) fn insert_prefixed_version(
        &mut self,
        key: &KeyRow,
        new: NewVersion,
        taken: &[u32],
        prefix: Prefix,
    ) -> Result<VersionRow> {
        let tag = match new.tag {
            Some(tag) => tag,
            None => draw_tag(taken)?,
        };
        let store_id = self.tree.store().store_id;
        let place = DekPlace {
            store_id: &store_id,
            key_id: &key.key_id,
            kind: &key.kind,
            purpose: key.purpose.as_deref(),
            algorithm: new.algorithm.name(),
            version: new.version,
            tag,
            prefix: prefix.name(),
        };
        let wrapped = match &new.secret {
            Some(secret) => place.wrap(self.kek, secret)?,
            None if new.state == VersionState::Destroyed => Vec::new(),
            None => make_wrapped(&place, self.kek, new.algorithm.key_length())?.1,
        };
        let row = VersionRow {
            key_id: key.key_id.clone(),
            version: new.version,
            tag,
            prefix: prefix.name().to_owned(),
            is_current: new.is_current,
            state: new.state.name().to_owned(),
            state_reason: None,
            state_before: None,
            algorithm: new.algorithm.name().to_owned(),
            created_at: self.now,
            // A staged version's time begins when it is promoted.
            expires_at: key
                .expires_in
                .filter(|_| new.state != VersionState::Staged)
                .map(|period| self.now.saturating_add(period)),
            destroy_at: None,
            kek_version: self.kek.version,
            wrapped,
        };
        self.rows().put_version(&row)?;
        Ok(row)
    }

    /// Draws the first root of blind indexes for this scope and writes its row, not yet authenticated.
    pub(super) fn insert_index_root(&mut self, scope: &str) -> Result<()> {
        self.insert_index_root_version(scope, 1).map(|_| ())
    }

    /// Draws this version of a root and writes its row as the current one, not yet authenticated.
    pub(super) fn insert_index_root_version(&mut self, scope: &str, version: u32) -> Result<IndexRootRow> {
        let store_id = self.tree.store().store_id;
        let place = IndexRootPlace { store_id: &store_id, scope, version };
        let (_, wrapped) = make_wrapped(&place, self.kek, 32)?;
        let row = IndexRootRow {
            scope: scope.to_owned(),
            version,
            is_current: true,
            created_at: self.now,
            kek_version: self.kek.version,
            wrapped,
        };
        self.rows().put_index_root(&row)?;
        Ok(row)
    }

    /// Verifies an entity before it is changed; an error where it is damaged, false where it does not exist.
    pub(super) fn verify(&self, entity: EntityId<'_>) -> Result<bool> {
        Ok(self.tree.verify_entity(entity)?.is_some())
    }

    /// Seals what was recorded; the generation that the store now has.
    pub(super) fn finish(mut self) -> Result<u64> {
        if self.recorded {
            self.tree.seal()?;
        }
        Ok(self.tree.store().generation)
    }
}

impl<'a> Event<'a> {
    pub(crate) fn new(action: &'a str) -> Self {
        Self { action, key: None, version: None, detail: None }
    }

    pub(crate) fn key(mut self, key_id: &'a str) -> Self {
        self.key = Some(key_id);
        self
    }

    pub(super) fn version(mut self, version: u32) -> Self {
        self.version = Some(version);
        self
    }

    /// What else is to be known: a recipient, a purpose, a reason. Never a secret.
    pub(super) fn detail(mut self, detail: &'a str) -> Self {
        self.detail = Some(detail);
        self
    }
}

impl NewVersion {
    /// A version that is to be spread before it encrypts.
    pub(super) fn staged(version: u32, algorithm: Algorithm) -> Self {
        Self { is_current: false, state: VersionState::Staged, ..Self::current(version, algorithm) }
    }

    /// The version that encrypts from now on.
    pub(super) fn current(version: u32, algorithm: Algorithm) -> Self {
        Self { version, algorithm, is_current: true, state: VersionState::Enabled, tag: None, secret: None }
    }
}

/// A random tag, not zero and not taken by another version of the key.
fn draw_tag(taken: &[u32]) -> Result<u32> {
    // With 10,000 versions one draw in 400,000 collides: running out of tries means a broken generator.
    for _ in 0..16 {
        let mut bytes = [0u8; 4];
        random_bytes(&mut bytes)?;
        let tag = u32::from_be_bytes(bytes);
        if tag != 0 && !taken.contains(&tag) {
            return Ok(tag);
        }
    }
    Err(Error::internal("no free tag in 16 draws"))
}
