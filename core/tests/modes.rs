//! What an opening may do: use, metadata, immutable, production, development, locked memory.

#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::{Home, hostile, kind, names, orders, tell};
use keyfold::{
    AddRecipient, Algorithm, CreateKey, ErrorKind, IndexOptions, KeyFilter, MasterKey, Mode, OpenOptions,
    Store,
};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn mode_use_uses_and_administers_nothing() {
    let home = Home::new();
    let admin = home.open_with_key("pii");
    let sealed = admin.encrypt("pii", b"ada", b"").unwrap();
    let before = admin.list_key_versions("pii").unwrap();
    let store = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    assert!(store.is_verified());
    assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    let pii = store.key("pii").unwrap();
    pii.encrypt(b"x", b"").unwrap();
    pii.blind_index(b"ada", "name", &IndexOptions::new()).unwrap();
    assert!(store.check().unwrap().ok);
    assert_eq!(store.recipients().unwrap().len(), 1);
    let other = MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap();
    let denied = [
        kind(store.create_key("new", &CreateKey::new())),
        kind(store.rotate_key("pii")),
        kind(store.add_recipient(&other, &AddRecipient::new())),
        kind(store.remove_recipient("master-key-1")),
        kind(store.rotate_master_key(None)),
        kind(store.rotate_master_key(Some(&other))),
        kind(store.drill(&home.master_key())),
        kind(store.purge()),
    ];
    assert_eq!(denied, [ErrorKind::PermissionDenied; 8]);
    assert_eq!(admin.list_keys(&KeyFilter::new()).unwrap().len(), 1);
    assert_eq!(admin.list_key_versions("pii").unwrap(), before);
    // It follows like any other.
    admin.rotate_master_key(None).unwrap();
    store.check().unwrap();
    assert_eq!(
        kind(home.open_with(&OpenOptions::from_json(r#"{"mode": "root"}"#).unwrap())),
        ErrorKind::InvalidArgument
    );
}

#[test]
fn mode_metadata_needs_no_key_and_verifies_nothing() {
    let home = Home::new();
    let admin = home.open();
    admin.create_key("pii", &CreateKey::new().purpose("pii").description("e-mail")).unwrap();
    admin.create_key("own", &CreateKey::new()).unwrap();
    let sealed = admin.encrypt("pii", b"ada", b"").unwrap();
    let (keys, versions) =
        (admin.list_keys(&KeyFilter::new()).unwrap(), admin.list_key_versions("pii").unwrap());
    let unset = MasterKey::environment("KEYFOLD_TEST_SURELY_UNSET");
    let look = |options: &OpenOptions| Store::open_with(home.path(), &unset, options);
    let store = look(&OpenOptions::new().mode(Mode::Metadata)).unwrap();
    assert!(!store.is_verified() && admin.is_verified());
    // All is as it is, and says that nobody verified it.
    let (mut shown, mut shown_versions) =
        (store.list_keys(&KeyFilter::new()).unwrap(), store.list_key_versions("pii").unwrap());
    let (mut found, known) = (store.inspect(&sealed).unwrap(), admin.inspect(&sealed).unwrap());
    assert_eq!(store.key_info("pii").unwrap(), shown[1]);
    for verified in [
        shown.iter_mut().map(|info| &mut info.verified).collect::<Vec<_>>(),
        shown_versions.iter_mut().map(|info| &mut info.verified).collect(),
        found.iter_mut().map(|info| &mut info.verified).collect(),
    ] {
        assert!(!verified.is_empty());
        verified.into_iter().for_each(|verified| assert!(!std::mem::replace(verified, true)));
    }
    assert_eq!((shown, shown_versions, found), (keys, versions, known));
    assert!(admin.key("pii").unwrap().info().unwrap().verified);
    let recipients = store.recipients().unwrap();
    assert!(recipients.len() == 1 && !recipients[0].is_mine && !recipients[0].verified);
    assert!(admin.recipients().unwrap()[0].verified);
    assert!(store.purposes().unwrap().iter().all(|info| !info.verified));
    assert!(admin.purposes().unwrap().iter().all(|info| info.verified));
    let salts = |store: &Store| store.index_salts(keyfold::IndexScope::Purpose("pii")).unwrap();
    assert!(!salts(&store)[0].verified && salts(&admin)[0].verified);
    assert_eq!(kind(store.key_info("nope")), ErrorKind::NotFound);
    assert_eq!(store.fingerprint(), "");
    // What comes later is seen.
    admin.create_key("zoo", &CreateKey::new()).unwrap();
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 3);
    let denied = [
        kind(store.key("pii").map(|_| ())),
        kind(store.encrypt("pii", b"x", b"")),
        kind(store.decrypt("pii", &sealed, b"")),
        kind(store.anchor()),
        kind(store.check()),
        kind(store.create_key("new", &CreateKey::new())),
        kind(store.rotate_master_key(None)),
        kind(store.test_recipient(&home.master_key())),
        kind(store.add_recipient(&home.master_key(), &AddRecipient::new())),
        kind(store.purge_pending()),
    ];
    assert_eq!(denied, [ErrorKind::PermissionDenied; 10]);
    for wrong in [
        OpenOptions::new().create(true),
        OpenOptions::new().anchor(admin.anchor().unwrap().to_string()),
        OpenOptions::new().fingerprint(admin.fingerprint()),
        OpenOptions::new().insecure_dev(true),
    ] {
        assert_eq!(kind(look(&wrong.mode(Mode::Metadata))), ErrorKind::InvalidArgument);
    }
    admin.close();
    // A changed file is shown as it is, and said to be unverified.
    hostile(&home.path()).execute("UPDATE key SET description = 'changed'", []).unwrap();
    assert_eq!(store.key_info("own").unwrap().description.as_deref(), Some("changed"));
    store.close();
    assert_eq!(kind(store.key_info("own")), ErrorKind::Closed);
    assert_eq!(kind(store.key("own").map(|_| ())), ErrorKind::Closed);
    let missing =
        Store::open_with(home.folder.path().join("no"), &unset, &OpenOptions::new().mode(Mode::Metadata));
    assert_eq!(kind(missing), ErrorKind::NotFound);
}

#[test]
fn an_immutable_store_leaves_no_trace() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    store.create_key("counted", &CreateKey::new().algorithm(Algorithm::Aes256Gcm)).unwrap();
    let sealed = [store.encrypt("pii", b"ada", b"").unwrap(), store.encrypt("counted", b"ada", b"").unwrap()];
    let (anchor, fingerprint) = (store.anchor().unwrap().to_string(), store.fingerprint().to_owned());
    let options = OpenOptions::new().immutable(true).anchor(anchor).fingerprint(fingerprint);
    // What is in the log would be missed.
    assert_eq!(kind(home.open_with(&options)), ErrorKind::Unsupported);
    store.close();
    drop(store);
    assert_eq!(names(home.folder.path()), ["app.keyfold"]);
    let bytes = std::fs::read(home.path()).unwrap();
    let store = home.open_with(&options).unwrap();
    assert_eq!(store.decrypt("pii", &sealed[0], b"").unwrap(), b"ada"[..]);
    assert_eq!(store.decrypt("counted", &sealed[1], b"").unwrap(), b"ada"[..]);
    store.encrypt("pii", b"x", b"").unwrap();
    let error = store.encrypt("counted", b"x", b"").unwrap_err();
    assert_eq!(
        (error.kind(), error.key_id(), error.version()),
        (ErrorKind::PermissionDenied, Some("counted"), Some(1))
    );
    assert!(store.check().unwrap().ok);
    assert_eq!(store.list_keys(&KeyFilter::new()).unwrap().len(), 2);
    assert_eq!(kind(store.rotate_key("pii")), ErrorKind::PermissionDenied);
    assert_eq!(kind(store.create_key("new", &CreateKey::new())), ErrorKind::PermissionDenied);
    assert_eq!(kind(store.rotate_master_key(None)), ErrorKind::PermissionDenied);
    assert_eq!(names(home.folder.path()), ["app.keyfold"]);
    store.close();
    assert_eq!(names(home.folder.path()), ["app.keyfold"]);
    assert!(std::fs::read(home.path()).unwrap() == bytes);
    assert_eq!(kind(home.open_with(&options.create(true))), ErrorKind::InvalidArgument);
}

/// A path is a path, whatever it would mean in a URI.
#[test]
fn an_immutable_store_of_an_odd_name() {
    let home = Home::new();
    for name in ["a?immutable=0&vfs=none", "b#c", "d%2e", "e f", "ü"] {
        let path = home.folder.path().join(name);
        Store::open_with(&path, &home.master_key(), &OpenOptions::new().create(true)).unwrap().close();
        let store = Store::open_with(&path, &home.master_key(), &OpenOptions::new().immutable(true)).unwrap();
        assert!(store.check().unwrap().ok);
    }
}

/// A user without the right to write is told so, and what to do.
#[test]
fn read_only_files_and_folders() {
    let home = Home::new();
    home.open_with_key("pii").close();
    for (file, folder) in [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555)] {
        set_mode(&home.path(), file);
        set_mode(home.folder.path(), folder);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["reading_only", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("KEYFOLD_TEST_STORE", home.path())
            .env("KEYFOLD_TEST_SECRET", &home.secret)
            .env("KEYFOLD_TEST_TASK", "")
            .uid(unprivileged())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        for part in ["@ PermissionDenied", "not writable here", "open it with immutable", "@ immutable true"]
        {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    set_mode(home.folder.path(), 0o755);
}

/// Nobody, where we may become him; else ourselves.
fn unprivileged() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    match unsafe { libc::geteuid() } {
        0 => 65534,
        own => own,
    }
}

#[test]
#[ignore = "a child of the test above"]
fn reading_only() {
    let Some(orders) = orders() else { return };
    let error = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap_err();
    tell(format!("{} {}", error.kind(), error.message()));
    let store =
        Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new().immutable(true)).unwrap();
    tell(format!("immutable {}", store.check().unwrap().ok));
}

#[test]
fn a_development_store_says_so() {
    let home = Home::new();
    let none = MasterKey::default();
    let open = |options: &OpenOptions| Store::open_with(home.path(), &none, options);
    let dev = || OpenOptions::new().insecure_dev(true);
    assert_eq!(kind(open(&dev())), ErrorKind::NotFound);
    assert!(names(home.folder.path()).is_empty());
    let store = open(&dev().create(true)).unwrap();
    store.create_key("pii", &CreateKey::new()).unwrap();
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    assert!(store.warnings().iter().any(|warning| warning.contains("development store")));
    store.close();
    let key_file = common::beside(&home.path(), ".insecure-dev-key");
    assert_eq!(names(home.folder.path()), ["app.keyfold", "app.keyfold.insecure-dev-key"]);
    assert_eq!(key_file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // Again, and with its key as any other.
    for store in [
        open(&dev()).unwrap(),
        open(&dev().create(true)).unwrap(),
        Store::open_with(home.path(), &MasterKey::file(&key_file), &OpenOptions::new()).unwrap(),
    ] {
        assert_eq!(store.decrypt("pii", &sealed, b"").unwrap(), b"ada"[..]);
    }
    // Not for production, whoever opens it, and however.
    let production = OpenOptions::new().production(true);
    let refused = Store::open_with(home.path(), &MasterKey::file(&key_file), &production);
    assert_eq!(kind(refused), ErrorKind::PermissionDenied);
    assert_eq!(kind(open(&production.clone().mode(Mode::Metadata))), ErrorKind::PermissionDenied);
    assert_eq!(kind(open(&dev().production(true))), ErrorKind::InvalidArgument);
    // Unmarking it takes the key.
    hostile(&home.path()).execute("UPDATE store SET development = 0", []).unwrap();
    let refused = Store::open_with(home.path(), &MasterKey::file(&key_file), &production);
    assert_eq!(kind(refused), ErrorKind::IntegrityError);
}

#[test]
fn development_is_for_development_stores() {
    let home = Home::new();
    home.open_with_key("pii").close();
    let none = MasterKey::default();
    let dev = OpenOptions::new().insecure_dev(true).create(true);
    assert_eq!(kind(Store::open_with(home.path(), &none, &dev)), ErrorKind::NotFound);
    assert_eq!(kind(Store::open_with(home.path(), &home.master_key(), &dev)), ErrorKind::InvalidArgument);
    assert_eq!(names(home.folder.path()), ["app.keyfold"]);
    // Somebody put the real key where a development key would be.
    let key_file = common::beside(&home.path(), ".insecure-dev-key");
    std::fs::write(&key_file, &home.secret).unwrap();
    set_mode(&key_file, 0o600);
    assert_eq!(kind(Store::open_with(home.path(), &none, &dev)), ErrorKind::PermissionDenied);
}

#[test]
fn a_store_in_memory_goes_when_it_is_closed() {
    let none = MasterKey::default();
    assert_eq!(kind(Store::open_with(":memory:", &none, &OpenOptions::new())), ErrorKind::InvalidArgument);
    let open = || Store::open_with(":memory:", &none, &OpenOptions::new().insecure_dev(true)).unwrap();
    let (store, other) = (open(), open());
    store.create_key("pii", &CreateKey::new()).unwrap();
    assert_eq!(kind(other.key("pii").map(|_| ())), ErrorKind::NotFound);
    let sealed = store.encrypt("pii", b"ada", b"").unwrap();
    store.rotate_key("pii").unwrap();
    store.rotate_master_key(None).unwrap();
    assert_eq!(store.decrypt("pii", sealed, b"").unwrap(), b"ada"[..]);
    assert!(store.check().unwrap().ok);
    let shown = format!("{store:?}");
    let path = shown.trim_start_matches("Store(").trim_end_matches(')').to_owned();
    let folder = Path::new(&path).parent().unwrap().to_owned();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    store.close();
    assert!(!folder.exists());
    drop(other);
}

#[test]
fn production_wants_key_files_for_their_owner() {
    let home = Home::new();
    home.open_with_key("pii").close();
    let key_file = home.folder.path().join("master.key");
    std::fs::write(&key_file, &home.secret).unwrap();
    let production = OpenOptions::new().production(true);
    let open = |options: &OpenOptions| Store::open_with(home.path(), &MasterKey::file(&key_file), options);
    set_mode(&key_file, 0o644);
    assert_eq!(open(&OpenOptions::new()).unwrap().warnings().len(), 1);
    assert_eq!(kind(open(&production)), ErrorKind::PermissionDenied);
    set_mode(&key_file, 0o600);
    let store = open(&production).unwrap();
    assert_eq!(kind(open(&production.clone().allow_network_fs(true))), ErrorKind::InvalidArgument);
    // As little is taken for a new one.
    let next = home.folder.path().join("next.key");
    std::fs::write(&next, keyfold::generate_master_key().unwrap().as_str()).unwrap();
    set_mode(&next, 0o640);
    assert_eq!(kind(store.rotate_master_key(Some(&MasterKey::file(&next)))), ErrorKind::PermissionDenied);
    set_mode(&next, 0o600);
    store.rotate_master_key(Some(&MasterKey::file(&next))).unwrap();
}

/// With no memory that may be locked, in a process of its own.
#[test]
fn require_mlock_insists() {
    let home = Home::new();
    home.open_with_key("pii").close();
    assert_eq!(home.child("unlockable", "").finish(), ["warned", "PermissionDenied", "RLIMIT_MEMLOCK"]);
}

#[test]
#[ignore = "a child of the test above"]
fn unlockable() {
    let Some(path) = std::env::var_os("KEYFOLD_TEST_STORE").map(std::path::PathBuf::from) else { return };
    set_mode(path.parent().unwrap(), 0o777);
    // What a fork beside this test may have left of the parent's connection is the parent's too.
    for suffix in ["", "-wal", "-shm"] {
        let mut part = path.as_os_str().to_owned();
        part.push(suffix);
        let part = std::path::PathBuf::from(part);
        if part.exists() {
            set_mode(&part, 0o666);
        }
    }
    // Before there is any secret: what was locked stays so.
    // SAFETY: system calls on numbers and a live structure. Root is not bound by the limit, so it stops being root.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &none), 0);
        if libc::geteuid() == 0 {
            assert_eq!(libc::setuid(65534), 0);
        }
    }
    let orders = orders().unwrap();
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    if store.warnings().iter().any(|warning| warning.contains("could not be locked")) {
        tell("warned");
    }
    let options = OpenOptions::new().require_mlock(true);
    let error = Store::open_with(&orders.path, &orders.master_key, &options).unwrap_err();
    tell(error.kind());
    tell(if error.message().contains("RLIMIT_MEMLOCK") { "RLIMIT_MEMLOCK" } else { error.message() });
}
