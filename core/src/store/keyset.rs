//! Whole keys in and out as Google Tink's keysets: for other libraries, and for other stores.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::OpenedRecipient;
use crate::key::Plaintext;
use crate::keyring::{Prefix, VersionState};
use crate::keyset::{
    OutputPrefix, RecipientKey, Status, TinkKey, TinkKeyset, check_length, decode_encrypted,
    decode_encrypted_json, encode_encrypted, encode_encrypted_json, is_json, is_sealed,
    is_sealed_to_recipient, open_with_passphrase, seal_with_passphrase,
};
use crate::limits;
use crate::primitives::{Algorithm, KeyKind};
use crate::records::{EntityId, KeyRow, VersionRow};
use crate::store::act::{Act, Event, NewVersion};
use crate::store::lifecycle::{Draft, rotate};
use crate::store::listing::{verified_info, verified_versions};
use crate::store::shared::check_key_id;
use crate::store::transfer::{check_material, plaintext, require_exportable, unwrap_version};
use crate::store::{ImportKeyset, KeyInfo, Mode, RotateKey, Store};
use crate::sys::pages::SecretBytes;

/// How a keyset is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeysetFormat {
    /// Tink's JSON. The default.
    #[default]
    Json,
    /// Tink's binary protobuf.
    Binary,
}

impl KeysetFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Json, Self::Binary];

    /// Its name in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// The format of this name. InvalidArgument where there is none.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            Error::invalid(format!("format {name:?} is none of: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

