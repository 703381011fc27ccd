"""Writes docs/edge-inputs.md from tests/edge_inputs.json; with --check says whether it is up to date."""

import pathlib
import sys

from edge_table import CASES, cases_for

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "edge-inputs.md"
DOORS = {"rust": "Rust", "c": "C", "python": "Python", "node": "Node", "cli": "the command line"}
HEAD = """# Edge inputs

One table for every door: the same input gives the same error in Rust, C, Python, Node and on the command line. It is
made of `tests/edge_inputs.json`, which says each case in full, and which each door's tests drive: a driver runs every
case that does not excuse its door, with a reason, and fails at an operation that it does not know. Of the {cases}
cases {counts}.

Python and Node run theirs twice, through the plain calls and through their asynchronous twins.

| call | case | gives | not in |
|---|---|---|---|
"""
NOTES = """
## Why not

Where a door cannot express a case, or answers it in its own way before the core is asked:

"""


def row(case: dict[str, object], notes: list[str]) -> str:
    gives = "success" if case["expect"] == "ok" else f"`KEYFOLD_{case['expect']}`"
    name = str(case["name"]).replace("|", r"\|")
    excused = case.get("not_in", {})
    assert isinstance(excused, dict)
    where = ", ".join(f"{DOORS[door]} ({notes.index(reason) + 1})" for door, reason in excused.items())
    return f"| `{case['op']}` | {name} | {gives} | {where} |\n"


def main() -> int:
    notes = list(dict.fromkeys(reason for case in CASES for reason in case.get("not_in", {}).values()))
    counts = [f"{DOORS[door]} runs {len(cases_for(door))}" for door in DOORS]
    head = HEAD.format(cases=len(CASES), counts=", ".join(counts[:-1]) + f" and {counts[-1]}")
    listed = "".join(f"{number}. {reason[0].upper()}{reason[1:]}.\n" for number, reason in enumerate(notes, 1))
    page = head + "".join(row(case, notes) for case in CASES) + NOTES + listed
    if "--check" not in sys.argv:
        PAGE.write_text(page)
        return 0
    if PAGE.read_text() == page:
        return 0
    print("docs/edge-inputs.md is not up to date: python3 tests/edge_inputs_page.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
