"""Counts instructions under callgrind: no group of tests/proof/timing.rs may have two counts.

Each group is one operation on inputs of one length under one key: an authentication tag wrong in its first byte, in its
last, associated data that are wrong, a body that is; or right ones, of other secret bytes. All variants must take the
same number of instructions, for both backends. That the count tells is tried first, on a comparison that stops early.

    timing.py           the backend that serves by default
    timing.py --long    both backends

The last line is `N passed, N failed`.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CARGO = os.environ.get("CARGO", "cargo")
BACKENDS = {"aws-lc": [], "portable": ["--no-default-features", "--features", "portable"]}

# Groups that are not one count by their nature, how far their counts may lie apart, and why.
KNOWN: dict[str, tuple[int, str]] = {
    "MasterKey::shares, 3 of 5": (64, "blahaj multiplies with tables and skips zeros"),
}


def build(backend: str) -> pathlib.Path:
    """The program, with its symbols: callgrind finds what to count by name."""
    command = [CARGO, "rustc", "--quiet", "--release", "-p", "keyfold", *BACKENDS[backend], "--bench", "timing"]
    ended = subprocess.run(
        [*command, "--message-format=json", "--", "-C", "strip=none"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    ended.check_returncode()
    made = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return pathlib.Path(next(one["executable"] for one in made if one.get("executable")))


def count(program: pathlib.Path, *words: str) -> dict[str, dict[str, list[int]]]:
    """The counts of each variant of each group."""
    with tempfile.TemporaryDirectory() as folder:
        out, stores = pathlib.Path(folder, "out"), pathlib.Path(folder, "stores")
        stores.mkdir()
        options = [f"--{name}=keyfold_measured" for name in ("toggle-collect", "dump-after")]
        options += ["--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={out}", "-q"]
        ended = subprocess.run(
            ["valgrind", *options, str(program), str(stores), *words], stdout=subprocess.PIPE, text=True
        )
        ended.check_returncode()
        groups: dict[str, dict[str, list[int]]] = {}
        lines = ended.stdout.splitlines()
        for number, line in enumerate(lines, 1):
            said = pathlib.Path(f"{out}.{number}").read_text()
            instructions = int(re.search(r"^(?:totals|summary): (\d+)", said, re.M)[1])
            group, variant = line.removeprefix("!").split("\t")
            if not line.startswith("!"):
                groups.setdefault(group, {}).setdefault(variant, []).append(instructions)
        assert not pathlib.Path(f"{out}.{len(lines) + 1}").exists(), "more was counted than announced"
        return groups


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--long", action="store_true")
    arguments.add_argument("--seed", help="taken and not needed: nothing here is random")
    arguments.add_argument("--table", action="store_true", help="print the rows of docs/timing.md")
    options = arguments.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is missing: instructions were not counted\n0 passed, 0 failed")
        return 0
    passed = failed = variants = 0
    tables: dict[str, dict[str, str]] = {}
    for backend in BACKENDS if options.long else ["aws-lc"]:
        for group, counts in count(build(backend), *(["long"] if options.long else [])).items():
            # The allocator's state adds to some calls: what all variants have taken at some time is what they take.
            common = set.intersection(*(set(counted) for counted in counts.values()))
            seen = [min(common)] if common else sorted({min(counted) for counted in counts.values()})
            early = group.startswith("early: ")
            allowed, why = KNOWN.get(group, (0, ""))
            good = (len(seen) > 1) if early else seen[-1] - seen[0] <= allowed
            passed, failed, variants = passed + good, failed + (not good), variants + len(counts)
            shown = f"{seen[0]:,}" if len(seen) == 1 else f"{seen[0]:,} to {seen[-1]:,}"
            tables.setdefault(group, {})[backend] = shown
            if not good:
                print(f"{backend}: {group}:")
                for variant, counted in counts.items():
                    print(f"    {variant}: {', '.join(f'{one:,}' for one in counted)}")
            elif why:
                print(f"{backend}: {group}: {shown}: {why}")
    if options.table:
        for group, shown in tables.items():
            print(f"| {group} | {' | '.join(shown.values())} |")
    print(
        f"proof: {variants} variants in {passed + failed} groups, counted six times each; "
        f"{failed} groups without a common count"
    )
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
