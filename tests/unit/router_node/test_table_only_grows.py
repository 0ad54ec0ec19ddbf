"""The tables expand: while a new release comes up, the processes of the one before go on, and do what they did.

A line that nobody needs any more leaves a release later: the release before did without it, and `LEFT` says so.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.harness.release_before import text_of

HERE: Final = "tests/unit/router_node"
MATRICES: Final = ("matrix.tsv", "data_matrix.tsv")
LEFT: Final[dict[str, str]] = {}
"""Lines of the release before (role, realm, action, URI, separated by tabs), and why it needs none of them."""
Lines = dict[tuple[str, ...], frozenset[str]]


def lines_of(text: str) -> Lines:
    """What each line lets do, and with which options."""
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {tuple(row[:-1]): frozenset(filter(None, row[-1].split(","))) for row in rows}


def taken(before: Lines, now: Lines) -> list[str]:
    """The lines of `before` that `now` has not, or not with all their options."""
    return ["\t".join(line) for line, options in before.items() if line not in now or options - now[line]]


@pytest.mark.parametrize("matrix", MATRICES)
def test_no_line_is_taken_that_the_release_before_uses(matrix: str) -> None:
    before = lines_of(text_of(f"{HERE}/{matrix}"))
    now = lines_of(Path(__file__).with_name(matrix).read_text(encoding="utf-8"))

    assert len(before) > 10
    assert [line for line in taken(before, now) if line not in LEFT] == []


def test_what_left_was_there() -> None:
    before = [text_of(f"{HERE}/{matrix}") for matrix in MATRICES]

    assert [line for line in LEFT if not any(line in text for text in before)] == []


def test_what_is_taken_is_found() -> None:
    before = lines_of("head\nsvc_a\tr\tcall\tx.y\tinvoke,concurrency\nuser\tr\tcall\tx.z\t")

    assert taken(before, before) == []
    assert taken(before, lines_of("head\nsvc_a\tr\tcall\tx.y\tinvoke,concurrency,timeout")) == ["user\tr\tcall\tx.z"]
    assert taken(before, lines_of("head\nsvc_a\tr\tcall\tx.y\tinvoke\nuser\tr\tcall\tx.z\t")) == ["svc_a\tr\tcall\tx.y"]