/// What keeps a keyset's keys from whoever reads it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum KeysetProtection<'a> {
    /// Nothing. Whoever sees the keyset has the keys.
    InsecureCleartext,
    /// A passphrase, through Argon2id. The keyset is then a text of keyfold's own, `kfks1.…`, in either format.
    Passphrase(&'a [u8]),
    /// A key of kind `aead` of this store, by its id: Tink's encrypted keyset, with empty associated data.
    Key(&'a str),
    /// On export: a recipient of the store that is to have it, by its public key, which
    /// [`Store::recipient_public_key`] of that store gives. Only what that recipient's secret opens opens it. The
    /// keyset is then a text of keyfold's own, `kfkr1.…`, in either format.
    Recipient(&'a str),
    /// On import: the recipient that this store was opened by.
    OwnRecipient,
}

/// An exported keyset.
#[derive(Debug)]
#[non_exhaustive]
pub struct Keyset {
    /// The keyset, wiped when dropped. Text but for [`KeysetFormat::Binary`] without a passphrase or recipient.
    pub bytes: Plaintext,
    /// What of the key the keyset does not say, one sentence each.
    pub losses: Vec<String>,
}

impl Store {
    /// A key with all its versions as a Tink keyset: tags become key ids, the current version the primary key.
    ///
    /// For keys made `exportable` alone (else PermissionDenied); recorded. InvalidArgument where no current version
    /// encrypts: a keyset needs a primary key that is enabled.
    pub fn export_keyset(
        &self,
        key_id: &str,
        format: KeysetFormat,
        protection: KeysetProtection<'_>,
    ) -> Result<Keyset> {
        check_key_id(key_id)?;
        protection.check()?;
        if let KeysetProtection::Key(id) = protection {
            if id == key_id {
                return Err(Error::invalid("a keyset under its own key opens nowhere: name another key"));
            }
            // Before anything is recorded.
            self.key(id)?.encryption()?.length(0)?;
        }
        let recipient = match protection {
            KeysetProtection::Recipient(text) => Some(RecipientKey::parse(text)?),
            KeysetProtection::OwnRecipient => {
                return Err(Error::invalid(
                    "own_recipient is for import: name whom the keyset is for by the public key of its recipient",
                ));
            }
            _ => None,
        };
        let (keyset, losses) = self.shared.act(Event::new("export_keyset").key(key_id), |act| {
            let versions = verified_versions(&act.tree, key_id)?;
            let key = act.rows().key(key_id)?.ok_or_else(|| EntityId::key(key_id).damaged())?;
            require_exportable(&key)?;
            let keyset = to_keyset(act, &key, &versions)?;
            let detail = recipient.as_ref().map_or_else(|| protection.detail(), under_recipient);
            act.record(Event::new("export_keyset").key(key_id).detail(&detail))?;
            Ok((keyset, losses(&key, &versions)?))
        })?;
        if let Some(recipient) = recipient {
            let sealed = recipient.seal(&keyset.encode()?)?;
            return Ok(Keyset { bytes: plaintext(sealed.as_bytes()), losses });
        }
        let bytes = match (protection, format) {
            (KeysetProtection::Recipient(_) | KeysetProtection::OwnRecipient, _) => {
                return Err(Error::internal("a recipient that was not read"));
            }
            (KeysetProtection::InsecureCleartext, KeysetFormat::Json) => keyset.encode_json()?,
            (KeysetProtection::InsecureCleartext, KeysetFormat::Binary) => keyset.encode()?,
            (KeysetProtection::Passphrase(passphrase), _) => {
                SecretBytes::copied(seal_with_passphrase(&keyset.encode()?, passphrase)?.as_bytes())
            }
            (KeysetProtection::Key(id), format) => {
                let sealed = self.encrypt(id, keyset.encode()?.expose(), b"")?;
                let encrypted = match format {
                    KeysetFormat::Json => encode_encrypted_json(&sealed)?,
                    KeysetFormat::Binary => encode_encrypted(&sealed),
                };
                SecretBytes::copied(&encrypted)
            }
        };
        Ok(Keyset { bytes: plaintext(bytes.expose()), losses })
    }

    /// Makes a key from a Tink keyset in either format: key ids become tags, the primary key the current version, and
    /// what was sealed under the keyset opens.
    ///
    /// AlreadyExists where there is a key of this id. Unsupported, by name, for key types and output prefix types
    /// that keyfold has not. DecryptionFailed where the protection does not open it.
    pub fn import_keyset(
        &self,
        key_id: &str,
        keyset: &[u8],
        protection: KeysetProtection<'_>,
        options: &ImportKeyset,
    ) -> Result<KeyInfo> {
        check_key_id(key_id)?;
        protection.check()?;
        let asked = Event::new("import_keyset").key(key_id);
        self.shared.require(Mode::Admin, asked)?;
        check_length(keyset)?;
        let import = Import::new(self.open_keyset(keyset, protection)?, options.rotate)?;
        let create = options.as_create(import.algorithm);
        let draft = Draft::new(key_id, &create)?;
        let detail = protection.detail();
        self.shared.act(asked, |act| {
            let entity = EntityId::key(key_id);
            if act.verify(entity)? {
                draft.accept_existing(act)?;
            }
            let key = draft.put_key(act)?;
            import.insert(act, &key)?;
            act.tree.authenticate(entity)?;
            act.record(Event::new("import_keyset").key(key_id).detail(&detail))?;
            if options.rotate {
                rotate(act, entity.id, &RotateKey::default(), None)?;
            }
            verified_info(&act.tree, key_id)
        })
    }

    fn open_keyset(&self, keyset: &[u8], protection: KeysetProtection<'_>) -> Result<TinkKeyset> {
        match protection {
            KeysetProtection::InsecureCleartext if is_sealed(keyset) => {
                Err(Error::invalid("the keyset is under a passphrase: give it"))
            }
            KeysetProtection::InsecureCleartext if is_sealed_to_recipient(keyset) => {
                Err(Error::invalid("the keyset is sealed to a recipient: import it with own_recipient"))
            }
            KeysetProtection::InsecureCleartext => TinkKeyset::decode(keyset),
            KeysetProtection::Passphrase(passphrase) => {
                TinkKeyset::decode(open_with_passphrase(keyset, passphrase)?.expose())
            }
            KeysetProtection::Key(id) => {
                let sealed =
                    if is_json(keyset) { decode_encrypted_json(keyset)? } else { decode_encrypted(keyset)? };
                TinkKeyset::decode(&self.decrypt(id, &sealed, b"")?)
            }
            KeysetProtection::OwnRecipient => {
                let unlocked = self.shared.unlocked()?;
                let own = public_key_of(self.shared.store_id, &unlocked.recipient);
                TinkKeyset::decode(own.open(keyset, &unlocked.recipient.private_key)?.expose())
            }
            KeysetProtection::Recipient(_) => Err(Error::invalid(
                "a public key opens nothing: import what was sealed to this store with own_recipient",
            )),
        }
    }
}

impl KeysetProtection<'_> {
    fn check(&self) -> Result<()> {
        match self {
            Self::InsecureCleartext => Ok(()),
            Self::Passphrase([]) => Err(Error::invalid("the passphrase is empty")),
            Self::Passphrase(passphrase) if passphrase.len() > limits::PASSWORD_BYTES => {
                Err(Error::limit(format!("a passphrase is at most {} bytes", limits::PASSWORD_BYTES)))
            }
            Self::Passphrase(_) => Ok(()),
            Self::Key(id) => check_key_id(id),
            // Read where it is used.
            Self::Recipient(_) | Self::OwnRecipient => Ok(()),
        }
    }

    /// For the audit record.
    fn detail(&self) -> String {
        match self {
            Self::InsecureCleartext => "cleartext".to_owned(),
            Self::Passphrase(_) => "under a passphrase".to_owned(),
            Self::Key(id) => format!("under key {id}"),
            Self::Recipient(_) | Self::OwnRecipient => "to a recipient".to_owned(),
        }
    }
}

impl std::fmt::Debug for KeysetProtection<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InsecureCleartext => out.write_str("InsecureCleartext"),
            Self::Passphrase(_) => out.write_str("Passphrase"),
            Self::Key(id) => write!(out, "Key({id:?})"),
            Self::Recipient(_) => out.write_str("Recipient"),
            Self::OwnRecipient => out.write_str("OwnRecipient"),
        }
    }
}

