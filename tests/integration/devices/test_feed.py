"""The live feed: bounded, honest, and no fault of those who change things."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.devices import feed as feed_module
from services.devices.feed import QUEUE_LENGTH, TOPIC, Change, Watch
from shared.errors import OverLimitError, UnavailableError
from shared.identities import SYSTEM_REALM
from tests.integration.devices.world import World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@contextmanager
def following(world: World, *project_keys: int) -> Iterator[Watch]:
    with world.feed.watch() as watch:
        watch.follow(frozenset(project_keys))
        yield watch


async def next_of(watch: Watch) -> Change | None:
    return await watch.next_change(5)


async def test_a_change_reaches_every_watch_of_its_project(world: World) -> None:
    with following(world, 3) as one, following(world, 3, 4) as both:
        world.feed.tell(Change(8, 4))
        world.feed.tell(Change(7, 3))

        assert await next_of(one) == Change(7, 3)
        assert [await next_of(both), await next_of(both)] == [Change(8, 4), Change(7, 3)]


async def test_a_change_of_another_process_is_heard_too(world: World) -> None:
    with following(world, 3) as watch:
        world.router.publish(SYSTEM_REALM, TOPIC, 7, 3)

        assert await next_of(watch) == Change(7, 3)


@pytest.mark.parametrize("event", [("7", 3), (7, None), (7.0, 3), ([7], 3)])
async def test_an_event_of_another_shape_is_left_alone(world: World, event: tuple[object, object]) -> None:
    with following(world, 3) as watch:
        world.router.publish(SYSTEM_REALM, TOPIC, *event)
        world.feed.tell(Change(8, 3))

        assert await next_of(watch) == Change(8, 3)


async def test_a_watch_that_does_not_keep_up_is_ended_and_stays_small(world: World) -> None:
    with following(world, 3) as slow, following(world, 3) as quick:
        for key in range(1, 2 * QUEUE_LENGTH):
            world.feed.tell(Change(key, 3))
            assert await next_of(quick) == Change(key, 3)

        assert slow._queue.qsize() == QUEUE_LENGTH
        with pytest.raises(OverLimitError):
            await next_of(slow)


async def test_the_number_of_watches_is_bounded_and_an_ended_one_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_WATCHES", 2)
    with world.feed.watch():
        with world.feed.watch(), pytest.raises(OverLimitError), world.feed.watch():
            pass
        with world.feed.watch():
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


async def test_what_no_router_took_is_told_once_as_soon_as_one_is_there_again(world: World) -> None:
    world.system.is_lost = True  # gone, and not yet known to be
    world.feed.tell(Change(7, 3))
    world.system.is_lost = False
    world.system.lose()
    for key in (7, 8):
        world.feed.tell(Change(key, 3))

    for _ in range(2):
        await world.join()
        world.system.lose()

    told = [arguments for topic, arguments in world.router.published if topic == TOPIC]
    assert sorted(told) == [(7, 3), (8, 3)]


async def test_without_a_change_in_time_there_is_none(world: World) -> None:
    with following(world, 3) as watch:
        assert await watch.next_change(0.01) is None


async def test_given_a_lost_session_when_the_bus_is_joined_again_then_open_watches_end(world: World) -> None:
    with following(world, 3) as watch:
        world.system.lose()
        await world.join()

        with pytest.raises(UnavailableError):
            await watch.next_change(0.01)


async def test_what_is_followed_can_change(world: World) -> None:
    with following(world, 3) as watch:
        assert watch.follow(frozenset({3, 4}))
        assert not watch.follow(frozenset({4, 3}))
        world.feed.tell(Change(8, 4))

        assert await next_of(watch) == Change(8, 4)


async def test_a_follower_that_is_woken_looks_up_at_once_and_misses_nothing(world: World) -> None:
    with following(world, 3) as watch:
        for _ in range(3):
            watch.wake()
        world.feed.tell(Change(7, 3))

        assert await next_of(watch) is None
        assert await next_of(watch) == Change(7, 3)
        watch.wake()
        assert await next_of(watch) is None


async def test_given_a_full_queue_when_its_follower_is_woken_then_it_is_not_taken_for_slow(world: World) -> None:
    with following(world, 3) as watch:
        for key in range(1, QUEUE_LENGTH + 1):
            world.feed.tell(Change(key, 3))
        watch.wake()

        assert await next_of(watch) == Change(1, 3)
