// Programs with one fault each, that tests/proof/sanitizers.sh must see; never run otherwise.
#include "check.h"

#include <limits.h>
#include <pthread.h>

static keyfold_store *store;
static keyfold_key *key;

// The library is told of more room than there is, and writes beyond it.
static void memory(void) {
    unsigned char *short_buffer = malloc(10);
    size_t length;
    OK(keyfold_key_encrypt_into(key, "a longer message", 16, NULL, 0, short_buffer, 100, &length, &error));
    free(short_buffer);
}

// What the library gave is never freed.
static void leak(void) {
    keyfold_buf sealed = {0};
    OK(keyfold_key_encrypt(key, "ada", 3, NULL, 0, &sealed, &error));
}

static void undefined(void) {
    volatile int most = INT_MAX;
    volatile int more = most + 1;
    (void)more;
}

static void *update(void *encryptor) {
    keyfold_buf out = {0};
    for (int i = 0; i < 1000; i++) {
        (void)!keyfold_stream_encryptor_update(encryptor, "ada", 3, &out, NULL);
        keyfold_buf_free(&out);
        // Turn by turn: what both take a lock for in between would else order the one before the other.
        usleep(10);
    }
    return NULL;
}

// Two threads use at once what only one may.
static void threads(void) {
    keyfold_key *files = NULL;
    keyfold_stream_encryptor *encryptor = NULL;
    pthread_t other;
    OK(keyfold_store_create_key(store, "files", "{\"kind\": \"stream\"}", NULL, &error));
    OK(keyfold_store_key(store, "files", &files, &error));
    OK(keyfold_stream_encryptor_new(files, NULL, 0, &encryptor, &error));
    CHECK(pthread_create(&other, NULL, update, encryptor) == 0);
    update(encryptor);
    CHECK(pthread_join(other, NULL) == 0);
    keyfold_stream_encryptor_free(encryptor);
    keyfold_key_free(files);
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*run)(void);
    } faults[] = {{"memory", memory}, {"leak", leak}, {"undefined", undefined}, {"threads", threads}};
    store = test_store("faulty.keyfold");
    key = test_key(store, "pii");
    for (size_t i = 0; count == 2 && i < sizeof faults / sizeof *faults; i++)
        if (strcmp(arguments[1], faults[i].name) == 0)
            faults[i].run();
    keyfold_key_free(key);
    keyfold_store_free(store);
    return finish("faulty");
}
