//! `keyfold master-key`.

use keyfold::Result;

use crate::args::{Global, RotateMasterKeyArgs, SecretTargetArgs};
use crate::encoding::{hand_out_text, require_target};
use crate::opening;
use crate::output::Console;
use crate::recipient::rotated;
use crate::secret::read_secret;

/// Makes a master key, which is shown only where the user said so.
pub fn generate(console: &Console, args: &SecretTargetArgs) -> Result<()> {
    require_target(args, "the master key")?;
    let key = keyfold::generate_master_key()?;
    let remark = "wrote a new master key to {}; keep a copy of it apart from the store";
    hand_out_text(console, args, ("master_key", &key), remark)
}

/// Makes a new key-encryption key.
pub fn rotate(console: &Console, global: &Global, args: &RotateMasterKeyArgs) -> Result<()> {
    opening::keep_secrets_apart(global, &args.new)?;
    let store = opening::open(console, global)?;
    let new = match args.new.as_slice() {
        [] => None,
        references => Some(read_secret(console, global, references, Some(&args.cost))?),
    };
    rotated(console, &store.rotate_master_key(new.as_ref())?)
}
