//! Having what was destroyed leave the file's unused space and the write-ahead log too.

use crate::error::Result;
use crate::limits;
use crate::store::act::Event;
use crate::store::shared::{Shared, lock};

/// How often the file is rewritten because others wrote meanwhile.
const TRIES: usize = 3;

impl Shared {
    /// Rewrites the file and empties the log where a purge is pending; what an act destroyed is then in no file of
    /// the store. False where it stays pending, because somebody is reading or many are writing: `run_due` tries again.
    ///
    /// What killed processes left of unfinished copies in the store's folder goes as well.
    pub(super) fn purge(&self) -> Result<bool> {
        lock(&self.writer).sweep();
        for _ in 0..TRIES {
            let (pending, generation) = self.read_verified(|tree, _| {
                let store = tree.store();
                Ok((store.purge_pending, store.generation))
            })?;
            if !pending {
                return Ok(true);
            }
            let rewritten = {
                let mut writer = lock(&self.writer);
                // Checked under the lock: nothing opens the file again once the store is closed.
                self.unlocked()?;
                writer.rewrite(limits::PURGE_WAIT)?
            };
            if !rewritten {
                return Ok(false);
            }
            let settled = self.write_verified(self.now(), |act| {
                let store = act.tree.store_mut();
                // Whoever wrote in between may have destroyed something, and left it behind.
                if store.generation != generation {
                    return Ok(false);
                }
                store.purge_pending = false;
                act.record(Event::new("purge"))?;
                Ok(true)
            })?;
            if settled {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
