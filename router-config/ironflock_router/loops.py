"""Work that is done again and again, and goes on after a failure: a sweep that stops would leave the door open."""

from collections.abc import Callable

import structlog
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater

log = structlog.get_logger()


class Loop:
    """Does `action` every `every_s` seconds while it is started."""

    def __init__(self, reactor: IReactorTime, action: Callable[[], object], every_s: float) -> None:
        """Nothing happens before `start`."""
        self._action = action
        self._every_s = every_s
        self._calls = LoopingCall(self._act)
        self._calls.clock = reactor

    def start(self) -> None:
        """Begin, with the first time at once; of no effect while it runs."""
        if not self._calls.running:
            self._calls.start(self._every_s)  # type: ignore[unused-awaitable]  # it ends by `stop` only

    def stop(self) -> None:
        """End; of no effect while it does not run."""
        if self._calls.running:
            self._calls.stop()

    def _act(self) -> None:
        try:
            self._action()
        except Exception:  # the next time may go better, and none at all would be worse
            log.exception("loop_failed")


def turn(reactor: IReactorTime) -> Deferred[None]:
    """The next turn of the reactor."""
    return deferLater(reactor, 0, lambda: None)
