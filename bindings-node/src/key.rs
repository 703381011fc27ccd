//! The functions of a key. Each takes its handle first; `bound` is what `lib/bound.js` makes of aad or context.

use keyfold::{Aad, Key, Result};

use crate::bound::Bound;
use crate::handles::{self, with_key};
use crate::raw::{Given, Js, Quick, Target, Value};

/// What every text form begins with.
const TEXT_PREFIX: &[u8] = b"kf1.";

/// releaseKey(key): forgets the handle.
pub fn release<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::release_key(js.handle(arguments[0]));
    js.undefined()
}

/// keyId(key) → text
pub fn id<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    with_key(js.handle(arguments[0]), |key| js.string(key.id()))
}

/// info(key) → KeyInfo
pub fn info<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let info = handles::key(js.handle(arguments[0]))?.info()?;
    crate::answer::Answer::KeyInfo(info).into_js(js)
}

/// encryptInto(key, plaintext, target, bound?) → bytes written, undefined where they fill the target, or −1 − the length
/// wanted
pub struct EncryptInto;

impl Quick for EncryptInto {
    #[inline(always)]
    fn answer(given: &Given<'_>) -> Result<Option<i32>> {
        encrypt(given, 3, |target| target)
    }
}

/// encryptAt(key, plaintext, target, offset, bound?) → as `encryptInto`, from the offset on
pub struct EncryptAt;

impl Quick for EncryptAt {
    #[inline(always)]
    fn answer(given: &Given<'_>) -> Result<Option<i32>> {
        encrypt(given, 4, |target| target.from(given.offset()))
    }
}

#[inline(always)]
fn encrypt<'a>(
    given: &Given<'a>,
    count: usize,
    place: impl FnOnce(Target<'a>) -> Target<'a>,
) -> Result<Option<i32>> {
    if let Some((plaintext, target)) = given.apart(count) {
        return encrypt_into(given, plaintext.as_slice(), Aad::NONE, place(target));
    }
    let (plaintext, bound, target) = given.all(count, |js, value| js.bytes(value, "the plaintext"))?;
    encrypt_into(given, plaintext.as_slice(), bound.aad(), place(target))
}

#[inline(always)]
fn encrypt_into(
    given: &Given<'_>,
    plaintext: &[u8],
    aad: Aad<'_>,
    mut target: Target<'_>,
) -> Result<Option<i32>> {
    given.with_key(|key| {
        let encryption = key.encryption()?;
        let length = encryption.length(plaintext.len())?;
        if length > target.length() {
            return Ok(Some(wanted(length)));
        }
        encryption.write(plaintext, aad, target.first(length))?;
        Ok(target.written(length))
    })
}

/// decryptInto(key, ciphertext, target, bound?) → as `encryptInto`
pub struct DecryptInto;

impl Quick for DecryptInto {
    #[inline(always)]
    fn answer(given: &Given<'_>) -> Result<Option<i32>> {
        decrypt(given, |length, room| length <= room)
    }
}

/// decryptExactly(key, ciphertext, target, bound?) → as `decryptInto`, where the target must have the very length
pub struct DecryptExactly;

impl Quick for DecryptExactly {
    #[inline(always)]
    fn answer(given: &Given<'_>) -> Result<Option<i32>> {
        decrypt(given, |length, room| length == room)
    }
}

#[inline(always)]
fn decrypt(given: &Given<'_>, fits: fn(usize, usize) -> bool) -> Result<Option<i32>> {
    if let Some((ciphertext, target)) = given.apart(3) {
        return decrypt_into(given, ciphertext.as_slice(), Aad::NONE, target, fits);
    }
    let (ciphertext, bound, target) = given.all(3, Js::ciphertext)?;
    decrypt_into(given, ciphertext.as_slice(), bound.aad(), target, fits)
}

#[inline(always)]
fn decrypt_into(
    given: &Given<'_>,
    ciphertext: &[u8],
    aad: Aad<'_>,
    mut target: Target<'_>,
    fits: fn(usize, usize) -> bool,
) -> Result<Option<i32>> {
    given.with_key(|key| {
        let decoded;
        let mut bytes = ciphertext;
        if bytes.starts_with(TEXT_PREFIX) {
            decoded = decode(key, bytes)?;
            bytes = &decoded;
        }
        let decryption = key.decryption(bytes)?;
        let length = decryption.length();
        if !fits(length, target.length()) {
            return Ok(Some(wanted(length)));
        }
        decryption.write(aad, target.first(length))?;
        Ok(target.written(length))
    })
}

