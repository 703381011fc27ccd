"""Seals and opens with Google Tink under keysets given on standard input, one JSON request a line.

Request:  {"keyset": {...}, "open": [[ciphertext, aad], …], "seal": [[plaintext, aad], …]}   values in base64
Answer:   {"opened": [plaintext or null, …], "sealed": [ciphertext, …]}
"""

import base64
import json
import sys

import tink
from tink import aead, secret_key_access

aead.register()


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def opened(primitive: aead.Aead, ciphertext: str, aad: str) -> str | None:
    try:
        return base64.b64encode(primitive.decrypt(decoded(ciphertext), decoded(aad))).decode()
    except tink.TinkError:
        return None


for line in sys.stdin:
    request = json.loads(line)
    handle = tink.json_proto_keyset_format.parse(json.dumps(request["keyset"]), secret_key_access.TOKEN)
    primitive = handle.primitive(aead.Aead)
    answer = {
        "opened": [opened(primitive, *pair) for pair in request["open"]],
        "sealed": [
            base64.b64encode(primitive.encrypt(decoded(plaintext), decoded(aad))).decode()
            for plaintext, aad in request["seal"]
        ],
    }
    print(json.dumps(answer), flush=True)
