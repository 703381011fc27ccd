"""Builds every package into dist/; `make dist` calls this after building the library and the command.

These come out, V being the version:

    keyfold-V-cp311-abi3-manylinux_….whl        the Python package, for CPython 3.11 and later
    keyfold-V.tar.gz                            its source distribution, with the core
    keyfold-V.tgz                               the Node package, with the sources of its compiled part
    keyfold-SYSTEM.tgz                          the compiled part for this system
    keyfold-V-SYSTEM.tar.gz                     header, libraries, command, examples
    SHA256SUMS
"""

import gzip
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import npm

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
if "CARGO_TARGET_DIR" in os.environ:  # Not every tool that is called here starts in this folder.
    os.environ["CARGO_TARGET_DIR"] = str(RELEASE.parent)
VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")
# Seconds since 1970 that files in archives carry, so that equal contents make equal archives.
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))


def python() -> None:
    """maturin finds the oldest manylinux platform whose symbols suffice, and fails where there is none."""
    maturin = [sys.executable, "-m", "maturin"]
    binding = ["--manifest-path", ROOT / "bindings-python" / "Cargo.toml", "--out", DIST]
    for command in (["build", "--release", "--locked"], ["sdist"]):
        built = subprocess.run([*maturin, *command, *binding], cwd=ROOT, capture_output=True, text=True)
        if built.returncode:
            raise SystemExit(f"{built.stdout}{built.stderr}maturin {command[0]} failed")


def archive() -> None:
    """What `make install` installs, in a folder that may be put anywhere."""
    name = f"keyfold-{VERSION}-{platform.system().lower()}-{platform.machine()}"
    with tempfile.TemporaryDirectory() as stage:
        folder = pathlib.Path(stage) / name
        environment = {**os.environ, "PREFIX": f"/{name}", "DESTDIR": stage, "LIBDIR": ""}
        subprocess.run([ROOT / "packaging" / "install.sh", "install"], env=environment, check=True)
        config = folder / "lib" / "pkgconfig" / "keyfold.pc"
        config.write_text(re.sub(r"^prefix=.*$", "prefix=${pcfiledir}/../..", config.read_text(), flags=re.M))
        for licence in LICENCES:
            shutil.copy(ROOT / licence, folder)
        shutil.copy(ROOT / "packaging" / "archive.md", folder / "README.md")
        for language in ("c", "cpp", "go"):
            shutil.copytree(ROOT / "examples" / language, folder / "examples" / language)
        pack(folder, DIST / f"{name}.tar.gz")


def pack(folder: pathlib.Path, target: pathlib.Path) -> None:
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = EPOCH
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [folder, *sorted(folder.rglob("*"))]:
            tar.add(path, path.relative_to(folder.parent), recursive=False, filter=plain)
    target.write_bytes(gzip.compress(raw.getvalue(), mtime=EPOCH))


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    python()
    npm.build(ROOT, RELEASE, DIST, VERSION)
    archive()
    packages = sorted(DIST.iterdir())
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in packages]
    (DIST / "SHA256SUMS").write_text("".join(sums))
    for path in packages:
        print(f"{path.stat().st_size:>10,} bytes  dist/{path.name}")


if __name__ == "__main__":
    main()
