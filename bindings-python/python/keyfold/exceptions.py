"""Every exception that keyfold raises, and its warning.

All of them are a `KeyfoldError`. The class says what to do about it, the message says what happened, and the
attributes say where. No exception holds key bytes, plaintext, ciphertext or credentials.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any, ClassVar

__all__ = [
    "AlreadyExists",
    "Busy",
    "Closed",
    "DecryptionFailed",
    "InUse",
    "IntegrityError",
    "Internal",
    "InvalidArgument",
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
    "Unsupported",
    "VerificationFailed",
    "WrongMasterKey",
]


class KeyfoldError(Exception):
    """What all exceptions of keyfold have in common."""

    code: ClassVar[str] = "KEYFOLD_INTERNAL"
    """The kind's code, the same in every language: `KEYFOLD_NOT_FOUND`."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later."""

    message: str
    """What happened and what to do, for people."""

    retry_after: timedelta | None
    """How long to wait before trying again, where that is known."""

    key_id: str | None
    """The key concerned."""

    version: int | None
    """The key version concerned."""

    index: int | None
    """The place in a batch."""

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: timedelta | None = None,
        key_id: str | None = None,
        version: int | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.key_id = key_id
        self.version = version
        self.index = index

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments are no part of `args`, and OSError has a way of its own; the attributes say all.
        return type(self), (self.message,), self.__dict__


class InvalidArgument(KeyfoldError, ValueError, TypeError):
    """The caller can fix the call; the message says how."""

    code = "KEYFOLD_INVALID_ARGUMENT"


class NotFound(KeyfoldError, LookupError):
    """The named thing is not there."""

    code = "KEYFOLD_NOT_FOUND"


class AlreadyExists(KeyfoldError):
    """The named thing is there already."""

    code = "KEYFOLD_ALREADY_EXISTS"


class InUse(KeyfoldError):
    """Something still refers to it."""

    code = "KEYFOLD_IN_USE"


class KeyUnavailable(KeyfoldError):
    """The key version's state forbids this operation."""

    code = "KEYFOLD_KEY_UNAVAILABLE"


class DecryptionFailed(KeyfoldError):
    """The ciphertext does not open: one message for every reason."""

    code = "KEYFOLD_DECRYPTION_FAILED"


class VerificationFailed(KeyfoldError):
    """A MAC or signature does not verify."""

    code = "KEYFOLD_VERIFICATION_FAILED"


class WrongMasterKey(KeyfoldError):
    """The master key opens no recipient of this store."""

    code = "KEYFOLD_WRONG_MASTER_KEY"


class IntegrityError(KeyfoldError):
    """The store was damaged or changed by someone without the master key."""

    code = "KEYFOLD_INTEGRITY_ERROR"


class PermissionDenied(KeyfoldError, PermissionError):
    """The mode, a policy or the system does not allow it."""

    code = "KEYFOLD_PERMISSION_DENIED"


class RateLimited(KeyfoldError):
    """Too many calls; try again after `retry_after`."""

    code = "KEYFOLD_RATE_LIMITED"
    retryable = True


class LimitExceeded(KeyfoldError):
    """A documented limit would be passed."""

    code = "KEYFOLD_LIMIT_EXCEEDED"


class Unsupported(KeyfoldError):
    """Not something that this build, version or file can do."""

    code = "KEYFOLD_UNSUPPORTED"


class ProviderUnavailable(KeyfoldError):
    """The key provider did not answer."""

    code = "KEYFOLD_PROVIDER_UNAVAILABLE"
    retryable = True


class ProviderDenied(KeyfoldError):
    """The key provider refused."""

    code = "KEYFOLD_PROVIDER_DENIED"


class Busy(KeyfoldError, TimeoutError):
    """Another process held the store for longer than `busy_timeout`."""

    code = "KEYFOLD_BUSY"
    retryable = True


class StorageFull(KeyfoldError, OSError):
    """The disk is full; nothing was half written."""

    code = "KEYFOLD_STORAGE_FULL"


class Storage(KeyfoldError, OSError):
    """Reading or writing the file failed."""

    code = "KEYFOLD_STORAGE"


class Closed(KeyfoldError):
    """The store was closed."""

    code = "KEYFOLD_CLOSED"


class Internal(KeyfoldError):
    """A bug in keyfold."""

    code = "KEYFOLD_INTERNAL"


class KeyfoldWarning(UserWarning):
    """What deserves attention although the store opened, such as a master key file that others may read."""
