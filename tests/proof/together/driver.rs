//! The Rust process of `together.py`, which describes what a driver does.

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{BufRead, Read, Write};
use std::time::Duration;

use keyfold::{IndexOptions, OpenOptions, RotateKey, Store, VersionState};

/// CLOCK_MONOTONIC, in nanoseconds.
fn now() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// FNV-1a, 64 bits: what a plaintext says of itself.
fn fnv(data: &[u8]) -> String {
    let mix = |value: u64, byte: &u8| (value ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", data.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

fn plaintext(name: &str, seq: usize, key: &str) -> String {
    let filler = "abcdefghij".repeat(30);
    let body = format!("{name} {seq} {key} {} ", &filler[..seq * 7 % 200]);
    let checksum = fnv(body.as_bytes());
    body + &checksum
}

fn is_from(data: &[u8], name: &str, seq: &str, key: &str) -> bool {
    let (body, checksum) = data.split_at(data.len().saturating_sub(16));
    checksum == fnv(body).as_bytes() && body.starts_with(format!("{name} {seq} {key} ").as_bytes())
}

fn act(store: &Store, words: &[&str]) -> keyfold::Result<()> {
    let number = |text: &str| text.parse::<u32>().expect("a version");
    match *words {
        ["rotate", key] => store.rotate_key(key).map(drop),
        ["stage", key] => store.rotate_key_with(key, &RotateKey::new().stage(true)).map(drop),
        ["promote", key, version] => store.promote_version(key, number(version)).map(drop),
        ["state", key, version, state] => {
            let state = VersionState::from_name(state).expect("a state");
            store.set_version_state(key, number(version), state, None).map(drop)
        }
        ["rekey"] => store.rotate_master_key(None).map(drop),
        _ => panic!("unknown act {words:?}"),
    }
}

fn outcome<T>(result: keyfold::Result<T>, good: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| error.kind().code().to_owned(), good)
}

fn admin(store: &Store) {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let begun = now();
        let said = outcome(act(store, &line.split(' ').collect::<Vec<_>>()), |()| "ok".to_owned());
        println!("{begun} {} {said}", now());
    }
}

struct Pool {
    other: String,
    file: File,
    part: String,
    kept: Option<String>,
}

impl Pool {
    /// Of what this one has sealed since, the last one that is written whole; every other time an older one.
    fn next(&mut self, turn: usize) -> Option<String> {
        self.file.read_to_string(&mut self.part).expect("a log");
        let rest = self.part.split_off(self.part.rfind('\n').map_or(0, |place| place + 1));
        let lines = std::mem::replace(&mut self.part, rest);
        let newest = lines.lines().rev().find(|line| line.starts_with("E ")).map(str::to_owned);
        if newest.is_some() && (self.kept.is_none() || turn.is_multiple_of(16)) {
            self.kept.clone_from(&newest);
        }
        if turn.is_multiple_of(2) { newest } else { self.kept.clone() }
    }
}

fn open_one(store: &Store, other: &str, sealed: &str) -> String {
    let [_, number, _, _, key, ciphertext] = sealed.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{sealed}")
    };
    let ciphertext = bytes(ciphertext);
    let begun = now();
    let opened = store.decrypt(key, &ciphertext, format!("{other} {key}").as_bytes()).and_then(|opened| {
        let found = store.inspect(&ciphertext)?;
        let is_right =
            is_from(&opened, other, number, key) && found.first().is_some_and(|info| info.key_id == key);
        Ok(if is_right { "ok" } else { "wrong" }.to_owned())
    });
    format!("D {other} {begun} {} {number} {}", now(), outcome(opened, |said| said))
}

fn roam(store: &Store, name: &str, seconds: f64, lie: &str, keys: &[&str], others: &[&str]) {
    let handles: Vec<_> = keys.iter().map(|key| store.key(key).expect("a key")).collect();
    let mut pools: Vec<_> = others
        .iter()
        .map(|other| Pool {
            other: (*other).to_owned(),
            file: File::open(format!("{other}.log")).expect("a log"),
            part: String::new(),
            kept: None,
        })
        .collect();
    let mut log = FileOptions::new().append(true).open(format!("{name}.log")).expect("a log");
    let mut tell = |line: String| log.write_all(format!("{line}\n").as_bytes()).expect("a log");
    let end = now() + (seconds * 1e9) as i64;
    let (mut seq, mut turn) = (0, 0);
    while now() < end && !std::path::Path::new("stop").exists() {
        turn += 1;
        for (key, handle) in keys.iter().zip(&handles) {
            seq += 1;
            let data = plaintext(name, if lie == "plaintext" { seq + 1 } else { seq }, key);
            let begun = now();
            match handle.encrypt(data.as_bytes(), format!("{name} {key}").as_bytes()) {
                Ok(sealed) => tell(format!("E {seq} {begun} {} {key} {}", now(), hex(&sealed))),
                Err(error) => tell(format!("F {seq} {begun} {} {key} {}", now(), error.kind().code())),
            }
        }
        for pool in &mut pools {
            if let Some(sealed) = pool.next(turn) {
                tell(open_one(store, &pool.other, &sealed));
            }
        }
        let place = seq % keys.len();
        let begun = now();
        match handles[place].blind_index(keys[place].as_bytes(), "field", &IndexOptions::new()) {
            Ok(index) => tell(format!("I {} {begun} {} {}", keys[place], now(), hex(&index))),
            Err(error) => tell(format!("F {seq} {begun} {} index {}", now(), error.kind().code())),
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [role, path, interval, rest @ ..] = &words[..] else {
        panic!("usage: driver ROLE STORE INTERVAL …")
    };
    let options = OpenOptions::new()
        .refresh_interval(keyfold::parse_duration(interval).expect("a duration"))
        .max_stale(Duration::from_secs(120));
    let store = Store::open_with(path, &keyfold::MasterKey::default(), &options).expect("the store");
    match rest {
        [] if role == "admin" => admin(&store),
        [name, seconds, lie, keys, others] => {
            let (keys, others): (Vec<_>, Vec<_>) = (keys.split(',').collect(), others.split(',').collect());
            roam(&store, name, seconds.parse().expect("seconds"), lie, &keys, &others);
        }
        _ => panic!("{rest:?}"),
    }
    store.close();
}
