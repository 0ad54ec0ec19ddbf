"""Waiting longer after each failure, never for ever, never in step with others."""

from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.5
MOST_S: Final = 60.0
STEPS: Final = 10


class Backoff:
    """The delays of one peer."""

    def __init__(self, jitter: Callable[[], float], *, first_s: float = FIRST_S) -> None:
        """`jitter` gives a number from 0 to 1."""
        self._jitter = jitter
        self._first_s = first_s
        self._failures = 0

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0

    def failed(self) -> float:
        """How many seconds to wait now: doubling up to a minute, half of it at random."""
        self._failures = min(self._failures + 1, STEPS)
        delay: float = min(self._first_s * 2 ** (self._failures - 1), MOST_S)
        return delay * (0.5 + self._jitter() / 2)
