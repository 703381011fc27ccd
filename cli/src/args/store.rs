//! `keyfold init`, `purpose`, and what concerns the store as a whole.

use clap::{Args, Subcommand};

use super::CostArgs;

pub const INIT: &str = "\
Examples:
  keyfold init --store app.keyfold --master-key file:master.key
  keyfold init --passphrase            # asks for one, twice
  keyfold init --insecure-dev          # for trying things out: the key lies beside the store
  keyfold init --exist-ok              # in a script that may run again";
pub const RUN_DUE: &str = "\
Examples:
  keyfold run-due
  keyfold run-due --json               # from cron; exit status 1 where a key was left alone";
pub const CHECK: &str = "\
Examples:
  keyfold check
  keyfold check --anchor @app.anchor --json";
pub const DOCTOR: &str = "\
Examples:
  keyfold doctor
  keyfold doctor --json";
pub const ANCHOR: &str = "\
Examples:
  keyfold anchor > app.anchor
  keyfold check --anchor @app.anchor

Keep anchors where nobody can write who can write the store.";
pub const FINGERPRINT: &str = "\
Examples:
  keyfold fingerprint
  keyfold key list --fingerprint kff1.…";

#[derive(Args)]
pub struct InitArgs {
    /// Succeed as well where the store exists and the master key opens it
    #[arg(long)]
    pub exist_ok: bool,
    /// Ask for a passphrase at the terminal, which opens the store; short for --master-key passphrase:prompt
    #[arg(long, conflicts_with = "insecure_dev")]
    pub passphrase: bool,
    #[command(flatten)]
    pub cost: CostArgs,
}

#[derive(Subcommand)]
pub enum PurposeCommand {
    /// List what keys may be for
    #[command(after_help = "\
Examples:
  keyfold purpose list
  keyfold purpose list --json")]
    List,
    /// Make a purpose, for keys that are created from now on
    #[command(after_help = "\
Examples:
  keyfold purpose register hr --description \"Personnel files\" --rotation-period 180d
  keyfold purpose register pii --rotation-period 90d --update")]
    Register(RegisterArgs),
}

#[derive(Args)]
pub struct RegisterArgs {
    /// Its name
    pub purpose: String,
    /// A note for people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How long a version of its keys should stay current
    #[arg(long, value_name = "DURATION")]
    pub rotation_period: Option<String>,
    /// Give a purpose that exists this description and period
    #[arg(long)]
    pub update: bool,
}
