// What goes beyond single values: batches, streams, files, codes, purposes, recipients, the life of versions, transfer.
#include "check.h"

#include <pthread.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MIB ((size_t)1 << 20)
// The cheapest that is allowed.
#define CHEAP "{\"memory_kib\": 19456, \"passes\": 1, \"lanes\": 1}"

static int is_text(keyfold_buf buf, const char *text) {
    return buf.len == strlen(text) && memcmp(buf.data, text, buf.len + 1) == 0;
}

static keyfold_key *key_of_kind(keyfold_store *store, const char *kind) {
    char options[100];
    snprintf(options, sizeof options, "{\"kind\": \"%s\", \"exist_ok\": true}", kind);
    OK(keyfold_store_create_key(store, kind, options, NULL, &error));
    return test_key(store, kind);
}

static keyfold_data part(keyfold_buf buf, const size_t *offsets, size_t index) {
    keyfold_data one = {buf.data + offsets[index], offsets[index + 1] - offsets[index]};
    if (one.len == 0)
        one.data = NULL;
    return one;
}

static void batches(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii");
    const keyfold_data values[] = {{"ada", 3}, {NULL, 0}, {"", 0}, {"grace", 5}};
    const keyfold_data one[] = {{"aad", 3}}, each[] = {{"0", 1}, {"1", 1}, {NULL, 0}, {"3", 1}};
    enum { N = COUNT(values) };
    size_t offsets[N + 1], back[N + 1];
    keyfold_status statuses[N];
    keyfold_buf sealed = {0}, plain = {0};
    keyfold_data parts[N];

    const struct { const keyfold_data *aads; size_t count; } bound[] = {{NULL, 0}, {one, 1}, {each, N}};
    for (size_t way = 0; way < COUNT(bound) * 2; way++) {
        const keyfold_data *aads = bound[way / 2].aads;
        size_t count = bound[way / 2].count;
        int text = way % 2;
        if (text)
            OK(keyfold_key_encrypt_many_text(pii, values, N, aads, count, &sealed, offsets, &error));
        else
            OK(keyfold_key_encrypt_many(pii, values, N, aads, count, &sealed, offsets, &error));
        CHECK(offsets[0] == 0 && offsets[1] == offsets[2] && offsets[N] == sealed.len);
        CHECK(text || (offsets[1] == 36 && offsets[3] - offsets[2] == 33));
        for (size_t i = 0; i < N; i++)
            parts[i] = part(sealed, offsets, i);
        CHECK(parts[1].data == NULL && parts[2].data != NULL);
        if (text)
            OK(keyfold_key_decrypt_many_text(pii, parts, N, aads, count, &plain, back, NULL, &error));
        else
            OK(keyfold_key_decrypt_many(pii, parts, N, aads, count, &plain, back, NULL, &error));
        CHECK(is_text(plain, "adagrace"));
        CHECK(back[0] == 0 && back[1] == 3 && back[2] == 3 && back[3] == 3 && back[4] == 8);
        keyfold_buf_free(&plain);
        // Each by itself opens as well.
        keyfold_data aad = count == 0 ? values[1] : count == 1 ? one[0] : each[3];
        OK(keyfold_key_decrypt(pii, parts[3].data, parts[3].len, aad.data, aad.len, &plain, &error));
        CHECK(is_text(plain, "grace"));
        keyfold_buf_free(&plain);

        // A damaged one: the call fails and says which, or the others open.
        ((unsigned char *)sealed.data)[offsets[4] - 5] ^= 1;
        back[0] = 99;
        if (text)
            CHECK(keyfold_key_decrypt_many_text(pii, parts, N, aads, count, &plain, back, NULL, &error) == KEYFOLD_DECRYPTION_FAILED);
        else
            CHECK(keyfold_key_decrypt_many(pii, parts, N, aads, count, &plain, back, NULL, &error) == KEYFOLD_DECRYPTION_FAILED);
        CHECK(keyfold_error_index(error) == 3 && plain.data == NULL && back[0] == 99);
        keyfold_error_free(error);
        error = NULL;
        if (text)
            OK(keyfold_key_decrypt_many_text(pii, parts, N, aads, count, &plain, back, statuses, &error));
        else
            OK(keyfold_key_decrypt_many(pii, parts, N, aads, count, &plain, back, statuses, &error));
        CHECK(statuses[0] == KEYFOLD_OK && statuses[1] == KEYFOLD_OK && statuses[2] == KEYFOLD_OK);
        CHECK(statuses[3] == KEYFOLD_DECRYPTION_FAILED && back[4] == 3 && is_text(plain, "ada"));
        keyfold_buf_free(&plain);
        keyfold_buf_free(&sealed);
    }

    // Contexts: one for all, one for each.
    keyfold_context *contexts[N];
    for (int i = 0; i < N; i++) {
        contexts[i] = keyfold_context_new();
        OK(keyfold_context_add_integer(contexts[i], "id", i, &error));
    }
    const keyfold_context *const *lent = (const keyfold_context *const *)contexts;
    for (size_t count = 1; count <= N; count += N - 1) {
        OK(keyfold_key_encrypt_many_with_contexts(pii, values, N, lent, count, &sealed, offsets, &error));
        for (size_t i = 0; i < N; i++)
            parts[i] = part(sealed, offsets, i);
        OK(keyfold_key_decrypt_many_with_contexts(pii, parts, N, lent, count, &plain, back, NULL, &error));
        CHECK(is_text(plain, "adagrace"));
        keyfold_buf_free(&plain);
        OK(keyfold_key_decrypt_many_with_contexts(pii, parts, N, lent, 1, &plain, back, statuses, &error));
        CHECK((statuses[3] == KEYFOLD_OK) == (count == 1));
        keyfold_buf_free(&plain);
        keyfold_buf_free(&sealed);
        OK(keyfold_key_encrypt_many_text_with_contexts(pii, values, N, lent, count, &sealed, offsets, &error));
        for (size_t i = 0; i < N; i++)
            parts[i] = part(sealed, offsets, i);
        OK(keyfold_key_decrypt_many_text_with_contexts(pii, parts, N, lent, count, &plain, back, NULL, &error));
        CHECK(is_text(plain, "adagrace"));
        keyfold_buf_free(&plain);
        keyfold_buf_free(&sealed);
    }
    REFUSES("contexts_count is 0", keyfold_key_encrypt_many_with_contexts(pii, values, N, lent, 0, &sealed, offsets, &error));
    REFUSES("4 values have 2", keyfold_key_encrypt_many_with_contexts(pii, values, N, lent, 2, &sealed, offsets, &error));
    REFUSES("4 values have 3", keyfold_key_encrypt_many(pii, values, N, each, 3, &sealed, offsets, &error));
    const keyfold_context *hole[] = {contexts[0], NULL, contexts[2], contexts[3]};
    REFUSES("context is NULL", keyfold_key_encrypt_many_with_contexts(pii, values, N, hole, N, &sealed, offsets, &error));
    for (int i = 0; i < N; i++)
        keyfold_context_free(contexts[i]);

    const keyfold_data broken[] = {{"ada", 3}, {NULL, 5}}, bad_text[] = {{"ada", 3}, {"\xff", 1}}, negative[] = {{"a", SIZE_MAX}};
    CHECK(keyfold_key_encrypt_many(pii, broken, 2, NULL, 0, &sealed, offsets, &error) == KEYFOLD_INVALID_ARGUMENT);
    CHECK(keyfold_error_index(error) == 1);
    keyfold_error_free(error);
    error = NULL;
    REFUSES("not UTF-8", keyfold_key_encrypt_many_text(pii, bad_text, 2, NULL, 0, &sealed, offsets, &error));
    REFUSES("negative", keyfold_key_encrypt_many(pii, negative, 1, NULL, 0, &sealed, offsets, &error));
    REFUSES("negative", keyfold_key_encrypt_many(pii, values, SIZE_MAX, NULL, 0, &sealed, offsets, &error));
    REFUSES("negative", keyfold_key_decrypt_many(pii, values, SIZE_MAX, NULL, 0, &sealed, offsets, NULL, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_key_encrypt_many(pii, values, KEYFOLD_BATCH_MAX + 1, NULL, 0, &sealed, offsets, &error));
    OK(keyfold_key_encrypt_many(pii, NULL, 0, NULL, 0, &sealed, offsets, &error));
    CHECK(sealed.len == 0 && offsets[0] == 0);
    keyfold_buf_free(&sealed);
    keyfold_key_free(pii);
}

static void codes(keyfold_store *store) {
    keyfold_key *mac = key_of_kind(store, "mac");
    keyfold_buf code = {0}, raw = {0};
    OK(keyfold_key_mac(mac, "data", 4, &code, &error));
    OK(keyfold_key_mac_raw(mac, "data", 4, &raw, &error));
    CHECK(code.len == 37 && raw.len == 32 && memcmp(code.data + 5, raw.data, 32) == 0);
    OK(keyfold_store_rotate_key(store, "mac", NULL, &error));
    OK(keyfold_key_verify_mac(mac, "data", 4, code.data, code.len, &error));
    OK(keyfold_key_verify_mac_raw(mac, "data", 4, raw.data, raw.len, &error));
    FAILS(KEYFOLD_VERIFICATION_FAILED, keyfold_key_verify_mac(mac, "date", 4, code.data, code.len, &error));
    FAILS(KEYFOLD_VERIFICATION_FAILED, keyfold_key_verify_mac(mac, "data", 4, NULL, 0, &error));
    FAILS(KEYFOLD_VERIFICATION_FAILED, keyfold_key_verify_mac_raw(mac, "data", 4, raw.data, raw.len - 1, &error));
    keyfold_buf_free(&code);
    keyfold_buf_free(&raw);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_encrypt(mac, "a", 1, NULL, 0, &code, &error));
    keyfold_key_free(mac);
}

