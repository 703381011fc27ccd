"""Five writers and five readers on one store: what one language seals, all others open.

Each language has a driver that opens the store named as its argument, reads one request a line and answers with one
line: hex, or `error KEYFOLD_…`. A request is four words:

    OPERATION KEY BINDING DATA

OPERATION is seal, open, sealtext, opentext, reencrypt, index or rotate; BINDING is `-`, `aad:HEX`, or
`ctx:name=t:HEX,name=b:HEX,name=i:NUMBER` (text, bytes, integer); DATA is hex, or `-` for none. The command line has
no such driver: this script calls it once a request.
"""

import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
KEYFOLD = RELEASE / "keyfold"
ALGORITHMS = ["AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM", "XCHACHA20_POLY1305"]
MESSAGES = [b"", b"a", "naïve ✓ ада".encode(), bytes(range(256)) * 40]
CONTEXT = f"ctx:table=t:{b'users'.hex()},id=i:-42,größe=t:{'größe'.encode().hex()}"
BINDINGS = ["-", f"aad:{bytes(range(256)).hex()}", CONTEXT]

Failures = list[str]


class Driver:
    """A driver program, asked line by line."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, operation: str, key: str, binding: str, data: bytes) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{operation} {key} {binding} {data.hex() or '-'}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return line.rstrip("\n") if line else "error no answer"

    def close(self) -> bool:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(timeout=30) == 0


class CommandLine:
    """The command, called once a request."""

    name = "command line"

    def ask(self, operation: str, key: str, binding: str, data: bytes) -> str:
        if operation == "rotate":
            return self.run(["key", "rotate", key], b"")
        noun = {"seal": "encrypt", "open": "decrypt", "sealtext": "encrypt", "opentext": "decrypt"}.get(
            operation, operation
        )
        arguments = [noun, key]
        if operation == "sealtext":
            arguments.append("--text")
        kind, _, bound = binding.partition(":")
        if kind == "aad":
            pathlib.Path("aad").write_bytes(bytes.fromhex(bound))
            arguments += ["--aad-file", "aad"]
        elif kind == "ctx":
            for field in bound.split(","):
                name, value = field.split("=")
                which, value = value.split(":")
                arguments += ["--context", f"{name}={value if which == 'i' else bytes.fromhex(value).decode()}"]
        answer = self.run(arguments, data)
        # Text output ends with a newline, as text files do.
        return answer.removesuffix("0a") if operation == "sealtext" else answer

    @staticmethod
    def run(arguments: list[str], data: bytes) -> str:
        ended = subprocess.run([KEYFOLD, *arguments], input=data, capture_output=True)
        return ended.stdout.hex() if ended.returncode == 0 else f"error exit {ended.returncode}"

    def close(self) -> bool:
        return True


def drivers(store: str) -> list[Driver | CommandLine]:
    return [
        Driver("rust", [str(RELEASE / "examples" / "interop_driver"), store]),
        Driver("c", [str(ROOT / "build" / "interop_driver_c"), store]),
        Driver("python", [sys.executable, str(ROOT / "tests" / "interop" / "driver.py"), store]),
        Driver("node", ["node", str(ROOT / "tests" / "interop" / "driver.mjs"), store]),
        CommandLine(),
    ]


def build_c() -> None:
    source = ROOT / "tests" / "interop" / "driver.c"
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", source]
        + ["-o", ROOT / "build" / "interop_driver_c", f"-L{RELEASE}", "-lkeyfold", f"-Wl,-rpath,{RELEASE}"],
        check=True,
    )


def cell(writer: Driver | CommandLine, reader: Driver | CommandLine, algorithm: str) -> Failures:
    """One writer and one reader under one algorithm: bytes and text, every binding, every message."""
    failures = []
    for binding, message in itertools.product(BINDINGS, MESSAGES):
        what = f"{writer.name} to {reader.name}, {algorithm}, {binding[:8]}, {len(message)} bytes"
        sealed = writer.ask("seal", algorithm, binding, message)
        if sealed.startswith("error"):
            failures.append(f"{what}: seal: {sealed}")
            continue
        opened = reader.ask("open", algorithm, binding, bytes.fromhex(sealed))
        if opened != message.hex():
            failures.append(f"{what}: open: {opened[:60]}")
        elsewhere = BINDINGS[(BINDINGS.index(binding) + 1) % len(BINDINGS)]
        refused = reader.ask("open", algorithm, elsewhere, bytes.fromhex(sealed))
        if refused not in ("error KEYFOLD_DECRYPTION_FAILED", "error exit 22"):
            failures.append(f"{what}: opened under another binding: {refused[:60]}")
    text = "naïve ✓ ада"
    sealed = writer.ask("sealtext", algorithm, CONTEXT, text.encode())
    opened = "" if sealed.startswith("error") else reader.ask("opentext", algorithm, CONTEXT, bytes.fromhex(sealed))
    if opened != text.encode().hex():
        failures.append(f"{writer.name} to {reader.name}, {algorithm}: text: {sealed[:40]}… {opened[:60]}")
    return failures


def rotation(turns: list[Driver | CommandLine]) -> Failures:
    """Each language rotates in turn and seals; every language opens it at once."""
    failures = []
    for rotator in turns:
        rotator.ask("rotate", ALGORITHMS[0], "-", b"")
        sealed = rotator.ask("seal", ALGORITHMS[0], "-", b"ada")
        for reader in turns:
            opened = reader.ask("open", ALGORITHMS[0], "-", bytes.fromhex(sealed))
            if opened != b"ada".hex():
                failures.append(f"{reader.name} after a rotation by {rotator.name}: {opened[:60]}")
    return failures


def indexes(turns: list[Driver | CommandLine]) -> Failures:
    answers = {driver.name: driver.ask("index", ALGORITHMS[0], "-", b"ada@example.org") for driver in turns[:4]}
    same = len(set(answers.values())) == 1 and len(next(iter(answers.values()))) == 32
    return [] if same else [f"blind indexes differ: {answers}"]


def main() -> int:
    build_c()
    results: list[Failures] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["KEYFOLD_STORE"] = "s.keyfold"
        os.environ["KEYFOLD_MASTER_KEY"] = "file:master.key"
        for arguments in (["master-key", "generate", "--out", "master.key"], ["init"]):
            subprocess.run([KEYFOLD, *arguments], check=True, stdout=subprocess.DEVNULL)
        for algorithm in ALGORITHMS:
            subprocess.run(
                [KEYFOLD, "key", "create", algorithm, "--algorithm", algorithm], check=True, stdout=subprocess.DEVNULL
            )
        turns = drivers("s.keyfold")
        for algorithm, writer, reader in itertools.product(ALGORITHMS, turns, turns):
            results.append(cell(writer, reader, algorithm))
        results += [rotation(turns), indexes(turns)]
        results += [[] if driver.close() else [f"the driver for {driver.name} failed"] for driver in turns]
        checked = subprocess.run([KEYFOLD, "check"], capture_output=True)
        results.append([] if checked.returncode == 0 else ["keyfold check found something"])
        os.chdir("/")
    for failure in itertools.chain(*results):
        print(failure)
    failed = sum(bool(failures) for failures in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
