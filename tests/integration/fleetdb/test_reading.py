"""History against an oracle: whatever is asked of whatever rows, PostgreSQL answers what plain Python works out."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.queries import history_query
from services.fleetdb.store import history as store
from services.fleetdb.store import newest
from tests.integration.fleetdb import oracle, rows
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.rows import EXAMPLES

pytestmark = [pytest.mark.real]

SECONDS = st.integers(-3, 3)
MOMENTS = st.builds(lambda second, rest: second * 1_000_000 + rest, SECONDS, st.sampled_from([0, 1, 500_000, 999_999]))
NUMBERS = st.sampled_from([-1, 0, 1, 2, 10, 0.5, -0.5, 1e300, 7e-06, 2**53 + 1, 2**63 - 1])
WHOLES = st.sampled_from([-1, 0, 1, 2, 10, 2**53 + 1, -(2**63), 2**63 - 1])
WORDS = st.sampled_from(["", "a", "b", "ab", "a%b", "a_b", "10", "2", "0.5", "true", "ä", "'; --", "\\"])
LEAVES = st.none() | st.sampled_from([0, 1, 2, 0.5, True, False, "1", "0.5", "a", "yes", "off", "", " 2 ", "1e3", "x1"])
EXTRAS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "n": LEAVES,
        "a key": LEAVES,
        "deep": st.fixed_dictionaries({}, optional={"x": LEAVES}),
        "list": st.lists(LEAVES, max_size=2),
        "when": st.sampled_from(
            ["1970-01-01T00:00:01Z", "1970-01-01 00:00:01", "1969-02-30", 1000, "1000", "now", None]
        ),
    },
)
ROWS = st.lists(
    st.builds(
        rows.row,
        tsp=MOMENTS,
        value=st.none() | NUMBERS,
        number=st.none() | WHOLES,
        name=st.none() | WORDS,
        is_on=st.none() | st.booleans(),
        seen=st.none() | MOMENTS,
        extra=EXTRAS,
        hidden=st.none() | st.just("ifsec:1:x"),
        device_key=st.integers(1, 3),
        authid=st.sampled_from(["S", "5"]),
    ),
    min_size=6,
    max_size=16,
)
COLUMNS = st.sampled_from(
    [
        "value",
        "number",
        "name",
        "is_on",
        "seen",
        "tsp",
        "extra",
        "device_key",
        "authid",
        "nothing",
        "nothing.x",
        "name.x",
    ]
)
PATHS = st.sampled_from(
    ["extra.n", "extra['a key']", "extra.deep.x", "extra.list[0]", "extra.none.at.all", 'extra["n"]']
)
VALUES = (
    NUMBERS
    | WORDS
    | st.booleans()
    | st.sampled_from(
        ["1970-01-01T00:00:01Z", "1969-12-31T23:59:59.5Z", 1000, -500, 1.5, '{"n": 1}', "[1]", "null", "no"]
    )
)
PATTERNS = st.sampled_from(["a", "A", "%", "_", "a%", "%b", "a\\%b", "a\\_b", "A_", "\\", "\\\\", "10", "t%", ""])
COMPARISONS = st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="])


def predicates(columns: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    compared = st.fixed_dictionaries({"column": columns, "operator": COMPARISONS}, optional={"value": VALUES})
    sets = st.fixed_dictionaries(
        {"column": columns, "operator": st.sampled_from(["IN", "NOT IN"])},
        optional={"value": st.lists(VALUES, max_size=3) | VALUES},
    )
    bare = st.fixed_dictionaries(
        {"column": columns, "operator": st.sampled_from(["IS NULL", "IS NOT NULL", "IS CURRENT USER"])}
    )
    return compared | sets | bare


LIKES = st.fixed_dictionaries(
    {
        "column": st.sampled_from(["name", "number", "is_on", "authid", "device_key", "extra.n"]),
        "operator": st.sampled_from(["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"]),
    },
    optional={"value": PATTERNS},
)
TYPED = st.fixed_dictionaries(
    {
        "column": st.sampled_from(["extra.n", "extra.when"]),
        "operator": COMPARISONS,
        "value": VALUES,
        "dataType": st.sampled_from(["string", "numeric", "bigint", "boolean", "timestamp", "json", "odd"]),
    }
)
MARKERS = st.sampled_from(
    [{"latest": True}, *({"column": "latest_flag", "operator": "=", "value": each} for each in (True, "true", False))]
)
LEAVES_OF_FILTERS = predicates(COLUMNS) | predicates(PATHS) | LIKES | TYPED | MARKERS
FILTERS = st.recursive(
    LEAVES_OF_FILTERS,
    lambda inner: st.fixed_dictionaries(
        {"combinator": st.sampled_from(["AND", "OR"]), "filters": st.lists(inner, max_size=3)}
    ),
    max_leaves=6,
)
BOUNDS = st.none() | st.sampled_from([-1500, -1, 0, 1, 999, 1000, 1999.9, 10**17, -(10**17)])
ASKED = st.fixed_dictionaries(
    {"limit": st.sampled_from([0, 2, 5, 100, 100])},
    optional={
        "offset": st.integers(0, 3),
        "timeRange": st.lists(BOUNDS, min_size=2, max_size=2)
        | st.sampled_from([["1970-01-01T00:00:00.9Z", None], [None, "1970-01-01T00:00:01.999+00:00"]]),
        "filterAnd": st.lists(FILTERS, max_size=3),
    },
)
TABLES = [
    rows.table("plain_rows"),
    rows.table("entities", entity_key=("name",)),
    rows.table("pairs", entity_key=("device_key", "number")),
    rows.table("indexed", entity_key=("number", "device_key")),
]


class Answering:
    """One backend and its tables, for all the examples of a run."""

    def __init__(self, plain: Plain) -> None:
        self._connections = PlainConnections(plain)
        self._backend = plain.make()
        self._runner = asyncio.Runner()
        self._runner.run(self._make())

    async def _make(self) -> None:
        async with self._connections.connection(self._backend) as connection:
            for table in TABLES:
                await rows.make(connection, self._backend, table)
            await rows.index(connection, self._backend, TABLES[-1])

    def history(self, table: Table, stored: list[dict[str, Any]], asked: list[tuple[Any, str | None]]) -> list[Any]:
        """What the database answers to each of `asked`."""
        return self._runner.run(self._history(table, stored, asked))

    async def _history(self, table: Table, stored: Any, asked: list[tuple[Any, str | None]]) -> list[Any]:
        schema = self._backend.schema
        async with self._connections.connection(self._backend) as connection:
            await rows.fill(connection, self._backend, table, stored)
            return [
                await store.history(connection, schema, table, history_query((query,)), reader=reader)
                for query, reader in asked
            ]

    def close(self) -> Backend:
        """End the connections."""
        self._runner.run(self._connections.close())
        self._runner.close()
        return self._backend


@pytest.fixture(scope="module")
def answering(plain: Plain) -> Any:
    made = Answering(plain)
    yield made
    plain.remove(made.close())


@EXAMPLES
@given(
    table=st.sampled_from(TABLES),
    stored=ROWS,
    asked=st.lists(st.tuples(ASKED, st.none() | st.sampled_from(["5", "S", "1"])), min_size=8, max_size=16),
    few=st.sampled_from([1, 3, newest.FEW]),
)
def test_the_database_answers_what_the_oracle_works_out(
    answering: Answering, *, table: Table, stored: list[Any], asked: list[tuple[dict[str, Any], str | None]], few: int
) -> None:
    numbered = [{**each, "_row": at} for at, each in enumerate(stored)]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(newest, "FEW", few)
        answers = answering.history(table, stored, asked)

    for (query, reader), answer in zip(asked, answers, strict=True):
        expected = [oracle.shown(each, table) for each in oracle.history(numbered, query, table, reader)]
        assert answer == expected, query
