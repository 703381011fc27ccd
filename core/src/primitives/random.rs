//! Randomness: from the kernel for what must stay secret, from a generator of our own for nonces.

use std::cell::RefCell;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroize;

use super::backend::Failure;
use crate::sys::{clock, fork};

/// Fills `out` from the kernel: for keys, salts, tokens and tags.
pub(crate) fn random_bytes(out: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(out).map_err(|_| Failure)
}

/// Fills `out` from this thread's generator: for nonces. It takes no lock and, but for a reseed, makes no system
/// call. It reseeds in a forked child, after a second, and after a mebibyte.
#[inline]
pub(crate) fn draw_nonce(out: &mut [u8]) -> Result<(), Failure> {
    draw_nonce_at(clock::coarse_milliseconds(), out)
}

/// As [`draw_nonce`], for who has just read [`clock::coarse_milliseconds`]. With an old reading it goes on with the seed
/// that it has, until a fork or a mebibyte ends that.
#[inline]
pub(crate) fn draw_nonce_at(now: u64, out: &mut [u8]) -> Result<(), Failure> {
    let drawn = GENERATOR.try_with(|generator| Some(generator.try_borrow_mut().ok()?.draw(now, out)));
    match drawn {
        Ok(Some(result)) => result,
        // The thread is ending, or a signal handler interrupted a draw.
        _ => random_bytes(out),
    }
}

thread_local! {
    static GENERATOR: RefCell<Generator> = const { RefCell::new(Generator::new()) };
}

/// Bytes of keystream made at a time.
const BUFFER: usize = 1024;
/// Bytes of keystream from one seed.
const RESEED_BYTES: usize = 1024 * 1024;
/// Age of a seed.
const RESEED_MILLISECONDS: u64 = 1_000;

/// ChaCha20 with fast key erasure: each buffer of keystream begins with the key for the next, and bytes are
/// erased as they are handed out, so that its state tells nothing of what it gave.
struct Generator {
    buffer: [u8; BUFFER],
    used: usize,
    key: [u8; 32],
    made: usize,
    epoch: u64,
    seeded_at: u64,
}

impl Generator {
    /// Not yet seeded: no fork epoch is zero.
    const fn new() -> Self {
        Self { buffer: [0; BUFFER], used: BUFFER, key: [0; 32], made: 0, epoch: 0, seeded_at: 0 }
    }

    #[inline]
    fn draw(&mut self, now: u64, out: &mut [u8]) -> Result<(), Failure> {
        let epoch = fork::epoch();
        // Whoever read the clock may have done so before another draw of this thread.
        if epoch != self.epoch || now.saturating_sub(self.seeded_at) >= RESEED_MILLISECONDS {
            self.reseed(epoch, now)?;
        }
        if out.len() <= BUFFER - self.used {
            // Copies of a known length are moves, which the cipher's loads do not have to wait for as for memcpy's.
            match out.len() {
                12 => self.hand_out_exactly::<12>(out),
                24 => self.hand_out_exactly::<24>(out),
                _ => self.hand_out(out),
            }
            return Ok(());
        }
        self.draw_across_buffers(out)
    }

    #[inline]
    fn hand_out_exactly<const LENGTH: usize>(&mut self, out: &mut [u8]) {
        self.hand_out(&mut out[..LENGTH]);
    }

    #[cold]
    fn draw_across_buffers(&mut self, out: &mut [u8]) -> Result<(), Failure> {
        let mut rest = out;
        while !rest.is_empty() {
            if self.used == BUFFER {
                self.refill()?;
            }
            let (part, left) = rest.split_at_mut(rest.len().min(BUFFER - self.used));
            self.hand_out(part);
            rest = left;
        }
        Ok(())
    }

    /// Moves bytes from the buffer, which has enough, to `out`.
    #[inline(always)]
    fn hand_out(&mut self, out: &mut [u8]) {
        let taken = &mut self.buffer[self.used..self.used + out.len()];
        out.copy_from_slice(taken);
        taken.fill(0);
        self.used += out.len();
    }

    fn refill(&mut self) -> Result<(), Failure> {
        if self.made >= RESEED_BYTES {
            self.reseed(self.epoch, self.seeded_at)?;
        }
        self.buffer.fill(0);
        // Each key is used once, so its nonce can be zero.
        ChaCha20::new((&self.key).into(), &[0; 12].into()).apply_keystream(&mut self.buffer);
        self.key.copy_from_slice(&self.buffer[..32]);
        self.buffer[..32].fill(0);
        self.used = 32;
        self.made += BUFFER;
        Ok(())
    }

