//! How a store is opened and how a key is made: plain options, the same in every language.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::time::{Clock, Timestamp, deserialize_duration, deserialize_optional_duration};

/// What an open store may do. It guards against mistakes, not against code in the same process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Shows metadata, and needs no master key; nothing that it shows was verified.
    Metadata,
    /// Encrypts, decrypts and looks up; no administration, no raw key, derived key, salt or export.
    Use,
    /// Everything. The default.
    #[default]
    Admin,
}

impl Mode {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Metadata, Self::Use, Self::Admin];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Use => "use",
            Self::Admin => "admin",
        }
    }
}

/// How a store is opened.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Make the store if there is none at the path; whoever comes second opens it. Default: false.
    pub create: bool,
    /// How soon a change by another process is used here. Default: 1 s; 10 ms to 1 h.
    #[serde(deserialize_with = "deserialize_duration")]
    pub refresh_interval: Duration,
    /// How long keys serve when the file cannot be read; then calls fail. Default: 60 s; at most a day.
    #[serde(deserialize_with = "deserialize_duration")]
    pub max_stale: Duration,
    /// How long to wait for another process before Busy. Default: 5 s; at most 1 h.
    #[serde(deserialize_with = "deserialize_duration")]
    pub busy_timeout: Duration,
    /// Refuse a copy of the store that is older than this anchor or forked before it.
    pub anchor: Option<String>,
    /// Refuse a store with another identity than this, as [`crate::Store::fingerprint`] gives it.
    pub fingerprint: Option<String>,
    /// Who acts, for the audit log. Default: the user's number, as in `uid:1000`.
    pub actor: Option<String>,
    /// Open a store on a network file system although its locks are not dependable. Default: false.
    pub allow_network_fs: bool,
    /// What the open store may do: `admin` (the default), `use` or `metadata`.
    pub mode: Option<String>,
    /// Never write to the file and its folder, and take no locks: for read-only file systems. Nobody may write the
    /// file meanwhile. Default: false.
    pub immutable: bool,
    /// Refuse what is for development: stores made with `insecure_dev`, master key files that others may read,
    /// network file systems. Default: false.
    pub production: bool,
    /// Make and open a store with a random key of its own in a file beside it; in place of a master key. Default: false.
    pub insecure_dev: bool,
    /// Fail where key memory cannot be kept out of swap, rather than warn. Default: false.
    pub require_mlock: bool,
    /// Where times come from; for tests. Not part of the JSON form.
    #[serde(skip)]
    pub clock: Clock,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: false,
            refresh_interval: Duration::from_secs(1),
            max_stale: Duration::from_secs(60),
            busy_timeout: Duration::from_secs(5),
            anchor: None,
            fingerprint: None,
            actor: None,
            allow_network_fs: false,
            mode: None,
            immutable: false,
            production: false,
            insecure_dev: false,
            require_mlock: false,
            clock: Clock::system(),
        }
    }
}

impl OpenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields; durations as texts such as `"5s"`.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Make the store if there is none.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// How soon a change by another process is used here.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// How long keys serve when the file cannot be read.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = max_stale;
        self
    }

    /// How long to wait for another process.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Refuse an older or forked copy.
    pub fn anchor(mut self, anchor: impl Into<String>) -> Self {
        self.anchor = Some(anchor.into());
        self
    }

    /// Refuse another store.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Who acts.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Open a store on a network file system.
    pub fn allow_network_fs(mut self, allow: bool) -> Self {
        self.allow_network_fs = allow;
        self
    }

    /// What the open store may do.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode.name().to_owned());
        self
    }

    /// Never write, take no locks.
    pub fn immutable(mut self, immutable: bool) -> Self {
        self.immutable = immutable;
        self
    }

    /// Refuse what is for development.
    pub fn production(mut self, production: bool) -> Self {
        self.production = production;
        self
    }

    /// Use a random key beside the store.
    pub fn insecure_dev(mut self, insecure_dev: bool) -> Self {
        self.insecure_dev = insecure_dev;
        self
    }

    /// Fail where key memory cannot be locked.
    pub fn require_mlock(mut self, require: bool) -> Self {
        self.require_mlock = require;
        self
    }

    /// Where times come from; for tests.
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::function(now);
        self
    }

    /// The mode that is asked for.
    pub(crate) fn wanted_mode(&self) -> Result<Mode> {
        let Some(name) = self.mode.as_deref() else { return Ok(Mode::default()) };
        Mode::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
            Error::invalid(format!("mode {name:?} is none of: {}", Mode::ALL.map(Mode::name).join(", ")))
        })
    }

    /// Checks what the types do not.
    pub(crate) fn check(&self) -> Result<()> {
        let (shortest, longest) = limits::REFRESH_INTERVAL;
        if self.refresh_interval < shortest || self.refresh_interval > longest {
            return Err(Error::invalid(format!(
                "refresh_interval is {:?}; it may be {shortest:?} to {longest:?}",
                self.refresh_interval
            )));
        }
        if self.max_stale < self.refresh_interval || self.max_stale > limits::MAX_STALE {
            return Err(Error::invalid(format!(
                "max_stale is {:?}; it may be refresh_interval to {:?}",
                self.max_stale,
                limits::MAX_STALE
            )));
        }
        if self.busy_timeout > limits::BUSY_TIMEOUT {
            return Err(Error::invalid(format!(
                "busy_timeout is {:?}; it may be at most {:?}",
                self.busy_timeout,
                limits::BUSY_TIMEOUT
            )));
        }
        if self.production && (self.insecure_dev || self.allow_network_fs) {
            return Err(Error::invalid("production excludes insecure_dev and allow_network_fs"));
        }
        if self.immutable && self.create {
            return Err(Error::invalid("immutable excludes create: nothing is written"));
        }
        let actor = self.actor.as_deref().unwrap_or("-");
        if actor.is_empty() || actor.len() > limits::ACTOR_BYTES || actor.chars().any(char::is_control) {
            return Err(Error::invalid(format!(
                "actor must be 1 to {} bytes without control characters",
                limits::ACTOR_BYTES
            )));
        }
        Ok(())
    }
}

