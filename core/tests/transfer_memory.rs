//! Key bytes that came in and went out leave nothing in this process's memory once all is dropped.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Home, Random, hex};
use keyfold::{ImportKey, ImportKeyset, KeyEncoding, KeysetFormat, KeysetProtection};

/// Kept so that the search does not find what it searches for.
const MASK: u8 = 0x55;

fn masked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ MASK).collect()
}

fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&mut bytes);
}

/// How often each masked pattern stands somewhere in writable memory.
fn found(patterns: &[Vec<u8>]) -> Vec<usize> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut counts = vec![0; patterns.len()];
    let mut buffer = vec![0u8; 1 << 20];
    for line in std::fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut fields = line.split(' ');
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") || line.contains("[v") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let mut start = u64::from_str_radix(start, 16).unwrap();
        let end = u64::from_str_radix(end, 16).unwrap();
        while start < end {
            let length = buffer.len().min((end - start) as usize);
            if memory.read_exact_at(&mut buffer[..length], start).is_ok() {
                for (count, pattern) in counts.iter_mut().zip(patterns) {
                    *count += buffer[..length]
                        .windows(pattern.len())
                        .filter(|window| window[0] ^ MASK == pattern[0])
                        .filter(|window| {
                            window.iter().zip(pattern).all(|(byte, wanted)| byte ^ MASK == *wanted)
                        })
                        .inspect(|_| eprintln!("found in {line}"))
                        .count();
                }
            }
            start += length as u64;
        }
    }
    counts
}

#[test]
fn nothing_of_a_key_stays_behind() {
    let home = Home::new();
    let mut random = Random::new("nothing_of_a_key_stays_behind");
    // Its halves, in the forms that it takes: bytes, hex, base64 in each alignment that a message gives it.
    let mut key = random.bytes(32);
    let mut patterns = vec![masked(&key[..16]), masked(&key[16..])];
    let message = [&[0x1a, 32][..], &key].concat();
    let texts = [hex(&key), STANDARD.encode(&key), STANDARD.encode(&message)];
    wipe(message);
    for text in texts {
        let text = text.into_bytes();
        patterns.push(masked(&text[8..32]));
        wipe(text);
    }
    let store = home.open();
    let options = ImportKey::new().exportable(true);
    store.import_key("k", &key, KeyEncoding::Raw, &options).unwrap();
    let live = found(&patterns);
    assert!(live[0] > 0 && live[1] > 0, "the search finds what is there: {live:?}");
    key.fill(0);
    std::hint::black_box(&mut key);
    let ways = [
        KeysetProtection::InsecureCleartext,
        KeysetProtection::Passphrase(b"correct horse"),
        KeysetProtection::Key("carrier"),
    ];
    store.create_key("carrier", &Default::default()).unwrap();
    for encoding in KeyEncoding::ALL {
        drop(store.get_encryption_key("k", 32, encoding).unwrap());
    }
    drop(store.get_data_key("k", None).unwrap());
    for (number, way) in ways.into_iter().enumerate() {
        for format in KeysetFormat::ALL {
            let keyset = store.export_keyset("k", format, way).unwrap();
            let id = format!("k-{number}-{}", format.name());
            store.import_keyset(&id, &keyset.bytes, way, &ImportKeyset::new()).unwrap();
            store.encrypt(&id, b"ada", b"").unwrap();
        }
    }
    store.close();
    drop(store);
    assert_eq!(found(&patterns), vec![0; patterns.len()]);
}
