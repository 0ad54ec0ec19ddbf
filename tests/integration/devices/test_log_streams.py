"""Following what apps print: who may, what they get, and that it ends with the right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from services.devices.operations import log_streams
from services.devices.procedures.logs import LogProcedures
from services.devices.records.apps import NameApp
from services.devices.records.devices import ClaimDevice, NameDevice, SetClaimable
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import plain
from tests.harness.rights import MEMBER, project
from tests.harness.waiting import eventually
from tests.integration.devices.test_watching import Seen, ended
from tests.integration.devices.world import ANNA, BERT, World, any_flash
from tests.unit.shared.memory_router import MemorySubscription

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PRESS = NameApp("press-1", 26, "DEV")


def topics(world: World) -> list[str]:
    return [topic for topic, _, _ in world.control.subscriptions if topic.startswith("reswarm.logs.")]


@asynccontextmanager
async def followed(world: World, person: Person = ANNA, which: NameApp = PRESS) -> AsyncIterator[Seen]:
    """Open as soon as the topic is subscribed, or it has ended."""
    seen, before = Seen(), len(topics(world))
    procedures = LogProcedures(world.parts)
    seen.task = asyncio.create_task(procedures.device_follow_logs(person, which, seen.take))

    async def is_open_or_over() -> bool:
        return len(topics(world)) > before or seen.task.done()

    try:
        await eventually(is_open_or_over, 5, "it is followed")
        yield seen
    finally:
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)


async def prepared(world: World) -> tuple[int, str]:
    """A device with an app, and the topic of its log."""
    device = await world.create()
    await world.install("press-1")
    return device.device_key, f"reswarm.logs.{device.serial_number}.dev_26_press"


def recorded(world: World) -> list[tuple[Any, ...]]:
    return world.postgres.rows(
        "SELECT actor ->> 'key', outcome, after FROM audit.queue WHERE action = 'device_logs.read' ORDER BY id"
    )


async def test_what_an_app_prints_is_told_as_long_as_it_is_followed_and_only_then_subscribed(world: World) -> None:
    _, topic = await prepared(world)
    assert topics(world) == []
    async with followed(world) as seen:
        assert topics(world) == [topic]
        for said in ("a\nb", {"type": "build", "chunk": "c"}, {"type": "build", "chunk": "LOGGER_CLEAR"}):
            world.tells(topic, said)
        world.tells(topic, {"id": "x", "status": "Pushing", "progress": 7})
        world.tells(topic, 7)
        world.tells(topic)
        world.tells(f"{topic}_compose", "not this one")

        told = [await seen.next() for _ in range(4)]
        assert [(piece["kind"], piece["text"]) for piece in told] == [
            ("output", "a\nb"), ("build", "c"), ("clear", ""), ("transfer", "x Pushing 7"),
        ]  # fmt: skip
        assert seen.is_empty()

    assert topics(world) == []
    about = {"log": "follow_logs", "app_key": 26, "stage": "DEV"}
    assert recorded(world) == [("5", "intended", about), ("5", "done", {**about, "pieces": 4})]


async def test_two_followers_have_a_subscription_each(world: World) -> None:
    _, topic = await prepared(world)
    async with followed(world) as first:
        async with followed(world):
            assert topics(world) == [topic, topic]
        world.tells(topic, "a")
        assert (await first.next())["text"] == "a"


async def test_given_the_flag_is_taken_when_it_is_then_the_stream_ends_within_a_second(world: World) -> None:
    key, topic = await prepared(world)
    person = world.member(3, AssetKind.DEVICE, key, "READ")
    async with followed(world, person) as seen:
        world.tells(topic, "a")
        await seen.next()

        world.rights.hold(person.account_key, project(3), MEMBER)

        assert isinstance(await ended(seen), NotFoundError)
        world.tells(topic, "b")
        assert seen.is_empty()
        assert topics(world) == []


async def test_given_the_flag_ends_by_itself_when_it_does_then_the_stream_ends(world: World) -> None:
    key, _ = await prepared(world)
    person = world.member(3, AssetKind.DEVICE, key, "READ", ends_at=world.rights.now() + 0.3)
    async with followed(world, person) as seen:
        assert isinstance(await ended(seen), NotFoundError)


async def test_given_the_bus_is_lost_when_it_is_then_the_stream_ends(world: World) -> None:
    await prepared(world)
    async with followed(world) as seen:
        world.control.lose()

        assert isinstance(await ended(seen), UnavailableError)


async def test_given_changes_of_rights_cannot_be_heard_when_they_cannot_then_the_stream_ends(world: World) -> None:
    await prepared(world)
    async with followed(world) as seen:
        world.rights.is_silent = True

        assert isinstance(await ended(seen), UnavailableError)


async def test_who_does_not_keep_up_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, topic = await prepared(world)
    monkeypatch.setattr(log_streams, "WAITING_PIECES", 3)
    async with followed(world) as seen:
        for _ in range(5):
            world.tells(topic, "a")

        assert isinstance(await ended(seen), OverLimitError)


@pytest.mark.parametrize(
    ("flag", "refusal"), [("UPDATE", NotAuthorizedError), ("DEVELOP", NotAuthorizedError), (None, NotFoundError)]
)
async def test_without_the_flag_nothing_is_subscribed(world: World, flag: str | None, refusal: type[Exception]) -> None:
    key, _ = await prepared(world)
    person = BERT if flag is None else world.member(3, AssetKind.DEVICE, key, flag)
    async with followed(world, person, NameApp(key, 26, "DEV")) as seen:
        assert isinstance(await ended(seen), refusal | NotFoundError)
    assert topics(world) == []
    assert recorded(world) == []


async def test_an_app_that_is_not_on_the_device_has_no_log_to_follow(world: World) -> None:
    await prepared(world)
    async with followed(world, which=NameApp("press-1", 77, "DEV")) as seen:
        assert isinstance(await ended(seen), ConflictError)


async def test_given_the_device_goes_to_another_project_when_rights_change_then_the_stream_ends(world: World) -> None:
    key, _ = await prepared(world)
    code = (await world.claims.device_set_claimable(ANNA, SetClaimable(key, is_claimable=True))).claim_code
    async with followed(world) as seen:
        await world.claims.device_claim(BERT, ClaimDevice(code, 9))
        world.rights.own(5, 3)

        assert isinstance(await ended(seen), NotFoundError)
    assert plain((await world.people.device_show(BERT, NameDevice(key))).project_key) == 9


async def test_a_follower_that_comes_while_another_leaves_waits_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router has one subscription a session: an UNSUBSCRIBE that crosses a SUBSCRIBE would end both."""
    key, topic = await prepared(world)
    answered: Deferred[None] = Deferred()
    gone = asyncio.Event()
    unsubscribe = MemorySubscription.unsubscribe

    def slowly(subscription: MemorySubscription) -> "Deferred[Any]":
        _gone = unsubscribe(subscription)
        gone.set()
        return answered

    monkeypatch.setattr(MemorySubscription, "unsubscribe", slowly)
    async with followed(world) as first:
        first.task.cancel()
        await gone.wait()
        monkeypatch.undo()
        seen = Seen()
        seen.task = asyncio.create_task(LogProcedures(world.parts).device_follow_logs(ANNA, PRESS, seen.take))

        async def is_begun() -> bool:
            return len(recorded(world)) > 1

        async def is_heard() -> bool:
            return topics(world) == [topic]

        await eventually(is_begun, 30, "it is recorded")
        for _ in range(5):
            await world.device(key)
        assert topics(world) == []
        answered.callback(None)
        await eventually(is_heard, 30, "it is followed")
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)


