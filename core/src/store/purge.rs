//! Getting superseded wraps and destroyed keys out of the write-ahead log.
//!
//! An act that takes secrets away marks the store as pending in its own transaction; once the log was written back and
//! cut, the mark goes. Whatever stops that in between, a reader or a kill, leaves the mark, and it is tried again.

use crate::error::Result;
use crate::records::sqlite::Database;
use crate::store::shared::{Shared, lock};

impl Shared {
    /// Tries again where a purge is pending. Whether it still is.
    pub(super) fn purge_if_pending(&self) -> Result<bool> {
        if !self.read_verified(|tree, _| Ok(tree.store().purge_pending))? {
            return Ok(false);
        }
        self.purge_holding(&mut lock(&self.writer))
    }

    /// Writes the log back and cuts it, for who holds the writer's lock. Whether a reader prevented it.
    pub(super) fn purge_holding(&self, writer: &mut Database) -> Result<bool> {
        if !writer.fold_log()? {
            return Ok(true);
        }
        let known = self.freshness.generation();
        writer.write(|rows| {
            let unlocked = self.follow(rows)?;
            let mut tree = self.verified(rows, &unlocked, known)?;
            if tree.store().purge_pending {
                tree.store_mut().purge_pending = false;
                tree.seal()?;
            }
            Ok(false)
        })
    }
}
