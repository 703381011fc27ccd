//! Streams and files: what is sealed in any parts opens in any parts, whatever the reader does; what is damaged,
//! cut or moved does not; a file appears whole or not at all.

mod common;

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::{Home, Random, beside, kind, names};
use keyfold::{
    Aad, Context, CreateKey, ErrorKind, FileOptions, Key, KeyKind, OpenOptions, Store, StreamDecryptor,
};
use proptest::prelude::*;

const SEGMENT: usize = 1 << 20;
/// What the first segment and a later one hold.
const FIRST: usize = SEGMENT - 40 - 16;
const LATER: usize = SEGMENT - 16;

fn open_with_files(home: &Home) -> (Store, Key) {
    let store = home.open();
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream)).unwrap();
    let key = store.key("files").unwrap();
    (store, key)
}

/// One store for the tests that change nothing in it.
fn files() -> &'static Key {
    static KEY: OnceLock<(Home, Key)> = OnceLock::new();
    let made = KEY.get_or_init(|| {
        let home = Home::new();
        let key = open_with_files(&home).1;
        (home, key)
    });
    &made.1
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 257) as u8).collect()
}

fn sealed(key: &Key, plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(key.encrypt_stream(plaintext, &mut out, b"aad").unwrap(), plaintext.len() as u64);
    out
}

fn opened(key: &Key, ciphertext: &[u8]) -> keyfold::Result<Vec<u8>> {
    let mut out = Vec::new();
    let count = key.decrypt_stream(ciphertext, &mut out, b"aad")?;
    assert_eq!(count, out.len() as u64);
    Ok(out)
}

/// By both ways; they must agree.
fn fails(key: &Key, ciphertext: &[u8]) -> bool {
    let pulled = opened(key, ciphertext).is_err_and(|error| error.kind() == ErrorKind::DecryptionFailed);
    let pushed = push_open(key, ciphertext, &[ciphertext.len()])
        .is_err_and(|error| error.kind() == ErrorKind::DecryptionFailed);
    assert_eq!(pulled, pushed);
    pulled
}

/// In parts of these lengths, over and over.
fn parts<'a>(whole: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = whole;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        let length = (*lengths.next()?).clamp(1, rest.len().max(1)).min(rest.len());
        let (part, later) = rest.split_at(length);
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

fn push_seal(key: &Key, plaintext: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut encryptor = key.stream_encryptor(b"aad").unwrap();
    let mut out = Vec::new();
    parts(plaintext, lengths).for_each(|part| encryptor.update(part, &mut out).unwrap());
    encryptor.finish(&mut out).unwrap();
    out
}

fn push_open(key: &Key, ciphertext: &[u8], lengths: &[usize]) -> keyfold::Result<Vec<u8>> {
    let mut decryptor = key.stream_decryptor(b"aad")?;
    let mut out = Vec::new();
    for part in parts(ciphertext, lengths) {
        decryptor.update(part, &mut out)?;
    }
    decryptor.finish(&mut out)?;
    Ok(out)
}

const LENGTHS: [usize; 12] = [
    0,
    1,
    15,
    FIRST - 1,
    FIRST,
    FIRST + 1,
    SEGMENT,
    FIRST + LATER - 1,
    FIRST + LATER,
    FIRST + LATER + 1,
    FIRST + 2 * LATER,
    3 * SEGMENT + 777,
];

#[test]
fn every_length_comes_back_and_has_the_documented_length() {
    for length in LENGTHS {
        let plaintext = bytes(length);
        let ciphertext = sealed(files(), &plaintext);
        let segments = 1 + length.saturating_sub(FIRST).div_ceil(LATER);
        assert_eq!(ciphertext.len(), 40 + length + 16 * segments, "{length} bytes");
        assert_eq!(ciphertext[0], 40);
        assert!(opened(files(), &ciphertext).unwrap() == plaintext, "{length} bytes");
        for lengths in [&[1 << 30][..], &[100_000], &[SEGMENT], &[1, SEGMENT - 1, 2 * SEGMENT]] {
            let pushed = push_seal(files(), &plaintext, lengths);
            assert!(opened(files(), &pushed).unwrap() == plaintext, "{length} bytes in {lengths:?}");
            assert!(
                push_open(files(), &ciphertext, lengths).unwrap() == plaintext,
                "{length} in {lengths:?}"
            );
        }
    }
}

#[test]
fn every_stream_differs() {
    let [one, other] = [0, 1].map(|_| sealed(files(), b"the same"));
    assert_ne!(one[1..33], other[1..33], "salts");
    assert_ne!(one[40..], other[40..]);
}

/// Gives as it likes: short reads, interruptions, nothing but the end.
struct Whims<'a> {
    rest: &'a [u8],
    random: Random,
    ended: bool,
}

impl Read for Whims<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        assert!(!self.ended, "nobody reads past the end");
        if self.random.below(3) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = [1, 3, 4_096, 300_000, usize::MAX][self.random.below(5)];
        let count = out.len().min(self.rest.len()).min(most);
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        self.ended = count == 0;
        Ok(count)
    }
}

