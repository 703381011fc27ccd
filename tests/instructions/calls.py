"""What guard.py runs under callgrind: each call, after a few that warm up, between two marks.

The mark is a call into the C library that nothing else makes here: callgrind dumps its counts after it. Names the calls
it made, in order, one on a line.
"""

import os
import sys
from collections.abc import Callable

import keyfold

CALLS = 1_000
VALUES = 250


def calls(folder: str) -> dict[str, tuple[Callable[[], object], int]]:
    """Each call, and how many values it is for."""
    store = keyfold.open(
        os.path.join(folder, "s"),
        master_key=keyfold.generate_master_key(),
        create=True,
        refresh_interval="1h",
        max_stale="1h",
    )
    value, text = b"ada@example.org, 32 bytes of it.", "ada@example.org, 32 bytes of it."
    context = {"table": "users", "id": 42}
    found: dict[str, tuple[Callable[[], object], int]] = {}

    def add(name: str, call: Callable[[], object], values: int = 1) -> None:
        found[name] = (call, values)

    for algorithm in ("AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM", "XCHACHA20_POLY1305"):
        store.create_key(algorithm, algorithm=algorithm)
        key = store.key(algorithm)
        sealed = key.encrypt(value)
        add(f"encrypt, {algorithm}", lambda key=key: key.encrypt(value))
        add(f"decrypt, {algorithm}", lambda key=key, sealed=sealed: key.decrypt(sealed))
    key = store.key("AES256_GCM_SIV")
    sealed_text, bound = key.encrypt_text(text), key.encrypt(value, context=context)
    add("encrypt_text", lambda: key.encrypt_text(text))
    add("decrypt_text", lambda: key.decrypt_text(sealed_text))
    add("encrypt with a context of two", lambda: key.encrypt(value, context=context))
    add("decrypt with a context of two", lambda: key.decrypt(bound, context=context))
    many, texts = [value] * VALUES, [text] * VALUES
    sealed_many, sealed_texts = key.encrypt_many(many), key.encrypt_many_text(texts)
    add("encrypt_many, a value", lambda: key.encrypt_many(many), VALUES)
    add("decrypt_many, a value", lambda: key.decrypt_many(sealed_many), VALUES)
    add("encrypt_many_text, a value", lambda: key.encrypt_many_text(texts), VALUES)
    add("decrypt_many_text, a value", lambda: key.decrypt_many_text(sealed_texts), VALUES)
    add("blind_index", lambda: key.blind_index(value, "email"))
    store.create_key("mac", kind="mac")
    mac = store.key("mac")
    add("mac", lambda: mac.mac(value))
    return found


def main() -> None:
    for name, (call, values) in calls(sys.argv[1]).items():
        for _ in range(3):
            call()
        repeat = range(max(CALLS // values, 1))
        os.umask(0o77)
        for _ in repeat:
            call()
        os.umask(0o77)
        print(f"{name}\t{len(repeat) * values}")


if __name__ == "__main__":
    main()
