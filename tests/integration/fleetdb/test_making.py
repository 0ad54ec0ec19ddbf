"""Tables are made as templates ask for them, and what is there stays."""

from collections.abc import Callable
from typing import Any

import attrs
import psycopg
import pytest
from psycopg import sql

from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Column, Made, Table
from services.fleetdb.rules.shapes import tables_of
from services.fleetdb.store.engines import Native
from services.fleetdb.store.tables import ensure, unique_key_ensure
from services.fleetdb.writing import Writing
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.templates import at, column, row, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

MakeBackend = Callable[..., Backend]
OWN = list(tables_of(None))
ALL_TYPES = [
    column(f"c_{data_type}", data_type) for data_type in ("numeric", "bigint", "timestamp", "string", "boolean", "json")
]


async def make(connections: PlainConnections, backend: Backend) -> Made:
    return await Making(connections).make(backend)


async def found(connections: PlainConnections, backend: Backend, query: str, *parameters: Any) -> list[Any]:
    async with connections.connection(backend) as connection:
        cursor = await connection.execute(query.encode(), parameters)
        return await cursor.fetchall()


async def columns_of(connections: PlainConnections, backend: Backend, table: str) -> dict[str, str]:
    return dict(
        await found(
            connections,
            backend,
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            backend.schema,
            table,
        )
    )


def seen(plain: Plain, query: str, *parameters: Any) -> list[Any]:
    """What the superuser sees."""
    with plain.connect() as connection:
        return sorted(connection.execute(query.encode(), parameters).fetchall())


async def test_columns_have_the_types_of_the_database(make_backend: MakeBackend, connections: PlainConnections) -> None:
    backend = make_backend(template({"tablename": "t", "columns": ALL_TYPES}))

    made = await make(connections, backend)

    assert made.problems == ()
    assert list(made.tables) == [*OWN, "t"]
    assert await columns_of(connections, backend, "t") == {
        "_row": "bigint",
        "device_key": "bigint",
        "authid": "text",
        "tsp": "timestamp with time zone",
        "c_numeric": "numeric",
        "c_bigint": "bigint",
        "c_timestamp": "timestamp with time zone",
        "c_string": "text",
        "c_boolean": "boolean",
        "c_json": "jsonb",
    }


async def test_making_again_changes_nothing(
    make_backend: MakeBackend, connections: PlainConnections, plain: Plain
) -> None:
    backend = make_backend(
        template({"tablename": "t", "maintainLatestFlagFor": ["device_key"], "downsample": {}, "columns": ALL_TYPES})
    )
    everything = "SELECT relname, relkind::text, c.oid::bigint FROM pg_class c WHERE relnamespace = %s::regnamespace"
    first = await make(connections, backend)
    before = seen(plain, everything, backend.schema)

    again = await make(connections, backend)

    assert again == first
    assert first.problems == ()
    assert seen(plain, everything, backend.schema) == before


async def test_a_newer_template_adds_columns_and_takes_none(
    make_backend: MakeBackend, connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "t", "columns": [column("old", "string")]}))
    made = await make(connections, backend)
    await Writing(connections).append(backend, made.tables["t"], [row(made.tables["t"], {"tsp": at(0), "old": "x"})])
    newer = attrs.evolve(backend, template=template({"tablename": "t", "columns": [column("new", "json")]}))

    made = await make(connections, newer)
    stored = await Writing(connections).append(
        newer, made.tables["t"], [row(made.tables["t"], {"tsp": at(1), "new": [1]})]
    )

    assert made.problems == ()
    assert list(made.tables["t"].columns) == ["tsp", "new"]
    assert stored[0]["new"] == [1]
    assert await found(connections, newer, "SELECT old, new FROM t ORDER BY tsp") == [("x", None), (None, [1])]


async def test_a_column_keeps_its_type_and_that_is_told(
    make_backend: MakeBackend, connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "t", "columns": [column("a", "string"), column("b", "numeric")]}))
    await make(connections, backend)
    newer = template({"tablename": "t", "columns": [column("a", "numeric"), column("b", "string", secret=True)]})

    made = await make(connections, attrs.evolve(backend, template=newer))

    assert made.tables["t"].columns["a"] == Column("a", "string", "args[0].a")
    assert "b" not in made.tables["t"].columns
    assert made.problems == (
        "t: a stays text and does not become numeric",
        "t: b is numeric and cannot be text; it is left alone",
    )
    table = made.tables["t"]
    stored = await Writing(connections).append(backend, table, [row(table, {"tsp": at(0), "a": 7, "b": "open"})])
    assert stored[0]["a"] == "7"


