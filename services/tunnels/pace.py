"""How much may wait to be sent to an agent: little on a slow line, where a ping must not be late; else more."""

from typing import Final

SLOW_OCTETS: Final = 65_536
FAST_OCTETS: Final = 262_144
FAST_S: Final = 0.02
"""In which a fast line takes what made us pause."""
SURE_AFTER: Final = 8
"""Times in a row: more than the kernel itself takes off at once."""


class Pace:
    """One connection's."""

    def __init__(self) -> None:
        """Slow until it shows."""
        self._paused_at: float | None = None
        self._fast = 0

    def limit(self, now: float) -> int:
        """Octets that may wait after what is written `now`."""
        if self._paused_at is not None:
            self._fast = self._fast + 1 if now - self._paused_at < FAST_S else 0
            self._paused_at = None
        return FAST_OCTETS if self._fast >= SURE_AFTER else SLOW_OCTETS

    def paused(self, now: float) -> None:
        """So much waited that we were told to pause."""
        self._paused_at = now
