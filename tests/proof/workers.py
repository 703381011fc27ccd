"""Prefork servers and worker processes as they are used: gunicorn, celery, multiprocessing, Node's cluster and threads.

Every one opens the store before it forks. No nonce, stream salt or tag may come twice, no acknowledged rotation may be
lost, no message may go uncounted, and the store must be whole afterwards, whoever ends first.

    workers.py           the short form, about 10 s
    workers.py --long    more requests, tasks and children

The last line is `N passed, N failed`.
"""

import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / "build" / "proof-venv"
LIBRARY = ROOT / "build" / "venv"
MASTER_KEY = "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ="
NODE = shutil.which("node")


def prepare() -> None:
    """A virtual environment with the servers, which finds the keyfold that `make python` installed."""
    wanted = (HERE / "requirements.txt").read_bytes()
    stamp = VENV / "requirements.installed"
    if not stamp.exists() or stamp.read_bytes() != wanted:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        packages = next(LIBRARY.glob("lib/python3.*/site-packages"))
        next(VENV.glob("lib/python3.*/site-packages")).joinpath("keyfold.pth").write_text(f"{packages}\n")
        stamp.write_bytes(wanted)


class Store:
    """A store in a folder of its own, and what its users made."""

    def __init__(self, folder: str) -> None:
        import keyfold

        self.path = os.path.join(folder, "app.keyfold")
        self.sealed: list[bytes] = []
        self.streams: list[bytes] = []
        self.makers: collections.Counter[str] = collections.Counter()
        self.rotated: list[int] = []
        with keyfold.open(self.path, MASTER_KEY, create=True) as store:
            store.create_key("pii", algorithm="AES256_GCM")
            store.create_key("codes", kind="mac")
            store.create_key("files", kind="stream")

    def took(self, answer: dict[str, Any]) -> None:
        self.makers[str(answer["maker"])] += 1
        self.sealed += [bytes.fromhex(one) for one in answer["sealed"]]
        self.streams.append(bytes.fromhex(answer["stream"]))
        self.rotated += answer["rotated"]

    def prove(self) -> str:
        """Opens the store as a stranger does, and holds it against what was acknowledged."""
        import keyfold

        with keyfold.open(self.path, MASTER_KEY) as store:
            report = store.check()
            assert report.ok, report
            pii, files = store.key("pii"), store.key("files")
            assert all(pii.decrypt(one) == b"ada" for one in self.sealed)
            for one in self.streams:
                decryptor = files.stream_decryptor()
                assert decryptor.update(one) + decryptor.finish() == b"ada"
            nonces = {one[5:17] for one in self.sealed}
            salts = {one[1:33] for one in self.streams}
            assert len(nonces) == len(self.sealed), "a nonce comes twice"
            assert len(salts) == len(self.streams), "a salt comes twice"
            versions = store.list_key_versions("pii")
            assert len({one.tag for one in versions}) == len(versions), "a tag comes twice"
            assert len(set(self.rotated)) == len(self.rotated), "two rotations were told the same version"
            lost = set(self.rotated) - {one.version for one in versions}
            assert not lost, f"versions {lost} were acknowledged and are gone"
            made = collections.Counter(one[1:5] for one in self.sealed)
            for usage in store.key_usage("pii"):
                tag = next(one.tag for one in versions if one.version == usage.version)
                tag = tag if isinstance(tag, bytes) else bytes.fromhex(tag) if isinstance(tag, str) else tag.to_bytes(4)
                assert usage.messages >= made[tag], f"{made[tag]} messages of version {usage.version}, {usage} counted"
        return f"{len(self.makers)} makers, {len(nonces)} nonces, {len(salts)} streams, {len(self.rotated)} rotations"


