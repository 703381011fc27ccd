//! `keyfold purpose`.

use keyfold::{PurposeInfo, PurposeOptions, Result};
use serde_json::json;

use crate::args::{Global, RegisterArgs};
use crate::opening;
use crate::output::{Console, duration_shown, noted, optional, table, yes_or_no};

/// Lists what keys may be for.
pub fn list(console: &Console, global: &Global) -> Result<()> {
    let purposes = opening::open(console, global)?.purposes()?;
    console.result(
        || json!(purposes),
        || noted(purpose_table(&purposes), purposes.iter().all(|purpose| purpose.verified)),
    )
}

/// Makes a purpose, or changes one.
pub fn register(console: &Console, global: &Global, args: &RegisterArgs) -> Result<()> {
    let json = json!({
        "description": args.description,
        "rotation_period": args.rotation_period,
        "update": args.update,
    });
    let options = PurposeOptions::from_json(&json.to_string())?;
    let info = opening::open(console, global)?.register_purpose(&args.purpose, &options)?;
    console.remark(&format!("purpose {} is there", info.purpose));
    console.result(|| json!(info), String::new)
}

fn purpose_table(purposes: &[PurposeInfo]) -> String {
    let row = |purpose: &PurposeInfo| {
        [
            purpose.purpose.clone(),
            yes_or_no(purpose.built_in),
            optional(purpose.rotation_period.map(duration_shown)),
            optional(purpose.description.as_ref()),
        ]
    };
    table(["PURPOSE", "BUILT IN", "ROTATION", "DESCRIPTION"], &purposes.iter().map(row).collect::<Vec<_>>())
}
