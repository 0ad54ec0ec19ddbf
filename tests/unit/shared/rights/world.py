"""A decision point over a router in memory, and the privileges service as it is played to it."""

import asyncio
from typing import Any

from attrs import Factory, define, evolve
from autobahn.wamp.exception import ApplicationError

from shared.bus import Bus
from shared.errors import PublicError
from shared.flags import AssetKind
from shared.identities import SYSTEM_REALM
from shared.procedures import plain
from shared.rights.decision_point import Rights
from shared.rights.records import (
    Asset,
    Domain,
    Grant,
    Held,
    Holdings,
    Lock,
    LockKind,
    Standing,
    project_domain,
)
from shared.rights.wire import CHANGED, HOLDINGS, LOCKS, Change, News, StandingLocks
from tests.unit.shared.memory_router import MemoryRouter, MemorySession, settled

ANNA, BERTA, CARLA = 5, 6, 7
PLANT, MILL = project_domain(3), project_domain(4)
PRESS = Asset(AssetKind.DEVICE, 70)
OWNER = Standing(is_owner=True, is_member=False)
MEMBER = Standing(is_owner=False, is_member=True)
ABSENT = "there is no such device"


@define
class World:
    """A decision point, and the privileges service as it is played here."""

    bus: Bus
    router: MemoryRouter
    held: dict[int, tuple[Held, ...]] = Factory(dict)
    standing_locks: tuple[Lock, ...] = ()
    position: int = 0
    clock: float = 50.0
    date: float = 1_000_000.0
    refusal: ApplicationError | None = None
    gate: asyncio.Event | None = None
    rights: Rights = Factory(
        lambda self: Rights(self.bus, self.bus.health, now=lambda: self.date, clock=lambda: self.clock),
        takes_self=True,
    )

    async def begin(self) -> MemorySession:
        """Join, and hear the first beat."""
        self.router.answers[HOLDINGS] = self.answer_holdings
        self.router.answers[LOCKS] = self.answer_locks
        session = await self.router.join(self.bus, SYSTEM_REALM)
        await self.beat()
        self.router.calls.clear()
        return session

    async def answer_holdings(self, account_key: int) -> Any:
        """As it is when it is asked; the answer waits for the gate, if there is one."""
        answer = plain(Holdings(account_key, self.position, self.held.get(account_key, ())))
        await self._pass()
        return answer

    async def answer_locks(self) -> Any:
        """As `answer_holdings`."""
        answer = plain(StandingLocks(self.position, self.standing_locks))
        await self._pass()
        return answer

    async def _pass(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal

    def hold(self, account_key: int, standing: Standing, domain: Domain = PLANT) -> None:
        """Unsaid so far."""
        rest = [held for held in self.held.get(account_key, ()) if held.domain != domain]
        self.held[account_key] = (*rest, Held(domain, standing))

    def grant(self, account_key: int, *flags: str, ends_at: float | None = None) -> None:
        """A member with `flags` on the press, unsaid so far."""
        grants = tuple(Grant(at, flag, AssetKind.DEVICE, PRESS.key, ends_at) for at, flag in enumerate(flags, 1))
        self.hold(account_key, evolve(MEMBER, grants=grants))

    def change(self, *accounts: int, domain: Domain = PLANT, everybody: bool = False, locks: bool = False) -> Change:
        """A committed change at the next position, unsaid so far."""
        self.position += 1
        return Change(self.position, domain, accounts, everybody=everybody, locks=locks)

    def say(self, *changes: Change, position: int | None = None) -> None:
        """News of these changes; without any, a beat."""
        said = position if position is not None else max((each.position for each in changes), default=self.position)
        self.router.publish(SYSTEM_REALM, CHANGED, **plain(News(said, changes)))

    async def beat(self) -> None:
        """The stream stands where it stands."""
        self.say()
        await settled(self.bus)

    def lock(self, kind: LockKind, key: int | str, ends_at: float | None = None) -> Change:
        """A lock more, unsaid so far."""
        self.standing_locks += (Lock(len(self.standing_locks) + 1, kind, str(key), ends_at),)
        return self.change(everybody=True, locks=True)

    async def sees(self, account_key: int, flag: str = "READ", asset: Asset = PRESS) -> bool:
        return (await self.rights.decide(account_key, flag, asset, PLANT)).allowed

    def asked(self) -> list[int]:
        """Of whom privileges was asked."""
        return [named["account_key"] for name, _, named in self.router.calls if name == HOLDINGS]

    @property
    def reads_of_locks(self) -> int:
        return len(self.router.called(LOCKS))


async def turns(number: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(number):
        await asyncio.sleep(0)


async def refusal(world: World, account_key: int = ANNA) -> PublicError | None:
    try:
        await world.sees(account_key)
    except PublicError as error:
        return error
    return None
