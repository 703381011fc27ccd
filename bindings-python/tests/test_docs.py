"""The examples run, and the types hold."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import keyfold
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT.parent / "examples" / "python" / "first_screen.py"
EDGE_TABLE = ROOT.parent / "tests" / "edge_table.py"
needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")


def test_the_readme_runs(tmp_path: Path) -> None:
    samples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(samples) == 9
    environment = {**os.environ, "KEYFOLD_MASTER_KEY": keyfold.generate_master_key()}
    for sample in samples:
        subprocess.run(
            [sys.executable, "-W", "error", "-c", sample],
            cwd=tmp_path,
            env=environment,
            check=True,
            timeout=60,
        )


def test_the_first_screen_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("stored: kf1.")


def check(*command: str, folder: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_mypy
def test_the_types_hold() -> None:
    check("mypy", "--strict", "python", "tests", str(EXAMPLE), str(EDGE_TABLE))


@needs_mypy
def test_the_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    check("mypy.stubtest", "keyfold", folder=tmp_path)
