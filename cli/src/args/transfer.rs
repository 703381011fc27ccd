//! `keyfold keyset`, `backup`, `restore` and `quarantine`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::{KeyArgs, TraitArgs};

pub const BACKUP: &str = "\
Examples:
  keyfold backup /backups/app.keyfold
  keyfold backup /backups/app.keyfold --json > backup.json    # with the anchor to restore with

The store may be in use. The copy opens with the same master keys.";
pub const RESTORE: &str = "\
Examples:
  keyfold restore /backups/app.keyfold
  keyfold restore /backups/app.keyfold --anchor @app.anchor
  keyfold restore /backups/app.keyfold --force    # over a store that does not verify

The backup is verified before anything is touched, and the store at --store may be in use.";

#[derive(Subcommand)]
pub enum KeysetCommand {
    /// Write a key with all its versions as a keyset of Google Tink
    #[command(after_help = "\
Examples:
  keyfold keyset export legacy --passphrase prompt > legacy.keyset
  keyfold keyset export legacy --to @reports.pub > legacy.keyset    # for the store that showed reports.pub
  keyfold keyset export legacy --under transport --format binary --out legacy.keyset
  keyfold keyset export legacy --insecure-cleartext --out legacy.json

For keys that were made exportable. That it was exported is recorded.")]
    Export(ExportKeysetArgs),
    /// Make a key from a keyset of Google Tink
    #[command(after_help = "\
Examples:
  keyfold keyset import legacy legacy.keyset --passphrase prompt
  keyfold keyset import legacy legacy.keyset --own-recipient    # sealed to this store
  keyfold keyset import legacy legacy.json --insecure-cleartext --purpose pii
  keyfold keyset import legacy raw.json --insecure-cleartext --rotate")]
    Import(ImportKeysetArgs),
}

/// What keeps a keyset's keys from whoever reads it; in either direction there is one more way.
#[derive(Args)]
#[group(skip)]
pub struct ProtectionArgs {
    /// A passphrase, by where it lies: prompt, env:NAME, file:PATH or fd:N
    #[arg(long, value_name = "PLACE")]
    pub passphrase: Option<OsString>,
    /// A key of kind aead of this store
    #[arg(long, value_name = "KEY")]
    pub under: Option<String>,
    /// Nothing: whoever sees the keyset has the keys
    #[arg(long)]
    pub insecure_cleartext: bool,
}

#[derive(Args)]
#[command(group(one_of(["passphrase", "under", "to", "insecure_cleartext"])))]
pub struct ExportKeysetArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// How it is written: json or binary
    #[arg(long, value_name = "NAME", default_value = "json")]
    pub format: String,
    #[command(flatten)]
    pub protection: ProtectionArgs,
    /// The store that is to have it, by what keyfold recipient public-key of that one shows; @FILE reads it from a file
    #[arg(long, value_name = "PUBLIC_KEY")]
    pub to: Option<String>,
    /// File to write it to: mode 0600, never overwritten; standard output where absent or -
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print it on standard output although it is cleartext
    #[arg(long, conflicts_with = "out")]
    pub reveal: bool,
}

#[derive(Args)]
#[command(group(one_of(["passphrase", "under", "own_recipient", "insecure_cleartext"])))]
pub struct ImportKeysetArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the keyset, in either format; standard input where absent or -
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub protection: ProtectionArgs,
    /// It was sealed to the recipient that opens this store
    #[arg(long)]
    pub own_recipient: bool,
    /// Have a fresh version encrypt from now on, and the imported ones only decrypt
    #[arg(long)]
    pub rotate: bool,
    #[command(flatten)]
    pub traits: TraitArgs,
}

/// Exactly one of these must be given.
fn one_of<const N: usize>(names: [&'static str; N]) -> ArgGroup {
    ArgGroup::new("protection").args(names).required(true).multiple(false)
}

#[derive(Args)]
pub struct BackupArgs {
    /// File to write: mode 0600, never overwritten
    pub file: PathBuf,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// The backup
    pub file: PathBuf,
    /// Write over a store that is another than the backup's
    #[arg(long)]
    pub replace_other_store: bool,
    /// Write over a store that does not verify, or that the master key does not open
    #[arg(long)]
    pub force: bool,
}

#[derive(Subcommand)]
pub enum QuarantineCommand {
    /// Set a key or purpose aside that does not verify, so that the rest of the store can go on
    #[command(after_help = "\
Examples:
  keyfold quarantine add key legacy --reason \"damaged by the disk\"
  keyfold quarantine add purpose hr --reason \"changed by hand\"

Its rows stay for inquiry, and every use of it is refused. Only restoring a backup brings it back.")]
    Add(AddQuarantineArgs),
    /// List what was set aside
    #[command(after_help = "\
Examples:
  keyfold quarantine list
  keyfold quarantine list --json")]
    List,
}

#[derive(Args)]
pub struct AddQuarantineArgs {
    /// key or purpose
    pub kind: String,
    /// Its name
    pub id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
