"""Turns the raw results in build/bench/*.json into docs/benchmarks.md and its charts. `benches/run.py` calls it."""

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import chart
from targets import TARGETS, Target, quantity, ratio

TITLES = {"rust": "Rust", "python": "Python", "node": "Node", "files": "Files", "weight": "Weight"}
# What the charts show; the tables show everything.
CHARTS = {
    "rust": r"(en|de)crypt/(AES256_GCM(_SIV)?|asherah)/32|.*_many|blind_index|.*_stream|open/.*|first_use|rotate_key",
    "python": r"(en|de)crypt/.*|.*_text|.*_many|blind_index",
    "node": r"(en|de)crypt/.*|.*_into|.*_text|.*_many|blind_index",
    "files": r"(file|nowhere)/(en|de)crypt",
}


def write(bench: Path, docs: Path) -> None:
    found = load(bench)
    machine = read(bench / "machine.json", {})
    not_set_up = read(bench / "missing.json", [])
    tables, met, missed, unjudged = [], 0, [], []
    for part, title in TITLES.items():
        if part not in found:
            why = "".join(f" {one['name']}: {one['why']}" for one in not_set_up if one["part"] == part)
            tables.append(f"## {title}\n\nNot measured in this run.{why}\n")
            unjudged.append(f"{title}: not measured in this run")
            continue
        for group in found[part]["groups"]:
            for target in (one for one in TARGETS[part] if one.group == group["id"]):
                verdict = target.judge(group)
                if verdict is None:
                    unjudged.append(f"{title}, {group['what']}: {target.peer} was not measured")
                elif verdict[1]:
                    met += 1
                else:
                    missed.append(f"{title}, {group['what']}, {target.ours}: {missing_by(target, group, verdict[0])}")
        tables.append(section(part, title, found[part], not_set_up))
        if part in CHARTS:
            shown = [one for one in found[part]["groups"] if re.fullmatch(CHARTS[part], one["id"])]
            (docs / f"benchmarks-{part}.svg").write_text(chart.draw(f"{title}: time, the less the better", shown))
    text = Path(__file__).with_name("document.md").read_text()
    said = [f"{met} of {met + len(missed)} targets are met."]
    said += ["Missed:\n\n" + "\n".join(f"- {one}" for one in missed)] if missed else []
    said += ["Not judged:\n\n" + "\n".join(f"- {one}" for one in unjudged)] if unjudged else []
    text = text.replace("{machine}", machine_lines(machine)).replace("{targets}", "\n\n".join(said))
    (docs / "benchmarks.md").write_text(text.replace("{tables}", "\n".join(tables)))
    print("\n" + "\n\n".join(said) + f"\n\nWritten: {docs / 'benchmarks.md'}")


def load(bench: Path) -> dict[str, Any]:
    """The results by part; the program with the asherah crate adds to Rust's."""
    found = {part: read(bench / f"{part}.json", None) for part in TITLES}
    found = {part: one for part, one in found.items() if one}
    if "rust" in found and (more := read(bench / "asherah.json", None)):
        found["rust"]["groups"] += more["groups"]
        found["rust"]["versions"] |= more["versions"]
    return found


def section(part: str, title: str, results: dict[str, Any], not_set_up: list[dict[str, str]]) -> str:
    lines = [f"## {title}", ""]
    if versions := ", ".join(f"{name} {version}" for name, version in results["versions"].items()):
        lines += [f"Versions: {versions}.", ""]
    missing = results["missing"] + [one for one in not_set_up if one["part"] == part]
    lines += [f"Not measured: {one['name']}, since {' '.join(one['why'].split())}\n" for one in missing]
    if part in CHARTS:
        lines += [f"![{title}: medians and spread of every series on a logarithmic axis](benchmarks-{part}.svg)", ""]
    lines += ["| | who | median | 10–90 % | ratio | target |", "|---|---|--:|--:|--:|---|"]
    for group in results["groups"]:
        lines += rows(part, group)
    return "\n".join(lines) + "\n"


def rows(part: str, group: dict[str, Any]) -> list[str]:
    found = []
    first = group["series"][0]["rounds"]
    for place, one in enumerate(group["series"]):
        low, middle, high = chart.spread(one["rounds"])
        ours = one["name"].startswith("keyfold")
        asked = [target for target in TARGETS[part] if (target.group, target.ours) == (group["id"], one["name"])]
        verdicts = [verdict for target in asked if (verdict := target.judge(group))]
        cells = [
            group["what"] if place == 0 else "",
            f"**{one['name']}**" if ours else one["name"],
            quantity(middle, group["unit"]),
            f"{quantity(low, group['unit'])}–{quantity(high, group['unit'])}" if low != high else "",
            "1" if place == 0 else f"{ratio(first, one['rounds']):.2f}",
            "<br>".join(f"{asked}: {'met' if met else '**missed**'}" for asked, met in verdicts),
        ]
        found.append("| " + " | ".join(cells) + " |")
    return found


def missing_by(target: Target, group: dict[str, Any], asked: str) -> str:
    if target.kind != "below":
        return asked
    ours = next(one["rounds"] for one in group["series"] if one["name"] == target.ours)
    return f"{asked}: {quantity(chart.spread(ours)[1], group['unit'])}"


def machine() -> dict[str, Any]:
    """Of what kind it is, and nothing that names it."""
    said = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    first = dict(re.findall(r"^([^\t:\n]+?)\s*: (.*)$", said.split("\n\n")[0], re.M))
    flags = [
        flag for flag in ("aes", "vaes", "vpclmulqdq", "avx512f", "sha_ni") if flag in first.get("flags", "").split()
    ]
    model = first.get("model name", platform.processor() or platform.machine())
    family = ", ".join(f"{name} {first[name]}" for name in ("cpu family", "model") if name in first)
    return {
        "processor": f"{model} ({family})" if family else model,
        "processors": os.cpu_count(),
        "flags": flags,
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "load": os.getloadavg()[2],
    }


def machine_lines(found: dict[str, Any]) -> str:
    if not found:
        return "not recorded"
    return (
        f"{found['processor']}, {found['processors']} processors, with {', '.join(found['flags'])}; {found['kernel']}; "
        f"load over the last 15 minutes {found['load']:.1f}"
        + (", so other work ran meanwhile, and these figures are not to be relied on" if found["load"] > 2 else "")
    )


def read(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else otherwise
