//! Checking everything: the file's structure, every row, every wrap, the whole audit chain.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{AUDIT_KEY, IDENTITY, IndexRootPlace, SystemKeyPlace, Wrappable, check_wraps};
use crate::keyring::Snapshot;
use crate::primitives::Identity;
use crate::records::audit::verify_chain;
use crate::records::entity::{key_scope, purpose_scope};
use crate::records::sqlite::Database;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind, Rows};
use crate::store::Store;
use crate::store::shared::{Unlocked, lock};
use crate::sys::pages;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Whether nothing is wrong. Warnings do not count.
    pub ok: bool,
    /// What is wrong, each with what to do.
    pub findings: Vec<Finding>,
    /// What deserves attention though nothing is wrong, each with what to do.
    pub warnings: Vec<Finding>,
    /// How many keys were verified.
    pub keys: usize,
    /// How many key versions were verified and unwrapped.
    pub versions: usize,
    /// How many recipients open the store.
    pub recipients: usize,
    /// How many keys and purposes are set aside.
    pub quarantined: usize,
    /// How many records the audit chain has.
    pub audit_records: u64,
    /// Counts administrative acts.
    pub generation: u64,
    /// Whether destroyed keys may still be in the write-ahead log: `run_due` empties it.
    pub purge_pending: bool,
    /// Key memory in locked pages, in bytes.
    pub locked_bytes: usize,
    /// Key memory that could not be locked, in bytes.
    pub unlocked_bytes: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it concerns: `key pii`, `audit`, `database`.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    fn new(subject: impl Into<String>, problem: impl Into<String>, advice: &str) -> Self {
        Self { subject: subject.into(), problem: problem.into(), advice: advice.to_owned() }
    }
}

const RESTORE: &str = "keep the file for inquiry and restore a backup";

impl Store {
    /// Verifies everything and reports what is wrong. An error only where the check itself cannot run.
    pub fn check(&self) -> Result<CheckReport> {
        // A clock of the caller's runs before any lock is taken.
        let now = self.shared.now();
        let mut reader = lock(&self.shared.reader);
        self.shared.unlocked()?;
        let known = self.shared.freshness.generation();
        check_database(&mut reader.database, now, &|rows| {
            let unlocked = self.shared.follow(rows)?;
            self.shared.check_identity(&rows.store()?, &unlocked.kek, known)?;
            Ok(unlocked)
        })
    }
}

/// Checks all of a store's file. `unlock` has its KEK, and refuses a store that is not the one expected.
pub(super) fn check_database(
    database: &mut Database,
    now: i64,
    unlock: &dyn Fn(&dyn Rows) -> Result<Arc<Unlocked>>,
) -> Result<CheckReport> {
    let memory = pages::status();
    let mut report = CheckReport {
        ok: false,
        findings: Vec::new(),
        warnings: Vec::new(),
        keys: 0,
        versions: 0,
        recipients: 0,
        quarantined: 0,
        audit_records: 0,
        generation: 0,
        purge_pending: false,
        locked_bytes: memory.locked_bytes,
        unlocked_bytes: memory.unlocked_bytes,
    };
    for problem in database.structure_findings()? {
        report.findings.push(Finding::new("database", problem, RESTORE));
    }
    let checked = database.read(|rows| {
        let unlocked = unlock(rows)?;
        let tree = Tree::verify(rows, &unlocked.kek.records)?;
        report.generation = tree.store().generation;
        report.purge_pending = tree.store().purge_pending;
        check_tree(&tree, &unlocked, &mut report)?;
        advise(&tree, now, &mut report)
    });
    if let Err(error) = checked {
        report.findings.push(finding("store", error)?);
    }
    report.ok = report.findings.is_empty();
    if !report.ok {
        database.distrust();
    }
    Ok(report)
}

