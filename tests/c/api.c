// Every function, used as it is meant, and the errors that each names.
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static int is_text(keyfold_buf buf, const char *text) {
    return buf.len == strlen(text) && memcmp(buf.data, text, buf.len + 1) == 0;
}

static int is_same(keyfold_buf one, keyfold_buf other) {
    return one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
}

static void library(void) {
    CHECK(keyfold_abi_version() == KEYFOLD_ABI_VERSION);
    CHECK(strchr(keyfold_version(), '.') != NULL);
    CHECK(strcmp(keyfold_status_name(KEYFOLD_OK), "KEYFOLD_OK") == 0);
    CHECK(strcmp(keyfold_status_name(KEYFOLD_NOT_FOUND), "KEYFOLD_NOT_FOUND") == 0);
    CHECK(strcmp(keyfold_status_name(KEYFOLD_INTERNAL), "KEYFOLD_INTERNAL") == 0);
    CHECK(keyfold_status_name(21) == NULL && keyfold_status_name(-1) == NULL);
    unsigned char bytes[40];
    memset(bytes, 7, sizeof bytes);
    keyfold_wipe(bytes + 1, 38);
    CHECK(bytes[0] == 7 && bytes[1] == 0 && bytes[38] == 0 && bytes[39] == 7);
    keyfold_wipe(NULL, 5);
    keyfold_wipe(NULL, 0);
}

// Masters: text, bytes, file, descriptor, environment, callback.

struct asked {
    int times, freed, answer;
};

static int give(void *user_data, uint8_t *key) {
    struct asked *asked = user_data;
    asked->times++;
    memcpy(key, MASTER_KEY_BYTES, 32);
    return asked->answer;
}

static void count_free(void *user_data) { ((struct asked *)user_data)->freed++; }

static keyfold_status open_with(keyfold_master_key *master_key) {
    keyfold_store *store = NULL;
    keyfold_status status = keyfold_store_open("api.keyfold", master_key, NULL, &store, &error);
    CHECK((store != NULL) == (status == KEYFOLD_OK));
    keyfold_store_free(store);
    return status;
}

static void opens(const char *text) {
    keyfold_master_key *master_key = NULL;
    OK(keyfold_master_key_new_text(text, &master_key, &error));
    OK(open_with(master_key));
    keyfold_master_key_free(master_key);
}

static void master_keys(void) {
    keyfold_buf text = {0};
    keyfold_master_key *master_key = NULL;
    OK(keyfold_generate_master_key(&text, &error));
    CHECK(text.len == 44 && strlen((char *)text.data) == 44);
    OK(keyfold_master_key_new_text((char *)text.data, &master_key, &error));
    FAILS(KEYFOLD_WRONG_MASTER_KEY, open_with(master_key));
    keyfold_master_key_free(master_key);
    keyfold_buf_free(&text);
    CHECK(text.data == NULL && text.len == 0 && text.cap == 0);
    keyfold_buf_free(&text);

    uint8_t bytes[32];
    memcpy(bytes, MASTER_KEY_BYTES, 32);
    OK(keyfold_master_key_new_bytes(bytes, sizeof bytes, &master_key, &error));
    memset(bytes, 0, sizeof bytes);
    OK(open_with(master_key));
    keyfold_master_key_free(master_key);

    opens(MASTER_KEY);
    opens(MASTER_KEY "\n");
    FILE *file = fopen("master.key", "w");
    fputs(MASTER_KEY "\n", file);
    fclose(file);
    chmod("master.key", 0600);
    opens("file:master.key");
    int number = open("master.key", O_RDONLY);
    char source[40];
    snprintf(source, sizeof source, "fd:%d", number);
    opens(source);
    close(number);
    setenv("KEYFOLD_TEST_KEY", MASTER_KEY, 1);
    opens("env:KEYFOLD_TEST_KEY");
    setenv("KEYFOLD_MASTER_KEY", "file:master.key", 1);
    OK(open_with(NULL));
    unsetenv("KEYFOLD_MASTER_KEY");
    FAILS(KEYFOLD_INVALID_ARGUMENT, open_with(NULL));

    // A file that others may read opens, with a word about it.
    chmod("master.key", 0644);
    OK(keyfold_master_key_new_text("file:master.key", &master_key, &error));
    keyfold_store *store = NULL;
    OK(keyfold_store_open("api.keyfold", master_key, NULL, &store, &error));
    CHECK(keyfold_store_warning_count(store) >= 1);
    CHECK(strstr(keyfold_store_warning(store, 0), "master.key") != NULL);
    CHECK(keyfold_store_warning(store, keyfold_store_warning_count(store)) == NULL);
    CHECK(keyfold_store_warning(store, SIZE_MAX) == NULL);
    keyfold_store_free(store);
    keyfold_master_key_free(master_key);

    struct asked asked = {0, 0, 0};
    OK(keyfold_master_key_new_callback(give, &asked, count_free, &master_key, &error));
    OK(open_with(master_key));
    OK(open_with(master_key));
    asked.answer = -7;
    CHECK(open_with(master_key) == KEYFOLD_PROVIDER_UNAVAILABLE);
    CHECK(keyfold_error_retryable(error));
    CHECK(keyfold_error_cause(error) != NULL && strstr(keyfold_error_cause(error), "-7") != NULL);
    keyfold_error_free(error);
    error = NULL;
    CHECK(asked.times == 3 && asked.freed == 0);
    keyfold_master_key_free(master_key);
    CHECK(asked.freed == 1);
    asked.answer = 0;
    OK(keyfold_master_key_new_callback(give, &asked, NULL, &master_key, &error));
    OK(open_with(master_key));
    keyfold_master_key_free(master_key);
    CHECK(asked.freed == 1);
    REFUSES("callback is NULL", keyfold_master_key_new_callback(NULL, &asked, count_free, &master_key, &error));
    CHECK(asked.freed == 1);
}

