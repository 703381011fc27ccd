/* The C process of together.py, which describes what a driver does. */
#define _POSIX_C_SOURCE 200809L
#include <keyfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 16
#define LINE 4096

static keyfold_store *store;
static keyfold_error *error;

/* CLOCK_MONOTONIC, in nanoseconds. */
static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The outcome of a call, which is forgotten then. */
static const char *outcome(int code) {
    const char *name = code ? keyfold_error_name(error) : "ok";
    keyfold_error_free(error);
    error = NULL;
    return name;
}

/* FNV-1a, 64 bits: what a plaintext says of itself. */
static unsigned long long fnv(const unsigned char *data, size_t length) {
    unsigned long long value = 0xcbf29ce484222325ULL;
    while (length--) value = (value ^ *data++) * 0x100000001b3ULL;
    return value;
}

static size_t plaintext(char *out, const char *name, unsigned long seq, const char *key) {
    unsigned long at, filler = seq * 7 % 200;
    size_t length = (size_t)sprintf(out, "%s %lu %s ", name, seq, key);
    for (at = 0; at < filler; at++) out[length++] = (char)('a' + at % 10);
    out[length++] = ' ';
    return length + (size_t)sprintf(out + length, "%016llx", fnv((unsigned char *)out, length));
}

static int is_from(const keyfold_buf *data, const char *name, const char *seq, const char *key) {
    char start[256], checksum[17];
    size_t length = (size_t)sprintf(start, "%s %s %s ", name, seq, key);
    if (data->len < length + 16) return 0;
    sprintf(checksum, "%016llx", fnv(data->data, data->len - 16));
    return !memcmp(data->data, start, length) && !memcmp(data->data + data->len - 16, checksum, 16);
}

static int digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static size_t unhex(unsigned char *out, const char *hex) {
    size_t at, length = strlen(hex) / 2;
    for (at = 0; at < length; at++) out[at] = (unsigned char)(digit(hex[2 * at]) << 4 | digit(hex[2 * at + 1]));
    return length;
}

/* One line at once, so that nobody reads half of it for long. */
static void tell(FILE *log, const char *start, const keyfold_buf *buf) {
    char line[2 * LINE];
    size_t at, length = (size_t)sprintf(line, "%s", start);
    for (at = 0; buf && at < buf->len; at++) length += (size_t)sprintf(line + length, "%02x", buf->data[at]);
    line[length++] = '\n';
    fwrite(line, 1, length, log);
    fflush(log);
}

static int act(char *line) {
    char *what = strtok(line, " \n"), *key = strtok(NULL, " \n"), *version = strtok(NULL, " \n");
    char *state = strtok(NULL, " \n");
    if (!strcmp(what, "rotate")) return keyfold_store_rotate_key(store, key, NULL, &error);
    if (!strcmp(what, "stage")) return keyfold_store_rotate_key_with(store, key, "{\"stage\": true}", NULL, &error);
    if (!strcmp(what, "rekey")) return keyfold_store_rotate_master_key(store, NULL, NULL, &error);
    if (!strcmp(what, "promote"))
        return keyfold_store_promote_version(store, key, (uint32_t)atoi(version), NULL, &error);
    if (!strcmp(what, "state"))
        return keyfold_store_set_version_state(store, key, (uint32_t)atoi(version), state, NULL, NULL, &error);
    abort();
}

static void admin(void) {
    char line[LINE];
    while (fgets(line, sizeof line, stdin)) {
        long long begun = now();
        int code = act(line);
        long long done = now();
        printf("%lld %lld %s\n", begun, done, outcome(code));
        fflush(stdout);
    }
}

struct pool {
    const char *other;
    FILE *file;
    char kept[2 * LINE];
};

/* Of what this one has sealed since, the last one that is written whole, every other time an older one; 0 where there
 * is none. */
static int next(struct pool *pool, unsigned long turn, char *sealed) {
    char line[2 * LINE];
    long place = ftell(pool->file);
    int found = 0;
    clearerr(pool->file);
    while (fgets(line, sizeof line, pool->file) && strchr(line, '\n')) {
        place = ftell(pool->file);
        if (line[0] == 'E') {
            strcpy(sealed, line);
            found = 1;
        }
    }
    fseek(pool->file, place, SEEK_SET);
    if (found && (!*pool->kept || turn % 16 == 0)) strcpy(pool->kept, sealed);
    if (turn % 2) {
        strcpy(sealed, pool->kept);
        found = *sealed != 0;
    }
    return found;
}

