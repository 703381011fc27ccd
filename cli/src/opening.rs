//! Opening the store that the command line names.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use keyfold::{Error, ErrorKind, MASTER_KEY_VARIABLE, MasterKey, OpenOptions, Result, Store};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::args::Global;
use crate::files;
use crate::output::Console;

const STORE_VARIABLE: &str = "KEYFOLD_STORE";
/// More than any anchor or fingerprint.
const PIN_BYTES: usize = 4096;

/// Opens the store, or makes it, and passes its warnings on.
pub fn open(console: &Console, global: &Global, create: bool) -> Result<Store> {
    let store = Store::open_with(path(global)?, &master_key(global)?, &options(global, create)?)?;
    store.warnings().iter().for_each(|warning| console.warning(warning));
    Ok(store)
}

/// The store's path.
pub fn path(global: &Global) -> Result<PathBuf> {
    let named = global.store.clone().or_else(|| std::env::var_os(STORE_VARIABLE).map(PathBuf::from));
    named.filter(|path| !path.as_os_str().is_empty()).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("no store: name it with --store PATH or set {STORE_VARIABLE}"),
        )
    })
}

/// Refuses to read the message from where the master key is read.
pub fn keep_input_apart(global: &Global, input: Option<&Path>) -> Result<()> {
    let reference = global.master_key.clone().unwrap_or_else(|| format!("env:{MASTER_KEY_VARIABLE}").into());
    let resolved = match reference.as_bytes().strip_prefix(b"env:") {
        Some(name) if !name.is_empty() => std::env::var_os(OsStr::from_bytes(name)).unwrap_or_default(),
        _ => reference,
    };
    // It may be the key itself.
    let resolved = Zeroizing::new(resolved.into_vec());
    let descriptor =
        resolved.strip_prefix(b"fd:").and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    let standard = descriptor == Some(0)
        || matches!(resolved.strip_prefix(b"file:"), Some(b"/dev/stdin" | b"/dev/fd/0" | b"/proc/self/fd/0"));
    if standard && files::is_standard(input) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "the master key and the message cannot both come from standard input: name a file for one of them",
        ));
    }
    Ok(())
}

fn master_key(global: &Global) -> Result<MasterKey> {
    let Some(reference) = &global.master_key else { return Ok(MasterKey::default()) };
    match (reference.as_bytes().strip_prefix(b"file:"), reference.to_str()) {
        (Some(path), _) if !path.is_empty() => Ok(MasterKey::file(OsStr::from_bytes(path))),
        (_, Some(text)) if ["env:", "file:", "fd:"].iter().any(|prefix| text.starts_with(prefix)) => {
            MasterKey::parse(text)
        }
        // Not repeated: it may be the key.
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            "--master-key says where the key is: env:NAME, file:PATH or fd:N. A key on the command line can be \
             seen by every process on the machine and stays in the shell's history; if that was one, make another",
        )),
    }
}

/// Values go to the core as they are, so that it judges them as for every language.
fn options(global: &Global, create: bool) -> Result<OpenOptions> {
    let mut json = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            json.insert(name.to_owned(), Value::String(value));
        }
    };
    set("busy_timeout", global.busy_timeout.clone());
    set("refresh_interval", global.refresh_interval.clone());
    set("actor", global.actor.clone());
    set("anchor", global.anchor.as_deref().map(text_or_file).transpose()?);
    set("fingerprint", global.fingerprint.as_deref().map(text_or_file).transpose()?);
    json.insert("allow_network_fs".to_owned(), global.allow_network_fs.into());
    json.insert("create".to_owned(), create.into());
    OpenOptions::from_json(&Value::Object(json).to_string())
}

/// A value, or `@` and the file that holds it.
fn text_or_file(value: &str) -> Result<String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.to_owned()) };
    let bytes = files::read_file(Path::new(path), PIN_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{path} does not hold one line of text"))
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(text).to_owned())
}
