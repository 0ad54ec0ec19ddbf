"""Devices in two cells: files that lead there, and a cell that is away takes nothing of the other one along."""

from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from services.devices.feed import Change
from services.devices.procedures.moving import MovingProcedures
from services.devices.records.apps import NameApp
from services.devices.records.devices import ClaimDevice, MoveDevice, NameDevice, SetClaimable
from shared.cells import FIRST, Cell
from shared.database import Database
from shared.errors import CellAwayError, ConflictError, UnavailableError
from shared.identities import CONTROL_REALM, SYSTEM_REALM, DeviceIdentity
from shared.project_cells import CELL
from shared.rights.records import LockKind
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.devices.world import ANNA, END, KILL_BY_AUTHID, World
from tests.unit.shared.memory_router import MemoryRouter, MemorySession

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CELLS = (Cell(FIRST, "wss://localhost:1/ws-svc"), Cell("south", "wss://localhost:2/ws-svc"))
SOUTH = "wss://south.test:8443"


class TwoCells(World):
    """Project 3 is in the first cell, 4 in the one in the south, whose router is another one."""

    async def join(self) -> None:
        """Both realms of both cells."""
        await super().join()
        self.router.answers[CELL] = lambda *, project_key: (
            {"name": "south", "endpoint": SOUTH} if project_key == 4 else {"name": FIRST, "endpoint": None}
        )
        self.south = MemoryRouter()
        self.south.answers.update({END: lambda **_: 1, KILL_BY_AUTHID: lambda *_: 1})
        self.south.answers["wamp.session.list"] = lambda _roles: list(self.live_south)
        self.live_south: list[int] = []
        self.there: list[MemorySession] = []
        await self.south_comes()

    async def south_comes(self) -> None:
        """That cell is there."""
        for realm in (SYSTEM_REALM, CONTROL_REALM):
            session = await self.south.join(self.bus, realm, 1)
            session.router = self.south
            self.there.append(session)

    def south_goes(self) -> None:
        """Its router is dead."""
        while self.there:
            self.there.pop().lose()

    async def online_in(self, project: int, key: int, session: int) -> None:
        """A device of that project says that it is there."""
        await self.presence.report(DeviceIdentity(project, key, session), cast("Any", "CONNECTED"), {})


@pytest_asyncio.fixture(name="world")
async def fixture_world(devices_database: Database, postgres: Postgres, ca: Path) -> TwoCells:
    made = TwoCells(devices_database, postgres, ca, *CELLS)
    await made.join()
    return made


async def test_a_device_s_file_and_its_apps_name_the_endpoint_of_their_project_s_cell(world: TwoCells) -> None:
    world.realms.installs.add((4, 26, "DEV"))
    here, there = await world.create("a", 3), await world.create("b", 4)

    files = [(await world.people.device_flash(ANNA, NameDevice(each.device_key))).flock for each in (here, there)]
    await world.install(there.device_key)
    environment = await world.apps.app_environment(ANNA, NameApp(there.device_key, 26, "DEV"))

    assert [file["device_endpoint_url"] for file in files] == [
        "wss://localhost:8443/ws-re-dev",
        f"{SOUTH}/ws-re-dev",
    ]
    assert environment.environment["DEVICE_ENDPOINT_URL"] == f"{SOUTH}/ws-re-dev"
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)] == [f"3-{here.device_key}"]
    assert [args[0] for args in world.south.called(KILL_BY_AUTHID)] == [f"4-{there.device_key}"]


async def test_a_flashed_device_cannot_be_moved_to_another_cell_but_be_claimed_there(world: TwoCells) -> None:
    moving = MovingProcedures(world.parts)
    fresh = (await world.create("fresh", 3)).device_key
    assert (await moving.device_move(ANNA, MoveDevice(fresh, 4))).project_key == 4
    key = (await world.create("a", 3)).device_key
    await world.flash(key)

    with pytest.raises(ConflictError) as refused:
        await moving.device_move(ANNA, MoveDevice(key, 4))

    assert refused.value.details()["reason"] == "other_cell"
    assert (await world.show(key)).project_key == 3
    beside = await world.device((await world.create("b", 3)).device_key)
    await world.flash(beside.device_key)
    south = await world.parts.projects.resolve(ANNA, 4)
    with pytest.raises(ConflictError) as refused:
        await world.parts.moving.move(ANNA, beside, south, "anna", None)  # as it was before it was flashed
    assert refused.value.details()["reason"] == "other_cell"
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable(key, is_claimable=True))).claim_code
    world.router.calls.clear()
    world.south.calls.clear()
    claimed = await world.claims.device_claim(ANNA, ClaimDevice(code or "", 4))
    assert claimed.flock["device_endpoint_url"] == f"{SOUTH}/ws-re-dev"
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)] == [f"3-{key}"]
    assert [args[0] for args in world.south.called(KILL_BY_AUTHID)] == [f"4-{key}"]
    for router in (world.router, world.south):
        assert [kwargs for name, _, kwargs in router.calls if name == END] == [
            {"serial": str((await world.device(key)).serial_number)}
        ]


