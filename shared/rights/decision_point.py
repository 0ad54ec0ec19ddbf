"""A decision point: what the people whom a service serves hold, kept true by the stream of changes.

What somebody holds is asked for once and kept while it is used; the stream (`shared.rights.wire`) has gapless positions
and a beat each second. A position that skips drops all that is kept, a silence of 5 seconds refuses everything that
rests on flags until the stream is heard again, and it then begins anew. Whoever has something open follows their person
here and is woken by each change of it, and when something that they hold ends by itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from math import inf
from typing import Any, Final

import msgspec
import structlog
from attrs import evolve
from autobahn.wamp.exception import ApplicationError
from prometheus_client import Counter

from shared.bus import Bus
from shared.errors import NotAuthorizedError, NotFoundError, PublicError, UnavailableError
from shared.flags import AssetKind, is_flag
from shared.health import Health
from shared.identities import SYSTEM_REALM, Person
from shared.procedures import answered
from shared.rights.records import Asset, Decision, Domain, DomainKind, Holdings, Lock, LockKind, Rule
from shared.rights.rules import decide
from shared.rights.wire import CHANGED, HOLDINGS, LOCKS, SILENCE_S, Change, News, StandingLocks
from shared.session import BusSession

KEPT: Final = 10_000
"""People whose holdings are kept, besides those that are followed."""
ALLOWED_ONE_IN: Final = 100
LOOK_EVERY_S: Final = 0.5
PART: Final = "rights"
NOT_HEARD: Final = "the stream of changed rights has not been heard yet"
SILENT: Final = "rights cannot be looked up now; nothing was changed, try again in a moment"

log = structlog.get_logger()
decisions = Counter("ironflock_decisions_total", "Decisions about flags", ["flag", "rule"])


class Following:
    """One open thing of one person: told when what it rests on may have changed, or has ended by itself."""

    def __init__(self, rights: "Rights", account_key: int, on_wake: Callable[[], None]) -> None:
        """Made by `Rights.follow`."""
        self._rights = rights
        self._account_key = account_key
        self._on_wake = on_wake
        self._changed = asyncio.Event()
        self._looked_at = rights.now()

    def wake(self) -> None:
        """Something of the person changed, or may have."""
        self._changed.set()
        self._on_wake()

    def is_due(self) -> bool:
        """Whether something changed, or ended, since this was last asked.

        Raises:
            UnavailableError: Changes cannot be heard of any more.
        """
        self._rights.refuse_silence()
        now = self._rights.now()
        has_ended = any(self._looked_at < end <= now for end in self._rights.ends(self._account_key))
        is_due = self._changed.is_set() or has_ended
        self._changed.clear()
        self._looked_at = now
        return is_due

    async def changed(self, timeout_s: float) -> bool:
        """Whether something changed, or ended, within `timeout_s` seconds. Errors as `is_due`."""
        left_s = timeout_s
        while not (is_due := self.is_due()) and left_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_EVERY_S, left_s)):
                    await self._changed.wait()
            left_s -= LOOK_EVERY_S
        return is_due


class Rights:
    """What people hold, for one service."""

    def __init__(self, bus: Bus, health: Health, *, now: Callable[[], float], clock: Callable[[], float]) -> None:
        """Follow the stream over `bus`.

        Args:
            now: Unix seconds: ends are dates.
            clock: Seconds that only go forward: silences.
        """
        self._bus = bus
        self._health = health
        self.now = now
        self._clock = clock
        self._position = -1
        self._heard_at: float | None = None
        self._kept: OrderedDict[int, Holdings] = OrderedDict()
        self._asked: dict[int, asyncio.Task[None]] = {}
        self._touched: dict[int, float] = {}
        self._followers: dict[int, set[Following]] = {}
        self._locks: tuple[Lock, ...] = ()
        self._reading_locks: asyncio.Task[None] | None = None
        self._locks_are_due = True
        self._lock_listeners: list[Callable[[], None]] = []
        self._allowed = 0
        health.set(PART, ok=False, reason=NOT_HEARD)
        bus.on_join(SYSTEM_REALM, self._subscribe)

    @property
    def is_heard(self) -> bool:
        """Whether the stream has been heard lately."""
        return self.silent_s <= SILENCE_S and not (self._locks_are_due and self._reading_locks is None)

    @property
    def silent_s(self) -> float:
        """For how many seconds the stream has said nothing; infinite where it never was heard."""
        return inf if self._heard_at is None else self._clock() - self._heard_at

    def refuse_silence(self) -> None:
        """Let pass while the stream is heard.

        Raises:
            UnavailableError: It has been silent for too long.
        """
        if not self.is_heard:
            self._health.set(PART, ok=False, reason="the stream of changed rights is silent")
            raise UnavailableError(SILENT)

    async def settled(self) -> None:
        """Let pass while the stream is heard, once the locks that it told of are known.

        Raises:
            UnavailableError: It is silent, or the locks cannot be read.
        """
        self.refuse_silence()
        if self._reading_locks is not None:
            await asyncio.shield(self._reading_locks)
            self.refuse_silence()

    async def holdings(self, account_key: int) -> Holdings:
        """Everything that the person holds.

        Raises:
            UnavailableError: The stream is silent, or the privileges service is away.
        """
        await self.settled()
        while (kept := self._kept.get(account_key)) is None:
            if account_key not in self._asked:
                self._asked[account_key] = self._bus.task(self._ask(account_key))
            await asyncio.shield(self._asked[account_key])
            await self.settled()  # the stream may have become silent, or told of a lock, while the answer came
        self._kept.move_to_end(account_key)
        return kept

    async def holdings_now(self, account_key: int) -> Holdings:
        """As `holdings`, asked anew: the news of a right that was just given may still be on its way."""
        self._kept.pop(account_key, None)
        return await self.holdings(account_key)

    async def decide(self, account_key: int, flag: str, asset: Asset, domain: Domain) -> Decision:
        """Whether the person has `flag` on `asset` in `domain`; nobody is refused by what is kept of them alone.

        Every refusal is logged, and one yes in a hundred.

        Raises:
            UnavailableError: As `holdings`.
        """
        kept = self._kept.get(account_key)
        holdings = await self.holdings(account_key)
        decision = self.judge(holdings, flag, asset, domain)
        if not decision.allowed and holdings is kept:
            decision = self.judge(await self.holdings_now(account_key), flag, asset, domain)
        self._log(account_key, flag, asset, decision, decision.rule.value)
        return decision

    def judge(self, holdings: Holdings, flag: str, asset: Asset, domain: Domain) -> Decision:
        """The decision alone, about what is known already."""
        standing = holdings.standing(domain)
        if self.find_lock(LockKind.PERSON, holdings.account_key) is not None:
            standing = evolve(standing, is_locked_out=True)
        locked = evolve(asset, is_locked=asset.is_locked or self.is_locked(asset, domain))
        return decide(standing, flag, locked, now=self.now())

    async def require(self, person: Person, flag: str, asset: Asset, domain: Domain, *, absent: str) -> Decision:
        """Let the person pass with `flag` on `asset`, as far as their credential's scopes reach.

        Raises:
            NotFoundError: With `absent`: they may not see that it exists.
            NotAuthorizedError: They may see it, and lack the flag.
            UnavailableError: As `holdings`.
        """
        if not is_within(person, asset, domain):
            self._log(person.account_key, flag, asset, OUTSIDE, OUT_OF_SCOPE)
            if not is_flag(asset.kind, "READ"):
                raise NotAuthorizedError(NOT_IN_SCOPE)
            raise NotFoundError(absent)
        decision = await self.decide(person.account_key, flag, asset, domain)
        if decision.allowed:
            return decision
        if is_flag(asset.kind, "READ"):
            seen = self.judge(await self.holdings(person.account_key), "READ", asset, domain)
            if not seen.allowed:
                raise NotFoundError(absent)
        raise NotAuthorizedError(
            f"this needs {flag} on {spoken(asset)}: {WHAT_NOW.get(decision.rule, ASK)}",
            flag=flag,
            asset={"kind": asset.kind.value, "key": asset.key},
            rule=decision.rule.value,
        )

    @contextmanager
    def follow(self, account_key: int, on_wake: Callable[[], None] = lambda: None) -> Iterator[Following]:
        """Hear of every change of what the person holds, while the block runs; `on_wake` is called at each."""
        following = Following(self, account_key, on_wake)
        self._followers.setdefault(account_key, set()).add(following)
        try:
            yield following
        finally:
            self._followers[account_key].discard(following)
            if not self._followers[account_key]:
                del self._followers[account_key]

    @property
    def locks(self) -> list[Lock]:
        """The locks that are in force now, as far as is known; while the stream is silent, the last known ones."""
        return [lock for lock in self._locks if lock.is_in_force(self.now())]

    def find_lock(self, kind: LockKind, key: int | str) -> Lock | None:
        """The lock that is in force on that person, device, project or API key."""
        return next((lock for lock in self.locks if lock.kind is kind and lock.key == str(key)), None)

    def is_locked(self, asset: Asset, domain: Domain) -> bool:
        """Whether a lock stands on `asset`, or on the project that it is in."""
        if domain.kind is DomainKind.PROJECT and self.find_lock(LockKind.PROJECT, domain.key) is not None:
            return True
        return asset.kind.value == LockKind.DEVICE.value and self.find_lock(LockKind.DEVICE, asset.key) is not None

    def on_locks(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever the locks may be others than before."""
        self._lock_listeners.append(listener)

    def next_end(self, account_key: int) -> float | None:
        """When the next of what the person holds, or of the locks, ends by itself, in Unix seconds."""
        now = self.now()
        return min((end for end in self.ends(account_key) if end > now), default=None)

    def ends(self, account_key: int) -> list[float]:
        """When what the person holds, and each lock, ends or has ended by itself, in Unix seconds."""
        kept = self._kept.get(account_key)
        of_locks = [lock.ends_at for lock in self._locks if lock.ends_at is not None]
        return [*(kept.ends() if kept is not None else ()), *of_locks]

    async def _ask(self, account_key: int) -> None:
        try:
            while True:
                self._touched.pop(account_key, None)
                holdings = answered(Holdings, await self._call(HOLDINGS, account_key=account_key))
                if holdings.position >= self._touched.get(account_key, 0):
                    break  # nothing of theirs changed while the answer was on its way
            self._keep(holdings)
        finally:
            del self._asked[account_key]
            self._touched.pop(account_key, None)

    def _keep(self, holdings: Holdings) -> None:
        self._kept[holdings.account_key] = holdings
        self._kept.move_to_end(holdings.account_key)
        surplus = len(self._kept) - KEPT - len(self._followers)
        if surplus > 0:
            unfollowed = (key for key in self._kept if key not in self._followers)
            for key in list(islice(unfollowed, surplus)):
                del self._kept[key]

    async def _call(self, procedure: str, **arguments: int) -> Any:
        """The answer of privileges, which changes nothing by it.

        Raises:
            UnavailableError: There is none, whatever the reason, within the silence that is borne.
        """
        try:
            return await self._bus.call(procedure, timeout_s=SILENCE_S, **arguments)
        except (PublicError, ApplicationError) as error:
            raise UnavailableError(SILENT) from error

    async def _subscribe(self, session: BusSession) -> None:
        def heard(**news: Any) -> None:
            try:
                self._hear(msgspec.convert(news, News, strict=True))
            except msgspec.ValidationError:
                log.exception("news_of_rights_malformed")

        if not self.is_heard:
            self._health.set(PART, ok=False, reason=NOT_HEARD)
        await session.subscribe(heard, CHANGED).asFuture(asyncio.get_running_loop())

    def _hear(self, news: News) -> None:
        was_heard = self.is_heard
        if was_heard and news.position < self._position:
            return  # said late, by another process; a stream that only says such things is one that was set back
        fresh = [change for change in news.changes if change.position > self._position]
        leads_there = self._position + len(fresh) == news.position
        if was_heard and leads_there and all(each.position == at for at, each in enumerate(fresh, self._position + 1)):
            for change in fresh:
                self._take(change)
        else:
            self._begin_anew()
        self._position = news.position
        self._heard_at = self._clock()
        self._health.set(PART, ok=True)
        if self._locks_are_due and self._reading_locks is None:
            self._reading_locks = self._bus.task(self._read_locks())

    def _take(self, change: Change) -> None:
        for account_key in self._concerned(change):
            self._kept.pop(account_key, None)
            if account_key in self._asked:
                self._touched[account_key] = change.position
            self._wake(account_key)
        self._locks_are_due |= change.locks

    def _concerned(self, change: Change) -> list[int]:
        if not change.everybody:
            return list(change.accounts)
        holders = [key for key, holdings in self._kept.items() if change.domain in holdings.standings]
        unknown = [key for key in self._followers if key not in self._kept]  # another service judges them, from its own
        return [*change.accounts, *holders, *unknown, *self._asked]

    def _begin_anew(self) -> None:
        """Drop everything, and whatever is on its way: something was missed."""
        self._kept.clear()
        self._touched.update(dict.fromkeys(self._asked, inf))
        self._locks_are_due = True
        for account_key in list(self._followers):
            self._wake(account_key)

    def _wake(self, account_key: int) -> None:
        for following in self._followers.get(account_key, ()):
            following.wake()

    async def _read_locks(self) -> None:
        try:
            while self._locks_are_due:  # they may have changed again while the answer was on its way
                self._locks_are_due = False
                self._locks = answered(StandingLocks, await self._call(LOCKS)).locks
        except (PublicError, msgspec.ValidationError) as error:
            self._locks_are_due = True  # the next beat tries again
            log.warning("locks_not_read", reason=str(error))
            return
        finally:
            self._reading_locks = None
        for account_key in list(self._followers):
            self._wake(account_key)
        for listener in self._lock_listeners:
            listener()

    def _log(self, account_key: int, flag: str, asset: Asset, decision: Decision, rule: str) -> None:
        decisions.labels(flag if decision.rule is not Rule.UNKNOWN_FLAG else "", rule).inc()
        self._allowed += decision.allowed
        if decision.allowed and self._allowed % ALLOWED_ONE_IN != 1:
            return
        log.info(
            "decision",
            allowed=decision.allowed,
            account_key=account_key,
            flag=flag[:64],
            asset=f"{asset.kind.value}/{asset.key}",
            rule=rule,
            grant=decision.grant_key,
            until=decision.until,
            position=self._position,
        )


OUTSIDE: Final = Decision(allowed=False, rule=Rule.NO_GRANT)
OUT_OF_SCOPE: Final = "out_of_scope"
NOT_IN_SCOPE: Final = "the scopes of what you are signed in with do not reach this"
"""What the log of decisions says where not the person's rights, but their credential's scopes end."""
ASK: Final = "ask somebody who has GRANT there"
WHAT_NOW: Final[Mapping[str, str]] = {
    "locked": "a lock stands on it",
    "unknown_flag": "there is no such flag",
}


def is_within(person: Person, asset: Asset, domain: Domain) -> bool:
    """Whether the scopes of what the person is signed in with reach `asset` in `domain`."""
    if person.scopes.is_everywhere:
        return True
    if domain.kind is not DomainKind.PROJECT:
        return False
    device_key = asset.key if asset.kind.value == "device" else None
    return person.scopes.reaches(domain.key, device_key)


def spoken(asset: Asset) -> str:
    """How a sentence names the asset; there is one installation."""
    return "the installation" if asset.kind is AssetKind.INSTALLATION else f"{asset.kind.value} {asset.key}"
