"""Sessions end with the credential that opened them: at its date, or as soon as `auth` says that it has ended."""

from collections.abc import Callable, Iterable
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
    """The sessions whose credential can end."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the wall clock in Unix seconds: ends are dates, and a clock that is set right moves them too."""
        self._now = now
        self._ends: dict[EndingSession, float] = {}
        self._credentials: dict[EndingSession, tuple[str, ...]] = {}
        self._sessions: dict[str, set[EndingSession]] = {}

    def watch(self, session: EndingSession, credentials: tuple[str, ...], ends_at: float) -> None:
        """End `session`, which lives from each of `credentials`, at `ends_at`."""
        self._ends[session] = ends_at
        self._credentials[session] = credentials
        for credential in credentials:
            self._sessions.setdefault(credential, set()).add(session)

    def forget(self, session: EndingSession) -> None:
        """It has ended by itself."""
        self._ends.pop(session, None)
        for credential in self._credentials.pop(session, ()):
            self._sessions[credential].discard(session)
            if not self._sessions[credential]:
                del self._sessions[credential]

    def look(self) -> None:
        """End what is over; called every `LOOK_EVERY_S`."""
        now = self._now()
        self._end([session for session, ends_at in self._ends.items() if ends_at <= now])

    def end(self, credentials: Iterable[str]) -> int:
        """End every session that lives from one of `credentials`; how many there were."""
        ending = {session for credential in credentials for session in self._sessions.get(credential, ())}
        self._end(list(ending))
        return len(ending)

    def _end(self, sessions: list[EndingSession]) -> None:
        for session in sessions:
            self.forget(session)
            ENDED.labels("credential_ended").inc()
            session.leave(CREDENTIAL_ENDED, "the credential of this session has ended")