async def test_of_a_cell_that_is_away_nobody_is_taken_for_gone(world: TwoCells) -> None:
    here, there = (await world.create("a", 3)).device_key, (await world.create("b", 4)).device_key
    await world.online_in(3, here, 11)
    await world.online_in(4, there, 21)
    world.live_south = [21]
    world.south_goes()

    await world.presence.keep_true()

    assert (world.status(here), world.status(there)) == (("DISCONNECTED", None), ("CONNECTED", 21))
    world.live_south = []
    await world.south_comes()
    await world.presence.keep_true()
    assert world.status(there) == ("DISCONNECTED", None)


async def test_while_a_cell_is_away_devices_of_the_other_one_are_flashed_and_locked_ones_cut(world: TwoCells) -> None:
    here, there = (await world.create("a", 3)).device_key, (await world.create("b", 4)).device_key
    world.south_goes()

    assert (await world.people.device_flash(ANNA, NameDevice(here))).device.state == "flashed"
    world.router.calls.clear()
    world.rights.lock(LockKind.DEVICE, there)
    world.rights.lock(LockKind.DEVICE, here)
    with pytest.raises(CellAwayError):
        await world.locking.cut()

    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)] == [f"3-{here}"]
    world.rights.unlock()
    with pytest.raises(CellAwayError):
        await world.people.device_flash(ANNA, NameDevice(there))


async def test_while_auth_is_away_moves_that_it_is_not_told_of_are_no_cell_s_absence(world: TwoCells) -> None:
    key = (await world.create("a", 3)).device_key
    await world.flash(key)
    world.postgres.run("UPDATE devices.device SET untold_move = 1")

    with pytest.raises(UnavailableError) as untold:
        await world.parts.moving.keep_up()

    assert not isinstance(untold.value, CellAwayError)


async def test_what_ends_apps_in_one_cell_does_not_wait_for_the_other(world: TwoCells, postgres: Postgres) -> None:
    world.realms.installs.add((4, 26, "DEV"))
    keys = [(await world.create(name, project)).device_key for name, project in (("b", 4), ("a", 3))]
    for key in keys:
        await world.install(key)
    world.south_goes()
    for key in keys:
        await world.apps.app_uninstall(ANNA, NameApp(key, 26, "DEV"))

    await world.app_sessions.keep_up()

    serials = [str((await world.device(key)).serial_number) for key in keys]
    assert {said["serial"] for said in world.cut()} == {serials[1]}
    assert postgres.rows("SELECT DISTINCT serial_number::text FROM devices.app_ending") == [(serials[0],)]
    for _ in range(8):  # it is away for long
        postgres.run("UPDATE devices.app_ending SET due_at = now()")
        await world.app_sessions.keep_up()
    await world.south_comes()

    async def is_told() -> bool:
        await world.app_sessions.keep_up()
        return postgres.rows("SELECT FROM devices.app_ending") == []

    await eventually(is_told, 3, "it is told once it is back")
    assert {kwargs["serial"] for name, _, kwargs in world.south.calls if name == END} == {serials[0]}


async def test_who_watches_hears_on_while_a_cell_is_away_each_change_once_and_looks_anew_when_it_is_back(
    world: TwoCells,
) -> None:
    here = (await world.create("a", 3)).device_key
    with world.feed.watch() as watch:
        watch.follow(frozenset({3}))
        world.feed.tell(Change(device_key=here, project_key=3))
        assert await watch.next_change(5) == Change(device_key=here, project_key=3)
        assert await watch.next_change(0) is None
        world.south_goes()
        await world.online_in(3, here, 11)
        assert await watch.next_change(5) == Change(device_key=here, project_key=3)
        assert await watch.next_change(0) is None

        await world.south_comes()  # where a replica that is there alone may have told of changes before

        with pytest.raises(UnavailableError):
            await watch.next_change(0)
