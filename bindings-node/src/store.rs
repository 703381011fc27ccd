//! The functions of a store. Each takes its handle first and, where it may wait, whether to give a Promise last.

use keyfold::{CreateKey, Error, ErrorKind, KeyFilter, OpenOptions, Result, RotateKey, Store, limits};

use crate::answer::Answer;
use crate::handles;
use crate::master_key;
use crate::raw::{Js, Value};
use crate::work;

/// open(path, masterKey, optionsJson, later) → handle
pub fn open<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [path, secret, options, later, ..] = arguments else { return js.undefined() };
    let path = js.text(*path, "path")?.to_string();
    let master_key = master_key::read(js, *secret)?;
    let options = OpenOptions::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || Store::open_with(path, &master_key, &options).map(Answer::Store))
}

/// release(store): forgets the handle, and closes the store with its last one.
pub fn release<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::release_store(js.handle(arguments[0]));
    js.undefined()
}

/// close(store, later)
pub fn close<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || {
        store.close();
        Ok(Answer::Nothing)
    })
}

/// facts(store) → { fingerprint, warnings, isVerified }
pub fn facts<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    let warnings: Result<Vec<_>> = store.warnings().iter().map(|warning| js.string(warning)).collect();
    js.object(&[
        ("fingerprint", js.string(store.fingerprint())?),
        ("warnings", js.array(&warnings?)?),
        ("isVerified", js.boolean(store.is_verified())?),
    ])
}

/// key(store, keyId, later) → handle
pub fn key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, key_id| store.key(key_id).map(Answer::Key))
}

/// createKey(store, keyId, optionsJson, later) → KeyInfo
pub fn create_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let options = CreateKey::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || store.create_key(&key_id, &options).map(Answer::KeyInfo))
}

/// createKeys(store, keyIds, [optionsJson], later) → [KeyInfo]
pub fn create_keys<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_ids, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_ids = js.items(*key_ids, "the keys", limits::CREATE_KEYS)?;
    let options = js.items(*options, "the options", limits::CREATE_KEYS)?;
    let mut keys = Vec::with_capacity(key_ids.len());
    for (place, (key_id, options)) in key_ids.into_iter().zip(options).enumerate() {
        let options = CreateKey::from_json(&js.text(options, "options")?);
        keys.push((js.text(key_id, "keyId")?.to_string(), options.map_err(|error| error.with_index(place))?));
    }
    work::run(js, js.flag(*later)?, move || {
        let keys: Vec<_> = keys.iter().map(|(key_id, options)| (key_id.as_str(), options.clone())).collect();
        store.create_keys(&keys).map(Answer::Keys)
    })
}

/// rotateKey(store, keyId, optionsJson, later) → VersionInfo
pub fn rotate_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let options = RotateKey::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || store.rotate_key_with(&key_id, &options).map(Answer::Version))
}

/// keyInfo(store, keyId, later) → KeyInfo
pub fn key_info<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, key_id| store.key_info(key_id).map(Answer::KeyInfo))
}

/// listKeys(store, filterJson, later) → [KeyInfo]
pub fn list_keys<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, filter, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let filter = KeyFilter::from_json(&js.text(*filter, "filter")?)?;
    work::run(js, js.flag(*later)?, move || store.list_keys(&filter).map(Answer::Keys))
}

/// listKeyVersions(store, keyId, later) → [VersionInfo]
pub fn list_key_versions<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, key_id| store.list_key_versions(key_id).map(Answer::Versions))
}

/// keyUsage(store, keyId, later) → [VersionUsage]
pub fn key_usage<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, key_id| store.key_usage(key_id).map(Answer::Usage))
}

/// archiveKey(store, keyId, later) → KeyInfo
pub fn archive_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, key_id| store.archive_key(key_id).map(Answer::KeyInfo))
}

/// keyFor(store, purpose, later) → handle
pub fn key_for<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    named(js, arguments, |store, purpose| store.key_for(purpose).map(Answer::Key))
}

/// inspect(store, ciphertext, later) → [CiphertextInfo]
pub fn inspect<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, ciphertext, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let ciphertext = js.ciphertext(*ciphertext)?;
    if ciphertext.as_slice().len() > 2 * keyfold::limits::MESSAGE_BYTES {
        return Err(Error::new(ErrorKind::LimitExceeded, "this is longer than any ciphertext"));
    }
    let ciphertext = ciphertext.as_slice().to_vec();
    work::run(js, js.flag(*later)?, move || store.inspect(&ciphertext).map(Answer::Ciphertexts))
}

/// check(store, later) → CheckReport
pub fn check<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || store.check().map(Answer::Report))
}

/// anchor(store, later) → text
pub fn anchor<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || Ok(Answer::Text(store.anchor()?.to_string())))
}

/// Work on what one name tells: (store, name, later).
fn named<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: fn(&Store, &str) -> Result<Answer>,
) -> Result<Value<'a>> {
    let [store, key_id, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "the name")?;
    work::run(js, js.flag(*later)?, move || run(&store, &key_id))
}
