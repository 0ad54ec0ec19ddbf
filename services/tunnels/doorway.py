"""Who came and has not logged in yet: so many at once, each with its time."""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from services.tunnels.deadlines import Deadline
from shared.subscribers import subscriber

MAX_PENDING: Final = 256
MAX_OF_AN_ADDRESS: Final = 32
"""A site whose agents come all at once by one address has them log in so many at a time."""
FIRST_BYTE_S: Final = 10.0
"""As frps waits for it."""
LOGIN_S: Final = 10.0
"""From the first byte on: TLS, yamux and Login."""
MAY_BE_TURNED_OUT_AFTER_S: Final = 3.0
"""Where all places are taken, whoever has stood longer than this makes room; honest agents need far less."""


class Pending:
    """One of them."""

    def __init__(self, doorway: "Doorway", abort: Callable[[], None], clock: IReactorTime, whose: str) -> None:
        """Call `abort` when its time is over; `whose` is who its address stands for."""
        self._doorway = doorway
        self.whose = whose
        self._abort = abort
        self._deadline = Deadline(clock, self.turn_out)
        self.came_at = clock.seconds()

    def expect(self, seconds: float) -> None:
        """It has `seconds` from now."""
        self._deadline.expect(seconds)

    def turn_out(self) -> None:
        """Its time is over."""
        self.leave()
        self._abort()

    def leave(self) -> None:
        """It logged in, or went; a second call does nothing."""
        self._deadline.rest()
        self._doorway.forget(self)


class Doorway:
    """All of them."""

    def __init__(self, clock: IReactorTime, most: int = MAX_PENDING) -> None:
        """Room for `most`."""
        self._clock = clock
        self._most = most
        self._pending: dict[Pending, None] = {}

    def enter(self, abort: Callable[[], None], address: str) -> Pending | None:
        """A place with `FIRST_BYTE_S` of time, after which `abort` is called; None where there is no room."""
        whose = subscriber(address)
        theirs = [each for each in self._pending if each.whose == whose]
        if len(theirs) >= MAX_OF_AN_ADDRESS and not self._made_room(theirs[0]):
            return None
        if len(self._pending) >= self._most and not self._made_room(next(iter(self._pending))):
            return None
        pending = Pending(self, abort, self._clock, whose)
        self._pending[pending] = None
        pending.expect(FIRST_BYTE_S)
        return pending

    def forget(self, pending: Pending) -> None:
        """It needs no place any more."""
        self._pending.pop(pending, None)

    def clear(self) -> None:
        """Turn all out."""
        for pending in list(self._pending):
            pending.turn_out()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pending)

    def _made_room(self, oldest: Pending) -> bool:
        if self._clock.seconds() - oldest.came_at < MAY_BE_TURNED_OUT_AFTER_S:
            return False
        oldest.turn_out()
        return True
