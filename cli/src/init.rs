//! `keyfold init`.

use keyfold::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::{Global, InitArgs};
use crate::opening;
use crate::output::Console;

/// Makes a store.
pub fn init(console: &Console, global: &Global, args: &InitArgs) -> Result<()> {
    let path = opening::path(global)?;
    let shown = path.display();
    let exists = path.symlink_metadata().is_ok();
    if exists && !args.exist_ok {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{shown} exists already and is not overwritten"),
        ));
    }
    let store = opening::open(console, global, true)?;
    console.remark(&if exists {
        format!("{shown} is a store already")
    } else {
        format!("made the store {shown}")
    });
    console.result(
        || json!({ "store": shown.to_string(), "fingerprint": store.fingerprint(), "created": !exists }),
        String::new,
    )
}
