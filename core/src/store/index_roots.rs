//! The roots of blind indexes: what an index depends on beside its value. Data keys rotate without them.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{IndexRootPlace, Wrappable};
use crate::key::Plaintext;
use crate::limits;
use crate::records::entity::{key_scope, purpose_scope};
use crate::records::tree::Tree;
use crate::records::{EntityId, IndexRootRow};
use crate::store::Store;
use crate::store::act::{Act, Event};
use crate::store::purposes::{PURPOSES, ensure_purpose};
use crate::store::shared::{check_key_id, no_such_key};
use crate::time::Timestamp;

/// Whose blind indexes: those of all keys of a purpose, or those of one key without a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexScope<'a> {
    /// A purpose. Its keys share one root, so their indexes can be joined.
    Purpose(&'a str),
    /// A key that has no purpose, by its id.
    Key(&'a str),
}

/// One version of an index root, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexSaltInfo {
    /// 1, 2, 3…
    pub version: u32,
    /// Whether `blind_index` uses it. The others are for finding what is not yet indexed anew.
    pub is_current: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

impl Store {
    /// The live versions of an index root, newest first: as many as `blind_indexes` gives, in the same order.
    pub fn index_salts(&self, scope: IndexScope<'_>) -> Result<Vec<IndexSaltInfo>> {
        scope.check()?;
        self.shared.read_listing(|tree| {
            let roots = scope.roots(tree)?;
            Ok(roots.iter().rev().map(|row| IndexSaltInfo::from_row(row, tree.is_verified())).collect())
        })
    }

    /// Makes the next version of an index root; `blind_index` uses it from now on.
    ///
    /// Indexes under the earlier versions are still given by `blind_indexes`, until these are retired: search for
    /// all of them while the rows are indexed anew. LimitExceeded where there are 64 versions.
    pub fn rotate_index_salt(&self, scope: IndexScope<'_>) -> Result<IndexSaltInfo> {
        scope.check()?;
        self.shared.act(scope.event("rotate_index_salt"), |act| {
            let roots = scope.roots(&act.tree)?;
            if roots.len() >= limits::INDEX_SALTS {
                return Err(Error::limit(format!(
                    "{scope} has {} index salts, which is the most; retire old ones first",
                    limits::INDEX_SALTS
                )));
            }
            let newest = roots.last().ok_or_else(|| scope.entity().damaged())?.version;
            let next =
                newest.checked_add(1).ok_or_else(|| Error::limit("no number is left for an index salt"))?;
            for row in roots.into_iter().filter(|row| row.is_current) {
                act.rows().put_index_root(&IndexRootRow { is_current: false, ..row })?;
            }
            let row = act.insert_index_root_version(&scope.name(), next)?;
            act.tree.authenticate(scope.entity())?;
            scope.record(act, "rotate_index_salt", next)?;
            Ok(IndexSaltInfo::from_row(&row, true))
        })
    }

    /// Deletes a version of an index root that is not the current one. No index under it is ever given again, so
    /// every row must be indexed anew before. InUse for the current version.
    pub fn retire_index_salt(&self, scope: IndexScope<'_>, version: u32) -> Result<()> {
        scope.check()?;
        self.shared.act(scope.event("retire_index_salt"), |act| {
            let roots = scope.roots(&act.tree)?;
            if find(&roots, scope, version)?.is_current {
                return Err(Error::new(
                    ErrorKind::InUse,
                    format!("index salt {version} of {scope} is the current one; rotate it first"),
                )
                .with_version(version));
            }
            act.rows().delete_index_root(&scope.name(), version)?;
            act.tree.authenticate(scope.entity())?;
            // The row is overwritten in the file, but the log may still hold it.
            act.tree.store_mut().purge_pending = true;
            scope.record(act, "retire_index_salt", version)
        })
    }

    /// The 32 bytes of an index root, for a service that computes the same indexes by itself; the current version
    /// where none is named.
    ///
    /// Whoever has them can test guesses at every indexed value of this scope. So it wants mode admin, and it is
    /// recorded. A purpose of [`PURPOSES`] that no key uses yet gets its root by this.
    pub fn get_index_salt(&self, scope: IndexScope<'_>, version: Option<u32>) -> Result<Plaintext> {
        scope.check()?;
        self.shared.act(scope.event("get_index_salt"), |act| {
            if let IndexScope::Purpose(purpose) = scope
                && PURPOSES.contains(&purpose)
            {
                ensure_purpose(act, purpose)?;
            }
            let roots = scope.roots(&act.tree)?;
            let row = match version {
                Some(version) => find(&roots, scope, version)?,
                None => roots.last().ok_or_else(|| scope.entity().damaged())?,
            };
            let store_id = act.tree.store().store_id;
            let place = IndexRootPlace { store_id: &store_id, scope: &row.scope, version: row.version };
            let root = place.unwrap(act.kek, row.kek_version, &row.wrapped)?;
            scope.record(act, "get_index_salt", row.version)?;
            let mut bytes = Plaintext::with_capacity(root.len());
            bytes.buffer().extend_from_slice(root.expose());
            Ok(bytes)
        })
    }
}

impl<'a> IndexScope<'a> {
    fn check(self) -> Result<()> {
        match self {
            Self::Key(key_id) => check_key_id(key_id),
            Self::Purpose(purpose) if purpose.is_empty() || purpose.len() > limits::KEY_ID_BYTES => {
                Err(Error::invalid(format!("a purpose's name is 1 to {} bytes", limits::KEY_ID_BYTES)))
            }
            Self::Purpose(_) => Ok(()),
        }
    }

    fn entity(self) -> EntityId<'a> {
        match self {
            Self::Purpose(purpose) => EntityId::purpose(purpose),
            Self::Key(key_id) => EntityId::key(key_id),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Purpose(purpose) => purpose_scope(purpose),
            Self::Key(key_id) => key_scope(key_id),
        }
    }

    /// Its roots, verified, oldest first; never none.
    fn roots(self, tree: &Tree<'_>) -> Result<Vec<IndexRootRow>> {
        if tree.verify_entity(self.entity())?.is_none() {
            return Err(match self {
                Self::Key(key_id) => no_such_key(key_id),
                Self::Purpose(purpose) => Error::new(
                    ErrorKind::NotFound,
                    format!("purpose {purpose:?} has no index salt; it gets one with its first key"),
                ),
            });
        }
        let roots = tree.rows().index_roots(&self.name())?;
        match self {
            Self::Key(key_id) if roots.is_empty() => {
                let key = tree.rows().key(key_id)?.ok_or_else(|| self.entity().damaged())?;
                let purpose = key.purpose.ok_or_else(|| self.entity().damaged())?;
                Err(Error::invalid(format!(
                    "key {key_id:?} has no index salt of its own: it uses that of purpose {purpose:?}"
                ))
                .with_key(key_id))
            }
            _ => Ok(roots),
        }
    }

    fn event(self, action: &'static str) -> Event<'a> {
        match self {
            Self::Key(key_id) => Event::new(action).key(key_id),
            Self::Purpose(_) => Event::new(action),
        }
    }

    fn record(self, act: &mut Act<'_>, action: &str, version: u32) -> Result<()> {
        let event = Event::new(action).version(version);
        match self {
            Self::Key(key_id) => act.record(event.key(key_id)),
            Self::Purpose(_) => act.record(event.detail(&self.name())),
        }
    }
}

impl std::fmt::Display for IndexScope<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Purpose(purpose) => write!(out, "purpose {purpose:?}"),
            Self::Key(key_id) => write!(out, "key {key_id:?}"),
        }
    }
}

impl IndexSaltInfo {
    fn from_row(row: &IndexRootRow, verified: bool) -> Self {
        Self {
            version: row.version,
            is_current: row.is_current,
            created_at: Timestamp::from_milliseconds(row.created_at),
            verified,
        }
    }
}

fn find<'r>(roots: &'r [IndexRootRow], scope: IndexScope<'_>, version: u32) -> Result<&'r IndexRootRow> {
    roots.iter().find(|row| row.version == version).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("{scope} has no index salt {version}")).with_version(version)
    })
}
