//! Tink keysets in binary, in the clear, under a key and under a passphrase, of anybody's making.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyfold::{ErrorKind, KeysetFormat, KeysetProtection, limits};

use crate::edits::edited;
use crate::home::{expect, store};
use crate::input::Input;
use crate::keyset_json::{UNREADABLE, clear, import, next_name, next_shop, shop};

const UNOPENED: &[ErrorKind] = &[
    ErrorKind::InvalidArgument,
    ErrorKind::Unsupported,
    ErrorKind::LimitExceeded,
    ErrorKind::DecryptionFailed,
    ErrorKind::KeyUnavailable,
];

/// Byte 0 says how it is protected, the rest is the keyset; a good one is changed where it says so.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    next_shop();
    let how = input.byte();
    match how % 5 {
        0 => clear(input.rest(), how & 8 == 0),
        1 => {
            let good = exported(how);
            let changed = edited(&good, &mut input);
            clear(&changed, false);
        }
        2 => wrapped(input.rest(), "wrap"),
        3 => {
            let sealed = shop(|store| store.encrypt("wrap", input.rest(), b"").expect("a current version"));
            wrapped(&[&[0x12][..], &varint(sealed.len()), &sealed].concat(), "wrap");
        }
        _ => under_a_passphrase(input.rest()),
    }
}

/// The keyset of one of the shared store's keys.
fn exported(how: u8) -> Vec<u8> {
    let ids = ["siv", "gcm", "xaes", "xchacha", "deterministic", "raw", "stream", "mac", "derive"];
    let id = ids[usize::from(how / 5) % ids.len()];
    let keyset = store().export_keyset(id, KeysetFormat::Binary, KeysetProtection::InsecureCleartext);
    keyset.expect("an exportable key").bytes.to_vec()
}

fn wrapped(keyset: &[u8], key_id: &str) {
    let options = keyfold::ImportKeyset::new();
    let name = next_name();
    shop(|store| {
        expect(store.import_keyset(&name, keyset, KeysetProtection::Key(key_id), &options), UNOPENED)
    });
}

/// A number as protobuf writes it.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Of what a passphrase seals, only what costs nothing to refuse is tried: what is well formed takes 19 MiB and more
/// of memory and nobody can make it but with the passphrase.
fn under_a_passphrase(envelope: &[u8]) {
    let costs = envelope.first_chunk::<12>().map(|head| {
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        [number(0), number(4), number(8)]
    });
    let allowed = costs.is_some_and(|costs| {
        let bounds = [limits::ARGON2_MEMORY_KIB, limits::ARGON2_PASSES, limits::ARGON2_LANES];
        costs.iter().zip(bounds).all(|(cost, (least, most))| (least..=most).contains(cost))
    });
    if allowed {
        return;
    }
    let passphrase = KeysetProtection::Passphrase(b"correct horse");
    let text = format!("kfks1.{}", URL_SAFE_NO_PAD.encode(envelope));
    assert_eq!(import(text.as_bytes(), passphrase, false), None, "costs outside of the limits");
    let name = next_name();
    shop(|store| {
        let options = keyfold::ImportKeyset::new();
        let as_text = store.import_keyset(&name, envelope, passphrase, &options);
        expect(as_text, UNREADABLE)
    });
}