static void open_one(FILE *log, const char *other, char *sealed) {
    char start[512], aad[256], found[256], *number, *key, *hex;
    unsigned char ciphertext[LINE];
    keyfold_key *handle = NULL;
    keyfold_buf opened = {0}, info = {0};
    size_t length;
    long long begun;
    const char *said;
    int code;
    strtok(sealed, " ");
    number = strtok(NULL, " ");
    strtok(NULL, " ");
    strtok(NULL, " ");
    key = strtok(NULL, " ");
    hex = strtok(NULL, " \n");
    length = unhex(ciphertext, hex);
    sprintf(aad, "%s %s", other, key);
    begun = now();
    code = keyfold_store_key(store, key, &handle, &error) ||
           keyfold_key_decrypt(handle, ciphertext, length, aad, strlen(aad), &opened, &error) ||
           keyfold_store_inspect(store, ciphertext, length, &info, &error);
    said = outcome(code);
    sprintf(found, "\"key_id\":\"%s\"", key);
    if (!code && (!is_from(&opened, other, number, key) || !strstr((char *)info.data, found))) said = "wrong";
    sprintf(start, "D %s %lld %lld %s %s", other, begun, now(), number, said);
    tell(log, start, NULL);
    keyfold_buf_free(&opened);
    keyfold_buf_free(&info);
    keyfold_key_free(handle);
}

static size_t split(char *text, char **parts) {
    size_t count = 0;
    char *part;
    for (part = strtok(text, ","); part && count < MOST; part = strtok(NULL, ",")) parts[count++] = part;
    return count;
}

static int roam(const char *name, double seconds, const char *lie, char *key_names, char *other_names) {
    char *keys[MOST], *others[MOST], path[256], start[512], aad[256], data[LINE], sealed_line[2 * LINE];
    size_t count = split(key_names, keys), pool_count = split(other_names, others), at;
    static struct pool pools[MOST];
    keyfold_key *handles[MOST] = {0};
    unsigned long seq = 0, turn = 0;
    struct timespec pause = {0, 4000000};
    long long end = now() + (long long)(seconds * 1e9), begun;
    FILE *log;
    sprintf(path, "%s.log", name);
    log = fopen(path, "a");
    if (!log) return 2;
    for (at = 0; at < count; at++)
        if (keyfold_store_key(store, keys[at], &handles[at], &error)) return 2;
    for (at = 0; at < pool_count; at++) {
        sprintf(path, "%s.log", others[at]);
        pools[at].other = others[at];
        pools[at].file = fopen(path, "r");
        if (!pools[at].file) return 2;
    }
    while (now() < end && access("stop", F_OK)) {
        keyfold_buf out = {0};
        int code;
        turn++;
        for (at = 0; at < count; at++) {
            size_t length;
            seq++;
            length = plaintext(data, name, !strcmp(lie, "plaintext") ? seq + 1 : seq, keys[at]);
            sprintf(aad, "%s %s", name, keys[at]);
            begun = now();
            code = keyfold_key_encrypt(handles[at], data, length, aad, strlen(aad), &out, &error);
            sprintf(start, "%s %lu %lld %lld %s %s", code ? "F" : "E", seq, begun, now(), keys[at],
                    code ? outcome(code) : "");
            tell(log, start, code ? NULL : &out);
            keyfold_buf_free(&out);
        }
        for (at = 0; at < pool_count; at++)
            if (next(&pools[at], turn, sealed_line)) open_one(log, pools[at].other, sealed_line);
        at = seq % count;
        begun = now();
        code = keyfold_key_blind_index(handles[at], keys[at], strlen(keys[at]), "field", NULL, &out, &error);
        if (code) sprintf(start, "F %lu %lld %lld index %s", seq, begun, now(), outcome(code));
        else sprintf(start, "I %s %lld %lld ", keys[at], begun, now());
        tell(log, start, code ? NULL : &out);
        keyfold_buf_free(&out);
        nanosleep(&pause, NULL);
    }
    for (at = 0; at < count; at++) keyfold_key_free(handles[at]);
    for (at = 0; at < pool_count; at++) fclose(pools[at].file);
    fclose(log);
    return 0;
}

int main(int argc, char **argv) {
    char options[256];
    int code = 0;
    if (argc < 4) return 2;
    sprintf(options, "{\"refresh_interval\": \"%s\", \"max_stale\": \"120s\"}", argv[3]);
    if (keyfold_store_open(argv[2], NULL, options, &store, &error)) {
        fprintf(stderr, "%s\n", keyfold_error_message(error));
        return 2;
    }
    if (!strcmp(argv[1], "admin")) admin();
    else if (argc == 9) code = roam(argv[4], atof(argv[5]), argv[6], argv[7], argv[8]);
    keyfold_store_free(store);
    return code;
}
