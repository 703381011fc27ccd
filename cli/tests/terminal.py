#!/usr/bin/env python3
"""What the command does on a terminal: python3 cli/tests/terminal.py [path of keyfold]"""

import contextlib
import fcntl
import os
import pty
import subprocess
import sys
import tempfile
import termios
import time
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


def at_prompt(folder, *arguments, answers, environment=ENVIRONMENT, stdin=b""):
    """Status, what the terminal showed, and standard output and error: the terminal answers as soon as it is asked."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [BINARY, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
        # With none open it would have hung up already.
        pass_fds=[theirs],
        # The terminal is the child's own, as a shell's would be.
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(stdin)
        child.stdin.close()
    shown = b""
    waiting = list(answers)
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
        if waiting and shown.endswith(b": "):
            # Whoever types before the echo is off, sees it.
            while termios.tcgetattr(ours)[3] & termios.ECHO:
                time.sleep(0.001)
            os.write(ours, waiting.pop(0).encode() + b"\n")
    output, said = child.stdout.read(), child.stderr.read().decode()
    os.close(ours)
    return child.wait(), shown, output, said


def with_progress(folder, *arguments, stdin=b"", pause=0.5):
    """What a terminal at standard error shows while the input is slow."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [BINARY, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs, cwd=folder, env=ENVIRONMENT
    )
    os.close(theirs)
    for part in range(0, len(stdin), 2 << 20):
        child.stdin.write(stdin[part : part + (2 << 20)])
        child.stdin.flush()
        time.sleep(pause)
    child.stdin.close()
    shown = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    return child.wait(), shown


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

        # What is typed at a prompt is not shown, and made twice.
        cheap = ["--passphrase-cost", "argon2id:19456,1,1"]
        for answers, ends in [(["horse", "horse"], 0), (["horse", "mare"], 17), ([""], 17)]:
            status, shown, _, said = at_prompt(
                folder, "init", "--store", "words", "--passphrase", *cheap, answers=answers
            )
            check(f"{answers} make a store: {ends}", status == ends and b"horse" not in shown)
            check("and nothing is left of none", Path(folder, "words").exists() == (ends == 0))
            if ends == 0:
                for answer, opens in [("horse", 0), ("mare", 24)]:
                    status, shown, _, said = at_prompt(
                        folder, "check", "--store", "words", "--master-key", "passphrase:prompt", answers=[answer]
                    )
                    check(f"{answer} opens it: {opens}", status == opens and b"Passphrase: " in shown)
                    check("and is not shown", answer.encode() not in shown and answer not in said)
                Path(folder, "words").unlink()
        key = ENVIRONMENT["KEYFOLD_MASTER_KEY"]
        bare = {name: value for name, value in ENVIRONMENT.items() if name != "KEYFOLD_MASTER_KEY"}
        for answer, ends in [(key, 0), ("nonsense", 17), ("file:somewhere", 17), ("", 17)]:
            status, shown, _, said = at_prompt(
                folder, "check", "--master-key", "prompt", answers=[answer], environment=bare
            )
            check(f"a typed master key: {ends}", status == ends and key[:20].encode() not in shown)
        recovery = piped(folder, "recovery-key", "generate", "--reveal").decode().strip()
        status, shown, _, said = at_prompt(folder, "recipient", "add", "prompt", "--id", "safe", answers=[recovery])
        check("a recovery key is typed", status == 0 and recovery.encode() not in shown)
        mistyped = recovery[:20] + ("0" if recovery[20] != "0" else "1") + recovery[21:]
        for answer, ends in [(recovery.lower(), 0), (mistyped, 17)]:
            status, _, _, said = at_prompt(
                folder, "check", "--master-key", "prompt", answers=[answer], environment=bare
            )
            check(f"and opens the store: {ends}", status == ends and answer not in said)
        shares = piped(folder, "shares", "split", "-k", "2", "-n", "3", "--reveal").decode().split()
        status, _, _, said = at_prompt(folder, "recipient", "add", "shares:prompt", answers=shares[:2])
        check("shares are typed", status == 0)
        for answers, ends in [(shares[1:], 0), ([shares[0], ""], 17), ([shares[0], shares[0], ""], 17)]:
            status, shown, _, said = at_prompt(folder, "check", "--master-key", "shares:prompt", answers=answers)
            check(f"{len(answers)} shares: {ends}", status == ends and shares[0].encode() not in shown)
        sealed = piped(folder, "encrypt", "pii", stdin=b"ada")
        status, shown, output, _ = at_prompt(
            folder, "decrypt", "pii", "--master-key", "prompt", answers=[key], environment=bare, stdin=sealed
        )
        check("a prompt leaves standard input alone", status == 0 and output == b"ada")

        piped(folder, "key", "create", "s", "--kind", "stream")
        zeros = bytes(6 << 20)
        status, shown = with_progress(folder, "encrypt", "s", "--out", "sealed", stdin=zeros)
        check("progress is shown", status == 0 and b" MiB" in shown and b"\r" in shown)
        check("and taken away", shown.rsplit(b"wrote", 1)[0].endswith(b"\r"))
        status, shown = with_progress(folder, "encrypt", "s", "--out", "again", "-q", stdin=zeros)
        check("but not to who wants quiet", status == 0 and shown == b"")
        status, shown, said = on_terminal(folder, "decrypt", "s", "sealed")
        check("a stream is not shown", status == 17 and not shown and "--out" in said)
        status, shown, said = on_terminal(folder, "decrypt", "s", "sealed", "--out", "opened")
        check("but goes to a file", status == 0 and Path(folder, "opened").read_bytes() == zeros)
        piped(folder, "key", "create", "d", "--kind", "derive")
        status, shown, said = on_terminal(folder, "derive", "d", "p", "--length", "8", "--reveal", "--encoding", "raw")
        check("raw secrets are not shown", status == 17 and not shown)

    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
