"""What each address may be sent that sends datagrams without an account: one account of it, whatever the port."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.tunnels.rules.answers import Answering, answered, heard

REMEMBERED: Final = 10_000
"""Addresses; few can be here at once, and few come within a minute (`public_datagrams.py`)."""


class Answerings:
    """All of them; bounded memory."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` only goes forward; in seconds."""
        self._clock = clock
        self._known: OrderedDict[str, Answering] = OrderedDict()

    def heard(self, address: str, length: int) -> None:
        """A datagram came from there, to whom somebody listens."""
        self._known[address] = heard(self._known.pop(address, None), self._clock(), length)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def take(self, address: str, length: int) -> bool:
        """Whether a datagram of that length may go there, which is counted."""
        known = self._known.get(address)
        after = None if known is None else answered(known, self._clock(), length)
        if after is None:
            return False
        self._known[address] = after
        return True
