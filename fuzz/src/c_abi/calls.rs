//! A caller who holds to the header, and to nothing else.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_void};
use std::ptr::{self, null_mut};

use super::header::*;
use super::values::{Lent, Text};
use crate::home::{SECRET, folder};
use crate::input::Input;

const KEYS: &[&str] = &["aead", "gcm", "siv", "stream", "mac", "derive", "none", ""];
const OPTIONS: &[&str] = &[
    "{}",
    r#"{"kind":"mac"}"#,
    r#"{"algorithm":"XAES256_GCM","exportable":true}"#,
    r#"{"stage":true}"#,
    r#"{"exist_ok":true}"#,
    r#"{"bits":8,"normalize":["casefold","trim"]}"#,
    r#"{"kind":"prefix","length":3}"#,
    r#"{"update":true}"#,
    r#"{"unknown":1}"#,
    "[]",
];
const STATES: &[&str] = &["enabled", "decrypt_only", "disabled", "revoked", "staged", "destroyed"];
/// How much is kept of what a call gave, to be given to other calls.
const GIVEN: usize = 1 << 20;
const INTERNAL: Status = 20;
const KINDS: Status = 20;

/// What a caller has in hand.
pub(super) struct Caller {
    store: Handle,
    keys: [Handle; 3],
    contexts: [Handle; 2],
    encryptor: Handle,
    decryptor: Handle,
    /// The last bytes that a call gave.
    given: Vec<u8>,
}

impl Caller {
    pub(super) fn new() -> Self {
        Self {
            store: shop(),
            keys: [null_mut(); 3],
            contexts: [null_mut(); 2],
            encryptor: null_mut(),
            decryptor: null_mut(),
            given: Vec::new(),
        }
    }

    pub(super) fn call(&mut self, input: &mut Input) {
        // What is made a text again and again would grow by a third each time.
        self.given.truncate(GIVEN);
        match input.byte() % 32 {
            0 | 1 => self.open_key(input),
            2 => self.context(input),
            3..=6 => self.key_aad(input),
            7 | 8 => self.key_context(input),
            9 => self.key_bytes(input),
            10 => self.verify(input),
            11..=13 => self.into(input),
            14 => self.lengths(input),
            15..=17 => self.many(input),
            18 => self.search(input),
            19 | 20 => self.index(input),
            21..=23 => self.streams(input),
            24 => self.texts(input),
            25 => self.store_texts(input),
            26 => self.store_versions(input),
            27 => self.store_out(input),
            28 => self.store_moves(input),
            29 => self.master_keys(input),
            30 => self.unnamed(input),
            _ => self.free(input),
        }
    }

    fn key(&self, input: &mut Input) -> Handle {
        self.keys[input.below(3)]
    }

    /// The store, and now and then NULL.
    fn store(&self, input: &mut Input) -> Handle {
        if input.byte() == 1 { null_mut() } else { self.store }
    }

    /// What the last call gave, or bytes of the input's.
    fn bytes(&self, input: &mut Input) -> Lent {
        if input.byte() & 1 == 0 { Lent::new(&self.given) } else { Lent::from_input(input) }
    }

    fn open_key(&mut self, input: &mut Input) {
        let slot = input.below(3);
        let store = self.store(input);
        let for_purpose = input.byte() == 1;
        let words = if for_purpose { &["pii", "tokens", "none"] } else { KEYS };
        let name = Text::from_input(input, words);
        let mut out = null_mut();
        let open = if for_purpose { keyfold_store_key_for } else { keyfold_store_key };
        // SAFETY: a store of ours or NULL, a text, and two places to write to.
        if done(|error| unsafe { open(store, name.pointer(), &mut out, error) }) {
            assert!(!out.is_null());
            // SAFETY: a key of ours or NULL, which nobody else holds.
            unsafe { keyfold_key_free(std::mem::replace(&mut self.keys[slot], out)) };
            // SAFETY: a key of ours; what it shows is a text.
            assert!(!unsafe { CStr::from_ptr(keyfold_key_id(out)) }.is_empty());
        } else {
            assert!(out.is_null(), "an output was written by a call that failed");
        }
    }

