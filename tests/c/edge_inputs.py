#!/usr/bin/env python3
"""Drives tests/edge_inputs.json through the C interface, by way of ctypes.

    KEYFOLD_LIBRARY=target/release/libkeyfold.so python3 tests/c/edge_inputs.py [part of a name]

Other SQLite connections live in processes of their own: a second SQLite library in this one would drop the locks
that keyfold holds.
"""

import base64
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from ctypes import POINTER, byref, c_bool, c_char_p, c_int64, c_size_t, c_uint8, c_void_p
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
LIBRARY = os.environ.get("KEYFOLD_LIBRARY", str(RELEASE / "libkeyfold.so"))

keyfold = ctypes.CDLL(LIBRARY)
for name in ("keyfold_error_name", "keyfold_error_message"):
    getattr(keyfold, name).restype = c_char_p
    getattr(keyfold, name).argtypes = [c_void_p]
keyfold.keyfold_context_new.restype = c_void_p
for name in ("error", "key", "store", "master_key", "context"):
    getattr(keyfold, f"keyfold_{name}_free").argtypes = [c_void_p]
    getattr(keyfold, f"keyfold_{name}_free").restype = None


class Buf(ctypes.Structure):
    _fields_ = [("data", POINTER(c_uint8)), ("len", c_size_t), ("cap", c_size_t)]

    def take(self):
        value = ctypes.string_at(self.data, self.len)
        keyfold.keyfold_buf_free(byref(self))
        return value


