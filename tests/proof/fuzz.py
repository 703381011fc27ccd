"""Hostile bytes for everything that reads what anybody may have written; see fuzz/src/lib.rs.

    fuzz.py                              the corpus and changes of it, on the stable toolchain
    fuzz.py --long [--seconds N]         cargo-fuzz, coverage-guided, on the nightly toolchain: N seconds each (600)
    fuzz.py … TARGET …                   these targets only
    fuzz.py --seed N                     the changes that follow from N

`--long` wants a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz`). What it finds is kept under
fuzz/artifacts; `--keep` adds what it learned to the corpus, at most 200 inputs of 2 KiB for each target.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUZZ = ROOT / "fuzz"
CORPUS = FUZZ / "corpus"
CARGO = os.environ.get("CARGO", "cargo")
NATIVE = ROOT / "build" / "native.toml"
TARGETS = [path.stem for path in sorted((FUZZ / "fuzz_targets").glob("*.rs"))]
LARGEST, MOST = 2048, 200
# What C compilers made for the first is taken for the second.
LOCKS = [ROOT / "Cargo.lock", FUZZ / "Cargo.lock"]


def short(targets: list[str], seed: int) -> int:
    """Builds as tests/run.py builds the suites in Rust, into the same target folder: most of it is built already."""
    folder = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = os.environ | {"CARGO_TARGET_DIR": folder}
    subprocess.run([sys.executable, ROOT / "tests" / "native.py"], check=True, env=environment)
    for links in ("aws-lc-sys", "libsqlite3-sys"):
        locked = {re.search(rf'name = "{links}"\nversion = (.*)', lock.read_text())[1] for lock in LOCKS}
        assert len(locked) == 1, f"the locks have different versions of {links}, and the library is made once"
    build = [CARGO, "build", "--quiet", "--locked", "--manifest-path", FUZZ / "Cargo.toml", "--bin", "replay"]
    checked = ["--profile", "checked", "--config", ROOT / "tests" / "checked.toml", "--config", NATIVE]
    subprocess.run([*build, *checked], env=environment, check=True)
    limits = ["--seed", str(seed), "--changes", "2000", "--seconds", "1.2"]
    return subprocess.run([f"{folder}/checked/replay", CORPUS, *limits, *targets]).returncode


def figures(log: str) -> str:
    """What libFuzzer says of a run."""
    done = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
    last = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    found = len(re.findall(r"^Test unit written to|^artifact_prefix=", log, re.M))
    coverage, features, inputs = last[-1] if last else ("?", "?", "?")
    executions = done[1] if done else "?"
    return f"{executions} executions, {coverage} edges, {features} features, corpus {inputs}, finds {found}"


def long(target: str, seconds: int, seed: int, keep: bool) -> bool:
    with tempfile.TemporaryDirectory() as work:
        command = [CARGO, "+nightly", "fuzz", "run", "--features", "libfuzzer", target, work, CORPUS / target, "--"]
        flags = [f"-max_total_time={seconds}", f"-seed={seed}", "-print_final_stats=1", "-max_len=8192", "-timeout=30"]
        # The statics of a target live as long as its process.
        environment = os.environ | {"ASAN_OPTIONS": "detect_odr_violation=0:detect_leaks=0"}
        ended = subprocess.run([*command, *flags], cwd=FUZZ, env=environment, capture_output=True, text=True)
        log = ended.stdout + ended.stderr
        print(f"proof: {target}: {seconds} s, {figures(log)}", flush=True)
        if ended.returncode:
            print("\n".join(f"    {line}" for line in log.splitlines()[-40:]), flush=True)
        elif keep:
            learn(target, pathlib.Path(work))
        return ended.returncode == 0


def learn(target: str, new: pathlib.Path) -> None:
    """Keeps of old and new inputs the smallest that cover everything that small ones cover."""
    with tempfile.TemporaryDirectory() as least, tempfile.TemporaryDirectory() as small:
        for path in [*(CORPUS / target).iterdir(), *new.iterdir()]:
            if path.stat().st_size <= LARGEST:
                shutil.copy(path, small)
        command = [CARGO, "+nightly", "fuzz", "run", "--features", "libfuzzer", target, "--", "-merge=1", least, small]
        if subprocess.run(command, cwd=FUZZ, capture_output=True).returncode == 0:
            for path in sorted(pathlib.Path(least).iterdir(), key=lambda path: path.stat().st_size)[:MOST]:
                if not (CORPUS / target / path.name).exists():
                    shutil.copy(path, CORPUS / target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    print(f"seed {given.seed}", flush=True)
    if not given.long:
        return short(given.targets, given.seed)
    outcomes = [long(target, given.seconds, given.seed, given.keep) for target in given.targets or TARGETS]
    print(f"{sum(outcomes)} passed, {len(outcomes) - sum(outcomes)} failed")
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