fn check_tree(tree: &Tree<'_>, unlocked: &Unlocked, report: &mut CheckReport) -> Result<()> {
    let mut known = BTreeSet::new();
    let mut damage = Vec::new();
    tree.each_entity(
        &mut |entity| {
            known.insert((entity.kind, entity.id.to_owned()));
            Ok(())
        },
        &mut |error| damage.push(error),
    )?;
    for error in damage {
        report.findings.push(finding("MAC tree", error)?);
    }
    for (kind, id) in &known {
        let entity = EntityId { kind: *kind, id };
        match check_entity(tree, unlocked, entity, report) {
            // Its purpose was set aside.
            Err(error) if error.kind() == ErrorKind::KeyUnavailable => {
                report.warnings.push(Finding::new(subject(entity), error.message(), RESTORE));
            }
            Err(error) => report.findings.push(finding(&subject(entity), error)?),
            Ok(()) => {}
        }
    }
    check_strays(tree, &known, report)?;
    check_audit(tree, unlocked, report)
}

fn check_entity(
    tree: &Tree<'_>,
    unlocked: &Unlocked,
    entity: EntityId<'_>,
    report: &mut CheckReport,
) -> Result<()> {
    tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    match entity.kind {
        EntityKind::Key => {
            let snapshot =
                Snapshot::load(tree, &unlocked.kek, entity.id, None)?.ok_or_else(|| entity.damaged())?;
            for version in &snapshot.versions {
                snapshot.check_wrap(version)?;
            }
            report.keys += 1;
            report.versions += snapshot.versions.len();
            Ok(())
        }
        EntityKind::SystemKey if ![IDENTITY, AUDIT_KEY].contains(&entity.id) => Err(entity.damaged()),
        EntityKind::SystemKey => {
            for row in tree.rows().system_keys(entity.id)? {
                let place = SystemKeyPlace {
                    store_id: &tree.store().store_id,
                    name: entity.id,
                    version: row.version,
                };
                let secret = place.unwrap(&unlocked.kek, row.kek_version, &row.wrapped)?;
                if entity.id == IDENTITY {
                    let seed = secret.try_expose_32().ok_or_else(|| entity.damaged())?;
                    let (recipients, wraps) = (tree.rows().recipients()?, tree.rows().kek_wraps()?);
                    check_wraps(tree.store(), &recipients, &wraps, &Identity::from_seed(seed).public())?;
                }
            }
            Ok(())
        }
        EntityKind::Recipient => {
            report.recipients += 1;
            Ok(())
        }
        EntityKind::Quarantine => {
            report.quarantined += 1;
            Ok(())
        }
        EntityKind::Purpose => check_index_roots(tree, unlocked, &purpose_scope(entity.id)),
        EntityKind::Usage => Ok(()),
    }
}

fn check_index_roots(tree: &Tree<'_>, unlocked: &Unlocked, scope: &str) -> Result<()> {
    for row in tree.rows().index_roots(scope)? {
        let place = IndexRootPlace { store_id: &tree.store().store_id, scope, version: row.version };
        place.unwrap(&unlocked.kek, row.kek_version, &row.wrapped)?;
    }
    Ok(())
}

