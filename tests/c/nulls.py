#!/usr/bin/env python3
"""Writes a C program that hands NULL to every function of keyfold.h: to all its parameters at once, and to each by
itself while the others are good. So no function is forgotten.

    python3 nulls.py include/keyfold.h > nulls.c

A function that returns a status must refuse with KEYFOLD_INVALID_ARGUMENT and name the parameter; the others must only
come back.
"""

import re
import sys

# A good argument for each parameter, by name or by type. NULL for a callback's user data is fine.
BY_NAME = {
    "store": "store",
    "key": "key",
    "context": "context",
    "contexts": "contexts",
    "master_key": "master_key",
    "new_master_key": "master_key",
    "master_keys": "master_keys",
    "encryptor": "encryptor",
    "decryptor": "decryptor",
    "list": "NULL",
    "values": "values",
    "aads": "values",
    "fields": "texts",
    "shares": "texts",
    "key_ids": "texts",
    "read": "read_nothing",
    "write": "write_nothing",
    "progress": "NULL",
    "callback": "NULL",
    "free_user_data": "NULL",
    "user_data": "NULL",
    "offsets": "offsets",
    "error": "&error",
    "threshold": "2",
    "status": "1",
    "key_bytes": "32",
    "version": "1",
    "index": "0",
    "value_len": "1",
    "out_capacity": "sizeof room",
}
BY_TYPE = {
    "const char *": '"x"',
    "const void *": '"x"',
    "void *": "room",
    "struct keyfold_buf *": "&out",
    "size_t *": "&length",
    "uint64_t *": "&number",
    "bool *": "&flag",
    "enum keyfold_status *": "statuses",
    "keyfold_status *": "statuses",
    "size_t": "1",
    "uint32_t": "1",
    "uint8_t": "2",
    "int64_t": "1",
    "int32_t": "1",
    "const char *const *": "texts",
    "struct keyfold_master_key **": "&made_master_key",
    "struct keyfold_store **": "&made_store",
    "struct keyfold_key **": "&made_key",
    "struct keyfold_list **": "&made_list",
    "struct keyfold_stream_encryptor **": "&made_encryptor",
    "struct keyfold_stream_decryptor **": "&made_decryptor",
}
# What may be NULL, anywhere and in single functions, as the header says.
OPTIONAL = {
    "options",
    "filter",
    "info",
    "infos",
    "report",
    "reason",
    "delay",
    "losses",
    "progress",
    "user_data",
    "error",
    "read_bytes",
    "written_bytes",
    "statuses",
    "free_user_data",
    "new_master_key",
}
OPTIONAL_IN = {
    ("keyfold_store_open", "master_key"),
    ("keyfold_restore", "master_key"),
    ("keyfold_store_drill", "ok"),
    ("keyfold_store_purge", "pending"),
    # One of the two is given.
    ("keyfold_store_index_salts", "key_id"),
    ("keyfold_store_rotate_index_salt", "key_id"),
    ("keyfold_store_retire_index_salt", "key_id"),
    ("keyfold_store_get_index_salt", "key_id"),
    # That of the recipient that opened the store.
    ("keyfold_store_recipient_public_key", "recipient_id"),
    # "insecure_cleartext" needs none.
    ("keyfold_store_export_keyset", "secret"),
    ("keyfold_store_import_keyset", "secret"),
    # "x" is no ciphertext, which is noticed before.
    ("keyfold_key_decrypt_into", "out"),
}
ARGUMENT_IN = {pair: "NULL" for pair in OPTIONAL_IN if pair[1] in ("key_id", "recipient_id")} | {
    ("keyfold_master_key_new_callback", "callback"): "give_nothing",
}

