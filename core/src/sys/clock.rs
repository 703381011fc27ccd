//! Clocks cheap enough for every operation.
#![allow(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock behind [`coarse_milliseconds`]: on Linux the last tick, read without a system call.
#[cfg(any(target_os = "linux", target_os = "android"))]
const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const COARSE: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// The same for the time of day, behind [`coarse_wall_milliseconds`].
#[cfg(any(target_os = "linux", target_os = "android"))]
const COARSE_WALL: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const COARSE_WALL: libc::clockid_t = libc::CLOCK_REALTIME;

/// Milliseconds since some fixed moment; never goes back, stands still while the machine sleeps, and is
/// exact to a few milliseconds.
pub(crate) fn coarse_milliseconds() -> u64 {
    let time = read(COARSE);
    time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
}

/// As [`wall_milliseconds`], without a system call, and exact to a few milliseconds.
#[inline]
pub(crate) fn coarse_wall_milliseconds() -> i64 {
    let time = read(COARSE_WALL);
    // The fields are 32 bits on some systems.
    #[allow(clippy::unnecessary_cast)]
    let (seconds, nanoseconds) = (time.tv_sec as i64, time.tv_nsec as i64);
    seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000)
}

#[inline]
fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // The C library's, because rustix looks for the kernel's code by itself and crashes under valgrind.
    // SAFETY: `time` is ours to write. It fails for unknown clocks only, and then writes nothing.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time
}

/// Milliseconds of UTC since 1970, as the system clock has them; may jump either way.
pub(crate) fn wall_milliseconds() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |early| -early),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_coarse_clock_follows_real_time() {
        let start = coarse_milliseconds();
        std::thread::sleep(Duration::from_millis(60));
        let passed = coarse_milliseconds() - start;
        assert!((40..10_000).contains(&passed), "{passed} ms passed while sleeping 60 ms");
    }

    #[test]
    fn the_wall_clock_is_in_this_century_and_in_milliseconds() {
        let now = wall_milliseconds();
        assert!((1_700_000_000_000..4_102_444_800_000).contains(&now), "{now}");
        let coarse = coarse_wall_milliseconds();
        assert!((now - 1_000..now + 1_000).contains(&coarse), "{coarse} is not about {now}");
    }
}
