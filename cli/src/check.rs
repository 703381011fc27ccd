//! `keyfold check`, `keyfold anchor` and `keyfold fingerprint`.

use keyfold::{CheckReport, Finding, Result};
use serde_json::json;

use crate::CHECK_FAILED;
use crate::args::Global;
use crate::opening;
use crate::output::{Console, table};

/// Verifies everything. Findings are the result; there are none where all is well.
pub fn check(console: &Console, global: &Global) -> Result<u8> {
    let report = opening::open(console, global)?.check()?;
    console.result(|| json!(report), || finding_table(&report))?;
    // In JSON they are part of the result.
    for warning in report.warnings.iter().filter(|_| !console.json) {
        console.warning(&format!("{}: {}; {}", warning.subject, warning.problem, warning.advice));
    }
    if !report.ok {
        return Ok(CHECK_FAILED);
    }
    console.remark(&format!(
        "all is well: {} keys, {} versions, {} audit records, generation {}",
        report.keys, report.versions, report.audit_records, report.generation
    ));
    Ok(0)
}

/// Prints an anchor.
pub fn anchor(console: &Console, global: &Global) -> Result<()> {
    let anchor = opening::open(console, global)?.anchor()?;
    console.result(
        || json!({ "anchor": anchor.to_string(), "generation": anchor.generation(), "sequence": anchor.sequence() }),
        || format!("{anchor}\n"),
    )
}

/// Prints the fingerprint.
pub fn fingerprint(console: &Console, global: &Global) -> Result<()> {
    let store = opening::open(console, global)?;
    console.result(|| json!({ "fingerprint": store.fingerprint() }), || format!("{}\n", store.fingerprint()))
}

pub fn finding_table(report: &CheckReport) -> String {
    let row = |finding: &Finding| [finding.subject.clone(), finding.problem.clone(), finding.advice.clone()];
    table(["SUBJECT", "PROBLEM", "ADVICE"], &report.findings.iter().map(row).collect::<Vec<_>>())
}
