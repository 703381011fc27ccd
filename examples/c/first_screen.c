// The sample of the README: encrypts three bytes under the key "pii" of the store app.keyfold, with the master key
// in KEYFOLD_MASTER_KEY.
#include <keyfold.h>
#include <stdio.h>

int main(void) {
keyfold_store *s = NULL; keyfold_key *k = NULL;
keyfold_error *e = NULL; keyfold_buf out = {0};
if (keyfold_store_open("app.keyfold", NULL, NULL, &s, &e) ||
    keyfold_store_key(s, "pii", &k, &e) ||
    keyfold_key_encrypt(k, "ada", 3, NULL, 0, &out, &e))
    fputs(keyfold_error_message(e), stderr);
keyfold_buf_free(&out); keyfold_key_free(k);   /* wiped; NULL is fine */
keyfold_store_free(s); keyfold_error_free(e);
    return 0;
}
