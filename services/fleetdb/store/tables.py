"""The tables of a backend, made and kept as its template asks; what is there is never taken away.

Names go into statements through the driver's quoting only, and as they are: two of them never become one table.
"""

from collections.abc import Iterator

from attrs import evolve
from psycopg import sql

from services.fleetdb.records.tables import AUTHID, DEVICE, TIME, Column, Table
from services.fleetdb.store.catalog import (
    COUNTER,
    DATA_TYPES,
    ORDER,
    TYPES,
    Relation,
    key_name,
    name_in,
    own_name,
)
from services.fleetdb.store.engines import Engine
from shared.database import Connection
from shared.templates import SYSTEM_COLUMNS


def kept(table: Table, found: Relation | None) -> tuple[Table | None, tuple[str, ...]]:
    """What `table` is to be beside what is there, and how that differs from what was asked for.

    None where something else has its name. A column that has another type in the database keeps that one.
    """
    if found is not None and not found.is_table:
        return None, (f"{table.name}: something that is no table has its name",)
    problems: list[str] = []
    whole = evolve(table, columns=_kept_columns(table, found, problems))
    return whole, tuple(f"{table.name}: {problem}" for problem in problems)


def is_whole(table: Table, found: Relation | None, constraints: frozenset[str], engine: Engine) -> bool:
    """Whether nothing is to be made; where TimescaleDB keeps the tables, it is told anew."""
    columns_are_there = found is not None and table.columns.keys() <= found.columns.keys()
    return columns_are_there and constraints == _wanted_constraints(table) and engine.has_partitions


async def ensure(connection: Connection, schema: str, table: Table, found: Relation | None, engine: Engine) -> None:
    """Make `table`, or add what it lacks; in a transaction."""
    for statement in _statements(schema, table, found, engine):
        await connection.execute(statement)


async def unique_key_ensure(connection: Connection, schema: str, table: Table, there: frozenset[str]) -> None:
    """See that no entity has two rows of one moment; in a transaction of its own.

    Raises:
        psycopg.errors.UniqueViolation: The table has such rows already.
    """
    whole = name_in(schema, table.name)
    wanted = _wanted_constraints(table)
    for name in there - wanted:
        await connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(whole, sql.Identifier(name)))
    for name in wanted - there:
        await connection.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} UNIQUE NULLS NOT DISTINCT ({})").format(
                whole, sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, (*table.entity_key, TIME)))
            )
        )


def _wanted_constraints(table: Table) -> frozenset[str]:
    """By its name the constraint says of which columns it is."""
    return frozenset({key_name(table.name, table.entity_key)} if table.entity_key else ())


def _kept_columns(table: Table, found: Relation | None, problems: list[str]) -> dict[str, Column]:
    kept = {}
    for column in table.columns.values():
        there = TYPES[column.data_type] if found is None else found.columns.get(column.id, TYPES[column.data_type])
        if column.id in SYSTEM_COLUMNS:
            problems.append(f"{column.id} is the name of a column that every table has already")
        elif there == TYPES[column.data_type]:
            kept[column.id] = column
        elif column.is_secret or there not in DATA_TYPES:
            problems.append(f"{column.id} is {there} and cannot be {TYPES[column.data_type]}; it is left alone")
        else:
            kept[column.id] = evolve(column, data_type=DATA_TYPES[there])
            problems.append(f"{column.id} stays {there} and does not become {TYPES[column.data_type]}")
    return kept


def _statements(schema: str, table: Table, found: Relation | None, engine: Engine) -> Iterator[sql.Composed]:
    whole = name_in(schema, table.name)
    yield from engine.made(schema, table, sql.SQL(", ").join(_definitions(schema, table)))
    if found is not None:
        for column in table.columns.values():
            if column.id not in found.columns:
                yield sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(whole, _definition(table, column))
    yield sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({}, {})").format(
        sql.Identifier(own_name(table.name, "tsp")), whole, sql.Identifier(TIME), sql.Identifier(ORDER)
    )
    if table.downsample is not None:
        yield sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING brin ({}) WITH (autosummarize = on)").format(
            sql.Identifier(own_name(table.name, "row")), whole, sql.Identifier(ORDER)
        )


def _definitions(schema: str, table: Table) -> Iterator[sql.Composed]:
    yield sql.SQL("{} bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME {})").format(
        sql.Identifier(ORDER), name_in(schema, own_name(table.name, COUNTER))
    )
    yield sql.SQL("{} bigint NOT NULL").format(sql.Identifier(DEVICE))
    yield sql.SQL("{} text NOT NULL").format(sql.Identifier(AUTHID))
    for column in table.columns.values():
        yield _definition(table, column)


def _definition(table: Table, column: Column) -> sql.Composed:
    parts = [sql.Identifier(column.id), sql.SQL(TYPES[column.data_type])]
    if column.id == TIME:
        parts.append(sql.SQL("NOT NULL"))
    if not column.path and table.source is None:
        parts.append(sql.SQL("GENERATED BY DEFAULT AS IDENTITY"))
    return sql.SQL(" ").join(parts)
