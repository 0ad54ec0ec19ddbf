"""Transforms: their views are made as the app's template says, run when they are due, and tell what fails."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
import pytest_asyncio
from attrs import evolve, field, frozen
from psycopg import sql

from services.fleetdb import transforms as transforms_module
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.transforms import Transform
from services.fleetdb.transforms import Transforms
from shared.database import Database
from shared.errors import OverLimitError, UnavailableError
from shared.templates import Template
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import Plain, PlainConnections

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
SQL = "SELECT a * 2 AS twice FROM measured ORDER BY a"

Rows = list[dict[str, Any]]


def template(*transforms: dict[str, Any], columns: tuple[str, ...] = ("a",)) -> Template:
    """One with a table `measured` and with `transforms`."""
    filled = [
        {
            "tablename": "doubled",
            "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "twice", "dataType": "bigint"}],
            "sql": SQL,
            "schedule": "* * * * *",
            "materialize": False,
            **transform,
        }
        for transform in transforms
    ]
    described = [{"id": name, "dataType": "bigint"} for name in columns]
    tables = [{"tablename": "measured", "columns": [{"id": "tsp", "dataType": "timestamp"}, *described]}]
    return msgspec.convert({"data": {"tables": tables, "transforms": filled}}, Template)


@frozen
class Told:
    """What the app was told; `gate` keeps whoever tells waiting while it is closed."""

    published: list[tuple[str, Rows]] = field(factory=list)
    problems: list[tuple[str, str]] = field(factory=list)
    gate: asyncio.Event = field(factory=asyncio.Event)

    async def rows(self, _: Backend, transform: Transform, rows: Rows) -> None:
        """Note them."""
        await self.gate.wait()
        self.published.append((transform.name, rows))

    async def problem(self, _: Backend, name: str, message: str) -> None:
        """Note it."""
        self.problems.append((name, message))


@pytest.fixture
def told() -> Told:
    made = Told()
    made.gate.set()
    return made


@pytest.fixture
def transforms(fleetdb_database: Database, connections: PlainConnections, told: Told) -> Transforms:
    return Transforms(fleetdb_database, connections, Reading(connections), told)


@pytest_asyncio.fixture
async def measured(backend: Backend, connections: PlainConnections) -> Backend:
    """A backend with a table of three rows."""
    async with connections.connection(backend) as connection:
        await connection.execute("CREATE TABLE measured (tsp timestamptz, a bigint)")
        await connection.execute("INSERT INTO measured SELECT now(), a FROM generate_series(1, 3) AS a")
    return backend


def views_of(plain: Plain, backend: Backend) -> dict[str, str]:
    """The views of the backend's schema and their kinds."""
    with plain.connect() as connection:
        cursor = connection.execute(
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('v', 'm')",
            [backend.schema],
        )
        return {name: kind.decode() if isinstance(kind, bytes) else kind for name, kind in cursor.fetchall()}


async def run(transforms: Transforms, *backends: Backend, now: datetime = NOON) -> None:
    """Let what is due at `now` run to its end."""
    transforms.look(lambda: backends, now)
    await transforms.settle()


@pytest.mark.parametrize(("materialize", "kind"), [(False, "v"), (True, "m")])
async def test_a_view_is_made_and_published_whole_in_its_own_order(
    transforms: Transforms, measured: Backend, told: Told, plain: Plain, *, materialize: bool, kind: str
) -> None:
    backend = evolve(measured, template=template({"materialize": materialize}))

    await transforms.make(backend)
    await run(transforms, backend)

    assert views_of(plain, backend) == {"doubled": kind}
    assert told.published == [("doubled", [{"twice": 2}, {"twice": 4}, {"twice": 6}])]
    assert told.problems == []


@pytest.mark.parametrize("materialize", [False, True])
async def test_each_run_publishes_what_is_there_then(
    transforms: Transforms, measured: Backend, told: Told, connections: PlainConnections, *, materialize: bool
) -> None:
    backend = evolve(measured, template=template({"materialize": materialize}))
    await transforms.make(backend)
    async with connections.connection(backend) as connection:
        await connection.execute("DELETE FROM measured WHERE a > 1")

    await run(transforms, backend)

    assert told.published == [("doubled", [{"twice": 2}])]


async def test_no_more_than_3000_rows_are_published(
    transforms: Transforms, measured: Backend, told: Told, connections: PlainConnections
) -> None:
    backend = evolve(measured, template=template({}))
    await transforms.make(backend)
    async with connections.connection(backend) as connection:
        await connection.execute("INSERT INTO measured SELECT now(), 9 FROM generate_series(1, 5000)")

    await run(transforms, backend)

    assert len(told.published[0][1]) == 3_000


