// What guard.py runs under callgrind: each call, after a few that warm up, between two marks. See calls.py.
#include <keyfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CALLS 1000
#define VALUES 250

static const char VALUE[] = "ada@example.org, 32 bytes of it.";
static keyfold_key *key;
static keyfold_error *error;
static unsigned char sealed[100], opened[100];
static size_t sealed_len, opened_len;
static keyfold_buf text, out;
static keyfold_data many[VALUES], sealed_many[VALUES];
static size_t offsets[VALUES + 1];

static void ok(keyfold_status status) {
    if (status != KEYFOLD_OK) {
        fprintf(stderr, "%s: %s\n", keyfold_error_name(error), keyfold_error_message(error));
        exit(1);
    }
}

static void encrypt_into(void) {
    ok(keyfold_key_encrypt_into(key, VALUE, 32, NULL, 0, sealed, sizeof sealed, &sealed_len, &error));
}

static void decrypt_into(void) {
    ok(keyfold_key_decrypt_into(key, sealed, sealed_len, NULL, 0, opened, sizeof opened, &opened_len, &error));
}

static void encrypt(void) {
    ok(keyfold_key_encrypt(key, VALUE, 32, NULL, 0, &out, &error));
    keyfold_buf_free(&out);
}

static void decrypt(void) {
    ok(keyfold_key_decrypt(key, sealed, sealed_len, NULL, 0, &out, &error));
    keyfold_buf_free(&out);
}

static void encrypt_text(void) {
    ok(keyfold_key_encrypt_text(key, VALUE, 32, NULL, 0, &out, &error));
    keyfold_buf_free(&out);
}

static void decrypt_text(void) {
    ok(keyfold_key_decrypt_text(key, (const char *)text.data, text.len, NULL, 0, &out, &error));
    keyfold_buf_free(&out);
}

static void encrypt_many(void) {
    ok(keyfold_key_encrypt_many(key, many, VALUES, NULL, 0, &out, offsets, &error));
    keyfold_buf_free(&out);
}

static void decrypt_many(void) {
    ok(keyfold_key_decrypt_many(key, sealed_many, VALUES, NULL, 0, &out, offsets, NULL, &error));
    keyfold_buf_free(&out);
}

static void blind_index(void) {
    ok(keyfold_key_blind_index(key, VALUE, 32, "email", NULL, &out, &error));
    keyfold_buf_free(&out);
}

static void counted(const char *name, void (*call)(void), int values) {
    for (int i = 0; i < 3; i++) call();
    umask(077);
    for (int i = 0; i < CALLS / values; i++) call();
    umask(077);
    printf("%s\t%d\n", name, CALLS / values * values);
}

int main(int argc, char **argv) {
    const char *options = "{\"create\": true, \"refresh_interval\": \"1h\", \"max_stale\": \"1h\"}";
    char path[4096];
    keyfold_buf secret = {0};
    keyfold_master_key *master_key = NULL;
    keyfold_store *store = NULL;
    if (argc != 2) return 2;
    snprintf(path, sizeof path, "%s/s", argv[1]);
    ok(keyfold_generate_master_key(&secret, &error));
    ok(keyfold_master_key_new_text((const char *)secret.data, &master_key, &error));
    ok(keyfold_store_open(path, master_key, options, &store, &error));
    ok(keyfold_store_create_key(store, "pii", NULL, NULL, &error));
    ok(keyfold_store_key(store, "pii", &key, &error));
    encrypt_into();
    ok(keyfold_key_encrypt_text(key, VALUE, 32, NULL, 0, &text, &error));
    for (int i = 0; i < VALUES; i++) {
        many[i] = (keyfold_data){VALUE, 32};
        sealed_many[i] = (keyfold_data){sealed, sealed_len};
    }
    counted("encrypt_into", encrypt_into, 1);
    counted("decrypt_into", decrypt_into, 1);
    counted("encrypt", encrypt, 1);
    counted("decrypt", decrypt, 1);
    counted("encrypt_text", encrypt_text, 1);
    counted("decrypt_text", decrypt_text, 1);
    counted("encrypt_many, a value", encrypt_many, VALUES);
    counted("decrypt_many, a value", decrypt_many, VALUES);
    counted("blind_index", blind_index, 1);
    keyfold_buf_free(&text);
    keyfold_buf_free(&secret);
    keyfold_key_free(key);
    keyfold_store_free(store);
    keyfold_master_key_free(master_key);
    return 0;
}
