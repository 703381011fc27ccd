//! `keyfold encrypt`, `keyfold decrypt` and `keyfold reencrypt`.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::path::Path;

use keyfold::{Aad, Context, Error, ErrorKind, Result, limits, to_text};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::{DecryptArgs, EncryptArgs, Global, PlaceArgs, ReencryptArgs, name_and_value};
use crate::files::{self, Target};
use crate::opening;
use crate::output::{Console, secret_json};
use crate::stream;

/// More than prefix, nonce and authentication tag of any algorithm.
const OVERHEAD: usize = 64;
/// The longest ciphertext in bytes, and as text with its newline.
const CIPHERTEXT_BYTES: usize = limits::MESSAGE_BYTES + OVERHEAD;
const TEXT_BYTES: usize = CIPHERTEXT_BYTES.div_ceil(3) * 4 + 8;

/// Encrypts a message.
pub fn encrypt(console: &Console, global: &Global, args: &EncryptArgs) -> Result<()> {
    let file = args.file.as_deref();
    let target = Target::new(args.target.out.as_deref(), args.target.force)?;
    if target.is_terminal() && !args.text && !console.json {
        return Err(files::invalid(
            "a ciphertext is bytes, which a terminal cannot show: add --text, or name a file with --out FILE",
        ));
    }
    opening::keep_input_apart(global, file)?;
    let place = Place::new(&args.place)?;
    let store = opening::open(console, global)?;
    let key = store.key(&args.key.key_id)?;
    if stream::is_for(&key)? {
        if args.text {
            return Err(files::invalid(
                "a stream has no text form: leave --text out, or use a key of kind aead",
            ));
        }
        return stream::encrypt(console, &key, file, place.aad(), &target);
    }
    announce_terminal(console, file);
    // One byte past the limit is enough for the core to refuse it.
    let plaintext = files::read_input(file, limits::MESSAGE_BYTES)?;
    let sealed = key.encrypt(&plaintext, place.aad())?;
    write_ciphertext(console, &target, &sealed, args.text, json!({ "key_id": key.id() }))
}

/// Decrypts a message; nothing is written before all of it has proved genuine. Only of streams, parts are.
pub fn decrypt(console: &Console, global: &Global, args: &DecryptArgs) -> Result<()> {
    let file = args.file.as_deref();
    let target = Target::new(args.target.out.as_deref(), args.target.force)?;
    opening::keep_input_apart(global, file)?;
    let place = Place::new(&args.place)?;
    let store = opening::open(console, global)?;
    let key = store.key(&args.key.key_id)?;
    if stream::is_for(&key)? {
        return stream::decrypt(console, &key, file, place.aad(), &target);
    }
    let ciphertext = read_ciphertext(console, file)?;
    let plaintext = key.decrypt(ciphertext.bytes(), place.aad())?;
    if let Some(path) = target.path() {
        target.write(&plaintext)?;
        return report(console, path, plaintext.len() as u64, json!({ "key_id": key.id() }));
    }
    if console.json {
        let text = std::str::from_utf8(&plaintext).map_err(|_| {
            files::invalid("the plaintext is not UTF-8, which JSON cannot hold: name a file with --out FILE")
        })?;
        return files::print(&secret_json(&json!({ "key_id": key.id() }), "plaintext", text)?);
    }
    if !target.is_terminal() {
        return target.write(&plaintext);
    }
    if !is_readable(&plaintext) {
        return Err(files::invalid(
            "the plaintext holds bytes on which a terminal might act: name a file with --out FILE, or use a pipe",
        ));
    }
    target.write(&plaintext)?;
    if plaintext.ends_with(b"\n") { Ok(()) } else { target.write(b"\n") }
}

/// Moves a ciphertext to the current version of its key.
pub fn reencrypt(console: &Console, global: &Global, args: &ReencryptArgs) -> Result<()> {
    let file = args.file.as_deref();
    let target = Target::new(args.target.out.as_deref(), args.target.force)?;
    opening::keep_input_apart(global, file)?;
    let place = Place::new(&args.place)?;
    let store = opening::open(console, global)?;
    let key = store.key(&args.key.key_id)?;
    let ciphertext = read_ciphertext(console, file)?;
    if target.is_terminal() && !ciphertext.is_text() && !console.json {
        return Err(files::invalid(
            "a ciphertext in bytes cannot be shown by a terminal: name a file with --out FILE",
        ));
    }
    let sealed = key.reencrypt(ciphertext.bytes(), place.aad())?;
    let moved = *ciphertext.decoded()? != *sealed;
    console.remark(if moved {
        "moved to the current version"
    } else {
        "is under the current version already"
    });
    let about = json!({ "key_id": key.id(), "reencrypted": moved });
    write_ciphertext(console, &target, &sealed, ciphertext.is_text(), about)
}

