"""Encrypting, decrypting, contexts, text forms and blind indexes."""

from __future__ import annotations

import array
import enum
import gc
import inspect
import mmap
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keyfold
import pytest


def test_there_and_back(store: keyfold.Store, pii: keyfold.Key) -> None:
    for plaintext in (b"", b"\0", "Ж🔑".encode(), bytes(10_000)):
        sealed = pii.encrypt(plaintext)
        assert len(sealed) == len(plaintext) + 33
        assert sealed[0] == 1
        assert pii.decrypt(sealed) == store.decrypt("pii", sealed) == plaintext
        assert pii.decrypt(keyfold.to_text(sealed)) == plaintext
        assert pii.decrypt(keyfold.to_text(sealed).encode()) == plaintext
        assert pii.decrypt(store.encrypt("pii", plaintext, b"a"), b"a") == plaintext
    assert pii.encrypt(b"ada") != pii.encrypt(b"ada")


def test_the_largest_message(pii: keyfold.Key) -> None:
    plaintext = bytes(64 << 20)
    sealed = pii.encrypt(plaintext)
    assert pii.decrypt(sealed) == plaintext
    with pytest.raises(keyfold.LimitExceeded):
        pii.encrypt(plaintext + b"\0")
    with pytest.raises(keyfold.LimitExceeded):
        pii.encrypt(b"", bytes((1 << 20) + 1))


@pytest.mark.parametrize("size", [3, 5000])
def test_any_buffer_will_do(pii: keyfold.Key, size: int) -> None:
    class Bytes(bytes):
        pass

    plaintext = bytes(i % 251 for i in range(size))
    with mmap.mmap(-1, size) as mapped:
        mapped[:] = plaintext
        buffers: list[Any] = [
            Bytes(plaintext),
            bytearray(plaintext),
            memoryview(plaintext),
            memoryview(b"".join(bytes([x, 0]) for x in plaintext))[::2],
            array.array("B", plaintext),
            mapped,
        ]
        for buffer in buffers:
            sealed = pii.encrypt(buffer, buffer)
            assert pii.decrypt(bytearray(sealed), plaintext) == plaintext
            assert pii.decrypt(memoryview(sealed), buffer) == plaintext
            assert pii.reencrypt(bytearray(sealed), buffer) == sealed
    numbers = array.array("i", [1, -2, 3])
    assert pii.decrypt(pii.encrypt(numbers)) == numbers.tobytes()
    table = memoryview(bytes(range(12))).cast("B", (3, 4))
    assert pii.decrypt(pii.encrypt(table)) == bytes(range(12))


@pytest.mark.parametrize("wrong", [None, "ada", 7, 1.5, True, [1, 2], {}, object(), memoryview])
def test_other_plaintexts_are_refused(store: keyfold.Store, pii: keyfold.Key, wrong: Any) -> None:
    for call in (pii.encrypt, lambda value: store.encrypt("pii", value)):
        with pytest.raises(keyfold.InvalidArgument, match="encrypt_text") as caught:
            call(wrong)
        assert "ada" not in str(caught.value)
    if wrong != "ada":
        with pytest.raises(keyfold.InvalidArgument):
            pii.encrypt_text(wrong)
        with pytest.raises(keyfold.InvalidArgument):
            pii.decrypt(wrong)
        with pytest.raises(keyfold.InvalidArgument):
            pii.decrypt_text(wrong)
        with pytest.raises(keyfold.InvalidArgument):
            pii.reencrypt(wrong)
        with pytest.raises(keyfold.InvalidArgument):
            pii.needs_reencrypt(wrong)


def test_a_released_view_is_refused(pii: keyfold.Key) -> None:
    view = memoryview(b"ada")
    view.release()
    with pytest.raises(keyfold.InvalidArgument):
        pii.encrypt(view)


@pytest.mark.parametrize("wrong", [None, "users", 7, ["a"]])
def test_other_aads_are_refused(pii: keyfold.Key, wrong: Any) -> None:
    with pytest.raises(keyfold.InvalidArgument, match="context"):
        pii.encrypt(b"ada", wrong)
    with pytest.raises(keyfold.InvalidArgument, match="context"):
        pii.decrypt(pii.encrypt(b"ada"), aad=wrong)


