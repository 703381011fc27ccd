"""Runs the long form of every proof, one after the other, and adds up the counts; `make prove` calls this.

`make test` runs a short form of each. docs/proof.md says what each one promises and quotes the figures of the last
long run: the lines that begin with `proof: `, which are printed here and kept in build/proof/.

    prove.py             all proofs, hours of them
    prove.py NAME …      these
    prove.py --list      their names, and what each promises
"""

import os
import re
import sys
import time

import run as suites

FIGURES = suites.ROOT / "build" / "proof"
# Seconds that a long form may take before it counts as hanging.
PATIENCE = 4 * 3600


def rust(*tests: str) -> list[str]:
    """The long form of tests of the core, which KEYFOLD_PROOF asks for."""
    named = [part for test in tests for part in ("--test", test)]
    return [suites.CARGO, "test", "-p", "keyfold", "--features", "portable", *named, "--", "--nocapture"]


PROOFS: dict[str, tuple[str, list[str]]] = {
    "crash": ("a process killed at any moment loses nothing that was acknowledged", rust("crash")),
}

FIGURE = re.compile(r"^proof: .*$", re.M)


def prove(name: str) -> tuple[int, int]:
    promise, command = PROOFS[name]
    print(f"{name}: {promise}", flush=True)
    started = time.monotonic()
    output, code = suites.output_of(command, PATIENCE)
    passed, failed = suites.counts(output)
    if code and not failed or not passed + failed:
        failed += 1
    (FIGURES / f"{name}.log").write_text(output)
    for figure in FIGURE.findall(output):
        print(f"    {figure.removeprefix('proof: ')}")
    if failed:
        print("\n".join(f"    {line}" for line in output.splitlines()[-60:]))
    print(f"    {passed} passed, {failed} failed ({time.monotonic() - started:.0f} s)", flush=True)
    return passed, failed


def main() -> int:
    if "--list" in sys.argv:
        for name, (promise, _) in PROOFS.items():
            print(f"{name:<12} {promise}")
        return 0
    names = sys.argv[1:] or list(PROOFS)
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        print(f"no proof is called {', '.join(unknown)}; `prove.py --list` names them", file=sys.stderr)
        return 2
    FIGURES.mkdir(parents=True, exist_ok=True)
    os.environ["KEYFOLD_PROOF"] = "long"
    counted = [prove(name) for name in names]
    passed, failed = (sum(one) for one in zip(*counted, strict=True))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
