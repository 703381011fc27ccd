//! Single keys in and out as bytes.

use crate::error::{Denial, Error, ErrorKind, Result};
use crate::format::{decode_base64, decode_hex, encode_base64, encode_hex, is_hex};
use crate::hierarchy::{DekPlace, Wrappable};
use crate::key::{Plaintext, PlaintextText};
use crate::keyring::{Operation, VersionState};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::store::act::{Act, Event, NewVersion};
use crate::store::lifecycle::{Draft, clear_current, room_for_version};
use crate::store::listing::{verified_info, verified_versions};
use crate::store::shared::{check_key_id, no_such_key};
use crate::store::{ImportKey, KeyEncoding, KeyInfo, Mode, Store};
use crate::sys::pages::SecretBytes;

/// Lengths of a key in bytes that [`Store::get_encryption_key`] and keys of any length may have.
pub(super) const LENGTHS: [usize; 4] = [16, 24, 32, 64];

/// The raw bytes of a key, as they were asked for. Wiped when dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportedKey {
    /// For [`KeyEncoding::Raw`].
    Bytes(Plaintext),
    /// For [`KeyEncoding::Hex`] and [`KeyEncoding::Base64`].
    Text(PlaintextText),
}

impl Store {
    /// Takes a key in from elsewhere: as a new key, or with `as_version` as the next version of one that exists, which
    /// encrypts from then on.
    ///
    /// InvalidArgument where the material does not have the algorithm's length in the encoding that is named, where
    /// all its bytes are one, and where it is PEM text. Nothing is stretched, cut or hashed to fit.
    pub fn import_key(
        &self,
        key_id: &str,
        material: &[u8],
        encoding: KeyEncoding,
        options: &ImportKey,
    ) -> Result<KeyInfo> {
        check_key_id(key_id)?;
        let asked = Event::new("import_key").key(key_id);
        self.shared.require(Mode::Admin, asked)?;
        let secret = decode(material, encoding)?;
        if options.as_version {
            options.check_as_version()?;
            return self.shared.act(asked, |act| {
                import_version(act, key_id, secret, options.algorithm.as_deref())?;
                verified_info(&act.tree, key_id)
            });
        }
        let create = options.as_create();
        let draft = Draft::new(key_id, &create)?;
        check_material(draft.algorithm, &secret)?;
        self.shared.act(asked, |act| {
            if act.verify(EntityId::key(key_id))? {
                draft.accept_existing(act)?;
            }
            let row = draft.put_key(act)?;
            let new = NewVersion { secret: Some(secret), ..NewVersion::current(1, draft.algorithm) };
            act.insert_version(&row, new, &[])?;
            act.tree.authenticate(EntityId::key(key_id))?;
            act.record(Event::new("import_key").key(key_id).version(1))?;
            verified_info(&act.tree, key_id)
        })
    }

    /// The raw bytes of a version, of the current one where none is named. For keys made `exportable` alone; recorded.
    ///
    /// PermissionDenied where the key is not exportable; KeyUnavailable where the version is disabled, was revoked or
    /// destroyed, or is about to be.
    pub fn get_data_key(&self, key_id: &str, version: Option<u32>) -> Result<Plaintext> {
        self.export_version(key_id, version, None).map(|secret| plaintext(secret.expose()))
    }

    /// The current version's raw bytes in the encoding that is named. `key_bytes` says how many are expected (16, 24,
    /// 32 or 64): InvalidArgument where the key has another length. Otherwise as [`Store::get_data_key`].
    pub fn get_encryption_key(
        &self,
        key_id: &str,
        key_bytes: usize,
        encoding: KeyEncoding,
    ) -> Result<ExportedKey> {
        if !LENGTHS.contains(&key_bytes) {
            return Err(Error::invalid(format!("key_bytes is {key_bytes}; it may be 16, 24, 32 or 64")));
        }
        let secret = self.export_version(key_id, None, Some(key_bytes))?;
        Ok(match encoding {
            KeyEncoding::Raw => ExportedKey::Bytes(plaintext(secret.expose())),
            KeyEncoding::Hex => ExportedKey::Text(text(&encode_hex(secret.expose()))?),
            KeyEncoding::Base64 => ExportedKey::Text(text(&encode_base64(secret.expose())?)?),
        })
    }

    fn export_version(
        &self,
        key_id: &str,
        version: Option<u32>,
        length: Option<usize>,
    ) -> Result<SecretBytes> {
        check_key_id(key_id)?;
        self.shared.act(Event::new("export_key").key(key_id), |act| {
            let versions = verified_versions(&act.tree, key_id)?;
            let key = act.rows().key(key_id)?.ok_or_else(|| EntityId::key(key_id).damaged())?;
            require_exportable(&key)?;
            let found = versions.iter().find(|row| match version {
                Some(number) => row.version == number,
                None => row.is_current,
            });
            let row = found.ok_or_else(|| no_such_version(key_id, version))?;
            require_readable(&key, row)?;
            let secret = unwrap_version(act, &key, row)?;
            if length.is_some_and(|length| length != secret.len()) {
                return Err(Error::invalid(format!(
                    "key {key_id:?} has {} bytes, not the {} asked for; nothing is cut or stretched to fit",
                    secret.len(),
                    length.unwrap_or_default()
                ))
                .with_key(key_id));
            }
            act.record(Event::new("export_key").key(key_id).version(row.version))?;
            Ok(secret)
        })
    }
}

