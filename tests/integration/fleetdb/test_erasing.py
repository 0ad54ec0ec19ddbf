"""Rows of a device that is out of service, deleted from real tables under a backend's own login; realms stands in."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal, cast
from uuid import uuid4

import msgspec
import psycopg
import pytest
import pytest_asyncio
from attrs import evolve, field, frozen
from psycopg import sql

from services.fleetdb import erasing as erasing_module
from services.fleetdb.erasing import Erasing
from services.fleetdb.live import LiveRealm, Offer
from services.fleetdb.making import Making
from services.fleetdb.procedures.erasures import ErasureProcedures
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.erasures import EraseDevice, ErasedRows
from services.fleetdb.records.tables import Made
from services.fleetdb.retention import Retention
from services.fleetdb.store import erasing as store
from services.fleetdb.transforms import Transforms
from services.fleetdb.writing import Writing
from shared.bus import Bus
from shared.database import Database
from shared.errors import NotAuthorizedError, UnavailableError
from shared.identities import ServiceIdentity
from shared.templates import Template
from tests.integration.fleetdb.plain import PROJECT_KEY, Plain, PlainConnections
from tests.integration.fleetdb.templates import NOW, at, column, row

pytestmark = [pytest.mark.real, pytest.mark.asyncio]
GONE, OTHER = 42, 43
TEMPLATE = msgspec.convert(
    {
        "data": {
            "tables": [
                {
                    "tablename": "readings",
                    "columns": [{"id": "tsp", "dataType": "timestamp"}, column("speed", "numeric")],
                    "downsample": {"interval": "1 minute", "measures": [{"source": "speed", "methods": ["max"]}]},
                },
                {"tablename": "notes", "columns": [{"id": "tsp", "dataType": "timestamp"}, column("text", "string")]},
            ],
            "transforms": [
                {
                    "tablename": "fastest",
                    "columns": [{"id": "tsp", "dataType": "timestamp"}, column("speed", "numeric")],
                    "sql": "SELECT max(tsp) AS tsp, max(speed) AS speed FROM readings",
                    "schedule": "0 0 1 1 *",
                    "materialize": True,
                },
                {
                    "tablename": "share",
                    "columns": [{"id": "tsp", "dataType": "timestamp"}, column("speed", "numeric")],
                    "sql": "SELECT now() AS tsp, 1 / (count(*) - 30) AS speed FROM readings",
                    "schedule": "0 0 1 1 *",
                    "materialize": True,
                },
            ],
        }
    },
    Template,
)


class Realms:
    """Says which backends the project has."""

    def __init__(self) -> None:
        self.standing: list[dict[str, Any]] = []
        self.is_away = False

    def has(self, backend: Backend, state: str = "ready", *, is_moving: bool = False) -> None:
        """One more."""
        told = {"backend_key": backend.backend_key, "app_key": backend.app_key, "app_name": backend.app_name}
        self.standing.append({**told, "stage": backend.stage.value, "state": state, "is_moving": is_moving})

    async def call(self, uri: str, *, project_key: int) -> dict[str, Any]:
        """`ironflock.realms.backend.of_project`."""
        assert (uri, project_key) == ("ironflock.realms.backend.of_project", PROJECT_KEY)
        if self.is_away:
            raise UnavailableError("away")
        return {"backends": self.standing}


class Telling:
    """Nobody listens to transforms here."""

    async def rows(self, *_: object) -> None:
        """Told."""

    async def problem(self, *_: object) -> None:
        """Told."""


@frozen
class World:
    """A backend with rows of two devices, and what deletes them."""

    backend: Backend
    plain: Plain
    realms: Realms
    served: list[LiveRealm]
    erasing: Erasing
    writing: Writing
    retention: Retention
    offer: Offer
    connections: PlainConnections
    carried: asyncio.Lock
    asked: EraseDevice = field(factory=lambda: EraseDevice(uuid4(), 1, PROJECT_KEY, GONE))

    async def write(self, table: str, device: int, *values: dict[str, Any]) -> None:
        made = self.offer.tables[table]
        await self.writing.append(self.backend, made, [row(made, each, device_key=device) for each in values])

    async def erase(self, round_: Literal[1, 2] = 1) -> ErasedRows:
        """As often as it takes."""
        asked = evolve(self.asked, round=round_)
        for _ in range(100):
            answer = await self.erasing.erase(asked)
            if not answer.is_more:
                return answer
        raise AssertionError("it does not come to its end")

    def devices(self, table: str) -> set[int]:
        """Whose rows are in the table."""
        with self.plain.connect() as connection:
            statement = sql.SQL("SELECT DISTINCT device_key FROM {}")
            found = connection.execute(statement.format(sql.Identifier(self.backend.schema, table)))
            return {int(key) for (key,) in found.fetchall()}

    def value(self, query: str) -> Any:
        with self.plain.connect() as connection:
            connection.execute(f'SET search_path = "{self.backend.schema}"'.encode())
            found = connection.execute(query.encode()).fetchone()
            return found[0] if found else None


@pytest_asyncio.fixture(name="world")
async def fixture_world(
    make_backend: Callable[..., Backend], connections: PlainConnections, fleetdb_database: Database, plain: Plain
) -> World:
    backend = make_backend(TEMPLATE)
    made = await Making(connections).make(backend)
    transforms = Transforms(fleetdb_database, connections, Reading(connections), Telling())
    await transforms.make(backend)
    offer, realms = Offer(made.tables), Realms()
    realms.has(backend)
    served = [LiveRealm(backend, offer)]
    locks = defaultdict[int, asyncio.Lock](asyncio.Lock)
    erasing = Erasing(cast("Bus", realms), lambda: served, connections, transforms, alone_with=locks.__getitem__)
    world = World(
        backend,
        plain,
        realms,
        served,
        erasing,
        Writing(connections),
        Retention(connections),
        offer,
        connections,
        locks[backend.backend_key],
    )
    for device in (GONE, OTHER):
        await world.write("readings", device, *({"tsp": at(-n), "speed": device + n / 100} for n in range(30)))
        await world.write("notes", device, {"tsp": at(0), "text": "hot"})
    return world


def counts(answer: ErasedRows) -> dict[str, int]:
    return {each.table: each.rows for each in answer.tables}


async def test_what_the_device_wrote_goes_and_what_others_wrote_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE", 7)
    await world.retention.tend(world.backend, Made(world.offer.tables, ()), NOW)
    assert world.devices("readings_ds") == {GONE, OTHER}

    answer = await world.erase()

    assert answer.is_done
    found = counts(answer)
    assert (found["readings"], found["notes"], found["error-logs"]) == (30, 1, 0)
    assert found["readings_ds"] >= 1
    for table in ("readings", "readings_ds", "notes"):
        assert world.devices(table) == {OTHER}
    assert world.value("SELECT count(*) FROM readings") == 30


async def test_the_last_round_takes_what_came_meanwhile_and_makes_views_anew(world: World) -> None:
    with world.plain.connect() as connection:
        connection.execute(f'REFRESH MATERIALIZED VIEW "{world.backend.schema}"."fastest"'.encode())
    await world.erase()
    late = {"tsp": at(-1000), "speed": 900}
    await world.write("readings", GONE, late)
    before = await world.erase()
    assert counts(before)["readings"] == 30  # that round looks at nothing twice

    answer = await world.erase(2)

    assert (answer.is_done, counts(answer)["readings"]) == (True, 31)
    assert world.devices("readings") == {OTHER}
    assert float(world.value("SELECT speed FROM fastest")) == OTHER + 0.29


async def test_a_view_that_cannot_be_made_anew_goes(world: World) -> None:
    assert world.value("SELECT count(*) FROM share") == 1

    answer = await world.erase(2)

    assert answer.is_done
    assert world.value("SELECT to_regclass('share')") is None
    assert world.value("SELECT to_regclass('fastest')") is not None


async def test_pieces_end_with_their_time_and_the_next_call_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE", 2)
    monkeypatch.setattr(erasing_module, "WORKS_FOR_S", 0.0)
    begun = await world.erasing.erase(world.asked)
    assert (begun.is_done, "readings" in counts(begun)) == (False, False)  # they come after `notes`

    answer = await world.erase()

    assert (answer.is_done, counts(answer)["readings"]) == (True, 30)
    assert counts(await world.erase())["readings"] == 30  # asked again, it counts nothing twice


async def test_a_table_of_an_older_release_is_looked_through_too(world: World) -> None:
    del world.offer.tables["notes"]

    await world.erase()

    assert world.devices("notes") == {OTHER}


async def test_what_a_backend_has_put_into_its_schema_runs_as_its_own_login(world: World) -> None:
    with world.plain.connect() as connection:
        owner = f"o_{world.backend.schema[2:]}"
        told = f'INSERT INTO "{world.backend.schema}"."_who" VALUES (session_user)'  # noqa: S608 - a name of ours
        for statement in (
            f'SET ROLE "{owner}"',
            f'CREATE TABLE "{world.backend.schema}"."_who" (login text)',
            f'CREATE RULE tell AS ON DELETE TO "{world.backend.schema}"."notes" DO ALSO {told}',
        ):
            connection.execute(statement.encode())

    await world.erase()

    assert world.value('SELECT min(login) || max(login) FROM "_who"') == world.backend.login * 2


@pytest.mark.parametrize(
    ("state", "reason"),
    [("closed", "uninstalled"), ("wanted", "not_ready"), ("ready", "not_ready"), ("dropped", "being_deleted")],
)
async def test_a_backend_that_is_not_served_is_left_and_said(
    world: World, make_backend: Callable[..., Backend], state: str, reason: str
) -> None:
    world.realms.has(make_backend(None, app_key=77, app_name="saw"), state)

    answer = await world.erase()

    assert not answer.is_done
    assert [(each.app_name, each.reason) for each in answer.left] == [("saw", reason)]
    assert counts(answer)["readings"] == 30


async def test_a_backend_that_cannot_be_reached_is_left_and_gone_through_later(world: World) -> None:
    gone = evolve(world.backend, schema="s_nothing", backend_key=world.backend.backend_key + 10**6)
    world.realms.has(gone)
    world.served.append(LiveRealm(gone, world.offer))

    answer = await world.erase()

    assert [each.reason for each in answer.left] == ["unreachable"]
    world.realms.standing.pop()
    assert (await world.erase()).is_done


async def test_devices_alone_asks_for_it(world: World) -> None:
    surface = ErasureProcedures(world.erasing)
    with pytest.raises(NotAuthorizedError):
        await surface.device_erase(ServiceIdentity("tunnels", 1), world.asked)
    assert world.devices("notes") == {GONE, OTHER}
    world.realms.is_away = True
    with pytest.raises(UnavailableError):
        await surface.device_erase(ServiceIdentity("devices", 1), world.asked)


async def test_a_statement_has_no_more_than_a_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAGE", 10)
    schema = world.backend.schema
    async with world.connections.transaction(world.backend) as connection:
        await store.begin(connection, schema)
        assert not await store.erase_page(connection, schema, "readings", world.asked)
        (first,) = [rows for name, rows in (await store.erased_list(connection, schema, world.asked.request)).items()]
    assert 0 < first <= 10
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with world.connections.transaction(world.backend) as connection:
            await store.erase_page(connection, schema, 'readings"; DROP TABLE "notes', world.asked)


async def test_while_a_backend_moves_nothing_goes_since_it_may_be_there_already(world: World) -> None:
    world.realms.standing.clear()
    world.realms.has(world.backend, is_moving=True)

    answer = await world.erase()

    assert ([each.reason for each in answer.left], answer.is_done, answer.is_more) == (["moving"], False, False)
    assert GONE in world.devices("readings")


async def test_while_its_rows_are_carried_nothing_goes_and_afterwards_all(world: World) -> None:
    async with world.carried:
        assert [each.reason for each in (await world.erase()).left] == ["not_ready"]
        assert GONE in world.devices("readings")

    assert (await world.erase()).is_done
    assert world.devices("readings") == {OTHER}
