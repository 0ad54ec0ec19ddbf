"""Rows of history as readers get them; whatever else is asked of them is in `test_reading.py`."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from attrs import field, frozen
from psycopg import sql

from services.fleetdb.errors import Refusal
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import HIDDEN, Column, Table
from services.fleetdb.rules.queries import history_query
from tests.integration.fleetdb import rows
from tests.integration.fleetdb.plain import PlainConnections

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
SECOND = 1_000_000
DATES_US = (-62_135_596_800_000_000, 253_402_300_799_999_999)


@frozen
class World:
    """A backend, and the reading of it."""

    backend: Backend
    connections: PlainConnections
    reading: Reading = field(init=False)

    @reading.default
    def _reading(self) -> Reading:
        return Reading(self.connections)

    async def table(self, *stored: dict[str, Any], **changes: Any) -> Table:
        """A table with these rows."""
        made = rows.table(**changes)
        async with self.connections.connection(self.backend) as connection:
            await rows.make(connection, self.backend, made)
            await rows.fill(connection, self.backend, made, stored)
        return made

    async def run(self, statement: str) -> None:
        """In the backend's schema, as its own login."""
        async with self.connections.connection(self.backend) as connection:
            await connection.execute(statement.encode())

    async def history(self, table: Table, reader: str | None = None, **asked: Any) -> list[dict[str, Any]]:
        """What a client is answered."""
        query = history_query(({"limit": 100, **asked},))
        return await self.reading.history(self.backend, table, query, reader)


@pytest_asyncio.fixture
async def world(backend: Backend, connections: PlainConnections) -> AsyncIterator[World]:
    yield World(backend, connections)


async def code_of(answer: Any) -> str:
    """With what it is refused."""
    with pytest.raises(Refusal) as caught:
        await answer
    told = caught.value.wire_args[0]
    return str(told["code"]) if isinstance(told, dict) else caught.value.uri.rpartition(".")[2]


async def test_a_row_is_answered_with_all_its_columns_in_the_form_of_the_wire(world: World) -> None:
    whole = rows.row(
        1_500_000,
        value=0.5,
        number=2**53 + 1,
        name="a",
        is_on=False,
        seen=1_001,
        extra={"n": [1, 0.25, None, {"ä": 2**53 + 1}]},
        hidden="ifsec:1:k:x",
    )
    table = await world.table(whole, rows.row(0))

    empty, found = await world.history(table)

    assert found == {**whole, "tsp": 1_500, "seen": 1.001, "hidden": HIDDEN}
    assert repr(found["number"]) == "9007199254740993"
    assert list(found) == [*table.columns, "device_key", "authid"]
    assert empty == {**rows.row(0)}
    assert empty["hidden"] is None


async def test_numbers_come_back_as_they_were_written(world: World) -> None:
    written = [1, 1.5, 7e-06, 10**300 * 1.0, -0.0, 2**53 + 1, 2**63 - 1, -(2**63), 5e-324, 1.7976931348623157e308]
    table = await world.table(*(rows.row(at * SECOND, value=value) for at, value in enumerate(written)))

    found = [each["value"] for each in await world.history(table)]

    assert found == written
    assert [type(each) for each in found[:6]] == [int, float, float, float, int, int]


async def test_the_first_and_the_last_moments_are_read_in_any_time_zone(world: World) -> None:
    table = await world.table(*(rows.row(moment, seen=moment) for moment in DATES_US))
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        async with world.connections.connection(world.backend) as connection:
            await connection.execute(sql.SQL("SET timezone = {}").format(sql.Literal(zone)))
        found = await world.history(table)
        assert [each["tsp"] for each in found] == [-62_135_596_800_000, 253_402_300_799_999.999]
        assert found == await world.history(table, timeRange=[-(10**17), 10**17])
        assert [each["tsp"] for each in found] == [each["seen"] for each in found]


async def test_the_newest_come_after_the_offset_and_oldest_first(world: World) -> None:
    table = await world.table(*(rows.row(at * SECOND, number=at) for at in range(200)))

    async def numbers(**asked: Any) -> list[int]:
        return [each["number"] for each in await world.history(table, **asked)]

    assert await numbers(limit=3) == [197, 198, 199]
    assert await numbers(limit=3, offset=3) == [194, 195, 196]
    assert await numbers(limit=0) == []
    assert await numbers(limit=10_000) == list(range(200))
    assert await numbers(offset=4_294_967_295) == []
    assert await numbers(timeRange=[1_999, 4_000]) == [1, 2, 3]
    assert await numbers(timeRange=["1970-01-01T00:03:17.999Z", None]) == [197, 198, 199]