/// A ciphertext as it was given.
pub struct Ciphertext(Zeroizing<Vec<u8>>);

impl Ciphertext {
    /// In bytes or as text; of a text's line, the newline is left off.
    pub fn bytes(&self) -> &[u8] {
        match self.0.strip_suffix(b"\n") {
            Some(line) if self.is_text() => line,
            _ => &self.0,
        }
    }

    /// Bytes begin with 0x01, so that the two cannot be mistaken for each other.
    fn is_text(&self) -> bool {
        self.0.starts_with(b"kf1.")
    }

    fn decoded(&self) -> Result<Cow<'_, [u8]>> {
        match std::str::from_utf8(self.bytes()) {
            Ok(text) if self.is_text() => keyfold::from_text(text).map(Cow::Owned),
            _ => Ok(Cow::Borrowed(self.bytes())),
        }
    }
}

/// Reads a ciphertext no longer than a single message makes it.
pub fn read_ciphertext(console: &Console, file: Option<&Path>) -> Result<Ciphertext> {
    announce_terminal(console, file);
    let ciphertext = Ciphertext(files::read_input(file, TEXT_BYTES)?);
    let most = if ciphertext.is_text() { TEXT_BYTES } else { CIPHERTEXT_BYTES };
    if ciphertext.0.len() > most {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!(
                "a message is at most {} bytes (64 MiB); larger ones are for streams",
                limits::MESSAGE_BYTES
            ),
        ));
    }
    Ok(ciphertext)
}

/// What a message is bound to, read.
enum Place {
    Raw(Zeroizing<Vec<u8>>),
    Context(Context),
}

impl Place {
    fn new(args: &PlaceArgs) -> Result<Self> {
        match (&args.aad_file, args.context.as_slice()) {
            (Some(_), [_, ..]) => Err(files::invalid(
                "--context and --aad-file exclude each other: a message is bound to one of them",
            )),
            (Some(path), []) => files::read_file(path, limits::AAD_BYTES).map(Self::Raw),
            (None, []) => Ok(Self::Raw(Zeroizing::default())),
            (None, fields) => {
                let mut context = Context::new();
                for field in fields {
                    let (name, value) = name_and_value("--context", field)?;
                    context.insert(name, value);
                }
                Ok(Self::Context(context))
            }
        }
    }

    fn aad(&self) -> Aad<'_> {
        match self {
            Self::Raw(bytes) => Aad::Raw(bytes),
            Self::Context(context) => Aad::Context(context),
        }
    }
}

fn write_ciphertext(
    console: &Console,
    target: &Target<'_>,
    sealed: &[u8],
    text: bool,
    about: Value,
) -> Result<()> {
    if target.path().is_none() && console.json {
        return console.result(|| with(about, "ciphertext", to_text(sealed).into()), String::new);
    }
    let line = text.then(|| to_text(sealed) + "\n");
    let bytes = line.as_ref().map_or(sealed, |line| line.as_bytes());
    target.write(bytes)?;
    target.path().map_or(Ok(()), |path| report(console, path, bytes.len() as u64, about))
}

/// Says what was written where.
pub fn report(console: &Console, path: &Path, bytes: u64, about: Value) -> Result<()> {
    let shown = path.display().to_string();
    console.remark(&format!("wrote {bytes} bytes to {shown}"));
    console.result(|| with(with(about, "out", shown.into()), "bytes", bytes.into()), String::new)
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// Text without anything that a terminal would act on.
fn is_readable(plaintext: &[u8]) -> bool {
    let harmless = |letter: char| !letter.is_control() || "\n\t".contains(letter);
    std::str::from_utf8(plaintext).is_ok_and(|text| text.chars().all(harmless))
}

/// Somebody sits there and may not know that we wait for him.
pub fn announce_terminal(console: &Console, file: Option<&Path>) {
    if files::is_standard(file) && std::io::stdin().is_terminal() {
        console.remark("reading from the terminal; end with Ctrl-D");
    }
}
