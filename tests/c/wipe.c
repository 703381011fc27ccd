// No block of memory that is given back still holds a plaintext or a master key. This program's own free() looks.
#include "check.h"

#include <malloc.h>

extern void __libc_free(void *block);

// The compiler believes that free() reads and writes no variables: volatile.
static const unsigned char *volatile secret;
static size_t secret_length;
static volatile long looked, found;

void free(void *block) {
    if (block != NULL && secret != NULL) {
        looked++;
        if (memmem(block, malloc_usable_size(block), secret, secret_length) != NULL)
            found++;
    }
    __libc_free(block);
}

static void look_for(const void *bytes, size_t length) {
    looked = found = 0;
    secret_length = length;
    secret = bytes;
}

static void nothing_found(void) {
    secret = NULL;
    CHECK(looked > 0);
    CHECK(found == 0);
}

int main(void) {
    static const char message[] = "the plaintext that must not stay behind";
    size_t length = sizeof message - 1;
    keyfold_store *store = test_store("wipe.keyfold");
    keyfold_key *key = test_key(store, "pii");
    keyfold_buf sealed = {0}, text = {0}, plain = {0}, moved = {0};

    // That the looking finds something.
    look_for(message, length);
    char *volatile copy = strdup(message);
    free(copy);
    CHECK(looked == 1 && found == 1);

    look_for(message, length);
    OK(keyfold_key_encrypt(key, message, length, NULL, 0, &sealed, &error));
    OK(keyfold_key_encrypt_text(key, message, length, NULL, 0, &text, &error));
    OK(keyfold_key_decrypt(key, sealed.data, sealed.len, NULL, 0, &plain, &error));
    CHECK(memcmp(plain.data, message, length) == 0);
    keyfold_buf_free(&plain);
    OK(keyfold_key_decrypt(key, text.data, text.len, NULL, 0, &plain, &error));
    keyfold_buf_free(&plain);
    OK(keyfold_key_decrypt_text(key, (char *)text.data, text.len, NULL, 0, &plain, &error));
    keyfold_buf_free(&plain);
    OK(keyfold_store_decrypt(store, "pii", sealed.data, sealed.len, NULL, 0, &plain, &error));
    keyfold_buf_free(&plain);
    OK(keyfold_store_rotate_key(store, "pii", NULL, &error));
    OK(keyfold_key_reencrypt(key, sealed.data, sealed.len, NULL, 0, &moved, &error));
    keyfold_buf_free(&moved);
    OK(keyfold_key_reencrypt_text(key, (char *)text.data, text.len, NULL, 0, &moved, &error));
    keyfold_buf_free(&moved);
    // A plaintext that does not verify does not stay either.
    sealed.data[sealed.len - 1] ^= 1;
    FAILS(KEYFOLD_DECRYPTION_FAILED, keyfold_key_decrypt(key, sealed.data, sealed.len, NULL, 0, &plain, &error));
    nothing_found();
    keyfold_buf_free(&sealed);
    keyfold_buf_free(&text);

    // The master key, as text and as bytes.
    static unsigned char bytes[32];
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(i + 100);
    static const char file[] = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=";
    keyfold_master_key *master_key = NULL;
    keyfold_store *other = NULL;
    look_for(bytes, 32);
    OK(keyfold_master_key_new_bytes(bytes, 32, &master_key, &error));
    OK(keyfold_store_open("other.keyfold", master_key, "{\"create\": true}", &other, &error));
    keyfold_master_key_free(master_key);
    keyfold_store_free(other);
    nothing_found();
    look_for(bytes, 32);
    OK(keyfold_master_key_new_text(file, &master_key, &error));
    OK(keyfold_store_open("other.keyfold", master_key, NULL, &other, &error));
    keyfold_master_key_free(master_key);
    keyfold_store_free(other);
    nothing_found();
    look_for(file, strlen(file));
    OK(keyfold_master_key_new_text(file, &master_key, &error));
    OK(keyfold_store_open("other.keyfold", master_key, NULL, &other, &error));
    keyfold_master_key_free(master_key);
    keyfold_store_free(other);
    nothing_found();

    keyfold_key_free(key);
    keyfold_store_free(store);
    return finish("wipe");
}
