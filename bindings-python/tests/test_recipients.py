"""Master keys of all kinds, recipients, and new key-encryption keys."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import keyfold
import pytest
from conftest import MASTER_KEY


def cheap(text: str) -> keyfold.Passphrase:
    """A passphrase at the least cost that is allowed."""
    return keyfold.Passphrase(text, memory_kib=19 << 10, passes=1, lanes=1)


def test_passphrases(path: Path, store: keyfold.Store) -> None:
    info = store.add_recipient(cheap("correct horse"), "words", description="Ada knows")
    assert (info.recipient_id, info.kind, info.description, info.is_mine) == (
        "words",
        "passphrase",
        "Ada knows",
        False,
    )
    assert info.parameters["kdf"]
    assert store.test_recipient(cheap("correct horse")) == info
    with keyfold.open(path, keyfold.Passphrase("correct horse")) as again:
        assert [one.is_mine for one in again.recipients()] == [False, True]
    with pytest.raises(keyfold.WrongMasterKey):
        keyfold.open(path, cheap("battery staple"))
    with pytest.raises(keyfold.AlreadyExists):
        store.add_recipient(cheap("correct horse"))


def test_wrong_passphrases() -> None:
    for arguments in (("",), (None,), (7,), (b"bytes",), ("\ud800",)):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.Passphrase(*arguments)
    with pytest.raises(keyfold.LimitExceeded):
        keyfold.Passphrase("a" * 4097)
    for options in (
        {"memory_kib": 1},
        {"memory_kib": "64"},
        {"passes": 0},
        {"lanes": 9},
        {"lanes": True},
        {"pbkdf2_rounds": 1000},
        {"pbkdf2_rounds": 600_000, "passes": 1},
    ):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.Passphrase("words", **options)


def test_recovery_keys(path: Path, store: keyfold.Store) -> None:
    recovery = keyfold.RecoveryKey.generate()
    printed = recovery.reveal()
    assert printed.startswith("kfr1-")
    store.add_recipient(recovery)
    report = store.drill(printed.lower())
    assert (report.recipient.kind, report.check.ok) == ("recovery_key", True)
    for given in (recovery, printed):
        keyfold.open(path, given).close()
    damaged = printed[:-1] + ("0" if printed[-1] != "0" else "1")
    with pytest.raises(keyfold.InvalidArgument) as caught:
        keyfold.open(path, damaged)
    assert printed[5:11] not in str(caught.value)


def test_shares(path: Path, store: keyfold.Store) -> None:
    shares = keyfold.Shares.split(2, 3)
    texts = shares.reveal()
    assert len(set(texts)) == 3
    store.add_recipient(shares, "board")
    keyfold.open(path, " ".join(texts[1:])).close()
    keyfold.open(path, shares).close()
    with pytest.raises(keyfold.InvalidArgument, match="too few"):
        keyfold.open(path, texts[0])
    for wrong in ((1, 3), (4, 3), (2, 17), (2, 300), ("2", 3), (2.0, 3), (True, 2)):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.Shares.split(*wrong)


def test_nothing_secret_is_shown_or_pickled() -> None:
    recovery, shares = keyfold.RecoveryKey.generate(), keyfold.Shares.split(2, 2)
    for secret in (recovery, shares, cheap("correct horse")):
        assert "horse" not in repr(secret)
        assert "kf" not in repr(secret).removeprefix("<keyfold.")
        with pytest.raises(TypeError):
            pickle.dumps(secret)
    for kind in (keyfold.RecoveryKey, keyfold.Shares):
        with pytest.raises(TypeError):
            kind()


def test_several_master_keys_in_order(path: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def fails() -> bytes:
        asked.append("first")
        raise ZeroDivisionError

    others: list[Any] = [fails, f"file:{tmp_path / 'nothing'}", keyfold.generate_master_key(), MASTER_KEY]
    for several in (others, tuple(others)):
        with pytest.warns(keyfold.KeyfoldWarning, match="did not serve"):
            keyfold.open(path, several).close()
    assert asked == ["first", "first"]
    with pytest.raises(keyfold.WrongMasterKey) as caught:
        keyfold.open(path, others[:3])
    assert "nothing" in str(caught.value)
    for wrong in ([], [7], [None], [[MASTER_KEY]], [MASTER_KEY, ""]):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.open(path, wrong)
    with pytest.raises(keyfold.LimitExceeded):
        keyfold.open(path, [MASTER_KEY] * 17)


def test_rotating_and_removing(path: Path, store: keyfold.Store, pii: keyfold.Key) -> None:
    sealed = pii.encrypt(b"ada")
    done = store.rotate_master_key()
    assert (done.kek_version, len(done.recipients), done.purge_pending) == (2, 1, False)
    assert done.rewrapped >= 2
    new = os.urandom(32)
    store.add_recipient(new, "new")
    with pytest.raises(keyfold.InUse):
        store.remove_recipient(store.recipients()[0].recipient_id)
    with keyfold.open(path, new) as other:
        assert other.remove_recipient(done.recipients[0]).recipients == ("new",)
        assert other.decrypt("pii", sealed) == b"ada"
        newer = keyfold.generate_master_key()
        other.rotate_master_key(newer)
    with pytest.raises(keyfold.WrongMasterKey):
        keyfold.open(path, MASTER_KEY)
    keyfold.open(path, newer).close()
    for wrong in (7, b"short"):
        with pytest.raises(keyfold.InvalidArgument):
            store.test_recipient(wrong)  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument):
        store.add_recipient(os.urandom(32), 7)  # type: ignore[arg-type]
