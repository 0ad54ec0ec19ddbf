"""Lines about connections that were refused: one an address a minute, so that whoever knocks does not fill the log."""

from collections.abc import Callable
from typing import Any

import structlog

from shared.quiet import Quiet

log = structlog.get_logger()


class RefusalLog:
    """Says so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` only goes forward; in seconds."""
        self._clock = clock
        self._quiet = Quiet()

    def say(self, event: str, address: str, **more: Any) -> None:
        """Somebody at `address` was refused; `count` has how many there were since the line before."""
        count = self._quiet.take(address, self._clock())
        if count is not None:
            log.info(event, address=address, count=count, **more)