async def test_what_has_not_changed_is_not_made_again(transforms: Transforms, measured: Backend, plain: Plain) -> None:
    backend = evolve(measured, template=template({}))

    def oid() -> object:
        with plain.connect() as connection:
            return connection.execute("SELECT %s::regclass::oid", [f"{backend.schema}.doubled"]).fetchone()

    await transforms.make(backend)
    before = oid()
    await transforms.make(backend)
    assert oid() == before

    await transforms.make(evolve(backend, template=template({}, columns=("a", "b"))))
    assert oid() != before


async def test_another_release_changes_kinds_and_columns_and_drops_what_is_gone(
    transforms: Transforms, measured: Backend, plain: Plain, postgres: Postgres
) -> None:
    await transforms.make(evolve(measured, template=template({}, {"tablename": "other"})))

    await transforms.make(evolve(measured, template=template({"materialize": True, "sql": "SELECT 'x' AS twice"})))

    assert views_of(plain, measured) == {"doubled": "m"}
    assert postgres.rows("SELECT name, is_materialized FROM fleetdb.transform") == [("doubled", True)]


async def test_views_of_views_are_made_in_whatever_order_they_stand(
    transforms: Transforms, measured: Backend, told: Told, plain: Plain
) -> None:
    first = {"tablename": "above", "sql": "SELECT twice FROM doubled"}
    await transforms.make(evolve(measured, template=template(first, {})))
    assert views_of(plain, measured) == {"above": "v", "doubled": "v"}

    changed = {"sql": "SELECT 7::bigint AS twice, now() AS tsp"}
    backend = evolve(measured, template=template(first, changed))
    await transforms.make(backend)
    await run(transforms, backend)

    assert told.problems == []
    assert ("above", [{"twice": 7}]) in told.published


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT nonsense FROM measured", "does not exist"),
        ("SELECT FROM WHERE", "syntax error"),
        ("SELECT 1 AS twice; DROP TABLE measured", "multiple commands"),
        ("SELECT 1 AS twice) ; DROP TABLE measured --", "syntax error"),
        ("WITH gone AS (DELETE FROM measured RETURNING *) SELECT * FROM gone", "data-modifying"),
        ("SELECT * FROM auth.account", "does not exist"),
        ("SELECT usename AS twice FROM pg_catalog.pg_authid", "permission denied|does not exist"),
        ("SELECT pg_read_file('/etc/passwd') AS twice", "permission denied"),
        ("SELECT lo_import('/etc/passwd') AS twice", "permission denied"),
        ("TABLE doubled", "does not exist"),
        ("SELECT '\u2603' AS \"tw\xefce\" FROM missing", "does not exist"),
    ],
)
async def test_a_statement_that_is_none_is_told_to_the_app_and_harms_nothing(
    transforms: Transforms,
    measured: Backend,
    told: Told,
    connections: PlainConnections,
    *,
    statement: str,
    message: str,
) -> None:
    backend = evolve(measured, template=template({"sql": statement}, {"tablename": "well"}))

    await transforms.make(backend)
    if not told.problems:  # a view may be made of what may not be read
        await run(transforms, backend)

    assert [name for name, _ in told.problems] == ["doubled"]
    assert any(part in told.problems[0][1] for part in message.split("|")), told.problems
    await run(transforms, backend, now=NOON + timedelta(minutes=1))
    assert ("well", [{"twice": 2}, {"twice": 4}, {"twice": 6}]) in told.published
    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SELECT count(*) FROM measured")).fetchone() == (3,)


@pytest.mark.parametrize("name", ["pg_class", "select", "tables", "x" * 60])
async def test_its_name_may_be_any_that_templates_take(
    transforms: Transforms, measured: Backend, told: Told, plain: Plain, *, name: str
) -> None:
    backend = evolve(measured, template=template({"tablename": name}))

    for _ in range(2):
        await transforms.make(backend)

    assert told.problems == []
    assert views_of(plain, backend) == {name: "v"}


async def test_a_table_of_that_name_is_left_alone(
    transforms: Transforms, measured: Backend, told: Told, connections: PlainConnections
) -> None:
    await transforms.make(evolve(measured, template=template({"tablename": "measured"})))

    assert told.problems == [("measured", 'relation "measured" already exists')]
    async with connections.connection(measured) as connection:
        assert await (await connection.execute("SELECT count(*) FROM measured")).fetchone() == (3,)


async def test_the_same_problem_is_told_once_until_it_was_well(
    transforms: Transforms, measured: Backend, told: Told, connections: PlainConnections
) -> None:
    backend = evolve(measured, template=template({"sql": "SELECT 6 / a AS twice FROM measured"}))
    await transforms.make(backend)

    async def set_to(value: int) -> None:
        async with connections.connection(backend) as connection:
            await connection.execute("UPDATE measured SET a = %s", [value])

    for minute, value in enumerate([0, 0, 1, 0]):
        await set_to(value)
        await run(transforms, backend, now=NOON + timedelta(minutes=minute))

    assert told.problems == [("doubled", "division by zero")] * 2
    assert len(told.published) == 1


