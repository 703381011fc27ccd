//! What is to be killed, and the acts that lead there.

use keyfold::{RecoveryKey, Shares, generate_master_key};

use crate::common::{Random, hex};
use crate::model::{Backup, GCM, Key, Model};

/// Every administrative operation, and what writes by itself: opening, closing, leases.
pub const KINDS: [&str; 39] = [
    "open",
    "create",
    "create-expiring",
    "batch",
    "rotate",
    "rotate-expiring",
    "stage",
    "promote",
    "disable",
    "enable",
    "decrypt-only",
    "revoke",
    "revoke-current",
    "archive",
    "schedule",
    "cancel",
    "run_due",
    "import",
    "import-version",
    "import-keyset",
    "add-recipient",
    "add-recovery-key",
    "add-shares",
    "add-passphrase",
    "remove-recipient",
    "rotate-master-key",
    "replace-master-key",
    "purpose",
    "rotate-index-root",
    "retire-index-root",
    "read-index-root",
    "export",
    "drill",
    "quarantine",
    "backup",
    "restore",
    "restore-new",
    "lease",
    "close",
];

/// Those that would change what belongs to other workers on the file.
pub const ALONE: [&str; 4] = ["replace-master-key", "quarantine", "restore", "run_due"];

/// Makes up acts for one worker, whose things all have names that begin with `space`.
pub struct Planner {
    pub space: String,
    pub random: Random,
    pub folder: std::path::PathBuf,
    pub keyset: String,
    pub names: u32,
    /// Others would destroy what is due.
    pub shared: bool,
}

