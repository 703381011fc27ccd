//! Files: a stream whose output appears under its name when all of it is there and verified.

use std::fs::{File, Metadata};
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::format::Aad;
use crate::key::Key;
use crate::store::FileOptions;

use super::Progress;
use super::output::{Target, is_same};
use super::transfer::{decrypt, encrypt};

impl Key {
    /// Encrypts a file into another one. Returns how many bytes were read.
    ///
    /// The output appears under its name, with mode 0600, once it is complete and on disk; on failure nothing of it
    /// is left. AlreadyExists where there is a file of its name, unless `force` replaces it. The input may be a pipe,
    /// or `/dev/stdin`. Refused: an output that is the input, by whatever name, and the store's own files.
    pub fn encrypt_file<'a>(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        aad: impl Into<Aad<'a>>,
        options: &FileOptions,
    ) -> Result<u64> {
        self.encrypt_file_with(from, to, aad, options, &mut |_| Ok(()))
    }

    /// As [`Key::encrypt_file`], and tells how far it is.
    pub fn encrypt_file_with<'a>(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        aad: impl Into<Aad<'a>>,
        options: &FileOptions,
        progress: &mut Progress<'_>,
    ) -> Result<u64> {
        self.require_stream_kind("encrypt files")?;
        self.convert(from.as_ref(), to.as_ref(), options, |input, output| {
            encrypt(self, input, output, aad.into(), progress)
        })
    }

    /// Decrypts a file into another one; otherwise as [`Key::encrypt_file`]. Returns how many bytes were written.
    ///
    /// Nothing appears under the output's name before the whole stream was verified.
    pub fn decrypt_file<'a>(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        aad: impl Into<Aad<'a>>,
        options: &FileOptions,
    ) -> Result<u64> {
        self.decrypt_file_with(from, to, aad, options, &mut |_| Ok(()))
    }

    /// As [`Key::decrypt_file`], and tells how far it is.
    pub fn decrypt_file_with<'a>(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        aad: impl Into<Aad<'a>>,
        options: &FileOptions,
        progress: &mut Progress<'_>,
    ) -> Result<u64> {
        self.require_stream_kind("decrypt files")?;
        self.convert(from.as_ref(), to.as_ref(), options, |input, output| {
            decrypt(self, input, output, aad.into(), progress)
        })
    }

    fn convert(
        &self,
        from: &Path,
        to: &Path,
        options: &FileOptions,
        run: impl FnOnce(&mut File, &mut File) -> Result<u64>,
    ) -> Result<u64> {
        let target = Target::new(to, options.force)?;
        let store = StoreFiles::of(self.shared.path());
        let mut input = store.open_input(from)?;
        let metadata = input.metadata().map_err(|error| unreadable(from, error))?;
        store.refuse_output(target.path())?;
        target.check(&metadata)?;
        let mut draft = target.draft()?;
        let done = run(&mut input, &mut draft.file)?;
        // A long time may have passed.
        store.refuse_output(target.path())?;
        draft.publish()?;
        Ok(done)
    }
}

/// The files of the open store, which no stream may touch.
struct StoreFiles([PathBuf; 4]);

impl StoreFiles {
    fn of(store: &Path) -> Self {
        Self(["", "-wal", "-shm", "-journal"].map(|suffix| {
            let mut path = store.as_os_str().to_owned();
            path.push(suffix);
            path.into()
        }))
    }

    /// Opens the input, unless it is one of ours: closing it again would drop SQLite's locks on it.
    fn open_input(&self, path: &Path) -> Result<File> {
        let before = path.metadata().map_err(|error| unreadable(path, error))?;
        if self.include(&before) {
            return Err(refused(path));
        }
        if before.is_dir() {
            return Err(Error::invalid(format!("{} is a folder; name a file in it", path.display())));
        }
        let file = ManuallyDrop::new(File::open(path).map_err(|error| unreadable(path, error))?);
        // Another file may have taken the name since; that one then stays open.
        let opened = file.metadata().map_err(|error| unreadable(path, error))?;
        if self.include(&opened) {
            return Err(refused(path));
        }
        Ok(ManuallyDrop::into_inner(file))
    }

    /// By name too: SQLite would take what stands under the log's name for its log.
    fn refuse_output(&self, path: &Path) -> Result<()> {
        let is_ours = self.0.iter().any(|ours| ours == path)
            || path.metadata().is_ok_and(|metadata| self.include(&metadata));
        if is_ours { Err(refused(path)) } else { Ok(()) }
    }

    fn include(&self, file: &Metadata) -> bool {
        self.0.iter().any(|ours| ours.metadata().is_ok_and(|ours| is_same(&ours, file)))
    }
}

fn refused(path: &Path) -> Error {
    Error::invalid(format!("{} belongs to the store itself; name another file", path.display()))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => ErrorKind::InvalidArgument,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("{} cannot be read", path.display())).with_cause(error)
}
