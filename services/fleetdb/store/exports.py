"""Rows of a table, oldest first, piece by piece: each is a statement of its own, since none may last long."""

from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import sql

from services.fleetdb.records.exports import Mark, Slice
from services.fleetdb.records.queries import HistoryQuery, Span
from services.fleetdb.records.tables import TIME, Table
from services.fleetdb.rules.chunks import octets_of
from services.fleetdb.rules.projections import answered, projection
from services.fleetdb.store.conditions import Parameters, Rendered, all_of, named
from services.fleetdb.store.history import BATCH
from services.fleetdb.store.loading import reading_cursor
from shared.database import Connection

MAX_ROWS: Final = 2_000
MAX_OCTETS: Final = 2**20
"""With the row that comes to more, a piece ends: it has that row as its last."""
EVERYTHING: Final = HistoryQuery(0, 0, Span(None, None), (), (), ())
_STATEMENT: Final[LiteralString] = (
    "SELECT {columns}, {time}::text AS _moment, _row FROM {table} WHERE {where} ORDER BY {time}, _row LIMIT {limit}"
)


def columns_of(table: Table) -> list[str]:
    """The columns of an export: those of every answer."""
    return [column.id for column in projection(table, EVERYTHING, is_latest=False).columns]


async def slice_after(
    connection: Connection, schema: str, table: Table, span: tuple[datetime | None, datetime | None], mark: Mark | None
) -> Slice:
    """The next piece behind `mark`, or the first one; `span` is from a moment on and before another."""
    projected = projection(table, EVERYTHING, is_latest=False)
    parameters = Parameters()
    statement = sql.SQL(_STATEMENT).format(
        columns=sql.SQL(", ").join([named(column.id) for column in projected.columns]),
        time=named(TIME),
        table=named(schema, table.name),
        where=all_of([*_within(span, parameters), *_behind(mark, parameters)]),
        limit=parameters.bind(MAX_ROWS, "bigint"),
    )
    names = [column.id for column in projected.columns]
    rows, octets, last = list[dict[str, Any]](), 0, None
    cursor = reading_cursor(connection)
    async with cursor, aclosing(cursor.stream(statement, parameters.values, binary=True, size=BATCH)) as streaming:
        async for *row, tsp, number in streaming:
            shown = answered(names, row, projected.shows.items())
            rows += [shown]
            octets, last = octets + octets_of(shown), Mark(tsp, number)
            if octets >= MAX_OCTETS:
                break
    return Slice(rows, octets, last)


def _within(span: tuple[datetime | None, datetime | None], parameters: Parameters) -> list[Rendered]:
    since, until = span
    bounds = ((since, "{} >= {}"), (until, "{} < {}"))
    return [
        sql.SQL(form).format(named(TIME), parameters.bind(bound, "timestamptz"))
        for bound, form in bounds
        if bound is not None
    ]


def _behind(mark: Mark | None, parameters: Parameters) -> list[Rendered]:
    """The moment by itself too: by it the index is used."""
    if mark is None:
        return []
    tsp = parameters.bind(mark.tsp, "timestamptz")
    row = parameters.bind(mark.row, "bigint")
    time = named(TIME)
    return [sql.SQL("{} >= {}").format(time, tsp), sql.SQL("({}, _row) > ({}, {})").format(time, tsp, row)]
