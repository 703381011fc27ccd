#!/usr/bin/env python3
"""Drives the cases of tests/edge_inputs.json through the binary: python3 cli/tests/edge_inputs.py [path of keyfold]"""

import base64
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = json.loads((ROOT / "tests" / "edge_inputs.json").read_text("utf-8"))
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
BINARY = str(Path(sys.argv[1] if len(sys.argv) > 1 else RELEASE / "keyfold").resolve())
# The core's kinds in the order of their numbers; the exit status is 16 more.
CODES = """INVALID_ARGUMENT NOT_FOUND ALREADY_EXISTS IN_USE KEY_UNAVAILABLE DECRYPTION_FAILED VERIFICATION_FAILED
WRONG_MASTER_KEY INTEGRITY_ERROR PERMISSION_DENIED RATE_LIMITED LIMIT_EXCEEDED UNSUPPORTED PROVIDER_UNAVAILABLE
PROVIDER_DENIED BUSY STORAGE_FULL STORAGE CLOSED INTERNAL""".split()
STATUS = {"ok": 0} | {code: 17 + place for place, code in enumerate(CODES)}


class Failure(Exception):
    pass


def keyfold(folder, *arguments, stdin=b"", store="S", master_key=TABLE["master_key"]):
    environment = {"PATH": os.environ["PATH"], "KEYFOLD_STORE": str(store), "KEYFOLD_MASTER_KEY": master_key}
    command = [BINARY, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=folder, env=environment, timeout=120)


def done(result):
    if result.returncode != 0:
        raise Failure(f"{result.args[1:]} ended with {result.returncode}: {result.stderr.decode()}")
    return result.stdout


def value(folder, wanted):
    """The bytes that a value of the table stands for."""
    if "text" in wanted:
        return wanted["text"].encode()
    if "hex" in wanted:
        return bytes.fromhex(wanted["hex"])
    if "repeat" in wanted:
        byte, count = wanted["repeat"]
        return bytes.fromhex(byte) * count
    if "sealed" in wanted:
        return changed(folder, wanted["sealed"], wanted["change"])
    raise Failure(f"no bytes can stand for {wanted}")


def changed(folder, sealed, change):
    key = "other" if change == "other_key" else "pii"
    plaintext = value(folder, sealed["plaintext"])
    flags = aad_flags(folder, sealed)
    if change in ("as_text", "text_padded", "text_newline"):
        text = done(keyfold(folder, "encrypt", key, "--text", *flags, stdin=plaintext)).removesuffix(b"\n")
        return text + {"as_text": b"", "text_padded": b"=", "text_newline": b"\n"}[change]
    data = bytearray(done(keyfold(folder, "encrypt", key, *flags, stdin=plaintext)))
    places = {"flip_first": 0, "flip_tag": 1, "flip_nonce": 5, "flip_body": 17, "flip_last": -1}
    if change in places:
        data[places[change]] ^= 1
    shapes = {"cut_last": data[:-1], "cut_to_4": data[:4], "empty": b"", "extend": data + b"\0"}
    if change not in places and change not in shapes and change not in ("none", "other_key"):
        raise Failure(f"unknown change {change}")
    return bytes(shapes.get(change, data))


def aad_flags(folder, case):
    flags = []
    if "aad" in case:
        file = Path(folder, "aad")
        file.write_bytes(value(folder, case["aad"]))
        flags += ["--aad-file", str(file)]
    for name, field in case.get("context", {}).items():
        flags += ["--context", f"{name}={value(folder, field).decode()}"]
    for number in range(case.get("context_fields", 0)):
        flags += ["--context", f"f{number}={number}"]
    return flags


def option_flags(options):
    flags = []
    for name, setting in options.items():
        if name == "create":
            continue
        flag = "--" + name.replace("_", "-")
        for each in setting if isinstance(setting, list) else [setting]:
            flags += [flag] if each is True else [flag, str(each)]
    return flags


