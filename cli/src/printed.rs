//! `keyfold recovery-key` and `keyfold shares`.

use std::path::{Path, PathBuf};

use keyfold::{RecoveryKey, Result, Shares};
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::{SecretTargetArgs, SplitArgs};
use crate::encoding::{hand_out_text, line, require_target};
use crate::files::{self, Target};
use crate::output::Console;

/// Makes a recovery key.
pub fn generate(console: &Console, args: &SecretTargetArgs) -> Result<()> {
    require_target(args, "the recovery key")?;
    let recovery = RecoveryKey::generate()?;
    let remark = "wrote a recovery key to {}; add it with keyfold recipient add file:{}";
    hand_out_text(console, args, ("recovery_key", &recovery.reveal()), remark)
}

/// Makes shares, each for somebody else.
pub fn split(console: &Console, args: &SplitArgs) -> Result<()> {
    let prefix = args.out.as_deref().filter(|path| !files::is_standard(Some(path)));
    if prefix.is_none() && !args.reveal {
        return Err(files::invalid(
            "name the beginning of the files with --out PREFIX, or say --reveal to have the shares printed",
        ));
    }
    let texts = Shares::split(args.threshold, args.count)?.reveal();
    let Some(prefix) = prefix else { return print(console, &texts) };
    let paths: Vec<PathBuf> = (1..=texts.len()).map(|number| numbered(prefix, number)).collect();
    // Some shares of a secret without the others are of no use.
    paths.iter().try_for_each(|path| Target::new(Some(path), false).map(|_| ()))?;
    for (done, (path, text)) in paths.iter().zip(&texts).enumerate() {
        if let Err(error) = files::write_new(path, line(text).as_bytes()) {
            paths[..done].iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(error);
        }
    }
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    console.remark(&format!(
        "wrote {} shares, any {} of which open a store that they are added to",
        texts.len(),
        args.threshold
    ));
    console.result(
        || json!({ "out": shown, "threshold": args.threshold }),
        || shown.iter().map(|path| format!("{path}\n")).collect(),
    )
}

fn print(console: &Console, texts: &[Zeroizing<String>]) -> Result<()> {
    // Of its final size at once: growing would leave copies behind.
    let mut all =
        Zeroizing::new(String::with_capacity(texts.iter().map(|text| text.len() + 8).sum::<usize>() + 64));
    let (before, between, after) = if console.json {
        ("{\n  \"shares\": [\n    \"", "\",\n    \"", "\"\n  ]\n}\n")
    } else {
        ("", "\n", "\n")
    };
    all.push_str(before);
    for (place, text) in texts.iter().enumerate() {
        [if place == 0 { "" } else { between }, text].into_iter().for_each(|part| all.push_str(part));
    }
    all.push_str(after);
    files::print(all.as_bytes())
}

fn numbered(prefix: &Path, number: usize) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
