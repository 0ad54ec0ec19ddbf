"""What apps append is what they read: the two sides together, on tables as they are made."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from services.fleetdb.making import Making
from services.fleetdb.reading import Reading
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.filters import columns_of, selection
from services.fleetdb.rules.projections import projection
from services.fleetdb.rules.queries import history_query, series_query
from services.fleetdb.store.history import statement_of
from services.fleetdb.writing import Writing
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.rows import EXAMPLES
from tests.integration.fleetdb.templates import NOW, at, column, rows, template

pytestmark = [pytest.mark.real]
TYPES = ("numeric", "bigint", "timestamp", "string", "boolean", "json")
TEMPLATE = template(
    {"tablename": "t", "columns": [column(f"c_{name}", name) for name in TYPES]},
    {
        "tablename": "entity",
        "maintainLatestFlagFor": ["name"],
        "columns": [column("name", "string"), column("a", "numeric")],
    },
    {"tablename": "summed", "columns": [column("a", "numeric")], "downsample": {}},
)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number or 0.0)  # no negative nothing
NUMBERS = st.integers(-(2**63), 2**63 - 1) | DOUBLES
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DAYS = st.sampled_from([-4_000, -30, -7, -1, 0, 1, 8, 500])
VALUES = st.fixed_dictionaries(
    {
        "tsp": st.builds(
            lambda days, rest: (NOW + timedelta(days=days, microseconds=rest)).isoformat(), DAYS, st.integers(0, 10**6)
        )
    },
    optional={
        "c_numeric": NUMBERS,
        "c_bigint": st.integers(-(2**63), 2**63 - 1),
        "c_timestamp": st.datetimes().map(lambda moment: moment.isoformat()),
        "c_string": TEXTS,
        "c_boolean": st.booleans(),
        "c_json": DOCUMENTS,
    },
)


class World:
    """A backend with its tables, for all the tests of this file."""

    def __init__(self, plain: Plain) -> None:
        self.backend = plain.make(TEMPLATE)
        self.connections = PlainConnections(plain)
        self._runner = asyncio.Runner()
        made = self._runner.run(Making(self.connections).make(self.backend))
        assert made.problems == ()
        self.tables = made.tables
        self._writing, self._reading = Writing(self.connections), Reading(self.connections)

    def append(self, name: str, *values: dict[str, Any]) -> list[dict[str, Any]]:
        """What is told of them."""
        table = self.tables[name]
        return self._runner.run(self._writing.append(self.backend, table, rows(table, list(values))))

    def history(self, name: str, **asked: Any) -> list[dict[str, Any]]:
        """What is answered."""
        query = history_query(({"limit": 10_000, **asked},))
        return self._runner.run(self._reading.history(self.backend, self.tables[name], query, None))

    def series(self, name: str, **asked: Any) -> list[dict[str, Any]]:
        """What is answered."""
        return self._runner.run(self._reading.series(self.backend, self.tables[name], series_query((asked,)), None))

    def empty(self, name: str) -> None:
        """Nothing is in it any more."""
        self._runner.run(self._run(f"TRUNCATE {name}"))

    async def _run(self, statement: str) -> None:
        async with self.connections.connection(self.backend) as connection:
            await connection.execute(statement.encode())

    def plan(self, name: str, **asked: Any) -> str:
        """How the database goes about it."""
        return self._runner.run(self._plan(self.tables[name], asked))

    async def _plan(self, table: Table, asked: dict[str, Any]) -> str:
        query = history_query(({"limit": 10, **asked},))
        selected = selection(query.filters, columns_of(table), None)
        projected = projection(table, query, is_latest=selected.is_latest)
        statement = statement_of(self.backend.schema, table, query, selected, projected)
        async with self.connections.connection(self.backend) as connection:
            cursor = await connection.execute(sql.SQL("EXPLAIN {}").format(statement.text), statement.parameters)
            return "\n".join(line for (line,) in await cursor.fetchall())

    def close(self) -> None:
        """End the connections."""
        self._runner.run(self.connections.close())
        self._runner.close()


@pytest.fixture(scope="module")
def world(plain: Plain) -> Iterator[World]:
    made = World(plain)
    yield made
    made.close()
    plain.remove(made.backend)


def fingerprint(row: dict[str, Any]) -> str:
    """By what the published clients know a row again that they have read and are told of."""
    return json.dumps({name: value for name, value in row.items() if value is not None}, sort_keys=True)


@EXAMPLES
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_what_is_told_of_rows_is_what_is_read(world: World, values: list[dict[str, Any]]) -> None:
    world.empty("t")

    told = world.append("t", *values)

    read, ordered = world.history("t"), sorted(told, key=lambda row: row["tsp"])  # those of one moment stay in order
    assert read == ordered
    assert list(map(fingerprint, read)) == list(map(fingerprint, ordered))


def test_numbers_are_found_by_what_they_were_written_as(world: World) -> None:
    world.empty("t")
    numbers = [2**53 + 1, 0.1, 7e-06, 1e300, -(2**63), 5.948923132209025e16]
    told = world.append(
        "t",
        *({"tsp": at(n), "c_numeric": each, "c_string": each, "c_json": {"n": each}} for n, each in enumerate(numbers)),
    )

    for number, row in zip(numbers, told, strict=True):
        for name in ("c_numeric", "c_string", "c_json.n"):
            assert world.history("t", filterAnd=[{"column": name, "operator": "=", "value": number}]) == [row], name
            assert len(world.history("t", filterAnd=[{"column": name, "operator": "NOT IN", "value": [number]}])) == 5


def test_what_is_written_after_a_moment_is_what_a_follower_reads_from_it_on(world: World) -> None:
    world.empty("t")
    (first,) = world.append("t", {"tsp": at(0), "c_bigint": 1})
    later = world.append("t", *({"tsp": at(n / 1_000), "c_bigint": n} for n in range(1, 300)))

    caught_up = world.history("t", timeRange=[first["tsp"], None])

    assert caught_up == [first, *later]


def test_the_latest_of_each_entity_are_read_from_all_chunks(world: World) -> None:
    told = world.append(
        "entity",
        {"tsp": at(-40 * 86_400), "name": "a", "a": 1},
        {"tsp": at(-1), "name": "b", "a": 2},
        {"tsp": at(-20 * 86_400), "name": "a"},
        {"tsp": at(-80 * 86_400), "name": "c", "a": 4},
    )

    latest = world.history("entity", filterAnd=[{"latest": True}])

    assert latest == [told[3], told[2], told[1]]
    assert latest[1]["a"] == 1
    assert world.history("entity", filterAnd=[{"latest": True}], limit=1) == [told[1]]


def test_every_table_is_read_and_summed_up(world: World) -> None:
    assert set(world.tables) >= {"t", "entity", "summed", "summed_ds", "error-logs"}
    asked = {"metrics": [{"ref": "tsp", "method": "COUNT"}], "limit": 10, "timeRange": [0, None]}
    for name in world.tables:
        world.history(name, filterAnd=[{"latest": True}])
        world.series(name, **asked)
    (logged,) = world.append("error-logs", {"tsp": at(0), "msg": "hot", "level": "error"})
    assert world.history("error-logs", filterAnd=[{"column": "level", "operator": "=", "value": "error"}]) == [logged]


def test_a_time_range_reads_no_other_chunks(world: World) -> None:
    world.empty("t")
    world.append("t", *({"tsp": at(-n * 7 * 86_400)} for n in range(30)))
    whole = world.plan("t").count("Scan")

    bounded = world.plan("t", timeRange=[at(-8 * 86_400), at(0)]).count("Scan")

    assert whole > 30
    assert bounded <= 4  # with what is stored apart
    assert "Index" in world.plan("t", timeRange=[at(-8 * 86_400), None])
