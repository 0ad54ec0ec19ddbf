"""Who is there: status calls, ends of sessions, testaments and the comparison, in every order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from autobahn.wamp.exception import ApplicationError, TransportLost

from services.devices.presence import TESTAMENT, Presence
from services.devices.store import devices as store
from shared.database import Connection
from shared.errors import PublicError, UnavailableError
from shared.identities import DeviceIdentity
from tests.harness.waiting import eventually
from tests.integration.devices.world import KILL, World, any_flash

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
GONE = ("DISCONNECTED", None)


async def test_a_device_is_there_by_its_word_and_gone_by_the_router_s(world: World) -> None:
    key = (await world.create()).device_key

    for status in ("CONFIGURING", "CONNECTED", "EMERGENCY", "CONNECTED"):
        await world.online(key, 11, status)
        assert world.status(key) == (status, 11)
    world.tells("wamp.session.on_leave", 11)
    await world.settle()

    assert world.status(key) == GONE


async def test_given_the_end_of_its_session_first_when_a_status_comes_then_the_device_is_gone(world: World) -> None:
    key = (await world.create()).device_key
    world.tells("wamp.session.on_leave", 11)
    await world.settle()

    await world.online(key, 11)

    assert world.status(key) == GONE


async def test_given_the_end_of_its_session_while_a_status_is_written_then_the_device_is_gone(world: World) -> None:
    key = (await world.create()).device_key
    report = asyncio.ensure_future(world.online(key, 11))
    await asyncio.sleep(0)

    world.tells("wamp.session.on_leave", 11)
    await report
    await world.settle()

    assert world.status(key) == GONE


async def test_the_end_of_an_older_session_does_not_matter(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11)
    await world.online(key, 12)

    world.tells("wamp.session.on_leave", 11)
    await world.settle()

    assert world.status(key) == ("CONNECTED", 12)


async def test_a_late_word_of_an_older_session_does_not_count(world: World) -> None:
    key = (await world.create()).device_key
    device, _ = await world.flash(key)
    for session in (11, 12):
        world.device_joins(key, session, device.flash_id)
    await world.settle()
    await world.online(key, 12)

    await world.online(key, 11, "EMERGENCY")

    assert world.status(key) == ("CONNECTED", 12)


async def test_a_testament_ends_the_session_that_it_is_of(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11)

    world.tells(TESTAMENT, {"device_key": key, "wamp_session_id": 11}, publisher=11)
    await world.settle()

    assert world.status(key) == GONE


@pytest.mark.parametrize("publisher", [99, None])
async def test_a_testament_of_another_session_is_ignored_whatever_it_says(world: World, publisher: int | None) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11)

    world.tells(TESTAMENT, {"swarm_key": 3, "device_key": key, "wamp_session_id": 11}, publisher=publisher)
    await world.settle()

    assert world.status(key) == ("CONNECTED", 11)


async def test_the_comparison_marks_only_what_is_gone(world: World) -> None:
    keys = [(await world.create(f"press-{session}")).device_key for session in range(1, 5)]
    for session, key in enumerate(keys[:3], start=1):
        await world.online(key, session)
    world.live = [1, 3, 77]

    await world.presence._compare()

    assert [world.status(key) for key in keys] == [("CONNECTED", 1), GONE, ("CONNECTED", 3), GONE]


async def test_what_was_heard_after_the_comparison_began_stays(world: World) -> None:
    key = (await world.create()).device_key

    async def listed(_roles: Any) -> list[int]:
        await world.online(key, 11)
        return []

    world.router.answers["wamp.session.list"] = listed

    await world.presence._compare()

    assert world.status(key) == ("CONNECTED", 11)


async def test_given_the_router_away_when_it_is_compared_then_nobody_is_marked(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11)
    world.control.lose()

    with pytest.raises(UnavailableError):
        await world.presence._compare()

    assert world.status(key) == ("CONNECTED", 11)


async def again_and_again(world: World) -> None:
    while True:
        with suppress(PublicError, ApplicationError, TransportLost):
            await world.presence.keep_true()
        await asyncio.sleep(0)


async def test_after_each_join_of_the_bus_it_is_compared(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11)
    compared = asyncio.Event()

    def listed(_roles: Any) -> list[int]:
        compared.set()
        return []

    world.router.answers["wamp.session.list"] = listed
    running = asyncio.ensure_future(again_and_again(world))
    try:
        for _ in range(2):
            await asyncio.wait_for(compared.wait(), 10)
            compared.clear()
            world.control.lose()
            await world.join()
        await asyncio.wait_for(compared.wait(), 10)
    finally:
        running.cancel()

    assert world.status(key) == GONE


@pytest.mark.parametrize("state", ["replaced", "deleted", "deleting"])
async def test_a_session_that_began_with_other_secrets_is_ended(world: World, state: str) -> None:
    key = (await world.create()).device_key
    device, _ = await world.flash(key)
    flash_id: UUID | None = device.flash_id
    if state == "replaced":
        flash_id = any_flash()
    elif state == "deleted":
        await world.delete(key)
    else:
        world.postgres.run("UPDATE devices.device SET state = 'deleting' WHERE device_key = %s", key)

    world.device_joins(key, 12, flash_id)
    await world.settle()

    assert [call[0] for call in world.router.called(KILL)] == [12]


async def test_a_session_of_the_newest_flash_stays(world: World) -> None:
    key = (await world.create()).device_key
    device, _ = await world.flash(key)

    world.device_joins(key, 12, device.flash_id)
    world.tells("wamp.session.on_join", {"session": 13, "authid": "5", "authrole": "user"})
    world.tells("wamp.session.on_join", {"session": 14, "authid": "odd", "authrole": "device", "authextra": None})
    await world.settle()

    assert world.router.called(KILL) == []


async def test_given_a_session_that_has_gone_meanwhile_when_it_is_ended_then_that_is_no_fault(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key = (await world.create()).device_key

    def gone(*_: Any) -> None:
        raise ApplicationError("wamp.error.no_such_session", "no")

    world.router.answers[KILL] = gone
    world.device_joins(key, 12, any_flash())
    await world.settle()
    await asyncio.sleep(0)

    assert "task_failed" not in capsys.readouterr().out


class Away:
    """A database that is away until it is told to be back."""

    def __init__(self, world: World) -> None:
        """Stand before that of `world`."""
        self._database = world.database
        self.is_away = True

    def transaction(self) -> Any:
        """As the database's."""
        if self.is_away:
            raise UnavailableError("away")
        return self._database.transaction()

    async def run(self, query: Callable[[Connection], Awaitable[Any]]) -> Any:
        """As the database's."""
        if self.is_away:
            raise UnavailableError("away")
        return await self._database.run(query)


