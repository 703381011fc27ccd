//! What only this crate can bring about: rows that are wrong and verify all the same, and a call that is in flight.

use std::time::{Duration, Instant};

use super::states::verified_key;
use super::usage_limit::{Home, alone};
use super::{CreateKey, Store};
use crate::error::ErrorKind;
use crate::limits;
use crate::records::{EntityId, VersionRow};

/// A store with a key of two versions, and where it is.
fn store() -> (Home, Store) {
    let home = Home::new();
    let store = home.open();
    store.create_key("k", &CreateKey::new()).unwrap();
    store.rotate_key("k").unwrap();
    (home, store)
}

/// Changes a version as whoever holds the KEK can.
fn change(store: &Store, version: usize, change: impl Fn(&mut VersionRow)) {
    let changed = store.shared.write_verified(0, |act| {
        let mut row = verified_key(act, "k")?.1.remove(version - 1);
        change(&mut row);
        act.rows().put_version(&row)?;
        act.tree.authenticate(EntityId::key("k"))?;
        act.tree.seal()
    });
    changed.unwrap();
}

/// The wraps are asked for themselves: that their rows verify says only that they are as they were written.
#[test]
fn the_check_opens_every_wrap() {
    alone("insider", "the_check_opens_every_wrap", |_| {
        for (wrong, change_to) in [
            ("a wrap that does not open", (|row| row.wrapped[20] ^= 1) as fn(&mut VersionRow)),
            ("a destroyed version with its wrap", |row| row.state = "destroyed".to_owned()),
            ("an enabled version without one", |row| row.wrapped.clear()),
        ] {
            let (_home, store) = store();
            assert!(store.check().unwrap().ok);
            change(&store, 1, change_to);
            let report = store.check().unwrap();
            assert!(report.findings.iter().any(|finding| finding.subject == "key k"), "{wrong}: {report:?}");
        }
        let (_home, store) = store();
        change(&store, 1, |row| {
            row.state = "destroyed".to_owned();
            row.wrapped.clear();
        });
        assert!(store.check().unwrap().ok);
    });
}

/// No version of a key that is not archived comes to this by itself.
#[test]
fn a_key_that_cannot_encrypt_says_why() {
    alone("insider", "a_key_that_cannot_encrypt_says_why", |_| {
        let refused = |act: fn(&Store)| {
            let (_home, store) = store();
            act(&store);
            let error = store.encrypt("k", b"ada", b"").unwrap_err();
            assert_eq!((error.kind(), error.key_id()), (ErrorKind::KeyUnavailable, Some("k")));
            (error.version(), error.message().contains("is archived"))
        };
        assert_eq!(
            refused(|store| change(store, 2, |row| row.state = "disabled".to_owned())),
            (Some(2), false)
        );
        assert_eq!(refused(|store| change(store, 2, |row| row.is_current = false)), (None, false));
        assert_eq!(refused(|store| drop(store.archive_key("k").unwrap())), (None, true));
    });
}

/// Closes a store while a call holds a key for so long: when the call let go, and when the store was closed.
fn closed_beside(hold: Duration) -> (Instant, Instant) {
    let (_home, store) = store();
    let entry = store.shared.entry("k").unwrap();
    let loaded = entry.load();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            store.close();
            Instant::now()
        });
        std::thread::sleep(hold);
        let let_go = Instant::now();
        drop(loaded);
        (let_go, closing.join().unwrap())
    })
}

/// Closing waits for calls in flight, but not for ever, and not where there are none.
#[test]
fn closing_waits_for_calls_in_flight() {
    alone("insider", "closing_waits_for_calls_in_flight", |_| {
        let (let_go, closed) = closed_beside(Duration::ZERO);
        assert!(closed < let_go + limits::CLOSE_WAIT);
        let (let_go, closed) = closed_beside(limits::CLOSE_WAIT / 3);
        assert!(let_go <= closed);
        let (let_go, closed) = closed_beside(limits::CLOSE_WAIT * 3);
        assert!(closed < let_go);
    });
}
