//! Who can open the store: adding, removing, trying and listing recipients.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::hierarchy::{
    Credential, IDENTITY, NewRecipient, OpenedRecipient, Parameters, RecipientKind, make_recipient,
    open_recipient, sign_wraps, unwrap_kek, wrap_kek,
};
use crate::keyset::RecipientKey;
use crate::limits;
use crate::master_key::{MasterKey, ResolvedMasterKey, none_served};
use crate::primitives::Identity;
use crate::records::tree::Tree;
use crate::records::{EntityId, RecipientRow};
use crate::store::act::{Act, Event};
use crate::store::options::from_json;
use crate::store::rekey::Change;
use crate::store::shared::{Shared, system_key, unlock_with};
use crate::store::{CheckReport, MasterKeyRotation, Mode, OpenOptions, Store};
use crate::time::Timestamp;

/// How often an act is tried again when others change the recipients meanwhile.
const TRIES: usize = 3;

/// How a recipient is added.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AddRecipient {
    /// Its name in the store. Default: its kind and a number, as in `passphrase-1`.
    pub id: Option<String>,
    /// A note for people: where the paper lies, who holds the shares.
    pub description: Option<String>,
}

impl AddRecipient {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a JSON object with the names of the fields.
    pub fn from_json(json: &str) -> Result<Self> {
        from_json(json)
    }

    /// Its name in the store.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// A note for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    fn check(&self) -> Result<()> {
        if let Some(id) = &self.id {
            check_recipient_id(id)?;
        }
        if self.description.as_ref().is_some_and(|text| text.len() > limits::DESCRIPTION_BYTES) {
            return Err(Error::limit(format!(
                "a description is at most {} bytes",
                limits::DESCRIPTION_BYTES
            )));
        }
        Ok(())
    }
}

/// A way to open the store, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecipientInfo {
    /// Its name in the store.
    pub recipient_id: String,
    /// `master_key`, `passphrase`, `recovery_key` or `shares`.
    pub kind: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// A note for people.
    pub description: Option<String>,
    /// What a guess costs, of a passphrase: `kdf` and its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Whether this open store was opened by it.
    pub is_mine: bool,
    /// Whether it was verified: everywhere but in mode `metadata`, which shows what the file says.
    pub verified: bool,
}

/// What a recovery drill found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DrillReport {
    /// The recipient that opened the store.
    pub recipient: RecipientInfo,
    /// Everything verified by the store as it was opened with it.
    pub check: CheckReport,
}

impl Store {
    /// Adds a way to open the store. What opens it now goes on opening it.
    ///
    /// AlreadyExists where the id is taken, or the same secret opens the store already.
    pub fn add_recipient(&self, master_key: &MasterKey, options: &AddRecipient) -> Result<RecipientInfo> {
        let asked = Event::new("add_recipient");
        self.shared.require(Mode::Admin, asked)?;
        options.check()?;
        let credential = self.shared.read_credential(master_key)?;
        for _ in 0..TRIES {
            let draft = self.shared.draft_recipient(&credential, options)?;
            let added = self.shared.act(asked, |act| self.shared.insert_recipient(act, &draft))?;
            if let Some(info) = added {
                return Ok(info);
            }
        }
        Err(others_were_faster())
    }

    /// Takes a way to open the store away, and makes a new KEK that it does not get. Open stores that use it are
    /// refused as WrongMasterKey at their next refresh.
    ///
    /// InUse for the recipient that this store was opened by: so whoever removes one has another that works.
    pub fn remove_recipient(&self, recipient_id: &str) -> Result<MasterKeyRotation> {
        self.shared.require(Mode::Admin, Event::new("remove_recipient").detail(recipient_id))?;
        check_recipient_id(recipient_id)?;
        self.shared.rekey(Change::remove(recipient_id))
    }

    /// Every way to open the store, in order of id.
    pub fn recipients(&self) -> Result<Vec<RecipientInfo>> {
        let mine = self.shared.recipient();
        self.shared.read_listing(|tree| {
            let rows = verified_recipients(tree)?;
            rows.iter().map(|row| RecipientInfo::from_row(row, mine.as_deref(), tree.is_verified())).collect()
        })
    }