# What the servers import: it opens the store before anything forks.
APP = """
import os
import threading

import keyfold

store = keyfold.open(os.environ["STORE"], os.environ["KEYFOLD_MASTER_KEY"], busy_timeout="60s")
pii, codes, files = store.key("pii"), store.key("codes"), store.key("files")
first = pii.encrypt(b"ada")
code = codes.mac(b"ada")


def work(rotate=False):
    sealed = [pii.encrypt(b"ada"), *pii.encrypt_many([b"ada"] * 4)]
    assert pii.decrypt(first) == b"ada" and pii.decrypt_many(sealed) == [b"ada"] * 5
    assert codes.mac(b"ada") == code
    encryptor = files.stream_encryptor()
    stream = encryptor.update(b"ada") + encryptor.finish()
    rotated = [store.rotate_key("pii").version] if rotate else []
    return {
        "maker": f"{os.getpid()}-{threading.get_ident()}" if threading.active_count() > 1 else str(os.getpid()),
        "sealed": [one.hex() for one in sealed],
        "stream": stream.hex(),
        "rotated": rotated,
    }
"""

WSGI = (
    APP
    + """

def app(environ, start_response):
    import json

    body = json.dumps(work(environ["PATH_INFO"] == "/rotate")).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
)

TASKS = (
    APP
    + """

from celery import Celery

queue = os.environ["QUEUE"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{queue}/results")
app.conf.update(
    broker_transport_options={name: f"{queue}/queue" for name in ("data_folder_in", "data_folder_out")}
    | {"control_folder": f"{queue}/control"},
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)


@app.task
def encrypt(rotate):
    return work(rotate)
"""
)


def environment(store: Store, folder: str) -> dict[str, str]:
    given = {"STORE": store.path, "KEYFOLD_MASTER_KEY": MASTER_KEY, "PYTHONPATH": folder, "QUEUE": folder}
    return {**os.environ, **given, "C_FORCE_ROOT": "1"}


@contextlib.contextmanager
def server(command: list[Any], log: pathlib.Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server in a process group of its own, and ends it."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **options
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) is not None
    except BaseException:
        print(log.read_text()[-4000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def request(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return json.loads(answer.read())
    finally:
        connection.close()


def gunicorn(folder: str, long: bool) -> str:
    """--preload opens the store in the arbiter; 4 workers, each of which is replaced after some requests."""
    store = Store(folder)
    pathlib.Path(folder, "wsgi.py").write_text(WSGI)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [VENV / "bin" / "gunicorn", "--preload", "-w", 4, "-b", f"127.0.0.1:{port}", "--log-level", "warning"]
    command += ["--max-requests", 100 if long else 25, "--max-requests-jitter", 5, "wsgi:app"]
    count, lock, failures = (4000 if long else 200), threading.Lock(), []
    with server(command, pathlib.Path(folder, "log"), cwd=folder, env=environment(store, folder)) as arbiter:
        deadline = time.monotonic() + 30
        while True:
            try:
                request(port, "/")
                break
            except OSError:
                assert time.monotonic() < deadline and arbiter.poll() is None, "gunicorn does not answer"
                time.sleep(0.05)

        def client(number: int) -> None:
            for turn in range(count // 8):
                for attempt in range(5):
                    try:
                        answer = request(port, "/rotate" if turn % 25 == number else "/")
                        break
                    except (OSError, http.client.HTTPException) as error:
                        # Of a worker that was just replaced, or killed: it acknowledged nothing.
                        failures.append(error)
                        time.sleep(0.05)
                else:
                    raise AssertionError("five requests failed in a row")
                with lock:
                    store.took(answer)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in clients:
            thread.start()
        # One worker goes in the middle of its work.
        time.sleep(0.3)
        with lock:
            victims = [int(maker.split("-")[0]) for maker in store.makers]
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[-1], signal.SIGKILL)
        for thread in clients:
            thread.join()
        assert len(store.sealed) == 5 * 8 * (count // 8), "a client failed"
    assert len(store.makers) >= 4, store.makers
    return f"{store.prove()}, {len(failures)} requests repeated"


def celery(folder: str, long: bool) -> str:
    """The prefork pool, whose children are replaced after some tasks."""
    store = Store(folder)
    pathlib.Path(folder, "tasks.py").write_text(TASKS)
    for name in ("queue", "control", "results"):
        pathlib.Path(folder, name).mkdir()
    count = 1000 if long else 60
    command = [VENV / "bin" / "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", 4, "-l", "warning"]
    command += ["--max-tasks-per-child", 10, "--without-gossip", "--without-mingle", "--without-heartbeat"]
    # All are asked before the worker starts: the broker of files reads what is still being written.
    asking = f"""
import json, tasks
print(json.dumps([tasks.encrypt.delay(number % 5 == 0).id for number in range({count})]))
"""
    collecting = """
import json, sys, tasks, time
def answer(asked):
    for _ in range(3000):
        try:
            if asked.ready():
                return asked.get(timeout=1)
        except ValueError:
            pass  # It is still being written.
        time.sleep(0.02)
    raise TimeoutError(asked.id)
print(json.dumps([answer(tasks.app.AsyncResult(id)) for id in json.load(sys.stdin)]))
"""
    given = environment(store, folder)

    def told(program: str, asked: str) -> Any:
        told = subprocess.run(
            [VENV / "bin" / "python", "-c", program],
            cwd=folder,
            env=given,
            input=asked,
            stdout=subprocess.PIPE,
            text=True,
            timeout=300,
        )
        assert told.returncode == 0
        return json.loads(told.stdout.splitlines()[-1])

    asked = told(asking, "")
    with server(command, pathlib.Path(folder, "log"), cwd=folder, env=given):
        for answer in told(collecting, json.dumps(asked)):
            store.took(answer)
    assert len(store.makers) >= 4, store.makers
    return store.prove()


def work_in_child(sender: Any, rotate: bool) -> None:
    import app

    sender.send(app.work(rotate))
    sender.close()


def processes(method: str) -> Callable[[str, bool], str]:
    def run(folder: str, long: bool) -> str:
        store = Store(folder)
        pathlib.Path(folder, "app.py").write_text(APP)
        asking = f"""
import sys
sys.path[:0] = [{str(HERE)!r}, {folder!r}]
import multiprocessing, json, workers
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    if {method!r} == "forkserver":
        context.set_forkserver_preload(["app"])
    if {method!r} == "fork":
        import app
    count, answers = {(64 if method == "fork" else 16) * (4 if long else 1) if method != "spawn" else 4}, []
    children = []
    for number in range(count):
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=workers.work_in_child, args=(sender, number % 8 == 0))
        child.start()
        sender.close()
        children.append((child, receiver))
    if {method!r} == "fork":
        answers.append(app.work())
        # The parent closes before most of its children have ended.
        app.store.close()
    for child, receiver in children:
        answers.append(receiver.recv())
        child.join()
        assert child.exitcode == 0
    print(json.dumps(answers))
"""
        script = pathlib.Path(folder, "asking.py")
        script.write_text(asking)
        ended = subprocess.run(
            [VENV / "bin" / "python", script],
            cwd=folder,
            env=environment(store, folder),
            stdout=subprocess.PIPE,
            timeout=300,
        )
        assert ended.returncode == 0
        for answer in json.loads(ended.stdout.splitlines()[-1]):
            store.took(answer)
        return store.prove()

    return run


def node(kind: str) -> Callable[[str, bool], str]:
    def run(folder: str, long: bool) -> str:
        store = Store(folder)
        ended = subprocess.run(
            [NODE, HERE / "workers.mjs", kind, "40" if long else "4"],
            env=environment(store, folder),
            stdout=subprocess.PIPE,
            timeout=300,
        )
        assert ended.returncode == 0
        for line in ended.stdout.splitlines():
            store.took(json.loads(line))
        assert len(store.makers) >= 4, store.makers
        return store.prove()

    return run


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--long", action="store_true")
    arguments.add_argument("--seed", help="taken and not needed: what is random here is the machine's")
    arguments.add_argument("names", nargs="*")
    options = arguments.parse_args()
    if pathlib.Path(sys.prefix) != VENV:
        prepare()
        os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.argv])
    proofs: dict[str, Callable[[str, bool], str]] = {
        "gunicorn --preload": gunicorn,
        "celery prefork": celery,
        **{f"multiprocessing {method}": processes(method) for method in ("fork", "forkserver", "spawn")},
        "node cluster": node("cluster"),
        "node worker_threads": node("threads"),
    }
    passed = failed = 0
    for name, proof in proofs.items():
        if options.names and name not in options.names:
            continue
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = proof(folder, options.long)
                passed += 1
                print(f"proof: {name}: {said} ({time.monotonic() - started:.1f} s)", flush=True)
            except Exception as error:
                failed += 1
                print(f"{name} failed: {type(error).__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
