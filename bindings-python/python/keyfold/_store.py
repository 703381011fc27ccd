"""`Store`: what a user calls to manage keys."""

from __future__ import annotations

import os
import warnings

from . import _native
from ._calls import checked
from .exceptions import KeyfoldWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any, Self

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
    from ._types import Buffer, Clock, Context, Duration, MasterKey, NewKey

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
    mode: str = "admin",
    immutable: bool = False,
    production: bool = False,
    insecure_dev: bool = False,
    require_mlock: bool = False,
    clock: Clock | None = None,
) -> Store:
    """Opens a store, or makes one where `create` asks for it. Use it in a `with` statement, or close it.

    Args:
        path: The store's file.
        master_key: 32 bytes; text (`env:NAME`, `file:PATH`, `fd:N`, base64 as `generate_master_key` gives, or
            what was printed of a RecoveryKey or Shares); a Passphrase, RecoveryKey or Shares; a callable that
            gives 32 bytes; or a list of these, which are tried in order. Left out, the environment variable
            `KEYFOLD_MASTER_KEY` is read, which holds base64, `file:PATH` or `fd:N`.
        create: Make the store if there is none at the path; whoever comes second opens it.
        refresh_interval: How soon a change by another process is used here; 10 ms to 1 h.
        max_stale: How long keys serve when the file cannot be read; then calls fail.
        busy_timeout: How long to wait for another process before Busy.
        anchor: Refuse a copy of the store that is older than this `Store.anchor` or forked before it.
        fingerprint: Refuse a store with another identity than this `Store.fingerprint`.
        actor: Who acts, for the audit log. Left out, the user's number, as in `uid:1000`.
        allow_network_fs: Open a store on a network file system although its locks are not dependable.
        mode: What the open store may do: `admin`, everything; `use`, encrypt, decrypt and look up;
            `metadata`, show what it holds, unverified and without a master key.
        immutable: Never write and take no locks, for read-only file systems. Nobody may write meanwhile.
        production: Refuse what is for development: stores made with `insecure_dev`, master key files that
            others may read, network file systems.
        insecure_dev: Make and open a store with a random key of its own in a file beside it.
        require_mlock: Fail where key memory cannot be kept out of swap, rather than warn.
        clock: A callable that gives the time as a datetime with a time zone; for tests. Where it raises
            later, that is shown by `sys.unraisablehook` and the system's time is used.

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
        mode,
        immutable,
        production,
        insecure_dev,
        require_mlock,
        clock,
    )
    store._warn(stacklevel=4)
    return store


@checked
def restore(
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
    """Restores a backup: makes the file where there is none, else writes over the store that is there.

    Before anything is touched the master key must open the backup and everything in it must verify. What is
    written is there whole or not at all. Open stores go on, with the keys that the backup has.

    Args:
        source: The backup.
        path: The store's file.
        master_key: As for `open`.
        replace_other_store: Write over a store that is another than the backup's.
        force: Write over a store that does not verify, or that the master key does not open.
        anchor: Refuse a backup that is older than this anchor or forked before it.
        fingerprint: Refuse a backup of another store than this.
        actor: Who acts, for the audit log.
        busy_timeout: How long to wait for another process before Busy.
        allow_network_fs: Use files on a network file system although their locks are not dependable.
        clock: As for `open`.

    Raises:
        NotFound: There is no backup.
        WrongMasterKey: The master key does not open the backup.
        IntegrityError: The backup does not verify, or is older than the anchor; or what is there does not.
        AlreadyExists: Another store is at the path, and `replace_other_store` was not asked for.
        Busy, Storage, StorageFull, PermissionDenied: The file cannot be written.
    """
    return _native.restore(
        source,
        path,
        master_key,
        replace_other_store,
        force,
        anchor,
        fingerprint,
        actor,
        busy_timeout,
        allow_network_fs,
        clock,
    )


def _given(**options: object) -> dict[str, object]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


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
        """Makes a key with its first version, which is current.

        Args:
            key_id: 1 to 255 letters, digits and `. _ : / -`.
            kind: `aead`; `deterministic`, for equality joins; `stream`, for files; `mac`; or `derive`.
                Left out, that of the algorithm; without one either, `aead`.
            algorithm: Of `aead`: `AES256_GCM_SIV` (the default), `AES256_GCM`, `XAES256_GCM` or
                `XCHACHA20_POLY1305`. The other kinds have one each.
            purpose: What it is for: pii, financial, medical, credentials, api, backup, or one that was
                registered. Keys of one purpose share the root of their blind indexes.
            exportable: Whether its raw bytes may ever leave the store. Cannot be changed later.
            expires_in: How long each version encrypts; decrypting goes on.
            description: A note for people.
            labels: Names and values of the caller's choice, 64 at most.
            on_limit: When a version nears its algorithm's safe number of messages, `rotate` makes the next
                one by itself, `refuse` encrypts no more.
            exist_ok: Return the key as it is where it exists with the same kind, algorithm and purpose.

        Raises:
            AlreadyExists: There is a key of this id, and not an equal one that `exist_ok` allows.
            InvalidArgument: An option is unknown, or of a wrong type or value.
            LimitExceeded: The id, the description or the labels are too long.
            Busy: Another process held the store for longer than `busy_timeout`.
            StorageFull, Storage, PermissionDenied: The file cannot be written.
        """
        options = {
            "kind": kind,
            "algorithm": algorithm,
            "purpose": purpose,
            "exportable": exportable,
            "expires_in": expires_in,
            "description": description,
            "labels": labels,
            "on_limit": on_limit,
            "exist_ok": exist_ok,
        }
        return self._core.create_key(key_id, options)

    def create_keys(self, keys: Iterable[NewKey]) -> list[KeyInfo]:
        """Makes many keys in one transaction: all of them, or none where one is refused.

        Args:
            keys: For each its id, or a pair of its id and a dict with the options of `create_key`; 10,000
                at most.

        Raises:
            InvalidArgument: An id comes twice, or as `create_key`. Of all errors `index` says which key's
                it is.
            AlreadyExists, LimitExceeded, Busy, StorageFull, Storage, PermissionDenied: As `create_key`.
        """
        return self._core.create_keys(keys)

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
        state: str | None = None,
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
            state: Keys whose current version is in this state, or `archived`.
            algorithm: Keys of this algorithm.
            labels: Keys with all of these labels.
            search: Keys with this text in their id or description, taken literally.
            after: Keys whose id comes after this one: for reading a long list in parts.
            limit: At most so many.

        Raises:
            InvalidArgument: A filter is unknown or of a wrong type.
        """
        return self._core.list_keys(kind, purpose, state, algorithm, labels, search, after, limit)

    @checked
    def iter_keys(
        self,
        *,
        kind: str | None = None,
        purpose: str | None = None,
        state: str | None = None,
        algorithm: str | None = None,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        after: str | None = None,
    ) -> Iterator[KeyInfo]:
        """As `list_keys`, reading a long list in parts. Raises as that does, when the first part is read."""
        while True:
            page = self._core.list_keys(kind, purpose, state, algorithm, labels, search, after, _PAGE)
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

    def key_usage(self, key_id: str) -> list[VersionUsage]:
        """How much of what they may seal the versions of a key have sealed, newest first.

        Raises:
            NotFound: There is no such key.
        """
        return self._core.key_usage(key_id)

    @checked
    def rotate_key(self, key_id: str, *, stage: bool = False, algorithm: str | None = None) -> VersionInfo:
        """Makes the next version and has it encrypt from now on; older ciphertexts open as before.

        Args:
            key_id: The key.
            stage: Make the version `staged`: every process learns to decrypt by it, and `promote_version`
                has it encrypt.
            algorithm: Another algorithm of the key's kind, for this version and those after it.

        Raises:
            NotFound: There is no such key.
            KeyUnavailable: The key is archived.
            LimitExceeded: The key has 10,000 versions.
            Busy: Another process held the store for longer than `busy_timeout`.
            StorageFull, Storage, PermissionDenied: The file cannot be written.
        """
        return self._core.rotate_key(key_id, stage, algorithm)

    def promote_version(self, key_id: str, version: int) -> VersionInfo:
        """Has this version encrypt: a staged one, or an earlier one to go back to. The other stays enabled.

        Raises:
            NotFound: There is no such key or version.
            KeyUnavailable: The version is in another state or has expired, or its key is archived.
        """
        return self._core.promote_version(key_id, version)

    @checked
    def set_version_state(
        self, key_id: str, version: int, state: str, *, reason: str | None = None
    ) -> VersionInfo:
        """Sets a version's state: enabled, decrypt_only, disabled or revoked.

        The reason is kept with it and in the audit log. Revoking is final; where it is the current version,
        the next one is made at once and encrypts.

        Raises:
            NotFound: There is no such key or version.
            InvalidArgument: The state is unknown, or not set so.
            InUse: It is the current version of a key in use, which would stop.
            KeyUnavailable: Its state is final, or its destruction is scheduled.
        """
        return self._core.set_version_state(key_id, version, state, reason)

    def archive_key(self, key_id: str) -> KeyInfo:
        """Ends a key's use for good: it encrypts no more. What it sealed still opens.

        All its versions can be disabled and destroyed then, the current one too.

        Raises:
            NotFound: There is no such key.
        """
        return self._core.archive_key(key_id)

    @checked
    def schedule_destruction(self, key_id: str, version: int, *, delay: Duration = "30d") -> VersionInfo:
        """Has a version destroyed by the first `run_due` after the delay. Until then it opens nothing.

        Raises:
            NotFound: There is no such key or version.
            InUse: It is the current version of a key that is not archived.
            KeyUnavailable: Its destruction is scheduled already, or it is destroyed.
        """
        return self._core.schedule_destruction(key_id, version, delay)

    def cancel_destruction(self, key_id: str, version: int) -> VersionInfo:
        """Takes back `schedule_destruction`: the version has the state that it had before.

        Raises:
            NotFound: There is no such key or version.
            InvalidArgument: Nothing is scheduled.
            KeyUnavailable: It is too late.
        """
        return self._core.cancel_destruction(key_id, version)

    def run_due(self) -> RunDueReport:
        """Does what is due: destroys versions whose time has come, for good. Call it now and then, anywhere.

        Raises:
            PermissionDenied: The store is not open in mode `admin`.
        """
        return self._core.run_due()

    def purge(self) -> bool:
        """Tries again to empty the write-ahead log of what was destroyed; whether some may still be there."""
        return self._core.purge()

    def purge_pending(self) -> bool:
        """Whether something that was destroyed or superseded may still be in the write-ahead log."""
        return self._core.purge_pending()

    @checked
    def register_purpose(
        self,
        purpose: str,
        *,
        description: str | None = None,
        rotation_period: Duration | None = None,
        update: bool = False,
    ) -> PurposeInfo:
        """Makes a purpose of the caller's, with a root of blind indexes of its own.

        Args:
            purpose: 1 to 64 letters, digits and `. _ : -`.
            description: A note for people.
            rotation_period: How long a version of its keys should stay current.
            update: Give a purpose that exists, also a built-in one, this description and period.

        Raises:
            AlreadyExists: There is one of this name, and `update` was not asked for.
        """
        return self._core.register_purpose(purpose, description, rotation_period, update)

    def purposes(self) -> list[PurposeInfo]:
        """The built-in purposes, then those that were registered, by name."""
        return self._core.purposes()

    def key_for(self, purpose: str) -> _native.Key:
        """A handle to the key that encrypts for this purpose: its newest one of kind `aead` not archived.

        The handle stays with that key when a newer one is made: ask again for that one.

        Raises:
            InvalidArgument: There is no such purpose.
            NotFound: It has no such key.
        """
        return self._core.key_for(purpose, self)

    @checked
    def index_salts(self, purpose: str | None = None, *, key_id: str | None = None) -> list[IndexSaltInfo]:
        """The live versions of a root of blind indexes, newest first: a purpose's, or that of a key.

        Raises:
            NotFound: There is no such purpose or key, or it has no root yet.
            InvalidArgument: Not one of `purpose` and `key_id` is given, or the key has a purpose.
        """
        return self._core.index_salts(purpose, key_id)

    @checked
    def rotate_index_salt(self, purpose: str | None = None, *, key_id: str | None = None) -> IndexSaltInfo:
        """Makes the next version of a root of blind indexes, which `blind_index` uses from now on.

        Search for all that `blind_indexes` gives while the rows are indexed anew; then `retire_index_salt`.

        Raises:
            LimitExceeded: There are 64 versions.
            NotFound, InvalidArgument: As `index_salts`.
        """
        return self._core.rotate_index_salt(purpose, key_id)

    @checked
    def retire_index_salt(
        self, purpose: str | None = None, *, key_id: str | None = None, version: int
    ) -> None:
        """Deletes a version of a root of blind indexes for good. Every row must be indexed anew before.

        Raises:
            InUse: It is the current version.
            NotFound, InvalidArgument: As `index_salts`.
        """
        self._core.retire_index_salt(purpose, key_id, version)

    @checked
    def get_index_salt(
        self, purpose: str | None = None, *, key_id: str | None = None, version: int | None = None
    ) -> bytes:
        """The 32 secret bytes of a root of blind indexes, for a service that computes them by itself.

        Whoever has them can test guesses at every indexed value. Python does not wipe them. Recorded.

        Raises:
            PermissionDenied: The store is not open in mode `admin`.
            NotFound, InvalidArgument: As `index_salts`.
        """
        return self._core.get_index_salt(purpose, key_id, version)

    @checked
    def derive_key(self, key_id: str, purpose: str, length: int, *, version: int | None = None) -> bytes:
        """Secret bytes for this purpose, from a key of kind `derive`: the same in every process (HKDF).

        Keep the number of the version beside what they protect: without it the current one is used, and
        rotating changes what comes out. Python does not wipe them.

        Raises:
            NotFound: There is no such key or version.
            InvalidArgument: The key is of another kind; purpose or length is empty.
            LimitExceeded: Past 255 bytes of purpose or 8,160 bytes.
            KeyUnavailable: The version's state forbids it.
            PermissionDenied: The store is not open in mode `admin`.
        """
        return self._core.derive_key(key_id, purpose, length, version)

    def recipients(self) -> list[RecipientInfo]:
        """Every way to open the store, in order of id."""
        return self._core.recipients()

    @checked
    def add_recipient(
        self, master_key: MasterKey, recipient_id: str | None = None, *, description: str | None = None
    ) -> RecipientInfo:
        """Adds a way to open the store. What opens it now goes on opening it.

        Args:
            master_key: As for `keyfold.open`; a Passphrase, RecoveryKey or Shares, for one.
            recipient_id: Its name in the store. Left out, its kind and a number, as in `passphrase-1`.
            description: A note for people: where the paper lies, who holds the shares.

        Raises:
            AlreadyExists: The id is taken, or the same secret opens the store already.
            LimitExceeded: There are 16.
            ProviderUnavailable: The master key callable raised; its exception is the `__cause__`.
        """
        return self._core.add_recipient(master_key, recipient_id, description)

    def remove_recipient(self, recipient_id: str) -> MasterKeyRotation:
        """Takes a way to open the store away, and makes a new key-encryption key that it does not get.

        Open stores that use it are refused as WrongMasterKey at their next refresh.

        Raises:
            NotFound: There is no such recipient.
            InUse: This store was opened by it.
        """
        return self._core.remove_recipient(recipient_id)

    def test_recipient(self, master_key: MasterKey) -> RecipientInfo:
        """Tries whether a master key opens the store, and changes nothing: the recipient that it opens.

        Raises:
            WrongMasterKey: It opens none.
        """
        return self._core.test_recipient(master_key)

    def recipient_public_key(self, recipient_id: str | None = None) -> str:
        """A recipient's public key: a keyset that is sealed by it opens by this recipient's secret only.

        Args:
            recipient_id: The recipient; left out, the one that this store was opened by.

        Raises:
            NotFound: There is no such recipient.
        """
        return self._core.recipient_public_key(recipient_id)

    def drill(self, master_key: MasterKey) -> DrillReport:
        """A recovery drill: opens the file anew with this master key, and verifies everything. Recorded.

        Raises:
            WrongMasterKey: It does not open the store.
        """
        return self._core.drill(master_key)

    @checked
    def rotate_master_key(self, new_master_key: MasterKey | None = None) -> MasterKeyRotation:
        """Makes a new key-encryption key for every recipient, without their secrets. Ciphertexts stay.

        With a new master key, adds it and removes the one that this store was opened by: others that use
        that one are refused as WrongMasterKey at their next refresh.

        Raises:
            IntegrityError: Something in the store does not verify; nothing is changed then.
            AlreadyExists: The new master key opens the store already.
        """
        return self._core.rotate_master_key(new_master_key)

    @checked
    def import_key(
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
        """Takes a key in from elsewhere: as a new key, or as the next version of one that exists.

        Args:
            key_id: The key.
            material: The key's bytes, or their text. Nothing is stretched, cut or hashed to fit.
            encoding: How it is written: `raw`, `hex` or `base64`; never guessed.
            as_version: Make it the next version of a key that exists, and the current one; then only
                `algorithm` may be given beside it.
            kind: As for `create_key`, and so are the others.
            algorithm: The algorithm.
            purpose: The purpose.
            exportable: Whether its raw bytes may leave the store again.
            expires_in: How long each version encrypts.
            description: A note for people.
            labels: Names and values of the caller's choice.
            on_limit: `rotate` or `refuse`.

        Raises:
            InvalidArgument: The material has not the algorithm's length, is PEM text, or is one byte
                repeated.
            AlreadyExists: There is such a key, and `as_version` was not asked for.
            NotFound: There is no such key, with `as_version`.
        """
        return self._core.import_key(
            key_id,
            material,
            encoding,
            as_version,
            _given(
                kind=kind,
                algorithm=algorithm,
                purpose=purpose,
                exportable=exportable,
                expires_in=expires_in,
                description=description,
                labels=labels,
                on_limit=on_limit,
            ),
        )

    @checked
    def get_data_key(self, key_id: str, version: int | None = None) -> bytes:
        """The raw bytes of a version, else of the current one. Recorded. Python does not wipe them.

        Raises:
            PermissionDenied: The key was not made exportable, or the store is not open in mode `admin`.
            KeyUnavailable: The version was revoked, destroyed or is about to be.
            NotFound: There is no such key or version.
        """
        return self._core.get_data_key(key_id, version)

    @checked
    def get_encryption_key(self, key_id: str, key_bytes: int, encoding: str) -> bytes | str:
        """The current version's key, `raw` as bytes, `hex` or `base64` as text; else as `get_data_key`.

        Raises:
            InvalidArgument: The key has another length than `key_bytes`, which may be 16, 24, 32 or 64.
        """
        return self._core.get_encryption_key(key_id, key_bytes, encoding)

    @checked
    def export_keyset(
        self,
        key_id: str,
        *,
        format: str = "json",
        passphrase: str | Buffer | None = None,
        under_key: str | None = None,
        insecure_cleartext: bool = False,
        recipient: str | None = None,
    ) -> Keyset:
        """A key with all its versions as a keyset of Google Tink's. Recorded.

        Args:
            key_id: The key; it must have been made exportable.
            format: Tink's `json` or `binary`.
            passphrase: Protect it by a passphrase (Argon2id); it is then a text of keyfold's own.
            under_key: Protect it by a key of kind `aead` of this store: Tink's encrypted keyset.
            insecure_cleartext: Do not protect it: whoever sees it has the keys.
            recipient: Seal it to the store that is to have it, by what its `recipient_public_key` gives.
                See that it comes from there. The keyset is then a text of keyfold's own.

        Raises:
            PermissionDenied: The key was not made exportable.
            InvalidArgument: Not one protection is named, or no version of the key encrypts.
        """
        return self._core.export_keyset(key_id, format, passphrase, under_key, insecure_cleartext, recipient)

    @checked
    def import_keyset(
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
        """Makes a key from a keyset of Google Tink's: what was sealed under it opens.

        Args:
            key_id: The new key.
            keyset: The keyset, JSON or binary.
            passphrase: What protects it.
            under_key: The key of this store that protects it.
            insecure_cleartext: Nothing protects it.
            own_recipient: It was sealed to the recipient that this store was opened by.
            rotate: Have a fresh version encrypt; needed where the keyset's primary key has no prefix.
            purpose: As for `create_key`, and so are the others.
            exportable: Whether its raw bytes may leave the store again.
            expires_in: How long each version encrypts.
            description: A note for people.
            labels: Names and values of the caller's choice.
            on_limit: `rotate` or `refuse`.

        Raises:
            AlreadyExists: There is such a key.
            Unsupported: A key type or prefix that keyfold has not.
            DecryptionFailed: The protection does not open it.
            InvalidArgument: It is no keyset, or not one protection is named.
        """
        return self._core.import_keyset(
            key_id,
            keyset,
            passphrase,
            under_key,
            insecure_cleartext,
            own_recipient,
            rotate,
            _given(
                purpose=purpose,
                exportable=exportable,
                expires_in=expires_in,
                description=description,
                labels=labels,
                on_limit=on_limit,
            ),
        )

    def quarantine(self, kind: str, id: str, reason: str) -> None:
        """Sets a key or purpose aside that does not verify: it is kept for inquiry, and barred. Recorded.

        Args:
            kind: `key` or `purpose`.
            id: Its name.
            reason: Why, in one line.

        Raises:
            InvalidArgument: It verifies, or another kind is named.
            NotFound: There is none.
            AlreadyExists: It was set aside before.
        """
        self._core.quarantine(kind, id, reason)

    def quarantined(self) -> list[Quarantined]:
        """What was set aside, in order of kind and id."""
        return self._core.quarantined()

    @checked
    def backup(
        self, path: str | os.PathLike[str], *, progress: Callable[[int, int], object] | None = None
    ) -> BackupInfo:
        """Copies the store as it is at one moment into a new file, while it is in use, and checks the copy.

        Args:
            path: The new file. It appears whole or not at all, readable for its owner alone.
            progress: Called now and then with the pages that are done, and all pages. What it raises is
                raised when the backup is made.

        Raises:
            AlreadyExists: There is a file at the path.
            Storage, StorageFull, PermissionDenied: The file cannot be written.
        """
        return self._core.backup(path, progress)

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

    def is_verified(self) -> bool:
        """Whether what it shows was verified: in every mode but `metadata`, which has no key for that."""
        return self._core.is_verified()

    def fingerprint(self) -> str:
        """The store's identity: open with it, and no other store passes for this one."""
        return self._core.fingerprint()

    def close(self) -> None:
        """Waits for calls in flight, wipes all keys and closes the file. Closing again does nothing."""
        self._closed = True
        self._core.close()
