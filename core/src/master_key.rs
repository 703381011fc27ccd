//! Where the master key comes from: 32 bytes, however they reach us.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::primitives::random_bytes;
use crate::sys::pages::SecretBytes;

/// The environment variable that is read where no master key is named.
pub const MASTER_KEY_VARIABLE: &str = "KEYFOLD_MASTER_KEY";

const LENGTH: usize = 32;
/// 32 bytes in base64 with its padding.
const TEXT_LENGTH: usize = 44;

/// What a callback may answer with on failure.
pub type CallbackError = Box<dyn std::error::Error + Send + Sync>;

/// The source of a store's master key. It is read when a store is opened, and not kept.
#[derive(Clone)]
pub struct MasterKey(Source);

#[derive(Clone)]
enum Source {
    Environment(String),
    File(PathBuf),
    Descriptor(i32),
    Bytes(Arc<SecretBytes>),
    Callback(Arc<dyn Fn() -> std::result::Result<Zeroizing<Vec<u8>>, CallbackError> + Send + Sync>),
}

/// A master key as read, and what is to be said about where it lay.
pub(crate) struct ResolvedMasterKey {
    pub(crate) secret: SecretBytes,
    pub(crate) warnings: Vec<String>,
}

impl MasterKey {
    /// From an environment variable: base64, `file:PATH` or `fd:N`.
    pub fn environment(name: impl Into<String>) -> Self {
        Self(Source::Environment(name.into()))
    }

    /// From a file with the base64 text; one newline at its end is allowed.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// From an open file descriptor with the base64 text, read to its end. It stays open.
    pub fn descriptor(number: i32) -> Self {
        Self(Source::Descriptor(number))
    }

    /// From 32 bytes. The caller wipes his own copy.
    pub fn bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self(Source::Bytes(Arc::new(from_bytes(bytes)?))))
    }

    /// From what a function returns when the store is opened: 32 bytes.
    pub fn callback<F>(function: F) -> Self
    where
        F: Fn() -> std::result::Result<Vec<u8>, CallbackError> + Send + Sync + 'static,
    {
        Self(Source::Callback(Arc::new(move || function().map(Zeroizing::new))))
    }

    /// From a text: `env:NAME`, `file:PATH`, `fd:N`, or the base64 of the 32 bytes themselves.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            return match name {
                "" => Err(Error::invalid("\"env:\" names no variable; write env:NAME")),
                name => Ok(Self::environment(name)),
            };
        }
        match reference(text)? {
            Some(source) => Ok(Self(source)),
            None => Ok(Self(Source::Bytes(Arc::new(from_text(text)?)))),
        }
    }

    /// Reads the 32 bytes.
    pub(crate) fn resolve(&self) -> Result<ResolvedMasterKey> {
        let mut warnings = Vec::new();
        let secret = self.0.read(&mut warnings)?;
        Ok(ResolvedMasterKey { secret, warnings })
    }
}

impl Default for MasterKey {
    /// `KEYFOLD_MASTER_KEY`.
    fn default() -> Self {
        Self::environment(MASTER_KEY_VARIABLE)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Environment(name) => write!(out, "MasterKey(env:{name})"),
            Source::File(path) => write!(out, "MasterKey(file:{})", path.display()),
            Source::Descriptor(number) => write!(out, "MasterKey(fd:{number})"),
            Source::Bytes(_) => out.write_str("MasterKey(bytes)"),
            Source::Callback(_) => out.write_str("MasterKey(callback)"),
        }
    }
}

/// A new master key: 32 bytes from the kernel as base64 text.
pub fn generate_master_key() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; LENGTH]);
    random_bytes(bytes.as_mut())?;
    Ok(Zeroizing::new(Base64::encode_string(bytes.as_ref())))
}

impl Source {
    fn read(&self, warnings: &mut Vec<String>) -> Result<SecretBytes> {
        match self {
            Source::Environment(name) => read_environment(name, warnings),
            Source::File(path) => read_file(path, warnings),
            Source::Descriptor(number) => read_descriptor(*number),
            Source::Bytes(bytes) => Ok(SecretBytes::copied(bytes.expose())),
            Source::Callback(function) => {
                let bytes = function().map_err(|cause| {
                    Error::new(ErrorKind::ProviderUnavailable, "the master key callback failed")
                        .with_cause(cause)
                })?;
                from_bytes(&bytes)
            }
        }
    }
}

/// `file:PATH` or `fd:N`; `None` for anything else.
fn reference(text: &str) -> Result<Option<Source>> {
    if let Some(path) = text.strip_prefix("file:") {
        return match path {
            "" => Err(Error::invalid("\"file:\" names no file; write file:PATH")),
            path => Ok(Some(Source::File(path.into()))),
        };
    }
    let Some(number) = text.strip_prefix("fd:") else { return Ok(None) };
    match number.parse() {
        Ok(number) if number >= 0 => Ok(Some(Source::Descriptor(number))),
        _ => Err(Error::invalid("\"fd:\" wants the number of an open file descriptor, as in fd:3")),
    }
}

