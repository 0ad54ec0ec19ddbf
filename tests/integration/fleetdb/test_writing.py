"""Rows are stored all or none, and answered as readers see them."""

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import psycopg
import pytest
import pytest_asyncio
from autobahn.wamp.serializer import CBORObjectSerializer, JsonObjectSerializer, MsgPackObjectSerializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from services.fleetdb.errors import Refusal
from services.fleetdb.making import Making
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import HIDDEN, Table
from services.fleetdb.rules.values import shown
from services.fleetdb.store import rows as store
from services.fleetdb.writing import Writing
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.templates import DEVICE, SERIAL, at, column, row, rows, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

TYPES = ("numeric", "bigint", "timestamp", "string", "boolean", "json")
MAX_OCTETS: Final = 11 * 1024 * 1024
TEMPLATE = template(
    {
        "tablename": "t",
        "columns": [*(column(f"c_{name}", name) for name in TYPES), column("token", "string", secret=True)],
    },
    {
        "tablename": "entity",
        "maintainLatestFlagFor": ["device_key", "name"],
        "columns": [
            column("name", "string"),
            column("a", "numeric"),
            column("b", "json"),
            column("at", "timestamp"),
            column("token", "string", secret=True),
        ],
    },
    {"tablename": "summed", "columns": [column("a", "numeric")], "downsample": {}},
)


class World:
    """A backend with its tables."""

    def __init__(self, backend: Backend, tables: dict[str, Table], connections: PlainConnections) -> None:
        self.backend = backend
        self.tables = tables
        self.connections = connections
        self.writing = Writing(connections)

    async def append(self, table: str, *values: dict[str, Any]) -> list[dict[str, Any]]:
        made = self.tables[table]
        return await self.writing.append(self.backend, made, [row(made, each) for each in values])

    async def read(self, table: str) -> list[dict[str, Any]]:
        """What a reader sees, in the order in which it came."""
        made = self.tables[table]
        names = [*made.columns, "device_key", "authid"]
        async with self.connections.connection(self.backend) as connection:
            statement = sql.SQL("SELECT {} FROM {} ORDER BY _row").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table)
            )
            cursor = await connection.execute(statement)
            found = await cursor.fetchall()
        return [
            {
                name: shown(made.columns[name], value) if name in made.columns else value
                for name, value in zip(names, values, strict=True)
            }
            for values in found
        ]

    async def count(self, table: str) -> int:
        return len(await self.read(table))


@pytest_asyncio.fixture
async def world(make_backend: Callable[..., Backend], connections: PlainConnections) -> World:
    backend = make_backend(TEMPLATE)
    made = await Making(connections).make(backend)
    assert made.problems == ()
    return World(backend, made.tables, connections)


async def test_what_is_answered_is_what_readers_see(world: World) -> None:
    (told,) = await world.append(
        "t",
        {"tsp": at(0), "c_numeric": "3.5", "c_bigint": 7, "c_timestamp": 1, "c_string": "x\ty", "c_boolean": "yes",
         "c_json": {"a": [1, None]}, "token": "open"},
    )  # fmt: skip

    assert told == (await world.read("t"))[0]
    assert told["c_numeric"] == 3.5
    assert told["c_timestamp"] == 1
    assert told["c_boolean"] is True
    assert told["token"] == HIDDEN
    assert (told["device_key"], told["authid"]) == (DEVICE, SERIAL)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 99, 100, 1_000])
async def test_rows_keep_their_order_however_many_they_are(world: World, count: int) -> None:
    told = await world.append("t", *({"tsp": at(-n), "c_bigint": n, "c_string": "a\\b\n\r\t\\N"} for n in range(count)))

    assert [each["c_bigint"] for each in told] == list(range(count))
    assert told == await world.read("t")


NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([2**53 + 1, 7e-06, 1e300, -0.0, 5e-324, 1.7976931348623157e308, 2.0**63, 0.1, 2**64])
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    ["\\N", "\\.", "\t\n\r\\", "%s", "{}", "NULL", "", " ", "ifsec", "é", "e\u0301", "\U0001f600"]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "c_numeric": NUMBERS,
        "c_bigint": st.integers(-(2**63), 2**63 - 1),
        "c_timestamp": st.integers(-62_135_596_800_000, 253_402_300_799_999)
        | st.integers(0, 4 * 10**15).map(lambda microseconds: microseconds / 1_000),
        "c_string": TEXTS,
        "c_boolean": st.booleans(),
        "c_json": JSON,
    },
)
WIRES = (MsgPackObjectSerializer(), JsonObjectSerializer(), CBORObjectSerializer())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(ROWS, min_size=1, max_size=30))
async def test_what_is_taken_comes_back_equal(world: World, written: list[dict[str, Any]]) -> None:
    """By the feed and by reading, over each of the wire's serializers."""
    before = await world.count("t")

    told = await world.append("t", *({"tsp": at(0), **each} for each in written))

    read = (await world.read("t"))[before:]
    assert read == told
    for wire in WIRES:
        (received,) = wire.unserialize(wire.serialize(read))
        for sent, back in zip(written, received, strict=True):
            assert {key: back[key] for key in sent} == sent, wire.NAME


