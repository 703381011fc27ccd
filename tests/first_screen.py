"""Runs the README's samples as they stand, in order, on one store: what a newcomer types must work.

Each sample stands behind a comment `<!-- runs as a test -->`.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
SAMPLES = re.compile(r"<!-- runs as a test -->\n```(\w+)\n(.*?)```", re.S)

folder = pathlib.Path(tempfile.mkdtemp(prefix="keyfold-readme-"))
environment = {
    **os.environ,
    "PATH": f"{RELEASE}:{os.environ['PATH']}",
    "KEYFOLD_STORE": "app.keyfold",
    "KEYFOLD_MASTER_KEY": "file:master.key",
}


def run(command: list[str | pathlib.Path]) -> str:
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise AssertionError(f"{command[0]}: exit {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def console(sample: str) -> None:
    """Lines after `$ ` are typed; the others are what must appear, in this order."""
    commands = [line[2:] for line in sample.splitlines() if line.startswith("$ ")]
    expected = [line for line in sample.splitlines() if not line.startswith("$ ")]
    # A terminal's prompt begins a line of its own, whatever was printed last.
    (folder / "session.sh").write_text("set -e\n" + "\necho\n".join(commands) + "\n")
    printed = run(["bash", "session.sh"]).splitlines()
    for line in expected:
        assert line in printed, f"{line!r} was not printed, but: {printed}"
        printed = printed[printed.index(line) + 1 :]


def python(sample: str) -> None:
    (folder / "sample.py").write_text(sample + "\nassert isinstance(index, bytes) and len(index) == 16\n")
    run([sys.executable, "-W", "error", "sample.py"])


def ts(sample: str) -> None:
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(ROOT / "node_modules")
    (folder / "sample.mjs").write_text(sample)
    assert run(["node", "sample.mjs"]) == "ada@example.org\n"


def rust(sample: str) -> None:
    """The sample's body is that of `core/examples/first_screen.rs`, which was built with everything else."""
    program = (ROOT / "examples" / "rust" / "first_screen.rs").read_text()
    assert textwrap.indent(sample.split("\n\n", 1)[1], "    ") in program, "examples/rust/first_screen.rs differs"
    assert sample.split("\n\n", 1)[0] in program, "examples/rust/first_screen.rs differs"
    run([RELEASE / "examples" / "first_screen"])


def c(sample: str) -> None:
    body = "#include <keyfold.h>\n#include <stdio.h>\nint main(void) {\n" + sample
    (folder / "sample.c").write_text(body + "return e != NULL;\n}\n")
    flags = ["-std=c99", "-Wall", "-Werror", f"-I{ROOT / 'include'}", f"-L{RELEASE}", f"-Wl,-rpath,{RELEASE}"]
    run(["gcc", "sample.c", "-o", "sample", *flags, "-lkeyfold"])
    run(["./sample"])


def main() -> int:
    runners: dict[str, Callable[[str], None]] = {"console": console, "python": python, "ts": ts, "rust": rust, "c": c}
    passed = failed = 0
    found = SAMPLES.findall((ROOT / "README.md").read_text())
    if sorted(language for language, _ in found) != sorted(runners):
        print(f"README.md has samples in {[language for language, _ in found]}")
        failed += 1
    for language, sample in found:
        try:
            runners[language](sample)
            passed += 1
        except (AssertionError, OSError) as error:
            print(f"{language}: {error}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
