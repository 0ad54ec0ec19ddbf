"""Who has asked how often, in this process's memory: bounded, the one who was longest away is forgotten first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.gateway.records import Rate, Verdict
from services.gateway.rules.limits import spend

MAX_REMEMBERED: Final = 10_000


class Limiter:
    """One rate, for many who are told apart by `who`."""

    def __init__(self, rate: Rate, now: Callable[[], float], *, remembered: int = MAX_REMEMBERED) -> None:
        """Nobody has asked yet; `now` gives seconds that never go back."""
        self.rate = rate
        self._now = now
        self._remembered = remembered
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def take(self, who: str, cost: int = 1) -> Verdict:
        """Whether `cost` more of `who` may pass; what may is counted."""
        verdict = spend(self._arrivals.get(who, 0.0), now=self._now(), rate=self.rate, cost=cost)
        self._arrivals[who] = verdict.arrival
        self._arrivals.move_to_end(who)
        while len(self._arrivals) > self._remembered:
            self._arrivals.popitem(last=False)
        return verdict

    def give_back(self, who: str) -> None:
        """Uncount one that was counted."""
        if who in self._arrivals:
            self._arrivals[who] -= self.rate.period_s / self.rate.count