async def test_it_runs_in_its_minutes_once_each(transforms: Transforms, measured: Backend, told: Told) -> None:
    backend = evolve(measured, template=template({"schedule": "*/2 * * * *"}))
    await transforms.make(backend)

    for seconds in range(0, 361, 20):
        await run(transforms, backend, now=NOON + timedelta(seconds=seconds))

    assert len(told.published) == 4


@pytest.mark.parametrize(("minutes", "count"), [(1, 1), (4, 2), (5, 2), (7, 1)])
async def test_what_was_missed_for_less_than_five_minutes_runs_once(
    transforms: Transforms, measured: Backend, told: Told, minutes: int, count: int
) -> None:
    backend = evolve(measured, template=template({"schedule": "0,2 12 * * *"}))
    await transforms.make(backend)
    await run(transforms, backend)

    await run(transforms, backend, now=NOON + timedelta(minutes=minutes))

    assert len(told.published) == count


async def test_the_same_never_runs_twice_at_once(transforms: Transforms, measured: Backend, told: Told) -> None:
    backend = evolve(measured, template=template({}))
    await transforms.make(backend)
    told.gate.clear()

    for minute in range(3):
        transforms.look(lambda: [backend], NOON + timedelta(minutes=minute))
        await asyncio.sleep(0)
    told.gate.set()
    await transforms.settle()

    assert len(told.published) == 1
    await run(transforms, backend, now=NOON + timedelta(minutes=3))
    assert len(told.published) == 2


async def test_one_project_keeps_no_other_one_waiting(
    transforms: Transforms, make_backend: Callable[..., Backend], told: Told
) -> None:
    """However many transforms it has, and however long they take."""
    slow = [{"tablename": f"slow_{number}", "sql": "SELECT pg_sleep(60)"} for number in range(6)]
    greedy = make_backend(template(*slow))
    other = evolve(make_backend(template({"tablename": "quick", "sql": "SELECT 1 AS twice"})), project_key=2**40)
    for backend in (greedy, other):
        await transforms.make(backend)

    transforms.look(lambda: [greedy, other], NOON)

    async def published() -> bool:
        return [name for name, _ in told.published] == ["quick"]

    await eventually(published, 10, "the other project's transform has run")
    await transforms.stop()


async def test_stopping_ends_what_runs(transforms: Transforms, measured: Backend, told: Told) -> None:
    backend = evolve(measured, template=template({}))
    await transforms.make(backend)
    told.gate.clear()
    transforms.look(lambda: [backend], NOON)

    await transforms.stop()

    assert told.published == []
    assert transforms._running == {}


@pytest.mark.parametrize(("error", "told_of"), [(OverLimitError("busy"), 1), (UnavailableError("away"), 0)])
async def test_a_statement_that_takes_too_long_is_told_and_a_server_that_is_away_is_not(
    fleetdb_database: Database,
    connections: PlainConnections,
    measured: Backend,
    told: Told,
    *,
    error: Exception,
    told_of: int,
) -> None:
    class Failing:
        async def view(self, *_: object) -> Rows:
            raise error

    backend = evolve(measured, template=template({}))
    transforms = Transforms(fleetdb_database, connections, Failing(), told)
    await transforms.make(backend)

    await run(transforms, backend)

    assert [message for _, message in told.problems] == [transforms_module.TOO_LONG] * told_of


async def test_two_backends_have_their_own(
    transforms: Transforms, make_backend: Callable[..., Backend], connections: PlainConnections, told: Told
) -> None:
    backends = [make_backend(template({})) for _ in range(2)]
    for number, backend in enumerate(backends):
        async with connections.connection(backend) as connection:
            await connection.execute("CREATE TABLE measured (tsp timestamptz, a bigint)")
            await connection.execute("INSERT INTO measured VALUES (now(), %s)", [number])
        await transforms.make(backend)

    await run(transforms, *backends)

    assert sorted(rows[0]["twice"] for _, rows in told.published) == [0, 2]
    await transforms.forget(backends[0].backend_key)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with connections.connection(backends[0]) as connection:
            await connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(backends[1].schema, "doubled")))


async def test_what_a_statement_sets_for_the_session_does_not_outlast_it_and_no_ciphertext_leaves(
    fleetdb_database: Database, measured: Backend, told: Told, connections: PlainConnections
) -> None:
    statement = "SELECT set_config('statement_timeout', '0', false) AS a, 'ifsec:1:k:AAAA' AS b, NULL AS c"
    backend = evolve(measured, template=template({"sql": statement}))
    transforms = Transforms(fleetdb_database, connections, Reading(connections), told)
    await transforms.make(backend)

    await run(transforms, backend)

    assert told.published == [("doubled", [{"a": "0", "b": "__secret__", "c": None}])]
    async with connections.connection(backend) as connection:
        assert await (await connection.execute("SHOW statement_timeout")).fetchone() == ("30s",)
