"""Time that passes ten times as fast, for what an agent waits for between one message and the next."""

from collections.abc import Callable
from typing import Any

SPEED = 10


class QuickClock:
    """The reactor's clock, quickened; the dial's own deadline stays on the reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def seconds(self) -> float:
        return float(self._reactor.seconds() * SPEED)

    def callLater(self, delay: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._reactor.callLater(delay / SPEED, function, *args, **kwargs)
