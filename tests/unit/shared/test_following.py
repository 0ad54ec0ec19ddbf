"""What another service says is acted upon as it is told, and compared with whenever something can have been missed."""

import asyncio
from typing import Any

import pytest

from shared.bus import Bus
from shared.errors import InternalError, UnavailableError
from shared.following import Following
from shared.identities import SYSTEM_REALM
from tests.harness.waiting import eventually
from tests.unit.shared.memory_router import MemoryRouter

pytestmark = pytest.mark.asyncio

TOPIC = "ironflock.other.thing.changed"
NEVER_S = 3_600.0


class Follower:
    """Counts its comparisons, keeps what it heard; `fails` is raised by the next act."""

    def __init__(self, bus: Bus, *, hears: bool = True, every_s: float = NEVER_S) -> None:
        self.compared = 0
        self.heard: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        hear = self.hear if hears else None
        self.following = Following(bus, TOPIC, compare=self.compare, every_s=every_s, hear=hear)

    async def compare(self) -> None:
        self.act()
        self.compared += 1

    async def hear(self, told: dict[str, Any]) -> None:
        self.act()
        self.heard.append(told)

    def act(self) -> None:
        fails, self.fails = self.fails, None
        if fails is not None:
            raise fails

    async def is_due(self) -> bool:
        try:
            async with asyncio.timeout(0.05):
                await self.following.keep_true()
        except TimeoutError:
            return False
        return True


async def joined(follower: Follower, bus: Bus) -> MemoryRouter:
    """Joined and compared once."""
    router = MemoryRouter()
    await router.join(bus, SYSTEM_REALM)
    assert await follower.is_due()
    return router


async def test_before_a_join_nothing_is_due(bus: Bus) -> None:
    assert not await Follower(bus).is_due()


async def test_after_each_join_everything_is_compared_once(bus: Bus) -> None:
    follower = Follower(bus)
    for joins in (1, 2):
        await joined(follower, bus)

        assert not await follower.is_due()
        assert follower.compared == joins


async def test_it_is_compared_each_so_often_without_any_cause(bus: Bus) -> None:
    follower = Follower(bus, every_s=0.001)

    await follower.following.keep_true()

    assert follower.compared == 1


async def test_an_event_is_acted_upon_and_makes_nothing_due(bus: Bus) -> None:
    follower = Follower(bus)
    router = await joined(follower, bus)

    router.publish(SYSTEM_REALM, TOPIC, key=5)

    async def heard() -> bool:
        return follower.heard == [{"key": 5}]

    await eventually(heard, 5, "it was heard")
    assert not await follower.is_due()


async def test_without_somebody_who_hears_an_event_makes_the_comparison_due(bus: Bus) -> None:
    follower = Follower(bus, hears=False)
    router = await joined(follower, bus)

    router.publish(SYSTEM_REALM, TOPIC, key=5)

    assert await follower.is_due()


async def test_an_event_that_could_not_be_acted_upon_makes_the_comparison_due(bus: Bus) -> None:
    follower = Follower(bus)
    router = await joined(follower, bus)
    follower.fails = UnavailableError("away")

    router.publish(SYSTEM_REALM, TOPIC, key=5)

    async def tried() -> bool:
        return follower.fails is None

    await eventually(tried, 5, "it was tried")
    assert await follower.is_due()
    assert follower.heard == []


@pytest.mark.parametrize("fails", [UnavailableError("away"), InternalError("wrong"), LookupError("a fault")])
async def test_a_comparison_that_failed_is_due_again(bus: Bus, fails: Exception) -> None:
    follower = Follower(bus)
    await MemoryRouter().join(bus, SYSTEM_REALM)
    follower.fails = fails

    with pytest.raises(type(fails)):
        await follower.following.keep_true()

    assert await follower.is_due()
