//! Rotating the master key of a store with 10,000 data-encryption keys: as 10,000 keys, and as one key's versions.

use std::time::{Duration, Instant};

use keyfold::{CreateKey, MasterKey, OpenOptions, Store};

const DEKS: usize = 10_000;
const ROUNDS: usize = 7;
/// What no rotation may take.
const LIMIT: Duration = Duration::from_secs(1);

fn main() {
    let memory = std::path::Path::new("/dev/shm");
    let folders = [tempfile::tempdir(), tempfile::tempdir_in(if memory.is_dir() { memory } else { ".".as_ref() })];
    for (place, folder) in ["disk", "memory"].into_iter().zip(folders) {
        let folder = folder.expect("a temporary folder");
        let master_key = keyfold::generate_master_key().expect("randomness");
        let master_key = MasterKey::parse(&master_key).expect("a master key");
        let open = |name: &str| {
            let options = OpenOptions::new().create(true);
            Store::open_with(folder.path().join(name), &master_key, &options).expect("a new store")
        };
        let keys = open("keys");
        for number in 0..DEKS {
            keys.create_key(&format!("customer/{number}"), &CreateKey::new().purpose("pii")).expect("a new key");
        }
        let versions = open("versions");
        versions.create_key("pii", &CreateKey::new()).expect("a new key");
        if place == "memory" {
            // Each rotation reads all versions before it: 10,000 of them take a while to make.
            (1..DEKS).for_each(|_| drop(versions.rotate_key("pii").expect("a new version")));
            measure("one key's 10,000 versions", place, &versions);
        }
        measure("10,000 keys", place, &keys);
    }
}

fn measure(what: &str, place: &str, store: &Store) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            let rotated = store.rotate_master_key(None).expect("a rotation");
            assert!(rotated.rewrapped >= DEKS && !rotated.purge_pending);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{what:<28}{place:<8}median {:>9.1?}  slowest {:>9.1?}", times[ROUNDS / 2], times[ROUNDS - 1]);
    assert!(times[ROUNDS / 2] < LIMIT, "{what}: a rotation takes longer than {LIMIT:?}");
}
