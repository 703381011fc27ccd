"""Recomputes the numbers of docs/deterministic.md: what frequency analysis finds in a column of countries.

The column holds one of 27 countries a row, drawn by their populations. Whoever reads the ciphertexts knows these
populations, ranks the ciphertexts by how often they occur, and matches rank with rank.
"""

import collections
import pathlib
import random
import sys

# Inhabitants of the countries of the European Union in 2023, in hundred thousands, rounded.
POPULATION = dict(
    zip(
        "DE FR IT ES PL RO NL BE CZ SE PT GR HU AT BG DK FI SK IE HR LT SI LV EE CY LU MT".split(),
        [844, 681, 589, 481, 368, 191, 178, 117, 108, 105, 105, 104, 96, 91, 64, 59, 56, 54, 53, 39, 29, 21, 19, 14]
        + [9, 7, 5],
        strict=True,
    )
)


def guessed(rows: int, rounds: int) -> tuple[int, int]:
    """Percent of the values, and of the rows, whose plaintext is found."""
    draw = random.Random(rows)
    values = found_rows = 0.0
    for _ in range(rounds):
        column = collections.Counter(draw.choices(list(POPULATION), list(POPULATION.values()), k=rows))
        matched = [seen for (seen, _), known in zip(column.most_common(), POPULATION, strict=False) if seen == known]
        values += len(matched) / len(column)
        found_rows += sum(column[country] for country in matched) / rows
    return round(100 * values / rounds), round(100 * found_rows / rounds)


page = (pathlib.Path(__file__).parents[2] / "docs" / "deterministic.md").read_text()
failed = 0
for rows, rounds in ((100, 400), (1_000, 400), (10_000, 100), (100_000, 20)):
    line = "| {:,} | {} % | {} % |".format(rows, *guessed(rows, rounds))
    if line not in page:
        print(f"docs/deterministic.md does not have: {line}")
        failed += 1
print(f"{4 - failed} passed, {failed} failed")
sys.exit(bool(failed))
