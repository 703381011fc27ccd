"""Modes, denials, quarantine, keysets for others and without a prefix, batches beside rotations."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import keyfold
import keyfold.aio
import pytest
from conftest import MASTER_KEY


def _sql(path: Path, statement: str) -> list[Any]:
    """By another SQLite library, in a process of its own."""
    code = (
        "import json, sqlite3, sys; base = sqlite3.connect(sys.argv[1]);"
        "print(json.dumps(base.execute(sys.argv[2]).fetchall())); base.commit()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), statement], check=True, timeout=60, capture_output=True
    )
    rows: list[Any] = json.loads(done.stdout)
    return rows


def _denied(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(record) for (record,) in _sql(path, "SELECT record FROM audit ORDER BY sequence")]
    return [record for record in records if record["outcome"] == "denied"]


def test_denials_are_recorded(path: Path) -> None:
    with keyfold.open(path, MASTER_KEY, mode="use", actor="cashier") as store:
        for _ in range(50):
            with pytest.raises(keyfold.PermissionDenied):
                store.rotate_key("pii")
    records = _denied(path)
    assert sum(record["count"] for record in records) == 50
    first = records[0]
    assert (first["action"], first["key"], first["mode"]) == ("rotate_key", "pii", "use")
    assert (first["actor"], first["detail"]) == ("cashier", "mode")


def test_what_is_not_verified_says_so(path: Path, store: keyfold.Store) -> None:
    store.create_key("chat", purpose="pii")
    sealed = store.encrypt("pii", b"ada")

    def shown(opened: keyfold.Store) -> list[Any]:
        return [
            *opened.list_keys(),
            opened.key_info("pii"),
            *opened.list_key_versions("pii"),
            *opened.key_usage("pii"),
            *opened.purposes(),
            *opened.recipients(),
            *opened.index_salts("pii"),
            *opened.inspect(sealed),
        ]

    assert all(info.verified for info in [*shown(store), store.key("pii").info])
    with keyfold.open(path, mode="metadata") as metadata:
        assert not any(info.verified for info in shown(metadata))
        with pytest.raises(keyfold.PermissionDenied):
            metadata.recipient_public_key()


def test_a_key_is_set_aside_and_a_backup_brings_it_back(
    path: Path, store: keyfold.Store, tmp_path: Path
) -> None:
    sealed = store.encrypt("pii", b"ada")
    backup = store.backup(tmp_path / "backup")
    handle = store.key("pii")
    _sql(path, "UPDATE key SET description = 'x' WHERE key_id = 'pii'")
    assert not store.check().ok
    with pytest.raises(keyfold.IntegrityError):
        store.rotate_master_key()
    store.quarantine("key", "pii", "changed from outside")
    with pytest.raises(keyfold.AlreadyExists):
        store.quarantine("key", "pii", "again")
    report = store.check()
    assert (report.ok, report.quarantined) == (True, 1)
    assert [info.key_id for info in store.list_keys()] == ["other"]
    calls: list[Any] = [
        lambda: store.key("pii").encrypt(b"ada"),
        lambda: store.decrypt("pii", sealed),
        lambda: store.rotate_key("pii"),
        lambda: store.create_key("pii"),
        lambda: store.key_info("pii"),
    ]
    for call in calls:
        with pytest.raises(keyfold.KeyUnavailable, match="quarantined"):
            call()
    with pytest.raises(keyfold.KeyUnavailable):
        handle.decrypt_many([sealed])
    # The rest goes on, another opening knows of it, and it is recorded that it was asked for.
    store.rotate_master_key()
    with keyfold.open(path, MASTER_KEY) as again:
        assert [one.id for one in again.quarantined()] == ["pii"]
    assert any(record["detail"] == "quarantined" and record["key"] == "pii" for record in _denied(path))
    keyfold.restore(tmp_path / "backup", path, MASTER_KEY, anchor=backup.anchor)
    with keyfold.open(path, MASTER_KEY) as restored:
        assert restored.quarantined() == []
        assert restored.decrypt("pii", sealed) == b"ada"


def test_a_purpose_is_set_aside_with_its_keys(path: Path) -> None:
    async def main() -> None:
        async with keyfold.aio.open(path, MASTER_KEY) as store:
            await store.create_key("card", purpose="financial")
            _sql(path, "UPDATE purpose SET description = 'x' WHERE purpose = 'financial'")
            await store.quarantine("purpose", "financial", "damaged")
            (one,) = await store.quarantined()
            assert (one.kind, one.id) == ("purpose", "financial")
            with pytest.raises(keyfold.KeyUnavailable):
                await store.key("card")
            assert "card" not in [info.key_id for info in await store.list_keys()]

    asyncio.run(main())


def test_a_keyset_for_another_store(store: keyfold.Store, tmp_path: Path) -> None:
    store.create_key("out", exportable=True)
    sealed = store.encrypt("out", b"ada", b"aad")
    theirs = keyfold.generate_master_key()
    with keyfold.open(tmp_path / "theirs", theirs, create=True) as other:
        address = other.recipient_public_key()
        assert address == other.recipient_public_key("master-key-1")
        assert address.startswith("kfpk1.")
        keyset = store.export_keyset("out", recipient=address)
        assert keyset.data.startswith(b"kfkr1.")
        forms: list[bytes | str] = [keyset.data, keyset.data.decode()]
        for number, data in enumerate(forms):
            assert other.import_keyset(f"in-{number}", data, own_recipient=True).current_version == 1
            assert other.decrypt(f"in-{number}", sealed, b"aad") == b"ada"
        with pytest.raises(keyfold.NotFound):
            other.recipient_public_key("nobody")
        with pytest.raises(keyfold.InvalidArgument):
            other.recipient_public_key(7)  # type: ignore[arg-type]
    with pytest.raises(keyfold.DecryptionFailed):
        store.import_keyset("back", keyset.data, own_recipient=True)
    wrong: list[dict[str, Any]] = [
        {"recipient": address[:-1]},
        {"recipient": ""},
        {"recipient": 7},
        {"recipient": address, "insecure_cleartext": True},
        {"recipient": address, "passphrase": "x"},
    ]
    for options in wrong:
        with pytest.raises(keyfold.InvalidArgument):
            store.export_keyset("out", **options)
    for options in ({"own_recipient": 1}, {"own_recipient": True, "passphrase": "x"}, {"passphrase": "x"}):
        with pytest.raises(keyfold.InvalidArgument):
            store.import_keyset("back", keyset.data, **options)


def test_a_keyset_for_another_store_in_asyncio(path: Path) -> None:
    async def main() -> None:
        async with keyfold.aio.open(path, MASTER_KEY) as store:
            await store.create_key("out", exportable=True)
            keyset = await store.export_keyset("out", recipient=await store.recipient_public_key())
            assert (await store.import_keyset("in", keyset.data, own_recipient=True)).key_id == "in"

    asyncio.run(main())


def test_keys_without_a_prefix(store: keyfold.Store) -> None:
    for kind in ("aead", "deterministic", "mac"):
        store.create_key(kind, kind=kind, exportable=True)
        keyset = json.loads(store.export_keyset(kind, insecure_cleartext=True).data)
        keyset["key"][0]["outputPrefixType"] = "RAW"
        options: dict[str, Any] = {"insecure_cleartext": True}
        with pytest.raises(keyfold.InvalidArgument):
            store.import_keyset(f"raw-{kind}", json.dumps(keyset), **options)
        store.import_keyset(f"raw-{kind}", json.dumps(keyset), rotate=True, **options)
        own, raw = store.key(kind), store.key(f"raw-{kind}")
        if kind == "mac":
            code = own.mac(b"data")[5:]
            raw.verify_mac(b"data", code)
            with pytest.raises(keyfold.VerificationFailed):
                raw.verify_mac(b"other", code)
            with pytest.raises(keyfold.VerificationFailed):
                own.verify_mac(b"data", code)
            continue
        bare = own.encrypt(b"ada", b"aad")[5:]
        assert raw.decrypt(bare, b"aad") == b"ada"
        assert raw.decrypt_many([bare, None], b"aad") == [b"ada", None]
        assert raw.needs_reencrypt(bare)
        assert raw.reencrypt(bare, b"aad")[:1] == b"\x01"
        with pytest.raises(keyfold.DecryptionFailed):
            own.decrypt(bare, b"aad")
        if kind == "deterministic":
            assert bare in raw.search_ciphertexts(b"ada", b"aad")


def test_batches_of_a_thousand_and_streams_while_the_key_rotates(
    store: keyfold.Store, pii: keyfold.Key, tmp_path: Path
) -> None:
    store.create_key("files", kind="stream")
    files = store.key("files")
    plain = tmp_path / "plain"
    plain.write_bytes(os.urandom(3 << 20))
    failures: list[BaseException] = []
    values = [str(number).encode() for number in range(1_000)]
    stop = threading.Event()

    def work(number: int) -> None:
        try:
            for turn in range(3):
                assert pii.decrypt_many(pii.encrypt_many(values, b"x"), b"x") == values
                sealed, opened = tmp_path / f"s-{number}-{turn}", tmp_path / f"o-{number}-{turn}"
                files.encrypt_file(plain, sealed)
                files.decrypt_file(sealed, opened)
                assert opened.read_bytes() == plain.read_bytes()
        except BaseException as failure:
            failures.append(failure)

    def rotate() -> None:
        while not stop.is_set():
            store.rotate_key("pii")
            store.rotate_key("files")
            stop.wait(0.02)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    rotating = threading.Thread(target=rotate)
    for thread in [*threads, rotating]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    rotating.join()
    assert not failures
    assert store.check().ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_batches_and_streams_in_children(store: keyfold.Store, pii: keyfold.Key, tmp_path: Path) -> None:
    store.create_key("files", kind="stream")
    files = store.key("files")
    values = [str(number).encode() for number in range(1_000)]
    before = pii.encrypt_many(values)
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(2 << 20))
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            done = 1
            try:
                sealed = pii.encrypt_many(values)
                (tmp_path / f"nonces-{number}").write_bytes(b"".join(one[5:17] for one in sealed))
                files.encrypt_file(plain, tmp_path / f"s-{number}")
                files.decrypt_file(tmp_path / f"s-{number}", tmp_path / f"o-{number}")
                same = (tmp_path / f"o-{number}").read_bytes() == plain.read_bytes()
                done = 0 if same and pii.decrypt_many([*before, *sealed]) == values * 2 else 2
            finally:
                os._exit(done)
        children.append(child)
    own = pii.encrypt_many(values)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    nonces = [one[5:17] for one in [*before, *own]]
    for number in range(4):
        drawn = (tmp_path / f"nonces-{number}").read_bytes()
        nonces += [drawn[at : at + 12] for at in range(0, len(drawn), 12)]
    assert len(set(nonces)) == len(nonces) == 6_000
