//! Where the master key comes from: 32 bytes, a passphrase, or something printed, however they reach us.

mod known;
mod passphrase;
mod printed;
mod recovery;
mod shares;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{Credential, RecipientKind};
use crate::limits;
use crate::primitives::random_bytes;
use crate::sys::pages::SecretBytes;

pub use passphrase::Passphrase;
pub use recovery::RecoveryKey;
pub use shares::Shares;

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
    /// The secret as text, somewhere outside.
    Text(Place),
    /// A passphrase, somewhere outside.
    PassphraseText(Place),
    /// 32 bytes at hand, for recipients of this kind.
    Bytes(RecipientKind, Arc<SecretBytes>),
    Passphrase(Passphrase),
    Callback(Arc<dyn Fn() -> std::result::Result<Zeroizing<Vec<u8>>, CallbackError> + Send + Sync>),
    AnyOf(Arc<[MasterKey]>),
}

/// Where a text lies.
#[derive(Clone)]
enum Place {
    Environment(String),
    File(PathBuf),
    Descriptor(i32),
}

/// A master key as read, and what is to be said about where it lay.
pub(crate) struct ResolvedMasterKey {
    pub(crate) credential: Credential,
    pub(crate) warnings: Vec<String>,
}

impl MasterKey {
    /// From an environment variable: base64, `file:PATH` or `fd:N`.
    pub fn environment(name: impl Into<String>) -> Self {
        Self(Source::Text(Place::Environment(name.into())))
    }

    /// From a file with the base64 text; one newline at its end is allowed. A recovery key or shares are taken as
    /// well, also here, in an environment variable and from a descriptor.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::Text(Place::File(path.into())))
    }

    /// From an open file descriptor with the base64 text, read to its end. It stays open.
    pub fn descriptor(number: i32) -> Self {
        Self(Source::Text(Place::Descriptor(number)))
    }

    /// From 32 bytes. The caller wipes his own copy.
    pub fn bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self(Source::Bytes(RecipientKind::MasterKey, Arc::new(from_bytes(bytes)?))))
    }

    /// From what a function returns when the store is opened: 32 bytes.
    pub fn callback<F>(function: F) -> Self
    where
        F: Fn() -> std::result::Result<Vec<u8>, CallbackError> + Send + Sync + 'static,
    {
        Self(Source::Callback(Arc::new(move || function().map(Zeroizing::new))))
    }

    /// A passphrase. It is tried against recipients made for passphrases alone: at most 16 derivations, one for each.
    pub fn passphrase(passphrase: Passphrase) -> Self {
        Self(Source::Passphrase(passphrase))
    }

    /// A recovery key as it was printed, `kfr1-…`. InvalidArgument says which group is mistyped.
    pub fn recovery_key(text: &str) -> Result<Self> {
        recovery::FORM.parse(text.trim()).map(|secret| Self::from_recovery(Arc::new(secret)))
    }

    /// Enough shares of one secret, `kfs1-…` each. InvalidArgument says which one is damaged, or of another secret.
    pub fn shares<T: AsRef<str>>(texts: &[T]) -> Result<Self> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        shares::combine(&texts).map(|secret| Self::from_shares(Arc::new(secret)))
    }

    /// Several, tried in order until one opens the store; the error names what became of each. One that cannot be
    /// read counts as failed. What is made or added is made with the first that can be read.
    pub fn any_of(master_keys: impl IntoIterator<Item = MasterKey>) -> Result<Self> {
        let mut all = Vec::new();
        for master_key in master_keys {
            all.extend_from_slice(master_key.alternatives());
        }
        match all.len() {
            0 => Err(Error::invalid("no master key: name at least one")),
            count if count > limits::RECIPIENTS => {
                Err(Error::limit(format!("at most {} master keys are tried", limits::RECIPIENTS)))
            }
            _ => Ok(Self(Source::AnyOf(all.into()))),
        }
    }

    /// From a text: `env:NAME`, `file:PATH`, `fd:N`; a passphrase by where it lies, as in `passphrase:file:PATH`;
    /// or the secret itself: base64 of 32 bytes, a recovery key, or shares with white space between them.
    ///
    /// A passphrase itself is not taken: texts end up on command lines.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(place) = text.strip_prefix("passphrase:") {
            let place = Place::parse(place)?.ok_or_else(|| {
                Error::invalid(
                    "\"passphrase:\" wants where the passphrase lies: passphrase:env:NAME, passphrase:file:PATH \
                     or passphrase:fd:N",
                )
            })?;
            return Ok(Self(Source::PassphraseText(place)));
        }
        match Place::parse(text)? {
            Some(place) => Ok(Self(Source::Text(place))),
            None => {
                let credential = from_text(text)?;
                Ok(Self(Source::Bytes(credential.kind(), Arc::new(credential.into_secret()))))
            }
        }
    }

    fn from_recovery(secret: Arc<SecretBytes>) -> Self {
        Self(Source::Bytes(RecipientKind::RecoveryKey, secret))
    }

    fn from_shares(secret: Arc<SecretBytes>) -> Self {
        Self(Source::Bytes(RecipientKind::Shares, secret))
    }

    /// The master keys to be tried, in order.
    pub(crate) fn alternatives(&self) -> &[MasterKey] {
        match &self.0 {
            Source::AnyOf(all) => all,
            _ => std::slice::from_ref(self),
        }
    }

    /// Whether nobody said where the master key is.
    pub(crate) fn is_default(&self) -> bool {
        matches!(&self.0, Source::Text(Place::Environment(name)) if name == MASTER_KEY_VARIABLE)
    }

    /// Reads it. Of several, the first that can be read.
    pub(crate) fn resolve(&self) -> Result<ResolvedMasterKey> {
        let mut warnings = Vec::new();
        let credential = match &self.0 {
            Source::Text(place) => place.read_secret(&mut warnings)?,
            Source::PassphraseText(place) => {
                let text = place.read(&mut warnings)?;
                from_passphrase(&Passphrase::new(text.strip_suffix('\n').unwrap_or(&text))?)
            }
            Source::Bytes(kind, bytes) => Credential::of_kind(*kind, SecretBytes::copied(bytes.expose())),
            Source::Passphrase(passphrase) => from_passphrase(passphrase),
            Source::Callback(function) => {
                let bytes = function().map_err(|cause| {
                    Error::new(ErrorKind::ProviderUnavailable, "the master key callback failed")
                        .with_cause(cause)
                })?;
                Credential::master_key(from_bytes(&bytes)?)
            }
            Source::AnyOf(all) => return resolve_first(all),
        };
        if credential.has_secret(known::FIXTURES) {
            warnings.push("this master key is published: it is the one of keyfold's own fixtures".to_owned());
        }
        Ok(ResolvedMasterKey { credential, warnings })
    }
}