/// The bytes of a text form; a malformed one fails as any other ciphertext does.
#[inline(never)]
fn decode(key: &Key, text: &[u8]) -> Result<Vec<u8>> {
    let decoded = std::str::from_utf8(text).ok().and_then(|text| keyfold::from_text(text).ok());
    match decoded {
        Some(bytes) => Ok(bytes),
        // Always an error: the core has the words for it.
        None => key.decrypt(text, keyfold::Aad::NONE).map(|_| Vec::new()),
    }
}

/// At most 64 MiB and a few bytes, so it fits.
fn wanted(length: usize) -> i32 {
    -1 - length as i32
}

/// encryptText(key, text, bound) → text form
pub fn encrypt_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let plaintext = js.text(arguments[1], "the plaintext")?;
    let bound = Bound::read(js, arguments[2])?;
    js.string(&with_key(js.handle(arguments[0]), |key| key.encrypt_text(&plaintext, bound.aad()))?)
}

/// decryptText(key, textForm, bound) → text
pub fn decrypt_text<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let ciphertext = js.text_form(arguments[1], "the ciphertext")?;
    let bound = Bound::read(js, arguments[2])?;
    js.string(&with_key(js.handle(arguments[0]), |key| key.decrypt_text(&ciphertext, bound.aad()))?)
}

/// ciphertextLength(key, length) → length
pub fn ciphertext_length<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let length = js.whole(arguments[1], "the length")? as usize;
    let length = with_key(js.handle(arguments[0]), |key| key.encryption()?.length(length))?;
    js.number(length as f64)
}

/// reencrypt(key, ciphertext, bound) → bytes for bytes, text for text
pub fn reencrypt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let bound = Bound::read(js, arguments[2])?;
    let handle = js.handle(arguments[0]);
    if js.is_string(arguments[1])? {
        let ciphertext = js.text_form(arguments[1], "the ciphertext")?;
        return js.string(&with_key(handle, |key| key.reencrypt_text(&ciphertext, bound.aad()))?);
    }
    let ciphertext = js.bytes(arguments[1], "the ciphertext")?;
    js.buffer(&with_key(handle, |key| key.reencrypt(ciphertext.as_slice(), bound.aad()))?)
}

/// needsReencrypt(key, ciphertext) → boolean
pub fn needs_reencrypt<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let ciphertext = js.ciphertext(arguments[1])?;
    js.boolean(with_key(js.handle(arguments[0]), |key| key.needs_reencrypt(ciphertext.as_slice()))?)
}

/// mac(key, data, raw) → bytes
pub fn mac<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let data = js.bytes_or_text(arguments[1], "the data")?;
    let raw = js.flag(arguments[2])?;
    let data = data.as_slice();
    js.buffer(&with_key(js.handle(arguments[0]), |key| if raw { key.mac_raw(data) } else { key.mac(data) })?)
}

/// verifyMac(key, data, mac, raw)
pub fn verify_mac<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let data = js.bytes_or_text(arguments[1], "the data")?;
    let raw = js.flag(arguments[3])?;
    let mac = if raw { js.bytes(arguments[2], "a raw mac")? } else { js.ciphertext(arguments[2])? };
    let (data, mac) = (data.as_slice(), mac.as_slice());
    with_key(js.handle(arguments[0]), |key| {
        if raw { key.verify_mac_raw(data, mac) } else { key.verify_mac(data, mac) }
    })?;
    js.undefined()
}

/// searchCiphertexts(key, plaintext, bound) → [bytes]
pub fn search_ciphertexts<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let plaintext = js.bytes_or_text(arguments[1], "the plaintext")?;
    let bound = Bound::read(js, arguments[2])?;
    let found =
        with_key(js.handle(arguments[0]), |key| key.search_ciphertexts(plaintext.as_slice(), bound.aad()))?;
    buffers(js, &found)
}

pub fn buffers<'a>(js: Js<'a>, all: &[Vec<u8>]) -> Result<Value<'a>> {
    let buffers: Result<Vec<_>> = all.iter().map(|bytes| js.buffer(bytes)).collect();
    js.array(&buffers?)
}
