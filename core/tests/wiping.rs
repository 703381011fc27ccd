//! No memory that streams and batches give back holds plaintext, whether they succeed, fail or are thrown away.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Home, hex};
use keyfold::{
    Aad, Algorithm, CreateKey, ImportKey, ImportKeyset, KeyEncoding, KeyKind, KeysetFormat, KeysetProtection,
    OnError, Passphrase, Store,
};

/// What the plaintext is made of.
const CANARY: &[u8; 16] = b"canary-plaintext";

/// Looks through what a thread that watches gives back.
struct Watching;

thread_local! {
    static WATCHES: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came. Growing is an allocation, a copy and a release.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised. Zeroed, so that all of it may be read later.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if WATCHES.try_with(Cell::get).unwrap_or(false) {
            // SAFETY: the block is still whole, and all of it was written when it was allocated.
            let block = unsafe { std::slice::from_raw_parts(start, layout.size()) };
            if holds_plaintext(block) {
                let _ = FOUND.try_with(|found| found.set(found.get() + 1));
            }
        }
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Half of the canary is enough, or a part of it in base64, in each of the alignments. Allocates nothing.
fn holds_plaintext(block: &[u8]) -> bool {
    let parts = [&CANARY[..8], b"YXJ5LXBs", b"bmFyeS1w", b"YW5hcnkt"];
    // Byte by byte only where there is something at all: without optimisation a mebibyte takes long.
    let chunks = block.chunks(4096).enumerate().filter(|(_, chunk)| chunk.iter().any(|byte| *byte != 0));
    let mut windows = chunks.flat_map(|(place, _)| block[4096 * place..].windows(8).take(4096));
    windows.any(|window| parts.contains(&window))
}

/// How many blocks with plaintext `work` gave back.
fn found<T>(work: impl FnOnce() -> T) -> usize {
    FOUND.set(0);
    WATCHES.set(true);
    let kept = work();
    drop(kept);
    WATCHES.set(false);
    FOUND.get()
}

/// Plaintext without a buffer.
struct Canaries(usize);

impl Read for Canaries {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out.len().min(self.0);
        for (place, byte) in out[..count].iter_mut().enumerate() {
            *byte = CANARY[place % 16];
        }
        self.0 -= count;
        Ok(count)
    }
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

fn store(home: &Home) -> Store {
    let store = home.open_with_key("k");
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream)).unwrap();
    store
}

const LENGTH: usize = (2 << 20) + 1000;

#[test]
fn the_watch_sees_what_is_given_back() {
    assert_eq!(found(|| CANARY.repeat(3)), 1);
    assert_eq!(found(|| vec![7; 100]), 0);
    for before in 0..3 {
        assert_eq!(found(|| STANDARD.encode([&[0; 2][..before], &CANARY[..]].concat())), 2, "{before}");
    }
    let grown = || {
        let mut bytes = CANARY.repeat(3);
        bytes.reserve(1 << 20);
        wipe(&mut bytes);
        bytes
    };
    assert_eq!(found(grown), 1);
}

#[test]
fn streams_leave_nothing() {
    let home = Home::new();
    let files = store(&home).key("files").unwrap();
    let mut sealed = Vec::new();
    assert_eq!(found(|| files.encrypt_stream(Canaries(LENGTH), &mut sealed, b"aad").unwrap()), 0);
    assert_eq!(found(|| files.decrypt_stream(&sealed[..], io::sink(), b"aad").unwrap()), 0);
    // Cut, stopped, and by a panic.
    let cut = &sealed[..sealed.len() - 1];
    assert_eq!(found(|| files.decrypt_stream(cut, io::sink(), b"aad").unwrap_err()), 0);
    assert_eq!(found(|| files.encrypt_stream(Canaries(LENGTH), &mut [0; 10][..], b"aad").unwrap_err()), 0);
    let stop = |_| Err("enough".into());
    assert_eq!(
        found(|| files.decrypt_stream_with(&sealed[..], io::sink(), b"aad", &mut { stop }).unwrap_err()),
        0
    );
    let panics = || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            files.decrypt_stream_with(&sealed[..], io::sink(), b"aad", &mut |_| panic!("as a test"))
        }))
        .is_err()
    };
    assert_eq!(found(panics), 0);
}

#[test]
fn streams_in_parts_leave_nothing() {
    let home = Home::new();
    let files = store(&home).key("files").unwrap();
    let plaintext = CANARY.repeat(LENGTH / 16);
    let mut sealed = Vec::new();
    for part in [1000, 300_000, 2 << 20] {
        sealed.clear();
        let seal = |out: &mut Vec<u8>| {
            let mut encryptor = files.stream_encryptor(b"aad").unwrap();
            plaintext.chunks(part).for_each(|part| encryptor.update(part, out).unwrap());
            encryptor.finish(out).unwrap();
        };
        assert_eq!(found(|| seal(&mut sealed)), 0, "parts of {part}");
        let open = || {
            let mut out = Vec::new();
            let mut decryptor = files.stream_decryptor(b"aad").unwrap();
            sealed.chunks(part).for_each(|part| decryptor.update(part, &mut out).unwrap());
            decryptor.finish(&mut out).unwrap();
            assert!(out == plaintext);
            wipe(&mut out);
            out
        };
        assert_eq!(found(open), 0, "parts of {part}");
    }
    // Thrown away half way.
    let abandoned = || {
        let mut encryptor = files.stream_encryptor(b"aad").unwrap();
        encryptor.update(&plaintext[..1000], &mut Vec::new()).unwrap();
    };
    assert_eq!(found(abandoned), 0);
    // Damaged at the end: what the call had opened goes.
    *sealed.last_mut().unwrap() ^= 1;
    let damaged = || {
        let mut out = Vec::with_capacity(4 << 20);
        let mut decryptor = files.stream_decryptor(b"aad").unwrap();
        decryptor.update(&[&sealed[..], &[0; 1 << 20]].concat(), &mut out).unwrap_err();
        out
    };
    assert_eq!(found(damaged), 0);
}

