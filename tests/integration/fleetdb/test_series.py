"""Series as clients get them, and against sums made in plain Python."""

import asyncio
import math
from collections.abc import Iterator
from decimal import Decimal
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.errors import Refusal
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.queries import series_query
from tests.integration.fleetdb import oracle, rows
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.rows import EXAMPLES

pytestmark = [pytest.mark.real]
SECOND = 1_000_000
TABLE = rows.table()
METRICS = [
    ("value", ("AVG", "SUM", "COUNT", "MIN", "MAX", "FIRST", "LAST")),
    ("number", ("AVG", "SUM", "MIN", "MAX")),
    ("name", ("COUNT", "MIN", "MAX", "FIRST", "LAST")),
    ("is_on", ("COUNT", "FIRST", "LAST")),
    ("seen", ("MIN", "MAX", "LAST")),
    ("tsp", ("COUNT",)),
    ("device_key", ("MAX",)),
    ("extra", ("COUNT", "LAST")),
    ("extra.n", ("AVG", "SUM", "COUNT", "MIN", "MAX", "FIRST", "LAST")),
    ("extra['a key']", ("COUNT", "LAST")),
]
ALL_METRICS = [{"ref": ref, "method": method} for ref, methods in METRICS for method in methods]
LEAVES = st.none() | st.sampled_from([0, 1, 2, 0.5, True, "1", "0.5", "a", ""])
ROWS = st.lists(
    st.builds(
        rows.row,
        tsp=st.integers(-2 * SECOND, 6 * SECOND) | st.integers(-2, 6).map(lambda second: second * SECOND),
        value=st.none() | st.sampled_from([-1, 0, 1, 0.5, 0.25, 1e10]),
        number=st.none() | st.sampled_from([-1, 0, 1, 2**40]),
        name=st.none() | st.sampled_from(["", "a", "b", "B", "ä"]),
        is_on=st.none() | st.booleans(),
        seen=st.none() | st.integers(0, 3).map(lambda second: second * SECOND),
        extra=st.none() | st.fixed_dictionaries({}, optional={"n": LEAVES, "a key": LEAVES}),
        device_key=st.integers(1, 2),
    ),
    max_size=15,
)
WHOLE = st.fixed_dictionaries(
    {
        "metrics": st.lists(st.sampled_from(ALL_METRICS), min_size=1, max_size=6),
        "limit": st.integers(1, 5),
        "timeRange": st.tuples(st.integers(-2_500, 1_000), st.integers(1_001, 6_000)).map(list),
    },
    optional={
        "bucketMs": st.integers(1_000, 3_000),
        "groupBy": st.lists(st.sampled_from(["name", "device_key", "is_on", "extra.n", "seen"]), max_size=2),
        "filterAnd": st.sampled_from(
            [
                [],
                [{"column": "device_key", "operator": "=", "value": 1}],
                [{"column": "extra.n", "operator": ">", "value": 0}],
            ]
        ),
    },
)


def without_grouped(asked: dict[str, Any]) -> dict[str, Any]:
    """No column is both summed up and a group."""
    kept = [each for each in asked["metrics"] if each["ref"] not in asked.get("groupBy", [])]
    return {**asked, "metrics": kept or [{"ref": "tsp", "method": "COUNT"}]}


ASKED = WHOLE.map(without_grouped)


@pytest.fixture(scope="module")
def world(plain: Plain) -> Iterator["World"]:
    made = World(plain)
    yield made
    made.close()
    plain.remove(made.backend)


class World:
    """One backend with one table, for all the examples of a run."""

    def __init__(self, plain: Plain) -> None:
        self.backend: Backend = plain.make()
        self._connections = PlainConnections(plain)
        self._reading = Reading(self._connections)
        self._runner = asyncio.Runner()
        self._runner.run(self._make())

    async def _make(self) -> None:
        async with self._connections.connection(self.backend) as connection:
            await rows.make(connection, self.backend, TABLE)

    def fill(self, *stored: dict[str, Any]) -> None:
        """Have exactly these rows."""
        self._runner.run(self._fill(stored))

    async def _fill(self, stored: Any) -> None:
        async with self._connections.connection(self.backend) as connection:
            await rows.fill(connection, self.backend, TABLE, stored)

    def run(self, statement: str) -> None:
        """Do it as the backend's own login."""
        self._runner.run(self._run(statement))

    async def _run(self, statement: str) -> None:
        async with self._connections.connection(self.backend) as connection:
            await connection.execute(statement.encode())

    def series(self, table: Table = TABLE, **asked: Any) -> list[dict[str, Any]]:
        """What a client is answered."""
        query = series_query(({"limit": 10, **asked},))
        return self._runner.run(self._reading.series(self.backend, table, query, None))

    def close(self) -> None:
        """End the connections."""
        self._runner.run(self._connections.close())
        self._runner.close()


