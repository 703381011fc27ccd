#!/usr/bin/env python3
"""Drives tests/edge_inputs.json through the C interface, by way of ctypes.

KEYFOLD_LIBRARY=target/release/libkeyfold.so python3 tests/c/edge_inputs.py [part of a name]
"""

import ctypes
import json
import os
import shutil
import sys
import tempfile
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_void_p
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from edge_table import Driver, Refused, cases_for, counted  # noqa: E402

RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
keyfold = ctypes.CDLL(os.environ.get("KEYFOLD_LIBRARY", str(RELEASE / "libkeyfold.so")))
for name in ("error_name", "error_message", "status_name", "key_id"):
    getattr(keyfold, f"keyfold_{name}").restype = c_char_p
    getattr(keyfold, f"keyfold_{name}").argtypes = [c_int32 if name == "status_name" else c_void_p]
keyfold.keyfold_error_index.restype = c_size_t
keyfold.keyfold_error_index.argtypes = [c_void_p]
keyfold.keyfold_context_new.restype = c_void_p
keyfold.keyfold_list_count.restype = keyfold.keyfold_list_length.restype = c_size_t
keyfold.keyfold_list_data.restype = c_void_p
FREED = ("error", "key", "store", "master_key", "context", "list", "stream_encryptor", "stream_decryptor")
for name in FREED:
    getattr(keyfold, f"keyfold_{name}_free").argtypes = [c_void_p]
    getattr(keyfold, f"keyfold_{name}_free").restype = None
NOWHERE = c_size_t(-1).value


class Buf(ctypes.Structure):
    _fields_ = [("data", POINTER(c_uint8)), ("len", c_size_t), ("cap", c_size_t)]


