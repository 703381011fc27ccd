"""A file of a gibibyte on one core, beside `age`, `rage` and `openssl enc`: files.py RESULTS.json FOLDER [--quick].

What is read lies in the folder, on disk, and is read from the system's page cache: it was read before. What is written
goes to memory where there is room (/dev/shm), so that no disk is measured, else to the folder too. Each program runs by
itself on one processor; its time is from starting it until its end. Memory is what GNU time says of it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SPEED = os.environ["KEYFOLD_BENCH_SPEED"]


class Program(NamedTuple):
    """Commands with `{out}` for where the output goes, and `{n}` for a number that this program alone has."""

    name: str
    encrypt: list[str]
    decrypt: list[str]
    # What comes before the output's name; without that, the program writes to its standard output.
    out: list[str]


def main() -> None:
    results, folder, *options = sys.argv[1:]
    results = Path(results).resolve()
    length, rounds = (64 << 20, 2) if "--quick" in options else (1 << 30, 5)
    shared = Path("/dev/shm")
    # What is read must stay in the cache beside what is written.
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > 9 * length and available() > 10 * length
    with (
        tempfile.TemporaryDirectory(dir=folder) as place,
        tempfile.TemporaryDirectory(dir=shared if roomy else folder) as out,
    ):
        os.chdir(place)
        with open("plain", "wb") as file:
            for _ in range(length >> 20):
                file.write(os.urandom(1 << 20))
        programs, missing, versions = set_up()
        groups = [compare("encrypt", programs, rounds, length, out)]
        for sealed in Path(out).iterdir():
            shutil.move(sealed, sealed.name)
        # What is yet to be written to disk would be written while others are measured.
        os.sync()
        groups += [
            compare("decrypt", programs, rounds, length, out),
            compare("encrypt", programs, rounds, length, None),
            compare("decrypt", programs, rounds, length, None),
        ]
        if shutil.which("time"):
            groups.append(memory(programs, out))
        else:
            missing.append({"name": "memory of programs", "why": "GNU time is not installed"})
    versions["input"] = "on disk, in the page cache"
    versions["output"] = "in memory (/dev/shm)" if roomy else "on disk"
    found = {"language": "files", "versions": versions, "groups": groups, "missing": missing}
    results.write_text(json.dumps(found, indent=1))


def set_up() -> tuple[list[Program], list[dict[str, str]], dict[str, str]]:
    """The programs, who is missing, and versions."""
    os.environ["KEYFOLD_STORE"] = "bench.keyfold"
    keyfold = str(RELEASE / "keyfold")
    os.environ["KEYFOLD_MASTER_KEY"] = text(keyfold, "master-key", "generate", "--reveal")
    text(keyfold, "init")
    text(keyfold, "key", "create", "archive", "--kind", "stream")
    programs = [
        Program(
            "keyfold",
            [keyfold, "encrypt", "archive", "plain", "{out}"],
            [keyfold, "decrypt", "archive", "sealed.{n}", "{out}"],
            ["--out"],
        ),
        bare("encrypt", "the bare AEAD: aws-lc-rs reading, sealing, writing"),
    ]
    missing, versions = [], {"keyfold": text(keyfold, "--version").split()[-1]}
    for name in ("age", "rage"):
        built = ROOT / "build" / "bench" / "rage" / "bin" / name
        program = str(built) if built.exists() else shutil.which(name)
        keygen = program and (shutil.which(f"{program}-keygen"))
        if not program or not keygen:
            missing.append({"name": name, "why": "not installed; Debian's package `age`, or cargo's `rage`"})
            continue
        versions[name] = text(program, "--version").split()[-1]
        text(keygen, "-o", f"{name}.key")
        recipient = re.search(r"age1\w+", Path(f"{name}.key").read_text()).group()
        programs.append(
            Program(
                name,
                [program, "-r", recipient, "{out}", "plain"],
                [program, "-d", "-i", f"{name}.key", "{out}", "sealed.{n}"],
                ["-o"],
            )
        )
    if openssl := shutil.which("openssl"):
        versions["openssl"] = text(openssl, "version").split()[1]
        keys = ["-K", "07" * 32, "-iv", "07" * 16]
        enc = [openssl, "enc", "-aes-256-ctr", *keys]
        programs.append(
            Program(
                "openssl enc -aes-256-ctr, without authentication",
                [*enc, "-in", "plain", "{out}"],
                [*enc, "-d", "-in", "sealed.{n}", "{out}"],
                ["-out"],
            )
        )
    else:
        missing.append({"name": "openssl enc", "why": "not installed"})
    programs.append(bare("copy", "a copy: reading and writing alone"))
    return programs, missing, versions


def bare(how: str, name: str) -> Program:
    back = "decrypt" if how == "encrypt" else how
    run = [SPEED, "bare-file"]
    return Program(name, [*run, how, "plain", "{out}"], [*run, back, "sealed.{n}", "{out}"], [])


def available() -> int:
    """Bytes of memory that are free, or would be where they are wanted."""
    kibibytes = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text()).group(1)
    return int(kibibytes) << 10


def compare(step: str, programs: list[Program], rounds: int, length: int, out: str | None) -> dict[str, object]:
    """Into files in the folder `out`, or without one into nothing."""
    size = f"{length >> 20:,} MiB" if length < 1 << 30 else "1 GiB"
    what = f"{step} a file of {size}, {'to a file' if out else 'output thrown away'}, one core"
    print(f"  {what}", file=sys.stderr)
    times: list[list[float]] = [[] for _ in programs]
    for number in range(rounds + 1):
        for turn in range(len(programs)):
            place = (number + turn) % len(programs)
            took = timed(command(programs, place, step, out))
            if number:  # the first round warms up, and makes the files
                times[place].append(took * 1e9)
    series = [{"name": one.name, "rounds": some} for one, some in zip(programs, times, strict=True)]
    return {"id": f"{'file' if out else 'nowhere'}/{step}", "what": what, "unit": "ns", "series": series}


def command(programs: list[Program], place: int, step: str, out: str | None) -> list[str]:
    program = programs[place]
    if out:
        target = Path(out) / (f"sealed.{place}" if step == "encrypt" else "opened")
        # Each writes a new file: the pages of an old one would be spared to whoever truncates.
        target.unlink(missing_ok=True)
        to = [*program.out, str(target)]
    else:
        to = [] if program.out else ["/dev/null"]
    parts = [part.replace("{n}", str(place)) for part in getattr(program, step)]
    where = parts.index("{out}")
    return [*parts[:where], *to, *parts[where + 1 :]]


def timed(command: list[str]) -> float:
    core = max(os.sched_getaffinity(0))
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.sched_setaffinity(child.pid, {core})
    _, said = child.communicate()
    took = time.perf_counter() - begun
    if child.returncode:
        raise SystemExit(f"{command[0]} failed: {said.decode()}")
    return took


def memory(programs: list[Program], out: str) -> dict[str, object]:
    """The most that was resident. GNU time starts the program itself: a child of ours would count what Python holds."""
    print("  memory", file=sys.stderr)
    series = []
    for place, program in enumerate(programs):
        found = []
        for step in ("encrypt", "decrypt"):
            run = command(programs, place, step, out)
            ran = subprocess.run(["time", "-f", "%M", *run], capture_output=True, text=True, check=True)
            found.append(float(ran.stderr.split()[-1]) * 1024)
        series.append({"name": program.name, "rounds": found})
    return {
        "id": "file/memory",
        "what": "most memory resident, encrypting and decrypting",
        "unit": "B",
        "series": series,
    }


def text(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
