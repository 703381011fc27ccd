//! `keyfold encrypt`, `decrypt`, `reencrypt`, `inspect` and `mac`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{KeyArgs, TargetArgs};

pub const ENCRYPT: &str = "\
Examples:
  printf ada | keyfold encrypt pii --text > sealed
  keyfold encrypt pii report.pdf --out report.pdf.sealed
  printf ada | keyfold encrypt pii --text --context table=users --context id=42
  tar c /srv | keyfold encrypt archive --out srv.tar.sealed    # archive is of kind stream

Under a key of kind stream the input may have any length, and memory stays small.";
pub const DECRYPT: &str = "\
Examples:
  keyfold decrypt pii < sealed
  keyfold decrypt pii report.pdf.sealed --out report.pdf
  keyfold decrypt pii --context table=users --context id=42 < sealed
  keyfold decrypt archive srv.tar.sealed --out srv.tar         # archive is of kind stream

Nothing is written unless all of the message is genuine. The exception is a stream that goes to standard output:
each part is genuine, but that a stream was cut short shows only at its end. What came before is provisional until
the exit status is 0. With --out, nothing appears under the file's name before all of it is verified.";
pub const REENCRYPT: &str = "\
Examples:
  keyfold reencrypt pii < sealed > resealed
  keyfold reencrypt pii report.pdf.sealed --out report.pdf.sealed --force

Text stays text and bytes stay bytes. What is current already is verified and written as it was. A stream is
decrypted and encrypted instead.";
pub const INSPECT: &str = "\
Examples:
  keyfold inspect < sealed
  keyfold inspect report.pdf.sealed --json

What is shown rests on the ciphertext's public tag; nothing of the ciphertext is verified. A stream has no tag.";

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

#[derive(Subcommand)]
pub enum MacCommand {
    /// Print the code of a message
    #[command(after_help = "\
Examples:
  keyfold mac make webhooks < body
  keyfold mac make webhooks body --no-prefix --encoding hex")]
    Make(MakeMacArgs),
    /// Verify the code of a message; exit status 23 where it is not genuine
    #[command(after_help = "\
Examples:
  keyfold mac verify webhooks --mac kf1.AT… < body
  keyfold mac verify webhooks body --mac-file body.mac
  keyfold mac verify webhooks body --no-prefix --encoding hex --mac 5f2c…")]
    Verify(VerifyMacArgs),
}

#[derive(Args)]
pub struct MakeMacArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the message; standard input where absent or -
    pub file: Option<PathBuf>,
    /// The HMAC alone, which does not say which version made it
    #[arg(long)]
    pub no_prefix: bool,
    /// How the code is written: text (kf1.…), raw, hex or base64 [default: text; hex with --no-prefix]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Args)]
pub struct VerifyMacArgs {
    #[command(flatten)]
    pub key: KeyArgs,
    /// File with the message; standard input where absent or -
    pub file: Option<PathBuf>,
    /// The code
    #[arg(long, value_name = "CODE", required_unless_present = "mac_file")]
    pub mac: Option<String>,
    /// File with the code
    #[arg(long, value_name = "FILE", conflicts_with = "mac")]
    pub mac_file: Option<PathBuf>,
    /// The code is the HMAC alone: every version is tried
    #[arg(long)]
    pub no_prefix: bool,
    /// How the code is written: text (kf1.…), raw, hex or base64 [default: text; hex with --no-prefix]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
}
