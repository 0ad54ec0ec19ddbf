"""The places of those who have connected to a listener: so many in all, and so many an address.

Whoever connects and asks for nothing must keep nobody out. At the bound of an address its own longest waiting one that
has had its time gives way to a newcomer; at the bound of all, one of the address that has the most of them: that which
has waited longest, or else that which has been answered longest, so that nobody has all places by reading slowly.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Final, Generic, TypeVar

from attrs import frozen

ROOM_AFTER_S: Final = 2.0
"""An honest client has asked for what it came for in a fraction of that, TLS included."""

Guest = TypeVar("Guest", bound=Hashable)


@frozen
class Place(Generic[Guest]):
    """What a newcomer finds: whether there is room, and who has to go for it, if anybody."""

    is_there: bool
    instead_of: Guest | None = None


class Places(Generic[Guest]):
    """The book of them."""

    def __init__(self, clock: Callable[[], float], *, per_address: int, in_all: int) -> None:
        """Nobody is there; `clock` gives seconds that only go forward."""
        self._clock = clock
        self._per_address = per_address
        self._in_all = in_all
        self._whose: dict[Guest, str] = {}
        self._of_address: Counter[str] = Counter()
        # By address: since when, the longest first.
        self._waiting: dict[str, dict[Guest, float]] = {}
        self._answered: dict[str, dict[Guest, float]] = {}

    def place_for(self, address: str) -> Place[Guest]:
        """Whether one more of `address` may come."""
        mine = self._of_address[address]
        if mine >= self._per_address:
            return self._instead(self._had_time(self._waiting, [address]))
        if len(self._whose) >= self._in_all:
            others = [other for other, count in self._of_address.items() if count > mine]
            return self._instead([*self._had_time(self._waiting, others), *self._had_time(self._answered, others)])
        return Place(is_there=True)

    def take(self, guest: Guest, address: str) -> None:
        """It has come from there, and is waited for."""
        self._whose[guest] = address
        self._of_address[address] += 1
        self.rest(guest)

    def leave(self, guest: Guest) -> None:
        """It is no guest any more; of no effect for one that is none."""
        address = self._whose.pop(guest, None)
        if address is None:
            return
        _strike(self._waiting, address, guest)
        _strike(self._answered, address, guest)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def stay(self, guest: Guest) -> None:
        """It has asked, and is being answered: for nobody of its address it goes now. As `rest` for who is no guest."""
        self._move(guest, self._waiting, self._answered)

    def rest(self, guest: Guest) -> None:
        """It is answered, and waited for from now on; of no effect for one that is no guest."""
        self._move(guest, self._answered, self._waiting)

    def _move(self, guest: Guest, out_of: dict[str, dict[Guest, float]], into: dict[str, dict[Guest, float]]) -> None:
        address = self._whose.get(guest)
        if address is not None:
            _strike(out_of, address, guest)
            into.setdefault(address, {})[guest] = self._clock()

    def _had_time(self, book: dict[str, dict[Guest, float]], addresses: Iterable[str]) -> list["_Going[Guest]"]:
        """Of each address the one that is longest in `book`, if it has had its time."""
        now, is_waiting = self._clock(), book is self._waiting
        longest = [(address, *next(iter(book[address].items()))) for address in addresses if address in book]
        return [
            _Going(guest, (self._of_address[address], is_waiting, now - since))
            for address, guest, since in longest
            if now - since >= ROOM_AFTER_S
        ]

    def _instead(self, may_go: list["_Going[Guest]"]) -> Place[Guest]:
        if not may_go:
            return Place(is_there=False)
        return Place(is_there=True, instead_of=max(may_go, key=lambda each: each.rank).guest)


@frozen
class _Going(Generic[Guest]):
    """Who may go; by `rank`: how many its address has, whether it waits, for how long."""

    guest: Guest
    rank: tuple[int, bool, float]


def _strike(book: dict[str, dict[Guest, float]], address: str, guest: Guest) -> None:
    of_address = book.get(address, {})
    of_address.pop(guest, None)
    if not of_address:
        book.pop(address, None)