fn resolve_first(all: &[MasterKey]) -> Result<ResolvedMasterKey> {
    let mut failures = Vec::new();
    for master_key in all {
        match master_key.resolve() {
            Ok(resolved) => return Ok(resolved),
            Err(error) => failures.push((master_key, error)),
        }
    }
    Err(none_served(failures))
}

/// The error of several master keys that all failed; a single one's own error.
pub(crate) fn none_served(mut failures: Vec<(&MasterKey, Error)>) -> Error {
    if failures.len() == 1
        && let Some((_, error)) = failures.pop()
    {
        return error;
    }
    let wrong =
        failures.iter().map(|(_, error)| error.kind()).find(|kind| *kind == ErrorKind::WrongMasterKey);
    let kind = wrong.or_else(|| failures.first().map(|(_, error)| error.kind()));
    let mut message = format!("none of {} master keys serves:", failures.len());
    for (number, (master_key, error)) in (1..).zip(&failures) {
        message += &format!(" {number}. {master_key:?}: {} ({});", error.message(), error.kind());
    }
    message.pop();
    Error::new(kind.unwrap_or(ErrorKind::InvalidArgument), message)
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
            Source::Text(place) => write!(out, "MasterKey({place})"),
            Source::PassphraseText(place) => write!(out, "MasterKey(passphrase:{place})"),
            Source::Bytes(RecipientKind::MasterKey, _) => out.write_str("MasterKey(bytes)"),
            Source::Bytes(kind, _) => write!(out, "MasterKey({})", kind.name()),
            Source::Passphrase(_) => out.write_str("MasterKey(passphrase)"),
            Source::Callback(_) => out.write_str("MasterKey(callback)"),
            Source::AnyOf(all) => out.debug_list().entries(all.iter()).finish(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Environment(name) => write!(out, "env:{name}"),
            Place::File(path) => write!(out, "file:{}", path.display()),
            Place::Descriptor(number) => write!(out, "fd:{number}"),
        }
    }
}

/// A new master key: 32 bytes from the kernel as base64 text.
pub fn generate_master_key() -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0u8; LENGTH]);
    random_bytes(bytes.as_mut())?;
    Ok(Zeroizing::new(Base64::encode_string(bytes.as_ref())))
}

