"""What the router has said of sessions lately: which one of a device is the newest, which ones are over.

Calls and events overtake each other: a status call may be settled after the end of its own session, or after a newer
session has begun. This memory tells; it is bounded, and what it has forgotten is found by comparing with the router.
"""

from typing import Final

REMEMBERED_ENDS: Final = 50_000


class SessionMemory:
    """Sessions by device key, and those that ended."""

    def __init__(self) -> None:
        """Nothing has been heard yet."""
        self._newest: dict[int, int] = {}
        self._device_of: dict[int, int] = {}
        self._ended: dict[int, None] = {}

    def joined(self, device_key: int, session: int) -> None:
        """`session` is now the newest one of the device."""
        self._newest[device_key] = session
        self._device_of[session] = device_key

    def left(self, session: int) -> None:
        """`session` is over."""
        device_key = self._device_of.pop(session, None)
        if device_key is not None and self._newest.get(device_key) == session:
            del self._newest[device_key]
        self._ended[session] = None
        while len(self._ended) > REMEMBERED_ENDS:
            del self._ended[next(iter(self._ended))]

    def is_over(self, session: int) -> bool:
        """Whether the router said that it left."""
        return session in self._ended

    def speaks_for(self, device_key: int, session: int) -> bool:
        """Whether what `session` says of the device counts: it is not over, and no newer one is known."""
        return session not in self._ended and self._newest.get(device_key, session) == session