    /// Takes a new key from the kernel and throws away what is left of the old one.
    #[cold]
    fn reseed(&mut self, epoch: u64, now: u64) -> Result<(), Failure> {
        self.epoch = 0;
        self.used = BUFFER;
        self.buffer.fill(0);
        random_bytes(&mut self.key)?;
        self.made = 0;
        self.epoch = epoch;
        self.seeded_at = now;
        Ok(())
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.key.zeroize();
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nonces_do_not_repeat() {
        const EACH: usize = 100_000;
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| draw_many(EACH))).collect();
        let drawn: HashSet<[u8; 12]> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(drawn.len(), 8 * EACH);
    }

    fn draw_many(count: usize) -> Vec<[u8; 12]> {
        let draw = |_| {
            let mut nonce = [0; 12];
            draw_nonce(&mut nonce).unwrap();
            nonce
        };
        (0..count).map(draw).collect()
    }

    /// Every bit is set about half of the time, whatever the lengths drawn, and so across buffers and reseeds.
    #[test]
    fn every_bit_is_as_likely_as_not() {
        for length in [1, 12, 24, 1_000, 1_024, 3_000, RESEED_BYTES + 5] {
            let mut ones = 0_u64;
            let mut bits = 0_u64;
            while bits < 8 * 100_000 {
                let mut out = vec![0; length];
                draw_nonce(&mut out).unwrap();
                ones += out.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
                bits += 8 * length as u64;
            }
            // Ten standard deviations.
            let deviation = ones.abs_diff(bits / 2) as f64 / (bits as f64).sqrt();
            assert!(deviation < 5.0, "{ones} of {bits} bits for length {length}");
        }
    }

    #[test]
    fn bytes_are_erased_as_they_are_handed_out() {
        let mut generator = Generator::new();
        generator.draw(clock::coarse_milliseconds(), &mut [0; 100]).unwrap();
        assert!(generator.buffer[..132].iter().all(|byte| *byte == 0));
        assert!(generator.buffer[132..].iter().any(|byte| *byte != 0));
        assert_eq!(generator.used, 132);
    }

    #[test]
    fn each_buffer_has_a_key_of_its_own() {
        let mut generator = Generator::new();
        generator.draw(clock::coarse_milliseconds(), &mut [0; 1]).unwrap();
        let first = generator.key;
        generator.draw(clock::coarse_milliseconds(), &mut [0; BUFFER]).unwrap();
        assert_ne!(generator.key, first);
    }

    #[test]
    fn it_reseeds_with_age_after_a_fork_and_after_many_bytes() {
        let mut generator = Generator::new();
        let mut reseeds_after = |change: fn(&mut Generator)| {
            generator.draw(clock::coarse_milliseconds(), &mut [0; 1]).unwrap();
            change(&mut generator);
            let before = generator.made;
            generator.draw(clock::coarse_milliseconds(), &mut vec![0; BUFFER - 32]).unwrap();
            generator.made < before
        };
        assert!(!reseeds_after(|generator| generator.made = 2 * BUFFER));
        assert!(reseeds_after(|generator| {
            generator.made = 10 * BUFFER;
            generator.seeded_at -= RESEED_MILLISECONDS;
        }));
        assert!(reseeds_after(|generator| {
            generator.made = 10 * BUFFER;
            generator.epoch += 1;
        }));
        assert!(reseeds_after(|generator| generator.made = RESEED_BYTES));
        // Where the clock was read before the last seed.
        let (seeded_at, made) = (generator.seeded_at, generator.made);
        generator.draw(seeded_at - 1, &mut [0; 1]).unwrap();
        assert_eq!((generator.seeded_at, generator.made), (seeded_at, made));
    }

    /// A destructor that runs after the generator's own still draws.
    #[test]
    fn a_thread_that_ends_still_draws() {
        struct DrawsWhenDropped(std::sync::mpsc::Sender<[u8; 12]>);
        impl Drop for DrawsWhenDropped {
            fn drop(&mut self) {
                self.0.send(draw_many(1)[0]).unwrap();
            }
        }
        thread_local! {
            static LAST: RefCell<Option<DrawsWhenDropped>> = const { RefCell::new(None) };
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            LAST.with(|last| *last.borrow_mut() = Some(DrawsWhenDropped(sender)));
            draw_many(1);
        });
        thread.join().unwrap();
        assert_ne!(receiver.recv().unwrap(), [0; 12]);
    }

    #[test]
    fn the_kernel_fills_everything() {
        let mut out = [0; 1_000];
        random_bytes(&mut out).unwrap();
        assert!(out.chunks(20).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
