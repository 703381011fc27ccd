//! Deriving keys for other libraries from keys of kind `derive`.
//!
//! HKDF-SHA256 (RFC 5869) without a salt; info is the encoding of: the label `keyfold/v1/derive-key`, the purpose as
//! text, the length as an integer. The length belongs to it, so that a short output is no prefix of a longer one. The
//! key's id and store do not: its bytes alone decide, and a key that moves to another store gives what it gave.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Encoding;
use crate::key::{Plaintext, wrong_kind};
use crate::keyring::{Material, Snapshot, Version};
use crate::limits;
use crate::primitives::{KeyKind, hkdf_sha256};
use crate::store::act::Event;
use crate::store::{Mode, Store};

impl Store {
    /// `length` bytes for this purpose, from a key of kind `derive`: the same in every process and language.
    ///
    /// Every purpose and every length has bytes of its own. Without a version the current one is used, so that
    /// rotating the key changes what comes out: keep the version's number beside what the bytes protect, and pass
    /// it. The store must be open in mode `admin`, since these bytes leave keyfold's care.
    ///
    /// InvalidArgument for an empty purpose or length, LimitExceeded past 255 bytes of purpose or 8,160 bytes,
    /// KeyUnavailable where the version's state forbids it.
    pub fn derive_key(
        &self,
        key_id: &str,
        purpose: &str,
        length: usize,
        version: Option<u32>,
    ) -> Result<Plaintext> {
        self.shared.require(Mode::Admin, Event::new("derive_key").key(key_id))?;
        check(purpose, length)?;
        let entry = self.shared.entry(key_id)?;
        let loaded = self.shared.current(&entry)?;
        let snapshot = loaded.as_deref().ok_or_else(Error::closed)?;
        let place = match version {
            Some(number) => numbered(snapshot, number)?,
            None => snapshot.encrypting_place()?,
        };
        snapshot.prepare(place)?;
        let version = &snapshot.versions[place];
        let Some(Material::Derive(secret)) = version.unwrapped() else {
            return Err(wrong_kind(key_id, version.algorithm.kind(), "derive keys", &[KeyKind::Derive]));
        };
        derive(secret.expose(), purpose, length)
    }
}

/// The derived bytes under a given key.
pub(crate) fn derive(secret: &[u8], purpose: &str, length: usize) -> Result<Plaintext> {
    let length_field = i64::try_from(length).map_err(|_| Error::internal("a length that was not checked"))?;
    let info = Encoding::new("keyfold/v1/derive-key").text(purpose).integer(length_field);
    let mut out = Plaintext::with_capacity(length);
    out.buffer().resize(length, 0);
    hkdf_sha256(secret, &[], info.as_bytes(), out.buffer())?;
    Ok(out)
}

fn check(purpose: &str, length: usize) -> Result<()> {
    if purpose.is_empty() {
        return Err(Error::invalid(
            "purpose says what the bytes are for, as in \"session cookies\": name one",
        ));
    }
    if purpose.len() > limits::DERIVE_PURPOSE_BYTES {
        return Err(Error::limit(format!("a purpose is at most {} bytes", limits::DERIVE_PURPOSE_BYTES)));
    }
    if length == 0 {
        return Err(Error::invalid("length is 0; ask for at least one byte"));
    }
    if length > limits::DERIVED_BYTES {
        return Err(Error::limit(format!("at most {} bytes are derived at once", limits::DERIVED_BYTES)));
    }
    Ok(())
}

fn numbered(snapshot: &Snapshot, number: u32) -> Result<usize> {
    let is_wanted = |version: &Version| version.row.version == number;
    snapshot.versions.iter().position(is_wanted).ok_or_else(|| {
        let key_id = &snapshot.key.key_id;
        Error::new(ErrorKind::NotFound, format!("key {key_id:?} has no version {number}"))
            .with_key(key_id)
            .with_version(number)
    })
}
