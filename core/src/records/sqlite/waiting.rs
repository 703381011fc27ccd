//! Waiting for another process's lock: short, random sleeps, so that nobody is starved by a writer in a tight loop.
//!
//! SQLite's own handler sleeps up to 100 ms between two tries. A writer that takes the lock again at once then wins
//! nearly always, and the others run into their timeout one after the other.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::primitives::draw_nonce;

/// The longest sleep between two tries.
const LONGEST: Duration = Duration::from_millis(2);
/// How much longer each sleep may be than the one before.
const STEP: Duration = Duration::from_micros(100);

thread_local! {
    /// When this thread gives up; SQLite's handler is a plain function and cannot be told otherwise.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Has the connection wait by our rules.
pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(wait))
}

/// Begins a wait of at most this long, for what this thread does next.
pub(super) fn begin(timeout: Duration) {
    let _ = DEADLINE.try_with(|deadline| deadline.set(Instant::now().checked_add(timeout)));
}

/// Sleeps a little; false once the time is over.
fn wait(tries: i32) -> bool {
    let Ok(Some(deadline)) = DEADLINE.try_with(Cell::get) else { return false };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return false;
    }
    std::thread::sleep(random_below(LONGEST.min(STEP * (tries.max(0) as u32 + 1))).min(left));
    true
}

fn random_below(longest: Duration) -> Duration {
    let mut bytes = [0u8; 4];
    // Without randomness the sleep is the longest: fairness is all that suffers.
    match draw_nonce(&mut bytes) {
        Ok(()) => longest.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)),
        Err(_) => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_timeout() {
        begin(Duration::from_millis(200));
        let started = Instant::now();
        let mut tries = 0;
        while wait(tries) {
            tries += 1;
        }
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(200) && tries > 5, "{tries} tries in {waited:?}");
        begin(Duration::ZERO);
        assert!(!wait(0));
    }
}
