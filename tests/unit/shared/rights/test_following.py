"""Whoever follows a decision point is woken by what concerns them; locks take what they are on."""

import asyncio

import pytest
from autobahn.wamp.exception import ApplicationError

from shared.errors import UnavailableError
from shared.rights.records import (
    LockKind,
)
from shared.rights.wire import LOCKS
from tests.unit.shared.memory_router import settled
from tests.unit.shared.rights.world import (
    ANNA,
    BERTA,
    CARLA,
    MILL,
    PLANT,
    PRESS,
    World,
    refusal,
    turns,
)

pytestmark = pytest.mark.asyncio


# whoever follows


async def test_whoever_follows_is_woken_by_changes_of_their_person_alone(world: World) -> None:
    woken: list[int] = []
    with (
        world.rights.follow(ANNA, lambda: woken.append(ANNA)) as anna,
        world.rights.follow(BERTA, lambda: woken.append(BERTA)) as berta,
    ):
        await world.rights.holdings(ANNA)
        await world.rights.holdings(BERTA)
        world.say(world.change(ANNA))
        assert woken == [ANNA]
        assert [anna.is_due(), berta.is_due()] == [True, False]
        assert [anna.is_due(), berta.is_due()] == [False, False]
        waiting = asyncio.ensure_future(anna.changed(60.0))
        await turns()
        assert not waiting.done()
        world.say(world.change(BERTA), world.change(ANNA))
        assert await waiting
    world.say(world.change(ANNA))

    assert woken == [ANNA, BERTA, ANNA]


async def test_whoever_is_judged_elsewhere_is_woken_by_what_concerns_everybody_anywhere(world: World) -> None:
    """Nobody knows here what they hold, so that it may be them: a default of their project that is no more."""
    with world.rights.follow(ANNA) as known, world.rights.follow(BERTA) as unknown:
        await world.rights.holdings(ANNA)
        world.say(world.change(domain=MILL, everybody=True))
        assert [known.is_due(), unknown.is_due()] == [False, True]
        world.say(world.change(domain=PLANT, everybody=True))
        assert [known.is_due(), unknown.is_due()] == [True, True]


async def test_a_gap_and_a_lock_wake_everybody(world: World) -> None:
    with world.rights.follow(ANNA) as anna, world.rights.follow(BERTA) as berta:
        world.change(CARLA)
        await world.beat()
        assert [anna.is_due(), berta.is_due()] == [True, True]
        world.say(world.lock(LockKind.PERSON, CARLA))
        await settled(world.bus)
        assert [anna.is_due(), berta.is_due()] == [True, True]


async def test_what_ends_by_itself_is_over_at_that_moment_and_whoever_follows_is_due(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 10)
    with world.rights.follow(BERTA) as following:
        assert await world.sees(BERTA)
        assert world.rights.next_end(BERTA) == world.date + 10
        world.date += 9.9
        assert not following.is_due()
        assert await world.sees(BERTA)
        world.date += 0.1

        assert not await world.sees(BERTA)
        assert following.is_due()
        assert not following.is_due()
        assert world.rights.next_end(BERTA) is None
    assert world.asked() == [BERTA, BERTA]  # nobody is refused by what is kept alone


async def test_an_end_between_two_looks_is_not_missed_however_late_it_was_learnt(world: World) -> None:
    world.grant(BERTA, "READ", ends_at=world.date + 0.3)
    with world.rights.follow(BERTA) as following:
        await world.sees(BERTA)
        world.date += 0.5  # the first look comes after the end
        assert following.is_due()
        world.grant(BERTA, "READ", ends_at=world.date + 0.3)
        world.say(world.change(BERTA))
        assert following.is_due()
        await world.sees(BERTA)
        world.date += 0.5
        assert following.is_due()


async def test_a_lock_that_ends_by_itself_is_an_end_too(world: World) -> None:
    world.say(world.lock(LockKind.PERSON, ANNA, ends_at=world.date + 10))
    await settled(world.bus)
    with world.rights.follow(ANNA) as following:
        assert not await world.sees(ANNA)
        world.date += 10
        assert following.is_due()
        assert await world.sees(ANNA)


# locks


@pytest.mark.parametrize(
    ("kind", "key", "seen"),
    [
        (LockKind.PERSON, ANNA, {"READ": False, "MAINTAIN": False}),
        (LockKind.PERSON, BERTA, {"READ": True, "MAINTAIN": True}),
        (LockKind.DEVICE, PRESS.key, {"READ": True, "MAINTAIN": False}),
        (LockKind.DEVICE, PRESS.key + 1, {"READ": True, "MAINTAIN": True}),
        (LockKind.PROJECT, PLANT.key, {"READ": True, "MAINTAIN": False}),
        (LockKind.PROJECT, MILL.key, {"READ": True, "MAINTAIN": True}),
        (LockKind.API_KEY, str(ANNA), {"READ": True, "MAINTAIN": True}),
    ],
)
async def test_a_lock_takes_what_it_is_on(world: World, kind: LockKind, key: int, seen: dict[str, bool]) -> None:
    told: list[int] = []
    world.rights.on_locks(lambda: told.append(len(world.rights.locks)))

    world.say(world.lock(kind, key))

    assert {flag: await world.sees(ANNA, flag) for flag in seen} == seen
    assert told == [1]
    found = world.rights.find_lock(kind, key)
    assert found is not None
    assert found.key == str(key)
    world.standing_locks = ()
    world.say(world.change(everybody=True, locks=True))
    assert all([await world.sees(ANNA, flag) for flag in seen])
    assert told == [1, 0]


async def test_locks_that_change_while_they_are_read_are_read_again(world: World) -> None:
    gate = world.gate = asyncio.Event()
    world.say(world.lock(LockKind.DEVICE, 1))
    await turns()
    world.gate = None
    world.say(world.lock(LockKind.DEVICE, PRESS.key))
    deciding = asyncio.ensure_future(world.sees(ANNA, "MAINTAIN"))
    await turns()
    assert not deciding.done()
    gate.set()

    assert not await deciding
    assert world.reads_of_locks == 2


@pytest.mark.parametrize("uri", ["wamp.error.no_such_procedure", "wamp.error.canceled", "wamp.error.runtime_error"])
async def test_while_the_locks_cannot_be_read_nothing_is_decided_and_each_beat_tries_again(
    world: World, uri: str
) -> None:
    await world.sees(ANNA)
    world.refusal = ApplicationError(uri, "no")
    world.say(world.lock(LockKind.PERSON, ANNA))
    await settled(world.bus)
    assert isinstance(await refusal(world), UnavailableError)
    await world.beat()
    assert isinstance(await refusal(world), UnavailableError)
    assert world.reads_of_locks == 2

    world.refusal = None
    await world.beat()

    assert not await world.sees(ANNA)
    assert world.reads_of_locks == 3


async def test_locks_of_a_kind_that_is_not_known_here_are_not_taken_for_none(world: World) -> None:
    world.router.answers[LOCKS] = lambda: {"position": 9, "locks": [{"lock_key": 1, "kind": "town", "key": "1"}]}
    world.say(world.change(everybody=True, locks=True))
    await settled(world.bus)

    assert isinstance(await refusal(world), UnavailableError)
