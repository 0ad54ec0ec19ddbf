"""The TLS handshakes under way on a listening port: how many at once, and whose.

A handshake costs computing, so only as many run at once as finish in about a second. Whoever begins them and does not
go on must not keep others out: each address has its share, and at a bound one that had its time gives way.
"""

from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import Final, Generic, Protocol, TypeVar

from attrs import frozen

from ironflock_router.settings import Limits

PER_ADDRESS: Final = "handshakes_per_address"
AT_ONCE: Final = "handshakes_at_once"


class FromAddress(Protocol):
    """A connection, of which the peer's host is known."""

    address: str


Connection = TypeVar("Connection", bound=FromAddress)


@frozen
class Place(Generic[Connection]):
    """What a newcomer finds: the reason to refuse it, or room; `instead_of` is who has to go for it, if anybody."""

    refusal: str | None = None
    instead_of: Connection | None = None


class Handshakes(Generic[Connection]):
    """The book of the handshakes under way."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        """`now` in seconds."""
        self._limits = limits
        self._now = now
        self._begun: dict[Connection, float] = {}  # oldest first
        self._of_address: Counter[str] = Counter()

    def place_for(self, address: str) -> Place[Connection]:
        """Whether one more of `address` may begin."""
        mine = self._of_address[address]
        if mine >= self._limits.handshakes_per_address:
            return self._instead(PER_ADDRESS, lambda other: other.address == address)
        if len(self._begun) >= self._limits.handshakes_at_once:
            return self._instead(AT_ONCE, lambda other: self._of_address[other.address] > mine)
        return Place()

    def begin(self, connection: Connection) -> None:
        """Its first octet came."""
        self._begun[connection] = self._now()
        self._of_address[connection.address] += 1

    def end(self, connection: Connection) -> None:
        """TLS stands, or the connection goes; of no effect for one that is not under way."""
        if self._begun.pop(connection, None) is None:
            return
        self._of_address[connection.address] -= 1
        if not self._of_address[connection.address]:
            del self._of_address[connection.address]

    def _instead(self, refusal: str, may_go: Callable[[Connection], bool]) -> Place[Connection]:
        """The place of one that may go and had its time, of which an honest handshake takes a fraction.

        It is the oldest of the address that has most of them.
        """
        begun_before = self._now() - self._limits.handshake_room_after_s
        had_time = takewhile(lambda entry: entry[1] <= begun_before, self._begun.items())
        may_be = [connection for connection, _ in had_time if may_go(connection)]
        if not may_be:
            return Place(refusal)
        return Place(instead_of=max(may_be, key=lambda connection: self._of_address[connection.address]))
