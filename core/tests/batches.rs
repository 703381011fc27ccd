//! Batches: what a batch does to many values is what single calls do to each; errors name their place.

mod common;

use common::{Home, Random, kind};
use keyfold::{
    Aad, Aads, Algorithm, Context, CreateKey, ErrorKind, Key, KeyKind, OnError, OpenOptions, limits,
};
use proptest::prelude::*;

fn values(sealed: &keyfold::Packed) -> Vec<Option<&[u8]>> {
    sealed.iter().collect()
}

#[test]
fn single_calls_open_batches_and_batches_open_single_calls() {
    let home = Home::new();
    let store = home.open();
    for algorithm in Algorithm::AEAD {
        store.create_key(algorithm.name(), &CreateKey::new().algorithm(algorithm)).unwrap();
        let key = store.key(algorithm.name()).unwrap();
        let plain: Vec<Option<Vec<u8>>> =
            (0..300).map(|n| (n % 7 != 3).then(|| vec![n as u8; n % 50])).collect();
        let plain: Vec<Option<&[u8]>> = plain.iter().map(Option::as_deref).collect();
        let sealed = key.encrypt_many(&plain, Aad::from(b"aad")).unwrap();
        assert_eq!(sealed.len(), 300);
        for (plain, sealed) in plain.iter().zip(sealed.iter()) {
            assert_eq!(plain.is_none(), sealed.is_none());
            if let (Some(plain), Some(sealed)) = (plain, sealed) {
                assert_eq!(key.decrypt(sealed, b"aad").unwrap(), **plain);
            }
        }
        let singly: Vec<Option<Vec<u8>>> =
            plain.iter().map(|plain| plain.map(|plain| key.encrypt(plain, b"aad").unwrap())).collect();
        let singly: Vec<Option<&[u8]>> = singly.iter().map(Option::as_deref).collect();
        for sealed in [values(&sealed), singly] {
            let opened = key.decrypt_many(&sealed, Aad::from(b"aad"), OnError::Raise).unwrap();
            assert!(opened.iter().map(Result::unwrap).eq(plain.iter().copied()));
        }
    }
}

#[test]
fn nonces_of_a_batch_differ() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let plain = vec![Some(&b"the same"[..]); 10_000];
    let sealed = key.encrypt_many(&plain, Aad::NONE).unwrap();
    let nonces: std::collections::HashSet<_> =
        sealed.iter().map(|value| value.unwrap()[5..17].to_vec()).collect();
    assert_eq!(nonces.len(), 10_000);
}

#[test]
fn each_value_has_its_own_aad() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let rows: Vec<Context> = (0..3).map(|id| Context::new().with("id", id)).collect();
    let aads: Vec<Aad<'_>> = rows.iter().map(Aad::from).collect();
    let plain = [Some(&b"a"[..]), None, Some(b"c")];
    let sealed = key.encrypt_many(&plain, &aads[..]).unwrap();
    assert_eq!(key.decrypt(sealed.get(2).unwrap(), &rows[2]).unwrap(), b"c"[..]);
    assert_eq!(kind(key.decrypt(sealed.get(2).unwrap(), &rows[0])), ErrorKind::DecryptionFailed);
    let opened = key.decrypt_many(&values(&sealed), &aads[..], OnError::Raise).unwrap();
    assert_eq!((opened.get(0).unwrap(), opened.get(1).unwrap()), (Some(&b"a"[..]), None));
    let swapped = [aads[2], aads[1], aads[0]];
    let error = key.decrypt_many(&values(&sealed), &swapped[..], OnError::Raise).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::DecryptionFailed, Some(0)));
    for count in [0, 2, 4] {
        let other = vec![Aad::NONE; count];
        assert_eq!(kind(key.encrypt_many(&plain, &other[..])), ErrorKind::InvalidArgument);
        assert_eq!(
            kind(key.decrypt_many(&values(&sealed), &other[..], OnError::Return)),
            ErrorKind::InvalidArgument
        );
    }
    // A bad context names its place too.
    let empty = Context::new();
    let error = key.encrypt_many(&plain, &[aads[0], aads[1], Aad::from(&empty)][..]).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidArgument, Some(2)));
}

