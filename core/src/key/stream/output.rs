//! A new file, whole or not at all: written beside its place, and given its name once it is complete.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::primitives::random_bytes;

/// Where a file is to appear.
pub(super) struct Target {
    /// With all links followed.
    folder: PathBuf,
    path: PathBuf,
    replace: bool,
}

/// The file until it has its name; what is left of it goes when this is dropped.
pub(super) struct Draft<'a> {
    target: &'a Target,
    path: PathBuf,
    pub(super) file: File,
}

impl Target {
    pub(super) fn new(path: &Path, replace: bool) -> Result<Self> {
        let name =
            path.file_name().ok_or_else(|| Error::invalid(format!("{} names no file", path.display())))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = parent.canonicalize().and_then(|folder| match folder.is_dir() {
            true => Ok(folder),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        let folder = folder.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::InvalidArgument,
                _ => ErrorKind::NotFound,
            };
            Error::new(kind, format!("the folder {} cannot be used; make it first", parent.display()))
                .with_cause(error)
        })?;
        Ok(Self { path: folder.join(name), folder, replace })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what cannot be written there, before anything is read.
    pub(super) fn check(&self, input: &Metadata) -> Result<()> {
        let shown = self.path.display();
        if let Ok(there) = self.path.metadata()
            && is_same(&there, input)
        {
            return Err(Error::invalid(format!("{shown} is the input; name another file for the output")));
        }
        let there = match self.path.symlink_metadata() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unwritable(&self.path, error)),
        };
        if !self.replace {
            return Err(self.exists());
        }
        if !there.is_file() {
            return Err(Error::invalid(format!(
                "{shown} is no regular file and is not replaced; name another, or write to it as a stream"
            )));
        }
        Ok(())
    }

    /// A new, empty file of ours beside the target.
    pub(super) fn draft(&self) -> Result<Draft<'_>> {
        let mut random = [0u8; 8];
        random_bytes(&mut random)?;
        let path = self.folder.join(format!(".keyfold-{:016x}.new", u64::from_be_bytes(random)));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&path)
            .map_err(|error| unwritable(&self.path, error))?;
        let draft = Draft { target: self, path, file };
        // Whatever the umask took away.
        let permissions = fs::Permissions::from_mode(0o600);
        draft.file.set_permissions(permissions).map_err(|error| unwritable(&self.path, error))?;
        Ok(draft)
    }

    fn exists(&self) -> Error {
        Error::new(
            ErrorKind::AlreadyExists,
            format!("{} exists already and was left as it is; force replaces it", self.path.display()),
        )
    }
}

impl Draft<'_> {
    /// Makes the file durable under its name.
    pub(super) fn publish(self) -> Result<()> {
        let target = &self.target.path;
        self.file.sync_all().map_err(|error| unwritable(target, error))?;
        if self.target.replace {
            fs::rename(&self.path, target).map_err(|error| unwritable(target, error))?;
        } else {
            self.name_without_replacing()?;
        }
        let folder = &self.target.folder;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| {
            // Whoever is told so may try again; what was replaced is gone either way.
            if !self.target.replace {
                self.take_back();
            }
            unwritable(folder, error)
        })
    }

    fn take_back(&self) {
        let there = self.target.path.symlink_metadata();
        if let (Ok(made), Ok(there)) = (self.file.metadata(), there)
            && is_same(&made, &there)
        {
            let _ = fs::remove_file(&self.target.path);
        }
    }

    fn name_without_replacing(&self) -> Result<()> {
        let named = rename_without_replacing(&self.path, &self.target.path)
            // For systems whose rename always replaces. For a moment the file has two names.
            .or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                _ => fs::hard_link(&self.path, &self.target.path),
            });
        named.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.target.exists(),
            _ => unwritable(&self.target.path, error),
        })
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // Once it has its name there is nothing here any more; what cannot go is only a draft.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether both are one file, whatever their names.
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_without_replacing(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::StorageFull,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::InvalidArgument,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{} cannot be written", path.display())).with_cause(error)
}
