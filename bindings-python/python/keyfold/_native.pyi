"""The native half of keyfold. Import from `keyfold` instead."""

import os
from collections.abc import Mapping
from typing import Final, final, overload

from ._infos import CheckReport, CiphertextInfo, KeyInfo, VersionInfo
from ._types import Buffer, Context, Duration, MasterKey

__all__ = [
    "Key",
    "Store",
    "__version__",
    "error_kinds",
    "from_text",
    "generate_master_key",
    "is_ciphertext",
    "open",
    "to_text",
]

__version__: Final[str]

def generate_master_key() -> str: ...
def is_ciphertext(value: Buffer | str) -> bool: ...
def to_text(value: Buffer) -> str: ...
def from_text(value: str) -> bytes: ...
def error_kinds() -> list[tuple[str, str, bool]]: ...
def open(
    path: str | os.PathLike[str],
    master_key: MasterKey | None,
    create: bool,
    refresh_interval: Duration,
    max_stale: Duration,
    busy_timeout: Duration,
    anchor: str | None,
    fingerprint: str | None,
    actor: str | None,
    allow_network_fs: bool,
) -> Store: ...

@final
class Key:
    """One key of an open store, for encrypting with it. Comes from `Store.key`."""

    @property
    def id(self) -> str: ...
    @property
    def info(self) -> KeyInfo: ...
    def encrypt(self, plaintext: Buffer, aad: Buffer = b"", *, context: Context | None = None) -> bytes: ...
    def decrypt(
        self, ciphertext: Buffer | str, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes: ...
    def encrypt_text(self, plaintext: str, aad: Buffer = b"", *, context: Context | None = None) -> str: ...
    def decrypt_text(self, ciphertext: str, aad: Buffer = b"", *, context: Context | None = None) -> str: ...
    @overload
    def reencrypt(self, ciphertext: str, aad: Buffer = b"", *, context: Context | None = None) -> str: ...
    @overload
    def reencrypt(
        self, ciphertext: Buffer, aad: Buffer = b"", *, context: Context | None = None
    ) -> bytes: ...
    def needs_reencrypt(self, ciphertext: Buffer | str) -> bool: ...
    @overload
    def blind_index(
        self, value: Buffer | str, field: str, *, kind: str = "exact", bits: int = 128
    ) -> bytes: ...
    @overload
    def blind_index(self, value: None, field: str, *, kind: str = "exact", bits: int = 128) -> None: ...
    @overload
    def blind_index(
        self, value: Buffer | str | None, field: str, *, kind: str = "exact", bits: int = 128
    ) -> bytes | None: ...
    @overload
    def blind_indexes(
        self, value: Buffer | str, field: str, *, kind: str = "exact", bits: int = 128
    ) -> list[bytes]: ...
    @overload
    def blind_indexes(self, value: None, field: str, *, kind: str = "exact", bits: int = 128) -> None: ...
    @overload
    def blind_indexes(
        self, value: Buffer | str | None, field: str, *, kind: str = "exact", bits: int = 128
    ) -> list[bytes] | None: ...

@final
class Store:
    """What `keyfold.Store` holds."""

    def warnings(self) -> list[str]: ...
    def key(self, key_id: str, owner: object) -> Key: ...
    def create_key(
        self,
        key_id: str,
        kind: str,
        algorithm: str | None,
        purpose: str | None,
        exportable: bool,
        description: str | None,
        labels: Mapping[str, str] | None,
        exist_ok: bool,
    ) -> KeyInfo: ...
    def key_info(self, key_id: str) -> KeyInfo: ...
    def list_keys(
        self,
        kind: str | None,
        purpose: str | None,
        algorithm: str | None,
        labels: Mapping[str, str] | None,
        search: str | None,
        after: str | None,
        limit: int | None,
    ) -> list[KeyInfo]: ...
    def list_key_versions(self, key_id: str) -> list[VersionInfo]: ...
    def rotate_key(self, key_id: str) -> VersionInfo: ...
    def encrypt(self, key_id: str, plaintext: Buffer, aad: Buffer, context: Context | None) -> bytes: ...
    def decrypt(
        self, key_id: str, ciphertext: Buffer | str, aad: Buffer, context: Context | None
    ) -> bytes: ...
    def inspect(self, ciphertext: Buffer | str) -> list[CiphertextInfo]: ...
    def check(self) -> CheckReport: ...
    def anchor(self) -> str: ...
    def fingerprint(self) -> str: ...
    def close(self) -> None: ...
