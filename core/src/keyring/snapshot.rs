//! One key as of one moment: all its versions, replaced as a whole when the store changes.

use std::sync::Arc;

use once_cell::race::OnceBox;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{DekPlace, IndexRootPlace, Kek, Wrappable};
use crate::keyring::{Material, Meter, Operation, Prefix, VersionState};
use crate::primitives::{Algorithm, HmacKey};
use crate::records::entity::{KeyRows, purpose_scope};
use crate::records::tree::Tree;
use crate::records::{EntityId, IndexRootRow, KeyRow, VersionRow};
use crate::sys::pages::SecretBytes;
use crate::time::Timestamp;

/// A key, verified and partly unwrapped.
pub(crate) struct Snapshot {
    store_id: [u8; 16],
    kek: Arc<Kek>,
    pub(crate) key: KeyRow,
    /// In order of their numbers.
    pub(crate) versions: Vec<Version>,
    /// Tags and places in `versions`, in order of the tags.
    by_tag: Vec<(u32, usize)>,
    /// The places of those without a prefix, newest first.
    raw: Vec<usize>,
    /// The place of the current version, its material and its meter, where the key may encrypt.
    current: Option<(usize, Arc<Material>, Arc<Meter>)>,
    current_place: Option<usize>,
    /// How long a version should stay current, by the key's purpose.
    pub(crate) rotation_period: Option<i64>,
    /// Newest first.
    pub(crate) index_roots: Vec<IndexRoot>,
    /// The MACs of the key's entity and of its purpose's: equal MACs mean that nothing changed.
    macs: ([u8; 32], Option<[u8; 32]>),
}

/// One version of a key. Its DEK is unwrapped when it is first needed.
pub(crate) struct Version {
    pub(crate) row: VersionRow,
    pub(crate) state: VersionState,
    pub(crate) algorithm: Algorithm,
    pub(crate) prefix: Prefix,
    /// Set once, without a lock: a lock could be held by a thread that a fork leaves behind.
    material: OnceBox<Arc<Material>>,
    /// Counts its messages; there is one from when it was first current in this process.
    meter: OnceBox<Arc<Meter>>,
}

/// One version of the root of a key's blind indexes.
pub(crate) struct IndexRoot {
    pub(crate) mac: HmacKey,
}

impl Snapshot {
    /// Reads and verifies a key. `None` where it verifiably does not exist; `previous` itself where nothing
    /// changed since.
    pub(crate) fn load(
        tree: &Tree<'_>,
        kek: &Arc<Kek>,
        key_id: &str,
        previous: Option<&Arc<Snapshot>>,
    ) -> Result<Option<Arc<Snapshot>>> {
        let Some((rows, mac)) = tree.verify_key(key_id)? else { return Ok(None) };
        let purpose_mac = match &rows.key.purpose {
            None => None,
            Some(purpose) => {
                let purpose = EntityId::purpose(purpose);
                Some(tree.verify_entity(purpose)?.ok_or_else(|| purpose.damaged())?)
            }
        };
        let macs = (mac, purpose_mac);
        if let Some(previous) = previous
            && previous.macs == macs
            && Arc::ptr_eq(&previous.kek, kek)
        {
            return Ok(Some(Arc::clone(previous)));
        }
        Self::build(tree, kek, rows, macs, previous.map(AsRef::as_ref))
            .map(|snapshot| Some(Arc::new(snapshot)))
    }

    fn build(
        tree: &Tree<'_>,
        kek: &Arc<Kek>,
        rows: KeyRows,
        macs: ([u8; 32], Option<[u8; 32]>),
        previous: Option<&Snapshot>,
    ) -> Result<Self> {
        let KeyRows { key, versions: rows, index_roots } = rows;
        let damaged = || EntityId::key(&key.key_id).damaged();
        let store_id = tree.store().store_id;
        let mut versions = Vec::with_capacity(rows.len());
        for row in rows {
            versions.push(Version::new(row, previous).ok_or_else(damaged)?);
        }
        let (tagged, mut raw): (Vec<_>, Vec<_>) =
            (0..versions.len()).partition(|place| versions[*place].prefix == Prefix::Tink);
        let mut by_tag: Vec<_> = tagged.into_iter().map(|place| (versions[place].row.tag, place)).collect();
        by_tag.sort_unstable();
        raw.reverse();
        let index_roots = match &key.purpose {
            None => index_roots,
            Some(purpose) => tree.rows().index_roots(&purpose_scope(purpose))?,
        };
        let index_roots =
            index_roots.iter().rev().map(|row| IndexRoot::new(&store_id, kek, row)).collect::<Result<_>>()?;
        let rotation_period = match &key.purpose {
            None => None,
            Some(purpose) => tree.rows().purpose(purpose)?.and_then(|row| row.rotation_period),
        };
        let current_place = versions.iter().position(|version| version.row.is_current);
        let mut snapshot = Self {
            store_id,
            kek: Arc::clone(kek),
            versions,
            by_tag,
            raw,
            current: None,
            current_place,
            rotation_period,
            index_roots,
            macs,
            key,
        };
        if let Some(place) = current_place
            && snapshot.allows(&snapshot.versions[place], Operation::Encrypt)
            && snapshot.versions[place].prefix == Prefix::Tink
        {
            let material = snapshot.material(&snapshot.versions[place])?;
            let meter = Arc::clone(snapshot.versions[place].meter());
            snapshot.current = Some((place, material, meter));
        }
        Ok(snapshot)
    }

