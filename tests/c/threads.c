// One store and one key, used by all threads at once; closing while they run.
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8 };

static keyfold_store *store;
static keyfold_key *key;
static keyfold_context *place;
static atomic_int wrong, closed_seen;
static int rounds = 2000;

static void *work(void *unused) {
    (void)unused;
    for (int i = 0; i < rounds; i++) {
        keyfold_buf sealed = {0}, plain = {0};
        keyfold_error *mine = NULL;
        if (keyfold_key_encrypt_with_context(key, "ada", 3, place, &sealed, &mine) ||
            keyfold_key_decrypt_with_context(key, sealed.data, sealed.len, place, &plain, &mine) ||
            plain.len != 3 || memcmp(plain.data, "ada", 3) != 0)
            wrong++;
        keyfold_buf_free(&plain);
        // Everyone has his own error.
        if (keyfold_key_decrypt(key, sealed.data, sealed.len, "other", 5, &plain, &mine) != KEYFOLD_DECRYPTION_FAILED ||
            keyfold_error_code(mine) != KEYFOLD_DECRYPTION_FAILED)
            wrong++;
        keyfold_error_free(mine);
        keyfold_buf_free(&sealed);
        const keyfold_data values[] = {{"ada", 3}, {NULL, 0}};
        keyfold_data parts[2] = {{NULL, 0}, {NULL, 0}};
        size_t offsets[3];
        if (keyfold_key_encrypt_many(key, values, 2, NULL, 0, &sealed, offsets, NULL))
            wrong++;
        parts[0].data = sealed.data;
        parts[0].len = offsets[1];
        if (keyfold_key_decrypt_many(key, parts, 2, NULL, 0, &plain, offsets, NULL, NULL) || plain.len != 3)
            wrong++;
        keyfold_buf_free(&plain);
        keyfold_buf_free(&sealed);
        if (i % 500 == 0 && keyfold_store_rotate_key(store, "pii", NULL, NULL))
            wrong++;
    }
    return NULL;
}

// Batches of a thousand, and a stream each time, while somebody rotates.
enum { BATCH = 1000 };
static keyfold_key *files;
static atomic_int working;

static void *batches(void *unused) {
    (void)unused;
    keyfold_data *values = calloc(BATCH, sizeof *values), *parts = calloc(BATCH, sizeof *parts);
    size_t *offsets = calloc(BATCH + 1, sizeof *offsets);
    char path[64], sealed_path[80];
    snprintf(path, sizeof path, "plain.%lx", (unsigned long)pthread_self());
    snprintf(sealed_path, sizeof sealed_path, "%s.sealed", path);
    for (int i = 0; i < BATCH; i++)
        values[i] = (keyfold_data){"value", 5};
    for (int round = 0; round < (rounds < 200 ? 2 : 10); round++) {
        keyfold_buf sealed = {0}, plain = {0};
        if (keyfold_key_encrypt_many(key, values, BATCH, NULL, 0, &sealed, offsets, NULL))
            wrong++;
        for (int i = 0; i < BATCH; i++)
            parts[i] = (keyfold_data){sealed.data + offsets[i], offsets[i + 1] - offsets[i]};
        if (keyfold_key_decrypt_many(key, parts, BATCH, NULL, 0, &plain, offsets, NULL, NULL) || plain.len != BATCH * 5 ||
            memcmp(plain.data + 5 * (BATCH - 1), "value", 5) != 0)
            wrong++;
        keyfold_buf_free(&plain);
        keyfold_buf_free(&sealed);
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite("a long report", 1, 13, file) != 13 || fclose(file) != 0)
            wrong++;
        if (keyfold_key_encrypt_file(files, path, sealed_path, NULL, 0, "{\"force\": true}", NULL, NULL, NULL, NULL) ||
            keyfold_key_decrypt_file(files, sealed_path, path, NULL, 0, "{\"force\": true}", NULL, NULL, NULL, NULL))
            wrong++;
    }
    free(values);
    free(parts);
    free(offsets);
    working--;
    return NULL;
}

static void *rotating(void *unused) {
    (void)unused;
    while (working > 0) {
        if (keyfold_store_rotate_key(store, "pii", NULL, NULL) || keyfold_store_rotate_key(store, "files", NULL, NULL))
            wrong++;
        usleep(10000);
    }
    return NULL;
}

static void run_batches(void) {
    pthread_t threads[5];
    working = 4;
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&threads[i], NULL, i < 4 ? batches : rotating, NULL) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(wrong == 0);
}

static void *until_closed(void *unused) {
    (void)unused;
    for (;;) {
        keyfold_buf sealed = {0};
        keyfold_status status = keyfold_key_encrypt(key, "ada", 3, NULL, 0, &sealed, NULL);
        keyfold_buf_free(&sealed);
        if (status == KEYFOLD_CLOSED) {
            closed_seen++;
            return NULL;
        }
        if (status != KEYFOLD_OK) {
            wrong++;
            return NULL;
        }
    }
}

static void run(void *(*what)(void *), int then_close) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, what, NULL) == 0);
    if (then_close) {
        usleep(20000);
        keyfold_store_close(store);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(wrong == 0);
}

static void *only_free(void *buf) {
    keyfold_buf_free(buf);
    return NULL;
}

int main(void) {
    if (getenv("ROUNDS") != NULL)
        rounds = atoi(getenv("ROUNDS"));
    store = test_store("threads.keyfold");
    key = test_key(store, "pii");
    place = keyfold_context_new();
    OK(keyfold_context_add_text(place, "table", "users", &error));
    run(work, 0);
    OK(keyfold_store_create_key(store, "files", "{\"kind\": \"stream\"}", NULL, &error));
    files = test_key(store, "files");
    run_batches();
    keyfold_key_free(files);
    // What one thread made another may free.
    keyfold_buf sealed = {0};
    pthread_t other;
    OK(keyfold_key_encrypt(key, "ada", 3, NULL, 0, &sealed, &error));
    CHECK(pthread_create(&other, NULL, only_free, &sealed) == 0 && pthread_join(other, NULL) == 0);
    CHECK(sealed.data == NULL);
    run(until_closed, 1);
    CHECK(closed_seen == THREADS);
    keyfold_context_free(place);
    keyfold_key_free(key);
    keyfold_store_free(store);
    return finish("threads");
}
