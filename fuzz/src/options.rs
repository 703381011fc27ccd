//! Options in JSON: nothing unknown, nothing twice, no bare number for a time.

use std::collections::BTreeSet;

use keyfold::{
    AddRecipient, CreateKey, ErrorKind, FileOptions, ImportKey, ImportKeyset, IndexOptions, KeyFilter,
    OpenOptions, PurposeOptions, RestoreOptions, RotateKey, index_report,
};
use serde_json::Value;

use crate::home::{expect, folder, master_key, store};
use crate::input::Input;
use crate::keyset_json::{next_name, next_shop, shop};

const INVALID: &[ErrorKind] = &[ErrorKind::InvalidArgument, ErrorKind::LimitExceeded];
const UNUSABLE: &[ErrorKind] =
    &[ErrorKind::InvalidArgument, ErrorKind::LimitExceeded, ErrorKind::NotFound, ErrorKind::Unsupported];

/// Names that a time stands under.
const TIMES: [&str; 5] = ["refresh_interval", "max_stale", "busy_timeout", "expires_in", "rotation_period"];

macro_rules! accepted {
    ($type:ty, $json:expr) => {
        expect(<$type>::from_json($json), INVALID).inspect(|_| well_formed($json))
    };
}

/// Byte 0 names the options, the rest is their JSON.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    next_shop();
    let which = input.byte();
    let Ok(json) = str::from_utf8(input.rest()) else { return };
    match which % 12 {
        0 => open(json),
        1 => {
            if let Some(options) = accepted!(CreateKey, json) {
                shop(|store| expect(store.create_key(&next_name(), &options), UNUSABLE));
            }
        }
        2 => {
            if let Some(options) = accepted!(RotateKey, json) {
                shop(|store| expect(store.rotate_key_with("none", &options), UNUSABLE));
            }
        }
        3 => {
            if let Some(filter) = accepted!(KeyFilter, json) {
                let limit = filter.limit;
                let found = expect(store().list_keys(&filter), UNUSABLE);
                assert!(found.is_none_or(|keys| limit.is_none_or(|limit| keys.len() <= limit as usize)));
            }
        }
        4 | 5 => {
            if let Some(options) = accepted!(IndexOptions, json) {
                index(&options);
            }
        }
        6 => _ = accepted!(FileOptions, json),
        7 => {
            if let Some(options) = accepted!(ImportKey, json) {
                let material = crate::keysets::secret(1, 32);
                let encoding = keyfold::KeyEncoding::Raw;
                shop(|store| expect(store.import_key(&next_name(), &material, encoding, &options), UNUSABLE));
            }
        }
        8 => {
            if let Some(options) = accepted!(ImportKeyset, json) {
                let protection = keyfold::KeysetProtection::InsecureCleartext;
                shop(|store| expect(store.import_keyset(&next_name(), b"{", protection, &options), UNUSABLE));
            }
        }
        9 => {
            if let Some(options) = accepted!(RestoreOptions, json) {
                let nowhere = folder().join("nowhere");
                let kinds = [UNUSABLE, &[ErrorKind::Storage][..]].concat();
                expect(keyfold::restore(&nowhere, folder().join("to"), &master_key(), &options), &kinds);
            }
        }
        10 => {
            if let Some(options) = accepted!(PurposeOptions, json) {
                let kinds = [UNUSABLE, &[ErrorKind::AlreadyExists][..]].concat();
                shop(|store| expect(store.register_purpose("fuzz", &options), &kinds));
            }
        }
        _ => _ = accepted!(AddRecipient, json),
    }
}

/// Opening with them, where there is no file and none is to be made.
fn open(json: &str) {
    let Some(mut options) = accepted!(OpenOptions, json) else { return };
    options.create = false;
    options.require_mlock = false;
    let path = folder().join("nowhere");
    let kinds = [UNUSABLE, &[ErrorKind::PermissionDenied, ErrorKind::Storage][..]].concat();
    let opened = keyfold::Store::open_with(path, &master_key(), &options);
    assert!(expect(opened, &kinds).is_none(), "a store from nowhere");
}

fn index(options: &IndexOptions) {
    let key = store().key("siv").expect("a key of this store");
    let bits = options.bits as usize;
    for value in [&b""[..], b" Ada Lovelace 1815 ", "Stra\u{df}e".as_bytes(), b"\xff"] {
        let found = expect(key.blind_index(value, "field", options), INVALID);
        assert!(found.is_none_or(|index| index.len() == bits.div_ceil(8)));
    }
    expect(index_report(&[Some(b"ada"), None], options), INVALID);
}

/// What was accepted is one object, of no name twice, and no time in it is a bare number.
fn well_formed(json: &str) {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = ();

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut names = BTreeSet::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                assert!(!(TIMES.contains(&name.as_str()) && value.is_number()), "a bare number for {name}");
                assert!(names.insert(name), "a name given twice");
            }
            Ok(())
        }
    }
    let mut read = serde_json::Deserializer::from_str(json);
    serde::Deserializer::deserialize_map(&mut read, Names).expect("an object");
    read.end().expect("nothing after it");
}
