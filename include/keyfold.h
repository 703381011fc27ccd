/*
 * keyfold.h: the C interface of keyfold, and its manual.
 *
 * keyfold keeps data-encryption keys in one SQLite file, wrapped by a master key, and encrypts an application's
 * fields and values under them. A STORE is that file. A KEY has a name ("pii") and versions; rotating it makes the
 * next version, and what older ones encrypted still opens. Programs in C, Rust, Python and Node and the command
 * line use the same file at the same time.
 *
 * This file is made from the library's source: do not edit it. It compiles alone as C99 and C++17.
 *
 *
 * THE WHOLE OF IT, IN AN EXAMPLE
 *
 *     // Makes a store, encrypts, rotates the key, and reads what the old version encrypted.
 *     //
 *     //   cc demo.c $(pkg-config --cflags --libs keyfold) -o demo && ./demo demo.keyfold
 *     #include <keyfold.h>
 *     #include <stdio.h>
 *     #include <string.h>
 *
 *     int main(int argc, char **argv) {
 *         const char *path = argc > 1 ? argv[1] : "demo.keyfold";
 *         const char *email = "ada@example.org";
 *         keyfold_buf secret = {0}, sealed = {0}, moved = {0}, plain = {0};
 *         keyfold_master_key *master_key = NULL;
 *         keyfold_store *store = NULL;
 *         keyfold_key *pii = NULL;
 *         keyfold_error *error = NULL;
 *         bool stale = false;
 *
 *         // A real program makes the master key once, keeps it elsewhere, and passes NULL to keyfold_store_open: that
 *         // reads KEYFOLD_MASTER_KEY.
 *         keyfold_context *where = keyfold_context_new();
 *         if (keyfold_generate_master_key(&secret, &error) ||
 *             keyfold_master_key_new_text((const char *)secret.data, &master_key, &error) ||
 *             keyfold_store_open(path, master_key, "{\"create\": true}", &store, &error) ||
 *             keyfold_store_create_key(store, "pii", NULL, NULL, &error) ||
 *             keyfold_store_key(store, "pii", &pii, &error) ||
 *             // Where the value belongs. It is not stored: whoever decrypts says it again.
 *             keyfold_context_add_text(where, "table", "users", &error) ||
 *             keyfold_context_add_integer(where, "id", 42, &error) ||
 *             keyfold_key_encrypt_text_with_context(pii, email, strlen(email), where, &sealed, &error) ||
 *             keyfold_store_rotate_key(store, "pii", NULL, &error) ||
 *             keyfold_key_decrypt_text_with_context(pii, (const char *)sealed.data, sealed.len, where, &plain, &error) ||
 *             keyfold_key_needs_reencrypt(pii, sealed.data, sealed.len, &stale, &error) ||
 *             keyfold_key_reencrypt_text_with_context(pii, (const char *)sealed.data, sealed.len, where, &moved, &error))
 *             fprintf(stderr, "%s: %s\n", keyfold_error_name(error), keyfold_error_message(error));
 *         else
 *             printf("%s\nstale: %s\n%s\n%s\n", (char *)sealed.data, stale ? "yes" : "no", (char *)moved.data,
 *                    (char *)plain.data);
 *
 *         int failed = error != NULL;
 *         keyfold_buf_free(&secret); // Wiped; an empty buffer is fine, and so is NULL below.
 *         keyfold_buf_free(&sealed);
 *         keyfold_buf_free(&moved);
 *         keyfold_buf_free(&plain);
 *         keyfold_context_free(where);
 *         keyfold_key_free(pii);
 *         keyfold_store_free(store);
 *         keyfold_master_key_free(master_key);
 *         keyfold_error_free(error);
 *         return failed;
 *     }
 *
 * Build with the flags that `pkg-config --cflags --libs keyfold` prints; without pkg-config: -lkeyfold. For the static
 * library, libkeyfold.a -lm -lpthread -ldl; it holds SQLite with its names, so a program that has a SQLite of its own
 * takes the shared library.
 *
 *
 * RULES THAT HOLD FOR EVERY FUNCTION
 *
 * Results. What can fail returns a keyfold_status: KEYFOLD_OK, which is 0, or what went wrong. Results go to
 * out-parameters, which are written on success only; they must not be NULL unless it says so.
 *
 * Errors. The last parameter is NULL, or where to put a keyfold_error that says more. It is written on failure only, and
 * what was there is not freed: start with NULL, and free an error before you use the place again. No error hides in a
 * thread. Everything that reads an error takes NULL too.
 *
 * Whose is it? What a function gives in an out-parameter, or returns from a name that ends in _new, is yours: free it
 * with the function of its type. Every such function takes NULL. What returns a `const char *` shows you something
 * inside the object you asked; it is valid until that object is freed. What you pass in stays yours; nothing of it is
 * kept after the call, and nobody may change it meanwhile. A pointer that is not NULL must be good: nothing can check
 * that.
 *
 * Data is a pointer and a length; NULL with length 0 is empty data. Names, paths and options end with a zero byte. All
 * texts are UTF-8, or KEYFOLD_INVALID_ARGUMENT. A NULL where something must be is KEYFOLD_INVALID_ARGUMENT and the
 * message names the parameter; so is a length that can only be a negative number.
 *
 * Options and reports are JSON texts. Secrets never are.
 *
 * Several values are an array of keyfold_data and a count; NULL with count 0 is none. In arrays a value whose data is NULL
 * is a null, as in a column of a table, and not an empty value. keyfold_error_index says which item was refused.
 *
 * Threads. Stores, keys and master keys may be used by all threads at once; so may a context while nobody adds to it. An
 * error, a buffer or a stream belongs to one thread at a time. Free an object when no call uses it any more; keyfold_store_close
 * may be called while others run, and makes them fail with KEYFOLD_CLOSED.
 *
 * Fork. A child may go on with everything it inherited, at once: it draws other nonces than its parent and opens the
 * file anew by itself. Both sides free what they have. Forking waits for calls that use the file. A child of vfork may
 * only exec.
 *
 * Memory. Keys live in pages that are locked, kept out of core dumps and wiped. A keyfold_buf is wiped when it is freed;
 * your own copies you wipe with keyfold_wipe. Where memory runs out the process ends.
 *
 * Bugs. A bug in keyfold becomes KEYFOLD_INTERNAL and ends no process. C++ exceptions and longjmp must not pass through
 * keyfold from your callback. The library stays loaded after dlclose.
 *
 * One more thing: a second SQLite library in the same process that opens and closes the file of a store drops all locks
 * that keyfold holds on it. Leave the file to keyfold while it is open.
 *
 *
 * WHAT TO DO ABOUT AN ERROR
 *
 *   KEYFOLD_BUSY, KEYFOLD_RATE_LIMITED, KEYFOLD_PROVIDER_UNAVAILABLE
 *       Try again later: keyfold_error_retryable says so, keyfold_error_retry_after_ms how much later.
 *   KEYFOLD_DECRYPTION_FAILED
 *       Never use the ciphertext as if it were the plaintext. Wrong key, wrong context and damage are not told apart.
 *   KEYFOLD_INTEGRITY_ERROR
 *       Someone changed the file, or it was damaged. Keep it for inquiry and restore a backup.
 *   KEYFOLD_WRONG_MASTER_KEY
 *       The file is fine as far as one can tell; the master key is another store's.
 *   KEYFOLD_INVALID_ARGUMENT, KEYFOLD_LIMIT_EXCEEDED
 *       Change the call: the message says how.
 *
 *
 * SIZES AND LIMITS
 *
 * A ciphertext in bytes is 33 bytes longer than its plaintext (AES256_GCM_SIV, AES256_GCM) or 45 (XAES256_GCM,
 * XCHACHA20_POLY1305); its text form has 4 characters before it and 4 for every 3 bytes, without padding. A ciphertext is
 * 01, the version's tag (4 bytes, big endian), nonce, encrypted bytes, 16 bytes: the format of Google Tink.
 *
 *   key id               1 to 255 bytes of A-Z a-z 0-9 . _ : / -
 *   message              64 MiB; streams and files have no limit
 *   batch                100,000 values, 256 MiB of ciphertexts
 *   aad, or a context    1 MiB; a context has 1 to 64 fields
 *   versions of a key    10,000
 *   labels of a key      64, names of 1 to 255 bytes, values up to 255
 *   description          4096 bytes
 *   options              64 KiB of JSON
 *   blind index          1 to 256 bits; a field's name has 1 to 255 bytes
 *   path, texts          as long as the system allows
 */
#ifndef KEYFOLD_H
#define KEYFOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the binary interface that this header describes; also the number in libkeyfold.so.0. It grows
 * with every change after which a program must be compiled again.
 */
#define KEYFOLD_ABI_VERSION 0

/**
 * Longest key id, in bytes.
 */
#define KEYFOLD_KEY_ID_MAX 255

/**
 * Longest message: 64 MiB.
 */
#define KEYFOLD_MESSAGE_MAX 67108864

/**
 * Longest associated data, raw or made from a context: 1 MiB.
 */
#define KEYFOLD_AAD_MAX 1048576

/**
 * Most values of one batch.
 */
#define KEYFOLD_BATCH_MAX 100000

/**
 * Most fields of a context.
 */
#define KEYFOLD_CONTEXT_FIELDS_MAX 64

/**
 * No ciphertext in bytes is longer than its plaintext by more than this: 33 where the nonce has 12 bytes, 45
 * where it has 24.
 */
#define KEYFOLD_OVERHEAD_MAX 45

/**
 * What a call returns: KEYFOLD_OK, or why it failed. Act on this number; messages may change, it does not.
 * A later version may know more of them.
 */
enum keyfold_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  KEYFOLD_OK = 0,
  /**
   * You can fix the call; the message says how.
   */
  KEYFOLD_INVALID_ARGUMENT = 1,
  /**
   * The named thing is not there.
   */
  KEYFOLD_NOT_FOUND = 2,
  /**
   * The named thing is there already.
   */
  KEYFOLD_ALREADY_EXISTS = 3,
  /**
   * Something still refers to it.
   */
  KEYFOLD_IN_USE = 4,
  /**
   * The state of the key version forbids this operation.
   */
  KEYFOLD_KEY_UNAVAILABLE = 5,
  /**
   * The ciphertext does not open: wrong key, wrong aad or context, or damage. Which of them is not told.
   */
  KEYFOLD_DECRYPTION_FAILED = 6,
  /**
   * A MAC or signature does not verify.
   */
  KEYFOLD_VERIFICATION_FAILED = 7,
  /**
   * The master key is not this store's.
   */
  KEYFOLD_WRONG_MASTER_KEY = 8,
  /**
   * The store was damaged, or changed by someone without the master key.
   */
  KEYFOLD_INTEGRITY_ERROR = 9,
  /**
   * The mode, a policy or the system does not allow it.
   */
  KEYFOLD_PERMISSION_DENIED = 10,
  /**
   * Too many calls: wait for keyfold_error_retry_after_ms and try again.
   */
  KEYFOLD_RATE_LIMITED = 11,
  /**
   * A documented limit would be passed.
   */
  KEYFOLD_LIMIT_EXCEEDED = 12,
  /**
   * Not something that this build, version or file can do.
   */
  KEYFOLD_UNSUPPORTED = 13,
  /**
   * The provider of the master key did not answer; or your callback failed.
   */
  KEYFOLD_PROVIDER_UNAVAILABLE = 14,
  /**
   * The provider of the master key refused.
   */
  KEYFOLD_PROVIDER_DENIED = 15,
  /**
   * Another process held the store for longer than busy_timeout.
   */
  KEYFOLD_BUSY = 16,
  /**
   * The disk is full; nothing was half written.
   */
  KEYFOLD_STORAGE_FULL = 17,
  /**
   * Reading or writing the file failed.
   */
  KEYFOLD_STORAGE = 18,
  /**
   * The store was closed.
   */
  KEYFOLD_CLOSED = 19,
  /**
   * A bug in keyfold.
   */
  KEYFOLD_INTERNAL = 20,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum keyfold_status keyfold_status;
