"""Sums of tables (`<table>_ds`): one row a bucket and device, kept up with what comes, also where it comes late."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from psycopg import sql

from services.fleetdb.records.tables import AUTHID, DEVICE, TIME, Downsample, Measure, Table
from services.fleetdb.rules.moments import EPOCH
from services.fleetdb.rules.shapes import steps_of
from services.fleetdb.store.catalog import COUNTER, ORDER, name_in, own_name
from shared.database import Connection

PROGRESS: Final = "_downsampled"
STEP_ROWS: Final = 200_000
"""So many rows are looked at in one transaction."""


async def begin(connection: Connection, schema: str) -> None:
    """See that there is a place for how far each table was summed up."""
    await connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} (name text PRIMARY KEY, upto bigint NOT NULL)").format(
            name_in(schema, PROGRESS)
        )
    )


async def horizon(connection: Connection, schema: str, table: Table) -> int:
    """The number of the newest row before which none is still to come; in a transaction of its own.

    Numbers are given out before rows are committed: so writers are kept waiting until all of them have ended.
    """
    whole, counter = name_in(schema, table.name), name_in(schema, own_name(table.name, COUNTER))
    await connection.execute(sql.SQL("LOCK TABLE ONLY {} IN SHARE MODE").format(whole))
    cursor = await connection.execute(sql.SQL("SELECT last_value FROM {} WHERE is_called").format(counter))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def touched(
    connection: Connection, schema: str, table: Table, upto: int, kept_from: datetime | None
) -> tuple[int, list[datetime]]:
    """Which buckets got rows since the last time, and how far that looks: at most to row `upto`.

    Buckets before `kept_from` are left as they are: not all of their rows are there any more.
    """
    await connection.execute(
        sql.SQL("INSERT INTO {} VALUES (%s, 0) ON CONFLICT DO NOTHING").format(name_in(schema, PROGRESS)),
        (table.name,),
    )
    cursor = await connection.execute(
        sql.SQL("SELECT upto FROM {} WHERE name = %s FOR UPDATE").format(name_in(schema, PROGRESS)), (table.name,)
    )
    row = await cursor.fetchone()
    before = int(row[0]) if row else 0
    upto = min(upto, before + STEP_ROWS)
    statement = sql.SQL(
        "SELECT DISTINCT {bucket} FROM {table} WHERE {order} > %s AND {order} <= %s "
        "AND (%s::timestamptz IS NULL OR {bucket} >= %s)"
    ).format(
        bucket=_bucket(_of(table)),
        table=name_in(schema, table.name),
        order=sql.Identifier(ORDER),
    )
    cursor = await connection.execute(statement, (before, upto, kept_from, kept_from))
    return upto, [bucket for (bucket,) in await cursor.fetchall()]


async def sum_up(connection: Connection, schema: str, table: Table, upto: int, buckets: list[datetime]) -> None:
    """Sum `buckets` up anew from the rows up to `upto`, and note that it was done; in the transaction of `touched`."""
    downsample = _of(table)
    names = [each.column for each in downsample.measures]
    replaced = [
        sql.SQL("{} = EXCLUDED.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in (AUTHID, *names)
    ]
    statement = sql.SQL(
        "INSERT INTO {summed} ({columns}) SELECT {selected} FROM unnest(%s::timestamptz[]) AS b(bucket) JOIN {table} t "
        "ON t.{time} >= b.bucket AND t.{time} < b.bucket + {width} WHERE t.{order} <= %s GROUP BY b.bucket, t.{device} "
        "ON CONFLICT ({device}, {time}) DO UPDATE SET {replaced}"
    ).format(
        summed=name_in(schema, f"{table.name}_ds"),
        columns=_listed(map(sql.Identifier, (TIME, DEVICE, AUTHID, *names))),
        selected=_listed([sql.SQL("b.bucket"), *_selected(downsample)]),
        table=name_in(schema, table.name),
        time=sql.Identifier(TIME),
        device=sql.Identifier(DEVICE),
        order=sql.Identifier(ORDER),
        width=_width(downsample),
        replaced=_listed(replaced),
    )
    if buckets:
        await connection.execute(statement, (buckets, upto))
    await connection.execute(
        sql.SQL("UPDATE {} SET upto = %s WHERE name = %s").format(name_in(schema, PROGRESS)), (upto, table.name)
    )


def aggregate_statements(schema: str, table: Table) -> Iterator[sql.Composed]:
    """The same as a continuous aggregate of TimescaleDB, which keeps it up itself."""
    downsample = _of(table)
    view = name_in(schema, f"{table.name}_ds")
    yield sql.SQL(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS {view} WITH (timescaledb.continuous) AS SELECT "
        "timescale.time_bucket({width}, t.{time}) AS {time}, {selected}, max(t.{order}) AS {order} FROM {table} t "
        "GROUP BY 1, t.{device} WITH NO DATA"
    ).format(
        view=view,
        width=_width(downsample),
        time=sql.Identifier(TIME),
        selected=_listed(_named(downsample)),
        order=sql.Identifier(ORDER),
        table=name_in(schema, table.name),
        device=sql.Identifier(DEVICE),
    )
    yield sql.SQL(
        "SELECT timescale.add_continuous_aggregate_policy({view}, start_offset => NULL, end_offset => {width}, "
        "schedule_interval => make_interval(secs => 60), if_not_exists => TRUE)"
    ).format(view=sql.Literal(view.as_string()), width=_width(downsample))


def _of(table: Table) -> Downsample:
    if table.downsample is None:
        raise ValueError(f"{table.name} is not summed up")
    return table.downsample


def _width(downsample: Downsample) -> sql.Composed:
    return sql.SQL("make_interval(secs => {})").format(sql.Literal(downsample.bucket_s))


def _bucket(downsample: Downsample) -> sql.Composed:
    return sql.SQL("date_bin({}, {}, {})").format(
        _width(downsample), sql.Identifier(TIME), sql.SQL("{}::timestamptz").format(sql.Literal(EPOCH.isoformat()))
    )


def _selected(downsample: Downsample) -> Iterator[sql.Composable]:
    """Device, caller and measures, in the order of the table's columns."""
    yield sql.SQL("t.{}").format(sql.Identifier(DEVICE))
    yield sql.SQL("max(t.{})").format(sql.Identifier(AUTHID))
    for measure in downsample.measures:
        yield _measured(measure)


def _named(downsample: Downsample) -> Iterator[sql.Composable]:
    names = (DEVICE, AUTHID, *(measure.column for measure in downsample.measures))
    for selected, name in zip(_selected(downsample), names, strict=True):
        yield sql.SQL("{} AS {}").format(selected, sql.Identifier(name))


def _measured(measure: Measure) -> sql.Composed:
    column, below = steps_of(measure.source)
    value: sql.Composable = sql.SQL("t.{}").format(sql.Identifier(column))
    if below:
        value = sql.SQL(
            "CASE WHEN jsonb_typeof({column} #> {path}) = 'number' THEN ({column} #>> {path})::numeric END"
        ).format(column=value, path=sql.SQL("ARRAY[{}]::text[]").format(_listed(map(sql.Literal, below))))
    return sql.SQL("{}({})").format(sql.SQL(measure.method), value)


def _listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
