"""keyfold for asyncio: what may wait for the disk or for other processes is awaited, and runs in a thread.

    async with keyfold.aio.open("app.keyfold") as store:
        pii = await store.key("pii")
        sealed = pii.encrypt(b"ada")

Keys are those of `keyfold`: they encrypt and decrypt without waiting, and are called as they are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Mapping
from types import TracebackType
from typing import Any, Self

from . import _store
from ._calls import checked
from ._infos import CheckReport, CiphertextInfo, KeyInfo, VersionInfo
from ._native import Key
from ._store import _PAGE
from ._types import Buffer, Context, Duration, MasterKey

__all__ = ["Opening", "Store", "open"]


@checked
def open(
    path: str | os.PathLike[str],
    master_key: MasterKey | None = None,
    *,
    create: bool = False,
    refresh_interval: Duration = "1s",
    max_stale: Duration = "60s",
    busy_timeout: Duration = "5s",
    anchor: str | None = None,
    fingerprint: str | None = None,
    actor: str | None = None,
    allow_network_fs: bool = False,
) -> Opening:
    """As `keyfold.open`; to be awaited, or used in an `async with` statement.

    Raises as that does. A master key callable is called in another thread.
    """
    return Opening(
        path,
        master_key,
        create,
        refresh_interval,
        max_stale,
        busy_timeout,
        anchor,
        fingerprint,
        actor,
        allow_network_fs,
    )


class Opening:
    """A store that is about to be opened: await it, or enter it with `async with`."""

    __slots__ = ("_arguments", "_store")

    _store: Store

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __await__(self) -> Generator[Any, None, Store]:
        return self._open(stacklevel=3).__await__()

    async def __aenter__(self) -> Store:
        self._store = await self._open(stacklevel=4)
        return self._store

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._store.close()

    async def _open(self, stacklevel: int) -> Store:
        opening = asyncio.ensure_future(asyncio.to_thread(_store.Store._open, *self._arguments))
        try:
            store = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on; what it opens is wanted no more.
            opening.add_done_callback(_close_unwanted)
            raise
        store._warn(stacklevel)
        return Store(store)


def _close_unwanted(opening: asyncio.Future[_store.Store]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class Store:
    """An open key store whose calls are awaited; otherwise as `keyfold.Store`.

    `encrypt` and `decrypt` are no coroutines: they do not wait, but to load a key when it is first used.
    """

    __slots__ = ("_store",)

    def __init__(self, store: _store.Store) -> None:
        """Around a store that is open already; both are then closed together."""
        self._store = store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<keyfold.aio.Store of {self._store!r}>"

    async def key(self, key_id: str) -> Key:
        """As `keyfold.Store.key`."""
        return await asyncio.to_thread(self._store.key, key_id)

    @checked
    async def create_key(
        self,
        key_id: str,
        *,
        kind: str = "aead",
        algorithm: str | None = None,
        purpose: str | None = None,
        exportable: bool = False,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> KeyInfo:
        """As `keyfold.Store.create_key`."""
        return await asyncio.to_thread(
            self._store.create_key,
            key_id,
            kind=kind,
            algorithm=algorithm,
            purpose=purpose,
            exportable=exportable,
            description=description,
            labels=labels,
            exist_ok=exist_ok,
        )

    async def key_info(self, key_id: str) -> KeyInfo:
        """As `keyfold.Store.key_info`."""
        return await asyncio.to_thread(self._store.key_info, key_id)

    @checked
    async def list_keys(
        self,
        *,
        kind: str | None = None,
        purpose: str | None = None,
        algorithm: str | None = None,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[KeyInfo]:
        """As `keyfold.Store.list_keys`."""
        return await asyncio.to_thread(
            self._store.list_keys,
            kind=kind,
            purpose=purpose,
            algorithm=algorithm,
            labels=labels,
            search=search,
            after=after,
            limit=limit,
        )

    @checked
    async def iter_keys(
        self,
        *,
        kind: str | None = None,
        purpose: str | None = None,
        algorithm: str | None = None,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        after: str | None = None,
    ) -> AsyncIterator[KeyInfo]:
        """As `keyfold.Store.iter_keys`, for `async for`."""
        while True:
            page = await self.list_keys(
                kind=kind,
                purpose=purpose,
                algorithm=algorithm,
                labels=labels,
                search=search,
                after=after,
                limit=_PAGE,
            )
            for info in page:
                yield info
            if len(page) < _PAGE:
                return
            after = page[-1].key_id

    async def list_key_versions(self, key_id: str) -> list[VersionInfo]:
        """As `keyfold.Store.list_key_versions`."""
        return await asyncio.to_thread(self._store.list_key_versions, key_id)

    async def rotate_key(self, key_id: str) -> VersionInfo:
        """As `keyfold.Store.rotate_key`."""
        return await asyncio.to_thread(self._store.rotate_key, key_id)

    def encrypt(
        self, key_id: str, plaintext: Buffer, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes:
        """As `keyfold.Store.encrypt`."""
        return self._store.encrypt(key_id, plaintext, aad, context=context)

    def decrypt(
        self, key_id: str, ciphertext: Buffer | str, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes:
        """As `keyfold.Store.decrypt`."""
        return self._store.decrypt(key_id, ciphertext, aad, context=context)

    async def inspect(self, ciphertext: Buffer | str) -> list[CiphertextInfo]:
        """As `keyfold.Store.inspect`."""
        return await asyncio.to_thread(self._store.inspect, ciphertext)

    async def check(self) -> CheckReport:
        """As `keyfold.Store.check`."""
        return await asyncio.to_thread(self._store.check)

    async def anchor(self) -> str:
        """As `keyfold.Store.anchor`."""
        return await asyncio.to_thread(self._store.anchor)

    def fingerprint(self) -> str:
        """As `keyfold.Store.fingerprint`."""
        return self._store.fingerprint()

    async def close(self) -> None:
        """As `keyfold.Store.close`."""
        await asyncio.to_thread(self._store.close)
