"""The native half of keyfold. Import from `keyfold` instead."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, final, overload

from ._infos import (
    BackupInfo,
    CheckReport,
    CiphertextInfo,
    DrillReport,
    IndexReport,
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
from ._types import (
    Buffer,
    Clock,
    Context,
    Duration,
    IndexFields,
    MasterKey,
    Names,
    NewKey,
    Progress,
    Reader,
    Writer,
)
from .exceptions import KeyfoldError

__all__ = [
    "Key",
    "Passphrase",
    "RecoveryKey",
    "Shares",
    "Store",
    "StreamDecryptor",
    "StreamEncryptor",
    "__version__",
    "error_kinds",
    "from_text",
    "generate_master_key",
    "index_report",
    "is_ciphertext",
    "open",
    "purposes",
    "restore",
    "to_text",
]

__version__: Final[str]

def generate_master_key() -> str: ...
def is_ciphertext(value: Buffer | str) -> bool: ...
def to_text(value: Buffer) -> str: ...
def from_text(value: str) -> bytes: ...
def index_report(
    values: Iterable[Buffer | str | None],
    *,
    kind: str = "exact",
    length: int | None = None,
    bits: int = 128,
    normalize: Names = (),
) -> IndexReport: ...
def purposes() -> list[str]: ...
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
    mode: str,
    immutable: bool,
    production: bool,
    insecure_dev: bool,
    require_mlock: bool,
    clock: Clock | None,
) -> Store: ...
def restore(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    master_key: MasterKey | None,
    replace_other_store: bool,
    force: bool,
    anchor: str | None,
    fingerprint: str | None,
    actor: str | None,
    busy_timeout: Duration,
    allow_network_fs: bool,
    clock: Clock | None,
) -> RestoreInfo: ...

@final
class Passphrase:
    """A passphrase as master key."""

    def __new__(
        cls,
        passphrase: str,
        *,
        memory_kib: int | None = None,
        passes: int | None = None,
        lanes: int | None = None,
        pbkdf2_rounds: int | None = None,
    ) -> Passphrase: ...

@final
class RecoveryKey:
    """A recovery key to be printed."""

    @staticmethod
    def generate() -> RecoveryKey: ...
    def reveal(self) -> str: ...

@final
class Shares:
    """A secret in the hands of several people."""

    @staticmethod
    def split(threshold: int, count: int) -> Shares: ...
    def reveal(self) -> list[str]: ...

@final
class StreamEncryptor:
    """Encrypts a stream that is pushed part by part."""

    def update(self, part: Buffer) -> bytes: ...
    def finish(self) -> bytes: ...

@final
class StreamDecryptor:
    """Decrypts a stream that is pushed part by part."""

    @property
    def version(self) -> int | None: ...
    @property
    def needs_reencrypt(self) -> bool | None: ...
    def update(self, part: Buffer) -> bytes: ...
    def finish(self) -> bytes: ...

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
    def encrypt_many(
        self,
        values: Iterable[Buffer],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
    ) -> list[bytes]: ...
    @overload
    def encrypt_many(
        self,
        values: Iterable[Buffer | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
    ) -> list[bytes | None]: ...
    @overload
    def encrypt_many_text(
        self,
        values: Iterable[str],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
    ) -> list[str]: ...
    @overload
    def encrypt_many_text(
        self,
        values: Iterable[str | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
    ) -> list[str | None]: ...
    @overload
    def decrypt_many(
        self,
        values: Iterable[Buffer | str],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[bytes]: ...
    @overload
    def decrypt_many(
        self,
        values: Iterable[Buffer | str | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[bytes | None]: ...
    @overload
    def decrypt_many(
        self,
        values: Iterable[Buffer | str | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: str = "raise",
    ) -> list[bytes | KeyfoldError | None]: ...
    @overload
    def decrypt_many_text(
        self,
        values: Iterable[str],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[str]: ...
    @overload
    def decrypt_many_text(
        self,
        values: Iterable[str | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[str | None]: ...
    @overload
    def decrypt_many_text(
        self,
        values: Iterable[str | None],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        aads: Iterable[Buffer] | None = None,
        contexts: Iterable[Context] | None = None,
        on_error: str = "raise",
    ) -> list[str | KeyfoldError | None]: ...
    def search_ciphertexts(
        self, plaintext: Buffer, aad: Buffer = b"", *, context: Context | None = None
    ) -> list[bytes]: ...
    def mac(self, data: Buffer, *, raw: bool = False) -> bytes: ...
    def verify_mac(self, data: Buffer, mac: Buffer | str, *, raw: bool = False) -> None: ...
    def encrypt_stream(
        self,
        reader: Reader,
        writer: Writer,
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        progress: Progress | None = None,
    ) -> int: ...
    def decrypt_stream(
        self,
        reader: Reader,
        writer: Writer,
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        progress: Progress | None = None,
    ) -> int: ...
    def encrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> int: ...
    def decrypt_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        aad: Buffer = b"",
        *,
        context: Context | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> int: ...
    def stream_encryptor(self, aad: Buffer = b"", *, context: Context | None = None) -> StreamEncryptor: ...
    def stream_decryptor(self, aad: Buffer = b"", *, context: Context | None = None) -> StreamDecryptor: ...
    @overload
    def blind_index(
        self,
        value: Buffer | str,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> bytes: ...
    @overload
    def blind_index(
        self,
        value: None,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> None: ...
    @overload
    def blind_index(
        self,
        value: Buffer | str | None,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> bytes | None: ...
    @overload
    def blind_indexes(
        self,
        value: Buffer | str,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> list[bytes]: ...
    @overload
    def blind_indexes(
        self,
        value: None,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> None: ...
    @overload
    def blind_indexes(
        self,
        value: Buffer | str | None,
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> list[bytes] | None: ...
    @overload
    def blind_index_many(
        self,
        values: Iterable[Buffer | str],
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> list[bytes]: ...
    @overload
    def blind_index_many(
        self,
        values: Iterable[Buffer | str | None],
        field: str,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> list[bytes | None]: ...
    def blind_index_compound(
        self,
        values: IndexFields,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> bytes | None: ...
    def blind_indexes_compound(
        self,
        values: IndexFields,
        *,
        kind: str = "exact",
        length: int | None = None,
        bits: int = 128,
        normalize: Names = (),
    ) -> list[bytes] | None: ...

@final
class Store:
    """What `keyfold.Store` holds."""

    def warnings(self) -> list[str]: ...
    def key(self, key_id: str, owner: object) -> Key: ...
    def create_key(self, key_id: str, options: dict[str, Any]) -> KeyInfo: ...
    def create_keys(self, keys: Iterable[NewKey]) -> list[KeyInfo]: ...
    def key_info(self, key_id: str) -> KeyInfo: ...
    def list_keys(
        self,
        kind: str | None,
        purpose: str | None,
        state: str | None,
        algorithm: str | None,
        labels: Mapping[str, str] | None,
        search: str | None,
        after: str | None,
        limit: int | None,
    ) -> list[KeyInfo]: ...
    def list_key_versions(self, key_id: str) -> list[VersionInfo]: ...
    def key_usage(self, key_id: str) -> list[VersionUsage]: ...
    def rotate_key(self, key_id: str, stage: bool, algorithm: str | None) -> VersionInfo: ...
    def promote_version(self, key_id: str, version: int) -> VersionInfo: ...
    def set_version_state(self, key_id: str, version: int, state: str, reason: str | None) -> VersionInfo: ...
    def archive_key(self, key_id: str) -> KeyInfo: ...
    def schedule_destruction(self, key_id: str, version: int, delay: Duration) -> VersionInfo: ...
    def cancel_destruction(self, key_id: str, version: int) -> VersionInfo: ...
    def run_due(self) -> RunDueReport: ...
    def purge(self) -> bool: ...
    def purge_pending(self) -> bool: ...
    def register_purpose(
        self, purpose: str, description: str | None, rotation_period: Duration | None, update: bool
    ) -> PurposeInfo: ...
    def purposes(self) -> list[PurposeInfo]: ...
    def key_for(self, purpose: str, owner: object) -> Key: ...
    def index_salts(self, purpose: str | None, key_id: str | None) -> list[IndexSaltInfo]: ...
    def rotate_index_salt(self, purpose: str | None, key_id: str | None) -> IndexSaltInfo: ...
    def retire_index_salt(self, purpose: str | None, key_id: str | None, version: int) -> None: ...
    def get_index_salt(self, purpose: str | None, key_id: str | None, version: int | None) -> bytes: ...
    def derive_key(self, key_id: str, purpose: str, length: int, version: int | None) -> bytes: ...
    def recipients(self) -> list[RecipientInfo]: ...
    def add_recipient(
        self, master_key: MasterKey, recipient_id: str | None, description: str | None
    ) -> RecipientInfo: ...
    def remove_recipient(self, recipient_id: str) -> MasterKeyRotation: ...
    def test_recipient(self, master_key: MasterKey) -> RecipientInfo: ...
    def recipient_public_key(self, recipient_id: str | None) -> str: ...
    def drill(self, master_key: MasterKey) -> DrillReport: ...
    def rotate_master_key(self, new_master_key: MasterKey | None) -> MasterKeyRotation: ...
    def import_key(
        self, key_id: str, material: Buffer | str, encoding: str, as_version: bool, options: dict[str, Any]
    ) -> KeyInfo: ...
    def get_data_key(self, key_id: str, version: int | None) -> bytes: ...
    def get_encryption_key(self, key_id: str, key_bytes: int, encoding: str) -> bytes | str: ...
    def export_keyset(
        self,
        key_id: str,
        format: str,
        passphrase: str | Buffer | None,
        under_key: str | None,
        insecure_cleartext: bool,
        recipient: str | None,
    ) -> Keyset: ...
    def import_keyset(
        self,
        key_id: str,
        keyset: Buffer | str,
        passphrase: str | Buffer | None,
        under_key: str | None,
        insecure_cleartext: bool,
        own_recipient: bool,
        rotate: bool,
        options: dict[str, Any],
    ) -> KeyInfo: ...
    def quarantine(self, kind: str, id: str, reason: str) -> None: ...
    def quarantined(self) -> list[Quarantined]: ...
    def backup(
        self, path: str | os.PathLike[str], progress: Callable[[int, int], object] | None
    ) -> BackupInfo: ...
    def encrypt(self, key_id: str, plaintext: Buffer, aad: Buffer, context: Context | None) -> bytes: ...
    def decrypt(
        self, key_id: str, ciphertext: Buffer | str, aad: Buffer, context: Context | None
    ) -> bytes: ...
    def inspect(self, ciphertext: Buffer | str) -> list[CiphertextInfo]: ...
    def check(self) -> CheckReport: ...
    def anchor(self) -> str: ...
    def is_verified(self) -> bool: ...
    def fingerprint(self) -> str: ...
    def close(self) -> None: ...
