"""A lock cuts what is open: at once, again and again, and whatever is away for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from services.auth.cutting import NEW_FOR_S, Cuts
from services.auth.endings import PROCEDURE
from services.auth.locks import Locks
from services.auth.service_accounts import ServiceAccounts
from shared.errors import UnavailableError
from shared.health import Health
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.rights.decision_point import Rights
from shared.rights.records import LockKind
from shared.rights.wire import CHANGED, LOCKS
from shared.service import forever
from tests.harness.waiting import eventually
from tests.integration.auth.neighbours import KILL_BY_AUTHID, Neighbours
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
KEY = "abcdefghijkl"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@frozen
class Scene:
    """Cuts over a router in memory."""

    people: People
    neighbours: Neighbours
    cuts: Cuts
    clock: Clock

    def told(self) -> list[str]:
        """The credentials whose sessions were ended."""
        return [key for (keys,) in self.neighbours.router.called(PROCEDURE) for key in keys]

    def forget(self) -> None:
        self.neighbours.router.calls.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As auth runs it."""
        task = asyncio.create_task(forever("locks", self.cuts.keep_up, Health(), pause_s=0.01))
        try:
            yield
        finally:
            task.cancel()

    async def sees(self, condition: Callable[[], object], within_s: float = 1.0) -> None:
        async def met() -> object:
            return condition()

        await eventually(met, within_s, "it is cut")


@pytest.fixture
def scene(people: People, neighbours: Neighbours) -> Scene:
    neighbours.router.answers[PROCEDURE] = lambda _: 1
    clock = Clock()
    return Scene(people, neighbours, Cuts(neighbours.bus, people.database, people.rights, clock), clock)


async def test_a_lock_cuts_its_person_their_service_accounts_and_nobody_else(scene: Scene) -> None:
    await scene.neighbours.join()
    anna, _ = await scene.people.join(), await scene.people.join("bert@example.com")
    line = await ServiceAccounts(scene.people.database).create(scene.people.person(anna), "line")
    async with scene.running():
        scene.people.rights.lock(LockKind.PERSON, anna.session.account_key)
        await scene.sees(lambda: len(scene.neighbours.killed()) >= 2)

    assert set(scene.neighbours.killed()) == {str(anna.session.account_key), str(line.account_key)}
    assert scene.told() == []


async def test_a_lock_cuts_an_api_key_and_leaves_devices_to_others(scene: Scene) -> None:
    await scene.neighbours.join()
    async with scene.running():
        scene.people.rights.lock(LockKind.DEVICE, 7)
        scene.people.rights.lock(LockKind.PROJECT, 3)
        scene.people.rights.lock(LockKind.API_KEY, KEY)
        await scene.sees(scene.told)

    assert set(scene.told()) == {KEY}
    assert scene.neighbours.killed() == []


async def test_a_join_that_was_under_way_is_cut_too_and_a_lock_that_ended_cuts_nothing(scene: Scene) -> None:
    await scene.neighbours.join()
    async with scene.running():
        scene.people.rights.lock(LockKind.PERSON, 5)
        await scene.sees(lambda: len(scene.neighbours.killed()) >= 2, within_s=2.0)

    scene.people.rights.unlock()
    scene.forget()
    await scene.cuts.cut()
    assert scene.neighbours.killed() == []


async def test_what_stands_is_told_again_by_whoever_starts_afterwards(scene: Scene) -> None:
    scene.people.rights.lock(LockKind.PERSON, 5)
    scene.people.rights.lock(LockKind.API_KEY, KEY)
    await scene.cuts.cut()
    assert scene.neighbours.router.calls == []

    async with scene.running():
        await scene.neighbours.join()
        await scene.sees(lambda: scene.neighbours.killed() and scene.told())

    assert set(scene.neighbours.killed()) == {"5"}
    assert set(scene.told()) == {KEY}


async def test_old_locks_are_told_at_each_join_and_not_all_the_time(scene: Scene) -> None:
    scene.people.rights.lock(LockKind.PERSON, 5)
    _, control = await scene.neighbours.join()
    await scene.cuts.keep_up()
    scene.clock.now += NEW_FOR_S
    scene.forget()
    async with scene.running():
        with pytest.raises(AssertionError):
            await scene.sees(scene.neighbours.killed, within_s=1.2)

        control.lose()
        await scene.neighbours.router.join(scene.neighbours.bus, CONTROL_REALM)
        await scene.sees(scene.neighbours.killed)


async def test_given_a_router_that_refuses_for_a_while_when_it_is_back_then_everything_is_cut(scene: Scene) -> None:
    await scene.neighbours.join()
    scene.neighbours.goes(KILL_BY_AUTHID)
    scene.people.rights.lock(LockKind.PERSON, 5)
    scene.people.rights.lock(LockKind.API_KEY, KEY)
    with pytest.raises(UnavailableError):
        await scene.cuts.keep_up()
    assert scene.told() == [KEY]
    scene.clock.now += NEW_FOR_S
    scene.forget()

    scene.neighbours.router.answers[KILL_BY_AUTHID] = lambda *_: 1
    async with scene.running():
        await scene.sees(scene.neighbours.killed)


def news(position: int, *changes: int) -> dict[str, Any]:
    """What privileges tells: where the stream stands, and that the locks changed at `changes`."""
    domain = {"kind": "installation", "key": 1}
    told = [{"position": at, "domain": domain, "accounts": [], "locks": True} for at in changes]
    return {"position": position, "changes": told}


async def test_a_lock_that_privileges_tells_of_keeps_out_and_cuts(people: People, neighbours: Neighbours) -> None:
    router, clock = neighbours.router, Clock()
    standing: list[dict[str, Any]] = []
    router.answers[LOCKS] = lambda: {"position": 1, "locks": standing}
    router.answers[PROCEDURE] = lambda _: 1
    rights = Rights(neighbours.bus, Health(), now=people.database_now, clock=clock)
    locks, cuts = Locks(rights), Cuts(neighbours.bus, people.database, rights, clock)
    scene = Scene(people, neighbours, cuts, clock)
    await neighbours.join()
    with pytest.raises(UnavailableError):
        await locks.settle()

    async with scene.running():
        router.publish(SYSTEM_REALM, CHANGED, **news(0))
        assert not await locks.is_out(5)
        standing.append({"lock_key": 1, "kind": "person", "key": "5", "ends_at": people.database_now() + 60})
        router.publish(SYSTEM_REALM, CHANGED, **news(1, 1))
        assert await locks.is_out(5)
        await scene.sees(neighbours.killed)

    clock.now += 6
    with pytest.raises(UnavailableError):
        await locks.is_out(5)
    assert not locks.is_device_out(3, 7)


async def test_a_lock_that_comes_while_another_is_being_read_is_known_without_a_further_word(
    people: People, neighbours: Neighbours
) -> None:
    router, clock = neighbours.router, Clock()
    standing: list[dict[str, Any]] = []
    is_read = asyncio.Event()

    async def answer() -> dict[str, Any]:
        said = list(standing)
        await is_read.wait()
        return {"position": 1, "locks": said}

    router.answers[LOCKS] = answer
    locks = Locks(Rights(neighbours.bus, Health(), now=people.database_now, clock=clock))
    await neighbours.join()
    router.publish(SYSTEM_REALM, CHANGED, **news(0))
    await asyncio.sleep(0)
    standing.append({"lock_key": 1, "kind": "api_key", "key": KEY, "ends_at": None})
    router.publish(SYSTEM_REALM, CHANGED, **news(1, 1))
    is_read.set()

    assert await locks.is_key_out(KEY)
