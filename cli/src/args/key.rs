//! `keyfold key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EncodingArgs, SecretTargetArgs};

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make keys with their first version: all that are named, or none
    #[command(after_help = "\
Examples:
  keyfold key create pii
  keyfold key create billing/card --purpose financial --algorithm XAES256_GCM --label team=payments
  keyfold key create archive --kind stream --expires-in 365d
  keyfold key create a b c --exist-ok  # in a script that may run again")]
    Create(CreateArgs),
    /// List the keys that match
    #[command(after_help = "\
Examples:
  keyfold key list
  keyfold key list --purpose financial --label team=payments
  keyfold key list --state archived
  keyfold key list --limit 100 --after billing/card --json")]
    List(ListArgs),
    /// Show a key and its versions, newest first
    #[command(after_help = "\
Examples:
  keyfold key show pii
  keyfold key show pii --json")]
    Show(KeyArgs),
    /// Show how many messages each version has sealed, and how many it may
    #[command(after_help = "\
Examples:
  keyfold key usage pii
  keyfold key usage pii --json")]
    Usage(KeyArgs),
    /// Make the next version of a key, which encrypts from now on
    #[command(after_help = "\
Examples:
  keyfold key rotate pii
  keyfold key rotate pii --algorithm XAES256_GCM
  keyfold key rotate pii --stage && keyfold key promote pii 2

What older versions encrypted opens as before.")]
    Rotate(RotateArgs),
    /// Have a version encrypt from now on: a staged one, or an earlier one
    #[command(after_help = "\
Examples:
  keyfold key promote pii 2")]
    Promote(VersionArgs),
    /// Set what a version may do
    #[command(after_help = "\
Examples:
  keyfold key state pii 1 decrypt_only
  keyfold key state pii 1 disabled --reason \"under inquiry\"
  keyfold key state pii 2 revoked --reason \"the host was stolen\"

Revoking is final, and makes a successor where the version is the current one.")]
    State(StateArgs),
    /// End a key's use for good: it encrypts no more, what it sealed still opens
    #[command(after_help = "\
Examples:
  keyfold key archive pii")]
    Archive(KeyArgs),
    /// Have a version destroyed by the first run-due after a delay
    #[command(after_help = "\
Examples:
  keyfold key destroy pii 1
  keyfold key destroy pii 1 --delay 90d

Until then it opens nothing, and cancel-destruction takes it back. Afterwards nobody can read what it sealed.")]
    Destroy(DestroyArgs),
    /// Take back a scheduled destruction
    #[command(after_help = "\
Examples:
  keyfold key cancel-destruction pii 1")]
    CancelDestruction(VersionArgs),
    /// Take a key in from elsewhere
    #[command(after_help = "\
Examples:
  keyfold key import legacy old.key --encoding base64
  a-secret-manager get old | keyfold key import legacy --encoding hex --purpose pii
  keyfold key import legacy next.key --encoding raw --as-version

Where it was kept before, a copy may be left.")]
    Import(ImportArgs),
    /// Hand out the bytes of a key that was made exportable
    #[command(after_help = "\
Examples:
  keyfold key export legacy --out legacy.key
  keyfold key export legacy --key-version 1 --encoding base64 --reveal

Whoever has them reads everything that the version sealed. That they were handed out is recorded.")]
    Export(ExportArgs),
}

#[derive(Args)]
pub struct KeyArgs {
    /// Id of the key
    #[arg(value_name = "KEY")]
    pub key_id: String,
}

#[derive(Args)]
pub struct VersionArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// Number of the version
    pub version: u32,
}

/// What a key is besides its id, however it comes to be.
#[derive(Args)]
pub struct TraitArgs {
    /// What the key is for: pii, financial, medical, credentials, api, backup, or one that was registered
    #[arg(long)]
    pub purpose: Option<String>,
    /// A note for people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A label; may be given again
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// Let raw key bytes leave the store; cannot be changed later
    #[arg(long)]
    pub exportable: bool,
    /// How long each version encrypts; decrypting goes on [default: for ever]
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<String>,
    /// When a version nears its safe number of messages: rotate or refuse [default: rotate]
    #[arg(long, value_name = "WORD")]
    pub on_limit: Option<String>,
}

/// How a key's bytes are used.
#[derive(Args)]
pub struct KindArgs {
    /// What sort of key: aead, deterministic, stream, mac or derive [default: aead]
    #[arg(long)]
    pub kind: Option<String>,
    /// The algorithm, of the kind [default: that of the kind, AES256_GCM_SIV for aead]
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
}

#[derive(Args)]
pub struct CreateArgs {
    /// Ids of the keys
    #[arg(value_name = "KEY", required = true)]
    pub key_ids: Vec<String>,
    #[command(flatten)]
    pub kind: KindArgs,
    #[command(flatten)]
    pub traits: TraitArgs,
    /// Succeed as well where the key exists with the same kind, algorithm and purpose
    #[arg(long)]
    pub exist_ok: bool,
}

#[derive(Args)]
pub struct ListArgs {
    /// Keys of this kind
    #[arg(long)]
    pub kind: Option<String>,
    /// Keys of this purpose
    #[arg(long)]
    pub purpose: Option<String>,
    /// Keys of this algorithm
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
    /// Keys whose current version is in this state, or archived
    #[arg(long)]
    pub state: Option<String>,
    /// Keys with this label; given again, keys with all of them
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// Keys with this text in their id or description
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Keys whose id comes after this one, in byte order
    #[arg(long, value_name = "KEY")]
    pub after: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
}

#[derive(Args)]
pub struct RotateArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// Make the version wait as staged, until it is promoted
    #[arg(long)]
    pub stage: bool,
    /// Another algorithm of the key's kind, for this version and those after it
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
}

#[derive(Args)]
pub struct StateArgs {
    #[command(flatten)]
    pub version: VersionArgs,
    /// enabled, decrypt_only, disabled or revoked
    pub state: String,
    /// Why, for the version and the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Args)]
pub struct DestroyArgs {
    #[command(flatten)]
    pub version: VersionArgs,
    /// How long to wait [default: 30d]
    #[arg(long, value_name = "DURATION")]
    pub delay: Option<String>,
}

#[derive(Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the key; standard input where absent or -
    pub file: Option<PathBuf>,
    /// How the key is written: raw, hex or base64; one newline at the end of a text is left off
    #[arg(long, value_name = "NAME")]
    pub encoding: String,
    /// Make it the next version of a key that exists, and the current one
    #[arg(long)]
    pub as_version: bool,
    #[command(flatten)]
    pub kind: KindArgs,
    #[command(flatten)]
    pub traits: TraitArgs,
}

#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// Number of the version [default: the current one]
    #[arg(long, value_name = "NUMBER")]
    pub key_version: Option<u32>,
    #[command(flatten)]
    pub encoding: EncodingArgs,
    #[command(flatten)]
    pub target: SecretTargetArgs,
}
