"""A container that writes one row after the other, and remembers what became of each."""

from itertools import count
from threading import Event, Thread
from typing import Final

from tests.harness.sdk import Container, SdkError

MOMENT_MS: Final = 1_775_000_000_000


class Writer:
    """Appends numbers from a container, one after the other, until it is told to end."""

    def __init__(self, container: Container, first: int) -> None:
        self._container = container
        self._numbers = count(first)
        self.acknowledged: list[int] = []
        self.refused: list[tuple[int, str | None]] = []
        self._is_over = Event()
        self._thread = Thread(target=self._work)
        self._thread.start()

    def end(self) -> None:
        """Let the last one be answered."""
        self._is_over.set()
        self._thread.join(60)

    def _work(self) -> None:
        while not self._is_over.is_set():
            number = next(self._numbers)
            try:
                self._container.do("append_to_table", "readings", {"tsp": MOMENT_MS + number, "count": number})
            except SdkError as error:
                self.refused.append((number, error.uri))
            else:
                self.acknowledged.append(number)
