"""What is open is cut within a second of what cuts it, and the neighbours lose nothing.

Many members of one project have sessions open, some of them a watch of its devices or a tail of its log. A device is
renamed again and again: each name is a message to every stream, and the next one is given when all have the last.
Meanwhile rights are taken and end, accounts and devices go, and locks are set; measured is each time from the answer of
the call, or from the end that was set, until the stream or the session is over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from attrs import Factory, define, frozen

from shared.api_keys import key_id
from tests.bench.figures import P99, percentile
from tests.harness.accounts import Stranger, add_strangers, make_members
from tests.harness.clients import Account, Flock, authid_of, join_person, new_name
from tests.harness.running import RunningPlatform
from tests.harness.streams import Stream, StreamingPeer, join_device_streaming, join_streaming, now
from tests.integration.router_node.wire import Peer

pytestmark = pytest.mark.real

WITHIN_S: Final = 1.0
NOT_LOST_S: Final = 15.0
JOINS_AT_ONCE: Final = 24
LASTS_S: Final = 2.0
WATCH, TAIL = "ironflock.devices.device.watch", "ironflock.audit.entry.tail"


@frozen
class Size:
    """How many sessions and streams are open, and how often each kind of cut is measured."""

    sessions: int
    streams: int
    each: int


@define
class Sitting:
    """One member with a session, and perhaps a stream."""

    person: Stranger
    peer: StreamingPeer
    stream: Stream | None = None
    is_tail: bool = False
    names: list[str] = Factory(list)
    _read: int = 0

    def read(self) -> list[str]:
        """The names that the stream told, in its order."""
        assert self.stream is not None
        for said in self.stream.said[self._read :]:
            name = named_by(said)
            if name is not None:
                self.names.append(name)
        self._read = len(self.stream.said)
        return self.names


def named_by(said: Any) -> str | None:
    """The new name of the press that a message of a watch or of a tail tells, if it tells one."""
    if "entry" in said:
        entry = said["entry"]
        is_renaming = entry["action"] == "device.renamed"
        return str(entry["after"]["name"]) if is_renaming else None
    return str(said["device"]["name"]) if "device" in said else None


@define
class Plant:
    """The project, its people and its devices, and what was measured."""

    platform: RunningPlatform
    size: Size
    owner: Peer
    ending: AsyncExitStack
    project: int = 0
    press: int = 0
    neighbours: list[Sitting] = Factory(list)
    renamed: list[str] = Factory(list)
    figures: dict[str, list[float]] = Factory(dict)
    spares: list[Stranger] = Factory(list)
    mills: list[int] = Factory(list)

    async def build(self) -> None:
        """Open everything."""
        self.project = (await self.call("realms.project.create", name=new_name("plant")))["project_key"]
        for _ in range(CUTS_OF_DEVICES * self.size.each):
            self.mills.append((await self.call("realms.project.create", name=new_name("mill")))["project_key"])
        self.press = await self.device(self.project)
        people = await asyncio.to_thread(self._people, self.size.sessions)
        self.spares = await asyncio.to_thread(self._people, len(CUTS_OF_PEOPLE) * self.size.each)
        gate = asyncio.Semaphore(JOINS_AT_ONCE)

        async def sit(at: int) -> Sitting:
            async with gate:
                return await self.sit(people[at], at if at < self.size.streams else None)

        self.neighbours = list(await asyncio.gather(*(sit(at) for at in range(len(people)))))

    def _people(self, number: int) -> list[Stranger]:
        people = add_strangers(self.platform, number)
        flags = [("device", self.press, "READ"), ("project", self.project, "READ"), ("project", self.project, "AUDIT")]
        make_members(self.platform, self.project, people, flags)
        return people

    async def sit(self, person: Stranger, stream: int | None) -> Sitting:
        """A session of a member, with a stream where it has a number: of five, one is a tail."""
        peer = await self.ending.enter_async_context(await join_streaming(self.platform, person.account.api_key))
        if stream is None:
            return Sitting(person, peer)
        is_tail = stream % 5 == 4
        opened = peer.stream(TAIL if is_tail else WATCH, project=self.project)
        await opened.until(1)
        assert opened.end is None, opened.end
        return Sitting(person, peer, opened, is_tail)

    async def call(self, procedure: str, **arguments: Any) -> Any:
        """As the owner."""
        return await self.owner.call(f"ironflock.{procedure}", **arguments)

    async def device(self, project: int) -> int:
        """A new device's key."""
        key: int = (await self.call("devices.device.create", project=project, name=new_name("press")))["device_key"]
        return key

    @property
    def streams(self) -> list[Sitting]:
        """The neighbours that hear something."""
        return [each for each in self.neighbours if each.stream is not None]

    async def rename(self) -> None:
        """One name more, heard by every neighbour before the next."""
        name = f"press-{len(self.renamed):05}"
        await self.call("devices.device.rename", device=self.press, name=name)
        self.renamed.append(name)
        async with asyncio.timeout(NOT_LOST_S):
            await asyncio.gather(*(self._heard(each) for each in self.streams))

    async def _heard(self, sitting: Sitting) -> None:
        stream = sitting.stream
        assert stream is not None
        while len(sitting.read()) < len(self.renamed):
            assert stream.ended_at is None, (sitting.person, stream.end)
            stream.changed.clear()
            await stream.changed.wait()

    def took(self, kind: str, since: float, ended: float) -> None:
        """One cut more."""
        self.figures.setdefault(kind, []).append(max(0.0, ended - since))

    async def victim(self, *, is_tail: bool = False) -> Sitting:
        """Somebody with a stream, about to be cut."""
        return await self.sit(self.spares.pop(), 4 if is_tail else 0)


