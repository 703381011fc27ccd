// NULL, absurd lengths and broken text in every place where they can stand.
#include "check.h"

static keyfold_store *store;
static keyfold_key *key;
static keyfold_context *context;
static keyfold_buf out;
static size_t length;
static bool flag;

#define BAD "\xff\xfe"
#define NEGATIVE ((size_t)-1)

// Out-parameters of every type, as they must stay.
static void untouched(void) {
    CHECK(out.data == NULL && out.len == 0 && out.cap == 0 && length == 77 && !flag);
}

static void master_keys(void) {
    keyfold_master_key *made = NULL;
    REFUSES("out is NULL", keyfold_generate_master_key(NULL, &error));
    REFUSES("source is NULL", keyfold_master_key_new_text(NULL, &made, &error));
    REFUSES("out is NULL", keyfold_master_key_new_text(MASTER_KEY, NULL, &error));
    REFUSES("UTF-8", keyfold_master_key_new_text(BAD, &made, &error));
    REFUSES("base64", keyfold_master_key_new_text("", &made, &error));
    REFUSES("32 bytes", keyfold_master_key_new_bytes(NULL, 0, &made, &error));
    REFUSES("key is NULL", keyfold_master_key_new_bytes(NULL, 32, &made, &error));
    REFUSES("negative", keyfold_master_key_new_bytes(MASTER_KEY, NEGATIVE, &made, &error));
    REFUSES("32 bytes", keyfold_master_key_new_bytes(MASTER_KEY, 44, &made, &error));
    REFUSES("out is NULL", keyfold_master_key_new_bytes(MASTER_KEY, 32, NULL, &error));
    REFUSES("callback is NULL", keyfold_master_key_new_callback(NULL, NULL, NULL, &made, &error));
    REFUSES("out is NULL", keyfold_master_key_new_callback(NULL, NULL, NULL, NULL, &error));
    CHECK(made == NULL);
}

static void contexts(void) {
    REFUSES("context is NULL", keyfold_context_add_text(NULL, "n", "v", &error));
    REFUSES("name is NULL", keyfold_context_add_text(context, NULL, "v", &error));
    REFUSES("value is NULL", keyfold_context_add_text(context, "n", NULL, &error));
    REFUSES("context is NULL", keyfold_context_add_bytes(NULL, "n", "v", 1, &error));
    REFUSES("name is NULL", keyfold_context_add_bytes(context, NULL, "v", 1, &error));
    REFUSES("value is NULL", keyfold_context_add_bytes(context, "n", NULL, 1, &error));
    REFUSES("negative", keyfold_context_add_bytes(context, "n", "v", NEGATIVE, &error));
    REFUSES("name is not UTF-8", keyfold_context_add_bytes(context, BAD, "v", 1, &error));
    REFUSES("context is NULL", keyfold_context_add_integer(NULL, "n", 1, &error));
    REFUSES("name is NULL", keyfold_context_add_integer(context, NULL, 1, &error));
    REFUSES("name is not UTF-8", keyfold_context_add_integer(context, BAD, 1, &error));
    REFUSES("context is NULL", keyfold_context_to_aad(NULL, &out, &error));
    REFUSES("out is NULL", keyfold_context_to_aad(context, NULL, &error));
    // None of that added a field.
    REFUSES("empty", keyfold_context_to_aad(context, &out, &error));
}