async def test_10_mib_come_back(world: World) -> None:
    large = "ü\\" * (MAX_OCTETS // 3)

    for copies in (1, 30):
        await world.append("t", {"tsp": at(0), "c_string": large}, *({"tsp": at(n)} for n in range(1, copies)))
        assert (await world.read("t"))[-copies]["c_string"] == large


async def test_rows_far_out_are_stored_too(world: World) -> None:
    moments = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "2262-04-11T00:00:00Z", "9999-12-31T23:59:59.999999Z"]

    told = await world.append("t", *({"tsp": moment} for moment in moments))

    assert told == await world.read("t")
    assert told[1]["tsp"] == -500


async def test_a_bad_row_in_a_bulk_leaves_nothing(world: World) -> None:
    table = world.tables["entity"]
    twice = [
        {"tsp": at(0), "name": "x"},
        *({"tsp": at(n), "name": "y"} for n in range(150)),
        {"tsp": at(0), "name": "x"},
    ]

    with pytest.raises(Refusal) as caught:
        await world.writing.append(world.backend, table, rows(table, twice))

    assert caught.value.uri == "sys.dataservice.error.entity_key_conflict"
    assert await world.read("entity") == []


async def test_an_entity_has_one_row_of_a_moment(world: World) -> None:
    await world.append("entity", {"tsp": at(0), "name": "x"})
    await world.append("entity", {"tsp": at(0), "name": "y"})
    await world.append("entity", {"tsp": at(1), "name": "x"})
    await world.append("entity", {"tsp": at(0), "name": None})

    for name in ("x", None):
        with pytest.raises(Refusal) as caught:
            await world.append("entity", {"tsp": at(0), "name": name})
        assert caught.value.uri == "sys.dataservice.error.entity_key_conflict"
    assert await world.count("entity") == 4


async def test_a_row_inherits_what_it_does_not_give(world: World) -> None:
    await world.append("entity", {"tsp": at(0), "name": "x", "a": 7e-06, "b": {"k": [1e300]}, "at": 1, "token": "s"})
    await world.append("entity", {"tsp": at(0), "name": "y", "a": 9})

    (told,) = await world.append("entity", {"tsp": at(1), "name": "x", "a": None})
    (none,) = await world.append("entity", {"tsp": at(1), "name": "z"})

    assert (told["a"], told["b"], told["at"], told["token"]) == (None, {"k": [1e300]}, 1, HIDDEN)
    assert (none["a"], none["b"], none["token"]) == (None, None, None)
    assert await world.read("entity") == [*(await world.read("entity"))[:2], told, none]


@pytest.mark.parametrize("count", [3, 150])
async def test_rows_of_a_bulk_inherit_in_their_order(world: World, count: int) -> None:
    await world.append("entity", {"tsp": at(0), "name": "x", "a": 1, "b": "kept"})

    told = await world.append(
        "entity",
        {"tsp": at(1), "name": "x", "a": 2},
        {"tsp": at(2), "name": None, "a": 5},
        *({"tsp": at(n), "name": "x"} for n in range(2, count - 1)),
        {"tsp": at(count), "name": None},
    )

    assert [(each["a"], each["b"]) for each in told if each["name"] == "x"] == [(2, "kept")] * (count - 2)
    assert told[-1]["a"] == 5
    assert (await world.read("entity"))[1:] == told


async def test_a_late_row_does_not_become_the_newest(world: World) -> None:
    await world.append("entity", {"tsp": at(10), "name": "x", "a": 1})
    await world.append("entity", {"tsp": at(0), "name": "x", "a": 0})

    told = await world.append("entity", {"tsp": at(5), "name": "x", "a": 0}, {"tsp": at(11), "name": "x"})

    assert told[-1]["a"] == 1


async def test_rows_inherit_while_others_write(world: World) -> None:
    """Nobody inherits from a row that another is about to replace as the newest."""
    await world.append("entity", {"tsp": at(0), "name": "x", "a": 0})
    others = [Writing(world.connections) for _ in range(3)]
    table = world.tables["entity"]

    async def write(number: int) -> None:
        values = {"a": number} if number % 2 else {"b": number}
        await others[number % 3].append(world.backend, table, [row(table, {"tsp": at(number), "name": "x", **values})])

    await asyncio.gather(*(write(number) for number in range(1, 31)))

    stored = await world.read("entity")
    assert len(stored) == 31
    newest = max(stored, key=lambda each: each["tsp"])
    assert newest["b"] == 30
    assert all(each["a"] is not None for each in stored)


