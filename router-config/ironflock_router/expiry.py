"""Sessions end with the credential that opened them."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from ironflock_router.metrics import ENDED

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
CREDENTIAL_ENDED: Final = "ironflock.close.credential_ended"


class EndingSession(Protocol):
    """What expiry needs of a session."""

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """End the session."""


class Expiry:
    """The sessions whose credential has an end."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the wall clock in Unix seconds: ends are dates, and a clock that is set right moves them too."""
        self._now = now
        self._ends: dict[EndingSession, float] = {}

    def watch(self, session: EndingSession, ends_at: float) -> None:
        """End `session` at `ends_at`."""
        self._ends[session] = ends_at

    def forget(self, session: EndingSession) -> None:
        """It has ended by itself."""
        self._ends.pop(session, None)

    def look(self) -> None:
        """End what is over; called every `LOOK_EVERY_S`."""
        now = self._now()
        for session in [session for session, ends_at in self._ends.items() if ends_at <= now]:
            del self._ends[session]
            ENDED.labels("credential_ended").inc()
            session.leave(CREDENTIAL_ENDED, "the credential of this session has ended")
