"""Measuring several ways to do one thing in turns, round by round, and keeping what each round took."""

import json
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

# What a round of one series takes at least, in seconds; enough calls are made for that.
ROUND = 0.008


class Series(NamedTuple):
    """One way to do the thing. The statement is compiled into the loop, so that no call of a lambda is measured."""

    name: str
    statement: str
    names: dict[str, Any]
    per_call: int = 1


class Report:
    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.groups: list[dict[str, Any]] = []
        self.missing: list[dict[str, str]] = []

    def compare(self, id: str, what: str, series: list[Series], rounds: int | None = None) -> None:
        """Measures the series in turns and keeps nanoseconds a call (over `per_call`) of each round."""
        print(f"  {what}", file=sys.stderr)
        timers = [timeit.Timer(one.statement, globals=one.names).timeit for one in series]
        calls = [calibrate(timer) for timer in timers]
        times: list[list[float]] = [[] for _ in series]
        for number in range(rounds or self.rounds):
            # Another begins each round: what the one before left behind strikes all alike.
            for turn in range(len(series)):
                place = (number + turn) % len(series)
                took = timers[place](calls[place])
                times[place].append(took * 1e9 / calls[place] / series[place].per_call)
        named = [{"name": one.name, "rounds": some} for one, some in zip(series, times, strict=True)]
        self.groups.append({"id": id, "what": what, "unit": "ns", "series": named})

    def write(self, path: Path, versions: dict[str, str]) -> None:
        found = {"language": "python", "versions": versions, "groups": self.groups, "missing": self.missing}
        path.write_text(json.dumps(found, indent=1))


def calibrate(timer: Callable[[int], float]) -> int:
    timer(1)
    calls = 1
    while (took := timer(calls)) < ROUND:
        calls = min(max(int(calls * ROUND / max(took, 1e-9) * 1.05), calls + 1), calls * 100)
    return calls
