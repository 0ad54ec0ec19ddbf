"""What a backend's schema has, and the names of what belongs to its tables."""

import hashlib
from collections.abc import Sequence
from typing import Final

from attrs import frozen
from psycopg import sql

from services.fleetdb.records.tables import DataType
from shared.database import Connection

TYPES: Final[dict[DataType, str]] = {
    "numeric": "numeric",
    "bigint": "bigint",
    "timestamp": "timestamp with time zone",
    "string": "text",
    "boolean": "boolean",
    "json": "jsonb",
}
DATA_TYPES: Final = {name: data_type for data_type, name in TYPES.items()}
ORDER: Final = "_row"
"""The column that counts the rows as they came; no template can have one of that name."""
COUNTER: Final = "counter"
"""What belongs to a table so: the sequence of that column."""


@frozen
class Relation:
    """Something that has a table's name: whether rows can be written to it, types by column."""

    is_table: bool
    columns: dict[str, str]


def own_name(table: str, what: str) -> str:
    """The name of something that belongs to `table`: no table's own, and no other's."""
    return f"_{hashlib.sha256(table.encode()).hexdigest()[:20]}_{what}"


def key_name(table: str, key: Sequence[str]) -> str:
    """The name of the constraint by which an entity has one row of a moment, and of its index: it says of which key."""
    return own_name(table, f"key_{hashlib.sha256(chr(0).join(key).encode()).hexdigest()[:12]}")


def name_in(schema: str, name: str) -> sql.Identifier:
    """`name` in `schema`, quoted."""
    return sql.Identifier(schema, name)


async def relations(connection: Connection, schema: str) -> dict[str, Relation]:
    """What has a table's name, as far as the standard's own catalog tells; PostgreSQL's is closed to backends."""
    cursor = await connection.execute(
        "SELECT t.table_name, t.table_type, c.column_name, c.data_type FROM information_schema.tables t "
        "LEFT JOIN information_schema.columns c USING (table_schema, table_name) "
        "WHERE table_schema = %s AND NOT starts_with(table_name, '_') ORDER BY c.ordinal_position",
        (schema,),
    )
    found: dict[str, Relation] = {}
    for name, kind, column, data_type in await cursor.fetchall():
        found.setdefault(name, Relation(kind == "BASE TABLE", {})).columns[column] = data_type
    return found


async def unique_constraints(connection: Connection, schema: str) -> dict[str, frozenset[str]]:
    """The names of those that tables have."""
    cursor = await connection.execute(
        "SELECT table_name, constraint_name FROM information_schema.table_constraints "
        "WHERE table_schema = %s AND constraint_type = 'UNIQUE' AND NOT starts_with(table_name, '_')",
        (schema,),
    )
    found: dict[str, frozenset[str]] = {}
    for table, name in await cursor.fetchall():
        found[table] = found.get(table, frozenset()) | {name}
    return found


async def belongings(connection: Connection, schema: str, table: str) -> list[str]:
    """What tables belong to `table`, by what their names begin with; the rest of the names."""
    cursor = await connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND starts_with(table_name, %s)",
        (schema, own_name(table, "")),
    )
    return [name.removeprefix(own_name(table, "")) for (name,) in await cursor.fetchall()]


async def has_timescale(connection: Connection) -> bool:
    """Whether tables of this database are hypertables."""
    cursor = await connection.execute("SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL")
    row = await cursor.fetchone()
    return row is not None and bool(row[0])