async def test_rows_of_one_moment_come_in_the_order_of_writing(world: World) -> None:
    table = await world.table(*(rows.row(0, number=at) for at in (5, 3, 9)))

    assert [each["number"] for each in await world.history(table)] == [5, 3, 9]
    assert [each["number"] for each in await world.history(table, limit=2)] == [3, 9]


async def test_columns_are_chosen_and_json_is_pruned(world: World) -> None:
    table = await world.table(rows.row(0, value=1, extra={"a": {"b": 1, "c": 2}, "d": 3}))

    (found,) = await world.history(table, columns=["extra", "value"], columnPaths=["extra.a.b", "extra.x", "value.y"])

    assert found == {"extra": {"a": {"b": 1}, "x": None}, "value": 1, "tsp": 0, "device_key": 42, "authid": "S"}
    assert await code_of(world.history(table, columns=["nothing"])) == "42703"


async def test_the_latest_row_of_each_entity(world: World) -> None:
    stored = [
        rows.row(0, name="a", number=1),
        rows.row(1 * SECOND, name="a", number=2),
        rows.row(2 * SECOND, name="b", number=3),
        rows.row(3 * SECOND, name=None, number=4),
    ]
    table = await world.table(*stored, entity_key=("name",))
    query = history_query(({"limit": 100},))

    async def numbers(*nodes: Any, **asked: Any) -> list[int]:
        return [each["number"] for each in await world.history(table, filterAnd=[{"latest": True}, *nodes], **asked)]

    assert await numbers() == [2, 3]
    assert await numbers({"column": "name", "operator": "=", "value": "a"}) == [2]
    assert await numbers({"column": "number", "operator": "=", "value": 1}) == []  # applies to what was picked
    assert await numbers(timeRange=[0, 1_000]) == []
    assert await numbers(limit=1) == [3]
    assert await numbers(limit=1, offset=1) == [2]
    found = await world.reading.latest(world.backend, table, query, None)
    assert [each["number"] for each in found] == [2, 3]


async def test_the_latest_row_of_a_table_without_entities_is_one(world: World) -> None:
    table = await world.table(*(rows.row(at * SECOND, number=at) for at in range(5)))

    async def numbers(**asked: Any) -> list[int]:
        return [each["number"] for each in await world.history(table, **asked)]

    latest = {"column": "latest_flag", "operator": "=", "value": True}
    below = {"column": "number", "operator": "<", "value": 3}
    assert await numbers(filterAnd=[latest], offset=2) == [4]
    assert await numbers(filterAnd=[latest, below]) == [2]
    assert await numbers(filterAnd=[{"combinator": "OR", "filters": [latest, below]}]) == [2]


async def test_an_entity_may_have_json_in_its_key(world: World) -> None:
    stored = [rows.row(at * SECOND, extra={"id": at % 2}, number=at) for at in range(4)]
    table = await world.table(*stored, entity_key=("extra", "device_key"))

    found = await world.history(table, filterAnd=[{"latest": True}], columns=["number"], columnPaths=["extra.id"])

    assert [(each["number"], each["extra"]) for each in found] == [(2, {"id": 0}), (3, {"id": 1})]


async def test_the_current_user_is_the_person_who_reads(world: World) -> None:
    table = await world.table(rows.row(0, authid="5", name="5"), rows.row(1, authid="S", name="6"))
    mine = [{"column": "authid", "operator": "IS CURRENT USER"}]

    assert len(await world.history(table, "5", filterAnd=mine)) == 1
    assert await world.history(table, "7", filterAnd=mine) == []
    assert await world.history(table, None, filterAnd=mine) == []


async def test_secret_columns_are_hidden_and_no_condition(world: World) -> None:
    table = await world.table(rows.row(0, hidden="ifsec:1:k:x"), rows.row(1))
    query = history_query(({"limit": 10, "columns": ["hidden"]},))

    found = await world.reading.sealed(world.backend, table, query, None)

    assert [each["hidden"] for each in found] == [None, "ifsec:1:k:x"]  # the newest first
    hidden = [{"column": "hidden", "operator": "IS NOT NULL"}]
    assert await code_of(world.history(table, filterAnd=hidden)) == "secret_column"


async def test_many_rows_come_a_few_at_a_time_newest_first(world: World) -> None:
    table = await world.table(*(rows.row(at * SECOND, number=at) for at in range(150)))
    query = history_query(({"limit": 140},))

    batches = [batch async for batch in world.reading.stream(world.backend, table, query, None)]

    assert [len(batch) for batch in batches] == [8] * 17 + [4]
    assert [each["number"] for batch in batches for each in batch] == list(range(149, 9, -1))