    fn context(&mut self, input: &mut Input) {
        let slot = input.below(2);
        if self.contexts[slot].is_null() {
            // SAFETY: always.
            self.contexts[slot] = unsafe { keyfold_context_new() };
        }
        let context = if input.byte() == 1 { null_mut() } else { self.contexts[slot] };
        let name = Text::from_input(input, &["table", "column", "id", ""]);
        match input.byte() % 4 {
            0 => {
                let value = Text::from_input(input, &["users", "", "42"]);
                // SAFETY: a context of ours or NULL, and texts.
                done(|error| unsafe {
                    keyfold_context_add_text(context, name.pointer(), value.pointer(), error)
                });
            }
            1 => {
                let value = Lent::from_input(input);
                // SAFETY: as before, and bytes of that length, or what must be refused.
                done(|error| unsafe {
                    keyfold_context_add_bytes(context, name.pointer(), value.pointer(), value.length(), error)
                });
            }
            2 => {
                let value = i64::from(input.short()) - 1;
                // SAFETY: as before.
                done(|error| unsafe { keyfold_context_add_integer(context, name.pointer(), value, error) });
            }
            // SAFETY: a context of ours or NULL.
            _ => self.take(|out, error| unsafe { keyfold_context_to_aad(context, out, error) }),
        }
    }

    fn key_aad(&mut self, input: &mut Input) {
        const CALLS: [KeyAad; 6] = [
            keyfold_key_encrypt,
            keyfold_key_decrypt,
            keyfold_key_reencrypt,
            keyfold_key_encrypt_text,
            keyfold_key_decrypt_text,
            keyfold_key_reencrypt_text,
        ];
        let which = input.below(CALLS.len());
        let (key, value, aad) = (self.key(input), self.bytes(input), Lent::from_input(input));
        let call = CALLS[which];
        let before = self.given.len();
        // SAFETY: a key of ours or NULL, and bytes of these lengths, or what must be refused.
        self.take(|out, error| unsafe {
            call(key, value.pointer(), value.length(), aad.pointer(), aad.length(), out, error)
        });
        let Some((plaintext, aad)) = value.honest().zip(aad.honest()) else { return };
        if which != 0 || self.given.is_empty() || self.given.len() == before {
            return;
        }
        // What was encrypted opens again, to the same.
        let sealed = self.given.clone();
        let (mut buf, mut error) = (Buf::EMPTY, null_mut());
        let (sealed_at, aad_at) = (sealed.as_ptr().cast(), aad.as_ptr().cast());
        // SAFETY: a key that has just encrypted, and bytes of these lengths.
        let status = unsafe {
            keyfold_key_decrypt(key, sealed_at, sealed.len(), aad_at, aad.len(), &mut buf, &mut error)
        };
        if settle(status, error) {
            assert_eq!(taken(&mut buf), plaintext, "what was encrypted opens to something else");
        }
    }

    fn key_context(&mut self, input: &mut Input) {
        const CALLS: [KeyContext; 5] = [
            keyfold_key_encrypt_with_context,
            keyfold_key_decrypt_with_context,
            keyfold_key_encrypt_text_with_context,
            keyfold_key_decrypt_text_with_context,
            keyfold_key_reencrypt_with_context,
        ];
        let call = CALLS[input.below(CALLS.len())];
        let (key, value) = (self.key(input), self.bytes(input));
        let context = self.contexts[input.below(2)];
        // SAFETY: a key and a context of ours or NULL, and bytes of that length, or what must be refused.
        self.take(|out, error| unsafe { call(key, value.pointer(), value.length(), context, out, error) });
    }

    fn key_bytes(&mut self, input: &mut Input) {
        const CALLS: [KeyBytes; 2] = [keyfold_key_mac, keyfold_key_mac_raw];
        let call = CALLS[input.below(2)];
        let (key, value) = (self.key(input), self.bytes(input));
        // SAFETY: as before.
        self.take(|out, error| unsafe { call(key, value.pointer(), value.length(), out, error) });
    }

    fn verify(&mut self, input: &mut Input) {
        const CALLS: [KeyVerify; 2] = [keyfold_key_verify_mac, keyfold_key_verify_mac_raw];
        let call = CALLS[input.below(2)];
        let (key, data, mac) = (self.key(input), Lent::from_input(input), self.bytes(input));
        // SAFETY: as before.
        done(|error| unsafe { call(key, data.pointer(), data.length(), mac.pointer(), mac.length(), error) });
    }

