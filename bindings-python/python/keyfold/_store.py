"""`Store`: what a user calls to manage keys."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from . import _native
from ._calls import checked
from ._infos import CheckReport, CiphertextInfo, KeyInfo, VersionInfo
from ._types import Buffer, Context, Duration, MasterKey
from .exceptions import KeyfoldWarning

# How many keys `iter_keys` reads at a time.
_PAGE = 10_000


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
) -> Store:
    """Opens a store, or makes one where `create` asks for it. Use it in a `with` statement, or close it.

    Args:
        path: The store's file.
        master_key: 32 bytes; text (`env:NAME`, `file:PATH`, `fd:N`, or base64 as `generate_master_key`
            gives); or a callable that gives 32 bytes. Left out, the environment variable
            `KEYFOLD_MASTER_KEY` is read, which holds base64, `file:PATH` or `fd:N`.
        create: Make the store if there is none at the path; whoever comes second opens it.
        refresh_interval: How soon a change by another process is used here; 10 ms to 1 h.
        max_stale: How long keys serve when the file cannot be read; then calls fail.
        busy_timeout: How long to wait for another process before Busy.
        anchor: Refuse a copy of the store that is older than this `Store.anchor` or forked before it.
        fingerprint: Refuse a store with another identity than this `Store.fingerprint`.
        actor: Who acts, for the audit log. Left out, the user's number, as in `uid:1000`.
        allow_network_fs: Open a store on a network file system although its locks are not dependable.

    Raises:
        NotFound: There is no store at the path, or no master key file where it was named.
        WrongMasterKey: The master key is another store's.
        IntegrityError: The file was changed by someone without the master key, or is older than the anchor.
        InvalidArgument: An option is unknown, of a wrong type or out of range; the master key is malformed.
        Unsupported: The file is no keyfold store, or made by a newer version.
        ProviderUnavailable: The master key callable raised; its exception is the `__cause__`.
        PermissionDenied, Busy, Storage, StorageFull: The file cannot be used.

    What deserves attention although the store opened is given as a KeyfoldWarning.
    """
    store = Store._open(
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
    store._warn(stacklevel=4)
    return store


class Store:
    """An open key store, as `keyfold.open` gives it.

    It may be used from all threads at once, and by parent and children after a fork. Leaving its `with`
    statement closes it. All calls raise Closed once it is closed, and IntegrityError where what they read was
    changed by someone without the master key.
    """

    __slots__ = ("__weakref__", "_closed", "_core", "_path")

    _core: _native.Store
    _path: str
    _closed: bool

    def __init__(self) -> None:
        raise TypeError("a Store comes from keyfold.open")

    @classmethod
    def _open(cls, path: str | os.PathLike[str], *options: Any) -> Store:
        native = _native.open(path, *options)
        store = cls.__new__(cls)
        store._core = native
        store._path = os.fspath(path)
        store._closed = False
        return store

    def _warn(self, stacklevel: int) -> None:
        """Says what the core found odd; a warning turned into an exception leaves no store open."""
        try:
            for message in self._core.warnings():
                warnings.warn(message, KeyfoldWarning, stacklevel=stacklevel)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<keyfold.Store {self._path!r}{' closed' if self._closed else ''}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if getattr(self, "_closed", True):
            return
        try:
            _warn(f"unclosed {self!r}", ResourceWarning, source=self)
        finally:
            self.close()

    def key(self, key_id: str) -> _native.Key:
        """A handle to a key, for encrypting with it. It keeps the store open.

        Raises:
            NotFound: There is no such key.
        """
        return self._core.key(key_id, self)

    @checked
    def create_key(
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
        """Makes a key with its first version, which is current.

        Args:
            key_id: 1 to 255 letters, digits and `. _ : / -`.
            kind: `aead`.
            algorithm: `AES256_GCM_SIV` (the default), `AES256_GCM`, `XAES256_GCM` or `XCHACHA20_POLY1305`.
            purpose: What it is for: pii, financial, medical, credentials, api or backup. Keys of one purpose
                share the root of their blind indexes.
            exportable: Whether its raw bytes may ever leave the store. Cannot be changed later.
            description: A note for people.
            labels: Names and values of the caller's choice, 64 at most.
            exist_ok: Return the key as it is where it exists with the same kind, algorithm and purpose.

        Raises:
            AlreadyExists: There is a key of this id, and not an equal one that `exist_ok` allows.
            InvalidArgument: An option is unknown, or of a wrong type or value.
            LimitExceeded: The id, the description or the labels are too long.
            Busy: Another process held the store for longer than `busy_timeout`.
            StorageFull, Storage, PermissionDenied: The file cannot be written.
        """
        return self._core.create_key(
            key_id, kind, algorithm, purpose, exportable, description, labels, exist_ok
        )

    def key_info(self, key_id: str) -> KeyInfo:
        """One key's metadata, as the file has it now.

        Raises:
            NotFound: There is no such key.
        """
        return self._core.key_info(key_id)

    @checked
    def list_keys(
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
        """The keys that match, in byte order of their ids; what is left out matches all.

        Args:
            kind: Keys of this kind.
            purpose: Keys of this purpose.
            algorithm: Keys of this algorithm.
            labels: Keys with all of these labels.
            search: Keys with this text in their id or description, taken literally.
            after: Keys whose id comes after this one: for reading a long list in parts.
            limit: At most so many.

        Raises:
            InvalidArgument: A filter is unknown or of a wrong type.
        """
        return self._core.list_keys(kind, purpose, algorithm, labels, search, after, limit)

    @checked
    def iter_keys(
        self,
        *,
        kind: str | None = None,
        purpose: str | None = None,
        algorithm: str | None = None,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        after: str | None = None,
    ) -> Iterator[KeyInfo]:
        """As `list_keys`, reading a long list in parts. Raises as that does, when the first part is read."""
        while True:
            page = self._core.list_keys(kind, purpose, algorithm, labels, search, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].key_id

    def list_key_versions(self, key_id: str) -> list[VersionInfo]:
        """All versions of a key, newest first.

        Raises:
            NotFound: There is no such key.
        """
        return self._core.list_key_versions(key_id)

    def rotate_key(self, key_id: str) -> VersionInfo:
        """Makes the next version and has it encrypt from now on; older ciphertexts open as before.

        Raises:
            NotFound: There is no such key.
            KeyUnavailable: The key is archived.
            LimitExceeded: The key has 10,000 versions.
            Busy: Another process held the store for longer than `busy_timeout`.
            StorageFull, Storage, PermissionDenied: The file cannot be written.
        """
        return self._core.rotate_key(key_id)

    def encrypt(
        self, key_id: str, plaintext: Buffer, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes:
        """Encrypts under the key's current version; as `Key.encrypt`, which is quicker.

        Raises:
            NotFound: There is no such key.
            InvalidArgument, LimitExceeded, KeyUnavailable: As `Key.encrypt`.
        """
        return self._core.encrypt(key_id, plaintext, aad, context)

    def decrypt(
        self, key_id: str, ciphertext: Buffer | str, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes:
        """Decrypts what any version of the key encrypted; as `Key.decrypt`, which is quicker.

        Raises:
            NotFound: There is no such key.
            DecryptionFailed, InvalidArgument, KeyUnavailable: As `Key.decrypt`.
        """
        return self._core.decrypt(key_id, ciphertext, aad, context)

    def inspect(self, ciphertext: Buffer | str) -> list[CiphertextInfo]:
        """Which key and version made this ciphertext, given in bytes or as text, without decrypting it.

        Every match: two keys may share a tag, though hardly ever. Well-formed but unknown is an empty list.

        Raises:
            InvalidArgument: It is no ciphertext at all.
        """
        return self._core.inspect(ciphertext)

    def check(self) -> CheckReport:
        """Verifies everything, and reports what is wrong rather than raising it.

        Raises:
            Storage: The check itself cannot run.
        """
        return self._core.check()

    def anchor(self) -> str:
        """Where the store stands now: open with it later, and no older or forked copy of the file passes."""
        return self._core.anchor()

    def fingerprint(self) -> str:
        """The store's identity: open with it, and no other store passes for this one."""
        return self._core.fingerprint()

    def close(self) -> None:
        """Waits for calls in flight, wipes all keys and closes the file. Closing again does nothing."""
        self._closed = True
        self._core.close()
