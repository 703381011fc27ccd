//! keyfold: data-encryption keys in one SQLite file, wrapped by a master key.
//!
//! An application opens a [`Store`], asks it for a [`Key`], and encrypts fields, values and files with it.
//! Keys have versions; [`Store::rotate_key`] makes the next one, and everything sealed before still opens.
//! The same file is used from Rust, C, Python, Node and the command line at the same time.
//!
//! Everything that may go wrong is an [`Error`] with a small [`ErrorKind`].

#![deny(unsafe_code)]

mod error;
mod format;
mod hierarchy;
mod key;
mod keyring;
mod keyset;
pub mod limits;
mod master_key;
mod primitives;
mod records;
mod store;
mod sys;
mod time;

pub use error::{Error, ErrorKind, Result};
pub use format::{Aad, Anchor, Context, ContextValue, from_text, is_ciphertext, to_text};
pub use key::{
    Aads, BatchDecryption, BatchEncryption, BatchItem, Decryption, Encryption, IndexReport, Key, OnError,
    Packed, PackedIndexes, PackedText, Plaintext, PlaintextBatch, PlaintextText, Progress, StreamDecryptor,
    StreamEncryptor, index_report,
};
pub use keyring::{Operation, VersionState};
pub use master_key::{
    CallbackError, MASTER_KEY_VARIABLE, MasterKey, Passphrase, RecoveryKey, Shares, generate_master_key,
};
pub use primitives::{Algorithm, KeyKind};
pub use store::{
    AddRecipient, BackupInfo, BackupProgress, CheckReport, CiphertextInfo, CreateKey, DESTRUCTION_DELAY,
    DestroyedVersion, DrillReport, ExportedKey, FileOptions, Finding, ImportKey, ImportKeyset, IndexOptions,
    IndexSaltInfo, IndexScope, KeyEncoding, KeyFilter, KeyInfo, Keys, Keyset, KeysetFormat, KeysetProtection,
    MasterKeyRotation, Mode, OpenOptions, PURPOSES, PurposeInfo, PurposeOptions, Quarantined, RecipientInfo,
    RestoreInfo, RestoreOptions, RotateKey, RunDueFailure, RunDueReport, Store, VersionInfo, VersionUsage,
    restore,
};
pub use time::{Clock, Timestamp, parse_duration};
