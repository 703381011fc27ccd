//! `keyfold run-due`.

use keyfold::Result;
use serde_json::json;

use crate::CHECK_FAILED;
use crate::args::Global;
use crate::opening;
use crate::output::{Console, table};

/// Does what is due.
pub fn run_due(console: &Console, global: &Global) -> Result<u8> {
    let report = opening::open(console, global)?.run_due()?;
    for done in &report.destroyed {
        console.remark(&format!("key {}: version {} is destroyed", done.key_id, done.version));
    }
    if report.purge_pending {
        console.warning("somebody reads the store: what was destroyed may still be in its log; run it again");
    }
    let rows: Vec<[String; 2]> =
        report.failures.iter().map(|failure| [failure.key_id.clone(), failure.problem.clone()]).collect();
    console.result(|| json!(report), || table(["KEY LEFT ALONE", "PROBLEM"], &rows))?;
    Ok(if rows.is_empty() { 0 } else { CHECK_FAILED })
}
