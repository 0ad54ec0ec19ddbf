"""What becomes of rows that nobody waits for: they stand in the app's own `error-logs`, for a while one a second."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import structlog
from attrs import frozen

from services.fleetdb.errors import Refusal
from services.fleetdb.live import LiveRealm
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import TIME, Row, Table
from services.fleetdb.rules.rows import NO_DEVICE
from services.fleetdb.rules.shapes import ERROR_LOGS, tables_of
from shared.allowance import Allowance
from shared.errors import PublicError

MAX_PER_MINUTE: Final = 60
MAX_LETTERS: Final = 2_000

log = structlog.get_logger()


@frozen
class Writer:
    """Who wrote what is told of."""

    device_key: int
    authid: str


SYSTEM: Final = Writer(NO_DEVICE, "system")


class Appending(Protocol):
    """What stores rows."""

    async def append(self, backend: Backend, table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """See `writing.Writing`."""


class Problems:
    """Tells apps what went wrong behind their back."""

    def __init__(self, writing: Appending, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        """`now` is the time in UTC, `clock` gives seconds that only go forward."""
        self._writing = writing
        self._now = now
        self._clock = clock
        self._allowance = Allowance(MAX_PER_MINUTE, 60.0)

    async def dropped(self, realm: LiveRealm, what: str, error: Refusal | PublicError, by: Writer) -> None:
        """What `by` wrote was dropped."""
        await self.tell(realm.backend, realm, f"{what}: {_said(error)}", by)

    async def tell(self, backend: Backend, realm: LiveRealm | None, text: str, by: Writer = SYSTEM) -> None:
        """Put a line into the app's log; `realm` is None while nobody can hear of it."""
        table = (realm.offer.tables if realm is not None else tables_of(None)).get(ERROR_LOGS)
        if table is None or not self._allowance.take(backend.backend_key, self._clock()):
            log.warning("app_problem_unsaid", realm=backend.realm)
            return
        said = text[:MAX_LETTERS]
        values = {TIME: self._now(), "msg": said, "user_message": said, "source": "system", "level": "error"}
        try:
            stored = await self._writing.append(backend, table, [Row(values, by.device_key, by.authid)])
        except (Refusal, PublicError) as trouble:
            log.warning("app_problem_unsaid", realm=backend.realm, kind=type(trouble).__name__)
            return
        if realm is not None:
            realm.publish(f"transformed.{ERROR_LOGS}", stored[0], is_private=True)


def _said(error: Refusal | PublicError) -> str:
    if isinstance(error, PublicError):
        return error.message
    first = error.wire_args[0] if error.wire_args else None
    if isinstance(first, dict):
        return str(first.get("message") or "a row has no usable tsp")
    return str(first or error.uri)