#else
typedef int32_t keyfold_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where a value belongs: named fields such as table, column and row. What was encrypted under one context opens
 * under no other. Yours; free it with keyfold_context_free. While nobody adds to it, all threads may use it.
 */
typedef struct keyfold_context keyfold_context;

/**
 * Why a call failed. Yours; free it with keyfold_error_free. Never holds key bytes, plaintext, ciphertext or
 * credentials. All that is read from it is valid until it is freed.
 */
typedef struct keyfold_error keyfold_error;

/**
 * A handle to one key of a store. Yours; free it with keyfold_key_free. All threads may use it at once. What another
 * process rotates is used within refresh_interval; what a newer version encrypted opens at once.
 */
typedef struct keyfold_key keyfold_key;

/**
 * Several byte strings. Yours; free it with keyfold_list_free.
 */
typedef struct keyfold_list keyfold_list;

/**
 * Where a master key comes from. It is read when a store is opened, and not kept by the store. Yours; free it
 * with keyfold_master_key_free, as soon as the stores are open if you like. May be used from all threads.
 */
typedef struct keyfold_master_key keyfold_master_key;

/**
 * An open store. Yours; free it with keyfold_store_free. All threads may use it at once.
 */
typedef struct keyfold_store keyfold_store;

/**
 * Decrypts a stream part by part. Yours, and one thread's at a time; free it with keyfold_stream_decryptor_free, ended
 * or not. It keeps its store open.
 */
typedef struct keyfold_stream_decryptor keyfold_stream_decryptor;

/**
 * Encrypts a stream part by part. Yours, and one thread's at a time; free it with keyfold_stream_encryptor_free, ended
 * or not. It keeps its store open.
 */
typedef struct keyfold_stream_encryptor keyfold_stream_encryptor;

/**
 * Bytes or text that keyfold allocated. Start with {0} (in C++ with {}); free it with keyfold_buf_free, which
 * wipes it. A call that succeeds overwrites what is in it, so free it before using it again. Behind the last
 * byte there is always a zero byte that len does not count: text in it is a C string.
 */
typedef struct keyfold_buf {
  /**
   * The bytes. Never NULL after a success, even where there are none. Change them as you like.
   */
  uint8_t *data;
  /**
   * How many there are.
   */
  size_t len;
  /**
   * How much was allocated: leave it alone.
   */
  size_t cap;
} keyfold_buf;

/**
 * Writes the 32 bytes of the master key to `key` and returns 0; or returns another number, and the call that
 * needed the key fails with KEYFOLD_PROVIDER_UNAVAILABLE, that number in keyfold_error_cause. It runs in the
 * thread that opens a store, without any lock held, and may call keyfold. It must not throw or longjmp.
 */
typedef int (*keyfold_master_key_callback)(void *user_data, uint8_t *key);

/**
 * Frees the user data of a callback.
 */
typedef void (*keyfold_free_callback)(void *user_data);

/**
 * Is told now and then how many pages of a backup are copied, of how many. It runs in the calling thread, without any
 * lock held, and may call keyfold. It must not throw or longjmp.
 */
typedef void (*keyfold_backup_callback)(void *user_data, uint64_t pages_done, uint64_t pages);

/**
 * One of several values. It is lent for the call, as everything is. Where an array may hold nulls, `data` NULL with
 * `len` 0 is one: no value at all, as in a column of a table. An empty value is then `len` 0 with any other pointer,
 * such as "".
 */
typedef struct keyfold_data {
  /**
   * The bytes.
   */
  const void *data;
  /**
   * How many there are.
   */
  size_t len;
} keyfold_data;

/**
 * Writes the next bytes of the input to `buffer`, up to `capacity` and as few as you like, says in `*length` how many,
 * which is 0 at the end only, and returns 0; or returns another number, and the call fails with KEYFOLD_STORAGE, that
 * number in keyfold_error_cause. It runs in the calling thread, without any lock held, and may call keyfold. It must
 * not throw or longjmp.
 */
typedef int (*keyfold_read_callback)(void *user_data,
                                     uint8_t *buffer,
                                     size_t capacity,
                                     size_t *length);

/**
 * Takes all of the next `length` bytes of the output, which are never none, and returns 0; or returns another number.
 * Otherwise as keyfold_read_callback.
 */
typedef int (*keyfold_write_callback)(void *user_data, const uint8_t *data, size_t length);

/**
 * Is told after each segment how many bytes of the input are done, and returns 0; or returns another number, and the
 * call ends as when reading fails. Otherwise as keyfold_read_callback.
 */
typedef int (*keyfold_progress_callback)(void *user_data, uint64_t done);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* Errors ---------------------------------------------------------------------------------------- */

/**
 * The name of a status, such as "KEYFOLD_NOT_FOUND"; NULL for a number that is none. Never to be freed.
 */
const char *keyfold_status_name(int32_t status);

/**
 * The status that the failed call returned. KEYFOLD_OK for NULL.
 */
keyfold_status keyfold_error_code(const struct keyfold_error *error);

/**
 * The name of the status, such as "KEYFOLD_NOT_FOUND". "KEYFOLD_OK" for NULL.
 */
const char *keyfold_error_name(const struct keyfold_error *error);

/**
 * What happened and what to do, for people, in UTF-8. Never NULL; empty for NULL.
 */
const char *keyfold_error_message(const struct keyfold_error *error);

/**
 * What the system or your callback said, in UTF-8; NULL where there is nothing.
 */
const char *keyfold_error_cause(const struct keyfold_error *error);

/**
 * Whether the same call may succeed later.
 */
bool keyfold_error_retryable(const struct keyfold_error *error);

/**
 * How many milliseconds to wait before trying again; 0 where that is not known.
 */
uint64_t keyfold_error_retry_after_ms(const struct keyfold_error *error);

/**
 * The id of the key concerned; NULL where there is none.
 */
const char *keyfold_error_key_id(const struct keyfold_error *error);

/**
 * The number of the key version concerned; 0 where there is none.
 */
uint32_t keyfold_error_version(const struct keyfold_error *error);

/**
 * The place in a batch, counted from 0; SIZE_MAX where there is none.
 */
size_t keyfold_error_index(const struct keyfold_error *error);

/**
 * Frees an error. NULL is fine.
 */
void keyfold_error_free(struct keyfold_error *error);

/* Buffers --------------------------------------------------------------------------------------- */

/**
 * Wipes and frees what a buffer holds, and makes it empty. NULL, an empty buffer, and freeing twice are fine.
 * A copy of the struct is the same memory: free only one of them.
 */
void keyfold_buf_free(struct keyfold_buf *buf);

/* Lists ----------------------------------------------------------------------------------------- */

/**
 * How many there are; 0 for NULL.
 */
size_t keyfold_list_count(const struct keyfold_list *list);

/**
 * The bytes of one, counted from 0. The list's, valid until it is freed; NULL where there is no such one.
 */
const uint8_t *keyfold_list_data(const struct keyfold_list *list,
                                 size_t index);

/**
 * How many bytes one has; 0 where there is no such one.
 */
size_t keyfold_list_length(const struct keyfold_list *list, size_t index);

/**
 * Frees a list. NULL is fine.
 */
void keyfold_list_free(struct keyfold_list *list);

/* The library ----------------------------------------------------------------------------------- */

/**
 * The library's version, such as "0.1.0". Never to be freed.
 */
const char *keyfold_version(void);

/**
 * The KEYFOLD_ABI_VERSION of the library that runs: for programs that load it themselves.
 */
uint32_t keyfold_abi_version(void);

/**
 * Overwrites secrets in your own memory with zeros; no compiler takes that out. NULL is fine.
 */
void keyfold_wipe(void *data, size_t data_len);

/* Master keys ----------------------------------------------------------------------------------- */

/**
 * Makes a new master key: 32 bytes from the kernel, as base64 text in `out`. Keep it well and keep it apart from
 * the store: without it nothing that the store's keys encrypted can be read again.
 */
keyfold_status keyfold_generate_master_key(struct keyfold_buf *out,
                                           struct keyfold_error **error);

/**
 * A master key from a text: "env:NAME", "file:PATH", "fd:N"; a passphrase by where it lies, as in
 * "passphrase:file:PATH"; or the secret itself: the base64 of 32 bytes, a recovery key, or shares with white space
 * between them. What an environment variable, file or descriptor holds is read when a store is opened; the text itself
 * you may wipe at once.
 * KEYFOLD_INVALID_ARGUMENT where it is none of these.
 */
keyfold_status keyfold_master_key_new_text(const char *source,
                                           struct keyfold_master_key **out,
                                           struct keyfold_error **error);

/**
 * A master key of exactly 32 bytes, which are copied: wipe yours.
 */
keyfold_status keyfold_master_key_new_bytes(const void *key,
                                            size_t key_len,
                                            struct keyfold_master_key **out,
                                            struct keyfold_error **error);

/**
 * A passphrase, brought to Unicode's normalisation form C; otherwise case and spaces count. It may be wiped at once.
 * One that opens a store is tried against the recipients made for passphrases, each at the cost that it was made with;
 * `options` say what guessing shall cost where it makes a store or is added to one. A JSON object, NULL for the
 * default:
 *
 *   {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 1}     19456 to 1048576; 1 to 10; 1 to 8
 *   {"kdf": "pbkdf2_sha256", "rounds": 600000}                            600000 to 10000000
 *
 * What is left out is the default. KEYFOLD_INVALID_ARGUMENT where it is empty or the cost out of bounds;
 * KEYFOLD_LIMIT_EXCEEDED past 4096 bytes.
 */
keyfold_status keyfold_master_key_new_passphrase(const char *passphrase,
                                                 const char *options,
                                                 struct keyfold_master_key **out,
                                                 struct keyfold_error **error);

/**
 * A recovery key as it was printed, "kfr1-…"; case and separators do not matter. It may be wiped at once.
 * KEYFOLD_INVALID_ARGUMENT says which group is mistyped.
 */
keyfold_status keyfold_master_key_new_recovery_key(const char *recovery_key,
                                                   struct keyfold_master_key **out,
                                                   struct keyfold_error **error);

/**
 * Enough shares of one secret, "kfs1-…" each, in any order. KEYFOLD_INVALID_ARGUMENT says which one is damaged, or of
 * another secret, or that they are too few.
 */
