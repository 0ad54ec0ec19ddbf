"""What stands in the audit log: what apps read of other apps and people by boards, devices that say they are another.

Decisions 8 and 26. A read that cannot be recorded is not answered: nothing of it leaves before it is written down. Of
an answer in chunks nobody knows before the last one how many rows it has: it is written down as begun, and again as it
ended.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import psycopg
import structlog
from attrs import define, field

from services.fleetdb.live import BOARDS, READER, LiveRealm
from services.fleetdb.records.calls import Asked, Caller
from services.fleetdb.records.queries import Span
from shared import audit
from shared.allowance import Allowance
from shared.database import Database
from shared.errors import PublicError

log = structlog.get_logger()

IMPERSONATIONS_PER_MINUTE: Final = 1

Record = Callable[[audit.Outcome, dict[str, Any]], Coroutine[Any, Any, None]]


@define
class Read:
    """One read: written down before anything of it leaves, and how it ended."""

    _record: Record | None
    _about: dict[str, Any]
    _progress: Callable[..., None] | None
    _rows: int = 0
    _has_begun: bool = field(default=False, init=False)

    @property
    def progress(self) -> Callable[..., None] | None:
        """What sends a chunk, where the caller takes chunks."""
        return None if self._progress is None else self._send

    async def begin(self) -> None:
        """The first chunk is about to leave.

        Raises:
            PublicError: It cannot be written down.
        """
        await self._say(audit.Outcome.INTENDED, None)
        self._has_begun = True

    async def end(self, rows: int) -> None:
        """All of it is about to have left: `rows` rows. Errors as `begin`."""
        await self._say(audit.Outcome.DONE, rows)

    async def break_off(self) -> None:
        """Nothing more of it leaves."""
        if not self._has_begun:
            return
        try:
            await self._say(audit.Outcome.FAILED, self._rows)
        except (PublicError, psycopg.Error) as error:  # that it began stands there
            log.warning("read_not_closed", error=type(error).__name__)

    def _send(self, number: int, chunk: list[Any]) -> None:
        if self._progress is not None:
            self._rows += len(chunk)
            self._progress(number, chunk)

    async def _say(self, outcome: audit.Outcome, rows: int | None) -> None:
        if self._record is not None:
            await self._record(outcome, {**self._about, "rows": rows})


class ForeignReads:
    """Writes them down."""

    def __init__(self, database: Database, clock: Any) -> None:
        """Record over `database`; `clock` gives seconds that only go forward."""
        self._database = database
        self._clock = clock
        self._allowance = Allowance(IMPERSONATIONS_PER_MINUTE, 60.0)

    async def about_to_read(self, realm: LiveRealm, asked: Asked, table: str, span: Span | None) -> "Read":
        """A read of `table` that is about to be answered; of no effect where the app reads its own.

        Raises:
            Refusal: The caller's session is over.
        """
        about = {
            "table": table,
            "from_ms": None if span is None else span.start_ms,
            "to_ms": None if span is None else span.end_ms,
        }
        caller = asked.caller
        if caller.role == READER:
            about["reader_app_key"] = await realm.app_of(caller)
        elif caller.role in BOARDS:
            about["board_key"] = await realm.board_of(caller)
        else:
            return Read(None, about, asked.progress)

        async def record(outcome: audit.Outcome, said: dict[str, Any]) -> None:
            await self._record(realm, caller, audit.Action.DATA_READ, said, outcome)

        return Read(record, about, asked.progress)

    async def impersonated(self, realm: LiveRealm, caller: Caller) -> None:
        """A device's app sent a row as another device; said once a minute of each device."""
        if self._allowance.take(caller.authid, self._clock()):
            await self._record(realm, caller, audit.Action.DATA_IMPERSONATED, {}, audit.Outcome.REFUSED)

    async def _record(
        self, realm: LiveRealm, caller: Caller, action: audit.Action, about: dict[str, Any], outcome: audit.Outcome
    ) -> None:
        backend = realm.backend
        draft = audit.Draft(
            action=action,
            aspect=audit.Aspect.IDENTITY if outcome is audit.Outcome.REFUSED else audit.Aspect.READING,
            actor=await _actor(realm, caller),
            asset=audit.Asset("data_backend", backend.backend_key),
            project_key=backend.project_key,
            after={"app_key": backend.app_key, "stage": backend.stage.value, **about},
            session=caller.session,
            outcome=outcome,
        )
        async with self._database.transaction() as connection:
            await audit.record(connection, draft)


async def _actor(realm: LiveRealm, caller: Caller) -> audit.Actor:
    if caller.role in BOARDS:
        return audit.Actor(audit.ActorKind.PERSON, int(caller.authid))
    return audit.Actor(audit.ActorKind.DEVICE, await realm.device_of(caller))
