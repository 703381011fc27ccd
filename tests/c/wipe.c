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
    // In batches and streams.
    const keyfold_data values[] = {{message, length}, {NULL, 0}, {message, length}};
    size_t offsets[4];
    keyfold_buf many = {0};
    OK(keyfold_key_encrypt_many(key, values, 3, NULL, 0, &many, offsets, &error));
    keyfold_data parts[3] = {{many.data, offsets[1]}, {NULL, 0}, {many.data + offsets[2], offsets[3] - offsets[2]}};
    OK(keyfold_key_decrypt_many(key, parts, 3, NULL, 0, &plain, offsets, NULL, &error));
    keyfold_buf_free(&plain);
    keyfold_buf_free(&many);
    OK(keyfold_key_encrypt_many_text(key, values, 3, NULL, 0, &many, offsets, &error));
    parts[0].data = many.data, parts[0].len = offsets[1];
    OK(keyfold_key_decrypt_many_text(key, parts, 1, NULL, 0, &plain, offsets, NULL, &error));
    keyfold_buf_free(&plain);
    keyfold_buf_free(&many);
    OK(keyfold_store_create_key(store, "stream", "{\"kind\": \"stream\"}", NULL, &error));
    keyfold_key *stream = test_key(store, "stream");
    keyfold_stream_encryptor *encryptor = NULL;
    keyfold_stream_decryptor *decryptor = NULL;
    OK(keyfold_stream_encryptor_new(stream, NULL, 0, &encryptor, &error));
    OK(keyfold_stream_encryptor_update(encryptor, message, length, &many, &error));
    keyfold_buf_free(&many);
    OK(keyfold_stream_encryptor_finish(encryptor, &many, &error));
    keyfold_stream_encryptor_free(encryptor);
    OK(keyfold_stream_decryptor_new(stream, NULL, 0, &decryptor, &error));
    OK(keyfold_stream_decryptor_update(decryptor, many.data, many.len, &plain, &error));
    keyfold_buf_free(&plain);
    OK(keyfold_stream_decryptor_finish(decryptor, &plain, &error));
    CHECK(memcmp(plain.data, message, length) == 0);
    keyfold_buf_free(&plain);
    keyfold_stream_decryptor_free(decryptor);
    keyfold_buf_free(&many);
    keyfold_key_free(stream);
    nothing_found();
    keyfold_buf_free(&sealed);
    keyfold_buf_free(&text);

    // A key that comes in and goes out, and a passphrase.
    static const unsigned char material[32] = "key material of thirty-two bytes";
    static const char phrase[] = "correct horse battery staple";
    keyfold_master_key *by_phrase = NULL;
    look_for(material, 32);
    OK(keyfold_store_import_key(store, "in", material, 32, "raw", "{\"exportable\": true}", NULL, &error));
    OK(keyfold_store_get_data_key(store, "in", 0, &plain, &error));
    keyfold_buf_free(&plain);
    nothing_found();
    look_for(phrase, sizeof phrase - 1);
    OK(keyfold_master_key_new_passphrase(phrase, "{\"memory_kib\": 19456, \"passes\": 1}", &by_phrase, &error));
    OK(keyfold_store_add_recipient(store, by_phrase, NULL, NULL, &error));
    keyfold_master_key_free(by_phrase);
    nothing_found();

    // The master key, as text and as bytes.
    static const unsigned char bytes[] = MASTER_KEY_BYTES;
    static const char file[] = MASTER_KEY;
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
