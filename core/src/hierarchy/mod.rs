//! From the master key to the KEK, and from the KEK to everything below it.
//!
//! ```text
//! a recipient's secret: master key (32 bytes), recovery key, shares, or Argon2id of a passphrase
//!   └ opens its recipient: X-Wing private key and the store's public identity   (committing seal)
//!       └ opens the KEK: HPKE to the recipient's public key, signed by the store's identity
//!           ├ "keyfold/v1/wrap"    wraps DEKs, system keys and index roots
//!           └ "keyfold/v1/records" authenticates rows
//! ```

mod credential;
mod kek;
mod recipient;
mod wrap;

pub(crate) use credential::{Credential, Parameters, PasswordCost, RecipientKind};
pub(crate) use kek::{Kek, check_wraps, sign_wraps, unwrap_kek, wrap_kek};
pub(crate) use recipient::{NewRecipient, OpenedRecipient, make_recipient, open_recipient};
pub(crate) use wrap::{
    AUDIT_KEY, DekPlace, IDENTITY, IndexRootPlace, SystemKeyPlace, Wrappable, make_wrapped,
};
