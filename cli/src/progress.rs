//! A line on a terminal that says how far long work is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::output::Console;

/// How often it is shown.
const INTERVAL: Duration = Duration::from_millis(200);

pub struct Progress {
    /// When it was shown last; `None` where nobody is to see it.
    shown: Option<Instant>,
    /// How long the line is.
    width: usize,
}

impl Progress {
    pub fn new(console: &Console) -> Self {
        let seen = !console.quiet && !console.json && std::io::stderr().is_terminal();
        Self { shown: seen.then(Instant::now), width: 0 }
    }

    /// Shows the line, unless one was shown a moment ago.
    pub fn show(&mut self, line: &str) {
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.elapsed() >= INTERVAL) {
            *shown = Instant::now();
            self.write(line);
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.width > 0 {
            self.write("");
            self.write("");
        }
    }

    /// Over what was there.
    fn write(&mut self, line: &str) {
        let width = self.width;
        let _ = std::io::stderr().write_all(format!("\r{line:width$}").as_bytes());
        self.width = line.len();
    }
}

/// How much of a whole, which may be unknown.
pub fn share(done: u64, total: Option<u64>) -> String {
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    match total {
        Some(total) if total > 0 => {
            let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
            format!("{} of {} ({percent}%)", mebibytes(done), mebibytes(total))
        }
        _ => mebibytes(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_whole() {
        assert_eq!(share(5 << 20, None), "5 MiB");
        assert_eq!(share(5 << 20, Some(10 << 20)), "5 MiB of 10 MiB (50%)");
        assert_eq!(share(u64::MAX, Some(1)), "17592186044415 MiB of 0 MiB (100%)");
        assert_eq!(share(0, Some(0)), "0 MiB");
    }
}
