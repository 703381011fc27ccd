// fork() while everything is in use: streams both ways, codes, blind indexes and derived keys, made before the fork and
// used by the parent's other threads during it. Parent and children go on with them, and draw nothing twice.
#include "check.h"
#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PREFIX = 28, HEADER = 40, EACH = 4, MOST = 1024, MEBIBYTE = 1 << 20 };

static keyfold_store *store;
static keyfold_key *messages, *files, *codes, *equal;
static atomic_int stop;

// What is not drawn is the same in every process.

typedef struct stable {
    keyfold_buf code, index, derived, sealed;
} stable;

static stable expected;

static int derive(stable *out) {
    return keyfold_key_mac_raw(codes, "ada", 3, &out->code, NULL) ||
           keyfold_key_blind_index(equal, "ada", 3, "users.email", NULL, &out->index, NULL) ||
           keyfold_store_derive_key(store, "roots", "purpose", 32, 0, &out->derived, NULL) ||
           keyfold_key_encrypt(equal, "ada", 3, NULL, 0, &out->sealed, NULL);
}

static void stable_free(stable *these) {
    keyfold_buf_free(&these->code);
    keyfold_buf_free(&these->index);
    keyfold_buf_free(&these->derived);
    keyfold_buf_free(&these->sealed);
}

static int same(const keyfold_buf *one, const keyfold_buf *other) {
    return one->len == other->len && memcmp(one->data, other->data, one->len) == 0;
}

static int derive_again(void) {
    stable got = {0};
    keyfold_buf plain = {0};
    int wrong = 0;
    if (derive(&got) || keyfold_key_verify_mac_raw(codes, "ada", 3, expected.code.data, expected.code.len, NULL) ||
        keyfold_key_decrypt(equal, expected.sealed.data, expected.sealed.len, NULL, 0, &plain, NULL))
        wrong = 10;
    else if (!same(&got.code, &expected.code) || !same(&got.index, &expected.index) ||
             !same(&got.derived, &expected.derived) || !same(&got.sealed, &expected.sealed))
        wrong = 11;
    keyfold_buf_free(&plain);
    stable_free(&got);
    return wrong;
}

// Whether this is a stream of `length` zeros.
static int opens(const keyfold_buf *sealed, size_t length) {
    keyfold_stream_decryptor *decryptor = NULL;
    keyfold_buf first = {0}, rest = {0};
    int good = !keyfold_stream_decryptor_new(files, "aad", 3, &decryptor, NULL) &&
               !keyfold_stream_decryptor_update(decryptor, sealed->data, sealed->len, &first, NULL) &&
               !keyfold_stream_decryptor_finish(decryptor, &rest, NULL) && first.len + rest.len == length;
    for (size_t i = 0; good && i < length; i++)
        good = (i < first.len ? first.data[i] : rest.data[i - first.len]) == 0;
    keyfold_stream_decryptor_free(decryptor);
    keyfold_buf_free(&first);
    keyfold_buf_free(&rest);
    return good;
}

// Makes a stream and two messages; gives what was drawn for them.
static int draw(unsigned char (*drawn)[NONCE]) {
    keyfold_stream_encryptor *encryptor = NULL;
    keyfold_buf none = {0}, sealed = {0};
    int wrong = 0;
    if (keyfold_stream_encryptor_new(files, "aad", 3, &encryptor, NULL) ||
        keyfold_stream_encryptor_update(encryptor, "\0\0\0\0\0", 5, &none, NULL) ||
        keyfold_stream_encryptor_finish(encryptor, &sealed, NULL) || sealed.len < HEADER || !opens(&sealed, 5)) {
        wrong = 12;
    } else {
        // The beginning of the salt; and its end, with the prefix of the nonces.
        memcpy(drawn[0], sealed.data + 1, NONCE);
        memcpy(drawn[1], sealed.data + PREFIX, NONCE);
    }
    keyfold_stream_encryptor_free(encryptor);
    keyfold_buf_free(&none);
    keyfold_buf_free(&sealed);
    for (int i = 2; i < EACH; i++) {
        unsigned char message[3 + KEYFOLD_OVERHEAD_MAX];
        size_t length;
        if (keyfold_key_encrypt_into(messages, "ada", 3, NULL, 0, message, sizeof message, &length, NULL))
            return 13;
        memcpy(drawn[i], message + 5, NONCE);
    }
    return wrong;
}

