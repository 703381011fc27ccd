// fork(): children go on with what they inherited, and no two messages of a family share a nonce.
#include "check.h"
#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MESSAGES = 200 };

// In a child: encrypts, and sends its nonces; returns what went wrong.
static int encrypt_all(keyfold_key *key, int out) {
    // Half of them one by one, half in a batch.
    keyfold_data values[MESSAGES / 2];
    size_t offsets[MESSAGES / 2 + 1];
    keyfold_buf many = {0};
    for (int i = 0; i < MESSAGES / 2; i++)
        values[i] = (keyfold_data){"ada", 3};
    if (keyfold_key_encrypt_many(key, values, MESSAGES / 2, NULL, 0, &many, offsets, NULL))
        return 3;
    for (int i = 0; i < MESSAGES / 2; i++)
        if (write(out, many.data + offsets[i] + 5, NONCE) != NONCE)
            return 4;
    keyfold_buf_free(&many);
    for (int i = MESSAGES / 2; i < MESSAGES; i++) {
        unsigned char sealed[3 + KEYFOLD_OVERHEAD_MAX];
        size_t length;
        if (keyfold_key_encrypt_into(key, "ada", 3, NULL, 0, sealed, sizeof sealed, &length, NULL))
            return 1;
        if (write(out, sealed + 5, NONCE) != NONCE)
            return 2;
    }
    return 0;
}

// The parent goes on encrypting beside its children.
static void everyone_encrypts(void) {
    keyfold_store *store = test_store("fork.keyfold");
    keyfold_key *key = test_key(store, "pii");
    keyfold_buf sealed = {0};
    int ends[2];
    OK(keyfold_key_encrypt(key, "ada", 3, NULL, 0, &sealed, &error));
    CHECK(pipe(ends) == 0);
    known = 0;
    for (int i = 0; i < children; i++) {
        if (begin() == 0) {
            keyfold_buf plain = {0};
            int wrong = encrypt_all(key, ends[1]);
            if (keyfold_key_decrypt(key, sealed.data, sealed.len, NULL, 0, &plain, NULL))
                wrong = 3;
            keyfold_buf_free(&plain);
            // The last ones use the file too, and leave tidily.
            if (i >= children - 4 && keyfold_store_rotate_key(store, "pii", NULL, NULL))
                wrong = 4;
            keyfold_buf_free(&sealed);
            keyfold_key_free(key);
            keyfold_store_free(store);
            _exit(wrong);
        }
    }
    close(ends[1]);
    for (int i = 0; i < MESSAGES; i++) {
        unsigned char own[3 + KEYFOLD_OVERHEAD_MAX];
        size_t length;
        OK(keyfold_key_encrypt_into(key, "ada", 3, NULL, 0, own, sizeof own, &length, &error));
        keep(own + 5);
    }
    receive(ends[0]);
    close(ends[0]);
    wait_for(children);
    CHECK(known == (size_t)(children + 1) * MESSAGES);
    all_differ();
    keyfold_buf plain = {0};
    bool ok = false;
    OK(keyfold_key_decrypt(key, sealed.data, sealed.len, NULL, 0, &plain, &error));
    OK(keyfold_store_check(store, &ok, NULL, &error));
    CHECK(ok);
    keyfold_buf_free(&plain);
    keyfold_buf_free(&sealed);
    keyfold_key_free(key);
    keyfold_store_free(store);
}

// The parent closes before any child begins.
static void parent_closes_first(void) {
    keyfold_store *store = test_store("fork.keyfold");
    keyfold_key *key = test_key(store, "pii");
    int start[2], ends[2];
    CHECK(pipe(start) == 0 && pipe(ends) == 0);
    known = 0;
    for (int i = 0; i < children; i++) {
        if (begin() == 0) {
            char go;
            close(start[1]);
            if (read(start[0], &go, 1) != 0)
                _exit(5);
            keyfold_buf list = {0}, plain = {0}, sealed = {0};
            int wrong = encrypt_all(key, ends[1]);
            if (keyfold_store_list_keys(store, NULL, &list, NULL))
                wrong = 6;
            if (keyfold_key_encrypt(key, "ada", 3, NULL, 0, &sealed, NULL) ||
                keyfold_key_decrypt(key, sealed.data, sealed.len, NULL, 0, &plain, NULL))
                wrong = 7;
            keyfold_buf_free(&list);
            keyfold_buf_free(&plain);
            keyfold_buf_free(&sealed);
            keyfold_key_free(key);
            keyfold_store_free(store);
            _exit(wrong);
        }
    }
    keyfold_store_free(store);
    keyfold_buf out = {0};
    FAILS(KEYFOLD_CLOSED, keyfold_key_encrypt(key, "ada", 3, NULL, 0, &out, &error));
    keyfold_key_free(key);
    close(ends[1]);
    close(start[0]);
    close(start[1]);
    receive(ends[0]);
    close(ends[0]);
    wait_for(children);
    CHECK(known == (size_t)children * MESSAGES);
    all_differ();
}

// Other threads encrypt and rotate while this one forks.

static keyfold_store *shared_store;
static keyfold_key *shared_key;
static atomic_int stop;

static void *busy(void *unused) {
    (void)unused;
    while (!stop) {
        unsigned char sealed[3 + KEYFOLD_OVERHEAD_MAX];
        size_t length;
        if (keyfold_key_encrypt_into(shared_key, "ada", 3, NULL, 0, sealed, sizeof sealed, &length, NULL) ||
            keyfold_store_rotate_key(shared_store, "pii", NULL, NULL))
            return shared_key;
    }
    return NULL;
}

static void among_threads(void) {
    shared_store = test_store("threads.keyfold");
    shared_key = test_key(shared_store, "pii");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, busy, NULL) == 0);
    int rounds = children / 4;
    for (int i = 0; i < rounds; i++) {
        if (begin() == 0) {
            keyfold_buf info = {0};
            int wrong = keyfold_store_rotate_key(shared_store, "pii", &info, NULL) != KEYFOLD_OK;
            keyfold_buf_free(&info);
            _exit(wrong);
        }
        usleep(2000);
    }
    wait_for(rounds);
    stop = 1;
    for (int i = 0; i < 2; i++) {
        void *wrong;
        CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
    bool ok = false;
    OK(keyfold_store_check(shared_store, &ok, NULL, &error));
    CHECK(ok);
    keyfold_key_free(shared_key);
    keyfold_store_free(shared_store);
}

int main(void) {
    expect_children(MESSAGES, 0);
    everyone_encrypts();
    parent_closes_first();
    among_threads();
    free(nonces);
    return finish("fork");
}
