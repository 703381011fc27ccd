//! What a store shows of itself, in the lines of the model.

use keyfold::{IndexScope, KeyFilter, Store};

/// Everything whose name begins with `space`.
pub fn sight(store: &Store, space: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for key in store.list_keys(&KeyFilter::new()).unwrap() {
        let key_id = &key.key_id;
        if !key_id.starts_with(space) {
            continue;
        }
        let purpose = key.purpose.as_deref().unwrap_or("-");
        lines.push(format!("key {key_id} {} {purpose} archived={}", key.algorithm, key.archived));
        for version in store.list_key_versions(key_id).unwrap() {
            lines.push(format!(
                "version {key_id} {} {} {} current={} expires={}",
                version.version,
                version.state,
                version.algorithm,
                version.is_current,
                version.expires_at.is_some()
            ));
        }
        if purpose == "-" {
            lines.push(format!("salts key {key_id} {:?}", salts(store, IndexScope::Key(key_id))));
        }
    }
    for purpose in store.purposes().unwrap() {
        let name = &purpose.purpose;
        if name.starts_with(space) {
            lines.push(format!("purpose {name} {}", purpose.description.unwrap_or_default()));
            lines.push(format!("salts purpose {name} {:?}", salts(store, IndexScope::Purpose(name))));
        }
    }
    for recipient in store.recipients().unwrap() {
        if recipient.recipient_id.starts_with(space) {
            lines.push(format!("recipient {}", recipient.recipient_id));
        }
    }
    for aside in store.quarantined().unwrap() {
        if aside.id.starts_with(space) {
            lines.push(format!("aside {}", aside.id));
        }
    }
    lines.sort();
    lines
}

/// Oldest first; the last one is current, and it alone.
fn salts(store: &Store, scope: IndexScope<'_>) -> Vec<u32> {
    let salts = store.index_salts(scope).unwrap();
    assert!(salts.iter().enumerate().all(|(place, salt)| salt.is_current == (place == 0)), "{salts:?}");
    salts.iter().rev().map(|salt| salt.version).collect()
}
