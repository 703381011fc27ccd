"""Recomputes the worked example of docs/format.md with the `cryptography` package and the standard library."""

import base64
import hashlib
import hmac
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def lengthed(part: bytes) -> bytes:
    return struct.pack(">I", len(part)) + part


key = bytes(range(32))
nonce = bytes(range(12))
fields = sorted({b"table": b"users", b"id": b"42"}.items())
context = b"kf-context-v1" + b"".join(lengthed(name) + lengthed(value) for name, value in fields)
sealed = b"\x01" + bytes.fromhex("9f3c2a17") + nonce + AESGCMSIV(key).encrypt(nonce, b"ada", context)
text = "kf1." + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def index(kind: bytes, field: bytes, value: bytes) -> str:
    return mac(lengthed(kind) + lengthed(field) + lengthed(value))[:16].hex()


def mac(message: bytes) -> bytes:
    return hmac.new(key, b"keyfold/v1/blind-index" + message, hashlib.sha256).digest()


exact = index(b"exact", b"users.email", b"ada@example.org")
twelve_bits = mac(lengthed(b"exact") + lengthed(b"users.email") + lengthed(b"ada@example.org"))[:2]
twelve_bits = (int.from_bytes(twelve_bits) & 0xFFF0).to_bytes(2)
compound = b"".join(
    lengthed(b"exact") + lengthed(field) + lengthed(value.casefold().encode())
    for field, value in [(b"users.surname", "Ashcraft"), (b"users.zip", "02139")]
)
indexes = [
    exact,
    twelve_bits.hex(),
    index(b"prefix:3", b"users.surname", "ÉlODie".casefold()[:3].encode()),
    index(b"suffix:4", b"users.card", b"1234"),
    index(b"soundex", b"users.surname", b"A261"),
    mac(lengthed(b"compound") + compound)[:16].hex(),
    index(b"exact", b"users.email", b""),
]

# OpenSSL gives the IV first, then the ciphertext, as the format has them.
deterministic = b"\x01" + bytes.fromhex("9f3c2a17") + AESSIV(bytes(range(64))).encrypt(b"ada", [context])
code = b"\x01" + bytes.fromhex("9f3c2a17") + hmac.digest(key, b"ada", "sha256")


def field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + lengthed(value)


info = field(2, b"keyfold/v1/derive-key") + field(2, b"session cookies") + field(1, struct.pack(">q", 32))
derived = HKDF(hashes.SHA256(), 32, None, info).derive(key)

page = (pathlib.Path(__file__).parents[2] / "docs" / "format.md").read_text()
lines = [key.hex(), nonce.hex(), context.hex(), sealed.hex(), text, *indexes]
lines += [deterministic.hex(), code.hex(), derived.hex()]
missing = [line for line in lines if f"`{line}`" not in page]
for line in missing:
    print(f"docs/format.md does not have: {line}")
print(f"{len(lines) - len(missing)} passed, {len(missing)} failed")
sys.exit(bool(missing))