async def test_how_far_updates_are_is_told_to_who_may_read_and_ends_with_the_right(world: World) -> None:
    device = await world.create()
    person = world.member(3, AssetKind.DEVICE, device.device_key, "READ")
    base = f"re.mgmt.{device.serial_number}"
    seen, procedures = Seen(), LogProcedures(world.parts)
    seen.task = asyncio.create_task(procedures.device_follow_progress(person, NameDevice(device.device_key), seen.take))

    async def is_open() -> bool:
        return len([topic for topic, _, _ in world.control.subscriptions if topic.startswith(base)]) == 3

    await eventually(is_open, 30, "it is followed")
    for said in (
        {"increment": 5.0, "currentBytes": 10.0, "fileSize": 40},
        {"currentBytes": -1, "fileSize": 4},
        "x",
        None,
    ):
        world.tells(f"{base}.agent_update_progress", said)
    world.tells(f"{base}.download_os_update_progress", {"currentBytes": 40, "fileSize": 40})
    world.tells(f"{base}.install_os_update_progress", {"operationName": "copy", "progressPercent": 300})
    world.tells(f"{base}.install_os_update_progress", {"operationName": 7, "progressPercent": True})
    world.tells(f"re.mgmt.{any_flash()}.agent_update_progress", {"currentBytes": 1, "fileSize": 2})

    assert await seen.next() == {"follows": ("agent_update", "os_download", "os_install")}
    told = [await seen.next() for _ in range(3)]
    assert [(each["of"], each["octets"], each["of_octets"], each["percent"], each["step"]) for each in told] == [
        ("agent_update", 10, 40, None, None),
        ("os_download", 40, 40, None, None),
        ("os_install", None, None, 100, "copy"),
    ]
    world.rights.hold(person.account_key, project(3), MEMBER)
    assert isinstance(await ended(seen), NotFoundError)
    assert seen.is_empty()
    assert not await is_open()


@pytest.mark.parametrize("flag", ["MAINTAIN", "OPERATE", None])
async def test_without_read_nobody_follows_updates(world: World, flag: str | None) -> None:
    device = await world.create()
    person = BERT if flag is None else world.member(3, AssetKind.DEVICE, device.device_key, flag)
    with pytest.raises(NotFoundError):
        await LogProcedures(world.parts).device_follow_progress(person, NameDevice(device.device_key), print)
