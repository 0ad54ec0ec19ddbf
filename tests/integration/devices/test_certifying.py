"""What a device that is out of service has written goes too where that is wished; fleetdb stands in."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.certifying import SETTLED_AFTER_S
from services.devices.procedures.decommissions import DecommissionProcedures
from services.devices.records.decommissions import DecommissionDevice, ListDecommissions
from shared.errors import NotFoundError
from tests.integration.devices.test_decommissions import digests
from tests.integration.devices.test_lifecycle import POINTS, well_again
from tests.integration.devices.world import ANNA, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ERASE = "ironflock.fleetdb.device.erase"


class Fleetdb:
    """Deletes ten rows with each call; can be away, stand before something, and let its caller crash."""

    def __init__(self, world: World) -> None:
        self.asked: list[tuple[str, int]] = []
        self.rows = 0
        self.pieces = 2
        self.left: list[dict[str, Any]] = []
        self.is_away = False
        self.crashes = False
        world.router.answers[ERASE] = self.erase

    async def erase(self, *, request: str, round: int, project_key: int, device_key: int) -> dict[str, Any]:  # noqa: A002
        assert (project_key, device_key > 0) == (3, True)
        self.asked.append((request, round))
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        is_more = len([each for each in self.asked if each == (request, round)]) < self.pieces
        is_done = not is_more and not self.left
        self.rows += 10
        if self.crashes:
            raise Crash
        return {"tables": [table(1, self.rows)], "left": self.left, "is_done": is_done, "is_more": is_more}


def table(backend: int, rows: int) -> dict[str, Any]:
    named = {"app_key": 26, "app_name": "press", "stage": "DEV", "table": "readings"}
    return {"backend_key": backend, **named, "rows": rows}


def obstacle(reason: str) -> dict[str, Any]:
    return {"backend_key": 2, "app_key": 77, "app_name": "saw", "stage": "PROD", "reason": reason}


@pytest.fixture(name="fleetdb")
def fixture_fleetdb(world: World) -> Fleetdb:
    return Fleetdb(world)


async def decommission(world: World, key: int) -> Any:
    return await DecommissionProcedures(world.parts).device_decommission(ANNA, DecommissionDevice(key, "delete"))


async def found(world: World, key: int) -> Any:
    page: Any = await DecommissionProcedures(world.parts).decommission_list(ANNA, ListDecommissions(3, key))
    (only,) = page.devices
    return only


def due(world: World) -> None:
    """Time goes by."""
    world.postgres.run("UPDATE devices.decommission SET due_at = clock_timestamp()")


def waits_s(world: World) -> float:
    ((seconds,),) = world.postgres.rows(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM devices.decommission"
    )
    return float(seconds)


def deletions(world: World) -> list[Any]:
    return world.postgres.rows(
        "SELECT outcome, after ->> 'rows' FROM audit.queue WHERE action = 'device_data.deleted' ORDER BY id"
    )


async def test_the_certificate_comes_when_the_rows_are_gone_and_says_how_many(world: World, fleetdb: Fleetdb) -> None:
    key = (await world.create()).device_key
    begun = await decommission(world, key)
    assert (begun.is_pending, begun.certificate, begun.sha256) == (True, None, None)
    assert (world.state(key), deletions(world)) == (None, [("intended", None)])

    await world.parts.erasures.keep_up()
    assert [round_ for _, round_ in fleetdb.asked] == [1, 1]
    assert SETTLED_AFTER_S - 5 < waits_s(world) <= SETTLED_AFTER_S
    await world.parts.erasures.keep_up()
    assert len(fleetdb.asked) == 2  # whoever writes still has time to come to an end
    due(world)
    await world.parts.erasures.keep_up()

    done = await found(world, key)
    assert not done.is_pending
    assert done.certificate["data"] == {
        "deleted": [{"app_key": 26, "app_name": "press", "stage": "DEV", "table": "readings", "rows": 40}]
    }
    assert done.certificate["begun_at"] < done.certificate["ended_at"]
    assert [each.rows for each in done.erased] == [40]
    assert {request for request, _ in fleetdb.asked} == {done.certificate["certificate_id"]}
    assert digests(world) == [(done.sha256, done.certificate["certificate_id"], "5")]
    assert deletions(world) == [("intended", None), ("done", "40")]
    due(world)
    await world.parts.erasures.keep_up()
    assert len(fleetdb.asked) == 4


@pytest.mark.parametrize("reason", ["unreachable", "uninstalled", "not_ready", "being_deleted"])
async def test_given_a_backend_in_the_way_then_it_is_pending_says_so_and_goes_on_later(
    world: World, fleetdb: Fleetdb, reason: str
) -> None:
    key = (await world.create()).device_key
    fleetdb.left = [obstacle(reason)]
    await decommission(world, key)

    await world.parts.erasures.keep_up()
    assert len(fleetdb.asked) == 2  # the others' rows go on going
    for _ in range(6):
        due(world)
        await world.parts.erasures.keep_up()
    due(world)

    pending = await found(world, key)
    assert (pending.is_pending, [each.reason for each in pending.obstacles]) == (True, [reason])
    assert [each.rows for each in pending.erased] == [80]
    await world.parts.erasures.keep_up()
    assert 30 < waits_s(world) <= 60
    fleetdb.left = []
    for _ in range(2):
        due(world)
        await world.parts.erasures.keep_up()
    done = await found(world, key)
    assert (done.is_pending, done.obstacles) == (False, [])


async def test_given_fleetdb_away_or_a_process_that_dies_then_nothing_is_forgotten(
    world: World, fleetdb: Fleetdb
) -> None:
    key = (await world.create()).device_key
    await decommission(world, key)
    fleetdb.is_away = True
    await world.parts.erasures.keep_up()
    assert 1 < waits_s(world) <= 2
    fleetdb.is_away, fleetdb.crashes = False, True
    due(world)
    with pytest.raises(Crash):
        await world.parts.erasures.keep_up()
    fleetdb.crashes = False
    assert 30 < waits_s(world) <= 60  # its lease

    for _ in range(2):
        due(world)
        await asyncio.gather(*(world.parts.erasures.keep_up() for _ in range(3)))

    done = await found(world, key)
    assert not done.is_pending
    assert len(digests(world)) == 1
    assert deletions(world)[-1] == ("done", str(done.erased[0].rows))


async def test_what_a_backend_that_was_dropped_meanwhile_had_lost_is_still_counted(
    world: World, fleetdb: Fleetdb
) -> None:
    key = (await world.create()).device_key
    await decommission(world, key)
    await world.parts.erasures.keep_up()
    world.router.answers[ERASE] = lambda **_: {"tables": [table(9, 1)], "left": [], "is_done": True, "is_more": False}
    due(world)

    await world.parts.erasures.keep_up()

    assert [each.rows for each in (await found(world, key)).erased] == [20, 1]
    assert len(fleetdb.asked) == 2


@pytest.mark.parametrize("point", POINTS)
async def test_given_a_process_that_dies_while_the_device_goes_then_its_rows_go_all_the_same(
    world: World, fleetdb: Fleetdb, point: Any
) -> None:
    key = (await world.create()).device_key
    point(world)
    with pytest.raises(Crash):
        await decommission(world, key)
    well_again(world)
    await world.parts.erasures.keep_up()
    assert fleetdb.asked == []

    await world.lifecycle.repair(older_than_s=0)
    await world.parts.erasures.keep_up()

    assert len(fleetdb.asked) == 2
    assert (await found(world, key)).is_pending


async def test_one_device_is_found_in_its_own_project_alone(world: World, fleetdb: Fleetdb) -> None:
    assert fleetdb.asked == []
    key = (await world.create()).device_key
    await decommission(world, key)
    with pytest.raises(NotFoundError):
        await DecommissionProcedures(world.parts).decommission_list(ANNA, ListDecommissions(9, key))
    page: Any = await DecommissionProcedures(world.parts).decommission_list(ANNA, ListDecommissions(4, key))
    assert page.devices == []
