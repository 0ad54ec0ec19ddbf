"""Tables to read from, filled without the write side: what is in them is exactly what a test says."""

import os
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, LiteralString

from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.types.json import Jsonb

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import TIME, Column, DataType, Table
from services.fleetdb.store.catalog import key_name
from services.fleetdb.store.conditions import named
from shared.database import Connection

IS_DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
EXAMPLES = settings(
    max_examples=2_000 if IS_DEEP else 80,
    derandomize=not IS_DEEP,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""As in the unit tests: the same examples in every run, or many new ones."""
TYPES: dict[DataType, LiteralString] = {
    "numeric": "numeric",
    "bigint": "bigint",
    "timestamp": "timestamptz",
    "string": "text",
    "boolean": "boolean",
    "json": "jsonb",
}
COLUMNS: dict[str, DataType] = {
    "tsp": "timestamp",
    "value": "numeric",
    "number": "bigint",
    "name": "string",
    "is_on": "boolean",
    "seen": "timestamp",
    "extra": "json",
}


def table(name: str = "readings", **changes: Any) -> Table:
    """One with a column of each type, and a secret one."""
    columns = {id_: Column(id_, data_type, "") for id_, data_type in COLUMNS.items()}
    columns["hidden"] = Column("hidden", "string", "", is_secret=True)
    return Table(**{"name": name, "columns": columns, **changes})


def row(tsp: int = 0, **values: Any) -> dict[str, Any]:
    """What a row has where nothing else is said; moments in microseconds."""
    empty = dict.fromkeys(("value", "number", "name", "is_on", "seen", "extra", "hidden"))
    return {"tsp": tsp, **empty, "device_key": 42, "authid": "S", **values}


async def make(connection: Connection, backend: Backend, made: Table) -> None:
    """Make the table, as far as reading goes."""
    columns = [
        sql.SQL("{} " + TYPES[column.data_type]).format(sql.Identifier(column.id)) for column in made.columns.values()
    ]
    await connection.execute(
        sql.SQL(
            "CREATE TABLE {} ({}, device_key bigint, authid text, _row bigint GENERATED ALWAYS AS IDENTITY)"
        ).format(sql.Identifier(backend.schema, made.name), sql.SQL(", ").join(columns))
    )


async def index(connection: Connection, backend: Backend, made: Table) -> None:
    """Have the index of its key and the time, under the name by which it is known; rows need not be of one entity."""
    columns = sql.SQL(", ").join(map(sql.Identifier, (*made.entity_key, TIME)))
    name = sql.Identifier(key_name(made.name, made.entity_key))
    table = sql.Identifier(backend.schema, made.name)
    await connection.execute(sql.SQL("CREATE INDEX {} ON {} ({})").format(name, table, columns))


async def fill(connection: Connection, backend: Backend, made: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Put exactly these rows into it, in their order."""
    name = sql.Identifier(backend.schema, made.name)
    await connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(name))
    name = named(backend.schema, made.name)
    names = [*made.columns, "device_key", "authid"]
    moments = {column.id for column in made.columns.values() if column.data_type == "timestamp"}
    places = [
        sql.SQL("'epoch'::timestamptz + {}::bigint * interval '1 microsecond'" if each in moments else "{}").format(
            sql.Placeholder(each)
        )
        for each in names
    ]
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        name, sql.SQL(", ").join([sql.Identifier(each) for each in names]), sql.SQL(", ").join(places)
    )
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(statement, [_bound(each, made) for each in rows])


def _bound(values: dict[str, Any], made: Table) -> dict[str, Any]:
    bound = {name: values[name] for name in (*made.columns, "device_key", "authid")}
    for column in made.columns.values():
        if column.data_type == "json" and bound[column.id] is not None:
            bound[column.id] = Jsonb(bound[column.id])
        elif isinstance(bound[column.id], float):
            bound[column.id] = Decimal(repr(bound[column.id]))  # the database would round it to 15 digits
    return bound
