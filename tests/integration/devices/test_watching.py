"""A watch follows its person: narrowed, widened and ended as rights change, and nobody else's loses an event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve

from services.devices import watching
from services.devices.records.devices import NameDevice, NameGroup, NameMember, RenameDevice
from shared.errors import NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import plain
from shared.rights.records import Default, LockKind
from shared.scopes import parse_scopes
from tests.harness.rights import MEMBER, project
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
REACHABLE = "ironflock.realms.project.reachable"


class Seen:
    """What one watch was told."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self.task: asyncio.Task[Any]

    def take(self, value: Any) -> None:
        """As `progress`."""
        self._queue.put_nowait(plain(value))

    async def next(self) -> Any:
        """The next word, within a second."""
        return await asyncio.wait_for(self._queue.get(), 1)

    async def keys(self) -> list[int]:
        """The devices of a snapshot, which is the next word."""
        return [device["device_key"] for device in (await self.next())["devices"]]

    def is_empty(self) -> bool:
        """Whether nothing more was told."""
        return self._queue.empty()


@asynccontextmanager
async def watched(world: World, person: Person, place: int | str | None = None) -> AsyncIterator[Seen]:
    seen = Seen()
    seen.task = asyncio.create_task(world.parts.watching.run(person, place, seen.take))
    try:
        yield seen
    finally:
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)


async def ended(seen: Seen) -> BaseException:
    """How the watch ended, within a second."""
    done, _ = await asyncio.wait({seen.task}, timeout=1)
    assert done, "still open"
    error = seen.task.exception()
    assert error is not None
    return error


async def test_a_watch_shows_what_its_person_may_see_and_nothing_else(world: World) -> None:
    mine, other = [(await world.create(name)).device_key for name in ("a", "b")]
    person = world.member(3, AssetKind.DEVICE, mine, "READ")
    async with watched(world, person, "plant") as seen:
        assert await seen.keys() == [mine]
        await world.people.device_rename(ANNA, RenameDevice(other, "c"))
        await world.people.device_delete(ANNA, NameDevice(other))
        await world.people.device_rename(ANNA, RenameDevice(mine, "d"))

        assert (await seen.next())["device"]["name"] == "d"
        assert seen.is_empty()


async def test_a_flag_that_is_given_shows_the_device_and_one_that_is_taken_hides_it(world: World) -> None:
    one, two = [(await world.create(name)).device_key for name in ("a", "b")]
    person = world.member(3, AssetKind.DEVICE, one, "READ")
    async with watched(world, person) as seen, watched(world, ANNA, "plant") as neighbour:
        assert await seen.keys() == [one]
        assert await neighbour.keys() == [one, two]
        world.rights.give(person.account_key, 3, AssetKind.DEVICE, two, "READ")
        assert await seen.keys() == [one, two]

        world.rights.lose(person.account_key, project(3))
        world.rights.give(person.account_key, 3, AssetKind.DEVICE, two, "READ")
        assert await seen.keys() == [two]
        await world.people.device_rename(ANNA, RenameDevice(one, "c"))
        await world.people.device_rename(ANNA, RenameDevice(two, "d"))
        assert (await seen.next())["device"]["name"] == "d"

        assert [(await neighbour.next())["device"]["name"] for _ in range(2)] == ["c", "d"]
        assert neighbour.is_empty()


async def test_a_device_that_enters_a_group_is_seen_and_one_that_leaves_it_is_gone(world: World) -> None:
    key, group = (await world.create()).device_key, (await world.create_group()).group_key
    person = world.member(3, AssetKind.GROUP, group, "READ")
    async with watched(world, person, 3) as seen:
        assert await seen.keys() == []
        await world.groups.group_add_device(ANNA, NameMember(group, key))
        assert (await seen.next())["device"]["device_key"] == key
        await world.groups.group_remove_device(ANNA, NameMember(group, key))
        assert await seen.next() == {"deleted": key}
        await world.people.device_rename(ANNA, RenameDevice(key, "c"))
        await world.settle()
        assert seen.is_empty()


async def test_the_devices_of_a_group_that_is_removed_are_gone(world: World) -> None:
    keys = [(await world.create(name)).device_key for name in ("a", "b")]
    group = (await world.create_group()).group_key
    person = world.member(3, AssetKind.GROUP, group, "READ")
    for key in keys:
        await world.groups.group_add_device(ANNA, NameMember(group, key))
    async with watched(world, person, 3) as seen:
        assert await seen.keys() == keys
        await world.groups.group_delete(ANNA, NameGroup(group))

        assert sorted([(await seen.next())["deleted"] for _ in keys]) == keys


@pytest.mark.parametrize("place", [None, 3])
async def test_a_watch_ends_where_nothing_is_left_to_see(world: World, place: int | None) -> None:
    person = world.member(3, AssetKind.DEVICE, (await world.create()).device_key, "READ")
    async with watched(world, person, place) as seen, watched(world, ANNA, place) as neighbour:
        await seen.next()
        await neighbour.next()
        world.rights.lose(person.account_key, project(3))

        assert isinstance(await ended(seen), NotFoundError)
        assert not neighbour.task.done()


async def test_a_locked_person_s_watch_ends(world: World) -> None:
    await world.create()
    async with watched(world, ANNA) as seen:
        await seen.next()
        world.rights.lock(LockKind.PERSON, 5)

        assert isinstance(await ended(seen), NotFoundError)


async def test_given_silent_rights_when_they_are_silent_then_the_watch_ends(world: World) -> None:
    await world.create()
    async with watched(world, ANNA) as seen:
        await seen.next()
        world.rights.is_silent = True

        assert isinstance(await ended(seen), UnavailableError)


