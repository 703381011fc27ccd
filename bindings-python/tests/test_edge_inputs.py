"""The table of edge inputs that all languages share, `tests/edge_inputs.json` of the repository."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keyfold
import keyfold.aio
import pytest

TABLE = json.loads((Path(__file__).parents[2] / "tests" / "edge_inputs.json").read_text())
MASTER_KEY = TABLE["master_key"]
CASES = [case for case in TABLE["cases"] if "python" in case.get("doors", ["python"])]
# What both Key and Store can do.
BOTH_WAYS = [case for case in CASES if case["op"] in ("encrypt", "decrypt", "encrypt_after_close")]

MAKE_TABLE = "base.execute('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)'); base.commit()"
RAISE_VERSION = "base.execute('PRAGMA user_version = 9999'); base.commit()"
LOCK = "base.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"


def sqlite_process(path: Path, code: str) -> subprocess.Popen[str]:
    """Runs on a connection in another process: in this one it would drop keyfold's locks."""
    head = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None);"
    command = [sys.executable, "-c", head + code, str(path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def store_for(kind: str, path: Path) -> Iterator[Path]:
    """The path that a case opens."""
    folder = path.parent
    match kind:
        case "valid":
            yield path
        case "missing":
            yield folder / "missing.keyfold"
        case "missing_folder":
            yield folder / "missing" / "app.keyfold"
        case "directory":
            yield folder
        case "empty_file":
            (folder / "empty").touch()
            yield folder / "empty"
        case "foreign_text":
            (folder / "text").write_text("Dear diary,\n" * 1000)
            yield folder / "text"
        case "truncated":
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            yield path
        case "foreign_sqlite" | "newer":
            target, code = (
                (folder / "foreign", MAKE_TABLE) if kind == "foreign_sqlite" else (path, RAISE_VERSION)
            )
            with sqlite_process(target, code) as process:
                process.communicate(timeout=60)
                assert process.returncode == 0
            yield target
        case "locked":
            with sqlite_process(path, LOCK) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "locked\n"
                yield path
                process.communicate(timeout=60)
        case other:
            raise AssertionError(f"unknown store {other}")


def value_of(spec: Any, sealed: Any = None) -> Any:
    """A value as Python gives it; `text` is bytes where the case says bytes, so callers encode it."""
    match spec:
        case {"text": text} | {"text_object": text}:
            return text
        case {"hex": digits}:
            return bytes.fromhex(digits)
        case {"repeat": [byte, count]}:
            return bytes.fromhex(byte) * count
        case {"null": _}:
            return None
        case {"number": number}:
            return number
        case {"boolean": boolean}:
            return boolean
        case {"sealed": what, "change": change}:
            return changed(sealed(what), change)
        case other:
            raise AssertionError(f"unknown value {other}")


def bytes_of(spec: Any) -> Any:
    """A value for a place that takes bytes."""
    return spec["text"].encode() if "text" in spec else value_of(spec)


def text_of(spec: Any) -> Any:
    """A value for a place that takes text."""
    value = value_of(spec)
    return value.decode() if isinstance(value, bytes) else value


def changed(sealed: bytes, change: str) -> bytes | str:
    def flip(place: int) -> bytes:
        copy = bytearray(sealed)
        copy[place] ^= 1
        return bytes(copy)

    text = keyfold.to_text(sealed)
    body = 5 + 12
    changes: dict[str, bytes | str] = {
        "none": sealed,
        "other_key": sealed,
        "flip_first": flip(0),
        "flip_tag": flip(4),
        "flip_nonce": flip(5),
        "flip_body": flip(min(body, len(sealed) - 1)),
        "flip_last": flip(-1),
        "cut_last": sealed[:-1],
        "cut_to_4": sealed[:4],
        "empty": b"",
        "extend": sealed + b"\0",
        "as_text": text,
        "text_padded": text + "=",
        "text_newline": text + "\n",
    }
    return changes[change]


def options_of(case: dict[str, Any]) -> dict[str, Any]:
    return dict(case.get("options", {}))


def binding_of(case: dict[str, Any]) -> dict[str, Any]:
    binding: dict[str, Any] = {}
    if "aad" in case:
        binding["aad"] = bytes_of(case["aad"])
    if "context" in case:
        binding["context"] = {name: value_of(value) for name, value in case["context"].items()}
    if "context_fields" in case:
        binding["context"] = {f"field{number}": "x" for number in range(case["context_fields"])}
    return binding


def run(case: dict[str, Any], path: Path, through_key: bool) -> None:
    master_key = value_of(case["master_key"]) if "master_key" in case else MASTER_KEY
    op = case["op"]
    open_options = options_of(case) if op == "open" or "store" in case else {}
    with keyfold.open(path, master_key, **open_options) as store:
        if op == "open":
            store.check()
        else:
            run_on(case, store, through_key)


def run_on(case: dict[str, Any], store: keyfold.Store, through_key: bool) -> None:
    op = case["op"]
    key_id = text_of(case["key_id"]) if "key_id" in case else "pii"
    other = case.get("ciphertext", {}).get("change") == "other_key"
    opener_id = "other" if other else key_id

    def sealed(what: dict[str, Any]) -> bytes:
        aad = bytes_of(what["aad"]) if "aad" in what else b""
        return store.encrypt("pii", bytes_of(what["plaintext"]), aad)

    match op:
        case "create_key":
            store.create_key(key_id, **options_of(case))
        case "key_info":
            store.key_info(key_id)
        case "rotate_key":
            store.rotate_key(key_id)
        case "list_key_versions":
            store.list_key_versions(key_id)
        case "encrypt" | "encrypt_after_close":
            key = store.key(key_id) if through_key else None
            if op == "encrypt_after_close":
                store.close()
            plaintext, binding = bytes_of(case["plaintext"]), binding_of(case)
            if key is not None:
                key.encrypt(plaintext, **binding)
            else:
                store.encrypt(key_id, plaintext, **binding)
        case "decrypt":
            ciphertext, binding = value_of(case["ciphertext"], sealed), binding_of(case)
            if through_key:
                opened = store.key(opener_id).decrypt(ciphertext, **binding)
            else:
                opened = store.decrypt(opener_id, ciphertext, **binding)
            assert opened == bytes_of(case["ciphertext"]["sealed"]["plaintext"])
        case "decrypt_text":
            store.key(opener_id).decrypt_text(value_of(case["ciphertext"], sealed))
        case "inspect":
            store.inspect(value_of(case["ciphertext"], sealed))
        case "reencrypt":
            store.key(opener_id).reencrypt(value_of(case["ciphertext"], sealed))
        case "needs_reencrypt":
            store.key(opener_id).needs_reencrypt(value_of(case["ciphertext"], sealed))
        case "blind_index":
            key = store.key(key_id)
            assert key.blind_index(value_of(case["value"]), value_of(case["field"]), **options_of(case))
        case unknown:
            raise AssertionError(f"unknown operation {unknown}")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_edge_input(case: dict[str, Any], path: Path) -> None:
    drive(case, path, through_key=True)


@pytest.mark.parametrize("case", BOTH_WAYS, ids=[case["name"] for case in BOTH_WAYS])
def test_edge_input_through_the_store(case: dict[str, Any], path: Path) -> None:
    drive(case, path, through_key=False)


def drive(case: dict[str, Any], path: Path, through_key: bool) -> None:
    expected = case["expect"] if isinstance(case["expect"], list) else [case["expect"]]
    with store_for(case.get("store", "valid"), path) as target:
        try:
            run(case, target, through_key)
        except keyfold.KeyfoldError as error:
            assert error.code.removeprefix("KEYFOLD_") in expected, error
        else:
            assert "ok" in expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["op"] == "open"], ids=lambda case: case["name"]
)
def test_opening_from_asyncio(case: dict[str, Any], path: Path) -> None:
    async def main(target: Path) -> None:
        master_key = value_of(case["master_key"]) if "master_key" in case else MASTER_KEY
        async with keyfold.aio.open(target, master_key, **options_of(case)) as store:
            await store.check()

    with store_for(case["store"], path) as target:
        try:
            asyncio.run(main(target))
        except keyfold.KeyfoldError as error:
            assert error.code == "KEYFOLD_" + case["expect"]
        else:
            assert case["expect"] == "ok"


def test_the_fixtures_are_those_of_the_table() -> None:
    assert base64.b64decode(MASTER_KEY) == hashlib.sha256(b"a key for the tests of keyfold").digest()
    assert len(CASES) > 90
