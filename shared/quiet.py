"""At most one word a minute about each device, with the count of what was left unsaid; bounded memory."""

from collections import OrderedDict
from typing import Final

QUIET_S: Final = 60.0
REMEMBERED: Final = 10_000


class Quiet:
    """Remembers when something was last said of a device."""

    def __init__(self) -> None:
        """Nothing has been said."""
        self._said: OrderedDict[int, tuple[float, int]] = OrderedDict()

    def take(self, device_key: int, now: float) -> int | None:
        """How often it has happened since the last word, this time included; None where it is too soon to speak.

        Args:
            now: Seconds of any clock that only goes forward.
        """
        last, unsaid = self._said.pop(device_key, (-QUIET_S, 0))
        if now - last < QUIET_S:
            self._said[device_key] = (last, unsaid + 1)
            return None
        self._said[device_key] = (now, 0)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return unsaid + 1

    def take_back(self, device_key: int) -> None:
        """It was not said after all."""
        self._said.pop(device_key, None)