def test_every_failed_decryption_tells_one_story(store: keyfold.Store, pii: keyfold.Key) -> None:
    sealed = pii.encrypt(b"ada", b"a")
    text = keyfold.to_text(sealed)
    wrong: list[Any] = [
        b"",
        b"\x01",
        sealed[:4],
        sealed[:-1],
        sealed + b"\0",
        bytes([*sealed[:-1], sealed[-1] ^ 1]),
        bytes([sealed[0], sealed[1] ^ 1, *sealed[2:]]),
        store.encrypt("other", b"ada", b"a"),
        "",
        "ada",
        "\ud800",
        text + "=",
        text + "\n",
        text[:-1],
        "kf1.",
        "kf1.AAAAAAAAAAAAAAA!",
        "kf2." + text[4:],
    ]
    stories = set()
    for ciphertext in wrong:
        with pytest.raises(keyfold.DecryptionFailed) as caught:
            pii.decrypt(ciphertext, b"a")
        stories.add((str(caught.value), caught.value.key_id, caught.value.__cause__))
        with pytest.raises(keyfold.DecryptionFailed):
            pii.reencrypt(ciphertext, b"a")
        if isinstance(ciphertext, str):
            with pytest.raises(keyfold.DecryptionFailed) as caught:
                pii.decrypt_text(ciphertext, b"a")
            stories.add((str(caught.value), caught.value.key_id, caught.value.__cause__))
    with pytest.raises(keyfold.DecryptionFailed) as caught:
        pii.decrypt(sealed, b"b")
    stories.add((str(caught.value), caught.value.key_id, caught.value.__cause__))
    assert len(stories) == 1
    with pytest.raises(keyfold.DecryptionFailed):
        pii.decrypt_text(pii.encrypt_text("ada")[4:])
    with pytest.raises(keyfold.DecryptionFailed):
        pii.decrypt_text(keyfold.to_text(pii.encrypt(b"\xff\0")))


def test_contexts(pii: keyfold.Key) -> None:
    class Level(enum.IntEnum):
        HIGH = 3

    class Odd(int):
        def __repr__(self) -> str:
            return "odd"

        __str__ = __repr__

        def __index__(self) -> int:
            return 99

    def same(one: Any, two: Any) -> bool:
        try:
            return pii.decrypt(pii.encrypt(b"ada", context=one), context=two) == b"ada"
        except keyfold.DecryptionFailed:
            return False

    assert same({"a": 1, "b": "x"}, {"b": "x", "a": 1})
    assert same({"a": 42}, {"a": "42"})
    assert same({"a": "é"}, {"a": "é".encode()})
    assert same({"a": b"x"}, {"a": bytearray(b"x")})
    assert same({"a": -(2**63)}, {"a": str(-(2**63))})
    assert same({"a": 2**64}, {"a": str(2**64)})
    assert same({"a": -(10**4000)}, {"a": "-1" + "0" * 4000})
    assert same({"a": Level.HIGH}, {"a": "3"})
    assert same({"a": Odd(5)}, {"a": "5"})
    assert same({"a": Odd(10**30)}, {"a": str(10**30)})
    assert same({"a": 1}, OrderedDict(a=1))
    assert same({"a": 1}, MappingProxyType({"a": 1}))
    assert not same({"a": 1}, {"a": 2})
    assert not same({"a": 1}, {"b": 1})
    assert not same({"a": "1", "b": "2"}, {"a": "12", "b": ""})
    sealed = pii.encrypt(b"ada", context={"a": "b"})
    encoded = b"kf-context-v1" + b"\0\0\0\1a\0\0\0\1b"
    assert pii.decrypt(sealed, encoded) == b"ada"
    # Empty aad is no aad, so that a wrapper may pass on its defaults.
    assert pii.decrypt(sealed, b"", context={"a": "b"}) == b"ada"


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"a": True},
        {"a": False},
        {"a": 1.5},
        {"a": None},
        {"a": []},
        {"a": object()},
        {"a": "\ud800"},
        {"\ud800": "a"},
        {1: "a"},
        {b"a": "a"},
        {None: "a"},
        [("a", "b")],
        "a=b",
        b"a",
        7,
        {"a": 10**5000},
    ],
)
def test_bad_contexts_are_refused(pii: keyfold.Key, context: Any) -> None:
    calls: list[Any] = [
        lambda: pii.encrypt(b"ada", context=context),
        lambda: pii.encrypt_text("ada", context=context),
        lambda: pii.decrypt(pii.encrypt(b"ada"), context=context),
        lambda: pii.reencrypt(pii.encrypt(b"ada"), context=context),
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument):
            call()


