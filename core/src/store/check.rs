//! Checking everything: the file's structure, every row, every wrap, the whole audit chain.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hierarchy::{AUDIT_KEY, IDENTITY, SystemKeyPlace, Wrappable};
use crate::keyring::Snapshot;
use crate::records::audit::verify_chain;
use crate::records::tree::Tree;
use crate::records::{EntityId, EntityKind};
use crate::store::Store;
use crate::store::shared::{Unlocked, lock};
use crate::sys::pages;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Whether nothing was found.
    pub ok: bool,
    /// What was found, each with what to do.
    pub findings: Vec<Finding>,
    /// How many keys were verified.
    pub keys: usize,
    /// How many key versions were verified and unwrapped.
    pub versions: usize,
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
        let memory = pages::status();
        let mut report = CheckReport {
            ok: false,
            findings: Vec::new(),
            keys: 0,
            versions: 0,
            audit_records: 0,
            generation: 0,
            purge_pending: false,
            locked_bytes: memory.locked_bytes,
            unlocked_bytes: memory.unlocked_bytes,
        };
        let mut reader = lock(&self.shared.reader);
        self.shared.unlocked()?;
        let known = self.shared.freshness.generation();
        for problem in reader.database.structure_findings()? {
            report.findings.push(Finding::new("database", problem, RESTORE));
        }
        let checked = reader.database.read(|rows| {
            let unlocked = self.shared.follow(rows)?;
            let tree = self.shared.verified(rows, &unlocked, known)?;
            report.generation = tree.store().generation;
            report.purge_pending = tree.store().purge_pending;
            check_tree(&tree, &unlocked, &mut report)
        });
        if let Err(error) = checked {
            report.findings.push(finding("store", error)?);
        }
        report.ok = report.findings.is_empty();
        Ok(report)
    }
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
        if let Err(error) = check_entity(tree, unlocked, entity, report) {
            report.findings.push(finding(&subject(entity), error)?);
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
                place.unwrap(&unlocked.kek, row.kek_version, &row.wrapped)?;
            }
            Ok(())
        }
        EntityKind::Purpose | EntityKind::Recipient | EntityKind::Usage | EntityKind::Quarantine => Ok(()),
    }
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
            for (kind, id) in stored.into_iter().filter(|stored| !known.contains(stored)) {
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
        crate::ErrorKind::IntegrityError => Ok(Finding::new(subject, error.message(), RESTORE)),
        _ => Err(error),
    }
}
