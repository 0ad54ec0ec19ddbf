"""The live feed: bounded, honest, and no fault of those who change things."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.devices import feed as feed_module
from services.devices.feed import QUEUE_LENGTH, TOPIC, Change
from shared.errors import OverLimitError
from shared.identities import SYSTEM_REALM
from tests.integration.devices.world import World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def next_of(changes: AsyncIterator[Change]) -> Change:
    return await asyncio.wait_for(anext(changes), 5)


async def test_a_change_reaches_every_watch_of_its_project(world: World) -> None:
    with world.feed.watch(frozenset({3})) as one, world.feed.watch(frozenset({3, 4})) as both:
        first, second = one.changes(), both.changes()
        world.feed.tell(Change(8, 4))
        world.feed.tell(Change(7, 3))

        assert await next_of(first) == Change(7, 3)
        assert [await next_of(second), await next_of(second)] == [Change(8, 4), Change(7, 3)]


async def test_a_change_of_another_process_is_heard_too(world: World) -> None:
    with world.feed.watch(frozenset({3})) as watch:
        world.router.publish(SYSTEM_REALM, TOPIC, 7, 3)

        assert await next_of(watch.changes()) == Change(7, 3)


@pytest.mark.parametrize("event", [("7", 3), (7, None), (7.0, 3), ([7], 3)])
async def test_an_event_of_another_shape_is_left_alone(world: World, event: tuple[object, object]) -> None:
    with world.feed.watch(frozenset({3})) as watch:
        world.router.publish(SYSTEM_REALM, TOPIC, *event)
        world.feed.tell(Change(8, 3))

        assert await next_of(watch.changes()) == Change(8, 3)


async def test_a_watch_that_does_not_keep_up_is_ended_and_stays_small(world: World) -> None:
    with world.feed.watch(frozenset({3})) as slow, world.feed.watch(frozenset({3})) as quick:
        changes = quick.changes()
        for key in range(1, 2 * QUEUE_LENGTH):
            world.feed.tell(Change(key, 3))
            assert await next_of(changes) == Change(key, 3)

        assert slow._queue.qsize() == QUEUE_LENGTH
        with pytest.raises(OverLimitError):
            await next_of(slow.changes())


async def test_the_number_of_watches_is_bounded_and_an_ended_one_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_WATCHES", 2)
    with world.feed.watch(frozenset()):
        with world.feed.watch(frozenset()), pytest.raises(OverLimitError), world.feed.watch(frozenset()):
            pass
        with world.feed.watch(frozenset()):
            pass

    assert not world.feed._watches


async def test_given_no_router_when_something_changes_then_it_is_told_to_nobody_and_that_is_no_fault(
    world: World,
) -> None:
    world.system.is_lost = True  # gone, and not yet known to be
    world.feed.tell(Change(7, 3))
    world.system.is_lost = False
    world.system.lose()

    world.feed.tell(Change(7, 3))

    assert (TOPIC, (7, 3)) not in world.router.published