    /// Into memory of ours, of the size that is said, which may be too small.
    fn into(&mut self, input: &mut Input) {
        const CALLS: [KeyInto; 2] = [keyfold_key_encrypt_into, keyfold_key_decrypt_into];
        let call = CALLS[input.below(2)];
        let (key, value, aad) = (self.key(input), self.bytes(input), Lent::from_input(input));
        let mut room = vec![0xa5u8; usize::from(input.byte()) + usize::from(input.byte())].into_boxed_slice();
        let (place, capacity): (*mut c_void, usize) = match input.byte() {
            0 => (null_mut(), room.len()),
            1 => (room.as_mut_ptr().cast(), usize::MAX - 7),
            _ => (room.as_mut_ptr().cast(), room.len()),
        };
        // More than any object has is refused before anything is written.
        let lied = capacity != room.len();
        let mut length = usize::MAX;
        // SAFETY: as before, and room of that capacity, or what must be refused.
        let ok = done(|error| unsafe {
            let (value_at, aad_at) = (value.pointer(), aad.pointer());
            call(key, value_at, value.length(), aad_at, aad.length(), place, capacity, &mut length, error)
        });
        assert_eq!(
            ok,
            length != usize::MAX,
            "the length was written by a call that failed, or not by one that did not"
        );
        if ok {
            assert!(!lied && length <= room.len());
            assert!(room[length..].iter().all(|byte| *byte == 0xa5), "it wrote past the result");
            self.given = room[..length].to_vec();
        }
    }

    fn lengths(&mut self, input: &mut Input) {
        let (key, value) = (self.key(input), self.bytes(input));
        let mut length = 7;
        let plaintext = value.length();
        // SAFETY: as before.
        done(|error| unsafe { keyfold_key_ciphertext_length(key, plaintext, &mut length, error) });
        // SAFETY: as before.
        done(|error| unsafe {
            keyfold_key_plaintext_length(key, value.pointer(), value.length(), &mut length, error)
        });
        let mut stale = false;
        // SAFETY: as before.
        done(|error| unsafe {
            keyfold_key_needs_reencrypt(key, value.pointer(), value.length(), &mut stale, error)
        });
    }

    fn many(&mut self, input: &mut Input) {
        let key = self.key(input);
        let values: Vec<Lent> = (0..input.below(6)).map(|_| self.bytes(input)).collect();
        let aads: Vec<Lent> = (0..input.below(4)).map(|_| Lent::from_input(input)).collect();
        let data: Vec<Data> = values.iter().map(Lent::data).collect();
        let bound: Vec<Data> = aads.iter().map(Lent::data).collect();
        // A count that no array has is refused before anything is read.
        let count = if input.byte() == 1 { usize::MAX } else { data.len() };
        let mut offsets = vec![usize::MAX; data.len() + 1].into_boxed_slice();
        let mut statuses = vec![-1; data.len()].into_boxed_slice();
        let how = input.byte();
        let encrypts: EncryptMany =
            if how & 2 == 0 { keyfold_key_encrypt_many } else { keyfold_key_encrypt_many_text };
        let decrypts: DecryptMany =
            if how & 2 == 0 { keyfold_key_decrypt_many } else { keyfold_key_decrypt_many_text };
        let wants = if how & 4 == 0 { statuses.as_mut_ptr() } else { null_mut() };
        let (data_at, bound_at) = (data.as_ptr(), bound.as_ptr());
        // SAFETY: as before, arrays of these counts or what must be refused, and room for one offset more than there
        // are values and for a status of each.
        self.take(|out, error| unsafe {
            if how & 1 == 0 {
                encrypts(key, data_at, count, bound_at, bound.len(), out, offsets.as_mut_ptr(), error)
            } else {
                decrypts(key, data_at, count, bound_at, bound.len(), out, offsets.as_mut_ptr(), wants, error)
            }
        });
        let written = offsets.iter().all(|offset| *offset != usize::MAX);
        assert!(!written || offsets.is_sorted() && offsets.last() == Some(&self.given.len()), "{offsets:?}");
        assert!(statuses.iter().all(|status| (-1..KINDS).contains(status)), "{statuses:?}");
    }

