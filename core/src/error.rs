//! One error type with a small kind, chosen by what the caller does next.

use std::fmt;
use std::time::Duration;

/// The result of nearly every call.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $code:literal;)*) => {
        /// What went wrong, as far as the caller must know to act on it.
        ///
        /// The numbers are those of the C interface and the codes those of Node and C; neither changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum ErrorKind { $($(#[$doc])* $name = $number,)* }

        impl ErrorKind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// The kind's name, as in Rust and Python: `NotFound`.
            pub fn name(self) -> &'static str {
                match self { $(ErrorKind::$name => stringify!($name),)* }
            }

            /// The kind's code, as in C and Node: `KEYFOLD_NOT_FOUND`.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$name => $code,)* }
            }
        }
    };
}

kinds! {
    /// The caller can fix the call; the message says how.
    InvalidArgument = 1, "KEYFOLD_INVALID_ARGUMENT";
    /// The named thing is not there.
    NotFound = 2, "KEYFOLD_NOT_FOUND";
    /// The named thing is there already.
    AlreadyExists = 3, "KEYFOLD_ALREADY_EXISTS";
    /// Something still refers to it.
    InUse = 4, "KEYFOLD_IN_USE";
    /// The key version's state forbids this operation.
    KeyUnavailable = 5, "KEYFOLD_KEY_UNAVAILABLE";
    /// The ciphertext does not open: one message for every reason.
    DecryptionFailed = 6, "KEYFOLD_DECRYPTION_FAILED";
    /// A MAC or signature does not verify.
    VerificationFailed = 7, "KEYFOLD_VERIFICATION_FAILED";
    /// The master key opens no recipient of this store.
    WrongMasterKey = 8, "KEYFOLD_WRONG_MASTER_KEY";
    /// The store was damaged or changed by someone without the master key.
    IntegrityError = 9, "KEYFOLD_INTEGRITY_ERROR";
    /// The mode, a policy or the system does not allow it.
    PermissionDenied = 10, "KEYFOLD_PERMISSION_DENIED";
    /// Too many calls; try again after `retry_after`.
    RateLimited = 11, "KEYFOLD_RATE_LIMITED";
    /// A documented limit would be passed.
    LimitExceeded = 12, "KEYFOLD_LIMIT_EXCEEDED";
    /// Not something that this build, version or file can do.
    Unsupported = 13, "KEYFOLD_UNSUPPORTED";
    /// The key provider did not answer.
    ProviderUnavailable = 14, "KEYFOLD_PROVIDER_UNAVAILABLE";
    /// The key provider refused.
    ProviderDenied = 15, "KEYFOLD_PROVIDER_DENIED";
    /// Another process held the store for longer than `busy_timeout`.
    Busy = 16, "KEYFOLD_BUSY";
    /// The disk is full; nothing was half written.
    StorageFull = 17, "KEYFOLD_STORAGE_FULL";
    /// Reading or writing the file failed.
    Storage = 18, "KEYFOLD_STORAGE";
    /// The store was closed.
    Closed = 19, "KEYFOLD_CLOSED";
    /// A bug in keyfold.
    Internal = 20, "KEYFOLD_INTERNAL";
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Why a call failed. Never holds key bytes, plaintext, ciphertext or credentials.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    key_id: Option<String>,
    version: Option<u32>,
    index: Option<usize>,
    retry_after: Option<Duration>,
    denial: Option<Denial>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What refuses a call that is in order: a denial is recorded, other errors are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    Mode,
    NotExportable,
    Quarantined,
    Production,
}

impl Denial {
    /// Its name in audit records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::NotExportable => "not exportable",
            Self::Quarantined => "quarantined",
            Self::Production => "production",
        }
    }
}

impl Error {
    /// An error of this kind with a message for the caller.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            key_id: None,
            version: None,
            index: None,
            retry_after: None,
            denial: None,
            cause: None,
        }))
    }

    /// What to act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened and what to do, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy | ErrorKind::RateLimited | ErrorKind::ProviderUnavailable)
    }

    /// How long to wait before trying again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The key concerned.
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// The key version concerned.
    pub fn version(&self) -> Option<u32> {
        self.0.version
    }

    /// The place in a batch.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Names the key concerned.
    pub fn with_key(mut self, key_id: &str) -> Self {
        self.0.key_id = Some(key_id.to_owned());
        self
    }

    /// Names the key version concerned.
    pub fn with_version(mut self, version: u32) -> Self {
        self.0.version = Some(version);
        self
    }

    /// Names the place in a batch.
    pub fn with_index(mut self, index: usize) -> Self {
        self.0.index = Some(index);
        self
    }

    /// Keeps what a callback or the system said.
    pub fn with_cause(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Why it is a denial, where it is one.
    pub(crate) fn denial(&self) -> Option<Denial> {
        self.0.denial
    }

    /// Has it recorded as a denial.
    pub(crate) fn denied(mut self, denial: Denial) -> Self {
        self.0.denial = Some(denial);
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn integrity(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::IntegrityError, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LimitExceeded, message)
    }

    pub(crate) fn storage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Storage, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the store is closed; open it again")
    }

    /// The one story that every failed decryption tells.
    pub(crate) fn decryption_failed(key_id: &str) -> Self {
        Self::new(
            ErrorKind::DecryptionFailed,
            "decryption failed: wrong key, wrong context or aad, or a damaged ciphertext",
        )
        .with_key(key_id)
    }

    /// The one story that every failed verification of a code tells.
    pub(crate) fn verification_failed(key_id: &str) -> Self {
        Self::new(
            ErrorKind::VerificationFailed,
            "verification failed: wrong key, other data, or a damaged code",
        )
        .with_key(key_id)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.0.kind, self.0.message)?;
        if let Some(key_id) = &self.0.key_id {
            write!(out, " (key {key_id})")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(out, " (cause: {cause})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<crate::primitives::Failure> for Error {
    fn from(_: crate::primitives::Failure) -> Self {
        Self::internal("the crypto library or the system's random source failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up_and_codes_follow_names() {
        for (place, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place + 1);
            let mut code = String::from("KEYFOLD");
            for letter in kind.name().chars() {
                if letter.is_ascii_uppercase() {
                    code.push('_');
                }
                code.push(letter.to_ascii_uppercase());
            }
            assert_eq!(kind.code(), code);
        }
    }
}
