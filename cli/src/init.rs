//! `keyfold init`.

use keyfold::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::{Global, InitArgs};
use crate::files;
use crate::opening;
use crate::output::Console;
use crate::secret::read_secret;

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
    let passphrase = ["passphrase:prompt".into()];
    let references = if args.passphrase { &passphrase[..] } else { &[] };
    if args.passphrase && !global.master_key.is_empty() {
        return Err(files::invalid(
            "--passphrase and --master-key exclude each other: a store is made for one secret",
        ));
    }
    // Only what is not there yet gets a new passphrase.
    let new = (!exists).then_some(&args.cost);
    let key = match references {
        [] => opening::master_key(console, global, new)?,
        references => read_secret(console, global, references, new)?,
    };
    let store = opening::open_with(console, global, &key, true)?;
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