static void errors(keyfold_store *store) {
    keyfold_key *key = (keyfold_key *)1;
    CHECK(keyfold_store_key(store, "nope", &key, &error) == KEYFOLD_NOT_FOUND);
    CHECK(key == (keyfold_key *)1); // Written on success only.
    CHECK(keyfold_error_code(error) == KEYFOLD_NOT_FOUND);
    CHECK(strcmp(keyfold_error_name(error), "KEYFOLD_NOT_FOUND") == 0);
    CHECK(strstr(keyfold_error_message(error), "nope") != NULL);
    CHECK(strcmp(keyfold_error_key_id(error), "nope") == 0);
    CHECK(keyfold_error_version(error) == 0 && keyfold_error_index(error) == SIZE_MAX);
    CHECK(!keyfold_error_retryable(error) && keyfold_error_retry_after_ms(error) == 0);
    CHECK(keyfold_error_cause(error) == NULL);
    keyfold_error_free(error);
    error = NULL;
    // Nobody has to ask for the error.
    CHECK(keyfold_store_key(store, "nope", &key, NULL) == KEYFOLD_NOT_FOUND);

    CHECK(keyfold_error_code(NULL) == KEYFOLD_OK);
    CHECK(strcmp(keyfold_error_name(NULL), "KEYFOLD_OK") == 0);
    CHECK(strcmp(keyfold_error_message(NULL), "") == 0);
    CHECK(keyfold_error_key_id(NULL) == NULL && keyfold_error_cause(NULL) == NULL);
    CHECK(keyfold_error_version(NULL) == 0 && keyfold_error_index(NULL) == SIZE_MAX);
    CHECK(!keyfold_error_retryable(NULL) && keyfold_error_retry_after_ms(NULL) == 0);
    keyfold_error_free(NULL);

    // A zero byte in what is echoed does not cut the message off.
    CHECK(keyfold_store_create_key(store, "k", "{\"a\\u0000b\": 1}", NULL, &error) == KEYFOLD_INVALID_ARGUMENT);
    CHECK(strstr(keyfold_error_message(error), "expected one of") != NULL);
    keyfold_error_free(error);
    error = NULL;
}

