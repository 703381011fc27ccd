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
