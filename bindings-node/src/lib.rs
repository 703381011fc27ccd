//! The Node interface of keyfold: free functions over handles, and the JavaScript in `lib/` makes classes of them.
//!
//! Every function goes through one entry, [`raw::enter`], which stops panics and turns failures into plain
//! objects; no function throws. What may block is a [`work::Job`], run here and now or as a Promise.

#![deny(unsafe_code)]

mod answer;
mod bound;
mod failure;
mod handles;
mod key;
mod raw;
mod store;
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
    Export::new("inspect", store::inspect),
    Export::new("check", store::check),
    Export::new("anchor", store::anchor),
    Export::new("releaseKey", key::release),
    Export::new("info", key::info),
    Export::new("encrypt", key::encrypt),
    Export::new("decrypt", key::decrypt),
    Export::new("encryptText", key::encrypt_text),
    Export::new("decryptText", key::decrypt_text),
    Export::new("ciphertextLength", key::ciphertext_length),
    Export::new("reencrypt", key::reencrypt),
    Export::new("needsReencrypt", key::needs_reencrypt),
    Export::new("blindIndex", key::blind_index),
    Export::new("blindIndexes", key::blind_indexes),
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