    /// A recipient's public key as a text, `kfpk1.…`: by it another store seals a keyset that only this recipient's
    /// secret opens. Of the recipient that this store was opened by, where none is named. No secret; but whoever is to
    /// seal to it must know that it comes from here. NotFound where there is no such recipient.
    pub fn recipient_public_key(&self, recipient_id: Option<&str>) -> Result<String> {
        let mine = Arc::clone(&self.shared.unlocked()?.recipient);
        let recipient_id = recipient_id.unwrap_or(&mine.recipient_id);
        let rows = self.shared.read_verified(|tree, _| verified_recipients(tree))?;
        let row = rows.into_iter().find(|row| row.recipient_id == recipient_id);
        let row = row.ok_or_else(|| no_such_recipient(recipient_id))?;
        let (store_id, recipient_id) = (self.shared.store_id, row.recipient_id);
        Ok(RecipientKey { store_id, recipient_id, public_key: row.public_key }.to_text())
    }

    /// Tries whether a master key opens the store, and changes nothing: the recipient that it opens, else
    /// WrongMasterKey.
    pub fn test_recipient(&self, master_key: &MasterKey) -> Result<RecipientInfo> {
        let mine = self.shared.recipient();
        let mut failures = Vec::new();
        for candidate in master_key.alternatives() {
            match candidate.resolve().and_then(|resolved| self.shared.try_credential(&resolved.credential)) {
                Ok(row) => return RecipientInfo::from_row(&row, mine.as_deref(), true),
                Err(error) => failures.push((candidate, error)),
            }
        }
        Err(none_served(failures))
    }

    /// A recovery drill: opens the file anew with this master key, as if nothing else were left, and verifies
    /// everything in it. The drill is recorded in the audit log, so that an auditor sees that it was made.
    pub fn drill(&self, master_key: &MasterKey) -> Result<DrillReport> {
        let asked = Event::new("drill_recipient");
        self.shared.require(Mode::Admin, asked)?;
        let anchor = self.anchor()?.to_string();
        let mut options = OpenOptions::new().mode(Mode::Use).fingerprint(self.fingerprint()).anchor(anchor);
        options.allow_network_fs = true;
        let opened = Store::open_with(self.shared.path(), master_key, &options)?;
        let mine = opened.shared.recipient().ok_or_else(Error::closed)?;
        let check = opened.check()?;
        opened.close();
        let mut recipient = self
            .recipients()?
            .into_iter()
            .find(|info| info.recipient_id == mine.recipient_id)
            .ok_or_else(|| no_such_recipient(&mine.recipient_id))?;
        recipient.is_mine = self.shared.recipient().is_some_and(|own| own.recipient_id == mine.recipient_id);
        let detail = format!("{}: {} findings", mine.recipient_id, check.findings.len());
        self.shared.act(asked, |act| act.record(asked.detail(&detail)))?;
        Ok(DrillReport { recipient, check })
    }
}

impl RecipientInfo {
    fn from_row(row: &RecipientRow, mine: Option<&OpenedRecipient>, verified: bool) -> Result<Self> {
        let parameters = RecipientKind::from_name(&row.kind)
            .and_then(|kind| Parameters::from_json(&row.parameters, kind))
            .ok_or_else(|| EntityId::recipient(&row.recipient_id).damaged())?;
        Ok(Self {
            recipient_id: row.recipient_id.clone(),
            kind: row.kind.clone(),
            created_at: Timestamp::from_milliseconds(row.created_at),
            parameters: parameters
                .shown()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            description: parameters.description,
            is_mine: mine.is_some_and(|mine| mine.is(row)),
            verified,
        })
    }
}

/// A recipient that is made and not yet stored, and the others that were there when it was.
pub(super) struct RecipientDraft {
    pub(super) row: RecipientRow,
    pub(super) opened: OpenedRecipient,
    others: Vec<RecipientRow>,
}

impl RecipientDraft {
    /// Whether the recipients are still those among which the secret was looked for.
    pub(super) fn is_current(&self, now: &[RecipientRow]) -> bool {
        let names = |rows: &[RecipientRow]| -> Vec<_> {
            rows.iter().map(|row| (row.recipient_id.clone(), row.public_key.clone())).collect()
        };
        names(now) == names(&self.others)
    }
}

impl Shared {
    /// Reads a master key that is to become a recipient's.
    pub(super) fn read_credential(&self, master_key: &MasterKey) -> Result<Credential> {
        let ResolvedMasterKey { credential, warnings } = master_key.resolve()?;
        self.refuse_warnings(&warnings)?;
        Ok(credential)
    }

