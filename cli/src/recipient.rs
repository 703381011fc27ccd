//! `keyfold recipient`.

use keyfold::{AddRecipient, MasterKeyRotation, RecipientInfo, Result};
use serde_json::json;

use crate::CHECK_FAILED;
use crate::args::{AddRecipientArgs, Global, ReferenceArgs};
use crate::check::finding_table;
use crate::opening;
use crate::output::{Console, noted, optional, table, yes_or_no};
use crate::secret::read_secret;

/// Lists the ways to open the store.
pub fn list(console: &Console, global: &Global) -> Result<()> {
    let recipients = opening::open(console, global)?.recipients()?;
    let verified = recipients.iter().all(|recipient| recipient.verified);
    console.result(|| json!(recipients), || noted(recipient_table(&recipients), verified))
}

/// Adds a way to open the store.
pub fn add(console: &Console, global: &Global, args: &AddRecipientArgs) -> Result<()> {
    opening::keep_secrets_apart(global, &args.secret.references)?;
    let store = opening::open(console, global)?;
    let secret = read_secret(console, global, &args.secret.references, Some(&args.cost))?;
    let mut options = AddRecipient::new();
    options.id = args.id.clone();
    options.description = args.description.clone();
    let info = store.add_recipient(&secret, &options)?;
    console.remark(&format!("recipient {} opens the store from now on", info.recipient_id));
    console.result(|| json!(info), String::new)
}

/// Takes a way to open the store away.
pub fn remove(console: &Console, global: &Global, recipient_id: &str) -> Result<()> {
    let rotation = opening::open(console, global)?.remove_recipient(recipient_id)?;
    console.remark(&format!("recipient {recipient_id} opens the store no more"));
    rotated(console, &rotation)
}

/// Tries a secret.
pub fn test(console: &Console, global: &Global, args: &ReferenceArgs) -> Result<()> {
    opening::keep_secrets_apart(global, &args.references)?;
    let store = opening::open(console, global)?;
    let info = store.test_recipient(&read_secret(console, global, &args.references, None)?)?;
    console.result(|| json!(info), || recipient_table(std::slice::from_ref(&info)))
}

/// Shows a recipient's public key, for a store that is to seal keysets to it.
pub fn public_key(console: &Console, global: &Global, recipient_id: Option<&str>) -> Result<()> {
    let key = opening::open(console, global)?.recipient_public_key(recipient_id)?;
    console.result(|| json!({ "public_key": key }), || format!("{key}\n"))
}

/// Opens the store with a secret as if nothing else were left.
pub fn drill(console: &Console, global: &Global, args: &ReferenceArgs) -> Result<u8> {
    opening::keep_secrets_apart(global, &args.references)?;
    let store = opening::open(console, global)?;
    let report = store.drill(&read_secret(console, global, &args.references, None)?)?;
    console.result(|| json!(report), || finding_table(&report.check))?;
    if !report.check.ok {
        return Ok(CHECK_FAILED);
    }
    console.remark(&format!(
        "recipient {} opens the store, and all is well: {} keys, {} versions",
        report.recipient.recipient_id, report.check.keys, report.check.versions
    ));
    Ok(0)
}

/// What a new key-encryption key took.
pub fn rotated(console: &Console, rotation: &MasterKeyRotation) -> Result<()> {
    console.remark(&format!(
        "key-encryption key {} is made for {}; {} secrets are wrapped anew",
        rotation.kek_version,
        rotation.recipients.join(", "),
        rotation.rewrapped
    ));
    if rotation.purge_pending {
        console.warning("a reader holds the log with superseded wraps in it; keyfold run-due tries again");
    }
    console.result(|| json!(rotation), String::new)
}

fn recipient_table(recipients: &[RecipientInfo]) -> String {
    let row = |recipient: &RecipientInfo| {
        let cost: Vec<String> =
            recipient.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        [
            recipient.recipient_id.clone(),
            recipient.kind.clone(),
            yes_or_no(recipient.is_mine),
            recipient.created_at.to_string(),
            optional((!cost.is_empty()).then(|| cost.join(" "))),
            optional(recipient.description.as_ref()),
        ]
    };
    table(
        ["RECIPIENT", "KIND", "MINE", "CREATED", "COST", "DESCRIPTION"],
        &recipients.iter().map(row).collect::<Vec<_>>(),
    )
}