    fn search(&mut self, input: &mut Input) {
        let (key, value, aad) = (self.key(input), self.bytes(input), Lent::from_input(input));
        let mut list = null_mut();
        // SAFETY: as before.
        done(|error| unsafe {
            let (value_at, aad_at) = (value.pointer(), aad.pointer());
            keyfold_key_search_ciphertexts(
                key,
                value_at,
                value.length(),
                aad_at,
                aad.length(),
                &mut list,
                error,
            )
        });
        // SAFETY: a list of ours or NULL; what it shows lives until it is freed.
        unsafe {
            for index in 0..keyfold_list_count(list) + 1 {
                let (data, length) = (keyfold_list_data(list, index), keyfold_list_length(list, index));
                assert_eq!(data.is_null(), index == keyfold_list_count(list));
                if !data.is_null() {
                    self.given = std::slice::from_raw_parts(data, length).to_vec();
                }
            }
            keyfold_list_free(list);
        }
    }

    fn index(&mut self, input: &mut Input) {
        let key = self.key(input);
        let field = Text::from_input(input, &["users.email", "name", ""]);
        let options = Text::from_input(input, OPTIONS);
        let values: Vec<Lent> = (0..input.below(5)).map(|_| Lent::from_input(input)).collect();
        let data: Vec<Data> = values.iter().map(Lent::data).collect();
        let (start, count) = (data.as_ptr(), data.len());
        match input.byte() % 3 {
            0 => {
                let value = self.bytes(input);
                // SAFETY: as before.
                self.take(|out, error| unsafe {
                    let (field, options) = (field.pointer(), options.pointer());
                    keyfold_key_blind_index(key, value.pointer(), value.length(), field, options, out, error)
                });
            }
            1 => {
                let mut width = 0;
                // SAFETY: as before.
                self.take(|out, error| unsafe {
                    let (field, options) = (field.pointer(), options.pointer());
                    keyfold_key_blind_index_many(key, start, count, field, options, out, &mut width, error)
                });
            }
            // SAFETY: as before.
            _ => self.take(|out, error| unsafe {
                keyfold_index_report(start, count, options.pointer(), out, error)
            }),
        }
    }

    fn streams(&mut self, input: &mut Input) {
        let seals = input.byte() & 1 == 0;
        let handle = if seals { self.encryptor } else { self.decryptor };
        match input.byte() % 4 {
            0 | 1 if handle.is_null() => {
                let (key, aad) = (self.key(input), Lent::from_input(input));
                let new: StreamNew =
                    if seals { keyfold_stream_encryptor_new } else { keyfold_stream_decryptor_new };
                let mut out = null_mut();
                // SAFETY: as before.
                if done(|error| unsafe { new(key, aad.pointer(), aad.length(), &mut out, error) }) {
                    *(if seals { &mut self.encryptor } else { &mut self.decryptor }) = out;
                }
            }
            0..=2 => {
                let part = self.bytes(input);
                let update: KeyBytes =
                    if seals { keyfold_stream_encryptor_update } else { keyfold_stream_decryptor_update };
                // SAFETY: a stream of ours or NULL, and bytes of that length, or what must be refused.
                self.take(|out, error| unsafe { update(handle, part.pointer(), part.length(), out, error) });
            }
            _ => {
                let finish: StoreOut =
                    if seals { keyfold_stream_encryptor_finish } else { keyfold_stream_decryptor_finish };
                // SAFETY: a stream of ours or NULL.
                self.take(|out, error| unsafe { finish(handle, out, error) });
                let decryptor = self.decryptor;
                let mut stale = false;
                // SAFETY: a decryptor of ours or NULL.
                done(|error| unsafe {
                    keyfold_stream_decryptor_needs_reencrypt(decryptor, &mut stale, error)
                });
                // SAFETY: as before.
                unsafe { keyfold_stream_decryptor_version(decryptor) };
            }
        }
    }

    fn texts(&mut self, input: &mut Input) {
        let value = self.bytes(input);
        match input.byte() % 3 {
            // SAFETY: bytes of that length, or what must be refused.
            0 => self
                .take(|out, error| unsafe { keyfold_to_text(value.pointer(), value.length(), out, error) }),
            // SAFETY: as before.
            1 => self
                .take(|out, error| unsafe { keyfold_from_text(value.pointer(), value.length(), out, error) }),
            // SAFETY: as before.
            _ => _ = unsafe { keyfold_is_ciphertext(value.pointer(), value.length()) },
        }
    }

