"""A lock ends what is open: at once, after each join of the bus, and for what slipped in beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.errors import UnavailableError
from shared.health import Health
from shared.identities import CONTROL_REALM
from shared.project_cells import CELL
from shared.rights.records import LockKind
from shared.service import forever
from tests.harness.waiting import eventually
from tests.integration.devices.world import END, KILL, KILL_BY_AUTHID, World, refusal

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    task = asyncio.create_task(forever("locking", world.locking.keep_true, Health(), pause_s=0.01))
    try:
        yield
    finally:
        task.cancel()


def cut(world: World) -> list[str]:
    return [args[0] for args in world.router.called(KILL_BY_AUTHID)]


async def until_cut(world: World, expected: list[str]) -> None:
    async def is_cut() -> bool:
        return sorted(cut(world)) == sorted(expected)

    await eventually(is_cut, 1, f"{expected} are cut; {cut(world)} were")


async def test_a_lock_on_a_device_cuts_it_within_a_second_and_no_other(world: World) -> None:
    key = (await world.create("a")).device_key
    await world.create("b")
    async with running(world):
        world.rights.lock(LockKind.DEVICE, key)

        await until_cut(world, [f"3-{key}"])


async def test_a_lock_on_a_project_cuts_all_its_devices_also_those_that_have_said_nothing_yet(world: World) -> None:
    keys = [(await world.create(name)).device_key for name in ("a", "b")]
    await world.create("c", 4)
    await world.online(keys[0], 11)
    async with running(world):
        world.rights.lock(LockKind.PROJECT, 3)

        await until_cut(world, [f"3-{key}" for key in keys])


@pytest.mark.parametrize("kind", [LockKind.PERSON, LockKind.API_KEY])
async def test_other_locks_cut_no_device(world: World, kind: LockKind) -> None:
    await world.create()
    world.rights.lock(kind, 5)
    world.rights.lock(LockKind.DEVICE, 999)
    world.rights.lock(LockKind.PROJECT, "odd")

    await world.locking.cut()

    assert cut(world) == []


async def test_what_came_online_beside_the_lock_is_cut_by_the_next_round(world: World) -> None:
    first, second = [(await world.create(name)).device_key for name in ("a", "b")]
    world.rights.lock(LockKind.PROJECT, 3)
    await world.locking.cut()
    await world.online(second, 12)

    await world.locking.cut()

    assert cut(world) == [f"3-{first}", f"3-{second}", f"3-{second}"]


async def test_what_could_not_be_cut_is_cut_later_also_where_no_agent_is_online(world: World) -> None:
    devices = [await world.create(name) for name in ("a", "b")]
    world.rights.lock(LockKind.PROJECT, 3)
    end = world.router.answers.pop(END)
    with pytest.raises(UnavailableError):
        await world.locking.cut()
    world.router.answers[END] = end
    assert world.cut() == [{"serial": str(device.serial_number)} for device in devices]

    await world.locking.cut()

    assert world.cut() == [{"serial": str(device.serial_number)} for device in devices] * 2


@pytest.mark.parametrize("kind", [LockKind.DEVICE, LockKind.PROJECT], ids=str)
async def test_an_app_that_slipped_in_beside_the_lock_is_cut_by_each_round_while_its_device_is_offline(
    world: World, kind: LockKind
) -> None:
    device = await world.create()
    serial = {"serial": str(device.serial_number)}
    world.rights.lock(kind, device.device_key if kind is LockKind.DEVICE else 3)
    await world.locking.cut()
    assert world.cut() == [serial]

    for _ in range(2):
        await world.locking.cut()

    assert world.cut() == [serial] + 2 * [serial if kind is LockKind.DEVICE else {"project_key": 3}]
    assert cut(world) == [f"3-{device.device_key}"]


async def test_after_a_new_lock_it_is_looked_again_and_again_soon(world: World) -> None:
    await world.create()
    async with running(world):
        world.rights.lock(LockKind.PROJECT, 3)

        async def is_cut_again() -> bool:
            return {"project_key": 3} in world.cut()

        await eventually(is_cut_again, 3, f"apps are cut again; {world.cut()} were")


async def test_the_apps_of_a_project_that_is_gone_or_never_was_are_nobody_s(world: World) -> None:
    def find(*, project_key: int) -> None:
        raise refusal("not_found")

    world.router.answers[CELL] = find
    for key in (999, "odd"):
        world.rights.lock(LockKind.PROJECT, key)

    for _ in range(2):
        await world.locking.cut()

    assert world.cut() == []


async def test_a_lock_that_has_ended_cuts_nobody(world: World) -> None:
    key = (await world.create()).device_key
    world.rights.lock(LockKind.DEVICE, key, ends_at=world.rights.now() - 1)

    await world.locking.cut()

    assert cut(world) == []


async def test_given_the_router_away_when_something_is_locked_then_it_is_cut_as_soon_as_it_is_back(
    world: World,
) -> None:
    key = (await world.create()).device_key
    world.control.lose()
    async with running(world):
        world.rights.lock(LockKind.DEVICE, key)
        with pytest.raises(UnavailableError):
            await world.locking.cut()

        await world.router.join(world.bus, CONTROL_REALM)

        await until_cut(world, [f"3-{key}"])


async def test_after_each_join_of_the_bus_everything_locked_is_cut_again(world: World) -> None:
    key = (await world.create()).device_key
    world.rights.lock(LockKind.DEVICE, key)
    await world.locking.cut()
    await world.locking.cut()
    assert cut(world) == [f"3-{key}"]
    world.control.lose()
    await world.router.join(world.bus, CONTROL_REALM)

    await world.locking.cut()

    assert cut(world) == [f"3-{key}"] * 2


async def test_a_lock_cuts_the_apps_of_its_devices_too(world: World) -> None:
    serials = [str((await world.create(name)).serial_number) for name in ("a", "b")]
    await world.create("c", 4)
    world.rights.lock(LockKind.PROJECT, 3)

    await world.locking.cut()

    assert world.cut() == [{"serial": serial} for serial in serials]


@pytest.mark.parametrize("kind", [LockKind.DEVICE, LockKind.PROJECT])
async def test_a_session_that_begins_while_its_device_is_locked_is_ended(world: World, kind: LockKind) -> None:
    key = (await world.create()).device_key
    device, _ = await world.flash(key)
    world.device_joins(key, 11, device.flash_id)
    await world.settle()
    assert world.router.called(KILL) == []
    world.rights.lock(kind, key if kind is LockKind.DEVICE else 3)

    world.device_joins(key, 12, device.flash_id)
    await world.settle()

    assert [args[0] for args in world.router.called(KILL)] == [12]
