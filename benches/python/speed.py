"""Python beside the peers. `benches/run.py` calls it: speed.py RESULTS.json FOLDER [--quick]."""

import hmac
import importlib.metadata
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from measure import Report, Series
from peers import KEY, Peer, all_peers

import keyfold

BATCH = 10_000
MANY = 2_000  # calls of a thread


def main() -> None:
    results, folder, *options = sys.argv[1:]
    report = Report(5 if "--quick" in options else 31)
    peers = all_peers(report)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = os.path.join(place, "bench.keyfold")
        with keyfold.open(path, keyfold.generate_master_key(), create=True) as store:
            keys = {}
            for algorithm in ("AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM"):
                store.create_key(algorithm, algorithm=algorithm)
                keys[algorithm] = store.key(algorithm)
            key = keys["AES256_GCM_SIV"]
            messages(report, "32", "32 B", bytes(32), {"keyfold": key}, peers)
            texts(report, key, peers)
            batches(report, key, peers)
            indexes(report, key)
            bulk = {f"keyfold {algorithm}": key for algorithm, key in keys.items()}
            of_bulk = [peer for peer in peers if peer.name.startswith("cryptography AES")]
            messages(report, "1MiB", "1 MiB", bytes(1 << 20), bulk, of_bulk)
            threads(report, key, of_bulk[:1])
    names = ("asherah", "aws-encryption-sdk", "cryptography", "pynacl", "tink", "keyfold")
    report.write(Path(results), {"python": sys.version.split()[0]} | {name: version(name) for name in names})


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def messages(
    report: Report, id: str, size: str, message: bytes, keys: dict[str, keyfold.Key], peers: list[Peer]
) -> None:
    encrypt = [Series(name, "key.encrypt(message)", {"key": key, "message": message}) for name, key in keys.items()]
    decrypt = [
        Series(name, "key.decrypt(sealed)", {"key": key, "sealed": key.encrypt(message)}) for name, key in keys.items()
    ]
    for peer in peers:
        names = peer.names | {"message": message, "sealed": peer.names["seal"](message)}
        encrypt.append(Series(peer.name, peer.encrypt, names))
        decrypt.append(Series(peer.name, peer.decrypt, names))
    report.compare(f"encrypt/{id}", f"encrypt {size}", encrypt)
    report.compare(f"decrypt/{id}", f"decrypt {size}", decrypt)


def texts(report: Report, key: keyfold.Key, peers: list[Peer]) -> None:
    """Text in, text out; Fernet needs the text encoded and its token decoded for that."""
    text = "a" * 32
    names: dict[str, Any] = {"key": key, "text": text, "sealed": key.encrypt_text(text)}
    encrypt = [Series("keyfold", "key.encrypt_text(text)", names)]
    decrypt = [Series("keyfold", "key.decrypt_text(sealed)", names)]
    for peer in peers:
        if peer.name == "asherah":
            session = peer.names["session"]
            names = {"session": session, "text": text, "sealed": session.encrypt_text(text)}
            encrypt.append(Series(peer.name, "session.encrypt_text(text)", names))
            decrypt.append(Series(peer.name, "session.decrypt_text(sealed)", names))
        elif peer.name == "cryptography Fernet":
            fernet = peer.names["fernet"]
            names = {"fernet": fernet, "text": text, "sealed": fernet.encrypt(text.encode()).decode()}
            encrypt.append(Series(peer.name, "fernet.encrypt(text.encode()).decode()", names))
            decrypt.append(Series(peer.name, "fernet.decrypt(sealed).decode()", names))
    report.compare("encrypt_text", "text to text, encrypt 32 B", encrypt)
    report.compare("decrypt_text", "text to text, decrypt 32 B", decrypt)


def batches(report: Report, key: keyfold.Key, peers: list[Peer]) -> None:
    """What a value costs in a batch; peers have no batches and go over the values in a list comprehension."""
    values = [os.urandom(32) for _ in range(BATCH)]
    texts = [value.hex()[:32] for value in values]
    names: dict[str, Any] = {"key": key, "values": values, "sealed": key.encrypt_many(values)}
    of_texts: dict[str, Any] = {"key": key, "texts": texts, "sealed": key.encrypt_many_text(texts)}
    encrypt = [
        Series("keyfold encrypt_many", "key.encrypt_many(values)", names, BATCH),
        Series("keyfold encrypt_many_text", "key.encrypt_many_text(texts)", of_texts, BATCH),
    ]
    decrypt = [
        Series("keyfold decrypt_many", "key.decrypt_many(sealed)", names, BATCH),
        Series("keyfold decrypt_many_text", "key.decrypt_many_text(sealed)", of_texts, BATCH),
    ]
    for peer in peers:
        if peer.name not in ("asherah", "cryptography AESGCM"):
            continue
        sealed = [peer.names["seal"](value) for value in values]
        names = peer.names | {"values": values, "all_sealed": sealed}
        one = peer.encrypt.replace("n = urandom(12); aead.encrypt(n,", "aead.encrypt(urandom(12),")
        encrypt.append(Series(f"{peer.name}, a loop", f"[{one} for message in values]", names, BATCH))
        decrypt.append(Series(f"{peer.name}, a loop", f"[{peer.decrypt} for sealed in all_sealed]", names, BATCH))
    report.compare("encrypt_many", "a value of 10,000 × 32 B, encrypt", encrypt)
    report.compare("decrypt_many", "a value of 10,000 × 32 B, decrypt", decrypt)


def indexes(report: Report, key: keyfold.Key) -> None:
    value = b"7" * 32
    names: dict[str, Any] = {"key": key, "value": value, "digest": hmac.digest, "secret": KEY}
    values = {"key": key, "values": [os.urandom(32) for _ in range(BATCH)]}
    report.compare(
        "blind_index",
        "blind index of 32 B",
        [
            Series("keyfold", 'key.blind_index(value, "users.email")', names),
            Series("keyfold blind_index_many", 'key.blind_index_many(values, "users.email")', values, BATCH),
            Series("hmac.digest", 'digest(secret, value, "sha256")', names),
        ],
    )


def threads(report: Report, key: keyfold.Key, peers: list[Peer]) -> None:
    """Values of 64 KiB, for which the interpreter's lock is released; a peer shows what two processors give here."""
    message = bytes(64 << 10)

    def on(count: int, work: Any) -> None:
        some = [threading.Thread(target=work) for _ in range(count)]
        for one in some:
            one.start()
        for one in some:
            one.join()

    def ours() -> None:
        for _ in range(MANY):
            key.encrypt(message)

    works = [("keyfold", ours)]
    for peer in peers:
        aead = peer.names["aead"]

        def theirs(aead: Any = aead) -> None:
            for _ in range(MANY):
                aead.encrypt(os.urandom(12), message, None)

        works.append((peer.name, theirs))
    series = [
        Series(
            f"{name}, {count} thread{'s' * (count - 1)}", f"on({count}, work)", {"on": on, "work": work}, MANY * count
        )
        for name, work in works
        for count in (2, 1)
    ]
    report.compare("threads", "a message of 64 KiB, encrypt", series, min(report.rounds, 11))


if __name__ == "__main__":
    main()