@pytest.mark.parametrize("lasts_s", [0.1, 0.7])
async def test_what_ends_by_itself_is_hidden_within_a_second_of_its_end(world: World, lasts_s: float) -> None:
    one, two = [(await world.create(name)).device_key for name in ("a", "b")]
    person = world.member(3, AssetKind.DEVICE, one, "READ")
    world.rights.give(person.account_key, 3, AssetKind.DEVICE, two, "READ", ends_at=world.rights.now() + lasts_s)
    async with watched(world, person) as seen:
        assert await seen.keys() == [one, two]
        await asyncio.sleep(lasts_s)  # its life, from the moment on at which it was given
        assert await seen.keys() == [one]


async def test_a_new_project_appears_even_if_realms_hears_of_it_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_AGAIN_AFTER_S", 0.2)
    key = (await world.create("theirs", 9, Person(6, 12))).device_key
    answers = [world.router.answers[REACHABLE]]
    async with watched(world, ANNA) as seen:
        assert await seen.keys() == []
        stale = answers[0](account_key=5)
        late = iter([stale])
        world.router.answers[REACHABLE] = lambda *, account_key: next(late, None) or answers[0](account_key=account_key)
        world.rights.give(5, 9, AssetKind.DEVICE, key, "READ")

        assert await seen.keys() == [key]


async def test_realms_is_not_asked_while_nothing_changes_nor_for_what_is_known(world: World) -> None:
    keys = [(await world.create(name)).device_key for name in ("a", "b", "c")]
    person = world.member(3, AssetKind.DEVICE, keys[0], "READ")
    async with watched(world, person) as seen:
        await seen.next()
        before = [uri for uri, _, _ in world.router.calls if uri.startswith("ironflock.realms")]
        for key in keys[1:]:
            world.rights.give(person.account_key, 3, AssetKind.DEVICE, key, "READ")
            await seen.next()
        await asyncio.sleep(1.2)  # longer than it takes to look again

        assert [uri for uri, _, _ in world.router.calls if uri.startswith("ironflock.realms")] == before


async def test_twice_a_minute_realms_is_asked_since_a_project_may_require_a_factor_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_FOR_PROJECTS_EVERY_S", 0.2)
    await world.create()
    async with watched(world, ANNA) as seen, watched(world, ANNA, 3) as named:
        await seen.next()
        await named.next()
        world.requiring.update({3, 4})

        assert await seen.keys() == []
        assert isinstance(await ended(named), NotAuthorizedError)


async def test_a_narrowed_scope_goes_on_limiting(world: World) -> None:
    one, two = [(await world.create(name)).device_key for name in ("a", "b")]
    async with watched(world, evolve(ANNA, scopes=parse_scopes([f"read@device/{one}"]))) as seen:
        assert await seen.keys() == [one]
        await world.people.device_rename(ANNA, RenameDevice(two, "c"))
        await world.people.device_rename(ANNA, RenameDevice(one, "d"))

        assert (await seen.next())["device"]["name"] == "d"
        await world.people.device_delete(ANNA, NameDevice(one))
        news = await seen.next()
        while "device" in news:
            news = await seen.next()
        assert news == {"deleted": one}


async def test_a_changed_right_that_changes_nothing_to_be_seen_tells_nothing(world: World) -> None:
    key = (await world.create()).device_key
    person = world.member(3, AssetKind.DEVICE, key, "READ")
    async with watched(world, person) as seen:
        await seen.next()
        world.rights.give(person.account_key, 3, AssetKind.DEVICE, key, "UPDATE")
        world.rights.lock(LockKind.DEVICE, 999)
        await world.people.device_rename(ANNA, RenameDevice(key, "c"))

        assert (await seen.next())["device"]["name"] == "c"
        assert seen.is_empty()


async def test_what_nobody_told_of_is_seen_when_everything_is_shown_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SHOW_ANEW_EVERY_S", 0.2)
    keys = [(await world.create(name)).device_key for name in ("a", "b")]
    async with watched(world, ANNA, "plant") as seen:
        assert await seen.keys() == keys
        world.postgres.run("DELETE FROM devices.device WHERE device_key = %s", keys[0])

        while (shown := await seen.keys()) == keys:
            continue

        assert shown == keys[1:]


async def test_a_hundred_watches_are_narrowed_within_a_second_and_their_neighbours_lose_no_event(world: World) -> None:
    keys = [(await world.create(f"d{number}")).device_key for number in range(2)]
    people = [world.member(3, AssetKind.DEVICE, keys[0], "READ") for _ in range(100)]
    standing = evolve(MEMBER, defaults=(Default("READ", AssetKind.DEVICE, None),))
    world.rights.hold(50, project(3), standing)
    watches = [watched(world, person, 3) for person in people]
    async with watched(world, Person(50, 99), 3) as neighbour:
        assert await neighbour.keys() == keys
        seen = [await opened(each) for each in watches]
        for number, person in enumerate(people):
            world.rights.lose(person.account_key, project(3))
            if number % 10 == 0:
                await world.people.device_rename(ANNA, RenameDevice(keys[0], f"n{number}"))
        done, still = await asyncio.wait({each.task for each in seen}, timeout=1)

        assert not still
        assert all(isinstance(task.exception(), NotFoundError) for task in done)
        names = [(await neighbour.next())["device"]["name"] for _ in range(10)]
        assert len(names) == 10
        assert names[-1] == "n90"
        for each in watches:
            await each.__aexit__(None, None, None)


async def opened(watch: Any) -> Seen:
    seen: Seen = await watch.__aenter__()
    await seen.next()
    return seen