#[test]
fn one_bad_value_is_reported_at_its_place() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let sealed =
        key.encrypt_many(&[Some(&b"first"[..]), Some(b"second"), Some(b"third")], Aad::NONE).unwrap();
    let good = values(&sealed);
    let mut flipped = good[1].unwrap().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut unknown = good[1].unwrap().to_vec();
    unknown[1] ^= 1;
    let cut = &good[1].unwrap()[..30];
    for bad in [&flipped[..], &unknown, cut, b"", b"kf1.!", b"\x01", b"no ciphertext at all"] {
        let given = [good[0], Some(bad), good[2], None];
        let error = key.decrypt_many(&given, Aad::NONE, OnError::Raise).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::DecryptionFailed, Some(1)), "{bad:?}");
        let single = key.decrypt(bad, Aad::NONE).unwrap_err();
        assert_eq!(error.message(), single.message());
        let opened = key.decrypt_many(&given, Aad::NONE, OnError::Return).unwrap();
        assert_eq!(opened.get(0).unwrap(), Some(&b"first"[..]));
        assert_eq!(opened.get(1).unwrap_err().index(), Some(1));
        assert_eq!((opened.get(2).unwrap(), opened.get(3).unwrap()), (Some(&b"third"[..]), None));
        assert_eq!(opened.errors().count(), 1);
        assert_eq!(opened.bytes(), b"firstthird", "nothing of the bad value");
        assert_eq!(format!("{opened:?}"), "PlaintextBatch(4 values, 10 bytes)");
    }
}

#[test]
fn a_batch_of_unknown_tags_looks_once() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let bad: Vec<Vec<u8>> =
        (1..=2_000u32).map(|tag| [&[1][..], &tag.to_be_bytes(), &[0; 40]].concat()).collect();
    let bad: Vec<Option<&[u8]>> = bad.iter().map(|bad| Some(&bad[..])).collect();
    let started = std::time::Instant::now();
    let opened = key.decrypt_many(&bad, Aad::NONE, OnError::Return).unwrap();
    assert_eq!(opened.errors().count(), 2_000);
    // One look each would take 20 s.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn versions_are_found_value_by_value_also_those_of_others() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let key = store.key("k").unwrap();
    let other = home.open_with(&OpenOptions::new()).unwrap();
    let mut sealed = Vec::new();
    for round in 0..5u8 {
        sealed.push(other.key("k").unwrap().encrypt(&[round], Aad::NONE).unwrap());
        other.rotate_key("k").unwrap();
    }
    let given: Vec<Option<&[u8]>> = sealed.iter().rev().map(|sealed| Some(&sealed[..])).collect();
    let opened = key.decrypt_many(&given, Aad::NONE, OnError::Raise).unwrap();
    assert_eq!(opened.bytes(), [4, 3, 2, 1, 0]);
}

#[test]
fn text_in_and_text_out() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let long = "long ".repeat(1_000);
    let plain = [Some("ada"), None, Some(""), Some("naïve"), Some(&long[..])];
    let sealed = key.encrypt_many_text(&plain, Aad::from(b"aad")).unwrap();
    assert_eq!((sealed.len(), sealed.get(1)), (5, None));
    assert!(sealed.text().is_ascii());
    for (plain, sealed) in plain.iter().zip(sealed.iter()) {
        if let Some(sealed) = sealed {
            assert!(sealed.starts_with("kf1."));
            assert_eq!(&*key.decrypt_text(sealed, b"aad").unwrap(), plain.unwrap());
        }
    }
    let given: Vec<Option<&str>> = sealed.iter().collect();
    let opened = key.decrypt_many_text(&given, Aad::from(b"aad"), OnError::Raise).unwrap();
    for (place, plain) in plain.iter().enumerate() {
        assert_eq!(opened.text(place).unwrap(), *plain);
    }
    // Both forms in one batch of bytes.
    let bytes = keyfold::from_text(given[0].unwrap()).unwrap();
    let mixed = [given[0].map(str::as_bytes), Some(&bytes[..])];
    assert_eq!(key.decrypt_many(&mixed, Aad::from(b"aad"), OnError::Raise).unwrap().bytes(), b"adaada");
    // No text form, and no text in it.
    let binary = keyfold::to_text(&key.encrypt(b"\xff", b"aad").unwrap());
    for bad in ["ada", "", "kf1.", "kf1.AQ==", &binary] {
        let given = [given[0], Some(bad)];
        let error = key.decrypt_many_text(&given, Aad::from(b"aad"), OnError::Raise).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::DecryptionFailed, Some(1)));
        let opened = key.decrypt_many_text(&given, Aad::from(b"aad"), OnError::Return).unwrap();
        assert_eq!((opened.bytes(), opened.errors().count()), (&b"ada"[..], 1));
    }
}