impl Place {
    /// `env:NAME`, `file:PATH` or `fd:N`; `None` for anything else.
    fn parse(text: &str) -> Result<Option<Self>> {
        if let Some(name) = text.strip_prefix("env:") {
            return match name {
                "" => Err(Error::invalid("\"env:\" names no variable; write env:NAME")),
                name => Ok(Some(Self::Environment(name.into()))),
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return match path {
                "" => Err(Error::invalid("\"file:\" names no file; write file:PATH")),
                path => Ok(Some(Self::File(path.into()))),
            };
        }
        let Some(number) = text.strip_prefix("fd:") else { return Ok(None) };
        match number.parse() {
            Ok(number) if number >= 0 => Ok(Some(Self::Descriptor(number))),
            _ => Err(Error::invalid("\"fd:\" wants the number of an open file descriptor, as in fd:3")),
        }
    }

    /// What errors call it.
    fn name(&self) -> String {
        match self {
            Place::Environment(name) => format!("environment variable {name}"),
            Place::File(path) => format!("file {}", path.display()),
            Place::Descriptor(number) => format!("descriptor {number}"),
        }
    }

    /// The secret that lies here. An environment variable may hold a reference to a file or descriptor in its place.
    fn read_secret(&self, warnings: &mut Vec<String>) -> Result<Credential> {
        let text = self.read(warnings)?;
        if matches!(self, Place::Environment(_))
            && !text.starts_with("env:")
            && let Some(place) = Place::parse(&text)?
        {
            return from_text_at(&place.read(warnings)?, &place.name());
        }
        from_text_at(&text, &self.name())
    }

    /// The text itself.
    fn read(&self, warnings: &mut Vec<String>) -> Result<Zeroizing<String>> {
        match self {
            Place::Environment(name) => read_environment(name),
            Place::File(path) => read_file(path, warnings),
            Place::Descriptor(number) => read_descriptor(*number),
        }
    }
}

fn read_environment(name: &str) -> Result<Zeroizing<String>> {
    use std::env::VarError;
    match std::env::var(name) {
        Ok(value) => Ok(Zeroizing::new(value)),
        Err(VarError::NotUnicode(_)) => {
            Err(Error::invalid(format!("the secret in environment variable {name} is not UTF-8")))
        }
        Err(VarError::NotPresent) => Err(Error::invalid(format!(
            "no master key: the environment variable {name} is not set. `keyfold master-key generate` makes \
             one; then set {name} to it, or to file:PATH"
        ))),
    }
}

fn read_file(path: &Path, warnings: &mut Vec<String>) -> Result<Zeroizing<String>> {
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

fn read_descriptor(number: i32) -> Result<Zeroizing<String>> {
    let place = format!("descriptor {number}");
    let file = crate::sys::descriptor::duplicate(number)
        .map_err(|error| Error::invalid(format!("file {place} is not open for reading")).with_cause(error))?;
    read_text(file, &place)
}

fn read_text(file: File, place: &str) -> Result<Zeroizing<String>> {
    // Of its final size at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::MASTER_KEY_SOURCE_BYTES as usize + 1));
    let read = file.take(limits::MASTER_KEY_SOURCE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Error::storage(format!("the master key in {place} cannot be read")).with_cause(error)
    })?;
    if bytes.len() as u64 > limits::MASTER_KEY_SOURCE_BYTES {
        return Err(malformed(place));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::invalid(format!("the secret in {place} is not UTF-8"))),
    }
}

fn from_passphrase(passphrase: &Passphrase) -> Credential {
    Credential::passphrase(SecretBytes::copied(passphrase.bytes().expose()), passphrase.cost())
}

fn from_bytes(bytes: &[u8]) -> Result<SecretBytes> {
    let key: &[u8; LENGTH] = bytes
        .try_into()
        .map_err(|_| Error::invalid(format!("a master key is {LENGTH} bytes; these are {}", bytes.len())))?;
    known::refuse_known(key)?;
    Ok(SecretBytes::copied(key))
}

/// As [`from_text`], for a text that lies somewhere.
fn from_text_at(text: &str, place: &str) -> Result<Credential> {
    from_text(text).map_err(|error| {
        Error::invalid(error.message().replacen(
            "the master key in text",
            &format!("the master key in {place}"),
            1,
        ))
    })
}

