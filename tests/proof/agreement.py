"""Keyfold agrees with OpenSSL (through `cryptography`) and with Google Tink on random messages of every algorithm.

    agreement.py [--long] [--seed N]      1,000 messages of each algorithm in each direction; 100,000 in the long form

Ours are opened by theirs, and theirs by ours; what is deterministic is compared byte for byte. Messages have 0 to 300
bytes, one in eight a multiple of 16, one in a hundred up to 64 KiB; each has associated data of its own, and one in
fifty is forged, which both must refuse. Every third is given to us in text form. What OpenSSL does not have stands
here as its definition over what OpenSSL has: XAES-256-GCM, and HChaCha20 of XChaCha20-Poly1305.
"""

import argparse
import hmac
import io
import pathlib
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import keyfold
import tink
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, AESSIV, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tink import aead, daead, mac, secret_key_access, streaming_aead

aead.register()
daead.register()
mac.register()
streaming_aead.register()

# Messages that are made, sealed and opened at a time.
BATCH = 1_000
SEGMENT = 1 << 20

Seal = Callable[[bytes, bytes], bytes]
Open = Callable[[bytes, bytes], bytes | None]


class Xaes:
    """c2sp.org/XAES-256-GCM by its definition, over OpenSSL's AES and AES-GCM."""

    def __init__(self, key: bytes) -> None:
        self.block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        first = int.from_bytes(self.block.update(bytes(16)))
        doubled = (first << 1) ^ ((first >> 127) * 0x87)
        self.subkey = doubled & ((1 << 128) - 1)

    def of(self, nonce: bytes) -> AESGCM:
        halves = [b"\x00" + bytes([counter]) + b"X\x00" + nonce[:12] for counter in [1, 2]]
        masked = [(int.from_bytes(half) ^ self.subkey).to_bytes(16) for half in halves]
        return AESGCM(self.block.update(b"".join(masked)))

    def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        return self.of(nonce).encrypt(nonce[12:], data, aad)

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        return self.of(nonce).decrypt(nonce[12:], data, aad)


