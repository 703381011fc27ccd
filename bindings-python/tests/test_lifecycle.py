"""The life of keys and versions, purposes, usage, modes and clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import keyfold
import pytest
from conftest import MASTER_KEY


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of `timed`."""
    return Clock()


def test_expiry_by_the_clock(path: Path, clock: Clock) -> None:
    with keyfold.open(path, MASTER_KEY, clock=clock) as store:
        info = store.create_key("short", expires_in="30d", on_limit="refuse")
        assert info.created_at == clock.now
        assert info.expires_at == clock.now + timedelta(days=30)
        assert (info.expires_in, info.on_limit) == (timedelta(days=30), "refuse")
        assert (info.rotation_due_at, store.key_info("pii").expires_in) == (None, None)
        key = store.key("short")
        sealed = key.encrypt(b"ada")
        assert not store.inspect(sealed)[0].expired
        clock.now += timedelta(days=31)
        with pytest.raises(keyfold.KeyUnavailable) as caught:
            key.encrypt(b"ada")
        assert (caught.value.key_id, caught.value.version) == ("short", 1)
        assert key.decrypt(sealed) == b"ada"
        (inspected,) = store.inspect(sealed)
        assert (inspected.expired, inspected.expires_at) == (True, info.expires_at)


def test_wrong_clocks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (7, "now", lambda: None, lambda: 7, lambda: datetime(2030, 1, 1)):
        with pytest.raises(keyfold.InvalidArgument, match="clock"):
            keyfold.open(path, MASTER_KEY, clock=wrong)  # type: ignore[arg-type]

    def broken() -> datetime:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        keyfold.open(path, MASTER_KEY, clock=broken)
    shown: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", shown.append)
    answers = [datetime.now(UTC)] * 3

    def ends() -> datetime:
        return answers.pop()

    with keyfold.open(path, MASTER_KEY, clock=ends) as store:
        answers.clear()
        before = datetime.now(UTC) - timedelta(seconds=1)
        assert before <= store.create_key("late").created_at <= datetime.now(UTC)
    assert all(isinstance(one.exc_value, IndexError) for one in shown)
    assert shown


def test_states(store: keyfold.Store, pii: keyfold.Key) -> None:
    sealed = pii.encrypt(b"ada")
    staged = store.rotate_key("pii", stage=True)
    assert (staged.state, staged.is_current) == ("staged", False)
    assert store.promote_version("pii", 2).is_current
    off = store.set_version_state("pii", 1, "disabled", reason="a test")
    assert (off.state, off.state_reason) == ("disabled", "a test")
    with pytest.raises(keyfold.KeyUnavailable) as caught:
        store.decrypt("pii", sealed)
    assert caught.value.version == 1
    store.set_version_state("pii", 1, "enabled")
    assert store.decrypt("pii", sealed) == b"ada"
    with pytest.raises(keyfold.InUse):
        store.set_version_state("pii", 2, "disabled")
    assert store.set_version_state("pii", 2, "revoked").state == "revoked"
    assert store.key_info("pii").current_version == 3
    assert store.rotate_key("pii", algorithm="XAES256_GCM").algorithm == "XAES256_GCM"
    calls: list[Any] = [
        lambda: store.set_version_state("pii", 1, "sleepy"),
        lambda: store.set_version_state("pii", 1, "staged"),
        lambda: store.set_version_state("pii", 1, None),  # type: ignore[arg-type]
        lambda: store.set_version_state("pii", True, "enabled"),
        lambda: store.set_version_state("pii", "1", "enabled"),  # type: ignore[arg-type]
        lambda: store.set_version_state("pii", -1, "enabled"),
        lambda: store.set_version_state("pii", 1, "enabled", reason=7),  # type: ignore[arg-type]
        lambda: store.promote_version("pii", 2**70),
        lambda: store.rotate_key("pii", stage=1),  # type: ignore[arg-type]
        lambda: store.rotate_key("pii", algorithm="AES256_SIV"),
        lambda: store.rotate_key("pii", staged=True),  # type: ignore[call-arg]
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument):
            call()
    with pytest.raises(keyfold.NotFound):
        store.promote_version("pii", 99)