async def test_many_appends_at_once_are_stored_each_once(world: World) -> None:
    told = await asyncio.gather(*(world.append("t", {"tsp": at(n), "c_bigint": n}) for n in range(500)))

    assert [each["c_bigint"] for (each,) in told] == list(range(500))
    assert sorted(each["c_bigint"] for each in await world.read("t")) == list(range(500))


async def test_a_conflict_is_of_the_one_who_causes_it(world: World) -> None:
    await world.append("entity", {"tsp": at(3), "name": "x"})

    answers = await asyncio.gather(
        *(world.append("entity", {"tsp": at(n), "name": "x"}) for n in range(8)), return_exceptions=True
    )

    assert [isinstance(answer, Refusal) for answer in answers] == [n == 3 for n in range(8)]
    assert await world.count("entity") == 8


async def test_a_key_that_no_index_takes_is_refused(world: World) -> None:
    with pytest.raises(Refusal) as caught:
        await world.append("entity", {"tsp": at(0), "name": "".join(map(chr, range(0x4E00, 0x9000)))})

    assert caught.value.wire_args[0]["code"] == "54000"
    assert await world.count("entity") == 0


async def test_error_logs_are_numbered(world: World) -> None:
    for count in (1, 30):
        told = await world.append(
            "error-logs", *({"tsp": at(n), "msg": f"m{n}", "level": "error"} for n in range(count))
        )
        assert told == (await world.read("error-logs"))[-count:]

    assert [each["id"] for each in await world.read("error-logs")] == list(range(1, 32))


async def test_values_that_cannot_be_are_refused_before_anything_is_stored(world: World) -> None:
    for value in (math.nan, math.inf, 10**300):
        with pytest.raises(Refusal):
            await world.append("t", {"tsp": at(0)}, {"tsp": at(0), "c_numeric": value})
    assert await world.count("t") == 0


class Seals:
    """Stands in for the sealing of secrets."""

    async def seal(self, backend: Backend, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        sealed = {name: f"sealed {value}" for name, value in values.items() if name in table.secret_columns}
        return {name: value for name, value in {**values, **sealed}.items() if value != f"sealed {HIDDEN}"}


async def test_secrets_are_sealed_before_they_are_stored(world: World) -> None:
    world.writing = Writing(world.connections, Seals())

    (told,) = await world.append("t", {"tsp": at(0), "token": "open"})

    async with world.connections.connection(world.backend) as connection:
        cursor = await connection.execute("SELECT token FROM t")
        assert await cursor.fetchall() == [("sealed open",)]
    assert told["token"] == HIDDEN


async def test_a_secret_that_is_to_be_kept_is(world: World) -> None:
    world.writing = Writing(world.connections, Seals())
    await world.append("entity", {"tsp": at(0), "name": "x", "a": 1, "token": "open"})

    for count in (1, 150):
        await world.append("entity", *({"tsp": at(count + n), "name": "x", "token": HIDDEN} for n in range(count)))

    async with world.connections.connection(world.backend) as connection:
        cursor = await connection.execute("SELECT DISTINCT token, a FROM entity")
        assert await cursor.fetchall() == [("sealed open", 1)]
    (told,) = await world.append("entity", {"tsp": at(0), "name": "y", "token": HIDDEN})
    assert told["token"] is None  # there is nothing yet that could be kept


async def test_what_was_known_can_be_forgotten(world: World) -> None:
    await world.append("t", {"tsp": at(0)})
    world.writing.forget(world.backend)

    await world.append("t", {"tsp": at(1)})

    assert await world.count("t") == 2


@pytest.mark.parametrize("piece", [1, 4])
async def test_a_session_that_is_ended_in_the_midst_of_a_bulk_is_away(
    world: World, plain: Plain, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    table = world.tables["summed"]
    made = rows(table, [{"tsp": at(0), "a": n} for n in range(4 * store.PIECE)])
    await world.writing.append(world.backend, table, made[:2])  # its partition
    writes, pieces = store._block, itertools.count(1)

    def end(*given: Any) -> str:
        if next(pieces) == piece:
            with plain.connect() as superuser:
                superuser.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
                    (world.backend.login,),
                )
        return writes(*given)

    monkeypatch.setattr(store, "_block", end)
    with pytest.raises(psycopg.OperationalError):
        await world.writing.append(world.backend, table, made)

    assert await world.count("summed") == 2
