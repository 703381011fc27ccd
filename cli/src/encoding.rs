//! Bytes as people and other programs want to read them; and secrets handed to who asked for them.

use base64ct::{Base64, Encoding as _};
use keyfold::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::SecretTargetArgs;
use crate::files::{self, Target};
use crate::output::{Console, secret_json};

/// How bytes are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Raw,
    Hex,
    Base64,
}

impl Encoding {
    pub const ALL: [Self; 3] = [Self::Raw, Self::Hex, Self::Base64];

    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }

    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name).ok_or_else(|| {
            files::invalid(format!("encoding {name:?} is none of: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }

    /// One that is text.
    pub fn parse_text(name: &str) -> Result<Self> {
        match Self::parse(name)? {
            Self::Raw => Err(files::invalid("here bytes are written as text: hex or base64")),
            text => Ok(text),
        }
    }

    /// The bytes as text, of its final size at once: growing would leave copies behind.
    pub fn text(self, bytes: &[u8]) -> Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(vec![0; (2 * bytes.len()).max(Base64::encoded_len(bytes))]);
        let length = match self {
            Self::Base64 => Base64::encode(bytes, &mut text).map_err(unwritable)?.len(),
            Self::Raw | Self::Hex => {
                for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
                    pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
                }
                2 * bytes.len()
            }
        };
        text.truncate(length);
        String::from_utf8(std::mem::take(&mut text)).map(Zeroizing::new).map_err(unwritable)
    }

    /// The bytes that the text stands for; one newline at its end is left off.
    pub fn bytes(self, text: &[u8]) -> Result<Vec<u8>> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let malformed = || files::invalid(format!("this is not {}", self.name()));
        match self {
            Self::Raw => Ok(text.to_vec()),
            Self::Base64 => {
                let line = std::str::from_utf8(line).map_err(|_| malformed())?;
                Base64::decode_vec(line).map_err(|_| malformed())
            }
            Self::Hex if line.len().is_multiple_of(2) => line
                .chunks_exact(2)
                .map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?))
                .collect::<Option<Vec<u8>>>()
                .ok_or_else(malformed),
            Self::Hex => Err(malformed()),
        }
    }
}

/// Refuses to go on where nobody said where the secret is to go, or where it cannot go: handing out is recorded.
pub fn require_target(target: &SecretTargetArgs, what: &str) -> Result<()> {
    if target.reveal || !files::is_standard(target.out.as_deref()) {
        return Target::new(target.out.as_deref(), false).map(|_| ());
    }
    Err(files::invalid(format!("name a file with --out FILE, or say --reveal to have {what} printed")))
}

/// Gives a secret to the user, as [`require_target`] allowed. `about` says in JSON what it is.
pub fn hand_out(
    console: &Console,
    target: &SecretTargetArgs,
    encoding: Encoding,
    (name, bytes): (&str, &[u8]),
    mut about: Value,
) -> Result<()> {
    let text = encoding.text(bytes)?;
    about["encoding"] = encoding.name().into();
    if target.reveal {
        if encoding == Encoding::Raw && (console.json || files::is_terminal()) {
            return Err(files::invalid(
                "raw bytes go to a file or a pipe: say --encoding hex or --encoding base64",
            ));
        }
        return match encoding {
            _ if console.json => files::print(&secret_json(&about, name, &text)?),
            Encoding::Raw => files::print(bytes),
            _ => files::print(line(&text).as_bytes()),
        };
    }
    let Some(path) = target.out.as_deref() else { return require_target(target, name) };
    match encoding {
        Encoding::Raw => files::write_new(path, bytes)?,
        _ => files::write_new(path, line(&text).as_bytes())?,
    }
    let shown = path.display().to_string();
    console.remark(&format!("wrote {} bytes as {} to {shown}", bytes.len(), encoding.name()));
    about["out"] = shown.into();
    console.result(|| json!(about), String::new)
}

/// Gives a secret that is text to the user, as [`require_target`] allowed.
pub fn hand_out_text(
    console: &Console,
    target: &SecretTargetArgs,
    (name, text): (&str, &str),
    remark: &str,
) -> Result<()> {
    if target.reveal {
        return match console.json {
            true => files::print(&secret_json(&json!({}), name, text)?),
            false => files::print(line(text).as_bytes()),
        };
    }
    let Some(path) = target.out.as_deref() else { return require_target(target, name) };
    files::write_new(path, line(text).as_bytes())?;
    let shown = path.display().to_string();
    console.remark(&remark.replace("{}", &shown));
    console.result(|| json!({ "out": shown }), String::new)
}

/// With a newline at its end.
pub fn line(text: &str) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(text.len() + 1));
    [text, "\n"].into_iter().for_each(|part| line.push_str(part));
    line
}

fn digit(value: u8) -> u8 {
    // Without a table, so that nothing depends on where in memory a secret points.
    let below_ten = ((i16::from(value) - 10) >> 15) as u8;
    ((b'a' + value - 10) & !below_ten) | ((b'0' + value) & below_ten)
}

fn value(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

fn unwritable<E>(_: E) -> Error {
    Error::new(ErrorKind::Internal, "bytes cannot be written as text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(*Encoding::Hex.text(&all[250..]).unwrap(), "fafbfcfdfeff");
        assert_eq!(*Encoding::Hex.text(&all[..11]).unwrap(), "000102030405060708090a");
        assert_eq!(*Encoding::Base64.text(b"ada!").unwrap(), "YWRhIQ==");
        for encoding in [Encoding::Hex, Encoding::Base64] {
            for length in [0, 1, 2, 3, 255, 256] {
                let text = encoding.text(&all[..length]).unwrap();
                assert_eq!(encoding.bytes(text.as_bytes()).unwrap(), all[..length]);
                assert_eq!(encoding.bytes(line(&text).as_bytes()).unwrap(), all[..length]);
            }
        }
        assert_eq!(Encoding::Hex.bytes(b"FF").unwrap(), [255]);
        for bad in [&b"f"[..], b"fg", b"ff\n\n", b" ff", b"\xff\xff"] {
            assert!(Encoding::Hex.bytes(bad).is_err(), "{bad:?}");
        }
        for bad in [&b"YWRhIQ"[..], b"YWRhIQ==\n\n", b"Y-", b"\xff"] {
            assert!(Encoding::Base64.bytes(bad).is_err(), "{bad:?}");
        }
    }
}