/// Takes as it likes.
struct Trickle<'a>(&'a mut Vec<u8>, Random);

impl Write for Trickle<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.1.below(3) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = part.len().min([1, 5_000, 400_000][self.1.below(3)]);
        self.0.extend_from_slice(&part[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn readers_and_writers_may_do_as_they_like() {
    let mut random = Random::new("whims");
    for length in LENGTHS {
        let plaintext = bytes(length);
        let mut whims = |rest| Whims { rest, random: Random(random.number()), ended: false };
        let mut ciphertext = Vec::new();
        files().encrypt_stream(whims(&plaintext), Trickle(&mut ciphertext, Random(1)), b"aad").unwrap();
        let mut back = Vec::new();
        files().decrypt_stream(whims(&ciphertext), Trickle(&mut back, Random(2)), b"aad").unwrap();
        assert!(back == plaintext, "{length} bytes");
    }
}

#[test]
fn what_readers_and_writers_say_is_the_cause() {
    struct Broken(Option<io::Error>);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.take().unwrap())
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.take().unwrap())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let broken = |kind: io::ErrorKind| Broken(Some(io::Error::new(kind, "as I say")));
    let ciphertext = sealed(files(), b"a");
    for (said, expected) in [
        (io::ErrorKind::Other, ErrorKind::Storage),
        (io::ErrorKind::WouldBlock, ErrorKind::Storage),
        (io::ErrorKind::UnexpectedEof, ErrorKind::Storage),
        (io::ErrorKind::StorageFull, ErrorKind::StorageFull),
        (io::ErrorKind::QuotaExceeded, ErrorKind::StorageFull),
    ] {
        let written = files().encrypt_stream(&b"a"[..], broken(said), b"aad").unwrap_err();
        assert_eq!(written.kind(), expected);
        assert_eq!(std::error::Error::source(&written).unwrap().to_string(), "as I say");
        let written = files().decrypt_stream(&ciphertext[..], broken(said), b"aad").unwrap_err();
        assert_eq!(written.kind(), expected);
        for read in [
            files().encrypt_stream(broken(said), io::sink(), b"aad").unwrap_err(),
            files().decrypt_stream(broken(said), io::sink(), b"aad").unwrap_err(),
        ] {
            assert_eq!(read.kind(), ErrorKind::Storage);
            assert_eq!(std::error::Error::source(&read).unwrap().to_string(), "as I say");
        }
    }
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            Ok(out.len() + 1)
        }
    }
    assert_eq!(kind(files().encrypt_stream(Liar, io::sink(), b"aad")), ErrorKind::Storage);
    assert_eq!(kind(files().decrypt_stream(Liar, io::sink(), b"aad")), ErrorKind::Storage);
    // A writer that takes nothing.
    assert_eq!(kind(files().encrypt_stream(&b"a"[..], &mut [0u8; 0][..], b"aad")), ErrorKind::Storage);
}

/// Says that it wrote all there is and one byte, or as much as can be said.
struct Boastful(usize);

