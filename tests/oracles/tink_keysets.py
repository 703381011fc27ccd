"""Makes and reads keysets with Google Tink, one JSON request a line on standard input.

Request:  {"make": [kind, template, without prefix]}  answer: {"json": keyset, "binary": base64}
          {"same": [kind, keyset, keyset]}            answer: {"same": whether each does what the other does}
          {"binary": [kind, base64, base64]}          as "same", for keysets in binary
          {"seal": [kind, keyset, plaintext]}         answer: {"sealed": base64}, or the code of a MAC
          {"encrypted": [kind, json, keyset, keyset]} as "same": the first encrypted under the AEAD keyset in the middle
Keysets are JSON texts.
"""

import base64
import io
import json
import sys

import tink
from tink import aead, daead, mac, prf, secret_key_access, streaming_aead
from tink.proto import tink_pb2

TOKEN = secret_key_access.TOKEN
AAD = b"aad"

for module in (aead, daead, mac, prf, streaming_aead):
    module.register()

TEMPLATES = {
    "aead": aead.aead_key_templates,
    "deterministic": daead.deterministic_aead_key_templates,
    "stream": streaming_aead.streaming_aead_key_templates,
    "mac": mac.mac_key_templates,
    "derive": prf.prf_key_templates,
}


class Kept(io.BytesIO):
    """Keeps its bytes when it is closed."""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def streamed(primitive: streaming_aead.StreamingAead, message: bytes) -> bytes:
    out = Kept()
    with primitive.new_encrypting_stream(out, AAD) as stream:
        stream.write(message)
    return out.kept


def agree(kind: str, one: tink.KeysetHandle, two: tink.KeysetHandle) -> bool:
    """Whether what the first makes, the second accepts."""
    message = b"ada@example.org"
    try:
        if kind == "aead":
            a, b = one.primitive(aead.Aead), two.primitive(aead.Aead)
            return b.decrypt(a.encrypt(message, AAD), AAD) == message
        if kind == "deterministic":
            a, b = one.primitive(daead.DeterministicAead), two.primitive(daead.DeterministicAead)
            return a.encrypt_deterministically(message, AAD) == b.encrypt_deterministically(message, AAD)
        if kind == "mac":
            two.primitive(mac.Mac).verify_mac(one.primitive(mac.Mac).compute_mac(message), message)
            return True
        if kind == "derive":
            return one.primitive(prf.PrfSet).primary().compute(message, 40) == two.primitive(
                prf.PrfSet
            ).primary().compute(message, 40)
        a, b = one.primitive(streaming_aead.StreamingAead), two.primitive(streaming_aead.StreamingAead)
        sealed = io.BytesIO(streamed(a, message * 100))
        with b.new_decrypting_stream(sealed, AAD) as stream:
            return stream.read() == message * 100
    except tink.TinkError:
        return False


def both(kind: str, one: tink.KeysetHandle, two: tink.KeysetHandle) -> bool:
    return agree(kind, one, two) and agree(kind, two, one)


def parsed(text: str) -> tink.KeysetHandle:
    return tink.json_proto_keyset_format.parse(text, TOKEN)


def answer(request: dict) -> dict:
    if "make" in request:
        kind, name, without_prefix = request["make"]
        template = tink_pb2.KeyTemplate()
        template.CopyFrom(getattr(TEMPLATES[kind], name))
        if without_prefix:
            template.output_prefix_type = tink_pb2.RAW
        handle = tink.new_keyset_handle(template)
        binary = tink.proto_keyset_format.serialize(handle, TOKEN)
        return {
            "json": tink.json_proto_keyset_format.serialize(handle, TOKEN),
            "binary": base64.b64encode(binary).decode(),
        }
    if "seal" in request:
        kind, keyset, plaintext = request["seal"]
        message = base64.b64decode(plaintext)
        if kind == "mac":
            sealed = parsed(keyset).primitive(mac.Mac).compute_mac(message)
        elif kind == "deterministic":
            sealed = parsed(keyset).primitive(daead.DeterministicAead).encrypt_deterministically(message, AAD)
        else:
            sealed = parsed(keyset).primitive(aead.Aead).encrypt(message, AAD)
        return {"sealed": base64.b64encode(sealed).decode()}
    if "binary" in request:
        kind, *keysets = request["binary"]
        handles = [tink.proto_keyset_format.parse(base64.b64decode(keyset), TOKEN) for keyset in keysets]
        return {"same": both(kind, *handles)}
    if "encrypted" in request:
        kind, encrypted, under, clear = request["encrypted"]
        primitive = parsed(under).primitive(aead.Aead)
        handle = tink.json_proto_keyset_format.parse_encrypted(encrypted, primitive, b"")
        theirs = tink.json_proto_keyset_format.serialize_encrypted(parsed(clear), primitive, b"")
        return {"same": both(kind, handle, parsed(clear)), "encrypted": theirs}
    kind, one, two = request["same"]
    return {"same": both(kind, parsed(one), parsed(two))}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
