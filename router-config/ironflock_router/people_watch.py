"""People's sessions end with their credential, as auth tells; where auth is lost, nobody knows any more which ended.

What a person calls is judged by their rights at each call, while those are heard (decision 14). Whether their key was
revoked, they signed out or were locked, auth alone tells: a router that does not hear for a minute that all of that is
told ends their sessions. Auth that is started anew, or its database, is back before; who was ended joins again by it.
"""

from collections.abc import Callable
from math import isfinite
from typing import Final

import structlog

from ironflock_router.expiry import EndingSession
from ironflock_router.hearing import Hearing
from ironflock_router.metrics import ENDED

log = structlog.get_logger()

SILENCE_S: Final = 60.0
LOOK_EVERY_S: Final = 1.0
CREDENTIAL_UNKNOWN: Final = "ironflock.close.credential_unknown"


class PeopleWatch:
    """The sessions of people, on the realm of all."""

    def __init__(self, told: Hearing, seconds: Callable[[], float]) -> None:
        """`told`: auth has told of every credential that has ended; `seconds` only go forward."""
        self._told = told
        self._seconds = seconds
        self._joined_at: dict[EndingSession, float] = {}

    def joined(self, session: EndingSession) -> None:
        """A person is in: auth has just let them."""
        self._joined_at[session] = self._seconds()

    def left(self, session: EndingSession) -> None:
        """They are out; of no effect for who is no person."""
        self._joined_at.pop(session, None)

    def look(self) -> None:
        """End those of whom nothing was heard for so long; called every `LOOK_EVERY_S`.

        Nobody ends where it was never said: then auth is of the release before this, which does not say it.
        """
        silent_s, now = self._told.silent_s, self._seconds()
        if not isfinite(silent_s) or silent_s <= SILENCE_S:
            return
        over = [session for session, joined_at in self._joined_at.items() if now - joined_at > SILENCE_S]
        if over:
            log.warning("people_ended", number=len(over))
        for session in over:
            self.left(session)
            ENDED.labels("credential_unknown").inc()
            session.leave(CREDENTIAL_UNKNOWN, "whether your credential has ended cannot be looked up now: join again")