// The parent's other threads.

typedef struct thread {
    pthread_t id;
    unsigned char (*drawn)[NONCE];
    int count, rounds, wrong;
} thread;

static void *draws(void *given) {
    thread *mine = given;
    while (!stop && !mine->wrong && mine->count + EACH <= MOST) {
        mine->wrong = draw(&mine->drawn[mine->count]);
        mine->count += EACH;
        mine->rounds++;
        usleep(200);
    }
    return NULL;
}

static void *derives(void *given) {
    thread *mine = given;
    for (; !stop && !mine->wrong; mine->rounds++) {
        mine->wrong = derive_again();
        usleep(200);
    }
    return NULL;
}

static void *rotates(void *given) {
    thread *mine = given;
    for (; !stop && !mine->wrong; mine->rounds++) {
        mine->wrong = keyfold_store_rotate_key(store, "files", NULL, NULL) != KEYFOLD_OK;
        usleep(20000);
    }
    return NULL;
}

// Streams that are half done when the process forks.

typedef struct halves {
    keyfold_stream_encryptor *fresh, *begun, *going;
    keyfold_stream_decryptor *reading;
    keyfold_buf going_sealed, whole;
    unsigned char *zeros;
} halves;

// A buffer with both in it; the caller frees its data.
static keyfold_buf joined(const keyfold_buf *one, const keyfold_buf *other) {
    keyfold_buf both = {.data = malloc(one->len + other->len), .len = one->len + other->len};
    memcpy(both.data, one->data, one->len);
    memcpy(both.data + one->len, other->data, other->len);
    return both;
}

static void halves_begin(halves *these) {
    keyfold_buf none = {0}, rest = {0};
    these->zeros = calloc(2, MEBIBYTE);
    OK(keyfold_stream_encryptor_new(files, "aad", 3, &these->fresh, &error));
    OK(keyfold_stream_encryptor_new(files, "aad", 3, &these->begun, &error));
    OK(keyfold_stream_encryptor_update(these->begun, these->zeros, 100, &none, &error));
    CHECK(none.len == 0);
    OK(keyfold_stream_encryptor_new(files, "aad", 3, &these->going, &error));
    OK(keyfold_stream_encryptor_update(these->going, these->zeros, MEBIBYTE + 5, &these->going_sealed, &error));
    CHECK(these->going_sealed.len > HEADER);
    // One that is wholly sealed, and read as far as its first segment.
    keyfold_stream_encryptor *encryptor = NULL;
    keyfold_buf first = {0};
    OK(keyfold_stream_encryptor_new(files, "aad", 3, &encryptor, &error));
    OK(keyfold_stream_encryptor_update(encryptor, these->zeros, MEBIBYTE + 5, &first, &error));
    OK(keyfold_stream_encryptor_finish(encryptor, &rest, &error));
    these->whole = joined(&first, &rest);
    OK(keyfold_stream_decryptor_new(files, "aad", 3, &these->reading, &error));
    keyfold_buf_free(&first);
    OK(keyfold_stream_decryptor_update(these->reading, these->whole.data, MEBIBYTE + 1, &first, &error));
    CHECK(first.len > 0 && first.len < MEBIBYTE + 5);
    keyfold_stream_encryptor_free(encryptor);
    keyfold_buf_free(&none);
    keyfold_buf_free(&first);
    keyfold_buf_free(&rest);
}

