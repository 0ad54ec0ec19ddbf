"""Entity tables: what a row does not give it has from the newest row of its entity."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

import msgspec
from attrs import evolve
from psycopg import AsyncRawCursor, sql

from services.fleetdb.records.tables import DEVICE, TIME, Column, Row, Table
from services.fleetdb.rules.documents import Document
from services.fleetdb.rules.values import shown, text_of
from services.fleetdb.store.catalog import TYPES, name_in
from shared.database import Connection

Entity = tuple[str | None, ...]


async def completed(connection: Connection, schema: str, table: Table, rows: Sequence[Row]) -> list[Row]:
    """`rows` with what they inherit, each also from those before it; in the transaction that stores them.

    Who inherits keeps others who would inherit waiting until the transaction ends.
    """
    given = [column.id for column in table.columns.values() if column.path and column.id not in table.entity_key]
    lacking = {entity_of(table, row) for row in rows if any(name not in row.values for name in given)}
    if not lacking:
        return list(rows)
    await connection.execute(
        sql.SQL("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE").format(name_in(schema, table.name))
    )
    newest = await _newest(connection, schema, table, lacking)
    whole = []
    for row in rows:
        entity = entity_of(table, row)
        before = newest.get(entity, {})
        values = {**{name: before.get(name) for name in given}, **row.values}
        whole.append(evolve(row, values=values))
        if not before or values[TIME] >= before[TIME]:
            newest[entity] = values
    return whole


def entity_of(table: Table, row: Row) -> Entity:
    """Of which entity `row` tells."""
    return tuple(text_of(row.device_key if key == DEVICE else row.values.get(key)) for key in table.entity_key)


async def _newest(
    connection: Connection, schema: str, table: Table, entities: set[Entity]
) -> dict[Entity, dict[str, Any]]:
    found: dict[Entity, dict[str, Any]] = {}
    for pattern in {tuple(part is None for part in entity) for entity in entities}:
        of_pattern = [entity for entity in entities if tuple(part is None for part in entity) == pattern]
        statement = _statement(schema, table, pattern)
        parts = [
            list(part) for part, is_null in zip(zip(*of_pattern, strict=True), pattern, strict=True) if not is_null
        ]
        cursor = await AsyncRawCursor(connection).execute(statement, parts)
        for number, *values in await cursor.fetchall():
            columns = table.columns.values()
            found[of_pattern[number - 1]] = {
                column.id: _stored(column, value) for column, value in zip(columns, values, strict=True)
            }
    return found


def _statement(schema: str, table: Table, pattern: tuple[bool, ...]) -> sql.Composed:
    """The newest rows of entities, whose keys are given as arrays of text; of those that are NULL there is none."""
    names = [key for key, is_null in zip(table.entity_key, pattern, strict=True) if not is_null]
    conditions = [
        sql.SQL("{} IS NULL").format(sql.Identifier(key))
        for key, is_null in zip(table.entity_key, pattern, strict=True)
        if is_null
    ]
    conditions += [
        sql.SQL("{} = k.{}::{}").format(sql.Identifier(key), sql.Identifier(f"k{place}"), _type(table, key))
        for place, key in enumerate(names)
    ]
    arrays = [sql.SQL(f"${place}::text[]") for place in range(1, len(names) + 1)] or [sql.SQL("ARRAY['']")]
    columns = [sql.Identifier(f"k{place}") for place in range(len(arrays))]
    return sql.SQL(
        "SELECT k.n, l.* FROM unnest({}) WITH ORDINALITY AS k({}, n) CROSS JOIN LATERAL "
        "(SELECT {} FROM {} WHERE {} ORDER BY {} DESC LIMIT 1) l"
    ).format(
        sql.SQL(", ").join(arrays),
        sql.SQL(", ").join(columns),
        sql.SQL(", ").join(_selected(table)),
        name_in(schema, table.name),
        sql.SQL(" AND ").join(conditions),
        sql.Identifier(TIME),
    )


def _selected(table: Table) -> Iterator[sql.Composed]:
    for column in table.columns.values():
        name = sql.Identifier(column.id)
        if column.data_type == "json":
            yield sql.SQL("{}::text").format(name)
        elif column.data_type == "timestamp":
            yield sql.SQL("{} AT TIME ZONE 'UTC'").format(name)
        else:
            yield sql.Composed([name])


def _stored(column: Column, value: Any) -> Any:
    """A value of the database, as `rules.values.stored` would have made it."""
    if value is None:
        return None
    if column.data_type == "json":
        return Document(value, msgspec.json.decode(value))
    if column.data_type == "timestamp":
        return value.replace(tzinfo=UTC)
    return value if column.data_type == "string" else shown(column, value)


def _type(table: Table, key: str) -> sql.SQL:
    return sql.SQL("bigint" if key == DEVICE else TYPES[table.columns[key].data_type])
