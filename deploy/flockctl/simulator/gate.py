"""A bound on how many agents of one process connect at once, so that each has its dial done in time."""

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

MAX_STAY_S: Final = 5.0  # a service that never answers must not keep all other agents out


class Gate:
    """Lets a number of agents be between dialling and being online."""

    def __init__(self, places: int, clock: IReactorTime) -> None:
        """Let `places` in at once."""
        self._free = DeferredSemaphore(places)
        self._clock = clock

    async def enter(self) -> Callable[[], None]:
        """Wait for a place. The answer gives it back, as often as it is called, and does so by itself after 5 s."""
        await self._free.acquire()
        is_inside = True

        def leave() -> None:
            nonlocal is_inside
            if is_inside:
                is_inside = False
                self._free.release()
            if stay.active():
                stay.cancel()

        stay = self._clock.callLater(MAX_STAY_S, leave)
        return leave