class XChaCha:
    """draft-irtf-cfrg-xchacha-03: HChaCha20 is a block of ChaCha20 without its last addition."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def of(self, nonce: bytes) -> tuple[ChaCha20Poly1305, bytes]:
        stream = Cipher(algorithms.ChaCha20(self.key, nonce[:16]), mode=None).encryptor().update(bytes(64))
        block = struct.unpack("<16I", stream)
        constants = struct.unpack("<4I", b"expand 32-byte k")
        added = [*constants, *struct.unpack("<8I", self.key), *struct.unpack("<4I", nonce[:16])]
        words = [(one - other) & 0xFFFFFFFF for one, other in zip(block, added, strict=True)]
        return ChaCha20Poly1305(struct.pack("<8I", *words[:4], *words[12:])), bytes(4) + nonce[16:]

    def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        cipher, inner = self.of(nonce)
        return cipher.encrypt(inner, data, aad)

    def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        cipher, inner = self.of(nonce)
        return cipher.decrypt(inner, data, aad)


AEADS: dict[str, tuple[Any, int]] = {
    "AES256_GCM_SIV": (AESGCMSIV, 12),
    "AES256_GCM": (AESGCM, 12),
    "XAES256_GCM": (Xaes, 24),
    "XCHACHA20_POLY1305": (XChaCha, 24),
}


class Proof:
    def __init__(self, store: keyfold.Store, seed: int, count: int, streams: int) -> None:
        self.store, self.count, self.streams = store, count, streams
        self.random = random.Random(seed)
        self.passed = self.failed = 0

    # Drawing

    def length(self) -> int:
        drawn = self.random.random()
        if drawn < 0.01:
            return self.random.randrange(65_537)
        return self.random.randrange(20) * 16 if drawn < 0.13 else self.random.randrange(301)

    def bytes(self, length: int) -> bytes:
        return self.random.randbytes(length)

    def messages(self) -> tuple[list[bytes], list[bytes]]:
        values = [self.bytes(self.length()) for _ in range(BATCH)]
        return values, [self.bytes(self.random.randrange(100) * (self.random.random() < 0.8)) for _ in range(BATCH)]

    def forged(self, sealed: list[bytes]) -> list[tuple[int, bytes]]:
        """One in fifty, one bit of it turned behind the tag, which chooses the version."""
        forged = []
        for place in range(self.random.randrange(50), len(sealed), 50):
            changed = bytearray(sealed[place])
            changed[self.random.randrange(5, len(changed))] ^= 1 << self.random.randrange(8)
            forged.append((place, bytes(changed)))
        return forged

    # Comparing

    def expect(self, what: str, held: bool) -> None:
        if held:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{what}: they do not agree")

    def report(self, what: str, counts: dict[str, int], started: float) -> None:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        print(f"proof: {what}: {listed} ({time.monotonic() - started:.1f} s)", flush=True)

    def key(self, algorithm: str, kind: str) -> tuple[Any, bytes, bytes, Any]:
        """Our key of two versions, the current one's bytes and prefix, and all of it as Tink's handle."""
        key_id = algorithm.lower()
        self.store.create_key(key_id, kind=kind, algorithm=algorithm, exportable=True)
        self.store.rotate_key(key_id)
        prefix = b"\x01" + struct.pack(">I", self.store.list_key_versions(key_id)[0].tag)
        keyset = self.store.export_keyset(key_id, insecure_cleartext=True).data.decode()
        handle = tink.json_proto_keyset_format.parse(keyset, secret_key_access.TOKEN)
        return self.store.key(key_id), self.store.get_data_key(key_id), prefix, handle

    def encryption(self, what: str, key: Any, open_theirs: Open, seal_theirs: Seal) -> None:
        started = time.monotonic()
        counts = {"of ours opened by them": 0, "of theirs opened by us": 0, "forged and refused by both": 0}
        for _ in range(self.count // BATCH):
            values, aads = self.messages()
            ours = key.encrypt_many(values, aads=aads)
            opened = [open_theirs(one, aad) for one, aad in zip(ours, aads, strict=True)]
            self.expect(f"{what}, ours opened by them", opened == values)
            counts["of ours opened by them"] += len(ours)
            theirs = [seal_theirs(one, aad) for one, aad in zip(values, aads, strict=True)]
            given = [keyfold.to_text(one) if place % 3 == 0 else one for place, one in enumerate(theirs)]
            self.expect(f"{what}, theirs opened by us", key.decrypt_many(given, aads=aads) == values)
            counts["of theirs opened by us"] += len(theirs)
            forged = self.forged(ours)
            tried = key.decrypt_many(
                [one for _, one in forged], aads=[aads[place] for place, _ in forged], on_error="return"
            )
            refused = all(isinstance(one, keyfold.DecryptionFailed) for one in tried)
            refused &= all(open_theirs(one, aads[place]) is None for place, one in forged)
            self.expect(f"{what}, forged ones", refused)
            counts["forged and refused by both"] += len(forged)
        self.report(what, counts, started)

    # The algorithms

    def aead(self, algorithm: str) -> None:
        cipher_of, length = AEADS[algorithm]
        key, material, prefix, handle = self.key(algorithm, "aead")
        cipher = cipher_of(material)

        def open_theirs(sealed: bytes, aad: bytes) -> bytes | None:
            if sealed[:5] != prefix:
                return None
            try:
                return cipher.decrypt(sealed[5 : 5 + length], sealed[5 + length :], aad)
            except InvalidTag:
                return None

        def seal_theirs(value: bytes, aad: bytes) -> bytes:
            nonce = self.bytes(length)
            return prefix + nonce + cipher.encrypt(nonce, value, aad)

        self.encryption(f"{algorithm} and OpenSSL", key, open_theirs, seal_theirs)
        # The comparison can fail: of a key with one bit turned nothing opens.
        cipher = cipher_of(bytes([material[0] ^ 1]) + material[1:])
        self.expect(f"{algorithm}, another key", open_theirs(key.encrypt(b"m"), b"") is None)
        primitive = handle.primitive(aead.Aead)
        self.encryption(f"{algorithm} and Tink", key, refusing(primitive.decrypt), primitive.encrypt)

    def deterministic(self) -> None:
        key, material, prefix, handle = self.key("AES256_SIV", "deterministic")
        cipher = AESSIV(material)
        primitive = handle.primitive(daead.DeterministicAead)

        def open_theirs(sealed: bytes, aad: bytes) -> bytes | None:
            try:
                return cipher.decrypt(sealed[5:], [aad])
            except InvalidTag:
                return None

        def seal_theirs(value: bytes, aad: bytes) -> bytes:
            return prefix + cipher.encrypt(value, [aad])

        self.encryption("AES256_SIV and OpenSSL", key, open_theirs, seal_theirs)
        open_tinks = refusing(primitive.decrypt_deterministically)
        self.encryption("AES256_SIV and Tink", key, open_tinks, primitive.encrypt_deterministically)
        started = time.monotonic()
        for _ in range(self.count // BATCH):
            values, aads = self.messages()
            ours = key.encrypt_many(values, aads=aads)
            pairs = list(zip(values, aads, strict=True))
            self.expect("AES256_SIV byte for byte, OpenSSL", ours == [seal_theirs(*pair) for pair in pairs])
            tinks = [primitive.encrypt_deterministically(*pair) for pair in pairs]
            self.expect("AES256_SIV byte for byte, Tink", ours == tinks)
        self.report("AES256_SIV and both", {"the same byte for byte": self.count}, started)

    def codes(self, algorithm: str, digest: str) -> None:
        key, material, prefix, handle = self.key(algorithm, "mac")
        primitive = handle.primitive(mac.Mac)
        started, forged = time.monotonic(), 0
        for _ in range(self.count // BATCH):
            values, _ = self.messages()
            ours = [key.mac(value) for value in values]
            openssls = [prefix + hmac.digest(material, value, digest) for value in values]
            self.expect(f"{algorithm} and OpenSSL", ours == openssls)
            self.expect(f"{algorithm} and Tink", ours == [primitive.compute_mac(value) for value in values])
            for value, code in zip(values, ours, strict=True):
                primitive.verify_mac(code, value)
                key.verify_mac(value, code)
            for place, code in self.forged(ours):
                refused = [
                    raises(keyfold.VerificationFailed, key.verify_mac, values[place], code),
                    raises(tink.TinkError, primitive.verify_mac, code, values[place]),
                ]
                self.expect(f"{algorithm}, a forged code", all(refused))
                forged += 1
        counts = {"the same byte for byte, and verified": self.count, "forged and refused by both": forged}
        self.report(f"{algorithm}, OpenSSL and Tink", counts, started)

    def derived(self) -> None:
        key_id = "hkdf_sha256"
        self.store.create_key(key_id, kind="derive", exportable=True)
        material = self.store.get_data_key(key_id)
        started = time.monotonic()
        for batch in range(self.count // BATCH):
            held = True
            for place in range(BATCH):
                purpose = f"{self.random.getrandbits(self.random.randrange(1, 400)):x}-{batch}-{place}"[:100]
                length = self.random.randrange(1, 255 * 32 + 1) if place % 100 == 0 else self.random.randrange(1, 100)
                info = encoded("keyfold/v1/derive-key", purpose, length)
                theirs = HKDF(hashes.SHA256(), length, None, info).derive(material)
                held &= self.store.derive_key(key_id, purpose, length) == theirs
            self.expect("HKDF_SHA256 and OpenSSL", held)
        self.report("HKDF_SHA256 and OpenSSL", {"the same byte for byte": self.count}, started)

    def stream(self) -> None:
        key, material, _, handle = self.key("AES256_GCM_HKDF_1MB", "stream")
        primitive = handle.primitive(streaming_aead.StreamingAead)
        started, forged = time.monotonic(), 0
        borders = [0, 1, SEGMENT - 57, SEGMENT - 56, SEGMENT - 55, 2 * SEGMENT - 72, 2 * SEGMENT - 71]
        for number in range(self.streams):
            length = borders[number] if number < len(borders) else self.random.randrange(4 * SEGMENT)
            value, aad = self.bytes(length), self.bytes(self.random.randrange(60))
            out = io.BytesIO()
            key.encrypt_stream(io.BytesIO(value), out, aad)
            ours = out.getvalue()
            self.expect("a stream of ours opened by OpenSSL", stream_opened(material, ours, aad) == value)
            with primitive.new_decrypting_stream(io.BytesIO(ours), aad) as reading:
                self.expect("a stream of ours opened by Tink", reading.read() == value)
            kept = Kept()
            with primitive.new_encrypting_stream(kept, aad) as writing:
                writing.write(value)
            out = io.BytesIO()
            key.decrypt_stream(io.BytesIO(kept.kept), out, aad)
            self.expect("a stream of Tink's opened by us", out.getvalue() == value)
            place, changed = self.random.randrange(len(ours)), bytearray(ours)
            changed[place] ^= 1 << self.random.randrange(8)
            refused = raises(
                keyfold.DecryptionFailed, key.decrypt_stream, io.BytesIO(bytes(changed)), io.BytesIO(), aad
            )
            self.expect("a forged stream", refused and stream_opened(material, bytes(changed), aad) is None)
            forged += 1
        counts = {"streams opened by each": self.streams, "forged and refused by both": forged}
        self.report("AES256_GCM_HKDF_1MB, OpenSSL and Tink", counts, started)


class Kept(io.BytesIO):
    """Tink closes what it writes to; the bytes are wanted afterwards."""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def refusing(open_one: Callable[[bytes, bytes], bytes]) -> Open:
    def opened(sealed: bytes, aad: bytes) -> bytes | None:
        try:
            return open_one(sealed, aad)
        except tink.TinkError:
            return None

    return opened


def raises(kind: type[Exception], call: Callable[..., object], *arguments: object) -> bool:
    try:
        call(*arguments)
    except kind:
        return True
    return False


def encoded(label: str, text: str, number: int) -> bytes:
    """The encoding of docs/format.md: a label, a text and an integer."""

    def field(kind: int, content: bytes) -> bytes:
        return bytes([kind]) + struct.pack(">I", len(content)) + content

    return field(2, label.encode()) + field(2, text.encode()) + field(1, struct.pack(">Q", number))


def stream_opened(material: bytes, stream: bytes, aad: bytes) -> bytes | None:
    """Tink's AES256_GCM_HKDF_1MB by its definition."""
    if len(stream) < 56 or stream[0] != 40:
        return None
    cipher = AESGCM(HKDF(hashes.SHA256(), 32, stream[1:33], aad).derive(material))
    borders = [40, *range(SEGMENT, len(stream), SEGMENT), len(stream)]
    value = bytearray()
    for number, (begin, end) in enumerate(zip(borders, borders[1:], strict=False)):
        nonce = stream[33:40] + struct.pack(">IB", number, end == len(stream))
        try:
            value += cipher.decrypt(nonce, stream[begin:end], None)
        except InvalidTag:
            return None
    return bytes(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}; {backend.openssl_version_text()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "s.keyfold"
        with keyfold.open(path, keyfold.generate_master_key(), create=True) as store:
            count, streams = (100_000, 60) if options.long else (1_000, 8)
            proof = Proof(store, options.seed, count, streams)
            for algorithm in AEADS:
                proof.aead(algorithm)
            proof.deterministic()
            proof.codes("HMAC_SHA256", "sha256")
            proof.codes("HMAC_SHA512", "sha512")
            proof.derived()
            proof.stream()
    print(f"{proof.passed} passed, {proof.failed} failed")
    return 1 if proof.failed else 0


if __name__ == "__main__":
    sys.exit(main())
