"""At most one word a minute about each device or address, with the count of what was left unsaid; bounded memory."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

QUIET_S: Final = 60.0
REMEMBERED: Final = 10_000


class Quiet:
    """Remembers when something was last said of whom."""

    def __init__(self) -> None:
        """Nothing has been said."""
        self._said: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def take(self, whom: Hashable, now: float) -> int | None:
        """How often it has happened since the last word, this time included; None where it is too soon to speak.

        Args:
            now: Seconds of any clock that only goes forward.
        """
        last, unsaid = self._said.pop(whom, (-QUIET_S, 0))
        if now - last < QUIET_S:
            self._said[whom] = (last, unsaid + 1)
            return None
        self._said[whom] = (now, 0)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return unsaid + 1

    def take_back(self, whom: Hashable) -> None:
        """It was not said after all."""
        self._said.pop(whom, None)
