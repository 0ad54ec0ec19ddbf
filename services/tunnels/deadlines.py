"""A time that something has; one at a time, begun anew as often as somebody likes."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """One of them; `over` is called when its time is over."""

    def __init__(self, clock: IReactorTime, over: Callable[[], object]) -> None:
        """Nothing is expected yet."""
        self._clock = clock
        self._over = over
        self._call: IDelayedCall | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is expected."""
        return self._call is not None and bool(self._call.active())

    def expect(self, seconds: float) -> None:
        """There are `seconds` from now, whatever there was before."""
        self.rest()
        self._call = self._clock.callLater(seconds, self._over)

    def rest(self) -> None:
        """Nothing is expected any more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