impl Write for Boastful {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        Ok(part.len().saturating_add(self.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_claims_too_much_is_an_error_and_no_panic() {
    let key = files();
    let whole = sealed(key, b"ada");
    for more in [1, usize::MAX] {
        assert_eq!(kind(key.encrypt_stream(&b"ada"[..], Boastful(more), b"aad")), ErrorKind::Storage);
        assert_eq!(kind(key.decrypt_stream(&whole[..], Boastful(more), b"aad")), ErrorKind::Storage);
    }
}

#[test]
fn a_cut_anywhere_fails() {
    let ciphertext = sealed(files(), &bytes(FIRST + 2 * LATER));
    let borders =
        [0, 1, 39, 40, 41, 55, 56, 57, SEGMENT, 2 * SEGMENT, 2 * SEGMENT + 16, ciphertext.len() - 1];
    for border in borders {
        for cut in [border.saturating_sub(1), border, (border + 1).min(ciphertext.len() - 1)] {
            assert!(fails(files(), &ciphertext[..cut]), "cut at {cut}");
        }
    }
    assert!(!fails(files(), &ciphertext));
}

#[test]
fn what_is_added_moved_left_out_or_doubled_fails() {
    let plaintext = bytes(FIRST + 3 * LATER + 5);
    let ciphertext = sealed(files(), &plaintext);
    let segments: Vec<&[u8]> = ciphertext.chunks(SEGMENT).collect();
    let other = sealed(files(), &plaintext);
    let foreign: Vec<&[u8]> = other.chunks(SEGMENT).collect();
    let [a, b, c, d, e] = segments[..] else { panic!("five segments") };
    for changed in [
        vec![a, c, b, d, e],
        vec![a, b, c, e],
        vec![a, b, c, d, d, e],
        vec![a, b, c, d, e, e],
        vec![b, a, c, d, e],
        vec![b, c, d, e],
        vec![a, foreign[1], c, d, e],
        vec![foreign[0], b, c, d, e],
        vec![a, b, c, d, foreign[4]],
        vec![a, b, c, d, e, b"\0"],
        vec![a, b, c, d, e, &[0; 16]],
        vec![a, e],
        vec![a, b, c, d],
        vec![&ciphertext, &ciphertext],
        vec![b"\0", &ciphertext],
        vec![&other[..40], &ciphertext[40..]],
    ] {
        assert!(fails(files(), &changed.concat()));
    }
}

#[test]
fn only_whole_verified_segments_are_given_out() {
    let plaintext = bytes(FIRST + LATER + 100);
    let mut ciphertext = sealed(files(), &plaintext);
    ciphertext[SEGMENT + 10] ^= 1;
    let mut out = b"before".to_vec();
    let mut decryptor = files().stream_decryptor(b"aad").unwrap();
    decryptor.update(&ciphertext[..SEGMENT], &mut out).unwrap();
    assert_eq!(out, b"before", "it may be the last, and is not yet known to be none");
    assert_eq!((decryptor.version(), decryptor.needs_reencrypt()), (None, None));
    decryptor.update(&ciphertext[SEGMENT..][..1], &mut out).unwrap();
    assert!(out[6..] == plaintext[..FIRST]);
    assert_eq!((decryptor.version(), decryptor.needs_reencrypt()), (Some(1), Some(false)));
    let before = out.clone();
    assert_eq!(kind(decryptor.update(&ciphertext[SEGMENT + 1..], &mut out)), ErrorKind::DecryptionFailed);
    assert!(out == before, "nothing of the damaged one");
    // It stays over.
    assert_eq!(kind(decryptor.update(b"x", &mut out)), ErrorKind::DecryptionFailed);
    assert_eq!(kind(decryptor.finish(&mut out)), ErrorKind::DecryptionFailed);
    assert!(out == before);
    // Two segments in one call, the second damaged: neither is given out.
    let mut decryptor = files().stream_decryptor(b"aad").unwrap();
    let mut out = Vec::new();
    assert!(decryptor.update(&[&ciphertext[..], &[0; SEGMENT]].concat(), &mut out).is_err());
    assert!(out.is_empty());
    // The writer gets the first segment and nothing of the second.
    let mut written = Vec::new();
    files().decrypt_stream(&ciphertext[..], &mut written, b"aad").unwrap_err();
    assert!(written == plaintext[..FIRST]);
}

#[test]
fn calls_in_the_wrong_order() {
    let mut out = Vec::new();
    let mut encryptor = files().stream_encryptor(b"aad").unwrap();
    encryptor.finish(&mut out).unwrap();
    assert_eq!(kind(encryptor.update(b"more", &mut out)), ErrorKind::InvalidArgument);
    assert_eq!(kind(encryptor.finish(&mut out)), ErrorKind::InvalidArgument);
    assert_eq!(out.len(), 56);
    let mut decryptor = files().stream_decryptor(b"aad").unwrap();
    let mut back = Vec::new();
    decryptor.update(&[], &mut back).unwrap();
    decryptor.update(&out, &mut back).unwrap();
    decryptor.finish(&mut back).unwrap();
    assert_eq!(kind(decryptor.update(b"more", &mut back)), ErrorKind::InvalidArgument);
    assert_eq!(kind(decryptor.finish(&mut back)), ErrorKind::InvalidArgument);
    assert!(back.is_empty());
    let mut decryptor = files().stream_decryptor(b"aad").unwrap();
    assert_eq!(kind(decryptor.finish(&mut back)), ErrorKind::DecryptionFailed, "nothing is no stream");
    assert_eq!(format!("{decryptor:?}"), "StreamDecryptor(files)");
}

#[test]
fn aad_and_context_are_bound() {
    let place = Context::new().with("file", "report.pdf");
    let mut ciphertext = Vec::new();
    files().encrypt_stream(&b"a"[..], &mut ciphertext, &place).unwrap();
    let open = |aad: Aad<'_>| files().decrypt_stream(&ciphertext[..], io::sink(), aad);
    assert_eq!(open(Aad::from(&place)).unwrap(), 1);
    assert_eq!(open(Aad::from(&place.to_aad().unwrap())).unwrap(), 1);
    for wrong in [Aad::NONE, Aad::from(b"report.pdf"), Aad::from(&Context::new().with("file", "other"))] {
        assert_eq!(kind(open(wrong)), ErrorKind::DecryptionFailed);
    }
    let long = vec![0; keyfold::limits::AAD_BYTES + 1];
    assert_eq!(kind(files().stream_encryptor(&long)), ErrorKind::LimitExceeded);
    assert_eq!(kind(files().stream_decryptor(&long)), ErrorKind::LimitExceeded);
    let longest = &long[1..];
    let mut ciphertext = Vec::new();
    files().encrypt_stream(&b"a"[..], &mut ciphertext, longest).unwrap();
    assert_eq!(files().decrypt_stream(&ciphertext[..], io::sink(), longest).unwrap(), 1);
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let home = Home::new();
    let (store, stream) = open_with_files(&home);
    store.create_key("pii", &CreateKey::new()).unwrap();
    let message = store.key("pii").unwrap();
    let file = home.folder.path().join("plain");
    fs::write(&file, b"a").unwrap();
    let to = home.folder.path().join("out");
    let options = FileOptions::new();
    for error in [
        message.encrypt_stream(&b""[..], io::sink(), Aad::NONE).unwrap_err(),
        message.decrypt_stream(&b""[..], io::sink(), Aad::NONE).unwrap_err(),
        message.stream_encryptor(Aad::NONE).unwrap_err(),
        message.stream_decryptor(Aad::NONE).unwrap_err(),
        message.encrypt_file(&file, &to, Aad::NONE, &options).unwrap_err(),
        message.decrypt_file(&file, &to, Aad::NONE, &options).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("stream") && error.message().contains("aead"), "{error}");
        assert_eq!(error.key_id(), Some("pii"));
    }
    assert!(!to.exists());
    assert_eq!(kind(stream.encrypt(b"a", Aad::NONE)), ErrorKind::InvalidArgument);
    assert_eq!(kind(stream.encrypt_text("a", Aad::NONE)), ErrorKind::InvalidArgument);
    let ciphertext = sealed(&stream, b"a");
    for error in [
        stream.decrypt(&ciphertext, b"aad").unwrap_err(),
        stream.needs_reencrypt(&ciphertext).unwrap_err(),
        stream.reencrypt(&ciphertext, b"aad").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("stream"), "{error}");
    }
    let error = store.inspect(&ciphertext).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("stream"), "{error}");
}

