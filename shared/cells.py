"""The cells of an installation: routers with a `realm1` of their own, each with a name; a project lives in one.

Where they are, whoever runs the processes says (`BUS_URL`): `NAME=wss://host:port/ws-svc` for each, separated by
commas. The first one of an installation needs no name.
"""

import re
from typing import Final

from attrs import frozen

FIRST: Final = "first"
"""The cell that every installation has."""
NAME: Final = r"\A[a-z][a-z0-9-]{0,30}\Z"
WRONG: Final = "must be a list of NAME=wss://host:port/path, each name once; one entry may go without: it is `first`"


@frozen
class Cell:
    """One of them, as services reach it."""

    name: str
    url: str


def is_cell_name(text: str) -> bool:
    """Whether a cell can be called `text`."""
    return re.fullmatch(NAME, text) is not None


def parse_cells(text: str) -> tuple[Cell, ...]:
    """The cells of `text`, in its order.

    Raises:
        ValueError: It is no such list; the sentence says what one is.
    """
    cells = tuple(_cell(entry.strip()) for entry in text.split(",") if entry.strip())
    if not cells or len({cell.name for cell in cells}) < len(cells):
        raise ValueError(WRONG)
    return cells


def _cell(entry: str) -> Cell:
    name, _, url = entry.rpartition("=") if not entry.startswith("wss://") else (FIRST, "", entry)
    if not is_cell_name(name) or not url.startswith("wss://"):
        raise ValueError(WRONG)
    return Cell(name, url)
