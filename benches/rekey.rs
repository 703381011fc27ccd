//! Rotating the master key of a store with 10,000 data-encryption keys: of one purpose, and each with an index root of
//! its own. Wall time, and the processor's time, which other programs do not lengthen.

use std::time::{Duration, Instant};

use keyfold::{CreateKey, MasterKey, OpenOptions, Store};
use rustix::time::{ClockId, clock_gettime};

const DEKS: usize = 10_000;
const ROUNDS: usize = 7;
/// What no rotation may take of the processor.
const LIMIT: Duration = Duration::from_secs(1);

fn main() {
    let memory = std::path::Path::new("/dev/shm");
    let shared = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    for (place, folder) in [("memory", tempfile::tempdir_in(shared)), ("disk", tempfile::tempdir())] {
        let folder = folder.expect("a temporary folder");
        let master_key = keyfold::generate_master_key().expect("randomness");
        let master_key = MasterKey::parse(&master_key).expect("a master key");
        for (what, options) in [
            ("of one purpose", CreateKey::new().purpose("pii")),
            ("each with an index root", CreateKey::new()),
        ] {
            let opening = OpenOptions::new().create(true);
            let store =
                Store::open_with(folder.path().join(what), &master_key, &opening).expect("a new store");
            for number in 0..DEKS {
                store.create_key(&format!("customer/{number}"), &options).expect("a new key");
            }
            measure(what, place, &store);
        }
    }
}

fn measure(what: &str, place: &str, store: &Store) {
    let (mut walls, mut processor): (Vec<Duration>, Vec<Duration>) = (0..ROUNDS)
        .map(|_| {
            let (begun, worked) = (Instant::now(), worked());
            let rotated = store.rotate_master_key(None).expect("a rotation");
            assert!(rotated.rewrapped >= DEKS && !rotated.purge_pending);
            (begun.elapsed(), self::worked() - worked)
        })
        .unzip();
    walls.sort_unstable();
    processor.sort_unstable();
    println!(
        "{DEKS} keys {what:<24}{place:<8}wall {:>8.1?}  processor {:>8.1?}",
        walls[ROUNDS / 2],
        processor[ROUNDS / 2]
    );
    assert!(processor[ROUNDS / 2] < LIMIT, "{what}: a rotation takes longer than {LIMIT:?}");
}

/// What this thread has used of the processor.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
