//! Streams: of anybody's making, and good ones that were changed, in parts of any size.

use std::io::Cursor;

use keyfold::{ErrorKind, Key};

use crate::edits::edited;
use crate::home::{expect, store};
use crate::input::Input;

/// Tink's header and the tag of a segment of 1 MiB.
const HEADER: usize = 40;
const TAG: usize = 16;
const SEGMENT: usize = 1 << 20;

const REFUSED: &[ErrorKind] = &[ErrorKind::DecryptionFailed];

/// What every seed was sealed from, followed by its associated data.
pub(crate) const SEALED: &[u8] = b"streamed:";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let key = store().key("stream").expect("a key of this store");
    let how = input.byte();
    let aad = input.bytes().to_vec();
    if how & 1 == 0 {
        let parts = usize::from(input.short()) + 1;
        let bytes = input.rest();
        if let Some(plaintext) = opened(&key, bytes, &aad, parts, None) {
            assert_eq!(plaintext, [SEALED, &aad].concat(), "a wrong plaintext");
        }
        return;
    }
    let plaintext = plaintext(how >> 1, &mut input);
    let parts = (usize::from(input.short()) + 1) << (input.byte() % 6);
    let sealed = sealed(&key, &plaintext, &aad, parts);
    let (bytes, other_aad) = (edited_stream(&sealed, &mut input), edited(&aad, &mut input));
    match opened(&key, &bytes, &other_aad, parts, Some(&plaintext)) {
        Some(opened) => {
            assert!(bytes == sealed && other_aad == aad, "a changed stream opened");
            assert!(opened == plaintext);
        }
        None => assert!(bytes != sealed || other_aad != aad, "what was sealed does not open"),
    }
}

/// A few bytes, or about as many as fill one or two segments.
fn plaintext(how: u8, input: &mut Input) -> Vec<u8> {
    let near = usize::from(input.byte());
    let length = match how % 8 {
        6 => SEGMENT - HEADER - TAG + near.saturating_sub(128).min(2),
        7 => 2 * (SEGMENT - TAG) - HEADER - 1 + near % 3,
        _ => near,
    };
    (0..length).map(|place| (place >> 8 ^ place) as u8).collect()
}

/// As other good bytes, or with its segments cut, doubled or exchanged.
fn edited_stream(sealed: &[u8], input: &mut Input) -> Vec<u8> {
    let segments: Vec<&[u8]> = sealed.chunks(SEGMENT).collect();
    match input.byte() % 4 {
        0 if segments.len() > 1 => {
            let picked = (0..1 + input.below(4)).map(|_| segments[input.below(segments.len())]);
            picked.collect::<Vec<_>>().concat()
        }
        _ => edited(sealed, input),
    }
}

fn sealed(key: &Key, plaintext: &[u8], aad: &[u8], parts: usize) -> Vec<u8> {
    let mut encryptor = key.stream_encryptor(aad).expect("a current version");
    let mut sealed = Vec::new();
    for part in plaintext.chunks(parts) {
        encryptor.update(part, &mut sealed).expect("a part");
    }
    encryptor.finish(&mut sealed).expect("an end");
    sealed
}

/// The plaintext of the whole stream, by both ways: they must agree, and give out nothing that was not sealed.
fn opened(key: &Key, bytes: &[u8], aad: &[u8], parts: usize, expected: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut decryptor = key.stream_decryptor(aad).expect("a key of this kind");
    let mut out = Vec::new();
    let mut outcome = Ok(());
    for part in bytes.chunks(parts) {
        outcome = decryptor.update(part, &mut out);
        if outcome.is_err() {
            break;
        }
    }
    let outcome = outcome.and_then(|()| decryptor.finish(&mut out));
    if let Some(expected) = expected {
        assert!(expected.starts_with(&out), "a segment that was not sealed");
    }
    if outcome.is_err() {
        let length = out.len();
        assert!(decryptor.update(b"more", &mut out).is_err() && decryptor.finish(&mut out).is_err());
        assert_eq!((out.len(), decryptor.version()), (length, None), "it went on after its end");
    }
    let pushed = expect(outcome, REFUSED);
    let mut pulled = Vec::new();
    let end = key.decrypt_stream(&mut Cursor::new(bytes), &mut pulled, aad);
    assert_eq!(expect(end, REFUSED).is_some(), pushed.is_some(), "the two ways disagree");
    if let Some(expected) = expected {
        assert!(expected.starts_with(&pulled), "a segment that was not sealed");
    }
    pushed.map(|()| {
        assert!(pulled == out);
        out
    })
}
