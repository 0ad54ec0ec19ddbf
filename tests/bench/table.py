"""The one table, and the same as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Row
from tests.bench.growth import Curve

WIDTH: Final = 150


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Bar, figure, verdict; rows without a bar show how the cost grows."""
    if not rows:
        return
    table = Table(title="bars: our side by the reference of the same run", title_justify="left")
    table.add_column("what", overflow="fold")
    for name in ("ours", "reference", "figure", "lowest..highest", "bar"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    bench = ""
    for row in rows:
        if bench not in ("", row.bench):
            table.add_section()
        bench = row.bench
        table.add_row(*_cells(row))
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.what}: {row.note}", markup=False, highlight=False)


def print_curves(curves: Sequence[Curve], console: Console) -> None:
    """What each thing costs by size; the slope of the logarithms; what one more costs."""
    if not curves:
        return
    table = Table(title="how costs grow", title_justify="left")
    for name in ("of", "cost", "at sizes"):
        table.add_column(name, overflow="fold")
    for name in ("exponent", "each one more"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in curves:
        points = "  ".join(f"{size:,}: {number(cost)}" for size, cost in each.points)
        unit = each.unit
        table.add_row(each.subject, each.what, f"{points} {unit}", f"{each.exponent:.2f}", f"{each.each:.3g} {unit}")
    console.print(table)


def write_json(rows: Sequence[Row], curves: Sequence[Curve], machine: dict[str, Any], folder: Path) -> Path:
    """Write `<time>.json` and `latest.json` into `folder`, and return the first."""
    folder.mkdir(exist_ok=True)
    measured = {"rows": [row.document() for row in rows], "curves": [each.document() for each in curves]}
    text = json.dumps({"machine": machine, **measured}, indent=1)
    file = folder / f"{machine['began']}.json"
    for path in (file, folder / "latest.json"):
        path.write_text(text, encoding="utf-8")
    return file


def _cells(row: Row) -> tuple[str, ...]:
    is_ratio = row.ours is not None and row.reference is not None
    figure = f"{row.value:.3f}" if is_ratio else f"{number(row.value)} {row.unit}"
    spread = f"{row.lowest:.2f}..{row.highest:.2f} ({row.rounds})"
    bar = "" if row.bar is None else f"{row.bar.direction.value} {row.bar.limit:g}"
    return row.what, _measured(row.ours, row.unit), _measured(row.reference, row.unit), figure, spread, bar, row.verdict


def _measured(value: float | None, unit: str) -> str:
    return "" if value is None else f"{number(value)} {unit}"


def number(value: float) -> str:
    """A figure with three digits, or all of a large one."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
