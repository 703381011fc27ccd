"""Runs every suite of every language and adds up the counts; `make test` calls this after building.

The last line is `N passed, N failed`. A suite that runs no test has failed. What a suite skips is listed above the
last line; with CI=true in the environment a skip is a failure.

    run.py             all suites
    run.py NAME …      these suites
"""

import concurrent.futures
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

import native

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "test-logs"
PYTHON = str(ROOT / "build" / "venv" / "bin" / "python")
CARGO = os.environ.get("CARGO", "cargo")
if "CARGO_TARGET_DIR" in os.environ:  # The suites start cargo in several folders.
    os.environ["CARGO_TARGET_DIR"] = os.path.abspath(os.environ["CARGO_TARGET_DIR"])

# Every check that the compiler can put in, and the C libraries of the release, which are compiled already.
CHECKED = [CARGO, "test", "--profile", "checked", "--config", "tests/checked.toml", "--config", "build/native.toml"]
# The packages of `make rust` together, as there: fewer of them would have other features, and all be compiled again.
RELEASED = [CARGO, "test", "--release", *native.PACKAGES]

SUITES: dict[str, list[str]] = {
    "rust, both backends": [*CHECKED, "-p", "keyfold", "--features", "portable"],
    "packages": [PYTHON, "tests/dist.py"],
    "rust, portable backend alone": [
        *(*CHECKED, "-p", "keyfold", "--no-default-features", "--features", "portable"),
        *("--lib", "--test", "store", "--test", "edge_inputs"),
    ],
    "instructions counted": [PYTHON, "tests/proof/timing.py"],
    "c": ["tests/c/run.sh"],
    "hostile bytes": [PYTHON, "tests/proof/fuzz.py"],
    "command line": [*RELEASED, "--bin", "keyfold", "--test", "cmd", "--test", "command"],
    "c header": [*RELEASED, "--test", "header", "--test", "panic"],
    "python": [PYTHON, "-m", "pytest", "-q", "bindings-python/tests"],
    "node": ["npm", "test", "--silent", "-w", "bindings-node"],
    "command line edge inputs": [PYTHON, "cli/tests/edge_inputs.py"],
    "command line on a terminal": [PYTHON, "cli/tests/terminal.py"],
    "five writers, five readers": [PYTHON, "tests/interop/run.py"],
    "names and errors in every language": [PYTHON, "tests/parity.py"],
    "eight processes of four languages": [PYTHON, "tests/proof/together.py"],
    "prefork servers": [PYTHON, "tests/proof/workers.py"],
    "memory of Python and Node": [PYTHON, "tests/proof/memory.py"],
    "agreement with OpenSSL and Tink": [PYTHON, "tests/proof/agreement.py"],
    "published vectors": [PYTHON, "tests/vectors/collect.py", "--check"],
    "worked example": [PYTHON, "tests/oracles/worked_example.py"],
    "guides, beside the real libraries": [PYTHON, "tests/guides.py"],
    "numbers of leakage": [PYTHON, "tests/oracles/leakage.py"],
    "first screen and README": [PYTHON, "tests/first_screen.py"],
}

# Suites that run side by side: most wait for processes and disks more than they compute. What takes longest is first;
# what compiles stands so that neighbours use different profiles: two builds in one folder wait for each other.
AT_ONCE = 2

# Seconds that a suite may take before it counts as hanging.
PATIENCE = 1500

# Our own scripts end with this line; what they ran may have printed it before.
OWN = re.compile(r"^(?:\w+: )?(?P<passed>\d+) passed, (?P<failed>\d+) failed$", re.M)
# How other runners say what they ran, once for each program.
COUNTS = [
    re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed", re.M),
    re.compile(r"^=*\s*(?:(?P<failed>\d+) failed, )?(?P<passed>\d+) passed(?:, \d+ \w+)* in ", re.M),
    re.compile(r"^(?:#|ℹ) pass (?P<passed>\d+)\n(?:#|ℹ) fail (?P<failed>\d+)", re.M),
]
SKIPS = re.compile(r"^(?!.*\b0 skipped)(?!.*\bskipped 0\b).*\bskipped\b.*$", re.M | re.I)


def counts(output: str) -> tuple[int, int]:
    totals = [*OWN.finditer(output)][-1:]
    for pattern in COUNTS:
        totals += pattern.finditer(output)
    return sum(int(found["passed"]) for found in totals), sum(int(found["failed"] or 0) for found in totals)


def output_of(command: list[str], patience: int) -> tuple[str, int]:
    """What a command says, without colours, and its exit code."""
    try:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=patience,
        )
        said, code = ended.stdout, ended.returncode
    except subprocess.TimeoutExpired as late:
        said, code = f"{(late.stdout or b'').decode(errors='replace')}\nnot done after {patience} s", 1
    return re.sub(r"\x1b\[[0-9;]*m", "", said), code


def processor() -> float:
    """Seconds of processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(name: str) -> tuple[int, int, list[str]]:
    started, before = time.monotonic(), processor()
    output, code = output_of(SUITES[name], PATIENCE)
    (LOGS / f"{name.replace(' ', '-').replace(',', '')}.log").write_text(output)
    passed, failed = counts(output)
    if code and not failed or not passed + failed:
        failed += 1
    skips = [f"{name}: {line.strip()}" for line in SKIPS.findall(output)]
    took = f"{time.monotonic() - started:.0f} s, {processor() - before:.0f} s of processor time"
    shown = [f"{name}: {passed} passed, {failed} failed ({took})"]
    if failed:
        shown += [f"    {line}" for line in output.splitlines()[-60:]]
    print("\n".join(shown), flush=True)
    return passed, failed, skips


def main() -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    native.main()
    passed = failed = 0
    skips: list[str] = []
    if not shutil.which("strace"):
        skips.append("rust: counting system calls on the hot path; install strace")
    # Processes rather than threads: each then knows what its own suites cost.
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(run, sys.argv[1:] or SUITES):
            passed, failed, skips = passed + one[0], failed + one[1], skips + one[2]
    for line in skips:
        print(f"skipped in {line}")
    if skips and os.environ.get("CI") == "true":
        print(f"{len(skips)} skips, which continuous integration does not allow")
        failed += len(skips)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