static void deterministic(keyfold_store *store) {
    keyfold_key *key = key_of_kind(store, "deterministic");
    keyfold_context *where = keyfold_context_new();
    keyfold_buf sealed = {0};
    keyfold_list *found = NULL;
    OK(keyfold_context_add_text(where, "column", "email", &error));
    OK(keyfold_key_encrypt_with_context(key, "ada", 3, where, &sealed, &error));
    OK(keyfold_store_rotate_key(store, "deterministic", NULL, &error));
    OK(keyfold_key_search_ciphertexts_with_context(key, "ada", 3, where, &found, &error));
    CHECK(keyfold_list_count(found) == 2 && keyfold_list_length(found, 1) == sealed.len);
    CHECK(memcmp(keyfold_list_data(found, 1), sealed.data, sealed.len) == 0);
    CHECK(keyfold_list_data(found, 2) == NULL && keyfold_list_length(found, SIZE_MAX) == 0);
    keyfold_list_free(found);
    OK(keyfold_key_search_ciphertexts(key, "ada", 3, NULL, 0, &found, &error));
    CHECK(memcmp(keyfold_list_data(found, 1), sealed.data, sealed.len) != 0);
    keyfold_list_free(found);
    keyfold_buf_free(&sealed);
    keyfold_context_free(where);
    keyfold_key_free(key);
}

