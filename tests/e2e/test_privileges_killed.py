"""Privileges is killed amid changes, and stops: all of a change is there or nothing, and nobody decides in the dark."""

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

import pytest
from attrs import Factory, define, frozen

from tests.harness.accounts import Stranger, add_strangers, make_members
from tests.harness.clients import Account, Flock, join_device, join_person
from tests.harness.recorded import wait_until_integrated
from tests.harness.running import RunningPlatform
from tests.harness.streams import join_streaming
from tests.harness.waiting import eventually, wait_until
from tests.integration.router_node.wire import ClosedError, Peer, WampError

pytestmark = pytest.mark.real

FLAGS: Final = ("READ", "UPDATE", "OPERATE", "INSTALL", "DEVELOP", "NETWORK", "MAINTAIN", "REMOTE_ACCESS")
BACK_S: Final = 60.0
SILENT_FROM_S, SILENT_BY_S = 4.0, 7.0
RECOVERS_S: Final = 5.0


@frozen
class Size:
    """How many clients change rights at once, how often each, and how often privileges is killed meanwhile."""

    clients: int
    changes: int
    kills: int


@define
class Storm:
    """Each client gives and takes flags of one member; `said` is what was answered with done, as (reason, is_on)."""

    platform: RunningPlatform
    size: Size
    device_key: int
    members: list[Stranger]
    said: dict[str, bool] = Factory(dict)
    unsaid: set[str] = Factory(set)

    async def rage(self) -> None:
        """Change, and kill privileges again and again while that goes on."""
        everything = self.size.clients * self.size.changes
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(self._change(member))
            for number in range(self.size.kills):
                await self._reaches(everything * (number + 1) // (self.size.kills + 2))
                killed = self.platform.kill("privileges")
                await asyncio.to_thread(
                    wait_until, lambda pid=killed: self.platform.is_back("privileges", pid), BACK_S, "it is back"
                )

    async def _reaches(self, count: int) -> None:
        while len(self.said) < count:  # noqa: ASYNC110 - the clients are in no hurry to tell
            await asyncio.sleep(0.005)

    async def _change(self, member: Stranger) -> None:
        """Each change has a reason of its own, also when it is tried again."""
        numbers = itertools.count()
        async with await join_person(self.platform) as person:
            for turn in range(self.size.changes):
                verb = "take" if turn % 4 == 3 else "give"
                flags = list(FLAGS[: 1 + turn % 3]) if verb == "give" else None
                while not await self._is_done(person, member, verb, flags, f"{member.account_key}-{next(numbers)}"):  # noqa: ASYNC110 - it is tried again
                    await asyncio.sleep(0.1)

    async def _is_done(self, person: Peer, member: Stranger, verb: str, flags: list[str] | None, reason: str) -> bool:
        named: dict[str, Any] = {} if flags is None else {"flags": flags}
        about = {"account": member.account_key, "kind": "device", "key": self.device_key, "reason": reason, **named}
        try:
            await person.call(f"ironflock.privileges.grant.{verb}", **about)
        except (WampError, TimeoutError):
            self.unsaid.add(reason)
            return False
        self.said[reason] = verb == "give"
        return True


def lines_by_reason(platform: RunningPlatform, device_key: int) -> dict[str, list[tuple[bool, str, int]]]:
    """The history of the device: for each reason what began or ended, which flag, of whom."""
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT reason, is_on, flag, account_key FROM privileges.change WHERE what = 'grant' AND kind = 'device'"
            " AND asset_key = %s AND reason <> '' ORDER BY change_key",
            [device_key],
        ).fetchall()
    found: dict[str, list[tuple[bool, str, int]]] = {}
    for reason, *line in rows:
        found.setdefault(reason, []).append(tuple(line))
    return found


def entries_by_reason(platform: RunningPlatform, device_key: int) -> dict[str, list[tuple[bool, str, int]]]:
    """As `lines_by_reason`, from the audit log."""
    with platform.database() as connection:
        assert connection.execute("SELECT count(*) FROM audit.queue").fetchone() == (0,)
        rows = connection.execute(
            "SELECT reason, action = 'flag.given', coalesce(after, before)->>'flag',"
            " (coalesce(after, before)->>'account_key')::bigint FROM audit.entry"
            " WHERE action IN ('flag.given', 'flag.taken') AND asset->>'kind' = 'device' AND asset->>'key' = %s"
            " AND reason IS NOT NULL",
            [str(device_key)],
        ).fetchall()
    found: dict[str, list[tuple[bool, str, int]]] = {}
    for reason, *line in rows:
        found.setdefault(reason, []).append(tuple(line))
    return found


