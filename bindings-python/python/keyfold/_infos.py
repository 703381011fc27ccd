"""What is shown of keys, versions and ciphertexts. Never key bytes. Times are in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key, without its bytes."""

    key_id: str
    """Its name in this store."""
    kind: str
    """`aead`."""
    algorithm: str
    """The algorithm of new versions."""
    purpose: str | None
    """What it is for."""
    description: str | None
    """A note for people."""
    current_version: int | None
    """The number of the version that encrypts."""
    exportable: bool
    """Whether raw bytes may leave the store."""
    archived: bool
    """Whether it encrypts no more."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it stops encrypting."""
    labels: dict[str, str] = field(hash=False)
    """Names and values of the caller's choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """A version of a key, without its bytes."""

    key_id: str
    """Its key."""
    version: int
    """1, 2, 3…"""
    tag: int
    """The number in front of its ciphertexts."""
    is_current: bool
    """Whether this is the version that encrypts."""
    state: str
    """What it may do: staged, enabled, decrypt_only, disabled, revoked, pending_destruction or destroyed."""
    algorithm: str
    """Its algorithm."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it stops encrypting."""
    destroy_at: datetime | None
    """When its key will be destroyed."""
    state_reason: str | None
    """Why it is in its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CiphertextInfo:
    """Which version made a ciphertext, as its public tag says; nothing of the ciphertext is verified."""

    key_id: str
    """The key."""
    version: int
    """The version."""
    tag: int
    """The tag in front of the ciphertext."""
    algorithm: str
    """The version's algorithm."""
    is_current: bool
    """Whether that version still encrypts: if not, the ciphertext is stale."""
    state: str
    """What the version may do, as in `VersionInfo`."""
    created_at: datetime
    """When the version was made: the ciphertext is no older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with a store."""

    subject: str
    """What it concerns: `key pii`, `audit`, `database`."""
    problem: str
    """What is wrong."""
    advice: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found."""

    ok: bool
    """Whether nothing was found."""
    findings: tuple[Finding, ...]
    """What was found, each with what to do."""
    keys: int
    """How many keys were verified."""
    versions: int
    """How many key versions were verified and unwrapped."""
    audit_records: int
    """How many records the audit chain has."""
    generation: int
    """Counts administrative acts."""
    locked_bytes: int
    """Key memory in locked pages, in bytes."""
    unlocked_bytes: int
    """Key memory that could not be locked, in bytes."""