fn import_version(
    act: &mut Act<'_>,
    key_id: &str,
    secret: SecretBytes,
    algorithm: Option<&str>,
) -> Result<()> {
    let entity = EntityId::key(key_id);
    if !act.verify(entity)? {
        return Err(no_such_key(key_id));
    }
    let key = act.rows().key(key_id)?.ok_or_else(|| entity.damaged())?;
    let own = Algorithm::from_name(&key.algorithm).ok_or_else(|| entity.damaged())?;
    let algorithm = match algorithm {
        None => own,
        Some(name) => {
            Algorithm::from_name(name).filter(|other| other.kind() == own.kind()).ok_or_else(|| {
                Error::invalid(format!(
                    "algorithm {name:?} is none of kind {}, which the key is of",
                    own.kind()
                ))
                .with_key(key_id)
            })?
        }
    };
    check_material(algorithm, &secret)?;
    let versions = act.rows().versions(key_id)?;
    let (newest, tags) = room_for_version(&key, &versions)?;
    clear_current(act, &versions)?;
    let new = NewVersion { secret: Some(secret), ..NewVersion::current(newest + 1, algorithm) };
    let row = act.insert_version(&key, new, &tags)?;
    act.tree.authenticate(entity)?;
    act.record(Event::new("import_key").key(key_id).version(row.version))
}

/// Refuses a key whose bytes were never to leave the store.
pub(super) fn require_exportable(key: &KeyRow) -> Result<()> {
    if key.exportable {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "key {:?} was not made exportable, so its bytes stay in the store; that cannot be changed later",
            key.key_id
        ),
    )
    .denied(Denial::NotExportable)
    .with_key(&key.key_id))
}

/// The version's key, for handing it out.
pub(super) fn unwrap_version(act: &Act<'_>, key: &KeyRow, row: &VersionRow) -> Result<SecretBytes> {
    let place = DekPlace {
        store_id: &act.tree.store().store_id,
        key_id: &key.key_id,
        kind: &key.kind,
        purpose: key.purpose.as_deref(),
        algorithm: &row.algorithm,
        version: row.version,
        tag: row.tag,
        prefix: &row.prefix,
    };
    place.unwrap(act.kek, row.kek_version, &row.wrapped)
}

/// Refuses what is no key of the algorithm, or so weak that somebody filled it in by hand.
pub(super) fn check_material(algorithm: Algorithm, secret: &SecretBytes) -> Result<()> {
    let length = secret.len();
    let fits = match algorithm.kind() {
        KeyKind::Mac | KeyKind::Derive => LENGTHS.contains(&length),
        _ => length == algorithm.key_length(),
    };
    if !fits {
        let wanted = match algorithm.kind() {
            KeyKind::Mac | KeyKind::Derive => "16, 24, 32 or 64".to_owned(),
            _ => algorithm.key_length().to_string(),
        };
        return Err(Error::invalid(format!(
            "a key of {algorithm} has {wanted} bytes, this one {length}; nothing is hashed, cut or stretched to fit"
        )));
    }
    let bytes = secret.expose();
    let same = bytes.iter().fold(0, |differences, byte| differences | (byte ^ bytes[0]));
    if same == 0 {
        return Err(Error::invalid("this key is one byte repeated: it is no secret; draw one at random"));
    }
    Ok(())
}

/// The bytes that the material stands for, in the encoding that is named.
fn decode(material: &[u8], encoding: KeyEncoding) -> Result<SecretBytes> {
    if material.len() > limits::KEY_MATERIAL_BYTES {
        return Err(Error::limit(format!("key material is at most {} bytes", limits::KEY_MATERIAL_BYTES)));
    }
    if material.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(Error::invalid(
            "this is PEM text, not key material: keyfold imports the bytes of symmetric keys",
        ));
    }
    if material.is_empty() {
        return Err(Error::invalid("the key material is empty"));
    }
    match encoding {
        KeyEncoding::Raw => Ok(SecretBytes::copied(material)),
        KeyEncoding::Hex => from_hex(material),
        KeyEncoding::Base64 => from_base64(material),
    }
}

fn from_hex(text: &[u8]) -> Result<SecretBytes> {
    if text.len() % 2 == 1 {
        return Err(Error::invalid("the hex text has an odd number of digits"));
    }
    decode_hex(text).ok_or_else(|| Error::invalid("the hex text has something else than hexadecimal digits"))
}

fn from_base64(text: &[u8]) -> Result<SecretBytes> {
    if is_hex(text) {
        return Err(Error::invalid(
            "this text has hexadecimal digits only, so it is hardly base64: name the encoding hex",
        ));
    }
    decode_base64(text).ok_or_else(|| {
        Error::invalid(
            "the base64 text is malformed: it wants the standard alphabet, padded, without white space",
        )
    })
}

pub(super) fn plaintext(bytes: &[u8]) -> Plaintext {
    let mut out = Plaintext::with_capacity(bytes.len());
    out.buffer().extend_from_slice(bytes);
    out
}

fn text(bytes: &SecretBytes) -> Result<PlaintextText> {
    PlaintextText::new(plaintext(bytes.expose()))
        .ok_or_else(|| Error::internal("an encoding that is no text"))
}

fn require_readable(key: &KeyRow, row: &VersionRow) -> Result<()> {
    let state = VersionState::from_name(&row.state).ok_or_else(|| EntityId::key(&row.key_id).damaged())?;
    if state.allows(Operation::Export, row.is_current, key.archived) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::KeyUnavailable,
        format!("version {} of key {:?} is {state} and is not handed out", row.version, row.key_id),
    )
    .with_key(&row.key_id)
    .with_version(row.version))
}

fn no_such_version(key_id: &str, version: Option<u32>) -> Error {
    let Some(version) = version else {
        return Error::new(ErrorKind::KeyUnavailable, format!("key {key_id:?} has no current version"))
            .with_key(key_id);
    };
    Error::new(ErrorKind::NotFound, format!("key {key_id:?} has no version {version}"))
        .with_key(key_id)
        .with_version(version)
}
