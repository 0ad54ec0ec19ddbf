"""Rows of a table, newest first as they are found: wire-sdk.md section 6, "History query"."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from attrs import frozen
from psycopg import sql

from services.fleetdb.errors import Refusal
from services.fleetdb.records.queries import HistoryQuery, Span
from services.fleetdb.records.tables import HIDDEN, TIME, Table
from services.fleetdb.rules.filters import Condition, Selection, columns_of, names_in, selection
from services.fleetdb.rules.projections import Projection, answered, plain, projection
from services.fleetdb.rules.sealed import is_ciphertext
from services.fleetdb.store.conditions import Parameters, Rendered, all_of, named, rendered
from services.fleetdb.store.loading import reading_cursor
from services.fleetdb.store.newest import NEWEST_FIRST, newest_of_each
from shared.database import Connection

MAX_ROW_OCTETS: Final = 8 * 1024 * 1024
MAX_VIEW_OCTETS: Final = 64 * 1024 * 1024
BATCH: Final = 8
"""Rows that are in memory before any is passed on; one may be as large as 12 MB."""

Rows = list[dict[str, Any]]


@frozen
class Statement:
    """What is sent, and the values that it is sent with."""

    text: sql.Composed
    parameters: dict[str, Any]


async def history(
    connection: Connection, schema: str, table: Table, query: HistoryQuery, *, reader: str | None
) -> Rows:
    """The newest rows that `query` asks for, oldest first; `reader` is the account id of a person who reads.

    Raises:
        Refusal: A filter is on a secret column, or a column is named that the table has not.
    """
    found: Rows = []
    async with aclosing(batches(connection, schema, table, query, reader=reader)) as streaming:
        async for batch in streaming:
            found += batch
    found.reverse()
    return found


async def batches(
    connection: Connection, schema: str, table: Table, query: HistoryQuery, *, reader: str | None, hides: bool = True
) -> AsyncGenerator[Rows]:
    """The same rows, newest first, some at a time; with secret values as they are stored where `hides` is not set.

    Raises:
        Refusal: As `history`.
    """
    selected = selection(query.filters, columns_of(table), reader)
    projected = projection(table, query, is_latest=selected.is_latest, hides=hides)
    statement = statement_of(schema, table, query, selected, projected)
    names = [column.id for column in projected.columns]
    shows = tuple(projected.shows.items())
    cursor = reading_cursor(connection)
    async with (
        cursor,
        aclosing(cursor.stream(statement.text, statement.parameters, binary=True, size=BATCH)) as streaming,
    ):
        batch: Rows = []
        async for row in streaming:
            batch.append(answered(names, row, shows))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


async def view(connection: Connection, schema: str, table: Table, query: HistoryQuery, *, reader: str | None) -> Rows:
    """The rows of a transform's view: in its own order, reversed; limit, offset and filters are all that apply.

    Raises:
        Refusal: A filter is on a secret column, or the rows are too large: an app's statement can make any.
    """
    selected = selection(query.filters, columns_of(table, has_implicit=False), reader)
    statement = view_statement(schema, table, query, selected)
    hidden = frozenset(table.secret_columns)
    cursor = reading_cursor(connection)
    rows: Rows = []
    # The statement is the app's: what it sets for the session, say its time limit, is not to outlast it.
    async with connection.transaction(force_rollback=True), cursor:
        octets = 0
        async with aclosing(cursor.stream(statement.text, statement.parameters, binary=True, size=BATCH)) as streaming:
            async for size, *row in streaming:
                octets += size
                if size > MAX_ROW_OCTETS or octets > MAX_VIEW_OCTETS:
                    raise too_large(table, len(rows) + 1, octets)
                names = [column.name for column in (cursor.description or ())[1:]]
                rows.append(dict(zip(names, row, strict=True)))
    for row in rows:
        for name, value in row.items():
            is_secret = is_ciphertext(value) or (name in hidden and value is not None)
            row[name] = HIDDEN if is_secret else plain(value)
    rows.reverse()
    return rows


def statement_of(
    schema: str, table: Table, query: HistoryQuery, selected: Selection, projected: Projection
) -> Statement:
    """What reads them."""
    parameters = Parameters()
    columns = sql.SQL(", ").join([named(column.id) for column in projected.columns])
    source: Rendered = sql.SQL("{}").format(named(schema, table.name))
    limit, offset, outer = query.limit, query.offset, selected.conditions
    if selected.is_latest and table.entity_key:
        inner = tuple(each for each in outer if _is_of_key(each, table))
        outer = tuple(each for each in outer if not _is_of_key(each, table))
        source = newest_of_each(schema, table, inner, parameters)
    elif selected.is_latest:
        limit, offset = min(limit, 1), 0
    where = [*_within(query.span, parameters), *(rendered(each, parameters) for each in outer)]
    text = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {} OFFSET {}").format(
        columns,
        source,
        all_of(where),
        NEWEST_FIRST,
        parameters.bind(limit, "bigint"),
        parameters.bind(offset, "bigint"),
    )
    return Statement(text, parameters.values)


def too_large(table: Table, rows: int, octets: int) -> Refusal:
    """The rows of a view come to more than a message can have, or than is kept in memory for one."""
    return Refusal(
        "sys.dataservice.error.result_too_large",
        f"the rows of {table.name} are too large: select fewer, or less of each",
        bytes=octets,
        rows=rows,
        tablename=table.name,
        limitBytes=MAX_ROW_OCTETS if rows == 1 else MAX_VIEW_OCTETS,
        topColumns=[],
        detail="a row or all rows of a transform",
    )


def view_statement(schema: str, table: Table, query: HistoryQuery, selected: Selection) -> Statement:
    """What reads a view: the size of each row, and the row where it is not too large to be fetched at all."""
    parameters = Parameters()
    text = sql.SQL(
        "SELECT size, (CASE WHEN size <= {} THEN whole END).* FROM (SELECT octet_length(found::text) AS size, found AS"
        " whole FROM {} AS found WHERE {} LIMIT {} OFFSET {}) AS measured"
    ).format(
        parameters.bind(MAX_ROW_OCTETS, "bigint"),
        named(schema, table.name),
        all_of([rendered(each, parameters) for each in selected.conditions]),
        parameters.bind(query.limit, "bigint"),
        parameters.bind(query.offset, "bigint"),
    )
    return Statement(text, parameters.values)


def _is_of_key(condition: Condition, table: Table) -> bool:
    """Whether it looks at nothing but the key: only then it holds of all rows of an entity or of none."""
    return names_in(condition) <= set(table.entity_key)


def _within(span: Span, parameters: Parameters) -> list[Rendered]:
    """From one whole second on and before another, as published: what is below a second is cut off."""
    time = named(TIME)
    bounds = ((span.start_ms, "{} >= {}"), (span.end_ms, "{} < {}"))
    return [
        sql.SQL(form).format(time, parameters.bind_moment(_whole_second_us(bound)))
        for bound, form in bounds
        if bound is not None
    ]


def _whole_second_us(milliseconds: float) -> int:
    whole = int(milliseconds)
    return (abs(whole) // 1_000) * (1 if whole >= 0 else -1) * 1_000_000
