"""What loading keyfold costs, beside the peers: weight.py RESULTS.json FOLDER [--quick].

Each measurement is a new process: how long the import takes, and how much more is resident after it than before.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "build" / "bench"

PYTHON = """
import time
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
before = resident()
begun = time.perf_counter_ns()
{load}
took = time.perf_counter_ns() - begun
after = resident()
{use}
print(took, after - before, resident() - before)
"""
USE_PYTHON = """
with keyfold.open({store!r}, keyfold.generate_master_key(), create=True) as store:
    store.create_key("pii")
    store.key("pii").encrypt(b"ada")
"""
NODE = """
const fs = require("node:fs");
const resident = () => Number(/VmRSS:\\s*(\\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
resident();
const before = resident();
const begun = process.hrtime.bigint();
{load}
const took = process.hrtime.bigint() - begun;
const after = resident();
{use}
console.log(took.toString(), after - before, resident() - before);
"""
USE_NODE = """
const store = keyfold.open({store}, {{ create: true, masterKey: keyfold.generateMasterKey() }});
store.createKey("pii");
store.key("pii").encrypt(Buffer.from("ada"));
"""
PEERS_PYTHON = {
    "cryptography AESGCM": "from cryptography.hazmat.primitives.ciphers.aead import AESGCM",
    "pynacl": "import nacl.secret",
    "asherah": "import asherah",
    "tink": "from tink import aead; aead.register()",
    "aws-encryption-sdk": "import aws_encryption_sdk",
}
PEERS_NODE = ("sodium-native", "@47ng/cloak", "asherah-linux-x64-gnu", "@aws-crypto/client-node")


def main() -> None:
    results, folder, *options = sys.argv[1:]
    rounds = 3 if "--quick" in options else 21
    missing: list[dict[str, str]] = []
    groups = [sizes()]
    store = str(Path(folder) / "weight.keyfold")
    python = {"keyfold": PYTHON.format(load="import keyfold", use=USE_PYTHON.format(store=store))}
    python |= {name: PYTHON.format(load=load, use="") for name, load in PEERS_PYTHON.items()}
    run = [sys.executable, "-c"]
    groups += loads("python", "import", run, python, rounds, store, missing)
    node = {
        "keyfold": NODE.format(
            load=f"const keyfold = require({module('keyfold', ROOT)});", use=USE_NODE.format(store=json.dumps(store))
        )
    }
    for name in PEERS_NODE:
        node[name] = NODE.format(load=f"require({module(name, BENCH / 'node')});", use="")
    groups += loads("node", "require", ["node", "-e"], node, rounds, store, missing)
    found = {"language": "weight", "versions": {}, "groups": groups, "missing": missing}
    Path(results).write_text(json.dumps(found, indent=1))


def module(name: str, folder: Path) -> str:
    """Where a package lies: each is required in the same way, so that looking for it is no part of the time."""
    return json.dumps(str(folder / "node_modules" / name))


def sizes() -> dict[str, object]:
    """The files that users get: a wheel is compressed, the others are not."""
    release = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    files = {
        "wheel": next((BENCH / "wheel").glob("*.whl")),
        ".node": ROOT / "bindings-node" / "keyfold.node",
        "libkeyfold.so": release / "libkeyfold.so",
        "command": release / "keyfold",
    }
    series = [{"name": f"keyfold, {name}", "rounds": [file.stat().st_size]} for name, file in files.items()]
    return {"id": "size", "what": "size of files", "unit": "B", "series": series}


def loads(
    language: str,
    verb: str,
    run: list[str],
    programs: dict[str, str],
    rounds: int,
    store: str,
    missing: list[dict[str, str]],
) -> list[dict[str, object]]:
    print(f"  {verb} in {language}", file=sys.stderr)
    times: dict[str, list[list[int]]] = {}
    for number in range(rounds + 1):
        for name, program in list(programs.items()):
            for leftover in Path(store).parent.glob(Path(store).name + "*"):
                leftover.unlink()
            ran = subprocess.run([*run, program], capture_output=True, text=True, cwd=ROOT)
            if ran.returncode:
                missing.append({"name": f"{name}, {verb}", "why": ran.stderr.strip()[-200:]})
                del programs[name]
            elif number:  # the first round reads the files from the disk, and compiles
                times.setdefault(name, []).append([int(part) for part in ran.stdout.split()])
    took = [{"name": name, "rounds": [one[0] for one in some]} for name, some in times.items()]
    held = [{"name": name, "rounds": [one[1] for one in some]} for name, some in times.items()]
    used = {
        "name": "keyfold, with a store open and a message encrypted",
        "rounds": [one[2] for one in times["keyfold"]],
    }
    held.insert(1, used)
    return [
        {"id": f"{language}/load", "what": f"{language}: time to {verb}", "unit": "ns", "series": took},
        {
            "id": f"{language}/memory",
            "what": f"{language}: resident over the bare interpreter",
            "unit": "B",
            "series": held,
        },
    ]


if __name__ == "__main__":
    main()