    /// Makes a recipient, outside of any transaction: a passphrase takes its time. AlreadyExists where its secret
    /// opens the store already.
    pub(super) fn draft_recipient(
        &self,
        credential: &Credential,
        options: &AddRecipient,
    ) -> Result<RecipientDraft> {
        let created_at = self.now();
        let identity = self.recipient().ok_or_else(Error::closed)?.identity;
        let others = self.read_verified(|tree, _| verified_recipients(tree))?;
        match open_recipient(&self.store_id, &others, credential) {
            Ok(same) => {
                return Err(Error::new(
                    ErrorKind::AlreadyExists,
                    format!("recipient {:?} has this very secret already", same.recipient_id),
                ));
            }
            Err(error) if error.kind() == ErrorKind::WrongMasterKey => {}
            Err(error) => return Err(error),
        }
        let free = (1..=others.len() + 1)
            .map(|number| format!("{}-{number}", credential.kind().name().replace('_', "-")))
            .find(|id| others.iter().all(|row| row.recipient_id != *id));
        let recipient_id =
            options.id.clone().or(free).ok_or_else(|| Error::internal("no free id for a recipient"))?;
        if others.iter().any(|row| row.recipient_id == recipient_id) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("there is a recipient {recipient_id:?} already; remove it first, or take another id"),
            ));
        }
        let new = NewRecipient {
            recipient_id: &recipient_id,
            description: options.description.as_deref(),
            created_at,
        };
        let (row, opened) = make_recipient(&self.store_id, &new, credential, &identity)?;
        Ok(RecipientDraft { row, opened, others })
    }

    /// Stores a recipient and wraps the present KEK for it; `None` where others changed the recipients meanwhile.
    fn insert_recipient(&self, act: &mut Act<'_>, draft: &RecipientDraft) -> Result<Option<RecipientInfo>> {
        let mut recipients = verified_recipients(&act.tree)?;
        if !draft.is_current(&recipients) {
            return Ok(None);
        }
        if recipients.len() >= limits::RECIPIENTS {
            return Err(Error::limit(format!(
                "the store has {} recipients, which is the most; remove one first",
                limits::RECIPIENTS
            )));
        }
        let mine = self.recipient().ok_or_else(Error::closed)?;
        let kek = unwrap_kek(act.rows(), act.tree.store(), &mine)?;
        let identity = Identity::from_seed(system_key(&act.tree, act.kek, IDENTITY)?.expose_32());
        act.rows().put_recipient(&draft.row)?;
        act.rows().insert_kek_wrap(&wrap_kek(&self.store_id, &draft.row, act.kek.version, &kek)?)?;
        recipients.push(draft.row.clone());
        let wraps = act.rows().kek_wraps()?;
        sign_wraps(act.tree.store_mut(), &recipients, &wraps, &identity);
        act.tree.authenticate(EntityId::recipient(&draft.row.recipient_id))?;
        act.record(Event::new("add_recipient").detail(&draft.row.recipient_id))?;
        RecipientInfo::from_row(&draft.row, Some(&mine), true).map(Some)
    }

    /// The verified row that a secret opens, all the way down to the KEK and the root.
    fn try_credential(&self, credential: &Credential) -> Result<RecipientRow> {
        let rows = self.read_verified(|tree, _| verified_recipients(tree))?;
        let opened = std::sync::Arc::new(open_recipient(&self.store_id, &rows, credential)?);
        self.read_verified(|tree, _| {
            unlock_with(tree.rows(), tree.store().clone(), opened.clone()).map(drop)
        })?;
        rows.into_iter()
            .find(|row| opened.is(row))
            .ok_or_else(|| Error::internal("a recipient opened that is not there"))
    }
}

/// Every recipient's row, verified in this transaction, in order of id.
pub(super) fn verified_recipients(tree: &Tree<'_>) -> Result<Vec<RecipientRow>> {
    let rows = tree.rows().recipients()?;
    if rows.len() > limits::RECIPIENTS {
        return Err(Error::integrity(format!("the store has more than {} recipients", limits::RECIPIENTS)));
    }
    for row in &rows {
        let entity = EntityId::recipient(&row.recipient_id);
        tree.verify_entity(entity)?.ok_or_else(|| entity.damaged())?;
    }
    Ok(rows)
}

pub(super) fn no_such_recipient(recipient_id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the store has no recipient {recipient_id:?}"))
}

pub(super) fn others_were_faster() -> Error {
    Error::new(ErrorKind::Busy, "others changed the store's recipients at the same time; try again")
}

fn check_recipient_id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    if id.is_empty() || !id.bytes().all(allowed) {
        return Err(Error::invalid("a recipient's id is letters, digits and . _ : / - and not empty"));
    }
    if id.len() > limits::RECIPIENT_ID_BYTES {
        return Err(Error::limit(format!(
            "a recipient's id is at most {} bytes",
            limits::RECIPIENT_ID_BYTES
        )));
    }
    Ok(())
}