static void indexes(keyfold_store *store) {
    keyfold_key *pii = test_key(store, "pii");
    keyfold_buf many = {0}, one = {0}, out = {0};
    size_t width = 0, count = 0;
    const keyfold_data values[] = {{"ada", 3}, {NULL, 0}, {"", 0}};
    OK(keyfold_key_blind_index_many(pii, values, 3, "f", "{\"bits\": 20}", &many, &width, &error));
    OK(keyfold_key_blind_index(pii, "ada", 3, "f", "{\"bits\": 20}", &one, &error));
    CHECK(width == 3 && many.len == 9 && memcmp(many.data, one.data, 3) == 0 && memcmp(many.data + 3, "\0\0\0", 3) == 0);
    keyfold_buf_free(&many);
    keyfold_buf_free(&one);
    const char *fields[] = {"first", "last"}, *turned[] = {"last", "first"};
    const keyfold_data names[] = {{"ada", 3}, {"lovelace", 8}}, back[] = {{"lovelace", 8}, {"ada", 3}};
    OK(keyfold_key_blind_index_compound(pii, fields, names, 2, NULL, &one, &error));
    OK(keyfold_key_blind_indexes_compound(pii, turned, back, 2, NULL, &many, &count, &error));
    CHECK(count == 1 && one.len == 16 && memcmp(one.data, many.data, 16) == 0);
    keyfold_buf_free(&many);
    keyfold_buf_free(&one);
    REFUSES("values[1].data is NULL", keyfold_key_blind_index_compound(pii, fields, values, 2, NULL, &one, &error));
    REFUSES("count is 0", keyfold_key_blind_index_compound(pii, fields, values, 0, NULL, &one, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_blind_index_compound(pii, fields, values, 17, NULL, &one, &error));
    OK(keyfold_index_report(values, 3, "{\"bits\": 8}", &out, &error));
    HAS(out, "\"rows\":2");
    HAS(out, "\"nulls\":1");
    keyfold_buf_free(&out);

    // Roots.
    OK(keyfold_store_rotate_index_salt(store, NULL, "pii", &out, &error));
    HAS(out, "\"version\":2");
    keyfold_buf_free(&out);
    OK(keyfold_key_blind_indexes(pii, "ada", 3, "f", NULL, &many, &count, &error));
    CHECK(count == 2 && many.len == 32);
    keyfold_buf_free(&many);
    OK(keyfold_store_index_salts(store, NULL, "pii", &out, &error));
    HAS(out, "\"created_at_ms\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_get_index_salt(store, NULL, "pii", 1, &one, &error));
    OK(keyfold_store_get_index_salt(store, NULL, "pii", 0, &many, &error));
    CHECK(one.len == 32 && many.len == 32 && memcmp(one.data, many.data, 32) != 0);
    keyfold_buf_free(&many);
    keyfold_buf_free(&one);
    FAILS(KEYFOLD_IN_USE, keyfold_store_retire_index_salt(store, NULL, "pii", 2, &error));
    OK(keyfold_store_retire_index_salt(store, NULL, "pii", 1, &error));
    REFUSES("both given", keyfold_store_index_salts(store, "pii", "pii", &out, &error));
    keyfold_key_free(pii);

    keyfold_key *derive = key_of_kind(store, "derive");
    OK(keyfold_store_derive_key(store, "derive", "session", 40, 0, &one, &error));
    OK(keyfold_store_derive_key(store, "derive", "session", 40, 1, &many, &error));
    CHECK(one.len == 40 && memcmp(one.data, many.data, 40) == 0);
    keyfold_buf_free(&many);
    keyfold_buf_free(&one);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_derive_key(store, "derive", "", 40, 0, &one, &error));
    FAILS(KEYFOLD_LIMIT_EXCEEDED, keyfold_store_derive_key(store, "derive", "x", 9000, 0, &one, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_derive_key(store, "derive", "x", 32, 9, &one, &error));
    keyfold_key_free(derive);
}

// Streams.

struct pipe {
    const unsigned char *in;
    size_t in_len, most;
    unsigned char *out;
    size_t out_len, room;
    int fail_read, fail_write, fail_progress, lie;
    uint64_t done;
};

static int take(void *user_data, uint8_t *buffer, size_t capacity, size_t *length) {
    struct pipe *pipe = user_data;
    if (pipe->lie) {
        *length = capacity + 1;
        return 0;
    }
    if (pipe->in_len == 0)
        return pipe->fail_read;
    *length = pipe->in_len;
    if (*length > capacity)
        *length = capacity;
    if (*length > pipe->most)
        *length = pipe->most;
    memcpy(buffer, pipe->in, *length);
    pipe->in += *length;
    pipe->in_len -= *length;
    return 0;
}

static int put(void *user_data, const uint8_t *data, size_t length) {
    struct pipe *pipe = user_data;
    if (pipe->fail_write || pipe->room - pipe->out_len < length)
        return 28;
    memcpy(pipe->out + pipe->out_len, data, length);
    pipe->out_len += length;
    return 0;
}

static int look(void *user_data, uint64_t done) {
    struct pipe *pipe = user_data;
    pipe->done = done;
    return pipe->fail_progress;
}

static void streams(keyfold_store *store) {
    keyfold_key *key = key_of_kind(store, "stream");
    keyfold_context *where = keyfold_context_new();
    OK(keyfold_context_add_text(where, "file", "a", &error));
    size_t length = 2 * MIB + 12345;
    unsigned char *plain = malloc(length), *sealed = malloc(length + 1000), *back = malloc(length + 1000);
    for (size_t i = 0; i < length; i++)
        plain[i] = (unsigned char)(i * 7 + i / 1000);
    size_t sizes[] = {0, 1, 1000, length};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        // From callback to callback, in short reads.
        struct pipe in = {plain, sizes[s], 70001, sealed, 0, length + 1000, 0, 0, 0, 0, 0};
        uint64_t done = 99;
        OK(keyfold_key_encrypt_stream_with_context(key, where, take, put, look, &in, &done, &error));
        CHECK(done == sizes[s] && in.done == done && in.out_len > sizes[s]);
        struct pipe out = {sealed, in.out_len, 1 << 30, back, 0, length + 1000, 0, 0, 0, 0, 0};
        OK(keyfold_key_decrypt_stream_with_context(key, where, take, put, NULL, &out, &done, &error));
        CHECK(done == sizes[s] && out.out_len == done && memcmp(back, plain, done) == 0);
        struct pipe wrong = {sealed, in.out_len, 1 << 30, back, 0, length + 1000, 0, 0, 0, 0, 0};
        FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt_stream(key, NULL, 0, take, put, NULL, &wrong, NULL, &error));

        // In parts.
        keyfold_stream_decryptor *decryptor = NULL;
        keyfold_buf ready = {0};
        bool stale = true;
        OK(keyfold_stream_decryptor_new_with_context(key, where, &decryptor, &error));
        CHECK(keyfold_stream_decryptor_version(decryptor) == 0);
        REFUSES("not known", keyfold_stream_decryptor_needs_reencrypt(decryptor, &stale, &error));
        size_t at = 0, given = 0;
        while (at < in.out_len) {
            size_t size = in.out_len - at < 300001 ? in.out_len - at : 300001;
            OK(keyfold_stream_decryptor_update(decryptor, sealed + at, size, &ready, &error));
            CHECK(memcmp(plain + given, ready.data, ready.len) == 0);
            at += size;
            given += ready.len;
            keyfold_buf_free(&ready);
        }
        OK(keyfold_stream_decryptor_finish(decryptor, &ready, &error));
        CHECK(given + ready.len == sizes[s] && memcmp(plain + given, ready.data, ready.len) == 0);
        keyfold_buf_free(&ready);
        CHECK(keyfold_stream_decryptor_version(decryptor) == 1);
        OK(keyfold_stream_decryptor_needs_reencrypt(decryptor, &stale, &error));
        CHECK(!stale);
        FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_stream_decryptor_update(decryptor, "x", 1, &ready, &error));
        keyfold_stream_decryptor_free(decryptor);
        // Cut.
        OK(keyfold_stream_decryptor_new_with_context(key, where, &decryptor, &error));
        OK(keyfold_stream_decryptor_update(decryptor, sealed, in.out_len - 1, &ready, &error));
        keyfold_buf_free(&ready);
        FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_stream_decryptor_finish(decryptor, &ready, &error));
        CHECK(ready.data == NULL);
        keyfold_stream_decryptor_free(decryptor);
    }
    keyfold_stream_encryptor *encryptor = NULL;
    keyfold_stream_decryptor *decryptor = NULL;
    keyfold_buf first = {0}, rest = {0}, opened = {0};
    OK(keyfold_stream_encryptor_new(key, "aad", 3, &encryptor, &error));
    OK(keyfold_stream_encryptor_update(encryptor, "hello", 5, &first, &error));
    OK(keyfold_stream_encryptor_finish(encryptor, &rest, &error));
    CHECK(first.len == 0);
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_stream_encryptor_update(encryptor, "x", 1, &opened, &error));
    keyfold_stream_encryptor_free(encryptor);
    OK(keyfold_stream_decryptor_new(key, "aad", 3, &decryptor, &error));
    keyfold_buf_free(&first);
    OK(keyfold_stream_decryptor_update(decryptor, rest.data, rest.len, &first, &error));
    OK(keyfold_stream_decryptor_finish(decryptor, &opened, &error));
    CHECK(is_text(opened, "hello"));
    keyfold_stream_decryptor_free(decryptor);
    keyfold_buf_free(&first);
    keyfold_buf_free(&rest);
    keyfold_buf_free(&opened);
    // Left unended.
    OK(keyfold_stream_encryptor_new_with_context(key, where, &encryptor, &error));
    OK(keyfold_stream_encryptor_update(encryptor, plain, 1000, &first, &error));
    keyfold_stream_encryptor_free(encryptor);
    keyfold_buf_free(&first);

    // Callbacks that fail, and one that lies.
    for (int way = 0; way < 4; way++) {
        struct pipe bad = {plain, 1000, 100, sealed, 0, length, way == 0 ? 5 : 0, way == 1, way == 2 ? 7 : 0, way == 3, 0};
        CHECK(keyfold_key_encrypt_stream(key, NULL, 0, take, put, look, &bad, NULL, &error) == KEYFOLD_STORAGE);
        const char *said[] = {"read callback returned 5", "write callback returned 28", "progress callback returned 7", NULL};
        CHECK(said[way] == NULL || strstr(keyfold_error_cause(error), said[way]) != NULL);
        keyfold_error_free(error);
        error = NULL;
    }

    // Files.
    FILE *file = fopen("plain.bin", "wb");
    CHECK(fwrite(plain, 1, length, file) == length);
    fclose(file);
    uint64_t done = 0;
    struct pipe seen = {0};
    struct stat info;
    OK(keyfold_key_encrypt_file(key, "plain.bin", "sealed.bin", "aad", 3, NULL, look, &seen, &done, &error));
    CHECK(done == length && seen.done == length && stat("sealed.bin", &info) == 0 && (info.st_mode & 0777) == 0600);
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_key_encrypt_file(key, "plain.bin", "sealed.bin", "aad", 3, NULL, NULL, NULL, NULL, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_key_encrypt_file(key, "plain.bin", "x", NULL, 0, "{\"forced\": true}", NULL, NULL, NULL, &error));
    OK(keyfold_key_decrypt_file(key, "sealed.bin", "back.bin", "aad", 3, NULL, NULL, NULL, &done, &error));
    CHECK(done == length && stat("back.bin", &info) == 0 && (size_t)info.st_size == length);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt_file(key, "sealed.bin", "bad.bin", NULL, 0, NULL, NULL, NULL, NULL, &error));
    CHECK(access("bad.bin", F_OK) != 0);
    OK(keyfold_key_encrypt_file_with_context(key, "plain.bin", "sealed.bin", where, "{\"force\": true}", NULL, NULL, NULL, &error));
    OK(keyfold_key_decrypt_file_with_context(key, "sealed.bin", "back.bin", where, "{\"force\": true}", NULL, NULL, NULL, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_key_encrypt_file(key, "nowhere.bin", "x", NULL, 0, NULL, NULL, NULL, NULL, &error));
    free(plain);
    free(sealed);
    free(back);
    keyfold_context_free(where);
    keyfold_key_free(key);
}

