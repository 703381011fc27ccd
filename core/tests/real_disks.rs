//! File systems that are full or read-only in earnest. Mounting wants root; elsewhere these say that they were skipped.

#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::kind;
use keyfold::{Algorithm, CreateKey, ErrorKind, MasterKey, Mode, OpenOptions, Store, generate_master_key};

/// A small file system in memory.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let is_mounted = mount(folder.path(), &format!("size={size}"));
        if !is_mounted {
            println!("SKIPPED: nothing can be mounted here");
        }
        is_mounted.then_some(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("app.keyfold")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(folder: &Path, options: &str) -> bool {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
    mounted.is_ok_and(|mounted| mounted.status.success())
}

fn remount(folder: &Path, options: &str) {
    let options = format!("remount,{options}");
    assert!(Command::new("mount").args(["-o", &options]).arg(folder).status().unwrap().success());
}

fn master_key() -> MasterKey {
    MasterKey::parse(&generate_master_key().unwrap()).unwrap()
}

/// From no room at all to enough of it: each act is done or refused, and the store is whole.
#[test]
fn a_full_disk() {
    let Some(disk) = Mounted::new("2m") else { return };
    let master_key = master_key();
    let store = Store::open_with(disk.path(), &master_key, &OpenOptions::new().create(true)).unwrap();
    store.create_key("k", &CreateKey::new()).unwrap();
    store.create_key("gcm", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    let sealed = store.encrypt("k", b"ada", b"").unwrap();
    let ballast = disk.0.path().join("ballast");
    let (mut done, mut refused) = (0, 0);
    let mut count = |outcome: keyfold::Result<()>, what: &str| match outcome {
        Ok(()) => done += 1,
        Err(error) => {
            assert!(
                [ErrorKind::StorageFull, ErrorKind::Storage].contains(&error.kind()),
                "{what}: {error:?}"
            );
            refused += 1;
        }
    };
    for pages in (0..20).chain((20..200).step_by(10)) {
        // Takes all that there is, but for so much.
        let _ = std::fs::remove_file(&ballast);
        let left = room(disk.0.path()).saturating_sub(pages * 4096);
        std::fs::write(&ballast, vec![0; left as usize]).unwrap();
        let backup = disk.0.path().join("backup.keyfold");
        count(store.rotate_key("k").map(drop), "rotate_key");
        count(store.encrypt("gcm", b"ada", b"").map(drop), "a lease");
        count(store.rotate_master_key(None).map(drop), "rotate_master_key");
        count(store.backup(&backup).map(drop), "backup");
        count(Store::open_with(disk.path(), &master_key, &OpenOptions::new()).map(drop), "open");
        // Who only uses keys that he has does not care.
        assert_eq!(store.decrypt("k", &sealed, b"").unwrap(), b"ada"[..]);
        std::fs::remove_file(&ballast).unwrap();
        let _ = std::fs::remove_file(&backup);
        let names = common::names(disk.0.path());
        assert!(
            names.iter().all(|name| name.starts_with("app.keyfold") && !name.ends_with(".new")),
            "{names:?}"
        );
        assert!(store.check().unwrap().ok);
        store.rotate_key("k").unwrap();
        store.encrypt("gcm", b"ada", b"").unwrap();
    }
    println!("proof: on a full disk {done} acts were done and {refused} refused");
    assert!(done > 10 && refused > 10, "{done} and {refused}");
    let anchor = store.anchor().unwrap().to_string();
    store.close();
    let store = Store::open_with(disk.path(), &master_key, &OpenOptions::new().anchor(anchor)).unwrap();
    assert!(store.check().unwrap().ok);
    assert_eq!(store.decrypt("k", &sealed, b"").unwrap(), b"ada"[..]);
}

fn room(folder: &Path) -> u64 {
    let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product()
}

/// Every mode says what to do, and an immutable store opens.
#[test]
fn a_read_only_file_system() {
    let Some(disk) = Mounted::new("8m") else { return };
    let master_key = master_key();
    let store = Store::open_with(disk.path(), &master_key, &OpenOptions::new().create(true)).unwrap();
    store.create_key("k", &CreateKey::new()).unwrap();
    let sealed = store.encrypt("k", b"ada", b"").unwrap();
    store.close();
    let before = std::fs::read(disk.path()).unwrap();
    remount(disk.0.path(), "ro");
    let open = |options: OpenOptions| Store::open_with(disk.path(), &master_key, &options);
    for mode in [Mode::Admin, Mode::Use, Mode::Metadata] {
        for create in [false, true] {
            let options = OpenOptions::new().mode(mode);
            // What only looks makes nothing.
            if create && mode == Mode::Metadata {
                continue;
            }
            let error = open(options.create(create)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{mode:?} {error:?}");
            assert!(error.message().contains("open it with immutable"), "{error}");
        }
    }
    let other = disk.0.path().join("other.keyfold");
    assert_eq!(
        kind(Store::open_with(&other, &master_key, &OpenOptions::new().create(true))),
        ErrorKind::PermissionDenied
    );
    let store = open(OpenOptions::new().immutable(true)).unwrap();
    assert!(store.check().unwrap().ok);
    assert_eq!(store.decrypt("k", &sealed, b"").unwrap(), b"ada"[..]);
    assert_eq!(kind(store.rotate_key("k")), ErrorKind::PermissionDenied);
    assert_eq!(kind(store.backup(&other)), ErrorKind::PermissionDenied);
    // A backup goes where there is room for one.
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(store.backup(elsewhere.path().join("backup.keyfold")).unwrap().check.ok);
    store.close();
    assert_eq!(common::names(disk.0.path()), ["app.keyfold"]);
    assert_eq!(std::fs::read(disk.path()).unwrap(), before);
    remount(disk.0.path(), "rw");
    let store = open(OpenOptions::new()).unwrap();
    store.rotate_key("k").unwrap();
    assert!(store.check().unwrap().ok);
}