static void stores(void) {
    keyfold_store *opened = NULL;
    keyfold_key *found = NULL;
    REFUSES("path is NULL", keyfold_store_open(NULL, NULL, NULL, &opened, &error));
    REFUSES("out is NULL", keyfold_store_open("x", NULL, NULL, NULL, &error));
    REFUSES("options is not UTF-8", keyfold_store_open("x", NULL, BAD, &opened, &error));
    REFUSES("store is NULL", keyfold_store_key(NULL, "pii", &found, &error));
    REFUSES("key_id is NULL", keyfold_store_key(store, NULL, &found, &error));
    REFUSES("key_id is not UTF-8", keyfold_store_key(store, BAD, &found, &error));
    REFUSES("out is NULL", keyfold_store_key(store, "pii", NULL, &error));
    CHECK(opened == NULL && found == NULL);
    REFUSES("store is NULL", keyfold_store_create_key(NULL, "k", NULL, &out, &error));
    REFUSES("key_id is NULL", keyfold_store_create_key(store, NULL, NULL, &out, &error));
    REFUSES("key_id is not UTF-8", keyfold_store_create_key(store, BAD, NULL, &out, &error));
    REFUSES("options is not UTF-8", keyfold_store_create_key(store, "k", BAD, &out, &error));
    REFUSES("store is NULL", keyfold_store_rotate_key(NULL, "pii", &out, &error));
    REFUSES("key_id is NULL", keyfold_store_rotate_key(store, NULL, &out, &error));
    REFUSES("store is NULL", keyfold_store_key_info(NULL, "pii", &out, &error));
    REFUSES("key_id is NULL", keyfold_store_key_info(store, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_store_key_info(store, "pii", NULL, &error));
    REFUSES("store is NULL", keyfold_store_list_keys(NULL, NULL, &out, &error));
    REFUSES("filter is not UTF-8", keyfold_store_list_keys(store, BAD, &out, &error));
    REFUSES("out is NULL", keyfold_store_list_keys(store, NULL, NULL, &error));
    REFUSES("store is NULL", keyfold_store_list_key_versions(NULL, "pii", &out, &error));
    REFUSES("key_id is NULL", keyfold_store_list_key_versions(store, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_store_list_key_versions(store, "pii", NULL, &error));
    REFUSES("store is NULL", keyfold_store_encrypt(NULL, "pii", "a", 1, NULL, 0, &out, &error));
    REFUSES("key_id is NULL", keyfold_store_encrypt(store, NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("plaintext is NULL", keyfold_store_encrypt(store, "pii", NULL, 1, NULL, 0, &out, &error));
    REFUSES("aad is NULL", keyfold_store_encrypt(store, "pii", "a", 1, NULL, 1, &out, &error));
    REFUSES("out is NULL", keyfold_store_encrypt(store, "pii", "a", 1, NULL, 0, NULL, &error));
    REFUSES("store is NULL", keyfold_store_encrypt_with_context(NULL, "pii", "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_store_encrypt_with_context(store, "pii", "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_store_encrypt_with_context(store, "pii", "a", 1, context, NULL, &error));
    REFUSES("plaintext is NULL", keyfold_store_encrypt_with_context(store, "pii", NULL, 1, context, &out, &error));
    REFUSES("store is NULL", keyfold_store_decrypt(NULL, "pii", "a", 1, NULL, 0, &out, &error));
    REFUSES("key_id is NULL", keyfold_store_decrypt(store, NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_store_decrypt(store, "pii", NULL, 1, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_store_decrypt(store, "pii", "a", 1, NULL, 0, NULL, &error));
    REFUSES("store is NULL", keyfold_store_decrypt_with_context(NULL, "pii", "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_store_decrypt_with_context(store, "pii", "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_store_decrypt_with_context(store, "pii", "a", 1, context, NULL, &error));
    REFUSES("store is NULL", keyfold_store_inspect(NULL, "a", 1, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_store_inspect(store, NULL, 1, &out, &error));
    REFUSES("out is NULL", keyfold_store_inspect(store, "a", 1, NULL, &error));
    REFUSES("store is NULL", keyfold_store_check(NULL, &flag, &out, &error));
    REFUSES("ok is NULL", keyfold_store_check(store, NULL, &out, &error));
    REFUSES("store is NULL", keyfold_store_anchor(NULL, &out, &error));
    REFUSES("out is NULL", keyfold_store_anchor(store, NULL, &error));
    // A refused call did nothing.
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_key_info(store, "k", &out, &error));
}

static void keys(void) {
    unsigned char room[100];
    REFUSES("key is NULL", keyfold_key_info(NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_info(key, NULL, &error));
    REFUSES("key is NULL", keyfold_key_encrypt(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("plaintext is NULL", keyfold_key_encrypt(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("aad is NULL", keyfold_key_encrypt(key, "a", 1, NULL, 1, &out, &error));
    REFUSES("length of plaintext", keyfold_key_encrypt(key, "a", NEGATIVE, NULL, 0, &out, &error));
    REFUSES("length of plaintext", keyfold_key_encrypt(key, NULL, NEGATIVE, NULL, 0, &out, &error));
    REFUSES("length of plaintext", keyfold_key_encrypt(key, "a", (size_t)PTRDIFF_MAX + 1, NULL, 0, &out, &error));
    REFUSES("length of aad", keyfold_key_encrypt(key, "a", 1, "b", NEGATIVE, &out, &error));
    REFUSES("out is NULL", keyfold_key_encrypt(key, "a", 1, NULL, 0, NULL, &error));
    CHECK(keyfold_key_encrypt(NULL, NULL, 1, NULL, 1, NULL, NULL) == KEYFOLD_INVALID_ARGUMENT);
    REFUSES("key is NULL", keyfold_key_encrypt_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_encrypt_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("plaintext is NULL", keyfold_key_encrypt_with_context(key, NULL, 1, context, &out, &error));
    REFUSES("out is NULL", keyfold_key_encrypt_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_decrypt(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_key_decrypt(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("aad is NULL", keyfold_key_decrypt(key, "a", 1, NULL, 1, &out, &error));
    REFUSES("length of ciphertext", keyfold_key_decrypt(key, "a", NEGATIVE, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_key_decrypt(key, "a", 1, NULL, 0, NULL, &error));
    REFUSES("key is NULL", keyfold_key_decrypt_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_decrypt_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_decrypt_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_encrypt_text(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("plaintext is NULL", keyfold_key_encrypt_text(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("plaintext is not UTF-8", keyfold_key_encrypt_text(key, BAD, 2, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_key_encrypt_text(key, "a", 1, NULL, 0, NULL, &error));
    REFUSES("key is NULL", keyfold_key_encrypt_text_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_encrypt_text_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_encrypt_text_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_decrypt_text(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_key_decrypt_text(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is not UTF-8", keyfold_key_decrypt_text(key, BAD, 2, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_key_decrypt_text(key, "a", 1, NULL, 0, NULL, &error));
    REFUSES("key is NULL", keyfold_key_decrypt_text_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_decrypt_text_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_decrypt_text_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_ciphertext_length(NULL, 1, &length, &error));
    REFUSES("out_len is NULL", keyfold_key_ciphertext_length(key, 1, NULL, &error));
    REFUSES("key is NULL", keyfold_key_encrypt_into(NULL, "a", 1, NULL, 0, room, 100, &length, &error));
    REFUSES("plaintext is NULL", keyfold_key_encrypt_into(key, NULL, 1, NULL, 0, room, 100, &length, &error));
    REFUSES("aad is NULL", keyfold_key_encrypt_into(key, "a", 1, NULL, 1, room, 100, &length, &error));
    REFUSES("out is NULL", keyfold_key_encrypt_into(key, "a", 1, NULL, 0, NULL, 100, &length, &error));
    REFUSES("length of out", keyfold_key_encrypt_into(key, "a", 1, NULL, 0, room, NEGATIVE, &length, &error));
    REFUSES("out_capacity is 0", keyfold_key_encrypt_into(key, "a", 1, NULL, 0, NULL, 0, &length, &error));
    REFUSES("out_len is NULL", keyfold_key_encrypt_into(key, "a", 1, NULL, 0, room, 100, NULL, &error));
    REFUSES("key is NULL", keyfold_key_plaintext_length(NULL, "a", 1, &length, &error));
    REFUSES("ciphertext is NULL", keyfold_key_plaintext_length(key, NULL, 1, &length, &error));
    REFUSES("out_len is NULL", keyfold_key_plaintext_length(key, "a", 1, NULL, &error));
    REFUSES("key is NULL", keyfold_key_decrypt_into(NULL, "a", 1, NULL, 0, room, 100, &length, &error));
    REFUSES("ciphertext is NULL", keyfold_key_decrypt_into(key, NULL, 1, NULL, 0, room, 100, &length, &error));
    REFUSES("aad is NULL", keyfold_key_decrypt_into(key, "a", 1, NULL, 1, room, 100, &length, &error));
    REFUSES("out_len is NULL", keyfold_key_decrypt_into(key, "a", 1, NULL, 0, room, 100, NULL, &error));
    REFUSES("key is NULL", keyfold_key_needs_reencrypt(NULL, "a", 1, &flag, &error));
    REFUSES("ciphertext is NULL", keyfold_key_needs_reencrypt(key, NULL, 1, &flag, &error));
    REFUSES("out is NULL", keyfold_key_needs_reencrypt(key, "a", 1, NULL, &error));
    REFUSES("key is NULL", keyfold_key_reencrypt(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_key_reencrypt(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_key_reencrypt(key, "a", 1, NULL, 0, NULL, &error));
    REFUSES("key is NULL", keyfold_key_reencrypt_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_reencrypt_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_reencrypt_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_reencrypt_text(NULL, "a", 1, NULL, 0, &out, &error));
    REFUSES("ciphertext is NULL", keyfold_key_reencrypt_text(key, NULL, 1, NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_key_reencrypt_text(key, "a", 1, NULL, 0, NULL, &error));
    REFUSES("key is NULL", keyfold_key_reencrypt_text_with_context(NULL, "a", 1, context, &out, &error));
    REFUSES("context is NULL", keyfold_key_reencrypt_text_with_context(key, "a", 1, NULL, &out, &error));
    REFUSES("out is NULL", keyfold_key_reencrypt_text_with_context(key, "a", 1, context, NULL, &error));
    REFUSES("key is NULL", keyfold_key_blind_index(NULL, "a", 1, "f", NULL, &out, &error));
    REFUSES("value is NULL", keyfold_key_blind_index(key, NULL, 1, "f", NULL, &out, &error));
    REFUSES("field is NULL", keyfold_key_blind_index(key, "a", 1, NULL, NULL, &out, &error));
    REFUSES("field is not UTF-8", keyfold_key_blind_index(key, "a", 1, BAD, NULL, &out, &error));
    REFUSES("options is not UTF-8", keyfold_key_blind_index(key, "a", 1, "f", BAD, &out, &error));
    REFUSES("out is NULL", keyfold_key_blind_index(key, "a", 1, "f", NULL, NULL, &error));
    REFUSES("key is NULL", keyfold_key_blind_indexes(NULL, "a", 1, "f", NULL, &out, &length, &error));
    REFUSES("value is NULL", keyfold_key_blind_indexes(key, NULL, 1, "f", NULL, &out, &length, &error));
    REFUSES("field is NULL", keyfold_key_blind_indexes(key, "a", 1, NULL, NULL, &out, &length, &error));
    REFUSES("out is NULL", keyfold_key_blind_indexes(key, "a", 1, "f", NULL, NULL, &length, &error));
    REFUSES("count is NULL", keyfold_key_blind_indexes(key, "a", 1, "f", NULL, &out, NULL, &error));
}

static void texts(void) {
    REFUSES("value is NULL", keyfold_to_text(NULL, 1, &out, &error));
    REFUSES("length of value", keyfold_to_text("a", NEGATIVE, &out, &error));
    REFUSES("out is NULL", keyfold_to_text("a", 1, NULL, &error));
    REFUSES("text is NULL", keyfold_from_text(NULL, 1, &out, &error));
    REFUSES("text is not UTF-8", keyfold_from_text(BAD, 2, &out, &error));
    REFUSES("not a keyfold text form", keyfold_from_text(NULL, 0, &out, &error));
    REFUSES("out is NULL", keyfold_from_text("kf1.", 4, NULL, &error));
    CHECK(!keyfold_is_ciphertext("a", NEGATIVE));
}

int main(void) {
    store = test_store("misuse.keyfold");
    key = test_key(store, "pii");
    context = keyfold_context_new();
    length = 77;
    master_keys();
    contexts();
    stores();
    keys();
    texts();
    untouched();
    keyfold_context_free(context);
    keyfold_key_free(key);
    keyfold_store_free(store);
    return finish("misuse");
}
