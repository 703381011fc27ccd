/* The C side of the interoperability matrix; run.py describes the lines that it reads and answers. */
#include <keyfold.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char line[1 << 20];
static keyfold_error *error;

static int digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Bytes of a hex text that ends at a zero, a comma or a space; one byte more is allocated and zero. */
static unsigned char *bytes(const char *hex, size_t *length) {
    size_t digits = strcspn(hex, ", \n"), at;
    unsigned char *out = malloc(digits / 2 + 1);
    if (!out) abort();
    for (at = 0; at < digits / 2; at++) out[at] = (unsigned char)(digit(hex[2 * at]) << 4 | digit(hex[2 * at + 1]));
    out[at] = 0;
    *length = at;
    return out;
}

static void print(const keyfold_buf *buf) {
    size_t at;
    for (at = 0; at < buf->len; at++) printf("%02x", buf->data[at]);
}

/* "name=t:HEX,name=b:HEX,name=i:NUMBER" */
static int fields(keyfold_context *context, char *text) {
    char *field;
    int code = 0;
    for (field = strtok(text, ","); field && !code; field = strtok(NULL, ",")) {
        char *value = strchr(field, '=');
        size_t length;
        unsigned char *content;
        *value++ = 0;
        content = bytes(value + 2, &length);
        if (*value == 't') code = keyfold_context_add_text(context, field, (char *)content, &error);
        else if (*value == 'b') code = keyfold_context_add_bytes(context, field, content, length, &error);
        else code = keyfold_context_add_integer(context, field, strtoll(value + 2, NULL, 10), &error);
        free(content);
    }
    return code;
}

static int answer(keyfold_store *store, const char *operation, const char *id, char *binding, const char *hex) {
    keyfold_key *key = NULL;
    keyfold_context *where = NULL;
    keyfold_buf out = {0};
    size_t length = 0, aad_length = 0;
    unsigned char *data = bytes(*hex == '-' ? "" : hex, &length), *aad = NULL;
    int code = keyfold_store_key(store, id, &key, &error);

    if (!code && !strncmp(binding, "aad:", 4)) aad = bytes(binding + 4, &aad_length);
    if (!code && !strncmp(binding, "ctx:", 4)) {
        where = keyfold_context_new();
        code = fields(where, binding + 4);
    }
    if (code) {
    } else if (!strcmp(operation, "rotate")) {
        code = keyfold_store_rotate_key(store, id, &out, &error);
    } else if (!strcmp(operation, "seal")) {
        code = where ? keyfold_key_encrypt_with_context(key, data, length, where, &out, &error)
                     : keyfold_key_encrypt(key, data, length, aad, aad_length, &out, &error);
    } else if (!strcmp(operation, "open")) {
        code = where ? keyfold_key_decrypt_with_context(key, data, length, where, &out, &error)
                     : keyfold_key_decrypt(key, data, length, aad, aad_length, &out, &error);
    } else if (!strcmp(operation, "sealtext")) {
        code = where ? keyfold_key_encrypt_text_with_context(key, (char *)data, length, where, &out, &error)
                     : keyfold_key_encrypt_text(key, (char *)data, length, aad, aad_length, &out, &error);
    } else if (!strcmp(operation, "opentext")) {
        code = where ? keyfold_key_decrypt_text_with_context(key, (char *)data, length, where, &out, &error)
                     : keyfold_key_decrypt_text(key, (char *)data, length, aad, aad_length, &out, &error);
    } else if (!strcmp(operation, "reencrypt")) {
        code = keyfold_key_reencrypt(key, data, length, aad, aad_length, &out, &error);
    } else if (!strcmp(operation, "index")) {
        code = keyfold_key_blind_index(key, data, length, "users.email", NULL, &out, &error);
    } else {
        abort();
    }
    if (code) printf("error %s", keyfold_error_name(error));
    else print(&out);
    printf("\n");
    fflush(stdout);
    keyfold_buf_free(&out);
    keyfold_context_free(where);
    keyfold_key_free(key);
    keyfold_error_free(error);
    error = NULL;
    free(aad);
    free(data);
    return code;
}

int main(int argc, char **argv) {
    keyfold_store *store = NULL;
    if (argc != 2 || keyfold_store_open(argv[1], NULL, NULL, &store, &error)) {
        fprintf(stderr, "%s\n", argc == 2 ? keyfold_error_message(error) : "usage: driver STORE");
        return 2;
    }
    while (fgets(line, sizeof line, stdin)) {
        char *operation = line, *id = strchr(operation, ' '), *binding, *data;
        *id++ = 0;
        binding = strchr(id, ' ');
        *binding++ = 0;
        data = strchr(binding, ' ');
        *data++ = 0;
        answer(store, operation, id, binding, data);
    }
    keyfold_store_free(store);
    return 0;
}
