//! `keyfold index-salt`.

use keyfold::{IndexSaltInfo, IndexScope, Result};
use serde_json::json;

use crate::args::{Global, RetireSaltArgs, ScopeArgs, ShowSaltArgs};
use crate::encoding::{Encoding, hand_out, require_target};
use crate::files;
use crate::opening;
use crate::output::{Console, noted, table, yes_or_no};

/// Lists the live versions.
pub fn list(console: &Console, global: &Global, args: &ScopeArgs) -> Result<()> {
    let salts = opening::open(console, global)?.index_salts(scope(args)?)?;
    console.result(|| json!(salts), || noted(salt_table(&salts), salts.iter().all(|salt| salt.verified)))
}

/// Makes the next version.
pub fn rotate(console: &Console, global: &Global, args: &ScopeArgs) -> Result<()> {
    let salt = opening::open(console, global)?.rotate_index_salt(scope(args)?)?;
    console.remark(&format!("version {} of the index salt is current", salt.version));
    console.result(|| json!(salt), String::new)
}

/// Deletes a version.
pub fn retire(console: &Console, global: &Global, args: &RetireSaltArgs) -> Result<()> {
    opening::open(console, global)?.retire_index_salt(scope(&args.scope)?, args.version)?;
    console.remark(&format!("version {} of the index salt is gone", args.version));
    console.result(|| json!({ "version": args.version, "retired": true }), String::new)
}

/// Hands out the bytes, where the user said so.
pub fn show(console: &Console, global: &Global, args: &ShowSaltArgs) -> Result<()> {
    require_target(&args.target, "the salt")?;
    let encoding = Encoding::parse(&args.encoding.encoding)?;
    let store = opening::open(console, global)?;
    let salt = store.get_index_salt(scope(&args.scope)?, args.salt_version)?;
    // Of the current version, the number is known now.
    let version = match args.salt_version {
        Some(version) => Some(version),
        None => store.index_salts(scope(&args.scope)?)?.first().map(|salt| salt.version),
    };
    let about = json!({ "purpose": args.scope.purpose, "key_id": args.scope.key, "version": version });
    hand_out(console, &args.target, encoding, ("salt", &salt), about)
}

fn scope(args: &ScopeArgs) -> Result<IndexScope<'_>> {
    match (&args.purpose, &args.key) {
        (Some(purpose), _) => Ok(IndexScope::Purpose(purpose)),
        (None, Some(key)) => Ok(IndexScope::Key(key)),
        (None, None) => Err(files::invalid("name a purpose with --purpose, or a key with --key")),
    }
}

fn salt_table(salts: &[IndexSaltInfo]) -> String {
    let row = |salt: &IndexSaltInfo| {
        [salt.version.to_string(), yes_or_no(salt.is_current), salt.created_at.to_string()]
    };
    table(["VERSION", "CURRENT", "CREATED"], &salts.iter().map(row).collect::<Vec<_>>())
}
