"""The one table, and the same as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Row

WIDTH: Final = 150


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Bar, figure, verdict; rows without a bar show how the cost grows."""
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


def write_json(rows: Sequence[Row], machine: dict[str, Any], folder: Path) -> Path:
    """Write `<time>.json` and `latest.json` into `folder`, and return the first."""
    folder.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine, "rows": [row.document() for row in rows]}, indent=1)
    file = folder / f"{machine['began']}.json"
    for path in (file, folder / "latest.json"):
        path.write_text(text, encoding="utf-8")
    return file


def _cells(row: Row) -> tuple[str, ...]:
    is_ratio = row.ours is not None and row.reference is not None
    figure = f"{row.value:.3f}" if is_ratio else f"{_number(row.value)} {row.unit}"
    spread = f"{row.lowest:.2f}..{row.highest:.2f} ({row.rounds})"
    bar = "" if row.bar is None else f"{row.bar.direction.value} {row.bar.limit:g}"
    return row.what, _measured(row.ours, row.unit), _measured(row.reference, row.unit), figure, spread, bar, row.verdict


def _measured(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_number(value)} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
