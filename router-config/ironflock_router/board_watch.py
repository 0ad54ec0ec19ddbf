"""Boards live only while realms judges what they rest on, and auth tells what has ended: each says so, again and again.

Where one of the two is not heard for 5 seconds, whatever the reason, nobody knows any more whether their people may
still be there: every board ends, and none joins until both are heard again (decision 14).
"""

from typing import Final

import structlog

from ironflock_router.expiry import EndingSession
from ironflock_router.hearing import Hearing
from ironflock_router.metrics import ENDED
from shared.rights.wire import SILENCE_S

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.5
RIGHTS_UNKNOWN: Final = "ironflock.close.rights_unknown"


class BoardWatch:
    """The sessions of boards, in all data realms."""

    def __init__(self, judged: Hearing, told: Hearing) -> None:
        """`judged`: realms has judged all boards; `told`: auth has told of every credential that has ended."""
        self._hearings = (judged, told)
        self._sessions: set[EndingSession] = set()

    @property
    def is_silent(self) -> bool:
        """Whether nobody says any more that boards are judged, or that all that ended is told."""
        return any(hearing.silent_s > SILENCE_S for hearing in self._hearings)

    def joined(self, session: EndingSession) -> None:
        """A board is in."""
        self._sessions.add(session)

    def left(self, session: EndingSession) -> None:
        """It is out; of no effect for who is no board."""
        self._sessions.discard(session)

    def look(self) -> None:
        """End every board where nothing is heard; called every `LOOK_EVERY_S`."""
        if not self._sessions or not self.is_silent:
            return
        log.warning("boards_ended", number=len(self._sessions))
        for session in list(self._sessions):
            self.left(session)
            ENDED.labels("rights_unknown").inc()
            session.leave(RIGHTS_UNKNOWN, "whether you may still be here cannot be looked up now")