// What was being read is read to its end, on both sides of a fork.
static int read_on(halves *these) {
    keyfold_buf first = {0}, rest = {0};
    size_t taken = MEBIBYTE + 1;
    int good = !keyfold_stream_decryptor_update(these->reading, these->whole.data + taken, these->whole.len - taken,
                                                &first, NULL) &&
               !keyfold_stream_decryptor_finish(these->reading, &rest, NULL) && first.len + rest.len > 0 &&
               first.len + rest.len < 2 * MEBIBYTE;
    keyfold_buf_free(&first);
    keyfold_buf_free(&rest);
    return good;
}

// A child seals nothing under a nonce that its parent will use, and says why.
static int child_is_refused(halves *these) {
    keyfold_stream_encryptor *encryptors[] = {these->fresh, these->begun, these->going};
    int refused = 0;
    for (int i = 0; i < 3; i++) {
        keyfold_buf out = {0};
        keyfold_error *why = NULL;
        // The last one as it goes over a segment, the others at their end.
        keyfold_status status = i == 2 ? keyfold_stream_encryptor_update(encryptors[i], these->zeros, MEBIBYTE, &out, &why)
                                       : keyfold_stream_encryptor_finish(encryptors[i], &out, &why);
        refused += status == KEYFOLD_INVALID_ARGUMENT && out.len == 0 &&
                   strstr(keyfold_error_message(why), "before a fork") != NULL;
        keyfold_error_free(why);
        keyfold_buf_free(&out);
    }
    return refused == 3;
}

static void parent_seals_on(halves *these) {
    keyfold_buf sealed = {0};
    OK(keyfold_stream_encryptor_finish(these->fresh, &sealed, &error));
    CHECK(opens(&sealed, 0));
    keyfold_buf_free(&sealed);
    OK(keyfold_stream_encryptor_finish(these->begun, &sealed, &error));
    CHECK(opens(&sealed, 100));
    keyfold_buf_free(&sealed);
    OK(keyfold_stream_encryptor_finish(these->going, &sealed, &error));
    keyfold_buf all = joined(&these->going_sealed, &sealed);
    CHECK(opens(&all, MEBIBYTE + 5));
    free(all.data);
    keyfold_buf_free(&sealed);
}

static void halves_free(halves *these) {
    keyfold_stream_encryptor_free(these->fresh);
    keyfold_stream_encryptor_free(these->begun);
    keyfold_stream_encryptor_free(these->going);
    keyfold_stream_decryptor_free(these->reading);
    keyfold_buf_free(&these->going_sealed);
    free(these->whole.data);
    free(these->zeros);
}

static int in_child(int number, halves *these, int out) {
    unsigned char drawn[EACH][NONCE];
    int wrong = draw(drawn);
    if (wrong)
        return wrong;
    if (write(out, drawn, sizeof drawn) != (ssize_t)sizeof drawn)
        return 20;
    if ((wrong = derive_again()))
        return wrong;
    if (!child_is_refused(these))
        return 21;
    if (!read_on(these))
        return 22;
    // Some use the file too.
    if (number % 8 == 0 && (keyfold_store_rotate_key(store, "files", NULL, NULL) || draw(drawn)))
        return 23;
    halves_free(these);
    keyfold_store_free(store);
    return 0;
}

static void objects_in_use(void) {
    thread threads[5] = {0};
    void *(*const work[5])(void *) = {draws, draws, derives, derives, rotates};
    halves these = {0};
    int ends[2];
    halves_begin(&these);
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 5; i++) {
        threads[i].drawn = work[i] == draws ? calloc(MOST, NONCE) : NULL;
        CHECK(pthread_create(&threads[i].id, NULL, work[i], &threads[i]) == 0);
    }
    for (int i = 0; i < children; i++) {
        // The generator has bytes left, which both sides would draw.
        unsigned char drawn[EACH][NONCE];
        CHECK(draw(drawn) == 0);
        for (int j = 0; j < EACH; j++)
            keep(drawn[j]);
        if (begin() == 0)
            _exit(in_child(i, &these, ends[1]));
    }
    close(ends[1]);
    receive(ends[0]);
    close(ends[0]);
    wait_for(children);
    CHECK(known == (size_t)children * 2 * EACH);
    stop = 1;
    for (int i = 0; i < 5; i++) {
        CHECK(pthread_join(threads[i].id, NULL) == 0);
        CHECK(threads[i].wrong == 0 && threads[i].rounds > 0);
        for (int j = 0; j < threads[i].count; j++)
            keep(threads[i].drawn[j]);
        free(threads[i].drawn);
    }
    all_differ();
    printf("proof: %zu things drawn by %d processes and 3 threads, in the midst of other work\n", known, children + 1);
    parent_seals_on(&these);
    CHECK(read_on(&these));
    CHECK(derive_again() == 0);
    halves_free(&these);
}

