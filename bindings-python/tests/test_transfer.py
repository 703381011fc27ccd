"""Keys and stores in and out: imports, exports, keysets, backups, quarantine."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keyfold
import pytest
from conftest import MASTER_KEY

MATERIAL = bytes(range(32))


def test_raw_keys(store: keyfold.Store) -> None:
    texts: dict[str, Any] = {
        "raw": MATERIAL,
        "hex": MATERIAL.hex(),
        "base64": base64.b64encode(MATERIAL).decode(),
    }
    for encoding, material in texts.items():
        info = store.import_key(encoding, material, encoding, exportable=True, labels={"a": "b"})
        assert (info.kind, info.exportable, info.labels) == ("aead", True, {"a": "b"})
        assert store.get_data_key(encoding) == MATERIAL
        assert store.get_encryption_key("raw", 32, encoding) == material
    other = os.urandom(32)
    assert store.import_key("raw", other, "raw", as_version=True).current_version == 2
    assert (store.get_data_key("raw"), store.get_data_key("raw", 1)) == (other, MATERIAL)
    with pytest.raises(keyfold.PermissionDenied):
        store.get_data_key("pii")
    with pytest.raises(keyfold.NotFound):
        store.get_data_key("raw", 9)
    with pytest.raises(keyfold.AlreadyExists):
        store.import_key("raw", other, "raw")
    calls: list[Any] = [
        lambda: store.import_key("x", MATERIAL, "base32"),
        lambda: store.import_key("x", MATERIAL[1:], "raw"),
        lambda: store.import_key("x", MATERIAL.hex()[1:], "hex"),
        lambda: store.import_key("x", b"", "raw"),
        lambda: store.import_key("x", None, "raw"),  # type: ignore[arg-type]
        lambda: store.import_key("x", MATERIAL),  # type: ignore[call-arg]
        lambda: store.import_key("x", "-----BEGIN KEY-----", "base64"),
        lambda: store.import_key("raw", MATERIAL, "raw", as_version=True, purpose="pii"),
        lambda: store.import_key("x", MATERIAL, "raw", expires_in=7),  # type: ignore[arg-type]
        lambda: store.get_encryption_key("raw", 16, "raw"),
        lambda: store.get_encryption_key("raw", 33, "raw"),
        lambda: store.get_encryption_key("raw", 32, None),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument):
            call()


def test_keysets(store: keyfold.Store) -> None:
    store.create_key("out", exportable=True, purpose="pii")
    sealed = store.encrypt("out", b"ada", b"aad")
    protections: list[dict[str, Any]] = [
        {"insecure_cleartext": True},
        {"passphrase": "correct horse"},
        {"under_key": "pii"},
    ]
    for number, protection in enumerate(protections):
        # Argon2id takes its time.
        for form in ("json",) if "passphrase" in protection else ("json", "binary"):
            keyset = store.export_keyset("out", format=form, **protection)
            assert any("purpose" in loss for loss in keyset.losses)
            assert "data" not in repr(keyset)
            key_id = f"in-{number}-{form}"
            assert store.import_keyset(key_id, keyset.data, **protection).current_version == 1
            assert store.decrypt(key_id, sealed, b"aad") == b"ada"
    clear = store.export_keyset("out", insecure_cleartext=True)
    assert json.loads(clear.data)["primaryKeyId"] == int.from_bytes(sealed[1:5])
    rotated = store.import_keyset("text", clear.data.decode(), insecure_cleartext=True, rotate=True)
    assert rotated.current_version == 2
    with pytest.raises(keyfold.PermissionDenied):
        store.export_keyset("pii", insecure_cleartext=True)
    hidden = store.export_keyset("out", passphrase=b"correct horse").data
    with pytest.raises(keyfold.DecryptionFailed):
        store.import_keyset("x", hidden, passphrase="battery staple")
    for options in (
        {},
        {"insecure_cleartext": 1},
        {"passphrase": "x", "under_key": "pii"},
        {"format": "xml"},
    ):
        with pytest.raises(keyfold.InvalidArgument):
            store.export_keyset("out", **options)
    for keyset_text in ("", "{}", b"\0", None):
        with pytest.raises(keyfold.InvalidArgument):
            store.import_keyset("x", keyset_text, insecure_cleartext=True)  # type: ignore[arg-type]


def test_tink_reads_what_is_exported(store: keyfold.Store) -> None:
    tink = pytest.importorskip("tink")
    aead = pytest.importorskip("tink.aead")
    secret_key_access = pytest.importorskip("tink.secret_key_access")

    aead.register()
    store.create_key("out", exportable=True, algorithm="AES256_GCM")
    keyset = store.export_keyset("out", insecure_cleartext=True).data
    handle = tink.json_proto_keyset_format.parse(keyset.decode(), secret_key_access.TOKEN)
    primitive = handle.primitive(aead.Aead)
    assert primitive.decrypt(store.encrypt("out", b"ada", b"aad"), b"aad") == b"ada"
    assert store.decrypt("out", primitive.encrypt(b"ada", b"aad"), b"aad") == b"ada"


def test_backup_and_restore(path: Path, store: keyfold.Store, tmp_path: Path) -> None:
    sealed = store.encrypt("pii", b"ada")
    backup = tmp_path / "backup"
    told: list[tuple[int, int]] = []
    info = store.backup(backup, progress=lambda done, pages: told.append((done, pages)))
    assert info.check.ok
    assert told[-1][0] == told[-1][1] > 0
    with pytest.raises(keyfold.AlreadyExists):
        store.backup(str(backup))
    store.create_key("later")
    restored = keyfold.restore(backup, path, MASTER_KEY, anchor=info.anchor, fingerprint=store.fingerprint())
    assert restored.replaced
    assert restored.fingerprint == store.fingerprint()
    assert store.decrypt("pii", sealed) == b"ada"
    with pytest.raises(keyfold.NotFound):
        store.key_info("later")
    fresh = keyfold.restore(backup, tmp_path / "fresh", [keyfold.generate_master_key(), MASTER_KEY])
    assert (fresh.replaced, fresh.rotated) == (False, ())
    with keyfold.open(tmp_path / "fresh", MASTER_KEY, anchor=fresh.anchor) as other:
        assert other.decrypt("pii", sealed) == b"ada"
    with pytest.raises(keyfold.WrongMasterKey):
        keyfold.restore(backup, tmp_path / "x", keyfold.generate_master_key())
    with pytest.raises(keyfold.NotFound):
        keyfold.restore(tmp_path / "nothing", tmp_path / "x", MASTER_KEY)
    calls: list[Any] = [
        lambda: keyfold.restore(backup),  # type: ignore[call-arg]
        lambda: keyfold.restore(None, path, MASTER_KEY),  # type: ignore[arg-type]
        lambda: keyfold.restore(backup, path, MASTER_KEY, force=1),  # type: ignore[arg-type]
        lambda: keyfold.restore(backup, path, MASTER_KEY, busy_timeout=5),  # type: ignore[arg-type]
        lambda: store.backup("a\0b"),
        lambda: store.backup(tmp_path / "x", progress=7),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument):
            call()


def test_what_progress_of_a_backup_raises(store: keyfold.Store, tmp_path: Path) -> None:
    def progress(_done: int, _pages: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.backup(tmp_path / "backup", progress=progress)
    keyfold.open(tmp_path / "backup", MASTER_KEY).close()


def test_quarantine(path: Path, store: keyfold.Store) -> None:
    assert store.quarantined() == []
    with pytest.raises(keyfold.InvalidArgument):
        store.quarantine("key", "pii", "no reason")
    code = (
        "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]);"
        "base.execute(\"UPDATE key SET description = 'x' WHERE key_id = 'pii'\"); base.commit()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    store.quarantine("key", "pii", "changed from outside")
    (one,) = store.quarantined()
    assert (one.kind, one.id, one.reason) == ("key", "pii", "changed from outside")
    assert store.check().quarantined == 1
    with pytest.raises(keyfold.KeyUnavailable):
        store.key_info("pii")
    with pytest.raises(keyfold.NotFound):
        store.quarantine("key", "nope", "why")
    for wrong in (("row", "pii", "why"), ("key", "pii", ""), (None, "pii", "why")):
        with pytest.raises(keyfold.InvalidArgument):
            store.quarantine(*wrong)
