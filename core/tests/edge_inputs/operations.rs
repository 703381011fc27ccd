//! The operations of the table, as Rust calls them.

use keyfold::{
    Aad, Aads, AddRecipient, Context, CreateKey, FileOptions, ImportKey, ImportKeyset, IndexOptions,
    IndexScope, KeyEncoding, KeyFilter, KeysetFormat, KeysetProtection, MasterKey, OnError, OpenOptions,
    Passphrase, PurposeOptions, RestoreOptions, Result, RotateKey, Shares, Store, VersionState,
    parse_duration,
};
use serde_json::Value;

use crate::Place;
use crate::common::hostile;
use crate::values::Got;

impl Place<'_> {
    /// Takes one step.
    pub fn act(&mut self, step: &Value) -> Result<Got> {
        let op = step["op"].as_str().unwrap();
        match op {
            // What happens around the store.
            "sleep" => std::thread::sleep(std::time::Duration::from_millis(step["ms"].as_u64().unwrap())),
            "make_folder" => std::fs::create_dir(self.path(&step["path"])).unwrap(),
            "write_file" => {
                std::fs::write(self.path(&step["path"]), self.values.bytes(&step["content"])).unwrap();
            }
            "change_file" => {
                self.let_go();
                let path = self.path(&step["path"]);
                let content = Got::Bytes(std::fs::read(&path).unwrap());
                self.values.keep(&serde_json::json!({"as": "file"}), &content);
                let changed = serde_json::json!({"from": "file", "change": step["change"]});
                std::fs::write(&path, self.values.bytes(&changed)).unwrap();
            }
            "read_file" => return Ok(Got::Bytes(std::fs::read(self.path(&step["path"])).unwrap())),
            "tamper" => {
                self.let_go();
                hostile(&self.path(&step["path"])).execute_batch(step["sql"].as_str().unwrap()).unwrap();
            }
            "lock" => {
                let connection = hostile(&self.path(&Value::Null));
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                self.lock = Some(connection);
            }
            "open" => {
                self.let_go();
                let path = self.path(&step["path"]);
                let options = OpenOptions::from_json(&self.options(step))?;
                self.store = Some(Store::open_with(path, &self.master_key(&step["master_key"])?, &options)?);
            }
            // Its handle stays, and whatever is done with it is refused.
            "close" => self.store()?.close(),
            "restore" => {
                self.let_go();
                let options = RestoreOptions::from_json(&self.options(step))?;
                let (source, path) = (self.path(&step["source"]), self.path(&step["path"]));
                drop(keyfold::restore(source, path, &self.master_key(&step["master_key"])?, &options)?);
            }
            "split_shares" => {
                let number = |name: &str| u8::try_from(step[name].as_u64().unwrap()).unwrap();
                let shares = Shares::split(number("threshold"), number("count"))?.reveal();
                return Ok(Got::List(
                    shares.iter().map(|text| Got::Bytes(text.as_bytes().to_vec())).collect(),
                ));
            }
            "from_text" => return keyfold::from_text(&self.values.text(&step["text"])).map(Got::Bytes),
            "index_report" => {
                let values = self.values.list(&step["values"]);
                let values: Vec<_> = values.iter().map(Option::as_deref).collect();
                keyfold::index_report(&values, &IndexOptions::from_json(&self.options(step))?)?;
            }
            _ => return self.act_on_store(op, step),
        }
        Ok(Got::Nothing)
    }

    fn act_on_store(&mut self, op: &str, step: &Value) -> Result<Got> {
        let store = self.store()?;
        let values = &self.values;
        let text = |name: &str| values.text(&step[name]);
        let bytes = |name: &str| values.bytes(&step[name]);
        let number =
            |name: &str| step.get(name).map(|number| u32::try_from(number.as_u64().unwrap()).unwrap());
        let version = || number("version").unwrap();
        let size = |name: &str| usize::try_from(step[name].as_u64().unwrap()).unwrap();
        let options = self.options(step);
        let id = step.get("key_id").map_or("pii".to_owned(), |id| values.text(id));
        let id = id.as_str();
        let ids = |keys: Vec<keyfold::KeyInfo>| {
            Got::List(keys.into_iter().map(|key| Got::Bytes(key.key_id.into_bytes())).collect())
        };
        let all = |list: Vec<Vec<u8>>| Got::List(list.into_iter().map(Got::Bytes).collect());
        let context = self.context(step);
        let raw = step.get("aad").map_or(Vec::new(), |aad| values.bytes(aad));
        let aad = context.as_ref().map_or(Aad::Raw(&raw), Aad::Context);
        let file = |name: &str| self.path(&step[name]);
        match op {
            "create_key" => drop(store.create_key(id, &CreateKey::from_json(&options)?)?),
            "create_keys" => drop(store.create_keys(&new_keys(&step["keys"])?)?),
            "key_info" => drop(store.key_info(id)?),
            "key_usage" => drop(store.key_usage(id)?),
            "list_keys" => return Ok(ids(store.list_keys(&KeyFilter::from_json(&options)?)?)),
            "list_key_versions" => drop(store.list_key_versions(id)?),
            "rotate_key" => drop(store.rotate_key_with(id, &RotateKey::from_json(&options)?)?),
            "promote_version" => drop(store.promote_version(id, version())?),
            "set_version_state" => {
                let state = VersionState::from_name(&text("state")).expect("excused where it is unknown");
                let reason = step.get("reason").map(|reason| values.text(reason));
                drop(store.set_version_state(id, version(), state, reason.as_deref())?);
            }
            "archive_key" => drop(store.archive_key(id)?),
            "schedule_destruction" => {
                let delay = step.get("delay").map(|delay| parse_duration(&values.text(delay))).transpose()?;
                drop(store.schedule_destruction(id, version(), delay)?);
            }
            "cancel_destruction" => drop(store.cancel_destruction(id, version())?),
            "run_due" => drop(store.run_due()?),
            "register_purpose" => {
                drop(store.register_purpose(&text("purpose"), &PurposeOptions::from_json(&options)?)?);
            }
            "key_for" => return Ok(Got::Bytes(store.key_for(&text("purpose"))?.id().as_bytes().to_vec())),
            "index_salts" | "rotate_index_salt" | "retire_index_salt" | "get_index_salt" => {
                let purpose = step.get("purpose").map(|purpose| values.text(purpose));
                let scope = purpose.as_deref().map_or(IndexScope::Key(id), IndexScope::Purpose);
                match op {
                    "index_salts" => {
                        store.index_salts(scope)?;
                    }
                    "rotate_index_salt" => {
                        store.rotate_index_salt(scope)?;
                    }
                    "retire_index_salt" => store.retire_index_salt(scope, version())?,
                    _ => return Ok(Got::Bytes(store.get_index_salt(scope, number("version"))?.to_vec())),
                }
            }
            "derive_key" => {
                let derived = store.derive_key(id, &text("purpose"), size("length"), number("version"))?;
                return Ok(Got::Bytes(derived.to_vec()));
            }
            "import_key" => {
                let encoding = KeyEncoding::parse(&text("encoding"))?;
                drop(store.import_key(id, &bytes("material"), encoding, &ImportKey::from_json(&options)?)?);
            }
            "get_data_key" => return Ok(Got::Bytes(store.get_data_key(id, number("version"))?.to_vec())),
            "get_encryption_key" => {
                let encoding = KeyEncoding::parse(&text("encoding"))?;
                return Ok(Got::Bytes(match store.get_encryption_key(id, size("key_bytes"), encoding)? {
                    keyfold::ExportedKey::Bytes(bytes) => bytes.to_vec(),
                    keyfold::ExportedKey::Text(text) => text.as_bytes().to_vec(),
                    other => panic!("{other:?}"),
                }));
            }
            "export_keyset" | "import_keyset" => {
                let secret = step.get("secret").map_or(Vec::new(), |secret| values.bytes(secret));
                let protection = match text("protection").as_str() {
                    "insecure_cleartext" => KeysetProtection::InsecureCleartext,
                    "passphrase" => KeysetProtection::Passphrase(&secret),
                    _ => KeysetProtection::Key(std::str::from_utf8(&secret).unwrap()),
                };
                if op == "export_keyset" {
                    let format = step
                        .get("format")
                        .map_or(Ok(KeysetFormat::Json), |_| KeysetFormat::parse(&text("format")))?;
                    return Ok(Got::Bytes(store.export_keyset(id, format, protection)?.bytes.to_vec()));
                }
                drop(store.import_keyset(
                    id,
                    &bytes("keyset"),
                    protection,
                    &ImportKeyset::from_json(&options)?,
                )?);
            }
            "quarantine" => store.quarantine(&text("kind"), &text("id"), &text("reason"))?,
            "backup" => drop(store.backup(file("path"))?),
            "recipients" => {
                let all =
                    store.recipients()?.into_iter().map(|one| Got::Bytes(one.recipient_id.into_bytes()));
                return Ok(Got::List(all.collect()));
            }
            "add_recipient" => {
                let options = AddRecipient::from_json(&options)?;
                drop(store.add_recipient(&self.master_key(&step["master_key"])?, &options)?);
            }
            "remove_recipient" => drop(store.remove_recipient(&text("recipient_id"))?),
            "test_recipient" => drop(store.test_recipient(&self.master_key(&step["master_key"])?)?),
            "drill" => drop(store.drill(&self.master_key(&step["master_key"])?)?),
            "rotate_master_key" => {
                let new = step.get("master_key").map(|given| self.master_key(given)).transpose()?;
                drop(store.rotate_master_key(new.as_ref())?);
            }
            "anchor" => return Ok(Got::Bytes(store.anchor()?.to_string().into_bytes())),
            "check" => return Ok(Got::Flag(store.check()?.ok)),
            "inspect" => return Ok(Got::List(vec![Got::Nothing; store.inspect(bytes("ciphertext"))?.len()])),
            // Through the key; the store's own twins are the same call.
            _ => {
                let key = store.key(id)?;
                match op {
                    "encrypt" => return key.encrypt(&bytes("plaintext"), aad).map(Got::Bytes),
                    "decrypt" => return Ok(Got::Bytes(key.decrypt(bytes("ciphertext"), aad)?.to_vec())),
                    "decrypt_text" => {
                        let plaintext = key.decrypt_text(&text("ciphertext"), aad)?;
                        return Ok(Got::Bytes(plaintext.as_bytes().to_vec()));
                    }
                    "reencrypt" => return key.reencrypt(&bytes("ciphertext"), aad).map(Got::Bytes),
                    "needs_reencrypt" => return key.needs_reencrypt(bytes("ciphertext")).map(Got::Flag),
                    "search_ciphertexts" => return key.search_ciphertexts(&bytes("plaintext"), aad).map(all),
                    "mac" if step["raw"] == true => return key.mac_raw(&bytes("data")).map(Got::Bytes),
                    "mac" => return key.mac(&bytes("data")).map(Got::Bytes),
                    "verify_mac" if step["raw"] == true => {
                        key.verify_mac_raw(&bytes("data"), &bytes("mac"))?
                    }
                    "verify_mac" => key.verify_mac(&bytes("data"), bytes("mac"))?,
                    "encrypt_many" | "decrypt_many" => {
                        let list = values.list(&step["values"]);
                        let list: Vec<_> = list.iter().map(Option::as_deref).collect();
                        let each = step.get("aads").map(|aads| values.list(aads)).unwrap_or_default();
                        let each: Vec<_> =
                            each.iter().map(|aad| Aad::Raw(aad.as_deref().unwrap_or_default())).collect();
                        let aads =
                            if step.get("aads").is_some() { Aads::Each(&each) } else { Aads::One(aad) };
                        if op == "encrypt_many" {
                            return Ok(Got::List(
                                key.encrypt_many(&list, aads)?.iter().map(Got::from).collect(),
                            ));
                        }
                        let on_error =
                            if step["on_error"] == "return" { OnError::Return } else { OnError::Raise };
                        let opened = key.decrypt_many(&list, aads, on_error)?;
                        return Ok(Got::List(opened.iter().map(item).collect()));
                    }
                    "blind_index" | "blind_indexes" | "blind_index_many" | "blind_index_compound" => {
                        let options = IndexOptions::from_json(&options)?;
                        return Ok(match op {
                            "blind_index" => {
                                Got::Bytes(key.blind_index(&bytes("value"), &text("field"), &options)?)
                            }
                            "blind_indexes" => {
                                all(key.blind_indexes(&bytes("value"), &text("field"), &options)?)
                            }
                            "blind_index_many" => {
                                let list = values.list(&step["values"]);
                                let list: Vec<_> = list.iter().map(Option::as_deref).collect();
                                let indexes = key.blind_index_many(&list, &text("field"), &options)?;
                                Got::List(indexes.iter().map(Got::from).collect())
                            }
                            _ => {
                                let pairs = pairs(&step["fields"]);
                                let pairs: Vec<_> = pairs
                                    .iter()
                                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                                    .collect();
                                Got::Bytes(key.blind_index_compound(&pairs, &options)?)
                            }
                        });
                    }
                    "encrypt_stream" | "decrypt_stream" => {
                        let mut out = Vec::new();
                        if op == "encrypt_stream" {
                            key.encrypt_stream(&*bytes("plaintext"), &mut out, aad)?;
                        } else {
                            key.decrypt_stream(&*bytes("ciphertext"), &mut out, aad)?;
                        }
                        return Ok(Got::Bytes(out));
                    }
                    "encrypt_file" => drop(key.encrypt_file(
                        file("source"),
                        file("target"),
                        aad,
                        &FileOptions::from_json(&options)?,
                    )?),
                    "decrypt_file" => drop(key.decrypt_file(
                        file("source"),
                        file("target"),
                        aad,
                        &FileOptions::from_json(&options)?,
                    )?),
                    other => panic!("unknown operation {other}"),
                }
            }
        }
        Ok(Got::Nothing)
    }

    /// A step's options as JSON, with values from earlier steps filled in.
    fn options(&self, step: &Value) -> String {
        let mut options = step.get("options").cloned().unwrap_or_else(|| serde_json::json!({}));
        for option in options.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            if option.get("from").is_some() || option.get("repeat").is_some() {
                *option = Value::from(self.values.text(option));
            }
        }
        options.to_string()
    }

    fn master_key(&self, given: &Value) -> Result<MasterKey> {
        if given.is_null() {
            return MasterKey::parse(self.secret);
        }
        let list = |name: &str| given[name].as_array().unwrap().iter();
        if given.get("passphrase").is_some() {
            let passphrase = Passphrase::new(&self.values.text(&given["passphrase"]))?;
            let number = |name: &str| u32::try_from(given[name].as_u64().unwrap()).unwrap();
            return Ok(MasterKey::passphrase(if given.get("memory_kib").is_some() {
                passphrase.with_argon2id(number("memory_kib"), number("passes"), number("lanes"))?
            } else if given.get("pbkdf2_rounds").is_some() {
                passphrase.with_pbkdf2(number("pbkdf2_rounds"))?
            } else {
                passphrase
            }));
        }
        if given.get("recovery_key").is_some() {
            return MasterKey::recovery_key(&self.values.text(&given["recovery_key"]));
        }
        if given.get("shares").is_some() {
            return MasterKey::shares(
                &list("shares").map(|share| self.values.text(share)).collect::<Vec<_>>(),
            );
        }
        if given.get("any_of").is_some() {
            return MasterKey::any_of(
                list("any_of").map(|one| self.master_key(one)).collect::<Result<Vec<_>>>()?,
            );
        }
        if given.is_string() || given.get("from").is_some() {
            return MasterKey::parse(&self.values.text(given));
        }
        MasterKey::bytes(&self.values.bytes(given))
    }

    fn context(&self, step: &Value) -> Option<Context> {
        if let Some(count) = step["context_fields"].as_u64() {
            let fields = (0..count).map(|number| (format!("f{number}"), number));
            return Some(fields.fold(Context::new(), |context, (name, value)| context.with(name, value)));
        }
        let fields = step["context"].as_object()?;
        Some(fields.iter().fold(Context::new(), |context, (name, value)| match value.as_i64() {
            Some(number) => context.with(name, number),
            None => context.with(name, self.values.bytes(value)),
        }))
    }
}

/// Keys to be made, written out or as a count.
fn new_keys(keys: &Value) -> Result<Vec<(&str, CreateKey)>> {
    if let Some(count) = keys["numbered"].as_u64() {
        return Ok((0..count).map(|number| (&*format!("k{number}").leak(), CreateKey::new())).collect());
    }
    let key =
        |key: &'_ Value| CreateKey::from_json(&key.get("options").map_or("{}".to_owned(), Value::to_string));
    keys.as_array().unwrap().iter().map(|each| Ok((each["key_id"].as_str().unwrap(), key(each)?))).collect()
}

/// Names and values, written out or as a count.
fn pairs(fields: &Value) -> Vec<(String, String)> {
    if let Some(count) = fields["numbered"].as_u64() {
        return (0..count).map(|number| (format!("f{number}"), "x".to_owned())).collect();
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    fields.as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn item(item: std::result::Result<Option<&[u8]>, &keyfold::Error>) -> Got {
    item.map_or_else(|error| Got::Refused(error.kind().code().replace("KEYFOLD_", "")), Got::from)
}
