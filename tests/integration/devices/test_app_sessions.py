"""The router hears of every ending until it took it."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.apps import sessions as app_sessions
from services.devices.records.apps import Install
from services.devices.store import apps as store
from shared.errors import UnavailableError
from shared.identities import SYSTEM_REALM
from tests.integration.devices.world import END, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def later(world: World, *, after_s: float = 0.0, count: int = 1) -> list[str]:
    """So many endings are due from then on; the serial numbers."""
    serials = [uuid4() for _ in range(count)]
    async with world.database.transaction() as connection:
        for serial in serials:
            await store.ending_insert(connection, serial, {"app_key": 26}, after_s=after_s)
    world.app_sessions.wake()
    return [str(serial) for serial in serials]


def cut(world: World) -> list[str]:
    """The serial numbers of what was told."""
    assert all(told["app_key"] == 26 for told in world.cut())
    return [told["serial"] for told in world.cut()]


def due(world: World) -> list[tuple[Any, ...]]:
    return world.postgres.rows("SELECT attempts, due_at > now() FROM devices.app_ending ORDER BY ending_key")


async def test_an_ending_is_told_once(world: World) -> None:
    (serial,) = await later(world)

    await world.app_sessions.keep_up()
    await world.app_sessions.keep_up()

    assert cut(world) == [serial]
    assert due(world) == []


async def test_what_is_not_due_is_not_told(world: World) -> None:
    await later(world, after_s=60)

    await world.app_sessions.keep_up()

    assert world.cut() == []
    assert due(world) == [(0, True)]


async def test_more_than_a_batch_is_told(world: World) -> None:
    serials = await later(world, count=app_sessions.BATCH + 5)

    await world.app_sessions.keep_up()

    assert sorted(cut(world)) == sorted(serials)


async def test_what_is_undone_ends_nothing(world: World) -> None:
    async def change() -> None:
        async with world.database.transaction() as connection:
            await world.app_sessions.end_install(connection, uuid4(), Install(3, 26, "DEV"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change()
    await world.app_sessions.keep_up()

    assert world.cut() == []


async def test_given_a_router_away_when_an_ending_is_due_then_it_is_told_as_soon_as_it_is_back(world: World) -> None:
    (serial,) = await later(world)
    world.system.lose()
    with pytest.raises(UnavailableError):
        await world.app_sessions.keep_up()
    assert due(world) == [(0, False)]

    await world.router.join(world.bus, SYSTEM_REALM)
    async with asyncio.timeout(app_sessions.LOOK_EVERY_S / 2):
        await world.app_sessions.keep_up()

    assert cut(world) == [serial]


async def test_given_one_that_is_refused_when_others_are_due_then_they_are_told(world: World) -> None:
    first, second = await later(world, count=2)

    def refuse_the_first(*, serial: str, **_: Any) -> int:
        if serial == first:
            raise ApplicationError("wamp.error.runtime_error", "broken")
        return 1

    world.router.answers[END] = refuse_the_first

    await world.app_sessions.keep_up()

    assert sorted(cut(world)) == sorted([first, second])
    assert due(world) == [(1, True)]


async def test_two_processes_tell_twice_rather_than_never(world: World) -> None:
    (serial,) = await later(world)
    waiting = asyncio.Event()

    async def slowly(**_: Any) -> int:
        await waiting.wait()
        return 1

    world.router.answers[END] = slowly
    both = [asyncio.create_task(world.app_sessions.keep_up()) for _ in range(2)]
    while len(world.cut()) < 2:
        await asyncio.sleep(0.01)
        world.app_sessions.wake()
    waiting.set()
    await asyncio.gather(*both)

    assert cut(world) == [serial] * 2
    assert due(world) == []
