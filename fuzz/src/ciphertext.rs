//! Ciphertexts: of anybody's making, and good ones that were changed.

use keyfold::{Aad, Aads, ErrorKind, Key, OnError, to_text};

use crate::edits::edited;
use crate::home::{MESSAGES, expect, refuse, store};
use crate::input::Input;

/// What every seed was sealed from, followed by its associated data.
pub(crate) const SEALED: &[u8] = b"sealed:";

const REFUSED: &[ErrorKind] = &[ErrorKind::DecryptionFailed];
/// A version that is disabled says so before anything is decrypted.
const UNOPENED: &[ErrorKind] = &[ErrorKind::DecryptionFailed, ErrorKind::KeyUnavailable];

/// Byte 0 names the key, byte 1 what is done.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (key_id, _, tag) = MESSAGES[input.below(MESSAGES.len())];
    let key = store().key(key_id).expect("a key of this store");
    let how = input.byte();
    if how & 1 == 0 { changed(&key, &mut input) } else { anybodys(&key, tag, how, &mut input) }
}

/// Whatever opens was sealed by a seed: nobody else has made any.
fn anybodys(key: &Key, tag: u32, how: u8, input: &mut Input) {
    let aad = input.bytes();
    let mut bytes = input.rest().to_vec();
    // A tag of nobody's makes the store look for newer versions, a hundred times a second at most.
    if how & 2 == 0
        && let Some(prefix) = bytes.first_chunk_mut::<5>()
    {
        let version = tag + u32::from(how >> 2) % 3;
        *prefix = [1, 0, 0, (version >> 8) as u8, version as u8];
    }
    if let Some(plaintext) = opened(key, &bytes, aad) {
        assert_eq!(plaintext, [SEALED, aad].concat(), "a wrong plaintext");
    }
}

/// A good one, changed: it opens to what was sealed where the change undid itself, and else not at all.
fn changed(key: &Key, input: &mut Input) {
    let aad = input.bytes().to_vec();
    let plaintext = input.bytes();
    let sealed = key.encrypt(plaintext, &aad).expect("a current version");
    let (bytes, other_aad) = (edited(&sealed, input), edited(&aad, input));
    let outcome = opened(key, &bytes, &other_aad);
    match outcome {
        Some(opened) => {
            assert!((&bytes, &other_aad) == (&sealed, &aad), "a changed ciphertext opened");
            assert_eq!(opened, plaintext);
        }
        None => assert!((&bytes, &other_aad) != (&sealed, &aad), "what was sealed does not open"),
    }
}

/// The plaintext, by every way there is: all must agree.
fn opened(key: &Key, bytes: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let decrypted = expect(key.decrypt(bytes, aad), UNOPENED).map(|plaintext| plaintext.to_vec());
    let is_text = bytes.starts_with(b"kf1.");
    let text = to_text(bytes);
    let batch =
        key.decrypt_many(&[Some(bytes)], Aads::One(Aad::Raw(aad)), OnError::Return).expect("one value");
    assert_eq!(batch.get(0).ok().flatten(), decrypted.as_deref(), "a batch says otherwise");
    if !is_text {
        let twin = expect(key.decrypt(&text, aad), UNOPENED).map(|plaintext| plaintext.to_vec());
        assert_eq!(twin, decrypted, "its text form says otherwise");
        let as_text = expect(key.decrypt_text(&text, aad), UNOPENED).map(|text| text.as_bytes().to_vec());
        let utf8 = decrypted.clone().filter(|bytes| str::from_utf8(bytes).is_ok());
        assert_eq!(as_text, utf8, "decrypt_text says otherwise");
    }
    expect(store().inspect(bytes), &[ErrorKind::InvalidArgument]);
    let stale = expect(key.needs_reencrypt(bytes), UNOPENED);
    match &decrypted {
        None => _ = refuse(key.reencrypt(bytes, aad), UNOPENED),
        Some(plaintext) => {
            let moved = key.reencrypt(bytes, aad).expect("it opened");
            assert_eq!(key.decrypt(&moved, aad).expect("it was moved")[..], plaintext[..]);
            assert!(!key.needs_reencrypt(&moved).expect("it was moved"));
            assert!(is_text || stale == Some(moved != bytes), "moved {stale:?}");
            let other = [aad, b"x"].concat();
            refuse(key.decrypt(bytes, &other), REFUSED);
        }
    }
    decrypted
}
