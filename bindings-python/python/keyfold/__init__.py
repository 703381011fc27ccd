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

from ._infos import CheckReport, CiphertextInfo, Finding, KeyInfo, VersionInfo
from ._native import Key, __version__, from_text, generate_master_key, is_ciphertext, to_text
from ._store import Store, open
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
    "AlreadyExists",
    "Busy",
    "CheckReport",
    "CiphertextInfo",
    "Closed",
    "DecryptionFailed",
    "Finding",
    "InUse",
    "IntegrityError",
    "Internal",
    "InvalidArgument",
    "Key",
    "KeyInfo",
    "KeyUnavailable",
    "KeyfoldError",
    "KeyfoldWarning",
    "LimitExceeded",
    "NotFound",
    "PermissionDenied",
    "ProviderDenied",
    "ProviderUnavailable",
    "RateLimited",
    "Storage",
    "StorageFull",
    "Store",
    "Unsupported",
    "VerificationFailed",
    "VersionInfo",
    "WrongMasterKey",
    "__version__",
    "from_text",
    "generate_master_key",
    "is_ciphertext",
    "open",
    "to_text",
]
