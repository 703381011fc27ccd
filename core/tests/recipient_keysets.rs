//! Keysets sealed to the store that is to have them.

mod common;

use common::{Home, hostile, kind};
use keyfold::{
    AddRecipient, CreateKey, ErrorKind, ImportKeyset, KeyKind, KeysetFormat, KeysetProtection, MasterKey,
    Mode, OpenOptions, Store,
};

fn key() -> MasterKey {
    MasterKey::parse(&keyfold::generate_master_key().unwrap()).unwrap()
}

fn open_as(home: &Home, key: &MasterKey) -> Store {
    Store::open_with(home.path(), key, &OpenOptions::new()).unwrap()
}

/// A store with an exportable key, and what it sealed.
fn sender() -> (Home, Store, Vec<u8>) {
    let home = Home::new();
    let store = home.open();
    store.create_key("pii", &CreateKey::new().exportable(true)).unwrap();
    let sealed = store.encrypt("pii", b"ada", b"aad").unwrap();
    store.rotate_key("pii").unwrap();
    (home, store, sealed)
}

fn export(store: &Store, to: &str) -> keyfold::Result<Vec<u8>> {
    let keyset = store.export_keyset("pii", KeysetFormat::Json, KeysetProtection::Recipient(to))?;
    Ok(keyset.bytes.to_vec())
}

fn import(store: &Store, id: &str, keyset: &[u8]) -> keyfold::Result<()> {
    store.import_keyset(id, keyset, KeysetProtection::OwnRecipient, &ImportKeyset::new()).map(|_| ())
}

#[test]
fn a_keyset_goes_to_the_store_that_it_is_sealed_to() {
    let (home, from, sealed) = sender();
    let to = Home::new();
    let receiver = to.open();
    let address = receiver.recipient_public_key(None).unwrap();
    assert_eq!(address, receiver.recipient_public_key(Some("master-key-1")).unwrap());
    assert!(address.starts_with("kfpk1."));
    for format in KeysetFormat::ALL {
        let keyset = from.export_keyset("pii", format, KeysetProtection::Recipient(&address)).unwrap();
        assert!(keyset.bytes.starts_with(b"kfkr1.") && !keyset.losses.is_empty());
        let id = format.name();
        import(&receiver, id, &keyset.bytes).unwrap();
        assert_eq!(receiver.decrypt(id, &sealed, b"aad").unwrap(), b"ada"[..]);
        assert_eq!(receiver.list_key_versions(id).unwrap().len(), 2);
        // With a newline, as a file has it.
        import(&receiver, &format!("{id}-2"), &[&keyset.bytes[..], b"\n"].concat()).unwrap();
    }
    let keyset = export(&from, &address).unwrap();
    // The sender cannot open it, nor any third, nor anybody by other means.
    let third = Home::new().open();
    assert_eq!(kind(import(&from, "back", &keyset)), ErrorKind::DecryptionFailed);
    assert_eq!(kind(import(&third, "back", &keyset)), ErrorKind::DecryptionFailed);
    for other in [
        KeysetProtection::InsecureCleartext,
        KeysetProtection::Passphrase(b"x"),
        KeysetProtection::Key("json"),
        KeysetProtection::Recipient(&address),
    ] {
        let refused = receiver.import_keyset("no", &keyset, other, &ImportKeyset::new());
        assert_eq!(kind(refused), ErrorKind::InvalidArgument, "{other:?}");
    }
    assert!(receiver.check().unwrap().ok && from.check().unwrap().ok);
    // What was done is recorded, and no key or address is in the record.
    let record: String = hostile(&home.path())
        .query_row("SELECT record FROM audit ORDER BY sequence DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    assert!(record.contains("export_keyset") && record.contains("to recipient master-key-1 of store "));
    assert!(!record.contains("kfpk1"));
}

#[test]
fn every_kind_goes_and_every_recipient_receives() {
    let (_home, from, _) = sender();
    let to = Home::new();
    let first = to.open();
    let second = key();
    first.add_recipient(&second, &AddRecipient::new().id("safe")).unwrap();
    let other = open_as(&to, &second);
    let address = first.recipient_public_key(Some("safe")).unwrap();
    assert_eq!(address, other.recipient_public_key(None).unwrap());
    assert_ne!(address, first.recipient_public_key(None).unwrap());
    let keyset = export(&from, &address).unwrap();
    // The other recipient of the same store does not open it, and is told which does.
    let error = import(&first, "pii", &keyset).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DecryptionFailed);
    assert!(error.message().contains("\"safe\""), "{error}");
    import(&other, "pii", &keyset).unwrap();
    // A new KEK changes nothing; a recipient made anew under the same name does.
    first.rotate_master_key(None).unwrap();
    import(&other, "pii-2", &keyset).unwrap();
    first.remove_recipient("safe").unwrap();
    let third = key();
    first.add_recipient(&third, &AddRecipient::new().id("safe")).unwrap();
    assert_eq!(kind(import(&open_as(&to, &third), "pii-3", &keyset)), ErrorKind::DecryptionFailed);
    for kind in [KeyKind::Deterministic, KeyKind::Stream, KeyKind::Mac, KeyKind::Derive] {
        let id = kind.name();
        from.create_key(id, &CreateKey::new().kind(kind).exportable(true)).unwrap();
        let address = first.recipient_public_key(None).unwrap();
        let keyset = from.export_keyset(id, KeysetFormat::Binary, KeysetProtection::Recipient(&address));
        import(&first, id, &keyset.unwrap().bytes).unwrap();
        assert_eq!(first.key_info(id).unwrap().kind, kind);
    }
}

