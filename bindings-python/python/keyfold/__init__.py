"""keyfold: data-encryption keys in one SQLite file, wrapped by a master key.

An application opens a store, asks it for a key, and encrypts fields and values with it. Keys have versions;
`Store.rotate_key` makes the next one, and everything sealed before still opens. The same file is used from
Python, Rust, C, Node and the command line at the same time.

    with keyfold.open("app.keyfold") as store:
        store.create_key("pii", exist_ok=True)
        pii = store.key("pii")
        sealed = pii.encrypt_text("ada@example.org", context={"table": "users", "id": 42})

Every exception is a `KeyfoldError`. For asyncio there is `keyfold.aio`.
"""

from ._infos import (
    BackupInfo,
    CheckReport,
    CiphertextInfo,
    DestroyedVersion,
    DrillReport,
    Finding,
    IndexReport,
    IndexSaltInfo,
    KeyInfo,
    Keyset,
    MasterKeyRotation,
    PurposeInfo,
    Quarantined,
    RecipientInfo,
    RestoreInfo,
    RunDueFailure,
    RunDueReport,
    VersionInfo,
    VersionUsage,
)
from ._native import (
    Key,
    Passphrase,
    RecoveryKey,
    Shares,
    StreamDecryptor,
    StreamEncryptor,
    __version__,
    from_text,
    generate_master_key,
    index_report,
    is_ciphertext,
    to_text,
)
from ._native import purposes as _purposes
from ._store import Store, open, restore
from .exceptions import (
    AlreadyExists,
    Busy,
    Closed,
    DecryptionFailed,
    IntegrityError,
    Internal,
    InUse,
    InvalidArgument,
    KeyfoldError,
    KeyfoldWarning,
    KeyUnavailable,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    ProviderDenied,
    ProviderUnavailable,
    RateLimited,
    Storage,
    StorageFull,
    Unsupported,
    VerificationFailed,
    WrongMasterKey,
)

__all__ = [
    "PURPOSES",
    "AlreadyExists",
    "BackupInfo",
    "Busy",
    "CheckReport",
    "CiphertextInfo",
    "Closed",
    "DecryptionFailed",
    "DestroyedVersion",
    "DrillReport",
    "Finding",
    "InUse",
    "IndexReport",
    "IndexSaltInfo",
    "IntegrityError",
    "Internal",
    "InvalidArgument",
    "Key",
    "KeyInfo",
    "KeyUnavailable",
    "KeyfoldError",
    "KeyfoldWarning",
    "Keyset",
    "LimitExceeded",
    "MasterKeyRotation",
    "NotFound",
    "Passphrase",
    "PermissionDenied",
    "ProviderDenied",
    "ProviderUnavailable",
    "PurposeInfo",
    "Quarantined",
    "RateLimited",
    "RecipientInfo",
    "RecoveryKey",
    "RestoreInfo",
    "RunDueFailure",
    "RunDueReport",
    "Shares",
    "Storage",
    "StorageFull",
    "Store",
    "StreamDecryptor",
    "StreamEncryptor",
    "Unsupported",
    "VerificationFailed",
    "VersionInfo",
    "VersionUsage",
    "WrongMasterKey",
    "__version__",
    "from_text",
    "generate_master_key",
    "index_report",
    "is_ciphertext",
    "open",
    "restore",
    "to_text",
]

PURPOSES: tuple[str, ...] = tuple(_purposes())
"""The purposes that every store has."""
