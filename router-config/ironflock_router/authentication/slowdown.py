"""Failing principals wait: how long a refusal is held back. Pure; successes never pass through here.

Decision 11: the answer is held back below the agent's 7 s, with bounded memory.
"""

from collections import OrderedDict
from typing import Final

FIRST_S: Final = 0.1
LIMIT_S: Final = 2.5
FORGET_S: Final = 60.0
CAPACITY: Final = 20_000
FREE_OF_ADDRESS: Final = 8
"""Failures of an address that cost nothing: many honest clients may share one."""


class Slowdown:
    """Failures by principal and by address, the delay of each doubling from `FIRST_S` up to `LIMIT_S`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Remember at most `capacity` keys; the one that failed longest ago is forgotten first."""
        self._capacity = capacity
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def after_failure(self, principal: str, address: str, now: float) -> float:
        """Record one failure at `now` (seconds, any epoch); return the seconds to hold the answer back.

        Without a principal (a person's ticket names nobody) the address alone counts.
        """
        of_principal = self._count(f"principal {principal}", now) if principal else 0
        of_address = self._count(f"address {address}", now) - FREE_OF_ADDRESS
        return max(_delay(of_principal), _delay(of_address))

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._failures)

    def _count(self, key: str, now: float) -> int:
        count, last = self._failures.pop(key, (0, now))
        if now - last > FORGET_S:
            count = 0
        self._failures[key] = (count + 1, now)
        while len(self._failures) > self._capacity:
            self._failures.popitem(last=False)
        return count + 1


def _delay(failures: int) -> float:
    return 0.0 if failures <= 0 else min(LIMIT_S, FIRST_S * 2.0 ** min(failures - 1, 10))
