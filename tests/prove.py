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

import native
import run as suites

FIGURES = suites.ROOT / "build" / "proof"
# Seconds that a long form may take before it counts as hanging.
PATIENCE = 4 * 3600


PYTHON = suites.PYTHON
CORE = [*suites.CHECKED, "-p", "keyfold", "--features", "portable"]


def tests(*names: str) -> list[str]:
    """The long form of tests of the core, which KEYFOLD_PROOF asks for."""
    return [*CORE, *(part for name in names for part in ("--test", name)), "--", "--nocapture"]


def library(*filters: str) -> list[str]:
    """The same of tests inside the library."""
    return [*CORE, "--lib", "--", "--nocapture", *filters]


def script(name: str) -> list[str]:
    return [PYTHON, f"tests/proof/{name}.py", "--long"]


# By name: what is promised, and the commands of the long form.
PROOFS: dict[str, tuple[str, list[list[str]]]] = {
    "vectors": (
        "every algorithm does what its standard says, on both backends",
        [library("primitives::"), [PYTHON, "tests/vectors/collect.py", "--check"]],
    ),
    "agreement": ("OpenSSL and Google Tink open what keyfold seals, and the other way round", [script("agreement")]),
    "crash": ("a process that is killed at any moment loses nothing that was acknowledged", [tests("crash")]),
    "power": ("nor does a power cut, whatever was not yet synced", [tests("power_cut")]),
    "disk": ("a full or failing disk is an error, and nothing is half done", [tests("faulty_disk", "real_disks")]),
    "tampering": (
        "whoever changes the file without the master key is noticed",
        [
            tests(
                "tampering",
                "tampering_cells",
                "tampering_schema",
                "tampering_files",
                "tampering_flips",
                "tampering_pages",
            ),
        ],
    ),
    "together": ("processes of all languages on one file never see a wrong result", [script("together")]),
    "workers": (
        "nothing is drawn or spent twice after a fork",
        [tests("fork", "usage"), script("workers")],
    ),
    "memory": ("no key is left once the store is closed", [tests("memory", "wiping"), script("memory")]),
    "timing": ("time tells nothing of secret bytes", [script("timing"), tests("flood")]),
    "hostile": ("no foreign bytes make it end, hang or answer falsely", [script("fuzz")]),
    "sanitizers": (
        "C programs and the library touch no memory that they may not, and no memory at once",
        [["tests/proof/sanitizers.sh"]],
    ),
    "upgrade": (
        "files of released formats open, and an upgrade is whole or undone",
        [library("store::upgrade"), tests("fixtures")],
    ),
    "promise": ("every ciphertext that should open does, and no other", [tests("promise")]),
    "mutants": ("a change of the code that guards is noticed by a test", [["tests/proof/mutants.sh", "--long"]]),
}

FIGURE = re.compile(r"proof: (.*)$", re.M)


def prove(name: str) -> tuple[int, int]:
    promise, commands = PROOFS[name]
    print(f"{name}: {promise}", flush=True)
    started = time.monotonic()
    log = FIGURES / f"{name}.log"
    log.write_text("")
    passed = failed = 0
    in_part = False
    for command in commands:
        output, code = suites.output_of(command, PATIENCE)
        with log.open("a") as kept:
            kept.write(f"$ {' '.join(command)}\n{output}")
        one, other = suites.counts(output)
        passed, failed = passed + one, failed + other + (code != 0 and not other or not one + other)
        for figure in FIGURE.findall(output):
            print(f"    {figure}")
        in_part |= "proof: NOT RUN" in output
        if code:
            print("\n".join(f"    {line}" for line in output.splitlines()[-60:]))
    in_part_only = ", and one part NOT RUN" if in_part else ""
    print(f"    {passed} passed, {failed} failed{in_part_only} ({time.monotonic() - started:.0f} s)", flush=True)
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
    native.main()
    os.environ["KEYFOLD_PROOF"] = "long"
    counted = [prove(name) for name in names]
    passed, failed = (sum(one) for one in zip(*counted, strict=True))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
