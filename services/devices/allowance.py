"""How often a device may tell something new: a few times an hour, so that it cannot fill the audit log."""

from collections import OrderedDict
from typing import Final

CHANGES: Final = 10
WINDOW_S: Final = 3_600.0
REMEMBERED: Final = 10_000


class Allowance:
    """Remembers when each device used it; bounded memory."""

    def __init__(self) -> None:
        """Nobody has used any."""
        self._used: OrderedDict[int, list[float]] = OrderedDict()

    def take(self, device_key: int, now: float) -> bool:
        """Whether there was some left, which is used now.

        Args:
            now: Seconds of any clock that only goes forward.
        """
        used = [moment for moment in self._used.pop(device_key, []) if now - moment < WINDOW_S]
        is_left = len(used) < CHANGES
        self._used[device_key] = [*used, now] if is_left else used
        while len(self._used) > REMEMBERED:
            self._used.popitem(last=False)
        return is_left