fn read_environment(name: &str, warnings: &mut Vec<String>) -> Result<SecretBytes> {
    use std::env::VarError;
    let value = match std::env::var(name) {
        Ok(value) => Zeroizing::new(value),
        Err(VarError::NotUnicode(_)) => return Err(malformed(&format!("environment variable {name}"))),
        Err(VarError::NotPresent) => {
            return Err(Error::invalid(format!(
                "no master key: the environment variable {name} is not set. `keyfold master-key generate` makes \
                 one; then set {name} to it, or to file:PATH"
            )));
        }
    };
    match reference(&value)? {
        Some(source) => source.read(warnings),
        None => from_text(&value).map_err(|_| malformed(&format!("environment variable {name}"))),
    }
}

fn read_file(path: &PathBuf, warnings: &mut Vec<String>) -> Result<SecretBytes> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("the master key file {shown} cannot be read")).with_cause(error)
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::invalid(format!("the master key file {shown} is a folder; name a file in it")));
    }
    let shared = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0);
    if shared {
        warnings.push(format!("others may read the master key file {shown}; run: chmod 600 {shown}"));
    }
    read_text(file, &format!("file {shown}"))
}

fn read_descriptor(number: i32) -> Result<SecretBytes> {
    let place = format!("descriptor {number}");
    let file = crate::sys::descriptor::duplicate(number)
        .map_err(|error| Error::invalid(format!("file {place} is not open for reading")).with_cause(error))?;
    read_text(file, &place)
}

fn read_text(file: File, place: &str) -> Result<SecretBytes> {
    // Of its final size at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(limits::MASTER_KEY_SOURCE_BYTES as usize + 1));
    let read = file.take(limits::MASTER_KEY_SOURCE_BYTES + 1).read_to_end(&mut text);
    read.map_err(|error| {
        Error::storage(format!("the master key in {place} cannot be read")).with_cause(error)
    })?;
    let text = std::str::from_utf8(&text).map_err(|_| malformed(place))?;
    from_text(text).map_err(|_| malformed(place))
}

fn from_bytes(bytes: &[u8]) -> Result<SecretBytes> {
    if bytes.len() != LENGTH {
        return Err(Error::invalid(format!("a master key is {LENGTH} bytes; these are {}", bytes.len())));
    }
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(Error::invalid("this master key repeats one byte; use `keyfold master-key generate`"));
    }
    Ok(SecretBytes::copied(bytes))
}

/// Strict base64 with its padding; one newline at the end is allowed.
fn from_text(text: &str) -> Result<SecretBytes> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut bytes = Zeroizing::new([0u8; LENGTH]);
    let decoded = text.len() == TEXT_LENGTH
        && Base64::decode(text, bytes.as_mut()).is_ok_and(|decoded| decoded.len() == LENGTH);
    if !decoded {
        bytes.zeroize();
        return Err(malformed("text"));
    }
    from_bytes(bytes.as_ref())
}

fn malformed(place: &str) -> Error {
    Error::invalid(format!(
        "the master key in {place} is not the base64 of 32 bytes: {TEXT_LENGTH} characters of A-Z a-z 0-9 + / \
         ending in =, as `keyfold master-key generate` prints"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    fn text() -> String {
        Base64::encode_string(&(0..32).collect::<Vec<u8>>())
    }

    fn resolved(key: MasterKey) -> Vec<u8> {
        key.resolve().unwrap().secret.expose().to_vec()
    }

    #[test]
    fn every_source_gives_the_same_bytes() {
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(resolved(MasterKey::parse(&text()).unwrap()), expected);
        assert_eq!(resolved(MasterKey::parse(&format!("{}\n", text())).unwrap()), expected);
        assert_eq!(resolved(MasterKey::bytes(&expected).unwrap()), expected);
        let copy = expected.clone();
        assert_eq!(resolved(MasterKey::callback(move || Ok(copy.clone()))), expected);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writeln!(writer, "{}", text()).unwrap();
        drop(writer);
        assert_eq!(resolved(MasterKey::parse(&format!("fd:{}", reader.as_raw_fd())).unwrap()), expected);
    }

    #[test]
    fn malformed_texts_are_refused_without_an_echo() {
        let good = text();
        let bad = [
            "",
            "deadbeef",
            good.trim_end_matches('='),
            &good[1..],
            &format!("{good}="),
            &format!("{good}\n\n"),
            &format!(" {good}"),
            &format!("{}!=", &good[..42]),
            &good.replace('A', "-"),
            &"00".repeat(32),
            &Base64::encode_string(&[7; 32]),
        ];
        for text in bad {
            let error = MasterKey::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(text.len() < 8 || !format!("{error:?}").contains(text), "{error:?}");
        }
        assert_eq!(
            MasterKey::file("/").resolve().map(|_| ()).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        for bad in ["env:", "file:", "fd:", "fd:x", "fd:-1"] {
            assert!(MasterKey::parse(bad).is_err());
        }
        for length in [0, 16, 31, 33] {
            assert!(MasterKey::bytes(&vec![1; length]).is_err());
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", MasterKey::parse(&text()).unwrap()), "MasterKey(bytes)");
        assert_eq!(format!("{:?}", MasterKey::default()), "MasterKey(env:KEYFOLD_MASTER_KEY)");
    }
}
