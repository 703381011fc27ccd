#!/usr/bin/env python3
"""What the command does on a terminal: python3 cli/tests/terminal.py [path of keyfold]"""

import contextlib
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
BINARY = str(Path(sys.argv[1] if len(sys.argv) > 1 else RELEASE / "keyfold").resolve())
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "KEYFOLD_STORE": "app.keyfold",
    "KEYFOLD_MASTER_KEY": "oTEQsdwYsPbEVjbJF6fIunsJAqgayMwP2jwxNr1XGKQ=",
}


def piped(folder, *arguments, stdin=b""):
    run = subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, cwd=folder, env=ENVIRONMENT)
    return run.stdout


def on_terminal(folder, *arguments, stdin=b"", typed=None):
    """Status, what the terminal showed, and standard error, which is a pipe."""
    ours, theirs = pty.openpty()
    source = subprocess.PIPE if typed is None else theirs
    child = subprocess.Popen(
        [BINARY, *arguments], stdin=source, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT
    )
    os.close(theirs)
    if typed is None:
        # It may refuse before it reads.
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(stdin)
            child.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
    else:
        os.write(ours, typed)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
    said = child.stderr.read().decode()
    os.close(ours)
    return child.wait(), shown.replace(b"\r\n", b"\n"), said


def main():
    passed = failed = 0

    def check(name, outcome):
        nonlocal passed, failed
        passed, failed = passed + bool(outcome), failed + (not outcome)
        if not outcome:
            print(f"FAILED {name}")

    with tempfile.TemporaryDirectory() as folder:
        piped(folder, "init")
        piped(folder, "key", "create", "pii")

        status, shown, said = on_terminal(folder, "encrypt", "pii", stdin=b"ada")
        check("ciphertext bytes are refused", status == 17 and not shown and "--text" in said)
        status, shown, _ = on_terminal(folder, "encrypt", "pii", "--text", stdin=b"ada")
        check("the text form is shown", status == 0 and shown.startswith(b"kf1."))
        check("and opens", piped(folder, "decrypt", "pii", stdin=shown) == b"ada")
        status, shown, _ = on_terminal(folder, "encrypt", "pii", "--json", stdin=b"ada")
        check("JSON is shown", status == 0 and b'"kf1.' in shown)

        for plaintext, expected in [(b"ada", b"ada\n"), (b"a\tb\n", b"a\tb\n"), ("é".encode(), "é\n".encode())]:
            sealed = piped(folder, "encrypt", "pii", stdin=plaintext)
            status, shown, _ = on_terminal(folder, "decrypt", "pii", stdin=sealed)
            check(f"{plaintext} is shown", status == 0 and shown == expected)
        for plaintext in [b"\x1b[2J", b"a\x00b", b"\xff", "\x9b2J".encode(), b"a\rb"]:
            sealed = piped(folder, "encrypt", "pii", stdin=plaintext)
            status, shown, said = on_terminal(folder, "decrypt", "pii", stdin=sealed)
            check(f"{plaintext} is refused", status == 17 and not shown and "--out" in said)

        sealed = piped(folder, "encrypt", "pii", stdin=b"ada")
        status, shown, said = on_terminal(folder, "reencrypt", "pii", stdin=sealed)
        check("re-encrypted bytes are refused", status == 17 and not shown and "--out" in said)

        status, shown, said = on_terminal(folder, "encrypt", "pii", "--text", typed=b"ada\n\x04")
        check("one may type", status == 0 and b"kf1." in shown and "Ctrl-D" in said)
        status, shown, said = on_terminal(folder, "master-key", "generate")
        check("no master key is shown unasked", status == 17 and not shown and "--reveal" in said)
        status, shown, _ = on_terminal(folder, "master-key", "generate", "--reveal")
        check("but is when asked for", status == 0 and len(shown) == 45)

    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
