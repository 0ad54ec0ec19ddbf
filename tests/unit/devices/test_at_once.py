"""Telling several at once."""

import asyncio

import pytest

from services.devices.at_once import AtOnce
from shared.nudge import Nudge

pytestmark = pytest.mark.asyncio
NEVER_S = 3_600.0


class Told:
    """Waits with each until the test lets it end."""

    def __init__(self) -> None:
        """Nothing was told."""
        self.ends = {number: asyncio.get_running_loop().create_future() for number in range(3)}
        self.cancelled: list[int] = []

    async def tell(self, number: int) -> None:
        """As the test says."""
        try:
            await self.ends[number]
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise


async def test_a_place_is_free_as_soon_as_one_has_ended() -> None:
    told = Told()
    async with AtOnce(told.tell, Nudge()) as at_once:
        at_once.begin([0, 1])
        told.ends[1].set_result(None)
        await asyncio.wait_for(at_once.one_ends(NEVER_S), 30)
        assert at_once.under_way == [0]


async def test_a_nudge_or_time_lets_look_for_more_while_all_are_under_way() -> None:
    told, nudge = Told(), Nudge()
    async with AtOnce(told.tell, nudge) as at_once:
        at_once.begin([0])
        nudge.give()
        await asyncio.wait_for(at_once.one_ends(NEVER_S), 30)
        await asyncio.wait_for(at_once.one_ends(0.0), 30)
        assert at_once.under_way == [0]


async def test_what_ends_one_is_raised_and_what_is_under_way_at_the_end_is_given_up() -> None:
    told = Told()
    async with AtOnce(told.tell, Nudge()) as at_once:
        at_once.begin([0, 1, 2])
        told.ends[1].set_exception(LookupError())
        with pytest.raises(LookupError):
            await asyncio.wait_for(at_once.one_ends(NEVER_S), 30)

    assert told.cancelled == [0, 2]


async def test_one_can_wait_until_all_have_ended() -> None:
    told = Told()
    async with AtOnce(told.tell, Nudge()) as at_once:
        at_once.begin([0, 1])
        told.ends[0].set_exception(LookupError())
        told.ends[1].set_result(None)
        await asyncio.wait_for(at_once.all_end(), 30)

    assert told.cancelled == []
