//! Secrets by where they lie. What is typed or comes in pieces is read here; the rest the core reads by itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use keyfold::{MasterKey, Passphrase, Result, limits};
use zeroize::Zeroizing;

use crate::args::{CostArgs, Global};
use crate::files::{self, Input};
use crate::output::Console;
use crate::prompt;

/// A secret on the command line is refused, and not repeated.
const NOT_HERE: &str = "a secret is named by where it lies: env:NAME, file:PATH, fd:N, prompt, passphrase:PLACE or \
                        shares:PLACE. One on the command line can be seen by every process on the machine and stays \
                        in the shell's history; if that was one, make another";

/// One way to name a secret.
enum Reference<'a> {
    /// For the core to read.
    Text(Place<'a>),
    Passphrase(Place<'a>),
    Share(Place<'a>),
}

/// Where a text lies.
enum Place<'a> {
    Prompt,
    Environment(&'a OsStr),
    File(&'a Path),
    Descriptor(&'a str),
}

/// The master key that these references name; several are tried in order, and shares are put together. With `new` it
/// is one that is to open a store from now on: a passphrase is asked for twice, and has this cost.
pub fn read_secret(
    console: &Console,
    global: &Global,
    references: &[OsString],
    new: Option<&CostArgs>,
) -> Result<MasterKey> {
    let parsed: Vec<Reference<'_>> =
        references.iter().map(|reference| Reference::parse(reference)).collect::<Result<_>>()?;
    parsed.iter().try_for_each(|reference| reference.place().refuse_store_file())?;
    let cost = new.and_then(|cost| cost.passphrase_cost.as_deref());
    let mut keys = Vec::new();
    let mut shares: Option<(usize, Vec<Zeroizing<String>>)> = None;
    for reference in &parsed {
        match reference {
            Reference::Share(place) => {
                let (_, texts) = shares.get_or_insert((keys.len(), Vec::new()));
                texts.append(&mut place.read_shares(console, global)?);
            }
            Reference::Text(place) => keys.push(place.master_key()?),
            Reference::Passphrase(place) => {
                keys.push(MasterKey::passphrase(costing(
                    place.passphrase(console, global, new.is_some())?,
                    cost,
                )?));
            }
        }
    }
    if let Some((place, texts)) = shares {
        keys.insert(place, MasterKey::shares(&texts)?);
    }
    if new.is_some() && keys.len() > 1 {
        return Err(files::invalid("what is added is one secret; name one"));
    }
    match keys.pop() {
        Some(only) if keys.is_empty() => Ok(only),
        last => MasterKey::any_of(keys.into_iter().chain(last)),
    }
}

/// A passphrase for something else than a store.
pub fn read_passphrase(
    console: &Console,
    global: &Global,
    place: &OsStr,
    new: bool,
) -> Result<Zeroizing<String>> {
    let place = Place::parse(place)?.ok_or_else(|| {
        files::invalid(
            "a passphrase is named by where it lies: prompt, env:NAME, file:PATH or fd:N. One on the command line can \
             be seen by every process on the machine; if that was one, make another",
        )
    })?;
    place.refuse_store_file()?;
    place.passphrase(console, global, new)
}

/// Whether the secret comes from standard input, also by way of an environment variable.
pub fn is_standard_input(reference: &OsStr) -> bool {
    let Ok(parsed) = Reference::parse(reference) else { return false };
    match (&parsed, parsed.place()) {
        (_, Place::Descriptor(number)) => number.parse() == Ok(0),
        (_, Place::File(path)) => {
            ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| *path == Path::new(name))
        }
        (Reference::Text(_), Place::Environment(name)) => referred(name).is_some_and(|text| {
            let text = OsStr::from_bytes(&text);
            !text.as_bytes().starts_with(b"env:") && is_standard_input(text)
        }),
        _ => false,
    }
}

/// Whether a passphrase comes from standard input.
pub fn is_place_standard_input(place: &OsStr) -> bool {
    // A variable holds the passphrase, and refers to nothing.
    !place.as_bytes().starts_with(b"env:") && is_standard_input(place)
}

impl<'a> Reference<'a> {
    fn parse(text: &'a OsStr) -> Result<Self> {
        let after = |prefix: &str| text.as_bytes().strip_prefix(prefix.as_bytes()).map(OsStr::from_bytes);
        let parsed = match (after("passphrase:"), after("shares:")) {
            (Some(place), _) => Place::parse(place)?.map(Self::Passphrase),
            (_, Some(place)) => Place::parse(place)?.map(Self::Share),
            _ => Place::parse(text)?.map(Self::Text),
        };
        parsed.ok_or_else(|| files::invalid(NOT_HERE))
    }

    fn place(&self) -> &Place<'a> {
        match self {
            Self::Text(place) | Self::Passphrase(place) | Self::Share(place) => place,
        }
    }
}

impl<'a> Place<'a> {
    /// `None` where it is none: then it may be a secret.
    fn parse(text: &'a OsStr) -> Result<Option<Self>> {
        let after = |prefix: &str| text.as_bytes().strip_prefix(prefix.as_bytes()).map(OsStr::from_bytes);
        if text == "prompt" {
            return Ok(Some(Self::Prompt));
        }
        Ok(match (after("env:"), after("file:"), after("fd:")) {
            (Some(name), ..) if name.is_empty() => {
                return Err(files::invalid("\"env:\" names no variable; write env:NAME"));
            }
            (_, Some(path), _) if path.is_empty() => {
                return Err(files::invalid("\"file:\" names no file; write file:PATH"));
            }
            (Some(name), ..) => Some(Self::Environment(name)),
            (_, Some(path), _) => Some(Self::File(Path::new(path))),
            (.., Some(number)) => {
                let number =
                    number.to_str().filter(|text| text.parse::<i32>().is_ok_and(|number| number >= 0));
                Some(Self::Descriptor(number.ok_or_else(|| {
                    files::invalid("\"fd:\" wants the number of an open file descriptor, as in fd:3")
                })?))
            }
            _ => None,
        })
    }

    /// The store is no secret, and reading it here would drop its locks.
    fn refuse_store_file(&self) -> Result<()> {
        match self {
            Self::Prompt => Ok(()),
            Self::File(path) => files::refuse_store_file(path),
            Self::Descriptor(number) => files::refuse_store_file(&descriptor(number)),
            Self::Environment(name) => match referred(name) {
                Some(text) => match Place::parse(OsStr::from_bytes(&text)) {
                    Ok(Some(place @ (Place::File(_) | Place::Descriptor(_)))) => place.refuse_store_file(),
                    _ => Ok(()),
                },
                None => Ok(()),
            },
        }
    }

    /// What the core makes of the secret here.
    fn master_key(&self) -> Result<MasterKey> {
        match self {
            Self::Prompt => {
                let text = prompt::secret("Master key or recovery key: ")?;
                match MasterKey::recovery_key(&text) {
                    Ok(key) => Ok(key),
                    // Said of what begins as one alone: it names the group that is mistyped.
                    Err(error) if text.trim_start().to_ascii_lowercase().starts_with("kfr1-") => Err(error),
                    Err(_) => typed_master_key(&text),
                }
            }
            Self::File(path) => Ok(MasterKey::file(*path)),
            Self::Descriptor(number) => MasterKey::parse(&format!("fd:{number}")),
            Self::Environment(name) => match name.to_str() {
                Some(name) => Ok(MasterKey::environment(name)),
                None => Err(files::invalid("the name of the variable is not UTF-8")),
            },
        }
    }

    /// A passphrase, without the newline at its end.
    fn passphrase(&self, console: &Console, global: &Global, new: bool) -> Result<Zeroizing<String>> {
        match self {
            Self::Prompt if new => prompt::secret_twice("New passphrase: "),
            Self::Prompt => prompt::secret("Passphrase: "),
            _ => {
                let text = self.read(console, global)?;
                Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
            }
        }
    }

    /// One share or several; as many as are typed.
    fn read_shares(&self, console: &Console, global: &Global) -> Result<Vec<Zeroizing<String>>> {
        if let Self::Prompt = self {
            return prompt::shares();
        }
        let text = self.read(console, global)?;
        Ok(text.split_ascii_whitespace().map(|share| Zeroizing::new(share.to_owned())).collect())
    }

    /// The text itself.
    fn read(&self, console: &Console, global: &Global) -> Result<Zeroizing<String>> {
        let path = match self {
            Self::Environment(name) => {
                let value = std::env::var_os(name).ok_or_else(|| {
                    files::invalid(format!("the environment variable {} is not set", name.display()))
                })?;
                return text_of(Zeroizing::new(value.into_vec()));
            }
            Self::Descriptor(number) => descriptor(number),
            Self::File(path) => path.to_path_buf(),
            Self::Prompt => return prompt::secret("Secret: "),
        };
        let input = Input::open(Some(&path))?;
        if input.is_shared() {
            let warning = format!("others may read {0}; run: chmod 600 {0}", path.display());
            if global.production {
                return Err(files::invalid(format!("in production, {warning}")));
            }
            console.warning(&warning);
        }
        let bytes = input.read_all(limits::MASTER_KEY_SOURCE_BYTES as usize + 1)?;
        if bytes.len() > limits::MASTER_KEY_SOURCE_BYTES as usize + 1 {
            return Err(files::invalid(format!("{} is too long for a secret", path.display())));
        }
        text_of(bytes)
    }
}

/// A secret itself, and no reference to another.
fn typed_master_key(text: &str) -> Result<MasterKey> {
    match Place::parse(OsStr::new(text)) {
        Ok(None) if !text.starts_with("passphrase:") => MasterKey::parse(text),
        _ => Err(files::invalid("a master key or recovery key is asked for, and not where one is")),
    }
}

fn costing(text: Zeroizing<String>, cost: Option<&str>) -> Result<Passphrase> {
    let passphrase = Passphrase::new(&text)?;
    let Some(cost) = cost else { return Ok(passphrase) };
    let numbers =
        |text: &str| text.split(',').map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>();
    let parsed = cost.split_once(':').and_then(|(kdf, rest)| Some((kdf, numbers(rest)?)));
    match parsed.as_ref().map(|(kdf, numbers)| (*kdf, numbers.as_slice())) {
        Some(("argon2id", [memory, passes, lanes])) => passphrase.with_argon2id(*memory, *passes, *lanes),
        Some(("pbkdf2", [rounds])) => passphrase.with_pbkdf2(*rounds),
        _ => Err(files::invalid("--passphrase-cost wants argon2id:KIB,PASSES,LANES or pbkdf2:ROUNDS")),
    }
}

/// What the variable holds. It may be the secret itself.
fn referred(name: &OsStr) -> Option<Zeroizing<Vec<u8>>> {
    std::env::var_os(name).map(|value| Zeroizing::new(value.into_vec()))
}

fn descriptor(number: &str) -> PathBuf {
    // Without a sign or zeros before it.
    let number: u32 = number.parse().unwrap_or(u32::MAX);
    PathBuf::from(format!("/dev/fd/{number}"))
}

fn text_of(bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>> {
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(files::invalid("the secret is not UTF-8")),
    }
}