#[test]
fn every_version_opens_and_a_stream_goes_on_across_a_rotation() {
    let home = Home::new();
    let (store, key) = open_with_files(&home);
    let plaintext = bytes(2 * SEGMENT);
    let mut ciphertexts = Vec::new();
    for _ in 0..4 {
        let mut out = Vec::new();
        let mut encryptor = key.stream_encryptor(b"aad").unwrap();
        encryptor.update(&plaintext[..SEGMENT], &mut out).unwrap();
        store.rotate_key("files").unwrap();
        encryptor.update(&plaintext[SEGMENT..], &mut out).unwrap();
        encryptor.finish(&mut out).unwrap();
        ciphertexts.push(out);
    }
    for (place, ciphertext) in ciphertexts.iter().enumerate() {
        let mut out = Vec::new();
        let mut decryptor = key.stream_decryptor(b"aad").unwrap();
        decryptor.update(ciphertext, &mut out).unwrap();
        assert_eq!((decryptor.version(), decryptor.needs_reencrypt()), (Some(place as u32 + 1), Some(true)));
        store.rotate_key("files").unwrap();
        decryptor.finish(&mut out).unwrap();
        assert!(out == plaintext);
    }
}

#[test]
fn what_a_newer_version_of_another_process_sealed_opens_at_once() {
    let home = Home::new();
    let (_store, key) = open_with_files(&home);
    let other = home.open_with(&OpenOptions::new()).unwrap();
    other.rotate_key("files").unwrap();
    let ciphertext = sealed(&other.key("files").unwrap(), b"news");
    assert_eq!(opened(&key, &ciphertext).unwrap(), b"news");
    assert!(fails(&key, &ciphertext[..ciphertext.len() - 1]));
}

#[test]
fn a_closed_store_ends_its_streams() {
    let home = Home::new();
    let (store, key) = open_with_files(&home);
    let plaintext = bytes(2 * SEGMENT);
    let ciphertext = sealed(&key, &plaintext);
    let mut out = Vec::new();
    let mut encryptor = key.stream_encryptor(b"aad").unwrap();
    encryptor.update(b"a", &mut out).unwrap();
    let mut decryptor = key.stream_decryptor(b"aad").unwrap();
    decryptor.update(&ciphertext[..SEGMENT + 1], &mut out).unwrap();
    let mut not_begun = key.stream_decryptor(b"aad").unwrap();
    out.clear();
    // Closing while a stream is read does not wait for it.
    let closing = CloseWhenRead { rest: &plaintext, store: &store };
    let started = std::time::Instant::now();
    assert_eq!(kind(key.encrypt_stream(closing, &mut out, b"aad")), ErrorKind::Closed);
    assert!(started.elapsed() < std::time::Duration::from_millis(900));
    assert!(out.is_empty());
    assert_eq!(kind(encryptor.update(&plaintext, &mut out)), ErrorKind::Closed);
    assert_eq!(kind(encryptor.finish(&mut out)), ErrorKind::Closed);
    assert_eq!(kind(decryptor.finish(&mut out)), ErrorKind::Closed);
    assert_eq!(kind(decryptor.update(b"a", &mut out)), ErrorKind::Closed);
    assert_eq!(kind(not_begun.update(&ciphertext, &mut out)), ErrorKind::Closed);
    assert!(out.is_empty());
    assert_eq!(kind(key.stream_encryptor(b"aad")), ErrorKind::Closed);
    assert_eq!(kind(key.stream_decryptor(b"aad")), ErrorKind::Closed);
    assert_eq!(kind(key.decrypt_stream(&ciphertext[..], io::sink(), b"aad")), ErrorKind::Closed);
}