class Data(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


def call(function, *arguments):
    """Calls with an error behind the arguments; raises what it says."""
    error = c_void_p()
    status = getattr(keyfold, f"keyfold_{function}")(*arguments, byref(error))
    if status == 0:
        assert not error.value, f"{function} succeeded with an error"
        return
    code = keyfold.keyfold_error_name(error).decode()
    message = keyfold.keyfold_error_message(error).decode()
    index = keyfold.keyfold_error_index(error)
    keyfold.keyfold_error_free(error)
    assert code == keyfold.keyfold_status_name(status).decode(), f"{function}: {code}, but the status {status}"
    raise Refused(code.removeprefix("KEYFOLD_"), message, None if index == NOWHERE else index)


def bytes_of(function, *arguments):
    out = Buf()
    call(function, *arguments, byref(out))
    return taken(out)


def taken(out):
    value = ctypes.string_at(out.data, out.len)
    keyfold.keyfold_buf_free(byref(out))
    return value


def data(value):
    """A pointer and a length; None is NULL with a length."""
    return (c_char_p(value), c_size_t(5 if value is None else len(value)))


def datas(values):
    return (Data * len(values))(*[Data(value, 0 if value is None else len(value)) for value in values])


def texts(values):
    return (c_char_p * len(values))(*[value.encode() for value in values])


def utf8(text):
    return None if text is None else c_char_p(text.encode())


def number(step, name="version"):
    """0 where it is left out: the current one."""
    return c_uint32(step.get(name) or 0)


class C(Driver):
    def __init__(self, folder):
        self.store, self.freeing = None, []
        super().__init__(folder)

    # What is made is freed in the end.

    def later(self, kind, pointer):
        self.freeing.append((kind, pointer))
        return pointer

    def made(self, kind, function, *arguments):
        out = c_void_p()
        call(function, *arguments, byref(out))
        return self.later(kind, out)

    def let_go(self):
        for kind, pointer in reversed(self.freeing):
            getattr(keyfold, f"keyfold_{kind}_free")(pointer)
        self.store, self.freeing = None, []

    def text_form(self, ciphertext):
        return bytes_of("to_text", *data(ciphertext)).decode()

    def options(self, step):
        return json.dumps(step.options).encode() if "options" in step else None

    def at(self):
        if self.store is None:
            self.store = self.opened(self.folder / "S", {"from": "master_key"}, None)
        return self.store

    def opened(self, path, master_key, options):
        return self.made("store", "store_open", utf8(str(path)), self.master_key(master_key), options)

    def key(self, step):
        return self.made("key", "store_key", self.at(), utf8(step.key_id))

    def master_key(self, given):
        new = "master_key_new_"
        match given:
            case {"passphrase": passphrase, "memory_kib": memory, "passes": passes, "lanes": lanes}:
                options = {"kdf": "argon2id", "memory_kib": memory, "passes": passes, "lanes": lanes}
            case {"passphrase": passphrase, "pbkdf2_rounds": rounds}:
                options = {"kdf": "pbkdf2_sha256", "rounds": rounds}
            case {"passphrase": passphrase}:
                options = {}
            case {"recovery_key": text}:
                return self.made("master_key", new + "recovery_key", utf8(self.text_of(text)))
            case {"shares": shares}:
                shares = texts([self.text_of(share) for share in shares])
                return self.made("master_key", new + "shares", shares, c_size_t(len(shares)))
            case {"any_of": several}:
                several = (c_void_p * len(several))(*[self.master_key(one).value for one in several])
                return self.made("master_key", new + "any_of", several, c_size_t(len(several)))
            case str() | {"from": _}:
                return self.made("master_key", new + "text", utf8(self.text_of(given)))
            case _:
                return self.made("master_key", new + "bytes", *data(self.data_of(given)))
        text = utf8(self.text_of(passphrase))
        return self.made("master_key", new + "passphrase", text, json.dumps(options).encode())

    def bound(self, function, step, *arguments):
        """A call with what a message is bound to behind its arguments: aad, or a context."""
        if step.context is None:
            return bytes_of(function, *arguments, *self.aad(step))
        context = self.later("context", c_void_p(keyfold.keyfold_context_new()))
        for name, value in step.context.items():
            kind = {int: "integer", str: "text"}.get(type(value), "bytes")
            arguments_of = {"integer": lambda v: [c_int64(v)], "text": lambda v: [utf8(v)], "bytes": data}[kind]
            call(f"context_add_{kind}", context, utf8(name), *arguments_of(value))
        return bytes_of(f"{function}_with_context", *arguments, context)

    def aad(self, step):
        return data(step.data("aad") if "aad" in step else b"")

    # Stores.

    def do_open(self, step):
        self.let_go()
        self.store = self.opened(step.path(), step.master_key, self.options(step))

    def do_close(self, step):
        keyfold.keyfold_store_close(self.at())

    def do_restore(self, step):
        self.let_go()
        master_key = self.master_key(step.master_key)
        source, path = utf8(str(step.path("source"))), utf8(str(step.path()))
        bytes_of("restore", source, path, master_key, self.options(step))

    def do_backup(self, step):
        bytes_of("store_backup", self.at(), utf8(str(step.path())), None, None)

    def do_check(self, step):
        ok = c_bool()
        bytes_of("store_check", self.at(), byref(ok))
        return ok.value

    def do_anchor(self, step):
        return bytes_of("store_anchor", self.at())

    def do_quarantine(self, step):
        call("store_quarantine", self.at(), *[utf8(step.text(name)) for name in ("kind", "id", "reason")])

    def do_run_due(self, step):
        bytes_of("store_run_due", self.at())

    # Recipients.

    def do_split_shares(self, step):
        shares = (Buf * max(step["count"], 1))()
        call("shares_split", c_uint8(step["threshold"]), c_uint8(step["count"]), shares)
        return [taken(share) for share in shares]

    def do_recipients(self, step):
        return [one["recipient_id"] for one in json.loads(bytes_of("store_recipients", self.at()))]

    def do_add_recipient(self, step):
        bytes_of("store_add_recipient", self.at(), self.master_key(step.master_key), self.options(step))

    def do_remove_recipient(self, step):
        bytes_of("store_remove_recipient", self.at(), utf8(step.text("recipient_id")))

    def do_test_recipient(self, step):
        bytes_of("store_test_recipient", self.at(), self.master_key(step.master_key))

    def do_drill(self, step):
        ok = c_bool()
        bytes_of("store_drill", self.at(), self.master_key(step.master_key), byref(ok))
        assert ok.value

    def do_rotate_master_key(self, step):
        new = self.master_key(step.master_key) if "master_key" in step else None
        bytes_of("store_rotate_master_key", self.at(), new)

    # Keys and versions.

    def do_create_key(self, step):
        bytes_of("store_create_key", self.at(), utf8(step.key_id), self.options(step))

    def do_create_keys(self, step):
        keys = step.keys()
        options = texts([json.dumps(options) for _, options in keys])
        bytes_of("store_create_keys", self.at(), texts([key_id for key_id, _ in keys]), options, c_size_t(len(keys)))

    def do_list_keys(self, step):
        return [key["key_id"] for key in json.loads(bytes_of("store_list_keys", self.at(), self.options(step)))]

    def do_rotate_key(self, step):
        bytes_of("store_rotate_key_with", self.at(), utf8(step.key_id), self.options(step))

    def with_key(self, step):
        bytes_of(f"store_{step['op']}", self.at(), utf8(step.key_id))

    do_key_info = do_key_usage = do_list_key_versions = do_archive_key = with_key

    def with_version(self, step):
        bytes_of(f"store_{step['op']}", self.at(), utf8(step.key_id), number(step))

    do_promote_version = do_cancel_destruction = with_version

    def do_set_version_state(self, step):
        reason = step.text("reason") if "reason" in step else None
        bytes_of(
            *("store_set_version_state", self.at(), utf8(step.key_id), number(step)),
            *(utf8(step.text("state")), utf8(reason)),
        )

    def do_schedule_destruction(self, step):
        delay = utf8(step.text("delay") if "delay" in step else None)
        bytes_of("store_schedule_destruction", self.at(), utf8(step.key_id), number(step), delay)

    def do_register_purpose(self, step):
        bytes_of("store_register_purpose", self.at(), utf8(step.text("purpose")), self.options(step))

    def do_key_for(self, step):
        return keyfold.keyfold_key_id(self.made("key", "store_key_for", self.at(), utf8(step.text("purpose"))))

    def scope(self, step):
        return (utf8(step.text("purpose")), None) if "purpose" in step else (None, utf8(step.key_id))

    def do_index_salts(self, step):
        bytes_of("store_index_salts", self.at(), *self.scope(step))

    def do_rotate_index_salt(self, step):
        bytes_of("store_rotate_index_salt", self.at(), *self.scope(step))

    def do_retire_index_salt(self, step):
        call("store_retire_index_salt", self.at(), *self.scope(step), number(step))

    def do_get_index_salt(self, step):
        return bytes_of("store_get_index_salt", self.at(), *self.scope(step), number(step))

    def do_derive_key(self, step):
        purpose, length = utf8(step.text("purpose")), c_size_t(step["length"])
        return bytes_of("store_derive_key", self.at(), utf8(step.key_id), purpose, length, number(step))

    # Keys in and out.

    def do_import_key(self, step):
        material, encoding = data(step.data("material")), utf8(step.text("encoding"))
        bytes_of("store_import_key", self.at(), utf8(step.key_id), *material, encoding, self.options(step))

    def do_get_data_key(self, step):
        return bytes_of("store_get_data_key", self.at(), utf8(step.key_id), number(step))

    def do_get_encryption_key(self, step):
        wanted = c_size_t(step["key_bytes"]), utf8(step.text("encoding"))
        return bytes_of("store_get_encryption_key", self.at(), utf8(step.key_id), *wanted)

    def protection(self, step):
        return utf8(step["protection"]), utf8(step.text("secret") if "secret" in step else None)

    def do_export_keyset(self, step):
        form = utf8(step.get("format") or "json")
        out = Buf()
        call("store_export_keyset", self.at(), utf8(step.key_id), form, *self.protection(step), byref(out), None)
        return taken(out)

    def do_import_keyset(self, step):
        keyset, protection = data(step.data("keyset")), self.protection(step)
        bytes_of("store_import_keyset", self.at(), utf8(step.key_id), *keyset, *protection, self.options(step))

    # Messages.

    def do_encrypt(self, step):
        return self.bound("key_encrypt", step, self.key(step), *data(step.data("plaintext")))

    def with_ciphertext(self, step):
        return self.bound(f"key_{step['op']}", step, self.key(step), *data(step.data("ciphertext")))

    do_decrypt = do_decrypt_text = do_reencrypt = with_ciphertext

    def do_needs_reencrypt(self, step):
        stale = c_bool()
        call("key_needs_reencrypt", self.key(step), *data(step.data("ciphertext")), byref(stale))
        return stale.value

    def do_inspect(self, step):
        return json.loads(bytes_of("store_inspect", self.at(), *data(step.data("ciphertext"))))

    def do_from_text(self, step):
        return bytes_of("from_text", *data(step.data("text")))

    def do_search_ciphertexts(self, step):
        key, plaintext = self.key(step), data(step.data("plaintext"))
        found = self.made("list", "key_search_ciphertexts", key, *plaintext, *self.aad(step))
        count = range(keyfold.keyfold_list_count(found))
        item = [(keyfold.keyfold_list_data(found, c_size_t(n)), c_size_t(n)) for n in count]
        return [ctypes.string_at(start, keyfold.keyfold_list_length(found, n)) for start, n in item]

    def many(self, step, *statuses):
        values = step.values("values")
        aads = step.values("aads") if "aads" in step else []
        out, offsets = Buf(), (c_size_t * (len(values) + 1))()
        call(
            *(f"key_{step['op']}", self.key(step), datas(values), c_size_t(len(values))),
            *(datas(aads), c_size_t(len(aads)), byref(out), offsets, *statuses),
        )
        joined = taken(out)
        places = zip(values, offsets, offsets[1:], strict=False)
        return [None if value is None else joined[start:end] for value, start, end in places]

    def do_encrypt_many(self, step):
        return self.many(step)

    def do_decrypt_many(self, step):
        if step.get("on_error") != "return":
            return self.many(step, None)
        statuses = (c_int32 * len(step.values("values")))()
        code = [keyfold.keyfold_status_name] * len(statuses)
        opened = self.many(step, statuses)
        names = [name(status).decode().removeprefix("KEYFOLD_") for name, status in zip(code, statuses, strict=True)]
        return [
            Refused(name, "in a batch") if status else value
            for name, status, value in zip(names, statuses, opened, strict=True)
        ]

    # Codes and indexes.

    def do_mac(self, step):
        return bytes_of("key_mac_raw" if step.get("raw") else "key_mac", self.key(step), *data(step.data("data")))

    def do_verify_mac(self, step):
        function = "key_verify_mac_raw" if step.get("raw") else "key_verify_mac"
        call(function, self.key(step), *data(step.data("data")), *data(step.data("mac")))

    def do_blind_index(self, step):
        value, field = data(step.data("value")), utf8(step.text("field"))
        return bytes_of("key_blind_index", self.key(step), *value, field, self.options(step))

    def pieces(self, function, *arguments, count=None):
        """What is one after the other in one buffer: so many, or as many as are said."""
        out, said = Buf(), c_size_t()
        call(function, *arguments, byref(out), byref(said))
        joined = taken(out)
        width = said.value if count is not None else len(joined) // said.value
        return [joined[place : place + width] for place in range(0, len(joined), width)]

    def do_blind_indexes(self, step):
        value, field = data(step.data("value")), utf8(step.text("field"))
        return self.pieces("key_blind_indexes", self.key(step), *value, field, self.options(step))

    def do_blind_index_many(self, step):
        values = step.values("values")
        arguments = datas(values), c_size_t(len(values)), utf8(step.text("field")), self.options(step)
        indexes = self.pieces("key_blind_index_many", self.key(step), *arguments, count=len(values))
        return [None if value is None else index for value, index in zip(values, indexes, strict=True)]

    def do_blind_index_compound(self, step):
        pairs = step.pairs("fields")
        fields, values = texts([field for field, _ in pairs]), datas([value.encode() for _, value in pairs])
        arguments = fields, values, c_size_t(len(pairs)), self.options(step)
        return bytes_of("key_blind_index_compound", self.key(step), *arguments)

    def do_index_report(self, step):
        values = step.values("values")
        bytes_of("index_report", datas(values), c_size_t(len(values)), self.options(step))

    # Streams and files.

    def stream(self, kind, step, part):
        stream = self.made(f"stream_{kind}", f"stream_{kind}_new", self.key(step), *self.aad(step))
        return bytes_of(f"stream_{kind}_update", stream, *data(part)) + bytes_of(f"stream_{kind}_finish", stream)

    def do_encrypt_stream(self, step):
        return self.stream("encryptor", step, step.data("plaintext"))

    def do_decrypt_stream(self, step):
        return self.stream("decryptor", step, step.data("ciphertext"))

    def with_file(self, step):
        paths = [utf8(str(step.path(name))) for name in ("source", "target")]
        aad = self.aad(step)
        call(f"key_{step['op']}", self.key(step), *paths, *aad, self.options(step), None, None, None)

    do_encrypt_file = do_decrypt_file = with_file


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory(prefix="keyfold") as model, counted("c", wanted) as verdict:
        made = C(Path(model))
        made.store = made.opened(Path(model, "S"), {"from": "master_key"}, b'{"create": true}')
        for key_id in (b"pii", b"other"):
            bytes_of("store_create_key", made.store, key_id, b'{"algorithm": "AES256_GCM_SIV"}')
        made.let_go()
        for case in cases_for("c"):
            if wanted in case["name"]:
                with tempfile.TemporaryDirectory(prefix="keyfold") as folder:
                    shutil.copy(Path(model, "S"), folder)
                    try:
                        problem = C(Path(folder)).run(case)
                    except Exception as error:  # A case that cannot be driven is a failure, not the end.
                        problem = f"{type(error).__name__}: {error}"
                verdict(case, problem)


if __name__ == "__main__":
    main()
