"""What live followers were sent, into the audit log: routers sum it up by the minute (decision 26)."""

import asyncio
from typing import Any, Final

from services.fleetdb.live import BOARDS
from services.fleetdb.realms import Realms
from services.fleetdb.records.backends import Stage
from services.fleetdb.records.followers import Followed, Taken
from services.fleetdb.rules.backends import Place, place_of
from shared import audit
from shared.bus import Bus, call
from shared.database import Database
from shared.identities import SYSTEM_REALM
from shared.procedures import answered
from shared.session import BusSession

TAKE: Final = "ironflock.router.followed.take"


class Followers:
    """Takes the sums of every router and writes them down."""

    def __init__(self, bus: Bus, database: Database, realms: Realms) -> None:
        """Ask over `bus`, record over `database`; `realms` knows the backends."""
        self._bus = bus
        self._database = database
        self._realms = realms
        self._backends: dict[Place, int] = {}
        self._written: dict[BusSession, int] = {}
        self._unwritten: dict[BusSession, Taken] = {}

    async def write_down(self) -> None:
        """Write down what there is.

        Raises:
            PublicError, ApplicationError: A router or the database is away; routers keep what was not written down.
        """
        self._backends |= {place_of(backend): backend.backend_key for backend in self._realms.backends}
        sessions = self._bus.sessions(SYSTEM_REALM)
        self._written = {session: self._written.get(session, 0) for session in sessions}
        self._unwritten = {session: taken for session, taken in self._unwritten.items() if session in self._written}
        self._bus.done(await asyncio.gather(*map(self._write_all, sessions), return_exceptions=True))

    async def _write_all(self, session: BusSession) -> None:
        while await self._has_more(session):
            pass

    async def _has_more(self, session: BusSession) -> bool:
        taken = self._unwritten.get(session)
        if taken is None:
            said = await self._bus.of_a_cell(call(session, TAKE, kwargs={"done": self._written[session]}))
            taken = self._unwritten[session] = answered(Taken, said)
        if taken.sums:
            async with self._database.transaction() as connection:
                for each in taken.sums:
                    await audit.record(connection, self._entry(each))
        del self._unwritten[session]
        # Said with the next question: should this process end before, they are given, and stand in the log, twice.
        self._written[session] = taken.number
        return bool(taken.sums)

    def _entry(self, followed: Followed) -> audit.Draft:
        stage = Stage(followed.stage.upper())
        backend_key = self._backends.get(Place(followed.project_key, followed.app_key, stage))
        return audit.Draft(
            action=audit.Action.DATA_READ,
            aspect=audit.Aspect.READING,
            actor=_actor(followed),
            # Of one that was gone before anybody looked, the project at least.
            asset=audit.Asset("data_backend", backend_key) if backend_key else _project(followed),
            project_key=followed.project_key,
            after={
                "app_key": followed.app_key,
                "stage": stage.value,
                "table": followed.table,
                "rows": followed.rows,
                "from_ms": followed.from_ms,
                "to_ms": followed.to_ms,
                "events": followed.events,
                **_by(followed),
            },
            session=followed.session,
        )


def _actor(followed: Followed) -> audit.Actor:
    if followed.role in BOARDS:
        return audit.Actor(audit.ActorKind.PERSON, followed.account_key or 0)
    return audit.Actor(audit.ActorKind.DEVICE, followed.device_key or 0)


def _by(followed: Followed) -> dict[str, Any]:
    if followed.role in BOARDS:
        return {"board_key": followed.board_key}
    return {"reader_app_key": followed.reader_app_key}


def _project(followed: Followed) -> audit.Asset:
    return audit.Asset("project", followed.project_key)
