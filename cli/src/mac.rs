//! `keyfold mac`.

use std::path::Path;

use keyfold::{Key, Result, limits, to_text};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{Global, KeyArgs, MakeMacArgs, VerifyMacArgs};
use crate::encoding::{Encoding, line};
use crate::files::{self, Target};
use crate::message::{announce_terminal, report};
use crate::opening;
use crate::output::Console;

/// More than any code, however it is written.
const CODE_BYTES: usize = 1024;
/// The code with its prefix as one line that begins with `kf1.`.
const TEXT: &str = "text";

/// Prints the code of a message.
pub fn make(console: &Console, global: &Global, args: &MakeMacArgs) -> Result<()> {
    let encoding = encoding(args.encoding.as_deref(), args.no_prefix)?;
    let target = Target::new(args.target.out.as_deref(), args.target.force)?;
    if encoding == Some(Encoding::Raw) && (target.is_terminal() || console.json && target.path().is_none()) {
        return Err(files::invalid(
            "raw bytes go to a file or a pipe: name another --encoding, or --out FILE",
        ));
    }
    let (key, message) = read(console, global, &args.key, args.file.as_deref())?;
    let code = if args.no_prefix { key.mac_raw(&message)? } else { key.mac(&message)? };
    let about = json!({ "key_id": key.id(), "encoding": encoding.map_or(TEXT, Encoding::name) });
    let text = match encoding {
        Some(encoding) => encoding.text(&code)?,
        None => Zeroizing::new(to_text(&code)),
    };
    if target.path().is_none() && console.json {
        let mut about = about;
        about["mac"] = text.as_str().into();
        return console.result(|| about, String::new);
    }
    let line = line(&text);
    let bytes = if encoding == Some(Encoding::Raw) { &code } else { line.as_bytes() };
    target.write(bytes)?;
    target.path().map_or(Ok(()), |path| report(console, path, bytes.len() as u64, about))
}

/// Verifies the code of a message.
pub fn verify(console: &Console, global: &Global, args: &VerifyMacArgs) -> Result<()> {
    let encoding = encoding(args.encoding.as_deref(), args.no_prefix)?;
    let given = match (&args.mac, &args.mac_file) {
        (Some(text), _) => Zeroizing::new(text.clone().into_bytes()),
        (None, Some(path)) => files::read_file(path, CODE_BYTES)?,
        (None, None) => return Err(files::invalid("name the code with --mac CODE or --mac-file FILE")),
    };
    let code = match encoding {
        Some(encoding) => encoding.bytes(&given)?,
        None => given.strip_suffix(b"\n").unwrap_or(&given).to_vec(),
    };
    let (key, message) = read(console, global, &args.key, args.file.as_deref())?;
    match args.no_prefix {
        true => key.verify_mac_raw(&message, &code)?,
        false => key.verify_mac(&message, &code)?,
    }
    console.remark("the code is genuine");
    console.result(|| json!({ "key_id": key.id(), "genuine": true }), String::new)
}

/// `None` for the text form.
fn encoding(name: Option<&str>, no_prefix: bool) -> Result<Option<Encoding>> {
    match (name, no_prefix) {
        (None, true) => Ok(Some(Encoding::Hex)),
        (None | Some(TEXT), false) => Ok(None),
        (Some(TEXT), true) => {
            Err(files::invalid("the text form has a prefix: leave --no-prefix out, or say hex"))
        }
        (Some(name), _) => Encoding::parse(name).map(Some),
    }
}

fn read(
    console: &Console,
    global: &Global,
    key: &KeyArgs,
    file: Option<&Path>,
) -> Result<(Key, Zeroizing<Vec<u8>>)> {
    opening::keep_input_apart(global, file)?;
    let key = opening::open(console, global)?.key(&key.key_id)?;
    announce_terminal(console, file);
    // One byte past the limit is enough for the core to refuse it.
    Ok((key, files::read_input(file, limits::MESSAGE_BYTES)?))
}