impl Planner {
    fn fresh(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{}{what}{}", self.space, self.names)
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.random.below(of.len())].clone()) }
    }

    /// A key that fits, not archived and with room.
    pub fn active(&mut self, model: &Model, fits: impl Fn(&Key) -> bool) -> Option<String> {
        let usable = |key: &Key| !key.archived && key.versions.len() < 12 && fits(key);
        let keys: Vec<_> =
            model.keys.iter().filter(|(_, key)| usable(key)).map(|(id, _)| id.clone()).collect();
        self.pick(&keys)
    }

    fn create(
        &mut self,
        model: &Model,
        algorithm: Option<&str>,
        purpose: Option<&str>,
        expires: &str,
    ) -> String {
        let algorithms = [GCM, "AES256_GCM_SIV", "XAES256_GCM", "XCHACHA20_POLY1305"];
        let algorithm = algorithm.unwrap_or(algorithms[self.random.below(4)]).to_owned();
        let mut purposes = vec!["-".to_owned(), "pii".to_owned()];
        purposes.extend(model.purposes.keys().cloned());
        let purpose = purpose.map_or_else(|| self.random.below(purposes.len()), |_| 0);
        format!("create {} {algorithm} {} {expires}", self.fresh("k"), purposes[purpose])
    }

    /// A version of an active key that is not current and in one of these states.
    fn version(&mut self, model: &Model, states: &[&str]) -> Option<(String, usize)> {
        let mut found = Vec::new();
        for (key_id, key) in model.keys.iter().filter(|(_, key)| !key.archived && key.versions.len() < 12) {
            let fits = |place: &usize| {
                let version = &key.versions[*place];
                !version.current && states.contains(&version.state)
            };
            found.extend((0..key.versions.len()).filter(fits).map(|place| (key_id.clone(), place + 1)));
        }
        self.pick(&found)
    }

    fn secret(&mut self, kind: &str) -> String {
        match kind {
            "recovery" => format!("recovery:{}", *RecoveryKey::generate().unwrap().reveal()),
            "shares" => {
                let shares = Shares::split(2, 3).unwrap().reveal();
                format!("shares:{}+{}", *shares[0], *shares[2])
            }
            "passphrase" => format!("passphrase:{}-correct-horse", self.random.number()),
            _ => format!("key:{}", *generate_master_key().unwrap()),
        }
    }

    /// The next act on the way to one of this kind, and whether it is the one.
    pub fn next(&mut self, kind: &str, model: &Model, backups: &[Backup]) -> (String, bool) {
        let Some(any) = self.active(model, |_| true) else {
            return (self.create(model, None, None, "-"), kind == "create");
        };
        let plain = self.active(model, |key| key.purpose.is_none() && key.salts.len() < 9);
        match kind {
            "create" => (self.create(model, None, None, "-"), true),
            "create-expiring" => (self.create(model, None, None, "expires"), true),
            "rotate-expiring" => match self.active(model, |key| key.expires) {
                Some(key_id) => (format!("rotate {key_id}"), true),
                None => (self.create(model, None, None, "expires"), false),
            },
            "batch" => {
                let key_ids: Vec<_> = (0..8).map(|_| self.fresh("k")).collect();
                (format!("batch {}", key_ids.join(",")), true)
            }
            "rotate" => (format!("rotate {any}"), true),
            "stage" => (format!("stage {any}"), true),
            "promote" => match self.version(model, &["staged", "enabled"]) {
                Some((key_id, number)) => (format!("promote {key_id} {number}"), true),
                None => (format!("stage {any}"), false),
            },
            "disable" | "decrypt-only" | "revoke" => {
                let state = match kind {
                    "disable" => "disabled",
                    "revoke" => "revoked",
                    _ => "decrypt_only",
                };
                match self.version(model, &["enabled"]) {
                    Some((key_id, number)) => (format!("state {key_id} {number} {state}"), true),
                    None => (format!("rotate {any}"), false),
                }
            }
            "enable" => match self.version(model, &["disabled", "decrypt_only"]) {
                Some((key_id, number)) => (format!("state {key_id} {number} enabled"), true),
                None => (self.next("disable", model, backups).0, false),
            },
            "revoke-current" => {
                let current = model.keys[&any].versions.iter().position(|version| version.current).unwrap();
                (format!("state {any} {} revoked", current + 1), true)
            }
            "archive" => (format!("archive {any}"), true),
            "schedule" => {
                match self.version(model, &["enabled", "decrypt_only", "disabled", "revoked", "staged"]) {
                    Some((key_id, number)) => {
                        let days = if self.shared { 30 } else { self.random.below(2) * 30 };
                        (format!("schedule {key_id} {number} {days}"), true)
                    }
                    None => (format!("rotate {any}"), false),
                }
            }
            "cancel" => match self.version(model, &["pending_destruction"]) {
                Some((key_id, number)) => (format!("cancel {key_id} {number}"), true),
                None => (self.next("schedule", model, backups).0, false),
            },
            // Two keys at least, so that there is a between.
            "run_due" if model.due().len() > 1 => ("run_due".to_owned(), true),
            "run_due" => {
                let due = model.due();
                let other = self.active(model, |key| key.versions.iter().all(|version| !version.due));
                let Some(key_id) = other else { return (self.create(model, None, None, "-"), false) };
                let free = model.keys[&key_id].versions.iter().position(|version| {
                    !version.current && !["destroyed", "pending_destruction"].contains(&version.state)
                });
                assert!(!due.contains(&key_id));
                match free {
                    Some(place) => (format!("schedule {key_id} {} 0", place + 1), false),
                    None => (format!("rotate {key_id}"), false),
                }
            }
            "import" => (format!("import {} {}", self.fresh("k"), hex(&self.random.bytes(32))), true),
            "import-version" => (format!("import-version {any} {}", hex(&self.random.bytes(32))), true),
            "import-keyset" => (format!("keyset {} {}", self.fresh("k"), self.keyset), true),
            "add-recipient" | "add-recovery-key" | "add-shares" | "add-passphrase" => {
                // A store has 16 at most, and others add theirs.
                if model.recipients.len() > 3 {
                    return (self.next("remove-recipient", model, backups).0, false);
                }
                let secret = self.secret(match kind {
                    "add-recovery-key" => "recovery",
                    "add-shares" => "shares",
                    "add-passphrase" => "passphrase",
                    _ => "key",
                });
                (format!("recipient {} {secret}", self.fresh("r")), true)
            }
            "remove-recipient" => match self.pick(&model.recipients.keys().cloned().collect::<Vec<_>>()) {
                Some(id) => (format!("recipient-remove {id}"), true),
                None => {
                    let kind = ["recovery", "shares", "key"][self.random.below(3)];
                    let secret = self.secret(kind);
                    (format!("recipient {} {secret}", self.fresh("r")), false)
                }
            },
            "rotate-master-key" => ("rekey".to_owned(), true),
            "replace-master-key" => (format!("rekey-new {}", self.secret("key")), true),
            "purpose" => {
                let known: Vec<_> = model.purposes.keys().cloned().collect();
                let again = self.random.below(2) == 0;
                let name = self.pick(&known).filter(|_| again).unwrap_or_else(|| self.fresh("p"));
                (format!("purpose {name} note{}", self.random.below(1000)), true)
            }
            "rotate-index-root" | "read-index-root" | "retire-index-root" => {
                let mut scopes: Vec<_> = model
                    .purposes
                    .iter()
                    .filter(|(_, purpose)| purpose.salts.len() < 9)
                    .map(|(name, purpose)| (format!("purpose {name}"), purpose.salts.clone()))
                    .collect();
                scopes
                    .extend(plain.map(|key_id| (format!("key {key_id}"), model.keys[&key_id].salts.clone())));
                let Some((scope, salts)) = self.pick(&scopes) else {
                    return (self.create(model, None, Some("-"), "-"), false);
                };
                match kind {
                    "rotate-index-root" => (format!("salt {scope}"), true),
                    "read-index-root" => (format!("salt-read {scope}"), true),
                    _ if salts.len() > 1 => (format!("salt-retire {scope} {}", salts[0]), true),
                    _ => (format!("salt {scope}"), false),
                }
            }
            "export" => {
                // Those that were made by `create`.
                let exportable: Vec<_> = model
                    .keys
                    .iter()
                    .filter(|(_, key)| key.exportable && key.current().is_some())
                    .map(|(id, _)| id.clone())
                    .collect();
                match self.pick(&exportable) {
                    Some(key_id) => (format!("export {key_id}"), true),
                    None => (self.create(model, None, None, "-"), false),
                }
            }
            "drill" => ("drill".to_owned(), true),
            "quarantine" => (format!("quarantine {any}"), true),
            "backup" => {
                let path = format!("{}.bak", self.fresh("b"));
                let path = self.folder.join(path);
                (format!("backup {}", path.display()), true)
            }
            "restore" | "restore-new" => match self.pick(backups) {
                Some(backup) if kind == "restore" => (format!("restore {}", backup.path), true),
                Some(backup) => {
                    let target = format!("{}.restored", self.fresh("n"));
                    let target = self.folder.join(target);
                    (format!("restore-new {} {}", backup.path, target.display()), true)
                }
                None => (self.next("backup", model, backups).0, false),
            },
            "lease" => match self.active(model, |key| key.algorithm == GCM) {
                Some(key_id) => (format!("seal {key_id} {}", 1 + self.random.below(1200)), true),
                None => (self.create(model, Some(GCM), None, "-"), false),
            },
            "close" => ("reopen".to_owned(), true),
            _ => panic!("{kind}"),
        }
    }
}