def test_destruction(path: Path, clock: Clock) -> None:
    with keyfold.open(path, MASTER_KEY, clock=clock) as store:
        sealed = store.encrypt("pii", b"ada")
        store.rotate_key("pii")
        info = store.schedule_destruction("pii", 1)
        assert (info.state, info.destroy_at) == ("pending_destruction", clock.now + timedelta(days=30))
        assert store.cancel_destruction("pii", 1).state == "enabled"
        store.schedule_destruction("pii", 1, delay=timedelta(days=1))
        assert store.run_due().destroyed == ()
        clock.now += timedelta(days=2)
        report = store.run_due()
        assert [(one.key_id, one.version) for one in report.destroyed] == [("pii", 1)]
        assert (report.at, report.failures, report.purge_pending) == (clock.now, (), False)
        assert store.purge() is store.purge_pending() is False
        with pytest.raises(keyfold.KeyUnavailable):
            store.decrypt("pii", sealed)
        with pytest.raises(keyfold.KeyUnavailable):
            store.cancel_destruction("pii", 1)
        for wrong in (30, None, "30", "", timedelta(days=-1)):
            with pytest.raises(keyfold.InvalidArgument):
                store.schedule_destruction("pii", 1, delay=wrong)  # type: ignore[arg-type]
        with pytest.raises(keyfold.InUse):
            store.schedule_destruction("pii", 2)
        assert store.archive_key("pii").archived
        store.schedule_destruction("pii", 2, delay="0s")
        with pytest.raises(keyfold.KeyUnavailable):
            store.encrypt("pii", b"ada")
        assert [one.key_id for one in store.list_keys(state="archived")] == ["pii"]
        assert [one.key_id for one in store.iter_keys(state="enabled")] == ["other"]
        with pytest.raises(keyfold.InvalidArgument):
            store.list_keys(state="sleepy")


def test_many_keys_at_once(store: keyfold.Store) -> None:
    made = store.create_keys(["a", ("b", {"kind": "mac", "labels": {"x": "y"}}), ("c", {})])
    assert [(one.key_id, one.kind) for one in made] == [("a", "aead"), ("b", "mac"), ("c", "aead")]
    assert made[1].labels == {"x": "y"}
    assert store.create_keys([]) == []
    for bad, index in (
        (["d", ("e", {"kin": "mac"})], 1),
        (["d", ("e", {"kind": "hash"})], 1),
        (["d", "d"], 1),
        ([("d", {"exportable": 1})], 0),
        (["d", 7], 1),
        (["d", ("e",)], 1),
        (["d", ("e", None)], 1),
        (["d", ["e", {}]], 1),
    ):
        with pytest.raises(keyfold.InvalidArgument) as caught:
            store.create_keys(bad)  # type: ignore[arg-type]
        assert caught.value.index == index
    with pytest.raises(keyfold.AlreadyExists) as exists:
        store.create_keys(["d", "pii"])
    assert exists.value.index == 1
    for wrong in (None, "abc", 7):
        with pytest.raises(keyfold.InvalidArgument):
            store.create_keys(wrong)  # type: ignore[arg-type]
    with pytest.raises(keyfold.NotFound):
        store.key_info("d")


def test_usage(store: keyfold.Store) -> None:
    store.create_key("counted", algorithm="AES256_GCM")
    store.encrypt("counted", b"ada")
    (usage,) = store.key_usage("counted")
    assert usage.version == 1
    assert 1 <= usage.messages <= 256
    assert usage.limit == 2**32
    with pytest.raises(keyfold.NotFound):
        store.key_usage("nope")


def test_purposes(store: keyfold.Store) -> None:
    assert set(keyfold.PURPOSES) == {one.purpose for one in store.purposes()}
    made = store.register_purpose("chat", description="Messages", rotation_period="90d")
    assert (made.purpose, made.rotation_period, made.built_in) == ("chat", timedelta(days=90), False)
    assert made in store.purposes()
    with pytest.raises(keyfold.AlreadyExists):
        store.register_purpose("chat")
    assert store.register_purpose("chat", update=True).rotation_period is None
    with pytest.raises(keyfold.NotFound):
        store.key_for("chat")
    store.create_key("chat-1", purpose="chat")
    key = store.key_for("chat")
    assert key.id == "chat-1"
    with pytest.raises(keyfold.InvalidArgument):
        store.key_for("unknown")
    for options in ({"rotation_period": 90}, {"update": 1}, {"description": 7}, {"period": "1d"}):
        with pytest.raises(keyfold.InvalidArgument):
            store.register_purpose("x", **options)