static void versions(keyfold_store *store) {
    keyfold_buf out = {0};
    bool pending = true;
    const char *ids[] = {"many/1", "many/2"}, *options[] = {NULL, "{\"purpose\": \"medical\"}"};
    const char *bad[] = {NULL, "{\"kin\": 1}"}, *again[] = {"many/3", "many/1"};
    CHECK(keyfold_store_create_keys(store, ids, bad, 2, &out, &error) == KEYFOLD_INVALID_ARGUMENT);
    CHECK(keyfold_error_index(error) == 1);
    keyfold_error_free(error);
    error = NULL;
    OK(keyfold_store_create_keys(store, ids, options, 2, &out, &error));
    HAS(out, "many/2");
    HAS(out, "medical");
    keyfold_buf_free(&out);
    CHECK(keyfold_store_create_keys(store, again, NULL, 2, &out, &error) == KEYFOLD_ALREADY_EXISTS);
    CHECK(keyfold_error_index(error) == 1);
    keyfold_error_free(error);
    error = NULL;
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_key_info(store, "many/3", &out, &error));

    OK(keyfold_store_rotate_key_with(store, "many/1", "{\"stage\": true, \"algorithm\": \"AES256_GCM\"}", &out, &error));
    HAS(out, "\"state\":\"staged\"");
    keyfold_buf_free(&out);
    OK(keyfold_store_promote_version(store, "many/1", 2, &out, &error));
    HAS(out, "\"is_current\":true");
    keyfold_buf_free(&out);
    OK(keyfold_store_set_version_state(store, "many/1", 1, "disabled", "why not", &out, &error));
    HAS(out, "why not");
    keyfold_buf_free(&out);
    REFUSES("none of", keyfold_store_set_version_state(store, "many/1", 1, "off", NULL, NULL, &error));
    FAILS(KEYFOLD_IN_USE, keyfold_store_set_version_state(store, "many/1", 2, "disabled", NULL, NULL, &error));
    REFUSES("length of time", keyfold_store_schedule_destruction(store, "many/1", 1, "30", NULL, &error));
    OK(keyfold_store_schedule_destruction(store, "many/1", 1, NULL, &out, &error));
    HAS(out, "pending_destruction");
    HAS(out, "\"destroy_at_ms\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_cancel_destruction(store, "many/1", 1, NULL, &error));
    REFUSES("", keyfold_store_cancel_destruction(store, "many/1", 1, NULL, &error));
    OK(keyfold_store_schedule_destruction(store, "many/1", 1, "0s", NULL, &error));
    OK(keyfold_store_run_due(store, &out, &error));
    HAS(out, "\"destroyed\":[{\"key_id\":\"many/1\",\"version\":1}]");
    HAS(out, "\"at_ms\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_purge_pending(store, &pending, &error));
    CHECK(!pending);
    OK(keyfold_store_purge(store, &pending, &error));
    OK(keyfold_store_purge(store, NULL, &error));
    OK(keyfold_store_archive_key(store, "many/1", &out, &error));
    HAS(out, "\"archived\":true");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_KEY_UNAVAILABLE, keyfold_store_encrypt(store, "many/1", "a", 1, NULL, 0, &out, &error));
    OK(keyfold_store_key_usage(store, "pii", &out, &error));
    HAS(out, "\"messages\":");
    HAS(out, "\"limit\":35184372088832");
    keyfold_buf_free(&out);
    OK(keyfold_store_list_keys(store, "{\"state\": \"archived\", \"after\": \"many\", \"limit\": 1}", &out, &error));
    HAS(out, "many/1");
    keyfold_buf_free(&out);

    keyfold_key *key = NULL;
    OK(keyfold_store_register_purpose(store, "tickets", "{\"rotation_period\": \"90d\", \"description\": \"d\"}", &out, &error));
    HAS(out, "\"rotation_period\":\"2months");
    HAS(out, "\"created_at_ms\":1");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_store_register_purpose(store, "tickets", NULL, NULL, &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_key_for(store, "tickets", &key, &error));
    OK(keyfold_store_create_key(store, "ticket", "{\"purpose\": \"tickets\", \"expires_in\": \"365d\"}", &out, &error));
    HAS(out, "\"rotation_due_at_ms\":1");
    HAS(out, "\"expires_at_ms\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_key_for(store, "tickets", &key, &error));
    CHECK(strcmp(keyfold_key_id(key), "ticket") == 0);
    keyfold_key_free(key);
    OK(keyfold_store_purposes(store, &out, &error));
    HAS(out, "\"built_in\":true");
    HAS(out, "tickets");
    keyfold_buf_free(&out);
}

static keyfold_status opens(keyfold_master_key *master_key) {
    keyfold_store *store = NULL;
    keyfold_status status = keyfold_store_open("depth.keyfold", master_key, NULL, &store, &error);
    keyfold_store_free(store);
    return status;
}

static void recipients(keyfold_store *store) {
    keyfold_master_key *phrase = NULL, *printed = NULL, *shared = NULL, *any = NULL, *wrong = NULL;
    keyfold_buf out = {0}, text = {0}, shares[3] = {{0}};
    bool ok = false;
    REFUSES("empty", keyfold_master_key_new_passphrase("", NULL, &phrase, &error));
    const char *bad[] = {"[]", "{\"kdf\": \"md5\"}", "{\"rounds\": 600000}", "{\"memory_kib\": 5}", "{\"cost\": 1}",
                         "{\"kdf\": \"pbkdf2_sha256\", \"passes\": 1}", "{\"kdf\": \"pbkdf2_sha256\", \"rounds\": 5}"};
    for (size_t i = 0; i < COUNT(bad); i++)
        REFUSES("", keyfold_master_key_new_passphrase("correct horse", bad[i], &phrase, &error));
    OK(keyfold_master_key_new_passphrase("x", "{\"kdf\": \"pbkdf2_sha256\"}", &phrase, &error));
    keyfold_master_key_free(phrase);
    OK(keyfold_master_key_new_passphrase("correct horse", CHEAP, &phrase, &error));
    OK(keyfold_store_add_recipient(store, phrase, "{\"id\": \"phrase\", \"description\": \"in a head\"}", &out, &error));
    HAS(out, "\"recipient_id\":\"phrase\"");
    HAS(out, "\"memory_kib\":\"19456\"");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_store_add_recipient(store, phrase, NULL, NULL, &error));
    OK(opens(phrase));

    OK(keyfold_recovery_key_generate(&text, &error));
    CHECK(strncmp((char *)text.data, "kfr1-", 5) == 0);
    OK(keyfold_master_key_new_recovery_key((char *)text.data, &printed, &error));
    FAILS(KEYFOLD_WRONG_MASTER_KEY, opens(printed));
    OK(keyfold_store_add_recipient(store, printed, NULL, NULL, &error));
    OK(opens(printed));
    text.data[7] = text.data[7] == 'A' ? 'B' : 'A';
    REFUSES("", keyfold_master_key_new_recovery_key((char *)text.data, &wrong, &error));
    keyfold_buf_free(&text);

    REFUSES("", keyfold_shares_split(4, 3, shares, &error));
    CHECK(shares[0].data == NULL);
    OK(keyfold_shares_split(2, 3, shares, &error));
    const char *two[] = {(char *)shares[2].data, (char *)shares[0].data};
    REFUSES("", keyfold_master_key_new_shares(two, 1, &shared, &error));
    OK(keyfold_master_key_new_shares(two, 2, &shared, &error));
    OK(keyfold_store_add_recipient(store, shared, NULL, NULL, &error));
    OK(opens(shared));
    for (int i = 0; i < 3; i++)
        keyfold_buf_free(&shares[i]);

    unsigned char other[32] = "another master key of 32 bytes..";
    OK(keyfold_master_key_new_bytes(other, 32, &wrong, &error));
    const keyfold_master_key *several[] = {wrong, printed}, *hole[] = {wrong, NULL};
    OK(keyfold_master_key_new_any_of(several, 2, &any, &error));
    OK(opens(any));
    keyfold_master_key_free(any);
    REFUSES("master_keys[1] is NULL", keyfold_master_key_new_any_of(hole, 2, &any, &error));
    REFUSES("", keyfold_master_key_new_any_of(NULL, 0, &any, &error));

    FAILS(KEYFOLD_WRONG_MASTER_KEY, keyfold_store_test_recipient(store, wrong, &out, &error));
    OK(keyfold_store_test_recipient(store, printed, &out, &error));
    HAS(out, "\"created_at_ms\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_drill(store, printed, &ok, &out, &error));
    CHECK(ok);
    HAS(out, "\"created_at_ms\":1");
    HAS(out, "\"findings\":[]");
    keyfold_buf_free(&out);
    OK(keyfold_store_recipients(store, &out, &error));
    HAS(out, "in a head");
    HAS(out, "\"is_mine\":true");
    CHECK(strstr((char *)out.data, "created_at\"") == NULL);
    keyfold_buf_free(&out);
    OK(keyfold_store_remove_recipient(store, "phrase", &out, &error));
    HAS(out, "\"kek_version\":2");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_WRONG_MASTER_KEY, opens(phrase));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_remove_recipient(store, "phrase", NULL, &error));
    OK(keyfold_store_rotate_master_key(store, NULL, &out, &error));
    HAS(out, "\"kek_version\":3");
    keyfold_buf_free(&out);
    OK(keyfold_store_rotate_master_key(store, wrong, NULL, &error));
    OK(opens(wrong));
    keyfold_master_key_free(phrase);
    keyfold_master_key_free(printed);
    keyfold_master_key_free(shared);
    keyfold_master_key_free(wrong);
}

