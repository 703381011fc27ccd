"""The npm packages: `keyfold`, and beside it the compiled part for one system, which `keyfold` depends on optionally.

The committed package.json names no such dependency, since in a clone npm would ask the registry for it.
"""

import json
import pathlib
import platform
import re
import shutil
import subprocess
import tempfile

LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")
CPU = {"x86_64": "x64", "aarch64": "arm64"}
# Parts of a Cargo.toml that building the compiled part does not need, and whose files do not travel.
LEFT_OUT = r"^\[(?:\[(?:bench|example)\]\]|dev-dependencies\])\n(?:(?!\[).*\n?)*"


def build(root: pathlib.Path, release: pathlib.Path, dist: pathlib.Path, version: str) -> None:
    with tempfile.TemporaryDirectory() as stage:
        native = _native_package(root, release, pathlib.Path(stage) / "native", version)
        main = _main_package(root, pathlib.Path(stage) / "keyfold", native, version)
        for folder in (main, native.parent):
            command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", dist]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _native_package(root: pathlib.Path, release: pathlib.Path, folder: pathlib.Path, version: str) -> pathlib.Path:
    """Gives the path of its package.json."""
    folder.mkdir()
    cpu = CPU[platform.machine()]
    # As install.mjs calls it: after `make node` nothing is left to compile.
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "-p", "keyfold-node"], cwd=root, check=True)
    shutil.copy(release / "libkeyfold_node.so", folder / "keyfold.node")
    for licence in LICENCES:
        shutil.copy(root / licence, folder)
    name = f"@keyfold/linux-{cpu}-gnu"
    (folder / "README.md").write_text(f"# {name}\n\nThe compiled part of `keyfold` for Linux with glibc on {cpu}.\n")
    described = json.loads((root / "bindings-node" / "package.json").read_text())
    package = {
        "name": name,
        "version": version,
        "description": f"The compiled part of keyfold for Linux with glibc on {cpu}",
        "license": described["license"],
        "main": "keyfold.node",
        "files": ["keyfold.node", "LICENSE-*"],
        "os": ["linux"],
        "cpu": [cpu],
        "libc": ["glibc"],
        "engines": described["engines"],
    }
    _write(folder / "package.json", package)
    return folder / "package.json"


def _main_package(root: pathlib.Path, folder: pathlib.Path, native: pathlib.Path, version: str) -> pathlib.Path:
    source = root / "bindings-node"
    package = json.loads((source / "package.json").read_text())
    folder.mkdir()
    for name in [*package["files"], "README.md"]:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, folder / name)
    for licence in LICENCES:
        shutil.copy(root / licence, folder)
    _sources(root, folder / "native")
    if package["version"] != version:
        raise SystemExit(f"bindings-node/package.json has version {package['version']}, Cargo.toml {version}")
    del package["private"], package["devDependencies"]
    package["scripts"] = {"install": package["scripts"]["install"]}
    package["files"] += ["native", "LICENSE-*"]
    # Exactly this version: the two halves know each other's ways of calling.
    package["optionalDependencies"] = {json.loads(native.read_text())["name"]: version}
    _write(folder / "package.json", package)
    return folder


def _sources(root: pathlib.Path, folder: pathlib.Path) -> None:
    """A workspace of the core and the Node crate, with the versions of their dependencies as they are locked here."""
    for crate in ("core", "bindings-node"):
        (folder / crate).mkdir(parents=True)
        shutil.copytree(root / crate / "src", folder / crate / "src")
        manifest = re.sub(LEFT_OUT, "", (root / crate / "Cargo.toml").read_text(), flags=re.M)
        (folder / crate / "Cargo.toml").write_text(re.sub(r"^readme = .*\n", "", manifest, flags=re.M))
    shutil.copy(root / "bindings-node" / "build.rs", folder / "bindings-node")
    workspace = (root / "Cargo.toml").read_text()
    members = 'members = ["core", "bindings-node"]'
    (folder / "Cargo.toml").write_text(re.sub(r"^members = .*$", members, workspace, flags=re.M))
    shutil.copy(root / "Cargo.lock", folder)
    # Strikes from the lock what these two crates do not need: `cargo build --locked` wants it exact.
    prune = ["cargo", "update", "--workspace", "--offline", "--quiet"]
    subprocess.run(prune, cwd=folder, check=True)


def _write(file: pathlib.Path, content: dict[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
