//! A store in memory, with keys that are the same in every run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keyfold::{Algorithm, Error, ErrorKind, ImportKeyset, KeysetProtection, MasterKey, OpenOptions, Store};

use crate::keysets::{Known, keyset};

/// The master key of every store here.
pub(crate) const SECRET: [u8; 32] = *b"not a secret: everybody knows it";

/// The keys of [`store`] that decrypt messages: one of each algorithm, and one whose older version has no prefix.
pub(crate) const MESSAGES: [(&str, Algorithm, u32); 6] = [
    ("siv", Algorithm::Aes256GcmSiv, 0x1001),
    ("gcm", Algorithm::Aes256Gcm, 0x2001),
    ("xaes", Algorithm::Xaes256Gcm, 0x3001),
    ("xchacha", Algorithm::XChaCha20Poly1305, 0x4001),
    ("deterministic", Algorithm::Aes256Siv, 0x5001),
    ("raw", Algorithm::Aes256GcmSiv, 0x6001),
];

/// A folder that lives as long as the process, where nothing waits for a disk.
pub(crate) fn folder() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(make_folder).path().to_owned()
}

/// Statics are never dropped, so that each process sweeps up behind those before it.
fn make_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("keyfold-fuzz-")?.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("keyfold-fuzz-{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).expect("a folder in memory")
}

pub(crate) fn master_key() -> MasterKey {
    MasterKey::bytes(&SECRET).expect("32 bytes")
}

/// A new store of this name.
pub(crate) fn create(name: &str) -> Store {
    let path = folder().join(name);
    Store::open_with(path, &master_key(), &OpenOptions::new().create(true)).expect("a new store")
}

/// The store that most targets share: opened once.
pub(crate) fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = create("shared");
        let import = |key_id: &str, keys: &[Known]| {
            let keys = keyset(keys);
            let options = ImportKeyset::new().exportable(true);
            store.import_keyset(key_id, &keys, KeysetProtection::InsecureCleartext, &options).expect(key_id);
        };
        for (key_id, algorithm, id) in MESSAGES {
            let older = if key_id == "raw" { "RAW" } else { "TINK" };
            let known = |id, status, prefix| Known { id, algorithm, status, prefix };
            import(
                key_id,
                &[
                    known(id, "ENABLED", "TINK"),
                    known(id + 1, "ENABLED", older),
                    known(id + 2, "DISABLED", "TINK"),
                ],
            );
        }
        let single = |id, algorithm, prefix| Known { id, algorithm, status: "ENABLED", prefix };
        for (key_id, algorithm, id, prefix) in [
            ("stream", Algorithm::Aes256GcmHkdf1Mb, 0x7001, "RAW"),
            ("mac", Algorithm::HmacSha256, 0x8001, "TINK"),
            ("derive", Algorithm::HkdfSha256, 0x9001, "RAW"),
        ] {
            import(key_id, &[single(id, algorithm, prefix), single(id + 1, algorithm, prefix)]);
        }
        store
    })
}

/// What a call gave; panics where it failed as it must not.
pub(crate) fn expect<T>(result: keyfold::Result<T>, kinds: &[ErrorKind]) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(kinds.contains(&error.kind()), "failed as none of {kinds:?}: {error:?}");
            assert!(!error.message().is_empty());
            None
        }
    }
}

/// As [`expect`], where failing is all there is.
pub(crate) fn refuse<T>(result: keyfold::Result<T>, kinds: &[ErrorKind]) -> Error {
    match result {
        Ok(_) => panic!("accepted, where it had to fail as one of {kinds:?}"),
        Err(error) => {
            assert!(kinds.contains(&error.kind()), "failed as none of {kinds:?}: {error:?}");
            error
        }
    }
}