def test_modes(path: Path) -> None:
    with keyfold.open(path, MASTER_KEY, mode="use") as store:
        assert store.is_verified()
        pii = store.key("pii")
        assert pii.decrypt(pii.encrypt(b"ada")) == b"ada"
        for call in (
            lambda: store.rotate_key("pii"),
            store.run_due,
            store.rotate_master_key,
            lambda: store.get_index_salt(key_id="pii"),
            lambda: store.get_data_key("pii"),
        ):
            with pytest.raises(keyfold.PermissionDenied):
                call()
    with keyfold.open(path, mode="metadata") as store:
        assert not store.is_verified()
        assert [one.key_id for one in store.list_keys()] == ["other", "pii"]
        with pytest.raises(keyfold.PermissionDenied):
            store.encrypt("pii", b"ada")


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "root"},
        {"mode": None},
        {"mode": b"use"},
        {"immutable": 1},
        {"immutable": True, "create": True},
        {"production": "yes"},
        {"production": True, "insecure_dev": True},
        {"insecure_dev": None},
        {"require_mlock": 0},
        {"clock": 7},
    ],
)
def test_bad_options(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(keyfold.InvalidArgument, match=next(iter(options))):
        keyfold.open(path, MASTER_KEY, **options)


def test_development_and_production(tmp_path: Path) -> None:
    path = tmp_path / "dev.keyfold"
    with pytest.warns(keyfold.KeyfoldWarning), keyfold.open(path, create=True, insecure_dev=True) as store:
        store.create_key("pii")
    with pytest.raises(keyfold.KeyfoldError):
        keyfold.open(path, MASTER_KEY, production=True)


def test_an_immutable_store(path: Path) -> None:
    with keyfold.open(path, MASTER_KEY) as store:
        sealed = store.encrypt("pii", b"ada")
    with keyfold.open(path, MASTER_KEY, immutable=True) as store:
        assert store.decrypt("pii", sealed) == b"ada"
        with pytest.raises(keyfold.PermissionDenied):
            store.rotate_key("pii")


def test_deriving(store: keyfold.Store) -> None:
    store.create_key("root", kind="derive")
    first = store.derive_key("root", "session", 32)
    assert len(first) == 32
    assert store.derive_key("root", "session", 32, version=1) == first != store.derive_key("root", "x", 32)
    store.rotate_key("root")
    assert (
        store.derive_key("root", "session", 32) != first == store.derive_key("root", "session", 32, version=1)
    )
    for arguments in (
        ("root", "", 32),
        ("root", "x", 0),
        ("root", "x", -1),
        ("root", "x", 1.0),
        ("root", b"x", 1),
    ):
        with pytest.raises(keyfold.InvalidArgument):
            store.derive_key(*arguments)
    with pytest.raises(keyfold.LimitExceeded):
        store.derive_key("root", "x", 8161)
    with pytest.raises(keyfold.InvalidArgument):
        store.derive_key("pii", "x", 32)


def test_macs(store: keyfold.Store) -> None:
    import hashlib
    import hmac

    store.import_key("codes", bytes(range(32)), "raw", kind="mac")
    key = store.key("codes")
    code, raw = key.mac(b"data"), key.mac(b"data", raw=True)
    assert raw == hmac.digest(bytes(range(32)), b"data", hashlib.sha256)
    assert code[5:] == raw
    key.verify_mac(b"data", code)
    key.verify_mac(b"data", keyfold.to_text(code))
    key.verify_mac(bytearray(b"data"), raw, raw=True)
    store.rotate_key("codes")
    key.verify_mac(b"data", code)
    key.verify_mac(b"data", raw, raw=True)
    for data, mac, is_raw in (
        (b"x", code, False),
        (b"data", raw, False),
        (b"data", code, True),
        (b"data", b"", True),
    ):
        with pytest.raises(keyfold.VerificationFailed):
            key.verify_mac(data, mac, raw=is_raw)
    calls: list[Any] = [
        lambda: key.mac("data"),  # type: ignore[arg-type]
        lambda: key.mac(b"data", raw=1),  # type: ignore[arg-type]
        lambda: key.verify_mac(b"data", None),  # type: ignore[arg-type]
        lambda: key.verify_mac(b"data", "kf1.x", raw=True),
        lambda: store.key("pii").mac(b"data"),
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument):
            call()


def test_infos_are_dataclasses_to_those_who_ask(store: keyfold.Store) -> None:
    import copy
    import dataclasses
    import inspect
    import pickle

    info = store.key_info("pii")
    assert dataclasses.is_dataclass(info)
    assert dataclasses.asdict(info)["key_id"] == "pii"
    assert dataclasses.replace(info, key_id="x").key_id == "x"
    assert repr(info).startswith("KeyInfo(key_id='pii', kind='aead'")
    assert copy.deepcopy(info) == info == pickle.loads(pickle.dumps(info))
    report = store.check()
    assert dataclasses.asdict(report)["recipients"] == 1
    assert inspect.getdoc(keyfold.KeyInfo) == "A key, without its bytes."
    with pytest.raises(AttributeError):
        del info.key_id
    with pytest.raises(AttributeError):
        info.extra = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        keyfold.Finding(subject="x", problem="y")  # type: ignore[call-arg]
    assert info != store.key_info("other")
    assert info != object()
