//! Message authentication codes under keys of kind `mac`, in Google Tink's format or raw.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Envelope, PREFIX_LENGTH, decode_ciphertext, prefix};
use crate::key::{Key, snapshot, too_long, wrong_kind};
use crate::keyring::{Loaded, Material, Snapshot, Version};
use crate::limits;
use crate::primitives::{Authenticator, KeyKind};

impl Key {
    /// The code of the data under the current version: `01 ‖ tag (4) ‖ HMAC`, the HMAC never truncated.
    ///
    /// For keys of kind `mac`. LimitExceeded past 64 MiB.
    pub fn mac(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.code(data, true)
    }

    /// The HMAC alone, for formats that have no room for a prefix, such as JWTs. It does not say which version made
    /// it: [`Key::verify_mac_raw`] tries all of them.
    pub fn mac_raw(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.code(data, false)
    }

    /// Whether [`Key::mac`] of any version of this key gave this code, in bytes or as text, for this data.
    ///
    /// VerificationFailed, always with the same message, where anything is wrong with code, key or data;
    /// KeyUnavailable where the version's state forbids it.
    pub fn verify_mac(&self, data: &[u8], mac: impl AsRef<[u8]>) -> Result<()> {
        check_length(self, data)?;
        let bytes = decode_ciphertext(mac.as_ref()).ok_or_else(|| self.verification_failed())?;
        match self.verify_prefixed(data, &bytes) {
            // What has no prefix may begin as one by chance.
            Err(error) if error.kind() == ErrorKind::VerificationFailed => {
                self.verify_without_prefix(data, &bytes)
            }
            outcome => outcome,
        }
    }

    fn verify_prefixed(&self, data: &[u8], mac: &[u8]) -> Result<()> {
        let envelope = Envelope::parse(mac).ok_or_else(|| self.verification_failed())?;
        let (loaded, place) = self.loaded_with(envelope.tag, Self::verification_failed)?;
        let snapshot = snapshot(&loaded)?;
        snapshot.prepare(place)?;
        let version = &snapshot.versions[place];
        let key = self.authenticator(version, version.unwrapped(), "verify codes")?;
        if key.verifies(data, envelope.body) { Ok(()) } else { Err(self.verification_failed()) }
    }

    /// As [`Key::verify_mac`], for what an imported version without a prefix may have made.
    #[cold]
    fn verify_without_prefix(&self, data: &[u8], mac: &[u8]) -> Result<()> {
        let loaded = self.shared.current(&self.entry)?;
        let snapshot = snapshot(&loaded)?;
        for place in snapshot.raw_places() {
            snapshot.prepare(place)?;
            let version = &snapshot.versions[place];
            if self.authenticator(version, version.unwrapped(), "verify codes")?.verifies(data, mac) {
                return Ok(());
            }
        }
        Err(self.verification_failed())
    }

    /// Whether [`Key::mac_raw`] of any version of this key that may verify gave this code for this data.
    ///
    /// Versions are tried from the newest on, and all that are left take their time before it fails.
    pub fn verify_mac_raw(&self, data: &[u8], mac: &[u8]) -> Result<()> {
        check_length(self, data)?;
        self.check_kind(self.kind()?, "verify codes", &[KeyKind::Mac])?;
        let known = self.shared.current(&self.entry)?;
        if self.any_verifies(&known, data, mac)? || self.any_newer_verifies(&known, data, mac)? {
            return Ok(());
        }
        Err(self.verification_failed())
    }

    fn code(&self, data: &[u8], prefixed: bool) -> Result<Vec<u8>> {
        check_length(self, data)?;
        self.with_snapshot(|snapshot| {
            self.shared.refuse_expired(snapshot)?;
            let (version, material) = snapshot.encrypting()?;
            let key = self.authenticator(version, Some(material), "make codes")?;
            let mut out = Vec::with_capacity(PREFIX_LENGTH + key.length());
            if prefixed {
                out.extend_from_slice(&prefix(version.row.tag));
            }
            key.append(data, &mut out);
            Ok(out)
        })
    }

    /// Another process may have made the version after our last look.
    #[cold]
    fn any_newer_verifies(&self, known: &Loaded, data: &[u8], mac: &[u8]) -> Result<bool> {
        self.shared.look_for_newer()?;
        let loaded = self.shared.current(&self.entry)?;
        if std::ptr::eq(snapshot(known)?, snapshot(&loaded)?) {
            return Ok(false);
        }
        self.any_verifies(&loaded, data, mac)
    }

    fn any_verifies(&self, loaded: &Loaded, data: &[u8], mac: &[u8]) -> Result<bool> {
        let snapshot: &Snapshot = snapshot(loaded)?;
        for version in snapshot.versions.iter().rev().filter(|version| version.state.may_decrypt()) {
            let material = snapshot.material(version)?;
            if self.authenticator(version, Some(&material), "verify codes")?.verifies(data, mac) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn authenticator<'a>(
        &self,
        version: &Version,
        material: Option<&'a Material>,
        operation: &str,
    ) -> Result<&'a Authenticator> {
        match material {
            Some(Material::Mac(key)) => Ok(key),
            _ => Err(wrong_kind(self.id(), version.algorithm.kind(), operation, &[KeyKind::Mac])),
        }
    }

    /// One error for whatever is wrong with a code; another where keys of this kind verify nothing at all.
    #[cold]
    fn verification_failed(&self) -> Error {
        match self.kind().and_then(|kind| self.check_kind(kind, "verify codes", &[KeyKind::Mac])) {
            Ok(()) => Error::verification_failed(self.id()),
            Err(error) => error,
        }
    }
}

#[inline]
fn check_length(key: &Key, data: &[u8]) -> Result<()> {
    if data.len() > limits::MESSAGE_BYTES { Err(too_long(key.id())) } else { Ok(()) }
}