#[test]
fn batches_leave_nothing() {
    let home = Home::new();
    let key = store(&home).key("k").unwrap();
    let text = String::from_utf8(CANARY.repeat(10)).unwrap();
    let plain = vec![Some(text.as_bytes()); 100];
    let texts = vec![Some(&text[..]); 100];
    assert_eq!(found(|| key.encrypt_many(&plain, Aad::NONE).unwrap()), 0);
    assert_eq!(found(|| key.encrypt_many_text(&texts, Aad::NONE).unwrap()), 0);
    let sealed = key.encrypt_many(&plain, Aad::NONE).unwrap();
    let mut sealed: Vec<Option<Vec<u8>>> = sealed.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
    let sealed_texts = key.encrypt_many_text(&texts, Aad::NONE).unwrap();
    let sealed_texts: Vec<Option<&str>> = sealed_texts.iter().collect();
    assert_eq!(found(|| key.decrypt_many_text(&sealed_texts, Aad::NONE, OnError::Raise).unwrap()), 0);
    sealed[99].as_mut().unwrap()[50] ^= 1;
    let sealed: Vec<Option<&[u8]>> = sealed.iter().map(Option::as_deref).collect();
    assert_eq!(found(|| key.decrypt_many(&sealed, Aad::NONE, OnError::Return).unwrap()), 0);
    assert_eq!(found(|| key.decrypt_many(&sealed, Aad::NONE, OnError::Raise).unwrap_err()), 0);
    // One by one, as text.
    assert_eq!(found(|| key.encrypt_text(&text, Aad::NONE).unwrap()), 0);
    assert_eq!(found(|| key.decrypt_text(sealed_texts[0].unwrap(), Aad::NONE).unwrap()), 0);
}

/// Keys that came in, and went out again, in every form.
#[test]
fn keys_leave_nothing() {
    let home = Home::new();
    let store = store(&home);
    let options = |algorithm| ImportKey::new().algorithm(algorithm).exportable(true);
    for (algorithm, length) in [
        (Algorithm::Aes256GcmSiv, 32),
        (Algorithm::XChaCha20Poly1305, 32),
        (Algorithm::Aes256Siv, 64),
        (Algorithm::Aes256GcmHkdf1Mb, 32),
        (Algorithm::HmacSha256, 32),
        (Algorithm::HmacSha512, 64),
        (Algorithm::HkdfSha256, 32),
    ] {
        let mut key = CANARY.repeat(length / 16);
        *key.last_mut().unwrap() = 1;
        for (encoding, form) in [
            (KeyEncoding::Raw, key.clone()),
            (KeyEncoding::Hex, hex(&key).into_bytes()),
            (KeyEncoding::Base64, STANDARD.encode(&key).into_bytes()),
        ] {
            let id = format!("{algorithm}-{}", encoding.name());
            assert_eq!(found(|| store.import_key(&id, &form, encoding, &options(algorithm)).unwrap()), 0);
            assert_eq!(found(|| store.get_encryption_key(&id, length, encoding).unwrap()), 0, "{id}");
        }
        let id = format!("{algorithm}-raw");
        for (name, way) in
            [("clear", KeysetProtection::InsecureCleartext), ("key", KeysetProtection::Key("k"))]
        {
            for format in KeysetFormat::ALL {
                assert_eq!(found(|| store.export_keyset(&id, format, way).unwrap()), 0, "{id}");
                let keyset = store.export_keyset(&id, format, way).unwrap();
                let (bytes, other) = (&keyset.bytes[..], format!("{id}-{}-{name}", format.name()));
                let import = |name: &str, bytes: &[u8]| {
                    store.import_keyset(name, bytes, way, &ImportKeyset::new()).map(|_| ())
                };
                assert_eq!(found(|| import(&other, bytes).unwrap()), 0, "{other}");
                assert_eq!(found(|| import("cut", &bytes[..bytes.len() - 2]).unwrap_err()), 0, "{other}");
                if (format, name) == (KeysetFormat::Json, "clear") {
                    let text = std::str::from_utf8(bytes).unwrap();
                    let escaped = text.replace('/', "\\/").replace('=', "\\u003d").replace('Y', "\\u0059");
                    let id = format!("{other}-escaped");
                    assert_eq!(found(|| import(&id, escaped.as_bytes()).unwrap()), 0, "{other}");
                    let lines = text.replace("Y", "Y\\n");
                    assert_eq!(found(|| import("lines", lines.as_bytes()).unwrap_err()), 0, "{other}");
                }
            }
        }
    }
}

#[test]
fn passphrases_leave_nothing() {
    let text = "canary-plaintext of a passphrase, e\u{301}";
    let made = || Passphrase::new(text).unwrap().with_argon2id(19 << 10, 1, 1).unwrap();
    assert_eq!(found(made), 0);
    let home = Home::new();
    let opened = || {
        let master_key = keyfold::MasterKey::passphrase(made());
        let options = keyfold::OpenOptions::new().create(true);
        Store::open_with(home.path(), &master_key, &options).unwrap().close();
    };
    assert_eq!(found(opened), 0);
    assert_eq!(found(opened), 0);
}
