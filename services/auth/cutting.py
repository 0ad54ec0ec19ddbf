"""A lock cuts what is open: the sessions of a locked person and of their service accounts, those of a locked API key.

Told from the locks that stand, not from what happened: at each change of them, after each join, and every 10 s, so that
no crash and no absent router leaves anything open. For 10 s after a new lock it is told twice a second, since a join
that was under way when it came may end after the first telling.
"""

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from services.auth.endings import PROCEDURE
from services.auth.erasure import ENDED, KILL_BY_AUTHID
from services.auth.store.accounts import account_list_owned
from services.auth.store.board_tickets import board_ticket_end_of
from shared.bus import Bus, call
from shared.database import Database
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from shared.nudge import Nudge
from shared.rights.decision_point import Rights
from shared.rights.records import LockKind
from shared.session import BusSession

REPEAT_INTERVAL_S: Final = 10.0
NEW_FOR_S: Final = 10.0
NEW_INTERVAL_S: Final = 0.5
LOCKED: Final = "a lock stands on this account"


class Cuts:
    """Cuts what locks forbid."""

    def __init__(self, bus: Bus, database: Database, rights: Rights, clock: Callable[[], float]) -> None:
        """Tell the routers over `bus`; service accounts are in `database`; `clock` gives seconds that only go up."""
        self._bus = bus
        self._database = database
        self._rights = rights
        self._clock = clock
        self._known: set[int] = set()
        self._newest_at = -inf
        self._nudge = Nudge()
        rights.on_locks(self._nudge.give)
        for realm in (CONTROL_REALM, SYSTEM_REALM):
            bus.on_join(realm, self._look)

    async def keep_up(self) -> None:
        """Wait until there may be something to cut, some seconds at most, and cut it.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        is_new = self._clock() - self._newest_at < NEW_FOR_S
        await self._nudge.wait(NEW_INTERVAL_S if is_new else REPEAT_INTERVAL_S)
        try:
            await self.cut()
        except Exception:
            self._nudge.give()
            raise

    async def cut(self) -> None:
        """End what the locks in force forbid, the newest lock's first. Errors as `keep_up`."""
        locks = sorted(self._rights.locks, key=lambda lock: lock.lock_key, reverse=True)
        standing = {lock.lock_key for lock in locks}
        if standing - self._known:
            self._newest_at = self._clock()
        self._known = standing
        people = [int(lock.key) for lock in locks if lock.kind is LockKind.PERSON]
        told = await self._tell(people, [lock.key for lock in locks if lock.kind is LockKind.API_KEY])
        if people:
            owned = await self._database.run(lambda connection: account_list_owned(connection, people))
            told += await self._tell(owned, [])
            await self._database.run(lambda connection: board_ticket_end_of(connection, [*people, *owned]))
        self._bus.done(told)

    async def _tell(self, account_keys: list[int], key_ids: list[str]) -> list[BaseException | None]:
        """Tell every cell that is there, whatever becomes of the others; one that comes later is told when it does."""
        return await asyncio.gather(
            *(self._bus.of_a_cell(_kill(each, account_keys)) for each in self._bus.sessions(CONTROL_REALM)),
            *(self._bus.of_a_cell(_end(each, key_ids)) for each in self._bus.sessions(SYSTEM_REALM)),
            return_exceptions=True,
        )

    async def _look(self, _: BusSession) -> None:
        self._nudge.give()


async def _kill(session: BusSession, account_keys: Iterable[int]) -> None:
    for account_key in account_keys:
        await call(session, KILL_BY_AUTHID, args=(str(account_key), ENDED, LOCKED))


async def _end(session: BusSession, key_ids: list[str]) -> None:
    if key_ids:
        await call(session, PROCEDURE, args=(key_ids,))
