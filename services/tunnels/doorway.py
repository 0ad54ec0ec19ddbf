"""Who came and has not logged in yet: so many at once, each with its time."""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

MAX_PENDING: Final = 256
FIRST_BYTE_S: Final = 10.0
"""As frps waits for it."""
LOGIN_S: Final = 10.0
"""From the first byte on: TLS, yamux and Login."""
MAY_BE_TURNED_OUT_AFTER_S: Final = 3.0
"""Where all places are taken, whoever has stood longer than this makes room; honest agents need far less."""


class Pending:
    """One of them."""

    def __init__(self, doorway: "Doorway", abort: Callable[[], None], clock: IReactorTime) -> None:
        """Call `abort` when its time is over."""
        self._doorway = doorway
        self._abort = abort
        self._clock = clock
        self._deadline: IDelayedCall | None = None
        self.came_at = clock.seconds()

    def expect(self, seconds: float) -> None:
        """It has `seconds` from now."""
        self._rest()
        self._deadline = self._clock.callLater(seconds, self.turn_out)

    def turn_out(self) -> None:
        """Its time is over."""
        self.leave()
        self._abort()

    def leave(self) -> None:
        """It logged in, or went; a second call does nothing."""
        self._rest()
        self._doorway.forget(self)

    def _rest(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class Doorway:
    """All of them."""

    def __init__(self, clock: IReactorTime, most: int = MAX_PENDING) -> None:
        """Room for `most`."""
        self._clock = clock
        self._most = most
        self._pending: dict[Pending, None] = {}

    def enter(self, abort: Callable[[], None]) -> Pending | None:
        """A place with `FIRST_BYTE_S` of time, after which `abort` is called; None where there is no room."""
        if len(self._pending) >= self._most and not self._made_room():
            return None
        pending = Pending(self, abort, self._clock)
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

    def _made_room(self) -> bool:
        oldest = next(iter(self._pending))
        if self._clock.seconds() - oldest.came_at < MAY_BE_TURNED_OUT_AFTER_S:
            return False
        oldest.turn_out()
        return True
