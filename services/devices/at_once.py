"""What is told at once: a task for each, as many as there are places for, the next as soon as one has ended."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from shared.nudge import Nudge

What = TypeVar("What")


class AtOnce(Generic[What]):
    """What is under way. Used in a `with` block, at whose end nothing is any more."""

    def __init__(self, tell: Callable[[What], Coroutine[Any, Any, None]], nudge: Nudge) -> None:
        """`tell` does each; a `nudge` says that there may be more."""
        self._tell = tell
        self._nudge = nudge
        self._running: dict[asyncio.Task[None], What] = {}

    async def __aenter__(self) -> Self:
        """Nothing is under way yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give up what still is."""
        for task in self._running:
            task.cancel()
        await self.all_end()

    @property
    def under_way(self) -> list[What]:
        """What is being told."""
        return list(self._running.values())

    def begin(self, each: Iterable[What]) -> None:
        """Tell these too."""
        self._running |= {asyncio.create_task(self._tell(one)): one for one in each}

    async def one_ends(self, within_s: float) -> None:
        """Wait until there is a place, or more may be due, or `within_s` seconds.

        Raises:
            Exception: What ended one of them.
        """
        waiting = asyncio.create_task(self._nudge.wait(within_s))
        try:
            ended, _ = await asyncio.wait({*self._running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in [task for task in self._running if task in ended]:
            del self._running[task]
            task.result()

    async def all_end(self) -> None:
        """Wait until nothing is under way; what ended it is not told."""
        await asyncio.gather(*self._running, return_exceptions=True)