struct CloseWhenRead<'a> {
    rest: &'a [u8],
    store: &'a Store,
}

impl Read for CloseWhenRead<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.store.close();
        self.rest.read(out)
    }
}

#[test]
fn nothing_is_held_while_the_caller_reads_and_writes() {
    let home = Home::new();
    let (store, key) = open_with_files(&home);
    // Each part rotates the key, creates another, and encrypts another stream with this one.
    struct Busy<'a>(&'a [u8], &'a Store, usize);
    impl Read for Busy<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1.rotate_key("files").unwrap();
            self.2 += 1;
            self.1.create_key(&format!("k{}", self.2), &CreateKey::new()).unwrap();
            let key = self.1.key("files").unwrap();
            assert_eq!(opened(&key, &sealed(&key, b"inner")).unwrap(), b"inner");
            self.0.read(out)
        }
    }
    let plaintext = bytes(3 * SEGMENT);
    let mut ciphertext = Vec::new();
    key.encrypt_stream(Busy(&plaintext, &store, 0), &mut ciphertext, b"aad").unwrap();
    let mut back = Vec::new();
    key.decrypt_stream(Busy(&ciphertext, &store, 100), &mut back, b"aad").unwrap();
    assert!(back == plaintext);
}

#[test]
fn progress_is_told_and_may_stop() {
    let plaintext = bytes(FIRST + LATER + 7);
    let mut told = Vec::new();
    let mut ciphertext = Vec::new();
    files()
        .encrypt_stream_with(&plaintext[..], &mut ciphertext, b"aad", &mut |done| {
            told.push(done as usize);
            Ok(())
        })
        .unwrap();
    assert_eq!(told, [FIRST, FIRST + LATER, plaintext.len()]);
    told.clear();
    files()
        .decrypt_stream_with(&ciphertext[..], io::sink(), b"aad", &mut |done| {
            told.push(done as usize);
            Ok(())
        })
        .unwrap();
    assert_eq!(told, [SEGMENT, 2 * SEGMENT, ciphertext.len()]);
    let stop = &mut |_| Err("enough".into());
    let error = files().encrypt_stream_with(&plaintext[..], io::sink(), b"aad", stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "enough");
}

#[test]
fn threads_stream_at_once() {
    let plaintext = bytes(2 * SEGMENT);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(opened(files(), &sealed(files(), &plaintext)).unwrap() == plaintext));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_parts_give_the_same_plaintext(
        length in prop_oneof![0usize..5_000, Just(FIRST), FIRST - 3..FIRST + 3, 0..3 * SEGMENT],
        sealing in prop::collection::vec(1usize..2_000_000, 1..4),
        opening in prop::collection::vec(1usize..2_000_000, 1..4),
    ) {
        let plaintext = bytes(length);
        let ciphertext = push_seal(files(), &plaintext, &sealing);
        prop_assert!(push_open(files(), &ciphertext, &opening).unwrap() == plaintext);
        prop_assert!(opened(files(), &ciphertext).unwrap() == plaintext);
    }

    #[test]
    fn any_flipped_bit_fails(
        length in prop_oneof![0usize..100, FIRST - 3..FIRST + 3, 0..3 * SEGMENT],
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut ciphertext = sealed(files(), &bytes(length));
        let place = place.index(ciphertext.len());
        ciphertext[place] ^= 1 << bit;
        prop_assert!(fails(files(), &ciphertext));
    }

    #[test]
    fn any_cut_fails(
        length in prop_oneof![0usize..100, FIRST - 3..FIRST + 3, 0..3 * SEGMENT],
        place in any::<prop::sample::Index>(),
    ) {
        let ciphertext = sealed(files(), &bytes(length));
        prop_assert!(fails(files(), &ciphertext[..place.index(ciphertext.len())]));
    }

    #[test]
    fn any_exchange_of_segments_fails(order in Just(vec![0usize, 1, 2, 3]).prop_shuffle()) {
        let ciphertext = sealed(files(), &bytes(FIRST + 3 * LATER));
        let segments: Vec<&[u8]> = ciphertext.chunks(SEGMENT).collect();
        let changed: Vec<&[u8]> = order.iter().map(|place| segments[*place]).collect();
        prop_assert_eq!(fails(files(), &changed.concat()), order != [0, 1, 2, 3]);
    }

    #[test]
    fn any_bytes_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(fails(files(), &bytes));
        let mut headed = bytes;
        headed.insert(0, 40);
        prop_assert!(fails(files(), &headed));
    }
}