def test_aad_and_context_exclude_each_other(store: keyfold.Store, pii: keyfold.Key) -> None:
    calls: list[Any] = [
        lambda: pii.encrypt(b"ada", b"a", context={"a": "b"}),
        lambda: pii.decrypt(b"ada", b"a", context={"a": "b"}),
        lambda: pii.encrypt_text("ada", b"a", context={"a": "b"}),
        lambda: pii.decrypt_text("ada", b"a", context={"a": "b"}),
        lambda: pii.reencrypt("ada", b"a", context={"a": "b"}),
        lambda: store.encrypt("pii", b"ada", b"a", context={"a": "b"}),
    ]
    for call in calls:
        with pytest.raises(keyfold.InvalidArgument, match="exclude"):
            call()


def test_a_callers_mapping_may_raise(pii: keyfold.Key) -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pii.encrypt(b"ada", context=Broken(a=1))


def test_a_context_may_change_while_it_is_read(pii: keyfold.Key) -> None:
    class Changing(int):
        def __repr__(self) -> str:
            context.clear()
            return "1"

    class Fields(dict[str, object]):
        pass

    context: dict[str, object]
    for kind in (dict, Fields):
        context = kind(a=Changing(10**30), b=Changing(10**31), c="c")
        pii.encrypt(b"ada", context=context)


def test_what_is_too_large_is_not_copied(pii: keyfold.Key, tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(1 << 30)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as vast:
            calls: list[Any] = [pii.encrypt, pii.decrypt, keyfold.to_text, keyfold.is_ciphertext]
            for call in calls:
                with pytest.raises(keyfold.LimitExceeded):
                    call(vast)


def test_text(pii: keyfold.Key) -> None:
    for text in ("", "ada", "Ж🔑\0", "x" * 10_000):
        sealed = pii.encrypt_text(text, context={"id": 1})
        assert sealed.startswith("kf1.")
        assert pii.decrypt_text(sealed, context={"id": 1}) == text
        assert keyfold.is_ciphertext(sealed)
        assert pii.decrypt(sealed, context={"id": 1}) == text.encode()
    with pytest.raises(keyfold.InvalidArgument):
        pii.encrypt_text("\ud800")
    with pytest.raises(keyfold.InvalidArgument):
        pii.encrypt_text(b"ada")  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument):
        pii.decrypt_text(pii.encrypt(b"ada"))  # type: ignore[arg-type]


def test_reencrypting(store: keyfold.Store, pii: keyfold.Key) -> None:
    old, old_text = pii.encrypt(b"ada", b"a"), pii.encrypt_text("ada", context={"id": 1})
    assert not pii.needs_reencrypt(old)
    assert pii.reencrypt(old, b"a") == old
    assert pii.reencrypt(old_text, context={"id": 1}) == old_text
    store.rotate_key("pii")
    assert pii.needs_reencrypt(old)
    assert pii.needs_reencrypt(old_text)
    assert pii.needs_reencrypt(keyfold.to_text(old))
    new, new_text = pii.reencrypt(old, b"a"), pii.reencrypt(old_text, context={"id": 1})
    assert isinstance(new, bytes)
    assert isinstance(new_text, str)
    assert not pii.needs_reencrypt(new)
    assert not pii.needs_reencrypt(new_text)
    assert pii.decrypt(new, b"a") == b"ada"
    assert pii.decrypt_text(new_text, context={"id": 1}) == "ada"
    with pytest.raises(keyfold.DecryptionFailed):
        pii.reencrypt(old, b"b")
    for bad in ("ada", b"ada", b"", "\ud800"):
        with pytest.raises(keyfold.DecryptionFailed):
            pii.needs_reencrypt(bad)


