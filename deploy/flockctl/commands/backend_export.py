"""`flockctl backend export`: the rows of a table in a file, as they come."""

import csv
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TextIO

import typer

from deploy.flockctl.entries import cell
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.rights_options import InProject, project_of
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.times import moment
from deploy.flockctl.words import key_or_name, stage_of

INCOMPLETE: Final = "the platform sent no whole export; nothing was written, try again"
UNLIKE: Final = "the platform sent something that is no export; is flockctl of its release?"


class Format(StrEnum):
    """What rows are written as."""

    NDJSON = "ndjson"
    CSV = "csv"


def add_backend_export(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    command(app, "export")(backend_export)


async def backend_export(
    operator: Operator,
    app: Annotated[str, typer.Argument(help="The app: its name or key.", metavar="APP")],
    project: InProject,
    stage: Annotated[str, typer.Option("--stage", help="dev or prod: the two live apart.")],
    table_name: Annotated[str, typer.Option("--table", help="Which table.")],
    *,
    out: Annotated[str, typer.Option(help="File to write (mode 0600).", metavar="FILE")],
    form: Annotated[Format, typer.Option("--format", help="ndjson is exact; csv is for spreadsheets.")] = Format.NDJSON,
    since: Annotated[str | None, typer.Option(help="From then on: a time, a date, or an age as 30d.")] = None,
    until: Annotated[str | None, typer.Option(help="Before then.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Export the rows of a table, oldest first; needs the flag READ on the data backend. Exporting is recorded.

    Example: flockctl backend export press-monitor --project plant --stage prod --table measurements --out rows.ndjson
    """
    asked: dict[str, Any] = {"project": project_of(project), "app": key_or_name(app, what="app")}
    asked |= {"stage": stage_of(stage), "table": table_name}
    for name, word in (("since", since), ("until", until)):
        if word is not None:
            asked[name] = moment(word, what=name, now=operator.reactor.seconds())
    with SecretFile(out, replace=force) as file, file.draft() as stream:
        rows = Rows(stream, form)
        connection = await operator.patiently(operator.connection)
        answer = await connection.stream("ironflock.fleetdb.backend.export", rows.take, **asked)
        count = rows.finished(answer)
    operator.output.result({"file": out, "rows": count}, f"{out} holds {count} rows")


class Rows:
    """Takes an export as it comes, and writes it."""

    def __init__(self, stream: TextIO, form: Format) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._csv = csv.writer(stream) if form is Format.CSV else None
        self._columns: list[str] = []
        self._count = 0
        self._failure: Exception | None = None

    def take(self, said: Any) -> None:
        """Write what came; what goes wrong is kept for `finished`, since whoever calls this would not hear of it."""
        if self._failure is None:
            try:
                self._begin(said) if said["type"] == "head" else self._write(said)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._failure = error

    def finished(self, answer: Any) -> int:
        """How many rows there are, once all of them are written.

        Raises:
            OSError: The disk is full. CommandError: It is no export, or not all of one.
        """
        if isinstance(self._failure, OSError):
            raise self._failure
        if self._failure is not None or not isinstance(answer, dict):
            raise CommandError("unexpected_answer", UNLIKE) from self._failure
        if answer.get("rows") != self._count:
            raise CommandError("unexpected_answer", INCOMPLETE)
        return self._count

    def _begin(self, said: Mapping[str, Any]) -> None:
        self._columns = [str(name) for name in said["columns"]]
        if self._csv is not None:
            self._csv.writerow(self._columns)

    def _write(self, said: Mapping[str, Any]) -> None:
        for row in said["rows"]:
            if self._csv is None:
                self._stream.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            else:
                self._csv.writerow([_cell(row.get(name)) for name in self._columns])
            self._count += 1


def _cell(value: object) -> object:
    return value if isinstance(value, float) else cell(value)
