//! `keyfold inspect`.

use keyfold::{CiphertextInfo, Result};
use serde_json::json;

use crate::args::{Global, InspectArgs};
use crate::message::read_ciphertext;
use crate::opening;
use crate::output::{Console, noted, table, yes_or_no};

/// Tells which key and version made a ciphertext.
pub fn inspect(console: &Console, global: &Global, args: &InspectArgs) -> Result<()> {
    let file = args.file.as_deref();
    opening::keep_input_apart(global, file)?;
    let store = opening::open(console, global)?;
    let ciphertext = read_ciphertext(console, file)?;
    let matches = store.inspect(ciphertext.bytes())?;
    if matches.is_empty() {
        console.remark("no key of this store made this ciphertext");
    }
    console.result(
        || json!(matches),
        || noted(match_table(&matches), matches.iter().all(|found| found.verified)),
    )
}

fn match_table(matches: &[CiphertextInfo]) -> String {
    let row = |found: &CiphertextInfo| {
        [
            found.key_id.clone(),
            found.version.to_string(),
            format!("{:08x}", found.tag),
            found.algorithm.to_string(),
            yes_or_no(found.is_current),
            found.state.to_string(),
            found.created_at.to_string(),
        ]
    };
    table(
        ["KEY", "VERSION", "TAG", "ALGORITHM", "CURRENT", "STATE", "VERSION CREATED"],
        &matches.iter().map(row).collect::<Vec<_>>(),
    )
}
