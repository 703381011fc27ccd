//! `keyfold master-key`, `recipient`, `recovery-key` and `shares`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SecretTargetArgs;

#[derive(Subcommand)]
pub enum MasterKeyCommand {
    /// Make a new master key
    #[command(after_help = "\
Examples:
  keyfold master-key generate --out master.key
  keyfold master-key generate --reveal | a-secret-manager put keyfold

Whoever has the master key and the store can read everything; without it nobody can. Keep a copy apart.")]
    Generate(SecretTargetArgs),
    /// Make a new key-encryption key for all recipients, and wrap everything under it
    #[command(after_help = "\
Examples:
  keyfold master-key rotate
  keyfold master-key rotate --new file:new.key

With --new, the new one becomes a recipient and the one that opened the store is removed: who still uses that is
refused. To change over in peace: recipient add, deploy, recipient remove.")]
    Rotate(RotateMasterKeyArgs),
}

#[derive(Args)]
pub struct RotateMasterKeyArgs {
    /// Where a new master key is, to replace the one that opened the store; as for --master-key
    #[arg(long, value_name = "REF")]
    pub new: Vec<OsString>,
    #[command(flatten)]
    pub cost: CostArgs,
}

/// What guessing a passphrase costs.
#[derive(Args)]
pub struct CostArgs {
    /// What a guess at a new passphrase costs: argon2id:KIB,PASSES,LANES or pbkdf2:ROUNDS [default:
    /// argon2id:65536,3,1]
    #[arg(long, value_name = "COST")]
    pub passphrase_cost: Option<String>,
}

#[derive(Subcommand)]
pub enum RecipientCommand {
    /// List the ways to open the store
    #[command(after_help = "\
Examples:
  keyfold recipient list
  keyfold recipient list --json")]
    List,
    /// Add a way to open the store
    #[command(after_help = "\
Examples:
  keyfold recipient add passphrase:prompt --id ada
  keyfold recovery-key generate --out recovery.txt
  keyfold recipient add file:recovery.txt --id safe --description \"in the safe, second drawer\"
  keyfold recipient add shares:file:share.1 shares:file:share.2 --id board")]
    Add(AddRecipientArgs),
    /// Take a way to open the store away, and make a new key-encryption key that it does not get
    #[command(after_help = "\
Examples:
  keyfold recipient remove ada

Who took copies of the store and its keys before, keeps them.")]
    Remove {
        /// Id of the recipient
        #[arg(value_name = "RECIPIENT")]
        recipient_id: String,
    },
    /// Try whether a secret opens the store, and tell as which recipient
    #[command(after_help = "\
Examples:
  keyfold recipient test file:recovery.txt
  keyfold recipient test shares:prompt")]
    Test(ReferenceArgs),
    /// Show a recipient's public key, by which another store seals a keyset to it
    #[command(after_help = "\
Examples:
  keyfold recipient public-key > reports.pub
  keyfold recipient public-key safe

It is no secret, but whoever seals to it must know that it comes from here:
  keyfold keyset export legacy --to @reports.pub    # in the other store")]
    PublicKey {
        /// Id of the recipient [default: the one that opens the store]
        #[arg(value_name = "RECIPIENT")]
        recipient_id: Option<String>,
    },
    /// Open the store anew with a secret as if nothing else were left, and verify everything; it is recorded
    #[command(after_help = "\
Examples:
  keyfold recipient drill file:recovery.txt
  keyfold recipient drill shares:prompt --json")]
    Drill(ReferenceArgs),
}

/// A secret, by where it lies.
#[derive(Args)]
pub struct ReferenceArgs {
    /// Where the secret is, never the secret itself; as for --master-key
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<OsString>,
}

#[derive(Args)]
pub struct AddRecipientArgs {
    #[command(flatten)]
    pub secret: ReferenceArgs,
    /// Its name in the store [default: its kind and a number, as in passphrase-1]
    #[arg(long)]
    pub id: Option<String>,
    /// A note for people: where the paper lies, who holds the shares
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    #[command(flatten)]
    pub cost: CostArgs,
}

#[derive(Subcommand)]
pub enum RecoveryKeyCommand {
    /// Make a recovery key, to be printed and kept apart
    #[command(after_help = "\
Examples:
  keyfold recovery-key generate --out recovery.txt
  keyfold recovery-key generate --reveal | lpr

It opens nothing until it is added: keyfold recipient add file:recovery.txt")]
    Generate(SecretTargetArgs),
}

#[derive(Subcommand)]
pub enum SharesCommand {
    /// Split a new secret into shares, each for somebody else
    #[command(after_help = "\
Examples:
  keyfold shares split --threshold 2 --count 3 --out share    # share.1, share.2 and share.3
  keyfold recipient add shares:file:share.1 shares:file:share.2 --id board

They open nothing until they are added, which wants as many as opening will.")]
    Split(SplitArgs),
}

#[derive(Args)]
pub struct SplitArgs {
    /// How many shares it takes, at least 2
    #[arg(long, short = 'k')]
    pub threshold: u8,
    /// How many shares there are, at most 16
    #[arg(long, short = 'n')]
    pub count: u8,
    /// Beginning of the files' names, which end in .1, .2 and so on: mode 0600, never overwritten
    #[arg(long, short, value_name = "PREFIX")]
    pub out: Option<PathBuf>,
    /// Print them on standard output, one a line
    #[arg(long, conflicts_with = "out")]
    pub reveal: bool,
}
