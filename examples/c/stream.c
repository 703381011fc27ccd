// Encrypts a column in one call, nulls included, and a stream in parts.
//
//   cc stream.c $(pkg-config --cflags --libs keyfold) -o stream && ./stream stream.keyfold < file > sealed
#include <keyfold.h>
#include <stdio.h>

static int told(keyfold_error *error) {
    fprintf(stderr, "%s: %s\n", keyfold_error_name(error), keyfold_error_message(error));
    keyfold_error_free(error);
    return 1;
}

// Rows of a table; the second has no value, and its ciphertext is none either.
static keyfold_status column(keyfold_store *store, keyfold_error **error) {
    const keyfold_data names[] = {{"ada", 3}, {NULL, 0}, {"grace", 5}};
    keyfold_key *pii = NULL;
    keyfold_buf sealed = {0};
    size_t offsets[4];
    keyfold_status status = keyfold_store_key(store, "pii", &pii, error);
    if (status == KEYFOLD_OK)
        status = keyfold_key_encrypt_many_text(pii, names, 3, NULL, 0, &sealed, offsets, error);
    for (int row = 0; status == KEYFOLD_OK && row < 3; row++)
        fprintf(stderr, "%d: %.*s\n", row, (int)(offsets[row + 1] - offsets[row]), (char *)sealed.data + offsets[row]);
    keyfold_buf_free(&sealed);
    keyfold_key_free(pii);
    return status;
}

// Standard input to standard output, whatever its length, with 1 MiB of it in memory.
static keyfold_status stream(keyfold_store *store, keyfold_error **error) {
    keyfold_key *files = NULL;
    keyfold_stream_encryptor *encryptor = NULL;
    keyfold_buf ready = {0};
    char part[65536];
    size_t length;
    keyfold_status status = keyfold_store_key(store, "files", &files, error);
    if (status == KEYFOLD_OK)
        status = keyfold_stream_encryptor_new(files, "report", 6, &encryptor, error);
    while (status == KEYFOLD_OK && (length = fread(part, 1, sizeof part, stdin)) > 0) {
        status = keyfold_stream_encryptor_update(encryptor, part, length, &ready, error);
        fwrite(ready.data, 1, ready.len, stdout);
        keyfold_buf_free(&ready);
    }
    if (status == KEYFOLD_OK)
        status = keyfold_stream_encryptor_finish(encryptor, &ready, error);
    fwrite(ready.data, 1, ready.len, stdout);
    keyfold_buf_free(&ready);
    keyfold_stream_encryptor_free(encryptor);
    keyfold_key_free(files);
    return status;
}

int main(int argc, char **argv) {
    keyfold_store *store = NULL;
    keyfold_error *error = NULL;
    // For trying things out: the master key is a file beside the store.
    const char *options = "{\"create\": true, \"insecure_dev\": true}";
    if (keyfold_store_open(argc > 1 ? argv[1] : "stream.keyfold", NULL, options, &store, &error) ||
        keyfold_store_create_key(store, "pii", "{\"exist_ok\": true}", NULL, &error) ||
        keyfold_store_create_key(store, "files", "{\"kind\": \"stream\", \"exist_ok\": true}", NULL, &error) ||
        column(store, &error) || stream(store, &error)) {
        keyfold_store_free(store);
        return told(error);
    }
    keyfold_store_free(store);
    return 0;
}
