// What the programs that fork share: children that are waited for, and a list of what everyone drew.
#ifndef FORKS_H
#define FORKS_H

#include "check.h"

#include <sys/wait.h>

// Who waits for a lock that nobody gives back is ended after so many seconds, and counts as failed.
enum { NONCE = 12, PATIENCE = 300 };

static int children = 64;
static unsigned char (*nonces)[NONCE];
static size_t known, room;

// CHILDREN in the environment; each process of the family draws so many nonces, and so many more are drawn elsewhere.
static inline void expect_children(size_t each, size_t more) {
    if (getenv("CHILDREN") != NULL)
        children = atoi(getenv("CHILDREN"));
    room = (size_t)(children + 1) * each + more;
    nonces = malloc(room * NONCE);
    if (nonces == NULL)
        exit(2);
    // No child inherits it.
    alarm(3 * PATIENCE);
}

static inline void keep(const unsigned char *nonce) {
    if (known == room)
        exit(3);
    memcpy(nonces[known++], nonce, NONCE);
}

static inline int compare(const void *one, const void *other) { return memcmp(one, other, NONCE); }

static inline void all_differ(void) {
    size_t same = 0;
    qsort(nonces, known, NONCE, compare);
    for (size_t i = 1; i < known; i++)
        same += memcmp(nonces[i - 1], nonces[i], NONCE) == 0;
    if (same != 0)
        printf("%zu of %zu were drawn before\n", same, known);
    CHECK(same == 0);
}

static inline pid_t begin(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        alarm(PATIENCE);
    return child;
}

static inline void wait_for(int count) {
    for (int i = 0; i < count; i++) {
        int status = -1;
        CHECK(wait(&status) > 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (status != 0)
            printf("a child ended with status %#x\n", (unsigned)status);
    }
}

static inline void receive(int in) {
    unsigned char nonce[NONCE];
    while (read(in, nonce, NONCE) == NONCE)
        keep(nonce);
}

#endif
