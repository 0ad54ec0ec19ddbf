"""A live tail shows what is published, and its reading is summed up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.audit import tailing
from services.audit.bell import Bell
from services.audit.procedures.entries import EntryProcedures
from services.audit.records import TailEntries
from shared.errors import NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from tests.harness.rights import MEMBER, project
from tests.integration.audit.world import ANNA, BERT, MILL, PLANT, World, person

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@contextlib.asynccontextmanager
async def following(world: World, asked: TailEntries) -> AsyncIterator["asyncio.Queue[Any]"]:
    sent: asyncio.Queue[Any] = asyncio.Queue()
    running = tail(world, asked, sent)
    try:
        yield sent
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def tail(world: World, asked: TailEntries, sent: "asyncio.Queue[Any]", who: Person = ANNA) -> "asyncio.Task[None]":
    procedures = EntryProcedures(world.database, world.reading, world.notary, world.bell, world.rights)
    return asyncio.create_task(procedures.entry_tail(who, asked, sent.put_nowait))


async def test_entries_come_as_they_are_published(world: World) -> None:
    await world.recorded(3)
    async with asyncio.timeout(20), following(world, TailEntries(project=1)) as sent:
        assert await sent.get() == {"following": {"size": 3}}
        wanted = world.record(300)
        world.record(1, project=MILL, actor=person(6))
        await world.settle()

        assert [(await sent.get())["entry"]["id"] for _ in wanted] == wanted
        assert sent.empty()


async def test_what_was_followed_is_recorded_at_the_end(world: World) -> None:
    await world.settle()
    async with asyncio.timeout(20), following(world, TailEntries(project=1, aspect="name")) as sent:
        await sent.get()
        await world.recorded(2)
        await sent.get()
        await sent.get()

    assert world.postgres.rows("SELECT action, after FROM audit.queue") == [
        ("audit_log.read", {"filter": {"project": 1, "aspect": "name"}, "rows": 2})
    ]


async def test_a_long_tail_is_recorded_each_minute_and_its_own_records_are_no_reading(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "SUMMED_S", 0.0)
    await world.settle()
    async with asyncio.timeout(20), following(world, TailEntries(project=1)) as sent:
        await sent.get()
        await world.recorded(1)
        assert (await sent.get())["entry"]["action"] == "device.renamed"
        while world.postgres.rows("SELECT count(*) FROM audit.queue") == [(0,)]:
            world.bell.ring()
            await asyncio.sleep(0.01)
        await world.settle()
        assert (await sent.get())["entry"]["action"] == "audit_log.read"
        world.bell.ring()

    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == [(0,)]


async def test_a_tail_that_nobody_recorded_for_leaves_no_entry(world: World) -> None:
    await world.settle()
    async with following(world, TailEntries(project=1)) as sent:
        await sent.get()

    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == [(0,)]


async def test_a_tail_ends_when_its_right_is_taken(world: World) -> None:
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "READ", "AUDIT")
    await world.settle()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    async with asyncio.timeout(20):
        running = tail(world, TailEntries(project=PLANT), sent, BERT)
        await sent.get()
        (seen,) = await world.recorded()
        assert (await sent.get())["entry"]["id"] == seen
        world.rights.hold(6, project(PLANT), MEMBER)
        await world.recorded()

        with pytest.raises(NotFoundError):
            await running

    assert sent.empty()


async def test_a_tail_ends_when_its_right_ends_by_itself(world: World) -> None:
    now = 1_000.0
    world.rights.now = lambda: now
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "READ")
    world.rights.give(6, PLANT, AssetKind.PROJECT, PLANT, "AUDIT", ends_at=1_060.0)
    await world.settle()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    async with asyncio.timeout(20):
        running = tail(world, TailEntries(project=PLANT), sent, BERT)
        await sent.get()
        (seen,) = await world.recorded()
        assert (await sent.get())["entry"]["id"] == seen
        now = 1_060.0
        await world.recorded()

        with pytest.raises(NotAuthorizedError):
            await running

    assert sent.empty()


async def test_a_tail_of_everything_is_narrowed_to_what_may_still_be_read(world: World) -> None:
    world.rights.own(5, MILL)
    await world.settle()
    async with asyncio.timeout(20), following(world, TailEntries()) as sent:
        await sent.get()
        (first,) = await world.recorded(1, project=MILL, actor=person(6))
        assert (await sent.get())["entry"]["id"] == first
        world.rights.lose(5, project(MILL))
        await world.recorded(1, project=MILL, actor=person(6))
        (last,) = await world.recorded(1)

        assert (await sent.get())["entry"]["id"] == last


async def test_a_tail_ends_when_changes_of_rights_are_heard_no_more(world: World) -> None:
    await world.settle()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    async with asyncio.timeout(20):
        running = tail(world, TailEntries(project=PLANT), sent)
        await sent.get()
        world.rights.is_silent = True
        await world.recorded()

        with pytest.raises(UnavailableError):
            await running

    assert sent.empty()


async def test_a_bell_wakes_who_waits_and_only_once() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.heard(30))
    await asyncio.sleep(0)

    bell.ring()
    await asyncio.wait_for(waiting, 5)

    started = asyncio.get_running_loop().time()
    await bell.heard(0.05)
    assert asyncio.get_running_loop().time() - started >= 0.04
