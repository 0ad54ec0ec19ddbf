"""Two sessions of one device: who has the seat (decision 9).

The first one is asked for a sign of life. None within 2 s: it is cut and the newcomer takes the seat, as after a power
cut. A sign: the newcomer is a copy of the same `.flock`, and two copies must not evict each other for ever.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog
from attrs import evolve
from twisted.internet.defer import Deferred

from ironflock_router.metrics import DUPLICATES, ENDED
from ironflock_router.records import Identity
from ironflock_router.wire_names import DEVICE_DUPLICATE

log = structlog.get_logger()

SIGN_OF_LIFE_S: Final = 2.0
ALERT_EVERY_S: Final = 60.0
ALERTS_REMEMBERED: Final = 10_000


class Sitter(Protocol):
    """What a seat needs of a session."""

    closed: "Deferred[None]"

    def answers_ping(self, timeout_s: float) -> Awaitable[bool]:
        """Whether the client shows a sign of life in time."""

    def end(self) -> None:
        """Cut the connection."""


class Seats:
    """The one session of each device, by device key."""

    def __init__(self, now: Callable[[], float], alert: Callable[[Identity], None]) -> None:
        """`alert` is told of a copy, at most once a minute for one device; `now` in seconds."""
        self._now = now
        self._alert = alert
        self._sitters: dict[int, Sitter] = {}
        self._alerted: OrderedDict[int, float] = OrderedDict()

    async def admit(self, identity: Identity) -> Identity:
        """`identity` itself where the seat is free or freed, the same as a duplicate where it is taken.

        The seat is taken by `take`, in the same turn of the reactor in which this returns.
        """
        key = identity.device_key
        while key is not None and (sitter := self._sitters.get(key)) is not None:
            if await sitter.answers_ping(SIGN_OF_LIFE_S):
                self._report(key, identity)
                return evolve(identity, role=DEVICE_DUPLICATE)
            log.info("dead_device_session_ended", authid=identity.authid)
            ENDED.labels("dead_device").inc()
            sitter.end()
            await _closed(sitter)
            self.release(key, sitter)
        return identity

    def take(self, device_key: int, sitter: Sitter) -> None:
        """Sit down."""
        self._sitters[device_key] = sitter

    def release(self, device_key: int, sitter: Sitter) -> None:
        """Stand up; of no effect for who does not sit there."""
        if self._sitters.get(device_key) is sitter:
            del self._sitters[device_key]

    def _report(self, key: int, identity: Identity) -> None:
        DUPLICATES.inc()
        log.warning("duplicate_device_refused", authid=identity.authid)
        last = self._alerted.get(key)
        if last is not None and self._now() - last < ALERT_EVERY_S:
            return
        self._alerted[key] = self._now()
        self._alerted.move_to_end(key)
        while len(self._alerted) > ALERTS_REMEMBERED:
            self._alerted.popitem(last=False)
        self._alert(identity)


def _closed(sitter: Sitter) -> "Deferred[None]":
    """Fires when the sitter's connection is gone; several newcomers may wait for the same one."""
    gone: Deferred[None] = Deferred()

    def pass_on(result: None) -> None:
        gone.callback(None)
        return result

    sitter.closed.addCallback(pass_on)  # type: ignore[unused-awaitable]  # `gone` is what is waited for
    return gone
