//! What of `include/keyfold.h` is called here, as Rust declares it.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

// So that the linker has the functions.
extern crate keyfold_c_abi as _;

/// Something of the library's, behind a pointer.
pub(super) type Handle = *mut c_void;
/// Where an error goes.
pub(super) type ErrorPlace<'a> = &'a mut Handle;
pub(super) type Status = c_int;

#[repr(C)]
pub(super) struct Buf {
    pub(super) data: *mut u8,
    pub(super) len: usize,
    pub(super) cap: usize,
}

impl Buf {
    pub(super) const EMPTY: Self = Self { data: null_mut(), len: 0, cap: 0 };
}

/// `keyfold_data`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Data {
    pub(super) data: *const c_void,
    pub(super) len: usize,
}

type Text = *const c_char;
type Bytes = *const c_void;

pub(super) type StoreOut = unsafe extern "C" fn(Handle, *mut Buf, ErrorPlace) -> Status;
pub(super) type StoreText = unsafe extern "C" fn(Handle, Text, *mut Buf, ErrorPlace) -> Status;
pub(super) type StoreTexts = unsafe extern "C" fn(Handle, Text, Text, *mut Buf, ErrorPlace) -> Status;
pub(super) type StoreVersion = unsafe extern "C" fn(Handle, Text, u32, *mut Buf, ErrorPlace) -> Status;
pub(super) type KeyBytes = unsafe extern "C" fn(Handle, Bytes, usize, *mut Buf, ErrorPlace) -> Status;
pub(super) type KeyAad =
    unsafe extern "C" fn(Handle, Bytes, usize, Bytes, usize, *mut Buf, ErrorPlace) -> Status;
pub(super) type KeyContext =
    unsafe extern "C" fn(Handle, Bytes, usize, Handle, *mut Buf, ErrorPlace) -> Status;
pub(super) type KeyVerify = unsafe extern "C" fn(Handle, Bytes, usize, Bytes, usize, ErrorPlace) -> Status;
pub(super) type KeyInto = unsafe extern "C" fn(
    Handle,
    Bytes,
    usize,
    Bytes,
    usize,
    *mut c_void,
    usize,
    *mut usize,
    ErrorPlace,
) -> Status;
pub(super) type EncryptMany = unsafe extern "C" fn(
    Handle,
    *const Data,
    usize,
    *const Data,
    usize,
    *mut Buf,
    *mut usize,
    ErrorPlace,
) -> Status;
pub(super) type DecryptMany = unsafe extern "C" fn(
    Handle,
    *const Data,
    usize,
    *const Data,
    usize,
    *mut Buf,
    *mut usize,
    *mut Status,
    ErrorPlace,
) -> Status;
pub(super) type StreamNew = unsafe extern "C" fn(Handle, Bytes, usize, *mut Handle, ErrorPlace) -> Status;

