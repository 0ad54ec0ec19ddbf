"""Where a command writes: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.flockctl.errors import CommandError
from deploy.flockctl.text import printable

WIDE: Final = 1000
COLOURS: Final[Mapping[str, str]] = {
    "CONNECTED": "green",
    "CONFIGURING": "yellow",
    "EMERGENCY": "bold red",
    "DISCONNECTED": "dim",
    "ready": "green",
    "not ready": "bold red",
}


@frozen
class Output:
    """The two streams of one command. With `as_json` standard output gets JSON and nothing else."""

    as_json: bool

    def result(self, payload: Mapping[str, Any], table: Table | str) -> None:
        """The command's result: `payload` for programs, `table` for people."""
        if self.as_json:
            write_json(payload)
        elif isinstance(table, str):
            Console().print(Text(table), soft_wrap=True)
        else:
            # Where nobody looks at it a table is never cut to the width of a terminal.
            Console(width=None if sys.stdout.isatty() else WIDE).print(table)

    def notice(self, text: str) -> None:
        """Something on the way that a person should know."""
        if not self.as_json:
            Console(stderr=True).print(Text(text, style="yellow"), soft_wrap=True)

    def prompt(self, payload: Mapping[str, Any], text: str) -> None:
        """What a person must do now for the command to go on, on standard error; a JSON line there for programs."""
        if self.as_json:
            sys.stderr.write(json.dumps(payload, separators=(",", ":")) + "\n")
            sys.stderr.flush()
        else:
            Console(stderr=True).print(Text(text), soft_wrap=True)


def write_json(payload: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output; ASCII only, so that no text in it steers a terminal."""
    sys.stdout.write(json.dumps(payload, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def write_error(error: CommandError, *, as_json: bool) -> None:
    """How the command ended, on standard error."""
    if as_json:
        content = {"error": {**error.details, "code": error.code, "message": error.message}}
        sys.stderr.write(json.dumps(content, separators=(",", ":"), default=str) + "\n")
        return
    line = Text("flockctl: ", style="bold red")
    line.append(f"{printable_paragraph(error.message)} ({printable(error.code)})", style="default")
    Console(stderr=True).print(line, soft_wrap=True)


def printable_paragraph(text: str) -> str:
    """`text` with each of its lines made safe; a message of ours may be longer than a name."""
    words = (printable(word) for word in text.split())
    return " ".join(words)


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of plain cells; a cell that is a known state has its colour."""
    found = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for column in found.columns:
        column.overflow = "fold"
    for row in rows:
        cells = [printable(cell) for cell in row]
        found.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in cells))
    return found
