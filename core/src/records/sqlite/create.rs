//! A new file, whole or not at all: it is built beside its place and then linked there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::database::FileOptions;
use super::draft::Draft;
use super::errors::storage_error;
use super::files::refuse_network;
use super::opening::{explain, open, require_wal};
use super::rows::SqliteRows;
use super::schema;
use super::transaction::Transaction;
use crate::error::{Error, ErrorKind, Result};
use crate::records::Rows;

/// Makes the file with what `fill` writes. AlreadyExists where there is one, also when another process was faster.
pub(crate) fn create(
    path: &Path,
    options: &FileOptions,
    fill: impl FnOnce(&dyn Rows) -> Result<()>,
) -> Result<()> {
    let (folder, target) = place(path)?;
    if !options.allow_network_fs {
        refuse_network(&folder)?;
    }
    if target.symlink_metadata().is_ok() {
        return Err(already_exists(&target));
    }
    refuse_leftovers(&target)?;
    let draft = Draft::new(&target)?;
    draft.build(options, fill)?;
    draft.publish(&target)?;
    sync(&folder)
}

/// The folder, all links followed, and the file in it.
pub(super) fn place(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} names no file", path.display())))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = parent.canonicalize().map_err(|error| {
        Error::new(
            ErrorKind::NotFound,
            format!("the folder {} cannot be used; make it first", parent.display()),
        )
        .with_cause(error)
    })?;
    let target = folder.join(name);
    Ok((folder, target))
}

/// SQLite would take the WAL of an earlier store at this path for the new one's.
pub(super) fn refuse_leftovers(target: &Path) -> Result<()> {
    for suffix in ["-wal", "-journal"] {
        let mut path = target.as_os_str().to_owned();
        path.push(suffix);
        let path = Path::new(&path);
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{} is left of an earlier store; move it away first", path.display()),
            ));
        }
    }
    Ok(())
}

pub(super) fn already_exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{} exists already; it was left as it is", path.display()))
}

impl Draft {
    fn build(&self, options: &FileOptions, fill: impl FnOnce(&dyn Rows) -> Result<()>) -> Result<()> {
        let mut connection = open(self.path(), options.busy_timeout)?;
        fill_file(&mut connection, fill).map_err(|error| explain(error, &connection))?;
        connection.close().map_err(|(_, error)| storage_error(error))
    }

    /// Gives the finished file its name, unless somebody else was faster.
    pub(super) fn publish(&self, target: &Path) -> Result<()> {
        match rename_without_replacing(self.path(), target) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => self.link(target),
            outcome => outcome,
        }
    }

    /// As [`Draft::publish`], and durable. Where that fails the name is taken back: whoever is told so may try again.
    /// Not for what others may have found and written meanwhile.
    pub(super) fn publish_durably(&self, folder: &Path, target: &Path) -> Result<()> {
        let identity = |path: &Path| path.symlink_metadata().ok().map(|made| (made.dev(), made.ino()));
        let made = identity(self.path());
        self.publish(target)?;
        sync(folder).inspect_err(|_| {
            if identity(target) == made {
                let _ = fs::remove_file(target);
            }
        })
    }

    /// For systems whose rename always replaces. For a moment the file has two names.
    fn link(&self, target: &Path) -> Result<()> {
        fs::hard_link(self.path(), target).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => already_exists(target),
            _ => unwritable(target, error),
        })
    }
}

fn fill_file(connection: &mut Connection, fill: impl FnOnce(&dyn Rows) -> Result<()>) -> Result<()> {
    require_wal(connection)?;
    let transaction = Transaction::write(connection).map_err(storage_error)?;
    schema::install(&transaction)?;
    fill(&SqliteRows::writing(&transaction))?;
    transaction.commit().map_err(storage_error)?;
    fold_wal(connection)
}

pub(super) fn fold_wal(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(storage_error)
}

#[cfg(target_os = "linux")]
fn rename_without_replacing(from: &Path, to: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|error| match error {
        rustix::io::Errno::EXIST => already_exists(to),
        other => unwritable(to, other.into()),
    })
}

#[cfg(not(target_os = "linux"))]
fn rename_without_replacing(_: &Path, to: &Path) -> Result<()> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("the file system of {} has no hard links, which creating a store needs", to.display()),
    ))
}

/// Makes the new name durable.
pub(super) fn sync(folder: &Path) -> Result<()> {
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(folder, error))
}

/// Makes the names of a file and of what SQLite keeps beside it durable, where this user and file system can. A sync of
/// the folder may have failed before: then a second one does nothing, but a change has the folder written anew.
pub(crate) fn sync_names_anew(path: &Path) -> Result<()> {
    use std::io::ErrorKind as Io;
    match Draft::new(path) {
        // Whoever may make no files there has made none of those names.
        Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(error),
        made => drop(made),
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.or_else(|error| match error.kind() {
        Io::PermissionDenied | Io::InvalidInput | Io::Unsupported => Ok(()),
        _ => Err(unwritable(folder, error)),
    })
}

pub(super) fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{} cannot be written", path.display())).with_cause(error)
}