keyfold_status keyfold_master_key_new_shares(const char *const *shares,
                                             size_t count,
                                             struct keyfold_master_key **out,
                                             struct keyfold_error **error);

/**
 * Several master keys, tried in order until one opens the store; the error says what became of each. What is made or
 * added is made with the first that can be read. They are copied: free yours when you like.
 */
keyfold_status keyfold_master_key_new_any_of(const struct keyfold_master_key *const *master_keys,
                                             size_t count,
                                             struct keyfold_master_key **out,
                                             struct keyfold_error **error);

/**
 * A master key that `callback` gives whenever a store is opened with it, each time in the opening thread: several
 * at once if you open from several. `free_user_data` (NULL: nobody) is called once with `user_data`, when
 * the master key is freed; not where this call fails.
 */
keyfold_status keyfold_master_key_new_callback(keyfold_master_key_callback callback,
                                               void *user_data,
                                               keyfold_free_callback free_user_data,
                                               struct keyfold_master_key **out,
                                               struct keyfold_error **error);

/**
 * Frees a master key; its bytes are wiped. Stores that it opened stay open. NULL is fine.
 */
void keyfold_master_key_free(struct keyfold_master_key *master_key);

/* Recovery keys and shares ---------------------------------------------------------------------- */

/**
 * Makes a recovery key from the kernel's randomness: in `out` the text to print, "kfr1-" and 11 groups of six
 * characters, wiped when freed. Whoever reads it can open the store once keyfold_master_key_new_recovery_key and
 * keyfold_store_add_recipient have made it a recipient.
 */
keyfold_status keyfold_recovery_key_generate(struct keyfold_buf *out,
                                             struct keyfold_error **error);

/**
 * Makes a random secret in `count` shares, any `threshold` of which give it: 2 <= threshold <= count <= 16. `out` is
 * an array of yours with room for `count` buffers; each becomes the text of one share, "kfs1-" and 13 groups of six
 * characters, to give to somebody else. Free each, which wipes it, after keyfold_master_key_new_shares and
 * keyfold_store_add_recipient have made them a recipient.
 */
keyfold_status keyfold_shares_split(uint8_t threshold,
                                    uint8_t count,
                                    struct keyfold_buf *out,
                                    struct keyfold_error **error);

/* Contexts -------------------------------------------------------------------------------------- */

/**
 * A context without fields: add at least one before you use it. Never NULL.
 */
struct keyfold_context *keyfold_context_new(void);

/**
 * Adds a text. Its bytes count, so the order of calls does not matter, and "42" is the same as the integer 42. A
 * name given twice is refused when the context is used, and so is a 65th field.
 */
keyfold_status keyfold_context_add_text(struct keyfold_context *context,
                                        const char *name,
                                        const char *value,
                                        struct keyfold_error **error);

/**
 * Adds bytes, or a text that holds zero bytes. Otherwise as keyfold_context_add_text.
 */
keyfold_status keyfold_context_add_bytes(struct keyfold_context *context,
                                         const char *name,
                                         const void *value,
                                         size_t value_len,
                                         struct keyfold_error **error);

/**
 * Adds an integer; one that does not fit is added as its decimal text, which is the same. Otherwise as
 * keyfold_context_add_text.
 */
keyfold_status keyfold_context_add_integer(struct keyfold_context *context,
                                           const char *name,
                                           int64_t value,
                                           struct keyfold_error **error);

/**
 * The associated data that the context stands for, in `out`: give it as `aad` where a function takes no context,
 * or where you use the same context often. KEYFOLD_INVALID_ARGUMENT for no field or a name given twice;
 * KEYFOLD_LIMIT_EXCEEDED past 64 fields or 1 MiB.
 */
keyfold_status keyfold_context_to_aad(const struct keyfold_context *context,
                                      struct keyfold_buf *out,
                                      struct keyfold_error **error);

/**
 * Frees a context. NULL is fine.
 */
void keyfold_context_free(struct keyfold_context *context);

/* Stores ---------------------------------------------------------------------------------------- */

/**
 * Opens the store at `path`, which is bytes as the system takes them. `master_key` NULL is the environment variable
 * KEYFOLD_MASTER_KEY. `options` is a JSON object, NULL for the defaults; unknown names, names given twice and
 * lengths of time without a unit are refused:
 *
 *   {"create": false,            make the store if there is none; whoever comes second opens it
 *    "refresh_interval": "1s",   how soon a change by another process is used here, "10ms" to "1h"
 *    "max_stale": "60s",         how long keys serve when the file cannot be read; then calls fail
 *    "busy_timeout": "5s",       how long to wait for another process before KEYFOLD_BUSY
 *    "anchor": null,             refuse a copy older than this anchor or forked before it
 *    "fingerprint": null,        refuse a store with another identity
 *    "actor": null,              who acts, for the audit log; by default the user's number
 *    "allow_network_fs": false,  open on a network file system although its locks are not dependable
 *    "mode": "admin",            "use": encrypts, decrypts and looks up, and administers nothing; "metadata": shows
 *                                metadata, unverified, and needs no master key
 *    "immutable": false,         never write, take no locks: for read-only file systems; nobody may write meanwhile
 *    "production": false,        refuse what is for development, and master key files that others may read
 *    "insecure_dev": false,      make and open a store with a random key in a file beside it, and no master key
 *    "require_mlock": false}     fail where key memory cannot be kept out of swap, rather than warn
 *
 * Leave a member out rather than writing its default. KEYFOLD_NOT_FOUND where there is no store,
 * KEYFOLD_WRONG_MASTER_KEY where the key is another's, KEYFOLD_INTEGRITY_ERROR where the file was changed by someone
 * without it, KEYFOLD_UNSUPPORTED where it is no store or one of a newer version.
 */
keyfold_status keyfold_store_open(const char *path,
                                  const struct keyfold_master_key *master_key,
                                  const char *options,
                                  struct keyfold_store **out,
                                  struct keyfold_error **error);

/**
 * A handle to a key, for encrypting with it. Yours; free it with keyfold_key_free, before or after the store.
 * KEYFOLD_NOT_FOUND where there is no such key.
 */
keyfold_status keyfold_store_key(const struct keyfold_store *store,
                                 const char *key_id,
                                 struct keyfold_key **out,
                                 struct keyfold_error **error);

/**
 * Makes a key with its first version. `options` is a JSON object, NULL for the defaults:
 *
 *   {"kind": "aead",                 or "deterministic", "stream", "mac", "derive"
 *    "algorithm": null,              of the kind; of aead "AES256_GCM_SIV" (the default), "AES256_GCM",
 *                                    "XAES256_GCM", "XCHACHA20_POLY1305"
 *    "purpose": null,                "pii", "financial", "medical", "credentials", "api", "backup", or one that you
 *                                    registered: keys of one purpose give the same blind indexes
 *    "description": null,            a note for people, up to 4096 bytes
 *    "labels": {},                   up to 64 names and values of your choice, each up to 255 bytes
 *    "exportable": false,            whether its raw bytes may ever leave the store; cannot be changed later
 *    "expires_in": null,             how long each version encrypts, such as "365d"; decrypting goes on
 *    "on_limit": "rotate",           at the algorithm's safe number of messages; or "refuse" to encrypt more
 *    "exist_ok": false}              accept one that exists with the same kind, algorithm and purpose
 *
 * `info` (may be NULL) is as keyfold_store_key_info gives it. KEYFOLD_ALREADY_EXISTS where there is such a key.
 */
keyfold_status keyfold_store_create_key(const struct keyfold_store *store,
                                        const char *key_id,
                                        const char *options,
                                        struct keyfold_buf *info,
                                        struct keyfold_error **error);

/**
 * Makes many keys in one transaction: all of them, or none where one is refused, and keyfold_error_index says which it
 * was. `key_ids` has `count` names, up to 10000. `options` is NULL, or has as many texts, each NULL or as that of
 * keyfold_store_create_key. `infos` (may be NULL) is a JSON array of what keyfold_store_key_info gives.
 */
keyfold_status keyfold_store_create_keys(const struct keyfold_store *store,
                                         const char *const *key_ids,
                                         const char *const *options,
                                         size_t count,
                                         struct keyfold_buf *infos,
                                         struct keyfold_error **error);

/**
 * Makes the next version of a key and has it encrypt from now on; older ciphertexts open as before. `info` (may be
 * NULL) is one element of what keyfold_store_list_key_versions gives.
 */
keyfold_status keyfold_store_rotate_key(const struct keyfold_store *store,
                                        const char *key_id,
                                        struct keyfold_buf *info,
                                        struct keyfold_error **error);

/**
 * One key's metadata, as a JSON object:
 *
 *   {"key_id": "pii", "kind": "aead", "algorithm": "AES256_GCM_SIV", "purpose": null, "description": null,
 *    "current_version": 1, "exportable": false, "archived": false, "created_at_ms": 1700000000123,
 *    "expires_at_ms": null,             when the current version stops encrypting
 *    "rotation_due_at_ms": null,        when it should be rotated, as its purpose advises
 *    "expires_in": null,                how long each version encrypts, such as "365days"
 *    "on_limit": "rotate", "labels": {"team": "billing"},
 *    "verified": true}               false in mode "metadata", which shows what the file says
 *
 * Here and everywhere, names that end in _ms are milliseconds since 1970 in UTC, members stand in any order, and
 * later versions may add members.
 */
keyfold_status keyfold_store_key_info(const struct keyfold_store *store,
                                      const char *key_id,
                                      struct keyfold_buf *out,
                                      struct keyfold_error **error);

/**
 * The keys that match, in byte order of their ids: a JSON array of objects as keyfold_store_key_info gives. `filter` is
 * a JSON object, NULL for all keys; a member left out matches everything:
 *
 *   {"kind": "aead", "purpose": "pii", "algorithm": "AES256_GCM_SIV",
 *    "state": "enabled",             of the current version; or "archived", which "enabled" leaves out
 *    "labels": {"team": "billing"},  keys with all of these
 *    "search": "text",               in the id or the description, taken literally
 *    "after": "id", "limit": 100}    for reading a long list in parts: the last id that you have, until nothing comes
 */
keyfold_status keyfold_store_list_keys(const struct keyfold_store *store,
                                       const char *filter,
                                       struct keyfold_buf *out,
                                       struct keyfold_error **error);

/**
 * All versions of a key, newest first, as a JSON array:
 *
 *   [{"key_id": "pii", "version": 2, "tag": 2671520279, "is_current": true, "state": "enabled",
 *     "algorithm": "AES256_GCM_SIV", "created_at_ms": 1700000000123, "expires_at_ms": null,
 *     "destroy_at_ms": null, "state_reason": null, "verified": true}]
 *
 * `state` is "staged", "enabled", "decrypt_only", "disabled", "revoked", "pending_destruction" or "destroyed"; `tag`
 * is the number in front of the version's ciphertexts.
 */
keyfold_status keyfold_store_list_key_versions(const struct keyfold_store *store,
                                               const char *key_id,
                                               struct keyfold_buf *out,
                                               struct keyfold_error **error);

