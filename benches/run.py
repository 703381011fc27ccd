"""Sets up the peers in scratch environments, measures ours and theirs in turns, and writes docs/benchmarks.md.

`make bench` calls it. Everything lies under build/bench: environments, raw results (*.json), stores. What cannot be set
up or fails is named in the output and in the document. Options: --quick for a few rounds, to see whether it works, into
build/bench/quick; names of parts (rust, python, node, files, weight) to measure only those; --report writes the page
anew from what was measured.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "build" / "bench"
PEERS = ROOT / "benches" / "peers"
PARTS = ("rust", "python", "node", "files", "weight")


def main() -> None:
    quick = ["--quick"] if "--quick" in sys.argv else []
    parts = [part for part in sys.argv[1:] if not part.startswith("-")] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    # Figures of a few rounds are not for the document.
    found = BENCH / "quick" if quick else BENCH
    failed: list[dict[str, str]] = []
    if "--report" not in sys.argv:
        found.mkdir(parents=True, exist_ok=True)
        (BENCH / "scratch").mkdir(parents=True, exist_ok=True)
        missing = set_up(parts)
        with tempfile.TemporaryDirectory(dir=BENCH / "scratch") as folder:
            failed = measure(parts, found, Path(folder), quick)
        (found / "missing.json").write_text(json.dumps(missing + failed, indent=1))
    report.write(found, found if quick else ROOT / "docs")
    if failed:
        raise SystemExit(1)


def set_up(parts: list[str]) -> list[dict[str, str]]:
    """Makes what is not there yet. Without some of the peers the rest is measured all the same."""
    say("Setting up the peers")
    missing = []
    steps = {"python": (python, "every peer"), "node": (node, "every peer"), "rust": (asherah, "asherah crate")}
    steps["files"] = (rage, "rage")
    for part, (step, who) in steps.items():
        if part in parts or ("weight" in parts and part in ("python", "node")):
            try:
                step()
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", None) or str(error)
                missing.append({"part": part, "name": who, "why": said.strip()[-300:]})
                print(f"  not set up: {who} of {part}: {said.strip()[-300:]}", file=sys.stderr)
    return missing


def python() -> None:
    """The pinned peers and our wheel; pip itself decides whether there is anything to do."""
    pip = BENCH / "venv" / "bin" / "pip"
    if not pip.exists():
        run(sys.executable, "-m", "venv", BENCH / "venv")
    shutil.rmtree(BENCH / "wheel", ignore_errors=True)
    run(pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", BENCH / "wheel", ROOT / "bindings-python")
    run(pip, "install", "--quiet", "--no-deps", "--force-reinstall", *(BENCH / "wheel").glob("*.whl"))
    run(pip, "install", "--quiet", "-r", PEERS / "requirements.txt")


def node() -> None:
    (BENCH / "node").mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PEERS / name, BENCH / "node" / name)
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=BENCH / "node")


def asherah() -> None:
    run("cargo", "build", "--quiet", "--release", "--locked", "--target-dir", BENCH / "target", cwd=PEERS)


def rage() -> None:
    """`age` is taken as the system has it, and `rage` built as pinned."""
    pin = (PEERS / "rage-version").read_text().strip()
    options = ("--quiet", "--locked", "--root", BENCH / "rage", "--target-dir", BENCH / "target")
    run("cargo", "install", *options, "rage", "--version", pin, cwd=BENCH)


def measure(parts: list[str], found: Path, folder: Path, quick: list[str]) -> list[dict[str, str]]:
    """Measures the parts. One that fails is named, and its results of an earlier run are not taken for this one's."""
    speed = bench_program()
    venv = BENCH / "venv" / "bin" / "python"
    environment = {"KEYFOLD_BENCH_NODE": str(BENCH / "node"), "KEYFOLD_BENCH_SPEED": str(speed)}
    missing: list[dict[str, str]] = []
    commands: list[tuple[str, str, list[str | Path]]] = [
        ("rust", "rust", [speed]),
        ("rust", "asherah", [BENCH / "target" / "release" / "asherah"]),
        ("python", "python", [venv, ROOT / "benches" / "python" / "speed.py"]),
        ("node", "node", ["node", "--expose-gc", ROOT / "benches" / "node" / "speed.mjs"]),
        ("files", "files", [sys.executable, ROOT / "benches" / "files.py"]),
        ("weight", "weight", [venv, ROOT / "benches" / "weight.py"]),
    ]
    for part, name, command in commands:
        if part not in parts:
            continue
        say(f"Measuring: {name}")
        begun = time.monotonic()
        results = found / f"{name}.json"
        results.unlink(missing_ok=True)
        try:
            run(*command, results, folder, *quick, env=os.environ | environment, capture=False)
        except (OSError, subprocess.CalledProcessError) as error:
            missing.append({"part": part, "name": f"the program for {name}", "why": str(error).replace(str(ROOT), ".")})
            print(f"  failed: {error}", file=sys.stderr)
        print(f"  {time.monotonic() - begun:.0f} s", file=sys.stderr)
    (found / "machine.json").write_text(json.dumps(report.machine(), indent=1))
    return missing


def bench_program() -> Path:
    """The program of benches/rust, which cargo puts under a name that it alone knows."""
    command = ("cargo", "bench", "--quiet", "-p", "keyfold", "--bench", "speed", "--no-run", "--message-format=json")
    built = run(*command, cwd=ROOT)
    found = [json.loads(line) for line in built.splitlines() if line.startswith("{")]
    return Path(next(one["executable"] for one in found if one.get("target", {}).get("name") == "speed"))


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, capture: bool = True) -> str:
    ran = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=capture, text=True)
    ran.check_returncode()
    return ran.stdout or ""


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
