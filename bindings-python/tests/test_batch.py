"""Many values in one call."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import keyfold
import pytest


def test_round_trips(pii: keyfold.Key) -> None:
    values = [b"ada", None, b"", bytes(5000)]
    sealed = pii.encrypt_many(values)
    assert sealed[1] is None
    assert pii.decrypt_many(sealed) == values
    assert [one and pii.decrypt(one) for one in sealed] == values
    texts = pii.encrypt_many_text(("ada", None, "", "Ключ"))
    assert pii.decrypt_many_text(texts) == ["ada", None, "", "Ключ"]
    assert pii.decrypt_many(texts) == [b"ada", None, b"", "Ключ".encode()]
    assert pii.encrypt_many([]) == pii.decrypt_many([]) == []
    assert pii.decrypt_many(pii.encrypt_many(bytes([place]) for place in range(3))) == [b"\0", b"\1", b"\2"]
    assert pii.decrypt_many(pii.encrypt_many([bytearray(b"a"), memoryview(b"b")])) == [b"a", b"b"]


def test_one_binding_for_all_or_one_for_each(pii: keyfold.Key) -> None:
    values, where = [b"1", b"2"], [{"id": 1}, {"id": 2}]
    sealed = pii.encrypt_many(values, b"aad")
    assert [pii.decrypt(one, b"aad") for one in sealed] == values
    sealed = pii.encrypt_many(values, context={"id": 1})
    assert pii.decrypt_many(sealed, context={"id": 1}) == values
    sealed = pii.encrypt_many(values, aads=[b"a", bytearray(b"b")])
    assert pii.decrypt(sealed[1], b"b") == b"2"
    sealed = pii.encrypt_many(values, contexts=where)
    assert [pii.decrypt(one, context=place) for one, place in zip(sealed, where, strict=True)] == values
    assert pii.decrypt_many(sealed, contexts=iter(where)) == values
    with pytest.raises(keyfold.DecryptionFailed) as caught:
        pii.decrypt_many(sealed, contexts=[where[0], where[0]])
    assert caught.value.index == 1


def test_a_value_that_does_not_decrypt(store: keyfold.Store, pii: keyfold.Key) -> None:
    sealed: list[Any] = pii.encrypt_many([b"1", b"2", b"3"])
    sealed[1] = store.encrypt("other", b"2")
    sealed.insert(2, None)
    with pytest.raises(keyfold.DecryptionFailed) as caught:
        pii.decrypt_many(sealed)
    assert (caught.value.index, caught.value.key_id) == (1, "pii")
    opened = pii.decrypt_many(sealed, on_error="return")
    assert opened[0] == b"1"
    assert isinstance(opened[1], keyfold.DecryptionFailed)
    assert opened[1].index == 1
    assert opened[2:] == [None, b"3"]
    texts = pii.encrypt_many_text(["a", "b"])
    found = pii.decrypt_many_text([texts[0], "kf1.AAAA", texts[1]], on_error="return")
    assert [found[0], found[2]] == ["a", "b"]
    assert isinstance(found[1], keyfold.DecryptionFailed)
    assert isinstance(
        pii.decrypt_many_text([keyfold.to_text(pii.encrypt(b"\xff"))], on_error="return")[0], Exception
    )
    store.close()
    with pytest.raises(keyfold.Closed):
        pii.decrypt_many([texts[0]], on_error="return")


@pytest.mark.parametrize(
    ("values", "index"),
    [([b"a", "text"], 1), ([7], 0), (["a"], 0), ("text", None), (b"bytes", None), (None, None), (7, None)],
)
def test_wrong_values(pii: keyfold.Key, values: Any, index: int | None) -> None:
    with pytest.raises(keyfold.InvalidArgument) as caught:
        pii.encrypt_many(values)
    assert caught.value.index == index


@pytest.mark.parametrize(
    "options",
    [
        {"aads": [b"a"]},
        {"aads": [b"a", "b"]},
        {"aads": b"ab"},
        {"aads": [b"a", None]},
        {"contexts": [{"a": 1}]},
        {"contexts": [{"a": 1}, None]},
        {"contexts": {"a": 1}},
        {"aads": [b"a", b"b"], "contexts": [{"a": 1}, {"a": 1}]},
        {"aads": [b"a", b"b"], "context": {"a": 1}},
        {"aad": b"x", "aads": [b"a", b"b"]},
        {"aad": b"x", "contexts": [{"a": 1}, {"a": 2}]},
        {"aad": b"x", "context": {"a": 1}},
        {"aad": "x"},
    ],
)
def test_wrong_bindings(pii: keyfold.Key, options: dict[str, Any]) -> None:
    for call in (pii.encrypt_many, pii.decrypt_many):
        with pytest.raises(keyfold.InvalidArgument):
            call([b"1", b"2"], **options)


def test_wrong_on_error(pii: keyfold.Key) -> None:
    for wrong in ("ignore", None, 7, True):
        with pytest.raises(keyfold.InvalidArgument, match="on_error"):
            pii.decrypt_many([], on_error=wrong)  # type: ignore[arg-type]


def test_limits(pii: keyfold.Key) -> None:
    most = [None] * 100_000
    assert pii.encrypt_many(most) == most
    with pytest.raises(keyfold.LimitExceeded):
        pii.encrypt_many([*most, None])

    def without_end() -> Any:
        while True:
            yield b"a"

    with pytest.raises(keyfold.LimitExceeded):
        pii.encrypt_many(without_end())
    # Too long together: no value of them is to blame, and none was sealed.
    for values in ([bytes(64 << 20)] * 5, [b"a", *[bytes(3000)] * 99_999]):
        with pytest.raises(keyfold.LimitExceeded) as caught:
            pii.encrypt_many(values)
        assert caught.value.index is None


def test_sizes_and_types_in_any_order(pii: keyfold.Key) -> None:
    """Values are sealed in parts by their sizes; long ones alone."""
    sizes = [0, 1, 300, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, 1 << 20]
    values: list[Any] = [None if turn % 11 == 3 else os.urandom(sizes[turn % 7]) for turn in range(150)]
    values += [os.urandom(100) for _ in range(600)]
    types = (bytes, bytearray, memoryview)
    given = [value and types[turn % 3](value) for turn, value in enumerate(values)]
    aads = [str(turn).encode() for turn in range(len(values))]
    for these in (given, tuple(given), iter(given)):
        sealed = pii.encrypt_many(these, aads=aads)
        assert pii.decrypt_many(sealed, aads=aads) == values
    for place in (10, 145, 149, 500, 749):
        wrong: Any = [*given[:place], "text", *given[place + 1 :]]
        with pytest.raises(keyfold.InvalidArgument) as caught:
            pii.encrypt_many(wrong)
        assert caught.value.index == place


NO_MEMORY = """
import resource, sys
import keyfold
store = keyfold.open(sys.argv[1], master_key=keyfold.generate_master_key(), create=True)
key = store.create_key("pii") and store.key("pii")
values = [bytes(3000)] * 60_000
key.encrypt_many(values[:1000])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), resource.RLIM_INFINITY))
for _ in range(2):
    try:
        key.encrypt_many(values)
    except MemoryError:
        print("MemoryError", flush=True)