    fn store_texts(&mut self, input: &mut Input) {
        const ONE: [StoreText; 5] = [
            keyfold_store_rotate_key,
            keyfold_store_key_info,
            keyfold_store_list_keys,
            keyfold_store_list_key_versions,
            keyfold_store_key_usage,
        ];
        const TWO: [StoreTexts; 5] = [
            keyfold_store_create_key,
            keyfold_store_rotate_key_with,
            keyfold_store_register_purpose,
            keyfold_store_index_salts,
            keyfold_store_rotate_index_salt,
        ];
        let store = self.store(input);
        let which = input.below(ONE.len() + TWO.len());
        let name = Text::from_input(input, if which == 2 { OPTIONS } else { KEYS });
        match ONE.get(which) {
            // SAFETY: a store of ours or NULL, and a text or NULL.
            Some(call) => self.take(|out, error| unsafe { call(store, name.pointer(), out, error) }),
            None => {
                let call = TWO[which - ONE.len()];
                let second = Text::from_input(input, if which >= 8 { KEYS } else { OPTIONS });
                // SAFETY: as before.
                self.take(|out, error| unsafe { call(store, name.pointer(), second.pointer(), out, error) });
            }
        }
    }

    fn store_versions(&mut self, input: &mut Input) {
        const CALLS: [StoreVersion; 3] =
            [keyfold_store_promote_version, keyfold_store_cancel_destruction, keyfold_store_get_data_key];
        let call = CALLS[input.below(CALLS.len())];
        let store = self.store(input);
        let (name, version) = (Text::from_input(input, KEYS), version(input));
        // SAFETY: a store of ours or NULL, and a text or NULL.
        self.take(|out, error| unsafe { call(store, name.pointer(), version, out, error) });
    }

    fn store_out(&mut self, input: &mut Input) {
        const CALLS: [StoreOut; 6] = [
            keyfold_store_recipients,
            keyfold_store_purposes,
            keyfold_store_anchor,
            keyfold_store_quarantined,
            keyfold_store_run_due,
            keyfold_key_info,
        ];
        let which = input.below(CALLS.len() + 1);
        let store = self.store(input);
        let Some(call) = CALLS.get(which) else {
            let mut ok = false;
            // SAFETY: a store of ours or NULL.
            self.take(|out, error| unsafe { keyfold_store_check(store, &mut ok, out, error) });
            assert!(ok || store.is_null(), "the store does not verify");
            // SAFETY: as before; the index may be any.
            unsafe {
                keyfold_store_is_verified(store);
                keyfold_store_fingerprint(store);
                for index in 0..keyfold_store_warning_count(store) + 1 {
                    keyfold_store_warning(store, index);
                }
            }
            return;
        };
        let handle = if which == 5 { self.key(input) } else { store };
        // SAFETY: a store or, for the last, a key of ours or NULL.
        self.take(|out, error| unsafe { call(handle, out, error) });
    }

    fn store_moves(&mut self, input: &mut Input) {
        let store = self.store(input);
        let name = Text::from_input(input, KEYS);
        let number = version(input);
        match input.byte() % 5 {
            0 => {
                let (state, reason) =
                    (Text::from_input(input, STATES), Text::from_input(input, &["", "lost"]));
                // SAFETY: a store of ours or NULL, and texts or NULL.
                self.take(|out, error| unsafe {
                    let (name, state, reason) = (name.pointer(), state.pointer(), reason.pointer());
                    keyfold_store_set_version_state(store, name, number, state, reason, out, error)
                });
            }
            1 => {
                let delay = Text::from_input(input, &["30d", "7d", "5", "", "-1s"]);
                // SAFETY: as before.
                self.take(|out, error| unsafe {
                    keyfold_store_schedule_destruction(
                        store,
                        name.pointer(),
                        number,
                        delay.pointer(),
                        out,
                        error,
                    )
                });
            }
            2 => {
                let purpose = Text::from_input(input, &["sessions", ""]);
                let length = if input.byte() == 1 { usize::MAX } else { input.short().into() };
                // SAFETY: as before.
                self.take(|out, error| unsafe {
                    let (name, purpose) = (name.pointer(), purpose.pointer());
                    keyfold_store_derive_key(store, name, purpose, length, number, out, error)
                });
            }
            3 => {
                let material = Lent::from_input(input);
                let encoding = Text::from_input(input, &["raw", "hex", "base64", "pem"]);
                let options = Text::from_input(input, OPTIONS);
                // SAFETY: as before, and bytes of that length, or what must be refused.
                self.take(|out, error| unsafe {
                    let (material, length) = (material.pointer(), material.length());
                    let (name, encoding, options) = (name.pointer(), encoding.pointer(), options.pointer());
                    keyfold_store_import_key(store, name, material, length, encoding, options, out, error)
                });
            }
            _ => {
                let kind = Text::from_input(input, &["key", "purpose", "recipient"]);
                let reason = Text::from_input(input, &["", "damaged"]);
                // SAFETY: as before. Nothing is damaged, so it never succeeds.
                let aside = done(|error| unsafe {
                    keyfold_store_quarantine(store, kind.pointer(), name.pointer(), reason.pointer(), error)
                });
                assert!(!aside, "what verifies was set aside");
                let bytes = self.bytes(input);
                // SAFETY: as before.
                self.take(|out, error| unsafe {
                    keyfold_store_inspect(store, bytes.pointer(), bytes.length(), out, error)
                });
            }
        }
    }