async def test_columns_that_every_table_has_are_left_out(
    make_backend: MakeBackend, connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "t", "columns": [column("xmin", "numeric"), column("x", "numeric")]}))

    made = await make(connections, backend)

    assert list(made.tables["t"].columns) == ["tsp", "x"]
    assert made.problems == ("t: xmin is the name of a column that every table has already",)


async def test_what_is_no_table_is_left_alone_and_the_others_are_made(
    make_backend: MakeBackend, connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "v"}, {"tablename": "t"}))
    await found(connections, backend, "SELECT 1")
    async with connections.connection(backend) as connection:
        await connection.execute("CREATE VIEW v AS SELECT 1 AS n")

    made = await make(connections, backend)

    assert list(made.tables) == [*OWN, "t"]
    assert made.problems == ("v: something that is no table has its name",)


async def test_a_key_that_its_rows_do_not_keep_is_told(
    make_backend: MakeBackend, connections: PlainConnections
) -> None:
    backend = make_backend(template({"tablename": "t", "columns": [column("a", "string")]}))
    made = await make(connections, backend)
    table = made.tables["t"]
    await Writing(connections).append(backend, table, [row(table, {"tsp": at(0), "a": "x"})] * 2)
    keyed = template({"tablename": "t", "maintainLatestFlagFor": ["a"], "columns": [column("a", "string")]})

    made = await make(connections, attrs.evolve(backend, template=keyed))

    assert made.tables["t"].entity_key == ("a",)
    assert made.problems == ("t: it has rows of one entity and one moment; from now on too",)


async def test_another_key_takes_the_place_of_the_old_one(
    make_backend: MakeBackend, connections: PlainConnections, plain: Plain
) -> None:
    def keyed(*keys: str) -> Any:
        columns = [column("a", "string"), column("b", "string")]
        return template({"tablename": "t", "maintainLatestFlagFor": list(keys), "columns": columns})

    def keys() -> list[str]:
        query = "SELECT indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = 't' AND indexdef ~ 'UNIQUE'"
        return [text.partition(" (")[2] for (text,) in seen(plain, query, backend.schema)]

    backend = make_backend(keyed("a"))
    await make(connections, backend)
    assert keys() == ["a, tsp) NULLS NOT DISTINCT"]

    await make(connections, attrs.evolve(backend, template=keyed("device_key", "b")))
    assert keys() == ["device_key, b, tsp) NULLS NOT DISTINCT"]

    await make(connections, attrs.evolve(backend, template=keyed()))
    assert keys() == []


HOSTILE = [
    'a"; DROP SCHEMA public; --', "a'b", "a%sb", "a%b", "a.b", "select", "user", "A", "ä" * 30, "x" * 60, "a\\b", "$1",
    "{}", "a b", "\u202e", "a\nb", "é", "e\u0301",
]  # fmt: skip


async def test_hostile_names_are_names(backend: Backend, connections: PlainConnections) -> None:
    for name in HOSTILE:
        table = Table(
            name,
            {"tsp": Column("tsp", "timestamp", "args[0].tsp"), name: Column(name, "string", "args[1]")},
            entity_key=(name,),
        )
        async with connections.transaction(backend) as connection:
            await ensure(connection, backend.schema, table, None, Native())
            await unique_key_ensure(connection, backend.schema, table, frozenset())
        stored = await Writing(connections).append(backend, table, [row(table, {"tsp": at(0)})])
        assert stored[0]["tsp"]

    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name !~ '^_'"
    tables = await found(connections, backend, query, backend.schema)
    assert {name for (name,) in tables} == set(HOSTILE)
    for name in HOSTILE:
        async with connections.connection(backend) as connection:
            cursor = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name)))
            assert await cursor.fetchone() == (1,)


async def test_a_name_that_the_database_cannot_take_is_refused(backend: Backend, connections: PlainConnections) -> None:
    for name in ("", "a\0b"):
        with pytest.raises((psycopg.Error, ValueError)):
            async with connections.transaction(backend) as connection:
                await ensure(connection, backend.schema, Table(name, {}), None, Native())