async def stream_ends(sitting: Sitting) -> float:
    """When the stream ended."""
    assert sitting.stream is not None
    await sitting.stream.until(2**30)
    assert sitting.stream.ended_at is not None
    return sitting.stream.ended_at


async def measured(plant: Plant, kind: str, cut: Awaitable[Any], over: Callable[[], Awaitable[float]]) -> None:
    """Cut, and note how long after its answer it was over."""
    waiting = asyncio.ensure_future(over())
    await cut
    since = now()
    try:
        async with asyncio.timeout(NOT_LOST_S):
            plant.took(kind, since, await waiting)
    except TimeoutError:
        waiting.cancel()
        plant.took(kind, since, since + NOT_LOST_S)


async def take_grant(plant: Plant) -> None:
    victim = await plant.victim()
    taking = plant.call(
        "privileges.grant.take", account=victim.person.account_key, kind="device", key=plant.press, flags=["READ"]
    )
    await measured(plant, "grant.take, a watch", taking, lambda: stream_ends(victim))


async def take_audit(plant: Plant) -> None:
    victim = await plant.victim(is_tail=True)
    taking = plant.call(
        "privileges.grant.take", account=victim.person.account_key, kind="project", key=plant.project, flags=["AUDIT"]
    )
    await measured(plant, "grant.take, a tail", taking, lambda: stream_ends(victim))


async def end_by_itself(plant: Plant) -> None:
    victim = await plant.victim()
    ends_at = datetime.fromtimestamp(now() + LASTS_S, UTC)
    await plant.call(
        "privileges.grant.give",
        account=victim.person.account_key,
        kind="device",
        key=plant.press,
        flags=["READ"],
        ends_at=ends_at.isoformat(),
    )
    assert victim.stream is not None
    assert victim.stream.ended_at is None
    async with asyncio.timeout(NOT_LOST_S):
        ended = await stream_ends(victim)
    assert ended >= ends_at.timestamp()
    plant.took("a grant's own end, a watch", ends_at.timestamp(), ended)


async def remove_member(plant: Plant) -> None:
    victim = await plant.victim()
    removing = plant.call("privileges.member.remove", project=plant.project, account=victim.person.account_key)
    await measured(plant, "member.remove, a watch", removing, lambda: stream_ends(victim))


async def disable_account(plant: Plant) -> None:
    victim = await plant.victim()
    disabling = plant.call("auth.account.disable", account_key=victim.person.account_key, reason="test")
    await measured(plant, "account.disable, the session", disabling, victim.peer.over_at)


async def lock_person(plant: Plant) -> None:
    victim = await plant.victim()
    locking = plant.call("privileges.lock.create", kind="person", key=str(victim.person.account_key))
    await measured(plant, "lock person, the session", locking, victim.peer.over_at)


