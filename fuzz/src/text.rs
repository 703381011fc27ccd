//! The texts that keyfold prints and reads: of ciphertexts, anchors, times.

use keyfold::{Anchor, ErrorKind, from_text, is_ciphertext, parse_duration, to_text};

use crate::home::{expect, store};

const INVALID: &[ErrorKind] = &[ErrorKind::InvalidArgument];

/// All of it as bytes, and as text where it is some.
pub fn run(data: &[u8]) {
    let text = to_text(data);
    assert_eq!(from_text(&text).expect("its own text"), data);
    assert_eq!(is_ciphertext(&text), is_ciphertext(data) && !data.starts_with(b"kf1."));
    let Ok(given) = str::from_utf8(data) else { return };
    if let Some(bytes) = expect(from_text(given), INVALID) {
        assert_eq!(to_text(&bytes), given, "two texts for the same bytes");
        assert_eq!(is_ciphertext(given), is_ciphertext(&bytes) && !bytes.starts_with(b"kf1."));
    }
    if let Some(anchor) = expect(given.parse::<Anchor>(), INVALID) {
        assert_eq!(anchor.to_string(), given, "two texts for one anchor");
    }
    if let Some(duration) = expect(parse_duration(given), INVALID) {
        assert!(
            given.trim().ends_with(|end: char| end.is_ascii_alphabetic()),
            "{duration:?} without its unit"
        );
    }
    let key = store().key("siv").expect("a key of this store");
    expect(key.decrypt_text(given, b""), &[ErrorKind::DecryptionFailed, ErrorKind::KeyUnavailable]);
}