def test_blind_indexes(store: keyfold.Store, pii: keyfold.Key) -> None:
    index = pii.blind_index("ada", "users.email")
    assert len(index) == 16
    store.rotate_key("pii")
    assert (
        index == pii.blind_index(b"ada", "users.email") == pii.blind_index(bytearray(b"ada"), "users.email")
    )
    assert pii.blind_indexes("ada", "users.email") == [index]
    assert index != pii.blind_index("ada", "users.name")
    assert index != pii.blind_index("bob", "users.email")
    assert index != store.key("other").blind_index("ada", "users.email")
    assert len(pii.blind_index("", "f")) == 16
    assert len(pii.blind_index("x" * 10_000, "f")) == 16
    assert [len(pii.blind_index("a", "f", bits=bits)) for bits in (1, 8, 9, 256)] == [1, 1, 2, 32]
    assert pii.blind_index("a", "f", bits=1)[0] & 0x7F == 0
    # NULL stays NULL.
    none: Any = pii.blind_index(None, "f")
    assert none is None
    none = pii.blind_indexes(None, "f")
    assert none is None


def test_keys_of_one_purpose_share_their_index(store: keyfold.Store) -> None:
    for name in ("a", "b"):
        store.create_key(name, purpose="medical")
    assert store.key("a").blind_index("x", "f") == store.key("b").blind_index("x", "f")


@pytest.mark.parametrize(
    ("value", "field", "options"),
    [
        (7, "f", {}),
        (True, "f", {}),
        (["a"], "f", {}),
        ("\ud800", "f", {}),
        ("a", "", {}),
        ("a", None, {}),
        ("a", b"f", {}),
        ("a", "f" * 256, {}),
        ("a", "f", {"bits": 0}),
        ("a", "f", {"bits": 257}),
        ("a", "f", {"bits": -1}),
        ("a", "f", {"bits": 2**40}),
        ("a", "f", {"bits": True}),
        ("a", "f", {"bits": 8.0}),
        ("a", "f", {"bits": None}),
        ("a", "f", {"kind": "fuzzy"}),
        ("a", "f", {"kind": None}),
        (None, 7, {}),
    ],
)
def test_bad_blind_indexes_are_refused(pii: keyfold.Key, value: Any, field: Any, options: Any) -> None:
    for call in (pii.blind_index, pii.blind_indexes):
        with pytest.raises(keyfold.InvalidArgument):
            call(value, field, **options)


def test_module_functions(pii: keyfold.Key) -> None:
    sealed = pii.encrypt(b"ada")
    text = keyfold.to_text(sealed)
    assert keyfold.from_text(text) == sealed
    assert keyfold.to_text(bytearray(sealed)) == text
    assert all(keyfold.is_ciphertext(value) for value in (sealed, bytearray(sealed), text))
    assert not any(keyfold.is_ciphertext(value) for value in (b"", "", "ada", b"ada", "kf1.!", "\ud800"))
    bad: Any
    for bad in ("ada", "kf1.AQ==", "", "\ud800", None, b"kf1.AQ"):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.from_text(bad)
    for bad in (None, "ada", 7):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.to_text(bad)
    for bad in (None, 7):
        with pytest.raises(keyfold.InvalidArgument):
            keyfold.is_ciphertext(bad)
    assert keyfold.__version__.count(".") == 2


def test_every_name_is_there_and_documented() -> None:
    for name in keyfold.__all__:
        thing = getattr(keyfold, name)
        if isinstance(thing, type) or inspect.isroutine(thing):
            assert thing.__doc__, name
    for kind in (keyfold.Key, keyfold.Store):
        for name in dir(kind):
            if not name.startswith("_"):
                assert getattr(kind, name).__doc__, name


