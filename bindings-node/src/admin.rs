//! What an administrator does with keys, versions, purposes and index salts.

use keyfold::{Error, ErrorKind, IndexScope, PurposeOptions, Result, Store, VersionState, parse_duration};

use crate::answer::Answer;
use crate::handles;
use crate::raw::{Js, Value};
use crate::work;

/// promoteVersion(store, keyId, version, later) → VersionInfo
pub fn promote_version<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    versioned(js, arguments, |store, key_id, version| {
        store.promote_version(key_id, version).map(Answer::Version)
    })
}

/// cancelDestruction(store, keyId, version, later) → VersionInfo
pub fn cancel_destruction<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    versioned(js, arguments, |store, key_id, version| {
        store.cancel_destruction(key_id, version).map(Answer::Version)
    })
}

fn versioned<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: fn(&Store, &str, u32) -> Result<Answer>,
) -> Result<Value<'a>> {
    let [store, key_id, version, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let version = version_number(js, *version)?;
    work::run(js, js.flag(*later)?, move || run(&store, &key_id, version))
}

/// setVersionState(store, keyId, version, state, reason, later) → VersionInfo
pub fn set_version_state<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, version, state, reason, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let version = version_number(js, *version)?;
    let name = js.text(*state, "state")?;
    let state = VersionState::from_name(&name).ok_or_else(|| {
        let names = VersionState::ALL.map(VersionState::name).join(", ");
        Error::new(ErrorKind::InvalidArgument, format!("state {:?} is none of: {names}", &*name))
    })?;
    let reason = optional_text(js, *reason, "reason")?;
    work::run(js, js.flag(*later)?, move || {
        store.set_version_state(&key_id, version, state, reason.as_deref()).map(Answer::Version)
    })
}

/// scheduleDestruction(store, keyId, version, delay, later) → VersionInfo
pub fn schedule_destruction<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, version, delay, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let version = version_number(js, *version)?;
    let delay = optional_text(js, *delay, "delay")?.map(|text| parse_duration(&text)).transpose()?;
    work::run(js, js.flag(*later)?, move || {
        store.schedule_destruction(&key_id, version, delay).map(Answer::Version)
    })
}

/// runDue(store, later) → RunDueReport
pub fn run_due<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    plain(js, arguments, |store| store.run_due().map(Answer::RunDue))
}

/// purge(store, later) → whether anything still waits
pub fn purge<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    plain(js, arguments, |store| store.purge().map(Answer::Flag))
}

/// purgePending(store, later) → boolean
pub fn purge_pending<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    plain(js, arguments, |store| store.purge_pending().map(Answer::Flag))
}

/// purposes(store, later) → [PurposeInfo]
pub fn purposes<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    plain(js, arguments, |store| store.purposes().map(Answer::Purposes))
}

fn plain<'a>(js: Js<'a>, arguments: &[Value<'a>], run: fn(&Store) -> Result<Answer>) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || run(&store))
}

/// registerPurpose(store, purpose, optionsJson, later) → PurposeInfo
pub fn register_purpose<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, purpose, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let purpose = js.text(*purpose, "purpose")?;
    let options = PurposeOptions::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || store.register_purpose(&purpose, &options).map(Answer::Purpose))
}

/// indexSalts(store, purpose, keyId, version, later) → [IndexSaltInfo]
pub fn index_salts<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    scoped(js, arguments, |store, scope, _| store.index_salts(scope).map(Answer::IndexSalts))
}

/// rotateIndexSalt(store, purpose, keyId, version, later) → IndexSaltInfo
pub fn rotate_index_salt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    scoped(js, arguments, |store, scope, _| store.rotate_index_salt(scope).map(Answer::IndexSalt))
}

/// retireIndexSalt(store, purpose, keyId, version, later)
pub fn retire_index_salt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    scoped(js, arguments, |store, scope, version| {
        let version = version.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "say which version of the index salt to retire")
        })?;
        store.retire_index_salt(scope, version).map(|()| Answer::Nothing)
    })
}

/// getIndexSalt(store, purpose, keyId, version, later) → 32 bytes
pub fn get_index_salt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    scoped(js, arguments, |store, scope, version| store.get_index_salt(scope, version).map(Answer::Secret))
}

fn scoped<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: fn(&Store, IndexScope<'_>, Option<u32>) -> Result<Answer>,
) -> Result<Value<'a>> {
    let [store, purpose, key_id, version, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let purpose = optional_text(js, *purpose, "purpose")?;
    let key_id = optional_text(js, *key_id, "keyId")?;
    let version = optional_version(js, *version)?;
    work::run(js, js.flag(*later)?, move || {
        let scope = match (&purpose, &key_id) {
            (Some(purpose), None) => IndexScope::Purpose(purpose),
            (None, Some(key_id)) => IndexScope::Key(key_id),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "whose index salt? Name a purpose, or { keyId } for a key without one",
                ));
            }
        };
        run(&store, scope, version)
    })
}

/// deriveKey(store, keyId, purpose, length, version, later) → bytes
pub fn derive_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, key_id, purpose, length, version, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let key_id = js.text(*key_id, "keyId")?;
    let purpose = js.text(*purpose, "purpose")?;
    let length = js.whole(*length, "length")? as usize;
    let version = optional_version(js, *version)?;
    work::run(js, js.flag(*later)?, move || {
        store.derive_key(&key_id, &purpose, length, version).map(Answer::Secret)
    })
}

pub fn optional_text<'a>(js: Js<'a>, value: Value<'a>, what: &str) -> Result<Option<String>> {
    if js.is_nothing(value)? { Ok(None) } else { js.text(value, what).map(|text| Some(text.to_string())) }
}

pub fn optional_version<'a>(js: Js<'a>, value: Value<'a>) -> Result<Option<u32>> {
    if js.is_nothing(value)? { Ok(None) } else { version_number(js, value).map(Some) }
}

fn version_number<'a>(js: Js<'a>, value: Value<'a>) -> Result<u32> {
    let number = js.whole(value, "version")?;
    let too_much = || Error::new(ErrorKind::InvalidArgument, format!("version is at most {}", u32::MAX));
    u32::try_from(number).map_err(|_| too_much())
}