/// The public key of the recipient that a store was opened by.
fn public_key_of(store_id: [u8; 16], recipient: &OpenedRecipient) -> RecipientKey {
    let (recipient_id, public_key) = (recipient.recipient_id.clone(), recipient.public_key.clone());
    RecipientKey { store_id, recipient_id, public_key }
}

/// For the audit record.
fn under_recipient(recipient: &RecipientKey) -> String {
    let store: String = recipient.store_id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("to recipient {} of store {store}", recipient.recipient_id)
}

/// Tink has AES-GCM and AES-GCM-SIV with keys of 16 bytes as well.
fn refuse_aes128(id: u32, algorithm: Algorithm, secret: &SecretBytes) -> Result<()> {
    if secret.len() != 16 || !matches!(algorithm, Algorithm::Aes256Gcm | Algorithm::Aes256GcmSiv) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "key {id} of the keyset is of AES-128, which keyfold has not; rotate to AES-256 in Tink first"
        ),
    ))
}

/// A keyset that was found to be one key of ours.
struct Import {
    keyset: TinkKeyset,
    /// That of the primary key, and so of new versions.
    algorithm: Algorithm,
}

impl Import {
    fn new(keyset: TinkKeyset, rotates: bool) -> Result<Self> {
        let primary = keyset.keys.iter().find(|key| key.id == keyset.primary);
        let algorithm = primary.and_then(|key| key.algorithm);
        let algorithm = algorithm.ok_or_else(|| Error::internal("a keyset without a primary key"))?;
        let kind = algorithm.kind();
        for key in &keyset.keys {
            if key.algorithm.is_some_and(|other| other.kind() != kind) {
                return Err(Error::invalid(format!(
                    "the keyset mixes kinds of keys: key {} is not of kind {kind} as its primary key",
                    key.id
                )));
            }
            if let (Some(algorithm), Some(secret)) = (key.algorithm, &key.secret) {
                refuse_aes128(key.id, algorithm, secret)?;
                check_material(algorithm, secret)?;
            }
        }
        let import = Self { keyset, algorithm };
        import.check_prefixes(rotates)?;
        Ok(import)
    }

    /// Keys without a prefix are for decrypting and verifying alone, all of one algorithm, and few.
    fn check_prefixes(&self, rotates: bool) -> Result<()> {
        let raw: Vec<&TinkKey> = self.keyset.keys.iter().filter(|key| self.is_raw(key)).collect();
        let Some(first) = raw.first() else { return Ok(()) };
        if raw.len() > limits::RAW_VERSIONS {
            return Err(Error::limit(format!(
                "a keyset has at most {} keys of output prefix type RAW, since each is tried in turn",
                limits::RAW_VERSIONS
            )));
        }
        if raw.iter().any(|key| key.algorithm != first.algorithm) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "keys of output prefix type RAW must all be of one type; split the keyset",
            ));
        }
        if !rotates && raw.iter().any(|key| key.id == self.keyset.primary) {
            return Err(Error::invalid(
                "the keyset's primary key has the output prefix type RAW, which keyfold reads but does not write: \
                 import it with rotate, and a fresh version encrypts",
            ));
        }
        Ok(())
    }

    /// Streams and derived keys have no prefix, whatever the keyset says.
    fn is_raw(&self, key: &TinkKey) -> bool {
        let has_prefix = !matches!(self.algorithm.kind(), KeyKind::Stream | KeyKind::Derive);
        has_prefix && key.prefix == OutputPrefix::Raw && key.status != Status::Destroyed
    }

    /// Writes one version for each key, in order.
    fn insert(&self, act: &mut Act<'_>, key: &KeyRow) -> Result<()> {
        for (number, imported) in (1..).zip(&self.keyset.keys) {
            let new = NewVersion {
                version: number,
                algorithm: imported.algorithm.unwrap_or(self.algorithm),
                is_current: imported.id == self.keyset.primary,
                state: match imported.status {
                    Status::Enabled => VersionState::Enabled,
                    Status::Disabled => VersionState::Disabled,
                    Status::Destroyed => VersionState::Destroyed,
                },
                tag: Some(imported.id),
                secret: imported.secret.as_ref().map(|secret| SecretBytes::copied(secret.expose())),
            };
            let prefix = if self.is_raw(imported) { Prefix::Raw } else { Prefix::Tink };
            act.insert_prefixed_version(key, new, &[], prefix)?;
        }
        Ok(())
    }
}

