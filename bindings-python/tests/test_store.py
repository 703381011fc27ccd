"""Opening, closing, managing keys."""

from __future__ import annotations

import base64
import gc
import hashlib
import os
import pickle
import stat
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import keyfold
import pytest
from conftest import MASTER_KEY


def test_master_key_from_every_source(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = tmp_path / "master.key"
    key_file.write_text(MASTER_KEY + "\n")
    key_file.chmod(0o600)
    monkeypatch.setenv("SOME_KEY", MASTER_KEY)
    monkeypatch.setenv("KEYFOLD_MASTER_KEY", f"file:{key_file}")
    reader, writer = os.pipe()
    os.write(writer, MASTER_KEY.encode())
    os.close(writer)
    secret = hashlib.sha256(b"a key for the tests of keyfold").digest()
    sources: list[Any] = [
        None,
        secret,
        bytearray(secret),
        memoryview(secret),
        MASTER_KEY,
        MASTER_KEY + "\n",
        "env:SOME_KEY",
        f"file:{key_file}",
        f"fd:{reader}",
        lambda: secret,
        lambda: bytearray(secret),
    ]
    for source in sources:
        with keyfold.open(path, source) as store:
            assert store.key_info("pii").key_id == "pii"
    os.close(reader)


def test_generated_master_keys_differ_and_open(tmp_path: Path) -> None:
    one, two = keyfold.generate_master_key(), keyfold.generate_master_key()
    assert one != two
    assert len(base64.b64decode(one, validate=True)) == 32
    keyfold.open(tmp_path / "s", one, create=True).close()
    with pytest.raises(keyfold.WrongMasterKey):
        keyfold.open(tmp_path / "s", two)


@pytest.mark.parametrize(
    "source",
    [
        7,
        1.5,
        True,
        [1],
        {},
        object(),
        b"",
        bytes(31),
        bytes(33),
        bytes(32),
        "",
        "x",
        "\ud800",
        "env:",
        "fd:x",
    ],
)
def test_other_master_keys_are_refused(path: Path, source: Any) -> None:
    with pytest.raises(keyfold.InvalidArgument):
        keyfold.open(path, source)


def test_a_master_key_is_never_echoed(path: Path) -> None:
    secret = base64.b64encode(hashlib.sha256(b"another key").digest()).decode()
    for wrong in (secret, secret[:-1], secret + "x", secret.encode()):
        with pytest.raises(keyfold.KeyfoldError) as caught:
            keyfold.open(path, wrong)
        assert secret[:-1] not in repr(caught.value)
        assert secret[:-1] not in str(caught.value.__dict__)


def test_a_callable_may_fail_with_its_own_exception(path: Path) -> None:
    class Unreachable(Exception):
        pass

    def ask() -> bytes:
        raise Unreachable("no route")

    with pytest.raises(keyfold.ProviderUnavailable) as caught:
        keyfold.open(path, ask)
    assert isinstance(caught.value.__cause__, Unreachable)
    assert caught.value.__cause__.args == ("no route",)
    assert caught.value.retryable


def test_an_interrupt_in_a_callable_passes_through(path: Path) -> None:
    def ask() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keyfold.open(path, ask)


@pytest.mark.parametrize("answer", [None, "text", 7, b"", bytes(range(31))])
def test_a_callable_must_give_32_bytes(path: Path, answer: Any) -> None:
    with pytest.raises(keyfold.InvalidArgument, match="32 bytes"):
        keyfold.open(path, lambda: answer)


def test_a_callable_may_use_keyfold_and_fork(path: Path) -> None:
    def ask() -> bytes:
        with keyfold.open(path, MASTER_KEY) as other:
            other.rotate_key("other")
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        return hashlib.sha256(b"a key for the tests of keyfold").digest()

    with keyfold.open(path, ask) as store:
        assert store.key_info("other").current_version == 2


def test_the_path_is_text_or_a_path(path: Path) -> None:
    class Where:
        def __fspath__(self) -> str:
            return str(path)

    for accepted in (path, str(path), Where()):
        keyfold.open(accepted, MASTER_KEY).close()
    for refused in (None, 7, os.fsencode(path), ["x"]):
        with pytest.raises(keyfold.InvalidArgument, match="path"):
            keyfold.open(refused, MASTER_KEY)  # type: ignore[arg-type]
    for odd in ("", "a\0b", ":memory:"):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.open(odd, MASTER_KEY, create=True)


def test_file_names_need_not_be_unicode(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.keyfold")
    with keyfold.open(name, MASTER_KEY, create=True) as store:
        repr(store)
    assert os.path.exists(name)


def test_a_missing_store_is_not_made_unasked(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(keyfold.NotFound, match="missing"):
        keyfold.open(missing, MASTER_KEY)
    assert not missing.exists()
    keyfold.open(missing, MASTER_KEY, create=True).close()
    assert stat.S_IMODE(missing.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "options",
    [
        {"creat": True},
        {"create": 1},
        {"create": None},
        {"create": "yes"},
        {"allow_network_fs": 0},
        {"refresh_interval": 1},
        {"refresh_interval": 1.5},
        {"refresh_interval": None},
        {"refresh_interval": "1"},
        {"refresh_interval": ""},
        {"refresh_interval": '1s", "create": true, "max_stale": "60s'},
        {"refresh_interval": "\ud800"},
        {"refresh_interval": timedelta(seconds=-1)},
        {"refresh_interval": timedelta(0)},
        {"refresh_interval": timedelta.max},
        {"max_stale": timedelta(milliseconds=1)},
        {"max_stale": timedelta.max},
        {"busy_timeout": timedelta.max},
        {"busy_timeout": 5},
        {"anchor": "kfa1.xyz"},
        {"anchor": b"kfa1"},
        {"fingerprint": 7},
        {"actor": ""},
        {"actor": 7},
        {"actor": "a\nb"},
    ],
)
def test_bad_options_are_refused(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(keyfold.InvalidArgument) as caught:
        keyfold.open(path, MASTER_KEY, **options)
    name = next(iter(options))
    assert name in str(caught.value)


def test_calls_of_a_wrong_shape_are_refused(path: Path) -> None:
    with pytest.raises(keyfold.InvalidArgument):
        keyfold.open()  # type: ignore[call-arg]
    with pytest.raises(keyfold.InvalidArgument):
        keyfold.open(path, MASTER_KEY, True)  # type: ignore[call-arg]


def test_durations_are_timedeltas_or_text(path: Path) -> None:
    for interval in ("250ms", timedelta(milliseconds=250), timedelta(hours=1)):
        stale = timedelta(days=1)
        keyfold.open(path, MASTER_KEY, refresh_interval=interval, max_stale=stale).close()


def test_anchor_and_fingerprint(path: Path, tmp_path: Path) -> None:
    with keyfold.open(path, MASTER_KEY) as store:
        anchor, fingerprint = store.anchor(), store.fingerprint()
    copy = path.read_bytes()
    with keyfold.open(path, MASTER_KEY, anchor=anchor, fingerprint=fingerprint) as store:
        store.rotate_key("pii")
        newer = store.anchor()
    old = tmp_path / "old.keyfold"
    old.write_bytes(copy)
    with pytest.raises(keyfold.IntegrityError):
        keyfold.open(old, MASTER_KEY, anchor=newer)
    with pytest.raises(keyfold.IntegrityError):
        keyfold.open(path, MASTER_KEY, fingerprint="kff1.AAAA")


def test_closing(path: Path) -> None:
    store = keyfold.open(path, MASTER_KEY)
    key = store.key("pii")
    sealed = key.encrypt(b"ada")
    store.close()
    store.close()
    assert "closed" in repr(store)
    assert key.id == "pii"
    calls: list[Any] = [
        lambda: key.encrypt(b"ada"),
        lambda: key.decrypt(sealed),
        lambda: key.encrypt(bytes(5000)),
        lambda: key.blind_index("ada", "f"),
        lambda: key.info,
        lambda: store.key("pii"),
        lambda: store.list_keys(),
        lambda: store.encrypt("pii", b"ada"),
        lambda: store.rotate_key("pii"),
        lambda: store.inspect(sealed),
        store.check,
        store.anchor,
    ]
    for call in calls:
        with pytest.raises(keyfold.Closed):
            call()


def test_an_exception_in_the_with_statement_closes(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), keyfold.open(path, MASTER_KEY) as store:
        raise ZeroDivisionError
    with pytest.raises(keyfold.Closed):
        store.anchor()


def test_a_forgotten_store_is_closed_with_a_warning(path: Path) -> None:
    store: Any = keyfold.open(path, MASTER_KEY)
    with pytest.warns(ResourceWarning, match="unclosed <keyfold.Store"):
        del store
        gc.collect()


def test_a_key_keeps_its_store_open(path: Path) -> None:
    key: Any = keyfold.open(path, MASTER_KEY).key("pii")
    gc.collect()
    assert key.decrypt(key.encrypt(b"ada")) == b"ada"
    with pytest.warns(ResourceWarning):
        del key
        gc.collect()


def test_a_cycle_through_a_key_is_collected(path: Path) -> None:
    class Holder(keyfold.Store):
        key_of_mine: keyfold.Key

    options = (False, "1s", "60s", "5s", None, None, None, False, "admin", False, False, False, False, None)
    held: Any = Holder._open(path, MASTER_KEY, *options)
    held.key_of_mine = held.key("pii")
    with pytest.warns(ResourceWarning):
        del held
        gc.collect()


def test_leaving_a_store_open_at_exit_is_harmless(path: Path) -> None:
    code = (
        f"import keyfold; store = keyfold.open({str(path)!r}, {MASTER_KEY!r}); key = store.key('pii');"
        "print(key.decrypt(key.encrypt(b'ada')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'ada'\n", "")


def test_warnings_of_the_core_are_given(path: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "master.key"
    key_file.write_text(MASTER_KEY)
    key_file.chmod(0o644)
    with pytest.warns(keyfold.KeyfoldWarning, match="master.key") as caught:
        keyfold.open(path, f"file:{key_file}").close()
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(keyfold.KeyfoldWarning):
            keyfold.open(path, f"file:{key_file}")
        gc.collect()


def test_a_store_is_not_constructed_or_pickled(store: keyfold.Store, pii: keyfold.Key) -> None:
    for kind in (keyfold.Store, keyfold.Key):
        with pytest.raises(TypeError):
            kind()
    for thing in (store, pii):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_creating_keys(store: keyfold.Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    info = store.create_key(
        "a.b_c:d/e-1",
        algorithm="XAES256_GCM",
        purpose="pii",
        exportable=True,
        description="Ключ",
        labels={"team": "ä"},
    )
    assert info == store.key_info("a.b_c:d/e-1") == store.key("a.b_c:d/e-1").info
    assert info.algorithm == "XAES256_GCM"
    assert (info.kind, info.purpose, info.exportable, info.archived) == ("aead", "pii", True, False)
    assert (info.description, info.labels, info.current_version) == ("Ключ", {"team": "ä"}, 1)
    assert before <= info.created_at <= datetime.now(UTC)
    assert info.created_at.tzinfo is UTC
    assert info.expires_at is None
    assert pickle.loads(pickle.dumps(info)) == info
    assert hash(info) == hash(store.key_info("a.b_c:d/e-1"))
    with pytest.raises(AttributeError):
        info.kind = "mac"  # type: ignore[misc]
    with pytest.raises(keyfold.AlreadyExists):
        store.create_key("pii")
    assert store.create_key("pii", exist_ok=True).current_version == 1
    with pytest.raises(keyfold.AlreadyExists):
        store.create_key("pii", exist_ok=True, algorithm="AES256_GCM")


@pytest.mark.parametrize("algorithm", ["AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM", "XCHACHA20_POLY1305"])
@pytest.mark.parametrize("size", [0, 1, 33, 4096, 4097, 100_000])
def test_every_algorithm_and_size(store: keyfold.Store, algorithm: str, size: int) -> None:
    store.create_key(algorithm, algorithm=algorithm)
    key = store.key(algorithm)
    plaintext = os.urandom(size)
    assert key.decrypt(key.encrypt(plaintext, b"aad"), b"aad") == plaintext


@pytest.mark.parametrize(
    "options",
    [
        {"algo": "AES256_GCM"},
        {"kind": "hash"},
        {"algorithm": 7},
        {"purpose": b"pii"},
        {"exportable": 1},
        {"exist_ok": "no"},
        {"description": 7},
        {"labels": [("a", "b")]},
        {"labels": {"a": 1}},
        {"labels": {1: "a"}},
    ],
)
def test_bad_key_options_are_refused(store: keyfold.Store, options: dict[str, Any]) -> None:
    with pytest.raises(keyfold.InvalidArgument):
        store.create_key("k", **options)
    with pytest.raises(keyfold.NotFound):
        store.key_info("k")


def test_listing(store: keyfold.Store) -> None:
    store.create_key("z", purpose="pii", labels={"team": "a"}, description="50% off")
    store.create_key("a", algorithm="AES256_GCM", labels={"team": "a", "x": "y"})
    ids = [info.key_id for info in store.list_keys()]
    assert ids == ["a", "other", "pii", "z"]
    assert [info.key_id for info in store.iter_keys()] == ids

    def found(**filters: Any) -> list[str]:
        listed = [info.key_id for info in store.list_keys(**filters)]
        if "limit" not in filters:
            assert listed == [info.key_id for info in store.iter_keys(**filters)]
        return listed

    assert found(purpose="pii") == ["z"]
    assert found(kind="aead") == ids
    assert found(algorithm="AES256_GCM") == ["a"]
    assert found(labels={"team": "a"}) == ["a", "z"]
    assert found(labels={"team": "a", "x": "y"}) == ["a"]
    assert found(search="50%") == ["z"]
    assert found(search="_") == []
    assert found(after="other") == ["pii", "z"]
    assert found(limit=2) == ["a", "other"]
    assert found(limit=0) == []
    for bad in (
        {"limit": -1},
        {"limit": True},
        {"limit": 1.0},
        {"limit": 2**70},
        {"kin": "aead"},
        {"after": 7},
    ):
        with pytest.raises(keyfold.InvalidArgument):
            store.list_keys(**bad)
    with pytest.raises(keyfold.InvalidArgument):
        store.iter_keys(sorted=True)  # type: ignore[call-arg]


def test_iterating_reads_in_parts(store: keyfold.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyfold._store._PAGE", 1)
    assert [info.key_id for info in store.iter_keys()] == ["other", "pii"]


def test_rotating(store: keyfold.Store) -> None:
    pii = store.key("pii")
    sealed = [pii.encrypt(b"1")]
    for version in (2, 3):
        info = store.rotate_key("pii")
        assert (info.key_id, info.version, info.is_current, info.state) == ("pii", version, True, "enabled")
        sealed.append(pii.encrypt(str(version).encode()))
    versions = store.list_key_versions("pii")
    assert [info.version for info in versions] == [3, 2, 1]
    assert [info.is_current for info in versions] == [True, False, False]
    assert len({info.tag for info in versions}) == 3
    assert [pii.decrypt(one) for one in sealed] == [b"1", b"2", b"3"]
    assert [int.from_bytes(one[1:5]) for one in reversed(sealed)] == [info.tag for info in versions]
    for missing in (store.rotate_key, store.list_key_versions, store.key_info, store.key):
        with pytest.raises(keyfold.NotFound) as caught:
            missing("nope")
        assert caught.value.key_id == "nope"


def test_rotation_elsewhere_is_used_here(path: Path, store: keyfold.Store) -> None:
    pii = store.key("pii")
    with keyfold.open(path, MASTER_KEY) as other:
        other.rotate_key("pii")
        newer = other.key("pii").encrypt(b"ada")
        text = other.key("pii").encrypt_text("ada")
        other.rotate_key("pii")
        newest = other.key("pii").encrypt_text("ada")
    assert pii.decrypt(newer) == b"ada"
    assert pii.decrypt_text(text) == "ada"
    assert pii.decrypt(newest) == b"ada"


def test_inspecting(store: keyfold.Store) -> None:
    sealed = store.encrypt("pii", b"ada")
    store.rotate_key("pii")
    (info,) = store.inspect(sealed)
    assert (info.key_id, info.version, info.is_current, info.state) == ("pii", 1, False, "enabled")
    assert info.algorithm == "AES256_GCM_SIV"
    assert info.created_at == store.list_key_versions("pii")[1].created_at
    assert store.inspect(keyfold.to_text(sealed)) == store.inspect(bytearray(sealed)) == [info]
    assert store.inspect(b"\x01\0\0\0\7" + bytes(28)) == []
    for bad in (None, 7, b"", "ada", "\ud800"):
        with pytest.raises(keyfold.InvalidArgument):
            store.inspect(bad)  # type: ignore[arg-type]


def test_checking(path: Path, store: keyfold.Store) -> None:
    report = store.check()
    assert report.ok
    assert report.findings == ()
    assert (report.keys, report.versions) == (2, 2)
    code = (
        "import sqlite3, sys; base = sqlite3.connect(sys.argv[1]);"
        "base.execute(\"UPDATE key SET description = 'x' WHERE key_id = 'pii'\"); base.commit()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    report = store.check()
    assert not report.ok
    (finding,) = report.findings
    assert finding.subject == "key pii"
    assert finding.problem
    assert finding.advice
    with pytest.raises(keyfold.IntegrityError):
        store.key_info("pii")


def test_nothing_secret_is_shown(store: keyfold.Store, pii: keyfold.Key) -> None:
    assert repr(pii) == "<keyfold.Key 'pii'>"
    assert repr(store).startswith("<keyfold.Store '")


def test_wrong_types_as_key_id(store: keyfold.Store) -> None:
    calls: list[Any] = [
        store.key,
        store.key_info,
        store.create_key,
        store.rotate_key,
        store.list_key_versions,
        lambda wrong: store.encrypt(wrong, b"ada"),
        lambda wrong: store.decrypt(wrong, b"ada"),
    ]
    for call in calls:
        for wrong in (None, 5, b"pii", ["pii"], "", "a b", "\ud800"):
            with pytest.raises(keyfold.InvalidArgument):
                call(wrong)