async def test_given_the_database_away_when_a_device_says_how_it_is_then_it_is_written_later(world: World) -> None:
    key = (await world.create()).device_key
    database: Any = Away(world)
    presence = Presence(world.bus, database, world.feed, world.rights, world.app_sessions)

    await presence.report(DeviceIdentity(3, key, 11), "CONFIGURING", {})
    await presence.report(DeviceIdentity(3, key, 11), "CONNECTED", {})
    assert world.status(key) == GONE
    database.is_away = False
    await presence._write_late()

    assert world.status(key) == ("CONNECTED", 11)


async def test_given_a_newer_word_when_an_older_one_was_to_be_written_later_then_the_newer_one_stays(
    world: World,
) -> None:
    key = (await world.create()).device_key
    database: Any = Away(world)
    presence = Presence(world.bus, database, world.feed, world.rights, world.app_sessions)
    await presence.report(DeviceIdentity(3, key, 11), "CONNECTED", {})
    database.is_away = False
    await presence.report(DeviceIdentity(3, key, 11), "EMERGENCY", {})

    await presence._write_late()

    assert world.status(key) == ("EMERGENCY", 11)


async def test_a_device_that_asked_in_vain_is_sent_to_ask_again(world: World) -> None:
    world.presence.asked_in_vain(DeviceIdentity(3, 7, 11))

    await world.presence._send_off()
    await world.presence._send_off()

    assert [call[0] for call in world.router.called(KILL)] == [11]


async def test_the_time_of_a_status_changes_with_the_status_only(world: World) -> None:
    key = (await world.create()).device_key
    await world.online(key, 11, "CONNECTED")
    first = (await world.show(key)).status_since

    await world.online(key, 11, "CONNECTED")
    assert (await world.show(key)).status_since == first

    await world.online(key, 11, "EMERGENCY")
    later = (await world.show(key)).status_since
    assert first is not None
    assert later is not None
    assert later > first


async def test_those_who_leave_while_others_are_written_are_written_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[list[int]] = []
    all_left = asyncio.Event()
    plain = store.device_set_disconnected

    async def noted(connection: Connection, sessions: list[int]) -> list[tuple[int, int]]:
        written.append(sessions)
        await all_left.wait()
        return await plain(connection, sessions)

    monkeypatch.setattr(store, "device_set_disconnected", noted)
    keys = [(await world.create(name=f"press-{number}")).device_key for number in range(4)]
    for session, key in enumerate(keys, 11):
        await world.online(key, session, "CONNECTED")
    world.tells("wamp.session.on_leave", 11)
    await until(lambda: written == [[11]], "the first is being written")
    for session in (12, 13, 14):
        world.tells("wamp.session.on_leave", session)
    await until(lambda: len(world.presence._over) == 3, "the others have left")
    all_left.set()
    await until(lambda: [world.status(key) for key in keys] == [GONE] * 4, "all are written")

    assert written == [[11], [12, 13, 14]]


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds."""

    async def looked() -> bool:
        return condition()

    await eventually(looked, 30, what)