#[test]
fn value_by_value_into_buffers_of_the_callers() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let mut batch = key.batch_encryption(Aad::from(b"aad"), 2).unwrap();
    let mut sealed = vec![0; batch.length(3).unwrap()];
    batch.write(0, b"ada", &mut sealed).unwrap();
    let error = batch.write(1, b"ada", &mut [0; 3]).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::InvalidArgument, Some(1)));
    let mut text = String::from("> ");
    let error = batch.append_text(1, b"ada", &mut text).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (ErrorKind::InvalidArgument, "> "), "begun for two");
    let mut batch = key.batch_encryption(Aad::from(b"aad"), 1).unwrap();
    batch.append_text(0, b"ada", &mut text).unwrap();

    let mut batch = key.batch_decryption(Aad::from(b"aad"), 3).unwrap();
    let mut out = [7; 3];
    let item = batch.item(0, &sealed).unwrap();
    assert_eq!(item.length(), 3);
    assert_eq!(kind(item.write(&mut [0; 4])), ErrorKind::InvalidArgument);
    item.write(&mut out).unwrap();
    assert_eq!(&out, b"ada");
    batch.item(1, &text.as_bytes()[2..]).unwrap().write(&mut out).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    let error = batch.item(2, &sealed).unwrap().write(&mut out).unwrap_err();
    assert_eq!((error.kind(), error.index(), out), (ErrorKind::DecryptionFailed, Some(2), [0; 3]));
    assert_eq!(kind(batch.item(3, &sealed).map(|_| ())), ErrorKind::InvalidArgument);
}

#[test]
fn limits_hold() {
    let home = Home::new();
    let key = home.open_with_key("k").key("k").unwrap();
    let most = vec![Some(&b""[..]); limits::BATCH];
    let sealed = key.encrypt_many(&most, Aad::NONE).unwrap();
    key.decrypt_many(&values(&sealed), Aad::NONE, OnError::Raise).unwrap();
    let more = vec![None; limits::BATCH + 1];
    assert_eq!(kind(key.encrypt_many(&more, Aad::NONE)), ErrorKind::LimitExceeded);
    assert_eq!(kind(key.decrypt_many(&more, Aad::NONE, OnError::Return)), ErrorKind::LimitExceeded);
    assert_eq!(
        kind(key.batch_encryption(Aad::NONE, limits::BATCH + 1).map(|_| ())),
        ErrorKind::LimitExceeded
    );

    // One long value, many times: only its length counts.
    let mebibytes = vec![0u8; 4 << 20];
    let too_many = vec![Some(&mebibytes[..]); 64];
    assert_eq!(kind(key.encrypt_many(&too_many, Aad::NONE)), ErrorKind::LimitExceeded);
    assert!(key.decrypt_many(&too_many, Aad::NONE, OnError::Return).is_ok());
    let too_many = [&too_many[..], &[Some(&b"1"[..])]].concat();
    assert_eq!(kind(key.decrypt_many(&too_many, Aad::NONE, OnError::Return)), ErrorKind::LimitExceeded);
    let text = String::from_utf8(vec![b'a'; 4 << 20]).unwrap();
    assert_eq!(kind(key.encrypt_many_text(&vec![Some(&text[..]); 48], Aad::NONE)), ErrorKind::LimitExceeded);

    let message = vec![0u8; limits::MESSAGE_BYTES + 1];
    let error = key.encrypt_many(&[None, Some(&message[..])], Aad::NONE).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::LimitExceeded, Some(1)));
    let aad = vec![0u8; limits::AAD_BYTES + 1];
    assert_eq!(kind(key.encrypt_many(&[None], Aad::from(&aad))), ErrorKind::LimitExceeded);
}

#[test]
fn other_kinds_and_closed_stores_are_refused() {
    let home = Home::new();
    let store = home.open_with_key("k");
    store.create_key("files", &CreateKey::new().kind(KeyKind::Stream)).unwrap();
    let files = store.key("files").unwrap();
    assert_eq!(kind(files.encrypt_many(&[], Aad::NONE)), ErrorKind::InvalidArgument);
    assert_eq!(kind(files.encrypt_many_text(&[None], Aad::NONE)), ErrorKind::InvalidArgument);
    let key = store.key("k").unwrap();
    assert!(key.encrypt_many(&[], Aad::NONE).unwrap().is_empty());
    assert!(key.decrypt_many(&[], Aad::NONE, OnError::Raise).unwrap().is_empty());
    let sealed = key.encrypt(b"a", Aad::NONE).unwrap();
    store.close();
    for on_error in [OnError::Raise, OnError::Return] {
        let closed = key.decrypt_many(&[Some(&sealed[..])], Aad::NONE, on_error);
        assert_eq!(kind(closed), ErrorKind::Closed);
    }
    assert_eq!(kind(key.encrypt_many(&[None], Aad::NONE)), ErrorKind::Closed);
}

