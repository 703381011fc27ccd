"""Writes build/native.toml: lets another profile take from the release build what C compilers made for it.

Cargo would compile SQLite and aws-lc once for each profile, which takes minutes. It lets a configuration say what a
build script would have said (`target.TRIPLE.LINKS` in cargo's reference): here what it said in the release build.
"""

import hashlib
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "build" / "native.toml"
CARGO = os.environ.get("CARGO", "cargo")
# As `make rust` builds: nothing is left to compile.
PACKAGES = ["-p", "keyfold", "-p", "keyfold-ffi", "-p", "keyfold-cli"]
BUILD = ["build", "--release", *PACKAGES, "--examples", "--lib", "--bins"]
# What a build script tells cargo itself; whatever else it says is for the build scripts of dependents.
LISTS = {"rustc-link-lib", "rustc-link-search", "rustc-cfg"}


def cargo(*arguments: str) -> list[dict]:
    ended = subprocess.run([CARGO, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def said(output: str) -> dict[str, str | list[str]]:
    """What a build script printed for cargo, but for when to run it again."""
    answers: dict[str, str | list[str]] = {}
    for line in output.splitlines():
        name, equals, value = line.removeprefix("cargo:").removeprefix(":").partition("=")
        if not line.startswith("cargo:") or not equals or name.startswith("rerun-") or name == "warning":
            continue
        if name in LISTS:
            answers[name] = [*answers.get(name, []), value]
        elif name.startswith("rustc-") or name in {"metadata", "error"}:
            raise SystemExit(f"a build script says {line}, which native.py does not know")
        else:
            answers[name] = value
    return answers


def main() -> None:
    (metadata,) = cargo("metadata", "--format-version=1", "--locked")
    links = {package["id"]: package["links"] for package in metadata["packages"]}
    version = subprocess.run([CARGO, "-vV"], stdout=subprocess.PIPE, text=True, check=True).stdout
    (host,) = [line.split()[1] for line in version.splitlines() if line.startswith("host: ")]
    tables = []
    for message in cargo(*BUILD, "--quiet", "--message-format=json"):
        # Of libraries only what was compiled here: those of the system cost nothing.
        if message["reason"] == "build-script-executed" and any(
            path.removeprefix("native=").startswith(message["out_dir"]) for path in message["linked_paths"]
        ):
            folder = pathlib.Path(message["out_dir"]).parent
            # The target folder may have been moved since: cargo replaces this path, too.
            before = (folder / "root-output").read_text()
            answers = said((folder / "output").read_text().replace(before, message["out_dir"]))
            lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in sorted(answers.items())]
            # What it wrote for the compiler of Rust is there too.
            lines.append(f"rustc-env.OUT_DIR = {json.dumps(message['out_dir'])}")
            # Cargo compares what is said here, and not the libraries: other bytes must read otherwise.
            digest = hashlib.sha256()
            for library in sorted(pathlib.Path(message["out_dir"]).rglob("*.a")):
                digest.update(library.read_bytes())
            lines.append(f"libraries = {json.dumps(digest.hexdigest())}")
            tables.append("\n".join([f"[target.{host}.{links[message['package_id']]}]", *lines, ""]))
    assert tables, "the release build compiled no C"
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("\n".join(sorted(tables)))


if __name__ == "__main__":
    main()
