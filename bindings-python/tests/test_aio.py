"""The asyncio twin."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import inspect
import threading
from pathlib import Path
from typing import Any

import keyfold
import keyfold.aio
import pytest
from conftest import MASTER_KEY


def test_everything_once(path: Path) -> None:
    async def main() -> None:
        async with keyfold.aio.open(path, MASTER_KEY) as store:
            info = await store.create_key("new", purpose="pii", labels={"a": "b"})
            assert info == await store.key_info("new")
            new = await store.key("new")
            sealed = new.encrypt(b"ada")
            assert (await store.rotate_key("new")).version == 2
            assert store.decrypt("new", sealed) == b"ada"
            assert new.decrypt(store.encrypt("new", b"ada", context={"id": 1}), context={"id": 1}) == b"ada"
            assert [found.version for found in await store.inspect(sealed)] == [1]
            assert [one.version for one in await store.list_key_versions("new")] == [2, 1]
            assert [one.key_id for one in await store.list_keys(limit=2)] == ["new", "other"]
            assert [one.key_id async for one in store.iter_keys(after="new")] == ["other", "pii"]
            assert (await store.check()).ok
            anchor, fingerprint = await store.anchor(), store.fingerprint()
            with pytest.raises(keyfold.NotFound):
                await store.key("nope")
            with pytest.raises(keyfold.InvalidArgument):
                await store.create_key("x", algo="y")  # type: ignore[call-arg]
        with pytest.raises(keyfold.Closed):
            await store.anchor()
        opened = await keyfold.aio.open(path, MASTER_KEY, anchor=anchor, fingerprint=fingerprint)
        assert "aio.Store" in repr(opened)
        async with opened:
            pass

    asyncio.run(main())


def test_the_rest_once(path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with keyfold.aio.open(path, MASTER_KEY) as store:
            assert store.is_verified()
            assert len(await store.create_keys(["a", ("b", {"kind": "derive", "purpose": "api"})])) == 2
            assert (await store.rotate_key("a", stage=True)).state == "staged"
            assert (await store.promote_version("a", 2)).is_current
            assert (await store.set_version_state("a", 1, "disabled", reason="x")).state_reason == "x"
            assert (await store.schedule_destruction("a", 1, delay="1d")).destroy_at
            assert (await store.cancel_destruction("a", 1)).state == "disabled"
            assert (await store.key_usage("a"))[0].version == 2
            assert (await store.run_due()).destroyed == ()
            assert await store.purge() is await store.purge_pending() is False
            assert (await store.archive_key("a")).archived
            assert (await store.register_purpose("chat")) in await store.purposes()
            await store.create_key("chat-1", purpose="chat", expires_in="1d", on_limit="refuse")
            assert (await store.key_for("chat")).id == "chat-1"
            assert (await store.rotate_index_salt("chat")).version == 2
            assert len(await store.get_index_salt("chat", version=1)) == 32
            await store.retire_index_salt("chat", version=1)
            assert len(await store.index_salts("chat")) == 1
            assert len(await store.derive_key("b", "x", 16, version=1)) == 16
            new = keyfold.generate_master_key()
            info = await store.add_recipient(new, "new", description="x")
            assert info in await store.recipients()
            assert await store.test_recipient(new) == info
            assert (await store.drill(new)).check.ok
            assert (await store.remove_recipient("new")).kek_version == 2
            assert (await store.rotate_master_key()).kek_version == 3
            await store.import_key("raw", bytes(range(32)), "raw", exportable=True)
            assert await store.get_data_key("raw") == bytes(range(32))
            assert await store.get_encryption_key("raw", 32, "hex") == bytes(range(32)).hex()
            keyset = await store.export_keyset("raw", insecure_cleartext=True)
            await store.import_keyset("again", keyset.data, insecure_cleartext=True)
            with pytest.raises(keyfold.InvalidArgument):
                await store.quarantine("key", "pii", "x")
            assert await store.quarantined() == []
            backup = await store.backup(tmp_path / "backup")
        done = await keyfold.aio.restore(tmp_path / "backup", path, MASTER_KEY, anchor=backup.anchor)
        assert done.replaced

    asyncio.run(main())


def test_refusals(path: Path) -> None:
    async def main() -> None:
        with pytest.raises(keyfold.WrongMasterKey):
            await keyfold.aio.open(path, keyfold.generate_master_key())
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.aio.open(path, MASTER_KEY, creat=True)  # type: ignore[call-arg]
        with pytest.raises(keyfold.InvalidArgument):
            await keyfold.aio.open(path, MASTER_KEY, create=1)  # type: ignore[arg-type]

    asyncio.run(main())


def test_warnings_name_the_caller(path: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "master.key"
    key_file.write_text(MASTER_KEY)
    key_file.chmod(0o644)

    async def awaited() -> None:
        store = await keyfold.aio.open(path, f"file:{key_file}")
        await store.close()

    async def entered() -> None:
        async with keyfold.aio.open(path, f"file:{key_file}"):
            pass

    for main in (awaited, entered):
        with pytest.warns(keyfold.KeyfoldWarning) as caught:
            asyncio.run(main())
        assert caught[0].filename == __file__


def test_the_loop_goes_on_meanwhile(path: Path) -> None:
    release = threading.Event()

    def ask() -> bytes:
        assert release.wait(30)
        return hashlib.sha256(b"a key for the tests of keyfold").digest()

    async def main() -> None:
        opening = asyncio.ensure_future(keyfold.aio.open(path, ask)._open(2))
        await asyncio.sleep(0.05)
        assert not opening.done()
        release.set()
        await (await opening).close()

    asyncio.run(main())


def test_a_cancelled_opening_leaves_nothing_open(path: Path) -> None:
    release = threading.Event()

    def ask() -> bytes:
        assert release.wait(30)
        return hashlib.sha256(b"a key for the tests of keyfold").digest()

    async def main() -> None:
        async def enter() -> None:
            async with keyfold.aio.open(path, ask):
                pass

        opening = asyncio.create_task(enter())
        await asyncio.sleep(0.05)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        release.set()
        await asyncio.sleep(0.2)

    asyncio.run(main())
    gc.collect()


def test_both_stores_have_the_same_calls() -> None:
    def calls(cls: type) -> dict[str, list[Any]]:
        names = [name for name in dir(cls) if not name.startswith("_")]
        return {
            name: [
                (p.name, p.kind, p.default) for p in inspect.signature(getattr(cls, name)).parameters.values()
            ]
            for name in names
        }

    assert calls(keyfold.Store) == calls(keyfold.aio.Store)
    plain, aio = inspect.signature(keyfold.open), inspect.signature(keyfold.aio.open)
    assert plain.parameters == aio.parameters
    for name in ("encrypt_stream", "decrypt_stream", "encrypt_file", "decrypt_file"):
        # Key and self are called differently, and the native signature is not annotated.
        ours = list(inspect.signature(getattr(keyfold.Key, name)).parameters.values())[1:]
        twin = list(inspect.signature(getattr(keyfold.aio, name)).parameters.values())[1:]
        assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in twin]
    assert inspect.signature(keyfold.restore) == inspect.signature(keyfold.aio.restore)
