//! A recovery key: 32 random bytes on paper, in a safe.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::printed::Form;
use super::{LENGTH, MasterKey};
use crate::error::Result;
use crate::sys::pages::SecretBytes;

pub(super) const FORM: Form = Form { prefix: "kfr1-", name: "a recovery key", length: LENGTH };

/// A recovery key as it is made: show it once, have it printed, and add a recipient for it.
///
/// ```
/// # fn main() -> keyfold::Result<()> {
/// use keyfold::{MasterKey, RecoveryKey};
///
/// let recovery = RecoveryKey::generate()?;
/// let printed = recovery.reveal(); // "kfr1-7K3QX9-…"
/// let typed_in = MasterKey::recovery_key(&printed.to_lowercase())?;
/// # let _ = (recovery.master_key(), typed_in);
/// # Ok(())
/// # }
/// ```
pub struct RecoveryKey(Arc<SecretBytes>);

impl RecoveryKey {
    /// A new one, from the kernel.
    pub fn generate() -> Result<Self> {
        Ok(Self(Arc::new(SecretBytes::random(LENGTH)?)))
    }

    /// The text to print: `kfr1-` and 11 groups of six characters. Whoever reads it can open the store.
    pub fn reveal(&self) -> Zeroizing<String> {
        FORM.print(&self.0)
    }

    /// As what opens a store, or is added to one.
    pub fn master_key(&self) -> MasterKey {
        MasterKey::from_recovery(Arc::clone(&self.0))
    }
}

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("RecoveryKey(..)")
    }
}