TOP = """// Made by nulls.py: do not edit.
#include "check.h"

static int give_nothing(void *user_data, uint8_t *key) { (void)user_data; (void)key; return 1; }
static int read_nothing(void *user_data, uint8_t *buffer, size_t capacity, size_t *length) {
    (void)user_data; (void)buffer; (void)capacity; *length = 0; return 0;
}
static int write_nothing(void *user_data, const uint8_t *data, size_t length) {
    (void)user_data; (void)data; (void)length; return 0;
}

int main(void) {
    keyfold_store *store = test_store("nulls.keyfold"), *made_store = NULL;
    OK(keyfold_store_create_key(store, "stream", "{\\"kind\\": \\"stream\\"}", NULL, &error));
    keyfold_key *key = test_key(store, "pii"), *stream = test_key(store, "stream"), *made_key = NULL;
    keyfold_context *context = keyfold_context_new();
    OK(keyfold_context_add_integer(context, "id", 1, &error));
    const keyfold_context *contexts[] = {context};
    keyfold_master_key *master_key = NULL, *made_master_key = NULL;
    OK(keyfold_master_key_new_text(MASTER_KEY, &master_key, &error));
    const keyfold_master_key *master_keys[] = {master_key};
    keyfold_stream_encryptor *encryptor = NULL, *made_encryptor = NULL;
    keyfold_stream_decryptor *decryptor = NULL, *made_decryptor = NULL;
    OK(keyfold_stream_encryptor_new(stream, NULL, 0, &encryptor, &error));
    OK(keyfold_stream_decryptor_new(stream, NULL, 0, &decryptor, &error));
    keyfold_list *made_list = NULL;
    const keyfold_data values[] = {{"x", 1}};
    const char *texts[] = {"x"};
    keyfold_buf out = {0};
    size_t length = 77, offsets[2] = {77, 77};
    uint64_t number = 77;
    bool flag = false;
    keyfold_status statuses[1] = {KEYFOLD_CLOSED};
    unsigned char room[100];
"""
BOTTOM = """
    // Nothing was written, and nothing was done.
    CHECK(out.data == NULL && out.len == 0 && length == 77 && offsets[0] == 77 && offsets[1] == 77 && number == 77);
    CHECK(!flag && statuses[0] == KEYFOLD_CLOSED);
    CHECK(made_store == NULL && made_key == NULL && made_master_key == NULL && made_list == NULL);
    CHECK(made_encryptor == NULL && made_decryptor == NULL);
    OK(keyfold_store_list_keys(store, NULL, &out, &error));
    CHECK(strstr((char *)out.data, "\\"x\\"") == NULL);
    keyfold_buf_free(&out);
    keyfold_stream_encryptor_free(encryptor);
    keyfold_stream_decryptor_free(decryptor);
    keyfold_master_key_free(master_key);
    keyfold_context_free(context);
    keyfold_key_free(key);
    keyfold_key_free(stream);
    keyfold_store_free(store);
    (void)give_nothing; (void)read_nothing; (void)write_nothing; (void)room; (void)contexts; (void)master_keys;
    return finish("nulls");
}
"""


def functions(header):
    """(result, name, [(type, name)]) of each declaration."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    for result, name, arguments in re.findall(r"^([a-z][\w ]*?[ *]+)(keyfold_\w+)\(([^()]*)\);", text, flags=re.M):
        parameters = []
        for argument in re.sub(r"\s+", " ", arguments).strip().split(", "):
            if argument != "void":
                kind, parameter = re.fullmatch(r"(.*?)(\w+)", argument).groups()
                parameters.append((kind.strip(), parameter))
        yield result.strip(), name, parameters


def good(function, kind, parameter):
    for table, entry in ((ARGUMENT_IN, (function, parameter)), (BY_NAME, parameter), (BY_TYPE, kind)):
        if entry in table:
            return table[entry]
    raise SystemExit(f"nulls.py: no argument for {kind} {parameter} of {function}: add it to the tables")


def is_pointer(kind):
    return kind.endswith(("*", "callback"))


def main():
    header = open(sys.argv[1]).read()
    found = list(functions(header))
    assert len(found) > 130, len(found)
    print(TOP)
    for result, name, parameters in found:
        nothing = ["NULL" if is_pointer(kind) else "0" for kind, _ in parameters]
        if name == "keyfold_context_new":
            print("    keyfold_context_free(keyfold_context_new());")
            continue
        if result != "keyfold_status":
            print(
                f"    (void){name}({', '.join(nothing)});" if result != "void" else f"    {name}({', '.join(nothing)});"
            )
            print("    CHECK(1);")
            continue
        needed = [p for k, p in parameters if is_pointer(k) and p not in OPTIONAL and (name, p) not in OPTIONAL_IN]
        if needed:
            print(f"    CHECK({name}({', '.join(nothing)}) == KEYFOLD_INVALID_ARGUMENT);")
        for missing in needed:
            arguments = ["NULL" if p == missing else good(name, k, p) for k, p in parameters]
            print(f'    REFUSES("{missing} is NULL", {name}({", ".join(arguments)}));')
    print(BOTTOM)


main()
