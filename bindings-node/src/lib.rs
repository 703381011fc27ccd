//! The Node interface of keyfold: free functions over handles, and the JavaScript in `lib/` makes classes of them.
//!
//! Every function has an entry in [`raw`], which stops panics and turns failures into plain objects; no function throws. What may block is a [`work::Job`], run here and now or as a Promise.

#![deny(unsafe_code)]

mod admin;
mod answer;
mod backup;
mod batch;
mod bound;
mod failure;
mod handles;
mod key;
mod master_key;
mod progress;
mod raw;
mod recipients;
mod search;
mod store;
mod stream;
mod transfer;
mod wiped;
mod work;

use napi::bindgen_prelude::{Env, JsValue, Object};
use napi_derive::napi;
use raw::{Export, Js, Value};

/// Everything that `lib/native.js` finds.
static EXPORTS: &[Export] = &[
    Export::new("open", store::open),
    Export::new("release", store::release),
    Export::new("close", store::close),
    Export::new("facts", store::facts),
    Export::new("key", store::key),
    Export::new("createKey", store::create_key),
    Export::new("rotateKey", store::rotate_key),
    Export::new("keyInfo", store::key_info),
    Export::new("listKeys", store::list_keys),
    Export::new("listKeyVersions", store::list_key_versions),
    Export::new("createKeys", store::create_keys),
    Export::new("keyUsage", store::key_usage),
    Export::new("archiveKey", store::archive_key),
    Export::new("keyFor", store::key_for),
    Export::new("promoteVersion", admin::promote_version),
    Export::new("setVersionState", admin::set_version_state),
    Export::new("scheduleDestruction", admin::schedule_destruction),
    Export::new("cancelDestruction", admin::cancel_destruction),
    Export::new("runDue", admin::run_due),
    Export::new("purge", admin::purge),
    Export::new("purgePending", admin::purge_pending),
    Export::new("registerPurpose", admin::register_purpose),
    Export::new("purposes", admin::purposes),
    Export::new("indexSalts", admin::index_salts),
    Export::new("rotateIndexSalt", admin::rotate_index_salt),
    Export::new("retireIndexSalt", admin::retire_index_salt),
    Export::new("getIndexSalt", admin::get_index_salt),
    Export::new("deriveKey", admin::derive_key),
    Export::new("recipients", recipients::recipients),
    Export::new("addRecipient", recipients::add_recipient),
    Export::new("removeRecipient", recipients::remove_recipient),
    Export::new("testRecipient", recipients::test_recipient),
    Export::new("recipientPublicKey", recipients::recipient_public_key),
    Export::new("drill", recipients::drill),
    Export::new("rotateMasterKey", recipients::rotate_master_key),
    Export::new("importKey", transfer::import_key),
    Export::new("getDataKey", transfer::get_data_key),
    Export::new("getEncryptionKey", transfer::get_encryption_key),
    Export::new("exportKeyset", transfer::export_keyset),
    Export::new("importKeyset", transfer::import_keyset),
    Export::new("backup", backup::backup),
    Export::new("restore", backup::restore),
    Export::new("quarantine", backup::quarantine),
    Export::new("quarantined", backup::quarantined),
    Export::new("inspect", store::inspect),
    Export::new("check", store::check),
    Export::new("anchor", store::anchor),
    Export::new("releaseKey", key::release),
    Export::new("keyId", key::id),
    Export::new("info", key::info),
    Export::quick::<key::EncryptInto>("encryptInto"),
    Export::quick::<key::EncryptAt>("encryptAt"),
    Export::quick::<key::DecryptInto>("decryptInto"),
    Export::quick::<key::DecryptExactly>("decryptExactly"),
    Export::new("encryptText", key::encrypt_text),
    Export::new("decryptText", key::decrypt_text),
    Export::new("ciphertextLength", key::ciphertext_length),
    Export::new("reencrypt", key::reencrypt),
    Export::new("needsReencrypt", key::needs_reencrypt),
    Export::new("mac", key::mac),
    Export::new("verifyMac", key::verify_mac),
    Export::new("searchCiphertexts", key::search_ciphertexts),
    Export::new("blindIndex", search::blind_index),
    Export::new("blindIndexes", search::blind_indexes),
    Export::new("blindIndexMany", search::blind_index_many),
    Export::new("blindIndexCompound", search::blind_index_compound),
    Export::new("blindIndexesCompound", search::blind_indexes_compound),
    Export::new("indexReport", search::index_report),
    Export::new("encryptMany", batch::encrypt),
    Export::new("decryptMany", batch::decrypt),
    Export::new("encryptManyText", batch::encrypt_text),
    Export::new("decryptManyText", batch::decrypt_text),
    Export::new("beginEncryptor", stream::begin_encryptor),
    Export::new("beginDecryptor", stream::begin_decryptor),
    Export::new("updateStream", stream::update),
    Export::new("finishStream", stream::finish),
    Export::new("streamFacts", stream::facts),
    Export::new("releaseStream", stream::release),
    Export::new("encryptFile", stream::encrypt_file),
    Export::new("decryptFile", stream::decrypt_file),
    Export::new("beginProgress", progress::begin),
    Export::new("progressOf", progress::of),
    Export::new("stopProgress", progress::stop),
    Export::new("releaseProgress", progress::release),
    Export::new("passphrase", master_key::passphrase),
    Export::new("makeRecoveryKey", master_key::make_recovery_key),
    Export::new("readRecoveryKey", master_key::read_recovery_key),
    Export::new("splitShares", master_key::split_shares),
    Export::new("readShares", master_key::read_shares),
    Export::new("reveal", master_key::reveal),
    Export::new("releaseSecret", master_key::release),
    Export::new("builtInPurposes", built_in_purposes),
    Export::new("generateMasterKey", generate_master_key),
    Export::new("isCiphertext", is_ciphertext),
    Export::new("toText", to_text),
    Export::new("fromText", from_text),
    Export::new("version", version),
    Export::new("errorCodes", error_codes),
    Export::new("panicForTest", panic_for_test),
];

#[napi(module_exports)]
fn register(exports: Object, env: Env) -> napi::Result<()> {
    raw::register(env.raw(), exports.raw(), EXPORTS)?;
    raw::at_exit(env.raw(), handles::release_all)
}

fn generate_master_key<'a>(js: Js<'a>, _: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    js.string(&keyfold::generate_master_key()?)
}

fn is_ciphertext<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    let value = js.ciphertext(arguments[0])?;
    js.boolean(keyfold::is_ciphertext(value.as_slice()))
}

fn to_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    js.string(&keyfold::to_text(js.bytes(arguments[0], "the ciphertext")?.as_slice()))
}

fn from_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    js.buffer(&keyfold::from_text(&js.text_form(arguments[0], "the text form")?)?)
}

fn version<'a>(js: Js<'a>, _: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    js.string(env!("CARGO_PKG_VERSION"))
}

/// The purposes that every store has.
fn built_in_purposes<'a>(js: Js<'a>, _: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    let names: Result<Vec<_>, _> = keyfold::PURPOSES.iter().map(|name| js.string(name)).collect();
    js.array(&names?)
}

/// Every error code, for the test that compares the list in `lib/errors.js`.
fn error_codes<'a>(js: Js<'a>, _: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    let codes: Result<Vec<_>, _> =
        keyfold::ErrorKind::ALL.iter().map(|kind| js.string(kind.code())).collect();
    js.array(&codes?)
}

/// For the test that a panic becomes an error and leaves the process alive.
fn panic_for_test<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> keyfold::Result<Value<'a>> {
    work::run(js, js.flag(arguments[0])?, || panic!("a panic on purpose"))
}
