"""Chunks of tables: partitions by range of `tsp`, made on demand; what is far out lies in one of its own."""

from datetime import datetime
from typing import Final

from psycopg import sql
from psycopg.errors import LockNotAvailable

from services.fleetdb.records.tables import TIME, Table
from services.fleetdb.rules.spans import Span, chunk_of, gaps, is_near, moment_of
from services.fleetdb.store.catalog import belongings, name_in, own_name
from shared.database import Connection

MAX_PARTITIONS: Final = 2_000
FAR: Final = "far"
WAIT_MS: Final = 1_000
"""For a lock: whoever comes later waits behind it."""
_MOVED: Final = (
    "WITH moved AS (DELETE FROM {far} WHERE {time} >= {start} AND {time} < {end} RETURNING *) "
    "INSERT INTO {partition} SELECT * FROM moved"
)


def far_statement(schema: str, table: Table) -> sql.Composed:
    """The partition for rows that no other takes."""
    return sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} DEFAULT").format(
        name_in(schema, own_name(table.name, FAR)), name_in(schema, table.name)
    )


async def cover(connection: Connection, schema: str, table: Table, moment: datetime) -> Span | None:
    """See that the chunk that `moment` falls in has partitions; in a transaction of its own. Answers the chunk.

    Moments that are far out get none, nor does anything where there are 2,000 partitions already. What was stored apart
    meanwhile is taken along. None where somebody else is at the table for longer than a moment: nothing was changed.
    """
    try:
        async with connection.transaction():
            return await _cover(connection, schema, table, moment)
    except LockNotAvailable:
        return None


async def _cover(connection: Connection, schema: str, table: Table, moment: datetime) -> Span:
    chunk = chunk_of(moment, table.chunk_s)
    await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(WAIT_MS)))
    # Not before readers and writers, but before another who does the same.
    await connection.execute(
        sql.SQL("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE").format(name_in(schema, table.name))
    )
    if not is_near(moment, await _now(connection)):
        return chunk
    others = await spans(connection, schema, table.name)
    for gap in gaps(chunk, others)[: max(0, MAX_PARTITIONS - len(others))]:
        await _make(connection, schema, table.name, gap)
    return chunk


async def spans(connection: Connection, schema: str, table: str) -> list[Span]:
    """Of which spans of time the table has partitions; their names say it."""
    names = await belongings(connection, schema, table)
    return sorted(_span_in(name) for name in names if name != FAR)


async def span_make(connection: Connection, schema: str, table: str, span: Span) -> None:
    """A partition for `span`, of which there is none; in a transaction."""
    await _make(connection, schema, table, span)


async def drop_before(connection: Connection, schema: str, table: Table, moment: datetime) -> int:
    """Drop the partitions that end before `moment`, and the rows stored apart that are older. How many went.

    A partition that has something younger stays as it is.
    """
    old = [span for span in await spans(connection, schema, table.name) if span.end <= moment]
    for span in old:
        await connection.execute(sql.SQL("DROP TABLE {}").format(_partition(schema, table.name, span)))
    await connection.execute(
        sql.SQL("DELETE FROM {} WHERE {} < %s").format(
            name_in(schema, own_name(table.name, FAR)), sql.Identifier(TIME)
        ),
        (moment,),
    )
    return len(old)


async def _make(connection: Connection, schema: str, table: str, span: Span) -> None:
    """Beside the table first, then into it: so nobody who reads or writes waits for more than the moment of it."""
    names = {
        "table": name_in(schema, table),
        "partition": _partition(schema, table, span),
        "far": name_in(schema, own_name(table, FAR)),
        "time": sql.Identifier(TIME),
        "start": sql.Literal(moment_of(span.start_s).isoformat()),
        "end": sql.Literal(moment_of(span.end_s).isoformat()),
    }
    for statement in (
        "CREATE TABLE {partition} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE)",
        "LOCK TABLE {far} IN ACCESS EXCLUSIVE MODE",
        _MOVED,
        "ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})",
    ):
        await connection.execute(sql.SQL(statement).format(**names))


def _partition(schema: str, table: str, span: Span) -> sql.Identifier:
    return name_in(schema, own_name(table, f"{span.start_s}_{span.end_s}"))


def _span_in(name: str) -> Span:
    start, _, end = name.partition("_")
    return Span(int(start), int(end))


async def _now(connection: Connection) -> datetime:
    cursor = await connection.execute("SELECT now()")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    moment: datetime = row[0]
    return moment
