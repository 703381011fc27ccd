//! The files of a store, read as what they are.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{beside, hostile, names};

pub type Wraps = BTreeSet<Vec<u8>>;

/// Every wrapped secret in the store's rows.
pub fn wraps(path: &Path) -> Wraps {
    let connection = hostile(path);
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT wrapped FROM key_version WHERE length(wrapped) > 0 UNION SELECT wrapped FROM system_key \
             UNION SELECT wrapped FROM index_root UNION SELECT ciphertext FROM kek_wrap",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// As [`wraps`], without touching the files: what a killed process left is read in a copy.
pub fn wraps_as_left(path: &Path) -> Wraps {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(path, &copy).unwrap();
    let log = beside(path, "-wal");
    if log.exists() {
        std::fs::copy(log, beside(&copy, "-wal")).unwrap();
    }
    wraps(&copy)
}

pub fn kek_version(path: &Path) -> u32 {
    hostile(path).query_row("SELECT kek_version FROM store", [], |row| row.get(0)).unwrap()
}

/// Damages a key, or takes the damage back: that it may be exported is under its MAC.
pub fn damage(path: &Path, key_id: &str) {
    let changed =
        hostile(path).execute("UPDATE key SET exportable = 1 - exportable WHERE key_id = ?1", [key_id]);
    assert_eq!(changed.unwrap(), 1);
}

pub fn is_aside(path: &Path, key_id: &str) -> bool {
    let count = "SELECT count(*) FROM quarantine WHERE id = ?1";
    hostile(path).query_row(count, [key_id], |row| row.get::<_, u32>(0)).unwrap() > 0
}

/// Asserts that none of these is in any file of the folder, but in those that are meant to keep them.
pub fn assert_gone(folder: &Path, gone: &Wraps, kept: impl Fn(&str) -> bool) {
    for name in names(folder).into_iter().filter(|name| !kept(name)) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        for wrap in gone {
            let found = bytes.windows(wrap.len()).any(|window| window == wrap);
            assert!(!found, "{name} still has a wrap that was destroyed or superseded");
        }
    }
}
