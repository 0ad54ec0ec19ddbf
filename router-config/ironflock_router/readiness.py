"""Whether the procedures that agents call are there.

An agent makes the calls of its connect once and never again (wire-agent.md section 9, 28): one that meets a missing
procedure stays half set up until its next connect. So devices are let in only while every procedure is registered, and
those that met a gap are sent off to reconnect once all are back.
"""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from ironflock_router.metrics import ENDED
from ironflock_router.wire_names import AGENT_PROCEDURES, UPDATE_DEVICE_STATUS

log = structlog.get_logger()

SYSTEM_SHUTDOWN: Final = "wamp.close.system_shutdown"
FRESH_S: Final = 30.0
"""A device that joined this short before a loss may have had its first calls swallowed by it."""

# The agent repeats its status every 30 s by itself.
_ASKED_ONCE: Final = frozenset(AGENT_PROCEDURES) - {UPDATE_DEVICE_STATUS}


class DeviceSession(Protocol):
    """What readiness needs of a device's session."""

    joined_at: float

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        """End the session."""


class AgentProcedures:
    """The gate of `/ws-re-dev`."""

    def __init__(self, is_registered: Callable[[str], bool], now: Callable[[], float]) -> None:
        """`is_registered(uri)` tells whether a call of `uri` on realm1 would find a callee; `now` in seconds."""
        self._is_registered = is_registered
        self._now = now
        self._sessions: set[DeviceSession] = set()
        self._unserved: set[DeviceSession] = set()
        self._was_open = False
        self.on_change: list[Callable[[list[str]], None]] = []
        """Told the missing procedures at each change from open to closed or back."""

    def missing(self) -> list[str]:
        """The procedures that have no callee, in the order of the agent's list."""
        return [uri for uri in AGENT_PROCEDURES if not self._is_registered(uri)]

    def look(self) -> list[str]:
        """Look again, act on a change, and return what is missing: devices may join while nothing is."""
        missing = self.missing()
        if self._was_open and missing:
            self._lost(missing)
        elif not self._was_open and not missing:
            self._complete()
        return missing

    def joined(self, session: DeviceSession) -> None:
        """A device's session is in."""
        self._sessions.add(session)

    def left(self, session: DeviceSession) -> None:
        """It is out again."""
        self._sessions.discard(session)
        self._unserved.discard(session)

    def called(self, session: DeviceSession, uri: str) -> None:
        """A device calls `uri`; where nobody is there to answer, the device is remembered."""
        if uri in _ASKED_ONCE and session in self._sessions and not self._is_registered(uri):
            self._unserved.add(session)
            self.look()

    def _lost(self, missing: list[str]) -> None:
        self._was_open = False
        log.warning("agent_procedures_lost", missing=missing)
        fresh_since = self._now() - FRESH_S
        self._unserved |= {session for session in self._sessions if session.joined_at >= fresh_since}
        self._tell(missing)

    def _complete(self) -> None:
        self._was_open = True
        unserved, self._unserved = self._unserved, set()
        log.info("agent_procedures_complete", devices_sent_off=len(unserved))
        for session in unserved:
            ENDED.labels("unserved_device").inc()
            session.leave(SYSTEM_SHUTDOWN, "the platform was incomplete: connect again")
        self._tell([])

    def _tell(self, missing: list[str]) -> None:
        for observer in self.on_change:
            observer(missing)
