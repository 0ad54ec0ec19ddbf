"""Exports of tables, on real tables under a backend's own login: auth and realms stand in."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
import pytest_asyncio
from attrs import evolve, field, frozen

from services.fleetdb.exporting import Exporting, Sources
from services.fleetdb.live import LiveRealm, Offer
from services.fleetdb.making import Making
from services.fleetdb.procedures.exports import ExportProcedures
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.records.exports import ExportTable, Head, Piece
from services.fleetdb.store import exports
from services.fleetdb.writing import Writing
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotAuthorizedError, NotFoundError, OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from tests.harness.rights import KnownRights
from tests.integration.database import Postgres
from tests.integration.fleetdb.plain import PROJECT_KEY, PlainConnections
from tests.integration.fleetdb.templates import NOW, column, rows, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
ANNA = Person(5, 11, "key-1")
TEMPLATE = template(
    {"tablename": "readings", "columns": [column("speed", "numeric"), column("pin", "string", secret=True)]}
)
ASKED = ExportTable(PROJECT_KEY, "weather", Stage.DEV, "readings")


class Realms:
    """Says which project somebody means; of all but Anna it knows nothing."""

    async def call(self, uri: str, *, account_key: int, project: int | str) -> dict[str, Any]:
        """One that she has to do with."""
        assert uri == "ironflock.realms.project.resolve"
        if account_key != ANNA.account_key or project not in (PROJECT_KEY, "plant"):
            raise NotFoundError("there is no such project")
        return {"project_key": PROJECT_KEY}


@frozen
class World:
    """A backend that is served, and whoever exports from it."""

    backend: Backend
    rights: KnownRights
    exporting: Exporting
    writing: Writing
    offer: Offer
    heard: list[Any] = field(factory=list)

    async def append(self, *values: dict[str, Any]) -> None:
        table = self.offer.tables["readings"]
        await self.writing.append(self.backend, table, rows(table, list(values)))

    async def export(self, asked: ExportTable = ASKED, by: Person = ANNA) -> list[dict[str, Any]]:
        self.heard.clear()
        answer = await ExportProcedures(self.exporting).backend_export(by, asked, self.heard.append)
        found = [row for each in self.heard if isinstance(each, Piece) for row in each.rows]
        assert answer.rows == len(found)
        return found


@pytest_asyncio.fixture(name="world")
async def fixture_world(
    make_backend: Callable[..., Backend], connections: PlainConnections, fleetdb_database: Database
) -> World:
    backend, rights = make_backend(TEMPLATE), KnownRights()
    rights.give(ANNA.account_key, PROJECT_KEY, AssetKind.DATA_BACKEND, backend.backend_key, "READ")
    offer = Offer((await Making(connections).make(backend)).tables)
    sources = Sources(cast("Bus", Realms()), fleetdb_database, rights, lambda: [LiveRealm(backend, offer)], connections)
    return World(backend, rights, Exporting(sources), Writing(connections), offer)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


async def test_all_rows_leave_oldest_first_and_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_ROWS", 7)
    moments = [n // 20 - (n % 3) * 1e-6 for n in range(50)]
    await world.append(*({"tsp": at(moment).isoformat(), "speed": n} for n, moment in enumerate(moments)))

    found = await world.export()

    wanted = sorted(range(50), key=lambda n: (moments[n], n))
    assert [row["speed"] for row in found] == wanted
    assert world.heard[0] == Head(["tsp", "speed", "pin", "device_key", "authid"])
    assert max(len(each.rows) for each in world.heard[1:]) == 7


async def test_a_piece_ends_with_what_is_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_OCTETS", 300)
    await world.append(*({"tsp": at(n).isoformat(), "speed": n} for n in range(20)))

    found = await world.export()

    assert [row["speed"] for row in found] == list(range(20))
    assert len(world.heard) > 5


async def test_it_may_be_a_part_of_time(world: World) -> None:
    await world.append(*({"tsp": at(n).isoformat(), "speed": n} for n in range(10)))

    found = await world.export(evolve(ASKED, since=at(2), until=at(5)))

    assert [row["speed"] for row in found] == [2, 3, 4]
    assert await world.export(evolve(ASKED, since=at(100))) == []


async def test_it_is_recorded_before_the_first_row_and_after_the_last(world: World, postgres: Postgres) -> None:
    await world.append({"tsp": at(0).isoformat(), "speed": 1})

    await world.export(evolve(ASKED, since=at(-5)))

    said = "SELECT outcome, actor ->> 'key', asset ->> 'key', project, after FROM audit.queue ORDER BY id"
    key = str(world.backend.backend_key)
    about = {"app_key": world.backend.app_key, "stage": "DEV", "table": "readings", "until": None}
    about["since"] = at(-5).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert postgres.rows(said) == [
        ("intended", "5", key, PROJECT_KEY, {**about, "rows": None}),
        ("done", "5", key, PROJECT_KEY, {**about, "rows": 1}),
    ]


async def test_who_loses_the_right_meanwhile_gets_no_more_and_what_they_got_is_recorded(
    world: World, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_ROWS", 2)
    await world.append(*({"tsp": at(n).isoformat(), "speed": n} for n in range(9)))
    (domain,) = world.rights.known(ANNA.account_key)

    def hear(said: Any) -> None:
        if isinstance(said, Piece):
            world.rights.lose(ANNA.account_key, domain)

    with pytest.raises(NotFoundError):
        await world.exporting.send(ANNA, ASKED, hear)

    ((outcome, count),) = postgres.rows("SELECT outcome, after ->> 'rows' FROM audit.queue WHERE outcome <> 'intended'")
    assert (outcome, count) == ("failed", "2")


async def test_one_that_is_given_up_is_recorded_too(world: World, postgres: Postgres) -> None:
    await world.append(*({"tsp": at(n).isoformat()} for n in range(9)))
    begun = asyncio.Event()
    running = asyncio.create_task(world.exporting.send(ANNA, ASKED, lambda _: begun.set()))
    await begun.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [outcome for _, outcome in postgres.audited()] == ["intended", "failed"]


async def test_what_cannot_be_recorded_does_not_leave(world: World, postgres: Postgres) -> None:
    await world.append({"tsp": at(0).isoformat(), "speed": 1})
    postgres.run("DELETE FROM audit.action WHERE tag = 'data.exported'")
    try:
        with pytest.raises(Exception, match=r"data\.exported"):
            await world.export()
    finally:
        postgres.run("INSERT INTO audit.action VALUES ('data.exported', 'svc_fleetdb')")

    assert world.heard == []


@pytest.mark.parametrize(
    "change",
    [
        {"project": "other"},
        {"app": "saw"},
        {"app": 10**9},
        {"app": "\x00"},
        {"app": "\ud800"},
        {"stage": Stage.PROD},
        {"table": "nothing"},
        {"table": 'readings"; DROP TABLE readings; --'},
        {"table": "readings%s"},
        {"table": "\x00"},
    ],
    ids=str,
)
async def test_what_is_not_there_is_not_found_and_nothing_is_recorded(
    world: World, postgres: Postgres, change: dict[str, Any]
) -> None:
    with pytest.raises(NotFoundError):
        await world.export(evolve(ASKED, **change))

    assert (world.heard, postgres.audited()) == ([], [])


async def test_who_may_export(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.export(by=Person(6, 12))
    (domain,) = world.rights.known(ANNA.account_key)
    world.rights.lose(ANNA.account_key, domain)
    with pytest.raises(NotFoundError):
        await world.export()
    key = world.backend.backend_key
    world.rights.give(ANNA.account_key, PROJECT_KEY, AssetKind.PROJECT, PROJECT_KEY, "READ", "DELETE")
    world.rights.give(ANNA.account_key, PROJECT_KEY, AssetKind.DATA_BACKEND, key, "WRITE", "CONNECT", "UPDATE")
    with pytest.raises((NotFoundError, NotAuthorizedError)):
        await world.export()
    world.rights.is_silent = True
    with pytest.raises(UnavailableError):
        await world.export()


async def test_too_many_at_once_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleetdb.exporting.AT_ONCE", 1)
    refused: list[Any] = []

    async def second() -> None:
        with pytest.raises(OverLimitError) as error:
            await world.exporting.send(ANNA, ASKED, lambda _: None)
        refused.append(error)

    waiting: list[asyncio.Task[None]] = []
    await world.exporting.send(ANNA, ASKED, lambda _: waiting.append(asyncio.create_task(second())))
    await asyncio.gather(*waiting)
    await world.export()

    assert len(refused) == 1
