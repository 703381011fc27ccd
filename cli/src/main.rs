//! The command `keyfold`: turns arguments into calls of the core, and results into text or JSON.

mod args;
mod backup;
mod check;
mod derive;
mod doctor;
mod encoding;
mod files;
mod generated;
mod index;
mod index_salt;
mod init;
mod inspect;
mod key;
mod mac;
mod master_key;
mod message;
mod opening;
mod output;
mod printed;
mod progress;
mod prompt;
mod purpose;
mod recipient;
mod run_due;
mod secret;
mod stream;
mod transfer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use keyfold::{Error, ErrorKind, Result};

use crate::args::{
    Command, CommandLine, Global, IndexSaltCommand, KeyCommand, KeysetCommand, MacCommand, MasterKeyCommand,
    PurposeCommand, QuarantineCommand, RecipientCommand, RecoveryKeyCommand, SharesCommand,
};
use crate::output::Console;

/// A check ran and found something.
const CHECK_FAILED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// Added to the core's number of an error.
const ERRORS: u8 = 16;

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return ExitCode::from(usage(&error)),
    };
    let console = Console { json: line.global.json, quiet: line.global.quiet };
    let outcome = without_panic(|| run(&console, &line));
    ExitCode::from(match outcome {
        Ok(code) => code,
        // Whoever read our output has had enough of it.
        Err(error) if files::is_broken_pipe(&error) => 0,
        Err(error) => {
            console.error(&error);
            ERRORS + error.kind() as u8
        }
    })
}

fn run(console: &Console, line: &CommandLine) -> Result<u8> {
    let global = &line.global;
    if let Ok(store) = opening::path(global) {
        files::protect(store);
    }
    match &line.command {
        Command::Init(args) => init::init(console, global, args),
        Command::MasterKey(MasterKeyCommand::Generate(args)) => master_key::generate(console, args),
        Command::MasterKey(MasterKeyCommand::Rotate(args)) => master_key::rotate(console, global, args),
        Command::Recipient(RecipientCommand::List) => recipient::list(console, global),
        Command::Recipient(RecipientCommand::Add(args)) => recipient::add(console, global, args),
        Command::Recipient(RecipientCommand::Remove { recipient_id }) => {
            recipient::remove(console, global, recipient_id)
        }
        Command::Recipient(RecipientCommand::Test(args)) => recipient::test(console, global, args),
        Command::Recipient(RecipientCommand::PublicKey { recipient_id }) => {
            recipient::public_key(console, global, recipient_id.as_deref())
        }
        Command::Recipient(RecipientCommand::Drill(args)) => return recipient::drill(console, global, args),
        Command::RecoveryKey(RecoveryKeyCommand::Generate(args)) => printed::generate(console, args),
        Command::Shares(SharesCommand::Split(args)) => printed::split(console, args),
        Command::Key(command) => run_key(console, global, command),
        Command::Purpose(PurposeCommand::List) => purpose::list(console, global),
        Command::Purpose(PurposeCommand::Register(args)) => purpose::register(console, global, args),
        Command::IndexSalt(IndexSaltCommand::List(args)) => index_salt::list(console, global, args),
        Command::IndexSalt(IndexSaltCommand::Rotate(args)) => index_salt::rotate(console, global, args),
        Command::IndexSalt(IndexSaltCommand::Retire(args)) => index_salt::retire(console, global, args),
        Command::IndexSalt(IndexSaltCommand::Show(args)) => index_salt::show(console, global, args),
        Command::Keyset(KeysetCommand::Export(args)) => transfer::export_keyset(console, global, args),
        Command::Keyset(KeysetCommand::Import(args)) => transfer::import_keyset(console, global, args),
        Command::RunDue => return run_due::run_due(console, global),
        Command::Encrypt(args) => message::encrypt(console, global, args),
        Command::Decrypt(args) => message::decrypt(console, global, args),
        Command::Reencrypt(args) => message::reencrypt(console, global, args),
        Command::Inspect(args) => inspect::inspect(console, global, args),
        Command::Mac(MacCommand::Make(args)) => mac::make(console, global, args),
        Command::Mac(MacCommand::Verify(args)) => mac::verify(console, global, args),
        Command::Derive(args) => derive::derive(console, global, args),
        Command::Index(args) => index::index(console, global, args),
        Command::IndexReport(args) => index::report(console, args),
        Command::Check => return check::check(console, global),
        Command::Doctor => return doctor::doctor(console, global),
        Command::Backup(args) => return backup::backup(console, global, args),
        Command::Restore(args) => backup::restore(console, global, args),
        Command::Quarantine(QuarantineCommand::Add(args)) => backup::quarantine(console, global, args),
        Command::Quarantine(QuarantineCommand::List) => backup::quarantined(console, global),
        Command::Anchor => check::anchor(console, global),
        Command::Fingerprint => check::fingerprint(console, global),
        Command::Completions { shell } => generated::completions(*shell),
        Command::Man { folder } => generated::man(console, folder.as_deref()),
    }
    .map(|()| 0)
}

fn run_key(console: &Console, global: &Global, command: &KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create(args) => key::create(console, global, args),
        KeyCommand::List(args) => key::list(console, global, args),
        KeyCommand::Show(args) => key::show(console, global, args),
        KeyCommand::Usage(args) => key::usage(console, global, args),
        KeyCommand::Rotate(args) => key::rotate(console, global, args),
        KeyCommand::Promote(args) => key::promote(console, global, args),
        KeyCommand::State(args) => key::state(console, global, args),
        KeyCommand::Archive(args) => key::archive(console, global, args),
        KeyCommand::Destroy(args) => key::destroy(console, global, args),
        KeyCommand::CancelDestruction(args) => key::cancel_destruction(console, global, args),
        KeyCommand::Import(args) => transfer::import(console, global, args),
        KeyCommand::Export(args) => transfer::export(console, global, args),
    }
}

/// A panic becomes an error. Its own words may hold data: only its place is told.
fn without_panic(run: impl FnOnce() -> Result<u8>) -> Result<u8> {
    static PLACE: OnceLock<String> = OnceLock::new();
    std::panic::set_hook(Box::new(|panic| {
        PLACE.get_or_init(|| panic.location().map_or_else(String::new, |place| format!(" at {place}")));
    }));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let place = PLACE.get().map_or("", String::as_str);
        Err(Error::new(ErrorKind::Internal, format!("a bug in keyfold: it stopped{place}")))
    })
}

/// Help and version go to standard output; what cannot be understood is a usage error.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // Nothing is lost when the reader of a help text leaves early.
        let _ = error.print();
        return 0;
    }
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let text = error.render().to_string();
    if json {
        let message = text.trim_end().trim_start_matches("error: ");
        Console { json, quiet: false }.error(&Error::new(ErrorKind::InvalidArgument, message));
    } else {
        output::usage(text.trim_end());
    }
    USAGE
}
