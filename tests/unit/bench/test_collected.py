"""README's tables out of runs: the newest whole run of each row counts, and what was not measured is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.bars import LINES
from tests.bench.collected import bars_table, put_between, read, slopes_table
from tests.bench.figures import Pair, at_least, at_most, plain_row, ratio_row
from tests.bench.growth import curve

ROOT = Path(__file__).parents[3]
START = "make up, warm"
CLONE = "make up from a bare clone"


def run(began: str, *rows: Any, curves: Any = ()) -> dict[str, Any]:
    machine = {"began": began, "cores": 2, "processor": "one", "commit": f"c{began[-2:]}"}
    documents = {"rows": [row.document() for row in rows], "curves": [each.document() for each in curves]}
    return {"machine": machine, **documents}


def line_of(table: str, title: str) -> list[str]:
    (found,) = [line for line in table.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_newest_run_with_enough_rounds_counts() -> None:
    quick = run("20261130T000003", plain_row("platform", START, "s", [30.0], at_most(10)))
    whole = run("20261129T000002", plain_row("platform", START, "s", [4.0] * 5, at_most(10)))
    older = run("20261128T000001", plain_row("platform", START, "s", [5.0] * 5, at_most(10)))
    assert line_of(bars_table([quick, whole, older]), "`make up`, warm")[1:] == [
        "4 s",
        "<= 10 s",
        "met",
        "2026-11-29 c02",
    ]


def test_smoke_runs_do_not_count(tmp_path: Path) -> None:
    for began, scale in (("20261129T000001", "usual"), ("20261130T000002", "quick")):
        document = run(began)
        document["machine"]["scale"] = scale
        (tmp_path / f"{began}.json").write_text(json.dumps(document))
    (tmp_path / "latest.json").write_text("{}")
    assert [each["machine"]["began"] for each in read(tmp_path)] == ["20261129T000001"]


def test_what_has_one_round_only_says_so() -> None:
    once = run("20261130T000003", plain_row("clone", CLONE, "s", [130.0], at_most(120)))
    assert line_of(bars_table([once]), "`make up` from a bare clone")[1:] == [
        "130 s", "<= 120 s", "missed", "2026-11-30 c03, one round",
    ]  # fmt: skip


def test_what_was_not_measured_is_said() -> None:
    assert line_of(bars_table([]), "`make up`, warm")[1:] == ["not measured", "<= 10 s", "-", "-"]


def test_a_missed_bar_says_why_and_a_met_one_does_not() -> None:
    pairs = [Pair(4.0, 10.0)] * 5
    joins = "WAMP-CRA joins over TLS, 10 at once"
    missed = bars_table([run("20261130T000003", ratio_row("joins", joins, "/s", pairs, at_least(0.8)))])
    met = bars_table([run("20261130T000003", ratio_row("joins", joins, "/s", pairs, at_least(0.3)))])
    assert "A join and its end cost the router" in missed
    assert "A join and its end cost the router" not in met


def test_two_figures_of_one_bar_each_have_their_verdict() -> None:
    rows = [
        ratio_row("writes", f"append, {at} at once", "rows/s", [Pair(figure, 1.0)] * 5, at_least(0.6))
        for at, figure in ((1, 0.5), (64, 0.7))
    ]
    found = line_of(
        bars_table([run("20261130T000003", *rows)]), "rows appended a second, 1 and 64 at once, before the bus"
    )
    assert found[1:4] == ["0.50; 0.70", ">= 0.60", "missed, met"]


def test_slopes_are_said_in_a_unit_in_which_they_can_be_read() -> None:
    points = [(size, 300.0 + size * 0.05) for size in (100, 1_000, 10_000)]
    table = slopes_table([run("20261130T000003", curves=[curve("devices", "router memory", "MiB", points)])])
    assert "| devices | router memory |" in table
    assert "| 51.2 KiB |" in table


def test_a_table_is_put_between_its_marks_and_nowhere_else() -> None:
    text = "a\n<!-- bars: `python -m tests.bench --table` -->\nold\n<!-- end of bars -->\nb\n"
    assert put_between(text, "bars", "new") == text.replace("old", "new")
    with pytest.raises(ValueError, match="slopes"):
        put_between(text, "slopes", "new")


def test_readme_has_every_bar() -> None:
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [line.title for line in LINES if f"| {line.title} |" not in said] == []
