//! `keyfold key import` and `export`, and `keyfold keyset`: keys on their way in and out.

use keyfold::{ImportKey, ImportKeyset, KeyEncoding, KeysetFormat, KeysetProtection, Result, limits};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::args::{
    ExportArgs, ExportKeysetArgs, Global, ImportArgs, ImportKeysetArgs, ProtectionArgs, SecretTargetArgs,
    TraitArgs,
};
use crate::encoding::{Encoding, hand_out, require_target};
use crate::files::{self, Target};
use crate::key::{labels, remark_key};
use crate::message::{announce_terminal, report};
use crate::opening;
use crate::output::{Console, secret_json};
use crate::secret::{is_place_standard_input, read_passphrase};

/// Takes a key in.
pub fn import(console: &Console, global: &Global, args: &ImportArgs) -> Result<()> {
    let file = args.file.as_deref();
    let encoding = KeyEncoding::parse(&args.encoding)?;
    let mut json = traits(&args.traits)?;
    json["kind"] = json!(args.kind.kind);
    json["algorithm"] = json!(args.kind.algorithm);
    json["as_version"] = args.as_version.into();
    let options = ImportKey::from_json(&json.to_string())?;
    opening::keep_input_apart(global, file)?;
    let store = opening::open(console, global)?;
    announce_terminal(console, file);
    // One byte past the limit and a newline are enough for the core to refuse it.
    let material = files::read_input(file, limits::KEY_MATERIAL_BYTES + 1)?;
    let line = match encoding {
        KeyEncoding::Raw => &material[..],
        _ => material.strip_suffix(b"\n").unwrap_or(&material),
    };
    let info = store.import_key(&args.key.key_id, line, encoding, &options)?;
    remark_key(console, &info);
    console.result(|| json!(info), String::new)
}

/// Hands out the bytes of a version, where the user said so.
pub fn export(console: &Console, global: &Global, args: &ExportArgs) -> Result<()> {
    require_target(&args.target, "the key")?;
    let encoding = Encoding::parse(&args.encoding.encoding)?;
    let store = opening::open(console, global)?;
    let version = match args.key_version {
        Some(version) => Some(version),
        None => store.key_info(&args.key.key_id)?.current_version,
    };
    let bytes = store.get_data_key(&args.key.key_id, version)?;
    let about = json!({ "key_id": args.key.key_id, "version": version });
    hand_out(console, &args.target, encoding, ("bytes", &bytes), about)
}

/// Writes a key as a keyset.
pub fn export_keyset(console: &Console, global: &Global, args: &ExportKeysetArgs) -> Result<()> {
    let format = KeysetFormat::parse(&args.format)?;
    let target = Target::new(args.out.as_deref(), false)?;
    if args.protection.insecure_cleartext {
        require_target(
            &SecretTargetArgs { out: args.out.clone(), reveal: args.reveal },
            "the keys in the clear",
        )?;
    }
    let is_binary =
        format == KeysetFormat::Binary && args.protection.passphrase.is_none() && args.to.is_none();
    if is_binary && (target.is_terminal() || console.json && target.path().is_none()) {
        return Err(files::invalid("a binary keyset goes to a file or a pipe: name a file with --out FILE"));
    }
    keep_passphrase_apart(global, &args.protection)?;
    let store = opening::open(console, global)?;
    let passphrase = passphrase(console, global, &args.protection, true)?;
    let recipient = args.to.as_deref().map(opening::text_or_file).transpose()?;
    let protection = match &recipient {
        Some(recipient) => KeysetProtection::Recipient(recipient),
        None => protection(&args.protection, passphrase.as_deref())?,
    };
    let keyset = store.export_keyset(&args.key.key_id, format, protection)?;
    keyset.losses.iter().for_each(|loss| console.warning(loss));
    let about = json!({ "key_id": args.key.key_id, "format": format.name(), "losses": keyset.losses });
    if console.json && target.path().is_none() {
        let text =
            std::str::from_utf8(&keyset.bytes).map_err(|_| files::invalid("this keyset is no text"))?;
        return files::print(&secret_json(&about, "keyset", text)?);
    }
    // Text ends in a newline wherever it goes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(keyset.bytes.len() + 1));
    bytes.extend_from_slice(&keyset.bytes);
    if !is_binary && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    target.write(&bytes)?;
    target.path().map_or(Ok(()), |path| report(console, path, bytes.len() as u64, about))
}

/// Makes a key from a keyset.
pub fn import_keyset(console: &Console, global: &Global, args: &ImportKeysetArgs) -> Result<()> {
    let file = args.file.as_deref();
    let mut json = traits(&args.traits)?;
    json["rotate"] = args.rotate.into();
    let options = ImportKeyset::from_json(&json.to_string())?;
    opening::keep_input_apart(global, file)?;
    keep_passphrase_apart(global, &args.protection)?;
    if files::is_standard(file) && args.protection.passphrase.as_deref().is_some_and(is_place_standard_input)
    {
        return Err(files::invalid("the passphrase and the keyset cannot both come from standard input"));
    }
    let store = opening::open(console, global)?;
    let passphrase = passphrase(console, global, &args.protection, false)?;
    announce_terminal(console, file);
    let bytes = files::read_input(file, limits::KEYSET_BYTES)?;
    let protection = match args.own_recipient {
        true => KeysetProtection::OwnRecipient,
        false => protection(&args.protection, passphrase.as_deref())?,
    };
    let info = store.import_keyset(&args.key.key_id, &bytes, protection, &options)?;
    remark_key(console, &info);
    console.result(|| json!(info), String::new)
}

/// The options that keys have however they come to be; absent where they were not given.
fn traits(args: &TraitArgs) -> Result<Value> {
    let mut json = Map::new();
    for (name, value) in [
        ("purpose", &args.purpose),
        ("description", &args.description),
        ("expires_in", &args.expires_in),
        ("on_limit", &args.on_limit),
    ] {
        json.insert(name.to_owned(), json!(value));
    }
    json.insert("labels".to_owned(), json!(labels(&args.labels)?));
    json.insert("exportable".to_owned(), args.exportable.into());
    Ok(Value::Object(json))
}

fn passphrase(
    console: &Console,
    global: &Global,
    args: &ProtectionArgs,
    new: bool,
) -> Result<Option<Zeroizing<String>>> {
    args.passphrase.as_deref().map(|place| read_passphrase(console, global, place, new)).transpose()
}

fn keep_passphrase_apart(global: &Global, args: &ProtectionArgs) -> Result<()> {
    match args.passphrase.as_deref() {
        Some(place) if is_place_standard_input(place) => {
            opening::keep_secrets_apart(global, std::slice::from_ref(&place.to_owned()))
        }
        _ => Ok(()),
    }
}

fn protection<'a>(args: &'a ProtectionArgs, passphrase: Option<&'a String>) -> Result<KeysetProtection<'a>> {
    match (passphrase, &args.under, args.insecure_cleartext) {
        (Some(passphrase), ..) => Ok(KeysetProtection::Passphrase(passphrase.as_bytes())),
        (None, Some(key), _) => Ok(KeysetProtection::Key(key)),
        (None, None, true) => Ok(KeysetProtection::InsecureCleartext),
        (None, None, false) => Err(files::invalid("name --passphrase, --under or --insecure-cleartext")),
    }
}
