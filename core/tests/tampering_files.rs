//! What is put beside a store, in its place, or back from an earlier time: what is refused, what only an anchor tells,
//! and that a refused opening spoils nothing.

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;

use common::rich::{Rich, put};
use common::{Home, beside, hostile, kind, milliseconds};
use keyfold::{Aad, AddRecipient, CreateKey, ErrorKind, KeyFilter, MasterKey, OpenOptions, Store};

/// The write-ahead log that stands beside a store while one act was not yet written back.
fn log_of(home: &Home) -> Vec<u8> {
    let store = home.open();
    store.create_key("in-the-log", &CreateKey::new()).unwrap();
    let log = std::fs::read(beside(&home.path(), "-wal")).unwrap();
    assert!(!log.is_empty());
    store.close();
    log
}

/// A log that is another store's, or of another time, is not written into the file before anything was verified.
#[test]
fn a_log_from_elsewhere_spoils_nothing() {
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        home.open_with_key("first").close();
    }
    let good = std::fs::read(home.path()).unwrap();
    for (whose, log) in [("another store's", log_of(&other)), ("noise", vec![7; 40_000])] {
        put(&home.path(), &good);
        std::fs::write(beside(&home.path(), "-wal"), &log).unwrap();
        let outcome = home.open_with(&OpenOptions::new());
        if whose == "noise" {
            outcome.unwrap().close();
        } else {
            let refused = kind(outcome);
            assert!(
                [ErrorKind::IntegrityError, ErrorKind::WrongMasterKey].contains(&refused),
                "{whose}: {refused}"
            );
        }
        assert!(std::fs::read(home.path()).unwrap() == good, "{whose}: opening changed the file");
        let _ = std::fs::remove_file(beside(&home.path(), "-wal"));
        let store = home.open_with(&OpenOptions::new()).unwrap();
        assert!(store.check().unwrap().ok, "{whose}: without the log it is as it was");
        store.close();
    }
}
