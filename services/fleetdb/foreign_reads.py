"""What stands in the audit log: what apps read of other apps and people by boards, devices that say they are another.

Decisions 8 and 26. A read that cannot be recorded is not answered.
"""

from typing import Any, Final

from services.fleetdb.live import BOARDS, READER, LiveRealm
from services.fleetdb.records.calls import Asked, Caller
from services.fleetdb.records.queries import Span
from shared import audit
from shared.allowance import Allowance
from shared.database import Database

IMPERSONATIONS_PER_MINUTE: Final = 1


class ForeignReads:
    """Writes them down."""

    def __init__(self, database: Database, clock: Any) -> None:
        """Record over `database`; `clock` gives seconds that only go forward."""
        self._database = database
        self._clock = clock
        self._allowance = Allowance(IMPERSONATIONS_PER_MINUTE, 60.0)

    async def record_read(self, realm: LiveRealm, asked: Asked, table: str, span: Span | None, rows: int) -> None:
        """`rows` rows of `table` were read; of no effect where the app read its own."""
        caller = asked.caller
        if caller.role == READER:
            reader = {"reader_app_key": await realm.app_of(caller)}
        elif caller.role in BOARDS:
            reader = {"board_key": await realm.board_of(caller)}
        else:
            return
        about = {
            "table": table,
            "rows": rows,
            "from_ms": None if span is None else span.start_ms,
            "to_ms": None if span is None else span.end_ms,
            **reader,
        }
        await self._record(realm, caller, audit.Action.DATA_READ, about)

    async def impersonated(self, realm: LiveRealm, caller: Caller) -> None:
        """A device's app sent a row as another device; said once a minute of each device."""
        if self._allowance.take(caller.authid, self._clock()):
            await self._record(realm, caller, audit.Action.DATA_IMPERSONATED, {})

    async def _record(self, realm: LiveRealm, caller: Caller, action: audit.Action, about: dict[str, Any]) -> None:
        backend = realm.backend
        is_refused = action is audit.Action.DATA_IMPERSONATED
        draft = audit.Draft(
            action=action,
            aspect=audit.Aspect.IDENTITY if is_refused else audit.Aspect.READING,
            actor=await _actor(realm, caller),
            asset=audit.Asset("data_backend", backend.backend_key),
            project_key=backend.project_key,
            after={"app_key": backend.app_key, "stage": backend.stage.value, **about},
            session=caller.session,
            outcome=audit.Outcome.REFUSED if is_refused else audit.Outcome.DONE,
        )
        async with self._database.transaction() as connection:
            await audit.record(connection, draft)


async def _actor(realm: LiveRealm, caller: Caller) -> audit.Actor:
    if caller.role in BOARDS:
        return audit.Actor(audit.ActorKind.PERSON, int(caller.authid))
    return audit.Actor(audit.ActorKind.DEVICE, await realm.device_of(caller))
