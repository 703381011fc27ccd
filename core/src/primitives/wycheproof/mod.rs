//! Project Wycheproof's vectors: every test of every file for what keyfold does is run, on every backend that is
//! built, or counted with the reason why not. [`files`] sees to it that no file is forgotten.

mod aead;
mod files;
mod kem;
mod keyed;
mod signatures;

use std::collections::BTreeMap;

/// Runs the tests of this name in the module around it once for each backend.
macro_rules! on_every_backend {
    ($($test:ident)*) => {
        #[cfg(feature = "aws-lc")]
        mod aws_lc {
            $(#[test] fn $test() { super::$test::<crate::primitives::aws_lc::AwsLc>("aws-lc") })*
        }
        #[cfg(feature = "portable")]
        mod portable {
            $(#[test] fn $test() { super::$test::<crate::primitives::portable::Portable>("portable") })*
        }
    };
}
use on_every_backend;

/// For what both builds take from the same crate.
const BOTH: &str = "both builds";

/// How many tests of a file were run, and how many not.
struct Count {
    file: &'static str,
    backend: &'static str,
    run: usize,
    left_out: BTreeMap<&'static str, usize>,
}

impl Count {
    fn of(file: &'static str, backend: &'static str) -> Self {
        Self { file, backend, run: 0, left_out: BTreeMap::new() }
    }

    fn leave_out(&mut self, reason: &'static str) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// So many were to be run; with what was left out they are all that the file has.
    fn finish(self, run: usize, all: usize) {
        let left_out: usize = self.left_out.values().sum();
        println!(
            "proof: wycheproof {} on {}: {} run of {all}, {left_out} do not apply {:?}",
            self.file, self.backend, self.run, self.left_out
        );
        assert!(self.run > 0);
        assert_eq!(self.run, run, "{}: other tests than before", self.file);
        assert_eq!(self.run + left_out, all, "{}: tests left out without a reason", self.file);
    }
}
