"""The SQL that deletes the rows of one device from a table, a page after another.

How far a request has come, and how many rows went, stands in the backend's own schema: so both are one transaction.
"""

from typing import Final
from uuid import UUID

from psycopg import sql

from services.fleetdb.records.erasures import EraseDevice
from services.fleetdb.records.tables import DEVICE, TIME
from services.fleetdb.store.catalog import ORDER, name_in, relations
from shared.database import Connection

ERASED: Final = "_erased"
PAGE: Final = 20_000
"""So many rows are looked at in one transaction, whoever has written them."""
LAST: Final = ("infinity", 2**63 - 1)
_OWN: Final = frozenset({DEVICE, TIME, ORDER})


async def begin(connection: Connection, schema: str) -> None:
    """See that there is a place for how far requests have come."""
    await connection.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {} (request uuid, round integer, name text, tsp text NOT NULL DEFAULT"
            " '-infinity', number bigint NOT NULL DEFAULT 0, rows bigint NOT NULL DEFAULT 0,"
            " is_done boolean NOT NULL DEFAULT false, PRIMARY KEY (request, round, name))"
        ).format(name_in(schema, ERASED))
    )


async def tables_of_devices(connection: Connection, schema: str) -> list[str]:
    """The tables whose rows say which device wrote them, also those that no release has any more."""
    found = await relations(connection, schema)
    return sorted(name for name, each in found.items() if each.is_table and each.columns.keys() >= _OWN)


async def erase_page(connection: Connection, schema: str, table: str, asked: EraseDevice) -> bool:
    """Delete what the device has in the next page of `table`, in a transaction; whether the round is through it."""
    place = (asked.request, asked.round, table)
    kept = name_in(schema, ERASED)
    await connection.execute(
        sql.SQL("INSERT INTO {} (request, round, name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING").format(kept), place
    )
    cursor = await connection.execute(
        sql.SQL("SELECT tsp, number, is_done FROM {} WHERE (request, round, name) = (%s, %s, %s) FOR UPDATE").format(
            kept
        ),
        place,
    )
    row = await cursor.fetchone()
    if row is None or row[2]:
        return True
    mark = (str(row[0]), int(row[1]))
    end = await _end_of_page(connection, schema, table, mark)
    rows = await _delete(connection, schema, table, (*mark, *(end or LAST)), asked.device_key)
    tsp, number = end or mark
    await connection.execute(
        sql.SQL(
            "UPDATE {} SET tsp = %s, number = %s, rows = rows + %s, is_done = %s"
            " WHERE (request, round, name) = (%s, %s, %s)"
        ).format(kept),
        (tsp, number, rows, end is None, *place),
    )
    return end is None


async def erased_list(connection: Connection, schema: str, request: UUID) -> dict[str, int]:
    """How many rows of each table the request has deleted."""
    cursor = await connection.execute(
        sql.SQL("SELECT name, sum(rows)::bigint FROM {} WHERE request = %s GROUP BY name ORDER BY name").format(
            name_in(schema, ERASED)
        ),
        (request,),
    )
    return {name: int(rows) for name, rows in await cursor.fetchall()}


async def _end_of_page(
    connection: Connection, schema: str, table: str, mark: tuple[str, int]
) -> tuple[str, int] | None:
    """The place of the last row of the page behind `mark`; None where that page is the last one."""
    cursor = await connection.execute(
        sql.SQL(
            "SELECT {time}::text, {order} FROM {table} WHERE ({time}, {order}) > (%s::timestamptz, %s)"
            " ORDER BY {time}, {order} OFFSET %s LIMIT 1"
        ).format(time=sql.Identifier(TIME), order=sql.Identifier(ORDER), table=name_in(schema, table)),
        (*mark, PAGE - 1),
    )
    row = await cursor.fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


async def _delete(
    connection: Connection, schema: str, table: str, span: tuple[str, int, str, int], device_key: int
) -> int:
    """Delete what the device has behind one place and up to another; how many rows that was."""
    cursor = await connection.execute(
        sql.SQL(
            "DELETE FROM {table} WHERE ({time}, {order}) > (%s::timestamptz, %s)"
            " AND ({time}, {order}) <= (%s::timestamptz, %s) AND {device} = %s"
        ).format(
            table=name_in(schema, table),
            time=sql.Identifier(TIME),
            order=sql.Identifier(ORDER),
            device=sql.Identifier(DEVICE),
        ),
        (*span, device_key),
    )
    return cursor.rowcount
