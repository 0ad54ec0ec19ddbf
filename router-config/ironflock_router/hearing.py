"""What a service says again and again while all is well, and for how long it was not heard."""

from collections.abc import Callable
from math import inf

import structlog

log = structlog.get_logger()


class Hearing:
    """One thing that is said."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` only go forward; nothing has been heard yet."""
        self._seconds = seconds
        self._fresh_at = -inf

    @property
    def silent_s(self) -> float:
        """How long ago it was so for the last time, as far as is known; infinite where it was never heard."""
        return self._seconds() - self._fresh_at

    def follow(self, *_: object, **event: object) -> None:
        """An event that says it: it was so `silent_s` seconds ago, at the most.

        Raises nothing, whatever the event is.
        """
        silent_s = event.get("silent_s")
        if not isinstance(silent_s, int | float) or not silent_s >= 0:
            log.error("heartbeat_malformed")
            return
        # Of several processes of the service one may hear worse than another.
        self._fresh_at = max(self._fresh_at, self._seconds() - silent_s)
