"""Counts the instructions of the hot calls, and compares them with what is recorded beside this file.

Only what our own modules run is counted: the Python package's, the Node package's and the C library, each of which
holds the core and its libraries; the interpreters' instructions are not, nor the system's. A machine's noise does not
touch the counts; another compiler may, and a processor for which the libraries take other paths, so that a count is
held against the record only where both are the recorded ones.

    guard.py            fails where a count is off by more than 5 %, above or below
    guard.py --record   writes the counts down
"""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
RECORD = HERE / "counts.json"
TOLERANCE = 0.05
# By language: what the file is called that is counted.
MODULES = {"Python": "_native", "Node": "keyfold.node", "C": "libkeyfold.so"}
# Of the processor, as far as callgrind shows it to the program: by these the libraries choose their code.
FEATURES = {"adx", "aes", "avx", "avx2", "bmi1", "bmi2", "movbe", "pclmulqdq", "rdrand", "sse4_1", "ssse3"}


def own(dump: str, module: str) -> int:
    """The instructions of a module in one dump of callgrind's: self costs, not what calls cost."""
    total, ours, of_call = 0, False, False
    names: dict[str, str] = {}
    for line in dump.splitlines():
        if line.startswith("ob="):
            number, _, name = line[3:].partition(" ")
            names.setdefault(number, name)
            ours = module in names[number]
        elif line.startswith("cob="):
            number, _, name = line[4:].partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            of_call = True
        elif re.match(r"[+*\-\d]", line):
            if ours and not of_call:
                total += int(line.split()[1])
            of_call = False
    return total


def program(language: str, folder: str) -> list[str]:
    """What makes the calls; it is given a folder."""
    if language == "Python":
        return [sys.executable, str(HERE / "calls.py")]
    if language == "Node":
        # In the folder, whose node_modules is what the script imports from.
        return ["node", shutil.copy(HERE / "calls.mjs", folder)]
    built = str(pathlib.Path(folder, "calls"))
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}"]
    link = [f"-L{RELEASE}", "-lkeyfold", f"-Wl,-rpath,{RELEASE}"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, str(HERE / "calls.c"), "-o", built, *link], check=True)
    return [built]


def counts(language: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out")
        pathlib.Path(folder, "node_modules").symlink_to(ROOT / "node_modules")
        # A call into the C library that nothing else makes.
        options = ["--tool=callgrind", "-q", "--dump-after=umask", f"--callgrind-out-file={out}"]
        ended = subprocess.run(
            ["valgrind", *options, *program(language, folder), folder],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = {}
        for place, line in enumerate(ended.stdout.splitlines()):
            name, calls = line.split("\t")
            # Dumps come in pairs: up to the mark before the calls, and from there to the one after them.
            dump = pathlib.Path(f"{out}.{2 * place + 2}").read_text()
            found[f"{language}: {name}"] = round(own(dump, MODULES[language]) / int(calls), 1)
        return found


def surroundings() -> dict[str, str]:
    """What the counts depend on besides the code."""
    rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    info = pathlib.Path("/proc/cpuinfo")
    flags = set(re.findall(r"^flags\s*: (.*)$", info.read_text(), re.M)[0].split()) if info.exists() else set()
    return {"compiler": rustc, "processor": " ".join([platform.machine(), *sorted(flags & FEATURES)])}


def main() -> int:
    if not shutil.which("valgrind"):
        print("skipped: valgrind is missing: instructions were not counted")
        return 1 if os.environ.get("CI") == "true" else 0
    here, found = surroundings(), {}
    for language in MODULES:
        found |= counts(language)
    if uncounted := [name for name, count in found.items() if count < 1]:
        print(f"nothing was counted for {', '.join(uncounted)}: do MODULES still name them?")
        return 1
    if sys.argv[1:] == ["--record"]:
        RECORD.write_text(json.dumps(here | {"instructions": found}, indent=2) + "\n")
        return 0
    record = json.loads(RECORD.read_text())
    known, off = record["instructions"], []
    if known.keys() != found.keys():
        print(f"recorded and counted are not the same calls: {', '.join(sorted(known.keys() ^ found.keys()))}")
        return 1
    for name, now in found.items():
        was = known[name]
        if abs(now - was) > TOLERANCE * was:
            off.append(f"{name}: {now:,.0f} instructions, recorded are {was:,.0f}")
    if not off:
        return 0
    print(*off, sep="\n")
    if others := [f"{name}: {was}, here {here[name]}" for name, was in record.items() if here.get(name, was) != was]:
        print("recorded elsewhere, and not held against it:", *others, sep="\n    ")
        return 0
    print(
        f"more than {TOLERANCE:.0%} off; find out why, or record the new counts: {pathlib.Path(__file__).name} --record"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