    /// The version that encrypts, and its material.
    #[inline]
    pub(crate) fn encrypting(&self) -> Result<(&Version, &Material)> {
        match &self.current {
            Some((place, material, _)) => Ok((&self.versions[*place], material)),
            None => Err(self.cannot_encrypt()),
        }
    }

    /// The place of the version that encrypts.
    pub(crate) fn encrypting_place(&self) -> Result<usize> {
        self.current.as_ref().map(|(place, ..)| *place).ok_or_else(|| self.cannot_encrypt())
    }

    /// For stores that cannot be written: AES256_GCM is only safe for as long as its messages are counted.
    #[cold]
    pub(crate) fn refuse_uncounted(&self) -> Result<()> {
        match self.current() {
            Some(version) if version.algorithm == Algorithm::Aes256Gcm => Err(Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "key {:?} is of AES256_GCM, whose messages must be counted, and the store is open as immutable: \
                     it decrypts only",
                    self.key.key_id
                ),
            )
            .with_key(&self.key.key_id)
            .with_version(version.row.version)),
            _ => Ok(()),
        }
    }

    /// The meter of the version that encrypts.
    #[inline]
    pub(crate) fn encrypting_meter(&self) -> Result<&Meter> {
        match &self.current {
            Some((_, _, meter)) => Ok(meter),
            None => Err(self.cannot_encrypt()),
        }
    }

    /// The meters of all versions that were current in this process.
    pub(crate) fn meters(&self) -> impl Iterator<Item = &Arc<Meter>> {
        self.versions.iter().filter_map(|version| version.meter.get())
    }

    /// The places of the versions without a prefix that may decrypt, newest first.
    pub(crate) fn raw_places(&self) -> impl Iterator<Item = usize> + '_ {
        self.raw.iter().copied().filter(|place| self.versions[*place].state.may_decrypt())
    }

    /// The place of the version with this tag.
    #[inline]
    pub(crate) fn place_of(&self, tag: u32) -> Option<usize> {
        let found = self.by_tag.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
        Some(self.by_tag[found].1)
    }

    /// The version of this number.
    fn numbered(&self, version: u32) -> Option<&Version> {
        let found = self.versions.binary_search_by_key(&version, |known| known.row.version).ok()?;
        self.versions.get(found)
    }

    /// The current version, whatever it may do.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.current_place.map(|place| &self.versions[place])
    }

    /// Has the material of the version at this place ready for decrypting. KeyUnavailable where its state forbids it.
    #[inline]
    pub(crate) fn prepare(&self, place: usize) -> Result<()> {
        let version = &self.versions[place];
        self.require(version, Operation::Decrypt)?;
        if version.material.get().is_none() {
            self.material(version)?;
        }
        Ok(())
    }

    /// The time from which on the version that encrypts may not.
    #[inline]
    pub(crate) fn encrypts_until(&self) -> Option<i64> {
        self.current.as_ref().and_then(|(place, ..)| self.versions[*place].row.expires_at)
    }

    /// Refuses an operation that the version's state, or the key, does not allow.
    #[inline]
    pub(crate) fn require(&self, version: &Version, operation: Operation) -> Result<()> {
        if self.allows(version, operation) { Ok(()) } else { Err(self.unavailable(version, operation)) }
    }

    #[inline]
    fn allows(&self, version: &Version, operation: Operation) -> bool {
        version.state.allows(operation, version.row.is_current, self.key.archived)
    }

    /// Whether the version's wrap opens, whatever its state, and whether it is gone where it was destroyed; nothing
    /// is kept.
    pub(crate) fn check_wrap(&self, version: &Version) -> Result<()> {
        match version.state {
            VersionState::Destroyed if version.row.wrapped.is_empty() => Ok(()),
            VersionState::Destroyed => Err(EntityId::key(&self.key.key_id).damaged()),
            _ => self.unwrap(version).map(|_| ()),
        }
    }

    /// The version's key as wrapped, whatever its state.
    pub(crate) fn unwrap(&self, version: &Version) -> Result<SecretBytes> {
        let row = &version.row;
        if version.state == VersionState::Destroyed {
            return Err(self.unavailable(version, Operation::Decrypt));
        }
        self.place(row).unwrap(&self.kek, row.kek_version, &row.wrapped)
    }

    /// The version's key ready for use, whatever its state.
    pub(crate) fn material(&self, version: &Version) -> Result<Arc<Material>> {
        if let Some(material) = version.material.get() {
            return Ok(Arc::clone(material));
        }
        let material = Material::expand(version.algorithm, self.unwrap(version)?)
            .ok_or_else(|| EntityId::key(&self.key.key_id).damaged())?;
        let material = Arc::new(material);
        // Two callers may both come here: the first one's material stays, and the other's is equal.
        let _ = version.material.set(Box::new(Arc::clone(&material)));
        Ok(material)
    }

    fn place<'a>(&'a self, row: &'a VersionRow) -> DekPlace<'a> {
        DekPlace {
            store_id: &self.store_id,
            key_id: &self.key.key_id,
            kind: &self.key.kind,
            purpose: self.key.purpose.as_deref(),
            algorithm: &row.algorithm,
            version: row.version,
            tag: row.tag,
            prefix: &row.prefix,
        }
    }

    #[cold]
    fn cannot_encrypt(&self) -> Error {
        match self.current() {
            _ if self.key.archived => Error::new(
                ErrorKind::KeyUnavailable,
                format!("key {:?} is archived and encrypts no more", self.key.key_id),
            )
            .with_key(&self.key.key_id),
            Some(version) => self.unavailable(version, Operation::Encrypt),
            None => Error::new(
                ErrorKind::KeyUnavailable,
                format!("key {:?} has no current version", self.key.key_id),
            )
            .with_key(&self.key.key_id),
        }
    }

    #[cold]
    pub(crate) fn expired(&self, at: i64) -> Error {
        let version = self.current().map_or(0, |version| version.row.version);
        Error::new(
            ErrorKind::KeyUnavailable,
            format!(
                "version {version} of key {:?} expired at {} and may not encrypt; rotate the key (what was encrypted \
                 still decrypts)",
                self.key.key_id,
                Timestamp::from_milliseconds(at)
            ),
        )
        .with_key(&self.key.key_id)
        .with_version(version)
    }

    #[cold]
    fn unavailable(&self, version: &Version, operation: Operation) -> Error {
        let advice = match version.state {
            VersionState::Staged => "promote_version makes it current",
            VersionState::Enabled => "only the current version of a key that is not archived does",
            VersionState::DecryptOnly | VersionState::Disabled => "set_version_state can enable it",
            VersionState::Revoked => "that is final",
            VersionState::PendingDestruction => "cancel_destruction can bring it back",
            VersionState::Destroyed => "its key is gone for good",
        };
        let message = format!(
            "version {} of key {:?} is {} and may not {operation}: {advice}",
            version.row.version, self.key.key_id, version.state
        );
        Error::new(ErrorKind::KeyUnavailable, message)
            .with_key(&self.key.key_id)
            .with_version(version.row.version)
    }
}