// Files

fn file_home() -> (Home, Store, Key, PathBuf, PathBuf) {
    let home = Home::new();
    let (store, key) = open_with_files(&home);
    let work = home.folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let plain = work.join("plain");
    fs::write(&plain, bytes(2 * SEGMENT + 3)).unwrap();
    (home, store, key, work, plain)
}

#[test]
fn files_there_and_back() {
    let (_home, _store, key, work, plain) = file_home();
    let (sealed, back) = (work.join("sealed"), work.join("back"));
    let options = FileOptions::new();
    let length = 2 * SEGMENT as u64 + 3;
    assert_eq!(key.encrypt_file(&plain, &sealed, b"aad", &options).unwrap(), length);
    assert_eq!(key.decrypt_file(&sealed, &back, b"aad", &options).unwrap(), length);
    assert!(fs::read(&plain).unwrap() == fs::read(&back).unwrap());
    for file in [&sealed, &back] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(names(&work), ["back", "plain", "sealed"]);
}

#[test]
fn a_failed_decryption_leaves_nothing() {
    let (_home, _store, key, work, plain) = file_home();
    let (sealed, back) = (work.join("sealed"), work.join("back"));
    key.encrypt_file(&plain, &sealed, b"aad", &FileOptions::new()).unwrap();
    let whole = fs::read(&sealed).unwrap();
    fs::write(&sealed, &whole[..2 * SEGMENT]).unwrap();
    let force = FileOptions::new().force(true);
    for options in [FileOptions::new(), force.clone()] {
        assert_eq!(kind(key.decrypt_file(&sealed, &back, b"aad", &options)), ErrorKind::DecryptionFailed);
        assert_eq!(names(&work), ["plain", "sealed"]);
    }
    fs::write(&back, b"kept").unwrap();
    assert_eq!(kind(key.decrypt_file(&sealed, &back, b"aad", &force)), ErrorKind::DecryptionFailed);
    assert_eq!(fs::read(&back).unwrap(), b"kept");
    // A callback that panics.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        key.encrypt_file_with(&plain, &back, b"aad", &force, &mut |_| panic!("as a test"))
    }));
    assert!(panicked.is_err());
    let stopped = key.encrypt_file_with(&plain, &back, b"aad", &force, &mut |_| Err("enough".into()));
    assert_eq!(kind(stopped), ErrorKind::Storage);
    assert_eq!(fs::read(&back).unwrap(), b"kept");
    assert_eq!(names(&work), ["back", "plain", "sealed"]);
    // And the key still works.
    key.encrypt_file(&plain, &back, b"aad", &force).unwrap();
}

