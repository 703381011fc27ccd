"""Forks, and many processes at one store."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import keyfold
from conftest import MASTER_KEY

FORK = multiprocessing.get_context("fork")
SPAWN = multiprocessing.get_context("spawn")


def _answer(sender: Connection, work: Callable[..., Any], *args: Any) -> None:
    try:
        sender.send((True, work(*args)))
    except BaseException as failure:
        sender.send((False, failure))
    sender.close()


def _start(context: Any, work: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, *args))
    process.start()
    sender.close()

    def finish() -> Any:
        assert receiver.poll(120), "the process did not answer"
        done, answer = receiver.recv()
        process.join(30)
        assert process.exitcode == 0
        if not done:
            raise answer
        return answer

    return finish


def test_64_children_share_no_nonce(store: keyfold.Store, pii: keyfold.Key) -> None:
    first = pii.encrypt(b"before")

    def work() -> list[bytes]:
        assert pii.decrypt(first) == b"before"
        return [pii.encrypt(b"ada") for _ in range(10)]

    children = [_start(FORK, work) for _ in range(64)]
    sealed = [first, *(pii.encrypt(b"ada") for _ in range(10))]
    for finish in children:
        sealed += finish()
    assert len(sealed) == 651
    assert len({one[5:17] for one in sealed}) == len(sealed)
    assert all(store.decrypt("pii", one) for one in sealed)


def test_children_of_many_threads(pii: keyfold.Key) -> None:
    """Threads that encrypt and rotate while others fork hold nothing that a child then waits for."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            pii.encrypt(bytes(10_000))
            pii.info  # noqa: B018

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                try:
                    os._exit(0 if pii.decrypt(pii.encrypt(b"ada")) == b"ada" else 1)
                finally:
                    os._exit(2)
            deadline = time.monotonic() + 30
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
                assert time.monotonic() < deadline, "a child hangs"
                time.sleep(0.005)
            assert ended[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_parent_closes_first(path: Path) -> None:
    store = keyfold.open(path, MASTER_KEY)
    pii = store.key("pii")
    closed = FORK.Event()

    def work() -> tuple[bytes, int]:
        assert closed.wait(30)
        sealed = pii.encrypt(b"from the child")
        version = store.rotate_key("pii").version
        assert pii.decrypt(sealed) == b"from the child"
        store.close()
        return sealed, version

    finish = _start(FORK, work)
    store.close()
    closed.set()
    sealed, version = finish()
    assert version == 2
    with keyfold.open(path, MASTER_KEY) as again:
        assert again.decrypt("pii", sealed) == b"from the child"
        assert again.key_info("pii").current_version == 2
        assert again.check().ok


def test_the_child_closes_first(store: keyfold.Store, pii: keyfold.Key) -> None:
    def work() -> int:
        version = store.rotate_key("pii").version
        store.close()
        return version

    assert _start(FORK, work)() == 2
    assert store.rotate_key("pii").version == 3
    assert pii.decrypt(pii.encrypt(b"ada")) == b"ada"
    assert store.check().ok


def _rotate(path: Path) -> tuple[list[int], list[tuple[bytes, bytes]]]:
    versions, sealed = [], []
    with keyfold.open(path, MASTER_KEY, busy_timeout="60s") as store:
        pii = store.key("pii")
        for turn in range(50):
            versions.append(store.rotate_key("pii").version)
            plaintext = f"{os.getpid()} {turn}".encode()
            sealed.append((plaintext, pii.encrypt(plaintext)))
    return versions, sealed


def test_eight_processes_rotate_fifty_times_each(path: Path, store: keyfold.Store, pii: keyfold.Key) -> None:
    before = pii.encrypt(b"before")
    children = [_start(SPAWN if number % 2 else FORK, _rotate, path) for number in range(8)]
    versions: list[int] = []
    for finish in children:
        made, sealed = finish()
        versions += made
        assert all(pii.decrypt(one) == plaintext for plaintext, one in sealed)
    assert sorted(versions) == list(range(2, 402))
    listed = store.list_key_versions("pii")
    assert [info.version for info in listed] == list(range(401, 0, -1))
    assert [info.is_current for info in listed] == [True] + [False] * 400
    assert pii.decrypt(before) == b"before"
    assert store.check().ok


def test_exceptions_cross_processes(store: keyfold.Store) -> None:
    finish = _start(FORK, lambda: store.key("nope"))
    try:
        finish()
    except keyfold.NotFound as error:
        assert error.key_id == "nope"
    else:
        raise AssertionError("nothing was raised")


def test_importing_starts_no_thread() -> None:
    assert _start(SPAWN, _threads_after_import)() == 1


def _threads_after_import() -> int:
    import keyfold.aio  # noqa: F401

    return len(os.listdir("/proc/self/task"))


def test_a_stream_and_a_batch_across_a_fork(store: keyfold.Store, pii: keyfold.Key) -> None:
    """A batch goes on in the child; a stream that the parent began does not, and goes on in the parent."""
    store.create_key("files", kind="stream")
    files = store.key("files")
    encryptor = files.stream_encryptor()
    parts = [encryptor.update(b"a" * 100)]

    def work() -> list[bytes]:
        sealed = pii.encrypt_many([b"ada"] * 100)
        assert pii.decrypt_many(sealed) == [b"ada"] * 100
        try:
            encryptor.update(bytes(1 << 21))
        except keyfold.KeyfoldError:
            return sealed
        raise AssertionError("the child went on with the parent's stream")

    children = [_start(FORK, work) for _ in range(8)]
    sealed = pii.encrypt_many([b"ada"] * 100)
    for finish in children:
        sealed += finish()
    assert len({one[5:17] for one in sealed}) == 900
    parts.append(encryptor.finish())
    decryptor = files.stream_decryptor()
    assert decryptor.update(b"".join(parts)) + decryptor.finish() == b"a" * 100
