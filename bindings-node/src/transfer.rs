//! Keys and keysets that come in from elsewhere and go out.

use keyfold::{
    Error, ErrorKind, ImportKey, ImportKeyset, KeyEncoding, KeysetFormat, KeysetProtection, Result,
};

use crate::admin::optional_version;
use crate::answer::Answer;
use crate::handles;
use crate::raw::{Js, Value};
use crate::wiped::WipedBytes;
use crate::work;

/// importKey(store, keyId, material, encoding, optionsJson, later) → KeyInfo
pub fn import_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, material, encoding, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let material = js.bytes_or_text(*material, "the key material")?.copied();
    let encoding = KeyEncoding::parse(&js.text(*encoding, "encoding")?)?;
    let options = ImportKey::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || {
        store.import_key(&key_id, &material, encoding, &options).map(Answer::KeyInfo)
    })
}

/// getDataKey(store, keyId, version, later) → bytes
pub fn get_data_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, version, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let version = optional_version(js, *version)?;
    work::run(js, js.flag(*later)?, move || store.get_data_key(&key_id, version).map(Answer::Secret))
}

/// getEncryptionKey(store, keyId, keyBytes, encoding, later) → bytes or text
pub fn get_encryption_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, key_bytes, encoding, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let key_bytes = js.whole(*key_bytes, "keyBytes")? as usize;
    let encoding = KeyEncoding::parse(&js.text(*encoding, "encoding")?)?;
    work::run(js, js.flag(*later)?, move || {
        store.get_encryption_key(&key_id, key_bytes, encoding).map(Answer::ExportedKey)
    })
}

/// exportKeyset(store, keyId, format, protection, secret, later) → { keyset, losses }; the protection is `cleartext`,
/// `passphrase`, `key`, `recipient` or `own`
pub fn export_keyset<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, format, protection, secret, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let format = KeysetFormat::parse(&js.text(*format, "format")?)?;
    let protection = Protection::read(js, *protection, *secret)?;
    let as_text = format == KeysetFormat::Json
        || matches!(protection, Protection::Passphrase(_) | Protection::Recipient(_));
    work::run(js, js.flag(*later)?, move || {
        let keyset = store.export_keyset(&key_id, format, protection.for_core()?)?;
        Ok(Answer::Keyset(keyset, as_text))
    })
}

/// importKeyset(store, keyId, keyset, protection, secret, optionsJson, later) → KeyInfo
pub fn import_keyset<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, keyset, protection, secret, options, later, ..] = arguments else {
        return js.undefined();
    };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let keyset = js.bytes_or_text(*keyset, "the keyset")?.copied();
    let protection = Protection::read(js, *protection, *secret)?;
    let options = ImportKeyset::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || {
        store.import_keyset(&key_id, &keyset, protection.for_core()?, &options).map(Answer::KeyInfo)
    })
}

/// What keeps a keyset, kept for work on another thread.
enum Protection {
    Cleartext,
    Passphrase(WipedBytes),
    Key(WipedBytes),
    Recipient(String),
    OwnRecipient,
}

impl Protection {
    fn read<'a>(js: Js<'a>, kind: Value<'a>, secret: Value<'a>) -> Result<Self> {
        match &*js.text(kind, "the protection")? {
            "cleartext" => Ok(Self::Cleartext),
            "passphrase" => Ok(Self::Passphrase(js.bytes_or_text(secret, "passphrase")?.copied())),
            "key" => Ok(Self::Key(js.text(secret, "key")?.as_bytes().to_vec().into())),
            "recipient" => Ok(Self::Recipient(js.text(secret, "recipient")?.to_string())),
            "own" => Ok(Self::OwnRecipient),
            _ => Err(Error::new(ErrorKind::Internal, "a keyset's protection was named wrongly")),
        }
    }

    fn for_core(&self) -> Result<KeysetProtection<'_>> {
        Ok(match self {
            Self::Cleartext => KeysetProtection::InsecureCleartext,
            Self::Passphrase(passphrase) => KeysetProtection::Passphrase(passphrase),
            Self::Recipient(recipient) => KeysetProtection::Recipient(recipient),
            Self::OwnRecipient => KeysetProtection::OwnRecipient,
            Self::Key(key_id) => KeysetProtection::Key(
                std::str::from_utf8(key_id)
                    .map_err(|_| Error::new(ErrorKind::Internal, "a text is not UTF-8"))?,
            ),
        })
    }
}
