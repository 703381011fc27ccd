"""The Python process of `together.py`, which describes what a driver does."""

import os
import sys
import time

import keyfold

now = time.monotonic_ns
FILLER = "abcdefghij" * 30


def fnv(data: bytes) -> int:
    """FNV-1a, 64 bits: what a plaintext says of itself."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def plaintext(name: str, seq: int, key: str) -> bytes:
    body = f"{name} {seq} {key} {FILLER[: seq * 7 % 200]} ".encode()
    return body + f"{fnv(body):016x}".encode()


def is_from(data: bytes, name: str, seq: str, key: str) -> bool:
    body, checksum = data[:-16], data[-16:]
    return checksum == f"{fnv(body):016x}".encode() and body.startswith(f"{name} {seq} {key} ".encode())


def admin(store: keyfold.Store) -> None:
    for line in sys.stdin:
        words = line.split()
        begun = now()
        try:
            match words:
                case ["rotate", key]:
                    store.rotate_key(key)
                case ["stage", key]:
                    store.rotate_key(key, stage=True)
                case ["promote", key, version]:
                    store.promote_version(key, int(version))
                case ["state", key, version, state]:
                    store.set_version_state(key, int(version), state)
                case ["rekey"]:
                    store.rotate_master_key()
                case _:
                    raise SystemExit(f"unknown act {line}")
            outcome = "ok"
        except keyfold.KeyfoldError as error:
            outcome = error.code
        print(begun, now(), outcome, flush=True)


def roam(store: keyfold.Store, name: str, seconds: float, lie: str, keys: list[str], others: list[str]) -> None:
    handles = [store.key(key) for key in keys]
    pools = {other: open(f"{other}.log") for other in others}
    parts = dict.fromkeys(others, "")
    kept: dict[str, str] = {}
    log = open(f"{name}.log", "a", buffering=1)
    end = now() + int(seconds * 1e9)
    seq = turn = 0
    while now() < end and not os.path.exists("stop"):
        turn += 1
        for key, handle in zip(keys, handles):
            seq += 1
            data = plaintext(name, seq + 1 if lie == "plaintext" else seq, key)
            begun = now()
            try:
                sealed = handle.encrypt(data, f"{name} {key}".encode()).hex()
            except keyfold.KeyfoldError as error:
                log.write(f"F {seq} {begun} {now()} {key} {error.code}\n")
                continue
            log.write(f"E {seq} {begun} {now()} {key} {sealed}\n")
        for other, pool in pools.items():
            # Of what this one has sealed since, the last one that is written whole.
            *lines, parts[other] = (parts[other] + pool.read()).split("\n")
            sealed = next((line for line in reversed(lines) if line.startswith("E ")), None)
            if sealed and (other not in kept or turn % 16 == 0):
                kept[other] = sealed
            if turn % 2:
                sealed = kept.get(other)
            if sealed is None:
                continue
            _, number, _, _, key, ciphertext = sealed.split(" ")
            ciphertext = bytes.fromhex(ciphertext)
            begun = now()
            try:
                opened = store.decrypt(key, ciphertext, f"{other} {key}".encode())
                outcome = "ok" if is_from(opened, other, number, key) else "wrong"
                if store.inspect(ciphertext)[0].key_id != key:
                    outcome = "wrong"
            except keyfold.KeyfoldError as error:
                outcome = error.code
            log.write(f"D {other} {begun} {now()} {number} {outcome}\n")
        begun = now()
        try:
            index = handles[seq % len(keys)].blind_index(keys[seq % len(keys)], "field").hex()
            log.write(f"I {keys[seq % len(keys)]} {begun} {now()} {index}\n")
        except keyfold.KeyfoldError as error:
            log.write(f"F {seq} {begun} {now()} index {error.code}\n")
        time.sleep(0.004)


role, path, interval = sys.argv[1:4]
with keyfold.open(path, refresh_interval=interval, max_stale="120s") as opened:
    if role == "admin":
        admin(opened)
    else:
        roam(opened, sys.argv[4], float(sys.argv[5]), sys.argv[6], sys.argv[7].split(","), sys.argv[8].split(","))