async def test_a_connection_is_of_use_again_where_nobody_reads_to_the_end(world: World) -> None:
    table = await world.table(*(rows.row(at * SECOND, number=at) for at in range(150)))
    query = history_query(({"limit": 140},))
    for _ in range(8):  # more than the pool has
        stream = world.reading.stream(world.backend, table, query, None)
        assert len(await anext(stream)) == 8
        await stream.aclose()

    assert len(await world.history(table)) == 100


@pytest.mark.parametrize(
    "name", ["a" * 60, "select", "order", "error-logs", 'q"uote', "per%cent", "%s", "ünïcode", "a.b"]
)
async def test_tables_of_any_name_are_read(world: World, name: str) -> None:
    table = await world.table(rows.row(0, name="x"), name=name)

    assert len(await world.history(table, filterAnd=[{"column": "name", "operator": "LIKE", "value": "%"}])) == 1


async def test_a_table_that_is_not_made_yet_is_told_as_the_database_says_it(world: World) -> None:
    assert await code_of(world.history(rows.table("nowhere"))) == "42P01"


async def test_a_statement_that_takes_too_long_is_not_the_clients_fault(world: World) -> None:
    table = await world.table(rows.row(0))
    await world.run("ALTER TABLE readings RENAME TO kept")
    await world.run("CREATE VIEW readings AS SELECT kept.* FROM kept, pg_sleep(20)")
    async with world.connections.connection(world.backend) as connection:
        await connection.execute("SET statement_timeout = '50ms'")

    with pytest.raises(psycopg.errors.QueryCanceled):
        await world.history(table)


HOURLY = Table("hourly", {"hour": Column("hour", "timestamp", ""), "mean": Column("mean", "numeric", "")})


async def test_a_transform_is_read_in_its_own_order_reversed(world: World) -> None:
    await world.table(*(rows.row(at * SECOND, value=at / 2) for at in range(5)))
    await world.run(
        "CREATE VIEW hourly AS SELECT tsp AS hour, value AS mean, interval '1 min' AS span"
        " FROM readings ORDER BY tsp DESC"
    )

    async def means(**asked: Any) -> list[Any]:
        found = await world.reading.view(world.backend, HOURLY, history_query(({"limit": 100, **asked},)), None)
        return [each["mean"] for each in found]

    assert await means() == [0, 0.5, 1, 1.5, 2]
    assert await means(limit=2) == [1.5, 2]
    assert await means(limit=2, offset=1) == [1, 1.5]
    assert await means(filterAnd=[{"column": "mean", "operator": ">", "value": 1}]) == [1.5, 2]
    # It has no column but those that it declares, and neither times nor columns apply.
    others = [{"column": "device_key", "operator": "=", "value": 0}, {"column": "span", "operator": "IS NULL"}]
    assert await means(filterAnd=others, timeRange=[10**15, None], columns=["nothing"]) == [0, 0.5, 1, 1.5, 2]
    found = await world.reading.view(world.backend, HOURLY, history_query(({"limit": 1},)), None)
    assert found == [{"hour": 4_000, "mean": 2, "span": 60}]
    assert await code_of(world.reading.view(world.backend, HOURLY, history_query(({"limit": 3_001},)), None)) == (
        "invalid_limit"
    )


async def test_a_transform_whose_rows_are_too_large_is_refused(world: World) -> None:
    asked = {"limit": 3_000}
    for number, octets in ((1, 9 * 1024 * 1024), (100, 1024 * 1024)):
        view = f"hourly AS SELECT repeat('x', {octets}) AS x FROM generate_series(1, {number})"  # noqa: S608 - ours
        await world.run(f"CREATE OR REPLACE VIEW {view}")
        with pytest.raises(Refusal) as caught:
            await world.reading.view(world.backend, HOURLY, history_query((asked,)), None)
        assert caught.value.uri == "sys.dataservice.error.result_too_large"
        assert caught.value.wire_kwargs["tablename"] == "hourly"
        assert len(
            await world.reading.view(world.backend, HOURLY, history_query(({"limit": number // 10},)), None)
        ) == (number // 10)


async def test_secret_columns_of_a_transform_are_hidden(world: World) -> None:
    await world.run("CREATE VIEW hourly AS SELECT 'x'::text AS mean, NULL::text AS hour")
    columns = {
        "mean": Column("mean", "string", "", is_secret=True),
        "hour": Column("hour", "string", "", is_secret=True),
    }
    query = history_query(({"limit": 1},))

    assert await world.reading.view(world.backend, Table("hourly", columns), query, None) == [
        {"mean": HIDDEN, "hour": None}
    ]