#[test]
fn one_batch_is_of_one_version() {
    let home = Home::new();
    let store = home.open_with_key("k");
    let key = store.key("k").unwrap();
    let mut batch = key.batch_encryption(Aads::One(Aad::NONE), 2).unwrap();
    let mut sealed = [[0u8; 33]; 2];
    batch.write(0, b"", &mut sealed[0]).unwrap();
    store.rotate_key("k").unwrap();
    batch.write(1, b"", &mut sealed[1]).unwrap();
    assert_eq!(sealed[0][..5], sealed[1][..5]);
    assert!(key.needs_reencrypt(sealed[1]).unwrap());
}

/// What was drawn in a block before a fork is given to one side only.
#[test]
fn no_nonce_is_on_both_sides_of_a_fork() {
    let home = Home::new();
    home.open_with_key("k").close();
    let lines = home.child("child_that_forks", "").finish();
    assert_eq!(lines.len(), 3);
    let nonces: Vec<&str> = lines.iter().map(|line| &line[10..34]).collect();
    assert_eq!(lines[0][..10], lines[1][..10], "one version");
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2], "{nonces:?}");
}

#[test]
#[ignore = "the child of no_nonce_is_on_both_sides_of_a_fork"]
#[allow(unsafe_code)]
fn child_that_forks() {
    let Some(orders) = common::orders() else { return };
    let store = keyfold::Store::open_with(&orders.path, &orders.master_key, &OpenOptions::new()).unwrap();
    let key = store.key("k").unwrap();
    let mut batch = key.batch_encryption(Aad::NONE, 10).unwrap();
    let mut out = [0; 34];
    batch.write(0, b"a", &mut out).unwrap();
    common::tell(common::hex(&out));
    // SAFETY: this process has the harness's threads, but the child only uses what survives a fork.
    let child = unsafe { libc::fork() };
    batch.write(1, b"a", &mut out).unwrap();
    if child == 0 {
        common::tell(common::hex(&out));
        // SAFETY: ends the child without the harness.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    common::tell(common::hex(&out));
}

fn property_key() -> &'static Key {
    static KEY: std::sync::OnceLock<(Home, Key)> = std::sync::OnceLock::new();
    &KEY.get_or_init(|| {
        let home = Home::new();
        let key = home.open_with_key("k").key("k").unwrap();
        (home, key)
    })
    .1
}

proptest! {
    #[test]
    fn any_values_come_back(values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..200)), 0..50)) {
        let given: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
        let sealed = property_key().encrypt_many(&given, Aad::from(b"aad")).unwrap();
        let sealed: Vec<Option<&[u8]>> = sealed.iter().collect();
        let opened = property_key().decrypt_many(&sealed, Aad::from(b"aad"), OnError::Raise).unwrap();
        prop_assert!(opened.iter().map(Result::unwrap).eq(given));
    }

    #[test]
    fn any_damage_is_found_at_its_place(count in 1usize..20, place in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let plain = vec![Some(&b"a plaintext"[..]); count];
        let sealed = property_key().encrypt_many(&plain, Aad::NONE).unwrap();
        let mut values: Vec<Vec<u8>> = sealed.iter().map(|value| value.unwrap().to_vec()).collect();
        let place = place.index(count);
        let bit = bit.index(values[place].len() * 8);
        values[place][bit / 8] ^= 1 << (bit % 8);
        let given: Vec<Option<&[u8]>> = values.iter().map(|value| Some(&value[..])).collect();
        let opened = property_key().decrypt_many(&given, Aad::NONE, OnError::Return).unwrap();
        for index in 0..count {
            prop_assert_eq!(opened.get(index).is_err(), index == place);
        }
    }
}

#[test]
fn hostile_values_never_panic() {
    let mut random = Random::new("batches");
    let key = property_key();
    for _ in 0..500 {
        let count = random.below(20);
        let values: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let length = random.below(80);
                let mut value = random.bytes(length);
                match random.below(3) {
                    0 if !value.is_empty() => value[0] = 1,
                    1 => value.splice(0..0, *b"kf1.").for_each(drop),
                    _ => {}
                }
                value
            })
            .collect();
        let given: Vec<Option<&[u8]>> = values.iter().map(|value| Some(&value[..])).collect();
        let opened = key.decrypt_many(&given, Aad::NONE, OnError::Return).unwrap();
        assert_eq!(opened.errors().count(), count);
    }
}