def expected(stored: list[dict[str, Any]], asked: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    """By bucket and groups, what is to be answered."""
    start, end = (bound * 1_000 for bound in asked["timeRange"])
    width = round((end - start) / asked["limit"])
    if "bucketMs" in asked:
        bucket = asked["bucketMs"] * 1_000
        width = bucket * math.ceil(math.ceil((end - start) / bucket) / asked["limit"])
    query = {"limit": 10_000, "filterAnd": asked.get("filterAnd", [])}
    groups = list(dict.fromkeys(asked.get("groupBy", [])))
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in oracle.history(stored, query, TABLE, None):
        if start <= row["tsp"] < end:
            begin = start + (row["tsp"] - start) // width * width
            found.setdefault((begin // 1_000, *(value_of(row, ref) for ref in groups)), []).append(row)
    return {
        key: {
            f"{each['method']}:{each['ref']}": aggregated(each["method"], each["ref"], members)
            for each in asked["metrics"]
        }
        for key, members in found.items()
    }


def value_of(row: dict[str, Any], ref: str) -> Any:
    """As the wire has it; what is at a path is text."""
    base, path = oracle._split(ref)
    value = oracle._at(row[base], path)
    if path:
        return None if value is None else oracle._text(value)
    return value // 1_000 if base in ("seen", "tsp") and value is not None else value


def aggregated(method: str, ref: str, members: list[dict[str, Any]]) -> Any:
    values = [value_of(row, ref) for row in members]
    if method in ("FIRST", "LAST"):
        return values[0 if method == "FIRST" else -1]
    if "." in ref and method != "COUNT":
        values = [
            None if (number := oracle._number(value)) is None else float(number)
            for value in values
            if value is not None
        ]
    there = [value for value in values if value is not None]
    if method == "COUNT":
        return len(there)
    if not there:
        return None
    if method in ("MIN", "MAX"):
        return min(there) if method == "MIN" else max(there)
    return fmean(there) if method == "AVG" else sum(there)


def without_documents(values: dict[str, Any]) -> dict[str, Any]:
    """With JSON as text: `approx` looks into nothing."""
    return {name: repr(sorted(value.items())) if isinstance(value, dict) else value for name, value in values.items()}


@EXAMPLES
@given(stored=ROWS, asked=ASKED)
def test_the_database_sums_up_what_the_oracle_does(world: World, stored: list[dict[str, Any]], asked: Any) -> None:
    world.fill(*stored)
    numbered = [{**each, "_row": at} for at, each in enumerate(stored)]
    groups = list(dict.fromkeys(asked.get("groupBy", [])))

    answer = world.series(**asked)

    wanted = expected(numbered, asked)
    assert [row["tsp"] for row in answer] == sorted(row["tsp"] for row in answer)
    found = {(row.pop("tsp"), *(row.pop(ref) for ref in groups)): row for row in answer}
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert without_documents(found[key]) == pytest.approx(without_documents(values)), key


def test_buckets_begin_at_the_start_and_empty_ones_are_absent(world: World) -> None:
    world.fill(*(rows.row(at * SECOND, value=at) for at in (0, 1, 2, 9)))

    found = world.series(metrics=[{"ref": "value", "method": "SUM"}], limit=5, timeRange=[1_500, 11_500])

    assert found == [{"tsp": 1_500, "SUM:value": 2}, {"tsp": 7_500, "SUM:value": 9}]


def test_an_open_end_is_now(world: World) -> None:
    world.fill(rows.row(0, value=1), rows.row(4_000_000_000 * SECOND, value=2))  # one of the year 2096

    (found,) = world.series(metrics=[{"ref": "tsp", "method": "COUNT"}], limit=1, timeRange=[0, None])

    assert found == {"tsp": 0, "COUNT:tsp": 1}


def test_sums_that_no_number_of_json_is_are_null(world: World) -> None:
    world.fill(*(rows.row(0, value=Decimal("1.7e308"), number=2**63 - 1) for _ in range(2)))

    (found,) = world.series(
        metrics=[
            {"ref": "value", "method": "SUM"},
            {"ref": "value", "method": "MAX"},
            {"ref": "number", "method": "SUM"},
        ],
        timeRange=[0, 1_000],
    )

    assert found == {"tsp": 0, "SUM:value": None, "MAX:value": 1.7e308, "SUM:number": 2.0**64}


def test_names_with_a_percent_sign_are_names(world: World) -> None:
    world.fill(rows.row(0, extra={"%s": 1, "%(p0)s": 2}))

    found = world.series(
        metrics=[{"ref": "extra['%s']", "method": "SUM"}], groupBy=["extra['%(p0)s']"], timeRange=[0, 1_000]
    )

    assert found == [{"tsp": 0, "extra['%(p0)s']": "2", "SUM:extra['%s']": 1}]


def test_rows_that_are_too_large_are_refused_before_they_are_read(world: World) -> None:
    letters = 3 * 2**20
    world.fill()
    document = f"json_build_object('a', repeat('x', {letters}))"
    world.run(f"INSERT INTO readings (tsp, extra) VALUES ('epoch', {document})")  # noqa: S608 - a number of ours
    one = {"ref": "extra.a", "method": "FIRST"}
    spellings = [{"ref": ref, "method": "LAST"} for ref in ("extra['a']", 'extra["a"]', "extra[a]")]

    assert len(world.series(metrics=[one], timeRange=[0, 1_000])[0]["FIRST:extra.a"]) == letters
    with pytest.raises(Refusal) as caught:
        world.series(metrics=[one, *spellings], timeRange=[0, 1_000])

    assert caught.value.uri == "sys.dataservice.error.result_too_large"
    assert caught.value.wire_kwargs["bytes"] == 4 * letters


def test_rows_that_are_too_large_together_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleetdb.store.series.MAX_VIEW_OCTETS", 2_500)
    world.fill(*(rows.row(at * SECOND, name="x" * 1_000) for at in range(3)))
    asked: dict[str, Any] = {"metrics": [{"ref": "name", "method": "MAX"}], "limit": 3}

    assert len(world.series(**asked, timeRange=[0, 2_000])) == 2
    with pytest.raises(Refusal) as caught:
        world.series(**asked, timeRange=[0, 3_000])

    assert caught.value.uri == "sys.dataservice.error.result_too_large"


def test_more_than_fifty_thousand_rows_are_refused(world: World) -> None:
    world.fill()
    world.run("INSERT INTO readings (tsp, number) SELECT 'epoch', n FROM generate_series(1, 50000) AS n")
    asked: dict[str, Any] = {"metrics": [{"ref": "tsp", "method": "COUNT"}], "groupBy": ["number"], "timeRange": [0, 1]}
    assert len(world.series(**asked)) == 50_000
    world.run("INSERT INTO readings (tsp, number) VALUES ('epoch', 0)")

    with pytest.raises(Refusal) as caught:
        world.series(**asked)

    assert caught.value.uri == "sys.dataservice.error.series_too_many_groups"


@pytest.mark.parametrize(
    "span", [["0001-01-01T00:00:00Z", None], [0, 10**17], ["0001-01-01", "9999-12-31T23:59:59.999Z"]]
)
@pytest.mark.parametrize("more", [{}, {"bucketMs": 1_000}, {"bucketMs": 1e300}])
def test_the_longest_spans_are_summed_up(world: World, span: list[Any], more: dict[str, Any]) -> None:
    world.fill(rows.row(0, value=1))

    (found,) = world.series(metrics=[{"ref": "value", "method": "LAST"}], limit=10_000, timeRange=span, **more)

    assert found["LAST:value"] == 1