/**
 * Encrypts under the current version of a key; as keyfold_key_encrypt, and slower by looking the key up.
 */
keyfold_status keyfold_store_encrypt(const struct keyfold_store *store,
                                     const char *key_id,
                                     const void *plaintext,
                                     size_t plaintext_len,
                                     const void *aad,
                                     size_t aad_len,
                                     struct keyfold_buf *out,
                                     struct keyfold_error **error);

/**
 * As keyfold_store_encrypt, bound to a context.
 */
keyfold_status keyfold_store_encrypt_with_context(const struct keyfold_store *store,
                                                  const char *key_id,
                                                  const void *plaintext,
                                                  size_t plaintext_len,
                                                  const struct keyfold_context *context,
                                                  struct keyfold_buf *out,
                                                  struct keyfold_error **error);

/**
 * Decrypts what any version of a key encrypted; as keyfold_key_decrypt.
 */
keyfold_status keyfold_store_decrypt(const struct keyfold_store *store,
                                     const char *key_id,
                                     const void *ciphertext,
                                     size_t ciphertext_len,
                                     const void *aad,
                                     size_t aad_len,
                                     struct keyfold_buf *out,
                                     struct keyfold_error **error);

/**
 * As keyfold_store_decrypt, with the context that it was encrypted with.
 */
keyfold_status keyfold_store_decrypt_with_context(const struct keyfold_store *store,
                                                  const char *key_id,
                                                  const void *ciphertext,
                                                  size_t ciphertext_len,
                                                  const struct keyfold_context *context,
                                                  struct keyfold_buf *out,
                                                  struct keyfold_error **error);

/**
 * Which key and version made a ciphertext, in bytes or as text, without decrypting or verifying it. A JSON array of
 * every match, hardly ever more than one, and empty where none is known:
 *
 *   [{"key_id": "pii", "version": 1, "tag": 2671520279, "algorithm": "AES256_GCM_SIV", "is_current": false,
 *     "state": "enabled", "created_at_ms": 1700000000123, "expires_at_ms": null,
 *     "expired": false,        it encrypts no more
 *     "verified": true}]       what is said of the version; not in mode "metadata"
 *
 * KEYFOLD_INVALID_ARGUMENT where it is no ciphertext at all.
 */
keyfold_status keyfold_store_inspect(const struct keyfold_store *store,
                                     const void *ciphertext,
                                     size_t ciphertext_len,
                                     struct keyfold_buf *out,
                                     struct keyfold_error **error);

/**
 * Verifies everything: the file's structure, every row, every key, the whole audit chain. `ok` tells whether all is
 * well; `report` (may be NULL) is a JSON object:
 *
 *   {"ok": false,
 *    "findings": [{"subject": "key pii", "problem": "what is wrong", "advice": "what to do"}],
 *    "warnings": [{…}],                              what deserves attention though nothing is wrong
 *    "keys": 2, "versions": 5, "recipients": 1, "quarantined": 0, "audit_records": 9, "generation": 9,
 *    "purge_pending": false,                         see keyfold_store_purge
 *    "locked_bytes": 4096, "unlocked_bytes": 0}      key memory that may not, or may, reach swap
 *
 * A store that is damaged is no failure of this call: it returns KEYFOLD_OK with `ok` false.
 */
keyfold_status keyfold_store_check(const struct keyfold_store *store,
                                   bool *ok,
                                   struct keyfold_buf *report,
                                   struct keyfold_error **error);

/**
 * Where the store stands now, as a short text without secrets. Keep it where whoever can write the file cannot write,
 * and open with the option "anchor": no older or forked copy then passes for this store.
 */
keyfold_status keyfold_store_anchor(const struct keyfold_store *store,
                                    struct keyfold_buf *out,
                                    struct keyfold_error **error);

/**
 * The store's identity as a short text: open with the option "fingerprint", and no other store passes for this
 * one. The store's, valid until it is freed; NULL for NULL.
 */
const char *keyfold_store_fingerprint(const struct keyfold_store *store);

/**
 * Whether what the store shows was verified: everywhere but in mode "metadata", which has no key to verify with, and
 * for NULL.
 */
bool keyfold_store_is_verified(const struct keyfold_store *store);

/**
 * How many things deserve attention although the store opened, such as a master key file that others may read.
 */
size_t keyfold_store_warning_count(const struct keyfold_store *store);

/**
 * One of them, counted from 0, as a text for people. The store's, valid until it is freed; NULL where there is no
 * such one.
 */
const char *keyfold_store_warning(const struct keyfold_store *store,
                                  size_t index);

/**
 * Wipes all keys and closes the file, after the calls that are in flight. Later calls on the store and on its keys
 * fail with KEYFOLD_CLOSED; both are still to be freed. Closing again does nothing; NULL is fine.
 */
void keyfold_store_close(const struct keyfold_store *store);

/**
 * Closes a store and frees it. Its keys are KEYFOLD_CLOSED from then on, and still to be freed. NULL is fine.
 */
void keyfold_store_free(struct keyfold_store *store);

/* The life of key versions ---------------------------------------------------------------------- */

/**
 * As keyfold_store_rotate_key. `options` is a JSON object, NULL for the defaults:
 *
 *   {"stage": false,       make the version "staged": every process learns to decrypt by it, and
 *                          keyfold_store_promote_version has it encrypt
 *    "algorithm": null}    another algorithm of the key's kind, for this version and those after it
 */
keyfold_status keyfold_store_rotate_key_with(const struct keyfold_store *store,
                                             const char *key_id,
                                             const char *options,
                                             struct keyfold_buf *info,
                                             struct keyfold_error **error);

/**
 * Has this version encrypt from now on: a staged one, or an earlier one that a rotation left enabled, to go back to
 * it. The version that was current stays enabled. `info` (here and below) is as that of keyfold_store_rotate_key.
 * KEYFOLD_KEY_UNAVAILABLE where the version is in another state or has expired, or its key is archived.
 */
keyfold_status keyfold_store_promote_version(const struct keyfold_store *store,
                                             const char *key_id,
                                             uint32_t version,
                                             struct keyfold_buf *info,
                                             struct keyfold_error **error);

/**
 * Sets a version's state: "enabled", "decrypt_only", "disabled" or "revoked". `reason` (may be NULL; up to 1024 bytes)
 * is kept with it and in the audit log. Revoking is final; where it is the current version, the next one is made and
 * encrypts. KEYFOLD_IN_USE where the current version of a key in use would stop; KEYFOLD_KEY_UNAVAILABLE where its
 * state is final or its destruction is scheduled.
 */
keyfold_status keyfold_store_set_version_state(const struct keyfold_store *store,
                                               const char *key_id,
                                               uint32_t version,
                                               const char *state,
                                               const char *reason,
                                               struct keyfold_buf *info,
                                               struct keyfold_error **error);

/**
 * Ends a key's use for good: it encrypts and rotates no more, what it encrypted still opens, and its versions can be
 * disabled and destroyed, the current one too. `info` (may be NULL) is as keyfold_store_key_info gives it.
 */
keyfold_status keyfold_store_archive_key(const struct keyfold_store *store,
                                         const char *key_id,
                                         struct keyfold_buf *info,
                                         struct keyfold_error **error);

/**
 * Has a version destroyed by the first keyfold_store_run_due after `delay`, a text such as "7d"; NULL is "30d". Until
 * then it opens nothing, and keyfold_store_cancel_destruction brings back the state that it had. KEYFOLD_IN_USE where
 * it is the current version of a key that is not archived; KEYFOLD_KEY_UNAVAILABLE where it is scheduled or destroyed
 * already.
 */
keyfold_status keyfold_store_schedule_destruction(const struct keyfold_store *store,
                                                  const char *key_id,
                                                  uint32_t version,
                                                  const char *delay,
                                                  struct keyfold_buf *info,
                                                  struct keyfold_error **error);

/**
 * Takes back keyfold_store_schedule_destruction. KEYFOLD_INVALID_ARGUMENT where nothing is scheduled;
 * KEYFOLD_KEY_UNAVAILABLE where it is too late.
 */
keyfold_status keyfold_store_cancel_destruction(const struct keyfold_store *store,
                                                const char *key_id,
                                                uint32_t version,
                                                struct keyfold_buf *info,
                                                struct keyfold_error **error);

/**
 * Does what is due by the clock: destroys the versions whose time has come, for good. Call it now and then, in as many
 * processes as you like. `report` (may be NULL) is a JSON object:
 *
 *   {"at_ms": 1700000000123,
 *    "destroyed": [{"key_id": "pii", "version": 1}],
 *    "failures": [{"key_id": "pii", "problem": "why it was left alone"}],
 *    "purge_pending": false}       destroyed keys may still be in the file's log: see keyfold_store_purge
 */
keyfold_status keyfold_store_run_due(const struct keyfold_store *store,
                                     struct keyfold_buf *report,
                                     struct keyfold_error **error);

/**
 * Whether destroyed keys or superseded wraps may still be in the file's write-ahead log, because somebody read the
 * file.
 */
keyfold_status keyfold_store_purge_pending(const struct keyfold_store *store,
                                           bool *pending,
                                           struct keyfold_error **error);

/**
 * Tries again to empty the log, where that is pending. `pending` (may be NULL) tells whether it still is.
 */
keyfold_status keyfold_store_purge(const struct keyfold_store *store,
                                   bool *pending,
                                   struct keyfold_error **error);

/**
 * How much each version of a key has encrypted of what is safe, newest first, as a JSON array:
 *
 *   [{"version": 1, "messages": 1000, "limit": 35184372088832, "verified": true}]
 *
 * A message counts once for each MiB begun. Processes count ahead for AES256_GCM, and some 2^20 messages behind for
 * others.
 */
keyfold_status keyfold_store_key_usage(const struct keyfold_store *store,
                                       const char *key_id,
                                       struct keyfold_buf *out,
                                       struct keyfold_error **error);

/* Purposes -------------------------------------------------------------------------------------- */

/**
 * Makes a purpose of your own, for keys that are created from now on; its name is 1 to 64 bytes of A-Z a-z 0-9 . _ : -.
 * `options` is a JSON object, NULL for the defaults:
 *
 *   {"description": null,        a note for people
 *    "rotation_period": null,    how long a version of its keys should stay current, such as "90d": advice, shown as
 *                                rotation_due_at_ms of a key
 *    "update": false}            give a purpose that exists, also a built-in one, this description and period
 *
 * `info` (may be NULL) is one element of what keyfold_store_purposes gives. KEYFOLD_ALREADY_EXISTS without "update".
 */
keyfold_status keyfold_store_register_purpose(const struct keyfold_store *store,
                                              const char *purpose,
                                              const char *options,
                                              struct keyfold_buf *info,
                                              struct keyfold_error **error);

/**
 * The built-in purposes, then yours, by name, as a JSON array:
 *
 *   [{"purpose": "pii", "description": null, "rotation_period": "90days", "built_in": true,
 *     "created_at_ms": null, "verified": true}]
 */
keyfold_status keyfold_store_purposes(const struct keyfold_store *store,
                                      struct keyfold_buf *out,
                                      struct keyfold_error **error);

