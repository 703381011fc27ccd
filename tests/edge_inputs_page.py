"""Writes docs/edge-inputs.md from tests/edge_inputs.json; with --check says whether it is up to date."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "edge-inputs.md"
HEAD = """# Edge inputs

One table for every door: the same input gives the same error in Rust, C, Python, Node and on the command line. It is
made of `tests/edge_inputs.json`, which each door's tests drive. Where a door cannot express a case at all (a wrong
type in Rust, NULL in Node), it is left out there.

| call | case | gives | in |
|---|---|---|---|
"""


def row(case: dict[str, object]) -> str:
    expect = case["expect"]
    words = [str(word) for word in expect] if isinstance(expect, list) else [str(expect)]
    gives = " or ".join("success" if word == "ok" else f"`KEYFOLD_{word}`" for word in words)
    doors = case.get("doors")
    where = ", ".join(str(door) for door in doors) if isinstance(doors, list) else "all"
    name = str(case["name"]).replace("|", r"\|")
    return f"| `{case['op']}` | {name} | {gives} | {where} |\n"


def main() -> int:
    cases = json.loads((ROOT / "tests" / "edge_inputs.json").read_text())["cases"]
    page = HEAD + "".join(row(case) for case in cases)
    if "--check" not in sys.argv:
        PAGE.write_text(page)
        return 0
    if PAGE.read_text() == page:
        return 0
    print("docs/edge-inputs.md is not up to date: python3 tests/edge_inputs_page.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
