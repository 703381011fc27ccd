/* Opens one customer's e-mail in C: reads a ciphertext in text form, given as an argument with its row. */
#include <keyfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    keyfold_store *store = NULL;
    keyfold_key *key = NULL;
    keyfold_context *place = NULL;
    keyfold_error *error = NULL;
    keyfold_buf email = {0};
    int code;

    if (argc != 3) {
        fprintf(stderr, "usage: open_one ROW CIPHERTEXT\n");
        return 2;
    }
    code = keyfold_store_open("app.keyfold", NULL, NULL, &store, &error);
    if (!code) code = keyfold_store_key(store, "customers", &key, &error);
    place = keyfold_context_new();
    if (!code) code = keyfold_context_add_text(place, "table", "customers", &error);
    if (!code) code = keyfold_context_add_text(place, "column", "email", &error);
    if (!code) code = keyfold_context_add_integer(place, "id", strtoll(argv[1], NULL, 10), &error);
    if (!code) code = keyfold_key_decrypt_text_with_context(key, argv[2], strlen(argv[2]), place, &email, &error);
    if (code)
        fprintf(stderr, "%s: %s\n", keyfold_error_name(error), keyfold_error_message(error));
    else
        printf("   %s | %.*s\n", argv[1], (int)email.len, (const char *)email.data);
    keyfold_buf_free(&email);
    keyfold_context_free(place);
    keyfold_key_free(key);
    keyfold_store_free(store);
    keyfold_error_free(error);
    return code ? 1 : 0;
}
