"""Encrypting and decrypting from Python, beside the `cryptography` package's bare AEADs, in turns.

The peer draws its nonce from `os.urandom`, as its documentation says to. Medians over rounds.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

import keyfold

ROUNDS = 15


def nanoseconds(call: Callable[[], object], calls: int) -> float:
    repeat = range(calls)
    started = time.perf_counter_ns()
    for _ in repeat:
        call()
    return (time.perf_counter_ns() - started) / calls


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    calls = max(3, int(10e6 / nanoseconds(ours, 20)))
    mine, peer = [], []
    for _ in range(ROUNDS):
        mine.append(nanoseconds(ours, calls))
        peer.append(nanoseconds(theirs, calls))
    a, b = statistics.median(mine), statistics.median(peer)
    print(f"{name:<44}{a:>12,.0f} ns{b:>12,.0f} ns{b / a:>8.2f} × faster")


def batches(key: keyfold.Key, peer: AESGCM | AESGCMSIV, algorithm: str) -> None:
    """What a value costs in a batch of 10,000, beside a loop over the bare AEAD."""
    values = [os.urandom(32) for _ in range(10_000)]
    sealed = key.encrypt_many(values)
    nonce = os.urandom(12)
    peer_sealed = [peer.encrypt(nonce, value, None) for value in values]
    for name, ours, theirs in (
        (
            "encrypt",
            lambda: key.encrypt_many(values),
            lambda: [(n := os.urandom(12)) + peer.encrypt(n, value, None) for value in values],
        ),
        (
            "decrypt",
            lambda: key.decrypt_many(sealed),
            lambda: [peer.decrypt(nonce, value, None) for value in peer_sealed],
        ),
    ):
        mine = statistics.median(nanoseconds(ours, 1) for _ in range(ROUNDS)) / len(values)
        other = statistics.median(nanoseconds(theirs, 1) for _ in range(ROUNDS)) / len(values)
        name = f"{algorithm} {name}_many, 10,000 × 32 B, a value"
        print(f"{name:<44}{mine:>12,.0f} ns{other:>12,.0f} ns{other / mine:>8.2f} × faster")


def main() -> None:
    master_key = keyfold.generate_master_key()
    print(f"{'':<44}{'keyfold':>15}{'cryptography':>15}")
    with tempfile.TemporaryDirectory() as folder:
        with keyfold.open(os.path.join(folder, "bench.keyfold"), master_key, create=True) as store:
            for algorithm, peer in (("AES256_GCM_SIV", AESGCMSIV(bytes(32))), ("AES256_GCM", AESGCM(bytes(32)))):
                store.create_key(algorithm, algorithm=algorithm)
                key = store.key(algorithm)
                for length in (32, 4096, 1 << 20):
                    message = bytes(length)
                    sealed = key.encrypt(message)
                    nonce = os.urandom(12)
                    peer_sealed = peer.encrypt(nonce, message, None)
                    compare(
                        f"{algorithm} encrypt {length:,} B",
                        lambda: key.encrypt(message),
                        lambda: (n := os.urandom(12)) + peer.encrypt(n, message, None),
                    )
                    compare(
                        f"{algorithm} decrypt {length:,} B",
                        lambda: key.decrypt(sealed),
                        lambda: peer.decrypt(nonce, peer_sealed, None),
                    )
                batches(key, peer, algorithm)


if __name__ == "__main__":
    main()
