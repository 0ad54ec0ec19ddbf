"""How many of something there are at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import OverLimitError


class Bound:
    """At most so many at once; one more is refused at once instead of waiting."""

    def __init__(self, most: int, what: str) -> None:
        """Allow `most`; `what` is how the refusal calls them."""
        self._most = most
        self._what = what
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Be one of them while the block runs.

        Raises:
            OverLimitError: There are as many as there may be.
        """
        if self._taken >= self._most:
            raise OverLimitError(f"too many {self._what} at once; try again later")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
