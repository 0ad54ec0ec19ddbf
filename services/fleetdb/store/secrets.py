"""The SQL of sealed values that are to be sealed anew, in a backend's own tables; and of what of it is done."""

from typing import Any, Final

from attrs import field, frozen
from psycopg import sql

from services.fleetdb.records.tables import TIME, Table
from shared.database import Connection

Place = tuple[str, int]
"""Of a row: its moment as the database writes it, and its number."""

BEGIN: Final[Place] = ("-infinity", 0)
_ROW: Final = "_row"


@frozen
class SealedRow:
    """A row with its secret values by column."""

    place: Place
    values: dict[str, str | None] = field(repr=False)


async def page_list(
    connection: Connection, schema: str, table: Table, prefix: str, after: Place, *, limit: int
) -> list[tuple[Place, bool]]:
    """The places of the `limit` rows behind `after`, and of each whether a secret value does not begin with `prefix`.

    A page of rows, not of those that are meant: however few these are, no statement takes long.
    """
    stale = sql.SQL(" OR ").join(
        [
            sql.SQL("NOT starts_with({}, {})").format(sql.Identifier(column), sql.Literal(prefix))
            for column in table.secret_columns
        ]
    )
    statement = sql.SQL(
        "SELECT {time}::text, {row}, coalesce({stale}, false) FROM {table} WHERE ({time}, {row}) > (%s, %s)"
        " ORDER BY {time}, {row} LIMIT %s"
    ).format(time=sql.Identifier(TIME), row=sql.Identifier(_ROW), table=sql.Identifier(schema, table.name), stale=stale)
    cursor = await connection.execute(statement, [*after, limit])
    return [((moment, number), is_stale) for moment, number, is_stale in await cursor.fetchall()]


async def sealed_lock_in_txn(connection: Connection, schema: str, table: Table, places: list[Place]) -> list[SealedRow]:
    """The rows at `places`, which are in order; nobody changes them until the transaction ends."""
    columns = table.secret_columns
    statement = sql.SQL(
        "SELECT {time}::text, {row}, {columns} FROM {table} WHERE {time} BETWEEN %s AND %s AND {row} = ANY (%s)"
        " FOR UPDATE"
    ).format(
        time=sql.Identifier(TIME),
        row=sql.Identifier(_ROW),
        columns=sql.SQL(", ").join([sql.Identifier(column) for column in columns]),
        table=sql.Identifier(schema, table.name),
    )
    numbers = [number for _, number in places]
    cursor = await connection.execute(statement, [places[0][0], places[-1][0], numbers])
    return [
        SealedRow((moment, number), dict(zip(columns, values, strict=True)))
        for moment, number, *values in await cursor.fetchall()
    ]


async def sealed_replace(connection: Connection, schema: str, table: Table, rows: list[SealedRow]) -> None:
    """Put the secret values of `rows` back into theirs."""
    columns = table.secret_columns
    statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s AND {} = %s").format(
        sql.Identifier(schema, table.name),
        sql.SQL(", ").join([sql.SQL("{} = %s").format(sql.Identifier(column)) for column in columns]),
        sql.Identifier(TIME),
        sql.Identifier(_ROW),
    )
    parameters: list[list[Any]] = [[*(row.values[column] for column in columns), *row.place] for row in rows]
    async with connection.cursor() as cursor:
        await cursor.executemany(statement, parameters)


async def resealed_find(connection: Connection, backend_key: int) -> tuple[str, frozenset[str]] | None:
    """Under which data key which columns of the backend are, where that is known."""
    cursor = await connection.execute(
        "SELECT key_id, columns FROM fleetdb.resealed WHERE backend_key = %s", [backend_key]
    )
    row = await cursor.fetchone()
    return None if row is None else (row[0], frozenset(row[1]))


async def resealed_upsert(connection: Connection, backend_key: int, key_id: str, columns: list[str]) -> None:
    """All of `columns` are under `key_id`; where that is none, nothing is known."""
    await connection.execute(
        "INSERT INTO fleetdb.resealed (backend_key, key_id, columns) VALUES (%s, %s, %s)"
        " ON CONFLICT (backend_key) DO UPDATE SET key_id = excluded.key_id, columns = excluded.columns",
        [backend_key, key_id, columns],
    )
