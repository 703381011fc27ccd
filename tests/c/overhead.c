// Not a test: what one call costs. ./overhead
#include "check.h"

#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

#define MEASURE(what, call)                                                                                            \
    do {                                                                                                               \
        double best = 1e18;                                                                                            \
        for (int round = 0; round < 1000; round++) {                                                                     \
            double start = now();                                                                                      \
            for (int i = 0; i < 1000; i++) {                                                                         \
                call;                                                                                                  \
            }                                                                                                          \
            double each = (now() - start) / 1000;                                                                    \
            best = each < best ? each : best;                                                                          \
        }                                                                                                              \
        printf("%-40s %7.1f ns\n", what, best);                                                                        \
    } while (0)

int main(void) {
    keyfold_store *store = test_store("overhead.keyfold");
    keyfold_key *key = test_key(store, "pii");
    unsigned char plain[32] = "ada", sealed[32 + KEYFOLD_OVERHEAD_MAX];
    size_t length = 0, back = 0;
    keyfold_buf out = {0};
    MEASURE("keyfold_abi_version", keyfold_abi_version());
    MEASURE("keyfold_key_encrypt_into, 32 bytes",
            keyfold_key_encrypt_into(key, plain, 32, NULL, 0, sealed, sizeof sealed, &length, NULL));
    MEASURE("keyfold_key_decrypt_into, 32 bytes",
            keyfold_key_decrypt_into(key, sealed, length, NULL, 0, plain, sizeof plain, &back, NULL));
    MEASURE("keyfold_key_encrypt and free, 32 bytes", {
        keyfold_key_encrypt(key, plain, 32, NULL, 0, &out, NULL);
        keyfold_buf_free(&out);
    });
    MEASURE("keyfold_key_decrypt and free, 32 bytes", {
        keyfold_key_decrypt(key, sealed, length, NULL, 0, &out, NULL);
        keyfold_buf_free(&out);
    });
    keyfold_key_free(key);
    keyfold_store_free(store);
    return failed;
}
