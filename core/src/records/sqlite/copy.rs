//! A copy of a store's file, made beside its place and put there whole, or written over a file that others use.

use std::path::{Path, PathBuf};

use super::create::{already_exists, place, refuse_leftovers};
use super::database::{Database, FileOptions};
use super::draft::Draft;
use super::files::refuse_network;
use crate::error::Result;

/// A copy that has no name of its own yet; what is left of it goes when this is dropped.
pub(crate) struct Copy {
    draft: Draft,
    folder: PathBuf,
    target: PathBuf,
    options: FileOptions,
}

impl Copy {
    /// Copies the source as of one moment into a file beside `target` that only its owner may read.
    pub(crate) fn of(
        source: &mut Database,
        target: &Path,
        options: &FileOptions,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Self> {
        let (folder, target) = place(target)?;
        if !options.allow_network_fs {
            refuse_network(&folder)?;
        }
        let draft = Draft::new(&target)?;
        source.copy_into(draft.path(), progress)?;
        Ok(Self { draft, folder, target, options: options.clone() })
    }

    /// A connection to the copy.
    pub(crate) fn database(&self) -> Result<Database> {
        Database::new(self.draft.path(), self.options.clone())
    }

    /// As [`Copy::database`], where an earlier keyfold may have made what was copied.
    pub(crate) fn of_any_format(&self) -> Result<Database> {
        Database::of_any_format(self.draft.path(), self.options.clone())
    }

    /// Gives the copy its name, unless there is a file of that name. `database` is its only connection.
    pub(crate) fn publish(self, mut database: Database) -> Result<()> {
        database.fold()?;
        database.close();
        if self.target.symlink_metadata().is_ok() {
            return Err(already_exists(&self.target));
        }
        refuse_leftovers(&self.target)?;
        self.draft.publish_durably(&self.folder, &self.target)
    }

    /// Writes the copy over an existing file, under its locks and in one transaction. `prepare` runs once nobody else
    /// can write there any more, and may still change the copy.
    pub(crate) fn write_over<T>(
        &self,
        existing: &mut Database,
        prepare: impl FnOnce(&mut Database) -> Result<T>,
    ) -> Result<T> {
        existing.overwrite(self.draft.path(), prepare)
    }
}
