"""The Python side of the interoperability matrix; `run.py` describes the lines that it reads and answers."""

import sys

import keyfold


def field(text: str) -> tuple[str, str | bytes | int]:
    name, value = text.split("=")
    kind, value = value.split(":")
    if kind == "t":
        return name, bytes.fromhex(value).decode()
    return name, bytes.fromhex(value) if kind == "b" else int(value)


def answer(store: keyfold.Store, line: str) -> str:
    operation, key_id, binding, data = line.split(" ")
    content = b"" if data == "-" else bytes.fromhex(data)
    if operation == "rotate":
        return str(store.rotate_key(key_id).version)
    key = store.key(key_id)
    kind, _, bound = binding.partition(":")
    where: dict = {}
    if kind == "aad":
        where = {"aad": bytes.fromhex(bound)}
    elif kind == "ctx":
        where = {"context": dict(field(one) for one in bound.split(","))}
    match operation:
        case "seal":
            return key.encrypt(content, **where).hex()
        case "open":
            return key.decrypt(content, **where).hex()
        case "sealtext":
            return key.encrypt_text(content.decode(), **where).encode().hex()
        case "opentext":
            return key.decrypt_text(content.decode(), **where).encode().hex()
        case "reencrypt":
            return key.reencrypt(content, **where).hex()
        case "index":
            return key.blind_index(content, "users.email").hex()
    raise SystemExit(f"unknown operation {operation}")


with keyfold.open(sys.argv[1]) as opened:
    for request in sys.stdin:
        try:
            print(answer(opened, request.rstrip("\n")), flush=True)
        except keyfold.KeyfoldError as error:
            print(f"error {error.code}", flush=True)
