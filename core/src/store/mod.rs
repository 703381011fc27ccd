//! [`Store`]: what a user calls to manage keys.

mod act;
mod backup;
mod check;
mod denials;
mod derive;
mod destruction;
mod development;
mod forking;
mod index_roots;
mod info;
#[cfg(test)]
mod insider;
mod inspect;
mod key_index;
mod keyset;
mod lifecycle;
mod listing;
mod open;
mod options;
mod purge;
mod purposes;
mod quarantine;
mod recipients;
mod rekey;
mod restore;
mod run_due;
mod shared;
mod states;
#[cfg(test)]
mod tink_keyset_oracle;
#[cfg(test)]
mod tink_oracle;
#[cfg(test)]
mod tink_stream_oracle;
mod transfer;
mod transfer_options;
mod upgrade;
mod usage;
#[cfg(test)]
mod usage_limit;

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::format::{Aad, Anchor};
use crate::key::{Key, Plaintext};
use crate::master_key::MasterKey;
use crate::records::StoreRow;

pub use backup::{BackupInfo, BackupProgress};
pub use check::{CheckReport, Finding};
#[cfg(test)]
pub(crate) use derive::derive;
pub use destruction::DESTRUCTION_DELAY;
pub use index_roots::{IndexSaltInfo, IndexScope};
pub use info::{CiphertextInfo, KeyInfo, VersionInfo};
pub use keyset::{Keyset, KeysetFormat, KeysetProtection};
pub use listing::Keys;
pub use options::{CreateKey, FileOptions, IndexOptions, KeyFilter, Mode, OpenOptions, RotateKey};
pub use purposes::{PURPOSES, PurposeInfo, PurposeOptions};
pub use quarantine::Quarantined;
pub use recipients::{AddRecipient, DrillReport, RecipientInfo};
pub use rekey::MasterKeyRotation;
pub use restore::{RestoreInfo, RestoreOptions, restore};
pub use run_due::{DestroyedVersion, RunDueFailure, RunDueReport};
pub(crate) use shared::Shared;
pub use transfer::ExportedKey;
pub use transfer_options::{ImportKey, ImportKeyset, KeyEncoding};
pub(crate) use usage::Charge;
pub use usage::VersionUsage;

/// An open key store. Clones share it; it may be used from all threads at once.
///
/// ```
/// # fn main() -> keyfold::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("app.keyfold");
/// use keyfold::{Context, CreateKey, MasterKey, OpenOptions, Store};
///
/// let master_key = MasterKey::parse(&keyfold::generate_master_key()?)?;
/// let store = Store::open_with(&path, &master_key, &OpenOptions::new().create(true))?;
/// store.create_key("pii", &CreateKey::new())?;
///
/// let pii = store.key("pii")?;
/// let place = Context::new().with("table", "users").with("id", 42);
/// let sealed = pii.encrypt_text("ada@example.org", &place)?;
/// assert_eq!(&*pii.decrypt_text(&sealed, &place)?, "ada@example.org");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

impl Store {
    /// Opens an existing store with the master key from `KEYFOLD_MASTER_KEY`.
    ///
    /// NotFound where there is no store, WrongMasterKey where the key is another's, IntegrityError where the
    /// file was changed by someone without it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &MasterKey::default(), &OpenOptions::default())
    }

    /// Opens a store, or makes one where `options.create` asks for it.
    pub fn open_with(path: impl AsRef<Path>, master_key: &MasterKey, options: &OpenOptions) -> Result<Self> {
        Shared::open(path.as_ref(), master_key, options).map(|shared| Self { shared })
    }

    /// A handle to a key, for encrypting with it. NotFound where there is none.
    pub fn key(&self, key_id: &str) -> Result<Key> {
        let entry = self.shared.entry(key_id)?;
        Ok(Key::new(Arc::clone(&self.shared), entry))
    }

    /// Encrypts under the key's current version; as [`Key::encrypt`].
    pub fn encrypt<'a>(&self, key_id: &str, plaintext: &[u8], aad: impl Into<Aad<'a>>) -> Result<Vec<u8>> {
        self.key(key_id)?.encrypt(plaintext, aad)
    }

    /// Decrypts what any version of the key encrypted; as [`Key::decrypt`].
    pub fn decrypt<'a>(
        &self,
        key_id: &str,
        ciphertext: impl AsRef<[u8]>,
        aad: impl Into<Aad<'a>>,
    ) -> Result<Plaintext> {
        self.key(key_id)?.decrypt(ciphertext, aad)
    }

    /// Where the store stands now: keep it elsewhere and open with it, and no older or forked copy of the file
    /// passes for this one.
    pub fn anchor(&self) -> Result<Anchor> {
        self.shared.read_verified(|tree, _| Ok(anchor_of(tree.store())))
    }

    /// The store's identity as a short text: open with it, and no other store passes for this one. Empty in mode
    /// `metadata`, which cannot tell.
    pub fn fingerprint(&self) -> &str {
        self.shared.fingerprint()
    }

    /// Whether what it shows was verified: everywhere but in mode `metadata`, which has no key to verify with.
    pub fn is_verified(&self) -> bool {
        self.shared.mode() != Mode::Metadata
    }

    /// What deserves attention although the store opened: a master key file that others may read, memory that
    /// could not be locked.
    pub fn warnings(&self) -> &[String] {
        self.shared.warnings()
    }

    /// Waits for calls in flight (for 1 s at most: an [`crate::Encryption`] that is kept keeps its key), wipes all keys and closes the file. Calls on any clone, and on its keys, are
    /// refused as Closed from then on. Closing again does nothing.
    pub fn close(&self) {
        self.shared.close();
    }
}

/// Where a verified store stands.
fn anchor_of(store: &StoreRow) -> Anchor {
    Anchor {
        store_id: store.store_id,
        generation: store.generation,
        sequence: store.audit_sequence,
        hash: store.audit_hash,
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Store({})", self.shared.path().display())
    }
}
