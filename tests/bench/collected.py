"""What lies in `.bench/`, as README's table of bars and the table of slopes for planning. Pure but for `read`."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from tests.bench.bars import LINES, Line
from tests.bench.growth import Curve, curve_of
from tests.bench.scale import QUICK
from tests.bench.table import number

ENOUGH_ROUNDS: Final = 5
NOT_MEASURED: Final = "not measured"
Document = Mapping[str, Any]


def read(folder: Path) -> list[Document]:
    """The documents of all runs but smoke runs, the newest first."""
    files = sorted(folder.glob("2*.json"), reverse=True)
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return [run for run in found if run["machine"].get("scale") != QUICK.name]


def bars_table(documents: Sequence[Document]) -> str:
    """Markdown: each bar, its figures, whether they are met, when that was measured; and why not."""
    found = [(line, _rows(line, documents)) for line in LINES]
    rows = [
        f"| {line.title} | {_figures(some)} | {line.bar} | {_verdict(line, some)} | {_when(some)} |"
        for line, some in found
    ]
    whys: dict[str, list[str]] = {}
    for line, some in found:
        if "missed" in _verdict(line, some) and line.why:
            whys.setdefault(line.why, []).append(line.title)
    machine = f"Measured on {_machines(documents)}; ratios are to a reference of the same run unless a unit is there."
    head = ["| what | figure | bar | | measured |", "|---|---|---|---|---|"]
    return "\n".join(
        [machine, "", *head, *rows, "", *(f"- *{'; '.join(titles)}*: {why}" for why, titles in whys.items())]
    )


def slopes_table(documents: Sequence[Document]) -> str:
    """Markdown: each curve's costs, both slopes, and when that was measured."""
    newest: dict[tuple[str, str], tuple[Curve, Document]] = {}
    for document in documents:
        for each in map(curve_of, document.get("curves", ())):
            newest.setdefault((each.subject, each.what), (each, document))
    rows = [_curve_cells(found, document) for _, (found, document) in sorted(newest.items())]
    head = ["| of | cost | at sizes | exponent | each one more | measured |", "|---|---|---|---|---|---|"]
    return "\n".join([f"Measured on {_machines(documents)}.", "", *head, *rows])


def put_between(text: str, name: str, new: str) -> str:
    """`text` with `new` between the two marks of `name`.

    Raises:
        ValueError: The marks are not there.
    """
    begin, end = f"<!-- {name}: `python -m tests.bench --table` -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(f"the marks of {name} are missing")
    return f"{before}{begin}{new}{end}{after}"


def _rows(line: Line, documents: Sequence[Document]) -> list[tuple[Document, Document]]:
    """For each of the line's patterns what the newest run with enough rounds has, or else the newest; with the run."""
    found: list[tuple[Document, Document]] = []
    for pattern in line.rows:
        each = [(rows, run) for run in documents if (rows := _matching(pattern, run["rows"]))]
        whole = [(rows, run) for rows, run in each if all(row["rounds"] >= ENOUGH_ROUNDS for row in rows)]
        for rows, run in (whole or each)[:1]:
            found += [(row, run) for row in rows]
    return found


def _matching(pattern: str, rows: Iterable[Document]) -> list[Document]:
    return [row for row in rows if fnmatchcase(f"{row['bench']}/{row['what']}", pattern)]


def _figures(rows: Sequence[tuple[Document, Document]]) -> str:
    return "; ".join(_figure(row) for row, _ in rows) or NOT_MEASURED


def _figure(row: Document) -> str:
    if row["reference"] is None:
        return f"{number(row['value'])} {row['unit']}".strip()
    return f"{row['value']:.2f}"


def _verdict(line: Line, rows: Sequence[tuple[Document, Document]]) -> str:
    said = [row["verdict"] for row, _ in rows if row["verdict"]]
    if len(rows) < len(line.rows) or not said:
        return "" if rows else "-"
    return said[0] if len(set(said)) == 1 else ", ".join(said)


def _when(rows: Sequence[tuple[Document, Document]]) -> str:
    said = dict.fromkeys(_moment(run) + (", one round" if row["rounds"] == 1 else "") for row, run in rows)
    return "; ".join(said) or "-"


def _moment(run: Document) -> str:
    began = run["machine"]["began"]
    return f"{began[:4]}-{began[4:6]}-{began[6:8]} {run['machine']['commit'].removesuffix('-dirty')}"


def _machines(documents: Sequence[Document]) -> str:
    said = dict.fromkeys(f"{run['machine']['cores']} cores ({run['machine']['processor']})" for run in documents)
    return ", ".join(said) or "nothing yet"


def _curve_cells(found: Curve, run: Document) -> str:
    points = "; ".join(f"{size:,}: {number(cost)} {found.unit}" for size, cost in found.points)
    each, unit = _scaled(found.each, found.unit)
    return (
        f"| {found.subject} | {found.what} | {points} | {found.exponent:.2f} | {number(each)} {unit} | {_moment(run)} |"
    )


SMALLER: Final[Mapping[str, tuple[float, str]]] = {"MiB": (1024.0, "KiB"), "s": (1e6, "us"), "ms": (1e3, "us")}


def _scaled(value: float, unit: str) -> tuple[float, str]:
    """A slope in a unit in which it can be read."""
    factor, smaller = SMALLER.get(unit, (1.0, unit))
    return value * factor, smaller


Tables: Final[tuple[tuple[str, str, Callable[[Sequence[Document]], str]], ...]] = (
    ("README.md", "bars", bars_table),
    ("deploy/README.md", "slopes", slopes_table),
)


def write_tables(root: Path, documents: Sequence[Document]) -> None:
    """Put both tables where they are read."""
    for name, mark, made in Tables:
        file = root / name
        file.write_text(put_between(file.read_text(encoding="utf-8"), mark, made(documents)), encoding="utf-8")
