"""Forwarders: every entry in order, at least once, none left out, whatever the receiver does."""

import asyncio

import pytest

from services.audit.backoff import Backoff
from services.audit.forwarders import Forwarding
from services.audit.records import Row
from shared.posting import PostingError
from tests.integration.audit.world import World, until

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


class Receiver:
    """Takes rows, or fails as often as it is told to, before or after taking them."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.failures = 0
        self.is_lossy = True

    async def send(self, rows: list[Row]) -> None:
        if self.failures and self.is_lossy:
            self.failures -= 1
            raise PostingError("away")
        self.taken += [row.id for row in rows]
        if self.failures:
            self.failures -= 1
            raise PostingError("went away")


def forwarding(world: World, receiver: Receiver) -> Forwarding:
    return Forwarding(world.database, "soc", receiver.send, world.bell, Backoff(lambda: 0.0, first_s=0.01))


def position(world: World) -> int:
    return int(world.postgres.rows("SELECT coalesce(max(position), 0) FROM audit.forwarder")[0][0])


async def test_all_entries_are_sent_in_order(world: World) -> None:
    ids = await world.recorded(250)
    receiver = Receiver()

    while await forwarding(world, receiver).step():
        pass

    assert receiver.taken == ids
    assert position(world) == 250


async def test_given_a_receiver_that_fails_when_it_is_back_then_nothing_was_lost(world: World) -> None:
    ids = await world.recorded(250)
    receiver = Receiver()
    receiver.failures = 3
    running = asyncio.create_task(forwarding(world, receiver).run())

    await until(lambda: position(world) == 250)

    running.cancel()
    assert receiver.taken == ids


async def test_given_an_answer_that_is_lost_when_it_goes_on_then_the_batch_is_sent_again(world: World) -> None:
    ids = await world.recorded(3)
    receiver = Receiver()
    receiver.failures, receiver.is_lossy = 1, False
    with pytest.raises(PostingError):
        await forwarding(world, receiver).step()

    await forwarding(world, receiver).step()

    assert receiver.taken == [*ids, *ids]


async def test_a_forwarder_wakes_for_new_entries_and_its_position_outlives_it(world: World) -> None:
    first = await world.recorded(2)
    receiver = Receiver()
    await forwarding(world, receiver).step()
    running = asyncio.create_task(forwarding(world, receiver).run())

    second = await world.recorded(2)
    await until(lambda: position(world) == 4)

    running.cancel()
    assert receiver.taken == [*first, *second]


async def test_given_two_replicas_when_both_forward_then_one_at_a_time_does(world: World) -> None:
    ids = await world.recorded(150)
    is_sending, may_end = asyncio.Event(), asyncio.Event()
    receiver = Receiver()

    async def slowly(rows: list[Row]) -> None:
        is_sending.set()
        await may_end.wait()
        await receiver.send(rows)

    first = Forwarding(world.database, "soc", slowly, world.bell, Backoff(lambda: 0.0))
    at_it = asyncio.create_task(first.step())
    await is_sending.wait()

    assert await forwarding(world, receiver).step() is False
    may_end.set()
    assert await at_it is True
    assert await forwarding(world, receiver).step() is False
    assert receiver.taken == ids


async def test_a_position_never_goes_back(world: World) -> None:
    with world.postgres.connect("svc_audit") as connection:
        connection.execute("SELECT audit.forwarded('soc', 7)")
        connection.execute("SELECT audit.forwarded('soc', 3)")

    assert position(world) == 7