#[test]
fn a_file_is_replaced_only_by_force() {
    let (_home, _store, key, work, plain) = file_home();
    let there = work.join("there");
    fs::write(&there, b"kept").unwrap();
    let plainly = FileOptions::new();
    let error = key.encrypt_file(&plain, &there, b"aad", &plainly).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.message().contains("there") && error.message().contains("force"), "{error}");
    assert_eq!(fs::read(&there).unwrap(), b"kept");
    // One that appears while it is encrypted.
    let late = work.join("late");
    let outcome = key.encrypt_file_with(&plain, &late, b"aad", &plainly, &mut |_| {
        fs::write(&late, b"late")?;
        Ok(())
    });
    assert_eq!(kind(outcome), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&late).unwrap(), b"late");
    key.encrypt_file(&plain, &there, b"aad", &FileOptions::new().force(true)).unwrap();
    assert_ne!(fs::read(&there).unwrap(), b"kept");
    assert_eq!(names(&work), ["late", "plain", "there"]);
    assert!(FileOptions::from_json(r#"{"force": true}"#).unwrap().force);
    assert_eq!(kind(FileOptions::from_json(r#"{"forse": true}"#)), ErrorKind::InvalidArgument);
}

#[test]
fn the_input_is_no_output_by_any_name() {
    let (_home, _store, key, work, plain) = file_home();
    let before = fs::read(&plain).unwrap();
    let (hard, soft) = (work.join("hard"), work.join("soft"));
    fs::hard_link(&plain, &hard).unwrap();
    symlink(&plain, &soft).unwrap();
    let around = work.join("../work/./plain");
    for force in [false, true] {
        let options = FileOptions::new().force(force);
        for (from, to) in [
            (&plain, &plain),
            (&plain, &hard),
            (&plain, &soft),
            (&soft, &plain),
            (&hard, &soft),
            (&plain, &around),
        ] {
            let error = key.encrypt_file(from, to, b"aad", &options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.message().contains("input"), "{error}");
        }
    }
    assert!(fs::read(&plain).unwrap() == before);
    assert_eq!(names(&work), ["hard", "plain", "soft"]);
}

#[test]
fn only_regular_files_are_replaced() {
    let (_home, _store, key, work, plain) = file_home();
    let force = FileOptions::new().force(true);
    let (folder, link, dangling) = (work.join("folder"), work.join("link"), work.join("dangling"));
    fs::create_dir(&folder).unwrap();
    fs::write(work.join("elsewhere"), b"kept").unwrap();
    symlink(work.join("elsewhere"), &link).unwrap();
    symlink(work.join("nowhere"), &dangling).unwrap();
    for to in [&folder, &link, &dangling, Path::new("/dev/null")] {
        assert_eq!(kind(key.encrypt_file(&plain, to, b"aad", &force)), ErrorKind::InvalidArgument, "{to:?}");
        assert_eq!(kind(key.encrypt_file(&plain, to, b"aad", &FileOptions::new())), ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read(work.join("elsewhere")).unwrap(), b"kept");
    assert!(!work.join("nowhere").exists());
    for (from, to, expected) in [
        (plain.as_path(), Path::new(""), ErrorKind::InvalidArgument),
        (&plain, Path::new("/"), ErrorKind::InvalidArgument),
        (&plain, Path::new(".."), ErrorKind::InvalidArgument),
        (&plain, &work.join("no/such"), ErrorKind::NotFound),
        (&work.join("none"), &work.join("out"), ErrorKind::NotFound),
        (&folder, &work.join("out"), ErrorKind::InvalidArgument),
        (Path::new(""), &work.join("out"), ErrorKind::NotFound),
        (&plain.join("x"), &work.join("out"), ErrorKind::NotFound),
        (&plain, &plain.join("x"), ErrorKind::NotFound),
        (&plain, &work.join("a\0b"), ErrorKind::InvalidArgument),
        (&plain, &work.join("a\0b/c"), ErrorKind::InvalidArgument),
        (&work.join("a\0b"), &work.join("out"), ErrorKind::InvalidArgument),
        (&plain, &work.join("n".repeat(256)), ErrorKind::InvalidArgument),
        (&work.join("n".repeat(256)), &work.join("out"), ErrorKind::InvalidArgument),
    ] {
        assert_eq!(kind(key.encrypt_file(from, to, b"aad", &force)), expected, "{from:?} to {to:?}");
    }
    assert_eq!(names(&work), ["dangling", "elsewhere", "folder", "link", "plain"]);
}

#[test]
fn the_stores_own_files_are_left_alone() {
    let (home, store, key, work, plain) = file_home();
    let store_file = home.path();
    let link = work.join("link");
    symlink(&store_file, &link).unwrap();
    symlink(home.folder.path(), work.join("folder")).unwrap();
    let force = FileOptions::new().force(true);
    let before = fs::read(&store_file).unwrap();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let name = beside(&store_file, suffix);
        let around = work.join("folder").join(name.file_name().unwrap());
        for options in [&FileOptions::new(), &force] {
            for to in [&name, &around] {
                let error = key.encrypt_file(&plain, to, b"aad", options).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{to:?}: {error}");
                assert!(error.message().contains("store"), "{error}");
            }
        }
        if name.exists() {
            assert_eq!(
                kind(key.encrypt_file(&name, work.join("out"), b"aad", &force)),
                ErrorKind::InvalidArgument
            );
        }
    }
    assert!(beside(&store_file, "-wal").exists() && beside(&store_file, "-shm").exists());
    assert_eq!(kind(key.encrypt_file(&link, work.join("out"), b"aad", &force)), ErrorKind::InvalidArgument);
    assert_eq!(kind(key.encrypt_file(&plain, &link, b"aad", &force)), ErrorKind::InvalidArgument);
    assert!(fs::read(&store_file).unwrap() == before);
    store.rotate_key("files").unwrap();
    assert!(store.check().unwrap().findings.is_empty());
}

#[test]
fn pipes_are_read() {
    let (_home, _store, key, work, _plain) = file_home();
    let pipe = work.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let plaintext = bytes(SEGMENT + 5);
    std::thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, &plaintext).unwrap());
        key.encrypt_file(&pipe, work.join("sealed"), b"aad", &FileOptions::new()).unwrap();
    });
    assert!(opened(&key, &fs::read(work.join("sealed")).unwrap()).unwrap() == plaintext);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_storage_full() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(kind(files().encrypt_stream(&b"a"[..], &full, b"aad")), ErrorKind::StorageFull);
    let ciphertext = sealed(files(), b"a");
    assert_eq!(kind(files().decrypt_stream(&ciphertext[..], &full, b"aad")), ErrorKind::StorageFull);
}

/// The file cannot grow past a segment: nothing of it is left.
#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let (home, store, _key, work, _plain) = file_home();
    store.close();
    assert_eq!(home.child("child_with_small_files", "").finish(), ["Storage"]);
    assert_eq!(names(&work), ["plain"]);
}