async def lock_api_key(plant: Plant) -> None:
    victim = await plant.victim()
    locking = plant.call("privileges.lock.create", kind="api_key", key=key_id(victim.person.account.api_key))
    await measured(plant, "lock api-key, the session", locking, victim.peer.over_at)


async def online(plant: Plant, project: int) -> tuple[int, StreamingPeer]:
    """A device with its session."""
    key = await plant.device(project)
    flock: Flock = (await plant.call("devices.device.flash", device=key))["flock"]
    joining = join_device_streaming(plant.platform, authid_of(flock), flock["secret"])
    return key, await plant.ending.enter_async_context(await joining)


async def delete_device(plant: Plant) -> None:
    key, peer = await online(plant, plant.mills.pop())
    await measured(plant, "device.delete, its session", plant.call("devices.device.delete", device=key), peer.over_at)


async def lock_device(plant: Plant) -> None:
    key, peer = await online(plant, plant.mills.pop())
    locking = plant.call("privileges.lock.create", kind="device", key=str(key))
    await measured(plant, "lock device, its session", locking, peer.over_at)


async def lock_project(plant: Plant) -> None:
    project = plant.mills.pop()
    (_, one), (_, other) = await online(plant, project), await online(plant, project)

    async def both() -> float:
        return max(await asyncio.gather(one.over_at(), other.over_at()))

    locking = plant.call("privileges.lock.create", kind="project", key=str(project))
    await measured(plant, "lock project, its devices", locking, both)


CUTS_OF_PEOPLE: Final = (
    take_grant,
    take_audit,
    end_by_itself,
    remove_member,
    disable_account,
    lock_person,
    lock_api_key,
)
CUTS: Final = (*CUTS_OF_PEOPLE, delete_device, lock_device, lock_project)
CUTS_OF_DEVICES: Final = len(CUTS) - len(CUTS_OF_PEOPLE)


async def rename_until(plant: Plant, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await plant.rename()


async def cut_all(platform: RunningPlatform, size: Size) -> Plant:
    async with AsyncExitStack() as ending:
        owner = await ending.enter_async_context(await join_person(platform))
        plant = Plant(platform, size, owner, ending)
        await plant.build()
        await plant.rename()
        for _ in range(size.each):
            for cut in CUTS:
                is_over = asyncio.Event()
                renaming = asyncio.create_task(rename_until(plant, is_over))
                try:
                    await cut(plant)
                finally:
                    is_over.set()
                    await renaming
        await check_neighbours(plant)
        return plant


async def check_neighbours(plant: Plant) -> None:
    """Everybody else is still there, and has every message in its order."""
    for each in plant.streams:
        assert each.read() == plant.renamed, each.person
    assert [each.person for each in plant.neighbours if each.peer.closed.is_set()] == []
    gate = asyncio.Semaphore(JOINS_AT_ONCE)

    async def works(each: Sitting) -> int:
        async with gate:
            return int((await each.peer.call("ironflock.auth.account.me"))["account_key"])

    found = await asyncio.gather(*(works(each) for each in plant.neighbours))
    assert found == [each.person.account_key for each in plant.neighbours]


def table(figures: dict[str, list[float]]) -> str:
    """The figures, in milliseconds."""
    everything = [value for values in figures.values() for value in values]
    lines = [f"{'cut':32} {'number':>6} {'p50':>6} {'p99':>6} {'most':>6}"]
    for kind, values in {**figures, "all": everything}.items():
        p50, p99, most = (round(1000 * percentile(values, share)) for share in (0.5, P99, 1.0))
        lines.append(f"{kind:32} {len(values):6} {p50:6} {p99:6} {most:6}")
    return "\n".join(lines)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [Size(20, 6, 1), pytest.param(Size(1_000, 100, 10), marks=pytest.mark.soak)], ids=str)
def test_whatever_cuts_does_so_within_a_second_and_the_neighbours_lose_nothing(
    ironflock: RunningPlatform, owner: Account, size: Size
) -> None:
    plant = asyncio.run(cut_all(ironflock, size))

    said = table(plant.figures)
    print(f"\n{said}")  # noqa: T201 - the figures are the point
    assert len(plant.figures) == len(CUTS)
    assert all(percentile(values, P99) <= WITHIN_S for values in plant.figures.values()), said
    assert len(plant.renamed) > len(CUTS)
    assert owner.call("ironflock.auth.account.me")["account_key"] > 0