// Somebody's function that reads for a stream forks.

typedef struct reading {
    int calls;
    pid_t child;
    unsigned char sealed[1000];
    size_t length;
} reading;

static int read_and_fork(void *given, uint8_t *buffer, size_t capacity, size_t *length) {
    reading *mine = given;
    if (mine->calls++ == 1)
        mine->child = begin();
    *length = mine->calls <= 2 && capacity >= 100 ? 100 : 0;
    memset(buffer, 0, *length);
    return 0;
}

static int take(void *given, const uint8_t *data, size_t length) {
    reading *mine = given;
    if (mine->length + length > sizeof mine->sealed)
        return 1;
    memcpy(mine->sealed + mine->length, data, length);
    mine->length += length;
    return 0;
}

static void fork_within_a_stream(void) {
    reading mine = {.child = -1};
    keyfold_error *why = NULL;
    keyfold_status status = keyfold_key_encrypt_stream(files, "aad", 3, read_and_fork, take, NULL, &mine, NULL, &why);
    if (mine.child == 0)
        _exit(status == KEYFOLD_INVALID_ARGUMENT && mine.length == 0 ? 0 : 30);
    CHECK(mine.child > 0 && status == KEYFOLD_OK);
    keyfold_error_free(why);
    wait_for(1);
    keyfold_buf sealed = {.data = mine.sealed, .len = mine.length};
    CHECK(opens(&sealed, 200));
}

// Its writers wait longer than usual: each process brings the log to disk before its first act, all children at once.
static void open_store(void) {
    keyfold_master_key *master_key = NULL;
    OK(keyfold_master_key_new_text(MASTER_KEY, &master_key, &error));
    OK(keyfold_store_open("objects.keyfold", master_key, "{\"create\": true, \"busy_timeout\": \"2m\"}", &store, &error));
    keyfold_master_key_free(master_key);
    if (store == NULL)
        exit(2);
    OK(keyfold_store_create_key(store, "pii", NULL, NULL, &error));
    OK(keyfold_store_create_key(store, "files", "{\"kind\": \"stream\"}", NULL, &error));
    OK(keyfold_store_create_key(store, "codes", "{\"kind\": \"mac\"}", NULL, &error));
    OK(keyfold_store_create_key(store, "equal", "{\"kind\": \"deterministic\"}", NULL, &error));
    OK(keyfold_store_create_key(store, "roots", "{\"kind\": \"derive\"}", NULL, &error));
}

int main(void) {
    expect_children(2 * EACH, 2 * MOST);
    open_store();
    messages = test_key(store, "pii");
    files = test_key(store, "files");
    codes = test_key(store, "codes");
    equal = test_key(store, "equal");
    CHECK(derive(&expected) == 0);
    objects_in_use();
    fork_within_a_stream();
    bool ok = false;
    OK(keyfold_store_check(store, &ok, NULL, &error));
    CHECK(ok);
    stable_free(&expected);
    free(nonces);
    keyfold_key_free(messages);
    keyfold_key_free(files);
    keyfold_key_free(codes);
    keyfold_key_free(equal);
    keyfold_store_free(store);
    return finish("fork_objects");
}
