"""Streams of devices that web visitors have now: a device has few, so each visitor has some, and strangers not all.

A stream is one request that is not answered yet, one WebSocket, or one connection that is passed on.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.tunnels.records.visits import Visitor
from shared.errors import OverLimitError
from shared.subscribers import subscriber

MAX_OF_A_VISITOR: Final = 32
"""At one device, of a person or of an address without one."""
MAX_OF_STRANGERS: Final = 128
"""At one device, of all who have no account: of its 256 streams the others are for those who have one."""
TOO_MANY_OF_YOURS: Final = f"you have {MAX_OF_A_VISITOR} requests open at this device already"
TOO_MANY: Final = "too many requests of visitors without an account are open at this device; try again later"

Key = tuple[int, str, object]


class Sharing:
    """Who has how many."""

    def __init__(self) -> None:
        """Nobody has any."""
        self._taken: Counter[Key] = Counter()

    @contextmanager
    def stream(self, device_key: int, visitor: Visitor) -> Iterator[None]:
        """One more for the visitor, until the end of the block.

        Raises:
            OverLimitError: They have as many as they may.
        """
        person = visitor.person
        if person is None:
            own: Key = (device_key, "address", subscriber(visitor.address))
            keys = [own, (device_key, "strangers", None)]
        else:
            own = (device_key, "person", person.account_key)
            keys = [own]
        if self._taken[own] >= MAX_OF_A_VISITOR:
            raise OverLimitError(TOO_MANY_OF_YOURS)
        if person is None and self._taken[keys[1]] >= MAX_OF_STRANGERS:
            raise OverLimitError(TOO_MANY)
        self._taken.update(keys)
        try:
            yield
        finally:
            self._taken.subtract(keys)
            for key in keys:
                if not self._taken[key]:
                    del self._taken[key]