fn to_keyset(act: &Act<'_>, key: &KeyRow, versions: &[VersionRow]) -> Result<TinkKeyset> {
    let damaged = || EntityId::key(&key.key_id).damaged();
    let mut keys = Vec::with_capacity(versions.len());
    let mut primary = None;
    for row in versions {
        let state = VersionState::from_name(&row.state).ok_or_else(damaged)?;
        let algorithm = Algorithm::from_name(&row.algorithm).ok_or_else(damaged)?;
        let status = match state {
            VersionState::Staged | VersionState::Enabled | VersionState::DecryptOnly => Status::Enabled,
            VersionState::Disabled | VersionState::Revoked | VersionState::PendingDestruction => {
                Status::Disabled
            }
            VersionState::Destroyed => Status::Destroyed,
        };
        if row.is_current && status == Status::Enabled {
            primary = Some(row.tag);
        }
        let secret = match status {
            Status::Destroyed => None,
            _ => Some(unwrap_version(act, key, row)?),
        };
        if let Some(secret) = &secret {
            check_exportable_length(algorithm, secret.len(), row)?;
        }
        let prefix = match (algorithm.kind(), Prefix::from_name(&row.prefix).ok_or_else(damaged)?) {
            (KeyKind::Stream | KeyKind::Derive, _) | (_, Prefix::Raw) => OutputPrefix::Raw,
            (_, Prefix::Tink) => OutputPrefix::Tink,
        };
        keys.push(TinkKey { id: row.tag, status, prefix, algorithm: Some(algorithm), secret });
    }
    let primary = primary.ok_or_else(|| {
        Error::invalid(format!(
            "key {:?} has no current version in use, and a keyset needs a primary key that is enabled; rotate it first",
            key.key_id
        ))
        .with_key(&key.key_id)
    })?;
    Ok(TinkKeyset { primary, keys })
}

/// Tink's PRF takes no HKDF key below 32 bytes.
fn check_exportable_length(algorithm: Algorithm, length: usize, row: &VersionRow) -> Result<()> {
    if algorithm == Algorithm::HkdfSha256 && length < 32 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "version {} of key {:?} has {length} bytes; Tink wants 32 of a PRF key",
                row.version, row.key_id
            ),
        )
        .with_key(&row.key_id)
        .with_version(row.version));
    }
    Ok(())
}

/// What a keyset has no place for.
fn losses(key: &KeyRow, versions: &[VersionRow]) -> Result<Vec<String>> {
    let mut losses =
        vec!["blind indexes: their root stays here, so they are made anew where the keyset goes".to_owned()];
    for row in versions {
        let state =
            VersionState::from_name(&row.state).ok_or_else(|| EntityId::key(&row.key_id).damaged())?;
        let becomes = match state {
            VersionState::Staged | VersionState::DecryptOnly => "ENABLED",
            VersionState::Revoked | VersionState::PendingDestruction => "DISABLED",
            _ => continue,
        };
        losses.push(format!("version {} is {state} and becomes {becomes}", row.version));
    }
    let labels: BTreeMap<String, String> =
        serde_json::from_str(&key.labels).map_err(|_| EntityId::key(&key.key_id).damaged())?;
    let kept_here = [
        ("purpose", key.purpose.is_some()),
        ("description", key.description.is_some()),
        ("labels", !labels.is_empty()),
        ("expiry", key.expires_in.is_some() || versions.iter().any(|row| row.expires_at.is_some())),
        ("reasons of states", versions.iter().any(|row| row.state_reason.is_some())),
        ("archived", key.archived),
        ("times of making, counts of messages, on_limit", true),
    ];
    losses.extend(
        kept_here.into_iter().filter(|(_, has)| *has).map(|(what, _)| format!("{what}: not in a keyset")),
    );
    Ok(losses)
}
