"""Waiting until something may be to do."""

import asyncio

import pytest

from shared.nudge import Nudge

pytestmark = pytest.mark.asyncio
NEVER_S = 3_600.0


async def test_what_was_said_before_is_found_and_is_gone_then() -> None:
    nudge = Nudge()
    nudge.give()
    nudge.give()

    await asyncio.wait_for(nudge.wait(NEVER_S), 30)

    waiting = asyncio.create_task(nudge.wait(NEVER_S))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    nudge.give()
    await asyncio.wait_for(waiting, 30)


async def test_who_is_told_nothing_looks_after_a_while() -> None:
    await asyncio.wait_for(Nudge().wait(0.0), 30)


async def test_who_is_told_to_end_while_it_waits_ends() -> None:
    waiting = asyncio.create_task(Nudge().wait(NEVER_S))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