class Failed(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def call(function, *arguments):
    """Calls with an error behind the arguments; raises what it says."""
    error = c_void_p()
    status = getattr(keyfold, function)(*arguments, byref(error))
    if status == 0:
        assert not error.value, f"{function} succeeded with an error"
        return
    name = keyfold.keyfold_error_name(error).decode()
    message = keyfold.keyfold_error_message(error).decode()
    keyfold.keyfold_error_free(error)
    assert name.startswith("KEYFOLD_") and message, f"{function}: {name} {message!r}"
    raise Failed(name.removeprefix("KEYFOLD_"), message)


def made(function, *arguments):
    """Calls with an object as the last result."""
    out = c_void_p()
    call(function, *arguments, byref(out))
    return out


def bytes_of(function, *arguments):
    out = Buf()
    call(function, *arguments, byref(out))
    return out.take()


def data(value):
    """A pointer and a length; None is NULL with a length."""
    if value is None:
        return c_void_p(None), c_size_t(5)
    return c_char_p(value), c_size_t(len(value))


def options_text(options):
    return None if options is None else json.dumps(options).encode()


class Fixture:
    """A fresh store at S with the keys that the table promises, and whatever else a case wants."""

    def __init__(self, folder, case, master_key):
        self.folder, self.case, self.master_key = folder, case, master_key
        self.path = str(folder / "S").encode()
        self.freeing = []
        store = self.open(create=True)
        call("keyfold_store_create_key", store, b"pii", b'{"algorithm": "AES256_GCM_SIV"}', None)
        call("keyfold_store_create_key", store, b"other", None, None)
        self.store = store

    def later(self, kind, pointer):
        self.freeing.insert(0, (kind, pointer))
        return pointer

    def close(self):
        for kind, pointer in self.freeing:
            getattr(keyfold, f"keyfold_{kind}_free")(pointer)
        self.freeing = []

    def open(self, create=False):
        master_key = self.later("master_key", made("keyfold_master_key_new_text", self.master_key.encode()))
        options = b'{"create": true}' if create else options_text(self.case.get("options"))
        return self.later("store", made("keyfold_store_open", c_char_p(self.path), master_key, options))

    def key(self, key_id=b"pii"):
        return self.later("key", made("keyfold_store_key", self.store, key_id))

    def value(self, value):
        """The bytes of a value of the table; None for null."""
        if "text" in value:
            return value["text"].encode()
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        if "repeat" in value:
            byte, count = value["repeat"]
            return bytes.fromhex(byte) * count
        if "null" in value:
            return None
        if "sealed" in value:
            return self.sealed(value["sealed"], value["change"])
        raise NotImplementedError(value)

    def sealed(self, what, change):
        plaintext = self.value(what["plaintext"])
        aad = self.value(what.get("aad", {"text": ""}))
        key = self.key(b"other" if change == "other_key" else b"pii")
        sealed = bytes_of("keyfold_key_encrypt", key, *data(plaintext), *data(aad))

        def flip(place):
            changed = bytearray(sealed)
            changed[place] ^= 1
            return bytes(changed)

        def text():
            return bytes_of("keyfold_to_text", *data(sealed))

        changes = {
            "none": lambda: sealed,
            "other_key": lambda: sealed,
            "flip_first": lambda: flip(0),
            "flip_tag": lambda: flip(4),
            "flip_nonce": lambda: flip(5),
            "flip_body": lambda: flip(17),
            "flip_last": lambda: flip(-1),
            "cut_last": lambda: sealed[:-1],
            "cut_to_4": lambda: sealed[:4],
            "empty": lambda: b"",
            "extend": lambda: sealed + b"\0",
            "as_text": text,
            "text_padded": lambda: text() + b"=",
            "text_newline": lambda: text() + b"\n",
        }
        return changes[change]()

    def context(self):
        if "context_fields" in self.case:
            fields = {f"f{number}": {"number": number} for number in range(self.case["context_fields"])}
        elif "context" in self.case:
            fields = self.case["context"]
        else:
            return None
        context = self.later("context", c_void_p(keyfold.keyfold_context_new()))
        for name, value in fields.items():
            name = name.encode()
            if "number" in value:
                call("keyfold_context_add_integer", context, name, c_int64(value["number"]))
            elif "text" in value:
                call("keyfold_context_add_text", context, name, value["text"].encode())
            else:
                call("keyfold_context_add_bytes", context, name, *data(self.value(value)))
        return context

    def aad(self):
        return data(self.value(self.case.get("aad", {"text": ""})))

    # One for each kind of store.

    def prepare(self, kind):
        """Puts the store that the case names at S; returns a process to end afterwards."""
        path = Path(os.fsdecode(self.path))
        if kind == "valid":
            return None
        if kind == "locked":
            return another_process(
                "c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE')"
                "; print('ready', flush=True); sys.stdin.read()",
                path,
            )
        # The others are files at rest.
        self.close()
        if kind == "newer":
            another_process(
                "c = sqlite3.connect(sys.argv[1]); v = c.execute('PRAGMA user_version').fetchone()[0]"
                "; c.execute(f'PRAGMA user_version = {v + 1}'); c.commit(); c.close(); print('ready', flush=True)",
                path,
            ).wait()
            return None
        whole = path.read_bytes()
        for left in self.folder.glob("S*"):
            left.unlink()
        if kind == "missing_folder":
            self.path = str(self.folder / "nowhere" / "S").encode()
        elif kind == "directory":
            path.mkdir()
        elif kind == "empty_file":
            path.write_bytes(b"")
        elif kind == "foreign_text":
            path.write_text("This is a text and no store.\n" * 200)
        elif kind == "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        elif kind == "foreign_sqlite":
            another_process(
                "c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE t (x)'); c.commit(); c.close()"
                "; print('ready', flush=True)",
                path,
            ).wait()
        else:
            assert kind == "missing", kind
        return None


def another_process(program, path):
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sqlite3, sys; {program}", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


# The operations of the table.


def op_open(at):
    if "master_key" not in at.case:
        at.open()
        return
    value = at.case["master_key"]
    if "text" in value:
        at.master_key = value["text"]
        at.open()
        return
    master_key = at.later("master_key", made("keyfold_master_key_new_bytes", *data(at.value(value))))
    at.later("store", made("keyfold_store_open", c_char_p(at.path), master_key, None))


def key_id(at):
    return c_char_p(at.value(at.case.get("key_id", {"text": "pii"})))


def op_create_key(at):
    info = bytes_of("keyfold_store_create_key", at.store, key_id(at), options_text(at.case.get("options")))
    assert json.loads(info)["key_id"].encode() == key_id(at).value


def op_rotate_key(at):
    info = bytes_of("keyfold_store_rotate_key", at.store, key_id(at))
    assert json.loads(info)["version"] == 2


def op_key_info(at):
    bytes_of("keyfold_store_key_info", at.store, key_id(at))


def op_list_key_versions(at):
    bytes_of("keyfold_store_list_key_versions", at.store, key_id(at))


def op_encrypt(at):
    plaintext = at.value(at.case["plaintext"])
    context = at.context()
    if context is None:
        sealed = bytes_of("keyfold_store_encrypt", at.store, key_id(at), *data(plaintext), *at.aad())
        back = bytes_of("keyfold_store_decrypt", at.store, key_id(at), *data(sealed), *at.aad())
    else:
        sealed = bytes_of("keyfold_store_encrypt_with_context", at.store, key_id(at), *data(plaintext), context)
        back = bytes_of("keyfold_store_decrypt_with_context", at.store, key_id(at), *data(sealed), context)
    assert back == plaintext, "what was encrypted does not come back"


def op_encrypt_after_close(at):
    key = at.key()
    keyfold.keyfold_store_close(at.store)
    bytes_of("keyfold_key_encrypt", key, *data(at.value(at.case["plaintext"])), *data(b""))


def op_decrypt(at):
    ciphertext = at.value(at.case["ciphertext"])
    key = at.key()
    plain = bytes_of("keyfold_key_decrypt", key, *data(ciphertext), *at.aad())
    assert plain == b"ada", plain


def op_decrypt_text(at):
    key = at.key()
    bytes_of("keyfold_key_decrypt_text", key, *data(at.value(at.case["ciphertext"])), *at.aad())


def op_inspect(at):
    found = json.loads(bytes_of("keyfold_store_inspect", at.store, *data(at.value(at.case["ciphertext"]))))
    if "sealed" in at.case["ciphertext"]:
        assert [info["key_id"] for info in found] == ["pii"], found
    else:
        assert found == [], found


def op_reencrypt(at):
    bytes_of("keyfold_key_reencrypt", at.key(), *data(at.value(at.case["ciphertext"])), *at.aad())


def op_needs_reencrypt(at):
    stale = c_bool()
    call("keyfold_key_needs_reencrypt", at.key(), *data(at.value(at.case["ciphertext"])), byref(stale))


def op_blind_index(at):
    options = options_text(at.case.get("options"))
    value, field = at.value(at.case["value"]), at.value(at.case["field"])
    index = bytes_of("keyfold_key_blind_index", at.key(), *data(value), field, options)
    assert len(index) == 16, index


OPEN_OPTIONS = {"busy_timeout"}


def run(case, master_key):
    """What came out: "ok" or an error's code."""
    with tempfile.TemporaryDirectory(prefix="keyfold") as folder:
        at = Fixture(Path(folder), case, master_key)
        other = None
        try:
            kind = case.get("store", "valid")
            other = at.prepare(kind)
            if case["op"] != "open" and OPEN_OPTIONS & set(case.get("options", {})):
                # Options of the store, for an operation on it.
                at.store = at.open()
            globals()[f"op_{case['op']}"](at)
            return "ok", ""
        except Failed as failure:
            return failure.code, str(failure)
        finally:
            at.close()
            if other is not None:
                other.communicate()


def main():
    table = json.loads((ROOT / "tests/edge_inputs.json").read_text())
    assert len(base64.b64decode(table["master_key"])) == 32
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = 0
    for case in table["cases"]:
        if "c" not in case.get("doors", ["c"]) or wanted not in case["name"]:
            continue
        expected = case["expect"] if isinstance(case["expect"], list) else [case["expect"]]
        try:
            outcome, said = run(case, table["master_key"])
        except Exception as problem:  # A case that cannot be driven is a failure, not the end.
            outcome, said = type(problem).__name__, str(problem)
        if outcome in expected:
            passed += 1
        else:
            failed += 1
            print(f"{case['name']}: expected {' or '.join(expected)}, got {outcome} {said}")
    print(f"edge_inputs: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
