//! A store whose file is anybody's bytes: its own with changes, with a log of anybody's beside it, or something else.

use keyfold::ErrorKind;

use crate::damage::change_bytes;
use crate::input::Input;
use crate::sample::{Sample, beside, put};

/// Nothing false is said, and nothing fails but as a damaged file does.
pub fn run(data: &[u8]) {
    let sample = Sample::get();
    let mut input = Input::new(data);
    let path = match input.byte() % 4 {
        0 => put("database", input.rest()),
        1 => {
            let path = put("database", &sample.bytes);
            std::fs::write(beside(&path, "-wal"), log(&sample.bytes, &mut input)).expect("room for a log");
            path
        }
        _ => {
            let mut bytes = sample.bytes.clone();
            change_bytes(&mut bytes, &mut input);
            put("database", &bytes)
        }
    };
    let verdict = sample.judge(&path);
    assert!(verdict.lies.is_empty(), "something false was said: {verdict:?}");
    assert!(verdict.at_open.is_none_or(expected), "{verdict:?}");
    assert!(verdict.errors.iter().all(|(_, kind)| expected(*kind)), "{verdict:?}");
}

/// How a damaged file may be refused. SQLite refuses headers that ask for a later format to be written, and files that
/// end too early.
fn expected(kind: ErrorKind) -> bool {
    use ErrorKind::{IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey};
    matches!(kind, IntegrityError | WrongMasterKey | Unsupported | PermissionDenied | Storage)
}

/// A write-ahead log with good checksums, so that SQLite takes its pages: some of the file's own, changed.
fn log(bytes: &[u8], input: &mut Input) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut log = Vec::new();
    for number in [0x377f_0683_u32, 3_007_000, PAGE as u32, 0, 7, 9] {
        log.extend(number.to_be_bytes());
    }
    let mut sum = [0u32; 2];
    checksum(&mut sum, &log);
    sum.iter().for_each(|half| log.extend(half.to_be_bytes()));
    let pages = bytes.len() / PAGE;
    for _ in 0..1 + input.below(4) {
        let number = input.below(pages);
        let from = input.below(pages);
        let mut page = bytes[PAGE * from..][..PAGE].to_vec();
        let start = input.below(PAGE);
        let new = input.bytes();
        let end = PAGE.min(start + new.len());
        page[start..end].copy_from_slice(&new[..end - start]);
        let head = [(number as u32 + 1).to_be_bytes(), (pages as u32).to_be_bytes()].concat();
        checksum(&mut sum, &head);
        checksum(&mut sum, &page);
        log.extend(head);
        log.extend([0, 0, 0, 7, 0, 0, 0, 9]);
        sum.iter().for_each(|half| log.extend(half.to_be_bytes()));
        log.extend(page);
    }
    log
}

/// SQLite's, over numbers that the magic number says are big endian where its last bit is set; it is not here.
fn checksum(sum: &mut [u32; 2], bytes: &[u8]) {
    for pair in bytes.chunks_exact(8) {
        let number = |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        sum[0] = sum[0].wrapping_add(number(0)).wrapping_add(sum[1]);
        sum[1] = sum[1].wrapping_add(number(4)).wrapping_add(sum[0]);
    }
}
