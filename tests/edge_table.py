"""The table of edge inputs as the drivers in Python take it: its values, its steps around a store, its verdicts.

A driver derives from `Driver` and has a method `do_NAME` for each operation. What an operation gives is None, a bool,
bytes, text, or a list of these; what its door refuses it raises as `Refused`.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TABLE = json.loads((Path(__file__).parent / "edge_inputs.json").read_text("utf-8"))
MASTER_KEY: str = TABLE["master_key"]
CASES: list[dict[str, Any]] = TABLE["cases"]


def cases_for(door: str) -> list[dict[str, Any]]:
    """The cases that a door must run: all that do not excuse it."""
    return [case for case in CASES if door not in case.get("not_in", {})]


class Refused(Exception):
    """An error of the library: its code without KEYFOLD_, what it says, and its place in a batch."""

    def __init__(self, code: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{code} ({message})")
        self.code, self.index = code, index
        assert message, f"{code} says nothing"


class Step:
    """One step of a case; its arguments are resolved as they are asked for."""

    def __init__(self, driver: "Driver", fields: dict[str, Any]) -> None:
        self.driver, self.fields = driver, fields

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str) -> Any:
        return self.fields.get(name)

    def data(self, name: str) -> Any:
        return self.driver.data_of(self.fields[name])

    def text(self, name: str) -> Any:
        return self.driver.text_of(self.fields[name])

    def values(self, name: str) -> Any:
        """Values in bytes. What is no list is handed over as it is."""
        match self.fields[name]:
            case {"times": [value, count]}:
                return [self.driver.data_of(value)] * count
            case list(values):
                return [self.driver.data_of(value) for value in values]
            case other:
                return other

    def pairs(self, name: str) -> list[tuple[str, str]]:
        match self.fields[name]:
            case {"numbered": count}:
                return [(f"f{number}", "x") for number in range(count)]
            case pairs:
                return [(field, value) for field, value in pairs]

    def path(self, name: str = "path") -> Path:
        return Path(self.driver.folder / self.fields.get(name, "S"))

    @property
    def key_id(self) -> Any:
        return self.driver.text_of(self.fields.get("key_id", "pii"))

    @property
    def master_key(self) -> Any:
        return self.fields.get("master_key", {"from": "master_key"})

    @property
    def options(self) -> dict[str, Any]:
        def resolved(option: Any) -> Any:
            is_value = isinstance(option, dict) and ("from" in option or "repeat" in option)
            return self.driver.text_of(option) if is_value else option

        return {name: resolved(option) for name, option in self.fields.get("options", {}).items()}

    @property
    def context(self) -> dict[str, Any] | None:
        """Texts, bytes and whatever else the case says."""
        if "context_fields" in self.fields:
            return {f"f{number}": number for number in range(self.fields["context_fields"])}
        if "context" not in self.fields:
            return None
        values = self.fields["context"].items()
        return {name: self.driver.data_of(value) if isinstance(value, dict) else value for name, value in values}

    def keys(self) -> list[tuple[str, dict[str, Any]]]:
        match self.fields["keys"]:
            case {"numbered": count}:
                return [(f"k{number}", {}) for number in range(count)]
            case keys:
                return [(key["key_id"], key.get("options", {})) for key in keys]


class Driver:
    """One case, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values: dict[str, Any] = {}
        for name, value in TABLE["values"].items():
            self.values[name] = self.data_of(value)
        self.locker: subprocess.Popen[str] | None = None

    # For the doors.

    def text_form(self, ciphertext: bytes) -> str:
        raise NotImplementedError

    def let_go(self) -> None:
        """Lets go of the store, so that its file can be changed."""

    # Values.

    def data_of(self, value: Any) -> Any:
        match value:
            case str():
                return value.encode()
            case {"string": text}:
                return text
            case {"hex": digits}:
                made = bytes.fromhex(digits)
            case {"repeat": [byte, count]}:
                made = bytes.fromhex(byte) * count
            case {"from": name}:
                made = self.values[name]
                made = made[value["item"]] if "item" in value else made
                made = made.encode() if isinstance(made, str) else made
            case _:
                return value
        for change in value.get("change", []):
            made = self.changed(made, *change)
        return made

    def text_of(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        made = self.data_of(value)
        return made.decode() if isinstance(made, bytes) else made

    def changed(self, value: bytes, how: str, *what: Any) -> bytes:
        match how, *what:
            case "flip", place:
                place %= len(value)
                return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
            case "cut", count:
                return value[:-count]
            case "keep", count:
                return value[:count]
            case ("halve",):
                return value[: len(value) // 2]
            case "append", end:
                return bytes(value + self.data_of(end))
            case "prepend", start:
                return bytes(self.data_of(start) + value)
            case ("text",):
                return self.text_form(value).encode()
            case "replace", old, new:
                assert old.encode() in value, f"{value!r} has no {old}"
                return value.replace(old.encode(), self.data_of(new))
            case "swap", place, length:
                middle, end = place + length, place + 2 * length
                return value[:place] + value[middle:end] + value[place:middle] + value[end:]
        raise AssertionError(f"unknown change {how}")

    def matches(self, got: Any, wanted: Any) -> bool:
        if wanted is None or isinstance(wanted, bool):
            return got is wanted
        if isinstance(got, Refused):
            return isinstance(wanted, dict) and wanted.get("error") == got.code
        if isinstance(wanted, dict) and "length" in wanted:
            return isinstance(got, bytes | str | list) and len(got) == wanted["length"]
        if isinstance(wanted, list) or isinstance(got, list):
            is_list = isinstance(wanted, list) and isinstance(got, list) and len(got) == len(wanted)
            return is_list and all(map(self.matches, got, wanted))
        return bool((got.encode() if isinstance(got, str) else got) == self.data_of(wanted))

    # Running.

    def run(self, case: dict[str, Any]) -> str | None:
        """What is wrong with what came out; None where nothing is."""
        try:
            for step in [*case.get("first", []), case]:
                problem = self.judge(step)
                if problem is not None:
                    return f"{step['op']}: {problem}"
            return None
        finally:
            self.let_go()
            if self.locker is not None:
                self.locker.communicate(timeout=60)

    def judge(self, step: dict[str, Any]) -> str | None:
        expected = step.get("expect", "ok")
        operation: Callable[[Step], Any] = getattr(self, f"do_{step['op']}")
        try:
            got = operation(Step(self, step))
        except Refused as refused:
            if refused.code != expected:
                return f"{refused}, expected {expected}"
            if "index" in step and refused.index != step["index"]:
                return f"at {refused.index}, expected {step['index']}"
            return None
        if "as" in step:
            self.values[step["as"]] = got
        if expected != "ok":
            return f"it succeeded, expected {expected}"
        if "gives" in step and not self.matches(got, step["gives"]):
            return f"gave {str(got)[:200]}, expected {step['gives']}"
        return None

    # Steps around the store. Other SQLite connections live in processes of their own: a second SQLite library in this
    # one would drop the locks that keyfold holds.

    def do_sleep(self, at: Step) -> None:
        time.sleep(at["ms"] / 1000)

    def do_make_folder(self, at: Step) -> None:
        at.path().mkdir()

    def do_write_file(self, at: Step) -> None:
        at.path().write_bytes(at.data("content"))

    def do_read_file(self, at: Step) -> bytes:
        return at.path().read_bytes()

    def do_change_file(self, at: Step) -> None:
        self.let_go()
        content = at.path().read_bytes()
        for change in at["change"]:
            content = self.changed(content, *change)
        at.path().write_bytes(content)

    def do_tamper(self, at: Step) -> None:
        self.let_go()
        program = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; " + at["sql"]
        process = sqlite_process(at.path(), "base.executescript(sys.argv[2])", program)
        process.communicate(timeout=60)
        assert process.returncode == 0, "SQLite refused"

    def do_lock(self, at: Step) -> None:
        hold = "base.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
        self.locker = sqlite_process(at.path(), hold)
        assert self.locker.stdout is not None and self.locker.stdout.readline() == "locked\n"


def sqlite_process(path: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    head = "import sqlite3, sys; base = sqlite3.connect(sys.argv[1], isolation_level=None); "
    command = [sys.executable, "-c", head + code, str(path), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def counted(door: str, wanted: str = "") -> Iterator[Callable[[dict[str, Any], str | None], None]]:
    """For drivers that are programs: takes each case's verdict, prints those that failed and the sum, and ends."""
    ran, failed = 0, 0

    def verdict(case: dict[str, Any], problem: str | None) -> None:
        nonlocal ran, failed
        ran += 1
        if problem is not None:
            failed += 1
            print(f"FAILED {case['name']}: {problem}")

    yield verdict
    excused = len(CASES) - len(cases_for(door))
    if not wanted and (ran + excused != len(CASES) or ran < 700):
        print(f"only {ran} of {len(CASES)} cases were run, and {excused} are excused")
        failed += 1
    print(f"edge_inputs: {ran - failed} passed, {failed} failed")
    sys.stdout.flush()
    sys.exit(1 if failed or not ran else 0)