def test_keys_are_used_by_many_threads(store: keyfold.Store, pii: keyfold.Key) -> None:
    failures: list[BaseException] = []
    sealed: list[tuple[bytes, bytes]] = []

    def work(number: int) -> None:
        try:
            for turn in range(200):
                plaintext = f"{number} {turn}".encode() * (1 if turn % 10 else 1000)
                one = pii.encrypt(plaintext)
                assert store.key("pii").decrypt(one) == plaintext
                sealed.append((plaintext, one))
                if turn % 50 == 0:
                    store.rotate_key("pii")
                    store.check()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({one[5:17] for _, one in sealed}) == len(sealed) == 1600
    assert all(pii.decrypt(one) == plaintext for plaintext, one in sealed)
    assert store.key_info("pii").current_version == 33


def test_closing_while_others_encrypt(path: Any) -> None:
    from conftest import MASTER_KEY

    store = keyfold.open(path, MASTER_KEY)
    pii = store.key("pii")
    outcomes: list[type] = []

    def work() -> None:
        plaintext = bytes(20_000)
        while True:
            try:
                assert pii.decrypt(pii.encrypt(plaintext)) == plaintext
            except keyfold.KeyfoldError as error:
                outcomes.append(type(error))
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    store.close()
    for thread in threads:
        thread.join(30)
    assert outcomes == [keyfold.Closed] * 4


def test_other_threads_run_during_long_calls(pii: keyfold.Key) -> None:
    """With so long a switch interval another thread runs only where the interpreter lock is let go."""
    turns = 0
    done = False

    def count() -> None:
        nonlocal turns
        while not done:
            turns += 1
            time.sleep(0)

    plaintext = bytes(8 << 20)
    mutable = bytearray(plaintext)
    text = "a" * (8 << 20)
    sealed, sealed_text = pii.encrypt(plaintext), pii.encrypt_text(text)
    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    sys.setswitchinterval(1000)
    try:
        thread.start()
        calls: list[Any] = [
            lambda: pii.encrypt(plaintext),
            lambda: pii.encrypt(mutable),
            lambda: pii.decrypt(sealed),
            lambda: pii.decrypt(sealed_text),
            lambda: pii.encrypt_text(text),
            lambda: pii.decrypt_text(sealed_text),
            lambda: pii.reencrypt(sealed),
            lambda: pii.blind_index(plaintext[: 1 << 20], "f"),
            lambda: pii.encrypt_many([plaintext, None]),
            lambda: pii.decrypt_many([sealed, None]),
        ]
        for place, call in enumerate(calls):
            before = turns
            # On a busy machine the other thread may come too late for one call.
            for _ in range(100):
                call()
                if turns > before:
                    break
            assert turns > before, place
    finally:
        done = True
        sys.setswitchinterval(interval)
        thread.join()


def test_a_mutable_buffer_is_copied_before_others_run(pii: keyfold.Key) -> None:
    buffer = bytearray(b"a" * (4 << 20))
    stop = False

    def scribble() -> None:
        while not stop:
            buffer[:] = b"a" * len(buffer)
            buffer[:] = b"b" * len(buffer)

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(20):
            assert pii.decrypt(pii.encrypt(buffer)) in (b"a" * len(buffer), b"b" * len(buffer))
    finally:
        stop = True
        thread.join()
    # Nothing holds the buffer any longer: it may be resized.
    buffer.extend(b"x")


def test_nothing_leaks(pii: keyfold.Key) -> None:
    plaintext, aad, context = b"plaintext" * 3, b"aad" * 3, {"field-name": "value" * 3}

    def work() -> None:
        sealed = pii.encrypt(plaintext, aad)
        pii.decrypt(sealed, aad)
        pii.decrypt_text(pii.encrypt_text("ada", context=context), context=context)
        refused: list[Any] = [lambda: pii.decrypt(sealed), lambda: pii.encrypt(None)]  # type: ignore[arg-type]
        for call in refused:
            with pytest.raises(keyfold.KeyfoldError):
                call()

    for _ in range(50):
        work()
    gc.collect()
    watched: list[Any] = [plaintext, aad, context, pii]
    before = [sys.getrefcount(thing) for thing in watched], len(gc.get_objects())
    for _ in range(200):
        work()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in watched], len(gc.get_objects())
    assert after[0] == before[0]
    assert after[1] < before[1] + 50
