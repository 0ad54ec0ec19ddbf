"""Boards live only while realms judges what they rest on: it says each second that it does.

Where that is not heard for 5 seconds, whatever the reason, nobody knows any more whether their people may still be
there: every board ends, and none joins until it is heard again (decision 14).
"""

from collections.abc import Callable
from math import inf
from typing import Final

import structlog

from ironflock_router.expiry import EndingSession
from ironflock_router.metrics import ENDED
from shared.rights.wire import SILENCE_S

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.5
RIGHTS_UNKNOWN: Final = "ironflock.close.rights_unknown"


class BoardWatch:
    """The sessions of boards, in all data realms."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` only go forward; nothing has been heard yet."""
        self._seconds = seconds
        self._fresh_at = -inf
        self._sessions: set[EndingSession] = set()

    @property
    def is_silent(self) -> bool:
        """Whether nobody says any more that boards are judged."""
        return self._seconds() - self._fresh_at > SILENCE_S

    def joined(self, session: EndingSession) -> None:
        """A board is in."""
        self._sessions.add(session)

    def left(self, session: EndingSession) -> None:
        """It is out; of no effect for who is no board."""
        self._sessions.discard(session)

    def follow(self, *_: object, **event: object) -> None:
        """An event of `realms`: all boards were judged just now, by rights that are `silent_s` seconds old at most.

        Raises nothing, whatever the event is.
        """
        silent_s = event.get("silent_s")
        if not isinstance(silent_s, int | float) or not silent_s >= 0:
            log.error("board_event_malformed")
            return
        # Of several processes of realms one may hear worse than another.
        self._fresh_at = max(self._fresh_at, self._seconds() - silent_s)

    def look(self) -> None:
        """End every board where nothing is heard; called every `LOOK_EVERY_S`."""
        if not self._sessions or not self.is_silent:
            return
        log.warning("boards_ended", number=len(self._sessions))
        for session in list(self._sessions):
            self.left(session)
            ENDED.labels("rights_unknown").inc()
            session.leave(RIGHTS_UNKNOWN, "whether you may still be here cannot be looked up now")