/**
 * The key that encrypts for this purpose: of its keys of kind "aead" that are not archived, the one made last. The
 * handle stays with that key when a newer one is made. Yours, as that of keyfold_store_key. KEYFOLD_INVALID_ARGUMENT
 * where there is no such purpose; KEYFOLD_NOT_FOUND where it has no such key.
 */
keyfold_status keyfold_store_key_for(const struct keyfold_store *store,
                                     const char *purpose,
                                     struct keyfold_key **out,
                                     struct keyfold_error **error);

/* Index roots and derived keys ------------------------------------------------------------------ */

/**
 * The live versions of an index root, newest first: as many as keyfold_key_blind_indexes gives, in the same order. The
 * root is that of all keys of `purpose`, or that of the key `key_id`, which has no purpose: give one of them, and NULL
 * for the other. A JSON array:
 *
 *   [{"version": 1, "is_current": true, "created_at_ms": 1700000000123, "verified": true}]
 */
keyfold_status keyfold_store_index_salts(const struct keyfold_store *store,
                                         const char *purpose,
                                         const char *key_id,
                                         struct keyfold_buf *out,
                                         struct keyfold_error **error);

/**
 * Makes the next version of an index root, for keyfold_key_blind_index from now on. keyfold_key_blind_indexes still
 * gives the indexes under the earlier ones, until these are retired: search for all of them while the rows are indexed
 * anew. `info` (may be NULL) is one element of what keyfold_store_index_salts gives. KEYFOLD_LIMIT_EXCEEDED past 64.
 */
keyfold_status keyfold_store_rotate_index_salt(const struct keyfold_store *store,
                                               const char *purpose,
                                               const char *key_id,
                                               struct keyfold_buf *info,
                                               struct keyfold_error **error);

/**
 * Deletes a version of an index root that is not the current one. No index under it is ever given again, so every row
 * must be indexed anew before. KEYFOLD_IN_USE for the current version.
 */
keyfold_status keyfold_store_retire_index_salt(const struct keyfold_store *store,
                                               const char *purpose,
                                               const char *key_id,
                                               uint32_t version,
                                               struct keyfold_error **error);

/**
 * The 32 bytes of an index root, for a service that computes the same indexes by itself; `version` 0 is the current
 * one. A SECRET: whoever has it can test guesses at every indexed value. It wants mode "admin" and is recorded; wiped
 * when freed.
 */
keyfold_status keyfold_store_get_index_salt(const struct keyfold_store *store,
                                            const char *purpose,
                                            const char *key_id,
                                            uint32_t version,
                                            struct keyfold_buf *out,
                                            struct keyfold_error **error);

/**
 * `length` bytes (1 to 8160) for `purpose` (1 to 255 bytes, of your choice), from a key of kind "derive": the same in
 * every process and language. A SECRET, wiped when freed. `version` 0 is the current one, so that rotating the key
 * changes what comes out: keep the number of the version beside what the bytes protect. It wants mode "admin".
 */
keyfold_status keyfold_store_derive_key(const struct keyfold_store *store,
                                        const char *key_id,
                                        const char *purpose,
                                        size_t length,
                                        uint32_t version,
                                        struct keyfold_buf *out,
                                        struct keyfold_error **error);

/* Recipients: ways to open a store -------------------------------------------------------------- */

/**
 * Every way to open the store, in order of id, without its secret, as a JSON array:
 *
 *   [{"recipient_id": "raw-1", "kind": "raw", "created_at_ms": 1700000000123, "description": null,
 *     "parameters": {},              what a guess costs, of a passphrase: "kdf" and its numbers, as texts
 *     "is_mine": true,               this open store was opened by it
 *     "verified": true}]             false in mode "metadata", which shows what the file says
 */
keyfold_status keyfold_store_recipients(const struct keyfold_store *store,
                                        struct keyfold_buf *out,
                                        struct keyfold_error **error);

/**
 * Adds a way to open the store; what opens it now goes on opening it. `options` is a JSON object, NULL for the
 * defaults:
 *
 *   {"id": null,             its name in the store; by default its kind and a number, as in "passphrase-1"
 *    "description": null}    a note for people: where the paper lies, who holds the shares
 *
 * `info` (may be NULL) is one element of what keyfold_store_recipients gives. KEYFOLD_ALREADY_EXISTS where the id is
 * taken, or the same secret opens the store already.
 */
keyfold_status keyfold_store_add_recipient(const struct keyfold_store *store,
                                           const struct keyfold_master_key *master_key,
                                           const char *options,
                                           struct keyfold_buf *info,
                                           struct keyfold_error **error);

/**
 * Takes a way to open the store away, and makes a new key for the others, which it does not get. Open stores that use
 * it are KEYFOLD_WRONG_MASTER_KEY at their next refresh. `report` (may be NULL) is as that of
 * keyfold_store_rotate_master_key. KEYFOLD_IN_USE for the recipient that this store was opened by.
 */
keyfold_status keyfold_store_remove_recipient(const struct keyfold_store *store,
                                              const char *recipient_id,
                                              struct keyfold_buf *report,
                                              struct keyfold_error **error);

/**
 * Tries whether a master key opens the store, and changes nothing. `info` (may be NULL) is the recipient that it opens,
 * as keyfold_store_recipients gives it. KEYFOLD_WRONG_MASTER_KEY where it opens none.
 */
keyfold_status keyfold_store_test_recipient(const struct keyfold_store *store,
                                            const struct keyfold_master_key *master_key,
                                            struct keyfold_buf *info,
                                            struct keyfold_error **error);

/**
 * A recipient's public key, of the one that this store was opened by where `recipient_id` is NULL: a text, "kfpk1.…". By
 * it another store seals a keyset that only this recipient's secret opens: see keyfold_store_export_keyset. No secret.
 * KEYFOLD_NOT_FOUND where there is no such recipient.
 */
keyfold_status keyfold_store_recipient_public_key(const struct keyfold_store *store,
                                                  const char *recipient_id,
                                                  struct keyfold_buf *out,
                                                  struct keyfold_error **error);

/**
 * A recovery drill: opens the file anew with this master key, as if nothing else were left, and verifies everything in
 * it. The drill is recorded in the audit log. `report` (may be NULL) is a JSON object:
 *
 *   {"recipient": {…},      the one that opened, as keyfold_store_recipients gives it
 *    "check": {…}}          as the report of keyfold_store_check
 *
 * `ok` (may be NULL) is that of the check.
 */
keyfold_status keyfold_store_drill(const struct keyfold_store *store,
                                   const struct keyfold_master_key *master_key,
                                   bool *ok,
                                   struct keyfold_buf *report,
                                   struct keyfold_error **error);

/**
 * Makes a new key-encryption key for every recipient, without needing their secrets, and wraps all keys under it.
 * Ciphertexts stay as they are, and open stores follow by themselves. With `new_master_key` (NULL: none), adds it as a
 * recipient and removes the one that this store was opened by; others that use that one are KEYFOLD_WRONG_MASTER_KEY at
 * their next refresh. `report` (may be NULL) is a JSON object:
 *
 *   {"kek_version": 2, "recipients": ["raw-1"], "rewrapped": 12,
 *    "purge_pending": false}      superseded wraps may still be in the file's log: see keyfold_store_purge
 *
 * KEYFOLD_INTEGRITY_ERROR where anything in the store does not verify; nothing is changed then.
 */
keyfold_status keyfold_store_rotate_master_key(const struct keyfold_store *store,
                                               const struct keyfold_master_key *new_master_key,
                                               struct keyfold_buf *report,
                                               struct keyfold_error **error);

/* Keys in and out ------------------------------------------------------------------------------- */

/**
 * Takes a key in from elsewhere. `encoding` says how the material is written, "raw", "hex" or "base64", and is never
 * guessed; the material must have exactly the algorithm's length: nothing is hashed, cut or stretched to fit. Wipe
 * yours. `options` is a JSON object, NULL for the defaults:
 *
 *   {"as_version": false}     make it the next version of a key that exists, and the current one; then only
 *                             "algorithm" may be given beside it
 *
 * and for a new key "kind", "algorithm", "purpose", "description", "labels", "exportable", "expires_in" and "on_limit"
 * of keyfold_store_create_key. `info` (may be NULL) is as keyfold_store_key_info gives it.
 */
keyfold_status keyfold_store_import_key(const struct keyfold_store *store,
                                        const char *key_id,
                                        const void *material,
                                        size_t material_len,
                                        const char *encoding,
                                        const char *options,
                                        struct keyfold_buf *info,
                                        struct keyfold_error **error);

/**
 * The raw bytes of a version, `version` 0 being the current one, of a key that was made "exportable". A SECRET, wiped
 * when freed. It wants mode "admin" and is recorded. KEYFOLD_PERMISSION_DENIED where the key is not exportable;
 * KEYFOLD_KEY_UNAVAILABLE where the version was revoked, destroyed or is about to be.
 */
keyfold_status keyfold_store_get_data_key(const struct keyfold_store *store,
                                          const char *key_id,
                                          uint32_t version,
                                          struct keyfold_buf *out,
                                          struct keyfold_error **error);

/**
 * As keyfold_store_get_data_key of the current version, in the encoding that is named: "raw", "hex" or "base64".
 * `key_bytes` says how many bytes the key has: 16, 24, 32 or 64. KEYFOLD_INVALID_ARGUMENT where it has another length.
 */
keyfold_status keyfold_store_get_encryption_key(const struct keyfold_store *store,
                                                const char *key_id,
                                                size_t key_bytes,
                                                const char *encoding,
                                                struct keyfold_buf *out,
                                                struct keyfold_error **error);

/**
 * A key with all its versions as a Google Tink keyset, of a key that was made "exportable". A SECRET, wiped when freed;
 * recorded. `format` is "json" or "binary". `protection` says what keeps the keys from whoever reads it:
 *
 *   "passphrase"             `secret` is a passphrase; the keyset is then a text of keyfold's own, "kfks1.…"
 *   "key"                    `secret` is the id of a key of kind "aead" of this store: Tink's encrypted keyset
 *   "recipient"              `secret` is the public key of a recipient of the store that is to have it, as
 *                            keyfold_store_recipient_public_key of that store gives it: see that it comes from there.
 *                            Only that recipient's secret opens it. A text of keyfold's own, "kfkr1.…"
 *   "insecure_cleartext"     nothing: whoever sees the keyset has the keys; `secret` must be NULL
 *
 * `losses` (may be NULL) becomes a JSON array of sentences: what of the key the keyset does not say.
 */
keyfold_status keyfold_store_export_keyset(const struct keyfold_store *store,
                                           const char *key_id,
                                           const char *format,
                                           const char *protection,
                                           const char *secret,
                                           struct keyfold_buf *out,
                                           struct keyfold_buf *losses,
                                           struct keyfold_error **error);

/**
 * Makes a key from a Tink keyset in either format, or from keyfold's own: what was encrypted under the keyset opens.
 * `protection` and `secret` are those of keyfold_store_export_keyset, but for what was sealed to a recipient: that is
 * "own_recipient" with NULL, and the recipient that the store was opened by must be the one. `options` is a JSON object, NULL for the
 * defaults:
 *
 *   {"rotate": false}     have a fresh version encrypt from now on, and the imported ones only decrypt
 *
 * and "purpose", "description", "labels", "exportable", "expires_in" and "on_limit" of keyfold_store_create_key. `info`
 * (may be NULL) is as keyfold_store_key_info gives it. KEYFOLD_UNSUPPORTED, by name, for what keyfold has not;
 * KEYFOLD_DECRYPTION_FAILED where the protection does not open it.
 */
