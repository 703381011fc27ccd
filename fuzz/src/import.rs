//! What is brought in from elsewhere: backups to be restored, and single keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyfold::{ErrorKind, ImportKey, KeyEncoding, MasterKey, RestoreOptions, limits, restore};

use crate::damage::change_bytes;
use crate::home::{expect, folder, master_key};
use crate::input::Input;
use crate::keyset_json::{next_name, next_shop, shop};
use crate::sample::{Sample, put};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    next_shop();
    match input.byte() % 4 {
        0 => backup(input.rest().to_vec(), &mut input),
        1 => {
            let mut bytes = Sample::get().bytes.clone();
            change_bytes(&mut bytes, &mut input);
            backup(bytes, &mut input);
        }
        _ => key(&mut input),
    }
}

/// What is restored says the truth, all of it; else nothing is, and what stood there stays.
fn backup(bytes: Vec<u8>, input: &mut Input) {
    let sample = Sample::get();
    let source = put("backup", &bytes);
    let over = input.byte() & 1 == 1;
    let target = if over { sample.put("target") } else { put("target", b"") };
    if !over {
        std::fs::remove_file(&target).expect("it was made");
    }
    let master_key = if input.byte() == 1 {
        MasterKey::bytes(&crate::keysets::secret(7, 32)).expect("32 bytes")
    } else {
        master_key()
    };
    use ErrorKind::{AlreadyExists, IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey};
    let kinds = [AlreadyExists, IntegrityError, PermissionDenied, Storage, Unsupported, WrongMasterKey];
    let restored = expect(restore(&source, &target, &master_key, &RestoreOptions::new()), &kinds);
    match (restored, over) {
        (Some(_), _) => {
            let store =
                keyfold::Store::open_with(&target, &master_key, &Default::default()).expect("restored");
            assert!(store.check().expect("restored").ok, "a backup was restored that does not verify");
            assert_eq!(store.key_info("alpha").expect("its key").key_id, "alpha");
            store.close();
        }
        (None, true) => {
            let verdict = sample.judge(&target);
            assert!(
                !verdict.noticed() && verdict.lies.is_empty(),
                "what stood there was changed: {verdict:?}"
            );
        }
        (None, false) => assert!(target.symlink_metadata().is_err(), "half a store was left behind"),
    }
    let own = target.file_name().expect("a name").to_string_lossy().into_owned();
    let names = std::fs::read_dir(folder()).expect("the folder").flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert_eq!(
        names.find(|name| name.starts_with(&own) && name.ends_with(".new")),
        None,
        "a copy was left behind"
    );
}

/// A key that was taken in is what the encoding says, and no other length or form is.
fn key(input: &mut Input) {
    let encoding = KeyEncoding::ALL[input.below(3)];
    let kinds = keyfold::KeyKind::ALL;
    let kind = kinds[input.below(kinds.len())];
    let material = input.rest();
    let name = next_name();
    let options = ImportKey::new().kind(kind).exportable(true);
    let refused = [ErrorKind::InvalidArgument, ErrorKind::LimitExceeded];
    let meant = match encoding {
        KeyEncoding::Raw => Some(material.to_vec()),
        KeyEncoding::Hex => hex(material),
        _ => STANDARD.decode(material).ok(),
    };
    shop(|store| {
        let Some(info) = expect(store.import_key(&name, material, encoding, &options), &refused) else {
            return;
        };
        let meant = meant.expect("not in the encoding, and taken");
        assert!((1..=limits::KEY_MATERIAL_BYTES).contains(&meant.len()));
        assert!(meant.iter().any(|byte| *byte != meant[0]), "all bytes are one");
        assert_eq!(info.current_version, Some(1));
        assert_eq!(store.get_data_key(&name, None).expect("exportable")[..], meant[..]);
    });
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}