/// What a key is made as.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CreateKey {
    /// `aead`, `deterministic`, `stream`, `mac` or `derive`. Default: that of the algorithm, `aead` without one.
    pub kind: Option<String>,
    /// Name of the algorithm. Default: that of the kind, `AES256_GCM_SIV` for `aead`.
    pub algorithm: Option<String>,
    /// What the key is for: pii, financial, medical, credentials, api, backup, or one that was registered. Keys of
    /// one purpose share the root of their blind indexes.
    pub purpose: Option<String>,
    /// A note for people.
    pub description: Option<String>,
    /// Names and values of the caller's choice.
    pub labels: BTreeMap<String, String>,
    /// Whether its raw bytes may ever leave the store. Cannot be changed later. Default: false.
    pub exportable: bool,
    /// Return the key as it is where it exists with the same kind, algorithm and purpose. Default: false.
    pub exist_ok: bool,
    /// How long each version encrypts; decrypting goes on. Default: for ever.
    #[serde(deserialize_with = "deserialize_optional_duration")]
    pub expires_in: Option<Duration>,
    /// When a version nears its algorithm's safe number of messages: `rotate` (the default) makes the next one by
    /// itself, `refuse` encrypts no more.
    pub on_limit: Option<String>,
}

impl CreateKey {
    /// The defaults: kind `aead`, algorithm AES256_GCM_SIV.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Another algorithm than the default.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm.name().to_owned());
        self
    }

    /// Another kind than `aead`.
    pub fn kind(mut self, kind: KeyKind) -> Self {
        self.kind = Some(kind.name().to_owned());
        self
    }

    /// How long each version encrypts.
    pub fn expires_in(mut self, period: Duration) -> Self {
        self.expires_in = Some(period);
        self
    }

    /// What happens at the limit of messages: `rotate` or `refuse`.
    pub fn on_limit(mut self, word: impl Into<String>) -> Self {
        self.on_limit = Some(word.into());
        self
    }

    /// What the key is for.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    /// A note for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Whether the raw bytes may ever leave the store.
    pub fn exportable(mut self, exportable: bool) -> Self {
        self.exportable = exportable;
        self
    }

    /// Return an equal key that exists.
    pub fn exist_ok(mut self, exist_ok: bool) -> Self {
        self.exist_ok = exist_ok;
        self
    }
}

/// How a key's next version is made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RotateKey {
    /// Make the version `staged`: every process learns to decrypt by it, and `promote_version` has it encrypt.
    /// Default: false, it encrypts at once.
    pub stage: bool,
    /// Another algorithm of the key's kind, for this version and those after it. Default: the key's.
    pub algorithm: Option<String>,
}

impl RotateKey {
    /// The defaults: current at once, the key's algorithm.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Make the version staged.
    pub fn stage(mut self, stage: bool) -> Self {
        self.stage = stage;
        self
    }

    /// Another algorithm of the key's kind.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm.name().to_owned());
        self
    }
}