#[test]
fn what_is_no_address_is_refused_before_anything_is_recorded() {
    let (_home, from, _) = sender();
    let address = from.recipient_public_key(None).unwrap();
    let before = from.anchor().unwrap();
    for wrong in
        ["", "kfpk1.", &address[..address.len() - 1], &format!("{address}A"), "age1qqqq", "master-key-1"]
    {
        assert_eq!(kind(export(&from, wrong)), ErrorKind::InvalidArgument, "{wrong:?}");
    }
    let own = from.export_keyset("pii", KeysetFormat::Json, KeysetProtection::OwnRecipient);
    assert_eq!(kind(own), ErrorKind::InvalidArgument);
    assert_eq!(from.anchor().unwrap(), before);
    assert_eq!(kind(from.recipient_public_key(Some("nobody"))), ErrorKind::NotFound);
    for wrong in [&b""[..], b"kfkr1.", b"kfkr1.AAAA", b"kfks1.AAAA", b"{}"] {
        assert_eq!(kind(import(&from, "in", wrong)), ErrorKind::InvalidArgument);
    }
    from.create_key("kept", &CreateKey::new()).unwrap();
    let kept = from.export_keyset("kept", KeysetFormat::Json, KeysetProtection::Recipient(&address));
    assert_eq!(kind(kept), ErrorKind::PermissionDenied);
}

#[test]
fn an_address_is_verified_before_it_is_shown() {
    let home = Home::new();
    let store = home.open_with_key("pii");
    let user = home.open_with(&OpenOptions::new().mode(Mode::Use)).unwrap();
    assert_eq!(user.recipient_public_key(None).unwrap(), store.recipient_public_key(None).unwrap());
    // No import in mode use, and no address in mode metadata, which could not tell a planted one.
    assert_eq!(kind(import(&user, "x", b"kfkr1.AAAA")), ErrorKind::PermissionDenied);
    let shown = home.open_with(&OpenOptions::new().mode(Mode::Metadata)).unwrap();
    assert_eq!(kind(shown.recipient_public_key(None)), ErrorKind::PermissionDenied);
    hostile(&home.path()).execute("UPDATE recipient SET public_key = zeroblob(1216)", []).unwrap();
    assert_eq!(kind(store.recipient_public_key(None)), ErrorKind::IntegrityError);
    store.close();
    assert_eq!(kind(store.recipient_public_key(None)), ErrorKind::Closed);
}
