//! Acts that were proven each by itself, one upon the other.

mod common;

use std::time::Duration;

use common::{Home, hostile};
use keyfold::CreateKey;

/// A key that was set aside, or rows that belong to no key, keep nothing else from being destroyed.
#[test]
fn what_was_set_aside_holds_no_destruction_up() {
    let home = Home::new();
    let store = home.open();
    for id in ["aside", "due"] {
        store.create_key(id, &CreateKey::new()).unwrap();
        store.rotate_key(id).unwrap();
        store.schedule_destruction(id, 1, Some(Duration::ZERO)).unwrap();
    }
    let file = hostile(&home.path());
    file.execute("UPDATE key SET exportable = 1 WHERE key_id = 'aside'", []).unwrap();
    store.quarantine("key", "aside", "damaged").unwrap();
    let report = store.run_due().unwrap();
    assert_eq!(report.destroyed.len(), 1);
    assert_eq!(report.destroyed[0].key_id, "due");
    assert_eq!(report.failures.len(), 1);
    assert!(!report.purge_pending);
}
