"""Builds every package and uses each as its users would: installed in a folder outside the repository, with nothing of
the repository reachable but the packages, running the README's sample of its language.

    dist.py             all checks, building the packages first
    dist.py --built …   the packages as they lie in dist/; the checks whose names hold one of the words

What cargo compiles on the way shares the repository's target folder, for time: the sources are the package's own.
"""

import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
DIST = ROOT / "dist"
TOOLS = ROOT / "build" / "node-tools"
LICENCES = {"LICENSE-APACHE", "LICENSE-MIT"}
SAMPLES = dict(re.findall(r"<!-- runs as a test -->\n```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.S))
DEMO = re.compile(r"kf1\.\S+\n(?:.*\n)*?ada@example\.org\n")

# Of the caller's environment nothing that leads into the repository.
FOREIGN = re.compile(
    r"KEYFOLD_|npm_(?!config_(?:cache|registry|cafile))|INIT_CWD$|NODE_PATH$|PYTHON|VIRTUAL_ENV$|MAKE|MFLAGS$"
)
CLEAN = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
CLEAN["PATH"] = os.pathsep.join(p for p in CLEAN["PATH"].split(os.pathsep) if not pathlib.Path(p).is_relative_to(ROOT))
CLEAN |= {"CARGO_TARGET_DIR": str(TARGET), "KEYFOLD_MASTER_KEY": "file:master.key", "KEYFOLD_STORE": "app.keyfold"}

# Outside the repository, with a space in its name, and the same each time, so that cargo's target folder does not grow.
PLACE = hashlib.sha256(bytes(ROOT)).hexdigest()[:8]
scratch = pathlib.Path(tempfile.gettempdir()).resolve() / f"keyfold packages {PLACE}"


class Skipped(Exception):
    """Says what was left out and why."""


def run(*command: str | pathlib.Path, cwd: pathlib.Path, fails: bool = False, **more: str) -> str:
    ended = subprocess.run(
        command,
        cwd=cwd,
        env={**CLEAN, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if bool(ended.returncode) != fails:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {ended.returncode}\n{ended.stdout}")
    return ended.stdout


def only(pattern: str) -> pathlib.Path:
    found = [path for path in DIST.glob("*") if re.fullmatch(pattern, path.name)]
    assert len(found) == 1, f"{pattern} in dist/: {[path.name for path in found]}"
    return found[0]


VERSION = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
V = re.escape(VERSION)


def wheel() -> pathlib.Path:
    return only(rf"keyfold-{V}-cp311-abi3-manylinux_\d+_\d+_\w+\.whl")


def sdist() -> pathlib.Path:
    return only(rf"keyfold-{V}\.tar\.gz")


def node_main() -> pathlib.Path:
    return only(rf"keyfold-{V}\.tgz")


def node_native() -> pathlib.Path:
    return only(rf"keyfold-linux-(?:x64|arm64)-gnu-{V}\.tgz")


def c_archive() -> pathlib.Path:
    return only(rf"keyfold-{V}-linux-\w+\.tar\.gz")


def unpacked(archive: pathlib.Path) -> pathlib.Path:
    """The one folder that an archive holds."""
    folder = scratch / f"from {archive.name}"
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        # Archives carry old times: cargo would take what it compiled of an earlier package for fresh.
        for path in folder.rglob("*"):
            os.utime(path, follow_symlinks=False)
    (inner,) = folder.iterdir()
    return inner


def home(name: str) -> pathlib.Path:
    """A folder with a store, made as the README says by the command from the archive."""
    folder = scratch / name
    folder.mkdir()
    command = unpacked(c_archive()) / "bin" / "keyfold"
    for arguments in (["master-key", "generate", "--out", "master.key"], ["init"], ["key", "create", "pii"]):
        run(command, *arguments, cwd=folder)
    return folder


def outside(printed: str) -> None:
    path = pathlib.Path(printed.strip()).resolve()
    assert path.is_relative_to(scratch.resolve()), f"{path} is not what was installed"


# What the packages hold.


def sums() -> None:
    listed = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DIST.iterdir()}
    del there["SHA256SUMS"]
    assert listed == there and len(there) == 5, listed


def licences() -> None:
    with zipfile.ZipFile(wheel()) as archive:
        names = {pathlib.PurePath(name).name for name in archive.namelist()}
        (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    assert names >= LICENCES | {"py.typed", "_native.pyi"}, names
    assert "License-Expression: Apache-2.0 OR MIT\n" in metadata, metadata
    assert "\nRequires-Python: >=3.11\n" in metadata, metadata
    for archive in (sdist(), node_main(), node_native(), c_archive()):
        files = {path.name for path in unpacked(archive).iterdir() if path.is_file() and not path.is_symlink()}
        assert files >= LICENCES, archive.name


def npm_manifests() -> None:
    main, native = (json.loads((unpacked(p()) / "package.json").read_text()) for p in (node_main, node_native))
    assert main["optionalDependencies"] == {native["name"]: native["version"]}, main
    assert main["version"] == native["version"] == VERSION
    assert set(main["scripts"]) == {"install"} and "private" not in main, main
    assert native["os"] == ["linux"] and native["libc"] == ["glibc"] and len(native["cpu"]) == 1, native
    loader = (unpacked(node_main()) / "lib" / "native.js").read_text()
    assert f"require('{native['name']}')" in loader, loader


def sources_are_whole() -> None:
    """No dependency by path leads out of a package that cargo compiles."""
    for root in (unpacked(sdist()), unpacked(node_main()) / "native"):
        manifests = list(root.rglob("Cargo.toml"))
        paths = [(m, p) for m in manifests for p in re.findall(r'\bpath = "(\.[^"]+)"', m.read_text())]
        assert [(m.parent.name, p) for m, p in paths if "core" in p], f"{root}: the core is missing"
        for manifest, path in paths:
            there = (manifest.parent / path).resolve()
            assert there.exists() and there.is_relative_to(root.resolve()), f"{manifest}: {path}"


def compiled_elsewhere(library: str) -> None:
    """Cargo wrote down which files it compiled last: those of the package, and none of the repository."""
    listed = (TARGET / "release" / f"{library}.d").read_text().replace("\\ ", " ").replace(str(TARGET), "")
    assert str(scratch) in listed and str(ROOT) not in listed, listed


# Python.


def python_home(name: str, *packages: str | pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    folder = home(name)
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *packages, cwd=folder)
    (folder / "sample.py").write_text(SAMPLES["python"] + "\nassert len(index) == 16\nprint(keyfold.__file__)\n")
    return folder, python


def python_wheel() -> None:
    folder, python = python_home("wheel", "--no-index", wheel())
    outside(run(python, "-W", "error", "sample.py", cwd=folder))
    assert run(python, "-c", "import keyfold; print(keyfold.__version__)", cwd=folder) == f"{VERSION}\n"


def python_sdist() -> None:
    folder, python = python_home("sdist", unpacked(sdist()))
    compiled_elsewhere("lib_native")
    outside(run(python, "-W", "error", "sample.py", cwd=folder))


# Node.


def node_home(name: str) -> pathlib.Path:
    folder = home(name)
    (folder / "package.json").write_text('{"name": "app", "version": "1.0.0", "private": true}\n')
    (folder / "sample.mjs").write_text(SAMPLES["ts"])
    imports, requires = 'import { open } from "keyfold";', 'const { open } = require("keyfold");'
    assert imports in SAMPLES["ts"]
    (folder / "sample.cjs").write_text(SAMPLES["ts"].replace(imports, requires))
    return folder


def node_samples(folder: pathlib.Path, *names: str) -> None:
    for name in names or ("sample.mjs", "sample.cjs"):
        assert run("node", name, cwd=folder) == "ada@example.org\n", name


def without_cargo(folder: pathlib.Path) -> dict[str, str]:
    """A PATH on which cargo leaves a trace and fails."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "cargo").write_text(f"#!/bin/sh\ntouch '{folder}/cargo-ran'\nexit 1\n")
    (tools / "cargo").chmod(0o755)
    return {"PATH": f"{tools}{os.pathsep}{CLEAN['PATH']}"}


def npm_prebuilt() -> None:
    folder = node_home("npm")
    run("npm", "install", "--offline", node_native(), node_main(), cwd=folder, **without_cargo(folder))
    assert not (folder / "cargo-ran").exists(), "cargo ran although the prebuilt part serves"
    assert not (folder / "node_modules/keyfold/keyfold.node").exists()
    node_samples(folder)
    outside(run("node", "-p", "require.resolve('keyfold')", cwd=folder))
    types(folder)


def types(folder: pathlib.Path) -> None:
    """Both entries are typed as seen from outside, without what the repository's own type tests find beside them."""
    for name in ("usage.mts", "usage.cts"):
        shutil.copy(ROOT / "bindings-node/test/types" / name, folder)
    config = json.loads((ROOT / "bindings-node/test/types/tsconfig.json").read_text())
    config["compilerOptions"] |= {"typeRoots": [str(ROOT / "node_modules/@types")], "skipLibCheck": False}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    run("node", ROOT / "node_modules/typescript/bin/tsc", "-p", ".", cwd=folder)


def npm_from_source() -> None:
    """The package alone: refused with advice without cargo, compiled with it."""
    folder = node_home("npm-source")
    no_cargo = scratch / "no-cargo"
    no_cargo.mkdir()
    for tool in ("node", "npm", "sh"):
        (no_cargo / tool).symlink_to(str(shutil.which(tool)))
    refused = run("npm", "install", "--offline", node_main(), cwd=folder, fails=True, PATH=str(no_cargo))
    assert "install Rust 1.88 or newer" in refused, refused
    run("npm", "install", "--offline", "--ignore-scripts", node_main(), cwd=folder)
    advice = run("node", "sample.cjs", cwd=folder, fails=True)
    assert "run: node node_modules/keyfold/install.mjs" in advice, advice
    run("node", "node_modules/keyfold/install.mjs", cwd=folder)
    assert (folder / "node_modules/keyfold/keyfold.node").exists()
    assert not (folder / "node_modules/keyfold/native/target").exists()
    compiled_elsewhere("libkeyfold_node")
    node_samples(folder)


def other_version() -> None:
    """A prebuilt part of another version does not serve."""
    folder = node_home("npm-other")
    run("npm", "install", "--offline", "--ignore-scripts", node_native(), node_main(), cwd=folder)
    manifest = folder / "node_modules/keyfold/package.json"
    manifest.write_text(manifest.read_text().replace(f'"version": "{VERSION}"', '"version": "99.0.0"'))
    run("node", "node_modules/keyfold/install.mjs", cwd=folder, fails=True, **without_cargo(folder))
    assert (folder / "cargo-ran").exists()


def node_tool(name: str) -> str:
    tool = TOOLS / "node_modules" / ".bin" / name
    wanted = (ROOT / "tests/node-tools.json").read_text()
    manifest = TOOLS / "package.json"
    if not tool.exists() or not manifest.exists() or manifest.read_text() != wanted:
        TOOLS.mkdir(parents=True, exist_ok=True)
        manifest.write_text(wanted)
        try:
            run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", cwd=TOOLS)
        except AssertionError as error:
            raise Skipped(f"{name} could not be installed: {error}") from None
    return str(tool)


def pnpm() -> None:
    """pnpm runs no install scripts unless told to, and shows a package only what it names."""
    folder = node_home("pnpm")
    native = json.loads((unpacked(node_native()) / "package.json").read_text())["name"]
    app = {
        "name": "app",
        "private": True,
        "dependencies": {"keyfold": f"file:{node_main()}"},
        "pnpm": {"overrides": {native: f"file:{node_native()}"}},
    }
    (folder / "package.json").write_text(json.dumps(app))
    tool = node_tool("pnpm")
    run(tool, "install", "--offline", "--store-dir", scratch / "pnpm-store", cwd=folder, **without_cargo(folder))
    assert not (folder / "cargo-ran").exists()
    node_samples(folder)


def esbuild() -> None:
    folder = node_home("esbuild")
    run("npm", "install", "--offline", "--ignore-scripts", node_native(), node_main(), cwd=folder)
    common = ["--bundle", "--platform=node", "--log-level=warning"]
    require = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
    ways = {
        "external.cjs": ["sample.cjs", "--external:@keyfold/*"],
        "from-esm.cjs": ["sample.mjs", "--external:@keyfold/*"],
        "external.mjs": ["sample.mjs", "--external:@keyfold/*", "--format=esm", f"--banner:js={require}"],
        "packages.mjs": ["sample.mjs", "--packages=external", "--format=esm"],
        "out/copied.cjs": ["sample.cjs", "--loader:.node=copy"],
    }
    for out, arguments in ways.items():
        said = run(node_tool("esbuild"), *common, *arguments, f"--outfile={out}", cwd=folder)
        assert not said, f"{out}: {said}"
    # Nothing but the compiled part comes from outside of the bundle.
    shutil.rmtree(folder / "node_modules" / "keyfold")
    node_samples(folder, "external.cjs", "from-esm.cjs", "external.mjs")
    shutil.rmtree(folder / "node_modules")
    node_samples(folder, "out/copied.cjs")


# C, C++, Go, the command.


def flags(prefix: pathlib.Path, *options: str) -> list[str]:
    if not shutil.which("pkg-config"):
        raise Skipped("pkg-config is missing")
    found = run("pkg-config", *options, "keyfold", cwd=scratch, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
    return shlex.split(found)


def c_sample(folder: pathlib.Path) -> None:
    body = "#include <keyfold.h>\n#include <stdio.h>\nint main(void) {\n" + SAMPLES["c"] + "return e != NULL;\n}\n"
    (folder / "sample.c").write_text(body)


def c_from_archive() -> None:
    prefix, folder = unpacked(c_archive()), home("c")
    c_sample(folder)
    shared = flags(prefix, "--cflags", "--libs")
    warnings = ["-Wall", "-Wextra", "-Werror"]
    run("gcc", "-std=c99", *warnings, "sample.c", "-o", "sample", *shared, cwd=folder)
    assert "libkeyfold.so.0" in run("./sample", cwd=folder, fails=True)
    run("./sample", cwd=folder, LD_LIBRARY_PATH=str(prefix / "lib"))
    run("gcc", "-std=c99", *warnings, prefix / "examples/c/demo.c", "-o", "demo", *shared, cwd=folder)
    assert DEMO.match(run("./demo", cwd=folder, LD_LIBRARY_PATH=str(prefix / "lib")))


def c_static() -> None:
    prefix, folder = unpacked(c_archive()), home("c-static")
    c_sample(folder)
    found = flags(prefix, "--cflags", "--libs", "--static")
    libraries = ["-l:libkeyfold.a" if flag == "-lkeyfold" else flag for flag in found]
    run("gcc", "-std=c99", "sample.c", "-o", "sample", *libraries, cwd=folder)
    assert "libkeyfold" not in run("ldd", "sample", cwd=folder)
    run("./sample", cwd=folder)


def cpp_from_archive() -> None:
    if not shutil.which("g++"):
        raise Skipped("g++ is missing")
    prefix, folder = unpacked(c_archive()), home("cpp")
    program = prefix / "examples/cpp/demo.cpp"
    warnings = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
    run("g++", *warnings, program, "-o", "demo", *flags(prefix, "--cflags", "--libs"), cwd=folder)
    said = run("./demo", cwd=folder, LD_LIBRARY_PATH=str(prefix / "lib"))
    assert DEMO.match(said) and "in another row: KEYFOLD_DECRYPTION_FAILED" in said, said
    assert "KEYFOLD_WRONG_MASTER_KEY" in run("./demo", cwd=folder, fails=True, LD_LIBRARY_PATH=str(prefix / "lib"))


def go_from_archive() -> None:
    if not shutil.which("go"):
        raise Skipped("go is missing")
    prefix, folder = unpacked(c_archive()), home("go")
    flags(prefix)
    program = shutil.copytree(prefix / "examples/go", folder / "go")
    here = {
        "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig"),
        "LD_LIBRARY_PATH": str(prefix / "lib"),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "CGO_ENABLED": "1",
        "GOCACHE": str(ROOT / "build" / "go"),
    }
    assert not (listed := run("gofmt", "-l", ".", cwd=program)), f"gofmt would change {listed}"
    run("go", "vet", ".", cwd=program, **here)
    run("go", "build", "-o", "demo", ".", cwd=program, **here)
    said = run(program / "demo", cwd=folder, **here)
    assert DEMO.match(said) and "in another row: KEYFOLD_DECRYPTION_FAILED" in said, said
    assert "KEYFOLD_WRONG_MASTER_KEY" in run(program / "demo", cwd=folder, fails=True, **here)


def make_install() -> None:
    """Installed where packagers put it, found by pkg-config, and gone again without a trace."""
    stage, prefix = scratch / "stage", "/opt/key fold"
    here = {"PREFIX": prefix, "DESTDIR": str(stage)}
    script = ROOT / "packaging" / "install.sh"
    run(script, "install", cwd=scratch, **here)
    config = stage / "opt/key fold/lib/pkgconfig"
    said = run("pkg-config", "--variable=libdir", "keyfold", cwd=scratch, PKG_CONFIG_PATH=str(config)).strip()
    assert said.replace("\\", "") == f"{prefix}/lib", said
    assert run("pkg-config", "--modversion", "keyfold", cwd=scratch, PKG_CONFIG_PATH=str(config)) == f"{VERSION}\n"
    lib = stage / "opt/key fold/lib"
    assert (lib / "libkeyfold.so").resolve() == (lib / "libkeyfold.so.0").resolve() == lib / f"libkeyfold.so.{VERSION}"
    assert run(stage / "opt/key fold/bin/keyfold", "--version", cwd=scratch) == f"keyfold {VERSION}\n"
    run(script, "uninstall", cwd=scratch, **here)
    assert not [path for path in stage.rglob("*") if not path.is_dir()], "uninstall leaves something"
    run(script, "install", cwd=scratch, **here, LIBDIR="/usr/lib/here")
    assert "libdir=/usr/lib/here\n" in (stage / "usr/lib/here/pkgconfig/keyfold.pc").read_text()
    assert "absolute" in run(script, "install", cwd=scratch, fails=True, PREFIX="here")
    assert "make rust" in run(script, "install", cwd=scratch, fails=True, **here, CARGO_TARGET_DIR="nowhere")


def relative_target() -> None:
    """A relative CARGO_TARGET_DIR means the caller's folder, in every script."""
    relative = os.path.relpath(TARGET, ROOT)
    stray = ROOT / "bindings-node" / relative
    here = {"CARGO_TARGET_DIR": relative}
    assert f"'{TARGET}/release/libkeyfold.so.0'" in run("make", "-n", "rust", cwd=ROOT, CARGO_TARGET_DIR=str(TARGET))
    said = run("make", "-n", "rust", cwd=ROOT, **here)
    assert f"'{ROOT / relative}/release/libkeyfold.so.0'" in said, said
    run("packaging/install.sh", "install", cwd=ROOT, DESTDIR=str(scratch / "relative"), PREFIX="/usr", **here)
    assert (scratch / "relative/usr/lib/libkeyfold.so").exists()
    run("node", "install.mjs", cwd=ROOT / "bindings-node", INIT_CWD=str(ROOT), **here)
    assert not stray.is_relative_to(ROOT / "bindings-node") or not stray.exists(), f"{stray} was made"
    run(ROOT / "build/venv/bin/python", "tests/first_screen.py", cwd=ROOT, **here)


CHECKS: list[Callable[[], None]] = [
    sums,
    licences,
    npm_manifests,
    sources_are_whole,
    python_wheel,
    python_sdist,
    npm_prebuilt,
    relative_target,  # It compiles the Node package as it is in the target folder until npm_from_source has been there.
    npm_from_source,
    other_version,
    pnpm,
    esbuild,
    c_from_archive,
    c_static,
    cpp_from_archive,
    go_from_archive,
    make_install,
]


def main() -> int:
    words = sys.argv[1:]
    if "--built" in words:
        words.remove("--built")
    else:
        built = subprocess.run([sys.executable, ROOT / "packaging" / "dist.py"], stdout=subprocess.PIPE, text=True)
        if built.returncode:
            print(f"{built.stdout}the packages could not be built\n0 passed, 1 failed")
            return 1
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    passed = failed = 0
    for check in CHECKS:
        if words and not any(word in check.__name__ for word in words):
            continue
        started = time.monotonic()
        try:
            check()
            print(f"{check.__name__}: {time.monotonic() - started:.1f} s", flush=True)
            passed += 1
        except Skipped as reason:
            print(f"skipped: {check.__name__}: {reason}")
        except (AssertionError, OSError, KeyError, ValueError) as error:
            print(f"{check.__name__}: {type(error).__name__}: {error}")
            failed += 1
    shutil.rmtree(scratch)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
