"""keyfold for asyncio: what may wait for the disk or for other processes is awaited, and runs in a thread.

    async with keyfold.aio.open("app.keyfold") as store:
        pii = await store.key("pii")
        sealed = pii.encrypt(b"ada")

Keys are those of `keyfold`: they encrypt and decrypt without waiting, and are called as they are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from . import _store
from ._calls import checked
from ._infos import (
    BackupInfo,
    CheckReport,
    CiphertextInfo,
    DrillReport,
    IndexSaltInfo,
    KeyInfo,
    Keyset,
    MasterKeyRotation,
    PurposeInfo,
    Quarantined,
    RecipientInfo,
    RestoreInfo,
    RunDueReport,
    VersionInfo,
    VersionUsage,
)
from ._native import Key
from ._store import _PAGE
from ._types import Buffer, Clock, Context, Duration, MasterKey, NewKey, Progress, Reader, Writer

__all__ = [
    "Opening",
    "Store",
    "decrypt_file",
    "decrypt_stream",
    "encrypt_file",
    "encrypt_stream",
    "open",
    "restore",
]


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
    mode: str = "admin",
    immutable: bool = False,
    production: bool = False,
    insecure_dev: bool = False,
    require_mlock: bool = False,
    clock: Clock | None = None,
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
        mode,
        immutable,
        production,
        insecure_dev,
        require_mlock,
        clock,
    )


@checked
async def restore(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    master_key: MasterKey | None = None,
    *,
    replace_other_store: bool = False,
    force: bool = False,
    anchor: str | None = None,
    fingerprint: str | None = None,
    actor: str | None = None,
    busy_timeout: Duration = "5s",
    allow_network_fs: bool = False,
    clock: Clock | None = None,
) -> RestoreInfo:
    """As `keyfold.restore`."""
    return await asyncio.to_thread(
        _store.restore,
        source,
        path,
        master_key,
        replace_other_store=replace_other_store,
        force=force,
        anchor=anchor,
        fingerprint=fingerprint,
        actor=actor,
        busy_timeout=busy_timeout,
        allow_network_fs=allow_network_fs,
        clock=clock,
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
        kind: str | None = None,
        algorithm: str | None = None,
        purpose: str | None = None,
        exportable: bool = False,
        expires_in: Duration | None = None,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_limit: str = "rotate",
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
            expires_in=expires_in,
            description=description,
            labels=labels,
            on_limit=on_limit,
            exist_ok=exist_ok,
        )

    async def create_keys(self, keys: Iterable[NewKey]) -> list[KeyInfo]:
        """As `keyfold.Store.create_keys`."""
        return await asyncio.to_thread(self._store.create_keys, keys)

    async def key_info(self, key_id: str) -> KeyInfo:
        """As `keyfold.Store.key_info`."""
        return await asyncio.to_thread(self._store.key_info, key_id)

    @checked
    async def list_keys(
        self,
        *,
        kind: str | None = None,
        purpose: str | None = None,
        state: str | None = None,
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
            state=state,
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
        state: str | None = None,
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
                state=state,
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

    async def key_usage(self, key_id: str) -> list[VersionUsage]:
        """As `keyfold.Store.key_usage`."""
        return await asyncio.to_thread(self._store.key_usage, key_id)

    @checked
    async def rotate_key(
        self, key_id: str, *, stage: bool = False, algorithm: str | None = None
    ) -> VersionInfo:
        """As `keyfold.Store.rotate_key`."""
        return await asyncio.to_thread(self._store.rotate_key, key_id, stage=stage, algorithm=algorithm)

    async def promote_version(self, key_id: str, version: int) -> VersionInfo:
        """As `keyfold.Store.promote_version`."""
        return await asyncio.to_thread(self._store.promote_version, key_id, version)

    @checked
    async def set_version_state(
        self, key_id: str, version: int, state: str, *, reason: str | None = None
    ) -> VersionInfo:
        """As `keyfold.Store.set_version_state`."""
        return await asyncio.to_thread(self._store.set_version_state, key_id, version, state, reason=reason)

    async def archive_key(self, key_id: str) -> KeyInfo:
        """As `keyfold.Store.archive_key`."""
        return await asyncio.to_thread(self._store.archive_key, key_id)

    @checked
    async def schedule_destruction(
        self, key_id: str, version: int, *, delay: Duration = "30d"
    ) -> VersionInfo:
        """As `keyfold.Store.schedule_destruction`."""
        return await asyncio.to_thread(self._store.schedule_destruction, key_id, version, delay=delay)

    async def cancel_destruction(self, key_id: str, version: int) -> VersionInfo:
        """As `keyfold.Store.cancel_destruction`."""
        return await asyncio.to_thread(self._store.cancel_destruction, key_id, version)

    async def run_due(self) -> RunDueReport:
        """As `keyfold.Store.run_due`."""
        return await asyncio.to_thread(self._store.run_due)

    async def purge(self) -> bool:
        """As `keyfold.Store.purge`."""
        return await asyncio.to_thread(self._store.purge)

    async def purge_pending(self) -> bool:
        """As `keyfold.Store.purge_pending`."""
        return await asyncio.to_thread(self._store.purge_pending)

    @checked
    async def register_purpose(
        self,
        purpose: str,
        *,
        description: str | None = None,
        rotation_period: Duration | None = None,
        update: bool = False,
    ) -> PurposeInfo:
        """As `keyfold.Store.register_purpose`."""
        return await asyncio.to_thread(
            self._store.register_purpose,
            purpose,
            description=description,
            rotation_period=rotation_period,
            update=update,
        )

    async def purposes(self) -> list[PurposeInfo]:
        """As `keyfold.Store.purposes`."""
        return await asyncio.to_thread(self._store.purposes)

    async def key_for(self, purpose: str) -> Key:
        """As `keyfold.Store.key_for`."""
        return await asyncio.to_thread(self._store.key_for, purpose)

    @checked
    async def index_salts(
        self, purpose: str | None = None, *, key_id: str | None = None
    ) -> list[IndexSaltInfo]:
        """As `keyfold.Store.index_salts`."""
        return await asyncio.to_thread(self._store.index_salts, purpose, key_id=key_id)

    @checked
    async def rotate_index_salt(
        self, purpose: str | None = None, *, key_id: str | None = None
    ) -> IndexSaltInfo:
        """As `keyfold.Store.rotate_index_salt`."""
        return await asyncio.to_thread(self._store.rotate_index_salt, purpose, key_id=key_id)

    @checked
    async def retire_index_salt(
        self, purpose: str | None = None, *, key_id: str | None = None, version: int
    ) -> None:
        """As `keyfold.Store.retire_index_salt`."""
        await asyncio.to_thread(self._store.retire_index_salt, purpose, key_id=key_id, version=version)

    @checked
    async def get_index_salt(
        self, purpose: str | None = None, *, key_id: str | None = None, version: int | None = None
    ) -> bytes:
        """As `keyfold.Store.get_index_salt`."""
        return await asyncio.to_thread(self._store.get_index_salt, purpose, key_id=key_id, version=version)

    @checked
    async def derive_key(
        self, key_id: str, purpose: str, length: int, *, version: int | None = None
    ) -> bytes:
        """As `keyfold.Store.derive_key`."""
        return await asyncio.to_thread(self._store.derive_key, key_id, purpose, length, version=version)

    async def recipients(self) -> list[RecipientInfo]:
        """As `keyfold.Store.recipients`."""
        return await asyncio.to_thread(self._store.recipients)

    @checked
    async def add_recipient(
        self, master_key: MasterKey, recipient_id: str | None = None, *, description: str | None = None
    ) -> RecipientInfo:
        """As `keyfold.Store.add_recipient`."""
        return await asyncio.to_thread(
            self._store.add_recipient, master_key, recipient_id, description=description
        )

    async def remove_recipient(self, recipient_id: str) -> MasterKeyRotation:
        """As `keyfold.Store.remove_recipient`."""
        return await asyncio.to_thread(self._store.remove_recipient, recipient_id)

    async def test_recipient(self, master_key: MasterKey) -> RecipientInfo:
        """As `keyfold.Store.test_recipient`."""
        return await asyncio.to_thread(self._store.test_recipient, master_key)

    async def recipient_public_key(self, recipient_id: str | None = None) -> str:
        """As `keyfold.Store.recipient_public_key`."""
        return await asyncio.to_thread(self._store.recipient_public_key, recipient_id)

    async def drill(self, master_key: MasterKey) -> DrillReport:
        """As `keyfold.Store.drill`."""
        return await asyncio.to_thread(self._store.drill, master_key)

    @checked
    async def rotate_master_key(self, new_master_key: MasterKey | None = None) -> MasterKeyRotation:
        """As `keyfold.Store.rotate_master_key`."""
        return await asyncio.to_thread(self._store.rotate_master_key, new_master_key)

    @checked
    async def import_key(
        self,
        key_id: str,
        material: Buffer | str,
        encoding: str,
        *,
        as_version: bool = False,
        kind: str | None = None,
        algorithm: str | None = None,
        purpose: str | None = None,
        exportable: bool = False,
        expires_in: Duration | None = None,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_limit: str | None = None,
    ) -> KeyInfo:
        """As `keyfold.Store.import_key`."""
        return await asyncio.to_thread(
            self._store.import_key,
            key_id,
            material,
            encoding,
            as_version=as_version,
            kind=kind,
            algorithm=algorithm,
            purpose=purpose,
            exportable=exportable,
            expires_in=expires_in,
            description=description,
            labels=labels,
            on_limit=on_limit,
        )

    @checked
    async def get_data_key(self, key_id: str, version: int | None = None) -> bytes:
        """As `keyfold.Store.get_data_key`."""
        return await asyncio.to_thread(self._store.get_data_key, key_id, version)

    @checked
    async def get_encryption_key(self, key_id: str, key_bytes: int, encoding: str) -> bytes | str:
        """As `keyfold.Store.get_encryption_key`."""
        return await asyncio.to_thread(self._store.get_encryption_key, key_id, key_bytes, encoding)

    @checked
    async def export_keyset(
        self,
        key_id: str,
        *,
        format: str = "json",
        passphrase: str | Buffer | None = None,
        under_key: str | None = None,
        insecure_cleartext: bool = False,
        recipient: str | None = None,
    ) -> Keyset:
        """As `keyfold.Store.export_keyset`."""
        return await asyncio.to_thread(
            self._store.export_keyset,
            key_id,
            format=format,
            passphrase=passphrase,
            under_key=under_key,
            insecure_cleartext=insecure_cleartext,
            recipient=recipient,
        )

    @checked
    async def import_keyset(
        self,
        key_id: str,
        keyset: Buffer | str,
        *,
        passphrase: str | Buffer | None = None,
        under_key: str | None = None,
        insecure_cleartext: bool = False,
        own_recipient: bool = False,
        rotate: bool = False,
        purpose: str | None = None,
        exportable: bool = False,
        expires_in: Duration | None = None,
        description: str | None = None,
        labels: Mapping[str, str] | None = None,
        on_limit: str | None = None,
    ) -> KeyInfo:
        """As `keyfold.Store.import_keyset`."""
        return await asyncio.to_thread(
            self._store.import_keyset,
            key_id,
            keyset,
            passphrase=passphrase,
            under_key=under_key,
            insecure_cleartext=insecure_cleartext,
            own_recipient=own_recipient,
            rotate=rotate,
            purpose=purpose,
            exportable=exportable,
            expires_in=expires_in,
            description=description,
            labels=labels,
            on_limit=on_limit,
        )

    async def quarantine(self, kind: str, id: str, reason: str) -> None:
        """As `keyfold.Store.quarantine`."""
        await asyncio.to_thread(self._store.quarantine, kind, id, reason)

    async def quarantined(self) -> list[Quarantined]:
        """As `keyfold.Store.quarantined`."""
        return await asyncio.to_thread(self._store.quarantined)

    @checked
    async def backup(
        self, path: str | os.PathLike[str], *, progress: Callable[[int, int], object] | None = None
    ) -> BackupInfo:
        """As `keyfold.Store.backup`."""
        return await asyncio.to_thread(self._store.backup, path, progress=progress)

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

    def is_verified(self) -> bool:
        """As `keyfold.Store.is_verified`."""
        return self._store.is_verified()

    def fingerprint(self) -> str:
        """As `keyfold.Store.fingerprint`."""
        return self._store.fingerprint()

    async def close(self) -> None:
        """As `keyfold.Store.close`."""
        await asyncio.to_thread(self._store.close)


@checked
async def encrypt_stream(
    key: Key,
    reader: Reader,
    writer: Writer,
    aad: Buffer = b"",
    *,
    context: Context | None = None,
    progress: Progress | None = None,
) -> int:
    """As `keyfold.Key.encrypt_stream`, in a thread, where the file objects are used."""
    return await asyncio.to_thread(
        key.encrypt_stream, reader, writer, aad, context=context, progress=progress
    )


@checked
async def decrypt_stream(
    key: Key,
    reader: Reader,
    writer: Writer,
    aad: Buffer = b"",
    *,
    context: Context | None = None,
    progress: Progress | None = None,
) -> int:
    """As `keyfold.Key.decrypt_stream`, in a thread, where the file objects are used."""
    return await asyncio.to_thread(
        key.decrypt_stream, reader, writer, aad, context=context, progress=progress
    )


@checked
async def encrypt_file(
    key: Key,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    aad: Buffer = b"",
    *,
    context: Context | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> int:
    """As `keyfold.Key.encrypt_file`, in a thread: there `progress` is called."""
    return await asyncio.to_thread(
        key.encrypt_file, source, target, aad, context=context, force=force, progress=progress
    )


@checked
async def decrypt_file(
    key: Key,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    aad: Buffer = b"",
    *,
    context: Context | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> int:
    """As `keyfold.Key.decrypt_file`, in a thread: there `progress` is called."""
    return await asyncio.to_thread(
        key.decrypt_file, source, target, aad, context=context, force=force, progress=progress
    )