@contextlib.contextmanager
def store(folder, kind):
    """The path of a store in the state that the case wants."""
    valid = Path(folder, "S")
    path = Path(folder, kind)
    if kind in ("valid", "locked"):
        path = valid
    elif kind == "missing_folder":
        path = Path(folder, "missing", "S")
    elif kind == "directory":
        path.mkdir()
    elif kind == "empty_file":
        path.touch()
    elif kind == "foreign_text":
        path.write_text("this is no store\n" * 100)
    elif kind == "foreign_sqlite":
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1);")
    elif kind == "truncated":
        path.write_bytes(valid.read_bytes()[: valid.stat().st_size // 2])
    elif kind == "newer":
        shutil.copy(valid, path)
        with contextlib.closing(sqlite3.connect(path)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute(f"PRAGMA user_version = {version + 1000}")
    elif kind != "missing":
        raise Failure(f"unknown store {kind}")
    if kind != "locked":
        yield path
        return
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield path
        database.execute("ROLLBACK")


def key_id(folder, case):
    return value(folder, case.get("key_id", {"text": "pii"})).decode()


def run(folder, case):
    operation = case["op"]
    options = case.get("options", {})
    flags = option_flags(options)
    settings = {}
    if "master_key" in case:
        text = value(folder, case["master_key"]).decode()
        # References are for the command line; the key itself never is, so it comes by the environment.
        if text.startswith(("env:", "file:", "fd:")):
            flags += ["--master-key", text]
        else:
            settings["master_key"] = text
    before = {name: value(folder, case[name]) for name in ("plaintext", "ciphertext", "value") if name in case}
    stdin = next(iter(before.values()), b"")
    if operation == "open":
        command, rest = ["init", "--exist-ok"] if options.get("create") else ["fingerprint"], []
    elif operation == "inspect":
        command, rest = ["inspect"], []
    elif operation in ("encrypt", "decrypt", "reencrypt"):
        command, rest = [operation, *aad_flags(folder, case)], ["--", key_id(folder, case)]
    elif operation == "blind_index":
        command, rest = ["index"], ["--", key_id(folder, case), value(folder, case["field"]).decode()]
    elif operation in ("create_key", "rotate_key", "key_info", "list_key_versions"):
        verb = {"create_key": "create", "rotate_key": "rotate"}.get(operation, "show")
        command, rest = ["key", verb], ["--", key_id(folder, case)]
    else:
        raise Failure(f"the command line has no {operation}")
    with store(folder, case.get("store", "valid")) as path:
        return keyfold(folder, *command, *flags, "--json", *rest, stdin=stdin, store=path, **settings)


def judge(case, result, folder):
    expected = case["expect"] if isinstance(case["expect"], list) else [case["expect"]]
    said = result.stderr.decode()
    if result.returncode not in [STATUS[code] for code in expected]:
        raise Failure(f"expected {expected}, ended with {result.returncode}: {said}")
    if result.returncode == 0:
        json.loads(result.stdout)
    else:
        error = json.loads(said.splitlines()[-1])
        if error["code"] != "KEYFOLD_" + CODES[result.returncode - 17]:
            raise Failure(f"the exit status is {result.returncode}, the code {error['code']}")
        if result.stdout:
            raise Failure("something was printed in spite of the error")
    secrets = [TABLE["master_key"], base64.b64decode(TABLE["master_key"]).hex()]
    if "text" in case.get("master_key", {}) and len(case["master_key"]["text"]) > 20:
        if not case["master_key"]["text"].startswith(("env:", "file:", "fd:")):
            secrets.append(case["master_key"]["text"].strip())
    if any(secret in said or secret in result.stdout.decode() for secret in secrets):
        raise Failure("the master key was printed")
    if case["op"] == "encrypt" and result.returncode == 0 and "aad" not in case and len(result.stdout) < 1 << 20:
        sealed = json.loads(result.stdout)["ciphertext"].encode()
        opened = done(keyfold(folder, "decrypt", key_id(folder, case), *aad_flags(folder, case), stdin=sealed))
        if opened != value(folder, case["plaintext"]):
            raise Failure("what was encrypted came back changed")


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory() as model:
        done(keyfold(model, "init"))
        done(keyfold(model, "key", "create", "pii"))
        done(keyfold(model, "key", "create", "other"))
        for case in TABLE["cases"]:
            if "cli" not in case.get("doors", ["cli"]):
                continue
            with tempfile.TemporaryDirectory() as folder:
                shutil.copytree(model, folder, dirs_exist_ok=True)
                try:
                    judge(case, run(folder, case), folder)
                    passed += 1
                except Exception as error:  # whatever it is, the other cases still run
                    failed += 1
                    print(f"FAILED {case['name']}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
