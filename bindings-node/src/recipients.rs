//! Who can open the store, and its master key.

use keyfold::{AddRecipient, MasterKey, Result, Store};

use crate::answer::Answer;
use crate::handles;
use crate::master_key;
use crate::raw::{Js, Value};
use crate::work;

/// recipients(store, later) → [RecipientInfo]
pub fn recipients<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let store = handles::store(js.handle(arguments[0]))?;
    work::run(js, js.flag(arguments[1])?, move || store.recipients().map(Answer::Recipients))
}

/// addRecipient(store, masterKey, optionsJson, later) → RecipientInfo
pub fn add_recipient<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, secret, options, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let master_key = master_key::read(js, *secret)?;
    let options = AddRecipient::from_json(&js.text(*options, "options")?)?;
    work::run(js, js.flag(*later)?, move || store.add_recipient(&master_key, &options).map(Answer::Recipient))
}

/// removeRecipient(store, recipientId, later) → MasterKeyRotation
pub fn remove_recipient<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, recipient_id, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let recipient_id = js.text(*recipient_id, "recipientId")?;
    work::run(js, js.flag(*later)?, move || store.remove_recipient(&recipient_id).map(Answer::Rotation))
}

/// testRecipient(store, masterKey, later) → RecipientInfo
pub fn test_recipient<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    tried(js, arguments, |store, master_key| store.test_recipient(master_key).map(Answer::Recipient))
}

/// recipientPublicKey(store, recipientId, later) → text; nothing is the one that opened the store
pub fn recipient_public_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, recipient_id, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let recipient_id = match js.is_nothing(*recipient_id)? {
        true => None,
        false => Some(js.text(*recipient_id, "recipientId")?.to_string()),
    };
    work::run(js, js.flag(*later)?, move || {
        store.recipient_public_key(recipient_id.as_deref()).map(Answer::Text)
    })
}

/// drill(store, masterKey, later) → DrillReport
pub fn drill<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    tried(js, arguments, |store, master_key| store.drill(master_key).map(Answer::Drill))
}

fn tried<'a>(
    js: Js<'a>,
    arguments: &[Value<'a>],
    run: fn(&Store, &MasterKey) -> Result<Answer>,
) -> Result<Value<'a>> {
    let [store, secret, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let master_key = master_key::read(js, *secret)?;
    work::run(js, js.flag(*later)?, move || run(&store, &master_key))
}

/// rotateMasterKey(store, newMasterKey, later) → MasterKeyRotation; nothing keeps the recipients
pub fn rotate_master_key<'a>(js: Js<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let [store, secret, later, ..] = arguments else { return js.undefined() };
    let store = handles::store(js.handle(*store))?;
    let new = if js.is_nothing(*secret)? { None } else { Some(master_key::read(js, *secret)?) };
    work::run(js, js.flag(*later)?, move || store.rotate_master_key(new.as_ref()).map(Answer::Rotation))
}
