"""What is counted and measured has names that a stranger understands, all of one scheme, and never of anybody."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[3]
ROOMS: Final = ("services", "shared", "router-config", "deploy")
KINDS: Final = {"Counter", "Gauge", "Histogram"}
UNITS: Final = {"seconds", "bytes"}
"""Base units of Prometheus; what is counted by the piece is named: connections, entries."""
NOT_BASE: Final = re.compile(r"_(ms|millis|milliseconds|us|minutes|hours|days|octets|kb|kib|mb|mib|percent)(_|$)")
FIXED: Final = {
    "action", "cell", "flag", "forwarder", "listener", "method", "outcome", "path", "procedure", "realm", "reason",
    "role", "rule", "status",
}  # fmt: skip
"""Labels, each with few values that we wrote down, or whoever runs it. One of keys or names would tell of people."""


@frozen
class Figure:
    """One definition."""

    place: str
    kind: str
    name: str
    text: str
    labels: tuple[str, ...]


def figures() -> Iterator[Figure]:
    """Every counter, gauge and histogram of Prometheus' that our code makes."""
    for file in sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "prometheus_client" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
                name, text, *labels = [ast.literal_eval(each) for each in node.args]
                place = f"{file.relative_to(ROOT)}:{node.lineno}"
                yield Figure(place, node.func.id, name, text, tuple(labels[0]) if labels else ())


FIGURES = list(figures())


@pytest.mark.parametrize("figure", FIGURES, ids=[each.name for each in FIGURES])
def test_a_figure_is_named_by_the_one_scheme(figure: Figure) -> None:
    assert re.fullmatch(r"ironflock(_[a-z]+)+", figure.name), figure.place
    assert figure.name.endswith("_total") is (figure.kind == "Counter"), "what only rises ends with _total"
    assert NOT_BASE.search(figure.name) is None, "base units: seconds, bytes"
    if figure.kind == "Histogram":
        assert figure.name.rpartition("_")[2] in UNITS, "a histogram says its unit"
    assert set(figure.labels) <= FIXED, figure.place
    assert re.fullmatch(r"[A-Z].{10,98}[^.]", figure.text), "help: one sentence that says what one of it is"


def test_each_figure_is_made_once() -> None:
    names = [each.name for each in FIGURES]

    assert len(names) > 15
    assert sorted(set(names)) == sorted(names)


def test_every_figure_is_in_the_operators_list() -> None:
    text = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(ironflock_[a-z_]+)`", text, re.MULTILINE)

    assert sorted(listed) == sorted(each.name for each in FIGURES)