    fn master_keys(&mut self, input: &mut Input) {
        let text =
            Text::from_input(input, &["env:NONE", "fd:99", "", "kfr1-", "kfs1-", "passphrase:env:NONE"]);
        let bytes = Lent::from_input(input);
        let options = Text::from_input(input, OPTIONS);
        let mut out = null_mut();
        let which = input.byte() % 5;
        let shares = [text.pointer(), ptr::null()];
        let count = input.below(3);
        // SAFETY: texts or NULL, bytes of that length or what must be refused, and an array of that count.
        done(|error| unsafe {
            match which {
                0 => keyfold_master_key_new_text(text.pointer(), &mut out, error),
                1 => keyfold_master_key_new_bytes(bytes.pointer(), bytes.length(), &mut out, error),
                2 => keyfold_master_key_new_passphrase(text.pointer(), options.pointer(), &mut out, error),
                3 => keyfold_master_key_new_recovery_key(text.pointer(), &mut out, error),
                _ => keyfold_master_key_new_shares(shares.as_ptr(), count, &mut out, error),
            }
        });
        if which == 1 && bytes.honest().is_some_and(|bytes| bytes != SECRET) && !out.is_null() {
            let path = Text::new(&path());
            let mut store = null_mut();
            // SAFETY: a master key of ours, and texts.
            let opened = done(|error| unsafe {
                keyfold_store_open(path.pointer(), out, ptr::null(), &mut store, error)
            });
            assert!(!opened, "another master key opened the store");
        }
        // SAFETY: a master key of ours or NULL.
        unsafe { keyfold_master_key_free(out) };
    }

    /// What takes NULL and numbers of nobody's.
    fn unnamed(&mut self, input: &mut Input) {
        let number = i32::from(input.byte()) - 2;
        let mut own = self.given.clone();
        // SAFETY: any number has a name; NULL is fine, and so are bytes of ours.
        unsafe {
            let known = (0..=KINDS).contains(&number);
            assert_eq!(keyfold_status_name(number).is_null(), !known);
            keyfold_error_free(null_mut());
            keyfold_buf_free(null_mut());
            keyfold_list_free(null_mut());
            keyfold_wipe(own.as_mut_ptr().cast(), own.len());
            keyfold_error_code(null_mut());
            keyfold_error_message(null_mut());
        }
        assert!(own.iter().all(|byte| *byte == 0), "not wiped");
    }

    fn free(&mut self, input: &mut Input) {
        let slot = input.below(3);
        // SAFETY: each is ours or NULL, and forgotten with this.
        unsafe {
            match input.byte() % 4 {
                0 => keyfold_key_free(std::mem::replace(&mut self.keys[slot], null_mut())),
                1 => keyfold_context_free(std::mem::replace(&mut self.contexts[slot % 2], null_mut())),
                2 => keyfold_stream_encryptor_free(std::mem::replace(&mut self.encryptor, null_mut())),
                _ => keyfold_stream_decryptor_free(std::mem::replace(&mut self.decryptor, null_mut())),
            }
        }
    }