static void opening(void) {
    keyfold_master_key *mine = NULL;
    keyfold_store *store = NULL;
    keyfold_buf anchor = {0};
    OK(keyfold_master_key_new_text(MASTER_KEY, &mine, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_open("missing.keyfold", mine, NULL, &store, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_open("no/such/folder", mine, "{\"create\": true}", &store, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_open("", mine, NULL, &store, &error));
    const char *bad[] = {"", "[]", "null", "7", "{", "{\"creat\": true}", "{\"create\": true, \"create\": true}",
                         "{\"create\": 1}", "{\"refresh_interval\": 5}", "{\"refresh_interval\": \"5\"}",
                         "{\"refresh_interval\": \"1ms\"}", "{\"anchor\": \"x\"}", "{} {}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_open("api.keyfold", mine, bad[i], &store, &error));
    char *long_options = calloc(1, 70000);
    memset(long_options, ' ', 69999);
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_store_open("api.keyfold", mine, long_options, &store, &error));
    free(long_options);
    CHECK(store == NULL);
    // As long as anyone could want is no bug.
    keyfold_status status =
        keyfold_store_open("api.keyfold", mine, "{\"busy_timeout\": \"9999999999999s\"}", &store, NULL);
    CHECK(status == KEYFOLD_OK || status == KEYFOLD_INVALID_ARGUMENT);
    keyfold_store_free(store);
    store = NULL;

    // A path is bytes.
    OK(keyfold_store_open("not \xff utf8", mine, "{\"create\": true, \"refresh_interval\": \"10ms\"}", &store, &error));
    CHECK(access("not \xff utf8", F_OK) == 0);
    OK(keyfold_store_anchor(store, &anchor, &error));
    CHECK(strncmp((char *)anchor.data, "kfa1.", 5) == 0);
    CHECK(strncmp(keyfold_store_fingerprint(store), "kff1.", 5) == 0);
    CHECK(keyfold_store_fingerprint(NULL) == NULL);
    CHECK(keyfold_store_warning_count(NULL) == 0 && keyfold_store_warning(NULL, 0) == NULL);
    char options[300];
    snprintf(options, sizeof options, "{\"anchor\": \"%s\", \"fingerprint\": \"%s\"}", (char *)anchor.data,
             keyfold_store_fingerprint(store));
    keyfold_store *again = NULL;
    OK(keyfold_store_open("not \xff utf8", mine, options, &again, &error));
    keyfold_store_free(again);
    FAILS(KEYFOLD_INTEGRITY_ERROR, keyfold_store_open("api.keyfold", mine, options, &again, &error));
    keyfold_buf_free(&anchor);
    keyfold_store_free(store);

    int number = open("text.keyfold", O_CREAT | O_WRONLY, 0600);
    CHECK(write(number, "certainly no store", 18) == 18);
    close(number);
    FAILS(KEYFOLD_UNSUPPORTED, keyfold_store_open("text.keyfold", mine, NULL, &store, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_open(".", mine, NULL, &store, &error));
    keyfold_master_key_free(mine);
}

static void keys_of_a_store(keyfold_store *store) {
    keyfold_buf out = {0};
    OK(keyfold_store_create_key(store, "bank/iban",
                                "{\"algorithm\": \"XAES256_GCM\", \"purpose\": \"financial\", \"description\": \"IBANs\","
                                " \"labels\": {\"team\": \"billing\"}, \"exportable\": true}",
                                &out, &error));
    HAS(out, "\"key_id\":\"bank/iban\"");
    HAS(out, "\"algorithm\":\"XAES256_GCM\"");
    HAS(out, "\"created_at_ms\":1");
    HAS(out, "\"expires_at_ms\":null");
    HAS(out, "\"labels\":{\"team\":\"billing\"}");
    CHECK(strstr((char *)out.data, "created_at\"") == NULL && strlen((char *)out.data) == out.len);
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_store_create_key(store, "bank/iban", NULL, NULL, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_create_key(store, "a b", NULL, NULL, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_create_key(store, "", NULL, NULL, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_create_key(store, "k", "{\"algorithm\": \"DES\"}", NULL, &error));
    char id[KEYFOLD_KEY_ID_MAX + 2];
    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = 0;
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_store_create_key(store, id, NULL, NULL, &error));
    id[sizeof id - 2] = 0;
    OK(keyfold_store_create_key(store, id, NULL, NULL, &error));

    OK(keyfold_store_rotate_key(store, "bank/iban", &out, &error));
    HAS(out, "\"version\":2");
    HAS(out, "\"state\":\"enabled\"");
    HAS(out, "\"destroy_at_ms\":null");
    keyfold_buf_free(&out);
    OK(keyfold_store_rotate_key(store, "bank/iban", NULL, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_rotate_key(store, "nope", &out, &error));
    OK(keyfold_store_key_info(store, "bank/iban", &out, &error));
    HAS(out, "\"current_version\":3");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_key_info(store, "nope", &out, &error));
    OK(keyfold_store_list_key_versions(store, "bank/iban", &out, &error));
    char *newest = strstr((char *)out.data, "\"version\":3"), *oldest = strstr((char *)out.data, "\"version\":1");
    CHECK(newest != NULL && oldest != NULL && newest < oldest);
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_list_key_versions(store, "nope", &out, &error));

    OK(keyfold_store_list_keys(store, NULL, &out, &error));
    HAS(out, "bank/iban");
    HAS(out, "\"pii\"");
    keyfold_buf_free(&out);
    OK(keyfold_store_list_keys(store, "{\"labels\": {\"team\": \"billing\"}, \"limit\": 5}", &out, &error));
    HAS(out, "bank/iban");
    CHECK(strstr((char *)out.data, "\"pii\"") == NULL);
    keyfold_buf_free(&out);
    OK(keyfold_store_list_keys(store, "{\"search\": \"no such thing\"}", &out, &error));
    CHECK(is_text(out, "[]"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_list_keys(store, "{\"color\": 1}", &out, &error));

    bool ok = false;
    OK(keyfold_store_check(store, &ok, &out, &error));
    CHECK(ok);
    HAS(out, "\"ok\":true");
    HAS(out, "\"findings\":[]");
    keyfold_buf_free(&out);
    OK(keyfold_store_check(store, &ok, NULL, &error));
}

static void contexts(void) {
    keyfold_context *context = keyfold_context_new();
    keyfold_buf out = {0};
    REFUSES("empty", keyfold_context_to_aad(context, &out, &error));
    OK(keyfold_context_add_integer(context, "id", 42, &error));
    OK(keyfold_context_add_text(context, "a", "\xc3\xa9", &error));
    OK(keyfold_context_to_aad(context, &out, &error));
    CHECK(out.len == 36 && memcmp(out.data,
                                  "kf-context-v1\0\0\0\1a\0\0\0\2\xc3\xa9"
                                  "\0\0\0\2id\0\0\0\2"
                                  "42",
                                  36) == 0);
    keyfold_buf_free(&out);
    keyfold_context_free(context);

    context = keyfold_context_new();
    keyfold_context *other = keyfold_context_new();
    keyfold_buf theirs = {0};
    OK(keyfold_context_add_integer(context, "n", INT64_MIN, &error));
    OK(keyfold_context_add_bytes(context, "b", "x\0y", 3, &error));
    OK(keyfold_context_add_bytes(context, "c", NULL, 0, &error));
    OK(keyfold_context_add_text(other, "c", "", &error));
    OK(keyfold_context_add_text(other, "n", "-9223372036854775808", &error));
    OK(keyfold_context_add_bytes(other, "b", "x\0y", 3, &error));
    OK(keyfold_context_to_aad(context, &out, &error));
    OK(keyfold_context_to_aad(other, &theirs, &error));
    CHECK(is_same(out, theirs));
    keyfold_buf_free(&out);
    keyfold_buf_free(&theirs);
    OK(keyfold_context_add_text(context, "n", "again", &error));
    REFUSES("twice", keyfold_context_to_aad(context, &out, &error));
    REFUSES("UTF-8", keyfold_context_add_text(context, "\xff", "x", &error));
    REFUSES("UTF-8", keyfold_context_add_text(context, "x", "\xff", &error));
    keyfold_context_free(other);
    keyfold_context_free(context);

    context = keyfold_context_new();
    for (int i = 0; i < KEYFOLD_CONTEXT_FIELDS_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        OK(keyfold_context_add_integer(context, name, i, &error));
    }
    OK(keyfold_context_to_aad(context, &out, &error));
    keyfold_buf_free(&out);
    OK(keyfold_context_add_integer(context, "one more", 1, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_context_to_aad(context, &out, &error));
    keyfold_context_free(context);
}

static void encrypting(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii");
    keyfold_buf sealed = {0}, out = {0}, text = {0};
    CHECK(strcmp(keyfold_key_id(pii), "pii") == 0 && keyfold_key_id(NULL) == NULL);
    OK(keyfold_key_info(pii, &out, &error));
    HAS(out, "\"key_id\":\"pii\"");
    keyfold_buf_free(&out);

    OK(keyfold_key_encrypt(pii, "ada", 3, NULL, 0, &sealed, &error));
    CHECK(sealed.len == 36 && sealed.data[0] == 1 && sealed.data[sealed.len] == 0);
    CHECK(keyfold_is_ciphertext(sealed.data, sealed.len) && !keyfold_is_ciphertext("ada", 3));
    CHECK(!keyfold_is_ciphertext(NULL, 0) && !keyfold_is_ciphertext(NULL, 9));
    OK(keyfold_key_decrypt(pii, sealed.data, sealed.len, NULL, 0, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt(pii, sealed.data, sealed.len, "x", 1, &out, &error));
    OK(keyfold_to_text(sealed.data, sealed.len, &text, &error));
    CHECK(strncmp((char *)text.data, "kf1.", 4) == 0 && keyfold_is_ciphertext(text.data, text.len));
    OK(keyfold_from_text((char *)text.data, text.len, &out, &error));
    CHECK(is_same(out, sealed));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_from_text("kf1.A", 5, &out, &error));
    OK(keyfold_key_decrypt(pii, text.data, text.len, NULL, 0, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    OK(keyfold_key_decrypt_text(pii, (char *)text.data, text.len, NULL, 0, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt_text(pii, "ada", 3, NULL, 0, &out, &error));
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt(pii, "kf1.!", 5, NULL, 0, &out, &error));
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt(pii, NULL, 0, NULL, 0, &out, &error));
    keyfold_buf_free(&text);
    OK(keyfold_store_inspect(store, sealed.data, sealed.len, &out, &error));
    HAS(out, "\"key_id\":\"pii\"");
    HAS(out, "\"created_at_ms\":1");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_inspect(store, "ada", 3, &out, &error));
    keyfold_buf_free(&sealed);

    // Every cut of a ciphertext tells one story, and no byte behind its end is touched.
    OK(keyfold_key_encrypt(pii, NULL, 0, NULL, 0, &sealed, &error));
    CHECK(sealed.len == 33);
    for (size_t length = 0; length < sealed.len; length++) {
        char *cut = malloc(length + (length == 0));
        memcpy(cut, sealed.data, length);
        FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt(pii, cut, length, NULL, 0, &out, &error));
        size_t unused;
        unsigned char room[64];
        FAILS(KEYFOLD_DECRYPTION_FAILED,
              keyfold_key_decrypt_into(pii, cut, length, NULL, 0, room, sizeof room, &unused, &error));
        free(cut);
    }
    OK(keyfold_key_decrypt(pii, sealed.data, sealed.len, NULL, 0, &out, &error));
    CHECK(out.data != NULL && out.len == 0 && out.data[0] == 0);
    keyfold_buf_free(&out);
    keyfold_buf_free(&sealed);

    // Texts with a zero byte and without UTF-8.
    OK(keyfold_key_encrypt_text(pii, "a\0\xc3\xa9", 4, "aad", 3, &text, &error));
    OK(keyfold_key_decrypt_text(pii, (char *)text.data, text.len, "aad", 3, &out, &error));
    CHECK(out.len == 4 && memcmp(out.data, "a\0\xc3\xa9", 5) == 0);
    keyfold_buf_free(&out);
    keyfold_buf_free(&text);
    REFUSES("UTF-8", keyfold_key_encrypt_text(pii, "\xff", 1, NULL, 0, &text, &error));
    OK(keyfold_key_encrypt(pii, "\xff", 1, NULL, 0, &sealed, &error));
    OK(keyfold_to_text(sealed.data, sealed.len, &text, &error));
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt_text(pii, (char *)text.data, text.len, NULL, 0, &out, &error));
    keyfold_buf_free(&sealed);
    keyfold_buf_free(&text);

    // By key id.
    OK(keyfold_store_encrypt(store, "pii", "ada", 3, "aad", 3, &sealed, &error));
    OK(keyfold_store_decrypt(store, "pii", sealed.data, sealed.len, "aad", 3, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED,
          keyfold_store_decrypt(store, "bank/iban", sealed.data, sealed.len, "aad", 3, &out, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_encrypt(store, "nope", "ada", 3, NULL, 0, &out, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_decrypt(store, "nope", "ada", 3, NULL, 0, &out, &error));
    keyfold_buf_free(&sealed);
    keyfold_key_free(pii);
}

static void with_contexts(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii");
    keyfold_context *here = keyfold_context_new(), *there = keyfold_context_new(), *empty = keyfold_context_new();
    keyfold_buf sealed = {0}, moved = {0}, out = {0}, aad = {0};
    OK(keyfold_context_add_integer(here, "id", 42, &error));
    OK(keyfold_context_add_integer(there, "id", 43, &error));
    OK(keyfold_context_to_aad(here, &aad, &error));

    OK(keyfold_key_encrypt_with_context(pii, "ada", 3, here, &sealed, &error));
    OK(keyfold_key_decrypt_with_context(pii, sealed.data, sealed.len, here, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    // A context is associated data, made in one way.
    OK(keyfold_key_decrypt(pii, sealed.data, sealed.len, aad.data, aad.len, &out, &error));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt_with_context(pii, sealed.data, sealed.len, there, &out, &error));
    REFUSES("empty", keyfold_key_decrypt_with_context(pii, sealed.data, sealed.len, empty, &out, &error));
    REFUSES("context is NULL", keyfold_key_decrypt_with_context(pii, sealed.data, sealed.len, NULL, &out, &error));
    OK(keyfold_store_decrypt_with_context(store, "pii", sealed.data, sealed.len, here, &out, &error));
    keyfold_buf_free(&out);
    keyfold_buf_free(&sealed);
    OK(keyfold_store_encrypt_with_context(store, "pii", "ada", 3, here, &sealed, &error));

    bool stale = true;
    OK(keyfold_key_needs_reencrypt(pii, sealed.data, sealed.len, &stale, &error));
    CHECK(!stale);
    OK(keyfold_key_reencrypt_with_context(pii, sealed.data, sealed.len, here, &moved, &error));
    CHECK(is_same(sealed, moved));
    keyfold_buf_free(&moved);
    OK(keyfold_store_rotate_key(store, "pii", NULL, &error));
    OK(keyfold_key_needs_reencrypt(pii, sealed.data, sealed.len, &stale, &error));
    CHECK(stale);
    OK(keyfold_key_reencrypt_with_context(pii, sealed.data, sealed.len, here, &moved, &error));
    CHECK(!is_same(sealed, moved));
    OK(keyfold_key_needs_reencrypt(pii, moved.data, moved.len, &stale, &error));
    CHECK(!stale);
    keyfold_buf_free(&moved);
    OK(keyfold_key_reencrypt(pii, sealed.data, sealed.len, aad.data, aad.len, &moved, &error));
    keyfold_buf_free(&moved);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_reencrypt(pii, sealed.data, sealed.len, NULL, 0, &moved, &error));
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_needs_reencrypt(pii, "ada", 3, &stale, &error));
    keyfold_buf_free(&sealed);

    OK(keyfold_key_encrypt_text_with_context(pii, "ada", 3, here, &sealed, &error));
    OK(keyfold_key_decrypt_text_with_context(pii, (char *)sealed.data, sealed.len, here, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    OK(keyfold_store_rotate_key(store, "pii", NULL, &error));
    OK(keyfold_key_reencrypt_text_with_context(pii, (char *)sealed.data, sealed.len, here, &moved, &error));
    CHECK(!is_same(sealed, moved) && strncmp((char *)moved.data, "kf1.", 4) == 0);
    keyfold_buf_free(&moved);
    OK(keyfold_key_reencrypt_text(pii, (char *)sealed.data, sealed.len, aad.data, aad.len, &moved, &error));
    keyfold_buf_free(&moved);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_reencrypt_text(pii, "ada", 3, NULL, 0, &moved, &error));
    keyfold_buf_free(&sealed);
    keyfold_buf_free(&aad);
    keyfold_context_free(here);
    keyfold_context_free(there);
    keyfold_context_free(empty);
    keyfold_key_free(pii);
}

static void into_own_memory(keyfold_store *store) {
    const char *algorithms[] = {"AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM", "XCHACHA20_POLY1305"};
    for (int i = 0; i < 4; i++) {
        char options[60];
        snprintf(options, sizeof options, "{\"algorithm\": \"%s\"}", algorithms[i]);
        OK(keyfold_store_create_key(store, algorithms[i], options, NULL, &error));
        keyfold_key *key = test_key(store, algorithms[i]);
        unsigned char sealed[5 + KEYFOLD_OVERHEAD_MAX], plain[sizeof sealed];
        memset(sealed, 0xaa, sizeof sealed);
        size_t length = 0, written = 0, back = 99;
        OK(keyfold_key_ciphertext_length(key, 5, &length, &error));
        CHECK(length == (i < 2 ? 38u : 50u) && length <= sizeof sealed);
        REFUSES("out_capacity",
                keyfold_key_encrypt_into(key, "hello", 5, "aad", 3, sealed, length - 1, &written, &error));
        CHECK(written == 0 && sealed[0] == 0xaa);
        OK(keyfold_key_encrypt_into(key, "hello", 5, "aad", 3, sealed, sizeof sealed, &written, &error));
        CHECK(written == length && (length == sizeof sealed || sealed[length] == 0xaa));
        OK(keyfold_key_plaintext_length(key, sealed, written, &back, &error));
        CHECK(back == 5);
        back = 99;
        REFUSES("out_capacity", keyfold_key_decrypt_into(key, sealed, written, "aad", 3, plain, 4, &back, &error));
        OK(keyfold_key_decrypt_into(key, sealed, written, "aad", 3, plain, sizeof plain, &back, &error));
        CHECK(back == 5 && memcmp(plain, "hello", 5) == 0);
        back = 99;
        memset(plain, 0xaa, sizeof plain);
        FAILS(KEYFOLD_DECRYPTION_FAILED,
              keyfold_key_decrypt_into(key, sealed, written, NULL, 0, plain, sizeof plain, &back, &error));
        CHECK(back == 99 && memcmp(plain, "\0\0\0\0\0\xaa", 6) == 0);

        // In place is refused, and so is any overlap; next to each other is fine.
        unsigned char both[100] = "hello";
        REFUSES("overlaps", keyfold_key_encrypt_into(key, both, 5, NULL, 0, both, 100, &written, &error));
        REFUSES("overlaps", keyfold_key_encrypt_into(key, both, 5, NULL, 0, both + 4, 96, &written, &error));
        REFUSES("overlaps", keyfold_key_encrypt_into(key, both + length - 1, 5, NULL, 0, both, length, &written, &error));
        REFUSES("overlaps", keyfold_key_encrypt_into(key, NULL, 0, both + 9, 1, both, 100, &written, &error));
        OK(keyfold_key_encrypt_into(key, both, 5, NULL, 0, both + 5, 95, &written, &error));
        REFUSES("overlaps", keyfold_key_decrypt_into(key, both + 5, written, NULL, 0, both + 5, 95, &back, &error));
        OK(keyfold_key_decrypt_into(key, both + 5, written, NULL, 0, both, 5, &back, &error));

        // Nothing takes no room.
        OK(keyfold_key_encrypt_into(key, NULL, 0, NULL, 0, sealed, sizeof sealed, &written, &error));
        OK(keyfold_key_decrypt_into(key, sealed, written, NULL, 0, NULL, 0, &back, &error));
        CHECK(back == 0);
        REFUSES("out is NULL", keyfold_key_encrypt_into(key, NULL, 0, NULL, 0, NULL, 100, &written, &error));
        keyfold_key_free(key);
    }
    keyfold_key *key = test_key(store, "pii");
    size_t length;
    OK(keyfold_key_ciphertext_length(key, KEYFOLD_MESSAGE_MAX, &length, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_key_ciphertext_length(key, KEYFOLD_MESSAGE_MAX + 1, &length, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_key_ciphertext_length(key, SIZE_MAX, &length, &error));
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_plaintext_length(key, "kf1.AAAA", 8, &length, &error));
    keyfold_key_free(key);
}

static void limits(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii");
    keyfold_buf sealed = {0}, out = {0};
    char *large = calloc(1, KEYFOLD_MESSAGE_MAX + 1);
    OK(keyfold_key_encrypt(pii, "ada", 3, large, KEYFOLD_AAD_MAX, &sealed, &error));
    keyfold_buf_free(&sealed);
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_key_encrypt(pii, "ada", 3, large, KEYFOLD_AAD_MAX + 1, &sealed, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_key_encrypt(pii, large, KEYFOLD_MESSAGE_MAX + 1, NULL, 0, &sealed, &error));
    large[KEYFOLD_MESSAGE_MAX - 1] = 'z';
    OK(keyfold_key_encrypt(pii, large, KEYFOLD_MESSAGE_MAX, NULL, 0, &sealed, &error));
    OK(keyfold_key_decrypt(pii, sealed.data, sealed.len, NULL, 0, &out, &error));
    CHECK(out.len == KEYFOLD_MESSAGE_MAX && memcmp(out.data, large, out.len) == 0);
    keyfold_buf_free(&out);
    keyfold_buf_free(&sealed);
    free(large);
    keyfold_key_free(pii);
}

static void blind_indexes(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii"), *iban = test_key(store, "bank/iban");
    keyfold_buf one = {0}, other = {0};
    size_t count = 0;
    OK(keyfold_key_blind_index(pii, "ada", 3, "users.email", NULL, &one, &error));
    CHECK(one.len == 16);
    OK(keyfold_store_rotate_key(store, "pii", NULL, &error));
    OK(keyfold_key_blind_index(pii, "ada", 3, "users.email", "{\"bits\": 128}", &other, &error));
    CHECK(is_same(one, other));
    keyfold_buf_free(&other);
    OK(keyfold_key_blind_index(iban, "ada", 3, "users.email", NULL, &other, &error));
    CHECK(!is_same(one, other));
    keyfold_buf_free(&other);
    OK(keyfold_key_blind_indexes(pii, "ada", 3, "users.email", NULL, &other, &count, &error));
    CHECK(count == 1 && is_same(one, other));
    keyfold_buf_free(&other);
    keyfold_buf_free(&one);
    OK(keyfold_key_blind_index(pii, NULL, 0, "f", "{\"bits\": 9}", &one, &error));
    CHECK(one.len == 2 && (one.data[1] & 0x7f) == 0);
    keyfold_buf_free(&one);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_blind_index(pii, "a", 1, "", NULL, &one, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_blind_index(pii, "a", 1, "f", "{\"bits\": 0}", &one, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_blind_index(pii, "a", 1, "f", "{\"bits\": -1}", &one, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_blind_indexes(pii, "a", 1, "f", "{\"bits\": 257}", &one, &count, &error));
    keyfold_key_free(pii);
    keyfold_key_free(iban);
}

static void closing(void) {
    keyfold_store *store = test_store("closing.keyfold");
    keyfold_key *pii = test_key(store, "pii"), *late = NULL;
    keyfold_buf out = {0};
    bool ok;
    char *fingerprint = strdup(keyfold_store_fingerprint(store));
    keyfold_store_close(store);
    keyfold_store_close(store);
    FAILS(KEYFOLD_CLOSED, keyfold_key_encrypt(pii, "ada", 3, NULL, 0, &out, &error));
    FAILS(KEYFOLD_CLOSED, keyfold_store_key(store, "pii", &late, &error));
    FAILS(KEYFOLD_CLOSED, keyfold_store_rotate_key(store, "pii", NULL, &error));
    FAILS(KEYFOLD_CLOSED, keyfold_store_anchor(store, &out, &error));
    FAILS(KEYFOLD_CLOSED, keyfold_store_check(store, &ok, &out, &error));
    CHECK(strcmp(fingerprint, keyfold_store_fingerprint(store)) == 0);
    CHECK(strcmp(keyfold_key_id(pii), "pii") == 0);
    keyfold_store_free(store);
    // Freed in any order.
    FAILS(KEYFOLD_CLOSED, keyfold_key_info(pii, &out, &error));
    keyfold_key_free(pii);
    free(fingerprint);
    store = test_store("closing.keyfold");
    pii = test_key(store, "pii");
    keyfold_key_free(pii);
    keyfold_store_free(store);
    keyfold_store_free(NULL);
    keyfold_store_close(NULL);
    keyfold_key_free(NULL);
    keyfold_context_free(NULL);
    keyfold_master_key_free(NULL);
    keyfold_buf_free(NULL);
}

int main(void) {
    keyfold_store *store = test_store("api.keyfold");
    library();
    master_keys();
    errors(store);
    opening();
    keys_of_a_store(store);
    contexts();
    encrypting(store);
    with_contexts(store);
    into_own_memory(store);
    limits(store);
    blind_indexes(store);
    closing();
    keyfold_store_free(store);
    return finish("api");
}
