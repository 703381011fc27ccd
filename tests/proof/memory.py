"""Counts the copies of keys in the memory of a Python and a Node program: open, exported, closed.

The program draws its keys in place, tells them masked, and stops at each step; this one reads its /proc/PID/mem, so
that no search finds itself. What keyfold holds must be gone once the store is closed. What the language keeps of keys
and plaintexts that it was given is counted, and printed for docs/memory.md.

    memory.py           one store in each language
    memory.py --long    twenty

The last line is `N passed, N failed`.
"""

import argparse
import base64
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
MASK = 0x55
MASKED = bytes(byte ^ MASK for byte in range(256))

# Where the backend that serves expands a key on the heap; the others lie in pages for secrets alone.
ON_HEAP = {"AES256_GCM", "AES256_GCM_SIV"}
ALGORITHMS = {
    "AES256_GCM_SIV": ("aead", 32),
    "AES256_GCM": ("aead", 32),
    "XAES256_GCM": ("aead", 32),
    "XCHACHA20_POLY1305": ("aead", 32),
    "AES256_SIV": ("deterministic", 64),
    "AES256_GCM_HKDF_1MB": ("stream", 32),
    "HMAC_SHA256": ("mac", 32),
    "HMAC_SHA512": ("mac", 64),
    "HKDF_SHA256": ("derive", 32),
}


def copies(pid: int, wanted: dict[str, bytes]) -> dict[str, dict[str, int]]:
    """How often the first 16 bytes of each secret stand in the process's memory: in pages for secrets, elsewhere."""
    found: dict[str, dict[str, int]] = {name: {"pages": 0, "elsewhere": 0} for name in wanted}
    ranges: list[tuple[int, int, bool]] = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if at := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) .*?(\S*)$", line):
            skipped = not at[3].startswith("rw") or at[4].startswith("[v")
            current = (0, 0) if skipped else (int(at[1], 16), int(at[2], 16))
        elif line.startswith("VmFlags:") and current[1]:
            ranges.append((*current, "dd" in line.split()))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, secret in ranges:
            for first in range(start, end, 1 << 22):
                try:
                    memory.seek(first)
                    # What lies across two pieces is seen in the first.
                    read = memory.read(min((1 << 22) + 15, end - first))
                except OSError:
                    continue
                piece = read.translate(MASKED)
                for name, masked in wanted.items():
                    found[name]["pages" if secret else "elsewhere"] += piece.count(masked[:16])
    return found


class Watched:
    """A program that stops at each step."""

    def __init__(self, command: list[str], folder: str) -> None:
        secret = os.urandom(32)
        file = pathlib.Path(folder, "master.key")
        file.write_text(base64.b64encode(secret).decode())
        file.chmod(0o600)
        self.wanted = {"master key": secret.translate(MASKED)}
        environment = {**os.environ, "STORE": str(pathlib.Path(folder, "s")), "KEYFOLD_MASTER_KEY": f"file:{file}"}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.watchdog = threading.Timer(120, self.process.kill)
        self.watchdog.start()

    def steps(self) -> dict[str, dict[str, dict[str, int]]]:
        """What is found at each step."""
        steps = {}
        assert self.process.stdin and self.process.stdout
        for line in self.process.stdout:
            step, secrets = line.rstrip("\n").split("\t")
            self.wanted |= {name: bytes.fromhex(masked) for name, masked in json.loads(secrets).items()}
            steps[step] = copies(self.process.pid, self.wanted)
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        assert self.process.wait() == 0
        self.watchdog.cancel()
        return steps


