"""Seals and opens streams with Google Tink under keysets given on standard input, one JSON request a line.

Request:  {"keyset": {...}, "open": [[ciphertext, aad], …], "seal": [[plaintext, aad], …]}   values in base64
Answer:   {"opened": [plaintext or null, …], "sealed": [ciphertext, …]}
"""

import base64
import io
import json
import sys

import tink
from tink import secret_key_access, streaming_aead

streaming_aead.register()


class Kept(io.BytesIO):
    """Tink closes what it writes to; the bytes are wanted afterwards."""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def opened(primitive: streaming_aead.StreamingAead, ciphertext: str, aad: str) -> str | None:
    source = io.BytesIO(decoded(ciphertext))
    try:
        with primitive.new_decrypting_stream(source, decoded(aad)) as stream:
            return base64.b64encode(stream.read()).decode()
    except (tink.TinkError, OSError):
        return None


def sealed(primitive: streaming_aead.StreamingAead, plaintext: str, aad: str) -> str:
    destination = Kept()
    with primitive.new_encrypting_stream(destination, decoded(aad)) as stream:
        stream.write(decoded(plaintext))
    return base64.b64encode(destination.kept).decode()


for line in sys.stdin:
    request = json.loads(line)
    handle = tink.json_proto_keyset_format.parse(json.dumps(request["keyset"]), secret_key_access.TOKEN)
    primitive = handle.primitive(streaming_aead.StreamingAead)
    answer = {
        "opened": [opened(primitive, *pair) for pair in request["open"]],
        "sealed": [sealed(primitive, *pair) for pair in request["seal"]],
    }
    print(json.dumps(answer), flush=True)