impl Version {
    /// Takes unwrapped material and the meter over from an earlier snapshot of the same DEK.
    fn new(row: VersionRow, previous: Option<&Snapshot>) -> Option<Self> {
        let state = VersionState::from_name(&row.state)?;
        let algorithm = Algorithm::from_name(&row.algorithm)?;
        let prefix = Prefix::from_name(&row.prefix)?;
        let known = previous
            .and_then(|snapshot| snapshot.numbered(row.version))
            .filter(|known| known.row.tag == row.tag);
        // What may open nothing any more is not kept.
        let same = known.filter(|known| known.row.wrapped == row.wrapped && state.may_decrypt());
        let material = taken_over(same.and_then(|known| known.material.get()));
        // A lease ends with its wrap: a restore, which no lease outlives, wraps anew.
        let counted =
            |known: &&Version| known.row.wrapped == row.wrapped || algorithm != Algorithm::Aes256Gcm;
        let meter = taken_over(known.filter(counted).and_then(|known| known.meter.get()));
        Some(Self { row, state, algorithm, prefix, material, meter })
    }

    fn meter(&self) -> &Arc<Meter> {
        self.meter.get_or_init(|| Box::new(Arc::new(Meter::new(self.row.version, self.algorithm))))
    }

    /// The material, once it was unwrapped.
    #[inline]
    pub(crate) fn unwrapped(&self) -> Option<&Material> {
        self.material.get().map(AsRef::as_ref)
    }
}

fn taken_over<T>(known: Option<&Arc<T>>) -> OnceBox<Arc<T>> {
    known.map_or_else(OnceBox::new, |known| OnceBox::with_value(Box::new(Arc::clone(known))))
}

impl IndexRoot {
    fn new(store_id: &[u8; 16], kek: &Kek, row: &IndexRootRow) -> Result<Self> {
        let place = IndexRootPlace { store_id, scope: &row.scope, version: row.version };
        let root = place.unwrap(kek, row.kek_version, &row.wrapped)?;
        Ok(Self { mac: HmacKey::new(root.expose()) })
    }
}