/// What is not wrong and still deserves attention.
fn advise(tree: &Tree<'_>, now: i64, report: &mut CheckReport) -> Result<()> {
    let store = tree.store();
    let rows = tree.rows();
    let unlocked_bytes = report.unlocked_bytes;
    let mut warn = |subject: &str, problem: &str, advice: &str| {
        report.warnings.push(Finding::new(subject, problem, advice));
    };
    if unlocked_bytes > 0 {
        let problem = format!("{unlocked_bytes} bytes of key memory may reach swap");
        warn("memory", &problem, "raise RLIMIT_MEMLOCK (ulimit -l)");
    }
    if store.purge_pending {
        let advice = "close readers that were open since, and have the store purge again (run_due)";
        warn("store", "destroyed keys may still be in the write-ahead log", advice);
    }
    if store.copied {
        let advice = "restore it rather than use it beside the original";
        warn("store", "this is a backup that was not yet opened for writing", advice);
    }
    if store.development {
        warn("store", "made with a development key", "make another store for production");
    }
    let aside = rows.quarantined()?;
    for row in &aside {
        let subject = subject(EntityId { kind: row.kind, id: &row.id });
        warn(&subject, &format!("was set aside: {}", row.reason), "restore a backup to have it again");
    }
    let is_aside = |id: &String| aside.iter().any(|row| row.kind == EntityKind::Key && row.id == *id);
    for key_id in rows.key_ids()?.into_iter().filter(|id| !is_aside(id)) {
        let Some(key) = rows.key(&key_id)? else { continue };
        let subject = subject(EntityId::key(&key_id));
        let current = rows.versions(&key_id)?.into_iter().find(|row| row.is_current);
        match current.map(|row| row.expires_at) {
            _ if key.archived => {}
            None => warn(&subject, "has no current version and does not encrypt", "rotate it"),
            Some(Some(expires_at)) if expires_at <= now => {
                warn(&subject, "its current version has expired and does not encrypt", "rotate it");
            }
            Some(_) => {}
        }
        let scope = key.purpose.as_deref().map_or_else(|| key_scope(&key_id), purpose_scope);
        if !rows.index_roots(&scope)?.iter().any(|row| row.is_current) {
            warn(&subject, "has no current root of blind indexes", "rotate its index salt");
        }
    }
    Ok(())
}

/// Rows that nothing in the tree covers were added by someone else.
fn check_strays(
    tree: &Tree<'_>,
    known: &BTreeSet<(EntityKind, String)>,
    report: &mut CheckReport,
) -> Result<()> {
    const ADDED: &str = "was added by someone without the master key";
    let rows = tree.rows();
    match rows.stored_entities() {
        Ok(stored) => {
            // The bytes of what was set aside were kept on purpose.
            let is_aside = |(kind, id): &(EntityKind, String)| {
                let kind = if *kind == EntityKind::Usage { &EntityKind::Key } else { kind };
                known.contains(&(EntityKind::Quarantine, format!("{}/{id}", kind.name())))
            };
            let strays = stored.into_iter().filter(|stored| !known.contains(stored) && !is_aside(stored));
            for (kind, id) in strays {
                report.findings.push(Finding::new(subject(EntityId { kind, id: &id }), ADDED, RESTORE));
            }
        }
        Err(error) => report.findings.push(finding("database", error)?),
    }
    for node in rows.stored_nodes()?.into_iter().filter(|node| !tree.covers_node(*node)) {
        report.findings.push(Finding::new(format!("node {node} of the MAC tree"), ADDED, RESTORE));
    }
    for bucket in rows.stored_buckets()? {
        if matches!(tree.covers_bucket(bucket), Ok(false)) {
            report.findings.push(Finding::new(format!("leaf {bucket} of the MAC tree"), ADDED, RESTORE));
        }
    }
    Ok(())
}

fn check_audit(tree: &Tree<'_>, unlocked: &Unlocked, report: &mut CheckReport) -> Result<()> {
    let store = tree.store();
    report.audit_records = store.audit_sequence;
    let head = (store.audit_sequence, store.audit_hash);
    if let Err(error) = verify_chain(tree.rows(), &unlocked.audit, (0, [0; 32]), head) {
        report.findings.push(finding("audit", error)?);
    }
    Ok(())
}

fn subject(entity: EntityId<'_>) -> String {
    format!("{} {}", entity.kind.name().replace('_', " "), entity.id)
}

/// A failed verification as a finding; any other error ends the check.
fn finding(subject: &str, error: Error) -> Result<Finding> {
    match error.kind() {
        ErrorKind::IntegrityError => Ok(Finding::new(subject, error.message(), RESTORE)),
        _ => Err(error),
    }
}
