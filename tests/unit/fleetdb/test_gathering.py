"""Who waits for the same is served together."""

import asyncio
from collections.abc import Sequence

import pytest

from services.fleetdb.gathering import MAX_TOGETHER, MAX_WAITING, Gathering
from shared.errors import OutcomeUnknownError, OverLimitError

pytestmark = pytest.mark.asyncio


LOST = 1_000_000


class Served:
    """Notes what was served together; waits where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def __call__(self, items: Sequence[int]) -> list[str]:
        await self.opened.wait()
        self.batches.append(list(items))
        if LOST in items:
            raise OSError
        if any(item < 0 for item in items):
            raise ValueError(min(items))
        return [str(item) for item in items]


async def test_one_alone_is_served_at_once() -> None:
    served = Served()
    gathering = Gathering(served, ValueError)

    assert await gathering.put(1) == "1"
    assert await gathering.put(2) == "2"
    assert served.batches == [[1], [2]]
    await asyncio.sleep(0)
    assert gathering.is_idle


async def test_those_who_come_meanwhile_are_served_together() -> None:
    served = Served()
    served.opened.clear()
    gathering = Gathering(served, ValueError)
    asked = [asyncio.ensure_future(gathering.put(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked += [asyncio.ensure_future(gathering.put(item)) for item in range(1, MAX_TOGETHER + 3)]
    await asyncio.sleep(0)
    served.opened.set()

    assert await asyncio.gather(*asked) == [str(item) for item in range(MAX_TOGETHER + 3)]
    assert [len(batch) for batch in served.batches] == [1, MAX_TOGETHER, 2]


async def test_nobody_pays_for_another_s_fault() -> None:
    gathering = Gathering(Served(), ValueError)

    answers = await asyncio.gather(*(gathering.put(item) for item in (1, -2, 3)), return_exceptions=True)

    assert answers[0] == "1"
    assert isinstance(answers[1], ValueError)
    assert answers[1].args == (-2,)
    assert answers[2] == "3"


async def test_what_may_have_been_done_is_not_done_twice() -> None:
    served = Served()
    gathering = Gathering(served, ValueError)

    answers = await asyncio.gather(*(gathering.put(item) for item in (1, LOST, 3)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [OSError] * 3
    assert served.batches == [[1, LOST, 3]]
    assert await gathering.put(4) == "4"


async def test_when_all_ends_nobody_waits_for_ever() -> None:
    served = Served()
    served.opened.clear()
    gathering = Gathering(served, ValueError)
    asked = [asyncio.ensure_future(gathering.put(item)) for item in (1, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (serving,) = [task for task in asyncio.all_tasks() if "_serve_all" in repr(task)]
    serving.cancel()

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(answer) for answer in answers] == [OutcomeUnknownError] * 2


async def test_who_gives_up_does_not_stop_it() -> None:
    served = Served()
    served.opened.clear()
    gathering = Gathering(served, ValueError)
    one, other = asyncio.ensure_future(gathering.put(1)), asyncio.ensure_future(gathering.put(2))
    await asyncio.sleep(0)
    one.cancel()
    served.opened.set()

    assert await other == "2"
    assert [item for batch in served.batches for item in batch] == [1, 2]
    assert one.cancelled()


async def test_too_many_are_refused() -> None:
    served = Served()
    served.opened.clear()
    gathering = Gathering(served, ValueError)
    asked = [asyncio.ensure_future(gathering.put(item)) for item in range(MAX_WAITING)]
    await asyncio.sleep(0)
    more = [asyncio.ensure_future(gathering.put(-1)) for _ in range(MAX_TOGETHER + 1)]
    await asyncio.sleep(0)
    served.opened.set()

    refused = await asyncio.gather(*more, return_exceptions=True)

    assert any(isinstance(answer, OverLimitError) for answer in refused)
    assert await asyncio.gather(*asked) == [str(item) for item in range(MAX_WAITING)]
