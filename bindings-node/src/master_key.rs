//! What opens a store, as `lib/master_key.js` hands it over, and the secrets that JavaScript holds by number only.

use keyfold::{Error, ErrorKind, MasterKey, Passphrase, RecoveryKey, Result, Shares, limits};

use crate::handles::{self, with_secret};
use crate::raw::{Js, Value};

/// A secret in locked memory.
pub enum Secret {
    /// What nobody needs to see again.
    Given(MasterKey),
    RecoveryKey(RecoveryKey),
    Shares(Shares),
}

impl Secret {
    fn master_key(&self) -> MasterKey {
        match self {
            Self::Given(master_key) => master_key.clone(),
            Self::RecoveryKey(recovery) => recovery.master_key(),
            Self::Shares(shares) => shares.master_key(),
        }
    }
}

/// Nothing (the environment), text, 32 bytes, the number of a secret, or an array of these. In an array `false` stands
/// for a function that threw.
pub fn read<'a>(js: Js<'a>, value: Value<'a>) -> Result<MasterKey> {
    if js.is_nothing(value)? {
        return Ok(MasterKey::default());
    }
    if !js.is_array(value)? {
        return single(js, value);
    }
    let items = js.items(value, "masterKey", limits::RECIPIENTS)?;
    let master_keys: Result<Vec<_>> = items.into_iter().map(|item| single(js, item)).collect();
    MasterKey::any_of(master_keys?)
}

fn single<'a>(js: Js<'a>, value: Value<'a>) -> Result<MasterKey> {
    if js.is_string(value)? {
        return MasterKey::parse(&js.text(value, "masterKey")?);
    }
    if js.is_number(value)? {
        return with_secret(js.handle(value), |secret| Ok(secret.master_key()));
    }
    if js.is_boolean(value)? {
        return Ok(MasterKey::callback(|| Err("it threw".into())));
    }
    MasterKey::bytes(js.bytes(value, "masterKey")?.as_slice())
}

/// releaseSecret(secret): forgets the handle.
pub fn release<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    handles::release_secret(js.handle(arguments[0]));
    js.undefined()
}

/// passphrase(text, memoryKib, passes, lanes, pbkdf2Rounds) → secret; costs that are not given are the core's.
pub fn passphrase<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [text, memory, passes, lanes, rounds, ..] = arguments else { return js.undefined() };
    let mut passphrase = Passphrase::new(&js.text(*text, "the passphrase")?)?;
    if !js.is_nothing(*rounds)? {
        passphrase = passphrase.with_pbkdf2(number(js, *rounds, "pbkdf2Rounds")?)?;
    } else if !js.is_nothing(*memory)? {
        passphrase = passphrase.with_argon2id(
            number(js, *memory, "memoryKib")?,
            number(js, *passes, "passes")?,
            number(js, *lanes, "lanes")?,
        )?;
    }
    given(js, Secret::Given(MasterKey::passphrase(passphrase)))
}

/// makeRecoveryKey() → secret
pub fn make_recovery_key<'a>(js: Js<'a>, _: &[Value<'a>]) -> Result<Value<'a>> {
    given(js, Secret::RecoveryKey(RecoveryKey::generate()?))
}

/// readRecoveryKey(text) → secret
pub fn read_recovery_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let text = js.text(arguments[0], "the recovery key")?;
    given(js, Secret::Given(MasterKey::recovery_key(&text)?))
}

/// splitShares(threshold, count) → secret
pub fn split_shares<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let few = |place: usize, what| {
        let number = number(js, arguments[place], what)?;
        u8::try_from(number).map_err(|_| too_many(what))
    };
    given(js, Secret::Shares(Shares::split(few(0, "threshold")?, few(1, "count")?)?))
}

/// readShares([text]) → secret
pub fn read_shares<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let items = js.items(arguments[0], "the shares", usize::from(limits::SHARES))?;
    let texts: Result<Vec<_>> = items.into_iter().map(|item| js.text(item, "a share")).collect();
    let texts = texts?;
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    given(js, Secret::Given(MasterKey::shares(&texts)?))
}

/// reveal(secret) → [text]; of a secret that was typed in there is nothing to show.
pub fn reveal<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let texts = with_secret(js.handle(arguments[0]), |secret| match secret {
        Secret::RecoveryKey(recovery) => Ok(vec![recovery.reveal()]),
        Secret::Shares(shares) => Ok(shares.reveal()),
        Secret::Given(_) => Err(Error::new(
            ErrorKind::InvalidArgument,
            "only what was made here can be shown: this secret was typed in",
        )),
    })?;
    let texts: Result<Vec<_>> = texts.iter().map(|text| js.string(text)).collect();
    js.array(&texts?)
}

fn given<'a>(js: Js<'a>, secret: Secret) -> Result<Value<'a>> {
    js.number(handles::insert_secret(secret).into())
}

fn number<'a>(js: Js<'a>, value: Value<'a>, what: &'static str) -> Result<u32> {
    u32::try_from(js.whole(value, what)?).map_err(|_| too_many(what))
}

fn too_many(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{what} is far too large"))
}