#[test]
#[ignore = "the child of a_file_that_cannot_be_written_leaves_nothing"]
#[allow(unsafe_code)]
fn child_with_small_files() {
    let Some(orders) = common::orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("files").unwrap();
    let limit = libc::rlimit { rlim_cur: SEGMENT as libc::rlim_t, rlim_max: SEGMENT as libc::rlim_t };
    // SAFETY: plain system calls on values of our own.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let work = orders.path.with_file_name("work");
    let outcome = key.encrypt_file(work.join("plain"), work.join("out"), b"aad", &FileOptions::new());
    common::tell(kind(outcome));
}

/// Killed half way: the output's name has nothing, or what it had before.
#[test]
fn a_killed_process_leaves_no_half_file() {
    let (home, store, _key, work, _plain) = file_home();
    store.close();
    for before in [None, Some(b"kept")] {
        let out = work.join("out");
        before.iter().for_each(|bytes| fs::write(&out, bytes).unwrap());
        let mut child = home.child("child_that_is_killed", "");
        assert_eq!(child.hears(), "half way");
        child.child.kill().unwrap();
        child.child.wait().unwrap();
        assert_eq!(fs::read(&out).ok(), before.map(|bytes| bytes.to_vec()));
        let left = names(&work).into_iter().filter(|name| name.starts_with(".keyfold-")).collect::<Vec<_>>();
        assert_eq!(left.len(), 1, "what was written lies beside");
        fs::remove_file(work.join(&left[0])).unwrap();
    }
}

#[test]
#[ignore = "the child of a_killed_process_leaves_no_half_file"]
fn child_that_is_killed() {
    let Some(orders) = common::orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("files").unwrap();
    let work = orders.path.with_file_name("work");
    let force = FileOptions::new().force(true);
    let wait = &mut |done| {
        if done > SEGMENT as u64 {
            common::tell("half way");
            common::hear();
        }
        Ok(())
    };
    let _ = key.encrypt_file_with(work.join("plain"), work.join("out"), b"aad", &force, wait);
}

/// Two that write to one name: one wins, and the other finds it there.
#[test]
fn one_of_many_gets_the_name() {
    let (_home, _store, key, work, plain) = file_home();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let encrypt = || key.encrypt_file(&plain, work.join("out"), b"aad", &FileOptions::new());
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(encrypt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(names(&work), ["out", "plain"]);
    assert!(opened(&key, &fs::read(work.join("out")).unwrap()).unwrap() == fs::read(&plain).unwrap());
}

/// All memory of a stream, whatever its length, is a few segments.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_constant() {
    let home = Home::new();
    open_with_files(&home).0.close();
    let lines = home.child("child_with_a_long_stream", "").finish();
    let [encrypting, decrypting]: [u64; 2] =
        lines.iter().map(|line| line.parse().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    assert!(encrypting < 8 << 10 && decrypting < 8 << 10, "{encrypting} and {decrypting} KiB");
}

#[test]
#[ignore = "the child of memory_stays_constant"]
fn child_with_a_long_stream() {
    let Some(orders) = common::orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("files").unwrap();
    opened(&key, &sealed(&key, b"warm")).unwrap();
    let path = orders.path.with_extension("sealed");
    let before = peak();
    let zeros = io::repeat(0).take(200 << 20);
    let mut file = fs::File::create(&path).unwrap();
    key.encrypt_stream(zeros, &mut file, b"aad").unwrap();
    common::tell(peak() - before);
    let before = peak();
    let file = fs::File::open(&path).unwrap();
    assert_eq!(key.decrypt_stream(file, io::sink(), b"aad").unwrap(), 200 << 20);
    common::tell(peak() - before);
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Parent and child would seal different segments under one nonce.
#[test]
fn a_forked_child_does_not_go_on() {
    let home = Home::new();
    open_with_files(&home).0.close();
    let lines = home.child("child_that_forks", "").finish();
    assert_eq!(lines, ["child InvalidArgument 0", "parent went on"]);
}

#[test]
#[ignore = "the child of a_forked_child_does_not_go_on"]
#[allow(unsafe_code)]
fn child_that_forks() {
    let Some(orders) = common::orders() else { return };
    let store = Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("files").unwrap();
    let mut encryptor = key.stream_encryptor(b"aad").unwrap();
    let mut out = Vec::new();
    encryptor.update(b"before", &mut out).unwrap();
    // SAFETY: this process has the harness's threads, but the child only uses what survives a fork.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = encryptor.finish(&mut out);
        common::tell(format!("child {} {}", outcome.unwrap_err().kind(), out.len()));
        // SAFETY: ends the child without the harness.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    encryptor.update(b" and after", &mut out).unwrap();
    encryptor.finish(&mut out).unwrap();
    assert_eq!(opened(&key, &out).unwrap(), b"before and after");
    common::tell("parent went on");
}

#[test]
fn handles_may_go_to_other_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<StreamDecryptor>();
    check::<keyfold::StreamEncryptor>();
    let mut cursor = Cursor::new(Vec::new());
    files().encrypt_stream(&b"a"[..], &mut cursor, b"aad").unwrap();
    assert_eq!(cursor.get_ref().len(), 57);
}
