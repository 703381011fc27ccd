//! `keyfold derive`.

use keyfold::Result;
use serde_json::json;

use crate::args::{DeriveArgs, Global};
use crate::encoding::{Encoding, hand_out, require_target};
use crate::opening;
use crate::output::Console;

/// Derives bytes, which are shown only where the user said so.
pub fn derive(console: &Console, global: &Global, args: &DeriveArgs) -> Result<()> {
    require_target(&args.target, "the bytes")?;
    let encoding = Encoding::parse(&args.encoding.encoding)?;
    let key_id = &args.key.key_id;
    let store = opening::open(console, global)?;
    // Whoever is not told which version it was could not derive the same again.
    let version = match args.key_version {
        Some(version) => Some(version),
        None => store.key(key_id)?.info()?.current_version,
    };
    let bytes = store.derive_key(key_id, &args.purpose, args.length, version)?;
    if let (None, Some(version)) = (args.key_version, version) {
        console.remark(&format!("of version {version}; keep the number, and pass it with --key-version"));
    }
    let about = json!({ "key_id": key_id, "version": version, "purpose": args.purpose });
    hand_out(console, &args.target, encoding, ("bytes", &bytes), about)
}
