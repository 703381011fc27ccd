//! The command line, as clap reads it. Values are checked by the core, so that every door refuses alike.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use keyfold::Result;

use crate::files;

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

Exit status:
  0       done
  1       a check ran and found something
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
    /// Where the master key is: env:NAME, file:PATH or fd:N, never the key itself [default:
    /// env:KEYFOLD_MASTER_KEY]
    #[arg(long, global = true, value_name = "REF")]
    pub master_key: Option<OsString>,
    /// Print results as JSON on standard output, errors and warnings as a line of JSON each on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no warnings and no remarks; errors only
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
    /// How soon changes by other processes are seen [default: 1s]
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true)]
    pub refresh_interval: Option<String>,
    /// Open a store on a network file system, although its locks are not dependable
    #[arg(long, global = true, hide_short_help = true)]
    pub allow_network_fs: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make master keys
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Make a store
    #[command(after_help = "\
Examples:
  keyfold init --store app.keyfold --master-key file:master.key
  keyfold init --exist-ok              # in a script that may run again")]
    Init(InitArgs),
    /// Make, show and rotate keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Encrypt a message of up to 64 MiB
    #[command(after_help = "\
Examples:
  printf ada | keyfold encrypt pii --text > sealed
  keyfold encrypt pii report.pdf --out report.pdf.sealed
  printf ada | keyfold encrypt pii --text --context table=users --context id=42")]
    Encrypt(EncryptArgs),
    /// Decrypt what any version of a key encrypted
    #[command(after_help = "\
Examples:
  keyfold decrypt pii < sealed
  keyfold decrypt pii report.pdf.sealed --out report.pdf
  keyfold decrypt pii --context table=users --context id=42 < sealed

Nothing is written unless all of the message is genuine.")]
    Decrypt(DecryptArgs),
    /// Move a ciphertext to the current version of its key
    #[command(after_help = "\
Examples:
  keyfold reencrypt pii < sealed > resealed
  keyfold reencrypt pii report.pdf.sealed --out report.pdf.sealed --force

Text stays text and bytes stay bytes. What is current already is verified and written as it was.")]
    Reencrypt(ReencryptArgs),
    /// Tell which key and version made a ciphertext, without decrypting it
    #[command(after_help = "\
Examples:
  keyfold inspect < sealed
  keyfold inspect report.pdf.sealed --json

What is shown rests on the ciphertext's public tag; nothing of the ciphertext is verified.")]
    Inspect(InspectArgs),
    /// Verify everything in the store; exit status 1 where something is wrong
    #[command(after_help = "\
Examples:
  keyfold check
  keyfold check --anchor @app.anchor --json")]
    Check,
    /// Print an anchor: open with it, and no older or forked copy passes for this store
    #[command(after_help = "\
Examples:
  keyfold anchor > app.anchor
  keyfold check --anchor @app.anchor

Keep anchors where nobody can write who can write the store.")]
    Anchor,
    /// Print the store's identity: open with it, and no other store passes for this one
    #[command(after_help = "\
Examples:
  keyfold fingerprint
  keyfold key list --fingerprint kff1.…")]
    Fingerprint,
}

#[derive(Subcommand)]
pub enum MasterKeyCommand {
    /// Make a new master key
    #[command(after_help = "\
Examples:
  keyfold master-key generate --out master.key
  keyfold master-key generate --reveal | a-secret-manager put keyfold

Whoever has the master key and the store can read everything; without it nobody can. Keep a copy apart.")]
    Generate(GenerateArgs),
}

#[derive(Args)]
pub struct GenerateArgs {
    /// File to write it to: mode 0600, never overwritten
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print it on standard output
    #[arg(long, conflicts_with = "out")]
    pub reveal: bool,
}

#[derive(Args)]
pub struct InitArgs {
    /// Succeed as well where the store exists and the master key opens it
    #[arg(long)]
    pub exist_ok: bool,
}

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a key with its first version
    #[command(after_help = "\
Examples:
  keyfold key create pii
  keyfold key create billing/card --purpose financial --algorithm XAES256_GCM --label team=payments
  keyfold key create pii --exist-ok    # in a script that may run again")]
    Create(CreateArgs),
    /// List the keys that match
    #[command(after_help = "\
Examples:
  keyfold key list
  keyfold key list --purpose financial --label team=payments
  keyfold key list --limit 100 --after billing/card --json")]
    List(ListArgs),
    /// Show a key and its versions, newest first
    #[command(after_help = "\
Examples:
  keyfold key show pii
  keyfold key show pii --json")]
    Show(KeyArgs),
    /// Make the next version of a key, which encrypts from now on
    #[command(after_help = "\
Examples:
  keyfold key rotate pii

What older versions encrypted opens as before.")]
    Rotate(KeyArgs),
}

#[derive(Args)]
pub struct KeyArgs {
    /// Id of the key
    #[arg(value_name = "KEY")]
    pub key_id: String,
}

#[derive(Args)]
pub struct CreateArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// What sort of key: aead [default: aead]
    #[arg(long)]
    pub kind: Option<String>,
    /// AES256_GCM_SIV, AES256_GCM, XAES256_GCM or XCHACHA20_POLY1305 [default: AES256_GCM_SIV]
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
    /// What the key is for: pii, financial, medical, credentials, api or backup
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
pub struct EncryptArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the plaintext; standard input where absent or -
    pub file: Option<PathBuf>,
    /// Write the text form: one line that begins with "kf1." and suits text columns
    #[arg(long)]
    pub text: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Args)]
pub struct DecryptArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the ciphertext, as bytes or text; standard input where absent or -
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Args)]
pub struct ReencryptArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the ciphertext, as bytes or text; standard input where absent or -
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Args)]
pub struct InspectArgs {
    /// File with the ciphertext, as bytes or text; standard input where absent or -
    pub file: Option<PathBuf>,
}

/// What a message is bound to.
#[derive(Args)]
pub struct PlaceArgs {
    /// A field of where the message belongs, needed again to decrypt; may be given again
    #[arg(long = "context", value_name = "NAME=VALUE")]
    pub context: Vec<String>,
    /// File with raw associated data, instead of a context
    #[arg(long, value_name = "FILE")]
    pub aad_file: Option<PathBuf>,
}

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

/// `name=value`, split at the first equals sign.
pub fn name_and_value<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str)> {
    text.split_once('=').ok_or_else(|| files::invalid(format!("{flag} wants NAME=VALUE")))
}