def held(platform: RunningPlatform, device_key: int) -> set[tuple[int, str]]:
    """Who has which grant on the device now."""
    with platform.database() as connection:
        rows = connection.execute(
            "SELECT account_key, flag FROM privileges.held_flag WHERE kind = 'device' AND asset_key = %s", [device_key]
        ).fetchall()
    return {(account_key, flag) for account_key, flag in rows}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [Size(4, 40, 2), pytest.param(Size(16, 200, 6), marks=pytest.mark.soak)], ids=str)
def test_after_kills_amid_changes_each_has_its_grant_its_history_and_its_entry_or_none_of_them(
    ironflock: RunningPlatform, owner: Account, size: Size
) -> None:
    device = owner.device()
    people = add_strangers(ironflock, size.clients)
    make_members(ironflock, device["project_key"], people, [])
    storm = Storm(ironflock, size, device["device_key"], people)

    asyncio.run(storm.rage())
    wait_until_integrated(ironflock, 60.0)

    lines, entries = lines_by_reason(ironflock, storm.device_key), entries_by_reason(ironflock, storm.device_key)
    assert len(storm.said) == size.clients * size.changes
    assert {reason: sorted(of) for reason, of in lines.items()} == {r: sorted(of) for r, of in entries.items()}
    assert set(lines) <= set(storm.said) | storm.unsaid
    assert {reason for reason, is_on in storm.said.items() if is_on} <= set(lines)
    standing: set[tuple[int, str]] = set()
    for is_on, flag, account_key in itertools.chain.from_iterable(lines.values()):
        (standing.add if is_on else standing.discard)((account_key, flag))
    assert held(ironflock, storm.device_key) == standing
    print(f"\n{len(storm.said)} changes, {len(storm.unsaid)} without an answer")  # noqa: T201 - what it was about


@contextmanager
def stopped(platform: RunningPlatform, name: str) -> Iterator[None]:
    """The process stands still while the block runs."""
    pid = platform.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def status_of_device(device: Peer, flock: Flock) -> Any:
    said = {"swarm_key": flock["swarm_key"], "device_key": flock["device_key"], "status": "CONNECTED"}
    return await device.call("reswarm.devices.update_device_status", said)


async def answers(person: Peer) -> str:
    """`done`, or the refusal of a list of devices."""
    try:
        await person.call("ironflock.devices.device.list")
    except WampError as error:
        return error.uri
    return "done"


def test_while_privileges_stands_still_people_are_refused_devices_go_on_and_all_recovers_by_itself(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    asyncio.run(_stand_still(ironflock, flock))
    wait_until(lambda: not ironflock.unready(), 30.0, "all is well again")


async def _stand_still(platform: RunningPlatform, flock: Flock) -> None:
    async with AsyncExitStack() as ending:
        device = await ending.enter_async_context(await join_device(platform, flock))
        person = await ending.enter_async_context(await join_streaming(platform, platform.owner_key))
        watch = person.stream("ironflock.devices.device.watch", project=flock["swarm_key"])
        tail = person.stream("ironflock.audit.entry.tail", project=flock["swarm_key"])
        await watch.until(1)
        await tail.until(1)
        assert await answers(person) == "done"

        with stopped(platform, "privileges"):
            began = time.monotonic()

            async def is_refused() -> bool:
                said = await answers(person)
                assert said in ("done", "ironflock.error.unavailable")
                return said != "done"

            await eventually(is_refused, SILENT_BY_S, "people are refused")
            assert SILENT_FROM_S <= time.monotonic() - began <= SILENT_BY_S
            async with asyncio.timeout(2.0):
                await watch.until(2**30)
                await tail.until(2**30)
            ends = [stream.end.uri for stream in (watch, tail) if isinstance(stream.end, WampError)]
            assert ends == ["ironflock.error.unavailable"] * 2
            for _ in range(5):
                assert await status_of_device(device, flock)
                assert await answers(person) == "ironflock.error.unavailable"

        async def is_back() -> bool:
            return await answers(person) == "done"

        await eventually(is_back, RECOVERS_S, "people are answered again")
        again = person.stream("ironflock.devices.device.watch", project=flock["swarm_key"])
        await again.until(1)
        assert [each["device_key"] for each in again.said[0]["devices"]] == [flock["device_key"]]
        assert not person.closed.is_set()
        assert not device.closed.is_set()


def test_a_decision_that_privileges_owes_an_answer_is_refused_in_time_too(
    ironflock: RunningPlatform, stranger: Stranger
) -> None:
    """Somebody of whom nothing is known yet: the question itself hangs."""

    async def ask() -> tuple[str, float]:
        async with await join_person(ironflock, stranger.account.api_key) as person:
            with stopped(ironflock, "privileges"):
                began = time.monotonic()
                try:
                    return await answers(person), time.monotonic() - began
                except ClosedError:
                    return "closed", time.monotonic() - began

    said, after_s = asyncio.run(ask())

    assert said == "ironflock.error.unavailable"
    assert after_s <= SILENT_BY_S
    wait_until(lambda: not ironflock.unready(), 30.0, "all is well again")
