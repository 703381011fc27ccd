"""Seals and opens with Google Tink under keysets given on standard input, one JSON request a line.

Request:  {"keyset": {...}, "open": [[ciphertext, aad], …], "seal": [[plaintext, aad], …]}   values in base64
Answer:   {"opened": [plaintext or null, …], "sealed": [ciphertext, …]}

With "primitive" "daead" or "mac" in the request, what is to be opened is [made, message, aad], and the answer says
whether it is what it should be.
"""

import base64
import json
import sys
from typing import Any

import tink
from tink import aead, daead, mac, secret_key_access

aead.register()
daead.register()
mac.register()


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def opened(primitive: aead.Aead, ciphertext: str, aad: str) -> str | None:
    try:
        return base64.b64encode(primitive.decrypt(decoded(ciphertext), decoded(aad))).decode()
    except tink.TinkError:
        return None


def opened_deterministically(primitive: daead.DeterministicAead, made: str, message: str, aad: str) -> bool:
    try:
        return primitive.decrypt_deterministically(decoded(made), decoded(aad)) == decoded(message)
    except tink.TinkError:
        return False


def verified(primitive: mac.Mac, made: str, message: str, _: str) -> bool:
    try:
        primitive.verify_mac(decoded(made), decoded(message))
    except tink.TinkError:
        return False
    return True


# Each primitive's class, how it opens, and how it seals.
PRIMITIVES: dict[str, tuple[Any, Any, Any]] = {
    "aead": (aead.Aead, opened, lambda primitive, *pair: primitive.encrypt(*pair)),
    "daead": (
        daead.DeterministicAead,
        opened_deterministically,
        lambda primitive, *pair: primitive.encrypt_deterministically(*pair),
    ),
    "mac": (mac.Mac, verified, lambda primitive, message, _: primitive.compute_mac(message)),
}

for line in sys.stdin:
    request = json.loads(line)
    handle = tink.json_proto_keyset_format.parse(json.dumps(request["keyset"]), secret_key_access.TOKEN)
    kind, open_one, seal_one = PRIMITIVES[request.get("primitive", "aead")]
    primitive = handle.primitive(kind)
    answer = {
        "opened": [open_one(primitive, *parts) for parts in request["open"]],
        "sealed": [
            base64.b64encode(seal_one(primitive, decoded(plaintext), decoded(aad))).decode()
            for plaintext, aad in request["seal"]
        ],
    }
    print(json.dumps(answer), flush=True)
