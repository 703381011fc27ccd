//! Setting aside what does not verify, so that the rest goes on.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{IndexRootPlace, Wrappable};
use crate::keyring::VersionState;
use crate::limits;
use crate::records::entity::{key_scope, purpose_scope};
use crate::records::{EntityId, EntityKind, QuarantineRow};
use crate::store::Store;
use crate::store::act::{Act, Event};
use crate::store::transfer::unwrap_version;
use crate::time::Timestamp;

/// What was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// `key` or `purpose`.
    pub kind: String,
    /// Its name.
    pub id: String,
    /// Why, in the words of who did it.
    pub reason: String,
    /// When.
    pub created_at: Timestamp,
}

impl Store {
    /// Sets a key or purpose aside that does not verify: its rows stay as they are, for inquiry; every use of it is
    /// KeyUnavailable, and no other may take its name. Recorded. Only restoring a backup brings it back.
    ///
    /// InvalidArgument where it verifies, NotFound where there is none, AlreadyExists where it was set aside before.
    /// IntegrityError where not the key's own rows but the MAC tree above it is damaged: then only a backup helps.
    pub fn quarantine(&self, kind: &str, id: &str, reason: &str) -> Result<()> {
        let entity = EntityId { kind: set_aside_kind(kind)?, id };
        check_reason(reason)?;
        self.shared.act(Event::new("quarantine"), |act| {
            match verify_deeply(act, entity) {
                Ok(false) => {
                    return Err(Error::new(
                        ErrorKind::NotFound,
                        format!("there is no {kind} {id:?} in this store"),
                    ));
                }
                Ok(true) => {
                    return Err(Error::invalid(format!(
                        "{kind} {id:?} verifies: there is nothing to set aside; disable or archive it instead"
                    )));
                }
                Err(error) if error.kind() == ErrorKind::KeyUnavailable => {
                    return Err(Error::new(
                        ErrorKind::AlreadyExists,
                        format!("{kind} {id:?} was set aside already"),
                    ));
                }
                Err(error) if error.kind() != ErrorKind::IntegrityError => return Err(error),
                Err(_) => {}
            }
            act.tree.remove(entity)?;
            if entity.kind == EntityKind::Key {
                act.tree.remove(EntityId::usage(id))?;
            }
            act.rows().put_quarantined(&QuarantineRow {
                kind: entity.kind,
                id: id.to_owned(),
                reason: reason.to_owned(),
                created_at: act.now,
            })?;
            let place = format!("{kind}/{id}");
            act.tree.authenticate(EntityId::quarantine(&place))?;
            let event = Event::new("quarantine").detail(reason);
            act.record(if entity.kind == EntityKind::Key { event.key(id) } else { event })
        })
    }

    /// What was set aside, in order of kind and id.
    pub fn quarantined(&self) -> Result<Vec<Quarantined>> {
        self.shared.read_verified(|tree, _| {
            let rows = tree.rows().quarantined()?;
            let mut known = HashMap::new();
            tree.each_verified(&mut |_, row| {
                if row.kind == EntityKind::Quarantine {
                    known.insert(row.id, row.mac);
                }
                Ok(())
            })?;
            for row in &rows {
                let place = format!("{}/{}", row.kind.name(), row.id);
                let entity = EntityId::quarantine(&place);
                tree.verify_against(entity, &known.remove(&place).ok_or_else(|| entity.damaged())?)?;
            }
            if let Some(missing) = known.keys().next() {
                return Err(EntityId::quarantine(missing).damaged());
            }
            Ok(rows
                .into_iter()
                .map(|row| Quarantined {
                    kind: row.kind.name().to_owned(),
                    id: row.id,
                    reason: row.reason,
                    created_at: Timestamp::from_milliseconds(row.created_at),
                })
                .collect())
        })
    }
}

/// Verifies the entity, and that everything wrapped in it opens. False where it does not exist.
fn verify_deeply(act: &Act<'_>, entity: EntityId<'_>) -> Result<bool> {
    if !act.verify(entity)? {
        return Ok(false);
    }
    let scope = match entity.kind {
        EntityKind::Key => {
            // A key whose count nobody can believe seals no more.
            act.verify(EntityId::usage(entity.id))?;
            let key = act.rows().key(entity.id)?.ok_or_else(|| entity.damaged())?;
            for row in act.rows().versions(entity.id)? {
                if row.state != VersionState::Destroyed.name() {
                    unwrap_version(act, &key, &row)?;
                }
            }
            key_scope(entity.id)
        }
        _ => purpose_scope(entity.id),
    };
    for row in act.rows().index_roots(&scope)? {
        let place =
            IndexRootPlace { store_id: &act.tree.store().store_id, scope: &scope, version: row.version };
        place.unwrap(act.kek, row.kek_version, &row.wrapped)?;
    }
    Ok(true)
}

fn set_aside_kind(name: &str) -> Result<EntityKind> {
    match EntityKind::from_name(name) {
        Some(kind @ (EntityKind::Key | EntityKind::Purpose)) => Ok(kind),
        _ => Err(Error::invalid(format!(
            "{name:?} cannot be set aside, only a key or a purpose; for anything else restore a backup"
        ))),
    }
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err(Error::invalid("say why, in one line"));
    }
    if reason.len() > limits::QUARANTINE_REASON_BYTES {
        return Err(Error::limit(format!("a reason is at most {} bytes", limits::QUARANTINE_REASON_BYTES)));
    }
    Ok(())
}
