"""The places of those who have connected for direct SQL and not yet shown a password: so many, and so many an address.

Whoever connects and says nothing must keep nobody out. At the bound of an address its own oldest connection that has
had its time gives way to a newcomer; at the bound of all, one of the address that has the most of them.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from itertools import takewhile
from typing import Final, Generic, TypeVar

from attrs import frozen

PER_ADDRESS: Final = 16
IN_ALL: Final = 64
ROOM_AFTER_S: Final = 2.0
"""An honest client has shown its password in a fraction of that, TLS included."""

Stranger = TypeVar("Stranger", bound=Hashable)


@frozen
class Place(Generic[Stranger]):
    """What a newcomer finds: whether there is room, and who has to go for it, if anybody."""

    is_there: bool
    instead_of: Stranger | None = None


class Places(Generic[Stranger]):
    """The book of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Nobody is there; `clock` gives seconds that only go forward."""
        self._clock = clock
        self._since: dict[Stranger, tuple[str, float]] = {}  # oldest first
        self._of_address: Counter[str] = Counter()

    def place_for(self, address: str) -> Place[Stranger]:
        """Whether one more of `address` may come."""
        mine = self._of_address[address]
        if mine >= PER_ADDRESS:
            return self._instead(lambda other: other == address)
        if len(self._since) >= IN_ALL:
            return self._instead(lambda other: self._of_address[other] > mine)
        return Place(is_there=True)

    def take(self, stranger: Stranger, address: str) -> None:
        """It has come from there."""
        self._since[stranger] = (address, self._clock())
        self._of_address[address] += 1

    def leave(self, stranger: Stranger) -> None:
        """It has shown a password, or is gone; of no effect for one that is no stranger."""
        found = self._since.pop(stranger, None)
        if found is None:
            return
        address, _ = found
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _instead(self, may_go: Callable[[str], bool]) -> Place[Stranger]:
        before = self._clock() - ROOM_AFTER_S
        had_time = takewhile(lambda entry: entry[1][1] <= before, self._since.items())
        may_be = [(stranger, address) for stranger, (address, _) in had_time if may_go(address)]
        if not may_be:
            return Place(is_there=False)
        oldest, _ = max(may_be, key=lambda entry: self._of_address[entry[1]])
        return Place(is_there=True, instead_of=oldest)