keyfold_status keyfold_store_import_keyset(const struct keyfold_store *store,
                                           const char *key_id,
                                           const void *keyset,
                                           size_t keyset_len,
                                           const char *protection,
                                           const char *secret,
                                           const char *options,
                                           struct keyfold_buf *info,
                                           struct keyfold_error **error);

/* Backup, restore, quarantine ------------------------------------------------------------------- */

/**
 * Copies the store as it is at one moment into a new file, while it is in use, and checks the copy, which opens with
 * the same master keys. It appears under its name whole or not at all, with mode 0600. `progress` may be NULL. `info`
 * (may be NULL) is a JSON object:
 *
 *   {"anchor": "kfa1.…",     keep it apart from the backup, and restore with it: no older copy passes
 *    "check": {…}}           as the report of keyfold_store_check, of the copy: look at "ok"
 *
 * KEYFOLD_ALREADY_EXISTS where there is a file at `path`.
 */
keyfold_status keyfold_store_backup(const struct keyfold_store *store,
                                    const char *path,
                                    keyfold_backup_callback progress,
                                    void *user_data,
                                    struct keyfold_buf *info,
                                    struct keyfold_error **error);

/**
 * Restores the backup `source` at `path`: makes the file where there is none, else writes over the store that is there,
 * while others have it open. Before anything is touched the master key (NULL: that of KEYFOLD_MASTER_KEY) must open
 * the backup, and everything in it must verify; what is written is there whole or not at all. `options` is a JSON
 * object, NULL for the defaults:
 *
 *   {"replace_other_store": false,     write over a store that is another than the backup's
 *    "force": false,                   write over a store that does not verify, or that the master key does not open
 *    "anchor": null, "fingerprint": null, "actor": null, "busy_timeout": "5s", "allow_network_fs": false}
 *
 * The others are as in keyfold_store_open, of the backup. `info` (may be NULL) is a JSON object:
 *
 *   {"anchor": "kfa1.…",           that of the restored store: earlier ones open it no more
 *    "fingerprint": "kff1.…",
 *    "replaced": true,             a store was at the path
 *    "rotated": ["card"]}          keys of AES256_GCM, which got a new version: their messages are not known
 */
keyfold_status keyfold_restore(const char *source,
                               const char *path,
                               const struct keyfold_master_key *master_key,
                               const char *options,
                               struct keyfold_buf *info,
                               struct keyfold_error **error);

/**
 * Sets a key or purpose aside that does not verify: `kind` is "key" or "purpose", `id` its name, `reason` up to 1024
 * bytes. Its rows stay as they are, for inquiry; every use of it is KEYFOLD_KEY_UNAVAILABLE, and only restoring a
 * backup brings it back. KEYFOLD_INVALID_ARGUMENT where it verifies; KEYFOLD_INTEGRITY_ERROR where more than it is
 * damaged: then only a backup helps.
 */
keyfold_status keyfold_store_quarantine(const struct keyfold_store *store,
                                        const char *kind,
                                        const char *id,
                                        const char *reason,
                                        struct keyfold_error **error);

/**
 * What was set aside, in order of kind and id, as a JSON array:
 *
 *   [{"kind": "key", "id": "pii", "reason": "edited by hand", "created_at_ms": 1700000000123}]
 */
keyfold_status keyfold_store_quarantined(const struct keyfold_store *store,
                                         struct keyfold_buf *out,
                                         struct keyfold_error **error);

/* Keys ------------------------------------------------------------------------------------------ */

/**
 * The key's id. The key's, valid until it is freed; NULL for NULL.
 */
const char *keyfold_key_id(const struct keyfold_key *key);

/**
 * The key's metadata as this process uses it now; as keyfold_store_key_info.
 */
keyfold_status keyfold_key_info(const struct keyfold_key *key,
                                struct keyfold_buf *out,
                                struct keyfold_error **error);

/**
 * Encrypts under the current version. The ciphertext is in Google Tink's format and at most KEYFOLD_OVERHEAD_MAX bytes
 * longer. `aad` is authenticated and not stored: decrypting takes the same. KEYFOLD_LIMIT_EXCEEDED past
 * KEYFOLD_MESSAGE_MAX or KEYFOLD_AAD_MAX.
 */
keyfold_status keyfold_key_encrypt(const struct keyfold_key *key,
                                   const void *plaintext,
                                   size_t plaintext_len,
                                   const void *aad,
                                   size_t aad_len,
                                   struct keyfold_buf *out,
                                   struct keyfold_error **error);

/**
 * As keyfold_key_encrypt, bound to a context, which must not be NULL.
 */
keyfold_status keyfold_key_encrypt_with_context(const struct keyfold_key *key,
                                                const void *plaintext,
                                                size_t plaintext_len,
                                                const struct keyfold_context *context,
                                                struct keyfold_buf *out,
                                                struct keyfold_error **error);

/**
 * Decrypts what any version of this key encrypted, given in bytes or as text. KEYFOLD_DECRYPTION_FAILED where anything
 * is wrong with it, with the key or with aad; KEYFOLD_KEY_UNAVAILABLE where the version's state forbids it.
 */
keyfold_status keyfold_key_decrypt(const struct keyfold_key *key,
                                   const void *ciphertext,
                                   size_t ciphertext_len,
                                   const void *aad,
                                   size_t aad_len,
                                   struct keyfold_buf *out,
                                   struct keyfold_error **error);

/**
 * As keyfold_key_decrypt, with the context that it was encrypted with.
 */
keyfold_status keyfold_key_decrypt_with_context(const struct keyfold_key *key,
                                                const void *ciphertext,
                                                size_t ciphertext_len,
                                                const struct keyfold_context *context,
                                                struct keyfold_buf *out,
                                                struct keyfold_error **error);

/**
 * Encrypts a text, which must be UTF-8, for a text column: the result is a text too, "kf1." and base64url.
 */
