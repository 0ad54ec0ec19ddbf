"""What is written while octets of somebody are taken in leaves when they have been: together, and in the same turn.

Twisted's TLS holds small writes back until its clock calls it: this is that clock.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

import structlog
from attrs import define
from twisted.internet.interfaces import IReactorTime

log = structlog.get_logger()


@define
class _Held:
    """What is to be done at the end of the turn."""

    action: Callable[[], object] | None

    def cancel(self) -> None:
        """Leave it."""
        self.action = None


class Turn:
    """While it is entered, what TLS wants done later is done when it is left; else in a turn of the loop's own."""

    def __init__(self, reactor: IReactorTime) -> None:
        """Nothing is held back."""
        self._reactor = reactor
        self._held: list[_Held] = []
        self._entered = 0

    @property
    def clock(self) -> IReactorTime:
        """For TLS, which asks nothing else of a clock."""
        return cast("IReactorTime", self)

    def callLater(self, delay: float, action: Callable[[], object]) -> Any:  # noqa: ARG002 - the interface
        """Hold `action` back."""
        if not self._held and not self._entered:
            self._reactor.callLater(0, self._end)
        held = _Held(action)
        self._held.append(held)
        return held

    def __enter__(self) -> None:
        """Octets are taken in from now on."""
        self._entered += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """They have been."""
        self._entered -= 1
        if not self._entered:
            self._end()

    def _end(self) -> None:
        while self._held:
            held, self._held = self._held, []
            for each in held:
                if each.action is not None:
                    _act(each.action)


def _act(action: Callable[[], object]) -> None:
    try:
        action()
    except Exception:  # one connection's trouble is not to hold back what is for another
        log.exception("octets_not_sent")
