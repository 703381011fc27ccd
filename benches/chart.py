"""Draws what was measured: each series a dot at its median and a line from the 10th to the 90th percentile.

The axis is logarithmic, since peers differ by factors of a thousand: dots do not pretend, as bars would, that it begins
at nothing.
"""

import math
from html import escape
from statistics import median
from typing import Any

from targets import quantity

WIDTH, LEFT, RIGHT, ROW, HEAD = 880, 320, 90, 19, 30
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .number, .tick { fill: #59636e; } .tick { text-anchor: middle; font-size: 11px; }
.grid { stroke: #d1d9e0; } .peer { fill: #6e7781; stroke: #6e7781; } .ours { fill: #0969da; stroke: #0969da; }
.name { text-anchor: end; } .name.ours { font-weight: 600; } text.ours, text.peer { stroke: none; }
.back { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .number, .tick { fill: #9198a1; } .grid { stroke: #3d444d; } .back { fill: #0d1117; }
  .peer { fill: #9198a1; stroke: #9198a1; } .ours { fill: #4493f8; stroke: #4493f8; }
}
"""


def draw(title: str, groups: list[dict[str, Any]]) -> str:
    every = [value for group in groups for one in group["series"] for value in spread(one["rounds"])]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))

    def across(value: float) -> float:
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    rows, y = [], 52.0
    for group in groups:
        rows.append(f'<text class="title" x="12" y="{y + 14:g}">{escape(group["what"])}</text>')
        y += HEAD
        for one in group["series"]:
            rows.append(row(one, y, across))
            y += ROW
    grid = []
    for decade in range(low, high + 1):
        x = across(10.0**decade)
        grid.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="44" y2="{y:g}"/>')
        grid.append(f'<text class="tick" x="{x:.1f}" y="38">{tick(10.0**decade, groups[0]["unit"])}</text>')
    heading = f'<text class="title" x="12" y="20">{escape(title)}</text>'
    size = f'width="{WIDTH}" height="{y + 10:g}" viewBox="0 0 {WIDTH} {y + 10:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        '<rect class="back" width="100%" height="100%"/>',
        heading,
        *grid,
        *rows,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def row(one: dict[str, Any], y: float, across: Any) -> str:
    low, middle, high = spread(one["rounds"])
    who = "ours" if one["name"].startswith("keyfold") else "peer"
    name = one["name"] if len(one["name"]) < 48 else one["name"][:46] + "…"
    line = (
        f'<line class="{who}" stroke-width="3" x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y:g}" y2="{y:g}"/>'
    )
    dot = f'<circle class="{who}" cx="{across(middle):.1f}" cy="{y:g}" r="4.5"/>'
    label = f'<text class="name {who}" x="{LEFT - 12}" y="{y + 4:g}">{escape(name)}</text>'
    number = f'<text class="number" x="{across(high) + 10:.1f}" y="{y + 4:g}">{quantity(middle, "ns")}</text>'
    return label + line + dot + number


def tick(value: float, unit: str) -> str:
    return quantity(value, unit).replace(".00", "").replace(".0", "")


def spread(rounds: list[float]) -> tuple[float, float, float]:
    """The 10th percentile, the median, the 90th."""
    some = sorted(rounds)
    tenth = len(some) // 10
    return some[tenth], median(some), some[-1 - tenth]
