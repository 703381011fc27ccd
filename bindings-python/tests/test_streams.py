"""Streams and files."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
import threading
from pathlib import Path
from typing import Any

import keyfold
import keyfold.aio
import pytest

MIB = 1 << 20


@pytest.fixture
def files(store: keyfold.Store) -> keyfold.Key:
    """A key for streams."""
    store.create_key("files", kind="stream")
    return store.key("files")


def sealed(files: keyfold.Key, plaintext: bytes, aad: bytes = b"") -> bytes:
    out = io.BytesIO()
    assert files.encrypt_stream(io.BytesIO(plaintext), out, aad) == len(plaintext)
    return out.getvalue()


def opened(files: keyfold.Key, ciphertext: bytes, aad: bytes = b"") -> bytes:
    out = io.BytesIO()
    assert files.decrypt_stream(io.BytesIO(ciphertext), out, aad) == len(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, MIB - 57, MIB - 56, MIB, 3 * MIB + 7])
def test_round_trips(files: keyfold.Key, size: int) -> None:
    plaintext = os.urandom(size)
    assert opened(files, sealed(files, plaintext, b"aad"), b"aad") == plaintext


def test_a_damaged_stream(files: keyfold.Key) -> None:
    whole = sealed(files, bytes(2 * MIB), b"aad")
    for bad in (whole[:-1], whole[:MIB], b"", whole + b"\0", whole[:100] + b"x" + whole[101:]):
        with pytest.raises(keyfold.DecryptionFailed):
            opened(files, bad, b"aad")
    with pytest.raises(keyfold.DecryptionFailed):
        opened(files, whole)


def test_short_reads_and_writes(files: keyfold.Key) -> None:
    class Slow:
        def __init__(self, content: bytes = b"") -> None:
            self.content = bytearray(content)

        def read(self, size: int) -> bytearray:
            part = self.content[: min(size, 100_003)]
            del self.content[: len(part)]
            return part

        def write(self, part: bytes) -> int:
            self.content += part[:65_537]
            return min(len(part), 65_537)

    plaintext = os.urandom(2 * MIB + 5)
    out, back = Slow(), Slow()
    files.encrypt_stream(Slow(plaintext), out)
    files.decrypt_stream(Slow(bytes(out.content)), back)
    assert bytes(back.content) == plaintext


def test_pipes_and_unbuffered_files(files: keyfold.Key, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    plaintext = os.urandom(MIB + 9)

    def feed() -> None:
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            files.encrypt_stream(io.BytesIO(plaintext), pipe)

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as pipe, open(tmp_path / "out", "wb") as out:
        files.decrypt_stream(pipe, out)
    thread.join()
    assert (tmp_path / "out").read_bytes() == plaintext


class Broken:
    """Fails, or answers what it must not, after some good calls."""

    def __init__(self, answer: Any, good: int = 0) -> None:
        self.answer, self.good = answer, good

    def read(self, size: int) -> Any:
        return self.next(bytes(size))

    def write(self, part: bytes) -> Any:
        return self.next(len(part))

    def __call__(self, done: int) -> Any:
        return self.next(done)

    def next(self, good: Any) -> Any:
        self.good -= 1
        if self.good >= 0:
            return good
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("good", [0, 2])
@pytest.mark.parametrize("place", ["reader", "writer", "progress"])
def test_what_the_caller_raises_is_the_cause(files: keyfold.Key, place: str, good: int) -> None:
    for error in (ZeroDivisionError("mine"), InterruptedError("mine"), OSError(errno.ENOSPC, "full")):
        given: dict[str, Any] = {
            "reader": io.BytesIO(bytes(5 * MIB)),
            "writer": io.BytesIO(),
            "progress": None,
        }
        given[place] = Broken(error, good)
        full = place == "writer" and isinstance(error, OSError) and error.errno == errno.ENOSPC
        with pytest.raises(keyfold.StorageFull if full else keyfold.Storage) as caught:
            files.encrypt_stream(**given)
        assert caught.value.__cause__ is error
    given[place] = Broken(KeyboardInterrupt(), good)
    given["reader"] = given["reader"] if place == "reader" else io.BytesIO(bytes(5 * MIB))
    with pytest.raises(KeyboardInterrupt):
        files.encrypt_stream(**given)
    given[place] = Broken(SystemExit(3), good)
    given["reader"] = given["reader"] if place == "reader" else io.BytesIO(bytes(5 * MIB))
    with pytest.raises(SystemExit):
        files.encrypt_stream(**given)


@pytest.mark.parametrize("answer", ["text", None, 7, bytes(MIB * 2)])
def test_wrong_answers_of_readers(files: keyfold.Key, answer: Any) -> None:
    with pytest.raises(keyfold.InvalidArgument, match="reader"):
        files.encrypt_stream(Broken(answer, 1), io.BytesIO())


@pytest.mark.parametrize("answer", ["text", 0, -1, 1 << 40, 1.5])
def test_wrong_answers_of_writers(files: keyfold.Key, answer: Any) -> None:
    with pytest.raises(keyfold.InvalidArgument, match="writer"):
        files.encrypt_stream(io.BytesIO(bytes(3 * MIB)), Broken(answer, 1))


def test_writers_that_say_nothing(files: keyfold.Key) -> None:
    parts: list[bytes] = []

    class Quiet:
        def write(self, part: bytes) -> None:
            parts.append(part)

    files.encrypt_stream(io.BytesIO(b"ada"), Quiet())
    assert opened(files, b"".join(parts)) == b"ada"

    class Full(io.RawIOBase):
        def write(self, _part: Any) -> None:
            return None

    with pytest.raises(keyfold.InvalidArgument, match="blocking"):
        files.encrypt_stream(io.BytesIO(b"ada"), Full())


def test_wrong_arguments(files: keyfold.Key, pii: keyfold.Key) -> None:
    for wrong in (None, 7, "path", io):
        with pytest.raises(keyfold.InvalidArgument):
            files.encrypt_stream(wrong, io.BytesIO())  # type: ignore[arg-type]
        with pytest.raises(keyfold.InvalidArgument):
            files.encrypt_stream(io.BytesIO(), wrong)  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument, match="mode"):
        files.encrypt_stream(io.StringIO("text"), io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument, match="progress"):
        files.encrypt_stream(io.BytesIO(), io.BytesIO(), progress=7)  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument):
        files.encrypt_stream(io.BytesIO(), io.BytesIO(), b"x", context={"a": 1})
    with pytest.raises(keyfold.InvalidArgument):
        pii.encrypt_stream(io.BytesIO(), io.BytesIO())
    with pytest.raises(keyfold.InvalidArgument):
        files.encrypt(b"ada")


def test_progress(files: keyfold.Key) -> None:
    told: list[int] = []
    files.encrypt_stream(io.BytesIO(bytes(3 * MIB)), io.BytesIO(), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 3 * MIB
    assert len(told) >= 3


def test_callbacks_may_use_the_store(store: keyfold.Store, files: keyfold.Key) -> None:
    def progress(_: int) -> None:
        store.rotate_key("files")
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    out = io.BytesIO()
    files.encrypt_stream(io.BytesIO(bytes(2 * MIB)), out, progress=progress)
    assert opened(files, out.getvalue()) == bytes(2 * MIB)

    def close(_: int) -> None:
        store.close()

    with pytest.raises(keyfold.Closed):
        files.encrypt_stream(io.BytesIO(bytes(3 * MIB)), io.BytesIO(), progress=close)


def test_pushed_parts(files: keyfold.Key, store: keyfold.Store) -> None:
    plaintext = os.urandom(2 * MIB + 3)
    encryptor = files.stream_encryptor(context={"id": 1})
    parts = [
        encryptor.update(plaintext[place : place + 70_000]) for place in range(0, len(plaintext), 70_000)
    ]
    ciphertext = b"".join([*parts, encryptor.finish()])
    with pytest.raises(keyfold.InvalidArgument):
        encryptor.update(b"more")
    decryptor = files.stream_decryptor(context={"id": 1})
    assert (decryptor.version, decryptor.needs_reencrypt) == (None, None)
    store.rotate_key("files")
    assert decryptor.update(ciphertext) + decryptor.finish() == plaintext
    decryptor = files.stream_decryptor(context={"id": 1})
    decryptor.update(ciphertext)
    assert (decryptor.version, decryptor.needs_reencrypt) == (1, True)
    cut = files.stream_decryptor(context={"id": 1})
    cut.update(ciphertext[:-1])
    with pytest.raises(keyfold.DecryptionFailed):
        cut.finish()
    for wrong in (None, "text", 7):
        with pytest.raises(keyfold.InvalidArgument):
            files.stream_encryptor().update(wrong)  # type: ignore[arg-type]
    for kind in (keyfold.StreamEncryptor, keyfold.StreamDecryptor):
        with pytest.raises(TypeError):
            kind()


def test_files(files: keyfold.Key, tmp_path: Path) -> None:
    plain, hidden, back = tmp_path / "plain", tmp_path / "hidden", tmp_path / "back"
    plain.write_bytes(b"ada" * MIB)
    told: list[int] = []
    assert files.encrypt_file(plain, str(hidden), b"aad", progress=told.append) == 3 * MIB
    assert told[-1] == 3 * MIB
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o600
    assert files.decrypt_file(hidden, back, b"aad") == 3 * MIB
    assert back.read_bytes() == plain.read_bytes()
    with pytest.raises(keyfold.AlreadyExists):
        files.encrypt_file(plain, hidden)
    files.encrypt_file(plain, hidden, force=True)
    with pytest.raises(keyfold.DecryptionFailed):
        files.decrypt_file(hidden, back, b"other", force=True)
    assert back.read_bytes() == plain.read_bytes()
    with pytest.raises(keyfold.NotFound):
        files.encrypt_file(tmp_path / "nothing", tmp_path / "x")
    with pytest.raises(keyfold.InvalidArgument):
        files.encrypt_file(plain, plain, force=True)
    for wrong in (None, 7, b"x", "a\0b"):
        with pytest.raises(keyfold.InvalidArgument):
            files.encrypt_file(wrong, tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(keyfold.InvalidArgument):
        files.encrypt_file(plain, tmp_path / "x", force=1)  # type: ignore[arg-type]
    with pytest.raises(keyfold.Storage) as caught:
        files.encrypt_file(plain, tmp_path / "x", progress=Broken(ZeroDivisionError("mine")))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not (tmp_path / "x").exists()


def test_from_asyncio(files: keyfold.Key, tmp_path: Path) -> None:
    async def main() -> None:
        plain, hidden, back = tmp_path / "plain", tmp_path / "hidden", tmp_path / "back"
        plain.write_bytes(b"ada")
        assert await keyfold.aio.encrypt_file(files, plain, hidden, context={"id": 1}) == 3
        assert await keyfold.aio.decrypt_file(files, hidden, back, context={"id": 1}) == 3
        out, again = io.BytesIO(), io.BytesIO()
        assert await keyfold.aio.encrypt_stream(files, io.BytesIO(b"ada"), out, b"x") == 3
        assert await keyfold.aio.decrypt_stream(files, io.BytesIO(out.getvalue()), again, b"x") == 3
        assert back.read_bytes() == again.getvalue() == b"ada"

    asyncio.run(main())


def test_other_threads_run_meanwhile(files: keyfold.Key) -> None:
    """The reader waits for another thread: it must get the interpreter while the stream is at work."""
    release = threading.Event()

    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert release.wait(30)
            return super().read(size)

    thread = threading.Timer(0.05, release.set)
    thread.start()
    out = io.BytesIO()
    files.encrypt_stream(Waiting(b"ada"), out)
    assert opened(files, out.getvalue()) == b"ada"
