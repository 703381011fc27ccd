"""Stores of every released format, and all that they made. tests/fixtures/make.py wrote them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyfold
import pytest

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "tests/fixtures").glob("*/made.json"))


def where(one: dict[str, Any]) -> dict[str, Any]:
    """The associated data of a ciphertext."""
    if "context" not in one:
        return {"aad": bytes.fromhex(one["aad"])}
    value: dict[str, Callable[[Any], Any]] = {"text": str, "integer": int, "bytes": bytes.fromhex}
    return {
        "context": {
            field["name"]: value[form](field[form])
            for field in one["context"]
            for form in value
            if form in field
        }
    }


# Its master key is published, which keyfold says.
@pytest.mark.filterwarnings("ignore::keyfold.KeyfoldWarning")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_everything_opens(folder: Path, tmp_path: Path) -> None:
    made = json.loads((folder / "made.json").read_text())
    path = shutil.copy(folder / "store.keyfold", tmp_path)
    with keyfold.open(path, made["master_key"], anchor=made["anchor"]) as store:
        for one in made["ciphertexts"]:
            sealed, plaintext = bytes.fromhex(one["ciphertext"]), bytes.fromhex(one["plaintext"])
            assert store.decrypt(one["key"], sealed, **where(one)) == plaintext
            assert store.decrypt(one["key"], keyfold.to_text(sealed), **where(one)) == plaintext
        for one in made["refused"]:
            with pytest.raises(getattr(keyfold, one["error"])):
                store.decrypt(one["key"], bytes.fromhex(one["ciphertext"]))
        for one in made["streams"]:
            out = io.BytesIO()
            stream = io.BytesIO(bytes.fromhex(one["stream"]))
            store.key(one["key"]).decrypt_stream(stream, out, bytes.fromhex(one["aad"]))
            assert out.getvalue().hex() == one["plaintext"]
        for one in made["codes"]:
            key, data = store.key(one["key"]), bytes.fromhex(one["data"])
            key.verify_mac(data, bytes.fromhex(one["code"]))
            key.verify_mac(data, bytes.fromhex(one["raw"]), raw=True)
        for one in made["derived"]:
            derived = store.derive_key(one["key"], one["purpose"], one["length"], version=one["version"])
            assert derived.hex() == one["bytes"]
        for one in made["indexes"]:
            indexes = store.key(one["key"]).blind_indexes(one["value"], one["field"], **one["options"])
            assert [index.hex() for index in indexes] == one["indexes"]
        for one in made["keys"]:
            assert store.key_info(one["key"]).current_version == one["current"]
            states = [version.state for version in reversed(store.list_key_versions(one["key"]))]
            assert states == one["states"]
        assert store.check().ok
        store.rotate_key("pii")
        assert store.decrypt("pii", store.encrypt("pii", b"new")) == b"new"


def test_there_is_one_of_each_format() -> None:
    assert [folder.name for folder in FOLDERS] == ["format-1"]
