"""How often somebody may do something within a time: a few times an hour, so that nobody fills a log or guesses."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

REMEMBERED: Final = 10_000


class Allowance:
    """Remembers when each principal used it; bounded memory."""

    def __init__(self, times: int, window_s: float) -> None:
        """Nobody has used any; everybody has `times` within any `window_s` seconds."""
        self.times = times
        self._window_s = window_s
        self._used: OrderedDict[Hashable, list[float]] = OrderedDict()

    def take(self, principal: Hashable, now: float) -> bool:
        """Whether there was some left, which is used now.

        Args:
            now: Seconds of any clock that only goes forward.
        """
        used = [moment for moment in self._used.pop(principal, []) if now - moment < self._window_s]
        is_left = len(used) < self.times
        self._used[principal] = [*used, now] if is_left else used
        while len(self._used) > REMEMBERED:
            self._used.popitem(last=False)
        return is_left

    def give_back(self, principal: Hashable) -> None:
        """The last use does not count after all."""
        if self._used.get(principal):
            self._used[principal].pop()
