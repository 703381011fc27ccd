// Makes a store, encrypts, rotates the key, and reads what the old version encrypted.
//
//   cc demo.c $(pkg-config --cflags --libs keyfold) -o demo && ./demo demo.keyfold
#include <keyfold.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "demo.keyfold";
    const char *email = "ada@example.org";
    keyfold_buf secret = {0}, sealed = {0}, moved = {0}, plain = {0};
    keyfold_master_key *master_key = NULL;
    keyfold_store *store = NULL;
    keyfold_key *pii = NULL;
    keyfold_error *error = NULL;
    bool stale = false;

    // A real program makes the master key once, keeps it elsewhere, and passes NULL to keyfold_store_open: that
    // reads KEYFOLD_MASTER_KEY.
    keyfold_context *where = keyfold_context_new();
    if (keyfold_generate_master_key(&secret, &error) ||
        keyfold_master_key_new_text((const char *)secret.data, &master_key, &error) ||
        keyfold_store_open(path, master_key, "{\"create\": true}", &store, &error) ||
        keyfold_store_create_key(store, "pii", NULL, NULL, &error) ||
        keyfold_store_key(store, "pii", &pii, &error) ||
        // Where the value belongs. It is not stored: whoever decrypts says it again.
        keyfold_context_add_text(where, "table", "users", &error) ||
        keyfold_context_add_integer(where, "id", 42, &error) ||
        keyfold_key_encrypt_text_with_context(pii, email, strlen(email), where, &sealed, &error) ||
        keyfold_store_rotate_key(store, "pii", NULL, &error) ||
        keyfold_key_decrypt_text_with_context(pii, (const char *)sealed.data, sealed.len, where, &plain, &error) ||
        keyfold_key_needs_reencrypt(pii, sealed.data, sealed.len, &stale, &error) ||
        keyfold_key_reencrypt_text_with_context(pii, (const char *)sealed.data, sealed.len, where, &moved, &error))
        fprintf(stderr, "%s: %s\n", keyfold_error_name(error), keyfold_error_message(error));
    else
        printf("%s\nstale: %s\n%s\n%s\n", (char *)sealed.data, stale ? "yes" : "no", (char *)moved.data,
               (char *)plain.data);

    int failed = error != NULL;
    keyfold_buf_free(&secret); // Wiped; an empty buffer is fine, and so is NULL below.
    keyfold_buf_free(&sealed);
    keyfold_buf_free(&moved);
    keyfold_buf_free(&plain);
    keyfold_context_free(where);
    keyfold_key_free(pii);
    keyfold_store_free(store);
    keyfold_master_key_free(master_key);
    keyfold_error_free(error);
    return failed;
}