/// Which keys a listing shows; everything left out matches all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct KeyFilter {
    /// Keys of this kind.
    pub kind: Option<String>,
    /// Keys of this purpose.
    pub purpose: Option<String>,
    /// Keys of this algorithm.
    pub algorithm: Option<String>,
    /// Keys whose current version is in this state, or `archived`. `enabled` leaves out archived keys.
    pub state: Option<String>,
    /// Keys with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Keys with this text in their id or description, taken literally.
    pub search: Option<String>,
    /// Keys whose id comes after this one: for reading a long list in parts.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl KeyFilter {
    /// All keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }
}

/// Which blind index of a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct IndexOptions {
    /// What of a value is indexed. `exact`, the default: all of it; `prefix`, `suffix`: its first or last `length`
    /// characters; `soundex`: how a name sounds in English.
    pub kind: String,
    /// How many characters a prefix or suffix has, 1 to 255. A shorter value is indexed whole.
    pub length: Option<u32>,
    /// How many bits are kept, 1 to 256. Fewer bits leak less and find more by chance. Default: 128.
    pub bits: u32,
    /// What is done to the value first, in this order: `casefold`, `nfkc`, `digits` (drops all else), `trim`,
    /// `collapse_spaces`. Default: nothing.
    pub normalize: Vec<String>,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { kind: "exact".to_owned(), length: None, bits: 128, normalize: Vec::new() }
    }
}

impl IndexOptions {
    /// The defaults: exact, 128 bits.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// What of a value is indexed: `exact`, `prefix`, `suffix` or `soundex`.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// How many characters a prefix or suffix has.
    pub fn length(mut self, length: u32) -> Self {
        self.length = Some(length);
        self
    }

    /// What is done to the value first, in this order.
    pub fn normalize<T: Into<String>>(mut self, normalizers: impl IntoIterator<Item = T>) -> Self {
        self.normalize = normalizers.into_iter().map(Into::into).collect();
        self
    }

    /// How many bits are kept.
    pub fn bits(mut self, bits: u32) -> Self {
        self.bits = bits;
        self
    }
}

/// How a file is encrypted or decrypted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct FileOptions {
    /// Replace a file that stands under the output's name. Default: false.
    pub force: bool,
}

impl FileOptions {
    /// The defaults: nothing is replaced.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Replace a file that stands under the output's name.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
}

/// Unknown names, names given twice and wrong types are refused, by name.
pub(super) fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    if json.len() > limits::OPTIONS_BYTES {
        return Err(Error::limit(format!("options are at most {} bytes of JSON", limits::OPTIONS_BYTES)));
    }
    // serde would take an array as well, its items in the order of the fields.
    if !json.trim_ascii_start().starts_with('{') {
        return Err(Error::invalid("options: expected a JSON object"));
    }
    serde_json::from_str(json).map_err(|error| {
        // Where in the JSON it stands says nothing to a caller who wrote keyword arguments.
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default();
        Error::invalid(format!("options: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn options_from_json() {
        let options = OpenOptions::from_json(r#"{"create": true, "refresh_interval": "250ms"}"#).unwrap();
        assert!(options.create);
        assert_eq!(options.refresh_interval, Duration::from_millis(250));
        assert_eq!(options.busy_timeout, Duration::from_secs(5));
        for bad in [
            "",
            "[]",
            "null",
            r#"{"creat": true}"#,
            r#"{"create": true, "create": true}"#,
            r#"{"create": 1}"#,
            r#"{"refresh_interval": 5}"#,
            r#"{"refresh_interval": "5"}"#,
            r#"{"create": true} x"#,
        ] {
            assert_eq!(OpenOptions::from_json(bad).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
        assert_eq!(
            OpenOptions::from_json(&" ".repeat(limits::OPTIONS_BYTES + 1)).unwrap_err().kind(),
            ErrorKind::LimitExceeded
        );
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let seconds = Duration::from_secs;
        assert!(OpenOptions::new().check().is_ok());
        for bad in [
            OpenOptions::new().refresh_interval(Duration::ZERO),
            OpenOptions::new().refresh_interval(seconds(3601)).max_stale(seconds(9999)),
            OpenOptions::new().max_stale(Duration::from_millis(999)),
            OpenOptions::new().max_stale(limits::MAX_STALE + seconds(1)),
            OpenOptions::new().busy_timeout(limits::BUSY_TIMEOUT + seconds(1)),
            OpenOptions::new().actor(""),
            OpenOptions::new().actor("a\nb"),
            OpenOptions::new().actor("x".repeat(256)),
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
        }
    }
}