keyfold_status keyfold_key_encrypt_text(const struct keyfold_key *key,
                                        const char *plaintext,
                                        size_t plaintext_len,
                                        const void *aad,
                                        size_t aad_len,
                                        struct keyfold_buf *out,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_text, bound to a context, which must not be NULL.
 */
keyfold_status keyfold_key_encrypt_text_with_context(const struct keyfold_key *key,
                                                     const char *plaintext,
                                                     size_t plaintext_len,
                                                     const struct keyfold_context *context,
                                                     struct keyfold_buf *out,
                                                     struct keyfold_error **error);

/**
 * Decrypts a text form to a text. KEYFOLD_DECRYPTION_FAILED as well where it is no text form, or holds no UTF-8.
 */
keyfold_status keyfold_key_decrypt_text(const struct keyfold_key *key,
                                        const char *ciphertext,
                                        size_t ciphertext_len,
                                        const void *aad,
                                        size_t aad_len,
                                        struct keyfold_buf *out,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_text, with the context that it was encrypted with.
 */
keyfold_status keyfold_key_decrypt_text_with_context(const struct keyfold_key *key,
                                                     const char *ciphertext,
                                                     size_t ciphertext_len,
                                                     const struct keyfold_context *context,
                                                     struct keyfold_buf *out,
                                                     struct keyfold_error **error);

/**
 * How long the ciphertext of so long a plaintext will be, in bytes.
 */
keyfold_status keyfold_key_ciphertext_length(const struct keyfold_key *key,
                                             size_t plaintext_len,
                                             size_t *out_len,
                                             struct keyfold_error **error);

/**
 * As keyfold_key_encrypt, into your own memory and without allocating. `out` has `out_capacity` bytes and overlaps
 * neither the plaintext nor aad; plaintext_len + KEYFOLD_OVERHEAD_MAX bytes are always enough. `out_len` becomes how
 * many were written. KEYFOLD_INVALID_ARGUMENT where they are too few; nothing is written then.
 */
keyfold_status keyfold_key_encrypt_into(const struct keyfold_key *key,
                                        const void *plaintext,
                                        size_t plaintext_len,
                                        const void *aad,
                                        size_t aad_len,
                                        void *out,
                                        size_t out_capacity,
                                        size_t *out_len,
                                        struct keyfold_error **error);

/**
 * How long the plaintext of a ciphertext in bytes will be. Never longer than the ciphertext. Nothing of it is verified.
 */
keyfold_status keyfold_key_plaintext_length(const struct keyfold_key *key,
                                            const void *ciphertext,
                                            size_t ciphertext_len,
                                            size_t *out_len,
                                            struct keyfold_error **error);

/**
 * As keyfold_key_decrypt, into your own memory and without allocating. The ciphertext is in bytes, not text. `out` has
 * `out_capacity` bytes and overlaps neither the ciphertext nor aad; `out_len` becomes how many were written. Where
 * decryption fails they are zeros. Wipe the plaintext yourself, with keyfold_wipe.
 */
keyfold_status keyfold_key_decrypt_into(const struct keyfold_key *key,
                                        const void *ciphertext,
                                        size_t ciphertext_len,
                                        const void *aad,
                                        size_t aad_len,
                                        void *out,
                                        size_t out_capacity,
                                        size_t *out_len,
                                        struct keyfold_error **error);

/**
 * Whether a ciphertext, in bytes or as text, was made by another version than the current one. Nothing of it is
 * verified. KEYFOLD_DECRYPTION_FAILED where it is no ciphertext of this key.
 */
keyfold_status keyfold_key_needs_reencrypt(const struct keyfold_key *key,
                                           const void *ciphertext,
                                           size_t ciphertext_len,
                                           bool *out,
                                           struct keyfold_error **error);

/**
 * Moves a ciphertext, in bytes or as text, to the current version; the result is in bytes. One that is there already is
 * verified and returned as it is.
 */
keyfold_status keyfold_key_reencrypt(const struct keyfold_key *key,
                                     const void *ciphertext,
                                     size_t ciphertext_len,
                                     const void *aad,
                                     size_t aad_len,
                                     struct keyfold_buf *out,
                                     struct keyfold_error **error);

/**
 * As keyfold_key_reencrypt, with the context that it was encrypted with.
 */
keyfold_status keyfold_key_reencrypt_with_context(const struct keyfold_key *key,
                                                  const void *ciphertext,
                                                  size_t ciphertext_len,
                                                  const struct keyfold_context *context,
                                                  struct keyfold_buf *out,
                                                  struct keyfold_error **error);

/**
 * As keyfold_key_reencrypt, from text form to text form.
 */
keyfold_status keyfold_key_reencrypt_text(const struct keyfold_key *key,
                                          const char *ciphertext,
                                          size_t ciphertext_len,
                                          const void *aad,
                                          size_t aad_len,
                                          struct keyfold_buf *out,
                                          struct keyfold_error **error);

/**
 * As keyfold_key_reencrypt_text, with the context that it was encrypted with.
 */
keyfold_status keyfold_key_reencrypt_text_with_context(const struct keyfold_key *key,
                                                       const char *ciphertext,
                                                       size_t ciphertext_len,
                                                       const struct keyfold_context *context,
                                                       struct keyfold_buf *out,
                                                       struct keyfold_error **error);

/**
 * Frees a key's handle; the key itself stays in the store. NULL is fine.
 */
void keyfold_key_free(struct keyfold_key *key);

/* Batches --------------------------------------------------------------------------------------- */

/**
 * Encrypts many values under the current version. A null stays null. `out` becomes all ciphertexts, one after the
 * other and with nothing between them; `offsets` is an array of yours with room for `count` + 1 numbers: value i lies
 * at out.data + offsets[i] and has offsets[i + 1] - offsets[i] bytes, of which a null has none and a ciphertext
 * always some.
 *
 * `aads_count` is 0 (no aad), 1 (one aad for all) or `count` (one for each, in order).
 *
 * All or nothing: where one value is refused nothing is written, and keyfold_error_index says which it was.
 * KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_BATCH_MAX values or 256 MiB of ciphertexts.
 */
keyfold_status keyfold_key_encrypt_many(const struct keyfold_key *key,
                                        const struct keyfold_data *values,
                                        size_t count,
                                        const struct keyfold_data *aads,
                                        size_t aads_count,
                                        struct keyfold_buf *out,
                                        size_t *offsets,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_many, bound to contexts: `contexts_count` is 1 (one context for all) or `count` (one for
 * each, in order). None may be NULL.
 */
keyfold_status keyfold_key_encrypt_many_with_contexts(const struct keyfold_key *key,
                                                      const struct keyfold_data *values,
                                                      size_t count,
                                                      const struct keyfold_context *const *contexts,
                                                      size_t contexts_count,
                                                      struct keyfold_buf *out,
                                                      size_t *offsets,
                                                      struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_many, of texts, which must be UTF-8, to their text forms. No zero bytes stand between these.
 */
keyfold_status keyfold_key_encrypt_many_text(const struct keyfold_key *key,
                                             const struct keyfold_data *values,
                                             size_t count,
                                             const struct keyfold_data *aads,
                                             size_t aads_count,
                                             struct keyfold_buf *out,
                                             size_t *offsets,
                                             struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_many_text, bound to contexts as keyfold_key_encrypt_many_with_contexts has them.
 */
keyfold_status keyfold_key_encrypt_many_text_with_contexts(const struct keyfold_key *key,
                                                           const struct keyfold_data *values,
                                                           size_t count,
                                                           const struct keyfold_context *const *contexts,
                                                           size_t contexts_count,
                                                           struct keyfold_buf *out,
                                                           size_t *offsets,
                                                           struct keyfold_error **error);

/**
 * Decrypts many ciphertexts, each in bytes or as text. `values`, `aads`, `out` and `offsets` are as those of
 * keyfold_key_encrypt_many. A null stays null and has no bytes in `out`; so has an empty plaintext, which only `values`
 * tells apart.
 *
 * `statuses` NULL: where a value does not decrypt the call fails with its error, keyfold_error_index says which it
 * was, and nothing is written. Else it is an array of yours with room for `count` statuses: the call succeeds, and
 * value i has statuses[i], KEYFOLD_OK or why it did not decrypt; it has no bytes in `out` then. Look at each before you
 * use what was decrypted. Failures of the store fail the call in both ways.
 *
 * KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_BATCH_MAX values or 256 MiB of ciphertexts.
 */
keyfold_status keyfold_key_decrypt_many(const struct keyfold_key *key,
                                        const struct keyfold_data *values,
                                        size_t count,
                                        const struct keyfold_data *aads,
                                        size_t aads_count,
                                        struct keyfold_buf *out,
                                        size_t *offsets,
                                        keyfold_status *statuses,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_many, with the contexts that the values were encrypted with.
 */
keyfold_status keyfold_key_decrypt_many_with_contexts(const struct keyfold_key *key,
                                                      const struct keyfold_data *values,
                                                      size_t count,
                                                      const struct keyfold_context *const *contexts,
                                                      size_t contexts_count,
                                                      struct keyfold_buf *out,
                                                      size_t *offsets,
                                                      keyfold_status *statuses,
                                                      struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_many, of text forms to texts: KEYFOLD_DECRYPTION_FAILED as well where a value is no text form,
 * or holds no UTF-8.
 */
keyfold_status keyfold_key_decrypt_many_text(const struct keyfold_key *key,
                                             const struct keyfold_data *values,
                                             size_t count,
                                             const struct keyfold_data *aads,
                                             size_t aads_count,
                                             struct keyfold_buf *out,
                                             size_t *offsets,
                                             keyfold_status *statuses,
                                             struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_many_text, with the contexts that the values were encrypted with.
 */
keyfold_status keyfold_key_decrypt_many_text_with_contexts(const struct keyfold_key *key,
                                                           const struct keyfold_data *values,
                                                           size_t count,
                                                           const struct keyfold_context *const *contexts,
                                                           size_t contexts_count,
                                                           struct keyfold_buf *out,
                                                           size_t *offsets,
                                                           keyfold_status *statuses,
                                                           struct keyfold_error **error);

/* Deterministic keys ---------------------------------------------------------------------------- */

/**
 * The ciphertexts that this plaintext may have in rows, under a key of kind "deterministic": one under every version
 * that may decrypt, newest first. Search for any of them, and rows that were not yet re-encrypted are found as well.
 * What another process rotated within refresh_interval may be missing.
 */
keyfold_status keyfold_key_search_ciphertexts(const struct keyfold_key *key,
                                              const void *plaintext,
                                              size_t plaintext_len,
                                              const void *aad,
                                              size_t aad_len,
                                              struct keyfold_list **out,
                                              struct keyfold_error **error);

/**
 * As keyfold_key_search_ciphertexts, with the context that the rows were encrypted with.
 */
keyfold_status keyfold_key_search_ciphertexts_with_context(const struct keyfold_key *key,
                                                           const void *plaintext,
                                                           size_t plaintext_len,
                                                           const struct keyfold_context *context,
                                                           struct keyfold_list **out,
                                                           struct keyfold_error **error);

/* Authentication codes -------------------------------------------------------------------------- */

/**
 * The code of the data under the current version of a key of kind "mac": 01, the version's tag (4 bytes, big endian),
 * and the HMAC (HMAC_SHA256: 32 bytes), in Google Tink's format. KEYFOLD_LIMIT_EXCEEDED past KEYFOLD_MESSAGE_MAX.
 */
keyfold_status keyfold_key_mac(const struct keyfold_key *key,
                               const void *data,
                               size_t data_len,
                               struct keyfold_buf *out,
                               struct keyfold_error **error);

/**
 * The HMAC alone, for formats that have no room for a prefix, such as JWTs. It does not say which version made it.
 */
keyfold_status keyfold_key_mac_raw(const struct keyfold_key *key,
                                   const void *data,
                                   size_t data_len,
                                   struct keyfold_buf *out,
                                   struct keyfold_error **error);

/**
 * KEYFOLD_OK where keyfold_key_mac of any version of this key gave this code, in bytes or as text, for this data.
 * KEYFOLD_VERIFICATION_FAILED where anything is wrong with code, key or data; KEYFOLD_KEY_UNAVAILABLE where the
 * version's state forbids it.
 */
keyfold_status keyfold_key_verify_mac(const struct keyfold_key *key,
                                      const void *data,
                                      size_t data_len,
                                      const void *mac,
                                      size_t mac_len,
                                      struct keyfold_error **error);

/**
 * As keyfold_key_verify_mac, of what keyfold_key_mac_raw gave: all versions that may verify are tried.
 */
keyfold_status keyfold_key_verify_mac_raw(const struct keyfold_key *key,
                                          const void *data,
                                          size_t data_len,
                                          const void *mac,
                                          size_t mac_len,
                                          struct keyfold_error **error);

/* Blind indexes --------------------------------------------------------------------------------- */

/**
 * The blind index of a value: store it beside the encrypted value and search for it. It stays the same while data keys
 * rotate. `field` names what is indexed, as in "users.email", up to 255 bytes. Keys of one purpose give the same index
 * for the same value and field. Equal values are seen to be equal, and how often. `options` is a JSON object, NULL
 * for the defaults:
 *
 *   {"kind": "exact",     all of the value; "prefix" or "suffix": its first or last `length` characters; "soundex":
 *                         how a name sounds in English
 *    "length": null,      1 to 255, for a prefix or suffix; a shorter value is indexed whole
 *    "bits": 128,         1 to 256; fewer leak less and find more by chance
 *    "normalize": []}     what is done to the value first, in this order: "casefold", "nfkc", "digits" (drops all else),
 *                         "trim", "collapse_spaces"
 *
 * Whatever but "exact" without normalisers reads the value as a text: KEYFOLD_INVALID_ARGUMENT where it is not UTF-8.
 */
keyfold_status keyfold_key_blind_index(const struct keyfold_key *key,
                                       const void *value,
                                       size_t value_len,
                                       const char *field,
                                       const char *options,
                                       struct keyfold_buf *out,
                                       struct keyfold_error **error);

/**
 * The blind indexes under all live versions of the index root: search for any of them. `out` holds `count` indexes of
 * the same length, out.len / count bytes, one after the other and the newest first.
 */
keyfold_status keyfold_key_blind_indexes(const struct keyfold_key *key,
                                         const void *value,
                                         size_t value_len,
                                         const char *field,
                                         const char *options,
                                         struct keyfold_buf *out,
                                         size_t *count,
                                         struct keyfold_error **error);

/**
 * keyfold_key_blind_index of each of many values, of one field. A null has no index. `out` becomes `count` places of
 * `width` bytes each, one after the other: that of value i begins at out.data + i * width, and that of a null is zeros.
 * Where one value is refused nothing is written, and keyfold_error_index says which it was. KEYFOLD_LIMIT_EXCEEDED past
 * KEYFOLD_BATCH_MAX values.
 */
keyfold_status keyfold_key_blind_index_many(const struct keyfold_key *key,
                                            const struct keyfold_data *values,
                                            size_t count,
                                            const char *field,
                                            const char *options,
                                            struct keyfold_buf *out,
                                            size_t *width,
                                            struct keyfold_error **error);

/**
 * One index of several fields and their values: found only by who knows all of them. `fields` and `values` have
 * `count` items each, up to 16; their order does not matter, and no field may come twice. No value may be null: where
 * one is missing there is no index. `options` are those of keyfold_key_blind_index and hold for every value.
 */
keyfold_status keyfold_key_blind_index_compound(const struct keyfold_key *key,
                                                const char *const *fields,
                                                const struct keyfold_data *values,
                                                size_t count,
                                                const char *options,
                                                struct keyfold_buf *out,
                                                struct keyfold_error **error);

/**
 * The compound indexes under all live versions of the index root; `out` and `indexes` are `out` and `count` of
 * keyfold_key_blind_indexes.
 */
keyfold_status keyfold_key_blind_indexes_compound(const struct keyfold_key *key,
                                                  const char *const *fields,
                                                  const struct keyfold_data *values,
                                                  size_t count,
                                                  const char *options,
                                                  struct keyfold_buf *out,
                                                  size_t *indexes,
                                                  struct keyfold_error **error);

/**
 * What an index with these options would tell whoever reads its column, worked out over the values themselves, some
 * of which may be null; at most 1,000,000. No store is needed, and nothing is kept. `options` are those of
 * keyfold_key_blind_index. A JSON object:
 *
 *   {"rows": 1000, "nulls": 0,         how many values and nulls
 *    "distinct_values": 50, "distinct_indexes": 48,
 *    "most_common_share": 0.2,         the chance of guessing a row's value without its index
 *    "guess_chance": 0.4,              the same with its index
 *    "value_entropy": 5.1, "value_min_entropy": 2.3,    of the values, in bits a row
 *    "leaked_bits": 4.9, "remaining_bits": 0.2,         of that entropy, to who sees the index
 *    "min_entropy_leaked": 1.0,        how many times likelier the best guess becomes, in bits
 *    "bits": 128,                      the width of the index
 *    "found": 20.5, "false_positives": 0.1,     rows that a search finds, and those with another value
 *    "recommended_bits": 4,            the most bits that surely leave a bit to find out; null where none do
 *    "narrowest_bits": 5}              the fewest at which a search finds few others
 */
keyfold_status keyfold_index_report(const struct keyfold_data *values,
                                    size_t count,
                                    const char *options,
                                    struct keyfold_buf *out,
                                    struct keyfold_error **error);

/* Streams in parts ------------------------------------------------------------------------------ */

/**
 * Begins to encrypt a stream of any length, under a key of kind "stream", in Google Tink's streaming format. `aad` is
 * authenticated and not stored: decrypting takes the same. It keeps at most 1 MiB of the stream in memory.
 */
keyfold_status keyfold_stream_encryptor_new(const struct keyfold_key *key,
                                            const void *aad,
                                            size_t aad_len,
                                            struct keyfold_stream_encryptor **out,
                                            struct keyfold_error **error);

/**
 * As keyfold_stream_encryptor_new, bound to a context, which must not be NULL.
 */
keyfold_status keyfold_stream_encryptor_new_with_context(const struct keyfold_key *key,
                                                         const struct keyfold_context *context,
                                                         struct keyfold_stream_encryptor **out,
                                                         struct keyfold_error **error);

/**
 * Takes the next part, of any size. `out` becomes what is now ready of the ciphertext, which is often nothing: write
 * it out behind what came before, and free it. After a failure the stream is over.
 */
keyfold_status keyfold_stream_encryptor_update(struct keyfold_stream_encryptor *encryptor,
                                               const void *part,
                                               size_t part_len,
                                               struct keyfold_buf *out,
                                               struct keyfold_error **error);

/**
 * Ends the stream; `out` becomes the rest of the ciphertext. Without it the ciphertext does not decrypt. The encryptor
 * takes nothing more, and is still to be freed.
 */
keyfold_status keyfold_stream_encryptor_finish(struct keyfold_stream_encryptor *encryptor,
                                               struct keyfold_buf *out,
                                               struct keyfold_error **error);

/**
 * Frees an encryptor, and wipes what it holds. NULL is fine.
 */
void keyfold_stream_encryptor_free(struct keyfold_stream_encryptor *encryptor);

/**
 * Begins to decrypt a stream. What comes out is PROVISIONAL until keyfold_stream_decryptor_finish succeeds: only then
 * is it known that nothing is missing at the end. Where a call fails throw away what came before.
 */
keyfold_status keyfold_stream_decryptor_new(const struct keyfold_key *key,
                                            const void *aad,
                                            size_t aad_len,
                                            struct keyfold_stream_decryptor **out,
                                            struct keyfold_error **error);

/**
 * As keyfold_stream_decryptor_new, with the context that the stream was encrypted with.
 */
keyfold_status keyfold_stream_decryptor_new_with_context(const struct keyfold_key *key,
                                                         const struct keyfold_context *context,
                                                         struct keyfold_stream_decryptor **out,
                                                         struct keyfold_error **error);

/**
 * Takes the next part, of any size; `out` becomes what could now be verified, which is often nothing. Wiped when it is
 * freed. KEYFOLD_DECRYPTION_FAILED where anything is wrong; the stream is over then.
 */
keyfold_status keyfold_stream_decryptor_update(struct keyfold_stream_decryptor *decryptor,
                                               const void *part,
                                               size_t part_len,
                                               struct keyfold_buf *out,
                                               struct keyfold_error **error);

/**
 * Ends the stream; `out` becomes the rest of the plaintext. KEYFOLD_DECRYPTION_FAILED where the stream was cut: then
 * believe nothing of what came before. The decryptor takes nothing more, and is still to be freed.
 */
keyfold_status keyfold_stream_decryptor_finish(struct keyfold_stream_decryptor *decryptor,
                                               struct keyfold_buf *out,
                                               struct keyfold_error **error);

/**
 * The number of the version that encrypted the stream; 0 while that is not known: before its first MiB, or its end.
 */
uint32_t keyfold_stream_decryptor_version(const struct keyfold_stream_decryptor *decryptor);

/**
 * Whether the stream was encrypted by another version than the current one. KEYFOLD_INVALID_ARGUMENT while that is not
 * known: before its first MiB, or its end.
 */
keyfold_status keyfold_stream_decryptor_needs_reencrypt(const struct keyfold_stream_decryptor *decryptor,
                                                        bool *out,
                                                        struct keyfold_error **error);

/**
 * Frees a decryptor, and wipes what it holds. NULL is fine.
 */
void keyfold_stream_decryptor_free(struct keyfold_stream_decryptor *decryptor);

/* Streams by callbacks, and files --------------------------------------------------------------- */

/**
 * Encrypts all that `read` gives to `write`, in constant memory, under a key of kind "stream"; as
 * keyfold_stream_encryptor_new. `progress` may be NULL; `user_data` is handed to all three. `read_bytes` (may be NULL)
 * becomes how long the input was. What was written before a failure is no whole stream, and does not decrypt.
 */
keyfold_status keyfold_key_encrypt_stream(const struct keyfold_key *key,
                                          const void *aad,
                                          size_t aad_len,
                                          keyfold_read_callback read,
                                          keyfold_write_callback write,
                                          keyfold_progress_callback progress,
                                          void *user_data,
                                          uint64_t *read_bytes,
                                          struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_stream, bound to a context, which must not be NULL.
 */
keyfold_status keyfold_key_encrypt_stream_with_context(const struct keyfold_key *key,
                                                       const struct keyfold_context *context,
                                                       keyfold_read_callback read,
                                                       keyfold_write_callback write,
                                                       keyfold_progress_callback progress,
                                                       void *user_data,
                                                       uint64_t *read_bytes,
                                                       struct keyfold_error **error);

/**
 * Decrypts all that `read` gives to `write`, in constant memory. What is written is PROVISIONAL until this succeeds: a
 * stream that was cut is noticed at its end. Where that matters use keyfold_key_decrypt_file. `written_bytes` (may be
 * NULL) becomes how long the plaintext is. Otherwise as keyfold_key_encrypt_stream. KEYFOLD_DECRYPTION_FAILED for
 * everything that is wrong with the stream, the key or aad.
 */
keyfold_status keyfold_key_decrypt_stream(const struct keyfold_key *key,
                                          const void *aad,
                                          size_t aad_len,
                                          keyfold_read_callback read,
                                          keyfold_write_callback write,
                                          keyfold_progress_callback progress,
                                          void *user_data,
                                          uint64_t *written_bytes,
                                          struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_stream, with the context that the stream was encrypted with.
 */
keyfold_status keyfold_key_decrypt_stream_with_context(const struct keyfold_key *key,
                                                       const struct keyfold_context *context,
                                                       keyfold_read_callback read,
                                                       keyfold_write_callback write,
                                                       keyfold_progress_callback progress,
                                                       void *user_data,
                                                       uint64_t *written_bytes,
                                                       struct keyfold_error **error);

/**
 * Encrypts the file `from` into the file `to`, under a key of kind "stream". `to` appears under its name, with mode
 * 0600, once it is complete and on disk; on failure nothing of it is left. `from` may be a pipe. `progress` may be
 * NULL. `read_bytes` (may be NULL) becomes how long the input was. `options` is a JSON object, NULL for the default:
 *
 *   {"force": false}     replace a file that stands under the output's name
 *
 * KEYFOLD_ALREADY_EXISTS where there is such a file; KEYFOLD_INVALID_ARGUMENT where it is the input, or the store.
 */
keyfold_status keyfold_key_encrypt_file(const struct keyfold_key *key,
                                        const char *from,
                                        const char *to,
                                        const void *aad,
                                        size_t aad_len,
                                        const char *options,
                                        keyfold_progress_callback progress,
                                        void *user_data,
                                        uint64_t *read_bytes,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_encrypt_file, bound to a context, which must not be NULL.
 */
keyfold_status keyfold_key_encrypt_file_with_context(const struct keyfold_key *key,
                                                     const char *from,
                                                     const char *to,
                                                     const struct keyfold_context *context,
                                                     const char *options,
                                                     keyfold_progress_callback progress,
                                                     void *user_data,
                                                     uint64_t *read_bytes,
                                                     struct keyfold_error **error);

/**
 * Decrypts the file `from` into the file `to`: nothing appears under that name before the whole stream was verified.
 * `written_bytes` (may be NULL) becomes how long the plaintext is. Otherwise as keyfold_key_encrypt_file.
 */
keyfold_status keyfold_key_decrypt_file(const struct keyfold_key *key,
                                        const char *from,
                                        const char *to,
                                        const void *aad,
                                        size_t aad_len,
                                        const char *options,
                                        keyfold_progress_callback progress,
                                        void *user_data,
                                        uint64_t *written_bytes,
                                        struct keyfold_error **error);

/**
 * As keyfold_key_decrypt_file, with the context that the file was encrypted with.
 */
keyfold_status keyfold_key_decrypt_file_with_context(const struct keyfold_key *key,
                                                     const char *from,
                                                     const char *to,
                                                     const struct keyfold_context *context,
                                                     const char *options,
                                                     keyfold_progress_callback progress,
                                                     void *user_data,
                                                     uint64_t *written_bytes,
                                                     struct keyfold_error **error);

/* Ciphertexts as bytes and as text -------------------------------------------------------------- */

/**
 * The text form of a ciphertext: "kf1." and base64url without padding.
 */
keyfold_status keyfold_to_text(const void *value,
                               size_t value_len,
                               struct keyfold_buf *out,
                               struct keyfold_error **error);

/**
 * The bytes of a text form. KEYFOLD_INVALID_ARGUMENT where it is none: padding, other alphabets and white space are
 * refused.
 */
keyfold_status keyfold_from_text(const char *text,
                                 size_t text_len,
                                 struct keyfold_buf *out,
                                 struct keyfold_error **error);

/**
 * Whether a value has the shape of a ciphertext, in bytes or as text. A hint and no proof; false for NULL.
 */
bool keyfold_is_ciphertext(const void *value,
                           size_t value_len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KEYFOLD_H */