    /// Keeps what a call gives in a buffer.
    fn take(&mut self, call: impl FnOnce(*mut Buf, &mut Handle) -> Status) {
        let mut buf = Buf::EMPTY;
        if done(|error| call(&mut buf, error)) {
            self.given = taken(&mut buf);
        } else {
            assert!(buf.data.is_null() && buf.len == 0, "a buffer was written by a call that failed");
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // SAFETY: each is ours or NULL, and nobody's after this.
        unsafe {
            self.keys.iter().for_each(|key| keyfold_key_free(*key));
            self.contexts.iter().for_each(|context| keyfold_context_free(*context));
            keyfold_stream_encryptor_free(self.encryptor);
            keyfold_stream_decryptor_free(self.decryptor);
        }
    }
}

fn version(input: &mut Input) -> u32 {
    match input.byte() {
        255 => u32::MAX,
        number => u32::from(number % 5),
    }
}

/// Whether the call succeeded, as its status and its error say.
fn done(call: impl FnOnce(&mut Handle) -> Status) -> bool {
    let mut error = null_mut();
    let status = call(&mut error);
    settle(status, error)
}

fn settle(status: Status, error: Handle) -> bool {
    assert_eq!(status == 0, error.is_null(), "status {status} and its error disagree");
    if status == 0 {
        return true;
    }
    assert!((1..KINDS + 1).contains(&status), "status {status}");
    // SAFETY: an error of ours; what it shows are texts or NULL, valid until it is freed.
    unsafe {
        let message = CStr::from_ptr(keyfold_error_message(error)).to_string_lossy().into_owned();
        assert!(!message.is_empty() && keyfold_error_code(error) == status);
        assert_ne!(status, INTERNAL, "{message}");
        let name = CStr::from_ptr(keyfold_error_name(error));
        assert_eq!(name, CStr::from_ptr(keyfold_status_name(status)));
        let key_id = keyfold_error_key_id(error);
        assert!(key_id.is_null() || CStr::from_ptr(key_id).to_bytes().len() <= 255);
        keyfold_error_cause(error);
        keyfold_error_version(error);
        keyfold_error_index(error);
        assert!(keyfold_error_retryable(error) || keyfold_error_retry_after_ms(error) == 0);
        keyfold_error_free(error);
    }
    false
}

/// A buffer's bytes; it is freed twice, which is fine.
fn taken(buf: &mut Buf) -> Vec<u8> {
    assert!(!buf.data.is_null() && buf.cap > buf.len);
    // SAFETY: a buffer that a call of ours has just filled, with a zero byte behind its last one.
    unsafe {
        let all = std::slice::from_raw_parts(buf.data, buf.len + 1);
        assert_eq!(all[buf.len], 0, "no zero byte behind the last");
        let bytes = all[..buf.len].to_vec();
        keyfold_buf_free(buf);
        keyfold_buf_free(buf);
        bytes
    }
}

fn path() -> String {
    format!("{}/c-abi-{:?}", folder().display(), std::thread::current().id())
}

/// A store with a key of each kind; a new one now and then, since what calls make stays.
fn shop() -> Handle {
    const INPUTS: u64 = 1_000;
    thread_local! {
        static STORE: RefCell<Handle> = const { RefCell::new(null_mut()) };
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }
    let count = COUNT.replace(COUNT.get() + 1);
    STORE.with_borrow_mut(|store| {
        if store.is_null() || count.is_multiple_of(INPUTS) {
            // SAFETY: a store of ours or NULL; no key of it is left.
            unsafe {
                keyfold_store_close(*store);
                keyfold_store_free(*store);
            }
            *store = new_store();
        }
        *store
    })
}

fn new_store() -> Handle {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path()));
    }
    let (mut master_key, mut store) = (null_mut(), null_mut());
    let (path, options) = (Text::new(&path()), Text::new(r#"{"create":true}"#));
    let secret = SECRET.as_ptr().cast();
    // SAFETY: 32 bytes, texts, and places to write to.
    assert!(done(|error| unsafe {
        keyfold_master_key_new_bytes(secret, SECRET.len(), &mut master_key, error)
    }));
    // SAFETY: a master key of ours, and texts.
    assert!(done(|error| unsafe {
        keyfold_store_open(path.pointer(), master_key, options.pointer(), &mut store, error)
    }));
    // SAFETY: ours, and used by nobody else.
    unsafe { keyfold_master_key_free(master_key) };
    for (name, options) in [
        ("aead", r#"{"exportable":true,"purpose":"pii"}"#),
        ("gcm", r#"{"algorithm":"AES256_GCM"}"#),
        ("siv", r#"{"kind":"deterministic"}"#),
        ("stream", r#"{"kind":"stream"}"#),
        ("mac", r#"{"kind":"mac"}"#),
        ("derive", r#"{"kind":"derive"}"#),
    ] {
        let (name, options) = (Text::new(name), Text::new(options));
        // SAFETY: a store of ours, and texts.
        assert!(done(|error| unsafe {
            keyfold_store_create_key(store, name.pointer(), options.pointer(), null_mut(), error)
        }));
    }
    store
}