/// Strict base64 with its padding (one newline at the end is allowed), a recovery key, or shares.
fn from_text(text: &str) -> Result<Credential> {
    let trimmed = text.trim();
    if recovery::FORM.begins(trimmed) {
        return recovery::FORM
            .parse(trimmed)
            .map(|secret| Credential::of_kind(RecipientKind::RecoveryKey, secret));
    }
    if shares::FORM.begins(trimmed) {
        let texts: Vec<&str> = trimmed.split_ascii_whitespace().collect();
        return shares::combine(&texts).map(|secret| Credential::of_kind(RecipientKind::Shares, secret));
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut bytes = Zeroizing::new([0u8; LENGTH]);
    let decoded = text.len() == TEXT_LENGTH
        && Base64::decode(text, bytes.as_mut()).is_ok_and(|decoded| decoded.len() == LENGTH);
    if !decoded {
        bytes.zeroize();
        return Err(malformed("text"));
    }
    from_bytes(bytes.as_ref()).map(Credential::master_key)
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

    /// No sequence: such keys are refused.
    fn key() -> Vec<u8> {
        (0..32u8).map(|place| place.wrapping_mul(place) ^ 0x5a).collect()
    }

    fn text() -> String {
        Base64::encode_string(&key())
    }

    fn resolved(key: MasterKey) -> Vec<u8> {
        key.resolve().unwrap().credential.into_secret().expose().to_vec()
    }

    fn kind_of(key: MasterKey) -> RecipientKind {
        key.resolve().unwrap().credential.kind()
    }

    #[test]
    fn every_source_gives_the_same_bytes() {
        let expected = key();
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
            &good.replacen(&good[3..4], "-", 1),
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
    fn printed_secrets_are_told_by_their_beginning() {
        let recovery = RecoveryKey::generate().unwrap();
        let printed = recovery.reveal();
        let secret = resolved(recovery.master_key());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "  {}", printed.to_lowercase()).unwrap();
        for key in [
            MasterKey::recovery_key(&printed).unwrap(),
            MasterKey::parse(&printed).unwrap(),
            MasterKey::file(file.path()),
        ] {
            assert_eq!(kind_of(key.clone()), RecipientKind::RecoveryKey);
            assert_eq!(resolved(key), secret);
        }
        let shares = Shares::split(2, 3).unwrap();
        let texts = shares.reveal();
        let both = format!("{}\n{}\n", *texts[2], *texts[0]);
        for key in [MasterKey::shares(&texts[1..]).unwrap(), MasterKey::parse(&both).unwrap()] {
            assert_eq!(kind_of(key.clone()), RecipientKind::Shares);
            assert_eq!(resolved(key), resolved(shares.master_key()));
        }
        assert!(MasterKey::recovery_key(&texts[0]).is_err());
        assert!(MasterKey::shares(&[&*printed, &*printed]).is_err());
    }

    #[test]
    fn passphrases_are_read_from_where_they_lie() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "correct e\u{301} horse").unwrap();
        let at = format!("passphrase:file:{}", file.path().display());
        let key = MasterKey::parse(&at).unwrap();
        assert_eq!(resolved(key.clone()), "correct \u{e9} horse".as_bytes());
        assert_eq!(kind_of(key.clone()), RecipientKind::Passphrase);
        assert_eq!(format!("{key:?}"), format!("MasterKey({at})"));
        for bad in ["passphrase:", "passphrase:correct horse", "passphrase:env:"] {
            let error = MasterKey::parse(bad).map(|_| ()).unwrap_err();
            assert!(!error.message().contains("correct"), "{error:?}");
        }
        let empty = tempfile::NamedTempFile::new().unwrap();
        let at = format!("passphrase:file:{}", empty.path().display());
        assert!(MasterKey::parse(&at).unwrap().resolve().is_err());
    }

    #[test]
    fn of_several_the_first_that_can_be_read() {
        let all = [MasterKey::environment("KEYFOLD_TEST_UNSET"), MasterKey::bytes(&key()).unwrap()];
        assert_eq!(resolved(MasterKey::any_of(all.clone()).unwrap()), key());
        let nested = MasterKey::any_of([MasterKey::any_of(all.clone()).unwrap(), all[1].clone()]).unwrap();
        assert_eq!(nested.alternatives().len(), 3);
        let none = MasterKey::any_of([all[0].clone(), MasterKey::file("/nowhere/at/all")]).unwrap();
        let error = none.resolve().map(|_| ()).unwrap_err();
        for part in
            ["none of 2", "1. MasterKey(env:KEYFOLD_TEST_UNSET)", "2. MasterKey(file:/nowhere/at/all)"]
        {
            assert!(error.message().contains(part), "{error:?}");
        }
        assert!(MasterKey::any_of([]).is_err());
        let many = vec![all[0].clone(); limits::RECIPIENTS + 1];
        assert_eq!(MasterKey::any_of(many).map(|_| ()).unwrap_err().kind(), ErrorKind::LimitExceeded);
    }

    #[test]
    fn debug_shows_no_secret() {
        let passphrase = MasterKey::passphrase(Passphrase::new("correct horse").unwrap());
        let recovery = RecoveryKey::generate().unwrap();
        assert_eq!(format!("{passphrase:?} {recovery:?}"), "MasterKey(passphrase) RecoveryKey(..)");
        assert_eq!(format!("{:?}", recovery.master_key()), "MasterKey(recovery_key)");
        assert_eq!(format!("{:?}", MasterKey::parse(&text()).unwrap()), "MasterKey(bytes)");
        assert_eq!(format!("{:?}", MasterKey::default()), "MasterKey(env:KEYFOLD_MASTER_KEY)");
    }
}