print(len(key.encrypt_many(values[:1000])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how much memory is used is asked of Linux")
def test_without_memory(tmp_path: Path) -> None:
    """No panic: a MemoryError, after which the process goes on."""
    command = [sys.executable, "-c", NO_MEMORY, str(tmp_path / "s")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.stdout.split(), ended.stderr) == (["MemoryError", "MemoryError", "1000"], "")


def test_what_the_caller_raises_comes_through(pii: keyfold.Key) -> None:
    def values() -> Any:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pii.encrypt_many(values())


def test_values_that_change_meanwhile(pii: keyfold.Key) -> None:
    values: list[Any] = [b"1", b"2"]

    class Sneaky(dict[str, Any]):
        def items(self) -> Any:
            values.clear()
            return [("id", 1)]

    assert len(pii.encrypt_many(values, contexts=[Sneaky(id=1), Sneaky(id=1)])) == 2


def test_from_many_threads_while_the_key_rotates(store: keyfold.Store, pii: keyfold.Key) -> None:
    failures: list[BaseException] = []
    values = [str(number).encode() for number in range(500)]

    def work() -> None:
        try:
            for _ in range(10):
                assert pii.decrypt_many(pii.encrypt_many(values, b"x"), b"x") == values
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        store.rotate_key("pii")
    for thread in threads:
        thread.join()
    assert not failures
