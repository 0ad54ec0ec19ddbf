"""`flockctl audit export`: entries with their proofs in a file that verifies without the platform."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from typing import Annotated, Any, Final, TextIO

import typer

from deploy.flockctl.entries import CSV_TITLES, csv_row
from deploy.flockctl.errors import CommandError
from deploy.flockctl.filters import with_filters
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.secret_files import SecretFile

PROOF_SUFFIX: Final = ".proof.jsonl"
INCOMPLETE: Final = "the platform sent no whole export; nothing was written, try again"
UNLIKE: Final = "the platform sent something that is no export; is flockctl of its release?"


class Format(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    CSV = "csv"


def add_export_command(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    command(app, "export")(with_filters(audit_export))


async def audit_export(
    operator: Operator,
    chosen: dict[str, Any],
    *,
    out: Annotated[str, typer.Option(help="File to write (mode 0600).", metavar="FILE")],
    form: Annotated[Format, typer.Option("--format", help="csv has its proof in a file beside it.")] = Format.JSONL,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Export entries, oldest first, with what proves them. Exporting is recorded.

    Example: flockctl audit export --project plant --out plant.jsonl
    """
    proof = out + PROOF_SUFFIX if form is Format.CSV else out
    beside = _draft(out, replace=force) if form is Format.CSV else nullcontext()
    with beside as rows, _draft(proof, replace=force) as lines:
        export = Export(lines, rows)
        connection = await operator.patiently(operator.connection)
        await connection.stream("ironflock.audit.entry.export", export.take, **chosen)
        count = export.finished()
    said = f"{out} holds {count} entries; prove it with: flockctl audit verify --export {proof}"
    operator.output.result({"file": out, "proof_file": proof, "entries": count}, said)


@contextmanager
def _draft(name: str, *, replace: bool) -> Iterator[TextIO]:
    with SecretFile(name, replace=replace) as file, file.draft() as stream:
        yield stream


class Export:
    """Takes the lines of an export as they come: as they are, and as rows where a table is wanted."""

    def __init__(self, lines: TextIO, rows: TextIO | None) -> None:
        """Write `lines`, and `rows` if any."""
        self._lines = lines
        self._rows = None if rows is None else csv.writer(rows)
        self._count = 0
        self._end: int | None = None
        self._failure: Exception | None = None
        if self._rows is not None:
            self._rows.writerow(CSV_TITLES)

    def take(self, line: str) -> None:
        """Write one line; what goes wrong is kept for `finished`, since whoever calls this would not hear of it."""
        if self._failure is None:
            try:
                self._write(line)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._failure = error

    def finished(self) -> int:
        """How many entries there are, once all of them are written.

        Raises:
            OSError: The disk is full. CommandError: It is no export, or not all of one.
        """
        if isinstance(self._failure, OSError):
            raise self._failure
        if self._failure is not None:
            raise CommandError("unexpected_answer", UNLIKE) from self._failure
        if self._end != self._count:
            raise CommandError("unexpected_answer", INCOMPLETE)
        return self._count

    def _write(self, text: str) -> None:
        line = json.loads(text)
        self._lines.write(text + "\n")
        if line["type"] == "end":
            self._end = line["entries"]
        elif line["type"] != "head":
            self._count += 1
            if self._rows is not None:
                self._rows.writerow(csv_row(line))
