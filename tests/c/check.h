// What the test programs share: checks that are counted, and a store to test with.
#ifndef CHECK_H
#define CHECK_H

#include <keyfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MASTER_KEY "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ="
#define MASTER_KEY_BYTES                                                                                               \
    "\xa1\x31\x10\xb1\xdc\x18\xb0\xf6\xc4\x56\x36\xc9\x17\xa7\xc8\xba\x7b\x09\x02\xa8\x1a\xc8\xcc\x0f\xda\x3c\x31\x36\xbd"   \
    "\x57\x18\xa4"

static int passed, failed;
static keyfold_error *error;

static inline void report(int good, const char *file, int line, const char *what, const char *why) {
    if (good) {
        passed++;
        return;
    }
    failed++;
    printf("%s:%d: %s %s\n", file, line, what, why);
}

static inline void succeeded(keyfold_status status, const char *file, int line, const char *what) {
    report(status == KEYFOLD_OK && error == NULL, file, line, what, keyfold_error_message(error));
    keyfold_error_free(error);
    error = NULL;
}

static inline void failed_with(keyfold_status wanted, keyfold_status got, const char *word, const char *file, int line,
                        const char *what) {
    int good = got == wanted && error != NULL && keyfold_error_code(error) == wanted &&
               strlen(keyfold_error_message(error)) > 0 && strstr(keyfold_error_message(error), word) != NULL;
    char why[300];
    snprintf(why, sizeof why, "gave %s: %s", keyfold_status_name(got), keyfold_error_message(error));
    report(good, file, line, what, why);
    keyfold_error_free(error);
    error = NULL;
}

#define CHECK(condition) report((condition) ? 1 : 0, __FILE__, __LINE__, #condition, "")
// The call succeeds; its last argument is &error.
#define OK(call) succeeded((call), __FILE__, __LINE__, #call)
// The call fails with this status.
#define FAILS(status, call) failed_with((status), (call), "", __FILE__, __LINE__, #call)
// The call fails with KEYFOLD_INVALID_ARGUMENT and a message that has this word in it.
#define REFUSES(word, call) failed_with(KEYFOLD_INVALID_ARGUMENT, (call), (word), __FILE__, __LINE__, #call)
#define HAS(buf, text) CHECK((buf).data != NULL && strstr((const char *)(buf).data, (text)) != NULL)

// Opens the store of this name in the current folder, making it and the key "pii" where they are not there yet.
static inline keyfold_store *test_store(const char *path) {
    keyfold_master_key *master_key = NULL;
    keyfold_store *store = NULL;
    OK(keyfold_master_key_new_text(MASTER_KEY, &master_key, &error));
    OK(keyfold_store_open(path, master_key, "{\"create\": true}", &store, &error));
    OK(keyfold_store_create_key(store, "pii", "{\"exist_ok\": true}", NULL, &error));
    keyfold_master_key_free(master_key);
    if (store == NULL)
        exit(2);
    return store;
}

static inline keyfold_key *test_key(keyfold_store *store, const char *id) {
    keyfold_key *key = NULL;
    OK(keyfold_store_key(store, id, &key, &error));
    if (key == NULL)
        exit(2);
    return key;
}

static inline int finish(const char *name) {
    printf("%s: %d passed, %d failed\n", name, passed, failed);
    return failed != 0;
}

#endif