unsafe extern "C" {
    pub(super) fn keyfold_error_code(error: Handle) -> Status;
    pub(super) fn keyfold_error_name(error: Handle) -> Text;
    pub(super) fn keyfold_error_message(error: Handle) -> Text;
    pub(super) fn keyfold_error_cause(error: Handle) -> Text;
    pub(super) fn keyfold_error_retryable(error: Handle) -> bool;
    pub(super) fn keyfold_error_retry_after_ms(error: Handle) -> u64;
    pub(super) fn keyfold_error_key_id(error: Handle) -> Text;
    pub(super) fn keyfold_error_version(error: Handle) -> u32;
    pub(super) fn keyfold_error_index(error: Handle) -> usize;
    pub(super) fn keyfold_error_free(error: Handle);
    pub(super) fn keyfold_status_name(status: i32) -> Text;
    pub(super) fn keyfold_buf_free(buf: *mut Buf);
    pub(super) fn keyfold_list_count(list: Handle) -> usize;
    pub(super) fn keyfold_list_data(list: Handle, index: usize) -> *const u8;
    pub(super) fn keyfold_list_length(list: Handle, index: usize) -> usize;
    pub(super) fn keyfold_list_free(list: Handle);
    pub(super) fn keyfold_wipe(data: *mut c_void, length: usize);

    pub(super) fn keyfold_master_key_new_text(text: Text, out: *mut Handle, error: ErrorPlace) -> Status;
    pub(super) fn keyfold_master_key_new_bytes(
        key: Bytes,
        length: usize,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_master_key_new_passphrase(
        passphrase: Text,
        options: Text,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_master_key_new_recovery_key(
        text: Text,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_master_key_new_shares(
        shares: *const Text,
        count: usize,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_master_key_free(master_key: Handle);

    pub(super) fn keyfold_context_new() -> Handle;
    pub(super) fn keyfold_context_add_text(
        context: Handle,
        name: Text,
        value: Text,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_context_add_bytes(
        context: Handle,
        name: Text,
        value: Bytes,
        length: usize,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_context_add_integer(
        context: Handle,
        name: Text,
        value: i64,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_context_to_aad(context: Handle, out: *mut Buf, error: ErrorPlace) -> Status;
    pub(super) fn keyfold_context_free(context: Handle);

    pub(super) fn keyfold_store_open(
        path: Text,
        master_key: Handle,
        options: Text,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_key(
        store: Handle,
        key_id: Text,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_key_for(
        store: Handle,
        purpose: Text,
        out: *mut Handle,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_create_key(
        h: Handle,
        k: Text,
        o: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_rotate_key_with(
        h: Handle,
        k: Text,
        o: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_register_purpose(
        h: Handle,
        p: Text,
        o: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_index_salts(
        h: Handle,
        p: Text,
        k: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_rotate_index_salt(
        h: Handle,
        p: Text,
        k: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_rotate_key(h: Handle, k: Text, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_key_info(h: Handle, k: Text, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_list_keys(h: Handle, filter: Text, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_list_key_versions(h: Handle, k: Text, out: *mut Buf, e: ErrorPlace)
    -> Status;
    pub(super) fn keyfold_store_key_usage(h: Handle, k: Text, out: *mut Buf, e: ErrorPlace) -> Status;

    pub(super) fn keyfold_store_recipients(h: Handle, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_purposes(h: Handle, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_anchor(h: Handle, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_quarantined(h: Handle, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_run_due(h: Handle, out: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_promote_version(
        h: Handle,
        k: Text,
        v: u32,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_cancel_destruction(
        h: Handle,
        k: Text,
        v: u32,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_get_data_key(
        h: Handle,
        k: Text,
        v: u32,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_inspect(
        h: Handle,
        c: Bytes,
        length: usize,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_set_version_state(
        h: Handle,
        key_id: Text,
        version: u32,
        state: Text,
        reason: Text,
        out: *mut Buf,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_schedule_destruction(
        h: Handle,
        key_id: Text,
        version: u32,
        delay: Text,
        out: *mut Buf,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_derive_key(
        h: Handle,
        key_id: Text,
        purpose: Text,
        length: usize,
        version: u32,
        out: *mut Buf,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_import_key(
        h: Handle,
        key_id: Text,
        material: Bytes,
        length: usize,
        encoding: Text,
        options: Text,
        out: *mut Buf,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_quarantine(
        h: Handle,
        kind: Text,
        id: Text,
        reason: Text,
        error: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_store_check(h: Handle, ok: *mut bool, out: *mut Buf, error: ErrorPlace) -> Status;
    pub(super) fn keyfold_store_fingerprint(h: Handle) -> Text;
    pub(super) fn keyfold_store_is_verified(h: Handle) -> bool;
    pub(super) fn keyfold_store_warning_count(h: Handle) -> usize;
    pub(super) fn keyfold_store_warning(h: Handle, index: usize) -> Text;
    pub(super) fn keyfold_store_close(h: Handle);
    pub(super) fn keyfold_store_free(h: Handle);

    pub(super) fn keyfold_key_id(key: Handle) -> Text;
    pub(super) fn keyfold_key_info(key: Handle, out: *mut Buf, error: ErrorPlace) -> Status;
    pub(super) fn keyfold_key_free(key: Handle);
    pub(super) fn keyfold_key_encrypt(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_reencrypt(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_text(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_text(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_reencrypt_text(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_with_context(
        k: Handle,
        p: Bytes,
        n: usize,
        c: Handle,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_with_context(
        k: Handle,
        p: Bytes,
        n: usize,
        c: Handle,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_text_with_context(
        k: Handle,
        p: Bytes,
        n: usize,
        c: Handle,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_text_with_context(
        k: Handle,
        p: Bytes,
        n: usize,
        c: Handle,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_reencrypt_with_context(
        k: Handle,
        p: Bytes,
        n: usize,
        c: Handle,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_ciphertext_length(
        k: Handle,
        plaintext: usize,
        out: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_plaintext_length(
        k: Handle,
        c: Bytes,
        n: usize,
        out: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_needs_reencrypt(
        k: Handle,
        c: Bytes,
        n: usize,
        out: *mut bool,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_into(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        out: *mut c_void,
        capacity: usize,
        out_len: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_into(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        out: *mut c_void,
        capacity: usize,
        out_len: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_many(
        k: Handle,
        values: *const Data,
        count: usize,
        aads: *const Data,
        aads_count: usize,
        out: *mut Buf,
        offsets: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_encrypt_many_text(
        k: Handle,
        values: *const Data,
        count: usize,
        aads: *const Data,
        aads_count: usize,
        out: *mut Buf,
        offsets: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_many(
        k: Handle,
        values: *const Data,
        count: usize,
        aads: *const Data,
        aads_count: usize,
        out: *mut Buf,
        offsets: *mut usize,
        statuses: *mut Status,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_decrypt_many_text(
        k: Handle,
        values: *const Data,
        count: usize,
        aads: *const Data,
        aads_count: usize,
        out: *mut Buf,
        offsets: *mut usize,
        statuses: *mut Status,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_search_ciphertexts(
        k: Handle,
        p: Bytes,
        n: usize,
        a: Bytes,
        m: usize,
        out: *mut Handle,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_mac(k: Handle, d: Bytes, n: usize, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_key_mac_raw(k: Handle, d: Bytes, n: usize, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_key_verify_mac(
        k: Handle,
        d: Bytes,
        n: usize,
        t: Bytes,
        m: usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_verify_mac_raw(
        k: Handle,
        d: Bytes,
        n: usize,
        t: Bytes,
        m: usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_blind_index(
        k: Handle,
        value: Bytes,
        n: usize,
        field: Text,
        options: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_key_blind_index_many(
        k: Handle,
        values: *const Data,
        count: usize,
        field: Text,
        options: Text,
        out: *mut Buf,
        width: *mut usize,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_index_report(
        values: *const Data,
        count: usize,
        options: Text,
        out: *mut Buf,
        e: ErrorPlace,
    ) -> Status;

    pub(super) fn keyfold_stream_encryptor_new(
        k: Handle,
        a: Bytes,
        m: usize,
        out: *mut Handle,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_stream_encryptor_update(
        h: Handle,
        p: Bytes,
        n: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_stream_encryptor_finish(h: Handle, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_stream_encryptor_free(h: Handle);
    pub(super) fn keyfold_stream_decryptor_new(
        k: Handle,
        a: Bytes,
        m: usize,
        out: *mut Handle,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_stream_decryptor_update(
        h: Handle,
        p: Bytes,
        n: usize,
        o: *mut Buf,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_stream_decryptor_finish(h: Handle, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_stream_decryptor_version(h: Handle) -> u32;
    pub(super) fn keyfold_stream_decryptor_needs_reencrypt(
        h: Handle,
        out: *mut bool,
        e: ErrorPlace,
    ) -> Status;
    pub(super) fn keyfold_stream_decryptor_free(h: Handle);

    pub(super) fn keyfold_to_text(p: Bytes, n: usize, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_from_text(p: Bytes, n: usize, o: *mut Buf, e: ErrorPlace) -> Status;
    pub(super) fn keyfold_is_ciphertext(p: Bytes, n: usize) -> bool;
}
