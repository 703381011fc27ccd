//! The command line, as clap reads it, a file for each noun. Values are checked by the core, so that every door
//! refuses alike.

mod key;
mod message;
mod search;
mod secrets;
mod store;
mod transfer;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use keyfold::Result;

use crate::files;

pub use key::*;
pub use message::*;
pub use search::*;
pub use secrets::*;
pub use store::*;
pub use transfer::*;

const EXAMPLES: &str = "\
Examples:
  keyfold master-key generate --out master.key
  export KEYFOLD_STORE=app.keyfold KEYFOLD_MASTER_KEY=file:master.key
  keyfold init
  keyfold key create pii
  printf ada | keyfold encrypt pii --text > sealed
  keyfold decrypt pii < sealed

Environment:
  KEYFOLD_STORE       path of the store, where --store is absent
  KEYFOLD_MASTER_KEY  the master key in base64, or file:PATH or fd:N, where --master-key is absent

Master keys (REF, for --master-key and wherever a secret is named):
  env:NAME, file:PATH, fd:N   a master key in base64, a recovery key, or all shares of one secret
  passphrase:PLACE            a passphrase, without the newline at its end
  shares:PLACE                a share; given again for each, all of them are one master key
  prompt                      a master key or a recovery key, typed at the terminal
  A PLACE is prompt, env:NAME, file:PATH or fd:N. A secret itself is never an argument.

Exit status:
  0       done
  1       a check, a drill, the doctor or run-due ran and found something wrong
  2       the command line was not understood
  16 + n  error number n: 17 invalid argument, 18 not found, 19 already exists, 20 in use,
          21 key unavailable, 22 decryption failed, 23 verification failed, 24 wrong master key,
          25 integrity error, 26 permission denied, 27 rate limited, 28 limit exceeded,
          29 unsupported, 30 provider unavailable, 31 provider denied, 32 busy, 33 storage full,
          34 storage, 35 closed, 36 internal";

