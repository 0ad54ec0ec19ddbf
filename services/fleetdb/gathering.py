"""Calls that come while another is served are served together: one transaction for all of them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from attrs import define, field

from shared.errors import OutcomeUnknownError, OverLimitError

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_TOGETHER: Final = 256
MAX_WAITING: Final = 4_096


@define
class _Waiting(Generic[Item, Result]):
    item: Item
    answer: asyncio.Future[Result] = field(factory=lambda: asyncio.get_running_loop().create_future())


class Gathering(Generic[Item, Result]):
    """Serves items, alone where nothing else is to be done, together where others wait already.

    Where several are refused together, each is served once more alone: nobody pays for another's fault.
    """

    def __init__(
        self, serve: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], refusal: type[Exception]
    ) -> None:
        """`serve` does it for all of the items it is given, or for none of them; it answers as many results.

        What it raises as `refusal` says that nothing was done. After anything else that is not known: nothing is served
        twice then, and all who waited for it are told.
        """
        self._serve = serve
        self._refusal = refusal
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._serving: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being served."""
        return self._serving is None

    async def put(self, item: Item) -> Result:
        """What `serve` answers for `item`; who gives up waiting does not stop it.

        Raises:
            OverLimitError: Too many wait already; nothing was done.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise OverLimitError("the table has too much to do; nothing was stored, try again in a moment")
        waiting = _Waiting[Item, Result](item)
        self._waiting.append(waiting)
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve_all())
        return await waiting.answer

    async def _serve_all(self) -> None:
        try:
            while self._waiting:
                count = min(MAX_TOGETHER, len(self._waiting))
                await self._serve_these([self._waiting.popleft() for _ in range(count)])
        finally:
            self._serving = None

    async def _serve_these(self, together: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._serve([waiting.item for waiting in together])
        except Exception as error:  # noqa: BLE001 - handed to who waits for it
            if isinstance(error, self._refusal) and len(together) > 1:
                for waiting in together:
                    await self._serve_these([waiting])
            else:
                _fail(together, error)
            return
        except BaseException:
            _fail(together, OutcomeUnknownError("this was given up; look before you repeat"))
            raise
        for waiting, result in zip(together, results, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(result)


def _fail(together: list[_Waiting[Item, Result]], error: Exception) -> None:
    for waiting in together:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
