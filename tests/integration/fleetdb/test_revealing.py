"""Secrets in clear: for the app itself alone, and not often."""

from typing import Any

import pytest
from attrs import define, evolve, field

from services.fleetdb.errors import Refusal
from services.fleetdb.keys import Keyring
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.queries import HistoryQuery, Span, VerifyQuery
from services.fleetdb.records.tables import TIME, Column, Table
from services.fleetdb.revealing import REVEALS, VERIFICATIONS, Revealing
from services.fleetdb.rules.queries import history_query
from services.fleetdb.secrets import Secrets
from tests.integration.fleetdb.plain import PlainConnections

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TABLE = Table(
    "accounts",
    {
        TIME: Column(TIME, "timestamp", "args[0].tsp"),
        "name": Column("name", "string", "args[0].name"),
        "token": Column("token", "string", "args[0].token", is_secret=True),
        "pin": Column("pin", "string", "args[0].pin", is_secret=True),
    },
)
QUERY = HistoryQuery(10, 0, Span(None, None), (), (), ())
Rows = list[dict[str, Any]]


@define
class Stored:
    """Rows as they are stored, and what was asked for."""

    rows: Rows = field(factory=list)
    asked: list[HistoryQuery] = field(factory=list)

    async def sealed(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """Copies of the rows, with the columns asked for."""
        self.asked.append(query)
        assert reader is None
        names = query.columns or tuple(table.columns)
        return [{name: value for name, value in row.items() if name in (TIME, *names)} for row in self.rows]


@define
class Clock:
    """Seconds."""

    now: float = 1000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def secrets(keyring: Keyring) -> Secrets:
    return Secrets(keyring)


@pytest.fixture
def revealing(stored: Stored, secrets: Secrets, clock: Clock) -> Revealing:
    return Revealing(stored, secrets, lambda: clock.now)


async def test_rows_are_revealed_as_they_come_newest_first(
    revealing: Revealing, stored: Stored, secrets: Secrets, backend: Backend
) -> None:
    clear = [{TIME: 2, "name": "b", "token": "t2", "pin": None}, {TIME: 1, "name": "a", "token": "t1", "pin": "p1"}]
    stored.rows = [await secrets.seal(backend, TABLE, row) for row in clear]

    assert await revealing.reveal(backend, TABLE, QUERY, authid="serial", role="app") == clear
    assert stored.asked == [QUERY]


@pytest.mark.parametrize(
    ("candidate", "match"), [("t0", True), ("t7", True), ("t", False), ("", False), ("p1", False), ("\u2603", False)]
)
async def test_a_candidate_matches_where_any_of_the_rows_holds_it(
    revealing: Revealing, stored: Stored, secrets: Secrets, backend: Backend, *, candidate: str, match: bool
) -> None:
    rows = [{TIME: number, "name": "a", "token": f"t{number}", "pin": "p1"} for number in range(8)]
    stored.rows = [await secrets.seal(backend, TABLE, row) for row in rows]
    stored.rows.append({TIME: 9, "name": "a", "token": None, "pin": None})

    answer = await revealing.verify(backend, TABLE, VerifyQuery("token", candidate, QUERY), authid="serial", role="app")

    assert answer == {"match": match, "checked": 9}
    assert stored.asked == [evolve(QUERY, columns=("token",))]


async def test_a_value_that_does_not_open_matches_nothing(
    revealing: Revealing, stored: Stored, backend: Backend
) -> None:
    stored.rows = [{TIME: 1, "token": "ifsec:1:lost:AAAA"}]

    for candidate in ("", "None", "ifsec:1:lost:AAAA"):
        query = VerifyQuery("token", candidate, QUERY)
        assert not (await revealing.verify(backend, TABLE, query, authid="serial", role="app"))["match"]


@pytest.mark.parametrize("column", ["name", "tsp", "device_key", "none", "x" * 1000])
async def test_another_column_cannot_be_verified(revealing: Revealing, backend: Backend, column: str) -> None:
    with pytest.raises(Refusal) as refused:
        await revealing.verify(backend, TABLE, VerifyQuery(column, "a", QUERY), authid="serial", role="app")

    assert refused.value.uri == "sys.dataservice.error.not_a_secret_column"


@pytest.mark.parametrize(
    "role", ["app_reader", "board_reader", "board_writer", "svc_fleetdb", "swarm_device", "", "App"]
)
async def test_nobody_but_the_app_itself_reads_secrets(
    revealing: Revealing, stored: Stored, backend: Backend, role: str
) -> None:
    with pytest.raises(Refusal) as revealed:
        await revealing.reveal(backend, TABLE, QUERY, authid="serial", role=role)
    with pytest.raises(Refusal) as verified:
        await revealing.verify(backend, TABLE, VerifyQuery("token", "a", QUERY), authid="serial", role=role)

    assert {revealed.value.uri, verified.value.uri} == {"wamp.error.not_authorized"}
    assert stored.asked == []


async def test_each_device_may_reveal_and_verify_so_often_a_minute(
    revealing: Revealing, backend: Backend, clock: Clock
) -> None:
    async def reveal(authid: str, of: Backend = backend) -> bool:
        try:
            await revealing.reveal(of, TABLE, QUERY, authid=authid, role="app")
        except Refusal as refused:
            assert refused.uri == "sys.dataservice.error.rate_limited"  # noqa: PT017 - which one is the point
            return False
        return True

    async def verify(authid: str) -> bool:
        try:
            await revealing.verify(backend, TABLE, VerifyQuery("token", "a", QUERY), authid=authid, role="app")
        except Refusal as refused:
            assert refused.uri == "sys.dataservice.error.rate_limited"  # noqa: PT017 - which one is the point
            return False
        return True

    assert [await reveal("one") for _ in range(REVEALS + 2)] == [True] * REVEALS + [False] * 2
    assert [await verify("one") for _ in range(VERIFICATIONS + 1)] == [True] * VERIFICATIONS + [False]
    assert await reveal("other")
    assert await reveal("one", evolve(backend, backend_key=backend.backend_key + 1))
    clock.now += 59
    assert not await reveal("one")
    clock.now += 2
    assert await reveal("one")


async def test_rows_of_a_real_table_are_revealed_newest_first_and_never_picked_by_a_secret(
    secrets: Secrets,
    backend: Backend,
    connections: PlainConnections,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with connections.transaction(backend) as connection:
        await connection.execute(
            "CREATE TABLE accounts (tsp timestamptz, name text, token text, pin text, device_key bigint, authid text,"
            " _row bigint GENERATED ALWAYS AS IDENTITY)"
        )
        for number in range(3):
            values = await secrets.seal(backend, TABLE, {"token": f"t{number}", "pin": None})
            await connection.execute(
                "INSERT INTO accounts VALUES (to_timestamp(%s), 'a', %s, NULL, 7, 'serial')", [number, values["token"]]
            )
    reading = Reading(connections)
    revealing = Revealing(reading, secrets, lambda: clock.now)

    query = history_query([{"limit": 2, "columns": ["token"]}])
    revealed = await revealing.reveal(backend, TABLE, query, authid="serial", role="app")
    assert revealed == [
        {"token": "t2", "pin": None, "tsp": 2_000, "device_key": 7, "authid": "serial"},
        {"token": "t1", "pin": None, "tsp": 1_000, "device_key": 7, "authid": "serial"},
    ]
    assert {row["token"] for row in await reading.history(backend, TABLE, query, None)} == {"__secret__"}
    checked = VerifyQuery("token", "t1", history_query([{"limit": 100, "offset": 1}]))
    assert await revealing.verify(backend, TABLE, checked, authid="serial", role="app") == {"match": True, "checked": 2}
    monkeypatch.setattr("services.fleetdb.reading.MOST_SEALED", 100)
    with pytest.raises(Refusal) as too_large:
        await revealing.verify(backend, TABLE, checked, authid="serial", role="app")
    assert too_large.value.uri == "sys.dataservice.error.result_too_large"
    by_secret = history_query([{"limit": 2, "filterAnd": [{"column": "token", "operator": "=", "value": "t1"}]}])
    for refusing in (
        revealing.reveal(backend, TABLE, by_secret, authid="serial", role="app"),
        revealing.verify(backend, TABLE, VerifyQuery("pin", "1", by_secret), authid="serial", role="app"),
    ):
        with pytest.raises(Refusal) as refused:
            await refusing
        assert refused.value.uri == "sys.dataservice.error.secret_column"
