"""What is shown of keys, versions and ciphertexts. Never key bytes. Times are in UTC."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass, field
    from datetime import datetime, timedelta
else:
    from ._dataclass import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """A key, without its bytes."""

    key_id: str
    """Its name in this store."""
    kind: str
    """What its bytes are used for: aead, deterministic, stream, mac or derive."""
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
    """When its current version stops encrypting."""
    rotation_due_at: datetime | None
    """When its purpose's rotation period ends for the current version."""
    expires_in: timedelta | None
    """How long each of its versions encrypts."""
    on_limit: str
    """What happens when a version nears its safe number of messages: rotate or refuse."""
    labels: dict[str, str] = field(hash=False)
    """Names and values of the caller's choice."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


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
    """When its key will be destroyed, or was."""
    state_reason: str | None
    """Why it is in its state."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


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
    expires_at: datetime | None
    """When the version stops encrypting."""
    expired: bool
    """Whether that time is past. The ciphertext still opens."""
    verified: bool
    """Whether what it says of the version was verified: everywhere but in mode `metadata`."""


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
    """Whether nothing is wrong. Warnings do not count."""
    findings: tuple[Finding, ...]
    """What is wrong, each with what to do."""
    warnings: tuple[Finding, ...]
    """What deserves attention though nothing is wrong, each with what to do."""
    keys: int
    """How many keys were verified."""
    versions: int
    """How many key versions were verified and unwrapped."""
    recipients: int
    """How many recipients open the store."""
    quarantined: int
    """How many keys and purposes are set aside."""
    audit_records: int
    """How many records the audit chain has."""
    generation: int
    """Counts administrative acts."""
    purge_pending: bool
    """Whether destroyed keys may still be in the write-ahead log: `run_due` empties it."""
    locked_bytes: int
    """Key memory in locked pages, in bytes."""
    unlocked_bytes: int
    """Key memory that could not be locked, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUsage:
    """How much of what it may seal a version has sealed."""

    version: int
    """The version."""
    messages: int
    """The messages on its count; a message counts once for each MiB begun."""
    limit: int
    """How many it may seal."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeInfo:
    """What keys are for."""

    purpose: str
    """Its name."""
    description: str | None
    """A note for people."""
    rotation_period: timedelta | None
    """How long a version of its keys should stay current."""
    built_in: bool
    """Whether every store has it."""
    created_at: datetime | None
    """When it was registered, or first used."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyedVersion:
    """A version whose key is gone."""

    key_id: str
    """Its key."""
    version: int
    """Its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDueFailure:
    """A key that was left alone."""

    key_id: str
    """The key."""
    problem: str
    """Why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDueReport:
    """What `Store.run_due` did."""

    at: datetime
    """The time by which things were due."""
    destroyed: tuple[DestroyedVersion, ...]
    """The versions that were destroyed."""
    failures: tuple[RunDueFailure, ...]
    """Keys that do not verify, and so were left alone."""
    purge_pending: bool
    """Whether destroyed keys may still be in the write-ahead log: run it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientInfo:
    """A way to open the store, without its secret."""

    recipient_id: str
    """Its name in the store."""
    kind: str
    """What opens it: master_key, passphrase, recovery_key or shares."""
    created_at: datetime
    """When it was added."""
    description: str | None
    """A note for people."""
    parameters: dict[str, str] = field(hash=False)
    """What a guess costs, of a passphrase."""
    is_mine: bool
    """Whether this open store was opened by it."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """What a recovery drill found."""

    recipient: RecipientInfo
    """The recipient that opened the store."""
    check: CheckReport
    """Everything verified by the store as it was opened with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyRotation:
    """What a new key-encryption key took."""

    kek_version: int
    """The version of the key-encryption key that now is."""
    recipients: tuple[str, ...]
    """The recipients that it was made for."""
    rewrapped: int
    """How many secrets were wrapped anew."""
    purge_pending: bool
    """Whether superseded wraps may still be in the write-ahead log: see `Store.purge`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSaltInfo:
    """One version of the root of blind indexes, without its bytes."""

    version: int
    """1, 2, 3…"""
    is_current: bool
    """Whether `blind_index` uses it; the others find what is not yet indexed anew."""
    created_at: datetime
    """When it was made."""
    verified: bool
    """Whether it was verified: everywhere but in mode `metadata`, which shows what the file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What a blind index tells whoever reads its column, worked out over the values; upper bounds."""

    rows: int
    """How many values there are, without nulls."""
    nulls: int
    """How many nulls there are; that they are null shows."""
    distinct_values: int
    """How many different values there are, before they are normalised."""
    most_common_share: float
    """The share of the most common value."""
    value_entropy: float
    """Shannon entropy of the values, in bits a row."""
    value_min_entropy: float
    """Min-entropy of the values, in bits a row."""
    bits: int
    """The width of the index."""
    distinct_indexes: int
    """How many different indexes there are."""
    leaked_bits: float
    """What a row's index tells of its value, on average, in bits."""
    remaining_bits: float
    """How much of the values' entropy remains to who sees the index, in bits a row."""
    guess_chance: float
    """The chance of guessing a row's value right in one guess, with its index."""
    min_entropy_leaked: float
    """How many times more often the best guess is right with the index, as bits."""
    found: float
    """How many rows a search finds, on average over the values of random rows."""
    false_positives: float
    """How many of them hold another value than the one searched for."""
    recommended_bits: int | None
    """The most bits that surely leave a bit to find out, if there are any."""
    narrowest_bits: int
    """The fewest bits at which a search finds fewer than √rows others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A key or purpose that was set aside because it does not verify."""

    kind: str
    """`key` or `purpose`."""
    id: str
    """Its name."""
    reason: str
    """Why, in the words of who did it."""
    created_at: datetime
    """When."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyset:
    """An exported keyset: secret, unless it is protected. Python does not wipe it."""

    data: bytes = field(repr=False)
    """The keyset, as JSON or binary; under a passphrase text of keyfold's own."""
    losses: tuple[str, ...]
    """What of the key the keyset does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupInfo:
    """A backup that was made."""

    anchor: str
    """Where the backup stands. Keep it apart from the backup, and restore with it."""
    check: CheckReport
    """What checking the finished backup gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreInfo:
    """A backup that was restored."""

    anchor: str
    """Where the restored store stands. Earlier anchors of it open it no more."""
    fingerprint: str
    """The restored store's identity."""
    replaced: bool
    """Whether a store was at the path, and was written over."""
    rotated: tuple[str, ...]
    """The keys that got a new version."""
