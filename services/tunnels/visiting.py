"""Visits: each is recorded before its first octet, watched while it is there, and recorded again when it is over.

A visit rests on what its person is signed in with, on their flag on the device, and on the factor that its project asks
for. Changes of rights wake it; everything is looked at again each few seconds; and while nobody can say whether it may
go on, it does so for five seconds and no longer (decision 14).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Any, Final

import psycopg
from attrs import define, field, frozen
from prometheus_client import Gauge

from services.tunnels.credentials import Credentials
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Cause, Tally, Visit, Visitor
from services.tunnels.registry import Devices
from services.tunnels.rules.visits import Bounds, Course, end_of, full, hard_end
from services.tunnels.store import recordings, tickets, tunnels
from services.tunnels.store import visits as store
from services.tunnels.visit_drafts import begun_draft, ended_draft
from shared import audit
from shared.database import Connection, Database
from shared.errors import (
    ConflictError,
    NotFoundError,
    OverLimitError,
    PublicError,
    SignInRefusedError,
    UnavailableError,
)
from shared.identities import Person
from shared.rights.decision_point import Following, Rights
from shared.subscribers import subscriber

FLAG: Final = "REMOTE_ACCESS"
USED: Final = "this ticket opens nothing any more: it can be used once and soon"
GONE: Final = "there is no such tunnel any more"
NOT_PUBLIC: Final = "this is not open to everybody any more"
LOOK_AGAIN_S: Final = 3.0
"""How often all of a visit is looked at, although nothing was told: a device may have left a group."""
LEFT_AFTER_S: Final = 120.0
KEPT_S: Final = 90 * 86_400.0

going_on = Gauge("ironflock_tunnels_visits", "Visits that are open in this process")


@frozen
class Around:
    """What visits stand on."""

    database: Database
    devices: Devices
    credentials: Credentials
    rights: Rights
    times: Times
    bounds: Bounds


@define(eq=False)
class OpenVisit:
    """A visit that is there; `cut` is done, with the cause, once it may not go on."""

    visit: Visit
    visitor: Visitor
    cut: "asyncio.Future[Cause]"
    moved_at: float
    confirmed_at: float
    looked_at: float
    following: Following | None
    holds: ExitStack
    tally: Tally = field(factory=Tally)
    recorded: dict[str, Any] | None = None
    """What the log is to have of its recording, once that is complete."""

    def end(self, cause: Cause) -> None:
        """It may not go on; the first cause counts."""
        if not self.cut.done():
            self.cut.set_result(cause)

    def moved(self, clock: float, *, octets_to: int = 0, octets_from: int = 0) -> None:
        """So many octets went to the device, or came from it."""
        self.moved_at = clock
        self.tally = Tally(self.tally.octets_to + octets_to, self.tally.octets_from + octets_from)


class Visiting:
    """All visits of this process."""

    def __init__(self, around: Around) -> None:
        """Nobody is there yet."""
        self._around = around
        self._open: dict[int, OpenVisit] = {}
        self._over: dict[int, tuple[OpenVisit, Cause]] = {}
        """Those whose end could not be recorded yet."""
        self._counts: Counter[tuple[str, object]] = Counter()
        self._began_at = around.times.clock()
        self._was_mended = False
        going_on.set_function(lambda: len(self._open))

    def count(self, tunnel_key: int) -> int:
        """How many visits of the tunnel there are now, or about to be."""
        return self._counts["tunnel", tunnel_key]

    async def begin(self, admitted: Admitted) -> OpenVisit:
        """Record that the visitor comes; what they came by is used up.

        Raises:
            OverLimitError: There are too many.
            SignInRefusedError: Their ticket was used meanwhile.
            NotFoundError, ConflictError: The tunnel was withdrawn meanwhile, or is not public any more.
            PublicError, psycopg.Error: It cannot be recorded: there is no visit.
        """
        places = list(_places(admitted))
        refused = full({kind: self._counts[kind, key] for kind, key in places})
        if refused is not None:
            raise OverLimitError(refused)
        self._counts.update(places)
        holds = ExitStack()
        holds.callback(self._counts.subtract, places)
        try:
            return await self._begin(admitted, holds)
        except BaseException:
            holds.close()
            raise

    async def conclude(self, opened: OpenVisit, cause: Cause) -> None:
        """The visit is over. Its end is recorded as soon as it can be."""
        opened.end(cause)
        was_open = self._open.pop(opened.visit.visit_key, None) is not None
        opened.holds.close()
        if was_open:
            self._over[opened.visit.visit_key] = opened, cause
            with suppress(PublicError, psycopg.Error):
                await self._tell_end(opened, cause)

    def cut(self, which: Callable[[Visit], bool], cause: Cause) -> int:
        """End the visits that `which` picks out; how many they were."""
        found = [each for each in self._open.values() if which(each.visit)]
        for each in found:
            each.end(cause)
        return len(found)

    async def keep_true(self) -> None:
        """End what may not go on, and record what is over. To be done several times a second.

        Raises:
            PublicError: A part is away; what it would have said is asked again.
        """
        try:
            await self._confirm()
        finally:
            now, clock = self._around.times.now().timestamp(), self._around.times.clock()
            for each in list(self._open.values()):
                cause_now = end_of(_course(each), self._around.bounds, now=now, clock=clock)
                if cause_now is not None:
                    each.end(cause_now)
        for opened, cause in list(self._over.values()):
            await self._tell_end(opened, cause)

    async def mend(self) -> None:
        """End what a process that died has left, and forget what is long over.

        Raises:
            PublicError: The database is away.
        """
        age_s = self._around.times.clock() - self._began_at
        older_than_s = LEFT_AFTER_S if self._was_mended else age_s  # what began before this process did
        known = [*self._open, *self._over]
        left = await self._around.database.run(
            lambda connection: store.visit_list_left(connection, known, older_than_s)
        )
        for visit in left:
            await self._record_end(visit, Cause.EDGE_RESTARTED, None, None)
        self._was_mended = True
        await self._around.database.run(lambda connection: store.visit_sweep(connection, KEPT_S))

    def stop(self) -> None:
        """Cut every visit; whoever carries them concludes them."""
        self.cut(lambda _: True, Cause.SERVICE_STOPPED)

    async def _begin(self, admitted: Admitted, holds: ExitStack) -> OpenVisit:
        around, visitor = self._around, admitted.visitor
        person = visitor.person
        following = None if person is None else holds.enter_context(around.rights.follow(person.account_key))
        address = None if person is None else await around.credentials.sealed(person.account_key, visitor.address)
        now = around.times.now()
        async with around.database.transaction() as connection:
            tunnel = await _take(connection, admitted, now)
            ends = visitor.ends_at, _public_end(tunnel) if person is None else None
            visit = await store.visit_insert(
                connection, tunnel, visitor, hard_end(now.timestamp(), around.bounds, *ends)
            )
            await audit.record(connection, begun_draft(visit, address))
            # Before it is committed: whoever changes the tunnel behind it finds the visit here, and can cut it.
            return self._opened(visit, visitor, following, holds)

    def _opened(self, visit: Visit, visitor: Visitor, following: Following | None, holds: ExitStack) -> OpenVisit:
        clock = self._around.times.clock()
        cut = asyncio.get_running_loop().create_future()
        opened = OpenVisit(visit, visitor, cut, clock, clock, -LOOK_AGAIN_S, following, holds)
        self._open[visit.visit_key] = opened
        holds.callback(self._open.pop, visit.visit_key, None)
        return opened

    async def _confirm(self) -> None:
        """Ask whether those who are there still may.

        Raises:
            PublicError: Somebody who knows is away.
        """
        known = {each: person for each in self._open.values() if (person := each.visitor.person) is not None}
        if not known:
            return
        standing = await self._around.credentials.standing(map(_whose, known.values()))
        asked = []
        for each, person in known.items():
            if _whose(person) in standing:
                asked.append(self._look(each, person))
            else:
                each.end(Cause.CREDENTIAL_ENDED)
        failures = [each for each in await asyncio.gather(*asked, return_exceptions=True) if each is not None]
        for failure in failures:
            raise failure

    async def _look(self, opened: OpenVisit, person: Person) -> None:
        """Whether the person still has the flag, where that may have changed."""
        clock = self._around.times.clock()
        try:
            is_due = opened.following is None or opened.following.is_due()
            if is_due or clock - opened.looked_at >= LOOK_AGAIN_S:
                opened.looked_at = -LOOK_AGAIN_S  # until it is answered it stays due
                device = await self._around.devices.reach(person, FLAG, opened.visit.device_key)
                if device.project_key != opened.visit.project_key:
                    opened.end(Cause.DEVICE_ENDED)
                opened.looked_at = clock
        except UnavailableError:
            raise
        except PublicError:
            opened.end(Cause.RIGHT_ENDED)
        opened.confirmed_at = clock

    async def _tell_end(self, opened: OpenVisit, cause: Cause) -> None:
        await self._record_end(opened.visit, cause, opened.tally, opened.recorded)
        self._over.pop(opened.visit.visit_key, None)

    async def _record_end(
        self, visit: Visit, cause: Cause, tally: Tally | None, recorded: dict[str, Any] | None
    ) -> None:
        async with self._around.database.transaction() as connection:
            if await store.visit_end(connection, visit.visit_key, cause.value, tally):
                await audit.record(connection, ended_draft(visit, cause, tally, recorded))


async def _take(connection: Connection, admitted: Admitted, now: datetime) -> Tunnel:
    """See that the tunnel still is what they were let in to, and stays so until then; use their ticket up."""
    digest, meant = admitted.visitor.ticket, admitted.tunnel
    # In this order: whoever withdraws the tunnel takes its tickets along.
    tunnel = await tunnels.tunnel_hold_in_txn(connection, meant.tunnel_key)
    if tunnel is None or tunnel.project_key != meant.project_key:
        raise NotFoundError(GONE)
    if digest is not None and not await tickets.ticket_take(connection, digest):
        raise SignInRefusedError(USED)
    if admitted.visitor.person is None and not (tunnel.is_public(now) and not await _is_recorded(connection, tunnel)):
        raise ConflictError(NOT_PUBLIC)
    return tunnel


async def _is_recorded(connection: Connection, tunnel: Tunnel) -> bool:
    """Whether who comes has to be told first, which nobody without an account can be."""
    if tunnel.protocol != "tcp":
        return False
    return tunnel.app in await recordings.recorded_app_list(connection, tunnel.project_key)


def _public_end(tunnel: Tunnel) -> float | None:
    return None if tunnel.public_until is None else tunnel.public_until.timestamp()


def _places(admitted: Admitted) -> Iterator[tuple[str, object]]:
    """What the visit counts for."""
    yield "all", None
    yield "tunnel", admitted.tunnel.tunnel_key
    yield "device", admitted.tunnel.device_key
    person = admitted.visitor.person
    if person is None:
        yield "strangers", None
        yield "strangers at the device", admitted.tunnel.device_key
        yield "address", subscriber(admitted.visitor.address)
    else:
        yield "person", person.account_key


def _whose(person: Person) -> tuple[int, str]:
    return person.account_key, person.credential or ""


def _course(opened: OpenVisit) -> Course:
    confirmed_at = None if opened.visitor.person is None else opened.confirmed_at
    return Course(opened.visit.hard_end.timestamp(), opened.moved_at, confirmed_at)