/// Data-encryption keys in one SQLite file, wrapped by a master key
///
/// A store is one file. It holds keys, each with versions; the newest version encrypts, and all of them decrypt.
/// What was asked for goes to standard output; what is said about it goes to standard error.
#[derive(Parser)]
#[command(name = "keyfold", version, max_term_width = 100, after_long_help = EXAMPLES, arg_required_else_help = true)]
#[command(after_help = "`keyfold --help` shows examples, environment variables and exit codes.")]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Path of the store [default: the variable KEYFOLD_STORE]
    #[arg(long, global = true, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Where the master key is, never the key itself: env:NAME, file:PATH, fd:N, prompt, passphrase:PLACE or
    /// shares:PLACE; given again, they are tried in order [default: env:KEYFOLD_MASTER_KEY]
    #[arg(long, global = true, value_name = "REF")]
    pub master_key: Vec<OsString>,
    /// What may be done: admin, use (no administration, no key leaves) or metadata (no master key; nothing that is
    /// shown was verified) [default: admin]
    #[arg(long, global = true, value_name = "MODE")]
    pub mode: Option<String>,
    /// Print results as JSON on standard output, errors and warnings as a line of JSON each on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no warnings, remarks and progress; errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Refuse a copy of the store that is older than this anchor, or forked before it
    #[arg(long, global = true, value_name = "TEXT|@FILE")]
    pub anchor: Option<String>,
    /// Refuse a store with another identity than this
    #[arg(long, global = true, value_name = "TEXT|@FILE")]
    pub fingerprint: Option<String>,
    /// Who acts, for the audit log [default: the user's number, as in uid:1000]
    #[arg(long, global = true, value_name = "NAME")]
    pub actor: Option<String>,
    /// How long to wait for another process [default: 5s]
    #[arg(long, global = true, value_name = "DURATION")]
    pub busy_timeout: Option<String>,
    /// Read only, without locks: for read-only file systems, where nobody writes the store meanwhile
    #[arg(long, global = true, hide_short_help = true)]
    pub immutable: bool,
    /// Refuse what is for development: such stores, master key files that others may read, network file systems
    #[arg(long, global = true, hide_short_help = true)]
    pub production: bool,
    /// Use a key that lies in a file beside the store, for trying things out
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_dev: bool,
    /// Fail where key memory cannot be kept out of swap
    #[arg(long, global = true, hide_short_help = true)]
    pub require_mlock: bool,
    /// How soon changes by other processes are seen [default: 1s]
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true)]
    pub refresh_interval: Option<String>,
    /// How long keys serve when the store cannot be read [default: 60s]
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true)]
    pub max_stale: Option<String>,
    /// Open a store on a network file system, although its locks are not dependable
    #[arg(long, global = true, hide_short_help = true)]
    pub allow_network_fs: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a store
    #[command(after_help = INIT)]
    Init(InitArgs),
    /// Make master keys, or a new key-encryption key
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Show, add, remove and try the ways to open the store
    #[command(subcommand)]
    Recipient(RecipientCommand),
    /// Make recovery keys
    #[command(subcommand)]
    RecoveryKey(RecoveryKeyCommand),
    /// Make shares of a secret, so many of which open a store
    #[command(subcommand)]
    Shares(SharesCommand),
    /// Make, show, rotate and end keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show and register what keys are for
    #[command(subcommand)]
    Purpose(PurposeCommand),
    /// Show and rotate what blind indexes are made with
    #[command(subcommand)]
    IndexSalt(IndexSaltCommand),
    /// Take keys in and hand them out as keysets of Google Tink
    #[command(subcommand)]
    Keyset(KeysetCommand),
    /// Do what is due: destroy versions whose time has come, empty the log
    #[command(after_help = RUN_DUE)]
    RunDue,
    /// Encrypt a message of up to 64 MiB; under a key of kind stream, anything of any length
    #[command(after_help = ENCRYPT)]
    Encrypt(EncryptArgs),
    /// Decrypt what any version of a key encrypted
    #[command(after_help = DECRYPT)]
    Decrypt(DecryptArgs),
    /// Move a ciphertext to the current version of its key
    #[command(after_help = REENCRYPT)]
    Reencrypt(ReencryptArgs),
    /// Tell which key and version made a ciphertext, without decrypting it
    #[command(after_help = INSPECT)]
    Inspect(InspectArgs),
    /// Make and verify message authentication codes
    #[command(subcommand)]
    Mac(MacCommand),
    /// Derive bytes from a key of kind derive
    #[command(after_help = DERIVE)]
    Derive(DeriveArgs),
    /// Print the blind index of a value, to store beside it and to search for
    #[command(after_help = INDEX)]
    Index(IndexArgs),
    /// Tell what a blind index would give away about the values of a column; needs no store
    #[command(after_help = INDEX_REPORT)]
    IndexReport(IndexReportArgs),
    /// Verify everything in the store; exit status 1 where something is wrong
    #[command(after_help = CHECK)]
    Check,
    /// Look for what deserves attention: permissions, memory, log, expired keys; exit status 1 where there is any
    #[command(after_help = DOCTOR)]
    Doctor,
    /// Copy the store while it is in use, verify the copy and print its anchor
    #[command(after_help = BACKUP)]
    Backup(BackupArgs),
    /// Restore a backup at the store's path, also over a store that is in use
    #[command(after_help = RESTORE)]
    Restore(RestoreArgs),
    /// Set aside what does not verify
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Print an anchor: open with it, and no older or forked copy passes for this store
    #[command(after_help = ANCHOR)]
    Anchor,
    /// Print the store's identity: open with it, and no other store passes for this one
    #[command(after_help = FINGERPRINT)]
    Fingerprint,
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a folder
    #[command(after_help = MAN)]
    Man {
        /// Folder to write a page for each command into
        folder: Option<PathBuf>,
    },
}

const COMPLETIONS: &str = "\
Examples:
  keyfold completions bash > ~/.local/share/bash-completion/completions/keyfold
  keyfold completions zsh > ~/.zfunc/_keyfold
  keyfold completions fish > ~/.config/fish/completions/keyfold.fish";
const MAN: &str = "\
Examples:
  keyfold man | man -l -
  keyfold man /usr/local/share/man/man1";

/// Where a result goes.
#[derive(Args)]
pub struct TargetArgs {
    /// File to write: mode 0600, written whole or not at all; standard output where absent or -
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file where it exists
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Where a secret goes: nowhere, unless the user says so.
#[derive(Args)]
pub struct SecretTargetArgs {
    /// File to write it to: mode 0600, never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print it on standard output
    #[arg(long, conflicts_with = "out")]
    pub reveal: bool,
}

/// `name=value`, split at the first equals sign.
pub fn name_and_value<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str)> {
    text.split_once('=').ok_or_else(|| files::invalid(format!("{flag} wants NAME=VALUE")))
}
