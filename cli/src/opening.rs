//! Opening the store that the command line names.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use keyfold::{Error, ErrorKind, MASTER_KEY_VARIABLE, MasterKey, Mode, OpenOptions, Result, Store};
use serde_json::{Map, Value};

use crate::args::{CostArgs, Global};
use crate::files;
use crate::output::Console;
use crate::secret::{is_standard_input, read_secret};

const STORE_VARIABLE: &str = "KEYFOLD_STORE";
/// More than any anchor or fingerprint.
const PIN_BYTES: usize = 4096;

/// Opens the store and passes its warnings on.
pub fn open(console: &Console, global: &Global) -> Result<Store> {
    open_with(console, global, &master_key(console, global, None)?, false)
}

/// As [`open`], with this master key; makes the store where `create` asks for it and it is missing.
pub fn open_with(console: &Console, global: &Global, key: &MasterKey, create: bool) -> Result<Store> {
    let store = Store::open_with(path(global)?, key, &options(global, create)?)?;
    store.warnings().iter().for_each(|warning| console.warning(warning));
    if !store.is_verified() {
        console.warning("opened without a master key: nothing that is shown was verified");
    }
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
    if files::is_standard(input) && references(global).iter().any(|reference| is_standard_input(reference)) {
        return Err(files::invalid(
            "the master key and the message cannot both come from standard input: name a file for one of them",
        ));
    }
    Ok(())
}

/// Refuses to read two secrets from standard input.
pub fn keep_secrets_apart(global: &Global, more: &[OsString]) -> Result<()> {
    let all = references(global);
    if all.iter().chain(more).filter(|reference| is_standard_input(reference)).count() > 1 {
        return Err(files::invalid("two secrets cannot both come from standard input: name files for them"));
    }
    Ok(())
}

/// Whether the store is opened without a master key of the user's.
fn is_keyless(global: &Global) -> bool {
    global.insecure_dev || global.mode.as_deref() == Some(Mode::Metadata.name())
}

/// Where the master key is.
fn references(global: &Global) -> Vec<OsString> {
    match global.master_key.as_slice() {
        [] if is_keyless(global) => Vec::new(),
        [] => vec![format!("env:{MASTER_KEY_VARIABLE}").into()],
        given => given.to_vec(),
    }
}

/// The master key that opens the store, or with `new` is to open it from now on.
pub fn master_key(console: &Console, global: &Global, new: Option<&CostArgs>) -> Result<MasterKey> {
    match global.master_key.as_slice() {
        // The store itself, named in the variable, is no master key either.
        [] if !is_keyless(global) => read_secret(console, global, &references(global), new),
        [] => Ok(MasterKey::default()),
        given => read_secret(console, global, given, new),
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
    set("max_stale", global.max_stale.clone());
    set("mode", global.mode.clone());
    set("actor", global.actor.clone());
    set("anchor", global.anchor.as_deref().map(text_or_file).transpose()?);
    set("fingerprint", global.fingerprint.as_deref().map(text_or_file).transpose()?);
    for (name, value) in [
        ("allow_network_fs", global.allow_network_fs),
        ("immutable", global.immutable),
        ("production", global.production),
        ("insecure_dev", global.insecure_dev),
        ("require_mlock", global.require_mlock),
        ("create", create),
    ] {
        json.insert(name.to_owned(), value.into());
    }
    OpenOptions::from_json(&Value::Object(json).to_string())
}

/// A value, or `@` and the file that holds it.
pub fn text_or_file(value: &str) -> Result<String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.to_owned()) };
    let bytes = files::read_file(Path::new(path), PIN_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Error::new(ErrorKind::InvalidArgument, format!("{path} does not hold one line of text"))
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(text).to_owned())
}
