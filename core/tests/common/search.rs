//! Searching this process's own memory for secrets.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Kept so that the search does not find what it searches for.
pub const MASK: u8 = 0x55;

/// What is searched for: parts of secrets, masked, and what they are.
#[derive(Default)]
pub struct Wanted(Vec<(String, Vec<u8>)>);

/// One part of a secret, found.
pub struct Found {
    pub name: String,
    pub address: u64,
    /// What the mapping is called.
    pub place: String,
    /// Whether the system keeps the mapping out of swap.
    pub locked: bool,
    /// Whether the system leaves the mapping out of core dumps.
    pub undumped: bool,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (locked, undumped) = (self.locked, self.undumped);
        write!(
            out,
            "{} at {:x} in {} (locked {locked}, undumped {undumped})",
            self.name, self.address, self.place
        )
    }
}

impl Wanted {
    /// Each half of the secret.
    pub fn add(&mut self, name: &str, secret: &[u8]) {
        for (place, half) in secret.chunks(16).filter(|half| half.len() >= 12).enumerate() {
            self.0.push((format!("{name}, part {place}"), half.iter().map(|byte| byte ^ MASK).collect()));
        }
    }

    /// As [`Wanted::add`], of what is masked already.
    pub fn add_masked(&mut self, name: &str, masked: &[u8]) {
        for (place, half) in masked.chunks(16).filter(|half| half.len() >= 12).enumerate() {
            self.0.push((format!("{name}, part {place}"), half.to_vec()));
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What stands somewhere in writable memory.
    pub fn found(&self) -> Vec<Found> {
        let memory = File::open("/proc/self/mem").unwrap();
        let begins = self.begins();
        let mut found = Vec::new();
        let mut buffer = vec![0u8; 1 << 20];
        let own = buffer.as_ptr().addr() as u64..buffer.as_ptr().addr() as u64 + buffer.len() as u64;
        for mapping in mappings() {
            let mut first = mapping.start;
            while first < mapping.end {
                let length = buffer.len().min((mapping.end - first) as usize);
                if memory.read_exact_at(&mut buffer[..length], first).is_ok() {
                    self.search(&begins, &buffer[..length], |name, at| {
                        found.push(Found {
                            name: name.to_owned(),
                            address: first + at as u64,
                            place: mapping.place.clone(),
                            locked: mapping.locked,
                            undumped: mapping.undumped,
                        });
                    });
                }
                if length < buffer.len() {
                    break;
                }
                // What lies across two pieces is seen in the next.
                first += length as u64 - 64;
            }
        }
        wipe(&mut buffer);
        // What was read last is there once more.
        found.retain(|found: &Found| !own.contains(&found.address));
        found
    }

    /// The names of what stands in these bytes.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        self.search(&self.begins(), bytes, |name, _| found.push(name.to_owned()));
        found
    }

    /// Which two bytes begin a part of a secret.
    fn begins(&self) -> Vec<bool> {
        let mut begins = vec![false; 1 << 16];
        for (_, pattern) in &self.0 {
            begins[usize::from(pattern[0] ^ MASK) << 8 | usize::from(pattern[1] ^ MASK)] = true;
        }
        begins
    }

    fn search(&self, begins: &[bool], bytes: &[u8], mut found: impl FnMut(&str, usize)) {
        for at in 0..bytes.len().saturating_sub(1) {
            if !begins[usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])] {
                continue;
            }
            for (name, pattern) in &self.0 {
                let here = &bytes[at..];
                let same = |(byte, wanted): (&u8, &u8)| byte ^ MASK == *wanted;
                if here.len() >= pattern.len() && here.iter().zip(pattern).all(same) {
                    found(name, at);
                }
            }
        }
    }
}

struct Mapping {
    start: u64,
    end: u64,
    place: String,
    locked: bool,
    undumped: bool,
}

/// The writable ones.
fn mappings() -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut writable = false;
    for line in std::fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
        let range = range.and_then(|(start, end)| {
            Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
        });
        if let Some((start, end)) = range {
            let mut fields = line.split_whitespace();
            writable = fields.nth(1).is_some_and(|rights| rights.starts_with("rw")) && !line.contains("[v");
            if writable {
                let place = fields.nth(3).unwrap_or("anonymous memory").to_owned();
                mappings.push(Mapping { start, end, place, locked: false, undumped: false });
            }
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && writable
            && let Some(mapping) = mappings.last_mut()
        {
            mapping.locked = flags.split_whitespace().any(|flag| flag == "lo");
            mapping.undumped = flags.split_whitespace().any(|flag| flag == "dd");
        }
    }
    mappings
}

pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}
