//! `keyfold index`, `index-report`, `index-salt` and `derive`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{KeyArgs, SecretTargetArgs};

pub const INDEX: &str = "\
Examples:
  printf ada@example.org | keyfold index pii email --normalize casefold
  keyfold index pii email --lines addresses.txt --encoding base64
  printf ada@example.org | keyfold index pii email --all    # while an index salt is rotated

The value is all of the input, its last newline too, unless --lines reads one of each line.";
pub const INDEX_REPORT: &str = "\
Examples:
  keyfold index-report surnames.txt
  keyfold index-report postcodes.txt --bits 12 --empty-is-null --json
  cut -d, -f3 people.csv | keyfold index-report --kind prefix --length 3

The values come one a line. What is printed are counts and measures, never values.";
pub const DERIVE: &str = "\
Examples:
  keyfold derive root session-cookies --length 32 --out cookies.key
  keyfold derive root session-cookies --length 32 --key-version 1 --encoding base64 --reveal

The same key version, purpose and length give the same bytes everywhere. Keep the version's number beside what they
protect: rotating the key changes what comes out.";

/// How bytes are written.
#[derive(Args)]
pub struct EncodingArgs {
    /// How the bytes are written: raw, hex or base64
    #[arg(long, value_name = "NAME", default_value = "hex")]
    pub encoding: String,
}

#[derive(Args)]
pub struct DeriveArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// What the bytes are for; each purpose has bytes of its own
    pub purpose: String,
    /// How many bytes, up to 8160
    #[arg(long, value_name = "BYTES")]
    pub length: usize,
    /// Number of the version [default: the current one]
    #[arg(long, value_name = "NUMBER")]
    pub key_version: Option<u32>,
    #[command(flatten)]
    pub encoding: EncodingArgs,
    #[command(flatten)]
    pub target: SecretTargetArgs,
}

/// Which blind index of a value.
#[derive(Args)]
pub struct IndexOptionArgs {
    /// What of a value is indexed: exact, prefix, suffix or soundex [default: exact]
    #[arg(long)]
    pub kind: Option<String>,
    /// How many characters a prefix or suffix has
    #[arg(long, value_name = "COUNT")]
    pub length: Option<u32>,
    /// How many bits are kept, 1 to 256 [default: 128]
    #[arg(long, value_name = "COUNT")]
    pub bits: Option<u32>,
    /// What is done to the value first: casefold, nfkc, digits, trim or collapse_spaces; may be given again
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub normalize: Vec<String>,
}

#[derive(Args)]
pub struct IndexArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// Name of the field that the value belongs to
    pub field: String,
    /// File with the value; standard input where absent or -
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub options: IndexOptionArgs,
    /// Each line of the input is a value; prints an index a line
    #[arg(long)]
    pub lines: bool,
    /// The index under every live salt, newest first: search for any of them
    #[arg(long, conflicts_with = "lines")]
    pub all: bool,
    /// How indexes are written: hex or base64
    #[arg(long, value_name = "NAME", default_value = "hex")]
    pub encoding: String,
}

#[derive(Args)]
pub struct IndexReportArgs {
    /// File with the values, one a line; standard input where absent or -
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub options: IndexOptionArgs,
    /// An empty line is a null, not an empty value
    #[arg(long)]
    pub empty_is_null: bool,
}

#[derive(Subcommand)]
pub enum IndexSaltCommand {
    /// List the live versions of a salt, newest first
    #[command(after_help = "\
Examples:
  keyfold index-salt list --purpose pii
  keyfold index-salt list --key notes")]
    List(ScopeArgs),
    /// Make the next version, which indexes use from now on
    #[command(after_help = "\
Examples:
  keyfold index-salt rotate --purpose pii

Search for the indexes of all versions (keyfold index --all) while the rows are indexed anew; then retire the old.")]
    Rotate(ScopeArgs),
    /// Delete a version that is not the current one
    #[command(after_help = "\
Examples:
  keyfold index-salt retire 1 --purpose pii

No index under it is ever given again.")]
    Retire(RetireSaltArgs),
    /// Hand out the bytes of a salt, for a service that computes the same indexes by itself
    #[command(after_help = "\
Examples:
  keyfold index-salt show --purpose pii --out pii.salt
  keyfold index-salt show --purpose pii --salt-version 1 --encoding base64 --reveal

Whoever has them can test guesses at every indexed value. That they were handed out is recorded.")]
    Show(ShowSaltArgs),
}

/// Whose blind indexes.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct ScopeArgs {
    /// Those of all keys of a purpose
    #[arg(long)]
    pub purpose: Option<String>,
    /// Those of one key that has no purpose
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

#[derive(Args)]
pub struct RetireSaltArgs {
    /// Number of the version
    pub version: u32,
    #[command(flatten)]
    pub scope: ScopeArgs,
}

#[derive(Args)]
pub struct ShowSaltArgs {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Number of the version [default: the current one]
    #[arg(long, value_name = "NUMBER")]
    pub salt_version: Option<u32>,
    #[command(flatten)]
    pub encoding: EncodingArgs,
    #[command(flatten)]
    pub target: SecretTargetArgs,
}
