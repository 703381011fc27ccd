//! Stores for trying things out: a random key of their own in a file beside them, or no file at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::master_key::{MasterKey, generate_master_key};
use crate::primitives::random_bytes;
use crate::sys::fork;

/// The path of a store that only lives as long as it is open.
pub(super) const MEMORY: &str = ":memory:";
/// What the file of a development store's key is called, after the store.
const SUFFIX: &str = ".insecure-dev-key";

/// The development key beside a store; where `create` asks for it, one is made if there is none.
pub(super) fn master_key(store: &Path, create: bool) -> Result<MasterKey> {
    let key_file = beside(store, SUFFIX);
    if create && store.symlink_metadata().is_err() && key_file.symlink_metadata().is_err() {
        make_key(&key_file)?;
    }
    if key_file.symlink_metadata().is_err() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "{} is not there: the store is no development store, or its key was lost; open it without \
                 insecure_dev",
                key_file.display()
            ),
        ));
    }
    Ok(MasterKey::file(key_file))
}

/// Whole or not at all, and never over another: of several processes one makes it and all use it.
fn make_key(path: &Path) -> Result<()> {
    let draft = beside(path, &format!(".{}", random_name()?));
    let written = write_key(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    });
    // What cannot go is only a draft.
    let _ = fs::remove_file(&draft);
    written.map_err(|error| {
        Error::storage(format!("the development key {} cannot be written", path.display())).with_cause(error)
    })
}

fn write_key(path: &Path) -> std::io::Result<()> {
    let text = generate_master_key().map_err(std::io::Error::other)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn random_name() -> Result<String> {
    let mut random = [0; 8];
    random_bytes(&mut random)?;
    Ok(format!("{:016x}", u64::from_be_bytes(random)))
}

/// A folder of this process's own, in memory where the system has such a file system. It goes when this is dropped, by the
/// process that made it and not by its forks; a killed one leaves it.
pub(super) struct Scratch {
    folder: PathBuf,
    epoch: u64,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("keyfold-{}", random_name()?));
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            Error::storage(format!("{} cannot be made", folder.display())).with_cause(error)
        })?;
        Ok(Self { folder, epoch: fork::epoch() })
    }

    /// The path of the store in it.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("memory.keyfold")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.epoch == fork::epoch() {
            // There is nobody to tell; what stays behind is a development store with its key.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