// Changes one letter of this text where it stands in the file, as a bad disk would.
static void damage(const char *path, const char *text) {
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (file == NULL)
        return;
    static char bytes[4 << 20];
    size_t length = fread(bytes, 1, sizeof bytes, file), place = 0, found = 0;
    for (; place + strlen(text) <= length; place++)
        if (memcmp(bytes + place, text, strlen(text)) == 0) {
            found++;
            CHECK(fseek(file, (long)place, SEEK_SET) == 0 && fputc(text[0] ^ 1, file) != EOF);
        }
    CHECK(found > 0 && fclose(file) == 0);
}

static int pages;
static void count_pages(void *user_data, uint64_t done, uint64_t all) { *(int *)user_data += done <= all; }

// In a thread of its own: what the library keeps for a thread goes when that ends, and valgrind sees it go.
static void *transfer(void *unused) {
    (void)unused;
    keyfold_store *store = test_store("transfer.keyfold"), *again = NULL;
    keyfold_master_key *master_key = NULL;
    keyfold_buf out = {0}, keyset = {0}, sealed = {0};
    const char *hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    OK(keyfold_master_key_new_text(MASTER_KEY, &master_key, &error));
    OK(keyfold_store_import_key(store, "in", hex, 64, "hex", "{\"exportable\": true}", &out, &error));
    HAS(out, "\"exportable\":true");
    keyfold_buf_free(&out);
    REFUSES("encoding", keyfold_store_import_key(store, "in2", hex, 64, "ascii", NULL, NULL, &error));
    REFUSES("", keyfold_store_import_key(store, "in2", hex, 62, "hex", NULL, NULL, &error));
    OK(keyfold_store_get_data_key(store, "in", 0, &out, &error));
    CHECK(out.len == 32 && out.data[31] == 31);
    keyfold_buf_free(&out);
    OK(keyfold_store_get_encryption_key(store, "in", 32, "hex", &out, &error));
    CHECK(is_text(out, hex));
    keyfold_buf_free(&out);
    REFUSES("32 bytes", keyfold_store_get_encryption_key(store, "in", 16, "raw", &out, &error));
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_get_data_key(store, "pii", 1, &out, &error));
    OK(keyfold_store_encrypt(store, "in", "ada", 3, NULL, 0, &sealed, &error));

    const struct { const char *format, *protection, *secret; } ways[] = {
        {"json", "insecure_cleartext", NULL}, {"binary", "insecure_cleartext", NULL},
        {"json", "passphrase", "correct horse"}, {"binary", "key", "pii"}};
    for (size_t i = 0; i < COUNT(ways); i++) {
        char id[20];
        snprintf(id, sizeof id, "set/%zu", i);
        OK(keyfold_store_export_keyset(store, "in", ways[i].format, ways[i].protection, ways[i].secret, &keyset, &out, &error));
        CHECK(out.data[0] == '[' && out.len > 2);
        keyfold_buf_free(&out);
        OK(keyfold_store_import_keyset(store, id, keyset.data, keyset.len, ways[i].protection, ways[i].secret, NULL, NULL, &error));
        OK(keyfold_store_decrypt(store, id, sealed.data, sealed.len, NULL, 0, &out, &error));
        CHECK(is_text(out, "ada"));
        keyfold_buf_free(&out);
        keyfold_buf_free(&keyset);
    }
    REFUSES("none of", keyfold_store_export_keyset(store, "in", "json", "none", NULL, &keyset, NULL, &error));
    REFUSES("must be NULL", keyfold_store_export_keyset(store, "in", "json", "insecure_cleartext", "x", &keyset, NULL, &error));
    REFUSES("secret is NULL", keyfold_store_export_keyset(store, "in", "json", "passphrase", NULL, &keyset, NULL, &error));
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_export_keyset(store, "pii", "json", "passphrase", "x", &keyset, NULL, &error));
    keyfold_buf_free(&sealed);

    OK(keyfold_store_backup(store, "backup.keyfold", count_pages, &pages, &out, &error));
    CHECK(pages > 0);
    HAS(out, "\"anchor\":\"kfa1.");
    HAS(out, "\"ok\":true");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_store_backup(store, "backup.keyfold", NULL, NULL, NULL, &error));
    OK(keyfold_restore("backup.keyfold", "restored.keyfold", master_key, NULL, &out, &error));
    HAS(out, "\"replaced\":false");
    keyfold_buf_free(&out);
    OK(keyfold_store_open("restored.keyfold", master_key, NULL, &again, &error));
    keyfold_store_free(again);
    FAILS(KEYFOLD_NOT_FOUND, keyfold_restore("nowhere", "x.keyfold", master_key, NULL, NULL, &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_restore("backup.keyfold", "x", master_key, "{\"forced\": 1}", NULL, &error));

    // To the recipient of another store, and of keys without a prefix.
    keyfold_store *other = test_store("receiver.keyfold");
    keyfold_buf address = {0};
    OK(keyfold_store_recipient_public_key(other, NULL, &address, &error));
    HAS(address, "kfpk1.");
    char *to = calloc(1, address.len + 1);
    memcpy(to, address.data, address.len);
    keyfold_buf_free(&address);
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_recipient_public_key(other, "nobody", &address, &error));
    OK(keyfold_store_encrypt(store, "in", "ada", 3, NULL, 0, &sealed, &error));
    OK(keyfold_store_export_keyset(store, "in", "binary", "recipient", to, &keyset, NULL, &error));
    CHECK(keyset.len > 6 && memcmp(keyset.data, "kfkr1.", 6) == 0);
    OK(keyfold_store_import_keyset(other, "in", keyset.data, keyset.len, "own_recipient", NULL, NULL, NULL, &error));
    OK(keyfold_store_decrypt(other, "in", sealed.data, sealed.len, NULL, 0, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_store_import_keyset(store, "back", keyset.data, keyset.len, "own_recipient", NULL,
                                                                 NULL, NULL, &error));
    REFUSES("must be NULL", keyfold_store_import_keyset(other, "x", keyset.data, keyset.len, "own_recipient", to, NULL, NULL, &error));
    REFUSES("opens nothing", keyfold_store_import_keyset(other, "x", keyset.data, keyset.len, "recipient", to, NULL, NULL, &error));
    REFUSES("import", keyfold_store_export_keyset(store, "in", "json", "own_recipient", NULL, &keyset, NULL, &error));
    REFUSES("secret is NULL", keyfold_store_export_keyset(store, "in", "json", "recipient", NULL, &keyset, NULL, &error));
    to[100] = to[100] == 'A' ? 'B' : 'A';
    REFUSES("checksum", keyfold_store_export_keyset(store, "in", "json", "recipient", to, &keyset, NULL, &error));
    keyfold_buf_free(&keyset);
    free(to);
    keyfold_store_free(other);
    OK(keyfold_store_export_keyset(store, "in", "json", "insecure_cleartext", NULL, &keyset, NULL, &error));
    char *clear = calloc(1, keyset.len + 1);
    memcpy(clear, keyset.data, keyset.len);
    keyfold_buf_free(&keyset);
    char *prefix = strstr(clear, "\"TINK\"");
    CHECK(prefix != NULL);
    if (prefix != NULL)
        memcpy(prefix, "\"RAW\" ", 6);
    REFUSES("rotate", keyfold_store_import_keyset(store, "raw", clear, strlen(clear), "insecure_cleartext", NULL, NULL, NULL, &error));
    OK(keyfold_store_import_keyset(store, "raw", clear, strlen(clear), "insecure_cleartext", NULL, "{\"rotate\": true}", NULL, &error));
    OK(keyfold_store_decrypt(store, "raw", sealed.data + 5, sealed.len - 5, NULL, 0, &out, &error));
    CHECK(is_text(out, "ada"));
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_store_decrypt(store, "in", sealed.data + 5, sealed.len - 5, NULL, 0, &out, &error));
    free(clear);
    keyfold_buf_free(&sealed);

    // What was damaged is set aside, and the rest goes on.
    OK(keyfold_store_create_key(store, "bad", "{\"description\": \"an unusual description\"}", NULL, &error));
    keyfold_store_free(store);
    damage("transfer.keyfold", "an unusual description");
    OK(keyfold_store_open("transfer.keyfold", master_key, NULL, &store, &error));
    bool ok = true;
    OK(keyfold_store_check(store, &ok, &out, &error));
    CHECK(!ok);
    HAS(out, "key bad");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_INTEGRITY_ERROR, keyfold_store_rotate_master_key(store, NULL, NULL, &error));
    OK(keyfold_store_quarantine(store, "key", "bad", "the disk", &error));
    FAILS(KEYFOLD_ALREADY_EXISTS, keyfold_store_quarantine(store, "key", "bad", "the disk", &error));
    FAILS(KEYFOLD_INVALID_ARGUMENT, keyfold_store_quarantine(store, "row", "bad", "the disk", &error));
    OK(keyfold_store_quarantined(store, &out, &error));
    HAS(out, "\"kind\":\"key\"");
    HAS(out, "\"id\":\"bad\"");
    HAS(out, "\"reason\":\"the disk\"");
    HAS(out, "\"created_at_ms\":1");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_KEY_UNAVAILABLE, keyfold_store_encrypt(store, "bad", "a", 1, NULL, 0, &out, &error));
    FAILS(KEYFOLD_KEY_UNAVAILABLE, keyfold_store_key_info(store, "bad", &out, &error));
    FAILS(KEYFOLD_KEY_UNAVAILABLE, keyfold_store_create_key(store, "bad", NULL, NULL, &error));
    OK(keyfold_store_list_keys(store, NULL, &out, &error));
    CHECK(strstr((char *)out.data, "\"bad\"") == NULL);
    keyfold_buf_free(&out);
    OK(keyfold_store_check(store, &ok, &out, &error));
    CHECK(ok);
    HAS(out, "\"quarantined\":1");
    keyfold_buf_free(&out);
    OK(keyfold_store_rotate_master_key(store, NULL, NULL, &error));
    OK(keyfold_restore("backup.keyfold", "transfer.keyfold", master_key, NULL, NULL, &error));
    keyfold_store_free(store);
    OK(keyfold_store_open("transfer.keyfold", master_key, NULL, &store, &error));
    REFUSES("verifies", keyfold_store_quarantine(store, "key", "pii", "looks odd", &error));
    FAILS(KEYFOLD_NOT_FOUND, keyfold_store_quarantine(store, "key", "nope", "looks odd", &error));
    OK(keyfold_store_quarantined(store, &out, &error));
    CHECK(is_text(out, "[]"));
    keyfold_buf_free(&out);
    keyfold_store_free(store);

    // Modes.
    CHECK(!keyfold_store_is_verified(NULL));
    OK(keyfold_store_open("transfer.keyfold", NULL, "{\"mode\": \"metadata\"}", &store, &error));
    CHECK(!keyfold_store_is_verified(store));
    OK(keyfold_store_list_keys(store, NULL, &out, &error));
    HAS(out, "\"verified\":false");
    keyfold_buf_free(&out);
    OK(keyfold_store_key_usage(store, "pii", &out, &error));
    HAS(out, "\"verified\":false");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_recipient_public_key(store, NULL, &out, &error));
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_encrypt(store, "pii", "a", 1, NULL, 0, &out, &error));
    keyfold_store_free(store);
    OK(keyfold_store_open("transfer.keyfold", master_key, "{\"mode\": \"use\"}", &store, &error));
    CHECK(keyfold_store_is_verified(store));
    OK(keyfold_store_key_info(store, "pii", &out, &error));
    HAS(out, "\"verified\":true");
    keyfold_buf_free(&out);
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_get_data_key(store, "in", 0, &out, &error));
    FAILS(KEYFOLD_PERMISSION_DENIED, keyfold_store_rotate_key(store, "pii", NULL, &error));
    keyfold_store_free(store);
    keyfold_master_key_free(master_key);
    return NULL;
}

int main(void) {
    keyfold_store *store = test_store("depth.keyfold");
    batches(store);
    codes(store);
    deterministic(store);
    indexes(store);
    streams(store);
    versions(store);
    recipients(store);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, transfer, NULL) == 0 && pthread_join(thread, NULL) == 0);
    bool ok = false;
    OK(keyfold_store_check(store, &ok, NULL, &error));
    CHECK(ok);
    keyfold_store_free(store);
    return finish("depth");
}
