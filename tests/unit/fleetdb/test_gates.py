"""How much is in work at once, and what becomes of the rest."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.fleetdb import gates
from services.fleetdb.gates import Bounds, Gate, Lane, Octets
from shared.errors import OverLimitError


async def hold(gate: Gate, octets: int, until: asyncio.Event, begun: list[int]) -> None:
    async with gate.enter(Lane.WRITES, octets):
        begun.append(octets)
        await until.wait()


async def full(gate: Gate, octets: int = 1) -> None:
    with pytest.raises(OverLimitError):
        async with gate.enter(Lane.WRITES, octets):
            raise AssertionError("it was let in")


@pytest.mark.asyncio
async def test_calls_wait_for_a_place_and_no_more_than_may_wait() -> None:
    gate, done, begun = Gate(Octets(), Bounds(writes=2, waiting=3)), asyncio.Event(), [0] * 0
    tasks = [asyncio.create_task(hold(gate, 1, done, begun)) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(begun) == 2
    await full(gate)
    done.set()
    await asyncio.gather(*tasks)
    assert len(begun) == 5


@pytest.mark.asyncio
async def test_octets_are_bounded_in_a_realm_and_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "SHARE", 0)
    everywhere = Octets(10)
    one, other = Gate(everywhere, Bounds(octets=6)), Gate(everywhere, Bounds(octets=6))
    async with AsyncExitStack() as held:
        await held.enter_async_context(one.enter(Lane.WRITES, 5))
        await full(one, 2)
        await held.enter_async_context(other.enter(Lane.READS, 5))
        await full(other, 1)
    assert everywhere.held == 0
    async with one.enter(Lane.WRITES, 6):
        pass


@pytest.mark.asyncio
async def test_what_others_hold_leaves_each_realm_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "SHARE", 3)
    everywhere = Octets(10)
    greedy, other = Gate(everywhere), Gate(everywhere)
    async with AsyncExitStack() as held:
        await held.enter_async_context(greedy.enter(Lane.READS, 10))
        await full(greedy, 1)
        await held.enter_async_context(other.enter(Lane.WRITES, 2))
        await held.enter_async_context(other.enter(Lane.WRITES, 1))
        await full(other, 1)
    assert everywhere.held == 0


@pytest.mark.asyncio
async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "WAIT_S", 0.01)
    everywhere, done, begun = Octets(), asyncio.Event(), [0] * 0
    gate = Gate(everywhere, Bounds(writes=1))
    works = asyncio.create_task(hold(gate, 7, done, begun))
    await asyncio.sleep(0)
    await full(gate)
    assert everywhere.held == 7
    done.set()
    await works
    async with gate.enter(Lane.WRITES, 1):
        pass


@pytest.mark.asyncio
async def test_the_longest_message_gets_through_alone() -> None:
    gate = Gate(Octets(100), Bounds(octets=6))
    async with gate.enter(Lane.READS, 20):
        await full(gate, 1)


@pytest.mark.asyncio
async def test_what_is_given_up_while_it_waits_gives_its_room_back() -> None:
    everywhere, done, begun = Octets(), asyncio.Event(), [0] * 0
    gate = Gate(everywhere, Bounds(writes=1))
    works, waits = (asyncio.create_task(hold(gate, 7, done, begun)) for _ in range(2))
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    assert everywhere.held == 7
    done.set()
    await works
    assert everywhere.held == 0


@pytest.mark.asyncio
async def test_who_reads_does_not_wait_for_who_writes() -> None:
    gate, done, begun = Gate(Octets(), Bounds(reads=1, writes=1)), asyncio.Event(), [0] * 0
    works = asyncio.create_task(hold(gate, 1, done, begun))
    await asyncio.sleep(0)
    async with asyncio.timeout(1), gate.enter(Lane.READS, 1):
        pass
    done.set()
    await works