def judge(steps: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    """What is not as docs/memory.md says."""
    wrong = []
    for name, count in steps["open"].items():
        if name in ALGORITHMS:
            heap = 1 if name in ON_HEAP else 0
            if count["elsewhere"] != heap:
                wrong.append(f"open: {name} lies {count['elsewhere']} times outside the pages for secrets, not {heap}")
            # Of HMAC keys only the states after their first blocks are kept.
            if count["pages"] + heap == 0 and not name.startswith("HMAC"):
                wrong.append(f"open: {name} is not found: the search is blind")
    for step in ("closed", "closed again"):
        for name, count in steps[step].items():
            held = count["pages"] + (count["elsewhere"] if step == "closed" or not name.startswith("exported") else 0)
            if held:
                wrong.append(f"{step}: {name} is left: {count}")
    if not any(count["elsewhere"] for name, count in steps["exported"].items() if name.startswith("exported")):
        wrong.append("exported: what was handed out is not found: the search is blind")
    return wrong


def child() -> None:
    """The Python program."""
    import gc
    import io

    import keyfold

    def drawn(length: int) -> bytearray:
        secret = bytearray(length)
        with open("/dev/urandom", "rb", buffering=0) as random:
            assert isinstance(random, io.RawIOBase) and random.readinto(secret) == length
        return secret

    def stop(step: str, **secrets: bytearray) -> None:
        told = {name: "".join(f"{byte ^ MASK:02x}" for byte in secret) for name, secret in secrets.items()}
        print(f"{step}\t{json.dumps(told)}", flush=True)
        # Told: the caller's own copies go.
        for secret in secrets.values():
            secret[:] = bytes(len(secret))
        sys.stdin.readline()

    def use(key: Any, store: Any, kind: str) -> None:
        if kind in ("aead", "deterministic"):
            assert key.decrypt(key.encrypt(b"ada")) == b"ada"
            assert key.decrypt_many(key.encrypt_many([b"ada"])) == [b"ada"]
        elif kind == "mac":
            key.verify_mac(b"ada", key.mac(b"ada"))
        elif kind == "derive":
            store.derive_key(key.id, "purpose", 32)
        else:
            encryptor = key.stream_encryptor()
            sealed = encryptor.update(b"ada") + encryptor.finish()
            decryptor = key.stream_decryptor()
            assert decryptor.update(sealed) + decryptor.finish() == b"ada"

    store = keyfold.open(os.environ["STORE"], create=True)
    secrets = {}
    for algorithm, (kind, length) in ALGORITHMS.items():
        secrets[algorithm] = drawn(length)
        store.import_key(algorithm, secrets[algorithm], "raw", kind=kind, algorithm=algorithm)
        use(store.key(algorithm), store, kind)
    masked = {name: "".join(f"{byte ^ MASK:02x}" for byte in secret) for name, secret in secrets.items()}
    for secret in secrets.values():
        secret[:] = bytes(len(secret))
    print(f"open\t{json.dumps(masked)}", flush=True)
    sys.stdin.readline()
    store.close()
    stop("closed")
    del store

    store = keyfold.open(os.environ["STORE"])
    secret = drawn(32)
    text = drawn(32)
    for place, byte in enumerate(text):
        text[place] = ord("a") + byte % 26
    store.import_key("exported", secret, "raw", exportable=True)
    sealed = store.key("exported").encrypt(text)
    held, opened = store.get_data_key("exported"), store.key("exported").decrypt(sealed)
    stop("exported", **{"exported key": secret, "exported plaintext": text})
    assert len(held) == len(opened) == 32
    del held, opened
    gc.collect()
    stop("dropped")
    store.close()
    del store
    stop("closed again")


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--long", action="store_true")
    arguments.add_argument("--seed", help="taken and not needed: the keys are drawn by the kernel")
    arguments.add_argument("--child", action="store_true")
    options = arguments.parse_args()
    if options.child:
        child()
        return 0
    programs = {"python": [str(PYTHON), __file__, "--child"], "node": [shutil.which("node") or "node"]}
    programs["node"].append(str(HERE / "memory.mjs"))
    passed = failed = 0
    for name, command in programs.items():
        totals: dict[str, collections.Counter[str]] = {}
        rounds = 20 if options.long else 1
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                steps = Watched(command, folder).steps()
            wrong = judge(steps)
            passed, failed = passed + (not wrong), failed + bool(wrong)
            for line in wrong:
                print(f"{name}: {line}")
            for step, found in steps.items():
                for secret, count in found.items():
                    shown = totals.setdefault(f"{step}: {secret}", collections.Counter())
                    shown[f"{count['pages']} in pages for secrets, {count['elsewhere']} elsewhere"] += 1
        none = "0 in pages for secrets, 0 elsewhere"
        for step in steps:
            gone = [
                secret for secret, counts in totals.items() if secret.startswith(f"{step}: ") and set(counts) == {none}
            ]
            print(f"proof: {name}: {step}: of {len(gone)} of {len(steps[step])} secrets no copy is left")
        for secret, counts in totals.items():
            if set(counts) == {none}:
                continue
            said = "; ".join(
                f"{count} ({times} of {rounds})" if rounds > 1 else count for count, times in counts.items()
            )
            print(f"proof: {name}: {secret}: {said}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
